"""Rats with missing weights by a sampler that shares nothing with ours: conjugate Gibbs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.published.cases import fit_of
from tests.published.compare import ERRORS, mcse
from tests.published.data import AbsentError, rats_with_missing
from tests.published.draws import parameter
from tests.published.registry import BY_FILE

DRAWS, BURN_IN = 20_000, 500
NAMES = ("Intercept", "beta[xc]", "sd[rat][Intercept]", "sd[rat][xc]", "sigma")


def gibbs(y: np.ndarray, x: np.ndarray, rat: np.ndarray, seed: int) -> np.ndarray:
    """Draws (draw, 5) of the lines' mean intercept and slope, their sds, sigma; precisions are Gamma(0.001, 0.001)."""
    rng = np.random.default_rng(seed)
    n, sum_x, sum_xx, sum_y, sum_xy = (np.bincount(rat, w) for w in (np.ones_like(x), x, x * x, y, x * y))
    mean, precision, tau = np.array([240.0, 6.0]), np.array([0.01, 10.0]), 0.02
    draws = np.empty((DRAWS, 5))

    def gamma(squares: np.ndarray) -> float:
        return rng.gamma(0.001 + len(squares) / 2) / (0.001 + squares.sum() / 2)

    for i in range(-BURN_IN, DRAWS):
        # a rat's intercept and slope together: the inverse of a 2 x 2 matrix by hand
        a, b, c = tau * n + precision[0], tau * sum_x, tau * sum_xx + precision[1]
        right = np.array([tau * sum_y, tau * sum_xy]) + (precision * mean)[:, None]
        det = a * c - b * b
        center = np.array([c * right[0] - b * right[1], a * right[1] - b * right[0]]) / det
        z = rng.standard_normal((2, len(n)))
        lines = center + np.array([z[0] * np.sqrt(c / det), -b / np.sqrt(c * det) * z[0] + z[1] / np.sqrt(c)])
        spread = len(n) * precision + 1e-6
        mean = precision * lines.sum(axis=1) / spread + rng.standard_normal(2) / np.sqrt(spread)
        precision = np.array([gamma((lines[k] - mean[k]) ** 2) for k in range(2)])
        tau = gamma((y - lines[0, rat] - lines[1, rat] * x) ** 2)
        if i >= 0:
            draws[i] = [*mean, *precision**-0.5, tau**-0.5]
    return draws


@pytest.mark.slow
def test_rats_with_missing_weights_by_gibbs_sampling():
    try:
        rows = rats_with_missing()
    except AbsentError as absent:
        pytest.skip(str(absent))
    data = rows["y"].to_numpy(float), rows["xc"].to_numpy(), rows["rat"].to_numpy() - 1
    chains = np.stack([gibbs(*data, seed) for seed in range(2)])
    fit = fit_of(next(case for case in BY_FILE["bugs"] if case.id == "Rats, weights missing"))
    for k, name in enumerate(NAMES):
        ours, theirs = parameter(fit, name), chains[:, :, k]
        assert abs(ours.mean() - theirs.mean()) < ERRORS * math.hypot(mcse(ours), mcse(theirs)), name
    # the OpenBUGS document has 6.576
    assert abs(chains[:, :, 1].mean() - 6.576) > 10 * mcse(chains[:, :, 1])
