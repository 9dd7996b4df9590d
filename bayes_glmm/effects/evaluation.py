"""How every effect is computed: counterfactual copies of rows, combined per posterior draw, summarised last.

Input: a `RowPredictor` at copies of the same rows, and the contrasts of these copies. Output: draws, or their posterior
mean, sd and interval, row by row or averaged over rows. Rows that cannot differ are computed once, and rows are worked
through in chunks, so memory does not grow with rows x draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bayes_glmm.design.frame import distinct_rows
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.expected import RowPredictor
from bayes_glmm.predict.pieces import chunks, piecewise

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Combine = Callable[..., Array]
_DENSE_AVERAGES = 32  # up to so many averages one dense product is faster than a sparse one


@dataclass(frozen=True)
class Contrast:
    """One thing to compute from the copies of a row.

    Parameters
    ----------
    term, label
        What is compared and how, for the table: ``"period"``, ``"2 - 1"``; both empty for a plain prediction.
    copies
        The copies it needs, in the order `combine` takes them.
    combine
        Expected responses of these copies, each (S, rows), to the quantity.
    category
        For ordered responses: the category whose probability is meant, as a position and its label.
    """

    term: str
    label: str
    copies: tuple[int, ...]
    combine: Combine
    category: tuple[int, str] | None = None

    def of(self, parts: Sequence[Array], *steps: Array) -> Array:
        """Combine the copies it needs.

        Parameters
        ----------
        parts
            Every copy: (S, rows), or (S, rows, categories) for ordered responses.
        *steps
            (rows,) what `combine` takes last, where it takes one.

        Returns
        -------
        numpy.ndarray
            (S, rows).
        """
        needed = [parts[copy] for copy in self.copies]
        if self.category is not None:
            needed = [part[..., self.category[0]] for part in needed]
        return self.combine(*needed, *steps)


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """Copies of the same rows, and the contrasts between them.

    Parameters
    ----------
    predictor
        Predictor at all copies; row i of copy c is its row c * rows + i.
    rows
        Number of rows of one copy.
    contrasts
        What to compute.
    steps
        (rows,) how far apart a row's copies are, which the contrasts take; None where they take none.
    """

    predictor: RowPredictor
    rows: int
    contrasts: tuple[Contrast, ...]
    steps: Array | None = None

    @property
    def copies(self) -> int:
        """Number of copies."""
        return self.predictor.rows // self.rows

    @property
    def size(self) -> int:
        """How many numbers one row needs: draws x copies, x categories for ordered responses."""
        return math.prod((self.predictor.draws.size, self.copies, *self.predictor.shape))

    def parts(self, rows: Rows) -> list[Array]:
        """Compute every copy at the rows given.

        Parameters
        ----------
        rows
            Positions in one copy.

        Returns
        -------
        list of numpy.ndarray
            One (S, rows) array a copy, (S, rows, categories) for ordered responses, from one call: copies of a row
            share quadrature nodes and new levels' draws.
        """
        positions = np.concatenate([rows + copy * self.rows for copy in range(self.copies)])
        return np.split(self.predictor.values(positions), self.copies, axis=1)

    def contrasted(self, rows: Rows) -> list[Array]:
        """Compute every contrast at the rows given.

        Parameters
        ----------
        rows
            Positions in one copy.

        Returns
        -------
        list of numpy.ndarray
            One (S, rows) array a contrast.
        """
        parts = self.parts(rows)
        steps = () if self.steps is None else (self.steps[rows],)
        return [contrast.of(parts, *steps) for contrast in self.contrasts]

    def taking(self, part: Rows) -> Counterfactuals:
        """Keep some of the posterior draws.

        Parameters
        ----------
        part
            Positions of the draws, ascending.

        Returns
        -------
        Counterfactuals
            The same rows and contrasts.
        """
        return replace(self, predictor=self.predictor.taking(part))

    def pieces(self, rows: int) -> list[tuple[Rows, Rows]]:
        """Split the work so that a (draw, row) array of one piece stays small.

        Parameters
        ----------
        rows
            How many rows there are of every copy.

        Returns
        -------
        list of tuple
            Positions of draws and of rows: all draws of some rows, or, where random effects are averaged over, some
            draws of all rows, since the averages of many rows cost less than those of many draws.
        """
        size = self.predictor.draws.size
        if not self.predictor.averaged:
            return [(np.arange(size), chunk) for chunk in chunks(rows, self.size)]
        return [
            (draws, chunk)
            for chunk in chunks(rows, self.size // size)
            for draws in chunks(size, self.size // size * len(chunk))
        ]

    def distinct(self) -> tuple[Rows, Rows]:
        """Find the rows whose copies are all equal.

        Returns
        -------
        first : numpy.ndarray
            Position of the first row of every kind.
        kind : numpy.ndarray
            (rows,) the kind of every row.
        """
        keys = self.predictor.keys().reshape(self.copies, self.rows, -1)
        columns = np.moveaxis(keys, 0, 1).reshape(self.rows, -1)
        columns = columns if self.steps is None else np.column_stack([columns, self.steps])
        return distinct_rows(columns)

    def in_order(self) -> tuple[Rows, Rows]:
        """Return `distinct` with the rows together that share work.

        Returns
        -------
        first, kind : numpy.ndarray
            As of `distinct`. The rows of a level of the largest factor lie together: a chunk gathers the effects of few
            levels, and draws few new ones. Where random effects are averaged over, those of one variance: they share a
            table of the averages.
        """
        first, kind = self.distinct()
        read = self.predictor.read
        if self.predictor.averaged:
            order = np.lexsort(self.predictor.design.kinds[1].reshape(self.copies, self.rows)[:, first])
        elif read:
            order = np.argsort(max(read, key=lambda term: len(term.levels)).codes[first], kind="stable")
        else:
            return first, kind
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return first[order], place[kind]


@dataclass(frozen=True, eq=False)
class Summary:
    """Posterior mean, sd and equal-tailed interval of many quantities.

    Parameters
    ----------
    estimate, sd, lower, upper
        One array each, any shape.
    """

    estimate: Array
    sd: Array
    lower: Array
    upper: Array


def summarise(draws: Array, ci_prob: float) -> Summary:
    """Summarise draws along the first axis.

    Parameters
    ----------
    draws
        (S, ...).
    ci_prob
        Probability of the equal-tailed interval.

    Returns
    -------
    Summary
        Arrays of shape (...).
    """
    tail, ddof = (1 - ci_prob) / 2, min(1, len(draws) - 1)
    with np.errstate(invalid="ignore"):  # infinite draws have no sd
        lower, upper = np.quantile(draws, [tail, 1 - tail], axis=0)
        return Summary(draws.mean(axis=0), draws.std(axis=0, ddof=ddof), lower, upper)


def rowwise_summary(copies: Counterfactuals, ci_prob: float) -> Summary:
    """Summarise every contrast at every row.

    Parameters
    ----------
    copies
        The rows and contrasts.
    ci_prob
        Probability of the interval.

    Returns
    -------
    Summary
        Arrays of shape (contrasts, rows).
    """
    first, kind = copies.distinct()
    result = np.empty((4, len(copies.contrasts), len(first)))

    def summaries(chunk: Rows) -> Array:
        pieces = [summarise(values, ci_prob) for values in copies.contrasted(first[chunk])]
        return np.stack(
            [[p.estimate for p in pieces], [p.sd for p in pieces], [p.lower for p in pieces], [p.upper for p in pieces]]
        )

    for chunk, piece in piecewise(summaries, list(chunks(len(first), copies.size))):
        result[:, :, chunk] = piece
    expanded = result[:, :, kind]
    return Summary(*expanded)


def rowwise_draws(copies: Counterfactuals) -> Array:
    """Compute the draws of every contrast at every row, all in memory.

    Parameters
    ----------
    copies
        The rows and contrasts.

    Returns
    -------
    numpy.ndarray
        (S, contrasts, rows).
    """
    first, kind = copies.distinct()
    result = np.empty((copies.predictor.draws.size, len(copies.contrasts), len(first)))
    for chunk in chunks(len(first), copies.size):
        for position, values in enumerate(copies.contrasted(first[chunk])):
            result[:, position, chunk] = values
    return result[:, :, kind]


def averaged_draws(copies: Counterfactuals, groups: Rows, weights: Array, average: str) -> Array:
    """Average over the rows of each group, per draw.

    Parameters
    ----------
    copies
        The rows and contrasts.
    groups
        (rows,) which average a row belongs to: 0, 1, ..., G - 1.
    weights
        (rows,) how much a row counts; the weights of every average are divided by their sum.
    average
        ``"predictions"``: average the copies' predictions, then combine them. ``"effects"``: combine them row by row,
        then average.

    Returns
    -------
    numpy.ndarray
        (S, contrasts, G).

    Raises
    ------
    PredictionError
        If the weights of an average are all zero.
    """
    first, kind = copies.in_order()
    count = int(groups.max()) + 1
    total_weight = np.bincount(groups, weights, minlength=count)
    if not np.all(total_weight > 0):
        raise PredictionError("weights: all rows of an average have weight zero.")
    share = sparse.csr_array((weights / total_weight[groups], (groups, kind)), shape=(count, len(first))).tocsc()
    by_row = average == "effects"
    size, shape = copies.predictor.draws.size, () if by_row else copies.predictor.shape

    def sums(piece: tuple[Rows, Rows]) -> list[Array]:
        draws, chunk = piece
        some = copies.taking(draws)
        parts = some.contrasted(first[chunk]) if by_row else some.parts(first[chunk])
        return [_weighted_sums(part, share[:, chunk]) for part in parts]

    total = np.zeros((len(copies.contrasts) if by_row else copies.copies, size, count, *shape))
    for (draws, _), piece in piecewise(sums, copies.pieces(len(first))):
        total[:, draws] += piece
    if by_row:
        return np.moveaxis(total, 0, 1)
    return np.stack([contrast.of(list(total)) for contrast in copies.contrasts], axis=1)


def _weighted_sums(part: Array, share: sparse.csc_array) -> Array:
    """Sum over rows for every average: (S, rows, ...) and (averages, rows) to (S, averages, ...)."""
    if part.ndim == 2 and share.shape[0] <= _DENSE_AVERAGES:
        return np.asarray(part @ share.toarray().T)
    sums = share @ np.moveaxis(part, 1, 0).reshape(part.shape[1], -1)
    return np.moveaxis(sums.reshape(share.shape[0], len(part), *part.shape[2:]), 0, 1)
