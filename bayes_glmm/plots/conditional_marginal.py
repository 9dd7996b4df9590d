"""The two stories side by side, for a subject and for the population: compared effects, or curves of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.effects.labels import effect_label, interval_words
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.curves import draw_curves
from bayes_glmm.plots.layout import finish, own_axes
from bayes_glmm.plots.names import counted, many, name_rows
from bayes_glmm.plots.style import (
    NUMBERS,
    check_table_columns,
    ink,
    legend_above,
    quiet_grid,
    row_labels,
    series_color,
    series_marker,
    telling_columns,
    zero_line,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RATIOS = ("ratio", "odds_ratio")


def conditional_marginal(
    stories: Mapping[str, pd.DataFrame] | pd.DataFrame,
    *,
    x: str | None = None,
    color: str | None = None,
    comparison: str | None = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw what holds for a subject and what holds for the population in one figure.

    Parameters
    ----------
    stories
        Tables by name, ``{"conditional": ..., "typical": ..., "marginal": ...}``; or one table with a column
        ``random_effects``. Either effects of `bayes_glmm.avg_comparisons` or `bayes_glmm.avg_slopes`, all with the same
        rows; or, with `x`, `bayes_glmm.predictions` over a grid of x.
    x
        Column of the horizontal axis, which makes it a figure of curves: a table with several rows at one value of x
        (one for each group) becomes thin curves, the others thick ones with their intervals.
    color
        Of curves, a second variable that colours tell apart, while dashes tell stories apart; None gives each of its
        values a panel.
    comparison
        What was compared (``"odds_ratio"``, say): sets axis, line and label. None reads it from the tables, which say
        so as long as they were not put together.
    ax
        Axes to draw on; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        Effects: one row each, a point and an interval for each story, ratios on a log axis with a line at 1, everything
        else with a line at 0. Predictions: curves over x; for the probabilities of several categories a figure with a
        panel for each.

    Raises
    ------
    GLMMError
        If a column is missing, the tables' rows differ, colours are too many, or `ax` is one pair of axes for several
        panels.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> kinds = ("typical", "marginal")
    >>> stories = {kind: bg.avg_comparisons(fit, "period", random_effects=kind) for kind in kinds}
    >>> bg.plots.conditional_marginal(stories).get_xlabel()
    'Difference in probability of incidence'

    Curves, where x is a numeric predictor and the groups are hospitals: ``rows, each = bg.grid(fit, x=None),
    bg.grid(fit, x=None, hospital=None)``, then ``conditional_marginal({"each hospital": bg.predictions(fit, each),
    "typical": bg.predictions(fit, rows, random_effects="typical"), "average": bg.predictions(fit, rows,
    random_effects="marginal")}, x="x")``.
    """
    tables = _by_name(stories)
    if x is not None:
        return draw_curves(tables, x, color, ax)
    if color is not None:
        raise GLMMError("color= is for curves over x=; effects have a row for each value of a second variable.")
    _check_same_rows(tables)
    return _effects(tables, comparison, ax)


def _effects(stories: dict[str, pd.DataFrame], comparison: str | None, ax: Axes | None) -> Axes:
    first = next(iter(stories.values()))
    labels = _labels(first)
    kind = comparison if comparison is not None else _kind(first)
    given, ax = ax, own_axes(ax)
    thin = many(len(labels))
    height = name_rows(ax, labels, each=0.22 * (len(stories) + 0.5))
    offsets = (np.arange(len(stories)) - (len(stories) - 1) / 2) * 0.5 / max(1, len(stories) - 1 + 0.5)
    apart = 72 * height / max(1, len(labels)) / (len(stories) + 1)  # points
    size, edge = (2.5, None) if thin else (float(np.clip(0.9 * apart, 3.5, 6.5)), ink(0))
    for number, ((name, table), offset) in enumerate(zip(stories.items(), offsets, strict=True)):
        y, color = np.arange(len(labels)) + offset, series_color(number)
        ax.hlines(y, table["lower"], table["upper"], color=color, linewidth=0.8 if thin else 2.2, alpha=0.75)
        points = ax.plot(table["estimate"], y, series_marker(number), color=color, label=name)[0]
        points.set(markersize=size, markeredgecolor=edge or color)
    _scale_axis(ax, stories, kind)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    quiet_grid(ax, "x")
    _annotate(ax, first, kind)
    legend_above(ax, len(stories), interval_words(table.attrs for table in stories.values()))
    finish(ax, given, 5.2, height)
    return ax


def _kind(table: pd.DataFrame) -> str:
    """Read what the table says it compares."""
    quantity = table.attrs.get("quantity")
    return str(table.attrs.get("comparison", "slope" if quantity == "slope" else "difference"))


def _by_name(stories: Mapping[str, pd.DataFrame] | pd.DataFrame) -> dict[str, pd.DataFrame]:
    if isinstance(stories, pd.DataFrame):
        check_table_columns("stories", ["random_effects"], stories)
        split = stories.groupby("random_effects", sort=False, observed=True)
        tables = {str(name): part.drop(columns="random_effects") for name, part in split}
    elif isinstance(stories, Mapping):
        tables = {str(name): table for name, table in stories.items()}
    else:
        raise GLMMError(f"stories: give {{'conditional': table, 'marginal': table}}, not {in_words(stories)}.")
    if not tables:
        raise GLMMError("stories: there is no table; give {'conditional': ..., 'marginal': ...}.")
    for name, table in tables.items():
        check_table_columns(f"stories[{name!r}]", ["estimate", "lower", "upper"], table, "predictions or comparisons")
    return tables


def _check_same_rows(stories: dict[str, pd.DataFrame]) -> None:
    expected = _labels(next(iter(stories.values())))
    for name, table in stories.items():
        if _labels(table) != expected:
            raise GLMMError(
                f"stories[{name!r}] has other rows than the first table: compare the same things, or name the column "
                "of the horizontal axis (x=) for curves of predictions."
            )


def _labels(table: pd.DataFrame) -> list[str]:
    about = _about(table)
    return row_labels(table, about) if about else [""] * len(table)


def _about(table: pd.DataFrame) -> list[str]:
    """Columns that say what a row is; of comparisons of one variable, the contrast first."""
    about = [str(name) for name in table.columns if name not in NUMBERS]
    single = "contrast" in about and not (table["contrast"] == "dY/dX").all()
    return sorted(about, key=lambda name: name == "term") if single else about


def _scale_axis(ax: Axes, stories: Mapping[str, pd.DataFrame], kind: str) -> None:
    lower = min(float(table["lower"].min()) for table in stories.values())
    upper = max(float(table["upper"].max()) for table in stories.values())
    if kind not in _RATIOS or lower <= 0:
        zero_line(ax, 1 if kind in _RATIOS else 0)
        return
    from matplotlib.ticker import FuncFormatter, NullLocator

    ax.set_xscale("log")
    zero_line(ax, 1)
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
    """Name the axes; a single contrast that rows leave out, and the contrasts' variable in place of "contrast"."""
    term = str(table["term"].iloc[0]) if "term" in table and table["term"].nunique() == 1 else ""
    telling = telling_columns(table, _about(table))
    compared = bool(term) and kind != "slope" and "contrast" in table
    one = f", {term}: {table['contrast'].iloc[0]}" if compared and "contrast" not in telling else ""
    ax.set_xlabel(effect_label(table.attrs, kind, term) + one, color=ink())
    if compared or telling != ["term"]:
        words = ", ".join(term if compared and name == "contrast" else name for name in telling)
        ax.set_ylabel(counted(words, len(table), "rows"), color=ink())
