"""Families known within limits, or cut off at them: every facet by another route. Nothing here is compiled."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from bayes_glmm.engine.compose_knowing import knowing_row
from bayes_glmm.families import DISCRETE, FAMILIES
from bayes_glmm.families.knowing import OFFERED, family_knowing
from bayes_glmm.links import LINKS
from tests.families.table import ORACLES, plain, predictors

#: Distributions by scipy: of a mean and parameters.
DISTRIBUTIONS = {
    "gaussian": lambda mu, p: stats.norm(mu, p["sigma"]),
    "lognormal": lambda mu, p: stats.lognorm(p["sigma"], scale=math.exp(mu)),
    "gamma": lambda mu, p: stats.gamma(p["phi"], scale=mu / p["phi"]),
    "exponential": lambda mu, p: stats.expon(scale=mu),
    "weibull": lambda mu, p: stats.weibull_min(p["shape"], scale=mu / math.gamma(1 + 1 / p["shape"])),
    "poisson": lambda mu, p: stats.poisson(mu),
    "negativebinomial": lambda mu, p: stats.nbinom(p["phi"], 1 / (1 + mu / p["phi"])),
    "geometric": lambda mu, p: stats.geom(1 / (1 + mu), loc=-1),
}
#: A mean of each, and limits with little and with much outside of them.
MEAN = {"real": -0.4, "positive": 1.7, "count": 2.2}
LIMITS = {
    "real": ((-1.0, 1.5), (-np.inf, 0.2), (0.7, np.inf), (2.0, 2.5)),
    "positive": ((0.5, 3.0), (-np.inf, 1.2), (2.0, np.inf), (4.0, 4.5)),
    "count": ((0.0, 4.0), (-np.inf, 3.0), (2.0, np.inf), (6.0, 9.0)),
}
SETTINGS = [(name, setting) for name in DISTRIBUTIONS for setting in ORACLES[name].parameters]


def cut(name):
    return family_knowing(FAMILIES[name], ("censored", "truncated"))


def known(above, upto, lower=-np.inf, upper=np.inf):
    return {"above": np.array(above), "upto": np.array(upto), "lower": np.array(lower), "upper": np.array(upper)}


def log_between(other, low, high):
    """Of scipy's distribution functions, the differences that lose no digits."""
    upper = other.cdf(low) > 0.5
    return np.log(other.sf(low) - other.sf(high) if upper else other.cdf(high) - other.cdf(low))


