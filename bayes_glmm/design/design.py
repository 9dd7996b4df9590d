"""The design: every array a model needs, from the specification and a table, and again from new rows.

Input: a `ModelSpec` and the user's data. Output: a `Design`; ``design.at(newdata)`` replays it on new rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.checks import check_factors, check_fixed, check_groups, check_names
from bayes_glmm.design.dates import with_days
from bayes_glmm.design.degenerate import check_exact_fit, check_offset, check_parameters
from bayes_glmm.design.encoding import Encoder, encode, fit_expression, fit_terms
from bayes_glmm.design.frame import Kind, column_kind, distinct_rows, missing_mask, prepare
from bayes_glmm.design.grouping import GroupTerm, LevelCoder, fit_levels, match_levels
from bayes_glmm.design.identified import check_identified
from bayes_glmm.design.known import encode_known
from bayes_glmm.design.response import (
    Response,
    ResponseEncoder,
    build_response,
    encode_precision,
    encode_response,
    encode_trials,
)
from bayes_glmm.design.tables import read_columns
from bayes_glmm.errors import DataError, FormulaError, GLMMError, PredictionError, warn
from bayes_glmm.spec.formula import Bar
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = ["Design", "build_design", "prepared"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _GroupEncoder:
    """What replays one grouping factor: its levels, and the left side of each of its bars."""

    coder: LevelCoder
    effects: tuple[Encoder, ...]


@dataclass(frozen=True, eq=False)
class _Encoders:
    """Everything learned from the data of the fit."""

    kinds: dict[str, Kind]
    fixed: Encoder
    offsets: tuple[Encoder, ...]
    groups: tuple[_GroupEncoder, ...]
    response: ResponseEncoder


@dataclass(frozen=True, eq=False)
class Design:
    """The arrays of a model, rows in the user's order.

    Parameters
    ----------
    spec
        The specification the design was built from.
    X
        Fixed-effect columns, float64 (rows, coefficients), C-contiguous; ``"Intercept"`` first where there is one.
    coefs
        Names of the columns of `X`.
    offset
        Sum of the offsets on the link scale, float64 (rows,); zeros where there is none.
    groups
        One `GroupTerm` per grouping factor.
    response
        The response; None for new rows read without it.
    trials, precision
        Numbers of trials, and how many times less a row varies, float64 (rows,), where they were read.
    known
        What more is known of the rows, float64 (rows,) each, where it was read.
    index
        The user's labels of the rows kept.
    dropped
        Number of rows dropped for missing values.
    reasons
        Missing values by column.
    frame
        The user's columns of the rows kept, a copy.
    encoders
        What replays the design on new rows.
    """

    spec: ModelSpec
    X: Array
    coefs: tuple[str, ...]
    offset: Array
    groups: tuple[GroupTerm, ...]
    response: Response | None
    trials: Array | None
    precision: Array | None
    known: Mapping[str, Array]
    index: pd.Index
    dropped: int
    reasons: dict[str, int]
    frame: pd.DataFrame
    encoders: _Encoders = field(repr=False)

    @cached_property
    def means(self) -> Array:
        """Column means of X, zero for the intercept: what predictors are centred by, float64 (coefficients,)."""
        means = self.X.mean(axis=0) if len(self.X) else np.zeros(self.X.shape[1])
        means[[j for j, name in enumerate(self.coefs) if name == "Intercept"]] = 0.0
        means.flags.writeable = False
        return means

    @cached_property
    def kinds(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Which rows multiply every group's effects by the same Z: the first row of each kind, and each row's kind."""
        return distinct_rows(np.hstack([np.empty((self.size, 0)), *(term.Z for term in self.groups)]))

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.X)

    def group(self, name: str) -> GroupTerm:
        """Return the grouping factor of that name.

        Parameters
        ----------
        name
            ``"herd"`` or ``"a:b"``.

        Returns
        -------
        GroupTerm
            The factor.

        Raises
        ------
        GLMMError
            If the model has no such grouping factor.
        """
        for term in self.groups:
            if term.name == name:
                return term
        names = ", ".join(repr(term.name) for term in self.groups) or "none"
        raise GLMMError(f"The model has no grouping factor {name!r}; it has {names}.")

    def at(
        self,
        newdata: Any,
        *,
        new_levels: str = "error",
        response: bool = False,
        trials: bool = False,
        groups: Collection[str] | None = None,
    ) -> Design:
        """Read new rows as the fit read its own.

        Parameters
        ----------
        newdata
            A table, as `build_design` takes it.
        new_levels
            ``"error"``, or ``"allow"``: each distinct unseen level of a grouping factor gets a code of its own after
            those of the fit and is appended to the factor's levels.
        response
            Whether to read the response (and the trials and weights) too.
        trials
            Whether to read the numbers of trials or the precisions.
        groups
            Names of the grouping factors whose levels are read; None for all. The columns of others may be absent, and
            their codes are -1.

        Returns
        -------
        Design
            The same columns, coefficients and groups for the new rows.

        Raises
        ------
        PredictionError
            If a column is missing or of another type than in the fit, a factor has a level the fit did not see, or a
            value is missing (unless the specification says to drop) or not finite.
        """
        if new_levels not in ("error", "allow"):
            raise PredictionError(f"new_levels must be 'error' or 'allow', not {new_levels!r}.")
        read = [term.name for term in self.groups if groups is None or term.name in groups]
        return _replay(self, newdata, new_levels == "allow", response, trials, read)


