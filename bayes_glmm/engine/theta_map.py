"""Few elements behind standard coordinates: x = centre + g(factor z), and the pullback of gradients.

Input: z, which NUTS sees as nearly N(0, I). Output: the position, the log determinant of the Jacobian, and d/dz.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine.arithmetic import as_written, reordered
from bayes_glmm.engine.data import read_matrix, read_vector
from bayes_glmm.engine.parameters import bend, pull_bend
from bayes_glmm.engine.pointers import carray, local_vector
from bayes_glmm.engine.vectors import copy, product, transposed_product


class Map(NamedTuple):
    """The map's constants, and where the tables are that the density behind it reads."""

    tables: npt.NDArray[np.uint64]  # (2,)
    centre: npt.NDArray[np.float64]  # (dimension,)
    factor: npt.NDArray[np.float64]  # (dimension, dimension)
    bends: npt.NDArray[np.float64]  # (dimension, 3)


@as_written
def read_map(user_data: Any) -> Map:
    """Rebuild the map from its table of addresses (compiled code only)."""
    table = carray(user_data, (12,), np.uint64)
    return Map(
        read_vector(table, 0, np.uint64),
        read_vector(table, 1, np.float64),
        read_matrix(table, 2, np.float64),
        read_matrix(table, 3, np.float64),
    )


@reordered
def to_place(z: Any, centre: Any, factor: Any, bends: Any, x: Any) -> float:
    """Fill the position of z; return the log determinant of the Jacobian without its constant."""
    y = local_vector(z.size)
    copy(centre, x)
    product(factor, z, y)
    log_det: float = bend(y, bends, x)
    return log_det


@reordered
def pull_place(z: Any, factor: Any, bends: Any, gradient: Any, out: Any) -> None:
    """Fill d/dz from d/dx, which is used up, the Jacobian's own derivative included."""
    y = local_vector(z.size)
    product(factor, z, y)
    pull_bend(y, bends, gradient)
    transposed_product(factor, gradient, out)
