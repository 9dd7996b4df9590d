"""nutpie's NUTS on functions behind pointers, without the packages that nutpie imports for other uses.

Input: a `CompiledPosterior` and `SamplerSettings`. Output: positions and the sampler's statistics. nutpie's Python
package imports ArviZ with its plots, which takes longer than most fits; its compiled library, where the sampler is,
needs none of that. The interface used here is nutpie's own between the two; the dependency's version range is pinned
and a test holds the contract.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.engine import shared_library
from bayes_glmm.engine.run import CompiledPosterior, density_at
from bayes_glmm.errors import SamplingError
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.progress import Progress

Array = npt.NDArray[np.float64]

_LIBRARY = "nutpie._lib"
#: A module that another thread is still loading has none of its names yet.
_LOADING = threading.Lock()

#: Longest step along a trajectory of a normal in the plane of position and momentum, in radians, by the number of
#: steps: half a turn is pi, and after a quarter nothing is left of where it began.
LONGEST_STEP = {1: 1.5, 3: 0.9}
#: What probability of being accepted makes them worth it: one step costs a third of three.
ACCEPTED = {1: 0.7, 3: 0.9}
#: Trajectories that are tried before the run.
TRIES = 40
#: Between two looks at the chains.
PROGRESS_MILLISECONDS = 100


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of NUTS gave.

    Parameters
    ----------
    x
        (chains, draws, D) positions, the draws that all chains have.
    stats
        ``diverging``, ``n_steps``, ``depth``, ``energy``, ``step_size`` and the like; dims chain, draw.
    interrupted
        Whether the user stopped it.
    steps
        Steps of trajectories of a normal; 0 for straight ones.
    """

    x: Array
    stats: xr.Dataset
    interrupted: bool
    steps: int = 0

    @property
    def trajectories(self) -> str:
        """Which trajectories ran, in words."""
        return {0: "straight", 1: "of a normal, in one step"}.get(self.steps, "of a normal")


def nutpie_library() -> Any:
    """Load nutpie's compiled library alone.

    Returns
    -------
    module
        ``nutpie._lib``, the one ``import nutpie`` uses too.

    Raises
    ------
    SamplingError
        If nutpie is not installed.
    """
    with _LOADING:
        return sys.modules.get(_LIBRARY) or _load_library()


def _load_library() -> Any:
    package = importlib.util.find_spec("nutpie")
    if package is None or package.submodule_search_locations is None:
        raise SamplingError("nutpie is not installed; it is the sampler of this package: pip install nutpie.")
    spec = importlib.machinery.PathFinder.find_spec(_LIBRARY, list(package.submodule_search_locations))
    if spec is None or spec.loader is None:
        raise SamplingError("nutpie is installed without its compiled library; install it again.")
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    sys.modules[_LIBRARY] = library  # only now: other threads take it from there
    return library


def run_nuts(posterior: CompiledPosterior, settings: SamplerSettings, steps: int = 0) -> Run:
    """Sample a compiled posterior.

    Parameters
    ----------
    posterior
        Density and expansion behind nutpie's signatures.
    settings
        Lengths and acceptance (all stated), chains and seed.
    steps
        In how many steps (1 or 3) trajectories follow a standard normal exactly (`is_near_normal`); 0 for straight
        ones, which double until they turn back.

    Returns
    -------
    Run
        Positions and statistics of the kept draws.

    Raises
    ------
    SamplingError
        If no chain could start, the run was interrupted before every chain had a draw, or memory ran out.
    """
    library = nutpie_library()
    nuts = library.PyNutsSettings.Diag(settings.seed)
    lengths = {"num_tune": settings.tune, "num_draws": settings.draws, "num_chains": settings.chains}
    nuts.update({**lengths, "target_accept": settings.target_accept})
    if steps:
        _follow_the_normal(nuts, steps)
    interrupted = False
    with sampling_progress(settings) as progress:
        sampler = library.PySampler.from_pymc(
            nuts,
            settings.parallel,
            _model(library, posterior),
            library.ProgressType.none(),
            follower(progress),
            PROGRESS_MILLISECONDS,
            library.PyStorage.arrow(),
        )
        try:
            sampler.wait(None)
        except KeyboardInterrupt:
            sampler.abort()
            interrupted = True
        except RuntimeError as error:
            sampler.abort()
            reason = str(error).split("Stack backtrace")[0].strip()
            raise SamplingError(f"Sampling could not start or go on: {reason}") from error
    draws, stats = sampler.take_results().get_arrow_trace()
    run = _collect(draws, stats, posterior.dimension, interrupted)
    # where the length is chosen, reaching it is no sign of trouble
    shared_library.check()
    return replace(run, stats=run.stats.drop_vars("maxdepth_reached"), steps=steps) if steps else run


def _follow_the_normal(nuts: Any, steps: int) -> None:
    """Choose trajectories of a standard normal in one or three steps.

    Steps stay below a third of a half turn: where the posterior is very nearly normal acceptance hardly falls with
    their length, and whole turns lead back to where they started. nutpie's own ``target_integration_time`` would do the
    same more simply, but its draws are biased in few dimensions (the exact answers of tests/engine/test_sampling.py).
    """
    nuts.update({"maxdepth": {1: 1, 3: 2}[steps]})
    settings = nuts.as_dict()["settings"]
    settings["trajectory_kind"] = "ExactNormal"
    settings["adapt_options"]["step_size_settings"]["adapt_options"]["dual_average"]["max_step_size"] = LONGEST_STEP[
        steps
    ]
    nuts.update_settings(settings)


