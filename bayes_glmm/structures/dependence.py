"""What effects that are correlated in time or space are called, and the one parameter that each kind has.

Input: none. Output: a table of kinds, read by the formula, the design, the priors and the equation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bayes_glmm.priors import Prior

__all__ = ["KINDS", "SPACE", "TIME", "DependenceParameter"]


@dataclass(frozen=True)
class DependenceParameter:
    """The parameter that says how strongly neighbours in time or space are correlated.

    Parameters
    ----------
    name
        ``"rho"``, ``"rate"`` or ``"phi"``; reported as ``rho_<factor>``.
    prior
        Its default prior.
    lower, upper
        Its bounds; no upper one where it is None.
    start
        Where the search for the mode begins.
    latex
        Its symbol.
    """

    name: str
    prior: Prior
    lower: float
    upper: float | None
    start: float
    latex: str


_UNIT = Prior("Beta", alpha=1, beta=1)
#: Kind -> its parameter; None where the sd is the only one. The rate's unit is the spacing of the times.
KINDS: Mapping[str, DependenceParameter | None] = {
    "ar1": DependenceParameter("rho", Prior("Uniform", lower=-1, upper=1), -1.0, 1.0, 0.5, r"\rho"),
    "ou": DependenceParameter("rate", Prior("Exponential", lam=1), 0.0, None, 0.5, r"\kappa"),
    "rw1": None,
    "rw2": None,
    "car": DependenceParameter("rho", _UNIT, 0.0, 1.0, 0.5, r"\rho"),
    "leroux": DependenceParameter("rho", _UNIT, 0.0, 1.0, 0.5, r"\rho"),
    "icar": None,
    "bym2": DependenceParameter("phi", _UNIT, 0.0, 1.0, 0.5, r"\phi"),
}
#: Kinds whose levels are times, and those whose levels are the regions of a map.
TIME, SPACE = ("ar1", "ou", "rw1", "rw2"), ("car", "leroux", "icar", "bym2")
