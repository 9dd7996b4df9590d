"""What must not matter: order of rows, columns and terms, names, units, types and containers, how rows are written.

The statements are about the compiled log density with its default priors, at paired positions, to 1e-9.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bayes_glmm as bg
from tests.properties.positions import RTOL, assert_identical, build, compare, labels
from tests.properties.strategies import FAST, LARGE, PAIRS, RESPONSES, make_frame, problems

#: The first of each family's responses.
RESPONSE = {family: responses[0] for family, responses in RESPONSES.items()}

TERMS = ["f*x", "w", "k", "flag", "log(pos2)", "offset(0.1 * w)", "(x || g)", "(1 + w | h)", "(1 | a:b)"]
DATA = make_frame(48, 7)


def model(family, link, data=DATA, terms=TERMS):
    return build(f"{RESPONSE[family]} ~ {' + '.join(terms)}", data, family, link)


@cache
def base(family, link):
    """The model that the changed ones are compared with."""
    return model(family, link)


# what changes nothing at all ----------------------------------------------------------------------------------------


def exactly(data, dtype):
    """Write the columns of numbers in another type, values that it holds exactly."""
    return data.assign(**{name: data[name].astype(dtype) for name in ("x", "w", "pos2", "r", "pos", "u", "wt")})


def whole(data, dtype):
    return data.assign(**{name: data[name].astype(dtype) for name in ("n", "s", "c", "o", "b", "g3", "yes")})


def rounded(data):
    """Numbers that float32 holds, too."""
    names = ["x", "w", "pos2", "r", "pos", "u", "wt"]
    return data.assign(**{name: data[name].astype("float32").astype("float64") for name in names})


def texts(data, dtype):
    return data.assign(**{name: data[name].astype(dtype) for name in ("f", "g", "a")})


def unused(data):
    extra = {"unused": pd.date_range("2020", periods=len(data)), "other": [object()] * len(data), "x2": np.nan}
    return pd.concat([pd.DataFrame(extra, index=data.index), data], axis=1)


def more_categories(data):
    known = [*data["h"].cat.categories, "never"]
    return data.assign(h=pd.Categorical(data["h"].astype(object), categories=known))


SAME = {
    "an unused column": unused,
    "columns in reverse": lambda d: d[d.columns[::-1]],
    "labels of rows": lambda d: d.set_axis([f"row {i % 7}" for i in range(len(d))], axis=0),
    "a MultiIndex": lambda d: d.set_index(["c", "n"], drop=False).rename_axis(["one", "two"]),
    "float32": lambda d: exactly(d, "float32"),
    "Float64": lambda d: exactly(d, "Float64"),
    "arrow doubles": lambda d: exactly(d, "double[pyarrow]"),
    "objects of numbers": lambda d: exactly(d, object),
    "int8": lambda d: whole(d, "int8"),
    "uint16": lambda d: whole(d, "uint16"),
    "Int64": lambda d: whole(d, "Int64"),
    "whole floats": lambda d: whole(d, "float64"),
    "arrow integers": lambda d: whole(d, "int32[pyarrow]"),
    "text as objects": lambda d: texts(d, object),
    "text in arrow": lambda d: texts(d, "string[pyarrow]"),
    "arrow text": lambda d: texts(d, pd.ArrowDtype(pa.string())),
    "text as categories": lambda d: texts(d, "category"),
    # the dictionary's order is that of the categories
    "arrow dictionaries": lambda d: pa.Table.from_pandas(texts(d, "category")).to_pandas(types_mapper=pd.ArrowDtype),
    "booleans as numbers": lambda d: d.assign(flag=d["flag"].astype(int)),
    "nullable booleans": lambda d: d.assign(flag=d["flag"].astype("boolean"), yes=d["yes"].astype("boolean")),
    "categories that do not occur": more_categories,
    "read-only arrays": lambda d: d.copy().pipe(read_only),
    "polars": lambda d: pl.from_pandas(d.drop(columns=["k", "h"])).with_columns(enum(d, "k"), enum(d, "h")),
    "pyarrow": lambda d: pa.Table.from_pandas(d),
    "a dict of columns": lambda d: dict(d.items()),
    "a dict of arrays": lambda d: {name: column.array for name, column in d.items()},
    "strided columns": lambda d: pd.DataFrame(
        {name: np.repeat(c, 2)[::2] if c.dtype.kind in "fi" else c for name, c in d.items()}
    ),
}


def read_only(data):
    for name in ("x", "r", "pos"):
        column = data[name].to_numpy(copy=True)
        column.flags.writeable = False
        data[name] = pd.Series(column, copy=False)
    return data


def enum(data, name):
    return pl.Series(name, data[name].astype(str).tolist(), dtype=pl.Enum(list(data[name].cat.categories)))


@pytest.fixture(scope="module")
def plain():
    """The models of all families and links on numbers that every type holds."""
    data = rounded(DATA)
    return data, {pair: model(*pair, data) for pair in PAIRS}


#: Every family with its first link, in four parts: a change of the table meets one of them, with the slow tests all.
FIRST = [(family, link) for family, link in PAIRS if link == bg.FAMILIES[family].links[0]]
PARTS = [
    pytest.param(change, FIRST[part::4], id=f"{change}-{part}", marks=[pytest.mark.slow] * (part != number % 4))
    for number, change in enumerate(SAME)
    for part in range(4)
]


@pytest.mark.parametrize(("change", "pairs"), PARTS)
def test_how_the_table_is_written_changes_nothing(plain, change, pairs):
    data, models = plain
    table = SAME[change](data)
    for family, link in pairs:
        assert_identical(model(family, link, table), models[family, link])


# what is laid out differently and has the same density --------------------------------------------------------------


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_the_order_of_rows_does_not_matter(family, link):
    data = DATA.iloc[np.random.default_rng(1).permutation(len(DATA))]
    compare(base(family, link), model(family, link, data))


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_names_of_levels_do_not_matter(family, link):
    """Names that change the order of the levels: numbers for text, text for numbers, text for text."""
    herds = {"g0": 3, "g1": 1, "g2": 10, "g3": 2, "g4": -1}
    regions = {"north": "a", "south": "c", "mid": "b"}
    parts = {1: "two", 2: "one"}
    data = DATA.assign(
        g=DATA["g"].map(herds), h=DATA["h"].cat.rename_categories(str.upper), a=DATA["a"].map(regions),
        b=DATA["b"].map(parts),
    )  # fmt: skip

    def rename(label):
        if label[0] != "u":
            return label
        kind, group, level, coef = label
        if group == "a:b":
            a, b = level.split(":")
            return kind, group, f"{regions[a]}:{parts[int(b)]}", coef
        return kind, group, herds[level] if group == "g" else level.upper(), coef

    compare(base(family, link), model(family, link, data), rename=rename)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_names_of_a_factors_levels_in_the_same_order_are_names_only(family, link):
    names = {"u": "1 first", "v": "2nd", "w": "third"}
    other = model(family, link, DATA.assign(f=DATA["f"].map(names)))
    ours = base(family, link)
    np.testing.assert_array_equal(other.design.X, ours.design.X)
    np.testing.assert_array_equal(other.packed.data.beta_table, ours.packed.data.beta_table)
    renamed = {coef.rpartition("_")[2] for coef in set(other.design.coefs) - set(ours.design.coefs)}  # of each category
    assert renamed == {"f[2nd]", "f[third]", "f[2nd]:x", "f[third]:x"}


def by_parts(label):
    """One name for x:f and f:x."""
    return tuple(":".join(sorted(part.split(":"))) if isinstance(part, str) else part for part in label)


# of categories `||` makes effects independent across them, which terms on their own do not
@pytest.mark.parametrize(("family", "link"), [pair for pair in PAIRS if pair[0] != "categorical"])
def test_the_order_of_terms_does_not_matter(family, link):
    terms = [
        "(1 | b:a)", "(0 + x | g)", "flag", "x:f", "log(pos2)", "(1 | g)", "x", "(1 + w | h)", "w",
        "offset(0.1 * w)", "f", "k",
    ]  # fmt: skip
    other = model(family, link, terms=terms)
    known = {by_parts(label): label for label in labels(other)}
    compare(base(family, link), other, rename=lambda label: known[by_parts(label)])


def test_whole_numbers_text_and_categories_are_the_same_groups():
    numbers = {"g0": 4, "g1": 5, "g2": 6, "g3": 7, "g4": 8}
    as_numbers = DATA.assign(g=DATA["g"].map(numbers))
    as_text = as_numbers.assign(g=as_numbers["g"].map("{:02d}".format))
    as_category = as_numbers.assign(g=as_numbers["g"].astype("category"))
    as_floats = as_numbers.assign(g=as_numbers["g"].astype(float))
    one = model("poisson", "log", as_numbers)
    assert_identical(model("poisson", "log", as_category), one)
    assert_identical(model("poisson", "log", as_floats), one)
    compare(
        one,
        model("poisson", "log", as_text),
        rename=lambda name: (*name[:2], f"{name[2]:02d}", name[3]) if name[:2] == ("u", "g") else name,
    )


# random models ------------------------------------------------------------------------------------------------------


def check_random_model(problem, data):
    """Rows in another order under other labels, columns in another order, groups under other names of that order."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    table = problem.data.iloc[rng.permutation(len(problem.data))]
    table = table[list(rng.permutation(table.columns))].set_axis(rng.integers(0, 9, len(table)), axis=0)
    table = table.assign(g="<" + table["g"] + ">", unused=[None] * len(table))
    one = build(problem.formula, problem.data, problem.family, problem.link)
    other = build(problem.formula, table, problem.family, problem.link)

    def rename(label):
        return (*label[:2], f"<{label[2]}>", label[3]) if label[:2] == ("u", "g") else label

    compare_where_finite(one, other, rename)


def compare_where_finite(one, other, rename):
    """Random models may start where a mean is outside its domain; then both must say so."""
    start = dict(zip(labels(one), one.packed.start, strict=True))
    there = {rename(label): value for label, value in start.items()}
    ours = one.density(one.packed.start)[0]
    theirs = other.density(np.array([there[label] for label in labels(other)]))[0]
    assert np.isfinite(ours) == np.isfinite(theirs)
    if np.isfinite(ours) and one.spec.link.name not in ("identity", "inverse"):
        compare(one, other, rename=rename, everywhere=False)
    elif np.isfinite(ours):
        assert ours == pytest.approx(theirs, rel=RTOL)


@given(problems(), st.data())
@FAST
def test_random_models_do_not_depend_on_the_order_of_the_table(problem, data):
    check_random_model(problem, data)


@pytest.mark.slow
@given(problems(), st.data())
@LARGE
def test_many_random_models_do_not_depend_on_the_order_of_the_table(problem, data):
    check_random_model(problem, data)
