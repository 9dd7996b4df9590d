"""The outer search: quasi-Newton steps of bounded length on a smooth function of few variance parameters.

Input: a function to be minimised and its gradient. Output: the minimum. Library optimisers take long first steps, which
land where a correlation is one or a sd zero; the surface is flat there and they stay.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Longest move of one element in one step.
STRIDE = 1.0


def minimize(
    function: Callable[[Array], float], gradient: Callable[[Array], Array], start: Array, tolerance: float = 1e-4
) -> Array:
    """Minimise by BFGS with bounded steps and backtracking.

    Parameters
    ----------
    function, gradient
        The function and its gradient.
    start
        (d,) where to begin.
    tolerance
        Stop when the next step is expected to gain less than this.

    Returns
    -------
    numpy.ndarray
        (d,) the best point found.

    References
    ----------
    Nocedal, Wright (2006). Numerical Optimization, algorithm 6.1.
    """
    x, value, slope = start.copy(), function(start), gradient(start)
    d = len(start)
    inverse, fresh = np.eye(d) / max(1.0, float(np.abs(slope).max(initial=0.0))), True
    for _ in range(100):
        step = -inverse @ slope
        gain = -float(slope @ step)
        if gain < tolerance and not fresh:
            break
        step *= min(1.0, STRIDE / max(float(np.abs(step).max()), 1e-300))
        size, moved = 1.0, False
        for _halving in range(12):
            candidate = function(x + size * step)
            if candidate < value + 1e-4 * size * float(slope @ step):
                moved = True
                break
            size *= 0.4
        if not moved:
            if fresh:
                break
            inverse, fresh = np.eye(d) / max(1.0, float(np.abs(slope).max())), True
            continue
        s = size * step
        new_slope = gradient(x + s)
        y = new_slope - slope
        x, value, slope = x + s, candidate, new_slope
        curvature = float(s @ y)
        if curvature > 1e-10 * float(y @ y):
            if fresh:
                inverse = np.eye(d) * curvature / float(y @ y)
            left = np.eye(d) - np.outer(s, y) / curvature
            inverse = left @ inverse @ left.T + np.outer(s, s) / curvature
            fresh = False
    return x
