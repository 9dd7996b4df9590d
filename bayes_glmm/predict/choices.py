"""Probabilities of categories without an order, averaged over effects on several linear predictors.

Input: linear predictors of all categories but the first, and the covariances of their random parts. Output: (sample,
row, category) arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bayes_glmm.links import LINKS
from bayes_glmm.predict.joint import cholesky
from bayes_glmm.predict.nodes import normal_rule
from bayes_glmm.predict.quadrature import gaussian_mean

__all__ = ["averaged_choices"]

Array = npt.NDArray[np.float64]


def averaged_choices(etas: Sequence[Array], covariances: Sequence[Sequence[Array]]) -> Array:
    """Average probabilities of categories over normal effects.

    Parameters
    ----------
    etas
        (S, rows) linear predictors without the effects, of each category but the first.
    covariances
        (S, rows) for each pair of them, of the effects' parts.

    Returns
    -------
    numpy.ndarray
        (S, rows, categories).

    Notes
    -----
    Two categories: the one-dimensional average of the logistic function. Up to three effects that vary: the trapezoidal
    rule on a lattice cut to a ball, with errors below 1e-5 (below 1e-6 for two). More, or sds for which the lattice
    would have thousands of nodes: 1024 scrambled Sobol points, the same for every row and draw, with errors of about
    2e-4 where sds are 1, and 1e-3 where they are 2.

    References
    ----------
    Owen, A. B. (1997). Scrambled net variance for integrals of smooth functions. Annals of Statistics 25, 1541-1562.
    doi:10.1214/aos/1031594731.
    """
    if len(etas) == 1:
        other = gaussian_mean(LINKS["logit"], etas[0], covariances[0][0])
        return np.stack([gaussian_mean(LINKS["logit"], -etas[0], covariances[0][0]), other], axis=-1)
    eta, matrix = np.stack(etas), np.array([list(row) for row in covariances])
    lower = cholesky(matrix)
    varying = [a for a in range(len(etas)) if np.any(lower[a, a] > 0.0)]
    nodes, weights = normal_rule(len(varying), _largest_sd(matrix))
    total = np.zeros((len(etas) + 1, *eta.shape[1:]))
    for z, weight in zip(nodes, weights, strict=True):
        moved = eta + np.tensordot(z, lower[:, varying], axes=(0, 1))
        most = np.maximum(moved.max(axis=0), 0.0)
        shares = np.exp(np.concatenate([-most[None], moved - most]))
        total += shares * (weight / shares.sum(axis=0))
    return np.moveaxis(total, 0, -1)


def _largest_sd(matrix: Array) -> float:
    """Return the largest sd of a linear predictor, or of a difference of two, among all rows and draws."""
    variances = np.diagonal(matrix, axis1=0, axis2=1)
    between = [
        matrix[a, a] + matrix[b, b] - 2.0 * matrix[a, b] for a, b in itertools.combinations(range(len(matrix)), 2)
    ]
    return float(np.sqrt(max(variances.max(), *(part.max() for part in between), 0.0)))
