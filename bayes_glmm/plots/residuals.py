"""Simulation residuals at a glance: four panels from the Dataset of residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import in_words
from bayes_glmm.checks.residuals import column_of
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.layout import fit_paper, new_panels
from bayes_glmm.plots.names import counted, many, name_columns
from bayes_glmm.plots.style import check_table_columns, ink, quiet_grid, series_color
from bayes_glmm.printing.numbers import p_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Array = npt.NDArray[np.float64]

_BINS = 12
_WIDTH, _HEIGHT = 3.7, 2.7
_SHOWN = 50  # posterior draws
_QUARTILES = (0.25, 0.5, 0.75)


def residuals(
    dataset: xr.Dataset,
    table: pd.DataFrame | None = None,
    *,
    by: str | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw simulation residuals in four panels.

    Parameters
    ----------
    dataset
        Result of `bayes_glmm.simulate_residuals`.
    table
        Result of `bayes_glmm.check_residuals`, whose p-values stand above the panels; None for none.
    by
        Column of the fourth panel; None for the first grouping factor, or else the first predictor.
    figure
        Figure or SubFigure without axes to draw on, as there are four panels; None makes one.

    Returns
    -------
    matplotlib.figure.Figure
        Quantiles of the residuals against those of a uniform distribution; their histogram; residuals against the
        prediction's rank, and against `by`, with the quartiles they have there (lines at 0.25, 0.5 and 0.75 are right).
        Quantiles, histogram and quartiles are those of single posterior draws where the Dataset has them; points are
        residuals averaged over draws.

    Raises
    ------
    GLMMError
        If a variable or column is not there.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> residuals = bg.simulate_residuals(fit, random_seed=1)
    >>> figure = bg.plots.residuals(residuals, bg.check_residuals(residuals))
    >>> len(figure.axes)
    4
    """
    if not isinstance(dataset, xr.Dataset):
        raise GLMMError(f"dataset: give the result of bayes_glmm.simulate_residuals, not {in_words(dataset)}.")
    for name in ("residual", "predicted"):
        if name not in dataset:
            raise GLMMError(f"dataset: it has no {name!r}; give the result of bayes_glmm.simulate_residuals.")
    if table is not None:
        check_table_columns("table", ["p_value"], table, "check_residuals")
    column = _column(dataset, by)
    figure, axes = new_panels(4, 2, figure=figure)
    residual = dataset["residual"].to_numpy()
    each = dataset["residual_draws"].to_numpy() if "residual_draws" in dataset else residual[None]
    each = each[:: max(1, len(each) // _SHOWN)]
    _quantile_panel(axes[0], each)
    _histogram(axes[1], each)
    _against_number(axes[2], "prediction (rank)", _ranks(dataset["predicted"].to_numpy()), residual, each)
    if column is None:
        axes[3].set_axis_off()
    else:
        values = column_of(dataset, column, "by")
        draw = _against_number if values.dtype.kind == "f" else _against_levels
        draw(axes[3], column, values, residual, each)
    if table is not None:
        titles = (("uniformity",), ("dispersion", "outliers", "zeros"), ("predicted",), (column,))
        for ax, tests in zip(axes, titles, strict=True):
            told = [f"{test} {p_value(table.loc[test, 'p_value'])}" for test in tests if test in table.index]
            ax.set_title(", ".join(told), fontsize="small", color=ink(), loc="left")
    figure.suptitle(f"Residuals ({dataset.attrs.get('random_effects', 'simulated')})", color=ink(), fontsize="medium")
    fit_paper(figure, _WIDTH, _HEIGHT)
    return figure


def _column(dataset: xr.Dataset, by: str | None) -> str | None:
    choices = [*dataset.attrs.get("groups", ()), *dataset.attrs.get("predictors", ())]
    return next(iter(choices), None) if by is None else by


def _ranks(values: Array) -> Array:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / max(1, len(values) - 1)


def _quantile_panel(ax: Axes, each: Array) -> None:
    n = each.shape[1]
    expected = (np.arange(n) + 0.5) / n
    ax.plot([0, 1], [0, 1], color=ink(1), linewidth=1.6, linestyle=(0, (4, 3)), zorder=3)
    width, alpha = (1.2, 1.0) if len(each) == 1 else (0.7, 0.4)
    ax.plot(expected, np.sort(each, axis=1).T, color=series_color(0), linewidth=width, alpha=alpha)
    ax.set_xlabel("expected", color=ink())
    ax.set_ylabel("residual", color=ink())
    ax.set_aspect("equal")
    quiet_grid(ax, "y")


def _histogram(ax: Axes, each: Array) -> None:
    n = each.shape[1]
    bins = int(np.clip(n // 10, 5, 20))
    share = np.full(each.size, 1.0 / len(each))
    ax.hist(each.ravel(), bins=bins, range=(0, 1), weights=share, color=series_color(0), alpha=0.7, edgecolor=ink(0))
    ax.axhline(n / bins, color=ink(), linewidth=1.2, linestyle=(0, (4, 3)))
    ax.set_xlabel("residual", color=ink())
    ax.set_ylabel("responses", color=ink())


def _against_number(ax: Axes, name: str, values: Array, residual: Array, each: Array) -> None:
    ax.plot(values, residual, "o", color=ink(0.6), markersize=3, alpha=0.4, markeredgewidth=0)
    for quartile in _QUARTILES:
        ax.axhline(quartile, color=ink(), linewidth=1, linestyle=(0, (4, 3)))
    count = int(np.clip(len(values) // 15, 2, _BINS))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)))
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(0, len(edges) - 2))
    middles, quartiles = [], []
    for number in np.unique(bins):
        inside = bins == number
        middles.append(values[inside].mean())
        quartiles.append(np.quantile(each[:, inside], _QUARTILES))
    ax.plot(middles, quartiles, color=series_color(1), linewidth=1.8, marker="o", markersize=3)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(name, color=ink())
    ax.set_ylabel("residual, quartiles", color=ink())


def _against_levels(ax: Axes, name: str, values: npt.NDArray[np.object_], residual: Array, each: Array) -> None:
    levels = list(dict.fromkeys(values.tolist()))
    members = [values == level for level in levels]
    thin = many(len(levels))
    if thin:  # the levels' medians in order, for want of names
        order = np.argsort([np.median(each[:, member]) for member in members], kind="stable")
        levels, members = [levels[i] for i in order], [members[i] for i in order]
    for quartile in _QUARTILES:
        ax.axhline(quartile, color=ink(), linewidth=1, linestyle=(0, (4, 3)), zorder=0.8)
    low, middle, high = np.transpose([np.quantile(each[:, member], _QUARTILES) for member in members])
    place = np.arange(len(levels))
    for at, member in enumerate(members):
        part = residual[member]
        ax.plot(np.full(len(part), at), part, "o", color=ink(0.6), markersize=2.5, alpha=0.35, markeredgewidth=0)
    ax.vlines(place, low, high, color=series_color(1), linewidth=0.8 if thin else 2, alpha=0.6 if thin else 1)
    ax.plot(place, middle, "o", color=series_color(1), markersize=2 if thin else 4, markeredgewidth=0)
    name_columns(ax, [str(level) for level in levels], _WIDTH)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(counted(name, len(levels)), color=ink())
    ax.set_ylabel("residual, quartiles", color=ink())
