"""The PyMC model of several responses: the definition of what is sampled.

Input: a design of several responses and their priors. Output: a fresh `pm.Model`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.families import DISCRETE
from bayes_glmm.model.build import Parametrization, add_fixed_part, add_group_part
from bayes_glmm.model.distributions import scalar_parameter
from bayes_glmm.model.multivariate import parameter_name, partial_names
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.multivariate import RESIDUAL

__all__ = ["build_multivariate_model"]


def build_multivariate_model(
    design: MultivariateDesign, priors: PriorTable, *, parametrization: Parametrization = "noncentered"
) -> pm.Model:
    """Build the model of several responses as a PyMC graph.

    Parameters
    ----------
    design, priors
        The model.
    parametrization
        As of `bayes_glmm.model.build.build_model`.

    Returns
    -------
    pymc.Model
        Variables ``beta`` (coef), ``sd_<group>``, ``corr_<group>``, ``b_<group>``, the parameters of each response
        (``sigma_y1``), ``residual_corr``, and every response over ``obs_<response>``. Responses whose residuals are
        correlated are observed together, one variable for each set of them that some rows have.
    """
    spec = design.spec
    with pm.Model(coords=_coords(design)) as model:
        etas = [
            pm.Data(f"offset_{name}", offset, dims="obs") if np.any(offset) else pt.zeros(len(offset))
            for name, offset in zip(spec.names, design.offsets, strict=True)
        ]
        if design.coefs:
            add_fixed_part(etas, design, priors)
        for term, (_, group_priors) in zip(design.groups, priors.groups, strict=True):
            add_group_part(etas, term, group_priors, parametrization)
        rows = {row.parameter: row for row in priors.auxiliary}
        parameters = {name: scalar_parameter(name, row) for name, row in rows.items()}
        for r in range(len(spec.parts)):
            if r not in spec.correlated:
                _add_response(design, r, etas[r], parameters)
        if spec.correlated:
            _add_together(design, etas, parameters)
    return model


def _coords(design: MultivariateDesign) -> dict[str, Any]:
    spec = design.spec
    coords: dict[str, Any] = {"obs": np.arange(design.size)}
    coords |= {f"obs_{name}": rows for name, rows in zip(spec.names, design.rows, strict=True)}
    if design.coefs:
        coords["coef"] = list(design.coefs)
    for term in design.groups:
        coords[term.dim] = list(term.levels)
        coords[f"{term.name}_coef"] = list(term.coefs)
        coords[f"{term.name}_coef_2"] = list(term.coefs)
    if spec.correlated:
        names = [spec.names[r] for r in spec.correlated]
        coords |= {"response": names, "response_2": names}
    return coords


def _add_response(design: MultivariateDesign, r: int, eta: Any, parameters: dict[str, Any]) -> None:
    """Add one response, given its linear predictor and parameters."""
    name, part, dims = design.spec.names[r], design.parts[r], f"obs_{design.spec.names[r]}"
    spec, response = part.spec, part.response
    assert response is not None
    own = {row.name: parameters[parameter_name(row.name, name)] for row in spec.constants}
    if response.precision is not None:
        assert spec.family.at_precision is not None
        own = spec.family.at_precision(own, pm.Data(f"precision_{name}", response.precision, dims=dims))
    own |= {key: pm.Data(f"{key}_{name}", response.known[key], dims=dims) for key in spec.family.known}
    trials = None if response.trials is None else pm.Data(f"trials_{name}", response.trials, dims=dims)
    distribution, arguments = spec.family.graph(eta[design.rows[r]], spec.link, own, trials)
    observed = response.y.astype(np.int64) if spec.family.support in DISCRETE else response.y
    y = distribution(name, **arguments, observed=observed, dims=dims)
    if response.weights is not None:
        weights = pm.Data(f"weights_{name}", response.weights, dims=dims)
        pm.Potential(f"{name}_weights", ((weights - 1.0) * pm.logp(y, observed)).sum())


def _add_together(design: MultivariateDesign, etas: list[Any], parameters: dict[str, Any]) -> None:
    """Add the responses whose residuals are correlated."""
    spec = design.spec
    names = [spec.names[r] for r in spec.correlated]
    m = len(names)
    factor, position = pt.eye(m), iter(partial_names(spec))
    for i in range(m):
        left: Any = 1.0
        for j in range(i):
            r = 2.0 * parameters[next(position)] - 1.0
            factor = pt.set_subtensor(factor[i, j], r * left)
            left = left * pt.sqrt(1.0 - r * r)
        factor = pt.set_subtensor(factor[i, i], left)
    corr = pm.Deterministic(RESIDUAL, factor @ factor.T, dims=("response", "response_2"))
    sigma = pt.stack([parameters[parameter_name("sigma", name)] for name in names])
    covariance = sigma[:, None] * corr * sigma[None, :]
    y = np.full((design.size, m), np.nan)
    for a, r in enumerate(spec.correlated):
        response = design.parts[r].response
        assert response is not None
        y[design.rows[r], a] = (
            response.y if response.weights is None else np.where(response.weights > 0, response.y, np.nan)
        )
    eta = pt.stack([etas[r] for r in spec.correlated], axis=1)
    patterns, pattern_of = np.unique(np.isfinite(y), axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        having, rows = np.flatnonzero(pattern), np.flatnonzero(pattern_of.ravel() == k)
        name = "_".join(names[a] for a in having)
        if len(having) == 1:
            a = int(having[0])
            pm.Normal(name, eta[rows, a], sigma[a], observed=y[rows, a])
        elif len(having):
            mu, lower = eta[rows][:, having], pt.linalg.cholesky(covariance[having][:, having])
            pm.MvNormal(name, mu=mu, chol=lower, observed=y[np.ix_(rows, having)])
