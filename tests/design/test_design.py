import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bayes_glmm.design.design import build_design
from bayes_glmm.errors import DataError, DataWarning, FormulaError, GLMMError, PredictionError
from bayes_glmm.spec.model_spec import ModelSpec


def make_data(rows=60, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.normal(size=rows),
            "x": rng.uniform(1, 5, size=rows),
            "z": rng.normal(size=rows),
            "f": rng.choice(["lo", "mid", "hi"], size=rows),
            "g": np.tile([308, 309, 310, 330], rows // 4),
            "h": rng.choice(["b", "a", "c"], size=rows),
            "e": rng.uniform(0.5, 2, size=rows),
            "k": rng.integers(0, 5, size=rows),
            "n": rng.integers(5, 9, size=rows),
        }
    )


def design_of(formula, data, family="gaussian", **kwargs):
    return build_design(ModelSpec.build(formula, family, **kwargs), data)


def assert_same(a, b, rows=slice(None)):
    np.testing.assert_allclose(a.X, b.X[rows])
    np.testing.assert_allclose(a.offset, b.offset[rows])
    for term, other in zip(a.groups, b.groups, strict=True):
        assert (term.levels, term.coefs, term.blocks) == (other.levels, other.coefs, other.blocks)
        np.testing.assert_array_equal(term.codes, other.codes[rows])
        np.testing.assert_allclose(term.Z, other.Z[rows])


def test_cbpp_formula():
    data = pd.DataFrame(
        {
            "incidence": [2, 3, 4, 0, 3, 1, 1, 8],
            "size": [14, 12, 9, 5, 22, 18, 21, 22],
            "period": pd.Categorical([1, 2, 3, 4, 1, 2, 3, 1]),
            "herd": ["1", "1", "1", "1", "2", "2", "2", "10"],
        }
    )
    design = design_of("p(incidence, size) ~ period + (1 | herd)", data, "binomial")
    assert design.coefs == ("Intercept", "period[2]", "period[3]", "period[4]")
    np.testing.assert_array_equal(design.X[:, 1:].argmax(axis=1)[1:4], [0, 1, 2])
    (herd,) = design.groups
    assert (herd.name, herd.levels, herd.coefs, herd.blocks) == ("herd", ("1", "2", "10"), ("Intercept",), ((0,),))
    assert herd.codes.tolist() == [0, 0, 0, 0, 1, 1, 1, 2]
    assert herd.codes.dtype == np.int32
    np.testing.assert_array_equal(design.response.trials, data["size"])
    np.testing.assert_array_equal(design.trials, data["size"])
    np.testing.assert_allclose(design.means, [0, 0.25, 0.25, 0.125])


def test_sleepstudy_formula():
    data = pd.DataFrame({"Reaction": np.arange(6.0) ** 2, "Days": [0, 1, 2] * 2, "Subject": [309] * 3 + [308] * 3})
    design = design_of("Reaction ~ Days + (Days | Subject)", data)
    (subject,) = design.groups
    assert (subject.levels, subject.coefs, subject.blocks) == ((308, 309), ("Intercept", "Days"), ((0, 1),))
    np.testing.assert_array_equal(subject.Z, np.column_stack([np.ones(6), data["Days"]]))
    assert subject.Z.flags.c_contiguous and not subject.Z.flags.writeable and not design.X.flags.writeable


@pytest.mark.parametrize(
    ("bars", "coefs", "blocks"),
    [
        ("(x | g)", ("Intercept", "x"), ((0, 1),)),
        ("(x || g)", ("Intercept", "x"), ((0,), (1,))),
        ("(1 | g) + (0 + x | g)", ("Intercept", "x"), ((0,), (1,))),
        ("(x | g) + (0 + z | g)", ("Intercept", "x", "z"), ((0, 1), (2,))),
        ("(f | g)", ("Intercept", "f[lo]", "f[mid]"), ((0, 1, 2),)),
        ("(0 + f | g)", ("f[hi]", "f[lo]", "f[mid]"), ((0, 1, 2),)),
        ("(f || g)", ("Intercept", "f[lo]", "f[mid]"), ((0,), (1,), (2,))),
    ],
)
def test_bars_of_one_factor_are_one_term(bars, coefs, blocks):
    (term,) = design_of(f"y ~ x + {bars}", make_data()).groups
    assert (term.coefs, term.blocks) == (coefs, blocks)
    assert term.Z.shape == (60, len(coefs))


