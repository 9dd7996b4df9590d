"""Effects of related levels in PyMC's graph: standard normal values through the root of their covariance.

Input: a `Structure` and values of its levels. Output: effects with covariance A; a pedigree never becomes dense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayes_glmm.structures.structure import Structure


def related(structure: Structure, z: Any) -> Any:
    """Turn independent values into effects of related levels.

    Parameters
    ----------
    structure
        How the levels are related.
    z
        (levels, k) independent standard normal values.

    Returns
    -------
    TensorVariable
        (levels, k) T D^(1/2) z: each level's own part added to what it has from the levels before it, generations at a
        time.
    """
    u = z * np.sqrt(structure.innovations)[:, None]
    for factor in structure.root_factors:
        if isinstance(factor, np.ndarray):
            u = pt.dot(factor, u)
        else:
            entries = factor.tocoo()
            rows, columns = (index.astype(np.int64) for index in entries.coords)
            u = pt.inc_subtensor(u[rows], entries.data[:, None] * u[columns])
    return u
