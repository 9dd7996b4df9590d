"""From positions of the engine to the parameters people read.

Input: draws of x = [u, beta, theta] and the model. Output: arrays by the names and dims of the posterior.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import special

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.engine import data as layout
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.pack import Packed
from bayes_glmm.model.multivariate import correlation_factor, partial_names, reported_by_all
from bayes_glmm.model.naming import dependence_name, reported_names, threshold_labels
from bayes_glmm.spec.multivariate import RESIDUAL

Array = npt.NDArray[np.float64]


def unpack_draws(x: Array, packed: Packed, design: Design) -> xr.Dataset:
    """Turn positions into reported parameters.

    Parameters
    ----------
    x
        (chains, draws, D) positions.
    packed
        The model as the engine holds it.
    design
        The model as users know it.

    Returns
    -------
    xarray.Dataset
        ``beta`` for the predictors as they are, ``sd_<group>``, ``corr_<group>``, the family's parameters,
        ``b_<group>``; dims chain, draw and each variable's own.
    """
    data = packed.data
    n_beta = int(data.sizes[layout.N_BETA])
    theta = x[..., int(data.sizes[layout.N_U]) + n_beta :]
    variables, coords = _coefficients(x, packed, design.coefs, design.groups)
    start = theta.shape[-1] - int(data.sizes[layout.N_AUXILIARY])
    for i, row in enumerate(design.spec.constants, start=start):
        if row.ordered:
            thresholds = theta[..., i:]
            if row.increasing:
                thresholds = np.cumsum(np.concatenate([thresholds[..., :1], np.exp(thresholds[..., 1:])], axis=-1), -1)
            shift = variables["beta"][1] @ packed.priors.shifts.T if n_beta else 0.0
            variables[row.name] = (("threshold",), thresholds + shift)
            assert design.response is not None and design.response.categories is not None
            coords["threshold"] = list(threshold_labels(design.response.categories))
        else:
            variables[row.name] = ((), constrained(data.theta_table[i], theta[..., i]))
    ordered = {name: (("chain", "draw", *variables[name][0]), variables[name][1]) for name in reported_names(design)}
    return xr.Dataset(ordered, coords=coords)


_Variables = dict[str, tuple[tuple[str, ...], Array]]


def _coefficients(
    x: Array, packed: Packed, coefs: tuple[str, ...], groups: tuple[GroupTerm, ...]
) -> tuple[_Variables, dict[str, Any]]:
    """Turn positions into coefficients, and effects with their sds and correlations: variables and coordinates."""
    data = packed.data
    n_u, n_beta = int(data.sizes[layout.N_U]), int(data.sizes[layout.N_BETA])
    theta = x[..., n_u + n_beta :]
    variables: _Variables = {}
    coords: dict[str, Any] = {"chain": np.arange(x.shape[0]), "draw": np.arange(x.shape[1])}
    if n_beta:
        beta = packed.priors.location + x[..., n_u : n_u + n_beta] @ packed.priors.basis.T
        variables["beta"] = (("coef",), beta)
        coords["coef"] = list(coefs)
    for t, g in enumerate(packed.order):
        term, dims = groups[g], (groups[g].dim, f"{groups[g].name}_coef")
        k, levels = len(term.coefs), len(term.levels)
        u_start, first = int(data.terms[layout.U_START, t]), int(data.terms[layout.THETA_START, t])
        b = x[..., u_start : u_start + k * levels].reshape(*x.shape[:2], levels, k)
        sd = np.stack([constrained(data.theta_table[first + c], theta[..., first + c]) for c in range(k)], axis=-1)
        coords |= {dims[0]: list(term.levels), dims[1]: list(term.coefs)}
        size, basis = int(data.terms[layout.THETA_SIZE, t]), packed.priors.groups[g][1].basis
        if name := dependence_name(term):
            size -= 1
            variables[name] = ((), constrained(data.theta_table[first + size], theta[..., first + size]))
        if size > k:
            z = int(data.terms[layout.Z_START, t])
            factor = _correlation_factors(theta[..., first + k : first + size], data.blocks[z : z + k])
            if basis is not None:
                b = b @ basis.T
                along = (basis * sd[..., None, :]) @ factor
                sd = np.linalg.norm(along, axis=-1)
                factor = along / sd[..., None]
            variables[f"corr_{term.name}"] = ((dims[1], f"{dims[1]}_2"), factor @ np.swapaxes(factor, -1, -2))
            coords[f"{dims[1]}_2"] = list(term.coefs)
        variables[f"b_{term.name}"] = (dims, b)
        variables[f"sd_{term.name}"] = (dims[1:], sd)
    return variables, coords


def unpack_responses(x: Array, packed: Packed, design: MultivariateDesign) -> xr.Dataset:
    """Turn positions into the parameters of several responses.

    Parameters
    ----------
    x
        (chains, draws, D) positions.
    packed, design
        The model.

    Returns
    -------
    xarray.Dataset
        As of `unpack_draws`, every response's parameters with its name behind theirs, and ``residual_corr``; dims
        chain, draw and each variable's own.
    """
    variables, coords = _coefficients(x, packed, design.coefs, design.groups)
    n_auxiliary = int(packed.data.sizes[layout.N_AUXILIARY])
    table, rows = packed.data.theta_table, packed.priors.auxiliary
    first, end = len(table) - n_auxiliary, x.shape[-1] - n_auxiliary
    values = {row.parameter: constrained(table[first + i], x[..., end + i]) for i, row in enumerate(rows)}
    partials = [values.pop(name) for name in partial_names(design.spec)]
    variables |= {name: ((), value) for name, value in values.items()}
    if partials:
        correlated = [design.spec.names[r] for r in design.spec.correlated]
        factor = correlation_factor(np.stack(partials, axis=-1), len(correlated))
        variables[RESIDUAL] = (("response", "response_2"), factor @ np.swapaxes(factor, -1, -2))
        coords |= {"response": correlated, "response_2": correlated}
    names = reported_by_all(design)
    return xr.Dataset({name: (("chain", "draw", *variables[name][0]), variables[name][1]) for name in names}, coords)


def constrained(row: Array, theta: Array) -> Array:
    """Map elements of theta to their parameter, vectorised.

    Parameters
    ----------
    row
        (8,) the parameter's row of the prior table.
    theta
        Unconstrained values, any shape.

    Returns
    -------
    numpy.ndarray
        Parameters, the shape of `theta`.
    """
    if row[codes.KIND] == codes.UNBOUNDED:
        return np.asarray(theta)
    if row[codes.KIND] == codes.ABOVE:
        return np.asarray(row[codes.LOWER] + np.exp(theta))
    powered = row[codes.LOWER] + (row[codes.UPPER] - row[codes.LOWER]) * special.expit(theta)
    return np.asarray(powered ** (1.0 / row[codes.POWER]))


def last_parameters(table: Array, theta: Array) -> Array:
    """Map the last elements of theta to the family's parameters, thresholds added up.

    Parameters
    ----------
    table
        (m, 8) their rows of the prior table.
    theta
        (m,) unconstrained values.

    Returns
    -------
    numpy.ndarray
        (m,) parameters.
    """
    values = np.empty(len(theta))
    for i, row in enumerate(table):
        following = int(row[codes.KIND]) == codes.INCREMENT
        unbounded = int(row[codes.KIND]) == codes.UNBOUNDED
        if following:
            values[i] = values[i - 1] + np.exp(theta[i])
        else:
            values[i] = theta[i] if unbounded else constrained(row, theta[i])
    return values


def _correlation_factors(free: Array, blocks: npt.NDArray[np.int64]) -> Array:
    """Return the Cholesky factors (..., k, k) of correlation matrices from their rows, zero across blocks."""
    k = len(blocks)
    factor = np.zeros((*free.shape[:-1], k, k))
    position = 0
    for c in range(k):
        width = c - int(blocks[c])
        row = np.sinh(free[..., position : position + width])
        norm = np.sqrt(1.0 + np.sum(row * row, axis=-1))
        factor[..., c, int(blocks[c]) : c] = row / norm[..., None]
        factor[..., c, c] = 1.0 / norm
        position += width
    return factor
