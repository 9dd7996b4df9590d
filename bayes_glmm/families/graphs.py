"""PyMC distributions put together from others: mixtures with an atom, and what PyMC has no name for.

Input: PyMC's distribution classes with their arguments, as `Family.graph` gives them. Output: an object used as PyMC's
distribution classes are, with the same log density that `Family.log_density` states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bayes_glmm.links import graph_log_normal_cdf


@dataclass(frozen=True)
class Composed:
    """A ``pm.CustomDist``, used as PyMC's distribution classes are.

    Parameters
    ----------
    log_density
        (value, arguments by name) -> pointwise log density, tensors.
    draws
        (arguments by name, shape) -> tensor of draws of that shape.
    simulate
        (rng, arguments by name) -> array of whole-numbered draws, where PyMC has no tensor of them.
    """

    log_density: Callable[[Any, Mapping[str, Any]], Any]
    draws: Callable[[Mapping[str, Any], Any], Any] | None = None
    simulate: Callable[[Any, Mapping[str, Any]], Any] | None = None

    def __call__(self, name: str, *, observed: Any = None, dims: Any = None, **arguments: Any) -> Any:
        """Add the variable to the model in context."""
        import pymc as pm

        return pm.CustomDist(name, *arguments.values(), **self._parts(arguments), observed=observed, dims=dims)

    def dist(self, **arguments: Any) -> Any:
        """Return the variable without a model."""
        import pymc as pm

        return pm.CustomDist.dist(*arguments.values(), **self._parts(arguments))

    def _parts(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        names = tuple(arguments)

        def logp(value: Any, *values: Any) -> Any:
            return self.log_density(value, dict(zip(names, values, strict=True)))

        def dist(*values_and_size: Any) -> Any:
            import pytensor.tensor as pt
            from pymc.distributions.shape_utils import rv_size_is_none

            *values, size = values_and_size
            shape = pt.broadcast_arrays(*values)[0].shape if rv_size_is_none(size) else size
            assert self.draws is not None
            return self.draws(dict(zip(names, values, strict=True)), shape)

        def random(*values: Any, rng: Any = None, size: Any = None) -> Any:
            import numpy as np

            assert self.simulate is not None
            shape = np.broadcast_shapes(*(np.shape(value) for value in values)) if size is None else size
            whole = (np.broadcast_to(value, shape) for value in values)
            return self.simulate(rng, dict(zip(names, whole, strict=True))).astype(np.int64)

        if self.draws is None:
            return {"logp": logp, "random": random, "dtype": "int64"}
        return {"logp": logp, "dist": dist}


def with_atom(distribution: Any, weight: str, mixed: bool) -> Composed:
    """Put an atom at zero on a distribution.

    Parameters
    ----------
    distribution
        A PyMC distribution class, or what is used as one.
    weight
        Name of the atom's probability among the arguments.
    mixed
        Whether the distribution has zeros of its own, which are added to the atom.

    Returns
    -------
    Composed
        Its arguments are the distribution's and `weight`.
    """

    def rest(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in arguments.items() if name != weight}

    def log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        share, base, zero = arguments[weight], distribution.dist(**rest(arguments)), pt.eq(value, 0)
        # where the atom is taken the other branch stands at a point that keeps its derivative finite
        others = pt.log1p(-share) + pm.logp(base, pt.switch(zero, 1 if mixed else 0.5, value))
        if not mixed:
            return pt.switch(zero, pt.log(share), others)
        of_zero = pm.logp(base, pt.zeros_like(value))
        return pt.switch(zero, pt.logaddexp(pt.log(share), pt.log1p(-share) + of_zero), others)

    def draws(arguments: Mapping[str, Any], shape: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        others = distribution.dist(**rest(arguments), size=shape)
        return pt.switch(pm.Uniform.dist(0.0, 1.0, size=shape) < arguments[weight], pt.zeros_like(others), others)

    return Composed(log_density, draws)


def cut_with_atom(
    base_of: Callable[[Mapping[str, Any]], Any], weight: str, simulate: Callable[[Any, Mapping[str, Any]], Any]
) -> Composed:
    """Cut a distribution of counts off at zero and put an atom there.

    Parameters
    ----------
    base_of
        Arguments by name -> a PyMC variable of the distribution.
    weight
        Name of the atom's probability among the arguments.
    simulate
        (rng, arguments by name) -> draws; PyMC rejects zeros until there are none, of which some means have too many.

    Returns
    -------
    Composed
        Its arguments are those of `base_of` and `weight`.
    """

    def log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        share, base, zero = arguments[weight], base_of(arguments), pt.eq(value, 0)
        others = pm.logp(base, pt.switch(zero, 1, value)) - pt.log1mexp(pm.logp(base, pt.zeros_like(value)))
        return pt.switch(zero, pt.log(share), pt.log1p(-share) + others)

    return Composed(log_density, simulate=simulate)


def generalized_poisson(simulate: Callable[[Any, Mapping[str, Any]], Any]) -> Composed:
    """Consul's generalized Poisson distribution, which PyMC has not.

    Parameters
    ----------
    simulate
        (rng, arguments by name) -> draws.

    Returns
    -------
    Composed
        Its arguments are ``theta`` and ``share``.
    """

    def log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
        import pytensor.tensor as pt

        total = arguments["theta"] + arguments["share"] * value
        return pt.log(arguments["theta"]) + (value - 1) * pt.log(total) - total - pt.gammaln(value + 1)

    return Composed(log_density, simulate=simulate)


def skew_normal() -> Composed:
    """Azzalini's skew normal distribution, with a log distribution function that does not underflow.

    Returns
    -------
    Composed
        Its arguments are ``location``, ``scale`` and ``alpha``.
    """

    def log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
        import pytensor.tensor as pt

        z = (value - arguments["location"]) / arguments["scale"]
        constant = 0.5 * math.log(2.0 / math.pi)
        return constant - 0.5 * z**2 - pt.log(arguments["scale"]) + graph_log_normal_cdf(arguments["alpha"] * z)

    def draws(arguments: Mapping[str, Any], shape: Any) -> Any:
        import pymc as pm

        named = {"mu": arguments["location"], "sigma": arguments["scale"], "alpha": arguments["alpha"]}
        return pm.SkewNormal.dist(**named, size=shape)

    return Composed(log_density, draws)


def ex_gaussian() -> Composed:
    """Sum of a normal and an exponential variable, by its mean.

    Returns
    -------
    Composed
        Its arguments are ``mu``, ``sigma`` and ``tau``.
    """

    def log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
        import pytensor.tensor as pt

        sigma, tau = arguments["sigma"], arguments["tau"]
        apart, ratio = value - arguments["mu"] + tau, sigma / tau
        return 0.5 * ratio**2 - apart / tau - pt.log(tau) + graph_log_normal_cdf(apart / sigma - ratio)

    def draws(arguments: Mapping[str, Any], shape: Any) -> Any:
        import pymc as pm

        tau = arguments["tau"]
        return pm.ExGaussian.dist(mu=arguments["mu"] - tau, sigma=arguments["sigma"], nu=tau, size=shape)

    return Composed(log_density, draws)


def with_ends(distribution: Any) -> Composed:
    """Put atoms at 0 and 1 beside a distribution of what lies between.

    Parameters
    ----------
    distribution
        A PyMC distribution class.

    Returns
    -------
    Composed
        Its arguments are the distribution's and ``log_zero``, ``log_one`` and ``log_between``, the logs of the shares.
    """
    logs = ("log_zero", "log_one", "log_between")

    def log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        base = distribution.dist(**{key: one for key, one in arguments.items() if key not in logs})
        inside = pt.switch((value > 0) & (value < 1), value, 0.5)
        between = arguments["log_between"] + pm.logp(base, inside)
        return pt.switch(value <= 0, arguments["log_zero"], pt.switch(value >= 1, arguments["log_one"], between))

    def draws(arguments: Mapping[str, Any], shape: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        rest = {key: one for key, one in arguments.items() if key not in logs}
        at, zero = pm.Uniform.dist(0.0, 1.0, size=shape), pt.exp(arguments["log_zero"])
        inside = distribution.dist(**rest, size=shape)
        return pt.switch(at < zero, 0.0, pt.switch(at < zero + pt.exp(arguments["log_one"]), 1.0, inside))

    return Composed(log_density, draws)
