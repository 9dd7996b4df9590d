"""Priors as PyMC random variables: the one place where a `Prior` meets the graph.

Input: a `ParameterPrior` or several, inside a `pm.Model` context. Output: PyTensor variables of the *parameter* itself,
on whatever power of it the prior was stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayes_glmm.model.naming import FLAT, is_truncated, random_variable_name
from bayes_glmm.model.prior_table import ParameterPrior

_PYMC_NAMES = {"LKJ": "LKJCorr"}
#: Above zero the same up to a constant, with a distribution function in PyMC: what truncation divides by.
_WITH_CDF = {"HalfStudentT": ("StudentT", {"mu": np.float64(0.0)})}


def _distribution(name: str) -> Any:
    return getattr(pm, _PYMC_NAMES.get(name, name))


def _random_variable(rv_name: str, row: ParameterPrior, parameters: dict[str, Any], **shape: Any) -> Any:
    """Draw one variable; distributions that reach beyond a bound of the parameter are truncated there."""
    prior = row.prior
    if not is_truncated(row):
        return _distribution(prior.name)(rv_name, **parameters, **shape)
    if prior.name in FLAT:
        flat = pm.HalfFlat(random_variable_name(rv_name, row), **shape)
        return pm.Deterministic(rv_name, flat + row.lower, **shape)
    name, whole = _WITH_CDF.get(prior.name, (prior.name, {}))
    base = _distribution(name).dist(**parameters, **whole)
    upper = None if row.upper is None else np.float64(row.upper)
    return pm.Truncated(rv_name, base, lower=np.float64(row.lower), upper=upper, **shape)


def scalar_parameter(name: str, row: ParameterPrior) -> Any:
    """Add one scalar parameter to the model in context.

    Parameters
    ----------
    name
        Name of the parameter's variable, e.g. ``"sigma"``.
    row
        Its prior; when stated on a power of the parameter, the random variable is that power and `name` is
        deterministic.

    Returns
    -------
    pytensor.tensor.TensorVariable
        The parameter, a scalar on its own scale.
    """
    # arrays: PyTensor keeps a Python float such as 1.5 in single precision and computes with it there
    parameters = {key: np.asarray(value) for key, value in row.prior.parameters}
    if row.power == 1.0:
        return _random_variable(name, row, parameters)
    powered = _random_variable(random_variable_name(name, row), row, parameters)
    return pm.Deterministic(name, powered ** (1.0 / row.power))


def vector_parameter(name: str, rows: Sequence[ParameterPrior], dim: str) -> Any:
    """Add a vector of parameters to the model in context: one random variable where one distribution serves all.

    Parameters
    ----------
    name
        Name of the vector's variable, e.g. ``"sd_herd"``.
    rows
        The prior of each element.
    dim
        The vector's dimension.

    Returns
    -------
    pytensor.tensor.TensorVariable
        The vector, each element on its own scale.
    """
    first = rows[0]
    alike = all(
        (row.prior.name, row.power, row.lower, row.upper) == (first.prior.name, first.power, first.lower, first.upper)
        for row in rows
    )
    if alike:
        parameters = {key: np.array([row.prior[key] for row in rows]) for key, _ in first.prior.parameters}
        if first.power == 1.0:
            return _random_variable(name, first, parameters, dims=dim)
        powered = _random_variable(random_variable_name(name, first), first, parameters, dims=dim)
        return pm.Deterministic(name, powered ** (1.0 / first.power), dims=dim)
    elements = [scalar_parameter(f"{name}_element{j}", row) for j, row in enumerate(rows)]
    return pm.Deterministic(name, pt.stack(elements), dims=dim)


def thresholds_parameter(name: str, row: ParameterPrior, dim: str) -> Any:
    """Add a vector of thresholds to the model in context, each with the same prior.

    Parameters
    ----------
    name
        Name of the vector's variable.
    row
        The prior of an element; where thresholds increase, their density is that of independent draws in increasing
        order, up to a constant.
    dim
        The vector's dimension.

    Returns
    -------
    pytensor.tensor.TensorVariable
        The vector.
    """
    if not row.increasing:
        return _random_variable(name, row, {key: np.asarray(value) for key, value in row.prior.parameters}, dims=dim)
    length = len(pm.modelcontext(None).coords[dim])
    distribution = _distribution(row.prior.name)
    parameters = {key: np.asarray(value) for key, value in row.prior.parameters}
    options = {"transform": pm.distributions.transforms.ordered, "initval": np.arange(length) - 0.5 * (length - 1)}
    if row.prior.name in FLAT:
        return distribution(name, dims=dim, **options)

    def density(value: Any) -> Any:
        return pm.logp(distribution.dist(**parameters), value).sum(axis=-1)

    def draws(size: Any) -> Any:
        return pt.sort(distribution.dist(**parameters, size=(length,)))

    return pm.CustomDist(name, logp=density, dist=draws, signature="->(n)", dims=dim, **options)


def correlation_cholesky(name: str, row: ParameterPrior, size: int, blocks: Sequence[tuple[int, ...]]) -> Any:
    """Add the Cholesky factor of a block-diagonal correlation matrix, one LKJ per block of more than one coefficient.

    Parameters
    ----------
    name
        Stem of the variables' names; block i is ``{name}_{i}``.
    row
        The LKJ prior.
    size
        Number of coefficients k.
    blocks
        Index sets of the coefficients that are correlated with each other.

    Returns
    -------
    pytensor.tensor.TensorVariable
        Lower triangular (k, k), rows of unit norm.
    """
    factor = pt.eye(size)
    for i, block in enumerate(blocks):
        if len(block) > 1:
            lkj = pm.LKJCorr(f"{name}_{i}", n=len(block), eta=np.float64(row.prior["eta"]))
            index = np.asarray(block)
            factor = pt.set_subtensor(factor[np.ix_(index, index)], lkj)
    return factor
