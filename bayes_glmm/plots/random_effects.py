"""The levels' effects, sorted: a caterpillar plot from the table of level effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.effects.labels import interval_words
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.plots.layout import fit_paper, new_panels
from bayes_glmm.plots.names import counted, many, name_rows
from bayes_glmm.plots.style import check_table_columns, ink, quiet_grid, series_color, zero_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def random_effects(
    table: pd.DataFrame, group: str | None = None, *, figure: Figure | SubFigure | None = None
) -> Figure:
    """Draw every level's effects with intervals, sorted by their mean.

    Parameters
    ----------
    table
        Result of `bayes_glmm.random_effects`.
    group
        Grouping factor to draw; None where the table has one only.
    figure
        Figure or SubFigure without axes to draw on, as there is a panel for each coefficient; None makes one.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per coefficient; the unit of the departures and the interval stand below. Names of levels are left out
        where there are more than sixty.

    Raises
    ------
    GLMMError
        If the table lacks a column or has no such group.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> figure = bg.plots.random_effects(bg.random_effects(fit))
    >>> [ax.get_title() for ax in figure.axes]
    ['Intercept', 'Days']
    """
    check_table_columns("table", ["group", "level", "term", "estimate", "lower", "upper"], table, "random_effects")
    groups = list(dict.fromkeys(table["group"]))
    if group is None and len(groups) != 1:
        raise GLMMError(f"group= must name one of {', '.join(map(repr, groups)) or 'no group: the table is empty'}.")
    if group is not None and group not in groups:
        raise GLMMError(f"group= names {in_words(group)}. {nearest(group, groups)}")
    chosen = table[table["group"] == (groups[0] if group is None else group)]
    terms = list(dict.fromkeys(chosen["term"]))
    figure, panels = new_panels(len(terms), len(terms), figure=figure)
    heights = [_panel(ax, chosen[chosen["term"] == term], str(term)) for ax, term in zip(panels, terms, strict=True)]
    figure.supylabel(counted(str(chosen["group"].iloc[0]), chosen["level"].nunique()), color=ink(), fontsize="medium")
    told = [f"departure from the population, {table.attrs.get('unit', 'link scale')}", interval_words([table.attrs])]
    figure.supxlabel("\n".join(part for part in told if part), color=ink(), fontsize="small")
    fit_paper(figure, 3.2, max(heights))
    return figure


def _panel(ax: Axes, table: pd.DataFrame, term: str) -> float:
    """Draw one coefficient; return the inches its levels' names need."""
    ordered = table.sort_values("estimate")
    y, thin = np.arange(len(ordered)), many(len(ordered))
    zero_line(ax, 0)
    ax.hlines(y, ordered["lower"], ordered["upper"], color=series_color(0), linewidth=0.6 if thin else 2, alpha=0.7)
    ax.plot(ordered["estimate"], y, "o", color=series_color(0), markersize=1.5 if thin else 5, markeredgewidth=0)
    height = name_rows(ax, [str(level) for level in ordered["level"]])
    ax.tick_params(axis="y", labelsize="small")
    ax.set_ylim(-1, len(ordered))
    quiet_grid(ax, "x")
    ax.set_title(term, color=ink(), fontsize="medium")
    return height
