"""Link functions: the map between the mean of the response and the linear predictor.

Input: means or linear predictors, as numpy arrays or as PyTensor tensors. Output: the other of the two. One entry of
``LINKS`` per link; nothing here knows of data or models.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from bayes_glmm.errors import GLMMError, nearest

Array = npt.NDArray[np.float64]
Elementwise = Callable[[Any], Any]


@dataclass(frozen=True)
class Link:
    """A link g with eta = g(mu), together with everything the other rooms ask of it.

    Parameters
    ----------
    name
        The name users write, e.g. ``"logit"``.
    link
        mu -> eta, numpy, elementwise.
    inverse
        eta -> mu, numpy, elementwise.
    inverse_derivative
        eta -> d mu / d eta, numpy, elementwise.
    graph_inverse
        eta -> mu on PyTensor tensors.
    domain
        Open interval of the means the link accepts.
    eta_domain
        Open interval of the linear predictors that `inverse` is one-to-one on.
    gaussian_mean
        (eta, v) -> E[inverse(eta + sqrt(v) Z)], Z standard normal, in closed form; None where only quadrature serves.
    graph_logit
        eta -> logit(mu) on PyTensor tensors, free of cancellation in both tails; links into (0, 1) only.
    interval
        (lower, upper) -> g^-1(upper) - g^-1(lower), numpy, free of cancellation in both tails; infinite bounds are
        allowed. Links into (0, 1) only.
    graph_log_interval
        (lower, upper) -> log(g^-1(upper) - g^-1(lower)) on PyTensor tensors, finite bounds; links into (0, 1) only.
    latent_variance
        Variance of the standard distribution on the latent scale (logit pi^2/3, probit 1, cloglog and loglog pi^2/6;
        infinite for the cauchit).
    transformed_variance
        (mean, variance) of a response -> its variance on the scale of the linear predictor, where a better
        approximation than the delta method is known (log: that of a lognormal response); None for the delta method.
    latex
        The function's symbol in equations.
    """

    name: str
    link: Elementwise
    inverse: Elementwise
    inverse_derivative: Elementwise
    graph_inverse: Elementwise
    domain: tuple[float, float]
    eta_domain: tuple[float, float] = (-math.inf, math.inf)
    gaussian_mean: Callable[[Any, Any], Any] | None = None
    graph_logit: Elementwise | None = None
    interval: Callable[[Any, Any], Any] | None = None
    graph_log_interval: Callable[[Any, Any], Any] | None = None
    latent_variance: float | None = None
    transformed_variance: Callable[[Any, Any], Any] | None = None
    latex: str = ""

    def __reduce__(self) -> Any:
        """Travel between processes as a name; a link of the user's own as its fields."""
        return (link_named, (self.name,)) if LINKS.get(self.name) is self else super().__reduce__()


def _log_normal_cdf_derivative(eta: Array) -> Array:
    return np.exp(-0.5 * np.square(eta)) / math.sqrt(2 * math.pi)


def _cloglog_inverse(eta: Array) -> Array:
    return -np.expm1(-np.exp(np.minimum(eta, 700.0)))


def _cloglog_derivative(eta: Array) -> Array:
    clipped = np.minimum(eta, 700.0)
    return np.exp(clipped - np.exp(clipped))


def _cauchit_inverse(eta: Array) -> Array:
    return np.arctan2(1.0, -eta) / math.pi


def _softplus_inverse(eta: Array) -> Array:
    return np.logaddexp(0.0, eta)


def _softplus(mu: Array) -> Array:
    return mu + np.log(-np.expm1(-mu))


def _graph_identity(eta: Any) -> Any:
    return eta


def _graph_exp(eta: Any) -> Any:
    import pytensor.tensor as pt

    return pt.exp(eta)


def _graph_sigmoid(eta: Any) -> Any:
    import pytensor.tensor as pt

    return pt.sigmoid(eta)


def _graph_half_angle(eta: Any) -> Any:
    import pytensor.tensor as pt

    return 2.0 * pt.arctan(eta)


def _graph_normal_cdf(eta: Any) -> Any:
    import pytensor.tensor as pt

    return 0.5 * pt.erfc(-eta / math.sqrt(2.0))


def _graph_cloglog_inverse(eta: Any) -> Any:
    import pytensor.tensor as pt

    return -pt.expm1(-pt.exp(eta))


def _graph_reciprocal(eta: Any) -> Any:
    return 1.0 / eta


def _graph_square(eta: Any) -> Any:
    return eta**2


def _graph_softplus(eta: Any) -> Any:
    import pytensor.tensor as pt

    return pt.softplus(eta)


def _graph_inverse_root(eta: Any) -> Any:
    return eta**-0.5


def _graph_cauchy_cdf(eta: Any) -> Any:
    import pytensor.tensor as pt

    return pt.arctan2(1.0, -eta) / math.pi


def _graph_cauchit_logit(eta: Any) -> Any:
    import pytensor.tensor as pt

    return pt.log(pt.arctan2(1.0, -eta)) - pt.log(pt.arctan2(1.0, eta))


