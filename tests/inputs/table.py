"""Two tables for the documentation: what every awkward input leads to here, and at the nearest peer.

``python -m tests.inputs.table`` prints them; every cell is asked again, three minutes on one core. What the peer did is
read from peer.json (`tests.inputs.peer`).
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from tests.inputs.cell import Case, Outcome, judge
from tests.inputs.formulas import NO_PRIOR
from tests.inputs.matrix import CASES, INPUTS
from tests.inputs.peer import FILE, verdict

KINDS = ("right", "error", "warning")
#: The peer's classes, the best first.
VERDICTS = ("right", "clear error", "silent", "obscure error", "no end", "silently wrong")
_WIDTH = 110

INTRODUCTION = """\
Each input is asked of every family in which it makes sense; a cell is one input in one family. There are three answers:
**right** (the arrays of the same table without the oddity, or its posterior within five Monte-Carlo errors, or a known
answer), one **error** of the package that names the culprit, before anything is compiled, and a **warning** in words
with the right answer. Any other outcome, a warning of NumPy's or pandas' too, fails the test. Names share a row."""

PEER = """\
Bambi 0.21 was asked the same inputs, one family each, with 50 + 50 draws in two chains, and 500 + 500 where these did
not agree. **Clear errors** are raised on purpose by Bambi or its formula parser; **obscure** ones come out of libraries
below. **Silent** is a fit without a word about an input that is refused or warned of here, its numbers being
defensible; **silently wrong** are numbers that answer another question, or none. A machine tells errors apart and
compares the expected response of every row with ours; where there is nothing to compare, the verdict stands in
`tests/inputs/judged.py` with its reason."""


def section() -> str:
    """Return both tables as markdown."""
    found = {case: outcomes(case) for case in CASES}
    cells = Counter(outcome.kind for row in found.values() for outcome in row)
    total = sum(cells.values())
    summary = (
        f"**{len(found)} inputs, {total} cells**: {cells['right']} right, {cells['error']} clear errors, "
        f"{cells['warning']} warnings with the right answer; {len(NO_PRIOR)} more things that are no prior are refused "
        "where they are stated. None fails."
    )
    parts = [INTRODUCTION, summary]
    for part, cases in INPUTS.items():
        rows = [row(name, [found[case] for case in members]) for name, members in together(cases)]
        header = ["input", "families", "answer", "what is said"]
        parts += [f"### {part[0].upper()}{part[1:]}", markdown(header, rows)]
    return "\n\n".join([*parts, "### The nearest peer", *peer()]) + "\n"


def outcomes(case: Case) -> list[Outcome]:
    """What becomes of a case in every family."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [judge(case, family) for family in case.families]


def together(cases: Sequence[Case]) -> Iterator[tuple[str, list[Case]]]:
    """Put inputs that differ in the name of a column only into one row."""

    def place(case: Case) -> str:
        return case.name.split(" called ")[0] if " called '" in case.name else case.name

    for name, members in groupby(cases, place):
        listed = list(members)
        if len(listed) == 1:
            yield listed[0].name, listed
        else:
            names = ", ".join(case.name.split(" called ")[1] for case in listed[:8])
            yield f"{name} called {names} and {len(listed) - 8} more", listed


def row(name: str, found: Sequence[Sequence[Outcome]]) -> list[str]:
    counts = Counter(outcome.kind for outcomes in found for outcome in outcomes)
    answer = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if counts[kind])
    said = next((outcome.message for outcomes in found for outcome in outcomes if outcome.message), "")
    return [name, str(len(found[0])), answer, shortened(said)]


def peer() -> list[str]:
    """What Bambi did: totals, and a row for each input with something to tell."""
    records: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    judged = [(case, records[case.name], *verdict(case, records[case.name])) for case in CASES if case.name in records]
    counts = Counter(kind for *_, kind, _ in judged)
    by = Counter(source for _, _, kind, source in judged if kind in ("silent", "silently wrong"))
    total = ", ".join(f"{counts[kind]} {kind}" for kind in VERDICTS)
    sources = ", ".join(f"{count} by {source}" for source, count in by.most_common())
    rows = [
        [case.name, record["family"], kind, source, shortened(record["message"])]
        for case, record, kind, source in judged
        if kind != "right" and not _is_usual(case)
    ]
    return [
        PEER,
        f"**{len(judged)} inputs: {total}.** Silence was judged {sources}. Inputs it gets right are left out of the "
        "table, and names of columns are counted only.",
        markdown(["input", "family", "Bambi", "judged by", "its message"], rows),
        names_of(judged),
    ]


def _is_usual(case: Case) -> bool:
    return " called '" in case.name or "without backticks" in case.name


def names_of(judged: Iterable[tuple[Case, Any, str, str]]) -> str:
    counts = Counter(kind for case, _, kind, _ in judged if _is_usual(case))
    return "Names of columns: " + ", ".join(f"{counts[kind]} {kind}" for kind in VERDICTS if counts[kind]) + "."


def shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3].rstrip()}..."


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    """Write what markdown, HTML or TeX would read as theirs as it is."""
    if set(text) == {"-"}:
        return text
    for char in "\\`*_|<>$[]~":
        text = text.replace(char, f"\\{char}")
    return text


if __name__ == "__main__":
    print(section())
