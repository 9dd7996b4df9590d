"""The log posterior density of (beta, theta), levels' effects integrated out, with its gradient.

Input: x = [beta, theta], the rows of all patterns of levels, and the points of integration (`level_points`). Output:
the log density up to a constant. With L_p(w) the likelihood of a pattern's rows at X beta + w,

    I_p(c) = sum_t N(t; c / sd_b, 1) dt L_p(sd_b t),        J = sum_s N(s; 0, 1) ds prod_p I_p(sd_a s)^m_p

for the levels of a factor b within one level of a factor a; where there is one factor c is zero and J is I^m. The sums
are the trapezoidal rule, whose error falls geometrically with the step. Points and weights are functions of theta, and
the gradient is that of the sums: it belongs to the density to rounding error, however many points there are.

With L (patterns x t) and K (s x t, the normal density) of a batch, I = L K'; of the weights W (patterns x s) with which
the I enter, W K is what each point weighs, and W'L what each element of K does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written, inlined_as_written, ordered, reordered
from bayes_glmm.engine.data import KernelData, read_data
from bayes_glmm.engine.kernel import add_scalar_priors, auxiliary_parameters, predict_block, pull_block
from bayes_glmm.engine.level_points import (
    COUNT,
    ELEMENTS,
    FIRST,
    INNER,
    KERNEL,
    LEVELS_SIZE,
    OUTER,
    PATTERNS,
    Levels,
    read_levels,
)
from bayes_glmm.engine.native import native
from bayes_glmm.engine.parameters import constrain, pull_last
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE, as_pointer, call_rows, carray
from bayes_glmm.engine.theta_map import Map, pull_place, read_map, to_place
from bayes_glmm.engine.vector_math import fast_exp
from bayes_glmm.engine.vectors import dot, largest, smallest

#: A product below this is turned into its log before it underflows.
SMALL = 1e-100
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


class Work(NamedTuple):
    """Where one evaluation works. Elements are rows x points, pattern by pattern, row by row."""

    eta: Any  # (elements,)
    y: Any
    counts: Any
    values: Any  # log likelihood of each element
    slopes: Any  # d/d eta
    like: Any  # (patterns x t of a batch,)
    weight: Any
    inner: Any  # (patterns x s,)
    kernel: Any  # (s x t,)
    d_kernel: Any
    outer: Any  # (s,) log terms of a unit's J, then their shares
    product: Any  # (s,) factors of them whose log is still to be taken
    top: Any  # (patterns,) log of the largest likelihood
    shift: Any  # (patterns,) by how much a pattern's points are moved
    tilt: Any  # (patterns,) N(t + shift; c, 1) is N(t; c, 1) exp(-tilt (t - c)), up to a factor
    parameters: Any  # the family's
    d_parameters: Any


class Batch(NamedTuple):
    """The patterns, points and matrices of one batch."""

    first: int  # first pattern
    t: Any  # (T,)
    s: Any  # (Q,)
    t_step: float
    s_step: float
    like: Any  # (P, T) L: likelihood of a pattern at its points, over the largest
    weight: Any  # (P, T)
    inner: Any  # (P, Q) I over the largest likelihood, then W
    kernel: Any  # (Q, T) N(t; c / sd_b, 1) dt
    d_kernel: Any  # (Q, T)


@as_written
def new_work(data: KernelData, levels: Levels) -> Work:
    """Return memory for evaluations."""
    elements, q = levels.largest[ELEMENTS], levels.s.size
    n_parameters = data.sizes[layout.N_AUXILIARY] + 2
    return Work(
        np.empty(elements),
        np.empty(elements),
        np.empty(elements),
        np.empty(elements),
        np.empty(elements),
        np.empty(levels.largest[INNER]),
        np.empty(levels.largest[INNER]),
        np.empty(levels.largest[OUTER]),
        np.empty(levels.largest[KERNEL]),
        np.empty(levels.largest[KERNEL]),
        np.empty(q),
        np.empty(q),
        np.empty(levels.largest[PATTERNS]),
        np.zeros(levels.largest[PATTERNS]),
        np.zeros(levels.largest[PATTERNS]),
        np.empty(n_parameters),
        np.zeros(n_parameters),
    )


@as_written
def sds(x: Any, data: KernelData, levels: Levels) -> tuple[float, float]:
    """Return the sd of the finer factor, and of the coarser one (0 where there is none)."""
    first = data.sizes[layout.N_BETA]
    finer = constrain(data.theta_table[levels.sds[0]], x[first + levels.sds[0]])[0]
    if levels.sds.size == 1:
        return finer, 0.0
    return finer, constrain(data.theta_table[levels.sds[1]], x[first + levels.sds[1]])[0]


@as_written
def batch_at(b: int, levels: Levels, work: Work) -> Batch:
    """Return a batch, its matrices within the working memory."""
    first, last = levels.units[levels.batches[b]], levels.units[levels.batches[b + 1]]
    p, n_t, n_s = last - first, levels.inner[COUNT, b], levels.outer[COUNT, b]
    return Batch(
        first,
        levels.t[levels.inner[FIRST, b] : levels.inner[FIRST, b] + n_t],
        levels.s[levels.outer[FIRST, b] : levels.outer[FIRST, b] + n_s],
        levels.t_steps[b],
        levels.s_steps[b],
        work.like[: p * n_t].reshape((p, n_t)),
        work.weight[: p * n_t].reshape((p, n_t)),
        work.inner[: p * n_s].reshape((p, n_s)),
        work.kernel[: n_s * n_t].reshape((n_s, n_t)),
        work.d_kernel[: n_s * n_t].reshape((n_s, n_t)),
    )


@inlined_as_written
def own_part(points: Any, p: int, batch: Batch, levels: Levels) -> Any:
    """Return what belongs to a pattern's own stretch of something about all points of its batch."""
    first = levels.own[FIRST, batch.first + p]
    return points[first : first + levels.own[COUNT, batch.first + p]]


