"""Every family by another route: scipy's distributions and formulas written out, with places to look at each."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special, stats

from bayes_glmm.engine import densities, pointers, vector_math
from bayes_glmm.engine.compose import row_of
from bayes_glmm.engine.deferred import Deferred

COUNTS = np.array([0.0, 1.0, 2.0, 5.0, 40.0])
REALS = np.array([-3.0, -0.4, 0.1, 1.0, 4.0])
ABOVE = np.array([0.02, 0.4, 1.0, 2.5, 9.0])
BETWEEN = np.array([0.01, 0.3, 0.5, 0.8, 0.99])
SUCCESSES, TRIALS = np.array([0.0, 1.0, 4.0, 9.0, 40.0]), np.array([3.0, 1.0, 9.0, 9.0, 41.0])


@dataclass(frozen=True)
class Oracle:
    """A family elsewhere.

    `log_density(y, mu, trials, **parameters)` is exact; `y` are responses, `parameters` the settings it is tried with.
    """

    log_density: Callable[..., Any]
    y: np.ndarray
    parameters: tuple[dict[str, float], ...] = ({},)
    trials: np.ndarray | None = field(default=None)


def nbinom(y, mu, phi):
    return stats.nbinom.logpmf(y, phi, 1 / (1 + np.asarray(mu) / phi))


def mixed(log_density):
    """Zeros beside those of a distribution."""

    def with_zeros(y, mu, trials, zi, **rest):
        exact = np.exp(log_density(y, mu, trials, **rest))
        return np.log(zi * (np.asarray(y) == 0) + (1 - zi) * exact)

    return with_zeros


def apart(log_density, log_zero=None, weight="hu"):
    """Zeros set apart from a distribution, whose own zeros are cut off."""

    def with_zeros(y, mu, trials, **parameters):
        share = parameters.pop(weight)
        y = np.asarray(y, dtype=float)
        above = np.where(y > 0, y, 0.5 if log_zero is None else 1)
        own = np.log1p(-share) + log_density(above, mu, trials, **parameters)
        own = own if log_zero is None else own - np.log1p(-np.exp(log_zero(0.0, mu, trials, **parameters)))
        return np.where(y == 0, np.log(share), own)

    return with_zeros


def poisson(y, mu, trials):
    return stats.poisson.logpmf(y, mu)


def negativebinomial(y, mu, trials, phi):
    return nbinom(y, mu, phi)


def negativebinomial1(y, mu, trials, phi):
    return nbinom(y, mu, np.asarray(mu) / phi)


def binomial(y, mu, trials):
    return stats.binom.logpmf(y, trials, mu)


def betabinomial(y, mu, trials, phi):
    return stats.betabinom.logpmf(y, trials, np.asarray(mu) * phi, (1 - np.asarray(mu)) * phi)


def gamma(y, mu, trials, phi):
    return stats.gamma.logpdf(y, phi, scale=np.asarray(mu) / phi)


def lognormal(y, mu, trials, sigma):
    return stats.lognorm.logpdf(y, sigma, scale=np.exp(mu))


def beta(y, mu, trials, phi):
    return stats.beta.logpdf(y, np.asarray(mu) * phi, (1 - np.asarray(mu)) * phi)


def generalizedpoisson(y, mu, trials, phi):
    theta, share = np.asarray(mu) / math.sqrt(phi), 1 - phi**-0.5
    return np.log(theta) + (y - 1) * np.log(theta + share * y) - theta - share * y - special.gammaln(y + 1)


def weibull(y, mu, trials, shape):
    return stats.weibull_min.logpdf(y, shape, scale=np.asarray(mu) / special.gamma(1 + 1 / shape))


def inversegaussian(y, mu, trials, shape):
    return stats.invgauss.logpdf(y, np.asarray(mu) / shape, scale=shape)


def skewnormal(y, mu, trials, sigma, alpha):
    standard = stats.skewnorm(alpha)
    scale = sigma / standard.std()
    return stats.skewnorm.logpdf(y, alpha, np.asarray(mu) - scale * standard.mean(), scale)


def exgaussian(y, mu, trials, sigma, tau):
    return stats.exponnorm.logpdf(y, tau / sigma, np.asarray(mu) - tau, sigma)


def tweedie(y, mu, trials, phi, power):
    """A sum over the number of summands, term by term."""
    mu = np.asarray(mu, dtype=float)[..., None]
    count, shape = np.arange(1.0, 2000.0), (2 - power) / (power - 1)
    number, scale = mu ** (2 - power) / (phi * (2 - power)), phi * (power - 1) * mu ** (power - 1)
    above = np.where(np.asarray(y) > 0, y, 1.0)[..., None]
    terms = stats.poisson.logpmf(count, number) + stats.gamma.logpdf(above, count * shape, scale=scale)
    return np.where(np.asarray(y) > 0, special.logsumexp(terms, axis=-1), -number[..., 0])


def ends(y, zero, one, inside):
    with np.errstate(divide="ignore"):
        return np.select([y == 0, y == 1], [np.log(zero), np.log(one)], np.log(1 - zero - one) + inside)


def ordbeta(y, mu, trials, phi, cutzero, width):
    eta = special.logit(mu)
    zero, one = 1 - special.expit(eta - cutzero), special.expit(eta - cutzero - width)
    return ends(y, zero, one, beta(np.clip(y, 0.01, 0.99), mu, None, phi))


def zero_one_inflated_beta(y, mu, trials, phi, zoi, coi):
    return ends(y, zoi * (1 - coi), zoi * coi, beta(np.clip(y, 0.01, 0.99), mu, None, phi))


def each(*settings: dict[str, float], **more: tuple[float, ...]) -> tuple[dict[str, float], ...]:
    """Settings with others beside them."""
    result = list(settings)
    for name, values in more.items():
        result = [{**one, name: value} for one in result for value in values]
    return tuple(result)


SIGMAS = each({"sigma": 0.3}, {"sigma": 2.0})
PHIS = each({"phi": 0.3}, {"phi": 4.0}, {"phi": 90.0})
SHARES = (0.05, 0.7)

ORACLES = {
    "gaussian": Oracle(lambda y, mu, trials, sigma: stats.norm.logpdf(y, mu, sigma), REALS, SIGMAS),
    "student": Oracle(
        lambda y, mu, trials, sigma, nu: stats.t.logpdf(y, nu, mu, sigma), REALS, each(*SIGMAS, nu=(1.5, 30.0))
    ),
    "skewnormal": Oracle(skewnormal, REALS, each({"sigma": 0.8}, {"sigma": 2.0}, alpha=(-3.0, 0.2, 1.5))),
    "exgaussian": Oracle(exgaussian, REALS, each({"sigma": 0.5}, {"sigma": 2.0}, tau=(0.3, 2.0))),
    "bernoulli": Oracle(lambda y, mu, trials: stats.bernoulli.logpmf(y, mu), np.array([0.0, 1.0, 0.0, 1.0, 1.0])),
    "binomial": Oracle(binomial, SUCCESSES, trials=TRIALS),
    "betabinomial": Oracle(betabinomial, SUCCESSES, PHIS, TRIALS),
    "poisson": Oracle(poisson, COUNTS),
    "negativebinomial": Oracle(negativebinomial, COUNTS, PHIS),
    "negativebinomial1": Oracle(negativebinomial1, COUNTS, PHIS),
    "geometric": Oracle(lambda y, mu, trials: stats.geom.logpmf(y, 1 / (1 + np.asarray(mu)), loc=-1), COUNTS),
    "generalizedpoisson": Oracle(generalizedpoisson, COUNTS, each({"phi": 1.05}, {"phi": 4.0})),
    "gamma": Oracle(gamma, ABOVE, PHIS),
    "lognormal": Oracle(lognormal, ABOVE, SIGMAS),
    "exponential": Oracle(lambda y, mu, trials: stats.expon.logpdf(y, scale=mu), ABOVE),
    "weibull": Oracle(weibull, ABOVE, each({"shape": 0.6}, {"shape": 3.0})),
    "inversegaussian": Oracle(inversegaussian, ABOVE, each({"shape": 0.6}, {"shape": 9.0})),
    "tweedie": Oracle(
        tweedie,
        np.append(0.0, ABOVE[1:]),
        ({"phi": 0.02, "power": 1.6}, *each({"phi": 0.7}, {"phi": 3.0}, power=(1.8, 1.3))),
    ),
    "beta": Oracle(beta, BETWEEN, PHIS),
    "ordbeta": Oracle(
        ordbeta, np.array([0.0, 1.0, 0.0, 0.4, 1.0]), each({"phi": 4.0}, cutzero=(-2.0, 0.5), width=(1.5,))
    ),
    "zero_one_inflated_beta": Oracle(
        zero_one_inflated_beta, np.array([0.0, 1.0, 0.0, 0.4, 0.9]), each({"phi": 4.0}, zoi=SHARES, coi=(0.2, 0.9))
    ),
    "zero_inflated_poisson": Oracle(mixed(poisson), COUNTS, each({}, zi=SHARES)),
    "zero_inflated_negativebinomial": Oracle(mixed(negativebinomial), COUNTS, each(*PHIS, zi=SHARES)),
    "zero_inflated_negativebinomial1": Oracle(mixed(negativebinomial1), COUNTS, each(*PHIS, zi=SHARES)),
    "hurdle_negativebinomial1": Oracle(apart(negativebinomial1, negativebinomial1), COUNTS, each(*PHIS, hu=SHARES)),
    "zero_inflated_binomial": Oracle(mixed(binomial), SUCCESSES, each({}, zi=SHARES), TRIALS),
    "zero_inflated_betabinomial": Oracle(mixed(betabinomial), SUCCESSES, each(*PHIS, zi=SHARES), TRIALS),
    "hurdle_poisson": Oracle(apart(poisson, poisson), COUNTS, each({}, hu=SHARES)),
    "hurdle_negativebinomial": Oracle(apart(negativebinomial, negativebinomial), COUNTS, each(*PHIS, hu=SHARES)),
    "hurdle_gamma": Oracle(apart(gamma), np.append(0.0, ABOVE[1:]), each(*PHIS, hu=SHARES)),
    "hurdle_lognormal": Oracle(apart(lognormal), np.append(0.0, ABOVE[1:]), each(*SIGMAS, hu=SHARES)),
    "vonmises": Oracle(
        lambda y, mu, trials, kappa: stats.vonmises.logpdf(y, kappa, mu),
        np.array([-3.1, -0.4, 0.1, 1.0, 2.9]),
        ({"kappa": 0.5}, {"kappa": 8.0}, {"kappa": 60.0}),
    ),
    "zero_inflated_beta": Oracle(apart(beta, weight="zi"), np.append(0.0, BETWEEN[1:]), each(*PHIS, zi=SHARES)),
}  # fmt: skip
#: Ordered categories have a vector of thresholds and tests of their own (test_steps.py).
ELSEWHERE = {"cumulative", "sratio", "cratio", "acat", "categorical"}


def predictors(link: str, support: str) -> np.ndarray:
    """Linear predictors with a mean that the family has, one a response."""
    positive = support in ("count", "positive", "nonnegative")
    if link in ("inverse", "sqrt", "1/mu^2") or (link == "identity" and positive):
        return np.array([0.3, 1.7, 0.8, 2.4, 3.1])
    return np.array([-1.3, 0.4, 1.1, -0.2, 0.9])


# the engine's rows without a compiler ---------------------------------------------------------------------------------

_PLAIN = {
    vector_math.fast_exp: math.exp,
    vector_math.fast_log1p_unit: math.log1p,
    pointers.carray: lambda array, shape: array,  # arrays stand in the place of addresses
}


def plain(function: Any, known: dict[int, Any] | None = None) -> Any:
    """Turn a function for numba, with all that it calls, back into Python: the same arithmetic, nothing compiled."""
    known = {} if known is None else known
    if function in _PLAIN:
        return _PLAIN[function]
    source = function.py_func if isinstance(function, Deferred) else function
    if id(source) in known:
        return known[id(source)]
    scope: dict[str, Any] = {}
    result = types.FunctionType(source.__code__, scope, source.__name__, source.__defaults__, _cells(source, known))
    known[id(source)] = result
    for name, value in source.__globals__.items():
        used = name in source.__code__.co_names
        scope[name] = plain(value, known) if used and isinstance(value, Deferred) else value
    # attributes of a module: densities.beta
    if scope.get("densities") is densities:
        names = [name for name in source.__code__.co_names if isinstance(getattr(densities, name, None), Deferred)]
        scope["densities"] = types.SimpleNamespace(**{name: plain(getattr(densities, name), known) for name in names})
    return result


def _cells(source: Any, known: dict[int, Any]) -> Any:
    cells = source.__closure__
    if cells is None:
        return None
    held = [cell.cell_contents for cell in cells]
    return tuple(types.CellType(plain(one, known) if isinstance(one, Deferred) else one) for one in held)


def plain_row(kernel: str, link: str) -> Callable[..., tuple[float, ...]]:
    """Return the row of a family's kernel name and a link, in Python."""
    row = row_of(kernel, link)
    assert row is not None, (kernel, link)
    return plain(row)
