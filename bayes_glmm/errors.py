"""The errors and warnings of the package, and the hint that names the nearest valid name.

Input: a wrong name and the names that would have been right. Output: a sentence for the end of an error message.
Every exception is a `GLMMError` and also the built-in exception that a reader would expect.
"""

from collections.abc import Iterable
from difflib import get_close_matches

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
]

_MAX_NAMES = 20


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


def nearest(name: str, valid: Iterable[str]) -> str:
    """Make the hint of an error message about an unknown name, the nearest valid name first.

    Parameters
    ----------
    name
        The name that was not found.
    valid
        The names that are allowed, in the order to list them where none is nearer than another.

    Returns
    -------
    str
        One or two sentences: ``Did you mean ...?``, left out where nothing is similar, then the valid names, nearest
        first, cut after twenty.

    Notes
    -----
    Similarity is `difflib.SequenceMatcher`'s ratio of the names in lower case, with its usual cutoff of 0.6.

    Examples
    --------
    >>> nearest("perod", ["herd", "period", "size"])
    "Did you mean 'period'? Valid names: 'period', 'herd', 'size'."
    >>> nearest("x", [])
    'There are no valid names.'
    """
    names = list(dict.fromkeys(str(item) for item in valid))
    if not names:
        return "There are no valid names."
    spelled: dict[str, list[str]] = {}
    for item in names:
        spelled.setdefault(item.lower(), []).append(item)
    close = [item for key in get_close_matches(str(name).lower(), list(spelled), n=3) for item in spelled[key]]
    ordered = close + [item for item in names if item not in close]
    listed = ", ".join(f"'{item}'" for item in ordered[:_MAX_NAMES])
    left_out = len(ordered) - _MAX_NAMES
    more = f" and {left_out} more" if left_out > 0 else ""
    question = f"Did you mean '{close[0]}'? " if close else ""
    return f"{question}Valid names: {listed}{more}."
