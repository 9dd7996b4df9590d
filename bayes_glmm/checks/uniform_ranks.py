"""A test of uniform ranks and the band their distribution function stays in: simultaneous, exact for small samples."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.intp]

_REPEATS = 10_000


def rank_p_value(ranks: Ranks, draws: int) -> float:
    """Test that ranks are uniform.

    Parameters
    ----------
    ranks
        (simulations,) ranks among `draws` draws: 0 to `draws`.
    draws
        Draws a rank was counted among.

    Returns
    -------
    float
        Probability of ranks that leave the pointwise binomial bands as far or further, by simulation; at least 1e-4.

    References
    ----------
    Sailynoja, T., Burkner, P.-C. and Vehtari, A. (2022). Graphical test for discrete uniformity and its applications in
    goodness-of-fit evaluation and multiple sample comparison. Statistics and Computing 32, 32.
    doi:10.1007/s11222-022-10090-6.
    """
    null = _null(len(ranks), draws)
    observed = _tail(_counts(np.asarray(ranks)[None, :], draws), len(ranks))[0]
    return float((1 + np.sum(null <= observed * (1 + 1e-12))) / (1 + len(null)))


def rank_band(simulations: int, draws: int, prob: float = 0.95) -> tuple[Array, Array]:
    """Compute the band that the ranks' distribution function stays in as a whole.

    Parameters
    ----------
    simulations
        Number of ranks.
    draws
        Draws each was counted among.
    prob
        Probability that the function lies within the band everywhere.

    Returns
    -------
    lower, upper : numpy.ndarray
        (draws,) bounds of the share of ranks below 1, 2, ..., `draws`.
    """
    level = float(np.quantile(_null(simulations, draws), 1 - prob))
    p = np.arange(1, draws + 1) / (draws + 1)
    lower, upper = stats.binom.ppf(level / 2, simulations, p), stats.binom.isf(level / 2, simulations, p)
    return lower / simulations, upper / simulations


def _counts(ranks: Ranks, draws: int) -> Ranks:
    """Numbers of ranks below 1, ..., `draws`: (samples, simulations) to (samples, draws)."""
    samples = len(ranks)
    flat = ranks + (draws + 1) * np.arange(samples)[:, None]
    tally = np.bincount(flat.ravel(), minlength=samples * (draws + 1)).reshape(samples, draws + 1)
    return np.cumsum(tally, axis=1)[:, :-1]


def _tail(counts: Ranks, simulations: int) -> Array:
    """Twice the smallest pointwise tail probability of every sample's counts."""
    draws = counts.shape[1]
    p = np.arange(1, draws + 1) / (draws + 1)
    below = stats.binom.cdf(np.arange(simulations + 1)[:, None], simulations, p)
    above = 1.0 - np.vstack([np.zeros(draws), below[:-1]])
    smaller = np.minimum(below, above)
    return 2.0 * smaller[counts, np.arange(draws)].min(axis=1)


@lru_cache(maxsize=8)
def _null(simulations: int, draws: int) -> Array:
    """Simulate the test statistic of uniform ranks, sorted."""
    rng = np.random.default_rng(np.random.SeedSequence([simulations, draws]))
    parts = []
    for _ in range(10):
        ranks = rng.integers(0, draws + 1, size=(_REPEATS // 10, simulations))
        parts.append(_tail(_counts(ranks, draws), simulations))
    result = np.sort(np.concatenate(parts))
    result.setflags(write=False)
    return result
