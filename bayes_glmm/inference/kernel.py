"""The engine as a sampler of the table: Laplace fit, coordinates, NUTS, and a second try where the geometry is bad."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.design.design import Design
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.engine import (
    coordinates,
    gaussian,
    gaussian_draws,
    gaussian_moments,
    kernel,
    laplace,
    level_draws,
    level_integrals,
    mixing,
    sparse_coordinates,
    sparse_factor,
    sparse_gaussian,
    sparse_laplace,
)
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.gaussian_fit import (
    GaussianFit,
    complete_positions,
    gaussian_fits,
    gaussian_laplace_fits,
    gaussian_posterior,
    has_normal_priors,
    marginal_pays,
    why_not_marginal,
)
from bayes_glmm.engine.laplace import LaplaceFit, SparseFit, fit_around, laplace_fits, related_fits
from bayes_glmm.engine.level_choice import laplace_error
from bayes_glmm.engine.level_fit import complete_level_positions, level_fit, level_posterior
from bayes_glmm.engine.level_patterns import has_many_levels, has_many_units, why_not_integrated
from bayes_glmm.engine.likelihood_rows import is_normal
from bayes_glmm.engine.native import NativeFunction, compile_ahead
from bayes_glmm.engine.pack import Packed, pack, related_system, why_not_covered
from bayes_glmm.engine.pack_responses import pack_responses, why_not_covered_together
from bayes_glmm.engine.rows import row_kernel
from bayes_glmm.engine.run import CompiledPosterior, expand_draws, kernel_posterior
from bayes_glmm.engine.sparse_laplace import sparse_rows
from bayes_glmm.engine.sparse_map import related_posterior
from bayes_glmm.engine.unpack import unpack_draws, unpack_responses
from bayes_glmm.errors import SamplingError
from bayes_glmm.inference.effective_size import effective_size
from bayes_glmm.inference.modes import record_of_modes, run_over_modes, that_matter
from bayes_glmm.inference.nuts import Run, is_near_normal, run_nuts
from bayes_glmm.inference.settings import Sampled, SamplerSettings, available_processors
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.model_spec import ModelSpec

Array = npt.NDArray[np.float64]

DEFAULT_DRAWS, DEFAULT_TUNE, LAPLACE_DRAWS = 1000, 150, 1000
_REDRAWS = 20  # rounds in which Laplace draws that are not finite are drawn again
#: Draws a chain below which a run says nothing about the geometry, and about how well it mixes.
SHORTEST, SHORTEST_MIXED = 10, 250
#: Posterior sds by which Laplace's approximation may move a log sd before levels' effects are integrated out instead.
POOR = 0.7
#: The run that says where theta is.
PILOT: Mapping[str, Any] = {"draws": 100, "tune": 100, "chains": 4, "target_accept": 0.8, "label": "Short run"}
#: Along straight trajectories. Less takes a few gradients off, and now and then a draw far out diverges.
DEFAULT_TARGET_ACCEPT = 0.8
#: Along trajectories of a normal, which take 3 gradients a draw. In few dimensions their longest step binds, not this;
#: in thousands more would shorten the steps until they no longer reach the other side.
NORMAL_TARGET_ACCEPT = 0.65


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model ready to be sampled.

    Its posterior in the coordinates of each mode that matters, their log masses, how draws become positions, the
    first slow element, and the numbers of steps in which trajectories of a normal are tried.
    """

    packed: Packed
    posteriors: tuple[CompiledPosterior, ...]
    masses: tuple[float, ...]
    positions: Callable[[Array], Array]
    path: str
    slow: int
    steps: tuple[int, ...] = (3,)


def sample_kernel(spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings) -> Sampled:
    """Sample with the compiled kernel in the coordinates of the Laplace fit.

    Parameters
    ----------
    spec, design, priors
        The model.
    settings
        Lengths, chains and seed; by default 150 warm-up and 1000 kept draws. Where acceptance is not stated, and the
        posterior is near normal in the coordinates, trajectories are those of a normal with acceptance 0.65, else
        straight ones with 0.8.

    Returns
    -------
    Sampled
        The draws; those made so far where the run was interrupted.

    Raises
    ------
    SamplingError
        If the kernel does not cover the model, or no chain could be started.
    """
    reason = why_not_covered(spec, design, priors)
    if reason is not None:
        raise SamplingError(f"backend='kernel' does not cover this model: {reason}. Use backend='auto'.")
    started = time.perf_counter()
    prepared = _prepare(spec, design, priors, settings, integrate=True)
    return run_prepared(prepared, settings, started, lambda x: unpack_draws(x, prepared.packed, design))


