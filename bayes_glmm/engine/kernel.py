"""The log density of a GLMM with its gradient, compiled once a machine and fed with data by address.

Input: a position x = [u, beta, theta] and `KernelData`. Output: log density up to a constant of the model, and its
gradient. The PyMC model is the definition; tests hold the two to 1e-9.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import ordered, reordered
from bayes_glmm.engine.channels import evaluate_rows, workspace
from bayes_glmm.engine.data import KernelData, read_data
from bayes_glmm.engine.native import native
from bayes_glmm.engine.parameters import (
    CORRELATION,
    INCREMENT,
    KIND,
    constrain,
    constrain_last,
    correlation_prior,
    covariance,
    increment_priors,
    log_prior,
    pull_last,
    pull_term,
    term_given,
)
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, carray, local_matrix, local_vector

BLOCK = 256


@reordered
def _predict_segments(x: Any, data: KernelData, start: int, stop: int, eta: Any) -> None:
    """Add Z u of the largest term, whose levels are runs of rows: loops without gathers."""
    k, n_beta, several = data.terms[layout.COEFS, 0], data.sizes[layout.N_BETA], data.predictors.shape[0] > 1
    row = start
    while row < stop:
        level = data.codes[0, row]
        end = min(data.segments[level + 1], stop)
        part = eta[row - start : end - start]
        for c in range(k):
            if several:
                at = (stop - start) * data.channels[n_beta + c] - start
                part = eta[at + row : at + end]
            u = x[k * level + c]
            if data.ones[n_beta + c]:
                for i in range(part.size):
                    part[i] += u
            else:
                column = data.Z[c][row:end]
                for i in range(part.size):
                    part[i] += u * column[i]
        row = end


@reordered
def _pull_segments(data: KernelData, start: int, stop: int, d_eta: Any, gradient: Any) -> None:
    """Add Z' d of the largest term: one sum a run of rows."""
    k, n_beta, several = data.terms[layout.COEFS, 0], data.sizes[layout.N_BETA], data.predictors.shape[0] > 1
    row = start
    while row < stop:
        level = data.codes[0, row]
        end = min(data.segments[level + 1], stop)
        part = d_eta[row - start : end - start]
        for c in range(k):
            if several:
                at = (stop - start) * data.channels[n_beta + c] - start
                part = d_eta[at + row : at + end]
            total = 0.0
            if data.ones[n_beta + c]:
                for i in range(part.size):
                    total += part[i]
            else:
                column = data.Z[c][row:end]
                for i in range(part.size):
                    total += part[i] * column[i]
            gradient[k * level + c] += total
        row = end


@reordered
def _predict_columns(beta: Any, X: Any, start: int, stop: int, eta: Any) -> None:
    """Add X beta of dense columns, four a pass: eta is read and written a quarter as often."""
    p, size = X.shape[0], stop - start
    for j in range(0, p - 3, 4):
        a, b, c, d = X[j][start:stop], X[j + 1][start:stop], X[j + 2][start:stop], X[j + 3][start:stop]
        of_a, of_b, of_c, of_d = beta[j], beta[j + 1], beta[j + 2], beta[j + 3]
        for i in range(size):
            eta[i] += of_a * a[i] + of_b * b[i] + of_c * c[i] + of_d * d[i]
    for j in range(p - p % 4, p):
        a, of_a = X[j][start:stop], beta[j]
        for i in range(size):
            eta[i] += of_a * a[i]


