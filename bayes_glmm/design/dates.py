"""Columns of dates, which formulas read by ``as.Date()``, as numbers of days.

Input: columns of pandas. Output: float64, days since 1970-01-01.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.frame import first_rows
from bayes_glmm.errors import GLMMError

__all__ = ["days_of", "with_days"]


def with_days(frame: pd.DataFrame, names: Sequence[str], error: type[GLMMError]) -> pd.DataFrame:
    """Write columns of dates as days.

    Parameters
    ----------
    frame
        The user's columns.
    names
        Which of them are dates.
    error
        What is raised.

    Returns
    -------
    pandas.DataFrame
        The frame; a copy where there are dates.

    Raises
    ------
    GLMMError
        If a value is no date.
    """
    return frame.assign(**{name: days_of(frame[name], repr(name), error) for name in names}) if names else frame


def days_of(column: pd.Series, name: str, error: type[GLMMError]) -> npt.NDArray[np.float64]:
    """Return the days of a column of dates.

    Parameters
    ----------
    column
        Dates, times (their day), text such as ``2018-06-16`` or ``2018/06/16``, or numbers, which are days already.
    name
        What the column is called in messages.
    error
        What is raised.

    Returns
    -------
    numpy.ndarray
        (rows,) days since 1970-01-01; NaN where the date is missing.

    Raises
    ------
    GLMMError
        If a value is no date.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        text = column.astype("str").where(column.notna()).str.replace("/", "-", regex=False)
        read = pd.to_datetime(text.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
        wrong = (read.isna() & column.notna()).to_numpy()
        if wrong.any():
            raise error(
                f"{name} holds no date in {first_rows(column.index, wrong)} (for example {column[wrong].iloc[0]!r}); "
                "dates are year-month-day. Make them so: pd.to_datetime(data['date'], format='%d.%m.%Y')."
            )
        column = read
    column = column.dt.tz_localize(None) if getattr(column.dtype, "tz", None) is not None else column
    days = column.dt.normalize().to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.float64))
