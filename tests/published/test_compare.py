"""The rules themselves: their allowances are Monte-Carlo errors, no more and no less."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.published.compare import ERRORS, Estimate, Exact, Posterior, Quantiles, half_unit, mode

REPEATS, DRAWS = 200, 2000
#: A normal, a heavy-tailed and a light-tailed distribution, for all of which four moments exist.
DISTRIBUTIONS = {"normal": stats.norm(), "t with 12 degrees of freedom": stats.t(12), "uniform": stats.uniform()}


def errors_in_units(figure_of, distribution) -> np.ndarray:
    """Differences of right posteriors in standard errors, (repeat, statistic)."""
    rng = np.random.default_rng(8)
    rows = []
    for _ in range(REPEATS):
        ours, theirs = (distribution.rvs((4, DRAWS // 4), random_state=rng) for _ in range(2))
        found = figure_of(theirs).compare("x", ours)
        rows.append([ERRORS * row.difference / row.allowed for row in found])
    return np.array(rows)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_allowances_of_moments_are_four_standard_errors(name):
    def figure(draws):
        return Posterior(draws.mean(), draws.std(), draws.std() / math.sqrt(DRAWS), DRAWS)

    # a chi-squared of 200 has a sd of 0.05 around its root of 1
    assert np.sqrt(np.mean(errors_in_units(figure, DISTRIBUTIONS[name]) ** 2, axis=0)) == pytest.approx(1, abs=0.2)


def test_allowances_of_quantiles_are_four_standard_errors():
    def figure(draws):
        return Quantiles({p: np.quantile(draws, p) for p in (0.05, 0.5, 0.95)}, DRAWS)

    units = errors_in_units(figure, stats.cauchy())
    assert np.sqrt(np.mean(units**2, axis=0)) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_wrong_posteriors_are_found(shift):
    draws = np.random.default_rng(1).normal(shift, 1 + shift, (4, 1000))
    found = [
        *Posterior(0, 1, 0.01, 10_000).compare("x", draws),
        *Quantiles({0.25: -0.6745, 0.75: 0.6745}, 10_000).compare("x", draws),
        *Estimate(0, 1).compare("x", draws),
        *Exact(0, 0.1).compare("x", draws),
    ]
    assert [row.reached for row in found] == [shift == 0] * len(found)


def test_printed_digits_are_allowed_for():
    assert half_unit(1527.0, 4) == 0.5 and half_unit(0.06001, 4) == pytest.approx(5e-6) and half_unit(3.0, None) == 0
    draws = np.random.default_rng(1).normal(1527.3, 0.01, (4, 1000))
    assert [Posterior(1527, 0.01, 0, 1e9, digits=digits).compare("x", draws)[0].reached for digits in (4, 6)] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("distribution", "peak"),
    [(stats.gamma(16, scale=0.5), 7.5), (stats.norm(5, 1), 5.0), (stats.halfnorm(), 0.0)],
    ids=["gamma", "normal", "half-normal"],
)
def test_modes(distribution, peak):
    draws = distribution.rvs((4, 2500), random_state=np.random.default_rng(2))
    assert mode(draws) == pytest.approx(peak, abs=0.06 * distribution.std())
