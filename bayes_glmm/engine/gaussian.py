"""Gaussian response with identity link: beta and u integrated out exactly, only theta is sampled.

Input: sums of squares and products of a model with normal or flat priors on beta (`gaussian_moments`; the cost does not
depend on the rows). Output: the log marginal posterior of theta with its gradient, and what exact draws of (u, beta)
given theta need (`gaussian_draws`).

With tau = 1 / sigma^2, K the prior precision of v = (u, beta), A = [Z X], H = tau A'A + K and v_hat = H^-1 (tau A'y + K
m):

    log p(y | theta) = n/2 log tau - tau/2 y'y - m'Km/2 + v_hat'H v_hat/2 - log det H / 2 + log det K / 2
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data
from bayes_glmm.engine.gaussian_levels import LevelSums, level_spread, level_sums
from bayes_glmm.engine.gaussian_moments import MOMENTS_SIZE, Moments, read_moments
from bayes_glmm.engine.information import (
    Factors,
    Information,
    Pattern,
    add_term_precision,
    cholesky_solve,
    factorize,
    factorize_rest,
    inverse_of,
    rest_start,
    solve,
    solve_block,
)
from bayes_glmm.engine.native import native
from bayes_glmm.engine.parameters import (
    constrain,
    correlation_prior,
    covariance,
    pull_term,
    term_given,
)
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE, as_pointer, carray
from bayes_glmm.engine.theta_map import pull_place, read_map, to_place
from bayes_glmm.engine.vectors import dot


@as_written
def scale_given(theta: Any, data: KernelData) -> tuple[float, float]:
    """Return sigma, theta's last element, and its derivative; one and zero where all standard errors are known."""
    if data.sizes[layout.N_AUXILIARY] == 0:
        return 1.0, 0.0
    sigma, d_sigma, _, _ = constrain(data.theta_table[theta.size - 1], theta[theta.size - 1])
    return sigma, d_sigma


@as_written
def factors_given(theta: Any, tau: float, data: KernelData, moments: Moments) -> tuple[Factors, Any]:
    """Return the factors of H, and v_hat."""
    n_terms, n_beta, n_u = data.sizes[layout.N_TERMS], data.sizes[layout.N_BETA], data.sizes[layout.N_U]
    levels, k0 = moments.levels.shape[0], moments.coupling.shape[1]
    matrix = Information((tau * moments.levels).reshape((levels, k0, k0)), tau * moments.coupling, tau * moments.rest)
    for t in range(n_terms):
        k = data.terms[layout.COEFS, t]
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        term_given(theta, data, t, sd, factor, inverse, omega)
        add_term_precision(omega, data, t, matrix)
    right = tau * moments.cross
    first_beta = matrix.rest.shape[0] - n_beta
    for j in range(n_beta):
        matrix.rest[first_beta + j, first_beta + j] += moments.precision[j]
        right[n_u + j] += moments.precision[j] * moments.mean[j]
    pattern = Pattern(moments.start, moments.columns, moments.slots)
    factors = factorize(matrix, pattern, True)
    return factors, solve(factors, matrix.coupling, pattern, right)


@as_written
def _level_spread(t: int, data: KernelData, moments: Moments, factors: Factors, v: Any, rest_inverse: Any) -> Any:
    """Return the sum over one term's levels of E[u u'] given theta: u_hat u_hat' plus the diagonal blocks of H^-1."""
    k, at = data.terms[layout.COEFS, t], data.terms[layout.U_START, t]
    total, unit, inverse = np.zeros((k, k)), np.eye(k), np.empty((k, k))
    for level in range(data.terms[layout.LEVELS, t]):
        for a in range(k):
            for b in range(k):
                total[a, b] += v[at + k * level + a] * v[at + k * level + b]
        if t > 0:
            here = rest_start(data, t) + k * level
            for a in range(k):
                for b in range(k):
                    total[a, b] += rest_inverse[here + a, here + b]
            continue
        for a in range(k):
            solve_block(factors.levels, level, unit, a, inverse)
            for b in range(k):
                total[a, b] += inverse[a, b]
        first, last = moments.start[level], moments.start[level + 1]
        for m in range(first, last):
            for other in range(first, last):
                scale = rest_inverse[moments.columns[m], moments.columns[other]]
                for a in range(k):
                    for b in range(k):
                        total[a, b] += factors.shrunk[m, a] * scale * factors.shrunk[other, b]
    return total


