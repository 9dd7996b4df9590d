"""Prior and posterior of each parameter beside each other: densities by ArviZ on panels of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayes_glmm.errors import GLMMError
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.plots.arviz_panels import ACROSS, chosen_scalars, draw_densities, named_panels, note_below
from bayes_glmm.plots.layout import fit_paper, new_panels
from bayes_glmm.plots.style import legend_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from bayes_glmm.inference.fit import Fit

_CENTRAL = (0.025, 0.975)  # of the prior, which may have tails without end


def prior_posterior(
    fit: Fit, parameters: str | Sequence[str] | None = None, *, figure: Figure | SubFigure | None = None
) -> Figure:
    """Draw the prior and the posterior density of each parameter.

    Parameters
    ----------
    fit
        A fit whose tree has draws of the prior: ``fit.extend("prior")``.
    parameters
        Population-level parameters, ``"sd_herd[Intercept]"``, or all parts of one, ``"beta"``; None for the first
        twelve, and the figure says of how many.
    figure
        Figure or SubFigure without axes to draw on, as there is a panel for each parameter; None makes one.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each parameter, which shows all of the posterior and the middle 95 % of the prior. Where the two
        are alike the data say nothing of the parameter.

    Raises
    ------
    GLMMError
        If there is no such parameter, or no draws of the prior.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False).extend("prior", random_seed=1)
    >>> figure = bg.plots.prior_posterior(fit, "sd_herd")
    >>> figure.axes[0].get_title()
    'sd_herd[Intercept]'
    """
    check_fit(fit)
    if "prior" not in fit.dt:
        raise GLMMError('fit: it has no draws of the prior yet; fit.extend("prior", random_seed=1) adds them.')
    posterior = chosen_scalars(fit, parameters)
    prior = chosen_scalars(fit, [str(name) for name in posterior], "prior")
    figure, panels = new_panels(len(posterior), ACROSS, figure=figure)
    axes = named_panels(panels, posterior)
    draw_densities(axes, posterior, 0, "posterior")
    draw_densities(axes, prior, 1, "prior")
    for name, ax in axes.items():
        low, high = np.quantile(prior[name], _CENTRAL)
        after = posterior[name].to_numpy()
        ax.set_xlim(min(low, after.min()), max(high, after.max()))
        ax.tick_params(labelsize="small")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, **legend_style(True))
    note_below(figure, "value of the parameter", posterior)
    fit_paper(figure, 2.2, 1.4)
    return figure
