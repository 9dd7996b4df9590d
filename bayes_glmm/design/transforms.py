"""The functions of formulas: what each computes, and what it remembers of the data of the fit.

Input: values (one a row), options, and a state, empty in the fit and read on new rows. Output: numbers, levels, or a
`Basis`. The names are those of `bayes_glmm.spec.functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from formulaic.transforms import TRANSFORMS as FORMULAIC_TRANSFORMS

from bayes_glmm.design.levels import LEVELS, Transform
from bayes_glmm.design.splines import natural_spline, natural_spline_state, restricted_knots, restricted_spline
from bayes_glmm.design.values import Basis, Options, State, column, levels_of, numeric, remembered
from bayes_glmm.errors import DataError, PredictionError
from bayes_glmm.spec.functions import ELEMENTWISE, PAIRWISE, SUMMARIES

__all__ = ["TRANSFORMS"]

Array = npt.NDArray[np.float64]


def _elementwise(name: str) -> Transform:
    function = getattr(np, name)
    return lambda values, options, state: function(*(numeric(value, f"{name}()") for value in values))


def _log(values: list[Any], options: Options, state: State) -> Any:
    logarithm = np.log(numeric(values[0], "log()"))
    return logarithm / np.log(options["base"]) if options.get("base") is not None else logarithm


def _extreme(function: np.ufunc) -> Transform:
    return lambda values, options, state: function.reduce(
        np.broadcast_arrays(*(numeric(value, "pmin() and pmax()") for value in values))
    )


def _summary(name: str) -> Transform:
    """Return a number of the fit's data: computed once, whatever the new rows."""
    functions: dict[str, Callable[[Array], Any]] = {
        "sd": lambda x: np.std(x, ddof=1),
        "var": lambda x: np.var(x, ddof=1),
    }
    function = functions.get(name) or getattr(np, name)

    def once(values: list[Any], options: Options, state: State) -> float:
        if "value" not in state:
            state["value"] = float(function(np.atleast_1d(numeric(values[0], f"{name}()"))))
        return float(state["value"])

    return once


def _group_means(values: list[Any], options: Options, state: State) -> Array:
    """ave(): the mean of each row's group in the data of the fit."""
    x, groups = column(values[0], "ave()"), remembered(levels_of(values[1], "ave"), state, "ave")
    if "means" not in state:
        sums = np.bincount(groups.codes, weights=x, minlength=len(groups.categories))
        state["means"] = sums / np.bincount(groups.codes, minlength=len(groups.categories))
    return np.asarray(state["means"])[groups.codes]


def _round(values: list[Any], options: Options, state: State) -> Any:
    return np.round(numeric(values[0], "round()"), int(options.get("digits", 0)))


def _itself(values: list[Any], options: Options, state: State) -> Any:
    value = values[0]
    return numeric(value, "I()") if isinstance(value, np.ndarray) and value.dtype == bool else value


def _formulaic(name: str) -> Transform:
    """Let formulaic compute, and keep its state."""

    def transform(values: list[Any], options: Options, state: State) -> Any:
        if name.startswith("c") and name != "center" and not options.keys() & {"df", "knots"}:
            raise DataError(f"{name}() needs df or knots: {name}(x, df=4).")
        result = FORMULAIC_TRANSFORMS[name](column(values[0], f"{name}()"), **options, _state=state)
        return _basis(result) if isinstance(result, dict) or np.ndim(result) == 2 else np.asarray(result, dtype=float)

    return transform


def _basis(columns: Any) -> Basis:
    if isinstance(getattr(columns, "__wrapped__", columns), dict):
        held = {str(key): np.asarray(value, dtype=float) for key, value in columns.items()}
        return Basis(np.column_stack(list(held.values())), tuple(held))
    values = np.asarray(columns, dtype=float)
    return Basis(values, tuple(str(j + 1) for j in range(values.shape[1])))


def _polynomial(values: list[Any], options: Options, state: State) -> Basis:
    """poly(): refused for a degree that the data cannot tell apart, where its columns would be noise."""
    x, degree = column(values[0], "poly()"), options.get("degree", 1)
    if not state:
        distinct = len(np.unique(x))
        if not 1 <= degree < distinct:
            raise DataError(
                f"poly() of degree {degree} needs a degree of at least 1 and more than {degree} distinct values; the "
                f"column has {distinct}."
            )
    recurrence = state.setdefault("recurrence", {})
    return _basis(FORMULAIC_TRANSFORMS["poly"](x, int(degree), bool(options.get("raw", False)), _state=recurrence))


def _b_spline(values: list[Any], options: Options, state: State) -> Any:
    given = dict(options)
    if given.get("Boundary.knots") is not None:
        given["lower_bound"], given["upper_bound"] = given.pop("Boundary.knots")
    x = column(values[0], "bs()")
    if "lower_bound" in state and given.get("extrapolation", "raise") == "raise":
        low, high = state["lower_bound"], state["upper_bound"]
        if np.any((x < low) | (x > high)):
            raise PredictionError(
                f"bs() has no values beyond its boundary knots, {low:g} and {high:g}. Stay between them (to compare, "
                "{'x': (low, high)} or {'x': 'iqr'} rather than a step), or use ns(x, df), which goes on in straight "
                "lines."
            )
    return _formulaic("bs")([x], given, state)


def _natural(values: list[Any], options: Options, state: State) -> Basis:
    x = column(values[0], "ns()")
    if not state:
        state.update(
            natural_spline_state(x, *(options.get(key) for key in ("df", "knots", "intercept", "Boundary.knots")))
        )
    return _basis(natural_spline(x, **state))


def _restricted(values: list[Any], options: Options, state: State) -> Basis:
    x = column(values[0], "rcs()")
    if not state:
        state["knots"] = restricted_knots(x, options.get("knots", 5))
    return _basis(restricted_spline(x, state["knots"]))


#: What the functions of the closed list compute.
TRANSFORMS: dict[str, Transform] = {
    **LEVELS,
    **{name: _elementwise(name) for name in (*ELEMENTWISE, *PAIRWISE)},
    **{name: _summary(name) for name in SUMMARIES},
    **{name: _formulaic(name) for name in ("center", "scale", "cr", "cs", "cc")},
    "log": _log,
    "round": _round,
    "pmin": _extreme(np.minimum),
    "pmax": _extreme(np.maximum),
    "ave": _group_means,
    "I": _itself,
    "poly": _polynomial,
    "bs": _b_spline,
    "ns": _natural,
    "rcs": _restricted,
}
