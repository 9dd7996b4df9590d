"""Models without a posterior worth the name: an exact fit, an offset that no exponential holds, nothing to estimate.

Input: the arrays of a design. Output: nothing, or a `DataError` or `FormulaError` that names the culprit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.frame import listed
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.response import Response
from bayes_glmm.errors import DataError, FormulaError
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = ["check_exact_fit", "check_offset", "check_parameters"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]

#: Share of the response's spread below which what is left of it is rounding error.
_EXACT = 1e-7
#: Rows that are looked at first: what is exact is exact in them.
_FIRST = 1000
#: exp(200) is 7e86: more than any two rows of one table differ by.
_WIDEST = 200.0
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
        The grouping factors, each looked at by itself.
    response
        The response.
    spec
        The specification.

    Raises
    ------
    DataError
        If nothing is left of the response: its residual spread goes to zero, and the density without bound.
    """
    if spec.family.support not in ("real", "positive", "unit"):
        return
    transform = spec.family.response_transform
    with np.errstate(all="ignore"):
        mean = response.y if transform is None else np.asarray(transform(response.y))
        linked = np.asarray(spec.link.link(mean), dtype=float)
    eta = linked - offset
    kept = np.ones(len(eta), dtype=bool) if response.weights is None else response.weights > 0
    if not np.isfinite(eta).all():
        return
    reference = float(linked[kept].std())
    # without an intercept, predictors explain the response itself, not its deviations from a mean
    whole = np.zeros(len(eta), dtype=np.int32) if (np.ptp(X, axis=0) == 0.0).any() else None
    levels = [("", whole), *((term.name, term.codes) for term in groups if "Intercept" in term.coefs)]
    for name, codes in levels:
        if _is_exact(eta[kept], X[kept], None if codes is None else codes[kept], reference):
            within = f" within every level of {name!r}" if name else ""
            raise DataError(
                f"The response {response.name!r} is an exact function of the predictors{within}: nothing is left from "
                "which to estimate its residual spread. Was a predictor made from the response, or the response "
                "repeated over the rows of a group?"
            )


def _is_exact(eta: Array, X: Array, codes: Codes | None, spread: float) -> bool:
    """Whether eta is, within levels, a combination of the columns: in few rows first, then in all."""
    if len(eta) > _FIRST:
        first = np.arange(_FIRST) if codes is None else np.argsort(codes, kind="stable")[:_FIRST]
        rest = _left_over(eta[first], X[first], None if codes is None else codes[first])
        if rest is not None and rest > _EXACT * spread:
            return False
    rest = _left_over(eta, X, codes)
    return rest is not None and bool(rest <= _EXACT * spread)


def _left_over(eta: Array, X: Array, codes: Codes | None) -> float | None:
    """Return the root mean square of what levels and columns leave; None where they outnumber the rows."""
    inner, levels = np.column_stack([X, eta]), 0
    if codes is not None:
        _, codes = np.unique(codes, return_inverse=True)
        count = np.bincount(codes)
        levels = len(count)
        for j in range(inner.shape[1]):
            inner[:, j] -= (np.bincount(codes, inner[:, j]) / count)[codes]
    size = np.sqrt(np.square(inner[:, :-1]).mean(axis=0))
    varies = size > 1e-12 * np.abs(X).max(axis=0, initial=0.0)
    columns = inner[:, :-1][:, varies] / size[varies]
    if len(eta) <= levels + columns.shape[1]:
        return None
    left = inner[:, -1] - columns @ np.linalg.lstsq(columns, inner[:, -1], rcond=1e-10)[0]
    return float(np.sqrt(np.square(left).mean()))
