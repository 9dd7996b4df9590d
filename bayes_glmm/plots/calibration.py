"""Simulation-based calibration at a glance: how far the ranks of each quantity are from uniform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import checked_names, in_words
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.plots.layout import fit_paper, new_panels
from bayes_glmm.plots.names import fitted
from bayes_glmm.plots.style import ink, quiet_grid, series_color, zero_line
from bayes_glmm.printing.numbers import p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from bayes_glmm.checks.calibration import Calibration

_MOST = 12
_COLUMNS = 4


def calibration(
    result: Calibration, quantities: Sequence[str] | None = None, *, figure: Figure | SubFigure | None = None
) -> Figure:
    """Draw the distribution function of the ranks of each quantity, less that of uniform ranks.

    Parameters
    ----------
    result
        Result of `bayes_glmm.sbc`.
    quantities
        Names of the quantities to draw; None for the twelve with the smallest p-values, in the table's order.
    figure
        Figure or SubFigure without axes to draw on, as there is a panel for each quantity; None makes one.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each quantity: a line that stays in the band (simultaneous, 95 %) is right. It rises above on the
        left and falls below on the right where the posterior is too narrow, the other way round where it is too wide;
        it stays above (below) where the posterior lies above (below) the truth.

    Raises
    ------
    GLMMError
        If there is no such quantity.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Yield ~ 1 + (1 | Batch)", bg.load_dataset("Dyestuff"))
    >>> figure = bg.plots.calibration(bg.sbc(model, simulations=10, random_seed=1, progressbar=False))
    >>> figure.axes[0].get_title().split()[0]
    'beta[Intercept]'
    """
    if not hasattr(result, "ranks"):
        raise GLMMError(f"result: give the result of bayes_glmm.sbc, not {in_words(result)}.")
    ranks, table = result.ranks, result.table
    quantities = None if quantities is None else checked_names("quantities", quantities)
    names = [str(name) for name in table.index]
    for name in quantities or ():
        if name not in names:
            raise GLMMError(f"quantities: there is no {name!r}. {nearest(name, names)}")
    worst = set(table["p_value"].nsmallest(_MOST).index)
    shown = list(quantities) if quantities is not None else [name for name in names if name in worst]
    figure, panels = new_panels(len(shown), _COLUMNS, shared=True, figure=figure)
    for ax, name, title in zip(panels, shown, fitted(shown, letters=30, lines=2), strict=True):
        _panel(ax, ranks, name, title, table.loc[name])
    figure.supxlabel("rank of the true value among posterior draws, from 0 to 1", fontsize="medium", color=ink())
    figure.supylabel("share of ranks below, less the right share", fontsize="medium", color=ink())
    fit_paper(figure, 2.2, 1.5)
    return figure


def _panel(ax: Axes, ranks: xr.Dataset, name: str, title: str, row: pd.Series) -> None:
    position = ranks["position"].to_numpy()
    of = ranks["rank"].sel(quantity=name).to_numpy()
    draws = len(position)
    share = (of[:, None] < np.arange(1, draws + 1)).mean(axis=0)
    right = bool(row["adjusted"] >= 0.05)
    x = np.concatenate([[0.0], position, [1.0]])

    def around(values: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], values - position, [0.0]])

    band = (around(ranks["lower"].to_numpy()), around(ranks["upper"].to_numpy()))
    ax.fill_between(x, *band, color=ink(0.25), alpha=0.6, linewidth=0)
    zero_line(ax, horizontal=True)
    ax.plot(x, around(share), color=series_color(0 if right else 1), linewidth=1.6, drawstyle="steps-mid")
    ax.set_title(f"{title}\n{p_value(row['p_value'])}{'' if right else ', not uniform'}", fontsize="small", color=ink())
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    quiet_grid(ax, "y")
