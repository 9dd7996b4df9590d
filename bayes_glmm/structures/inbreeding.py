"""Coefficients of inbreeding, sire by sire: compiled, since a pedigree may hold a hundred thousand animals.

Input: parents' positions, parents before offspring. Output: F of every animal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

#: Sires of one generation that are followed back together: they share most of their ancestors where populations are
#: large, and where they do not, so many numbers are one line of memory.
AT_A_TIME = 8


def inbreeding(dam: Codes, sire: Codes, generation: Codes) -> Array:
    """Compute Wright's coefficients of inbreeding.

    Parameters
    ----------
    dam, sire
        (n,) positions of the parents, -1 where unknown; every parent stands before its offspring.
    generation
        (n,) longest way back to a founder, ascending.

    Returns
    -------
    numpy.ndarray
        (n,) F, half the relationship of the parents.

    Notes
    -----
    A = T D T' (Thompson 1977; Meuwissen and Luo 1992): the relationships of a sire are T D (T' e), which his own
    ancestors and those of his mates are enough for (Sargolzaei, Iwaisaki and Colleau 2005).

    References
    ----------
    Meuwissen, T. H. E. and Luo, Z. (1992). Computing inbreeding coefficients in large populations. Genetics Selection
    Evolution 24, 305-313. doi:10.1186/1297-9686-24-4-305.
    """
    both = np.flatnonzero((dam >= 0) & (sire >= 0))
    order = both[np.lexsort((dam[both], sire[both], generation[both]))]
    return np.asarray(_by_sire(dam, sire, generation, order))


@njit(cache=True)
def _mendelian(dam: int, sire: int, F: Array) -> float:
    """Return the variance of an animal given its parents, in units of the additive variance."""
    value = 1.0
    if dam >= 0:
        value -= 0.25 * (1.0 + F[dam])
    if sire >= 0:
        value -= 0.25 * (1.0 + F[sire])
    return value


@njit(cache=True)
def _ancestors(seeds: Codes, dam: Codes, sire: Codes, mark: Codes, stamp: int) -> Codes:
    """List seeds and all their ancestors, ascending; they are marked by the stamp."""
    count, done, last = 0, 0, seeds.max() + 1
    found = np.empty(last, dtype=np.int64)
    for seed in seeds:
        if mark[seed] != stamp:
            mark[seed] = stamp
            found[count] = seed
            count += 1
    while done < count:
        for parent in (dam[found[done]], sire[found[done]]):
            if parent >= 0 and mark[parent] != stamp:
                mark[parent] = stamp
                found[count] = parent
                count += 1
        done += 1
    if 16 * count < last:
        return np.sort(found[:count])
    at = 0
    for animal in range(last):
        if mark[animal] == stamp:
            found[at] = animal
            at += 1
    return found[:count]


@njit(cache=True, inline="always")
def _add_half(values: Array, source: int, to: int) -> None:
    """Add half of one row to another, where there are both; slices of rows would cost more than the sums."""
    if source >= 0 and to >= 0:
        for w in range(AT_A_TIME):
            values[to, w] += 0.5 * values[source, w]


@njit(cache=True)
def _by_sire(dam: Codes, sire: Codes, generation: Codes, order: Codes) -> Array:
    """Fill F for the offspring in `order`, sorted by generation, sire and dam, some sires at once."""
    n = dam.size
    F, within, shared, related = np.zeros(n), np.zeros(n), np.zeros((n, AT_A_TIME)), np.zeros((n, AT_A_TIME))
    mark, stamp, first = np.zeros(n, dtype=np.int64), 0, 0
    column = np.empty(order.size, dtype=np.int64)
    while first < order.size:
        born, last, count, fathers = generation[order[first]], first, 0, np.empty(AT_A_TIME, dtype=np.int64)
        while last < order.size and generation[order[last]] == born:
            father = sire[order[last]]
            if count == 0 or father != fathers[count - 1]:
                if count == AT_A_TIME:
                    break
                fathers[count] = father
                count += 1
            column[last] = count - 1
            last += 1
        # T' e, then times D: zero but for the sires' own ancestors
        stamp += 1
        own = _ancestors(fathers[:count], dam, sire, mark, stamp)
        for w in range(count):
            shared[fathers[w], w] = 1.0
        for animal in own[::-1]:
            _add_half(shared, animal, dam[animal])
            _add_half(shared, animal, sire[animal])
            if within[animal] == 0.0:
                within[animal] = _mendelian(dam[animal], sire[animal], F)
            for w in range(AT_A_TIME):
                shared[animal, w] *= within[animal]
        # T times that, for the mates and what they descend from
        stamp += 1
        for animal in _ancestors(dam[order[first:last]], dam, sire, mark, stamp):
            for w in range(AT_A_TIME):
                related[animal, w] = shared[animal, w]
            _add_half(related, dam[animal], animal)
            _add_half(related, sire[animal], animal)
        for m in range(first, last):
            F[order[m]] = 0.5 * related[dam[order[m]], column[m]]
        for animal in own:
            for w in range(AT_A_TIME):
                shared[animal, w] = 0.0
        first = last
    return F
