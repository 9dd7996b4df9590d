"""Combinators: families with more zeros than their density has, or zeros of their own.

Input: the record of a base family. Output: a record that differs in every facet that zeros enter: density, distribution
function, mean, variance, draws, PyMC's graph, the engine's rows, equation and default priors.

`zero_inflated` mixes the base with an atom at zero, whose own zeros stay; `hurdle` sets the zeros apart, and the others
follow the base, cut off at zero where it has an atom there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bayes_glmm.families.counts import NEGATIVEBINOMIAL, NEGATIVEBINOMIAL1, POISSON
from bayes_glmm.families.family import Family, Parameters, probability, shape_of
from bayes_glmm.families.graphs import cut_with_atom, with_atom
from bayes_glmm.families.positive import GAMMA, LOGNORMAL
from bayes_glmm.families.trials import BETABINOMIAL, BINOMIAL
from bayes_glmm.families.unit import BETA
from bayes_glmm.links import LINKS, Link

_LARGEST = 1e15  # of a mean that counts are drawn for
_STEPS = 200  # doublings and halvings of an interval of counts: more than a double has digits


def zero_inflated(base: Family, aliases: tuple[str, ...]) -> Family:
    """Mix a family of counts or successes with certain zeros.

    Parameters
    ----------
    base
        The family; its mean is mu.
    aliases
        Other names of the result.

    Returns
    -------
    Family
        P(y) = zi [y = 0] + (1 - zi) f(y), ``zi`` after the base's parameters.

    References
    ----------
    Lambert, D. (1992). Zero-inflated Poisson regression, with an application to defects in manufacturing. Technometrics
    34, 1-14. doi:10.2307/1269547.
    """

    def log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        share = parameters["zi"]
        others = np.log1p(-share) + base.log_density(y, mu, parameters, trials)
        return np.where(np.equal(y, 0), np.logaddexp(np.log(share), others), others)

    def simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
        others = base.simulate(rng, mu, parameters, trials)
        return np.where(rng.random(np.shape(others)) < parameters["zi"], 0.0, others)

    def variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
        share, mean = parameters["zi"], mu if trials is None else trials * mu
        return (1.0 - share) * (base.variance(mu, parameters, trials) + share * np.square(mean))

    def cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        share = parameters["zi"]
        return np.where(np.less(y, 0), 0.0, share + (1.0 - share) * base.cdf(y, mu, parameters, trials))

    def mean_factor(parameters: Parameters) -> Any:
        return 1.0 - parameters["zi"]

    return replace(
        base,
        name=f"zero_inflated_{base.name}",
        parameters=(*base.parameters, probability("zi", r"\pi")),
        log_density=log_density,
        simulate=simulate,
        variance=variance,
        cdf=cdf,
        graph=_graph_with_atom(base, "zi", mixed=True),
        mean=lambda mu, parameters: mean_factor(parameters) * mu,
        mean_line=lambda parameters: (0.0, mean_factor(parameters)),
        latent_variance=None,
        rows_add=False,
        single=None,
        limit=None if base.limit is None else f"zero_inflated_{base.limit}",
        kernel=f"zero_inflated_{base.kernel}",
        latex=rf"\pi \, \delta_0 + (1 - \pi) \, {base.latex}",
        aliases=aliases,
    )


def hurdle(base: Family, aliases: tuple[str, ...], weight: str = "hu", name: str = "", support: str = "") -> Family:
    """Set the zeros of a response apart; what is not zero follows a family, cut off at zero where it has zeros.

    Parameters
    ----------
    base
        The family.
    aliases
        Other names of the result.
    weight
        Name of the probability of zero.
    name, support
        Of the result; by default ``"hurdle_"`` and the base's name, and the base's support.

    Returns
    -------
    Family
        P(0) = hu, otherwise (1 - hu) f(y) / (1 - f(0)), ``hu`` after the base's parameters.

    References
    ----------
    Mullahy, J. (1986). Specification and testing of some modified count data models. Journal of Econometrics 33,
    341-365. doi:10.1016/0304-4076(86)90002-3.
    """
    whole = base.support == "count"
    cut = truncated(base) if whole else base

    def mean_of(mu: Any, parameters: Parameters) -> Any:
        return mu if cut.mean is None else cut.mean(mu, parameters)

    def log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        share, zero = parameters[weight], np.equal(y, 0)
        others = cut.log_density(np.where(zero, 1.0 if whole else 0.5, y), mu, parameters, trials)
        return np.where(zero, np.log(share), np.log1p(-share) + others)

    def simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
        others = cut.simulate(rng, mu, parameters, trials)
        return np.where(rng.random(shape_of(mu, parameters)) < parameters[weight], 0.0, others)

    def variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
        share = parameters[weight]
        return (1.0 - share) * (cut.variance(mu, parameters, trials) + share * np.square(mean_of(mu, parameters)))

    def cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        share, above = parameters[weight], np.greater(y, 0)
        others = cut.cdf(np.where(above, y, 1.0 if whole else 0.5), mu, parameters, trials)
        return np.where(np.less(y, 0), 0.0, share + (1.0 - share) * np.where(above, others, 0.0))

    def mean_factor(parameters: Parameters) -> Any:
        return 1.0 - parameters[weight]

    return replace(
        base,
        name=name or f"hurdle_{base.name}",
        parameters=(*base.parameters, probability(weight, r"\pi")),
        support=support or base.support,
        log_density=log_density,
        simulate=simulate,
        variance=variance,
        cdf=cdf,
        graph=_graph_cut(base, weight, simulate) if whole else _graph_with_atom(base, weight, mixed=False),
        mean=lambda mu, parameters: mean_factor(parameters) * mean_of(mu, parameters),
        mean_line=(lambda parameters: (0.0, mean_factor(parameters))) if cut.mean is None else None,
        averaged_mean=_times(base.averaged_mean, mean_factor),
        latent_variance=None,
        response_transform=base.response_transform,
        at_precision=None,
        atoms=() if whole else (0.0,),
        zeros_apart=True,
        rows_add=False,
        limit=None if base.limit is None else f"hurdle_{base.limit}",
        kernel=f"hurdle_{base.kernel}",
        latex=rf"\pi \, \delta_0 + (1 - \pi) \, {cut.latex}",
        aliases=aliases,
    )


def truncated(base: Family) -> Family:
    """Cut a family of counts off at zero: f(y) / (1 - f(0)) for y > 0.

    Parameters
    ----------
    base
        The family; its mean is mu.

    Returns
    -------
    Family
        Without a graph and rows of its own: it stands within `hurdle`.
    """

    def log_zero(mu: Any, parameters: Parameters) -> Any:
        return base.log_density(0.0, mu, parameters, None)

    def above(mu: Any, parameters: Parameters) -> Any:
        return -np.expm1(log_zero(mu, parameters))

    def mean(mu: Any, parameters: Parameters) -> Any:
        return mu / above(mu, parameters)

    def variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
        square = (base.variance(mu, parameters, trials) + np.square(mu)) / above(mu, parameters)
        return square - np.square(mean(mu, parameters))

    def cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        inside = base.cdf(np.maximum(y, 1.0), mu, parameters, trials) - np.exp(log_zero(mu, parameters))
        return np.where(np.less(y, 1), 0.0, np.clip(inside / above(mu, parameters), 0.0, 1.0))

    def simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
        drawn = base.simulate(rng, mu, parameters, trials)
        again = drawn == 0
        named = {key: np.broadcast_to(value, drawn.shape)[again] for key, value in parameters.items()}
        at, uniform = np.broadcast_to(mu, drawn.shape)[again], rng.random(int(again.sum()))
        drawn[again] = _quantile(lambda y: cdf(y, at, named, trials), uniform)
        return drawn

    return replace(
        base,
        log_density=lambda y, mu, p, trials: base.log_density(y, mu, p, trials) - np.log(above(mu, p)),
        simulate=simulate,
        variance=variance,
        cdf=cdf,
        mean=mean,
        latex=rf"{base.latex}_{{> 0}}",
    )


def _quantile(cdf: Callable[[Any], Any], uniform: Any) -> Any:
    """Smallest whole y >= 1 with cdf(y) >= uniform, elementwise: doubling, then halving."""
    below, reached = np.zeros(uniform.shape), np.ones(uniform.shape)
    for _ in range(_STEPS):
        short = cdf(reached) < uniform
        if not np.any(short):
            break
        below, reached = np.where(short, reached, below), np.where(short, 2.0 * reached, reached)
    for _ in range(_STEPS):
        if np.all(reached - below <= 1.0):
            break
        middle = np.floor(0.5 * (below + reached))
        enough = cdf(middle) >= uniform
        below, reached = np.where(enough, below, middle), np.where(enough, middle, reached)
    return reached


def _times(averaged: Any, factor: Callable[[Parameters], Any]) -> Any:
    """Multiply a closed average over normal effects, where there is one."""
    return averaged and (lambda eta, variance, parameters: factor(parameters) * averaged(eta, variance, parameters))


def _graph_with_atom(base: Family, weight: str, mixed: bool) -> Any:
    def graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
        distribution, arguments = base.graph(eta, link, parameters, trials)
        return with_atom(distribution, "atom", mixed), {**arguments, "atom": parameters[weight]}

    return graph


def _graph_cut(base: Family, weight: str, simulate: Callable[..., Any]) -> Any:
    def base_of(arguments: Parameters) -> Any:
        distribution, own = base.graph(arguments["mu"], LINKS["identity"], arguments, None)
        return distribution.dist(**own)

    def draws(rng: np.random.Generator, arguments: Parameters) -> Any:
        parameters = {name: value for name, value in arguments.items() if name != "mu"}
        return simulate(rng, np.minimum(arguments["mu"], _LARGEST), parameters, None)

    def graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
        return cut_with_atom(base_of, weight, draws), {"mu": link.graph_inverse(eta), **parameters}

    return graph


FAMILIES_WITH_ZEROS = (
    zero_inflated(POISSON, ("zip", "zi_poisson")),
    zero_inflated(NEGATIVEBINOMIAL, ("zinb", "zero_inflated_negbinomial", "zinbinom", "zi_negbinomial")),
    zero_inflated(NEGATIVEBINOMIAL1, ("zinb1", "zero_inflated_nbinom1")),
    zero_inflated(BINOMIAL, ("zib", "zi_binomial")),
    zero_inflated(BETABINOMIAL, ("zibb", "zero_inflated_beta_binomial")),
    hurdle(POISSON, ("hurdle_pois",)),
    hurdle(NEGATIVEBINOMIAL, ("hurdle_negbinomial", "hurdle_nb", "hurdle_nbinom2")),
    hurdle(NEGATIVEBINOMIAL1, ("hurdle_nbinom1", "hurdle_negbinomial1")),
    hurdle(GAMMA, ("zi_gamma", "zero_inflated_gamma"), support="nonnegative"),
    hurdle(LOGNORMAL, ("zero_inflated_lognormal",), support="nonnegative"),
    hurdle(BETA, (), weight="zi", name="zero_inflated_beta", support="unit_zero"),
)
