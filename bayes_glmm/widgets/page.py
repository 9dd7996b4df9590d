"""One self-contained HTML page: the script of a widget, its styles and its state, without a server."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"\./(\w+\.js)";\n', re.MULTILINE)
_HINT = 'To read and set the sliders from Python: <code>pip install "bayes_glmm[widgets]"</code>.'
_EXPORT = re.compile(r"^export (?=const|function|class)", re.MULTILINE)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
html {{ color-scheme: light dark; }}
body {{ margin: 0; background: #fff; }}
body:has([data-dark="true"]) {{ background: #14181e; }}
{styles}</style>
</head>
<body>
<main id="widget"></main>
<noscript>This page needs JavaScript.</noscript>
<script type="module">
{script}
const state = {state};
const dispose = render({{ model: new LocalModel(state), el: document.getElementById("widget") }});
addEventListener("pagehide", (event) => event.persisted || dispose());
// A frame on a page of the same origin is as high as what it holds.
const frame = window.frameElement;
if (frame) new ResizeObserver(() => (frame.style.height = `${{document.body.scrollHeight}}px`)).observe(document.body);
</script>
</body>
</html>
"""


def script_of(module: str) -> str:
    """Return a module of this room as one ES module: what it imports stands above it.

    Parameters
    ----------
    module
        Name of the file.

    Returns
    -------
    str
        The files in one another's order, each once; only the module itself exports something.
    """
    order: list[str] = []

    def visit(name: str) -> None:
        for other in _IMPORT.findall(_text(name)):
            visit(other)
        if name not in order:
            order.append(name)

    visit(module)
    texts = [_IMPORT.sub("", _text(name)) for name in order]
    return "\n".join([*(_EXPORT.sub("", text) for text in texts[:-1]), texts[-1]])


def styles() -> str:
    """Return the styles of all widgets.

    Returns
    -------
    str
        CSS; every rule is for what lies within a widget.
    """
    return _text("widgets.css")


def page(module: str, title: str, state: Mapping[str, Any]) -> str:
    """Write a widget as a page.

    Parameters
    ----------
    module
        Its script.
    title
        Title of the page.
    state
        What the widget starts with; values that JSON has.

    Returns
    -------
    str
        HTML that loads nothing else.
    """
    # in a script "<" could end it: JSON may write it as a code
    data = json.dumps(dict(state), ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return _PAGE.format(title=html.escape(title), styles=styles(), script=script_of(module), state=data)


def frame(text: str, title: str, height: int, hint: bool = False) -> str:
    """Put a page into a frame, for notebooks.

    Parameters
    ----------
    text
        The page.
    title
        What screen readers call the frame.
    height
        CSS pixels, where the frame cannot take the height of the page itself.
    hint
        Whether to say below it what makes the sliders known to Python.

    Returns
    -------
    str
        An ``iframe``.
    """
    style = f"width: 100%; height: {height}px; border: 0"
    below = f"<p><small>{_HINT}</small></p>" if hint else ""
    return f'<iframe title="{html.escape(title)}" style="{style}" srcdoc="{html.escape(text)}"></iframe>{below}'


class Widget:
    """What every widget can do: be written as a page. Subclasses say what they hold.

    Parameters
    ----------
    module
        Name of the script.
    title
        Title of the page.
    """

    _module: str
    _title: str

    def _state(self) -> dict[str, Any]:
        """Return what the page starts with."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Return the widget, as it stands, as one HTML page.

        Returns
        -------
        str
            The page, which loads nothing else.
        """
        return page(self._module, self._title, self._state())

    def save_html(self, path: str | Path) -> Path:
        """Write the widget, as it stands, as one HTML page that needs no server.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        pathlib.Path
            The file, as a path.
        """
        where = Path(path)
        where.write_text(self.to_html(), encoding="utf-8")
        return where


def _text(name: str) -> str:
    return (files("bayes_glmm.widgets") / name).read_text(encoding="utf-8")
