"""The design of several responses: that of each, and one set of columns and group terms for all.

Input: a `MultivariateSpec` and the user's data. Output: a `MultivariateDesign`. Every response has a linear predictor
of its own, so that its columns and coefficients act on no other; terms of one grouping factor become one `GroupTerm`
over the levels of all, whose blocks say what is correlated across responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.design import Design, build_design
from bayes_glmm.design.encoders import bars_by_factor
from bayes_glmm.design.frame import missing_mask
from bayes_glmm.design.grouping import GroupTerm, fit_levels
from bayes_glmm.design.tables import read_columns
from bayes_glmm.errors import DataError, FormulaError, warn
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.multivariate import MultivariateSpec

__all__ = ["MultivariateDesign", "build_multivariate_design"]

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class MultivariateDesign:
    """The arrays of a model of several responses, rows in the user's order.

    Parameters
    ----------
    spec
        The specification.
    parts
        The design of each response, of the rows that have it.
    rows
        For each response, the positions of its rows among all.
    X
        Fixed-effect columns of all responses, float64 (rows, coefficients): zero in rows without the response.
    coefs
        Names of the columns, ``"y1_Intercept"``.
    channels
        The response that each column acts on.
    offsets
        Offsets of each response, float64 (responses, rows).
    groups
        One `GroupTerm` per grouping factor, with coefficients ``"y1_Intercept"`` of every response that has it.
    sources
        For each of `groups`, where its coefficients come from: (response, its grouping factor, its coefficient) each.
    frame
        The user's columns of the rows that have a response.
    """

    spec: MultivariateSpec
    parts: tuple[Design, ...]
    rows: tuple[Rows, ...]
    X: Array
    coefs: tuple[str, ...]
    channels: tuple[int, ...]
    offsets: Array
    groups: tuple[GroupTerm, ...]
    sources: tuple[tuple[tuple[int, int, int], ...], ...]
    frame: pd.DataFrame = field(repr=False)

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.X)

    @property
    def intercepts(self) -> list[int]:
        """Positions of the intercepts among the columns of X."""
        starts = np.cumsum([0, *(len(part.coefs) for part in self.parts)])
        return [int(start) + j for start, part in zip(starts[:-1], self.parts, strict=True) for j in part.intercepts]

    def acts_on(self, channel: int) -> npt.NDArray[np.bool_]:
        """Say which columns of X act on a response."""
        return np.array(self.channels, dtype=np.int64) == channel

    def levels_of(self, response: int, group: int) -> Rows:
        """Return where the levels of a response's grouping factor are among those of the merged one."""
        term, merged = self.parts[response].groups[group], self.groups[self.merged(response, group)]
        if term.structure is not None:
            return np.arange(len(term.levels))
        place = np.zeros(len(term.levels), dtype=np.intp)
        place[term.codes] = merged.codes[self.rows[response]]
        return place

    def merged(self, response: int, group: int) -> int:
        """Return which of `groups` a response's grouping factor became part of."""
        return next(i for i, source in enumerate(self.sources) if any(one[:2] == (response, group) for one in source))

    def coefs_of(self, response: int, group: int) -> list[int]:
        """Return where the coefficients of a response's grouping factor are among those of the merged one."""
        source = self.sources[self.merged(response, group)]
        count = len(self.parts[response].groups[group].coefs)
        return [source.index((response, group, c)) for c in range(count)]


def build_multivariate_design(spec: MultivariateSpec, data: object) -> MultivariateDesign:
    """Build the arrays of a model of several responses.

    Parameters
    ----------
    spec
        The checked specification.
    data
        A table, as `bayes_glmm.design.design.build_design` takes it.

    Returns
    -------
    MultivariateDesign
        The arrays.

    Raises
    ------
    DataError
        As for one response, with the response's name before it; if two coefficients would have one name.

    Warns
    -----
    DataWarning
        When a response is not observed in rows, or rows are dropped.

    Examples
    --------
    >>> spec = MultivariateSpec.build(["a ~ x + (1 |p| g)", "b ~ 1 + (1 |p| g)"])
    >>> data = {"a": [1, 3, 2, 5], "b": [2, 2, 1, 6], "x": [0.5, 1, 1.5, 2], "g": ["u", "u", "v", "v"]}
    >>> design = build_multivariate_design(spec, data)
    >>> design.coefs, design.groups[0].coefs, design.groups[0].blocks
    (('a_Intercept', 'a_x', 'b_Intercept'), ('a_Intercept', 'b_Intercept'), ((0, 1),))
    """
    raw = read_columns(data, spec.variables)
    masks, parts, said = [], [], []
    for name, part in zip(spec.names, spec.parts, strict=True):
        mask, counts = missing_mask(raw[list(part.formula.variables)])
        dropped = int(mask.sum())
        if dropped:
            by_column = ", ".join(f"{column}: {count}" for column, count in counts.items())
            said.append(f"{dropped} of {len(raw)} rows are left out for {name}, with missing values ({by_column})")
        if len(raw) - dropped < 2:
            raise DataError(f"{name}: a model needs two rows or more without missing values; {'; '.join(said)}.")
        masks.append(mask)
        parts.append((part, mask, dropped, counts))
    if said and spec.parts[0].missing == "error":
        raise DataError(f"{'; '.join(said)}, and missing='error'.")
    if said:
        warn(f"{'; '.join(said)}. They stay for responses that they have.")
    designs = [
        replace(_part_design(name, part, raw.loc[~mask]), dropped=dropped, reasons=counts)
        for name, (part, mask, dropped, counts) in zip(spec.names, parts, strict=True)
    ]
    used = ~np.all(masks, axis=0)
    return combine(spec, tuple(designs), tuple(np.flatnonzero(~mask[used]) for mask in masks), raw.loc[used])


