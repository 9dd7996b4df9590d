"""Columns: missing values masked once, each column a number or a factor.

Input: pandas frames that belong to us (`bayes_glmm.design.tables`). Output: floats, categoricals, and what they were.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.errors import DataError, GLMMError, PredictionError, listed, nearest

__all__ = [
    "Factor",
    "Kind",
    "as_numbers",
    "column_kind",
    "distinct",
    "first_rows",
    "is_text",
    "look_like_numbers",
    "missing_mask",
    "numbers",
    "plain",
    "prepare",
    "prepared",
    "sorted_text",
]

_SHOWN = 5


@dataclass(frozen=True)
class Factor:
    """A categorical predictor.

    Parameters
    ----------
    levels
        Levels seen in the fit, in the order of their contrasts: sorted, or the order of the categories.
    """

    levels: tuple[Any, ...]


Kind = Factor | None  # None: a numeric column


def missing_mask(frame: pd.DataFrame) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Find the rows with a missing value in any column.

    Parameters
    ----------
    frame
        Used columns.

    Returns
    -------
    mask : numpy.ndarray of bool
        True for the rows to drop.
    counts : dict
        Missing values by column, columns without any left out.
    """
    mask = np.zeros(len(frame), dtype=bool)
    counts = {}
    for name in frame.columns:
        missing = np.asarray(pd.isna(frame[name]))
        if missing.any():
            counts[str(name)] = int(missing.sum())
            mask |= missing
    return mask, counts


def column_kind(column: pd.Series) -> Kind:
    """Decide whether a predictor is a number or a factor.

    Parameters
    ----------
    column
        A column without missing values.

    Returns
    -------
    Factor or None
        The factor's levels (text sorted; categoricals in the order of their categories, unused ones dropped); None for
        numbers and booleans.

    Raises
    ------
    DataError
        If the column holds dates, complex numbers or a mixture.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return Factor(tuple(plain(level) for level in distinct(column)[1]))
    if is_text(column):
        return Factor(tuple(sorted_text(map(str, pd.unique(column)))))
    _refuse_odd_types(column, DataError)
    return None


def is_text(column: pd.Series) -> bool:
    """Say whether a column holds text (object columns are looked at value by value).

    Parameters
    ----------
    column
        A column.

    Returns
    -------
    bool
        True for text.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if isinstance(column.dtype, pd.StringDtype):
        return True
    return pd.api.types.is_object_dtype(column.dtype) and pd.api.types.infer_dtype(column, skipna=True) == "string"


def look_like_numbers(labels: Sequence[Any]) -> bool:
    """Say whether labels are text that reads as finite numbers.

    Parameters
    ----------
    labels
        Distinct labels.

    Returns
    -------
    bool
        True where all of them do.
    """
    if not labels or not all(isinstance(label, str) for label in labels):
        return False
    return bool(np.isfinite(pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce").to_numpy(float)).all())


def sorted_text(labels: Iterable[str]) -> list[str]:
    """Sort text: by number where all of it reads as numbers, so that 10 comes after 9, otherwise by letters.

    Parameters
    ----------
    labels
        Distinct labels.

    Returns
    -------
    list of str
        The labels in order.
    """
    ordered = sorted(labels)
    if not look_like_numbers(ordered):
        return ordered
    numbers = pd.to_numeric(pd.Series(ordered, dtype=object)).to_numpy(float)
    return [ordered[place] for place in np.argsort(numbers, kind="stable")]


def _refuse_odd_types(column: pd.Series, error: type[GLMMError]) -> None:
    name, dtype = str(column.name), column.dtype
    inferred = pd.api.types.infer_dtype(column, skipna=True) if pd.api.types.is_object_dtype(dtype) else ""
    if dtype.kind == "M" or isinstance(dtype, pd.PeriodDtype) or inferred in ("date", "datetime"):
        raise error(
            f"The column {name!r} holds dates ({dtype}); make a number of it, such as days since the first date."
        )
    if dtype.kind == "m" or inferred == "timedelta":
        raise error(f"The column {name!r} holds time differences ({dtype}); use .dt.total_seconds().")
    if pd.api.types.is_complex_dtype(dtype):
        raise error(f"The column {name!r} holds complex numbers; give the real and imaginary parts their own columns.")
    if inferred:
        if inferred not in ("integer", "floating", "mixed-integer-float", "decimal", "boolean"):
            raise error(
                f"The column {name!r} holds values of more than one kind or of no kind that models can use "
                f"({inferred}, for example {reprlib.repr(column.iloc[0])}); make it numeric or text."
            )
    elif not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)):
        raise error(f"The column {name!r} has the type {dtype}, which models cannot use; make it numeric or text.")


def prepare(column: pd.Series, kind: Kind, error: type[GLMMError]) -> pd.Series:
    """Turn a column into numbers or into a factor with the fit's levels.

    Parameters
    ----------
    column
        A column without missing values.
    kind
        What the column was in the fit.
    error
        What to raise for values that do not fit.

    Returns
    -------
    pandas.Series
        Floats, or a categorical with the levels of `kind`.

    Raises
    ------
    GLMMError
        If the column is text where numbers were, or has levels the fit did not see.
    """
    name = str(column.name)
    if kind is None:
        if is_text(column) or isinstance(column.dtype, pd.CategoricalDtype):
            raise error(
                f"The column {name!r} held numbers in the data of the fit but holds {column.dtype} values here; "
                f"{as_numbers(column)}."
            )
        _refuse_odd_types(column, error)
        try:
            return pd.Series(numbers(column), index=column.index, name=column.name)
        except OverflowError:
            raise error(f"The column {name!r} holds whole numbers too large for a float; rescale it.") from None
    levels = pd.Index(kind.levels)
    codes, uniques = distinct(column)
    position = levels.get_indexer(uniques)
    if (position < 0).any():
        unseen = [plain(value) for value in uniques[position < 0]]
        raise error(
            f"The column {name!r} has levels that the fit did not see: {listed(unseen)}. "
            f"{nearest(unseen[0], kind.levels)}"
        )
    factor = pd.Categorical.from_codes(position[codes], categories=levels)
    return pd.Series(factor, index=column.index, name=column.name)


