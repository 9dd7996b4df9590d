"""Families of responses between 0 and 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import (
    PHI,
    UNIT_LINKS,
    AuxiliaryParameter,
    Family,
    Parameters,
    draw_beta,
    probability,
)
from bayes_glmm.families.graphs import with_ends
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior


def _beta_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    a, b = mu * phi, (1.0 - mu) * phi
    return (a - 1.0) * np.log(y) + (b - 1.0) * np.log1p(-y) - special.betaln(a, b)


def _beta_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    assert link.graph_logit is not None
    mu = link.graph_inverse(eta)
    return pm.Beta, {"alpha": mu * parameters["phi"], "beta": (1.0 - mu) * parameters["phi"]}


def _beta_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of a beta response."""
    return special.betainc(mu * parameters["phi"], (1.0 - mu) * parameters["phi"], y)


BETA = Family(
    name="beta",
    links=UNIT_LINKS,
    parameters=(PHI,),
    support="unit",
    log_density=_beta_log_density,
    simulate=lambda rng, mu, p, trials: draw_beta(rng, mu, p),
    variance=lambda mu, p, trials: mu * (1.0 - mu) / (1.0 + p["phi"]),
    cdf=_beta_cdf,
    graph=_beta_graph,
    kernel="beta",
    latex=r"\operatorname{Beta}({mu}\phi, (1 - {mu})\phi)",
)


_CUT = AuxiliaryParameter("cutzero", Prior("Normal", mu=0, sigma=2.5), lower=None, latex=r"c_0", start=-2.0)
_WIDTH = AuxiliaryParameter("width", Prior("HalfNormal", sigma=5), latex=r"w", start=4.0)


def _ordered_shares(mu: Any, parameters: Parameters) -> tuple[Any, Any]:
    """Probabilities of 0 and of 1, from the latent logistic variable's two cut points."""
    eta, cut = special.logit(mu), parameters["cutzero"]
    return special.expit(cut - eta), special.expit(eta - cut - parameters["width"])


def _with_ends(shares: Callable[[Any, Parameters], tuple[Any, Any]], base: Family) -> dict[str, Any]:
    """Facets of a family of 0, 1 and what lies between: by the shares of 0 and 1, given (mu, parameters)."""

    def log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        zero, one = shares(mu, parameters)
        inside = np.where((np.asarray(y) > 0) & (np.asarray(y) < 1), y, 0.5)
        with np.errstate(divide="ignore"):
            between = np.log1p(-zero - one) + base.log_density(inside, mu, parameters, trials)
            return np.where(np.equal(y, 0), np.log(zero), np.where(np.equal(y, 1), np.log(one), between))

    def mean(mu: Any, parameters: Parameters) -> Any:
        zero, one = shares(mu, parameters)
        return one + (1.0 - zero - one) * mu

    def variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
        zero, one = shares(mu, parameters)
        square = one + (1.0 - zero - one) * (base.variance(mu, parameters, trials) + np.square(mu))
        return square - np.square(mean(mu, parameters))

    def cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        zero, one = shares(mu, parameters)
        below = zero + (1.0 - zero - one) * base.cdf(np.clip(y, 0.0, 1.0), mu, parameters, trials)
        return np.where(np.less(y, 0), 0.0, np.where(np.greater_equal(y, 1), 1.0, below))

    def simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
        zero, one = shares(mu, parameters)
        inside = base.simulate(rng, mu, parameters, trials)
        at = rng.random(inside.shape)
        return np.where(at < zero, 0.0, np.where(at < zero + one, 1.0, inside))

    facets = {"log_density": log_density, "mean": mean, "variance": variance, "cdf": cdf, "simulate": simulate}
    return facets | {"support": "unit_closed", "atoms": (0.0, 1.0)}


def _ordbeta_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm
    import pytensor.tensor as pt

    distribution, arguments = _beta_graph(eta, link, parameters, trials)
    low, width = parameters["cutzero"] - eta, parameters["width"]
    between = -pt.softplus(low) - pt.softplus(-low - width) + pt.log1mexp(-width)
    ends = {"log_zero": -pt.softplus(-low), "log_one": -pt.softplus(low + width), "log_between": between}
    assert distribution is pm.Beta
    return with_ends(distribution), {**arguments, **ends}


ORDBETA = replace(
    BETA,
    name="ordbeta",
    links=("logit",),
    parameters=(PHI, _CUT, _WIDTH),
    **_with_ends(_ordered_shares, BETA),
    graph=_ordbeta_graph,
    kernel="ordbeta",
    latex=r"\operatorname{OrderedBeta}({mu}\phi, (1 - {mu})\phi; c_0, c_0 + w)",
    aliases=("ordered_beta", "ordbetareg"),
)


def _inflated_shares(mu: Any, parameters: Parameters) -> tuple[Any, Any]:
    either, ones = parameters["zoi"], parameters["coi"]
    return either * (1.0 - ones) + 0.0 * mu, either * ones + 0.0 * mu


def _inflated_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pytensor.tensor as pt

    distribution, arguments = _beta_graph(eta, link, parameters, trials)
    either, ones = parameters["zoi"], parameters["coi"]
    ends = {"log_zero": pt.log(either) + pt.log1p(-ones), "log_one": pt.log(either) + pt.log(ones)}
    return with_ends(distribution), {**arguments, **ends, "log_between": pt.log1p(-either)}


ZERO_ONE_INFLATED_BETA = replace(
    BETA,
    name="zero_one_inflated_beta",
    parameters=(PHI, probability("zoi", r"\pi"), probability("coi", r"\gamma", 0.5)),
    **_with_ends(_inflated_shares, BETA),
    mean_line=lambda p: (p["zoi"] * p["coi"], 1.0 - p["zoi"]),
    graph=_inflated_graph,
    kernel="zero_one_inflated_beta",
    latex=r"\pi (1 - \gamma) \, \delta_0 + \pi \gamma \, \delta_1 + (1 - \pi) \, " + BETA.latex,
    aliases=("zoib", "zoibeta"),
)
