"""Awkward predictors: types, missing and infinite values, collinearity, factors with empty or too many levels."""

from __future__ import annotations

import datetime
import decimal
import fractions

import numpy as np
import pandas as pd
import pyarrow as pa

from bayes_glmm.errors import DataError
from tests.inputs.cell import PLAIN, Case, N, Refused, Right, Warned, at, columns
from tests.inputs.checks import coefs, finite, fit, holds, same

WHOLE_X = columns(x=np.arange(N) % 7 + 1.0)
FLAGS = columns(x=1.0 * (np.arange(N) // 3 % 2))


def typed(dtype) -> object:
    return columns(x=lambda frame: pd.Series(np.arange(N) % 7 + 1).astype(dtype))


def flagged(dtype) -> object:
    return columns(x=lambda frame: pd.Series(np.arange(N) // 3 % 2 == 1).astype(dtype))


def objects(values) -> object:
    return columns(x=lambda frame: pd.Series(values, dtype=object))


NUMBERS = [2 + 5 * (i % 3) for i in range(N)]
LABELS = coefs("Intercept", "x[7]", "x[12]")
INTEGERS = [1 + i % 7 for i in range(N)]
DTYPES = (
    *(
        Case(f"predictor of type {dtype}", Right(same(WHOLE_X)), change=typed(dtype))
        for dtype in (
            "uint8", "int8", "uint64", "float32", "float16", "longdouble", ">f8", ">i4", "Int64", "Float64", "UInt8",
            "Sparse[float64]", "int64[pyarrow]", "double[pyarrow]",
        )
    ),
    *(
        Case(f"predictor of type {dtype}", Right(same(FLAGS)), change=flagged(dtype))
        for dtype in ("bool", "boolean", "bool[pyarrow]", "object")
    ),
    Case("uint8 arithmetic", Right(same(columns(x=np.arange(N) % 7 - 99.0), PLAIN)),
         formula="{y} ~ I(x - 100) + (1 | g)",
         change=typed("uint8")),
    Case("uint8 squares", Right(same(columns(x=(np.arange(N) % 7 * 40.0) ** 2), PLAIN)),
         formula="{y} ~ I(x * x) + (1 | g)",
         change=columns(x=(np.arange(N) % 7 * 40).astype(np.uint8))),
    Case("Decimal", Right(same(WHOLE_X)), change=objects([decimal.Decimal(i) for i in INTEGERS])),
    Case("decimal128", Right(same(WHOLE_X)), change=columns(x=lambda f: pd.Series(
        [decimal.Decimal(i) for i in INTEGERS], dtype=pd.ArrowDtype(pa.decimal128(10, 2))))),
    Case("Python ints as objects", Right(same(WHOLE_X)), change=objects(INTEGERS)),
    Case("ints and floats as objects", Right(same(WHOLE_X)),
         change=objects([1.0 * i if i > 3 else i for i in INTEGERS])),
    Case("Fraction", Refused(DataError, "'x' holds values of more than one kind.*Fraction"),
         change=objects([fractions.Fraction(i, 3) for i in INTEGERS])),
    Case("ints of 400 digits", Refused(DataError, "'x' holds whole numbers too large for a float"),
         change=objects([10**400 + i for i in INTEGERS])),
    Case("numbers as text", Warned("'x' holds numbers as text, such as '12', .* as categories .*pd.to_numeric", LABELS),
         change=columns(x=list(map(str, NUMBERS)))),
    Case("numbers as text, objects", Warned("'x' holds numbers as text, such as '12'", LABELS),
         change=objects(list(map(str, NUMBERS)))),
    Case("numbers as text, stated to be labels", Right(holds(lambda m: m.design.coefs[-1] == "C(x)[12]")),
         formula="{y} ~ C(x) + (1 | g)", change=columns(x=list(map(str, NUMBERS)))),
    Case("numbers as text in a function", Refused(DataError, "needs numbers and was given text, .*pd.to_numeric"),
         formula="{y} ~ I(x * 2) + (1 | g)", change=columns(x=list(map(str, NUMBERS)))),
    Case("missing values that became text", Warned("'f' has the text 'nan', which reads like a missing value", coefs(
        "Intercept", "f[u]", "f[v]", "f[w]")), formula="{y} ~ f + (1 | g)", change=at("f", 3, "nan", dtype=object)),
    Case("numbers and words", Refused(DataError, "'x' holds values of more than one kind.*mixed"),
         change=objects([i if i > 3 else "few" for i in INTEGERS])),
    Case("bytes", Refused(DataError, "'x' (holds values of more|has the type)"),
         change=objects([b"a", b"b"] * (N // 2))),
    Case("dates", Refused(DataError, "'x' holds dates"), change=columns(x=pd.date_range("2020", periods=N))),
    Case("dates with a time zone", Refused(DataError, "'x' holds dates"),
         change=columns(x=pd.date_range("2020", periods=N, tz="Europe/Vienna"))),
    Case("date objects", Refused(DataError, "'x' holds dates"),
         change=objects([datetime.date(2020, 1, i) for i in INTEGERS])),
    Case("periods", Refused(DataError, "'x' holds dates"),
         change=columns(x=pd.period_range("2020", periods=N, freq="M"))),
    Case("durations", Refused(DataError, "'x' holds time differences"),
         change=columns(x=pd.to_timedelta(np.arange(N), unit="D"))),
    Case("complex", Refused(DataError, "'x' holds complex"), change=columns(x=np.arange(N) * 1j)),
    Case("lists", Refused(DataError, "'x' holds values of more than one kind"), change=objects([[1]] * N)),
    Case("dicts", Refused(DataError, "'x' holds values of more than one kind"), change=objects([{"a": 1}] * N)),
    Case("functions", Refused(DataError, "'x' holds values of more than one kind"), change=objects([print] * N)),
    Case("classes", Refused(DataError, "'x' holds values of more than one kind"), change=objects([int] * N)),
)  # fmt: skip

MISSING = Warned("1 of 48 rows were dropped for missing values .x: 1", same(lambda f: f.drop(index=3)))
VALUES = (
    Case("NaN", MISSING, change=at("x", 3, np.nan)),
    Case("None", MISSING, change=at("x", 3, None, dtype=object)),
    Case("pd.NA", MISSING, change=at("x", 3, pd.NA, dtype="Float64")),
    Case("NaT among numbers", MISSING, change=at("x", 3, pd.NaT, dtype=object)),
    Case("NaN in a random slope", Warned("dropped for missing values .z: 1", same(lambda f: f.drop(index=3))),
         formula="{y} ~ x + (z | g)", change=at("z", 3, np.nan)),
    Case("NaN in a column that is not used", Right(same()), change=at("z", 3, np.nan)),
    Case("every row misses something", Refused(DataError, "Every row has a missing value .x: 24, z: 24"),
         formula="{y} ~ x + z",
         change=lambda f: f.assign(x=f["x"].where(f.index % 2 == 0), z=f["z"].where(f.index % 2 == 1))),
    Case("one row left", Refused(DataError, "needs two rows or more; the data have 1"),
         change=columns(x=lambda f: f["x"].where(f.index == 3))),
    Case("infinite", Refused(DataError, "'x' is not finite in row 3 .*inf"), change=at("x", 3, np.inf)),
    Case("minus infinite slope", Refused(DataError, "'z' is not finite in row 3 .*-inf"), formula="{y} ~ (z | g)",
         change=at("z", 3, -np.inf)),
    Case("log of a negative", Refused(DataError, r"'log\(x\)' is not finite in rows .*above zero"),
         formula="{y} ~ log(x)"),
    Case("square root of a negative", Refused(DataError, r"'sqrt\(x\)' is not finite"), formula="{y} ~ sqrt(x)"),
    Case("division by zero", Refused(DataError, r"'I\(1 / x\)' is not finite in row 3"), formula="{y} ~ I(1 / x)",
         change=at("x", 3, 0.0)),
    Case("exp that overflows", Refused(DataError, r"'exp\(x\)' is (not finite|too large)"), formula="{y} ~ exp(x)",
         change=at("x", 3, 1000.0)),
    Case("constant", Refused(DataError, "'x' is constant: it is 2 in every row"), change=columns(x=2.0)),
    Case("constant times 1e-9", Refused(DataError, "'x' is constant"), change=columns(x=2e-9)),
    Case("scale() of a constant", Refused(DataError, r"'scale\(x\)' is not finite"), formula="{y} ~ scale(x)",
         change=columns(x=2.0)),
    Case("all zero", Refused(DataError, "'x' is constant: it is 0"), change=columns(x=0)),
    Case("poly() beyond the distinct values", Refused(DataError, r"poly\(\) of degree 4 .*the column has 3"),
         formula="{y} ~ poly(x, 4)", change=columns(x=np.arange(N) % 3)),
    Case("negative zero", Right(same(at("x", 3, 0.0))), change=at("x", 3, -0.0)),
    Case("one row far out", Right(finite), ("gaussian", "bernoulli", "poisson"), change=at("x", 3, 1e6), ask=fit),
)  # fmt: skip

COLLINEAR = (
    Case("the same predictor twice", Warned("'x', 'z' are collinear.*removing 'z'", coefs("Intercept", "x", "z")),
         formula="{y} ~ x + z + (1 | g)", change=columns(z=lambda f: f["x"])),
    Case("a multiple of another predictor", Warned("'x', 'z' are collinear", holds(lambda f: f.convergence.passed)),
         ("gaussian", "bernoulli", "poisson"), formula="{y} ~ x + z", change=columns(z=lambda f: -2 * f["x"]), ask=fit),
    Case("a term twice", Right(same(formula="{y} ~ x + (1 | g)")), formula="{y} ~ x + x + (1 | g)"),
    Case("dummies that add up to one",
         Warned("'f.v.', 'f.w.', 'z' are collinear", coefs("Intercept", "f[v]", "f[w]", "z")),
         formula="{y} ~ f + z + (1 | g)", change=columns(z=lambda f: 1.0 * (f["f"] == "u"))),
    Case("more predictors than rows", Warned("more coefficients .61. than rows .48.|are collinear", finite),
         ("gaussian", "poisson"), formula="{y} ~ " + " + ".join(f"sin({j + 1} * x)" for j in range(60)), ask=fit),
    Case("an interaction with an empty cell",
         Warned("'f.w.:h.s.' .*|collinear|No row has", finite), ("gaussian", "poisson"),
         formula="{y} ~ f*h", change=columns(h=lambda f: np.where(f["f"] == "w", "p", f["h"])), ask=fit),
    Case("an interaction with a constant in a level", Warned("collinear|No row", holds(lambda m: True)),
         formula="{y} ~ f*x", change=columns(x=lambda f: f["x"].where(f["f"] != "w", 0.0))),
)  # fmt: skip

TEXT = columns(x=np.resize(["no", "yes", "yes"], N))
FACTORS = (
    Case("one level", Refused(DataError, "'f' has one level only, 'u'"), formula="{y} ~ f", change=columns(f="u")),
    Case("as many levels as rows",
         Warned("'f' is a factor with 48 levels in 48 rows", holds(lambda m: m.design.size == N)),
         ("gaussian", "poisson", "cumulative"), formula="{y} ~ f", change=columns(f=[f"id{i}" for i in range(N)])),
    Case("a category without rows", Right(same()), formula="{y} ~ f + (1 | g)",
         change=columns(f=lambda f: pd.Categorical(f["f"], ["u", "none", "v", "w"]))),
    Case("an ordered category", Right(coefs("Intercept", "f[v]", "f[u]")), formula="{y} ~ f + (1 | g)",
         change=columns(f=lambda f: pd.Categorical(f["f"], ["w", "v", "u"], ordered=True))),
    *(
        Case(f"text of type {dtype!r}", Right(same()), formula="{y} ~ f + (1 | g)", change=columns(
            f=lambda f, dtype=dtype: f["f"].astype(dtype)))
        for dtype in ("object", "str", "string", "string[pyarrow]", "category", pd.ArrowDtype(pa.string()),
                      pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))
    ),
    Case("text with None", Warned("dropped for missing values .f: 1", same(lambda f: f.drop(index=3))),
         formula="{y} ~ f + (1 | g)", change=at("f", 3, None, dtype=object)),
    Case("blank text and none", Right(coefs("Intercept", "f[ u]", "f[u]")), formula="{y} ~ f + (1 | g)",
         change=columns(f=np.resize(["", " u", "u"], N))),
    Case("levels with brackets and colons", Right(coefs("Intercept", "f[a:b]", "f[a]]")), formula="{y} ~ f + (1 | g)",
         change=columns(f=np.resize(["[", "a]", "a:b"], N))),
    Case("levels in other scripts", Right(coefs("Intercept", "f[да]", "f[😀]")), formula="{y} ~ f + (1 | g)",
         change=columns(f=np.resize(["ä", "😀", "да"], N))),
    Case("bools as text", Right(coefs("Intercept", "x[True]")), formula="{y} ~ x + (1 | g)",
         change=columns(x=np.resize(["True", "False", "True"], N))),
    Case("intervals", Right(holds(lambda m: len(m.design.encoders.kinds["x"].levels) == 3)),
         change=columns(x=lambda f: pd.cut(f["x"], 3))),
    Case("tuples as categories", Refused(DataError, "'f' holds tuples"), formula="{y} ~ f",
         change=columns(f=lambda f: pd.Categorical([(i % 3, 1) for i in range(N)]))),
    Case("whole numbers in C()", Right(coefs("Intercept", "C(x)[2]", "C(x)[3]")), formula="{y} ~ C(x) + (1 | g)",
         change=columns(x=np.arange(N) % 3 + 1.0)),
    Case("a level that C() does not name", Refused(DataError, "values that levels= does not name: 'w'"),
         formula="{y} ~ C(f, levels=['u', 'v'])"),
    Case("text in arithmetic", Refused(DataError, r"\* needs numbers and was given levels, 'u'"),
         formula="{y} ~ I(f * 2)"),
    Case("text compared with a number", Refused(DataError, "Levels are compared by ==.*'>' needs numbers"),
         formula="{y} ~ I(f > 2)"),
    Case("two words as a predictor", Right(coefs("Intercept", "x[yes]")), change=TEXT),
)  # fmt: skip

CASES = (*DTYPES, *VALUES, *COLLINEAR, *FACTORS)
