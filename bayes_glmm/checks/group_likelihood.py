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

from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.predict.expected import RowPredictor, in_threads, row_predictor
from bayes_glmm.predict.linear import fixed_part
from bayes_glmm.predict.posterior import posterior_draws

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

#: Nodes in each dimension by the number of coefficients that vary.
_NODES = {1: 31, 2: 15, 3: 9, 4: 7}
_WIDER = 1.3  # the nodes' spread over that of the effects' posterior


def group_term(fit: Fit, group: str) -> GroupTerm:
    """Find a grouping factor whose levels can be left out as a whole.

    Parameters
    ----------
    fit
        The fit.
    group
        Name of the factor.

    Returns
    -------
    GroupTerm
        The factor.

    Raises
    ------
    PredictionError
        If the model has no such factor, another one is nested in it, or too many coefficients vary by it.
    """
    terms = {term.name: term for term in fit.model.design.groups}
    if group not in terms:
        raise PredictionError(f"unit: the model has no grouping factor {group!r}. {nearest(group, ['obs', *terms])}")
    term = terms[group]
    for other in terms.values():
        if other is term:
            continue
        pairs = np.unique(np.column_stack([other.codes, term.codes]), axis=0)
        if len(pairs) == np.unique(other.codes).size:
            raise PredictionError(
                f"unit={group!r}: the levels of {other.name!r} lie within those of {group!r}, and the effects of both "
                f"would have to be integrated out. Use kfold(fit, group={group!r}), which refits."
            )
    if len(term.coefs) > max(_NODES):
        raise PredictionError(
            f"unit={group!r}: {len(term.coefs)} coefficients vary by it, and at most {max(_NODES)} are integrated out. "
            f"Use kfold(fit, group={group!r}), which refits."
        )
    return term


def group_log_likelihood(fit: Fit, group: str, levels: Rows | None = None, *, around: Fit | None = None) -> Array:
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
        A fit that saw the levels, whose effects say where the quadrature's nodes go; None for `fit` itself.

    Returns
    -------
    numpy.ndarray
        (S, levels).

    Raises
    ------
    PredictionError
        As `group_term`.

    Notes
    -----
    Gauss-Hermite quadrature about the posterior mean of the level's effects, scaled by their posterior covariance;
    other crossed factors' effects stay as drawn.

    References
    ----------
    Merkle, E. C., Furr, D. and Rabe-Hesketh, S. (2019). Bayesian comparison of latent variable models: conditional
    versus marginal likelihoods. Psychometrika 84, 802-829. doi:10.1007/s11336-019-09679-0.
    """
    term = group_term(fit, group)
    draws = posterior_draws(fit)
    effects = (draws if around is None else posterior_draws(around)).effects[term.name]
    predictor = row_predictor(fit, None, scale="link", random_seed=0, draws=draws)
    wanted = np.arange(len(term.levels)) if levels is None else levels
    by_level = np.split(np.argsort(term.codes, kind="stable"), np.cumsum(np.bincount(term.codes))[:-1])
    nodes, log_weights = _grid(len(term.coefs))

    def one(level: int) -> Array:
        place = effects[:, level].mean(axis=0), _WIDER * _root(effects[:, level])
        return _integrated(predictor, term, by_level[level], place, nodes, log_weights)

    return np.stack(list(in_threads(one, [int(level) for level in wanted])), axis=1)


def _grid(dimension: int) -> tuple[Array, Array]:
    """Product Gauss-Hermite nodes (nodes, k) of a standard normal, and their log weights over its density."""
    x, w = np.polynomial.hermite_e.hermegauss(_NODES[dimension])
    nodes = np.array(list(itertools.product(x, repeat=dimension)))
    weights = np.array([np.log(part).sum() for part in itertools.product(w, repeat=dimension)])
    return nodes, weights + 0.5 * np.square(nodes).sum(axis=1)


def _root(effects: Array) -> Array:
    """Cholesky factor of the covariance of a level's effects, kept away from zero."""
    k = effects.shape[1]
    covariance = np.atleast_2d(np.cov(effects.T))
    return np.linalg.cholesky(covariance + np.eye(k) * max(1e-12, 1e-8 * float(np.trace(covariance)) / k))


def _integrated(
    predictor: RowPredictor,
    term: GroupTerm,
    rows: Rows,
    place: tuple[Array, Array],
    nodes: Array,
    log_weights: Array,
) -> Array:
    """Integrate the likelihood of a level's rows over its effects, nodes centred and scaled by `place`: (S,)."""
    draws, (centre, root), k = predictor.draws, place, nodes.shape[1]
    points = centre + nodes @ root.T
    base = fixed_part(draws, predictor.design, rows)
    for other in predictor.design.groups:
        if other.name != term.name:
            base = base + np.sum(draws.effects[other.name][:, other.codes[rows]] * other.Z[rows], axis=-1)
    values, vectors = np.linalg.eigh(draws.covariances[term.name])
    values = np.maximum(values, 1e-12 * values[:, -1:] + 1e-300)
    log_det = np.log(values).sum(axis=1)
    log_root = np.log(np.diag(root)).sum()
    total = np.full(draws.size, -np.inf)
    for point, log_weight in zip(points, log_weights, strict=True):
        eta = base + term.Z[rows] @ point
        likelihood = _row_density(predictor, eta, rows).sum(axis=1)
        prior = -0.5 * ((np.square(point @ vectors) / values).sum(axis=1) + log_det)
        total = np.logaddexp(total, likelihood + prior + log_weight + log_root)
    return total - 0.5 * k * np.log(2 * np.pi)


def _row_density(predictor: RowPredictor, eta: Array, rows: Rows) -> Array:
    """Compute log p(y | eta), times the rows' weights: (S, rows)."""
    family, link, response = predictor.family, predictor.link, predictor.design.response
    parameters = predictor.draws.parameters
    assert response is not None
    if family.probabilities is None:
        mu = link.inverse(eta)
    else:
        mu = family.probabilities(eta, link, parameters)
    trials = None if response.trials is None else response.trials[rows]
    density = np.asarray(family.log_density(response.y[rows], mu, parameters, trials), dtype=float)
    return density if response.weights is None else density * response.weights[rows]


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