def build_design(spec: ModelSpec, data: Any) -> Design:
    """Build the arrays of a model.

    Parameters
    ----------
    spec
        The checked specification.
    data
        A table, as `bayes_glmm.design.tables.read_columns` takes it; it is not changed. Only the columns used are
        read.

    Returns
    -------
    Design
        The arrays, and what replays them.

    Raises
    ------
    DataError
        If the data do not fit the formula or the family.
    FormulaError
        If a coefficient appears twice for one grouping factor.

    Warns
    -----
    DataWarning
        When rows are dropped, columns are collinear, or a response or grouping factor looks suspicious.

    Examples
    --------
    >>> spec = ModelSpec.build("y ~ x + (x | g)")
    >>> design = build_design(spec, {"y": [1, 3, 2, 5], "x": [0.5, 1, 1.5, 2], "g": ["a", "a", "b", "b"]})
    >>> design.coefs, design.groups[0].levels, design.groups[0].codes.tolist()
    (('Intercept', 'x'), ('a', 'b'), [0, 0, 1, 1])
    """
    formula = spec.formula
    check_names(formula)
    frame = with_days(read_columns(data, formula.variables), formula.dates, DataError)
    frame, dropped, reasons = _complete_rows(frame, spec.missing, DataError)
    kinds = {name: column_kind(frame[name]) for name in formula.predictors}
    predictors = prepared(frame, kinds, DataError)
    response, response_encoder = build_response(formula.response, spec.family, frame)
    fixed, X = fit_terms(formula.fixed, predictors, thresholds=response.categories is not None)
    offset, offset_encoders = _fit_offsets(formula.offsets, predictors)
    groups, group_encoders = _fit_groups(formula.bars, frame, predictors)
    check_parameters(fixed.coefs, groups, spec)
    check_offset(offset, spec)
    if response.categories is None:
        check_fixed(X, fixed.coefs, predictors, formula)
    else:
        check_fixed(np.column_stack([np.ones(len(X)), X]), ("Intercept", *fixed.coefs), predictors, formula)
    check_groups(groups, kinds, spec)
    check_factors(frame, kinds, spec)
    check_identified(groups, response, spec)
    check_exact_fit(X, offset, groups, response, spec)
    return Design(
        spec=spec,
        X=_frozen(X),
        coefs=fixed.coefs,
        offset=offset,
        groups=tuple(groups),
        response=_frozen_response(response),
        trials=response.trials,
        precision=response.precision,
        known=response.known,
        index=frame.index,
        dropped=dropped,
        reasons=reasons,
        frame=frame,
        encoders=_Encoders(kinds, fixed, offset_encoders, group_encoders, response_encoder),
    )


def _complete_rows(
    frame: pd.DataFrame, missing: str, error: type[GLMMError]
) -> tuple[pd.DataFrame, int, dict[str, int]]:
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


def prepared(frame: pd.DataFrame, kinds: dict[str, Kind], error: type[GLMMError] = PredictionError) -> pd.DataFrame:
    """Turn the predictors' columns into what is encoded: floats and categoricals with the levels of the fit.

    Parameters
    ----------
    frame
        The user's columns.
    kinds
        What each predictor is.
    error
        What is raised.

    Returns
    -------
    pandas.DataFrame
        The predictors, index of `frame`.

    Raises
    ------
    GLMMError
        If a column is of another kind, or a level was not fitted.
    """
    return pd.DataFrame({name: prepare(frame[name], kind, error) for name, kind in kinds.items()}, index=frame.index)


def _fit_offsets(offsets: Sequence[str], predictors: pd.DataFrame) -> tuple[Array, tuple[Encoder, ...]]:
    encoded = [fit_expression(text, predictors) for text in offsets]
    total = np.zeros(len(predictors))
    for _, values in encoded:
        total += values
    return _frozen(total), tuple(encoder for encoder, _ in encoded)


def _merged(bars: Sequence[Bar]) -> list[tuple[tuple[str, ...], list[Bar]]]:
    """Collect the bars of each grouping factor; a:b and b:a are one factor."""
    merged: dict[frozenset[str], tuple[tuple[str, ...], list[Bar]]] = {}
    for bar in bars:
        merged.setdefault(frozenset(bar.group), (bar.group, []))[1].append(bar)
    return list(merged.values())


