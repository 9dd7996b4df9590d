"""A density behind its coordinates, as the sampler calls it: functions of addresses, nothing compiled for the model.

Input: a packed model, its Laplace fit and a density. Output: a `CompiledPosterior`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import coordinates, kernel
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.build_map import Target, build_map
from bayes_glmm.engine.coordinates import MapData
from bayes_glmm.engine.data import address_table
from bayes_glmm.engine.laplace import LaplaceFit, find_coefficients
from bayes_glmm.engine.native import NativeFunction
from bayes_glmm.engine.pack import Packed
from bayes_glmm.engine.parameters import FREQUENCY
from bayes_glmm.engine.theta_map import Map

_DENSITY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)
_ROWS = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 7)
_EXPAND = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, *[ctypes.c_void_p] * 3)


@dataclass(frozen=True, eq=False)
class CompiledPosterior:
    """A density and its expansion behind C pointers, with everything that must stay alive while they are called.

    Parameters
    ----------
    dimension
        D.
    n_theta
        Size of theta, the last elements.
    density, expand
        Of nutpie's signatures.
    user_data
        Address table handed to both.
    alive
        Arrays the table points to.
    """

    dimension: int
    n_theta: int
    density: NativeFunction
    expand: NativeFunction
    user_data: npt.NDArray[np.uint64]
    alive: tuple[Any, ...]


def kernel_posterior(
    packed: Packed, fit: LaplaceFit, target: Target | None = None, alive: Any = ()
) -> CompiledPosterior:
    """Put a density behind the coordinates of a Laplace fit.

    Parameters
    ----------
    packed
        The model.
    fit
        Its Laplace fit.
    target
        The density; None for the compiled kernel.
    alive
        What the target's addresses point into.

    Returns
    -------
    CompiledPosterior
        Ready to be sampled.
    """
    table = address_table(packed.data)
    if target is None:
        target = Target(kernel.density.address, table.ctypes.data)
    map_ = build_map(fit, packed.data, table, target)
    sizes = len(fit.x), len(fit.theta_factor)

    def behind(constants: MapData) -> CompiledPosterior:
        alive_too = (packed, fit, table, constants, target, alive)
        return CompiledPosterior(*sizes, coordinates.density, coordinates.expand, address_table(constants), alive_too)

    return behind(map_._replace(shear=_shear(packed, fit, map_, behind)))


def _shear(
    packed: Packed, fit: LaplaceFit, map_: MapData, behind: Callable[[MapData], CompiledPosterior]
) -> npt.NDArray[np.float64]:
    """Return S' (d, n_u + p): by how much the mode of (u, beta) moves with each element of v beyond what the map does.

    These are slopes of chords from -1 to 1: the bulk, not its centre alone, is to be straight. As in the map beta comes
    first, then the terms from the last to the first, each given the shear of those before it.
    """
    data, d, n = packed.data, len(fit.theta_factor), len(fit.x)
    unit, n_u = np.eye(n)[n - d :], int(data.sizes[layout.N_U])
    modes = [expand_draws(behind(map_), side * unit) for side in (1.0, -1.0)]
    lost = np.zeros(d, dtype=bool)
    for mode in modes:
        for i, x in enumerate(mode):
            lost[i] |= not np.isfinite(find_coefficients(data, fit.pattern, x, 1e-6))
    shear = np.zeros((d, n - d))
    for t in range(data.terms.shape[1], -1, -1):
        map_ = map_._replace(shear=shear.copy())
        ahead, behind_it = (
            mode - expand_draws(behind(map_), side * unit) for mode, side in zip(modes, (1.0, -1.0), strict=True)
        )
        move = 0.5 * (ahead - behind_it)
        if t == data.terms.shape[1]:
            shear[:, n_u:] = move[:, n_u : n - d]
            continue
        k, levels, first = (int(data.terms[i, t]) for i in (layout.COEFS, layout.LEVELS, layout.U_START))
        z = int(data.terms[layout.Z_START, t])
        if data.blocks[z : z + k, FREQUENCY].any():
            # a lengthscale moves Omega by orders of magnitude, along which no chord is straight; u follows by P alone
            continue
        shear[:, first : first + k * levels] = _beside_right(move[:, first : first + k * levels], t, fit, map_)
    shear[lost | ~np.isfinite(shear).all(axis=1)] = 0.0
    return shear


def _beside_right(move: npt.NDArray[np.float64], t: int, fit: LaplaceFit, map_: MapData) -> npt.NDArray[np.float64]:
    """Turn moves (d, levels k) of one term's u at the mode of theta into what is added to r."""
    size, k = move.shape[1], len(fit.term_precisions[t])
    if map_.terms[coordinates.MIXING, t] == coordinates.AFTER:
        start = int(map_.terms[coordinates.MIX_START, t])
        move = move @ map_.mix[start : start + size * size].reshape(size, size)
    first = int(map_.terms[coordinates.INFO_START, t])
    blocks = map_.info[first : first + k * size].reshape(-1, k, k) + fit.term_precisions[t]
    return np.einsum("jab,ijb->ija", blocks, move.reshape(len(move), -1, k)).reshape(len(move), size)


