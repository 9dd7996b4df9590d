"""Exact draws of levels' effects given (beta, theta), by the same lattices that integrate them out.

Input: draws of [beta, theta], uniform draws and the points of integration, each level a pattern of its own. Output:
the effects, draw by draw. Where the sum of a density over a lattice does not depend on where the lattice begins, a draw
from the density is uniform modulo the step: the beginning is drawn first, for each level and each unit, then one of the
lattice's points by its density. Nothing is interpolated, and draws are as accurate as the integrals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written, ordered
from bayes_glmm.engine.data import KernelData, read_data, read_matrix
from bayes_glmm.engine.kernel import auxiliary_parameters, predict_block
from bayes_glmm.engine.level_integrals import Work, fill_batch, new_work, normalize, own_part, sds, unit_terms
from bayes_glmm.engine.level_points import LEVELS_SIZE, Levels, read_levels
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.pointers import carray


@as_written
def _pick(weights: Any, level: float) -> int:
    """Return the index at which the sum of weights exceeds a level."""
    for j in range(weights.size):
        level -= weights[j]
        if level < 0.0:
            return j
    return weights.size - 1


@as_written
def _begin(b: int, ratio: float, uniforms: Any, levels: Levels, work: Work) -> None:
    """Draw where the lattices of a batch's levels begin, and fill by how much that tilts their kernel."""
    n, first = levels.rows.size - 1, levels.units[levels.batches[b]]
    for u in range(levels.batches[b], levels.batches[b + 1]):
        shift = (uniforms[2 * (n + u)] - 0.5) * levels.s_steps[b] if levels.sds.size > 1 else 0.0
        for p in range(levels.units[u], levels.units[u + 1]):
            work.shift[p - first] = (uniforms[2 * p] - 0.5) * levels.t_steps[b]
            work.tilt[p - first] = work.shift[p - first] - ratio * shift


@ordered
def _weigh_points(like: Any, kernel: Any) -> None:
    for k in range(like.size):
        like[k] *= kernel[k]


@as_written
def _draw(x: Any, uniforms: Any, data: KernelData, levels: Levels, work: Work, f: Any, out: Any) -> None:
    """Fill one draw of the effects: of the finer factor's levels, then of units."""
    auxiliary_parameters(x, data, work.parameters)
    predict_block(x, data, 0, f.size, f)
    sd, coarser = sds(x, data, levels)
    ratio, n, nested = coarser / sd, levels.rows.size - 1, levels.sds.size > 1
    for b in range(levels.batches.size - 1):
        _begin(b, ratio, uniforms, levels, work)
        batch = fill_batch(b, f, sd, ratio, data, levels, work)
        for u in range(levels.batches[b], levels.batches[b + 1]):
            j, shared = 0, 0.0
            if nested:
                shift = (uniforms[2 * (n + u)] - 0.5) * batch.s_step
                shares = unit_terms(u, shift, ratio, batch, levels, work)
                normalize(shares)
                j = _pick(shares, uniforms[2 * (n + u) + 1])
                shared = ratio * (batch.s[j] + shift)
                out[n + u] = sd * shared
            for p in range(levels.units[u], levels.units[u + 1]):
                own = p - batch.first
                like, t = own_part(batch.like[own], own, batch, levels), own_part(batch.t, own, batch, levels)
                _weigh_points(like, own_part(batch.kernel[j], own, batch, levels))
                k = _pick(like, uniforms[2 * p + 1] * batch.inner[own, j])
                out[p] = sd * (t[k] + work.shift[own] - shared)


@as_written
def _draw_effects(x: Any, uniforms: Any, data: KernelData, levels: Levels, out: Any) -> None:
    """Draw effects given each draw of [beta, theta], one row of each per draw."""
    work, f = new_work(data, levels), np.empty(data.sizes[layout.N_ROWS])
    for i in range(x.shape[0]):
        _draw(x[i], uniforms[i], data, levels, work, f, out[i])


@native(CALL_SIGNATURE)
def draw_effects(table_: Any) -> float:
    """Call `_draw_effects`.

    Reads KernelData, Levels, x (draws, p + d) and uniform draws, two an effect; fills the effects, those of the finer
    factor's levels in the order of patterns, then those of the units.
    """
    table = carray(table_, (layout.TABLE_SIZE + LEVELS_SIZE + 9,), np.uint64)
    levels, rest = table[layout.TABLE_SIZE :], table[layout.TABLE_SIZE + LEVELS_SIZE :]
    x, uniforms = read_matrix(rest, 0, np.float64), read_matrix(rest, 1, np.float64)
    _draw_effects(x, uniforms, read_data(table), read_levels(levels), read_matrix(rest, 2, np.float64))
    return 0.0
