"""Where the integrals over levels' effects are evaluated: arrays in one record, and behind a table of addresses.

Levels of the finest factor with the same rows (within one level of the factor that holds them) are one pattern. A unit
is what is integrated together: a level of the coarser factor with the patterns in it, or, where there is one factor, a
pattern. In units of the sds the points lie on lattices, w = sd_b t for what the rows of a pattern see, c = sd_a s for
the part of it that a unit shares. Units that need steps alike are a batch, which has one t lattice and one s lattice,
so that what is done for all its patterns and points is a few matrix products. A pattern's rows are evaluated on its own
stretch of the t lattice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import read_matrix, read_vector

#: Rows of ``Levels.own``, ``Levels.inner`` and ``Levels.outer``.
FIRST, COUNT = range(2)
#: Elements of ``Levels.largest``.
ELEMENTS, INNER, OUTER, KERNEL, PATTERNS = range(5)
#: Arrays of a `Levels` times three.
LEVELS_SIZE = 3 * 15


class Levels(NamedTuple):
    """Points of integration. P patterns, A units, B batches of units, T points t and Q points s of all batches."""

    sds: npt.NDArray[np.int64]  # (1,) or (2,) element of theta that is the sd of the finer factor, of the coarser one
    rows: npt.NDArray[np.int64]  # (P + 1,) first row of each pattern
    multiplicity: npt.NDArray[np.int64]  # (P,) how many levels a pattern stands for
    units: npt.NDArray[np.int64]  # (A + 1,) first pattern of each unit
    batches: npt.NDArray[np.int64]  # (B + 1,) first unit of each batch
    own: npt.NDArray[np.int64]  # (2, P) first point of each pattern among its batch's t, and how many
    inner: npt.NDArray[np.int64]  # (2, B) first point among t, and how many
    outer: npt.NDArray[np.int64]  # (2, B) first point among s, and how many
    t: npt.NDArray[np.float64]  # (T,)
    t_steps: npt.NDArray[np.float64]  # (B,) distance of the points
    s: npt.NDArray[np.float64]  # (Q,) only 0 where there is one factor
    s_steps: npt.NDArray[np.float64]  # (B,)
    growth: npt.NDArray[np.float64]  # (1,) or (2,) d log beta / d log sd, of each factor's sd, along the posterior
    reference: npt.NDArray[np.float64]  # (1,) or (2,) the elements of theta at which beta is as it stands
    #: (5,) a batch's most rows x t, patterns x t, patterns x s, s x t, and patterns
    largest: npt.NDArray[np.int64]


@as_written
def read_levels(table: Any) -> Levels:
    """Rebuild the record from its table of addresses (compiled code only)."""
    return Levels(
        read_vector(table, 0, np.int64),
        read_vector(table, 1, np.int64),
        read_vector(table, 2, np.int64),
        read_vector(table, 3, np.int64),
        read_vector(table, 4, np.int64),
        read_matrix(table, 5, np.int64),
        read_matrix(table, 6, np.int64),
        read_matrix(table, 7, np.int64),
        read_vector(table, 8, np.float64),
        read_vector(table, 9, np.float64),
        read_vector(table, 10, np.float64),
        read_vector(table, 11, np.float64),
        read_vector(table, 12, np.float64),
        read_vector(table, 13, np.float64),
        read_vector(table, 14, np.int64),
    )
