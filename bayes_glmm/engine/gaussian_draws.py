"""Exact draws of a Gaussian model's (u, beta) given theta.

Input: draws of theta, standard normal draws and `Moments`. Output: v_hat + H^(-1/2) noise, draw by draw.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data, read_matrix
from bayes_glmm.engine.gaussian import factors_given, rest_at_once, scale_given
from bayes_glmm.engine.gaussian_levels import add_level_noise, level_means
from bayes_glmm.engine.gaussian_moments import MOMENTS_SIZE, Moments, read_moments
from bayes_glmm.engine.information import backward_rows, backward_small
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.pointers import carray


@as_written
def _draw_by_levels(theta: Any, tau: float, noise: Any, data: KernelData, moments: Moments, out: Any) -> None:
    """Fill a draw of (u, beta) given theta: v_hat + H^(-1/2) noise, which is used up."""
    levels, k = moments.levels.shape[0], moments.coupling.shape[1]
    factors, v = factors_given(theta, tau, data, moments)
    rest = noise[levels * k :]
    backward_rows(factors.rest, rest)
    for level in range(levels):
        backward_small(factors.levels[level], noise[level * k : level * k + k])
        for m in range(moments.start[level], moments.start[level + 1]):
            for c in range(k):
                noise[level * k + c] -= factors.shrunk[m, c] * rest[moments.columns[m]]
    for i in range(out.size):
        out[i] = v[i] + noise[i]


@as_written
def _draw_at_once(theta: Any, tau: float, noise: Any, data: KernelData, moments: Moments, out: Any) -> None:
    """Fill a draw of (u, beta) given theta where there is one term of few coefficients: beta, then u given beta."""
    k, levels = data.terms[layout.COEFS, 0], data.terms[layout.LEVELS, 0]
    added, lower, beta = rest_at_once(theta, tau, data, moments)
    shift = noise[levels * k :]
    backward_small(lower, shift)
    u = np.empty((k, levels))
    for j in range(beta.size):
        beta[j] += shift[j]
        out[levels * k + j] = beta[j]
    level_means(added, beta, u)
    add_level_noise(added, noise, u)
    for level in range(levels):
        for c in range(k):
            out[level * k + c] = u[c, level]


@as_written
def _draw_coefficients(theta: Any, normals: Any, data: KernelData, moments: Moments, out: Any) -> None:
    """Draw (u, beta) given theta, one row of each per draw."""
    n_beta = data.sizes[layout.N_BETA]
    for s in range(theta.shape[0]):
        sigma = scale_given(theta[s], data)[0]
        if moments.blocks.size > 0:
            _draw_at_once(theta[s], 1.0 / (sigma * sigma), normals[s], data, moments, out[s])
        else:
            _draw_by_levels(theta[s], 1.0 / (sigma * sigma), normals[s], data, moments, out[s])
        for j in range(n_beta):
            out[s, out.shape[1] - n_beta + j] += moments.shift[j]


@native(CALL_SIGNATURE)
def draw_coefficients(table_: Any) -> float:
    """Call `_draw_coefficients`: reads KernelData, Moments, theta and normals (used up); fills the draws."""
    table = carray(table_, (layout.TABLE_SIZE + MOMENTS_SIZE + 9,), np.uint64)
    moments, rest = table[layout.TABLE_SIZE :], table[layout.TABLE_SIZE + MOMENTS_SIZE :]
    theta, normals, out = (
        read_matrix(rest, 0, np.float64),
        read_matrix(rest, 1, np.float64),
        read_matrix(rest, 2, np.float64),
    )
    _draw_coefficients(theta, normals, read_data(table), read_moments(moments), out)
    return 0.0
