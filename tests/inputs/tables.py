"""Awkward tables: what is no table, kinds of tables, indices, sizes, and tables that change afterwards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import xarray as xr

from bayes_glmm.errors import ConvergenceWarning, DataError
from tests.inputs.cell import NUMERIC, Case, N, Refused, Right, Warned, columns
from tests.inputs.checks import coefs, finite, fit, holds, same

SAME = Right(same())
NO_TABLE = Refused(
    DataError, "must be a pandas or polars DataFrame, an Arrow table, an xarray Dataset or a dict of columns, not"
)
FEW_DIVERGE = (ConvergenceWarning,)


def lists(frame):
    return {name: frame[name].tolist() for name in frame}


def read_only(frame):
    data = {name: frame[name].to_numpy().copy() for name in frame}
    for values in data.values():
        values.flags.writeable = False
    return data


def masked(frame):
    data = {name: frame[name].to_numpy() for name in frame}
    data["x"] = np.ma.masked_array(data["x"], np.arange(N) == 3)
    return data


def in_dask(frame):
    import dask.dataframe

    return dask.dataframe.from_pandas(frame, npartitions=2)


def in_two_dimensions(frame):
    """Rows a place and a time, what only depends on the time once for each."""
    wide = {name: (("place", "time"), frame[name].to_numpy().reshape(6, 8)) for name in frame if name != "g"}
    return xr.Dataset(wide).assign(g=("time", frame["g"].to_numpy()[:8]))


class Subclass(pd.DataFrame):
    """A user's own kind of frame."""

    @property
    def _constructor(self):
        return Subclass


