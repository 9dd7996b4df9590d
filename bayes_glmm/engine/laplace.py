"""The Laplace fit: the mode of the marginal posterior of theta, and the information around it.

Input: a packed model. Output: a `LaplaceFit`, from which the sampler's coordinates are made and which is an approximate
posterior of its own. For each theta the mode of (u, beta) is found by Newton steps (penalised iteratively reweighted
least squares); theta maximises log p(y, u, beta, theta) - log det H / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine import kernel, sparse_laplace
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.information import (
    Information,
    Pattern,
    add_priors,
    coupling_pattern,
    eliminate,
    factorize,
    likelihood_information,
    new_information,
    read_information,
    read_pattern,
    solve,
    term_precision,
)
from bayes_glmm.engine.modes import find_modes
from bayes_glmm.engine.native import CALL_SIGNATURE, native
from bayes_glmm.engine.newton import search_by
from bayes_glmm.engine.outer import minimize
from bayes_glmm.engine.pack import Packed
from bayes_glmm.engine.pointers import carray
from bayes_glmm.engine.sparse_laplace import SparseRows
from bayes_glmm.engine.spread import log_volume, spread_of, tail_bends
from bayes_glmm.engine.vectors import copy
from bayes_glmm.errors import SamplingError

Array = npt.NDArray[np.float64]

_new_information = as_written(new_information)

#: Coefficients with heavy-tailed priors whose modes are looked for one by one.
MOST_BRANCHES = 20
#: Stands for an infinite objective; sums over many trials reach 1e13.
NOWHERE = 1e100


@dataclass(frozen=True, eq=False)
class Mode:
    """A mode of the marginal posterior of theta, and its shape.

    Parameters
    ----------
    x
        (D,) the mode [u, beta, theta].
    theta_factor
        (d, d) factor of theta's covariance: covariance = factor factor'.
    bends
        (d, 3) how each element of theta's tails are stretched (`tail_bends`).
    log_marginal
        Laplace value of log p(y, theta) at the mode, up to a constant.
    """

    x: Array
    theta_factor: Array
    bends: Array
    log_marginal: float

    @property
    def log_mass(self) -> float:
        """Laplace value of the log posterior mass around the mode, up to a constant."""
        return self.log_marginal + log_volume(self.theta_factor)


@dataclass(frozen=True, eq=False)
class LaplaceFit(Mode):
    """A Gaussian approximation around a mode.

    Parameters
    ----------
    pattern
        Couplings of the largest term.
    likelihood
        Information of the likelihood about (u, beta) at the mode.
    precision
        H, the same with the priors added; the lower triangle of the rest.
    schur
        (q, q) what H leaves of the rest once the largest term is eliminated; lower triangle.
    term_precisions
        Omega of each term, (k, k).
    """

    pattern: Pattern
    likelihood: Information
    precision: Information
    schur: Array
    term_precisions: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class SparseFit(Mode):
    """A Gaussian approximation around a mode where levels are related.

    Parameters
    ----------
    pattern
        Where H has elements.
    known, precision
        (elements,) information of the likelihood and of beta's priors about (u, beta); H.
    """

    pattern: SparseRows
    known: Array
    precision: Array


@as_written
def _step(x: Any, data: KernelData, pattern: Pattern, gradient: Any) -> tuple[Any, float]:
    """Return a Newton step, and the log determinant of H."""
    matrix = _new_information(data, pattern)
    likelihood_information(x, data, pattern, matrix)
    add_priors(x, data, matrix)
    factors = factorize(matrix, pattern)
    return solve(factors, matrix.coupling, pattern, gradient), factors.log_det


_search = search_by(_step)


@native(CALL_SIGNATURE)
def find_mode(table_: Any) -> float:
    """Search the mode of (u, beta): reads KernelData, Pattern, x (moved to it), tolerance, address of the density."""
    table = carray(table_, (layout.TABLE_SIZE + 18,), np.uint64)
    rest = table[layout.TABLE_SIZE :]
    x, tolerance = read_vector(rest, 3, np.float64), read_vector(rest, 4, np.float64)
    density = read_vector(rest, 5, np.uint64)[0]
    return _search(x, read_data(table), read_pattern(rest), tolerance[0], density, np.uint64(table.ctypes.data))


@as_written
def _copy_information(source: Information, out: Information) -> None:
    """Fill the blocks with others, row by row."""
    for level in range(out.levels.shape[0]):
        for a in range(out.levels.shape[1]):
            copy(source.levels[level, a], out.levels[level, a])
    for m in range(out.coupling.shape[0]):
        copy(source.coupling[m], out.coupling[m])
    for i in range(out.rest.shape[0]):
        copy(source.rest[i], out.rest[i])


@native(CALL_SIGNATURE)
def information(table_: Any) -> float:
    """Fill what is known about (u, beta) at a position; return 0.

    Reads KernelData, Pattern, x; fills the likelihood's information, H, the Schur complement of its largest term (q, q)
    and each term's precision Omega, flat.
    """
    table = carray(table_, (layout.TABLE_SIZE + 36,), np.uint64)
    data, table = read_data(table), table[layout.TABLE_SIZE :]
    pattern, x = read_pattern(table), read_vector(table, 3, np.float64)
    likelihood, matrix = read_information(table[12:]), read_information(table[21:])
    schur, precisions = read_matrix(table, 10, np.float64), read_vector(table, 11, np.float64)
    likelihood_information(x, data, pattern, likelihood)
    _copy_information(likelihood, matrix)
    add_priors(x, data, matrix)
    rest = eliminate(matrix, pattern)[2]
    for i in range(schur.shape[0]):
        copy(rest[i], schur[i])
    at = 0
    for t in range(data.sizes[layout.N_TERMS]):
        omega = term_precision(x, data, t)
        for a in range(omega.shape[0]):
            copy(omega[a], precisions[at : at + omega.shape[0]])
            at += omega.shape[0]
    return 0.0


class _Objective:
    """Minus the Laplace value as a function of theta.

    Each inner search starts from the best mode so far, or from the last one where that belongs to a nearer theta.
    """

    def __init__(self, packed: Packed, pattern: Pattern | SparseRows, start: Array) -> None:
        self.data, self.pattern = packed.data, pattern
        self.n_v = int(packed.data.sizes[layout.N_U] + packed.data.sizes[layout.N_BETA])
        self.best_x, self.best_value = start.copy(), math.inf
        self.last_x = self.best_x

    def __call__(self, theta: Array) -> float:
        """Return minus the Laplace value, a large number where the mode cannot be found."""
        x = self._start(theta)
        value = -find_coefficients(self.data, self.pattern, x, 1e-6)
        if not math.isfinite(value):
            return NOWHERE
        self.last_x = x
        if value < self.best_value:
            self.best_x, self.best_value = x, value
        return value

    def _start(self, theta: Array) -> Array:
        """Return a position with that theta from which to search for (u, beta)."""
        far, near = (np.abs(x[self.n_v :] - theta).max(initial=0.0) for x in (self.best_x, self.last_x))
        x = self.last_x.copy() if near < far else self.best_x.copy()
        x[self.n_v :] = theta
        return x

    def gradient(self, theta: Array, step: float = 1e-3) -> Array:
        """Return the gradient by central differences."""
        shifts = step * np.eye(len(theta))
        return np.array([(self(theta + e) - self(theta - e)) / (2 * step) for e in shifts])

    def effects(self, theta: Array) -> Array:
        """Return the mode of all group effects given theta."""
        return self.position(theta, 1e-6)[0][: int(self.data.sizes[layout.N_U])]

    def position(self, theta: Array, tolerance: float = 1e-12) -> tuple[Array, float]:
        """Return the mode [u, beta, theta] given theta, and its Laplace value."""
        x = self._start(theta)
        return x, find_coefficients(self.data, self.pattern, x, tolerance)


def find_coefficients(data: KernelData, pattern: Pattern | SparseRows, x: Array, tolerance: float) -> float:
    """Move (u, beta) to their mode given theta.

    Parameters
    ----------
    data, pattern
        The model and the couplings of its largest term, or the elements of a sparse H.
    x
        (D,) position, overwritten.
    tolerance
        Stop when a Newton step is expected to gain less than half of this.

    Returns
    -------
    float
        The Laplace value; minus infinity where the density is not finite at x.
    """
    density = np.array([kernel.density.address], dtype=np.uint64)
    search = sparse_laplace.find_mode if isinstance(pattern, SparseRows) else find_mode
    return search(data, pattern, x, np.array([tolerance]), density)


def laplace_fit(packed: Packed) -> LaplaceFit:
    """Find the mode of theta's marginal posterior that holds most mass, and the information there.

    Parameters
    ----------
    packed
        The model.

    Returns
    -------
    LaplaceFit
        Mode, information and spread of theta.

    Raises
    ------
    SamplingError
        If the density is not finite at the start, whatever theta.
    """
    return laplace_fits(packed)[0]


def related_fits(packed: Packed, pattern: SparseRows) -> tuple[SparseFit, ...]:
    """Find the modes of theta's marginal posterior, and the information at each, where levels are related.

    Parameters
    ----------
    packed, pattern
        The model, and where H has elements.

    Returns
    -------
    tuple of SparseFit
        The largest mass first.

    Raises
    ------
    SamplingError
        If the density is not finite at the start, whatever theta.
    """
    return tuple(_sparse_fit(packed.data, pattern, mode) for mode in _modes(packed, pattern))


def fit_around(packed: Packed, pattern: SparseRows, x: Array) -> SparseFit:
    """Describe the posterior around where draws put theta, in place of the mode of Laplace's approximation to it.

    Parameters
    ----------
    packed, pattern
        The model, and where H has elements.
    x
        (draws, D) positions.

    Returns
    -------
    SparseFit
        With the mode of (u, beta) at the median of theta, and the draws' covariance of theta; tails are not bent.
    """
    n = len(pattern.system.place)
    centre, theta = x.mean(axis=0), x[:, n:]
    centre[n:] = np.median(theta, axis=0)
    value = find_coefficients(packed.data, pattern, centre, 1e-12)
    factor = np.linalg.cholesky(np.atleast_2d(np.cov(theta, rowvar=False)))
    bends = np.zeros((theta.shape[1], 3))
    bends[:, 2] = 3.0 * theta.std(axis=0)
    return _sparse_fit(packed.data, pattern, (centre, factor, bends, value))


def _sparse_fit(data: KernelData, pattern: SparseRows, mode: tuple[Array, Array, Array, float]) -> SparseFit:
    """Add the information at a mode to what is known of it."""
    known, precision = np.zeros(len(pattern.system.rows)), np.zeros(len(pattern.system.rows))
    sparse_laplace.information(data, pattern, mode[0], known, precision)
    return SparseFit(*mode, pattern, known, precision)


def laplace_fits(packed: Packed) -> tuple[LaplaceFit, ...]:
    """Find the modes of theta's marginal posterior and the information at each.

    Parameters
    ----------
    packed
        The model.

    Returns
    -------
    tuple of LaplaceFit
        Mode, information and spread of theta, the largest mass first.

    Raises
    ------
    SamplingError
        If the density is not finite at the start, whatever theta.

    References
    ----------
    Tierney, Kadane (1986) doi:10.1080/01621459.1986.10478240; Bates, Maechler, Bolker, Walker (2015)
    doi:10.18637/jss.v067.i01, section 3 (penalised least squares).
    """
    pattern = coupling_pattern(packed.data)
    modes = _modes(packed, pattern)
    return tuple(LaplaceFit(*mode, pattern, *information_at(packed.data, pattern, mode[0])) for mode in modes)


def _modes(packed: Packed, pattern: Pattern | SparseRows) -> list[tuple[Array, Array, Array, float]]:
    """Find the modes of theta's marginal posterior, the largest mass first: the fields of a `Mode`."""
    objective = _Objective(packed, pattern, packed.start)
    theta = packed.start[objective.n_v :]
    if objective(theta) >= NOWHERE:
        raise SamplingError("The posterior has no finite density at the starting point; check the link and the priors.")
    thetas = find_modes(objective, packed.data, theta, 1e-4) if len(theta) else [theta]
    places = [(objective, mode) for mode in thetas]
    if not packed.log_concave:
        places += _other_branches(packed, objective, thetas[0])
    modes = (_mode_at(place, mode) for place, mode in places)
    return sorted(modes, key=lambda mode: -mode[3] - log_volume(mode[1]))


