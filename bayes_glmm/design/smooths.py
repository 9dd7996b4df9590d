"""What bends in smooth terms, as columns of X whose coefficients are independent and share one sd.

Input: smooths of a formula and prepared columns. Output: columns of X, what replays them on new rows, and `Penalised`,
one record for each set of columns that shares a sd. Straight lines are terms of the fixed part: what is left of a
smooth has, over the rows of the fit, neither mean nor trend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.encoding import Encoder, encode, fit_expression
from bayes_glmm.design.frame import first_rows, plain
from bayes_glmm.errors import DataError, PredictionError
from bayes_glmm.spec.smooths import COVARIANCES, Smooth

__all__ = ["FLOOR", "Penalised", "SmoothEncoder", "bent_sds", "encode_smooth", "fit_smooth", "penalised", "spectral_sd"]

Array = npt.NDArray[np.float64]

#: Knots of a spline, of each variable of a surface, and basis functions of a Gaussian process of one or two variables.
_KNOTS, _SURFACE_KNOTS, _FUNCTIONS = 10, 5, {1: 20, 2: 8}
#: What a Gaussian spectral density has at least, relative to that of frequency zero: without it the variances of high
#: frequencies leave the range of doubles where lengthscales are long.
FLOOR = 1e-12
#: Fewest distinct values that can bend.
_FEWEST = 4


@dataclass(frozen=True, eq=False)
class Penalised:
    """Columns of X whose coefficients are normal about zero and share one sd.

    Parameters
    ----------
    name
        ``"s(x)"``, ``"s(x, by=f)[a]"`` for the curve of one level, ``"t2(x, z)[x]"`` for a part of a surface.
    columns
        Their positions in X.
    channel
        The linear predictor that they act on.
    spectrum
        Of a Gaussian process: what its sds follow from, (columns, 4) for `spectral_sd`; None for splines.
    lengths
        Of a Gaussian process: the shortest lengthscale that its basis functions can follow, and half the range of the
        data, in the variable's unit.
    """

    name: str
    columns: tuple[int, ...]
    channel: int = 0
    spectrum: Array | None = None
    lengths: tuple[float, float] = (0.0, 0.0)

    @property
    def usual_length(self) -> float:
        """Half the half range, or one and a half times the shortest lengthscale where that is more."""
        shortest, half = self.lengths
        return max(0.5 * half, 1.5 * shortest)


@dataclass(frozen=True, eq=False)
class _Marginal:
    """Functions of one number: where it is measured from and in which unit, and knots, or boundary and frequencies."""

    origin: float
    unit: float
    knots: Array | None = None
    root: Array | None = None
    boundary: float = 0.0
    size: int = 0


@dataclass(frozen=True, eq=False)
class _Part:
    """A set of columns with one sd: the rows it is about, what is taken off its columns, and their unit."""

    name: str
    members: tuple[int, ...]
    level: str | int | float | None
    off: Array
    unit: float


@dataclass(frozen=True, eq=False)
class SmoothEncoder:
    """What replays one smooth: expressions, their functions, and the parts of it that have a sd each."""

    smooth: Smooth
    variables: tuple[Encoder, ...]
    marginals: tuple[_Marginal, ...]
    parts: tuple[_Part, ...]

    @property
    def size(self) -> int:
        """The number of columns."""
        return sum(part.off.shape[1] for part in self.parts)


def fit_smooth(smooth: Smooth, frame: pd.DataFrame) -> tuple[SmoothEncoder, Array]:
    """Make the columns of a smooth for the first time.

    Parameters
    ----------
    smooth
        The term.
    frame
        Prepared columns (floats and categoricals) without missing values.

    Returns
    -------
    encoder : SmoothEncoder
        Replays it.
    columns : numpy.ndarray
        (rows, columns) for coefficients with one sd a part, scaled so that this sd is the root mean square over the
        rows of what bends (of a Gaussian process: nearly, its sd as the process has it).

    Raises
    ------
    DataError
        If a column has too few distinct values, all in all or in one level.

    Notes
    -----
    A natural cubic spline with knots at quantiles of the distinct values, as mgcv's ``bs="cr"``. With g its second
    derivatives at the inner knots, the penalty on its squared second derivative is g'Bg, B tridiagonal; with B = LL'
    and u = L'g the prior is u ~ N(0, sd^2 I), which is the spline's mixed-model form. Two variables: mgcv's ``t2``. A
    Gaussian process: sines on a domain c times as wide as the data, times the root of its spectral density.

    References
    ----------
    Wood, S. N. (2017). Generalized Additive Models, 2nd edition, sections 5.3.1 and 5.8. doi:10.1201/9781315370279.
    Wood, Scheipl, Faraway (2013). Straightforward intermediate rank tensor product smoothing in mixed models.
    Statistics and Computing 23, 341-360. doi:10.1007/s11222-012-9314-z.
    Riutort-Mayol et al. (2023). Practical Hilbert space approximate Bayesian Gaussian processes. Statistics and
    Computing 33, 17. doi:10.1007/s11222-022-10167-2.
    """
    encoded = [fit_expression(text, frame) for text in smooth.variables]
    values = [column for _, column in encoded]
    marginals = tuple(_marginal(smooth, i, column) for i, column in enumerate(values))
    parts = tuple(_fit_parts(smooth, marginals, values, frame))
    encoder = SmoothEncoder(smooth, tuple(one for one, _ in encoded), marginals, parts)
    return encoder, _columns(encoder, values, frame)


def encode_smooth(encoder: SmoothEncoder, frame: pd.DataFrame, *, finite: bool = True) -> Array:
    """Make the columns of a smooth at new rows.

    Parameters
    ----------
    encoder
        What the fit learned.
    frame
        Prepared columns with the levels of the fit.
    finite
        Whether rows where the smooth is not known are an error.

    Returns
    -------
    numpy.ndarray
        (rows, columns); splines are straight beyond the knots, Gaussian processes NaN beyond their domain.

    Raises
    ------
    PredictionError
        If values lie outside the domain of a Gaussian process.
    """
    values = [encode(one, frame, finite=finite)[:, 0] for one in encoder.variables]
    for text, marginal, column in zip(encoder.smooth.variables, encoder.marginals, values, strict=True):
        outside = np.abs(column - marginal.origin) > marginal.boundary * marginal.unit
        if finite and marginal.knots is None and outside.any():
            low, high = (marginal.origin + side * marginal.boundary * marginal.unit for side in (-1, 1))
            raise PredictionError(
                f"{encoder.smooth.label} is known where {text} is from {low:.6g} to {high:.6g}; it is "
                f"{column[outside][0]:.6g} in {first_rows(frame.index, outside)}. A larger c= reaches further."
            )
    return _columns(encoder, values, frame)


def penalised(encoder: SmoothEncoder, start: int, channel: int, before: str) -> Iterator[Penalised]:
    """Name the sets of columns of a smooth that share a sd.

    Parameters
    ----------
    encoder
        A fitted smooth.
    start
        Position of its first column in X.
    channel
        The linear predictor it acts on.
    before
        What its names begin with, ``"sigma_"``; empty for the mean's.
    """
    spectrum = None if encoder.smooth.kind != "hsgp" else _spectrum(encoder)
    lengths = (0.0, 0.0)
    if spectrum is not None:
        # Riutort-Mayol et al. (2023), equation 20: 1.75 c / m of half the range
        shortest = max(1.75 * one.boundary / one.size * one.unit for one in encoder.marginals)
        lengths = (shortest, max(one.unit for one in encoder.marginals))
    for part in encoder.parts:
        size = part.off.shape[1]
        yield Penalised(f"{before}{part.name}", tuple(range(start, start + size)), channel, spectrum, lengths)
        start += size


# ------------------------------------------------------------------ functions of one number


def _marginal(smooth: Smooth, i: int, x: Array) -> _Marginal:
    """Choose what one variable's functions are on the data of the fit."""
    distinct = np.unique(x)
    name = smooth.variables[i]
    if smooth.kind == "hsgp":
        if len(distinct) < _FEWEST:
            raise DataError(_too_few(smooth.label, name, len(distinct)))
        size = smooth.sizes[i] if smooth.sizes else _FUNCTIONS[len(smooth.variables)]
        low, high = float(distinct[0]), float(distinct[-1])
        return _Marginal(0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low, boundary=smooth.boundary, size=size)
    least = _FEWEST if smooth.kind == "s" else 3
    if len(distinct) < least:
        raise DataError(_too_few(smooth.label, name, len(distinct)))
    usual = _KNOTS if smooth.kind == "s" else _SURFACE_KNOTS
    size = smooth.sizes[i] if smooth.sizes else min(usual, len(distinct))
    if size > len(distinct):
        raise DataError(
            f"{smooth.label}: {name} has {len(distinct)} distinct values, fewer than the {size} knots of k={size}. "
            f"Give k={len(distinct)} or less."
        )
    low, unit = float(distinct[0]), float(distinct[-1] - distinct[0])
    knots = np.quantile((distinct - low) / unit, np.linspace(0.0, 1.0, size))
    h = np.diff(knots)
    gram = np.diag((h[:-1] + h[1:]) / 3.0) + np.diag(h[1:-1] / 6.0, 1) + np.diag(h[1:-1] / 6.0, -1)
    # f'' is the hat functions times L'^-1 u
    return _Marginal(low, unit, knots=knots, root=np.linalg.inv(np.linalg.cholesky(gram)).T, size=size)


