"""The density of each row given the other rows, its level's effects integrated out where the level has few rows.

Input: a `Fit`. Output: log densities per posterior draw, as leave-one-out weighs them. The effects of a level of one
row or a few follow that row: as drawn they have seen the very response they are to predict, and importance sampling
does not always notice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayes_glmm.checks.group_likelihood import level_integral, nested_terms
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.domain import must_be_positive
from bayes_glmm.predict.draws import row_log_densities
from bayes_glmm.predict.expected import row_predictor
from bayes_glmm.predict.pieces import in_threads
from bayes_glmm.predict.posterior import posterior_draws
from bayes_glmm.progress import tracked

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

#: Rows for each coefficient of a level up to which its effects are integrated out.
FEW = 5
#: Effects that are integrated out for every single row; a grid over more takes minutes.
MOST_TOGETHER = 2


def row_log_likelihood(fit: Fit, label: str | None = None) -> Array:
    """Compute the log density of every row given the other rows of its level, where these are few.

    Parameters
    ----------
    fit
        The fit whose posterior draws are used; it is not changed.
    label
        What the integrals are called where their progress is shown; None shows nothing.

    Returns
    -------
    numpy.ndarray
        (S, rows): log p(y_i | the level's other rows, parameters, other factors' effects) for rows of levels with at
        most `FEW` rows for each of their coefficients, log p(y_i | parameters, all effects) for the others.

    Notes
    -----
    p(y_i | y_-i) is the ratio of the level's integrated likelihoods with and without the row, by quadrature in every
    draw. Its reciprocal is the importance ratio between the posteriors without and with the row of everything but that
    level's effects. Where several factors have few rows a level, the one with the fewest is integrated out, together
    with those nested in it or that it is nested in; crossed factors' effects stay as drawn. Effects of related levels
    are integrated out given those of all relatives. All effects stay as drawn under links that do not give every linear
    predictor a mean (identity for counts, inverse), and where there are more than two a level.

    References
    ----------
    Merkle, E. C., Furr, D. and Rabe-Hesketh, S. (2019). Bayesian comparison of latent variable models: conditional
    versus marginal likelihoods. Psychometrika 84, 802-829. doi:10.1007/s11336-019-09679-0.
    """
    values = row_log_densities(fit)
    predictor = row_predictor(fit, None, scale="link", random_seed=0, draws=posterior_draws(fit))
    for chain, chosen in _integrated(fit):
        integral, codes = level_integral(predictor, chain), chain[0].codes

        def of_level(level: int, integral=integral, codes=codes, chosen=chosen) -> tuple[Rows, Array]:  # type: ignore[no-untyped-def]
            rows = np.flatnonzero(codes == level)
            return rows[chosen[rows]], integral.of_each_row(rows)[:, chosen[rows]]

        levels = np.unique(codes[chosen]).tolist()
        unit, shown = f"levels of {chain[0].name}", label is not None
        for rows, densities in tracked(in_threads(of_level, levels), len(levels), label or "", shown, unit):
            values[:, rows] = densities
    return values


def _integrated(fit: Fit) -> list[tuple[tuple[GroupTerm, ...], npt.NDArray[np.bool_]]]:
    """Find the chains of factors to be integrated out, and the rows (rows,) that each serves; a row has one at most."""
    groups = fit.model.design.groups if _defined_everywhere(fit) else ()
    chains = [chain for chain in (_chain(fit, term) for term in groups) if chain]
    if not chains:
        return []
    counts = {term.name: np.bincount(term.codes)[term.codes] for term in groups}
    few = np.array([counts[c[0].name] <= FEW * sum(len(term.coefs) for term in c) for c in chains])
    fewest = np.array([np.min([counts[term.name] for term in chain], axis=0) for chain in chains])
    # of chains that reach the smallest level, the one that begins furthest out
    best = np.where(few, fewest, np.iinfo(fewest.dtype).max).min(axis=0)
    reach = np.array([counts[chain[0].name] for chain in chains])
    rank = np.where(few & (fewest == best), reach, -1)
    choice, served = rank.argmax(axis=0), few.any(axis=0)
    return [(chain, served & (choice == i)) for i, chain in enumerate(chains) if np.any(served & (choice == i))]


def _defined_everywhere(fit: Fit) -> bool:
    """Whether every linear predictor has a mean that the family takes, so that normal effects can be averaged over."""
    family, link = fit.model.spec.family, fit.model.spec.link
    return link.eta_domain == (-math.inf, math.inf) and not must_be_positive(family, link)


def _chain(fit: Fit, term: GroupTerm) -> tuple[GroupTerm, ...]:
    """Return a factor and those nested in it; nothing where they are too many for quadrature."""
    if term.structure is not None:
        return (term,) if len(term.coefs) <= MOST_TOGETHER else ()
    try:
        chain = nested_terms(fit, term.name)
    except PredictionError:
        return ()
    return chain if sum(len(one.coefs) for one in chain) <= MOST_TOGETHER else ()
