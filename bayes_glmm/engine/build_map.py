"""From a Laplace fit to the constants of the coordinates.

Input: a packed model and its `LaplaceFit`. Output: `MapData`. The terms are eliminated one after the other at the mode:
the largest exactly, level by level; the others through their Schur information, diagonal where they are nested, and
otherwise through its eigenvectors (one coefficient) or a whitening of eps (several).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.coordinates import AFTER, BEFORE, DIRECT, MapData
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.graph import GraphPositions
from bayes_glmm.engine.laplace import LaplaceFit

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Term:
    """One term's constants: k x k information, right-hand sides, couplings in compressed rows, a mixing matrix."""

    info: Array
    right: Array
    start: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    values: Array
    mixing: int = DIRECT
    mix: Array = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Target:
    """The density behind the coordinates.

    Parameters
    ----------
    address
        Address of a function with nutpie's density signature.
    user_data
        Address of its user data.
    positions
        Where its elements are in x; None when they are x itself.
    """

    address: int
    user_data: int
    positions: GraphPositions | None = None


def build_map(fit: LaplaceFit, data: KernelData, data_table: npt.NDArray[np.uint64], target: Target) -> MapData:
    """Build the constants of the coordinates.

    Parameters
    ----------
    fit
        The Laplace fit.
    data
        The model.
    data_table
        Address table of `data`.
    target
        The density to sample.

    Returns
    -------
    MapData
        Without a shear. Its arrays, and those of `data` and of the target, must stay alive while it is used.
    """
    terms, beta_factor = _eliminate_terms(fit, data)
    sizes = np.zeros((6, len(terms)), dtype=np.int64)
    starts: list[npt.NDArray[np.int64]] = []
    totals = np.zeros(5, dtype=np.int64)
    couplings = 0
    for t, term in enumerate(terms):
        sizes[:, t] = (totals[0], totals[1], totals[2], term.mixing, totals[3], _is_dense(term))
        starts.append(term.start + couplings)
        couplings += len(term.columns)
        totals[:4] += (term.info.size, term.values.size, len(term.start), term.mix.size)
    positions = target.positions
    return MapData(
        target=np.array([target.address, target.user_data, data_table.ctypes.data], dtype=np.uint64),
        centre=fit.x.copy(),
        theta_factor=np.ascontiguousarray(fit.theta_factor),
        bends=np.ascontiguousarray(fit.bends),
        beta_factor=np.ascontiguousarray(beta_factor),
        shear=np.zeros((len(fit.theta_factor), len(fit.x) - len(fit.theta_factor))),
        terms=sizes,
        info=_flat(term.info for term in terms),
        right=_flat(term.right for term in terms),
        start=np.concatenate([np.zeros(0, dtype=np.int64), *starts]),
        columns=np.concatenate([np.zeros(0, dtype=np.int64), *(term.columns for term in terms)]),
        values=_flat(term.values for term in terms),
        mix=_flat(term.mix for term in terms),
        element=np.zeros(0, dtype=np.int64) if positions is None else positions.index,
        factor=np.zeros(0) if positions is None else positions.factor,
        hyperbolic=np.zeros(0, dtype=np.int64) if positions is None else positions.hyperbolic,
    )


def _is_dense(term: _Term) -> bool:
    """Whether all levels couple to the same consecutive elements: those of beta alone, or of a factor met in full."""
    width = np.diff(term.start)
    if not len(width) or width[0] == 0 or (width != width[0]).any():
        return False
    first = term.columns[0]
    return bool((term.columns.reshape(-1, width[0]) == np.arange(first, first + width[0])).all())


def _flat(parts: Iterable[Array]) -> Array:
    return np.concatenate([np.zeros(0), *(np.ravel(part) for part in parts)])


