"""A statistic of the observed responses beside what the model makes, from the table of a predictive check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.plots.style import axes_or_new, check_table_columns, ink, quiet_grid, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WORDS = {"zeros": "share of zeros", "q10": "10 % quantile", "q90": "90 % quantile"}
_NUMBERS = ("stat", "rows", "observed", "mean", "lower", "upper", "p_value")
_MOST_LABELS = 60


def predictive_check(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the observed statistic and its predictive interval, a row for each group.

    Parameters
    ----------
    table
        Result of `bayes_glmm.predictive_check` or `bayes_glmm.prior_predictive_check`.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Mean and interval of the simulated data sets, and the observed value: filled where it lies inside, hollow
        outside. Groups are sorted by the simulated mean.

    Raises
    ------
    GLMMError
        If the table lacks a column.
    """
    check_table_columns("table", _NUMBERS, table, "predictive_check")
    ordered = table.sort_values("mean", kind="stable").reset_index(drop=True)
    about = [str(name) for name in table.columns if name not in _NUMBERS]
    ax = axes_or_new(ax, 6.4, min(10.0, 1.5 + 0.22 * len(ordered)))
    y, many = np.arange(len(ordered)), len(ordered) > _MOST_LABELS
    ax.hlines(y, ordered["lower"], ordered["upper"], color=series_color(0), linewidth=0.8 if many else 2.4, alpha=0.6)
    ax.plot(ordered["mean"], y, "|", color=series_color(0), markersize=4 if many else 9, label="simulated")
    inside = ordered["observed"].between(ordered["lower"], ordered["upper"]).to_numpy()
    color = series_color(1)
    for which, face, label in ((inside, color, "observed"), (~inside, ink(0), "observed, outside the interval")):
        if which.any():
            ax.plot(
                ordered["observed"][which], y[which], "o", color=color, markerfacecolor=face, label=label,
                markersize=2.5 if many else 6,
            )  # fmt: skip
    labels = [", ".join(map(str, row)) for row in ordered[about].itertuples(index=False)] if about else [""] * len(y)
    ax.set_yticks([] if many else y, [] if many else labels)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-1, len(ordered))
    quiet_grid(ax, "x")
    prob = table.attrs.get("ci_prob")
    interval = f" (simulated: mean and {prob:.0%} interval)" if prob is not None else ""
    stat = str(table["stat"].iloc[0])
    ax.set_xlabel(f"{_WORDS.get(stat, stat)} of the responses{interval}", color=ink())
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.2)
    if about:
        ax.set_ylabel(", ".join(about), color=ink())
    return ax