def _graph_loglog_inverse(eta: Any) -> Any:
    import pytensor.tensor as pt

    return pt.exp(-pt.exp(-eta))


def _graph_loglog_logit(eta: Any) -> Any:
    return -_graph_cloglog_logit(-eta)


def graph_log_normal_cdf(eta: Any) -> Any:
    """Log of the normal distribution function: erfc near the centre, erfcx in the lower tail."""
    import pytensor.tensor as pt

    scaled = -eta / math.sqrt(2.0)
    tail = pt.log(0.5 * pt.erfcx(pt.maximum(scaled, 1.0))) - pt.maximum(scaled, 1.0) ** 2
    return pt.switch(scaled > 1.0, tail, pt.log(0.5 * pt.erfc(pt.minimum(scaled, 1.0))))


def _graph_probit_logit(eta: Any) -> Any:
    return graph_log_normal_cdf(eta) - graph_log_normal_cdf(-eta)


def _graph_cloglog_logit(eta: Any) -> Any:
    import pytensor.tensor as pt

    rate = pt.exp(eta)
    return pt.log(-pt.expm1(-rate)) + rate


# probabilities of intervals ----------------------------------------------------------------------------------------


def _logit_interval(lower: Array, upper: Array) -> Array:
    return special.expit(upper) * special.expit(-lower) * -np.expm1(lower - upper)


def _probit_interval(lower: Array, upper: Array) -> Array:
    mirrored = lower > 0
    return special.ndtr(np.where(mirrored, -lower, upper)) - special.ndtr(np.where(mirrored, -upper, lower))


def _cloglog_interval(lower: Array, upper: Array) -> Array:
    rate, higher = np.exp(np.minimum(lower, 700.0)), np.exp(np.minimum(upper, 700.0))
    return np.exp(-rate) * -np.expm1(np.minimum(rate - higher, 0.0))


def _loglog_interval(lower: Array, upper: Array) -> Array:
    return _cloglog_interval(-upper, -lower)


def _cauchit_interval(lower: Array, upper: Array) -> Array:
    """Return the angle between two slopes over pi; right angles take the place of infinite slopes."""
    below, above = np.isneginf(lower), np.isposinf(upper)
    low, high = np.where(below, 0.0, lower), np.where(above, 0.0, upper)
    angle = np.where(below, np.arctan2(1.0, -high), np.where(above, np.arctan2(1.0, low), 0.0))
    return np.where(
        below & above, 1.0, np.where(below | above, angle, np.arctan2(high - low, 1.0 + low * high)) / math.pi
    )


def _graph_loglog_log_interval(lower: Any, upper: Any) -> Any:
    return _graph_cloglog_log_interval(-upper, -lower)


def _graph_cauchit_log_interval(lower: Any, upper: Any) -> Any:
    import pytensor.tensor as pt

    return pt.log(pt.arctan2(upper - lower, 1.0 + lower * upper) / math.pi)


def _graph_logit_log_interval(lower: Any, upper: Any) -> Any:
    import pytensor.tensor as pt

    return pt.log1mexp(lower - upper) - pt.softplus(-upper) - pt.softplus(lower)


def _graph_probit_log_interval(lower: Any, upper: Any) -> Any:
    """Differences of erf around zero, of log Phi in a tail (the upper one mirrored)."""
    import pytensor.tensor as pt

    mirrored = lower > 0
    low, high = pt.switch(mirrored, -upper, lower), pt.switch(mirrored, -lower, upper)
    around, root = high > 0, math.sqrt(2.0)
    # each branch is computed everywhere: where it does not count, at points that keep its derivative finite
    low_tail, high_tail = pt.switch(around, -2.0, low), pt.switch(around, -1.0, high)
    log_high = graph_log_normal_cdf(high_tail)
    tail = log_high + pt.log1mexp(graph_log_normal_cdf(low_tail) - log_high)
    low_near, high_near = pt.switch(around, low, -1.0), pt.switch(around, high, 1.0)
    near = pt.log(0.5 * (pt.erf(high_near / root) - pt.erf(low_near / root)))
    return pt.switch(around, near, tail)


def _graph_cloglog_log_interval(lower: Any, upper: Any) -> Any:
    import pytensor.tensor as pt

    rate = pt.exp(lower)
    return pt.log(-pt.expm1(-rate * pt.expm1(upper - lower))) - rate


