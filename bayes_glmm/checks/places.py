"""Where a response lies in its distribution, as an interval, and what residual tests compute from it.

A whole-numbered response y has no point in its distribution but the interval from P(Y < y) to P(Y <= y). A point drawn
from the interval is uniform when the model is right, and adds noise of its own; the averages over the interval that are
computed here have the same means and less variance, which simulated responses tell. Continuous responses have intervals
of length zero and the variances of a uniform variable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]

QUANTILES = np.array([0.25, 0.5, 0.75])
_SHORT = 1e-12  # an interval no longer than that is a point


@dataclass(frozen=True, eq=False)
class NullCovariances:
    """Covariances of every row's features when the model is right.

    Parameters
    ----------
    level
        (rows, 2, 2) of `middle_and_spread`.
    score
        (rows,) variance of `square_score`.
    """

    level: Array
    score: Array

    @classmethod
    def of_points(cls, rows: int) -> NullCovariances:
        """Return those of uniform residuals.

        Parameters
        ----------
        rows
            Number of rows.

        Returns
        -------
        NullCovariances
            The same for every row.
        """
        return cls(level=np.broadcast_to(np.diag([1 / 12, 1 / 48]), (rows, 2, 2)), score=np.full(rows, 2.0))

    @classmethod
    def of_simulated(cls, lower: Array, upper: Array) -> NullCovariances:
        """Estimate them from responses that the model made.

        Parameters
        ----------
        lower, upper
            (S, rows) intervals of simulated responses, each under the draw it was simulated from.

        Returns
        -------
        NullCovariances
            Mean squares and products about the known means.
        """
        level = middle_and_spread(lower, upper) - np.array([0.5, 0.25])
        return cls(
            np.einsum("sni,snj->nij", level, level) / len(lower),
            np.square(square_score(lower, upper) - 1.0).mean(axis=0),
        )


def below_quantiles(lower: Array, upper: Array) -> Array:
    """Compute which share of each interval lies below 0.25, 0.5 and 0.75.

    Parameters
    ----------
    lower, upper
        Intervals within 0 and 1, any shape.

    Returns
    -------
    numpy.ndarray
        The shape and a last axis of three; means 0.25, 0.5, 0.75 when the model is right.
    """
    length = upper - lower
    point = length <= _SHORT
    share = (QUANTILES - lower[..., None]) / np.where(point, 1.0, length)[..., None]
    return np.where(point[..., None], lower[..., None] < QUANTILES, np.clip(share, 0.0, 1.0))


def middle_and_spread(lower: Array, upper: Array) -> Array:
    """Compute each interval's middle, and the mean distance of its points from one half.

    Parameters
    ----------
    lower, upper
        Intervals within 0 and 1, any shape.

    Returns
    -------
    numpy.ndarray
        The shape and a last axis of two; means 1/2 and 1/4 when the model is right.
    """
    middle, length = 0.5 * (lower + upper), upper - lower
    across = (np.square(0.5 - lower) + np.square(upper - 0.5)) / (2 * np.where(length > _SHORT, length, 1.0))
    within = (lower < 0.5) & (upper > 0.5) & (length > _SHORT)
    return np.stack([middle, np.where(within, across, np.abs(middle - 0.5))], axis=-1)


def square_score(lower: Array, upper: Array) -> Array:
    """Compute the mean square of the normal scores of each interval's points.

    Parameters
    ----------
    lower, upper
        Intervals within 0 and 1, any shape.

    Returns
    -------
    numpy.ndarray
        The same shape; mean 1 when the model is right.
    """
    low, high = (special.ndtri(np.clip(end, _SHORT, 1 - _SHORT)) for end in (lower, upper))
    length = upper - lower
    point = length <= _SHORT
    # the integral of z^2 phi is Phi - z phi
    tilt = high * np.exp(-0.5 * np.square(high)) - low * np.exp(-0.5 * np.square(low))
    averaged = 1.0 - tilt / (np.sqrt(2 * np.pi) * np.where(point, 1.0, length))
    return np.asarray(np.where(point, np.square(0.5 * (low + high)), np.maximum(averaged, 0.0)))
