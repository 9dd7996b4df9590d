"""Distribution functions of the response families: P(Y <= y), numpy, broadcasting.

Input: responses, the location `mu`, auxiliary parameters and trials, as `families.py` hands them on. Output:
probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import special

Parameters = Mapping[str, Any]


def gaussian_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a normal response.

    Parameters
    ----------
    y, mu, parameters, trials
        Responses; mean; ``sigma``; unused.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    return special.ndtr((y - mu) / parameters["sigma"])


def student_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a Student t response.

    Parameters
    ----------
    y, mu, parameters, trials
        Responses; centre; ``sigma`` and ``nu``; unused.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    return special.stdtr(parameters["nu"], (y - mu) / parameters["sigma"])


def binomial_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of successes out of trials.

    Parameters
    ----------
    y, mu, parameters, trials
        Successes, -1 allowed; probability; unused; numbers of trials, None for one.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    n = np.ones_like(np.asarray(y, dtype=float)) if trials is None else trials
    inner = special.betainc(np.maximum(n - y, 1e-300), y + 1.0, 1.0 - mu)
    return np.where(y < 0, 0.0, np.where(y >= n, 1.0, inner))


def poisson_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a Poisson count.

    Parameters
    ----------
    y, mu, parameters, trials
        Counts, -1 allowed; mean; unused; unused.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    return np.where(y < 0, 0.0, special.gammaincc(np.maximum(y, 0) + 1.0, mu))


def negativebinomial_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a negative binomial count.

    Parameters
    ----------
    y, mu, parameters, trials
        Counts, -1 allowed; mean; ``phi``; unused.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    phi = parameters["phi"]
    return np.where(y < 0, 0.0, special.betainc(phi, np.maximum(y, 0) + 1.0, phi / (phi + mu)))


def gamma_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a gamma response.

    Parameters
    ----------
    y, mu, parameters, trials
        Responses; mean; shape ``phi``; unused.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    return special.gammainc(parameters["phi"], parameters["phi"] * y / mu)


def lognormal_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a lognormal response.

    Parameters
    ----------
    y, mu, parameters, trials
        Responses; mean of the log; ``sigma`` of the log; unused.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    return special.ndtr((np.log(y) - mu) / parameters["sigma"])


def beta_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a beta response.

    Parameters
    ----------
    y, mu, parameters, trials
        Responses; mean; precision ``phi``; unused.

    Returns
    -------
    numpy.ndarray
        Probabilities.
    """
    return special.betainc(mu * parameters["phi"], (1.0 - mu) * parameters["phi"], y)


def categorical_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of an ordered category.

    Parameters
    ----------
    y, mu, parameters, trials
        Codes 0, 1, ... of the categories, -1 allowed, (rows,); probabilities of the categories, (S, rows, categories);
        unused; unused.

    Returns
    -------
    numpy.ndarray
        (S, rows) probabilities.
    """
    cumulative = np.cumsum(mu, axis=-1)
    codes = np.broadcast_to(np.asarray(y, dtype=np.intp), cumulative.shape[:-1])
    chosen = np.take_along_axis(cumulative, np.maximum(codes, 0)[..., None], axis=-1)[..., 0]
    return np.where(codes < 0, 0.0, np.minimum(chosen, 1.0))
