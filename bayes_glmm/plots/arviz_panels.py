"""ArviZ's plots on panels of the package: which parameters have one, densities of draws, and the collection of axes.

ArviZ computes densities and draws them; panels, their names and colours are those of the other figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayes_glmm.arguments import checked_names
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.inference.scalars import population_scalars
from bayes_glmm.plots.names import fitted
from bayes_glmm.plots.style import DASHES, ink, series_color

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayes_glmm.inference.fit import Fit

MOST_PANELS = 12
ACROSS = 4


def chosen_scalars(fit: Fit, parameters: str | Sequence[str] | None, group: str = "posterior") -> xr.Dataset:
    """Choose population-level parameters.

    Parameters
    ----------
    fit
        The fit.
    parameters
        Names as in ``"beta[x]"``, or of all parts of one, ``"beta"``; None for the first twelve.
    group
        Group of the fit's tree.

    Returns
    -------
    xarray.Dataset
        A variable for each, dims chain, draw; ``attrs["left_out"]`` counts those that None leaves out.

    Raises
    ------
    GLMMError
        If there is no such parameter.
    """
    scalars = population_scalars(fit.dt[group].to_dataset(), fit.model.design)
    names = [str(name) for name in scalars]
    if parameters is None:
        return scalars[names[:MOST_PANELS]].assign_attrs(left_out=max(0, len(names) - MOST_PANELS))
    shown: list[str] = []
    for name in checked_names("parameters", parameters):
        own = [one for one in names if one == name or one.partition("[")[0] == name]
        if not own:
            raise GLMMError(f"parameters: there is no {name!r}. {nearest(name, names)}")
        shown += own
    if not shown:
        raise GLMMError(f"parameters: it names none. {nearest('', names)}")
    return scalars[list(dict.fromkeys(shown))].assign_attrs(left_out=0)


def named_panels(panels: Sequence[Axes], scalars: xr.Dataset) -> dict[str, Axes]:
    """Write the parameters' names above panels.

    Parameters
    ----------
    panels
        The axes.
    scalars
        A variable for each panel.

    Returns
    -------
    dict
        The axes by parameter.
    """
    names = [str(name) for name in scalars]
    for ax, title in zip(panels, fitted(names, letters=26, lines=2), strict=True):
        ax.set_title(title, fontsize="small", color=ink())
    return dict(zip(names, panels, strict=True))


def note_below(figure: Figure, label: str, scalars: xr.Dataset) -> None:
    """Label the horizontal axes, and say how many parameters have no panel.

    Parameters
    ----------
    figure
        The figure.
    label
        Of the axes.
    scalars
        Result of `chosen_scalars`.
    """
    left_out = scalars.attrs["left_out"]
    told = f"{len(scalars)} of {len(scalars) + left_out} parameters; others with parameters=" if left_out else ""
    figure.supxlabel("\n".join(filter(None, (label, told))), fontsize="medium", color=ink())


def collection(
    axes: Mapping[str, Axes], data: xr.Dataset, aes: Mapping[str, Sequence[str]] | None = None, **values: Any
) -> PlotCollection:
    """Hand axes to ArviZ's plots.

    Parameters
    ----------
    axes
        Axes by variable.
    data
        The variables, with the dims that `aes` names.
    aes
        Aesthetic -> dims it tells apart, as ArviZ's ``PlotCollection`` takes it.
    **values
        Values of the aesthetics.

    Returns
    -------
    arviz_plots.PlotCollection
        With these axes in place of its own.
    """
    from arviz_plots import PlotCollection

    figure = next(iter(axes.values())).get_figure(root=True)
    placed = {"/": _boxed({"figure": figure}), "plot": _boxed(axes)}
    return PlotCollection(data, xr.DataTree.from_dict(placed), aes=dict(aes or {}), backend="matplotlib", **values)


def _boxed(things: Mapping[str, Any]) -> xr.Dataset:
    """Put objects into variables without dims."""
    boxes = {}
    for name, thing in things.items():
        box = np.empty((), dtype=object)
        box[()] = thing
        boxes[name] = ((), box)
    return xr.Dataset(boxes)


def draw_densities(axes: Mapping[str, Axes], draws: xr.Dataset, number: int, label: str) -> None:
    """Draw each parameter's density.

    Parameters
    ----------
    axes
        Axes by parameter.
    draws
        The parameters, dims chain, draw.
    number
        0 for the first density of each panel: sets colour and dashes.
    label
        Its key in the legend.
    """
    from arviz_plots import plot_dist

    color = series_color(number)
    shown: dict[str, Any] = {"dist": {"color": color, "width": 2, "linestyle": DASHES[number % len(DASHES)]}}
    left_out = ("title", "credible_interval", "point_estimate", "point_estimate_text", "remove_axis")
    visuals: Any = shown | dict.fromkeys(left_out, False)
    tree = xr.DataTree.from_dict({"posterior": draws})
    plot_dist(tree, kind="kde", plot_collection=collection(axes, draws), visuals=visuals)
    for ax in axes.values():
        line = ax.lines[-1]
        line.set_label(label)
        x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        ax.fill_between(x, 0, y, color=color, alpha=0.15, linewidth=0)
        ax.set_ylim(bottom=0)
        ax.set_yticks([])
