"""The errors and warnings of the package, how warnings are raised, and the hint that names the nearest valid name.

Input: a wrong name and the names that would have been right. Output: a sentence for the end of an error message.
Every exception is a `GLMMError` and also the built-in exception that a reader would expect.
"""

import os
import warnings
from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "FormulaError",
    "GLMMError",
    "PredictionError",
    "PriorError",
    "SamplingError",
    "nearest",
    "warn",
]

_MAX_NAMES = 20
_MAX_LISTED = 10
_PACKAGE = os.path.join(os.path.dirname(__file__), "")


class GLMMError(Exception):
    """Any error that this package raises on purpose."""


class FormulaError(GLMMError, ValueError):
    """A formula that cannot be read, or that asks for something that is not allowed."""


class DataError(GLMMError, ValueError):
    """Data that do not fit the formula, the family, or the function they were given to."""


class PriorError(GLMMError, ValueError):
    """A prior for an unknown parameter, or with arguments its distribution does not take."""


class SamplingError(GLMMError, RuntimeError):
    """A fit that could not be started or did not finish."""


class PredictionError(GLMMError, ValueError):
    """A prediction or an effect that the fitted model cannot give for the data asked for."""


class ConvergenceWarning(UserWarning):
    """Draws that should not be trusted yet: divergences, a high R-hat, few effective draws."""


class DataWarning(UserWarning):
    """Data that were changed or look suspicious: dropped rows, groups with one row, constant columns."""


def warn(message: str, category: type[Warning] = DataWarning) -> None:
    """Warn at the line outside this package that led here.

    Parameters
    ----------
    message
        What to say.
    category
        The kind of warning.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     warn("3 rows were dropped.")
    >>> said[0].category.__name__
    'DataWarning'
    """
    warnings.warn(message, category, skip_file_prefixes=(_PACKAGE,))


def listed(values: Iterable[object]) -> str:
    """List values for an error message, cut after ten.

    Parameters
    ----------
    values
        What to list.

    Returns
    -------
    str
        Such as ``"'a', 'b' and 3 more"``.

    Examples
    --------
    >>> listed(["a", 2])
    "'a', 2"
    """
    items = list(values)
    more = f" and {len(items) - _MAX_LISTED:,} more" if len(items) > _MAX_LISTED else ""
    return ", ".join(map(repr, items[:_MAX_LISTED])) + more


def nearest(name: object, valid: Iterable[object]) -> str:
    """Make the hint of an error message about an unknown name or level, the nearest valid one first.

    Parameters
    ----------
    name
        What was not found.
    valid
        What is allowed, in the order to list it where none is nearer than another.

    Returns
    -------
    str
        One or two sentences: ``Did you mean ...?``, left out where nothing is similar, then what is valid, nearest
        first, cut after twenty.

    Notes
    -----
    Similarity is `difflib.SequenceMatcher`'s ratio of the names in lower case, with its usual cutoff of 0.6. Numbers
    are similar to text that says the same, and to nothing else.

    Examples
    --------
    >>> nearest("perod", ["herd", "period", "size"])
    "Did you mean 'period'? Valid names: 'period', 'herd', 'size'."
    >>> nearest("3", [1, 2, 3])
    'Did you mean 3 (int, not str)? Valid values: 3, 1, 2.'
    >>> nearest("x", [])
    'There are no valid names.'
    """
    name, *values = (item.item() if isinstance(item, np.generic) else item for item in (name, *dict.fromkeys(valid)))
    if not values:
        return "There are no valid names."
    twins = [item for item in values if str(item) == str(name) and type(item) is not type(name)]
    spelled: dict[str, list[object]] = {}
    for item in values:
        if isinstance(item, str) and isinstance(name, str):
            spelled.setdefault(item.lower(), []).append(item)
    close = twins or [item for key in get_close_matches(str(name).lower(), spelled, n=3) for item in spelled[key]]
    ordered = close + [item for item in values if item not in close]
    first = ", ".join(map(repr, ordered[:_MAX_NAMES]))
    left_out = len(ordered) - _MAX_NAMES
    more = f" and {left_out} more" if left_out > 0 else ""
    kinds = f" ({type(twins[0]).__name__}, not {type(name).__name__})" if twins else ""
    question = f"Did you mean {close[0]!r}{kinds}? " if close else ""
    what = "names" if all(isinstance(item, str) for item in values) else "values"
    return f"{question}Valid {what}: {first}{more}."
