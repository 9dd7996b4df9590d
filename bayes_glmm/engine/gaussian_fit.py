"""The Gaussian path put together: mode and spread of theta, functions for the sampler, draws of the coefficients.

Input: a packed Gaussian model with identity link. Output: a `GaussianFit`, its compiled posterior of theta, and
positions x = [u, beta, theta] from draws of theta.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine import gaussian, sparse_gaussian
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.gaussian_draws import draw_coefficients
from bayes_glmm.engine.gaussian_moments import Moments, gaussian_moments
from bayes_glmm.engine.information import coupling_pattern
from bayes_glmm.engine.laplace import NOWHERE, LaplaceFit, information_at
from bayes_glmm.engine.modes import find_modes
from bayes_glmm.engine.native import NativeFunction
from bayes_glmm.engine.pack import Packed
from bayes_glmm.engine.run import CompiledPosterior, density_at, mapped_posterior
from bayes_glmm.engine.sparse_gaussian import SparseMoments
from bayes_glmm.engine.sparse_moments import in_shares, sparse_moments, with_shares
from bayes_glmm.engine.sparse_system import SparseSystem
from bayes_glmm.engine.spread import log_volume, tail_bends, theta_factor
from bayes_glmm.errors import SamplingError

Array = npt.NDArray[np.float64]

#: Largest rest (all terms' coefficients but the largest term's, and beta) whose dense algebra in every gradient pays.
LARGEST_REST = 150


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """Mode and spread of theta's exact marginal posterior.

    Parameters
    ----------
    moments
        The rows' sums of squares and products.
    theta
        (d,) the mode, as the sampler sees it.
    factor
        (d, d) factor of theta's approximate covariance.
    bends
        (d, 3) how theta's tails are stretched.
    log_marginal
        Value at the mode, up to a constant.
    """

    moments: Moments | SparseMoments
    theta: Array
    factor: Array
    bends: Array
    log_marginal: float

    @property
    def log_mass(self) -> float:
        """Approximate log posterior mass around the mode, up to a constant."""
        return self.log_marginal + log_volume(self.factor)


def has_normal_priors(data: KernelData) -> bool:
    """Say whether (u, beta) have a normal distribution given theta.

    Parameters
    ----------
    data
        A Gaussian model with identity link.

    Returns
    -------
    bool
        Whether the priors of all coefficients are normal or flat.
    """
    kinds = set(data.beta_table[:, codes.DISTRIBUTION].astype(int))
    return kinds <= {codes.FLAT, codes.NORMAL}


def why_not_marginal(data: KernelData) -> str | None:
    """Say why beta and u of a Gaussian model with identity link are not integrated out.

    Parameters
    ----------
    data
        The model.

    Returns
    -------
    str or None
        The reason in words; None when they are.
    """
    if not has_normal_priors(data):
        return "a coefficient's prior is not normal"
    if not data.sizes[layout.N_THETA]:
        return "there are coefficients only"
    rest = int(data.sizes[layout.N_U] + data.sizes[layout.N_BETA])
    if data.terms.shape[1]:
        rest -= int(data.terms[layout.COEFS, 0] * data.terms[layout.LEVELS, 0])
    return f"{rest} coefficients are crossed" if rest > LARGEST_REST else None


def marginal_pays(data: KernelData) -> bool:
    """Say whether integrating beta and u out costs less than following the rows.

    Parameters
    ----------
    data
        A model that `why_not_marginal` has nothing against.

    Returns
    -------
    bool
        True for one term. For several, whether the squares of the couplings that elimination works on and the dense
        rest are fewer than four a row, and two thousand: where both paths gave as many effective draws a second.
    """
    if data.terms.shape[1] < 2:
        return True
    pattern = coupling_pattern(data)
    couplings = np.diff(pattern.start).astype(float)
    first = int(data.terms[layout.COEFS, 0])
    rest = int(data.sizes[layout.N_U] + data.sizes[layout.N_BETA]) - first * len(couplings)
    work = first * float(np.sum(np.square(couplings))) + rest**3 / 3
    return work <= 4.0 * int(data.sizes[layout.N_ROWS]) + 2000.0


def gaussian_fit(packed: Packed) -> GaussianFit:
    """Find the mode of theta's marginal posterior that holds most mass, exactly for this family.

    Parameters
    ----------
    packed
        A model that `why_not_marginal` has nothing against.

    Returns
    -------
    GaussianFit
        Mode, spread and sufficient statistics.

    Raises
    ------
    SamplingError
        If the density is not finite at the start.
    """
    return gaussian_fits(packed)[0]


def gaussian_fits(packed: Packed, system: SparseSystem | None = None) -> tuple[GaussianFit, ...]:
    """Find the modes of theta's marginal posterior, exactly for this family.

    Parameters
    ----------
    packed
        A model that `why_not_marginal` has nothing against.
    system
        Of a model with related levels, whose factor is sparse.

    Returns
    -------
    tuple of GaussianFit
        Mode, spread and sufficient statistics, the largest mass first.

    Raises
    ------
    SamplingError
        If the density is not finite at the start.
    """
    data = packed.data
    normal = data.beta_table[:, codes.DISTRIBUTION] == codes.NORMAL
    mean = np.where(normal, data.beta_table[:, codes.FIRST], 0.0)
    spread = np.where(normal, data.beta_table[:, codes.SECOND], 1.0)
    precision = normal / np.square(spread)
    moments: Moments | SparseMoments
    if system is None:
        moments = gaussian_moments(data, coupling_pattern(data), mean, precision)
    else:
        moments = sparse_moments(data, system, mean, precision)
    surface = _Surface(packed, moments)
    start = packed.start[surface.n_v :]
    if surface(start) >= NOWHERE:
        raise SamplingError("The posterior has no finite density at the starting point; check the priors.")
    modes = find_modes(surface, data, start, 1e-8)
    if isinstance(moments, SparseMoments):
        moments = with_shares(data, moments)
        surface, modes = _Surface(packed, moments), [in_shares(mode, moments) for mode in modes]
    fits = [_fit_at(surface, mode) for mode in modes]
    return tuple(sorted(fits, key=lambda fit: -fit.log_mass))


def gaussian_laplace_fits(packed: Packed) -> tuple[LaplaceFit, ...]:
    """Do what `laplace_fits` does by theta's exact marginal posterior and its gradient, without searches for (u, beta).

    Parameters
    ----------
    packed
        A model with `has_normal_priors`.

    Returns
    -------
    tuple of LaplaceFit
        Mode, information and spread of theta, the largest mass first.

    Raises
    ------
    SamplingError
        If the density is not finite at the start.
    """
    data, pattern = packed.data, coupling_pattern(packed.data)
    fits = []
    for fit in gaussian_fits(packed):
        mean = np.zeros((1, int(data.sizes[layout.N_U] + data.sizes[layout.N_BETA])))
        draw_coefficients(data, fit.moments, fit.theta[None], np.zeros_like(mean), mean)
        x = np.concatenate([mean[0], fit.theta])
        known = information_at(data, pattern, x)
        fits.append(LaplaceFit(x, fit.factor, fit.bends, fit.log_marginal, pattern, *known))
    return tuple(fits)


class _Surface:
    """Minus theta's log marginal posterior."""

    def __init__(self, packed: Packed, moments: Moments | SparseMoments) -> None:
        self.data, self.moments = packed.data, moments
        self.n_v = int(packed.data.sizes[layout.N_U] + packed.data.sizes[layout.N_BETA])
        self._posterior = theta_posterior(packed, moments)
        self._last: tuple[Array, tuple[float, Array]] | None = None

    def __call__(self, theta: Array) -> float:
        """Return its value, a large number where it or any derivative is infinite."""
        value = self._at(theta)[0]
        return -value if np.isfinite(value) else NOWHERE

    def gradient(self, theta: Array) -> Array:
        """Return its gradient, zero where its value is infinite."""
        value, gradient = self._at(theta)
        return -gradient if np.isfinite(value) else np.zeros_like(theta)

    def _at(self, theta: Array) -> tuple[float, Array]:
        """Return value and gradient of the density, which searches ask for one after the other."""
        if self._last is None or not np.array_equal(self._last[0], theta):
            self._last = theta.copy(), density_at(self._posterior, theta)
        return self._last[1]

    def effects(self, theta: Array) -> Array:
        """Return the mean of all group effects given theta."""
        coefficients = np.zeros((1, self.n_v))
        _drawing(self.moments)(self.data, self.moments, theta[None], np.zeros((1, self.n_v)), coefficients)
        return coefficients[0, : int(self.data.sizes[layout.N_U])]


