"""Which models have levels whose effects are integrated out one by one, and which of their levels are alike.

Input: the arrays of a model. Output: `Patterns`, or the reason there are none. Levels of the finest factor that have
the same rows, and lie in the same level of the coarser factor where there is one, have the same integral.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.pack import Packed

Index = npt.NDArray[np.int64]

#: Fewer levels than these are left to the coordinates of the Laplace fit.
MANY_LEVELS = 50
#: Levels of a coarser factor from which on no Laplace fit is made.
MANY_UNITS = 500


@dataclass(frozen=True, eq=False)
class Patterns:
    """Levels grouped by their rows.

    Parameters
    ----------
    data
        The rows of one level of each pattern, pattern by pattern, as a model without groups; theta's table is whole.
    sds
        Element of theta that is the sd of the finer factor, and of the coarser one where there is one.
    rows
        (P + 1,) first row of each pattern.
    multiplicity
        (P,) how many levels have the pattern.
    units
        (A + 1,) first pattern of each unit: of each level of the coarser factor, else of each pattern.
    levels
        Levels of the finer factor, sorted by pattern; those without rows are left out.
    coarser
        (A,) the units' levels of the coarser factor; empty where there is none.
    """

    data: KernelData
    sds: Index
    rows: Index
    multiplicity: Index
    units: Index
    levels: Index
    coarser: Index


def why_not_integrated(packed: Packed) -> str | None:
    """Say why levels' effects of a model are not integrated out one by one.

    Parameters
    ----------
    packed
        The model.

    Returns
    -------
    str or None
        The reason in words; None where they can be.
    """
    data = packed.data
    n_terms = data.terms.shape[1]
    if len(data.predictors) > 1:
        return "rows have several linear predictors"
    if n_terms not in (1, 2) or int(data.sizes[layout.N_ROWS]) == 0:
        return "there are neither one nor two grouping factors"
    first_z = int(data.sizes[layout.N_BETA])
    if data.y.shape[1] > 1:
        return "more is known of a row than its response"
    if np.any(data.terms[layout.COEFS] != 1) or not np.all(data.ones[first_z:]):
        return "levels have other effects than intercepts"
    if not packed.log_concave:
        return "the density may have several modes given theta"
    if n_terms == 2 and _parents(data) is None:
        return "the factors are crossed"
    return None


def has_many_levels(data: KernelData) -> bool:
    """Say whether there are so many levels that their shapes matter, more than theta's tails.

    Parameters
    ----------
    data
        A model that `why_not_integrated` has nothing against.

    Returns
    -------
    bool
        Whether the finer factor has at least `MANY_LEVELS`.
    """
    return int(data.terms[layout.LEVELS, 0]) >= MANY_LEVELS


def has_many_units(data: KernelData) -> bool:
    """Say whether the coarser factor has so many levels that a Laplace fit is too much work.

    Parameters
    ----------
    data
        A model that `why_not_integrated` has nothing against.

    Returns
    -------
    bool
        Whether it has at least `MANY_UNITS`: its dense matrix would be factorized at every step.
    """
    return data.terms.shape[1] > 1 and int(data.terms[layout.LEVELS, 1]) >= MANY_UNITS


def _parents(data: KernelData) -> Index | None:
    """Return (levels,) the coarser factor's level of each level of the finer, -1 for no row; None where crossed."""
    parents = np.full(int(data.terms[layout.LEVELS, 0]), -1, dtype=np.int64)
    parents[data.codes[0]] = data.codes[1]
    return parents if np.array_equal(parents[data.codes[0]], data.codes[1]) else None


def find_patterns(packed: Packed) -> Patterns:
    """Group the levels of a model by their rows.

    Parameters
    ----------
    packed
        A model that `why_not_integrated` has nothing against.

    Returns
    -------
    Patterns
        Units in the order of their levels, patterns in the order of their units.
    """
    data = packed.data
    nested = data.terms.shape[1] == 2
    parents = _parents(data) if nested else np.zeros(len(data.segments) - 1, dtype=np.int64)
    assert parents is not None
    columns = np.vstack([data.X, data.offset, data.y.T, data.counts])
    kinds = np.unique(columns.T, axis=0, return_inverse=True)[1].reshape(-1)
    sizes, found = np.diff(data.segments), []
    for size in np.unique(sizes[sizes > 0]):
        own = np.flatnonzero(sizes == size)
        rows = data.segments[own][:, None] + np.arange(size)
        key = np.column_stack([parents[own], np.sort(kinds[rows], axis=1)])
        _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
        found.append((own, own[first][inverse.reshape(-1)]))
    level, alike = (np.concatenate(parts) for parts in zip(*found, strict=True))  # each level, and the first like it
    order = np.lexsort((level, alike, parents[level]))
    level, alike = level[order], alike[order]
    starts = np.flatnonzero(np.diff(alike, prepend=-1))
    shown = alike[starts]
    rows = np.concatenate([np.arange(data.segments[j], data.segments[j + 1]) for j in shown])
    patterns = len(shown)
    units = np.flatnonzero(np.diff(parents[shown], prepend=-1)) if nested else np.arange(patterns)
    return Patterns(
        _rows_alone(data, rows),
        data.terms[layout.THETA_START].copy(),
        np.concatenate([[0], np.cumsum(sizes[shown])]).astype(np.int64),
        np.diff(starts, append=len(level)).astype(np.int64),
        np.append(units, patterns).astype(np.int64),
        level.astype(np.int64),
        (parents[shown][units] if nested else np.zeros(0)).astype(np.int64),
    )


def each_level(patterns: Patterns) -> Patterns:
    """Give every level a pattern of its own.

    Parameters
    ----------
    patterns
        Levels grouped by their rows.

    Returns
    -------
    Patterns
        The levels in the same order, rows repeated.
    """
    times, sizes = patterns.multiplicity, np.diff(patterns.rows)
    own = np.repeat(np.arange(len(times)), times)
    rows = np.concatenate([np.arange(patterns.rows[p], patterns.rows[p + 1]) for p in own])
    ends, last = np.cumsum(times), patterns.units[1:] - 1
    units = ends[last] if len(patterns.coarser) else np.arange(1, len(own) + 1)
    return replace(
        patterns,
        data=_rows_alone(patterns.data, rows),
        rows=np.concatenate([[0], np.cumsum(sizes[own])]).astype(np.int64),
        multiplicity=np.ones(len(own), dtype=np.int64),
        units=np.concatenate([[0], units]).astype(np.int64),
    )


def _rows_alone(data: KernelData, rows: Index) -> KernelData:
    """Return some rows as a model without groups, whose theta keeps the groups' sds."""
    sizes = data.sizes.copy()
    sizes[[layout.N_ROWS, layout.N_TERMS, layout.N_U]] = len(rows), 0, 0
    return data._replace(
        sizes=sizes,
        terms=np.zeros((6, 0), dtype=np.int64),
        ones=data.ones[: int(data.sizes[layout.N_BETA])].copy(),
        codes=np.zeros((0, len(rows)), dtype=np.int32),
        X=np.ascontiguousarray(data.X[:, rows]),
        Z=np.zeros((0, len(rows))),
        offset=data.offset[rows],
        y=data.y[rows],
        counts=data.counts[rows],
        segments=np.zeros(1, dtype=np.int64),
        channels=data.channels[: int(data.sizes[layout.N_BETA])].copy(),
    )
