"""Families of responses that may be any number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import (
    REAL_LINKS,
    SIGMA,
    AuxiliaryParameter,
    Family,
    Parameters,
    divided_sigma,
    shape_of,
)
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

_NU = AuxiliaryParameter("nu", Prior("Gamma", alpha=2, beta=0.1), lower=1.0, latex=r"\nu", start=10.0)
_LOG_2PI = math.log(2 * math.pi)


def _gaussian_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    sigma = parameters["sigma"]
    return -0.5 * np.square((y - mu) / sigma) - np.log(sigma) - 0.5 * _LOG_2PI


def _gaussian_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Normal, {"mu": link.graph_inverse(eta), "sigma": parameters["sigma"]}


def _student_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    sigma, nu = parameters["sigma"], parameters["nu"]
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(nu * math.pi) - np.log(sigma)
    return constant - 0.5 * (nu + 1) * np.log1p(np.square((y - mu) / sigma) / nu)


def _student_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    nu = np.asarray(parameters["nu"], dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(nu > 2, nu / (nu - 2), np.inf)
    return np.square(parameters["sigma"]) * ratio + 0.0 * mu


def _student_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.StudentT, {"mu": link.graph_inverse(eta), "sigma": parameters["sigma"], "nu": parameters["nu"]}


def _gaussian_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a normal response."""
    return special.ndtr((y - mu) / parameters["sigma"])


def _student_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a Student t response."""
    return special.stdtr(parameters["nu"], (y - mu) / parameters["sigma"])


GAUSSIAN = Family(
    name="gaussian",
    links=REAL_LINKS,
    parameters=(SIGMA,),
    support="real",
    log_density=_gaussian_log_density,
    simulate=lambda rng, mu, p, trials: rng.normal(mu, p["sigma"]),
    variance=lambda mu, p, trials: np.square(p["sigma"]) + 0.0 * mu,
    cdf=_gaussian_cdf,
    graph=_gaussian_graph,
    at_precision=divided_sigma,
    kernel="gaussian",
    latex=r"\operatorname{Normal}({mu}, \sigma)",
    aliases=("normal",),
)


STUDENT = Family(
    name="student",
    links=REAL_LINKS,
    parameters=(SIGMA, _NU),
    support="real",
    log_density=_student_log_density,
    simulate=lambda rng, mu, p, trials: mu + p["sigma"] * rng.standard_t(p["nu"], size=shape_of(mu, p)),
    variance=_student_variance,
    cdf=_student_cdf,
    graph=_student_graph,
    at_precision=divided_sigma,
    kernel="student",
    latex=r"\operatorname{StudentT}(\nu, {mu}, \sigma)",
    aliases=("t", "studentt"),
)


_ALPHA = AuxiliaryParameter("alpha", Prior("Normal", mu=0, sigma=4), lower=None, latex=r"\alpha", start=0.5)
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


def _azzalini(mu: Any, parameters: Parameters) -> tuple[Any, Any]:
    """Return location and scale from mean and sd; the middle is the mean of the standard distribution."""
    alpha = parameters["alpha"]
    middle = _SQRT_2_OVER_PI * alpha / (1.0 + alpha**2) ** 0.5
    scale = parameters["sigma"] / (1.0 - middle**2) ** 0.5
    return mu - scale * middle, scale


def _skewnormal_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    location, scale = _azzalini(mu, parameters)
    z = (y - location) / scale
    return math.log(2) - 0.5 * (_LOG_2PI + np.square(z)) - np.log(scale) + special.log_ndtr(parameters["alpha"] * z)


def _skewnormal_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    location, scale = _azzalini(mu, parameters)
    alpha, shape = parameters["alpha"], shape_of(mu, parameters)
    share = alpha / np.sqrt(1.0 + np.square(alpha))
    z = share * np.abs(rng.standard_normal(shape)) + np.sqrt(1.0 - np.square(share)) * rng.standard_normal(shape)
    return location + scale * z


def _skewnormal_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a skew normal response."""
    location, scale = _azzalini(mu, parameters)
    z = (y - location) / scale
    return np.clip(special.ndtr(z) - 2.0 * special.owens_t(z, parameters["alpha"]), 0.0, 1.0)


def _skewnormal_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    from bayes_glmm.families.graphs import skew_normal

    location, scale = _azzalini(link.graph_inverse(eta), parameters)
    return skew_normal(), {"location": location, "scale": scale, "alpha": parameters["alpha"]}


SKEWNORMAL = Family(
    name="skewnormal",
    links=REAL_LINKS,
    parameters=(SIGMA, _ALPHA),
    support="real",
    log_density=_skewnormal_log_density,
    simulate=_skewnormal_simulate,
    variance=lambda mu, p, trials: np.square(p["sigma"]) + 0.0 * mu,
    cdf=_skewnormal_cdf,
    graph=_skewnormal_graph,
    at_precision=divided_sigma,
    kernel="skewnormal",
    latex=r"\operatorname{SkewNormal}(\text{mean}={mu}, \text{sd}=\sigma, \alpha)",
    aliases=("skew_normal",),
)


_TAU = AuxiliaryParameter("tau", Prior("HalfStudentT", nu=3, sigma=1), scaled=True, latex=r"\tau", start=0.5)


def _exgaussian_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    sigma, tau = parameters["sigma"], parameters["tau"]
    apart, ratio = y - mu + tau, sigma / tau
    return 0.5 * np.square(ratio) - apart / tau - np.log(tau) + special.log_ndtr(apart / sigma - ratio)


def _exgaussian_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    shape, tau = shape_of(mu, parameters), parameters["tau"]
    return rng.normal(mu, parameters["sigma"], size=shape) + tau * (rng.standard_exponential(shape) - 1.0)


def _exgaussian_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of the sum of a normal and an exponential variable."""
    apart = (y - mu + parameters["tau"]) / parameters["sigma"]
    return special.ndtr(apart) - parameters["tau"] * np.exp(_exgaussian_log_density(y, mu, parameters, trials))


def _exgaussian_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    from bayes_glmm.families.graphs import ex_gaussian

    return ex_gaussian(), {"mu": link.graph_inverse(eta), "sigma": parameters["sigma"], "tau": parameters["tau"]}


EXGAUSSIAN = Family(
    name="exgaussian",
    links=REAL_LINKS,
    parameters=(SIGMA, _TAU),
    support="real",
    log_density=_exgaussian_log_density,
    simulate=_exgaussian_simulate,
    variance=lambda mu, p, trials: np.square(p["sigma"]) + np.square(p["tau"]) + 0.0 * mu,
    cdf=_exgaussian_cdf,
    graph=_exgaussian_graph,
    kernel="exgaussian",
    latex=r"\operatorname{ExGaussian}(\text{mean}={mu}, \sigma, \tau)",
    aliases=("ex_gaussian",),
)
