"""Rows with several linear predictors: those of a mean and of parameters with formulas, or those of several responses.

Input: the linear predictors of a block of rows, one after the other (C, rows), and the parameters that are the same in
every row. Output: log likelihoods, with derivatives by each linear predictor, and the information a row carries about
them. With one linear predictor the row kernel is called as it is; with several, that which reads the family's
parameters row by row (`compose.each_loop`). Several responses have row kernels of their own (`responses.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine import densities
from bayes_glmm.engine.arithmetic import as_written, reordered
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.pointers import call_rows
from bayes_glmm.engine.responses import evaluate_responses, response_workspace

#: Codes of inverse links of further parameters, by the link's name.
INVERSES: Mapping[str, int] = {
    name: code
    for code, name in enumerate(("log", "logit", "identity", "softplus", "probit", "cloglog", "loglog", "cauchit"))
}
_LOG, _LOGIT, _IDENTITY, _SOFTPLUS, _PROBIT, _CLOGLOG, _LOGLOG, _CAUCHIT = range(8)
#: Step of a linear predictor over which derivatives are taken again, for the information.
STEP = 1e-4
#: A pivot this much below zero, as a share of the diagonal, is rounding.
_ROUNDING = 1e-9


@as_written
def _inverse(code: int, eta: float) -> tuple[float, float]:
    """Return a parameter less its lower bound, and its derivative, by the code of its inverse link."""
    if code == _LOG:
        return densities.exp(eta)
    if code == _LOGIT:
        return densities.expit(eta)
    if code == _SOFTPLUS:
        return densities.softplus(eta)
    if code == _PROBIT:
        return densities.normal_cdf(eta)
    if code == _CLOGLOG:
        return densities.cloglog(eta)
    if code == _LOGLOG:
        return densities.loglog(eta)
    if code == _CAUCHIT:
        return densities.cauchy_cdf(eta)
    return eta, 1.0


@as_written
def workspace(data: KernelData, size: int) -> int:
    """Return how many numbers `evaluate_rows` works in, for blocks of up to `size` rows."""
    channels = data.predictors.shape[0]
    if data.sizes[layout.ROWS_ADDRESS] == 0:
        return response_workspace(data, size)
    return 3 * (data.sizes[layout.N_AUXILIARY] + channels - 1) * size if channels > 1 else 1


@as_written
def _channel_of(data: KernelData, parameter: int) -> int:
    """Return the linear predictor of one of the family's parameters; 0 where it is the same in every row."""
    for c in range(1, data.predictors.shape[0]):
        if int(data.predictors[c, layout.PARAMETER]) == parameter:
            return c
    return 0


@reordered
def evaluate_rows(
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
    address, size, channels = np.uint64(data.sizes[layout.ROWS_ADDRESS]), stop - start, data.predictors.shape[0]
    if address == 0:
        return evaluate_responses(data, start, stop, eta, parameters, work, values, d_eta, d_parameters)
    y, counts = data.y[start:stop], data.counts[start:stop]
    if channels == 1:
        alone: float = call_rows(address, size, eta, y, counts, parameters, values, d_eta, d_parameters)
        return alone
    n_parameters = data.sizes[layout.N_AUXILIARY] + channels - 1
    par, d_par = work[: n_parameters * size], work[n_parameters * size : 2 * n_parameters * size]
    slopes, constant = work[2 * n_parameters * size :], 0
    for a in range(n_parameters):
        c, own = _channel_of(data, a), par[a * size : a * size + size]
        if c == 0:
            own[:] = parameters[constant]
            constant += 1
            continue
        code, lower = int(data.predictors[c, layout.INVERSE]), data.predictors[c, layout.LOWER]
        for i in range(size):
            value, slopes[a * size + i] = _inverse(code, eta[c * size + i])
            own[i] = lower + value
    total: float = call_rows(address, size, eta, y, counts, par, values, d_eta, d_par)
    constant = 0
    for a in range(n_parameters):
        c, own = _channel_of(data, a), d_par[a * size : a * size + size]
        if c == 0:
            d_parameters[constant] += own.sum()
            constant += 1
            continue
        for i in range(size):
            d_eta[c * size + i] = own[i] * slopes[a * size + i]
    return total


@as_written
def row_factors(
    data: KernelData, start: int, stop: int, eta: Any, parameters: Any, work: Any, lower: Any, upper: Any, factors: Any
) -> None:
    """Fill factors of each row's information about its linear predictors, L D L', from first derivatives.

    D stands on the diagonal of `factors` (rows, C, C), L below it. The information's diagonal is minus the second
    derivative, at least 0; where the matrix has a negative eigenvalue, what stands beside the diagonal is shrunk until
    it has none (by Gershgorin's circles; for two linear predictors no further than needed).
    """
    channels, size = data.predictors.shape[0], stop - start
    values, unused, pivots = np.empty(size), np.zeros(parameters.size), np.empty(channels)
    for c in range(channels):
        own = eta[c * size : c * size + size]
        own += STEP
        evaluate_rows(data, start, stop, eta, parameters, work, values, upper, unused)
        own -= 2.0 * STEP
        evaluate_rows(data, start, stop, eta, parameters, work, values, lower, unused)
        own += STEP
        for other in range(channels):
            for i in range(size):
                curvature = (lower[other * size + i] - upper[other * size + i]) / (2.0 * STEP)
                factors[i, c, other] = curvature if math.isfinite(curvature) else 0.0
    for i in range(size):
        _factorize_row(factors[i], pivots)


@as_written
def _factorize_row(matrix: Any, pivots: Any) -> None:
    """Turn one row's curvature into the factors L and D of the information it stands for; work in `pivots` (C,)."""
    k = matrix.shape[0]
    widest = 1.0
    for a in range(k):
        beside = 0.0
        for b in range(k):
            if b != a:
                scale = max(matrix[a, a], 0.0) * max(matrix[b, b], 0.0)
                between = 0.5 * (matrix[a, b] + matrix[b, a])
                beside += abs(between) / math.sqrt(scale) if scale > 0.0 else 0.0
        widest = max(widest, beside)
    for a in range(k):
        for b in range(a):
            known = matrix[a, a] > 0.0 and matrix[b, b] > 0.0
            matrix[b, a] = 0.5 * (matrix[a, b] + matrix[b, a]) if known else 0.0
        matrix[a, a] = max(matrix[a, a], 0.0)
    if not _eliminate(matrix, pivots, 1.0):
        _eliminate(matrix, pivots, widest)
    for a in range(k):
        matrix[a, a] = max(pivots[a], 0.0)
        for b in range(a + 1, k):
            matrix[a, b] = 0.0


@as_written
def _eliminate(matrix: Any, pivots: Any, shrink: float) -> bool:
    """Fill L below the diagonal and D, `pivots`, of what stands on it and above it; say whether D has no minus."""
    positive = True
    for a in range(matrix.shape[0]):
        pivots[a] = matrix[a, a]
        for b in range(a):
            total = matrix[b, a] / shrink
            for m in range(b):
                total -= matrix[a, m] * matrix[b, m] * max(pivots[m], 0.0)
            matrix[a, b] = total / pivots[b] if pivots[b] > 0.0 else 0.0
        for m in range(a):
            pivots[a] -= matrix[a, m] * matrix[a, m] * max(pivots[m], 0.0)
        positive = positive and pivots[a] >= -_ROUNDING * matrix[a, a]
    return positive
