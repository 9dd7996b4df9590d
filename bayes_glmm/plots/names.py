"""Names on axes: broken into lines, cut in the middle where they are longer still, left out where they are too many."""

from __future__ import annotations

import re
from os.path import commonprefix
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

#: More rows or levels than this have no names.
MOST_NAMES = 60
_LETTERS = 36  # letters of a line of a name
_TALLEST, _WIDEST = 8.0, 10.0  # inches of a panel whose levels have no names
_WIDTH = 0.6  # of a letter, in font sizes
_PARTS = re.compile(r"[^_/:.-]*[_/:.-]+|[^_/:.-]+")
_OPERATORS = re.compile(r"( [-/] )")


def many(count: int) -> bool:
    """Say whether rows or levels are too many for names and thick lines.

    Parameters
    ----------
    count
        How many there are.

    Returns
    -------
    bool
        True above sixty.
    """
    return count > MOST_NAMES


def counted(name: str, count: int, what: str = "levels") -> str:
    """Label the axis of levels; it says how many there are where they have no names.

    Parameters
    ----------
    name
        What the levels are of.
    count
        How many there are.
    what
        What they are.

    Returns
    -------
    str
        ``"herd"``, ``"herd (200 levels)"``.
    """
    return f"{name} ({count} {what})" if many(count) else name


def wrapped(text: str, letters: int) -> str:
    """Break text into lines, at blanks, in longer words after punctuation, in others anywhere.

    Parameters
    ----------
    text
        The text; line breaks in it are kept.
    letters
        Letters of a line.

    Returns
    -------
    str
        The text in lines; an operator of a contrast starts a line rather than ends one.
    """
    return "\n".join(line for part in text.split("\n") for line in _lines(part, letters))


def _lines(text: str, letters: int) -> list[str]:
    lines = [""]
    for word in _words(text):
        own = word if len(word) <= letters else "\0".join(_PARTS.findall(word))
        for number, part in enumerate(own.split("\0")):
            blank = " " if number == 0 and lines[-1] else ""
            if lines[-1] and len(lines[-1]) + len(blank) + len(part) > letters:
                lines.append("")
                blank = ""
            lines[-1] += blank + part
            while len(lines[-1]) > letters:
                lines[-1:] = [lines[-1][:letters], lines[-1][letters:]]
    return lines


def _words(text: str) -> list[str]:
    """Words; the operator between two words belongs to the second."""
    words: list[str] = []
    for word in text.split():
        if words and words[-1] in ("-", "/"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def shortened(names: Sequence[str], letters: int) -> list[str]:
    """Cut long names in the middle, in a way that leaves different names different.

    Parameters
    ----------
    names
        The names.
    letters
        Most letters of a name.

    Returns
    -------
    list of str
        Names of at most so many letters; those given where no cut leaves all of them different.
    """
    for share in (0.6, 0.3, 0.9):
        head = round(share * (letters - 1))
        tail = letters - 1 - head
        short = [n if len(n) <= letters else f"{n[:head].rstrip()}…{n[-tail:].lstrip()}" for n in names]
        if _as_many(short, names):
            return short
    start = max(0, len(commonprefix([n for n in names if len(n) > letters])) - 2)
    short = [n if len(n) <= letters else f"…{n[start : start + letters - 2].strip()}…" for n in names]
    return short if _as_many(short, names) else list(names)


def _as_many(short: Sequence[str], names: Sequence[str]) -> bool:
    return len(set(short)) == len(set(names))


def fitted(names: Sequence[str], letters: int = _LETTERS, lines: int = 1) -> list[str]:
    """Make names fit lines: contrasts side by side, each side in lines of its own where there are several.

    Parameters
    ----------
    names
        The names.
    letters, lines
        Letters of a line, and most lines.

    Returns
    -------
    list of str
        The names, shortened where they are longer than that.
    """
    sides = [_OPERATORS.split(name) for name in names]
    most = max((len(name) // 2 + 1 for name in sides), default=1)
    parts = list(dict.fromkeys(side for name in sides for side in name[::2]))
    for room in range(letters * lines // most, 7, -2):
        short = dict(zip(parts, shortened(parts, room), strict=True))
        whole = ["".join(short.get(side, side) for side in name) for name in sides]
        if lines == 1:
            return whole
        broken = [wrapped(name, letters) for name in whole]
        if _most(broken) <= lines:
            return broken
    return [wrapped(name, letters) for name in names]


def name_rows(ax: Axes, names: Sequence[str], each: float = 0.2) -> float:
    """Name the rows at 0, 1, ... of the vertical axis; none where there are more than sixty.

    Parameters
    ----------
    ax
        The axes.
    names
        Names of the rows.
    each
        Inches of a row.

    Returns
    -------
    float
        Inches of a panel in which all names can be read.
    """
    count = len(names)
    ax.tick_params(axis="y", length=0)
    if many(count):
        ax.set_yticks([])
        return _TALLEST
    labels = fitted(names, lines=2 if count <= 25 else 1)
    ax.set_yticks(range(count), labels)
    each = min(each, max(0.2, _TALLEST / max(1, count)))
    lines = _most(labels)
    return count * max(each, 0.19 * lines + (0.07 if lines > 1 else 0)) + 0.2


def name_columns(ax: Axes, names: Sequence[str], width: float) -> None:
    """Name the levels at 0, 1, ... of the horizontal axis: in lines where they are long, turned where they are longer.

    Parameters
    ----------
    ax
        The axes.
    names
        Names of the levels; none are written where there are more than sixty.
    width
        Inches of the axes.
    """
    count = len(names)
    if many(count):
        ax.set_xticks([])
        return
    points = _points(ax)
    each = 72 * width / max(1, count)
    room = int(each / (_WIDTH * points)) - 1  # letters
    lines = [wrapped(name, max(room, 4)) for name in names]
    whole = all(" " in name or len(name) <= room for name in names)
    if whole and all(len(line) <= room for name in lines for line in name.split("\n")) and _most(lines) <= 3:
        ax.set_xticks(range(count), lines)
        return
    upright = each < 2 * points
    turned = fitted(names, 34)
    ax.set_xticks(range(count), turned)
    size = points if each > 1.25 * points else 0.8 * each
    for label in ax.get_xticklabels():
        label.set(rotation=90 if upright else 40, rotation_mode="anchor", fontsize=size)
        label.set(ha="right", va="center" if upright else "top")


def _most(names: Sequence[str]) -> int:
    return max((name.count("\n") + 1 for name in names), default=0)


def _points(ax: Axes) -> float:
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=rcParams["xtick.labelsize"]).get_size_in_points()


def columns_width(count: int, colors: int, least: float) -> float:
    """Choose the width of a panel of levels side by side.

    Parameters
    ----------
    count
        Number of levels.
    colors
        Points at each level.
    least
        Inches of a panel of few.

    Returns
    -------
    float
        Inches.
    """
    return min(max(least, count * (0.1 + 0.1 * max(1, colors))), _WIDEST)
