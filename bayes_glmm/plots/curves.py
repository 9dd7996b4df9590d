"""Curves of predictions: thin ones for the groups, thick ones with bands for the typical group and the population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_glmm.effects.labels import interval_words, prediction_label
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.facets import (
    MOST_PANELS,
    is_level,
    panel_keys,
    panel_title,
    panels_across,
    rows_at,
    varying_columns,
)
from bayes_glmm.plots.layout import finish, fit_paper, new_panels, own_axes
from bayes_glmm.plots.names import fitted
from bayes_glmm.plots.style import (
    DASHES,
    check_table_columns,
    dashed_keys,
    ink,
    legend_above,
    legend_columns,
    legend_style,
    line_style,
    opaque_keys,
    quiet_grid,
    series_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_THICK = 6  # curves of one table
_LETTERS = 28  # of a legend's line, above each panel


def draw_curves(stories: Mapping[str, pd.DataFrame], x: str, color: str | None, ax: Axes | None) -> Axes | Figure:
    """Draw predictions of several kinds over one column.

    Parameters
    ----------
    stories
        Tables of predictions by name; one with several rows at a value of `x` holds several curves.
    x
        The numeric column of the horizontal axis.
    color
        Column told apart by colours; dashes tell stories apart then. None: colours and dashes tell stories apart.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        Posterior means and intervals as bands; thin means alone for levels of a grouping factor. A figure with a panel
        for each category of the response, and for each combination of other predictors that vary in all tables, but
        `color`.

    Raises
    ------
    GLMMError
        If the column is missing or no number, a table's rows are not curves over it, tables have other values of what
        panels are made of, or there is one pair of axes for several panels.
    """
    for name, table in stories.items():
        check_table_columns(f"stories[{name!r}]", [x], table, "predictions")
        if not pd.api.types.is_numeric_dtype(table[x]) or pd.api.types.is_bool_dtype(table[x]):
            raise GLMMError(f"x: {x!r} is no number in stories[{name!r}]; curves need a numeric column.")
    shades = _shades(stories, color)
    columns = [name for name in _panel_columns(stories, x) if name != color]
    keys = panel_keys(stories, columns)
    if len(keys) == 1:
        axes = own_axes(ax)
        _panel(axes, stories, x, shades)
        axes.set_xlabel(x, color=ink())
        axes.set_ylabel(_label(stories), color=ink())
        legend_above(axes, len(stories), _interval(stories, axes))
        finish(axes, ax, 5.4, 3.3)
        return axes
    if ax is not None:
        apart = " and ".join(columns)
        raise GLMMError(f"ax: one pair of axes cannot hold a panel for each {apart}; leave it out, or give one's rows.")
    return _panels(stories, columns, keys, x, shades)


@dataclass(frozen=True)
class _Shades:
    """The column that colours tell apart, and its levels in the first table's order."""

    column: str | None
    levels: tuple[Any, ...]


def _shades(stories: Mapping[str, pd.DataFrame], color: str | None) -> _Shades:
    if color is None:
        return _Shades(None, (None,))
    for name, table in stories.items():
        check_table_columns(f"stories[{name!r}]", [color], table, "predictions")
    levels = dict.fromkeys(level for table in stories.values() for level in table[color])
    for what, count in ((f"color: {color!r} has {len(levels)} levels", len(levels)), ("stories", len(stories))):
        if count > _MOST_THICK:
            raise GLMMError(
                f"{what}; {_MOST_THICK} colours, and as many kinds of dashes, can be told apart. Without color= each "
                "level has a panel."
            )
    return _Shades(color, tuple(levels))


def _panel_columns(stories: Mapping[str, pd.DataFrame], x: str) -> list[str]:
    """Columns that vary at one value of x in all tables and are no grouping factors."""
    tables = list(stories.values())
    shared = [set(varying_columns(table, [x])) for table in tables]
    first = tables[0]
    groups = {group for table in tables for group in _groups(table)}
    found = [name for name in varying_columns(first, [x]) if all(name in own for own in shared) and name not in groups]
    if any("groups" in table.attrs for table in tables):
        return [name for name in found if is_level(first[name], MOST_PANELS)]
    return [name for name in found if first[name].nunique() <= MOST_PANELS]  # more are levels of a group


def _groups(table: pd.DataFrame) -> set[str]:
    """Name the model's grouping factors and the columns they are made of."""
    return {part for name in table.attrs.get("groups", ()) for part in (str(name), *str(name).split(":"))}