def test_a_coefficient_twice_is_an_error():
    for bars in ("(1 | g) + (x | g)", "(1 | g/h) + (1 | h:g)"):
        with pytest.raises(FormulaError, match="'Intercept' appears twice"):
            design_of(f"y ~ {bars}", make_data())


def test_nested_factors_hold_only_the_combinations_seen():
    data = pd.DataFrame({"y": np.arange(5.0), "a": ["u", "u", "v", "v", "v"], "b": [2, 10, 2, 2, 3]})
    outer, inner = design_of("y ~ 1 + (1 | a/b)", data).groups
    assert (outer.name, outer.levels) == ("a", ("u", "v"))
    assert (inner.name, inner.columns, inner.levels) == ("a:b", ("a", "b"), ("u:2", "u:10", "v:2", "v:3"))
    assert inner.codes.tolist() == [0, 1, 2, 2, 3]


CODINGS = [
    ("y ~ 1", ["Intercept"]),
    ("y ~ 0 + x", ["x"]),
    ("y ~ x - 1", ["x"]),
    ("y ~ f", ["Intercept", "f[lo]", "f[mid]"]),
    ("y ~ 0 + f", ["f[hi]", "f[lo]", "f[mid]"]),
    ("y ~ f*x", ["Intercept", "f[lo]", "f[mid]", "x", "f[lo]:x", "f[mid]:x"]),
    ("y ~ C(g)", ["Intercept", "C(g)[309]", "C(g)[310]", "C(g)[330]"]),
    (
        "y ~ C(f, contr.treatment(base='mid'))",
        ["Intercept", "C(f, contr.treatment(base='mid'))[hi]", "C(f, contr.treatment(base='mid'))[lo]"],
    ),
    ("y ~ C(f, contr.sum)", ["Intercept", "C(f, contr.sum)[S.hi]", "C(f, contr.sum)[S.lo]"]),
    ("y ~ C(f, contr.helmert)", ["Intercept", "C(f, contr.helmert)[H.lo]", "C(f, contr.helmert)[H.mid]"]),
    ("y ~ C(f, contr.poly)", ["Intercept", "C(f, contr.poly)[.L]", "C(f, contr.poly)[.Q]"]),
    (
        "y ~ C(f, levels=['lo', 'mid', 'hi'])",
        ["Intercept", *(f"C(f, levels=['lo', 'mid', 'hi'])[{i}]" for i in ("mid", "hi"))],
    ),
    ("y ~ (x + z)^2", ["Intercept", "x", "z", "x:z"]),
    ("y ~ poly(x, 2)", ["Intercept", "poly(x, 2)[1]", "poly(x, 2)[2]"]),
    ("y ~ I(x > 2)", ["Intercept", "I(x > 2)"]),
    ("y ~ I(f == 'lo')", ["Intercept", "I(f == 'lo')"]),
]


@pytest.mark.parametrize(("formula", "coefs"), CODINGS)
def test_names_of_coefficients(formula, coefs):
    assert list(design_of(formula, make_data()).coefs) == coefs


def test_values_of_transforms():
    data = make_data()
    x = data["x"].to_numpy()
    for term, expected in {
        "log(x)": np.log(x),
        "np.log(x)": np.log(x),
        "I(x^2)": x**2,
        "center(x)": x - x.mean(),
        "scale(x)": (x - x.mean()) / x.std(ddof=1),
        "I(x*z - 1)": x * data["z"] - 1,
        "sqrt(x)": np.sqrt(x),
        "np.minimum(x, 2)": np.minimum(x, 2),
    }.items():
        np.testing.assert_allclose(design_of(f"y ~ {term}", data).X[:, 1], expected)
    basis = design_of("y ~ poly(x, 3)", data).X
    np.testing.assert_allclose(basis[:, 1:].T @ basis[:, 1:], np.eye(3), atol=1e-10)
    np.testing.assert_allclose(basis[:, 1:].sum(axis=0), 0, atol=1e-10)
    spline = design_of("y ~ 0 + bs(x, df=5, include_intercept=True)", data).X
    np.testing.assert_allclose(spline.sum(axis=1), 1)


REPLAYED = [
    "y ~ poly(x, 3)",
    "y ~ bs(x, df=5)",
    "y ~ cr(x, df=4, constraints='center')",
    "y ~ scale(x)*f + center(z)",
    "y ~ C(f, contr.sum)*x",
    "y ~ C(g, contr.poly)",
    "y ~ f:h + x",
    "y ~ log(x) + offset(scale(e)) + (scale(z) | g) + (1 | h/g)",
    "y ~ 0 + f",
    "scale(y) ~ x",
]


