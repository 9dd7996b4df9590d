"""Posteriors planted with two modes: both are found, with the masses that quadrature gives, and the verdict knows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import bayes_glmm as bg
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.gaussian_fit import gaussian_fits
from bayes_glmm.engine.laplace import laplace_fits
from bayes_glmm.engine.modes import moment_theta, prior_centre
from bayes_glmm.errors import ConvergenceWarning
from bayes_glmm.priors import Prior


def raw_years(seed):
    """Return twenty groups over twenty years, intercept and slope varying about the middle year."""
    rng = np.random.default_rng(seed)
    g, year = np.repeat(np.arange(20), 20), np.tile(np.arange(1, 21), 20)
    a, b = rng.normal(0, 1, 20), rng.normal(0, 0.1, 20)
    y = 2 + a[g] + (0.1 + b[g]) * (year - 10.5) + rng.normal(0, 1, 400)
    return pd.DataFrame({"y": y, "year": year + 2000, "g": g.astype(str)})


#: Priors on the raw scale: at year 0 lines that cross near 2010 lie some 200 apart.
RAW = {"sd[g][Intercept]": Prior("HalfStudentT", 3, 1.3), "sd[g][year]": Prior("HalfStudentT", 3, 0.2)}


def dense_log_marginal(model, theta):
    """Return log p(y, theta) up to a constant from the dense covariance of y, beta and effects integrated out."""
    data = model.packed.data
    assert (data.theta_table[[0, 1], codes.DISTRIBUTION] == codes.STUDENT).all()
    sd, r, sigma = np.exp(theta[:2]), np.tanh(theta[2]), np.exp(theta[3])
    one_g = np.eye(20)[data.codes[0]]
    Z = np.stack([one_g * column[:, None] for column in data.Z])
    corr = np.array([[1.0, r], [r, 1.0]])
    V = sigma**2 * np.eye(len(data.y)) + sum(
        corr[a, b] * sd[a] * sd[b] * Z[a] @ Z[b].T for a in range(2) for b in range(2)
    )
    V += data.X.T @ np.diag(data.beta_table[:, codes.SECOND] ** 2) @ data.X
    value = stats.multivariate_normal.logpdf(data.y[:, 0], data.X.T @ data.beta_table[:, codes.FIRST], V)
    for i in (0, 1, 3):
        _, _, nu, _, scale = data.theta_table[i, :5]
        value += stats.t.logpdf(np.exp(theta[i]) / scale, nu) + theta[i]
    # LKJ(2) of one correlation: (1 - r^2)^(2 - 1), times dr / d theta = 1 - r^2
    return value + (model.packed.data.lkj[0] - 1.0) * np.log1p(-(r**2)) + np.log1p(-(r**2))


@pytest.mark.parametrize("seed", [1, 3])
def test_slopes_over_raw_years_are_found(models, seed):
    """The mode that holds the mass is tens of nats above the one next to the start: dense algebra says the same."""
    model = models.case("y ~ year + (year | g)", raw_years(seed), priors=RAW)
    best, *others = gaussian_fits(model.packed)
    assert 0.05 < np.exp(best.theta[1]) < 0.15
    # no search from the truth ends higher
    truth = np.array([np.log(201.0), np.log(0.1), np.arctanh(-0.99999), 0.0])
    found = optimize.minimize(
        lambda t: -dense_log_marginal(model, t), truth, method="Nelder-Mead", options={"maxfev": 60}
    )
    top = dense_log_marginal(model, best.theta)
    assert top > -found.fun - 1e-3
    for other in others:
        gap = top - dense_log_marginal(model, other.theta)
        assert gap == pytest.approx(best.log_marginal - other.log_marginal, abs=1e-3)
        assert gap > 10.0


def test_all_chains_go_to_the_mode_that_dominates():
    """The sd of the slopes they were drawn from is 0.1; beside the start of the search it is 0.0002."""
    fit = bg.GLMM("y ~ year + (year | g)", raw_years(1), priors=RAW).fit(random_seed=1, progressbar=False)
    assert 0.07 < float(fit.dt["posterior"]["sd_g"].sel(g_coef="year").mean()) < 0.13
    assert "modes" not in fit.dt.attrs


def small_sd_prior():
    """Return ten groups whose means differ, and a prior of their sd that says they hardly do."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(10), 5)
    y = rng.normal(size=10)[g] + rng.normal(size=50)
    return pd.DataFrame({"g": g.astype(str), "y": y}), {"sd[g]": Prior("LogNormal", -5, 1.0)}


