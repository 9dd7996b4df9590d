"""Predictions: the expected response at rows, or averaged over rows per posterior draw.

Input: a `Fit` and rows. Output: a tidy DataFrame or the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.evaluation import Array, Contrast
from bayes_glmm.effects.frames import of_frames
from bayes_glmm.effects.hypotheses import Hypothesis
from bayes_glmm.effects.tables import Request, counterfactuals, make_request, tabulate
from bayes_glmm.predict.meanings import RandomEffects

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit


@own_arguments
def predictions(
    fit: Fit,
    newdata: Any = None,
    *,
    random_effects: RandomEffects = "conditional",
    new_levels: str = "error",
    scale: str = "response",
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    ci_prob: float | None = None,
    random_seed: int | None = None,
    draws: str = "table",
    hypothesis: Hypothesis | None = None,
    rope: tuple[float, float] | None = None,
) -> pd.DataFrame | xr.DataArray:
    """Predict the expected response row by row, or averaged over the rows of each combination of `by`.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    newdata
        Rows: a table as `GLMM` takes it, a dict of columns, or `bayes_glmm.grid`; None for the rows that were
        fitted.
    random_effects
        ``"conditional"``: each level's own deviation. ``"typical"``: deviation zero, a group at the centre.
        ``"marginal"``: averaged over the population of groups. ``"new"``: every level counts as a group not seen yet,
        and rows without its column are all of one such group. Or one of these for each grouping factor named,
        ``{"Site": "conditional", "Site:Year": "marginal"}``; factors that are not named are averaged over
        (``"marginal"``). Rows need the columns of ``"conditional"`` factors only.
    new_levels
        Under ``"conditional"``, what levels that were not fitted are: ``"error"``; ``"sample"``, a deviation from N(0,
        Sigma) for each draw and each distinct level; ``"typical"``, deviation zero.
    scale
        ``"response"``: E[y | ...], a probability for families with trials. ``"link"``: the linear predictor; under
        ``"marginal"`` the link of the average. Or a distributional parameter by name, on its own scale: ``"mu"``,
        ``"sigma"``, ``"phi"``, ``"nu"``.
    by
        Columns of the rows; predictions are averaged over the rows of each combination, per draw.
    weights
        Column with the rows' weights in averages (``"size"``: by trials); None counts each row once.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``stats.ci_prob``.
    random_seed
        Seed of new levels' deviations.
    draws
        ``"table"``, or ``"dataarray"`` for the draws.
    hypothesis, rope
        Statements about the rows of the result, ``"b2 - b1 = 0"``, ``"pairwise"``, and a region of practical
        equivalence: as in `bayes_glmm.hypotheses`, whose table is returned then.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        The rows' own columns (or `by`), estimate, sd, lower, upper, in the order and with the index of the rows; or
        draws with dims chain, draw, obs. A column of the user's called like a result gets the suffix ``_data``.

    Raises
    ------
    PredictionError
        If an argument is not one of its values, a column is missing, a level is new, or the average does not exist.

    References
    ----------
    Skrondal, A. and Rabe-Hesketh, S. (2009). Prediction in multilevel generalized linear models. Journal of the Royal
    Statistical Society A 172, 659-687. doi:10.1111/j.1467-985X.2009.00587.x.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> rows = bg.grid(fit, period=None)
    >>> table = bg.predictions(fit, rows, random_effects="marginal")
    >>> table["period"].tolist(), table["estimate"].round(1).tolist()
    (['1', '2', '3', '4'], [0.2, 0.1, 0.1, 0.1])
    """
    request = make_request(
        fit,
        newdata,
        random_effects=random_effects,
        new_levels=new_levels,
        scale=scale,
        by=by,
        weights=weights,
        ci_prob=ci_prob,
        random_seed=random_seed,
        draws=draws,
        hypothesis=hypothesis,
        rope=rope,
        averaged=False,
    )
    return of_frames(request, _predictions)


@own_arguments
def avg_predictions(
    fit: Fit,
    newdata: Any = None,
    *,
    random_effects: RandomEffects = "conditional",
    new_levels: str = "error",
    scale: str = "response",
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    ci_prob: float | None = None,
    random_seed: int | None = None,
    draws: str = "table",
    hypothesis: Hypothesis | None = None,
    rope: tuple[float, float] | None = None,
) -> pd.DataFrame | xr.DataArray:
    """Average the expected response over rows, per posterior draw, and summarise last.

    Parameters
    ----------
    fit, newdata, random_effects, new_levels, scale, ci_prob, random_seed, draws, hypothesis, rope
        As in `predictions`.
    by
        Columns; one average for each combination. None for one average over all rows.
    weights
        Column with the rows' weights; None counts each row once.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        One row for each average: `by`, estimate, sd, lower, upper; or draws with dims chain, draw, obs.

    Raises
    ------
    PredictionError
        As in `predictions`.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.avg_predictions(fit, by="period")
    >>> table["estimate"].round(1).tolist()
    [0.2, 0.1, 0.1, 0.1]
    """
    request = make_request(
        fit,
        newdata,
        random_effects=random_effects,
        new_levels=new_levels,
        scale=scale,
        by=by,
        weights=weights,
        ci_prob=ci_prob,
        random_seed=random_seed,
        draws=draws,
        hypothesis=hypothesis,
        rope=rope,
        averaged=True,
    )
    return of_frames(request, _predictions)


def _predictions(request: Request) -> pd.DataFrame | xr.DataArray:
    attrs = {"quantity": "prediction", "averaging": "none: row by row" if request.by is None else "over rows, per draw"}
    contrast = Contrast("", "", (0,), _itself)
    return tabulate(request, [counterfactuals(request, [request.frame], [contrast])], attrs)


def _itself(value: Array) -> Array:
    return value
