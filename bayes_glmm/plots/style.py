"""What all plots share: colours that colour-blind readers can tell apart, and axes without clutter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.plots.names import fitted, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

#: Okabe and Ito's palette: on a light ground dark red and olive stand for its bright colours, on a dark ground those
#: come first.
_ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#882255", "#6B5B00")
_ON_DARK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00")
MARKERS = ("o", "s", "D", "^", "v", "P")
DASHES: tuple[Any, ...] = (
    "solid", (0, (4, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (9, 2)), (0, (3, 1.2, 1, 1.2, 1, 1.2)),
)  # fmt: skip
#: Lines and points beyond this many cannot be told apart and have one key for all.
MOST_COLORS = 18
_HANDLE = 3.9  # ems: three dashes and the gaps between them
_WIDEST = 62  # letters of a legend's line
_LINES = 14  # of a column of a legend
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


def line_style(number: int, points: int) -> dict[str, Any]:
    """Return what tells a line apart: colour and dashes, from the seventh line on markers too.

    Parameters
    ----------
    number
        0 for the first line.
    points
        How many the line has, which markers are spread over.

    Returns
    -------
    dict
        Keyword arguments of ``Axes.plot``.
    """
    style: dict[str, Any] = {"color": series_color(number), "linestyle": DASHES[number % len(DASHES)]}
    if number >= len(DASHES):
        marker = MARKERS[(number // len(DASHES) - 1) % len(MARKERS)]
        style |= {"marker": marker, "markersize": 5, "markevery": max(1, points // 8)}
    return style


def series_marker(number: int) -> str:
    """Return the marker of a series; the seventh series has the first one's colour and another marker.

    Parameters
    ----------
    number
        0 for the first series.

    Returns
    -------
    str
        A marker.
    """
    return MARKERS[(number + number // len(MARKERS)) % len(MARKERS)]


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


def style_axes(ax: Axes) -> Axes:
    """Take away the top and right frame and set the rest in quiet ink.

    Parameters
    ----------
    ax
        The axes, which are changed.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(ink())
    ax.tick_params(colors=ink())
    return ax


def legend_above(ax: Axes, columns: int, title: str = "") -> Legend:
    """Put the legend above the axes; its keys are opaque and long enough for dashes.

    Parameters
    ----------
    ax
        The axes.
    columns
        Number of columns; fewer where labels are long.
    title
        What all entries share.

    Returns
    -------
    matplotlib.legend.Legend
        The legend.
    """
    handles, labels = ax.get_legend_handles_labels()
    names = fitted(labels, lines=2)
    columns = legend_columns(names, columns, _WIDEST)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    return opaque_keys(ax.legend(handles, names, ncols=columns, **place, **legend_style(dashed_keys(ax), title)))


def legend_columns(names: Sequence[str], columns: int, letters: int) -> int:
    """Return how many columns a legend's line has room for.

    Parameters
    ----------
    names
        The labels.
    columns
        Number of columns wanted.
    letters
        Length of the line.

    Returns
    -------
    int
        At least one.
    """
    widths = [8 + max(map(len, name.split("\n"))) for name in names]
    columns = max(1, columns)
    # keys run down the columns
    while columns > 1 and sum(max(part) for part in np.array_split(widths, columns) if len(part)) > letters:
        columns -= 1
    return columns


