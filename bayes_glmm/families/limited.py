"""Families of responses that are known within limits only, or cannot be outside of limits.

Input: the record of a base family. Output: a record whose functions find four numbers of a row among the parameters.
``above`` < Y <= ``upto`` is what is known of it (its value where both are equal), ``lower`` < Y <= ``upper`` is where
responses can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bayes_glmm.families.family import DISCRETE, Family, Parameters
from bayes_glmm.families.graphs import Composed
from bayes_glmm.families.tails import TAILS, Tails, graph_log_between, log_between
from bayes_glmm.links import LINKS, Link

KNOWN = ("above", "upto", "lower", "upper")
_WITHIN = r"_{\text{within limits}}"
_ROUNDS = 30  # of draws that are made again where they fall outside
_HALVINGS = 200


def limited(base: Family, knowing: tuple[str, ...], remake: Callable[..., Family]) -> Family:
    """Let responses be known within limits (censored), be cut off at limits (truncated), or both.

    Parameters
    ----------
    base
        The family.
    knowing
        ``"censored"``, ``"truncated"`` or both.
    remake
        What makes the result from the base and `knowing`.

    Returns
    -------
    Family
        Log density log f(y), or log P(above < Y <= upto), less log P(lower < Y <= upper). Draws are not censored. Where
        responses are cut off, mean and variance are those within the limits.

    References
    ----------
    Klein, J. P. and Moeschberger, M. L. (2003). Survival Analysis, section 3.5. Springer. doi:10.1007/b97377.
    """
    tails, cut = TAILS[base.name], "truncated" in knowing

    def log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        own, low, high = _own(parameters), parameters["above"], parameters["upto"]
        with np.errstate(all="ignore"):  # of the branch that a row does not take
            part = log_between(tails, low, high, mu, own) if np.any(low < high) else 0.0
        value = np.where(low < high, part, base.log_density(y, mu, own, trials))
        return value - log_between(tails, parameters["lower"], parameters["upper"], mu, own) if cut else value

    def places(y: Any, mu: Any, parameters: Parameters, observed: bool) -> tuple[Any, Any]:
        low, high = parameters["above"], parameters["upto"]
        hidden = (low < high) if observed else (low < y) & (y <= high)
        step = 1.0 if base.support in DISCRETE else 0.0
        return (
            cdf(np.where(hidden, low, y - step), mu, parameters, None),
            cdf(np.where(hidden, high, y), mu, parameters, None),
        )

    def cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
        own = _own(parameters)
        if not cut:
            return np.exp(tails.logs(y, mu, own)[0])
        lower, upper = parameters["lower"], parameters["upper"]
        whole = log_between(tails, lower, upper, mu, own)
        with np.errstate(invalid="ignore"):
            inside = np.exp(log_between(tails, lower, np.clip(y, lower, upper), mu, own) - whole)
        return np.where(np.less_equal(y, lower), 0.0, np.minimum(inside, 1.0))

    def simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
        drawn = np.array(base.simulate(rng, mu, _own(parameters), trials), dtype=float)
        return _inside(base, tails, rng, drawn, mu, parameters) if cut else drawn

    def mean(mu: Any, parameters: Parameters) -> Any:
        return _moment(tails, mu, parameters, 1)

    def variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
        return _moment(tails, mu, parameters, 2) - np.square(mean(mu, parameters))

    return replace(
        base,
        log_density=log_density,
        simulate=simulate,
        variance=variance if cut else lambda mu, p, trials: base.variance(mu, _own(p), trials),
        cdf=cdf,
        places=places,
        graph=_graph(base, tails, cut),
        mean=mean if cut else base.mean,
        mean_line=None if cut else base.mean_line,
        averaged_mean=None if cut else base.averaged_mean,
        at_precision=None,
        rows_add=False,
        limit=None,
        kernel=f"limited_{base.kernel}",
        latex=base.latex + (_WITHIN if cut else ""),
        of=base,
        knowing=knowing,
        remake=remake,
        known=KNOWN,
    )


def _own(parameters: Parameters) -> dict[str, Any]:
    """Return the base's own parameters."""
    return {name: value for name, value in parameters.items() if name not in KNOWN}


