"""Exact marginalisation: against dense multivariate normals, the conditional draws' moments, and cost in rows."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

import bayes_glmm as bg
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.gaussian_draws import draw_coefficients
from bayes_glmm.engine.gaussian_fit import (
    complete_positions,
    gaussian_fit,
    gaussian_laplace_fits,
    gaussian_posterior,
    theta_posterior,
    why_not_marginal,
)
from bayes_glmm.engine.laplace import find_coefficients, laplace_fits
from bayes_glmm.engine.parameters import covariance, term_factor
from bayes_glmm.engine.run import density_at
from bayes_glmm.engine.unpack import constrained
from bayes_glmm.priors import Prior

MODELS = {
    "no term": ("r ~ x + w", {}),
    "no fixed part": ("r ~ 0 + (1 | g)", {}),
    "intercepts": ("r ~ x + (1 | g)", {}),
    "slopes": ("r ~ x + (x | g)", {}),
    "three coefficients": ("r ~ x + (1 + x + w | g)", {}),
    "blocks": ("r ~ x + (1 | g) + (0 + x + w | g)", {}),
    "uncorrelated": ("r ~ x + (x || g)", {}),
    "crossed": ("r ~ x + (1 | g) + (1 | h)", {}),
    "crossed slopes": ("r ~ x + (x | g) + (1 + w | h)", {}),
    "nested": ("r ~ x + (1 | g / h)", {}),
    "weights": ("weighted(r, wt) ~ x + (x | g)", {}),
    "precisions": ("precision(r, wt) ~ x + offset(w) + (x | g) + (1 | h)", {}),
    "known errors": ("se(r, wt) ~ x + offset(w) + (x | g)", {}),
    "known errors, crossed": ("se(r, wt) ~ x + (x | g) + (1 | h)", {}),
    "known errors, weights": ("weighted(se(r, w ** 2 + 0.1), wt) ~ x + (1 | g)", {}),
    "offset": ("r ~ x + offset(3 * w) + (1 | g)", {}),
    "everything": ("weighted(r, wt) ~ x + offset(3 * w) + (x | g) + (1 | h)", {}),
    "raw intercept": ("r ~ x + (1 | g)", {"center": False}),
    "own priors": (
        "r ~ x + (x | g)",
        {
            "priors": {
                "beta": Prior("Normal", 1, 0.3),
                "precision[sigma]": Prior("Gamma", 2, 1),
                "variance[g]": Prior("InverseGamma", 2, 1),
                "corr": Prior("LKJ", 5),
            }
        },
    ),
    "bounds": ("r ~ x + (1 | g)", {"priors": {"sd": Prior("Uniform", 0, 3), "sigma": Prior("Uniform", 0.1, 4)}}),
}
FLAT = {"beta": Prior("Flat"), "Intercept": Prior("Flat")}


def parts(model, theta):
    """Return the dense prior covariance of (u, beta), its mean, and sigma."""
    data, n_u, n_beta = model.packed.data, model.n_u, model.n_beta
    prior = np.zeros((model.n_v, model.n_v))
    for t in range(data.terms.shape[1]):
        k, levels, first = (int(data.terms[i, t]) for i in (layout.COEFS, layout.LEVELS, layout.U_START))
        z, start = int(data.terms[layout.Z_START, t]), int(data.terms[layout.THETA_START, t])
        sd, factor, inverse = np.zeros(k), np.zeros((k, k)), np.zeros((k, k))
        term_factor(theta, start, k, data.blocks[z : z + k], data.theta_table, sd, factor, inverse)
        own, product = np.diag(sd) @ factor, np.empty((k, k))
        covariance(sd, factor, product)
        assert own @ own.T == pytest.approx(product, rel=1e-12, abs=1e-14)
        prior[first : first + k * levels, first : first + k * levels] = np.kron(np.eye(levels), own @ own.T)
    mean = np.zeros(model.n_v)
    mean[n_u:] = data.beta_table[:, 2]
    prior[n_u:, n_u:] = np.diag(data.beta_table[:, 3] ** 2).reshape(n_beta, n_beta)
    if not model.spec.family.parameters:  # all standard errors are known
        return prior, mean, 1.0
    return prior, mean, float(constrained(data.theta_table[-1], theta[-1]))


def rows(model):
    """Return the dense [Z X], the response less the offset, weights or precisions, and counts, as users know them."""
    packed, design = model.packed, model.design
    columns = []
    for g in packed.order:
        term = design.groups[g]
        Z = np.zeros((design.size, len(term.levels), len(term.coefs)))
        basis = packed.priors.groups[g][1].basis
        Z[np.arange(design.size), term.codes] = term.Z if basis is None else term.Z @ basis
        columns.append(Z.reshape(design.size, -1))
    one, response = np.ones(design.size), design.response
    counts = one if response.weights is None else response.weights
    divided = counts if response.sizes is None else counts * response.sizes
    offset = design.offset + design.X @ packed.priors.location
    return np.hstack([*columns, design.X @ packed.priors.basis]), response.y - offset, divided, counts


def dense_marginal(model, theta):
    """Return log N(y; A m, sigma^2 / w + A V A') + log priors of theta: covariances, not precisions."""
    prior, mean, sigma = parts(model, theta)
    A, y, w, counts = rows(model)
    V = A @ prior @ A.T + np.diag(sigma**2 / w)
    lower = linalg.cholesky(V, lower=True)
    white = linalg.solve_triangular(lower, y - A @ mean, lower=True)
    # a weight multiplies the log likelihood: w log N(y; mu, sigma) is N(y; mu, sigma / sqrt(w)) times sigma^(1 - w);
    # a precision is the normal alone
    likelihood = -0.5 * white @ white - np.log(np.diag(lower)).sum() - np.sum(counts - 1) * np.log(sigma)
    # priors and Jacobians of theta: the joint density at any (u, beta) less what is Gaussian in it
    x = np.concatenate([np.zeros(model.n_u), mean[model.n_u :], theta])
    joint = model.density(x)[0]
    residual = y - A @ x[: model.n_v]
    joint += 0.5 * np.sum(w * residual**2) / sigma**2 + np.sum(counts) * np.log(sigma)
    n_u = model.n_u
    return likelihood + joint + 0.5 * np.linalg.slogdet(prior[:n_u, :n_u])[1]


@pytest.fixture(scope="module")
def build(models):
    cache = {}

    def one(name):
        if name not in cache:
            formula, options = MODELS[name]
            model = models.case(formula, **options)
            assert why_not_marginal(model.packed.data) is None
            cache[name] = (model, gaussian_fit(model.packed))
        return cache[name]

    return one


def thetas(model, fit, count=4, spread=1.0):
    rng = np.random.default_rng(7)
    return fit.theta + spread * rng.normal(size=(count, len(fit.theta)))


def value_of(model, fit):
    marginal = theta_posterior(model.packed, fit.moments)
    return lambda theta: density_at(marginal, np.asarray(theta))[0]


def gradient_of(model, fit, theta):
    return density_at(theta_posterior(model.packed, fit.moments), theta)[1]


@pytest.mark.parametrize("name", MODELS)
def test_log_marginal_is_the_dense_one_up_to_a_constant(build, name):
    model, fit = build(name)
    value = value_of(model, fit)
    differences = [value(theta) - dense_marginal(model, theta) for theta in thetas(model, fit, 8)]
    assert np.ptp(differences) < 1e-8 * max(1, abs(dense_marginal(model, fit.theta)))


@pytest.mark.parametrize("name", MODELS)
def test_gradient(models, build, name):
    model, fit = build(name)
    value = value_of(model, fit)
    for theta in thetas(model, fit, 3):
        gradient = gradient_of(model, fit, theta)
        numerical = [models.richardson(models.along(value, theta, i), theta[i]) for i in range(len(theta))]
        assert gradient == pytest.approx(np.array(numerical), rel=1e-7, abs=1e-8 * (1 + abs(value(theta))))


@pytest.mark.parametrize("name", MODELS)
def test_mode(models, build, name):
    model, fit = build(name)
    assert np.abs(fit.factor.T @ gradient_of(model, fit, fit.theta)).max() < 1e-2


@pytest.mark.parametrize("name", MODELS)
def test_density_in_z_and_its_jacobian(models, build, name):
    """z -> theta is a bijection whose Jacobian the density holds."""
    model, fit = build(name)
    posterior = gaussian_posterior(model.packed, fit)
    density, expand, value = models.compiled(posterior), models.expanded(posterior), value_of(model, fit)
    rng = np.random.default_rng(1)
    constants = []
    for spread in (0.0, 1.0, 1.0, 1.5, 2.0):
        z = spread * rng.normal(size=len(fit.theta))
        code, log_p, gradient = density(z)
        assert code == 0
        numerical = [models.richardson(models.along(lambda q: density(q)[1], z, i), z[i]) for i in range(len(z))]
        assert gradient == pytest.approx(np.array(numerical), rel=1e-6, abs=1e-8 * (1 + abs(log_p)))
        step = 1e-3 * np.eye(len(z))
        J = [(8 * (expand(z + e) - expand(z - e)) - expand(z + 2 * e) + expand(z - 2 * e)) / 12e-3 for e in step]
        constants.append(log_p - value(expand(z)) - np.linalg.slogdet(np.array(J))[1])
    assert np.ptp(constants) < 1e-6 * max(1, np.abs(constants).max())


@pytest.mark.parametrize("name", MODELS)
def test_where_doubles_overflow_there_is_no_density(models, build, name):
    """An exception inside a compiled function would be read as success, and what was in memory as the density."""
    model, fit = build(name)
    density, value = models.compiled(gaussian_posterior(model.packed, fit)), value_of(model, fit)
    for size in (10.0, 1e3, 1e10, 1e300):
        for i in range(len(fit.theta)):
            for sign in (-1, 1):
                code, log_p, gradient = density(sign * size * np.eye(len(fit.theta))[i])
                if code == 0:
                    assert np.isfinite(log_p)
                    assert np.isfinite(gradient).all()
                    assert log_p < value(fit.theta) + 50
    assert density(np.full(len(fit.theta), np.nan))[0] != 0


def conditional(model, theta):
    """Return the exact mean and covariance of (u, beta) given theta and y, from dense matrices."""
    prior, mean, sigma = parts(model, theta)
    A, y, w, _ = rows(model)
    gain = prior @ A.T @ np.linalg.inv(A @ prior @ A.T + np.diag(sigma**2 / w))
    return mean + gain @ (y - A @ mean), prior - gain @ A @ prior


@pytest.mark.parametrize("name", MODELS)
def test_draws_given_theta_have_the_exact_conditional_moments(build, name):
    """The map from normals to draws is affine, so its mean and covariance are exact: no Monte Carlo."""
    model, fit = build(name)
    n = model.n_v
    for theta in thetas(model, fit, 2, 0.5):
        normals = np.vstack([np.zeros(n), np.eye(n)])
        out = np.empty((n + 1, n))
        draw_coefficients(model.packed.data, fit.moments, np.tile(theta, (n + 1, 1)), normals.copy(), out)
        mean, cov = conditional(model, theta)
        assert out[0] == pytest.approx(mean, rel=1e-7, abs=1e-7 * np.abs(mean).max())
        root = out[1:] - out[0]
        assert root.T @ root == pytest.approx(cov, rel=1e-7, abs=1e-7 * np.abs(cov).max())


def test_completed_positions_use_each_theta_and_a_stream_a_chain(build):
    model, fit = build("slopes")
    theta = thetas(model, fit, 6).reshape(2, 3, -1)
    theta[1] = theta[0]
    x = complete_positions(model.packed, fit, theta, seed=5)
    assert np.array_equal(x[..., model.n_v :], theta)
    assert np.array_equal(x, complete_positions(model.packed, fit, theta, seed=5))
    assert not np.allclose(x[0, :, : model.n_v], x[1, :, : model.n_v])
    assert not np.allclose(x, complete_positions(model.packed, fit, theta, seed=6))


def test_flat_priors_of_beta_are_limits_of_wide_ones(models):
    wide = {"beta": Prior("Normal", 0, 1e5), "Intercept": Prior("Normal", 0, 1e5)}
    flat_model, wide_model = (models.case("r ~ x + (x | g)", priors=priors) for priors in (FLAT, wide))
    flat, wide_fit = gaussian_fit(flat_model.packed), gaussian_fit(wide_model.packed)
    assert flat.theta == pytest.approx(wide_fit.theta, abs=1e-4)
    a, b = value_of(flat_model, flat), value_of(wide_model, wide_fit)
    differences = [a(theta) - b(theta) for theta in thetas(flat_model, flat, 5)]
    assert np.ptp(differences) < 1e-6


def test_large_numbers_do_not_cancel(models):
    """A response far from zero, a predictor far from zero and group means far apart: sums of squares lose digits."""
    data = models.frame()
    shifted = data.assign(r=data["r"] + 1e6, x=data["x"] + 1e4)
    far = models.case("r ~ x + (1 | g)", shifted, priors=FLAT | {"sd": Prior("HalfFlat"), "sigma": Prior("HalfFlat")})
    near = models.case("r ~ x + (1 | g)", data, priors=FLAT | {"sd": Prior("HalfFlat"), "sigma": Prior("HalfFlat")})
    a, b = gaussian_fit(far.packed), gaussian_fit(near.packed)
    differences = [value_of(far, a)(theta) - value_of(near, b)(theta) for theta in thetas(near, b, 6)]
    assert np.ptp(differences) < 1e-6
    # groups a thousand residual sds apart (at 1e5 sds the sums of squares have lost the residuals)
    apart = data.assign(r=data["r"] + 1e3 * pd.factorize(data["g"])[0])
    model = models.case("r ~ x + (1 | g)", apart, priors={"sd": Prior("HalfFlat")})
    fit = gaussian_fit(model.packed)
    differences = [value_of(model, fit)(theta) - dense_marginal(model, theta) for theta in thetas(model, fit, 4, 0.3)]
    assert np.ptp(differences) < 1e-3


@pytest.mark.parametrize("name", ["crossed", "crossed slopes", "precisions"])
def test_laplace_fits_are_those_of_searches_for_u_and_beta(build, name):
    """Which know theta's mode to a hundredth of its sd."""
    model, _ = build(name)
    (exact,), (searched,) = gaussian_laplace_fits(model.packed), laplace_fits(model.packed)
    sds = np.sqrt(np.sum(np.square(exact.theta_factor), axis=1))
    theta, others = (fit.x[model.n_v :] for fit in (exact, searched))
    assert np.abs((theta - others) / sds).max() < 0.05
    x = exact.x.copy()
    x[: model.n_v] = 0.0
    find_coefficients(model.packed.data, exact.pattern, x, 1e-12)
    np.testing.assert_allclose(exact.x, x, rtol=0, atol=1e-6)
    spreads = np.sqrt(np.sum(np.square(searched.theta_factor), axis=1))
    np.testing.assert_allclose(sds, spreads, rtol=0.05)
    np.testing.assert_allclose(exact.precision.coupling, searched.precision.coupling, rtol=0.1, atol=1e-9)


def test_the_gradients_cost_does_not_depend_on_rows(models):
    """500 times the rows, the same groups: the same time within noise."""

    def seconds(rows):
        data = bg.simulate("gaussian", rows=rows, groups=50, slopes=1, random_seed=1)
        model = models.case("y ~ x1 + x2 + (x1 | group)", data)
        fit = gaussian_fit(model.packed)
        marginal, best = theta_posterior(model.packed, fit.moments), np.inf
        for _ in range(15):
            started = time.perf_counter()
            for _ in range(20):
                density_at(marginal, fit.theta)
            best = min(best, time.perf_counter() - started)
        return best

    small, large = seconds(200), seconds(100_000)
    print("seconds for 20 gradients:", small, large)
    assert large < 3 * small
