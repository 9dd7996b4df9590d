"""Awkward sizes: constant and exact responses, extreme scales, trials, weights, offsets, separation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bayes_glmm.errors import ConvergenceWarning, DataError, FormulaError
from tests.inputs.cell import (
    BINARY,
    COUNTS,
    FAMILIES,
    ORDERED,
    POSITIVE,
    REAL,
    SPREAD,
    TRIALS,
    UNIT,
    WHOLE,
    Case,
    N,
    Refused,
    Right,
    Warned,
    at,
    columns,
)
from tests.inputs.checks import beta_near, finite, fit, like, said_in_notes, same
from tests.inputs.responses import fixed

SEPARATION = said_in_notes("Separation")
LINKED = tuple(name for name in FAMILIES if name not in (*REAL, "lognormal"))
FEW_DIVERGE = (ConvergenceWarning,)


def scaled(column: str, factor: float):
    return columns(**{column: lambda frame: frame[column] * factor})


def nothing(family_value: float):
    """A response that is the same in every row; successes may be all trials."""
    return columns(y=family_value)


CONSTANT = (
    Case("constant response", Refused(DataError, "'y' is constant .0.5 in every row"), SPREAD, change=nothing(0.5)),
    Case("nearly constant response", Refused(DataError, "'y' is constant"), (*POSITIVE, *UNIT),
         change=columns(y=lambda f: 0.5 + 1e-9 * f["x"])),
    Case("all zeros", Warned("'y' is constant", finite, allowed=FEW_DIVERGE), WHOLE, change=nothing(0), ask=fit),
    Case("all ones or all successes", Warned("'y' is constant", finite, allowed=FEW_DIVERGE), (*BINARY, *TRIALS),
         change=columns(y=lambda f: f["y"].max() if f["y"].max() == 1 else f["n"]), ask=fit),
    Case("exact function of a predictor", Refused(DataError, "'y' is an exact function of the predictors:"), REAL,
         change=columns(y=lambda f: 2 * f["x"] + 1)),
    Case("exact on the link's scale", Refused(DataError, "'y' is an exact function of the predictors:"),
         (*POSITIVE, *UNIT), change=columns(y=lambda f: special.expit(f["x"]) if f["y"].max() < 1 else np.exp(f["x"]))),
    Case("predictor that is the response", Refused(DataError, "exact function of the predictors"), REAL,
         change=columns(x=lambda f: f["y"])),
    Case("response repeated over each group", Refused(DataError, "exact function .* within every level of 'g'"), SPREAD,
         change=columns(y=lambda f: f.groupby("g")["y"].transform("first"))),
    Case("exact within groups", Refused(DataError, "exact function .* within every level of 'g'"), REAL,
         change=columns(y=lambda f: f["g"].map(ord) + 3 * f["x"])),
)  # fmt: skip

SCALES = (
    Case("response times 1e13", Right(like(x=1e-13, Intercept=1e-13)), ("gaussian",),
         change=scaled("y", 1e13), ask=fit),
    Case("response times 1e-13", Right(like(x=1e13, Intercept=1e13)), ("gaussian",),
         change=scaled("y", 1e-13), ask=fit),
    Case("response times 1e6, t", Right(like(x=1e-6, Intercept=1e-6)), ("student",), change=scaled("y", 1e6), ask=fit),
    Case("response times 1e12, log scale", Right(like(shift={"Intercept": -12 * np.log(10)})), POSITIVE,
         change=scaled("y", 1e12), ask=fit),
    Case("response of 1e300", Refused(DataError, "'y' is too large: .*e[+]30.*rescale"), (*REAL, *POSITIVE),
         change=scaled("y", 1e300)),
    Case("response of 1e-300", Refused(DataError, "'y' is too small: .*e-(29|30).*rescale|is constant"),
         (*REAL, *POSITIVE), change=scaled("y", 1e-300)),
    Case("one response of 1e-30", Right(finite, FEW_DIVERGE), (*POSITIVE, *UNIT), change=at("y", 3, 1e-30), ask=fit),
    Case("one response of 1 - 1e-16", Right(finite, FEW_DIVERGE), UNIT, change=at("y", 3, 1 - 1e-16), ask=fit),
    Case("predictor times 1e12", Right(like(x=1e12)), change=scaled("x", 1e12), ask=fit),
    Case("predictor times 1e-12", Right(like(x=1e-12)), change=scaled("x", 1e-12), ask=fit),
    Case("random slope times 1e12", Right(like(x=1e12)), ("gaussian", "poisson"), formula="{y} ~ x + (x || g)",
         change=scaled("x", 1e12), ask=fit),
    Case("predictor of 1e300", Refused(DataError, "'x' is too large: .*rescale"), change=scaled("x", 1e300)),
    Case("predictor of 1e-300", Refused(DataError, "'x' is too small: .*rescale"), change=scaled("x", 1e-300)),
    Case("square that overflows", Refused(DataError, r"'I\(x \*\* 2\)' is (not finite|too large)"),
         formula="{y} ~ x + I(x**2)", change=scaled("x", 1e99)),
    Case("years", Right(like(columns(x=lambda f: 4 * f["x"] // 1), only="x")),
         change=columns(x=lambda f: 2015 + 4 * f["x"] // 1), ask=fit),
    Case("seconds since 1970", Right(same(lambda f: f.assign(x=1.7e9 + np.arange(N) % 7.0))),
         change=columns(x=1_700_000_000 + np.arange(N) % 7)),
    Case("predictor up to 1000, log link", Right(like(columns(x=lambda f: np.argsort(f["z"]) / 47), x=1000.0)),
         (*COUNTS, *POSITIVE), change=columns(x=lambda f: 1000 * np.argsort(f["z"]) / 47), ask=fit),
    Case("counts of 1e9", Right(beta_near(Intercept=(np.log(1.0e9 + 23.5), 1e-4))), ("poisson",), formula="{y} ~ 1",
         change=columns(y=10**9 + np.arange(N)), ask=fit),
    Case("overdispersed counts of 1e9", Right(beta_near(Intercept=(np.log(24.5e9), 0.4)), FEW_DIVERGE),
         ("negativebinomial",), formula="{y} ~ 1", change=columns(y=10**9 * (1 + np.arange(N))), ask=fit),
    Case("trials of 1e9", Right(beta_near(Intercept=(0.0, 1e-3))), TRIALS, formula="{y} ~ 1",
         change=columns(y=5 * 10**8 + np.arange(N), n=10**9), ask=fit),
    Case("counts of 1e13", Refused(DataError, "'y' is too large for counts"), COUNTS,
         change=columns(y=10**13 + np.arange(N))),
    Case("trials of 1e13", Refused(DataError, "'n' is too large for numbers of trials"), TRIALS,
         change=columns(n=10**13)),
)  # fmt: skip

NUMBERS_OF_TRIALS = (
    Case("more successes than trials", Refused(DataError, r"more successes \(y\) than trials \(n\) in row 3: 9 of 6"),
         TRIALS, change=at("y", 3, 9)),
    Case("successes and trials swapped", Refused(DataError, r"more successes \(n\) than trials \(y\)"), TRIALS,
         formula="p(n, y) ~ x"),
    Case("zero trials in a row", Warned("trials 'n' is zero in row 3", like(lambda f: f.drop(index=3))), TRIALS,
         change=columns(y=lambda f: f["y"].where(f.index != 3, 0), n=lambda f: f["n"].where(f.index != 3, 0)),
         options=fixed, ask=fit),
    Case("zero trials in every row", Refused(DataError, "number of trials 'n' is zero in every row"), TRIALS,
         change=columns(y=0, n=0)),
    Case("fractional trials", Refused(DataError, "'n' must be whole.*numbers of trials"), TRIALS,
         change=columns(n=6.5)),
    Case("negative trials", Refused(DataError, "'n' must not be negative.*row 3"), TRIALS, change=at("n", 3, -6)),
    Case("NaN trials", Warned("dropped for missing values .n: 1", same(lambda f: f.drop(index=3))), TRIALS,
         change=at("n", 3, np.nan)),
    Case("infinite trials", Refused(DataError, "'n' is not finite in row 3"), TRIALS, change=at("n", 3, np.inf)),
    Case("trials as text", Refused(DataError, "'n' holds str values and must be numeric; '6' is text"), TRIALS,
         change=columns(n="6")),
    Case("trials as a number", Right(same()), TRIALS, formula="p(y, 6) ~ x + (1 | g)"),
    Case("trials that are no number", Refused(FormulaError, "constant 'n' is not allowed"), TRIALS,
         formula="p(y, 'n') ~ x + (1 | g)"),
)  # fmt: skip

USED = np.arange(N) % 5 > 0
WEIGHTED = "weighted({y}, w) ~ x + (1 | g)"
WEIGHTS = (
    Case("weights of zero", Right(like(lambda f: f[USED].assign(w=1.0)), FEW_DIVERGE), formula=WEIGHTED,
         change=columns(w=1.0 * USED), options=fixed, ask=fit),
    Case("weights all zero", Refused(DataError, "weight 'w' is zero in every row"), formula=WEIGHTED,
         change=columns(w=0)),
    Case("negative weights", Refused(DataError, "'w' must not be negative.*row 3"), formula=WEIGHTED,
         change=at("w", 3, -1.0)),
    Case("weights that add up to zero", Refused(DataError, "'w' must not be negative"), formula=WEIGHTED,
         change=columns(w=np.resize([-1.0, 1.0], N))),
    Case("NaN weights", Warned("dropped for missing values .w: 1", same(lambda f: f.drop(index=3))), formula=WEIGHTED,
         change=at("w", 3, np.nan)),
    Case("infinite weights", Refused(DataError, "'w' is not finite in row 3"), formula=WEIGHTED,
         change=at("w", 3, np.inf)),
    Case("weights as text", Refused(DataError, "'w' holds"), formula=WEIGHTED, change=columns(w="1")),
    Case("weights of 1e300", Refused(DataError, "'w' is too large"), formula=WEIGHTED, change=columns(w=1e300)),
    Case("weights as bool", Right(same(lambda f: f.assign(w=1.0 * (f["z"] > 0)))), formula=WEIGHTED,
         change=columns(w=lambda f: f["z"] > 0)),
    Case("weights as uint8", Right(same(columns(w=200.0))), formula=WEIGHTED,
         change=columns(w=np.full(N, 200, dtype=np.uint8))),
    Case("one weight for all", Right(same(columns(w=2.0))), formula="weighted({y}, 2) ~ x + (1 | g)"),
)  # fmt: skip

OFFSET = "{y} ~ x + offset(o) + (1 | g)"
OFFSETS = (
    Case("offset of 1000 in every row", Right(like(columns(o=0.0), shift={"Intercept": 1000})), COUNTS, formula=OFFSET,
         change=columns(o=1000.0), ask=fit),
    Case("offset from -1000 to 1000", Refused(DataError, "offset 'o' goes from -1000 to 1000 on the"), LINKED,
         formula=OFFSET, change=columns(o=np.linspace(-1000, 1000, N))),
    Case("exposure without its logarithm", Refused(DataError, r"offset 'o' goes .* Write offset\(log"), LINKED,
         formula=OFFSET, change=columns(o=np.arange(N) * 1e4)),
    Case("offset of 1e6, no link", Right(like(columns(o=0.0))), REAL, formula=OFFSET,
         change=lambda f: f.assign(o=1e6, y=f["y"] + 1e6), ask=fit),
    Case("NaN in the offset", Warned("dropped for missing values .o: 1", same(lambda f: f.drop(index=3))),
         formula=OFFSET, change=at("o", 3, np.nan)),
    Case("infinite offset", Refused(DataError, "'o' is not finite in row 3"), formula=OFFSET,
         change=at("o", 3, np.inf)),
    Case("offset as text", Refused(DataError, "'o' must hold numbers there; '1' is text"), formula=OFFSET,
         change=columns(o="1")),
    Case("zero exposure", Refused(DataError, r"'log\(e\)' is not finite in row 3 .*above zero"),
         formula="{y} ~ x + offset(log(e))", change=at("e", 3, 0.0)),
    Case("negative exposure", Refused(DataError, r"'np.log\(e\)' is not finite in row 3 .*above zero"),
         formula="{y} ~ x + offset(np.log(e))", change=at("e", 3, -1.0)),
    Case("offset in two columns", Refused(DataError, r"must be one number per row; it gives 2 columns"),
         formula="{y} ~ x + offset(poly(z, 2))"),
    Case("factor as offset", Refused(DataError, "'f' must hold numbers there; 'u' is no number"),
         formula="{y} ~ x + offset(f)"),
)  # fmt: skip

SEPARATED = (
    Case("complete separation", Right(SEPARATION), (*BINARY, *TRIALS), ask=fit,
         change=columns(y=lambda f: (f["x"] > 0) * (1 if f["y"].max() == 1 else f["n"]))),
    Case("quasi-complete separation", Right(SEPARATION), (*BINARY, *TRIALS), formula="{y} ~ f + (1 | g)", ask=fit,
         change=columns(y=lambda f: f["y"].where(f["f"] != "w", 0))),
    Case("a level without counts", Right(SEPARATION), COUNTS, formula="{y} ~ f + (1 | g)", ask=fit,
         change=columns(y=lambda f: f["y"].where(f["f"] != "w", 0))),
    Case("ordered categories in the order of a predictor", Right(finite), ORDERED, formula="{y} ~ x", ask=fit,
         change=columns(y=lambda f: pd.cut(f["x"], 3, labels=["low", "mid", "high"]))),
)  # fmt: skip

CASES = (*CONSTANT, *SCALES, *NUMBERS_OF_TRIALS, *WEIGHTS, *OFFSETS, *SEPARATED)
