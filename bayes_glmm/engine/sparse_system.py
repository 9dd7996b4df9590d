"""H = [Z X]' W [Z X] + K(theta) of a model with related levels, as one sparse matrix in a fill-reducing order.

Input: a packed model and how its terms' levels are related. Output: a `SparseSystem`, where elements of H stand and
what K is made of: Omega (x) Q for each term, Q the precision of its levels. Everything that depends on theta enters by
`add_precisions` and leaves by `pull_precisions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_matrix, read_vector
from bayes_glmm.engine.dependence import CODES, KNOWN, count_parts, fill_parts
from bayes_glmm.engine.parameters import constrain, pull_term, term_given
from bayes_glmm.engine.sparse_factor import FactorPattern, factor_pattern, fill_reducing_order, places_in
from bayes_glmm.structures.precisions import PrecisionParts
from bayes_glmm.structures.series import Series
from bayes_glmm.structures.spectrum import Spectrum
from bayes_glmm.structures.structure import Structure

Array = npt.NDArray[np.float64]
Related = Structure | Series | Spectrum
Positions = npt.NDArray[np.int64]


class SparseSystem(NamedTuple):
    """Where H and its Cholesky factor have elements, and the terms' prior precisions; v = (u, beta) has N elements."""

    start: Positions  # FactorPattern
    rows: npt.NDArray[np.int32]
    product_start: Positions
    products: npt.NDArray[np.int32]
    place: Positions  # (N,) where each element of v stands; beta last
    term_start: Positions  # (terms + 1,) first entry of each term
    entries: npt.NDArray[
        np.int32
    ]  # (3, entries) of Omega (x) Q: element of H, pair a * k + b of coefficients, part of Q
    entry_values: Array  # (entries,) elements of the parts of Q
    kinds: Positions  # (3, terms) what levels' correlation depends on, and the term's first and last of `numbers`
    numbers: Array  # (2, any) gaps or eigenvalues, and how often each occurs


#: Length of the address table of a `SparseSystem`.
SYSTEM_SIZE = 3 * len(SparseSystem._fields)


@as_written
def read_system(table: Any) -> SparseSystem:
    """Rebuild the system from its table of addresses (compiled code only)."""
    return SparseSystem(
        read_vector(table, 0, np.int64),
        read_vector(table, 1, np.int32),
        read_vector(table, 2, np.int64),
        read_vector(table, 3, np.int32),
        read_vector(table, 4, np.int64),
        read_vector(table, 5, np.int64),
        read_matrix(table, 6, np.int32),
        read_vector(table, 7, np.float64),
        read_matrix(table, 8, np.int64),
        read_matrix(table, 9, np.float64),
    )


@as_written
def factor_of(system: SparseSystem) -> FactorPattern:
    """Return the pattern of H's factor."""
    return FactorPattern(system.start, system.rows, system.product_start, system.products)


@as_written
def parts_given(theta: Any, data: KernelData, system: SparseSystem, t: int) -> tuple[Any, Any, float, float]:
    """Return the factors of the parts of Q, their derivatives by theta, log det Q and its derivative."""
    kind, first, last = system.kinds[0, t], system.kinds[1, t], system.kinds[2, t]
    numbers, times = system.numbers[0, first:last], system.numbers[1, first:last]
    size = count_parts(kind, numbers)
    parts, slopes = np.empty(size), np.empty(size)
    if kind == KNOWN:
        log_det, d_log_det = fill_parts(kind, 0.0, numbers, times, parts, slopes)
        return parts, slopes, log_det, d_log_det
    own = data.terms[layout.THETA_START, t] + data.terms[layout.THETA_SIZE, t] - 1
    value, slope, _, _ = constrain(data.theta_table[own], theta[own])
    log_det, d_log_det = fill_parts(kind, value, numbers, times, parts, slopes)
    for c in range(size):
        slopes[c] *= slope
    return parts, slopes, log_det, d_log_det * slope


