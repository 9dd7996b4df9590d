"""The functions of formulas: what each computes, and what it remembers of the data of the fit.

Input: values (one a row), options, and a state, empty in the fit and read on new rows. Output: numbers, levels, or a
`Basis`. The names are those of `bayes_glmm.spec.functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from formulaic.transforms import TRANSFORMS as FORMULAIC_TRANSFORMS

from bayes_glmm.design.frame import listed, plain
from bayes_glmm.design.splines import natural_spline, natural_spline_state, restricted_knots, restricted_spline
from bayes_glmm.errors import DataError, PredictionError
from bayes_glmm.spec.functions import ELEMENTWISE, PAIRWISE, SUMMARIES, Contrast

__all__ = ["TRANSFORMS", "Basis", "Coded", "Value", "is_text", "levels_of", "numeric", "remembered", "text_of", "truth"]

Array = npt.NDArray[np.float64]
State = dict[str, Any]
Options = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Basis:
    """Several columns made of one, such as powers or a spline's.

    Parameters
    ----------
    values
        (rows, columns).
    names
        What stands between brackets in the coefficients' names.
    """

    values: Array
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Coded:
    """Levels with contrasts of their own."""

    levels: pd.Categorical
    contrasts: Contrast | None


Value = Array | npt.NDArray[np.bool_] | pd.Categorical | Basis | Coded
Transform = Callable[[list[Any], Options, State], Any]


# what values are ----------------------------------------------------------------------------------------------------


def numeric(value: Any, function: str) -> Any:
    """Return a value as numbers, truth values as 0 and 1.

    Parameters
    ----------
    value
        Any value.
    function
        What needs numbers, for messages.

    Returns
    -------
    numpy.ndarray or float
        (rows,) or one number.

    Raises
    ------
    DataError
        If the value is levels, text or several columns.
    """
    if isinstance(value, (pd.Categorical, Coded, str)) or is_text(value):
        shown = value if isinstance(value, str) else f"levels, {_shown(value)}"
        hint = "" if isinstance(value, str) else "; compare them, f == 'level', or use the factor as a term"
        raise DataError(f"{function} needs numbers and was given {shown}{hint}.")
    if isinstance(value, Basis):
        raise DataError(
            f"{function} needs one column and was given {len(value.names)}; use them as a term of their own."
        )
    return np.asarray(value, dtype=np.float64) if np.ndim(value) else float(value)


def _column(value: Any, function: str) -> Array:
    """Return numbers, one a row."""
    numbers = numeric(value, function)
    if np.ndim(numbers) == 0:
        raise DataError(f"{function} needs a column and was given one number, {numbers:g}.")
    return np.asarray(numbers)


def truth(value: Any, operator: str) -> Any:
    """Return a value as truth values: numbers are true where they are not zero.

    Parameters
    ----------
    value
        Any value.
    operator
        What needs it, for messages.

    Returns
    -------
    numpy.ndarray of bool
        (rows,) or one value.
    """
    return np.not_equal(numeric(value, operator), 0.0)


def text_of(value: Any) -> str:
    """Write a level as R does: whole numbers without a point, TRUE and FALSE.

    Parameters
    ----------
    value
        A level.

    Returns
    -------
    str
        Its text.
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def is_text(value: Any) -> bool:
    """Say whether a value is text, one a row.

    Parameters
    ----------
    value
        Any value.

    Returns
    -------
    bool
        True for text.
    """
    return isinstance(value, np.ndarray) and value.dtype == object


def _shown(value: Any) -> str:
    return listed(map(plain, levels_of(value, "").categories))


# levels -------------------------------------------------------------------------------------------------------------


def levels_of(value: Any, function: str) -> pd.Categorical:
    """Make levels of any one column: numbers in their order, whole ones without a point, text as it is."""
    if isinstance(value, Coded):
        return value.levels
    if isinstance(value, pd.Categorical):
        return value
    if isinstance(value, Basis):
        numeric(value, function)
    values = np.asarray(value)
    if values.ndim == 0:
        raise DataError(f"{function}() needs a column and was given one value, {value!r}.")
    if is_text(values):
        return pd.Categorical(values, categories=sorted(set(values)))
    if values.dtype == bool:
        return pd.Categorical(np.where(values, "TRUE", "FALSE"), categories=["FALSE", "TRUE"])
    if not np.isfinite(values).all():
        raise DataError(f"{function}() met a value that is not finite.")
    if bool((values == np.floor(values)).all()) and np.abs(values).max(initial=0.0) < 2.0**62:
        values = values.astype(np.int64)
    return pd.Categorical(values)


