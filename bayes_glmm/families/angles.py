"""Families of angles: responses between -pi and pi, which are neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.families.family import AuxiliaryParameter, Family, Parameters
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

_KAPPA = AuxiliaryParameter("kappa", Prior("HalfNormal", sigma=1), power=-0.5, latex=r"\kappa", start=2.0)


def _vonmises_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    kappa = parameters["kappa"]
    far = -2.0 * np.square(np.sin(0.5 * (y - mu)))
    return kappa * far - np.log(special.i0e(kappa)) - math.log(2.0 * math.pi)


def _summed(kappa: Any, term: Callable[[int], Any]) -> Any:
    """Add up I_k(kappa) / I_0(kappa) term(k) over k = 1, 2, ...: what Fourier series of the density lead to."""
    whole, total = special.ive(0, kappa), 0.0
    for k in range(1, math.ceil(8.5 * math.sqrt(np.max(kappa, initial=0.0))) + 16):
        total = total + special.ive(k, kappa) / whole * term(k)
    return total


def _vonmises_mean(mu: Any, parameters: Parameters) -> Any:
    """E[Y] of angles taken as numbers between -pi and pi."""
    return _summed(parameters["kappa"], lambda k: 2.0 * (-1.0) ** (k + 1) * np.sin(k * mu) / k)


def _vonmises_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    square = _summed(parameters["kappa"], lambda k: 4.0 * (-1.0) ** k * np.cos(k * mu) / k**2)
    return math.pi**2 / 3.0 + square - np.square(_vonmises_mean(mu, parameters))


def _vonmises_cdf(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    y = np.clip(y, -math.pi, math.pi)
    waves = _summed(parameters["kappa"], lambda k: (np.sin(k * (y - mu)) + np.sin(k * (math.pi + mu))) / k)
    return np.clip((y + math.pi) / (2.0 * math.pi) + waves / math.pi, 0.0, 1.0)


def _vonmises_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.VonMises, {"mu": link.graph_inverse(eta), "kappa": parameters["kappa"]}


VONMISES = Family(
    name="vonmises",
    links=("tan_half",),
    parameters=(_KAPPA,),
    support="angle",
    log_density=_vonmises_log_density,
    simulate=lambda rng, mu, p, trials: rng.vonmises(mu, p["kappa"]),
    variance=_vonmises_variance,
    cdf=_vonmises_cdf,
    graph=_vonmises_graph,
    mean=_vonmises_mean,
    kernel="vonmises",
    latex=r"\operatorname{VonMises}({mu}, \kappa)",
    aliases=("von_mises", "circular"),
)
