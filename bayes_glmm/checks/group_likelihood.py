"""The likelihood of whole groups with their effects integrated out, per posterior draw.

Input: a `Fit` and a grouping factor. Output: log p(y of level j | parameters), the level's own effects averaged over
N(0, Sigma). What a new group is worth to a model depends on this, not on the effects fitted to that very group.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from bayes_glmm.checks.level_integral import NODES, LevelIntegral, Root
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.predict.expected import RowPredictor, row_predictor
from bayes_glmm.predict.pieces import in_threads
from bayes_glmm.predict.posterior import PosteriorDraws, posterior_draws
from bayes_glmm.progress import tracked

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


def nested_terms(fit: Fit, group: str) -> tuple[GroupTerm, ...]:
    """Find the effects that are integrated out when a level of a grouping factor is left out.

    Parameters
    ----------
    fit
        The fit.
    group
        Name of the factor.

    Returns
    -------
    tuple of GroupTerm
        The factor, then those nested in it, each within the one before.

    Raises
    ------
    PredictionError
        If the model has no such factor, factors nested in it are crossed with each other, or too many effects vary.
    """
    terms = {term.name: term for term in fit.model.design.groups}
    if group not in terms:
        raise PredictionError(f"unit: the model has no grouping factor {group!r}. {nearest(group, ['obs', *terms])}")
    within = [term for term in terms.values() if term.name != group and _lies_within(term, terms[group])]
    for term in (terms[group], *within):
        if term.structure is not None:
            raise PredictionError(
                f"unit={group!r}: the effects of {term.name!r} are related across its levels, so the likelihood of one "
                f"level alone is not defined. bg.kfold(fit, group={group!r}, k=10) leaves levels out and predicts them "
                "from their relatives; bg.loo(fit) is about new rows."
            )
    chain = (terms[group], *sorted(within, key=lambda term: np.unique(term.codes).size))
    for outer, inner in itertools.pairwise(chain):
        if not _lies_within(inner, outer):
            raise PredictionError(
                f"unit={group!r}: {outer.name!r} and {inner.name!r} vary within its levels and are not nested in each "
                "other; their effects cannot be integrated out one after the other."
            )
    for term in chain:
        if any(term.channels):
            others = [one.name for c, one in enumerate(fit.model.spec.channels, start=1) if term.acts_on(c).any()]
            raise PredictionError(
                f"unit={group!r}: {term.name} has effects on {', '.join(others)}, too, and effects on several "
                "parameters are not integrated out. Leave rows out instead, unit='obs'."
            )
    dimension = sum(len(term.coefs) for term in chain)
    if dimension > max(NODES):
        raise PredictionError(
            f"unit={group!r}: {dimension} coefficients vary within its levels, and at most {max(NODES)} are "
            "integrated out."
        )
    return chain


def _lies_within(inner: GroupTerm, outer: GroupTerm) -> bool:
    """Whether each level of one factor occurs in one level of the other only."""
    pairs = np.unique(np.column_stack([inner.codes, outer.codes]), axis=0)
    return len(pairs) == np.unique(inner.codes).size


def group_log_likelihood(
    fit: Fit, group: str, levels: Rows | None = None, *, around: Fit | None = None, label: str | None = None
) -> Array:
    """Compute the log likelihood of every level of a factor, its effects integrated out.

    Parameters
    ----------
    fit
        The fit whose posterior draws are used.
    group
        The grouping factor.
    levels
        Codes of the levels wanted; None for all.
    around
        A fit that saw the levels, from whose effects the search for the modes starts; None for `fit` itself.

    label
        What the integrals are called where their progress is shown; None shows nothing.

    Returns
    -------
    numpy.ndarray
        (S, levels).

    Raises
    ------
    PredictionError
        As `nested_terms`.

    Notes
    -----
    Adaptive Gauss-Hermite quadrature, by a finer rule in every draw where the last one moved the result. The effects
    are root @ z with z standard normal, so that a group standard deviation of zero is nothing special; in every draw of
    its own the nodes lie about the mode of z with the spread that the curvature there says. Effects of factors nested
    in this one are integrated out inside, for each node of the outer ones, about where the curvature says that their
    mode follows. Effects of crossed factors stay as drawn.

    References
    ----------
    Pinheiro, J. C. and Bates, D. M. (1995). Approximations to the log-likelihood function in the nonlinear
    mixed-effects model. Journal of Computational and Graphical Statistics 4, 12-35.
    doi:10.1080/10618600.1995.10474663.
    Merkle, E. C., Furr, D. and Rabe-Hesketh, S. (2019). Bayesian comparison of latent variable models: conditional
    versus marginal likelihoods. Psychometrika 84, 802-829. doi:10.1007/s11336-019-09679-0.
    """
    chain = nested_terms(fit, group)
    draws = posterior_draws(fit)
    predictor = row_predictor(fit, None, scale="link", random_seed=0, draws=draws)
    integral = level_integral(predictor, chain, None if around is None else posterior_draws(around))
    wanted = [int(level) for level in (np.arange(len(chain[0].levels)) if levels is None else levels)]
    found = in_threads(integral.of_level, wanted)
    unit = f"levels of {group}"
    return np.stack(list(tracked(found, len(wanted), label or "", label is not None, unit)), axis=1)


def level_integral(
    predictor: RowPredictor, chain: tuple[GroupTerm, ...], around: PosteriorDraws | None = None
) -> LevelIntegral:
    """Prepare the integrals over the effects of a factor and those nested in it.

    Parameters
    ----------
    predictor
        The draws the likelihood is taken at, all rows of the fit.
    chain
        The factor and those nested in it, as `nested_terms` finds them.
    around
        Draws from whose means the search for the modes starts; None for each draw's own effects.

    Returns
    -------
    LevelIntegral
        Nothing has been computed yet.
    """
    draws = predictor.draws
    starts = tuple(
        draws.effects[term.name] if around is None else around.effects[term.name].mean(axis=0, keepdims=True)
        for term in chain
    )
    roots = tuple(Root.of(draws.covariances[term.name]) for term in chain)
    return LevelIntegral(predictor, chain, roots, starts)


def log_mean_exp(values: Array) -> Array:
    """Average exponentials over draws, on the log scale.

    Parameters
    ----------
    values
        (S, units).

    Returns
    -------
    numpy.ndarray
        (units,) log of the mean of exp(values).
    """
    return np.asarray(special.logsumexp(values, axis=0) - np.log(len(values)), dtype=float)
