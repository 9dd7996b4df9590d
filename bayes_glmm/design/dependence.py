"""Levels that are correlated in time or space: times read as numbers, series found, regions matched to a map.

Input: the user's columns and a kind, ``"ar1"`` or ``"bym2"``. Output: levels, the code of each row, and the record of
how the levels are correlated; and the same record with the levels of new rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.frame import is_text, listed, plain
from bayes_glmm.design.grouping import (
    Codes,
    GroupTerm,
    LevelCoder,
    fit_levels,
    level_index,
    match_levels,
    related_levels,
)
from bayes_glmm.errors import DataError, GLMMError, PredictionError
from bayes_glmm.structures.adjacency import Adjacency
from bayes_glmm.structures.dependence import SPACE
from bayes_glmm.structures.series import Clock, Series
from bayes_glmm.structures.spectrum import Spectrum, walk
from bayes_glmm.structures.structure import Structure

__all__ = ["in_new_series", "levels_of_factor", "with_new_levels"]

Array = npt.NDArray[np.float64]

#: Steps between the two nearest times from which on they were not meant to be counted in such steps.
MOST_BETWEEN = 10
#: Most steps of a random walk, whose covariance is dense.
MOST_STEPS = 3000
_WHOLE = 1e-6


def levels_of_factor(
    kind: str, frame: pd.DataFrame, columns: Sequence[str], known: Structure | Adjacency | None
) -> tuple[LevelCoder, Codes, Structure | Series | Spectrum | None]:
    """Find the levels of a grouping factor, and how they are correlated.

    Parameters
    ----------
    kind
        ``"ar1"``, ``"ou"``, ``"rw1"``, ``"rw2"``, ``"car"``, ``"leroux"``, ``"icar"`` or ``"bym2"``; empty for others.
    frame
        The user's columns without missing values.
    columns
        The grouping factor's columns, the time last; or the region.
    known
        What ``covariances=`` says of it.

    Returns
    -------
    coder : LevelCoder
        The levels: those that occur, pairs of series and time among them; all steps of a walk, all levels of what is
        known.
    codes : numpy.ndarray
        Level of each row, int32.
    structure : Structure, Series, Spectrum or None
        How the levels are correlated; None for independent ones.

    Raises
    ------
    DataError
        If times are not numbers, dates or ordered categories or are not equally spaced where they must be, no series
        has two of them, or neighbours are missing or do not have a region of the data.
    """
    name = columns[0]
    if not kind and known is None:
        return *fit_levels(frame, columns), None
    if not kind and isinstance(known, Structure):
        return *related_levels(frame, name, known), known
    if not kind:
        raise DataError(
            f"covariances[{name!r}] says which regions are neighbours: write bym2({name}), leroux({name}), "
            f"car({name}) or icar({name}) in the place of (1 | {name})."
        )
    if kind in SPACE:
        if not isinstance(known, Adjacency):
            raise DataError(
                f"{kind}({name}) needs to know which regions are neighbours: covariances={{{name!r}: "
                "bg.Adjacency(...)}, from a matrix, pairs or a dictionary."
            )
        coder, codes = related_levels(frame, name, known)
        return coder, codes, known.spectrum(kind)
    if known is not None:
        raise DataError(
            f"covariances[{':'.join(columns)!r}]: {_written(kind, columns)} says how the levels are correlated."
        )
    return (_walks if kind in ("rw1", "rw2") else _series)(kind, frame, columns)


def _series(kind: str, frame: pd.DataFrame, columns: Sequence[str]) -> tuple[LevelCoder, Codes, Series]:
    """Find the pairs of series and time that occur."""
    written = _written(kind, columns)
    coder, codes = fit_levels(frame, columns)
    series = np.zeros(len(coder.keys), dtype=np.int64)
    if len(columns) > 1:
        series = np.unique(coder.keys[:, :-1], axis=0, return_inverse=True)[1].ravel()
    column = frame[columns[-1]].iloc[np.unique(codes, return_index=True)[1]]
    clock = _clock(column, kind)
    times = _times(column, clock, DataError)
    if len(np.unique(series)) == len(series):
        raise DataError(
            f"{written}: no series has two times, so nothing says how they are correlated. Is "
            f"{':'.join(columns[:-1]) or columns[-1]!r} the column meant?"
        )
    order = np.lexsort((times, series))
    gaps = np.diff(times[order])[np.diff(series[order]) == 0]
    if kind == "ou":
        return coder, codes, Series.of(kind, coder.levels, series, times, float(np.median(gaps)), clock)
    clock = replace(clock, origin=float(times.min()), step=_step(gaps, written), whole=True)
    # series may begin anywhere: only the gaps within them count
    steps = np.round((times - clock.origin) / clock.step)
    return coder, codes, Series.of(kind, coder.levels, series, steps, 1.0, clock)


def _written(kind: str, columns: Sequence[str]) -> str:
    return f"{kind}({columns[-1]}{' | ' if len(columns) > 1 else ''}{':'.join(columns[:-1])})"


def _clock(column: pd.Series, kind: str) -> Clock:
    """Find out how a column is read as times."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return Clock("categories", categories=tuple(map(str, column.cat.categories)))
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return Clock("dates")
    if is_text(column) or not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype == bool:
        name = str(column.name)
        raise DataError(
            f"The times of {kind}() must be numbers, dates or ordered categories; {name!r} holds {column.dtype} "
            f"values. For dates use data[{name!r}] = pd.to_datetime(data[{name!r}]); for names of periods make it a "
            "pd.Categorical in the order of time, whose categories count as steps."
        )
    return Clock("numbers")


