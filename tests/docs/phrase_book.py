"""The entries of the pages docs/coming_from/: what stands in the right-hand columns of their tables, as code to run.

A table whose heading has a third column, ``data``, holds formulas; the others hold expressions. A cell without code, or
one that begins with a word such as "nothing", has nothing to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "coming_from"
#: Headings of right-hand columns that say in words what is done about things this package does not have.
WORDS = "what is said or done here"


@dataclass(frozen=True)
class Entry:
    """One line of a table: its page, what stands there, the codes that stand here, and the data of a formula."""

    page: str
    there: str
    codes: tuple[str, ...]
    data: str = ""

    def __str__(self) -> str:
        return f"{self.page}: {self.there}"


def setup(page: Path) -> str:
    """Return the code with which a page begins."""
    found = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert found, f"{page.name} does not say what its entries run on"
    return found[1]


def entries(page: Path) -> Iterator[Entry]:
    """Read the tables of a page."""
    heading: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            heading = []
        elif not heading:
            heading = _cells(line)
        elif set(line) - set("|-: ") and heading[1] != WORDS:
            there, here, *data = _cells(line)
            yield Entry(page.stem, there, tuple(re.findall(r"`([^`]+)`", here)), *data)


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def is_call(code: str) -> bool:
    """Say whether a code is something to run, not an argument or a name that the sentence mentions."""
    return code.startswith(("bg.", "fm.", "gm.", "nb.", "arviz.", "print(", "("))
