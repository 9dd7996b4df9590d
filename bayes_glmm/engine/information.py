"""The information matrix of (u, beta) given theta, and its block elimination.

The largest term's levels are independent of each other given the rest, so H has the shape of an arrow: blocks of k x k
for that term, sparse coupling to the rest (other terms' u, then beta), and a dense rest. Input: a position and the
model's data. Output: the blocks, their factors, solutions and log determinants. Nothing of rows x levels is ever
formed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.channels import row_factors, workspace
from bayes_glmm.engine.data import KernelData, read_matrix, read_vector
from bayes_glmm.engine.kernel import BLOCK, auxiliary_parameters, predict_block
from bayes_glmm.engine.parameters import log_prior, term_given
from bayes_glmm.engine.pointers import as_pointer, carray
from bayes_glmm.engine.vectors import dot

#: Elements a side below which the dense rest is worked on by loops: a library's call costs more.
SMALL = 16


class Pattern(NamedTuple):
    """Which parts of the rest each level of the largest term meets.

    The rest is [u of the second term, ..., u of the last, beta], q elements.
    """

    start: npt.NDArray[np.int64]  # (levels + 1,) first coupling of each level
    columns: npt.NDArray[np.int64]  # (couplings,) element of the rest, sorted within a level
    slots: npt.NDArray[np.int64]  # (G, n) first coupling of a row's level in term t >= 1; row 0 for beta


class Information(NamedTuple):
    """Blocks of the information (or of H, once priors are added)."""

    levels: npt.NDArray[np.float64]  # (levels, k, k) the largest term
    coupling: npt.NDArray[np.float64]  # (couplings, k)
    rest: npt.NDArray[np.float64]  # (q, q)


class Factors(NamedTuple):
    """H after elimination of the largest term."""

    levels: npt.NDArray[np.float64]  # (levels, k, k) lower Cholesky factors of the blocks
    shrunk: npt.NDArray[np.float64]  # (couplings, k) block^-1 coupling
    rest: npt.NDArray[np.float64]  # (q, q) lower Cholesky factor of the Schur complement
    log_det: float


def coupling_pattern(data: KernelData) -> Pattern:
    """Find the couplings of the largest term's levels.

    Parameters
    ----------
    data
        The model.

    Returns
    -------
    Pattern
        Built by sorting the pairs of levels that occur together; linear memory in rows and pairs.
    """
    n, n_terms, n_beta = (int(data.sizes[i]) for i in (layout.N_ROWS, layout.N_TERMS, layout.N_BETA))
    if n_terms == 0:
        empty = np.zeros(0, dtype=np.int64)
        return Pattern(np.zeros(1, dtype=np.int64), empty, np.zeros((1, n), dtype=np.int64))
    k0, levels = int(data.terms[layout.COEFS, 0]), int(data.terms[layout.LEVELS, 0])
    first = data.codes[0].astype(np.int64)
    n_first_u, n_rest_u = k0 * levels, int(data.sizes[layout.N_U]) - k0 * levels
    owner = [np.repeat(np.arange(levels), n_beta)]
    column = [np.tile(n_rest_u + np.arange(n_beta), levels)]
    pair_of_row, pair_key = [], []
    for t in range(1, n_terms):
        k, size = int(data.terms[layout.COEFS, t]), int(data.terms[layout.LEVELS, t])
        keys, inverse = np.unique(first * size + data.codes[t], return_inverse=True)
        start = int(data.terms[layout.U_START, t]) - n_first_u + k * (keys % size)
        pair_of_row.append(inverse)
        pair_key.append((keys // size, start))
        for c in range(k):
            owner.append(keys // size)
            column.append(start + c)
    owners, columns = np.concatenate(owner), np.concatenate(column)
    order = np.lexsort((columns, owners))
    owners, columns = owners[order], columns[order]
    start_of = np.searchsorted(owners, np.arange(levels + 1))
    width = int(data.sizes[layout.N_U]) - n_first_u + n_beta
    flat = owners * max(width, 1) + columns
    slots = np.zeros((n_terms, n), dtype=np.int64)
    slots[0] = start_of[first + 1] - n_beta
    for t in range(1, n_terms):
        pair_owner, pair_start = pair_key[t - 1]
        slots[t] = np.searchsorted(flat, pair_owner * max(width, 1) + pair_start)[pair_of_row[t - 1]]
    return Pattern(start_of, columns, slots)


@as_written
def rest_start(data: KernelData, t: int) -> int:
    """First element of term t >= 1 in the rest."""
    return data.terms[layout.U_START, t] - data.terms[layout.COEFS, 0] * data.terms[layout.LEVELS, 0]


@as_written
def row_values(data: KernelData, i: int, z: Any) -> None:
    """Fill `z` (p + K,) with one row's fixed and random predictors."""
    n_beta = data.sizes[layout.N_BETA]
    for b in range(n_beta):
        z[b] = data.X[b, i]
    for c in range(data.Z.shape[0]):
        z[n_beta + c] = data.Z[c, i]


