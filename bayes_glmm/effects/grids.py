"""Grids: rows for predictions where the columns named take the values given and the other predictors stay put.

Input: a `Fit` and columns. Output: a frame with one row for each combination.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Never

import numpy as np
import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.effects.variables import fitted_levels, is_factor, two_values
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.inference.fit import check_fit

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

_POINTS = 50


def grid(fit: Fit, /, *unnamed: Never, **columns: Any) -> pd.DataFrame:
    """Make rows for predictions: all combinations of the values given, other predictors at mean or commonest level.

    Parameters
    ----------
    fit
        The fit.
    *unnamed
        None: columns go by their names.
    **columns
        Column -> a value, several values, or None: every level of a factor, both values of a number that takes two, or
        50 points from the least to the greatest value of any other number. Grouping factors may be given too, and
        numbers of trials, which predictions of probabilities do not need and new responses do; None for these is every
        value in the data fitted.

    Returns
    -------
    pandas.DataFrame
        The columns given, in their order, then the model's other predictors: numbers at the mean of the data fitted,
        factors and numbers that take two values (0 and 1, say) at their commonest one. Grouping factors that are not
        given are *left out*, because no level stands for all: take their effects as ``"typical"``, ``"marginal"`` or
        ``"new"``, which need none.

    Raises
    ------
    PredictionError
        If the model has no such column or a factor has no such level.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> bg.grid(fit, period=None)["period"].tolist()
    ['1', '2', '3', '4']

    ``bg.predictions(fit, bg.grid(fit, period=None), random_effects="marginal")`` has one row for each period;
    ``bg.predictions(fit, bg.grid(fit, Site=None), random_effects={"Site": "conditional"})`` one for each site, in an
    average year.
    """
    check_fit(fit, frames=True)
    if unnamed:
        raise PredictionError("grid takes columns by their names: grid(fit, x=[0, 1], f=None).")
    formula, trials = fit.model.spec.formula, fit.model.design.encoders.response.trials
    valid = tuple(dict.fromkeys((*formula.predictors, *formula.group_columns, *(trials.columns if trials else ()))))
    values: dict[str, list[Any]] = {}
    for name, given in columns.items():
        if name not in valid:
            raise PredictionError(f"grid: the model has no predictor {name!r}. {nearest(name, valid)}")
        values[name] = _values(fit, name, given)
    frame = pd.DataFrame(list(itertools.product(*values.values())), columns=list(values))
    others = {name: _centre(fit, name) for name in formula.predictors if name not in values}
    for name in columns:
        data = fit.model.design.frame[name]
        if name in formula.predictors and isinstance(data.dtype, pd.CategoricalDtype):
            frame[name] = pd.Categorical(frame[name], categories=data.cat.categories, ordered=data.cat.ordered)
    return frame.assign(**others)


def _values(fit: Fit, name: str, given: Any) -> list[Any]:
    factor = is_factor(fit, name)
    if given is None:
        if factor:
            return fitted_levels(fit, name)
        if both := two_values(fit, name):
            return both
        data = fit.model.design.frame[name].to_numpy(dtype=float)
        return np.linspace(data.min(), data.max(), _POINTS).tolist()
    values = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
    if not values:
        raise PredictionError(f"grid: {name!r} has no values.")
    if any(np.ndim(value) or pd.isna(value) for value in values):
        raise PredictionError(f"grid: {name!r} takes single values, none of them missing; None alone stands for all.")
    if factor and name in fit.model.spec.formula.predictors:
        levels = fitted_levels(fit, name)
        for value in values:
            if value not in levels:
                raise PredictionError(f"grid: {name!r} has no level {in_words(value)}. {nearest(value, levels)}")
    return values


def _centre(fit: Fit, name: str) -> Any:
    data = fit.model.design.frame[name]
    return data.mode().iloc[0] if is_factor(fit, name) or two_values(fit, name) else float(data.mean())
