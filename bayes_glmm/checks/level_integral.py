"""The likelihood of a level's rows with its effects, and those nested in it, integrated out in every posterior draw.

Input: draws, a grouping factor with those nested in it, and rows of one level. Output: log integrals, one a draw.

The effects are root @ z with z standard normal, so that a group standard deviation of zero is nothing special. Newton's
method finds the mode of all z of the level at once; the information there, from the innermost factor outwards, says how
far each z spreads and how the inner ones follow the outer ones. Gauss-Hermite nodes lie where this normal approximation
says. Rows are sorted so that those of a level stand together at every depth.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayes_glmm.predict.draws import row_log_density
from bayes_glmm.predict.expected import RowPredictor
from bayes_glmm.predict.linear import fixed_part
from bayes_glmm.predict.pieces import chunks
from bayes_glmm.predict.relatives import given_relatives

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

#: Nodes in each dimension by the number of dimensions: a draw gets the next rule where the last moved its log.
NODES = {1: (3, 7, 15, 31, 63, 127), 2: (3, 5, 9, 15, 25, 41), 3: (3, 5, 9, 13), 4: (2, 4, 7)}
_MOVED = 1e-4  # a rule that moves the log by less than this is itself in error by about the square
_SHARED = 3  # rules that rows left out one at a time try together, about the mode of them all
_STEPS, _HALVINGS = 30, 12
_NEAR = 0.05  # of the mode, in posterior standard deviations: near enough for nodes to be placed there
_EXACT = 1e-9
_FAR = 4.0  # standard deviations: as far as a log density must be quadratic for integrals to be known
_APART = 0.1  # of a standard deviation: between the three points a row's derivatives are taken from


@dataclass(frozen=True, eq=False)
class Root:
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
    def of(cls, covariances: Array) -> Root:
        """Take the roots of (S, k, k) covariance matrices."""
        values, vectors = np.linalg.eigh(covariances)
        sd = np.sqrt(np.maximum(values, 0.0))
        inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-6 * sd[:, -1:])
        return cls(vectors * sd[:, None, :], inverse[:, :, None] * np.swapaxes(vectors, 1, 2))

    def taking(self, part: Rows) -> Root:
        """Return the roots of some draws."""
        return Root(self.root[part], self.inverse[part])


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
        `Root` of each factor's covariance matrices.
    starts
        Effects (S or 1, levels, k) of each factor, near their modes.
    """

    predictor: RowPredictor
    chain: tuple[GroupTerm, ...]
    roots: tuple[Root, ...]
    starts: tuple[Array, ...]

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
        return self.of_rows(np.flatnonzero(self.chain[0].codes == level))

    def of_rows(self, rows: Rows) -> Array:
        """Integrate the likelihood of some rows of one level over its effects, in every draw.

        Parameters
        ----------
        rows
            Positions of rows of the same level.

        Returns
        -------
        numpy.ndarray
            (S,) logs; zeros where there are no rows.
        """
        return np.concatenate([self._in_part(part, rows)[:, 0] for part in self._parts(rows)])

    def of_each_row(self, rows: Rows) -> Array:
        """Compute the density of each of some rows of one level given the others, the level's effects integrated out.

        Parameters
        ----------
        rows
            Positions of rows of the same level.

        Returns
        -------
        numpy.ndarray
            (S, rows) logs.

        Notes
        -----
        The integrals with all rows and with all but one have their nodes in common. In draws in which no rule about the
        mode of all rows settles what the others say without one of them, that integral gets nodes of its own.
        """
        return np.concatenate([self._in_part(part, rows, each=True) for part in self._parts(rows)])

    def _parts(self, rows: Rows) -> list[Rows]:
        """Divide the draws, which have nothing to do with each other: a level of many rows takes a part at a time."""
        return list(chunks(self.predictor.draws.size, len(rows) * (1 + sum(len(term.coefs) for term in self.chain))))

    def _in_part(self, part: Rows, rows: Rows, each: bool = False) -> Array:
        """Integrate in some draws: (S, 1) logs, or by how much each row raises the log (S, rows)."""
        if not len(rows):
            return np.zeros((len(part), 1))
        integrand = self._integrand(part, rows)
        mode = _find_mode(integrand, self._start(part, integrand.levels))
        back = np.argsort(_by_level(self.chain, rows))
        known = _of_quadratic(integrand, mode)
        if known is not None:
            return known[:, back] if each else _integrate(integrand, mode, 1, each)
        found, still = _refined(integrand, mode, each)
        if not each:
            return found
        for column in np.flatnonzero(still.any(axis=0)):
            there, kept = np.flatnonzero(still[:, column]), np.arange(len(rows)) != column - 1
            found[there, column] = self._in_part(part[there], integrand.rows[kept])[:, 0]
        return (found[:, :1] - found[:, 1:])[:, back]

    def _integrand(self, part: Rows, rows: Rows) -> _Integrand:
        """Prepare the rows, sorted by level, and their linear predictor without the effects in question."""
        rows = rows[_by_level(self.chain, rows)]
        predictor = self.predictor.taking(part)
        draws, design = predictor.draws, predictor.design
        base, integrated = fixed_part(draws, design, rows), {term.name for term in self.chain}
        for other in design.groups:
            if other.name not in integrated:
                base = base + np.sum(draws.effects[other.name][:, other.codes[rows]] * other.Z[rows], axis=-1)
        along = tuple(term.Z[rows] @ root.root[part] for term, root in zip(self.chain, self.roots, strict=True))
        first = self.chain[0]
        if first.structure is not None:  # the only one of its chain: its effects are those given its relatives
            mean, scale = given_relatives(first, draws, first.codes[rows[:1]])
            base, along = base + mean[:, 0] @ first.Z[rows].T, (along[0] * scale[:, :1, None],)
        return _Integrand(
            predictor, rows, _Levels.of([term.codes[rows].astype(np.intp) for term in self.chain]), base, along
        )

    def _start(self, part: Rows, levels: _Levels) -> tuple[Array, ...]:
        """Take z (S, levels, k) of each factor from the effects that are near the modes."""
        return tuple(
            (start if len(start) == 1 else start[part])[:, codes] @ np.swapaxes(root.inverse[part], 1, 2)
            for start, root, codes in zip(self.starts, self.roots, levels.codes, strict=True)
        )