@as_written
def add_row(data: KernelData, pattern: Pattern, i: int, weight: float, z: Any, out: Information) -> None:
    """Add one row's w z z' to the blocks; `z` are its fixed and random predictors, as of `row_values`."""
    n_terms, n_beta = data.sizes[layout.N_TERMS], data.sizes[layout.N_BETA]
    k0 = data.terms[layout.COEFS, 0] if n_terms > 0 else 0
    first_beta = out.rest.shape[0] - n_beta
    for b in range(n_beta):
        scaled = z[b] * weight
        for a in range(b + 1):
            out.rest[first_beta + b, first_beta + a] += scaled * z[a]
    if n_terms == 0:
        return
    level = data.codes[0, i]
    for c in range(k0):
        scaled = weight * z[n_beta + c]
        for a in range(k0):
            out.levels[level, c, a] += scaled * z[n_beta + a]
        for b in range(n_beta):
            out.coupling[pattern.slots[0, i] + b, c] += scaled * z[b]
    for t in range(1, n_terms):
        k, own = data.terms[layout.COEFS, t], n_beta + data.terms[layout.Z_START, t]
        here = rest_start(data, t) + k * data.codes[t, i]
        for c in range(k):
            scaled = weight * z[own + c]
            for a in range(k0):
                out.coupling[pattern.slots[t, i] + c, a] += scaled * z[n_beta + a]
            for b in range(n_beta):
                out.rest[first_beta + b, here + c] += scaled * z[b]
            for other in range(1, t + 1):
                k_other, other_z = data.terms[layout.COEFS, other], n_beta + data.terms[layout.Z_START, other]
                there = rest_start(data, other) + k_other * data.codes[other, i]
                for a in range(k_other):
                    if there + a <= here + c:
                        out.rest[here + c, there + a] += scaled * z[other_z + a]


def new_information(data: KernelData, pattern: Pattern) -> Information:
    """Return an empty information matrix of a model.

    Parameters
    ----------
    data
        The model.
    pattern
        Couplings of its largest term.

    Returns
    -------
    Information
        Zeros.
    """
    n_terms, n_beta = data.sizes[layout.N_TERMS], data.sizes[layout.N_BETA]
    k0 = data.terms[layout.COEFS, 0] if n_terms > 0 else 0
    levels = data.terms[layout.LEVELS, 0] if n_terms > 0 else 0
    q = data.sizes[layout.N_U] - k0 * levels + n_beta
    return Information(np.zeros((levels, k0, k0)), np.zeros((pattern.columns.size, k0)), np.zeros((q, q)))


