"""Censored and truncated responses read from data: what is known of each row, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError, DataWarning, FormulaError, GLMMError

INF = np.inf
DATA = pd.DataFrame(
    {
        "t": [1.0, 2.0, 3.0, 4.0],
        "n": [0, 3, 5, 2],
        "c": [0, 1, -1, 2],
        "how": ["none", "Right", "left", "interval"],
        "event": [1, 0, 1, 1],
        "end": [9.0, 9.0, 9.0, 6.5],
        "x": [0.1, 0.5, 0.2, 0.9],
    }
)
KNOWN = [
    ("censored(t, c, end=end)", "weibull", [1, 2, -INF, 4], [1, INF, 3, 6.5], None),
    ("t | cens(how, end)", "lognormal", [1, 2, -INF, 4], [1, INF, 3, 6.5], None),
    ("Surv(t, event)", "gamma", [1, 2, 3, 4], [1, INF, 3, 4], None),
    ("censored(t, 1 - event)", "exponential", [1, 2, 3, 4], [1, INF, 3, 4], None),
    ("censored(t, 1.0, 4.0)", "gaussian", [-INF, 2, 3, 4], [1, 2, 3, INF], None),
    # a count of 5 or more
    ("censored(n, upper=5)", "poisson", [0, 3, 4, 2], [0, 3, INF, 2], None),
    ("truncated(t, 0.5, 10)", "gaussian", [1, 2, 3, 4], [1, 2, 3, 4], (0.5, 10)),
    # counts may be at their limits, and above zero is no limit of times
    ("n | trunc(ub = 5)", "poisson", [0, 3, 5, 2], [0, 3, 5, 2], (-INF, 5)),
    ("truncated(n + 1, lower=1)", "poisson", [1, 4, 6, 3], [1, 4, 6, 3], (0, INF)),
    ("truncated(t, lower=0)", "weibull", [1, 2, 3, 4], [1, 2, 3, 4], (-INF, INF)),
    ("truncated(censored(t, 1 - event), lower=x)", "weibull", [1, 2, 3, 4], [1, INF, 3, 4], (DATA["x"], INF)),
]


@pytest.mark.parametrize(("response", "family", "above", "upto", "limits"), KNOWN)
def test_what_is_known_of_each_row(response, family, above, upto, limits):
    model = bg.GLMM(f"{response} ~ 1", DATA, family=family)
    known = model.design.response.known
    np.testing.assert_array_equal(known["above"], above)
    np.testing.assert_array_equal(known["upto"], upto)
    for side, limit in zip(("lower", "upper"), limits or (-INF, INF), strict=True):
        np.testing.assert_array_equal(known[side], np.broadcast_to(limit, 4))


REFUSED = [
    ("censored(t, c)", "weibull", DataError, r"censored to intervals; write censored\(t, c, end=...\)"),
    ("censored(t, n)", "weibull", DataError, "must say 'none', 'right', 'left' or 'interval', or 0, 1, -1 or 2"),
    ("Surv(t, c)", "weibull", DataError, "must be 1 for rows whose event was seen and 0"),
    ("censored(t, how, end=x)", "weibull", DataError, "must lie above the interval's start"),
    ("censored(t, upper=3)", "gaussian", DataError, "lies above the limit 3"),
    ("truncated(t, lower=2)", "gaussian", DataError, "lies outside of its lower limit, 2"),
    ("truncated(t, 5, 2)", "gaussian", DataError, "must be above the lower limit"),
    ("censored(t, event)", "student", FormulaError, "one of the families gaussian.*'gaussian' is for any number"),
    ("censored(t, event)", "tweedie", FormulaError, "not 'tweedie'. Amounts whose zeros"),
    ("truncated(event, lower=0)", "bernoulli", FormulaError, "not 'bernoulli'"),
    ("censored(se(t, x), event)", "gaussian", FormulaError, "cannot be both that are censored and of known standard"),
    ("precision(censored(t, event), n)", "gaussian", FormulaError, "not available for censored and truncated"),
]


@pytest.mark.parametrize(("response", "family", "error", "message"), REFUSED)
def test_what_is_refused(response, family, error, message):
    with pytest.raises(error, match=message):
        bg.GLMM(f"{response} ~ 1", DATA, family=family)


def test_words_that_are_none():
    with pytest.raises(DataError, match="none, right, left, interval; not 'dead'"):
        bg.GLMM("censored(t, how) ~ 1", DATA.assign(how=["dead", "none", "none", "none"]), family="weibull")


ADVICE = [
    ("se(t, x)", "student", "(0 + f || study)"),
    ("se(t, x, sigma=True)", "gaussian", "(0 + f || study)"),
    ("censored(t, event)", "weibull", "'weibull' has the same 'shape' in all rows"),
    ("truncated(censored(t, event), lower=0)", "gaussian", "for censored and truncated responses"),
]


@pytest.mark.parametrize(("response", "family", "message"), ADVICE)
def test_formulas_of_further_parameters_are_refused_with_what_there_is_instead(response, family, message):
    with pytest.raises(FormulaError, match=re.escape(message)):
        bg.GLMM(f"{response} ~ 1", DATA, family=family, dpar_formulas={"sigma": "~ x"})


def test_nothing_is_estimated_from_a_spread_that_is_known():
    """Two studies with the same result, and rows at one limit of detection, are data like others."""
    studies = pd.DataFrame({"y": [0.3, 0.3, 0.1, 0.1], "s": 0.2, "g": list("aabb")})
    assert len(bg.GLMM("se(y, s) ~ 1 + (1 | g)", studies).design.X) == 4
    with pytest.raises(DataError, match="exact function"):
        bg.GLMM("y ~ 1 + (1 | g)", studies)
    limit = pd.DataFrame({"y": [2.0] * 6 + [1.2, 0.9], "g": list("aaabbbcd")})
    assert len(bg.GLMM("censored(y, upper=2) ~ 1 + (1 | g)", limit).design.X) == 8


def test_ends_may_be_missing_where_no_interval_is():
    """As brms has it, and as tables of interval-censored data are."""
    end = [np.nan, np.nan, np.nan, 6.5]
    for status in ("c", "how"):
        model = bg.GLMM(f"censored(t, {status}, end=end) ~ x", DATA.assign(end=end), family="weibull")
        np.testing.assert_array_equal(model.design.response.known["upto"], [1, np.inf, 3, 6.5])
    with pytest.warns(DataWarning, match="1 of 4 rows were dropped for missing values .end: 1"):
        bg.GLMM("censored(t, c, end=end) ~ 1", DATA.assign(end=np.nan), family="weibull")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("t ~ Surv(t, event)", "Surv(time, event) belongs on the left"),
        ("t ~ censored(x, c)", "censored(y, status) belongs on the left"),
        ("Surv(t, event) ~ x + frailty(n)", "write (1 | g)"),
        ("Surv(t, c) ~ x", "of R's 1 and 2 write status == 2"),
    ],
)
def test_what_survivals_users_write_is_answered(formula, words):
    with pytest.raises(GLMMError, match=re.escape(words)):
        bg.GLMM(formula, DATA, family="weibull")


def test_rs_one_and_two_are_a_comparison():
    known = bg.GLMM("Surv(t, event == 1) ~ x", DATA, family="weibull").design.response.known
    np.testing.assert_array_equal(known["upto"], [1, np.inf, 3, 4])