def legend_beside(owner: Axes | Figure, ax: Axes, title: str) -> Legend:
    """Put the legend to the right: in several columns where there are many keys.

    Parameters
    ----------
    owner
        The axes or the figure beside which it stands.
    ax
        Axes whose lines it explains.
    title
        What all entries share.

    Returns
    -------
    matplotlib.legend.Legend
        The legend.
    """
    handles, labels = ax.get_legend_handles_labels()
    names = fitted(labels, letters=30, lines=2 if len(labels) <= _LINES else 1)
    keys = _LINES // (1 + any("\n" in name for name in names))
    place: dict[str, Any] = (
        {"loc": "upper left", "bbox_to_anchor": (1, 1)} if owner is ax else {"loc": "outside right upper"}
    )
    style = legend_style(dashed_keys(ax), wrapped(title, 30)) | {"ncols": -(-len(names) // keys)}
    return opaque_keys(owner.legend(handles, names, **place, **style))


def dashed_keys(ax: Axes) -> bool:
    """Say whether keys need room for dashes.

    Parameters
    ----------
    ax
        Axes whose lines a legend explains.

    Returns
    -------
    bool
        Whether one of the lines with a key is dashed.
    """
    return any(line.is_dashed() for line in ax.lines if not str(line.get_label()).startswith("_"))


def legend_style(dashed: bool, title: str = "") -> dict[str, Any]:
    """Return what all legends share.

    Parameters
    ----------
    dashed
        Whether keys are dashed lines.
    title
        What all entries share.

    Returns
    -------
    dict
        Keyword arguments of ``legend``.
    """
    style: dict[str, Any] = {"frameon": False, "handlelength": _HANDLE if dashed else 1.2}
    style |= {"columnspacing": 1.2, "handletextpad": 0.6}
    return style | ({"title": title, "alignment": "left", "title_fontsize": "small"} if title else {})


def opaque_keys(legend: Legend) -> Legend:
    """Draw a legend's keys without transparency, and points large enough to be told apart.

    Parameters
    ----------
    legend
        The legend, which is changed.

    Returns
    -------
    matplotlib.legend.Legend
        The same.
    """
    from matplotlib.lines import Line2D

    for key in legend.legend_handles:
        if key is not None:
            key.set_alpha(1)
        if isinstance(key, Line2D):
            key.set_markersize(max(5.0, key.get_markersize()))
    return legend


def note_above(ax: Axes, *parts: str) -> None:
    """Write what a figure's axes do not say in small print above them.

    Parameters
    ----------
    ax
        The axes.
    *parts
        What to say; empty ones are left out.
    """
    ax.set_title("; ".join(part for part in parts if part), loc="left", fontsize="small", color=ink())


def check_table_columns(argument: str, needed: Iterable[str], table: Any, made_by: str = "") -> None:
    """Refuse what is no table, and a table that lacks a column or has no rows.

    Parameters
    ----------
    argument
        Name of the argument, for the message.
    needed
        Columns that must be there.
    table
        What the user gave.
    made_by
        The function of the package whose result it is; empty for the user's own table.

    Raises
    ------
    GLMMError
        If it is none, has no rows, or a column is missing; the message names the nearest.
    """
    what = f"the result of bayes_glmm.{made_by}" if made_by else "a pandas DataFrame"
    if not isinstance(table, pd.DataFrame):
        hint = "; plots draw results and compute nothing" if made_by else ""
        raise GLMMError(f"{argument}: give {what}, not {in_words(table)}{hint}.")
    columns = [str(name) for name in table.columns]
    for name in needed:
        if not isinstance(name, str):
            raise GLMMError(f"{argument}: {in_words(name)} is no name of a column. {nearest(name, columns)}")
        if name not in columns:
            hint = f" Is it {what}?" if made_by else ""
            raise GLMMError(f"{argument}: the table has no column {name!r}. {nearest(name, columns)}{hint}")
    if not len(table):
        raise GLMMError(f"{argument}: the table has no rows.")


def telling_columns(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """Choose the columns whose values differ from row to row.

    Parameters
    ----------
    table
        The table.
    columns
        The columns that say what a row is about.

    Returns
    -------
    list of str
        Those that differ; the first where none does.
    """
    return [name for name in columns if table[name].nunique(dropna=False) > 1] or columns[:1]


def row_labels(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """Label each row by the columns that differ from row to row.

    Parameters
    ----------
    table
        The table.
    columns
        The columns that say what a row is about.

    Returns
    -------
    list of str
        One label a row; a column whose values are all the same is left out unless it is the only one.
    """
    telling = telling_columns(table, columns)
    return [", ".join(str(value) for value in row) for row in table[telling].itertuples(index=False)]
