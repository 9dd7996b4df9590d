"""Response families: one record per family, everything the other rooms ask of a family is one of its fields.

Input: the response, its location `mu` (the parameter the link acts on) and auxiliary parameters (sigma, phi, nu) as
numpy arrays or PyTensor tensors. Output: densities, moments, draws and PyMC distributions. Nothing here knows of data
frames, priors' defaults for coefficients, or draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from bayes_glmm.cdfs import (
    beta_cdf,
    binomial_cdf,
    categorical_cdf,
    gamma_cdf,
    gaussian_cdf,
    lognormal_cdf,
    negativebinomial_cdf,
    poisson_cdf,
    student_cdf,
)
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.links import Link
from bayes_glmm.ordinal import categorical_log_density, categorical_simulate, cumulative_graph, cumulative_probabilities
from bayes_glmm.priors import Prior

Parameters = Mapping[str, Any]
#: Supports whose responses are whole numbers.
DISCRETE = frozenset({"binary", "trials", "count", "ordered"})


@dataclass(frozen=True)
class AuxiliaryParameter:
    """A parameter of a family besides its location: a residual sd, a dispersion, degrees of freedom, thresholds.

    Parameters
    ----------
    name
        ``"sigma"``, ``"phi"``, ``"nu"`` or ``"thresholds"``.
    prior
        Default prior, stated on parameter**power and, where `scaled`, in units of sd(y).
    power
        The default prior sits on parameter**power (-1/2 for phi: a prior on 1/sqrt(phi)).
    lower
        Lower bound of the parameter; None where it may be any real number.
    scaled
        Whether the default prior's scale is multiplied by the sd of the response.
    ordered
        Whether it is a vector of increasing thresholds between the response's categories, each with the default prior;
        they take the place of the intercept. Such a parameter is the family's last.
    latex
        Symbol in equations.
    """

    name: str
    prior: Prior
    power: float = 1.0
    lower: float | None = 0.0
    ordered: bool = False
    scaled: bool = False
    latex: str = ""


@dataclass(frozen=True)
class Family:
    """A response distribution.

    Parameters
    ----------
    name
        The name users write.
    links
        Names of the links the family accepts, the default first.
    parameters
        Auxiliary parameters, in the order the densities expect.
    support
        What responses are allowed: ``"real"``, ``"positive"``, ``"count"``, ``"binary"``, ``"trials"`` (successes out
        of a number of trials), ``"unit"`` (strictly between 0 and 1), ``"ordered"`` (ordered categories, coded 0, 1,
        ... in y).
    log_density
        (y, mu, parameters, trials) -> pointwise log density, numpy, broadcasting.
    simulate
        (rng, mu, parameters, trials) -> responses, the shape mu and the parameters broadcast to.
    variance
        (mu, parameters, trials) -> Var[y | x, u].
    cdf
        (y, mu, parameters, trials) -> P(Y <= y), numpy, broadcasting; whole-numbered responses take y = -1, too.
    graph
        (eta, link, parameters, trials) -> (PyMC distribution class, its keyword arguments).
    mean
        (mu, parameters) -> E[y | x, u] (a probability for ``"trials"``); None where the mean is mu itself.
    averaged_mean
        (eta, variance, parameters) -> E[y | x] with mu ~ N(eta, variance), for families with a `mean` that has such a
        closed form under the identity link; None elsewhere.
    probabilities
        (eta, link, parameters) -> P(y = c | x, u) of every category c along a new last axis, numpy; for ``"ordered"``
        families, where it is what `log_density`, `simulate` and `variance` take for mu. None elsewhere.
    latent_variance
        (link, parameters) -> variance of the response around the linear predictor on *its* scale, where that is known:
        a threshold's latent variable, a log that is normal. None where it follows from the response's moments.
    response_transform
        y -> the scale mu lives on, for default priors (log for lognormal); None for y itself.
    at_precision
        (parameters, w) -> the parameters of a row whose response varies w times less (as the mean of w responses does),
        numpy or PyTensor; None where the mean decides the variance.
    kernel
        Name of the family's row kernel in the engine; None where models go through PyMC's graph.
    latex
        Distribution in equations, with ``{mu}`` for the location.
    aliases
        Other names users may write.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> bg.FAMILIES["poisson"].links
    ('log', 'identity', 'sqrt')
    """

    name: str
    links: tuple[str, ...]
    parameters: tuple[AuxiliaryParameter, ...]
    support: str
    log_density: Callable[[Any, Any, Parameters, Any], Any]
    simulate: Callable[[np.random.Generator, Any, Parameters, Any], Any]
    variance: Callable[[Any, Parameters, Any], Any]
    cdf: Callable[[Any, Any, Parameters, Any], Any]
    graph: Callable[[Any, Link, Parameters, Any], tuple[Any, dict[str, Any]]]
    mean: Callable[[Any, Parameters], Any] | None = None
    averaged_mean: Callable[[Any, Any, Parameters], Any] | None = None
    probabilities: Callable[[Any, Link, Parameters], Any] | None = None
    latent_variance: Callable[[Link, Parameters], Any] | None = None
    response_transform: Callable[[Any], Any] | None = None
    at_precision: Callable[[Parameters, Any], dict[str, Any]] | None = None
    kernel: str | None = None
    latex: str = ""
    aliases: tuple[str, ...] = field(default=())

    def __reduce__(self) -> Any:
        """Travel between processes as a name; a family of the user's own as its fields."""
        return (family_named, (self.name,)) if FAMILIES.get(self.name) is self else super().__reduce__()


