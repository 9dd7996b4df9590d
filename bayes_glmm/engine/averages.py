"""The logistic function averaged over normal variables, the integral that population averages of logit models need.

Input: means and variances of the linear predictor. Output: E[1 / (1 + exp(-(eta + sqrt(v) Z)))] for each. The rule is
`bayes_glmm.predict.quadrature`'s: trapezoidal in z, centred near the integrand's peak, exponentials by recurrence.
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


_step = _compiled(trapezoidal_step)


@_compiled
def _own_step(sd: float) -> float:
    """Return an element's step: sds are rounded up to a grid, so that slightly different rows share their nodes."""
    return _step(math.pi, math.ceil(8.0 * sd) / 8.0)


@_compiled
def _direct(eta: float, sd: float) -> float:
    """Average at eta <= 0 with every exponential computed: for sds beyond the recurrences."""
    step = _own_step(sd)
    count = math.ceil(HALF_WIDTH / step)
    centre = min(-eta / sd, sd)
    total = 0.0
    for n in range(-count, count + 1):
        z = centre + n * step
        total += fast_exp(-0.5 * z * z) / (1.0 + fast_exp(-(eta + sd * z)))
    return total * (step / _SQRT_2PI)


@_compiled
def _recurrent(
    eta: Any, variance: Any, step: Any, last: Any, rate: Any, rate_ratio: Any, weight: Any, growth: Any, out: Any
) -> None:
    """Fill `out` at -|eta|: exp(-x) is geometric in the node's number, the ratios of the weights are, too.

    Every element has its own nodes, so that its value does not depend on its neighbours. Each loop is one that vector
    registers serve.
    """
    known, known_step, most = -1.0, 0.0, 0.0
    for i in range(len(eta)):
        if variance[i] != known:
            known, known_step = variance[i], _own_step(math.sqrt(variance[i]))
        step[i] = known_step
        last[i] = 2.0 * math.ceil(HALF_WIDTH / known_step)
        most = max(most, last[i])
    for i in range(len(eta)):
        sd, low = math.sqrt(variance[i]), -abs(eta[i])
        centre, reach = min(-low / max(sd, 1e-300), sd), 0.5 * last[i] * step[i]
        rate[i] = fast_exp(-(low + sd * (centre - reach)))
        rate_ratio[i] = fast_exp(-sd * step[i])
        weight[i] = step[i] / _SQRT_2PI * fast_exp(-0.5 * (centre - reach) * (centre - reach))
        growth[i] = fast_exp(step[i] * (reach - 0.5 * step[i] - centre))
        step[i] = fast_exp(-step[i] * step[i])  # what the growth is multiplied with from node to node
        out[i] = 0.0
    for n in range(int(most) + 1):
        node = float(n)
        for i in range(len(eta)):
            value = weight[i] / (1.0 + rate[i])
            out[i] += value if node <= last[i] else 0.0
            rate[i] *= rate_ratio[i]
            weight[i] *= growth[i]
            growth[i] *= step[i]


@_compiled
def _logistic_averages(eta: Any, variance: Any, out: Any) -> None:
    step, last, rate = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    rate_ratio, weight, growth = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    for start in range(0, len(eta), _BLOCK):
        stop = min(start + _BLOCK, len(eta))
        m = stop - start
        means, variances, values = eta[start:stop], variance[start:stop], out[start:stop]
        _recurrent(means, variances, step[:m], last[:m], rate[:m], rate_ratio[:m], weight[:m], growth[:m], values)
        for i in range(m):
            sd = math.sqrt(variances[i])
            if sd > LARGEST_RECURRENCE_SD:
                values[i] = _direct(-abs(means[i]), sd)
            if means[i] > 0.0:  # the average at eta > 0 is one minus that at -eta: both tails keep their accuracy
                values[i] = 1.0 - values[i]


@native(CALL_SIGNATURE)
def _fill_logistic_averages(table_: Any) -> float:
    """Call `_logistic_averages`: reads eta and variances, fills the averages."""
    table = carray(table_, (9,), np.uint64)
    eta, variance = read_vector(table, 0, np.float64), read_vector(table, 1, np.float64)
    _logistic_averages(eta, variance, read_vector(table, 2, np.float64))
    return 0.0


def logistic_averages(eta: Array, variance: Array) -> Array:
    """Average the logistic function over normal linear predictors.

    Parameters
    ----------
    eta
        (n,) means, logit scale, contiguous.
    variance
        (n,) variances, squared logit scale, contiguous; zero is allowed.

    Returns
    -------
    numpy.ndarray
        (n,) averages; relative error below 1e-8, in the upper tail of the complement.
    """
    out = np.empty_like(eta)
    _fill_logistic_averages(eta, variance, out)
    return out
