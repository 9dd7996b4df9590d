"""Which values of a variable are compared: from the user's words to counterfactual copies of the rows.

Input: ``"period"``, ``["x", "f"]`` or ``{"x": 2, "f": ("a", "b")}``. Output: for each variable the copies of the rows
and the pairs (high, low) of copies.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_glmm.arguments import checked_names, in_words
from bayes_glmm.design.frame import distinct, plain, sorted_text
from bayes_glmm.effects.tables import Request
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.predict.meanings import factor_meanings
from bayes_glmm.spec.safe import columns_by_level

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

PAIRS = ("reference", "sequential", "pairwise")
RANGES = ("minmax", "iqr", "sd")


@dataclass(frozen=True, eq=False)
class Comparands:
    """The values of one variable that are compared.

    Parameters
    ----------
    term
        The variable.
    copies
        The rows with the variable set, one frame for each value.
    names
        What each copy is called in the table.
    pairs
        (high, low) positions of copies.
    """

    term: str
    copies: tuple[pd.DataFrame, ...]
    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]


def is_factor(fit: Fit, column: str) -> bool:
    """Say whether the model treats a column as a factor.

    Parameters
    ----------
    fit
        The fit.
    column
        A column of the formula.

    Returns
    -------
    bool
        True for text, categoricals, booleans, grouping factors, and numbers that the formula makes a factor of, as in
        ``factor(x)``.
    """
    formula = fit.model.spec.formula
    values = fit.model.design.frame[column]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return True
    if column not in formula.predictors:
        return True
    return any(column in columns_by_level(text) for text in (formula.fixed, *(bar.effects for bar in formula.bars)))


def fitted_levels(fit: Fit, column: str) -> list[Any]:
    """List the levels of a factor in the data that were fitted.

    Parameters
    ----------
    fit
        The fit.
    column
        A factor's column.

    Returns
    -------
    list
        In the order of the categories, or sorted.
    """
    values = fit.model.design.frame[column]
    levels = [plain(level) for level in distinct(values)[1]]
    if isinstance(values.dtype, pd.CategoricalDtype):
        return levels
    return sorted_text(levels) if all(isinstance(level, str) for level in levels) else sorted(levels)


def two_values(fit: Fit, column: str) -> list[float]:
    """Return the values of a number that takes two in the data that were fitted: a factor in the clothes of a number.

    Parameters
    ----------
    fit
        The fit.
    column
        A column of the formula.

    Returns
    -------
    list of float
        The two, ascending; empty for factors and for numbers with more values.
    """
    if is_factor(fit, column):
        return []
    found = np.unique(fit.model.design.frame[column].to_numpy(dtype=float))
    return [float(value) for value in found] if len(found) == 2 else []


def resolve_variables(request: Request, variables: str | Sequence[str] | Mapping[str, Any]) -> list[Comparands]:
    """Make the copies of the rows that the user's `variables` ask for.

    Parameters
    ----------
    request
        The request: fit and rows.
    variables
        A name, several names, or a mapping from names to what is compared: a number (a step), a tuple (low, high), a
        list of values (the first is the reference), ``"reference"``, ``"sequential"`` or ``"pairwise"`` levels of a
        factor, ``"minmax"``, ``"iqr"`` or ``"sd"`` of a number.

    Returns
    -------
    list of Comparands
        One for each variable.

    Raises
    ------
    PredictionError
        If a variable is not in the model or what is compared makes no sense for it.
    """
    if isinstance(variables, Mapping):
        wanted = dict(variables)
    else:
        wanted = dict.fromkeys(checked_names("variables", variables))
    if not wanted:
        raise PredictionError("variables is empty; name at least one variable of the model.")
    return [_comparands(request, name, how) for name, how in wanted.items()]


def crossed(request: Request, items: Sequence[Comparands]) -> Comparands:
    """Let several variables change at the same time.

    Parameters
    ----------
    request
        The request: fit and rows.
    items
        What is compared of each variable.

    Returns
    -------
    Comparands
        A pair of copies for every combination of the variables' pairs: all variables high, all low.
    """
    copies: list[pd.DataFrame] = []
    names: list[str] = []
    positions: dict[tuple[int, ...], int] = {}

    def position(sides: tuple[int, ...]) -> int:
        if sides not in positions:
            positions[sides] = len(copies)
            values = {item.term: item.copies[side][item.term] for item, side in zip(items, sides, strict=True)}
            copies.append(request.frame.assign(**values))
            names.append(f"({', '.join(item.names[side] for item, side in zip(items, sides, strict=True))})")
        return positions[sides]

    pairs = []
    for combination in itertools.product(*(item.pairs for item in items)):
        high, low = zip(*combination, strict=True)
        pairs.append((position(high), position(low)))
    return Comparands(", ".join(item.term for item in items), tuple(copies), tuple(names), tuple(pairs))


def check_variable(request: Request, name: str) -> None:
    """Check that predictions can depend on a variable.

    Parameters
    ----------
    request
        The request.
    name
        The variable.

    Raises
    ------
    PredictionError
        If the variable is not in the model, or is a grouping factor whose levels are not read.
    """
    formula = request.fit.model.spec.formula
    if name in formula.predictors:
        return
    if name not in formula.group_columns:
        raise PredictionError(f"variables: the model has no predictor {name!r}. {nearest(name, formula.predictors)}")
    design = request.fit.model.design
    meanings = factor_meanings(design, request.random_effects)
    if all(meanings[term.name] != "conditional" for term in design.groups if name in term.columns):
        raise PredictionError(
            f"{name!r} is a grouping factor: with random_effects={request.random_effects!r} its levels do not differ. "
            "Compare them with random_effects='conditional'."
        )


def _comparands(request: Request, name: str, how: Any) -> Comparands:
    check_variable(request, name)
    factor = is_factor(request.fit, name)
    if how is None:
        how = "reference" if factor else two_values(request.fit, name) or 1
    if isinstance(how, str):
        if factor:
            return _levels(request, name, fitted_levels(request.fit, name), _named(name, how, PAIRS))
        return _range(request, name, _named(name, how, RANGES))
    if isinstance(how, (tuple, list, np.ndarray, pd.Series)):
        values = list(how)
        if any(np.ndim(value) or pd.isna(value) for value in values):
            raise PredictionError(f"variables: {name!r} cannot be compared at {values}; give values, none missing.")
        if len(values) < 2:
            raise PredictionError(f"variables: {name!r} needs at least two values to compare, not {values}.")
        return _levels(request, name, values, "reference")
    if factor or isinstance(how, bool) or not isinstance(how, Real) or not np.isfinite(float(how)):
        raise PredictionError(
            f"variables: {in_words(how)} cannot be compared for {name!r}; give (low, high), a list of values"
            + (f", or one of {PAIRS}." if factor else f", a number (a step), or one of {RANGES}.")
        )
    return _shifted(request, name, 0.0, float(how), name, f"{name} {'-' if how < 0 else '+'} {abs(how)}")


def _named(name: str, how: str, valid: tuple[str, ...]) -> str:
    if how not in valid:
        raise PredictionError(f"variables: {how!r} is not known for {name!r}. {nearest(how, valid)}")
    return how


def _levels(request: Request, name: str, values: list[Any], pairs: str) -> Comparands:
    count = len(values)
    if count < 2:
        raise PredictionError(f"variables: {name!r} has one level only, {values}; there is nothing to compare.")
    positions = {
        "reference": [(high, 0) for high in range(1, count)],
        "sequential": [(high, high - 1) for high in range(1, count)],
        "pairwise": [(high, low) for low, high in itertools.combinations(range(count), 2)],
    }[pairs]
    copies = tuple(request.frame.assign(**{name: value}) for value in values)
    names = tuple(f"{value:g}" if isinstance(value, (float, np.floating)) else str(value) for value in values)
    return Comparands(name, copies, names, tuple(positions))


def _range(request: Request, name: str, how: str) -> Comparands:
    data = request.fit.model.design.frame[name].to_numpy(dtype=float)
    if how == "sd":
        sd = float(data.std(ddof=1))
        return _shifted(request, name, -sd / 2, sd / 2, f"{name} - sd/2", f"{name} + sd/2")
    low, high = (data.min(), data.max()) if how == "minmax" else np.quantile(data, [0.25, 0.75])
    return _levels(request, name, [float(low), float(high)], "reference")


def _shifted(request: Request, name: str, low: float, high: float, low_name: str, high_name: str) -> Comparands:
    if name not in request.frame.columns:
        raise PredictionError(
            f"newdata has no column {name!r}, from which the step starts. Add it, or give (low, high)."
        )
    values = request.frame[name].to_numpy(dtype=float)
    copies = (request.frame.assign(**{name: values + low}), request.frame.assign(**{name: values + high}))
    return Comparands(name, copies, (low_name, high_name), ((1, 0),))