def _times(column: pd.Series, clock: Clock, error: type[GLMMError]) -> Array:
    """Read times as numbers, before the clock's origin and step are taken into account."""
    if clock.kind == "categories":
        place = pd.Index(clock.categories).get_indexer(column.astype(str))
        if (place < 0).any():
            raise error(f"{column.name!r}: {column[place < 0].iloc[0]!r} is not one of the categories of time.")
        return place.astype(float)
    try:
        if clock.kind == "dates":
            days = pd.to_datetime(column)
            return (days - pd.Timestamp(0, tz=days.dt.tz)).dt.total_seconds().to_numpy(dtype=float) / 86400.0
        return column.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise error(f"{column.name!r} held {clock.kind} in the fit and holds {column.iloc[0]!r} here.") from None


def _step(gaps: Array, written: str) -> float:
    """Return the longest step that all gaps are multiples of."""
    least = float(gaps.min())
    step = least
    for gap in np.unique(gaps):
        longer, shorter = float(gap), step
        while shorter > _WHOLE * least:
            rest = math.fmod(longer, shorter)
            longer, shorter = shorter, 0.0 if shorter - rest < _WHOLE * least else rest
        step = longer
    if least > MOST_BETWEEN * step * (1.0 + _WHOLE):
        raise DataError(
            f"{written}: the times are not equally spaced; the longest step that all gaps are multiples of is "
            f"{step:.4g}, and the nearest two times are {least / step:,.0f} steps apart. Number the times (1, 2, "
            f"...; months, not days), or use ou({written.partition('(')[2]}, which takes any distances."
        )
    return step


# ------------------------------------------------------------------ random walks


def _walks(kind: str, frame: pd.DataFrame, columns: Sequence[str]) -> tuple[LevelCoder, Codes, Spectrum]:
    """Find a level for every step from the first time to the last, in each group the same ones."""
    column = frame[columns[-1]]
    steps, found = _grid(kind, column, _written(kind, columns))
    if len(columns) == 1:
        coder = LevelCoder(tuple(columns), (steps,), np.arange(len(steps), dtype=np.int64)[:, None])
        return coder, found.astype(np.int32), walk(kind, coder.levels, len(steps))
    group, group_codes = fit_levels(frame, columns[:-1])
    each, groups = len(steps), len(group.keys)
    keys = np.column_stack([np.repeat(group.keys, each, axis=0), np.tile(np.arange(each), groups)])
    coder = LevelCoder(tuple(columns), (*group.values, steps), keys.astype(np.int64))
    codes = group_codes.astype(np.int64) * each + found
    return coder, codes.astype(np.int32), walk(kind, coder.levels, each)