def _part_design(name: str, part: ModelSpec, rows: pd.DataFrame) -> Design:
    try:
        design = build_design(part, rows)
    except DataError as error:
        raise type(error)(f"{name}: {error}") from None
    if design.monotonic:
        raise FormulaError(
            f"{name}: monotonic effects are not available among several responses; write the ordered column itself in "
            f"the place of {design.monotonic[0].coef}."
        )
    return design


def combine(
    spec: MultivariateSpec, parts: tuple[Design, ...], rows: tuple[Rows, ...], frame: pd.DataFrame
) -> MultivariateDesign:
    """Put the designs of the responses together; `rows` are the positions of their rows in `frame`."""
    n, first = len(frame), 0
    X = np.zeros((n, sum(part.X.shape[1] for part in parts)))
    offsets = np.zeros((len(parts), n))
    for r, part in enumerate(parts):
        X[np.ix_(rows[r], np.arange(first, first + part.X.shape[1]))] = part.X
        offsets[r, rows[r]] = part.offset
        first += part.X.shape[1]
    coefs = tuple(f"{name}_{coef}" for name, part in zip(spec.names, parts, strict=True) for coef in part.coefs)
    groups, sources = _merged_groups(spec, parts, rows, frame)
    for names in (coefs, *(term.coefs for term in groups)):
        if twice := [name for name in names if names.count(name) > 1]:
            raise DataError(f"Two coefficients would be called {twice[0]!r}. Rename a response or a predictor.")
    return MultivariateDesign(
        spec=spec,
        parts=parts,
        rows=rows,
        X=X,
        coefs=coefs,
        channels=tuple(r for r, part in enumerate(parts) for _ in part.coefs),
        offsets=offsets,
        groups=groups,
        sources=sources,
        frame=frame,
    )


#: A block of correlated coefficients of one response: response, its grouping factor, coefficients.
_Block = tuple[int, int, tuple[int, ...]]


def _merged_groups(
    spec: MultivariateSpec, parts: Sequence[Design], rows: Sequence[Rows], frame: pd.DataFrame
) -> tuple[tuple[GroupTerm, ...], tuple[tuple[tuple[int, int, int], ...], ...]]:
    factors: dict[frozenset[str], dict[str, list[_Block]]] = {}
    for r, part in enumerate(parts):
        for g, (term, (_, members)) in enumerate(zip(part.groups, bars_by_factor(part.spec.formula), strict=True)):
            encoded = zip(members, part.encoders.groups[g].effects, strict=True)
            ids = [bar.together for (_, bar), effects in encoded for _ in effects.coefs]
            of_factor = factors.setdefault(frozenset(term.columns), {})
            for i, block in enumerate(term.blocks):
                of_factor.setdefault(ids[block[0]] or f" {r} {i}", []).append((r, g, block))
    terms, sources = [], []
    for together in factors.values():
        blocks = list(together.values())
        source = [(r, g, c) for pieces in blocks for r, g, block in pieces for c in block]
        sizes = [sum(len(block) for _, _, block in pieces) for pieces in blocks]
        ends = np.cumsum(sizes)
        merged = tuple(tuple(range(int(end) - size, int(end))) for end, size in zip(ends, sizes, strict=True))
        terms.append(_merged_term(spec, parts, rows, frame, source, merged))
        sources.append(tuple(source))
    return tuple(terms), tuple(sources)


def _merged_term(
    spec: MultivariateSpec,
    parts: Sequence[Design],
    rows: Sequence[Rows],
    frame: pd.DataFrame,
    source: list[tuple[int, int, int]],
    blocks: tuple[tuple[int, ...], ...],
) -> GroupTerm:
    own = {r: parts[r].groups[g] for r, g, _ in source}
    term = next(iter(own.values()))
    Z = np.zeros((len(frame), len(source)))
    for k, (r, g, c) in enumerate(source):
        Z[rows[r], k] = parts[r].groups[g].Z[:, c]
    codes = np.zeros(len(frame), dtype=np.int32)
    if term.structure is None:
        having = np.unique(np.concatenate([rows[r] for r in own]))
        coder, codes[having] = fit_levels(frame.iloc[having], term.columns)
        levels = coder.levels
    else:
        levels = term.levels
        for r, one in own.items():
            codes[rows[r]] = one.codes
    coefs = tuple(f"{spec.names[r]}_{parts[r].groups[g].coefs[c]}" for r, g, c in source)
    channels = tuple(r for r, _, _ in source)
    return GroupTerm(term.name, term.columns, levels, codes, coefs, Z, blocks, term.structure, channels)
