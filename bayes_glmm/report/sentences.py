"""Numbers in sentences. Input: estimates with their intervals, names. Output: words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bayes_glmm.printing.numbers import together


def with_interval(row: Mapping[str, Any], flipped: bool = False) -> str:
    """Write an estimate and its interval, rounded as tables round them.

    Parameters
    ----------
    row
        estimate, sd, lower and upper; median, where it is to stand for a mean outside its own interval.
    flipped
        Whether the signs are turned: of a decrease.

    Returns
    -------
    str
        Such as ``"10.4 (7.9 to 12.9)"``; a mean that lies outside its interval is said to.

    Examples
    --------
    >>> with_interval({"estimate": -0.1132, "sd": 0.036, "lower": -0.173, "upper": -0.057}, flipped=True)
    '0.113 (0.057 to 0.173)'
    """
    sign = -1.0 if flipped else 1.0
    lower, upper = sorted(sign * float(row[name]) for name in ("lower", "upper"))
    estimate, note = sign * float(row["estimate"]), ""
    if outside(row):
        note = "; the mean is carried by a few draws"
        if "median" in row:
            estimate, note = sign * float(row["median"]), f"{note}, this is the median"
    texts = together([estimate, lower, upper], float(row["sd"]), lower, upper)
    return f"{texts[0]} ({texts[1]} to {texts[2]}{note})"


def outside(row: Mapping[str, Any]) -> bool:
    """Say whether a mean lies outside its own interval, by more than rounding.

    Parameters
    ----------
    row
        estimate, lower and upper.

    Returns
    -------
    bool
        True where a few draws far away carry the mean.
    """
    slack = 1e-9 * max(abs(float(row["lower"])), abs(float(row["upper"])))
    return bool(row["estimate"] < row["lower"] - slack or row["estimate"] > row["upper"] + slack)


def direction(row: Mapping[str, Any]) -> int:
    """Say on which side of zero an interval lies.

    Parameters
    ----------
    row
        lower and upper.

    Returns
    -------
    int
        1 above, -1 below, 0 if it holds zero or is not known.
    """
    return 1 if row["lower"] > 0 else -1 if row["upper"] < 0 else 0


def listed(names: Sequence[str], most: int = 6) -> str:
    """Write names one after the other.

    Parameters
    ----------
    names
        The names.
    most
        How many are written out; the others are counted.

    Returns
    -------
    str
        ``"a, b and c"``; ``"a, b and 4 more"``.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], 2), listed(["a"])
    ('a, b and c', 'a, b and 2 more', 'a')
    """
    words = list(names) if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(*parts: str) -> str:
    """Put parts together, with a capital at the start and a full stop at the end.

    Parameters
    ----------
    *parts
        The parts; empty ones are left out.

    Returns
    -------
    str
        The sentence.
    """
    text = " ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")


def counted(number: int, one: str, more: str | None = None) -> str:
    """Write a number of things.

    Parameters
    ----------
    number
        How many.
    one, more
        What one and several are called; None for an s at the end.

    Returns
    -------
    str
        ``"1 level"``, ``"1,200 levels"``.
    """
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"
