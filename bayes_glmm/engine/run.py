"""A density behind its coordinates, as the sampler calls it: functions of addresses, nothing compiled for the model.

Input: a packed model, its Laplace fit and a density. Output: a `CompiledPosterior`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine.build_map import Target, build_map, map_table
from bayes_glmm.engine.coordinates import coordinate_functions
from bayes_glmm.engine.data import address_table
from bayes_glmm.engine.kernel import density_function
from bayes_glmm.engine.laplace import LaplaceFit
from bayes_glmm.engine.pack import Packed

_DOUBLE = ctypes.POINTER(ctypes.c_double)


@dataclass(frozen=True, eq=False)
class CompiledPosterior:
    """A density and its expansion behind C pointers, with everything that must stay alive while they are called.

    Parameters
    ----------
    dimension
        D.
    density, expand
        numba cfuncs of nutpie's signatures.
    user_data
        Address table handed to both.
    alive
        Arrays the table points to.
    """

    dimension: int
    density: Any
    expand: Any
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
        target = Target(density_function().address, table.ctypes.data)
    map_ = build_map(fit, packed.data, table, target)
    density, expand = coordinate_functions()
    return CompiledPosterior(len(fit.x), density, expand, map_table(map_), (packed, fit, table, map_, target, alive))


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
    n = posterior.dimension
    out, z = np.empty_like(z), np.ascontiguousarray(z)
    for source, target in zip(z, out, strict=True):
        posterior.expand.ctypes(
            n, n, *(ctypes.cast(a.ctypes.data, _DOUBLE) for a in (source, target)), _address(posterior)
        )
    return out


def _address(posterior: CompiledPosterior) -> ctypes.c_void_p:
    return ctypes.c_void_p(posterior.user_data.ctypes.data)
