"""Prior distributions: what a user may state about a parameter, checked when it is stated.

Input: a distribution's name and its parameters. Output: an immutable `Prior`. One entry of ``PRIORS`` per distribution;
nothing here knows of data or models.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from bayes_glmm.errors import PriorError, nearest


@dataclass(frozen=True)
class PriorDistribution:
    """One row of the table of prior distributions.

    Parameters
    ----------
    name
        PyMC's name of the distribution (``"HalfStudentT"``); ``"LKJ"`` is its LKJCorr.
    parameters
        Parameter names in the order users may give them.
    defaults
        Values of the parameters that may be left out.
    positive
        Parameters that must be greater than zero.
    support
        ``"real"``, ``"positive"``, ``"unit"``, ``"interval"`` (the parameters are the bounds), ``"correlation"`` or
        ``"simplex"``.
    log_density
        (x, *parameters) -> log density, numpy, normalised where the distribution is proper.
    frozen
        (*parameters) -> scipy's distribution, of which positive parameters have what lies above zero; None for flat and
        correlation's ones.
    powered
        (alpha, *parameters) -> parameters of the distribution of this name or of `powered_name` whose density is
        proportional to this one's to the power alpha.
    powered_name
        Where that is another distribution.
    """

    name: str
    parameters: tuple[str, ...]
    defaults: Mapping[str, float]
    positive: tuple[str, ...]
    support: str
    log_density: Callable[..., Any]
    frozen: Callable[..., Any] | None
    powered: Callable[..., tuple[float, ...]]
    powered_name: str = ""


def _powered_t(alpha: float, nu: float, sigma: float) -> tuple[float, float]:
    """Degrees of freedom and scale of a Student t whose density is a Student t's to the power alpha."""
    tails = alpha * (nu + 1.0) - 1.0
    return tails, sigma * math.sqrt(nu / tails) if tails > 0 else math.nan


def _powered_location_t(alpha: float, nu: float, mu: float, sigma: float) -> tuple[float, float, float]:
    tails, scale = _powered_t(alpha, nu, sigma)
    return tails, mu, scale


def _lkj_log_density(log_det: Any, eta: float) -> Any:
    return (eta - 1.0) * log_det if eta != 1.0 else np.zeros_like(log_det)  # flat, at correlations of one, too


def _dirichlet_log_density(log_sum: Any, alpha: float) -> Any:
    return (alpha - 1.0) * log_sum if alpha != 1.0 else np.zeros_like(log_sum)  # flat, at shares of zero, too


def _flat(x: Any) -> Any:
    return np.zeros_like(np.asarray(x, dtype=float))


def _half_student_t(x: Any, nu: float, sigma: float) -> Any:
    return math.log(2.0) + scipy.stats.t.logpdf(x, nu, scale=sigma)


#: Beyond, squares leave the range of a double.
_LARGEST = 1e100

