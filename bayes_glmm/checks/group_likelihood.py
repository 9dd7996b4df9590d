"""The likelihood of whole groups with their effects integrated out, per posterior draw.

Input: a `Fit` and a grouping factor. Output: log p(y of level j | parameters), the level's own effects averaged over
N(0, Sigma). What a new group is worth to a model depends on this, not on the effects fitted to that very group.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.predict.expected import RowPredictor, in_threads, row_predictor
from bayes_glmm.predict.linear import fixed_part
from bayes_glmm.predict.posterior import PosteriorDraws, posterior_draws

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

#: Nodes in each dimension by the number of dimensions.
_NODES = {1: 31, 2: 15, 3: 9, 4: 7}
_WIDER = 1.3  # the nodes' spread over that of the effects' posterior


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
    chain = (terms[group], *sorted(within, key=lambda term: np.unique(term.codes).size))
    for outer, inner in itertools.pairwise(chain):
        if not _lies_within(inner, outer):
            raise PredictionError(
                f"unit={group!r}: {outer.name!r} and {inner.name!r} vary within its levels and are not nested in each "
                "other; their effects cannot be integrated out one after the other."
            )
    dimension = sum(len(term.coefs) for term in chain)
    if dimension > max(_NODES):
        raise PredictionError(
            f"unit={group!r}: {dimension} coefficients vary within its levels, and at most {max(_NODES)} are "
            "integrated out."
        )
    return chain


def _lies_within(inner: GroupTerm, outer: GroupTerm) -> bool:
    """Whether each level of one factor occurs in one level of the other only."""
    pairs = np.unique(np.column_stack([inner.codes, outer.codes]), axis=0)
    return len(pairs) == np.unique(inner.codes).size


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
        As `nested_terms`.

    Notes
    -----
    Gauss-Hermite quadrature. For every draw the nodes lie about the mean of the level's effects given the rest of the
    linear predictor, as a regression over the posterior draws has it, with the spread around that regression. Effects
    of factors nested in this one are integrated out inside, for each node of the outer ones. Effects of crossed factors
    stay as drawn.

    References
    ----------
    Merkle, E. C., Furr, D. and Rabe-Hesketh, S. (2019). Bayesian comparison of latent variable models: conditional
    versus marginal likelihoods. Psychometrika 84, 802-829. doi:10.1007/s11336-019-09679-0.
    """
    chain = nested_terms(fit, group)
    draws = posterior_draws(fit)
    predictor = row_predictor(fit, None, scale="link", random_seed=0, draws=draws)
    spectra = tuple(_spectrum(draws.covariances[term.name]) for term in chain)
    reference = draws if around is None else posterior_draws(around)
    integral = _Integral(predictor, chain, spectra, reference, _NODES[sum(len(term.coefs) for term in chain)])
    wanted = np.arange(len(chain[0].levels)) if levels is None else levels
    return np.stack(list(in_threads(integral.of_level, [int(level) for level in wanted])), axis=1)


def _spectrum(covariances: Array) -> tuple[Array, Array, Array]:
    """Eigenvalues (S, k), kept positive, eigenvectors (S, k, k) and log determinants (S,)."""
    values, vectors = np.linalg.eigh(covariances)
    values = np.maximum(values, 1e-12 * values[:, -1:] + 1e-300)
    return values, vectors, np.log(values).sum(axis=1)


