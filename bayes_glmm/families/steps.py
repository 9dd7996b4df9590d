"""Ordered categories by steps: a threshold decides between two neighbours, or between stopping and going on.

Input: linear predictors, a link into (0, 1) and thresholds in any order, as numpy arrays or PyTensor tensors. Output:
probabilities of the categories, and a PyMC distribution. With F the inverse link,

- ``sratio``: P(y = c | y >= c) = F(threshold_c - eta), the probability of stopping,
- ``cratio``: P(y > c | y >= c) = F(eta - threshold_c), the probability of going on,
- ``acat``: P(y = c + 1 | y = c or c + 1) = F(eta - threshold_c).

Under symmetric links the first two are one model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayes_glmm.errors import GLMMError
from bayes_glmm.families.family import AuxiliaryParameter, Family
from bayes_glmm.families.ordinal import CUMULATIVE, THRESHOLDS, CategoryDistribution
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

_TINY = 1e-300  # of a probability whose logarithm is taken
_LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")


def _tails(link: Link, x: Any) -> tuple[Any, Any]:
    """Return F(x) and 1 - F(x), shape of x, both to rounding."""
    if link.interval is None:
        raise GLMMError(f"Ordered categories need a link with an interval and a graph_logit: not {link.name!r}.")
    return link.interval(np.full_like(x, -np.inf), x), link.interval(x, np.full_like(x, np.inf))


def _apart(eta: Any, parameters: Mapping[str, Any]) -> Any:
    """Return thresholds minus linear predictors, (..., thresholds); other parameters are of one threshold each."""
    apart = np.asarray(parameters["thresholds"], dtype=float) - np.asarray(eta, dtype=float)[..., None]
    own = [values for name, values in parameters.items() if name != "thresholds"]
    return apart - np.stack(np.broadcast_arrays(*own), axis=-1) if own else apart


def _one_by_one(stopping: Any, going: Any) -> Any:
    """Return the probabilities (..., k + 1) of stopping at each of k steps, and at none."""
    reached = np.cumprod(going, axis=-1)
    ones = np.ones_like(reached[..., :1])
    return np.concatenate([ones, reached], axis=-1) * np.concatenate([stopping, ones], axis=-1)


def _sratio_probabilities(eta: Any, link: Link, parameters: Mapping[str, Any]) -> Any:
    return _one_by_one(*_tails(link, _apart(eta, parameters)))


def _cratio_probabilities(eta: Any, link: Link, parameters: Mapping[str, Any]) -> Any:
    going, stopping = _tails(link, -_apart(eta, parameters))
    return _one_by_one(stopping, going)


def _acat_probabilities(eta: Any, link: Link, parameters: Mapping[str, Any]) -> Any:
    above, below = (np.maximum(p, _TINY) for p in _tails(link, -_apart(eta, parameters)))
    steps = np.cumsum(np.log(above) - np.log(below), axis=-1)
    logs = np.concatenate([np.zeros_like(steps[..., :1]), steps], axis=-1)
    weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _stopping(probabilities: Any) -> Any:
    """Return P(y = c | y >= c) for all categories but the last."""
    left = np.cumsum(probabilities[..., ::-1], axis=-1)[..., ::-1]
    return probabilities[..., :-1] / left[..., :-1]


def _upper_of_two(probabilities: Any) -> Any:
    """Return P(y = c + 1 | y = c or c + 1)."""
    return probabilities[..., 1:] / (probabilities[..., 1:] + probabilities[..., :-1])


# PyMC's graph ---------------------------------------------------------------------------------------------------------


def _logs(link: Link, x: Any) -> tuple[Any, Any]:
    """Return log F(x) and log(1 - F(x)), tensors."""
    import pytensor.tensor as pt

    if link.graph_logit is None:
        raise GLMMError(f"Ordered categories need a link with an interval and a graph_logit: not {link.name!r}.")
    logit = link.graph_logit(x)
    return -pt.softplus(-logit), -pt.softplus(logit)


def _sequence(stopping: Any, going: Any) -> Any:
    """Return the log probabilities (..., k + 1) of stopping at each of k steps, and at none, tensors."""
    import pytensor.tensor as pt

    reached = pt.cumsum(going, axis=-1)
    nought = pt.zeros_like(reached[..., :1])
    return pt.concatenate([nought, reached], axis=-1) + pt.concatenate([stopping, nought], axis=-1)


def _sratio_logs(link: Link, apart: Any) -> Any:
    return _sequence(*_logs(link, apart))


def _cratio_logs(link: Link, apart: Any) -> Any:
    going, stopping = _logs(link, -apart)
    return _sequence(stopping, going)


def _acat_logs(link: Link, apart: Any) -> Any:
    import pytensor.tensor as pt

    above, below = _logs(link, -apart)
    steps = pt.cumsum(above - below, axis=-1)
    logs = pt.concatenate([pt.zeros_like(steps[..., :1]), steps], axis=-1)
    return logs - pt.logsumexp(logs, axis=-1, keepdims=True)


@dataclass(frozen=True)
class _Steps(CategoryDistribution):
    """Codes of a model of steps from one category to the next.

    Parameters
    ----------
    link
        A link into (0, 1).
    logs
        (link, thresholds minus linear predictors) -> log probabilities of the categories, tensors.
    """

    logs: Callable[[Link, Any], Any]

    def _probabilities(self, eta: Any, thresholds: Any) -> Any:
        if thresholds.ndim < 2:
            thresholds = thresholds.reshape((thresholds.shape[-1],))
        return self.logs(self.link, thresholds - eta[..., None])

    def _logp(self, value: Any, eta: Any, thresholds: Any) -> Any:
        """Log probability of a code: a sum over all categories, of which one counts."""
        import pytensor.tensor as pt

        logs = self._probabilities(eta, thresholds)
        chosen = pt.eq(pt.arange(logs.shape[-1]), pt.cast(value, "int64")[..., None])
        return pt.sum(pt.switch(chosen, logs, 0.0), axis=-1)

    def _draws(self, eta: Any, thresholds: Any, size: Any) -> Any:
        """Count the cumulative probabilities that a uniform variable exceeds."""
        import pymc as pm
        import pytensor.tensor as pt
        from pymc.distributions.shape_utils import rv_size_is_none

        reached = pt.cumsum(pt.exp(self._probabilities(eta, thresholds)), axis=-1)[..., :-1]
        uniform = pm.Uniform.dist(0.0, 1.0, size=eta.shape if rv_size_is_none(size) else size)
        return pt.sum(uniform[..., None] > reached, axis=-1)


def _graph(logs: Callable[[Link, Any], Any]) -> Callable[..., tuple[Any, dict[str, Any]]]:
    def graph(eta: Any, link: Link, parameters: Mapping[str, Any], trials: Any) -> tuple[Any, dict[str, Any]]:
        import pytensor.tensor as pt

        own = [values for name, values in parameters.items() if name != "thresholds"]
        thresholds = parameters["thresholds"]
        return _Steps(link, logs), {
            "eta": eta,
            "thresholds": thresholds - pt.stack(own, axis=-1) if own else thresholds,
        }

    return graph


@functools.cache
def family_of_steps(base: Family, labels: tuple[str, ...]) -> Family:
    """Return a family of steps whose predictors have effects that differ from step to step.

    Parameters
    ----------
    base
        A family of steps.
    labels
        Labels of the categories, lowest first.

    Returns
    -------
    Family
        With a parameter for each threshold, ``"cs1"``, ``"cs2"``, ..., which is taken off it; `Family.of` is the base.
    """
    effect = Prior("Normal", mu=0, sigma=2.5)
    own = (AuxiliaryParameter(f"cs{c}", effect, lower=None, start=0.0) for c in range(1, len(labels)))
    return replace(base, parameters=(*own, *base.parameters), of=base, categories=labels, remake=family_of_steps)


SRATIO = replace(
    CUMULATIVE,
    name="sratio",
    links=_LINKS,
    parameters=(replace(THRESHOLDS, increasing=False),),
    graph=_graph(_sratio_logs),
    probabilities=_sratio_probabilities,
    threshold_predictors=lambda probabilities, link: link.link(_stopping(probabilities)),
    odds="going beyond a category of {y}, given that it is reached",
    kernel="sratio",
    latex=r"{g}(\Pr({y} = c \mid {y} \ge c)) &= \tau_c - \eta_i",
    aliases=("sequential", "stopping_ratio"),
)
CRATIO = replace(
    SRATIO,
    name="cratio",
    graph=_graph(_cratio_logs),
    probabilities=_cratio_probabilities,
    threshold_predictors=lambda probabilities, link: -link.link(1.0 - _stopping(probabilities)),
    kernel="cratio",
    latex=r"{g}(\Pr({y} > c \mid {y} \ge c)) &= \eta_i - \tau_c",
    aliases=("continuation_ratio",),
)
ACAT = replace(
    SRATIO,
    name="acat",
    graph=_graph(_acat_logs),
    probabilities=_acat_probabilities,
    threshold_predictors=lambda probabilities, link: -link.link(_upper_of_two(probabilities)),
    odds="the higher of two neighbouring categories of {y}",
    kernel="acat",
    latex=r"{g}(\Pr({y} = c + 1 \mid {y} \in \{c, c + 1\})) &= \eta_i - \tau_c",
    aliases=("adjacent_category", "adjacent"),
)
STEPS: tuple[Family, ...] = (SRATIO, CRATIO, ACAT)
