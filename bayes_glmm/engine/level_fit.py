"""The path that integrates levels' effects out, put together: mode and spread of (beta, theta), points, posterior.

Input: a packed model. Output: a `LevelFit`, its compiled posterior of (beta, theta), and positions [u, beta, theta]
from draws of (beta, theta).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine import level_integrals
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.laplace import NOWHERE
from bayes_glmm.engine.level_design import Needs, choose_points, lay_out
from bayes_glmm.engine.level_draws import draw_effects
from bayes_glmm.engine.level_patterns import Patterns, each_level, find_patterns
from bayes_glmm.engine.level_points import Levels
from bayes_glmm.engine.outer import minimize
from bayes_glmm.engine.pack import Packed
from bayes_glmm.engine.run import CompiledPosterior, density_at, mapped_posterior
from bayes_glmm.engine.spread import log_volume, tail_bends, theta_factor
from bayes_glmm.engine.unpack import constrained

Array = npt.NDArray[np.float64]

#: Searches for the mode, each with points chosen where the last one ended.
SEARCHES = 8
#: Distances from the mode, in sds of each element of theta, at which points are chosen, and by how much more than
#: at the mode the integrals may be off there: the last draws of thousands lie beyond the first, few beyond the second.
FAR = {2.5: 1.0, 4.5: 30.0}
#: Uniform draws that are in memory at a time, per chain.
UNIFORMS = 2_000_000


@dataclass(frozen=True, eq=False)
class LevelFit:
    """Mode and spread of the posterior of (beta, theta), levels' effects integrated out.

    Parameters
    ----------
    patterns, needs, levels
        The levels, what points their integrals need, and the points.
    x
        (p + d,) the mode [beta, theta], beta as at the sds of ``levels.reference``.
    factor
        (p + d, p + d) factor of the covariance there.
    bends
        (p + d, 3) how tails are stretched.
    log_marginal
        Log density at the mode, up to a constant.
    """

    patterns: Patterns
    needs: Needs
    levels: Levels
    x: Array
    factor: Array
    bends: Array
    log_marginal: float

    @property
    def log_mass(self) -> float:
        """Approximate log posterior mass around the mode, up to a constant."""
        return self.log_marginal + log_volume(self.factor)


class _Surface:
    """Minus the log density of y = (x - start) / unit, up to a constant."""

    def __init__(self, patterns: Patterns, levels: Levels, start: Array, unit: Array) -> None:
        straight = np.tile([0.0, 0.0, 1.0], (len(start), 1))
        functions = level_integrals.density, level_integrals.expand
        self._posterior = mapped_posterior(functions, (patterns.data, levels), start, np.diag(unit), straight)

    def __call__(self, y: Array) -> float:
        value = density_at(self._posterior, y)[0]
        return -value if np.isfinite(value) else NOWHERE

    def gradient(self, y: Array) -> Array:
        """Return the gradient, zero where the value is infinite."""
        value, gradient = density_at(self._posterior, y)
        return -gradient if np.isfinite(value) else np.zeros_like(y)

    def hessian(self, y: Array, step: float = 1e-3) -> Array:
        """Return the second derivatives."""
        shifts = step * np.eye(len(y))
        hessian = np.array([(self.gradient(y + e) - self.gradient(y - e)) / (2 * step) for e in shifts])
        return 0.5 * (hessian + hessian.T)


def level_fit(packed: Packed, start: Array | None = None) -> LevelFit | None:
    """Find the mode of the posterior of (beta, theta), and the points that integrals need around it.

    Parameters
    ----------
    packed
        A model that `why_not_integrated` has nothing against.
    start
        (p + d,) where to begin; the model's own start where it is left out.

    Returns
    -------
    LevelFit or None
        None where the lattices do not do, or no mode was found.
    """
    patterns = find_patterns(packed)
    start = packed.start[int(packed.data.sizes[layout.N_U]) :].copy() if start is None else start
    unit = _units(patterns)
    for _ in range(SEARCHES):
        needs = choose_points(patterns, [(start, 1.0)])
        if needs is None:
            return None
        surface = _Surface(patterns, lay_out(patterns, needs), start, unit)
        y = minimize(surface, surface.gradient, np.zeros_like(start), 1e-3)
        start = start + unit * y
        if np.abs(y).max() < 0.1:
            break
    else:
        return None
    hessian = surface.hessian(y)
    factor = theta_factor(hessian)
    spread = np.sqrt(np.sum(factor * factor, axis=1))
    # where one element is far out and the others follow it
    moves = (factor @ factor.T / spread).T[int(patterns.data.sizes[layout.N_BETA]) :]
    ends = [(start + side * far * unit * move, FAR[far]) for far in FAR for move in moves for side in (-1.0, 1.0)]
    needs = choose_points(patterns, [(start, 1.0), *ends])
    if needs is None:
        return None
    n_beta = int(patterns.data.sizes[layout.N_BETA])
    growth, reference = _growth(hessian, start / unit, n_beta, patterns.sds), start[n_beta + patterns.sds]
    levels = lay_out(patterns, needs)._replace(growth=growth, reference=reference)
    surface = _Surface(patterns, levels, start, unit)
    y = minimize(surface, surface.gradient, np.zeros_like(start), 1e-8)
    factor = theta_factor(surface.hessian(y))
    bends = tail_bends(surface, y, factor)
    bends[:, 2] *= unit
    return LevelFit(patterns, needs, levels, start + unit * y, unit[:, None] * factor, bends, -surface(y))


def _growth(hessian: Array, x: Array, n_beta: int, sds: npt.NDArray[np.int64]) -> Array:
    """Return by what power of each sd beta grows along the posterior: the slope of its mode, along beta itself."""
    beta, own = x[:n_beta], hessian[:n_beta, :n_beta]
    size = float(beta @ own @ beta)
    if size <= 0.0:
        return np.zeros(len(sds))
    # the mode of beta given theta has the slope -own^-1 hessian[beta, theta]
    return np.clip(-(beta @ hessian[:n_beta, n_beta + sds]) / size, 0.0, 1.0)


def _units(patterns: Patterns) -> Array:
    """Return the unit of each element of x: of beta what moves the linear predictor by about one, of theta one."""
    data = patterns.data
    unit = np.ones(int(data.sizes[layout.N_BETA] + data.sizes[layout.N_THETA]))
    size = np.sqrt(np.mean(np.square(data.X), axis=1))
    unit[: len(size)] = 1.0 / np.where(size > 0.0, size, 1.0)
    return unit


def level_posterior(fit: LevelFit) -> CompiledPosterior:
    """Put the posterior of (beta, theta) behind standard coordinates.

    Parameters
    ----------
    fit
        Its mode.

    Returns
    -------
    CompiledPosterior
        Of dimension p + d; expands to [beta, theta].
    """
    functions = level_integrals.density, level_integrals.expand
    records = fit.patterns.data, fit.levels
    return mapped_posterior(functions, records, fit.x, fit.factor, fit.bends)


def complete_level_positions(packed: Packed, fit: LevelFit, x: Array, seed: int) -> Array:
    """Draw levels' effects given each draw of (beta, theta).

    Parameters
    ----------
    packed, fit
        The model and its fit.
    x
        (chains, draws, p + d) positions [beta, theta].
    seed
        Seed of the uniform draws; each chain has a stream of its own.

    Returns
    -------
    numpy.ndarray
        (chains, draws, D) positions [u, beta, theta].
    """
    data, chains, draws = packed.data, x.shape[0], x.shape[1]
    n_u = int(data.sizes[layout.N_U])
    out = np.empty((chains, draws, n_u + x.shape[2]))
    out[..., n_u:] = x
    streams = np.random.SeedSequence([seed, 1]).spawn(chains)
    alone = each_level(fit.patterns)
    levels = lay_out(alone, fit.needs.repeated(fit.patterns.multiplicity, units=not len(alone.coarser)))

    def complete(chain: int) -> None:
        _draw_chain(data, alone, levels, np.random.default_rng(streams[chain]), x[chain], out[chain, :, :n_u])

    with ThreadPoolExecutor() as pool:
        list(pool.map(complete, range(chains)))
    return out


def _draw_chain(
    data: KernelData, alone: Patterns, levels: Levels, rng: np.random.Generator, x: Array, out: Array
) -> None:
    """Fill the effects (draws, n_u) of one chain; those of levels without rows come from their distribution."""
    places = [alone.levels]
    if len(alone.coarser):
        places.append(alone.coarser + int(data.terms[layout.U_START, 1]))
    place = np.concatenate(places)
    at_once = max(1, UNIFORMS // (2 * len(place)))
    for start in range(0, len(x), at_once):
        own = np.ascontiguousarray(x[start : start + at_once])
        drawn = np.empty((len(own), len(place)))
        draw_effects(alone.data, levels, own, rng.random((len(own), 2 * len(place))), drawn)
        out[start : start + at_once, place] = drawn
    n_beta = int(data.sizes[layout.N_BETA])
    for t in range(data.terms.shape[1]):
        first, i = int(data.terms[layout.U_START, t]), int(data.terms[layout.THETA_START, t])
        empty = np.setdiff1d(first + np.arange(int(data.terms[layout.LEVELS, t])), place)
        out[:, empty] = constrained(data.theta_table[i], x[:, n_beta + i])[:, None] * rng.standard_normal(
            (len(x), len(empty))
        )
