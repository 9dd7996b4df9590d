"""What a response family is: one record, everything the other rooms ask of a family is one of its fields.

Input: the response, its location `mu` (the parameter the link acts on) and auxiliary parameters (sigma, phi, nu) as
numpy arrays or PyTensor tensors. Output: densities, moments, draws and PyMC distributions. Nothing here knows of data
frames, priors' defaults for coefficients, or draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior

Parameters = Mapping[str, Any]
#: Supports whose responses are whole numbers.
DISCRETE = frozenset({"binary", "trials", "count", "ordered", "unordered"})


@dataclass(frozen=True)
class AuxiliaryParameter:
    """A parameter of a family besides its location: a residual sd, a dispersion, degrees of freedom, thresholds.

    Parameters
    ----------
    name
        ``"sigma"``, ``"phi"``, ``"zi"``, ``"thresholds"`` and the like.
    prior
        Default prior, stated on parameter**power and, where `scaled`, in units of sd(y).
    power
        The default prior sits on parameter**power (-1/2 for phi: a prior on 1/sqrt(phi)).
    lower
        Lower bound of the parameter; None where it may be any real number.
    upper
        Upper bound of the parameter, 1 for probabilities; None where there is none.
    scaled
        Whether the default prior is in units of sd(y)**power, and `start` in units of sd(y).
    ordered
        Whether it is a vector of thresholds between the response's ordered categories, each with the default prior;
        they take the place of the intercept. Such a parameter is the family's last.
    increasing
        Whether such thresholds increase, because P(y <= c) is a function of the one at c alone.
    latex
        Symbol in equations.
    start
        Where the search for the mode starts.
    """

    name: str
    prior: Prior
    power: float = 1.0
    lower: float | None = 0.0
    upper: float | None = None
    ordered: bool = False
    increasing: bool = True
    scaled: bool = False
    latex: str = ""
    start: float = 1.0

    @property
    def links(self) -> tuple[str, ...]:
        """Names of the links of a linear predictor of its own, the default first, of what lies above a lower bound.

        None for thresholds, and between other bounds than 0 and 1.
        """
        if self.ordered:
            return ()
        if self.upper is not None:
            return UNIT_LINKS if (self.lower, self.upper) == (0.0, 1.0) else ()
        return ("identity",) if self.lower is None else ("log", "softplus")


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
        ... in y), ``"unordered"`` (categories without an order, coded likewise), ``"angle"``
        (radians between -pi and pi).
    log_density
        (y, mu, parameters, trials) -> pointwise log density, numpy, broadcasting.
    simulate
        (rng, mu, parameters, trials) -> responses, the shape mu and the parameters broadcast to.
    variance
        (mu, parameters, trials) -> Var[y | x, u], of a number of successes for ``"trials"``.
    cdf
        (y, mu, parameters, trials) -> P(Y <= y), numpy, broadcasting; whole-numbered responses take y = -1, too.
    graph
        (eta, link, parameters, trials) -> (PyMC distribution class, its keyword arguments).
    mean
        (mu, parameters) -> E[y | x, u] (a probability for ``"trials"``); None where the mean is mu itself.
    mean_line
        parameters -> (a, b) with E[y | x, u] = a + b mu, where `mean` is such a line; None elsewhere.
    averaged_mean
        (eta, variance, parameters) -> E[y | x] with mu ~ N(eta, variance), for families with a `mean` that has such a
        closed form under the identity link; None elsewhere.
    probabilities
        (eta, link, parameters) -> P(y = c | x, u) of every category c along a new last axis, numpy; for families of
        categories, where it is what `log_density`, `simulate` and `variance` take for mu. None elsewhere.
    threshold_predictors
        (probabilities along the last axis, link) -> threshold minus linear predictor, one a threshold, or the linear
        predictor of each category but the first where they have no order: `probabilities` in reverse. None elsewhere.
    odds
        What odds under the logit link are of, for families of categories, with ``{y}`` for the response.
    latent_variance
        (link, parameters) -> variance of the response around the linear predictor on *its* scale, where that is known:
        a threshold's latent variable, a log that is normal. None where it follows from the response's moments.
    response_transform
        y -> the scale mu lives on, for default priors (log for lognormal); None for y itself.
    at_precision
        (parameters, w) -> the parameters of a row whose response varies w times less (as the mean of w responses does),
        numpy or PyTensor; None where the mean decides the variance.
    atoms
        Values that a response which is otherwise continuous takes with positive probability.
    zeros_apart
        Whether zeros say nothing about mu, so that the location of the others is what default priors start from.
    rows_add
        Whether responses of rows with one mean may be added up: 0/1, successes, Poisson counts.
    single
        Name of the family of one trial a row, for a family of trials that becomes it; None elsewhere.
    limit
        Name of the family that this one becomes as its overdispersion goes to zero; None where it has none.
    kernel
        Name of the family's row kernel in the engine; None where models go through PyMC's graph.
    latex
        Distribution in equations, with ``{mu}`` for the location; of families of categories the whole line, with
        ``{g}`` for the link and ``{y}`` for the response.
    aliases
        Other names users may write.
    of, knowing, remake
        For a family made from another when more is known: that family, what is known of a row
        (`bayes_glmm.families.knowing`), and the function that makes it.
    categories
        Labels of the categories of such a family, the reference first, where they decide its parameters.
    known
        Names of the numbers known of a row that the functions find among the parameters, (rows,) each.
    places
        (y, mu, parameters, whether y was observed) -> P(Y <= .) at both ends of what is known of a response; None where
        it is known.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> bg.FAMILIES["poisson"].links
    ('log', 'identity', 'sqrt', 'softplus')
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
    mean_line: Callable[[Parameters], tuple[Any, Any]] | None = None
    averaged_mean: Callable[[Any, Any, Parameters], Any] | None = None
    probabilities: Callable[[Any, Link, Parameters], Any] | None = None
    threshold_predictors: Callable[[Any, Link], Any] | None = None
    odds: str = ""
    latent_variance: Callable[[Link, Parameters], Any] | None = None
    response_transform: Callable[[Any], Any] | None = None
    at_precision: Callable[[Parameters, Any], dict[str, Any]] | None = None
    atoms: tuple[float, ...] = ()
    zeros_apart: bool = False
    rows_add: bool = False
    single: str | None = None
    limit: str | None = None
    kernel: str | None = None
    latex: str = ""
    aliases: tuple[str, ...] = field(default=())
    of: Family | None = None
    knowing: tuple[str, ...] = ()
    remake: Callable[[Any, tuple[str, ...]], Any] | None = None
    categories: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    places: Callable[[Any, Any, Parameters, bool], tuple[Any, Any]] | None = None

    @property
    def is_in_table(self) -> bool:
        """Whether it is the package's own, or made from such a one, and not the user's."""
        return FAMILIES.get(self.name) is (self if self.of is None else self.of)

    def __reduce__(self) -> Any:
        """Travel between processes as a name; a family of the user's own as its fields."""
        if self.remake is not None:
            return (self.remake, (self.of, self.categories or self.knowing))
        return (family_named, (self.name,)) if FAMILIES.get(self.name) is self else super().__reduce__()


