"""Dense covariances of effects correlated in time and space, written out from their definitions."""

from __future__ import annotations

import numpy as np


def dense_covariance(own, value):
    """Return the covariance (levels, levels) beside the sd's square, for one value of the parameter."""
    if own.kind in ("ar1", "ou"):
        gap = np.abs(own.times[:, None] - own.times)
        R = (
            np.where(gap % 2 == 1, np.sign(value), 1.0) * np.abs(value) ** gap
            if own.kind == "ar1"
            else np.exp(-value * gap)
        )
        return R * (own.series[:, None] == own.series)
    if own.kind in ("rw1", "rw2"):
        steps = len(own.values)
        one = _scaled_inverse(_difference_penalty(steps, int(own.kind[2])), [np.arange(steps)], int(own.kind[2]))
        return np.kron(np.eye(len(own.labels) // steps), one)
    A = neighbours_of(own.kind)
    D, n = np.diag(A.sum(axis=1)), len(A)
    if own.kind == "car":
        return np.linalg.inv(D - value * A)
    if own.kind == "leroux":
        Q = (1 - value) * np.eye(n) + value * (D - A)
        Q[-1, -1] = 1.0  # a region without neighbours
        return np.linalg.inv(Q)
    parts = [np.arange(5), np.array([5, 6]), np.array([7])]
    structured = _scaled_inverse(D - A, parts[:2], 1)
    structured[7, 7] = 1.0
    return structured if own.kind == "icar" else (1 - value) * np.eye(n) + value * structured


def neighbours_of(kind):
    """Return the matrix of a, ..., e, of f and g, and of an island, which car() joins to g."""
    A = np.zeros((8, 8))
    pairs = [(0, 1), (0, 2), (1, 2), (1, 3), (3, 4), (5, 6)] + ([(6, 7)] if kind == "car" else [])
    for i, j in pairs:
        A[i, j] = A[j, i] = 1
    return A


def _difference_penalty(steps, order):
    D = np.eye(steps)
    for _ in range(order):
        D = D[1:] - D[:-1]
    return D.T @ D


def _scaled_inverse(Q, parts, null):
    """Invert by adding the null space and taking it off again, and scale the variances' geometric mean to one."""
    out = np.zeros_like(Q)
    for part in parts:
        n = len(part)
        basis = np.linalg.qr(np.vander(np.arange(n) / n, null, increasing=True))[0]
        inverse = np.linalg.inv(Q[np.ix_(part, part)] + basis @ basis.T) - basis @ basis.T
        out[np.ix_(part, part)] = inverse / np.exp(np.mean(np.log(np.diag(inverse))))
    return out
