"""Which regions of a map are neighbours: matrices, pairs and dictionaries as people have them.

Input: neighbours. Output: an `Adjacency`, and from it the `Spectrum` of effects on the map.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import DataError, listed
from bayes_glmm.structures.matrix import named_matrix
from bayes_glmm.structures.precisions import PrecisionParts
from bayes_glmm.structures.spectrum import Spectrum, generalized_inverse

__all__ = ["Adjacency", "as_adjacency"]

Array = npt.NDArray[np.float64]

#: Most regions: effects on a map are held by the eigenvectors of its matrix.
MOST_REGIONS = 5000


class Adjacency:
    """Which regions of a map are neighbours, for ``bym2(region)``, ``car(region)``, ``leroux(region)``, ``icar()``.

    Parameters
    ----------
    neighbours
        One of: a dictionary of each region's neighbours, ``{"north": ["south"], ...}``; a table with two columns, a
        row for each pair of neighbours; a square matrix, 1 where two regions are neighbours and 0 elsewhere, as a
        DataFrame that names its rows, or as an array or SciPy sparse array with `regions`; an object with such a
        dictionary in ``neighbors``, as libpysal's weights. A pair may stand once or in both orders.
    regions
        Names of the matrix's rows; with pairs and dictionaries, all regions, those without neighbours included.

    Raises
    ------
    DataError
        If a matrix is not square and symmetric with zeros and ones, a region is its own neighbour, names are missing or
        equal, or a pair names a region that `regions` does not have.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> bg.Adjacency({"north": ["middle"], "middle": ["south"], "island": []})
    Adjacency of 4 regions, 2 pairs of neighbours, 2 parts, 1 without neighbours
    """

    kind = "map"

    def __init__(self, neighbours: Any, regions: Any = None) -> None:
        own = getattr(neighbours, "neighbors", None)
        neighbours = own if isinstance(own, Mapping) else neighbours
        if isinstance(neighbours, Mapping) and not _is_table(neighbours):
            pairs, found = _of_mapping(neighbours)
        elif len(columns := [str(name) for name in getattr(neighbours, "columns", ())]) == 2 and not _is_square(
            neighbours
        ):
            first, second = (np.asarray(neighbours[name]).tolist() for name in neighbours.columns)
            _refuse_missing(first, second, columns)
            pairs = list(zip(first, second, strict=True))
            found = [name for pair in pairs for name in pair]
        else:
            pairs, found = _of_matrix(neighbours, regions)
        self.labels, self._edges = _checked(pairs, found, regions)
        self._spectra: dict[str, Spectrum] = {}

    @classmethod
    def of_edges(cls, labels: Iterable[Any], edges: npt.NDArray[np.int64]) -> Adjacency:
        """Rebuild what `edges` and `labels` say."""
        names = list(labels)
        near: dict[Any, list[Any]] = {name: [] for name in names}
        for i, j in edges.T:
            near[names[i]].append(names[j])
        return cls(near)

    @property
    def size(self) -> int:
        """The number of regions."""
        return len(self.labels)

    @property
    def edges(self) -> npt.NDArray[np.int64]:
        """(2, pairs) positions of neighbours, the smaller first, each pair once."""
        return self._edges

    @property
    def matrix(self) -> sparse.csr_array:
        """A, sparse (regions, regions): one for neighbours."""
        i, j = self._edges
        ones, both = np.ones(2 * len(i)), (np.concatenate([i, j]), np.concatenate([j, i]))
        return sparse.csr_array((ones, both), shape=(self.size, self.size))

    def spectrum(self, kind: str) -> Spectrum:
        """Describe effects of a kind on this map.

        Parameters
        ----------
        kind
            ``"car"``, ``"leroux"``, ``"icar"`` or ``"bym2"``.

        Returns
        -------
        Spectrum
            Their covariance beside the sd's square, all regions together; what models read.

        Raises
        ------
        DataError
            If the kind is ``"car"`` and a region has no neighbours.

        Examples
        --------
        >>> chain = Adjacency({"north": ["middle"], "middle": ["south"]})
        >>> chain.spectrum("icar").variances.round(2).tolist()
        [1.36, 0.54, 1.36]
        """
        if kind not in self._spectra:
            self._spectra[kind] = _spectrum(self, kind)
        return self._spectra[kind]

    def __repr__(self) -> str:
        parts, which = csgraph.connected_components(self.matrix, directed=False)
        alone = int((np.bincount(which) == 1).sum())
        words = f"Adjacency of {self.size:,} regions, {self._edges.shape[1]:,} pairs of neighbours"
        words += f", {parts:,} parts" if parts > 1 else ""
        return words + (f", {alone:,} without neighbours" if alone else "")


def as_adjacency(value: Any, factor: str) -> Adjacency:
    """Read what a user gave as a map's neighbours, naming the factor in errors."""
    if isinstance(value, Adjacency):
        return value
    try:
        return Adjacency(value)
    except DataError as error:
        raise DataError(f"covariances[{factor!r}]: {error}") from None


