"""Grouping factors: levels as integer codes and one small Z per factor, never a rows x levels matrix.

Input: grouping columns and the encoded left sides of bars. Output: one `GroupTerm` per grouping factor, all bars that
share the factor merged, and a `LevelCoder` that finds the same levels in new data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.frame import distinct, is_text, plain, sorted_text
from bayes_glmm.errors import DataError, PredictionError, listed
from bayes_glmm.families import FAMILIES
from bayes_glmm.structures.adjacency import Adjacency
from bayes_glmm.structures.dependence import DependenceParameter
from bayes_glmm.structures.labels import positions
from bayes_glmm.structures.series import Series
from bayes_glmm.structures.spectrum import Spectrum
from bayes_glmm.structures.structure import Structure

__all__ = ["GroupTerm", "LevelCoder", "dimension_name", "fit_levels", "level_index", "match_levels", "related_levels"]

Codes = npt.NDArray[np.int32]


#: Names that variables and dimensions of results and of the PyMC model have already, ArviZ's own among them.
_RESERVED = frozenset(
    {"chain", "draw", "obs", "coef", "beta", "lp", "sample", "ci_bound"}
    | {row.name for family in FAMILIES.values() for row in family.parameters}
    | {"threshold", "thresholds", "category", "statistic", "e_bfmi"}
    | {"X", "offset", "trials", "weights", "precision", "beta_centered", "thresholds_centered"}
)


def dimension_name(name: str) -> str:
    """Return the dimension of a grouping factor's levels: its name, with ``_level`` where results use the name already.

    Parameters
    ----------
    name
        The grouping factor.

    Returns
    -------
    str
        ``"herd"`` for herd, ``"obs_level"`` for obs.
    """
    return f"{name}_level" if name in _RESERVED else name


@dataclass(frozen=True, eq=False)
class GroupTerm:
    """All random effects of one grouping factor.

    Parameters
    ----------
    name
        ``"herd"`` or ``"a:b"``.
    columns
        The columns that make up the factor.
    levels
        A label per level: the column's own values, ``"a1:b1"`` for combinations.
    codes
        Level of each row, int32 (rows,); -1 in every row where they were not read.
    coefs
        Names of the coefficients, ``("Intercept", "Days")``.
    Z
        Values the coefficients multiply, float64 (rows, coefficients), C-contiguous.
    blocks
        Sets of coefficients that are correlated with each other: ``((0, 1),)`` for ``(x | g)``, ``((0,), (1,))`` for
        ``(x || g)``. With ``||`` every column is a block of its own, those of a factor too.
    structure
        How the levels are related; None for independent ones. Its levels are all levels, with rows or without.
    channels
        The linear predictor that each coefficient acts on: 0, that of the mean, or 1, 2, ... in the order of the
        parameters with formulas of their own. Empty where all act on the mean's.
    """

    name: str
    columns: tuple[str, ...]
    levels: tuple[Any, ...]
    codes: Codes
    coefs: tuple[str, ...]
    Z: npt.NDArray[np.float64]
    blocks: tuple[tuple[int, ...], ...]
    structure: Structure | Series | Spectrum | None = None
    channels: tuple[int, ...] = ()

    def acts_on(self, channel: int) -> npt.NDArray[np.bool_]:
        """Say which coefficients act on a linear predictor: (coefficients,)."""
        return np.array(self.channels or (0,) * len(self.coefs), dtype=np.int64) == channel

    def within(self, channel: int) -> GroupTerm | None:
        """Return the term with the coefficients of one linear predictor alone; None where it has none."""
        kept = np.flatnonzero(self.acts_on(channel))
        if len(kept) == len(self.coefs) or not len(kept):
            return self if len(kept) else None
        place = {int(old): new for new, old in enumerate(kept)}
        blocks = tuple(tuple(place[c] for c in block if c in place) for block in self.blocks)
        coefs, Z = tuple(self.coefs[c] for c in kept), np.ascontiguousarray(self.Z[:, kept])
        return replace(self, coefs=coefs, Z=Z, blocks=tuple(filter(None, blocks)), channels=())

    @property
    def dim(self) -> str:
        """The dimension of the levels in posteriors."""
        return dimension_name(self.name)

    @property
    def size(self) -> int:
        """The number of levels."""
        return len(self.levels)

    @property
    def dependence(self) -> DependenceParameter | None:
        """What says how strongly levels are correlated, where that is estimated."""
        return None if self.structure is None else self.structure.parameter

    def related(self, standard: npt.NDArray[np.float64], value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Turn independent standard normal values into effects of correlated levels.

        Parameters
        ----------
        standard
            (levels, any).
        value
            (any,) what says how strongly levels are correlated, where that is not known.

        Returns
        -------
        numpy.ndarray
            (levels, any) effects with the sd one; as given where levels are independent.
        """
        if self.structure is None:
            return standard
        if isinstance(self.structure, Structure):
            return self.structure.related(standard)
        return self.structure.related(standard, value)

    @property
    def unequal(self) -> bool:
        """Whether levels' variances differ by how strongly they are correlated, as those of regions do."""
        return isinstance(self.structure, Spectrum) and self.structure.parameter is not None

    @property
    def variance_keys(self) -> npt.NDArray[np.float64]:
        """What the variance of a row's part depends on, (rows, any)."""
        return np.column_stack([self.along, self.codes]) if self.unequal else self.along

    @cached_property
    def along(self) -> npt.NDArray[np.float64]:
        """Z for variances (rows, coefficients): times the sd that a row's level has beside others, where it is known.

        That of an inbred animal is the root of 1 + F; of levels that were not read or fitted it is one.
        """
        if self.structure is None:
            return self.Z
        sds = np.append(np.sqrt(self.structure.variances), 1.0)
        known = (self.codes >= 0) & (self.codes < self.structure.size)
        return np.asarray(self.Z * sds[np.where(known, self.codes, -1)][:, None])