@ordered
def _fill_kernel(ratio: float, batch: Batch) -> None:
    """Fill N(t; ratio s, 1) dt."""
    for q in range(batch.s.size):
        row, centre = batch.kernel[q], ratio * batch.s[q]
        for k in range(row.size):
            z = batch.t[k] - centre
            row[k] = fast_exp(-0.5 * z * z - _LOG_ROOT_2PI) * batch.t_step


@ordered
def _spread_rows(f: Any, sd: float, batch: Batch, data: KernelData, levels: Levels, work: Work) -> int:
    """Write a batch's elements, each pattern's points moved by its shift; return how many there are."""
    at = 0
    for p in range(batch.like.shape[0]):
        t = own_part(batch.t, p, batch, levels)
        for i in range(levels.rows[batch.first + p], levels.rows[batch.first + p + 1]):
            part = slice(at, at + t.size)
            eta, y, counts = work.eta[part], work.y[part], work.counts[part]
            begin, response, count = f[i] + sd * work.shift[p], data.y[i, 0], data.counts[i]
            for k in range(t.size):
                eta[k] = begin + sd * t[k]
                y[k] = response
                counts[k] = count
            at += t.size
    return at


@ordered
def _fill_likelihood(batch: Batch, levels: Levels, work: Work) -> None:
    """Fill the patterns' likelihood, tilted, over the largest, and the log of that."""
    at = 0
    for p in range(batch.like.shape[0]):
        t, tilt = own_part(batch.t, p, batch, levels), work.tilt[p]
        batch.like[p][:] = 0.0
        like, part = own_part(batch.like[p], p, batch, levels), work.values[at : at + t.size]
        for k in range(t.size):
            like[k] = part[k] - tilt * t[k]
        at += t.size
        for _ in range(levels.rows[batch.first + p] + 1, levels.rows[batch.first + p + 1]):
            part = work.values[at : at + t.size]
            for k in range(t.size):
                like[k] += part[k]
            at += t.size
        top = largest(like)
        for k in range(t.size):
            like[k] = fast_exp(like[k] - top)
        work.top[p] = top


@as_written
def fill_batch(b: int, f: Any, sd: float, ratio: float, data: KernelData, levels: Levels, work: Work) -> Batch:
    """Evaluate a batch's rows at its points: return it with K, L and I filled."""
    batch = batch_at(b, levels, work)
    _fill_kernel(ratio, batch)
    size = _spread_rows(f, sd, batch, data, levels, work)
    rows = np.uint64(data.sizes[layout.ROWS_ADDRESS])
    call_rows(rows, size, work.eta, work.y, work.counts, work.parameters, work.values, work.slopes, work.d_parameters)
    _fill_likelihood(batch, levels, work)
    if batch.s.size > 1:
        np.dot(batch.like, batch.kernel.T, batch.inner)
    else:
        for p in range(batch.like.shape[0]):
            own, kernel = own_part(batch.like[p], p, batch, levels), own_part(batch.kernel[0], p, batch, levels)
            batch.inner[p, 0] = dot(own, kernel)
    return batch


