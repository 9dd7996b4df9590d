"""Slopes: the derivative of the expected response with respect to a number, at each row's own values, per draw.

Input: a `Fit`, numeric variables, and rows. Output: a tidy DataFrame or the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from bayes_glmm.arguments import checked_names, own_arguments
from bayes_glmm.design.derivative import differentiate, moved
from bayes_glmm.effects.evaluation import Array, Contrast
from bayes_glmm.effects.frames import of_frames
from bayes_glmm.effects.hypotheses import Hypothesis
from bayes_glmm.effects.tables import Request, contrasted, make_request, predictor_at, tabulate
from bayes_glmm.effects.variables import check_variable, is_factor
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.meanings import RandomEffects

if TYPE_CHECKING:
    from bayes_glmm.effects.evaluation import Counterfactuals
    from bayes_glmm.inference.fit import Fit


@own_arguments
def slopes(
    fit: Fit,
    variables: str | Sequence[str],
    *,
    random_effects: RandomEffects = "conditional",
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
        If a variable is not a number in the model, the model has no derivative at some rows (``sqrt(x)`` at zero), or
        an argument is not one of its values.

    Notes
    -----
    The chain rule. Each column of the design (``log(x)``, the basis of ``bs(x, df=4)``, ``x:f``) is differentiated by
    itself, with steps that become smaller until the result stays the same, and from one side only where the other
    cannot be computed: at the ends of a spline, at the end of a logarithm's domain. The expected response is then
    differentiated along that tangent by (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / (12 h), h = 0.002 sd(x) or less where a
    column is steep; the error is h^4 f'''''(0) / 30. At a kink (``abs(x)`` at zero) the result is the mean of the
    slopes on its two sides.

    References
    ----------
    Abramowitz, M. and Stegun, I. A. (1964). Handbook of Mathematical Functions, equation 25.3.6.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.slopes(fit, "Days", newdata=bg.grid(fit, Subject=["308", "309"]))
    >>> table["Subject"].tolist(), table["estimate"].round(-1).tolist()
    (['308', '309'], [20.0, 0.0])
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
        average="effects",
        averaged=False,
    )
    return of_frames(request, lambda one: _slopes(one, variables))


@own_arguments
def avg_slopes(
    fit: Fit,
    variables: str | Sequence[str],
    *,
    random_effects: RandomEffects = "conditional",
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

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> bg.avg_slopes(fit, "Days")["estimate"].round(-1).tolist()
    [10.0]
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
        average="effects",
        averaged=True,
    )
    return of_frames(request, lambda one: _slopes(one, variables))


def _slopes(request: Request, variables: str | Sequence[str]) -> pd.DataFrame | xr.DataArray:
    names = checked_names("variables", variables)
    if not names:
        raise PredictionError("variables is empty; name at least one numeric variable of the model.")
    averaging = "none: row by row" if request.by is None else "over rows, per draw"
    attrs = {"quantity": "slope", "averaging": averaging}
    return tabulate(request, [_tangent(request, name) for name in names], attrs)


def _tangent(request: Request, name: str) -> Counterfactuals:
    check_variable(request, name)
    if is_factor(request.fit, name):
        raise PredictionError(f"{name!r} is a factor in the model and has no slope; use comparisons(fit, {name!r}).")
    if name not in request.frame.columns:
        raise PredictionError(f"newdata has no column {name!r}, at whose values the slope is wanted.")
    predictor = predictor_at(request, request.frame)
    design = replace(predictor.whole, index=request.frame.index)  # errors name the user's rows
    derivative = differentiate(request.fit.model.design, design, name)
    predictor = replace(predictor, whole=moved(design, derivative, (-2, -1, 1, 2)))
    return contrasted(request, predictor, [Contrast(name, "dY/dX", (0, 1, 2, 3), _central)], derivative.steps)


def _central(far_left: Array, left: Array, right: Array, far_right: Array, steps: Array) -> Array:
    return (8.0 * (right - left) - (far_right - far_left)) / (12.0 * steps)
