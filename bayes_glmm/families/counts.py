"""Families of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import (
    COUNT_LINKS,
    PHI,
    AuxiliaryParameter,
    Family,
    Parameters,
    draw_poisson,
    shape_of,
    summed_cdf,
)
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior


def _poisson_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    return special.xlogy(y, mu) - mu - special.gammaln(y + 1.0)


def _poisson_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Poisson, {"mu": link.graph_inverse(eta)}


def _negativebinomial_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    coefficient = special.gammaln(y + phi) - special.gammaln(phi) - special.gammaln(y + 1.0)
    return coefficient + special.xlogy(y, mu) - y * np.log(mu + phi) - phi * np.log1p(mu / phi)


def _negativebinomial_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    return draw_poisson(rng, rng.gamma(phi, mu / phi, size=shape_of(mu, parameters)))


def _negativebinomial_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.NegativeBinomial, {"mu": link.graph_inverse(eta), "alpha": parameters["phi"]}


def _poisson_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a Poisson count."""
    return np.where(y < 0, 0.0, special.gammaincc(np.maximum(y, 0) + 1.0, mu))


def _negativebinomial_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a negative binomial count."""
    phi = parameters["phi"]
    return np.where(y < 0, 0.0, special.betainc(phi, np.maximum(y, 0) + 1.0, phi / (phi + mu)))


POISSON = Family(
    name="poisson",
    links=COUNT_LINKS,
    parameters=(),
    support="count",
    log_density=_poisson_log_density,
    simulate=lambda rng, mu, p, trials: draw_poisson(rng, mu),
    variance=lambda mu, p, trials: mu,
    cdf=_poisson_cdf,
    graph=_poisson_graph,
    rows_add=True,
    kernel="poisson",
    latex=r"\operatorname{Poisson}({mu})",
)


NEGATIVEBINOMIAL = Family(
    name="negativebinomial",
    links=COUNT_LINKS,
    parameters=(PHI,),
    support="count",
    log_density=_negativebinomial_log_density,
    simulate=_negativebinomial_simulate,
    variance=lambda mu, p, trials: mu + np.square(mu) / p["phi"],
    cdf=_negativebinomial_cdf,
    graph=_negativebinomial_graph,
    limit="poisson",
    kernel="negativebinomial",
    latex=r"\operatorname{NegativeBinomial}({mu}, \phi)",
    aliases=("negative_binomial", "negbinomial", "negbin", "nb", "nb2", "nbinom", "nbinom2", "neg_binomial_2"),
)


def _geometric_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    return special.xlogy(y, mu) - (y + 1.0) * np.log1p(mu)


def _geometric_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.NegativeBinomial, {"mu": link.graph_inverse(eta), "alpha": np.float64(1.0)}


def _geometric_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of failures before the first success."""
    return np.where(np.less(y, 0), 0.0, -np.expm1(-(np.maximum(y, 0) + 1.0) * np.log1p(1.0 / np.asarray(mu))))


GEOMETRIC = Family(
    name="geometric",
    links=COUNT_LINKS,
    parameters=(),
    support="count",
    log_density=_geometric_log_density,
    simulate=lambda rng, mu, p, trials: draw_poisson(rng, rng.exponential(mu)),
    variance=lambda mu, p, trials: mu + np.square(mu),
    cdf=_geometric_cdf,
    graph=_geometric_graph,
    kernel="geometric",
    latex=r"\operatorname{Geometric}(\text{mean}={mu})",
)


# a variance proportional to the mean: the shape of a negative binomial is mu / phi
_OVERDISPERSION = AuxiliaryParameter("phi", Prior("HalfStudentT", nu=3, sigma=2.5), latex=r"\phi", start=1.0)


def _of_shape(mu: Any, parameters: Parameters) -> dict[str, Any]:
    return {"phi": mu / parameters["phi"]}


def _negativebinomial1_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    mu = link.graph_inverse(eta)
    return pm.NegativeBinomial, {"mu": mu, "alpha": mu / parameters["phi"]}


NEGATIVEBINOMIAL1 = Family(
    name="negativebinomial1",
    links=COUNT_LINKS,
    parameters=(_OVERDISPERSION,),
    support="count",
    log_density=lambda y, mu, p, trials: _negativebinomial_log_density(y, mu, _of_shape(mu, p), trials),
    simulate=lambda rng, mu, p, trials: _negativebinomial_simulate(rng, mu, _of_shape(mu, p), trials),
    variance=lambda mu, p, trials: mu * (1.0 + p["phi"]),
    cdf=lambda y, mu, p, trials: _negativebinomial_cdf(y, mu, _of_shape(mu, p), trials),
    graph=_negativebinomial1_graph,
    kernel="negativebinomial1",
    latex=r"\operatorname{NegativeBinomial}(\text{mean}={mu}, \text{variance}={mu}(1 + \phi))",
    aliases=("nb1", "nbinom1", "negbinomial1", "negbin1", "negative_binomial_1"),
)


_DISPERSION = AuxiliaryParameter("phi", Prior("HalfStudentT", nu=3, sigma=2.5), lower=1.0, latex=r"\phi", start=2.0)


def _consul(mu: Any, parameters: Parameters) -> tuple[Any, Any]:
    """Return Consul's theta and lambda from the mean and the variance's ratio to it."""
    root = parameters["phi"] ** 0.5
    return mu / root, 1.0 - 1.0 / root


def _generalizedpoisson_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    theta, share = _consul(mu, parameters)
    total = theta + share * y
    return np.log(theta) + (y - 1.0) * np.log(total) - total - special.gammaln(y + 1.0)


def _descendants(rng: np.random.Generator, arguments: Mapping[str, Any]) -> Any:
    """Count Poisson(theta) founders and their descendants, generation by generation: Poisson(share) children each."""
    born = draw_poisson(rng, arguments["theta"])
    total = born.copy()
    while np.any(born):
        born = draw_poisson(rng, arguments["share"] * born)
        total += born
    return total


def _generalizedpoisson_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    theta, share = np.broadcast_arrays(*_consul(mu, parameters))
    return _descendants(rng, {"theta": theta, "share": share})


def _generalizedpoisson_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    from bayes_glmm.families.graphs import generalized_poisson

    theta, share = _consul(link.graph_inverse(eta), parameters)
    return generalized_poisson(_descendants), {"theta": theta, "share": share}


def _generalizedpoisson_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a count whose variance is phi times its mean."""
    return summed_cdf(_generalizedpoisson_log_density, y, mu, parameters, None)


GENERALIZEDPOISSON = Family(
    name="generalizedpoisson",
    links=COUNT_LINKS,
    parameters=(_DISPERSION,),
    support="count",
    log_density=_generalizedpoisson_log_density,
    simulate=_generalizedpoisson_simulate,
    variance=lambda mu, p, trials: mu * p["phi"],
    cdf=_generalizedpoisson_cdf,
    graph=_generalizedpoisson_graph,
    kernel="generalizedpoisson",
    latex=r"\operatorname{GeneralizedPoisson}(\text{mean}={mu}, \text{variance}=\phi{mu})",
    aliases=("genpois", "generalized_poisson", "gpoisson"),
)
