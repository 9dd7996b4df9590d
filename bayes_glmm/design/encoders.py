"""What replays a design on new rows, and how the formulas of several linear predictors become one set of columns.

Input: formulas and prepared columns. Output: encoders, names of coefficients, and bars by grouping factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.encoding import Encoder, fit_expression, fit_terms
from bayes_glmm.design.frame import Kind
from bayes_glmm.design.grouping import LevelCoder
from bayes_glmm.design.response import ResponseEncoder
from bayes_glmm.errors import DataError
from bayes_glmm.spec.formula import Bar, Formula, ParameterFormula
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = [
    "Encoders",
    "GroupEncoder",
    "ParameterEncoder",
    "all_coefs",
    "bars_by_factor",
    "correlation_blocks",
    "fit_offsets",
    "fit_parameter",
    "intercept_names",
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


@dataclass(frozen=True, eq=False)
class Encoders:
    """Everything learned from the data of the fit."""

    kinds: dict[str, Kind]
    fixed: Encoder
    offsets: tuple[Encoder, ...]
    groups: tuple[GroupEncoder, ...]
    response: ResponseEncoder
    parameters: tuple[ParameterEncoder, ...] = ()

    @property
    def all_fixed(self) -> tuple[Encoder, ...]:
        """The fixed part of every linear predictor, the mean's first."""
        return (self.fixed, *(one.fixed for one in self.parameters))

    @property
    def all_offsets(self) -> tuple[tuple[Encoder, ...], ...]:
        """The offsets of every linear predictor, the mean's first."""
        return (self.offsets, *(one.offsets for one in self.parameters))


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


def fit_parameter(part: ParameterFormula, predictors: pd.DataFrame) -> tuple[ParameterEncoder, Array, Array]:
    """Encode the formula of a further parameter: what replays it, its columns and its offset."""
    fixed, columns = fit_terms(part.fixed, predictors, thresholds=part.implied)
    offset, encoders = fit_offsets(part.offsets, predictors)
    return ParameterEncoder(fixed, encoders), columns, offset


def all_coefs(spec: ModelSpec, encoders: Encoders) -> tuple[str, ...]:
    """Name the columns of X, those of a further parameter with its name before them."""
    names = list(encoders.fixed.coefs)
    for part, encoder in zip(spec.formula.parameters, encoders.parameters, strict=True):
        names += [f"{part.name}_{coef}" for coef in encoder.fixed.coefs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(
            f"Two coefficients would be called {twice[0]!r}: a column of the mean's formula, and one of a further "
            "parameter's. Rename the column."
        )
    return tuple(names)


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
