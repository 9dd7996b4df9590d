"""What is to be read, without its looks: paragraphs, lists, tables, formulas, figures, verdicts, in sections.

Input: text, `Grid`s, LaTeX, images. Output: blocks that `bayes_glmm.printing.html` and `bayes_glmm.printing.markdown`
write. Texts are plain; whoever writes them escapes what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from bayes_glmm.printing.grid import Grid


@dataclass(frozen=True)
class Words:
    """A paragraph.

    Parameters
    ----------
    text
        Its sentences; lines stay apart.
    strong
        Whether it is set in bold.
    """

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Items:
    """A list.

    Parameters
    ----------
    items
        One text each.
    """

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Labels, each with a text.

    Parameters
    ----------
    facts
        (label, text).
    """

    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Lines of a program.

    Parameters
    ----------
    text
        The lines.
    language
        Its language.
    """

    text: str
    language: str = "python"


@dataclass(frozen=True)
class Formula:
    """A formula on lines of its own.

    Parameters
    ----------
    latex
        LaTeX, without dollar signs.
    """

    latex: str


@dataclass(frozen=True)
class Captioned:
    """A table with a caption.

    Parameters
    ----------
    grid
        The table.
    caption
        What it holds.
    """

    grid: Grid
    caption: str


@dataclass(frozen=True)
class Image:
    """A picture.

    Parameters
    ----------
    content
        Its file.
    kind
        ``"svg"`` or ``"png"``.
    """

    content: bytes
    kind: str


@dataclass(frozen=True)
class Figure:
    """A picture for light and for dark surroundings, with words for those who do not see it.

    Parameters
    ----------
    name
        What its file is called where it has one of its own.
    light, dark
        The picture on no ground, and the same in colours for a dark one.
    width
        In pixels, where there is room.
    alternative
        What is seen.
    caption
        What it shows and how to read it.
    """

    name: str
    light: Image
    dark: Image
    width: int
    alternative: str
    caption: str


@dataclass(frozen=True)
class Verdict:
    """A judgement with its grounds.

    Parameters
    ----------
    passed
        Whether all is well.
    opening
        The judgement.
    problems
        What is wrong, a sentence each.
    advice
        What to do about it.
    notes
        What is worth knowing besides.
    """

    passed: bool
    opening: str
    problems: tuple[str, ...] = ()
    advice: str = ""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The verdict as lines."""
        lines = [self.opening, *(f"- {problem}" for problem in self.problems)]
        lines += [f"To do: {self.advice}"] if self.advice else []
        lines += ["Worth knowing:", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Folded:
    """Blocks that a reader may fold away.

    Parameters
    ----------
    title
        What they are.
    blocks
        The blocks.
    """

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Section:
    """Blocks under a title.

    Parameters
    ----------
    title
        The title.
    blocks
        The blocks.
    """

    title: str
    blocks: tuple[Block, ...]


#: What documents consist of.
Block = Words | Items | Facts | Code | Formula | Grid | Captioned | Figure | Verdict | Folded


@dataclass(frozen=True)
class Document:
    """A text of sections.

    Parameters
    ----------
    title
        Its title.
    opening
        What stands before the sections.
    sections
        The sections.
    """

    title: str
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]
