"""Awkward responses, trials and weights."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd

import bayes_glmm as bg
from bayes_glmm.errors import DataError, FormulaError
from tests.inputs.cell import (
    BINARY,
    COUNTS,
    FAMILIES,
    ORDERED,
    POSITIVE,
    REAL,
    TRIALS,
    UNIT,
    WHOLE,
    Case,
    Expectation,
    N,
    Refused,
    Right,
    Warned,
    at,
    columns,
)
from tests.inputs.checks import holds, same

CONTINUOUS = (*REAL, *POSITIVE, *UNIT)
SAME = Right(same())
_FIXED = {
    "Intercept": bg.Prior("Normal", 0, 2), "beta": bg.Prior("Normal", 0, 1), "sd": bg.Prior("HalfNormal", 1),
    "sigma": bg.Prior("HalfNormal", 1), "phi": bg.Prior("Gamma", 2, 1), "nu": bg.Prior("Gamma", 2, 0.1),
    "thresholds": bg.Prior("Normal", 0, 2),
}  # fmt: skip


def fixed(family: str) -> dict[str, Any]:
    """Priors and an intercept that do not depend on which rows there are."""
    named = {"beta", "sd", *(row.name for row in bg.FAMILIES[family].parameters)}
    named |= set() if family in ORDERED else {"Intercept"}
    return {"center": False, "priors": {name: _FIXED[name] for name in named}}


#: Neither constant within a level of g nor separated.
ZERO_ONE = np.arange(N) // 5 % 2


def by(**groups: Expectation) -> dict[str, Expectation]:
    """Expectations by family, or by a group of them."""
    named = {
        "real": REAL, "positive": POSITIVE, "unit": UNIT, "counts": COUNTS, "binary": BINARY, "trials": TRIALS,
        "ordered": ORDERED,
    }  # fmt: skip
    return {family: expect for key, expect in groups.items() for family in named.get(key, (key,))}


def codes(frame: pd.DataFrame) -> pd.Series:
    return frame["y"].cat.codes if isinstance(frame["y"].dtype, pd.CategoricalDtype) else frame["y"]


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(y=codes(frame))


def as_objects(missing: Any) -> Any:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(y=pd.Series([missing if i == 3 else v for i, v in enumerate(codes(frame))], dtype=object))

    return change


MISSING = Warned("1 of 48 rows were dropped for missing values .y: 1", same(lambda frame: numbers(frame).drop(index=3)))


def declared(*categories: str) -> Any:
    return columns(y=lambda frame: pd.Categorical(frame["y"], categories=categories, ordered=True))


def not_finite(value: str) -> Refused:
    return Refused(DataError, f"'y' is not finite in row 3 .*{value}")


VALUES = (
    Case(
        "numbers stored as text",
        {
            family: Refused(DataError, "'y' (holds str values and must|is text, whose).*pd.to_numeric")
            for family in FAMILIES
        }
        | by(binary=Warned("'y' is text; '1' is counted as the event", same())),
        change=columns(y=lambda frame: codes(frame).astype(str)),
    ),
    Case(
        "two words",
        {
            family: Refused(DataError, "'y' is text, whose order|'y' holds .* values .*must be numeric")
            for family in FAMILIES
        }
        | by(binary=Warned("'y' is text; 'yes' is counted as the event", same(columns(y=ZERO_ONE)))),
        change=columns(y=np.where(ZERO_ONE, "yes", "no")),
    ),
    Case("three words, binary", Refused(DataError, "'y' .*must have two levels; it has 3"), BINARY,
         change=columns(y=np.resize(["a", "b", "c"], N))),
    Case("one word, binary", Refused(DataError, "two levels; it has 1"), BINARY, change=columns(y="a")),
    Case("coded 1 and 2", Refused(DataError, r"'y' must be 0 or 1.*I\(y - 1\)"), BINARY,
         change=columns(y=np.resize([1, 2, 2], N))),
    Case("coded -1 and 1", Refused(DataError, "'y' must be 0 or 1"), BINARY, change=columns(y=np.resize([-1, 1], N))),
    Case("proportions, binary", Refused(DataError, r"'y' must be 0 or 1.*p\(round\(y \* n\), n\)"), BINARY,
         change=columns(y=np.linspace(0.1, 0.9, N))),
    Case("bool response", Right(same(columns(y=ZERO_ONE))), (*REAL, *BINARY, *TRIALS, *COUNTS),
         change=columns(y=ZERO_ONE == 1)),
    Case("bool response with pd.NA", Warned("dropped for missing values .y: 1", same(
        lambda frame: frame.assign(y=ZERO_ONE).drop(index=3))), (*REAL, *WHOLE),
         change=columns(y=pd.array([None if i == 3 else v == 1 for i, v in enumerate(ZERO_ONE)], dtype="boolean"))),
    Case("two categories", Right(same(columns(y=ZERO_ONE))), BINARY,
         change=columns(y=pd.Categorical(np.where(ZERO_ONE, "alive", "dead"), categories=["dead", "alive"]))),
    Case("NaN", MISSING, change=at("y", 3, np.nan)),
    Case("None", MISSING, change=as_objects(None)),
    Case("pd.NA", MISSING, change=as_objects(pd.NA)),
    Case("missing='error'", Refused(DataError, "1 of 48 rows have missing values .y: 1"), change=at("y", 3, np.nan),
         options={"missing": "error"}),
    Case("infinite", not_finite("inf"), change=at("y", 3, np.inf)),
    Case("minus infinite", not_finite("-inf"), change=at("y", 3, -np.inf)),
    Case("nothing but NaN", Refused(DataError, "Every row has a missing value .y: 48"), change=columns(y=np.nan)),
    Case("dates", Refused(DataError, "'y' holds dates"), change=columns(y=pd.date_range("2020", periods=N))),
    Case("date objects", Refused(DataError, "'y' holds dates"),
         change=columns(y=[datetime.date(2020, 1, 1 + i % 20) for i in range(N)])),
    Case("durations", Refused(DataError, "'y' holds time differences"),
         change=columns(y=pd.to_timedelta(np.arange(N), unit="D"))),
    Case("complex", Refused(DataError, "'y' holds complex"), change=columns(y=np.arange(N) + 1j)),
    Case("lists", Refused(DataError, "'y' holds values of more than one kind"),
         change=columns(y=lambda frame: pd.Series([[1]] * N))),
    Case("functions", Refused(DataError, "'y' holds values of more than one kind"),
         change=columns(y=lambda frame: pd.Series([len] * N, dtype=object))),
)  # fmt: skip

SUPPORT = (
    Case("a negative value", {
        **by(real=Right(same(at("y", 3, -1))), binary=Refused(DataError, "'y' must be 0 or 1.*row 3")),
        **by(counts=Refused(DataError, "'y' must not be negative.*row 3"),
             trials=Refused(DataError, "'y' must not be negative.*row 3"),
             positive=Refused(DataError, "'y' must be above zero.*row 3")),
        **by(unit=Refused(DataError, "'y' must be strictly between 0 and 1.*row 3"),
             ordered=Right(same(columns(y=lambda f: [0 if i == 3 else 1 + c for i, c in enumerate(codes(f))])))),
    }, change=at("y", 3, -1)),
    Case("zero where it cannot be", Refused(DataError, "'y' must be (above zero|strictly between)"),
         (*POSITIVE, *UNIT), change=at("y", 3, 0.0)),
    Case("one where it cannot be", Refused(DataError, r"strictly between 0 and 1.*p\(successes, trials\).*row 3"), UNIT,
         change=at("y", 3, 1.0)),
    Case("per cent", Refused(DataError, "strictly between 0 and 1"), UNIT, change=columns(y=lambda f: 100 * f["y"])),
    Case("halves", Refused(DataError, "'y' must be (whole|0 or 1)|'y' must hold successes"), (*WHOLE, *ORDERED),
         change=at("y", 3, 0.5)),
    Case("one category", Refused(DataError, "'y' has one category only, 'mid'"), ORDERED,
         change=columns(y=pd.Categorical(["mid"] * N, ["low", "mid", "high"], ordered=True))),
    Case("no row of the middle category", Warned("No row of the response 'y' has 'middle'", same()), ORDERED,
         change=declared("low", "middle", "mid", "high")),
    Case("no row of the highest category", Warned("No row of the response 'y' has 'top'", same()), ORDERED,
         change=declared("low", "mid", "high", "top")),
    Case("whole numbers with a hole", SAME, ORDERED,
         change=columns(y=lambda f: codes(f).replace({0: 1, 1: 3, 2: 4}))),
    Case("whole numbers far apart", SAME, ORDERED, change=columns(y=lambda f: codes(f).astype(int).replace({2: 1000}))),
    Case("categories without an order", Warned("'y' is not an ordered category; .* a < b < c", same()), ORDERED,
         change=columns(y=lambda f: pd.Categorical.from_codes(codes(f), ["a", "b", "c"]))),
    Case("text for ordered categories", Refused(DataError, "'y' is text, whose order is not known.*ordered=True"),
         ORDERED, change=columns(y=lambda f: f["y"].astype(str))),
    Case("as many categories as rows", Warned("'y' has 48 categories in 48 rows; is it a number", holds(
        lambda m: len(m.design.response.categories) == N)), ORDERED, change=columns(y=np.arange(N))),
    Case("categories of 1e300", Refused(DataError, "'y' is too large to be a category|'y' is too large"), ORDERED,
         change=columns(y=np.resize([1e300, 2e300, 3e300], N))),
    Case("categories of 1e19", Refused(DataError, "'y' is too large to be a category"), ORDERED,
         change=columns(y=np.resize([1e19, 2e19, 3e19], N))),
    Case("proportion without trials", Refused(DataError, r"p\(round\(y \* n\), n\), family='binomial'"), TRIALS,
         formula="y ~ x",
         change=columns(y=np.linspace(0.1, 0.9, N))),
    Case("trials in a family without", Refused(FormulaError, "gives trials, which the family .* does not have"),
         tuple(name for name in FAMILIES if name not in TRIALS), formula="p(y, n) ~ x"),
    Case("log of negative values", Refused(DataError, r"'log\(y\)' is not finite in rows"), REAL, formula="log(y) ~ x"),
    Case("two responses", Refused(FormulaError, "One response a model"), formula="y, z ~ x"),
)  # fmt: skip

CASES = (*VALUES, *SUPPORT)
