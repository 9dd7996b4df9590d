"""All modes of theta's marginal posterior that a search from several starts finds.

Input: minus the log marginal posterior of theta with its gradient, and the modes of the group effects given theta.
Output: the modes, best first. One search starts where the model says. From the mode it finds the surface is followed
outwards: to sds that are all small, all large, or those of the effects' moments, and along each element of theta as far
as the centre of its prior. Where it falls again another mode may lie, and from there alone another search starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.outer import minimize

Array = npt.NDArray[np.float64]

#: How far along one element of theta the mode is held against: log sds, Fisher's z of correlations.
REACHES = (1.5, 4.0)
#: Logs of the factors that make sds small and large.
SMALLER, LARGER = -math.log(20.0), math.log(100.0)
#: A rise of less than this, in nats, is no barrier between two modes.
BARRIER = 0.1
#: Places between two points of theta that are looked at for a barrier.
_BETWEEN = (0.15, 0.4, 0.7)
#: Largest Fisher's z of a correlation that moments give: 1 - |r| is 1e-7.
_NEAR_ONE = 8.0

#: Distribution -> where the density of the logarithm is highest, or nearly, from its three parameters.
_CENTRES = {
    codes.NORMAL: lambda a, b, c: a + b,
    codes.STUDENT: lambda a, b, c: b + c,
    codes.EXPONENTIAL: lambda a, b, c: 1.0 / a,
    codes.GAMMA: lambda a, b, c: a / b,
    codes.INVERSE_GAMMA: lambda a, b, c: b / a,
    codes.LOG_NORMAL: lambda a, b, c: math.exp(a),
}


class Surface(Protocol):
    """Minus the log marginal posterior of theta."""

    def __call__(self, theta: Array) -> float:
        """Return its value; a large number where there is none."""

    def gradient(self, theta: Array) -> Array:
        """Return its gradient (d,)."""

    def effects(self, theta: Array) -> Array:
        """Return the mode (n_u,) of all group effects given theta."""


def find_modes(surface: Surface, data: KernelData, start: Array, tolerance: float) -> list[Array]:
    """Search from several starts.

    Parameters
    ----------
    surface
        The function to be minimised.
    data
        The model.
    start
        (d,) theta of the first search.
    tolerance
        Of `minimize`.

    Returns
    -------
    list of numpy.ndarray
        (d,) the modes found, the lowest value first; the surface rises on the straight way between any two.
    """
    best = minimize(surface, surface.gradient, start, tolerance)
    modes = {surface(best): best}
    for _ in range(2):
        for place in _places(surface, data, start, best, min(modes)):
            found = minimize(surface, surface.gradient, place, tolerance)
            _add(surface, modes, found)
        if modes[min(modes)] is best:
            break
        best = modes[min(modes)]
    return [modes[value] for value in sorted(modes)]


def _add(surface: Surface, modes: dict[float, Array], found: Array) -> None:
    """Add a mode unless nothing but a slope lies between it and one that is known; then the lower of the two stays."""
    value = surface(found)
    for known, mode in list(modes.items()):
        between = max(surface(found + share * (mode - found)) for share in _BETWEEN)
        if between < max(value, known) + BARRIER:
            if value > known - BARRIER:
                return
            del modes[known]
    modes[value] = found


def _falls_on_the_way_out(surface: Surface, value: float, places: Iterable[Array]) -> Iterator[Array]:
    """Yield those of the places, nearest first, at which the surface is lower than at the one before."""
    for place in places:
        following = surface(place)
        if following < value - BARRIER:
            yield place
        value = following


def _places(surface: Surface, data: KernelData, start: Array, mode: Array, value: float) -> Iterator[Array]:
    """Yield values of theta that belong to another mode, or seem to."""
    sds = _sd_elements(data)
    if len(sds) > 1:  # along the only one, the mode's own surroundings say the same
        for shift in (SMALLER, LARGER):
            place = start.copy()
            place[sds] += shift
            yield from _first_apart(surface, mode, value, place)
        if data.terms.shape[1] and data.terms[layout.COEFS].max() > 1:
            for _ in range(2):
                place = moment_theta(surface.effects(place), place, data)
            if np.abs(place - mode).max() > REACHES[0]:
                yield from _first_apart(surface, mode, value, place)
    for i in np.flatnonzero(np.isin(data.theta_table[:, codes.KIND], (codes.ABOVE, codes.BETWEEN, codes.CORRELATION))):
        for places in _along(data.theta_table[i], mode, int(i)):
            yield from _falls_on_the_way_out(surface, value, places)


def _first_apart(surface: Surface, mode: Array, value: float, place: Array) -> Iterator[Array]:
    """Yield a place if the surface falls anywhere on the straight way to it from a mode."""
    way = [mode + share * (place - mode) for share in (*_BETWEEN, 1.0)]
    if next(_falls_on_the_way_out(surface, value, way), None) is not None:
        yield place


def _along(row: Array, mode: Array, i: int) -> tuple[list[Array], list[Array]]:
    """Return the places to look at along element i, up and down from a mode, the centre of its prior among them."""
    reaches = [*REACHES, *(-reach for reach in REACHES)]
    centre = prior_centre(row)
    if centre is not None and abs(centre - mode[i]) > REACHES[0]:
        reaches.append(centre - mode[i])
    unit = np.eye(len(mode))[i]
    up = [mode + reach * unit for reach in sorted(reaches) if reach > 0.0]
    down = [mode + reach * unit for reach in sorted(reaches, reverse=True) if reach < 0.0]
    return up, down


def prior_centre(row: Array) -> float | None:
    """Return about where an element of theta would be if its prior alone decided.

    Parameters
    ----------
    row
        (8,) its row of the prior table.

    Returns
    -------
    float or None
        The element; None where the prior is flat or bounded on both sides.
    """
    centre = _CENTRES.get(int(row[codes.DISTRIBUTION]))
    if centre is None or row[codes.KIND] != codes.ABOVE:
        return None
    powered = centre(row[codes.FIRST], row[codes.SECOND], row[codes.THIRD])
    if powered <= 0.0:
        return None
    above = powered ** (1.0 / row[codes.POWER]) - row[codes.LOWER]
    return math.log(above) if above > 0.0 else None


def _sd_elements(data: KernelData) -> npt.NDArray[np.int64]:
    """Return the elements of theta that are terms' sds."""
    return np.unique(
        np.concatenate([np.zeros(0, dtype=np.int64), *(codes.sd_elements(data, t) for t in range(data.terms.shape[1]))])
    )


