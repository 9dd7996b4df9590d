"""The user's table, read once: used columns only, missing values masked once, each column a number or a factor.

Input: pandas, polars, a pyarrow table or a dict of columns. Output: pandas frames that belong to us; the user's own is
never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.errors import DataError, GLMMError, PredictionError, nearest

__all__ = [
    "Factor",
    "Kind",
    "column_kind",
    "column_names",
    "distinct",
    "first_rows",
    "is_text",
    "listed",
    "missing_mask",
    "numbers",
    "plain",
    "prepare",
    "read_columns",
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


def column_names(data: Any) -> tuple[str, ...]:
    """List the names of a table's columns that are text.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow table, or a dict of columns; anything else has none.

    Returns
    -------
    tuple of str
        The names, in order.
    """
    names: Any = data if isinstance(data, Mapping) else getattr(data, "column_names", None)  # pyarrow's
    if names is None and hasattr(data, "__len__"):  # a polars LazyFrame has none, and may not be asked
        names = getattr(data, "columns", None)
    return tuple(name for name in names if isinstance(name, str)) if names is not None else ()


def read_columns(data: Any, names: Sequence[str], error: type[GLMMError] = DataError) -> pd.DataFrame:
    """Copy the columns a model uses into a pandas frame.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow table, or a dict of columns; in a dict of new data a single value stands for every
        row.
    names
        The columns to read.
    error
        What to raise: `DataError` for the data of a fit, `PredictionError` for new data.

    Returns
    -------
    pandas.DataFrame
        The columns in the order of `names`; the index is the user's (0, 1, ... where the input has none).

    Raises
    ------
    GLMMError
        If the input is no table, is empty, lacks a column or has one twice.
    """
    frame = _as_pandas(data, names, error)
    if frame.columns.nlevels > 1:
        raise error("The data have a MultiIndex for columns; flatten it so that each column has one name.")
    twice = [name for name in names if int((frame.columns == name).sum()) > 1]
    if twice:
        raise error(f"The data have more than one column named {listed(twice)}; give each column its own name.")
    _check_present(names, frame.columns, error, frame.index.names)
    if len(frame) == 0:
        raise error("The data have no rows.")
    frame = frame.loc[:, list(names)].copy()
    for name, dtype in frame.dtypes.items():
        if isinstance(dtype, pd.ArrowDtype) and dtype.type is str:
            frame[name] = frame[name].astype("str")
        elif isinstance(dtype, pd.ArrowDtype) and "dictionary" in dtype.name:
            frame[name] = frame[name].astype("category")
    return frame


def _check_present(
    names: Sequence[str], columns: Iterable[Any], error: type[GLMMError], index_names: Sequence[Any] = ()
) -> None:
    held = list(columns)
    absent = [name for name in names if name not in held]
    if not absent:
        return
    what = f"The data have no column{'s' if len(absent) > 1 else ''} {listed(absent)}."
    if absent[0] in index_names:
        what += " It is a level of the index: use data.reset_index()."
    unlike = [type(name).__name__ for name in held if str(name) == absent[0]]
    if unlike:
        raise error(
            f"{what} That name is of type {unlike[0]}; names are text: data.columns = data.columns.astype(str)."
        )
    raise error(f"{what} {nearest(absent[0], map(str, held))}")


def _as_pandas(data: Any, names: Sequence[str], error: type[GLMMError]) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        return _from_mapping(data, names, error)
    kind = f"{type(data).__module__.split('.')[0]}.{type(data).__name__}"
    if kind == "polars.LazyFrame":
        raise error("The data are a polars LazyFrame; call .collect() first.")
    if kind == "polars.DataFrame":
        _check_present(names, data.columns, error)
        return pd.DataFrame({name: _from_polars(data[name]) for name in names}, index=pd.RangeIndex(len(data)))
    if kind == "pyarrow.Table":
        columns = list(data.column_names)
        _check_present(names, columns, error)
        return data.select([position for position, name in enumerate(columns) if name in names]).to_pandas()
    raise error(
        "The data must be a pandas or polars DataFrame, a pyarrow Table or a dict of columns, not "
        f"{type(data).__name__}."
    )


def _from_polars(series: Any) -> pd.Series:
    """Convert one polars column without asking for pyarrow."""
    import polars as pl

    if series.dtype == pl.Enum:
        return pd.Series(pd.Categorical(series.cast(pl.String).to_list(), categories=list(series.dtype.categories)))
    if series.dtype in (pl.Categorical, pl.String):
        return pd.Series(series.cast(pl.String).to_list(), dtype="str" if series.null_count() == 0 else object)
    if series.dtype == pl.Boolean and series.null_count():
        return pd.Series(series.to_list(), dtype="boolean")
    if series.dtype.is_integer() and series.null_count():
        return pd.Series(series.to_list(), dtype="Int64")
    if series.dtype.is_decimal():
        series = series.cast(pl.Float64)
    return pd.Series(series.to_numpy())


def _from_mapping(data: Mapping[str, Any], names: Sequence[str], error: type[GLMMError]) -> pd.DataFrame:
    _check_present(names, data, error)
    columns, single = {}, []
    for name in names:
        column = data[name]
        dimensions = _dimensions(name, column, error)
        if dimensions > 1:
            raise error(f"The column {name!r} has {dimensions} dimensions; columns have one.")
        columns[name] = column if dimensions else [column.item() if isinstance(column, np.ndarray) else column]
        single += [] if dimensions else [name]
    if error is PredictionError:  # in the data of a fit a single value is a mistake
        rows = max((len(column) for name, column in columns.items() if name not in single), default=1)
        columns |= {name: columns[name] * rows for name in single}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise error(f"The columns have different lengths: {lengths}.")
    indexed = [column for column in columns.values() if isinstance(column, pd.Series)]
    index = indexed[0].index if indexed else pd.RangeIndex(next(iter(lengths.values()), 0))
    return pd.DataFrame({name: pd.Series(_by_position(column), index=index) for name, column in columns.items()})


def _dimensions(name: str, column: Any, error: type[GLMMError]) -> int:
    if isinstance(column, str):
        return 0
    try:
        return np.ndim(column)
    except ValueError:
        raise error(
            f"The column {name!r} holds sequences of different lengths; columns have one value a row."
        ) from None


def _by_position(column: Any) -> Any:
    # rows belong together by position, whatever the index of a column given as a Series
    return column.array if isinstance(column, pd.Series) else column


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
        If the column holds dates, complex numbers or a mixture, or numbers written as text.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return Factor(tuple(plain(level) for level in distinct(column)[1]))
    if is_text(column):
        _refuse_numbers_as_text(column)
        return Factor(tuple(sorted(map(str, pd.unique(column)))))
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


def _refuse_numbers_as_text(column: pd.Series) -> None:
    values = pd.Series(pd.unique(column).astype(object))
    if bool(pd.to_numeric(values, errors="coerce").notna().all()):
        raise DataError(
            f"The column {str(column.name)!r} holds numbers as text (for example {values.iloc[0]!r}, dtype "
            f"{column.dtype}); use data[{str(column.name)!r}] = pd.to_numeric(data[{str(column.name)!r}]), or "
            ".astype('category') if they are labels."
        )


def _refuse_odd_types(column: pd.Series, error: type[GLMMError]) -> None:
    name, dtype = str(column.name), column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        raise error(
            f"The column {name!r} holds dates ({dtype}); make a number of it, such as days since the first date."
        )
    if pd.api.types.is_timedelta64_dtype(dtype):
        raise error(f"The column {name!r} holds time differences ({dtype}); use .dt.total_seconds().")
    if pd.api.types.is_complex_dtype(dtype):
        raise error(f"The column {name!r} holds complex numbers; give the real and imaginary parts their own columns.")
    if pd.api.types.is_object_dtype(dtype):
        inferred = pd.api.types.infer_dtype(column, skipna=True)
        if inferred not in ("integer", "floating", "mixed-integer-float", "decimal", "boolean"):
            raise error(
                f"The column {name!r} holds values of more than one kind or of no kind that models can use "
                f"({inferred}, for example {column.iloc[0]!r}); make it numeric or text."
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
                f"The column {name!r} was numeric in the data of the fit but holds {column.dtype} values here (for "
                f"example {column.iloc[0]!r}); use pd.to_numeric."
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
            f"Levels of the fit: {listed(kind.levels)}."
        )
    factor = pd.Categorical.from_codes(position[codes], categories=levels)
    return pd.Series(factor, index=column.index, name=column.name)


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


def listed(values: Iterable[Any]) -> str:
    """List values for an error message, cut after ten.

    Parameters
    ----------
    values
        What to list.

    Returns
    -------
    str
        Such as ``"'a', 'b' and 3 more"``.
    """
    items = list(values)
    shown = ", ".join(repr(item) for item in items[:10])
    return shown + (f" and {len(items) - 10} more" if len(items) > 10 else "")
