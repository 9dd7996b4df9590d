"""Variance partition: what predictors, each grouping factor and noise contribute to the response's variance, per draw.

Input: a `Fit`, and rows where random slopes or non-linear links make the answer depend on them. Output: a `Partition`,
from which variance components, intraclass correlations and R^2 follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.effects.evaluation import Array, Counterfactuals, Rows, summarise
from bayes_glmm.effects.labels import moments_words
from bayes_glmm.effects.tables import Request, make_request
from bayes_glmm.errors import PredictionError
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.predict.averages import averaged_mean, averaged_noise, explained_variance
from bayes_glmm.predict.expected import RowPredictor, row_predictor
from bayes_glmm.predict.linear import fixed_part, mean_variance, random_variance, term_variance
from bayes_glmm.predict.meanings import check_choice
from bayes_glmm.predict.pieces import chunks, in_threads
from bayes_glmm.printing.table import HEADING, Table

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

SCALES = ("latent", "response")
#: Stands for what grouping factors explain only together, on the response scale.
TOGETHER = "(together)"
_ROUNDING = 1e-7  # of a variance by quadrature
_STEP = 1e-5  # of a difference, relative to a mean


@dataclass(frozen=True, eq=False)
class Partition:
    """Draws of the variance components.

    Parameters
    ----------
    predictor
        The rows and posterior draws they belong to.
    scale
        ``"latent"`` or ``"response"``.
    fixed
        (S,) variance over rows of what the predictors say.
    random
        Grouping factor -> (S,) variance of its effects, averaged over rows.
    residual
        (S,) variance of the response around its expectation given everything, averaged over rows.
    """

    predictor: RowPredictor
    scale: str
    fixed: Array
    random: dict[str, Array]
    residual: Array

    @property
    def between(self) -> Array:
        """(S,) variance of all random effects together."""
        return np.sum([np.zeros_like(self.residual), *self.random.values()], axis=0)


def partition_request(fit: Fit, newdata: Any, scale: str, ci_prob: float | None, draws: str) -> Request:
    """Check the arguments that what builds on a partition shares.

    Parameters
    ----------
    fit
        The fit.
    newdata
        Rows over which variances are taken and averaged; None for the rows that were fitted.
    scale
        ``"latent"`` or ``"response"``.
    ci_prob, draws
        As in `bayes_glmm.predictions`.

    Returns
    -------
    Request
        The checked arguments.

    Raises
    ------
    PredictionError
        If an argument is not one of its values, or an ordered response is asked for on the response scale.
    """
    check_fit(fit, frames=newdata is not None)
    check_choice("scale", scale, SCALES)
    for term in fit.model.design.groups:
        others = [one.name for c, one in enumerate(fit.model.spec.channels, start=1) if term.acts_on(c).any()]
        if others:
            raise PredictionError(
                f"{term.name} has effects on {', '.join(others)}, too: how much of the response's variance a factor "
                "stands for has no accepted definition then, and neither have ICC and R2. Its sds are in fit.summary()."
            )
    if scale == "response" and fit.model.spec.family.probabilities is not None:
        raise PredictionError(
            "scale='response': ordered categories have no variance. Use scale='latent', the scale of the thresholds."
        )
    return make_request(
        fit,
        newdata,
        random_effects="marginal",
        new_levels="error",
        scale="response",
        by=None,
        ci_prob=ci_prob,
        random_seed=0,
        draws=draws,
        averaged=False,
    )


def variance_partition(request: Request, scale: str, noise: bool = True) -> Partition:
    """Compute the variance components of every draw.

    Parameters
    ----------
    request
        Fit and rows.
    scale
        ``"latent"`` or ``"response"``.
    noise
        Whether the latent scale's residual variance includes that of a family that varies about its mean on the
        response's scale, as counts do; its own residual or liability is always there.

    Returns
    -------
    Partition
        The draws.

    Raises
    ------
    PredictionError
        If the average over random effects that the scale needs does not exist for the link.
    """
    unchanged = request.frame is request.fit.model.design.frame
    predictor = row_predictor(
        request.fit, None if unchanged else request.frame, random_effects="marginal", random_seed=0
    )
    size = _known_precision(request.fit)
    if scale == "latent":
        return _latent(predictor, size, noise)
    return response_partition(predictor, None if size is None else np.full(predictor.rows, size))


def _known_precision(fit: Fit) -> float | None:
    """Return one over the mean of the squared standard errors, where they are known."""
    known = fit.model.design.known.get("se")
    return None if known is None else float(1.0 / np.mean(np.square(known)))


def component_draws(partition: Partition, labels: pd.DataFrame, values: Array, name: str) -> xr.DataArray:
    """Give draws of several quantities their dims and labels.

    Parameters
    ----------
    partition
        Where the draws come from.
    labels
        Columns that say what each quantity is, one row each.
    values
        (S, quantities).
    name
        Name of the array.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw, quantity; the columns of `labels` are coordinates along ``quantity``.
    """
    array = partition.predictor.draws.unstack(values).rename({"obs": "quantity"})
    array = array.assign_coords({str(column): ("quantity", labels[column].to_numpy()) for column in labels.columns})
    array.attrs = {"scale": partition.scale}
    return array.rename(name)


def component_table(labels: pd.DataFrame, values: Array, request: Request, attrs: dict[str, Any]) -> pd.DataFrame:
    """Summarise draws of several quantities.

    Parameters
    ----------
    labels
        Columns that say what each quantity is, one row each.
    values
        (S, quantities).
    request
        For the interval's probability.
    attrs
        What the result says of itself.

    Returns
    -------
    pandas.DataFrame
        The labels, estimate, sd, lower, upper.
    """
    summary = summarise(values, request.ci_prob)
    table = Table(labels.assign(estimate=summary.estimate, sd=summary.sd, lower=summary.lower, upper=summary.upper))
    table.attrs = {**attrs, "ci_prob": request.ci_prob, "interval": "equal-tailed", "draws": len(values)}
    scale = f", {attrs['scale']} scale" if "scale" in attrs else ""
    table.attrs[HEADING] = f"{str(attrs['quantity']).capitalize()}{scale}; {moments_words(table.attrs)}."
    return table


def _latent(predictor: RowPredictor, size: float | None, noise: bool) -> Partition:
    draws, design, family = predictor.draws, predictor.design, predictor.family
    centred = design.X - design.X.mean(axis=0)
    spread = centred.T @ centred / max(1, predictor.rows - 1)
    random = {term.name: mean_variance(draws, term) for term in design.groups}
    fixed = np.einsum("si,ij,sj->s", draws.beta, spread, draws.beta)
    if draws.raised:  # its column depends on the draw
        eta = fixed_part(draws, design, np.arange(predictor.rows)) - design.offset
        fixed = eta.var(axis=1, ddof=min(1, predictor.rows - 1))
    latent_variance = family.latent_variance
    if latent_variance is not None:
        if predictor.link.latent_variance == math.inf:
            raise PredictionError(
                f"The latent scale of the {predictor.link.name} link has no variance (a Cauchy distribution's): shares "
                "of it are not offered. Use scale='response'."
            )
        residual = _over_rows(predictor, lambda parameters: latent_variance(predictor.link, parameters))
    elif noise or (family.support == "real" and predictor.link.name == "identity"):
        residual = _residual_by_moments(predictor, size)
    else:
        residual = np.zeros(draws.size)
    return Partition(predictor, "latent", fixed, random, residual)


def _residual_by_moments(predictor: RowPredictor, size: float | None) -> Array:
    """Variance on the link's scale of a response whose mean is the average over rows and random effects."""
    link, family = predictor.link, predictor.family
    predictor = predictor if family.mean is None else replace(predictor, scale="mu")
    means = in_threads(lambda piece: predictor.values(piece[0]) @ piece[1], distinct_rows(predictor))
    mean = np.sum(list(means), axis=0)[:, None]

    def residual(parameters: Mapping[str, Array]) -> Array:
        variance = np.asarray(family.variance(mean, parameters, size), dtype=float)
        # how fast the mean follows the linear predictor, whose scale the variance is put on
        slope = link.inverse_derivative(link.link(mean))
        if family.mean is not None:
            step = _STEP * mean
            slope = slope * (family.mean(mean + step, parameters) - family.mean(mean - step, parameters)) / (2.0 * step)
        # of the log: the mean is the slope, or the slope the mean that counts
        if link.transformed_variance is not None:
            return np.asarray(link.transformed_variance(slope, variance))
        return variance / np.square(slope)

    return _over_rows(predictor, residual)


