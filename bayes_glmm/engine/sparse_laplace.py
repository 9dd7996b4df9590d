"""The mode of (u, beta) given theta, and the information there, of a model with related levels.

Input: a packed model and its `SparseSystem`. Output: compiled searches by Newton steps with a sparse H, and the
elements of [Z X]' W [Z X].
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.information import beta_precision, over_rows
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.newton import search_by
from bayes_glmm.engine.pointers import carray
from bayes_glmm.engine.sparse_factor import FactorPattern, factorize_sparse, solve_backwards, solve_forwards
from bayes_glmm.engine.sparse_system import (
    SYSTEM_SIZE,
    SparseSystem,
    add_precisions,
    elements_at,
    factor_of,
    read_system,
)
from bayes_glmm.engine.vectors import copy

Array = npt.NDArray[np.float64]
Elements = npt.NDArray[np.int32]


class SparseRows(NamedTuple):
    """A system, and which elements of H each row adds to."""

    system: SparseSystem
    common: Elements  # (p (p + 1) / 2,) pairs of beta, the same for all rows
    own: Elements  # (n, pairs) pairs of one of the row's levels with beta and with the levels before it


#: Length of the address table of `SparseRows`.
_ROWS_SIZE = SYSTEM_SIZE + 6


def sparse_rows(data: KernelData, system: SparseSystem) -> SparseRows:
    """Find the elements of H that each row adds to.

    Parameters
    ----------
    data
        The model.
    system
        Of H.

    Returns
    -------
    SparseRows
        Four bytes for each pair of a row's predictors of which one is a level's.
    """
    factor, n_u = FactorPattern(*system[:4]), int(data.sizes[layout.N_U])
    beta = system.place[n_u:]
    places = [np.full(len(data.counts), at) for at in beta]
    for t in range(data.terms.shape[1]):
        k, first = int(data.terms[layout.COEFS, t]), int(data.terms[layout.U_START, t])
        places += [system.place[first + k * data.codes[t].astype(np.int64) + c] for c in range(k)]
    below = np.tril_indices(len(beta))
    common = elements_at(factor, beta[below[0]], beta[below[1]])
    own = [elements_at(factor, places[a], places[b]) for a in range(len(beta), len(places)) for b in range(a + 1)]
    table = np.array(own, dtype=np.int32).reshape(-1, len(data.counts)).T
    return SparseRows(system, common.astype(np.int32), np.ascontiguousarray(table))


@as_written
def _read_rows(table: Any) -> SparseRows:
    rest = table[SYSTEM_SIZE:]
    return SparseRows(read_system(table), read_vector(rest, 0, np.int32), read_matrix(rest, 1, np.int32))


@as_written
def _add_row(data: KernelData, pattern: SparseRows, i: int, weight: float, z: Any, values: Any) -> None:
    """Add one row's w z z' to the elements of H."""
    p, at, own = data.sizes[layout.N_BETA], 0, pattern.own[i]
    for a in range(p):
        scaled = weight * z[a]
        for b in range(a + 1):
            values[pattern.common[at]] += scaled * z[b]
            at += 1
    at = 0
    for a in range(p, z.size):
        scaled = weight * z[a]
        for b in range(a + 1):
            values[own[at]] += scaled * z[b]
            at += 1


_add_rows = over_rows(_add_row)


@as_written
def _known(x: Any, data: KernelData, pattern: SparseRows, values: Any) -> None:
    """Fill the likelihood's information about (u, beta) at x, with the curvature of beta's priors.

    Directions of beta without any get a trace of it, as in `factorize_rest`.
    """
    values[:] = 0.0
    _add_rows(x, data, pattern, values)
    p, start = data.sizes[layout.N_BETA], pattern.system.start
    for j in range(p):
        diagonal = start[start.size - 1 - p + j]
        values[diagonal] += beta_precision(x, data, j)
        values[diagonal] = values[diagonal] * (1.0 + 1e-12) if values[diagonal] > 0.0 else 1.0


@as_written
def _step(x: Any, data: KernelData, pattern: SparseRows, gradient: Any) -> tuple[Any, float]:
    """Return a Newton step, and the log determinant of H: not-a-numbers where H has no factor."""
    system = pattern.system
    factor, values, v = factor_of(system), np.empty(system.rows.size), np.empty(gradient.size)
    _known(x, data, pattern, values)
    add_precisions(x[gradient.size :], data, system, values)
    log_det = factorize_sparse(factor, values)
    for i in range(v.size):
        v[system.place[i]] = gradient[i] if math.isfinite(log_det) else math.nan
    solve_forwards(factor, values, v)
    solve_backwards(factor, values, v)
    step = np.empty(gradient.size)
    for i in range(v.size):
        step[i] = v[system.place[i]]
    return step, log_det


_search = search_by(_step)


@native(CALL_SIGNATURE)
def find_mode(table_: Any) -> float:
    """Search the mode of (u, beta): reads KernelData, SparseRows, x (moved to it), tolerance, the density's address."""
    table = carray(table_, (layout.TABLE_SIZE + _ROWS_SIZE + 9,), np.uint64)
    pattern, rest = _read_rows(table[layout.TABLE_SIZE :]), table[layout.TABLE_SIZE + _ROWS_SIZE :]
    x, tolerance, density = (
        read_vector(rest, 0, np.float64),
        read_vector(rest, 1, np.float64)[0],
        read_vector(rest, 2, np.uint64)[0],
    )
    return _search(x, read_data(table), pattern, tolerance, density, np.uint64(table.ctypes.data))


@native(CALL_SIGNATURE)
def information(table_: Any) -> float:
    """Fill the elements of H at a position, without and with the terms' precisions: reads KernelData, SparseRows, x."""
    table = carray(table_, (layout.TABLE_SIZE + _ROWS_SIZE + 9,), np.uint64)
    data, pattern = read_data(table), _read_rows(table[layout.TABLE_SIZE :])
    rest = table[layout.TABLE_SIZE + _ROWS_SIZE :]
    x, known, precision = (
        read_vector(rest, 0, np.float64),
        read_vector(rest, 1, np.float64),
        read_vector(rest, 2, np.float64),
    )
    _known(x, data, pattern, known)
    copy(known, precision)
    add_precisions(x[data.sizes[layout.N_U] + data.sizes[layout.N_BETA] :], data, pattern.system, precision)
    return 0.0