def sample_together(
    design: MultivariateDesign, tables: tuple[PriorTable, ...], priors: PriorTable, settings: SamplerSettings
) -> Sampled:
    """Sample a model of several responses as `sample_kernel` does a model of one; `tables` are those of each response.

    Raises
    ------
    SamplingError
        If the kernel does not cover the model, or no chain could be started.
    """
    reason = why_not_covered_together(design, tables, priors)
    if reason is not None:
        raise SamplingError(f"backend='kernel' does not cover this model: {reason}. Use backend='auto'.")
    started = time.perf_counter()
    prepared = _prepare_together(design, tables, priors)
    return run_prepared(prepared, settings, started, lambda x: unpack_responses(x, prepared.packed, design))


def _prepare_together(design: MultivariateDesign, tables: tuple[PriorTable, ...], priors: PriorTable) -> Prepared:
    """Put a model of several responses in the coordinates of its Laplace fits."""
    kernels = {row_kernel(part.family.kernel or "", part.link.name) for part in design.spec.parts}
    related = any(term.structure is not None for term in design.groups)
    path = _RELATED_COORDINATES if related else _COORDINATES
    compile_ahead([*path, mixing.rank_statistics, *kernels], available_processors())
    packed = pack_responses(design, tables, priors)
    if not related:
        return _in_coordinates(packed, that_matter(laplace_fits(packed)))
    system = related_system(packed, design)
    assert system is not None  # else the kernel would not cover the model
    return _in_coordinates(packed, that_matter(related_fits(packed, sparse_rows(packed.data, system))))


def run_prepared(
    prepared: Prepared, settings: SamplerSettings, started: float, unpack: Callable[[Array], xr.Dataset]
) -> Sampled:
    """Run NUTS behind a model's coordinates, again where its geometry is bad; `unpack` names what positions hold."""
    prepared_at = time.perf_counter()
    steps = _steps(prepared, settings)
    accept = NORMAL_TARGET_ACCEPT if steps else DEFAULT_TARGET_ACCEPT
    full = settings.filled(DEFAULT_DRAWS, DEFAULT_TUNE, accept)
    run = run_over_modes(prepared.posteriors, full, steps)
    details: dict[str, Any] = {"tune": full.tune, "target_accept": full.target_accept}
    trouble = None if run.interrupted else geometry_trouble(run.stats) or mixing_trouble(run, prepared.slow)
    if trouble is not None and settings.tune is None and settings.target_accept is None:
        how = "with 1000 warm-up draws, smaller steps and straight trajectories"
        reason = f"{trouble}: sampling again {how}"
        longer = replace(full, tune=1000, target_accept=0.95, label="Second run", reason=reason)
        run = run_over_modes(prepared.posteriors, longer, steps=0)
        said = f"{trouble}: sampled again {how}"
        details = {"tune": longer.tune, "target_accept": longer.target_accept, "second_run": said}
    details |= {
        "path": prepared.path,
        "trajectories": run.trajectories,
        "rows_of_likelihood": len(prepared.packed.rows.y),
        "prepare_seconds": prepared_at - started,
        "sampling_seconds": time.perf_counter() - prepared_at,
    }
    details |= record_of_modes(prepared.masses, settings.chains)
    if run.interrupted:
        details["interrupted_after"] = run.x.shape[1]
    return Sampled(unpack(prepared.positions(run.x)), run.stats, run.interrupted, details)


def _steps(prepared: Prepared, settings: SamplerSettings) -> int:
    """Return in how many steps trajectories of a normal do, fewest first; 0 where none do."""
    for steps in prepared.steps:
        if all(is_near_normal(posterior, settings, steps) for posterior in prepared.posteriors):
            return steps
    return 0


def approximate_laplace(spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings) -> Sampled:
    """Draw from the Laplace approximation: normal in the coordinates, which no correction follows.

    Parameters
    ----------
    spec, design, priors
        The model.
    settings
        Draws (1000 by default), chains and seed; there is no warm-up.

    Returns
    -------
    Sampled
        Independent draws; ``sample_stats`` is empty, and the details say how many draws were ``redrawn``.

    Raises
    ------
    SamplingError
        If the kernel does not cover the model.
    """
    reason = why_not_covered(spec, design, priors)
    if reason is not None:
        raise SamplingError(f"method='laplace' needs the kernel, which does not cover this model: {reason}.")
    started = time.perf_counter()
    prepared = _prepare(spec, design, priors, settings, integrate=False)
    return draw_prepared(prepared, settings, started, lambda x: unpack_draws(x, prepared.packed, design))


def approximate_together(
    design: MultivariateDesign, tables: tuple[PriorTable, ...], priors: PriorTable, settings: SamplerSettings
) -> Sampled:
    """Draw from the Laplace approximation of a model of several responses.

    Raises
    ------
    SamplingError
        If the kernel does not cover the model.
    """
    reason = why_not_covered_together(design, tables, priors)
    if reason is not None:
        raise SamplingError(f"method='laplace' needs the kernel, which does not cover this model: {reason}.")
    started = time.perf_counter()
    prepared = _prepare_together(design, tables, priors)
    return draw_prepared(prepared, settings, started, lambda x: unpack_responses(x, prepared.packed, design))


