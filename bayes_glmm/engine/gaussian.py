"""Gaussian response with identity link: beta and u integrated out exactly, only theta is sampled.

Input: a packed model with normal or flat priors on beta. Output: the log marginal posterior of theta with its gradient,
from sums of squares and products that are made once (the cost does not depend on the rows), and exact draws of (u,
beta) given theta.

With tau = 1 / sigma^2, K the prior precision of v = (u, beta), A = [Z X], H = tau A'A + K and v_hat = H^-1 (tau A'y + K
m):

    log p(y | theta) = n/2 log tau - tau/2 y'y - m'Km/2 + v_hat'H v_hat/2 - log det H / 2 + log det K / 2
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import carray

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.gaussian_levels import (
    MOST_COEFS,
    LevelSums,
    add_level_noise,
    level_means,
    level_spread,
    level_sums,
)
from bayes_glmm.engine.information import (
    Factors,
    Information,
    Pattern,
    add_row,
    backward_small,
    cholesky_solve,
    factorize,
    factorize_rest,
    inverse_of,
    read_information,
    read_pattern,
    rest_start,
    solve,
    solve_block,
)
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.parameters import (
    bend,
    constrain,
    correlation_prior,
    covariance,
    precision,
    pull_bend,
    pull_precision,
    term_factor,
)
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE, as_pointer

#: Length of the address table of `Moments`.
_MOMENTS = 39


class Moments(NamedTuple):
    """Sums of squares and products of the rows, the responses shifted to their least-squares fit."""

    levels: npt.NDArray[np.float64]  # (levels, k * k) blocks of Z'WZ of the largest term
    coupling: npt.NDArray[np.float64]  # (couplings, k)
    rest: npt.NDArray[np.float64]  # (q, q)
    cross: npt.NDArray[np.float64]  # (n_v,) A'W y
    scalars: npt.NDArray[np.float64]  # (2,) y'W y and the sum of weights
    shift: npt.NDArray[np.float64]  # (p,) the fit that was taken off beta
    mean: npt.NDArray[np.float64]  # (p,) prior means of beta less the shift
    precision: npt.NDArray[np.float64]  # (p,) prior precisions of beta
    start: npt.NDArray[np.int64]  # Pattern
    columns: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]  # (1, 1): rows are no longer needed
    blocks: npt.NDArray[np.float64]  # (k k, levels) `levels`, level by level; empty where `_level_spread` is needed
    sides: npt.NDArray[np.float64]  # (k (p + 1), levels) `coupling` and the largest term's `cross`, likewise


class ThetaMap(NamedTuple):
    """theta = centre + g(factor z) as in the coordinates, and where the tables of data and moments are."""

    tables: npt.NDArray[np.uint64]  # (2,)
    centre: npt.NDArray[np.float64]
    factor: npt.NDArray[np.float64]
    bends: npt.NDArray[np.float64]


@as_written
def _sums(data: KernelData, pattern: Pattern, out: Information, y: Any, cross: Any) -> None:
    """Add up [Z X]'W[Z X] and [Z X]'W y over the rows."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    work = np.empty(n_beta)
    for i in range(data.sizes[layout.N_ROWS]):
        weight = data.counts[i]
        add_row(data, pattern, i, weight, work, out)
        for b in range(n_beta):
            cross[n_u + b] += weight * data.X[b, i] * y[i]
        for t in range(data.sizes[layout.N_TERMS]):
            k, at = data.terms[layout.COEFS, t], data.terms[layout.U_START, t]
            for c in range(k):
                cross[at + k * data.codes[t, i] + c] += weight * data.Z[data.terms[layout.Z_START, t] + c, i] * y[i]


def _shift(X: Any, y: Any, mean: Any, prior_precision: Any) -> Any:
    """Fit least squares; where columns are nearly collinear, held by the priors, which such a fit would dwarf."""
    shift, _, _, size = np.linalg.lstsq(X, y, rcond=None)
    if size[-1] > 1e-6 * size[0]:
        return shift
    length = np.sqrt(np.square(X).sum(axis=0))
    length[length == 0.0] = 1.0
    noise = 1e-2 * np.std(y)
    hold = noise * np.sqrt(prior_precision)
    rows, values = np.vstack([X / length, np.diag(hold / length)]), np.concatenate([y, hold * mean])
    return np.linalg.lstsq(rows, values, rcond=None)[0] / length


