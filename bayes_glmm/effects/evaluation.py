"""How every effect is computed: counterfactual copies of rows, combined per posterior draw, summarised last.

Input: a `RowPredictor` at copies of the same rows, and the contrasts of these copies. Output: draws, or their posterior
mean, sd and interval, row by row or averaged over rows. Rows that cannot differ are computed once, and rows are worked
through in chunks, so memory does not grow with rows x draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from bayes_glmm.predict.expected import RowPredictor, chunks

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Combine = Callable[..., Array]


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

    def of(self, parts: Sequence[Array]) -> Array:
        """Combine the copies it needs.

        Parameters
        ----------
        parts
            Every copy: (S, rows), or (S, rows, categories) for ordered responses.

        Returns
        -------
        numpy.ndarray
            (S, rows).
        """
        needed = [parts[copy] for copy in self.copies]
        return self.combine(*(needed if self.category is None else [part[..., self.category[0]] for part in needed]))


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
    """

    predictor: RowPredictor
    rows: int
    contrasts: tuple[Contrast, ...]

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
        varying = columns[:, np.any(columns != columns[:1], axis=0)]
        kind = np.zeros(self.rows, dtype=np.intp)
        count = 1
        for column in varying.T:
            kind, uniques = pd.factorize(kind * np.intp(self.rows + 1) + pd.factorize(column)[0])
            count = len(uniques)
        first = np.full(count, self.rows, dtype=np.intp)
        np.minimum.at(first, kind, np.arange(self.rows))
        return first, kind


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
    tail = (1 - ci_prob) / 2
    lower, upper = np.quantile(draws, [tail, 1 - tail], axis=0)
    ddof = min(1, len(draws) - 1)
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
    for chunk in chunks(len(first), copies.size):
        parts = copies.parts(first[chunk])
        for position, contrast in enumerate(copies.contrasts):
            piece = summarise(contrast.of(parts), ci_prob)
            result[:, position, chunk] = (piece.estimate, piece.sd, piece.lower, piece.upper)
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
        parts = copies.parts(first[chunk])
        for position, contrast in enumerate(copies.contrasts):
            result[:, position, chunk] = contrast.of(parts)
    return result[:, :, kind]


def averaged_draws(copies: Counterfactuals, groups: Rows, average: str) -> Array:
    """Average over the rows of each group, per draw.

    Parameters
    ----------
    copies
        The rows and contrasts.
    groups
        (rows,) which average a row belongs to: 0, 1, ..., G - 1.
    average
        ``"predictions"``: average the copies' predictions, then combine them. ``"effects"``: combine them row by row,
        then average.

    Returns
    -------
    numpy.ndarray
        (S, contrasts, G).
    """
    first, kind = copies.distinct()
    count = int(groups.max()) + 1
    share = 1.0 / np.bincount(groups, minlength=count)[groups]
    weights = sparse.csr_array((share, (groups, kind)), shape=(count, len(first))).tocsc()
    by_row = average == "effects"
    size, shape = copies.predictor.draws.size, () if by_row else copies.predictor.shape
    total = np.zeros((len(copies.contrasts) if by_row else copies.copies, size, count, *shape))
    for chunk in chunks(len(first), copies.size):
        parts = copies.parts(first[chunk])
        if by_row:
            parts = [contrast.of(parts) for contrast in copies.contrasts]
        for output, part in enumerate(parts):
            sums = weights[:, chunk] @ np.moveaxis(part, 1, 0).reshape(len(chunk), -1)
            total[output] += np.moveaxis(sums.reshape(count, size, *shape), 0, 1)
    if by_row:
        return np.moveaxis(total, 0, 1)
    return np.stack([contrast.of(list(total)) for contrast in copies.contrasts], axis=1)