def remembered(levels: pd.Categorical, state: State, function: str) -> pd.Categorical:
    """Keep the levels that occur in the fit; on new rows there are no others."""
    if "levels" not in state:
        used = np.bincount(levels.codes, minlength=len(levels.categories)) > 0
        state["levels"] = list(levels.categories[used])
    return _among(levels, state["levels"], f"{function}() met values that the fit did not see", PredictionError)


def _among(levels: pd.Categorical, known: list[Any], problem: str, error: type[Exception]) -> pd.Categorical:
    """Give levels other categories, by value or by text."""
    place = {value: i for i, value in enumerate(known)} | {text_of(plain(value)): i for i, value in enumerate(known)}
    new = np.array([place.get(value, place.get(text_of(plain(value)), -1)) for value in levels.categories], dtype=int)
    codes = new[levels.codes] if len(new) else np.zeros(len(levels), dtype=int)
    if (codes < 0).any():
        unseen = [plain(levels.categories[i]) for i in np.unique(levels.codes[codes < 0])]
        raise error(f"{problem}: {listed(unseen)}. Levels: {listed(map(plain, known))}.")
    return pd.Categorical.from_codes(codes, categories=known)


def _factor(values: list[Any], options: Options, state: State, function: str = "factor") -> pd.Categorical:
    levels = levels_of(values[0], function)
    stated = options.get("levels")
    if stated is not None:
        stated = stated if isinstance(stated, list) else [stated]
        levels = _among(levels, stated, f"{function}() met values that levels= does not name", DataError)
    labels = options.get("labels")
    if labels is not None:
        labels = [text_of(label) for label in (labels if isinstance(labels, list) else [labels])]
        held = stated if stated is not None else state.setdefault("unlabelled", list(levels.categories))
        if len(labels) != len(held) or len(set(labels)) < len(labels):
            raise DataError(f"{function}() has {len(held)} levels, {listed(held)}, and {len(labels)} distinct labels.")
        levels = _among(levels, held, f"{function}() met values that the fit did not see", PredictionError)
        levels = pd.Categorical.from_codes(levels.codes, categories=labels)
    return remembered(levels, state, function)


def _coded(values: list[Any], options: Options, state: State) -> Coded:
    return Coded(_factor(values, {"levels": options.get("levels")}, state, "C"), options.get("contrasts"))


def _relevel(values: list[Any], options: Options, state: State) -> pd.Categorical:
    levels = remembered(levels_of(values[0], "relevel"), state, "relevel")
    ref = options.get("ref")
    if not isinstance(ref, str):
        raise DataError(f"relevel() needs the reference level as text, ref='...': {_shown(levels)}.")
    texts = [text_of(plain(level)) for level in levels.categories]
    if ref not in texts:
        raise DataError(f"relevel() finds no level {ref!r}. Levels: {_shown(levels)}.")
    first = texts.index(ref)
    order = [first, *(i for i in range(len(texts)) if i != first)]
    return levels.reorder_categories([levels.categories[i] for i in order])


def _interaction(values: list[Any], options: Options, state: State) -> pd.Categorical:
    parts = [levels_of(value, "interaction") for value in values]
    kept = [remembered(part, state.setdefault(f"{i}", {}), "interaction") for i, part in enumerate(parts)]
    codes = np.zeros(len(kept[0]), dtype=np.int64)
    names = [""]
    separator = str(options.get("sep", "."))
    for i, part in enumerate(kept):  # the first varies fastest, as in R
        codes += part.codes.astype(np.int64) * len(names)
        texts = [text_of(plain(level)) for level in part.categories]
        names = [f"{name}{separator}{text}" if i else text for text in texts for name in names]
    if len(set(names)) < len(names):
        raise DataError(
            f"interaction() makes one name of two combinations of levels; give another sep= than {separator!r}."
        )
    return remembered(pd.Categorical.from_codes(codes, categories=names), state, "interaction")


