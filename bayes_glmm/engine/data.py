"""What the compiled density reads: arrays in one immutable record, and the same record behind a table of addresses.

Input: a design (or its reduced rows), its prior table and the family. Output: `KernelData`. Positions x are laid out as
[u of each term, level by level; beta (centred); theta], the terms in order of decreasing size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine.arithmetic import as_written, inlined_as_written
from bayes_glmm.engine.pointers import as_pointer, carray

#: Rows of ``KernelData.terms``.
COEFS, LEVELS, U_START, Z_START, THETA_START, THETA_SIZE = range(6)
#: Elements of ``KernelData.sizes``.
N_ROWS, N_TERMS, N_U, N_BETA, N_THETA, N_AUXILIARY, HAS_OFFSET, ROWS_ADDRESS = range(8)
#: Columns of ``KernelData.predictors``: first column of X and the one behind the last, the family's parameter that the
#: linear predictor is of, its inverse link, and what is added to it. Of several responses (ROWS_ADDRESS is zero):
#: the first of its parameters and how many they are, address of its row kernel (a double holds it; zero for normal
#: responses with correlated residuals), first column of y, and how many of these a row kernel reads; weights are next.
FIRST, LAST, PARAMETER, INVERSE, LOWER, N_PARAMETERS, ADDRESS, FIRST_Y, WIDTH = range(9)
#: Length of the address table of a `KernelData`.
TABLE_SIZE = 3 * 21


class KernelData(NamedTuple):
    """The arrays of one model.

    Shapes: n rows, C linear predictors, p columns of X, G terms, K random coefficients, d elements of theta.
    """

    sizes: npt.NDArray[np.int64]  # (8,) see N_ROWS ...
    terms: npt.NDArray[np.int64]  # (6, G) see COEFS ...
    blocks: npt.NDArray[np.int64]  # (K,) first coefficient of each coefficient's correlation block
    ones: npt.NDArray[np.int64]  # (p + K,) whether a column of X or Z is all ones
    codes: npt.NDArray[np.int32]  # (G, n)
    X: npt.NDArray[np.float64]  # (p, n), centred
    Z: npt.NDArray[np.float64]  # (K, n)
    offset: npt.NDArray[np.float64]  # (C n,) of one linear predictor after the other
    y: npt.NDArray[np.float64]  # (n, m) responses, and behind them what more row kernels read of a row
    counts: npt.NDArray[np.float64]  # (n,) binomial trials, or how many times a row counts
    beta_table: npt.NDArray[np.float64]  # (p, 8) priors of beta
    theta_table: npt.NDArray[np.float64]  # (d, 8) priors of theta
    lkj: npt.NDArray[np.float64]  # (G,) shape of each term's LKJ prior
    segments: npt.NDArray[np.int64]  # (levels + 1,) first row of each level of the largest term: rows are sorted by it
    channels: npt.NDArray[np.int64]  # (p + K,) the linear predictor that a column of X or Z acts on; 0 is the mean's
    predictors: npt.NDArray[np.float64]  # (C, 9) see FIRST ...
    related: npt.NDArray[np.int64]  # (G,) first of a term's levels in `chain`; -1 where they are independent
    chain: npt.NDArray[np.int64]  # (related levels + 1,) where each level's regression on others begins
    before: npt.NDArray[np.int64]  # levels that are regressed on, by their number in the term
    weights: npt.NDArray[np.float64]  # of these
    innovations: npt.NDArray[np.float64]  # (related levels,) variance of a level given those before it


@inlined_as_written
def read_vector(table: Any, i: int, dtype: Any) -> Any:
    """Read array i of a table of addresses as a vector (compiled code only)."""
    return carray(as_pointer(table[3 * i]), (table[3 * i + 1],), dtype)


@inlined_as_written
def read_matrix(table: Any, i: int, dtype: Any) -> Any:
    """Read array i of a table of addresses as a matrix (compiled code only)."""
    return carray(as_pointer(table[3 * i]), (table[3 * i + 1], table[3 * i + 2]), dtype)


@as_written
def read_data(table: Any) -> KernelData:
    """Rebuild the record from its table of addresses and shapes (compiled code only)."""
    return KernelData(
        read_vector(table, 0, np.int64),
        read_matrix(table, 1, np.int64),
        read_vector(table, 2, np.int64),
        read_vector(table, 3, np.int64),
        read_matrix(table, 4, np.int32),
        read_matrix(table, 5, np.float64),
        read_matrix(table, 6, np.float64),
        read_vector(table, 7, np.float64),
        read_matrix(table, 8, np.float64),
        read_vector(table, 9, np.float64),
        read_matrix(table, 10, np.float64),
        read_matrix(table, 11, np.float64),
        read_vector(table, 12, np.float64),
        read_vector(table, 13, np.int64),
        read_vector(table, 14, np.int64),
        read_matrix(table, 15, np.float64),
        read_vector(table, 16, np.int64),
        read_vector(table, 17, np.int64),
        read_vector(table, 18, np.int64),
        read_vector(table, 19, np.float64),
        read_vector(table, 20, np.float64),
    )


def address_table(arrays: Sequence[Any]) -> npt.NDArray[np.uint64]:
    """Write addresses and shapes of arrays.

    Parameters
    ----------
    arrays
        C-contiguous arrays and named tuples of such, one behind the other; they must stay alive as long as the table is
        used.

    Returns
    -------
    numpy.ndarray
        Three elements an array: address, and its first two dimensions.
    """
    table: list[int] = []
    for array in arrays:
        if isinstance(array, tuple):
            table += address_table(array).tolist()
            continue
        assert array.flags.c_contiguous
        table += [array.__array_interface__["data"][0], array.shape[0], array.shape[1] if array.ndim > 1 else 1]
    return np.array(table, dtype=np.uint64)
