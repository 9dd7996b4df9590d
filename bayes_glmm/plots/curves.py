"""Curves of predictions: thin ones for the groups, thick ones with bands for the typical group and the population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.style import (
    NUMBERS,
    axes_or_new,
    check_table_columns,
    ink,
    legend_above,
    legend_style,
    line_style,
    opaque_keys,
    quiet_grid,
    series_color,
)
from bayes_glmm.plots.wording import interval_words, prediction_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3


def draw_curves(stories: Mapping[str, pd.DataFrame], x: str, ax: Axes | None) -> Axes | Figure:
    """Draw predictions of several kinds over one column.

    Parameters
    ----------
    stories
        Tables of predictions by name; one with several rows at a value of `x` holds a curve for each group.
    x
        The numeric column of the horizontal axis.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        Posterior means; intervals of single curves as bands. A figure with a panel for each category where predictions
        are probabilities of several.

    Raises
    ------
    GLMMError
        If the column is missing or no number, a table's rows are not curves over it, tables have other categories than
        the first, or there is one pair of axes for several categories.
    """
    for name, table in stories.items():
        check_table_columns(f"stories[{name!r}]", [x], table, "predictions")
        if not pd.api.types.is_numeric_dtype(table[x]) or pd.api.types.is_bool_dtype(table[x]):
            raise GLMMError(f"x: {x!r} is no number in stories[{name!r}]; curves need a numeric column.")
    categories = _categories(stories)
    if len(categories) > 1:
        if ax is not None:
            raise GLMMError(
                "ax: one pair of axes cannot hold a panel for each category; leave it out, or give one category's rows."
            )
        return _panels(stories, categories, x)
    ax = axes_or_new(ax, 6.4, 4.2)
    _panel(ax, stories, x)
    first = next(iter(stories.values()))
    ax.set_xlabel(x, color=ink())
    ax.set_ylabel(_one_category(prediction_label(first.attrs), categories), color=ink())
    legend_above(ax, len(stories), _interval(stories))
    return ax


def _categories(stories: Mapping[str, pd.DataFrame]) -> list[object]:
    """Categories of an ordered response, which all tables must share; none for other responses."""
    found = [list(dict.fromkeys(table["category"])) if "category" in table else [] for table in stories.values()]
    for name, own in zip(stories, found, strict=True):
        if set(own) != set(found[0]):
            raise GLMMError(f"stories[{name!r}] has other categories than the first table.")
    return found[0]


def _one_category(label: str, categories: list[object]) -> str:
    return label.replace("each category", f"category {categories[0]}") if categories else label


def _panels(stories: Mapping[str, pd.DataFrame], categories: list[object], x: str) -> Figure:
    from matplotlib.pyplot import subplots

    rows = -(-len(categories) // _COLUMNS)
    columns = -(-len(categories) // rows)
    figure, axes = subplots(
        rows, columns, figsize=(2.7 * columns + 0.8, 2.5 * rows + 1.0), layout="constrained", sharex=True, sharey=True,
        squeeze=False,
    )  # fmt: skip
    panels = [axes_or_new(ax, 0, 0) for ax in axes.flat]
    for ax, category in zip(panels, categories, strict=False):
        _panel(ax, {name: table[table["category"] == category] for name, table in stories.items()}, x)
        ax.set_title(str(category), color=ink(), fontsize="medium")
    panels[0].set_ylim(bottom=0)
    for ax in panels[len(categories) :]:
        ax.set_visible(False)
    for ax in panels[max(0, len(categories) - columns) : len(categories)]:
        ax.tick_params(axis="x", labelbottom=True)
    figure.supxlabel(x, color=ink(), fontsize="medium")
    figure.supylabel(prediction_label(next(iter(stories.values())).attrs), color=ink(), fontsize="medium")
    handles, labels = panels[0].get_legend_handles_labels()
    style = legend_style(True, _interval(stories))
    opaque_keys(figure.legend(handles, labels, loc="outside upper left", ncols=len(stories), **style))
    return figure


def _panel(ax: Axes, stories: Mapping[str, pd.DataFrame], x: str) -> None:
    number = 0
    for name, table in stories.items():
        curves = _split(name, table, x)
        if len(curves) > 1:
            _thin(ax, curves, x, name)
        else:
            _thick(ax, curves[0], x, name, number)
            number += 1
    ax.margins(x=0.01)
    quiet_grid(ax, "y")


def _interval(stories: Mapping[str, pd.DataFrame]) -> str:
    return interval_words((table.attrs for table in stories.values()), "band")


def _split(name: str, table: pd.DataFrame, x: str) -> list[pd.DataFrame]:
    """Cut a table into curves by the columns that vary at one value of x."""
    if not table[x].duplicated().any():
        return [table.sort_values(x)]
    about = [column for column in table.columns if column not in (*NUMBERS, x)]
    varying = [column for column in about if table.groupby(x)[column].nunique().max() > 1]
    curves = [part.sort_values(x) for _, part in table.groupby(varying, observed=True)] if varying else [table]
    if any(curve[x].duplicated().any() for curve in curves):
        raise GLMMError(
            f"stories[{name!r}]: several rows share one value of {x} and nothing tells them apart; predict over "
            f"bayes_glmm.grid(fit, {x}=None), with the grouping factor for a curve each."
        )
    return curves


def _thin(ax: Axes, curves: list[pd.DataFrame], x: str, name: str) -> None:
    alpha = float(np.clip(6 / len(curves), 0.4, 0.7))  # a single curve stays visible, on a dark ground too
    width = 0.9 if len(curves) <= 100 else 0.6
    for i, curve in enumerate(curves):
        label = f"{name} ({len(curves)})" if i == 0 else None
        ax.plot(curve[x], curve["estimate"], color=ink(0.6), linewidth=width, alpha=alpha, label=label, zorder=1)


def _thick(ax: Axes, curve: pd.DataFrame, x: str, name: str, number: int) -> None:
    lower, upper = curve["lower"], curve["upper"]
    ax.fill_between(curve[x], lower, upper, color=series_color(number), alpha=0.18, linewidth=0, zorder=2)
    ax.plot(curve[x], curve["estimate"], linewidth=2.4, label=name, zorder=3, **line_style(number, len(curve)))