def draw_prepared(
    prepared: Prepared, settings: SamplerSettings, started: float, unpack: Callable[[Array], xr.Dataset]
) -> Sampled:
    """Draw from the normal distribution in a model's coordinates; `unpack` names what positions hold."""
    best = prepared.posteriors[0]
    shape = (settings.chains, settings.draws or LAPLACE_DRAWS, best.dimension)
    x, redrawn = _finite_positions(prepared, np.random.default_rng(settings.seed), shape)
    details = {"path": "Laplace approximation", "prepare_seconds": time.perf_counter() - started, "redrawn": redrawn}
    details |= record_of_modes(prepared.masses, chains=1)  # the draws are those around the first
    stats = xr.Dataset(coords={"chain": np.arange(shape[0]), "draw": np.arange(shape[1])})
    return Sampled(unpack(x), stats, False, details)


def _finite_positions(prepared: Prepared, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[Array, int]:
    """Draw positions (chains, draws, D) about the first mode, and say how many were drawn again.

    Where a correlation rounds to one, group effects have no density and no finite place.
    """
    best, redrawn = prepared.posteriors[0], 0
    z = rng.standard_normal(shape)
    for _ in range(_REDRAWS):
        x = prepared.positions(expand_draws(best, z.reshape(-1, shape[2])).reshape(shape))
        bad = ~np.isfinite(x).all(axis=-1)
        if not bad.any():
            return x, redrawn
        redrawn += int(bad.sum())
        z[bad] = rng.standard_normal((int(bad.sum()), shape[2]))
    raise SamplingError("The Laplace approximation has draws that are not finite; fit with method='nuts'.")


#: What the three paths call; a function stands for all of its module, which are compiled with it.
_EXACT = (gaussian.density, gaussian_draws.draw_coefficients, gaussian_moments.sums)
_COORDINATES = (coordinates.density, laplace.find_mode, kernel.density)
_RELATED = (sparse_gaussian.density, sparse_gaussian.draw_related, sparse_factor.list_products)
_RELATED_COORDINATES = (
    sparse_coordinates.density,
    sparse_laplace.find_mode,
    kernel.density,
    sparse_factor.list_products,
)
_INTEGRALS = (level_integrals.density, level_draws.draw_effects)


def _compile(spec: ModelSpec, path: tuple[NativeFunction, ...]) -> None:
    """Compile together, the first time on a machine, what a run will call; what takes longest first."""
    assert spec.family.kernel is not None  # else the kernel would not cover the model
    rows = row_kernel(spec.family.kernel, spec.link.name, bool(spec.channels))
    compile_ahead([*path, mixing.rank_statistics, rows], available_processors())


def _prepare(
    spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings, integrate: bool
) -> Prepared:
    """Choose coordinates: those of the Laplace fit, or, with `integrate`, what is quicker where its shape is poor."""
    normal = is_normal(spec)
    if any(term.structure is not None for term in design.groups):
        return _with_related_levels(spec, design, priors, settings, adapt=integrate)
    _compile(spec, _EXACT if normal else _COORDINATES)
    packed = pack(spec, design, priors)
    if normal:
        if why_not_marginal(packed.data) is None and marginal_pays(packed.data):
            path = "beta and group effects integrated out exactly, then drawn"
            return _integrated(packed, gaussian_fits(packed), path, settings)
        _compile(spec, _COORDINATES)
        if has_normal_priors(packed.data) and packed.data.sizes[layout.N_THETA]:
            return _in_coordinates(packed, that_matter(gaussian_laplace_fits(packed)))
    integrable = integrate and not normal and why_not_integrated(packed) is None
    if integrable and has_many_units(packed.data):
        prepared = _with_levels_integrated(spec, packed, settings)
        if prepared is not None:
            return prepared
    fits = that_matter(laplace_fits(packed))
    if integrable and len(fits) == 1 and has_many_levels(packed.data) and laplace_error(packed, fits[0]) > POOR:
        start = fits[0].x[int(packed.data.sizes[layout.N_U]) :]
        return _with_levels_integrated(spec, packed, settings, start) or _in_coordinates(packed, fits)
    return _in_coordinates(packed, fits)


def _integrated(packed: Packed, fits: tuple[GaussianFit, ...], path: str, settings: SamplerSettings) -> Prepared:
    """Put theta's marginal posterior behind the coordinates of the fits that matter."""
    exact = that_matter(fits)

    def complete(theta: Array) -> Array:
        return complete_positions(packed, exact[0], theta, settings.seed)

    behind = tuple(gaussian_posterior(packed, fit) for fit in exact)
    return Prepared(packed, behind, tuple(fit.log_mass for fit in exact), complete, path, 0)


def _with_related_levels(
    spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings, adapt: bool
) -> Prepared:
    """Integrate beta and the effects of related levels out by a sparse factor, or let it make the coordinates.

    With `adapt` these are moved to where a short run finds theta, unless the Laplace fit is near enough.
    """
    packed = pack(spec, design, priors)
    exact = is_normal(spec) and has_normal_priors(packed.data)
    _compile(spec, _RELATED if exact else _RELATED_COORDINATES)
    system = related_system(packed, design)
    assert system is not None  # else the kernel would not cover the model
    if not exact:
        pattern = sparse_rows(packed.data, system)
        fits = that_matter(related_fits(packed, pattern))
        prepared = _in_coordinates(packed, fits)
        alone = adapt and len(fits) == 1 and len(fits[0].theta_factor) > 0
        if not alone or is_near_normal(prepared.posteriors[0], replace(settings, target_accept=None)):
            return prepared
        pilot = run_nuts(prepared.posteriors[0], replace(settings, **PILOT))
        if pilot.interrupted:
            raise SamplingError("Sampling was interrupted before it had begun: there are no draws yet.")
        moved = fit_around(packed, pattern, pilot.x.reshape(-1, pilot.x.shape[2]))
        return replace(
            _in_coordinates(packed, (moved,)), path="coordinates of a Laplace fit where a short run put theta"
        )
    path = "beta and effects of related levels integrated out exactly by a sparse factor, then drawn"
    return _integrated(packed, gaussian_fits(packed, system), path, settings)


def _in_coordinates(packed: Packed, fits: Sequence[LaplaceFit | SparseFit]) -> Prepared:
    """Put the density of (u, beta, theta) behind the coordinates of the Laplace fits that matter."""
    first_beta, path = int(packed.data.sizes[layout.N_U]), "coordinates of the Laplace fit"
    posteriors = tuple(
        related_posterior(packed, fit) if isinstance(fit, SparseFit) else kernel_posterior(packed, fit) for fit in fits
    )
    masses = tuple(fit.log_mass for fit in fits)
    return Prepared(packed, posteriors, masses, lambda x: x, path, first_beta)


def _with_levels_integrated(
    spec: ModelSpec, packed: Packed, settings: SamplerSettings, start: Array | None = None
) -> Prepared | None:
    """Integrate levels' effects out, from a position (beta, theta) on; None where the lattices do not do."""
    _compile(spec, _INTEGRALS)
    fit = level_fit(packed, start)
    if fit is None:
        return None
    path = "levels' effects integrated out numerically, then drawn"

    def complete(x: Array) -> Array:
        return complete_level_positions(packed, fit, x, settings.seed)

    return Prepared(packed, (level_posterior(fit),), (fit.log_mass,), complete, path, 0, steps=(1, 3))


def geometry_trouble(stats: xr.Dataset) -> str | None:
    """Say what is wrong with the geometry of a run.

    Parameters
    ----------
    stats
        ``diverging``, ``energy`` and ``step_size``; dims chain, draw.

    Returns
    -------
    str or None
        Divergences, E-BFMI below 0.3 or a step size below 0.2, in words; None where all is well.
    """
    diverging = int(stats["diverging"].sum())
    energy = stats["energy"].to_numpy()
    if energy.shape[1] < SHORTEST:
        return None
    moved, spread = np.mean(np.square(np.diff(energy, axis=1)), axis=1), np.var(energy, axis=1)
    fraction = np.min(np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 0))
    step = float(stats["step_size"].isel(draw=-1).min())
    if diverging:
        return f"{diverging} of {stats['diverging'].size} transitions diverged"
    if fraction < 0.3:
        return f"the energy's fraction of missing information was {fraction:.2f}"
    return f"the step size fell to {step:.2f}" if step < 0.2 else None


def mixing_trouble(run: Run, first: int) -> str | None:
    """Say whether the chains disagree about beta, theta or the density, or hardly move in them.

    Parameters
    ----------
    run
        A run of NUTS.
    first
        First element of its positions to look at; group effects follow theta and are left out.

    Returns
    -------
    str or None
        R-hat above 1.01 or fewer than 100 effective draws a chain, in words; None where all is well.
    """
    chains, draws, _ = run.x.shape
    if chains < 2 or draws < SHORTEST_MIXED:
        return None
    scalars = np.concatenate([run.x[..., first:], run.stats["logp"].to_numpy()[..., None]], axis=2)
    sizes = effective_size(np.moveaxis(scalars, 2, 0))
    r_hat, least = float(sizes.r_hat.max()), float(min(sizes.ess_bulk.min(), sizes.ess_tail.min()))
    if r_hat > 1.01:
        return f"R-hat was {r_hat:.3f}"
    return f"the effective sample size was {least:.0f}" if least < 100 * chains else None
