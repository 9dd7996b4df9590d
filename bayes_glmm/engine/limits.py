"""Probabilities of what lies below and above a point, with their derivatives: what limits on responses are made of.

Input: a point, the mean and auxiliary parameters, numbers. Output: the log of a probability and its derivatives,

    (y, mu, first, second parameter) -> (log P, d/d mu, d/d first, d/d second),

P(Y <= y) by `LOWER` and P(Y > y) by `UPPER`, accurate in both tails; y may be infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bayes_glmm.engine import densities
from bayes_glmm.engine.arithmetic import as_written, inlined_as_written
from bayes_glmm.engine.densities import digamma, log_normal_cdf

_TERMS = 100_000  # most of a sum
_ROUND = 1e-17  # of a sum, what no longer counts
_TINY = 1e-300


@as_written
def _complement(log_p: float) -> tuple[float, float]:
    """Return log(1 - p) and what a derivative of log p is multiplied by to become one of it."""
    if log_p >= 0.0:
        return -math.inf, 0.0
    rest = math.expm1(log_p)
    return math.log(-rest), math.exp(log_p) / rest


# normal ------------------------------------------------------------------------------------------------------------


@as_written
def _gaussian_tail(y: float, mu: float, sigma: float, sign: float) -> tuple[float, float, float, float]:
    if math.isinf(y):
        return (0.0 if sign * y > 0.0 else -math.inf), 0.0, 0.0, 0.0
    z = sign * (y - mu) / sigma
    value, ratio = log_normal_cdf(z)
    return value, -sign * ratio / sigma, -ratio * z / sigma, 0.0


@as_written
def gaussian_lower(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and sd."""
    return _gaussian_tail(y, mu, sigma, 1.0)


