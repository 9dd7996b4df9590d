"""The PyMC model: the definition of what every sampler samples.

Input: a specification, a design and a prior table. Output: a fresh `pm.Model`. Every other path (the compiled kernel,
the Laplace fit) is tested against the density built here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.monotonic import Monotonic
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.errors import GLMMError
from bayes_glmm.families import DISCRETE
from bayes_glmm.model.distributions import (
    correlation_cholesky,
    scalar_parameter,
    thresholds_parameter,
    vector_parameter,
)
from bayes_glmm.model.naming import AT_DATA, dependence_name, observed_name, threshold_labels
from bayes_glmm.model.prior_table import GroupPriors, ParameterPrior, PriorTable
from bayes_glmm.model.related import related
from bayes_glmm.spec.model_spec import ModelSpec

Parametrization = Literal["noncentered", "centered"]


def build_model(
    spec: ModelSpec,
    design: Design,
    priors: PriorTable,
    *,
    parametrization: Parametrization = "noncentered",
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

    Returns
    -------
    pymc.Model
        Variables ``beta`` (coef), ``sd_<group>``, ``corr_<group>``, ``b_<group>``, the family's auxiliary parameters
        and the observed response over ``obs``.
    """
    response = design.response
    assert response is not None
    with pm.Model(coords=_coords(design)) as model:
        eta, *others = _linear_predictors(design, priors, parametrization)
        parameters = {
            row.parameter: _thresholds(model, row, priors) if row.ordered else scalar_parameter(row.parameter, row)
            for row in priors.auxiliary
        }
        parameters |= {one.name: one.graph_inverse(x) for one, x in zip(spec.channels, others, strict=True)}
        if response.precision is not None:
            assert spec.family.at_precision is not None
            parameters = spec.family.at_precision(parameters, pm.Data("precision", response.precision, dims="obs"))
        parameters |= {name: pm.Data(name, response.known[name], dims="obs") for name in spec.family.known}
        trials = None if response.trials is None else pm.Data("trials", response.trials, dims="obs")
        distribution, arguments = spec.family.graph(eta, spec.link, parameters, trials)
        name = observed_name(design, [*model.named_vars])
        observed = response.y.astype(np.int64) if spec.family.support in DISCRETE else response.y
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
    if design.response is not None and design.response.categories and design.spec.family.support == "ordered":
        coords["threshold"] = list(threshold_labels(design.response.categories))
    coords |= {term.dim: list(term.steps) for term in design.monotonic}
    for term in design.groups:
        coords[term.dim] = list(term.levels)
        coords[f"{term.name}_coef"] = list(term.coefs)
        coords[f"{term.name}_coef_2"] = list(term.coefs)
    return coords


def _linear_predictors(design: Design, priors: PriorTable, parametrization: Parametrization) -> list[Any]:
    """Every linear predictor (obs,), the mean's first: offset, X beta and Z b of what acts on it."""
    names = ["offset", *(f"offset_{one.name}" for one in design.spec.channels)]
    etas = [
        pm.Data(name, offset, dims="obs") if np.any(offset) else pt.zeros(len(offset))
        for name, offset in zip(names, (design.offset, *design.offsets), strict=True)
    ]
    if design.coefs:
        add_fixed_part(etas, design, priors)
    for one, row in zip(design.monotonic, priors.monotonic, strict=True):
        etas[0] = etas[0] + pm.modelcontext(None)["beta"][one.position] * _raised(design, one, row)
    for term, (_, group_priors) in zip(design.groups, priors.groups, strict=True):
        add_group_part(etas, term, group_priors, parametrization)
    return etas


def add_fixed_part(etas: list[Any], design: Design | MultivariateDesign, priors: PriorTable) -> None:
    """Add X beta, by the coefficients at the data; ``beta`` is reported for the predictors as they are."""
    located = priors.centered and bool(design.intercepts)
    moved = located or not np.array_equal(priors.basis, np.eye(len(design.coefs)))
    X = pm.Data("X", (design.X - priors.means) @ priors.basis, dims=("obs", "coef"))
    if moved:
        beta = vector_parameter(f"beta{AT_DATA}", priors.beta, "coef")
        pm.Deterministic("beta", priors.location + pt.dot(priors.basis, beta), dims="coef")
    else:
        beta = vector_parameter("beta", priors.beta, "coef")
    for channel, eta in enumerate(etas):
        own = np.flatnonzero(design.acts_on(channel))
        if moved and len(own):
            eta = eta + (design.X[:, own] - priors.means[own]) @ priors.location[own]
        whole = len(own) == len(design.coefs)
        etas[channel] = eta + (X @ beta if whole else X[:, own] @ beta[own])