def _too_few(label: str, name: str, count: int) -> str:
    return (
        f"{label}: {name} has {count} distinct value{'s' * (count != 1)}, too few for a curve, which takes {_FEWEST} "
        f"or more. Use {name} itself for a straight line, or factor({name}) for a mean of each value."
    )


def _functions(marginal: _Marginal, x: Array) -> Array:
    """Return what bends along one number, (rows, functions): integrals of hats twice over, or sines."""
    z = (x - marginal.origin) / marginal.unit
    if marginal.knots is None:
        width = marginal.boundary
        values = np.sin(np.pi * np.arange(1, marginal.size + 1) * (z[:, None] + width) / (2.0 * width))
        values[np.abs(z) > width * (1.0 + 1e-12)] = np.nan
        return np.asarray(values)
    from scipy.interpolate import PPoly

    knots, inner = marginal.knots, len(marginal.knots) - 2
    hats = np.vstack([np.zeros(inner), np.eye(inner), np.zeros(inner)])
    slopes = np.diff(hats, axis=0) / np.diff(knots)[:, None]
    bend = PPoly(np.stack([slopes, hats[:-1]]), knots).antiderivative(2)
    inside = np.clip(z, 0.0, 1.0)
    values = bend(inside) + (z - inside)[:, None] * bend(inside, nu=1)
    return np.asarray(values @ marginal.root)


