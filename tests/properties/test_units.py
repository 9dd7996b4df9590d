"""Units and ways to write the same observations: what default priors follow exactly, and what weights and trials mean.

Densities at paired positions agree to 1e-9 up to one constant a model, the Jacobian of the change or what the
likelihood's combinatorial factors leave.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.engine.laplace import laplace_fit
from bayes_glmm.families import FAMILIES
from bayes_glmm.priors import Prior
from tests.properties.positions import build, compare, labels
from tests.properties.strategies import PAIRS, make_frame
from tests.properties.test_invariance import RESPONSE

DATA = make_frame(48, 7)

# predictors ---------------------------------------------------------------------------------------------------------


def without_category(coef):
    """Names of coefficients of categories begin with the category's linear predictor."""
    return re.sub(r"^mu\d+_", "", coef)


def reads_x(label):
    return label[0] in ("u", "beta", "sd") and is_of_x(label[-1])


def is_of_x(coef):
    return "x" in without_category(coef).split(":")


def is_intercept(label):
    return label[0] == "beta" and without_category(label[1]) == "Intercept"


@pytest.mark.parametrize("factor", [0.001, -37.5])
@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_a_predictors_unit_divides_its_coefficients(family, link, factor):
    """Slopes, interactions, group slopes and their sds; a change of sign turns correlations round."""
    formula = f"{RESPONSE[family]} ~ f*x + w + (x | g) + (0 + w || h)"
    one = build(formula, DATA, family, link)
    other = build(formula, DATA.assign(x=factor * DATA["x"]), family, link)

    def turn(label):
        return math.copysign(1.0, factor) if is_of_x(label[2]) != is_of_x(label[3]) else 1.0

    def move(label, value):
        if label[0] == "corr":
            return turn(label) * value
        if not reads_x(label):
            return value
        return value - math.log(abs(factor)) if label[0] == "sd" else value / factor

    def slope(label):
        if label[0] == "corr":
            return turn(label)
        return factor if reads_x(label) and label[0] != "sd" else 1.0

    compare(one, other, move=move, slope=slope, up_to_constant=True)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_a_predictors_origin_does_not_matter_where_it_is_centred(family, link):
    formula = f"{RESPONSE[family]} ~ f + x + w + (1 | g) + (w | h)"
    compare(build(formula, DATA, family, link), build(formula, DATA.assign(x=DATA["x"] + 100.0), family, link))


# thresholds keep their default prior, which is around zero whatever the offset
@pytest.mark.parametrize(("family", "link"), [pair for pair in PAIRS if FAMILIES[pair[0]].support != "ordered"])
def test_a_constant_in_the_offset_moves_the_intercept(family, link):
    """Exposure in days or in years: the intercept, and with it its prior, moves by the log of the ratio."""
    terms = "f + x + (1 | g)"
    one = build(f"{RESPONSE[family]} ~ {terms} + offset(0.1 * w)", DATA, family, link)
    other = build(f"{RESPONSE[family]} ~ {terms} + offset(0.1 * w + 0.7)", DATA, family, link)
    compare(one, other, move=lambda label, value: value - 0.7 if is_intercept(label) else value)


# responses ----------------------------------------------------------------------------------------------------------

#: What multiplying the response by a constant does to the linear predictor.
SCALED = [
    ("gaussian", "identity", "times"), ("gaussian", "log", "plus"), ("gaussian", "inverse", "over"),
    ("student", "identity", "times"), ("student", "log", "plus"), ("student", "inverse", "over"),
    ("gamma", "log", "plus"), ("gamma", "inverse", "over"), ("gamma", "identity", "times"),
    ("lognormal", "identity", "plus"),
    ("skewnormal", "identity", "times"), ("exgaussian", "identity", "times"), ("exponential", "log", "plus"),
    ("weibull", "log", "plus"), ("inversegaussian", "log", "plus"),
]  # fmt: skip
UNITLESS = ("softplus",)
#: Parameters that have the response's unit.
IN_UNITS = {"exgaussian": ("sigma", "tau"), "inversegaussian": ("shape",), "lognormal": ()}
IN_UNITS |= dict.fromkeys(("gaussian", "student", "skewnormal"), ("sigma",))


def test_every_family_with_a_unit_is_covered():
    # a softplus is the identity far above zero and an exponential far below: no change of the predictor is one of units
    units = {row for row in PAIRS if FAMILIES[row[0]].support in ("real", "positive") and row[1] not in UNITLESS}
    assert {row[:2] for row in SCALED} == units


