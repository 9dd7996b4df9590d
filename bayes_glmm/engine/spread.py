"""The shape of theta's marginal posterior around a mode: its covariance and the length of its tails.

Input: minus the log marginal posterior, or its second derivatives, and a mode. Output: what coordinates are made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Largest sd of an element of theta in the coordinates: a flatter marginal than this says little about its shape.
WIDEST = 1.5
#: Largest stretch A of a tail of theta.
LONGEST = 20.0


def spread_of(objective: Callable[[Array], float], theta: Array, step: float = 0.02) -> Array:
    """Return a factor of theta's covariance from second differences of minus its log marginal posterior.

    Parameters
    ----------
    objective
        Minus the log marginal posterior.
    theta
        (d,) its mode.
    step
        Of the central differences.

    Returns
    -------
    numpy.ndarray
        (d, d) F with F F' the covariance.
    """
    d = len(theta)
    if d == 0:
        return np.zeros((0, 0))
    centre = objective(theta)
    hessian = np.zeros((d, d))
    plus = np.array([objective(theta + step * e) for e in np.eye(d)])
    minus = np.array([objective(theta - step * e) for e in np.eye(d)])
    hessian[np.diag_indices(d)] = (plus + minus - 2 * centre) / step**2
    for i in range(d):
        for j in range(i):
            both = step * (np.eye(d)[i] + np.eye(d)[j])
            mixed = objective(theta + both) + objective(theta - both) + 2 * centre
            hessian[i, j] = hessian[j, i] = (mixed - plus[i] - minus[i] - plus[j] - minus[j]) / (2 * step**2)
    return theta_factor(hessian)


def log_volume(factor: Array) -> float:
    """Return the log volume of the normal distribution that has a mode's shape.

    Parameters
    ----------
    factor
        (d, d) factor of theta's covariance.

    Returns
    -------
    float
        log det(2 pi covariance) / 2.
    """
    return float(np.linalg.slogdet(factor)[1]) + 0.5 * len(factor) * math.log(2 * math.pi)


def theta_factor(hessian: Array) -> Array:
    """Return a factor of theta's covariance, flat or wrong-way directions cut at `WIDEST`.

    Parameters
    ----------
    hessian
        (d, d) minus the second derivatives of the log marginal posterior at its mode.

    Returns
    -------
    numpy.ndarray
        (d, d) F with F F' the covariance.
    """
    values, vectors = np.linalg.eigh(hessian)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1.0 / WIDEST**2)))


def tail_bends(objective: Callable[[Array], float], theta: Array, factor: Array) -> Array:
    """Find how far to stretch each tail of theta for three units of the coordinates to reach as deep as a normal's do.

    Parameters
    ----------
    objective
        Minus the log marginal posterior of theta.
    theta
        (d,) its mode.
    factor
        (d, d) factor of the covariance there.

    Returns
    -------
    numpy.ndarray
        (d, 3) A >= 0 below, A above, r = 3 sd: along element i, the density of y = theta - theta_hat bent by
        `parameters.bend` falls by 9/2 at |y| = r. A is zero where the tail is no longer than a normal's.
    """
    bends = np.zeros((len(theta), 3))
    bends[:, 2] = 3.0 * np.sqrt(np.sum(factor * factor, axis=1))
    centre = objective(theta)
    for i in range(len(theta)):
        for side, sign in enumerate((-1.0, 1.0)):

            def rise(a: float, reach: float = sign * bends[i, 2], i: int = i) -> float:
                moved = theta.copy()
                # at w = 1: y (1 + A / 2), with slope 1 + 3 A / 2
                moved[i] += reach * (1.0 + 0.5 * a)
                return objective(moved) - centre - np.log1p(1.5 * a) - 4.5

            bends[i, side] = _root(rise, LONGEST)
    return bends


def _root(rise: Callable[[float], float], largest: float) -> float:
    """Return a in [0, largest] where `rise` first turns positive, to a tenth; the bounds where it does not.

    From below: far beyond, where a correlation rounds to one, the objective is rounding error.
    """
    if rise(0.0) > -1.0:
        return 0.0
    low, high = 0.0, 1e-2 * largest
    while rise(high) < 0:
        if high == largest:
            return largest
        low, high = high, min(2.0 * high, largest)
    while low > 0.0 and high - low > 0.1 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rise(middle) < 0 else (low, middle)
    return 0.5 * (low + high)
