"""The levels' effects, sorted: a caterpillar plot from the table of level effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.plots.style import axes_or_new, check_table_columns, ink, quiet_grid, series_color, zero_line
from bayes_glmm.plots.wording import interval_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LABELS = 60


def random_effects(table: pd.DataFrame, group: str | None = None) -> Figure:
    """Draw every level's effects with intervals, sorted by their mean.

    Parameters
    ----------
    table
        Result of `bayes_glmm.random_effects`.
    group
        Grouping factor to draw; None where the table has one only.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per coefficient; the unit of the departures and the interval stand below. Names of levels are left out
        where there are more than sixty.

    Raises
    ------
    GLMMError
        If the table lacks a column or has no such group.
    """
    check_table_columns("table", ["group", "level", "term", "estimate", "lower", "upper"], table, "random_effects")
    groups = list(dict.fromkeys(table["group"]))
    if group is None and len(groups) != 1:
        raise GLMMError(f"group= must name one of {', '.join(map(repr, groups)) or 'no group: the table is empty'}.")
    if group is not None and group not in groups:
        raise GLMMError(f"group= names {in_words(group)}. {nearest(group, groups)}")
    chosen = table[table["group"] == (groups[0] if group is None else group)]
    terms = list(dict.fromkeys(chosen["term"]))
    levels = chosen["level"].nunique()
    from matplotlib.pyplot import subplots

    height = min(10.0, 1.3 + 0.2 * min(levels, _MOST_LABELS))
    figure, panels = subplots(
        1, len(terms), figsize=(max(4.2, 3.6 * len(terms)), height), squeeze=False, layout="constrained"
    )
    for ax, term in zip(panels[0], terms, strict=True):
        _panel(axes_or_new(ax, 0, 0), chosen[chosen["term"] == term], str(term))
    figure.supylabel(str(chosen["group"].iloc[0]), color=ink(), fontsize="medium")
    told = [f"departure from the population, {table.attrs.get('unit', 'link scale')}", interval_words([table.attrs])]
    figure.supxlabel("\n".join(part for part in told if part), color=ink(), fontsize="small")
    return figure


def _panel(ax: Axes, table: pd.DataFrame, term: str) -> None:
    ordered = table.sort_values("estimate")
    y, many = np.arange(len(ordered)), len(ordered) > _MOST_LABELS
    zero_line(ax, 0)
    ax.hlines(y, ordered["lower"], ordered["upper"], color=series_color(0), linewidth=0.6 if many else 2, alpha=0.7)
    ax.plot(ordered["estimate"], y, "o", color=series_color(0), markersize=1.5 if many else 5, markeredgewidth=0)
    ax.set_yticks([] if many else y, [] if many else [str(level) for level in ordered["level"]])
    ax.tick_params(axis="y", length=0, labelsize="small")
    ax.set_ylim(-1, len(ordered))
    quiet_grid(ax, "x")
    ax.set_title(term, color=ink(), fontsize="medium")
