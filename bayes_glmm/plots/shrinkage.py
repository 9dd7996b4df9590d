"""Shrinkage: from each group's own estimate to the model's, and the value that all groups share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.style import axes_or_new, check_table_columns, ink, quiet_grid, series_color
from bayes_glmm.plots.wording import interval_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NEEDED = ("group", "level", "term", "no_pooling", "partial_pooling", "lower", "upper", "complete_pooling")
_MOST_LABELS = 60


def shrinkage(table: pd.DataFrame) -> Figure:
    """Draw no pooling, partial pooling and complete pooling of one grouping factor.

    Parameters
    ----------
    table
        Result of `bayes_glmm.shrinkage`.

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
    """
    check_table_columns("table", _NEEDED, table, "shrinkage")
    if table["group"].nunique() != 1:
        raise GLMMError("table: one grouping factor at a time; choose its rows.")
    terms = list(dict.fromkeys(table["term"]))
    levels = table["level"].nunique()
    from matplotlib.pyplot import subplots

    height = min(11.0, 1.7 + 0.2 * min(levels, _MOST_LABELS))
    figure, panels = subplots(
        1, len(terms), figsize=(max(5.4, 3.9 * len(terms)), height), squeeze=False, layout="constrained"
    )
    for ax, term in zip(panels[0], terms, strict=True):
        _panel(axes_or_new(ax, 0, 0), table[table["term"] == term], str(term))
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize="small", columnspacing=1.2
    )
    figure.supxlabel(f"coefficient, {table.attrs.get('unit', 'link scale')}", color=ink(), fontsize="small")
    figure.supylabel(str(table["group"].iloc[0]), color=ink(), fontsize="medium")
    return figure


def _panel(ax: Axes, table: pd.DataFrame, term: str) -> None:
    order = np.argsort(table["no_pooling"].fillna(table["partial_pooling"]).to_numpy(), kind="stable")
    ordered = table.iloc[order]
    y, many = np.arange(len(ordered)), len(ordered) > _MOST_LABELS
    own, model = ordered["no_pooling"].to_numpy(), ordered["partial_pooling"].to_numpy()
    complete = float(ordered["complete_pooling"].iloc[0])
    size = 2.5 if many else 5.5
    ax.axvline(complete, color=ink(), linewidth=1.2, linestyle=(0, (4, 3)), zorder=0.8, label="complete pooling")
    bars = interval_words([table.attrs])
    bars = f"partial pooling, {bars.removeprefix('mean and ')}" if bars else "interval of partial pooling"
    width = 0.6 if many else 2
    ax.hlines(y, ordered["lower"], ordered["upper"], color=series_color(0), linewidth=width, alpha=0.5, label=bars)
    ax.hlines(y, np.fmin(own, model), np.fmax(own, model), color=ink(0.5), linewidth=0.5 if many else 1)
    ax.plot(own, y, "o", color=series_color(1), markerfacecolor=ink(0), markersize=size, label="no pooling")
    ax.plot(model, y, "o", color=series_color(0), markersize=size, markeredgewidth=0, label="partial pooling")
    ax.set_yticks([] if many else y, [] if many else [str(level) for level in ordered["level"]])
    ax.tick_params(axis="y", length=0, labelsize="small")
    ax.set_ylim(-1, len(ordered))
    quiet_grid(ax, "x")
    ax.set_title(term, color=ink(), fontsize="medium")
    missing = int(np.isnan(own).sum())
    if missing:
        whose = "its" if missing == 1 else "their"
        ax.set_xlabel(f"{missing} without a finite estimate of {whose} own", color=ink(), fontsize="small")
