"""Shrinkage: from each group's own estimate to the model's, and the value that all groups share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_glmm.effects.labels import interval_words
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.layout import fit_paper, new_panels
from bayes_glmm.plots.names import counted, many, name_rows
from bayes_glmm.plots.style import check_table_columns, ink, opaque_keys, quiet_grid, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_NEEDED = ("group", "level", "term", "no_pooling", "partial_pooling", "lower", "upper", "complete_pooling")


def shrinkage(table: pd.DataFrame, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Draw no pooling, partial pooling and complete pooling of one grouping factor.

    Parameters
    ----------
    table
        Result of `bayes_glmm.shrinkage`.
    figure
        Figure or SubFigure without axes to draw on, as there is a panel for each coefficient; None makes one.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per coefficient, levels sorted by their own estimate (by the model's where they have none): a hollow
        point for the level's own rows, a full one with its interval for the model, joined by a line; the dashed line is
        complete pooling. The legend names the interval, the axis the unit.

    Raises
    ------
    GLMMError
        If the table lacks a column or holds several grouping factors.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> figure = bg.plots.shrinkage(bg.shrinkage(fit))
    >>> [ax.get_title() for ax in figure.axes]
    ['Intercept', 'Days']
    """
    check_table_columns("table", _NEEDED, table, "shrinkage")
    if table["group"].nunique() != 1:
        raise GLMMError("table: one grouping factor at a time; choose its rows.")
    terms = list(dict.fromkeys(table["term"]))
    figure, panels = new_panels(len(terms), len(terms), figure=figure)
    heights = [_panel(ax, table[table["term"] == term], str(term)) for ax, term in zip(panels, terms, strict=True)]
    handles, labels = panels[0].get_legend_handles_labels()
    style: dict[str, Any] = {"ncols": 2, "frameon": False, "fontsize": "small", "columnspacing": 1.2}
    opaque_keys(figure.legend(handles, labels, loc="outside upper left", **style))
    figure.supxlabel(f"coefficient, {table.attrs.get('unit', 'link scale')}", color=ink(), fontsize="small")
    figure.supylabel(counted(str(table["group"].iloc[0]), table["level"].nunique()), color=ink(), fontsize="medium")
    fit_paper(figure, 3.6, max(heights))
    return figure


def _panel(ax: Axes, table: pd.DataFrame, term: str) -> float:
    """Draw one coefficient; return the inches its levels' names need."""
    order = np.argsort(table["no_pooling"].fillna(table["partial_pooling"]).to_numpy(), kind="stable")
    ordered = table.iloc[order]
    y, thin = np.arange(len(ordered)), many(len(ordered))
    own, model = ordered["no_pooling"].to_numpy(), ordered["partial_pooling"].to_numpy()
    complete = float(ordered["complete_pooling"].iloc[0])
    size = 2.5 if thin else 5.5
    ax.axvline(complete, color=ink(), linewidth=1.2, linestyle=(0, (4, 3)), zorder=0.8, label="complete pooling")
    bars = interval_words([table.attrs])
    bars = f"partial pooling, {bars.removeprefix('mean and ')}" if bars else "interval of partial pooling"
    width = 0.6 if thin else 2
    ax.hlines(y, ordered["lower"], ordered["upper"], color=series_color(0), linewidth=width, alpha=0.5, label=bars)
    ax.hlines(y, np.fmin(own, model), np.fmax(own, model), color=ink(0.5), linewidth=0.5 if thin else 1)
    ax.plot(own, y, "o", color=series_color(1), markerfacecolor=ink(0), markersize=size, label="no pooling")
    ax.plot(model, y, "o", color=series_color(0), markersize=size, markeredgewidth=0, label="partial pooling")
    height = name_rows(ax, [str(level) for level in ordered["level"]])
    ax.tick_params(axis="y", labelsize="small")
    ax.set_ylim(-1, len(ordered))
    quiet_grid(ax, "x")
    ax.set_title(term, color=ink(), fontsize="medium")
    missing = int(np.isnan(own).sum())
    if missing:
        whose = "its" if missing == 1 else "their"
        ax.set_xlabel(f"{missing} without a finite estimate of {whose} own", color=ink(), fontsize="small")
    return height
