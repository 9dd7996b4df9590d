"""From what the user hands over to a `Design`: rows checked, grouping columns required only where levels are read.

Input: a table in any form users hold one. Output: a pandas frame in the user's row order, and a `Design` at its rows.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayes_glmm.design.dependence import in_new_series
from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.tables import read_columns
from bayes_glmm.errors import PredictionError, nearest, warn
from bayes_glmm.predict.meanings import READ
from bayes_glmm.structures.series import Series

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


def complete_rows(fit: Fit, frame: pd.DataFrame, *, meanings: Mapping[str, str], trials: bool = False) -> pd.DataFrame:
    """Drop rows that miss a value the prediction needs, and warn how many.

    Parameters
    ----------
    fit
        The fit.
    frame
        The user's rows.
    meanings
        Of each grouping factor: where its levels are read, a missing one matters.
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
    needed = [*formula.predictors]
    for term in fit.model.design.groups:
        needed += term.columns if meanings[term.name] in READ else ()
    encoders = fit.model.design.encoders.response
    for sizes in (encoders.trials, encoders.precision) if trials else ():
        needed += [] if sizes is None else list(sizes.columns)
    needed += encoders.known.columns(draws=trials)
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


def design_at(
    fit: Fit, frame: pd.DataFrame, *, meanings: Mapping[str, str], allow: bool, trials: bool = False
) -> Design:
    """Build the design at new rows.

    Parameters
    ----------
    fit
        The fit.
    frame
        The rows, none of them with missing values in the columns needed.
    meanings
        Of each grouping factor. The columns of ``"typical"`` and ``"marginal"`` ones may be absent or hold anything;
        without a column of a ``"new"`` one all rows have the same new value there.
    allow
        Whether levels of ``"conditional"`` factors that were not fitted are allowed.
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
    groups = fit.model.design.groups
    frame = frame.reset_index(drop=True)
    read = [term.name for term in groups if meanings[term.name] in READ or _has_own_variance(term, meanings, frame)]
    absent = [(term, name) for term in groups for name in term.columns if name not in frame.columns]
    for term, name in absent:
        if meanings[term.name] == "conditional":
            readers = [one.name for one in groups if name in one.columns and meanings[one.name] == "conditional"]
            raise PredictionError(_absent_message(name, term, readers, meanings))
    frame = frame.assign(
        **{name: _new_value(fit.model.design.frame[name]) for term, name in absent if meanings[term.name] == "new"}
    )
    design = fit.model.design.at(frame, new_levels="allow", trials=trials, groups=read)
    for term, fitted in zip(design.groups, groups, strict=True):
        if meanings[term.name] == "conditional" and not allow:
            times = isinstance(term.structure, Series)
            _check_levels(term, in_new_series(term) if times else term.levels[len(fitted.levels) :])
    return design


def _has_own_variance(term: GroupTerm, meanings: Mapping[str, str], frame: pd.DataFrame) -> bool:
    """Whether levels that are averaged over differ in their variance, as inbred animals do, and all are there."""
    if term.structure is None or isinstance(term.structure, Series) or meanings[term.name] != "marginal":
        return False
    return all(name in frame.columns and frame[name].notna().all() for name in term.columns)


def _absent_message(column: str, term: GroupTerm, readers: Container[str], meanings: Mapping[str, str]) -> str:
    """Say what to do without a column of a conditional factor."""
    without = {name: "marginal" if name in readers else meaning for name, meaning in meanings.items()}
    instead = repr(without if set(without.values()) - {"marginal"} else "marginal")
    return (
        f"newdata has no column {column!r}, and random_effects='conditional' reads the levels of {term.name!r}. Add "
        f"the column, or use random_effects={instead} (averaged over its levels); 'typical' is a level at the centre, "
        "'new' one that was not seen."
    )


def _new_value(fitted: pd.Series) -> str:
    """Return a label that no fitted row has."""
    taken, label = set(fitted.astype(str)), "new"
    while label in taken:
        label += "_"
    return label


def _check_levels(term: GroupTerm, fresh: Sequence[Any]) -> None:
    """Refuse levels that were not fitted, with the ways out."""
    if fresh:
        shown = ", ".join(repr(level) for level in fresh[:5]) + (", ..." if len(fresh) > 5 else "")
        raise PredictionError(
            f"{len(fresh)} level(s) of {term.name!r} were not in the data that were fitted: {shown}. Use "
            "new_levels='sample' (deviations drawn from N(0, Sigma)), new_levels='typical' (deviation zero), or "
            f"another random_effects. {nearest(fresh[0], term.levels[: term.levels.index(fresh[0])])}"
        )
