"""Gaussian response, related levels: beta and u integrated out by a sparse Cholesky factor, only theta is sampled.

Input: `SparseMoments` of a model. Output: the log marginal posterior of theta with its gradient, and draws of (u, beta)
given theta. The formulas are those of `gaussian`; the prior precision of a term's effects is Omega (x) Q, Q the
precision of its levels, and H = tau A'A + K stands in a fill-reducing order with beta last.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.dependence import KNOWN
from bayes_glmm.engine.gaussian import scale_given
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.parameters import (
    constrain,
    correlation_prior,
    covariance,
    pull_term,
    term_given,
)
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE, as_pointer, carray
from bayes_glmm.engine.sparse_factor import factorize_sparse, reverse_sparse, solve_backwards, solve_forwards
from bayes_glmm.engine.sparse_system import (
    SYSTEM_SIZE,
    SparseSystem,
    add_precisions,
    factor_of,
    parts_given,
    pull_entries,
    read_system,
)
from bayes_glmm.engine.theta_map import pull_place, read_map, to_place
from bayes_glmm.engine.vectors import copy

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]


class SparseMoments(NamedTuple):
    """Sums of squares and products of the rows, in the order of a system."""

    system: SparseSystem
    likelihood: Array  # (elements,) A'W A
    prior: Array  # (elements,) beta's prior precisions
    cross: Array  # (N,) A'W y, in order
    scalars: Array  # (2,) y'W y and the sum of weights, the responses shifted to their least-squares fit
    shift: Array  # (p,) the fit that was taken off beta
    mean: Array  # (p,) prior means of beta less the shift
    precision: Array  # (p,) prior precisions of beta
    shared: Positions  # (m,) log sds that the sampler sees as ratios to sigma; empty: it sees theta itself
    weights: Array  # (m,) variance of the linear predictor for each of their squares


#: Length of the address table of `SparseMoments`.
SPARSE_SIZE = SYSTEM_SIZE + 3 * 9


@as_written
def read_sparse(table: Any) -> SparseMoments:
    """Rebuild the moments from their table of addresses (compiled code only)."""
    rest = table[SYSTEM_SIZE:]
    return SparseMoments(
        read_system(table),
        read_vector(rest, 0, np.float64),
        read_vector(rest, 1, np.float64),
        read_vector(rest, 2, np.float64),
        read_vector(rest, 3, np.float64),
        read_vector(rest, 4, np.float64),
        read_vector(rest, 5, np.float64),
        read_vector(rest, 6, np.float64),
        read_vector(rest, 7, np.int64),
        read_vector(rest, 8, np.float64),
    )


@as_written
def _factorized(theta: Any, tau: float, data: KernelData, moments: SparseMoments, values: Any, v: Any) -> float:
    """Fill the factor of H and the conditional mean of v, both in order; return the log determinant of H."""
    pattern = factor_of(moments.system)
    for i in range(values.size):
        values[i] = tau * moments.likelihood[i] + moments.prior[i]
    add_precisions(theta, data, moments.system, values)
    n, p = v.size, data.sizes[layout.N_BETA]
    for i in range(n):
        v[i] = tau * moments.cross[i]
    for j in range(p):
        v[n - p + j] += moments.precision[j] * moments.mean[j]
    log_det = factorize_sparse(pattern, values)
    if math.isfinite(log_det):
        solve_forwards(pattern, values, v)
        solve_backwards(pattern, values, v)
    return log_det


@as_written
def _second_moments(v: Any, factor: Any, system: SparseSystem, d_values: Any) -> None:
    """Fill E[v v'] given theta on the pattern of H, elements beside the diagonal for both of their places."""
    start, rows = system.start, system.rows
    d_values[:] = 0.0
    for j in range(v.size):
        d_values[start[j]] = 2.0 / factor[start[j]]
    # derivatives of log det H, which are elements of the inverse
    reverse_sparse(factor_of(system), factor, d_values)
    for j in range(v.size):
        d_values[start[j]] += v[j] * v[j]
        for a in range(start[j] + 1, start[j + 1]):
            d_values[a] += 2.0 * v[j] * v[rows[a]]


@as_written
def _log_marginal(theta: Any, data: KernelData, moments: SparseMoments, gradient: Any) -> float:
    """Return log p(theta | y) up to a constant, log Jacobians included, and fill its gradient; sigma's is the last."""
    d, p, system = theta.size, data.sizes[layout.N_BETA], moments.system
    n = system.place.size
    gradient[:] = 0.0
    sigma, d_sigma = scale_given(theta, data)
    tau = 1.0 / (sigma * sigma)
    values, d_values, v = np.empty(system.rows.size), np.empty(system.rows.size), np.empty(n)
    log_det = _factorized(theta, tau, data, moments, values, v)
    if not math.isfinite(log_det):
        gradient[:] = math.nan
        return math.nan
    _second_moments(v, values, system, d_values)
    fitted = 0.0
    for i in range(n):
        fitted += moments.cross[i] * v[i]
    explained, prior_part, total = tau * fitted, 0.0, 0.0
    for j in range(p):
        explained += moments.precision[j] * moments.mean[j] * v[n - p + j]
        prior_part += moments.precision[j] * d_values[system.start[n - p + j]]
        total -= 0.5 * moments.precision[j] * moments.mean[j] ** 2
    for t in range(data.sizes[layout.N_TERMS]):
        k, z, start = data.terms[layout.COEFS, t], data.terms[layout.Z_START, t], data.terms[layout.THETA_START, t]
        levels = data.terms[layout.LEVELS, t]
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        d_omega, spread = np.empty((k, k)), np.zeros((k, k))
        total += levels * term_given(theta, data, t, sd, factor, inverse, omega)
        parts, slopes, log_det_levels, d_log_det = parts_given(theta, data, system, t)
        total += 0.5 * k * log_det_levels
        pull_entries(t, k, system, parts, d_values, spread)  # E[u'Qu], for pairs of coefficients
        if system.kinds[0, t] != KNOWN:
            change = np.zeros((k, k))
            pull_entries(t, k, system, slopes, d_values, change)
            gradient[start + data.terms[layout.THETA_SIZE, t] - 1] += 0.5 * (k * d_log_det - np.sum(omega * change))
        covariance(sd, factor, d_omega)
        for a in range(k):
            for b in range(k):
                prior_part += omega[a, b] * spread[a, b]  # trace and quadratic form in one
                d_omega[a, b] = 0.5 * (levels * d_omega[a, b] - spread[a, b])
        pull_term(theta, data, t, sd, factor, inverse, d_omega, gradient)
        total += correlation_prior(theta, start, k, data.blocks[z : z + k], data.lkj[t], factor, gradient)
    total += 0.5 * moments.scalars[1] * math.log(tau) - 0.5 * tau * moments.scalars[0]
    total += 0.5 * explained - 0.5 * log_det
    # E[(y - Av)'W(y - Av)], through A'A = (H - K) / tau
    residual = moments.scalars[0] - 2.0 * fitted + (explained - prior_part + n) / tau
    if d_sigma != 0.0:
        gradient[d - 1] += (moments.scalars[1] / tau - residual) * (-tau / sigma) * d_sigma
    for i in range(d):
        if int(data.theta_table[i, 0]) != 3:
            constrained = constrain(data.theta_table[i], theta[i])
            total += constrained[2]
            gradient[i] += constrained[3]
    return total


@as_written
def _from_shares(place: Any, moments: SparseMoments, theta: Any) -> None:
    """Fill theta: at `place`, log sds stand as ratios to sigma, and log sigma as half the log of the variance of a row.

    The rows say how large that variance is, and only little of how it divides: theta's posterior bends along it. The
    Jacobian is constant.
    """
    if moments.shared.size == 0:
        copy(place, theta)
        return
    last, parts = place.size - 1, 1.0
    copy(place, theta)
    for i in range(moments.shared.size):
        parts += moments.weights[i] * math.exp(2.0 * place[moments.shared[i]])
    theta[last] -= 0.5 * math.log(parts)
    for i in range(moments.shared.size):
        theta[moments.shared[i]] += theta[last]


@as_written
def _pull_shares(place: Any, moments: SparseMoments, gradient: Any) -> None:
    """Turn d/d theta into d/d place."""
    if moments.shared.size == 0:
        return
    last, parts = place.size - 1, 1.0
    for i in range(moments.shared.size):
        parts += moments.weights[i] * math.exp(2.0 * place[moments.shared[i]])
        gradient[last] += gradient[moments.shared[i]]
    for i in range(moments.shared.size):
        share = moments.weights[i] * math.exp(2.0 * place[moments.shared[i]]) / parts
        gradient[moments.shared[i]] -= gradient[last] * share


@native(DENSITY_SIGNATURE)
def density(dim: int, z_: Any, gradient_: Any, logp_: Any, user_data_: Any) -> int:
    """Return 0 with the marginal density in z and its gradient; user data is the address table of a `Map`."""
    map_ = read_map(user_data_)
    data = read_data(carray(as_pointer(map_.tables[0]), (layout.TABLE_SIZE,), np.uint64))
    moments = read_sparse(carray(as_pointer(map_.tables[1]), (SPARSE_SIZE,), np.uint64))
    z, gradient, theta, place = carray(z_, (dim,)), np.empty(dim), np.empty(dim), np.empty(dim)
    value = to_place(z, map_.centre, map_.factor, map_.bends, place)
    _from_shares(place, moments, theta)
    value += _log_marginal(theta, data, moments, gradient)
    carray(logp_, (1,))[0] = value
    _pull_shares(place, moments, gradient)
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
    map_, place = read_map(user_data_), np.empty(dim)
    moments = read_sparse(carray(as_pointer(map_.tables[1]), (SPARSE_SIZE,), np.uint64))
    to_place(carray(z_, (dim,)), map_.centre, map_.factor, map_.bends, place)
    _from_shares(place, moments, carray(theta_, (dim,)))
    return 0


@native(CALL_SIGNATURE)
def draw_related(table_: Any) -> float:
    """Draw (u, beta) given theta: reads KernelData, SparseMoments, theta and normals (used up); fills the draws."""
    table = carray(table_, (layout.TABLE_SIZE + SPARSE_SIZE + 9,), np.uint64)
    data, moments = read_data(table), read_sparse(table[layout.TABLE_SIZE :])
    rest = table[layout.TABLE_SIZE + SPARSE_SIZE :]
    theta, normals, out = (
        read_matrix(rest, 0, np.float64),
        read_matrix(rest, 1, np.float64),
        read_matrix(rest, 2, np.float64),
    )
    p, place = data.sizes[layout.N_BETA], moments.system.place
    n = place.size
    values, v = np.empty(moments.system.rows.size), np.empty(n)
    for s in range(theta.shape[0]):
        sigma = scale_given(theta[s], data)[0]
        log_det = _factorized(theta[s], 1.0 / (sigma * sigma), data, moments, values, v)
        if math.isfinite(log_det):
            solve_backwards(factor_of(moments.system), values, normals[s])
        for i in range(n):
            out[s, i] = v[place[i]] + normals[s, place[i]]
        for j in range(p):
            out[s, n - p + j] += moments.shift[j]
    return 0.0
