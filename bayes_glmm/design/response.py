"""The response: named fields, checked against the family's support before anything is compiled.

Input: the specification and the user's columns without missing values. Output: a `Response`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.encoding import Encoder, encode, fit_expression
from bayes_glmm.design.frame import (
    as_numbers,
    column_kind,
    first_rows,
    is_text,
    look_like_numbers,
    plain,
    prepare,
)
from bayes_glmm.design.known import KnownEncoder, encode_known, fit_known
from bayes_glmm.design.response_checks import check_precision, check_response, check_values, check_whole, refuse
from bayes_glmm.errors import DataError, listed, warn
from bayes_glmm.families import Family
from bayes_glmm.spec.response import ResponseFormula
from bayes_glmm.spec.safe import check_expression

__all__ = ["Response", "ResponseEncoder", "build_response", "encode_response", "encode_trials"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Response:
    """What is modelled, one value per row.

    Parameters
    ----------
    name
        What is modelled, ``"Reaction"`` or ``"log(body mass)"``: the expression without backticks.
    y
        Response values, float64 (rows,); successes for trials, 0 or 1 for binary responses, 0, 1, ... for categories.
    trials
        Number of trials, float64 (rows,); None where the family has none.
    weights
        How many times a row counts: what its log likelihood is multiplied by, float64 (rows,); None where not stated.
    event
        For a binary response given as text or a category: the level counted as 1.
    categories
        Labels of the categories, lowest first where they have an order, else the reference; None for other responses.
    precision
        How many times less a row varies, float64 (rows,); None where not stated.
    known
        What more is known of the rows, as the family's functions take it (`Family.known`), float64 (rows,) each.
    """

    name: str
    y: Array
    trials: Array | None = None
    weights: Array | None = None
    event: str | None = None
    categories: tuple[str, ...] | None = None
    precision: Array | None = None
    known: Mapping[str, Array] = field(default_factory=dict)

    @property
    def sizes(self) -> Array | None:
        """What a row's variance is divided by: trials, precisions, those of known errors; None for one everywhere."""
        if "se" in self.known:
            return 1.0 / np.square(self.known["se"])
        return self.trials if self.trials is not None else self.precision


@dataclass(frozen=True, eq=False)
class ResponseEncoder:
    """How the response was read, to read it again from new data.

    Parameters
    ----------
    formula
        The left side.
    support
        The family's support.
    value, trials, weights, precision
        Encoders of the expressions; None for a plain column of text or categories, and where not stated.
    labels
        The two levels of a binary response given as text or a category; the categories of an ordered response.
    known
        Reads what more is known of the rows.
    """

    formula: ResponseFormula
    support: str
    value: Encoder | None
    trials: Encoder | None
    weights: Encoder | None
    precision: Encoder | None
    labels: tuple[Any, ...] | None
    known: KnownEncoder


def build_response(formula: ResponseFormula, family: Family, frame: pd.DataFrame) -> tuple[Response, ResponseEncoder]:
    """Read and check the response.

    Parameters
    ----------
    formula
        The left side.
    family
        Its `support` says what is allowed.
    frame
        The user's columns, rows with missing values gone.

    Returns
    -------
    response : Response
        The checked values.
    encoder : ResponseEncoder
        Reads them from new data.

    Raises
    ------
    DataError
        If a value is not one the family can have; the message names the column, the first rows and what to do.
    """
    labels = _binary_labels(formula, family, frame)
    value: Encoder | None = None
    if family.support in ("ordered", "unordered"):
        labels, value, y = _category_codes(formula, family, frame)
    elif labels is not None:
        y = (frame[_column(formula)].astype(object) == labels[1]).to_numpy(dtype=np.float64)
    else:
        value, y = _evaluate(formula.expression, frame, response=True)
    texts = (formula.trials, formula.weights, formula.precision)
    read = [(None, None) if text is None else _evaluate(text, frame) for text in texts]
    trials, weights, precision = (values for _, values in read)
    knows = fit_known(formula, family.support, frame)
    known = encode_known(knows, frame, y)
    response = Response(formula.name, y, trials, weights, *_labels_in_words(labels, family), precision, known)
    check_response(response, formula, family, frame.index)
    of_trials, of_weights, of_precision = (encoder for encoder, _ in read)
    return response, ResponseEncoder(formula, family.support, value, of_trials, of_weights, of_precision, labels, knows)


