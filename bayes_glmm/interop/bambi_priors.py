"""Bambi's priors as this package's.

Input: a `bambi.Prior`, which may hold arrays and priors of its parameters, and the position of a coefficient. Output: a
`Prior`, or a `NoEqualError` that says in words why there is none. Bambi's automatic priors are numbers by the time a
model exists, so they are read like stated ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayes_glmm.priors import PRIORS, Prior

__all__ = ["NoEqualError", "coefficient_prior", "group_sd_prior", "parameter_prior"]


class NoEqualError(Exception):
    """What a Bambi model has and this package has not, in words without a full stop."""


def coefficient_prior(prior: Any, position: int, size: int, what: str) -> Prior:
    """Return the prior of one coefficient.

    Parameters
    ----------
    prior
        The `bambi.Prior` of a term.
    position, size
        The coefficient's place among the term's `size` columns.
    what
        The term, for the message.

    Returns
    -------
    Prior
        With the numbers that belong to that column.

    Raises
    ------
    NoEqualError
        If it is no prior of fixed numbers, or of a distribution this package does not have.
    """
    name, arguments = _plain(prior, what)
    numbers = {key: _at(value, position, size, f"{key} of the prior of {what}") for key, value in arguments.items()}
    if set(numbers) <= set(PRIORS[name].parameters):
        return Prior(name, **numbers)
    return _by_pymc(name, numbers, what)


def group_sd_prior(prior: Any, position: int, size: int, what: str) -> Prior:
    """Return the prior of the sd of one group effect.

    Parameters
    ----------
    prior
        The `bambi.Prior` of a group-specific term.
    position, size
        The effect's place among the term's `size` columns.
    what
        The term, for the message.

    Returns
    -------
    Prior
        Of the sd of normal effects with mean zero.

    Raises
    ------
    NoEqualError
        If the effects are not normal with mean zero, or their sd's prior has no equal.
    """
    if prior.dist is not None or prior.name != "Normal":
        raise NoEqualError(f"effects of {what} that are not normal ({prior}); group effects are normal here")
    sigma, mu = prior.args.get("sigma"), prior.args.get("mu", 0.0)
    if _is_prior(mu) or set(prior.args) - {"mu", "sigma"} or np.any(np.asarray(mu) != 0):
        raise NoEqualError(f"effects of {what} with a mean of their own ({prior}); here their mean is zero")
    if not _is_prior(sigma):
        raise NoEqualError(f"effects of {what} whose sd is fixed ({prior}); here sds are estimated")
    found = coefficient_prior(sigma, position, size, f"the sd of {what}")
    if found.support == "real":
        raise NoEqualError(f"a prior of the sd of {what} that reaches below zero ({sigma})")
    return found


def parameter_prior(prior: Any, what: str) -> Prior:
    """Return the prior of a parameter of the likelihood.

    Parameters
    ----------
    prior
        The `bambi.Prior`, or a number at which Bambi fixes the parameter.
    what
        The parameter's name in Bambi.

    Returns
    -------
    Prior
        Thresholds: of each of them.

    Raises
    ------
    NoEqualError
        If the parameter is fixed, or thresholds have priors of their own.
    """
    if not _is_prior(prior):
        raise NoEqualError(f"{what} fixed at {prior}; here it is estimated")
    if what != "threshold":
        return coefficient_prior(prior, 0, 1, what)
    if not type(prior.args.get("transform")).__name__.lower().startswith("ordered"):
        raise NoEqualError("thresholds that need not increase; write transform=pm.distributions.transforms.ordered")
    values = {key: np.unique(value) for key, value in prior.args.items() if key != "transform"}
    if any(len(value) > 1 for value in values.values()):
        raise NoEqualError(f"a prior of its own for every threshold ({_said(prior)}); here all have the same")
    return coefficient_prior(type(prior)(prior.name, dist=prior.dist, **values), 0, 1, what)


def _is_prior(value: Any) -> bool:
    return hasattr(value, "args") and hasattr(value, "dist")


def _said(prior: Any) -> str:
    parameters = ", ".join(f"{key}={value}" for key, value in prior.args.items() if key != "transform")
    return f"{prior.name}({parameters})"


def _plain(prior: Any, what: str) -> tuple[str, dict[str, Any]]:
    """Return name and parameters of a prior that holds nothing but numbers."""
    if prior.dist is not None:
        raise NoEqualError(f"a prior of {what} that is a function of your own (dist=...)")
    available = [name for name, row in PRIORS.items() if row.support not in ("correlation", "simplex")]
    if prior.name not in available:
        raise NoEqualError(f"the prior {prior.name} of {what}; distributions are {', '.join(available)}")
    for key, value in prior.args.items():
        if _is_prior(value) or np.asarray(value).dtype.kind not in "fiub":
            raise NoEqualError(f"a prior of {what} whose {key} is no number ({prior})")
    return prior.name, prior.args


def _at(value: Any, position: int, size: int, what: str) -> float:
    array = np.asarray(value, dtype=float)
    if array.size not in (1, size):
        raise NoEqualError(f"{array.size} values as {what}, which has {size} columns")
    return float(array.reshape(-1)[position if array.size > 1 else 0])


#: Parameters of ours from those of PyMC's random variable, where these are others.
_FROM_PYMC: dict[str, Callable[..., tuple[float, ...]]] = {
    "HalfNormal": lambda loc, sigma: (sigma,),
    "HalfCauchy": lambda loc, beta: (beta,),
    "Exponential": lambda scale: (1.0 / scale,),
    "Gamma": lambda alpha, scale: (alpha, 1.0 / scale),
}


def _by_pymc(name: str, numbers: dict[str, float], what: str) -> Prior:
    """Translate PyMC's other parametrisations (tau, lam, mu and sigma of a gamma) as PyMC itself does."""
    import pymc as pm

    try:
        variable = getattr(pm, name).dist(**numbers)
    except (TypeError, ValueError) as error:
        raise NoEqualError(f"the prior {name}({numbers}) of {what}, which PyMC does not take: {error}") from None
    values = [float(one.eval()) for one in variable.owner.op.dist_params(variable.owner)]
    return Prior(name, *(_FROM_PYMC[name](*values) if name in _FROM_PYMC else values))
