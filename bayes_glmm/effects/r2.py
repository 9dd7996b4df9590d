"""R^2: how much of the response's variance predictors and groups explain. Input: a `Fit`. Output: a row a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.evaluation import Array
from bayes_glmm.effects.frames import components_of_frames
from bayes_glmm.effects.partition import (
    component_draws,
    component_table,
    partition_request,
    response_partition,
    variance_partition,
)
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.predict.averages import response_noise
from bayes_glmm.predict.expected import row_predictor
from bayes_glmm.predict.pieces import chunks

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit


@own_arguments
def r2(fit: Fit, *, ci_prob: float | None = None, draws: str = "table") -> pd.DataFrame | xr.DataArray:
    """Compute marginal and conditional R^2, of the linear predictor and of the response, per posterior draw.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``stats.ci_prob``.
    draws
        ``"table"``, or ``"dataarray"`` for the draws.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        measure, kind, estimate, sd, lower, upper; all between 0 and 1. ``nakagawa`` is on the scale of the linear
        predictor, ``bayes`` on that of the response (of proportions for families with trials; left out for ordered
        responses, whose categories have no variance). ``marginal``: what the predictors explain, over the population of
        groups; ``conditional``: what predictors and the fitted groups explain. Or draws with dims chain, draw,
        quantity.

    Raises
    ------
    PredictionError
        If an argument is not one of its values, or averages over random effects do not exist for the link.

    Notes
    -----
    nakagawa marginal = fixed / (fixed + random + residual), conditional = (fixed + random) / (the same), of
    `variance_components` on the latent scale. bayes = Var_fit / (Var_fit + Var_residual) over the rows that were
    fitted: conditional takes the variance of E[y | x, u] and the mean of Var[y | x, u] at the groups' own effects,
    marginal the variance of E[y | x] and the mean of Var[y | x], groups averaged over.

    References
    ----------
    Nakagawa, S., Johnson, P. C. D. and Schielzeth, H. (2017). The coefficient of determination R2 and intra-class
    correlation coefficient from generalized linear mixed-effects models revisited and expanded. Journal of the Royal
    Society Interface 14, 20170213. doi:10.1098/rsif.2017.0213.
    Gelman, A., Goodrich, B., Gabry, J. and Vehtari, A. (2019). R-squared for Bayesian regression models. The American
    Statistician 73, 307-309. doi:10.1080/00031305.2018.1549100.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.r2(fit)
    >>> table[["measure", "kind"]].values.tolist()
    [['nakagawa', 'marginal'], ['nakagawa', 'conditional'], ['bayes', 'marginal'], ['bayes', 'conditional']]
    """
    check_fit(fit, frames=True)
    request = partition_request(fit.parts[0], None, "latent", ci_prob, draws)
    if len(fit.parts) > 1:
        array, labels, mixed = components_of_frames(fit, lambda part: r2(part, draws="dataarray"))
        return array if draws == "dataarray" else component_table(labels, mixed, request, {"quantity": "R2"})
    latent = variance_partition(request, "latent")
    total = latent.fixed + latent.between + latent.residual
    values = {
        ("nakagawa", "marginal"): latent.fixed / total,
        ("nakagawa", "conditional"): 1.0 - latent.residual / total,
    }
    if fit.model.spec.family.probabilities is None:
        values |= {("bayes", "marginal"): _marginal(fit), ("bayes", "conditional"): _conditional(fit)}
    labels = pd.DataFrame(list(values), columns=["measure", "kind"])
    stacked = np.stack(list(values.values()), axis=1)
    if draws == "dataarray":
        return component_draws(latent, labels, stacked, "r2")
    return component_table(labels, stacked, request, {"quantity": "R2"})


def _marginal(fit: Fit) -> Array:
    """(S,) of the response, groups averaged over."""
    predictor = row_predictor(fit, None, random_effects="marginal", random_seed=0)
    response = fit.model.design.response
    partition = response_partition(predictor, None if response is None else response.sizes, split=False)
    return partition.fixed / (partition.fixed + partition.between + partition.residual)


def _conditional(fit: Fit) -> Array:
    """(S,) of the response, at the groups' own effects."""
    predictor = row_predictor(fit, None, random_effects="conditional", random_seed=0)
    family, response = predictor.family, fit.model.design.response
    sizes = None if response is None else response.sizes
    sizes = np.ones(predictor.rows) if sizes is None else sizes
    mean, square, noise = (np.zeros(predictor.draws.size) for _ in range(3))
    centre: Array | None = None
    for rows in chunks(predictor.rows, predictor.draws.size):
        values = predictor.values(rows)
        centre = values[:, :1] if centre is None else centre
        mean += (values - centre).sum(axis=1) / predictor.rows
        square += np.square(values - centre).sum(axis=1) / predictor.rows
        location, parameters = predictor.location(rows), predictor.of_means(rows)
        noise += response_noise(family, location, parameters, sizes[rows]).sum(axis=1) / predictor.rows
    explained = np.maximum(square - np.square(mean), 0.0) * predictor.rows / max(1, predictor.rows - 1)
    return np.asarray(explained / (explained + noise), dtype=float)
