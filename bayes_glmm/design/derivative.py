"""Derivatives of a design's columns with respect to a number of the data, row by row, and designs moved along them.

Input: the fitted design, a design at the rows asked for, and a numeric column. Output: a `Derivative`. No draw is
needed: the columns of ``log(x)``, ``bs(x, df=4)`` or ``x:f`` are functions of the data alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.encoding import encode
from bayes_glmm.design.frame import first_rows, prepared
from bayes_glmm.errors import PredictionError

__all__ = ["Derivative", "differentiate", "moved"]

Array = npt.NDArray[np.float64]

_FIRST_STEP = 2e-3  # of the variable's sd, here and along the tangent
_REFINEMENT = 4.0  # the stencils' error falls 256-fold
_LEVELS = 30
_GOAL, _ENOUGH = 1e-10, 1e-6
_EPS = float(np.finfo(float).eps)
_CONSTANT = 1e-10  # a column that varies less, relative to its size, varies by rounding
_VISIBLE = 1e-5  # of a column's value: a step moves it by so much at least where it would by more, or rounding counts
# (weight, point, point that is taken off): differences of neighbours lose no digits where values are large
_CENTRAL = ((8.0, 1, -1), (-1.0, 2, -2))
_FORWARD = ((48.0, 1, 0), (-36.0, 2, 0), (16.0, 3, 0), (-3.0, 4, 0))


@dataclass(frozen=True, eq=False)
class Derivative:
    """Derivatives of everything in a design that a number enters.

    Parameters
    ----------
    X
        Of the fixed-effect columns, (rows, coefficients).
    offset
        Of the mean's offset, (rows,).
    Z
        Of the columns of each grouping factor, (rows, coefficients) each.
    steps
        (rows,) a step of the number that is small for every column: 0.002 sd of the number, less where a column is
        steeper than it is over the data as a whole and moves by more than 1e-5 of its value.
    offsets
        Of the offsets of further parameters, (parameters, rows).
    """

    X: Array
    offset: Array
    Z: tuple[Array, ...]
    steps: Array
    offsets: Array


def differentiate(fitted: Design, design: Design, name: str) -> Derivative:
    """Differentiate the columns of a design with respect to a number.

    Parameters
    ----------
    fitted
        The design of the data that were fitted, whose spread sets the steps.
    design
        The rows.
    name
        A numeric column of the formula.

    Returns
    -------
    Derivative
        One row for each row of `design`.

    Raises
    ------
    PredictionError
        If a column has no derivative at some rows, such as ``sqrt(x)`` at zero.

    Notes
    -----
    Five-point differences: central ones, or one-sided ones where a value that the central ones need cannot be computed
    or lies outside the values of the fit and of the rows. The step starts at 0.002 sd and falls by factors of four; of
    every row and column the step counts after which the result changes least, rounding included. At a kink (``abs(x)``
    at zero) the result is the mean of the slopes on its two sides.

    References
    ----------
    Abramowitz, M. and Stegun, I. A. (1964). Handbook of Mathematical Functions, equation 25.3.6 and table 25.2.
    """
    data, values = (one.frame[name].to_numpy(dtype=float) for one in (fitted, design))
    spread = float(data.std()) or max(1.0, float(np.abs(data).max()))
    columns, labels = _columns(design, name, data)
    own = _columns(fitted, name, data)[0](data, np.arange(len(data)))
    scale = np.where(own.std(axis=0) > _CONSTANT * np.abs(own).max(axis=0), own.std(axis=0), 0.0) / spread
    step = 2.0 ** round(np.log2(_FIRST_STEP * spread))  # a power of two: x + h - x is h nearly exactly
    slope, change, centre = _refined(columns, values, scale, step)
    bad = ~(change <= _ENOUGH * (np.abs(slope) + scale))
    if bad.any():
        column = int(np.argmax(bad.any(axis=0)))
        example = values[bad[:, column]][0]
        raise PredictionError(
            f"{labels[column]!r} has no derivative with respect to {name!r} that can be found in "
            f"{first_rows(design.index, bad[:, column])} (for example at {name} = {example:g}). Leave these rows out, "
            f"or compare two values: comparisons(fit, {{{name!r}: (low, high)}})."
        )
    usual = np.maximum(scale, _VISIBLE * np.abs(centre) / step)
    steep = np.divide(np.abs(slope), usual, out=np.zeros_like(slope), where=usual > 0).max(axis=1, initial=1.0)
    ends = np.cumsum([len(fitted.coefs), 1 + len(design.offsets), *(len(term.coefs) for term in design.groups)])
    X, offset, *Z = np.split(slope, ends[:-1], axis=1)
    return Derivative(X, offset[:, 0], tuple(Z), step / steep, offset[:, 1:].T)


def moved(design: Design, derivative: Derivative, multiples: Sequence[float]) -> Design:
    """Move a design along its tangent.

    Parameters
    ----------
    design
        The rows.
    derivative
        Their derivatives.
    multiples
        How many of the rows' own steps to move.

    Returns
    -------
    Design
        The rows once for each multiple, below each other: X + multiple * step * dX, and so on.
    """

    def stacked(base: Array, slope: Array) -> Array:
        steps = derivative.steps.reshape(-1, *(1,) * (base.ndim - 1))
        return np.concatenate([base + multiple * steps * slope for multiple in multiples])

    copies = len(multiples)
    groups = tuple(
        replace(term, Z=stacked(term.Z, slope), codes=np.tile(term.codes, copies))
        for term, slope in zip(design.groups, derivative.Z, strict=True)
    )
    return replace(
        design,
        X=stacked(design.X, derivative.X),
        offset=stacked(design.offset, derivative.offset),
        offsets=stacked(design.offsets.T, derivative.offsets.T).T,
        groups=groups,
        response=None,
        trials=None if design.trials is None else np.tile(design.trials, copies),
        precision=None if design.precision is None else np.tile(design.precision, copies),
        known={name: np.tile(values, copies) for name, values in design.known.items()},
        index=design.index.append([design.index] * (copies - 1)),
    )


def _columns(
    design: Design, name: str, data: Array
) -> tuple[Callable[[Array, npt.NDArray[np.intp]], Array], list[str]]:
    """Everything a number enters, as a function of its values at some rows: fixed effects, offset, grouping factors."""
    encoders = design.encoders
    predictors = prepared(design.frame, encoders.kinds)
    own = predictors[name].to_numpy(dtype=float)
    low, high = min(data.min(), own.min()), max(data.max(), own.max())
    if low == high:
        low, high = -np.inf, np.inf
    effects = [encoder for group in encoders.groups for encoder in group.effects]
    labels = [*design.coefs, *["offset"] * len(encoders.all_offsets), *(coef for e in effects for coef in e.coefs)]

    def columns(values: Array, rows: npt.NDArray[np.intp]) -> Array:
        inside = (values >= low) & (values <= high)
        frame = predictors.iloc[rows].assign(**{name: np.where(inside, values, own[rows])})
        offset = np.zeros((len(rows), len(encoders.all_offsets)))
        for c, several in enumerate(encoders.all_offsets):
            for encoder in several:
                offset[:, [c]] += encode(encoder, frame, finite=False)
        random = [encode(encoder, frame, finite=False) for encoder in effects]
        result = np.hstack([encoders.columns(frame, finite=False), offset, *random])
        result[~inside] = np.nan
        return result

    return columns, labels


def _refined(
    columns: Callable[[Array, npt.NDArray[np.intp]], Array], values: Array, scale: Array, step: float
) -> tuple[Array, Array, Array]:
    """Differences with ever smaller steps.

    Of each element the one that seems best, how far the next one is off, and the element itself.
    """
    rows = np.arange(len(values))
    everything = centre = columns(values, rows)
    best, change, least = (np.full(centre.shape, fill) for fill in (np.nan, np.inf, np.inf))
    before = np.full(centre.shape, np.nan)
    for _ in range(_LEVELS):
        now = _difference(columns, values, rows, centre, step)
        off, size = np.abs(now - before), np.maximum(np.abs(now), np.abs(before))
        noise = _EPS * (np.abs(centre) + np.abs(values)[:, None] * (size + scale)) / step
        better = off + noise < least[rows]
        for array, value in ((best, before), (change, off), (least, off + noise)):
            array[rows] = np.where(better, value, array[rows])
        going = ~np.all(least[rows] <= _GOAL * size + 8 * noise, axis=1)
        if not going.any():
            break
        rows, values, centre, before = rows[going], values[going], centre[going], now[going]
        step /= _REFINEMENT
    return best, change, everything


def _difference(
    columns: Callable[[Array, npt.NDArray[np.intp]], Array],
    values: Array,
    rows: npt.NDArray[np.intp],
    centre: Array,
    step: float,
) -> Array:
    """Five-point differences at some rows: central, else one-sided to the right, else to the left."""
    slope = np.full(centre.shape, np.nan)
    open_rows = np.arange(len(rows))
    for stencil, side in ((_CENTRAL, step), (_FORWARD, step), (_FORWARD, -step)):
        total = np.zeros((len(open_rows), centre.shape[1]))
        for weight, *points in stencil:
            high, low = (
                columns(values[open_rows] + point * side, rows[open_rows]) if point else centre[open_rows]
                for point in points
            )
            with np.errstate(invalid="ignore"):
                total += weight * (high - low)
        slope[open_rows] = total / (12.0 * side)
        open_rows = open_rows[~np.isfinite(total).all(axis=1)]
        if not len(open_rows):
            break
    return slope
