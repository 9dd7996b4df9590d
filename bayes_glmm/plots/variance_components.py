"""Variance components: what predictors, groups and noise contribute, as shares with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.effects.labels import interval_words
from bayes_glmm.effects.partition import TOGETHER
from bayes_glmm.plots.layout import finish, own_axes
from bayes_glmm.plots.names import name_rows
from bayes_glmm.plots.style import check_table_columns, ink, quiet_grid, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = {"fixed": 0, "random": 1, "residual": 2}


def variance_components(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw each component's share of the variance.

    Parameters
    ----------
    table
        Result of `bayes_glmm.variance_components`.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar for each component's mean share, in per cent, with its interval; a grey one for what grouping factors
        explain only together.

    Raises
    ------
    GLMMError
        If the table lacks a column.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> ax = bg.plots.variance_components(bg.variance_components(fit))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['fixed', 'herd', 'residual']
    """
    check_table_columns(
        "table", ["component", "group", "share", "share_lower", "share_upper"], table, "variance_components"
    )
    given, ax = ax, own_axes(ax)
    y = np.arange(len(table))
    share, lower, upper = (100 * table[name].to_numpy(dtype=float) for name in ("share", "share_lower", "share_upper"))
    pairs = [(str(kind), str(group)) for kind, group in zip(table["component"], table["group"], strict=True)]
    bars = [ink(0.45) if group == TOGETHER else series_color(_KINDS.get(kind, 3)) for kind, group in pairs]
    ax.barh(y, share, height=0.62, color=bars, alpha=0.8)
    ax.hlines(y, lower, upper, color=ink(), linewidth=1.6)
    for place, mean, high in zip(y, share, upper, strict=True):
        ax.annotate(f"{mean:.0f} %", (high, place), xytext=(5, 0), textcoords="offset points", va="center", color=ink())
    height = name_rows(ax, [_name(kind, group) for kind, group in pairs], each=0.42)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(0, max(100.0, float(upper.max())) * 1.06)
    quiet_grid(ax, "x")
    scale, interval = table.attrs.get("scale"), interval_words([table.attrs])
    told = [f"share of the variance in %{f', {scale} scale' if scale else ''}", interval]
    ax.set_xlabel("\n".join(part for part in told if part), color=ink())
    finish(ax, given, 4.6, height)
    return ax


def _name(kind: str, group: str) -> str:
    return "all factors together, beyond each alone" if group == TOGETHER else group or kind