def gaussian_moments(data: KernelData, pattern: Pattern, mean: Any, prior_precision: Any) -> Moments:
    """Reduce the rows of a Gaussian model to sums of squares and products.

    Parameters
    ----------
    data
        The model.
    pattern
        Couplings of the largest term.
    mean, prior_precision
        (p,) normal priors of beta; precision 0 for flat ones.

    Returns
    -------
    Moments
        Sufficient for (u, beta, theta).
    """
    n_u, n_beta = int(data.sizes[layout.N_U]), int(data.sizes[layout.N_BETA])
    y, root = data.y - data.offset, np.sqrt(data.counts)
    shift = _shift((data.X * root).T, y * root, mean, prior_precision) if n_beta else np.zeros(0)
    y = y - shift @ data.X
    k = int(data.terms[layout.COEFS, 0]) if data.terms.shape[1] else 0
    levels = int(data.terms[layout.LEVELS, 0]) if data.terms.shape[1] else 0
    q = n_u - k * levels + n_beta
    out = Information(np.zeros((levels, k, k)), np.zeros((len(pattern.columns), k)), np.zeros((q, q)))
    cross = np.zeros(n_u + n_beta)
    sums(data, pattern, out, y, cross)
    scalars = np.array([np.sum(data.counts * y * y), np.sum(data.counts)])
    blocks, sides = np.zeros((0, 0)), np.zeros((0, 0))
    if data.terms.shape[1] == 1 and k <= MOST_COEFS:
        both = np.concatenate([out.coupling.reshape(levels, n_beta, k), cross[:n_u].reshape(levels, 1, k)], axis=1)
        blocks = np.ascontiguousarray(out.levels.reshape(levels, k * k).T)
        sides = np.ascontiguousarray(both.transpose(2, 1, 0)).reshape(k * (n_beta + 1), levels)
    return Moments(
        out.levels.reshape(levels, k * k), out.coupling, out.rest, cross, scalars, shift, mean - shift, prior_precision,
        pattern.start, pattern.columns, np.zeros((1, 1), dtype=np.int64), blocks, sides,
    )  # fmt: skip


@as_written
def _term(theta: Any, data: KernelData, t: int, sd: Any, factor: Any, inverse: Any, omega: Any) -> float:
    k, z = omega.shape[0], data.terms[layout.Z_START, t]
    blocks = data.blocks[z : z + k]
    log_det = term_factor(theta, data.terms[layout.THETA_START, t], k, blocks, data.theta_table, sd, factor, inverse)
    precision(inverse, omega)
    return log_det


@as_written
def _factors(theta: Any, tau: float, data: KernelData, moments: Moments) -> tuple[Information, Factors, Any]:
    """Return H, its factors and v_hat."""
    n_terms, n_beta, n_u = data.sizes[layout.N_TERMS], data.sizes[layout.N_BETA], data.sizes[layout.N_U]
    levels, k0 = moments.levels.shape[0], moments.coupling.shape[1]
    matrix = Information((tau * moments.levels).reshape((levels, k0, k0)), tau * moments.coupling, tau * moments.rest)
    for t in range(n_terms):
        k = data.terms[layout.COEFS, t]
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        _term(theta, data, t, sd, factor, inverse, omega)
        for level in range(data.terms[layout.LEVELS, t]):
            here = 0 if t == 0 else rest_start(data, t) + k * level
            for a in range(k):
                for b in range(k):
                    if t == 0:
                        matrix.levels[level, a, b] += omega[a, b]
                    else:
                        matrix.rest[here + a, here + b] += omega[a, b]
    right = tau * moments.cross
    first_beta = matrix.rest.shape[0] - n_beta
    for j in range(n_beta):
        matrix.rest[first_beta + j, first_beta + j] += moments.precision[j]
        right[n_u + j] += moments.precision[j] * moments.mean[j]
    pattern = Pattern(moments.start, moments.columns, moments.slots)
    factors = factorize(matrix, pattern, True)
    return matrix, factors, solve(factors, matrix.coupling, pattern, right)


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
    _, factors, v = _factors(theta, tau, data, moments)
    rest_inverse = inverse_of(factors.rest)
    fitted = np.dot(moments.cross, v)
    return _Coefficients(v[v.size - n_beta :], rest_inverse, fitted, factors.log_det, np.empty((0, 0)), v, factors)