@ordered
def unit_terms(u: int, shift: float, ratio: float, batch: Batch, levels: Levels, work: Work) -> Any:
    """Return the logs of the terms of a unit's J, its points s moved by a shift; logs take long: products have them."""
    logs, product = work.outer[: batch.s.size], work.product[: batch.s.size]
    tilt, added = 0.0, 0.0
    logs[:] = 0.0
    product[:] = 1.0
    for p in range(levels.units[u] - batch.first, levels.units[u + 1] - batch.first):
        inner, times = batch.inner[p], levels.multiplicity[batch.first + p]
        tilt += times * work.tilt[p]
        added += times * work.top[p]
        if times > 1:
            for j in range(logs.size):
                logs[j] += times * math.log(inner[j])
            continue
        for j in range(logs.size):
            product[j] *= inner[j]
        if smallest(product) < SMALL:
            for j in range(logs.size):
                logs[j] += math.log(product[j])
                product[j] = 1.0
    if levels.sds.size > 1:
        added += math.log(batch.s_step) - _LOG_ROOT_2PI
    for j in range(logs.size):
        s = batch.s[j] + shift
        logs[j] += math.log(product[j]) + added + tilt * ratio * batch.s[j] - 0.5 * s * s
    return logs


@ordered
def normalize(logs: Any) -> float:
    """Turn the logs of terms into their shares; return the log of their sum."""
    top = logs[0]
    for j in range(logs.size):
        top = max(top, logs[j])
    for j in range(logs.size):
        logs[j] = fast_exp(logs[j] - top)
    total = 0.0
    for j in range(logs.size):
        total += logs[j]
    for j in range(logs.size):
        logs[j] /= total
    return top + math.log(total)


@ordered
def _weigh(u: int, shares: Any, batch: Batch, levels: Levels) -> None:
    """Turn I into W, by what each enters its unit's log J."""
    for p in range(levels.units[u] - batch.first, levels.units[u + 1] - batch.first):
        inner, times = batch.inner[p], levels.multiplicity[batch.first + p]
        for j in range(inner.size):
            inner[j] = times * shares[j] / inner[j] if inner[j] > 0.0 else 0.0


@reordered
def _pull_kernel(ratio: float, batch: Batch) -> float:
    """Return d/d ratio, by way of the points' kernel."""
    total = 0.0
    for q in range(batch.s.size):
        row, slopes, s = batch.kernel[q], batch.d_kernel[q], batch.s[q]
        for k in range(row.size):
            total += slopes[k] * row[k] * s * (batch.t[k] - ratio * s)
    return total


@ordered
def _weigh_points(batch: Batch, levels: Levels) -> None:
    """Turn L into what its points weigh in the gradient, W K by elements L."""
    single = batch.s.size == 1
    if not single:
        np.dot(batch.inner, batch.kernel, batch.weight)
    for p in range(batch.like.shape[0]):
        like, scale = own_part(batch.like[p], p, batch, levels), batch.inner[p, 0] if single else 1.0
        weight = own_part(batch.kernel[0] if single else batch.weight[p], p, batch, levels)
        for k in range(like.size):
            like[k] *= scale * weight[k]


@reordered
def _pull_rows(batch: Batch, levels: Levels, work: Work, d_f: Any) -> float:
    """Fill d/df of a batch's rows; return d/d sd_b by way of w = sd_b t."""
    d_sd, at = 0.0, 0
    for p in range(batch.like.shape[0]):
        t, like = own_part(batch.t, p, batch, levels), own_part(batch.like[p], p, batch, levels)
        for i in range(levels.rows[batch.first + p], levels.rows[batch.first + p + 1]):
            slopes, total, moved = work.slopes[at : at + t.size], 0.0, 0.0
            for k in range(t.size):
                term = like[k] * slopes[k]
                total += term
                moved += term * t[k]
            d_f[i] = total
            d_sd += moved
            at += t.size
    return d_sd


@as_written
def _pull_parameters(batch: Batch, data: KernelData, levels: Levels, work: Work, d_total: Any) -> None:
    """Add d/d of the family's parameters: the batch's rows once more, each point counted as it weighs."""
    at = 0
    for p in range(batch.like.shape[0]):
        like = own_part(batch.like[p], p, batch, levels)
        for _ in range(levels.rows[batch.first + p], levels.rows[batch.first + p + 1]):
            for k in range(like.size):
                work.counts[at + k] *= like[k]
            at += like.size
    rows = np.uint64(data.sizes[layout.ROWS_ADDRESS])
    call_rows(rows, at, work.eta, work.y, work.counts, work.parameters, work.values, work.slopes, d_total)


