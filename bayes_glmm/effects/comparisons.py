"""Comparisons: how the expected response changes when a variable does, per posterior draw.

Input: a `Fit`, variables, and rows. Output: a tidy DataFrame or the draws.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.evaluation import Array, Contrast
from bayes_glmm.effects.frames import of_frames
from bayes_glmm.effects.hypotheses import Hypothesis
from bayes_glmm.effects.tables import Request, counterfactuals, make_request, tabulate
from bayes_glmm.effects.variables import crossed, resolve_variables
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.meanings import RandomEffects, check_choice

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

Comparison = str | Callable[[Array, Array], Array]

_OPERATOR = re.compile(r"[-+*/]")
_NUMBER = re.compile(r"\d+(\.\d+)?(e[-+]\d+)?")


def _difference(high: Array, low: Array) -> Array:
    return high - low


def _ratio(high: Array, low: Array) -> Array:
    return high / low


def _lift(high: Array, low: Array) -> Array:
    return (high - low) / low


def _odds_ratio(high: Array, low: Array) -> Array:
    return (high / (1 - high)) / (low / (1 - low))


def _log_ratio(high: Array, low: Array) -> Array:
    return np.log(high / low)


def _log_odds_ratio(high: Array, low: Array) -> Array:
    return np.log(_odds_ratio(high, low))


COMPARISONS: dict[str, tuple[Callable[[Array, Array], Array], str]] = {
    "difference": (_difference, "{high} - {low}"),
    "ratio": (_ratio, "{high} / {low}"),
    "lift": (_lift, "({high} - {low}) / {low}"),
    "odds_ratio": (_odds_ratio, "odds({inner_high}) / odds({inner_low})"),
    "log_ratio": (_log_ratio, "log({high} / {low})"),
    "log_odds_ratio": (_log_odds_ratio, "log(odds({inner_high}) / odds({inner_low}))"),
}


@own_arguments
def comparisons(
    fit: Fit,
    variables: str | Sequence[str] | Mapping[str, Any],
    *,
    comparison: Comparison = "difference",
    random_effects: RandomEffects = "conditional",
    new_levels: str = "error",
    newdata: Any = None,
    scale: str = "response",
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    average: str = "predictions",
    cross: bool = False,
    ci_prob: float | None = None,
    random_seed: int | None = None,
    draws: str = "table",
    hypothesis: Hypothesis | None = None,
    rope: tuple[float, float] | None = None,
) -> pd.DataFrame | xr.DataArray:
    """Compare the expected response between values of a variable, everything else as in each row.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    variables
        A name, several names, or a mapping from names to what is compared: a number (a step), a tuple (low, high), a
        list of values (the first is the reference), ``"reference"``, ``"sequential"`` or ``"pairwise"`` levels of a
        factor, ``"minmax"``, ``"iqr"`` or ``"sd"`` of a number. By default factors compare each level with the first
        one, booleans True with False, numbers with two values in the data (0 and 1, say) the greater with the lesser,
        and other numbers x + 1 with x.
    comparison
        ``"difference"`` (of risks, of means), ``"ratio"`` (of risks, of rates), ``"lift"`` (relative difference),
        ``"odds_ratio"``, ``"log_ratio"``, ``"log_odds_ratio"``, or a function of two arrays of draws (high, low) that
        returns an array of their shape, named in the table as it is in Python (a lambda: ``custom``).
    random_effects, new_levels
        As in `predictions`. The two sides share the group's deviations, new ones included.
    newdata
        Rows; None for the rows that were fitted.
    scale
        ``"response"``, ``"link"`` (differences and functions only), or a distributional parameter (``"sigma"``).
    by
        Columns; comparisons are averaged over the rows of each combination, per draw.
    average
        Where there is an average: ``"predictions"`` averages the two sides and compares the averages (a ratio of
        averages); ``"effects"`` compares row by row and averages (an average of ratios).
    cross
        Whether several variables change at the same time, in every combination of what is compared, instead of one
        after the other.
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
        The rows' own columns (or `by`), term, contrast (``"b - a"``, ``"(x + 1) / x"``), estimate, sd, lower, upper;
        ``attrs["averaging"]`` says which average it is. The rows repeat for each contrast. Or draws with dims chain,
        draw, obs and the same order.

    Raises
    ------
    PredictionError
        If a variable is not in the model, or an argument makes no sense for it.

    References
    ----------
    Arel-Bundock, V., Greifer, N. and Heiss, A. (2024). How to interpret statistical models using marginaleffects for R
    and Python. Journal of Statistical Software 111(9). doi:10.18637/jss.v111.i09.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.comparisons(fit, "period", newdata=bg.grid(fit), random_effects="typical")
    >>> table["contrast"].tolist()
    ['2 - 1', '3 - 1', '4 - 1']
    """
    request = make_request(
        fit,
        newdata,
        random_effects=random_effects,
        new_levels=new_levels,
        scale=scale,
        by=by,
        weights=weights,
        average=average,
        ci_prob=ci_prob,
        random_seed=random_seed,
        draws=draws,
        hypothesis=hypothesis,
        rope=rope,
        averaged=False,
    )
    return of_frames(request, lambda one: _comparisons(one, variables, comparison, cross))


@own_arguments
def avg_comparisons(
    fit: Fit,
    variables: str | Sequence[str] | Mapping[str, Any],
    *,
    comparison: Comparison = "difference",
    random_effects: RandomEffects = "conditional",
    new_levels: str = "error",
    newdata: Any = None,
    scale: str = "response",
    by: str | Sequence[str] | None = None,
    weights: str | None = None,
    average: str = "predictions",
    cross: bool = False,
    ci_prob: float | None = None,
    random_seed: int | None = None,
    draws: str = "table",
    hypothesis: Hypothesis | None = None,
    rope: tuple[float, float] | None = None,
) -> pd.DataFrame | xr.DataArray:
    """Compare averages over rows between values of a variable, per posterior draw, and summarise last.

    Parameters
    ----------
    fit, variables, comparison, random_effects, new_levels, newdata, scale, average, cross, ci_prob, random_seed
        As in `comparisons`.
    draws, hypothesis, rope
        As in `comparisons`.
    by
        Columns; one average for each combination. None for one average over all rows.
    weights
        Column with the rows' weights; None counts each row once.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        One row for each contrast and combination of `by`: `by`, term, contrast, estimate, sd, lower, upper; or the
        draws.

    Raises
    ------
    PredictionError
        As in `comparisons`.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.avg_comparisons(fit, {"period": ("1", "2")}, comparison="odds_ratio", random_effects="marginal")
    >>> table["contrast"].tolist(), table["estimate"].round(1).tolist()
    (['odds(2) / odds(1)'], [0.4])
    """
    request = make_request(
        fit,
        newdata,
        random_effects=random_effects,
        new_levels=new_levels,
        scale=scale,
        by=by,
        weights=weights,
        average=average,
        ci_prob=ci_prob,
        random_seed=random_seed,
        draws=draws,
        hypothesis=hypothesis,
        rope=rope,
        averaged=True,
    )
    return of_frames(request, lambda one: _comparisons(one, variables, comparison, cross))


def _comparisons(request: Request, variables: Any, comparison: Comparison, cross: bool) -> pd.DataFrame | xr.DataArray:
    combine, template, name = _comparison(request, comparison)
    items = resolve_variables(request, variables)
    terms = []
    for item in [crossed(request, items)] if cross else items:
        contrasts = [
            Contrast(item.term, _label(template, item.names[high], item.names[low]), (high, low), combine)
            for high, low in item.pairs
        ]
        terms.append(counterfactuals(request, item.copies, contrasts))
    attrs = {"quantity": "comparison", "comparison": name, "averaging": _averaging(request, name)}
    return tabulate(request, terms, attrs)


def _label(template: str, high: str, low: str) -> str:
    """Write what is compared; names with operators of their own stand in parentheses: ``(x + 1) / x``, ``2 - (-1)``."""

    def operand(name: str) -> str:
        plain = name.startswith("(") or _NUMBER.fullmatch(name) or not _OPERATOR.search(name)
        return name if plain else f"({name})"

    return template.format(high=operand(high), low=operand(low), inner_high=high, inner_low=low)


def _comparison(request: Request, comparison: Comparison) -> tuple[Callable[[Array, Array], Array], str, str]:
    if callable(comparison):
        name = str(getattr(comparison, "__name__", type(comparison).__name__))
        name = "custom" if name == "<lambda>" else name
        return _checked(comparison, name), f"{name}({{inner_high}}, {{inner_low}})", name
    check_choice("comparison", comparison, tuple(COMPARISONS))
    if request.scale == "link" and comparison != "difference":
        raise PredictionError(
            f"comparison={comparison!r} of linear predictors has no meaning; use scale='response', or 'difference'."
        )
    support = request.fit.model.spec.family.support
    if "odds" in comparison and support not in (
        "binary",
        "trials",
        "unit",
        "unit_zero",
        "unit_closed",
        "ordered",
        "unordered",
    ):
        raise PredictionError(
            f"comparison={comparison!r} needs a mean between 0 and 1; the family {request.fit.model.spec.family.name} "
            f"has responses of kind {support!r}. Use 'ratio'."
        )
    return *COMPARISONS[comparison], comparison


def _checked(function: Callable[[Array, Array], Array], name: str) -> Callable[[Array, Array], Array]:
    def combine(high: Array, low: Array) -> Array:
        try:
            result = np.asarray(function(high, low), dtype=float)
        except ValueError as error:
            raise PredictionError(
                f"comparison: {name} gave something else than an array of numbers: {error}."
            ) from None
        if result.shape != high.shape:
            raise PredictionError(
                f"comparison: {name} turned draws of shape {high.shape} into shape {result.shape}. It must work "
                "elementwise on (draw, row) arrays; averaging and summarising come after it."
            )
        return result

    return combine


def _averaging(request: Request, name: str) -> str:
    if request.by is None:
        return "none: row by row"
    if name == "difference":
        return "over rows, per draw"
    if request.average == "predictions":
        return f"{name} of averages over rows, per draw"
    return f"average over rows of row-wise {name}, per draw"