def over_rows(add: Any) -> Any:
    """Return what adds [Z X]' W [Z X] at x to a matrix, row by row and for each linear predictor.

    `add` (data, pattern, row, weight, predictors, matrix) adds w z z', z (p + K,).
    """

    @as_written
    def fill(x: Any, data: KernelData, pattern: Any, out: Any) -> None:
        n, channels = data.sizes[layout.N_ROWS], data.predictors.shape[0]
        eta, lower, upper = np.empty(channels * BLOCK), np.empty(channels * BLOCK), np.empty(channels * BLOCK)
        factors, work = np.empty((BLOCK, channels, channels)), np.empty(workspace(data, BLOCK))
        z, part = np.empty(data.channels.size), np.empty(data.channels.size)
        parameters = np.empty(data.sizes[layout.N_AUXILIARY] + 2)
        auxiliary_parameters(x, data, parameters)
        for start in range(0, n, BLOCK):
            stop = min(start + BLOCK, n)
            predict_block(x, data, start, stop, eta)
            row_factors(data, start, stop, eta, parameters, work, lower, upper, factors)
            for i in range(start, stop):
                row_values(data, i, z)
                for m in range(channels):
                    # a column of L multiplies each predictor by what belongs to the one it acts on
                    for j in range(z.size):
                        c = data.channels[j]
                        part[j] = z[j] if c == m else z[j] * factors[i - start, c, m]
                    add(data, pattern, i, factors[i - start, m, m], part, out)

    return fill


_add_rows = over_rows(add_row)


@as_written
def likelihood_information(x: Any, data: KernelData, pattern: Pattern, out: Information) -> None:
    """Fill the information of the likelihood about (u, beta) at x: [Z X]' W [Z X], lower triangle of the rest."""
    out.levels[:], out.coupling[:], out.rest[:] = 0.0, 0.0, 0.0
    _add_rows(x, data, pattern, out)


@as_written
def term_precision(x: Any, data: KernelData, t: int) -> Any:
    """Return Omega = Sigma^-1 of one term at the theta of x."""
    k, theta = data.terms[layout.COEFS, t], x[data.sizes[layout.N_U] + data.sizes[layout.N_BETA] :]
    sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    term_given(theta, data, t, sd, factor, inverse, omega)
    return omega


@as_written
def beta_precision(x: Any, data: KernelData, j: int) -> float:
    """Return minus the second derivative of beta_j's log prior, at least 0."""
    n_u, step = data.sizes[layout.N_U], 1e-4
    row = data.beta_table[j]
    slope = log_prior(row, x[n_u + j] + step)[1] - log_prior(row, x[n_u + j] - step)[1]
    return max(-slope / (2.0 * step), 0.0)


@as_written
def add_term_precision(omega: Any, data: KernelData, t: int, out: Information) -> None:
    """Add Omega of one term to the blocks of its levels."""
    k = omega.shape[0]
    for level in range(data.terms[layout.LEVELS, t]):
        if t == 0:
            for a in range(k):
                for b in range(k):
                    out.levels[level, a, b] += omega[a, b]
        else:
            here = rest_start(data, t) + k * level
            for a in range(k):
                for b in range(k):
                    out.rest[here + a, here + b] += omega[a, b]


@as_written
def add_priors(x: Any, data: KernelData, out: Information) -> None:
    """Turn the likelihood's information into H: add each term's precision and the curvature of beta's priors."""
    n_terms, n_beta = data.sizes[layout.N_TERMS], data.sizes[layout.N_BETA]
    for t in range(n_terms):
        add_term_precision(term_precision(x, data, t), data, t, out)
    first_beta = out.rest.shape[0] - n_beta
    for j in range(n_beta):
        out.rest[first_beta + j, first_beta + j] += beta_precision(x, data, j)


@as_written
def _factorize_block(blocks: Any, level: int, lower: Any) -> None:
    """`cholesky_small` of one level's block among all, which no slice is made for."""
    k = blocks.shape[1]
    for i in range(k):
        for j in range(i + 1):
            total = blocks[level, i, j]
            for m in range(j):
                total -= lower[level, i, m] * lower[level, j, m]
            if i == j:
                lower[level, i, i] = math.sqrt(max(total, 1e-300))
            else:
                lower[level, i, j] = total / lower[level, j, j]
        for j in range(i + 1, k):
            lower[level, i, j] = 0.0