@pytest.mark.parametrize("factor", [0.01, 60.0])
@pytest.mark.parametrize(("family", "link", "effect"), SCALED)
def test_the_responses_unit_is_that_of_the_linear_predictor(family, link, effect, factor):
    formula = f"{RESPONSE[family]} ~ f*x + (x | g) + (1 | h)"
    one = build(formula, DATA, family, link)
    other = build(formula, DATA.assign(r=factor * DATA["r"], pos=factor * DATA["pos"]), family, link)
    multiple = {"times": factor, "over": 1.0 / factor, "plus": 1.0}[effect]

    def move(label, value):
        if label == ("beta", "Intercept") and effect == "plus":
            return value + math.log(factor)
        if label[0] in ("u", "beta"):
            return value * multiple
        if label[0] == "sd":
            return value + math.log(multiple)
        return value + math.log(factor) if label[0] in IN_UNITS.get(family, ()) else value

    compare(one, other, move=move, slope=lambda p: 1 / multiple if p[0] in ("u", "beta") else 1.0, up_to_constant=True)


# rows that are several, weights, trials -----------------------------------------------------------------------------

#: Priors that do not look at the data, and no centring: means over rows are not means over those they stand for.
STATED = {
    "Intercept": Prior("Normal", 0.5, 2), "beta": Prior("StudentT", 3, 0, 1), "sd": Prior("Exponential", 2),
    "sigma": Prior("HalfNormal", 2), "nu": Prior("Gamma", 2, 0.1), "phi": Prior("Gamma", 2, 0.5),
    "thresholds": Prior("Normal", 0, 3), "tau": Prior("HalfNormal", 2), "shape": Prior("Gamma", 2, 0.5),
}  # fmt: skip


def stated(family, formula, data, link):
    keys = set(STATED) - {"Intercept", "beta", "sd"} - {row.name for row in FAMILIES[family].parameters}
    keys |= {"Intercept"} if FAMILIES[family].support == "ordered" else set()
    priors = {key: prior for key, prior in STATED.items() if key not in keys}
    return build(formula, data, family, link, priors=priors, center=False)


def repeated(rows=90, seed=3):
    """Data whose rows repeat: few values of few columns."""
    rng = np.random.default_rng(seed)
    data = make_frame(rows, seed)
    data["x"], data["e"] = rng.choice([-1.0, 0.5], rows), rng.choice([1.0, 2.0], rows)
    data["r"], data["pos"] = data["r"].round(), data["pos"].round() + 1.0
    data["u"], data["c"] = data["u"].round(1).clip(0.1, 0.9), data["c"].clip(0, 3)
    data["n"] = 4
    data["s"] = rng.integers(0, 5, rows)
    return data


TERMS = "f*x + offset(0.3 * e) + (x || g3)"


@pytest.mark.parametrize("link", FAMILIES["binomial"].links)
def test_zeros_and_ones_are_one_trial_each_and_add_up_to_many(link):
    data = repeated()
    rows = stated("bernoulli", f"yes ~ {TERMS}", data, link)
    compare(rows, stated("binomial", f"p(yes, 1) ~ {TERMS}", data, link))
    added = data.groupby(["f", "x", "e", "g3"], as_index=False)["yes"].agg(["sum", "count"])
    assert len(added) < 0.8 * len(data)
    compare(rows, stated("binomial", f"p(sum, count) ~ {TERMS}", added, link), up_to_constant=True)


@pytest.mark.parametrize("link", FAMILIES["binomial"].links)
def test_added_up_rows_of_a_balanced_table_have_the_same_default_priors(link):
    cells = make_frame(48, 7).assign(n=4, s=lambda d: d["c"].clip(0, 4))
    rows = cells.loc[cells.index.repeat(4)]
    rows = rows.assign(yes=(rows.groupby(level=0).cumcount() < rows["s"]).astype(int))
    one = build("yes ~ f*x + (1 | g3)", rows, "bernoulli", link)
    other = build("p(s, n) ~ f*x + (1 | g3)", cells, "binomial", link)
    # sds of columns over four times as many rows: n - 1 in the place of n, in the priors' scales only
    scales = {row.parameter: row.prior for row in one.priors}
    for row in other.priors:
        values = dict(row.prior.parameters)
        assert values == pytest.approx(dict(scales[row.parameter].parameters), rel=0.01)
    np.testing.assert_allclose(one.design.means, other.design.means, rtol=1e-12)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_a_weight_is_how_often_a_row_was_seen(family, link):
    data = repeated()
    response = ["s", "n"] if FAMILIES[family].support == "trials" else [RESPONSE[family]]
    names = ["f", "x", "e", "g3", *response]
    once = data.groupby(names, as_index=False).size()
    assert len(once) < 0.95 * len(data)
    one = stated(family, f"{RESPONSE[family]} ~ {TERMS}", data, link)
    other = stated(family, f"weighted({RESPONSE[family]}, size) ~ {TERMS}", once, link)
    compare(one, other, up_to_constant=True)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_a_row_may_be_split_into_two_that_share_its_weight(family, link):
    data = DATA.assign(share=np.random.default_rng(2).uniform(0, 1, len(DATA)))
    halves = pd.concat([data.assign(wt=data["wt"] * data["share"]), data.assign(wt=data["wt"] * (1 - data["share"]))])
    formula = f"weighted({RESPONSE[family]}, wt) ~ f*x + (x || g)"
    compare(stated(family, formula, data, link), stated(family, formula, halves, link), up_to_constant=True)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_weights_of_one_and_rows_of_weight_zero_change_nothing(family, link):
    formula = f"{RESPONSE[family]} ~ f*x + (x || g)"
    weighted = f"weighted({RESPONSE[family]}, one) ~ f*x + (x || g)"
    ones = DATA.assign(one=1)
    # where the other rows are: a mean outside its domain is none, whatever the weight
    extra = pd.concat([ones, DATA.iloc[:9].assign(one=0, x=DATA["x"].iloc[::-1].to_numpy()[:9])])
    one = stated(family, formula, DATA, link)
    compare(one, stated(family, weighted, ones, link))
    compare(one, stated(family, weighted, extra, link), up_to_constant=True)


