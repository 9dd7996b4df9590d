"""Cells of text as a table for a terminal or LaTeX; `html` and `markdown` of this room write the others.

Input: a `Grid` of strings, with sentences above and below. Output: text. Nothing is cut: what is too wide for a
terminal is wrapped, and columns that do not fit beside each other stand below each other.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bayes_glmm.printing.latex import latex_number, latex_text

#: Narrowest that a column of words is wrapped to.
_NARROW = 14
#: Names above columns are broken where they are longer.
_LONG_NAME = 24
#: Sentences are wrapped here even where there is more room.
_READABLE = 120


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name
        What stands above it.
    cells
        Its text, one entry a row.
    numeric
        Whether it holds numbers: set to the right, never wrapped.
    key
        Whether it says what a row is, and is repeated where columns stand below each other.
    spare
        Whether a terminal may go without it where there is no room.
    """

    name: str
    cells: tuple[str, ...]
    numeric: bool = False
    key: bool = False
    spare: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Parameters
    ----------
    columns
        The columns, all of the same length.
    above, below
        Sentences above and below it.
    ruled
        Rows that a line is drawn above.
    """

    columns: tuple[Column, ...]
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    ruled: tuple[int, ...] = ()


def display_width() -> int:
    """Return how many characters a line has room for.

    Returns
    -------
    int
        The terminal's width; 80 in notebooks and files.
    """
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def wrapped(text: str, width: int | None = None) -> str:
    """Wrap sentences at blanks; what starts with a dash is indented where it goes on.

    Parameters
    ----------
    text
        Lines.
    width
        Characters a line; None for what there is room for.

    Returns
    -------
    str
        The lines, none longer than `width` unless a word is.
    """
    width = min(display_width(), _READABLE) if width is None else width
    return "\n".join(
        textwrap.fill(
            line,
            width,
            subsequent_indent="  " if line.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


# text ----------------------------------------------------------------------------------------------------------------


def as_text(grid: Grid, width: int | None = None) -> str:
    """Write a table for a terminal.

    Parameters
    ----------
    grid
        The table.
    width
        Characters a line; None for what there is room for.

    Returns
    -------
    str
        Lines.
    """
    width = display_width() if width is None else width
    columns, left_out = _with_room(grid.columns, width)
    blocks = ["\n".join(_lines(part, grid.ruled, width)) for part in _beside(columns, width)]
    notes = [f"Columns not shown: {', '.join(left_out)}."] if left_out else []
    above, below = (
        "\n".join(wrapped(line, min(width, _READABLE)) for line in lines)
        for lines in (grid.above, (*grid.below, *notes))
    )
    return "\n\n".join(part for part in (above, *blocks, below) if part)


def _natural(column: Column) -> int:
    return max([len(line) for cell in (column.name, *column.cells) for line in cell.split("\n")], default=0)


def _least(column: Column) -> int:
    """Return the width that a column can be wrapped to."""
    words = max(map(len, column.name.split()), default=0)
    if column.numeric:
        return max(_natural(replace(column, name="")), min(words, _LONG_NAME))
    return min(_natural(column), max(_NARROW, min(words, _LONG_NAME)))


def _with_room(columns: Sequence[Column], width: int) -> tuple[list[Column], list[str]]:
    """Leave out spare columns, the last first, until the others fit; return the names of those left out, too."""
    kept = list(columns)
    left_out: list[str] = []
    while sum(_least(column) + 1 for column in kept) > width + 1:
        spare = [column for column in kept if column.spare]
        if not spare:
            break
        kept.remove(spare[-1])
        left_out.insert(0, spare[-1].name)
    return kept, left_out


def _beside(columns: Sequence[Column], width: int) -> Iterator[list[Column]]:
    """Group columns that fit beside each other, those that say what a row is in every group."""
    keys = [column for column in columns if column.key]
    used = sum(_least(column) + 1 for column in keys)
    block: list[Column] = []
    room = width + 1 - used
    for column in columns:
        if column.key:
            continue
        if block and _least(column) + 1 > room:
            yield [*keys, *block]
            block, room = [], width + 1 - used
        block.append(column)
        room -= _least(column) + 1
    if block or keys:
        yield [*keys, *block]


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Narrow the widest columns of words until all fit, as far as can be without breaking a word."""
    widths, least = [_natural(column) for column in columns], [_least(column) for column in columns]
    whole = [max(one, _longest_word(column)) for one, column in zip(least, columns, strict=True)]
    for floors in (whole, least):
        while sum(widths) + len(widths) - 1 > width:
            loose = [j for j in range(len(widths)) if widths[j] > floors[j]]
            if not loose:
                break
            widths[max(loose, key=lambda j: widths[j])] -= 1
    return widths