class _Coefficients(NamedTuple):
    """The conditional distribution of v = (u, beta) given theta, as far as theta's density needs it."""

    beta: npt.NDArray[np.float64]  # (p,) conditional mean
    rest_inverse: npt.NDArray[np.float64]  # (q, q) conditional covariance of the rest
    fitted: float  # (A'y)' v_hat
    log_det: float  # of H
    spread: npt.NDArray[np.float64]  # (k, k), where there is one term of few coefficients; else empty
    v: npt.NDArray[np.float64]  # (n_v,) conditional mean of all; empty where there is a spread
    factors: Factors  # of H; where there is a spread, the rest's only


@as_written
def _by_levels(theta: Any, tau: float, data: KernelData, moments: Moments) -> _Coefficients:
    """Eliminate the largest term level by level: any number of terms and coefficients."""
    n_beta = data.sizes[layout.N_BETA]
    factors, v = factors_given(theta, tau, data, moments)
    rest_inverse = inverse_of(factors.rest)
    fitted = dot(moments.cross, v)
    return _Coefficients(v[v.size - n_beta :], rest_inverse, fitted, factors.log_det, np.empty((0, 0)), v, factors)


@as_written
def rest_at_once(theta: Any, tau: float, data: KernelData, moments: Moments) -> tuple[LevelSums, Any, Any]:
    """Eliminate the only term's levels all at once: the sums over them, beta's Cholesky factor and its mean."""
    k, p, n_u = data.terms[layout.COEFS, 0], data.sizes[layout.N_BETA], data.sizes[layout.N_U]
    sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    term_given(theta, data, 0, sd, factor, inverse, omega)
    added = level_sums(tau, omega, moments.blocks, moments.sides)
    rest, before, beta = np.empty((p, p)), np.empty(p), np.empty(p)
    for i in range(p):
        beta[i] = tau * moments.cross[n_u + i] + moments.precision[i] * moments.mean[i] - added.products[i, p]
        for j in range(i + 1):
            rest[i, j] = rest[j, i] = tau * moments.rest[i, j] - added.products[i, j]
        before[i] = tau * moments.rest[i, i] + moments.precision[i]
        rest[i, i] += moments.precision[i]
    lower = factorize_rest(rest, before, True)
    cholesky_solve(lower, beta)
    return added, lower, beta


@as_written
def _at_once(theta: Any, tau: float, data: KernelData, moments: Moments) -> _Coefficients:
    """Do what `_by_levels` does with the only term's levels all at once (`gaussian_levels`)."""
    p, n_u = data.sizes[layout.N_BETA], data.sizes[layout.N_U]
    added, lower, beta = rest_at_once(theta, tau, data, moments)
    log_det, fitted = added.log_det, added.products[p, p] / tau
    for i in range(p):
        log_det += 2.0 * math.log(lower[i, i])
        fitted += beta[i] * (moments.cross[n_u + i] - added.products[i, p] / tau)
    rest_inverse = inverse_of(lower)
    spread = level_spread(added, beta, rest_inverse)
    none = np.empty((0, 0, 0))
    return _Coefficients(beta, rest_inverse, fitted, log_det, spread, np.empty(0), Factors(none, lower, lower, log_det))


