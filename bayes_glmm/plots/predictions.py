"""Predictions against one column, from a table of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.effects.labels import for_whom, interval_words, prediction_label
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.facets import is_level, panel_keys, panel_title, panels_across, rows_at, varying_columns
from bayes_glmm.plots.layout import axes_inches, finish, fit_paper, new_panels, own_axes
from bayes_glmm.plots.names import columns_width, counted, many, name_columns
from bayes_glmm.plots.observations import draw_observations, level_name, level_offsets
from bayes_glmm.plots.style import (
    MOST_COLORS,
    NUMBERS,
    check_table_columns,
    ink,
    legend_beside,
    line_style,
    note_above,
    quiet_grid,
    series_color,
    series_marker,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 5.2, 3.3
_PANEL_WIDTH, _PANEL_HEIGHT = 2.7, 2.2


def predictions(
    table: pd.DataFrame,
    x: str | None = None,
    color: str | None = None,
    *,
    data: pd.DataFrame | None = None,
    y: str | None = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw predictions: lines with bands over a numeric column, points with intervals over any other or two values.

    Parameters
    ----------
    table
        Result of `bayes_glmm.predictions` or `bayes_glmm.avg_predictions`.
    x
        Column of the horizontal axis; None where the table describes rows by one column only.
    color
        Column told apart by colour, dashes and markers. None for ``"category"`` where the table has the probabilities
        of several, or else for the first column that tells rows at one value of `x` apart.
    data, y
        The observations, and their column to draw behind the predictions (for counts out of trials make a column of
        proportions first); `data` also has the columns of the axis, the colours and the panels. Those at levels that
        the table lacks are left out. Responses 0 and 1 are spread over strips below 0 and above 1.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        Posterior means with their intervals; above, for whom they hold. More than eighteen colours become thin grey
        lines without intervals. A figure with a panel for each combination of the columns besides `x` and `color` that
        tell rows apart, where there are such columns.

    Raises
    ------
    GLMMError
        If a column is missing, `y` holds no numbers, several rows share one place of the figure, or one pair of axes
        would have to hold several panels.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.avg_predictions(fit, by="period", random_effects="marginal")
    >>> bg.plots.predictions(table, "period").get_ylabel()
    'Probability of incidence'
    """
    if (data is None) != (y is None):
        raise GLMMError("data= and y= belong together: the observations, and the column to draw.")
    check_table_columns("table", ["estimate", "lower", "upper"], table, "predictions")
    x, color, others = _places(table, x, color)
    if data is not None:
        check_table_columns("data", [x], data)
    numeric = _is_scale(table[x], None if data is None else data.get(x))
    drawn = _Drawn(table, x, color, others, numeric, data, y)
    keys = panel_keys({"": table}, others)
    if len(keys) == 1:
        return _one(drawn, ax)
    if ax is not None:
        apart = " and ".join(others)
        raise GLMMError(f"ax: one pair of axes cannot hold a panel for each {apart}; leave it out, or give one's rows.")
    return _several(drawn, keys)


@dataclass(frozen=True)
class _Drawn:
    """A table, the columns that say where its rows are drawn, and the observations behind them."""

    table: pd.DataFrame
    x: str
    color: str | None
    others: list[str]
    numeric: bool
    data: pd.DataFrame | None
    y: str | None

    @cached_property
    def levels(self) -> list[object]:
        """Levels of the horizontal axis."""
        return list(dict.fromkeys(self.table[self.x]))

    @cached_property
    def colors(self) -> list[str]:
        """Names of the colours; none for a single one."""
        return [] if self.color is None else list(dict.fromkeys(self.table[self.color].astype(str)))

    @property
    def grey(self) -> bool:
        """Whether there are too many colours to tell them apart."""
        return len(self.colors) > MOST_COLORS

    @property
    def x_label(self) -> str:
        """Label of the horizontal axis."""
        return self.x if self.numeric else counted(self.x, len(self.levels))

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands above the figure."""
        interval = interval_words([self.table.attrs], "band" if self.numeric else "interval")
        seen = "" if self.data is None else "points: observations"
        return for_whom(self.table.attrs), "means" if self.grey else interval, seen

    @property
    def legend(self) -> str:
        """Title of the legend: the colours' column."""
        return "" if self.color is None or self.grey else self.color


def _places(table: pd.DataFrame, x: str | None, color: str | None) -> tuple[str, str | None, list[str]]:
    """Columns of the horizontal axis, of the colours, and of the panels."""
    about = [name for name in table.columns if name not in (*NUMBERS, "category")]
    check_table_columns("table", [name for name in (x, color) if name is not None], table, "predictions")
    if color is None and x != "category" and about and "category" in table and table["category"].nunique() > 1:
        color = "category"
    x = _only_column(table, color) if x is None else x
    places = [x] if color is None else [x, color]
    check_table_columns("table", places, table, "predictions")
    for name in varying_columns(table, places):
        if table.duplicated(places).any() and is_level(table[name], MOST_COLORS):
            places.append(name)
    if table.duplicated(places).any():
        raise GLMMError(
            f"table: several rows share one value of {' and '.join(places)} and no levels tell them apart; average "
            f"over the rest first (by={places!r})."
        )
    return x, (places[1] if len(places) > 1 else None), places[2:]


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


