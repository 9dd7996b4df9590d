"""Amounts that are zero or above, as sums of a Poisson number of gamma variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import POSITIVE_LINKS, AuxiliaryParameter, Family, Parameters, draw_poisson, shape_of
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

_PHI = AuxiliaryParameter("phi", Prior("LogNormal", mu=0, sigma=3), latex=r"\phi", start=2.0)
_POWER = AuxiliaryParameter(
    "power", Prior("Uniform", lower=1.01, upper=1.99), lower=1.0, upper=2.0, latex="p", start=1.5
)
_SMALLEST = 37.0  # logs below the largest term of a sum: 1e-16 of it
_FAR = 9.0  # sds from its middle where a normal density is that small
#: Terms of a sum that is as smooth as a normal density with this many sds between them add up to its integral.
_STEP = 0.6


def _parts(mu: Any, parameters: Parameters) -> tuple[Any, Any, Any]:
    """Return the mean number of summands, and shape and scale of one; arrays or tensors."""
    phi, power = parameters["phi"], parameters["power"]
    number = mu ** (2.0 - power) / (phi * (2.0 - power))
    return number, (2.0 - power) / (power - 1.0), phi * (power - 1.0) * mu ** (power - 1.0)


def _log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Add up the joint densities of y and the number of summands, outwards from the largest.

    Dunn, P. K. and Smyth, G. K. (2005). Series evaluation of Tweedie exponential dispersion model densities. Statistics
    and Computing 15, 267-280. doi:10.1007/s11222-005-4070-y. Where that number is large, some terms stand for all.
    """
    number, shape, scale = _parts(mu, parameters)
    y, number, shape, scale = np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in (y, number, shape, scale)))
    above = np.where(y > 0, y, 1.0)
    log_z = np.log(number) + shape * np.log(above / scale)
    power, phi = np.asarray(parameters["power"], dtype=float), np.asarray(parameters["phi"], dtype=float)
    middle = above ** (2.0 - power) / (phi * (2.0 - power))
    sd = np.sqrt(middle / (1.0 + shape))
    smooth = middle > _FAR * sd
    step = np.where(smooth, np.maximum(np.floor(_STEP * sd), 1.0), 1.0)
    peak = np.maximum(np.round(middle), 1.0)

    def term(k: Any) -> Any:
        counted = np.maximum(k, 1.0)
        value = counted * log_z - special.gammaln(counted + 1.0) - special.gammaln(counted * shape)
        return np.where(k >= 1.0, value, -np.inf)

    largest, total = term(peak), np.ones_like(y)
    for side in (1.0, -1.0):
        place = peak
        while True:
            place = place + side * step
            next_one = term(place) - largest
            total = total + np.exp(next_one)
            if np.all(next_one < -_SMALLEST):
                break
    inside = largest + np.log(total * step) - above / scale - np.log(above)
    return np.where(y > 0, inside, 0.0) - number


def _simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    number, shape, scale = _parts(mu, parameters)
    count = draw_poisson(rng, np.broadcast_to(number, shape_of(mu, parameters)))
    return rng.gamma(count * shape) * scale


def _cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Compute P(Y <= y): gamma distribution functions weighted by the number of summands."""
    number, shape, scale = np.broadcast_arrays(*_parts(np.asarray(mu, dtype=float), parameters))
    sd = np.sqrt(number)
    step = np.where(sd > _FAR, np.floor(_STEP * sd), 1.0)
    peak, reach = np.maximum(np.round(number), 1.0), _FAR * sd + np.where(step > 1.0, 0.0, 25.0)
    total, z = np.exp(-number), np.maximum(y, 0.0) / scale
    last = int(np.max(np.ceil(reach / step), initial=0.0))
    for k in range(-last, last + 1):
        count = peak + k * step
        counted = np.maximum(count, 1.0)
        weight = step * np.exp(special.xlogy(counted, number) - number - special.gammaln(counted + 1.0))
        total = total + np.where(count >= 1.0, weight * special.gammainc(counted * shape, z), 0.0)
    return np.where(np.less(y, 0), 0.0, np.minimum(total, 1.0))


def _graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    from bayes_glmm.families.graphs import Composed

    return Composed(_graph_log_density, _graph_draws), {"mu": link.graph_inverse(eta), **parameters}


def _graph_log_density(value: Any, arguments: Mapping[str, Any]) -> Any:
    """Add up a fixed number of terms around the largest; of small numbers of summands all that count."""
    import pytensor.tensor as pt

    phi, power = arguments["phi"], arguments["power"]
    number, shape, scale = _parts(arguments["mu"], arguments)
    above = pt.switch(value > 0, value, 1.0)
    log_z = pt.log(number) + shape * pt.log(above / scale)
    middle = above ** (2.0 - power) / (phi * (2.0 - power))
    sd = pt.sqrt(middle / (1.0 + shape))
    step = pt.switch(middle > _FAR * sd, pt.maximum(pt.floor(_STEP * sd), 1.0), 1.0)
    # where the step is one the middle is below 9 sd, or the sd below 3.4
    reach = np.arange(-np.ceil(_FAR**2), np.ceil(_FAR**2) + 30.0)
    place = pt.maximum(pt.round(middle), 1.0)[..., None] + reach * step[..., None]
    counted = pt.maximum(place, 1.0)
    terms = counted * log_z[..., None] - pt.gammaln(counted + 1.0) - pt.gammaln(counted * shape)
    whole = pt.logsumexp(pt.switch(place >= 1.0, terms, -np.inf), axis=-1) + pt.log(step)
    return pt.switch(value > 0, whole - above / scale - pt.log(above), 0.0) - number


def _graph_draws(arguments: Mapping[str, Any], shape: Any) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    number, one, scale = _parts(arguments["mu"], arguments)
    count = pm.Poisson.dist(number, size=shape)
    some = pm.Gamma.dist(alpha=pt.maximum(count, 1) * one, beta=1.0, size=shape)
    return pt.switch(count > 0, some * scale, 0.0)


TWEEDIE = Family(
    name="tweedie",
    links=POSITIVE_LINKS,
    parameters=(_PHI, _POWER),
    support="nonnegative",
    log_density=_log_density,
    simulate=_simulate,
    variance=lambda mu, p, trials: p["phi"] * mu ** p["power"],
    cdf=_cdf,
    graph=_graph,
    atoms=(0.0,),
    kernel="tweedie",
    latex=r"\operatorname{Tweedie}(\text{mean}={mu}, \text{variance}=\phi{mu}^p)",
    aliases=("compound_poisson", "cpglm"),
)
