"""Fits of one model to several data sets, and their draws mixed.

Input: a model for each data set. Output: a `Fit` of each, and the tree of all their draws, chain after chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from bayes_glmm.errors import SamplingError
from bayes_glmm.inference.fit import Fit, Model
from bayes_glmm.inference.refit import Failure, refit, run_tasks
from bayes_glmm.inference.settings import SamplerSettings, available_processors

__all__ = ["FRAME", "fit_frames", "mixed_tree", "parts_of"]

#: The coordinate along chains that says which data set a chain was drawn with: 1, 2, ...
FRAME = "frame"


@dataclass(frozen=True, eq=False)
class _Task:
    """A data set's model and how to sample it."""

    model: Model
    settings: SamplerSettings
    method: str
    backend: str


def fit_frames(
    models: Sequence[Model], settings: SamplerSettings, method: str, backend: str, client: Any = None
) -> list[Fit]:
    """Sample a model with each of several data sets.

    Parameters
    ----------
    models
        One for each data set.
    settings
        Lengths, chains, cores and seed; every data set has a seed of its own that follows from it.
    method, backend
        As in `bayes_glmm.inference.samplers.run_sampler`.
    client
        A ``distributed.Client``; None for this machine's processors.

    Returns
    -------
    list of Fit
        In the order of the data sets.

    Raises
    ------
    SamplingError
        If one could not be sampled; the message says which.
    """
    count = len(models)
    seeds = np.random.SeedSequence(settings.seed, spawn_key=(5,)).generate_state(count)
    cores = max(1, (settings.cores or available_processors()) // count)
    each = [replace(settings, random_seed=int(seed), cores=cores, progressbar=False) for seed in seeds]
    tasks = [_Task(model, own, method, backend) for model, own in zip(models, each, strict=True)]
    results = run_tasks(
        _sampled, tasks, client=client, progressbar=settings.progressbar, label="Fitting frames", unit="frames"
    )
    for number, result in enumerate(results, start=1):
        if isinstance(result, Failure):
            raise SamplingError(f"Frame {number} of {count} could not be sampled: {result.reason}")
    return results


def _sampled(task: _Task) -> Fit:
    fit = refit(task.model, task.settings, task.method, task.backend)
    fit.dt.attrs |= {
        "inference_library_version": version("bayes_glmm"),
        "random_seed": task.settings.seed,
        "call": task.settings.call(task.method, task.backend),
    }
    return fit


def mixed_tree(fits: Sequence[Fit], attrs: dict[str, Any]) -> xr.DataTree:
    """Put the draws of several fits into one tree, each fit's chains after those of the one before.

    Parameters
    ----------
    fits
        Fits with the same parameters.
    attrs
        What is recorded of the runs.

    Returns
    -------
    xarray.DataTree
        Groups posterior and sample_stats; dims chain, draw and the parameters' own; a coordinate ``frame`` (1, 2, ...)
        along chain. The rows are those of the fits, each with its own.

    Raises
    ------
    SamplingError
        If fits have draws of different numbers, as where one was interrupted.
    """
    sizes = [(fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]) for fit in fits]
    if len(set(sizes)) > 1:
        words = ", ".join(f"{chains} x {draws}" for chains, draws in sizes)
        raise SamplingError(f"The frames have different numbers of draws ({words}), which cannot be mixed fairly.")
    groups = {}
    for name in ("posterior", "sample_stats"):
        parts = [fit.dt[name].to_dataset() for fit in fits]
        shared = [key for key in parts[0].data_vars if all(key in part for part in parts)]
        whole = xr.concat([part[shared] for part in parts], dim="chain") if shared else xr.Dataset()
        if whole.sizes:  # an approximation has no sample_stats
            chains = np.arange(whole.sizes["chain"])
            whole = whole.assign_coords({"chain": chains, FRAME: ("chain", 1 + chains // sizes[0][0])})
        groups[name] = whole
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = attrs
    return tree


def parts_of(tree: xr.DataTree, trees: Sequence[xr.DataTree]) -> list[xr.DataTree]:
    """Return each data set's tree with its draws as views of the mixed ones, so that they are held once.

    Parameters
    ----------
    tree
        The mixed tree.
    trees
        That of each data set.

    Returns
    -------
    list of xarray.DataTree
        With the other groups and the attributes of `trees`.
    """
    result, chains = [], tree["posterior"].sizes["chain"] // len(trees)
    for number, own in enumerate(trees):
        place = slice(number * chains, (number + 1) * chains)
        groups = {str(name): child.to_dataset() for name, child in own.children.items()}
        for name in ("posterior", "sample_stats"):
            if (whole := tree[name].to_dataset()).sizes:
                view = whole.isel(chain=place).drop_vars(FRAME)
                groups[name] = view.assign_coords(chain=np.arange(chains))
        part = xr.DataTree.from_dict(groups)
        part.attrs = dict(own.attrs)
        result.append(part)
    return result
