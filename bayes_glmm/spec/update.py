"""Formulas that start from another, as those of R's ``update``: a dot stands for that side of the other.

Input: two texts. Output: a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.expression import tokens
from bayes_glmm.spec.scan import collapse_blanks, signed_terms, split


def updated_formula(old: str, new: str) -> str:
    """Write a formula out.

    Parameters
    ----------
    old
        The formula to start from.
    new
        The formula with dots: ``". ~ . + x"``; ``"~ . - x"`` keeps the response; one without dots stands for itself.

    Returns
    -------
    str
        The formula without dots; group terms and names that are taken away are left out.

    Raises
    ------
    FormulaError
        If it has no ``~`` or more than one, or takes away a group term that is not there.

    Examples
    --------
    >>> updated_formula("y ~ x + (1 | g)", ". ~ . - (1 | g) + (x | g)")
    'y ~ x + (x | g)'
    """
    if not isinstance(new, str):
        raise FormulaError(f"The formula must be text such as '. ~ . + x', not {type(new).__name__}.")
    sides = [side.strip() for side in split(collapse_blanks(new), "~")]
    if len(sides) != 2:
        raise FormulaError(f"Write a formula to update by as 'response ~ terms', such as '. ~ . + x', not {new!r}.")
    response, terms = (side.strip() for side in split(old, "~"))
    return f"{_written_out(sides[0] or '.', response)} ~ {_right(sides[1], terms)}"


def updated_parameters(old: Mapping[str, str], new: Mapping[str, str]) -> Mapping[str, str]:
    """Write formulas of further parameters out.

    Parameters
    ----------
    old
        The formulas to start from, by parameter; one that is not there is ``"~ 1"``.
    new
        The formulas with dots.

    Returns
    -------
    Mapping
        The new formulas without dots. What is no formula stays, for others to refuse.

    Raises
    ------
    FormulaError
        As `updated_formula`.

    Examples
    --------
    >>> updated_parameters({"sigma": "~ x"}, {"sigma": "~ . + z", "nu": "~ . + x"})
    {'sigma': '~ x + z', 'nu': '~ 1 + x'}
    """
    if not isinstance(new, Mapping):
        return new
    return {
        name: updated_formula(old.get(name, "~ 1"), text).strip() if isinstance(text, str) and "~" in text else text
        for name, text in new.items()
    }


def _right(new: str, terms: str) -> str:
    kept: list[tuple[str, str]] = []
    for sign, piece in signed_terms(new):
        if piece == "." and sign == "+":
            kept += signed_terms(terms)
        elif sign == "-" and "|" in piece:
            kept = _without(kept, piece)
        elif sign == "-" and _can_be_left_out(piece, kept):
            kept = [pair for pair in kept if pair != ("+", piece)]
        else:
            kept.append((sign, _written_out(piece, f"({terms})")))
    text = " ".join(f"{sign} {piece}" for sign, piece in kept)
    return text.removeprefix("+ ") or "1"


def _can_be_left_out(piece: str, kept: list[tuple[str, str]]) -> bool:
    """Whether a term is a column's name that no other term holds, group terms aside."""
    others = [other for _, other in kept if other != piece and "|" not in other]
    held = {token.text for other in others for token in tokens(other) if token.kind == "name"}
    (name, *more) = tokens(piece)
    plain = name.kind == "name" and len(more) == 1
    return plain and ("+", piece) in kept and held.isdisjoint((name.text, "."))


def _without(kept: list[tuple[str, str]], bar: str) -> list[tuple[str, str]]:
    """Leave out a group term, however its blanks are set."""
    left = [(sign, piece) for sign, piece in kept if "".join(piece.split()) != "".join(bar.split())]
    if len(left) == len(kept):
        there = ", ".join(piece for _, piece in kept if "|" in piece) or "none"
        raise FormulaError(f"There is no group term {bar} to take away. Group terms: {there}.")
    return left


def _written_out(text: str, old: str) -> str:
    """Put `old` in the place of dots that stand alone, outside backticks."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"(?<![\w.)])\.(?![\w.(])", lambda _: old, part) for part in parts[::2]]
    return "`".join(parts)
