"""What a Gaussian model with related levels is reduced to: sums over its rows, in the order of its system.

Input: a packed model, its `SparseSystem` and beta's normal priors. Output: `SparseMoments`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bayes_glmm.engine import data as layout
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.gaussian_moments import least_squares
from bayes_glmm.engine.sparse_factor import FactorPattern
from bayes_glmm.engine.sparse_gaussian import SparseMoments
from bayes_glmm.engine.sparse_system import SparseSystem, elements_at, predictor_columns

Array = npt.NDArray[np.float64]


def sparse_moments(data: KernelData, system: SparseSystem, mean: Array, precision: Array) -> SparseMoments:
    """Reduce a Gaussian model with related levels.

    Parameters
    ----------
    data
        The model.
    system
        Of H.
    mean, precision
        (p,) normal priors of beta; precision 0 for flat ones.

    Returns
    -------
    SparseMoments
        Sufficient for (u, beta, theta).
    """
    p, root = int(data.sizes[layout.N_BETA]), np.sqrt(data.counts)
    y = data.y[:, 0] - data.offset
    shift = least_squares((data.X * root).T, y * root, mean, precision) if p else np.zeros(0)
    y = y - shift @ data.X
    columns = predictor_columns(data)
    lower = sparse.coo_array(sparse.tril(columns.T @ (columns * data.counts[:, None])))
    likelihood, prior, n = np.zeros(len(system.rows)), np.zeros(len(system.rows)), len(system.place)
    one, other = (system.place[index] for index in lower.coords)
    likelihood[elements_at(FactorPattern(*system[:4]), one, other)] = lower.data
    prior[system.start[n - p : n]] = precision
    scalars = np.array([np.sum(data.counts * y * y), np.sum(data.counts)])
    cross = np.empty(n)
    cross[system.place] = columns.T @ (data.counts * y)
    return SparseMoments(
        system, likelihood, prior, cross, scalars, shift, mean - shift, precision, np.zeros(0, dtype=np.int64),
        np.zeros(0),
    )  # fmt: skip


def with_shares(data: KernelData, moments: SparseMoments) -> SparseMoments:
    """Let the sampler see log sds as ratios to sigma, and the variance of a row in sigma's place.

    Parameters
    ----------
    data
        The model.
    moments
        Its moments.

    Returns
    -------
    SparseMoments
        Unchanged where there is no sigma, or its prior has an upper bound, or where it is estimated how strongly levels
        are correlated: then they can take sigma's place, and ratios to it have heavy tails.
    """
    if moments.system.kinds[0].any():
        return moments
    table = data.theta_table
    logs = (table[:, codes.KIND] == codes.ABOVE) & (table[:, codes.LOWER] == 0.0)
    elements, weights = [], []
    for t in range(data.terms.shape[1]):
        k, z, first = (int(data.terms[i, t]) for i in (layout.COEFS, layout.Z_START, layout.THETA_START))
        elements += [first + c for c in range(k) if logs[first + c]]
        weights += [float(np.mean(np.square(data.Z[z + c]))) for c in range(k) if logs[first + c]]
    if not (logs[-1] and data.sizes[layout.N_AUXILIARY]):
        return moments
    return moments._replace(shared=np.array(elements, dtype=np.int64), weights=np.array(weights))


def in_shares(theta: Array, moments: SparseMoments) -> Array:
    """Return where the sampler sees a theta.

    Parameters
    ----------
    theta
        (d,).
    moments
        Of `with_shares`.

    Returns
    -------
    numpy.ndarray
        (d,).
    """
    place, ratios = theta.copy(), theta[moments.shared] - theta[-1]
    place[moments.shared] = ratios
    place[-1] += 0.5 * np.log1p(np.sum(moments.weights * np.exp(2.0 * ratios))) if len(ratios) else 0.0
    return place