@dataclass(frozen=True, eq=False)
class _Levels:
    """Levels of nested factors among sorted rows, outermost factor first.

    Parameters
    ----------
    codes
        Codes of the levels of each factor.
    of_row
        (rows,) which of these levels a row belongs to, for each factor.
    parts
        Where the parts of each level begin: levels of the next factor, or rows where there is none.
    parents
        Which level of the factor before each level lies in; zeros for the outermost.
    """

    codes: tuple[Rows, ...]
    of_row: tuple[Rows, ...]
    parts: tuple[Rows, ...]
    parents: tuple[Rows, ...]

    @classmethod
    def of(cls, codes: Sequence[Rows]) -> _Levels:
        """Find the levels among the codes (rows,) of each factor."""
        starts = [np.flatnonzero(np.r_[True, code[1:] != code[:-1]]) for code in codes]
        rows = len(codes[0])
        of_row = [np.repeat(np.arange(len(start)), np.diff([*start, rows])) for start in starts]
        inner = [np.searchsorted(within, start) for start, within in itertools.pairwise(starts)]
        parents = [np.zeros(1, dtype=np.intp), *(of[start] for of, start in zip(of_row, starts[1:], strict=False))]
        own = [code[start] for code, start in zip(codes, starts, strict=True)]
        return cls(tuple(own), tuple(of_row), (*inner, starts[-1]), tuple(parents))


