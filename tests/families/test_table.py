"""All families by all links: one table of other routes to each of their facets. Nothing here is compiled."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from bayes_glmm.families import DISCRETE, FAMILIES
from bayes_glmm.links import LINKS
from tests.families.table import ELSEWHERE, ORACLES, plain_row, predictors

PAIRS = [(name, link) for name in ORACLES for link in FAMILIES[name].links]
#: A mean, in the middle of what every family's links can give.
MEANS = {"real": -0.4, "count": 2.2, "positive": 1.7, "nonnegative": 1.7}


def test_every_family_has_an_oracle():
    assert set(ORACLES) | ELSEWHERE == set(FAMILIES)
    for name, oracle in ORACLES.items():
        names = {row.name for row in FAMILIES[name].parameters}
        assert all(set(setting) == names for setting in oracle.parameters), name


def means(name, link):
    return LINKS[link].inverse(predictors(link, FAMILIES[name].support))


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_the_density_is_the_oracles(name, link):
    oracle, mu = ORACLES[name], means(name, link)
    for setting in oracle.parameters:
        ours = FAMILIES[name].log_density(oracle.y, mu, setting, oracle.trials)
        theirs = oracle.log_density(oracle.y, mu, oracle.trials, **setting)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def richardson(function, x, step):
    """Derivative by differences, extrapolated twice."""
    slopes = [(function(x + h) - function(x - h)) / (2 * h) for h in (step, step / 2, step / 4)]
    first = [(4 * slopes[i + 1] - slopes[i]) / 3 for i in (0, 1)]
    return (16 * first[1] - first[0]) / 15


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_the_engines_rows_are_the_oracles_with_their_derivatives(name, link):
    family, oracle = FAMILIES[name], ORACLES[name]
    row, inverse = plain_row(family.kernel, link), LINKS[link].inverse
    eta = predictors(link, family.support)
    trials = np.ones_like(eta) if oracle.trials is None else oracle.trials

    def exact(x, setting):
        return oracle.log_density(oracle.y, inverse(x), oracle.trials, **setting)

    def ours(x, setting):
        values = [*setting.values(), 0.0, 0.0, 0.0][:3]
        return np.array([row(*one, *values) for one in zip(x, oracle.y, trials, strict=True)]).T

    start, base = np.full_like(eta, eta[2]), oracle.parameters[0]
    constant = ours(start, base)[0] - exact(start, base)  # what depends on y alone
    for setting in oracle.parameters:
        value, slope, *pulls = ours(eta, setting)
        np.testing.assert_allclose(value - constant, exact(eta, setting), rtol=1e-9, atol=1e-9)
        noise = 1e-8 * (1 + np.abs(value).max())
        by_eta = richardson(lambda e, s=setting: exact(e, s), eta, 0.05 * np.abs(eta))
        np.testing.assert_allclose(slope, by_eta, rtol=1e-6, atol=noise)
        for pull, (key, at) in zip(pulls, setting.items(), strict=False):
            step = 0.02 * min(abs(at), abs(1 - at) if key in ("zi", "hu", "zoi", "coi") else abs(at))
            by_key = richardson(lambda v, k=key, s=setting: exact(eta, {**s, k: v}), at, step)
            np.testing.assert_allclose(pull, by_key, rtol=1e-6, atol=noise, err_msg=key)
        assert not np.any(pulls[len(setting) :])


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.support in ("count", "trials")])
def test_a_zero_has_its_whole_density(name):
    """Mixtures with zeros rest on it: what is left out of other rows' constants is nothing of a zero's."""
    family, oracle = FAMILIES[name], ORACLES[name]
    row = plain_row(family.kernel, family.links[0])
    for setting in oracle.parameters:
        values = [*setting.values(), 0.0, 0.0, 0.0][:3]
        trials = None if oracle.trials is None else 7.0
        exact = family.log_density(0.0, LINKS[family.links[0]].inverse(0.3), setting, trials)
        assert row(0.3, 0.0, 7.0, *values)[0] == pytest.approx(float(exact), rel=1e-12)


def of_density(name, setting, mu, trials):
    """Grid of responses, probabilities or weights of integration, and atoms."""
    family = FAMILIES[name]
    if family.support in DISCRETE:
        y = np.arange(0.0, 1.0 + (1 if family.support == "binary" else trials or 4000))
        return y, np.exp(family.log_density(y, mu, setting, trials))
    return None


def moments(name, setting, mu, trials):
    """Mean and variance by sums or integrals of the density."""
    family = FAMILIES[name]
    whole = of_density(name, setting, mu, trials)
    if whole is not None:
        y, p = whole
        mean = np.sum(y * p)
        return np.sum(p), mean, np.sum(np.square(y - mean) * p)
    ranges = {"real": (-60.0, 60.0), "angle": (-math.pi, math.pi)}
    low, high = ranges.get(family.support, (0.0, 1.0 if family.support.startswith("unit") else 400.0))
    atoms = np.array(family.atoms)
    weight = np.exp(family.log_density(atoms, mu, setting, None)) if len(atoms) else np.zeros(0)

    def integral(function):
        def integrand(y):
            return function(y) * math.exp(family.log_density(y, mu, setting, None))

        points = [mu, mu / 3, 2 * mu, 5 * mu] if family.support != "unit" else [mu]
        inside = sorted({p for p in points if low < p < high})
        inner = integrate.quad(integrand, low, high, points=inside, limit=400)[0]
        return inner + float(np.sum(weight * function(atoms)))

    total, mean = integral(lambda y: y**0), integral(lambda y: y)
    return total, mean, integral(lambda y: np.square(y - mean))


@pytest.mark.parametrize("name", ORACLES)
def test_moments_distribution_function_and_draws_belong_to_the_density(name):
    family = FAMILIES[name]
    # tails that end within the range of the integrals
    setting = {"sigma": 1.3, "nu": 30.0} if name == "student" else ORACLES[name].parameters[-1]
    setting = setting if family.response_transform is None else {**setting, "sigma": 0.3}
    trials = 9.0 if family.support == "trials" else None
    mu = MEANS.get(family.support, 0.3) if family.response_transform is None else 0.2
    total, mean, variance = moments(name, setting, mu, trials)
    assert total == pytest.approx(1.0, abs=1e-6)
    stated = mu if family.mean is None else family.mean(mu, setting)
    assert stated * (trials or 1.0) == pytest.approx(mean, rel=1e-5, abs=1e-7)
    assert family.variance(mu, setting, trials) == pytest.approx(variance, rel=1e-4)
    if family.mean_line is not None:
        start, slope = family.mean_line(setting)
        assert start + slope * mu == pytest.approx(stated, rel=1e-12)

    y = family.simulate(np.random.default_rng(5), np.full((20, 1000), mu), setting, trials)
    assert y.shape == (20, 1000) and y.dtype == float
    z = (y.mean() - mean) / math.sqrt(variance / y.size)
    assert abs(z) < 4.5, z
    assert_draws_follow_the_distribution_function(family, y.ravel(), mu, setting, trials)


def assert_draws_follow_the_distribution_function(family, y, mu, setting, trials):
    """And that is the sum of the density, with its jumps: a uniform place between P(Y < y) and P(Y <= y)."""
    upper = family.cdf(y, mu, setting, trials)
    if family.support in DISCRETE:
        grid = np.arange(0.0, y.max() + 1)
        summed = np.cumsum(np.exp(family.log_density(grid, mu, setting, trials)))
        np.testing.assert_allclose(family.cdf(grid, mu, setting, trials), summed, rtol=1e-9, atol=1e-12)
        assert family.cdf(np.array([-1.0]), mu, setting, trials) == 0.0
        lower = family.cdf(y - 1.0, mu, setting, trials)
    else:
        lower = np.where(np.isin(y, family.atoms), family.cdf(np.nextafter(y, -np.inf), mu, setting, trials), upper)
    for atom in family.atoms:
        jump = upper[y == atom][0] - lower[y == atom][0]
        assert jump == pytest.approx(math.exp(family.log_density(atom, mu, setting, trials)), rel=1e-6)
    places = lower + np.random.default_rng(6).random(len(y)) * (upper - lower)
    assert stats.kstest(places, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", [name for name in ORACLES if name != "student"])
def test_densities_broadcast(name):
    """Draws by rows: parameters (S, 1) and means (S, rows)."""
    family, oracle = FAMILIES[name], ORACLES[name]
    mu = np.tile(means(name, family.links[0]), (3, 1))
    setting = {key: np.full((3, 1), value) for key, value in oracle.parameters[0].items()}
    row = family.log_density(oracle.y, mu[0], oracle.parameters[0], oracle.trials)
    np.testing.assert_allclose(family.log_density(oracle.y, mu, setting, oracle.trials), np.tile(row, (3, 1)))
    for facet in (family.variance(mu, setting, oracle.trials), family.cdf(oracle.y, mu, setting, oracle.trials)):
        assert np.shape(facet) == mu.shape and np.all(np.isfinite(facet))
    assert family.simulate(np.random.default_rng(1), mu, setting, oracle.trials).shape == mu.shape