PRIORS: dict[str, PriorDistribution] = {
    row.name: row
    for row in (
        PriorDistribution(
            "Normal", ("mu", "sigma"), {"mu": 0.0, "sigma": 1.0}, ("sigma",), "real",
            lambda x, mu, sigma: scipy.stats.norm.logpdf(x, mu, sigma),
            lambda mu, sigma: scipy.stats.norm(mu, sigma),
            lambda a, mu, sigma: (mu, sigma / math.sqrt(a)),
        ),
        PriorDistribution(
            "StudentT", ("nu", "mu", "sigma"), {"mu": 0.0, "sigma": 1.0}, ("nu", "sigma"), "real",
            lambda x, nu, mu, sigma: scipy.stats.t.logpdf(x, nu, mu, sigma),
            lambda nu, mu, sigma: scipy.stats.t(nu, mu, sigma),
            _powered_location_t,
        ),
        PriorDistribution(
            "Cauchy", ("alpha", "beta"), {"alpha": 0.0}, ("beta",), "real",
            lambda x, alpha, beta: scipy.stats.cauchy.logpdf(x, alpha, beta),
            lambda alpha, beta: scipy.stats.cauchy(alpha, beta),
            lambda a, alpha, beta: _powered_location_t(a, 1.0, alpha, beta), "StudentT",
        ),
        PriorDistribution(
            "Laplace", ("mu", "b"), {"mu": 0.0}, ("b",), "real",
            lambda x, mu, b: scipy.stats.laplace.logpdf(x, mu, b), lambda mu, b: scipy.stats.laplace(mu, b),
            lambda a, mu, b: (mu, b / a),
        ),
        PriorDistribution("Flat", (), {}, (), "real", _flat, None, lambda a: ()),
        PriorDistribution(
            "HalfNormal", ("sigma",), {"sigma": 1.0}, ("sigma",), "positive",
            lambda x, sigma: scipy.stats.halfnorm.logpdf(x, scale=sigma),
            lambda sigma: scipy.stats.halfnorm(scale=sigma),
            lambda a, sigma: (sigma / math.sqrt(a),),
        ),
        PriorDistribution(
            "HalfStudentT", ("nu", "sigma"), {"sigma": 1.0}, ("nu", "sigma"), "positive", _half_student_t,
            lambda nu, sigma: scipy.stats.t(nu, scale=sigma),
            _powered_t,
        ),
        PriorDistribution(
            "HalfCauchy", ("beta",), {}, ("beta",), "positive",
            lambda x, beta: scipy.stats.halfcauchy.logpdf(x, scale=beta),
            lambda beta: scipy.stats.halfcauchy(scale=beta),
            lambda a, beta: _powered_t(a, 1.0, beta), "HalfStudentT",
        ),
        PriorDistribution(
            "Exponential", ("lam",), {}, ("lam",), "positive",
            lambda x, lam: scipy.stats.expon.logpdf(x, scale=1.0 / lam),
            lambda lam: scipy.stats.expon(scale=1.0 / lam),
            lambda a, lam: (a * lam,),
        ),
        PriorDistribution(
            "Gamma", ("alpha", "beta"), {}, ("alpha", "beta"), "positive",
            lambda x, alpha, beta: scipy.stats.gamma.logpdf(x, alpha, scale=1.0 / beta),
            lambda alpha, beta: scipy.stats.gamma(alpha, scale=1.0 / beta),
            lambda a, alpha, beta: (a * (alpha - 1.0) + 1.0, a * beta),
        ),
        PriorDistribution(
            "InverseGamma", ("alpha", "beta"), {"beta": 1.0}, ("alpha", "beta"), "positive",
            lambda x, alpha, beta: scipy.stats.invgamma.logpdf(x, alpha, scale=beta),
            lambda alpha, beta: scipy.stats.invgamma(alpha, scale=beta),
            lambda a, alpha, beta: (a * (alpha + 1.0) - 1.0, a * beta),
        ),
        PriorDistribution(
            "LogNormal", ("mu", "sigma"), {"mu": 0.0, "sigma": 1.0}, ("sigma",), "positive",
            lambda x, mu, sigma: scipy.stats.lognorm.logpdf(x, sigma, scale=math.exp(mu)),
            lambda mu, sigma: scipy.stats.lognorm(sigma, scale=math.exp(mu)),
            lambda a, mu, sigma: (mu + (1.0 - a) * sigma**2 / a, sigma / math.sqrt(a)),
        ),
        PriorDistribution("HalfFlat", (), {}, (), "positive", _flat, None, lambda a: ()),
        PriorDistribution(
            "Beta", ("alpha", "beta"), {}, ("alpha", "beta"), "unit",
            lambda x, alpha, beta: scipy.stats.beta.logpdf(x, alpha, beta),
            lambda alpha, beta: scipy.stats.beta(alpha, beta),
            lambda a, alpha, beta: (a * (alpha - 1.0) + 1.0, a * (beta - 1.0) + 1.0),
        ),
        PriorDistribution(
            "Uniform", ("lower", "upper"), {}, (), "interval",
            lambda x, lower, upper: scipy.stats.uniform.logpdf(x, lower, upper - lower),
            lambda lower, upper: scipy.stats.uniform(lower, upper - lower),
            lambda a, lower, upper: (lower, upper),
        ),
        PriorDistribution(
            "Dirichlet", ("alpha",), {"alpha": 1.0}, ("alpha",), "simplex", _dirichlet_log_density, None,
            lambda a, alpha: (a * (alpha - 1.0) + 1.0,),
        ),
        PriorDistribution(
            "LKJ", ("eta",), {"eta": 1.0}, ("eta",), "correlation", _lkj_log_density, None,
            lambda a, eta: (a * (eta - 1.0) + 1.0,),
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, init=False)
class Prior:
    """A prior distribution with fixed parameters, immutable and comparable by value.

    Parameters
    ----------
    name
        Name of the distribution, PyMC's own (``"Normal"``, ``"HalfStudentT"``, ``"Exponential"``, ...); ``"LKJ"`` for
        correlation matrices; ``"Flat"`` and ``"HalfFlat"`` are allowed.
    *args
        Parameters by position, in the order PyMC documents.
    **kwargs
        Parameters by name. Scales are those of the parameter the prior is given to (link scale for coefficients and
        group sds, response scale for ``sigma``).

    Raises
    ------
    PriorError
        If the distribution or a parameter is unknown, missing or out of its range.

    Notes
    -----
    A distribution on the whole line given to a parameter that is positive (a sd, say) is truncated at zero.

    Examples
    --------
    >>> Prior("Normal", mu=0, sigma=5)
    Prior('Normal', mu=0.0, sigma=5.0)
    >>> Prior("HalfStudentT", nu=3, sigma=2.5).support
    'positive'
    """

    name: str
    parameters: tuple[tuple[str, float], ...]

    def __init__(self, name: str, *args: float, **kwargs: float) -> None:
        if not isinstance(name, str) or name not in PRIORS:
            raise PriorError(f"There is no prior distribution {name!r}. {nearest(str(name), PRIORS)}")
        row = PRIORS[name]
        if len(args) > len(row.parameters):
            raise PriorError(
                f"{name} takes the parameters {', '.join(row.parameters) or 'none'}; {len(args)} were given."
            )
        given: dict[str, Any] = dict(zip(row.parameters, args, strict=False))
        for key, value in kwargs.items():
            if key not in row.parameters:
                hint = nearest(key, row.parameters) if row.parameters else f"{name} takes no parameters."
                raise PriorError(f"{name} has no parameter {key!r}. {hint}")
            if key in given:
                raise PriorError(f"{name} was given {key!r} twice.")
            given[key] = value
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "parameters", _checked_parameters(row, {**row.defaults, **given}))

    @property
    def distribution(self) -> PriorDistribution:
        """The row of ``PRIORS`` this prior uses."""
        return PRIORS[self.name]

    @property
    def support(self) -> str:
        """The support of the distribution, as in ``PRIORS``."""
        return self.distribution.support

    @property
    def values(self) -> tuple[float, ...]:
        """The parameters' values in the table's order."""
        return tuple(value for _, value in self.parameters)

    def __getitem__(self, key: str) -> float:
        return dict(self.parameters)[key]

    def __repr__(self) -> str:
        return f"Prior({', '.join([repr(self.name), *(f'{k}={v!r}' for k, v in self.parameters)])})"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v + 0.0:.4g}' for k, v in self.parameters)})"

    def log_density(self, x: Any) -> Any:
        """Return the log density at `x`.

        Parameters
        ----------
        x
            Values on the scale of the parameter, any shape; for ``"LKJ"`` the log determinant of the correlation
            matrix, for ``"Dirichlet"`` the sum of the shares' logs.

        Returns
        -------
        numpy.ndarray
            Log density, the shape of `x`; zero for flat priors; unnormalised for ``"LKJ"`` and ``"Dirichlet"``.
        """
        return self.distribution.log_density(x, *self.values)

    def quantiles(self, shares: Any, lower: float | None = None, upper: float | None = None) -> Any:
        """Return quantiles of the distribution, cut at a parameter's bounds.

        Parameters
        ----------
        shares
            Probabilities, any shape.
        lower, upper
            The bounds; None where there is none.

        Returns
        -------
        numpy.ndarray
            Values with these shares of the distribution within the bounds below them.

        Examples
        --------
        >>> round(float(Prior("HalfNormal", sigma=2).quantiles(0.5)), 3)
        1.349
        """
        assert self.distribution.frozen is not None
        whole = self.distribution.frozen(*self.values)
        start = whole.cdf(max(-np.inf if lower is None else lower, 0.0 if self.support == "positive" else -np.inf))
        end = whole.cdf(np.inf if upper is None else upper)
        return whole.ppf(start + (end - start) * shares)

    def powered(self, alpha: float) -> Prior:
        """Return the prior whose density is proportional to this one's to a power.

        Parameters
        ----------
        alpha
            The power: below 1 the prior weakens, above 1 it strengthens.

        Returns
        -------
        Prior
            Exact: every distribution of the table has its powers in the table.

        Raises
        ------
        PriorError
            If that power is no distribution.

        Examples
        --------
        >>> Prior("Normal", mu=1, sigma=3).powered(4)
        Prior('Normal', mu=1.0, sigma=1.5)
        """
        row = self.distribution
        values = row.powered(alpha, *self.values)
        try:
            return Prior(row.powered_name or self.name, *values)
        except PriorError:
            raise PriorError(f"{self} to the power {alpha:g} is no distribution any more.") from None

    def to_dict(self) -> dict[str, Any]:
        """Return name and parameters as a dictionary that JSON can hold.

        Returns
        -------
        dict
            ``{"name": ..., "parameters": {...}}``; infinite bounds as strings.
        """
        return {"name": self.name, "parameters": {k: v if math.isfinite(v) else str(v) for k, v in self.parameters}}

    @staticmethod
    def from_text(text: str) -> Prior:
        """Read a prior written as it prints.

        Parameters
        ----------
        text
            ``"Normal(mu=0, sigma=1)"``, ``"Normal(0, 1)"``, ``"Flat"``.

        Returns
        -------
        Prior
            The prior.

        Raises
        ------
        PriorError
            If it cannot be read, or names an unknown distribution or parameter.

        Examples
        --------
        >>> Prior.from_text("HalfStudentT(3, sigma=2.5)")
        Prior('HalfStudentT', nu=3.0, sigma=2.5)
        """
        found = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", text)
        if found is None:
            raise PriorError(f"Cannot read the prior {text!r}; write it as it prints, 'Normal(mu=0, sigma=1)'.")
        values: list[Any] = []
        named: dict[str, Any] = {}
        for argument in filter(str.strip, (found[2] or "").split(",")):
            key, equals, value = argument.rpartition("=")
            if not equals and named:
                raise PriorError(f"Values without a name come first in {text!r}.")
            if key.strip() in named or key.strip() in ("self", "name"):
                raise PriorError(f"Cannot read the prior {text!r}: {key.strip()!r} is no parameter, or stands twice.")
            if equals:
                named[key.strip()] = value
            else:
                values.append(value)
        return Prior(found[1], *values, **named)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Prior:
        """Return the prior that `to_dict` described.

        Parameters
        ----------
        data
            A dictionary as `to_dict` returns it.

        Returns
        -------
        Prior
            Equal to the one described.

        Raises
        ------
        PriorError
            If it is no such dictionary, or names an unknown distribution or parameter.
        """
        try:
            name, parameters = data["name"], dict(data["parameters"])
            values = {str(key): float(value) for key, value in parameters.items()}
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise PriorError(f"This is not the description of a prior: {data!r} ({error}).") from None
        if unknown := {"self", "name"} & set(values):
            raise PriorError(f"{name} has no parameter {unknown.pop()!r}.")
        return Prior(name, **values)


