"""What a user asks of a sampler, and what a sampler gives back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import xarray as xr

from bayes_glmm.arguments import as_whole, fresh_seed
from bayes_glmm.errors import SamplingError


def available_processors() -> int:
    """Count the processors this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


_RANGES = (
    ("draws", 1, 10**8),
    ("tune", 1, 10**8),
    ("chains", 1, 10**4),
    ("cores", 1, 10**4),
    ("random_seed", 0, 2**128),
)


#: Settings that the draws depend on, besides the seed.
_DECISIVE = ("draws", "tune", "chains", "target_accept")


@dataclass(frozen=True)
class SamplerSettings:
    """Lengths, parallelism and seed of a run of NUTS.

    Parameters
    ----------
    draws, tune
        Kept and warm-up iterations per chain; None for the sampler's own default.
    chains
        Number of chains.
    cores
        Chains that run at once; None for all processors, at most `chains`.
    random_seed
        Seed; the same seed gives the same draws on one machine. None draws one from the operating system.
    target_accept
        Mean acceptance probability the step size is adapted to; None for the sampler's own default.
    progressbar
        Whether to show progress.
    label
        What the run is called where its progress is shown.
    reason
        Why the run is made, where that is worth a line.
    """

    draws: int | None = None
    tune: int | None = None
    chains: int = 4
    cores: int | None = None
    random_seed: int | None = None
    target_accept: float | None = None
    progressbar: bool = True
    label: str = "Sampling"
    reason: str = ""

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if value is None and name != "chains":
                continue
            whole = as_whole(name, value, least, SamplingError)
            if whole > most:
                raise SamplingError(f"{name}= must be at most {most:,}, not {value!r}.")
            object.__setattr__(self, name, whole)
        accept = self.target_accept
        if accept is not None and not (isinstance(accept, Real) and 0 < accept < 1):
            raise SamplingError(f"target_accept= must lie between 0 and 1, not {accept!r}.")

    def filled(self, draws: int, tune: int, target_accept: float) -> SamplerSettings:
        """Return these settings with a sampler's defaults where nothing was stated.

        Parameters
        ----------
        draws, tune, target_accept
            The sampler's defaults.

        Returns
        -------
        SamplerSettings
            With all three stated.
        """
        return replace(
            self,
            draws=draws if self.draws is None else self.draws,
            tune=tune if self.tune is None else self.tune,
            target_accept=target_accept if self.target_accept is None else self.target_accept,
        )

    @property
    def parallel(self) -> int:
        """Chains that run at once."""
        return min(self.chains, self.cores or available_processors())

    def call(self, method: str, backend: str) -> str:
        """Write the call of `GLMM.fit` that makes these draws again.

        Parameters
        ----------
        method, backend
            As in `GLMM.fit`.

        Returns
        -------
        str
            ``"fit(random_seed=1)"``: what decides the draws and is not the default.
        """
        stated = {"method": method, "backend": backend, **{name: getattr(self, name) for name in _DECISIVE}}
        usual = {"method": "nuts", "backend": "auto", "draws": None, "tune": None, "chains": 4, "target_accept": None}
        words = (f"{name}={value!r}" for name, value in stated.items() if value != usual[name])
        return f"fit({', '.join([*words, f'random_seed={self.seed}'])})"

    @property
    def seed(self) -> int:
        """The seed as a 32-bit whole number, drawn anew when none was given."""
        if self.random_seed is not None:
            return int(self.random_seed) % 2**32
        return fresh_seed()


@dataclass(frozen=True, eq=False)
class Sampled:
    """The draws of one run, before they become a `Fit`.

    Parameters
    ----------
    posterior
        Reported parameters; dims chain, draw and each variable's own.
    sample_stats
        ``diverging``, ``n_steps``, ``depth``, ``energy``, ``step_size``, ...; dims chain, draw.
    interrupted
        Whether the run was stopped by the user; the draws are those made until then.
    details
        What is worth recording: seconds, tuning iterations, why this path ran.
    """

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    interrupted: bool = False
    details: dict[str, Any] = field(default_factory=dict)
