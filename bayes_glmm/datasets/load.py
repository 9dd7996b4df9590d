"""Real data sets as pandas data frames.

Input: the name of a data set. Output: a fresh data frame whose factors are categories in R's order of levels.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.datasets.provenance import SOURCES
from bayes_glmm.errors import DataError, nearest
from bayes_glmm.printing.table import Table

__all__ = ["list_datasets", "load_dataset"]


def load_dataset(name: str) -> pd.DataFrame:
    """Load one of the data sets that come with the package.

    Parameters
    ----------
    name
        A name from `list_datasets`; capitals and small letters count as the same.

    Returns
    -------
    DataFrame
        A fresh copy, one row per observation. Factors and grouping columns are categories of strings in the level
        order of the R package the data come from; ``attrs`` holds name, source and licence.

    Raises
    ------
    DataError
        If there is no data set of that name; the message gives the nearest name.

    Examples
    --------
    >>> cbpp = load_dataset("cbpp")
    >>> cbpp.shape
    (56, 4)
    >>> list(cbpp["period"].cat.categories)
    ['1', '2', '3', '4']
    """
    spelled = {known.lower(): known for known in SOURCES}
    known = spelled.get(str(name).lower())
    if known is None:
        raise DataError(f"There is no data set named {in_words(name)}. {nearest(name, SOURCES)}")
    frame = _read(known).copy()
    source = SOURCES[known]
    frame.attrs = {
        "name": known,
        "source": f"R package {source.package} {source.version}; {source.citation}",
        "licence": source.licence,
    }
    return frame


def list_datasets() -> pd.DataFrame:
    """Describe the data sets that come with the package.

    Returns
    -------
    DataFrame
        One row per data set: name, rows, columns, bytes (size of the file on disk), source, licence, description.

    Examples
    --------
    >>> list_datasets().set_index("name").loc["cbpp", ["rows", "columns"]].to_dict()
    {'rows': 56, 'columns': 4}
    """
    rows = []
    for name, source in SOURCES.items():
        frame = _read(name)
        rows.append(
            {
                "name": name,
                "rows": len(frame),
                "columns": frame.shape[1],
                "bytes": len(_file(name).read_bytes()),
                "source": f"{source.package}: {source.citation}",
                "licence": source.licence,
                "description": source.description,
            }
        )
    return Table(rows)


@cache
def _read(name: str) -> pd.DataFrame:
    factors: dict[str, dict[str, Any]] = _levels()[name]
    path = _file(name)
    with path.open("rb") as stream:
        frame = pd.read_csv(
            stream,
            compression="gzip" if path.name.endswith(".gz") else None,
            dtype=dict.fromkeys(factors, "str"),
            keep_default_na=False,
            na_values=[""],
        )
    for column, entry in factors.items():
        levels = entry["levels"]
        if levels == "numeric":
            levels = sorted(frame[column].dropna().unique(), key=int)
        frame[column] = pd.Categorical(frame[column], categories=levels, ordered=entry.get("ordered", False))
    return frame


@cache
def _levels() -> dict[str, dict[str, dict[str, Any]]]:
    levels: dict[str, dict[str, dict[str, Any]]] = json.loads((_folder() / "levels.json").read_text(encoding="utf-8"))
    return levels


def _folder() -> Any:
    return files("bayes_glmm.datasets") / "data"


def _file(name: str) -> Any:
    plain = _folder() / f"{name}.csv"
    return plain if plain.is_file() else _folder() / f"{name}.csv.gz"
