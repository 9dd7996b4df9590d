"""Families of responses above zero."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import (
    PHI,
    POSITIVE_LINKS,
    SIGMA,
    AuxiliaryParameter,
    Family,
    Parameters,
    multiplied_phi,
    shape_of,
)
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

_LOG_2PI = math.log(2 * math.pi)


def _gamma_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    return phi * (np.log(phi) - np.log(mu)) + (phi - 1.0) * np.log(y) - phi * y / mu - special.gammaln(phi)


def _gamma_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Gamma, {"alpha": parameters["phi"], "beta": parameters["phi"] / link.graph_inverse(eta)}


def _lognormal_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    log_y = np.log(y)
    sigma = parameters["sigma"]
    return -0.5 * np.square((log_y - mu) / sigma) - np.log(sigma) - 0.5 * _LOG_2PI - log_y


def _lognormal_mean(mu: Any, parameters: Parameters) -> Any:
    return np.exp(mu + 0.5 * np.square(parameters["sigma"]))


def _lognormal_averaged_mean(eta: Any, variance: Any, parameters: Parameters) -> Any:
    return np.exp(eta + 0.5 * (variance + np.square(parameters["sigma"])))


def _lognormal_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    s2 = np.square(parameters["sigma"])
    return np.expm1(s2) * np.exp(2 * mu + s2)


def _lognormal_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.LogNormal, {"mu": link.graph_inverse(eta), "sigma": parameters["sigma"]}


def _gamma_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a gamma response."""
    return special.gammainc(parameters["phi"], parameters["phi"] * y / mu)


def _lognormal_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a lognormal response."""
    return special.ndtr((np.log(y) - mu) / parameters["sigma"])


GAMMA = Family(
    name="gamma",
    links=POSITIVE_LINKS,
    parameters=(PHI,),
    support="positive",
    log_density=_gamma_log_density,
    simulate=lambda rng, mu, p, trials: rng.gamma(p["phi"], mu / p["phi"], size=shape_of(mu, p)),
    variance=lambda mu, p, trials: np.square(mu) / p["phi"],
    cdf=_gamma_cdf,
    graph=_gamma_graph,
    at_precision=multiplied_phi,
    kernel="gamma",
    latex=r"\operatorname{Gamma}(\text{mean}={mu}, \text{shape}=\phi)",
)


LOGNORMAL = Family(
    name="lognormal",
    links=("identity",),
    parameters=(SIGMA,),
    support="positive",
    log_density=_lognormal_log_density,
    simulate=lambda rng, mu, p, trials: np.exp(rng.normal(mu, p["sigma"])),
    variance=_lognormal_variance,
    cdf=_lognormal_cdf,
    graph=_lognormal_graph,
    mean=_lognormal_mean,
    averaged_mean=_lognormal_averaged_mean,
    latent_variance=lambda link, p: np.square(p["sigma"]),
    response_transform=np.log,
    kernel="lognormal",
    latex=r"\operatorname{LogNormal}({mu}, \sigma)",
)


def _exponential_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Exponential, {"lam": 1.0 / link.graph_inverse(eta)}


EXPONENTIAL = Family(
    name="exponential",
    links=POSITIVE_LINKS,
    parameters=(),
    support="positive",
    log_density=lambda y, mu, p, trials: -np.log(mu) - y / mu,
    simulate=lambda rng, mu, p, trials: rng.exponential(mu),
    variance=lambda mu, p, trials: np.square(mu),
    cdf=lambda y, mu, p, trials: -np.expm1(-y / mu),
    graph=_exponential_graph,
    kernel="exponential",
    latex=r"\operatorname{Exponential}(\text{mean}={mu})",
)


_SHAPE = AuxiliaryParameter("shape", Prior("HalfNormal", sigma=1), power=-0.5, latex=r"k", start=1.5)


def _weibull_scale(mu: Any, parameters: Parameters) -> Any:
    return mu / np.exp(special.gammaln(1.0 + 1.0 / parameters["shape"]))


def _weibull_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    shape = parameters["shape"]
    along = np.log(y / _weibull_scale(mu, parameters))
    return np.log(shape) - np.log(y) + shape * along - np.exp(shape * along)


def _weibull_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    return _weibull_scale(mu, parameters) * rng.weibull(parameters["shape"], size=shape_of(mu, parameters))


def _weibull_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    shape = parameters["shape"]
    return np.square(mu) * np.expm1(special.gammaln(1.0 + 2.0 / shape) - 2.0 * special.gammaln(1.0 + 1.0 / shape))


def _weibull_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm
    import pytensor.tensor as pt

    shape = parameters["shape"]
    scale = link.graph_inverse(eta) / pt.exp(pt.gammaln(1.0 + 1.0 / shape))
    return pm.Weibull, {"alpha": shape, "beta": scale}


def _weibull_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a Weibull response."""
    return -np.expm1(-np.power(y / _weibull_scale(mu, parameters), parameters["shape"]))


WEIBULL = Family(
    name="weibull",
    links=POSITIVE_LINKS,
    parameters=(_SHAPE,),
    support="positive",
    log_density=_weibull_log_density,
    simulate=_weibull_simulate,
    variance=_weibull_variance,
    cdf=_weibull_cdf,
    graph=_weibull_graph,
    kernel="weibull",
    latex=r"\operatorname{Weibull}(\text{mean}={mu}, \text{shape}=k)",
)


_LAMBDA = AuxiliaryParameter(
    "shape", Prior("HalfStudentT", nu=3, sigma=1), power=-0.5, scaled=True, latex=r"\lambda", start=1.0
)


def _inversegaussian_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    shape = parameters["shape"]
    apart = (y - mu) / mu
    return 0.5 * (np.log(shape) - _LOG_2PI - 3.0 * np.log(y)) - 0.5 * shape * np.square(apart) / y


def _inversegaussian_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of an inverse Gaussian response."""
    shape = parameters["shape"]
    root = np.sqrt(shape / y)
    return special.ndtr(root * (y / mu - 1.0)) + np.exp(2.0 * shape / mu + special.log_ndtr(-root * (y / mu + 1.0)))


def _inversegaussian_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Draw by Michael, Schucany and Haas (1976), without the difference that leaves numpy's draws at a large mean 0."""
    shape = shape_of(mu, parameters)
    mean = np.clip(mu, 1e-300, 1e150)
    ratio = 0.5 * mean * np.square(rng.standard_normal(shape)) / parameters["shape"]
    larger = 1.0 + ratio + np.sqrt(ratio * (2.0 + ratio))
    return mean * np.where(rng.random(shape) * (1.0 + 1.0 / larger) <= 1.0, 1.0 / larger, larger)


def _inversegaussian_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Wald, {"mu": link.graph_inverse(eta), "lam": parameters["shape"]}


INVERSEGAUSSIAN = Family(
    name="inversegaussian",
    links=(*POSITIVE_LINKS, "1/mu^2"),
    parameters=(_LAMBDA,),
    support="positive",
    log_density=_inversegaussian_log_density,
    simulate=_inversegaussian_simulate,
    variance=lambda mu, p, trials: np.power(mu, 3) / p["shape"],
    cdf=_inversegaussian_cdf,
    graph=_inversegaussian_graph,
    kernel="inversegaussian",
    latex=r"\operatorname{InverseGaussian}({mu}, \lambda)",
    aliases=("inverse_gaussian", "wald"),
)