@as_written
def _rest_at_once(theta: Any, tau: float, data: KernelData, moments: Moments) -> tuple[LevelSums, Any, Any]:
    """Eliminate the only term's levels all at once: the sums over them, beta's Cholesky factor and its mean."""
    k, p, n_u = data.terms[layout.COEFS, 0], data.sizes[layout.N_BETA], data.sizes[layout.N_U]
    sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    _term(theta, data, 0, sd, factor, inverse, omega)
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
    added, lower, beta = _rest_at_once(theta, tau, data, moments)
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
    sigma, d_sigma, _, _ = constrain(data.theta_table[d - 1], theta[d - 1])
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
        total += data.terms[layout.LEVELS, t] * _term(theta, data, t, sd, factor, inverse, omega)
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
        blocks = data.blocks[z : z + k]
        pull_precision(theta, start, blocks, data.theta_table, sd, factor, inverse, d_omega, gradient)
        total += correlation_prior(theta, start, k, blocks, data.lkj[t], factor, gradient)
    total += 0.5 * moments.scalars[1] * math.log(tau) - 0.5 * tau * moments.scalars[0]
    total += 0.5 * explained - 0.5 * found.log_det
    # E[(y - Av)'W(y - Av)] = y'y - 2 (A'y)'v + v'A'Av + trace(H^-1 A'A), the last two through H - K
    residual = moments.scalars[0] - 2.0 * found.fitted
    residual += (explained - prior_quadratic - prior_trace + data.sizes[layout.N_U] + n_beta) / tau
    gradient[d - 1] += (moments.scalars[1] / tau - residual) * (-tau / sigma) * d_sigma
    for i in range(d):
        if int(data.theta_table[i, 0]) != 3:
            constrained = constrain(data.theta_table[i], theta[i])
            total += constrained[2]
            gradient[i] += constrained[3]
    return total


@as_written
def _draw_by_levels(theta: Any, tau: float, noise: Any, data: KernelData, moments: Moments, out: Any) -> None:
    """Fill a draw of (u, beta) given theta: v_hat + H^(-1/2) noise, which is used up."""
    levels, k = moments.levels.shape[0], moments.coupling.shape[1]
    _, factors, v = _factors(theta, tau, data, moments)
    rest = noise[levels * k :]
    for i in range(rest.size - 1, -1, -1):
        rest[i] /= factors.rest[i, i]
        rest[:i] -= factors.rest[i, :i] * rest[i]
    for level in range(levels):
        backward_small(factors.levels[level], noise[level * k : level * k + k])
        for m in range(moments.start[level], moments.start[level + 1]):
            for c in range(k):
                noise[level * k + c] -= factors.shrunk[m, c] * rest[moments.columns[m]]
    out[:] = v + noise


@as_written
def _draw_at_once(theta: Any, tau: float, noise: Any, data: KernelData, moments: Moments, out: Any) -> None:
    """Fill a draw of (u, beta) given theta where there is one term of few coefficients: beta, then u given beta."""
    k, levels = data.terms[layout.COEFS, 0], data.terms[layout.LEVELS, 0]
    added, lower, beta = _rest_at_once(theta, tau, data, moments)
    shift = noise[levels * k :]
    backward_small(lower, shift)
    u = np.empty((k, levels))
    for j in range(beta.size):
        beta[j] += shift[j]
        out[levels * k + j] = beta[j]
    level_means(added, beta, u)
    add_level_noise(added, noise, u)
    for level in range(levels):
        for c in range(k):
            out[level * k + c] = u[c, level]


@as_written
def _draw_coefficients(theta: Any, normals: Any, data: KernelData, moments: Moments, out: Any) -> None:
    """Draw (u, beta) given theta, one row of each per draw."""
    d, n_beta = theta.shape[1], data.sizes[layout.N_BETA]
    for s in range(theta.shape[0]):
        sigma = constrain(data.theta_table[d - 1], theta[s, d - 1])[0]
        if moments.blocks.size > 0:
            _draw_at_once(theta[s], 1.0 / (sigma * sigma), normals[s], data, moments, out[s])
        else:
            _draw_by_levels(theta[s], 1.0 / (sigma * sigma), normals[s], data, moments, out[s])
        for j in range(n_beta):
            out[s, out.shape[1] - n_beta + j] += moments.shift[j]


