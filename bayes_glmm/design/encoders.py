"""What replays a design on new rows, and how the formulas of several linear predictors become one set of columns.

Input: formulas and prepared columns. Output: encoders, names of coefficients, and bars by grouping factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.encoding import Encoder, encode, fit_expression, fit_terms
from bayes_glmm.design.frame import Kind
from bayes_glmm.design.grouping import LevelCoder
from bayes_glmm.design.response import ResponseEncoder
from bayes_glmm.design.smooths import Penalised, SmoothEncoder, encode_smooth, fit_smooth, penalised
from bayes_glmm.errors import DataError
from bayes_glmm.spec.formula import Bar, Formula, ParameterFormula
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.smooths import Smooth

__all__ = [
    "Encoders",
    "GroupEncoder",
    "Layout",
    "ParameterEncoder",
    "bars_by_factor",
    "correlation_blocks",
    "fit_offsets",
    "fit_parameter",
    "fit_smooths",
    "intercept_names",
    "lay_out",
]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupEncoder:
    """What replays one grouping factor: its levels, and the left side of each of its bars."""

    coder: LevelCoder
    effects: tuple[Encoder, ...]


@dataclass(frozen=True, eq=False)
class ParameterEncoder:
    """What replays the formula of a further parameter, group terms aside."""

    fixed: Encoder
    offsets: tuple[Encoder, ...]
    smooths: tuple[SmoothEncoder, ...] = ()


@dataclass(frozen=True, eq=False)
class Encoders:
    """Everything learned from the data of the fit."""

    kinds: dict[str, Kind]
    fixed: Encoder
    offsets: tuple[Encoder, ...]
    groups: tuple[GroupEncoder, ...]
    response: ResponseEncoder
    parameters: tuple[ParameterEncoder, ...] = ()
    smooths: tuple[SmoothEncoder, ...] = ()

    @property
    def all_fixed(self) -> tuple[Encoder, ...]:
        """The fixed part of every linear predictor, the mean's first."""
        return (self.fixed, *(one.fixed for one in self.parameters))

    @property
    def all_offsets(self) -> tuple[tuple[Encoder, ...], ...]:
        """The offsets of every linear predictor, the mean's first."""
        return (self.offsets, *(one.offsets for one in self.parameters))

    @property
    def all_smooths(self) -> tuple[tuple[SmoothEncoder, ...], ...]:
        """The smooths of every linear predictor, the mean's first."""
        return (self.smooths, *(one.smooths for one in self.parameters))

    def columns(self, predictors: pd.DataFrame, *, finite: bool = True) -> Array:
        """Replay X on prepared rows: of every linear predictor the fixed part, then what bends (rows, coefficients)."""
        parts = []
        for fixed, smooths in zip(self.all_fixed, self.all_smooths, strict=True):
            parts.append(encode(fixed, predictors, finite=finite))
            parts += [encode_smooth(smooth, predictors, finite=finite) for smooth in smooths]
        return np.hstack(parts)


def intercept_names(spec: ModelSpec) -> tuple[str, ...]:
    """Name the intercept of every linear predictor, the mean's first.

    Parameters
    ----------
    spec
        The specification.

    Returns
    -------
    tuple of str
        Such as ``("Intercept", "sigma_Intercept")``.
    """
    return ("Intercept", *(f"{part.name}_Intercept" for part in spec.formula.parameters))


def fit_parameter(part: ParameterFormula, predictors: pd.DataFrame) -> tuple[ParameterEncoder, Array, Array, Array]:
    """Encode the formula of a further parameter: what replays it, its fixed part, what bends, and its offset."""
    fixed, columns = fit_terms(part.fixed, predictors, thresholds=part.implied)
    smooths, bent = fit_smooths(part.smooths, predictors)
    offset, encoders = fit_offsets(part.offsets, predictors)
    return ParameterEncoder(fixed, encoders, smooths), columns, bent, offset