@reordered
def _pull_columns(X: Any, start: int, stop: int, d_eta: Any, gradient: Any) -> None:
    """Add X' d of dense columns, four a pass."""
    p, size = X.shape[0], stop - start
    for j in range(0, p - 3, 4):
        a, b, c, d = X[j][start:stop], X[j + 1][start:stop], X[j + 2][start:stop], X[j + 3][start:stop]
        of_a, of_b, of_c, of_d = 0.0, 0.0, 0.0, 0.0
        for i in range(size):
            of_a += d_eta[i] * a[i]
            of_b += d_eta[i] * b[i]
            of_c += d_eta[i] * c[i]
            of_d += d_eta[i] * d[i]
        gradient[j] += of_a
        gradient[j + 1] += of_b
        gradient[j + 2] += of_c
        gradient[j + 3] += of_d
    for j in range(p - p % 4, p):
        a, of_a = X[j][start:stop], 0.0
        for i in range(size):
            of_a += d_eta[i] * a[i]
        gradient[j] += of_a


@reordered
def _predict_fixed(x: Any, data: KernelData, c: int, start: int, stop: int, eta: Any) -> None:
    """Fill one linear predictor of the rows start..stop with its offset + X beta."""
    n_u, size = data.sizes[layout.N_U], stop - start
    first, last = int(data.predictors[c, layout.FIRST]), int(data.predictors[c, layout.LAST])
    constant = 1 if last > first and data.ones[first] else 0
    intercept = x[n_u + first] if constant else 0.0
    if data.sizes[layout.HAS_OFFSET]:
        at = c * data.sizes[layout.N_ROWS]
        offset = data.offset[at + start : at + stop]
        for i in range(size):
            eta[i] = offset[i] + intercept
    else:
        for i in range(size):
            eta[i] = intercept
    first += constant
    _predict_columns(x[n_u + first : n_u + last], data.X[first:last], start, stop, eta)


@reordered
def predict_block(x: Any, data: KernelData, start: int, stop: int, eta: Any) -> None:
    """Fill eta for the rows start..stop, one linear predictor after the other: offset + X beta + Z u."""
    n_beta, size = data.sizes[layout.N_BETA], stop - start
    for c in range(data.predictors.shape[0]):
        _predict_fixed(x, data, c, start, stop, eta[c * size : c * size + size])
    for t in range(data.sizes[layout.N_TERMS]):
        k, first = data.terms[layout.COEFS, t], data.terms[layout.U_START, t]
        codes = data.codes[t][start:stop]
        if t == 0:
            _predict_segments(x, data, start, stop, eta)
            continue
        for c in range(k):
            z = data.terms[layout.Z_START, t] + c
            at = size * data.channels[n_beta + z]
            own = eta[at : at + size]
            if data.ones[n_beta + z]:
                for i in range(size):
                    own[i] += x[first + k * codes[i] + c]
            else:
                column = data.Z[z][start:stop]
                for i in range(size):
                    own[i] += column[i] * x[first + k * codes[i] + c]


@reordered
def _pull_fixed(data: KernelData, c: int, start: int, stop: int, d_eta: Any, gradient: Any) -> None:
    """Add X' d of one linear predictor of the rows start..stop to the gradient's beta."""
    n_u = data.sizes[layout.N_U]
    first, last = int(data.predictors[c, layout.FIRST]), int(data.predictors[c, layout.LAST])
    if last > first and data.ones[first]:
        total = 0.0
        for i in range(stop - start):
            total += d_eta[i]
        gradient[n_u + first] += total
        first += 1
    _pull_columns(data.X[first:last], start, stop, d_eta, gradient[n_u + first : n_u + last])


@reordered
def pull_block(data: KernelData, start: int, stop: int, d_eta: Any, gradient: Any) -> None:
    """Add X' d and Z' d of the rows start..stop to the gradient's beta and u; d_eta is laid out as eta is."""
    n_beta, size = data.sizes[layout.N_BETA], stop - start
    for c in range(data.predictors.shape[0]):
        _pull_fixed(data, c, start, stop, d_eta[c * size : c * size + size], gradient)
    for t in range(data.sizes[layout.N_TERMS]):
        k, first = data.terms[layout.COEFS, t], data.terms[layout.U_START, t]
        codes = data.codes[t][start:stop]
        if t == 0:
            _pull_segments(data, start, stop, d_eta, gradient)
            continue
        for c in range(k):
            z = data.terms[layout.Z_START, t] + c
            at = size * data.channels[n_beta + z]
            own = d_eta[at : at + size]
            if data.ones[n_beta + z]:
                for i in range(size):
                    gradient[first + k * codes[i] + c] += own[i]
            else:
                column = data.Z[z][start:stop]
                for i in range(size):
                    gradient[first + k * codes[i] + c] += own[i] * column[i]