def is_near_normal(posterior: CompiledPosterior, settings: SamplerSettings, steps: int = 3) -> bool:
    """Try whether a few steps along trajectories of a standard normal reach the other side of a posterior.

    Such trajectories are exact for N(0, I) in steps of any length: only the difference from it is left to the steps
    (Shahbaba et al. 2014, doi:10.1007/s11222-012-9373-1). They start from draws of N(0, I), half of them with theta
    half as far out again: that is where posteriors of few groups have the tails in which such trajectories stick.

    Parameters
    ----------
    posterior
        Density and expansion behind nutpie's signatures.
    settings
        Seed of the tries. Whoever states an acceptance means straight trajectories, whose length adapts to the steps.
    steps
        How many (1 or 3).

    Returns
    -------
    bool
        Whether they are accepted with the probability of `ACCEPTED`.
    """
    if settings.target_accept is not None:
        return False
    rng = np.random.default_rng(settings.seed)
    starts = rng.standard_normal((TRIES, 2, posterior.dimension))
    starts[::2, 0, posterior.dimension - posterior.n_theta :] *= 1.5
    changes = [_energy_change(posterior, z, momentum, steps) for z, momentum in starts]
    return bool(np.mean(np.exp(-np.maximum(changes, 0.0))) >= ACCEPTED[steps])


def _energy_change(posterior: CompiledPosterior, z: Array, momentum: Array, steps: int) -> float:
    """Follow one trajectory; return by how much its energy rose, infinity where the density is zero."""
    step = LONGEST_STEP[steps] - 0.1
    value, gradient = density_at(posterior, z)
    energy = 0.5 * momentum @ momentum - value
    for _ in range(steps):
        momentum = momentum + 0.5 * step * (gradient + z)
        z, momentum = np.cos(step) * z + np.sin(step) * momentum, np.cos(step) * momentum - np.sin(step) * z
        value, gradient = density_at(posterior, z)
        if not np.isfinite(value):
            return np.inf
        momentum = momentum + 0.5 * step * (gradient + z)
    with np.errstate(over="ignore"):  # of a trajectory that ran away
        change = 0.5 * momentum @ momentum - value - energy
    return float(change) if np.isfinite(change) else np.inf


def _model(library: Any, posterior: CompiledPosterior) -> Any:
    """Hand the functions to nutpie; chains start at random corners of {-1, 1}^D.

    nutpie's first metric is |gradient|^(-1/2) at the start: there it is the identity, at the right radius.
    """
    n, address = posterior.dimension, posterior.user_data.ctypes.data

    def start(seed: int) -> Array:
        return np.where(np.random.default_rng(seed).random(n) < 0.5, -1.0, 1.0)

    expand = library.ExpandFunc(n, n, posterior.expand.address, address, posterior)
    density = library.LogpFunc(posterior.density.address, address, posterior)
    variables = library.PyVariable.new_variables(["x"], ["float64"], [(n,)], {"element": n}, {"x": ("element",)})
    return library.PyMcModel(density, expand, variables, n, {"element": n}, {"element": np.arange(n)}, start, None)


def sampling_progress(settings: SamplerSettings) -> Progress:
    """Begin to show how far a run is.

    Parameters
    ----------
    settings
        Lengths (both stated), chains, and what the run is called.

    Returns
    -------
    Progress
        To be closed when the run is over.
    """
    assert settings.tune is not None and settings.draws is not None
    total = settings.chains * (settings.tune + settings.draws)
    unit = f"draws of {settings.chains} chain{'s' * (settings.chains > 1)}"
    return Progress(settings.label, total, shown=settings.progressbar, unit=unit, reason=settings.reason)


def follower(progress: Progress) -> Callable[[list[Any]], None]:
    """Return what nutpie calls with the state of its chains.

    Parameters
    ----------
    progress
        What shows them.

    Returns
    -------
    Callable
        Takes nutpie's ``ChainProgress`` objects.
    """

    def follow(chains: list[Any]) -> None:
        left = [
            (chain.total_draws - chain.finished_draws) * chain.runtime_ms / (1000 * chain.finished_draws)
            for chain in chains
            if chain.finished_draws
        ]
        progress.update(sum(chain.finished_draws for chain in chains), max(left, default=0.0))

    return follow


def _collect(draws: Any, stats: Any, dimension: int, interrupted: bool) -> Run:
    """Cut the chains to the kept draws that all of them have, and stack them."""
    import pyarrow

    tuning = [np.asarray(pyarrow.array(batch.column("tuning"))).astype(bool) for batch in stats]
    length = min((int((~warmup).sum()) for warmup in tuning), default=0)
    if length == 0:
        raise SamplingError(
            "Sampling was interrupted before every chain had finished its warm-up: there are no draws yet."
        )
    x, columns = [], []
    for drawn, stat, warmup in zip(draws, stats, tuning, strict=True):
        first = int(warmup.sum())
        values = np.asarray(pyarrow.array(drawn.slice(first, length).column("x")).flatten())
        x.append(values.reshape(length, dimension))
        columns.append(_scalars(stat.slice(first, length)))
    merged = {name: (("chain", "draw"), np.stack([column[name] for column in columns])) for name in columns[0]}
    coords = {"chain": np.arange(len(x)), "draw": np.arange(length)}
    return Run(np.stack(x), xr.Dataset(merged, coords=coords), interrupted)


def _scalars(batch: Any) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of one number a draw."""
    import pyarrow

    out = {}
    for name in batch.column_names:
        column = pyarrow.array(batch.column(name))
        kind = column.type
        number = pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_boolean(kind)
        if number and column.null_count == 0 and name not in {"tuning", "chain", "draw"}:
            out[name] = np.asarray(column)
    return out
