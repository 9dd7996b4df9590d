"""Figures that appear once in a notebook, although pyplot shows what it holds and IPython what a cell ends with."""

from __future__ import annotations

from matplotlib import get_backend
from matplotlib.figure import Figure
from matplotlib.pyplot import close


class NotebookFigure(Figure):
    """A figure that pyplot lets go of when a notebook shows it."""

    def _ipython_display_(self) -> None:
        """Let the inline backend forget the figure; the error tells IPython to show it as any other."""
        if "inline" in get_backend():
            close(self)
        raise NotImplementedError
