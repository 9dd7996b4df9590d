"""The design: every array a model needs, from the specification and a table, and again from new rows.

Input: a `ModelSpec` and the user's data. Output: a `Design`; ``design.at(newdata)`` replays it on new rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.checks import check_factors, check_fixed, check_groups, check_names
from bayes_glmm.design.dates import with_days
from bayes_glmm.design.degenerate import check_exact_fit, check_offset, check_parameters
from bayes_glmm.design.dependence import levels_of_factor, with_new_levels
from bayes_glmm.design.encoders import (
    Encoders,
    GroupEncoder,
    all_coefs,
    bars_by_factor,
    correlation_blocks,
    fit_offsets,
    fit_parameter,
    intercept_names,
)
from bayes_glmm.design.encoding import encode, fit_terms
from bayes_glmm.design.frame import Kind, column_kind, distinct_rows, prepare
from bayes_glmm.design.grouping import GroupTerm, match_levels
from bayes_glmm.design.identified import check_identified
from bayes_glmm.design.known import encode_known, with_ends
from bayes_glmm.design.missing import complete_rows, predictable, split_unanswered
from bayes_glmm.design.monotonic import Monotonic, check_order, monotonic_terms
from bayes_glmm.design.response import (
    Response,
    build_response,
    encode_precision,
    encode_response,
    encode_trials,
)
from bayes_glmm.design.tables import read_columns
from bayes_glmm.errors import DataError, FormulaError, GLMMError, PredictionError
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = ["Design", "build_design", "prepared"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """The arrays of a model, rows in the user's order.

    Parameters
    ----------
    spec
        The specification the design was built from.
    X
        Fixed-effect columns, float64 (rows, coefficients), C-contiguous; ``"Intercept"`` first where there is one.
        Columns of further parameters with formulas of their own stand behind those of the mean.
    coefs
        Names of the columns of `X`; those of a further parameter begin with its name, ``"sigma_Intercept"``.
    offset
        Sum of the mean's offsets on the link scale, float64 (rows,); zeros where there is none.
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
    channels
        The linear predictor that each column of X acts on: 0, that of the mean, or 1, 2, ... in the order of
        ``spec.channels``.
    offsets
        Sums of the offsets of further parameters, float64 (parameters, rows).
    unanswered
        Under ``missing="predict"``, the user's columns of the rows whose response alone is missing: they say nothing of
        the parameters, and none of the arrays holds them. None otherwise.
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
    encoders: Encoders = field(repr=False)
    channels: tuple[int, ...]
    offsets: Array
    unanswered: pd.DataFrame | None = None

    @cached_property
    def means(self) -> Array:
        """Column means of X, zero for the intercept: what predictors are centred by, float64 (coefficients,)."""
        means = self.X.mean(axis=0) if len(self.X) else np.zeros(self.X.shape[1])
        means[self.intercepts] = 0.0
        means.flags.writeable = False
        return means

    @property
    def intercepts(self) -> list[int]:
        """Positions of the intercepts among the columns of X, at most one for each linear predictor."""
        names = intercept_names(self.spec)
        return [j for j, name in enumerate(self.coefs) if name == names[self.channels[j]]]

    @cached_property
    def monotonic(self) -> tuple[Monotonic, ...]:
        """The monotonic effects on the mean: their columns of X hold the positions of levels."""
        return monotonic_terms(self.encoders.fixed)

    def acts_on(self, channel: int) -> npt.NDArray[np.bool_]:
        """Say which columns of X act on a linear predictor.

        Parameters
        ----------
        channel
            0 for the mean's, or 1, 2, ... in the order of ``spec.channels``.

        Returns
        -------
        numpy.ndarray
            (coefficients,)
        """
        return np.array(self.channels, dtype=np.int64) == channel

    def of(self, channel: int) -> Design:
        """Return the design as one linear predictor sees it: columns that act on others are zero.

        Parameters
        ----------
        channel
            As of `acts_on`.

        Returns
        -------
        Design
            Of the same coefficients, so that the posterior's draws fit it; this very design where there is one linear
            predictor.
        """
        return self._views[channel] if self.spec.channels else self

    @cached_property
    def _views(self) -> tuple[Design, ...]:
        return tuple(
            replace(
                self,
                X=self.X * self.acts_on(channel),
                offset=offset,
                groups=tuple(replace(term, Z=term.Z * term.acts_on(channel)) for term in self.groups),
            )
            for channel, offset in enumerate((self.offset, *self.offsets))
        )

    def within(self, channel: int) -> Design:
        """Return the design of one linear predictor, without what acts on others.

        Parameters
        ----------
        channel
            As of `acts_on`.

        Returns
        -------
        Design
            Of fewer coefficients; this very design where there is one linear predictor.
        """
        if not self.spec.channels:
            return self
        acts, terms = self.acts_on(channel), [term.within(channel) for term in self.groups]
        coefs = tuple(name for name, own in zip(self.coefs, acts, strict=True) if own)
        offset = self.offset if channel == 0 else self.offsets[channel - 1]
        groups = tuple(term for term in terms if term is not None)
        X = np.ascontiguousarray(self.X[:, acts])
        return replace(self, X=X, coefs=coefs, channels=(channel,) * len(coefs), offset=offset, groups=groups)

    @cached_property
    def kinds(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Which rows multiply every group's effects by the same Z: the first row of each kind, and each row's kind."""
        return distinct_rows(np.hstack([np.empty((self.size, 0)), *(term.variance_keys for term in self.groups)]))

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.X)

    @property
    def given(self) -> pd.DataFrame:
        """The user's columns of all rows that the model is about: `frame`, then those whose response is missing."""
        return self.frame if self.unanswered is None else pd.concat([self.frame, self.unanswered])

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
    frame = with_ends(frame, formula.response)
    frame, unanswered = split_unanswered(frame, formula) if spec.missing == "predict" else (frame, None)
    frame, dropped, reasons = complete_rows(frame, spec.missing, DataError)
    response, response_encoder = build_response(formula.response, spec.family, frame)
    spec = spec.of_categories(response.categories or ())
    formula, ordered = spec.formula, spec.family.support == "ordered"
    kinds = {name: column_kind(frame[name]) for name in formula.predictors}
    predictors = prepared(frame, kinds, DataError)
    fixed, X = fit_terms(formula.fixed, predictors, thresholds=ordered)
    offset, offset_encoders = fit_offsets(formula.offsets, predictors)
    further = [fit_parameter(part, predictors) for part in formula.parameters]
    groups, group_encoders = _fit_groups(spec, frame, predictors)
    own = [term for term in (term.within(0) for term in groups) if term is not None]
    check_order(frame, monotonic_terms(fixed))
    check_parameters(fixed.coefs, groups, spec)
    check_offset(offset, spec)
    for part, columns, coefs in zip(
        formula.parts,
        (X, *(columns for _, columns, _ in further)),
        (fixed.coefs, *(encoder.fixed.coefs for encoder, _, _ in further)),
        strict=True,
    ):
        if ordered:  # thresholds are a constant
            columns, coefs = np.column_stack([np.ones(len(columns)), columns]), ("Intercept", *coefs)
        check_fixed(columns, coefs, predictors, part)
    check_groups(groups, kinds, spec)
    check_factors(frame, kinds, spec)
    check_identified(own, response, spec)
    check_exact_fit(X, offset, own, response, spec)
    parameters = tuple(encoder for encoder, _, _ in further)
    encoders = Encoders(kinds, fixed, offset_encoders, group_encoders, response_encoder, parameters)
    return Design(
        spec=spec,
        X=_frozen(np.hstack([X, *(columns for _, columns, _ in further)])),
        coefs=all_coefs(spec, encoders),
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
        encoders=encoders,
        channels=tuple(c for c, encoder in enumerate(encoders.all_fixed) for _ in encoder.coefs),
        offsets=_frozen(np.array([values for _, _, values in further]).reshape(len(further), len(frame))),
        unanswered=None if unanswered is None else predictable(unanswered, kinds),
    )


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


def _fit_groups(
    spec: ModelSpec, frame: pd.DataFrame, predictors: pd.DataFrame
) -> tuple[list[GroupTerm], tuple[GroupEncoder, ...]]:
    before = ("", *(f"{part.name}_" for part in spec.formula.parameters))
    terms, encoders, structures = [], [], dict(spec.covariances)
    for columns, members in bars_by_factor(spec.formula):
        coder, codes, structure = levels_of_factor(
            members[0][1].kind, frame, columns, structures.get(":".join(columns))
        )
        encoded = [fit_terms(bar.effects, predictors) for _, bar in members]
        pairs = [
            (channel, f"{before[channel]}{name}")
            for (channel, _), (encoder, _) in zip(members, encoded, strict=True)
            for name in encoder.coefs
        ]
        coefs = tuple(name for _, name in pairs)
        twice = [name for name in dict.fromkeys(coefs) if coefs.count(name) > 1]
        if twice:
            raise FormulaError(
                f"The coefficient {twice[0]!r} appears twice for the grouping factor {':'.join(columns)!r}; write each "
                "once, for example (1 + x | g) or (1 | g) + (0 + x | g)."
            )
        Z = _frozen(np.hstack([values for _, values in encoded]))
        blocks = correlation_blocks([bar for _, bar in members], encoded)
        name, channels = ":".join(columns), tuple(channel for channel, _ in pairs)
        terms.append(GroupTerm(name, columns, coder.levels, _frozen(codes), coefs, Z, blocks, structure, channels))
        encoders.append(GroupEncoder(coder, tuple(encoder for encoder, _ in encoded)))
    return terms, tuple(encoders)


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
    frame, dropped, reasons = complete_rows(frame, spec.missing, PredictionError)
    predictors = prepared(frame, encoders.kinds, PredictionError)
    terms = [
        _replay_group(term, encoder, frame if term.name in levels else None, predictors, allow_new)
        for term, encoder in zip(design.groups, encoders.groups, strict=True)
    ]
    offsets = np.zeros((len(encoders.all_offsets), len(frame)))
    for total, several in zip(offsets, encoders.all_offsets, strict=True):
        for encoder in several:
            total += encode(encoder, predictors)[:, 0]
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
        X=_frozen(np.hstack([encode(fixed, predictors) for fixed in encoders.all_fixed])),
        coefs=design.coefs,
        offset=_frozen(offsets[0]),
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
        channels=design.channels,
        offsets=_frozen(offsets[1:]),
    )


def _replay_group(
    term: GroupTerm, encoder: GroupEncoder, frame: pd.DataFrame | None, predictors: pd.DataFrame, allow_new: bool
) -> GroupTerm:
    if frame is None:
        codes, new = np.full(len(predictors), -1, dtype=np.int32), ()
    else:
        codes, new = match_levels(encoder.coder, frame, term.name, allow_new)
    Z = _frozen(np.hstack([encode(effects, predictors) for effects in encoder.effects]))
    levels = (*encoder.coder.levels, *new)
    if frame is not None and new:
        term = replace(term, structure=with_new_levels(term, encoder.coder, frame, codes, new))
    return replace(term, levels=levels, codes=_frozen(codes), Z=Z)


def _frozen(array: Any) -> Any:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def _frozen_response(response: Response) -> Response:
    for array in (response.y, response.trials, response.weights, response.precision, *response.known.values()):
        if array is not None:
            array.flags.writeable = False
    return response
