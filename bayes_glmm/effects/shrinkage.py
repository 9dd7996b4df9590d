"""Shrinkage: each group's coefficients from its own rows, from the model, and with all groups as one.

Input: a `Fit`. Output: a table with no, partial and complete pooling side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.arguments import checked_name, own_arguments
from bayes_glmm.effects.evaluation import Array, summarise
from bayes_glmm.effects.labels import moments_words
from bayes_glmm.effects.tables import make_request
from bayes_glmm.effects.wording import coefficient_unit
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.predict.averages import response_noise
from bayes_glmm.predict.expected import RowPredictor, row_predictor
from bayes_glmm.predict.posterior import PosteriorDraws
from bayes_glmm.printing.table import HEADING, Table

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm
    from bayes_glmm.design.response import Response
    from bayes_glmm.inference.fit import Fit
    from bayes_glmm.spec.model_spec import ModelSpec

_STEPS = 100
_CONVERGED = 1e-8
_FAR = 30.0  # a linear predictor this far from its start is on the way to infinity


@own_arguments
def shrinkage(fit: Fit, group: str | None = None, *, ci_prob: float | None = None) -> pd.DataFrame:
    """Put no pooling, partial pooling and complete pooling of a grouping factor's coefficients side by side.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    group
        The grouping factor; None where the model has one only.
    ci_prob
        Probability of the equal-tailed interval of partial pooling; None for ArviZ's ``stats.ci_prob``.

    Returns
    -------
    pandas.DataFrame
        A row for each level and coefficient: group, level, term, rows (of the level), no_pooling, partial_pooling,
        lower, upper, complete_pooling; link scale, each the whole coefficient (population's plus group's departure).
        no_pooling is not a number where the level's rows do not determine it, or its estimate is infinite.

    Raises
    ------
    PredictionError
        If there is no such grouping factor, or responses are ordered.

    Notes
    -----
    Partial pooling is the posterior mean and interval. No pooling maximises the likelihood of the level's rows alone,
    complete pooling that of all rows with one set of coefficients; everything else (coefficients that do not vary by
    this factor, other factors' effects, dispersions) stays at its posterior mean. Both by Fisher scoring, which for
    families outside the exponential ones (student, beta) is quasi-likelihood.

    References
    ----------
    Gelman, A. and Hill, J. (2007). Data Analysis Using Regression and Multilevel/Hierarchical Models, chapter 12.
    McCullagh, P. and Nelder, J. A. (1989). Generalized Linear Models, 2nd edition, chapters 2 and 9.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.shrinkage(fit)
    >>> table[["no_pooling", "partial_pooling", "complete_pooling"]].iloc[0].round(-1).tolist()
    [240.0, 250.0, 250.0]
    """
    check_fit(fit)
    term = _term(fit, group)
    family = fit.model.spec.family
    if family.probabilities is not None:
        raise PredictionError(
            "shrinkage: ordered responses have no coefficients of a single level's rows; not offered."
        )
    request = make_request(
        fit, None, random_effects="conditional", new_levels="error", scale="link", by=None, ci_prob=ci_prob,
        random_seed=0, draws="table", averaged=False,
    )  # fmt: skip
    predictor = row_predictor(fit, None, scale="link", random_seed=0)
    draws = predictor.draws
    population = _population(draws, fit.model.design.coefs, term)
    effects = draws.effects[term.name][:, :, fit.model.design.group(term.name).acts_on(0)]
    partial = summarise(population[:, None] + effects, request.ci_prob)
    rest = _linear_rest(predictor, term)
    model = (fit, _parameter_means(predictor), term.Z, rest)
    complete = _scoring(*model, np.arange(len(rest)))
    own = np.array([_scoring(*model, rows) for rows in _rows_by_level(term)])
    rows = np.bincount(term.codes, minlength=len(term.levels))
    count = len(term.coefs)
    table = Table(
        {
            "group": term.name,
            "level": np.repeat(np.array(term.levels, dtype=object), count),
            "term": list(term.coefs) * len(term.levels),
            "rows": np.repeat(rows, count),
            "no_pooling": own.reshape(-1),
            "partial_pooling": partial.estimate.reshape(-1),
            "lower": partial.lower.reshape(-1),
            "upper": partial.upper.reshape(-1),
            "complete_pooling": np.tile(complete, len(term.levels)),
        }
    )
    table.attrs = {"quantity": "shrinkage", "scale": "link", "unit": coefficient_unit(fit)}
    table.attrs |= {"ci_prob": request.ci_prob, "interval": "equal-tailed"}
    table.attrs[HEADING] = (
        f"Coefficients by level of {term.name} ({table.attrs['unit']}); partial pooling: {moments_words(table.attrs)}."
    )
    return table


def _term(fit: Fit, group: str | None) -> GroupTerm:
    names = [term.name for term in fit.model.design.groups]
    if not names:
        raise PredictionError("shrinkage: the model has no grouping factor.")
    if group is None and len(names) > 1:
        raise PredictionError(f"group= must name one of the grouping factors: {', '.join(map(repr, names))}.")
    if group is not None and checked_name("group", group) not in names:
        raise PredictionError(f"group: the model has no grouping factor {group!r}. {nearest(group, names)}")
    term = fit.model.design.groups[0 if group is None else names.index(group)].within(0)
    if term is None:
        raise PredictionError(f"shrinkage: {group or names[0]} has no effects on the mean, which is what is shown.")
    return term


def _rows_by_level(term: GroupTerm) -> list[npt.NDArray[np.intp]]:
    order = np.argsort(term.codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(term.codes, minlength=len(term.levels)))[:-1])


def _population(draws: PosteriorDraws, coefs: tuple[str, ...], term: GroupTerm) -> Array:
    """Draws (S, k) of the population's part of each coefficient that varies; zero where it has none."""
    zero = np.zeros(draws.size)
    return np.stack([draws.beta[:, coefs.index(c)] if c in coefs else zero for c in term.coefs], axis=1)


def _parameter_means(predictor: RowPredictor) -> dict[str, Array]:
    """Posterior mean of each of the family's parameters, (rows,)."""
    values = predictor.own_parameters(np.arange(predictor.rows)).items()
    return {name: np.broadcast_to(value.mean(axis=0), (predictor.rows, *value.shape[2:])) for name, value in values}


def _linear_rest(predictor: RowPredictor, term: GroupTerm) -> Array:
    """Posterior mean of the linear predictor without the coefficients that vary by this factor: (rows,)."""
    draws, design = predictor.draws, predictor.design
    fixed = [j for j, coef in enumerate(design.coefs) if coef not in term.coefs]
    rest = design.offset + design.X[:, fixed] @ draws.beta[:, fixed].mean(axis=0)
    for column, levels in draws.raised.items():
        mean = (draws.beta[:, column, None] * levels).mean(axis=0)
        rest = rest + mean[design.X[:, column].astype(np.intp)]
    for other in design.groups:
        if other.name != term.name:
            rest = rest + np.sum(draws.effects[other.name].mean(axis=0)[other.codes] * other.Z, axis=1)
    return np.asarray(rest, dtype=float)


def _scoring(fit: Fit, means: Mapping[str, Array], Z: Array, rest: Array, rows: npt.NDArray[np.intp]) -> Array:
    """Coefficients (k,) that maximise the likelihood of some rows, by Fisher scoring; NaN where there are none."""
    model = fit.model.spec
    family, link, response = model.family, model.link, fit.model.design.response
    assert response is not None
    Z, rest, y = Z[rows], rest[rows], response.y[rows]
    nothing = np.full(Z.shape[1], np.nan)
    sizes = np.ones(len(rows)) if response.sizes is None else response.sizes[rows]
    weights = np.ones(len(rows)) if response.weights is None else response.weights[rows]
    # what says nothing about these coefficients: no trials, and zeros that are set apart
    kept = (sizes > 0) & (weights > 0) & ~(family.zeros_apart & (y == 0))
    Z, rest, y, sizes, weights, rows = (values[kept] for values in (Z, rest, y, sizes, weights, rows))
    parameters = {name: value[rows] for name, value in means.items()}
    if np.linalg.matrix_rank(Z) < Z.shape[1]:
        return nothing
    y = y if response.trials is None else y / sizes
    y = y if family.response_transform is None else family.response_transform(y)
    start = np.linalg.lstsq(Z, link.link(_inside(y, link.domain)) - rest, rcond=None)[0]
    coefs = start.copy()

    def derivatives(eta: Array) -> tuple[Array, Array]:
        if "above" in family.known or (family.mean is not None and family.response_transform is None):
            own = {**parameters, **{name: response.known[name][rows] for name in family.known}}
            return _by_density(model, own, response, rows, eta)
        return _by_moments(model, parameters, y, sizes, weights, eta)

    for _ in range(_STEPS):
        eta = rest + Z @ coefs
        score, curvature = derivatives(eta)
        step = np.linalg.lstsq((Z * curvature[:, None]).T @ Z, Z.T @ score, rcond=None)[0]
        coefs = coefs + step * min(1.0, 3.0 / max(np.abs(Z @ step).max(initial=0.0), 1e-300))
        if not np.all(np.isfinite(coefs)):
            return nothing
        if np.abs(Z @ step).max(initial=0.0) < _CONVERGED * max(1.0, np.abs(eta).max()):
            unbounded = link.domain != (-np.inf, np.inf) and np.abs(Z @ (coefs - start)).max() > _FAR
            return nothing if unbounded else coefs
    return nothing


def _by_moments(
    model: ModelSpec, parameters: dict[str, Any], y: Array, sizes: Array, times: Array, eta: Array
) -> tuple[Array, Array]:
    """Score and expected information (rows,) in eta, by the mean and the variance of the response."""
    mu, slope = model.link.inverse(eta), model.link.inverse_derivative(eta)
    variance = response_noise(model.family, mu, parameters, sizes) / times
    # a normal log, a heavy tail
    if model.family.response_transform is not None or not np.all(np.isfinite(variance)):
        variance = 1.0 / (sizes * times)
    weights = slope / np.maximum(variance, np.finfo(float).tiny)
    return weights * (y - mu), weights * slope


def _by_density(
    model: ModelSpec, parameters: dict[str, Any], response: Response, rows: npt.NDArray[np.intp], eta: Array
) -> tuple[Array, Array]:
    """Score and information (rows,) in eta, by differences of the density; a row's information at least a share."""
    trials = None if response.trials is None else response.trials[rows]
    weights = 1.0 if response.weights is None else response.weights[rows]
    step = 1e-4
    low, at, high = (
        np.asarray(model.family.log_density(response.y[rows], model.link.inverse(x), parameters, trials), dtype=float)
        for x in (eta - step, eta, eta + step)
    )
    score = (high - low) / (2.0 * step)
    # a mixture's curvature may be negative: the square of the score has the same expectation
    curvature = np.maximum((2.0 * at - low - high) / step**2, 0.1 * np.square(score))
    return weights * score, weights * curvature


def _inside(y: Array, domain: tuple[float, float]) -> Array:
    """Move responses off the ends of the mean's interval, for a start."""
    lower, upper = domain
    inside = y if not np.isfinite(lower) else np.maximum(y, lower + 0.1)
    return inside if not np.isfinite(upper) else np.minimum(inside, upper - 0.1)