@as_written
def log_integrals(x: Any, data: KernelData, levels: Levels, work: Work, gradient: Any) -> float:
    """Return the log likelihood of (beta, theta), and add its gradient.

    Parameters
    ----------
    x
        (p + d,) position [beta, theta].
    data
        The patterns' rows as a model without groups, theta's table that of the whole model.
    levels
        Points of integration.
    work
        Memory.
    gradient
        (p + d,) added to.

    Returns
    -------
    float
        Sum of the logs of all units' J.
    """
    n, first = data.sizes[layout.N_ROWS], data.sizes[layout.N_BETA]
    f, d_f, d_parameters = np.empty(n), np.empty(n), np.zeros(work.parameters.size)
    auxiliary_parameters(x, data, work.parameters)
    predict_block(x, data, 0, n, f)
    sd, coarser = sds(x, data, levels)
    ratio = coarser / sd
    total, d_sd, d_ratio = 0.0, 0.0, 0.0
    for b in range(levels.batches.size - 1):
        batch = fill_batch(b, f, sd, ratio, data, levels, work)
        for u in range(levels.batches[b], levels.batches[b + 1]):
            shares = unit_terms(u, 0.0, ratio, batch, levels, work)
            total += normalize(shares)
            _weigh(u, shares, batch, levels)
        if levels.sds.size > 1:
            np.dot(batch.inner.T, batch.like, batch.d_kernel)
            d_ratio += _pull_kernel(ratio, batch)
        _weigh_points(batch, levels)
        d_sd += _pull_rows(batch, levels, work, d_f)
        if data.sizes[layout.N_AUXILIARY] > 0:
            _pull_parameters(batch, data, levels, work, d_parameters)
    pull_block(data, 0, n, d_f, gradient)
    finer = first + levels.sds[0]
    gradient[finer] += (d_sd - d_ratio * ratio / sd) * constrain(data.theta_table[levels.sds[0]], x[finer])[1]
    if levels.sds.size > 1:
        place = first + levels.sds[1]
        gradient[place] += d_ratio / sd * constrain(data.theta_table[levels.sds[1]], x[place])[1]
    n_theta, n_auxiliary = data.sizes[layout.N_THETA], data.sizes[layout.N_AUXILIARY]
    last = x.size - n_auxiliary
    pull_last(data.theta_table[n_theta - n_auxiliary :], x[last:], d_parameters, gradient[last:])
    return total


@as_written
def _read_tables(map_: Map) -> tuple[KernelData, Levels]:
    data = read_data(carray(as_pointer(map_.tables[0]), (layout.TABLE_SIZE,), np.uint64))
    return data, read_levels(carray(as_pointer(map_.tables[1]), (LEVELS_SIZE,), np.uint64))


@as_written
def _grow(x: Any, data: KernelData, levels: Levels) -> float:
    """Multiply beta by what the sds have grown since the mode, to the power of its growth; return the factor.

    Effects of more spread shrink marginal probabilities, and beta grows with their sds where the data fix these.
    """
    log_factor, first = 0.0, data.sizes[layout.N_BETA]
    for i in range(levels.sds.size):
        log_factor += levels.growth[i] * (x[first + levels.sds[i]] - levels.reference[i])
    factor = math.exp(log_factor)
    for j in range(first):
        x[j] *= factor
    return factor


@as_written
def _pull_growth(x: Any, factor: float, data: KernelData, levels: Levels, gradient: Any) -> None:
    """Reverse of `_grow`, the log of its Jacobian's determinant included."""
    first, total = data.sizes[layout.N_BETA], float(data.sizes[layout.N_BETA])
    for j in range(first):
        total += x[j] * gradient[j]
        gradient[j] *= factor
    for i in range(levels.sds.size):
        gradient[first + levels.sds[i]] += levels.growth[i] * total


@native(DENSITY_SIGNATURE)
def density(dim: int, z_: Any, gradient_: Any, logp_: Any, user_data_: Any) -> int:
    """Return 0 with the density in z and its gradient; user data is the address table of a `Map`."""
    map_ = read_map(user_data_)
    data, levels = _read_tables(map_)
    z, x, gradient = carray(z_, (dim,)), np.empty(dim), np.zeros(dim)
    value = to_place(z, map_.centre, map_.factor, map_.bends, x)
    factor = _grow(x, data, levels)
    value += data.sizes[layout.N_BETA] * math.log(factor)
    value += log_integrals(x, data, levels, new_work(data, levels), gradient) + add_scalar_priors(x, data, gradient)
    _pull_growth(x, factor, data, levels, gradient)
    pull_place(z, map_.factor, map_.bends, gradient, carray(gradient_, (dim,)))
    carray(logp_, (1,))[0] = value
    if not math.isfinite(value):
        return 4
    for i in range(dim):
        if not math.isfinite(gradient[i]):
            return 3
    return 0


@native(EXPAND_SIGNATURE)
def expand(dim: int, expanded: int, z_: Any, x_: Any, user_data_: Any) -> int:
    """Fill the position of z; user data as of `density`."""
    map_, x = read_map(user_data_), carray(x_, (dim,))
    data, levels = _read_tables(map_)
    to_place(carray(z_, (dim,)), map_.centre, map_.factor, map_.bends, x)
    _grow(x, data, levels)
    return 0
