"""From computed effects to what users get: a tidy DataFrame, or the draws with their coordinates.

Input: counterfactual copies and the frame of their rows. Output: a `pandas.DataFrame` (the row's own columns or `by`,
what was compared, estimate, sd, lower, upper) whose ``attrs`` say what the numbers mean, or an `xarray.DataArray`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import checked_name, checked_names, checked_seed, interval_probability
from bayes_glmm.design.frame import is_text, sorted_text
from bayes_glmm.effects.evaluation import (
    Contrast,
    Counterfactuals,
    Summary,
    averaged_draws,
    rowwise_draws,
    rowwise_summary,
    summarise,
)
from bayes_glmm.effects.hypotheses import Hypothesis, hypotheses
from bayes_glmm.effects.labels import heading
from bayes_glmm.effects.wording import result_words
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.predict.expected import NEW_LEVELS, RowPredictor, row_predictor
from bayes_glmm.predict.meanings import RandomEffects, as_text, check_choice, factor_meanings, stated
from bayes_glmm.predict.newdata import complete_rows, row_frame
from bayes_glmm.predict.scales import scales
from bayes_glmm.printing.table import HEADING, Table

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

COLUMNS = ("term", "contrast", "category", "estimate", "sd", "lower", "upper")
DRAWS = ("table", "dataarray")
AVERAGES = ("predictions", "effects")


@dataclass(frozen=True, eq=False)
class Request:
    """What the user asked for, checked: the arguments every effect shares.

    Parameters
    ----------
    fit
        The fit.
    frame
        The rows, in the user's order, complete.
    dropped
        Rows of newdata left out because of missing values.
    random_effects
        One meaning, or that of every grouping factor, as in `bayes_glmm.predictions`.
    new_levels, scale
        As in `bayes_glmm.predict.expected.expected`.
    by
        Columns whose combinations are averaged over; None for row by row; empty for one average.
    average
        Order of averaging and combining.
    ci_prob
        Probability of the interval.
    random_seed
        Seed of new levels' draws, never None.
    draws
        ``"table"`` or ``"dataarray"``.
    weights
        Column with the rows' weights in averages; None counts each row once.
    hypothesis, rope
        As in `bayes_glmm.hypotheses`; where one is given, the result is its table.
    """

    fit: Fit
    frame: pd.DataFrame
    dropped: int
    random_effects: RandomEffects
    new_levels: str
    scale: str
    by: tuple[str, ...] | None
    average: str
    ci_prob: float
    random_seed: int
    draws: str
    weights: str | None = None
    hypothesis: Hypothesis | None = None
    rope: tuple[float, float] | None = None

    @property
    def tests(self) -> bool:
        """Whether statements about the effects are asked for instead of the effects."""
        return self.hypothesis is not None or self.rope is not None


def make_request(
    fit: Fit,
    newdata: Any,
    *,
    random_effects: RandomEffects,
    new_levels: str,
    scale: str,
    by: str | Sequence[str] | None,
    average: str = "predictions",
    ci_prob: float | None,
    random_seed: int | None,
    draws: str,
    averaged: bool,
    weights: str | None = None,
    hypothesis: Hypothesis | None = None,
    rope: tuple[float, float] | None = None,
) -> Request:
    """Check the arguments that every effect shares.

    Parameters
    ----------
    fit
        The fit.
    newdata
        Rows, or None for the rows that were fitted.
    random_effects, new_levels, scale, by, average, ci_prob, random_seed, draws
        The user's arguments; None for `ci_prob` takes ArviZ's ``stats.ci_prob``.
    averaged
        Whether one average is wanted where `by` is None.
    weights
        Column with the rows' weights in averages; None counts each row once.
    hypothesis, rope
        As in `bayes_glmm.hypotheses`.

    Returns
    -------
    Request
        The checked arguments.

    Raises
    ------
    PredictionError
        If an argument has no such value.
    """
    check_fit(fit, frames=True)
    choices = (
        ("new_levels", new_levels, NEW_LEVELS),
        ("scale", scale, scales(fit)),
        ("average", average, AVERAGES),
        ("draws", draws, DRAWS),
    )
    for argument, value, valid in choices:
        check_choice(argument, value, valid)
    if draws != "table" and (hypothesis is not None or rope is not None):
        raise PredictionError(
            f"hypothesis and rope give a table, not draws={draws!r}: leave one out, or pass the draws to "
            "bayes_glmm.hypotheses."
        )
    probability = interval_probability(ci_prob)
    meanings = factor_meanings(fit.model.design, random_effects)
    frame, dropped = _rows(fit, newdata, meanings)
    columns = None if by is None else checked_names("by", by)
    columns = () if averaged and columns is None else columns
    weighed = () if weights is None else (checked_name("weights", weights),)
    for argument, names in (("by", columns or ()), ("weights", weighed)):
        for name in names:
            _check_column(argument, name, frame)
    if weights is not None and columns is None:
        raise PredictionError("weights= weigh the rows of averages; give by=, or call the function's avg_ form.")
    return Request(
        fit=fit,
        frame=frame,
        dropped=dropped,
        random_effects=stated(random_effects, meanings),
        new_levels=new_levels,
        scale=scale,
        by=columns,
        average=average,
        ci_prob=probability,
        random_seed=checked_seed(random_seed),
        draws=draws,
        weights=weights,
        hypothesis=hypothesis,
        rope=rope,
    )


def _rows(fit: Fit, newdata: Any, meanings: Mapping[str, str]) -> tuple[pd.DataFrame, int]:
    """Rows that can be predicted, and how many were dropped."""
    if newdata is None:
        return fit.model.design.frame, 0
    given = row_frame(newdata)
    frame = complete_rows(fit, given, meanings=meanings)
    return frame, len(given) - len(frame)


def _check_column(argument: str, name: str, frame: pd.DataFrame) -> None:
    if name not in frame.columns:
        raise PredictionError(
            f"{argument}: the rows have no column {name!r}. {nearest(str(name), map(str, frame.columns))}"
        )


def row_weights(request: Request) -> npt.NDArray[np.float64]:
    """Read the weights of the rows in averages.

    Parameters
    ----------
    request
        The request.

    Returns
    -------
    numpy.ndarray
        (rows,) weights, not normalised; ones where none were asked for.

    Raises
    ------
    PredictionError
        If the column holds anything but numbers that are zero or positive and finite.
    """
    if request.weights is None:
        return np.ones(len(request.frame))
    column = request.frame[request.weights]
    if not pd.api.types.is_numeric_dtype(column):
        raise PredictionError(f"weights: column {request.weights!r} holds {column.dtype}, not numbers.")
    values = column.to_numpy(dtype=float)
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise PredictionError(f"weights: column {request.weights!r} must be finite and not negative.")
    return values


def counterfactuals(request: Request, copies: Sequence[pd.DataFrame], contrasts: Sequence[Contrast]) -> Counterfactuals:
    """Put copies of the request's rows below each other and prepare their predictions.

    Parameters
    ----------
    request
        The request.
    copies
        The rows with some columns changed, all of the same length.
    contrasts
        What to compute from them; for an ordered response, for each category's probability.

    Returns
    -------
    Counterfactuals
        Nothing has been computed yet.
    """
    stacked = copies[0] if len(copies) == 1 else pd.concat(copies, ignore_index=True)
    return contrasted(request, predictor_at(request, stacked), contrasts)


def predictor_at(request: Request, frame: pd.DataFrame) -> RowPredictor:
    """Prepare predictions as the request asks for them.

    Parameters
    ----------
    request
        The request.
    frame
        The rows; those that were fitted are not encoded again.

    Returns
    -------
    RowPredictor
        Nothing has been computed yet.
    """
    return row_predictor(
        request.fit,
        None if frame is request.fit.model.design.frame else frame,
        random_effects=request.random_effects,
        new_levels=request.new_levels,
        scale=request.scale,
        random_seed=request.random_seed,
    )


def contrasted(
    request: Request,
    predictor: RowPredictor,
    contrasts: Sequence[Contrast],
    steps: npt.NDArray[np.float64] | None = None,
) -> Counterfactuals:
    """Say what to compute from a predictor at copies of the request's rows.

    Parameters
    ----------
    request
        The request.
    predictor
        Predictor at the copies, below each other.
    contrasts
        What to compute from them; for an ordered response, for each category's probability.
    steps
        (rows,) how far apart a row's copies are, where contrasts take it.

    Returns
    -------
    Counterfactuals
        Nothing has been computed yet.
    """
    if predictor.categories is not None:
        contrasts = [replace(one, category=label) for one in contrasts for label in enumerate(predictor.categories)]
    return Counterfactuals(predictor, len(request.frame), tuple(contrasts), steps)


def tabulate(request: Request, terms: Sequence[Counterfactuals], attrs: dict[str, Any]) -> pd.DataFrame | xr.DataArray:
    """Compute and return what the request asks for.

    Parameters
    ----------
    request
        The request.
    terms
        Copies and contrasts, one entry a term, in the order of the table.
    attrs
        What the result says besides what the request says.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        The tidy table, or draws with dims chain, draw, obs, in the same order of rows.
    """
    groups, keys = _groups(request)
    labels = [contrast for term in terms for contrast in term.contrasts]
    rows, renamed = _row_columns(request.frame if keys is None else keys, len(labels))
    if keys is not None:
        rows = rows.reset_index(drop=True)
    named = [contrast for contrast in labels for _ in range(len(rows) // len(labels))]
    if any(contrast.term for contrast in named):
        rows = rows.assign(term=[c.term for c in named], contrast=[c.label for c in named])
    if any(contrast.category for contrast in named):
        rows = rows.assign(category=[c.category[1] for c in named if c.category])
    attributes = _attributes(request, terms, attrs, renamed)
    if request.draws == "table" and groups is None and not request.tests:
        parts = [rowwise_summary(term, request.ci_prob) for term in terms]
        return _table(rows, parts, attributes)
    if groups is None:
        draws = [rowwise_draws(term) for term in terms]
    else:
        draws = [averaged_draws(term, groups, row_weights(request), request.average) for term in terms]
    if request.draws == "table" and not request.tests:
        return _table(rows, [summarise(part, request.ci_prob) for part in draws], attributes)
    values = np.concatenate([part.reshape(len(part), -1) for part in draws], axis=1)
    coords: dict[str, object] = {str(name): rows[name].to_numpy() for name in rows.columns if keys is not None}
    coords |= {name: rows[name].to_numpy() for name in COLUMNS[:3] if name in rows.columns}
    coords["obs"] = np.arange(values.shape[1])
    array = terms[0].predictor.draws.unstack(values, coords)
    array.attrs = {**attributes, "random_effects": as_text(request.random_effects)}
    if request.tests:
        table = hypotheses(array, request.hypothesis, rope=request.rope, ci_prob=request.ci_prob)
        words = f"{heading(attributes)} {table.attrs[HEADING]}"
        table.attrs = {**attributes, **table.attrs, HEADING: words}
        return table
    return array.rename("effect")


def _groups(request: Request) -> tuple[npt.NDArray[np.intp] | None, pd.DataFrame | None]:
    """Which average each row belongs to, and the columns that name the averages."""
    if request.by is None:
        return None, None
    frame = request.frame
    if not request.by:
        return np.zeros(len(frame), dtype=np.intp), pd.DataFrame(index=pd.RangeIndex(1))
    columns = list(request.by)
    keys = frame[columns].reset_index(drop=True)  # an index may be called as a column
    texts = {name: keys[name] for name in columns if is_text(keys[name])}
    ordered = keys.assign(
        **{name: pd.Categorical(text, sorted_text(text.dropna().unique())) for name, text in texts.items()}
    )
    codes = ordered.groupby(columns, sort=True, observed=True, dropna=False).ngroup().to_numpy().astype(np.intp)
    _, first = np.unique(codes, return_index=True)
    return codes, keys.iloc[first].reset_index(drop=True)


def _row_columns(frame: pd.DataFrame, repeats: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Repeat the rows for every contrast; columns of the user's that have a result's name get the suffix ``_data``."""
    taken = {str(name) for name in frame.columns} | set(COLUMNS)
    renamed: dict[str, str] = {}
    for name in frame.columns:
        if name in COLUMNS:
            fresh = f"{name}_data"
            while fresh in taken:
                fresh += "_data"
            taken.add(fresh)
            renamed[str(name)] = fresh
    frame = frame.rename(columns=renamed)
    return (pd.concat([frame] * repeats) if repeats > 1 else frame.copy()), renamed


