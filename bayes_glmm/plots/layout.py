"""Figures whose panels keep their size: names, legends and titles make the paper larger, not the panels smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.names import wrapped
from bayes_glmm.plots.style import style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.text import Text

_SPARE = 12.0  # inches of paper beyond the panels before it is cut


def own_axes(ax: Axes | None) -> Axes:
    """Return the axes given, or new ones on a figure of their own, which `finish` cuts.

    Parameters
    ----------
    ax
        Axes to draw on, or None.

    Returns
    -------
    matplotlib.axes.Axes
        Without top and right frame.

    Raises
    ------
    GLMMError
        If it is something else than one pair of axes.
    """
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise GLMMError(f"ax= takes one matplotlib Axes, such as figure.subplots(), not {in_words(ax)}.")
    return new_panels(1, 1)[1][0] if ax is None else style_axes(ax)


def finish(ax: Axes, given: Axes | None, width: float, height: float) -> None:
    """Break labels into lines and, on a figure of their own, give axes their size.

    Parameters
    ----------
    ax
        The finished axes.
    given
        The user's axes, whose size stays, or None.
    width, height
        Inches of the axes on a figure of their own.
    """
    if given is None:
        fit_paper(ax.get_figure(root=True), width, height)  # type: ignore[arg-type]
    else:
        wrap_labels(ax, *axes_inches(ax))


def axes_inches(ax: Axes) -> tuple[float, float]:
    """Return how large axes are on the paper.

    Parameters
    ----------
    ax
        The axes.

    Returns
    -------
    width, height
        Inches.
    """
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def new_panels(
    count: int, columns: int, shared: bool = False, figure: Figure | SubFigure | None = None
) -> tuple[Figure, list[Axes]]:
    """Make panels, row by row, on a new figure or the user's.

    Parameters
    ----------
    count
        Number of panels.
    columns
        Most panels side by side.
    shared
        Whether all panels have the same axes.
    figure
        The user's Figure or SubFigure without axes, which gets constrained layout unless it has a layout; None makes a
        figure, which `fit_paper` cuts.

    Returns
    -------
    figure, panels
        The figure, and its panels without top and right frame.

    Raises
    ------
    GLMMError
        If it is no figure, or has axes.
    """
    rows = -(-count // columns)
    columns = -(-count // rows)
    share: dict[str, Any] = {"sharex": shared, "sharey": shared, "squeeze": False}
    if figure is None:
        from matplotlib.pyplot import subplots

        from bayes_glmm.plots.notebook import NotebookFigure

        made, grid = subplots(rows, columns, FigureClass=NotebookFigure, layout="constrained", **share)
        made.get_layout_engine().set(wspace=0.04 if columns > 1 else 0)
    else:
        made = _empty(figure)
        grid = made.subplots(rows, columns, **share)
    panels = [style_axes(ax) for ax in grid.flat[:count]]
    for ax in grid.flat[count:]:
        ax.set_visible(False)
    for ax in panels[-columns:]:
        ax.tick_params(axis="x", labelbottom=True)
    return made, panels


def _empty(figure: Any) -> Figure:
    """Return the user's figure, with a layout that leaves room for labels and legends."""
    from matplotlib.figure import Figure, SubFigure

    if not isinstance(figure, Figure | SubFigure):
        raise GLMMError(f"figure= takes a matplotlib Figure or SubFigure, not {in_words(figure)}.")
    if figure.axes:
        raise GLMMError("figure= takes a figure without axes; give a new one, or one of figure.subfigures(1, 2).")
    root = figure if isinstance(figure, Figure) else figure.get_figure(root=True)
    if root is not None and root.get_layout_engine() is None:
        root.set_layout_engine("constrained")
    return figure  # type: ignore[return-value]


def fit_paper(figure: Figure, width: float, height: float) -> None:
    """Break labels into lines as long as the panels, then cut the paper so that each panel has its size.

    Parameters
    ----------
    figure
        A finished figure, which is changed. The user's own keeps its size; labels are broken into lines all the same.
    width, height
        Inches of a panel.
    """
    from bayes_glmm.plots.notebook import NotebookFigure

    if not isinstance(figure, NotebookFigure):
        for ax in figure.axes:
            wrap_labels(ax, *axes_inches(ax))
        inches = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi
        for text in figure.texts:
            _wrap(text, inches[1] if text.get_rotation() else inches[0])
        return
    spec = figure.axes[0].get_subplotspec()
    assert spec is not None
    rows, columns = spec.get_gridspec().get_geometry()
    for ax in figure.axes:
        wrap_labels(ax, width, height)
    for text in figure.texts:
        _wrap(text, rows * height if text.get_rotation() else columns * width)
    paper = columns * width + _SPARE, rows * height + _SPARE
    figure.set_size_inches(paper, forward=False)
    figure.draw_without_rendering()
    place = figure.axes[0].get_position(original=True)
    left = paper[0] - columns * (place.width * paper[0] - width), paper[1] - rows * (place.height * paper[1] - height)
    figure.set_size_inches(left)


def wrap_labels(ax: Axes, width: float, height: float) -> None:
    """Break the labels and titles of axes into lines.

    Parameters
    ----------
    ax
        The axes.
    width, height
        Inches of the axes.
    """
    from matplotlib.text import Text

    titles = [one for one in ax.get_children() if isinstance(one, Text) and one not in ax.texts]
    for text in (ax.xaxis.label, *titles):
        _wrap(text, width)
    _wrap(ax.yaxis.label, height)


def _wrap(text: Text, inches: float) -> None:
    if text.get_text():
        text.set_text(wrapped(text.get_text(), int(72 * inches / (0.57 * float(text.get_fontsize())))))
