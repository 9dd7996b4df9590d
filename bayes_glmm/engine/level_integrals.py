"""The log posterior density of (beta, theta), levels' effects integrated out, with its gradient.

Input: x = [beta, theta], the rows of all patterns of levels, and the points of integration (`level_points`). Output:
the log density up to a constant. With L_p(w) the likelihood of a pattern's rows at X beta + w,

    I_p(c) = sum_t N(t; c / sd_b, 1) dt L_p(sd_b t),        J = sum_s N(s; 0, 1) ds prod_p I_p(sd_a s)^m_p

for the levels of a factor b within one level of a factor a; where there is one factor c is zero and J is I^m. The sums
are the trapezoidal rule, whose error falls geometrically with the step. Points and weights are functions of theta, and
the gradient is that of the sums: it belongs to the density to rounding error, however many points there are.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written, inlined_as_written, ordered, reordered
from bayes_glmm.engine.data import KernelData, read_data
from bayes_glmm.engine.kernel import add_scalar_priors, auxiliary_parameters, predict_block, pull_block
from bayes_glmm.engine.level_points import COUNT, ELEMENTS, FIRST, LEVELS_SIZE, NODES, PATTERNS, Levels, read_levels
from bayes_glmm.engine.native import native
from bayes_glmm.engine.parameters import constrain, pull_last
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE, as_pointer, call_rows, carray
from bayes_glmm.engine.theta_map import Map, pull_map, read_map, to_place
from bayes_glmm.engine.vector_math import fast_exp
from bayes_glmm.engine.vectors import copy

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
    like: Any  # (points of a batch,) likelihood of a pattern at its points, over the largest
    inner: Any  # (patterns of a unit, Q) I_p(c)
    tilted: Any  # (patterns of a unit, Q) sum of t I_p's terms
    outer: Any  # (Q,) log terms of J, then their shares
    product: Any  # (Q,) factors of them whose log is still to be taken
    kernel: Any  # (Q, T) N(t; c / sd_b, 1) dt
    parameters: Any  # the family's
    d_parameters: Any


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
        np.empty(levels.largest[NODES]),
        np.empty((levels.largest[PATTERNS], q)),
        np.empty((levels.largest[PATTERNS], q)),
        np.empty(q),
        np.empty(q),
        np.empty((q, levels.t.size)),
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


@ordered
def fill_kernel(ratio: float, levels: Levels, kernel: Any) -> None:
    """Fill N(t; ratio s, 1) dt for all s and t."""
    for q in range(levels.s.size):
        row, centre = kernel[q], ratio * levels.s[q]
        for k in range(row.size):
            z = levels.t[k] - centre
            row[k] = fast_exp(-0.5 * z * z - _LOG_ROOT_2PI) * levels.t_steps[k]


@ordered
def spread_rows(f: Any, sd: float, shift: float, p: int, data: KernelData, levels: Levels, at: int, work: Work) -> int:
    """Write the elements of a pattern, its points moved by a shift, which begin at `at`; return where they end."""
    first, count = levels.nodes[FIRST, p], levels.nodes[COUNT, p]
    t = levels.t[first : first + count]
    for i in range(levels.rows[p], levels.rows[p + 1]):
        eta, y, counts = work.eta[at : at + count], work.y[at : at + count], work.counts[at : at + count]
        begin = f[i] + sd * shift
        for k in range(count):
            eta[k] = begin + sd * t[k]
        y[:] = data.y[i]
        counts[:] = data.counts[i]
        at += count
    return at


@as_written
def evaluate_elements(size: int, data: KernelData, work: Work) -> None:
    """Fill values and slopes of elements."""
    rows = np.uint64(data.sizes[layout.ROWS_ADDRESS])
    call_rows(rows, size, work.eta, work.y, work.counts, work.parameters, work.values, work.slopes, work.d_parameters)


@as_written
def evaluate_batch(f: Any, sd: float, b: int, data: KernelData, levels: Levels, work: Work) -> None:
    """Fill values and slopes of a batch's elements."""
    at = 0
    for p in range(levels.units[levels.batches[b]], levels.units[levels.batches[b + 1]]):
        at = spread_rows(f, sd, 0.0, p, data, levels, at, work)
    evaluate_elements(at, data, work)


@ordered
def fill_likelihood(rows: int, values: Any, like: Any) -> float:
    """Fill a pattern's likelihood at its points over the largest, whose log is returned."""
    copy(values[: like.size], like)
    for r in range(1, rows):
        part = values[r * like.size : (r + 1) * like.size]
        for k in range(like.size):
            like[k] += part[k]
    top = like[0]
    for k in range(like.size):
        top = max(top, like[k])
    for k in range(like.size):
        like[k] = fast_exp(like[k] - top)
    return top


@inlined_as_written
def multiply(j: int, times: int, inner: float, top: float, work: Work) -> None:
    """Multiply a unit's term by (inner exp(top))^times; logs take long, so they are taken of products."""
    work.outer[j] += times * top
    if times > 1:
        work.outer[j] += times * math.log(inner)
        return
    work.product[j] *= inner
    if work.product[j] < SMALL:
        work.outer[j] += math.log(work.product[j])
        work.product[j] = 1.0


@reordered
def _add_pattern(u: int, p: int, top: float, like: Any, levels: Levels, work: Work) -> None:
    """Add m log I_p to the unit's log terms."""
    local, first, nested = p - levels.units[u], levels.nodes[FIRST, p], levels.sds.size > 1
    t = levels.t[first : first + like.size]
    for j in range(levels.outer[COUNT, u]):
        row = work.kernel[levels.outer[FIRST, u] + j][first : first + like.size]
        total, tilted = 0.0, 0.0
        if nested:
            for k in range(like.size):
                term = like[k] * row[k]
                total += term
                tilted += term * t[k]
        else:
            for k in range(like.size):
                total += like[k] * row[k]
        work.inner[local, j], work.tilted[local, j] = total, tilted
    for j in range(levels.outer[COUNT, u]):
        multiply(j, levels.multiplicity[p], work.inner[local, j], top, work)


