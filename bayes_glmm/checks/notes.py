"""What a converged fit may still hide: separation, sds at their bound, priors that decide, factors with few levels.

Input: a `Fit`. Output: sentences, each with what to do. None of them says that the draws are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayes_glmm.checks.correlations import correlation_notes
from bayes_glmm.checks.prior_sensitivity import THRESHOLD, prior_sensitivity
from bayes_glmm.checks.separation import separated_coefficients
from bayes_glmm.design.identified import unidentified_effects
from bayes_glmm.inference.scalars import population_scalars

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]

#: Levels below which a factor's sd rests on its prior.
FEW_LEVELS = 5
#: A density that falls from zero on has a tenth of its draws below a fifth of its median; one that is zero there, few.
_FIFTH, _AT_ZERO = 0.2, 0.07
#: Times the threshold of `prior_sensitivity` from which a prior beside informative data is worth a sentence unasked.
_STRONG = 2.0
_SHOWN = 3


def model_notes(fit: Fit) -> tuple[str, ...]:
    """Look for what makes answers depend on something other than the data.

    Parameters
    ----------
    fit
        The fit; it is not changed.

    Returns
    -------
    tuple of str
        A sentence or two for each finding, what to do included; empty where there is nothing to say.
    """
    parts = (_unidentified, _separation, _levels, _bounds, correlation_notes, _simpler, _priors)
    return tuple(note for part in parts for note in part(fit))


def _unidentified(fit: Fit) -> Iterator[str]:
    design = fit.model.design
    if design.response is not None:
        yield from unidentified_effects(design.within(0).groups, design.response, design.spec)


def _separation(fit: Fit) -> Iterator[str]:
    design, family = fit.model.design, fit.model.spec.family
    names = separated_coefficients(design if family.support == "unordered" else design.within(0), family.support)
    if names:
        yield (
            f"Separation: the data set no limit to {_listed(names)} (one side has one response only), so how large "
            "they are is the prior's choice. State a prior you believe in, priors={'beta': ...}, or merge levels."
        )


def _levels(fit: Fit) -> Iterator[str]:
    for term in fit.model.design.groups:
        present = np.unique(term.codes).size
        if present < FEW_LEVELS:
            yield (
                f"{term.name} has {present} levels: few to estimate a sd from, so it rests on its prior. Compare with "
                f"{term.name} as a fixed effect, or state a prior for sd[{term.name}]."
            )


def _bounds(fit: Fit) -> Iterator[str]:
    scalars = population_scalars(fit.posterior, fit.model.design)
    flat = {str(name): values.to_numpy().ravel() for name, values in scalars.items()}
    at_zero = [name for name, draws in flat.items() if name.startswith("sd_") and _piles_at_zero(draws)]
    if at_zero:
        yield (
            f"{_listed(at_zero)} cannot be told from zero: the levels hardly differ, or too few were seen. Intervals "
            "are right as they are; keep the term where the design asks for it, and see prior_sensitivity(fit)."
        )


def _simpler(fit: Fit) -> Iterator[str]:
    family = fit.model.spec.family
    for row in fit.model.spec.constants:
        overdispersion = row.power == -0.5 and family.limit is not None
        if overdispersion and _piles_at_zero(fit.posterior[row.name].to_numpy() ** -0.5):
            yield (
                f"1/sqrt({row.name}) cannot be told from zero: the counts show no more spread than a Poisson's, so how "
                f"large {row.name} is, and whether it has a mean, is the prior's choice. "
                f"family={family.limit!r} would do."
            )


def _piles_at_zero(draws: Array) -> bool:
    return bool(np.mean(draws < _FIFTH * np.median(draws)) > _AT_ZERO)


def _priors(fit: Fit) -> Iterator[str]:
    table = prior_sensitivity(fit)
    prior, likelihood = table["prior"], table["likelihood"]
    decides = (prior >= THRESHOLD) & (prior >= likelihood)
    decided = table.loc[decides, "parameter"].tolist()
    shared = table.loc[~decides & (prior >= _STRONG * THRESHOLD), "parameter"].tolist()
    if decided:
        yield (
            f"The data say little about {_listed(decided)}: the prior decides. State one you can defend, and see "
            "prior_sensitivity(fit, refits=True)."
        )
    if shared:
        yield (
            f"Prior and data both shape {_listed(shared)}, and they may disagree. See which prior it is: "
            "prior_sensitivity(fit, by='group', refits=True)."
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
