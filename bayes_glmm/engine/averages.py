"""Inverse links averaged over normal variables, the integrals of population averages of logit and cloglog models.

Input: means and variances of the linear predictor. Output: E[1 / (1 + exp(-(eta + sqrt(v) Z)))] for each, or
E[1 - exp(-exp(eta + sqrt(v) Z))]. The rule is `bayes_glmm.predict.quadrature`'s: trapezoidal in z, centred near the
integrand's peak, exponentials by recurrence. Many neighbours that share a variance, as the rows of one posterior draw
do, are read off a table of it instead: polynomials on pieces of the eta axis, as accurate as the rule that fills them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from bayes_glmm.engine.arithmetic import ordered
from bayes_glmm.engine.data import read_vector
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.pointers import carray
from bayes_glmm.engine.vector_math import fast_exp

Array = npt.NDArray[np.float64]

DIGITS = 24.0  # -log of the discretisation error aimed at: exp(-24) = 4e-11
HALF_WIDTH = 6.9  # grid half-width in z, measured from the centre
LARGEST_RECURRENCE_SD = 30.0  # above it the geometric recurrences could overflow
_BLOCK = 128  # elements worked on together: their work arrays stay in the fastest cache
_PIECE = 0.5  # length of the table's pieces; they start at multiples of it, whatever the elements are
_NODES = 10  # Chebyshev points of a piece: the averages are entire functions, the rest of the series is below 1e-11
_WORTH = 3.0  # elements an entry of the table must serve
_SQRT_2PI = math.sqrt(2.0 * math.pi)


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

_step = ordered(trapezoidal_step)


@ordered
def _own_step(sd: float, link: int) -> float:
    """Return an element's step: sds are rounded up to a grid, so that slightly different rows share their nodes."""
    return _step(_STRIPS[link], math.ceil(8.0 * sd) / 8.0)


@ordered
def _centre(eta: float, sd: float) -> float:
    """Where the integrand's peak is, to within about one."""
    return max(min(-eta / max(sd, 1e-300), sd), 0.0)


@ordered
def _one_less_exp(rate: float) -> float:
    """1 - exp(-rate) for rate >= 0, by its series where the difference would lose digits."""
    series = 1.0 - rate / 6.0 * (1.0 - rate / 7.0)
    for n in (5.0, 4.0, 3.0, 2.0):
        series = 1.0 - rate / n * series
    return rate * series if rate < 0.03 else 1.0 - fast_exp(-rate)


@ordered
def _inverse(x: float, link: int) -> float:
    return 1.0 / (1.0 + fast_exp(-x)) if link == LOGISTIC else _one_less_exp(fast_exp(x))


@ordered
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


@ordered
def _small(variance: float) -> float:
    """Return a variance the recurrences take; zero for larger ones and for what is none, whose results do not count."""
    return variance if 0.0 <= variance <= LARGEST_RECURRENCE_SD**2 else 0.0


@ordered
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


@ordered
def _folded(eta: float, link: int) -> float:
    """Return the mean that is worked with: the logistic is symmetric, and small averages keep their accuracy."""
    return -abs(eta) if link == LOGISTIC else eta


@ordered
def _unfolded(eta: float, link: int, average: float) -> float:
    """Return the average at `eta`, from that at `_folded`: one minus it keeps the upper tail's accuracy."""
    return 1.0 - average if link == LOGISTIC and eta > 0.0 else average


@ordered
def _averaged_block(eta: Any, variance: Any, link: int, work: Any, out: Any) -> None:
    """Fill at most `_BLOCK` averages, each by its own rule."""
    m = len(eta)
    means = work[6, :m]
    for i in range(m):
        means[i] = _folded(eta[i], link)
    _recurrent(means, variance, link, work[0, :m], work[1, :m], work[2, :m], work[3, :m], work[4, :m], work[5, :m], out)
    for i in range(m):
        if not 0.0 <= variance[i] < math.inf:
            out[i] = math.nan
        elif variance[i] == 0.0:
            out[i] = _inverse(means[i], link)
        elif variance[i] > LARGEST_RECURRENCE_SD**2:
            out[i] = _direct(means[i], math.sqrt(variance[i]), link)
        out[i] = _unfolded(eta[i], link, out[i])


