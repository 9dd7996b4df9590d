"""The two stories side by side: effects for a subject and for the population, from tables of comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.style import COLORS, INK, MARKERS, NUMBERS, axes_or_new, check_table_columns, row_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RATIOS = ("ratio", "odds_ratio")


def conditional_marginal(
    comparisons: Mapping[str, pd.DataFrame] | pd.DataFrame, *, comparison: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw comparisons for a subject and for the population in one figure.

    Parameters
    ----------
    comparisons
        Tables of `bayes_glmm.avg_comparisons` or `bayes_glmm.avg_slopes` by name, all with the same rows:
        ``{"conditional": ..., "marginal": ...}``. Or one table with a column ``random_effects``.
    comparison
        What was compared (``"odds_ratio"``, say): sets axis, line and label. None reads it from the tables, which say
        so as long as they were not put together.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row per comparison, a point and an interval for each story. Ratios are on a log axis with a line at 1,
        everything else has a line at 0.

    Raises
    ------
    GLMMError
        If a column is missing, or the tables' rows differ.
    """
    stories = _stories(comparisons)
    first = next(iter(stories.values()))
    labels = _labels(first)
    kind = str(first.attrs.get("comparison", "difference")) if comparison is None else comparison
    ax = axes_or_new(ax, 6.4, 1.3 + 0.26 * len(labels) * (len(stories) + 1))
    offsets = (np.arange(len(stories)) - (len(stories) - 1) / 2) * 0.5 / max(1, len(stories) - 1 + 0.5)
    for number, ((name, table), offset) in enumerate(zip(stories.items(), offsets, strict=True)):
        y = np.arange(len(labels)) + offset
        color = COLORS[number % len(COLORS)]
        ax.hlines(y, table["lower"], table["upper"], color=color, linewidth=2.2, alpha=0.75)
        marker = MARKERS[number % len(MARKERS)]
        ax.plot(table["estimate"], y, marker, color=color, markersize=6.5, markeredgecolor="white", label=name)
    _scale_axis(ax, stories, kind)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    _annotate(ax, first, kind)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(stories), frameon=False, borderaxespad=0.2)
    return ax


def _stories(comparisons: Mapping[str, pd.DataFrame] | pd.DataFrame) -> dict[str, pd.DataFrame]:
    if isinstance(comparisons, pd.DataFrame):
        check_table_columns("comparisons", ["random_effects"], comparisons.columns)
        split = comparisons.groupby("random_effects", sort=False, observed=True)
        stories = {str(name): part.drop(columns="random_effects") for name, part in split}
    else:
        stories = {str(name): table for name, table in comparisons.items()}
    if not stories:
        raise GLMMError("comparisons: there is no table; give {'conditional': ..., 'marginal': ...}.")
    expected = _labels(next(iter(stories.values())))
    for name, table in stories.items():
        check_table_columns(f"comparisons[{name!r}]", ["estimate", "lower", "upper"], table.columns)
        if _labels(table) != expected:
            raise GLMMError(f"comparisons[{name!r}] has other rows than the first table: compare the same things.")
    return stories


def _labels(table: pd.DataFrame) -> list[str]:
    about = [str(name) for name in table.columns if name not in NUMBERS]
    return row_labels(table, about) if about else [""] * len(table)


def _scale_axis(ax: Axes, stories: Mapping[str, pd.DataFrame], kind: str) -> None:
    lower = min(float(table["lower"].min()) for table in stories.values())
    upper = max(float(table["upper"].max()) for table in stories.values())
    if kind not in _RATIOS or lower <= 0:
        ax.axvline(1 if kind in _RATIOS else 0, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        return
    from matplotlib.ticker import FuncFormatter, NullLocator

    ax.set_xscale("log")
    ax.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    low, high = min(lower, 1) / 1.15, max(upper, 1) * 1.15
    ax.set_xlim(low, high)
    ax.set_xticks(_log_ticks(low, high))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _log_ticks(low: float, high: float) -> list[float]:
    """Choose round ticks on a log axis, few enough that their labels do not touch."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 9:
            break
    return ticks


def _annotate(ax: Axes, table: pd.DataFrame, kind: str) -> None:
    term = ""
    if "term" in table and table["term"].nunique() == 1:
        term = f" of {table['term'].iloc[0]}"
    words = {"ratio": "Ratio", "odds_ratio": "Odds ratio", "difference": "Difference", "lift": "Lift"}
    prob = table.attrs.get("ci_prob")
    interval = f" (mean and {prob:.0%} interval)" if prob is not None else ""
    ax.set_xlabel(f"{words.get(kind, kind)}{term}{interval}", color=INK)
