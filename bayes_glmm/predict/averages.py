"""Moments of the response when random effects are averaged over: the mean, the noise, and what groups explain.

Input: the fixed part of the linear predictor, variances of its random part, and the family's parameters, all as
(sample, row) arrays. Output: (sample, row) arrays on the response's scale. By the law of total variance, Var[y | x] =
E[Var[y | x, u]] + Var[E[y | x, u]]; the second part splits by grouping factor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bayes_glmm.families import Family
from bayes_glmm.links import Link
from bayes_glmm.predict.domain import check_average_exists
from bayes_glmm.predict.nodes import normal_rule
from bayes_glmm.predict.quadrature import gaussian_expectation, gaussian_expectations, gaussian_mean

Array = npt.NDArray[np.float64]
Parameters = Mapping[str, Array]

# The variance function of a log-link model grows like exp(2 x): mu^2 / phi.
_SQUARED = 2.0


def averaged_mean(family: Family, link: Link, parameters: Parameters, eta: Array, variance: Array) -> Array:
    """Average the expected response over normal random effects.

    Parameters
    ----------
    family, link
        Of the model; not a family of categories.
    parameters
        Auxiliary parameters, each broadcasting against `eta`.
    eta
        (S, rows) linear predictor without the random part, link scale.
    variance
        (S, rows) variance of the random part, squared link scale.

    Returns
    -------
    numpy.ndarray
        (S, rows) E[y | x]; a probability for families with trials.

    Raises
    ------
    PredictionError
        If the average does not exist for the link.
    """
    mean = family.mean
    if mean is None:
        return gaussian_mean(link, eta, variance)
    if family.mean_line is not None:
        start, slope = family.mean_line(parameters)
        return np.asarray(start + slope * gaussian_mean(link, eta, variance), dtype=float)
    if family.averaged_mean is not None and link.name == "identity":
        return np.asarray(family.averaged_mean(eta, variance, parameters), dtype=float)
    check_average_exists(link, variance)
    names = tuple(parameters)

    def response_mean(x: Array, *values: Array) -> Array:
        return np.asarray(mean(link.inverse(x), dict(zip(names, values, strict=True))), dtype=float)

    # of means within limits far from all responses, differences lose some digits
    tolerance = 1e-6 if family.known else 1e-9
    return gaussian_expectation(response_mean, eta, variance, *parameters.values(), tolerance=tolerance)


def averaged_probabilities(family: Family, link: Link, parameters: Parameters, eta: Array, variance: Array) -> Array:
    """Average the probabilities of an ordered response's categories over normal random effects.

    Parameters
    ----------
    family, link, eta, variance
        As in `averaged_mean`, of a family of categories.
    parameters
        ``"thresholds"``, (S, 1, thresholds), and what is taken off each of them where that differs by rows, (S, rows).

    Returns
    -------
    numpy.ndarray
        (S, rows, categories).
    """
    probabilities, thresholds = family.probabilities, np.asarray(parameters["thresholds"])
    assert probabilities is not None
    if len(parameters) > 1:
        sd = np.sqrt(variance)
        nodes, weights = normal_rule(1, float(sd.max()))
        pairs = zip(nodes, weights, strict=True)
        each = (w * np.asarray(probabilities(eta + z[0] * sd, link, parameters)) for z, w in pairs)
        return sum(each, np.zeros((*eta.shape, thresholds.shape[-1] + 1)))

    def at(x: Array, draws: slice) -> Array:
        return np.asarray(probabilities(x, link, {"thresholds": thresholds[draws]}))

    return np.maximum(gaussian_expectations(at, eta, variance, thresholds.shape[-1] + 1), 0.0)


def averaged_noise(
    family: Family, link: Link, parameters: Parameters, eta: Array, variance: Array, sizes: Array | float = 1.0
) -> Array:
    """Average the response's own variance, Var[y | x, u], over normal random effects.

    Parameters
    ----------
    family, link, parameters, eta, variance
        As in `averaged_mean`.
    sizes
        Numbers of trials where a proportion of so many is meant, or precisions: (rows,), or one for all.

    Returns
    -------
    numpy.ndarray
        (S, rows) E[Var[y | x, u]]; infinite where the family has no variance (Student's t with nu <= 2).

    Raises
    ------
    PredictionError
        If the average does not exist for the link.
    """
    check_average_exists(link, variance)
    names = tuple(parameters)

    def noise(x: Array, size: Array, *values: Array) -> Array:
        return response_noise(family, link.inverse(x), dict(zip(names, values, strict=True)), size)

    with np.errstate(invalid="ignore"):  # infinity - infinity where the variance is infinite: told apart below
        constant = np.asarray(family.variance(link.inverse(eta), parameters, None), dtype=float)
    finite = np.isfinite(constant)
    values = [np.where(finite, value, 3.0) for value in np.broadcast_arrays(*parameters.values(), eta)[:-1]]
    return np.where(finite, gaussian_expectation(noise, eta, variance, sizes, *values, growth=_SQUARED), np.inf)


def response_noise(family: Family, mu: Array, parameters: Parameters, sizes: Array | float) -> Array:
    """Compute the variance of a response, of a proportion where there are trials.

    Parameters
    ----------
    family
        Of the model.
    mu, parameters
        What its `variance` takes.
    sizes
        Numbers of trials, or precisions; one for a single trial.

    Returns
    -------
    numpy.ndarray
        Var[y | x, u], the shape they broadcast to.
    """
    if family.support == "trials":
        return np.asarray(family.variance(mu, parameters, sizes) / np.square(sizes), dtype=float)
    if "se" in family.known:  # whose squares are one over the sizes
        return np.asarray(family.variance(mu, parameters, sizes), dtype=float)
    return np.asarray(family.variance(mu, parameters, None), dtype=float) / sizes


def explained_variance(
    family: Family, link: Link, parameters: Parameters, eta: Array, variance: Array, rest: Array
) -> Array:
    """Compute how much of the response's variance some random effects explain, the others averaged over.

    Parameters
    ----------
    family, link, parameters, eta
        As in `averaged_mean`.
    variance
        (S, rows) variance of the random effects asked about, squared link scale.
    rest
        (S, rows) variance of all other random effects.

    Returns
    -------
    numpy.ndarray
        (S, rows) Var[E[y | x, u]] over u ~ N(0, variance): the covariance of two responses with the same predictors
        that share these effects and nothing else.

    Raises
    ------
    PredictionError
        If the average does not exist for the link.

    References
    ----------
    Goldstein, H., Browne, W. and Rasbash, J. (2002). Partitioning variation in multilevel models. Understanding
    Statistics 1, 223-231. doi:10.1207/S15328031US0104_02.
    Leckie, G., Browne, W. J., Goldstein, H., Merlo, J. and Austin, P. C. (2020). Partitioning variation in multilevel
    models for count data. Psychological Methods 25, 787-801. doi:10.1037/met0000265.
    """
    names = tuple(parameters)
    overall = averaged_mean(family, link, parameters, eta, variance + rest)

    def squared_distance(x: Array, others: Array, centre: Array, *values: Array) -> Array:
        named = dict(zip(names, values, strict=True))
        return np.square(averaged_mean(family, link, named, x, others) - centre)

    return gaussian_expectation(squared_distance, eta, variance, rest, overall, *parameters.values(), growth=_SQUARED)
