"""Pedigrees: who descends from whom, checked; inbreeding; the sparse inverse of the relationship matrix.

Input: a table of animals and their parents. Output: a `Pedigree`, whose `structure` models read.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.errors import DataError, listed, nearest, warn
from bayes_glmm.structures.labels import UNKNOWN, columns_of, positions
from bayes_glmm.structures.structure import Structure

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["Pedigree"]

Codes = npt.NDArray[np.int64]


class Pedigree:
    """Animals (or plants, or people) and their parents: breeding values a ~ N(0, sd^2 A).

    Parameters
    ----------
    frame
        A table with a row for each animal, in any order: pandas, polars, Arrow or a dictionary of columns. A parent
        that is not known is missing; ``0``, ``"NA"``, ``"."``, ``"*"``, ``"?"`` and empty text say the same where no
        animal has that name.
    id, dam, sire
        Names of the columns of the animal, its mother and its father.

    Raises
    ------
    DataError
        If an animal is without a name, stands in two rows with different parents, is its own parent or its own
        ancestor.

    Warns
    -----
    DataWarning
        When parents have no row of their own (they become founders), when rows are repeated, and when an animal is
        both a dam and a sire.

    Notes
    -----
    A holds the additive relationships: 1 + F on the diagonal, F the coefficient of inbreeding. Its inverse is sparse
    and made without A, from the variance of every animal given its parents (Henderson 1976; Quaas 1976).

    References
    ----------
    Henderson, C. R. (1976). A simple method for computing the inverse of a numerator relationship matrix used in
    prediction of breeding values. Biometrics 32, 69-83. doi:10.2307/2529339.

    Quaas, R. L. (1976). Computing the diagonal elements and inverse of a large numerator relationship matrix.
    Biometrics 32, 949-953. doi:10.2307/2529279.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> family = {"animal": ["kid", "mum", "dad"], "dam": ["mum", None, None], "sire": ["dad", None, None]}
    >>> pedigree = bg.Pedigree(family)
    >>> pedigree
    Pedigree of 3 animals: 2 founders, 1 generation of offspring, no inbreeding
    >>> pedigree.relatedness().loc["kid", "mum"].item()
    0.5
    """

    def __init__(self, frame: Any, *, id: str = "animal", dam: str = "dam", sire: str = "sire") -> None:
        animals, dams, sires = columns_of(frame, [id, dam, sire])
        if not len(animals):
            raise DataError("The pedigree has no rows.")
        if animals.isna().any():
            raise DataError(f"Row {int(np.argmax(animals.isna()))} of the pedigree has no animal in {id!r}.")
        names = {str(name) for name in animals}
        parents = [
            column.where([str(name) not in UNKNOWN - names for name in column], None) for column in (dams, sires)
        ]
        table = _distinct_rows(pd.DataFrame({"animal": animals, "dam": parents[0], "sire": parents[1]}, dtype=object))
        labels, dam_codes, sire_codes = _coded(table, dam, sire)
        order, generation = _sorted(labels, dam_codes, sire_codes)
        self._labels = labels[order]
        self._dam, self._sire = _moved(dam_codes, order), _moved(sire_codes, order)
        self._generation = generation

    @property
    def size(self) -> int:
        """The number of animals."""
        return len(self._labels)

    @property
    def animals(self) -> pd.Index:
        """Their names, parents before offspring."""
        return pd.Index(self._labels.tolist(), name="animal")

    @cached_property
    def inbreeding(self) -> pd.Series:
        """Coefficient of inbreeding of every animal: half the relationship of its parents."""
        from bayes_glmm.structures.inbreeding import inbreeding

        values = inbreeding(self._dam, self._sire, self._generation)
        return pd.Series(values, index=self.animals, name="inbreeding")

    @cached_property
    def structure(self) -> Structure:
        """What models read."""
        F, known = self.inbreeding.to_numpy(), np.column_stack([self._dam, self._sire])
        has = known >= 0
        same = has[:, 0] & (known[:, 0] == known[:, 1])  # selfed: one entry of weight one
        weights = np.where(same[:, None], [1.0, 0.0], 0.5)
        kept = has & (weights > 0.0)
        order = np.argsort(np.where(kept, known, self.size), axis=1)
        known, weights, kept = (np.take_along_axis(each, order, axis=1) for each in (known, weights, kept))
        innovations = 1.0 - 0.25 * np.where(has, 1.0 + F[np.column_stack([self._dam, self._sire])], 0.0).sum(axis=1)
        start = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
        return Structure(
            "pedigree", tuple(self._labels), start.astype(np.int64), known[kept], weights[kept], innovations, 1.0 + F
        )

    def precision(self) -> sparse.csc_array:
        """Return the inverse of A.

        Returns
        -------
        scipy.sparse.csc_array
            (animals, animals), in the order of `animals`.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> trio = bg.Pedigree({"animal": ["kid", "mum", "dad"], "dam": ["mum", 0, 0], "sire": ["dad", 0, 0]})
        >>> trio.precision().toarray().tolist()
        [[1.5, 0.5, -1.0], [0.5, 1.5, -1.0], [-1.0, -1.0, 2.0]]
        """
        return self.structure.precision

    def relatedness(self, animals: Iterable[Any] | None = None) -> pd.DataFrame:
        """Return additive relationships, a dense part of A.

        Parameters
        ----------
        animals
            Whose; None for all, of whom there should not be many thousands.

        Returns
        -------
        pandas.DataFrame
            (animals, animals), 1 + F on the diagonal, 0.5 for a parent and its offspring that are not inbred.

        Raises
        ------
        DataError
            If an animal is not in the pedigree.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> trio = bg.Pedigree({"animal": ["kid", "mum", "dad"], "dam": ["mum", 0, 0], "sire": ["dad", 0, 0]})
        >>> trio.relatedness(["kid", "dad"]).to_numpy().tolist()
        [[1.0, 0.5], [0.5, 1.0]]
        """
        wanted = np.arange(self.size) if animals is None else self._positions(animals)
        part = self if animals is None else self.prune(animals)
        rows = positions(part._labels.tolist(), self._labels[wanted])
        A = part._covariance(rows)
        names = self.animals[wanted]
        return pd.DataFrame(A, index=names, columns=names.rename(None))

    def prune(self, animals: Iterable[Any]) -> Pedigree:
        """Keep some animals and their ancestors, which is all that records of these animals need.

        Parameters
        ----------
        animals
            Names.

        Returns
        -------
        Pedigree
            A smaller pedigree, in which relationships are what they were.

        Raises
        ------
        DataError
            If an animal is not in the pedigree.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> trio = bg.Pedigree({"animal": ["kid", "mum", "dad"], "dam": ["mum", 0, 0], "sire": ["dad", 0, 0]})
        >>> trio.prune(["mum"]).size
        1
        """
        kept = np.zeros(self.size, dtype=bool)
        kept[self._positions(animals)] = True
        for i in range(self.size - 1, -1, -1):
            if kept[i]:
                for parent in (self._dam[i], self._sire[i]):
                    if parent >= 0:
                        kept[parent] = True
        new = np.cumsum(kept) - 1
        part = Pedigree.__new__(Pedigree)
        part._labels, part._generation = self._labels[kept], self._generation[kept]
        part._dam, part._sire = (np.where(p >= 0, new[p], -1)[kept] for p in (self._dam, self._sire))
        if "inbreeding" in self.__dict__:
            part.__dict__["inbreeding"] = self.inbreeding[kept]
        return part

    def _positions(self, animals: Iterable[Any]) -> Codes:
        wanted = [animals] if isinstance(animals, str) else list(animals)
        found = positions(self._labels.tolist(), wanted)
        if (found < 0).any():
            unknown = [wanted[i] for i in np.flatnonzero(found < 0)]
            raise DataError(
                f"Not in the pedigree: {listed(unknown)}. {nearest(unknown[0], self._labels[:1000].tolist())}"
            )
        return found

    def _covariance(self, rows: Codes) -> npt.NDArray[np.float64]:
        """Return rows and columns of A."""
        structure = self.structure
        unit = np.zeros((self.size, len(rows)))
        unit[rows, np.arange(len(rows))] = 1.0
        for factor in reversed(structure.root_factors):
            unit = unit + factor.T @ unit
        return np.asarray(unit.T @ (structure.innovations[:, None] * unit))

    def __repr__(self) -> str:
        founders, last = int(np.sum(self._generation == 0)), int(self._generation.max())
        F = self.inbreeding.to_numpy()
        inbred = int(np.sum(F > 0.0))
        said = f"{inbred:,} inbred (F up to {F.max():.3g})" if inbred else "no inbreeding"
        generations = "1 generation" if last == 1 else f"{last} generations"
        animals = "1 animal" if self.size == 1 else f"{self.size:,} animals"
        one = "1 founder" if founders == 1 else f"{founders:,} founders"
        return f"Pedigree of {animals}: {one}, {generations} of offspring, {said}"


# ------------------------------------------------------------------ reading


def _distinct_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Drop rows that say the same again; refuse animals with two pairs of parents."""
    repeated = table["animal"].duplicated(keep=False)
    if not repeated.any():
        return table
    once = table.drop_duplicates()
    twice = once["animal"][once["animal"].duplicated()]
    if len(twice):
        raise DataError(
            f"The pedigree gives different parents for the same animal: {listed(twice.unique())}. Keep one row "
            "for each."
        )
    count = len(table) - len(once)
    warn(f"{count:,} rows of the pedigree say the same again ({listed(table['animal'][repeated].unique())}).")
    return once


