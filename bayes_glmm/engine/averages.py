"""Inverse links averaged over normal variables, the integrals of population averages of logit and cloglog models.

Input: means and variances of the linear predictor. Output: E[1 / (1 + exp(-(eta + sqrt(v) Z)))] for each, or
E[1 - exp(-exp(eta + sqrt(v) Z))]. The rule is `bayes_glmm.predict.quadrature`'s: trapezoidal in z, centred near the
integrand's peak, exponentials by recurrence.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, njit

from bayes_glmm.engine.data import read_vector
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.vector_math import fast_exp

Array = npt.NDArray[np.float64]

DIGITS = 24.0  # -log of the discretisation error aimed at: exp(-24) = 4e-11
HALF_WIDTH = 6.9  # grid half-width in z, measured from the centre
LARGEST_RECURRENCE_SD = 30.0  # above it the geometric recurrences could overflow
_BLOCK = 128  # elements worked on together: their work arrays stay in the fastest cache
_SQRT_2PI = math.sqrt(2.0 * math.pi)

_compiled = njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"})


def trapezoidal_step(strip: float, sd: float) -> float:
    """Find the largest step of the trapezoidal rule in z that reaches the accuracy aimed at.

    Parameters
    ----------
    strip
        Distance from the real line within which the function is analytic.
    sd
        Standard deviation of its normal argument.

    Returns
    -------
    float
        The step h: the error falls like exp(-2 pi^2 / h^2) from the normal density and exp(-2 pi strip / (sd h)) from
        the function.
    """
    entire = 2.0 * math.pi / math.sqrt(2.0 * DIGITS)
    if sd == 0.0 or strip / sd >= 2.0 * math.pi / entire:
        return entire
    distance = strip / sd
    return 2.0 * math.pi * distance / (DIGITS + 0.5 * distance * distance)


#: The inverse links, and how far from the real line each is analytic.
LOGISTIC, CLOGLOG = range(2)
_STRIPS = (math.pi, 0.5 * math.pi)

_step = _compiled(trapezoidal_step)


@_compiled
def _own_step(sd: float, link: int) -> float:
    """Return an element's step: sds are rounded up to a grid, so that slightly different rows share their nodes."""
    return _step(_STRIPS[link], math.ceil(8.0 * sd) / 8.0)


@_compiled
def _centre(eta: float, sd: float) -> float:
    """Where the integrand's peak is, to within about one."""
    return max(min(-eta / max(sd, 1e-300), sd), 0.0)


@_compiled
def _one_less_exp(rate: float) -> float:
    """1 - exp(-rate) for rate >= 0, by its series where the difference would lose digits."""
    series = 1.0 - rate / 6.0 * (1.0 - rate / 7.0)
    for n in (5.0, 4.0, 3.0, 2.0):
        series = 1.0 - rate / n * series
    return rate * series if rate < 0.03 else 1.0 - fast_exp(-rate)


@_compiled
def _inverse(x: float, link: int) -> float:
    return 1.0 / (1.0 + fast_exp(-x)) if link == LOGISTIC else _one_less_exp(fast_exp(x))


@_compiled
def _direct(eta: float, sd: float, link: int) -> float:
    """Average with every exponential computed: for sds beyond the recurrences; the logistic one at eta <= 0."""
    step = _own_step(sd, link)
    count = math.ceil(HALF_WIDTH / step)
    centre = _centre(eta, sd)
    total = 0.0
    for n in range(-count, count + 1):
        z = centre + n * step
        total += fast_exp(-0.5 * z * z) * _inverse(eta + sd * z, link)
    return total * (step / _SQRT_2PI)


@_compiled
def _small(variance: float) -> float:
    """Return a variance the recurrences take; zero for larger ones and for what is none, whose results do not count."""
    return variance if 0.0 <= variance <= LARGEST_RECURRENCE_SD**2 else 0.0