def _over_rows(predictor: RowPredictor, residual: Callable[[Mapping[str, Array]], Any]) -> Array:
    """Average a residual variance, a function of the family's parameters, over the rows: (S,)."""
    if not predictor.others and not predictor.family.known:
        return np.asarray(residual(predictor.draws.parameters) + np.zeros((predictor.draws.size, 1)))[:, 0]
    total = np.zeros(predictor.draws.size)
    for rows, share, _ in distinct_rows(predictor):
        total += np.broadcast_to(residual(predictor.of_means(rows)), (len(total), len(rows))) @ share
    return total


def distinct_rows(predictor: RowPredictor, trials: Array | None = None) -> list[tuple[Rows, Array, Array]]:
    """List chunks of rows that differ.

    Parameters
    ----------
    predictor
        The rows.
    trials
        (rows,) numbers of trials or precisions; None for one everywhere.

    Returns
    -------
    list of tuple
        Positions, each row's share of all rows, and its number of trials or precision.
    """
    first, kind = Counterfactuals(predictor, predictor.rows, ()).distinct()
    share = np.bincount(kind, minlength=len(first)) / predictor.rows
    # the variance of a proportion is a line in 1/n: rows that differ in n alone have that of their harmonic mean
    sizes = (
        np.ones(len(first)) if trials is None else share * predictor.rows / np.bincount(kind, 1.0 / trials, len(first))
    )
    return [(first[chunk], share[chunk], sizes[chunk]) for chunk in chunks(len(first), predictor.draws.size)]


