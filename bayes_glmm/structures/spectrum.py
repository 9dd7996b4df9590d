"""Effects on a map or along a random walk: independent ones in the eigenvectors of a fixed matrix.

Input: neighbours' matrix D - A, or differences in time. Output: a `Spectrum`. Whatever the parameter, the covariance is
B diag(s) B' with one B, so that a draw is a product and a determinant a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.structures.dependence import KINDS, DependenceParameter
from bayes_glmm.structures.precisions import PrecisionParts

__all__ = ["Spectrum", "generalized_inverse", "walk"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]

#: Eigenvalues below this share of the largest are zero.
_NOTHING = 1e-10


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Effects with covariance B diag(s(value)) B', times the square of their sd.

    Parameters
    ----------
    kind
        ``"car"``, ``"leroux"``, ``"icar"``, ``"bym2"``, ``"rw1"`` or ``"rw2"``.
    labels
        A label per level; of several walks one walk after the other.
    basis, inverse
        (n, n) B, and what turns effects into independent ones.
    values
        (n,) what s is a function of: eigenvalues of the neighbours' matrix for ``"car"`` and ``"leroux"``; for the
        others the variances of the scaled intrinsic effects, zero in directions that these leave out.
    parts
        The sparse precision of kinds that have one.
    """

    kind: str
    labels: tuple[Any, ...]
    basis: Array
    inverse: Array
    values: Array
    parts: PrecisionParts | None = None

    @property
    def size(self) -> int:
        """The number of levels."""
        return len(self.labels)

    @property
    def copies(self) -> int:
        """How many walks there are."""
        return len(self.labels) // len(self.values)

    @property
    def parameter(self) -> DependenceParameter | None:
        """What the covariance depends on beside the sd."""
        return KINDS[self.kind]

    @property
    def symbol(self) -> str:
        """How the covariance is written in LaTeX."""
        return r"Q^{-}" if self.parameter is None else rf"C({self.parameter.latex})"

    @cached_property
    def variances(self) -> Array:
        """(levels,) variances beside the sd's square; ones where they depend on the parameter (`spread`)."""
        if self.parameter is not None:
            return np.ones(self.size)
        return np.asarray(self.spread(np.zeros(1))[0])

    def scales(self, value: Any) -> Any:
        """Return s (n,) of a parameter, or (S, n) of several (S, 1)."""
        if self.kind == "bym2":
            return (1.0 - value) + value * self.values
        if self.kind == "leroux":
            return 1.0 / ((1.0 - value) + value * self.values)
        if self.kind == "car":
            return 1.0 / (1.0 - value * self.values)
        return self.values + 0.0 * value

    def _precisions(self, value: Array) -> Array:
        """Return 1 / s (S, n), zero for directions that are left out."""
        s = self.scales(np.asarray(value, dtype=float).reshape(-1, 1))
        return np.divide(1.0, s, out=np.zeros_like(s), where=s > 0.0)

    def share_ancestors(self, codes: Codes) -> bool:
        """Say whether any two of some levels are correlated."""
        levels = np.unique(codes)
        return bool((np.bincount(levels // len(self.values)) > 1).any())

    def related(self, standard: Array, value: Array) -> Array:
        """Turn independent standard normal values (levels, any) into effects, for a parameter (any,)."""
        parts = standard.reshape(self.copies, len(self.values), -1)
        roots = np.sqrt(self.scales(np.asarray(value, dtype=float).reshape(-1, 1))).T
        return np.asarray((self.basis @ (roots * parts)).reshape(standard.shape))

    def spread(self, value: Array) -> Array:
        """Return the variances (S, levels) beside the sd's square."""
        s = self.scales(np.asarray(value, dtype=float).reshape(-1, 1))
        return np.tile(s @ np.square(self.basis).T, self.copies)

    def _along(self, effects: Array) -> Array:
        """Return the independent parts (S, copies, n, k) of effects (S, levels, k)."""
        shaped = effects.reshape(len(effects), self.copies, len(self.values), -1)
        return np.einsum("al,sglk->sgak", self.inverse, shaped, optimize=True)

    def given_others(self, effects: Array, levels: Codes, value: Array) -> tuple[Array, Array]:
        """Return mean (S, m, k) and scale (S, m) of levels, each given the effects (S, levels, k) of its neighbours.

        Of intrinsic effects the sum to zero is not part of what is given: it would leave nothing to vary.
        """
        copy, place = np.divmod(np.asarray(levels), len(self.values))
        precisions, columns = self._precisions(value), self.inverse[:, place]
        own = precisions @ np.square(columns)
        pulled = np.einsum("sa,samk,am->smk", precisions, self._along(effects)[:, copy].transpose(0, 2, 1, 3), columns)
        return effects[:, levels] - pulled / own[:, :, None], 1.0 / np.sqrt(own)

    def log_density(self, effects: Array, value: Array) -> tuple[Array, Array]:
        """Return u'Qu (S, k) of effects (S, levels, k), and the log determinant of Q (S,), up to a constant."""
        precisions = self._precisions(value)
        squares = np.einsum("sa,sgak->sk", precisions, np.square(self._along(effects)))
        return squares, self.copies * np.log(precisions, where=precisions > 0.0, out=np.zeros_like(precisions)).sum(1)


def generalized_inverse(matrix: Array, null: int) -> tuple[Array, Array]:
    """Return eigenvectors (n, n) and the variances (n,) of intrinsic effects, scaled, `null` of them zero.

    The geometric mean of the effects' variances is one (Soerbye and Rue 2014, doi:10.1016/j.spasta.2013.06.004).
    """
    values, vectors = np.linalg.eigh(matrix)
    assert np.all(values[null:] > _NOTHING * values[-1]), "more directions without precision than expected"
    variances = np.concatenate([np.zeros(null), 1.0 / values[null:]])
    return vectors, variances / np.exp(np.mean(np.log(np.square(vectors) @ variances)))


def walk(kind: str, labels: Sequence[Any], steps: int) -> Spectrum:
    """Describe random walks of order one or two over equal steps, all walks of one length.

    Effects sum to zero; those of order two have no linear trend.
    """
    order = 1 if kind == "rw1" else 2
    differences = np.diff(np.eye(steps), n=order, axis=0)
    vectors, variances = generalized_inverse(differences.T @ differences, order)
    return Spectrum(kind, tuple(labels), vectors, vectors.T, variances)