@as_written
def _log_marginal(theta: Any, data: KernelData, moments: Moments, gradient: Any) -> float:
    """Return log p(theta | y) up to a constant, log Jacobians included, and fill its gradient; sigma's is the last."""
    d, n_beta = theta.size, data.sizes[layout.N_BETA]
    gradient[:] = 0.0
    sigma, d_sigma = scale_given(theta, data)
    tau = 1.0 / (sigma * sigma)
    at_once = moments.blocks.size > 0
    found = _at_once(theta, tau, data, moments) if at_once else _by_levels(theta, tau, data, moments)
    if not math.isfinite(found.log_det):
        gradient[:] = math.nan
        return math.nan
    beta, first_beta = found.beta, found.rest_inverse.shape[0] - n_beta
    # v' H v = right' v, with right = tau A'y + K m
    explained, prior_trace, prior_quadratic, total = tau * found.fitted, 0.0, 0.0, 0.0
    for j in range(n_beta):
        explained += moments.precision[j] * moments.mean[j] * beta[j]
        prior_quadratic += moments.precision[j] * beta[j] ** 2
        prior_trace += moments.precision[j] * found.rest_inverse[first_beta + j, first_beta + j]
        total -= 0.5 * moments.precision[j] * moments.mean[j] ** 2
    for t in range(data.sizes[layout.N_TERMS]):
        k, z, start = data.terms[layout.COEFS, t], data.terms[layout.Z_START, t], data.terms[layout.THETA_START, t]
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        d_omega = np.empty((k, k))
        total += data.terms[layout.LEVELS, t] * term_given(theta, data, t, sd, factor, inverse, omega)
        if at_once:
            spread = found.spread
        else:
            spread = _level_spread(t, data, moments, found.factors, found.v, found.rest_inverse)
        covariance(sd, factor, d_omega)
        for a in range(k):
            for b in range(k):
                # trace of the inverse's blocks and the quadratic form in one
                prior_trace += omega[a, b] * spread[a, b]
                d_omega[a, b] = 0.5 * (data.terms[layout.LEVELS, t] * d_omega[a, b] - spread[a, b])
        pull_term(theta, data, t, sd, factor, inverse, d_omega, gradient)
        total += correlation_prior(theta, start, k, data.blocks[z : z + k], data.lkj[t], factor, gradient)
    total += 0.5 * moments.scalars[1] * math.log(tau) - 0.5 * tau * moments.scalars[0]
    total += 0.5 * explained - 0.5 * found.log_det
    # E[(y - Av)'W(y - Av)] = y'y - 2 (A'y)'v + v'A'Av + trace(H^-1 A'A), the last two through H - K
    residual = moments.scalars[0] - 2.0 * found.fitted
    residual += (explained - prior_quadratic - prior_trace + data.sizes[layout.N_U] + n_beta) / tau
    if d_sigma != 0.0:
        gradient[d - 1] += (moments.scalars[1] / tau - residual) * (-tau / sigma) * d_sigma
    for i in range(d):
        if int(data.theta_table[i, 0]) != 3:
            constrained = constrain(data.theta_table[i], theta[i])
            total += constrained[2]
            gradient[i] += constrained[3]
    return total


@native(DENSITY_SIGNATURE)
def density(dim: int, z_: Any, gradient_: Any, logp_: Any, user_data_: Any) -> int:
    """Return 0 with the marginal density in z and its gradient; user data is the address table of a `Map`."""
    map_ = read_map(user_data_)
    data = read_data(carray(as_pointer(map_.tables[0]), (layout.TABLE_SIZE,), np.uint64))
    moments = read_moments(carray(as_pointer(map_.tables[1]), (MOMENTS_SIZE,), np.uint64))
    z, gradient, theta = carray(z_, (dim,)), np.empty(dim), np.empty(dim)
    value = to_place(z, map_.centre, map_.factor, map_.bends, theta)
    value += _log_marginal(theta, data, moments, gradient)
    carray(logp_, (1,))[0] = value
    pull_place(z, map_.factor, map_.bends, gradient, carray(gradient_, (dim,)))
    if not math.isfinite(value):
        return 4
    for i in range(dim):
        if not math.isfinite(gradient[i]):
            return 3
    return 0


@native(EXPAND_SIGNATURE)
def expand(dim: int, expanded: int, z_: Any, theta_: Any, user_data_: Any) -> int:
    """Fill theta of z; user data as of `density`."""
    map_ = read_map(user_data_)
    to_place(carray(z_, (dim,)), map_.centre, map_.factor, map_.bends, carray(theta_, (dim,)))
    return 0