@_compiled
def _recurrent(
    eta: Any,
    variance: Any,
    link: int,
    step: Any,
    last: Any,
    rate: Any,
    rate_ratio: Any,
    weight: Any,
    growth: Any,
    out: Any,
) -> None:
    """Fill `out`: exp(-x), or exp(x), is geometric in the node's number, the ratios of the weights are, too.

    Every element has its own nodes, so that its value does not depend on its neighbours. Each loop is one that vector
    registers serve.
    """
    known, known_step, most = -1.0, 0.0, 0.0
    for i in range(len(eta)):
        if _small(variance[i]) != known:
            known = _small(variance[i])
            known_step = _own_step(math.sqrt(known), link)
        step[i] = known_step
        last[i] = 2.0 * math.ceil(HALF_WIDTH / known_step)
        most = max(most, last[i])
    sign = -1.0 if link == LOGISTIC else 1.0
    for i in range(len(eta)):
        sd = math.sqrt(_small(variance[i]))
        centre, reach = _centre(eta[i], sd), 0.5 * last[i] * step[i]
        rate[i] = fast_exp(sign * (eta[i] + sd * (centre - reach)))
        rate_ratio[i] = fast_exp(sign * sd * step[i])
        weight[i] = step[i] / _SQRT_2PI * fast_exp(-0.5 * (centre - reach) * (centre - reach))
        growth[i] = fast_exp(step[i] * (reach - 0.5 * step[i] - centre))
        step[i] = fast_exp(-step[i] * step[i])  # what the growth is multiplied with from node to node
        out[i] = 0.0
    for n in range(int(most) + 1):
        node = float(n)
        if link == LOGISTIC:
            for i in range(len(eta)):
                value = weight[i] / (1.0 + rate[i])
                out[i] += value if node <= last[i] else 0.0
        else:
            for i in range(len(eta)):
                value = weight[i] * _one_less_exp(rate[i])
                out[i] += value if node <= last[i] else 0.0
        for i in range(len(eta)):
            rate[i] *= rate_ratio[i]
            weight[i] *= growth[i]
            growth[i] *= step[i]


@_compiled
def _averages(eta: Any, variance: Any, link: int, out: Any) -> None:
    step, last, rate = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    rate_ratio, weight, growth = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    means = np.empty(_BLOCK)
    for start in range(0, len(eta), _BLOCK):
        stop = min(start + _BLOCK, len(eta))
        m = stop - start
        known, variances, values = eta[start:stop], variance[start:stop], out[start:stop]
        for i in range(m):
            means[i] = -abs(known[i]) if link == LOGISTIC else known[i]
        _recurrent(
            means[:m], variances, link, step[:m], last[:m], rate[:m], rate_ratio[:m], weight[:m], growth[:m], values
        )
        for i in range(m):
            if not 0.0 <= variances[i] < math.inf:
                values[i] = math.nan
            elif variances[i] == 0.0:
                values[i] = _inverse(means[i], link)
            elif variances[i] > LARGEST_RECURRENCE_SD**2:
                values[i] = _direct(means[i], math.sqrt(variances[i]), link)
            if link == LOGISTIC and known[i] > 0.0:
                # one minus the average at -eta: both tails keep their accuracy
                values[i] = 1.0 - values[i]


@native(CALL_SIGNATURE)
def _fill_averages(table_: Any) -> float:
    """Call `_averages`: reads eta, variances and the link, fills the averages."""
    table = carray(table_, (12,), np.uint64)
    eta, variance = read_vector(table, 0, np.float64), read_vector(table, 1, np.float64)
    _averages(eta, variance, read_vector(table, 2, np.int64)[0], read_vector(table, 3, np.float64))
    return 0.0


def link_averages(eta: Array, variance: Array, link: int) -> Array:
    """Average an inverse link over normal linear predictors.

    Parameters
    ----------
    eta
        (n,) means, link scale, contiguous.
    variance
        (n,) variances, squared link scale, contiguous; zero is allowed.
    link
        `LOGISTIC` or `CLOGLOG`.

    Returns
    -------
    numpy.ndarray
        (n,) averages; relative error below 1e-8, in the logistic's upper tail of the complement, down to 1e-290; NaN
        where the variance is negative or not finite.
    """
    out = np.empty_like(eta)
    _fill_averages(eta, variance, np.array([link]), out)
    return out
