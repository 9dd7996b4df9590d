"""Unconstrained variance parameters theta: their transforms, priors, and the covariance of each grouping term.

theta holds, per term, k log sds (or logits where the prior has two bounds) and the rows w of the correlation's Cholesky
factor, then the family's auxiliary parameters, thresholds as the first one and the logs of the increments. Input: theta
and the tables of `KernelData`. Output: parameters, log priors with their Jacobians, precisions, and the pullback of
gradients to theta.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.smooths import FLOOR
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.pointers import local_matrix, local_vector

#: Codes of prior distributions in the tables of `KernelData`.
FLAT, NORMAL, STUDENT, LAPLACE, EXPONENTIAL, GAMMA, INVERSE_GAMMA, LOG_NORMAL, BETA = range(9)
#: Codes of transforms: no bound, a lower bound, two bounds, an element of a correlation's Cholesky factor, the log of
#: the increment over the element before.
UNBOUNDED, ABOVE, BETWEEN, CORRELATION, INCREMENT = range(5)
#: Columns of a prior table.
KIND, DISTRIBUTION, FIRST, SECOND, THIRD, POWER, LOWER, UPPER = range(8)

#: Columns of a term's pattern: first coefficient of a coefficient's correlation block, or, from `SHARED` down, the
#: element of the term's theta that is the sd it shares with others; then what a Gaussian process's sds follow from.
BLOCK, FREQUENCY, VARIABLES, SMOOTHNESS, CONSTANT = range(5)
SHARED = -1
#: Most random coefficients a group, and most thresholds, that the engine takes: their arrays are on the stack.
MOST_COEFS, MOST_THRESHOLDS = 64, 4096


@as_written
def log_prior(row: Any, x: float) -> tuple[float, float]:
    """Return the log density (up to a constant) of a prior at x, and its derivative."""
    code, a, b, c = int(row[DISTRIBUTION]), row[FIRST], row[SECOND], row[THIRD]
    if code == NORMAL:
        z = (x - a) / b
        return -0.5 * z * z, -z / b
    if code == STUDENT:
        z = (x - b) / c
        return -0.5 * (a + 1.0) * math.log1p(z * z / a), -(a + 1.0) * z / (c * (a + z * z))
    if code == LAPLACE:
        return -abs(x - a) / b, (-1.0 if x > a else 1.0) / b
    if code == EXPONENTIAL:
        return -a * x, -a
    if code == GAMMA:
        return (a - 1.0) * math.log(x) - b * x, (a - 1.0) / x - b
    if code == INVERSE_GAMMA:
        return -(a + 1.0) * math.log(x) - b / x, -(a + 1.0) / x + b / (x * x)
    if code == LOG_NORMAL:
        z = (math.log(x) - a) / b
        return -math.log(x) - 0.5 * z * z, -(1.0 + z / b) / x
    if code == BETA:
        return (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x), (a - 1.0) / x - (b - 1.0) / (1.0 - x)
    return 0.0, 0.0


@as_written
def constrain(row: Any, theta: float) -> tuple[float, float, float, float]:
    """Map one element of theta to its parameter.

    Returns the parameter, d parameter / d theta, the log prior with the Jacobian of the transform, and its derivative.
    The prior is that of parameter**power.
    """
    power = row[POWER]
    if int(row[KIND]) == UNBOUNDED:
        log_p, d_log_p = log_prior(row, theta)
        return theta, 1.0, log_p, d_log_p
    if int(row[KIND]) == ABOVE:
        step = math.exp(theta)
        value = row[LOWER] + step
        x = value if power == 1.0 else value**power
        log_p, d_log_p = log_prior(row, x)
        dx = power * x / value * step
        jacobian = theta + (power - 1.0) * math.log(value)
        return value, step, log_p + jacobian, d_log_p * dx + 1.0 + (power - 1.0) * step / value
    s = 1.0 / (1.0 + math.exp(-theta))
    width = row[UPPER] - row[LOWER]
    x = row[LOWER] + width * s
    dx = width * s * (1.0 - s)
    log_p, d_log_p = log_prior(row, x)
    value = x if power == 1.0 else x ** (1.0 / power)
    # log s(1 - s), stable in both tails
    jacobian = -abs(theta) - 2.0 * math.log1p(math.exp(-abs(theta)))
    return value, value / (power * x) * dx, log_p + jacobian, d_log_p * dx + 1.0 - 2.0 * s


@as_written
def constrain_last(table: Any, theta: Any, values: Any) -> None:
    """Fill the parameters of the last rows of a table and elements of theta, thresholds added up."""
    for a in range(table.shape[0]):
        if int(table[a, KIND]) == INCREMENT:
            values[a] = values[a - 1] + math.exp(theta[a])
        else:
            values[a] = constrain(table[a], theta[a])[0]


@as_written
def pull_last(table: Any, theta: Any, d_values: Any, gradient: Any) -> None:
    """Add to `gradient` what d / d parameters implies: `constrain_last` in reverse; `d_values` is used up."""
    for a in range(table.shape[0] - 1, -1, -1):
        if int(table[a, KIND]) == INCREMENT:
            gradient[a] += d_values[a] * math.exp(theta[a])
            d_values[a - 1] += d_values[a]
        else:
            gradient[a] += d_values[a] * constrain(table[a], theta[a])[1]


@as_written
def increment_priors(table: Any, theta: Any, gradient: Any) -> float:
    """Return the log priors of the thresholds after the first with the Jacobian of their increments."""
    size = table.shape[0]
    values, d_values = local_vector(size), local_vector(size)
    constrain_last(table, theta, values)
    d_values[:] = 0.0
    total = 0.0
    for a in range(size):
        if int(table[a, KIND]) == INCREMENT:
            log_p, d_values[a] = log_prior(table[a], values[a])
            total += log_p + theta[a]
            gradient[a] += 1.0
    pull_last(table, theta, d_values, gradient)
    return total


@as_written
def _shared_sd(theta: Any, at: int, table: Any, row: Any) -> tuple[float, float, float]:
    """Return the sd of a coefficient of a smooth, and its derivatives along its elements of theta.

    A Gaussian process's is sd sqrt(S(w; l)), l the next parameter; a spline's is the shared sd.
    """
    sd, slope, _, _ = constrain(table[at], theta[at])
    if row[FREQUENCY] == 0.0:
        return sd, slope, 0.0
    length, length_slope, _, _ = constrain(table[at + 1], theta[at + 1])
    bend, nu, count = length * length * row[FREQUENCY], row[SMOOTHNESS], row[VARIABLES]
    if nu == 0.0:
        left = math.exp(-0.5 * bend)
        fall, steepness = -math.log(left + FLOOR), bend * left / (left + FLOOR)
    else:
        fall = (nu + 0.5 * count) * math.log(2.0 * nu + bend)
        steepness = (2.0 * nu + count) * bend / (2.0 * nu + bend)
    root = math.exp(0.5 * (row[CONSTANT] + count * math.log(length) - fall))
    return sd * root, slope * root, sd * root * 0.5 * (count - steepness) / length * length_slope


@as_written
def _shared_factor(
    theta: Any, start: int, k: int, blocks: Any, table: Any, sd: Any, factor: Any, inverse: Any
) -> float:
    """`term_factor` of a term whose coefficients are independent and share sds."""
    log_det = 0.0
    for c in range(k):
        sd[c] = _shared_sd(theta, start + SHARED - int(blocks[c, BLOCK]), table, blocks[c])[0]
        for j in range(k):
            factor[c, j] = 1.0 if c == j else 0.0
            inverse[c, j] = 1.0 / sd[c] if c == j else 0.0
        log_det -= math.log(sd[c])
    return log_det


@as_written
def _pull_shared(theta: Any, start: int, blocks: Any, table: Any, sd: Any, d_omega: Any, gradient: Any) -> None:
    """`pull_precision` of a term whose coefficients are independent and share sds: Omega has 1 / sd^2."""
    for c in range(sd.shape[0]):
        at = start + SHARED - int(blocks[c, BLOCK])
        value, along_sd, along_next = _shared_sd(theta, at, table, blocks[c])
        d_sd = -2.0 * d_omega[c, c] / (value * value * value)
        gradient[at] += d_sd * along_sd
        if blocks[c, FREQUENCY] != 0.0:
            gradient[at + 1] += d_sd * along_next


@as_written
def term_factor(theta: Any, start: int, k: int, blocks: Any, table: Any, sd: Any, factor: Any, inverse: Any) -> float:
    """Fill one term's sds, its correlation's Cholesky factor L, and M = (diag(sd) L)^-1; return log det M.

    `blocks[c, 0]` is the first coefficient of c's correlation block. Row c of L is (w, 1) / sqrt(1 + |w|^2) with w =
    sinh(row's elements of theta), so that for two coefficients theta is Fisher's z = artanh(correlation).
    """
    if blocks[0, BLOCK] <= SHARED:
        return _shared_factor(theta, start, k, blocks, table, sd, factor, inverse)
    position = start + k
    for c in range(k):
        sd[c] = constrain(table[start + c], theta[start + c])[0]
        norm = 1.0
        for j in range(k):
            factor[c, j] = 0.0
        for j in range(int(blocks[c, BLOCK]), c):
            factor[c, j] = math.sinh(theta[position])
            norm += factor[c, j] ** 2
            position += 1
        norm = math.sqrt(norm)
        for j in range(int(blocks[c, BLOCK]), c):
            factor[c, j] /= norm
        factor[c, c] = 1.0 / norm
    # forward substitution for the inverse of the lower triangle diag(sd) L
    log_det = 0.0
    for j in range(k):
        for i in range(k):
            if i < j:
                inverse[i, j] = 0.0
            else:
                total = 1.0 if i == j else 0.0
                for m in range(j, i):
                    total -= sd[i] * factor[i, m] * inverse[m, j]
                inverse[i, j] = total / (sd[i] * factor[i, i])
        log_det += math.log(inverse[j, j])
    return log_det


@as_written
def precision(inverse: Any, omega: Any) -> None:
    """Fill Omega = M' M, the precision of one level's coefficients."""
    k = inverse.shape[0]
    for a in range(k):
        for b in range(k):
            total = 0.0
            for m in range(max(a, b), k):
                total += inverse[m, a] * inverse[m, b]
            omega[a, b] = total


@as_written
def pull_precision(
    theta: Any, start: int, blocks: Any, table: Any, sd: Any, factor: Any, inverse: Any, d_omega: Any, gradient: Any
) -> None:
    """Add to `gradient` what a symmetric d / d Omega implies for one term's theta: `term_factor` in reverse."""
    k = sd.shape[0]
    if blocks[0, BLOCK] <= SHARED:
        _pull_shared(theta, start, blocks, table, sd, d_omega, gradient)
        return
    # Omega = M'M gives dM = 2 M dOmega; M = A^-1 with A = diag(sd) L gives dA = -M' dM M'; so dA = -2 M'M dOmega M'
    pulled, d_lower = local_matrix(k, k), local_matrix(k, k)
    d_lower[:] = 0.0
    for a in range(k):
        for b in range(k):
            total = 0.0
            for m in range(k):
                total += inverse[a, m] * d_omega[m, b]
            pulled[a, b] = total
    for m in range(k):
        for b in range(k):
            total = 0.0
            for c in range(b + 1):
                total += pulled[m, c] * inverse[b, c]
            for a in range(m + 1):
                d_lower[a, b] -= 2.0 * inverse[m, a] * total
    position = start + k
    for c in range(k):
        d_sd, inner = 0.0, 0.0
        for j in range(int(blocks[c, BLOCK]), c + 1):
            d_sd += d_lower[c, j] * factor[c, j]
            inner += sd[c] * d_lower[c, j] * factor[c, j]
        gradient[start + c] += d_sd * constrain(table[start + c], theta[start + c])[1]
        # a row of unit norm: d w = (d row - row <d row, row>) / norm, 1 / norm being the diagonal
        for j in range(int(blocks[c, BLOCK]), c):
            d_w = (sd[c] * d_lower[c, j] - factor[c, j] * inner) * factor[c, c]
            gradient[position] += d_w * math.cosh(theta[position])
            position += 1


@as_written
def term_given(theta: Any, data: KernelData, t: int, sd: Any, factor: Any, inverse: Any, omega: Any) -> float:
    """Fill what `term_factor` fills and Omega, for one term at a theta; return half the log determinant of Omega."""
    k, z = omega.shape[0], data.terms[layout.Z_START, t]
    blocks = data.blocks[z : z + k]
    log_det: float = term_factor(
        theta, data.terms[layout.THETA_START, t], k, blocks, data.theta_table, sd, factor, inverse
    )
    precision(inverse, omega)
    return log_det


@as_written
def pull_term(
    theta: Any, data: KernelData, t: int, sd: Any, factor: Any, inverse: Any, d_omega: Any, gradient: Any
) -> None:
    """Add to `gradient` what a symmetric d / d Omega implies for one term's theta: `term_given` in reverse."""
    z, start = data.terms[layout.Z_START, t], data.terms[layout.THETA_START, t]
    blocks = data.blocks[z : z + sd.shape[0]]
    pull_precision(theta, start, blocks, data.theta_table, sd, factor, inverse, d_omega, gradient)


@as_written
def correlation_prior(theta: Any, start: int, k: int, blocks: Any, shape: float, factor: Any, gradient: Any) -> float:
    """Return a term's LKJ log density with the Jacobian of the rows' transform; add its derivative to `gradient`.

    Row c of a block of size m, at place i of it (from 0), contributes (2 shape - 2 + m - i - 1 + i + 2) log L[c, c].
    """
    total = 0.0
    position = start + k
    for c in range(k):
        first = int(blocks[c, BLOCK])
        place = c - first
        if place == 0 or first <= SHARED:
            continue
        size = 0
        for other in range(k):
            size += 1 if blocks[other, BLOCK] == blocks[c, BLOCK] else 0
        exponent = 2.0 * shape - 2.0 + size + 1.0
        total += exponent * math.log(factor[c, c])
        for j in range(first, c):
            # d log L[c, c] / d w = -w / (1 + |w|^2) = -L[c, j] L[c, c]; d w / d theta = cosh(theta)
            rise = math.cosh(theta[position])
            total += math.log(rise)
            gradient[position] += math.tanh(theta[position]) - exponent * factor[c, j] * factor[c, c] * rise
            position += 1
    return total


@as_written
def covariance(sd: Any, factor: Any, out: Any) -> None:
    """Fill Sigma = A A' with A = diag(sd) L."""
    k = sd.shape[0]
    for a in range(k):
        for b in range(a + 1):
            total = 0.0
            for m in range(b + 1):
                total += factor[a, m] * factor[b, m]
            out[a, b] = out[b, a] = sd[a] * sd[b] * total


@as_written
def bend(y: Any, bends: Any, theta: Any) -> float:
    """Add y (1 + A w / (1 + w)) to theta, w = (y / r)^4, A by the sign of y; return the Jacobian's log determinant.

    `bends` holds (A below, A above, r). The bulk hardly moves, long tails (of a log sd that may be zero, of a
    dispersion that may be infinite) come into a few units of y, and far out the slope is 1 + A: nowhere a wall.
    """
    log_det = 0.0
    for i in range(y.size):
        a = bends[i, 0] if y[i] < 0.0 else bends[i, 1]
        w = (y[i] / bends[i, 2]) ** 4
        theta[i] += y[i] * (1.0 + a * w / (1.0 + w))
        log_det += math.log(1.0 + a * w * (5.0 + w) / (1.0 + w) ** 2)
    return log_det


@as_written
def pull_bend(y: Any, bends: Any, d_theta: Any) -> None:
    """Turn d/d theta into d/dy, the Jacobian's own derivative included."""
    for i in range(y.size):
        a = bends[i, 0] if y[i] < 0.0 else bends[i, 1]
        ratio = y[i] / bends[i, 2]
        w = ratio**4
        slope = 1.0 + a * w * (5.0 + w) / (1.0 + w) ** 2
        d_w = 4.0 * ratio**3 / bends[i, 2]
        d_theta[i] = d_theta[i] * slope + a * (5.0 - 3.0 * w) / (1.0 + w) ** 3 * d_w / slope


def sd_elements(data: KernelData, t: int) -> npt.NDArray[np.int64]:
    """Return the element of theta that is the sd of each coefficient of a term, (k,)."""
    k, z, start = (int(data.terms[i, t]) for i in (layout.COEFS, layout.Z_START, layout.THETA_START))
    place = SHARED - data.blocks[z : z + k, BLOCK].astype(np.int64)
    return np.where(place >= 0, start + place, start + np.arange(k))
