"""Sums of squares and products of a Gaussian model's rows, made once: what (u, beta, theta) need to know of them.

Input: a packed model and the normal priors of beta. Output: `Moments`, responses shifted to their least-squares fit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.gaussian_levels import MOST_COEFS
from bayes_glmm.engine.information import (
    Information,
    Pattern,
    add_row,
    new_information,
    read_information,
    read_pattern,
    row_values,
)
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.pointers import carray


class Moments(NamedTuple):
    """Sums of squares and products of the rows, the responses shifted to their least-squares fit."""

    levels: npt.NDArray[np.float64]  # (levels, k * k) blocks of Z'WZ of the largest term
    coupling: npt.NDArray[np.float64]  # (couplings, k)
    rest: npt.NDArray[np.float64]  # (q, q)
    cross: npt.NDArray[np.float64]  # (n_v,) A'W y
    scalars: npt.NDArray[np.float64]  # (2,) y'W y and the sum of weights
    shift: npt.NDArray[np.float64]  # (p,) the fit that was taken off beta
    mean: npt.NDArray[np.float64]  # (p,) prior means of beta less the shift
    precision: npt.NDArray[np.float64]  # (p,) prior precisions of beta
    start: npt.NDArray[np.int64]  # Pattern
    columns: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]  # (1, 1): rows are no longer needed
    blocks: npt.NDArray[np.float64]  # (k k, levels) `levels`, level by level; empty where each is eliminated by itself
    sides: npt.NDArray[np.float64]  # (k (p + 1), levels) `coupling` and the largest term's `cross`, likewise


#: Length of the address table of `Moments`.
MOMENTS_SIZE = 3 * len(Moments._fields)


@as_written
def read_moments(table: Any) -> Moments:
    """Rebuild the moments from their table of addresses (compiled code only)."""
    return Moments(
        read_matrix(table, 0, np.float64),
        read_matrix(table, 1, np.float64),
        read_matrix(table, 2, np.float64),
        read_vector(table, 3, np.float64),
        read_vector(table, 4, np.float64),
        read_vector(table, 5, np.float64),
        read_vector(table, 6, np.float64),
        read_vector(table, 7, np.float64),
        read_vector(table, 8, np.int64),
        read_vector(table, 9, np.int64),
        read_matrix(table, 10, np.int64),
        read_matrix(table, 11, np.float64),
        read_matrix(table, 12, np.float64),
    )


@as_written
def _sums(data: KernelData, pattern: Pattern, out: Information, y: Any, cross: Any) -> None:
    """Add up [Z X]'W[Z X] and [Z X]'W y over the rows."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    work = np.empty(data.channels.size)
    for i in range(data.sizes[layout.N_ROWS]):
        weight = data.counts[i]
        row_values(data, i, work)
        add_row(data, pattern, i, weight, work, out)
        for b in range(n_beta):
            cross[n_u + b] += weight * data.X[b, i] * y[i]
        for t in range(data.sizes[layout.N_TERMS]):
            k, at = data.terms[layout.COEFS, t], data.terms[layout.U_START, t]
            for c in range(k):
                cross[at + k * data.codes[t, i] + c] += weight * data.Z[data.terms[layout.Z_START, t] + c, i] * y[i]


@native(CALL_SIGNATURE)
def sums(table_: Any) -> float:
    """Call `_sums`: reads KernelData, Pattern, Information (added to), y, cross (added to)."""
    table = carray(table_, (layout.TABLE_SIZE + 24,), np.uint64)
    rest = table[layout.TABLE_SIZE :]
    y, cross = read_vector(rest, 6, np.float64), read_vector(rest, 7, np.float64)
    _sums(read_data(table), read_pattern(rest), read_information(rest[9:]), y, cross)
    return 0.0


def least_squares(X: Any, y: Any, mean: Any, prior_precision: Any) -> Any:
    """Fit least squares; where columns are nearly collinear, held by the priors, which such a fit would dwarf."""
    shift, _, _, size = np.linalg.lstsq(X, y, rcond=None)
    if size[-1] > 1e-6 * size[0]:
        return shift
    length = np.sqrt(np.square(X).sum(axis=0))
    length[length == 0.0] = 1.0
    noise = 1e-2 * np.std(y)
    hold = noise * np.sqrt(prior_precision)
    rows, values = np.vstack([X / length, np.diag(hold / length)]), np.concatenate([y, hold * mean])
    return np.linalg.lstsq(rows, values, rcond=None)[0] / length


def gaussian_moments(data: KernelData, pattern: Pattern, mean: Any, prior_precision: Any) -> Moments:
    """Reduce the rows of a Gaussian model to sums of squares and products.

    Parameters
    ----------
    data
        The model.
    pattern
        Couplings of the largest term.
    mean, prior_precision
        (p,) normal priors of beta; precision 0 for flat ones.

    Returns
    -------
    Moments
        Sufficient for (u, beta, theta).
    """
    n_u, n_beta = int(data.sizes[layout.N_U]), int(data.sizes[layout.N_BETA])
    y, root = data.y[:, 0] - data.offset, np.sqrt(data.counts)
    shift = least_squares((data.X * root).T, y * root, mean, prior_precision) if n_beta else np.zeros(0)
    y = y - shift @ data.X
    out, cross = new_information(data, pattern), np.zeros(n_u + n_beta)
    levels, k, _ = out.levels.shape
    sums(data, pattern, out, y, cross)
    scalars = np.array([np.sum(data.counts * y * y), np.sum(data.counts)])
    blocks, sides = np.zeros((0, 0)), np.zeros((0, 0))
    if data.terms.shape[1] == 1 and k <= MOST_COEFS:
        both = np.concatenate([out.coupling.reshape(levels, n_beta, k), cross[:n_u].reshape(levels, 1, k)], axis=1)
        blocks = np.ascontiguousarray(out.levels.reshape(levels, k * k).T)
        sides = np.ascontiguousarray(both.transpose(2, 1, 0)).reshape(k * (n_beta + 1), levels)
    return Moments(
        out.levels.reshape(levels, k * k), out.coupling, out.rest, cross, scalars, shift, mean - shift, prior_precision,
        pattern.start, pattern.columns, np.zeros((1, 1), dtype=np.int64), blocks, sides,
    )  # fmt: skip