def _fit_at(surface: _Surface, mode: Array, step: float = 1e-3) -> GaussianFit:
    """Describe theta's marginal posterior around one mode."""
    shifts = step * np.eye(len(mode))
    hessian = np.array([(surface.gradient(mode + e) - surface.gradient(mode - e)) / (2 * step) for e in shifts])
    factor = theta_factor(0.5 * (hessian + hessian.T))
    return GaussianFit(surface.moments, mode, factor, tail_bends(surface, mode, factor), -surface(mode))


def gaussian_posterior(packed: Packed, fit: GaussianFit) -> CompiledPosterior:
    """Put theta's marginal posterior behind standard coordinates.

    Parameters
    ----------
    packed
        The model.
    fit
        Its mode.

    Returns
    -------
    CompiledPosterior
        Of dimension d; expands to theta.
    """
    return _behind_map(packed, fit.moments, fit.theta.copy(), np.ascontiguousarray(fit.factor), fit.bends)


def theta_posterior(packed: Packed, moments: Moments | SparseMoments) -> CompiledPosterior:
    """Put theta's marginal posterior behind theta itself.

    Parameters
    ----------
    packed
        The model.
    moments
        Its rows' sums of squares and products.

    Returns
    -------
    CompiledPosterior
        Of dimension d; expands to what it is given.
    """
    d = int(packed.data.sizes[layout.N_THETA])
    straight = np.tile([0.0, 0.0, 1.0], (d, 1))
    return _behind_map(packed, moments, np.zeros(d), np.eye(d), straight)


