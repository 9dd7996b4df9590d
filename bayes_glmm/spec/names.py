"""Names of columns in the text of a formula, and the data's columns where only they can tell what a text means.

Input: a formula, and the names of the data's columns. Output: a formula that says the same without the data: every
name that is no word of the grammar in backticks. ``class``, ``body.mass`` and ``RT..s.`` are words; ``dose[mg]``,
``15N`` and ``pi`` are columns where the data have a column of exactly that name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.expression import Name, Token, read_expression, tokens
from bayes_glmm.spec.scan import split
from bayes_glmm.structures.dependence import KINDS

__all__ = ["grouping_columns", "name_columns", "one_name", "shown", "spell_dots", "spelled"]

_QUOTED = r"""(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
#: Blanks and operators: names that hold them go in backticks, with or without data.
_OPERATOR = re.compile(r"[\s`'\"+\-*/^:|~,=<>&!]")
_NUMBER = re.compile(r"[\d.]+([eE]\d+)?")


def name_columns(text: str, columns: Iterable[str]) -> str:
    """Put the data's columns that are no words, but written without backticks, in backticks.

    Parameters
    ----------
    text
        A formula.
    columns
        Names of the data's columns.

    Returns
    -------
    str
        The formula. A column is meant where the text holds exactly the letters of its name, unless these hold blanks
        or operators or are a number.

    Examples
    --------
    >>> name_columns("15N ~ log(dose[mg]) + pi", ["15N", "dose[mg]", "pi"])
    '`15N` ~ log(`dose[mg]`) + `pi`'
    """
    special = sorted((name for name in columns if name in text and _is_special(name)), key=len, reverse=True)
    if not special:
        return text
    option = r"(?<![^=<>!]=)(?<![^=<>!]= )"  # raw=TRUE is no column
    exact = re.compile(rf"{_QUOTED}|{option}(?<![\w.])(?:{'|'.join(map(re.escape, special))})(?![\w.(\[])", re.DOTALL)
    return exact.sub(lambda match: match[0] if match["quoted"] else f"`{match[0]}`", text)


def _is_special(name: str) -> bool:
    """Whether a name is no word, but may stand without backticks where the data have it."""
    if name == "." or name.startswith("contr."):  # C(f, contr.sum)
        return False
    readable = name and not _OPERATOR.search(name) and name[0] not in "([{" and not _NUMBER.fullmatch(name)
    return bool(readable) and spelled(name) != name


def grouping_columns(text: str) -> set[str]:
    """Return the columns of a formula's grouping factors.

    Parameters
    ----------
    text
        A formula, or its right side.

    Returns
    -------
    set of str
        The columns.

    Examples
    --------
    >>> sorted(grouping_columns("sigma ~ x + (1 | herd / cow)"))
    ['cow', 'herd']
    """
    return _taken(tokens(split(text, "~")[-1]), left=False)


def spell_dots(text: str, columns: Sequence[str]) -> str:
    """Write all columns that are neither response nor grouping factor in the place of a dot.

    Parameters
    ----------
    text
        A formula.
    columns
        Names of the columns that a dot may stand for.

    Returns
    -------
    str
        The formula.

    Raises
    ------
    FormulaError
        If there is a dot and no column that it could stand for.

    Examples
    --------
    >>> spell_dots("y ~ x * . + (1 | herd)", ["y", "x", "body mass", "herd"])
    'y ~ x * (x + `body mass`) + (1 | herd)'
    """
    found = tokens(text)
    dots = [token for token in found if token.kind == "name" and token.text == "." and not token.quoted]
    if not dots:
        return text
    taken = _taken(found)
    others = [spelled(name) for name in columns if name not in taken and "`" not in name]
    if not others:
        raise FormulaError(f"'.' stands for all other columns of the data, and there are none for {text!r}.")
    for token in reversed(dots):
        text = f"{text[: token.start]}({' + '.join(others)}){text[token.end :]}"
    return text


def _taken(found: Sequence[Token], left: bool = True) -> set[str]:
    """Return the columns left of ``~``, and those between a group term's bar and the end of its parentheses."""
    taken: set[str] = set()
    called = dependent = False
    inside = [(False, False)]  # of every open bracket: whether a bar stands before, and whether it is in a call
    for token, following in itertools.pairwise(found):
        barred, in_call = inside[-1]
        if token.kind == "name":
            called = following.text == "(" and not token.quoted
            dependent = called and token.text in KINDS  # ar1(time | g) is a group term
            taken |= {token.text} if (left or barred) and not called else set()
            continue
        if token.text in ("(", "["):
            inside.append((barred or dependent, (in_call or called) and not dependent))
        elif token.text in (")", "]"):
            inside = inside[:-1] or [(False, False)]
        elif token.text in ("|", "||") and not in_call:  # within a call it means 'or'
            inside[-1] = (True, in_call)
        elif token.text == "!" and len(inside) == 1:  # the grammar's name of ~
            left, inside = False, [(False, False)]
        called = dependent = False
    return taken


def one_name(text: str) -> str | None:
    """Return the column that a text names.

    Parameters
    ----------
    text
        A part of a formula.

    Returns
    -------
    str or None
        The name; None where the text says something else.
    """
    try:
        first, *rest = tokens(text)
    except FormulaError:
        return None
    return first.text if first.kind == "name" and len(rest) == 1 and first.text != "." else None


def spelled(name: str) -> str:
    """Write a name as formulas have it.

    Parameters
    ----------
    name
        A column's name.

    Returns
    -------
    str
        The name; in backticks where it is no word of the grammar.
    """
    try:
        word = read_expression(name) == Name(name) and not name.startswith("contr.")
    except FormulaError:
        word = False
    return name if word else f"`{name}`"


def shown(text: str) -> str:
    """Write an expression for people: backticks are syntax and no part of a name.

    Parameters
    ----------
    text
        A part of a formula.

    Returns
    -------
    str
        The text without the backticks round names.
    """
    return re.sub(r"`([^`]*)`", r"\1", text)
