"""Curves of predictions: thin ones for the groups, thick ones with bands for the typical group and the population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.style import NUMBERS, axes_or_new, check_table_columns, ink, quiet_grid, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))


def draw_curves(stories: Mapping[str, pd.DataFrame], x: str, ax: Axes | None) -> Axes:
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
    matplotlib.axes.Axes
        Posterior means; intervals of single curves as bands.

    Raises
    ------
    GLMMError
        If the column is missing or no number, or a table's rows are not curves over it.
    """
    for name, table in stories.items():
        check_table_columns(f"stories[{name!r}]", [x], table.columns)
        if not pd.api.types.is_numeric_dtype(table[x]) or pd.api.types.is_bool_dtype(table[x]):
            raise GLMMError(f"x: {x!r} is no number in stories[{name!r}]; curves need a numeric column.")
    ax = axes_or_new(ax, 6.4, 4.2)
    number = 0
    for name, table in stories.items():
        curves = _split(name, table, x)
        if len(curves) > 1:
            _thin(ax, curves, x, name)
        else:
            _thick(ax, curves[0], x, name, number)
            number += 1
    ax.set_xlabel(x, color=ink())
    ax.set_ylabel(_quantity(stories), color=ink())
    ax.margins(x=0.01)
    quiet_grid(ax, "y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(stories), frameon=False, borderaxespad=0.2)
    return ax


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
    alpha = float(np.clip(6 / len(curves), 0.15, 0.6))
    for i, curve in enumerate(curves):
        label = f"{name} ({len(curves)})" if i == 0 else None
        ax.plot(curve[x], curve["estimate"], color=ink(0.6), linewidth=0.9, alpha=alpha, label=label, zorder=1)


def _thick(ax: Axes, curve: pd.DataFrame, x: str, name: str, number: int) -> None:
    color = series_color(number)
    ax.fill_between(curve[x], curve["lower"], curve["upper"], color=color, alpha=0.16, linewidth=0, zorder=2)
    dash = _DASHES[number % len(_DASHES)]
    ax.plot(curve[x], curve["estimate"], color=color, linewidth=2.6, linestyle=dash, label=name, zorder=3)


def _quantity(stories: Mapping[str, pd.DataFrame]) -> str:
    probs = {table.attrs.get("ci_prob") for table in stories.values()} - {None}
    return f"Prediction (mean, {probs.pop():.0%} band)" if len(probs) == 1 else "Prediction"
