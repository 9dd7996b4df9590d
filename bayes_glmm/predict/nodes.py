"""Nodes and weights of averages over standard normal variables. Input: how many, and their sd. Output: arrays."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["normal_rule"]

Array = npt.NDArray[np.float64]

#: For so many effects: the lattice's step at most, step times the largest sd at most, and its radius, in sds.
_LATTICES = {1: (0.8, 0.9, 7.0), 2: (0.8, 1.2, 6.5), 3: (1.0, 1.5, 5.5)}
#: Nodes of a lattice at most, and so many points where it would have more.
_MOST_NODES, _POINTS = 3000, 1024


def normal_rule(size: int, sd: float) -> tuple[Array, Array]:
    """Choose nodes and weights of an average over standard normal variables.

    Parameters
    ----------
    size
        How many there are.
    sd
        The largest sd that they are multiplied by, on the scale of a logit.

    Returns
    -------
    nodes, weights
        (n, size) and (n,): a lattice cut to a ball for up to three, scrambled Sobol points for more.
    """
    if size == 0:
        return np.zeros((1, 0)), np.ones(1)
    if size in _LATTICES:
        step, product, radius = _LATTICES[size]
        # in thirds of powers of two, so that rows that are worked on together have one rule
        step = min(step, 2.0 ** (np.floor(3.0 * np.log2(product / max(sd, 1e-3))) / 3.0))
        if (2.0 * radius / step) ** size <= 2.0 * _MOST_NODES:
            return _lattice(size, float(step), radius)
    return _sobol(size)


@functools.cache
def _lattice(size: int, step: float, radius: float) -> tuple[Array, Array]:
    line = np.arange(-np.floor(radius / step), np.floor(radius / step) + 1.0) * step
    nodes = np.array(list(itertools.product(line, repeat=size)))
    square = np.square(nodes).sum(axis=1)
    kept = square <= radius * radius
    weights = np.exp(-0.5 * square[kept])
    return nodes[kept], weights / weights.sum()


@functools.cache
def _sobol(size: int) -> tuple[Array, Array]:
    from scipy.stats import qmc

    uniform = qmc.Sobol(size, rng=np.random.default_rng(0)).random(_POINTS)
    return special.ndtri(np.clip(uniform, 1e-12, 1.0 - 1e-12)), np.full(_POINTS, 1.0 / _POINTS)
