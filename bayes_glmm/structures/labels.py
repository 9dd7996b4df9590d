"""Names of related levels as users have them in files: numbers or text, unknown ones in several spellings.

Input: columns. Output: their values as whole numbers or text, positions, and what a factor's levels are found by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import DataError, nearest

__all__ = ["columns_of", "positions"]

#: How files write that a parent is not known.
UNKNOWN = frozenset({"", "0", "NA", "na", "NaN", "nan", "None", "<NA>", ".", "*", "?"})


def columns_of(frame: Any, names: Sequence[str]) -> list[pd.Series]:
    """Read columns of a table: whole numbers where all are, else text; missing ones None.

    Parameters
    ----------
    frame
        A pandas or polars DataFrame, an Arrow table or a dictionary.
    names
        The columns.

    Returns
    -------
    list of pandas.Series
        Of objects, one for each name.

    Raises
    ------
    DataError
        If there is no such column, or it holds numbers with fractions.
    """
    known = getattr(frame, "columns", None)
    known = getattr(frame, "column_names", known)  # an Arrow table's `columns` are its values
    known = list(frame) if isinstance(frame, dict) else known
    if known is None:
        raise DataError(f"A pedigree is a table with a row for each animal, not {in_words(frame)}.")
    known = [str(name) for name in known]
    for name in names:
        if name not in known:
            raise DataError(
                f"The pedigree has no column {name!r}. {nearest(name, known)} Say which with id=, dam=, sire=."
            )
    columns = [pd.Series(np.asarray(frame[name])) for name in names]
    numeric = [pd.api.types.is_numeric_dtype(column.dtype) or column.isna().all() for column in columns]
    for name, column, number in zip(names, columns, numeric, strict=True):
        if number and column.notna().any() and (column.dropna() % 1 != 0).any():
            raise DataError(
                f"The column {name!r} holds numbers with fractions, such as {column[column % 1 != 0].iloc[0]}."
            )
    return [_objects(column, number, all(numeric)) for column, number in zip(columns, numeric, strict=True)]


def _objects(column: pd.Series, numeric: bool, keep: bool) -> pd.Series:
    """Turn a column into whole numbers or text."""
    known = column.notna()
    values = column[known].astype("int64") if numeric else column[known].astype(str).str.strip()
    out = pd.Series(np.full(len(column), None, dtype=object))
    out[known.to_numpy()] = (values if keep else values.astype(str)).to_numpy(dtype=object)
    return out


def positions(labels: Sequence[Any], wanted: Iterable[Any]) -> npt.NDArray[np.int64]:
    """Find labels by what they say: the number 7 and the text "7" are one.

    Parameters
    ----------
    labels
        Labels of all levels.
    wanted
        Those to find.

    Returns
    -------
    numpy.ndarray
        Position of each, -1 where there is none.
    """
    known = pd.Index([str(label) for label in labels])
    return np.asarray(known.get_indexer([str(label) for label in wanted]), dtype=np.int64)