def test_masses_are_those_of_quadrature(models):
    """Prior and data disagree about a sd: the mass on each side, against a grid over log sd and log sigma."""
    data, prior = small_sd_prior()
    model = models.case("y ~ 1 + (1 | g)", data, priors=prior)
    fits = gaussian_fits(model.packed)
    assert len(fits) == 2
    assert sorted(fit.theta[0] for fit in fits) == pytest.approx([-5.0, -0.57], abs=0.05)
    packed = model.packed.data
    _, _, nu, _, scale = packed.theta_table[1, :5]
    m, s = packed.beta_table[0, [codes.FIRST, codes.SECOND]]
    log_sd, log_sigma = np.linspace(-9, 2, 221), np.linspace(-0.8, 0.9, 69)
    a, b = np.meshgrid(np.exp(log_sd), np.exp(log_sigma), indexing="ij")
    # balanced groups of 5: within-group squares, group means about their mean, the grand mean with its prior
    means = data.groupby("g")["y"].mean().to_numpy()
    within = float(((data["y"] - data.groupby("g")["y"].transform("mean")) ** 2).sum())
    between, of_mean = 5 * float(((means - means.mean()) ** 2).sum()), b**2 + 5 * a**2
    value = -40 * np.log(b) - within / (2 * b**2) - 4.5 * np.log(of_mean) - between / (2 * of_mean)
    value += stats.norm.logpdf(means.mean(), m, np.sqrt(of_mean / 50 + s**2))
    value += stats.norm.logpdf(log_sd, -5, 1.0)[:, None] + (stats.t.logpdf(b / scale, nu) + np.log(b))
    mass = np.exp(value - value.max()).sum(axis=1)
    small = np.log(mass[log_sd < -2.2].sum() / mass[log_sd >= -2.2].sum())
    by_place = {round(fit.theta[0]): fit.log_mass for fit in fits}
    print("log mass of the small sd over that of the large one", small, "; Laplace", by_place[-5] - by_place[-1])
    # Laplace's approximation takes the skew mode of a sd for a normal
    assert by_place[-5] - by_place[-1] == pytest.approx(small, abs=1.0)


