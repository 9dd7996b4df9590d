"""Covariance and precision matrices of levels: kinship from markers, distances, neighbours.

Input: a matrix with the names of its rows. Output: a `Structure`, by a factorization without square roots.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import DataError, listed
from bayes_glmm.structures.structure import Structure

__all__ = ["Precision", "as_structure", "named_matrix"]

Array = npt.NDArray[np.float64]

#: Largest matrix: the PyMC graph holds its root as a dense array.
MOST_LEVELS = 4000
_SYMMETRIC, _POSITIVE, _NOTHING = 1e-8, 1e-10, 1e-14


class Precision:
    """The precision matrix Q of a grouping factor's levels: effects b ~ N(0, sd^2 Q^-1).

    Parameters
    ----------
    matrix
        Symmetric and positive definite: a DataFrame or DataArray that names its rows, or an array or a SciPy sparse
        array with `levels`.
    levels
        Names of the rows; None where the matrix has them.

    Raises
    ------
    DataError
        If the matrix is not square, symmetric, finite and positive definite, or rows have no or equal names.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> chain = bg.Precision([[2, -1, 0], [-1, 2, -1], [0, -1, 2]], levels=["north", "middle", "south"])
    >>> chain
    Precision of 3 levels
    """

    def __init__(self, matrix: Any, levels: Any = None) -> None:
        self._structure = _factorized(*named_matrix(matrix, levels), "precision")

    @property
    def structure(self) -> Structure:
        """What models read."""
        return self._structure

    def __repr__(self) -> str:
        return f"Precision of {self._structure.size:,} levels"


def as_structure(value: Any, factor: str, levels: Any = None) -> Structure:
    """Read what a user gave for a grouping factor's covariance.

    Parameters
    ----------
    value
        A `Structure`, anything that has one (`Pedigree`, `Phylogeny`, `Precision`), or a covariance matrix with names.
    factor
        The grouping factor, for messages.
    levels
        Names of the rows of a matrix without names.

    Returns
    -------
    Structure
        The record.

    Raises
    ------
    DataError
        If it is none of these.
    """
    if isinstance(value, Structure):
        return value
    structure = getattr(value, "structure", None)
    if isinstance(structure, Structure):
        return structure
    try:
        return _factorized(*named_matrix(value, levels), "covariance")
    except DataError as error:
        raise DataError(f"covariances[{factor!r}]: {error}") from None


def named_matrix(matrix: Any, levels: Any) -> tuple[Array, tuple[Any, ...]]:
    """Return a dense matrix and the names of its rows."""
    names = levels
    if names is None and hasattr(matrix, "coords") and hasattr(matrix, "dims"):  # xarray
        names = (
            [matrix.coords[matrix.dims[0]].to_numpy()] if matrix.dims[:1] and matrix.dims[0] in matrix.coords else None
        )
        names = None if names is None else names[0]
    elif names is None and hasattr(matrix, "columns") and hasattr(matrix, "index"):
        names = list(matrix.index)
        if len(matrix.columns) != len(names):
            raise DataError(
                f"A covariance matrix has as many columns as rows, not {len(names):,} rows and {len(matrix.columns)} "
                "columns. A table of parents is bg.Pedigree(table)."
            )
        if [str(name) for name in matrix.columns] != [str(name) for name in names]:
            raise DataError("The matrix's rows and columns have different names, or another order.")
    dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    try:
        values = np.asarray(dense, dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            f"A covariance is a pedigree, a phylogeny, or a matrix of numbers, not {in_words(matrix)}."
        ) from None
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not len(values):
        raise DataError(f"The matrix must be square, one row for each level; its shape is {values.shape}.")
    if names is None:
        raise DataError(
            "The matrix does not say which level each row is: give a DataFrame with the levels as index and columns "
            "(pd.DataFrame(matrix, index=levels, columns=levels)), a DataArray with coordinates, or, for precisions, "
            "bg.Precision(matrix, levels=...)."
        )
    labels = tuple(name.item() if isinstance(name, np.generic) else name for name in names)
    if len(labels) != len(values):
        raise DataError(f"There are {len(labels)} names for {len(values)} rows of the matrix.")
    texts = [str(label) for label in labels]
    if len(set(texts)) < len(texts):
        raise DataError(f"Rows of the matrix with the same name: {listed({t for t in texts if texts.count(t) > 1})}.")
    return values, labels


def _factorized(matrix: Array, labels: tuple[Any, ...], kind: str) -> Structure:
    """Turn a covariance or precision matrix into regressions on levels before."""
    from scipy import linalg

    n = len(matrix)
    if n > MOST_LEVELS:
        raise DataError(
            f"The matrix has {n:,} rows; {MOST_LEVELS:,} are the most. Pedigrees and phylogenies may have more."
        )
    if not np.isfinite(matrix).all():
        row = labels[int(np.argwhere(~np.isfinite(matrix))[0][0])]
        raise DataError(f"The matrix has values that are missing or not finite, in row {row!r}.")
    gap = np.abs(matrix - matrix.T)
    if gap.max() > _SYMMETRIC * np.abs(matrix).max():
        i, j = np.unravel_index(np.argmax(gap), gap.shape)
        raise DataError(
            f"The matrix is not symmetric: {matrix[i, j]:g} for {labels[i]!r}, {labels[j]!r}, and {matrix[j, i]:g}."
        )
    matrix = 0.5 * (matrix + matrix.T)
    least, most = (float(linalg.eigvalsh(matrix, subset_by_index=[at, at])[0]) for at in (0, n - 1))
    if least <= _POSITIVE * most:
        raise DataError(
            f"The {kind} matrix is not positive definite: its smallest eigenvalue is {least:.3g}, its largest "
            f"{most:.3g}. Levels that are the same (twins, clones, copies) belong under one name; a kinship estimated "
            "from markers may need a little added to its diagonal."
        )
    if kind == "precision":
        # Q = U U', so that U' u = z: each level given those before it
        contrasts = linalg.cholesky(matrix[::-1, ::-1], lower=True)[::-1, ::-1].T
        variances = np.square(linalg.solve_triangular(contrasts, np.eye(n), lower=True)).sum(axis=1)
    else:
        lower = linalg.cholesky(matrix, lower=True)
        contrasts, variances = linalg.solve_triangular(lower, np.eye(n), lower=True), np.diag(matrix).copy()
    return _regressions(contrasts, variances, labels, kind)


def _regressions(contrasts: Array, variances: Array, labels: tuple[Any, ...], kind: str) -> Structure:
    """Read regressions from C with C u = z, lower triangular."""
    scale = np.diag(contrasts)
    W = -np.tril(contrasts / scale[:, None], -1)
    W[np.abs(W) < _NOTHING] = 0.0
    rows, before = np.nonzero(W)
    start = np.searchsorted(rows, np.arange(len(W) + 1)).astype(np.int64)
    return Structure(
        kind, tuple(labels), start, before.astype(np.int64), W[rows, before], 1.0 / np.square(scale), variances
    )
