"""Sums of terms to numbers, and the same encodings again on new data.

Input: checked terms (`bayes_glmm.spec.safe`) and a prepared frame. Output: an `Encoder` and its columns. The work is
formulaic's; what may be evaluated is exactly the closed list, never the caller's frame.

Names are formulaic's with treatment contrasts written ``period[2]`` instead of ``period[T.2]``. Factors, ordered ones
too, have treatment contrasts unless C() says otherwise; booleans are 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from formulaic import ModelSpec as Encoding
from formulaic import SimpleFormula
from formulaic.errors import FormulaicError
from formulaic.materializers import PandasMaterializer
from formulaic.parser.types import Factor as FormulaicFactor
from formulaic.parser.types import Term
from formulaic.transforms import TRANSFORMS as FORMULAIC_TRANSFORMS
from formulaic.transforms import stateful_transform
from formulaic.transforms.contrasts import C as formulaic_c

from bayes_glmm.design.frame import as_numbers, first_rows, listed, plain
from bayes_glmm.errors import DataError, FormulaError, GLMMError, PredictionError
from bayes_glmm.spec.safe import (
    ELEMENTWISE,
    TRANSFORMS,
    UFUNCS,
    alias,
    check_expression,
    hide_names,
    parse_terms,
    show_names,
)

__all__ = ["Encoder", "encode", "fit_expression", "fit_terms"]

Array = npt.NDArray[np.float64]

_LARGEST = 1e100
_FAILURES = (FormulaicError, ValueError, TypeError, ArithmeticError, KeyError, NameError, IndexError)


@dataclass(frozen=True, eq=False)
class Encoder:
    """Terms with everything learned from the data of the fit.

    Parameters
    ----------
    text
        The terms as the formula has them.
    columns
        The columns read.
    coefs
        Names of the columns made.
    encoding
        Formulaic's frozen specification.
    constant
        The value of an expression that is a plain number and reads no column.
    skipped
        How many leading columns are encoded but left out: 1 where thresholds take the place of the intercept.
    """

    text: str
    columns: tuple[str, ...]
    coefs: tuple[str, ...]
    encoding: Encoding
    constant: float | None = None
    skipped: int = 0


class _NumpyFunctions:
    """What ``np`` is in a formula: the closed list and nothing else."""


class _Contrasts:
    """What ``contr`` is in a formula."""


@stateful_transform
def _factor(data: Any, contrasts: Any = None, levels: Any = None, _state: dict[str, Any] = {}) -> Any:  # noqa: B006
    """Make a factor of a column and remember its levels: formulaic's C() with unseen levels an error."""
    values = data if isinstance(data, pd.Series) else pd.Series(np.asarray(data))
    if not isinstance(values.dtype, pd.CategoricalDtype) and bool((values == np.floor(values)).all()):
        values = values.astype("int64")
    if levels is not None:
        levels = list(levels)
    elif "levels" in _state:
        levels = _state["levels"]
    elif isinstance(values.dtype, pd.CategoricalDtype):
        levels = [level for level in values.cat.categories if (values == level).any()]
    else:
        levels = sorted(pd.unique(values))
    unseen = [value for value in pd.unique(values) if value not in levels]
    if unseen:
        where = "that the fit did not see" if "levels" in _state else "that levels= does not name"
        error = PredictionError if "levels" in _state else DataError
        raise error(f"C() met values {where}: {listed(map(plain, unseen))}. Levels: {listed(map(plain, levels))}.")
    _state["levels"] = levels
    return formulaic_c(pd.Series(pd.Categorical(values, categories=levels)), contrasts, levels=levels)


@stateful_transform
def _polynomial(x: Any, degree: int = 1, raw: bool = False, _state: dict[str, Any] = {}) -> Any:  # noqa: B006
    """Make formulaic's poly() refuse categories, and a degree that the data cannot tell apart: columns of noise."""
    if isinstance(getattr(x, "dtype", None), pd.CategoricalDtype):
        raise TypeError("categories are no numbers")
    values = np.asarray(x, dtype=np.float64)
    if not _state:
        distinct = len(pd.unique(values))
        if not isinstance(degree, int) or not 1 <= degree < distinct:
            raise DataError(
                f"poly() of degree {degree} needs a whole degree of at least 1 and more than {degree} distinct values; "
                f"the column has {distinct}."
            )
        _state["rows"] = len(values)
    learned = {key: value for key, value in _state.items() if key != "rows"}
    result = FORMULAIC_TRANSFORMS["poly"](values, degree, raw, _state=learned)
    _state.update(learned)
    return result