def _behind_map(
    packed: Packed, moments: Moments | SparseMoments, centre: Array, factor: Array, bends: Array
) -> CompiledPosterior:
    path = sparse_gaussian if isinstance(moments, SparseMoments) else gaussian
    return mapped_posterior((path.density, path.expand), (packed.data, moments), centre, factor, bends)


def _drawing(moments: Moments | SparseMoments) -> NativeFunction:
    """Return what draws (u, beta) given theta."""
    return sparse_gaussian.draw_related if isinstance(moments, SparseMoments) else draw_coefficients


def complete_positions(packed: Packed, fit: GaussianFit, theta: Array, seed: int) -> Array:
    """Draw (u, beta) given each draw of theta.

    Parameters
    ----------
    packed, fit
        The model and its fit.
    theta
        (chains, draws, d).
    seed
        Seed of the normal draws; each chain has a stream of its own.

    Returns
    -------
    numpy.ndarray
        (chains, draws, D) positions [u, beta, theta].
    """
    n_v = int(packed.data.sizes[layout.N_U] + packed.data.sizes[layout.N_BETA])
    chains, draws, d = theta.shape
    out = np.empty((chains, draws, n_v + d))
    out[..., n_v:] = theta
    streams = np.random.SeedSequence([seed, 1]).spawn(chains)

    def complete(chain: int) -> None:
        normals = np.random.default_rng(streams[chain]).standard_normal((draws, n_v))
        coefficients = np.empty((draws, n_v))
        _drawing(fit.moments)(packed.data, fit.moments, np.ascontiguousarray(theta[chain]), normals, coefficients)
        out[chain, :, :n_v] = coefficients

    with ThreadPoolExecutor() as pool:
        list(pool.map(complete, range(chains)))
    return out