def _coded(table: pd.DataFrame, dam: str, sire: str) -> tuple[npt.NDArray[Any], Codes, Codes]:
    """Give numbers to the animals; parents without a row of their own come first, as founders."""
    own, parents = table["animal"].to_numpy(), [table["dam"].to_numpy(), table["sire"].to_numpy()]
    codes, labels = pd.factorize(np.concatenate([own, *parents]))
    animal, dams, sires = np.split(codes.astype(np.int64), [len(own), 2 * len(own)])
    selves = np.flatnonzero((animal == dams) | (animal == sires))
    if len(selves):
        raise DataError(f"Animals that are their own parent in the pedigree: {listed(own[selves])}.")
    added = labels[len(own) :]
    if len(added):
        noun = "parent has" if len(added) == 1 else "parents have"
        warn(
            f"{len(added):,} {noun} no row in the pedigree and count as founders, unrelated to each other: "
            f"{listed(added)}."
        )
    both = np.intersect1d(dams[dams >= 0], sires[sires >= 0])
    if len(both):
        warn(
            f"Both {dam} and {sire} in the pedigree: {listed(labels[both])}. That is right for plants that are "
            "both, and otherwise a mistake in the table."
        )
    every = np.full((2, len(labels)), -1, dtype=np.int64)
    every[0, animal], every[1, animal] = dams, sires
    return np.asarray(labels, dtype=object), every[0], every[1]