@as_written
def add_precisions(theta: Any, data: KernelData, system: SparseSystem, values: Any) -> None:
    """Add the terms' prior precisions at a theta to the elements of H."""
    for t in range(data.sizes[layout.N_TERMS]):
        k = data.terms[layout.COEFS, t]
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        term_given(theta, data, t, sd, factor, inverse, omega)
        parts, _, _, _ = parts_given(theta, data, system, t)
        for e in range(system.term_start[t], system.term_start[t + 1]):
            pair = system.entries[1, e]
            values[system.entries[0, e]] += (
                omega[pair // k, pair % k] * system.entry_values[e] * parts[system.entries[2, e]]
            )


@as_written
def pull_entries(t: int, k: int, system: SparseSystem, parts: Any, d_values: Any, d_omega: Any) -> None:
    """Add to d / d Omega (k, k) of one term, symmetric, what derivatives by the elements of H imply."""
    for e in range(system.term_start[t], system.term_start[t + 1]):
        pair = system.entries[1, e]
        value = 0.5 * system.entry_values[e] * parts[system.entries[2, e]] * d_values[system.entries[0, e]]
        d_omega[pair // k, pair % k] += value
        d_omega[pair % k, pair // k] += value


@as_written
def pull_precisions(theta: Any, data: KernelData, system: SparseSystem, d_values: Any, gradient: Any) -> None:
    """Add to d / d theta what derivatives by the elements of H imply: `add_precisions` in reverse."""
    for t in range(data.sizes[layout.N_TERMS]):
        k = data.terms[layout.COEFS, t]
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        d_omega = np.zeros((k, k))
        term_given(theta, data, t, sd, factor, inverse, omega)
        parts, slopes, _, _ = parts_given(theta, data, system, t)
        pull_entries(t, k, system, parts, d_values, d_omega)
        if system.kinds[0, t] != KNOWN:
            change = np.zeros((k, k))
            pull_entries(t, k, system, slopes, d_values, change)
            gradient[data.terms[layout.THETA_START, t] + data.terms[layout.THETA_SIZE, t] - 1] += np.sum(omega * change)
        pull_term(theta, data, t, sd, factor, inverse, d_omega, gradient)


def sparse_system(data: KernelData, structures: Sequence[Related | None]) -> SparseSystem | None:
    """Order a model with related levels, and find its factor's pattern.

    Parameters
    ----------
    data
        The model.
    structures
        How each term's levels are related; None for independent ones.

    Returns
    -------
    SparseSystem or None
        None where a factorization would take too long.
    """
    columns = predictor_columns(data)
    columns.data[:] = 1.0  # a pattern, in which nothing cancels
    precisions = _precisions(data, structures)
    entries, values, term_start = _entries(data, precisions)
    n = columns.shape[1]
    own = sparse.csc_array((np.ones(len(values)), (entries[0], entries[1])), shape=(n, n))
    union = sparse.csc_array(columns.T @ columns + own + own.T + sparse.eye_array(n))
    order = fill_reducing_order(union, int(data.sizes[layout.N_BETA]))
    factor = factor_pattern(sparse.csc_array(union[order][:, order]))
    if factor is None:
        return None
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    elements = elements_at(factor, place[entries[0]], place[entries[1]])
    both = np.ascontiguousarray(np.stack([elements, *entries[2:]]).astype(np.int32))
    return SparseSystem(*factor, place, term_start, both, values, *_kinds(precisions))


def elements_at(factor: FactorPattern, one: Positions, other: Positions) -> Positions:
    """Find elements of a symmetric matrix in its factor's pattern.

    Parameters
    ----------
    factor
        The pattern.
    one, other
        Places of their row and column, in any order.

    Returns
    -------
    numpy.ndarray
        The number of each element of the lower triangle.
    """
    return places_in(factor, np.maximum(one, other), np.minimum(one, other))


def predictor_columns(data: KernelData) -> sparse.csr_array:
    """Return the predictors of the rows.

    Parameters
    ----------
    data
        The model.

    Returns
    -------
    scipy.sparse.csr_array
        [Z X] (rows, N), columns as in v.
    """
    n, n_u, p = (int(data.sizes[i]) for i in (layout.N_ROWS, layout.N_U, layout.N_BETA))
    index, rows, values = [], [], []
    for t in range(data.terms.shape[1]):
        k, first, z = (int(data.terms[i, t]) for i in (layout.COEFS, layout.U_START, layout.Z_START))
        for c in range(k):
            index.append(first + k * data.codes[t].astype(np.int64) + c)
            rows.append(np.arange(n))
            values.append(data.Z[z + c])
    index.append(np.repeat(n_u + np.arange(p), n))
    rows.append(np.tile(np.arange(n), p))
    values.append(data.X.ravel())
    numbers, at, to = (np.concatenate(part) for part in (values, rows, index))
    return sparse.csr_array((numbers, (at, to)), shape=(n, n_u + p))


def _precisions(data: KernelData, structures: Sequence[Related | None]) -> list[PrecisionParts]:
    """Return the lower triangles of the levels' precisions, (levels, levels) of each term."""
    found = []
    for size, own in zip(data.terms[layout.LEVELS], structures, strict=True):
        if isinstance(own, Series | Spectrum):
            assert own.parts is not None  # else the kernel would not cover the model
            found.append(own.parts)
            continue
        lower = sparse.coo_array(sparse.eye_array(int(size)) if own is None else sparse.tril(own.precision))
        rows, columns = (index.astype(np.int64) for index in lower.coords)
        found.append(PrecisionParts("", rows, columns, np.zeros_like(rows), lower.data, np.zeros(0), np.zeros(0)))
    return found


def _kinds(precisions: Sequence[PrecisionParts]) -> tuple[Positions, Array]:
    """List what precisions depend on: (3, terms) kind and place of its numbers, and the numbers (2, any)."""
    last = np.cumsum([len(one.numbers) for one in precisions])
    kinds = [CODES.get(one.kind, KNOWN) for one in precisions]
    numbers = np.hstack([np.stack([one.numbers, one.times]) for one in precisions])
    return np.array([kinds, np.append(0, last)[:-1], last], dtype=np.int64), numbers


def _entries(data: KernelData, precisions: Sequence[PrecisionParts]) -> tuple[Positions, Array, Positions]:
    """List the elements of Omega (x) Q of all terms: two positions in v, pair, part of Q; and its element."""
    parts, numbers, sizes = [], [], [0]
    for t, lower in enumerate(precisions):
        k, first = int(data.terms[layout.COEFS, t]), int(data.terms[layout.U_START, t])
        i, j, q = lower.rows, lower.columns, lower.values
        for a in range(k):
            for b in range(k):
                # of a level with itself, each pair of coefficients once
                kept = (i != j) | (a >= b)
                at, to = first + k * i[kept] + a, first + k * j[kept] + b
                parts.append(np.stack([at, to, np.full(len(at), a * k + b), lower.part[kept]]).astype(np.int64))
                numbers.append(q[kept])
        sizes.append(sum(map(len, numbers)))
    return np.concatenate(parts, axis=1), np.concatenate(numbers), np.array(sizes, dtype=np.int64)
