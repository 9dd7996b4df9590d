"""Posterior means, standard deviations and equal-tailed intervals of many scalars."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

#: Tail index from which a variance does not exist, and a mean of draws has no error that draws could tell.
_NO_VARIANCE = 0.5
#: Draws from which tails are judged.
_FEWEST = 100


def tail_index(draws: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Estimate how heavy the upper tails of positive scalars are.

    Parameters
    ----------
    draws
        (S, scalars), positive.

    Returns
    -------
    numpy.ndarray
        (scalars,) Hill's estimate of k, P(x > t) falling like t^(-1/k), from the 3 sqrt(S) largest draws: no mean from
        1 on, no variance from 1/2 on, near zero for tails that fall exponentially.

    References
    ----------
    Hill, B. M. (1975). A simple general approach to inference about the tail of a distribution. Annals of Statistics 3,
    1163-1174. doi:10.1214/aos/1176343247.
    """
    count = max(1, min(int(3 * np.sqrt(len(draws))), len(draws) // 5))
    largest = np.log(np.maximum(np.partition(draws, len(draws) - count - 1, axis=0), np.finfo(float).tiny))
    return np.asarray(largest[-count:].mean(axis=0) - largest[-count - 1])


def posterior_moments(
    variable: xr.DataArray, prob: float, entries: npt.NDArray[np.intp] | None = None, positive: bool = False
) -> pd.DataFrame:
    """Summarise every scalar of a variable.

    Parameters
    ----------
    variable
        Draws, dims chain, draw and the variable's own.
    prob
        Probability of the equal-tailed interval.
    entries
        Flat indices of the scalars wanted, in C order; None for all.
    positive
        Whether the scalars are sds, dispersions and the like, whose tails may be too heavy for moments.

    Returns
    -------
    pandas.DataFrame
        mean, sd, ci_lower, ci_upper, one row per scalar; mean and sd are NaN where the tail is so heavy that the draws'
        say nothing about them (a tail index of 1/2 or more).
    """
    ordered = variable.transpose("chain", "draw", ...)
    flat = ordered.values.reshape(ordered.shape[0] * ordered.shape[1], -1)
    flat = flat if entries is None else flat[:, entries]
    lower, upper = np.quantile(flat, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    spread = flat.std(axis=0, ddof=1) if len(flat) > 1 else np.full(flat.shape[1], np.nan)
    mean = flat.mean(axis=0)
    if positive and len(flat) >= _FEWEST:
        heavy = tail_index(flat) >= _NO_VARIANCE
        mean, spread = np.where(heavy, np.nan, mean), np.where(heavy, np.nan, spread)
    return pd.DataFrame({"mean": mean, "sd": spread, "ci_lower": lower, "ci_upper": upper})
