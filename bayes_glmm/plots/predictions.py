"""Predictions against one column, from a table of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.style import (
    MARKERS,
    NUMBERS,
    axes_or_new,
    check_table_columns,
    ink,
    quiet_grid,
    series_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def predictions(
    table: pd.DataFrame,
    x: str | None = None,
    color: str | None = None,
    *,
    data: pd.DataFrame | None = None,
    y: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw predictions: lines with bands over a numeric column, points with intervals over any other.

    Parameters
    ----------
    table
        Result of `bayes_glmm.predictions` or `bayes_glmm.avg_predictions`, one row per combination of `x` and `color`.
    x
        Column of the horizontal axis; None where the table describes rows by one column only.
    color
        Column told apart by colour; None for none.
    data, y
        The observations, and their column to draw behind the predictions (for counts out of trials make a column of
        proportions first); `data` also has the columns `x` and `color`. Those at levels that the table lacks are
        left out.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Posterior means with their intervals.

    Raises
    ------
    GLMMError
        If a column is missing, or several rows share one place of the figure.
    """
    x = _only_column(table) if x is None else x
    check_table_columns(
        "table", [x, *([color] if color is not None else []), "estimate", "lower", "upper"], table.columns
    )
    places = [x] if color is None else [x, color]
    if table.duplicated(places).any():
        raise GLMMError(
            f"table: several rows share one value of {' and '.join(places)}; average over the rest first "
            f"(by={places!r}), or name another column for color=."
        )
    groups = [("", table)] if color is None else list(table.groupby(color, sort=False, observed=True))
    ax = axes_or_new(ax, 6.4, 4.0)
    numeric = pd.api.types.is_numeric_dtype(table[x]) and not pd.api.types.is_bool_dtype(table[x])
    draw = _lines if numeric else _points
    if data is not None or y is not None:
        _observations(ax, data, y, x, color, [name for name, _ in groups] if color is not None else [], table)
    draw(ax, [(str(name), part) for name, part in groups], x)
    ax.set_xlabel(x, color=ink())
    ax.set_ylabel(_quantity(table), color=ink())
    quiet_grid(ax, "y")
    if color is not None:
        ax.legend(title=color, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def _observations(
    ax: Axes,
    data: pd.DataFrame | None,
    y: str | None,
    x: str,
    color: str | None,
    names: list[object],
    table: pd.DataFrame,
) -> None:
    """Draw the observations as faint points, jittered where the horizontal axis has levels."""
    if data is None or y is None:
        raise GLMMError("data= and y= belong together: the observations, and the column to draw.")
    check_table_columns("data", [x, y, *([color] if color is not None else [])], data.columns)
    if pd.api.types.is_numeric_dtype(table[x]) and not pd.api.types.is_bool_dtype(table[x]):
        place = data[x].to_numpy(dtype=float)
    else:
        levels = [str(level) for level in dict.fromkeys(table[x])]
        known = data[x].astype(str).isin(levels).to_numpy()
        data = data.loc[known]
        spread = np.random.default_rng(0).uniform(-0.28, 0.28, len(data))
        place = np.array([levels.index(value) for value in data[x].astype(str)]) + spread
    shades: list[str | tuple[float, float, float]] = [ink(0.7)] * len(data)
    if color is not None:
        order = {str(name): series_color(number) for number, name in enumerate(names)}
        shades = [order.get(value, ink(0.7)) for value in data[color].astype(str)]
    ax.scatter(place, data[y].to_numpy(dtype=float), c=shades, s=14, alpha=0.35, linewidths=0, zorder=1)


def _only_column(table: pd.DataFrame) -> str:
    about = [str(name) for name in table.columns if name not in NUMBERS]
    if len(about) != 1:
        raise GLMMError(f"x= must name a column of the table: {', '.join(map(repr, about)) or 'it has none'}.")
    return about[0]


def _quantity(table: pd.DataFrame) -> str:
    kind, prob = table.attrs.get("random_effects"), table.attrs.get("ci_prob")
    told = [f"{kind}" if kind else "", f"{prob:.0%} interval" if prob is not None else ""]
    inside = ", ".join(part for part in told if part)
    return f"Prediction ({inside})" if inside else "Prediction"


def _lines(ax: Axes, groups: list[tuple[str, pd.DataFrame]], x: str) -> None:
    for number, (name, part) in enumerate(groups):
        ordered, color = part.sort_values(x), series_color(number)
        ax.fill_between(ordered[x], ordered["lower"], ordered["upper"], color=color, alpha=0.18, linewidth=0)
        ax.plot(ordered[x], ordered["estimate"], color=color, linewidth=2, label=name)


def _points(ax: Axes, groups: list[tuple[str, pd.DataFrame]], x: str) -> None:
    levels = list(dict.fromkeys(value for _, part in groups for value in part[x]))
    offsets = (np.arange(len(groups)) - (len(groups) - 1) / 2) * 0.6 / max(1, len(groups))
    for number, ((name, part), offset) in enumerate(zip(groups, offsets, strict=True)):
        place = np.array([levels.index(value) for value in part[x]]) + offset
        color = series_color(number)
        ax.vlines(place, part["lower"], part["upper"], color=color, linewidth=2.2, alpha=0.75)
        marker = MARKERS[number % len(MARKERS)]
        ax.plot(place, part["estimate"], marker, color=color, markersize=6.5, markeredgecolor=ink(0), label=name)
    ax.set_xticks(range(len(levels)), [str(level) for level in levels])
    ax.set_xlim(-0.5, len(levels) - 0.5)
