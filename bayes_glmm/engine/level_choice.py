"""Whether the Laplace approximation of levels' effects is poor: then so are coordinates made from it.

Input: a packed model and its `LaplaceFit`. Output: by how many posterior sds the approximation moves the log sd of the
largest term. A level's integral over its effect is compared with its Laplace approximation on a fine grid, everything
else at the mode, for some of the levels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.laplace import LaplaceFit
from bayes_glmm.engine.pack import Packed
from bayes_glmm.engine.run import log_likelihoods
from bayes_glmm.engine.unpack import constrained, last_parameters

Array = npt.NDArray[np.float64]

#: Levels that are looked at, points of each one's grid, and their distance in sds of the effect.
LOOKED_AT, POINTS, STEP = 200, 281, 0.05
#: Square of a grid's step in sds of a level's conditional distribution above which it is too narrow for the grid.
NARROW = 0.25
#: Change of the log sd over which the error's slope is taken.
CHANGE = 0.1


def laplace_error(packed: Packed, fit: LaplaceFit) -> float:
    """Return by how much Laplace's approximation moves the largest term's log sd, in its posterior sds.

    Parameters
    ----------
    packed
        A model whose largest term has one coefficient, the intercept.
    fit
        Its Laplace fit.

    Returns
    -------
    float
        The slope of the approximation's error along the log sd times the posterior sd: what the mode moves by where the
        posterior is near a normal.
    """
    data = packed.data
    levels = int(data.terms[layout.LEVELS, 0])
    chosen = np.unique(np.linspace(0, levels - 1, min(levels, LOOKED_AT)).astype(np.int64))
    rows = np.concatenate([np.arange(data.segments[j], data.segments[j + 1]) for j in chosen])
    sizes = np.diff(data.segments)[chosen]
    if not len(rows):
        return 0.0
    element = int(data.sizes[layout.N_U] + data.sizes[layout.N_BETA] + data.terms[layout.THETA_START, 0])
    theta, row = fit.x[element], data.theta_table[int(data.terms[layout.THETA_START, 0])]
    starts = (np.cumsum(sizes) - sizes)[sizes > 0]
    errors = []
    for change in (-CHANGE, CHANGE):
        sd = float(constrained(row, np.asarray(theta + change)))
        errors.append(_error(packed, fit.x, rows, starts, sd))
    spread = np.sqrt(np.sum(np.square(fit.theta_factor[int(data.terms[layout.THETA_START, 0])])))
    return float(abs(errors[1] - errors[0]) / (2 * CHANGE) * spread * levels / len(chosen))


def _error(packed: Packed, x: Array, rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], sd: float) -> float:
    """Return the sum over levels of log integral less its Laplace approximation, for one sd."""
    data = packed.data
    n_u, n_beta, n_auxiliary = (int(data.sizes[i]) for i in (layout.N_U, layout.N_BETA, layout.N_AUXILIARY))
    f = data.offset[rows] + x[n_u : n_u + n_beta] @ data.X[:, rows]
    for t in range(1, data.terms.shape[1]):
        u = x[int(data.terms[layout.U_START, t]) :]
        f += u[data.codes[t][rows]]
    parameters = np.full(n_auxiliary + 2, np.inf)
    table = data.theta_table[len(data.theta_table) - n_auxiliary :]
    parameters[:n_auxiliary] = last_parameters(table, x[len(x) - n_auxiliary :])
    points = STEP * (np.arange(POINTS) - POINTS // 2)
    y, counts = data.y[rows], data.counts[rows, None]
    each = log_likelihoods(int(data.sizes[layout.ROWS_ADDRESS]), f[:, None] + sd * points, y, counts, parameters)
    logs = np.add.reduceat(each, starts, axis=0) - 0.5 * points * points
    top = np.clip(np.argmax(logs, axis=1), 1, POINTS - 2)
    own = np.arange(len(logs))
    before, at, after = (logs[own, top + i] for i in (-1, 0, 1))
    curvature = np.maximum(2.0 * at - before - after, 1e-12) / STEP**2
    peak = at + 0.125 * (after - before) ** 2 / (curvature * STEP**2)
    laplace = peak + 0.5 * np.log(2 * np.pi / curvature)
    exact = at + np.log(np.sum(np.exp(logs - at[:, None]), axis=1) * STEP)
    # where rows say so much that the grid is coarse, the approximation is good
    return float(np.sum((exact - laplace)[curvature * STEP**2 < NARROW]))
