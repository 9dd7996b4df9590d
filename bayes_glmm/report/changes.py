"""What a report compares: a change of one predictor, and its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_glmm.effects.variables import fitted_levels, is_factor, two_values

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

#: Numbers are compared across one unit where their sd is between these, otherwise across about one sd.
_ONE_UNIT = (0.5, 20.0)


@dataclass(frozen=True)
class Change:
    """A predictor and what is compared.

    Parameters
    ----------
    name
        The predictor.
    compared
        What `avg_comparisons` compares of it; None for its default.
    words
        Each contrast in words, as they stand in a sentence.
    """

    name: str
    compared: Any
    words: tuple[str, ...]

    @property
    def variables(self) -> Any:
        """The argument of `avg_comparisons`."""
        return self.name if self.compared is None else {self.name: self.compared}


def change_of(fit: Fit, name: str) -> Change:
    """Choose what is compared: levels with the first, two values with each other, numbers across a round step.

    Parameters
    ----------
    fit
        The fit.
    name
        A predictor.

    Returns
    -------
    Change
        One contrast for a number, one less than its levels for a factor.
    """
    if is_factor(fit, name):
        first, *others = fitted_levels(fit, name)
        return Change(name, None, tuple(f"where {name} is {level} rather than {first}" for level in others))
    if both := two_values(fit, name):
        return Change(name, None, (f"where {name} is {both[1]:g} rather than {both[0]:g}",))
    spread = float(np.std(fit.model.design.frame[name].to_numpy(dtype=float)))
    rounded = float(f"{spread:.0e}")
    step = 1 if _ONE_UNIT[0] <= spread <= _ONE_UNIT[1] else int(rounded) if rounded.is_integer() else rounded
    return Change(name, step, (f"where {name} is {step:,.10g} more",))
