"""Observations behind predictions: faint points, spread where they would lie on top of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.style import check_table_columns, ink, series_color

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]

_GAP, _LANE, _STRIP = 0.02, 0.03, 0.09  # probability: strip from 0 or 1, a colour's least height, all colours' least


def draw_observations(
    ax: Axes,
    data: pd.DataFrame,
    columns: tuple[str, str, str | None],
    levels: Sequence[str] | None,
    colors: Sequence[str],
) -> None:
    """Draw observations.

    Parameters
    ----------
    ax
        The axes.
    data
        The observations.
    columns
        Columns of the horizontal and the vertical axis and of the colours, None for no colours.
    levels
        Levels of the horizontal axis, at 0, 1, ...; None where it is numeric.
    colors
        Levels told apart by colour, in their order.

    Raises
    ------
    GLMMError
        If a column is missing or the vertical one holds no numbers.

    Notes
    -----
    Responses 0 and 1 lie in strips below 0 and above 1. Colours never mix: over numbers each has a lane of the strips,
    at a level of the horizontal axis each has its prediction's place. The spread is the same every time.
    """
    x, y, color = columns
    check_table_columns("data", [name for name in columns if name is not None], data)
    if not pd.api.types.is_numeric_dtype(data[y]):
        one = str(data[y].iloc[0]) if len(data) else "yes"
        raise GLMMError(
            f"y: the column {y!r} holds no numbers; give one that does, of two classes 0 and 1 "
            f"(data.assign(event=data[{y!r}] == {one!r}) and y='event', say)."
        )
    if levels is not None:
        data = data[data[x].map(level_name).isin(levels)]
    count, rng = max(1, len(colors)), np.random.default_rng(0)
    number = np.zeros(len(data), dtype=int)
    shades: list[str | tuple[float, float, float]] = [ink(0.7)] * len(data)
    if color is not None:
        own = [list(colors).index(value) if value in colors else -1 for value in data[color].astype(str)]
        shades = [ink(0.7) if lane < 0 else series_color(lane) for lane in own]
        number = np.maximum(own, 0)
    height = data[y].to_numpy(dtype=float)
    known = height[np.isfinite(height)]
    if len(known) and np.isin(known, (0.0, 1.0)).all():
        height = _strips(height, number, count, rng) if levels is None else _strips(height, 0 * number, 1, rng)
        ax.set_yticks(np.linspace(0, 1, 6))
    if levels is None:
        place = data[x].to_numpy(dtype=float)
    else:
        offset = level_offsets(count)[number] + rng.uniform(-0.24, 0.24, len(data)) / count
        place = np.array([list(levels).index(value) for value in data[x].map(level_name)]) + offset
    alpha = float(np.clip(8 / np.sqrt(max(1, len(data))), 0.15, 0.5))
    ax.scatter(place, height, c=shades, s=14 if len(data) < 500 else 7, alpha=alpha, linewidths=0, zorder=1)


def level_name(level: object) -> str:
    """Return what a level of the horizontal axis is called: numbers as short as they can be written.

    Parameters
    ----------
    level
        The level.

    Returns
    -------
    str
        ``"1"`` for 1 and 1.0, ``"True"`` for True.
    """
    return f"{level:g}" if isinstance(level, (float, np.floating)) else str(level)


def level_offsets(count: int) -> Array:
    """Return where each of several colours lies beside a level of the horizontal axis.

    Parameters
    ----------
    count
        Number of colours.

    Returns
    -------
    numpy.ndarray
        Offsets; levels are 1 apart.
    """
    return np.asarray((np.arange(count) - (count - 1) / 2) * 0.6 / max(1, count))


def _strips(height: Array, number: npt.NDArray[np.intp], count: int, rng: np.random.Generator) -> Array:
    """Move zeros below 0 and ones above 1, spread over the lanes of their colours."""
    lane = max(_LANE, _STRIP / count)
    away = _GAP + lane * (number + rng.uniform(0.1, 0.9, len(height)))
    return np.asarray(np.where(height == 1, 1 + away, height - away))
