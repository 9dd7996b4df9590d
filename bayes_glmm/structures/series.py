"""Effects along series in time: autoregressive ones of order one, and Ornstein-Uhlenbeck processes.

Input: which series each level belongs to, and when it is. Output: a `Series`. Given the level before it, a level is
N(r u, 1 - r^2), where r, the correlation over the gap, is rho^gap or exp(-rate gap). From that follow joint draws, the
precision as a sum over gaps, and the distribution of times between and after those fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.priors import Prior
from bayes_glmm.structures.dependence import KINDS, DependenceParameter
from bayes_glmm.structures.precisions import PrecisionParts

__all__ = ["Clock", "Series"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Clock:
    """How a column's values are read as times.

    Parameters
    ----------
    kind
        ``"numbers"``, ``"dates"`` (as days) or ``"categories"`` (as positions).
    origin, step
        What is taken off, and what the rest is divided by.
    whole
        Whether times must be whole numbers of steps.
    categories
        The categories, as text.
    """

    kind: str
    origin: float = 0.0
    step: float = 1.0
    whole: bool = False
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Series:
    """Effects with variance one whose correlation falls with the distance in time; those of two series are independent.

    Parameters
    ----------
    kind
        ``"ar1"`` or ``"ou"``.
    labels
        A label per level.
    series
        (levels,) the series of each.
    times
        (levels,) when it is: in steps, whole numbers, for ``"ar1"``; in the column's own unit for ``"ou"``.
    parameter
        What the correlation depends on.
    clock
        How times of new rows are read.
    fitted
        How many of the levels were fitted; those of new rows stand behind them.
    """

    kind: str
    labels: tuple[Any, ...]
    series: npt.NDArray[np.int64]
    times: Array
    parameter: DependenceParameter
    clock: Clock
    fitted: int

    @classmethod
    def of(cls, kind: str, labels: Sequence[Any], series: Codes, times: Array, spacing: float, clock: Clock) -> Series:
        """Describe the levels of a fit; `spacing` is what the default prior of a rate takes as the unit of time."""
        parameter = KINDS[kind]
        assert parameter is not None
        if kind == "ou":
            prior = Prior("Exponential", lam=spacing)
            parameter = replace(parameter, prior=prior, start=0.5 / spacing)
        return cls(kind, tuple(labels), np.asarray(series, dtype=np.int64), times, parameter, clock, len(labels))

    def with_levels(self, labels: Sequence[Any], series: Codes, times: Array) -> Series:
        """Add levels of new rows behind those fitted."""
        return replace(
            self,
            labels=(*self.labels, *labels),
            series=np.concatenate([self.series, series]),
            times=np.concatenate([self.times, times]),
        )

    @property
    def size(self) -> int:
        """The number of levels that were fitted."""
        return self.fitted

    @property
    def symbol(self) -> str:
        """How the correlation matrix is written in LaTeX."""
        return rf"C({self.parameter.latex})"

    @property
    def variances(self) -> Array:
        """(fitted,) ones."""
        return np.ones(self.fitted)

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """(fitted,) the levels by series and time."""
        return np.lexsort((self.times[: self.fitted], self.series[: self.fitted]))

    @cached_property
    def previous(self) -> npt.NDArray[np.int64]:
        """(fitted,) the level before each in its series; -1 for the first."""
        order, before = self.order, np.full(self.fitted, -1, dtype=np.int64)
        same = self.series[order[1:]] == self.series[order[:-1]]
        before[order[1:][same]] = order[:-1][same]
        return before

    @cached_property
    def gaps(self) -> Array:
        """(fitted,) time since the level before; zero for the first of a series."""
        return np.where(self.previous < 0, 0.0, self.times[: self.fitted] - self.times[self.previous])

    def correlation(self, gap: Any, value: Any) -> Any:
        """Return the correlation of two levels a gap apart, for values of the parameter that broadcast."""
        return value**gap if self.kind == "ar1" else np.exp(-value * gap)

    def share_ancestors(self, codes: Codes) -> bool:
        """Say whether any two of some levels are of one series."""
        series = self.series[np.unique(codes)]
        return len(np.unique(series)) < len(series)

    def related(self, standard: Array, value: Array) -> Array:
        """Turn independent standard normal values (levels, any) into effects, for a parameter (any,)."""
        u = standard.copy()
        for level in self.order:
            before = self.previous[level]
            if before >= 0:
                r = self.correlation(self.gaps[level], value)
                u[level] = r * u[before] + np.sqrt(1.0 - np.square(r)) * standard[level]
        return u

    def spread(self, value: Array) -> Array:
        """Return the variances (1, levels) beside the sd's square."""
        return np.ones((1, self.fitted))

    def given_others(self, effects: Array, levels: Codes, value: Array) -> tuple[Array, Array]:
        """Return mean (S, m, k) and scale (S, m) of fitted levels, each given all others' effects (S, levels, k)."""
        before = self.previous[levels]
        after = np.full(self.fitted + 1, -1, dtype=np.int64)
        after[self.previous] = np.arange(self.fitted)
        return self._between(effects, self.times[levels], before, after[:-1][levels], value)

    def continued(self, effects: Array, deviations: Array, value: Array) -> Array:
        """Draw new levels (S, new, k), one after the other, given those fitted and those drawn before.

        `effects` (S, fitted, k) are those of the fitted levels, `deviations` (S, new, k) draws of N(0, Sigma).
        """
        fitted, drawn = self.fitted, np.concatenate([effects, np.zeros_like(deviations)], axis=1)
        new = fitted + np.lexsort((self.times[fitted:], self.series[fitted:]))
        known = list(range(fitted))
        for level in new:
            own = np.array([one for one in known if self.series[one] == self.series[level]], dtype=np.int64)
            earlier, later = own[self.times[own] <= self.times[level]], own[self.times[own] > self.times[level]]
            before = earlier[np.argmax(self.times[earlier])] if len(earlier) else -1
            after = later[np.argmin(self.times[later])] if len(later) else -1
            mean, scale = self._between(drawn, self.times[[level]], np.array([before]), np.array([after]), value)
            drawn[:, level] = mean[:, 0] + deviations[:, level - fitted] * scale[:, :1]
            known.append(int(level))
        return drawn[:, fitted:]

    def _between(self, effects: Array, times: Array, before: Codes, after: Codes, value: Array) -> tuple[Array, Array]:
        """Return mean (S, m, k) and scale (S, m) at times given the levels before and after them, -1 for none."""
        value = np.asarray(value, dtype=float).reshape(-1, 1)
        left, right = (
            np.where(level < 0, 0.0, self.correlation(np.abs(times - self.times[level]), value))
            for level in (before, after)
        )
        rest = 1.0 - np.square(left * right)
        one, other = left * (1.0 - np.square(right)) / rest, right * (1.0 - np.square(left)) / rest
        mean = one[:, :, None] * effects[:, before] + other[:, :, None] * effects[:, after]
        return mean, np.sqrt((1.0 - np.square(left)) * (1.0 - np.square(right)) / rest)

    def log_density(self, effects: Array, value: Array) -> tuple[Array, Array]:
        """Return u'Qu (S, k) of effects (S, levels, k), and the log determinant of Q (S,)."""
        value = np.asarray(value, dtype=float)[:, None]
        linked = self.previous >= 0
        r = np.where(linked, self.correlation(self.gaps, value), 0.0)
        innovations = 1.0 - np.square(r)
        left = effects - r[:, :, None] * effects[:, self.previous]
        return (np.square(left) / innovations[:, :, None]).sum(axis=1), -np.log(innovations).sum(axis=1)

    @cached_property
    def parts(self) -> PrecisionParts:
        """The precision as a sum over gaps: ones, 1 / (1 - r^2) and -r / (1 - r^2) of each."""
        linked = np.flatnonzero(self.previous >= 0)
        gaps, which = np.unique(self.gaps[linked], return_inverse=True)
        start, before = np.flatnonzero(self.previous < 0), self.previous[linked]
        one, cross = 1 + 2 * which, 2 + 2 * which
        # 1 / d (u_i - r u_j)^2 = u_i^2 / d - 2 r / d u_i u_j + (1 / d - 1) u_j^2
        rows = np.concatenate([start, linked, before, before, np.maximum(linked, before)])
        columns = np.concatenate([start, linked, before, before, np.minimum(linked, before)])
        part = np.concatenate([np.zeros(len(start), dtype=np.int64), one, one, np.zeros_like(one), cross])
        ones = np.ones(len(linked))
        values = np.concatenate([np.ones(len(start)), ones, ones, -ones, ones])
        return PrecisionParts(
            self.kind, rows, columns, part, values, gaps, np.bincount(which, minlength=len(gaps)).astype(float)
        )
