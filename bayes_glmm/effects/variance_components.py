"""Variance components: what predictors, grouping factors and noise contribute, and their shares. Input: a `Fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.evaluation import summarise
from bayes_glmm.effects.frames import components_of_frames
from bayes_glmm.effects.partition import component_draws, component_table, partition_request, variance_partition
from bayes_glmm.inference.fit import check_fit

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit


@own_arguments
def variance_components(
    fit: Fit,
    newdata: Any = None,
    *,
    scale: str = "latent",
    ci_prob: float | None = None,
    draws: str = "table",
) -> pd.DataFrame | xr.DataArray:
    """Split the response's variance into predictors, each grouping factor and the rest, per posterior draw.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    newdata
        Rows over which variances are taken and averaged; None for the rows that were fitted.
    scale
        ``"latent"``: the scale of the linear predictor, with the variance that the family has there (Notes).
        ``"response"``: the scale of the response; of a single trial for families with trials. The residual
        variance of responses with precisions is that of precision one on both.
    ci_prob
        Probability of the equal-tailed intervals; None for ArviZ's ``stats.ci_prob``.
    draws
        ``"table"``, or ``"dataarray"`` for the draws of the variances.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        Rows ``fixed``, ``random`` (one for each grouping factor) and ``residual``: component, group, estimate, sd,
        lower, upper in squared units of the scale, and share, share_lower, share_upper of the total. Or draws with dims
        chain, draw, quantity.

    Raises
    ------
    PredictionError
        If an argument is not one of its values, or the model has no such scale.

    Notes
    -----
    Random slopes count with z' Sigma z, averaged over rows (Johnson 2014). Offsets are no part of the fixed variance.

    On the latent scale the residual variance is sigma^2 (gaussian identity, lognormal); that of the latent variable for
    binary, binomial and ordered responses (logit pi^2/3, probit 1, cloglog pi^2/6); log(1 + Var / mean^2) with the log
    link: Poisson log(1 + 1/mean), negative binomial log(1 + 1/mean + 1/phi), gamma log(1 + 1/phi); and Var g'(mean)^2,
    the delta method, with any other. The mean is the expected response averaged over rows and random effects.

    On the response scale Var[y] = Var[E[y | x]] + E[Var[E[y | x, u]]] + E[Var[y | x, u]]. A factor has the variance of
    the expected response given its effects, the other factors averaged over. With a non-linear link several factors
    also explain something only together, as an interaction does: the row ``(together)``.

    References
    ----------
    Nakagawa, S., Johnson, P. C. D. and Schielzeth, H. (2017). The coefficient of determination R2 and intra-class
    correlation coefficient from generalized linear mixed-effects models revisited and expanded. Journal of the Royal
    Society Interface 14, 20170213. doi:10.1098/rsif.2017.0213.
    Johnson, P. C. D. (2014). Extension of Nakagawa and Schielzeth's R2GLMM to random slopes models. Methods in Ecology
    and Evolution 5, 944-946. doi:10.1111/2041-210X.12225.
    Leckie, G., Browne, W. J., Goldstein, H., Merlo, J. and Austin, P. C. (2020). Partitioning variation in multilevel
    models for count data. Psychological Methods 25, 787-801. doi:10.1037/met0000265.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.variance_components(fit)
    >>> table["component"].tolist(), round(float(table["share"].sum()), 6)
    (['fixed', 'random', 'residual'], 1.0)
    """
    check_fit(fit, frames=True)
    mixed = newdata is None and len(fit.parts) > 1
    request = partition_request(fit.parts[0] if mixed else fit, newdata, scale, ci_prob, draws)
    if mixed:
        array, columns, values = components_of_frames(
            fit, lambda part: variance_components(part, scale=scale, draws="dataarray")
        )
    else:
        partition = variance_partition(request, scale)
        labels = [("fixed", ""), *(("random", name) for name in partition.random), ("residual", "")]
        values = np.stack([partition.fixed, *partition.random.values(), partition.residual], axis=1)
        columns = pd.DataFrame(labels, columns=["component", "group"])
        array = component_draws(partition, columns, values, "variance")
    if draws == "dataarray":
        return array
    with np.errstate(invalid="ignore"):  # an infinite residual variance leaves nothing to share
        shares = summarise(np.nan_to_num(values / values.sum(axis=1, keepdims=True), nan=1.0), request.ci_prob)
    table = component_table(columns, values, request, {"quantity": "variance", "scale": scale})
    return table.assign(share=shares.estimate, share_lower=shares.lower, share_upper=shares.upper)