@pytest.mark.parametrize("formula", REPLAYED)
def test_encodings_are_replayed_on_new_rows(formula):
    data = make_data()
    design = design_of(formula, data)
    for rows in ([3], [7, 3, 3, 50], list(range(60))):
        new = design.at(data.iloc[rows], response=True)
        assert_same(new, design, rows)
        np.testing.assert_allclose(new.response.y, design.response.y[rows])
        assert new.index.tolist() == rows


def test_scale_uses_the_moments_of_the_fit():
    data = make_data()
    new = design_of("y ~ scale(x)", data).at({"x": [10.0]})
    np.testing.assert_allclose(new.X, [[1, (10 - data["x"].mean()) / data["x"].std()]])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_permuting_rows_permutes_the_design(seed):
    data = make_data()
    order = np.random.default_rng(seed).permutation(len(data))
    formula = "y ~ scale(x)*f + poly(z, 2) + offset(log(e)) + (x | g) + (1 | h/g)"
    assert_same(design_of(formula, data.iloc[order]), design_of(formula, data), order)


def test_tables_of_other_libraries_give_the_same_design():
    data = make_data()
    formula = "y ~ x*f + I(k > 2) + (x | g/h)"
    expected = design_of(formula, data)
    tables = [pl.from_pandas(data), pa.Table.from_pandas(data), data.to_dict("list"), dict(data)]
    tables += [data.convert_dtypes(), data.convert_dtypes(dtype_backend="pyarrow"), data.astype({"f": "category"})]
    tables += [pl.from_pandas(data.astype({"f": "category", "h": "category"})), data.astype({"f": object, "h": object})]
    for table in tables:
        assert_same(design_of(formula, table), expected)
        assert_same(expected.at(table), expected)


def test_polars_columns_with_nulls_and_decimals():
    """Numbers stay numbers and a flag a flag where a value is missing; the row is dropped, with a warning."""
    values = {
        "y": [1.0, 2.0, 4.0, 3.0, 5.0, 2.5],
        "i": [1, None, 3, 4, 0, 2],
        "b": [True, False, None, True, False, True],
    }
    table = pl.DataFrame(values).with_columns(
        d=pl.Series(["0.5", "1.5", "2.5", "3.5", "1.0", "2.0"]).cast(pl.Decimal(6, 2))
    )
    with pytest.warns(DataWarning, match="missing"):
        design = design_of("y ~ i + b + d", table)
    np.testing.assert_array_equal(design.X[:, 1], [1, 4, 0, 2])
    np.testing.assert_array_equal(design.X[:, 2], [1, 1, 0, 1])
    np.testing.assert_array_equal(design.X[:, 3], [0.5, 3.5, 1.0, 2.0])


def test_columns_whose_sum_overflows_or_is_no_number_are_refused_in_words():
    """Nothing is said from below: a sum is only how infinite values are looked for."""
    data = make_data().assign(x=np.linspace(1e308, 1.5e308, 60))
    with pytest.raises(DataError, match="'x' is too large"):
        design_of("y ~ 0 + x", data)
    data.loc[[3, 5], "x"] = [np.inf, -np.inf]
    with pytest.raises(DataError, match="'x' is not finite in rows 3, 5"):
        design_of("y ~ 0 + x", data)


def test_what_a_design_does_not_have_is_said():
    design = design_of("y ~ x + (1 | g)", make_data())
    with pytest.raises(GLMMError, match="'h'.*'g'"):
        design.group("h")
    with pytest.raises(PredictionError, match="new_levels must be 'error' or 'allow', not 'maybe'"):
        design.at(make_data(), new_levels="maybe")


TYPES = [
    "float32",
    "float64",
    "int8",
    "uint8",
    "int64",
    "Int64",
    "UInt8",
    "Float32",
    "Sparse[float64]",
    "double[pyarrow]",
    "bool",
    "boolean",
]


@pytest.mark.parametrize("dtype", TYPES)
def test_types_of_numbers(dtype):
    values = np.array([0, 1, 1, 0, 1, 0] if dtype.startswith("bool") else [0, 1, 200 % 100, 90, 100, 3])
    data = pd.DataFrame({"y": np.arange(6.0) ** 2, "x": pd.Series(values).astype(dtype), "w": np.arange(6)})
    design = (
        design_of("y ~ x + I(x*x) + x:w", data[["y", "x", "w"]]) if values.max() > 1 else design_of("y ~ x + x:w", data)
    )
    np.testing.assert_array_equal(design.X[:, 1], values)
    np.testing.assert_array_equal(design.X[:, -1], values * np.arange(6))