@dataclass(frozen=True, eq=False)
class _Integrand:
    """The likelihood of sorted rows as a function of the z of every level they belong to.

    Parameters
    ----------
    predictor
        The draws.
    rows
        Positions of the rows, sorted by level.
    levels
        Their levels.
    base
        (S, rows) linear predictor without the effects in question.
    along
        (S, rows, k) for each factor: what a step in z moves the rows' linear predictors by.
    """

    predictor: RowPredictor
    rows: Rows
    levels: _Levels
    base: Array
    along: tuple[Array, ...]

    @property
    def depth(self) -> int:
        """Number of factors."""
        return len(self.along)

    @property
    def dimension(self) -> int:
        """Number of z that a row depends on."""
        return sum(along.shape[2] for along in self.along)

    def taking(self, part: npt.NDArray[np.bool_]) -> _Integrand:
        """Return the same in some draws."""
        predictor = self.predictor.taking(np.flatnonzero(part))
        return replace(self, predictor=predictor, base=self.base[part], along=tuple(a[part] for a in self.along))

    def moved(self, eta: Array, depth: int, z: Array) -> Array:
        """Add the effects z (S, levels, k) of one factor to linear predictors (S, rows)."""
        along, of_row = self.along[depth], self.levels.of_row[depth]
        for k in range(z.shape[2]):
            eta = eta + along[:, :, k] * np.take(z[:, :, k], of_row, axis=1)
        return eta

    def log_density(self, eta: Array) -> Array:
        """Log densities (S, rows) of the responses."""
        return row_log_density(self.predictor, eta, self.rows)

    def sums(self, values: Array, depth: int) -> Array:
        """Add up what belongs to the parts of each level of a factor: (S, parts, ...) to (S, levels, ...)."""
        return np.asarray(np.add.reduceat(values, self.levels.parts[depth], axis=1))


@dataclass(frozen=True, eq=False)
class _Mode:
    """A normal approximation to the z of all levels.

    Parameters
    ----------
    z
        (S, levels, k) for each factor, the mode.
    spread
        (S, levels, k, k) for each factor: root of the covariance of a level's z given those of the outer factors.
    follow
        (S, levels, k, outer) for each factor: how far z moves back where the outer z move ahead by one.
    """

    z: tuple[Array, ...]
    spread: tuple[Array, ...]
    follow: tuple[Array, ...]

    def taking(self, part: npt.NDArray[np.bool_]) -> _Mode:
        """Return the same in some draws."""
        z, spread, follow = ([array[part] for array in arrays] for arrays in (self.z, self.spread, self.follow))
        return _Mode(tuple(z), tuple(spread), tuple(follow))


def _by_level(chain: tuple[GroupTerm, ...], rows: Rows) -> Rows:
    """Sort rows by the levels they belong to, outermost factor first: (rows,) places."""
    return np.lexsort([term.codes[rows] for term in reversed(chain)])


