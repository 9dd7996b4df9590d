"""What responses a family can have, checked value by value.

Input: a `Response`, the left side of the formula and the family. Output: nothing, or a `DataError` that names the
column, the first rows and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.frame import first_rows
from bayes_glmm.errors import DataError, warn
from bayes_glmm.families import Family
from bayes_glmm.spec.response import ResponseFormula

if TYPE_CHECKING:
    from bayes_glmm.design.response import Response

Array = npt.NDArray[np.float64]

_SAME = 1e-7
#: Counts up to here have log likelihoods whose differences doubles can hold.
_LARGEST_COUNT = 1e12


def check_response(response: Response, formula: ResponseFormula, family: Family, index: pd.Index) -> None:
    """Check every value, and that the values are not all the same.

    Parameters
    ----------
    response
        The values.
    formula
        The left side, for messages.
    family
        Its `support` says what is allowed.
    index
        Row labels.

    Raises
    ------
    DataError
        If a value is not allowed, or a continuous response is constant.
    """
    for values, text, what in (
        (response.trials, formula.trials, "number of trials"),
        (response.weights, formula.weights, "weight"),
    ):
        if values is not None and not values.any():
            raise DataError(f"The {what} {text!r} is zero in every row: there is nothing to learn from.")
    check_values(response, formula, family, index)
    y, name = response.y, response.name
    if response.trials is not None:
        constant = bool(np.all(y == 0)) or bool(np.all(y == response.trials))
    else:
        # where a spread is to be estimated, seven equal digits leave no more of it than rounding
        same = _SAME * abs(y[0]) if family.support in ("positive", "unit") else 0.0
        constant = len(y) > 1 and bool(np.ptp(y) <= same)
    if family.zeros_apart and not np.any(y != 0):
        raise DataError(f"The response {name!r} is zero in every row: there is nothing to model above zero.")
    if constant and family.support in ("real", "positive", "unit", "angle"):
        raise DataError(f"The response {name!r} is constant ({y[0]:g} in every row): there is nothing to model.")
    if constant:
        what = f"{y[0]:g} in every row" if response.trials is None else "no successes, or no failures, in any row"
        warn(f"The response {name!r} is constant ({what}); the estimates will rest on the priors.")


def check_values(response: Response, formula: ResponseFormula, family: Family, index: pd.Index) -> None:
    """Check every value of a response against the family's support.

    Parameters
    ----------
    response
        The values.
    formula
        The left side, for messages.
    family
        Its `support` says what is allowed.
    index
        Row labels.

    Raises
    ------
    DataError
        If a value is not allowed.
    """
    y, name = response.y, response.name
    if family.support == "binary":
        _check_binary(y, name, family, index)
    elif family.support == "trials":
        _check_trials(response, formula, index)
    elif family.support == "count":
        check_whole(y, name, f"counts (family {family.name!r})", index)
    elif family.support == "positive":
        reason = f"must be above zero for family {family.name!r}; with zeros use 'tweedie' or 'hurdle_gamma'"
        refuse(y <= 0, y, name, index, reason)
    elif family.support == "nonnegative":
        refuse(y < 0, y, name, index, f"must not be negative for family {family.name!r}")
    elif family.support == "angle":
        reason = (
            f"must hold radians between -pi and pi for family {family.name!r}; degrees are np.deg2rad(y), angles "
            "beyond pi np.arctan2(np.sin(y), np.cos(y))"
        )
        refuse(np.abs(y) > np.pi, y, name, index, reason)
    elif family.support in ("unit", "unit_zero", "unit_closed"):
        _check_unit(y, name, family, index)
    if (weights := response.weights) is not None:
        refuse(weights < 0, weights, str(formula.weights), index, "must not be negative: it holds weights")
    if response.precision is not None:
        check_precision(response.precision, str(formula.precision), index)


def check_precision(values: Array, name: str, index: pd.Index) -> None:
    """Refuse precisions that are not above zero."""
    reason = "must be above zero: it holds precisions; leave rows that say nothing out"
    refuse(values <= 0, values, name, index, reason)


def _check_binary(y: Array, name: str, family: Family, index: pd.Index) -> None:
    bad = (y != 0) & (y != 1)
    if not bad.any():
        return
    values = np.unique(y)
    if len(values) == 2 and values[0] == 1 and values[1] == 2:
        advice = f"it is coded 1 and 2; subtract 1: I({name} - 1)"
    elif bool(np.all((y >= 0) & (y <= 1))):
        advice = f"proportions of n trials are p(round({name} * n), n), family='binomial'; others have family='beta'"
    else:
        advice = "counts of successes need family='binomial' with p(successes, trials) or cbind(successes, failures)"
    refuse(bad, y, name, index, f"must be 0 or 1 for family {family.name!r}; {advice}")


def _check_unit(y: Array, name: str, family: Family, index: pd.Index) -> None:
    low, high = family.support != "unit", family.support == "unit_closed"
    between = {(False, False): "strictly between 0 and 1", (True, False): "at least 0 and below 1"}
    reason = (
        f"must be {between.get((low, high), 'between 0 and 1')} for family {family.name!r}; for successes out of "
        "trials use family='binomial' with p(successes, trials)"
    )
    if not high and np.all((y >= 0) & (y <= 1)):
        reason += "; shares of 0 and 1 have 'zero_one_inflated_beta' and 'ordbeta'"
        reason += "" if low or np.any(y == 1) else ", of 0 alone 'zero_inflated_beta'"
    refuse((y < 0 if low else y <= 0) | (y > 1 if high else y >= 1), y, name, index, reason)


def _check_trials(response: Response, formula: ResponseFormula, index: pd.Index) -> None:
    y, trials = response.y, response.trials
    assert trials is not None
    check_whole(trials, str(formula.trials), "numbers of trials", index)
    fractional = y != np.floor(y)
    if fractional.any() and bool(np.all((y >= 0) & (y <= 1))):
        reason = (
            "must hold successes, not proportions: p(successes, trials). Where it is a proportion of "
            f"{formula.trials}, multiply and round in the data"
        )
        refuse(fractional, y, response.name, index, reason)
    check_whole(y, response.name, "successes", index)
    over = y > trials
    if over.any():
        raise DataError(
            f"There are more successes ({response.name}) than trials ({formula.trials}) in {first_rows(index, over)}: "
            f"{y[over][0]:g} of {trials[over][0]:g}."
        )
    if (trials == 0).any():
        warn(
            f"The number of trials {formula.trials!r} is zero in {first_rows(index, trials == 0)}; these rows say "
            "nothing."
        )


def check_whole(values: Array, name: str, what: str, index: pd.Index) -> None:
    """Refuse counts that are negative, not whole or too large."""
    refuse(values < 0, values, name, index, f"must not be negative: it holds {what}")
    refuse(values != np.floor(values), values, name, index, f"must be whole: it holds {what}")
    reason = f"is too large for {what}, of which differences count; use larger units or family='lognormal'"
    refuse(values > _LARGEST_COUNT, values, name, index, reason)


def refuse(bad: npt.NDArray[np.bool_], values: Array, name: str, index: pd.Index, reason: str) -> None:
    """Refuse a column for its bad rows (rows,), where there are any."""
    if bad.any():
        raise DataError(f"The column {name!r} {reason}. See {first_rows(index, bad)}, for example {values[bad][0]:g}.")