#: The table: filled by the package, one entry a family.
FAMILIES: dict[str, Family] = {}


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


# what several families have in common -----------------------------------------------------------------------------

SIGMA = AuxiliaryParameter("sigma", Prior("HalfStudentT", nu=3, sigma=1), scaled=True, latex=r"\sigma", start=0.7)
PHI = AuxiliaryParameter("phi", Prior("HalfNormal", sigma=1), power=-0.5, latex=r"\phi", start=5.0)

REAL_LINKS = ("identity", "log", "inverse", "softplus")
COUNT_LINKS = ("log", "identity", "sqrt", "softplus")
POSITIVE_LINKS = ("log", "identity", "inverse", "softplus")
UNIT_LINKS = ("logit", "probit", "cloglog", "cauchit", "loglog")


def probability(name: str, latex: str, start: float = 0.2) -> AuxiliaryParameter:
    """Return a parameter between 0 and 1 with a uniform default prior."""
    return AuxiliaryParameter(name, Prior("Beta", alpha=1, beta=1), upper=1.0, latex=latex, start=start)


def latent_of_link(link: Link, parameters: Parameters) -> Any:
    """Variance of the latent variable that thresholds cut."""
    return link.latent_variance


def divided_sigma(parameters: Parameters, w: Any) -> dict[str, Any]:
    """Return the parameters of a row whose sd is sqrt(w) times smaller."""
    return {**parameters, "sigma": parameters["sigma"] / w**0.5}


def multiplied_phi(parameters: Parameters, w: Any) -> dict[str, Any]:
    """Return the parameters of a row whose variance is w times smaller, for variances proportional to 1/phi."""
    return {**parameters, "phi": parameters["phi"] * w}


def shape_of(mu: Any, parameters: Parameters) -> tuple[int, ...]:
    """Return the shape that the location and the parameters broadcast to."""
    return np.broadcast_shapes(np.shape(mu), *(np.shape(value) for value in parameters.values()))


#: Counts from here on are beyond the whole numbers of 64 bits; this number stands for them.
LARGEST_COUNT = 9.2e18


_LEAST = np.finfo(float).tiny


def draw_beta(rng: np.random.Generator, mu: Any, parameters: Parameters) -> Any:
    """Draw shares of mean mu and precision phi; means of exactly 0 and 1, which numpy refuses, give 0 and 1."""
    a, b = mu * parameters["phi"], (1.0 - mu) * parameters["phi"]
    return rng.beta(np.maximum(a, _LEAST), np.maximum(b, _LEAST), size=shape_of(mu, parameters))


def draw_poisson(rng: np.random.Generator, rate: Any) -> Any:
    """Draw Poisson counts, as floats; `LARGEST_COUNT` where the mean is that large, which numpy refuses."""
    drawn = rng.poisson(np.fmin(rate, LARGEST_COUNT))
    return np.where(np.less(rate, LARGEST_COUNT), drawn, LARGEST_COUNT)


def summed_cdf(log_density: Callable[..., Any], y: Any, mu: Any, parameters: Parameters, trials: Any) -> Any:
    """Add up the probabilities of 0, 1, ..., y: the distribution function of counts that have no shorter one."""
    shape = np.broadcast_shapes(np.shape(y), np.shape(trials) if trials is not None else (), shape_of(mu, parameters))
    counts = np.broadcast_to(np.asarray(y, dtype=float), shape).reshape(-1)
    counts = counts if trials is None else np.minimum(counts, np.broadcast_to(trials, shape).reshape(-1))
    # the largest first: each element is worked on as long as its own count lasts
    order = np.argsort(-counts, kind="stable")
    left = np.searchsorted(-counts[order], -np.arange(np.max(counts, initial=-1.0) + 1.0), side="right")

    def sorted_flat(value: Any) -> Any:
        return np.broadcast_to(np.asarray(value, dtype=float), shape).reshape(-1)[order]

    location, n = sorted_flat(mu), None if trials is None else sorted_flat(trials)
    own, total = {name: sorted_flat(value) for name, value in parameters.items()}, np.zeros(counts.size)
    for k, size in enumerate(left):
        here = {name: value[:size] for name, value in own.items()}
        total[:size] += np.exp(log_density(float(k), location[:size], here, None if n is None else n[:size]))
    result = np.empty(counts.size)
    result[order] = np.minimum(total, 1.0)
    return result.reshape(shape)
