"""One run of NUTS over all modes that matter.

Input: a model's compiled posterior in the coordinates of each mode that matters. Output: one run, its chains shared out
among them. Every chain samples the whole posterior, so chains that started at different modes agree only if they cross
between them: R-hat then judges what it could not see in chains that had all started at one mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import xarray as xr

from bayes_glmm.engine.run import CompiledPosterior
from bayes_glmm.inference.nuts import Run, run_nuts
from bayes_glmm.inference.settings import SamplerSettings

#: Nats below the largest mass at which a mode no longer matters: a share of 5e-5.
MATTERS = 10.0


class HasMass(Protocol):
    """A fit around one mode."""

    @property
    def log_mass(self) -> float:
        """Log posterior mass around the mode, up to a constant."""


def that_matter[AnyFit: HasMass](fits: Sequence[AnyFit]) -> tuple[AnyFit, ...]:
    """Return the fits at modes that hold a mass worth sampling.

    Parameters
    ----------
    fits
        At least one fit, the largest mass first.

    Returns
    -------
    tuple
        The first, and those within `MATTERS` of it.
    """
    return tuple(fit for fit in fits if fit.log_mass > fits[0].log_mass - MATTERS) or (fits[0],)


def record_of_modes(masses: Sequence[float], chains: int) -> dict[str, str | int]:
    """Say how many modes matter, how far apart they are, and for how many of them there is no chain.

    Parameters
    ----------
    masses
        Log mass of each mode that matters, the largest first.
    chains
        How many chains there are to share out.

    Returns
    -------
    dict
        ``modes``, in words, and ``modes_without_chain``; empty where there is one mode.
    """
    if len(masses) < 2:
        return {}
    apart = ", ".join(f"{masses[0] - mass:.1f}" for mass in masses[1:])
    said = f"{len(masses)} modes that matter; Laplace's approximation puts the log mass of the others {apart} below"
    return {"modes": f"{said} the largest's", "modes_without_chain": max(0, len(masses) - chains)}


def run_over_modes(posteriors: Sequence[CompiledPosterior], settings: SamplerSettings, steps: int) -> Run:
    """Sample one posterior from several modes, each chain in the coordinates of its own.

    Parameters
    ----------
    posteriors
        The posterior in the coordinates of each mode, the largest mass first; all expand to the same positions.
    settings
        Lengths and acceptance (all stated), chains and seed.
    steps
        As for `run_nuts`.

    Returns
    -------
    Run
        All chains, the first mode's first; where the run is interrupted, those that had begun.
    """
    shares = [len(part) for part in np.array_split(np.arange(settings.chains), len(posteriors)) if len(part)]
    if len(shares) == 1:
        return run_nuts(posteriors[0], settings, steps)
    runs: list[Run] = []
    for m, (posterior, chains) in enumerate(zip(posteriors, shares, strict=False)):
        label = f"{settings.label}, from mode {m + 1} of {len(shares)}"
        own = replace(settings, chains=chains, random_seed=(settings.seed + m) % 2**32, label=label)
        own = own if m == 0 else replace(own, reason="")
        runs.append(run_nuts(posterior, own, steps))
        if runs[-1].interrupted:
            break
    draws = min(run.x.shape[1] for run in runs)
    stats = xr.concat([run.stats.isel(draw=slice(draws)) for run in runs], "chain", join="override")
    stats = stats.assign_coords(chain=np.arange(stats.sizes["chain"]))
    x = np.concatenate([run.x[:, :draws] for run in runs])
    return Run(x, stats, runs[-1].interrupted, steps)
