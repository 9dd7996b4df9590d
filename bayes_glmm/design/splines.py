"""Natural cubic splines: R's ``ns()`` and the restricted cubic splines of Hmisc and rms, ``rcs()``.

Input: a column and what R's functions take. Output: the columns of the basis, (rows, columns), with knots that are
chosen on the data of the fit and kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.errors import DataError

__all__ = ["natural_spline", "natural_spline_state", "restricted_knots", "restricted_spline"]

Array = npt.NDArray[np.float64]


def natural_spline_state(x: Array, df: Any, knots: Any, intercept: Any, bounds: Any) -> dict[str, Any]:
    """Choose the knots of a natural cubic spline as R's `splines::ns` does.

    Parameters
    ----------
    x
        (rows,) the data of the fit.
    df
        Number of columns; None for as many as the knots make.
    knots
        Interior knots; None for quantiles of `x`.
    intercept
        Whether the basis can make a constant.
    bounds
        Two boundary knots; None for the range of `x`.

    Returns
    -------
    dict
        ``knots``, ``bounds`` and ``intercept``: the arguments of `natural_spline`.

    Raises
    ------
    DataError
        If the arguments make no spline.
    """
    low, high = (float(x.min()), float(x.max())) if bounds is None else (float(bounds[0]), float(bounds[1]))
    if not low < high:
        raise DataError("ns() needs a column of two distinct values or more, and boundary knots in increasing order.")
    if knots is None:
        count = 0 if df is None else int(df) - 1 - bool(intercept)
        if count < 0:
            raise DataError(f"ns() of df={df} has no columns; give df=1 or more.")
        inside = x[(x >= low) & (x <= high)]
        places = np.quantile(inside, np.linspace(0, 1, count + 2)[1:-1])
    else:
        places = np.sort(np.atleast_1d(np.asarray(knots, dtype=float)))
    if len(places) and not (np.all(np.diff(places) > 0) and low < places[0] and places[-1] < high):
        raise DataError(
            f"ns() needs distinct knots between {low:g} and {high:g}, and has {', '.join(f'{k:g}' for k in places)}; "
            "give fewer, or knots=c(...)."
        )
    return {"knots": places, "bounds": (low, high), "intercept": bool(intercept)}


def natural_spline(x: Array, knots: Array, bounds: tuple[float, float], intercept: bool) -> Array:
    """Return R's basis of natural cubic splines, straight lines beyond the boundary knots.

    Parameters
    ----------
    x
        (rows,) values.
    knots
        Interior knots, increasing.
    bounds
        Boundary knots.
    intercept
        Whether the basis can make a constant.

    Returns
    -------
    numpy.ndarray
        (rows, interior knots + 1 + intercept).

    Notes
    -----
    Cubic B-splines, projected on the space whose second derivatives at the boundary knots are zero by the QR
    decomposition of these derivatives, as in R's `splines::ns`.
    """
    from scipy.interpolate import BSpline

    low, high = bounds
    places = np.concatenate([[low] * 4, knots, [high] * 4])
    basis = BSpline(places, np.eye(len(places) - 4), 3)
    curvature = basis.derivative(2)([low, high])
    values = basis(np.clip(x, low, high))
    for place, outside in ((low, x < low), (high, x > high)):
        if outside.any():
            values[outside] = basis(place) + (x[outside] - place)[:, None] * basis.derivative(1)(place)
    values[~np.isfinite(x)] = np.nan
    first = 0 if intercept else 1
    rotation = np.linalg.qr(curvature[:, first:].T, mode="complete")[0]
    return np.asarray(values[:, first:] @ rotation[:, 2:])


def restricted_knots(x: Array, knots: Any) -> Array:
    """Choose the knots of a restricted cubic spline as `Hmisc::rcspline.eval` does.

    Parameters
    ----------
    x
        (rows,) the data of the fit.
    knots
        Their number, three or more, or their places.

    Returns
    -------
    numpy.ndarray
        Knots, increasing.

    Raises
    ------
    DataError
        If there are fewer than three distinct knots.
    """
    if isinstance(knots, list):
        places = np.unique(np.asarray(knots, dtype=float))
    elif isinstance(knots, (int, float)) and knots == int(knots) and knots >= 3:
        places = _default_knots(np.sort(x), int(knots))
    else:
        raise DataError(
            f"rcs() needs three knots or more, rcs(x, 5), or their places, rcs(x, c(1, 4, 9)); not {knots!r}."
        )
    if len(places) < 3:
        raise DataError("rcs() needs three distinct knots or more; the column has too few values for them.")
    return places


def _default_knots(x: Array, count: int) -> Array:
    values, counts = np.unique(x, return_counts=True)
    if len(values) - 2 <= count:
        return values[1:-1]
    outer = 0.1 if count == 3 else 0.05 if count <= 6 else 0.025
    first, last, share = [], [], counts / len(x)
    if share[1:-1].max() < 0.05:  # a heap at an end of the range has a knot of its own beside it
        if share[0] >= 0.05:
            first = [values[1]]
            x = x[x > values[1]]
        if share[-1] >= 0.05:
            last = [values[-2]]
            x = x[x < values[-2]]
    inner = count - len(first) - len(last)
    if inner == 1:
        places = np.array([np.median(x)])
    else:
        places = np.quantile(x, np.linspace(0.5 if inner == 2 else outer, 1.0 - outer, inner))
        if len(np.unique(places)) < min(inner, 3):
            places = np.quantile(x, np.linspace(outer, 1.0 - outer, 2 * inner))
    if len(x) < 100:
        places[0] = places[0] if first else x[4]
        places[-1] = places[-1] if last else x[-5]
    return np.unique(np.concatenate([first, places, last]))


def restricted_spline(x: Array, knots: Array) -> Array:
    """Return the basis of a restricted cubic spline: the column itself, and cubics that are straight beyond the knots.

    Parameters
    ----------
    x
        (rows,) values.
    knots
        Three or more, increasing.

    Returns
    -------
    numpy.ndarray
        (rows, knots - 1).

    References
    ----------
    Harrell, F. E. (2015). Regression Modeling Strategies, 2nd edition, equation 2.25, divided by the squared range of
    the knots as in `Hmisc::rcspline.eval`. https://doi.org/10.1007/978-3-319-19425-7
    """
    scale = (knots[-1] - knots[0]) ** (2.0 / 3.0)

    def cube(place: float) -> Array:
        return np.maximum((x - place) / scale, 0.0) ** 3

    last, before = knots[-1], knots[-2]
    columns = [
        cube(place) + ((before - place) * cube(last) - (last - place) * cube(before)) / (last - before)
        for place in knots[:-2]
    ]
    return np.column_stack([x, *columns])