def _spectrum(adjacency: Adjacency, kind: str) -> Spectrum:
    """Find eigenvectors part by part of the map: each has its own sum to zero, and its own scale."""
    n, A = adjacency.size, adjacency.matrix
    degrees = np.asarray(A.sum(axis=1)).ravel()
    if kind == "car" and not degrees.all():
        alone = [adjacency.labels[i] for i in np.flatnonzero(degrees == 0)]
        raise DataError(
            f"car() gives a region without neighbours no variance: {listed(alone)}. Use bym2(), leroux() or "
            "icar(), where its effect is independent of the others, or leave out its rows."
        )
    basis, inverse, values = np.zeros((n, n)), np.zeros((n, n)), np.ones(n)
    _, which = csgraph.connected_components(A, directed=False)
    for part in range(which.max() + 1):
        own = np.flatnonzero(which == part)
        if len(own) == 1:
            basis[own, own] = inverse[own, own] = 1.0
            continue
        near, d = A[own][:, own].toarray(), degrees[own]
        if kind == "car":
            values[own], vectors = np.linalg.eigh(near / np.sqrt(d[:, None] * d))
            basis[np.ix_(own, own)] = vectors / np.sqrt(d)[:, None]
            inverse[np.ix_(own, own)] = vectors.T * np.sqrt(d)
            continue
        if kind == "leroux":
            values[own], vectors = np.linalg.eigh(np.diag(d) - near)
        else:
            vectors, values[own] = generalized_inverse(np.diag(d) - near, 1)
        basis[np.ix_(own, own)], inverse[np.ix_(own, own)] = vectors, vectors.T
    return Spectrum(kind, adjacency.labels, basis, inverse, values, _parts(adjacency, kind, degrees, values))


def _parts(adjacency: Adjacency, kind: str, degrees: Array, values: Array) -> PrecisionParts | None:
    """List the sparse precision: D - rho A, or (1 - rho) I + rho (D - A)."""
    if kind not in ("car", "leroux"):
        return None
    (one, other), each = adjacency.edges, np.arange(adjacency.size)
    diagonal = [degrees] if kind == "car" else [np.ones(len(each)), np.where(degrees == 0.0, 1.0, degrees)]
    rows, columns = (np.concatenate([*[each] * len(diagonal), ends]) for ends in (other, one))
    part = np.repeat(np.append(np.arange(len(diagonal)), 1), [*map(len, diagonal), len(one)])
    numbers = np.concatenate([*diagonal, np.full(len(one), -1.0)])
    return PrecisionParts(kind, rows, columns, part, numbers, values, np.ones(len(values)))


# ------------------------------------------------------------------ what users have


def _is_square(table: Any) -> bool:
    """Whether a table of two columns is the matrix of two regions."""
    index = getattr(table, "index", None)
    return index is not None and [str(name) for name in index] == [str(name) for name in table.columns]


