"""What all plots share: colours that colour-blind readers can tell apart, and axes without clutter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bayes_glmm.errors import GLMMError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes

#: Okabe and Ito's palette without its black and yellow; the bright ones first on a dark ground.
_ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_ON_DARK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00")
MARKERS = ("o", "s", "D", "^", "v", "P")
#: Columns of results that are numbers, not what the row is about.
NUMBERS = ("estimate", "sd", "lower", "upper")


def series_color(number: int) -> str:
    """Return the colour of a series, readable on matplotlib's current background.

    Parameters
    ----------
    number
        0 for the first series; six colours that colour-blind readers can tell apart, then again.

    Returns
    -------
    str
        A colour.
    """
    colors = _ON_DARK if sum(_background()) < 1.5 else _ON_LIGHT
    return colors[number % len(colors)]


def ink(strength: float = 0.75) -> tuple[float, float, float]:
    """Return the colour of text and lines: matplotlib's current text colour, faded into the background.

    Parameters
    ----------
    strength
        1 for the text colour itself, 0 for the background.

    Returns
    -------
    tuple of float
        Red, green, blue.
    """
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb

    text, ground = to_rgb(rcParams["text.color"]), _background()
    red, green, blue = (strength * a + (1 - strength) * b for a, b in zip(text, ground, strict=True))
    return red, green, blue


def _background() -> tuple[float, float, float]:
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb

    return to_rgb(rcParams["axes.facecolor"])


def quiet_grid(ax: Axes, axis: Literal["x", "y"]) -> None:
    """Draw faint grid lines behind everything else.

    Parameters
    ----------
    ax
        The axes.
    axis
        Whose ticks the lines belong to.
    """
    ax.grid(axis=axis, color=ink(0.12), linewidth=0.8)
    ax.set_axisbelow(True)


def zero_line(ax: Axes, at: float = 0.0, horizontal: bool = False) -> None:
    """Draw a dashed line of reference.

    Parameters
    ----------
    ax
        The axes.
    at
        Where.
    horizontal
        Whether it is at a value of the vertical axis.
    """
    draw = ax.axhline if horizontal else ax.axvline
    draw(at, color=ink(), linewidth=1.2, linestyle=(0, (4, 3)), zorder=0.8)  # above the grid


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
        ax.spines[side].set_color(ink())
    ax.tick_params(colors=ink())
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