def fit_smooths(smooths: Sequence[Smooth], predictors: pd.DataFrame) -> tuple[tuple[SmoothEncoder, ...], Array]:
    """Encode what bends in the smooths of one linear predictor: what replays each, and their columns."""
    fitted = [fit_smooth(smooth, predictors) for smooth in smooths]
    columns = np.hstack([np.empty((len(predictors), 0)), *(columns for _, columns in fitted)])
    return tuple(encoder for encoder, _ in fitted), columns


@dataclass(frozen=True, eq=False)
class Layout:
    """The columns of X: their names, the linear predictors they act on, and which of them share a sd."""

    coefs: tuple[str, ...]
    channels: tuple[int, ...]
    penalised: tuple[Penalised, ...]


def lay_out(spec: ModelSpec, encoders: Encoders) -> Layout:
    """Name the columns of X, those of a further parameter with its name before them.

    Parameters
    ----------
    spec
        The specification.
    encoders
        What makes the columns.

    Returns
    -------
    Layout
        In the order of `Encoders.columns`.

    Raises
    ------
    DataError
        If two columns would have one name.
    """
    names: list[str] = []
    channels: list[int] = []
    bent: list[Penalised] = []
    before = ("", *(f"{part.name}_" for part in spec.formula.parameters))
    for c, (fixed, smooths) in enumerate(zip(encoders.all_fixed, encoders.all_smooths, strict=True)):
        names += [f"{before[c]}{coef}" for coef in fixed.coefs]
        for smooth in smooths:
            parts = list(penalised(smooth, len(names), c, before[c]))
            names += [f"{part.name}[{i}]" for part in parts for i in range(1, 1 + len(part.columns))]
            bent += parts
        channels += [c] * (len(names) - len(channels))
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(
            f"Two coefficients would be called {twice[0]!r}: a column of the mean's formula, and one of a further "
            "parameter's. Rename the column."
        )
    return Layout(tuple(names), tuple(channels), tuple(bent))


def fit_offsets(offsets: Sequence[str], predictors: pd.DataFrame) -> tuple[Array, tuple[Encoder, ...]]:
    """Encode the offsets of one linear predictor: their sum (rows,), and what replays each."""
    encoded = [fit_expression(text, predictors) for text in offsets]
    total = np.zeros(len(predictors))
    for _, values in encoded:
        total += values
    total.flags.writeable = False
    return total, tuple(encoder for encoder, _ in encoded)


def bars_by_factor(formula: Formula) -> list[tuple[tuple[str, ...], list[tuple[int, Bar]]]]:
    """Collect the bars of each grouping factor with their linear predictors; a:b and b:a are one factor.

    Bars that share a name, and so their correlations, stand together.
    """
    merged: dict[frozenset[str], tuple[tuple[str, ...], list[tuple[int, Bar]]]] = {}
    for channel, part in enumerate(formula.parts):
        for bar in part.bars:
            merged.setdefault(frozenset(bar.group), (bar.group, []))[1].append((channel, bar))
    for _, members in merged.values():
        first: dict[str, int] = {}
        for i, (_, bar) in enumerate(members):
            first.setdefault(bar.together or f" {i}", i)
        order = [first[bar.together or f" {i}"] for i, (_, bar) in enumerate(members)]
        members[:] = [members[i] for i in np.argsort(order, kind="stable")]
    return list(merged.values())


def correlation_blocks(bars: Sequence[Bar], encoded: Sequence[tuple[Encoder, Array]]) -> tuple[tuple[int, ...], ...]:
    """Say which of a factor's coefficients are correlated, for the bars and their encoded left sides."""
    blocks: list[tuple[int, ...]] = []
    start, before = 0, ""
    for bar, (encoder, _) in zip(bars, encoded, strict=True):
        positions = tuple(range(start, start + len(encoder.coefs)))
        if bar.together and bar.together == before:
            blocks[-1] += positions
        else:
            blocks.extend([positions] if bar.correlated else [(position,) for position in positions])
        start, before = start + len(positions), bar.together
    return tuple(blocks)