_SIGMA = AuxiliaryParameter("sigma", Prior("HalfStudentT", nu=3, sigma=1), scaled=True, latex=r"\sigma")
_PHI = AuxiliaryParameter("phi", Prior("HalfNormal", sigma=1), power=-0.5, latex=r"\phi")
_NU = AuxiliaryParameter("nu", Prior("Gamma", alpha=2, beta=0.1), lower=1.0, latex=r"\nu")
_THRESHOLDS = AuxiliaryParameter(
    "thresholds", Prior("Normal", mu=0, sigma=2.5), lower=None, ordered=True, latex=r"\tau"
)
_LOG_2PI = math.log(2 * math.pi)


def _latent_of_link(link: Link, parameters: Parameters) -> Any:
    """Variance of the latent variable that thresholds cut."""
    return link.latent_variance


def _divided_sigma(parameters: Parameters, w: Any) -> dict[str, Any]:
    return {**parameters, "sigma": parameters["sigma"] / w**0.5}


def _multiplied_phi(parameters: Parameters, w: Any) -> dict[str, Any]:
    return {**parameters, "phi": parameters["phi"] * w}


def _shape(mu: Any, parameters: Parameters) -> tuple[int, ...]:
    return np.broadcast_shapes(np.shape(mu), *(np.shape(value) for value in parameters.values()))


# gaussian ---------------------------------------------------------------------------------------------------------


def _gaussian_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    sigma = parameters["sigma"]
    return -0.5 * np.square((y - mu) / sigma) - np.log(sigma) - 0.5 * _LOG_2PI


def _gaussian_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Normal, {"mu": link.graph_inverse(eta), "sigma": parameters["sigma"]}


# student ----------------------------------------------------------------------------------------------------------


def _student_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    sigma, nu = parameters["sigma"], parameters["nu"]
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(nu * math.pi) - np.log(sigma)
    return constant - 0.5 * (nu + 1) * np.log1p(np.square((y - mu) / sigma) / nu)