def _cut(values: list[Any], options: Options, state: State) -> Any:
    x = _column(values[0], "cut()")
    breaks = options.get("breaks")
    if breaks is None:
        raise DataError("cut() needs breaks: cut(x, 3), or cut(x, breaks=c(0, 1, 5)).")
    if "breaks" not in state:
        state["breaks"] = _breaks(x, breaks)
    places = state["breaks"]
    right, lowest = options.get("right", True), options.get("include.lowest", False)
    codes = np.searchsorted(places, x, side="left" if right else "right") - 1
    if lowest:
        codes[x == (places[0] if right else places[-1])] = 0 if right else len(places) - 2
    outside = (codes < 0) | (codes > len(places) - 2)
    if outside.any():
        error = PredictionError if "levels" in state or "codes" in state else DataError
        example = x[outside][0]
        raise error(
            f"cut() leaves {int(outside.sum())} values outside its breaks, {_numbers(places)} (for example {example:g}); "
            "add -Inf and Inf to the breaks, include.lowest=TRUE for a value at the end, or leave these rows out."
        )
    labels = options.get("labels")
    if labels is False:
        state["codes"] = True
        return codes + 1.0
    names = _interval_names(places, right, lowest, int(options.get("dig.lab", 3))) if labels in (None, True) else labels
    if not isinstance(names, list) or len(names) != len(places) - 1 or len(set(names)) < len(names):
        raise DataError(f"cut() makes {len(places) - 1} intervals; give as many distinct labels.")
    return remembered(pd.Categorical.from_codes(codes, categories=[text_of(name) for name in names]), state, "cut")


def _breaks(x: Array, breaks: Any) -> Array:
    """Return the breaks, R's where their number is given: equal widths, the ends a thousandth of the range outside."""
    if isinstance(breaks, list):
        places = np.unique(np.asarray(breaks, dtype=float))
        if len(places) < max(2, len(breaks)):
            raise DataError("cut() needs two breaks or more, each once; a single number says how many intervals.")
        return places
    if not isinstance(breaks, (int, float)) or breaks != int(breaks) or breaks < 2:
        raise DataError(f"cut() needs two intervals or more, or a list of breaks, not {breaks!r}.")
    low, high = float(x.min()), float(x.max())
    width = high - low or abs(low)
    places = np.linspace(low, high, int(breaks) + 1)
    if high > low:
        places[[0, -1]] = low - width / 1000, high + width / 1000
        return places
    return np.linspace(low - width / 1000, high + width / 1000, int(breaks) + 1)


def _interval_names(places: Array, right: bool, lowest: bool, digits: int) -> list[str]:
    for precision in range(digits, max(12, digits) + 1):
        texts = [f"{place:.{precision}g}".replace("inf", "Inf") for place in places]
        if len(set(texts)) == len(texts):
            break
    names = [f"({a},{b}]" if right else f"[{a},{b})" for a, b in zip(texts[:-1], texts[1:], strict=True)]
    if lowest and right:
        names[0] = f"[{names[0][1:]}"
    elif lowest:
        names[-1] = f"{names[-1][:-1]}]"
    return names


def _numbers(values: Array) -> str:
    return ", ".join(f"{value:g}" for value in values[:10]) + (", ..." if len(values) > 10 else "")


def _as_numbers(values: list[Any], options: Options, state: State) -> Any:
    """as.numeric(): of text its numbers; of levels R gives their places, refused where one could mean their values."""
    value = values[0]
    if not (is_text(value) or isinstance(value, (pd.Categorical, Coded))):
        return numeric(value, "as.numeric()")
    levels = levels_of(value, "as.numeric")
    texts = [text_of(plain(level)) for level in levels.categories]
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    if is_text(value):
        if np.isnan(numbers).any():
            raise DataError(f"as.numeric() met text that is no number: {texts[int(np.argmax(np.isnan(numbers)))]!r}.")
        return numbers[levels.codes]
    places = np.arange(1.0, len(texts) + 1.0)
    if not np.isnan(numbers).any() and np.any(numbers != places):
        raise DataError(
            f"as.numeric() of a factor gives the places of its levels, 1 to {len(texts)}, and these are numbers "
            f"themselves: {listed(texts)}. Write as.numeric(as.character(f)) for the numbers."
        )
    return places[levels.codes]


