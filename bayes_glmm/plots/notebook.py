"""Figures that appear once in a notebook: pyplot shows those it holds, IPython the one a cell ends with."""

from __future__ import annotations

from matplotlib import is_interactive
from matplotlib.figure import Figure
from matplotlib.pyplot import fignum_exists


class NotebookFigure(Figure):
    """A figure that leaves it to pyplot to show it, as long as pyplot does."""

    def _ipython_display_(self) -> None:
        """Show nothing where pyplot shows the figure; the error tells IPython to show it as any other figure."""
        if not (is_interactive() and fignum_exists(getattr(self, "number", -1))):
            raise NotImplementedError
