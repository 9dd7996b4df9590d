"""The log density of every prior at every posterior draw, as the user stated it, and that of the levels' effects.

Input: a `Fit`. Output: a Dataset, a variable for each row of the prior table. The intercept's prior is evaluated at the
intercept it belongs to, the one at the predictors' means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.model.naming import dependence_name
from bayes_glmm.predict.posterior import posterior_draws
from bayes_glmm.structures.structure import Structure

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit
    from bayes_glmm.model.prior_table import ParameterPrior

Array = npt.NDArray[np.float64]


def log_prior(fit: Fit) -> xr.Dataset:
    """Compute the log density of every prior.

    Parameters
    ----------
    fit
        The fit; it is not changed.

    Returns
    -------
    xarray.Dataset
        Variables named as in ``priors=`` (``"Intercept"``, ``"beta[x]"``, ``"sd[g][x]"``, ``"corr[g]"``, ``"sigma"``),
        dims chain, draw; each the density of what the prior was stated on (a precision, say), up to a constant. The
        levels' effects have no prior of their own here: theirs is part of the model.
    """
    design, priors = fit.model.design, fit.model.prior_table
    posterior = fit.posterior.transpose("chain", "draw", ...)
    parts: dict[str, Array] = {}
    shift = np.zeros((posterior.sizes["chain"], posterior.sizes["draw"], 1))
    if design.coefs:
        beta = posterior["beta"].to_numpy()
        shift = beta @ priors.shifts.T
        stated = (beta - priors.location) @ np.linalg.inv(priors.basis).T
        parts |= {row.parameter: _density(row, stated[..., i]) for i, row in enumerate(priors.beta)}
    for term, (_, group) in zip(design.groups, priors.groups, strict=True):
        sd = posterior[f"sd_{term.name}"].to_numpy()
        corr = None if group.corr is None else posterior[f"corr_{term.name}"].to_numpy()
        sd, corr = group.at_data(sd, corr)
        parts |= {row.parameter: _density(row, sd[..., i]) for i, row in enumerate(group.sd)}
        if group.corr is not None:
            assert corr is not None
            blocks = [corr[(..., *np.ix_(block, block))] for block in term.blocks if len(block) > 1]
            log_det = [np.linalg.slogdet(block)[1] for block in blocks]
            parts[group.corr.parameter] = np.sum([group.corr.prior.log_density(one) for one in log_det], axis=0)
        if (own := group.dependence) is not None:
            parts[own.parameter] = _density(own, posterior[dependence_name(term)].to_numpy())
    for row in priors.auxiliary:
        values = posterior[row.parameter].to_numpy()
        parts[row.parameter] = _density(row, values - shift).sum(axis=-1) if row.ordered else _density(row, values)
    for effect, row in zip(design.monotonic, priors.monotonic, strict=True):
        with np.errstate(divide="ignore"):
            parts[row.parameter] = _density(row, np.log(posterior[effect.name].to_numpy()).sum(axis=-1))
    coords = {"chain": posterior["chain"], "draw": posterior["draw"]}
    return xr.Dataset({name: (("chain", "draw"), values) for name, values in parts.items()}, coords=coords)


def log_effects(fit: Fit) -> xr.DataArray:
    """Compute the log density of all levels' effects given their sds and correlations.

    Parameters
    ----------
    fit
        The fit; it is not changed.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw; summed over factors and levels, up to a constant.
    """
    draws = posterior_draws(fit)
    total = np.zeros(draws.size)
    structures = {term.name: term.structure for term in fit.model.design.groups}
    for name, effects in draws.effects.items():
        values, vectors = np.linalg.eigh(draws.covariances[name])
        values = np.maximum(values, np.finfo(float).tiny)
        along = np.einsum("slk,skj->slj", effects, vectors)
        structure = structures[name]
        if structure is None:
            squares = np.square(along).sum(axis=1)
        elif isinstance(structure, Structure):
            others = [(structure.precision @ along[:, :, j].T).T for j in range(along.shape[2])]
            squares = (along * np.stack(others, axis=-1)).sum(axis=1)
        else:
            squares, log_det = structure.log_density(along, draws.dependence[name])
            total += 0.5 * along.shape[2] * log_det
        total -= 0.5 * (squares / values).sum(axis=1)
        total -= 0.5 * effects.shape[1] * np.log(values).sum(axis=1)
    coords = {"chain": draws.chain, "draw": draws.draw}
    return xr.DataArray(total.reshape(len(draws.chain), len(draws.draw)), dims=("chain", "draw"), coords=coords)


def _density(row: ParameterPrior, values: Array) -> Array:
    """Log density of what the prior was stated on: the parameter, its variance, its precision."""
    return np.asarray(row.prior.log_density(values**row.power), dtype=float)
