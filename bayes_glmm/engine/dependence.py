"""Precisions of levels whose values depend on one parameter: what each of their fixed parts is multiplied by.

Input: the kind of a term's correlation in time or space, its parameter, and the gaps or eigenvalues of its record.
Output: the factors f_c of Q(value) = sum_c f_c(value) Q_c with their derivatives, and log det Q (`PrecisionParts`).
"""

from __future__ import annotations

import math
from typing import Any

from bayes_glmm.engine.arithmetic import as_written

#: What a term's levels are: independent or of known covariance; or of a kind of `structures/dependence.py`.
KNOWN, AR1, OU, CAR, LEROUX = range(5)
CODES = {"ar1": AR1, "ou": OU, "car": CAR, "leroux": LEROUX}


@as_written
def count_parts(kind: int, numbers: Any) -> int:
    """Return how many parts a precision has; `numbers` are its gaps or eigenvalues."""
    if kind == KNOWN:
        return 1
    return 2 if kind in (CAR, LEROUX) else 1 + 2 * numbers.size


@as_written
def fill_parts(kind: int, value: float, numbers: Any, times: Any, parts: Any, slopes: Any) -> tuple[float, float]:
    """Fill the factors of a precision's parts and their derivatives; return log det Q and its derivative."""
    parts[0], slopes[0] = 1.0, 0.0
    log_det, d_log_det = 0.0, 0.0
    if kind in (CAR, LEROUX):
        whole = 1.0 if kind == CAR else 1.0 - value
        parts[0], parts[1], slopes[0], slopes[1] = whole, value, 0.0 if kind == CAR else -1.0, 1.0
        for i in range(numbers.size):
            slope = -numbers[i] if kind == CAR else numbers[i] - 1.0
            scale = 1.0 + value * slope
            log_det += math.log(scale)
            d_log_det += slope / scale
    elif kind != KNOWN:
        for i in range(numbers.size):
            gap = numbers[i]
            r = value**gap if kind == AR1 else math.exp(-value * gap)
            dr = gap * value ** (gap - 1.0) if kind == AR1 else -gap * r
            innovation = 1.0 - r * r if kind == AR1 else -math.expm1(-2.0 * value * gap)
            parts[1 + 2 * i], slopes[1 + 2 * i] = 1.0 / innovation, 2.0 * r * dr / innovation**2
            parts[2 + 2 * i], slopes[2 + 2 * i] = -r / innovation, -dr * (1.0 + r * r) / innovation**2
            log_det -= times[i] * math.log(innovation)
            d_log_det += times[i] * 2.0 * r * dr / innovation
    return log_det, d_log_det
