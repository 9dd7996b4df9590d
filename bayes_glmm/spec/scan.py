"""Formulas as strings of characters: which are allowed, and how texts split outside brackets, quotes and backticks.

Input: text. Output: pieces of it, or a `FormulaError`. What pieces mean is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bayes_glmm.errors import FormulaError

__all__ = [
    "carets",
    "check_characters",
    "collapse_blanks",
    "enclosed",
    "has_bar",
    "only_argument",
    "scan",
    "signed_terms",
    "split",
]

_OPEN = {"(": ")", "[": "]"}
_MAX_LENGTH = 100_000
_MAX_DEPTH = 100


def scan(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield position, character and bracket depth outside quotes and backticks."""
    stack: list[str] = []
    quote = ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
            continue
        if char in "\"'`":
            quote = char
            continue
        if char in _OPEN:
            stack.append(_OPEN[char])
        elif char in ")]" and (not stack or stack.pop() != char):
            raise FormulaError(f"Unbalanced {char!r} at position {position + 1} of the formula {text!r}.")
        yield position, char, len(stack)
    if quote:
        raise FormulaError(f"A {quote} is not closed in the formula {text!r}.")
    if stack:
        raise FormulaError(f"Unbalanced parentheses in the formula {text!r}: a {stack[-1]!r} is missing.")


def check_characters(text: str) -> None:
    """Refuse texts that are too long, nested too deeply or hold characters that no formula has."""
    if len(text) > _MAX_LENGTH:
        raise FormulaError(f"The formula has {len(text)} characters; it may have {_MAX_LENGTH}.")
    if re.search("[\0\ud800-\udfff]", text):
        raise FormulaError(f"The formula holds a null character or half of one: {text!r}.")
    if "``" in text:
        raise FormulaError(f"There is an empty name in backticks in the formula {text!r}.")
    for position, char, depth in scan(text):
        if depth > _MAX_DEPTH:
            raise FormulaError(f"Parentheses are nested more than {_MAX_DEPTH} deep in the formula {text[:60]!r}...")
        if char == ";":
            raise FormulaError(
                f"A model is one formula, 'response ~ terms': {text[position:]!r} cannot follow. Further parameters "
                "have their formulas in dpar_formulas={'sigma': '~ x'}; nonlinear models are not available."
            )
        if char in "{}\\$@?#":
            raise FormulaError(
                f"The character {char!r} at position {position + 1} is not allowed in formulas: {text!r}."
            )


def collapse_blanks(text: str) -> str:
    """Write any run of blanks and newlines outside quotes and backticks as one blank."""
    blank = {position for position, char, _ in scan(text) if char.isspace()}
    return "".join(
        " " if position in blank else char
        for position, char in enumerate(text)
        if position not in blank or position + 1 not in blank
    ).strip()


def split(text: str, separator: str) -> list[str]:
    """Split at a one-character separator outside brackets, quotes and backticks."""
    cuts = [position for position, char, depth in scan(text) if char == separator and depth == 0]
    starts = [0, *(cut + 1 for cut in cuts)]
    return [text[start:end] for start, end in zip(starts, [*cuts, len(text)], strict=True)]


def signed_terms(text: str) -> list[tuple[str, str]]:
    """Split a sum into pairs of a sign and a term."""
    cuts = [0]
    for position, char, depth in scan(text):
        before = text[max(position - 2, 0) : position].rstrip()  # blanks are single
        if char in "+-" and depth == 0 and position and before and before[-1] not in "*:/^~+-":
            cuts.append(position)
    pieces = []
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        piece = text[start:end].strip()
        sign = "+"
        while piece and piece[0] in "+-":
            sign = "-" if (sign == "-") != (piece[0] == "-") else "+"
            piece = piece[1:].strip()
        if not piece:
            raise FormulaError(f"A term is missing after a '+' or '-' in {text!r}.")
        pieces.append((sign, piece))
    return pieces


def has_bar(piece: str) -> bool:
    """Whether a term holds the bar of a group term, not one within a call, where it means 'or'."""
    called: list[bool] = []
    before = ""
    for _, char, _ in scan(piece):
        if char in "([":
            called.append(bool(re.match(r"[\w.]", before)))
        elif char in ")]":
            called.pop()
        elif char == "|" and not any(called):
            return True
        before = char if not char.isspace() else before
    return False


def enclosed(text: str) -> str | None:
    """Return what one pair of parentheses encloses, or None where the text is not wholly within one."""
    if not text.startswith("("):
        return None
    closes = next(position for position, char, depth in scan(text) if char == ")" and depth == 0)
    return text[1:-1].strip() if closes == len(text) - 1 else None


def only_argument(text: str, function: str) -> str | None:
    """Return the only argument of a call of a function, without a name; None for all other texts."""
    match = re.match(rf"{function}\s*(?=\()", text)
    inside = None if match is None else enclosed(text[match.end() :])
    return inside if inside is not None and len(split(inside, ",")) == 1 else None


def carets(text: str) -> str:
    """Write R's ^ as Python's **, outside quotes and backticks."""
    carets = {position for position, char, _ in scan(text) if char == "^"}
    return "".join("**" if position in carets else char for position, char in enumerate(text))


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Return names without repetitions, in their order."""
    return tuple(dict.fromkeys(names))
