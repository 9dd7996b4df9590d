"""Rows with several responses: each its own row kernel on its own linear predictor, or normal ones together.

Input: the linear predictors of a block of rows, one response after the other (R, rows), and all responses' parameters.
Output: log likelihoods and derivatives. A response that a row does not have has a weight of zero there and is not
looked at. Responses without a kernel of their own are normal with correlated residuals: their sds are parameters, and
(1 + r) / 2 of the partial correlations stand behind all parameters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.pointers import call_rows, local_matrix, local_vector


@as_written
def response_workspace(data: KernelData, size: int) -> int:
    """Return how many numbers `evaluate_responses` works in, for blocks of up to `size` rows."""
    return (4 + data.y.shape[1]) * size


@as_written
def evaluate_responses(
    data: KernelData,
    start: int,
    stop: int,
    eta: Any,
    parameters: Any,
    work: Any,
    values: Any,
    d_eta: Any,
    d_parameters: Any,
) -> float:
    """Fill the log likelihoods of the rows start..stop and d/d eta; add to d/d parameters; return the sum."""
    together, total = 0, 0.0
    for i in range(stop - start):
        values[i] = 0.0
    for r in range(data.predictors.shape[0]):
        if data.predictors[r, layout.ADDRESS] > 0.0:
            total += _evaluate_alone(data, r, start, stop, eta, parameters, work, values, d_eta, d_parameters)
        else:
            together += 1
    if together > 0:
        total += _evaluate_together(data, together, start, stop, eta, parameters, values, d_eta, d_parameters)
    return total


@as_written
def _evaluate_alone(
    data: KernelData,
    r: int,
    start: int,
    stop: int,
    eta: Any,
    parameters: Any,
    work: Any,
    values: Any,
    d_eta: Any,
    d_parameters: Any,
) -> float:
    """Evaluate one response by its row kernel, on the rows that have it, gathered."""
    size, address = stop - start, np.uint64(data.predictors[r, layout.ADDRESS])
    first_y, width = int(data.predictors[r, layout.FIRST_Y]), int(data.predictors[r, layout.WIDTH])
    first, count = int(data.predictors[r, layout.PARAMETER]), int(data.predictors[r, layout.N_PARAMETERS])
    own, counts, each, slopes = work[:size], work[size : 2 * size], work[2 * size : 3 * size], work[3 * size : 4 * size]
    y = work[4 * size : (4 + width) * size]
    par, d_par = local_vector(count + 2), local_vector(count + 2)
    for a in range(count + 2):
        par[a], d_par[a] = np.inf, 0.0
        if a < count:
            par[a] = parameters[first + a]
    m = 0
    for i in range(size):
        d_eta[r * size + i] = 0.0
        weight = data.y[start + i, first_y + width]
        if weight > 0.0:
            own[m], counts[m] = eta[r * size + i], weight
            for k in range(width):
                y[m * width + k] = data.y[start + i, first_y + k]
            m += 1
    if m == 0:
        return 0.0
    total: float = call_rows(address, m, own, y, counts, par, each, slopes, d_par)
    m = 0
    for i in range(size):
        if data.y[start + i, first_y + width] > 0.0:
            values[i] += each[m]
            d_eta[r * size + i] = slopes[m]
            m += 1
    for a in range(count):
        d_parameters[first + a] += d_par[a]
    return total


@as_written
def _evaluate_together(
    data: KernelData,
    m: int,
    start: int,
    stop: int,
    eta: Any,
    parameters: Any,
    values: Any,
    d_eta: Any,
    d_parameters: Any,
) -> float:
    """Evaluate m normal responses with correlated residuals, of which a row may have some."""
    size, last = stop - start, data.sizes[layout.N_AUXILIARY]
    factor, covariance, inverse, pulled = local_matrix(m, m), local_matrix(m, m), local_matrix(m, m), local_matrix(m, m)
    lower, sd, e, a = local_matrix(m, m), local_vector(m), local_vector(m), local_vector(m)
    place, having = local_vector(m), local_vector(m)
    k = 0
    for r in range(data.predictors.shape[0]):
        if not data.predictors[r, layout.ADDRESS] > 0.0:
            place[k], sd[k] = r, parameters[int(data.predictors[r, layout.PARAMETER])]
            k += 1
    partials = parameters[last - m * (m - 1) // 2 : last]
    _correlation_factor(partials, factor)
    for i in range(m):
        for j in range(m):
            covariance[i, j] = pulled[i, j] = 0.0
            for c in range(min(i, j) + 1):
                covariance[i, j] += sd[i] * factor[i, c] * sd[j] * factor[j, c]
    total, before, log_det = 0.0, -1, 0.0
    for i in range(size):
        k, pattern = 0, 0
        for b in range(m):
            r = int(place[b])
            first_y = int(data.predictors[r, layout.FIRST_Y])
            d_eta[r * size + i] = 0.0
            if data.y[start + i, first_y + 1] > 0.0:
                having[k], e[k] = b, data.y[start + i, first_y] - eta[r * size + i]
                pattern += 1 << b
                k += 1
        if pattern != before:
            log_det, before = _invert_part(covariance, having, k, lower, inverse), pattern
        square = 0.0
        for b in range(k):
            a[b] = 0.0
            for c in range(k):
                a[b] += inverse[b, c] * e[c]
            square += a[b] * e[b]
            d_eta[int(place[int(having[b])]) * size + i] = a[b]
        for b in range(k):
            for c in range(k):
                pulled[int(having[b]), int(having[c])] += 0.5 * (a[b] * a[c] - inverse[b, c])
        value = -0.5 * (log_det + square)
        values[i] += value
        total += value
    _pull_covariance(data, m, place, sd, factor, partials, pulled, lower, d_parameters)
    return total


@as_written
def _correlation_factor(partials: Any, factor: Any) -> None:
    """Fill the Cholesky factor of a correlation matrix from (1 + r) / 2 of its partial correlations."""
    position = 0
    for i in range(factor.shape[0]):
        left = 1.0
        for j in range(factor.shape[0]):
            factor[i, j] = 0.0
        for j in range(i):
            r = 2.0 * partials[position] - 1.0
            factor[i, j] = r * left
            left *= 2.0 * math.sqrt(partials[position] * (1.0 - partials[position]))
            position += 1
        factor[i, i] = left


@as_written
def _invert_part(covariance: Any, having: Any, k: int, lower: Any, inverse: Any) -> float:
    """Fill the inverse of the covariance of the k responses that a row has; return its log determinant."""
    log_det = 0.0
    for i in range(k):
        for j in range(i + 1):
            total = covariance[int(having[i]), int(having[j])]
            for c in range(j):
                total -= lower[i, c] * lower[j, c]
            lower[i, j] = math.sqrt(total) if i == j else total / lower[j, j]
        log_det += 2.0 * math.log(lower[i, i])
    for column in range(k):
        for i in range(column, k):
            total = 1.0 if i == column else 0.0
            for c in range(column, i):
                total -= lower[i, c] * inverse[c, column]
            inverse[i, column] = total / lower[i, i]
        for i in range(k - 1, column - 1, -1):
            total = inverse[i, column]
            for c in range(i + 1, k):
                total -= lower[c, i] * inverse[c, column]
            inverse[i, column] = total / lower[i, i]
    for i in range(k):
        for j in range(i):
            inverse[j, i] = inverse[i, j]
    return log_det


@as_written
def _pull_covariance(
    data: KernelData,
    m: int,
    place: Any,
    sd: Any,
    factor: Any,
    partials: Any,
    pulled: Any,
    d_factor: Any,
    d_parameters: Any,
) -> None:
    """Add what d/d covariance (m, m) implies for sds and partial correlations; `d_factor` is worked in."""
    for i in range(m):
        d_sd = 0.0
        for j in range(m):
            corr = 0.0
            for c in range(min(i, j) + 1):
                corr += factor[i, c] * factor[j, c]
            d_sd += 2.0 * pulled[i, j] * sd[j] * corr
        d_parameters[int(data.predictors[int(place[i]), layout.PARAMETER])] += d_sd
        # the correlation is L L': d / d L = 2 (d / d correlation) L
        for c in range(i + 1):
            d_factor[i, c] = 0.0
            for j in range(c, m):
                d_factor[i, c] += 2.0 * pulled[i, j] * sd[i] * sd[j] * factor[j, c]
    position, first = 0, data.sizes[layout.N_AUXILIARY] - m * (m - 1) // 2
    for i in range(m):
        left = 1.0
        for j in range(i):
            p = partials[position]
            r, rest = 2.0 * p - 1.0, 4.0 * p * (1.0 - p)
            slope = d_factor[i, j] * left
            for c in range(j + 1, i + 1):
                slope -= d_factor[i, c] * factor[i, c] * r / rest
            d_parameters[first + position] += 2.0 * slope
            left *= math.sqrt(rest)
            position += 1
