"""What users pass as names, probabilities, whole numbers and seeds, checked in one way everywhere.

Input: an argument's value. Output: the value in the form functions work with, or an error that names the argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError, PredictionError

__all__ = [
    "as_whole",
    "checked_name",
    "checked_names",
    "checked_seed",
    "fresh_seed",
    "in_words",
    "interval_probability",
]


def in_words(value: Any) -> str:
    """Name a value in an error message: short ones themselves, others by their type.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    str
        Such as ``"'x'"``, ``"3"`` or ``"a DataFrame"``.
    """
    if value is None or isinstance(value, str | Real):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def checked_name(argument: str, value: Any) -> str:
    """Check an argument that takes one name.

    Parameters
    ----------
    argument
        Its name, for the message.
    value
        What the user gave.

    Returns
    -------
    str
        The name.

    Raises
    ------
    PredictionError
        If it is no text.
    """
    if not isinstance(value, str):
        raise PredictionError(f"{argument}= takes a name, such as 'x', not {in_words(value)}.")
    return value


def checked_names(argument: str, value: Any) -> tuple[str, ...]:
    """Check an argument that takes one name or several.

    Parameters
    ----------
    argument
        Its name, for the message.
    value
        What the user gave.

    Returns
    -------
    tuple of str
        The names.

    Raises
    ------
    PredictionError
        If it is neither text nor a list of texts.
    """
    if isinstance(value, str):
        return (value,)
    names: tuple[Any, ...] = (None,)
    if isinstance(value, Iterable) and not isinstance(value, Mapping | pd.Series | pd.DataFrame):
        names = tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise PredictionError(
            f"{argument}= takes a name or a list of names, such as ['x', 'f'], not {in_words(value)}."
        )
    return names


def as_whole(argument: str, value: Any, least: int = 1, error: type[GLMMError] = PredictionError) -> int:
    """Check an argument that takes a whole number.

    Parameters
    ----------
    argument
        Its name, for the message.
    value
        What the user gave; floats that are whole count.
    least
        The least number allowed.
    error
        What to raise.

    Returns
    -------
    int
        The number.

    Raises
    ------
    GLMMError
        If it is none, or too small.
    """
    whole = isinstance(value, Integral) or (isinstance(value, float | np.floating) and float(value).is_integer())
    if not whole or isinstance(value, bool) or int(value) < least:
        raise error(f"{argument}= must be a whole number of at least {least}, not {in_words(value)}.")
    return int(value)


def fresh_seed() -> int:
    """Draw a seed from the machine's entropy.

    Returns
    -------
    int
        Between 0 and 2**32 - 1.
    """
    return int(np.random.SeedSequence().generate_state(1)[0])


def checked_seed(random_seed: Any) -> int:
    """Check a seed.

    Parameters
    ----------
    random_seed
        What the user gave; None for a fresh one.

    Returns
    -------
    int
        At least 0.

    Raises
    ------
    PredictionError
        If it is no whole number.
    """
    return fresh_seed() if random_seed is None else as_whole("random_seed", random_seed, least=0)


def interval_probability(ci_prob: Any) -> float:
    """Return the probability of intervals, ArviZ's default where none is given.

    Parameters
    ----------
    ci_prob
        A probability, or None for ArviZ's ``rcParams["stats.ci_prob"]``.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    PredictionError
        If it is not between 0 and 1.
    """
    if ci_prob is None:
        from arviz_base import rcParams

        return float(rcParams["stats.ci_prob"])
    if isinstance(ci_prob, bool) or not isinstance(ci_prob, Real) or not 0 < float(ci_prob) < 1:
        raise PredictionError(f"ci_prob= must lie between 0 and 1 (0.89, say), not {in_words(ci_prob)}.")
    return float(ci_prob)
