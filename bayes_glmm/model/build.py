"""The PyMC model: the definition of what every sampler samples.

Input: a specification, a design and a prior table. Output: a fresh `pm.Model`. Every other path (the compiled kernel,
the Laplace fit) is tested against the density built here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pymc as pm
import pytensor.tensor as pt

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.model.autoscale import GroupPriors, ParameterPrior, PriorTable
from bayes_glmm.model.distributions import (
    correlation_cholesky,
    ordered_parameter,
    scalar_parameter,
    vector_parameter,
)
from bayes_glmm.model.naming import observed_name, threshold_labels
from bayes_glmm.spec.model_spec import ModelSpec

Parametrization = Literal["noncentered", "centered"]


def build_model(
    spec: ModelSpec,
    design: Design,
    priors: PriorTable,
    *,
    parametrization: Parametrization = "noncentered",
    means: npt.NDArray[np.float64] | None = None,
) -> pm.Model:
    """Build the hierarchical model as a PyMC graph.

    Parameters
    ----------
    spec
        Family and link.
    design
        Design matrices, level codes and the response.
    priors
        The prior of every parameter.
    parametrization
        ``"noncentered"``: b = z sd with standard normal z; ``"centered"``: b ~ N(0, Sigma) directly. The posterior of
        every reported parameter is the same.
    means
        (coefficients,) what predictors are centred by; None for the means of the design's own rows.

    Returns
    -------
    pymc.Model
        Variables ``beta`` (coef), ``sd_<group>``, ``corr_<group>``, ``b_<group>``, the family's auxiliary parameters
        and the observed response over ``obs``.
    """
    response = design.response
    assert response is not None
    means = design.means if means is None else means
    with pm.Model(coords=_coords(design)) as model:
        # the linear predictor, written once
        eta = pm.Data("offset", design.offset, dims="obs") if np.any(design.offset) else pt.zeros(len(response.y))
        if design.coefs:
            eta = eta + _fixed_part(design, priors, means)
        for term, (_, group_priors) in zip(design.groups, priors.groups, strict=True):
            eta = eta + _group_part(term, group_priors, parametrization)
        parameters = {
            row.parameter: _thresholds(model, row, priors, means)
            if row.ordered
            else scalar_parameter(row.parameter, row)
            for row in priors.auxiliary
        }
        if response.precision is not None:
            assert spec.family.at_precision is not None
            parameters = spec.family.at_precision(parameters, pm.Data("precision", response.precision, dims="obs"))
        trials = None if response.trials is None else pm.Data("trials", response.trials, dims="obs")
        distribution, arguments = spec.family.graph(eta, spec.link, parameters, trials)
        name = observed_name(design, [*model.named_vars])
        discrete = spec.family.support in {"binary", "count", "trials", "ordered"}
        observed = response.y.astype(np.int64) if discrete else response.y
        y = distribution(name, **arguments, observed=observed, dims="obs")
        if response.weights is not None:
            # the observed variable counts once; the potential adds what the weight has beyond that
            weights = pm.Data("weights", response.weights, dims="obs")
            pm.Potential(f"{name}_weights", ((weights - 1.0) * pm.logp(y, observed)).sum())
    return model


def _coords(design: Design) -> dict[str, Any]:
    coords: dict[str, Any] = {"obs": np.arange(len(design.offset))}
    if design.coefs:
        coords["coef"] = list(design.coefs)
    if design.response is not None and design.response.categories is not None:
        coords["threshold"] = list(threshold_labels(design.response.categories))
    for term in design.groups:
        coords[term.dim] = list(term.levels)
        coords[f"{term.name}_coef"] = list(term.coefs)
        coords[f"{term.name}_coef_2"] = list(term.coefs)
    return coords


def _fixed_part(design: Design, priors: PriorTable, means: npt.NDArray[np.float64]) -> Any:
    """X beta, with predictors centred for sampling and ``beta`` reported for the predictors as they are."""
    if not priors.centered:
        X = pm.Data("X", design.X, dims=("obs", "coef"))
        return X @ vector_parameter("beta", priors.beta, "coef")
    X = pm.Data("X", design.X - means, dims=("obs", "coef"))
    if "Intercept" not in design.coefs:
        # thresholds are the intercept, and theirs is the shift
        return X @ vector_parameter("beta", priors.beta, "coef")
    intercept = design.coefs.index("Intercept")
    centered = vector_parameter("beta_centered", priors.beta, "coef")
    shift = pt.dot(pt.as_tensor_variable(means), centered)
    pm.Deterministic("beta", pt.inc_subtensor(centered[intercept], -shift), dims="coef")
    return X @ centered


def _thresholds(model: pm.Model, row: ParameterPrior, priors: PriorTable, means: npt.NDArray[np.float64]) -> Any:
    """Add thresholds for centred predictors, and report them for the predictors as they are."""
    if not (priors.centered and "beta" in model.named_vars):
        return ordered_parameter(row.parameter, row, "threshold")
    centered = ordered_parameter(f"{row.parameter}_centered", row, "threshold")
    pm.Deterministic(row.parameter, centered + pt.dot(pt.as_tensor_variable(means), model["beta"]), dims="threshold")
    return centered


def _group_part(term: GroupTerm, priors: GroupPriors, parametrization: Parametrization) -> Any:
    """Z b of one grouping factor: codes index the levels, never a dense rows x levels matrix."""
    dims, k = (term.dim, f"{term.name}_coef"), len(term.coefs)
    sd = vector_parameter(f"sd_{term.name}", priors.sd, dims[1])
    factor = None
    if priors.corr is not None:
        factor = correlation_cholesky(f"corr_{term.name}_cholesky", priors.corr, k, term.blocks)
        pm.Deterministic(f"corr_{term.name}", factor @ factor.T, dims=(dims[1], f"{dims[1]}_2"))
    if parametrization == "centered":
        if factor is None:
            b = pm.Normal(f"b_{term.name}", 0.0, sd, dims=dims)
        else:
            b = pm.MvNormal(f"b_{term.name}", mu=np.zeros(k), chol=sd[:, None] * factor, dims=dims)
    else:
        z = pm.Normal(f"z_{term.name}", dims=dims)
        b = pm.Deterministic(f"b_{term.name}", (z if factor is None else z @ factor.T) * sd, dims=dims)
    codes = pm.Data(f"codes_{term.name}", term.codes.astype(np.int32), dims="obs")
    if k == 1 and bool(np.all(term.Z == 1.0)):
        return b[codes, 0]
    Z = pm.Data(f"Z_{term.name}", term.Z, dims=("obs", dims[1]))
    return (Z * b[codes]).sum(axis=1)
