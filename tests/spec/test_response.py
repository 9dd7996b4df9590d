"""The left side as R, brms and Bambi write it: one response whatever the notation, or what it is and what to use."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError, DataWarning, FormulaError
from bayes_glmm.spec.formula import parse_formula
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.response import read_response


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(5)
    n, x = rng.integers(5, 20, 40), rng.normal(size=40)
    k = rng.binomial(n, 0.4)
    b = rng.permutation(np.resize([0, 1], 40))
    data = {"k": k, "n": n, "fails": n - k, "prop": k / n, "x": x, "w": rng.integers(1, 4, 40), "b": b}
    words = {"said": np.where(b == 1, "yes", "no"), "rating": rng.permutation(np.resize([1, 2, 3], 40))}
    return pd.DataFrame(data | words | {"y": rng.gamma(3, 1, 40)})


K_OF_N = (
    "p(k, n)", "prop(k, n)", "proportion(k, n)", "cbind(k, fails)", "cbind(k, n - k)", "cbind(n - fails, fails)",
    "k / n", "k/n | weights(n)", "weighted(k / n, n)", "k | trials(n)", "p(round(prop * n), n)",
)  # fmt: skip
WEIGHTED = (
    "weighted(p(k, n), w)", "k | trials(n) + weights(w)", "k | weights(w) + trials(n)", "cbind(k, n - k) | weights(w)",
    "weighted(k / n, w)", "k | trials(n) + weights(w, scale = FALSE)",
)  # fmt: skip


@pytest.mark.parametrize(("left", "weights"), [*((one, None) for one in K_OF_N), *((one, "w") for one in WEIGHTED)])
def test_successes_out_of_trials(left, weights, frame):
    model = bg.GLMM(f"{left} ~ x", frame, family="binomial")
    read = model.design.response
    np.testing.assert_array_equal(read.y, frame["k"])
    np.testing.assert_array_equal(read.trials, frame["n"])
    assert (read.weights is None) if weights is None else np.array_equal(read.weights, frame["w"])
    again = ModelSpec.from_json(model.spec.to_json())
    assert again == model.spec
    new = model.design.at(frame.head(3), response=True)
    np.testing.assert_array_equal(new.response.trials, frame["n"].head(3))


OTHERS = [
    ("y | weights(w)", "gaussian", ("y", None, "w", None)),
    ("k | trials(12)", "binomial", ("k", "12", None, None)),
    ("cbind(k, 30 - k)", "binomial", ("k", "30", None, None)),
    ("k / n", "gaussian", ("k / n", None, None, None)),
    ("log10(y + 1)", "gaussian", ("log10(y + 1)", None, None, None)),
    ("100 * (1 - y / x)", "gaussian", ("100 * (1 - y / x)", None, None, None)),
    ("y^0.1^2", "gaussian", ("y ** 0.1 ** 2", None, None, None)),
    ("precision(log(y), w) ", "gaussian", ("log(y)", None, None, "w")),
    ("factor(b)", "bernoulli", ("b", None, None, None)),
    ("as.ordered(rating)", "cumulative", ("rating", None, None, None)),
    ("(said == 'yes')", "bernoulli", ("said == 'yes'", None, None, None)),
    ("I(y > 2)", "binomial", ("I(y > 2)", None, None, None)),
]


@pytest.mark.parametrize(("left", "family", "expected"), OTHERS)
def test_other_responses(left, family, expected, frame):
    read = bg.GLMM(f"{left} ~ 1", frame, family=family).spec.formula.response
    assert (read.expression, read.trials, read.weights, read.precision) == expected


def test_a_binomial_response_without_trials_has_one_a_row(frame):
    models = [bg.GLMM("b ~ x", frame, family=family) for family in ("binomial", "binomial(probit)")]
    with pytest.warns(DataWarning, match="'yes' is counted as the event"):
        models.append(bg.GLMM("factor(said) ~ x", frame, family="binomial"))
    for model in models:
        assert model.spec.family.name == "bernoulli"
        np.testing.assert_array_equal(model.design.response.y, frame["b"])
    with pytest.raises(DataError, match=r"p\(round\(prop \* n\), n\), family='binomial'"):
        bg.GLMM("prop ~ x", frame, family="binomial")
    with pytest.raises(DataError, match=r"cbind\(successes, failures\)"):
        bg.GLMM("k ~ x", frame, family="binomial")


KNOWN = [
    ("se(y, s)", "y | se(s)"),
    ("se(y, s, sigma=True)", "y | se(s, sigma = TRUE)"),
    ("se(y, s)", "y | se(s, sigma = FALSE)"),
    ("weighted(se(log(y), sqrt(v)), w)", "log(y) | weights(w) + se(sqrt(v))"),
    ("censored(y, c)", "y | cens(c)"),
    ("censored(y, c, end=z)", "y | cens(c, z)"),
    ("censored(y, c, end=z)", "y | cens(c, y2 = z)"),
    ("truncated(y, 0, 10)", "y | trunc(lb = 0, ub = 10)"),
    ("truncated(y, upper=10)", "y | trunc(-Inf, 10)"),
    ("truncated(censored(y, c), lower=e)", "y | cens(c) + trunc(lb = e)"),
    ("censored(y, 0, 10)", "censored(y, lower=0, upper=10)"),
]


@pytest.mark.parametrize(("ours", "theirs"), KNOWN)
def test_what_is_known_of_rows_in_other_notations(ours, theirs):
    assert read_response(ours) == read_response(theirs)


REFUSED = [
    ("Surv(start, stop, event)", r"censored\(time, 1 - event\)"),
    ("mvbind(y, z)", "several responses are a list of formulas"),
    ("c(k, f)", r"cbind\(successes, failures\)"),
    ("cbind(a, b, c)", "more than two categories"),
    ("cbind(k)", "with two arguments"),
    ("p(k, n, 1)", "with two arguments"),
    ("censored(y)", r"Write censored\(y, status\)"),
    ("y | cens(c, a, b)", r"Write censored\(y, status\)"),
    ("truncated(y)", r"Write truncated\(y, lower, upper\)"),
    ("y | trunc(ub = Inf)", r"Write truncated\(y, lower, upper\)"),
    ("se(y, s) | se(s)", "states se twice"),
    ("se(y, s, sigma=2)", r"or se\(y, sei, sigma=True\)"),
    ("se(y, s, t)", r"Write se\(y, sei\)"),
    ("y | mi()", "missing='predict'"),
    ("y | rate(d)", r"offset\(log\(d\)\)"),
    ("y | trails(n)", "Did you mean 'trials'"),
    ("y | w", r"stand trials\(n\), weights\(w\), se\(s\)"),
    ("y | trials(n) | weights(w)", "more than one bar"),
    ("p(k, n) | trials(n)", "states trials twice"),
    ("k | trials()", "with one argument"),
    ("y | weights(w, scale = TRUE)", "with one argument"),
    ("weighted(y, w) | weights(w)", "states weights twice"),
    ("precision(y, v) | weights(w)", "two weights"),
    ("log(1)", "reads no column"),
    ("p(`x`.__class__, n)", "Cannot read"),
    ("y[1]", "not indexed"),
]


@pytest.mark.parametrize(("left", "words"), REFUSED)
def test_what_is_refused_says_what_it_is(left, words):
    with pytest.raises(FormulaError, match=words):
        parse_formula(f"{left} ~ x")