@pytest.mark.parametrize("link", FAMILIES["binomial"].links)
def test_trials_may_be_split(link):
    rng = np.random.default_rng(4)
    first = rng.hypergeometric(DATA["s"], DATA["n"] - DATA["s"], 1)
    halves = pd.concat([DATA.assign(s=first, n=1), DATA.assign(s=DATA["s"] - first, n=DATA["n"] - 1)])
    formula = "p(s, n) ~ f*x + (x || g)"
    one, other = stated("binomial", formula, DATA, link), stated("binomial", formula, halves, link)
    compare(one, other, up_to_constant=True)


def test_counts_may_be_split_with_their_exposure():
    rng = np.random.default_rng(4)
    first = rng.binomial(DATA["c"], 0.4)
    halves = pd.concat([DATA.assign(c=first, e=0.4 * DATA["e"]), DATA.assign(c=DATA["c"] - first, e=0.6 * DATA["e"])])
    formula = "c ~ f*x + offset(log(e)) + (x || g)"
    one, other = stated("poisson", formula, DATA, "log"), stated("poisson", formula, halves, "log")
    compare(one, other, up_to_constant=True)


# fits ---------------------------------------------------------------------------------------------------------------

FITS = [
    ("gaussian", "r"), ("bernoulli", "yes"), ("binomial", "p(s, n)"), ("poisson", "c"), ("negativebinomial", "c"),
    ("gamma", "pos"), ("cumulative", "o"),
]  # fmt: skip
#: The outer search stops where the next step would gain less.
GAIN = 1e-4


NAMES = {"g0": "z", "g1": "y", "g2": "x", "g3": "w", "g4": "v"}
#: The changed data, and by how much they change log p(y, theta): the priors of the slope and of the sd of slopes are
#: up to constants, without the factor of their unit.
CHANGES = {
    "rows": (lambda data: data.iloc[::-1], 0.0),
    "names": (lambda data: data.assign(g=data["g"].map(NAMES)), 0.0),
    "unit": (lambda data: data.assign(x=4.0 * data["x"]), -2.0 * math.log(4.0)),
}


@pytest.mark.parametrize(("family", "response"), FITS)
@pytest.mark.parametrize("change", CHANGES)
def test_the_laplace_fit_follows(family, response, change):
    formula = f"{response} ~ x + f + (1 | g) + (0 + x | h)"
    changed, constant = CHANGES[change]
    one, other = build(formula, DATA, family), build(formula, changed(DATA), family)
    ours, theirs = laplace_fit(one.packed), laplace_fit(other.packed)
    assert theirs.log_marginal == pytest.approx(ours.log_marginal + constant, abs=2 * GAIN)
    there = dict(zip(labels(other), theirs.x, strict=True))
    sds = dict(zip(labels(one)[one.n_v :], np.sqrt(np.sum(ours.theta_factor**2, axis=1)), strict=True))
    for label, value in zip(labels(one), ours.x, strict=True):
        renamed = change == "names" and label[:2] == ("u", "g")
        found = there[(*label[:2], NAMES[label[2]], label[3]) if renamed else label]
        if change == "unit" and reads_x(label):
            found = found + math.log(4.0) if label[0] == "sd" else 4.0 * found
        # two searches that stop within a gain of GAIN are sqrt(2 GAIN) sds from the mode, each
        assert found == pytest.approx(value, abs=2 * math.sqrt(2 * GAIN) * sds.get(label, 1.0)), label