def _checked_parameters(row: PriorDistribution, given: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    missing = [key for key in row.parameters if key not in given]
    if missing:
        raise PriorError(f"{row.name} needs {', '.join(missing)}; for example {_example(row)}.")
    values: dict[str, float] = {}
    for key in row.parameters:
        try:
            values[key] = float(given[key])
        except (TypeError, ValueError, OverflowError):
            raise PriorError(
                f"{row.name}'s {key} must be a number, not {given[key]!r}; state one prior per coefficient, "
                "for example priors={'beta[x]': ...}."
            ) from None
        if math.isnan(values[key]) or (math.isinf(values[key]) and row.support != "interval"):
            raise PriorError(f"{row.name}'s {key} must be finite, not {values[key]}.")
        if key in row.positive and values[key] <= 0:
            raise PriorError(f"{row.name}'s {key} must be greater than 0, not {values[key]:g}.")
        if _LARGEST < abs(values[key]) < math.inf or (key in row.positive and values[key] < 1 / _LARGEST):
            raise PriorError(f"{row.name}'s {key} is out of range: {values[key]:g}; rescale the data.")
    if row.support == "interval":
        lower, upper = values["lower"], values["upper"]
        if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
            raise PriorError(f"{row.name} needs finite bounds with lower < upper, not {lower:g} and {upper:g}.")
    return tuple(values.items())


def _example(row: PriorDistribution) -> str:
    return f"Prior({json.dumps(row.name)}, {', '.join(f'{key}=1' for key in row.parameters)})"