@cache
def _context() -> dict[str, Any]:
    """Return the whole world a formula can see besides the data's columns."""
    numpy_functions, contrasts = _NumpyFunctions(), _Contrasts()
    for name in UFUNCS:
        setattr(numpy_functions, name, getattr(np, name))
    for name in ("treatment", "sum", "helmert", "poly", "diff", "SAS"):
        setattr(contrasts, name, getattr(FORMULAIC_TRANSFORMS["contr"], name))
    functions = {name: getattr(np, name) for name in ELEMENTWISE}
    transforms = {name: FORMULAIC_TRANSFORMS[name] for name in TRANSFORMS}
    return {**transforms, **functions, "C": _factor, "poly": _polynomial, "np": numpy_functions, "contr": contrasts}


def fit_terms(text: str, frame: pd.DataFrame, thresholds: bool = False) -> tuple[Encoder, Array]:
    """Encode a sum of terms for the first time.

    Parameters
    ----------
    text
        Checked terms, ``"1 + x*f"``.
    frame
        Prepared columns (floats and categoricals) without missing values.
    thresholds
        Whether thresholds take the place of the intercept: factors are encoded as beside an intercept, whether the
        terms have one or not, and its column is left out.

    Returns
    -------
    encoder : Encoder
        Replays the encoding.
    X : numpy.ndarray
        Columns (rows, coefficients), C-contiguous.

    Raises
    ------
    DataError
        If a function cannot be computed, or gives values that are not finite; the message names the column and rows.
    FormulaError
        If two columns would have the same name.
    """
    if thresholds:
        text = f"{text} + 1"
    encoder, X = _fit(text, SimpleFormula(list(parse_terms(text)), _ordering="degree"), frame)
    if not thresholds:
        return encoder, X
    return replace(encoder, coefs=encoder.coefs[1:], skipped=1), np.ascontiguousarray(X[:, 1:])


def fit_expression(text: str, frame: pd.DataFrame) -> tuple[Encoder, Array]:
    """Evaluate one expression (a response, an offset, weights), remembering the state of its transforms.

    Parameters
    ----------
    text
        A checked expression, ``"log(exposure)"``.
    frame
        Prepared columns without missing values.

    Returns
    -------
    encoder : Encoder
        Replays the expression.
    values : numpy.ndarray
        One value per row.

    Raises
    ------
    DataError
        If the expression is not one finite number per row.
    """
    if not check_expression(text):
        try:
            value = float(text)
        except ValueError:
            raise FormulaError(f"{text!r} reads no column; write a column or a plain number.") from None
        if not np.isfinite(value):
            raise FormulaError(f"{text!r} is no finite number.")
        encoder = Encoder(text, (), (text,), Encoding(SimpleFormula([])), constant=value)
        return encoder, np.full(len(frame), value)
    term = Term([FormulaicFactor(hide_names(text), eval_method="python")])
    _refuse_categories([term], frame, DataError, alone=True)
    encoder, X = _fit(text, SimpleFormula([term]), frame)
    if X.shape[1] != 1:
        raise DataError(
            f"{text!r} must be one number per row; it gives {X.shape[1]} columns: {', '.join(encoder.coefs)}."
        )
    return encoder, np.ascontiguousarray(X[:, 0])


def _fit(text: str, formula: SimpleFormula, frame: pd.DataFrame) -> tuple[Encoder, Array]:
    X, encoding = _materialize(text, Encoding(formula, output="numpy", na_action="ignore"), frame, DataError)
    coefs = tuple(_coefficient_name(name) for name in encoding.column_names)
    twice = [name for name in dict.fromkeys(coefs) if coefs.count(name) > 1]
    if twice:
        raise FormulaError(f"Two columns of {text!r} would be named {twice[0]!r}; rename a column of the data.")
    columns = tuple(dict.fromkeys(show_names(str(name)) for name in encoding.required_variables))
    encoder = Encoder(text, columns, coefs, encoding)
    _check_finite(X, coefs, frame.index, DataError)
    _check_range(X, coefs, frame.index)
    return encoder, X


def encode(encoder: Encoder, frame: pd.DataFrame, *, finite: bool = True) -> Array:
    """Replay an encoding on new data.

    Parameters
    ----------
    encoder
        What the fit learned.
    frame
        Prepared columns with the levels of the fit.
    finite
        Whether values that are not finite are an error.

    Returns
    -------
    numpy.ndarray
        Columns (rows, coefficients), C-contiguous.

    Raises
    ------
    PredictionError
        If a function cannot be computed on the new values, or gives values that are not finite.
    """
    if encoder.constant is not None:
        return np.full((len(frame), 1), encoder.constant)
    X, _ = _materialize(encoder.text, encoder.encoding, frame, PredictionError)
    X = np.ascontiguousarray(X[:, encoder.skipped :])
    if finite:
        _check_finite(X, encoder.coefs, frame.index, PredictionError)
    return X


