"""Links and families by themselves: each field against scipy, complex steps, sums and integrals. Milliseconds each."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from bayes_glmm.families import FAMILIES, family_named
from bayes_glmm.links import LINKS

# links ---------------------------------------------------------------------------------------------------------------

#: link -> its inverse by another route
INVERSES = {
    "identity": lambda x: x,
    "log": np.exp,
    "logit": lambda x: 0.5 * (1 + np.tanh(x / 2)),
    "probit": stats.norm.cdf,
    "cloglog": lambda x: stats.gumbel_l.cdf(x),
    "inverse": lambda x: x**-1.0,
    "sqrt": lambda x: x * x,
    "cauchit": lambda x: stats.cauchy.cdf(x),
    "loglog": lambda x: stats.gumbel_r.cdf(x),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "1/mu^2": lambda x: x**-0.5,
    "tan_half": lambda x: 2 * np.arctan2(x, 1.0),
}
#: distributions whose distribution function the inverse is
LATENT = {
    "logit": stats.logistic,
    "probit": stats.norm,
    "cloglog": stats.gumbel_l,
    "cauchit": stats.cauchy,
    "loglog": stats.gumbel_r,
}
#: intervals of which no end is where a distribution function is zero in doubles
LOWER, UPPER = np.array([-3.0, -0.5, 0.2, 2.0, -8.0, -1.0]), np.array([-1.0, 0.7, 1.1, 2.5, -7.0, 3.0])
INTERVALS = {name: (-UPPER, -LOWER) if name == "loglog" else (LOWER, UPPER) for name in LATENT}
ETA = np.array([0.1, 0.4, 1.0, 2.3])
BOTH_SIDES = np.array([-6.0, -2.0, -0.3, 0.0, 0.7, 1.9])


def points(name: str) -> np.ndarray:
    return ETA if LINKS[name].eta_domain[0] == 0.0 else BOTH_SIDES


def test_every_link_is_here():
    assert set(INVERSES) == set(LINKS)
    assert {name for name, link in LINKS.items() if link.interval is not None} == set(LATENT)


@pytest.mark.parametrize("name", LINKS)
def test_inverse_and_its_derivative(name):
    link, eta = LINKS[name], points(name)
    np.testing.assert_allclose(link.inverse(eta), INVERSES[name](eta), rtol=1e-12)
    np.testing.assert_allclose(link.link(link.inverse(eta)), eta, rtol=1e-9, atol=1e-9)
    step = 1e-5
    slope = (INVERSES[name](eta + step) - INVERSES[name](eta - step)) / (2 * step)
    np.testing.assert_allclose(link.inverse_derivative(eta), slope, rtol=1e-8, atol=1e-12)
    assert np.all((link.inverse(eta) > link.domain[0]) & (link.inverse(eta) < link.domain[1]))


@pytest.mark.parametrize("name", LINKS)
def test_domains_are_those_of_the_inverse(name):
    link = LINKS[name]
    ends = {name: (0, 1) for name in LATENT}
    ends |= dict.fromkeys(("log", "sqrt", "softplus", "1/mu^2"), (0, math.inf)) | {"tan_half": (-math.pi, math.pi)}
    assert link.domain == ends.get(name, (-math.inf, math.inf))
    assert link.eta_domain == ((0, math.inf) if name in ("inverse", "sqrt", "1/mu^2") else (-math.inf, math.inf))


@pytest.mark.parametrize("name", LATENT)
def test_far_out_nothing_overflows_and_tails_keep_their_digits(name):
    link = LINKS[name]
    far = np.array([-800.0, -40.0, 40.0, 800.0])
    with np.errstate(all="raise", under="ignore"):
        assert np.all(np.isfinite(link.inverse(far))) and np.all(np.isfinite(link.inverse_derivative(far)))
    np.testing.assert_allclose(link.inverse(-5.0), LATENT[name].cdf(-5.0), rtol=1e-12)


@pytest.mark.parametrize("name", LATENT)
def test_latent_variance_and_intervals(name):
    link, law = LINKS[name], LATENT[name]
    assert link.latent_variance == (math.inf if name == "cauchit" else pytest.approx(law.var(), rel=1e-12))
    lower = np.array([-np.inf, -30.0, -2.0, -0.1, 0.2, 1.5, 1.0])
    upper = np.array([-1.0, -29.0, 1.0, 0.3, 0.9, 2.5, np.inf])
    # whichever tail is the smaller loses no digits
    exact = np.where(lower > 0, law.sf(lower) - law.sf(upper), law.cdf(upper) - law.cdf(lower))
    np.testing.assert_allclose(link.interval(lower, upper), exact, rtol=1e-10)


def test_the_upper_tail_of_probit_intervals():
    np.testing.assert_allclose(LINKS["probit"].interval(8.0, 9.0), stats.norm.sf(8.0) - stats.norm.sf(9.0), rtol=1e-12)


def test_the_variance_of_a_log_is_that_of_a_lognormal():
    s = 0.7
    law = stats.lognorm(s, scale=3.0)
    assert LINKS["log"].transformed_variance(law.mean(), law.var()) == pytest.approx(s**2)


@pytest.mark.parametrize("name", [name for name, link in LINKS.items() if link.gaussian_mean is not None])
def test_closed_averages_over_normal_effects(name):
    link = LINKS[name]
    for eta, v in ((-0.4, 0.3), (0.8, 1.7)):
        nodes, weights = special.roots_hermitenorm(60)
        brute = np.sum(weights * link.inverse(eta + math.sqrt(v) * nodes)) / math.sqrt(2 * math.pi)
        np.testing.assert_allclose(link.gaussian_mean(eta, v), brute, rtol=1e-9)


# families ------------------------------------------------------------------------------------------------------------

SIGMA, PHI, NU, N = 1.3, 2.7, 4.5, 6.0
#: family -> location, parameters, trials, the same distribution of scipy
LAWS = {
    "gaussian": (0.4, {"sigma": SIGMA}, None, stats.norm(0.4, SIGMA)),
    "student": (0.4, {"sigma": SIGMA, "nu": NU}, None, stats.t(NU, 0.4, SIGMA)),
    "bernoulli": (0.3, {}, None, stats.bernoulli(0.3)),
    "binomial": (0.3, {}, N, stats.binom(int(N), 0.3)),
    "poisson": (2.2, {}, None, stats.poisson(2.2)),
    "negativebinomial": (2.2, {"phi": PHI}, None, stats.nbinom(PHI, PHI / (PHI + 2.2))),
    "gamma": (2.2, {"phi": PHI}, None, stats.gamma(PHI, scale=2.2 / PHI)),
    "lognormal": (0.4, {"sigma": 0.6}, None, stats.lognorm(0.6, scale=math.exp(0.4))),
    "beta": (0.3, {"phi": PHI}, None, stats.beta(0.3 * PHI, 0.7 * PHI)),
}
#: cumulative: probabilities of three categories take the place of mu
CATEGORIES = np.array([0.2, 0.5, 0.3])


def test_the_families_of_this_file():
    """Others are in tests/families, with an oracle each."""
    assert {*LAWS, "cumulative"} < set(FAMILIES)


def responses(name: str, law) -> np.ndarray:
    if hasattr(law.dist, "pmf"):
        return np.arange(0.0, law.ppf(0.999) + 1)
    return law.ppf(np.linspace(0.01, 0.99, 9))


@pytest.mark.parametrize("name", LAWS)
def test_density_distribution_function_and_moments(name):
    family = FAMILIES[name]
    mu, parameters, trials, law = LAWS[name]
    y = responses(name, law)
    log_density = law.logpmf if hasattr(law.dist, "pmf") else law.logpdf
    np.testing.assert_allclose(family.log_density(y, mu, parameters, trials), log_density(y), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(family.cdf(y, mu, parameters, trials), law.cdf(y), rtol=1e-10)
    mean = mu if family.mean is None else family.mean(mu, parameters)
    assert mean * (trials or 1) == pytest.approx(law.mean(), rel=1e-12)
    assert family.variance(mu, parameters, trials) == pytest.approx(law.var(), rel=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_simulated_responses_have_the_distribution(name):
    family, rng = FAMILIES[name], np.random.default_rng(8)
    mu, parameters, trials, law = LAWS[name]
    y = family.simulate(rng, np.full((2, 5000), mu), parameters, trials)
    assert y.shape == (2, 5000) and y.dtype == float
    if hasattr(law.dist, "pmf"):
        grid = responses(name, law)
        counts = np.array([(y == value).sum() for value in grid])
        expected = y.size * law.pmf(grid)
        seen = expected > 5
        chi2 = np.sum((counts[seen] - expected[seen]) ** 2 / expected[seen])
        assert stats.chi2.sf(chi2, seen.sum() - 1) > 1e-4
    else:
        assert stats.kstest(y.ravel(), law.cdf).pvalue > 1e-4


def test_a_students_variance_is_infinite_up_to_two_degrees_of_freedom():
    variance = FAMILIES["student"].variance(np.zeros(3), {"sigma": 1.0, "nu": np.array([1.5, 2.0, 3.0])}, None)
    np.testing.assert_allclose(variance, [np.inf, np.inf, 3.0])


def test_categories():
    family, rng = FAMILIES["cumulative"], np.random.default_rng(3)
    y = np.arange(3.0)
    np.testing.assert_allclose(family.log_density(y, np.tile(CATEGORIES, (3, 1)), {}, None), np.log(CATEGORIES))
    np.testing.assert_allclose(family.cdf(y, np.tile(CATEGORIES, (3, 1)), {}, None), np.cumsum(CATEGORIES))
    np.testing.assert_allclose(family.variance(CATEGORIES, {}, None), CATEGORIES * (1 - CATEGORIES))
    counts = np.bincount(family.simulate(rng, np.tile(CATEGORIES, (9000, 1)), {}, None).astype(int), minlength=3)
    assert stats.chisquare(counts, 9000 * CATEGORIES).pvalue > 1e-4
    thresholds = np.array([-0.5, 1.2])
    for name, law in LATENT.items():
        found = family.probabilities(np.array([0.3]), LINKS[name], {"thresholds": thresholds[None]})
        exact = np.diff([0.0, *law.cdf(thresholds - 0.3), 1.0])
        np.testing.assert_allclose(np.ravel(found), exact, rtol=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "gamma", "lognormal", "beta", "student"])
def test_densities_integrate_to_one(name):
    family = FAMILIES[name]
    mu, parameters, trials, law = LAWS[name]
    support = law.support()
    total = integrate.quad(lambda y: math.exp(family.log_density(y, mu, parameters, trials)), *support)[0]
    assert total == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_said_of_a_latent_scale(name):
    family = FAMILIES[name]
    if family.latent_variance is None:
        assert family.support not in ("binary", "ordered") and name != "binomial"
    elif name == "lognormal":
        assert family.latent_variance(LINKS["identity"], {"sigma": 0.6}) == pytest.approx(0.36)
        assert family.response_transform(math.e) == pytest.approx(1.0)
    else:
        assert family.latent_variance(LINKS["probit"], {}) == 1.0


def test_default_priors_of_auxiliary_parameters():
    stated = {
        (p.name, str(p.prior), p.power, p.lower, p.upper, p.scaled, p.ordered): family.name
        for family in FAMILIES.values()
        for p in family.parameters
    }
    phi, spread = "HalfNormal(sigma=1)", "HalfStudentT(nu=3, sigma=1)"
    assert set(stated) == {
        ("sigma", spread, 1.0, 0.0, None, True, False),
        ("tau", spread, 1.0, 0.0, None, True, False),
        ("nu", "Gamma(alpha=2, beta=0.1)", 1.0, 1.0, None, False, False),
        ("phi", phi, -0.5, 0.0, None, False, False),
        ("shape", phi, -0.5, 0.0, None, False, False),
        ("kappa", phi, -0.5, 0.0, None, False, False),
        ("shape", spread, -0.5, 0.0, None, True, False),
        ("phi", "HalfStudentT(nu=3, sigma=2.5)", 1.0, 0.0, None, False, False),
        ("phi", "HalfStudentT(nu=3, sigma=2.5)", 1.0, 1.0, None, False, False),
        ("phi", "LogNormal(mu=0, sigma=3)", 1.0, 0.0, None, False, False),
        ("power", "Uniform(lower=1.01, upper=1.99)", 1.0, 1.0, 2.0, False, False),
        ("alpha", "Normal(mu=0, sigma=4)", 1.0, None, None, False, False),
        ("cutzero", "Normal(mu=0, sigma=2.5)", 1.0, None, None, False, False),
        ("width", "HalfNormal(sigma=5)", 1.0, 0.0, None, False, False),
        ("thresholds", "Normal(mu=0, sigma=2.5)", 1.0, None, None, False, True),
        *((name, "Beta(alpha=1, beta=1)", 1.0, 0.0, 1.0, False, False) for name in ("zi", "hu", "zoi", "coi")),
    }


def test_other_names():
    for alias, name in (
        ("normal", "gaussian"),
        ("t", "student"),
        ("nbinom2", "negativebinomial"),
        ("ordinal", "cumulative"),
    ):
        assert family_named(alias).name == name


# PyTensor, whose import takes longer than all the rest ---------------------------------------------------------------


@pytest.mark.parametrize("name", LINKS)
def test_graphs_are_the_same_functions(name):
    import pytensor.tensor as pt

    link, eta = LINKS[name], points(name)
    np.testing.assert_allclose(link.graph_inverse(pt.constant(eta)).eval(), link.inverse(eta), rtol=1e-12)
    if link.graph_logit is not None:
        law = LATENT[name]
        np.testing.assert_allclose(
            link.graph_logit(pt.constant(eta)).eval(), law.logcdf(eta) - law.logsf(eta), rtol=1e-9
        )
    if link.interval is not None:
        lower, upper = INTERVALS[name]
        logs = link.graph_log_interval(pt.constant(lower), pt.constant(upper)).eval()
        np.testing.assert_allclose(logs, np.log(link.interval(lower, upper)), rtol=1e-9)


@pytest.mark.parametrize("name", LATENT)
def test_graphs_of_intervals_have_derivatives_everywhere(name):
    """The branch that is not taken may not poison the derivative of the one that is."""
    import pytensor
    import pytensor.tensor as pt

    link = LINKS[name]
    lower, upper = INTERVALS[name]
    low, high = pt.vector("low"), pt.vector("high")
    total = link.graph_log_interval(low, high).sum()
    slopes = pytensor.function([low, high], pt.grad(total, [low, high]), mode="FAST_COMPILE")(lower, upper)
    density = LATENT[name].pdf
    share = link.interval(lower, upper)
    np.testing.assert_allclose(slopes[0], -density(lower) / share, rtol=1e-7)
    np.testing.assert_allclose(slopes[1], density(upper) / share, rtol=1e-7)
