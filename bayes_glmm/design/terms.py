"""What the columns of a design are made of: the variables behind each, and what sums over a factor's levels amount to.

Input: an `Encoder`. Output: `ColumnTerms`. Default priors need it: a product or a power comes after what it is made of,
and the cell means of ``0 + f`` hold an intercept that has no column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from formulaic.parser.types import Factor

from bayes_glmm.design.encoding import Encoder, level_codes
from bayes_glmm.design.frame import distinct
from bayes_glmm.spec.monotonic import is_monotonic
from bayes_glmm.spec.safe import factor_columns, show_names

__all__ = ["ColumnTerms", "column_terms", "joined"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Variables = frozenset[str]


@dataclass(frozen=True, eq=False)
class ColumnTerms:
    """The columns of a design as terms of increasing order.

    Parameters
    ----------
    variables
        Variables of each column of ``X @ recoding``; empty for a constant.
    recoding
        (p, p) invertible. Where a factor has a column for each of its levels, the first becomes the sum over the
        levels, which is the term without the factor; elsewhere the identity.
    blocks
        Positions of the columns that were recoded together, and of every other column by itself.
    places
        The term of the formula that each column comes from.
    cells
        (rows,) level of each row of every variable that counts as a factor: those encoded by levels, and those of two
        values.
    """

    variables: tuple[Variables, ...]
    recoding: Array
    blocks: tuple[tuple[int, ...], ...]
    places: tuple[int, ...]
    cells: dict[str, Codes]


def column_terms(encoder: Encoder, frame: pd.DataFrame, recode: bool = True) -> ColumnTerms:
    """Say what each column of an encoder is made of.

    Parameters
    ----------
    encoder
        A fitted encoder.
    frame
        The prepared columns of the fit.
    recode
        Whether columns for each of a factor's levels are turned into their sum and the others.

    Returns
    -------
    ColumnTerms
        One entry for each of ``encoder.coefs``.

    Notes
    -----
    Levels that are not those of a column, such as ``cut(x, 3)``, are a variable of their own, as they would be if they
    stood in the data.
    """
    size = len(encoder.coefs)
    variables: list[Variables] = []
    recoding = np.eye(size + encoder.skipped)
    blocks: list[tuple[int, ...]] = []
    places: list[int] = []
    made = _made_levels(encoder, frame)
    by_level: Variables = frozenset()
    for place, names, factors, count in _scoped_terms(encoder, made):
        by_level = by_level.union(*(name for name, (_, columns) in zip(names, factors, strict=True) if columns))
        start = len(variables)
        own = [frozenset().union(*names)] * count
        together: Array = np.eye(1)
        sizes = _sizes(factors, count) if recode else None
        for i, (full, _) in enumerate(factors if sizes else []):
            assert sizes is not None
            summed: Array = np.eye(sizes[i])
            if full:
                summed[:, 0] = 1.0
                rest = frozenset().union(*names[:i], *names[i + 1 :])
                for position in _first_levels(sizes, i):
                    own[position] = own[position] & rest
            together = np.asarray(np.kron(summed, together), dtype=float)
        together = together if len(together) == count else np.eye(count)
        variables += own
        places += [place] * count
        positions = tuple(range(start, start + count))
        recoding[np.ix_(positions, positions)] = together
        blocks += [positions] if np.any(together != np.eye(count)) else [(j,) for j in positions]
    kept = slice(encoder.skipped, None)
    shifted = tuple(tuple(j - encoder.skipped for j in block) for block in blocks[kept])
    cells = {show_names(expression): codes for expression, codes in made.items()}
    for name in sorted(frozenset[str]().union(*variables) - cells.keys()):
        if name not in frame:
            continue
        codes = distinct(frame[name])[0]
        if name in by_level or isinstance(frame[name].dtype, pd.CategoricalDtype) or codes.max(initial=0) < 2:
            cells[name] = codes
    return ColumnTerms(tuple(variables[kept]), recoding[kept, kept], shifted, tuple(places[kept]), cells)


def _made_levels(encoder: Encoder, frame: pd.DataFrame) -> dict[str, Codes]:
    """Return the levels (rows,) of expressions whose levels are not, one by one, the values of a column."""
    made = {}
    for factor in encoder.encoding.factor_contrasts:
        if factor.eval_method is Factor.EvalMethod.LOOKUP:
            continue
        codes, columns = level_codes(encoder, factor.expr, frame), factor_columns(factor)
        values = distinct(frame[columns[0]])[0]
        pairs = len(np.unique(np.column_stack([codes, values]), axis=0))
        if len(columns) > 1 or not pairs == len(np.unique(codes)) == len(np.unique(values)):
            made[factor.expr] = codes
    return made


def joined(parts: Sequence[ColumnTerms]) -> ColumnTerms:
    """Put the columns of several encoders side by side.

    Parameters
    ----------
    parts
        What the columns of each are made of.

    Returns
    -------
    ColumnTerms
        The terms of later parts come after those of earlier ones.
    """
    starts = np.cumsum([0, *(len(part.variables) for part in parts)])
    recoding = np.eye(int(starts[-1]))
    blocks, places, last = [], [], 0
    for start, part in zip(starts[:-1].tolist(), parts, strict=True):
        own = slice(start, start + len(part.variables))
        recoding[own, own] = part.recoding
        blocks += [tuple(start + j for j in block) for block in part.blocks]
        places += [last + place for place in part.places]
        last = max(places, default=-1) + 1
    variables = tuple(names for part in parts for names in part.variables)
    cells = {name: codes for part in parts for name, codes in part.cells.items()}
    return ColumnTerms(variables, recoding, tuple(blocks), tuple(places), cells)


def _scoped_terms(
    encoder: Encoder, made: Mapping[str, Codes]
) -> Iterator[tuple[int, list[Variables], list[tuple[bool, int]], int]]:
    """Yield the products that columns come from, in their order.

    Of each: the number of its term, the variables of its factors, whether a factor has a column for each of its levels
    and how many columns it has (0: unknown), and the number of columns.
    """
    contrasts = encoder.encoding.factor_contrasts
    for place, term in enumerate(encoder.encoding.structure or ()):
        left = len(term.columns)
        for scoped in term.scoped_terms:
            names, factors, known = [], [], 1
            for part in scoped.factors:
                factor = part.factor.factor
                # positions on a scale are a number of their own, whatever the column holds
                own = factor.expr in made or is_monotonic(factor.expr)
                names.append(frozenset([show_names(factor.expr)] if own else factor_columns(factor)))
                state = contrasts.get(part.factor.expr)
                columns = 0 if state is None else len(state.levels) - bool(part.reduced)
                factors.append((state is not None and not part.reduced, columns))
                known *= columns or 1
            count = left if scoped is term.scoped_terms[-1] else known
            left -= count
            yield place, names, factors, count


def _sizes(factors: list[tuple[bool, int]], count: int) -> list[int] | None:
    """Return the columns of each factor of a product, the first varying fastest; None where they cannot be told."""
    known = int(np.prod([columns or 1 for _, columns in factors]))
    unknown = [i for i, (_, columns) in enumerate(factors) if not columns]
    if count % known or (count != known and len(unknown) != 1):
        return None
    return [columns or count // known if i in unknown[:1] else columns or 1 for i, (_, columns) in enumerate(factors)]


def _first_levels(sizes: list[int], i: int) -> list[int]:
    """Return the positions in a product of the columns of factor i's first level."""
    index = np.arange(int(np.prod(sizes))).reshape(sizes, order="F")
    return index.take(0, axis=i).ravel().tolist()