def _sorted(labels: npt.NDArray[Any], dam: Codes, sire: Codes) -> tuple[Codes, Codes]:
    """Order animals by generation, the longest way back to a founder; refuse loops."""
    n = len(labels)
    parent, child = np.concatenate([dam, sire]), np.tile(np.arange(n), 2)
    child, parent = child[parent >= 0], parent[parent >= 0]
    by_parent = np.argsort(parent, kind="stable")
    start, child = np.searchsorted(parent[by_parent], np.arange(n + 1)), child[by_parent]
    waiting = np.bincount(child, minlength=n)
    generation, ready, level = np.full(n, -1, dtype=np.int64), np.flatnonzero(waiting == 0), 0
    while len(ready):
        generation[ready] = level
        count = start[ready + 1] - start[ready]
        places = np.repeat(start[ready] - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
        offspring, times = np.unique(child[places], return_counts=True)
        waiting[offspring] -= times
        ready, level = offspring[waiting[offspring] == 0], level + 1
    if (generation < 0).any():
        at, way = int(np.flatnonzero(generation < 0)[0]), []
        while at not in way:
            way.append(at)
            at = int(dam[at] if dam[at] >= 0 and generation[dam[at]] < 0 else sire[at])
        loop = [repr(labels[i]) for i in [*way[way.index(at) :], at]]
        raise DataError(f"In the pedigree an animal is its own ancestor: {' is offspring of '.join(loop[:6])}.")
    order = np.argsort(generation, kind="stable")
    return order, generation[order]


def _moved(parents: Codes, order: Codes) -> Codes:
    """Renumber parents after sorting."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return np.where(parents >= 0, place[parents], -1)[order]