def _table(rows: pd.DataFrame, parts: Sequence[Summary], attrs: dict[str, Any]) -> pd.DataFrame:
    for name in COLUMNS[3:]:
        rows[name] = np.concatenate([getattr(part, name).reshape(-1) for part in parts])
    table = Table(rows)
    table.attrs = {**attrs, HEADING: heading(attrs)}
    return table


def _attributes(
    request: Request, terms: Sequence[Counterfactuals], attrs: dict[str, Any], renamed: dict[str, str]
) -> dict[str, Any]:
    predictor = terms[0].predictor
    result: dict[str, Any] = {
        "random_effects": request.random_effects,
        "scale": request.scale,
        **result_words(request.fit, request.scale),
        "ci_prob": request.ci_prob,
        "interval": "equal-tailed",
        "draws": predictor.draws.size,
        **attrs,
    }
    if predictor.averaged:
        closed = predictor.link.gaussian_mean is not None and predictor.family.mean is None
        result["integral"] = "closed form" if closed else "quadrature"
    drawn = {"new", "conditional"} if request.new_levels == "sample" else {"new"}
    if any(predictor.meanings[term.name] in drawn for term in predictor.read):
        result["new_levels"] = "one deviation from N(0, Sigma) for each draw and distinct new level"
        result["random_seed"] = request.random_seed
        result["monte_carlo"] = (
            f"estimates of new levels have a Monte Carlo error near sd / {math.sqrt(predictor.draws.size):.0f}"
        )
    if request.by is not None:
        result["by"] = list(request.by)
    if request.weights is not None:
        result["weights"] = request.weights
    if request.dropped:
        result["dropped_rows"] = request.dropped
    if renamed:
        result["renamed_columns"] = renamed
    return result
