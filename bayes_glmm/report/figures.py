"""Figures for pages, drawn twice: for light and for dark surroundings.

Input: what draws a figure. Output: a `Figure`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bayes_glmm.printing.document import Figure, Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

#: Text and ground; the ground only decides which colours are used, the picture itself has none.
_SCHEMES = {"light": ("#1b1f24", "#ffffff"), "dark": ("#e4e7eb", "#14171a")}
#: Bytes beyond which a picture of many points is made of pixels, and how many to an inch.
_LARGEST, _PIXELS = 300_000, 200
#: What matplotlib says of letters that its font has not.
_NO_LETTER = "missing from font(s)"


def picture(name: str, draw: Callable[[], Drawing | Axes], alternative: str, caption: str) -> Figure:
    """Draw a figure for both surroundings.

    Parameters
    ----------
    name
        What its file is called.
    draw
        Draws it with matplotlib's current settings.
    alternative
        What is seen, for those who do not see it.
    caption
        What it shows.

    Returns
    -------
    Figure
        Vector graphics, or pixels where those are too many points for a page.
    """
    drawn = {scheme: _drawn(draw, *colors) for scheme, colors in _SCHEMES.items()}
    kind = "png" if max(len(svg) for svg, _, _ in drawn.values()) > _LARGEST else "svg"
    light, dark = (Image(svg if kind == "svg" else png, kind) for svg, png, _ in drawn.values())
    return Figure(name, light, dark, drawn["light"][2], alternative, caption)


def _drawn(draw: Callable[[], Drawing | Axes], text: str, ground: str) -> tuple[bytes, bytes, int]:
    """Return the figure as SVG, as PNG where the SVG is large, and its width in pixels of a page."""
    import matplotlib as mpl
    from matplotlib import pyplot

    colors: Any = {name: text for name in ("text.color", "axes.labelcolor", "axes.edgecolor")}
    colors |= {"xtick.color": text, "ytick.color": text, "figure.facecolor": ground, "axes.facecolor": ground}
    # the same figure is the same file, and its letters need no font
    colors |= {"svg.hashsalt": "bayes_glmm", "svg.fonttype": "path", "savefig.bbox": None}
    described = {"Date": None, "Creator": None}
    with mpl.rc_context(colors), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = draw()
        figure: Any = result.get_figure(root=True) if hasattr(result, "get_figure") else result
        svg = _saved(figure, "svg", metadata=described)
        if any(_NO_LETTER in str(one.message) for one in said):  # the reader's fonts have them
            mpl.rcParams["svg.fonttype"] = "none"
            svg = _saved(figure, "svg", metadata=described)
        png = _saved(figure, "png", dpi=_PIXELS, metadata={"Software": None}) if len(svg) > _LARGEST else b""
        width = round(96 * figure.get_size_inches()[0])
        pyplot.close(figure)
    for one in said:
        if _NO_LETTER not in str(one.message):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return svg, png, width


def _saved(figure: Any, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, transparent=True, **options)
    return stream.getvalue()