# ------------------------------------------------------------------ parts


def _products(encoder_parts: Sequence[Array]) -> Array:
    """Multiply the columns of several arrays, each by each: (rows, product of sizes)."""
    total = encoder_parts[0]
    for other in encoder_parts[1:]:
        total = (total[:, :, None] * other[:, None, :]).reshape(len(total), -1)
    return total


def _members(smooth: Smooth) -> list[tuple[int, ...]]:
    """List which variables bend in each part: each of a surface's, and both together."""
    if smooth.kind == "t2":
        return [(0,), (1,), (0, 1)]
    return [tuple(range(len(smooth.variables)))]


def _bent(encoder: SmoothEncoder, members: tuple[int, ...], values: Sequence[Array]) -> Array:
    """Return the raw columns of one part: what bends along its members, times lines along the others."""
    factors = []
    for i, (marginal, x) in enumerate(zip(encoder.marginals, values, strict=True)):
        factors.append(_functions(marginal, x) if i in members else _lines(marginal, x))
    return _products(factors)


def _lines(marginal: _Marginal, x: Array) -> Array:
    """Return a constant and the number itself, (rows, 2), of one size over the range of the data."""
    return np.column_stack([np.ones(len(x)), np.sqrt(12.0) * ((x - marginal.origin) / marginal.unit - 0.5)])


def _straight(encoder: SmoothEncoder, values: Sequence[Array]) -> Array:
    """Return what is taken off: a constant, lines and their products; of a Gaussian process a constant."""
    if encoder.smooth.kind == "hsgp":
        return np.ones((len(values[0]), 1))
    return _products([_lines(marginal, x) for marginal, x in zip(encoder.marginals, values, strict=True)])


def _multiplier(smooth: Smooth, level: str | int | float | None, frame: pd.DataFrame) -> Array:
    """Return what multiplies a part's columns: one, a column of numbers, or whether a row has a level."""
    if smooth.by is None:
        return np.ones(len(frame))
    column = frame[smooth.by]
    if level is None:
        return np.asarray(column.to_numpy(dtype=float))
    return np.array([plain(one) == level for one in column.cat.categories], dtype=float)[column.cat.codes.to_numpy()]


