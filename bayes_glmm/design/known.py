"""What more is known of the rows of a response, read from the user's columns and checked.

Input: the left side of the formula and the columns. Output: numbers by name, (rows,) each, as the family's functions
take them (`Family.known`), and what reads them again from new rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.encoding import Encoder, encode, fit_expression
from bayes_glmm.design.frame import as_numbers, column_kind, is_text, look_like_numbers, prepare
from bayes_glmm.design.response_checks import refuse
from bayes_glmm.errors import DataError
from bayes_glmm.families import DISCRETE
from bayes_glmm.spec.names import one_name
from bayes_glmm.spec.response import ResponseFormula
from bayes_glmm.spec.safe import check_expression

if TYPE_CHECKING:
    from bayes_glmm.design.response import Response

__all__ = ["KnownEncoder", "encode_known", "fit_known", "recensored", "with_ends"]

Array = npt.NDArray[np.float64]

#: What a row's status says, in words and in brms's numbers.
NONE, RIGHT, LEFT, INTERVAL = 0.0, 1.0, -1.0, 2.0
_WORDS = {"none": NONE, "right": RIGHT, "left": LEFT, "interval": INTERVAL}
#: What new responses depend on, and what their means do.
_OF_DRAWS, _OF_MEANS = ("se", "lower", "upper"), ("lower", "upper")


@dataclass(frozen=True)
class KnownEncoder:
    """How what is known of the rows was read.

    Parameters
    ----------
    formula
        The left side.
    support
        The family's support.
    encoders
        Encoders by what they read; none for a column of words.
    """

    formula: ResponseFormula
    support: str
    encoders: Mapping[str, Encoder]

    def columns(self, draws: bool) -> list[str]:
        """List the columns that means of new rows depend on, or with `draws` new responses."""
        keys = _OF_DRAWS if draws else _OF_MEANS
        return [name for key in keys if key in self.encoders for name in self.encoders[key].columns]


def with_ends(frame: pd.DataFrame, formula: ResponseFormula) -> pd.DataFrame:
    """Let the ends of intervals be missing in rows that are not censored to one.

    Parameters
    ----------
    frame
        The user's columns.
    formula
        The left side.

    Returns
    -------
    pandas.DataFrame
        The response as such rows' end; the frame itself where nothing is missing, or status and end are no columns.
    """
    names = {key: one_name(text) for key, text in formula.known}
    end, status, y = names.get("end"), names.get("status"), one_name(formula.expression)
    if end is None or status is None or y is None:
        return frame
    of_interval = frame[status].astype(str).str.strip().str.lower().isin(["interval", "2", "2.0"])
    without = frame[end].isna() & frame[status].notna() & ~of_interval
    return frame.assign(**{end: frame[end].where(~without, frame[y])}) if without.any() else frame


def fit_known(formula: ResponseFormula, support: str, frame: pd.DataFrame) -> KnownEncoder:
    """Find out how to read what is known.

    Parameters
    ----------
    formula
        The left side.
    support
        The family's support.
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
    encoders = {}
    for key, text in formula.known:
        if not (key in ("status", "event") and _is_column_of_words(text, frame)):
            encoders[key] = fit_expression(text, _numbers(text, frame))[0]
    return KnownEncoder(formula, support, encoders)


def encode_known(
    encoder: KnownEncoder, frame: pd.DataFrame, y: Array | None = None, draws: bool = True
) -> dict[str, Array]:
    """Read and check what is known of rows.

    Parameters
    ----------
    encoder
        How.
    frame
        The rows, without missing values.
    y
        Responses (rows,); None reads only what new responses depend on.
    draws
        Whether new responses are to be drawn, not only their means computed.

    Returns
    -------
    dict
        Numbers by name, float64 (rows,).

    Raises
    ------
    DataError
        If a number is not allowed.
    """
    formula, texts, index = encoder.formula, dict(encoder.formula.known), frame.index
    wanted = encoder.encoders if y is not None else [key for key in (_OF_DRAWS if draws else _OF_MEANS) if key in texts]
    read = {key: _replay(encoder.encoders[key], frame) for key in wanted}
    known: dict[str, Array] = {}
    if "se" in read:
        reason = "must be above zero: it holds standard errors; a row without one is not known exactly, leave it out"
        refuse(read["se"] <= 0, read["se"], texts["se"], index, reason)
        known["se"] = read["se"]
    if not {"censored", "truncated"} & set(formula.knowing):
        return known
    # of counts both limits are included
    step = 1.0 if encoder.support in DISCRETE else 0.0
    lower = read["lower"] - step if "lower" in read else np.full(len(frame), -np.inf)
    if encoder.support != "real":  # a limit that all responses are above of anyway is none
        lower = np.where(lower < 0.0 if step else lower <= 0.0, -np.inf, lower)
    upper = read.get("upper", np.full(len(frame), np.inf))
    if "truncated" in formula.knowing:
        refuse(lower >= upper, upper, texts.get("upper", "upper"), index, "must be above the lower limit")
    limits = {"lower": lower, "upper": upper}
    if y is None:
        return limits if "truncated" in formula.knowing else {}
    words = {
        key: _words(frame[texts[key]], texts[key]) for key in ("status", "event") if key in texts.keys() - read.keys()
    }
    above, upto = _censoring(formula, read | words, y, index, step)
    seen = above == upto
    for outside, side in ((seen & (y <= lower if step else y < lower), "lower"), (seen & (y > upper), "upper")):
        refuse(outside, y, formula.name, index, f"lies outside of its {side} limit, {texts.get(side)}")
    refuse(~seen & (upto <= lower), upto, formula.name, index, "is censored where responses cannot be")
    refuse(~seen & (above >= upper), above, formula.name, index, "is censored where responses cannot be")
    # what is known of a response that lies within the limits
    known = {
        "above": np.where(seen, y, np.maximum(above, lower)),
        "upto": np.where(seen, y, np.minimum(upto, upper)),
        **limits,
    }
    return known | {key: read[key] for key in ("lower_limit", "upper_limit") if key in read}


