"""A statistic of the observed responses beside what the model makes, from the table of a predictive check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.plots.layout import finish, own_axes
from bayes_glmm.plots.names import counted, many, name_rows
from bayes_glmm.plots.style import check_table_columns, ink, legend_above, quiet_grid, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WORDS = {"zeros": "share of zeros", "q10": "10 % quantile", "q90": "90 % quantile"}
_NUMBERS = ("stat", "rows", "observed", "mean", "lower", "upper", "p_value")


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

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.predictive_check(fit, "mean", "period", random_seed=1)
    >>> bg.plots.predictive_check(table).get_ylabel()
    'period'
    """
    check_table_columns("table", _NUMBERS, table, "predictive_check")
    ordered = table.sort_values("mean", kind="stable").reset_index(drop=True)
    about = [str(name) for name in table.columns if name not in _NUMBERS]
    given, ax = ax, own_axes(ax)
    y, thin = np.arange(len(ordered)), many(len(ordered))
    ax.hlines(y, ordered["lower"], ordered["upper"], color=series_color(0), linewidth=0.8 if thin else 2.4, alpha=0.6)
    ax.plot(ordered["mean"], y, "|", color=series_color(0), markersize=4 if thin else 9, label="simulated")
    inside = ordered["observed"].between(ordered["lower"], ordered["upper"]).to_numpy()
    color = series_color(1)
    for which, face, label in ((inside, color, "observed"), (~inside, ink(0), "observed, outside the interval")):
        if which.any():
            ax.plot(
                ordered["observed"][which], y[which], "o", color=color, markerfacecolor=face, label=label,
                markersize=2.5 if thin else 6,
            )  # fmt: skip
    labels = [", ".join(map(str, row)) for row in ordered[about].itertuples(index=False)] if about else [""] * len(y)
    height = name_rows(ax, labels, each=0.22)
    ax.set_ylim(-1, len(ordered))
    quiet_grid(ax, "x")
    prob = table.attrs.get("ci_prob")
    interval = f" (simulated: mean and {prob:.0%} interval)" if prob is not None else ""
    stat = str(table["stat"].iloc[0])
    ax.set_xlabel(f"{_WORDS.get(stat, stat)} of the responses{interval}", color=ink())
    legend_above(ax, 3)
    if about:
        ax.set_ylabel(counted(", ".join(about), len(y), "groups"), color=ink())
    finish(ax, given, 5.2, height)
    return ax
