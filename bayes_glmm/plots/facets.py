"""What tells the rows at one place of a figure apart: columns that get panels of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.style import NUMBERS

MOST_PANELS = 20
_ACROSS, _MOST_ACROSS = 3, 5  # panels side by side

Key = tuple[Any, ...]


def varying_columns(table: pd.DataFrame, places: Sequence[str]) -> list[str]:
    """Find the columns that tell rows at one place apart.

    Parameters
    ----------
    table
        A table of results.
    places
        Columns that say where rows are drawn.

    Returns
    -------
    list of str
        Columns with several values at some place, in the table's order; the response is none of them.
    """
    left_out = (*NUMBERS, *places, table.attrs.get("response"))
    about = [str(name) for name in table.columns if name not in left_out]
    counts = table.groupby(list(places), observed=True, sort=False)[about].nunique(dropna=False)
    return [name for name in about if counts[name].max() > 1]


def is_level(values: pd.Series, most: int) -> bool:
    """Say whether the values of a column are levels, rather than measurements.

    Parameters
    ----------
    values
        The column.
    most
        Most different numbers that count as levels.

    Returns
    -------
    bool
        True for anything but more numbers than that.
    """
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return not number or values.nunique() <= most


def panel_keys(tables: Mapping[str, pd.DataFrame], columns: Sequence[str]) -> list[Key]:
    """List the combinations of values that have a panel each.

    Parameters
    ----------
    tables
        Tables by name, which have the same combinations.
    columns
        The columns; without any there is one panel.

    Returns
    -------
    list of tuple
        The combinations, values in the first table's order, those of the last column changing fastest.

    Raises
    ------
    GLMMError
        If the tables have different combinations, or there are too many.
    """
    keys: list[list[Key]] = [
        list(dict.fromkeys(table[list(columns)].itertuples(index=False, name=None))) if columns else [()]
        for table in tables.values()
    ]
    for name, own in zip(tables, keys, strict=True):
        if set(own) != set(keys[0]):
            raise GLMMError(f"stories[{name!r}] has other values of {' and '.join(columns)} than the first table.")
    if len(keys[0]) > MOST_PANELS:
        raise GLMMError(
            f"{' and '.join(columns)} would make {len(keys[0])} panels, of which a figure has {MOST_PANELS} at most: "
            "choose some of the rows, or average over them first (by= of the function that made the table)."
        )
    seen = [list(dict.fromkeys(values)) for values in zip(*keys[0], strict=True)]
    return sorted(keys[0], key=lambda key: [own.index(value) for own, value in zip(seen, key, strict=True)])


def panels_across(columns: Sequence[str], keys: Sequence[Key]) -> int:
    """Choose how many panels stand side by side.

    Parameters
    ----------
    columns
        The columns.
    keys
        The combinations.

    Returns
    -------
    int
        The values of the last column, where there are several columns and a line holds them; three otherwise.
    """
    last = len({key[-1] for key in keys})
    return last if len(columns) > 1 and last <= _MOST_ACROSS else _ACROSS


def rows_at(table: pd.DataFrame, columns: Sequence[str], key: Key) -> pd.DataFrame:
    """Choose the rows of a panel.

    Parameters
    ----------
    table
        A table with the columns.
    columns
        The columns.
    key
        Their values.

    Returns
    -------
    pandas.DataFrame
        Its rows with these values.
    """
    inside = pd.Series(True, index=table.index)
    for name, value in zip(columns, key, strict=True):
        inside &= table[name] == value
    return table[inside].copy() if columns else table


def panel_title(columns: Sequence[str], key: Key) -> str:
    """Name a panel.

    Parameters
    ----------
    columns
        The columns.
    key
        Their values.

    Returns
    -------
    str
        ``"treat b, poor"``: categories of a response by themselves, other values after their column.
    """
    pairs = zip(columns, key, strict=True)
    return ", ".join(str(value) if name == "category" else f"{name} {value}" for name, value in pairs)
