"""Separation: directions of the coefficients along which the likelihood never falls, so that only priors stop them.

Input: a design and a family's support. Output: the coefficients concerned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

if TYPE_CHECKING:
    from bayes_glmm.design.design import Design

Array = npt.NDArray[np.float64]

_FIRST = 20_000
_TOLERANCE = 1e-7


def separated_coefficients(design: Design, support: str) -> tuple[str, ...]:
    """Find the coefficients whose likelihood has no maximum.

    Parameters
    ----------
    design
        The model's design with its response.
    support
        The family's: ``"binary"``, ``"trials"``, ``"count"`` and ``"unordered"`` responses can be separated, others
        cannot.

    Returns
    -------
    tuple of str
        Their names; empty where every direction is held by data.

    Notes
    -----
    A linear program: is there a direction b with x'b >= 0 in rows of successes only, <= 0 in rows of failures only, = 0
    in rows of both, and not zero throughout? Counts: <= 0 in rows of zeros, = 0 elsewhere. Categories without an order:
    their own linear predictor less that of any other >= 0. Random effects and what bends in smooths are left out: what
    is separated without them stays so. More rows can only remove directions, so 20 000 rows without one settle it.

    References
    ----------
    Konis, K. (2007). Linear programming algorithms for detecting separated data in binary logistic regression models.
    DPhil thesis, University of Oxford. Albert, A. and Anderson, J. A. (1984). On the existence of maximum likelihood
    estimates in logistic regression models. Biometrika 71, 1-10. doi:10.1093/biomet/71.1.1.
    """
    response, kept = design.response, design.unpenalised
    if response is None or not len(kept) or support not in ("binary", "trials", "count", "unordered"):
        return ()
    X = design.X[:, kept]
    scale = np.abs(X).max(axis=0)
    X = X / np.where(scale > 0, scale, 1.0)
    if support == "unordered":
        X = _contrasts(X, np.array(design.channels)[kept], response.y, response.weights)
        sign = np.ones(len(X), dtype=np.int8)
    else:
        sign = _signs(response.y, response.trials, support)
    if design.spec.family.zeros_apart:  # zeros say nothing, and ones are the least that others can be
        X, sign = X[response.y > 0], np.where(response.y == 1, -1, 0)[response.y > 0].astype(np.int8)
    direction: Array = np.zeros(X.shape[1])
    order = np.random.default_rng(0).permutation(len(X))
    for rows in (order[:_FIRST], order):
        found = _direction(X[rows], sign[rows])
        if found is None:
            return ()
        direction = found
    return tuple(design.coefs[j] for j, size in zip(kept, np.abs(direction), strict=True) if size > _TOLERANCE)


def _contrasts(X: Array, channels: npt.NDArray[np.int64], y: Array, weights: Array | None) -> Array:
    """Return what the linear predictor of a row's category has more than that of each other one, a row for each."""
    kept = np.ones(len(y), dtype=bool) if weights is None else weights > 0
    X, y = X[kept], y[kept]
    own = X * (channels == y[:, None])
    return np.concatenate([(own - X * (channels == c))[y != c] for c in range(int(max(y.max(), channels.max())) + 1)])


def _signs(y: Array, trials: Array | None, support: str) -> npt.NDArray[np.int8]:
    """1 where x'b must not be negative, -1 where it must not be positive, 0 where it must be zero."""
    if support == "count":
        return np.where(y == 0, -1, 0).astype(np.int8)
    n = np.ones_like(y) if trials is None else trials
    held = np.where(y == n, 1, np.where(y == 0, -1, 0))
    return held.astype(np.int8)


def _direction(X: Array, sign: npt.NDArray[np.int8]) -> Array | None:
    """Find a direction of separation; None where there is none."""
    both = X[sign == 0]
    rank = np.linalg.qr(both, mode="r") if len(both) else np.empty((0, X.shape[1]))
    one_sided = np.unique(X[sign != 0] * sign[sign != 0, None], axis=0)
    if not len(one_sided):
        return None
    solution = linprog(
        -one_sided.sum(axis=0) / len(one_sided),
        A_ub=-one_sided,
        b_ub=np.zeros(len(one_sided)),
        A_eq=rank if len(rank) else None,
        b_eq=np.zeros(len(rank)) if len(rank) else None,
        bounds=(-1.0, 1.0),
    )
    found = solution.status == 0 and -solution.fun > _TOLERANCE
    return np.asarray(solution.x, dtype=float) if found else None