@ordered
def _by_rule(eta: Any, variance: Any, link: int, work: Any, out: Any) -> None:
    for start in range(0, len(eta), _BLOCK):
        stop = min(start + _BLOCK, len(eta))
        _averaged_block(eta[start:stop], variance[start:stop], link, work, out[start:stop])


def _polynomial_of_values() -> tuple[Array, Array]:
    """Return the Chebyshev points of a piece, and the matrix from values there to powers of t in [-1, 1]."""
    points = np.cos((np.arange(_NODES) + 0.5) * math.pi / _NODES)
    to_powers = np.zeros((_NODES, _NODES))
    for degree, series in enumerate(np.eye(_NODES)):
        to_powers[: degree + 1, degree] = chebyshev.cheb2poly(series[: degree + 1])
    return points, to_powers @ np.linalg.inv(chebyshev.chebvander(points, _NODES - 1))


_POINTS, _TO_POWERS = _polynomial_of_values()


@ordered
def _pieces(eta: Any, link: int) -> Any:
    """Return the first of the pieces that `eta` needs and their number, as floats: NaN where an eta is none."""
    low, high = math.inf, -math.inf
    nothing = 0.0
    for i in range(len(eta)):
        mean = _folded(eta[i], link)
        low, high = min(low, mean), max(high, mean)
        nothing += mean - mean  # zero, or NaN where an eta is not finite
    first = np.floor(low / _PIECE)  # a float: math.floor's integer could overflow
    return first, np.floor(high / _PIECE) - first + 1.0 + nothing


@ordered
def _table(first: float, pieces: int, variance: float, link: int, work: Any) -> Any:
    """Return (pieces, `_NODES`) coefficients of the average as a polynomial of the place in a piece, t in [-1, 1]."""
    etas, variances, values = np.empty(pieces * _NODES), np.empty(pieces * _NODES), np.empty(pieces * _NODES)
    for piece in range(pieces):
        for j in range(_NODES):
            etas[piece * _NODES + j] = _PIECE * (first + piece + 0.5 + 0.5 * _POINTS[j])
            variances[piece * _NODES + j] = variance
    _by_rule(etas, variances, link, work, values)
    table = np.zeros((pieces, _NODES))
    for piece in range(pieces):
        for power in range(_NODES):
            for j in range(_NODES):
                table[piece, power] += _TO_POWERS[power, j] * values[piece * _NODES + j]
    return table


@ordered
def _read_off(eta: Any, first: float, table: Any, link: int, out: Any) -> None:
    """Evaluate the polynomials; places are unsigned because compiled code need not look for negative ones."""
    coefs, last, nodes = table.reshape(-1), np.uint64(len(table) - 1), np.uint64(_NODES)
    for i in range(len(eta)):
        place = _folded(eta[i], link) / _PIECE - first
        piece = min(np.uint64(place), last)  # an eta just below a boundary is rounded onto it
        t, highest = 2.0 * (place - float(piece)) - 1.0, nodes * piece + nodes - np.uint64(1)
        value = coefs[highest]
        for power in range(1, _NODES):
            value = value * t + coefs[highest - np.uint64(power)]
        out[i] = _unfolded(eta[i], link, value)


@ordered
def _averages(eta: Any, variance: Any, link: int, out: Any) -> None:
    """Fill the averages: long runs of one variance from a table, what lies between them by the rule."""
    work = np.empty((7, _BLOCK))
    waiting, start = 0, 0  # all before `waiting` is filled, and a run begins at `start`
    while start < len(eta):
        stop = start + 1
        while stop < len(eta) and variance[stop] == variance[start]:
            stop += 1
        if stop - start > _WORTH * _NODES and 0.0 < variance[start] <= LARGEST_RECURRENCE_SD**2:
            first, pieces = _pieces(eta[start:stop], link)
            if _WORTH * _NODES * pieces < stop - start:
                _by_rule(eta[waiting:start], variance[waiting:start], link, work, out[waiting:start])
                table = _table(first, int(pieces), variance[start], link, work)
                _read_off(eta[start:stop], first, table, link, out[start:stop])
                waiting = stop
        start = stop
    _by_rule(eta[waiting:], variance[waiting:], link, work, out[waiting:])


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
