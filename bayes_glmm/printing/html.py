"""Documents as HTML: pieces for notebooks, and whole pages in one file.

Input: the blocks of `bayes_glmm.printing.document`. Output: HTML without a script and without anything from elsewhere.
Looks are a table: pieces carry them in ``style`` attributes, so that notebooks and word processors take them as they
are; pages name them in their style sheet.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from itertools import count
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
    Image,
    Items,
    Section,
    Verdict,
    Words,
)
from bayes_glmm.printing.grid import Column, Grid
from bayes_glmm.printing.markup import Markup, joined, lines, tag
from bayes_glmm.printing.mathml import mathml

_EXPONENT = re.compile(r"(?<=\d)e([+-])0*(\d+)")
_CELL = "padding:.2em .6em;vertical-align:top"
#: What things look like; colours are left to whoever shows them, but for the bar beside a verdict.
LOOKS = {
    "grid": "border-collapse:collapse;border-top:1px solid;border-bottom:1px solid",
    "head": "border-bottom:1px solid",
    "words": f"text-align:left;white-space:normal;overflow-wrap:break-word;max-width:34em;{_CELL}",
    "label": f"text-align:left;white-space:normal;overflow-wrap:break-word;max-width:34em;font-weight:normal;{_CELL}",
    "number": f"text-align:right;white-space:nowrap;{_CELL}",
    "number-name": f"text-align:right;{_CELL}",
    "ruled": "border-top:1px solid",
    "facts": "border-collapse:collapse",
    "fact": f"text-align:left;white-space:normal;overflow-wrap:anywhere;{_CELL}",
    "formula": "overflow-x:auto;overflow-y:hidden;padding:.3em 0",
    "passed": "border-left:4px solid #2e8b57;padding-left:.8em",
    "failed": "border-left:4px solid #d9822b;padding-left:.8em",
    "bar": "width:40%",
}


class _Writer:
    """Writes blocks, their looks in attributes or by name."""

    def __init__(self, inline: bool) -> None:
        self._inline = inline
        self._numbers = count(1)

    def look(self, *names: str | None) -> dict[str, str]:
        """Return the attribute that gives an element its looks."""
        known = [name for name in names if name]
        return {"style": ";".join(LOOKS[name] for name in known)} if self._inline else {"class_": " ".join(known)}

    def blocks(self, blocks: Iterable[Block]) -> Markup:
        return joined(*(self.block(one) for one in blocks))

    def block(self, block: Block) -> Markup:
        return _WRITERS[type(block)](self, block)

    def words(self, block: Words) -> Markup:
        return tag("p", tag("b", lines(block.text)) if block.strong else lines(block.text))

    def items(self, block: Items) -> Markup:
        return tag("ul", *(tag("li", item) for item in block.items))

    def facts(self, block: Facts) -> Markup:
        rows = (
            tag("tr", tag("th", label, scope="row", **self.look("fact")), tag("td", lines(text), **self.look("fact")))
            for label, text in block.facts
        )
        return tag("table", tag("tbody", *rows), **self.look("facts"))

    def code(self, block: Code) -> Markup:
        return tag("pre", tag("code", block.text), tabindex=0)

    def formula(self, block: Formula) -> Markup:
        return tag("div", mathml(block.latex), **self.look("formula"))

    def grid(self, grid: Grid, caption: str = "") -> Markup:
        above, below = (joined(*(tag("p", lines(line)) for line in texts)) for texts in (grid.above, grid.below))
        table = self._table(grid, caption)
        if not self._inline:  # on narrow screens the table is what moves, by keyboard, too
            number = next(self._numbers)
            name = {"aria_labelledby": f"table-{number}"} if caption else {"aria_label": f"Table {number}"}
            table = tag("div", self._table(grid, caption, number), class_="wide", tabindex=0, role="region", **name)
        return tag("div", above, table, below)

    def _table(self, grid: Grid, caption: str, number: int = 0) -> Markup:
        name = tag("caption", caption, id=f"table-{number}" if number else None) if caption else None
        head = tag("tr", *map(self._title, grid.columns), **self.look("head"))
        rows = (
            tag("tr", *(self._cell(column, row, row in grid.ruled) for column in grid.columns))
            for row in range(len(grid.columns[0].cells) if grid.columns else 0)
        )
        return tag("table", name, tag("thead", head), tag("tbody", *rows), **self.look("grid"))

    def _title(self, column: Column) -> Markup:
        look = self.look("number-name" if column.numeric else "words")
        return tag("th", lines(column.name), scope="col", **look) if column.name else tag("td", **look)

    def _cell(self, column: Column, row: int, ruled: bool) -> Markup:
        text, line = column.cells[row], "ruled" if ruled else None
        if column.numeric:
            return tag("td", _number(text), **self.look("number", line))
        if column.key and text:
            return tag("th", lines(text), scope="row", **self.look("label", line))
        return tag("td", lines(text), **self.look("words", line))

    def captioned(self, block: Captioned) -> Markup:
        return self.grid(block.grid, block.caption)

    def figure(self, block: Figure) -> Markup:
        dark = tag("source", srcset=_address(block.dark), media="screen and (prefers-color-scheme: dark)")
        light = tag("img", src=_address(block.light), alt=block.alternative, width=block.width)
        # on narrow screens letters stay legible, and the figure is what moves
        inside = tag("picture", dark, light, style=f"min-width:{round(0.7 * block.width)}px")
        shown = tag("div", inside, class_="wide", tabindex=0, role="region", aria_label=block.caption)
        return tag("figure", shown, tag("figcaption", block.caption))

    def verdict(self, block: Verdict) -> Markup:
        look = self.look("passed" if block.passed else "failed")
        advice = tag("p", tag("b", "To do:"), f" {block.advice}") if block.advice else None
        notes = joined(tag("p", "Worth knowing:"), self.items(Items(block.notes))) if block.notes else None
        problems = self.items(Items(block.problems)) if block.problems else None
        return tag("div", self.words(Words(block.opening, strong=True)), problems, advice, notes, **look)

    def folded(self, block: Folded) -> Markup:
        return tag("details", tag("summary", block.title), self.blocks(block.blocks), open="")


_WRITERS: dict[type, Callable[[_Writer, Any], Markup]] = {
    Words: _Writer.words,
    Items: _Writer.items,
    Facts: _Writer.facts,
    Code: _Writer.code,
    Formula: _Writer.formula,
    Grid: _Writer.grid,
    Captioned: _Writer.captioned,
    Figure: _Writer.figure,
    Verdict: _Writer.verdict,
    Folded: _Writer.folded,
}


def fragment(*blocks: Block) -> str:
    """Write blocks for a notebook.

    Parameters
    ----------
    *blocks
        The blocks.

    Returns
    -------
    str
        A ``div``; the user's names are escaped, colours left to the notebook's theme.
    """
    return str(tag("div", _Writer(inline=True).blocks(blocks)))


def as_html(grid: Grid) -> str:
    """Write a table as HTML that notebooks show and word processors take.

    Parameters
    ----------
    grid
        The table.

    Returns
    -------
    str
        A ``div``; the user's names are escaped.
    """
    return str(_Writer(inline=True).grid(grid))


def progress_html(words: str, share: float | None) -> str:
    """Write how far work is.

    Parameters
    ----------
    words
        A line.
    share
        Part of the work that is done, 0 to 1; None for no bar.

    Returns
    -------
    str
        A ``div``.
    """
    bar = None if share is None else tag("progress", max=1, value=f"{share:.4f}", style=LOOKS["bar"])
    return str(tag("div", bar, words if bar is None else f" {words}"))


def page(document: Document, language: str = "en") -> str:
    """Write a document as a page of its own.

    Parameters
    ----------
    document
        The document.
    language
        Of its text.

    Returns
    -------
    str
        A whole HTML file: light or dark as the reader's screen is, black on white on paper.
    """
    writer = _Writer(inline=False)
    contents = tag(
        "nav",
        tag("ul", *(tag("li", tag("a", one.title, href=f"#{_anchor(one)}")) for one in document.sections)),
        aria_label="Contents",
    )
    sections = (
        tag(
            "section",
            tag("h2", one.title, id=_anchor(one)),
            writer.blocks(one.blocks),
            aria_labelledby=_anchor(one),
        )
        for one in document.sections
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", document.title),
        tag("style", Markup(_style_sheet())),
    )
    body = tag(
        "body",
        tag("a", "Skip to the text", class_="skip", href="#text"),
        tag("header", tag("h1", document.title), contents),
        tag("main", writer.blocks(document.opening), *sections, id="text"),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang=language)}\n"


def _anchor(section: Section) -> str:
    return re.sub(r"\W+", "-", section.title.lower()).strip("-")


@cache
def _style_sheet() -> str:
    rules = "\n".join(f".{name} {{ {look} }}" for name, look in LOOKS.items())
    return f"{rules}\n{files('bayes_glmm.printing').joinpath('page.css').read_text(encoding='utf-8')}"


def _address(image: Image) -> str:
    kind = {"svg": "image/svg+xml", "png": "image/png"}[image.kind]
    return f"data:{kind};base64,{base64.b64encode(image.content).decode('ascii')}"


def _number(text: str) -> Markup:
    """Write a number, its exponent above the line."""
    parts, last = [], 0
    for found in _EXPONENT.finditer(text):
        sign = "\N{MINUS SIGN}" if found[1] == "-" else ""
        parts += [lines(text[last : found.start()]), Markup(" × 10"), tag("sup", f"{sign}{found[2]}")]
        last = found.end()
    return joined(*parts, lines(text[last:]))
