"""Split R-hat and effective numbers of draws of many scalars, from the order of their draws.

Input: draws of split chains and the order that sorts them. Output: three numbers a scalar, ArviZ's to rounding error.
Geyer's rule stops where a pair of autocorrelations is no longer positive, after a few lags where chains mix: then
single sums cost less than a Fourier transform, which gives them all. Scalars that need more lags are left to
`bayes_glmm.inference.effective_size`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bayes_glmm.engine.arithmetic import reordered
from bayes_glmm.engine.data import read_matrix, read_vector
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.pointers import carray
from bayes_glmm.engine.vectors import dot

#: Pairs of lags after which a transform costs less.
MOST_PAIRS = 12


@reordered
def _mean(a: Any) -> float:
    """Return the mean, exactly where all values are equal."""
    total = 0.0
    for i in range(a.size):
        total += a[i] - a[0]
    return a[0] + total / a.size


@reordered
def _autocovariance(centred: Any, lag: int) -> float:
    """Return the mean over chains of the autocovariance (chain, draw) at one lag, divided by all draws."""
    total = 0.0
    length = centred.shape[1]
    for c in range(centred.shape[0]):
        chain = centred[c]
        total += dot(chain[: length - lag], chain[lag:])
    return total / (centred.shape[0] * length)


@reordered
def _integrated_time(centred: Any, total: float) -> float:
    """Sum autocorrelations by Geyer's initial monotone sequence; NaN where more lags are needed than are looked at.

    The same pairs as in `bayes_glmm.inference.effective_size`.
    """
    length = centred.shape[1]
    last_pair = max(0, (length - 3) // 2)
    at_zero = _autocovariance(centred, 0)
    within = at_zero * length / (length - 1.0)
    running, least = 0.0, math.inf
    for pair in range(min(last_pair, MOST_PAIRS) + 1):
        even = 1.0
        if pair > 0:
            even = 1.0 - (within - _autocovariance(centred, 2 * pair)) / total
        odd = 1.0 - (within - _autocovariance(centred, 2 * pair + 1)) / total
        if pair == last_pair or not even + odd > 0.0:
            kept = even if even > 0.0 or even + odd >= 0.0 else 0.0
            return -1.0 + 2.0 * running + kept
        least = min(least, even + odd)
        running += least
    return math.nan


@reordered
def _effective_draws(x: Any, centred: Any) -> float:
    """Return the effective number of draws (chain, draw); NaN where more lags are needed or draws hardly differ."""
    chains, length = x.shape
    middle, spread = 0.0, 0.0
    for c in range(chains):
        row, own = x[c], centred[c]
        mean = _mean(row)
        for i in range(length):
            own[i] = row[i] - mean
        # Welford's sums of the chains' means
        step = mean - middle
        middle += step / (c + 1.0)
        spread += step * (mean - middle)
    total = _autocovariance(centred, 0)
    if not total > 1e-12:
        return math.nan
    if chains > 1:
        total += spread / (chains - 1.0)
    size = float(chains * length)
    return size / max(_integrated_time(centred, total), 1.0 / math.log10(size))


@reordered
def _scale_reduction(x: Any) -> float:
    """Return the potential scale reduction of (chain, draw)."""
    chains, length = x.shape
    middle, spread, within = 0.0, 0.0, 0.0
    for c in range(chains):
        row = x[c]
        mean = _mean(row)
        step = mean - middle
        middle += step / (c + 1.0)
        spread += step * (mean - middle)
        squares = 0.0
        for i in range(length):
            squares += (row[i] - mean) ** 2
        within += squares / (length - 1.0)
    between = length * spread / (chains - 1.0)
    return math.sqrt((between / (within / chains) + length - 1.0) / length)


@reordered
def _spread_scores(values: Any, order: Any, table: Any, scores: Any) -> None:
    """Fill the normal scores of average ranks: `values` sorted, `order` where each of them stands."""
    start, n = 0, values.size
    while start < n:
        stop = start + 1
        while stop < n and values[stop] == values[start]:
            stop += 1
        for i in range(start, stop):
            scores[order[i]] = table[start + stop - 1]
        start = stop


@reordered
def _fold(values: Any, order: Any, distances: Any, folded_order: Any) -> None:
    """Sort the distances from the median, which fall and then rise: two runs are joined."""
    n = values.size
    median = (values[(n - 1) // 2] + values[n // 2]) / 2.0
    above = n // 2
    while above < n and values[above] <= median:
        above += 1
    while above > 0 and values[above - 1] > median:
        above -= 1
    below = above - 1
    for i in range(n):
        if above >= n or (below >= 0 and median - values[below] <= values[above] - median):
            distances[i], folded_order[i] = median - values[below], order[below]
            below -= 1
        else:
            distances[i], folded_order[i] = values[above] - median, order[above]
            above += 1


@native(CALL_SIGNATURE)
def rank_statistics(table_: Any) -> float:
    """Fill (3, scalars) R-hat, bulk and tail effective draws, and every draw's normal score; return 0.

    Reads draws (scalars, draws of all split chains), the order that sorts each row, normal scores of average ranks (2 n
    - 1), two tail quantiles a scalar (scalars, 2), and the number of split chains in a vector of one. Effective draws
    are NaN where more lags are needed, or where draws hardly differ.
    """
    table = carray(table_, (21,), np.uint64)
    draws, order = read_matrix(table, 0, np.float64), read_matrix(table, 1, np.int64)
    scores, quantiles = read_vector(table, 2, np.float64), read_matrix(table, 3, np.float64)
    chains, out = int(read_vector(table, 4, np.float64)[0]), read_matrix(table, 5, np.float64)
    n, all_z = draws.shape[1], read_matrix(table, 6, np.float64)
    work, centred = np.empty(n), np.empty((chains, n // chains))
    values, distances, folded_order = np.empty(n), np.empty(n), np.empty(n, dtype=np.int64)
    for s in range(draws.shape[0]):
        own, places, z = draws[s], order[s], all_z[s]
        for i in range(n):
            values[i] = own[places[i]]
        _fold(values, places, distances, folded_order)
        _spread_scores(distances, folded_order, scores, z)
        folded = _scale_reduction(z.reshape((chains, n // chains)))
        _spread_scores(values, places, scores, z)
        bulk = _scale_reduction(z.reshape((chains, n // chains)))
        # draws of two values may all lie at one distance from the median: the folded statistic is 0/0, says nothing
        out[0, s] = folded if folded > bulk else bulk
        out[1, s] = _effective_draws(z.reshape((chains, n // chains)), centred)
        out[2, s] = math.inf
        for side in range(2):
            for i in range(n):
                work[i] = 1.0 if own[i] <= quantiles[s, side] else 0.0
            tail = _effective_draws(work.reshape((chains, n // chains)), centred)
            out[2, s] = min(out[2, s], tail) if not math.isnan(tail) else math.nan
            if math.isnan(out[2, s]):
                break
    return 0.0