def _label(stories: Mapping[str, pd.DataFrame]) -> str:
    first = next(iter(stories.values()))
    label = prediction_label(first.attrs)
    return label.replace("each category", f"category {first['category'].iloc[0]}") if "category" in first else label


def _panels(
    stories: Mapping[str, pd.DataFrame], columns: list[str], keys: list[tuple], x: str, shades: _Shades
) -> Figure:
    side_by_side = panels_across(columns, keys)
    figure, panels = new_panels(len(keys), side_by_side, shared=True)
    for ax, key in zip(panels, keys, strict=True):
        _panel(ax, {name: rows_at(table, columns, key) for name, table in stories.items()}, x, shades)
        ax.set_title(panel_title(columns, key), color=ink(), fontsize="medium")
    if "category" in columns:
        panels[0].set_ylim(bottom=0)
    figure.supxlabel(x, color=ink(), fontsize="medium")
    label = prediction_label(next(iter(stories.values())).attrs)
    figure.supylabel(label, color=ink(), fontsize="medium")
    handles, labels = panels[0].get_legend_handles_labels()
    style = legend_style(dashed_keys(panels[0]), _interval(stories, panels[0]))
    names = fitted(labels, lines=2)
    across = legend_columns(names, min(len(labels), len(panels), side_by_side), _LETTERS * side_by_side)
    opaque_keys(figure.legend(handles, names, loc="outside upper left", ncols=across, **style))
    fit_paper(figure, 2.5, 2.1)
    return figure


def _panel(ax: Axes, stories: Mapping[str, pd.DataFrame], x: str, shades: _Shades) -> None:
    number = 0
    for story, (name, whole) in enumerate(stories.items()):
        for shade, level in enumerate(shades.levels):
            table = whole if shades.column is None else whole[whole[shades.column] == level].copy()
            if not len(table):
                continue
            told = name if shades.column is None else f"{name}, {level}"
            varying = varying_columns(table, [x])
            curves = _split(name, table, x, varying)
            groups = "groups" not in whole.attrs or bool(_groups(whole) & set(varying))
            if len(curves) > _MOST_THICK or (len(curves) > 1 and groups):
                _thin(ax, list(curves.values()), x, told, ink(0.6) if shades.column is None else series_color(shade))
                continue
            for curve_of, curve in curves.items():
                style = line_style(number, len(curve))
                if shades.column is not None:
                    style = {"color": series_color(shade), "linestyle": DASHES[story]}
                _thick(ax, curve, x, f"{told}, {curve_of}" if curve_of else told, style)
                number += 1
    ax.margins(x=0.01)
    quiet_grid(ax, "y")


def _interval(stories: Mapping[str, pd.DataFrame], ax: Axes) -> str:
    """Say what lines are, and bands where there are any."""
    words = interval_words((table.attrs for table in stories.values()), "band")
    return words if ax.collections else "means"


def _split(name: str, table: pd.DataFrame, x: str, varying: list[str]) -> dict[str, pd.DataFrame]:
    """Cut a table into curves by the columns that vary at one value of x."""
    curves = {"": table.sort_values(x)}
    if varying:
        parts = table.groupby(varying, observed=True, sort=False)
        curves = {", ".join(map(str, level)): part.sort_values(x) for level, part in parts}
    if any(curve[x].duplicated().any() for curve in curves.values()):
        raise GLMMError(
            f"stories[{name!r}]: several rows share one value of {x} and nothing tells them apart; predict over "
            f"bayes_glmm.grid(fit, {x}=None), with the grouping factor for a curve each."
        )
    return curves


def _thin(ax: Axes, curves: list[pd.DataFrame], x: str, name: str, color: Any) -> None:
    alpha = float(np.clip(6 / len(curves), 0.4, 0.7))  # a single curve stays visible, on a dark ground too
    width = 0.9 if len(curves) <= 100 else 0.6
    for i, curve in enumerate(curves):
        label = f"{name} ({len(curves)} means)" if i == 0 else None
        ax.plot(curve[x], curve["estimate"], color=color, linewidth=width, alpha=alpha, label=label, zorder=1)


def _thick(ax: Axes, curve: pd.DataFrame, x: str, name: str, style: dict[str, Any]) -> None:
    lower, upper = curve["lower"], curve["upper"]
    ax.fill_between(curve[x], lower, upper, color=style["color"], alpha=0.18, linewidth=0, zorder=2)
    ax.plot(curve[x], curve["estimate"], linewidth=2.4, label=name, zorder=3, **style)
