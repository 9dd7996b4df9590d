"""What families say of the part of a response below a point: probabilities in both tails, and partial moments.

Input: a point (it may be infinite), the location and parameters as numpy arrays, or PyTensor tensors where it is
finite. Output: log P(Y <= y) and log P(Y > y), accurate in both tails, and E[Y^k; Y <= y] with E[Y^k; Y > y].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import Parameters
from bayes_glmm.links import graph_log_normal_cdf

_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Tails:
    """Probabilities below and above a point, and partial moments.

    Parameters
    ----------
    logs
        (y, mu, parameters) -> (log P(Y <= y), log P(Y > y)), numpy.
    graph
        The same of tensors, y finite.
    partial
        (y, mu, parameters, k) -> (E[Y^k; Y <= y], E[Y^k; Y > y]) for k = 1 and 2, numpy.
    """

    logs: Callable[[Any, Any, Parameters], tuple[Any, Any]]
    graph: Callable[[Any, Any, Parameters], tuple[Any, Any]]
    partial: Callable[[Any, Any, Parameters, int], tuple[Any, Any]]


def _log(p: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(p)


def _log_complement(log_p: Any) -> Any:
    """log(1 - p) of a log probability."""
    with np.errstate(divide="ignore"):
        return np.where(log_p > -0.693, np.log(-np.expm1(np.minimum(log_p, 0.0))), np.log1p(-np.exp(log_p)))


def _graph_complement(log_p: Any) -> Any:
    import pytensor.tensor as pt

    return pt.log(-pt.expm1(log_p))


# normal ------------------------------------------------------------------------------------------------------------


def _normal_logs(z: Any) -> tuple[Any, Any]:
    return special.log_ndtr(z), special.log_ndtr(-z)


def _gaussian_partial(y: Any, mu: Any, p: Parameters, k: int) -> tuple[Any, Any]:
    sigma = p["sigma"]
    z, inside = (y - mu) / sigma, np.where(np.isinf(y), 0.0, y)
    moment = mu if k == 1 else np.square(mu) + np.square(sigma)
    turn = sigma * (1.0 if k == 1 else mu + inside) * np.exp(-0.5 * (np.square(z) + _LOG_2PI))
    return moment * special.ndtr(z) - turn, moment * special.ndtr(-z) + turn


GAUSSIAN = Tails(
    logs=lambda y, mu, p: _normal_logs((y - mu) / p["sigma"]),
    graph=lambda y, mu, p: tuple(graph_log_normal_cdf(sign * (y - mu) / p["sigma"]) for sign in (1.0, -1.0)),
    partial=_gaussian_partial,
)


def _log_above(y: Any) -> Any:
    """Log of a response, -inf at zero and below."""
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(y, 0.0))


def _lognormal_graph(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    return GAUSSIAN.graph(pt.log(y), mu, p)


def _lognormal_partial(y: Any, mu: Any, p: Parameters, k: int) -> tuple[Any, Any]:
    sigma = p["sigma"]
    moment, z = np.exp(k * mu + 0.5 * np.square(k * sigma)), (_log_above(y) - mu) / sigma - k * sigma
    return moment * special.ndtr(z), moment * special.ndtr(-z)


LOGNORMAL = Tails(
    logs=lambda y, mu, p: _normal_logs((_log_above(y) - mu) / p["sigma"]),
    graph=_lognormal_graph,
    partial=_lognormal_partial,
)


# above zero --------------------------------------------------------------------------------------------------------


def _gamma_of(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    """Shape, and the response in units of the scale."""
    return p["phi"], p["phi"] * np.maximum(y, 0.0) / mu


def _gamma_logs(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    shape, x = _gamma_of(y, mu, p)
    return _log(special.gammainc(shape, x)), _log(special.gammaincc(shape, x))


def _gamma_graph(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    x = p["phi"] * y / mu
    return pt.log(pt.gammainc(p["phi"], x)), pt.log(pt.gammaincc(p["phi"], x))


def _gamma_partial(y: Any, mu: Any, p: Parameters, k: int) -> tuple[Any, Any]:
    shape, x = _gamma_of(y, mu, p)
    moment = mu if k == 1 else np.square(mu) * (1.0 + 1.0 / shape)
    return moment * special.gammainc(shape + k, x), moment * special.gammaincc(shape + k, x)


GAMMA = Tails(_gamma_logs, _gamma_graph, _gamma_partial)


def _exponential_logs(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    above = -np.maximum(y, 0.0) / mu
    return _log_complement(above), above


def _exponential_graph(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    return _graph_complement(-y / mu), -y / mu


EXPONENTIAL = Tails(
    _exponential_logs, _exponential_graph, lambda y, mu, p, k: _gamma_partial(y, mu, {"phi": np.float64(1.0)}, k)
)


def _weibull_scale(mu: Any, p: Parameters) -> Any:
    return mu / np.exp(special.gammaln(1.0 + 1.0 / p["shape"]))


def _weibull_logs(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    above = -np.power(np.maximum(y, 0.0) / _weibull_scale(mu, p), p["shape"])
    return _log_complement(above), above


def _weibull_graph(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    above = -((y / mu * pt.exp(pt.gammaln(1.0 + 1.0 / p["shape"]))) ** p["shape"])
    return _graph_complement(above), above


def _weibull_partial(y: Any, mu: Any, p: Parameters, k: int) -> tuple[Any, Any]:
    scale, order = _weibull_scale(mu, p), 1.0 + k / p["shape"]
    hazard = np.power(np.maximum(y, 0.0) / scale, p["shape"])
    moment = scale**k * special.gamma(order)
    return moment * special.gammainc(order, hazard), moment * special.gammaincc(order, hazard)


WEIBULL = Tails(_weibull_logs, _weibull_graph, _weibull_partial)


# counts ------------------------------------------------------------------------------------------------------------


def _at_least(y: Any, least: float = 0.0) -> Any:
    return np.maximum(np.floor(y), least)


def _of_counts(y: Any, below: Any, above: Any) -> tuple[Any, Any]:
    """Take logs of both probabilities; below zero there is nothing, nor above infinity."""
    none, all_of_it = np.less(y, 0.0), np.isposinf(y)
    lower = np.where(none, -np.inf, np.where(all_of_it, 0.0, _log(below)))
    return lower, np.where(none, 0.0, np.where(all_of_it, -np.inf, _log(above)))


def _finite(y: Any) -> Any:
    return np.where(np.isinf(y), 0.0, _at_least(y))


def _poisson_logs(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    k = _finite(y) + 1.0
    return _of_counts(y, special.gammaincc(k, mu), special.gammainc(k, mu))


def _poisson_graph(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    return pt.log(pt.gammaincc(y + 1.0, mu)), pt.log(pt.gammainc(y + 1.0, mu))


def _counted(
    logs: Callable[[Any, float], tuple[Any, Any]], factor: Callable[[int], Any], y: Any, k: int
) -> tuple[Any, Any]:
    """Partial moments from factorial ones: `logs(y - j, j)` are those of the family j steps on."""
    below, above = (factor(1) * np.exp(part) for part in logs(y - 1.0, 1.0))
    if k == 1:
        return below, above
    more = [factor(2) * np.exp(part) for part in logs(y - 2.0, 2.0)]
    return below + more[0], above + more[1]


def _poisson_partial(y: Any, mu: Any, p: Parameters, k: int) -> tuple[Any, Any]:
    return _counted(lambda at, _: _poisson_logs(at, mu, p), lambda j: mu**j, y, k)


POISSON = Tails(_poisson_logs, _poisson_graph, _poisson_partial)


def _negativebinomial_logs(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    phi, k = p["phi"], _finite(y) + 1.0
    failing = mu / (phi + mu)
    return _of_counts(y, special.betaincc(k, phi, failing), special.betainc(k, phi, failing))


def _negativebinomial_graph(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    phi, k = p["phi"], y + 1.0
    return pt.log(pt.betainc(phi, k, phi / (phi + mu))), pt.log(pt.betainc(k, phi, mu / (phi + mu)))


def _negativebinomial_partial(y: Any, mu: Any, p: Parameters, k: int) -> tuple[Any, Any]:
    phi = p["phi"]

    def logs(at: Any, steps: float) -> tuple[Any, Any]:
        # one step on, the shape is one larger and the probability of failing the same
        return _negativebinomial_logs(at, mu * (phi + steps) / phi, {"phi": phi + steps})

    return _counted(logs, lambda j: mu if j == 1 else np.square(mu) * (1.0 + 1.0 / phi), y, k)


NEGATIVEBINOMIAL = Tails(_negativebinomial_logs, _negativebinomial_graph, _negativebinomial_partial)


def _geometric_logs(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    above = np.where(np.isposinf(y), -np.inf, -_at_least(_finite(y) + 1.0) * np.log1p(1.0 / np.asarray(mu)))
    above = np.where(np.less(y, 0.0), 0.0, above)
    return _log_complement(above), above


def _geometric_graph(y: Any, mu: Any, p: Parameters) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    above = -(y + 1.0) * pt.log1p(1.0 / mu)
    return _graph_complement(above), above


GEOMETRIC = Tails(
    _geometric_logs,
    _geometric_graph,
    lambda y, mu, p, k: _negativebinomial_partial(y, mu, {"phi": np.float64(1.0)}, k),
)

#: By the family's name.
TAILS: Mapping[str, Tails] = {
    "gaussian": GAUSSIAN,
    "lognormal": LOGNORMAL,
    "gamma": GAMMA,
    "exponential": EXPONENTIAL,
    "weibull": WEIBULL,
    "poisson": POISSON,
    "negativebinomial": NEGATIVEBINOMIAL,
    "geometric": GEOMETRIC,
}


def log_between(tails: Tails, low: Any, high: Any, mu: Any, p: Parameters) -> Any:
    """Return log P(low < Y <= high), numpy: the difference of the smaller ones of both tails."""
    below_low, above_low = tails.logs(low, mu, p)
    below_high, above_high = tails.logs(high, mu, p)
    near_start = np.less(below_low, -0.693)
    large, small = np.where(near_start, below_high, above_low), np.where(near_start, below_low, above_high)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isneginf(small), large, large + np.log(-np.expm1(np.minimum(small - large, 0.0))))


def graph_log_between(tails: Tails, low: Any, high: Any, mu: Any, p: Parameters) -> Any:
    """Return log P(low < Y <= high) of tensors, rows with low = high anything finite."""
    import pytensor.tensor as pt

    no_low, no_high = pt.isinf(low), pt.isinf(high)
    # what is not needed of a row stands where it and its derivatives are finite
    safe_low = pt.switch(no_low, pt.switch(no_high, 1.0, high), low)
    safe_high = pt.switch(no_high, pt.switch(no_low, 1.0, low), high)
    below_low, above_low = tails.graph(safe_low, mu, p)
    below_high, above_high = tails.graph(safe_high, mu, p)
    near_start = below_low < -0.693
    large, small = pt.switch(near_start, below_high, above_low), pt.switch(near_start, below_low, above_high)
    both = ~no_low & ~no_high & (low < high)
    inside = large + pt.log(-pt.expm1(pt.switch(both, small - large, -1.0)))
    one_sided = pt.switch(no_low, pt.switch(no_high, 0.0, below_high), above_low)
    return pt.switch(both, inside, one_sided)
