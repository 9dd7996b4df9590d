"""The verdict on a fit of several data sets, and how much its draws differ within and between them.

Input: a fit whose ``parts`` are fits of one data set each, and their verdicts. Output: a `Diagnosis` of all, and a
`Spread` for each parameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.checks.convergence import (
    MAX_R_HAT,
    Diagnosis,
    parameter_label,
    parameter_statistics,
    shown_r_hat,
)
from bayes_glmm.inference.effective_size import effective_size
from bayes_glmm.inference.fit import Fit

__all__ = ["Spread", "diagnose_frames", "spread"]

Array = npt.NDArray[np.float64]

#: How much larger Rubin's sd may be than that of the mixed draws before it is said.
_UNDERSTATED = 1.05
_SHOWN, _FRAMES_SHOWN = 3, 4


@dataclass(frozen=True, eq=False)
class Spread:
    """How much a parameter's draws differ within and between data sets.

    Parameters
    ----------
    within
        Root of the mean posterior variance.
    between
        Sd of the posterior means.
    fmi
        Fraction of the information about the parameter that is missing.
    understated
        How many times larger the sd by Rubin's rules is than that of the mixed draws.
    """

    within: Array
    between: Array
    fmi: Array
    understated: Array


def spread(draws: xr.DataArray, count: int) -> Spread:
    """Compare the draws of several data sets, by Rubin's rules.

    Parameters
    ----------
    draws
        Dims chain, draw and the parameter's own; as many chains of each data set, one after the other.
    count
        Number of data sets m.

    Returns
    -------
    Spread
        Flat arrays over the parameter's entries. With W the mean posterior variance and B the variance of the m
        posterior means, the total is T = W + (1 + 1/m) B; draws that are mixed have W + (1 - 1/m) B.

    References
    ----------
    Rubin, D. B. (1987). Multiple Imputation for Nonresponse in Surveys. Wiley. doi:10.1002/9780470316696. Zhou, X. and
    Reiter, J. P. (2010). A note on Bayesian inference after multiple imputation. The American Statistician 64,
    159-163. doi:10.1198/tast.2010.09109.
    """
    values = draws.transpose("chain", "draw", ...).to_numpy()
    values = values.reshape(count, values.shape[0] // count * values.shape[1], -1)
    within, means = values.var(axis=1, ddof=1).mean(axis=0), values.mean(axis=1)
    between = means.var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        increase = (1.0 + 1.0 / count) * between / within
        freedom = (count - 1) * np.square(1.0 + 1.0 / increase)
        fmi = np.where(increase > 0, (increase + 2.0 / (freedom + 3.0)) / (1.0 + increase), 0.0)
        mixed = within + (1.0 - 1.0 / count) * between
        understated = np.sqrt((within + (1.0 + 1.0 / count) * between) / mixed)
    return Spread(np.sqrt(within), np.sqrt(between), fmi, understated)


def diagnose_frames(fit: Fit, verdicts: Sequence[Diagnosis]) -> Diagnosis:
    """Judge a fit of several data sets: each by itself, never by whether they agree.

    Parameters
    ----------
    fit
        The fit.
    verdicts
        The verdict on each of its parts.

    Returns
    -------
    Diagnosis
        Passed if each part did. ``dataset`` has the largest R-hat within a part and effective sample sizes added up.
        Chains of different data sets sample different posteriors: that they disagree is what is missing in the data,
        and is said, not held against the draws.
    """
    dataset, count = _combined(verdicts), len(verdicts)
    failed = [number for number, one in enumerate(verdicts, start=1) if not one.passed]
    sizes = fit.posterior.sizes
    drawn = f"{count} frames, each with {sizes['chain'] // count} chains of {sizes['draw']} draws"
    if fit.approximate:
        first = verdicts[0]
        return Diagnosis(False, first.problems, first.advice, first.opening, dataset, _notes(fit, dataset))
    if failed:
        problems = [f"Frame {i}: {' '.join(verdicts[i - 1].problems)}" for i in failed[:_FRAMES_SHOWN]]
        if len(failed) > _FRAMES_SHOWN:
            problems.append(f"So do {len(failed) - _FRAMES_SHOWN} more: fit.fits[i].diagnose() of frame i + 1.")
        advice = tuple(dict.fromkeys(tip for i in failed for tip in verdicts[i - 1].advice))
        opening = f"Do not rely on these draws yet ({len(failed)} of {drawn}):"
        return Diagnosis(False, tuple(problems), advice, opening, dataset, _notes(fit, dataset))
    values = parameter_statistics(dataset)
    least = min(math.floor(parameter_statistics(one.dataset)[1:].min()) for one in verdicts)
    opening = (
        f"Converged: every check passed in every frame on all {values.shape[1]} parameters ({drawn}; R-hat within a "
        f"frame at most {shown_r_hat(values[0].max())}, effective draws at least {least})."
    )
    return Diagnosis(True, (), (), opening, dataset, _notes(fit, dataset))


def _combined(verdicts: Sequence[Diagnosis]) -> xr.Dataset:
    """Return the largest R-hat, effective draws added up, and the samplers' signs of all frames."""
    first, parts = verdicts[0].dataset, [one.dataset for one in verdicts]
    result = xr.Dataset(coords={"statistic": first["statistic"]})
    for name, values in first.data_vars.items():
        if "statistic" in values.dims:
            stacked = np.stack([part[name].to_numpy() for part in parts])
            both = np.concatenate([stacked[:, :1].max(axis=0), stacked[:, 1:].sum(axis=0)])
            result[name] = values.copy(data=both)
    if all("e_bfmi" in part for part in parts):
        result["e_bfmi"] = ("chain", np.concatenate([part["e_bfmi"].to_numpy() for part in parts]))
    for name in ("divergences", "max_depth_hits"):
        numbers = [part.attrs[name] for part in parts]
        result.attrs[name] = -1 if min(numbers) < 0 else sum(numbers)
    return result