@as_written
def gaussian_upper(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and sd."""
    return _gaussian_tail(y, mu, sigma, -1.0)


@as_written
def lognormal_lower(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and sd of the log."""
    return _gaussian_tail(math.log(y) if y > 0.0 else -math.inf, mu, sigma, 1.0)


@as_written
def lognormal_upper(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and sd of the log."""
    return _gaussian_tail(math.log(y) if y > 0.0 else -math.inf, mu, sigma, -1.0)


# Weibull and exponential: the cumulative hazard --------------------------------------------------------------------


@as_written
def weibull_upper(y: float, mu: float, shape: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    if y <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    if math.isinf(y):
        return -math.inf, 0.0, 0.0, 0.0
    along = math.log(y / mu) + math.lgamma(1.0 + 1.0 / shape)
    hazard = math.exp(shape * along)
    return -hazard, shape * hazard / mu, -hazard * (along - digamma(1.0 + 1.0 / shape) / shape), 0.0


@as_written
def weibull_lower(y: float, mu: float, shape: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    above, d_mu, d_shape, _ = weibull_upper(y, mu, shape, unused)
    value, factor = _complement(above)
    return value, factor * d_mu, factor * d_shape, 0.0


@as_written
def exponential_upper(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean."""
    if y <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    return -y / mu, (0.0 if math.isinf(y) else y / (mu * mu)), 0.0, 0.0


@as_written
def exponential_lower(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean."""
    above, d_mu, _, _ = exponential_upper(y, mu, unused, unused_too)
    value, factor = _complement(above)
    return value, factor * d_mu, 0.0, 0.0


# incomplete gamma functions ----------------------------------------------------------------------------------------


@as_written
def _gamma_series(a: float, x: float) -> tuple[float, float]:
    """Return log P(a, x) and its derivative in a, by the series: x below a + 1."""
    term, d_log, total, d_total = 1.0, 0.0, 1.0, 0.0
    for i in range(1, _TERMS):
        term *= x / (a + i)
        d_log -= 1.0 / (a + i)
        total += term
        d_total += term * d_log
        if term * (1.0 - d_log) < _ROUND * total:
            break
    value = a * math.log(x) - x - math.lgamma(a + 1.0) + math.log(total)
    return value, math.log(x) - digamma(a + 1.0) + d_total / total


@as_written
def _gamma_fraction(a: float, x: float) -> tuple[float, float]:
    """Return log Q(a, x) and its derivative in a, by Legendre's continued fraction: x above a + 1."""
    b, d_b = x + 1.0 - a, -1.0
    c, d_c = 1.0 / _TINY, 0.0
    d, d_d = 1.0 / b, 1.0 / (b * b)
    log_f, d_log = math.log(d), d_d / d
    for i in range(1, _TERMS):
        factor, d_factor = i * (a - i), float(i)
        b += 2.0
        # d = 1 / (b + factor d), c = b + factor / c: forward derivatives beside them
        slope = d_b + d_factor * d + factor * d_d
        d = 1.0 / (b + factor * d)
        d_d = -slope * d * d
        d_c = d_b + d_factor / c - factor * d_c / (c * c)
        c = b + factor / c
        step, d_step = math.log(abs(c * d)), d_c / c + d_d / d
        log_f += step
        d_log += d_step
        if abs(step) < 1e-15 and abs(d_step) < 1e-14 * (1.0 + abs(d_log)):
            break
    return a * math.log(x) - x - math.lgamma(a) + log_f, math.log(x) - digamma(a) + d_log


@as_written
def gamma_tail(a: float, x: float, below: bool) -> tuple[float, float]:
    """Return log P(a, x), or with `below` false log Q(a, x), and its derivative in a."""
    series = x < a + 1.0
    value, slope = _gamma_series(a, x) if series else _gamma_fraction(a, x)
    if series == below:
        return value, slope
    other, factor = _complement(value)
    return other, factor * slope


@as_written
def _log_gamma_density(a: float, x: float) -> float:
    """Return the log of dP(a, x) / dx."""
    return (a - 1.0) * math.log(x) - x - math.lgamma(a)


@as_written
def _gamma(y: float, mu: float, phi: float, below: bool) -> tuple[float, float, float, float]:
    if y <= 0.0 or math.isinf(y):
        return (0.0 if below == (y > 0.0) else -math.inf), 0.0, 0.0, 0.0
    x = phi * y / mu
    value, d_a = gamma_tail(phi, x, below)
    d_x = math.exp(_log_gamma_density(phi, x) - value)
    d_x = d_x if below else -d_x
    return value, -d_x * x / mu, d_a + d_x * y / mu, 0.0


@as_written
def gamma_lower(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    return _gamma(y, mu, phi, True)


@as_written
def gamma_upper(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    return _gamma(y, mu, phi, False)


# counts ------------------------------------------------------------------------------------------------------------


@as_written
def _poisson(y: float, mu: float, below: bool) -> tuple[float, float, float, float]:
    if y < 0.0 or math.isinf(y):
        return (0.0 if below == (y > 0.0) else -math.inf), 0.0, 0.0, 0.0
    if mu <= 0.0:
        return math.nan, math.nan, 0.0, 0.0
    # P(Y <= y) = Q(y + 1, mu)
    value, _ = gamma_tail(math.floor(y) + 1.0, mu, not below)
    slope = math.exp(_log_gamma_density(math.floor(y) + 1.0, mu) - value)
    return value, (-slope if below else slope), 0.0, 0.0


@as_written
def poisson_lower(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean."""
    return _poisson(y, mu, True)


@as_written
def poisson_upper(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean."""
    return _poisson(y, mu, False)


@as_written
def geometric_upper(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean of failures before the first success."""
    if y < 0.0:
        return 0.0, 0.0, 0.0, 0.0
    if math.isinf(y):
        return -math.inf, 0.0, 0.0, 0.0
    times = math.floor(y) + 1.0
    return -times * math.log1p(1.0 / mu), times / (mu * (1.0 + mu)), 0.0, 0.0


@as_written
def geometric_lower(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean of failures before the first success."""
    above, d_mu, _, _ = geometric_upper(y, mu, unused, unused_too)
    value, factor = _complement(above)
    return value, factor * d_mu, 0.0, 0.0


@as_written
def _negativebinomial_sum(first: float, last: float, mu: float, phi: float) -> tuple[float, float, float, float]:
    """Add up the probabilities of the counts from first to last, in units of the largest so far."""
    top, total, d_mu, d_phi, k = -math.inf, 0.0, 0.0, 0.0, first
    for _ in range(_TERMS):
        if k > last:
            break
        value, by_mu, by_phi, _ = densities.negativebinomial(k, mu, phi, 0.0)
        value -= math.lgamma(k + 1.0)
        if value > top:
            scale = math.exp(top - value)
            top, total, d_mu, d_phi = value, total * scale, d_mu * scale, d_phi * scale
        share = math.exp(value - top)
        total += share
        d_mu += share * by_mu
        d_phi += share * by_phi
        if k > mu and share * (1.0 + mu / phi + k) < _ROUND * total:
            break
        k += 1.0
    return top + math.log(total), d_mu / total, d_phi / total, 0.0


@as_written
def _negativebinomial(y: float, mu: float, phi: float, below: bool) -> tuple[float, float, float, float]:
    if y < 0.0 or math.isinf(y):
        return (0.0 if below == (y > 0.0) else -math.inf), 0.0, 0.0, 0.0
    y = math.floor(y)
    value, d_mu, d_phi, _ = _negativebinomial_sum(0.0, y, mu, phi)
    if below:
        return min(value, 0.0), d_mu, d_phi, 0.0
    if value > -1e-4:
        return _negativebinomial_sum(y + 1.0, math.inf, mu, phi)
    other, factor = _complement(value)
    return other, factor * d_mu, factor * d_phi, 0.0


@as_written
def negativebinomial_lower(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    return _negativebinomial(y, mu, phi, True)


@as_written
def negativebinomial_upper(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    return _negativebinomial(y, mu, phi, False)


#: P(Y <= y) and P(Y > y), by the family's kernel name.
TAILS: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "gaussian": (gaussian_lower, gaussian_upper),
    "lognormal": (lognormal_lower, lognormal_upper),
    "weibull": (weibull_lower, weibull_upper),
    "exponential": (exponential_lower, exponential_upper),
    "gamma": (gamma_lower, gamma_upper),
    "poisson": (poisson_lower, poisson_upper),
    "geometric": (geometric_lower, geometric_upper),
    "negativebinomial": (negativebinomial_lower, negativebinomial_upper),
}


def between(lower: Callable[..., Any], upper: Callable[..., Any]) -> Callable[..., Any]:
    """Return the log of P(low < Y <= high) with its derivatives: (low, high, mu, first, second) -> as the tails."""

    @inlined_as_written
    def inside(low: float, high: float, mu: float, a: float, b: float) -> Any:
        if math.isinf(high):
            return upper(low, mu, a, b)
        if math.isinf(low):
            return lower(high, mu, a, b)
        # the difference of the smaller ones of both tails
        small, s_mu, s_a, s_b = lower(low, mu, a, b)
        large, l_mu, l_a, l_b = lower(high, mu, a, b)
        if small > -0.6931471805599453:
            small, s_mu, s_a, s_b = upper(high, mu, a, b)
            large, l_mu, l_a, l_b = upper(low, mu, a, b)
        if small == -math.inf:
            return large, l_mu, l_a, l_b
        rest = -math.expm1(small - large)
        share = math.exp(small - large) / rest
        value = large + math.log(rest)
        return value, l_mu + share * (l_mu - s_mu), l_a + share * (l_a - s_a), l_b + share * (l_b - s_b)

    return inside
