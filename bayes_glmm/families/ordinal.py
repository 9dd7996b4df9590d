"""Ordered categories: P(y <= c) = g^-1(threshold_c - eta), the categories coded 0, 1, ... and one threshold fewer.

Input: linear predictors, a link into (0, 1) and increasing thresholds, as numpy arrays or PyTensor tensors. Output:
probabilities of the categories, log densities, draws and a PyMC distribution.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_glmm.errors import GLMMError
from bayes_glmm.families.family import AuxiliaryParameter, Family, latent_of_link
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

_STEP = Prior("Normal", mu=0, sigma=2.5)
THRESHOLDS = AuxiliaryParameter("thresholds", _STEP, lower=None, ordered=True, latex=r"\tau")


def cumulative_probabilities(eta: Any, link: Link, parameters: Mapping[str, Any]) -> Any:
    """Compute the probability of every category.

    Parameters
    ----------
    eta
        Linear predictors, any shape.
    link
        A link into (0, 1).
    parameters
        ``"thresholds"``: increasing along the last axis, the other axes broadcast against `eta`; link scale.

    Returns
    -------
    numpy.ndarray
        The broadcast shape, and the categories along a new last axis; accurate in both tails.

    Raises
    ------
    GLMMError
        If the link cannot give the probability of an interval.

    References
    ----------
    McCullagh, P. (1980). Regression models for ordinal data. Journal of the Royal Statistical Society B 42, 109-142,
    equation 1.2. doi:10.1111/j.2517-6161.1980.tb01109.x.
    """
    thresholds = np.asarray(parameters["thresholds"], dtype=float)
    ends = np.full((*thresholds.shape[:-1], 1), np.inf)
    bounds = np.concatenate([-ends, thresholds, ends], axis=-1) - np.asarray(eta, dtype=float)[..., None]
    if link.interval is None:
        raise GLMMError(f"Ordered categories need a link with an interval and a graph_log_interval: not {link.name!r}.")
    return link.interval(bounds[..., :-1], bounds[..., 1:])


def categorical_log_density(y: Any, mu: Any, parameters: Mapping[str, Any], trials: Any) -> Any:
    """Read the log probability of each response.

    Parameters
    ----------
    y
        Codes 0, 1, ..., broadcast against the leading axes of `mu`.
    mu
        Probabilities of the categories along the last axis.
    parameters, trials
        Not used.

    Returns
    -------
    numpy.ndarray
        Log density, the leading shape of `mu`.
    """
    codes = np.broadcast_to(np.asarray(y, dtype=np.int64), mu.shape[:-1])
    with np.errstate(divide="ignore"):
        return np.log(np.take_along_axis(mu, codes[..., None], axis=-1)[..., 0])


def categorical_simulate(rng: np.random.Generator, mu: Any, parameters: Mapping[str, Any], trials: Any) -> Any:
    """Draw categories.

    Parameters
    ----------
    rng
        Generator.
    mu
        Probabilities of the categories along the last axis.
    parameters, trials
        Not used.

    Returns
    -------
    numpy.ndarray
        Codes 0, 1, ... as floats, the leading shape of `mu`.
    """
    reached = np.cumsum(mu[..., :-1], axis=-1)
    return np.sum(rng.random((*mu.shape[:-1], 1)) > reached, axis=-1).astype(float)


def cumulative_graph(eta: Any, link: Link, parameters: Mapping[str, Any], trials: Any) -> tuple[Any, dict[str, Any]]:
    """Return the PyMC distribution of a cumulative model and its arguments.

    Parameters
    ----------
    eta
        Linear predictor, a tensor.
    link
        A link into (0, 1).
    parameters
        ``"thresholds"``, a vector.
    trials
        Not used.

    Returns
    -------
    distribution : CumulativeDistribution
        Used as PyMC's distribution classes are.
    arguments : dict
        ``eta`` and ``thresholds``.
    """
    return CumulativeDistribution(link), {"eta": eta, "thresholds": parameters["thresholds"]}


@dataclass(frozen=True)
class CategoryDistribution(ABC):
    """A ``pm.CustomDist`` of codes, used as PyMC's distribution classes are.

    Parameters
    ----------
    link
        A link into (0, 1).
    """

    link: Link

    def __call__(self, name: str, *, eta: Any, thresholds: Any, **options: Any) -> Any:
        """Add the variable to the model in context."""
        import pymc as pm

        return pm.CustomDist(name, eta, thresholds, **self._parts, **options)

    def dist(self, *, eta: Any, thresholds: Any) -> Any:
        """Return the variable without a model."""
        import pymc as pm

        return pm.CustomDist.dist(eta, thresholds, **self._parts)

    @property
    def _parts(self) -> dict[str, Any]:
        return {"logp": self._logp, "dist": self._draws, "signature": "(),(k)->()"}

    @abstractmethod
    def _logp(self, value: Any, eta: Any, thresholds: Any) -> Any:
        """Log probability of codes."""

    @abstractmethod
    def _draws(self, eta: Any, thresholds: Any, size: Any) -> Any:
        """Draw codes."""


class CumulativeDistribution(CategoryDistribution):
    """Codes of a cumulative model; stable in both tails, as PyMC's are not."""

    def _logp(self, value: Any, eta: Any, thresholds: Any) -> Any:
        """Log probability; the bounds of end categories, which are infinite, never enter a derivative."""
        import pytensor.tensor as pt

        link, last = self.link, thresholds.shape[-1]
        if link.graph_logit is None or link.graph_log_interval is None:
            raise GLMMError(
                f"Ordered categories need a link with an interval and a graph_log_interval: not {link.name!r}."
            )
        code, thresholds = pt.cast(value, "int64"), thresholds.reshape((last,))
        lower = thresholds[pt.maximum(code - 1, 0)] - eta
        upper = thresholds[pt.minimum(code, last - 1)] - eta
        inside = (code > 0) & (code < last)
        between = link.graph_log_interval(lower, pt.switch(inside, upper, lower + 1.0))
        below = -pt.softplus(-link.graph_logit(upper))
        above = -pt.softplus(link.graph_logit(lower))
        return pt.switch(inside, between, pt.switch(pt.eq(code, 0), below, above))

    def _draws(self, eta: Any, thresholds: Any, size: Any) -> Any:
        """Count the thresholds whose cumulative probability a uniform variable exceeds."""
        import pymc as pm
        import pytensor.tensor as pt
        from pymc.distributions.shape_utils import rv_size_is_none

        uniform = pm.Uniform.dist(0.0, 1.0, size=eta.shape if rv_size_is_none(size) else size)
        return pt.sum(uniform[..., None] > self.link.graph_inverse(thresholds - eta[..., None]), axis=-1)


