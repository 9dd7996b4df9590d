"""Exact row reduction: rows that no parameter can tell apart become one row.

Input: a `Design` with its response. Output: `ReducedRows`, whose log likelihood equals that of all rows up to a
constant that no parameter enters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.errors import DataError

__all__ = ["ReducedRows", "reduce_rows"]

Array = npt.NDArray[np.float64]

#: The share of rows that must go for the reduction to be worth it.
WORTHWHILE = 0.1


@dataclass(frozen=True, eq=False)
class ReducedRows:
    """The rows of a likelihood, each standing for one or more rows of the data.

    Parameters
    ----------
    X
        Fixed-effect columns, float64 (reduced rows, coefficients).
    offset
        Offsets on the link scale, float64 (reduced rows,).
    groups
        The grouping factors with the reduced rows' codes and Z.
    y
        Responses, added up where the family allows it, float64 (reduced rows,).
    trials
        Numbers of trials, added up (for 0/1 rows their number); None for other supports.
    exposure
        For counts that were added up: the number of rows added, which multiplies the mean; None otherwise.
    weights
        What multiplies the log likelihood of a reduced row (the users' weights, or how many equal rows it stands for);
        None where it is one everywhere.
    rows
        A representative row of the data for each reduced row (the first), int64 (reduced rows,).
    inverse
        The reduced row of each row of the data, int64 (rows,).
    reduced
        False where the rows are those of the data, because too few would go.
    """

    X: Array
    offset: Array
    groups: tuple[GroupTerm, ...]
    y: Array
    trials: Array | None
    exposure: Array | None
    weights: Array | None
    rows: npt.NDArray[np.int64]
    inverse: npt.NDArray[np.int64]
    reduced: bool

    @property
    def size(self) -> int:
        """The number of reduced rows."""
        return len(self.y)


def reduce_rows(design: Design, *, rows_add: bool, merge: bool = True) -> ReducedRows:
    """Merge the rows that share X, offset, every Z and every level.

    Parameters
    ----------
    design
        A design with its response.
    rows_add
        Whether responses may be added up, counts with the number of rows as exposure (`Family.rows_add`, unless the
        model's link forbids an exposure).
    merge
        Whether rows are merged at all; False leaves them as they are.

    Returns
    -------
    ReducedRows
        The merged rows in order of first appearance, or the rows themselves when less than a tenth would go.

    Raises
    ------
    DataError
        If the design has no response.

    Notes
    -----
    Successes and trials of rows with one linear predictor add up: sum_i y_i log p + (n_i - y_i) log(1 - p). So do
    Poisson counts: sum_i y_i log mu - mu = Y log mu - m mu with m rows. Any other family keeps y apart: rows equal in
    everything, the response too, become one row with their number as weight. Weighted rows merge only with rows of the
    same weight; rows of which more is known, precisions or standard errors, are left as they are.
    """
    if design.response is None:
        raise DataError("Rows can only be merged where the response was read; use design.at(data, response=True).")
    response, support = design.response, design.spec.family.support
    added = rows_add
    left = not merge or response.precision is not None or bool(response.known)
    inverse = None if left else _merge(design, added)
    trials = np.ones(len(response.y)) if support == "binary" else response.trials
    if inverse is None:
        rows = np.arange(len(response.y), dtype=np.int64)
        return ReducedRows(
            design.X, design.offset, design.groups, response.y, trials, None, response.weights, rows, rows, False
        )
    size = int(inverse.max()) + 1
    rows = np.empty(size, dtype=np.int64)
    rows[inverse[::-1]] = np.arange(len(inverse) - 1, -1, -1)
    count = np.bincount(inverse, minlength=size).astype(np.float64)
    weights = None if response.weights is None else response.weights[rows]
    if not added:
        weights = count if weights is None else weights * count
    return ReducedRows(
        X=design.X[rows],
        offset=design.offset[rows],
        groups=tuple(replace(term, codes=term.codes[rows], Z=term.Z[rows]) for term in design.groups),
        y=np.bincount(inverse, weights=response.y, minlength=size) if added else response.y[rows],
        trials=_of_merged(trials, rows, inverse, added),
        exposure=count if support == "count" and added else None,
        weights=weights,
        rows=rows,
        inverse=inverse,
        reduced=True,
    )


def _of_merged(
    trials: Array | None, rows: npt.NDArray[np.int64], inverse: npt.NDArray[np.int64], added: bool
) -> Array | None:
    """Numbers of trials of merged rows: their sum, or that which they have in common."""
    if trials is None:
        return None
    return np.bincount(inverse, weights=trials, minlength=len(rows)) if added else trials[rows]


def _merge(design: Design, added: bool) -> npt.NDArray[np.int64] | None:
    """Give numbers to the distinct rows by first appearance; None as soon as too many are distinct."""
    n = design.size
    limit = n - max(1, int(np.ceil(WORTHWHILE * n)))
    key = np.zeros(n, dtype=np.int64)
    size = 1
    for column in _columns(design, added):
        codes, uniques = pd.factorize(column)
        if len(uniques) == 1:
            continue
        if len(uniques) > limit:
            return None
        # sizes stay below rows**2: no overflow for any table that fits in memory
        key, distinct = pd.factorize(key * len(uniques) + codes)
        size = len(distinct)
        if size > limit:
            return None
    return key.astype(np.int64) if size <= limit else None


def _columns(design: Design, added: bool) -> Iterator[npt.NDArray[Any]]:
    """Yield each distinct column that tells rows apart."""
    response = design.response
    assert response is not None
    if not added:
        yield response.y
        if response.trials is not None:
            yield response.trials
    if response.weights is not None:
        yield response.weights
    for term in design.groups:
        yield term.codes
    seen = [np.ascontiguousarray(column) for column in design.X.T]
    yield from seen
    yield design.offset
    yield from design.offsets
    for term in design.groups:
        for column in term.Z.T:
            if not any(np.array_equal(column, other) for other in seen):
                seen.append(np.ascontiguousarray(column))
                yield column
