"""The likelihood of whole groups with their effects integrated out, per posterior draw.

Input: a `Fit` and a grouping factor. Output: log p(y of level j | parameters), the level's own effects averaged over
N(0, Sigma). What a new group is worth to a model depends on this, not on the effects fitted to that very group.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.predict.draws import row_log_density
from bayes_glmm.predict.expected import RowPredictor, row_predictor
from bayes_glmm.predict.linear import fixed_part
from bayes_glmm.predict.pieces import chunks, in_threads
from bayes_glmm.predict.posterior import PosteriorDraws, posterior_draws
from bayes_glmm.progress import tracked

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
#: (depth, level) -> modes of z (S, k) found last.
Modes = dict[tuple[int, int], Array]

#: Nodes in each dimension by the number of dimensions: a draw gets the next rule where the last moved its log.
_NODES = {1: (3, 7, 15, 31, 63, 127), 2: (15,), 3: (9,), 4: (7,)}
_MOVED = 1e-5  # a rule that moves the log by less than this is itself in error by about the square
_STEPS, _HALVINGS = 30, 12
_NEAR = 0.05  # of the mode, in posterior standard deviations: near enough for nodes to be placed there
_APART = 0.1  # of a standard deviation: between the three points a row's derivatives are taken from


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
    in this one are integrated out inside, for each node of the outer ones. Effects of crossed factors stay as drawn.

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
    roots = tuple(_Root.of(draws.covariances[term.name]) for term in chain)
    return LevelIntegral(predictor, chain, roots, starts, _NODES[sum(len(term.coefs) for term in chain)])


@dataclass(frozen=True, eq=False)
class _Root:
    """Roots of covariance matrices: effects are ``root @ z``, z standard normal.

    Parameters
    ----------
    root
        (S, k, k).
    inverse
        (S, k, k), of what can be inverted.
    """

    root: Array
    inverse: Array

    @classmethod
    def of(cls, covariances: Array) -> _Root:
        values, vectors = np.linalg.eigh(covariances)
        sd = np.sqrt(np.maximum(values, 0.0))
        inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-6 * sd[:, -1:])
        return cls(vectors * sd[:, None, :], inverse[:, :, None] * np.swapaxes(vectors, 1, 2))


@dataclass(frozen=True, eq=False)
class _Local:
    """A log likelihood at a point: value (S,), gradient (S, k) and information (S, k, k) along some directions."""

    value: Array
    gradient: Array
    information: Array


@dataclass(frozen=True, eq=False)
class LevelIntegral:
    """The integral of a level's likelihood over its effects and those nested in it.

    Parameters
    ----------
    predictor
        The draws the likelihood is taken at, all rows of the fit.
    chain
        The factor and those nested in it, outermost first.
    roots
        `_Root` of each factor's covariance matrices.
    starts
        Effects (S or 1, levels, k) of each factor, near their modes.
    nodes
        Nodes in each dimension, of the rules to be tried in turn.
    """

    predictor: RowPredictor
    chain: tuple[GroupTerm, ...]
    roots: tuple[_Root, ...]
    starts: tuple[Array, ...]
    nodes: tuple[int, ...]

    def of_level(self, level: int) -> Array:
        """Integrate over the effects of one level of the outermost factor.

        Parameters
        ----------
        level
            Code of the level.

        Returns
        -------
        numpy.ndarray
            (S,) logs.
        """
        return self.of_rows(level, np.flatnonzero(self.chain[0].codes == level))

    def of_rows(self, level: int, rows: Rows) -> Array:
        """Integrate the likelihood of some of a level's rows over its effects, in every draw.

        Parameters
        ----------
        level
            Code of the level.
        rows
            Positions of rows of that level.

        Returns
        -------
        numpy.ndarray
            (S,) logs; zeros where there are no rows.
        """
        if not len(rows):
            return np.zeros(self.predictor.draws.size)
        # draws have nothing to do with each other: a level of many rows takes a part of them at a time
        parts = chunks(self.predictor.draws.size, len(rows) * (1 + len(self.chain[0].coefs)))
        return np.concatenate([self._taking(part)._of_rows(level, rows) for part in parts])

    def _taking(self, part: Rows) -> LevelIntegral:
        return replace(
            self,
            predictor=self.predictor.taking(part),
            roots=tuple(_Root(root.root[part], root.inverse[part]) for root in self.roots),
            starts=tuple(start if len(start) == 1 else start[part] for start in self.starts),
        )

    def _of_rows(self, level: int, rows: Rows) -> Array:
        draws, design = self.predictor.draws, self.predictor.design
        base, integrated = fixed_part(draws, design, rows), {term.name for term in self.chain}
        for other in design.groups:
            if other.name not in integrated:
                base = base + np.sum(draws.effects[other.name][:, other.codes[rows]] * other.Z[rows], axis=-1)
        modes: Modes = {}
        total = self._integrate(0, level, rows, base, modes, self.nodes[0])
        moved = np.arange(len(total))
        for nodes in self.nodes[1:]:
            unsure = self if len(moved) == self.predictor.draws.size else self._taking(moved)
            finer = unsure._integrate(0, level, rows, base, modes, nodes)
            change = np.abs(finer - total[moved])
            total[moved] = finer
            still = ~(change < _MOVED)
            if not still.any():
                break
            modes, base, moved = {place: z[still] for place, z in modes.items()}, base[still], moved[still]
        return total

    def _integrate(self, depth: int, level: int, rows: Rows, eta: Array, modes: Modes, nodes: int) -> Array:
        """Integrate over a level's effects, `eta` the linear predictor without them: (S,) logs."""
        along = self._along(depth, rows)
        mode, information = self._mode(depth, level, rows, eta, along, modes)
        factor, spread = _factored(information)
        total = np.full(len(eta), -np.inf)
        for node, log_weight in zip(*_grid(mode.shape[1], nodes), strict=True):
            z = mode + spread @ node
            there = eta + _times(along, z)
            likelihood = (
                row_log_density(self.predictor, there, rows).sum(axis=1)
                if depth + 1 == len(self.chain)
                else sum(
                    self._integrate(depth + 1, inner, rows[of], there[:, of], modes, nodes)
                    for inner, of in self._within(depth, rows)
                )
            )
            total = np.logaddexp(total, likelihood + log_weight - 0.5 * np.square(z).sum(axis=1))
        log_spread = -np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        return total + log_spread - 0.5 * mode.shape[1] * np.log(2 * np.pi)

    def _along(self, depth: int, rows: Rows) -> Array:
        """Return what a step in z moves the rows' linear predictors by: (S, rows, k)."""
        return np.asarray(self.chain[depth].Z[rows] @ self.roots[depth].root)

    def _within(self, depth: int, rows: Rows) -> Iterator[tuple[int, Bools]]:
        """Levels of the next factor among some rows, and which of the rows are theirs."""
        codes = self.chain[depth + 1].codes[rows]
        for level in np.unique(codes):
            yield int(level), codes == level

    def _mode(self, depth: int, level: int, rows: Rows, eta: Array, along: Array, modes: Modes) -> tuple[Array, Array]:
        """Find the mode of a level's z (S, k) and the information there (S, k, k), by Newton's method in every draw."""

        def local(z: Array, reach: Array) -> _Local:
            found = self._local(depth, rows, eta + _times(along, z), along, reach, modes)
            value = found.value - 0.5 * np.square(z).sum(axis=1)
            return _Local(value, found.gradient - z, found.information + np.eye(z.shape[1]))

        z, reach = modes.get((depth, level)), np.sqrt(np.square(along).sum(axis=2))
        if z is None:
            start = np.broadcast_to(self.starts[depth][:, level], (len(eta), along.shape[2]))
            z = _times(self.roots[depth].inverse, start)
        here = local(z, reach)
        if not np.all(np.isfinite(here.value)):
            z = np.where(np.isfinite(here.value)[:, None], z, 0.0)
            here = local(z, reach)
        stuck = np.zeros(len(z), dtype=bool)
        for _ in range(_STEPS):
            step, reach = _solve(here.information, here.gradient), _reach(along, here.information)
            arrived = stuck | ((step * here.gradient).sum(axis=1) < _NEAR**2)
            if np.all(arrived):
                break
            # draws that are there stay: rounding would make their steps look worse, and all be halved
            step = np.where(arrived[:, None], 0.0, step)
            for _ in range(_HALVINGS):
                there = local(z + step, reach)
                worse = ~(there.value >= here.value)
                if not worse.any():
                    break
                step = np.where(worse[:, None], 0.5 * step, step)
            else:
                stuck, step = worse, np.where(worse[:, None], 0.0, step)
                there = local(z + step, reach)
            z, here = z + step, there
        modes[depth, level] = z
        return z, here.information

    def _local(self, depth: int, rows: Rows, eta: Array, along: Array, reach: Array, modes: Modes) -> _Local:
        """Log likelihood of rows at `eta` and its derivatives in directions `along`; Laplace's for what lies within."""
        if depth + 1 < len(self.chain):
            return self._local_within(depth, rows, eta, along, modes)
        apart = np.where(reach > 0, _APART * reach, 1.0)
        low, middle, high = (row_log_density(self.predictor, eta + by * apart, rows) for by in (-1.0, 0.0, 1.0))
        with np.errstate(invalid="ignore"):  # infinities where a point lies outside the link's domain
            slope, curvature = (high - low) / (2 * apart), (2 * middle - low - high) / np.square(apart)
        slope, curvature = (np.where(np.isfinite(part), part, 0.0) for part in (slope, curvature))
        across, weighted = np.swapaxes(along, 1, 2), along * np.maximum(curvature, 0.0)[:, :, None]
        return _Local(middle.sum(axis=1), _times(across, slope), across @ weighted)

    def _local_within(self, depth: int, rows: Rows, eta: Array, along: Array, modes: Modes) -> _Local:
        """`_local` where effects of the next factor are integrated out first, by Laplace's approximation."""
        size = along.shape[2]
        total = _Local(np.zeros(len(eta)), np.zeros((len(eta), size)), np.zeros((len(eta), size, size)))
        for level, of in self._within(depth, rows):
            own = self._along(depth + 1, rows[of])
            z, information = self._mode(depth + 1, level, rows[of], eta[:, of], own, modes)
            both = np.concatenate([along[:, of], own], axis=2)
            there = eta[:, of] + _times(own, z)
            found = self._local(depth + 1, rows[of], there, both, _reach(own, information), modes)
            inner = found.information[:, size:, size:] + np.eye(z.shape[1])
            cross = _inverse(inner) @ found.information[:, size:, :size]
            rest = found.gradient[:, size:] - z
            total = _Local(
                total.value + found.value - 0.5 * (np.square(z).sum(axis=1) + _log_determinant(inner)),
                total.gradient + found.gradient[:, :size] - _times(np.swapaxes(cross, 1, 2), rest),
                total.information + found.information[:, :size, :size] - found.information[:, :size, size:] @ cross,
            )
        return total