@pytest.mark.parametrize("dtype", ["str", "string", "object", "category", "string[pyarrow]"])
def test_types_of_text(dtype):
    data = make_data().astype({"f": dtype, "h": dtype})
    assert_same(design_of("y ~ f + (1 | h)", data), design_of("y ~ f + (1 | h)", make_data()))


def test_order_of_categories_is_kept_and_unused_ones_go():
    data = make_data()
    data["f"] = pd.Categorical(data["f"], categories=["mid", "unused", "lo", "hi"], ordered=True)
    data["h"] = pd.Categorical(data["h"], categories=["c", "a", "none", "b"])
    design = design_of("y ~ f + (1 | h)", data)
    assert design.coefs == ("Intercept", "f[lo]", "f[hi]")
    assert design.groups[0].levels == ("c", "a", "b")
    assert [design.groups[0].levels[code] for code in design.groups[0].codes] == data["h"].tolist()


def test_awkward_names():
    data = make_data().rename(columns={"x": "body mass", "z": "log", "f": "class", "g": "the: herd", "e": "body_mass"})
    formula = "y ~ scale(`body mass`) + scale(body_mass) + log(`body mass`) + `log` + `class` + (1 | `the: herd`)"
    design = design_of(formula, data)
    assert design.coefs == (
        "Intercept", "scale(body mass)", "scale(body_mass)", "log(body mass)", "log", "class[lo]", "class[mid]",
    )  # fmt: skip
    assert design.groups[0].name == "the: herd"
    assert_same(design.at(data.iloc[:3]), design, [0, 1, 2])
    dotted = data.rename(columns={"body mass": "body.mass"})
    assert design_of("y ~ body.mass + (1 | class)", dotted).coefs == ("Intercept", "body.mass")


def test_columns_named_like_dimensions_are_fine_as_predictors():
    data = make_data().rename(columns={"x": "chain", "z": "sigma"})
    assert design_of("y ~ chain + sigma", data).coefs == ("Intercept", "chain", "sigma")


def test_the_users_frame_is_neither_changed_nor_shared():
    data = make_data()
    before = data.copy(deep=True)
    design = design_of("y ~ x + f + (1 | g)", data)
    pd.testing.assert_frame_equal(data, before)
    X = design.X.copy()
    data.loc[:, "x"] = 0.0
    np.testing.assert_array_equal(design.X, X)
    assert design.frame["x"].nunique() > 1
    assert "z" not in design.frame


def test_missing_rows_are_dropped_once_over_all_parts():
    data = make_data()
    data.index = [f"r{i}" for i in range(60)]
    expected = design_of("y ~ x + offset(e) + (z | g)", data.drop(index=["r1", "r2", "r3", "r4", "r5"]))
    data["g"] = data["g"].astype(float)
    for row, column in zip(["r1", "r2", "r3", "r4", "r5"], ["y", "x", "e", "z", "g"], strict=True):
        data.loc[row, column] = np.nan
    data["k"] = np.nan  # not used
    with pytest.warns(DataWarning, match=r"5 of 60 rows.*y: 1, x: 1, z: 1, e: 1, g: 1"):
        design = design_of("y ~ x + offset(e) + (z | g)", data)
    assert_same(design, expected)
    assert design.dropped == 5
    assert design.reasons == {"y": 1, "x": 1, "z": 1, "e": 1, "g": 1}
    assert design.index.tolist() == expected.index.tolist()


def test_new_levels_have_codes_of_their_own():
    data = make_data()
    design = design_of("y ~ x + (1 | g) + (1 | g:h)", data)
    new = {"x": [1.0, 2.0, 3.0, 4.0], "g": [308.0, 999, 1000, 999], "h": ["a", "a", "new", "a"]}
    with pytest.raises(
        PredictionError, match=r"'g' has levels that the fit did not see: 999, 1000.*new_levels='allow'"
    ):
        design.at(new)
    at = design.at(new, new_levels="allow")
    g, gh = at.groups
    assert g.codes.tolist() == [0, 4, 5, 4]
    assert g.levels == (308, 309, 310, 330, 999, 1000)
    first = design.groups[1].levels.index("308:a")
    size = design.groups[1].size
    assert gh.codes.tolist() == [first, size, size + 1, size]
    assert gh.levels[size:] == ("999:a", "1000:new")


