"""What more is known of the rows of a response, read from the user's columns and checked.

Input: the left side of the formula and the columns. Output: numbers by name, (rows,) each, as the family's functions
take them, and what reads them again from new rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.encoding import Encoder, encode, fit_expression
from bayes_glmm.design.frame import as_numbers, column_kind, look_like_numbers, prepare
from bayes_glmm.design.response_checks import refuse
from bayes_glmm.errors import DataError
from bayes_glmm.spec.response import ResponseFormula
from bayes_glmm.spec.safe import check_expression

__all__ = ["KnownEncoder", "encode_known", "fit_known"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KnownEncoder:
    """How what is known of the rows was read.

    Parameters
    ----------
    formula
        The left side.
    encoders
        Encoders by what they read.
    """

    formula: ResponseFormula
    encoders: Mapping[str, Encoder]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that new responses depend on: standard errors."""
        return tuple(name for key in ("se",) if key in self.encoders for name in self.encoders[key].columns)


def fit_known(formula: ResponseFormula, frame: pd.DataFrame) -> KnownEncoder:
    """Find out how to read what is known.

    Parameters
    ----------
    formula
        The left side.
    frame
        The user's columns, rows with missing values gone.

    Returns
    -------
    KnownEncoder
        Reads it from these rows and from new ones.

    Raises
    ------
    DataError
        If a column holds text.
    """
    return KnownEncoder(formula, {key: fit_expression(text, _numbers(text, frame))[0] for key, text in formula.known})


def encode_known(encoder: KnownEncoder, frame: pd.DataFrame) -> dict[str, Array]:
    """Read and check what is known of rows.

    Parameters
    ----------
    encoder
        How.
    frame
        The rows, without missing values.

    Returns
    -------
    dict
        Numbers by name, float64 (rows,).

    Raises
    ------
    DataError
        If a number is not allowed.
    """
    texts = dict(encoder.formula.known)
    read = {key: _replay(one, frame) for key, one in encoder.encoders.items()}
    if "se" in read:
        reason = "must be above zero: it holds standard errors; a row without one is not known exactly, leave it out"
        refuse(read["se"] <= 0, read["se"], texts["se"], frame.index, reason)
    return read


def _numbers(expression: str, frame: pd.DataFrame) -> pd.DataFrame:
    prepared = {}
    for name in check_expression(expression):
        kind = column_kind(frame[name])
        if kind is not None and (expression.strip("`") == name or look_like_numbers(kind.levels)):
            raise DataError(
                f"The column {name!r} holds {frame[name].dtype} values and must be numeric; {as_numbers(frame[name])}."
            )
        prepared[name] = prepare(frame[name], kind, DataError)
    return pd.DataFrame(prepared, index=frame.index)


def _replay(encoder: Encoder, frame: pd.DataFrame) -> Array:
    kinds = zip(encoder.columns, encoder.kinds, strict=True)
    columns = {name: prepare(frame[name], kind, DataError) for name, kind in kinds}
    return np.ascontiguousarray(encode(encoder, pd.DataFrame(columns, index=frame.index))[:, 0])