@reordered
def auxiliary_parameters(x: Any, data: KernelData, parameters: Any) -> None:
    """Fill the family's parameters from theta's last elements, and two infinities behind them.

    Row kernels read two parameters, and one threshold more than there are.
    """
    n_theta, n_auxiliary = data.sizes[layout.N_THETA], data.sizes[layout.N_AUXILIARY]
    parameters[n_auxiliary:] = np.inf
    constrain_last(data.theta_table[n_theta - n_auxiliary :], x[x.size - n_auxiliary :], parameters)


@reordered
def add_likelihood(x: Any, data: KernelData, gradient: Any) -> float:
    """Return the log likelihood and add its gradient, block by block."""
    n, channels = data.sizes[layout.N_ROWS], data.predictors.shape[0]
    n_theta, n_auxiliary = data.sizes[layout.N_THETA], data.sizes[layout.N_AUXILIARY]
    last = x.size - n_auxiliary
    eta, values, d_eta = local_vector(channels * BLOCK), local_vector(BLOCK), local_vector(channels * BLOCK)
    parameters, d_parameters = local_vector(n_auxiliary + 2), local_vector(n_auxiliary + 2)
    work = local_vector(workspace(data, BLOCK))
    auxiliary_parameters(x, data, parameters)
    d_parameters[:] = 0.0
    total = 0.0
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        predict_block(x, data, start, stop, eta)
        total += evaluate_rows(data, start, stop, eta, parameters, work, values, d_eta, d_parameters)
        pull_block(data, start, stop, d_eta, gradient)
    pull_last(data.theta_table[n_theta - n_auxiliary :], x[last:], d_parameters, gradient[last:])
    return total