@as_written
def _read_moments(table: Any) -> Moments:
    return Moments(
        read_matrix(table, 0, np.float64),
        read_matrix(table, 1, np.float64),
        read_matrix(table, 2, np.float64),
        read_vector(table, 3, np.float64),
        read_vector(table, 4, np.float64),
        read_vector(table, 5, np.float64),
        read_vector(table, 6, np.float64),
        read_vector(table, 7, np.float64),
        read_vector(table, 8, np.int64),
        read_vector(table, 9, np.int64),
        read_matrix(table, 10, np.int64),
        read_matrix(table, 11, np.float64),
        read_matrix(table, 12, np.float64),
    )


@as_written
def _read_theta_map(table: Any) -> ThetaMap:
    return ThetaMap(
        read_vector(table, 0, np.uint64),
        read_vector(table, 1, np.float64),
        read_matrix(table, 2, np.float64),
        read_matrix(table, 3, np.float64),
    )


@native(DENSITY_SIGNATURE)
def density(dim: int, z_: Any, gradient_: Any, logp_: Any, user_data_: Any) -> int:
    """Return 0 with the marginal density in z and its gradient; user data is the address table of a `ThetaMap`."""
    map_ = _read_theta_map(carray(user_data_, (12,), np.uint64))
    data = read_data(carray(as_pointer(map_.tables[0]), (layout.TABLE_SIZE,), np.uint64))
    moments = _read_moments(carray(as_pointer(map_.tables[1]), (_MOMENTS,), np.uint64))
    gradient, theta, y = np.empty(dim), map_.centre.copy(), map_.factor @ carray(z_, (dim,))
    value = bend(y, map_.bends, theta)
    value += _log_marginal(theta, data, moments, gradient)
    carray(logp_, (1,))[0] = value
    pull_bend(y, map_.bends, gradient)
    carray(gradient_, (dim,))[:] = map_.factor.T @ gradient
    if not math.isfinite(value):
        return 4
    for i in range(dim):
        if not math.isfinite(gradient[i]):
            return 3
    return 0


@native(EXPAND_SIGNATURE)
def expand(dim: int, expanded: int, z_: Any, theta_: Any, user_data_: Any) -> int:
    """Fill theta of z; user data as of `density`."""
    map_ = _read_theta_map(carray(user_data_, (12,), np.uint64))
    theta = carray(theta_, (dim,))
    theta[:] = map_.centre
    bend(map_.factor @ carray(z_, (dim,)), map_.bends, theta)
    return 0


@native(CALL_SIGNATURE)
def sums(table_: Any) -> float:
    """Call `_sums`: reads KernelData, Pattern, Information (added to), y, cross (added to)."""
    table = carray(table_, (layout.TABLE_SIZE + 24,), np.uint64)
    rest = table[layout.TABLE_SIZE :]
    y, cross = read_vector(rest, 6, np.float64), read_vector(rest, 7, np.float64)
    _sums(read_data(table), read_pattern(rest), read_information(rest[9:]), y, cross)
    return 0.0


@native(CALL_SIGNATURE)
def log_marginal(table_: Any) -> float:
    """Call `_log_marginal`: reads KernelData, Moments, theta; fills the gradient."""
    table = carray(table_, (layout.TABLE_SIZE + _MOMENTS + 6,), np.uint64)
    moments, rest = table[layout.TABLE_SIZE :], table[layout.TABLE_SIZE + _MOMENTS :]
    theta, gradient = read_vector(rest, 0, np.float64), read_vector(rest, 1, np.float64)
    return _log_marginal(theta, read_data(table), _read_moments(moments), gradient)


@native(CALL_SIGNATURE)
def draw_coefficients(table_: Any) -> float:
    """Call `_draw_coefficients`: reads KernelData, Moments, theta and normals (used up); fills the draws."""
    table = carray(table_, (layout.TABLE_SIZE + _MOMENTS + 9,), np.uint64)
    moments, rest = table[layout.TABLE_SIZE :], table[layout.TABLE_SIZE + _MOMENTS :]
    theta, normals, out = (
        read_matrix(rest, 0, np.float64),
        read_matrix(rest, 1, np.float64),
        read_matrix(rest, 2, np.float64),
    )
    _draw_coefficients(theta, normals, read_data(table), _read_moments(moments), out)
    return 0.0