@as_written
def start_unit(u: int, shift: float, levels: Levels, work: Work) -> None:
    """Write the log of N(s; 0, 1) ds at the unit's points, moved by a shift; zero where there is one factor."""
    for j in range(levels.outer[COUNT, u]):
        work.outer[j], work.product[j] = 0.0, 1.0
        if levels.sds.size > 1:
            q = levels.outer[FIRST, u] + j
            s = levels.s[q] + shift
            work.outer[j] = math.log(levels.s_steps[q]) - 0.5 * s * s - _LOG_ROOT_2PI


@as_written
def finish_unit(u: int, levels: Levels, work: Work) -> Any:
    """Return the logs of the unit's terms."""
    logs = work.outer[: levels.outer[COUNT, u]]
    for j in range(logs.size):
        logs[j] += math.log(work.product[j])
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


@reordered
def _pull_pattern(u: int, p: int, ratio: float, like: Any, levels: Levels, work: Work) -> float:
    """Turn a pattern's likelihood into what its points weigh, m in all; return d/d ratio."""
    local, first, d_ratio = p - levels.units[u], levels.nodes[FIRST, p], 0.0
    weight = work.eta[: like.size]  # no longer needed
    weight[:] = 0.0
    for j in range(levels.outer[COUNT, u]):
        q = levels.outer[FIRST, u] + j
        if work.inner[local, j] > 0.0:
            scale = levels.multiplicity[p] * work.outer[j] / work.inner[local, j]
            row = work.kernel[q][first : first + like.size]
            for k in range(like.size):
                weight[k] += scale * row[k]
            d_ratio += scale * levels.s[q] * (work.tilted[local, j] - ratio * levels.s[q] * work.inner[local, j])
    for k in range(like.size):
        like[k] *= weight[k]
    return d_ratio


@reordered
def _pull_rows(p: int, at: int, like: Any, levels: Levels, work: Work, d_f: Any) -> float:
    """Fill d/df of a pattern's rows; return d/d sd_b by way of w = sd_b t."""
    first, d_sd = levels.nodes[FIRST, p], 0.0
    t = levels.t[first : first + like.size]
    for i in range(levels.rows[p], levels.rows[p + 1]):
        slopes, total, moved = work.slopes[at : at + like.size], 0.0, 0.0
        for k in range(like.size):
            term = like[k] * slopes[k]
            total += term
            moved += term * t[k]
        d_f[i] = total
        d_sd += moved
        at += like.size
    return d_sd


@as_written
def _weigh_counts(b: int, data: KernelData, levels: Levels, work: Work) -> None:
    """Multiply the counts of a batch's elements by what their points weigh, which `work.like` holds."""
    at, node = 0, 0
    for p in range(levels.units[levels.batches[b]], levels.units[levels.batches[b + 1]]):
        count = levels.nodes[COUNT, p]
        for _ in range(levels.rows[p], levels.rows[p + 1]):
            for k in range(count):
                work.counts[at + k] *= work.like[node + k]
            at += count
        node += count


@as_written
def _spread_again(f: Any, sd: float, b: int, d_total: Any, data: KernelData, levels: Levels, work: Work) -> None:
    """Add d/d of the family's parameters: the batch's rows once more, each point counted as it weighs."""
    at = 0
    for p in range(levels.units[levels.batches[b]], levels.units[levels.batches[b + 1]]):
        at = spread_rows(f, sd, 0.0, p, data, levels, at, work)
    _weigh_counts(b, data, levels, work)
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
    fill_kernel(ratio, levels, work.kernel)
    total, d_sd, d_ratio = 0.0, 0.0, 0.0
    for b in range(levels.batches.size - 1):
        evaluate_batch(f, sd, b, data, levels, work)
        at, node = 0, 0
        for u in range(levels.batches[b], levels.batches[b + 1]):
            start_unit(u, 0.0, levels, work)
            at_unit, node_unit = at, node
            for p in range(levels.units[u], levels.units[u + 1]):
                rows, count = levels.rows[p + 1] - levels.rows[p], levels.nodes[COUNT, p]
                like = work.like[node : node + count]
                top = fill_likelihood(rows, work.values[at : at + rows * count], like)
                _add_pattern(u, p, top, like, levels, work)
                at, node = at + rows * count, node + count
            total += normalize(finish_unit(u, levels, work))
            at, node = at_unit, node_unit
            for p in range(levels.units[u], levels.units[u + 1]):
                rows, count = levels.rows[p + 1] - levels.rows[p], levels.nodes[COUNT, p]
                like = work.like[node : node + count]
                d_ratio += _pull_pattern(u, p, ratio, like, levels, work)
                d_sd += _pull_rows(p, at, like, levels, work, d_f)
                at, node = at + rows * count, node + count
        if data.sizes[layout.N_AUXILIARY] > 0:
            _spread_again(f, sd, b, d_parameters, data, levels, work)
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
    value = to_place(z, map_, x)
    factor = _grow(x, data, levels)
    value += data.sizes[layout.N_BETA] * math.log(factor)
    value += log_integrals(x, data, levels, new_work(data, levels), gradient) + add_scalar_priors(x, data, gradient)
    _pull_growth(x, factor, data, levels, gradient)
    pull_map(z, map_, gradient, carray(gradient_, (dim,)))
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
    to_place(carray(z_, (dim,)), map_, x)
    _grow(x, data, levels)
    return 0