def recensored(response: Response, support: str, y: Array) -> tuple[Array, dict[str, Array]]:
    """Hide other responses as those of the rows were hidden.

    Parameters
    ----------
    response
        The rows' own.
    support
        The family's support.
    y
        (..., rows) others.

    Returns
    -------
    y : numpy.ndarray
        (..., rows) as they would have been recorded: where they lie where that of a censored row is known to lie, or
        beyond a limit of what can be seen, what was or would be recorded there.
    known : dict
        What would be known of them, (..., rows).
    """
    known = dict(response.known)
    if "above" not in known:
        return y, known
    above, upto = known["above"], known["upto"]
    hidden = (above < upto) & (above < y) & (y <= upto)
    y, above, upto = (np.where(hidden, mine, theirs) for mine, theirs in ((response.y, y), (above, y), (upto, y)))
    step = 1.0 if support in DISCRETE else 0.0
    if (low := known.get("lower_limit")) is not None:
        beyond = ~hidden & (y <= low)
        y, above, upto = np.where(beyond, low, y), np.where(beyond, -np.inf, above), np.where(beyond, low, upto)
    if (high := known.get("upper_limit")) is not None:
        beyond = ~hidden & (y >= high)
        y, above, upto = np.where(beyond, high, y), np.where(beyond, high - step, above), np.where(beyond, np.inf, upto)
    return y, {**known, "above": above, "upto": upto}


def _censoring(
    formula: ResponseFormula, read: Mapping[str, Array], y: Array, index: pd.Index, step: float
) -> tuple[Array, Array]:
    """Return what is known: above < Y <= upto; both are y where it was seen."""
    texts = dict(formula.known)
    low, high = read.get("lower_limit"), read.get("upper_limit")
    above, upto = y.copy(), y.copy()
    if low is not None:
        refuse(y < low, y, formula.name, index, f"lies below the limit {texts['lower_limit']} of what can be seen")
        above, upto = np.where(y <= low, -np.inf, above), np.where(y <= low, low, upto)
    if high is not None:
        refuse(y > high, y, formula.name, index, f"lies above the limit {texts['upper_limit']} of what can be seen")
        above, upto = np.where(y >= high, high - step, above), np.where(y >= high, np.inf, upto)
    status = read.get("status")
    if "event" in read:
        event = read["event"]
        reason = "must be 1 for rows whose event was seen and 0 for the others; of R's 1 and 2 write status == 2"
        refuse((event != 0) & (event != 1), event, texts["event"], index, reason)
        status = 1.0 - event
    if status is None:
        return above, upto
    reason = "must say 'none', 'right', 'left' or 'interval', or 0, 1, -1 or 2, of each row"
    refuse(~np.isin(status, list(_WORDS.values())), status, texts.get("status", ""), index, reason)
    above, upto = np.where(status == LEFT, -np.inf, above), np.where(status == RIGHT, np.inf, upto)
    interval = status == INTERVAL
    if interval.any():
        if "end" not in read:
            raise DataError(
                f"{texts['status']!r} says that rows are censored to intervals; write censored({formula.expression}, "
                f"{texts['status']}, end=...) with the column of their upper ends."
            )
        refuse(interval & (read["end"] <= y), read["end"], texts["end"], index, "must lie above the interval's start")
        upto = np.where(interval, read["end"], upto)
    return above, upto


def _is_column_of_words(text: str, frame: pd.DataFrame) -> bool:
    name = text.strip("`")
    return name in frame and (is_text(frame[name]) or isinstance(frame[name].dtype, pd.CategoricalDtype))


def _words(column: pd.Series, name: str) -> Array:
    values = column.astype(str).str.strip().str.lower()
    codes = values.map(_WORDS).to_numpy(dtype=float)
    if np.isnan(codes).any():
        other = values[np.isnan(codes)].iloc[0]
        raise DataError(f"The column {name!r} says how rows are censored: {', '.join(_WORDS)}; not {other!r}.")
    return codes


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
