"""Expressions to values: a tree of the closed list, walked over a prepared frame. Python's own evaluation has no part.

Input: a tree (`bayes_glmm.spec.expression`), columns of floats and categoricals, and what the fit remembers. Output: an
array of numbers, a categorical, or a `Basis` of several columns. On the data of the fit the memory is empty and is
filled; on new rows it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.frame import look_like_numbers, plain
from bayes_glmm.design.transforms import TRANSFORMS
from bayes_glmm.design.values import Value, is_text, levels_of, numeric, text_of, truth
from bayes_glmm.errors import DataError, listed
from bayes_glmm.spec.expression import Call, Constant, Name, Node, Unary, spine, write
from bayes_glmm.spec.functions import bound, constant
from bayes_glmm.spec.safe import alias

__all__ = ["Memory", "evaluate"]

#: What the functions of one expression remember, by the calls as written.
Memory = dict[str, dict[str, Any]]

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide, "**": np.power, "%%": np.mod,
    "%/%": np.floor_divide,
}  # fmt: skip
_LOGICAL: dict[str, Callable[[Any, Any], Any]] = {"&": np.logical_and, "|": np.logical_or}
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


def evaluate(tree: Node, frame: pd.DataFrame, memory: Memory) -> Value:
    """Compute an expression, one value a row.

    Parameters
    ----------
    tree
        The checked tree.
    frame
        Columns of floats and categoricals without missing values, named by their aliases.
    memory
        What its functions remember; empty on the data of the fit.

    Returns
    -------
    numpy.ndarray, pandas.Categorical or Basis
        Numbers or truth values (rows,), levels (rows,), or several columns.

    Raises
    ------
    DataError
        If a function cannot be computed on the data of the fit.
    PredictionError
        If it cannot be computed on new rows.
    """
    value = _Evaluation(frame, memory).value(tree)
    return np.full(len(frame), value) if isinstance(value, (bool, float, str, np.generic)) else value


class _Evaluation:
    """One walk over a tree."""

    def __init__(self, frame: pd.DataFrame, memory: Memory) -> None:
        self.frame, self.memory = frame, memory

    def value(self, node: Node) -> Any:
        first, rest = spine(node)
        left = self.single(first)
        for operator, right in rest:
            left = self.operation(operator, left, right, first)
        return left

    def single(self, node: Node) -> Any:
        match node:
            case Name(name):
                column = self.frame[alias(name)]
                return column.array if isinstance(column.dtype, pd.CategoricalDtype) else column.to_numpy()
            case Constant(value, _):
                return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
            case Unary("!", operand):
                return ~truth(self.value(operand), "!")
            case Unary(sign, operand):
                number = numeric(self.value(operand), sign)
                return -number if sign == "-" else number
            case Call():
                call = bound(node)
                values = [self.value(argument) for argument in call.values]
                state = self.memory.setdefault(write(node, str), {})
                return TRANSFORMS[call.function](values, call.options, state)
        raise TypeError(node)

    def operation(self, operator: str, left: Any, right: Node, first: Node) -> Any:
        if operator == "%in%":
            members = constant(right)
            return _is_one_of(left, members if isinstance(members, list) else [members], write(first, str))
        other = self.value(right)
        if operator in _ARITHMETIC:
            return _ARITHMETIC[operator](numeric(left, operator), numeric(other, operator))
        if operator in _LOGICAL:
            return _LOGICAL[operator](truth(left, operator), truth(other, operator))
        if operator in _ORDER:
            for side in (left, other):
                if _by_level(side) or isinstance(side, str):
                    if _by_level(side) and look_like_numbers(list(levels_of(side, operator).categories)):
                        numeric(side, operator)  # says how text becomes numbers
                    raise DataError(f"Levels are compared by == and %in%; {operator!r} needs numbers.")
            return _ORDER[operator](numeric(left, operator), numeric(other, operator))
        same = _equal(left, other, write(first, str))
        return same if operator == "==" else ~same


def _equal(left: Any, right: Any, name: str) -> npt.NDArray[np.bool_]:
    """Compare as R does: levels by their texts, numbers by their values."""
    if _by_level(right) and not _by_level(left):
        left, right = right, left
    if np.ndim(right) == 0:
        return _is_one_of(left, [right], name)
    if _by_level(left):
        return np.asarray(_texts(left) == _texts(right))
    return np.asarray(np.equal(numeric(left, "=="), numeric(right, "==")))


def _by_level(value: Any) -> bool:
    return isinstance(value, pd.Categorical) or is_text(value)


def _texts(value: Any) -> npt.NDArray[np.object_]:
    levels = levels_of(value, "==")
    return np.array([text_of(plain(level)) for level in levels.categories], dtype=object)[levels.codes]


def _is_one_of(values: Any, members: list[Any], name: str) -> npt.NDArray[np.bool_]:
    """Say which values are among constants, which at least one of a factor's levels must be."""
    if _by_level(values):
        levels = levels_of(values, "%in%")
        wanted = {text_of(plain(member)) for member in members}
        among = np.array([text_of(plain(level)) in wanted for level in levels.categories], dtype=bool)
        if not among.any() and isinstance(values, pd.Categorical):
            held = listed(map(plain, levels.categories))
            raise DataError(f"{name!r} has no level {listed(sorted(wanted))}. Levels: {held}.")
        return among[levels.codes]
    try:
        numbers = [float(member) for member in members]
    except (TypeError, ValueError):
        raise DataError(f"{name!r} holds numbers; it is compared with text: {listed(members)}.") from None
    return np.isin(numeric(values, "%in%"), numbers)