def _mode_at(objective: _Objective, theta: Array) -> tuple[Array, Array, Array, float]:
    """Describe the posterior of theta around one mode."""
    x, value = objective.position(theta)
    factor = spread_of(objective, theta)
    return x, factor, tail_bends(objective, theta, factor), value


def _other_branches(packed: Packed, objective: _Objective, theta: Array) -> list[tuple[_Objective, Array]]:
    """Find other modes of (u, beta) at a mode of theta, and follow them to modes of theta of their own."""
    known, found = [objective.position(theta)], []
    for table in _other_priors(packed.data.beta_table):
        x = known[0][0].copy()
        find_coefficients(packed.data._replace(beta_table=table), objective.pattern, x, 1e-6)
        if not math.isfinite(find_coefficients(packed.data, objective.pattern, x, 1e-12)):
            continue
        branch = _Objective(packed, objective.pattern, x)
        if _is_known(branch.position(theta), known):
            continue
        mode = minimize(branch, branch.gradient, theta) if len(theta) else theta
        position = branch.position(mode)
        if not _is_known(position, known):
            known.append(position)
            found.append((branch, mode))
    return found


def _is_known(position: tuple[Array, float], known: list[tuple[Array, float]]) -> bool:
    """Whether a mode is one of those known; value and place are compared."""
    x, value = position
    return any(
        abs(value - other) < 1e-3 and np.abs(x - place).max() < 1e-2 * (1.0 + np.abs(x).max()) for place, other in known
    )


