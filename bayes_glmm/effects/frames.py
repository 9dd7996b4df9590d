"""Effects at the rows of a fit of several data sets: each data set's draws at its own rows, then mixed.

Input: a `Request` and what computes it for a fit of one data set. Output: its table or draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.effects.evaluation import Array, summarise
from bayes_glmm.effects.hypotheses import hypotheses
from bayes_glmm.effects.labels import heading
from bayes_glmm.effects.tables import COLUMNS, Request
from bayes_glmm.errors import PredictionError
from bayes_glmm.printing.table import HEADING

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

__all__ = ["components_of_frames", "of_frames"]

Compute = Callable[[Request], pd.DataFrame | xr.DataArray]


def of_frames(request: Request, compute: Compute) -> pd.DataFrame | xr.DataArray:
    """Compute an effect, data set by data set where the rows are those of several.

    Parameters
    ----------
    request
        What the user asked for.
    compute
        Answers a request about a fit of one data set, or about rows of the user's.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        As of `compute`. Of several data sets, rows' columns that differ between them are left out of the table.

    Raises
    ------
    PredictionError
        If the data sets' rows have different labels, or what is compared or averaged differs between them.
    """
    fit = request.fit
    if len(fit.parts) == 1 or request.frame is not fit.model.design.frame:
        return compute(request)
    frames = [part.model.design.frame for part in fit.parts]
    if request.by is None and not all(frame.index.equals(frames[0].index) for frame in frames):
        raise PredictionError(
            "The frames of the fit have different rows, so rows cannot be matched. Average over them (the function's "
            "avg_ form, or by=), or give rows: newdata=."
        )
    single = [
        replace(request, fit=part, frame=frame, hypothesis=None, rope=None, draws="dataarray")
        for part, frame in zip(fit.parts, frames, strict=True)
    ]
    array = _mixed([compute(one) for one in single], fit.posterior["chain"])
    if request.draws == "dataarray":
        return array
    table = compute(replace(single[0], draws="table"))
    attrs = {**table.attrs, "draws": array.sizes["chain"] * array.sizes["draw"], "frames": len(frames)}
    if request.tests:
        result = hypotheses(array, request.hypothesis, rope=request.rope, ci_prob=request.ci_prob)
        words = f"{table.attrs[HEADING]} {result.attrs[HEADING]}"
        result.attrs = {**attrs, **result.attrs, HEADING: words}
        return result
    varying = [] if request.by is not None else [name for name in frames[0].columns if not _same(frames, str(name))]
    renamed = attrs.get("renamed_columns", {})
    table = table.drop(columns=[renamed.get(name, name) for name in varying])
    summary = summarise(array.to_numpy().reshape(-1, array.sizes["obs"]), request.ci_prob)
    for name in COLUMNS[3:]:
        table[name] = getattr(summary, name)
    attrs["varying_columns"] = varying
    table.attrs = {**attrs, HEADING: heading(attrs)}
    return table


def components_of_frames(fit: Fit, ask: Callable[[Fit], Any]) -> tuple[xr.DataArray, pd.DataFrame, Array]:
    """Mix the draws of quantities that each data set has one set of, such as variance components.

    Parameters
    ----------
    fit
        A fit of several data sets.
    ask
        Returns the draws of a fit of one: dims chain, draw, quantity.

    Returns
    -------
    array : xarray.DataArray
        All draws, chain after chain.
    labels : pandas.DataFrame
        What each quantity is.
    values : numpy.ndarray
        (S, quantities).

    Raises
    ------
    PredictionError
        If the data sets have other quantities.
    """
    array = _mixed([ask(part) for part in fit.parts], fit.posterior["chain"])
    labels = {str(name): values.to_numpy() for name, values in array.coords.items() if values.dims == ("quantity",)}
    values = array.transpose("chain", "draw", "quantity").to_numpy().reshape(-1, array.sizes["quantity"])
    return array, pd.DataFrame(labels), values


def _mixed(arrays: Sequence[pd.DataFrame | xr.DataArray], chain: xr.DataArray) -> xr.DataArray:
    """Put the draws of all data sets one after the other, and refuse what does not line up."""
    parts = [part for part in arrays if isinstance(part, xr.DataArray)]
    for number, part in enumerate(parts[1:], start=2):
        for name, values in parts[0].coords.items():
            if name in ("chain", "draw"):
                continue
            if name not in part.coords or not np.array_equal(values.to_numpy(), part.coords[name].to_numpy()):
                what = "averages" if name == "obs" else f"values of {str(name)!r}"
                raise PredictionError(
                    f"Frame {number} has other {what} than frame 1, so their effects cannot be mixed. State the values "
                    "to compare, or give rows: newdata=."
                )
    array = xr.concat(parts, dim="chain", coords="minimal", compat="override", combine_attrs="override")
    return array.assign_coords(chain=chain.to_numpy(), frame=("chain", chain["frame"].to_numpy()))


def _same(frames: Sequence[pd.DataFrame], name: str) -> bool:
    return all(frame[name].equals(frames[0][name]) for frame in frames)