def _grid(dimension: int, nodes: int) -> tuple[Array, Array]:
    """Product Gauss-Hermite nodes (nodes**k, k) of a standard normal, and their log weights over its density."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    points = np.array(list(itertools.product(x, repeat=dimension)))
    weights = np.array([np.log(part).sum() for part in itertools.product(w, repeat=dimension)])
    return points, weights + 0.5 * np.square(points).sum(axis=1)


def _solve(matrices: Array, vectors: Array) -> Array:
    """Solve for vectors (S, k), draw by draw."""
    if matrices.shape[1] == 1:
        return np.asarray(vectors / matrices[:, 0])
    return np.asarray(np.linalg.solve(matrices, vectors[:, :, None])[:, :, 0])


def _inverse(matrices: Array) -> Array:
    """Invert (S, k, k), draw by draw; LAPACK is called where there is more than one number only."""
    return np.asarray(1.0 / matrices if matrices.shape[1] == 1 else np.linalg.inv(matrices))


def _factored(information: Array) -> tuple[Array, Array]:
    """Cholesky factors (S, k, k) of information, and the transposes of their inverses."""
    factor = np.sqrt(information) if information.shape[1] == 1 else np.linalg.cholesky(information)
    return factor, np.swapaxes(_inverse(factor), 1, 2)


def _log_determinant(matrices: Array) -> Array:
    """Log determinants (S,) of positive definite matrices (S, k, k)."""
    return np.asarray(np.log(matrices[:, 0, 0]) if matrices.shape[1] == 1 else np.linalg.slogdet(matrices)[1])


def _reach(along: Array, information: Array) -> Array:
    """Return the standard deviations (S, rows) of the linear predictor under effects of some information."""
    covariance = _inverse(information)
    return np.sqrt(np.maximum(np.sum((along @ covariance) * along, axis=2), 0.0))


def _times(matrices: Array, vectors: Array) -> Array:
    """Products of matrices (S, a, b) and vectors (S, b), draw by draw: (S, a)."""
    if vectors.shape[1] == 1:
        return np.asarray(matrices[:, :, 0] * vectors)
    return np.asarray(np.matmul(matrices, vectors[:, :, None])[:, :, 0])


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
