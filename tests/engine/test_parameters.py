"""Transforms, priors and covariances of theta by themselves: against scipy, linear algebra and differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes_glmm.design.smooths import spectral_sd
from bayes_glmm.engine import parameters as p

#: prior's code -> its numbers, the same distribution of scipy, where to look
DISTRIBUTIONS = {
    p.NORMAL: ((0.3, 1.4, 0.0), stats.norm(0.3, 1.4)),
    p.STUDENT: ((3.5, 0.2, 1.1), stats.t(3.5, 0.2, 1.1)),
    p.LAPLACE: ((0.5, 0.8, 0.0), stats.laplace(0.5, 0.8)),
    p.EXPONENTIAL: ((1.7, 0.0, 0.0), stats.expon(scale=1 / 1.7)),
    p.GAMMA: ((2.2, 1.3, 0.0), stats.gamma(2.2, scale=1 / 1.3)),
    p.INVERSE_GAMMA: ((2.2, 1.3, 0.0), stats.invgamma(2.2, scale=1.3)),
    p.LOG_NORMAL: ((0.3, 0.9, 0.0), stats.lognorm(0.9, scale=np.exp(0.3))),
}
X = np.array([0.2, 0.7, 1.9])


def row(kind, code, power=1.0, lower=0.0, upper=1.0):
    out = np.zeros(8)
    out[[p.KIND, p.DISTRIBUTION, p.POWER, p.LOWER, p.UPPER]] = (kind, code, power, lower, upper)
    out[[p.FIRST, p.SECOND, p.THIRD]] = DISTRIBUTIONS[code][0] if code != p.FLAT else 0.0
    return out


def difference(function, x, step=1e-6):
    return (function(x + step) - function(x - step)) / (2 * step)


@pytest.mark.parametrize("code", DISTRIBUTIONS)
def test_log_priors_up_to_a_constant_and_their_derivatives(code):
    _, law = DISTRIBUTIONS[code]
    prior = row(p.UNBOUNDED, code)
    ours = np.array([p.log_prior(prior, x) for x in X])
    np.testing.assert_allclose(np.diff(ours[:, 0]), np.diff(law.logpdf(X)), rtol=1e-10)
    np.testing.assert_allclose(ours[:, 1], difference(law.logpdf, X), rtol=1e-6)


def test_a_flat_prior_is_zero():
    assert p.log_prior(row(p.UNBOUNDED, p.FLAT), 3.0) == (0.0, 0.0)


#: kind, power, lower, upper -> what theta is mapped to
TRANSFORMS = {
    "free": (p.UNBOUNDED, 1.0, 0.0, 0.0, lambda t: t),
    "above zero": (p.ABOVE, 1.0, 0.0, 0.0, np.exp),
    "above one": (p.ABOVE, 1.0, 1.0, 0.0, lambda t: 1.0 + np.exp(t)),
    "a variance": (p.ABOVE, 2.0, 0.0, 0.0, np.exp),
    "a precision": (p.ABOVE, -2.0, 0.0, 0.0, np.exp),
    "one over a root": (p.ABOVE, -0.5, 0.0, 0.0, np.exp),
    "between": (p.BETWEEN, 1.0, 0.1, 2.5, lambda t: 0.1 + 2.4 / (1 + np.exp(-t))),
    "a variance between": (p.BETWEEN, 2.0, 0.1, 2.5, lambda t: np.sqrt(0.1 + 2.4 / (1 + np.exp(-t)))),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("theta", [-1.3, 0.2, 1.1])
def test_transforms_with_their_jacobians(name, theta):
    kind, power, lower, upper, value = TRANSFORMS[name]
    code = p.NORMAL if kind == p.UNBOUNDED else p.GAMMA
    prior = row(kind, code, power, lower, upper)
    law = DISTRIBUTIONS[code][1]

    def log_density(t):
        # of theta: the prior of value^power, times |d value^power / d theta|
        return law.logpdf(value(t) ** power) + np.log(abs(difference(lambda s: value(s) ** power, t, 1e-5)))

    found, slope, log_p, d_log_p = p.constrain(prior, theta)
    assert found == pytest.approx(value(theta), rel=1e-12)
    assert slope == pytest.approx(difference(value, theta), rel=1e-7)
    shift = p.constrain(prior, 0.37)[2] - log_density(0.37)
    assert log_p - log_density(theta) == pytest.approx(shift, abs=1e-7)
    assert d_log_p == pytest.approx(difference(log_density, theta, 1e-4), rel=1e-5, abs=1e-6)


def theta_of_term(k, blocks, rng):
    pairs = sum(c - blocks[c] for c in range(k))
    table = np.array([row(p.ABOVE, p.EXPONENTIAL)] * k + [row(p.CORRELATION, p.FLAT)] * pairs)
    return rng.normal(0.0, 0.6, k + pairs), table


BLOCKS = [(0,), (0, 0), (0, 1), (0, 0, 0), (0, 0, 2), (0, 1, 1), (0, 0, 0, 0)]


def pattern(blocks):
    """First coefficients of correlation blocks as the engine has them, without what smooths share."""
    return np.column_stack([np.array(blocks, dtype=float), np.zeros((len(blocks), 4))])


def factors(theta, table, blocks):
    k = len(blocks)
    sd, factor, inverse = np.zeros(k), np.zeros((k, k)), np.zeros((k, k))
    log_det = p.term_factor(theta, 0, k, pattern(blocks), table, sd, factor, inverse)
    return log_det, sd, factor, inverse


@pytest.mark.parametrize("blocks", BLOCKS)
def test_a_terms_covariance_and_precision(blocks):
    theta, table = theta_of_term(len(blocks), blocks, np.random.default_rng(2))
    log_det, sd, factor, inverse = factors(theta, table, blocks)
    k = len(blocks)
    np.testing.assert_allclose(sd, np.exp(theta[:k]))
    corr = factor @ factor.T
    np.testing.assert_allclose(np.diag(corr), 1.0)
    other = np.array(blocks)[:, None] != np.array(blocks)[None]
    assert np.all(corr[other] == 0.0)
    if blocks == (0, 0):
        # theta is Fisher's z of the correlation
        assert np.arctanh(corr[1, 0]) == pytest.approx(theta[2])
    Sigma = np.diag(sd) @ corr @ np.diag(sd)
    covariance = np.empty_like(Sigma)
    p.covariance(sd, factor, covariance)
    np.testing.assert_allclose(covariance, Sigma, rtol=1e-12, atol=1e-14)
    omega = np.zeros((k, k))
    p.precision(inverse, omega)
    np.testing.assert_allclose(omega, np.linalg.inv(Sigma), rtol=1e-9, atol=1e-11)
    assert log_det == pytest.approx(-0.5 * np.linalg.slogdet(Sigma)[1])


@pytest.mark.parametrize("blocks", BLOCKS)
def test_gradients_through_a_terms_precision(blocks):
    rng = np.random.default_rng(3)
    k = len(blocks)
    theta, table = theta_of_term(k, blocks, rng)
    weight = rng.normal(size=(k, k))
    weight = weight + weight.T

    def value(t):
        omega = np.zeros((k, k))
        p.precision(factors(t, table, blocks)[3], omega)
        return np.sum(weight * omega)

    _, sd, factor, inverse = factors(theta, table, blocks)
    gradient = np.ones(len(theta))
    p.pull_precision(theta, 0, pattern(blocks), table, sd, factor, inverse, weight, gradient)
    steps = np.eye(len(theta)) * 1e-6
    exact = np.array([(value(theta + e) - value(theta - e)) / 2e-6 for e in steps])
    np.testing.assert_allclose(gradient - 1.0, exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("shape", [1.0, 2.0, 4.5])
def test_two_coefficients_have_the_lkj_density_of_their_correlation(shape):
    """LKJ(shape) of a 2 x 2 matrix: (1 - r^2)^(shape - 1), here of z = artanh(r)."""
    table = np.array([row(p.ABOVE, p.EXPONENTIAL)] * 2 + [row(p.CORRELATION, p.FLAT)])
    z = np.array([-1.0, 0.1, 0.8])
    ours, slopes = [], []
    for value in z:
        theta = np.array([0.0, 0.0, value])
        gradient = np.zeros(3)
        factor = factors(theta, table, (0, 0))[2]
        ours.append(p.correlation_prior(theta, 0, 2, pattern([0, 0]), shape, factor, gradient))
        slopes.append(gradient[2])
    exact = shape * np.log1p(-np.square(np.tanh(z)))
    np.testing.assert_allclose(np.diff(ours), np.diff(exact), rtol=1e-10)
    np.testing.assert_allclose(slopes, -2 * shape * np.tanh(z), rtol=1e-10)


@pytest.mark.parametrize("blocks", [blocks for blocks in BLOCKS if len(blocks) > 2])
def test_lkj_of_larger_blocks(blocks):
    """det(R)^(shape - 1) of each block, times the Jacobian from theta to the correlations."""
    shape, k = 1.7, len(blocks)
    theta, table = theta_of_term(k, blocks, np.random.default_rng(4))
    lower = [(i, j) for i in range(k) for j in range(blocks[i], i)]

    def correlations(t):
        factor = factors(t, table, blocks)[2]
        return np.array([(factor @ factor.T)[i, j] for i, j in lower])

    def log_density(t):
        steps = np.eye(len(t))[k:] * 1e-5
        jacobian = np.array([(correlations(t + e) - correlations(t - e)) / 2e-5 for e in steps])
        factor = factors(t, table, blocks)[2]
        return (shape - 1) * np.linalg.slogdet(factor @ factor.T)[1] + np.linalg.slogdet(jacobian)[1]

    def ours(t):
        gradient = np.zeros(len(t))
        value = p.correlation_prior(t, 0, k, pattern(blocks), shape, factors(t, table, blocks)[2], gradient)
        return value, gradient

    other = theta + 0.3
    assert ours(theta)[0] - ours(other)[0] == pytest.approx(log_density(theta) - log_density(other), abs=1e-6)
    exact = [(ours(theta + e)[0] - ours(theta - e)[0]) / 2e-6 for e in np.eye(len(theta)) * 1e-6]
    np.testing.assert_allclose(ours(theta)[1], exact, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("nu", [0.0, 1.5, 2.5])
def test_shared_sds_and_those_of_a_gaussian_process(nu):
    """Three coefficients share a sd, two have those of a process: the precision and its gradient."""
    spectrum = np.array([[0.7, 2.0, nu, 0.3], [2.1, 2.0, nu, 0.3]])
    blocks = np.vstack([np.tile([-1.0, 0, 0, 0, 0], (3, 1)), np.column_stack([[-2.0, -2.0], spectrum])])
    table = np.array([row(p.ABOVE, p.EXPONENTIAL)] * 3)
    theta, weight = np.array([0.4, -0.3, 0.2]), np.array([1.0, -0.4, 0.3, 0.8, 1.7])

    def at(t):
        sd, factor, inverse, omega = np.zeros(5), np.zeros((5, 5)), np.zeros((5, 5)), np.zeros((5, 5))
        log_det = p.term_factor(t, 0, 5, blocks, table, sd, factor, inverse)
        p.precision(inverse, omega)
        return log_det, sd, factor, inverse, omega

    log_det, sd, factor, inverse, omega = at(theta)
    process = np.exp(theta[1]) * spectral_sd(spectrum, np.exp(theta[2]))
    np.testing.assert_allclose(sd, [*[np.exp(theta[0])] * 3, *process], rtol=1e-13)
    np.testing.assert_allclose(omega, np.diag(sd**-2.0), rtol=1e-13)
    assert log_det == pytest.approx(-np.log(sd).sum())
    gradient = np.ones(3)
    p.pull_precision(theta, 0, blocks, table, sd, factor, inverse, np.diag(weight), gradient)
    exact = [(weight @ np.diag(at(theta + e)[4] - at(theta - e)[4])) / 2e-6 for e in np.eye(3) * 1e-6]
    np.testing.assert_allclose(gradient - 1.0, exact, rtol=1e-7)
    assert p.correlation_prior(theta, 0, 5, blocks, 2.0, factor, gradient) == 0.0


def test_bent_tails():
    y = np.array([-3.1, -0.4, 0.2, 2.7])
    bends = np.array([[2.0, 0.5, 3.0], [1.5, 0.0, 2.0], [0.0, 0.7, 1.0], [0.3, 4.0, 2.5]])

    def bent(values):
        theta = np.full(4, 0.25)
        return p.bend(values, bends, theta), theta - 0.25

    log_det, theta = bent(y)
    w = (y / bends[:, 2]) ** 4
    a = np.where(y < 0, bends[:, 0], bends[:, 1])
    np.testing.assert_allclose(theta, y * (1 + a * w / (1 + w)), rtol=1e-12)
    slopes = np.diag([(bent(y + e)[1] - bent(y - e)[1]) / 2e-6 for e in np.eye(4) * 1e-6])
    assert log_det == pytest.approx(np.log(slopes).sum(), rel=1e-7)
    weight = np.array([0.3, -1.0, 2.0, 0.7])
    exact = [
        (weight @ bent(y + e)[1] + bent(y + e)[0] - weight @ bent(y - e)[1] - bent(y - e)[0]) / 2e-6
        for e in np.eye(4) * 1e-6
    ]
    p.pull_bend(y, bends, weight)
    np.testing.assert_allclose(weight, exact, rtol=1e-6, atol=1e-7)


def test_thresholds_and_their_increments():
    table = np.array([row(p.UNBOUNDED, p.NORMAL), row(p.INCREMENT, p.NORMAL), row(p.INCREMENT, p.NORMAL)])
    theta = np.array([-0.5, 0.1, -0.7])
    values = np.zeros(3)
    p.constrain_last(table, theta, values)
    np.testing.assert_allclose(values, np.cumsum([-0.5, np.exp(0.1), np.exp(-0.7)]))
    weight, gradient = np.array([0.4, -1.1, 0.9]), np.zeros(3)
    p.pull_last(table, theta, weight.copy(), gradient)

    def total(t):
        out = np.zeros(3)
        p.constrain_last(table, t, out)
        return weight @ out

    exact = [(total(theta + e) - total(theta - e)) / 2e-6 for e in np.eye(3) * 1e-6]
    np.testing.assert_allclose(gradient, exact, rtol=1e-7)
    law = DISTRIBUTIONS[p.NORMAL][1]

    def prior(t):
        # of the two thresholds after the first, times the increments' Jacobian exp(t)
        out = np.cumsum([t[0], np.exp(t[1]), np.exp(t[2])])
        return law.logpdf(out[1:]).sum() + t[1:].sum()

    gradient = np.zeros(3)
    shift = p.increment_priors(table, np.zeros(3), np.zeros(3)) - prior(np.zeros(3))
    assert p.increment_priors(table, theta, gradient) == pytest.approx(prior(theta) + shift)
    exact = [(prior(theta + e) - prior(theta - e)) / 2e-6 for e in np.eye(3) * 1e-6]
    np.testing.assert_allclose(gradient, exact, rtol=1e-6)
