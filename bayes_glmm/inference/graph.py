"""Samplers of PyMC's graph: nutpie's NUTS in the coordinates of the Laplace fit, and ``pm.sample``'s samplers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bayes_glmm.design.design import Design
from bayes_glmm.engine.build_map import Target
from bayes_glmm.engine.graph import graph_positions, graph_rows, reduced_rows_model
from bayes_glmm.engine.laplace import laplace_fits
from bayes_glmm.engine.pack import auxiliary_rows, has_rows, pack, why_not_in_coordinates
from bayes_glmm.engine.run import kernel_posterior
from bayes_glmm.engine.unpack import unpack_draws
from bayes_glmm.errors import SamplingError
from bayes_glmm.inference.modes import record_of_modes, run_over_modes, that_matter
from bayes_glmm.inference.nutpie_run import run_nutpie
from bayes_glmm.inference.nuts import is_near_normal
from bayes_glmm.inference.settings import Sampled, SamplerSettings
from bayes_glmm.model.naming import reported_names
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    import pymc as pm

DEFAULT_DRAWS, DEFAULT_TUNE, DEFAULT_TARGET_ACCEPT = 1000, 1000, 0.8
#: Warm-up in the coordinates, where little is left to adapt.
COORDINATES_TUNE = 300


def _graph(spec: ModelSpec, design: Design, priors: PriorTable, parametrization: Any = "noncentered") -> pm.Model:
    """Build the graph on the rows that the likelihood needs."""
    from bayes_glmm.model.build import build_model

    fewer_spec, fewer = reduced_rows_model(spec, design)
    return build_model(fewer_spec, fewer, priors, parametrization=parametrization)


def sample_nutpie(spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings) -> Sampled:
    """Sample PyMC's graph with nutpie's NUTS, in the coordinates of the Laplace fit where the priors allow them.

    Parameters
    ----------
    spec, design, priors
        The model.
    settings
        Lengths, chains and seed; by default 1000 kept draws after 300 warm-up draws in the coordinates, 1000 without.

    Returns
    -------
    Sampled
        The draws; those made so far where the run was interrupted.

    Raises
    ------
    SamplingError
        If no chain could be started.
    """
    reason = why_not_in_coordinates(design, priors)
    if reason is not None:
        return sample_plain(_graph(spec, design, priors), reported_names(design), settings, reason)
    import nutpie

    started = time.perf_counter()
    rows = None if has_rows(spec) else graph_rows(spec, len(auxiliary_rows(design, priors)))
    packed = pack(spec, design, priors, None if rows is None else rows.address)
    fits = that_matter(laplace_fits(packed))
    graph = _graph(spec, design, priors, "centered")
    compiled = nutpie.compile_pymc_model(graph)
    positions = graph_positions(graph, packed, design, priors)
    target = Target(compiled.compiled_logp_func.address, compiled.user_data.ctypes.data, positions)
    posteriors = tuple(kernel_posterior(packed, fit, target, alive=(compiled, rows)) for fit in fits)
    compiled_at = time.perf_counter()
    full = settings.filled(DEFAULT_DRAWS, COORDINATES_TUNE, DEFAULT_TARGET_ACCEPT)
    run = run_over_modes(posteriors, full, all(is_near_normal(posterior, settings) for posterior in posteriors))
    details = _details("PyMC's compiled graph in the coordinates of the Laplace fit", full, started, compiled_at)
    details["trajectories"] = run.trajectories
    details |= record_of_modes([fit.log_mass for fit in fits], settings.chains)
    if run.interrupted:
        details["interrupted_after"] = run.x.shape[1]
    return Sampled(unpack_draws(run.x, packed, design), run.stats, run.interrupted, details)


def sample_plain(graph: pm.Model, names: list[str], settings: SamplerSettings, reason: str) -> Sampled:
    """Sample a graph with nutpie's NUTS in PyMC's own coordinates; `names` are what is reported."""
    import nutpie

    started = time.perf_counter()
    model = nutpie.compile_pymc_model(graph, var_names=names)
    compiled_at = time.perf_counter()
    full = settings.filled(DEFAULT_DRAWS, DEFAULT_TUNE, DEFAULT_TARGET_ACCEPT)
    tree, interrupted, length = run_nutpie(model, full)
    details = _details(f"PyMC's own coordinates, non-centred: {reason}", full, started, compiled_at)
    if interrupted:
        details["interrupted_after"] = length
    kept = slice(0, length)
    posterior = tree["posterior"].to_dataset()[names].isel(draw=kept)
    return Sampled(posterior, tree["sample_stats"].to_dataset().isel(draw=kept), interrupted, details)


def _details(path: str, settings: SamplerSettings, started: float, compiled_at: float) -> dict[str, Any]:
    sampling = time.perf_counter() - compiled_at
    return {
        "path": path,
        "tune": settings.tune,
        "compile_seconds": compiled_at - started,
        "sampling_seconds": sampling,
    }


@contextmanager
def _chains_in_words() -> Iterator[None]:
    """Say what PyMC's processes do not: that one of them was lost, and what keeps the others' draws."""
    import pymc as pm
    from pymc.sampling.parallel import ParallelSamplingError

    try:
        yield
    except (OSError, EOFError, ParallelSamplingError) as error:
        raise SamplingError(
            f"PyMC lost the process of a chain ({type(error).__name__}: {error}); it was killed, perhaps for memory, "
            "and the draws of the others went with it. The default backend's chains are threads, which cannot be lost "
            "one by one; with backend='pymc', cores=1 keeps all chains in this process."
        ) from error
    except pm.exceptions.SamplingError as error:
        raise SamplingError(f"Sampling could not start: {str(error).splitlines()[0]}") from error


def pymc_sampler(nuts_sampler: str) -> Callable[[ModelSpec, Design, PriorTable, SamplerSettings], Sampled]:
    """Return a sampler of the table that calls ``pm.sample``.

    Parameters
    ----------
    nuts_sampler
        ``"pymc"``, ``"numpyro"`` or ``"blackjax"``.

    Returns
    -------
    Callable
        (spec, design, priors, settings) -> `Sampled`; 1000 warm-up and 1000 kept draws by default.
    """

    def sample(spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings) -> Sampled:
        return sample_pymc(nuts_sampler, _graph(spec, design, priors), reported_names(design), settings)

    return sample


def sample_pymc(nuts_sampler: str, graph: pm.Model, names: list[str], settings: SamplerSettings) -> Sampled:
    """Sample a graph by ``pm.sample`` with one of its samplers; `names` are what is reported."""
    import pymc as pm

    settings = settings.filled(DEFAULT_DRAWS, DEFAULT_TUNE, DEFAULT_TARGET_ACCEPT)
    started = time.perf_counter()
    with graph:
        # an explicit NUTS step: PyMC would otherwise be free to choose Metropolis without saying so
        own = {"step": pm.NUTS(target_accept=settings.target_accept)} if nuts_sampler == "pymc" else {}
        with _chains_in_words():
            tree = pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                cores=settings.parallel,
                random_seed=settings.seed,
                progressbar=settings.progressbar,
                nuts_sampler=nuts_sampler,
                var_names=names,
                compute_convergence_checks=False,
                **(own or {"target_accept": settings.target_accept}),
            )
    finished = tree["posterior"].sizes["draw"]
    interrupted = finished < (settings.draws or 0) or tree["posterior"].sizes["chain"] < settings.chains
    details: dict[str, Any] = {"sampling_seconds": time.perf_counter() - started, "tune": settings.tune}
    if interrupted:
        details["interrupted_after"] = finished
    posterior, stats = tree["posterior"].to_dataset()[names], tree["sample_stats"].to_dataset()
    return Sampled(posterior, stats, interrupted, details)
