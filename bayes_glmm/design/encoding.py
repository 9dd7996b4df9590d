"""Sums of terms to numbers, and the same encodings again on new data.

Input: checked terms (`bayes_glmm.spec.safe`) and a prepared frame. Output: an `Encoder` and its columns. The work is
formulaic's; what may be evaluated is exactly the closed list, never the caller's frame.

Names are formulaic's with treatment contrasts written ``period[2]`` instead of ``period[T.2]``. Factors, ordered ones
too, have treatment contrasts unless C() says otherwise; booleans are 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from formulaic import ModelSpec as Encoding
from formulaic import SimpleFormula
from formulaic.errors import FormulaicError
from formulaic.materializers import FormulaMaterializer, PandasMaterializer
from formulaic.materializers.types import FactorValues
from formulaic.parser.types import Factor as FormulaicFactor
from formulaic.parser.types import Term
from formulaic.transforms import TRANSFORMS as FORMULAIC_TRANSFORMS
from formulaic.transforms.contrasts import C as formulaic_c

from bayes_glmm.design.evaluate import Memory, evaluate
from bayes_glmm.design.frame import Kind, as_numbers, column_kind, first_rows, plain
from bayes_glmm.design.values import Basis, Coded, is_text, levels_of, remembered
from bayes_glmm.errors import DataError, FormulaError, GLMMError, PredictionError, listed
from bayes_glmm.spec.expression import read_expression
from bayes_glmm.spec.functions import Contrast
from bayes_glmm.spec.safe import alias, check_expression, check_terms, hide_names, parse_terms, show_names

__all__ = ["Encoder", "encode", "fit_expression", "fit_terms", "level_codes"]

Array = npt.NDArray[np.float64]

_LARGEST = 1e100


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
    kinds
        What each of the columns that an expression reads was in the data of the fit.
    """

    text: str
    columns: tuple[str, ...]
    coefs: tuple[str, ...]
    encoding: Encoding
    constant: float | None = None
    skipped: int = 0
    kinds: tuple[Kind, ...] = ()


class _Materializer(PandasMaterializer):
    """Formulaic's algebra of terms over values that `bayes_glmm.design.evaluate` computes: no text is run."""

    @FormulaMaterializer.override
    def _evaluate(self, expr: str, metadata: Any, spec: Encoding) -> tuple[FactorValues[Any], set[Any]]:
        memory = spec.transform_state.setdefault(expr, {})
        value = evaluate(read_expression(expr), self.data, memory)
        if isinstance(value, Basis):
            return FactorValues(value.values, kind="numerical", column_names=value.names), set()
        if not (is_text(value) or isinstance(value, (pd.Categorical, Coded))):
            return FactorValues(np.asarray(value, dtype=np.float64), kind="numerical"), set()
        levels = _levels(value, memory)
        if len(levels.categories) == 1:
            only = listed(map(plain, levels.categories))
            raise DataError(f"The factor {show_names(expr)!r} has one level only, {only}; remove it.")
        contrasts = _contrasts(value.contrasts) if isinstance(value, Coded) else None
        return formulaic_c(pd.Series(levels), contrasts, levels=list(levels.categories)), set()


def _levels(value: Any, memory: Memory) -> pd.Categorical:
    """Return the levels of a value that is text or levels; those of the fit are remembered under no call's name."""
    return remembered(levels_of(value, "the formula"), memory.setdefault("", {}), "the formula")


def _contrasts(contrasts: Contrast | None) -> Any:
    if contrasts is None:
        return None
    return getattr(FORMULAIC_TRANSFORMS["contr"], contrasts.name)(**dict(contrasts.arguments))


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
    formula = SimpleFormula(list(parse_terms(text)), _ordering="degree")
    encoder, X = _fit(text, formula, check_terms(text), frame)
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
    columns = check_expression(text)
    if not columns:
        try:
            value = float(text)
        except ValueError:
            raise FormulaError(f"{text!r} reads no column; write a column or a plain number.") from None
        if not np.isfinite(value):
            raise FormulaError(f"{text!r} is no finite number.")
        encoder = Encoder(text, (), (text,), Encoding(SimpleFormula([])), constant=value)
        return encoder, np.full(len(frame), value)
    name = columns[0]
    if text in (name, f"`{name}`") and isinstance(frame[name].dtype, pd.CategoricalDtype):
        raise DataError(f"The column {name!r} must hold numbers there; {as_numbers(frame[name])}.")
    term = Term([FormulaicFactor(hide_names(text), eval_method="python")])
    encoder, X = _fit(text, SimpleFormula([term]), columns, frame)
    if X.shape[1] != 1:
        raise DataError(
            f"{text!r} must be one number per row; it gives {X.shape[1]} columns: {', '.join(encoder.coefs)}."
        )
    kinds = tuple(column_kind(frame[column]) for column in columns)
    return replace(encoder, kinds=kinds), np.ascontiguousarray(X[:, 0])


def _fit(text: str, formula: SimpleFormula, columns: tuple[str, ...], frame: pd.DataFrame) -> tuple[Encoder, Array]:
    X, encoding = _materialize(text, Encoding(formula, output="numpy", na_action="ignore"), frame, DataError)
    coefs = tuple(_coefficient_name(name) for name in encoding.column_names)
    twice = [name for name in dict.fromkeys(coefs) if coefs.count(name) > 1]
    if twice:
        raise FormulaError(f"Two columns of {text!r} would be named {twice[0]!r}; rename a column of the data.")
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


def level_codes(encoder: Encoder, expression: str, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Compute the levels of an expression that was encoded by levels, such as ``cut(x, 3)``.

    Parameters
    ----------
    encoder
        What the fit learned.
    expression
        One of the factors of its terms, as formulaic has it.
    frame
        Prepared columns with the levels of the fit.

    Returns
    -------
    numpy.ndarray
        Numbers of the levels, (rows,).
    """
    memory = encoder.encoding.transform_state[expression]
    value = evaluate(read_expression(expression), _aliased(frame), memory)
    return _levels(value, memory).codes.astype(np.int64)


def _aliased(frame: pd.DataFrame) -> pd.DataFrame:
    names = [alias(str(name)) for name in frame.columns]
    return frame.set_axis(names, axis=1).set_axis(pd.RangeIndex(len(frame)), axis=0)


def _materialize(text: str, encoding: Encoding, frame: pd.DataFrame, error: type[GLMMError]) -> tuple[Array, Encoding]:
    data = _aliased(frame)
    if not encoding.formula:
        return np.zeros((len(frame), 0)), replace(encoding, structure=[])
    with np.errstate(all="ignore"):
        try:
            matrix = _Materializer(data, context={}).get_model_matrix(encoding)
        except (FormulaicError, ValueError, TypeError, ArithmeticError, KeyError, NameError, IndexError) as failure:
            cause = failure.__cause__ or failure
            if isinstance(cause, GLMMError):
                raise cause from None
            raise error(f"Cannot compute {text!r}: {show_names(str(cause)).splitlines()[0]}") from failure
    return np.ascontiguousarray(np.asarray(matrix, dtype=np.float64)), matrix.model_spec


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