def test_groups_may_be_absent_only_when_asked():
    design = design_of("y ~ x + (x | g)", make_data())
    with pytest.raises(PredictionError, match="no column 'g'"):
        design.at({"x": [1.0, 2.0]})
    at = design.at({"x": [1.0, 2.0]}, groups=())
    assert at.groups[0].codes.tolist() == [-1, -1]
    np.testing.assert_array_equal(at.groups[0].Z, [[1, 1], [1, 2]])


def test_trials_are_read_without_the_successes():
    design = design_of("p(k, n) ~ x + (1 | g)", make_data(), "binomial")
    at = design.at({"x": [1.0], "g": [308], "n": [7]}, trials=True)
    assert at.response is None and at.trials.tolist() == [7]
    assert design.at({"x": [1.0], "g": [308]}).trials is None
    both = design.at({"x": [1.0], "g": [308], "n": [7], "k": [3]}, response=True)
    assert (both.response.y.tolist(), both.response.trials.tolist(), both.trials.tolist()) == ([3], [7], [7])
    fixed = design_of("p(k, 10) ~ x", make_data(), "binomial")
    assert fixed.at({"x": [1.0]}, trials=True).trials.tolist() == [10]


NEW_DATA_ERRORS = [
    ({"f": ["zz", "lo"]}, "'f' has levels that the fit did not see: 'zz'"),
    ({"x": ["1", "2"]}, "'x' held numbers in the data of the fit.*'1' is text: use data..x.. = pd.to_numeric"),
    ({"x": [np.inf, 1]}, "row 0"),
    ({"x": [-1.0, 1]}, r"'log\(x\)' is not finite in row 0"),
    ({"k": [99, 1]}, "C\\(\\) met values that the fit did not see: 99"),
    ({"x": None}, "no column 'x'"),
    ({"f": None, "x": None}, "no column.*'x', 'f'"),
    ({"g": ["308", "309"]}, "held integer values in the fit and holds text here"),
    ({"z": [99.0, 1.0]}, "no values beyond its boundary knots"),
    ({"x": [np.nan, 1.0]}, "1 of 2 rows have missing values"),
]


@pytest.mark.parametrize(("change", "message"), NEW_DATA_ERRORS)
def test_new_rows_that_do_not_fit(change, message):
    design = design_of("y ~ log(x) + f + C(k) + bs(z, df=4) + (1 | g)", make_data(), missing="error")
    new = {"x": [1.0, 2.0], "f": ["lo", "hi"], "k": [1, 2], "z": [0.1, 0.2], "g": [308, 309], **change}
    with pytest.raises(PredictionError, match=message):
        design.at({name: values for name, values in new.items() if values is not None})


def test_new_rows_with_missing_values_are_dropped_with_a_warning():
    design = design_of("y ~ x", make_data())
    with pytest.warns(DataWarning, match="1 of 3 rows.*x: 1"):
        at = design.at(pd.DataFrame({"x": [1.0, np.nan, 3.0]}, index=list("abc")))
    assert at.index.tolist() == ["a", "c"]
    np.testing.assert_array_equal(at.X[:, 1], [1, 3])


def test_no_dense_matrix_of_rows_by_levels():
    rng = np.random.default_rng(1)
    n, levels = 200_000, 2_000
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "g": rng.integers(0, levels, n)})
    spec = ModelSpec.build("y ~ x + (x | g)")
    tracemalloc.start()
    design = build_design(spec, data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert design.groups[0].size == levels
    # the dense matrix would take 3.2 GB, or 400 MB as bytes
    assert peak < 100e6


@pytest.mark.slow
@pytest.mark.parametrize("text", [False, True])
def test_a_million_rows(text):
    import time

    rng = np.random.default_rng(1)
    n = 1_000_000
    g = rng.integers(0, 20_000, n)
    data = pd.DataFrame(
        {"y": rng.normal(size=n), "x": rng.normal(size=n), "g": np.char.add("g", g.astype(str)) if text else g}
    )
    tracemalloc.start()
    start = time.perf_counter()
    design = build_design(ModelSpec.build("y ~ x + (x | g)"), data)
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert design.groups[0].size == 20_000
    assert seconds < 5
    assert peak < 2**30


def test_nothing_warns_on_clean_data():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        design_of("y ~ x*f + (x | g)", make_data())