@dataclass(frozen=True, eq=False)
class LevelCoder:
    """The levels of one grouping factor as the fit saw them.

    Parameters
    ----------
    columns
        The columns that make up the factor.
    values
        Distinct values of each column, in the order of the levels.
    keys
        For each level the position of its value in each column's values, int64 (levels, columns).
    by_text
        Whether values are found by what they say, the number 7 as the text "7".
    """

    columns: tuple[str, ...]
    values: tuple[pd.Index, ...]
    keys: npt.NDArray[np.int64]
    by_text: bool = False

    @property
    def levels(self) -> tuple[Any, ...]:
        """A label per level."""
        return _labels(self.values, self.keys)


def fit_levels(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[LevelCoder, Codes]:
    """Find the levels of a grouping factor.

    Parameters
    ----------
    frame
        The user's columns without missing values.
    columns
        One column, or several whose combinations are the levels.

    Returns
    -------
    coder : LevelCoder
        The levels: sorted, or in the order of the categories of a categorical; only those that occur.
    codes : numpy.ndarray
        Level of each row, int32.

    Raises
    ------
    DataError
        If a column cannot be a grouping factor.
    """
    parts = [_factorize(frame[name]) for name in columns]
    values = tuple(part[1] for part in parts)
    if len(parts) == 1:
        codes = parts[0][0].astype(np.int32)
        return LevelCoder(tuple(columns), values, np.arange(len(values[0]), dtype=np.int64)[:, None]), codes
    pairs, keys = _combine([part[0] for part in parts], [len(value) for value in values])
    codes, found = pd.factorize(pairs, sort=True)
    coder = LevelCoder(tuple(columns), values, _split_keys(found, keys))
    if len(set(coder.levels)) < len(found):
        raise DataError(f"Levels of {':'.join(columns)!r} have the same label because they hold ':'; rename them.")
    return coder, codes.astype(np.int32)


def related_levels(frame: pd.DataFrame, column: str, structure: Structure | Adjacency) -> tuple[LevelCoder, Codes]:
    """Find the levels of a grouping factor among those of its known covariance.

    Parameters
    ----------
    frame
        The user's columns without missing values.
    column
        The factor.
    structure
        How levels are related.

    Returns
    -------
    coder : LevelCoder
        All levels of the structure, in its order, those without rows, too.
    codes : numpy.ndarray
        Level of each row, int32.

    Raises
    ------
    DataError
        If rows have levels that the structure does not know.
    """
    found, uniques = _factorize(frame[column])
    place = positions(structure.labels, uniques)
    if (place < 0).any():
        unknown = [plain(value) for value in uniques[place < 0]]
        raise DataError(
            f"covariances[{column!r}]: the {structure.kind} does not have {len(unknown):,} of the {len(uniques):,} "
            f"levels in the data: {listed(unknown)}. It has {listed(structure.labels[::-1])}. Add "
            "them to it, or leave out their rows."
        )
    keys = np.arange(structure.size, dtype=np.int64)[:, None]
    coder = LevelCoder((column,), (pd.Index(list(structure.labels), dtype=object),), keys, by_text=True)
    return coder, place[found].astype(np.int32)


def match_levels(coder: LevelCoder, frame: pd.DataFrame, name: str, allow_new: bool) -> tuple[Codes, tuple[Any, ...]]:
    """Find the levels of new rows among those of the fit.

    Parameters
    ----------
    coder
        The levels of the fit.
    frame
        The grouping columns of the new rows, without missing values.
    name
        The factor's name, for messages.
    allow_new
        Whether unseen levels are numbered after those of the fit, each distinct one by itself; otherwise an error.

    Returns
    -------
    codes : numpy.ndarray
        Level of each row, int32.
    new : tuple
        Labels of the unseen levels, in the order of their codes.

    Raises
    ------
    PredictionError
        If there are unseen levels and they are not allowed.
    """
    parts = [
        _match_values(values, frame[column], coder.by_text)
        for values, column in zip(coder.values, coder.columns, strict=True)
    ]
    values = tuple(known.append(new) for known, (_, new) in zip(coder.values, parts, strict=True))
    if len(parts) == 1:
        codes, keys = parts[0][0], np.arange(len(values[0]), dtype=np.int64)[:, None]
    else:
        pairs, radices = _combine([part[0] for part in parts], [len(value) for value in values])
        known, _ = _combine(list(coder.keys.T), [len(value) for value in values])
        codes = pd.Index(known).get_indexer(pd.Index(pairs))
        unseen, found = pd.factorize(pairs[codes < 0])
        codes[codes < 0] = len(known) + unseen
        keys = np.vstack([coder.keys, _split_keys(found, radices)])
    new_labels = _labels(values, keys[len(coder.keys) :])
    if new_labels and not allow_new:
        raise PredictionError(_unseen_message(coder, frame, name, new_labels))
    return codes.astype(np.int32), new_labels


def _unseen_message(coder: LevelCoder, frame: pd.DataFrame, name: str, new: Sequence[Any]) -> str:
    kinds = ""
    for column, values in zip(coder.columns, coder.values, strict=True):
        if is_text(frame[column]) and not values.inferred_type.startswith("str"):
            kinds = f" The column {column!r} held {values.inferred_type} values in the fit and holds text here."
    return (
        f"The grouping factor {name!r} has levels that the fit did not see: {listed(new)}.{kinds} Use "
        "new_levels='allow' to draw their effects from the population, or random_effects='marginal' or 'typical', "
        "which need no levels."
    )


def _factorize(column: pd.Series) -> tuple[npt.NDArray[np.int64], pd.Index]:
    """Return codes and the distinct values of a grouping column, sorted or in the order of its categories."""
    name = str(column.name)
    if pd.api.types.is_complex_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
        raise DataError(
            f"The grouping column {name!r} has the type {column.dtype}; make it text, numbers or a category."
        )
    codes, uniques = distinct(column)
    if uniques.dtype.kind == "f" and not np.isfinite(uniques).all():
        raise DataError(f"The grouping column {name!r} has infinite values.")
    if isinstance(column.dtype, pd.CategoricalDtype):
        return codes, level_index(uniques)
    try:
        texts = [str(value) for value in uniques] if is_text(column) else []
        order = pd.Index(texts).get_indexer(sorted_text(texts)) if texts else uniques.argsort()
    except TypeError:
        raise DataError(f"The grouping column {name!r} mixes values that cannot be compared; make it text.") from None
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], level_index(uniques[order])


