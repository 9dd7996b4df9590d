"""Where things are that users look for in other places: on a fit, on a model, among arguments.

Input: a name that does not exist. Output: the sentence that says which one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from bayes_glmm.errors import GLMMError, nearest

__all__ = ["missing_attribute", "missing_function", "refuse_keywords"]

_ARVIZ = "arviz takes fit.dt"
_PLOTS = "bg.plots, which draws results, such as bg.plots.predictions(bg.avg_predictions(fit, by='x'), 'x')"
#: What other packages have as methods of a fit, and what does it here.
_OF_A_FIT = {
    # statsmodels and scikit-learn
    "params": "fit.summary()",
    "fe_params": "fit.summary()",
    "coef_": "fit.summary()",
    "intercept_": "fit.summary()",
    "bse": "fit.summary()['sd']",
    "bse_fe": "fit.summary()['sd']",
    "conf_int": "fit.summary(ci_prob=0.95)",
    "pvalues": "bg.hypotheses(fit, 'x > 0'), the posterior probability",
    "tvalues": "fit.summary(), whose intervals take the place of tests",
    "summary2": "fit.summary()",
    "cov_params": "fit.posterior['beta'], whose draws have every covariance",
    "vcov": "fit.posterior['beta'], whose draws have every covariance",
    "cov_re": "fit.posterior['sd_g'] and, of correlated effects, fit.posterior['corr_g'] of a factor g",
    "vcomp": "bg.variance_components(fit)",
    "scale": "fit.summary(), where sigma and phi stand below the sds",
    "sigma": "fit.posterior['sigma']",
    "fittedvalues": "bg.predictions(fit)",
    "predict": "bg.predictions(fit), or bg.posterior_predictive(fit) for new responses",
    "get_prediction": "bg.predictions(fit)",
    "predict_proba": "bg.predictions(fit)",
    "resid": "bg.simulate_residuals(fit)",
    "resid_pearson": "bg.simulate_residuals(fit)",
    "resid_response": "bg.simulate_residuals(fit)",
    "llf": "bg.log_likelihood(fit), or bg.loo(fit) to compare models",
    "score": "bg.loo(fit)",
    "rsquared": "bg.r2(fit)",
    "nobs": "len(fit.model.design.frame)",
    "converged": "fit.convergence.passed",
    "t_test": "bg.hypotheses(fit, 'x > 0')",
    "wald_test": "bg.hypotheses(fit, 'x > 0')",
    "get_margeff": "bg.avg_slopes(fit, 'x')",
    "get_influence": "bg.loo(fit)",
    "bic": "bg.loo(fit)",
    "aic": "bg.loo(fit)",
    # lme4 and R
    "fitted": "bg.predictions(fit)",
    "residuals": "bg.simulate_residuals(fit)",
    "ranef": "bg.random_effects(fit)",
    "fixef": "fit.summary()",
    "coef": "fit.summary()",
    "confint": "fit.summary(ci_prob=0.95)",
    "VarCorr": "bg.variance_components(fit)",
    "varcorr": "bg.variance_components(fit)",
    "anova": "bg.compare({'small': bg.loo(fit), 'large': bg.loo(fit)}), with the fits of two models",
    "logLik": "bg.log_likelihood(fit), or bg.loo(fit) to compare models",
    "simulate": "bg.posterior_predictive(fit)",
    "model_matrix": "fit.model.design.X",
    "emmeans": "bg.avg_predictions(fit, by='x')",
    "contrasts": "bg.comparisons(fit, 'x')",
    "predict_response": "bg.predictions(fit)",
    "marginaleffects": "bg.slopes(fit, 'x') or bg.comparisons(fit, 'x')",
    "tidy": "fit.summary()",
    "glance": "fit.diagnose() and bg.r2(fit)",
    # brms, rstanarm, Bambi and ArviZ
    "posterior_predict": "bg.posterior_predictive(fit)",
    "posterior_epred": "bg.predictions(fit)",
    "posterior_linpred": "bg.predictions(fit, scale='link')",
    "conditional_effects": "bg.predictions(fit, bg.grid(fit, x=[0, 1]), random_effects='typical')",
    "marginal_effects": "bg.avg_slopes(fit, 'x')",
    "prior_summary": "fit.model.priors",
    "as_draws_df": "fit.posterior.to_dataframe()",
    "plot": f"{_PLOTS}; {_ARVIZ}",
    "plots": _PLOTS,
    "plot_trace": f"arviz.plot_trace_dist(fit.dt): {_ARVIZ}",
    "trace": "fit.posterior, or fit.dt",
    "idata": "fit.dt",
    "samples": "fit.posterior",
    "draws": "fit.posterior",
    "waic": "bg.loo(fit)",
    "pp_check": "bg.predictive_check(fit)",
    "ppc": "bg.predictive_check(fit)",
    "hypothesis": "bg.hypotheses(fit, 'x > 0')",
    "bayes_R2": "bg.r2(fit)",
    "rhat": "fit.summary()['r_hat']",
    # metafor
    **dict.fromkeys(("I2", "i2", "H2", "tau2", "tau"), "bg.heterogeneity(fit)"),
    "blup": "bg.random_effects(fit), or bg.studies(fit) of a meta-analysis",
    # what a model has
    "formula": "fit.model.spec.formula.text",
    "family": "fit.model.spec.family",
    "data": "fit.model.design.frame",
    "priors": "fit.model.priors",
    "equation": "fit.model.equation()",
    "graph": "fit.model.graph()",
    "to_pymc": "fit.model.to_pymc()",
    "fit": "fit.model.fit(...), which samples again",
    "sbc": "bg.sbc(fit.model)",
    "prior_predictive_check": "bg.prior_predictive_check(fit.model)",
    "load": "bg.load(path)",
}
#: What other packages have as functions and this one as something else.
_OF_THE_PACKAGE = {
    **dict.fromkeys(("fit", "lmer", "glmer", "glmmTMB", "glm", "brm", "stan_glmer", "Model"), "bg.GLMM(...).fit()"),
    **dict.fromkeys(("lme", "MCMCglmm", "blmer", "mixedlm", "stan_lmer"), "bg.GLMM(...).fit()"),
    **dict.fromkeys(
        ("rma", "rma_uni", "rma_mv", "metagen", "metamean"), "bg.GLMM('se(yi, sei) ~ 1 + (1 | study)', data).fit()"
    ),
    **dict.fromkeys(("clm", "clmm", "polr"), "bg.GLMM('y ~ x + (1 | g)', data, family='cumulative').fit()"),
    **dict.fromkeys(("Surv", "survreg", "coxme"), "bg.GLMM('Surv(time, event) ~ x', data, family='weibull').fit()"),
    "coxph": "bg.GLMM('Surv(time, event) ~ x', data, family='weibull').fit(), since hazards need a family here",
    "forest": "bg.plots.forest(bg.studies(fit))",
    "funnel": "bg.plots.funnel(bg.studies(fit))",
    "summary": "fit.summary()",
    "update": "fit.update(...)",
    **dict.fromkeys(("brm_multiple", "pool", "mice"), "bg.fit_multiple(formula, frames)"),
    "missing_responses": "fit.missing_responses()",
    "extend": "fit.extend()",
    "save": "fit.save(path)",
}
#: Public functions whose first argument is a fit.
_FUNCTIONS = (
    "predictions", "avg_predictions", "comparisons", "avg_comparisons", "slopes", "avg_slopes", "grid", "hypotheses",
    "evolvability", "heritability", "heterogeneity", "icc", "kfold", "log_likelihood", "loo", "marginal_coefficients",
    "posterior_predictive", "predictive_check", "prior_sensitivity", "r2", "random_effects", "shrinkage",
    "simulate_residuals", "studies", "variance_components",
)  # fmt: skip
#: Of these, the ones that want names of variables, too.
_OF_VARIABLES = ("comparisons", "avg_comparisons", "slopes", "avg_slopes", "grid", "hypotheses")
_OF_A_MODEL = {
    "sample": "model.fit()",
    "build": "model.to_pymc()",
    "predict": "fit = model.fit(), then bg.predictions(fit)",
    "plot_priors": "model.sample_prior() and model.priors",
    "prior_predictive": "model.sample_prior() or bg.prior_predictive_check(model)",
    "formula": "model.spec.formula.text",
    "family": "model.spec.family",
    "data": "model.design.frame",
    "summary": "fit = model.fit(), then fit.summary()",
    "sbc": "bg.sbc(model)",
    "prior_predictive_check": "bg.prior_predictive_check(model)",
}
#: Other packages' arguments of models and of fits, and what stands for them here.
ARGUMENTS_OF_MODELS = {
    "offset": "an offset is a term of the formula: 'y ~ x + offset(log(n))'",
    "exposure": "an exposure is an offset in the formula: 'y ~ x + offset(log(n))'",
    "weights": "weights are in the formula: 'weighted(y, w) ~ x' or 'precision(y, w) ~ x', and trials: 'p(k, n) ~ x'",
    "ziformula": "zero inflation is part of the family and has its formula beside it: family='zero_inflated_poisson', "
    "dpar_formulas={'zi': '~ x'}",
    "dispformula": "write dpar_formulas={'sigma': '~ x'}, or 'phi', or what the family's parameter is called",
    **dict.fromkeys(("sigma", "phi", "shape", "zi", "hu", "nu"), "write dpar_formulas={'sigma': '~ x'}"),
    "REML": "leave it out: the posterior averages over the fixed effects, as REML does",
    "trials": "trials are in the formula: 'p(successes, trials) ~ x'",
    "prior": "write priors={'beta': bg.Prior('Normal', mu=0, sigma=1)}",
    **dict.fromkeys(
        ("sei", "vi", "yi", "se"),
        "known standard errors are in the formula: 'se(yi, sei) ~ 1 + (1 | study)', or se(yi, sqrt(vi)) of variances",
    ),
    **dict.fromkeys(
        ("status", "event", "cens", "censored"),
        "what is known of censored rows is in the formula: 'censored(time, 1 - event) ~ x'",
    ),
    "groups": "group effects are in the formula: 'y ~ x + (1 | g)'",
    "random": "group effects are in the formula: 'y ~ x + (1 | g)'",
    **dict.fromkeys(
        ("pedigree", "relmat", "ginverse", "cov_ranef", "data2", "phylogeny", "structures"),
        "write covariances={'g': ...}, by grouping factor: a bg.Pedigree, a bg.Phylogeny or a matrix",
    ),
    "na_action": "write missing='drop', missing='error' or missing='predict'",
    "dropna": "write missing='drop', missing='error' or missing='predict'",
    **dict.fromkeys(("draws", "tune", "chains", "cores", "random_seed", "seed"), "it belongs to GLMM(...).fit(...)"),
}
ARGUMENTS_OF_FITS = {
    "seed": "write random_seed=",
    "iter": "write draws= (kept) and tune= (warm-up)",
    "warmup": "write tune=",
    "burnin": "write tune=",
    "samples": "write draws=",
    "adapt_delta": "write target_accept=",
    "inference_method": "write method= or backend=",
    "nuts_sampler": "write backend=",
    "sampler": "write backend=",
    "data": "data belong to GLMM(formula, data)",
    "family": "it belongs to GLMM(formula, data, family=...)",
    "priors": "they belong to GLMM(formula, data, priors=...)",
}


def missing_attribute(kind: str, name: str, valid: Iterable[str]) -> str:
    """Say where something is that is no attribute of a fit or a model.

    Parameters
    ----------
    kind
        ``"FittedGLMM"`` or ``"GLMM"``.
    name
        What was asked for.
    valid
        The attributes there are.

    Returns
    -------
    str
        The message of an `AttributeError`.
    """
    message = f"{kind!r} object has no attribute {name!r}"
    if name.startswith("_"):
        return message
    places = _OF_A_FIT | {one: f"bg.{one}(fit{', ...' if one in _OF_VARIABLES else ''})" for one in _FUNCTIONS}
    if kind == "GLMM":
        fitted = {key: f"fit = model.fit(), then {place}" for key, place in places.items()}
        places = fitted | _OF_A_MODEL
    if name in places:
        return f"{message}. Use {places[name]}."
    attributes = [one for one in valid if not one.startswith("_")]
    if close := get_close_matches(name, attributes, n=1):
        return f"{message}. Did you mean {close[0]!r}?"
    if close := get_close_matches(name, places, n=1):
        return f"{message}. Did you mean {places[close[0]]}?"
    return f"{message}. What is asked of a fit is a function, bg.<name>(fit)."


def missing_function(name: str, valid: Iterable[str]) -> str:
    """Say what there is in the package in the place of a name that it does not have.

    Parameters
    ----------
    name
        What was asked for.
    valid
        The names there are.

    Returns
    -------
    str
        The message of an `AttributeError`.
    """
    message = f"module 'bayes_glmm' has no attribute {name!r}"
    if name.startswith("_"):
        return message
    places = _OF_A_FIT | _OF_THE_PACKAGE
    return f"{message}. Use {places[name]}." if name in places else f"{message}. {nearest(name, valid)}"


def refuse_keywords(function: str, given: Iterable[str], hints: Mapping[str, str], valid: Iterable[str]) -> None:
    """Refuse arguments that a function does not have.

    Parameters
    ----------
    function
        Its name, for the message.
    given
        The arguments it does not have.
    hints
        What stands for those of other packages.
    valid
        The arguments it has.

    Raises
    ------
    GLMMError
        If there is one; the message says what to write.
    """
    for name in given:
        hint = f"{hints[name]}." if name in hints else nearest(name, valid)
        raise GLMMError(f"{function} has no argument {name!r}: {hint}")
