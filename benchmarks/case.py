"""What a case of the benchmark is: a model on a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Case:
    """A model on a data set.

    Parameters
    ----------
    name
        Name in the table.
    formula
        As ours, Bambi's and R's formula languages read it.
    family
        Name of the family, as ours and Bambi call it.
    load
        Returns the data.
    rows
        Number of rows.
    r_response
        Left-hand side in R where it differs.
    part
        ``"listed"``, ``"series"`` (simulated, of growing size), ``"hard"`` (small clusters that differ a lot) or
        ``"families"`` (responses that few packages have).
    bambi_drops_correlation
        Whether the model has a correlation, which Bambi 0.21 leaves out.
    peers
        The packages that have the model; empty for all.
    """

    name: str
    formula: str
    family: str
    load: Callable[[], pd.DataFrame]
    rows: int
    r_response: str | None = None
    part: str = "listed"
    bambi_drops_correlation: bool = False
    peers: tuple[str, ...] = ()

    @property
    def r_formula(self) -> str:
        """The formula in R."""
        if self.r_response is None:
            return self.formula
        return f"{self.r_response} ~{self.formula.split('~', 1)[1]}"
