"""Levels' effects integrated out: against the density of (u, beta, theta) on dense grids, and draws of the effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayes_glmm.engine import level_design
from bayes_glmm.engine.level_fit import LevelFit, complete_level_positions, level_posterior
from bayes_glmm.engine.level_patterns import find_patterns, why_not_integrated
from bayes_glmm.engine.run import density_at, expand_draws

GRID = np.linspace(-1.0, 1.0, 161)


def clustered(seed=1, communities=4, mothers=3, sd=2.5):
    """Return small clusters within larger ones, with a response for each kind of family."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, communities * mothers)
    mother = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=len(mother))
    eta = 0.4 * x + rng.normal(0.0, sd, len(sizes))[mother] + rng.normal(0.0, 1.0, communities)[mother // mothers]
    frame = pd.DataFrame({"x": x, "mother": [f"m{i}" for i in mother], "n": rng.integers(1, 9, len(mother))})
    frame["community"] = [f"c{i}" for i in mother // mothers]
    frame["b"] = (rng.random(len(mother)) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["s"] = rng.binomial(frame["n"], 1 / (1 + np.exp(-eta)))
    frame["c"] = rng.poisson(np.exp(np.minimum(eta, 1.5)))
    frame["o"] = pd.cut(eta + rng.logistic(size=len(eta)), [-np.inf, -1.0, 1.0, np.inf], labels=["l", "m", "h"])
    return frame


MODELS = {
    "bernoulli": ("b ~ x + (1 | mother)", {"family": "bernoulli"}),
    "probit": ("b ~ x + (1 | mother)", {"family": "bernoulli", "link": "probit"}),
    "cloglog": ("b ~ x + (1 | mother)", {"family": "bernoulli", "link": "cloglog"}),
    "binomial": ("p(s, n) ~ x + (1 | mother)", {"family": "binomial"}),
    "poisson": ("c ~ x + (1 | mother)", {"family": "poisson"}),
    "negative binomial": ("c ~ x + (1 | mother)", {"family": "negativebinomial"}),
    "cumulative": ("o ~ x + (1 | mother)", {"family": "cumulative"}),
    "nested": ("b ~ x + (1 | community) + (1 | mother)", {"family": "bernoulli"}),
    "nested cumulative": ("o ~ x + (1 | community / mother)", {"family": "cumulative"}),
    "nested counts": ("c ~ (1 | community / mother)", {"family": "negativebinomial"}),
}


@pytest.fixture
def accurate(monkeypatch):
    monkeypatch.setattr(level_design, "ACCURACY", 1e-9)


def fitted(models, name, data=None, growth=0.0):
    """Return a model and a fit whose places are near sds of two and one, with points chosen for five of them."""
    formula, options = MODELS[name]
    model = models.case(formula, clustered() if data is None else data, **options)
    assert why_not_integrated(model.packed) is None
    patterns, terms = find_patterns(model.packed), model.packed.data.terms
    x, rng = model.packed.start[model.n_u :].copy(), np.random.default_rng(7)
    x[model.n_beta + terms[4]] = np.log([2.0, 1.0][: terms.shape[1]])
    far = 0.2 * rng.normal(size=(4, len(x)))
    needs = level_design.choose_points(patterns, [(x, 1.0), *((x + move, 1.0) for move in far)])
    assert needs is not None
    levels = level_design.lay_out(patterns, needs)
    reference = x[model.n_beta + terms[4]]
    levels = levels._replace(growth=np.full(len(reference), growth), reference=reference)
    straight = np.tile([0.0, 0.0, 1.0], (len(x), 1))
    return model, LevelFit(patterns, needs, levels, x, 0.1 * np.eye(len(x)), straight, 0.0), x + far


def conditional(model, place, fixed, element, reach, every=1):
    """Return a grid of one effect and log p(u, beta, theta) over it, other effects as in `fixed`."""
    u = reach * GRID[::every]
    values = []
    for value in u:
        x = np.concatenate([fixed, place])
        x[element] = value
        values.append(model.density(x)[0])
    return u, np.array(values)


def log_sum(values, step):
    return values.max() + np.log(np.sum(np.exp(values - values.max())) * step)


def dense_marginal(model, place):
    """Return log p(beta, theta) by sums over dense grids of every effect of the density of (u, beta, theta)."""
    data, n_u = model.packed.data, model.n_u
    finer, coarser = int(data.terms[1, 0]), n_u - int(data.terms[1, 0])
    zero = np.zeros(n_u)
    at_zero = model.density(np.concatenate([zero, place]))[0]
    reach = 7.0 * np.exp(place[model.n_beta + data.terms[4]])
    total = at_zero
    if not coarser:
        for j in range(finer):
            u, values = conditional(model, place, zero, j, reach[0])
            total += log_sum(values - at_zero, u[1] - u[0])
        return total
    for a in range(coarser):
        children = np.unique(data.codes[0][data.codes[1] == a])
        outer = []
        for shared in reach[1] * GRID[::2]:
            fixed = zero.copy()
            fixed[finer + a] = shared
            start = model.density(np.concatenate([fixed, place]))[0]
            value = start - at_zero
            for j in children:
                u, values = conditional(model, place, fixed, j, reach[0], every=2)
                value += log_sum(values - start, u[1] - u[0])
            outer.append(value)
        total += log_sum(np.array(outer), reach[1] * (GRID[2] - GRID[0]))
    return total


@pytest.mark.parametrize("name", MODELS)
def test_density_is_that_of_dense_grids(models, accurate, name):
    model, fit, places = fitted(models, name, clustered(communities=2) if "nested" in name else None)
    values = [value_at(fit, place) - dense_marginal(model, place) for place in places[: 2 if "nested" in name else 3]]
    np.testing.assert_allclose(values, values[0], rtol=0, atol=2e-7)


def value_at(fit, place):
    """Return the log density at [beta, theta] itself."""
    return density_at(level_posterior(replace(fit, x=place, factor=np.eye(len(place)))), np.zeros(len(place)))[0]


def test_beta_grows_with_the_sds(models):
    _, fit, _ = fitted(models, "nested", growth=0.5)
    z = np.zeros((1, len(fit.x)))
    z[0, -1] = 2.0  # theta's last element, the sd of communities or of mothers
    moved, still = expand_draws(level_posterior(fit), z)[0], fit.x
    np.testing.assert_allclose(moved[:2], still[:2] * np.exp(0.5 * (moved[-1] - still[-1])), rtol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_gradient_is_the_density_s(models, name):
    """However coarse the lattices are, and with beta growing with the sds."""
    _, fit, _ = fitted(models, name, growth=0.4)
    posterior, rng = level_posterior(fit), np.random.default_rng(2)
    z = rng.normal(size=posterior.dimension)
    value, gradient = density_at(posterior, z)
    for i in range(len(z)):
        slope = models.richardson(models.along(lambda at: density_at(posterior, at)[0], z, i), z[i])
        assert abs(slope - gradient[i]) < 1e-8 * (1.0 + abs(value) ** 0.5)


@pytest.mark.parametrize("name", ["bernoulli", "negative binomial", "cumulative", "nested"])
def test_draws_follow_the_conditional_distribution(models, accurate, name):
    model, fit, _ = fitted(models, name)
    place, draws = fit.x, 4000
    u = complete_level_positions(model.packed, fit, np.tile(place, (1, draws, 1)), seed=3)[0, :, : model.n_u]
    nested = model.packed.data.terms.shape[1] == 2
    for j in range(0, int(model.packed.data.terms[1, 0]), 3):
        # given one draw's other effects where there are any: the probability transform is uniform over draws
        grid, uniform = None, np.empty(200 if nested else draws)
        for i in range(len(uniform)):
            if nested or grid is None:
                reach = 8.0 * np.exp(place[model.n_beta + model.packed.data.terms[4, 0]])
                grid, values = conditional(model, place, u[i], j, reach)
                cdf = np.cumsum(np.exp(values - values.max()))
                cdf = (cdf - 0.5 * np.exp(values - values.max())) / cdf[-1]
            uniform[i] = np.interp(u[i, j], grid, cdf)
        assert stats.kstest(uniform, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(u[:, 0], u[:, -1])[0, 1]) < 0.06


def test_shared_effects_follow_their_conditional_distribution(models, accurate):
    """Given one draw's effects of mothers, a community's effect has a density that is known."""
    model, fit, _ = fitted(models, "nested")
    data, finer = model.packed.data, int(model.packed.data.terms[1, 0])
    u = complete_level_positions(model.packed, fit, np.tile(fit.x, (1, 300, 1)), seed=4)[0, :, : model.n_u]
    reach = 8.0 * np.exp(fit.x[model.n_beta + data.terms[4, 1]])
    for a in range(model.n_u - finer):
        uniform = []
        for draw in u:
            grid, values = conditional(model, fit.x, draw, finer + a, reach)
            weights = np.exp(values - values.max())
            cdf = (np.cumsum(weights) - 0.5 * weights) / weights.sum()
            uniform.append(np.interp(draw[finer + a], grid, cdf))
        assert stats.kstest(uniform, "uniform").pvalue > 1e-4


def test_levels_alike_are_worked_on_once(models):
    data = pd.DataFrame({"y": [0, 1] * 3 + [1, 1] * 2 + [1, 0], "g": np.repeat(list("abcdef"), 2)})
    patterns = find_patterns(models.case("y ~ 1 + (1 | g)", data, family="bernoulli").packed)
    assert patterns.multiplicity.tolist() == [4, 2]
    assert patterns.levels.tolist() == [0, 1, 2, 5, 3, 4]


def test_levels_without_rows_are_drawn_from_their_distribution(models, monkeypatch):
    data = clustered().assign(w=1.0)
    data.loc[data["mother"] == "m1", "w"] = 0.0
    monkeypatch.setitem(MODELS, "weighted", ("weighted(b, w) ~ x + (1 | mother)", {"family": "bernoulli"}))
    model, fit, _ = fitted(models, "weighted", data)
    u = complete_level_positions(model.packed, fit, np.tile(fit.x, (1, 4000, 1)), seed=3)[0]
    level = sorted(set(data["mother"])).index("m1")
    assert stats.kstest(u[:, level] / np.exp(fit.x[model.n_beta]), "norm").pvalue > 1e-4


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("b ~ x + (x | mother)", {"family": "bernoulli"}),
        ("b ~ x + (1 | mother) + (1 | n)", {"family": "bernoulli"}),
        ("b ~ x + (0 + x | mother)", {"family": "bernoulli"}),
        ("c ~ x", {"family": "poisson"}),
    ],
)
def test_other_models_say_why_not(models, formula, options):
    assert why_not_integrated(models.case(formula, clustered(), **options).packed)
