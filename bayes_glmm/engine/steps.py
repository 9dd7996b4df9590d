"""Rows of ordered categories by steps, whose thresholds need no order.

Input: a link's pair of logs, `compose.PAIRS`. Output: loops with the signature of row kernels; behind the last
threshold stands an infinite one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bayes_glmm.engine.pointers import carray

#: A pointer to doubles, as numba sees it.
P = Any


def one_by_one(pair: Callable[..., Any], going: bool) -> Callable[..., float]:
    """Return the kernel of steps that are gone one by one until a row stops at its category.

    `pair` gives probabilities of going on at eta - threshold where `going`, else of stopping at threshold - eta.
    """
    sign = -1.0 if going else 1.0

    def rows(n: int, eta_: P, y_: P, counts_: P, par: P, v_: P, d_: P, d_par: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        total = 0.0
        for i in range(n):
            c = int(y[i])
            value, slope = 0.0, 0.0
            for k in range(c + 1):
                if par[k] == math.inf:  # the last category is where nothing is left to stop at
                    break
                log_p, d_p, log_q, d_q = pair(sign * (par[k] - eta[i]))
                step, pull = (log_p, d_p) if (k < c) == going else (log_q, d_q)
                value += step
                slope -= sign * pull
                d_par[k] += counts[i] * sign * pull
            values[i], d[i] = counts[i] * value, counts[i] * slope
            total += values[i]
        return total

    return rows


def adjacent(pair: Callable[..., Any]) -> Callable[..., float]:
    """Return the kernel of categories with log odds against their neighbours below: those of eta - threshold."""

    def rows(n: int, eta_: P, y_: P, counts_: P, par: P, v_: P, d_: P, d_par: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        size = 0
        while par[size] < math.inf:
            size += 1
        odds, slopes = np.empty(size + 1), np.empty(size + 1)
        total = 0.0
        for i in range(n):
            c = int(y[i])
            log_odds, most, own = 0.0, 0.0, 0.0
            odds[0] = 0.0
            for k in range(size):
                log_p, d_p, log_q, d_q = pair(eta[i] - par[k])
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
                d_par[k] -= counts[i] * pull
            values[i], d[i] = counts[i] * (own - most - math.log(whole)), counts[i] * slope
            total += values[i]
        return total

    return rows


def steps_loop(kernel: str, pair: Callable[..., Any]) -> Callable[..., float]:
    """Return the kernel of a family of steps by its kernel's name."""
    return adjacent(pair) if kernel == "acat" else one_by_one(pair, going=kernel == "cratio")
