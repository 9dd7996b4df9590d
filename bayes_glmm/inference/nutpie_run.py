"""One run of nutpie's NUTS, with the user's interrupt kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayes_glmm.errors import SamplingError
from bayes_glmm.inference.nuts import PROGRESS_MILLISECONDS, follower, sampling_progress
from bayes_glmm.inference.settings import SamplerSettings


def run_nutpie(compiled: Any, settings: SamplerSettings) -> tuple[xr.DataTree, bool, int]:
    """Run nutpie's NUTS on a compiled model.

    Parameters
    ----------
    compiled
        What nutpie compiled, or an object of its interface.
    settings
        Lengths (both stated), chains and seed.

    Returns
    -------
    tree : xarray.DataTree
        nutpie's posterior and sample_stats.
    interrupted : bool
        Whether the user stopped the run.
    length : int
        Draws that every chain has.

    Raises
    ------
    SamplingError
        If no chain could start, or the run was interrupted before there was a draw.
    """
    import nutpie

    progress = sampling_progress(settings)
    sampler = nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.parallel,
        seed=settings.seed,
        target_accept=settings.target_accept,
        save_warmup=False,
        progress_bar=False,
        progress_callback=follower(progress),
        progress_rate=PROGRESS_MILLISECONDS,
        blocking=False,
    )
    with progress:
        try:
            tree, interrupted = sampler.wait(), False
        except KeyboardInterrupt:
            tree, interrupted = sampler.abort(), True
        except RuntimeError as error:
            sampler.cancel()
            raise SamplingError(f"Sampling could not start or go on: {error}") from error
    return tree, interrupted, common_length(tree) if interrupted else int(tree["posterior"].sizes["draw"])


def common_length(tree: xr.DataTree) -> int:
    """Return the number of draws that all chains of an interrupted run have.

    Parameters
    ----------
    tree
        nutpie's result; shorter chains are filled with NaN.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    SamplingError
        If a chain has no draw yet.
    """
    first = next(iter(tree["posterior"].to_dataset().data_vars.values())).transpose("chain", "draw", ...)
    values = first.to_numpy()
    finished = np.isfinite(values).reshape(*values.shape[:2], -1).all(axis=2)
    length = int(finished.sum(axis=1).min()) if finished.size else 0
    if length == 0:
        raise SamplingError(
            "Sampling was interrupted before every chain had finished its warm-up: there are no draws yet."
        )
    return length