@dataclass(frozen=True, eq=False)
class _Integral:
    """The integral of a level's likelihood over its effects and those nested in it.

    Parameters
    ----------
    predictor
        The draws the likelihood is taken at, all rows of the fit.
    chain
        The factor and those nested in it, outermost first.
    spectra
        `_spectrum` of each factor's covariance matrices.
    reference
        Draws of a fit that saw the level: where the nodes go.
    nodes
        Nodes in each dimension.
    """

    predictor: RowPredictor
    chain: tuple[GroupTerm, ...]
    spectra: tuple[tuple[Array, Array, Array], ...]
    reference: PosteriorDraws
    nodes: int

    def of_level(self, level: int) -> Array:
        """Integrate over the effects of one level of the outermost factor: (S,) logs."""
        rows = np.flatnonzero(self.chain[0].codes == level)
        return self._integrate(0, level, rows, self._base(self.predictor.draws, rows), self._base(self.reference, rows))

    def _base(self, draws: PosteriorDraws, rows: Rows) -> Array:
        """Linear predictor without the effects that are integrated out: (draws, rows)."""
        design = self.predictor.design
        base, integrated = fixed_part(draws, design, rows), {term.name for term in self.chain}
        for other in design.groups:
            if other.name not in integrated:
                base = base + np.sum(draws.effects[other.name][:, other.codes[rows]] * other.Z[rows], axis=-1)
        return base

    def _integrate(self, depth: int, level: int, rows: Rows, base: Array, reference: Array) -> Array:
        """Integrate over a level's effects, `base` and `reference` the linear predictors without them: (S,) logs."""
        term = self.chain[depth]
        Z, k = term.Z[rows], len(term.coefs)
        values, vectors, log_det = self.spectra[depth]
        drawn = self.reference.effects[term.name][:, level]
        centre, root = _place(drawn, reference @ np.linalg.pinv(Z).T, base @ np.linalg.pinv(Z).T)
        log_root = np.log(np.diag(root)).sum()
        below = reference + drawn @ Z.T
        total = np.full(len(base), -np.inf)
        for node, log_weight in zip(*_grid(k, self.nodes), strict=True):
            points = centre + root @ node
            likelihood = self._below(depth, rows, base + points @ Z.T, below)
            along = np.einsum("sk,skj->sj", points, vectors)
            prior = -0.5 * ((np.square(along) / values).sum(axis=1) + log_det)
            total = np.logaddexp(total, likelihood + prior + log_weight + log_root)
        return total - 0.5 * k * np.log(2 * np.pi)

    def _below(self, depth: int, rows: Rows, eta: Array, reference: Array) -> Array:
        """Likelihood of the rows given the effects down to `depth`: (S,) logs."""
        if depth + 1 == len(self.chain):
            return _row_density(self.predictor, eta, rows).sum(axis=1)
        total = np.zeros(len(eta))
        codes = self.chain[depth + 1].codes[rows]
        for level in np.unique(codes):
            of = codes == level
            total += self._integrate(depth + 1, int(level), rows[of], eta[:, of], reference[:, of])
        return total


def _place(drawn: Array, reference: Array, at: Array) -> tuple[Array, Array]:
    """Centres (S, k) and Cholesky factor (k, k) of the nodes: a regression of drawn effects on the rest.

    Parameters
    ----------
    drawn
        (S', k) effects of a level that was seen.
    reference
        (S', k) what the rest of the linear predictor was then, as effects.
    at
        (S, k) what it is now.
    """
    mean, origin = drawn.mean(axis=0), reference.mean(axis=0)
    slope = np.linalg.lstsq(reference - origin, drawn - mean, rcond=1e-9)[0]
    residual = drawn - mean - (reference - origin) @ slope
    return mean + (at - origin) @ slope, _WIDER * _root(residual)


def _grid(dimension: int, nodes: int) -> tuple[Array, Array]:
    """Product Gauss-Hermite nodes (nodes**k, k) of a standard normal, and their log weights over its density."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    points = np.array(list(itertools.product(x, repeat=dimension)))
    weights = np.array([np.log(part).sum() for part in itertools.product(w, repeat=dimension)])
    return points, weights + 0.5 * np.square(points).sum(axis=1)


def _root(effects: Array) -> Array:
    """Cholesky factor of the covariance of effects (S, k), kept away from zero."""
    k = effects.shape[1]
    covariance = np.atleast_2d(np.cov(effects.T))
    return np.linalg.cholesky(covariance + np.eye(k) * max(1e-12, 1e-8 * float(np.trace(covariance)) / k))


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
