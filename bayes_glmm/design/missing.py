"""Rows with missing values: dropped, or kept to be predicted where the response alone is missing.

Input: the user's columns. Output: the complete rows, and those without a response.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayes_glmm.design.frame import Factor, Kind, missing_mask
from bayes_glmm.errors import DataError, GLMMError, listed, warn
from bayes_glmm.spec.formula import Formula
from bayes_glmm.spec.safe import check_expression

__all__ = ["complete_rows", "predictable", "split_unanswered"]

#: What is known of a response when it was seen, and nothing that a new one depends on.
_OF_SEEN = ("status", "end", "event", "lower_limit", "upper_limit")


def complete_rows(
    frame: pd.DataFrame, missing: str, error: type[GLMMError]
) -> tuple[pd.DataFrame, int, dict[str, int]]:
    """Drop the rows with a missing value, and say how many.

    Parameters
    ----------
    frame
        The user's columns.
    missing
        As of a `ModelSpec`; ``"error"`` refuses missing values.
    error
        What is raised.

    Returns
    -------
    frame : pandas.DataFrame
        The rows without missing values.
    dropped : int
        How many others there were.
    reasons : dict
        Missing values by column.

    Raises
    ------
    GLMMError
        If fewer than two rows of a fit are left, or none.

    Warns
    -----
    DataWarning
        If rows were dropped.
    """
    mask, counts = missing_mask(frame)
    if error is DataError and 0 < len(frame) - int(mask.sum()) < 2:
        raise DataError(
            f"A model needs two rows or more; the data have {len(frame) - int(mask.sum())} without missing values."
        )
    if not counts:
        return frame, 0, {}
    by_column = ", ".join(f"{name}: {count}" for name, count in counts.items())
    dropped = int(mask.sum())
    if missing == "error":
        raise error(f"{dropped} of {len(frame)} rows have missing values ({by_column}), and missing='error'.")
    if dropped == len(frame):
        raise error(f"Every row has a missing value ({by_column}).")
    warn(f"{dropped} of {len(frame)} rows were dropped for missing values ({by_column}).")
    return frame.loc[~mask], dropped, counts


def split_unanswered(frame: pd.DataFrame, formula: Formula) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take out the rows whose response is missing and nothing else that a prediction needs.

    Parameters
    ----------
    frame
        The user's columns.
    formula
        What the model reads of them. A response is what is modelled, with weights, and whether and where it is
        censored; numbers of trials, precisions, standard errors and limits of truncation are needed to predict one.

    Returns
    -------
    frame, unanswered : pandas.DataFrame
        The other rows, and those.

    Raises
    ------
    DataError
        If no row has a response.
    """
    response = formula.response
    texts = [response.expression, response.weights, *(text for key, text in response.known if key in _OF_SEEN)]
    needed = [response.trials, response.precision, *(text for key, text in response.known if key not in _OF_SEEN)]
    own = {name for text in texts if text is not None for name in check_expression(text)}
    own -= {name for text in needed if text is not None for name in check_expression(text)}
    own -= {*formula.predictors, *formula.group_columns}
    asked = [name for name in check_expression(response.expression) if name in own]
    missing = frame.isna()
    gone = missing[asked].any(axis=1).to_numpy() & ~missing.drop(columns=list(own)).any(axis=1).to_numpy()
    if gone.all():
        raise DataError(f"The response {response.name!r} is missing in every row: there is nothing to learn from.")
    return frame.loc[~gone], frame.loc[gone]


def predictable(unanswered: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.DataFrame:
    """Leave out rows with levels of a predictor that no row with a response has.

    Parameters
    ----------
    unanswered
        Rows without a response.
    kinds
        What each predictor is in the others.

    Returns
    -------
    pandas.DataFrame
        The rows that can be predicted.

    Warns
    -----
    DataWarning
        If rows were left out.
    """
    kept = np.ones(len(unanswered), dtype=bool)
    for name, kind in kinds.items():
        if isinstance(kind, Factor) and len(unanswered):
            unseen = ~unanswered[name].astype(object).isin(list(kind.levels)).to_numpy()
            if unseen.any():
                levels = unanswered[name][unseen].drop_duplicates().tolist()
                warn(
                    f"{int(unseen.sum())} rows without a response cannot be predicted and are left out: no row with "
                    f"one has {listed(levels)} in {name!r}."
                )
            kept &= ~unseen
    return unanswered.loc[kept]
