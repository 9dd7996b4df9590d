"""Where the linear predictor must stay, for the link to have an inverse and the family a mean: one check for all modes.

Input: family, link and linear predictors. Output: nothing, or a `PredictionError` in the same words whatever asked.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bayes_glmm.errors import PredictionError
from bayes_glmm.families import Family
from bayes_glmm.links import Link

Array = npt.NDArray[np.float64]

_INSTEAD = "or fit the model with the log link"


def must_be_positive(family: Family, link: Link) -> bool:
    """Say whether a linear predictor of zero or less stands for no response.

    Parameters
    ----------
    family, link
        Of the model.

    Returns
    -------
    bool
        True for counts and positive responses whose link gives no positive mean below zero (identity, inverse, 1/mu^2).
    """
    mean_is_positive = family.support in ("count", "positive", "nonnegative") and family.response_transform is None
    with np.errstate(invalid="ignore"):
        return mean_is_positive and not bool(link.inverse(np.float64(-1.0)) > 0.0)


def check_domain(family: Family, link: Link, eta: Array, *, sampled: bool) -> None:
    """Refuse linear predictors for which the family has no response.

    Parameters
    ----------
    family, link
        Of the model.
    eta
        (S, rows) linear predictors, link scale.
    sampled
        Whether deviations of new levels are among them, for the advice.

    Raises
    ------
    PredictionError
        If one lies outside; the message says how low they reach and how often.
    """
    if not must_be_positive(family, link):
        return
    outside = ~(eta > 0.0)
    if not outside.any():
        return
    if sampled:
        why = "normal random effects reach outside. Use random_effects='conditional' or 'typical'"
    else:
        why = "the straight line goes on below. Predict nearer to the rows that were fitted"
    raise PredictionError(
        f"With the {link.name} link the linear predictor of a {family.name} response must be above 0, and it is as low "
        f"as {np.min(eta):.3g} (not above 0 in {np.max(outside.mean(axis=0)):.2%} of a row's draws): {why}, {_INSTEAD}."
    )


def check_mean_exists(family: Family) -> None:
    """Refuse to average a mean over normal effects on the log of a parameter that stands in it squared.

    Parameters
    ----------
    family
        Of the model; one of its parameters that enter the mean has group effects.

    Raises
    ------
    PredictionError
        For log-normal responses, whose mean exp(mu + sigma^2 / 2) has no average over them.
    """
    if family.response_transform is not None:
        raise PredictionError(
            f"The mean of a {family.name} response has no average over group effects on sigma: exp(sigma^2 / 2) grows "
            "too fast. Use scale='mu', scale='sigma', or random_effects='conditional' or 'typical'."
        )


def check_average_exists(link: Link, variance: Array) -> None:
    """Refuse to average over normal random effects where the link's linear predictor cannot be every number.

    Parameters
    ----------
    link
        The link.
    variance
        Variances of the random part of the linear predictor; zero is always allowed.

    Raises
    ------
    PredictionError
        If a variance is positive, the link's linear predictor is bounded and no closed form stands for the average.
    """
    if link.eta_domain != (-math.inf, math.inf) and link.gaussian_mean is None and np.any(variance > 0):
        raise PredictionError(
            f"The average over random effects does not exist with the {link.name} link: its linear predictor must be "
            f"above {link.eta_domain[0]:g}, and normal random effects reach outside. Use random_effects='conditional' "
            f"or 'typical', {_INSTEAD}."
        )
