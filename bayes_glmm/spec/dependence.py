"""Terms whose effects are correlated in time or space, as formulas have them: ``ar1(time | g)``, ``bym2(region)``.

Input: a term. Output: its kind, what stands left of the bar and what stands right. No data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.names import one_name
from bayes_glmm.spec.scan import signed_terms, split
from bayes_glmm.structures.dependence import KINDS, SPACE

__all__ = ["PLAIN", "Dependence", "check_dependent", "read_dependence"]

#: glmmTMB's names of what a bar says by itself.
PLAIN: Mapping[str, str] = {"us": "|", "diag": "||"}
_CALL = re.compile(rf"({'|'.join((*KINDS, *PLAIN))})\s*\((.*)\)", re.DOTALL)


class Dependence(NamedTuple):
    """One term: its kind, the column of times or regions (or the terms of a plain bar), and the grouping factor."""

    kind: str
    left: str
    right: str


def read_dependence(sign: str, piece: str) -> Dependence | None:
    """Read a term.

    Parameters
    ----------
    sign
        ``"+"`` or ``"-"``.
    piece
        The term.

    Returns
    -------
    Dependence or None
        None where it is another kind of term.

    Raises
    ------
    FormulaError
        If it is subtracted, or has other arguments than a column and a grouping factor.

    Examples
    --------
    >>> read_dependence("+", "ar1(day + 0 | Mare)")
    Dependence(kind='ar1', left='day', right='Mare')
    """
    match = _CALL.fullmatch(piece)
    if match is None:
        return None
    kind, inside = match[1], match[2].strip()
    if sign == "-":
        raise FormulaError(f"A group term cannot be subtracted: '- {piece}'.")
    parts = [part.strip() for part in split(inside, "|")]
    left, right = parts[0], parts[1] if len(parts) > 1 else ""
    if kind in PLAIN:
        if len(parts) != 2 or not right:
            raise FormulaError(f"{piece}: write {kind}(x | g), which is (x {PLAIN[kind]} g).")
        return Dependence(kind, left, right)
    example = f"{kind}(region)" if kind in SPACE else f"{kind}(time | g), or {kind}(time) for one series"
    if len(parts) > 2 or (len(parts) == 2 and (not right or kind in SPACE)) or len(split(inside, ",")) > 1:
        neighbours = " Which regions are neighbours is said by covariances={'region': ...}." if kind in SPACE else ""
        raise FormulaError(f"{piece}: write {example}.{neighbours}")
    # glmmTMB takes the intercept away: ar1(time + 0 | g)
    terms = [term for sign, term in signed_terms(left) if (sign, term) not in (("+", "0"), ("-", "1"))] if left else []
    column = one_name(terms[0]) if len(terms) == 1 else None
    if column is None:
        raise FormulaError(
            f"{piece}: {left!r} must be one column, as in {example}. Make a column in the data for anything else: "
            "numbers, dates, or ordered categories, which count as steps."
            if kind not in SPACE
            else f"{piece}: {left!r} must be one column, as in {example}."
        )
    return Dependence(kind, column, right)


class _Bar(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def group(self) -> tuple[str, ...]: ...

    @property
    def name(self) -> str: ...


def check_dependent(bars: Sequence[_Bar]) -> None:
    """Refuse a second term for the levels of one that is correlated in time or space.

    Parameters
    ----------
    bars
        All group terms of a model.

    Raises
    ------
    FormulaError
        If there is one.
    """
    for bar in bars:
        others = [one for one in bars if one is not bar and set(one.group) == set(bar.group)]
        if bar.kind and others:
            raise FormulaError(
                f"The formula has two terms for the levels of {bar.name!r}, one of them {bar.kind}(). Copy a column in "
                "the data under another name and use it in one of the terms; for a map with independent effects beside "
                "those of neighbours write bym2(region)."
            )
