"""Flat priors that the data do not make up for: a posterior that has no integral is refused before it is sampled.

Input: a design and the priors. Output: nothing, or a `PriorError` that names the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayes_glmm.errors import PriorError
from bayes_glmm.model.naming import FLAT

if TYPE_CHECKING:
    from bayes_glmm.design.design import Design
    from bayes_glmm.model.prior_table import PriorTable

_TOLERANCE = 1e-11
#: Responses whose families become another one as their precision grows.
_LIMITED = frozenset({"count", "trials"})
#: Fewest levels that hold a flat sd or variance; nothing keeps a flat precision from infinity.
_FEWEST = {1.0: 3, 2.0: 4}


def check_propriety(design: Design, priors: PriorTable) -> None:
    """Refuse flat priors where the likelihood sets no limit.

    Parameters
    ----------
    design
        The model's design with its response.
    priors
        The prior of every parameter.

    Raises
    ------
    PriorError
        If coefficients with flat priors are collinear or separated, a factor has too few levels for a flat sd, or a
        flat prior lies on a dispersion whose likelihood tends to a constant.

    Notes
    -----
    A uniform prior on a group's sd needs three levels, one on its variance four.

    References
    ----------
    Gelman, A. (2006). Prior distributions for variance parameters in hierarchical models. Bayesian Analysis 1, 515-534,
    section 3.2. doi:10.1214/06-BA117A.
    """
    found = next(chain(_coefficients(design, priors), _sds(design, priors), _dispersions(design, priors)), None)
    if found is not None:
        raise PriorError(f"The posterior would not be proper: {found}. State a prior that is not flat.")


def _coefficients(design: Design, priors: PriorTable) -> Iterator[str]:
    flat = [j for j, row in enumerate(priors.beta) if row.prior.name in FLAT]
    if not flat:
        return
    from bayes_glmm.checks.separation import separated_coefficients  # scipy's linear programs take long to import

    flat = [int(design.unpenalised[j]) for j in flat]
    for channel in sorted({design.channels[j] for j in flat}):
        own = [j for j in flat if design.channels[j] == channel]
        names = np.array(design.coefs)[own]
        free = _undetermined(_informative(design)[:, own])
        if free.any():
            yield f"flat priors on {_listed(names[free])}, whose columns are collinear or zero"
    own = [j for j in flat if design.channels[j] == 0 or design.spec.family.support == "unordered"]
    coefs, channels = tuple(design.coefs[j] for j in own), tuple(design.channels[j] for j in own)
    part = replace(design, X=design.X[:, own], coefs=coefs, channels=channels, penalised=())
    others = [j for j in flat if j not in own and not _is_spread(design, design.channels[j])]
    if further := [design.coefs[j] for j in others]:
        yield f"flat priors on {_listed(tuple(further))}, which the data may not keep from infinity"
    if separated := separated_coefficients(part, design.spec.family.support):
        yield f"flat priors on {_listed(separated)}, to which the data set no limit (separation)"


def _is_spread(design: Design, channel: int) -> bool:
    """Whether a further parameter is the response's only spread: the likelihood goes to zero at both its ends."""
    own = design.spec.channels[channel - 1].parameter
    return own.scaled and sum(row.scaled for row in design.spec.family.parameters) == 1


def _informative(design: Design) -> npt.NDArray[np.float64]:
    """Return the rows of X that say something: those of weight and trials above zero."""
    assert design.response is not None
    kept = np.ones(len(design.X), dtype=bool)
    for values in (design.response.weights, design.response.trials):
        if values is not None:
            kept &= values > 0
    return design.X[kept]


def _undetermined(X: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Mark the columns that take part in a combination equal to zero."""
    R = np.linalg.qr(X, mode="r")
    length = np.sqrt(np.square(R).sum(axis=0))
    _, size, directions = np.linalg.svd(R / np.where(length > 0, length, 1.0))
    null = directions[np.pad(size, (0, X.shape[1] - len(size))) <= _TOLERANCE * size.max(initial=1.0)]
    return np.asarray(np.abs(null).max(axis=0, initial=0.0) > 1e-6)


def _sds(design: Design, priors: PriorTable) -> Iterator[str]:
    for name, group in priors.groups:
        levels = np.unique(design.group(name).codes).size
        for row in group.sd:
            fewest = _FEWEST.get(row.power)
            if row.prior.name in FLAT and (fewest is None or levels < fewest):
                about = f"the {row.scale} of {row.parameter}" if row.scale else row.parameter
                why = "has no bound" if fewest is None else f"needs {fewest} levels or more and has {levels}"
                yield f"a flat prior on {about}, which {why}"

    for row in (*(smooth.sd for smooth in priors.smooths), *priors.lengthscales):
        if row.prior.name in FLAT:
            yield f"a flat prior on {row.parameter}, which one curve cannot keep from infinity"


def _dispersions(design: Design, priors: PriorTable) -> Iterator[str]:
    # alpha of a skew normal, where ends of shares begin: at either end the likelihood need not vanish
    unbounded = [own.name for own in design.spec.family.parameters if own.lower is None and not own.ordered]
    precisions = [own.name for own in design.spec.family.parameters if own.power == -0.5]
    for row in priors.auxiliary:
        # as they grow the family becomes another one, whose likelihood is not zero
        tends = row.parameter in ("nu", *unbounded) or (
            row.parameter in precisions and design.spec.family.support in _LIMITED
        )
        if tends and row.prior.name in FLAT and row.power > 0:
            yield f"a flat prior on {row.parameter}, which the data cannot keep from infinity"


def _listed(names: npt.NDArray[np.str_] | tuple[str, ...]) -> str:
    return ", ".join(map(str, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
