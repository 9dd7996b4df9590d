"""Split R-hat and effective sample sizes of many scalars at once.

Input: draws with dims (scalar, chain, draw). Output: one number per scalar. The definitions are ArviZ's, to rounding
error; ArviZ takes one scalar at a time, which is too slow to check every level of a large grouping factor.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import fft, special

from bayes_glmm.engine.mixing import rank_statistics
from bayes_glmm.inference.settings import available_processors

Array = npt.NDArray[np.float64]

#: Fewest draws per chain for which the statistics are defined.
MIN_DRAWS = 4
TAIL_PROBABILITIES = (0.05, 0.95)
_CHUNK_VALUES = 100_000


@dataclass(frozen=True, eq=False)
class EffectiveSize:
    """Convergence statistics, one value per scalar; not-a-number where they are not defined.

    Parameters
    ----------
    r_hat
        Rank-normalised split R-hat, the larger of bulk and folded.
    ess_bulk, ess_tail
        Effective sample sizes, in draws; the tail's is the smaller of those of the 5 % and the 95 % quantile.
    """

    r_hat: Array
    ess_bulk: Array
    ess_tail: Array


def effective_size(draws: Array) -> EffectiveSize:
    """Compute split R-hat, bulk and tail effective sample size of many scalars.

    Parameters
    ----------
    draws
        Draws, dims (scalar, chain, draw).

    Returns
    -------
    EffectiveSize
        Arrays over the scalars. NaN where a draw is not a number and where chains have fewer than four draws; R-hat is
        NaN with one chain; a constant counts every draw.

    Notes
    -----
    The tails are the paper's, 5 % and 95 %; ArviZ 1 takes them from its ``stats.ci_prob``.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter, Burkner (2021), Bayesian Analysis 16, doi:10.1214/20-BA1221; Geyer (1992),
    Statistical Science 7, doi:10.1214/ss/1177011137.
    """
    scalars, chains, length = draws.shape
    values = np.full((3, scalars), np.nan)
    if length >= MIN_DRAWS:
        step = max(1, _CHUNK_VALUES // (chains * length))
        starts = range(0, scalars, step)

        def fill(start: int) -> None:
            chunk = slice(start, start + step)
            values[:, chunk] = _chunk_statistics(np.ascontiguousarray(draws[chunk], dtype=float))

        if len(starts) > 1:
            # sorting and FFT release the interpreter's lock
            with ThreadPoolExecutor(available_processors()) as pool:
                list(pool.map(fill, starts))
        else:
            fill(0)
    return EffectiveSize(*values)


def _chunk_statistics(draws: Array) -> Array:
    """Return r_hat, ess_bulk and ess_tail, stacked, of one block of scalars."""
    result = np.full((3, len(draws)), np.nan)
    valid = ~np.isnan(draws).any(axis=(1, 2))
    draws = draws[valid]
    if not len(draws):
        return result
    halves = _split(draws)
    scalars, chains, _ = halves.shape
    flat = halves.reshape(scalars, -1)
    order = np.argsort(flat, axis=1)
    tails = _tail_quantiles(draws, flat, order)
    found, z = np.empty((3, scalars)), np.empty_like(flat)
    rank_statistics(flat, order, _scores(flat.shape[1]), tails, np.array([float(chains)]), found, z)
    for row, blocks in ((1, (z,)), (2, tuple(flat <= tails[:, [side]] for side in (0, 1)))):
        slow = np.isnan(found[row])
        if slow.any():
            sizes = [_effective_draws(block[slow].astype(float).reshape(-1, *halves.shape[1:])) for block in blocks]
            found[row, slow] = np.minimum.reduce(sizes)
    if draws.shape[1] == 1:
        found[0] = np.nan
    result[:, valid] = found
    return result


@cache
def _scores(n: int) -> Array:
    """Return the normal scores of average ranks, which are multiples of one half: 2 n - 1 of them serve all scalars."""
    return np.asarray(special.ndtri((np.arange(2, 2 * n + 1) / 2 - 3 / 8) / (n + 1 / 4)))


def _split(draws: Array) -> Array:
    """Cut every chain in halves: (scalar, chain, draw) to (scalar, 2 chain, draw / 2); an odd one drops its middle."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _tail_quantiles(draws: Array, flat: Array, order: npt.NDArray[np.intp]) -> Array:
    """Return the tail quantiles (scalar, 2) of all draws; NumPy's linear interpolation."""
    n = draws[0].size
    ordered = None if flat.shape[1] == n else np.sort(draws.reshape(len(draws), -1), axis=1)
    rows, out = np.arange(len(draws)), np.empty((len(draws), len(TAIL_PROBABILITIES)))
    for side, prob in enumerate(TAIL_PROBABILITIES):
        place = (n - 1) * prob
        first, part = int(place), place - int(place)
        if ordered is None:
            a, b = flat[rows, order[:, first]], flat[rows, order[:, min(first + 1, n - 1)]]
        else:
            a, b = ordered[:, first], ordered[:, min(first + 1, n - 1)]
        out[:, side] = a + (b - a) * part if part < 0.5 else b - (b - a) * (1.0 - part)
    return out


def _effective_draws(x: Array) -> Array:
    """Return the effective number of draws for the mean of (scalar, chain, draw), from all lags at once."""
    scalars, chains, length = x.shape
    means = x.mean(axis=2)
    transform = fft.rfft(x - means[:, :, None], n=fft.next_fast_len(2 * length, real=True), axis=2)
    # the mean over chains of the autocovariances needs one inverse transform
    power = (np.square(transform.real) + np.square(transform.imag)).mean(axis=1)
    covariance = fft.irfft(power, n=fft.next_fast_len(2 * length, real=True), axis=1)[:, :length] / length
    within = covariance[:, 0] * length / (length - 1.0)
    total = covariance[:, 0].copy()
    if chains > 1:
        total += means.var(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1.0 - (within[:, None] - covariance) / total[:, None]
    rho[:, 0] = 1.0
    size = chains * length
    effective = size / np.maximum(_integrated_time(rho), 1.0 / math.log10(size))
    constant = np.ptp(x.reshape(scalars, -1), axis=1) < np.finfo(float).resolution
    return np.where(constant, float(size), effective)


def _integrated_time(rho: Array) -> Array:
    """Sum autocorrelations (scalar, lag) by Geyer's initial monotone sequence of pairs of lags."""
    length = rho.shape[1]
    # pairs of lags (2k, 2k + 1); the last pair looked at is the first without a positive sum, or where the lags end
    last_pair = max(0, (length - 3) // 2)
    pairs = rho[:, : 2 * last_pair + 2].reshape(len(rho), last_pair + 1, -1)
    sums = pairs.sum(axis=2)
    stopped = ~(sums > 0)
    stopped[:, -1] = True
    last = stopped.argmax(axis=1)
    rows = np.arange(len(rho))
    running = np.cumsum(np.minimum.accumulate(sums, axis=1), axis=1)
    before = np.where(last > 0, running[rows, np.maximum(last - 1, 0)], 0.0)
    even = rho[rows, 2 * last]
    kept = (even > 0) | (sums[rows, last] >= 0)
    return -1.0 + 2.0 * before + np.where(kept, even, 0.0)
