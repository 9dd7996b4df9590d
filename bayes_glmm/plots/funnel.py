"""A funnel plot: the studies' effects against their standard errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from bayes_glmm.plots.layout import finish, own_axes
from bayes_glmm.plots.style import check_table_columns, ink, legend_above, quiet_grid, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 200


def funnel(table: pd.DataFrame, *, label: str = "", ax: Axes | None = None) -> Axes:
    """Draw the studies of a meta-analysis by their standard errors, with the funnel in which chance would put them.

    Parameters
    ----------
    table
        Result of `bayes_glmm.studies`.
    label
        What the effects are, for their axis; by default the response.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The most precise studies on top. Effects are drawn where studies have one average, else their departures from
        the averages of their predictors. The inner funnel is that of the standard errors alone, the outer one, where
        the table has a new study, that of the standard errors and the variation between studies.

    Raises
    ------
    GLMMError
        If the table lacks a column.

    Notes
    -----
    Small studies that lie on one side only are what publication bias looks like, and also what a real difference
    between small and large studies does.

    References
    ----------
    Sterne, J. A. C. and Egger, M. (2001). Funnel plots for detecting bias in meta-analysis. Journal of Clinical
    Epidemiology 54, 1046-1055. doi:10.1016/S0895-4356(01)00377-8.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("se(yi, sei) ~ 1 + (1 | study)", bg.load_dataset("bcg"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> ax = bg.plots.funnel(bg.studies(fit), label="log risk ratio")
    >>> ax.get_ylabel()
    'standard error'
    """
    check_table_columns("table", ["kind", "study", "observed", "se", "fitted", "sd"], table, "studies")
    rows = table[table["kind"] == "study"]
    average, new = (table.loc[table["kind"] == kind] for kind in ("average", "new study"))
    given, ax = ax, own_axes(ax)
    prob = float(table.attrs.get("ci_prob", 0.95))
    z = float(special.ndtri(0.5 + 0.5 * prob))
    centre = float(average["estimate"].iloc[0]) if len(average) else 0.0
    effects = rows["observed"] if len(average) else rows["observed"] - rows["fitted"]
    depth = np.linspace(0.0, 1.06 * float(rows["se"].max()), _POINTS)
    if len(new):
        between = float(new["sd"].iloc[0])
        half = z * np.hypot(depth, between)
        ax.fill_betweenx(
            depth, centre - half, centre + half, color=series_color(0), alpha=0.12, linewidth=0,
            label=f"{prob:.0%} of studies, by chance and between them",
        )  # fmt: skip
    edges = centre + z * np.concatenate([-depth[::-1], depth])
    told = f"{prob:.0%} of studies, by chance alone"
    both = np.concatenate([depth[::-1], depth])
    ax.plot(edges, both, color=ink(0.7), linewidth=1.1, linestyle=(0, (4, 3)), label=told)
    ax.axvline(centre, color=series_color(0), linewidth=1.0)
    ax.plot(effects, rows["se"], "o", color=series_color(0), markersize=5.5, markeredgewidth=0, alpha=0.85)
    ax.set_ylim(float(depth[-1]), 0.0)
    quiet_grid(ax, "x")
    response = str(table.attrs.get("response", "effect"))
    ax.set_xlabel(label or (response if len(average) else f"{response}, departure from its average"), color=ink())
    ax.set_ylabel("standard error", color=ink())
    legend_above(ax, 1)
    finish(ax, given, 4.2, 3.2)
    return ax