def _notes(fit: Fit, dataset: xr.Dataset) -> tuple[str, ...]:
    """Say how much the data sets disagree, and where so few of them understate it."""
    count, r_hats, factors = len(fit.parts), dataset.copy(), dataset.copy()
    for name, values in fit.posterior.data_vars.items():
        ordered = values.transpose("chain", "draw", ...).to_numpy()
        flat = np.moveaxis(ordered.reshape(*ordered.shape[:2], -1), 2, 0)
        known = dataset[name].to_numpy().reshape(3, -1)
        moves = ~np.isnan(known[1]) if not fit.approximate else flat.reshape(len(flat), -1).std(axis=1) > 0
        found = np.full((2, len(flat)), np.nan)
        if moves.any():
            found[0, moves] = effective_size(flat[moves]).r_hat
            found[1, moves] = spread(values, count).understated[moves]
        for target, row in ((r_hats, found[0]), (factors, found[1])):
            target[name] = dataset[name].copy(data=np.broadcast_to(row, (3, len(row))).reshape(dataset[name].shape))
    r_hat, factor = (parameter_statistics(one)[0] for one in (r_hats, factors))
    worst = int(np.nanargmax(r_hat))
    if r_hat[worst] < MAX_R_HAT:
        notes = [f"The frames agree: R-hat over the chains of all of them is at most {r_hat[worst]:.3f}."]
    else:
        notes = [
            f"Over the chains of all frames R-hat is up to {r_hat[worst]:.2f} ({parameter_label(r_hats, worst)}): the "
            "frames differ, by what is missing in the data. It is part of the intervals and no fault of the draws."
        ]
    low = np.flatnonzero(factor > _UNDERSTATED)
    if len(low):
        order = low[np.argsort(-factor[low], kind="stable")][:_SHOWN]
        names = ", ".join(f"{parameter_label(factors, int(i))} {factor[i] - 1:.0%}" for i in order)
        notes.append(
            f"{count} frames are few for {len(low)} of {len(factor)} parameters: by Rubin's rules, which count that "
            f"there are not more, their sds are larger than those of the mixed draws ({names}). Impute more data sets."
        )
    return tuple(notes)
