"""Models without a posterior worth the name: an exact fit, an offset that no exponential holds, nothing to estimate.

Input: the arrays of a design. Output: nothing, or a `DataError` or `FormulaError` that names the culprit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.response import Response
from bayes_glmm.errors import DataError, FormulaError, listed, warn
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = ["check_exact_fit", "check_offset", "check_parameters"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]

#: Share of the response's spread below which what predictors leave of it is rounding error.
_EXACT = 1e-7
#: Share of what predictors leave below which what levels leave is rounding error, of single precision. Sds of levels
#: and of rows so far apart take minutes to sample: 30 to 300 s at 3e-7, 0.3 s at 1e-5.
_EXACT_WITHIN, _NEARLY_WITHIN = 1e-6, 1e-5
#: Rows that are looked at first: what is exact is exact in them.
_FIRST = 1000
#: exp(200) is 7e86: more than any two rows of one table differ by.
_WIDEST = 200.0
_NEARLY = (
    "The response {!r} is nearly an exact function of the predictors{}: {:.1g} of its spread is left to estimate the "
    "residual spread from, and sampling may be slow or fail. Was it measured once and repeated over the rows of a "
    "group? Then keep one row for each."
)
_EXPONENTIAL = frozenset({"log", "logit", "probit", "cloglog"})


def check_parameters(coefs: Sequence[str], groups: Sequence[GroupTerm], spec: ModelSpec) -> None:
    """Refuse a model without any parameter.

    Parameters
    ----------
    coefs
        Names of the fixed coefficients.
    groups
        The grouping factors.
    spec
        The specification.

    Raises
    ------
    FormulaError
        If there is nothing to estimate.
    """
    if not coefs and not groups and not spec.family.parameters:
        raise FormulaError(f"{spec.formula.text!r} has nothing to estimate; write 'y ~ 1' for an intercept only.")


def check_offset(offset: Array, spec: ModelSpec) -> None:
    """Refuse offsets so far apart that the means of the rows cannot be held side by side.

    Parameters
    ----------
    offset
        Sum of the offsets (rows,), link scale.
    spec
        The specification.

    Raises
    ------
    DataError
        If they are, which is what an exposure without its logarithm looks like.
    """
    low, high = float(offset.min()), float(offset.max())
    if high - low > _WIDEST and spec.link.name in _EXPONENTIAL:
        raise DataError(
            f"The offset {listed(spec.formula.offsets)} goes from {low:g} to {high:g} on the {spec.link.name} scale: a "
            f"factor of exp({high - low:.0f}) between rows. Write offset(log(...)) for an exposure, or rescale it."
        )


def check_exact_fit(X: Array, offset: Array, groups: Sequence[GroupTerm], response: Response, spec: ModelSpec) -> None:
    """Refuse a response that is an exact function of predictors and groups, where its spread is to be estimated.

    Parameters
    ----------
    X
        Fixed-effect columns (rows, coefficients).
    offset
        Sum of the offsets (rows,).
    groups
        The grouping factors, each looked at by itself: its intercepts, and all its coefficients.
    response
        The response.
    spec
        The specification.

    Raises
    ------
    DataError
        If nothing is left of the response: its residual spread goes to zero, and the density without bound. Where
        standard errors are known it does not.

    Warns
    -----
    DataWarning
        If hardly anything is.
    """
    if spec.family.support not in ("real", "positive", "unit") or "se" in spec.family.known:
        return
    transform = spec.family.response_transform
    with np.errstate(all="ignore"):
        mean = response.y if transform is None else np.asarray(transform(response.y))
        linked = np.asarray(spec.link.link(mean), dtype=float)
    eta = linked - offset
    kept = np.ones(len(eta), dtype=bool) if response.weights is None else response.weights > 0
    if "censored" in spec.family.knowing:  # of such rows no value is known
        kept &= response.known["above"] == response.known["upto"]
    if not kept.any() or not np.isfinite(eta).all():
        return
    reference = float(linked[kept].std())
    for name, codes, Z in _parts(X, groups):
        within = f" within every level of {name!r}" if name else ""
        share = _share_left(eta[kept], X[kept], None if codes is None else codes[kept], Z[kept], reference)
        if share <= (_EXACT_WITHIN if name else _EXACT):
            raise DataError(
                f"The response {response.name!r} is an exact function of the predictors{within}: nothing is left from "
                "which to estimate its residual spread. Was a predictor made from the response, or the response "
                "repeated over the rows of a group?"
            )
        if name and share <= _NEARLY_WITHIN:
            warn(_NEARLY.format(response.name, within, share))
            return
        if not name and math.isfinite(share):  # what levels can explain is what predictors leave
            reference *= share


def _parts(X: Array, groups: Sequence[GroupTerm]) -> Iterator[tuple[str, Codes | None, Array]]:
    """Yield what may explain a response beside X: factor, codes (rows,), Z (rows, coefficients); first nothing."""
    # without an intercept, predictors explain the response itself, not its deviations from a mean
    whole = np.zeros(len(X), dtype=np.int32) if (np.ptp(X, axis=0) == 0.0).any() else None
    yield "", whole, np.ones((len(X), 1))
    for term in groups:
        if term.structure is not None:
            continue  # what levels leave of each other is not nothing
        intercept = [j for j, coef in enumerate(term.coefs) if coef == "Intercept"]
        if intercept:
            yield term.name, term.codes, term.Z[:, intercept]
        if len(term.coefs) > len(intercept):
            yield term.name, term.codes, term.Z


def _share_left(eta: Array, X: Array, codes: Codes | None, Z: Array, spread: float) -> float:
    """Which share of the spread levels and columns leave: of the largest levels, then of all; infinite if none is."""
    order = np.arange(len(eta)) if codes is None else np.lexsort((codes, -np.bincount(codes)[codes]))
    share = math.inf
    for rows in (order[:_FIRST], order) if len(eta) > _FIRST else (order,):
        left = _left_over(eta[rows], X[rows], None if codes is None else codes[rows], Z[rows])
        if left is None and Z.shape[1] > 1:  # where the largest levels are used up, all are
            return math.inf
        if left is None:
            continue
        share = left / spread if spread > 0.0 else math.inf
        if share > _NEARLY_WITHIN:
            return share
    return share


def _left_over(eta: Array, X: Array, codes: Codes | None, Z: Array) -> float | None:
    """Return the root mean square of what levels and columns leave; None where they outnumber the rows.

    Rows are sorted by level; within a level, everything is taken off that its columns of Z explain.
    """
    inner, size = np.column_stack([X, eta]), 0
    if codes is not None:
        ends = np.flatnonzero(np.diff(codes)) + 1
        if Z.shape[1] == 1 and bool(np.all(Z == 1.0)):
            starts, count = np.append(0, ends), np.diff(np.concatenate([[0], ends, [len(codes)]]))
            inner -= np.repeat(np.add.reduceat(inner, starts, axis=0) / count[:, None], count, axis=0)
            size = len(count)
        else:
            for rows in np.split(np.arange(len(codes)), ends):
                basis, values, _ = np.linalg.svd(Z[rows], full_matrices=False)
                basis = basis[:, values > 1e-10 * values[0]]
                inner[rows] -= basis @ (basis.T @ inner[rows])
                size += basis.shape[1]
    length = np.sqrt(np.square(inner[:, :-1]).mean(axis=0))
    varies = length > 1e-12 * np.abs(X).max(axis=0, initial=0.0)
    columns = inner[:, :-1][:, varies] / length[varies]
    if len(eta) <= size + columns.shape[1]:
        return None
    left = inner[:, -1] - columns @ np.linalg.lstsq(columns, inner[:, -1], rcond=1e-10)[0]
    return float(np.sqrt(np.square(left).mean()))
