"""How the levels of a grouping factor are related: one record for pedigrees, phylogenies and matrices.

Input: what the rooms' other modules read from the user. Output: a `Structure`, each level a regression on levels before
it: offspring on parents, a node of a tree on the node below it, a variable on those before it in a factorization. From
that follow the sparse precision, draws of all levels at once, and the factors of the PyMC graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["Structure"]

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

#: How the covariance of the levels is written, by kind.
SYMBOLS = {"pedigree": "A", "phylogeny": "A", "covariance": "C", "precision": "Q^{-1}"}


@dataclass(frozen=True, eq=False)
class Structure:
    """Effects u of related levels: u_i = sum_j weight_ij u_j + sqrt(innovation_i) z_i, with j before i.

    The covariance of u is A, which the sd of the model's effects multiplies: b ~ N(0, sd^2 A).

    Parameters
    ----------
    kind
        ``"pedigree"``, ``"phylogeny"``, ``"covariance"`` or ``"precision"``.
    labels
        A label per level (n), each after those it is regressed on.
    start
        (n + 1,) where the regression of each level begins in `before` and `weights`.
    before, weights
        Positions of the levels each level is regressed on, and their weights.
    innovations
        (n,) variance of a level given those before it.
    variances
        (n,) the diagonal of A.
    """

    kind: str
    labels: tuple[Any, ...]
    start: Positions
    before: Positions
    weights: Array
    innovations: Array
    variances: Array

    @property
    def size(self) -> int:
        """The number of levels."""
        return len(self.labels)

    @property
    def parameter(self) -> None:
        """None: all of A is known."""

    @property
    def symbol(self) -> str:
        """How the covariance is written in LaTeX."""
        return SYMBOLS[self.kind]

    @cached_property
    def regression(self) -> sparse.csr_array:
        """W, strictly lower triangular (n, n): the weights."""
        from scipy import sparse

        return sparse.csr_array((self.weights, self.before, self.start), shape=(self.size, self.size))

    @cached_property
    def precision(self) -> sparse.csc_array:
        """The inverse of A, sparse (n, n): (I - W)' D^-1 (I - W) (Henderson 1976; Quaas 1976)."""
        from scipy import sparse

        contrasts = sparse.csr_array(sparse.eye_array(self.size) - self.regression)
        return sparse.csc_array(contrasts.T @ sparse.diags_array(1.0 / self.innovations) @ contrasts)

    @cached_property
    def log_det_precision(self) -> float:
        """The log determinant of the inverse of A."""
        return -float(np.sum(np.log(self.innovations)))

    @cached_property
    def root_factors(self) -> tuple[Any, ...]:
        """Factors (n, n) of (I - W)^-1: sparse ones, without their diagonal of ones, or one dense matrix.

        (I - W)^-1 is the product of I + W^(2^k). Regressions on parents go few generations back; a factorization of a
        dense matrix has none, and its inverse is written out.
        """
        from scipy import linalg

        if self.kind in ("covariance", "precision"):
            contrasts = np.eye(self.size) - self.regression.toarray()
            return (linalg.solve_triangular(contrasts, np.eye(self.size), lower=True, unit_diagonal=True),)
        factors, power = [], self.regression
        while power.nnz:
            factors.append(power)
            power = power @ power
            power.eliminate_zeros()
        return tuple(factors)

    def related(self, standard: Array) -> Array:
        """Turn independent standard normal values into effects with covariance A.

        Parameters
        ----------
        standard
            (n, any) standard normal values.

        Returns
        -------
        numpy.ndarray
            (n, any) T D^(1/2) z, T = (I - W)^-1 and D the innovations.
        """
        u = np.sqrt(self.innovations)[:, None] * standard
        for factor in self.root_factors:
            u = factor @ u if isinstance(factor, np.ndarray) else u + factor @ u
        return np.asarray(u)

    def share_ancestors(self, codes: npt.NDArray[np.integer]) -> bool:
        """Say whether any two of some levels may be related.

        Parameters
        ----------
        codes
            Positions of levels, repeated or not.

        Returns
        -------
        bool
            False where their effects are independent.
        """
        count = np.zeros(self.size)
        count[np.unique(codes)] = 1.0
        for level in range(self.size - 1, -1, -1):
            if count[level] > 0.0:
                parents = self.before[self.start[level] : self.start[level + 1]]
                count[parents] += count[level]
        return bool((count > 1.0).any())
