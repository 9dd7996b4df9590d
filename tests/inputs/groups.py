"""Awkward grouping factors: labels of every type, too few and too many levels, factors that repeat each other."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from bayes_glmm.errors import ConvergenceWarning, DataError, FormulaError
from tests.inputs.cell import BINARY, ORDERED, REAL, TRIALS, Case, N, Refused, Right, Warned, at, columns
from tests.inputs.checks import both, everything, finite, fit, levels, said_in_notes, same

EIGHT = np.arange(N) % 8
FEW_DIVERGE = (ConvergenceWarning,)


def labelled(*labels):
    """Eight levels with other labels, in the order of the plain ones."""
    return columns(g=lambda frame: pd.Series([labels[code] for code in EIGHT], dtype=object))


def typed(values, dtype):
    return columns(g=lambda frame: pd.Series(np.asarray(values)[EIGHT % len(values)]).astype(dtype))


DATES = [datetime.date(2020, 1, 1 + day) for day in range(8)]
WORDS = ("a:1", "a:2", "b/1", "b/2", "c`", "c|1", "d 1", "é")
LABELS = (
    Case("labels with : / | ` and blanks", Right(both(same(), levels(g=WORDS), finite)), change=labelled(*WORDS),
         ask=everything),
    Case("labels in other scripts", Right(both(same(), finite)),
         change=labelled("α", "β", "д", "ж", "中", "文", "😀", "🙂"),
         ask=everything),
    Case("labels of brackets and quotes", Right(both(same(), finite)),
         change=labelled('"', "'", "(", ")", "[", "]", "{", "}"), ask=everything),
    Case("labels called as results are", Right(both(same(), finite)),
         change=labelled("Intercept", "beta", "chain", "draw", "obs", "sd", "sigma", "x"), ask=everything),
    Case("an empty label", Right(both(same(), finite)), change=labelled("", " ", "  ", "a", "b", "c", "d", "e"),
         ask=everything),
    Case("ints", Right(both(same(), levels(g=tuple(range(-3, 5))))), change=labelled(*range(-3, 5)), ask=everything),
    Case("whole floats", Right(both(same(), levels(g=tuple(range(8))))), change=typed(np.arange(8.0), float),
         ask=everything),
    Case("floats", Right(both(same(), levels(g=tuple((np.arange(8) / 4).tolist())))),
         change=typed(np.arange(8) / 4, float)),
    Case("ints beyond 2**53", Right(same()), change=labelled(*(2**60 + i for i in range(8)))),
    Case("ints beyond 2**64", Right(same()), change=labelled(*(10**30 + i for i in range(8))), ask=everything),
    Case("bools", Right(both(same(columns(g=np.where(EIGHT % 2, "b", "a"))), finite)),
         change=typed([False, True], bool),
         ask=everything),
    Case("date objects", Right(both(same(), finite)), change=labelled(*DATES), ask=everything),
    Case("datetimes", Right(both(same(), finite)),
         change=typed(np.array(DATES, dtype="datetime64[ns]"), "datetime64[ns]"),
         ask=everything),
    Case("periods", Right(same()),
         change=columns(g=lambda f: pd.PeriodIndex(pd.period_range("2020", periods=8, freq="M")[EIGHT])),
         ask=everything),
    Case("intervals", Right(both(levels(g=4), finite)), change=columns(g=lambda f: pd.cut(f["z"], 4)), ask=everything),
    Case("bytes", Right(both(same(), finite)), change=labelled(*(bytes([97 + i]) for i in range(8))), ask=everything),
    *(
        Case(f"labels of type {dtype!r}", Right(same()), change=columns(g=lambda f, dtype=dtype: f["g"].astype(dtype)))
        for dtype in ("object", "string", "string[pyarrow]", "category", pd.ArrowDtype(pa.string()))
    ),
    *(
        Case(f"codes of type {dtype}", Right(same()), change=typed(np.arange(8), dtype))
        for dtype in ("uint8", "int8", ">i4", "Int64", "Float64", "float32", "int64[pyarrow]", "Sparse[int64]")
    ),
    Case("categories in an order of their own", Right(levels(g=tuple("hgfedcba"))),
         change=columns(g=lambda f: pd.Categorical(f["g"], list("hgfedcba"), ordered=True))),
    Case("categories without rows", Right(both(same(), levels(g=8))),
         change=columns(g=lambda f: pd.Categorical(f["g"], list("abcdefghxyz")))),
    Case("NaN", Warned("dropped for missing values .g: 1", same(lambda f: f.drop(index=3))),
         change=at("g", 3, np.nan, dtype=object)),
    Case("None", Warned("dropped for missing values .g: 1", same(lambda f: f.drop(index=3))),
         change=at("g", 3, None, dtype=object)),
    Case("pd.NA among ints", Warned("dropped for missing values .g: 1", same(lambda f: f.drop(index=3))),
         change=lambda f: at("g", 3, pd.NA, "Int64")(f.assign(g=EIGHT))),
    Case("infinite codes", Refused(DataError, "'g' has infinite values"),
         change=lambda f: at("g", 3, np.inf)(f.assign(g=1.0 * EIGHT))),
    Case("ints and words", Refused(DataError, "'g' mixes values that cannot be compared"),
         change=labelled(1, 2, 3, 4, "a", "b", "c", "d")),
    Case("lists", Refused(DataError, "'g' holds a list a row"),
         change=columns(g=lambda f: pd.Series([[i] for i in EIGHT]))),
    Case("dicts", Refused(DataError, "'g' holds a dict a row"), change=columns(g=lambda f: pd.Series([{1: 2}] * N))),
    Case("tuples", Refused(DataError, "'g' holds tuples"),
         change=columns(g=lambda f: pd.Series([(i, 1) for i in EIGHT]))),
    Case("complex", Refused(DataError, "'g' has the type complex128"), change=columns(g=EIGHT * 1j)),
    Case("durations", Refused(DataError, "'g' has the type timedelta64"),
         change=columns(g=pd.to_timedelta(EIGHT, unit="D"))),
    Case("a grouping factor with '/' in its name", Refused(DataError, "cannot have a '/' in its name: 'a/b'"),
         formula="{y} ~ x + (1 | `a/b`)", change=lambda f: f.rename(columns={"g": "a/b"})),
)  # fmt: skip

EACH_ROW = "Each row is a level of its own of '{}': only the sum of its variance"
NUMBERS = (
    Case("one level", Refused(DataError, "'g' has one level only .'a'.*sd cannot be learned"), change=columns(g="a")),
    Case("one level once rows are dropped", Refused(DataError, "'g' has one level only"),
         change=columns(x=lambda f: f["x"].where(f["g"] == "a"))),
    Case("two levels", Right(said_in_notes("g has 2 levels"), FEW_DIVERGE),
         change=columns(g=np.where(EIGHT % 2, "b", "a")),
         ask=fit),
    Case("one row a level", Warned(EACH_ROW.format("g"), levels(g=N)), REAL, change=columns(g=np.arange(N))),
    Case("one row a level, no residual", Right(both(levels(g=N), finite), FEW_DIVERGE), ("poisson", *TRIALS),
         change=columns(g=np.arange(N)), ask=fit),
    Case("one row a level of 0/1 or ordered responses", Warned("'g': such responses say nothing", levels(g=N)),
         (*BINARY, *ORDERED), change=columns(g=np.arange(N))),
    Case("one row a level beside a dispersion", Warned("'g': its sd and phi both say how much rows vary", levels(g=N)),
         ("negativebinomial", "gamma", "beta"), change=columns(g=np.arange(N))),
    Case("a row for each effect of a level", Warned("'g' has an effect for every row", levels(g=N // 2)), REAL,
         formula="{y} ~ k + (0 + k | g)", change=columns(g=np.arange(N) // 2, k=np.resize(["u", "v"], N))),
    Case("one row a level of a slope", Right(levels(g=N)), formula="{y} ~ x + (0 + x | g)",
         change=columns(g=np.arange(N))),
    Case("levels of one row among others",
         Right(both(levels(g=20), finite), FEW_DIVERGE), ("gaussian", "poisson", "beta"),
         formula="{y} ~ x + (x | g)",
         change=columns(g=lambda f: np.where(np.arange(N) < 12, 100 + np.arange(N), EIGHT)),
         ask=fit),
    Case("100,000 levels", Right(levels(g=100_000)), ("gaussian", "poisson"), change=lambda f: pd.DataFrame(
         {"y": np.resize(f["y"], 200_000), "x": np.resize(f["x"], 200_000), "g": np.arange(200_000) // 2})),
    Case("a random slope that is constant", Warned("'Intercept', 'w' within 'g' are collinear", levels(g=8)),
         formula="{y} ~ x + (w | g)", change=columns(w=2.0)),
    Case("a random slope that is zero", Warned("'w' within 'g' is zero in every row", levels(g=8)),
         formula="{y} ~ x + (w | g)", change=columns(w=0.0)),
    Case("the same random slope twice", Warned("'x', 'z' within 'g' are collinear", levels(g=8)),
         formula="{y} ~ (x + z | g)", change=columns(z=lambda f: 2 * f["x"])),
    Case("more effects than rows", Right(finite, FEW_DIVERGE), ("gaussian", "bernoulli"),
         formula="{y} ~ x + (x + z | g)",
         change=columns(g=np.arange(N) // 2), ask=fit),
)  # fmt: skip

ALIKE = "'g' and 'k' group the rows alike"
FACTORS = (
    Case("two factors with the same rows", Warned(ALIKE, levels(g=8, k=8)), formula="{y} ~ x + (1 | g) + (1 | k)",
         change=columns(k=lambda f: f["g"].str.upper())),
    Case("two factors with the same rows, slopes apart", Right(levels(g=8, k=8)),
         formula="{y} ~ x + (1 | g) + (0 + x | k)",
         change=columns(k=lambda f: f["g"].str.upper())),
    Case("nested, labels used again", Right(levels(h=4, h__k=8)), formula="{y} ~ x + (1 | h/k)",
         change=columns(k=np.arange(N) % 2)),
    Case("nested without their parents, labels used again", Right(levels(h=4, k=2)),
         formula="{y} ~ x + (1 | h) + (1 | k)",
         change=columns(k=np.arange(N) % 2)),
    Case("nested factor that repeats its parent", Warned("'h' and 'h:k' group the rows alike", levels(h__k=4)),
         formula="{y} ~ x + (1 | h/k)", change=columns(k=lambda f: f["h"] + "1")),
    Case("crossed, one row a cell", Warned(EACH_ROW.format("a:b"), levels(a=6, b=8, a__b=N)), REAL,
         formula="{y} ~ x + (1 | a) + (1 | b) + (1 | a:b)", change=columns(a=np.arange(N) // 8, b=EIGHT)),
    Case("crossed, one row a cell, no residual", Right(levels(a=6, b=8, a__b=N)), ("poisson", *TRIALS),
         formula="{y} ~ x + (1 | a) + (1 | b) + (1 | a:b)", change=columns(a=np.arange(N) // 8, b=EIGHT)),
    Case("combinations with the same label", Refused(DataError, "'a:b' have the same label"),
         formula="{y} ~ x + (1 | a:b)",
         change=columns(a=np.resize(["p:q", "p"], N), b=np.resize(["r", "q:r"], N))),
    Case("a factor in both parts", Warned("'g' is a fixed factor and a grouping factor", levels(g=8)),
         formula="{y} ~ g + (1 | g)"),
    Case("the response as a factor", Refused(FormulaError, "'y' is also a grouping factor"),
         formula="{y} ~ x + (1 | y)"),
    Case("the same effect twice", Refused(FormulaError, "'Intercept' appears twice for the grouping factor 'g'"),
         formula="{y} ~ (1 | g) + (x | g)"),
    Case("a factor named as another's effects", Refused(DataError, "'sd_g' has a name that results use for 'g'"),
         formula="{y} ~ (1 | g) + (1 | sd_g)", change=columns(sd_g=lambda f: f["h"])),
    Case("a factor named as another's dimension", Refused(DataError, "'g_coef' has a name that results use for 'g'"),
         formula="{y} ~ (1 | g) + (1 | g_coef)", change=columns(g_coef=lambda f: f["h"])),
)  # fmt: skip

CASES = (*LABELS, *NUMBERS, *FACTORS)
