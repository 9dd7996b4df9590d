"""The functions of formulas that make levels, or read them: factor(), cut(), relevel(), interaction(), ifelse().

Input: values (one a row), options, and a state, empty in the fit and read on new rows. Output: levels, text or numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.dates import days_of
from bayes_glmm.design.frame import plain
from bayes_glmm.design.values import (
    Coded,
    Options,
    State,
    among,
    column,
    is_text,
    levels_of,
    numeric,
    remembered,
    shown,
    text_of,
    truth,
)
from bayes_glmm.errors import DataError, PredictionError, listed

__all__ = ["LEVELS", "Transform"]

Array = npt.NDArray[np.float64]

_MOST_CELLS = 2**60
#: Steps of a monotonic effect.
_MOST_STEPS = 100
#: A function of a call's values, its options and what it remembers.
Transform = Callable[[list[Any], Options, State], Any]


def _factor(values: list[Any], options: Options, state: State, function: str = "factor") -> pd.Categorical:
    levels = levels_of(values[0], function)
    stated = options.get("levels")
    if stated is not None:
        stated = stated if isinstance(stated, list) else [stated]
        levels = among(levels, stated, f"{function}() met values that levels= does not name", DataError)
    labels = options.get("labels")
    if labels is not None:
        labels = [text_of(label) for label in (labels if isinstance(labels, list) else [labels])]
        held = stated if stated is not None else state.setdefault("unlabelled", list(levels.categories))
        if len(labels) != len(held) or len(set(labels)) < len(labels):
            raise DataError(f"{function}() has {len(held)} levels, {listed(held)}, and {len(labels)} distinct labels.")
        levels = among(levels, held, f"{function}() met values that the fit did not see", PredictionError)
        levels = pd.Categorical.from_codes(levels.codes, categories=labels)
    return remembered(levels, state, function)


def _coded(values: list[Any], options: Options, state: State) -> Coded:
    levels = _factor(values, {"levels": options.get("levels")}, state, "C")
    contrasts = options.get("contrasts")
    if contrasts is None:
        return Coded(levels, None)
    arguments = dict(contrasts.arguments)
    if "base" in arguments:
        arguments["base"] = levels.categories[_place(levels, text_of(arguments["base"]), f"contr.{contrasts.name}()")]
    if "scores" in arguments and np.size(arguments["scores"]) != len(levels.categories):
        raise DataError(f"contr.poly() needs a score for each of {len(levels.categories)} levels, {shown(levels)}.")
    return Coded(levels, replace(contrasts, arguments=tuple(arguments.items())))


def _position(values: list[Any], options: Options, state: State) -> Array:
    """mo(): the position 0, 1, ... of each row's level; whole numbers have all between the least and the greatest."""
    levels = levels_of(values[0], "mo")
    numbers = np.asarray(levels.categories)
    if "levels" not in state:
        if numbers.dtype.kind == "f":
            raise DataError("mo() takes an ordered category or whole numbers, and met numbers with decimals.")
        if numbers.dtype.kind in "iu":
            low, high = int(numbers.min()), int(numbers.max())
            if high - low >= _MOST_STEPS:
                raise DataError(f"mo() would have {high - low} steps, from {low} to {high}; use the number itself.")
            state["levels"] = list(range(low, high + 1))
    positions = remembered(levels, state, "mo").codes.astype(float)
    if len(state["levels"]) < 2:
        raise DataError(f"mo() needs two levels or more; the column has {listed(map(plain, state['levels']))}.")
    return positions


def _place(levels: pd.Categorical, text: str, function: str) -> int:
    """Return the position of the level that is written so."""
    texts = [text_of(plain(level)) for level in levels.categories]
    if text not in texts:
        raise DataError(f"{function} finds no level {text!r}. Levels: {shown(levels)}.")
    return texts.index(text)


def _relevel(values: list[Any], options: Options, state: State) -> pd.Categorical:
    levels = remembered(levels_of(values[0], "relevel"), state, "relevel")
    ref = options.get("ref")
    if not isinstance(ref, str):
        raise DataError(f"relevel() needs the reference level as text, ref='...': {shown(levels)}.")
    first = _place(levels, ref, "relevel()")
    order = [first, *(i for i in range(len(levels.categories)) if i != first)]
    return levels.reorder_categories([levels.categories[i] for i in order])