@as_written
def solve_block(lower: Any, level: int, right: Any, row: int, out: Any) -> None:
    """Fill one row of `out` with block^-1 times that row of `right`: `solve_small` without slices."""
    k = lower.shape[1]
    for i in range(k):
        total = right[row, i]
        for j in range(i):
            total -= lower[level, i, j] * out[row, j]
        out[row, i] = total / lower[level, i, i]
    for i in range(k - 1, -1, -1):
        total = out[row, i]
        for j in range(i + 1, k):
            total -= lower[level, j, i] * out[row, j]
        out[row, i] = total / lower[level, i, i]


@as_written
def eliminate(matrix: Information, pattern: Pattern) -> tuple[Any, Any, Any, float]:
    """Eliminate the largest term: its blocks' Cholesky factors, block^-1 coupling, Schur complement, log det."""
    levels, k = matrix.levels.shape[0], matrix.levels.shape[1]
    factors, shrunk = np.empty_like(matrix.levels), np.empty_like(matrix.coupling)
    rest = matrix.rest.copy()
    log_det = 0.0
    for level in range(levels):
        _factorize_block(matrix.levels, level, factors)
        for c in range(k):
            log_det += 2.0 * math.log(factors[level, c, c])
        first, last = pattern.start[level], pattern.start[level + 1]
        for m in range(first, last):
            solve_block(factors, level, matrix.coupling, m, shrunk)
            column = pattern.columns[m]
            for other in range(first, m + 1):
                total = 0.0
                for c in range(k):
                    total += matrix.coupling[other, c] * shrunk[m, c]
                rest[column, pattern.columns[other]] -= total
    return factors, shrunk, rest, log_det


@as_written
def cholesky(matrix: Any) -> Any:
    """Return the lower Cholesky factor; NaNs where there is none (an exception would be lost in a C function)."""
    q = matrix.shape[0]
    if q <= SMALL:
        lower = np.zeros((q, q))
        for i in range(q):
            for j in range(i + 1):
                total = matrix[i, j]
                for m in range(j):
                    total -= lower[i, m] * lower[j, m]
                if i == j and not total > 0.0:
                    return np.full_like(matrix, np.nan)
                lower[i, j] = math.sqrt(total) if i == j else total / lower[j, j]
        return lower
    try:
        return np.linalg.cholesky(matrix)
    except Exception:  # numba knows no narrower one
        return np.full_like(matrix, np.nan)


@as_written
def factorize_rest(rest: Any, before: Any, exact: bool) -> Any:
    """Return the Cholesky factor of the Schur complement `rest`, whose diagonal was `before` the elimination.

    Directions without information (a flat prior on a collinear column) get a trace of curvature; under `exact` only
    where there are any, for a trace of a large precision is much beside a small one that elimination leaves.
    """
    q = rest.shape[0]
    if exact:
        lower = cholesky(rest)
        regular = True
        for i in range(q):
            # false for NaN, too
            regular = regular and lower[i, i] * lower[i, i] > 1e-15 * before[i]
        if regular:
            return lower
    for i in range(q):
        rest[i, i] += 1e-12 * before[i] if before[i] > 0.0 else 1.0
    return cholesky(rest)


@as_written
def factorize(matrix: Information, pattern: Pattern, exact: bool = False) -> Factors:
    """Factorize H by elimination of the largest term and `factorize_rest`."""
    factors, shrunk, rest, log_det = eliminate(matrix, pattern)
    q = rest.shape[0]
    before = np.empty(q)
    for i in range(q):
        before[i] = matrix.rest[i, i]
        for j in range(i):
            rest[j, i] = rest[i, j]
    lower = factorize_rest(rest, before, exact) if q > 0 else rest
    for i in range(q):
        log_det += 2.0 * math.log(lower[i, i])
    return Factors(factors, shrunk, lower, log_det)


