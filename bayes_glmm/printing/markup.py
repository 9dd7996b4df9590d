"""Elements of HTML and MathML. Nowhere else in the package is a tag written.

Input: names, attributes and content. Output: `Markup`, text that is not escaped again.
"""

from __future__ import annotations

import html

_VOID = frozenset({"br", "img", "meta", "source"})


class Markup(str):
    """Text that is markup already; any other text is escaped where it becomes content."""


def tag(name: str, /, *content: str | None, **attributes: str | int | None) -> Markup:
    """Write an element.

    Parameters
    ----------
    name
        What it is called.
    *content
        What it holds: `Markup` as it is, text with its special characters escaped; None is left out.
    **attributes
        Its attributes; those that are None are left out, an underscore at the end is not part of the name, and one
        within stands for a dash.

    Returns
    -------
    Markup
        The element.

    Examples
    --------
    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    start = f"<{name}{written}>"
    return Markup(start if name in _VOID else f"{start}{joined(*content)}</{name}>")


def joined(*content: str | None) -> Markup:
    """Put content together.

    Parameters
    ----------
    *content
        `Markup` as it is, text with its special characters escaped; None is left out.

    Returns
    -------
    Markup
        All of it, one after the other.
    """
    return Markup("".join(one if isinstance(one, Markup) else html.escape(one) for one in content if one is not None))


def lines(text: str) -> Markup:
    """Escape text and keep its lines apart.

    Parameters
    ----------
    text
        Lines.

    Returns
    -------
    Markup
        The text with ``br`` where lines end.
    """
    return Markup(tag("br").join(map(html.escape, text.split("\n"))))