def response_partition(predictor: RowPredictor, trials: Array | None = None, split: bool = True) -> Partition:
    """Split the response's variance: Var[E[y | x]] over rows, E[Var[E[y | x, u]]] by factor, E[Var[y | x, u]].

    Parameters
    ----------
    predictor
        Rows and draws, random effects averaged over.
    trials
        (rows,) numbers of trials where proportions of so many are meant, or precisions; None for one everywhere.
    split
        Whether to tell the grouping factors apart; otherwise the variance of all of them together is one component.

    Returns
    -------
    Partition
        On the response scale.

    Raises
    ------
    PredictionError
        If the average over random effects does not exist for the link.
    """
    names = [term.name for term in predictor.design.groups] if split else []
    names = names if len(names) > 1 else []
    pieces = distinct_rows(predictor, trials)
    start = pieces[0][0][:1]
    centre = _means(
        predictor, start, random_variance(predictor.draws, predictor.design, start, predictor.design.groups)
    )

    def sums(piece: tuple[Rows, Array, Array]) -> Array:
        return _row_sums(predictor, names, centre, *piece)

    mean, square, noise, between, *parts = np.sum(list(in_threads(sums, pieces)), axis=0)
    random = dict(zip(names, parts, strict=True))
    if random:
        together = between - np.sum(parts, axis=0)
        if np.any(together > _ROUNDING * between):  # nothing of the kind with the identity link
            random[TOGETHER] = np.maximum(together, 0.0)
    elif predictor.design.groups:
        random = {predictor.design.groups[0].name if split else TOGETHER: between}
    fixed = np.maximum(square - np.square(mean), 0.0) * predictor.rows / max(1, predictor.rows - 1)
    return Partition(predictor, "response", fixed, random, noise)


def _means(predictor: RowPredictor, rows: Rows, variance: Array) -> Array:
    draws = predictor.draws
    eta = fixed_part(draws, predictor.design, rows)
    return averaged_mean(predictor.family, predictor.link, predictor.of_means(rows), eta, variance)


def _row_sums(
    predictor: RowPredictor, names: list[str], centre: Array, rows: Rows, share: Array, sizes: Array
) -> Array:
    """Weighted sums over rows, (quantities, S): mean and square about a centre, noise, between groups, each group."""
    draws, design = predictor.draws, predictor.design
    model = (predictor.family, predictor.link, predictor.of_means(rows))
    eta, variance = fixed_part(draws, design, rows), random_variance(draws, design, rows, design.groups)
    distance = _means(predictor, rows, variance) - centre
    noise = averaged_noise(*model, eta, variance, sizes) @ share
    between = explained_variance(*model, eta, variance, np.zeros_like(variance)) @ share
    parts = []
    for term in design.groups:
        if term.name in names:
            part = term_variance(draws, term, rows)
            parts.append(explained_variance(*model, eta, part, np.maximum(variance - part, 0.0)) @ share)
    return np.stack([distance @ share, np.square(distance) @ share, noise, between, *parts])
