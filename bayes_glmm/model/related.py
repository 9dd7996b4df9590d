"""Effects of correlated levels in PyMC's graph: standard normal values through the root of their covariance.

Input: how a factor's levels are correlated, and values of its levels. Output: effects with that covariance; neither a
pedigree nor a series becomes dense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayes_glmm.structures.series import Series
from bayes_glmm.structures.spectrum import Spectrum
from bayes_glmm.structures.structure import Structure


def related(structure: Structure | Series | Spectrum, z: Any, value: Any = None) -> Any:
    """Turn independent values into effects of correlated levels.

    Parameters
    ----------
    structure
        How the levels are correlated.
    z
        (levels, k) independent standard normal values.
    value
        The structure's parameter, a scalar; None where it has none.

    Returns
    -------
    TensorVariable
        (levels, k) values whose covariance is that of the structure.
    """
    if isinstance(structure, Series):
        return _along_series(structure, z, value)
    if isinstance(structure, Spectrum):
        copies, n = structure.copies, len(structure.values)
        roots = pt.sqrt(structure.scales(0.0 if value is None else value))
        side_by_side = z.reshape((copies, n, -1)).transpose(1, 0, 2).reshape((n, -1))
        drawn = pt.dot(structure.basis, roots[:, None] * side_by_side)
        return drawn.reshape((n, copies, -1)).transpose(1, 0, 2).reshape(z.shape)
    u = z * np.sqrt(structure.innovations)[:, None]
    for factor in structure.root_factors:
        if isinstance(factor, np.ndarray):
            u = pt.dot(factor, u)
        else:
            entries = factor.tocoo()
            rows, columns = (index.astype(np.int64) for index in entries.coords)
            u = pt.inc_subtensor(u[rows], entries.data[:, None] * u[columns])
    return u


def _along_series(series: Series, z: Any, value: Any) -> Any:
    """Add to each level what it has from those before it: two, four, eight levels back at a time."""
    before, linked = series.previous, series.previous >= 0
    gaps = series.gaps
    innovations = pt.where(linked, 1.0 - pt.square(_correlation(series, value, np.where(linked, gaps, 1.0))), 1.0)
    u = z * pt.sqrt(innovations)[:, None]
    reach, distance = before, gaps
    while (rows := np.flatnonzero(reach >= 0)).size:
        columns = reach[rows]
        u = pt.inc_subtensor(u[rows], _correlation(series, value, distance[rows])[:, None] * u[columns])
        distance = np.where(reach >= 0, distance + distance[reach], 0.0)
        reach = np.where(reach >= 0, reach[reach], -1)
    return u


def _correlation(series: Series, value: Any, gaps: Any) -> Any:
    return value**gaps if series.kind == "ar1" else pt.exp(-value * gaps)
