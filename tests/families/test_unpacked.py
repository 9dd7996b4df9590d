"""Parameters as reported are those that the kernel's elements stand for, and their names may be columns of data."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.engine.pack import _unconstrain, pack
from bayes_glmm.engine.unpack import constrained
from bayes_glmm.links import LINKS
from bayes_glmm.model.autoscale import resolve_priors
from tests.properties.strategies import RESPONSES, make_frame

DATA = make_frame(60, 3)
WITH_PARAMETERS = [name for name, family in bg.FAMILIES.items() if family.parameters and not family.probabilities]


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_elements_are_the_parameters_they_were_made_from(name):
    model = bg.GLMM(f"{RESPONSES[name][0]} ~ x + (1 | g)", DATA, family=name)
    packed = pack(model.spec, model.design, resolve_priors(model.spec, model.design))
    own = bg.FAMILIES[name].parameters
    for row, parameter in zip(packed.data.theta_table[-len(own) :], own, strict=True):
        bounds = parameter.lower, parameter.upper
        value = parameter.start * 1.1 if None in bounds else 0.6 * bounds[0] + 0.4 * bounds[1]
        assert constrained(row, np.array([_unconstrain(row, value)])) == pytest.approx([value], rel=1e-12)


@pytest.mark.parametrize(("name", "truth"), [("skewnormal", 4.0), ("ordbeta", -1.5)])
def test_parameters_without_bounds_are_recovered(name, truth):
    rng = np.random.default_rng(4)
    data = make_frame(500, 4)
    family, link = bg.FAMILIES[name], LINKS[bg.FAMILIES[name].links[0]]
    parameters = {"skewnormal": {"sigma": 1.0, "alpha": 4.0}, "ordbeta": {"phi": 6.0, "cutzero": -1.5, "width": 3.0}}[
        name
    ]
    data["y"] = family.simulate(rng, link.inverse(0.3 * data["x"].to_numpy()), parameters, None)
    fit = bg.GLMM("y ~ x + (1 | g)", data, family=name).fit(random_seed=1, progressbar=False)
    draws = fit.posterior["alpha" if name == "skewnormal" else "cutzero"]
    assert abs(float(draws.mean()) - truth) < 4 * float(draws.std()) and float(draws.std()) > 0.01


@pytest.mark.parametrize(
    ("name", "column"), [("weibull", "shape"), ("zero_inflated_poisson", "zi"), ("exgaussian", "tau")]
)
def test_a_grouping_factor_may_have_a_parameters_name(name, column):
    data = DATA.rename(columns={"g": column})
    fit = bg.GLMM(f"{RESPONSES[name][0]} ~ x + (1 | {column})", data, family=name).fit(
        method="laplace", random_seed=1, progressbar=False
    )
    assert fit.posterior[column].dims == ("chain", "draw")


@pytest.mark.parametrize(("name", "key"), [("skewnormal", "alpha"), ("ordbeta", "cutzero")])
def test_flat_priors_without_a_posterior_are_refused(name, key):
    with pytest.raises(bg.errors.PriorError, match=f"flat prior on {key}"):
        bg.GLMM(f"{RESPONSES[name][0]} ~ x + (1 | g)", DATA, family=name, priors={key: "Flat"})


@pytest.mark.parametrize("zeros", ["zero_inflated", "hurdle"])
def test_the_simpler_family_has_the_same_zeros(zeros):
    assert bg.FAMILIES[f"{zeros}_negativebinomial"].limit == f"{zeros}_poisson"