def _is_table(mapping: Mapping[Any, Any]) -> bool:
    return hasattr(mapping, "columns")


def _of_mapping(neighbours: Mapping[Any, Any]) -> tuple[list[tuple[Any, Any]], list[Any]]:
    pairs, found = [], dict.fromkeys(neighbours)
    for region, others in neighbours.items():
        if isinstance(others, str) or not isinstance(others, Iterable):
            raise DataError(
                f"A dictionary of neighbours has a list for each region, {{'north': ['south']}}; {region!r} "
                f"has {others!r}."
            )
        for other in others:
            pairs.append((region, other))
            found.setdefault(other)
    return pairs, list(found)


def _of_matrix(matrix: Any, regions: Any) -> tuple[list[tuple[Any, Any]], list[Any]]:
    if not hasattr(matrix, "shape") and not isinstance(matrix, list | tuple):
        raise DataError(
            "Neighbours are a dictionary {region: [neighbours]}, a table with two columns, or a square matrix of zeros "
            f"and ones, not {in_words(matrix)}."
        )
    if regions is None and not hasattr(matrix, "index") and not hasattr(matrix, "coords"):
        raise DataError(
            "The matrix of neighbours does not say which region each row is: bg.Adjacency(matrix, regions=names), or a "
            "DataFrame with the regions as index and columns."
        )
    values, labels = named_matrix(matrix, regions)
    if not np.isin(values, (0.0, 1.0)).all():
        odd = values[~np.isin(values, (0.0, 1.0))][0]
        raise DataError(
            f"The matrix of neighbours holds {odd:g}: it must be 1 where two regions are neighbours and 0 elsewhere. "
            "Weighted neighbours are not available."
        )
    if (values != values.T).any():
        i, j = np.argwhere(values != values.T)[0]
        raise DataError(f"The matrix says that {labels[i]!r} is a neighbour of {labels[j]!r}, but not the reverse.")
    return [(labels[i], labels[j]) for i, j in np.argwhere(values)], list(labels)


def _refuse_missing(first: list[Any], second: list[Any], columns: list[str]) -> None:
    for name, values in zip(columns, (first, second), strict=True):
        if any(value is None or value != value for value in values):
            raise DataError(
                f"The pairs of neighbours have missing values in {name!r}. A region without neighbours has no row: "
                "name it in regions=."
            )


def _checked(
    pairs: list[tuple[Any, Any]], found: list[Any], regions: Any
) -> tuple[tuple[Any, ...], npt.NDArray[np.int64]]:
    """Return the regions and their edges; a region goes by what it says, the number 7 and the text "7" alike."""
    once: dict[str, Any] = {}
    for name in found:
        once.setdefault(str(name), name)
    names = list(once.values() if regions is None else regions)
    labels = tuple(name.item() if isinstance(name, np.generic) else name for name in names)
    texts = [str(label) for label in labels]
    place = {text: at for at, text in enumerate(texts)}
    if len(place) < len(texts):
        raise DataError(f"Regions of the same name: {listed(sorted({t for t in texts if texts.count(t) > 1}))}.")
    if unknown := list(dict.fromkeys(name for pair in pairs for name in pair if str(name) not in place)):
        raise DataError(f"regions= does not have {listed(unknown)}, which the neighbours name.")
    if len(labels) > MOST_REGIONS:
        raise DataError(f"The map has {len(labels):,} regions; {MOST_REGIONS:,} are the most.")
    edges = {tuple(sorted((place[str(one)], place[str(other)]))) for one, other in pairs}
    if own := [labels[i] for i, j in edges if i == j]:
        raise DataError(f"A region cannot be its own neighbour: {listed(own)}.")
    if not edges:
        raise DataError("The map has no two neighbours.")
    return labels, np.array(sorted(edges), dtype=np.int64).reshape(-1, 2).T
