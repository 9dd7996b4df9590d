"""Intraclass correlations: how alike two responses of one group are. Input: a `Fit`. Output: a row for each factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.frames import components_of_frames
from bayes_glmm.effects.partition import (
    TOGETHER,
    component_draws,
    component_table,
    partition_request,
    variance_partition,
)
from bayes_glmm.errors import PredictionError
from bayes_glmm.inference.fit import check_fit

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

#: Row of the table for two responses that share the level of every factor.
ALL_GROUPS = "(all)"


@own_arguments
def icc(
    fit: Fit,
    newdata: Any = None,
    *,
    scale: str = "latent",
    ci_prob: float | None = None,
    draws: str = "table",
) -> pd.DataFrame | xr.DataArray:
    """Compute intraclass correlations (variance partition coefficients, repeatabilities), per posterior draw.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    newdata
        Rows for which they hold (one row states x); None for the rows that were fitted, averaged.
    scale
        ``"latent"``: of the linear predictor and the variance that the family has on its scale. ``"response"``: of the
        responses themselves; of single trials for families with trials. Responses with precisions have that of
        precision one on both, those of known standard errors the mean of their squares (`heterogeneity` is about them).
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``stats.ci_prob``.
    draws
        ``"table"``, or ``"dataarray"`` for the draws.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        group, estimate, sd, lower, upper: a row for each grouping factor, the correlation of two responses with the
        same predictors that share its level and no other; and, with several factors, ``(all)`` for two that share every
        level. Or draws with dims chain, draw, quantity.

    Raises
    ------
    PredictionError
        If the model has no grouping factor, an argument is not one of its values, or the model has no such scale.

    Notes
    -----
    Variance of the factor's effects / (variance of all random effects + residual variance), as `variance_components`
    defines them: the variance of the predictors is left out (the *adjusted* ICC). Over several rows, numerator and
    denominator are averaged first.

    With nested factors, classes in schools, two responses of one class share the school too: their correlation is
    ``(all)``, one minus the residual's share. On the latent scale that is the sum of the factors' rows; on the response
    scale it is more, because what class and school explain only together is part of it (`variance_components`). What
    classes add to schools there (the level-2 VPC of Leckie et al. 2020) is ``(all)`` minus the school's row, not the
    class's own row.

    References
    ----------
    Nakagawa, S., Johnson, P. C. D. and Schielzeth, H. (2017). The coefficient of determination R2 and intra-class
    correlation coefficient from generalized linear mixed-effects models revisited and expanded. Journal of the Royal
    Society Interface 14, 20170213. doi:10.1098/rsif.2017.0213.
    Goldstein, H., Browne, W. and Rasbash, J. (2002). Partitioning variation in multilevel models. Understanding
    Statistics 1, 223-231. doi:10.1207/S15328031US0104_02.
    Leckie, G., Browne, W. J., Goldstein, H., Merlo, J. and Austin, P. C. (2020). Partitioning variation in multilevel
    models for count data. Psychological Methods 25, 787-801. doi:10.1037/met0000265.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.icc(fit)
    >>> table["group"].tolist()
    ['Subject']
    """
    check_fit(fit, frames=True)
    if not fit.model.design.groups:
        raise PredictionError("icc: the model has no grouping factor, so no two responses share anything.")
    attrs = {"quantity": "intraclass correlation", "scale": scale}
    if newdata is None and len(fit.parts) > 1:
        request = partition_request(fit.parts[0], None, scale, ci_prob, draws)
        array, labels, values = components_of_frames(fit, lambda part: icc(part, scale=scale, draws="dataarray"))
        return array if draws == "dataarray" else component_table(labels, values, request, attrs)
    request = partition_request(fit, newdata, scale, ci_prob, draws)
    partition = variance_partition(request, scale)
    shared = {name: values for name, values in partition.random.items() if name != TOGETHER}
    if len(shared) > 1:
        shared[ALL_GROUPS] = partition.between
    values = np.stack(list(shared.values()), axis=1) / (partition.between + partition.residual)[:, None]
    labels = pd.DataFrame({"group": list(shared)})
    if draws == "dataarray":
        return component_draws(partition, labels, values, "icc")
    return component_table(labels, values, request, attrs)