def as_numbers(column: pd.Series) -> str:
    """Say how a column of text or categories becomes numbers.

    Parameters
    ----------
    column
        A column without missing values.

    Returns
    -------
    str
        Such as ``"'0.5' is text: use data['x'] = pd.to_numeric(data['x'])"``.
    """
    found = list(pd.unique(column))
    values, target = [str(value) for value in found], f"data[{str(column.name)!r}]"
    if {value.lower() for value in values} <= {"true", "false"}:
        return f"{values[0]!r} is text: use {target} = {target}.astype(str).str.lower() == 'true'"
    if look_like_numbers(values) and not isinstance(found[0], str):
        return f"{values[0]} is a category: use {target} = {target}.astype(float)"
    if look_like_numbers(values):
        return f"{values[0]!r} is text: use {target} = pd.to_numeric({target})"
    return f"{next(value for value in values if not look_like_numbers([value]))!r} is no number"


def numbers(column: pd.Series) -> npt.NDArray[np.float64]:
    """Return a numeric or boolean column as float64.

    Parameters
    ----------
    column
        Any numeric, boolean, nullable, sparse or arrow-backed column without missing values.

    Returns
    -------
    numpy.ndarray
        Float values.
    """
    return np.ascontiguousarray(column.to_numpy(dtype=np.float64))


def distinct_rows(matrix: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Find the rows of a matrix that are equal.

    Parameters
    ----------
    matrix
        (rows, columns), no NaN.

    Returns
    -------
    first : numpy.ndarray
        Position of the first row of every kind.
    kind : numpy.ndarray
        (rows,) the kind of every row, numbered by first appearance.
    """
    rows = len(matrix)
    kind, count = np.zeros(rows, dtype=np.intp), min(rows, 1)
    for column in matrix[:, np.any(matrix != matrix[:1], axis=0)].T:
        kind, uniques = pd.factorize(kind * np.intp(rows + 1) + pd.factorize(column)[0])
        count = len(uniques)
    first = np.full(count, rows, dtype=np.intp)
    np.minimum.at(first, kind, np.arange(rows))
    return first, kind


def distinct(column: pd.Series) -> tuple[npt.NDArray[np.int64], pd.Index]:
    """Give numbers to the distinct values of a column, in order of first appearance or of its categories.

    Parameters
    ----------
    column
        A column without missing values.

    Returns
    -------
    codes : numpy.ndarray
        Number of each row's value.
    values : pandas.Index
        The values that occur; text as Python strings.

    Raises
    ------
    DataError
        If the values are lists, tuples or the like.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy().astype(np.int64)
        used = np.bincount(codes, minlength=len(column.cat.categories)) > 0
        codes, values = (np.cumsum(used) - 1)[codes], column.cat.categories[used]
    elif isinstance(column.dtype, pd.StringDtype):
        codes, values = pd.factorize(column)
    else:
        held = column.to_numpy()
        try:
            codes, values = pd.factorize(held if held.dtype.isnative else held.astype(held.dtype.newbyteorder("=")))
        except TypeError:
            kind = type(column.iloc[0]).__name__
            raise DataError(f"The column {str(column.name)!r} holds a {kind} a row; make it text or numbers.") from None
    values = pd.Index(values)
    if isinstance(values[0], tuple):
        raise DataError(
            f"The column {str(column.name)!r} holds tuples; make it text, or give each part its own column."
        )
    return codes, values.astype(object) if isinstance(values.dtype, pd.StringDtype) else values


def plain(value: Any) -> Any:
    """Return a Python value for a NumPy scalar.

    Parameters
    ----------
    value
        Any value.

    Returns
    -------
    object
        ``value.item()`` for NumPy scalars, otherwise the value.
    """
    return value.item() if isinstance(value, np.generic) else value


def first_rows(index: pd.Index, mask: npt.NDArray[np.bool_]) -> str:
    """List the labels of the first rows where a condition holds, for error messages.

    Parameters
    ----------
    index
        Row labels.
    mask
        True for the rows to list.

    Returns
    -------
    str
        Such as ``"rows 3, 7, 9 and 12 more"``.
    """
    labels = [str(plain(label)) for label in index[mask][:_SHOWN]]
    more = int(mask.sum()) - len(labels)
    word = "row" if len(labels) == 1 and not more else "rows"
    return f"{word} {', '.join(labels)}" + (f" and {more} more" if more > 0 else "")


def prepared(frame: pd.DataFrame, kinds: dict[str, Kind], error: type[GLMMError] = PredictionError) -> pd.DataFrame:
    """Turn the predictors' columns into what is encoded: floats and categoricals with the levels of the fit.

    Parameters
    ----------
    frame
        The user's columns.
    kinds
        What each predictor is.
    error
        What is raised.

    Returns
    -------
    pandas.DataFrame
        The predictors, index of `frame`.

    Raises
    ------
    GLMMError
        If a column is of another kind, or a level was not fitted.
    """
    return pd.DataFrame({name: prepare(frame[name], kind, error) for name, kind in kinds.items()}, index=frame.index)
