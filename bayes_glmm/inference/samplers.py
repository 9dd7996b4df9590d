"""One function per sampler, all of them NUTS, in a table.

Input: a model's parts and `SamplerSettings`. Output: `Sampled`. A sampler that would need another step method than NUTS
is refused: its draws would look alike and be worse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayes_glmm.design.design import Design
from bayes_glmm.errors import SamplingError, nearest
from bayes_glmm.inference.settings import Sampled, SamplerSettings
from bayes_glmm.model.autoscale import PriorTable
from bayes_glmm.model.naming import reported_names
from bayes_glmm.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    import pymc as pm

DEFAULT_DRAWS, DEFAULT_TUNE = 1000, 1000

Sampler = Callable[[ModelSpec, Design, PriorTable, SamplerSettings], Sampled]


def _graph(spec: ModelSpec, design: Design, priors: PriorTable) -> pm.Model:
    from bayes_glmm.model.build import build_model

    return build_model(spec, design, priors)


def sample_nutpie(spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings) -> Sampled:
    """Sample the PyMC graph with nutpie's NUTS (compiled by numba, chains in threads).

    Parameters
    ----------
    spec, design, priors
        The model.
    settings
        Lengths, chains and seed; 1000 warm-up and 1000 kept draws by default.

    Returns
    -------
    Sampled
        The draws; those made so far where the run was interrupted.

    Raises
    ------
    SamplingError
        If no chain could be started.
    """
    import nutpie

    model = _graph(spec, design, priors)
    names = reported_names(design, spec.family)
    started = time.perf_counter()
    compiled = nutpie.compile_pymc_model(model, var_names=names)
    compiled_at = time.perf_counter()
    sampler = nutpie.sample(
        compiled,
        draws=settings.draws or DEFAULT_DRAWS,
        tune=settings.tune or DEFAULT_TUNE,
        chains=settings.chains,
        cores=settings.parallel,
        seed=settings.seed,
        target_accept=settings.target_accept,
        save_warmup=False,
        progress_bar=settings.progressbar,
        blocking=False,
    )
    tree, interrupted = wait_for(sampler)
    seconds = {"compile_seconds": compiled_at - started, "sampling_seconds": time.perf_counter() - compiled_at}
    return _sampled(tree, names, interrupted, {**seconds, "tune": settings.tune or DEFAULT_TUNE})


def wait_for(sampler: Any) -> tuple[xr.DataTree, bool]:
    """Wait for a background run of nutpie; the user's interrupt stops it and keeps its draws.

    Parameters
    ----------
    sampler
        What ``nutpie.sample(..., blocking=False)`` returned.

    Returns
    -------
    tree : xarray.DataTree
        nutpie's own result.
    interrupted : bool
        Whether the user stopped it.

    Raises
    ------
    SamplingError
        If the sampler itself failed.
    """
    try:
        return sampler.wait(), False
    except KeyboardInterrupt:
        return sampler.abort(), True
    except RuntimeError as error:
        sampler.cancel()
        raise SamplingError(f"Sampling could not start or go on: {error}") from error


def _sampled(tree: xr.DataTree, names: list[str], interrupted: bool, details: dict[str, Any]) -> Sampled:
    posterior, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    if interrupted:
        posterior, stats, details = _common_draws(posterior, stats, details)
    return Sampled(posterior[names], stats, interrupted, details)


def _common_draws(
    posterior: xr.Dataset, stats: xr.Dataset, details: dict[str, Any]
) -> tuple[xr.Dataset, xr.Dataset, dict[str, Any]]:
    """Cut chains of different length, as an interrupt leaves them, to the draws all of them have."""
    reference = posterior["beta"] if "beta" in posterior else posterior[next(iter(posterior.data_vars))]
    extra = [dim for dim in reference.dims if dim not in ("chain", "draw")]
    finished = np.isfinite(reference).all(dim=extra).transpose("chain", "draw").values
    common = int(finished.sum(axis=1).min())
    if common == 0:
        raise SamplingError("Sampling was interrupted before every chain had finished its warm-up: there are no draws yet.")
    kept = slice(0, common)
    return posterior.isel(draw=kept), stats.isel(draw=kept), {**details, "interrupted_after": common}


def _pymc_sampler(nuts_sampler: str) -> Sampler:
    def sample(spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings) -> Sampled:
        import pymc as pm

        draws, tune = settings.draws or DEFAULT_DRAWS, settings.tune or DEFAULT_TUNE
        names = reported_names(design, spec.family)
        started = time.perf_counter()
        with _graph(spec, design, priors):
            # an explicit NUTS step: PyMC would otherwise be free to choose Metropolis without saying so
            own = {"step": pm.NUTS(target_accept=settings.target_accept)} if nuts_sampler == "pymc" else {}
            tree = pm.sample(
                draws=draws,
                tune=tune,
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
        interrupted = finished < draws or tree["posterior"].sizes["chain"] < settings.chains
        details = {"sampling_seconds": time.perf_counter() - started, "tune": tune}
        return _sampled(tree, names, interrupted, details | ({"interrupted_after": finished} if interrupted else {}))

    sample.__doc__ = f"Sample the PyMC graph with ``pm.sample(nuts_sampler={nuts_sampler!r})``."
    return sample


SAMPLERS: Mapping[str, Sampler] = {
    "nutpie": sample_nutpie,
    "pymc": _pymc_sampler("pymc"),
    "numpyro": _pymc_sampler("numpyro"),
    "blackjax": _pymc_sampler("blackjax"),
}


def sampler_named(backend: str) -> Sampler:
    """Return the sampler of that name.

    Parameters
    ----------
    backend
        A key of ``SAMPLERS``.

    Returns
    -------
    Callable
        (spec, design, priors, settings) -> `Sampled`.

    Raises
    ------
    SamplingError
        If there is no such sampler; the message names the nearest one.
    """
    if backend not in SAMPLERS:
        raise SamplingError(f"There is no backend {backend!r}. {nearest(backend, ['auto', *SAMPLERS])}")
    return SAMPLERS[backend]