KINDS = (
    Case("a dict of lists", SAME, NUMERIC, change=lists),
    Case("a dict of arrays, read only", SAME, NUMERIC, change=read_only),
    Case("a dict of Series with other indices", SAME, change=lambda f: {
        name: f[name].set_axis(np.roll(np.arange(N), shift)) for shift, name in enumerate(f)}),
    Case("a dict of tuples and ranges", Right(same(columns(x=np.arange(N)))), NUMERIC,
         change=lambda f: {**{name: tuple(f[name]) for name in f}, "x": range(N)}),
    Case("masked arrays", Warned("dropped for missing values .x: 1", same(lambda f: f.drop(index=3))), NUMERIC,
         change=masked),
    Case("arrow arrays in a dict", SAME, NUMERIC, change=lambda f: {name: pa.array(f[name]) for name in f}),
    Case("polars", SAME, NUMERIC, change=pl.from_pandas),
    Case("polars columns in a dict", SAME, NUMERIC, change=lambda f: {name: pl.Series(f[name]) for name in f}),
    Case("polars, lazy", Refused(DataError, "not polars.LazyFrame: call .collect"),
         change=lambda f: pl.from_pandas(f).lazy()),
    Case("polars, categorical and enumerated", SAME, NUMERIC, formula="{y} ~ x + f + (1 | g)",
         change=lambda f: pl.from_pandas(f).with_columns(
             pl.col("f").cast(pl.Categorical), pl.col("g").cast(pl.Enum(list("abcdefgh"))))),
    Case("enumerated polars columns in a dict", Right(coefs("Intercept", "x", "f[v]", "f[u]")), NUMERIC,
         formula="{y} ~ x + f + (1 | g)", change=lambda f: {name: (
             pl.Series(f[name]).cast(pl.Enum(list("wvu"))) if name == "f" else pl.Series(f[name])) for name in f}),
    Case("polars of 128 bits", Right(same(columns(x=np.arange(N) * 1.0))), NUMERIC,
         change=lambda f: pl.from_pandas(f).with_columns(x=pl.Series(range(N)).cast(pl.Int128))),
    Case("polars with two numbers a row", Refused(DataError, "'x' holds values of more than one kind.*mixed"), NUMERIC,
         change=lambda f: pl.from_pandas(f).with_columns(x=pl.Series([[1, 2]] * N).cast(pl.Array(pl.Int64, 2)))),
    Case("dask", Refused(DataError, "not dask.DataFrame: call .compute"), NUMERIC, change=in_dask),
    Case("polars with null", Warned("dropped for missing values .g: 1, x: 1|.x: 1, g: 1", same(
        lambda f: f.drop(index=[3, 4]))), NUMERIC, change=lambda f: pl.from_pandas(f).with_columns(
            x=pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise(pl.col("x")),
            g=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise(pl.col("g")))),
    Case("an arrow table", SAME, change=pa.Table.from_pandas),
    Case("an arrow table, numbers and text", SAME, NUMERIC, change=lambda f: pa.table({n: pa.array(f[n]) for n in f})),
    Case("an arrow batch", SAME, change=pa.RecordBatch.from_pandas),
    Case("an xarray Dataset", SAME, NUMERIC, change=xr.Dataset.from_dataframe),
    Case("an xarray Dataset, a column among its coordinates", SAME, NUMERIC,
         change=lambda f: xr.Dataset.from_dataframe(f.set_index("x"))),
    Case("an xarray Dataset of two dimensions", SAME, NUMERIC, change=in_two_dimensions),
    Case("an xarray Dataset of rows that do not meet", Refused(DataError, "'x' has the dimensions .'other',."), NUMERIC,
         change=lambda f: xr.Dataset.from_dataframe(f).assign(x=("other", f["x"].to_numpy()))),
    Case("an xarray DataTree", Refused(DataError, "not xarray.DataTree: call .to_dataset"), NUMERIC,
         change=lambda f: xr.DataTree(xr.Dataset.from_dataframe(f))),
    Case("a subclass of DataFrame", SAME, change=Subclass),
    Case("a list of dicts", NO_TABLE, change=lambda f: f.to_dict("records")),
    Case("a record array", NO_TABLE, change=lambda f: f.to_records()),
    Case("a matrix", NO_TABLE, change=lambda f: f[["x", "z"]].to_numpy()),
    Case("a Series", NO_TABLE, change=lambda f: f["x"]),
    Case("a path", NO_TABLE, change=lambda f: "data.csv"),
    Case("None", NO_TABLE, change=lambda f: None),
    Case("a class", NO_TABLE, change=lambda f: pd.DataFrame),
    Case("columns of two lengths", Refused(DataError, "different lengths"), change=lambda f: {**f, "x": [1.0, 2.0]}),
    Case("a single number as a column", Refused(DataError, "different lengths"), change=lambda f: {**f, "x": 1.0}),
    Case("a set as a column", Refused(DataError, "different lengths"), change=lambda f: {**f, "x": {1.0, 2.0}}),
    Case("a generator as a column", Refused(DataError, "different lengths"),
         change=lambda f: {**f, "x": (i for i in range(N))}),
    Case("a matrix as a column", Refused(DataError, "'x' has 2 dimensions"),
         change=lambda f: {**f, "x": np.ones((N, 2))}),
    Case("lists of several lengths as a column", Refused(DataError, "'x' holds sequences of different lengths"),
         change=lambda f: {**f, "x": [[1.0], [1.0, 2.0]] * (N // 2)}),
)  # fmt: skip

INDICES = (
    Case("an index with repeats", SAME, change=lambda f: f.set_axis(np.zeros(N, dtype=int))),
    Case("an index of two levels", SAME, change=lambda f: f.set_index(["h", "f"], drop=False)),
    Case("an index of dates", SAME, change=lambda f: f.set_axis(pd.date_range("2020", periods=N))),
    Case("an index of NaN", SAME, change=lambda f: f.set_axis([np.nan] * N)),
    Case("an index called as a column", SAME, change=lambda f: f.rename_axis("x")),
    Case("rows in another order", Right(holds(lambda m: list(m.design.index[:3]) == [47, 46, 45])),
         change=lambda f: f[::-1]),
    Case("a group in the index", Refused(DataError, "no column 'g'. It is a level of the index.*reset_index"),
         change=lambda f: f.set_index("g")),
    Case("columns of two levels", Refused(DataError, "MultiIndex for columns"),
         change=lambda f: pd.concat([f], axis=1, keys=["top"])),
    Case("a column twice", Refused(DataError, "more than one column named 'x'"),
         change=lambda f: pd.concat([f, f[["x"]]], axis=1)),
    Case("a column twice that is not used", SAME, change=lambda f: pd.concat([f, f[["z"]]], axis=1)),
    Case("names that are numbers", Refused(DataError, "no column '0'. That name is of type int"),
         formula="{y} ~ `0` + (1 | g)",
         change=lambda f: f.rename(columns={"x": 0})),
    Case("names that are numbers, not used", SAME, change=lambda f: f.rename(columns={"z": 0, "f": (1, 2), "h": None})),
    Case("a missing column", Refused(DataError, "no column 'x'. Did you mean 'xx'"),
         change=lambda f: f.rename(columns={"x": "xx"})),
    Case("a column of another case", Refused(DataError, "no column 'x'. Did you mean 'X'"),
         change=lambda f: f.rename(columns={"x": "X"})),
    Case("a name with a blank at its end", Refused(DataError, "no column 'x'. Did you mean 'x '|no column 'x'"),
         change=lambda f: f.rename(columns={"x": "x "})),
    Case("two missing columns", Refused(DataError, "no columns 'x', 'g'"), change=lambda f: f.drop(columns=["x", "g"])),
)  # fmt: skip

SIZES = (
    Case("no rows", Refused(DataError, "no rows"), change=lambda f: f.iloc[:0]),
    Case("no columns", Refused(DataError, "no columns"), change=lambda f: f[[]]),
    Case("an empty dict", Refused(DataError, "no columns"), change=lambda f: {}),
    Case("one row", Refused(DataError, "two rows or more"), change=lambda f: f.iloc[:1]),
    Case("two rows", Right(finite, FEW_DIVERGE), ("gaussian", "lognormal", "gamma"), formula="{y} ~ x", ask=fit,
         change=lambda f: f.iloc[:2]),
    Case("three rows", Right(finite, FEW_DIVERGE), ("student", "beta", "poisson"), formula="{y} ~ x", ask=fit,
         change=lambda f: f.iloc[[0, 3, 5]]),
)  # fmt: skip


def zeroed(asked, model):
    """Change the user's table after the model was made."""
    asked.data.loc[:, "x"] = 0.0
    return model


AFTERWARDS = (
    Case("a table changed afterwards", SAME, ask=zeroed),
    Case("a table that is a view", SAME, change=lambda f: pd.concat([f, f])[:N]),
)  # fmt: skip

CASES = (*KINDS, *INDICES, *SIZES, *AFTERWARDS)