def _other_priors(table: Array) -> list[Array]:
    """List tables of beta's priors under which its mode lies where data, or one or all of the priors, alone decide."""
    flat, fixed = table.copy(), table.copy()
    flat[:, codes.DISTRIBUTION] = codes.FLAT
    location = np.where(table[:, codes.DISTRIBUTION] == codes.STUDENT, codes.SECOND, codes.FIRST)
    known = table[:, codes.DISTRIBUTION] != codes.FLAT
    rows = np.flatnonzero(known)
    fixed[rows, codes.FIRST] = table[rows, location[rows]]
    fixed[rows, codes.SECOND] = 1e-4 * table[rows, location[rows] + 1]
    fixed[rows, codes.DISTRIBUTION] = codes.NORMAL
    tables = [flat, fixed]
    for j in np.flatnonzero(table[:, codes.DISTRIBUTION] == codes.STUDENT)[:MOST_BRANCHES]:
        for other in (flat, fixed):
            one = table.copy()
            one[j] = other[j]
            tables.append(one)
    return tables


def information_at(
    data: KernelData, pattern: Pattern, x: Array
) -> tuple[Information, Information, Array, tuple[Array, ...]]:
    """Return what a `LaplaceFit` holds of the information at a position.

    Parameters
    ----------
    data, pattern
        The model and the couplings of its largest term.
    x
        (D,) the position.

    Returns
    -------
    tuple
        The likelihood's information, H, its Schur complement and the terms' precisions.
    """
    likelihood, precision = new_information(data, pattern), new_information(data, pattern)
    sizes = data.terms[layout.COEFS]
    schur, omegas = np.zeros_like(precision.rest), np.zeros(int(np.sum(sizes**2)))
    information(data, pattern, x, likelihood, precision, schur, omegas)
    parts = np.split(omegas, np.cumsum(sizes**2)[:-1]) if len(sizes) else []
    return likelihood, precision, schur, tuple(part.reshape(k, k) for part, k in zip(parts, sizes, strict=True))
