"""Names of columns in the text of a formula: where they stand, and which need backticks.

Input: text, and the names of the data's columns where they are known. Output: places, or the text with every name that
is no word in backticks. A word is a column where an operand may stand and no parenthesis follows: ``log`` is a column
in ``y ~ log`` and a function in ``y ~ log(x)``; ``class``, ``body.mass`` and ``RT..s.`` are columns wherever they stand.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["columns_written", "name_columns", "shown", "spelled"]

_QUOTED = r"""(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<ticked>`[^`]*`)"""
_TOKEN = re.compile(
    rf"{_QUOTED}|(?P<number>\.?\d[\w.]*)|(?P<word>\.?[^\W\d][\w.]*)|(?P<blank>\s+)|(?P<sign>.)", re.DOTALL
)
#: Python's constants, and what C() takes: words that stand where a column may stand.
_CONSTANT = re.compile(r"True|False|None|contr\.\w+")
#: Blanks and operators: names that hold them go in backticks, with or without data.
_OPERATOR = re.compile(r"[\s`'\"+\-*/^:|~,=<>&!]")


def columns_written(text: str) -> Iterator[tuple[int, int, str]]:
    """Find the columns in a formula or a part of one.

    Parameters
    ----------
    text
        The text.

    Yields
    ------
    start, end : int
        Where the name stands, its backticks included.
    name : str
        The column's name.

    Examples
    --------
    >>> [name for _, _, name in columns_written("yield ~ log(log) + `x 1` + poly(in, degree=2) + RT..s.")]
    ['yield', 'log', 'x 1', 'in', 'RT..s.']
    """
    for match, role in _tokens(text):
        if role == "column":
            yield *match.span(), match[0].strip("`")


def name_columns(text: str, columns: Iterable[str]) -> str:
    """Put names of the data's columns that are no words in backticks, and all other columns in the place of a dot.

    Parameters
    ----------
    text
        A formula.
    columns
        Names of the data's columns.

    Returns
    -------
    str
        A formula that says the same without the data. Where the text holds exactly the letters of a name, such as
        ``dose[mg]`` or ``15N``, that column is meant; names with blanks or operators have backticks of their own.

    Examples
    --------
    >>> name_columns("`y 1` ~ dose[mg] * . + (1 | herd)", ["y 1", "dose[mg]", "sex", "herd"])
    '`y 1` ~ `dose[mg]` * (`dose[mg]` + sex) + (1 | herd)'
    """
    names = [name for name in columns if isinstance(name, str) and name and "`" not in name]
    special = sorted(filter(_is_special, names), key=len, reverse=True)
    if special:
        spelled = "|".join(map(re.escape, special))
        exact = re.compile(rf"{_QUOTED}|(?<![\w.])(?:{spelled})(?![\w.(\[])", re.DOTALL)
        text = exact.sub(lambda match: match[0] if match.lastgroup else f"`{match[0]}`", text)
    return _spell_dots(text, names)


def spelled(name: str) -> str:
    """Write a name as formulas have it.

    Parameters
    ----------
    name
        A column's name.

    Returns
    -------
    str
        The name; in backticks where it is no word.
    """
    return name if [found for _, _, found in columns_written(name)] == [name] else f"`{name}`"


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


def _tokens(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yield every token but blanks with its role: column, dot (for all columns), sign or other."""
    tokens = [match for match in _TOKEN.finditer(text) if match.lastgroup != "blank"]
    expected = True  # whether an operand may stand here
    for position, match in enumerate(tokens):
        following = tokens[position + 1 : position + 3]
        named = match.lastgroup == "word" and expected and _is_column(match[0], following)
        # Python reads letters that are not ASCII in another form, wherever they stand
        if named or match.lastgroup == "ticked" or (match.lastgroup == "word" and not match[0].isascii()):
            yield match, "column"
        elif match[0] == ".":
            yield match, "dot" if expected else "other"
        else:
            yield match, match.lastgroup if match.lastgroup == "sign" else "other"
        expected = match.lastgroup == "sign" and match[0] not in ")]."


def _is_column(word: str, following: Sequence[re.Match[str]]) -> bool:
    """Tell a column from a function, the name of an option, a constant and an operator that is a word."""
    after, but_one = (*(match[0] for match in following), "", "")[:2]
    if after == "(" or (after == "=" and but_one != "="):
        return False
    if keyword.iskeyword(word) and following and following[0].lastgroup != "sign":
        return False  # not x
    return not _CONSTANT.fullmatch(word)


def _is_special(name: str) -> bool:
    """Whether a name is no word, but may stand without backticks where the data have it."""
    if _OPERATOR.search(name) or name[0] in "([{" or name == "." or keyword.iskeyword(name):
        return False
    try:
        float(name)
    except ValueError:
        return spelled(name) != name
    return False


def _spell_dots(text: str, names: Sequence[str]) -> str:
    """Write the columns that are neither response nor grouping factor in the place of a dot that stands for them."""
    dots, taken, brackets = [], set(), [False]  # whether a bracket's bar has come
    left = True
    for match, role in _tokens(text):
        sign = match[0] if role == "sign" else ""
        if role == "column" and (left or brackets[-1]):
            taken.add(match[0].strip("`"))
        elif role == "dot":
            dots.append(match)
        elif sign in ("(", "["):
            brackets.append(brackets[-1])
        elif sign in (")", "]"):
            brackets = brackets[:-1] or [False]
        elif sign == "|":
            brackets[-1] = True
        left = left and sign != "~"
    others = " + ".join(spelled(name) for name in names if name not in taken)
    if left or not others:
        return text
    for match in reversed(dots):
        text = f"{text[: match.start()]}({others}){text[match.end() :]}"
    return text
