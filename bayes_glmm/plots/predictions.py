"""Predictions against one column, from a table of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.observations import draw_observations, level_name, level_offsets
from bayes_glmm.plots.style import (
    NUMBERS,
    axes_or_new,
    check_table_columns,
    ink,
    legend_style,
    level_ticks,
    line_style,
    note_above,
    opaque_keys,
    quiet_grid,
    series_color,
    series_marker,
)
from bayes_glmm.plots.wording import for_whom, interval_words, prediction_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 4.0


def predictions(
    table: pd.DataFrame,
    x: str | None = None,
    color: str | None = None,
    *,
    data: pd.DataFrame | None = None,
    y: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw predictions: lines with bands over a numeric column, points with intervals over any other or two values.

    Parameters
    ----------
    table
        Result of `bayes_glmm.predictions` or `bayes_glmm.avg_predictions`, one row per combination of `x` and `color`.
    x
        Column of the horizontal axis; None where the table describes rows by one column only.
    color
        Column told apart by colour, dashes and markers; None for none, and for ``"category"`` where the table has the
        probabilities of several.
    data, y
        The observations, and their column to draw behind the predictions (for counts out of trials make a column of
        proportions first); `data` also has the columns `x` and `color`. Those at levels that the table lacks are
        left out. Responses 0 and 1 are spread over strips below 0 and above 1.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Posterior means with their intervals; above, for whom they hold.

    Raises
    ------
    GLMMError
        If a column is missing, `y` holds no numbers, or several rows share one place of the figure.
    """
    check_table_columns("table", ["estimate", "lower", "upper"], table, "predictions")
    about = [name for name in table.columns if name not in (*NUMBERS, "category")]
    check_table_columns("table", [name for name in (x, color) if name is not None], table, "predictions")
    if color is None and x != "category" and about and "category" in table and table["category"].nunique() > 1:
        color = "category"
    x = _only_column(table, color) if x is None else x
    places = [x] if color is None else [x, color]
    check_table_columns("table", places, table, "predictions")
    if table.duplicated(places).any():
        raise GLMMError(
            f"table: several rows share one value of {' and '.join(places)}; average over the rest first "
            f"(by={places!r}), or name another column for color=."
        )
    if (data is None) != (y is None):
        raise GLMMError("data= and y= belong together: the observations, and the column to draw.")
    if data is not None:
        check_table_columns("data", [x], data)
    groups = [("", table)] if color is None else list(table.groupby(color, sort=False, observed=True))
    named = [(str(name), part) for name, part in groups]
    own = ax is None
    ax = axes_or_new(ax, 6.4, _HEIGHT)
    numeric = _is_scale(table[x], None if data is None else data.get(x))
    if data is not None and y is not None:
        levels = None if numeric else [level_name(level) for level in _levels(named, x)]
        draw_observations(ax, data, (x, y, color), levels, [name for name, _ in named] if color is not None else [])
    below = (_lines if numeric else _points)(ax, named, x)
    if own and below:
        ax.figure.set_size_inches(6.4, _HEIGHT + below)  # type: ignore[union-attr]
    ax.set_xlabel(x, color=ink())
    ax.set_ylabel(prediction_label(table.attrs), color=ink())
    interval = interval_words([table.attrs], "band" if numeric else "interval")
    note_above(ax, for_whom(table.attrs), interval, "points: observations" if data is not None else "")
    quiet_grid(ax, "y")
    if color is not None:
        opaque_keys(ax.legend(loc="upper left", bbox_to_anchor=(1, 1), **legend_style(numeric, color)))
    return ax


def _is_scale(values: pd.Series, seen: pd.Series | None) -> bool:
    """Whether values are numbers on a scale; two alone (0 and 1, say), and no others seen, are levels."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    own = values.unique()
    return len(own) != 2 or (seen is not None and not seen.isin(own).all())


def _only_column(table: pd.DataFrame, color: str | None) -> str:
    about = [str(name) for name in table.columns if name not in (*NUMBERS, color)]
    if not about:
        raise GLMMError("The table has no column to draw along the horizontal axis; ask for predictions by= one.")
    if len(about) > 1:
        raise GLMMError(f"x= must name a column of the table: {', '.join(map(repr, about))}.")
    return about[0]


def _levels(groups: list[tuple[str, pd.DataFrame]], x: str) -> list[object]:
    return list(dict.fromkeys(value for _, part in groups for value in part[x]))


def _lines(ax: Axes, groups: list[tuple[str, pd.DataFrame]], x: str) -> float:
    alpha = min(0.18, 0.7 / len(groups))  # many bands on top of each other stay lighter than their lines
    for number, (name, part) in enumerate(groups):
        ordered, color = part.sort_values(x), series_color(number)
        ax.fill_between(ordered[x], ordered["lower"], ordered["upper"], color=color, alpha=alpha, linewidth=0)
        ax.plot(ordered[x], ordered["estimate"], linewidth=2, label=name, **line_style(number, len(part)))
    return 0.0


def _points(ax: Axes, groups: list[tuple[str, pd.DataFrame]], x: str) -> float:
    """Draw points with intervals; return the inches that turned names of levels take."""
    levels = _levels(groups, x)
    for number, ((name, part), offset) in enumerate(zip(groups, level_offsets(len(groups)), strict=True)):
        place, color = np.array([levels.index(value) for value in part[x]]) + offset, series_color(number)
        ax.vlines(place, part["lower"], part["upper"], color=color, linewidth=2.2, alpha=0.75)
        marker = series_marker(number)
        ax.plot(place, part["estimate"], marker, color=color, markersize=6.5, markeredgecolor=ink(0), label=name)
    ax.set_xlim(-0.5, len(levels) - 0.5)
    return level_ticks(ax, [level_name(level) for level in levels])
