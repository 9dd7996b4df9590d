"""Numbers as text, rounded by their own size.

Input: a table's numbers. Output: strings. An estimate is written to the second digit of its sd, so that one of 1e-12
and one of 1e9 show as many digits as they are known to. Whether with an exponent or without is decided as R decides it,
by what is shorter. Nothing else in the package decides how a result is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

#: Digits of an sd, or of a quarter of an interval where there is no sd.
UNCERTAIN = 2
#: Digits of numbers that come with no uncertainty, and of how far apart those of a column are.
CERTAIN, APART = 4, 3
#: Times a quarter of its interval beyond which an sd is that of a few draws far away, and says nothing of the interval.
_FAR = 30
#: Part of a number below which a difference is rounding error.
_NOTHING = 1e-10
#: Characters by which plain digits may be longer than an exponent.
_LONGER = 1
#: What stands for a number that there is not.
MISSING = "-"

#: Columns with a number of decimals of their own.
DECIMALS = {
    "ess_bulk": 0,
    "ess_tail": 0,
    "r_hat": 3,
    "p_value": 3,
    "adjusted": 3,
    "p_positive": 3,
    "p_direction": 3,
    "p_rope": 3,
    "probability": 3,
    "weight": 3,
    "prior": 3,
    "likelihood": 3,
    "attenuation": 3,
    "weaker": 2,
    "stronger": 2,
    "fmi": 2,
}
#: Columns whose uncertainty is that of the columns lower and upper, or ci_lower and ci_upper, of the same row.
_POINTS = ("estimate", "mean", "observed", "no_pooling", "partial_pooling", "complete_pooling")
#: Parts of the uncertainty in the column sd.
_PARTS = ("sd_within", "sd_between")


def last_place(value: float, digits: int) -> int | None:
    """Find the power of ten of the last of so many significant digits.

    Parameters
    ----------
    value
        A number.
    digits
        How many significant digits.

    Returns
    -------
    int or None
        -3 for 0.0123 to two digits; None for zero and what is not finite.

    Examples
    --------
    >>> last_place(0.0123, 2), last_place(99.9, 2), last_place(0.0, 2)
    (-3, 1, None)
    """
    if not math.isfinite(value) or value == 0:
        return None
    return int(f"{value:.{digits - 1}e}".partition("e")[2]) - digits + 1


def written(values: Sequence[float], place: int | None) -> list[str]:
    """Write numbers that belong together, all to the same place.

    Parameters
    ----------
    values
        The numbers of a row.
    place
        Power of ten of the last digit shown; None where nothing says it: four digits of the largest.

    Returns
    -------
    list of str
        Without an exponent unless that is the shorter; `MISSING` for what is not a number.

    Examples
    --------
    >>> written([251.40512, 6.82461], -1), written([2.51e-10, 7.66e-12], -13), written([-0.004, float("nan")], -2)
    (['251.4', '6.8'], ['2.510e-10', '7.7e-12'], ['0.00', '-'])
    """
    finite = [abs(value) for value in values if math.isfinite(value)]
    largest = max(finite, default=0.0)
    if place is None:
        place = last_place(largest, CERTAIN)
    if place is None:  # zeros alone
        place = 0
    place = max(place, -320)  # smaller powers of ten are not exact, or zero
    while place < 0 and all(float(f"{value:.{-place - 1}f}") == value for value in finite):
        place += 1  # what has been rounded shows no digits that it does not have
    exponent = max(place, _exponent(largest)) if largest else place
    plain = max(exponent, 0) + 1 + (1 - place if place < 0 else 0)
    short = 5 + (1 + exponent - place if exponent > place else 0)
    return [_one(value, place, plain <= short + _LONGER) for value in values]


def together(values: Sequence[float], sd: float, lower: float, upper: float) -> list[str]:
    """Write an estimate, its interval and what else belongs to them to the digits that they are known to.

    Parameters
    ----------
    values
        What is written.
    sd, lower, upper
        The estimate's uncertainty; NaN for what is not known.

    Returns
    -------
    list of str
        All to the second digit of the sd, or of a quarter of the interval without one. Where a few draws make the sd
        many times the interval, what lies within the interval has the digits of its width.

    Examples
    --------
    >>> together([251.405, 240.51, 262.23], 6.825, 240.51, 262.23), together([1.2e9, 0.011, 0.312], 3e10, 0.011, 0.312)
    (['251.4', '240.5', '262.2'], ['1e+09', '0.011', '0.312'])
    """
    quarter = (upper - lower) / 4
    spread = sd if sd > 0 else quarter
    largest = max((abs(value) for value in values if not math.isnan(value)), default=0.0)
    texts = written(values, last_place(spread, UNCERTAIN) if spread > _NOTHING * largest else None)
    if 0 < _FAR * quarter < sd:
        near = [j for j, value in enumerate(values) if lower <= value <= upper]
        own = written([values[j] for j in near], last_place(quarter, UNCERTAIN))
        texts = [own[near.index(j)] if j in near else text for j, text in enumerate(texts)]
    return texts


def p_value(value: float) -> str:
    """Write a p-value.

    Parameters
    ----------
    value
        The p-value.

    Returns
    -------
    str
        With its sign of equality, three digits.

    Examples
    --------
    >>> p_value(0.0421), p_value(2e-7)
    ('p = 0.042', 'p < 0.001')
    """
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _one(value: float, place: int, plain: bool) -> str:
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return str(value)
    if plain:
        return _unsigned_zero(f"{value:.{max(0, -place)}f}")
    if value == 0 or abs(value) < 0.5 * 10.0**place:
        return "0"
    if abs(value) < 10.0**place:  # rounds up to the last digit shown
        return f"{math.copysign(10.0**place, value):.0e}"
    exponent = _exponent(value, max(0, _exponent(value) - place))  # 9.96 is 10.0 to one digit behind the point
    return f"{value:.{exponent - place}e}"


def _exponent(value: float, decimals: int = 14) -> int:
    return int(f"{value:.{decimals}e}".partition("e")[2])


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if not text.strip("-0.") else text


def number_columns(frame: pd.DataFrame, own: Sequence[str] = ()) -> dict[str, list[str]]:
    """Write a table's columns of numbers.

    Parameters
    ----------
    frame
        The table. Columns are known by the names that results have: ``sd``, ``lower`` and ``upper`` say how
        uncertain ``estimate`` is, ``conditional_sd`` or ``conditional_lower`` and ``conditional_upper`` how uncertain
        ``conditional`` is.
    own
        Columns of the user's, whose names mean nothing.

    Returns
    -------
    dict
        Column of floating-point numbers -> its cells as text.
    """
    floats = {
        str(name): frame[name].to_numpy(dtype=float, na_value=np.nan)
        for name in frame.columns
        if isinstance(frame[name], pd.Series) and pd.api.types.is_float_dtype(frame[name])  # else a name used twice
    }
    cells = {name: _certain(floats.pop(name)) for name in own if name in floats}
    for members, uncertainty in _with_uncertainty(floats):
        rows = np.column_stack([floats[name] for name in members]).tolist()
        texts = [together(row, *known) for row, known in zip(rows, uncertainty.tolist(), strict=True)]
        cells |= {name: [row[j] for row in texts] for j, name in enumerate(members)}
    for name, values in floats.items():
        if name in DECIMALS:
            cells[name] = [_decimal(float(value), DECIMALS[name]) for value in values]
        elif name not in cells:
            cells[name] = _certain(values)
    return cells


def _with_uncertainty(floats: dict[str, np.ndarray]) -> list[tuple[list[str], np.ndarray]]:
    """Find the columns that belong together, and sd, lower and upper of each row of them, shape (rows, 3)."""
    stems = [name.removesuffix(end) for name in floats for end in ("sd", "lower") if f"_{name}".endswith(f"_{end}")]
    found = []
    for stem in dict.fromkeys("" if stem == "ci_" else stem for stem in stems):
        points = _POINTS if stem == "" else (stem.removesuffix("_"),)
        sd, lower, upper = f"{stem}sd", f"{stem}lower", f"{stem}upper"
        if lower not in floats and stem == "":
            lower, upper = "ci_lower", "ci_upper"
        members = [name for name in floats if name in (*points, sd, lower, upper, *(_PARTS if stem == "" else ()))]
        none = np.full(len(floats[members[0]]), np.nan)
        found.append((members, np.column_stack([floats.get(name, none) for name in (sd, lower, upper)])))
    return found


def _decimal(value: float, decimals: int) -> str:
    if math.isnan(value):
        return MISSING
    smallest = 10.0**-decimals
    if 0 < value < 0.5 * smallest:
        return f"<{smallest:.{decimals}f}"
    return f"{value:.{decimals}f}"


def _certain(values: np.ndarray) -> list[str]:
    """Write numbers that come with no uncertainty: so many digits of each and of how far they are apart."""
    finite = values[np.isfinite(values)]
    apart = float(np.ptp(finite)) if len(finite) else 0.0
    apart = apart if apart > _NOTHING * np.max(np.abs(finite), initial=0.0) else 0.0
    texts = []
    for value in values.tolist():
        places = [place for place in (last_place(value, CERTAIN), last_place(apart, APART)) if place is not None]
        texts.append(_trimmed(written([value], min(places, default=None))[0]))
    return texts


def _trimmed(text: str) -> str:
    """Take away the zeros that end a decimal fraction."""
    digits, e, exponent = text.partition("e")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + e + exponent
