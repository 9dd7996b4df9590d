"""From what the user hands over to a `Design`: rows checked, grouping columns required only where levels are read.

Input: a table in any form users hold one. Output: a pandas frame in the user's row order, and a `Design` at its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.tables import read_columns
from bayes_glmm.errors import PredictionError, nearest, warn

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit


def row_frame(newdata: Any) -> pd.DataFrame:
    """Copy rows into a pandas frame.

    Parameters
    ----------
    newdata
        A table, as `GLMM` takes it, or a dict of columns; a dict of single values is one row.

    Returns
    -------
    pandas.DataFrame
        A copy; the index is kept.

    Raises
    ------
    PredictionError
        If it is no table, has no rows, or has two columns of one name.
    """
    return read_columns(newdata, None, PredictionError)


def complete_rows(fit: Fit, frame: pd.DataFrame, *, levels: bool, trials: bool = False) -> pd.DataFrame:
    """Drop rows that miss a value the prediction needs, and warn how many.

    Parameters
    ----------
    fit
        The fit.
    frame
        The user's rows.
    levels
        Whether group levels are read, so that a missing level matters.
    trials
        Whether numbers of trials, or precisions, are read.

    Returns
    -------
    pandas.DataFrame
        The rows that can be predicted, in their order.

    Raises
    ------
    PredictionError
        If no row is left.

    Warns
    -----
    DataWarning
        If rows were dropped.
    """
    formula = fit.model.spec.formula
    needed = [*formula.predictors, *(formula.group_columns if levels else ())]
    encoders = fit.model.design.encoders.response
    for sizes in (encoders.trials, encoders.precision) if trials else ():
        needed += [] if sizes is None else list(sizes.columns)
    used = frame[[name for name in dict.fromkeys(needed) if name in frame.columns]]
    missing = used.isna()
    bad = missing.any(axis=1).to_numpy()
    if not bad.any() or fit.model.spec.missing == "error":  # the design refuses them
        return frame
    reasons = ", ".join(f"{name} in {count}" for name, count in missing.sum().items() if count)
    if bad.all():
        raise PredictionError(f"Every row of newdata misses a value that the prediction needs ({reasons} rows).")
    warn(f"{int(bad.sum())} of {len(frame)} rows of newdata were dropped: missing values ({reasons} rows).")
    return frame.loc[~bad]


def design_at(fit: Fit, frame: pd.DataFrame, *, levels: bool, allow: bool, trials: bool = False) -> Design:
    """Build the design at new rows.

    Parameters
    ----------
    fit
        The fit.
    frame
        The rows, none of them with missing values in the columns needed.
    levels
        Whether group levels are read. If not, the grouping columns may be absent or hold anything.
    allow
        Whether levels that were not fitted are allowed.
    trials
        Whether the numbers of trials, or the precisions, are needed.

    Returns
    -------
    Design
        One row for each row of the frame, in its order.

    Raises
    ------
    PredictionError
        If a column is missing or levels are new and not allowed.
    """
    formula = fit.model.spec.formula
    absent = [name for name in formula.group_columns if levels and name not in frame.columns]
    if absent:
        raise PredictionError(
            f"newdata has no column {absent[0]!r}, a grouping factor whose levels random_effects='conditional' and "
            "'new' read. Add the column, or use random_effects='typical' (a group at the centre) or 'marginal' "
            "(averaged over groups)."
        )
    frame = frame.reset_index(drop=True)
    design = fit.model.design.at(frame, new_levels="allow", trials=trials, groups=levels)
    if levels and not allow:
        for term, fitted in zip(design.groups, fit.model.design.groups, strict=True):
            _check_levels(term, len(fitted.levels))
    return design


def _check_levels(term: GroupTerm, fitted: int) -> None:
    """Refuse levels that were not fitted, with the ways out."""
    fresh = term.levels[fitted:]
    if fresh:
        shown = ", ".join(repr(level) for level in fresh[:5]) + (", ..." if len(fresh) > 5 else "")
        raise PredictionError(
            f"{len(fresh)} level(s) of {term.name!r} were not in the data that were fitted: {shown}. Use "
            "new_levels='sample' (deviations drawn from N(0, Sigma)), new_levels='typical' (deviation zero), or "
            f"another random_effects. {nearest(fresh[0], term.levels[:fitted])}"
        )
