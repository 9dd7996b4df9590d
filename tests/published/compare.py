"""When a published figure and our posterior agree, rule by rule; no rule knows which case it judges.

Input: draws (chain, draw) of one parameter and a figure with its error. Output: `Comparison` records, whose `allowed`
is made of Monte-Carlo errors wherever the figure is a posterior's, and of standard errors where it is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import arviz as az
import numpy as np
from scipy import stats

#: Standard errors of a difference that are allowed: about one false alarm in a hundred over 200 comparisons.
ERRORS = 4
MC_ERRORS = f"{ERRORS} MC errors"


@dataclass(frozen=True)
class Comparison:
    """One figure beside ours; `difference` and `allowed` share a unit, which `statistic` implies."""

    name: str
    statistic: str
    ours: float
    published: float
    difference: float
    allowed: float

    @property
    def ratio(self) -> float:
        return abs(self.difference) / self.allowed

    @property
    def label(self) -> str:
        return f"{self.statistic} of {self.name}"

    @property
    def reached(self) -> bool:
        return self.ratio <= 1

    def __str__(self) -> str:
        return (
            f"{self.label}: {self.ours:.6g}, published {self.published:.6g}; "
            f"off by {self.difference:.3g}, allowed {self.allowed:.3g}"
        )


def mcse(draws: np.ndarray) -> float:
    return float(az.mcse(draws, method="mean"))


def half_unit(value: float, digits: int | None) -> float:
    """Half a unit of the last digit of a number printed with so many significant digits."""
    return 0.0 if digits is None or value == 0 else 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)


@dataclass(frozen=True)
class Posterior:
    """Mean and sd of a posterior, the mean's Monte-Carlo error, effective draws, and the sd's error where it is stated.

    `digits`: the figures are rounded to so many significant digits.
    """

    mean: float
    sd: float
    mcse: float
    ess: float
    mcse_sd: float | None = None
    digits: int | None = None

    def compare(self, name: str, draws: np.ndarray) -> list[Comparison]:
        mean, sd = float(draws.mean()), float(draws.std())
        allowed = ERRORS * math.hypot(mcse(draws), self.mcse) + half_unit(self.mean, self.digits)
        error = math.hypot(float(az.mcse(draws, method="sd")) / sd, self._error_of_sd(draws))
        spread = ERRORS * error + half_unit(self.sd, self.digits) / self.sd
        return [
            Comparison(name, "mean", mean, self.mean, mean - self.mean, allowed),
            Comparison(name, "sd", sd, self.sd, math.log(sd / self.sd), spread),
        ]

    def _error_of_sd(self, draws: np.ndarray) -> float:
        """Relative; var(s^2) = (kurtosis - 1) sigma^4 / n is 2 / n for a normal, more for heavy tails."""
        if self.mcse_sd is not None:
            return self.mcse_sd / self.sd
        return math.sqrt((float(stats.kurtosis(draws, axis=None, fisher=False)) - 1) / 4 / self.ess)


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of a posterior whose moments do not exist or take millions of draws: how many of ours lie below?"""

    values: Mapping[float, float]
    ess: float
    digits: int | None = None

    def compare(self, name: str, draws: np.ndarray) -> list[Comparison]:
        rows = []
        for p, value in self.values.items():
            half = half_unit(value, self.digits)
            low, high = float((draws < value - half).mean()), float((draws <= value + half).mean())
            difference = min(high - p, 0.0) + max(low - p, 0.0)
            ours = float(az.ess(draws, method="quantile", prob=p))
            allowed = ERRORS * math.sqrt(p * (1 - p) * (1 / ours + 1 / self.ess))
            found = float(np.quantile(draws, p))
            rows.append(Comparison(name, f"{100 * p:g} % quantile", found, value, difference, allowed))
        return rows


@dataclass(frozen=True)
class Estimate:
    """A likelihood estimate with its standard error: the posterior mean within a share of it."""

    value: float
    se: float
    share: float = 0.15

    def compare(self, name: str, draws: np.ndarray) -> list[Comparison]:
        ours = float(draws.mean())
        allowed = self.share * self.se + ERRORS * mcse(draws)
        return [Comparison(name, "location", ours, self.value, ours - self.value, allowed)]


@dataclass(frozen=True)
class Mode:
    """A likelihood estimate of a sd (or, `real`, a correlation): the mode within a quarter of the posterior sd."""

    value: float
    real: bool = False

    def compare(self, name: str, draws: np.ndarray) -> list[Comparison]:
        ours = mode(draws, self.real)
        return [Comparison(name, "mode", ours, self.value, ours - self.value, 0.25 * float(draws.std()))]


@dataclass(frozen=True)
class Correlation:
    """A likelihood estimate of a correlation, which few groups determine: within half a posterior sd of the mean."""

    value: float

    def compare(self, name: str, draws: np.ndarray) -> list[Comparison]:
        ours = float(draws.mean())
        return [Comparison(name, "location", ours, self.value, ours - self.value, 0.5 * float(draws.std()))]


@dataclass(frozen=True)
class Exact:
    """A number that has no Monte-Carlo error on either side."""

    value: float
    tolerance: float

    def compare(self, name: str, draws: np.ndarray) -> list[Comparison]:
        ours = float(np.mean(draws))
        return [Comparison(name, "value", ours, self.value, ours - self.value, self.tolerance)]


Figure = Posterior | Quantiles | Estimate | Mode | Correlation | Exact


def mode(draws: np.ndarray, real: bool = False) -> float:
    """The mode of a density of positive draws, or of any real numbers.

    Far from zero Pearson's, mean - skewness sd / 2, exact for gamma densities and ten times less noisy than the peak of
    a kernel estimate, which is taken near zero (reflected there) and where draws have two bounds.
    """
    values = draws.ravel()
    if not real and values.mean() > 3 * values.std():
        return float(values.mean() - stats.skew(values) * values.std() / 2)
    density = stats.gaussian_kde(values if real else np.concatenate([values, -values]))
    grid = np.linspace(values.min() if real else 0, np.quantile(values, 0.98), 400)
    return float(grid[np.argmax(density(grid))])
