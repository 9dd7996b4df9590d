"""Which points each level's integral needs: found once on a fine lattice, at the mode and where its posterior ends.

Input: patterns of levels and places [beta, theta]. Output: `Levels`. Each pattern gets the widest step at which the sum
over the lattice does not depend on where the lattice begins, and the stretch of it on which the effects' conditional
distribution has mass; each unit likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.level_patterns import Patterns
from bayes_glmm.engine.level_points import Levels
from bayes_glmm.engine.run import log_likelihoods
from bayes_glmm.engine.unpack import constrained, last_parameters

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: Reach of the lattices in sds of an effect.
REACH = 7.0
#: Steps of the fine lattice in one sd, and the strides that coarser lattices may have.
FINE, STRIDES = 16, np.array([16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1])
#: Largest sd_a / sd_b.
MOST_RATIO = 10.0
#: A point of the coarser lattice that holds less than this share does not decide on the finer one.
COUNTS = 1e-3
#: Relative error that integrals of one level alone may have; of n levels, this over the root of n.
ACCURACY = 3e-4
#: Elements (rows x points) that are evaluated in one call.
BATCH = 512
#: Patterns whose fine lattices are looked at together.
TOGETHER = 2000


@dataclass(frozen=True, eq=False)
class _Needs:
    """What places asked for so far: strides and stretches on the fine lattices, per pattern and unit."""

    stride: Index  # (P,)
    low: Index  # (P,)
    high: Index  # (P,)
    outer_stride: Index  # (A,)
    outer_low: Index  # (A,)
    outer_high: Index  # (A,)

    def both(self, other: _Needs) -> _Needs:
        """Return what satisfies two."""
        return _Needs(
            np.minimum(self.stride, other.stride),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.minimum(self.outer_stride, other.outer_stride),
            np.minimum(self.outer_low, other.outer_low),
            np.maximum(self.outer_high, other.outer_high),
        )


def tolerance(patterns: Patterns) -> float:
    """Return the relative error that one level's integral may have.

    Parameters
    ----------
    patterns
        The levels.

    Returns
    -------
    float
        Errors of n levels add up, and the posterior's sds fall with the root of n: their product stays the same, some
        thousandths of a posterior sd.
    """
    return ACCURACY / float(np.sqrt(len(patterns.levels)))


def _ratio(patterns: Patterns, x: Array) -> float:
    if len(patterns.sds) == 1:
        return 0.0
    data, first = patterns.data, int(patterns.data.sizes[layout.N_BETA])
    finer, coarser = (float(constrained(data.theta_table[i], x[first + i])) for i in patterns.sds)
    return coarser / finer


def choose_points(patterns: Patterns, places: Sequence[tuple[Array, float]]) -> Levels | None:
    """Choose the points of all integrals.

    Parameters
    ----------
    patterns
        The levels.
    places
        Positions (p + d,) [beta, theta] at which the integrals must be accurate, each with by how many times more than
        `tolerance` they may be off there.

    Returns
    -------
    Levels or None
        None where a level's conditional distribution is too narrow for the fine lattice, or too far out, or where the
        finer factor's sd is so small beside the coarser one's that its lattice would have thousands of points.
    """
    nested = len(patterns.sds) > 1
    ratio = max(_ratio(patterns, x) for x, _ in places)
    if not ratio <= MOST_RATIO:
        return None
    reach = int(np.ceil(FINE * REACH * np.hypot(1.0, ratio)))
    t = np.arange(-reach, reach + 1) / FINE
    s = np.arange(-int(FINE * REACH), int(FINE * REACH) + 1) / FINE if nested else np.zeros(1)
    needs: _Needs | None = None
    for x, slack in places:
        found = _needs_at(x, slack, patterns, t, s)
        if found is None:
            return None
        needs = found if needs is None else needs.both(found)
    assert needs is not None
    return _levels(patterns, needs, t, s)


def _needs_at(x: Array, slack: float, patterns: Patterns, t: Array, s: Array) -> _Needs | None:
    """Return what one place asks for; None where the fine lattice does not do."""
    z = t - _ratio(patterns, x) * s[:, None]
    kernel = np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * FINE)
    parts = []
    for first, last in _chunks(patterns):
        logs = _log_likelihoods(x, patterns, patterns.units[first], patterns.units[last], t)
        parts.append(_part(logs, slack, first, last, patterns, kernel, s))
        if parts[-1] is None:
            return None
    return _Needs(*(np.concatenate(values) for values in zip(*[part for part in parts if part], strict=True)))


def _log_likelihoods(x: Array, patterns: Patterns, start: int, end: int, t: Array) -> Array:
    """Return log L_p at the points t of the patterns start..end, (patterns, points)."""
    data, rows = patterns.data, slice(patterns.rows[start], patterns.rows[end])
    n_beta, n_auxiliary = int(data.sizes[layout.N_BETA]), int(data.sizes[layout.N_AUXILIARY])
    i = int(patterns.sds[0])
    sd = float(constrained(data.theta_table[i], x[n_beta + i]))
    f = data.offset[rows] + x[:n_beta] @ data.X[:, rows]
    parameters = np.full(n_auxiliary + 2, np.inf)
    last = slice(len(x) - n_auxiliary, None)
    parameters[:n_auxiliary] = last_parameters(data.theta_table[len(data.theta_table) - n_auxiliary :], x[last])
    y, counts = data.y[rows], data.counts[rows, None]
    each = log_likelihoods(int(data.sizes[layout.ROWS_ADDRESS]), f[:, None] + sd * t, y, counts, parameters)
    return np.add.reduceat(each, patterns.rows[start:end] - patterns.rows[start], axis=0)


def _chunks(patterns: Patterns) -> Iterator[tuple[int, int]]:
    """Yield first and last units of pieces of not many patterns."""
    first = 0
    while first < len(patterns.units) - 1:
        last = int(np.searchsorted(patterns.units, patterns.units[first] + TOGETHER, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def _part(
    logs: Array, slack: float, first: int, last: int, patterns: Patterns, kernel: Array, s: Array
) -> tuple[Index, ...] | None:
    """Return the needs of some units, as the fields of `_Needs`."""
    start, end = patterns.units[first], patterns.units[last]
    units, m = patterns.units[first:last] - start, patterns.multiplicity[start:end]
    allowed = slack * tolerance(patterns)
    top = logs.max(axis=1, keepdims=True)
    like = np.exp(logs - top)
    with np.errstate(divide="ignore"):
        inner = np.log(like @ kernel.T) + top
    outer = np.add.reduceat(m[:, None] * inner, units, axis=0)
    if len(s) > 1:
        outer -= 0.5 * s * s
    share = np.exp(outer - outer.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    outer_stride = np.ones(len(units), dtype=np.int64)
    outer_low, outer_high = _stretch(share, 0.1 * allowed)
    if len(s) > 1:
        outer_stride = _outer_strides(outer, slack * ACCURACY / np.sqrt(len(patterns.units)))
    owner = np.repeat(np.arange(len(units)), np.diff(np.append(units, len(m))))
    stride = _strides(like, kernel, inner - top, share[owner], allowed)
    with np.errstate(divide="ignore", invalid="ignore"):
        pulled = np.where(share[owner] > 0.0, share[owner] * np.exp(top - inner), 0.0)
    low, high = _stretch(like * (pulled @ kernel), 0.1 * allowed)
    ends = (low == 0).any() or (high == kernel.shape[1] - 1).any()
    if len(s) > 1:
        ends = ends or (outer_low == 0).any() or (outer_high == len(s) - 1).any()
    if ends or (stride == 0).any() or (outer_stride == 0).any() or not np.isfinite(share).all():
        return None
    return stride, low, high, outer_stride, outer_low, outer_high


def _stretch(weights: Array, tail: float) -> tuple[Index, Index]:
    """Return, per row, the first and last point between which all but a tail on either side lies."""
    below = np.cumsum(weights, axis=1)
    total = below[:, -1:]
    low = np.sum(below < tail * total, axis=1)
    above = np.cumsum(weights[:, ::-1], axis=1)
    return low, weights.shape[1] - 1 - np.sum(above < tail * total, axis=1)


def _strides(like: Array, kernel: Array, fine: Array, share: Array, allowed: float) -> Index:
    """Return, per pattern, the widest stride at which the sum over the lattice does not depend on its beginning."""
    chosen = np.zeros(len(like), dtype=np.int64)
    middle = kernel.shape[1] // 2
    for stride in STRIDES:
        left = np.flatnonzero(chosen == 0)
        if not len(left):
            break
        if stride == 1:
            # half a step is not there to compare with: two steps must have been nearly enough
            chosen[left[_phases(left, 2, like, kernel, fine, share, middle) < np.sqrt(allowed)]] = 1
            break
        chosen[left[_phases(left, int(stride), like, kernel, fine, share, middle) < allowed]] = stride
    return chosen


def _phases(rows: Index, stride: int, like: Array, kernel: Array, fine: Array, share: Array, middle: int) -> Array:
    """Return the largest relative error of a lattice's sum, at its beginning and half a step further."""
    worst = np.zeros(len(rows))
    for phase in (0, stride // 2):
        own = slice((middle + phase) % stride, None, stride)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.abs(stride * (like[rows, own] @ kernel[:, own].T) / np.exp(fine[rows]) - 1.0)
        worst = np.maximum(worst, np.where(share[rows] > COUNTS, off, 0.0).max(axis=1))
    return worst


def _outer_strides(logs: Array, allowed: float) -> Index:
    """Return, per unit, the widest stride for the coarser factor's points."""
    chosen = np.zeros(len(logs), dtype=np.int64)
    terms = np.exp(logs - logs.max(axis=1, keepdims=True))
    total, middle = terms.sum(axis=1), terms.shape[1] // 2
    for stride in STRIDES:
        own = max(stride, 2)
        phases = [terms[:, (middle + phase) % own :: own].sum(axis=1) * own / total for phase in (0, own // 2)]
        worst = np.abs(np.array(phases) - 1.0).max(axis=0)
        chosen[(chosen == 0) & (worst < (allowed if stride > 1 else np.sqrt(allowed)))] = stride
    return chosen


def _lattices(stride: Index, low: Index, high: Index, middle: int) -> tuple[Index, Array, Array]:
    """Turn needs on a fine lattice into points: first and count of each (2, ...), the points, their steps."""
    stretches, points, steps, at = np.zeros((2, len(stride)), dtype=np.int64), [], [], 0
    for width in np.unique(stride):
        own = stride == width
        # indices of this lattice, counted from the middle
        first, last = (low[own] - middle) // width, -((middle - high[own]) // width)
        stretches[:, own] = at + first - first.min(), last - first + 1
        points.append(np.arange(first.min(), last.max() + 1) * width / FINE)
        steps.append(np.full(len(points[-1]), width / FINE))
        at += len(points[-1])
    return stretches, np.concatenate(points), np.concatenate(steps)


def _levels(patterns: Patterns, needs: _Needs, t: Array, s: Array) -> Levels:
    """Turn needs on the fine lattices into points."""
    units = np.array([[0], [1]]) * np.ones(len(patterns.units) - 1, dtype=np.int64), np.zeros(1), np.ones(1)
    if len(s) > 1:
        units = _lattices(needs.outer_stride, needs.outer_low, needs.outer_high, len(s) // 2)
    return _assemble(patterns, _lattices(needs.stride, needs.low, needs.high, len(t) // 2), units)


def _assemble(patterns: Patterns, inner: tuple[Index, Array, Array], units: tuple[Index, Array, Array]) -> Levels:
    """Make the record; units are put together until their elements fill a call."""
    nodes = inner[0]
    elements = np.diff(patterns.rows) * nodes[1]
    per_unit, points = np.add.reduceat(elements, patterns.units[:-1]), np.add.reduceat(nodes[1], patterns.units[:-1])
    filled = np.cumsum(per_unit)
    batches = [0]
    while batches[-1] < len(per_unit):
        before = filled[batches[-1] - 1] if batches[-1] else 0
        batches.append(min(int(np.searchsorted(filled, before + BATCH)) + 1, len(per_unit)))
    starts = np.array(batches[:-1])
    largest = (
        max(np.add.reduceat(per_unit, starts).max(), BATCH), np.add.reduceat(points, starts).max(),
        np.diff(patterns.units).max(),
    )  # fmt: skip
    return Levels(
        patterns.sds, patterns.rows, nodes, patterns.multiplicity, patterns.units, units[0],
        np.array(batches, dtype=np.int64), *inner[1:], *units[1:],
        np.zeros(len(patterns.sds)), np.zeros(len(patterns.sds)), np.array(largest, dtype=np.int64),
    )  # fmt: skip
