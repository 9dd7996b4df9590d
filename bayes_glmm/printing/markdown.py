"""Documents and tables as Markdown, as GitHub, Jupyter, Quarto and pandoc read it.

Input: the blocks of `bayes_glmm.printing.document`. Output: text; pictures are files beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bayes_glmm.printing.document import (
    Block,
    Captioned,
    Code,
    Document,
    Facts,
    Figure,
    Folded,
    Formula,
    Items,
    Verdict,
    Words,
)
from bayes_glmm.printing.grid import Grid, one_line_a_row


def as_markdown(grid: Grid) -> str:
    """Write a table as Markdown.

    Parameters
    ----------
    grid
        The table.

    Returns
    -------
    str
        A pipe table, as GitHub, Jupyter, Quarto and pandoc read it.
    """
    columns = one_line_a_row(grid).columns
    cells = [
        [_markdown(column.name), *(cell if column.numeric else _markdown(cell) for cell in column.cells)]
        for column in columns
    ]
    widths = [max(3, *map(len, texts)) for texts in cells]
    rule = [
        "-" * (width - 1) + ":" if column.numeric else "-" * width
        for width, column in zip(widths, columns, strict=True)
    ]
    rows = [
        [
            texts[i].rjust(width) if column.numeric else texts[i].ljust(width)
            for texts, width, column in zip(cells, widths, columns, strict=True)
        ]
        for i in range(len(cells[0]) if cells else 0)
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [*rows[:1], rule, *rows[1:]])
    return "\n\n".join([*map(_markdown, grid.above), table])


def _markdown(text: str) -> str:
    """Escape what Markdown would read as markup."""
    return re.sub(r"([\\`*_<>|~^$])", r"\\\1", text)


def as_text(document: Document, folder: str) -> str:
    """Write a document.

    Parameters
    ----------
    document
        The document.
    folder
        Where its pictures are, from where the text will be: ``figure.name`` and the ending of its kind.

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"# {_sentences(document.title)}", *(_block(one, folder) for one in document.opening)]
    for section in document.sections:
        parts += [f"## {_sentences(section.title)}", *(_block(one, folder) for one in section.blocks)]
    return "\n\n".join(parts) + "\n"


def _sentences(text: str) -> str:
    """Escape a paragraph, also what would begin a list, a title or a rule where it stands first; lines stay apart."""
    lines = (_markdown(line).replace("[", r"\[") for line in text.split("\n"))
    return "\\\n".join(re.sub(r"^(\s*\d*)([-+#=.)])", r"\1\\\2", line) for line in lines)


def _block(block: Block, folder: str) -> str:
    return _WRITERS[type(block)](block, folder)


def _words(block: Words, folder: str) -> str:
    return f"**{_sentences(block.text)}**" if block.strong else _sentences(block.text)


def _items(block: Items, folder: str) -> str:
    return "\n".join(f"- {_sentences(item)}" for item in block.items)


def _facts(block: Facts, folder: str) -> str:
    return "\n".join(f"- **{_sentences(label)}**: {_sentences(text)}" for label, text in block.facts)


def _code(block: Code, folder: str) -> str:
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", block.text))])
    return f"{fence}{block.language}\n{block.text}\n{fence}"


def _formula(block: Formula, folder: str) -> str:
    return f"$$\n{block.latex}\n$$"


def _grid(block: Grid, folder: str) -> str:
    return "\n\n".join([as_markdown(block), *map(_sentences, block.below)])


def _captioned(block: Captioned, folder: str) -> str:
    return f"*{_sentences(block.caption)}*\n\n{_grid(block.grid, folder)}"


def _figure(block: Figure, folder: str) -> str:
    alternative = _sentences(block.alternative).replace("]", "\\]")
    return f"![{alternative}]({folder}/{block.name}.{block.light.kind})\n\n*{_sentences(block.caption)}*"


def _verdict(block: Verdict, folder: str) -> str:
    parts = [f"**{_sentences(block.opening)}**"]
    parts += [_items(Items(block.problems), folder)] if block.problems else []
    parts += [f"**To do:** {_sentences(block.advice)}"] if block.advice else []
    parts += ["Worth knowing:", _items(Items(block.notes), folder)] if block.notes else []
    return "\n".join(f"> {line}".rstrip() for line in "\n\n".join(parts).split("\n"))


def _folded(block: Folded, folder: str) -> str:
    return "\n\n".join([f"### {_sentences(block.title)}", *(_block(one, folder) for one in block.blocks)])


_WRITERS: dict[type, Callable[[Any, str], str]] = {
    Words: _words,
    Items: _items,
    Facts: _facts,
    Code: _code,
    Formula: _formula,
    Grid: _grid,
    Captioned: _captioned,
    Figure: _figure,
    Verdict: _verdict,
    Folded: _folded,
}
