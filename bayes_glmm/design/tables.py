"""The user's table, whatever library it comes from, as a pandas frame of the columns that are needed.

Input: a pandas or polars DataFrame, anything that hands over Arrow tables, an xarray Dataset or a dict of columns.
Output: a pandas frame that belongs to us; the user's own is never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from inspect import isroutine
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.design.frame import sorted_text
from bayes_glmm.errors import DataError, GLMMError, PredictionError, listed, nearest

__all__ = ["column_names", "read_columns"]

#: Methods by which other libraries' objects become tables; the first that an object has is named to the user.
_CONVERSIONS = ("collect", "compute", "to_pandas", "toPandas", "to_table")


def column_names(data: Any) -> tuple[str, ...]:
    """List the names of a table's columns that are text.

    Parameters
    ----------
    data
        A table, as `read_columns` takes it; anything else has none.

    Returns
    -------
    tuple of str
        The names, in order.
    """
    if isinstance(data, type):
        return ()
    names: Any = [*data, *data.coords] if isinstance(data, xr.Dataset) else data if isinstance(data, Mapping) else None
    if names is None:
        names = getattr(data, "column_names", None)  # pyarrow's
    if names is None and hasattr(data, "__len__"):  # a polars LazyFrame has none, and may not be asked
        names = getattr(data, "columns", None)
    return tuple(name for name in names if isinstance(name, str)) if names is not None else ()


def read_columns(data: Any, names: Sequence[str] | None, error: type[GLMMError] = DataError) -> pd.DataFrame:
    """Copy columns of the user's table into a pandas frame.

    Parameters
    ----------
    data
        A pandas or polars DataFrame, an Arrow table (pyarrow's, or any object with ``__arrow_c_stream__``), an xarray
        Dataset or a dict of columns; in a dict of new data a single value stands for every row.
    names
        The columns to read; None for all.
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
    held, read = _reader(data, error)
    wanted = held if names is None else list(names)
    times = Counter(held)
    twice = [name for name in dict.fromkeys(wanted) if times[name] > 1]
    if twice:
        raise error(f"The data have more than one column named {listed(twice)}; give each its own name.")
    _check_present(wanted, held, error, data.index.names if isinstance(data, pd.DataFrame) else ())
    frame = read(wanted)
    if len(frame) == 0:
        raise error("The data have no rows.")
    for name, dtype in frame.dtypes.items():
        if isinstance(dtype, pd.ArrowDtype) and dtype.type is str:
            frame[name] = frame[name].astype("str")
        elif isinstance(dtype, pd.ArrowDtype) and "dictionary" in dtype.name:
            frame[name] = frame[name].astype("category")
    return frame


def _reader(data: Any, error: type[GLMMError]) -> tuple[list[Any], Callable[[list[Any]], pd.DataFrame]]:
    """Return the names of the columns that the data have, and what reads some of them."""
    if isinstance(data, pd.DataFrame):
        if data.columns.nlevels > 1:
            raise error("The data have a MultiIndex for columns; flatten it so that each column has one name.")
        return list(data.columns), lambda names: data.loc[:, names].copy()
    if isinstance(data, xr.Dataset):
        return [*data.data_vars, *data.coords], lambda names: _from_dataset(data, names, error)
    if isinstance(data, Mapping) and not isinstance(data, xr.DataTree):
        return list(data), lambda names: _from_mapping(data, names, error)
    if _kind(data) == "polars.DataFrame":
        index = pd.RangeIndex(len(data))
        return data.columns, lambda names: pd.DataFrame({name: _from_polars(data[name]) for name in names}, index=index)
    table = _arrow_table(data)
    if table is not None:
        columns = list(table.column_names)
        return columns, lambda names: table.select([columns.index(name) for name in names]).to_pandas()
    raise error(
        "The data must be a pandas or polars DataFrame, an Arrow table, an xarray Dataset or a dict of columns, not "
        f"{_in_words(data)}."
    )


def _kind(data: Any) -> str:
    return f"{type(data).__module__.split('.')[0]}.{type(data).__name__}".removeprefix("builtins.")


def _arrow_table(data: Any) -> Any:
    """Return a pyarrow table of whatever hands over Arrow's streams of columns; None where it does not."""
    if isinstance(data, type) or not hasattr(data, "__arrow_c_stream__"):
        return None
    import pyarrow as pa

    try:
        return pa.table(data)
    except (pa.ArrowInvalid, TypeError):  # one column, not a table of them
        return None


def _in_words(data: Any) -> str:
    """Say what was given in the place of a table, and how it becomes one."""
    if isinstance(data, str | PurePath):
        return f"{str(data)!r}; read a file first, such as pandas.read_csv(path)"
    if isinstance(data, type) or isroutine(data):
        return f"{data.__name__} itself: call it"
    if isinstance(data, pd.Series):
        return "a pandas.Series, one column or row; take tables, data[['x']] and data.iloc[[0]]"
    if isinstance(data, list | tuple | np.ndarray):
        return f"{_kind(data)}: pandas.DataFrame(...) makes a table of it"
    of_xarray = isinstance(data, xr.DataTree | xr.DataArray)
    methods = ("to_dataset",) if of_xarray else _CONVERSIONS
    method = next((name for name in methods if callable(getattr(data, name, None))), None)
    return _kind(data) if method is None else f"{_kind(data)}: call .{method}() first"


def _check_present(names: Sequence[Any], held: Sequence[Any], error: type[GLMMError], index: Sequence[Any]) -> None:
    absent = [name for name in names if name not in held]
    if not absent:
        return
    what = f"The data have no column{'s' if len(absent) > 1 else ''} {listed(absent)}."
    if absent[0] in index:
        what += " It is a level of the index: use data.reset_index()."
    unlike = [type(name).__name__ for name in held if str(name) == absent[0]]
    if unlike:
        raise error(
            f"{what} That name is of type {unlike[0]}; names are text: data.columns = data.columns.astype(str)."
        )
    raise error(f"{what} {nearest(absent[0], map(str, held))}")


def _from_polars(series: Any) -> pd.Series:
    """Convert one polars column without asking for pyarrow."""
    import polars as pl

    if series.dtype == pl.Enum:
        return pd.Series(pd.Categorical(series.cast(pl.String).to_list(), categories=list(series.dtype.categories)))
    if series.dtype == pl.Categorical:
        labels = series.cast(pl.String)
        return pd.Series(pd.Categorical(labels.to_list(), categories=sorted_text(labels.unique().drop_nulls())))
    if series.dtype == pl.String:
        return pd.Series(series.to_list(), dtype="str" if series.null_count() == 0 else object)
    if series.dtype == pl.Boolean and series.null_count():
        return pd.Series(series.to_list(), dtype="boolean")
    if series.dtype.is_decimal() or series.dtype in (pl.Int128, getattr(pl, "UInt128", None)):
        series = series.cast(pl.Float64)
    elif series.dtype.is_integer() and series.null_count():
        return pd.Series(series.to_list(), dtype="Int64")
    elif series.dtype.is_nested():  # refused where it is used, by its name and with its first value
        return pd.Series(series.to_list(), dtype=object)
    return pd.Series(series.to_numpy())


def _from_dataset(data: xr.Dataset, names: list[Any], error: type[GLMMError]) -> pd.DataFrame:
    """Make one row of each combination of the dimensions, variables without some of them repeated along these."""
    picked = data[names]
    whole = max((picked[name].dims for name in names), key=len, default=())
    for name in names:
        if not set(picked[name].dims) <= set(whole):
            raise error(
                f"The Dataset's variable {name!r} has the dimensions {picked[name].dims}, which are not among those "
                f"of the others, {whole}: they do not make rows of one table."
            )
    if not whole:
        return _from_mapping({name: picked[name].to_numpy() for name in names}, names, error)
    frame = picked.to_dataframe()
    columns = {name: frame[name] if name in frame else frame.index.get_level_values(name) for name in names}
    return pd.DataFrame(columns, index=frame.index).rename_axis(index=[None] * frame.index.nlevels)


def _from_mapping(data: Mapping[Any, Any], names: list[Any], error: type[GLMMError]) -> pd.DataFrame:
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
    """Return a column's values: rows belong together by position, whatever the index of a column given as a Series."""
    if _kind(column) == "polars.Series":
        return _from_polars(column).array
    if hasattr(column, "__arrow_c_array__") or hasattr(column, "combine_chunks"):  # pyarrow's columns
        return column.to_pandas().array
    return column.array if isinstance(column, pd.Series) else column
