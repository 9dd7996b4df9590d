"""Families of successes out of trials."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import (
    PHI,
    UNIT_LINKS,
    Family,
    Parameters,
    draw_beta,
    latent_of_link,
    summed_cdf,
)
from bayes_glmm.links import Link


def _binomial_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    n = 1.0 if trials is None else trials
    coefficient = special.gammaln(n + 1.0) - special.gammaln(y + 1.0) - special.gammaln(n - y + 1.0)
    return coefficient + special.xlogy(y, mu) + special.xlog1py(n - y, -mu)


def _binomial_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    n = 1 if trials is None else np.asarray(trials).astype(np.int64)
    return rng.binomial(n, mu).astype(float)


def _binomial_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    n = 1.0 if trials is None else trials
    return n * mu * (1.0 - mu)


def _bernoulli_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    assert link.graph_logit is not None
    return pm.Bernoulli, {"logit_p": link.graph_logit(eta)}


def _binomial_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    assert link.graph_logit is not None
    return pm.Binomial, {"n": trials, "logit_p": link.graph_logit(eta)}


def _binomial_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of successes out of trials."""
    n = np.ones_like(np.asarray(y, dtype=float)) if trials is None else trials
    inner = special.betainc(np.maximum(n - y, 1e-300), y + 1.0, 1.0 - mu)
    return np.where(y < 0, 0.0, np.where(y >= n, 1.0, inner))


BERNOULLI = Family(
    name="bernoulli",
    links=UNIT_LINKS,
    parameters=(),
    support="binary",
    log_density=_binomial_log_density,
    simulate=_binomial_simulate,
    variance=_binomial_variance,
    cdf=_binomial_cdf,
    graph=_bernoulli_graph,
    latent_variance=latent_of_link,
    rows_add=True,
    kernel="binomial",
    latex=r"\operatorname{Bernoulli}({mu})",
)


BINOMIAL = Family(
    name="binomial",
    links=UNIT_LINKS,
    parameters=(),
    support="trials",
    single="bernoulli",
    log_density=_binomial_log_density,
    simulate=_binomial_simulate,
    variance=_binomial_variance,
    cdf=_binomial_cdf,
    graph=_binomial_graph,
    latent_variance=latent_of_link,
    rows_add=True,
    kernel="binomial",
    latex=r"\operatorname{Binomial}(n_i, {mu})",
)


def _betabinomial_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi, n = parameters["phi"], 1.0 if trials is None else trials
    a, b = mu * phi, (1.0 - mu) * phi
    coefficient = special.gammaln(n + 1.0) - special.gammaln(y + 1.0) - special.gammaln(n - y + 1.0)
    return coefficient + special.betaln(y + a, n - y + b) - special.betaln(a, b)


def _betabinomial_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    return _binomial_simulate(rng, draw_beta(rng, mu, parameters), parameters, trials)


def _betabinomial_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi, n = parameters["phi"], 1.0 if trials is None else trials
    return n * mu * (1.0 - mu) * (phi + n) / (phi + 1.0)


def _betabinomial_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    mu, phi = link.graph_inverse(eta), parameters["phi"]
    return pm.BetaBinomial, {"n": trials, "alpha": mu * phi, "beta": (1.0 - mu) * phi}


def _betabinomial_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y) of successes out of trials whose probability varies."""
    return summed_cdf(_betabinomial_log_density, y, mu, parameters, 1.0 if trials is None else trials)


BETABINOMIAL = Family(
    name="betabinomial",
    links=UNIT_LINKS,
    parameters=(PHI,),
    support="trials",
    log_density=_betabinomial_log_density,
    simulate=_betabinomial_simulate,
    variance=_betabinomial_variance,
    cdf=_betabinomial_cdf,
    graph=_betabinomial_graph,
    kernel="betabinomial",
    latex=r"\operatorname{BetaBinomial}(n_i, {mu}\phi, (1 - {mu})\phi)",
    aliases=("beta_binomial", "betabinom"),
)
