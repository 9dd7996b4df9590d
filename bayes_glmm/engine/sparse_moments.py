"""What a Gaussian model with related levels is reduced to: sums over its rows and the pattern of H, made once.

Input: a packed model, how its terms' levels are related, and beta's normal priors. Output: a `SparsePattern` and
`SparseMoments`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bayes_glmm.engine import data as layout
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.gaussian_moments import least_squares
from bayes_glmm.engine.sparse_factor import FactorPattern, factor_pattern, fill_reducing_order, places_in
from bayes_glmm.engine.sparse_gaussian import SparseMoments
from bayes_glmm.structures.structure import Structure

Array = npt.NDArray[np.float64]


class SparsePattern(NamedTuple):
    """H in a fill-reducing order: its factor's pattern, and what stands where."""

    factor: FactorPattern
    order: npt.NDArray[np.int64]  # (N,) which element of v stands at each place
    columns: sparse.csr_array  # [Z X] (rows, N), as in v
    squares: sparse.csc_array  # A'W A (N, N), as in v
    entries: npt.NDArray[np.int64]  # (3, entries) of the terms' precisions: two positions in v, pair of coefficients
    values: Array  # (entries,) elements of the levels' precision
    term_start: npt.NDArray[np.int64]  # (terms + 1,)


def sparse_pattern(data: KernelData, structures: Sequence[Structure | None]) -> SparsePattern | None:
    """Order a model with related levels, and find its factor's pattern.

    Parameters
    ----------
    data
        The model.
    structures
        How each term's levels are related; None for independent ones.

    Returns
    -------
    SparsePattern or None
        None where a factorization would take too long.
    """
    columns = _columns(data)
    squares = sparse.csc_array(columns.T @ (columns * data.counts[:, None]))
    entries, values, term_start = _entries(data, _precisions(data, structures))
    n = squares.shape[0]
    own = sparse.csc_array((np.ones(len(values)), (entries[0], entries[1])), shape=(n, n))
    union = sparse.csc_array(abs(squares) + own + own.T + sparse.eye_array(n))
    order = fill_reducing_order(union, int(data.sizes[layout.N_BETA]))
    factor = factor_pattern(sparse.csc_array(union[order][:, order]))
    return None if factor is None else SparsePattern(factor, order, columns, squares, entries, values, term_start)


def sparse_moments(data: KernelData, pattern: SparsePattern, mean: Array, precision: Array) -> SparseMoments:
    """Reduce a Gaussian model with related levels.

    Parameters
    ----------
    data
        The model.
    pattern
        Of H.
    mean, precision
        (p,) normal priors of beta; precision 0 for flat ones.

    Returns
    -------
    SparseMoments
        Sufficient for (u, beta, theta).
    """
    p, root = int(data.sizes[layout.N_BETA]), np.sqrt(data.counts)
    y = data.y[:, 0] - data.offset
    shift = least_squares((data.X * root).T, y * root, mean, precision) if p else np.zeros(0)
    y = y - shift @ data.X
    factor, order, n = pattern.factor, pattern.order, len(pattern.order)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    lower = sparse.coo_array(sparse.tril(pattern.squares[order][:, order]))
    likelihood, prior = np.zeros(len(factor.rows)), np.zeros(len(factor.rows))
    likelihood[places_in(factor, lower.coords[0], lower.coords[1])] = lower.data
    prior[factor.start[n - p : n]] = precision
    one, other = place[pattern.entries[0]], place[pattern.entries[1]]
    one, other = np.maximum(one, other), np.minimum(one, other)
    entries = np.ascontiguousarray(np.stack([places_in(factor, one, other), one, other, pattern.entries[2]]))
    scalars = np.array([np.sum(data.counts * y * y), np.sum(data.counts)])
    cross = np.asarray(pattern.columns.T @ (data.counts * y))[order]
    return SparseMoments(
        *factor, likelihood, prior, pattern.term_start, entries, pattern.values, place, cross, scalars, shift,
        mean - shift, precision, np.zeros(0, dtype=np.int64), np.zeros(0),
    )  # fmt: skip


def with_shares(data: KernelData, moments: SparseMoments) -> SparseMoments:
    """Let the sampler see log sds as ratios to sigma, and the variance of a row in sigma's place.

    Parameters
    ----------
    data
        The model.
    moments
        Its moments.

    Returns
    -------
    SparseMoments
        Unchanged where there is no sigma, or its prior has an upper bound.
    """
    table = data.theta_table
    logs = (table[:, codes.KIND] == codes.ABOVE) & (table[:, codes.LOWER] == 0.0)
    shares: dict[int, float] = {}
    for t in range(data.terms.shape[1]):
        z = int(data.terms[layout.Z_START, t])
        for c, i in enumerate(codes.sd_elements(data, t)):
            if logs[i]:
                shares[int(i)] = shares.get(int(i), 0.0) + float(np.mean(np.square(data.Z[z + c])))
    elements, weights = list(shares), list(shares.values())
    if not (logs[-1] and data.sizes[layout.N_AUXILIARY]):
        return moments
    return moments._replace(shared=np.array(elements, dtype=np.int64), weights=np.array(weights))


def in_shares(theta: Array, moments: SparseMoments) -> Array:
    """Return where the sampler sees a theta.

    Parameters
    ----------
    theta
        (d,).
    moments
        Of `with_shares`.

    Returns
    -------
    numpy.ndarray
        (d,).
    """
    place, ratios = theta.copy(), theta[moments.shared] - theta[-1]
    place[moments.shared] = ratios
    place[-1] += 0.5 * np.log1p(np.sum(moments.weights * np.exp(2.0 * ratios))) if len(ratios) else 0.0
    return place


def _columns(data: KernelData) -> sparse.csr_array:
    """Return [Z X], sparse (rows, N), columns as in v."""
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
    joined = (np.concatenate(part) for part in (values, rows, index))
    numbers, at, to = joined
    return sparse.csr_array((numbers, (at, to)), shape=(n, n_u + p))


def _precisions(data: KernelData, structures: Sequence[Structure | None]) -> list[sparse.coo_array]:
    """Return the lower triangles of the levels' precisions, (levels, levels) of each term."""
    return [
        sparse.coo_array(sparse.eye_array(int(size)) if own is None else sparse.tril(own.precision))
        for size, own in zip(data.terms[layout.LEVELS], structures, strict=True)
    ]


def _entries(
    data: KernelData, precisions: Sequence[sparse.coo_array]
) -> tuple[npt.NDArray[np.int64], Array, npt.NDArray[np.int64]]:
    """List the elements of Omega (x) Q of all terms: two positions in v, the pair of coefficients; and Q's element."""
    parts, numbers, sizes = [], [], [0]
    for t, lower in enumerate(precisions):
        k, first = int(data.terms[layout.COEFS, t]), int(data.terms[layout.U_START, t])
        (i, j), q = lower.coords, lower.data
        for a in range(k):
            for b in range(k):
                # of a level with itself, each pair of coefficients once
                kept = (i != j) | (a >= b)
                at, to = first + k * i[kept] + a, first + k * j[kept] + b
                parts.append(np.stack([at, to, np.full(len(at), a * k + b)]).astype(np.int64))
                numbers.append(q[kept])
        sizes.append(sum(map(len, numbers)))
    return np.concatenate(parts, axis=1), np.concatenate(numbers), np.array(sizes, dtype=np.int64)
