"""What can be wrong with a whole design: constant or collinear columns, suspicious grouping factors, reserved names.

Input: the encoded arrays. Output: nothing, or a `DataError` or `DataWarning` that names the culprit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg

from bayes_glmm.design.frame import Kind, is_text, look_like_numbers
from bayes_glmm.design.grouping import GroupTerm, dimension_name
from bayes_glmm.errors import DataError, listed, warn
from bayes_glmm.spec.formula import Formula, ParameterFormula
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.safe import check_terms, columns_by_level

__all__ = ["check_collinearity", "check_factors", "check_fixed", "check_groups", "check_names", "triangle"]

Array = npt.NDArray[np.float64]

_TOLERANCE = 1e-7
#: What ``.astype(str)`` made of missing values.
_MISSING_AS_TEXT = ("nan", "NaN", "<NA>", "NaT")


def check_names(formula: Formula) -> None:
    """Refuse names that would collide with the names of dimensions, variables or the intercept.

    Parameters
    ----------
    formula
        The parsed formula.

    Raises
    ------
    DataError
        If a grouping factor or a predictor has such a name.
    """
    names = list(dict.fromkeys(bar.name for bar in formula.all_bars))
    taken = {f"{name}{suffix}": name for name in names for suffix in ("_coef", "_coef_2")}
    taken |= {f"{prefix}{name}": name for name in names for prefix in ("b_", "sd_", "corr_", "z_", "codes_", "Z_")}
    taken |= {dimension_name(name): name for name in names if dimension_name(name) != name}
    for name in names:
        if "/" in name:
            raise DataError(f"A grouping factor cannot have a '/' in its name: {name!r}. Rename the column.")
        if name in taken:
            raise DataError(
                f"The grouping factor {name!r} has a name that results use for {taken[name]!r}. "
                "Rename one of the two columns."
            )
    if both := sorted(set(formula.dates) & set(formula.group_columns)):
        raise DataError(
            f"The column {both[0]!r} is a date within as.Date() and a grouping factor. Copy it in the data, and use "
            "one copy for each."
        )
    if "Intercept" in formula.predictors:
        raise DataError(
            "A predictor cannot be named 'Intercept': that is the name of the intercept. Write 1 for the intercept, or "
            "rename the column."
        )


def check_fixed(X: Array, coefs: Sequence[str], predictors: pd.DataFrame, formula: Formula | ParameterFormula) -> None:
    """Refuse predictors that do not vary, and warn of columns that are combinations of others.

    Parameters
    ----------
    X
        Fixed-effect columns (rows, coefficients).
    coefs
        Their names.
    predictors
        Prepared columns.
    formula
        The parsed formula, or that of a further parameter.

    Raises
    ------
    DataError
        If a factor has one level or, in a model with an intercept, a column is constant.

    Warns
    -----
    DataWarning
        Naming collinear columns, and combinations of levels that do not occur.
    """
    _check_constant(X, coefs, predictors, formula)
    check_collinearity(X, coefs)


def _check_constant(
    X: Array, coefs: Sequence[str], predictors: pd.DataFrame, formula: Formula | ParameterFormula
) -> None:
    for name in check_terms(formula.fixed):
        column = predictors[name]
        if isinstance(column.dtype, pd.CategoricalDtype) and len(column.cat.categories) == 1:
            raise DataError(f"The factor {name!r} has one level only, {column.cat.categories[0]!r}; remove it.")
    if "Intercept" not in coefs:
        return
    for j, name in enumerate(coefs):
        if name == "Intercept" or X[0, j] != X[-1, j] or X[:, j].min() < X[:, j].max():
            continue
        if ":" in name and X[0, j] == 0:
            warn(f"No row has the combination of levels {name!r}: that coefficient will be its prior.")
        else:
            raise DataError(f"The predictor {name!r} is constant: it is {X[0, j]:g} in every row. Remove it.")


def check_collinearity(X: Array, coefs: Sequence[str], place: str = "") -> None:
    """Warn of columns that are exact combinations of others.

    Parameters
    ----------
    X
        Columns (rows, coefficients) of the fixed part or of a grouping factor.
    coefs
        Their names.
    place
        What to say after the names, such as ``" within 'g'"``.

    Warns
    -----
    DataWarning
        Naming the columns.

    Notes
    -----
    Columns are scaled to unit length, beside an intercept to unit spread; one is redundant when less than 1e-7 of its
    length is left after projection on those before it (the limited pivoting of R's `lm`). The work is done on the
    triangular factor of X's blocks of rows.
    """
    n, p = X.shape
    if p < 2:
        return
    R = triangle(X)
    length = np.sqrt(np.square(R).sum(axis=0))
    if coefs[0] == "Intercept":
        # years and timestamps are long and hardly vary
        spread = np.sqrt(np.square(R[1:]).sum(axis=0))
        length = np.where(spread > 1e-12 * length, spread, length)
    scaled = R / np.where(length > 0, length, 1.0)
    kept, redundant = _redundant(scaled)
    redundant = [j for j in redundant if length[j] > 0]
    if not redundant:
        return
    basis, *_ = np.linalg.lstsq(scaled[:, kept], scaled[:, redundant], rcond=None)
    partners = sorted({kept[i] for i in np.flatnonzero(np.abs(basis).max(axis=1) > 1e-6)} | set(redundant))
    why = f"there are more coefficients ({p}) than rows ({n})" if p > n else "they are exact combinations of each other"
    warn(
        f"The columns {listed(coefs[j] for j in partners)}{place} are collinear: {why}. Only their priors tell the "
        f"coefficients apart; removing {listed(coefs[j] for j in redundant)} would cure it."
    )


def _redundant(columns: Array) -> tuple[list[int], list[int]]:
    """Split columns of unit length into those kept and those that earlier ones span."""
    basis = np.zeros((columns.shape[0], 0))
    kept: list[int] = []
    redundant: list[int] = []
    for j in range(columns.shape[1]):
        rest = columns[:, j] - basis @ (basis.T @ columns[:, j])
        rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > _TOLERANCE:
            basis = np.column_stack([basis, rest / length])
            kept.append(j)
        else:
            redundant.append(j)
    return kept, redundant


def triangle(X: Array, rows: int = 65536) -> Array:
    """Return the R of X's QR decomposition, block by block."""
    R = np.zeros((0, X.shape[1]))
    for start in range(0, len(X), rows):
        R = linalg.qr(np.vstack([R, X[start : start + rows]]), mode="r", overwrite_a=True, check_finite=False)[0]
        R = R[: X.shape[1]]
    return R


def check_groups(groups: Sequence[GroupTerm], kinds: Mapping[str, Kind], spec: ModelSpec) -> None:
    """Check grouping factors.

    Parameters
    ----------
    groups
        The grouping factors.
    kinds
        What each predictor is.
    spec
        The specification.

    Raises
    ------
    DataError
        If a grouping factor has one level only.

    Warns
    -----
    DataWarning
        When a factor is also a predictor, or when two group the rows alike.
    """
    fixed = check_terms(spec.formula.fixed)
    for term in groups:
        if len(np.unique(term.codes)) == 1:
            raise DataError(
                f"The grouping factor {term.name!r} has one level only ({term.levels[term.codes[0]]!r}); its sd cannot "
                "be learned. Remove it."
            )
        if (
            len(term.columns) == 1
            and term.structure is None
            and "Intercept" in term.coefs
            and _is_factor(kinds, term.name, fixed)
        ):
            warn(
                f"{term.name!r} is a fixed factor and a grouping factor: level by level only their sum is identified. "
                "Keep one."
            )
    for term in groups:
        for channel in sorted(set(term.channels or (0,))):
            _check_slopes(term.within(channel) or term)
    for first, second in combinations([term for term in groups if term.structure is None], 2):
        if set(first.coefs) & set(second.coefs) and _same_levels(first, second):
            warn(
                f"{first.name!r} and {second.name!r} group the rows alike: only the sum of their variances is "
                "identified. Keep one."
            )


def check_factors(frame: pd.DataFrame, kinds: Mapping[str, Kind], spec: ModelSpec) -> None:
    """Warn of predictors that are factors and may have been meant as numbers or as grouping factors.

    Parameters
    ----------
    frame
        The user's columns.
    kinds
        What each predictor is.
    spec
        The specification.

    Warns
    -----
    DataWarning
        For text such as 'nan', once for all columns of numbers as text that C() does not name, and for factors with
        more levels than half the rows.
    """
    factors = {name: kind for name, kind in kinds.items() if kind is not None}
    texts = [name for name in spec.formula.variables if is_text(frame[name])]
    lost = [name for name in texts if frame[name].isin(_MISSING_AS_TEXT).any()]
    if lost:
        level = next(value for value in frame[lost[0]] if value in _MISSING_AS_TEXT)
        warn(
            f"The column {lost[0]!r} has the text {level!r}, which reads like a missing value that became text; it is "
            "taken as a level. Make it missing to leave these rows out: "
            f"data[{lost[0]!r}] = data[{lost[0]!r}].where(data[{lost[0]!r}] != {level!r})."
        )
    digits = [name for name in texts if name in factors and look_like_numbers(factors[name].levels)]
    said = {name for text in spec.formula.terms for name in columns_by_level(text)}
    unsaid = [name for name in digits if name not in said]
    if unsaid:
        one, target = len(unsaid) == 1, f"data[{unsaid[0]!r}]"
        warn(
            f"The column{'' if one else 's'} {listed(unsaid)} hold{'s' if one else ''} numbers as text, such as "
            f"{factors[unsaid[0]].levels[-1]!r}, and {'is' if one else 'are'} taken as categories in the order of the "
            f"numbers. If that is meant, write C({unsaid[0]}); if not, use {target} = pd.to_numeric({target})."
        )
    rows = len(frame)
    for name in dict.fromkeys(name for part in spec.formula.parts for name in check_terms(part.fixed)):
        levels = factors[name].levels if name in factors and name not in digits else ()
        if len(levels) > max(rows / 2, 2) and rows > 4:
            warn(
                f"The predictor {name!r} is a factor with {len(levels)} levels in {rows} rows; is it a number, or "
                f"should it be a grouping factor, (1 | {name})?"
            )


def _check_slopes(term: GroupTerm) -> None:
    for name, column in zip(term.coefs, term.Z.T, strict=True):
        if not column.any():
            warn(f"{name!r} within {term.name!r} is zero in every row: its sd will be its prior. Leave it out.")
    check_collinearity(term.Z, term.coefs, f" within {term.name!r}")


def _same_levels(first: GroupTerm, second: GroupTerm) -> bool:
    pairs = first.codes.astype(np.int64) * second.size + second.codes
    return first.size == second.size == len(pd.unique(pairs))


def _is_factor(kinds: Mapping[str, Any], name: str, fixed: Sequence[str]) -> bool:
    return name in fixed and kinds.get(name) is not None
