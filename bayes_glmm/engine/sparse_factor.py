"""Sparse Cholesky factors: the pattern once, then numbers as often as a density asks for them.

Input: the pattern of a symmetric matrix. Output: an order that fills little, the factor's pattern, and compiled verbs:
factorize, reverse (from derivatives by the factor to those by the matrix), and solve forwards and backwards.

Which elements each column changes is written out, so that the verbs are loops over lists. What a factorization takes is
known beforehand from the length of that list.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import linalg

from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import read_vector
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.pointers import carray

Positions = npt.NDArray[np.int64]

#: Most products of a factorization that are listed: 4 bytes each, some 30 milliseconds a factorization.
MOST_PRODUCTS = 10_000_000


class FactorPattern(NamedTuple):
    """Where a lower triangular factor has elements, column by column, each column's diagonal first."""

    start: Positions  # (n + 1,) first element of each column
    rows: npt.NDArray[np.int32]  # (elements,)
    product_start: Positions  # (n + 1,) first product of each column
    products: npt.NDArray[np.int32]  # (products,) the element each pair of a column's elements is taken from


def fill_reducing_order(pattern: sparse.csc_array, last: int) -> Positions:
    """Order rows and columns by minimum degree.

    Parameters
    ----------
    pattern
        Symmetric (n, n); its elements' values play no part.
    last
        How many of the last rows stay last.

    Returns
    -------
    numpy.ndarray
        (n,) the row at each place.
    """
    n = pattern.shape[0]
    inner = pattern[: n - last, : n - last].tocsc()
    if inner.shape[0] == 0:
        return np.arange(n, dtype=np.int64)
    # incomplete factors keep nothing: only their order is wanted
    values = sparse.csc_array((np.full(inner.nnz, -1e-3), inner.indices, inner.indptr), shape=inner.shape)
    values = sparse.csc_array(values + sparse.diags_array(np.full(inner.shape[0], 2.0)))
    factors = linalg.spilu(
        values, drop_tol=1.0, fill_factor=1.0, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )  # fmt: skip
    order = np.argsort(factors.perm_c)
    return np.concatenate([order, np.arange(n - last, n)]).astype(np.int64)


def factor_pattern(pattern: sparse.csc_array) -> FactorPattern | None:
    """Find where the Cholesky factor has elements.

    Parameters
    ----------
    pattern
        Symmetric (n, n), in its final order.

    Returns
    -------
    FactorPattern or None
        None where the factorization has more than `MOST_PRODUCTS`.
    """
    n, work = pattern.shape[0], 0
    lower = sparse.tril(pattern, -1, format="csc")
    below: list[npt.NDArray[np.int32]] = []
    children: list[list[int]] = [[] for _ in range(n)]
    for j in range(n):
        parts = [lower.indices[lower.indptr[j] : lower.indptr[j + 1]].astype(np.int32)]
        parts += [below[child][1:] for child in children[j]]
        column = np.unique(np.concatenate(parts)) if len(parts) > 1 else np.sort(parts[0])
        below.append(column)
        work += len(column) * (len(column) + 1) // 2
        if work > MOST_PRODUCTS:
            return None
        if len(column):
            children[int(column[0])].append(j)
    sizes = np.array([len(column) for column in below], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(sizes + 1)])
    product_start = np.concatenate([[0], np.cumsum(sizes * (sizes + 1) // 2)])
    rows = np.empty(start[-1], dtype=np.int32)
    rows[start[:-1]] = np.arange(n)
    for j, column in enumerate(below):
        rows[start[j] + 1 : start[j + 1]] = column
    found = FactorPattern(start, rows, product_start, np.empty(product_start[-1], dtype=np.int32))
    list_products(found)
    return found


def places_in(pattern: FactorPattern, rows: Positions, columns: Positions) -> Positions:
    """Find elements of the lower triangle in the factor's pattern.

    Parameters
    ----------
    pattern
        The factor's.
    rows, columns
        Positions, rows at or below the diagonal.

    Returns
    -------
    numpy.ndarray
        The element's number, for each.
    """
    n = len(pattern.start) - 1
    column_of = np.repeat(np.arange(n), np.diff(pattern.start))
    return np.searchsorted(column_of * n + pattern.rows, columns * n + rows).astype(np.int64)


@as_written
def read_pattern(table: Any) -> FactorPattern:
    """Rebuild the pattern from its table of addresses (compiled code only)."""
    return FactorPattern(
        read_vector(table, 0, np.int64),
        read_vector(table, 1, np.int32),
        read_vector(table, 2, np.int64),
        read_vector(table, 3, np.int32),
    )


@native(CALL_SIGNATURE)
def list_products(table_: Any) -> float:
    """Fill `products`: reads a `FactorPattern`."""
    pattern = read_pattern(carray(table_, (3 * 4,), np.uint64))
    start, rows, at = pattern.start, pattern.rows, 0
    for j in range(start.size - 1):
        for a in range(start[j] + 1, start[j + 1]):
            place = start[rows[a]]
            for b in range(a, start[j + 1]):
                while rows[place] != rows[b]:
                    place += 1
                pattern.products[at] = place
                at += 1
    return float(at)


@as_written
def factorize_sparse(pattern: FactorPattern, values: Any) -> float:
    """Turn a matrix's lower triangle into its factor; return the log determinant, not-a-number where there is none."""
    start, at, log_det = pattern.start, 0, 0.0
    for j in range(start.size - 1):
        first, last = start[j] + 1, start[j + 1]
        pivot = values[first - 1]
        if not pivot > 0.0:
            return math.nan
        root = math.sqrt(pivot)
        values[first - 1] = root
        log_det += 2.0 * math.log(root)
        for a in range(first, last):
            values[a] /= root
        for a in range(first, last):
            own = values[a]
            for b in range(a, last):
                values[pattern.products[at]] -= own * values[b]
                at += 1
    return log_det


@as_written
def reverse_sparse(pattern: FactorPattern, factor: Any, d_values: Any) -> None:
    """Turn derivatives by the factor's elements into those by the matrix's, two equal elements counting as one."""
    start = pattern.start
    for j in range(start.size - 2, -1, -1):
        first, last, at = start[j] + 1, start[j + 1], pattern.product_start[j]
        for a in range(first, last):
            own, total = factor[a], 0.0
            for b in range(a, last):
                pulled = d_values[pattern.products[at]]
                total += pulled * factor[b]
                d_values[b] -= pulled * own
                at += 1
            d_values[a] -= total
        root, diagonal = factor[first - 1], d_values[first - 1]
        for a in range(first, last):
            d_values[a] /= root
            diagonal -= d_values[a] * factor[a]
        d_values[first - 1] = diagonal / (2.0 * root)


@as_written
def solve_forwards(pattern: FactorPattern, factor: Any, x: Any) -> None:
    """Overwrite x by L^-1 x."""
    start, rows = pattern.start, pattern.rows
    for j in range(start.size - 1):
        x[j] /= factor[start[j]]
        for a in range(start[j] + 1, start[j + 1]):
            x[rows[a]] -= factor[a] * x[j]


@as_written
def solve_backwards(pattern: FactorPattern, factor: Any, x: Any) -> None:
    """Overwrite x by L^-T x."""
    start, rows = pattern.start, pattern.rows
    for j in range(start.size - 2, -1, -1):
        for a in range(start[j] + 1, start[j + 1]):
            x[j] -= factor[a] * x[rows[a]]
        x[j] /= factor[start[j]]
