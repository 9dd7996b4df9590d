"""Effects by group that differ between a factor's levels, ``(f * x | g)``: stated in each level, whatever the coding.

Input: the columns of a block of effects and what they are made of. Output: the linear map to the coefficients from
effects in each level, with their sds.

A block says in each level of its factors what ``(x | g)`` says once. A reference level is no more certain than another
one then, and the covariance of a row's effects does not depend on which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.frame import distinct_rows
from bayes_glmm.design.terms import ColumnTerms
from bayes_glmm.model.at_data import at_data

__all__ = ["in_each_level"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Variables = frozenset[str]

_ALIKE = 1e-9  # of a column's length: what a product of a number and levels may differ from it


@dataclass(frozen=True, eq=False)
class _Number:
    """A number (n,), one for an intercept; its variables, and the columns of the block that are products of it.

    `levels` (levels, columns) is what each column multiplies it by; (1, 1) where there is one column for all levels.
    """

    values: Array
    variables: Variables
    columns: list[int]
    levels: Array


def in_each_level(
    Z: Array, made_of: Sequence[tuple[Variables, int]], cells: Mapping[str, Codes]
) -> tuple[Array, Array, bool] | None:
    """State a block of effects in each level of its factors, at the means of its numbers.

    Parameters
    ----------
    Z
        (n, k) columns.
    made_of
        (k,) the variables of each, and the term of the formula that it comes from.
    cells
        (n,) level of each row of every variable that counts as a factor.

    Returns
    -------
    tuple or None
        (k, k) coefficients as reported from effects in each level, (k,) sds of these in units of the linear predictor,
        and whether there are numbers that are centred. None where the block has no factors, or cannot say something
        of its own in each of their levels.
    """
    factors = frozenset[str]().union(*(names for names, _ in made_of)) & cells.keys()
    if not factors:
        return None
    cell = distinct_rows(np.column_stack([cells[name] for name in sorted(factors)]))[1]
    numbers = _numbers(Z, made_of, factors, cell)
    saturated = [] if numbers is None else [one for one in numbers if len(one.levels) > 1]
    if numbers is None or not saturated or any(np.linalg.cond(one.levels) > 1.0 / _ALIKE for one in saturated):
        return None
    order = np.lexsort(-saturated[0].levels.T[::-1])  # the identity where the columns are the levels
    size = len(numbers)
    alone = ColumnTerms(
        tuple(one.variables for one in numbers), np.eye(size), tuple((i,) for i in range(size)), (0,) * size, {}
    )
    data = at_data(np.column_stack([one.values for one in numbers]), alone, [True] * size)
    shift, sd = np.zeros((Z.shape[1], Z.shape[1])), np.ones(Z.shape[1])
    for i, one in enumerate(numbers):
        inverse = np.linalg.inv(one.levels[order] if len(one.levels) > 1 else one.levels)
        sd[one.columns] = data.sd[i]
        for j in np.flatnonzero(data.shift[i]):
            other, width = numbers[j], len(numbers[j].columns)
            if len(one.columns) < width:
                return None  # what differs between levels is no part of what does not
            same = np.eye(width) if len(one.columns) == width else np.ones((len(one.columns), 1))
            shift[np.ix_(one.columns, other.columns)] = data.shift[i, j] * inverse @ same
    return shift, sd, bool(np.any(data.shift != np.eye(size)))


def _numbers(
    Z: Array, made_of: Sequence[tuple[Variables, int]], factors: Variables, cell: Codes
) -> list[_Number] | None:
    """Take the columns apart into numbers times levels; None where they are not."""
    numbers: list[_Number] = []
    for names in dict.fromkeys(own - factors for own, _ in made_of):
        columns = [j for j, (own, _) in enumerate(made_of) if own - factors == names]
        pure = [Z[:, j] for j in columns if made_of[j][0] == names]
        if not pure:  # a column for each level: what the levels multiply is their sum
            places = dict.fromkeys(made_of[j][1] for j in columns)
            terms = [Z[:, [j for j in columns if made_of[j][1] == place]] for place in places]
            if any(np.count_nonzero(term, axis=1).max() > 1 for term in terms):
                return None
            pure = [term.sum(axis=1) for term in terms]
        left = list(columns)
        for values in pure:
            found = [(j, multiples) for j in left if (multiples := _multiples(Z[:, j], values, cell)) is not None]
            if not found:
                return None
            chosen, levels = [j for j, _ in found], np.column_stack([multiples for _, multiples in found])
            if len(chosen) == 1 and np.ptp(levels) == 0.0:
                levels = levels[:1]
            if levels.shape[0] != levels.shape[1]:
                return None
            numbers.append(_Number(values, names, chosen, levels))
            left = [j for j in left if j not in chosen]
        if left:
            return None
    return numbers


def _multiples(column: Array, values: Array, cell: Codes) -> Array | None:
    """Return (levels,) what a column multiplies values by in each level; None where it is no such product."""
    length = np.bincount(cell, values * values)
    if np.any(length == 0.0):
        return None
    multiples = np.bincount(cell, values * column) / length
    far = np.linalg.norm(column - multiples[cell] * values) > _ALIKE * np.linalg.norm(column)
    rounded = np.round(multiples, 9)
    return None if far else np.where(np.abs(multiples - rounded) < _ALIKE, rounded, multiples)
