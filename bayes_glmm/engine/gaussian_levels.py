"""Gaussian models of one grouping factor with one or two coefficients a level: sums over the levels, vectorised.

Input: each level's sums of squares and products, one array of all levels for each of them. Output: what beta's
posterior and the gradient need of all levels together. With B = tau Z'Z + Omega of a level and a = tau [Z'X, Z'y] (k
rows), these are the sums over the levels of log det B, a' B^-1 a, (B^-1 a)(B^-1 a)' and B^-1. Where there are more
factors or coefficients `gaussian.factors_given` goes level by level.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine.arithmetic import ordered, reordered
from bayes_glmm.engine.vectors import copy, dot

#: Most coefficients a level for which this is written out.
MOST_COEFS = 2


class LevelSums(NamedTuple):
    """Sums over the levels; columns are those of X, then y."""

    log_det: float
    products: npt.NDArray[np.float64]  # (p + 1, p + 1) a' B^-1 a
    solved: npt.NDArray[np.float64]  # (k (p + 1), levels) B^-1 a, coefficient by coefficient
    inverse: npt.NDArray[np.float64]  # (k, k) B^-1
    inverses: npt.NDArray[np.float64]  # (k k, levels) B^-1 of each level, not added up


@reordered
def _total(a: Any) -> float:
    total = 0.0
    for m in range(a.size):
        total += a[m]
    return total


@reordered
def _log_total(a: Any) -> float:
    total = 0.0
    for m in range(a.size):
        total += math.log(a[m])
    return total


@ordered
def _invert(tau: float, omega: Any, blocks: Any, inverse: Any, det: Any) -> None:
    """Fill B^-1 of every level (k k rows) and its determinants."""
    if omega.shape[0] == 1:
        own, block, prior = inverse[0], blocks[0], omega[0, 0]
        for m in range(det.size):
            det[m] = tau * block[m] + prior
            own[m] = 1.0 / det[m]
        return
    b00, b10, b11 = blocks[0], blocks[2], blocks[3]
    i00, i01, i10, i11 = inverse[0], inverse[1], inverse[2], inverse[3]
    for m in range(det.size):
        first, last = tau * b00[m] + omega[0, 0], tau * b11[m] + omega[1, 1]
        both = tau * b10[m] + omega[1, 0]
        det[m] = first * (last - both * both / first)
        scale = 1.0 / det[m]
        i00[m], i11[m] = last * scale, first * scale
        i01[m] = i10[m] = -both * scale


@ordered
def _solve(tau: float, inverse: Any, sides: Any, solved: Any) -> None:
    """Fill B^-1 a of every level."""
    columns = sides.shape[0] if inverse.shape[0] == 1 else sides.shape[0] // 2
    for j in range(columns):
        if inverse.shape[0] == 1:
            out, side, own = solved[j], sides[j], inverse[0]
            for m in range(out.size):
                out[m] = tau * side[m] * own[m]
            continue
        first, last, upper, lower = solved[j], solved[columns + j], sides[j], sides[columns + j]
        i00, i01, i11 = inverse[0], inverse[1], inverse[3]
        for m in range(first.size):
            first[m] = tau * (i00[m] * upper[m] + i01[m] * lower[m])
            last[m] = tau * (i01[m] * upper[m] + i11[m] * lower[m])


@ordered
def level_sums(tau: float, omega: Any, blocks: Any, sides: Any) -> LevelSums:
    """Add up all levels.

    Parameters
    ----------
    tau
        1 / sigma^2.
    omega
        (k, k) prior precision of a level's coefficients, k at most `MOST_COEFS`.
    blocks
        (k k, levels) Z'Z.
    sides
        (k (p + 1), levels) Z'X and, last of each coefficient's, Z'y.

    Returns
    -------
    LevelSums
        The sums.
    """
    k, levels = omega.shape[0], blocks.shape[1]
    columns = sides.shape[0] // k
    inverse, det, solved = np.empty((k * k, levels)), np.empty(levels), np.empty(sides.shape)
    _invert(tau, omega, blocks, inverse, det)
    _solve(tau, inverse, sides, solved)
    products, total = np.empty((columns, columns)), np.empty((k, k))
    for i in range(columns):
        for j in range(i + 1):
            value = 0.0
            for c in range(k):
                value += dot(sides[c * columns + i], solved[c * columns + j])
            products[i, j] = products[j, i] = tau * value
    for a in range(k):
        for b in range(k):
            total[a, b] = _total(inverse[k * a + b])
    return LevelSums(_log_total(det), products, solved, total, inverse)


@ordered
def level_means(sums: LevelSums, beta: Any, u: Any) -> None:
    """Fill (k, levels) E[u | theta, beta] = B^-1 tau Z'(y - X beta)."""
    p, solved = beta.size, sums.solved
    for c in range(u.shape[0]):
        out = u[c]
        copy(solved[c * (p + 1) + p], out)
        for j in range(p):
            side, slope = solved[c * (p + 1) + j], beta[j]
            for m in range(out.size):
                out[m] -= slope * side[m]


@ordered
def add_level_noise(sums: LevelSums, noise: Any, u: Any) -> None:
    """Add to (k, levels) u a draw of N(0, B^-1), from standard normal draws level by level."""
    k, levels = u.shape
    if k == 1:
        own, only = sums.inverses[0], u[0]
        for m in range(levels):
            only[m] += math.sqrt(own[m]) * noise[m]
        return
    i00, i10, i11, first, second = sums.inverses[0], sums.inverses[2], sums.inverses[3], u[0], u[1]
    for m in range(levels):
        root = math.sqrt(i00[m])
        slope = i10[m] / root
        first[m] += root * noise[2 * m]
        second[m] += slope * noise[2 * m] + math.sqrt(max(i11[m] - slope * slope, 0.0)) * noise[2 * m + 1]


@ordered
def level_spread(sums: LevelSums, beta: Any, rest_inverse: Any) -> Any:
    """Return the sum over the levels of E[u u'] given theta.

    Parameters
    ----------
    sums
        The sums over the levels.
    beta
        (p,) conditional mean of beta.
    rest_inverse
        (p, p) its conditional covariance.

    Returns
    -------
    numpy.ndarray
        (k, k): u_hat u_hat' + B^-1 + (B^-1 a)(covariance of beta)(B^-1 a)'.
    """
    k, p, solved = sums.inverse.shape[0], beta.size, sums.solved
    u = np.empty((k, solved.shape[1]))
    level_means(sums, beta, u)
    spread = sums.inverse.copy()
    for a in range(k):
        for b in range(k):
            spread[a, b] += dot(u[a], u[b])
            for i in range(p):
                for j in range(p):
                    spread[a, b] += rest_inverse[i, j] * dot(solved[a * (p + 1) + i], solved[b * (p + 1) + j])
    return spread
