"""Newton steps to the mode of (u, beta) given theta, whatever the shape of H.

Input: what computes one step. Output: the compiled search; the Laplace value of theta comes with the mode.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.pointers import call_density
from bayes_glmm.engine.vectors import copy, dot


def search_by(step_from: Any) -> Any:
    """Return the search by steps of ``step_from(x, data, pattern, gradient) -> (H^-1 gradient, log det H)``.

    The search (x, data, pattern, tolerance, density, address) moves (u, beta) in x to their mode at x's theta and
    returns the Laplace value, not finite where there is none. The density is called by its address, with the address of
    the table that `data` was read from.
    """

    @as_written
    def search(x: Any, data: KernelData, pattern: Any, tolerance: float, density: Any, address: Any) -> float:
        n_v = data.sizes[layout.N_U] + data.sizes[layout.N_BETA]
        gradient, trial, unused, logp = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty(1)
        call_density(density, x.size, x, gradient, logp, address)
        value = logp[0]
        if not math.isfinite(value):
            return -math.inf
        log_det = 0.0
        for _ in range(100):
            step, log_det = step_from(x, data, pattern, gradient[:n_v])
            decrement = dot(step, gradient[:n_v])
            if decrement < tolerance:
                # the last step's gain is known to first order
                for i in range(n_v):
                    x[i] += step[i]
                value += 0.5 * decrement
                break
            size, moved = 1.0, False
            for _halving in range(30):
                copy(x, trial)
                for i in range(n_v):
                    trial[i] += size * step[i]
                call_density(density, x.size, trial, unused, logp, address)
                candidate = logp[0]
                if math.isfinite(candidate) and candidate > value - 1e-10 * abs(value):
                    moved = candidate > value or size * size * decrement < tolerance
                    copy(trial, x)
                    copy(unused, gradient)
                    value = candidate
                    break
                size *= 0.5
            if not moved:
                break
        return value - 0.5 * log_det

    return search
