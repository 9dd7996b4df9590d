"""Columns that a model does not use, beside those it does: the user's table lined up with the rows of a design.

Input: a `Design` and a table. Output: a pandas frame with the design's rows in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_glmm.design.frame import missing_mask
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.newdata import row_frame

if TYPE_CHECKING:
    from bayes_glmm.design.design import Design


def frame_with(design: Design, data: Any) -> pd.DataFrame:
    """Add a table's columns to those that the design was built from.

    Parameters
    ----------
    design
        The design.
    data
        A table of the rows of the design in their order, or of these and the rows that were dropped for missing values;
        None for no other columns. It may hold columns of the design, too, which then have to agree.

    Returns
    -------
    pandas.DataFrame
        (rows of the design) its own columns, then the others; missing values of the others stay.

    Raises
    ------
    PredictionError
        If it is no table, or its rows are not those of the design.
    """
    if data is None:
        return design.frame
    frame = _without_dropped(design, row_frame(data))
    own = [name for name in design.frame.columns if name in frame.columns]
    _check_labels(design.frame.index, frame.index)
    for name in own:
        _check_agreement(name, design.frame[name], frame[name])
    others = frame.drop(columns=own).set_axis(design.frame.index)
    return pd.concat([design.frame, others], axis=1)


def _without_dropped(design: Design, frame: pd.DataFrame) -> pd.DataFrame:
    """Drop what the fit dropped, where the table has rows that the design lacks."""
    rows, own = len(design.frame), list(design.frame.columns)
    if len(frame) == rows:
        return frame
    if not design.dropped or len(frame) != rows + design.dropped:
        dropped = f" and dropped {design.dropped}" if design.dropped else ""
        raise PredictionError(f"data has {len(frame)} rows; the fit used {rows}{dropped}. Give the rows of the fit.")
    absent = [name for name in own if name not in frame.columns]
    if absent:
        raise PredictionError(
            f"data has {len(frame)} rows, of which the fit dropped {design.dropped} for missing values; which ones, "
            f"the model's columns say, and {absent[0]!r} is not in data. Add it, or give the {rows} rows it used."
        )
    kept = frame.loc[~missing_mask(frame[own])[0]]
    if len(kept) != rows:
        raise PredictionError(
            f"data has {len(kept)} rows without missing values in the model's columns; the fit used {rows}. Give the "
            "table that was fitted, with more columns."
        )
    return kept


def _check_labels(fitted: pd.Index, given: pd.Index) -> None:
    """Refuse the same row labels in another order."""
    if fitted.is_unique and not given.equals(fitted) and len(given.symmetric_difference(fitted)) == 0:
        raise PredictionError(
            "data has the row labels of the fit in another order; rows belong together by position: sort data as the "
            "fitted table was, or use data.loc[fitted.index]."
        )


def _check_agreement(name: str, fitted: pd.Series, given: pd.Series) -> None:
    """Refuse other values than the fit's in a column that the model uses."""
    numeric = pd.api.types.is_numeric_dtype(fitted) and pd.api.types.is_numeric_dtype(given)
    ours, theirs = (
        column.to_numpy(dtype=float, na_value=np.nan) if numeric else column.astype(str).to_numpy(dtype=object)
        for column in (fitted, given)
    )
    unlike = np.flatnonzero(ours != theirs)
    if unlike.size:
        row = int(unlike[0])
        raise PredictionError(
            f"data: the column {name!r} is not that of the fit: {len(unlike)} of {len(ours)} rows differ, the first in "
            f"row {row} ({theirs[row]!r}, fitted {ours[row]!r}). Give the same rows in the same order."
        )
