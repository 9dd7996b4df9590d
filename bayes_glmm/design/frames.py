"""Several data sets for one model, such as imputations of one: columns encoded once for all of them.

Input: a `ModelSpec` and tables. Output: `Frames`, the design of all rows together and that of each data set, with the
same columns, levels, knots and reference levels, so that a coefficient means the same in each.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bayes_glmm.design.design import Design, build_design
from bayes_glmm.design.frame import is_text
from bayes_glmm.errors import DataError, DataWarning, GLMMError, warn
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = ["Frames", "build_frames", "listed_frames", "unstacked"]


@dataclass(frozen=True, eq=False)
class Frames:
    """The designs of several data sets for one model.

    Parameters
    ----------
    stacked
        Of all rows, data set after data set: what columns are, and what default priors are stated at.
    designs
        Of each data set by itself, encoded as `stacked` is.
    """

    stacked: Design
    designs: tuple[Design, ...]


def build_frames(spec: ModelSpec, tables: Sequence[Any]) -> Frames:
    """Build the designs of several data sets.

    Parameters
    ----------
    spec
        The checked specification.
    tables
        Two data sets or more, as `listed_frames` returns them, each as `build_design` takes one.

    Returns
    -------
    Frames
        Nothing is sampled yet.

    Raises
    ------
    GLMMError
        If one does not fit the formula, the family or the others; the message says which.

    Warns
    -----
    DataWarning
        What each data set is warned of, once, with the numbers of the data sets.
    """
    own, said = [], dict[str, list[int]]()
    for number, table in enumerate(tables, start=1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataWarning)
            try:
                own.append(build_design(spec, table))
            except GLMMError as error:
                raise type(error)(f"Frame {number} of {len(tables)}: {error}") from None
        for one in caught:
            said.setdefault(str(one.message), []).append(number)
    for words, numbers in said.items():
        which = "Every frame" if len(numbers) == len(tables) else f"Frame {', '.join(map(str, numbers))}"
        warn(f"{which}: {words}")
    _check_alike([design.frame for design in own])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said of each data set by itself
        stacked = build_design(spec, pd.concat([design.frame for design in own]))
    dropped = [(design.dropped, design.reasons) for design in own]
    return Frames(stacked, unstacked(stacked, [design.size for design in own], dropped))


def unstacked(
    stacked: Design, rows: Sequence[int], dropped: Sequence[tuple[int, Mapping[str, int]]]
) -> tuple[Design, ...]:
    """Read the rows of each data set as those of all together were read.

    Parameters
    ----------
    stacked
        The design of all rows, data set after data set.
    rows
        How many rows each has.
    dropped
        How many each had besides, and why.

    Returns
    -------
    tuple of Design
        One for each data set.
    """
    ends = np.cumsum(rows)
    frames = [stacked.frame.iloc[end - size : end] for end, size in zip(ends, rows, strict=True)]
    return tuple(
        replace(stacked.at(frame, response=True, trials=True), dropped=lost, reasons=dict(reasons))
        for frame, (lost, reasons) in zip(frames, dropped, strict=True)
    )


def listed_frames(tables: Any) -> list[Any]:
    """Check that data sets come as a list of two or more.

    Parameters
    ----------
    tables
        What the user gave.

    Returns
    -------
    list
        The data sets.

    Raises
    ------
    DataError
        If it is one table, or fewer than two.
    """
    if isinstance(tables, pd.DataFrame | Mapping | str) or not isinstance(tables, Iterable):
        raise DataError(
            "fit_multiple takes a list of data sets, one for each imputation, not "
            f"a {type(tables).__name__}. Of a long table: [part for _, part in data.groupby('.imp')]."
        )
    given = list(tables)
    if len(given) < 2:
        raise DataError(
            f"fit_multiple takes two data sets or more, not {len(given)}; of one: GLMM(formula, data).fit()."
        )
    return given


def _check_alike(frames: Sequence[pd.DataFrame]) -> None:
    """Refuse columns that hold numbers in one data set and text in another, or other categories."""
    for number, frame in enumerate(frames[1:], start=2):
        for name in frame.columns:
            kinds = [_kind(one[name]) for one in (frames[0], frame)]
            if kinds[0] != kinds[1]:
                raise DataError(
                    f"The column {str(name)!r} holds {kinds[0]} in frame 1 and {kinds[1]} in frame {number}; make them "
                    "the same."
                )
            if kinds[0] == "categories" and _order(frames[0][name]) != _order(frame[name]):
                raise DataError(
                    f"The column {str(name)!r} has other categories, or another order of them, in frame {number} than "
                    "in frame 1; give all the same: pd.CategoricalDtype(categories=[...])."
                )


def _kind(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "categories"
    if is_text(column):
        return "text"
    if pd.api.types.is_bool_dtype(column.dtype):
        return "true and false"
    return "numbers" if pd.api.types.is_numeric_dtype(column.dtype) else f"{column.dtype} values"


def _order(column: pd.Series) -> tuple[list[Any], bool]:
    return column.cat.categories.tolist(), column.cat.ordered