def _refined(integrand: _Integrand, mode: _Mode, each: bool) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Integrate by a finer rule in every draw where the last one moved a log; with what is still moved in the end."""
    first, *finer = NODES[integrand.dimension][: _SHARED if each else None]
    found = _integrate(integrand, mode, first, each)
    moved = np.ones(found.shape, dtype=bool)
    left = np.arange(len(found))
    for nodes in finer:
        last, found[left] = found[left], _integrate(integrand, mode, nodes, each)
        moved[left] = ~(np.abs(found[left] - last) < _MOVED)
        further = moved[left].any(axis=1)
        if not further.any():
            break
        left, integrand, mode = left[further], integrand.taking(further), mode.taking(further)
    return found, moved


def _integrate(integrand: _Integrand, mode: _Mode, nodes: int, each: bool) -> Array:
    """Integrate over all z by a product rule: (S, 1) logs; or (S, 1 + rows), those without each of the rows behind."""
    levels, last = integrand.levels, integrand.depth - 1

    def over(depth: int, eta: Array, ahead: Array) -> tuple[Array, Array]:
        """Integrate over z of a factor and those within, the outer ones `ahead` (S, levels, outer) of their modes.

        Returns logs of the integrals (S, levels), and of those without each row (S, rows or none).
        """
        centre = mode.z[depth] - _times(mode.follow[depth], ahead)
        spread, size, of_row = mode.spread[depth], mode.z[depth].shape[2], levels.of_row[depth]
        total, without = np.full(centre.shape[:2], -np.inf), np.full((len(eta), len(of_row) * each), -np.inf)
        for node, log_weight in zip(*_grid(size, nodes), strict=True):
            z = centre + spread @ node
            there = integrand.moved(eta, depth, z)
            if depth == last:
                parts = row = integrand.log_density(there)
            else:
                further = np.concatenate([ahead, z - mode.z[depth]], axis=2)
                parts, rest = over(depth + 1, there, further[:, levels.parents[depth + 1]])
                row = parts[:, levels.of_row[depth + 1]] - rest if each else rest
            terms = integrand.sums(parts, depth) + log_weight - 0.5 * np.square(z).sum(axis=2)
            total = np.logaddexp(total, terms)
            if each:
                without = np.logaddexp(without, terms[:, of_row] - row)
        constant = _log_determinant(spread) - 0.5 * size * np.log(2 * np.pi)
        if each:
            without += constant[:, of_row]
            without[:, np.bincount(of_row)[of_row] == 1] = 0.0  # nothing but the effects' own distribution is left
        return total + constant, without

    with np.errstate(invalid="ignore"):  # a row that is impossible at a node leaves nothing to take away
        total, without = over(0, integrand.base, np.empty((len(integrand.base), 1, 0)))
    return np.concatenate([total, without], axis=1)


def _of_quadratic(integrand: _Integrand, mode: _Mode) -> Array | None:
    """Compute (S, rows) by how much each row raises the log integral where log densities are quadratic; else None.

    Under the posterior of all z a row's linear predictor is normal, with mean m and variance v. Of a log density
    c + s (eta - m) - w (eta - m)^2 / 2 this is -log E[1 / density] = c + log(1 - w v) / 2 - s^2 v / (2 (1 - w v)).
    """
    eta, along = integrand.base, np.concatenate(integrand.along, axis=2)
    variance = np.zeros_like(eta)
    for depth in reversed(range(integrand.depth)):
        eta = integrand.moved(eta, depth, mode.z[depth])
        outer, of_row = along.shape[2] - mode.z[depth].shape[2], integrand.levels.of_row[depth]
        own = along[:, :, None, outer:]
        variance += np.square(own @ mode.spread[depth][:, of_row]).sum(axis=(2, 3))
        along = along[:, :, :outer] - (own @ mode.follow[depth][:, of_row])[:, :, 0]
    reach, middle = np.sqrt(variance), integrand.log_density(eta)
    slope, curvature = _derivatives(integrand, eta, reach)
    for away in (-_FAR * reach, _FAR * reach):
        expected = middle + away * (slope - 0.5 * away * curvature)
        if not np.allclose(integrand.log_density(eta + away), expected, rtol=_EXACT, atol=_EXACT):
            return None
    left = 1.0 - curvature * variance
    return np.asarray(middle + 0.5 * np.log(left) - 0.5 * np.square(slope) * variance / left)


def _find_mode(integrand: _Integrand, start: tuple[Array, ...]) -> _Mode:
    """Find the mode of all z by Newton's method in every draw."""

    def value_at(z: tuple[Array, ...]) -> tuple[Array, Array]:
        eta, prior = integrand.base, np.zeros(len(integrand.base))
        for depth, own in enumerate(z):
            eta, prior = integrand.moved(eta, depth, own), prior - 0.5 * np.square(own).sum(axis=(1, 2))
        return eta, prior + integrand.log_density(eta).sum(axis=1)

    z = start
    eta, value = value_at(z)
    if not np.all(np.isfinite(value)):
        z = tuple(np.where(np.isfinite(value)[:, None, None], own, 0.0) for own in z)
        eta, value = value_at(z)
    reach = np.sqrt(sum(np.square(along).sum(axis=2) for along in integrand.along))
    stuck = np.zeros(len(value), dtype=bool)
    for _ in range(_STEPS):
        step, reach, distance, mode = _newton_step(integrand, z, eta, reach)
        arrived = stuck | (distance < _NEAR)
        if np.all(arrived):
            # the last step needs no check so near; where log densities are quadratic it ends at the very mode
            z = tuple(own + ~stuck[:, None, None] * by for own, by in zip(z, step, strict=True))
            break
        # draws that are there stay: rounding would make their steps look worse, and all be halved
        length = np.where(arrived, 0.0, 1.0)
        for _ in range(_HALVINGS):
            there = tuple(own + length[:, None, None] * by for own, by in zip(z, step, strict=True))
            eta, new = value_at(there)
            worse = ~(new >= value)
            if not worse.any():
                break
            length = np.where(worse, 0.5 * length, length)
        else:
            stuck, length = worse, np.where(worse, 0.0, length)
            there = tuple(own + length[:, None, None] * by for own, by in zip(z, step, strict=True))
            eta, new = value_at(there)
        z, value = there, new
    return replace(mode, z=z)