def _one(drawn: _Drawn, given: Axes | None) -> Axes:
    ax = own_axes(given)
    width = _WIDTH if drawn.numeric else columns_width(len(drawn.levels), len(drawn.colors), _WIDTH)
    width = width if given is None else axes_inches(given)[0]
    _panel(ax, drawn, (), width)
    ax.set_xlabel(drawn.x_label, color=ink())
    ax.set_ylabel(prediction_label(drawn.table.attrs), color=ink())
    note_above(ax, *drawn.notes)
    if drawn.color is not None:
        legend_beside(ax, ax, drawn.legend)
    finish(ax, given, width, _HEIGHT)
    return ax


def _several(drawn: _Drawn, keys: list[tuple[object, ...]]) -> Figure:
    figure, panels = new_panels(len(keys), panels_across(drawn.others, keys), shared=True)
    least = _PANEL_WIDTH
    width = least if drawn.numeric else columns_width(len(drawn.levels), len(drawn.colors), least)
    for ax, key in zip(panels, keys, strict=True):
        _panel(ax, drawn, key, width)
        ax.set_title(panel_title(drawn.others, key), color=ink(), fontsize="medium")
    figure.supxlabel(drawn.x_label, color=ink(), fontsize="medium")
    figure.supylabel(prediction_label(drawn.table.attrs), color=ink(), fontsize="medium")
    figure.suptitle("; ".join(filter(None, drawn.notes)), color=ink(), fontsize="small")
    legend_beside(figure, panels[0], drawn.legend)
    fit_paper(figure, width, _PANEL_HEIGHT)
    return figure


def _panel(ax: Axes, drawn: _Drawn, key: tuple[object, ...], width: float) -> None:
    if drawn.data is not None and drawn.y is not None:
        check_table_columns("data", drawn.others, drawn.data)
        levels = None if drawn.numeric else [level_name(level) for level in drawn.levels]
        columns = (drawn.x, drawn.y, None if drawn.grey else drawn.color)
        draw_observations(ax, rows_at(drawn.data, drawn.others, key), columns, levels, drawn.colors)
    table = rows_at(drawn.table, drawn.others, key)
    groups = {"": table}
    if drawn.color is not None:
        split = dict(list(table.groupby(table[drawn.color].astype(str), sort=False)))
        groups = {name: split[name] for name in drawn.colors if name in split}
    if drawn.numeric:
        _lines(ax, groups, drawn)
    else:
        _points(ax, groups, drawn, width)
    quiet_grid(ax, "y")


def _lines(ax: Axes, groups: dict[str, pd.DataFrame], drawn: _Drawn) -> None:
    if drawn.grey:
        alpha = float(np.clip(20 / len(groups), 0.3, 0.7))
        for number, part in enumerate(groups.values()):
            ordered, label = part.sort_values(drawn.x), _together(drawn) if number == 0 else None
            ax.plot(ordered[drawn.x], ordered["estimate"], color=ink(0.7), linewidth=0.8, alpha=alpha, label=label)
        return
    alpha = min(0.18, 0.7 / len(groups))  # many bands on top of each other stay lighter than their lines
    for name, part in groups.items():
        number = drawn.colors.index(name) if name else 0
        ordered, color = part.sort_values(drawn.x), series_color(number)
        low, high = ordered["lower"], ordered["upper"]
        ax.fill_between(ordered[drawn.x], low, high, color=color, alpha=alpha, linewidth=0)
        ax.plot(ordered[drawn.x], ordered["estimate"], linewidth=2, label=name, **line_style(number, len(part)))


def _points(ax: Axes, groups: dict[str, pd.DataFrame], drawn: _Drawn, width: float) -> None:
    place_of = {level: place for place, level in enumerate(drawn.levels)}
    offsets = level_offsets(len(drawn.colors) or 1)
    crowded = many(len(drawn.levels) * (1 if drawn.grey else len(drawn.colors) or 1))
    for name, part in groups.items():
        number = drawn.colors.index(name) if name else 0
        place = part[drawn.x].map(place_of).to_numpy(dtype=float) + offsets[number]
        color = ink(0.6) if drawn.grey else series_color(number)
        if not drawn.grey:
            lines = 1.0 if crowded else 2.2
            ax.vlines(place, part["lower"], part["upper"], color=color, linewidth=lines, alpha=0.5 if crowded else 0.75)
        label = (_together(drawn) if number == 0 else None) if drawn.grey else name
        size, edge = (2.5, color) if crowded or drawn.grey else (6.5, ink(0))
        marker = "o" if drawn.grey else series_marker(number)
        ax.plot(place, part["estimate"], marker, color=color, markersize=size, markeredgecolor=edge, label=label)
    ax.set_xlim(-0.5, len(drawn.levels) - 0.5)
    name_columns(ax, [level_name(level) for level in drawn.levels], width)


def _together(drawn: _Drawn) -> str:
    """Key of lines too many to tell apart."""
    return f"{drawn.color} ({len(drawn.colors)} levels)"