def _longest_word(column: Column) -> int:
    return max((len(word) for cell in column.cells for word in cell.split()), default=0)


def _lines(columns: Sequence[Column], ruled: Sequence[int], width: int) -> Iterator[str]:
    widths = _widths(columns, width)
    yield from _row([column.name for column in columns], columns, widths, True)
    for i in range(len(columns[0].cells) if columns else 0):
        if i in ruled:
            yield "-" * (sum(widths) + len(widths) - 1)
        yield from _row([column.cells[i] for column in columns], columns, widths)


def _row(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], names: bool = False) -> Iterator[str]:
    """Yield the lines of one row; numbers stay whole."""
    parts = [
        cell.split("\n")
        if column.numeric and not names
        else [part for line in cell.split("\n") for part in _pieces(line, width)]
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    for i in range(max(map(len, parts))):
        line = [
            f"{part[i] if i < len(part) else '':{'>' if column.numeric else '<'}{width}}"
            for part, column, width in zip(parts, columns, widths, strict=True)
        ]
        yield " ".join(line).rstrip()


def _pieces(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width) or [""]


# LaTeX --------------------------------------------------------------------------------------------------


def one_line_a_row(grid: Grid) -> Grid:
    """Give every further line of a cell a row of its own.

    Parameters
    ----------
    grid
        The table.

    Returns
    -------
    Grid
        The same without a line break in its cells.
    """
    parts = [[cell.split("\n") for cell in column.cells] for column in grid.columns]
    depths = [max(map(len, row)) for row in zip(*parts, strict=True)]
    cells = [
        tuple(text for lines, depth in zip(part, depths, strict=True) for text in lines + [""] * (depth - len(lines)))
        for part in parts
    ]
    columns = tuple(replace(column, cells=own) for column, own in zip(grid.columns, cells, strict=True))
    return replace(grid, columns=columns, ruled=tuple(sum(depths[:row]) for row in grid.ruled))


def as_latex(grid: Grid, caption: str | None = None, label: str | None = None) -> str:
    r"""Write a table as LaTeX for the package booktabs.

    Parameters
    ----------
    grid
        The table.
    caption
        Its caption; None for a ``tabular`` by itself.
    label
        What ``\ref`` calls it; it needs a caption.

    Returns
    -------
    str
        A ``tabular``, or a ``table`` around it; the user's names are escaped.
    """
    grid = one_line_a_row(grid)
    lines = [_latex_row([column.name for column in grid.columns], [replace(c, numeric=False) for c in grid.columns])]
    lines.append(r"\midrule")
    for i in range(len(grid.columns[0].cells) if grid.columns else 0):
        lines += [r"\midrule"] if i in grid.ruled else []
        lines.append(_latex_row([column.cells[i] for column in grid.columns], grid.columns))
    kinds = "".join("r" if column.numeric else "l" for column in grid.columns)
    comments = [f"% {line}" for text in grid.above for line in text.split("\n")]
    tabular = [*comments, rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}"]
    if caption is None:
        return "\n".join(tabular) + "\n"
    named = [rf"\label{{{label}}}"] if label else []
    return "\n".join(
        [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(caption)}}}", *named, *tabular, r"\end{table}", ""]
    )


def _latex_row(cells: Sequence[str], columns: Sequence[Column]) -> str:
    texts = [
        latex_number(cell) if column.numeric else latex_text(cell) for cell, column in zip(cells, columns, strict=True)
    ]
    return " & ".join(texts) + r" \\"
