"""Text of the user's and numbers as LaTeX: column names may hold any character."""

from __future__ import annotations

import re

#: In formulas.
_ESCAPES = {
    "\\": r"\backslash ",
    "_": r"\_",
    "%": r"\%",
    "#": r"\#",
    "&": r"\&",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "^": r"\wedge ",
    "~": r"\sim ",
    "<": r"\lt ",
    ">": r"\gt ",
    " ": r"\ ",
}


def upright(text: str) -> str:
    r"""Return the user's text as upright LaTeX, every special character escaped.

    Parameters
    ----------
    text
        A column's or coefficient's name.

    Returns
    -------
    str
        ``\mathrm{...}``.

    Examples
    --------
    >>> upright("log_x")
    '\\mathrm{log\\_x}'
    """
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return rf"\mathrm{{{escaped}}}"


#: Between words.
_IN_TEXT = {
    "\\": r"\textbackslash{}",
    "_": r"\_",
    "%": r"\%",
    "#": r"\#",
    "&": r"\&",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "\n": " ",
    "\t": " ",
}
_NUMBER = r"-?\d[\d.]*(?:e[+-]\d+)?"
_NUMBERS = re.compile(rf"<?{_NUMBER}|\[{_NUMBER}, {_NUMBER}\]")
_POWER = re.compile(r"e([+-])0*(\d+)")


def latex_text(text: str) -> str:
    r"""Return the user's text as LaTeX outside of formulas, every special character escaped.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        What may stand in a cell of a table, first in its row, too.

    Examples
    --------
    >>> latex_text("x_1 & 50 %"), latex_text("[2]")
    ('x\\_1 \\& 50 \\%', '{[}2]')
    """
    escaped = "".join(_IN_TEXT.get(character, character) for character in text).replace("--", "-{}-")
    # after the \\ of the row before, a bracket or a star would be its argument
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped[:1] in ("[", "*") else escaped


def latex_number(text: str) -> str:
    r"""Return a number, or an interval in brackets, as a formula.

    Parameters
    ----------
    text
        As `bayes_glmm.printing.numbers` writes it; anything else is text.

    Returns
    -------
    str
        LaTeX.

    Examples
    --------
    >>> latex_number("-2.5e-12"), latex_number("[0.1, 0.3]"), latex_number("-")
    ('$-2.5 \\times 10^{-12}$', '$[0.1, 0.3]$', '--')
    """
    if text == "-":
        return "--"
    if not _NUMBERS.fullmatch(text):
        return latex_text(text)
    return f"${_POWER.sub(lambda e: rf' \times 10^{{{e[1].removeprefix("+")}{e[2]}}}', text)}$"
