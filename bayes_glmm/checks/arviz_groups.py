"""The groups of a fit's tree that ArviZ's functions read beside the posterior.

Input: a `Fit`. Output: trees by group, with the posterior's and the rows' dims and labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayes_glmm.arguments import checked_seed
from bayes_glmm.checks.log_prior import log_prior
from bayes_glmm.errors import PredictionError, SamplingError, nearest
from bayes_glmm.inference.fit import Fit, Model, check_fit
from bayes_glmm.inference.prior import sample_prior
from bayes_glmm.predict.draws import log_likelihood, posterior_predictive, prior_predictive

GROUPS = ("posterior_predictive", "log_likelihood", "log_prior", "prior", "prior_predictive")
_OF_THE_PRIOR = ("prior", "prior_predictive")


def arviz_groups(
    fit: Fit, groups: str | Sequence[str] | None, *, prior_draws: int, random_seed: int | None
) -> dict[str, xr.DataTree]:
    """Compute groups that a fit's tree may hold beside the posterior.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    groups
        One of `GROUPS` or several; None for all.
    prior_draws
        Draws from the prior.
    random_seed
        Seed of the draws.

    Returns
    -------
    dict of xarray.DataTree
        By group, in the order of `GROUPS`.

    Raises
    ------
    PredictionError
        If there is no such group.
    SamplingError
        If draws from the prior are asked for and a prior is flat.
    """
    check_fit(fit)
    wanted = GROUPS if groups is None else (groups,) if isinstance(groups, str) else tuple(groups)
    for name in wanted:
        if name not in GROUPS:
            raise PredictionError(f"extend adds no group {name!r}. {nearest(str(name), GROUPS)}")
    seed = checked_seed(random_seed)
    found = _prior_draws(fit, prior_draws, seed) if set(wanted) & set(_OF_THE_PRIOR) else {}
    if "posterior_predictive" in wanted:
        found |= posterior_predictive(fit, random_seed=seed).children
    if "log_likelihood" in wanted:
        found |= log_likelihood(fit).children
    if "log_prior" in wanted:
        found["log_prior"] = xr.DataTree(_log_prior(fit))
    return {name: found[name] for name in GROUPS if name in wanted}


def _prior_draws(fit: Fit, draws: int, seed: int) -> dict[str, xr.DataTree]:
    """Return the groups prior and prior_predictive."""
    try:
        return dict(prior_groups(fit.model, draws, seed).children)
    except SamplingError as error:
        others = [name for name in GROUPS if name not in _OF_THE_PRIOR]
        raise SamplingError(f"{error} The other groups need no draws from the prior: extend({others}).") from None


def prior_groups(model: Model, draws: int, random_seed: int | None) -> xr.DataTree:
    """Draw parameters from the prior, and responses from these.

    Parameters
    ----------
    model
        The model.
    draws
        Number of draws.
    random_seed
        Seed.

    Returns
    -------
    xarray.DataTree
        Groups prior and prior_predictive; dims chain (1), draw, and each variable's own.

    Raises
    ------
    SamplingError
        If a prior is flat, `draws` is no number of draws, or the family has no response for some of them.
    """
    seed = checked_seed(random_seed)
    prior = sample_prior(model.design, model.prior_table, draws, seed)
    return prior_predictive(Fit(model, xr.DataTree.from_dict({"posterior": prior})), seed)


def _log_prior(fit: Fit) -> xr.Dataset:
    """Collect the priors' log densities by variable of the posterior, an entry for each of its priors."""
    densities, table, posterior = log_prior(fit), fit.model.prior_table, fit.posterior
    variables: dict[str, xr.DataArray] = {}

    def along(dim: str, rows: Sequence[Any]) -> xr.DataArray:
        values = np.stack([densities[row.parameter].to_numpy() for row in rows], axis=-1)
        return xr.DataArray(values, dims=("chain", "draw", dim), coords={dim: posterior[dim]})

    if table.beta:
        variables["beta"] = along("coef", table.beta)
    for name, group in table.groups:
        variables[f"sd_{name}"] = along(f"{name}_coef", group.sd)
        if group.corr is not None:
            variables[f"corr_{name}"] = densities[group.corr.parameter]
        if group.dependence is not None:
            variables[f"{group.dependence.parameter.partition('[')[0]}_{name}"] = densities[group.dependence.parameter]
    variables |= {row.parameter: densities[row.parameter] for row in table.auxiliary}
    monotonic = zip(fit.model.design.monotonic, table.monotonic, strict=True)
    variables |= {term.name: densities[row.parameter] for term, row in monotonic}
    return xr.Dataset(variables).assign_coords(chain=posterior["chain"], draw=posterior["draw"])
