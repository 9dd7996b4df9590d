"""What stands right of a group term's bar: the columns that make up a grouping factor.

Input: text. Output: columns of each factor, or a `FormulaError` that says what to write. No data.
"""

from __future__ import annotations

import re

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.names import one_name
from bayes_glmm.spec.scan import enclosed, split

__all__ = ["grouping_factor"]

#: Functions of a grouping factor that leave its levels as they are.
_SAME_LEVELS = re.compile(r"(?:as\.)?factor|C|gr|as\.character|ordered")
_CALL = re.compile(r"([\w.]+)\s*\((.*)\)", re.DOTALL)


def grouping_factor(text: str, inside: str) -> list[tuple[str, ...]]:
    """Read what stands right of a bar.

    Parameters
    ----------
    text
        ``"g"``, ``"a:b"`` or ``"a/b"``.
    inside
        The whole term, for messages.

    Returns
    -------
    list of tuple
        Columns of each grouping factor: nested ones are several.

    Raises
    ------
    FormulaError
        If it is anything else.

    Examples
    --------
    >>> grouping_factor("a/b", "1 | a/b")
    [('a',), ('a', 'b')]
    """
    path: tuple[str, ...] = ()
    groups = []
    for nested in split(text, "/"):
        for part in split(nested, ":"):
            path = (*path, *_group_columns(part.strip(), text, inside))
        if len(set(path)) < len(path):
            raise FormulaError(f"A column appears twice in the grouping factor {text!r}.")
        groups.append(path)
    return groups


def _group_columns(part: str, text: str, inside: str) -> list[str]:
    """Return the columns of one part of a grouping factor: a name, ``factor(name)`` or ``interaction(a, b)``."""
    call = _CALL.fullmatch(part)
    arguments = split(call[2], ",") if call else [part]
    if call and not (call[1] == "interaction" or (_SAME_LEVELS.fullmatch(call[1]) and len(arguments) == 1)):
        raise FormulaError(_group_reason(text, inside))
    names = [one_name(argument.strip()) for argument in arguments]
    if None in names:
        raise FormulaError(_group_reason(text, inside))
    return [name for name in names if name is not None]


def _group_reason(text: str, inside: str) -> str:
    left = inside.split("|")[0].strip()
    inner = enclosed(text)
    if inner is not None:
        return f"Write the grouping factor without parentheses: ({left} | {inner})."
    if re.search(r"\bmm\s*\(", text):
        return f"Multi-membership terms are not available: '({inside})'."
    if re.search(r"\bgr\s*\(", text):
        return (
            f"Covariances between levels are no part of the formula: for '({inside})' write ({left} | g), and say how "
            "the levels of g are related by GLMM(..., covariances={'g': ...}): a pedigree, a phylogeny or a matrix."
        )
    if len(parts := split(text, "+")) > 1:
        each = " + ".join(f"({left} | {part.strip()})" for part in parts)
        return f"One grouping factor a term: write {each} for '({inside})'."
    if len(parts := split(text, "*")) > 1:
        names = [part.strip() for part in parts]
        return f"Write {' + '.join(f'({left} | {name})' for name in [*names, ':'.join(names)])} for '({inside})'."
    if re.fullmatch(r"\w[\w.]*( [\w.]+)+", text):
        return f"Names with blanks stand between backticks: write ({left} | `{text}`) for '({inside})'."
    return (
        f"The grouping factor {text!r} must be a column, or columns joined by ':' or '/'; "
        "make a column in the data for anything else."
    )