def _raised(design: Design, term: Monotonic, row: ParameterPrior) -> Any:
    """Add the shares of a monotonic effect's steps; return what levels add for a coefficient of one, less X (obs,)."""
    steps = len(term.steps)
    simplex = pm.Dirichlet(term.name, a=np.full(steps, row.prior["alpha"]), dims=term.dim)
    heights = pt.concatenate([pt.zeros(1), pt.cumsum(simplex)])
    codes = design.X[:, term.position].astype(np.int32)
    return (steps * heights - np.arange(steps + 1.0))[codes]


def _thresholds(model: pm.Model, row: ParameterPrior, priors: PriorTable) -> Any:
    """Add thresholds for centred predictors, and report them for the predictors as they are."""
    if not (priors.centered and "beta" in model.named_vars):
        return thresholds_parameter(row.parameter, row, "threshold")
    centered = thresholds_parameter(f"{row.parameter}{AT_DATA}", row, "threshold")
    shift = pt.dot(pt.as_tensor_variable(priors.shifts), model["beta"])
    pm.Deterministic(row.parameter, centered + shift, dims="threshold")
    return centered


def add_group_part(etas: list[Any], term: GroupTerm, priors: GroupPriors, parametrization: Parametrization) -> None:
    """Add Z b of one grouping factor: codes index the levels, never a dense rows x levels matrix."""
    dims, k = (term.dim, f"{term.name}_coef"), len(term.coefs)
    # effects at the predictors' means, where they have the priors; reported for the predictors as they are
    own = "" if priors.basis is None else AT_DATA
    sd = vector_parameter(f"sd_{term.name}{own}", priors.sd, dims[1])
    factor = None
    if priors.corr is not None:
        factor = correlation_cholesky(f"corr_{term.name}_cholesky", priors.corr, k, term.blocks)
        if priors.basis is None:
            pm.Deterministic(f"corr_{term.name}", factor @ factor.T, dims=(dims[1], f"{dims[1]}_2"))
    if parametrization == "centered":
        if term.structure is not None:
            raise GLMMError(
                f"The effects of {term.name!r} are correlated across its levels; they are built non-centred only: "
                "to_pymc(parametrization='noncentered')."
            )
        if factor is None:
            b = pm.Normal(f"b_{term.name}{own}", 0.0, sd, dims=dims)
        else:
            b = pm.MvNormal(f"b_{term.name}{own}", mu=np.zeros(k), chol=sd[:, None] * factor, dims=dims)
    else:
        z = pm.Normal(f"z_{term.name}", dims=dims)
        if term.structure is not None:
            row = priors.dependence
            z = related(term.structure, z, row and scalar_parameter(dependence_name(term), row))
        b = pm.Deterministic(f"b_{term.name}{own}", (z if factor is None else z @ factor.T) * sd, dims=dims)
    Z = term.Z
    if priors.basis is not None:
        Z = Z @ priors.basis
        pm.Deterministic(f"b_{term.name}", b @ priors.basis.T, dims=dims)
        # a basis moves effects of one block only, and a block has correlations
        along = pt.dot(priors.basis, sd[:, None] * factor)
        length = pt.sqrt(pt.sum(pt.square(along), axis=1))
        pm.Deterministic(f"sd_{term.name}", length, dims=dims[1])
        unit = along / length[:, None]
        pm.Deterministic(f"corr_{term.name}", unit @ unit.T, dims=(dims[1], f"{dims[1]}_2"))
    codes = pm.Data(f"codes_{term.name}", term.codes.astype(np.int32), dims="obs")
    if k == 1 and bool(np.all(Z == 1.0)):
        channel = term.channels[0] if term.channels else 0
        etas[channel] = etas[channel] + b[codes, 0]
        return
    Z = pm.Data(f"Z_{term.name}", Z, dims=("obs", dims[1]))
    parts = Z * b[codes]
    for channel in range(len(etas)):
        acts = np.flatnonzero(term.acts_on(channel))
        if len(acts):
            etas[channel] = etas[channel] + (parts if len(acts) == k else parts[:, acts]).sum(axis=1)