def _materialize(text: str, encoding: Encoding, frame: pd.DataFrame, error: type[GLMMError]) -> tuple[Array, Encoding]:
    rows = pd.RangeIndex(len(frame))
    data = frame.set_axis([alias(str(name)) for name in frame.columns], axis=1).set_axis(rows, axis=0)
    if not encoding.formula:
        return np.zeros((len(frame), 0)), replace(encoding, structure=[])
    with np.errstate(all="ignore"):
        try:
            matrix = PandasMaterializer(data, context=_context()).get_model_matrix(encoding)
        except _FAILURES as failure:
            cause = failure.__cause__ or failure
            if isinstance(cause, GLMMError):
                raise cause from None
            if "lower bounds" in str(cause) and (message := _out_of_bounds(encoding)):
                raise error(message) from None
            _refuse_categories(encoding.formula, frame, error)
            raise error(f"Cannot compute {text!r}: {show_names(str(cause)).splitlines()[0]}") from failure
    return np.ascontiguousarray(np.asarray(matrix, dtype=np.float64)), matrix.model_spec


def _refuse_categories(
    terms: Iterable[Term], frame: pd.DataFrame, error: type[GLMMError], *, alone: bool = False
) -> None:
    """Refuse columns of text or categories that stand where numbers are needed: alone, or within what fails for it."""
    for factor in (factor for term in terms for factor in term.factors):
        expression = show_names(str(factor.expr))
        names = [] if expression in ("0", "1") else check_expression(str(factor.expr))
        for name in names:
            if not isinstance(frame[name].dtype, pd.CategoricalDtype) or (expression == name) is not alone:
                continue
            if alone or _fails(factor, frame):
                cure = as_numbers(frame[name])
                raise error(f"Cannot compute {expression!r}: the column {name!r} must hold numbers there; {cure}.")


def _fails(factor: FormulaicFactor, frame: pd.DataFrame) -> bool:
    """Whether a factor cannot be computed by itself."""
    data = frame.set_axis([alias(str(name)) for name in frame.columns], axis=1)
    try:
        PandasMaterializer(data, context=_context()).get_model_matrix(SimpleFormula([Term([factor])]))
    except _FAILURES:
        return True
    return False


def _out_of_bounds(encoding: Encoding) -> str:
    """Say where spline bases end, and what to do beyond; empty where there are none."""
    for call, state in encoding.transform_state.items():
        if "lower_bound" in state:
            shown = show_names(str(call))
            low, high, name = state["lower_bound"], state["upper_bound"], check_expression(str(call))[0]
            return (
                f"The rows leave the range of the data that were fitted, where {shown} ends: {low:.6g} to {high:.6g}. "
                f"Stay within it (to compare, {{{name!r}: (low, high)}} or {{{name!r}: 'iqr'}} rather than a step), or "
                f"fit with {shown[:-1]}, extrapolation='extend')."
            )
    return ""


def _coefficient_name(name: str) -> str:
    """Name columns as this package does: ``period[2]`` for treatment contrasts, the columns' own names."""
    return show_names(re.sub(r"\[T\.", "[", name))


def _check_finite(X: Array, coefs: Sequence[str], index: pd.Index, error: type[GLMMError]) -> None:
    for j, name in enumerate(coefs):
        column = X[:, j]
        # no temporary of X's size: a sum is finite unless a value is not (or it overflows; then look)
        with np.errstate(over="ignore", invalid="ignore"):
            total = column.sum()
        if np.isfinite(total):
            continue
        bad = ~np.isfinite(column)
        if bad.any():
            value = f"{name!r} is not finite in {first_rows(index, bad)} (for example {column[bad][0]})"
            raise error(f"{value}; {_cure(name)}.")


def _check_range(X: Array, coefs: Sequence[str], index: pd.Index) -> None:
    """Refuse columns whose squares leave the range of a double."""
    for j, name in enumerate(coefs):
        high = max(X[:, j].max(), -X[:, j].min())
        if high > _LARGEST or 0 < high < 1 / _LARGEST:
            place = first_rows(index, np.abs(X[:, j]) == high)
            raise DataError(f"{name!r} is too {'large' if high > 1 else 'small'}: {high:g} in {place}; rescale it.")


def _cure(name: str) -> str:
    if re.search(r"\b(log\w*|sqrt)\(", name):
        return "logarithms need values above zero, square roots none below"
    if re.match(r"(scale|poly|bs|cr|cs|cc)\(", name):
        return "the column has infinite values, or too few distinct ones for this transform"
    return "infinite values must be removed or replaced"
