"""A forest plot: studies as observed and partially pooled, their average and a new study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.effects.labels import interval_words
from bayes_glmm.plots.layout import finish, own_axes
from bayes_glmm.plots.names import fitted, many
from bayes_glmm.plots.style import check_table_columns, ink, legend_above, quiet_grid, series_color, zero_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = 0.17  # of a row, between what was observed and the model's estimate
_TALLEST = 9.0  # inches of studies too many for names
_COLUMNS = ("kind", "study", "observed", "observed_lower", "observed_upper", "estimate", "lower", "upper")


def forest(
    table: pd.DataFrame, *, exponentiate: bool = False, sort: bool = False, label: str = "", ax: Axes | None = None
) -> Axes:
    """Draw the studies of a meta-analysis, each as observed and as the model sees it.

    Parameters
    ----------
    table
        Result of `bayes_glmm.studies`.
    exponentiate
        Whether effects are logs of ratios, to be shown as ratios on a logarithmic axis.
    sort
        Whether studies are in the order of what was observed, the largest first; else in that of the table.
    label
        What the effects are, for their axis; by default the response.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Studies from top to bottom; the size of a point is the weight 1 / se^2. Below a line the average and, as a bar
        without a point, where the true effect of a new study lies.

    Raises
    ------
    GLMMError
        If the table lacks a column.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("se(yi, sei) ~ 1 + (1 | study)", bg.load_dataset("bcg"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> ax = bg.plots.forest(bg.studies(fit), exponentiate=True, label="risk ratio")
    >>> ax.get_xscale(), ax.get_yticklabels()[0].get_text()
    ('log', 'Aronson 1948')
    """
    check_table_columns("table", list(_COLUMNS), table, "studies")
    rows = table[table["kind"] == "study"]
    rows = rows.sort_values("observed", ascending=False) if sort else rows
    below = table[table["kind"] != "study"]
    given, ax = ax, own_axes(ax)
    shown = np.exp if exponentiate else np.asarray
    y, nameless = np.arange(len(rows), dtype=float), many(len(rows))
    if exponentiate:
        ax.set_xscale("log")
    zero_line(ax, 1.0 if exponentiate else 0.0)
    bars = interval_words([table.attrs]).removeprefix("mean and ")
    _studies(ax, rows, y, shown, f", {bars}" if bars else "")
    step = len(rows) / 40 if nameless else 1.0
    places = len(rows) - 0.4 + step * (1.0 + np.arange(len(below)))
    if len(below):
        ax.axhline(len(rows) - 0.2, color=ink(0.4), linewidth=0.8)
    for place, (_, row) in zip(places, below.iterrows(), strict=True):
        _pooled(ax, place, row, shown)
    names = fitted([*([] if nameless else map(str, rows["study"])), *map(str, below["study"])])
    ax.set_yticks([*([] if nameless else y), *places], names, fontsize="small" if len(rows) <= 40 else "x-small")
    if nameless:
        ax.set_ylabel(f"{len(rows)} studies", color=ink())
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) + step * len(below) + 0.2, -0.8)
    if exponentiate:
        _plain_ratios(ax)
    quiet_grid(ax, "x")
    ax.set_xlabel(label or str(table.attrs.get("response", "effect")), color=ink())
    legend_above(ax, 1)
    each = 0.24 if len(rows) <= 40 else 0.17
    finish(ax, given, 4.4, _TALLEST if nameless else max(2.0, each * (len(rows) + len(below) + 1)))
    return ax


def _studies(ax: Axes, rows: pd.DataFrame, y: np.ndarray, shown: object, bars: str) -> None:
    """Draw what was observed above what the model estimates."""
    to = shown if callable(shown) else np.asarray
    weight = 1.0 / np.square(rows["observed_upper"] - rows["observed_lower"]).to_numpy()
    size = 8.0 + 60.0 * weight / weight.max()
    ax.hlines(y - _APART, to(rows["observed_lower"]), to(rows["observed_upper"]), color=ink(0.55), linewidth=1.0)
    ax.scatter(
        to(rows["observed"]),
        y - _APART,
        s=size,
        marker="s",
        color=[ink(0.65)],
        linewidths=0,
        label=f"as observed{bars}",
    )
    ax.hlines(y + _APART, to(rows["lower"]), to(rows["upper"]), color=series_color(0), linewidth=1.8, alpha=0.7)
    ax.plot(
        to(rows["estimate"]), y + _APART, "o", color=series_color(0), markersize=4.5, markeredgewidth=0,
        label=f"partially pooled{bars}",
    )  # fmt: skip


def _pooled(ax: Axes, place: float, row: pd.Series, shown: object) -> None:
    """Draw the average with its estimate, or a new study as a bar alone."""
    to = shown if callable(shown) else np.asarray
    average = row["kind"] == "average"
    width, alpha = (2.6, 1.0) if average else (5.0, 0.45)
    ax.hlines(place, to(row["lower"]), to(row["upper"]), color=series_color(0), linewidth=width, alpha=alpha)
    if average:
        ax.plot(to(row["estimate"]), place, "D", color=series_color(0), markersize=7, markeredgewidth=0)
        ax.axvline(float(to(row["estimate"])), color=series_color(0), linewidth=0.8, alpha=0.5, zorder=0.7)


def _plain_ratios(ax: Axes) -> None:
    """Label a logarithmic axis with ratios people read: 0.1, 0.2, 0.5, 1, 2, 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = ax.get_xlim()
    decades = np.log10(high / low)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 4 else (1.0,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
