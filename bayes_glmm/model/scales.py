"""What default priors are scaled by: location and unit of the response, and of every linear predictor.

Input: a specification and a design with its response. Output: a `ResponseScale`, and a `PredictorScale` for the mean's
linear predictor and for that of each parameter with a formula of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_glmm.design.design import Design
from bayes_glmm.families import AuxiliaryParameter
from bayes_glmm.model.prior_table import ParameterPrior
from bayes_glmm.priors import Prior
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.parameters import Channel

__all__ = [
    "PredictorScale",
    "ResponseScale",
    "default_auxiliary_prior",
    "link_in_words",
    "median",
    "predictor_scales",
    "response_scale",
]

#: Medians of the distributions that default priors of a family's parameters have.
_MEDIANS: Mapping[str, Callable[[Prior], float]] = {
    "Normal": lambda p: p["mu"],
    "HalfNormal": lambda p: p["sigma"] * float(special.ndtri(0.75)),
    "HalfStudentT": lambda p: p["sigma"] * float(special.stdtrit(p["nu"], 0.75)),
    "Exponential": lambda p: math.log(2.0) / p["lam"],
    "LogNormal": lambda p: math.exp(p["mu"]),
    "Gamma": lambda p: float(special.gammaincinv(p["alpha"], 0.5)) / p["beta"],
    "Beta": lambda p: float(special.betaincinv(p["alpha"], p["beta"], 0.5)),
}


@dataclass(frozen=True)
class ResponseScale:
    """Location and spread of the response that default priors are scaled by.

    Parameters
    ----------
    center
        Link of the mean response minus the mean offset.
    link_sd
        Unit of the linear predictor: sd(y) for the identity link, otherwise 1 (see `response_scale`).
    response_sd
        sd(y) on the scale the family's location lives on.
    dispersion
        How many times more a row of precision one varies (as an sd) than the rows do: the root of the mean precision.
    """

    center: float
    link_sd: float
    response_sd: float
    dispersion: float = 1.0


def response_scale(spec: ModelSpec, design: Design) -> ResponseScale:
    """Measure the response for the default priors; weights, trials' codes and bounds never enter the spread.

    Parameters
    ----------
    spec
        The model's specification (family and link).
    design
        The design with its response.

    Returns
    -------
    ResponseScale
        Center on the link scale; sds on the link and response scales.

    Notes
    -----
    For the links whose linear predictor is measured in units of the response itself, one is no natural unit: the unit
    is |g(mean)| for the inverse link and max(1, g(mean)) for the square root, so that a unit is a relative change of
    the mean as it is for the log link.
    """
    response = design.response
    assert response is not None
    transform = spec.family.response_transform
    y = response.y[response.y > 0] if spec.family.zeros_apart else response.y
    y = y if transform is None else np.asarray(transform(y), dtype=float)
    mean = float(y.mean()) if response.trials is None else float(y.sum() / response.trials.sum())
    lower, upper = spec.link.domain
    margin = 0.5 / (len(y) if response.trials is None else response.trials.sum())
    mean = float(np.clip(mean, lower + margin, upper - margin))
    # a constant response (all counts zero, say) has no spread: its unit is one
    sd = (float(y.std(ddof=1)) if len(y) > 1 else 1.0) or 1.0
    if spec.link.name == "inverse":
        mean = mean if abs(mean) > 1e-3 * sd else 1e-3 * sd
    eta = float(spec.link.link(np.float64(mean)))
    units = {"identity": sd, "inverse": abs(eta), "sqrt": max(1.0, eta)}
    return ResponseScale(
        center=eta - float(design.offset.mean()),
        link_sd=units.get(spec.link.name, 1.0),
        response_sd=sd,
        dispersion=1.0 if response.precision is None else math.sqrt(response.precision.mean()),
    )


@dataclass(frozen=True)
class PredictorScale:
    """Location and unit of a linear predictor.

    Parameters
    ----------
    center
        Where it is centred, less its mean offset.
    unit
        Its unit, link scale.
    channel
        The parameter it is of; empty for the mean.
    about
        What it is, in words: ``"log sigma"``; empty for the mean's.
    """

    center: float
    unit: float
    channel: str = ""
    about: str = ""


def predictor_scales(spec: ModelSpec, design: Design, scale: ResponseScale) -> tuple[PredictorScale, ...]:
    """Return location and unit of every linear predictor, the mean's first.

    Parameters
    ----------
    spec, design
        The model.
    scale
        Of its response.

    Returns
    -------
    tuple of PredictorScale
        That of a further parameter is centred where the default prior of the parameter as a constant has its median,
        and its unit is one (sd of the response's for parameters without bounds that are measured in it). That of a
        category is centred at the log odds of the responses' shares.
    """
    scales = [PredictorScale(scale.center, scale.link_sd)]
    if spec.family.support == "unordered":
        return (*scales, *_category_scales(spec, design))
    for position, one in enumerate(spec.channels):
        row = one.parameter
        prior = default_auxiliary_prior(row, scale)
        middle = float(one.linked(np.float64(_inside(row, median(prior.prior) ** (1.0 / row.power)))))
        unit = scale.response_sd if row.lower is None and row.scaled else 1.0
        offset = float(design.offsets[position].mean())
        scales.append(PredictorScale(middle - offset, unit, one.name, link_in_words(one)))
    return tuple(scales)


def _category_scales(spec: ModelSpec, design: Design) -> list[PredictorScale]:
    """Return the scales of categories' linear predictors."""
    response, ways_back = design.response, spec.family.threshold_predictors
    assert response is not None and ways_back is not None
    shares = np.bincount(response.y.astype(np.int64), minlength=len(spec.family.categories)) / len(response.y)
    centers = ways_back(shares, spec.link) - design.offsets.mean(axis=1)
    first = spec.family.categories[0]
    about = [f"log odds of {label} against {first}" for label in spec.family.categories[1:]]
    return [
        PredictorScale(float(center), 1.0, one.name, words)
        for center, one, words in zip(centers, spec.channels, about, strict=True)
    ]


def _inside(row: AuxiliaryParameter, value: float) -> float:
    """Move the median of a distribution that is cut at a bound inside it."""
    return value if row.lower is None or value > row.lower else row.lower + row.start


def link_in_words(channel: Channel) -> str:
    """Say what a further parameter's linear predictor is.

    Parameters
    ----------
    channel
        The parameter and its link.

    Returns
    -------
    str
        Such as ``"log sigma"`` or ``"log(nu - 1)"``.
    """
    name, lower = channel.name, channel.parameter.lower
    if channel.link.name == "identity":
        return name
    return f"{channel.link.name}({name} - {lower:g})" if lower else f"{channel.link.name} {name}"


def median(prior: Prior) -> float:
    """Return the median of a distribution that a default prior may have.

    Parameters
    ----------
    prior
        The distribution.

    Returns
    -------
    float
        Its median.

    Raises
    ------
    KeyError
        If it is no distribution of default priors.
    """
    return _MEDIANS[prior.name](prior)


def default_auxiliary_prior(row: AuxiliaryParameter, scale: ResponseScale) -> ParameterPrior:
    """State the default prior of a parameter that is the same in every row.

    Parameters
    ----------
    row
        The family's parameter.
    scale
        Of the response.

    Returns
    -------
    ParameterPrior
        In units of the response's sd where the parameter is.
    """
    prior, unit = row.prior, scale.dispersion * (scale.response_sd**row.power if row.scaled else 1.0)
    if unit != 1.0:
        values = {key: value * unit if key == "sigma" else value for key, value in prior.parameters}
        prior = Prior(prior.name, **values)
    return ParameterPrior(
        row.name, prior, row.power, lower=row.lower, upper=row.upper, ordered=row.ordered, increasing=row.increasing
    )