def _eliminate_terms(fit: LaplaceFit, data: KernelData) -> tuple[list[_Term], Array]:
    """Eliminate the terms in order; return their constants and a factor of beta's marginal covariance."""
    n_terms, n_u = int(data.sizes[layout.N_TERMS]), int(data.sizes[layout.N_U])
    terms: list[_Term] = []
    if n_terms:
        k, levels = int(data.terms[layout.COEFS, 0]), int(data.terms[layout.LEVELS, 0])
        u = fit.x[: k * levels].reshape(levels, k)
        right = np.einsum("jab,jb->ja", fit.precision.levels, u)
        # the rest begins where the largest term ends
        columns = fit.pattern.columns + k * levels
        values = _by_direction(fit.likelihood.coupling, fit.pattern.start)
        terms.append(_Term(fit.likelihood.levels, right, fit.pattern.start, columns, values))
    schur = np.tril(fit.schur) + np.tril(fit.schur, -1).T
    for t in range(1, n_terms):
        size = int(data.terms[layout.COEFS, t] * data.terms[layout.LEVELS, t])
        terms.append(_dense_term(fit, data, t, schur))
        own, cross = schur[:size, :size], schur[:size, size:]
        schur = schur[size:, size:] - cross.T @ np.linalg.solve(own, cross)
    n_beta = len(schur)
    # beta: covariance = schur^-1 = L'^-1 L^-1
    own = np.diag(schur)
    lower = np.linalg.cholesky(schur + np.diag(np.where(own > 0, 1e-12 * own, 1.0))) if n_beta else schur
    assert n_u + n_beta + fit.theta_factor.shape[0] == len(fit.x)
    return terms, np.linalg.inv(lower).T if n_beta else schur


def _dense_term(fit: LaplaceFit, data: KernelData, t: int, schur: Array) -> _Term:
    """Return the constants of a term after the largest from the Schur complement that begins with it."""
    k, levels, first = (int(data.terms[i, t]) for i in (layout.COEFS, layout.LEVELS, layout.U_START))
    size = k * levels
    own, cross = schur[:size, :size], schur[:size, size:]
    omega = fit.term_precisions[t]
    blocks = own.reshape(levels, k, levels, k)[np.arange(levels), :, np.arange(levels), :]
    info, u = blocks - omega, fit.x[first : first + size]
    outside = own.reshape(levels, k, levels, k).copy()
    outside[np.arange(levels), :, np.arange(levels), :] = 0.0
    if np.abs(outside).max(initial=0.0) <= 1e-9 * np.abs(info).max(initial=0.0):
        return _Term(info, np.einsum("jab,jb->ja", blocks, u.reshape(levels, k)), *_compressed(cross, k, first + size))
    if k == 1:
        values, vectors = np.linalg.eigh(own - np.diag(np.full(size, omega[0, 0])))
        couplings = _compressed(vectors.T @ cross, k, first + size)
        # each eigenvector is a direction with an information of its own
        return _Term(np.maximum(values, 0.0), vectors.T @ (own @ u), *couplings, AFTER, vectors)
    roots = np.linalg.cholesky(blocks)
    whitening = np.linalg.inv(np.linalg.cholesky(own)).T.reshape(levels, k, size)
    mix = np.einsum("jba,jbi->jai", roots, whitening).reshape(size, size)
    shift = np.linalg.solve(own, cross).reshape(levels, k, -1)
    coupling = np.einsum("jab,jbi->jai", blocks, shift).reshape(size, -1)
    right = np.einsum("jab,jb->ja", blocks, u.reshape(levels, k))
    return _Term(info, right, *_compressed(coupling, k, first + size), BEFORE, mix)


def _compressed(matrix: Array, k: int, offset: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """Compress the rows of a coupling, k rows a level: starts, columns in x, and k values a coupling."""
    levels = len(matrix) // k
    by_level = matrix.reshape(levels, k, -1)
    level, column = np.nonzero(np.abs(by_level).max(axis=1, initial=0.0) > 0.0)
    start = np.searchsorted(level, np.arange(levels + 1))
    columns = (column + offset).astype(np.int64)
    return start.astype(np.int64), columns, _by_direction(by_level[level, :, column], start)


def _by_direction(values: Array, start: npt.NDArray[np.int64]) -> Array:
    """Lay out k values a coupling as k rows of couplings per direction, flat."""
    couplings, k = values.shape
    if k == 1:
        return values.ravel()
    width = np.repeat(np.diff(start), np.diff(start))
    first = np.repeat(start[:-1], np.diff(start))
    place = np.arange(couplings) - first
    out = np.empty(couplings * k)
    for c in range(k):
        out[k * first + c * width + place] = values[:, c]
    return out
