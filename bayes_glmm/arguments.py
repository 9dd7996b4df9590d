"""What users pass as names, probabilities, whole numbers and seeds, checked in one way everywhere.

Input: an argument's value. Output: the value in the form functions work with, or an error that names the argument.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError, PredictionError, nearest

__all__ = [
    "as_whole",
    "checked_name",
    "checked_names",
    "checked_seed",
    "fresh_seed",
    "in_words",
    "interval_probability",
    "own_arguments",
]

#: Other packages' arguments of functions of fits: what a function may have for them, and an example.
_ELSEWHERE = {
    "dpar": ("scale", "'sigma'"),
    "type": ("scale", "'link'"),
    **dict.fromkeys(("re_formula", "re_form", "include_group_specific", "marginal"), ("random_effects", "'typical'")),
    **dict.fromkeys(("allow_new_levels", "sample_new_groups", "sample_new_levels"), ("new_levels", "'sample'")),
    **dict.fromkeys(("conf_level", "level", "prob", "probs", "hdi_prob", "ci"), ("ci_prob", "0.9")),
    **dict.fromkeys(("seed", "rng", "random_state"), ("random_seed", "1")),
    **dict.fromkeys(("ndraws", "nsamples", "num_samples"), ("draws", "100")),
    **dict.fromkeys(("data", "new_data", "exog"), ("newdata", "rows")),
    "average_by": ("by", "'x'"),
    "comparison_type": ("comparison", "'ratio'"),
}


def own_arguments[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Answer arguments that a function does not have in words.

    Parameters
    ----------
    function
        A public function.

    Returns
    -------
    function
        The same, which raises a `PredictionError` for another package's argument and says what stands for it.

    Examples
    --------
    >>> @own_arguments
    ... def predictions(fit, scale="response"):
    ...     return scale
    >>> predictions(None, dpar="sigma")
    Traceback (most recent call last):
        ...
    bayes_glmm.errors.PredictionError: predictions has no argument 'dpar': write scale='sigma', say.
    """
    valid = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in valid:
                meant, example = _ELSEWHERE.get(name, ("", ""))
                hint = f"write {meant}={example}, say." if meant in valid else nearest(name, valid)
                raise PredictionError(f"{function.__name__} has no argument {name!r}: {hint}")
        return function(*args, **kwargs)

    return checked


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
