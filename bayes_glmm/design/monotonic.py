"""Monotonic effects of ordered predictors: which columns of X hold positions on a scale, and what its levels are.

Input: the encoder of a fixed part. Output: a `Monotonic` for each term ``mo(x)``. Its column of X is the position 0, 1,
..., D of a row's level; what it adds to the linear predictor is b D (zeta_1 + ... + zeta_position), b the coefficient
and zeta a simplex: on average b a step, as of a number, and never up and down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.encoding import Encoder
from bayes_glmm.design.frame import is_text, plain
from bayes_glmm.errors import DataError, listed
from bayes_glmm.spec.expression import Call, Name, read_expression, write
from bayes_glmm.spec.monotonic import is_monotonic
from bayes_glmm.spec.safe import show_names

__all__ = ["Monotonic", "check_order", "monotonic_terms", "raised"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Monotonic:
    """A monotonic effect.

    Parameters
    ----------
    position
        Its column of X.
    coef
        Its coefficient, ``"mo(income)"``.
    column
        The predictor.
    levels
        Its levels, lowest first.
    """

    position: int
    coef: str
    column: str
    levels: tuple[str, ...]

    @property
    def name(self) -> str:
        """The simplex in models and posteriors."""
        return f"simplex_{self.column}"

    @property
    def dim(self) -> str:
        """The dimension of its steps."""
        return f"{self.column}_step"

    @property
    def steps(self) -> tuple[str, ...]:
        """The level that each step leads to."""
        return self.levels[1:]


def monotonic_terms(encoder: Encoder) -> tuple[Monotonic, ...]:
    """Find the monotonic effects of a fixed part.

    Parameters
    ----------
    encoder
        Its encoder.

    Returns
    -------
    tuple of Monotonic
        In the order of the columns.
    """
    found = []
    for expression, memory in encoder.encoding.transform_state.items():
        if is_monotonic(expression):
            tree = read_expression(expression)
            assert isinstance(tree, Call)
            assert isinstance(tree.arguments[0], Name)
            levels = tuple(str(plain(level)) for level in memory[write(tree, str)]["levels"])
            coef = show_names(expression)
            found.append(Monotonic(encoder.coefs.index(coef), coef, show_names(tree.arguments[0].name), levels))
    return tuple(sorted(found, key=lambda term: term.position))


def check_order(frame: pd.DataFrame, terms: tuple[Monotonic, ...]) -> None:
    """Refuse predictors whose order nobody has stated.

    Parameters
    ----------
    frame
        The user's columns.
    terms
        The monotonic effects.

    Raises
    ------
    DataError
        If one is text, or a category without an order.
    """
    for term in terms:
        column = frame[term.column]
        ordered = not isinstance(column.dtype, pd.CategoricalDtype) or column.cat.ordered
        if is_text(column) or not ordered:
            raise DataError(
                f"mo({term.column}): the order of {listed(term.levels)} is not known. Make it ordered, "
                f"pd.Categorical(data[{term.column!r}], categories=[lowest, ..., highest], ordered=True), or whole "
                "numbers."
            )


def raised(simplex: Array) -> Array:
    """Return what the levels add to a linear predictor for a coefficient of one, less their positions.

    Parameters
    ----------
    simplex
        (..., D) shares of the steps.

    Returns
    -------
    numpy.ndarray
        (..., D + 1): D (zeta_1 + ... + zeta_k) - k, zero for the lowest level and, for the highest, too.
    """
    steps = simplex.shape[-1]
    heights = np.concatenate([np.zeros((*simplex.shape[:-1], 1)), np.cumsum(simplex, axis=-1)], axis=-1)
    return np.asarray(steps * heights - np.arange(steps + 1.0))