LINKS: dict[str, Link] = {
    link.name: link
    for link in (
        Link(
            name="identity",
            link=lambda mu: mu,
            inverse=lambda eta: eta,
            inverse_derivative=np.ones_like,
            graph_inverse=_graph_identity,
            domain=(-math.inf, math.inf),
            gaussian_mean=lambda eta, v: eta + 0.0 * v,
        ),
        Link(
            name="log",
            link=np.log,
            inverse=np.exp,
            inverse_derivative=np.exp,
            graph_inverse=_graph_exp,
            domain=(0.0, math.inf),
            gaussian_mean=lambda eta, v: np.exp(eta + v / 2),
            transformed_variance=lambda mean, variance: np.log1p(variance / np.square(mean)),
            latex=r"\log",
        ),
        Link(
            name="logit",
            link=special.logit,
            inverse=special.expit,
            inverse_derivative=lambda eta: special.expit(eta) * special.expit(-eta),
            graph_inverse=_graph_sigmoid,
            domain=(0.0, 1.0),
            graph_logit=_graph_identity,
            interval=_logit_interval,
            graph_log_interval=_graph_logit_log_interval,
            latent_variance=math.pi**2 / 3,
            latex=r"\operatorname{logit}",
        ),
        Link(
            name="probit",
            link=special.ndtri,
            inverse=special.ndtr,
            inverse_derivative=_log_normal_cdf_derivative,
            graph_inverse=_graph_normal_cdf,
            domain=(0.0, 1.0),
            gaussian_mean=lambda eta, v: special.ndtr(eta / np.sqrt(1 + v)),
            graph_logit=_graph_probit_logit,
            interval=_probit_interval,
            graph_log_interval=_graph_probit_log_interval,
            latent_variance=1.0,
            latex=r"\Phi^{-1}",
        ),
        Link(
            name="cloglog",
            link=lambda mu: np.log(-np.log1p(-mu)),
            inverse=_cloglog_inverse,
            inverse_derivative=_cloglog_derivative,
            graph_inverse=_graph_cloglog_inverse,
            domain=(0.0, 1.0),
            graph_logit=_graph_cloglog_logit,
            interval=_cloglog_interval,
            graph_log_interval=_graph_cloglog_log_interval,
            latent_variance=math.pi**2 / 6,
            latex=r"\operatorname{cloglog}",
        ),
        Link(
            name="inverse",
            link=lambda mu: 1.0 / mu,
            inverse=lambda eta: 1.0 / eta,
            inverse_derivative=lambda eta: -1.0 / np.square(eta),
            graph_inverse=_graph_reciprocal,
            domain=(-math.inf, math.inf),
            eta_domain=(0.0, math.inf),
            latex=r"\operatorname{inverse}",
        ),
        Link(
            name="sqrt",
            link=np.sqrt,
            inverse=np.square,
            inverse_derivative=lambda eta: 2.0 * eta,
            graph_inverse=_graph_square,
            domain=(0.0, math.inf),
            eta_domain=(0.0, math.inf),
            gaussian_mean=lambda eta, v: np.square(eta) + v,
            latex=r"\sqrt{\phantom{x}}",
        ),
        Link(
            name="cauchit",
            link=lambda mu: np.tan(math.pi * (mu - 0.5)),
            inverse=_cauchit_inverse,
            inverse_derivative=lambda eta: 1.0 / (math.pi * (1.0 + np.square(eta))),
            graph_inverse=_graph_cauchy_cdf,
            domain=(0.0, 1.0),
            graph_logit=_graph_cauchit_logit,
            interval=_cauchit_interval,
            graph_log_interval=_graph_cauchit_log_interval,
            latent_variance=math.inf,
            latex=r"\operatorname{cauchit}",
        ),
        Link(
            name="loglog",
            link=lambda mu: -np.log(-np.log(mu)),
            inverse=lambda eta: np.exp(-np.exp(np.minimum(-eta, 700.0))),
            inverse_derivative=lambda eta: _cloglog_derivative(-eta),
            graph_inverse=_graph_loglog_inverse,
            domain=(0.0, 1.0),
            graph_logit=_graph_loglog_logit,
            interval=_loglog_interval,
            graph_log_interval=_graph_loglog_log_interval,
            latent_variance=math.pi**2 / 6,
            latex=r"\operatorname{loglog}",
        ),
        Link(
            name="tan_half",
            link=lambda mu: np.tan(0.5 * mu),
            inverse=lambda eta: 2.0 * np.arctan(eta),
            inverse_derivative=lambda eta: 2.0 / (1.0 + np.square(eta)),
            graph_inverse=_graph_half_angle,
            domain=(-math.pi, math.pi),
            latex=r"\tan(\phantom{x} / 2)",
        ),
        Link(
            name="softplus",
            link=_softplus,
            inverse=_softplus_inverse,
            inverse_derivative=special.expit,
            graph_inverse=_graph_softplus,
            domain=(0.0, math.inf),
            latex=r"\operatorname{softplus}^{-1}",
        ),
        Link(
            name="1/mu^2",
            link=lambda mu: 1.0 / np.square(mu),
            inverse=lambda eta: 1.0 / np.sqrt(eta),
            inverse_derivative=lambda eta: -0.5 * eta**-1.5,
            graph_inverse=_graph_inverse_root,
            domain=(0.0, math.inf),
            eta_domain=(0.0, math.inf),
            latex=r"1/\mu^2\colon",
        ),
    )
}


def link_named(name: str) -> Link:
    """Return the link of that name.

    Parameters
    ----------
    name
        A key of ``LINKS``.

    Returns
    -------
    Link
        The entry of the table.

    Raises
    ------
    GLMMError
        If there is no such link; the message names the nearest one.
    """
    if name not in LINKS:
        raise GLMMError(f"There is no link {name!r}. {nearest(str(name), LINKS)}")
    return LINKS[name]