@as_written
def inverse_of(lower: Any) -> Any:
    """Return (L L')^-1 from a lower Cholesky factor."""
    q = lower.shape[0]
    if q > SMALL:
        inverse = np.linalg.inv(lower)
        return inverse.T @ inverse
    half, out = np.zeros((q, q)), np.empty((q, q))
    for j in range(q):
        for i in range(j, q):
            total = 1.0 if i == j else 0.0
            for m in range(j, i):
                total -= lower[i, m] * half[m, j]
            half[i, j] = total / lower[i, i]
    for i in range(q):
        for j in range(i + 1):
            total = 0.0
            for m in range(i, q):
                total += half[m, i] * half[m, j]
            out[i, j] = out[j, i] = total
    return out


@as_written
def solve(factors: Factors, coupling: Any, pattern: Pattern, right: Any) -> Any:
    """Solve H v = right for v = [u of the largest term, the rest]."""
    levels, k = factors.levels.shape[0], factors.levels.shape[1]
    out = right.copy()
    rest = out[levels * k :]
    for level in range(levels):
        solve_small(factors.levels[level], out[level * k : level * k + k])
        for m in range(pattern.start[level], pattern.start[level + 1]):
            for c in range(k):
                rest[pattern.columns[m]] -= coupling[m, c] * out[level * k + c]
    cholesky_solve(factors.rest, rest)
    for level in range(levels):
        for m in range(pattern.start[level], pattern.start[level + 1]):
            for c in range(k):
                out[level * k + c] -= factors.shrunk[m, c] * rest[pattern.columns[m]]
    return out


@as_written
def cholesky_small(matrix: Any, lower: Any) -> None:
    """Fill the lower Cholesky factor of a small matrix; pivots are kept positive."""
    k = matrix.shape[0]
    for i in range(k):
        for j in range(i + 1):
            total = matrix[i, j]
            for m in range(j):
                total -= lower[i, m] * lower[j, m]
            if i == j:
                lower[i, i] = math.sqrt(max(total, 1e-300))
            else:
                lower[i, j] = total / lower[j, j]
        for j in range(i + 1, k):
            lower[i, j] = 0.0


@as_written
def solve_small(lower: Any, vector: Any) -> None:
    """Solve (L L') x = vector in place, for small matrices."""
    forward_small(lower, vector)
    backward_small(lower, vector)


@as_written
def forward_small(lower: Any, vector: Any) -> None:
    """Solve L x = vector in place."""
    for i in range(lower.shape[0]):
        total = vector[i]
        for j in range(i):
            total -= lower[i, j] * vector[j]
        vector[i] = total / lower[i, i]


@as_written
def backward_small(lower: Any, vector: Any) -> None:
    """Solve L' x = vector in place."""
    k = lower.shape[0]
    for i in range(k - 1, -1, -1):
        total = vector[i]
        for j in range(i + 1, k):
            total -= lower[j, i] * vector[j]
        vector[i] = total / lower[i, i]


@as_written
def cholesky_solve(lower: Any, vector: Any) -> None:
    """Solve (L L') x = vector in place, for the dense rest (row by row, so that memory is read in order)."""
    q = lower.shape[0]
    if q <= SMALL:
        solve_small(lower, vector)
        return
    for i in range(q):
        vector[i] = (vector[i] - dot(lower[i, :i], vector[:i])) / lower[i, i]
    backward_rows(lower, vector)


@as_written
def backward_rows(lower: Any, vector: Any) -> None:
    """Solve L' x = vector in place, for the dense rest: `backward_small` that reads memory in order."""
    for i in range(lower.shape[0] - 1, -1, -1):
        vector[i] /= lower[i, i]
        for j in range(i):
            vector[j] -= lower[i, j] * vector[i]


@as_written
def read_pattern(table: Any) -> Pattern:
    """Rebuild a pattern from its addresses (compiled code only)."""
    return Pattern(read_vector(table, 0, np.int64), read_vector(table, 1, np.int64), read_matrix(table, 2, np.int64))


@as_written
def read_information(table: Any) -> Information:
    """Rebuild an information matrix from its addresses (compiled code only)."""
    coupling = read_matrix(table, 1, np.float64)
    k = coupling.shape[1]
    levels = carray(as_pointer(table[0]), (table[1], k, k), np.float64)
    return Information(levels, coupling, read_matrix(table, 2, np.float64))