def _fit_parts(
    smooth: Smooth, marginals: tuple[_Marginal, ...], values: Sequence[Array], frame: pd.DataFrame
) -> Iterator[_Part]:
    """State each part at the rows of the fit: what is taken off its columns there, and their unit."""
    draft = SmoothEncoder(smooth, (), marginals, ())
    levels: list[str | int | float | None] = [None]
    if smooth.by is not None and isinstance(frame[smooth.by].dtype, pd.CategoricalDtype):
        levels = [plain(one) for one in frame[smooth.by].cat.remove_unused_categories().cat.categories]
    for level in levels:
        times = _multiplier(smooth, level, frame)
        own = times != 0.0
        for text, x in zip(smooth.variables, values, strict=True):
            count = len(np.unique(x[own]))
            if count < (_FEWEST if smooth.kind != "t2" else 3):
                where = (
                    f"{text} where {smooth.by} is {level}"
                    if level is not None
                    else f"{text} where {smooth.by} is not 0"
                )
                raise DataError(_too_few(smooth.label, where, count))
        straight = times[own, None] * _straight(draft, [x[own] for x in values])
        for members in _members(smooth):
            bent = times[own, None] * _bent(draft, members, [x[own] for x in values])
            if smooth.kind == "hsgp" and smooth.by is not None and level is None:
                off = np.zeros((1, bent.shape[1]))
            else:
                off = np.linalg.lstsq(straight, bent, rcond=None)[0]
            left = bent - straight @ off
            unit = 1.0 if smooth.kind == "hsgp" else float(np.sqrt(np.square(left).sum(axis=1).mean()))
            name = smooth.label if level is None else f"{smooth.label}[{level}]"
            if smooth.kind == "t2":
                name = f"{name}[{', '.join(smooth.variables[i] for i in members)}]"
            yield _Part(name, members, level, off, unit)


def _columns(encoder: SmoothEncoder, values: Sequence[Array], frame: pd.DataFrame) -> Array:
    """Make all parts' columns side by side."""
    columns = []
    straight = _straight(encoder, values)
    for part in encoder.parts:
        times = _multiplier(encoder.smooth, part.level, frame)
        bent = _bent(encoder, part.members, values) - straight @ part.off
        columns.append(times[:, None] * bent / part.unit)
    return np.hstack(columns)


def _spectrum(encoder: SmoothEncoder) -> Array:
    """Return squared frequency, number of variables, Matern's nu and log constant of each column (columns, 4).

    With these log S = constant + D log l - (nu + D/2) log(2 nu + l^2 w^2), or, where nu is infinite, which is written
    as zero, constant + D log l + log(exp(-l^2 w^2 / 2) + `FLOOR`). The constant holds what sines lack to
    eigenfunctions, 1 / L a variable.
    """
    count, nu = len(encoder.marginals), COVARIANCES[encoder.smooth.covariance]
    widths = [one.boundary * one.unit for one in encoder.marginals]
    each = [
        np.square(np.pi * np.arange(1, one.size + 1) / (2.0 * width))
        for one, width in zip(encoder.marginals, widths, strict=True)
    ]
    squares = each[0] if count == 1 else (each[0][:, None] + each[1]).ravel()
    if nu == 0.0:
        constant = 0.5 * count * math.log(2.0 * math.pi)
    else:
        constant = count * math.log(2.0) + 0.5 * count * math.log(math.pi) + nu * math.log(2.0 * nu)
        constant += math.lgamma(nu + 0.5 * count) - math.lgamma(nu)
    constant -= sum(math.log(width) for width in widths)
    rows = [squares, np.full_like(squares, count), np.full_like(squares, nu), np.full_like(squares, constant)]
    return np.column_stack(rows)


def bent_sds(parts: Sequence[Penalised], sd: Array, lengthscale: Array) -> Array:
    """Return the sd of every coefficient of what bends, part after part.

    Parameters
    ----------
    parts
        ``Design.penalised``.
    sd, lengthscale
        (..., parts) and (..., Gaussian processes), in the parts' order.

    Returns
    -------
    numpy.ndarray
        (..., coefficients), link scale.
    """
    sds, gp = [], 0
    for i, part in enumerate(parts):
        each = np.ones(len(part.columns))
        if part.spectrum is not None:
            each, gp = spectral_sd(part.spectrum, lengthscale[..., gp]), gp + 1
        sds.append(sd[..., i, None] * each)
    return np.concatenate(sds, axis=-1)


def spectral_sd(spectrum: Array, lengthscale: Array) -> Array:
    """Return the sds of a Gaussian process's coefficients where the process itself has the sd one.

    Parameters
    ----------
    spectrum
        (columns, 4) as `Penalised` has it.
    lengthscale
        (...,) in the variable's unit.

    Returns
    -------
    numpy.ndarray
        (..., columns)
    """
    squares, count, nu, constant = spectrum.T
    length = np.asarray(lengthscale)[..., None]
    bend = np.square(length) * squares
    smooth = nu == 0.0
    rough = (nu + 0.5 * count) * np.log(np.where(smooth, 1.0, 2.0 * nu + bend))
    fall = np.where(smooth, -np.log(np.exp(-0.5 * bend) + FLOOR), rough)
    return np.asarray(np.exp(0.5 * (constant + count * np.log(length) - fall)))