def _as_text(values: list[Any], options: Options, state: State) -> npt.NDArray[np.object_]:
    levels = levels_of(values[0], "as.character")
    return np.array([text_of(plain(level)) for level in levels.categories], dtype=object)[levels.codes]


def _ifelse(values: list[Any], options: Options, state: State) -> Any:
    test, *sides = values
    test = np.asarray(truth(test, "ifelse()"))
    texts = [isinstance(side, (str, pd.Categorical, Coded)) or is_text(side) for side in sides]
    if any(texts):
        sides = [side if isinstance(side, str) else _as_text([side], {}, {}) for side in sides]
        return np.where(test, *(np.asarray(side, dtype=object) for side in sides))
    return np.where(test, *(numeric(side, "ifelse()") for side in sides))


# numbers ------------------------------------------------------------------------------------------------------------


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
    x, groups = _column(values[0], "ave()"), remembered(levels_of(values[1], "ave"), state, "ave")
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
        result = FORMULAIC_TRANSFORMS[name](_column(values[0], f"{name}()"), **options, _state=state)
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
    x, degree = _column(values[0], "poly()"), options.get("degree", 1)
    if not state:
        distinct = len(pd.unique(x))
        if isinstance(degree, bool) or degree != int(degree) or not 1 <= degree < distinct:
            raise DataError(
                f"poly() of degree {degree} needs a whole degree of at least 1 and more than {degree} distinct values; "
                f"the column has {distinct}."
            )
    recurrence = state.setdefault("recurrence", {})
    return _basis(FORMULAIC_TRANSFORMS["poly"](x, int(degree), bool(options.get("raw", False)), _state=recurrence))


def _b_spline(values: list[Any], options: Options, state: State) -> Any:
    given = dict(options)
    if given.get("Boundary.knots") is not None:
        given["lower_bound"], given["upper_bound"] = given.pop("Boundary.knots")
    x = _column(values[0], "bs()")
    if "lower_bound" in state and given.get("extrapolation", "raise") == "raise":
        low, high = state["lower_bound"], state["upper_bound"]
        if np.any((x < low) | (x > high)):
            raise PredictionError(
                f"bs() has no values beyond its boundary knots, {low:g} and {high:g}. Stay between them, or use "
                "ns(x, df), which goes on in straight lines."
            )
    return _formulaic("bs")([x], given, state)


def _natural(values: list[Any], options: Options, state: State) -> Basis:
    x = _column(values[0], "ns()")
    if not state:
        state.update(
            natural_spline_state(x, *(options.get(key) for key in ("df", "knots", "intercept", "Boundary.knots")))
        )
    return _basis(natural_spline(x, **state))


def _restricted(values: list[Any], options: Options, state: State) -> Basis:
    x = _column(values[0], "rcs()")
    if not state:
        state["knots"] = restricted_knots(x, options.get("knots", 5))
    return _basis(restricted_spline(x, state["knots"]))


#: What the functions of the closed list compute.
TRANSFORMS: dict[str, Transform] = {
    **{name: _elementwise(name) for name in (*ELEMENTWISE, *PAIRWISE)},
    **{name: _summary(name) for name in SUMMARIES},
    **{name: _formulaic(name) for name in ("center", "scale", "cr", "cs", "cc")},
    "log": _log,
    "round": _round,
    "pmin": _extreme(np.minimum),
    "pmax": _extreme(np.maximum),
    "ifelse": _ifelse,
    "ave": _group_means,
    "I": _itself,
    "as.numeric": _as_numbers,
    "as.integer": lambda values, options, state: np.trunc(_as_numbers(values, options, state)),
    "as.character": _as_text,
    "poly": _polynomial,
    "bs": _b_spline,
    "ns": _natural,
    "rcs": _restricted,
    "factor": _factor,
    "relevel": _relevel,
    "cut": _cut,
    "interaction": _interaction,
    "C": _coded,
}
