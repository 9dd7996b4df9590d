"""Which points each level's integral needs: found once on a fine lattice, at the mode and where its posterior ends.

Input: patterns of levels and places [beta, theta]. Output: `Needs`, and `Levels` laid out by them. What a pattern needs
is the widest step at which the sum over the lattice does not depend on where the lattice begins, and the stretch of it
on which the effects' conditional distribution has mass; each unit likewise. Neighbours of like needs share a lattice.
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
#: Steps of the fine lattices in one sd, of the finer and of the coarser factor, and the strides that others may have.
FINE, STRIDES = 16, (16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1)
OUTER_FINE, OUTER_STRIDES = 8, (8, 7, 6, 5, 4, 3, 2, 1)
#: Largest sd_a / sd_b.
MOST_RATIO = 10.0
#: A point of the coarser lattice that holds less than this share does not decide on the finer one.
COUNTS = 1e-3
#: Relative error that integrals of one level alone may have; of n levels, this over the root of n.
ACCURACY = 1e-3
#: Elements (rows x points) that are evaluated in one call, and by what factor neighbours may add to them for its sake.
BATCH, SHARED = 4096, 1.2
#: Lattices have a multiple of so many points: loops over them are then vectors without a rest.
ROUND = 4
#: Patterns whose fine lattices are looked at together.
TOGETHER = 2000


@dataclass(frozen=True, eq=False)
class Needs:
    """Strides and stretches on the fine lattices that patterns and units need.

    Parameters
    ----------
    stride, low, high
        (P,) of each pattern.
    outer_stride, outer_low, outer_high
        (A,) of each unit.
    middles
        Index of zero on the finer and on the coarser factor's fine lattice.
    """

    stride: Index
    low: Index
    high: Index
    outer_stride: Index
    outer_low: Index
    outer_high: Index
    middles: tuple[int, int]

    def both(self, other: Needs) -> Needs:
        """Return what satisfies two."""
        return Needs(
            np.minimum(self.stride, other.stride),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.minimum(self.outer_stride, other.outer_stride),
            np.minimum(self.outer_low, other.outer_low),
            np.maximum(self.outer_high, other.outer_high),
            self.middles,
        )

    def repeated(self, times: Index, units: bool) -> Needs:
        """Return those of patterns that are so many levels each, and of units, where these are the patterns."""
        stride, low, high = (np.repeat(need, times) for need in (self.stride, self.low, self.high))
        outer = self.outer_stride, self.outer_low, self.outer_high
        if units:
            outer = np.repeat(outer[0], times), np.repeat(outer[1], times), np.repeat(outer[2], times)
        return Needs(stride, low, high, *outer, self.middles)


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


def choose_points(patterns: Patterns, places: Sequence[tuple[Array, float]]) -> Needs | None:
    """Find what points all integrals need.

    Parameters
    ----------
    patterns
        The levels.
    places
        Positions (p + d,) [beta, theta] at which the integrals must be accurate, each with by how many times more than
        `tolerance` they may be off there.

    Returns
    -------
    Needs or None
        None where a level's conditional distribution is too narrow for the fine lattice, or too far out, or where the
        finer factor's sd is so small beside the coarser one's that its lattice would have thousands of points.
    """
    nested = len(patterns.sds) > 1
    ratio = max(_ratio(patterns, x) for x, _ in places)
    if not ratio <= MOST_RATIO:
        return None
    reach = int(np.ceil(FINE * REACH * np.hypot(1.0, ratio)))
    t = np.arange(-reach, reach + 1) / FINE
    far = int(OUTER_FINE * REACH)
    s = np.arange(-far, far + 1) / OUTER_FINE if nested else np.zeros(1)
    needs: Needs | None = None
    for x, slack in places:
        found = _needs_at(x, slack, patterns, t, s)
        if found is None:
            return None
        needs = found if needs is None else needs.both(found)
    return needs


def _needs_at(x: Array, slack: float, patterns: Patterns, t: Array, s: Array) -> Needs | None:
    """Return what one place asks for; None where the fine lattice does not do."""
    z = t - _ratio(patterns, x) * s[:, None]
    kernel = np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * FINE)
    parts = []
    for first, last in _chunks(patterns):
        logs = _log_likelihoods(x, patterns, patterns.units[first], patterns.units[last], t)
        parts.append(_part(logs, slack, first, last, patterns, kernel, s))
        if parts[-1] is None:
            return None
    fields = list(zip(*[part for part in parts if part], strict=True))
    stride, low, high, outer_stride, outer_low, outer_high = (np.concatenate(values) for values in fields)
    return Needs(stride, low, high, outer_stride, outer_low, outer_high, (len(t) // 2, len(s) // 2))


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
    """Return the needs of some units, as the fields of `Needs`."""
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
    exact, share = np.exp(inner - top), share[owner]
    # of the coarser lattice every other point is enough
    stride = _strides(like, kernel[::2], exact[:, ::2], share[:, ::2], allowed)
    with np.errstate(divide="ignore", invalid="ignore"):
        pulled = np.where(share > 0.0, share / exact, 0.0)
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


def _strides(like: Array, kernel: Array, exact: Array, share: Array, allowed: float) -> Index:
    """Return, per pattern, the widest stride at which the sum over the lattice does not depend on its beginning."""
    chosen = np.zeros(len(like), dtype=np.int64)
    middle = kernel.shape[1] // 2
    for stride in STRIDES:
        left = np.flatnonzero(chosen == 0)
        if not len(left):
            break
        if stride == 1:
            # half a step is not there to compare with: two steps must have been nearly enough
            chosen[left[_phases(left, 2, like, kernel, exact, share, middle) < np.sqrt(allowed)]] = 1
            break
        chosen[left[_phases(left, stride, like, kernel, exact, share, middle) < allowed]] = stride
    return chosen


def _phases(rows: Index, stride: int, like: Array, kernel: Array, exact: Array, share: Array, middle: int) -> Array:
    """Return the largest relative error of a lattice's sum, at its beginning and half a step further."""
    worst, decides, exact = np.zeros(len(rows)), share[rows] > COUNTS, exact[rows]
    for phase in (0, stride // 2):
        own = slice((middle + phase) % stride, None, stride)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.abs(stride * (like[rows, own] @ kernel[:, own].T) / exact - 1.0)
        worst = np.maximum(worst, np.where(decides, off, 0.0).max(axis=1))
    return worst


def _outer_strides(logs: Array, allowed: float) -> Index:
    """Return, per unit, the widest stride for the coarser factor's points."""
    chosen = np.zeros(len(logs), dtype=np.int64)
    terms = np.exp(logs - logs.max(axis=1, keepdims=True))
    total, middle = terms.sum(axis=1), terms.shape[1] // 2
    for stride in OUTER_STRIDES:
        own = max(stride, 2)
        phases = [terms[:, (middle + phase) % own :: own].sum(axis=1) * own / total for phase in (0, own // 2)]
        worst = np.abs(np.array(phases) - 1.0).max(axis=0)
        chosen[(chosen == 0) & (worst < (allowed if stride > 1 else np.sqrt(allowed)))] = stride
    return chosen


def lay_out(patterns: Patterns, needs: Needs) -> Levels:
    """Turn needs into points: of each batch one stretch of a lattice for the finer factor, one for the coarser.

    Parameters
    ----------
    patterns
        The levels.
    needs
        Theirs.

    Returns
    -------
    Levels
        The points; beta does not grow with the sds.
    """
    first_patterns, rows, nested = patterns.units[:-1], np.diff(patterns.rows), len(patterns.sds) > 1
    stride = np.minimum.reduceat(needs.stride, first_patterns)
    edges = _batches(np.add.reduceat(rows * (needs.high - needs.low), first_patterns), stride)
    units, pieces = edges[:-1], patterns.units[edges]
    stride, count = np.minimum.reduceat(stride, units), np.diff(pieces)
    own = _stretches(needs.low, needs.high, np.repeat(stride, count), needs.middles[0], ROUND)
    inner, t = _lattices(own, pieces[:-1], stride / FINE)
    outer, s, s_stride = np.array([[0], [1]]) * np.ones_like(units), np.zeros(1), np.full_like(units, OUTER_FINE)
    if nested:
        s_stride = np.minimum.reduceat(needs.outer_stride, units)
        each = np.repeat(s_stride, np.diff(edges))
        stretches = _stretches(needs.outer_low, needs.outer_high, each, needs.middles[1], 1)
        outer, s = _lattices(stretches, units, s_stride / OUTER_FINE)
    own[0] -= np.repeat(np.minimum.reduceat(own[0], pieces[:-1]), count)
    elements, n_t, n_s = np.add.reduceat(rows * own[1], pieces[:-1]), inner[1], outer[1]
    largest = [each.max() for each in (elements, count * n_t, count * n_s, n_s * n_t, count)]
    none = np.zeros(len(patterns.sds))
    return Levels(
        patterns.sds, patterns.rows, patterns.multiplicity, patterns.units, edges, own, inner, outer,
        t, stride / FINE, s, s_stride / OUTER_FINE, none, none, np.array(largest, dtype=np.int64),
    )  # fmt: skip


def _batches(elements: Index, stride: Index) -> Index:
    """Return the first unit of each batch, and the number of units: neighbours that need steps alike."""
    edges, total, alone, smallest = [0], 0, 0.0, int(stride[0])
    for u, (size, own) in enumerate(zip(elements.tolist(), stride.tolist(), strict=True)):
        joint = (total + size) / min(smallest, own)
        if total and (joint > BATCH or joint > SHARED * (alone + size / own)):
            edges.append(u)
            total, alone, smallest = 0, 0.0, own
        total, alone, smallest = total + size, alone + size / own, min(smallest, own)
    return np.array([*edges, len(elements)], dtype=np.int64)


def _stretches(low: Index, high: Index, stride: Index, middle: int, multiple: int) -> Index:
    """Turn stretches of a fine lattice into those of others: first points, from the middle, and counts (2, ...)."""
    first, last = (low - middle) // stride, -((middle - high) // stride)
    return np.array([first, -(-(last - first + 1) // multiple) * multiple])


def _lattices(stretches: Index, starts: Index, step: Array) -> tuple[Index, Array]:
    """Return first and count of the points that each batch has, (2, B), and all points."""
    first, end = np.minimum.reduceat(stretches[0], starts), np.maximum.reduceat(stretches.sum(axis=0), starts)
    points = [np.arange(a, b) * width for a, b, width in zip(first, end, step, strict=True)]
    return np.array([np.cumsum(end - first) - (end - first), end - first]), np.concatenate(points)
