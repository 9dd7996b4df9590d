"""Marginal densities of the Laplace approximation beside those of NUTS, by ArviZ on panels of the package."""

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


def laplace_vs_nuts(
    laplace: Fit,
    nuts: Fit,
    parameters: str | Sequence[str] | None = None,
    *,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw the marginal densities of the Laplace approximation and of NUTS.

    Parameters
    ----------
    laplace
        A fit of ``model.fit(method="laplace")``.
    nuts
        The fit of the same model by NUTS.
    parameters
        Population-level parameters, ``"sd_herd[Intercept]"``, or all parts of one, ``"beta"``; None for the first
        twelve, and the figure says of how many.
    figure
        Figure or SubFigure without axes to draw on, as there is a panel for each parameter; None makes one.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each parameter.

    Raises
    ------
    GLMMError
        If there is no such parameter, one fit is not what it should be, or the fits are of different models or data.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fast = model.fit(method="laplace", random_seed=1, progressbar=False)
    >>> figure = bg.plots.laplace_vs_nuts(fast, model.fit(random_seed=1, progressbar=False), "sd_herd")
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['NUTS', 'Laplace approximation']
    """
    check_fit(laplace)
    check_fit(nuts)
    if not laplace.approximate:
        raise GLMMError('laplace: this fit is by NUTS; give one of model.fit(method="laplace") first.')
    if nuts.approximate:
        raise GLMMError("nuts: this fit is an approximation; give that of model.fit() second.")
    _check_same(laplace, nuts)
    exact = chosen_scalars(nuts, parameters)
    figure, panels = new_panels(len(exact), ACROSS, figure=figure)
    axes = named_panels(panels, exact)
    draw_densities(axes, exact, 0, "NUTS")
    draw_densities(axes, chosen_scalars(laplace, [str(name) for name in exact]), 1, "Laplace approximation")
    for ax in panels:
        ax.tick_params(labelsize="small")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, **legend_style(True))
    note_below(figure, "value of the parameter", exact)
    fit_paper(figure, 2.2, 1.4)
    return figure


def _check_same(laplace: Fit, nuts: Fit) -> None:
    one, other = laplace.model, nuts.model
    stated = [(str(model.spec.formula), model.spec.family, model.spec.link) for model in (one, other)]
    if stated[0] != stated[1]:
        raise GLMMError(f"The fits are of different models: {one.spec.formula} and {other.spec.formula}.")
    seen = [fit.dt["observed_data"].to_dataset() for fit in (laplace, nuts)]
    same = one.design.X.shape == other.design.X.shape and np.array_equal(one.design.X, other.design.X)
    if not same or not seen[0].equals(seen[1]):
        raise GLMMError("The fits are of different data: their predictors or responses differ.")
