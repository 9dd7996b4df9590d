"""From computed effects to what users get: a tidy DataFrame, or the draws with their coordinates.

Input: counterfactual copies and the frame of their rows. Output: a `pandas.DataFrame` (the row's own columns or `by`,
what was compared, estimate, sd, lower, upper) whose ``attrs`` say what the numbers mean, or an `xarray.DataArray`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from arviz_base import rcParams

from bayes_glmm.effects.evaluation import (
    Contrast,
    Counterfactuals,
    Summary,
    averaged_draws,
    rowwise_draws,
    rowwise_summary,
    summarise,
)
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.predict.expected import NEW_LEVELS, RANDOM_EFFECTS, SCALES, check_choice, row_predictor
from bayes_glmm.predict.newdata import complete_rows, row_frame

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
    random_effects, new_levels, scale
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
    """

    fit: Fit
    frame: pd.DataFrame
    dropped: int
    random_effects: str
    new_levels: str
    scale: str
    by: tuple[str, ...] | None
    average: str
    ci_prob: float
    random_seed: int
    draws: str


def make_request(
    fit: Fit,
    newdata: Any,
    *,
    random_effects: str,
    new_levels: str,
    scale: str,
    by: str | Sequence[str] | None,
    average: str = "predictions",
    ci_prob: float | None,
    random_seed: int | None,
    draws: str,
    averaged: bool,
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

    Returns
    -------
    Request
        The checked arguments.

    Raises
    ------
    PredictionError
        If an argument has no such value.
    """
    choices = (
        ("random_effects", random_effects, RANDOM_EFFECTS),
        ("new_levels", new_levels, NEW_LEVELS),
        ("scale", scale, SCALES),
        ("average", average, AVERAGES),
        ("draws", draws, DRAWS),
    )
    for argument, value, valid in choices:
        check_choice(argument, value, valid)
    probability = float(rcParams["stats.ci_prob"] if ci_prob is None else ci_prob)
    if not 0 < probability < 1:
        raise PredictionError(f"ci_prob={ci_prob} is not a probability; give a number between 0 and 1, such as 0.89.")
    if newdata is None:
        given = frame = fit.model.design.frame
    else:
        given = row_frame(newdata)
        frame = complete_rows(fit, given, levels=random_effects in ("conditional", "new"))
    columns = None if by is None else (by,) if isinstance(by, str) else tuple(by)
    for name in columns or ():
        if name not in frame.columns:
            raise PredictionError(
                f"by: the rows have no column {name!r}. {nearest(str(name), map(str, frame.columns))}"
            )
    if random_seed is None:
        random_seed = int(np.random.SeedSequence().generate_state(1)[0])
    return Request(
        fit,
        frame,
        len(given) - len(frame),
        random_effects,
        new_levels,
        scale,
        () if averaged and columns is None else columns,
        average,
        probability,
        random_seed,
        draws,
    )


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
    unchanged = len(copies) == 1 and stacked is request.fit.model.design.frame
    predictor = row_predictor(
        request.fit,
        None if unchanged else stacked,
        random_effects=request.random_effects,
        new_levels=request.new_levels,
        scale=request.scale,
        random_seed=request.random_seed,
    )
    if predictor.categories is not None:
        contrasts = [replace(one, category=label) for one in contrasts for label in enumerate(predictor.categories)]
    return Counterfactuals(predictor, len(request.frame), tuple(contrasts))


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
    if request.draws == "table" and groups is None:
        parts = [rowwise_summary(term, request.ci_prob) for term in terms]
        return _table(rows, parts, attributes)
    if groups is None:
        draws = [rowwise_draws(term) for term in terms]
    else:
        draws = [averaged_draws(term, groups, request.average) for term in terms]
    if request.draws == "table":
        return _table(rows, [summarise(part, request.ci_prob) for part in draws], attributes)
    values = np.concatenate([part.reshape(len(part), -1) for part in draws], axis=1)
    coords: dict[str, object] = {str(name): rows[name].to_numpy() for name in rows.columns if keys is not None}
    coords |= {name: rows[name].to_numpy() for name in COLUMNS[:3] if name in rows.columns}
    coords["obs"] = np.arange(values.shape[1])
    array = terms[0].predictor.draws.unstack(values, coords)
    array.attrs = attributes
    return array.rename("effect")


def _groups(request: Request) -> tuple[npt.NDArray[np.intp] | None, pd.DataFrame | None]:
    """Which average each row belongs to, and the columns that name the averages."""
    if request.by is None:
        return None, None
    frame = request.frame
    if not request.by:
        return np.zeros(len(frame), dtype=np.intp), pd.DataFrame(index=pd.RangeIndex(1))
    columns = list(request.by)
    codes = frame.groupby(columns, sort=True, observed=True, dropna=False).ngroup().to_numpy().astype(np.intp)
    _, first = np.unique(codes, return_index=True)
    return codes, frame[columns].iloc[first].reset_index(drop=True)


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
    rows.attrs = attrs
    return rows


def _attributes(
    request: Request, terms: Sequence[Counterfactuals], attrs: dict[str, Any], renamed: dict[str, str]
) -> dict[str, Any]:
    predictor = terms[0].predictor
    result: dict[str, Any] = {
        "random_effects": request.random_effects,
        "scale": request.scale,
        "ci_prob": request.ci_prob,
        "interval": "equal-tailed",
        "draws": predictor.draws.size,
        **attrs,
    }
    if request.random_effects == "marginal":
        closed = predictor.link.gaussian_mean is not None and predictor.family.mean is None
        result["integral"] = "closed form" if closed else "quadrature"
    sampled = request.random_effects == "new" or (
        request.random_effects == "conditional" and request.new_levels == "sample"
    )
    if sampled:
        result["new_levels"] = "one deviation from N(0, Sigma) for each draw and distinct new level"
        result["random_seed"] = request.random_seed
        result["monte_carlo"] = (
            f"estimates of new levels have a Monte Carlo error near sd / {math.sqrt(predictor.draws.size):.0f}"
        )
    if request.dropped:
        result["dropped_rows"] = request.dropped
    if renamed:
        result["renamed_columns"] = renamed
    return result
