"""Posteriors by sampling: the same answers whatever the order of rows, the names of levels and the units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from tests.engine.models import check_agreement
from tests.properties.strategies import make_frame
from tests.properties.test_units import STATED

pytestmark = pytest.mark.slow

SHORT = {"draws": 1500, "tune": 500, "chains": 4, "random_seed": 11, "target_accept": 0.95, "progressbar": False}
DATA = make_frame(240, 7).assign(g=[f"g{i % 16}" for i in range(240)])
HERDS = {f"g{i}": 7 * i % 16 for i in range(16)}


def posterior(formula, data, family, **options):
    return bg.GLMM(formula, data, family=family, **options).fit(**SHORT).posterior


def by_name(dataset):
    """Sort levels and coefficients by name, so that arrays can be compared element by element."""
    for dim in dataset.dims:
        if dim not in ("chain", "draw"):
            dataset = dataset.sortby(dim)
    return dataset


MODELS = [("gaussian", "r"), ("bernoulli", "yes"), ("poisson", "c"), ("cumulative", "o")]


@pytest.mark.parametrize(("family", "response"), MODELS)
def test_rows_and_names_do_not_matter(family, response):
    formula = f"{response} ~ x + f + (x | g)"
    changed = DATA.iloc[np.random.default_rng(3).permutation(len(DATA))]
    changed = changed.assign(g=changed["g"].map(HERDS))
    ours, theirs = posterior(formula, DATA, family), posterior(formula, changed, family)
    ours = ours.assign_coords(g=[HERDS[level] for level in ours["g"].values])
    check_agreement(by_name(ours), by_name(theirs))


@pytest.mark.parametrize(("family", "response"), MODELS)
def test_units_and_origins_do_not_matter(family, response):
    formula = f"{response} ~ x + f + (1 | g)"
    ours, theirs = posterior(formula, DATA, family), posterior(formula, DATA.assign(x=4 - 0.01 * DATA["x"]), family)
    there = theirs["beta"].copy(deep=True)
    slope = theirs["beta"].sel(coef="x")
    there.loc[{"coef": "x"}] = -0.01 * slope
    if family == "cumulative":
        # the latent variable is that of a predictor without the four: thresholds lie lower by what it adds
        theirs = theirs.assign(thresholds=theirs["thresholds"] - 4 * slope)
    else:
        there.loc[{"coef": "Intercept"}] = theirs["beta"].sel(coef="Intercept") + 4 * slope
    check_agreement(ours, theirs.assign(beta=there))


@pytest.mark.parametrize("family", ["gaussian", "poisson", "gamma"])
def test_weights_are_rows(family):
    response = {"gaussian": "r", "poisson": "c", "gamma": "pos"}[family]
    data = DATA.assign(r=DATA["r"].round(1), wt=np.resize([1, 2, 3], len(DATA)))
    rows = data.loc[data.index.repeat(data["wt"])]
    keys = {"Intercept", "beta", "sd"} | {row.name for row in bg.FAMILIES[family].parameters}
    options = {"priors": {key: STATED[key] for key in keys}, "center": False}
    if family == "gamma":
        options["link"] = "log"
    ours = posterior(f"{response} ~ x + (1 | g)", rows, family, **options)
    theirs = posterior(f"weighted({response}, wt) ~ x + (1 | g)", data, family, **options)
    check_agreement(ours, theirs)


def test_successes_added_up_are_trials_one_by_one():
    data = DATA.assign(x=np.sign(DATA["x"]))
    counts = data.groupby(["x", "g"], as_index=False)["yes"].agg(["sum", "count"])
    priors = {key: STATED[key] for key in ("Intercept", "beta", "sd")}
    ours = posterior("yes ~ x + (1 | g)", data, "bernoulli", priors=priors, center=False)
    theirs = posterior("p(sum, count) ~ x + (1 | g)", counts, "binomial", priors=priors, center=False)
    check_agreement(ours, theirs)


def test_containers_give_the_same_draws():
    """Arrays that are the same to the last bit give the same draws."""
    formula = "c ~ x + (1 | g)"
    ours = posterior(formula, DATA, "poisson")
    theirs = posterior(formula, {name: DATA[name].to_numpy() for name in ("g", "x", "c")}, "poisson")
    pd.testing.assert_frame_equal(ours["beta"].to_dataframe(), theirs["beta"].to_dataframe())
