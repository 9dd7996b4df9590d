"""A density behind its coordinates, as the sampler calls it: functions of addresses, nothing compiled for the model.

Input: a packed model, its Laplace fit and a density. Output: a `CompiledPosterior`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import coordinates, kernel
from bayes_glmm.engine.build_map import Target, build_map
from bayes_glmm.engine.data import address_table
from bayes_glmm.engine.laplace import LaplaceFit
from bayes_glmm.engine.native import NativeFunction
from bayes_glmm.engine.pack import Packed

_DENSITY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)
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
    alive_too = (packed, fit, table, map_, target, alive)
    sizes = len(fit.x), len(fit.theta_factor)
    return CompiledPosterior(*sizes, coordinates.density, coordinates.expand, address_table(map_), alive_too)


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