def _student_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    nu = np.asarray(parameters["nu"], dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(nu > 2, nu / (nu - 2), np.inf)
    return np.square(parameters["sigma"]) * ratio + 0.0 * mu


def _student_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.StudentT, {"mu": link.graph_inverse(eta), "sigma": parameters["sigma"], "nu": parameters["nu"]}


# bernoulli and binomial -------------------------------------------------------------------------------------------


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


# counts -----------------------------------------------------------------------------------------------------------


def _poisson_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    return special.xlogy(y, mu) - mu - special.gammaln(y + 1.0)


def _poisson_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Poisson, {"mu": link.graph_inverse(eta)}


def _negativebinomial_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    coefficient = special.gammaln(y + phi) - special.gammaln(phi) - special.gammaln(y + 1.0)
    return coefficient + special.xlogy(y, mu) - y * np.log(mu + phi) - phi * np.log1p(mu / phi)


def _negativebinomial_simulate(rng: np.random.Generator, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    return rng.poisson(rng.gamma(phi, mu / phi, size=_shape(mu, parameters))).astype(float)


def _negativebinomial_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.NegativeBinomial, {"mu": link.graph_inverse(eta), "alpha": parameters["phi"]}


# positive and unit responses --------------------------------------------------------------------------------------


def _gamma_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    return phi * (np.log(phi) - np.log(mu)) + (phi - 1.0) * np.log(y) - phi * y / mu - special.gammaln(phi)


def _gamma_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.Gamma, {"alpha": parameters["phi"], "beta": parameters["phi"] / link.graph_inverse(eta)}


def _lognormal_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    log_y = np.log(y)
    return _gaussian_log_density(log_y, mu, parameters, trials) - log_y


def _lognormal_mean(mu: Any, parameters: Parameters) -> Any:
    return np.exp(mu + 0.5 * np.square(parameters["sigma"]))


def _lognormal_averaged_mean(eta: Any, variance: Any, parameters: Parameters) -> Any:
    return np.exp(eta + 0.5 * (variance + np.square(parameters["sigma"])))


def _lognormal_variance(mu: Any, parameters: Parameters, trials: Any) -> Any:
    s2 = np.square(parameters["sigma"])
    return np.expm1(s2) * np.exp(2 * mu + s2)


def _lognormal_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    return pm.LogNormal, {"mu": link.graph_inverse(eta), "sigma": parameters["sigma"]}


def _beta_log_density(y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    phi = parameters["phi"]
    a, b = mu * phi, (1.0 - mu) * phi
    return (a - 1.0) * np.log(y) + (b - 1.0) * np.log1p(-y) - special.betaln(a, b)


def _beta_graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
    import pymc as pm

    assert link.graph_logit is not None
    mu = link.graph_inverse(eta)
    return pm.Beta, {"alpha": mu * parameters["phi"], "beta": (1.0 - mu) * parameters["phi"]}


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="gaussian",
            links=("identity", "log", "inverse"),
            parameters=(_SIGMA,),
            support="real",
            log_density=_gaussian_log_density,
            simulate=lambda rng, mu, p, trials: rng.normal(mu, p["sigma"]),
            variance=lambda mu, p, trials: np.square(p["sigma"]) + 0.0 * mu,
            cdf=gaussian_cdf,
            graph=_gaussian_graph,
            at_precision=_divided_sigma,
            kernel="gaussian",
            latex=r"\operatorname{Normal}({mu}, \sigma)",
            aliases=("normal",),
        ),
        Family(
            name="student",
            links=("identity", "log", "inverse"),
            parameters=(_SIGMA, _NU),
            support="real",
            log_density=_student_log_density,
            simulate=lambda rng, mu, p, trials: mu + p["sigma"] * rng.standard_t(p["nu"], size=_shape(mu, p)),
            variance=_student_variance,
            cdf=student_cdf,
            graph=_student_graph,
            at_precision=_divided_sigma,
            kernel="student",
            latex=r"\operatorname{StudentT}(\nu, {mu}, \sigma)",
            aliases=("t", "studentt"),
        ),
        Family(
            name="bernoulli",
            links=("logit", "probit", "cloglog"),
            parameters=(),
            support="binary",
            log_density=_binomial_log_density,
            simulate=_binomial_simulate,
            variance=_binomial_variance,
            cdf=binomial_cdf,
            graph=_bernoulli_graph,
            latent_variance=_latent_of_link,
            kernel="binomial",
            latex=r"\operatorname{Bernoulli}({mu})",
        ),
        Family(
            name="binomial",
            links=("logit", "probit", "cloglog"),
            parameters=(),
            support="trials",
            log_density=_binomial_log_density,
            simulate=_binomial_simulate,
            variance=_binomial_variance,
            cdf=binomial_cdf,
            graph=_binomial_graph,
            latent_variance=_latent_of_link,
            kernel="binomial",
            latex=r"\operatorname{Binomial}(n_i, {mu})",
        ),
        Family(
            name="poisson",
            links=("log", "identity", "sqrt"),
            parameters=(),
            support="count",
            log_density=_poisson_log_density,
            simulate=lambda rng, mu, p, trials: rng.poisson(mu).astype(float),
            variance=lambda mu, p, trials: mu,
            cdf=poisson_cdf,
            graph=_poisson_graph,
            kernel="poisson",
            latex=r"\operatorname{Poisson}({mu})",
        ),
        Family(
            name="negativebinomial",
            links=("log", "identity", "sqrt"),
            parameters=(_PHI,),
            support="count",
            log_density=_negativebinomial_log_density,
            simulate=_negativebinomial_simulate,
            variance=lambda mu, p, trials: mu + np.square(mu) / p["phi"],
            cdf=negativebinomial_cdf,
            graph=_negativebinomial_graph,
            kernel="negativebinomial",
            latex=r"\operatorname{NegativeBinomial}({mu}, \phi)",
            aliases=("negative_binomial", "negbinomial", "negbin", "nb", "nb2", "nbinom", "nbinom2", "neg_binomial_2"),
        ),
        Family(
            name="gamma",
            links=("log", "identity", "inverse"),
            parameters=(_PHI,),
            support="positive",
            log_density=_gamma_log_density,
            simulate=lambda rng, mu, p, trials: rng.gamma(p["phi"], mu / p["phi"], size=_shape(mu, p)),
            variance=lambda mu, p, trials: np.square(mu) / p["phi"],
            cdf=gamma_cdf,
            graph=_gamma_graph,
            at_precision=_multiplied_phi,
            kernel="gamma",
            latex=r"\operatorname{Gamma}(\text{mean}={mu}, \text{shape}=\phi)",
        ),
        Family(
            name="lognormal",
            links=("identity",),
            parameters=(_SIGMA,),
            support="positive",
            log_density=_lognormal_log_density,
            simulate=lambda rng, mu, p, trials: np.exp(rng.normal(mu, p["sigma"])),
            variance=_lognormal_variance,
            cdf=lognormal_cdf,
            graph=_lognormal_graph,
            mean=_lognormal_mean,
            averaged_mean=_lognormal_averaged_mean,
            latent_variance=lambda link, p: np.square(p["sigma"]),
            response_transform=np.log,
            kernel="lognormal",
            latex=r"\operatorname{LogNormal}({mu}, \sigma)",
        ),
        Family(
            name="beta",
            links=("logit", "probit", "cloglog"),
            parameters=(_PHI,),
            support="unit",
            log_density=_beta_log_density,
            simulate=lambda rng, mu, p, trials: rng.beta(mu * p["phi"], (1.0 - mu) * p["phi"], size=_shape(mu, p)),
            variance=lambda mu, p, trials: mu * (1.0 - mu) / (1.0 + p["phi"]),
            cdf=beta_cdf,
            graph=_beta_graph,
            kernel="beta",
            latex=r"\operatorname{Beta}({mu}\phi, (1 - {mu})\phi)",
        ),
        Family(
            name="cumulative",
            links=("logit", "probit", "cloglog"),
            parameters=(_THRESHOLDS,),
            support="ordered",
            log_density=categorical_log_density,
            simulate=categorical_simulate,
            variance=lambda mu, p, trials: mu * (1.0 - mu),
            cdf=categorical_cdf,
            graph=cumulative_graph,
            probabilities=cumulative_probabilities,
            latent_variance=_latent_of_link,
            kernel="cumulative",
            latex=r"\operatorname{Cumulative}({mu}, \tau)",
            aliases=("ordinal", "polr"),
        ),
    )
}


def family_named(name: str) -> Family:
    """Return the family of that name.

    Parameters
    ----------
    name
        A key of ``FAMILIES`` or one of its aliases (``"normal"`` for ``"gaussian"``).

    Returns
    -------
    Family
        The entry of the table.

    Raises
    ------
    GLMMError
        If there is no such family; the message names the nearest one.
    """
    for family in FAMILIES.values():
        if name == family.name or name in family.aliases:
            return family
    raise GLMMError(f"There is no family {name!r}. {nearest(str(name), FAMILIES)}")
