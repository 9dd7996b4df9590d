"""What all plots share: colours that colour-blind readers can tell apart, and axes without clutter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayes_glmm.errors import GLMMError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes

#: Okabe and Ito's palette without its black and yellow.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "D", "^", "v", "P")
INK = "#444444"
#: Columns of results that are numbers, not what the row is about.
NUMBERS = ("estimate", "sd", "lower", "upper")


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes given, or new ones on a figure of their own.

    Parameters
    ----------
    ax
        Axes to draw on, or None.
    width, height
        Size of a new figure, inches.

    Returns
    -------
    matplotlib.axes.Axes
        Without top and right frame.
    """
    if ax is None:
        from matplotlib.figure import Figure
        from matplotlib.pyplot import subplots

        figure: Figure
        figure, ax = subplots(figsize=(width, height), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(INK)
    ax.tick_params(colors=INK)
    return ax


def check_table_columns(argument: str, needed: Iterable[str], present: Iterable[str]) -> None:
    """Refuse a table that lacks a column.

    Parameters
    ----------
    argument
        Name of the argument, for the message.
    needed
        Columns that must be there.
    present
        Columns of the table.

    Raises
    ------
    GLMMError
        If one is missing; the message names the nearest.
    """
    columns = [str(name) for name in present]
    for name in needed:
        if name not in columns:
            raise GLMMError(f"{argument}: the table has no column {name!r}. {nearest(name, columns)}")


def row_labels(table: object, columns: list[str]) -> list[str]:
    """Label each row by the columns that differ from row to row.

    Parameters
    ----------
    table
        A DataFrame.
    columns
        The columns that say what a row is about.

    Returns
    -------
    list of str
        One label a row; a column whose values are all the same is left out unless it is the only one.
    """
    import pandas as pd

    frame = pd.DataFrame(table)
    telling = [name for name in columns if frame[name].nunique(dropna=False) > 1] or columns[:1]
    return [", ".join(str(value) for value in row) for row in frame[telling].itertuples(index=False)]
