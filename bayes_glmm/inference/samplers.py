"""One function per sampler, all of them NUTS, in a table.

Input: a model's parts and `SamplerSettings`. Output: `Sampled`. A sampler that would need another step method than NUTS
is refused: its draws would look alike and be worse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import xarray as xr

from bayes_glmm.design.design import Design
from bayes_glmm.engine.pack import why_not_covered
from bayes_glmm.errors import SamplingError, nearest
from bayes_glmm.inference.kernel import sample_kernel
from bayes_glmm.inference.nutpie_run import run_nutpie
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
    full = replace(settings, draws=settings.draws or DEFAULT_DRAWS, tune=settings.tune or DEFAULT_TUNE)
    tree, interrupted, length = run_nutpie(compiled, full)
    details: dict[str, Any] = {
        "compile_seconds": compiled_at - started,
        "sampling_seconds": time.perf_counter() - compiled_at,
        "tune": full.tune,
    }
    return _sampled(tree, names, interrupted, length, details)


def _sampled(tree: xr.DataTree, names: list[str], interrupted: bool, length: int, details: dict[str, Any]) -> Sampled:
    kept = slice(0, length)
    posterior = tree["posterior"].to_dataset()[names].isel(draw=kept)
    if interrupted:
        details = {**details, "interrupted_after": length}
    return Sampled(posterior, tree["sample_stats"].to_dataset().isel(draw=kept), interrupted, details)


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
        return _sampled(tree, names, interrupted, finished, details)

    sample.__doc__ = f"Sample the PyMC graph with ``pm.sample(nuts_sampler={nuts_sampler!r})``."
    return sample


SAMPLERS: Mapping[str, Sampler] = {
    "kernel": sample_kernel,
    "nutpie": sample_nutpie,
    "pymc": _pymc_sampler("pymc"),
    "numpyro": _pymc_sampler("numpyro"),
    "blackjax": _pymc_sampler("blackjax"),
}


def choose_sampler(backend: str, spec: ModelSpec, design: Design, priors: PriorTable) -> tuple[str, str]:
    """Choose the sampler of a model.

    Parameters
    ----------
    backend
        ``"auto"`` or a key of ``SAMPLERS``.
    spec, design, priors
        The model.

    Returns
    -------
    name : str
        A key of ``SAMPLERS``: under ``"auto"`` the kernel where it covers the model, else nutpie on PyMC's graph.
    reason : str
        Why, in words.

    Raises
    ------
    SamplingError
        If there is no such sampler; the message names the nearest one.
    """
    if backend == "auto":
        missing = why_not_covered(spec, design, priors)
        return ("kernel", "the kernel covers the model") if missing is None else ("nutpie", missing)
    if backend not in SAMPLERS:
        raise SamplingError(f"There is no backend {backend!r}. {nearest(backend, ['auto', *SAMPLERS])}")
    return backend, "asked for"
