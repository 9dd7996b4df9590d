"""Averages over normal random effects: E[f(eta + sqrt(v) Z)], Z standard normal, elementwise.

Input: linear predictors `eta` and variances `v` of the random part (link scale), broadcast against each other, and a
link or a function. Output: an array of the broadcast shape. However many crossed factors and slopes a model has, z'u is
one normal variable per row, so one dimension is enough.

The rule is the trapezoidal rule in z, whose error falls geometrically for analytic integrands: about
exp(-2 pi^2 / h^2) from the normal density and exp(-2 pi d / (s h)) from a function that is analytic within d of the
real line (s = sqrt(v), h the step). The step follows from s, and the grid is centred near the peak of f times the
density, so that small means keep their *relative* accuracy.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine.averages import CLOGLOG, HALF_WIDTH, LOGISTIC, link_averages, trapezoidal_step
from bayes_glmm.errors import PredictionError
from bayes_glmm.links import Link
from bayes_glmm.predict.domain import check_average_exists

Array = npt.NDArray[np.float64]

_FEWEST = 24  # points of a series that stands for many rows
_BLOCK = 16_384  # elements worked on together: a few arrays of this size stay in the cache


def gaussian_mean(link: Link, eta: npt.ArrayLike, variance: npt.ArrayLike) -> Array:
    """Average an inverse link over a normal linear predictor.

    Parameters
    ----------
    link
        The link g.
    eta
        Means of the linear predictor, link scale, any shape.
    variance
        Variances of the linear predictor, link scale, broadcast against `eta`; zero is allowed.

    Returns
    -------
    numpy.ndarray
        E[g^-1(eta + sqrt(v) Z)], the shape the arguments broadcast to; relative error below 1e-8.

    Raises
    ------
    PredictionError
        If the average does not exist (the inverse link with any positive variance) or the rule does not converge.

    Notes
    -----
    Closed forms: identity ``eta``, log ``exp(eta + v/2)``, probit ``Phi(eta / sqrt(1 + v))``, sqrt ``eta^2 + v``.
    Otherwise the trapezoidal rule on a grid centred at z0 = clip(-eta, 0, v) / sqrt(v), close to the peak of the
    integrand.

    References
    ----------
    Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule. SIAM Review 56,
    385-458, Theorem 5.1. doi:10.1137/130932132.
    Zeger, S. L., Liang, K.-Y. and Albert, P. S. (1988). Models for longitudinal data: a generalized estimating equation
    approach. Biometrics 44, 1049-1060. doi:10.2307/2531734.

    Examples
    --------
    >>> from bayes_glmm.links import link_named
    >>> round(float(gaussian_mean(link_named("logit"), 1.0, 4.0)), 7)
    0.6477264
    """
    eta, variance = np.asarray(eta, dtype=float), np.asarray(variance, dtype=float)
    check_average_exists(link, variance)
    if link.gaussian_mean is not None:
        return np.asarray(link.gaussian_mean(eta, variance), dtype=float)
    if not np.any(variance > 0):
        return np.asarray(link.inverse(eta + 0.0 * variance), dtype=float)
    if link.name in _RULES:
        return _RULES[link.name](eta, variance)
    return gaussian_expectation(link.inverse, eta, variance)


def gaussian_expectation(
    function: Callable[..., Array],
    eta: npt.ArrayLike,
    variance: npt.ArrayLike,
    *arguments: npt.ArrayLike,
    growth: float = 1.0,
    tolerance: float = 1e-9,
) -> Array:
    """Average any smooth function over a normal variable, halving the step until two results agree.

    Parameters
    ----------
    function
        Vectorised and elementwise, analytic near the real line, growing no faster than exp(growth x) in either
        direction. It takes the normal variable, then `arguments`.
    eta
        Means of the normal variable, any shape.
    variance
        Its variances, broadcast against `eta`.
    *arguments
        What else the function depends on, broadcast against `eta`.
    growth
        How fast the function may grow.
    tolerance
        Largest relative difference between the results of the last two steps.

    Returns
    -------
    numpy.ndarray
        E[f(eta + sqrt(v) Z)], the broadcast shape.

    Raises
    ------
    PredictionError
        If 12 halvings of the step are not enough.

    References
    ----------
    Trefethen, L. N. and Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule. SIAM Review 56,
    385-458, Theorem 5.1. doi:10.1137/130932132.

    Examples
    --------
    >>> round(float(gaussian_expectation(np.exp, 0.0, 1.0)), 9)
    1.648721271
    """
    return _by_blocks(
        lambda e, s, *rest: _halving_block(lambda x: function(x, *rest), growth, tolerance, e, s),
        *(np.asarray(values, dtype=float) for values in (eta, variance, *arguments)),
    )


def gaussian_expectations(function: Callable[[Array, slice], Array], eta: Array, variance: Array, size: int) -> Array:
    """Average probabilities that are functions of one normal variable, all at its nodes together.

    Parameters
    ----------
    function
        (normal variable (s, ...), which of the n draws) -> probabilities (s, ..., size).
    eta
        (n, rows) means of the normal variable.
    variance
        (n, rows) its variances.
    size
        How many probabilities there are.

    Returns
    -------
    numpy.ndarray
        (n, rows, size); errors below 1e-9 times the average, or 1e-10 where it is small.

    Raises
    ------
    PredictionError
        If 12 halvings of the step are not enough.

    Notes
    -----
    Rows of a draw that share a variance share an entire function of eta: a Chebyshev series through fewer points than
    rows stands for it, as soon as its last coefficients vanish.
    """
    low, high = eta.min(axis=1, keepdims=True), eta.max(axis=1, keepdims=True)
    width = np.where(high > low, high - low, 1.0)
    count = _FEWEST if np.all(np.ptp(variance, axis=1) <= 1e-12 * variance.max(initial=0.0)) else eta.shape[1]
    while count < eta.shape[1] / 2:
        points = np.polynomial.chebyshev.chebpts1(count)
        values = _expectations(function, low + 0.5 * width * (points + 1.0), variance[:, :1], size)
        basis = np.polynomial.chebyshev.chebvander(points, count - 1) * (2.0 - np.eye(1, count)[0]) / count
        series = np.einsum("jk,sjc->ksc", basis, values)
        if np.abs(series[-2:]).max() < 1e-10:
            return _clenshaw(series, 2.0 * (eta - low) / width - 1.0)
        count *= 2
    return _expectations(function, eta, variance, size)


def _clenshaw(series: Array, x: Array) -> Array:
    """Add up Chebyshev series (k, n, size) at places x (n, rows): (n, rows, size)."""
    x = x[..., None]
    last, before = np.zeros(1), np.zeros(1)
    for coefficients in series[:0:-1]:
        last, before = coefficients[:, None] + 2.0 * x * last - before, last
    return np.asarray(series[0][:, None] + x * last - before)


def _expectations(function: Callable[[Array, slice], Array], eta: Array, variance: Array, size: int) -> Array:
    """Average by step halving, some draws at a time."""
    result, sd = np.empty((*eta.shape, size)), np.sqrt(np.broadcast_to(variance, eta.shape))[..., None]
    length = max(1, _BLOCK // max(1, result[:1].size))
    for start in range(0, len(eta), length):
        block = slice(start, start + length)
        here = functools.partial(_of_block, function, block)
        result[block] = _halving_block(here, 1.0, 1e-9, eta[block][..., None], sd[block], floor=1e-4)
    return result


def _of_block(function: Callable[[Array, slice], Array], block: slice, x: Array) -> Array:
    return function(x[..., 0], block)


def _by_blocks(rule: Callable[..., Array], eta: Array, variance: Array, *arguments: Array) -> Array:
    """Apply a rule to blocks of whole rows of the last axis: work arrays stay small, each block has its own step."""
    parts = np.broadcast_arrays(eta, np.sqrt(variance), *arguments)
    shape = parts[0].shape
    if not parts[0].size:
        return np.empty(shape)
    width = shape[-1] if shape else 1
    flat = [part.reshape(-1) for part in parts]
    result = np.empty(flat[0].size)
    length = width * max(1, _BLOCK // width)
    for start in range(0, result.size, length):
        block = slice(start, start + length)
        result[block] = rule(*(part[block] for part in flat))
    return result.reshape(shape)


def _compiled(link: int) -> Callable[[Array, Array], Array]:
    """Return the average of a link in compiled code."""

    def average(eta: Array, variance: Array) -> Array:
        eta, variance = np.broadcast_arrays(eta, variance)
        flat = link_averages(np.ascontiguousarray(eta).reshape(-1), np.ascontiguousarray(variance).reshape(-1), link)
        return flat.reshape(eta.shape)

    return average


def _halving_block(
    function: Callable[[Array], Array], growth: float, tolerance: float, eta: Array, sd: Array, floor: float = 0.0
) -> Array:
    largest = float(sd.max())
    if largest == 0.0:
        return np.asarray(function(eta), dtype=float)
    step = trapezoidal_step(math.inf, largest)
    half_width = HALF_WIDTH + growth * largest  # exp(growth x) moves the peak by at most growth s, either way
    count = math.ceil(half_width / step)

    def weighted(z: float) -> Array:
        values = function(eta + sd * z)
        return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * values

    total = sum((weighted(n * step) for n in range(-count, count + 1)), np.zeros_like(eta))
    previous = step * total
    for _ in range(12):
        step /= 2
        count *= 2
        total = sum((weighted(n * step) for n in range(1 - count, count, 2)), total)
        result = step * total
        if np.all(np.abs(result - previous) <= tolerance * np.maximum(np.abs(result), floor)):
            return np.asarray(result, dtype=float)
        previous = result
    raise PredictionError(
        f"The average over random effects did not converge: sd of the random part up to {largest:.3g} on the link "
        "scale. Look for rows far from the data and for separation (sds that run away in the fit's summary), or use "
        "random_effects='typical'."
    )


# Links with a rule of their own; any other goes by step halving.
_RULES = {"logit": _compiled(LOGISTIC), "cloglog": _compiled(CLOGLOG)}
