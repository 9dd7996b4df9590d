"""Which rows and responses a predictive density is about: densities of different data cannot be compared.

Input: a `Design`. Output: `SeenRows`, which results of leave-one-out and k-fold carry with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.response import Response


@dataclass(frozen=True, eq=False)
class SeenRows:
    """The responses a model has seen.

    Parameters
    ----------
    response
        The response: its name, values, trials and weights.
    labels
        (rows,) the user's labels of the rows.
    dropped
        Number of rows dropped for missing values.
    missing
        Missing values by column.
    """

    response: Response
    labels: npt.NDArray[np.generic]
    dropped: int
    missing: dict[str, int]

    @classmethod
    def of(cls, design: Design) -> SeenRows:
        """Record what a design was built from.

        Parameters
        ----------
        design
            The design of a model.

        Returns
        -------
        SeenRows
            Its response and rows.
        """
        assert design.response is not None
        return cls(design.response, np.asarray(design.index), design.dropped, dict(design.reasons))

    def __repr__(self) -> str:
        return f"SeenRows({self.in_words()} of {self.response.name!r})"

    def in_words(self) -> str:
        """Say how many rows there are and which columns' missing values took others away.

        Returns
        -------
        str
            Such as ``"50 rows (6 dropped for missing values of 'x')"``.
        """
        columns = ", ".join(map(repr, self.missing))
        lost = f" ({self.dropped} dropped for missing values of {columns})" if self.dropped else ""
        return f"{len(self.response.y)} rows{lost}"

    def difference(self, other: SeenRows) -> str | None:
        """Say in what way other densities are about other data.

        Parameters
        ----------
        other
            What another model has seen.

        Returns
        -------
        str or None
            ``"rows"``, ``"responses"``, ``"trials"`` or ``"weights"``; None where the data are the same. Labels count
            only where rows were dropped: the same table may have been numbered anew.
        """
        mine, others = self.response, other.response
        renumbered = not (self.dropped or other.dropped)
        if len(mine.y) != len(others.y) or not (renumbered or np.array_equal(self.labels, other.labels)):
            return "rows"
        if mine.name != others.name or not np.array_equal(mine.y, others.y):
            return "responses"
        for what in ("trials", "weights"):
            if not _same(getattr(mine, what), getattr(others, what)):
                return what
        return None


def _same(first: npt.NDArray[np.float64] | None, second: npt.NDArray[np.float64] | None) -> bool:
    """Whether two columns are equal; one that is not there is one of ones."""
    if first is None or second is None:
        other = second if first is None else first
        return other is None or bool(np.all(other == 1.0))
    return bool(np.array_equal(first, second))
