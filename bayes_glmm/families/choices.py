"""Categories without an order: the log odds of each against the first are a linear predictor of their own.

Input: labels of the categories, which only the data can tell, and linear predictors as numpy arrays or PyTensor
tensors. Output: a record whose parameters are the linear predictors of all categories but the first, the reference:
P(y = c) = exp(eta_c) / sum_k exp(eta_k), eta of the reference being zero. The location is that zero.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bayes_glmm.families.family import AuxiliaryParameter, Family
from bayes_glmm.families.graphs import Composed
from bayes_glmm.families.ordinal import CUMULATIVE
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

#: What the name of a category's linear predictor begins with, as in brms.
BEFORE = "mu"


def softmax(eta: Any) -> Any:
    """Return exp(eta) over its sum along the last axis, numpy."""
    weights = np.exp(eta - eta.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _probabilities(names: tuple[str, ...]) -> Callable[..., Any]:
    def probabilities(eta: Any, link: Link, parameters: Mapping[str, Any]) -> Any:
        predictors = np.broadcast_arrays(eta, *(parameters[name] for name in names))
        return softmax(np.stack(predictors, axis=-1))

    return probabilities


def _log_odds(probabilities: Any, link: Link) -> Any:
    """Return the linear predictors (..., categories - 1) of probabilities."""
    return np.log(probabilities[..., 1:]) - np.log(probabilities[..., :1])


def _predictors(arguments: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    return pt.stack(pt.broadcast_arrays(*arguments.values()), axis=-1)


def _log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    eta = _predictors(arguments)
    chosen = pt.eq(pt.arange(eta.shape[-1]), pt.cast(value, "int64")[..., None])
    return pt.sum(pt.switch(chosen, eta, 0.0), axis=-1) - pt.logsumexp(eta, axis=-1)


def _draws(arguments: Mapping[str, Any], shape: Any) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    reached = pt.cumsum(pt.special.softmax(_predictors(arguments), axis=-1), axis=-1)[..., :-1]
    return pt.sum(pm.Uniform.dist(0.0, 1.0, size=shape)[..., None] > reached, axis=-1)


def _graph(eta: Any, link: Link, parameters: Mapping[str, Any], trials: Any) -> tuple[Any, dict[str, Any]]:
    return Composed(_log_density, _draws), {"reference": eta, **parameters}


@functools.cache
def family_of_categories(base: Family, labels: tuple[str, ...]) -> Family:
    """Return the family of a response that has these categories.

    Parameters
    ----------
    base
        The family of any categories.
    labels
        Labels of the categories, the reference first.

    Returns
    -------
    Family
        With a linear predictor for each category but the first; `Family.of` is the base.
    """
    names = tuple(f"{BEFORE}{label}" for label in labels[1:])
    log_odds = Prior("Normal", mu=0, sigma=2.5)
    return replace(
        base,
        parameters=tuple(AuxiliaryParameter(name, log_odds, lower=None, start=0.0) for name in names),
        probabilities=_probabilities(names),
        of=base,
        categories=labels,
        remake=family_of_categories,
    )


CATEGORICAL = replace(
    CUMULATIVE,
    name="categorical",
    links=("logit",),
    parameters=(),
    support="unordered",
    graph=_graph,
    probabilities=_probabilities(()),
    latent_variance=None,
    kernel="categorical",
    threshold_predictors=_log_odds,
    odds="each category of {y} against its first",
    latex=r"\Pr({y} = c) &\propto \exp(\eta_{c,\,i})",
    aliases=("multinomial_logit", "multinom"),
)