def level_index(values: pd.Index) -> pd.Index:
    """Write whole floats as integers: a missing value elsewhere in the column makes 308 a 308.0."""
    if values.dtype.kind == "f" and bool((values == np.floor(values)).all()) and bool((np.abs(values) < 2**53).all()):
        return values.astype("int64")
    if values.dtype.kind == "M":
        return pd.Index([str(value) for value in values], dtype=object)
    return values


def _match_values(values: pd.Index, column: pd.Series, by_text: bool) -> tuple[npt.NDArray[np.int64], pd.Index]:
    """Return positions among the known values, unseen ones numbered after them, and the unseen values."""
    found, uniques = _factorize(column)
    position = positions(values, uniques) if by_text else values.get_indexer(uniques).astype(np.int64)
    unseen = position < 0
    position[unseen] = len(values) + np.arange(int(unseen.sum()))
    return position[found], uniques[unseen]


def _combine(codes: Sequence[npt.NDArray[Any]], sizes: Sequence[int]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Give numbers to the combinations of several codes in lexical order."""
    total = 1
    for size in sizes:
        total *= max(size, 1)
    if total >= 2**63:
        raise DataError("A grouping factor crosses columns with too many levels; make one column of the combination.")
    combined = np.zeros(len(codes[0]), dtype=np.int64)
    for code, size in zip(codes, sizes, strict=True):
        combined = combined * max(size, 1) + code
    return combined, [max(size, 1) for size in sizes]


def _split_keys(combined: npt.NDArray[Any], sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    keys = np.empty((len(combined), len(sizes)), dtype=np.int64)
    rest = np.asarray(combined, dtype=np.int64)
    for position in range(len(sizes) - 1, -1, -1):
        rest, keys[:, position] = np.divmod(rest, sizes[position])
    return keys


def _labels(values: Sequence[pd.Index], keys: npt.NDArray[np.int64]) -> tuple[Any, ...]:
    if len(values) == 1:
        return tuple(plain(value) for value in values[0][keys[:, 0]])
    texts = [[str(plain(value)) for value in column[keys[:, j]]] for j, column in enumerate(values)]
    return tuple(":".join(parts) for parts in zip(*texts, strict=True))
