"""Axes, legends and titles say what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.effects.labels import effect_label, for_whom, interval_words, prediction_label
from bayes_glmm.effects.wording import coefficient_unit, result_words

N = 12


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


class Unfitted:
    """All that wording reads of a fit."""

    def __init__(self, model):
        self.model = model


def unfitted(family, y, link=None):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=N), "g": list("abcd") * 3, "y": y, "n": 5})
    left = "p(y, n)" if family == "binomial" else "y"
    model = bg.GLMM(f"{left} ~ x + (1 | g)", data, family=family, link=link)
    return Unfitted(model)


COUNTS = np.arange(N) % 5
GIVEN = {
    "gaussian": ("gaussian", np.arange(N) + 0.5, None),
    "log": ("gaussian", np.arange(N) + 0.5, "log"),
    "bernoulli": ("bernoulli", pd.Categorical(["N", "Y"] * 6, ordered=True), None),
    "probit": ("binomial", COUNTS, "probit"),
    "poisson": ("poisson", COUNTS, None),
    "sqrt": ("poisson", COUNTS, "sqrt"),
    "lognormal": ("lognormal", np.arange(N) + 0.5, None),
    "beta": ("beta", np.linspace(0.1, 0.9, N), None),
    "cumulative": ("cumulative", pd.Categorical(list("abc") * 4, ordered=True), None),
}


@pytest.mark.parametrize(
    ("given", "response", "linear", "unit"),
    [
        ("gaussian", "expected y", "expected y", "unit of y"),
        ("log", "expected y", "log of expected y", "log of expected y"),
        ("bernoulli", "probability of y = Y", "log odds of y = Y", "log odds of y = Y"),
        ("probit", "probability of y", "probit of probability of y", "probit of probability of y"),
        ("poisson", "expected y", "log of expected y", "log of expected y"),
        ("sqrt", "expected y", "square root of expected y", "square root of expected y"),
        ("lognormal", "expected y", "expected log of y", "expected log of y"),
        ("beta", "expected y", "log odds of expected y", "log odds of expected y"),
        (
            "cumulative",
            "probability of each category of y",
            "linear predictor of y (logit)",
            "linear predictor of y (logit)",
        ),
    ],
)
def test_results_say_what_they_are(given, response, linear, unit):
    fit = unfitted(*GIVEN[given])
    assert result_words(fit)["predicted"] == response
    assert result_words(fit, "link")["predicted"] == linear
    assert coefficient_unit(fit) == unit
    assert result_words(fit)["groups"] == ["g"]


def test_parameters_of_the_distribution_are_named():
    fit, lognormal = unfitted(*GIVEN["gaussian"]), unfitted(*GIVEN["lognormal"])
    assert [result_words(fit, scale)["predicted"] for scale in ("mu", "sigma")] == ["expected y", "sigma of y"]
    assert result_words(lognormal, "mu")["predicted"] == "expected log of y"


PROBABILITY = {"response": "y", "predicted": "probability of y"}
EXPECTED = {"response": "y", "predicted": "expected y"}


@pytest.mark.parametrize(
    ("attrs", "kind", "label"),
    [
        (EXPECTED, "slope", "Slope of y in x"),
        (PROBABILITY, "slope", "Slope of probability of y in x"),
        ({}, "slope", "Slope in x"),
        (PROBABILITY, "difference", "Difference in probability of y"),
        (EXPECTED, "ratio", "Ratio of expected y"),
        (PROBABILITY, "ratio", "Ratio of probabilities of y"),
        (PROBABILITY, "odds_ratio", "Odds ratio of y"),
        (PROBABILITY, "log_odds_ratio", "Log odds ratio of y"),
        (EXPECTED, "log_ratio", "Log ratio of expected y"),
        (EXPECTED, "lift", "Relative difference in expected y"),
        (EXPECTED, "own", "Own of expected y"),
        ({}, "log_ratio", "Log ratio"),
        ({}, "difference", "Difference"),
    ],
)
def test_effects_are_named_in_words(attrs, kind, label):
    assert effect_label(attrs, kind, "x") == label


def test_intervals_and_groups_are_named():
    assert prediction_label({}) == "Prediction" and prediction_label(PROBABILITY) == "Probability of y"
    assert interval_words([{"ci_prob": 0.89}, {"ci_prob": 0.89}], "band") == "mean and 89% band"
    assert interval_words([{"ci_prob": 0.89}, {"ci_prob": 0.5}]) == interval_words([{}]) == ""
    of_herds = {"random_effects": "marginal", "groups": ["herd", "year"]}
    assert for_whom(of_herds) == "marginal (averaged over herd and year)"
    some = {"herd": "conditional", "year": "marginal", "herd:year": "marginal"}
    words = "each row's own herd, averaged over year and herd:year"
    assert for_whom({"random_effects": some, "groups": list(some)}) == words
    assert for_whom({**of_herds, "groups": []}) == "" and for_whom({"random_effects": "new"}) == "new"


def test_figures_of_a_fit_name_response_unit_and_interval(cbpp_fit, sleepstudy_fit):
    slopes = {kind: bg.avg_slopes(sleepstudy_fit, "Days", random_effects=kind) for kind in ("typical", "marginal")}
    assert bg.plots.conditional_marginal(slopes).get_xlabel() == "Slope of Reaction in Days"
    shifts = {kind: bg.avg_comparisons(cbpp_fit, "period", random_effects=kind) for kind in ("typical", "marginal")}
    ax = bg.plots.conditional_marginal(shifts)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Difference in probability of incidence", "period")
    once = {kind: bg.avg_comparisons(sleepstudy_fit, {"Days": (0, 9)}, random_effects=kind) for kind in slopes}
    ax = bg.plots.conditional_marginal(once)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["9 - 0"] and ax.get_ylabel() == "Days"
    table = bg.predictions(cbpp_fit, bg.grid(cbpp_fit, period=None), random_effects="marginal")
    ax = bg.plots.predictions(table, "period")
    assert ax.get_ylabel() == "Probability of incidence"
    assert ax.get_title(loc="left") == "marginal (averaged over herd); mean and 89% interval"


def test_long_contrasts_break_before_the_operator():
    long = ["a_level_of_many_letters_1 - a_level_of_many_letters_0", "b - a"]
    table = pd.DataFrame({"term": "x", "contrast": long, "estimate": 0.5, "sd": 0.1, "lower": 0.4, "upper": 0.6})
    labels = [label.get_text() for label in bg.plots.conditional_marginal({"a": table}).get_yticklabels()]
    assert labels == [long[0].replace(" - ", "\n- "), "b - a"]