def _fit_groups(
    bars: Sequence[Bar], frame: pd.DataFrame, predictors: pd.DataFrame
) -> tuple[list[GroupTerm], tuple[_GroupEncoder, ...]]:
    terms, encoders = [], []
    for columns, members in _merged(bars):
        coder, codes = fit_levels(frame, columns)
        encoded = [fit_terms(bar.effects, predictors) for bar in members]
        coefs = tuple(name for encoder, _ in encoded for name in encoder.coefs)
        twice = [name for name in dict.fromkeys(coefs) if coefs.count(name) > 1]
        if twice:
            raise FormulaError(
                f"The coefficient {twice[0]!r} appears twice for the grouping factor {':'.join(columns)!r}; write each "
                "once, for example (1 + x | g) or (1 | g) + (0 + x | g)."
            )
        Z = _frozen(np.hstack([values for _, values in encoded]))
        terms.append(
            GroupTerm(":".join(columns), columns, coder.levels, _frozen(codes), coefs, Z, _blocks(members, encoded))
        )
        encoders.append(_GroupEncoder(coder, tuple(encoder for encoder, _ in encoded)))
    return terms, tuple(encoders)


def _blocks(bars: Sequence[Bar], encoded: Sequence[tuple[Encoder, Array]]) -> tuple[tuple[int, ...], ...]:
    blocks: list[tuple[int, ...]] = []
    start = 0
    for bar, (encoder, _) in zip(bars, encoded, strict=True):
        positions = range(start, start + len(encoder.coefs))
        blocks.extend([tuple(positions)] if bar.correlated else [(position,) for position in positions])
        start = positions.stop
    return tuple(blocks)


def _replay(
    design: Design, newdata: Any, allow_new: bool, response: bool, trials: bool, levels: Collection[str]
) -> Design:
    spec, encoders, formula = design.spec, design.encoders, design.spec.formula
    wanted = [*formula.predictors, *(name for term in design.groups if term.name in levels for name in term.columns)]
    wanted += list(formula.response.variables) if response else []
    for sizes in (encoders.response.trials, encoders.response.precision) if trials else ():
        wanted += [] if sizes is None else list(sizes.columns)
    wanted += encoders.response.known.columns(draws=trials)
    frame = read_columns(newdata, tuple(dict.fromkeys(wanted)), PredictionError)
    frame = with_days(frame, formula.dates, PredictionError)
    frame, dropped, reasons = _complete_rows(frame, spec.missing, PredictionError)
    predictors = prepared(frame, encoders.kinds, PredictionError)
    terms = [
        _replay_group(term, encoder, frame if term.name in levels else None, predictors, allow_new)
        for term, encoder in zip(design.groups, encoders.groups, strict=True)
    ]
    offset = np.zeros(len(frame))
    for encoder in encoders.offsets:
        offset += encode(encoder, predictors)[:, 0]
    read = _frozen_response(encode_response(encoders.response, spec.family, frame)) if response else None
    if read is not None:
        numbers, precision, known = read.trials, read.precision, read.known
    else:
        wants = trials and encoders.response.trials is not None
        numbers = _frozen(encode_trials(encoders.response, frame)) if wants else None
        wants = trials and encoders.response.precision is not None
        precision = _frozen(encode_precision(encoders.response, frame)) if wants else None
        known = encode_known(encoders.response.known, frame, draws=trials)
    return Design(
        spec=spec,
        X=_frozen(encode(encoders.fixed, predictors)),
        coefs=design.coefs,
        offset=_frozen(offset),
        groups=tuple(terms),
        response=read,
        trials=numbers,
        precision=precision,
        known=known,
        index=frame.index,
        dropped=dropped,
        reasons=reasons,
        frame=frame,
        encoders=encoders,
    )


def _replay_group(
    term: GroupTerm, encoder: _GroupEncoder, frame: pd.DataFrame | None, predictors: pd.DataFrame, allow_new: bool
) -> GroupTerm:
    if frame is None:
        codes, new = np.full(len(predictors), -1, dtype=np.int32), ()
    else:
        codes, new = match_levels(encoder.coder, frame, term.name, allow_new)
    Z = _frozen(np.hstack([encode(effects, predictors) for effects in encoder.effects]))
    levels = (*encoder.coder.levels, *new)
    return GroupTerm(term.name, term.columns, levels, _frozen(codes), term.coefs, Z, term.blocks)


def _frozen(array: Any) -> Any:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def _frozen_response(response: Response) -> Response:
    for array in (response.y, response.trials, response.weights, response.precision, *response.known.values()):
        if array is not None:
            array.flags.writeable = False
    return response
