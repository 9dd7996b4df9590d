"""Responses that the model makes beside those observed: ArviZ's predictive checks on axes of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayes_glmm.arguments import in_words, interval_probability
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.families import DISCRETE
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.plots.arviz_panels import collection
from bayes_glmm.plots.layout import finish, own_axes
from bayes_glmm.plots.style import ink, legend_above, quiet_grid, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayes_glmm.inference.fit import Fit

KINDS = ("density", "ecdf", "rootogram", "calibration")
_SHOWN = 50  # simulated data sets
_MOST_COUNTS = 60  # different whole numbers that a rootogram has room for


def ppc(fit: Fit, kind: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the distribution of the observed responses and of those that the model makes.

    Parameters
    ----------
    fit
        A fit whose tree has predictive draws: ``fit.extend("posterior_predictive")``.
    kind
        ``"density"`` or ``"ecdf"``: of fifty simulated data sets; ``"rootogram"``: how often each whole number comes,
        on a square-root axis; ``"calibration"``: how often the event came, against its predicted probability. None
        takes the density for numbers on a scale, the rootogram for counts and categories (the distribution function
        for more than sixty different ones), and calibration for 0 and 1.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        ArviZ's ``plot_ppc_dist``, ``plot_ppc_rootogram`` or ``plot_ppc_pava`` in the package's colours.

    Raises
    ------
    GLMMError
        If there are no predictive draws, or the kind does not suit the responses.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False).extend("posterior_predictive", random_seed=1)
    >>> bg.plots.ppc(fit).get_xlabel()
    'Reaction'
    """
    check_fit(fit)
    if "posterior_predictive" not in fit.dt:
        raise GLMMError(
            'fit: it has no predictive draws yet; fit.extend("posterior_predictive", random_seed=1) adds them.'
        )
    drawn, observed = fit.dt["posterior_predictive"].to_dataset(), fit.dt["observed_data"].to_dataset()
    name = str(next(iter(observed.data_vars)))
    kind = _kind(fit, kind, observed[name].to_numpy())
    given, ax = ax, own_axes(ax)
    tree = xr.DataTree.from_dict({"posterior_predictive": drawn[[name]], "observed_data": observed[[name]]})
    if kind in ("density", "ecdf"):
        _distributions(ax, tree, name, "kde" if kind == "density" else "ecdf")
    elif kind == "rootogram":
        _rootogram(ax, tree, name)
    else:
        _calibration(ax, tree, name)
    ax.set_xlabel(f"predicted probability of {name}" if kind == "calibration" else name, color=ink())
    labels = {"ecdf": "share at or below", "rootogram": "number of responses (square-root axis)"}
    labels["calibration"] = f"share with {name}"
    ax.set_ylabel(labels.get(kind, "density"), color=ink())
    quiet_grid(ax, "y")
    legend_above(ax, 2)
    finish(ax, given, 5.2, 3.3)
    return ax


def _kind(fit: Fit, kind: Any, y: np.ndarray) -> str:
    support = fit.model.spec.family.support
    if kind is None:
        if support == "binary":
            return "calibration"
        if support not in DISCRETE:
            return "density"
        return "rootogram" if np.ptp(y) < _MOST_COUNTS else "ecdf"
    if kind not in KINDS:
        raise GLMMError(f"kind= names {in_words(kind)}. {nearest(kind, KINDS)}")
    if kind == "calibration" and support != "binary":
        raise GLMMError("kind='calibration' is for responses 0 and 1; others have 'rootogram', 'ecdf' or 'density'.")
    if kind == "rootogram" and support not in DISCRETE:
        raise GLMMError("kind='rootogram' is for whole numbers; this response is on a scale: 'density' or 'ecdf'.")
    if kind == "density" and support in DISCRETE:
        raise GLMMError("kind='density' is for responses on a scale; whole numbers have 'rootogram' or 'ecdf'.")
    return str(kind)


def _distributions(ax: Axes, tree: xr.DataTree, name: str, kind: str) -> None:
    from arviz_plots import plot_ppc_dist

    stacked = xr.Dataset({name: ("sample", np.zeros(_SHOWN))}, coords={"sample": np.arange(_SHOWN)})
    visuals: Any = {
        "predictive_dist": {"color": series_color(0), "width": 0.8, "alpha": 0.5},
        "observed_dist": {"color": series_color(1), "width": 2.4, "linestyle": "--"},
        **dict.fromkeys(("title", "remove_axis"), False),
    }
    placed = collection({name: ax}, stacked, {"overlay_ppc": ["sample"]})
    plot_ppc_dist(tree, kind=kind, num_samples=_SHOWN, plot_collection=placed, visuals=visuals)
    ax.lines[0].set_label(f"simulated ({len(ax.lines) - 1} data sets)")
    ax.lines[-1].set_label("observed")
    ax.set_ylim(bottom=0, top=1.03 if kind == "ecdf" else None)


def _rootogram(ax: Axes, tree: xr.DataTree, name: str) -> None:
    from arviz_plots import plot_ppc_rootogram

    visuals: Any = {
        "predictive_markers": {"color": series_color(0)},
        "credible_interval": {"color": series_color(0)},
        "observed_markers": {"color": series_color(1), "marker": "D"},
        **dict.fromkeys(("title", "xlabel", "ylabel", "grid"), False),
    }
    placed = collection({name: ax}, tree["posterior_predictive"].to_dataset())
    plot_ppc_rootogram(tree, plot_collection=placed, visuals=visuals)
    simulated, observed = ax.collections
    simulated.set_label(f"simulated, {_interval()} interval")
    observed.set_label("observed")


def _calibration(ax: Axes, tree: xr.DataTree, name: str) -> None:
    from arviz_plots import plot_ppc_pava
    from matplotlib.collections import PolyCollection

    visuals: Any = {
        "lines": {"color": series_color(0)},
        "markers": {"color": series_color(0)},
        "credible_interval": {"color": series_color(0), "alpha": 0.2},
        "reference_line": {"color": ink(0.6)},
        **dict.fromkeys(("title", "xlabel", "ylabel"), False),
    }
    placed = collection({name: ax}, tree["posterior_predictive"].to_dataset())
    plot_ppc_pava(tree, plot_collection=placed, visuals=visuals)
    (band,) = [one for one in ax.collections if isinstance(one, PolyCollection)]
    band.set_label(f"what the model makes, {_interval()} band")
    ax.lines[-1].set_label("observed")


def _interval() -> str:
    """Return ArviZ's probability of intervals, which its plots take, as text."""
    return f"{interval_probability(None):.0%}"
