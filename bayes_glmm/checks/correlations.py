"""What correlations of group effects rest on: where zero of a predictor lies, and the prior, which pulls them to zero.

Input: a `Fit`. Output: sentences, each with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.grouping import GroupTerm

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit
    from bayes_glmm.priors import Prior

Array = npt.NDArray[np.float64]

_NEAR_ONE = 0.95
#: How far the prior may move a correlation's mean before it is worth a sentence.
_PULL = 0.1


def correlation_notes(fit: Fit) -> Iterator[str]:
    """Say which correlations are at their bound, and why, and which the prior pulls toward zero.

    Parameters
    ----------
    fit
        The fit; it is not changed.

    Yields
    ------
    str
        A sentence or two for each finding.

    Notes
    -----
    What a correlation would be under LKJ(1), the flat prior, is read off the draws by importance weights
    det(R)^(1 - eta), the ratio of the priors.

    References
    ----------
    Lewandowski, D., Kurowicka, D. and Joe, H. (2009). Generating random correlation matrices based on vines and
    extended onion method. Journal of Multivariate Analysis 100, 1989-2001. doi:10.1016/j.jmva.2009.04.008.
    """
    for term, (_, priors) in zip(fit.model.design.groups, fit.model.prior_table.groups, strict=True):
        if priors.corr is None:
            continue
        k = len(term.coefs)
        R = fit.posterior[f"corr_{term.name}"].transpose("chain", "draw", ...).to_numpy().reshape(-1, k, k)
        sd = fit.posterior[f"sd_{term.name}"].transpose("chain", "draw", ...).to_numpy().reshape(-1, k)
        stated = priors.at_data(sd, R)[1]
        assert stated is not None
        where = "" if priors.basis is None else " at the predictors' means"
        for block in term.blocks:
            for j, i in ((j, i) for j in block for i in block if j < i):
                yield from _bound(term, i, j, R[:, i, j], sd)
                yield from _pulled(term, i, j, stated, priors.corr.prior, where)


def _bound(term: GroupTerm, i: int, j: int, r: Array, sd: Array) -> Iterator[str]:
    if not _extreme(r):
        return
    name, column, coef = _name(term, i, j), term.Z[:, i], term.coefs[i]
    low, high, mean = float(column.min()), float(column.max()), float(column.mean())
    far = term.coefs[j] == "Intercept" and (low > 0.0 or high < 0.0)
    if far and not _extreme(_at_mean(r, sd[:, j], sd[:, i], mean)):
        yield (
            f"{name} is near its bound because the intercepts of {term.name} stand where {coef} is 0, and the data go "
            f"from {low:g} to {high:g}. Centre the predictor ({coef} less {mean:.4g}): the slopes stay what they are."
        )
        return
    yield (
        f"{name} is near its bound: the data carry fewer dimensions than the term has. Leave a slope out, write "
        "(x || g), or state a stronger prior (corr: LKJ)."
    )


def _at_mean(r: Array, sd_intercept: Array, sd_slope: Array, mean: float) -> Array:
    """Correlation of slopes with intercepts moved to where the predictor is at its mean, (S,)."""
    covariance, variance = r * sd_intercept * sd_slope, np.square(sd_slope)
    moved = np.square(sd_intercept) + 2.0 * mean * covariance + mean**2 * variance
    smallest = np.finfo(float).tiny
    return np.asarray((covariance + mean * variance) / np.sqrt(np.maximum(moved * variance, smallest)))


def _extreme(r: Array) -> bool:
    return bool(max(np.mean(r > _NEAR_ONE), np.mean(r < -_NEAR_ONE)) > 0.5)


def _pulled(term: GroupTerm, i: int, j: int, R: Array, prior: Prior, where: str) -> Iterator[str]:
    eta = float(prior["eta"])
    if eta <= 1.0:
        return
    weight = np.maximum(np.linalg.det(R), 1e-12) ** (1.0 - eta)
    mean, flat = float(R[:, i, j].mean()), float(np.average(R[:, i, j], weights=weight))
    if abs(flat) - abs(mean) < _PULL:
        return
    levels = np.unique(term.codes).size
    yield (
        f"The prior {prior} pulls {_name(term, i, j)}{where} toward zero: its mean is {mean:.2f}, and would be about "
        f"{flat:.2f} under LKJ(1). {levels} levels say little about a correlation; state the prior you believe in, "
        f"priors={{'corr[{term.name}]': bg.Prior('LKJ', eta=1)}} for none."
    )


def _name(term: GroupTerm, i: int, j: int) -> str:
    return f"corr_{term.name}[{term.coefs[i]}, {term.coefs[j]}]"