def encode_response(encoder: ResponseEncoder, family: Family, frame: pd.DataFrame) -> Response:
    """Read the response from new data, as the fit read it.

    Parameters
    ----------
    encoder
        How the fit read it.
    family
        Its `support` says what is allowed.
    frame
        New rows without missing values.

    Returns
    -------
    Response
        The checked values.

    Raises
    ------
    DataError
        If a value is not one the family can have.
    PredictionError
        If an expression cannot be computed on the new rows.
    """
    formula = encoder.formula
    if encoder.labels is not None:
        values = frame[_column(formula)].astype(object)
        if encoder.value is not None:
            values = pd.Series(_replay(encoder.value, frame), index=frame.index)
        known = values.isin(list(encoder.labels)).to_numpy()
        if not known.all():
            raise DataError(
                f"The response {formula.name!r} must be one of {listed(encoder.labels)}, as in the fit; see "
                f"{first_rows(frame.index, ~known)}."
            )
        y = pd.Index(encoder.labels).get_indexer(pd.Index(values)).astype(np.float64)
    else:
        assert encoder.value is not None
        y = _replay(encoder.value, frame)
    trials = None if encoder.trials is None else encode_trials(encoder, frame)
    weights = None if encoder.weights is None else _replay(encoder.weights, frame)
    precision = None if encoder.precision is None else encode_precision(encoder, frame)
    known = encode_known(encoder.known, frame, y)
    response = Response(formula.name, y, trials, weights, *_labels_in_words(encoder.labels, family), precision, known)
    check_values(response, formula, family, frame.index)
    return response


def encode_trials(encoder: ResponseEncoder, frame: pd.DataFrame) -> Array:
    """Read only the numbers of trials from new data.

    Parameters
    ----------
    encoder
        How the fit read them.
    frame
        New rows without missing values.

    Returns
    -------
    numpy.ndarray
        Number of trials, float64 (rows,).

    Raises
    ------
    DataError
        If a number of trials is negative or not whole.
    """
    assert encoder.trials is not None
    trials = _replay(encoder.trials, frame)
    check_whole(trials, str(encoder.formula.trials), "numbers of trials", frame.index)
    return trials


def encode_precision(encoder: ResponseEncoder, frame: pd.DataFrame) -> Array:
    """Read only the precisions from new data.

    Parameters
    ----------
    encoder
        How the fit read them.
    frame
        New rows without missing values.

    Returns
    -------
    numpy.ndarray
        How many times less each row varies, float64 (rows,).

    Raises
    ------
    DataError
        If one is not above zero.
    """
    assert encoder.precision is not None
    precision = _replay(encoder.precision, frame)
    check_precision(precision, str(encoder.formula.precision), frame.index)
    return precision


def _replay(encoder: Encoder, frame: pd.DataFrame) -> Array:
    kinds = zip(encoder.columns, encoder.kinds, strict=True)
    columns = {name: prepare(frame[name], kind, DataError) for name, kind in kinds}
    return np.ascontiguousarray(encode(encoder, pd.DataFrame(columns, index=frame.index))[:, 0])


def _column(formula: ResponseFormula) -> str:
    return check_expression(formula.expression)[0]


def _is_column(expression: str) -> bool:
    columns = check_expression(expression)
    return len(columns) == 1 and expression in (columns[0], f"`{columns[0]}`")


def _evaluate(expression: str, frame: pd.DataFrame, response: bool = False) -> tuple[Encoder, Array]:
    return fit_expression(expression, _prepared(expression, frame, response))


def _prepared(expression: str, frame: pd.DataFrame, response: bool = False) -> pd.DataFrame:
    """Return an expression's columns as floats and categories; text and categories alone are refused."""
    prepared = {}
    for name in check_expression(expression):
        kind = column_kind(frame[name])
        if kind is not None and (_is_column(expression) or look_like_numbers(kind.levels)):
            what = "response" if response else "column"
            allowed = " Text and categories are for family='bernoulli' and two levels." if response else ""
            raise DataError(
                f"The {what} {name!r} holds {frame[name].dtype} values and must be numeric; "
                f"{as_numbers(frame[name])}.{allowed}"
            )
        prepared[name] = prepare(frame[name], kind, DataError)
    return pd.DataFrame(prepared, index=frame.index)