def categorical_cdf(y: Any, mu: Any, parameters: Mapping[str, Any], trials: Any) -> Any:
    """Compute P(Y <= y) of an ordered category, the leading shape of the probabilities `mu`."""
    cumulative = np.cumsum(mu, axis=-1)
    codes = np.broadcast_to(np.asarray(y, dtype=np.intp), cumulative.shape[:-1])
    chosen = np.take_along_axis(cumulative, np.maximum(codes, 0)[..., None], axis=-1)[..., 0]
    return np.where(codes < 0, 0.0, np.minimum(chosen, 1.0))


CUMULATIVE = Family(
    name="cumulative",
    links=("logit", "probit", "cloglog", "loglog", "cauchit"),
    parameters=(THRESHOLDS,),
    support="ordered",
    log_density=categorical_log_density,
    simulate=categorical_simulate,
    variance=lambda mu, p, trials: mu * (1.0 - mu),
    cdf=categorical_cdf,
    graph=cumulative_graph,
    probabilities=cumulative_probabilities,
    latent_variance=latent_of_link,
    kernel="cumulative",
    threshold_predictors=lambda probabilities, link: link.link(np.cumsum(probabilities, axis=-1)[..., :-1]),
    odds="a higher category of {y}",
    latex=r"{g}(\Pr({y} \le c)) &= \tau_c - \eta_i",
    aliases=("ordinal", "polr", "ocat"),
)
