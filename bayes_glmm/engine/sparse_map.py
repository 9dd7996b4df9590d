"""From a Laplace fit with related levels to the coordinates NUTS walks in.

Input: a packed model and its `SparseFit`. Output: the kernel's density behind `sparse_coordinates`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bayes_glmm.engine import kernel, sparse_coordinates
from bayes_glmm.engine.data import address_table
from bayes_glmm.engine.laplace import SparseFit, find_coefficients
from bayes_glmm.engine.pack import Packed
from bayes_glmm.engine.run import CompiledPosterior, expand_draws
from bayes_glmm.engine.sparse_coordinates import SparseMap

Array = npt.NDArray[np.float64]


def related_posterior(packed: Packed, fit: SparseFit) -> CompiledPosterior:
    """Put the kernel's density behind the coordinates of a Laplace fit with related levels.

    Parameters
    ----------
    packed
        The model.
    fit
        Its Laplace fit.

    Returns
    -------
    CompiledPosterior
        Ready to be sampled.
    """
    system, d, table = fit.pattern.system, len(fit.theta_factor), address_table(packed.data)
    n = len(system.place)
    lower = sparse.csc_array((fit.precision, system.rows, system.start), shape=(n, n))
    H = sparse.csr_array(lower + sparse.tril(lower, -1).T)
    v = np.empty(n)
    v[system.place] = fit.x[:n]
    map_ = SparseMap(
        system=system,
        target=np.array([kernel.density.address, table.ctypes.data, table.ctypes.data], dtype=np.uint64),
        centre=fit.x[n:].copy(),
        theta_factor=np.ascontiguousarray(fit.theta_factor),
        bends=np.ascontiguousarray(fit.bends),
        known=fit.known,
        right=H @ v,
        shear=np.zeros((d, n)),
    )

    def behind(constants: SparseMap) -> CompiledPosterior:
        functions, alive = (sparse_coordinates.density, sparse_coordinates.expand), (packed, table, constants)
        return CompiledPosterior(n + d, d, *functions, address_table(constants), alive)

    moves = np.zeros((d, n))
    moves[:, system.place] = _moves(packed, fit, behind(map_))
    return behind(map_._replace(shear=np.ascontiguousarray((H @ moves.T).T)))


def _moves(packed: Packed, fit: SparseFit, straight: CompiledPosterior) -> Array:
    """Return by how much the mode of (u, beta) moves (d, N) with each element of z's theta beyond what the map does.

    These are slopes of chords from -1 to 1: the bulk, not its centre alone, is to be straight. Zero where a mode is
    lost.
    """
    d, n = len(fit.theta_factor), len(fit.x) - len(fit.theta_factor)
    unit, moves = np.eye(n + d)[n:], np.zeros((d, n))
    for side in (1.0, -1.0):
        places = expand_draws(straight, side * unit)
        for i, place in enumerate(places):
            mode = place.copy()
            lost = not np.isfinite(find_coefficients(packed.data, fit.pattern, mode, 1e-6))
            moves[i] += np.nan if lost else 0.5 * side * (mode - place)[:n]
    moves[~np.isfinite(moves).all(axis=1)] = 0.0
    return moves
