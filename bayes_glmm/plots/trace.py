"""Traces: every chain's draws in their order, by ArviZ's plot_trace on panels of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from bayes_glmm.inference.fit import check_fit
from bayes_glmm.plots.arviz_panels import ACROSS, chosen_scalars, collection, named_panels, note_below
from bayes_glmm.plots.layout import fit_paper, new_panels
from bayes_glmm.plots.style import ink, series_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from bayes_glmm.inference.fit import Fit


def trace(
    fit: Fit, parameters: str | Sequence[str] | None = None, *, figure: Figure | SubFigure | None = None
) -> Figure:
    """Draw the draws of each chain in their order.

    Parameters
    ----------
    fit
        The fit.
    parameters
        Population-level parameters, ``"sd_herd[Intercept]"``, or all parts of one, ``"beta"``; None for the first
        twelve, and the figure says of how many. ArviZ's own ``plot_trace(fit.dt)`` draws levels' effects, too.
    figure
        Figure or SubFigure without axes to draw on, as there is a panel for each parameter; None makes one.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each parameter, a colour for each chain; divergent draws are marked below. Chains that mix look
        alike, and like noise about one level.

    Raises
    ------
    GLMMError
        If there is no such parameter.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> figure = bg.plots.trace(fit, ["beta[Intercept]", "sd_herd"])
    >>> [ax.get_title() for ax in figure.axes]
    ['beta[Intercept]', 'sd_herd[Intercept]']
    """
    from arviz_plots import plot_trace

    check_fit(fit, frames=True)
    scalars = chosen_scalars(fit, parameters)
    figure, panels = new_panels(len(scalars), ACROSS, figure=figure)
    axes = named_panels(panels, scalars)
    chains = scalars.sizes["chain"]
    colors = [series_color(number) for number in range(chains)]
    by_chain = {"color": ["chain"], "overlay": ["chain"]}
    placed = collection(axes, scalars, by_chain, color=colors)
    parts = {"posterior": scalars}
    if "sample_stats" in fit.dt:
        parts["sample_stats"] = fit.dt["sample_stats"].to_dataset()
    visuals: Any = {
        "trace": {"width": 0.6, "alpha": 0.8},
        "divergence": {"color": ink(1), "size": 30},
        **dict.fromkeys(("title", "xlabel", "ticklabels"), False),
    }
    plot_trace(xr.DataTree.from_dict(parts), plot_collection=placed, visuals=visuals)
    for ax in panels:
        ax.margins(x=0)
        ax.tick_params(labelsize="small")
    told = "draw of each of the Laplace approximation's runs" if fit.approximate else f"draw of each of {chains} chains"
    note_below(figure, told, scalars)
    fit_paper(figure, 2.4, 1.4)
    return figure