@ordered
def _independent_levels(u: Any, omega: Any, squares: Any, d_u: Any) -> float:
    """Return sum_j u_j' Omega u_j, take its half's derivative off d/du, and add sum_j u_j u_j' to `squares`."""
    k, quadratic = omega.shape[0], 0.0
    for level in range(u.size // k):
        at = k * level
        for a in range(k):
            pulled = 0.0
            for b in range(k):
                pulled += omega[a, b] * u[at + b]
                squares[a, b] += u[at + a] * u[at + b]
            quadratic += pulled * u[at + a]
            d_u[at + a] -= pulled
    return quadratic


@ordered
def _related_levels(u: Any, omega: Any, data: KernelData, first: int, squares: Any, d_u: Any) -> float:
    """Do the same where u_j stands for what the levels before it do not say, in units of its innovation's sd."""
    k, quadratic = omega.shape[0], 0.0
    own, pulled = local_vector(k), local_vector(k)
    for level in range(u.size // k):
        at, inverse = k * level, 1.0 / data.innovations[first + level]
        start, stop = data.chain[first + level], data.chain[first + level + 1]
        for a in range(k):
            own[a] = u[at + a]
        for m in range(start, stop):
            for a in range(k):
                own[a] -= data.weights[m] * u[k * data.before[m] + a]
        for a in range(k):
            total = 0.0
            for b in range(k):
                total += omega[a, b] * own[b]
                squares[a, b] += inverse * own[a] * own[b]
            pulled[a] = inverse * total
            quadratic += pulled[a] * own[a]
            d_u[at + a] -= pulled[a]
        for m in range(start, stop):
            for a in range(k):
                d_u[k * data.before[m] + a] += data.weights[m] * pulled[a]
    return quadratic


@ordered
def add_group_prior(x: Any, data: KernelData, t: int, gradient: Any) -> float:
    """Return one term's log N(u; 0, Sigma) and LKJ prior, and add their gradients."""
    k, levels = data.terms[layout.COEFS, t], data.terms[layout.LEVELS, t]
    first, z = data.terms[layout.U_START, t], data.terms[layout.Z_START, t]
    start = data.terms[layout.THETA_START, t]
    offset = data.sizes[layout.N_U] + data.sizes[layout.N_BETA]
    theta, d_theta = x[offset:], gradient[offset:]
    sd, factor, inverse, omega = local_vector(k), local_matrix(k, k), local_matrix(k, k), local_matrix(k, k)
    log_det = term_given(theta, data, t, sd, factor, inverse, omega)
    squares, d_omega = local_matrix(k, k), local_matrix(k, k)
    squares[:] = 0.0
    u, d_u = x[first : first + k * levels], gradient[first : first + k * levels]
    if data.related[t] < 0:
        quadratic = _independent_levels(u, omega, squares, d_u)
    else:
        quadratic = _related_levels(u, omega, data, data.related[t], squares, d_u)
    covariance(sd, factor, d_omega)
    for a in range(k):
        for b in range(k):
            d_omega[a, b] = 0.5 * (levels * d_omega[a, b] - squares[a, b])
    pull_term(theta, data, t, sd, factor, inverse, d_omega, d_theta)
    total = levels * log_det - 0.5 * quadratic
    return total + correlation_prior(theta, start, k, data.blocks[z : z + k], data.lkj[t], factor, d_theta)


@reordered
def add_scalar_priors(x: Any, data: KernelData, gradient: Any) -> float:
    """Return the log priors of beta and of theta's sds and auxiliary parameters, and add their gradients."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    total = 0.0
    for j in range(n_beta):
        value, slope = log_prior(data.beta_table[j], x[n_u + j])
        total += value
        gradient[n_u + j] += slope
    for i in range(data.sizes[layout.N_THETA]):
        if int(data.theta_table[i, KIND]) in (CORRELATION, INCREMENT):  # the term's LKJ, and the thresholds' below
            continue
        constrained = constrain(data.theta_table[i], x[n_u + n_beta + i])
        total += constrained[2]
        gradient[n_u + n_beta + i] += constrained[3]
    n_auxiliary = data.sizes[layout.N_AUXILIARY]
    first, last = data.sizes[layout.N_THETA] - n_auxiliary, x.size - n_auxiliary
    return total + increment_priors(data.theta_table[first:], x[last:], gradient[last:])


@reordered
def log_density(x: Any, data: KernelData, gradient: Any) -> float:
    """Return the log density at x up to a constant, and fill its gradient.

    Parameters
    ----------
    x
        (D,) position [u, beta, theta].
    data
        The model.
    gradient
        (D,) overwritten.

    Returns
    -------
    float
        Log likelihood + log priors + log Jacobians of theta's transforms.
    """
    gradient[:] = 0.0
    total = add_likelihood(x, data, gradient)
    for t in range(data.sizes[layout.N_TERMS]):
        total += add_group_prior(x, data, t, gradient)
    return total + add_scalar_priors(x, data, gradient)


@native(DENSITY_SIGNATURE)
def density(dim: int, x_: Any, gradient_: Any, logp_: Any, user_data_: Any) -> int:
    """Call `log_density`; user data is the `address_table` of a `KernelData`. 0, or why the result is not finite."""
    table = carray(user_data_, (layout.TABLE_SIZE,), np.uint64)
    data = read_data(table)
    gradient = carray(gradient_, (dim,))
    value = log_density(carray(x_, (dim,)), data, gradient)
    carray(logp_, (1,))[0] = value
    if not math.isfinite(value):
        return 4
    for i in range(dim):
        if not math.isfinite(gradient[i]):
            return 3
    return 0