def _moment(tails: Tails, mu: Any, parameters: Parameters, k: int) -> Any:
    """E[Y^k | lower < Y <= upper]; the nearer limit where next to nothing lies between."""
    own, lower, upper = _own(parameters), parameters["lower"], parameters["upper"]
    with np.errstate(all="ignore"):
        low, high = tails.partial(lower, mu, own, k), tails.partial(upper, mu, own, k)
        near_start = np.less(tails.logs(lower, mu, own)[0], -0.693)
        part = np.where(near_start, high[0] - low[0], low[1] - high[1])
        value = part / np.exp(log_between(tails, lower, upper, mu, own))
        nearest = np.where(np.less(mu, lower) | np.isinf(upper), lower, upper)
        value = np.where(np.isfinite(value), value, nearest**k)
        return np.clip(value, lower, upper) if k == 1 else value


def _inside(base: Family, tails: Tails, rng: np.random.Generator, drawn: Any, mu: Any, parameters: Parameters) -> Any:
    """Draw again what lies outside the limits; after some rounds by inverting the distribution function."""
    shape = drawn.shape
    whole = {name: np.broadcast_to(value, shape) for name, value in {**parameters, "mu": mu}.items()}

    def outside() -> Any:
        return (drawn <= whole["lower"]) | (drawn > whole["upper"])

    def at(places: Any) -> dict[str, Any]:
        return {name: value[places] for name, value in whole.items()}

    for _ in range(_ROUNDS):
        again = outside()
        if not again.any():
            return drawn
        here = at(again)
        drawn[again] = base.simulate(rng, here.pop("mu"), _own(here), None)
    again = outside()
    if again.any():
        here = at(again)
        drawn[again] = _inverted(tails, rng.random(int(again.sum())), here, base.support in DISCRETE)
    return drawn


def _inverted(tails: Tails, uniform: Any, here: dict[str, Any], discrete: bool) -> Any:
    """Smallest y with P(lower < Y <= y) >= uniform P(lower < Y <= upper), by doubling and halving."""
    mu, own = here["mu"], {name: value for name, value in _own(here).items() if name != "mu"}
    lower, upper = here["lower"], here["upper"]
    aim = np.log(uniform) + log_between(tails, lower, upper, mu, own)
    unit = np.maximum(1.0, np.abs(np.where(np.isinf(lower), upper, lower)))
    low, high = lower.copy(), upper.copy()
    for _ in range(_HALVINGS):  # bracket from whichever limit is finite
        open_low, open_high = np.isinf(low), np.isinf(high)
        if not (open_low | open_high).any():
            break
        candidate = np.where(open_low, high - unit, low + unit)
        reached = log_between(tails, lower, candidate, mu, own) >= aim
        low = np.where(open_low & ~reached, candidate, np.where(open_high & ~reached, candidate, low))
        high = np.where((open_low | open_high) & reached, candidate, high)
        unit = unit * 2.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        middle = np.floor(middle) if discrete else middle
        if np.all((high - low <= 1.0) if discrete else (middle == low) | (middle == high)):
            break
        enough = log_between(tails, lower, middle, mu, own) >= aim
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _graph(base: Family, tails: Tails, cut: bool) -> Any:
    def base_of(arguments: Parameters) -> Any:
        distribution, own = base.graph(arguments["mu"], LINKS["identity"], _own(arguments), None)
        return distribution.dist(**own)

    def log_density(value: Any, arguments: Parameters) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        own = {name: one for name, one in _own(arguments).items() if name != "mu"}
        low, high, mu = arguments["above"], arguments["upto"], arguments["mu"]
        part = graph_log_between(tails, low, high, mu, own)
        density = pt.switch(low < high, part, pm.logp(base_of(arguments), value))
        if not cut:
            return density
        return density - graph_log_between(tails, arguments["lower"], arguments["upper"], mu, own)

    def draws(arguments: Parameters, shape: Any) -> Any:
        import pymc as pm

        distribution, own = base.graph(arguments["mu"], LINKS["identity"], _own(arguments), None)
        if not cut:
            return distribution.dist(**own, size=shape)
        step = 1 if base.support in DISCRETE else 0
        whole = distribution.dist(**own)
        return pm.Truncated.dist(whole, arguments["lower"] + step, arguments["upper"], size=shape)

    def graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
        return Composed(log_density, draws), {"mu": link.graph_inverse(eta), **parameters}

    return graph