def _grid(kind: str, column: pd.Series, written: str) -> tuple[pd.Index, npt.NDArray[np.int64]]:
    """Return the value of every step, and the step of each row."""
    clock = _clock(column, kind)
    times = _times(column, clock, DataError)
    if clock.kind == "categories":
        steps, place = pd.Index(column.cat.categories), times.astype(np.int64)
    else:
        distinct, first = np.unique(times, return_index=True)
        step = _step(np.diff(distinct), written) if len(distinct) > 1 else 1.0
        place = np.round((times - distinct[0]) / step).astype(np.int64)
        last = int(place.max())
        if last + 1 > MOST_STEPS:
            raise DataError(f"{written}: the times span {last:,} steps; {MOST_STEPS:,} are the most.")
        whole = np.arange(last + 1)
        if clock.kind == "dates":
            values = list(column.iloc[first[0]] + pd.to_timedelta(whole * step, unit="D").round("s"))
        elif column.dtype.kind in "iu":
            values = list(int(distinct[0]) + whole * round(step))
        else:
            values = list(distinct[0] + whole * step)
        for at in first:  # as they are in the data, to the last digit
            values[place[at]] = column.iloc[at]
        steps = pd.Index(values)
    if len(steps) < (3 if kind == "rw1" else 4):
        raise DataError(f"{written}: {len(steps)} times are too few for a random walk.")
    return level_index(steps), place


# ------------------------------------------------------------------ new rows


def with_new_levels(
    term: GroupTerm, coder: LevelCoder, frame: pd.DataFrame, codes: Codes, new: tuple[Any, ...]
) -> Structure | Series | Spectrum | None:
    """Add levels that new rows have beside those fitted to the record of how a term's levels are correlated.

    Parameters
    ----------
    term
        The term of the fit.
    coder
        Its levels.
    frame
        The new rows' grouping columns.
    codes
        Level of each row, unseen ones numbered after those of the fit.
    new
        Labels of unseen levels.

    Returns
    -------
    Structure, Series, Spectrum or None
        As of the term; series know when new levels are and which series they belong to.

    Raises
    ------
    PredictionError
        If a time is no whole number of steps from those fitted, or lies beyond the ends of a random walk.
    """
    structure, column = term.structure, term.columns[-1]
    if isinstance(structure, Spectrum) and structure.kind not in SPACE:
        ends = coder.values[-1][[0, -1]]
        raise PredictionError(
            f"{structure.kind}({column}) has effects for the steps from {ends[0]} to {ends[1]} of the groups that were "
            f"fitted, and {listed(new)} is not among them. A walk that sums to zero says nothing of what lies beyond; "
            f"ar1({column}) and ou({column}) do."
        )
    if not isinstance(structure, Series):
        return structure
    rows = frame.iloc[[int(np.argmax(codes == len(term.levels) + i)) for i in range(len(new))]]
    clock = structure.clock
    times = (_times(rows[column], clock, PredictionError) - clock.origin) / clock.step
    if clock.whole:
        between = np.abs(times - np.round(times)) > 1e-4
        if between.any():
            raise PredictionError(
                f"ar1({column}) counts in steps of {clock.step:g}, and {plain(rows[column][between].iloc[0])!r} is no "
                f"whole number of them from the times that were fitted. ou({column}) takes any time."
            )
        times = np.round(times)
    if len(term.columns) == 1:
        return structure.with_levels(new, np.zeros(len(new), dtype=np.int64), times)
    groups = np.unique(coder.keys[:, :-1], axis=0)
    of_series = LevelCoder(coder.columns[:-1], coder.values[:-1], groups)
    series, _ = match_levels(of_series, rows, term.name, allow_new=True)
    return structure.with_levels(new, series, times)


def in_new_series(term: GroupTerm) -> list[Any]:
    """List the levels of new rows that are not times of a series that was fitted."""
    structure = term.structure
    if not isinstance(structure, Series):
        return []
    fitted = set(structure.series[: structure.size])
    return [
        label
        for label, series in zip(structure.labels[structure.size :], structure.series[structure.size :], strict=True)
        if series not in fitted
    ]
