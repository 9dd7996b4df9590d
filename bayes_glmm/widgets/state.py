"""The settings of a widget: their names, how each is checked, and how they are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from bayes_glmm.arguments import as_whole, in_words
from bayes_glmm.errors import GLMMError, nearest

Check = Callable[[str, Any], Any]


@dataclass(frozen=True)
class Design:
    """What a widget is.

    Parameters
    ----------
    module
        Name of the script.
    title
        Title of the page.
    settings
        What people set, and how each is checked: (name, value) -> value as JSON has it, or an error.
    height
        CSS pixels of its frame.
    fixed
        What else the script reads, and nothing changes.
    """

    module: str
    title: str
    settings: Mapping[str, Check]
    height: int = 760
    fixed: Mapping[str, Any] = field(default_factory=dict)


def check_setting(design: Design, name: str) -> None:
    """Refuse what cannot be set.

    Parameters
    ----------
    design
        What the widget is.
    name
        The attribute.

    Raises
    ------
    AttributeError
        If the widget has no such setting, or was made with a value that stays.
    """
    if name in design.fixed:
        raise AttributeError(f"{name!r} stays what the widget was made with; make another one.")
    if name not in design.settings:
        raise AttributeError(f"the widget has no setting {name!r}. {nearest(name, design.settings)}")


def repr_of(design: Design, values: Mapping[str, Any]) -> str:
    """Write a widget as the call that makes it.

    Parameters
    ----------
    design
        What it is.
    values
        Its settings.

    Returns
    -------
    str
        ``"two_stories(intercept=-1.0, ...)"``.
    """
    return f"{design.module.removesuffix('.js')}({', '.join(f'{name}={value!r}' for name, value in values.items())})"


def number(least: float = -np.inf, most: float = np.inf) -> Check:
    """Make the check of a number.

    Parameters
    ----------
    least, most
        Ends of what is allowed.

    Returns
    -------
    Check
        It returns a float.
    """

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real) or not least <= float(value) <= most:
            ends = [f"at least {least:g}"] * (least > -np.inf) + [f"at most {most:g}"] * (most < np.inf)
            raise GLMMError(f"{name}= must be a number{', ' * bool(ends)}{' and '.join(ends)}, not {in_words(value)}.")
        if not np.isfinite(float(value)):
            raise GLMMError(f"{name}= must be finite, not {in_words(value)}.")
        return float(value)

    return check


def whole(least: int, most: int) -> Check:
    """Make the check of a whole number.

    Parameters
    ----------
    least, most
        Ends of what is allowed.

    Returns
    -------
    Check
        It returns an int.
    """

    def check(name: str, value: Any) -> int:
        found = as_whole(name, value, least, GLMMError)
        if found > most:
            raise GLMMError(f"{name}= must be at most {most}, not {found}.")
        return found

    return check


def one_of(valid: Sequence[str]) -> Check:
    """Make the check of a name.

    Parameters
    ----------
    valid
        What is allowed.

    Returns
    -------
    Check
        It returns the name.
    """

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in valid:
            raise GLMMError(f"{name}= names {in_words(value)}. {nearest(value, valid)}")
        return value

    return check


def words(name: str, value: Any) -> str:
    """Check a text.

    Parameters
    ----------
    name
        Of the argument.
    value
        What the user gave.

    Returns
    -------
    str
        The text.

    Raises
    ------
    GLMMError
        If it is none, or empty.
    """
    if not isinstance(value, str) or not value.strip():
        raise GLMMError(f"{name}= takes a word, such as 'hospital', not {in_words(value)}.")
    return value


def plural(word: str) -> str:
    """Return the regular plural of an English noun.

    Parameters
    ----------
    word
        The noun.

    Returns
    -------
    str
        ``"hospitals"``, ``"batches"``, ``"batteries"``.

    Examples
    --------
    >>> [plural(word) for word in ("hospital", "batch", "battery", "day")]
    ['hospitals', 'batches', 'batteries', 'days']
    """
    if word.lower().endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word[-1:].lower() == "y" and word[-2:-1].lower() not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"
