"""What the functions of formulas take and give: numbers, truth values, text, levels, or several columns.

Input: a value of any kind. Output: the same as numbers, as truth values or as levels, or a `DataError` in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.frame import look_like_numbers, plain
from bayes_glmm.errors import DataError, PredictionError, listed
from bayes_glmm.spec.functions import Contrast

__all__ = [
    "Basis", "Coded", "Options", "State", "Value", "among", "column", "is_text", "levels_of", "numeric", "remembered",
    "shown", "text_of", "truth",
]  # fmt: skip

Array = npt.NDArray[np.float64]
#: What a call remembers of the data of the fit; empty there.
State = dict[str, Any]
#: The options of a call.
Options = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Basis:
    """Several columns made of one, such as powers or a spline's.

    Parameters
    ----------
    values
        (rows, columns).
    names
        What stands between brackets in the coefficients' names.
    """

    values: Array
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Coded:
    """Levels with contrasts of their own."""

    levels: pd.Categorical
    contrasts: Contrast | None


Value = Array | npt.NDArray[np.bool_] | pd.Categorical | Basis | Coded


def numeric(value: Any, function: str) -> Any:
    """Return a value as numbers, truth values as 0 and 1.

    Parameters
    ----------
    value
        Any value.
    function
        What needs numbers, for messages.

    Returns
    -------
    numpy.ndarray or float
        (rows,) or one number.

    Raises
    ------
    DataError
        If the value is levels, text or several columns.
    """
    if isinstance(value, str):
        raise DataError(f"{function} needs numbers and was given {value!r}.")
    if isinstance(value, (pd.Categorical, Coded)) or is_text(value):
        if look_like_numbers(list(levels_of(value, function).categories)):
            raise DataError(
                f"{function} needs numbers and was given text, {shown(value)}; make the column numbers in the data: "
                "pd.to_numeric(data[...])."
            )
        raise DataError(
            f"{function} needs numbers and was given levels, {shown(value)}; compare them, f == 'level', or use the "
            "factor as a term."
        )
    if isinstance(value, Basis):
        raise DataError(
            f"{function} needs one column and was given {len(value.names)}; use them as a term of their own."
        )
    return np.asarray(value, dtype=np.float64) if np.ndim(value) else float(value)


def column(value: Any, function: str) -> Array:
    """Return a value as numbers, one a row.

    Parameters
    ----------
    value
        Any value.
    function
        What needs them, for messages.

    Returns
    -------
    numpy.ndarray
        (rows,).

    Raises
    ------
    DataError
        If the value is a single number, or no numbers.
    """
    numbers = numeric(value, function)
    if np.ndim(numbers) == 0:
        raise DataError(f"{function} needs a column and was given one number, {numbers:g}.")
    return np.asarray(numbers)


def truth(value: Any, operator: str) -> Any:
    """Return a value as truth values: numbers are true where they are not zero.

    Parameters
    ----------
    value
        Any value.
    operator
        What needs it, for messages.

    Returns
    -------
    numpy.ndarray of bool
        (rows,) or one value.
    """
    return np.not_equal(numeric(value, operator), 0.0)


def text_of(value: Any) -> str:
    """Write a level as R does: whole numbers without a point, TRUE and FALSE.

    Parameters
    ----------
    value
        A level.

    Returns
    -------
    str
        Its text.
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def is_text(value: Any) -> bool:
    """Say whether a value is text, one a row.

    Parameters
    ----------
    value
        Any value.

    Returns
    -------
    bool
        True for text.
    """
    return isinstance(value, np.ndarray) and value.dtype == object


def shown(value: Any) -> str:
    """List the levels of a value, for messages.

    Parameters
    ----------
    value
        Levels or text.

    Returns
    -------
    str
        Such as ``"'a', 'b' and 3 more"``.
    """
    return listed(map(plain, levels_of(value, "").categories))


def levels_of(value: Any, function: str) -> pd.Categorical:
    """Make levels of one column: numbers in their order, whole ones as integers, text in alphabetical order.

    Parameters
    ----------
    value
        Any value.
    function
        What needs levels, for messages.

    Returns
    -------
    pandas.Categorical
        (rows,).

    Raises
    ------
    DataError
        If the value is several columns, one value, or not finite.
    """
    if isinstance(value, Coded):
        return value.levels
    if isinstance(value, pd.Categorical):
        return value
    if isinstance(value, Basis):
        numeric(value, function)
    values = np.asarray(value)
    if values.ndim == 0:
        raise DataError(f"{function}() needs a column and was given one value, {value!r}.")
    if is_text(values):
        return pd.Categorical(values, categories=sorted(set(values)))
    if values.dtype == bool:
        return pd.Categorical(np.where(values, "TRUE", "FALSE"), categories=["FALSE", "TRUE"])
    if not np.isfinite(values).all():
        raise DataError(f"{function}() met a value that is not finite.")
    if bool((values == np.floor(values)).all()) and np.abs(values).max(initial=0.0) < 2.0**62:
        return pd.Categorical(values.astype(np.int64))
    # as in R, numbers that are the same to 15 digits are one level
    distinct, place = np.unique(values, return_inverse=True)
    return pd.Categorical(np.array([float(f"{value:.15g}") for value in distinct])[place])


def remembered(levels: pd.Categorical, state: State, function: str) -> pd.Categorical:
    """Keep the levels that occur in the fit; on new rows there are no others.

    Parameters
    ----------
    levels
        (rows,) any levels.
    state
        What the call remembers.
    function
        What makes the levels, for messages.

    Returns
    -------
    pandas.Categorical
        (rows,) with the levels of the fit.

    Raises
    ------
    PredictionError
        If new rows have a level that the fit did not see.
    """
    if "levels" not in state:
        used = np.bincount(levels.codes, minlength=len(levels.categories)) > 0
        state["levels"] = list(levels.categories[used])
    return among(levels, state["levels"], f"{function}() met values that the fit did not see", PredictionError)


def among(levels: pd.Categorical, known: list[Any], problem: str, error: type[Exception]) -> pd.Categorical:
    """Give levels other categories, by value or by text.

    Parameters
    ----------
    levels
        (rows,) any levels.
    known
        The categories wanted.
    problem
        What it means that a level is none of them, for messages.
    error
        What is raised then.

    Returns
    -------
    pandas.Categorical
        (rows,) with these categories.
    """
    place = {value: i for i, value in enumerate(known)} | {text_of(plain(value)): i for i, value in enumerate(known)}
    new = np.array([place.get(value, place.get(text_of(plain(value)), -1)) for value in levels.categories], dtype=int)
    codes = new[levels.codes] if len(new) else np.zeros(len(levels), dtype=int)
    if (codes < 0).any():
        unseen = [plain(levels.categories[i]) for i in np.unique(levels.codes[codes < 0])]
        raise error(f"{problem}: {listed(unseen)}. Levels: {listed(map(plain, known))}.")
    return pd.Categorical.from_codes(codes, categories=known)
