"""Exact draws of levels' effects given (beta, theta), by the same lattices that integrate them out.

Input: draws of [beta, theta], uniform draws and the points of integration. Output: the effects, draw by draw. Where the
sum of a density over a lattice does not depend on where the lattice begins, a draw from the density is uniform modulo
the step: the beginning is drawn first, then one of the lattice's points by its density. Nothing is interpolated, and
draws are as accurate as the integrals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written, ordered, reordered
from bayes_glmm.engine.data import KernelData, read_data, read_matrix
from bayes_glmm.engine.kernel import auxiliary_parameters, predict_block
from bayes_glmm.engine.level_integrals import (
    Work,
    evaluate_batch,
    evaluate_elements,
    fill_kernel,
    fill_likelihood,
    finish_unit,
    multiply,
    new_work,
    normalize,
    sds,
    spread_rows,
    start_unit,
)
from bayes_glmm.engine.level_points import COUNT, FIRST, LEVELS_SIZE, Levels, read_levels
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.pointers import carray
from bayes_glmm.engine.vector_math import fast_exp
from bayes_glmm.engine.vectors import dot


@as_written
def _pick(logs: Any, uniform: float) -> int:
    """Return an index with probability proportional to the exponential; the logs are used up."""
    normalize(logs)
    for j in range(logs.size):
        uniform -= logs[j]
        if uniform < 0.0:
            return j
    return logs.size - 1


@ordered
def _fill_tilt(rate: float, t: Any, tilt: Any) -> None:
    """Fill exp(rate t): N(t; c + r, 1) is N(t; c, 1) exp(r t), up to a factor."""
    for k in range(t.size):
        tilt[k] = fast_exp(rate * t[k])


@reordered
def _add_shifted(
    u: int, p: int, top: float, ratio: float, shift: float, tilted: Any, levels: Levels, work: Work
) -> None:
    """Add m log I_p at the unit's points, all moved by the same shift of s."""
    first = levels.nodes[FIRST, p]
    for j in range(levels.outer[COUNT, u]):
        q = levels.outer[FIRST, u] + j
        total = dot(tilted, work.kernel[q][first : first + tilted.size])
        moved = ratio * ratio * shift * (levels.s[q] + 0.5 * shift)
        multiply(j, levels.multiplicity[p], total, top - moved, work)


@as_written
def _draw_shared(
    f: Any, sd: float, ratio: float, uniforms: Any, data: KernelData, levels: Levels, work: Work, out: Any
) -> None:
    """Fill each unit's c / sd_b."""
    fill_kernel(ratio, levels, work.kernel)
    tilt = np.empty(levels.t.size)
    for b in range(levels.batches.size - 1):
        evaluate_batch(f, sd, b, data, levels, work)
        at = 0
        for u in range(levels.batches[b], levels.batches[b + 1]):
            first = levels.outer[FIRST, u]
            shift = (uniforms[2 * u] - 0.5) * levels.s_steps[first]
            start_unit(u, shift, levels, work)
            _fill_tilt(ratio * shift, levels.t, tilt)
            for p in range(levels.units[u], levels.units[u + 1]):
                rows, points, node = levels.rows[p + 1] - levels.rows[p], levels.nodes[COUNT, p], levels.nodes[FIRST, p]
                like = work.like[:points]
                top = fill_likelihood(rows, work.values[at : at + rows * points], like)
                for k in range(points):
                    like[k] *= tilt[node + k]
                _add_shifted(u, p, top, ratio, shift, like, levels, work)
                at += rows * points
            j = _pick(finish_unit(u, levels, work), uniforms[2 * u + 1])
            out[u] = ratio * (levels.s[first + j] + shift)


@ordered
def _conditional(rows: int, centre: float, shift: float, t: Any, values: Any, logs: Any) -> None:
    """Fill the log density of w / sd_b at a level's points, moved by a shift, given c / sd_b."""
    for k in range(t.size):
        z = t[k] + shift - centre
        logs[k] = -0.5 * z * z
    for r in range(rows):
        part = values[r * t.size : (r + 1) * t.size]
        for k in range(t.size):
            logs[k] += part[k]


@as_written
def _draw_pending(
    first: int, last: int, owner: Any, sd: float, shared: Any, uniforms: Any, levels: Levels, work: Work, out: Any
) -> None:
    """Draw the effects of the levels whose elements have been evaluated."""
    at = 0
    for level in range(first, last):
        p, u = owner[0, level], owner[1, level]
        rows, node, count = levels.rows[p + 1] - levels.rows[p], levels.nodes[FIRST, p], levels.nodes[COUNT, p]
        shift = (uniforms[2 * level] - 0.5) * levels.t_steps[node]
        t, logs = levels.t[node : node + count], work.like[:count]
        _conditional(rows, shared[u], shift, t, work.values[at : at + rows * count], logs)
        out[level] = sd * (t[_pick(logs, uniforms[2 * level + 1])] + shift - shared[u])
        at += rows * count


@as_written
def _draw(x: Any, owner: Any, uniforms: Any, data: KernelData, levels: Levels, work: Work, f: Any, out: Any) -> None:
    """Fill one draw of the effects: of the finer factor's levels in the order of patterns, then of units."""
    auxiliary_parameters(x, data, work.parameters)
    predict_block(x, data, 0, f.size, f)
    sd, coarser = sds(x, data, levels)
    n, units = owner.shape[1], levels.units.size - 1
    shared = np.zeros(units)
    if levels.sds.size > 1:
        _draw_shared(f, sd, coarser / sd, uniforms[2 * n :], data, levels, work, shared)
        for u in range(units):
            out[n + u] = sd * shared[u]
    first, at = 0, 0
    for level in range(n):
        p = owner[0, level]
        size = (levels.rows[p + 1] - levels.rows[p]) * levels.nodes[COUNT, p]
        if at + size > work.eta.size:
            evaluate_elements(at, data, work)
            _draw_pending(first, level, owner, sd, shared, uniforms, levels, work, out)
            first, at = level, 0
        shift = (uniforms[2 * level] - 0.5) * levels.t_steps[levels.nodes[FIRST, p]]
        at = spread_rows(f, sd, shift, p, data, levels, at, work)
    evaluate_elements(at, data, work)
    _draw_pending(first, n, owner, sd, shared, uniforms, levels, work, out)


@as_written
def _draw_effects(x: Any, owner: Any, uniforms: Any, data: KernelData, levels: Levels, out: Any) -> None:
    """Draw effects given each draw of [beta, theta], one row of each per draw."""
    work, f = new_work(data, levels), np.empty(data.sizes[layout.N_ROWS])
    for i in range(x.shape[0]):
        _draw(x[i], owner, uniforms[i], data, levels, work, f, out[i])


@native(CALL_SIGNATURE)
def draw_effects(table_: Any) -> float:
    """Call `_draw_effects`.

    Reads KernelData, Levels, x (draws, p + d), the pattern and unit of each level (2, n) and uniform draws, two an
    effect; fills the effects, those of the finer factor's levels in the order of patterns, then those of the units.
    """
    table = carray(table_, (layout.TABLE_SIZE + LEVELS_SIZE + 12,), np.uint64)
    levels, rest = table[layout.TABLE_SIZE :], table[layout.TABLE_SIZE + LEVELS_SIZE :]
    x, owner, uniforms, out = (
        read_matrix(rest, 0, np.float64),
        read_matrix(rest, 1, np.int64),
        read_matrix(rest, 2, np.float64),
        read_matrix(rest, 3, np.float64),
    )
    _draw_effects(x, owner, uniforms, read_data(table), read_levels(levels), out)
    return 0.0
