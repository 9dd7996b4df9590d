"""Heritability and evolvability: which share of a trait's variance is additive genetic, and on which scale.

Input: a `Fit` with a factor whose levels are related. Output: a row, per posterior draw and summarised last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.partition import (
    Partition,
    component_draws,
    component_table,
    distinct_rows,
    partition_request,
    variance_partition,
)
from bayes_glmm.errors import PredictionError, nearest, warn
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.predict.averages import averaged_mean, averaged_noise, explained_variance
from bayes_glmm.predict.linear import fixed_part
from bayes_glmm.predict.meanings import check_choice
from bayes_glmm.predict.pieces import in_threads
from bayes_glmm.structures.structure import Structure

if TYPE_CHECKING:
    from bayes_glmm.design.grouping import GroupTerm
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]

SCALES = ("latent", "expected", "observed")
_STEP = 1e-3  # of a standard deviation of the latent trait, for the slope of the mean
_SURE = 4.0  # standard deviations of the mean's posterior from zero, for its square to be divided by


class _Trait(NamedTuple):
    """Of every draw (S,): additive variance, phenotypic variance without that of predictors, and the mean."""

    partition: Partition
    additive: Array
    phenotypic: Array
    mean: Array


@own_arguments
def heritability(
    fit: Fit,
    newdata: Any = None,
    *,
    additive: str | None = None,
    scale: str = "latent",
    ci_prob: float | None = None,
    draws: str = "table",
) -> pd.DataFrame | xr.DataArray:
    """Compute the heritability of a trait, per posterior draw.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    newdata
        Rows whose predictors the trait is considered at; None for the rows that were fitted, averaged.
    additive
        The grouping factor whose effects are breeding values, with a pedigree as its known covariance; None for the
        only one that has a known covariance.
    scale
        ``"latent"``: of the linear predictor. ``"expected"``: of E[y | effects], the trait without the family's own
        noise. ``"observed"``: of the responses themselves, of single trials for families with trials.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``stats.ci_prob``.
    draws
        ``"table"``, or ``"dataarray"`` for the draws.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        group, estimate, sd, lower, upper: one row. Or draws with dims chain, draw, quantity.

    Raises
    ------
    PredictionError
        If `additive` is no factor with a known covariance, has slopes, an argument is not one of its values, or the
        model has no such scale.

    Notes
    -----
    With V_A = sd^2 of the additive effects and V_L that of all random effects of the latent trait together, including
    the residual variance where it is on that scale (normal and lognormal responses) and the variance of the
    liability (0/1, proportions and ordered categories: pi^2/3, 1 or pi^2/6, by the link):

    - latent: V_A / V_L;
    - expected: Psi^2 V_A / Var(E[y | effects]), Psi the average slope of E[y | effects] along the latent trait;
    - observed: Psi^2 V_A / Var(y).

    The variance that predictors explain is no part of any of them; averages over rows are taken of each variance. sd^2
    is the variance among unrelated animals that are not inbred. Of a normal response with the identity link all three
    are the same.

    References
    ----------
    de Villemereuil, P., Schielzeth, H., Nakagawa, S. and Morrissey, M. (2016). General methods for evolutionary
    quantitative genetic inference from generalized mixed models. Genetics 204, 1281-1294.
    doi:10.1534/genetics.115.186536.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> birds = bg.simulate("animals", random_seed=1)
    >>> pedigree, weighed = bg.Pedigree(birds), birds.dropna(subset="weight")
    >>> model = bg.GLMM("weight ~ sex + (1 | animal)", weighed, covariances={"animal": pedigree})
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> bg.heritability(fit, additive="animal")["group"].tolist()
    ['animal']
    """
    term = _additive_term(fit, additive, "heritability")
    check_choice("scale", scale, SCALES)
    request = partition_request(fit, newdata, "latent", ci_prob, draws)
    trait = _trait(variance_partition(request, "latent", noise=False), term, scale)
    labels = pd.DataFrame({"group": [term.name]})
    values = (trait.additive / trait.phenotypic)[:, None]
    if draws == "dataarray":
        return component_draws(trait.partition, labels, values, "heritability")
    return component_table(labels, values, request, {"quantity": "heritability", "scale": scale})


@own_arguments
def evolvability(
    fit: Fit,
    newdata: Any = None,
    *,
    additive: str | None = None,
    scale: str = "expected",
    ci_prob: float | None = None,
    draws: str = "table",
) -> pd.DataFrame | xr.DataArray:
    """Compute mean-standardised additive variance, I_A = V_A / mean^2, per posterior draw.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    newdata
        Rows whose predictors the trait is considered at; None for the rows that were fitted, averaged.
    additive
        The grouping factor whose effects are breeding values; None for the only one with a known covariance.
    scale
        ``"expected"``: variance and mean of the response's own scale. ``"latent"``: of the linear predictor, where its
        zero means something.
    ci_prob, draws
        As in `heritability`.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        group, estimate, sd, lower, upper: one row. Or draws with dims chain, draw, quantity.

    Raises
    ------
    PredictionError
        As `heritability`.

    Warns
    -----
    DataWarning
        If the posterior does not tell the trait's mean from zero: 1 / mean^2 then has no upper limit, and no mean.

    References
    ----------
    Houle, D. (1992). Comparing evolvability and variability of quantitative traits. Genetics 130, 195-204.
    doi:10.1093/genetics/130.1.195.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> birds = bg.simulate("animals", random_seed=1)
    >>> pedigree, weighed = bg.Pedigree(birds), birds.dropna(subset="weight")
    >>> model = bg.GLMM("weight ~ sex + (1 | animal)", weighed, covariances={"animal": pedigree})
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> bool(bg.evolvability(fit, additive="animal")["estimate"].iloc[0] > 0)
    True
    """
    term = _additive_term(fit, additive, "evolvability")
    check_choice("scale", scale, SCALES[:2])
    request = partition_request(fit, newdata, "latent", ci_prob, draws)
    trait = _trait(variance_partition(request, "latent", noise=False), term, scale)
    _check_mean(trait.mean)
    labels = pd.DataFrame({"group": [term.name]})
    values = (trait.additive / np.square(trait.mean))[:, None]
    if draws == "dataarray":
        return component_draws(trait.partition, labels, values, "evolvability")
    return component_table(labels, values, request, {"quantity": "evolvability", "scale": scale})


def _check_mean(mean: Array) -> None:
    """Warn of a mean (S,) that may be zero."""
    centre, sd = float(mean.mean()), float(mean.std())
    if abs(centre) < _SURE * sd or mean.min() * mean.max() <= 0.0:
        warn(
            f"The trait's mean is {centre:.3g}, give or take {sd:.3g}: it may be zero, and a variance in units of a "
            "squared mean near zero says nothing. Evolvability is for traits measured from a true zero, such as sizes "
            "and counts; bg.heritability and the variance itself (sd^2 in fit.summary()) need no mean."
        )


def _additive_term(fit: Fit, additive: str | None, what: str) -> GroupTerm:
    check_fit(fit)
    groups = fit.model.design.groups
    related = [term for term in groups if isinstance(term.structure, Structure)]
    if not related:
        raise PredictionError(
            f"{what}: the model has no breeding values. Give a grouping factor a pedigree, "
            "covariances={'animal': bg.Pedigree(...)}; shares of other factors are bg.icc(fit)."
        )
    names = [term.name for term in related]
    if additive is None and len(related) > 1:
        raise PredictionError(
            f"{what}: several factors have a known covariance; say additive={names[0]!r}, or another."
        )
    found = [term for term in related if additive in (None, term.name)]
    if not found:
        raise PredictionError(f"{what}: {additive!r} is no factor with a known covariance. {nearest(additive, names)}")
    if found[0].coefs != ("Intercept",):
        raise PredictionError(
            f"{what}: the effects of {additive!r} have slopes, so that its variance depends on the predictors. It is "
            "defined for (1 | animal) alone."
        )
    return found[0]


def _trait(partition: Partition, term: GroupTerm, scale: str) -> _Trait:
    """Compute additive and phenotypic variance and the mean on one scale."""
    predictor = partition.predictor
    family, normal = predictor.family, predictor.link.name == "identity" and predictor.family.support == "real"
    additive = predictor.draws.covariances[term.name][:, 0, 0]
    # of animals that are not inbred: Z as it is
    parts = [
        np.einsum("sij,ij->s", predictor.draws.covariances[one.name], one.Z.T @ one.Z / predictor.rows)
        for one in predictor.design.groups
    ]
    between = np.sum(parts, axis=0)
    if scale == "latent" or normal:
        mean = fixed_part(predictor.draws, predictor.design, np.arange(predictor.rows)).mean(axis=1)
        return _Trait(partition, additive, between + partition.residual, mean)
    if family.probabilities is not None:
        raise PredictionError(
            f"scale={scale!r}: ordered categories have no variance. Use scale='latent', the scale of the thresholds."
        )
    # what varies on the latent scale itself varies in the expected trait, too
    whole = scale == "observed" or family.response_transform is not None
    draws, design = predictor.draws, predictor.design

    def sums(piece: tuple[npt.NDArray[np.intp], Array, Array]) -> Array:
        rows, share, sizes = piece
        model = (family, predictor.link, predictor.of_means(rows))
        eta = fixed_part(draws, design, rows)
        variance = np.repeat(between[:, None], len(rows), axis=1)
        step = _STEP * np.sqrt(1.0 + variance)
        ahead, behind = averaged_mean(*model, eta + step, variance), averaged_mean(*model, eta - step, variance)
        spread = explained_variance(*model, eta, variance, np.zeros_like(variance))
        if whole:
            spread = spread + averaged_noise(*model, eta, variance, sizes)
        slope, mean = (ahead - behind) / (2.0 * step), averaged_mean(*model, eta, variance)
        return np.stack([slope @ share, spread @ share, mean @ share])

    slope, spread, mean = np.sum(list(in_threads(sums, distinct_rows(predictor))), axis=0)
    return _Trait(partition, np.square(slope) * additive, spread, mean)
