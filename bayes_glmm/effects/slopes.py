"""Slopes: the derivative of the expected response with respect to a number, at each row's own values, per draw.

Input: a `Fit`, numeric variables, and rows. Output: a tidy DataFrame or the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.effects.evaluation import Array, Contrast
from bayes_glmm.effects.hypotheses import Hypothesis
from bayes_glmm.effects.tables import Request, counterfactuals, make_request, tabulate
from bayes_glmm.effects.variables import check_variable, is_factor
from bayes_glmm.errors import PredictionError

if TYPE_CHECKING:
    from bayes_glmm.effects.evaluation import Counterfactuals
    from bayes_glmm.inference.fit import Fit

_RELATIVE_STEP = 2e-3  # of the variable's sd; the error of the five-point stencil is its fourth power


def slopes(
    fit: Fit,
    variables: str | Sequence[str],
    *,
    random_effects: str = "conditional",
    new_levels: str = "error",
    newdata: Any = None,
    scale: str = "response",
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    ci_prob: float | None = None,
    random_seed: int | None = None,
    draws: str = "table",
    hypothesis: Hypothesis | None = None,
    rope: tuple[float, float] | None = None,
) -> pd.DataFrame | xr.DataArray:
    """Compute slopes row by row, each at the row's own values, or averaged over the rows of each combination of `by`.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    variables
        One numeric variable or several.
    random_effects, new_levels
        As in `predictions`.
    newdata
        Rows; None for the rows that were fitted.
    scale
        ``"response"`` (units of the expected response for one unit of the variable), ``"link"``, or a distributional
        parameter (``"mu"``).
    by
        Columns; slopes are averaged over the rows of each combination, per draw.
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
        The rows' own columns (or `by`), term, contrast (``"dY/dX"``), estimate, sd, lower, upper; or the draws.

    Raises
    ------
    PredictionError
        If a variable is not a number in the model, or an argument is not one of its values.

    Notes
    -----
    Five-point central differences with the step h = 0.002 sd(x), sd in the data that were fitted:
    (f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / (12 h). The error is h^4 f'''''(x) / 30.

    References
    ----------
    Abramowitz, M. and Stegun, I. A. (1964). Handbook of Mathematical Functions, equation 25.3.6.
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
    return _slopes(request, variables)


def avg_slopes(
    fit: Fit,
    variables: str | Sequence[str],
    *,
    random_effects: str = "conditional",
    new_levels: str = "error",
    newdata: Any = None,
    scale: str = "response",
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    ci_prob: float | None = None,
    random_seed: int | None = None,
    draws: str = "table",
    hypothesis: Hypothesis | None = None,
    rope: tuple[float, float] | None = None,
) -> pd.DataFrame | xr.DataArray:
    """Average the rows' slopes, per posterior draw, and summarise last.

    Parameters
    ----------
    fit, variables, random_effects, new_levels, newdata, scale, ci_prob, random_seed, draws, hypothesis, rope
        As in `slopes`.
    by
        Columns; one average for each combination. None for one average over all rows.
    weights
        Column with the rows' weights; None counts each row once.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        One row for each variable and combination of `by`; or the draws.

    Raises
    ------
    PredictionError
        As in `slopes`.
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
    return _slopes(request, variables)


def _slopes(request: Request, variables: str | Sequence[str]) -> pd.DataFrame | xr.DataArray:
    names = [variables] if isinstance(variables, str) else list(variables)
    if not names:
        raise PredictionError("variables is empty; name at least one numeric variable of the model.")
    averaging = "none: row by row" if request.by is None else "over rows, per draw"
    attrs = {"quantity": "slope", "averaging": averaging}
    return tabulate(request, [_stencil(request, name) for name in names], attrs)


def _stencil(request: Request, name: str) -> Counterfactuals:
    check_variable(request, name)
    if is_factor(request.fit, name):
        raise PredictionError(f"{name!r} is a factor in the model and has no slope; use comparisons(fit, {name!r}).")
    if name not in request.frame.columns:
        raise PredictionError(f"newdata has no column {name!r}, at whose values the slope is wanted.")
    data = request.fit.model.design.frame[name].to_numpy(dtype=float)
    spread = float(data.std()) or max(1.0, float(np.abs(data).max()))
    step = 2.0 ** round(np.log2(_RELATIVE_STEP * spread))  # a power of two: x + h - x is h nearly exactly
    values = request.frame[name].to_numpy(dtype=float)
    copies = [request.frame.assign(**{name: values + multiple * step}) for multiple in (-2, -1, 1, 2)]

    def derivative(far_left: Array, left: Array, right: Array, far_right: Array) -> Array:
        return (8.0 * (right - left) - (far_right - far_left)) / (12.0 * step)

    return counterfactuals(request, copies, [Contrast(name, "dY/dX", (0, 1, 2, 3), derivative)])
