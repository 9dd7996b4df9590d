"""Text of the user's as LaTeX: column names may hold any character."""

from __future__ import annotations

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