def _interaction(values: list[Any], options: Options, state: State) -> pd.Categorical:
    parts = [levels_of(value, "interaction") for value in values]
    kept = [remembered(part, state.setdefault(f"{i}", {}), "interaction") for i, part in enumerate(parts)]
    sizes = [len(part.categories) for part in kept]
    if math.prod(sizes) > _MOST_CELLS:
        raise DataError(f"interaction() has {' x '.join(map(str, sizes))} combinations of levels; that is too many.")
    # the first varies fastest, as in R
    strides = [math.prod(sizes[:i]) for i in range(len(sizes))]
    cells = sum(part.codes.astype(np.int64) * stride for part, stride in zip(kept, strides, strict=True))
    occurring, codes = np.unique(np.asarray(cells), return_inverse=True)
    texts = [
        [text_of(plain(part.categories[place])) for place in occurring // stride % size]
        for part, stride, size in zip(kept, strides, sizes, strict=True)
    ]
    separator = str(options.get("sep", "."))
    names = [separator.join(names) for names in zip(*texts, strict=True)]
    if len(set(names)) < len(names):
        raise DataError(
            f"interaction() makes one name of two combinations of levels; give another sep= than {separator!r}."
        )
    return remembered(pd.Categorical.from_codes(codes, categories=names), state, "interaction")


def _cut(values: list[Any], options: Options, state: State) -> Any:
    x = column(values[0], "cut()")
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
            f"cut() leaves {outside.sum()} values outside its breaks, {_numbers(places)} (for example {example:g}); "
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
    spelled = ~np.isnan(numbers)
    if spelled.any() and np.any(numbers != places):
        known = [text for text, one in zip(texts, spelled, strict=True) if one]
        mend = (
            "Write as.numeric(as.character(f)) for the numbers."
            if spelled.all()
            else f"These are none: {listed([text for text in texts if text not in known])}. Make the column numbers "
            "in the data, pd.to_numeric(data[...], errors='coerce')."
        )
        raise DataError(
            f"as.numeric() of a factor gives the places of its levels, 1 to {len(texts)}, and these are numbers "
            f"themselves: {listed(known)}. {mend}"
        )
    return places[levels.codes]


def _as_text(values: list[Any], options: Options, state: State) -> npt.NDArray[np.object_]:
    levels = levels_of(values[0], "as.character")
    return np.array([text_of(plain(level)) for level in levels.categories], dtype=object)[levels.codes]


def _paste(values: list[Any], options: Options, state: State) -> npt.NDArray[np.object_]:
    """paste(): texts of the values, one behind the other."""
    single = (bool, int, float, str)
    texts = [text_of(value) if isinstance(value, single) else _as_text([value], {}, {}) for value in values]
    rows = next((len(text) for text in texts if not isinstance(text, str)), 0)
    columns = [[text] * rows if isinstance(text, str) else text for text in texts]
    return np.array([str(options.get("sep", " ")).join(row) for row in zip(*columns, strict=True)], dtype=object)


def _days(values: list[Any], options: Options, state: State) -> Any:
    """as.Date(): days since 1970-01-01, which numbers are already."""
    value = values[0]
    if isinstance(value, str):
        return float(days_of(pd.Series([value]), "as.Date()", DataError)[0])
    if is_text(value) or isinstance(value, (pd.Categorical, Coded)):
        return days_of(pd.Series(_as_text([value], {}, {})), "as.Date()", DataError)
    return numeric(value, "as.Date()")


def _ifelse(values: list[Any], options: Options, state: State) -> Any:
    test, *sides = values
    test = np.asarray(truth(test, "ifelse()"))
    texts = [isinstance(side, (str, pd.Categorical, Coded)) or is_text(side) for side in sides]
    if any(texts):
        sides = [side if isinstance(side, str) else _as_text([side], {}, {}) for side in sides]
        return np.where(test, *(np.asarray(side, dtype=object) for side in sides))
    return np.where(test, *(numeric(side, "ifelse()") for side in sides))


#: What these functions of the closed list compute.
LEVELS: dict[str, Transform] = {
    "ifelse": _ifelse,
    "as.numeric": _as_numbers,
    "as.integer": lambda values, options, state: np.trunc(_as_numbers(values, options, state)),
    "as.character": _as_text,
    "as.Date": _days,
    "paste": _paste,
    "paste0": lambda values, options, state: _paste(values, {"sep": ""}, state),
    "factor": _factor,
    "relevel": _relevel,
    "cut": _cut,
    "interaction": _interaction,
    "C": _coded,
    "mo": _position,
}