def _binary_labels(formula: ResponseFormula, family: Family, frame: pd.DataFrame) -> tuple[Any, Any] | None:
    """Return the two levels of a binary response given as text or categories, the event second."""
    if family.support != "binary" or not _is_column(formula.expression):
        return None
    column = frame[_column(formula)]
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        levels = list(categories) if len(categories) == 2 else [item for item in categories if (column == item).any()]
    elif is_text(column):
        kind = column_kind(column)
        levels = [] if kind is None else list(kind.levels)
    else:
        return None
    name = formula.name
    if len(levels) != 2:
        raise DataError(
            f"The response {name!r} of family {family.name!r} must have two levels; it has {len(levels)}: "
            f"{listed(levels)}."
        )
    if is_text(column):
        warn(
            f"The response {name!r} is text; {levels[1]!r} is counted as the event (1) and {levels[0]!r} as 0, which "
            "sorts first. Make it an ordered pd.Categorical, or 0/1, to choose."
        )
    return levels[0], levels[1]


def _labels_in_words(labels: tuple[Any, ...] | None, family: Family) -> tuple[str | None, tuple[str, ...] | None]:
    """Return the event of a binary response and the categories of an ordered one."""
    if labels is None:
        return None, None
    categories = family.support in ("ordered", "unordered")
    return (None, tuple(map(str, labels))) if categories else (str(labels[1]), None)


def _category_codes(
    formula: ResponseFormula, family: Family, frame: pd.DataFrame
) -> tuple[tuple[Any, ...], Encoder | None, Array]:
    """Return the categories that occur, lowest first, the encoder of numbers, and each row's position among them."""
    name, value, ordered = formula.name, None, family.support == "ordered"
    column = frame[_column(formula)] if _is_column(formula.expression) else None
    if column is not None and is_text(column):
        if ordered:
            cure = f"pd.Categorical(data[{name!r}], categories=[lowest, ..., highest], ordered=True)"
            raise DataError(
                f"The response {name!r} is text, whose order is not known (for example {plain(column.iloc[0])!r}). "
                f"Make it ordered: {cure}, or whole numbers: pd.to_numeric(data[{name!r}]). "
                "Categories without an order have family='categorical'."
            )
        kind = column_kind(column)
        declared = [] if kind is None else list(kind.levels)
        codes = pd.Index(declared).get_indexer(pd.Index(column.astype(object)))
    elif column is not None and isinstance(column.dtype, pd.CategoricalDtype):
        declared = list(column.cat.categories)
        if ordered and not column.cat.ordered and declared == sorted(declared, key=str):
            _warn_order(name, declared)
        if column.cat.ordered and not ordered:
            warn(f"The order of the response {name!r} is not used by the family {family.name!r}; 'cumulative' uses it.")
        codes = column.cat.codes.to_numpy(dtype=np.int64)
    else:
        value, numbers = _evaluate(formula.expression, frame, response=True)
        kind_of = "an ordered category" if ordered else "text, a category"
        reason = f"must be whole: family {family.name!r} takes {kind_of}, or whole numbers in its place"
        refuse(numbers != np.floor(numbers), numbers, name, frame.index, reason)
        refuse(np.abs(numbers) > 2**53, numbers, name, frame.index, "is too large to be a category")
        declared = np.unique(numbers).astype(np.int64).tolist()
        codes = np.searchsorted(declared, numbers.astype(np.int64))
    used = np.unique(codes)
    labels = tuple(declared[code] for code in used)
    _check_categories(name, labels, [label for label in declared if label not in labels], len(codes), ordered)
    return labels, value, np.searchsorted(used, codes).astype(np.float64)


def _check_categories(name: str, labels: tuple[Any, ...], unused: list[Any], rows: int, ordered: bool) -> None:
    """Refuse a single category; speak of very many, and of those that no row has."""
    if len(labels) < 2:
        raise DataError(
            f"The response {name!r} has one category only, {plain(labels[0])!r}: there is nothing to model."
        )
    if len(labels) > max(rows / 2, 10):
        each = "threshold" if ordered else "category"
        warn(
            f"The response {name!r} has {len(labels)} categories in {rows} rows; is it a number? Such rows say "
            f"little about each {each}."
        )
    if unused:
        warn(
            f"No row of the response {name!r} has {listed(map(plain, unused))}; the model has the "
            f"{len(labels)} categories that occur."
        )


def _warn_order(name: str, declared: list[Any]) -> None:
    """Say which order is taken where categories in alphabetical order may never have been given one."""
    warn(
        f"The response {name!r} is not an ordered category; its order is taken as {' < '.join(map(str, declared))}. "
        "Make it an ordered pd.Categorical to choose."
    )
