"""How much studies differ beyond their standard errors, and the studies beside their pooled effect.

Input: a `Fit` of responses with known standard errors. Output: tables of draws' summaries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import stats

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.evaluation import summarise
from bayes_glmm.effects.icc import ALL_GROUPS
from bayes_glmm.effects.labels import moments_words
from bayes_glmm.effects.partition import (
    Partition,
    component_draws,
    component_table,
    partition_request,
    variance_partition,
)
from bayes_glmm.errors import PredictionError
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.predict.expected import row_predictor
from bayes_glmm.predict.pieces import chunks
from bayes_glmm.printing.table import HEADING, Table

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]

#: The residual variance beside known errors, among the grouping factors.
RESIDUAL = "(residual)"
_NEW = 5  # of the seeds of a table: draws of new studies are the same each time


@own_arguments
def heterogeneity(fit: Fit, *, ci_prob: float | None = None, draws: str = "table") -> pd.DataFrame | xr.DataArray:
    """Compute how much true effects differ between studies: tau, tau^2, I^2 and H^2, per posterior draw.

    Parameters
    ----------
    fit
        A fit of responses with known standard errors, ``se(yi, sei) ~ 1 + (1 | study)``; it is not changed.
    ci_prob
        Probability of the equal-tailed intervals; None for ArviZ's ``stats.ci_prob``.
    draws
        ``"table"``, or ``"dataarray"`` for the draws.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        quantity, group, estimate, sd, lower, upper: for each grouping factor, for the residual variance where it is
        estimated, and for ``(all)`` of several together ``tau`` (a standard deviation, unit of the response),
        ``tau^2`` and ``I^2`` (a share between 0 and 1), then ``H^2`` of all together. Or draws with dims chain, draw,
        quantity.

    Raises
    ------
    PredictionError
        If standard errors are not known, nothing differs between rows beyond them, or an argument is not one of its
        values.

    Notes
    -----
    I^2 = tau^2 / (sum of all tau^2 + s^2) and H^2 = (sum of all tau^2 + s^2) / s^2; s^2 is the typical variance of an
    estimate, (k - p) / trace(W - W X (X'W X)^-1 X'W) with W = diag(1 / se^2), k rows and p coefficients (Higgins and
    Thompson 2002, equation 9, where X is the intercept alone); with several factors each has its share of the total
    (Nakagawa and Santos 2012). Where effects of slopes vary, tau^2 is their variance averaged over the rows. I^2 says
    which share of the *observed* variation is real, not how large it is; tau says that.

    References
    ----------
    Higgins, J. P. T. and Thompson, S. G. (2002). Quantifying heterogeneity in a meta-analysis. Statistics in Medicine
    21, 1539-1558. doi:10.1002/sim.1186.
    Nakagawa, S. and Santos, E. S. A. (2012). Methodological issues and advances in biological meta-analysis.
    Evolutionary Ecology 26, 1253-1274. doi:10.1007/s10682-012-9555-5.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("se(yi, sei) ~ 1 + (1 | study)", bg.load_dataset("bcg"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.heterogeneity(fit)
    >>> table["quantity"].tolist()
    ['tau', 'tau^2', 'I^2', 'H^2']
    """
    _check_errors(fit, "heterogeneity")
    request = partition_request(fit, None, "latent", ci_prob, draws)
    partition = variance_partition(request, "latent")
    between = _between(fit, partition)
    typical = typical_variance(fit)
    total = np.sum(list(between.values()), axis=0)
    if len(between) > 1:
        between[ALL_GROUPS] = total
    values, labels = [], []
    for group, variance in between.items():
        values += [np.sqrt(variance), variance, variance / (total + typical)]
        labels += [(quantity, group) for quantity in ("tau", "tau^2", "I^2")]
    values.append((total + typical) / typical)
    labels.append(("H^2", labels[-1][1]))
    columns, stacked = pd.DataFrame(labels, columns=["quantity", "group"]), np.stack(values, axis=1)
    if draws == "dataarray":
        return component_draws(partition, columns, stacked, "heterogeneity")
    table = component_table(columns, stacked, request, {"quantity": "heterogeneity"})
    table.attrs["typical_variance"] = typical
    return table


def typical_variance(fit: Fit) -> float:
    """Compute the typical variance of an estimate, as Higgins and Thompson (2002) define it.

    Parameters
    ----------
    fit
        A fit of responses with known standard errors.

    Returns
    -------
    float
        Squared unit of the response; the mean of se^2 where coefficients leave no row to judge by.
    """
    design = fit.model.design
    X, w = design.X, 1.0 / np.square(design.known["se"])
    rows, rank = len(X), int(np.linalg.matrix_rank(X)) if X.shape[1] else 0
    if rows <= rank:
        return float(np.mean(1.0 / w))
    root = np.linalg.qr(X * np.sqrt(w)[:, None])[0] if rank else np.zeros((rows, 0))
    return float((rows - rank) / (w.sum() - np.sum(np.square(root) * w[:, None])))


@own_arguments
def studies(fit: Fit, *, ci_prob: float | None = None, random_seed: int = _NEW) -> pd.DataFrame:
    """List the studies as observed and as the model sees them, with their average and a new one.

    Parameters
    ----------
    fit
        A fit of responses with known standard errors; it is not changed.
    ci_prob
        Probability of the equal-tailed intervals; None for ArviZ's ``stats.ci_prob``.
    random_seed
        Seed of the effects of new studies.

    Returns
    -------
    pandas.DataFrame
        A row for each row of the data: ``study`` (its level of the grouping factor that has one for every row, else the
        data's own label), ``observed`` and its ``se`` with the interval ``observed_lower`` to ``observed_upper``, the
        ``fitted`` average of its predictors, and ``estimate``, ``sd``, ``lower``, ``upper`` of its true effect. Where
        the average is one for all studies there are two more rows of kind ``"average"`` and ``"new study"``, the
        interval of the latter being that in which the true effect of another study lies.

    Raises
    ------
    PredictionError
        If standard errors are not known, or an argument is not one of its values.

    Notes
    -----
    The interval as observed is response +- z se. The true effect of a row is its linear predictor with its own effects:
    partially pooled. A new study's is the average and one draw from N(0, sum of all tau^2) for each posterior draw, the
    prediction interval of Higgins, Thompson and Spiegelhalter (2009) without its approximation.

    References
    ----------
    Higgins, J. P. T., Thompson, S. G. and Spiegelhalter, D. J. (2009). A re-evaluation of random-effects meta-analysis.
    Journal of the Royal Statistical Society A 172, 137-159. doi:10.1111/j.1467-985X.2008.00552.x.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("se(yi, sei) ~ 1 + (1 | study)", bg.load_dataset("bcg"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> bg.studies(fit)["kind"].tail(3).tolist()
    ['study', 'average', 'new study']
    """
    _check_errors(fit, "studies")
    request = partition_request(fit, None, "latent", ci_prob, "table")
    design = fit.model.design
    response = design.response
    assert response is not None
    z = stats.norm.ppf(0.5 + 0.5 * request.ci_prob)
    own, average = (_predictions(fit, meaning, request.ci_prob) for meaning in ("conditional", "typical"))
    se = design.known["se"]
    table = pd.DataFrame(
        {
            "kind": "study",
            "study": _labels(fit),
            "observed": response.y,
            "se": se,
            "observed_lower": response.y - z * se,
            "observed_upper": response.y + z * se,
            "fitted": average["estimate"],
            **own,
        }
    )
    if np.ptp(design.X, axis=0).max(initial=0.0) == 0.0 and np.ptp(design.offset) == 0.0:
        partition = variance_partition(request, "latent")
        total = np.sum(list(_between(fit, partition).values()), axis=0)
        mean = row_predictor(fit, None, random_effects="typical", scale="link", random_seed=0).linear(np.array([0]))
        normal = np.random.default_rng(random_seed).standard_normal(len(total))
        for kind, values in (("average", mean[:, 0]), ("new study", mean[:, 0] + np.sqrt(total) * normal)):
            table.loc[len(table)] = {"kind": kind, "study": kind, **_summary(values, request.ci_prob)}
    result = Table(table)
    result.attrs = {"response": response.name, "ci_prob": request.ci_prob, "interval": "equal-tailed", "draws": 0}
    result.attrs[HEADING] = (
        f"Studies of {response.name}, as observed and partially pooled; {moments_words(result.attrs)}."
    )
    return result


def _check_errors(fit: Fit, name: str) -> None:
    check_fit(fit)
    if "se" not in fit.model.design.known:
        raise PredictionError(
            f"{name} is about responses with known standard errors, se(yi, sei) ~ 1 + (1 | study). How much studies "
            "of counts differ is the sd of their effects, in the summary, and icc(fit)."
        )


def _between(fit: Fit, partition: Partition) -> dict[str, Array]:
    """Variances (S,) of each grouping factor, and of the residual beside known errors."""
    between = dict(partition.random)
    if "sigma" in partition.predictor.draws.parameters:
        between[RESIDUAL] = np.square(partition.predictor.draws.parameters["sigma"][:, 0])
    if not between:
        raise PredictionError(
            "The model says that all studies have one true effect: nothing differs. Add (1 | study), or estimate a "
            "residual by se(yi, sei, sigma=True)."
        )
    return between


def _predictions(fit: Fit, meaning: str, ci_prob: float) -> dict[str, Array]:
    predictor = row_predictor(fit, None, random_effects=meaning, scale="response", random_seed=0)
    parts = [_summary(predictor.values(rows), ci_prob) for rows in chunks(predictor.rows, predictor.draws.size)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _summary(values: Array, ci_prob: float) -> dict[str, Array]:
    summary = summarise(values, ci_prob)
    return {"estimate": summary.estimate, "sd": summary.sd, "lower": summary.lower, "upper": summary.upper}


def _labels(fit: Fit) -> list[str]:
    """Names of the rows: levels of a factor that has one for each, else the data's labels."""
    design = fit.model.design
    for term in design.groups:
        if len(np.unique(term.codes)) == design.size:
            return [str(term.levels[code]) for code in term.codes]
    return [str(label) for label in design.index]
