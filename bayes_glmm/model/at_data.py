"""Where default priors are stated: at the data, whatever the origin of a predictor and the coding of a factor.

Input: the columns of a design and what they are made of. Output: an `AtData`: the sd of every coefficient in units of
the linear predictor, and the linear map to the coefficients as reported.

Each term of a formula adds to what the terms within it (the constant, a product's variables, lower powers) can already
say. The prior is on that addition: X b is written as a sum of r_j g_j, r_j being what a column adds, and the g are what
has priors. For ``treat * year`` the g of treat is its effect at the mean of year, that of year the average slope, that
of treat:year the coefficient itself. The spaces that the r_j span do not move with an origin, nor with a coding, and
neither does the prior of any prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg

from bayes_glmm.design.checks import triangle
from bayes_glmm.design.terms import ColumnTerms

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Variables = frozenset[str]

#: Share of a column's length below which what others leave of it is rounding error.
_COLLINEAR = 1e-7
#: Share of a column's largest value below which its spread is.
_CONSTANT = 1e-12


@dataclass(frozen=True, eq=False)
class AtData:
    """Coefficients at the data, in units of the linear predictor.

    Parameters
    ----------
    sd
        (p,) marginal sd of each coefficient at the data: 1 for a constant and a step from one level of a factor to
        another, 1 / sd(x) for a number.
    raw_sd
        (p,) the same of each coefficient as reported, which grows with the distance of an origin.
    shift
        (p, p) coefficients as reported from those at the data.
    basis
        (p, p) the same from independent values with these sds: coefficients of one factor are correlated.
    together
        (p,) whether a coefficient is correlated with others at the data: those of one factor are exchangeable.
    constant
        (p,) reported coefficients of a constant linear predictor of one; None where the columns cannot make one.
    """

    sd: Array
    raw_sd: Array
    shift: Array
    basis: Array
    together: npt.NDArray[np.bool_]
    constant: Array | None


def column_unit(column: Array) -> float:
    """Return the unit of a predictor: the distance of its values where there are two, its sd otherwise, never its mean.

    Parameters
    ----------
    column
        (n,) values of the predictor.

    Returns
    -------
    float
        The unit, in units of the column; 1 for a constant.
    """
    low, high = float(column.min()), float(column.max())
    if low == high:
        return 1.0
    return high - low if two_valued(column) else float(column.std(ddof=1))


def two_valued(column: Array) -> bool:
    """Say whether a column has no more than two values.

    Parameters
    ----------
    column
        (n,) values.

    Returns
    -------
    bool
        True for a constant, too.
    """
    return bool(np.all((column == column.min()) | (column == column.max())))


def at_data(X: Array, terms: ColumnTerms, free: Sequence[bool], implied: bool = False) -> AtData:
    """State the coefficients of a design at its data.

    Parameters
    ----------
    X
        (n, p) columns.
    terms
        What they are made of.
    free
        (p,) whether a coefficient has a default prior. Others are stated as they are reported, and still shift the
        defaults of the terms within theirs to the data.
    implied
        Whether the model has a constant that is no column (thresholds).

    Returns
    -------
    AtData
        Sds, the map to the reported coefficients, and the constant's coefficients.

    Notes
    -----
    A column of numbers has the sd 1 / (rms of what it adds); between two values a step has the sd 1. The columns of a
    factor are exchangeable: any two of its K levels differ by the sd 1, which is the covariance G^-1 / (2 K) where G is
    the Gram matrix of what they add, each level counting alike however many rows it has. Products halve once more for
    each factor whose own columns are in the model, so that a difference of differences has the sd 1, too.
    """
    size = X.shape[1]
    every = _Columns(X @ terms.recoding, terms.variables, terms.places, terms.cells, implied)
    shift, spread = every.state(np.ones(size, dtype=bool), np.ones(size))
    scaled = terms.recoding @ shift @ spread
    raw_sd, sd = np.linalg.norm(scaled, axis=1), np.linalg.norm(spread, axis=1)
    for block in map(list, terms.blocks):
        if len(block) > 1:
            sd[block] = np.linalg.norm(scaled[np.ix_(block, block)], axis=1)
    constants = [j for j, names in enumerate(terms.variables) if not names]
    constant = terms.recoding[:, constants[0]].copy() if constants else None
    together = np.array([len(block) > 1 for block in terms.blocks for _ in block], dtype=bool)
    together |= _crossed(spread)
    if np.all(free):
        return AtData(sd, raw_sd, terms.recoding @ shift, scaled / sd, together, constant)
    recoding, variables = terms.recoding.copy(), list(terms.variables)
    default = np.asarray(free, dtype=bool).copy()
    for block in map(list, terms.blocks):
        if len(block) > 1 and not default[block].all():
            # what the levels sum to is no coefficient where one of them is the user's
            sd[block], default[block] = raw_sd[block], False
            recoding[np.ix_(block, block)] = np.eye(len(block))
            whole = frozenset[str]().union(*(variables[j] for j in block))
            for j in block:
                variables[j] = whole
    shift, spread = _Columns(X @ recoding, variables, terms.places, terms.cells, implied).state(default, sd)
    return AtData(sd, raw_sd, recoding @ shift, recoding @ shift @ spread / sd, _crossed(spread), constant)


def _crossed(spread: Array) -> npt.NDArray[np.bool_]:
    """Whether rows or columns of a square matrix hold more than their diagonal element."""
    beside = spread != np.diag(np.diag(spread))
    return np.asarray(beside.any(axis=0) | beside.any(axis=1))


class _Columns:
    """The columns of a design (n, p), a constant behind them where it is implied, as terms of increasing order."""

    def __init__(
        self, X: Array, variables: Sequence[Variables], places: Sequence[int], cells: Mapping[str, Codes], implied: bool
    ) -> None:
        self.size = X.shape[1]
        self.X = np.column_stack([X, np.ones(len(X))]) if implied else X
        self.variables = [*variables, *[frozenset[str]()] * implied]
        self.places = places
        self.cells = cells

    @cached_property
    def triangle(self) -> Array:
        """The R of the columns' QR decomposition, divided by the root of the number of rows."""
        return np.asarray(triangle(self.X) / np.sqrt(len(self.X)))

    def state(self, default: npt.NDArray[np.bool_], sd: Array) -> tuple[Array, Array]:
        """Return the shift (p, p) to the columns' coefficients from those at the data, whose covariance has the factor.

        The factor is (p, p), lower triangular within each term. Coefficients that are not `default` have the sd given
        and take no shift of what holds them; constants do.
        """
        shift, spread = np.eye(self.size), np.diag(sd)
        for names, place in dict.fromkeys(zip(self.variables[: self.size], self.places, strict=True)):
            if not names:
                continue
            own = [j for j in range(self.size) if (self.variables[j], self.places[j]) == (names, place)]
            within = [j for j, other in enumerate(self.variables) if other < names]
            peers = [j for j in range(self.size) if self.variables[j] == names and self.places[j] < place]
            if factors := names & self.cells.keys():
                self._state_levels(own, within, peers, factors, default, shift, spread)
                continue
            for i, j in enumerate(own):
                before = [*within, *peers, *own[:i]]
                if default[j]:
                    spread[j, j] = 1.0 / self._unit(j, before)
                self._take_off(j, [other for other in before if self._takes(other, default)], shift)
        return shift, spread

    def _takes(self, j: int, default: npt.NDArray[np.bool_]) -> bool:
        """Whether a column's coefficient is one at the data."""
        return j >= self.size or not self.variables[j] or bool(default[j])

    def _shares(self, j: int, others: list[int]) -> Array:
        """Return the coefficients (others,) with which other columns come nearest to a column."""
        if not others:
            return np.zeros(0)
        if len(others) == 1 and not self.variables[others[0]]:
            return np.array([self.X[:, j].mean()])
        return _nearest(self.triangle[:, others], self.triangle[:, [j]])[0][:, 0]

    def _take_off(self, j: int, others: list[int], shift: Array, times: float = 1.0, onto: int | None = None) -> None:
        """Take what other columns can say off a column (`times` one): enter the shares in the shift's column."""
        for other, share in zip(others, self._shares(j, others), strict=True):
            if other < self.size:
                shift[other, j if onto is None else onto] -= times * share

    def _state_levels(
        self,
        own: list[int],
        within: list[int],
        peers: list[int],
        factors: Variables,
        default: npt.NDArray[np.bool_],
        shift: Array,
        spread: Array,
    ) -> None:
        """Enter the shift and the spread of one term with factors; peers are earlier terms of the same variables."""
        told, covariance, shares = self._exchangeable(own, within + peers, factors, spread)
        kept = [i for i, j in enumerate(own) if default[j]]
        chosen = [own[i] for i in kept]
        spread[np.ix_(chosen, chosen)] = np.linalg.cholesky(covariance[np.ix_(kept, kept)])
        lower = [j for j in within if self._takes(j, default)]
        for i, j in enumerate(own):
            if j not in told:
                same = [other for other in peers + told if self._takes(other, default)]
                self._take_off(j, lower + same, shift)
                continue
            self._take_off(j, lower, shift)
            # among terms of the same variables every level counts alike, as in their covariance
            for m, peer in enumerate(peers, start=len(within)):
                if self._takes(peer, default):
                    shift[peer, j] -= shares[m, i]
                    self._take_off(peer, lower, shift, -shares[m, i], onto=j)

    def _unit(self, j: int, before: list[int]) -> float:
        """Return the unit of a column of numbers: that of the column, times the share of it that others leave."""
        column, unit = self.X[:, j], column_unit(self.X[:, j])
        spread = float(column.std())
        if spread <= _CONSTANT * float(np.abs(column).max()):
            return unit
        if not before:
            return unit * float(np.sqrt(np.square(column).mean())) / spread
        if all(not self.variables[i] for i in before):
            return unit
        left = float(np.linalg.norm(_nearest(self.triangle[:, before], self.triangle[:, [j]])[1]))
        return unit * left / spread if left > _COLLINEAR * spread else unit

    def _exchangeable(
        self, own: list[int], lower: list[int], factors: Variables, spread: Array
    ) -> tuple[list[int], Array, Array]:
        """Return the columns of a term that the data tell apart, the covariance (own, own) of all, shares (lower, own).

        Levels of factors count alike.
        """
        names = self.variables[own[0]]
        cell = _combined([self.cells[name] for name in sorted(factors)])
        count = np.bincount(cell)
        columns = [*own, *lower]
        if all(self.variables[j] <= factors for j in columns):
            # columns are functions of the cells: one row of each will do
            rows, weights = np.unique(cell, return_index=True)[1], np.full(len(count), 1.0 / len(count))
        else:
            rows, weights = np.arange(len(cell)), 1.0 / (len(count) * count[cell])
        R = triangle(np.sqrt(weights)[:, None] * self.X[np.ix_(rows, columns)])
        k = len(own)
        shares, left = _nearest(R[:, k:], R[:, :k])
        lengths = np.linalg.norm(R[:, :k], axis=0)
        _, upper, order = linalg.qr(left / np.where(lengths > 0, lengths, 1.0), mode="economic", pivoting=True)
        told = np.sort(order[: int(np.sum(np.abs(np.diag(upper)) > _COLLINEAR))])
        known = set(self.variables)
        # factors that make the term out of another one
        made_of = sum(names - {name} in known or len(names) == 1 for name in factors)
        halvings = max(1, made_of) if lower else 0
        gram = left[:, told].T @ left[:, told]
        covariance = np.zeros((k, k))
        covariance[np.ix_(told, told)] = linalg.inv(gram) / (2.0**halvings * len(count))
        # what the data do not tell apart changes nothing at the data; elsewhere it is as uncertain as the rest
        alike = [spread[j, j] for j in range(self.size) if factors and self.variables[j] == names - factors]
        usual = max([*np.sqrt(np.diag(covariance)[told]), *alike], default=0.0)
        for i in set(range(k)) - set(told.tolist()):
            covariance[i, i] = (usual or 1.0 / column_unit(self.X[:, own[i]])) ** 2
        return [own[i] for i in told], 0.5 * (covariance + covariance.T), shares


def _combined(codes: Sequence[Codes]) -> Codes:
    """Give numbers from zero to the combinations of several factors' levels that occur."""
    combined = codes[0]
    for more in codes[1:]:
        combined = combined * (int(more.max()) + 1) + more
    return np.asarray(pd.factorize(combined)[0])


def _nearest(columns: Array, targets: Array) -> tuple[Array, Array]:
    """Return the coefficients with which columns come nearest to targets, and what is left of these."""
    lengths = np.linalg.norm(columns, axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    scaled = columns / lengths
    coefficients, left = np.zeros((columns.shape[1], targets.shape[1])), targets
    for _ in range(2):  # the second round takes off what rounding left
        more = linalg.lstsq(scaled, left, cond=1e-13)[0]
        coefficients, left = coefficients + more, left - scaled @ more
    return coefficients / lengths[:, None], left
