"""What other packages' formulas call and this one's do not: what to write in its place."""

from bayes_glmm.structures.dependence import KINDS

__all__ = ["ELSEWHERE"]

_SUCCESSES = "write the response as p(successes, trials)"
_SMOOTH = "smooths are not available: use products of spline bases, bs(x, df=4):bs(z, df=4)"
_COLUMN = "make the column in the data"
_NONLINEAR = "nonlinear models are not available: a predictor is linear in its coefficients, as bs(x, df=5) is"

#: Functions by name, as R, brms, mgcv, glmmTMB, patsy or formulaic call them.
ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        ("SSasymp", "SSasympOff", "SSasympOrig", "SSbiexp", "SSfol", "SSfpl", "SSgompertz", "SSlogis", "SSmicmen",
         "SSweibull", "nl"),
        _NONLINEAR,
    ),
    "s": "smooths are not available: use a spline basis, bs(x, df=5), ns(x, df=4) or rcs(x, 5)",
    "t2": _SMOOTH,
    "te": _SMOOTH,
    "ti": _SMOOTH,
    "gp": "Gaussian processes are not available",
    "hsgp": "Gaussian processes are not available",
    "me": "measurement error terms are not available: draw the true values several times, given what was measured and "
    "the response, and call bg.fit_multiple(formula, frames)",
    "mi": "predictors are not imputed in the model: impute them before, several times, and call "
    "bg.fit_multiple(formula, frames)",
    "mm": "multi-membership terms are not available",
    "ar": "brms's ar() correlates residuals; ar1(time | g) adds effects that are correlated in time",
    **dict.fromkeys(("arma", "ma", "cosy", "unstr"), "write ar1(time | g) for effects that are correlated in time"),
    **dict.fromkeys(
        KINDS, "it is a term of its own, added with '+': ar1(time | g), ou(time | g), rw1(time), bym2(region)"
    ),
    **dict.fromkeys(("mat", "gau", "toep", "rr"), "the covariances there are: us(), diag(), ar1() and ou()"),
    "trials": _SUCCESSES,
    "cbind": _SUCCESSES,
    "p": "p(successes, trials) belongs on the left of '~'",
    "prop": _SUCCESSES,
    "weighted": "weighted(y, w) belongs on the left of '~'",
    "precision": "precision(y, w) belongs on the left of '~'",
    "weights": "write the response as weighted(y, w) or precision(y, w)",
    "exposure": "write offset(log(n))",
    "offset": "offset(...) must be a term of its own on the right of '~'",
    "censored": "censored(y, status) belongs on the left of '~'",
    "truncated": "truncated(y, lower) belongs on the left of '~'",
    "Surv": "Surv(time, event) belongs on the left of '~'",
    "se": "se(y, standard_error) belongs on the left of '~'",
    "strata": "for strata that differ in level use the column as a factor; for baselines of their own, a fit for each",
    "frailty": "write (1 | g)",
    "cluster": "write (1 | g)",
    "standardize": "write scale(x)",
    "lag": "make the lagged column in the data",
    "hashed": _COLUMN,
    "Treatment": "write contr.treatment('level')",
    "Sum": "write contr.sum",
    "Poly": "write contr.poly",
    "Helmert": "write contr.helmert",
    "Diff": "write contr.diff",
    "Q": "put the name in backticks",
    "c": "c(...) stands right of %in% and in options, such as levels=c('a', 'b')",
    "seq": "seq(from, to, by) stands in options, such as breaks=seq(0, 10, 2)",
    "as.POSIXct": "times become numbers in the data: (pd.to_datetime(data['date']) - start).dt.total_seconds()",
    "difftime": "write as.numeric(as.Date(end) - as.Date(start)), in days",
    "as.logical": "write a comparison, such as I(x != 0)",
    "is.na": "rows with missing values are dropped; make an indicator column in the data",
    "dummy": "write a comparison, such as I(f == 'level')",
    "fct_relevel": "write relevel(f, ref='level')",
    "prcomp": "make the columns of principal components in the data",
    "mod": "write x %% 2",
    "findInterval": "write cut(x, breaks)",
    "cut2": "write cut(x, breaks)",
    "pol": "write poly(x, 2)",
    "lsp": "write x + pmax(x - 3, 0) for a line with a knot at 3",
    "lspline": "write x + pmax(x - 3, 0) for a line with a knot at 3",
    "nchar": _COLUMN,
    "substr": _COLUMN,
    "recode": _COLUMN,
    "case_when": "write ifelse(test, yes, no), one within another",
    "rep": _COLUMN,
    "rnorm": _COLUMN,
}  # fmt: skip
