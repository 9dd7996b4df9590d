"""Rows of ordered categories by steps, whose thresholds need no order.

Input: a link's pair of logs, `compose.PAIRS`. Output: loops with the signature of row kernels. Where all rows have the
same thresholds an infinite one stands behind the last; where predictors have effects that differ from step to step, the
parameters are arrays (2 K, rows), first what is taken off each of the K thresholds, then the thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bayes_glmm.engine.arithmetic import inlined
from bayes_glmm.engine.pointers import carray

#: A pointer to doubles, as numba sees it.
P = Any


def one_by_one(pair: Callable[..., Any], going: bool) -> Callable[..., Any]:
    """Return the row of steps that are gone one by one until a response stops at its category.

    `pair` gives probabilities of going on at eta - threshold where `going`, else of stopping at threshold - eta.
    """
    sign = -1.0 if going else 1.0

    @inlined
    def row(eta: float, c: int, count: float, size: int, tau: Any, pulls: Any, odds: Any, slopes: Any) -> Any:
        value, slope = 0.0, 0.0
        for k in range(min(c + 1, size)):  # the last category is where nothing is left to stop at
            log_p, d_p, log_q, d_q = pair(sign * (tau[k] - eta))
            step, pull = (log_p, d_p) if (k < c) == going else (log_q, d_q)
            value += step
            slope -= sign * pull
            pulls[k] += count * sign * pull
        return value, slope

    return row


def adjacent(pair: Callable[..., Any]) -> Callable[..., Any]:
    """Return the row of categories with log odds against their neighbours below: those of eta - threshold."""

    @inlined
    def row(eta: float, c: int, count: float, size: int, tau: Any, pulls: Any, odds: Any, slopes: Any) -> Any:
        log_odds, most, own = 0.0, 0.0, 0.0
        odds[0] = 0.0
        for k in range(size):
            log_p, d_p, log_q, d_q = pair(eta - tau[k])
            log_odds += log_p - log_q
            odds[k + 1], slopes[k] = log_odds, d_p - d_q
            most = max(most, log_odds)
            if k + 1 == c:
                own = log_odds
        whole = 0.0
        for k in range(size + 1):
            odds[k] = math.exp(odds[k] - most)
            whole += odds[k]
        above, slope = 0.0, 0.0
        for k in range(size - 1, -1, -1):
            above += odds[k + 1]
            pull = ((1.0 if k < c else 0.0) - above / whole) * slopes[k]
            slope += pull
            pulls[k] -= count * pull
        return own - most - math.log(whole), slope

    return row


def _loop(row: Callable[..., Any]) -> Callable[..., float]:
    def rows(n: int, eta_: P, y_: P, counts_: P, par: P, v_: P, d_: P, d_par: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        size = 0
        while par[size] < math.inf:
            size += 1
        tau, pulls = carray(par, (size,)), carray(d_par, (size,))
        odds, slopes, total = np.empty(size + 1), np.empty(size + 1), 0.0
        for i in range(n):
            value, slope = row(eta[i], int(y[i]), counts[i], size, tau, pulls, odds, slopes)
            values[i], d[i] = counts[i] * value, counts[i] * slope
            total += values[i]
        return total

    return rows


def _each_loop(row: Callable[..., Any], packed: float) -> Callable[..., float]:
    def rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        categories = math.floor(y[0] / packed)
        size = categories - 1
        par, d_par = carray(par_, (2 * size, n)), carray(d_par_, (2 * size, n))
        tau, pulls = np.empty(size), np.empty(size)
        odds, slopes, total = np.empty(size + 1), np.empty(size + 1), 0.0
        for i in range(n):
            for k in range(size):
                tau[k], pulls[k] = par[size + k, i] - par[k, i], 0.0
            value, slope = row(eta[i], int(y[i] - packed * categories), counts[i], size, tau, pulls, odds, slopes)
            values[i], d[i] = counts[i] * value, counts[i] * slope
            total += values[i]
            for k in range(size):
                d_par[size + k, i], d_par[k, i] = pulls[k], -pulls[k]
        return total

    return rows


def _row(kernel: str, pair: Callable[..., Any]) -> Callable[..., Any]:
    return adjacent(pair) if kernel == "acat" else one_by_one(pair, going=kernel == "cratio")


def steps_loop(kernel: str, pair: Callable[..., Any]) -> Callable[..., float]:
    """Return the kernel of a family of steps by its kernel's name."""
    return _loop(_row(kernel, pair))


def each_steps_loop(kernel: str, pair: Callable[..., Any], packed: float) -> Callable[..., float]:
    """Return the kernel whose thresholds differ by rows; y holds the number of categories, times `packed`, too."""
    return _each_loop(_row(kernel, pair), packed)