def test_all_that_are_offered_are_looked_at():
    assert set(OFFERED["censored"]) == set(OFFERED["truncated"]) == set(DISTRIBUTIONS)


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_densities_are_differences_of_distribution_functions(name, setting):
    support = FAMILIES[name].support
    mu, family = MEAN[support], cut(name)
    other = DISTRIBUTIONS[name](mu, setting)
    for lower, upper in LIMITS[support]:
        whole = log_between(other, lower, upper)
        y = max(lower, 0.0) + 1.0 if np.isinf(upper) else upper
        exact = family.log_density(y, mu, setting | known(y, y, lower, upper), None)
        own = FAMILIES[name].log_density(y, mu, setting, None)
        np.testing.assert_allclose(exact, own - whole, rtol=1e-9)
        ends = ((lower, y), (y, upper), (-np.inf, np.inf))
        for above, upto in ends:
            if above >= upto:
                continue
            part = family.log_density(y, mu, setting | known(above, upto, lower, upper), None)
            wanted = log_between(other, above, upto) - whole
            np.testing.assert_allclose(part, wanted, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_far_out_probabilities_keep_their_digits(name, setting):
    support = FAMILIES[name].support
    mu, family = MEAN[support], family_knowing(FAMILIES[name], ("censored",))
    other = DISTRIBUTIONS[name](mu, setting)
    for y in (6.0, 30.0):
        wanted = other.logsf(y)
        if wanted > -600:
            right = family.log_density(y, mu, setting | known(y, np.inf), None)
            np.testing.assert_allclose(right, wanted, rtol=1e-8)


def moments_within(name, setting, lower, upper):
    support = FAMILIES[name].support
    other = DISTRIBUTIONS[name](MEAN[support], setting)
    if support in DISCRETE:
        y = np.arange(max(lower + 1, 0), min(upper, 4000) + 1)
        p = other.pmf(y)
        return (y * p).sum() / p.sum(), (y**2 * p).sum() / p.sum()
    low, high = max(lower, other.ppf(1e-14)), min(upper, other.isf(1e-14))
    points = np.unique(np.clip(other.ppf([0.01, 0.3, 0.6, 0.99]), low, high))
    parts = [
        integrate.quad(lambda y, k=k: y**k * other.pdf(y), low, high, points=points, limit=400, epsabs=0, epsrel=1e-11)[
            0
        ]
        for k in range(3)
    ]
    return parts[1] / parts[0], parts[2] / parts[0]


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_means_and_variances_within_limits(name, setting):
    support = FAMILIES[name].support
    mu, family = MEAN[support], cut(name)
    for lower, upper in LIMITS[support]:
        parameters = setting | {"lower": np.array(lower), "upper": np.array(upper)}
        if log_between(DISTRIBUTIONS[name](mu, setting), lower, upper) < -20:
            continue
        first, second = moments_within(name, setting, lower, upper)
        # whose integrals are cut off far out
        heavy = name == "lognormal" and np.isinf(upper - lower)
        tolerance = 1e-3 if heavy else 1e-6
        assert family.mean(mu, parameters) == pytest.approx(first, rel=tolerance, abs=1e-8)
        assert family.variance(mu, parameters, None) + first**2 == pytest.approx(second, rel=0.02 if heavy else 1e-6)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_lie_within_limits_and_have_their_distribution(name):
    support, setting = FAMILIES[name].support, dict(SETTINGS)[name]
    mu, family, rng = MEAN[support], cut(name), np.random.default_rng(4)
    far = (9.0, 11.0) if support != "real" else (5.0, 6.0)
    for lower, upper in (*LIMITS[support], far):
        parameters = {**setting, "lower": np.full((400, 1), lower), "upper": np.full((400, 1), upper)}
        y = family.simulate(rng, np.full((400, 3), mu), parameters, None)
        assert y.shape == (400, 3)
        assert ((y > lower) & (y <= upper)).all()
        uniform = family.cdf(y, mu, parameters, None)
        if support in DISCRETE:
            below = family.cdf(y - 1, mu, parameters, None)
            uniform = below + rng.random(y.shape) * (uniform - below)
        assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3


def test_places_of_what_is_hidden():
    family = family_knowing(FAMILIES["exponential"], ("censored",))
    parameters = known([2.0, -np.inf, 1.0, 5.0], [2.0, 2.0, 3.0, np.inf])
    y = np.array([2.0, 2.0, 1.0, 5.0])
    lower, upper = family.places(y, 2.0, parameters, True)
    F = stats.expon(scale=2.0).cdf
    np.testing.assert_allclose(lower, [F(2), 0, F(1), F(5)])
    np.testing.assert_allclose(upper, [F(2), F(2), F(3), 1])
    # other responses are hidden where those of the rows are
    lower, upper = family.places(np.array([7.0, 1.0, 0.5, 9.0]), 2.0, parameters, False)
    np.testing.assert_allclose(lower, [F(7), 0, F(0.5), F(5)])
    np.testing.assert_allclose(upper, [F(7), F(2), F(0.5), 1])


def richardson(function, x, step):
    slopes = [(function(x + h) - function(x - h)) / (2 * h) for h in (step, step / 2, step / 4)]
    first = [(4 * slopes[i + 1] - slopes[i]) / 3 for i in (0, 1)]
    return (16 * first[1] - first[0]) / 15


COMPILED = [(name, link) for name in DISTRIBUTIONS for link in FAMILIES[name].links]


@pytest.mark.parametrize(("name", "link"), COMPILED)
def test_the_engines_rows_are_the_densities_with_their_derivatives(name, link):
    family, inverse = cut(name), LINKS[link].inverse
    row, width = knowing_row(family.kernel, link)
    row = plain(row)
    support = family.support
    y = {"real": 0.3, "positive": 1.4, "count": 2.0}[support]
    lower, upper = {"real": (-8.0, 9.0), "positive": (0.05, 60.0), "count": (0.0, 60.0)}[support]
    cases = [(y, y), (y, np.inf), (-np.inf, y), (y, y + 1.0), (-np.inf, np.inf)]
    cases = [(*case, *limits) for case in cases for limits in ((-np.inf, np.inf), (lower, upper))]
    setting = ORACLES[name].parameters[-1]

    def ours(case, eta, setting):
        return np.array(row(eta, np.array([y, *case]), *[*setting.values(), 0.0, 0.0, 0.0][:3]))

    def exact(case, eta, setting):
        return float(family.log_density(y, inverse(eta), setting | known(*case), None))

    assert width == 5
    for case in cases:
        base = predictors(link, support)[1]
        seen = case[0] == case[1]
        constant = ours(case, base, setting)[0] - exact(case, base, setting) if seen else 0.0  # what depends on y alone
        for eta in predictors(link, support)[:3]:
            value, slope, *pulls = ours(case, eta, setting)
            assert value - constant == pytest.approx(exact(case, eta, setting), rel=1e-9, abs=1e-9)
            by_eta = richardson(lambda e, c=case: exact(c, e, setting), eta, 0.03 * abs(eta))
            assert slope == pytest.approx(by_eta, rel=2e-6, abs=2e-7)
            for pull, (key, at) in zip(pulls, setting.items(), strict=False):
                by_key = richardson(lambda v, c=case, e=eta, k=key: exact(c, e, {**setting, k: v}), at, 0.01 * at)
                assert pull == pytest.approx(by_key, rel=2e-6, abs=2e-7), key