def _newton_step(
    integrand: _Integrand, z: tuple[Array, ...], eta: Array, reach: Array
) -> tuple[list[Array], Array, Array, _Mode]:
    """Newton's step in all z, the rows' reach (S, rows), the step's length (S,) in standard deviations, and spreads.

    The innermost factor's z are eliminated first, then those of the factor around it, and so on outwards.
    """
    slope, curvature = _derivatives(integrand, eta, reach)
    levels, along = integrand.levels, np.concatenate(integrand.along, axis=2)
    weighted = along * curvature[:, :, None]
    gradient = along * slope[:, :, None]
    information = weighted[:, :, :, None] * along[:, :, None, :]
    spread: list[Array] = []
    follow: list[Array] = []
    shift: list[Array] = []
    distance, reached = np.zeros(len(eta)), np.zeros_like(eta)
    for depth in reversed(range(integrand.depth)):
        gradient, information = integrand.sums(gradient, depth), integrand.sums(information, depth)
        outer = information.shape[2] - z[depth].shape[2]
        own = information[:, :, outer:, outer:] + np.eye(z[depth].shape[2])
        pull = gradient[:, :, outer:] - z[depth]
        inverse = _inverse(own)
        covariance = np.take(inverse, levels.of_row[depth], axis=1)
        reached += np.einsum("srk,srkl,srl->sr", integrand.along[depth], covariance, integrand.along[depth])
        follow.insert(0, inverse @ information[:, :, outer:, :outer])
        shift.insert(0, _times(inverse, pull))
        spread.insert(0, _root_of_inverse(own))
        distance = np.maximum(distance, (shift[0] * pull).sum(axis=2).max(axis=1))
        gradient = gradient[:, :, :outer] - _times(np.swapaxes(follow[0], 2, 3), pull)
        information = information[:, :, :outer, :outer] - information[:, :, :outer, outer:] @ follow[0]
    steps: list[Array] = []
    ahead = np.empty((len(eta), 1, 0))
    for depth, parents in enumerate(levels.parents):
        ahead = ahead[:, parents]
        steps.append(shift[depth] - _times(follow[depth], ahead))
        ahead = np.concatenate([ahead, steps[-1]], axis=2)
    return steps, np.sqrt(reached), np.sqrt(distance), _Mode(z, tuple(spread), tuple(follow))


def _derivatives(integrand: _Integrand, eta: Array, reach: Array) -> tuple[Array, Array]:
    """First and minus second derivative (S, rows) of the log densities, over a part of each row's reach."""
    apart = np.where(reach > 0, _APART * reach, 1.0)
    low, middle, high = (integrand.log_density(eta + by * apart) for by in (-1.0, 0.0, 1.0))
    with np.errstate(invalid="ignore"):  # infinities where a point lies outside the link's domain
        slope, curvature = (high - low) / (2 * apart), (2 * middle - low - high) / np.square(apart)
    slope, curvature = (np.where(np.isfinite(part), part, 0.0) for part in (slope, curvature))
    return slope, np.maximum(curvature, 0.0)


def _grid(dimension: int, nodes: int) -> tuple[Array, Array]:
    """Product Gauss-Hermite nodes (nodes**k, k) of a standard normal, and their log weights over its density."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    points = np.array(list(itertools.product(x, repeat=dimension)))
    weights = np.array([np.log(part).sum() for part in itertools.product(w, repeat=dimension)])
    return points, weights + 0.5 * np.square(points).sum(axis=1)


def _inverse(matrices: Array) -> Array:
    """Invert (..., k, k); LAPACK is called where there is more than one number only."""
    return np.asarray(1.0 / matrices if matrices.shape[-1] == 1 else np.linalg.inv(matrices))


def _root_of_inverse(matrices: Array) -> Array:
    """Upper triangular roots (..., k, k) of the inverses of positive definite matrices."""
    if matrices.shape[-1] == 1:
        return np.asarray(1.0 / np.sqrt(matrices))
    return np.swapaxes(np.linalg.inv(np.linalg.cholesky(matrices)), -1, -2)


def _log_determinant(triangular: Array) -> Array:
    """Log determinants (...) of triangular matrices (..., k, k)."""
    return np.asarray(np.log(np.diagonal(triangular, axis1=-2, axis2=-1)).sum(axis=-1))


def _times(matrices: Array, vectors: Array) -> Array:
    """Products of matrices (..., a, b) and vectors (..., b): (..., a)."""
    return np.asarray((matrices * vectors[..., None, :]).sum(axis=-1))
