"""A sparse precision whose values depend on one parameter: a sum of fixed matrices, each times a function of it.

Input: what a structure lists. Output: the record that compiled code reads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["PrecisionParts"]

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]


class PrecisionParts(NamedTuple):
    """The lower triangle of Q(value) = sum_c f_c(value) Q_c, element by element; elements may stand several times.

    ``"ar1"`` and ``"ou"``: f = 1, then for each distinct gap 1 / (1 - r^2) and -r / (1 - r^2); `numbers` are the gaps,
    `times` how often each occurs, and log det Q = -sum times log(1 - r^2). ``"car"``: f = 1, value; ``"leroux"``: f =
    1 - value, value; `numbers` are eigenvalues e, and log det Q = sum of log(1 - value e) or log(1 - value + value e),
    up to a constant.
    """

    kind: str
    rows: Positions  # (elements,)
    columns: Positions
    part: Positions  # (elements,) which of the f
    values: Array  # (elements,) of Q_c
    numbers: Array
    times: Array
