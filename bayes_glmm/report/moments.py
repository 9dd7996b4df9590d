"""Posterior means, standard deviations and equal-tailed intervals of many scalars."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.errors import GLMMError


def interval_probability(ci_prob: float | None) -> float:
    """Return the probability of intervals, ArviZ's default where none is given.

    Parameters
    ----------
    ci_prob
        A probability, or None for ArviZ's ``rcParams["stats.ci_prob"]``.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    GLMMError
        If it is not between 0 and 1.
    """
    if ci_prob is None:
        from arviz_base import rcParams

        return float(rcParams["stats.ci_prob"])
    if not 0 < ci_prob < 1:
        raise GLMMError(f"ci_prob= must lie between 0 and 1 (0.89, say), not {ci_prob!r}.")
    return float(ci_prob)


def posterior_moments(variable: xr.DataArray, prob: float, entries: npt.NDArray[np.intp] | None = None) -> pd.DataFrame:
    """Summarise every scalar of a variable.

    Parameters
    ----------
    variable
        Draws, dims chain, draw and the variable's own.
    prob
        Probability of the equal-tailed interval.
    entries
        Flat indices of the scalars wanted, in C order; None for all.

    Returns
    -------
    pandas.DataFrame
        mean, sd, ci_lower, ci_upper, one row per scalar.
    """
    ordered = variable.transpose("chain", "draw", ...)
    flat = ordered.values.reshape(ordered.shape[0] * ordered.shape[1], -1)
    flat = flat if entries is None else flat[:, entries]
    lower, upper = np.quantile(flat, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    spread = flat.std(axis=0, ddof=1) if len(flat) > 1 else np.full(flat.shape[1], np.nan)
    return pd.DataFrame({"mean": flat.mean(axis=0), "sd": spread, "ci_lower": lower, "ci_upper": upper})