def test_a_prior_with_heavy_tails_against_the_likelihood(models):
    """A coefficient's StudentT prior at zero and its data elsewhere: two modes of beta, masses by quadrature."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    rng.poisson(3 * np.exp(0.25 * x))
    data = pd.DataFrame({"x": x, "c": rng.poisson(3 * np.exp(0.35 * x))})
    priors = {"beta[x]": Prior("StudentT", 2, 0, 0.005)}
    model = models.case("c ~ x", data, family="poisson", priors=priors)
    fits = laplace_fits(model.packed)
    slopes = sorted(fit.x[1] for fit in fits)
    assert len(fits) == 2
    assert abs(slopes[0]) < 0.01
    assert 0.25 < slopes[1] < 0.45
    # exact: the intercept's integral at every slope on a grid
    b, a = np.linspace(-0.1, 0.7, 1601), np.linspace(0.3, 1.8, 301)
    rate = np.exp(a[:, None, None] + b[None, :, None] * (x - x.mean()))
    value = (data["c"].to_numpy() * np.log(rate) - rate).sum(axis=2) + stats.t.logpdf(b / 0.005, 2)
    m, s = model.packed.data.beta_table[0, [codes.FIRST, codes.SECOND]]
    value += stats.norm.logpdf(a, m, s)[:, None]
    mass = np.exp(value - value.max()).sum(axis=0)
    exact = np.log(mass[b < 0.12].sum() / mass[b >= 0.12].sum())
    laplace = {fit.x[1] > 0.12: fit.log_mass for fit in fits}
    print("log mass of the slope at zero over that of the other", exact, "; Laplace", laplace[False] - laplace[True])
    # a mode with Student's tails holds more than a normal of its curvature
    assert laplace[False] - laplace[True] == pytest.approx(exact, abs=1.0)


def test_the_verdict_names_modes_between_which_chains_do_not_cross():
    data, _ = small_sd_prior()
    prior = {"sd[g]": Prior("LogNormal", -7, 1.0)}
    apart = data["y"] + 2 * data.groupby("g")["y"].transform("mean")
    with pytest.warns(ConvergenceWarning, match="modes"):
        fit = bg.GLMM("y ~ 1 + (1 | g)", data.assign(y=apart), priors=prior).fit(random_seed=1, progressbar=False)
    verdict = fit.diagnose()
    assert not verdict.passed
    assert "2 modes" in verdict.verdict
    sds = fit.dt["posterior"]["sd_g"].mean("draw").to_numpy().ravel()
    print(sds)
    assert sds.min() < 0.01 < 0.5 < sds.max()


def test_one_mode_stays_one(models):
    for formula, family in (("c ~ x + (x | g)", "poisson"), ("b ~ x + (1 | g) + (1 | h)", "bernoulli")):
        assert len(laplace_fits(models.case(formula, family=family).packed)) == 1
    assert len(gaussian_fits(models.case("r ~ x + (x | g)").packed)) == 1


def test_moments_of_known_effects(models):
    """Effects whose moments are known give these sds and their correlation."""
    model = models.case("r ~ x + (x | g)")
    rng = np.random.default_rng(1)
    u = rng.normal(size=(7, 2)) @ np.array([[2.0, 0.0], [1.0, 0.5]]).T
    squares = u.T @ u / 7
    theta = moment_theta(u.ravel(), np.zeros(4), model.packed.data)
    assert np.exp(theta[:2]) == pytest.approx(np.sqrt(np.diag(squares)))
    assert np.tanh(theta[2]) == pytest.approx(squares[0, 1] / np.sqrt(np.prod(np.diag(squares))), abs=1e-6)
    assert theta[3] == 0.0


@pytest.mark.parametrize(
    ("prior", "centre"),
    [
        (Prior("LogNormal", 1.5, 0.3), 1.5),
        (Prior("HalfNormal", 2.0), np.log(2.0)),
        (Prior("Exponential", 4.0), np.log(0.25)),
        (Prior("Gamma", 3.0, 2.0), np.log(1.5)),
        (Prior("InverseGamma", 3.0, 2.0), np.log(2.0 / 3.0)),
        (Prior("HalfFlat"), None),
        (Prior("Uniform", 0.0, 4.0), None),
    ],
)
def test_centres_of_priors(models, prior, centre):
    """Where the density of log sd is highest."""
    row = models.case("c ~ x + (1 | g)", family="poisson", priors={"sd": prior}).packed.data.theta_table[0]
    assert prior_centre(row) == (None if centre is None else pytest.approx(centre))


def test_with_fewer_chains_than_modes_the_verdict_says_so():
    """Two chains at one mode agree with each other; one chain, or an approximation, sees one mode only."""
    data, prior = small_sd_prior()
    model = bg.GLMM("y ~ 1 + (1 | g)", data, priors=prior)
    with pytest.warns(ConvergenceWarning, match="no chain started at 1 of them"):
        model.fit(chains=1, random_seed=1, progressbar=False)
    approximate = model.fit(method="laplace", random_seed=1, progressbar=False)
    assert "no chain started at 1 of them" in approximate.diagnose().verdict