def mapped_posterior(
    functions: tuple[NativeFunction, NativeFunction],
    records: tuple[Any, Any],
    centre: npt.NDArray[np.float64],
    factor: npt.NDArray[np.float64],
    bends: npt.NDArray[np.float64],
) -> CompiledPosterior:
    """Put a density of few elements behind standard coordinates (`theta_map`).

    Parameters
    ----------
    functions
        Density and expansion, whose user data is a `Map`.
    records
        The two records of arrays behind its tables.
    centre, factor, bends
        (d,), (d, d) and (d, 3): x = centre + g(factor z).

    Returns
    -------
    CompiledPosterior
        Of dimension d; expands to x.
    """
    tables = address_table(records[0]), address_table(records[1])
    addresses = np.array([table.ctypes.data for table in tables], dtype=np.uint64)
    map_ = Map(addresses, centre.copy(), np.ascontiguousarray(factor), np.ascontiguousarray(bends))
    d, alive = len(centre), (records, tables, map_)
    return CompiledPosterior(d, d, *functions, address_table(map_), alive)


def expand_draws(posterior: CompiledPosterior, z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Map standard coordinates to positions, draw by draw.

    Parameters
    ----------
    posterior
        The compiled functions.
    z
        (draws, dimension).

    Returns
    -------
    numpy.ndarray
        (draws, dimension) positions.
    """
    n, out, z = posterior.dimension, np.empty_like(z), np.ascontiguousarray(z)
    expand = _EXPAND(posterior.expand.address)
    for source, target in zip(z, out, strict=True):
        expand(n, n, source.ctypes.data, target.ctypes.data, posterior.user_data.ctypes.data)
    return out


def density_at(posterior: CompiledPosterior, z: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Evaluate a posterior's log density in its coordinates.

    Parameters
    ----------
    posterior
        The compiled functions.
    z
        (dimension,).

    Returns
    -------
    value, gradient
        Minus infinity and not-a-number where the density is zero.
    """
    z, gradient, value = np.ascontiguousarray(z), np.full_like(z, np.nan), np.zeros(1)
    density = _DENSITY(posterior.density.address)
    code = density(len(z), *(array.ctypes.data for array in (z, gradient, value, posterior.user_data)))
    return (float(value[0]), gradient) if code == 0 else (-np.inf, np.full_like(z, np.nan))


def log_likelihoods(
    address: int,
    eta: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
    parameters: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Call a row kernel from Python.

    Parameters
    ----------
    address
        The kernel's.
    eta, y, counts
        Linear predictors, responses and counts, broadcast against each other.
    parameters
        The family's parameters, and two infinities behind them.

    Returns
    -------
    numpy.ndarray
        The log likelihood of each row, the shape of the broadcast.
    """
    arrays = [np.ascontiguousarray(a) for a in np.broadcast_arrays(eta, y, counts)]
    values, slopes, unused = np.empty(arrays[0].shape), np.empty(arrays[0].shape), np.zeros(len(parameters))
    every = (*arrays, np.ascontiguousarray(parameters), values, slopes, unused)
    _ROWS(address)(values.size, *(array.ctypes.data for array in every))
    return values