def moment_theta(effects: Array, theta: Array, data: KernelData) -> Array:
    """Replace terms' sds and correlations by those of their levels' effects.

    Parameters
    ----------
    effects
        (n_u,) of all terms.
    theta
        (d,) where the other elements come from.
    data
        The model.

    Returns
    -------
    numpy.ndarray
        (d,) theta; elements whose sd has two bounds, or whose effects are all zero, stay, and so do those of smooths.
    """
    out = theta.copy()
    for t in range(data.terms.shape[1]):
        k, levels, first, z, start = (int(data.terms[i, t]) for i in range(layout.THETA_START + 1))
        if data.blocks[z, codes.BLOCK] <= codes.SHARED:
            continue
        u = effects[first : first + k * levels].reshape(levels, k)
        squares = u.T @ u / levels
        sd = np.sqrt(np.diag(squares))
        if not np.all(np.isfinite(sd)) or np.any(sd <= 0.0):
            continue
        for c in range(k):
            row = data.theta_table[start + c]
            if row[codes.KIND] == codes.ABOVE and sd[c] > row[codes.LOWER]:
                out[start + c] = math.log(sd[c] - row[codes.LOWER])
        factor = np.linalg.cholesky(squares / np.outer(sd, sd) + 1e-9 * np.eye(k))
        position = start + k
        for c in range(k):
            for j in range(int(data.blocks[z + c, codes.BLOCK]), c):
                out[position] = np.clip(np.arcsinh(factor[c, j] / factor[c, c]), -_NEAR_ONE, _NEAR_ONE)
                position += 1
    return out
