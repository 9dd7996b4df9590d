"""Ordered responses in one run: thresholds and levels' effects move together, and the coordinates know."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg


def ordered(seed):
    """Return 600 to 800 rows in ten groups, three to six categories of about equal size."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(600, 801))
    g, x = rng.integers(0, 10, n), rng.normal(size=n)
    sd, categories = rng.uniform(0.5, 1.5), int(rng.integers(3, 7))
    eta = 0.8 * x + rng.normal(0, sd, 10)[g]
    cuts = np.quantile(eta + rng.logistic(size=n), np.linspace(0, 1, categories + 1)[1:-1])
    y = np.digitize(eta + rng.logistic(size=n), cuts)
    return pd.DataFrame({"y": pd.Categorical(y, ordered=True), "x": x, "g": g.astype(str)})


def wine():
    """Bitterness of 72 glasses by nine judges (Randall 1989)."""
    ratings = "23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244".split()
    return pd.DataFrame(
        {
            "rating": pd.Categorical([int(rating) for judge in ratings for rating in judge], ordered=True),
            "temp": np.tile(np.repeat(["cold", "warm"], 4), 9),
            "contact": np.tile(np.repeat(["no", "yes"], 2), 18),
            "judge": np.repeat([str(judge) for judge in range(1, 10)], 8),
        }
    )


def one_run(formula, data, seed):
    """Fit (warnings are errors) and check that one run was enough."""
    fit = bg.GLMM(formula, data, family="cumulative").fit(random_seed=seed, progressbar=False)
    assert fit.diagnose().passed
    assert "second_run" not in fit.dt.attrs


#: With thresholds that did not take the levels' effects along, these were flagged even after a second run.
@pytest.mark.parametrize("seed", [12, 17])
def test_few_groups_of_many_rows(seed):
    one_run("y ~ x + (1 | g)", ordered(seed), seed)


@pytest.mark.parametrize("seed", range(2))
def test_wine(seed):
    one_run("rating ~ temp + contact + (1 | judge)", wine(), seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(32))
def test_few_groups_of_many_rows_thirty_two_times(seed):
    one_run("y ~ x + (1 | g)", ordered(seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_wine_ten_times(seed):
    one_run("rating ~ temp + contact + (1 | judge)", wine(), seed)
