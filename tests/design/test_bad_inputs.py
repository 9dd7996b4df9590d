import numpy as np
import pandas as pd
import polars as pl
import pytest

from bayes_glmm.design.design import build_design
from bayes_glmm.errors import DataError, DataWarning
from bayes_glmm.spec.model_spec import ModelSpec

N = 20


def make_data(**columns):
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {
            "y": rng.normal(size=N),
            "x": rng.normal(size=N),
            "g": np.tile(["a", "b", "c", "d"], N // 4),
            "f": np.tile(["u", "v"], N // 2),
            "k": np.tile([0, 1, 2, 3], N // 4),
            "n": np.full(N, 4),
            "b": np.tile([0, 1, 1, 0], N // 4),
            "p": rng.uniform(0.1, 0.9, size=N),
            "w": np.ones(N),
        }
    )
    for name, values in columns.items():
        data[name] = values
    return data


def at(position, value, start=1.0):
    values = np.full(N, start, dtype=type(value)) + np.arange(N) % 2
    values = values.astype(np.result_type(values.dtype, type(value)))
    values[position] = value
    return values


def build(formula, data, family="gaussian", **kwargs):
    return build_design(ModelSpec.build(formula, family, **kwargs), data)


RESPONSES = [
    # name, formula, family, columns, message
    (
        "numbers as text",
        "y ~ x",
        "gaussian",
        {"y": [str(i) for i in range(N)]},
        r"response 'y' .* must be numeric; '0' is text: use .*pd.to_numeric\(data\['y'\]\)",
    ),
    (
        "text among digits",
        "y ~ x",
        "gaussian",
        {"y": [str(i) for i in range(N - 1)] + ["n.d."]},
        "response 'y' .* must be numeric; 'n.d.' is no number",
    ),
    ("text", "f ~ x", "gaussian", {}, "response 'f' holds .* values .*must be numeric"),
    ("category", "f ~ x", "poisson", {"f": pd.Categorical(["u", "v"] * 10)}, "response 'f' holds category"),
    ("constant", "y ~ x", "gaussian", {"y": 3.0}, r"'y' is constant \(3 in every row\)"),
    ("infinite", "y ~ x", "gaussian", {"y": at(7, np.inf)}, "'y' is not finite in row 7"),
    ("log of negatives", "log(y) ~ x", "gaussian", {}, r"'log\(y\)' is not finite in rows"),
    ("dates", "y ~ x", "gaussian", {"y": pd.date_range("2020", periods=N)}, "'y' holds dates"),
    ("durations", "y ~ x", "gaussian", {"y": pd.to_timedelta(np.arange(N), unit="D")}, "'y' holds time differences"),
    ("complex", "y ~ x", "gaussian", {"y": np.arange(N) * 1j}, "'y' holds complex"),
    ("coded 1/2", "b ~ x", "bernoulli", {"b": [1, 2] * 10}, r"'b' must be 0 or 1.*subtract 1: I\(b - 1\).*row"),
    ("proportions, bernoulli", "p ~ x", "bernoulli", {}, r"'p' must be 0 or 1.*p\(round\(p \* n\), n\)"),
    ("counts, bernoulli", "k ~ x", "bernoulli", {}, r"'k' must be 0 or 1.*p\(successes, trials\)"),
    ("three levels", "g ~ x", "bernoulli", {}, "'g' .*two levels; it has 4: 'a', 'b', 'c', 'd'"),
    ("one level", "g ~ x", "bernoulli", {"g": "a"}, "two levels; it has 1"),
    (
        "successes > trials",
        "p(k, n) ~ x",
        "binomial",
        {"k": at(5, 9)},
        r"more successes \(k\) than trials \(n\) in row 5: 9 of 4",
    ),
    ("fractional successes", "p(k, n) ~ x", "binomial", {"k": at(5, 1.5)}, "'k' must be whole.*row 5.*1.5"),
    ("negative successes", "p(k, n) ~ x", "binomial", {"k": at(5, -1)}, "'k' must not be negative.*row 5"),
    ("fractional trials", "p(k, n) ~ x", "binomial", {"n": 4.5}, "'n' must be whole.*numbers of trials"),
    ("negative trials", "p(k, n) ~ x", "binomial", {"n": at(2, -4, 4)}, "'n' must not be negative.*row 2"),
    ("proportions, binomial", "p(p, n) ~ x", "binomial", {}, "'p' must hold successes, not proportions"),
    ("negative counts", "k ~ x", "poisson", {"k": at(4, -2)}, "'k' must not be negative.*counts.*row 4"),
    ("fractional counts", "y ~ x", "negativebinomial", {"y": at(4, 2.5)}, "'y' must be whole.*row 4"),
    ("zero, gamma", "y ~ x", "gamma", {"y": at(4, 0.0)}, "'y' must be above zero.*'gamma'.*row 4"),
    ("negative, lognormal", "y ~ x", "lognormal", {"y": at(4, -1.0)}, "'y' must be above zero.*row 4"),
    (
        "one, beta",
        "p ~ x",
        "beta",
        {"p": [0.5, 1.0] * 10},
        "'p' must be strictly between 0 and 1.*rows 1, 3, 5, 7, 9 and 5 more",
    ),
    ("negative weights", "weighted(y, w) ~ x", "gaussian", {"w": at(4, -1.0)}, "'w' must not be negative.*row 4"),
    ("two columns", "poly(y, 2) ~ x", "gaussian", {}, "one number per row; it gives 2 columns"),
]


@pytest.mark.parametrize(
    ("formula", "family", "columns", "message"), [row[1:] for row in RESPONSES], ids=[r[0] for r in RESPONSES]
)
def test_responses_that_a_family_cannot_have(formula, family, columns, message):
    with pytest.raises(DataError, match=message):
        build(formula, make_data(**columns), family)


PREDICTORS = [
    *(
        (f"text in {term}", f"y ~ {term}", {"x": [str(i / 2) for i in range(N)]}, "'0.0'.*pd.to_numeric.data")
        for term in ("log(x)", "scale(x)", "poly(x, 2)", "bs(x, df=4)", "I(x * 2)", "I(x > 3)", "k + offset(x)")
    ),
    ("a name in backticks", "y ~ offset(`a b`)", {"a b": ["u", "v"] * 10}, "'a b' must hold numbers there; 'u' is no"),
    ("a category of numbers", "y ~ offset(x)", {"x": pd.Categorical([1.5, 2.5] * 10)}, "1.5 is a category: .*astype"),
    ("text of flags", "y ~ offset(x)", {"x": ["True", "False"] * 10}, "'True' is text: use .*str.lower.. == 'true'"),
    ("infinite", "y ~ x", {"x": at(3, -np.inf)}, "'x' is not finite in row 3"),
    ("log of zero", "y ~ log(x)", {"x": at(3, 0.0)}, r"'log\(x\)' is not finite in row 3"),
    ("zero exposure", "y ~ offset(np.log(x))", {"x": at(3, 0.0)}, r"'np.log\(x\)' is not finite in row 3"),
    ("infinite slope", "y ~ (x | g)", {"x": at(3, np.inf)}, "'x' is not finite in row 3"),
    ("dates", "y ~ x", {"x": pd.date_range("2020", periods=N)}, "'x' holds dates"),
    ("time zone", "y ~ x", {"x": pd.date_range("2020", periods=N, tz="UTC")}, "'x' holds dates"),
    ("durations", "y ~ x", {"x": pd.to_timedelta(np.arange(N), unit="s")}, "'x' holds time differences"),
    ("complex", "y ~ x", {"x": np.arange(N) * 1j}, "'x' holds complex"),
    ("mixed", "y ~ x", {"x": pd.Series([1, "a"] * 10, dtype=object)}, "'x' holds values of more than one kind"),
    ("lists", "y ~ x", {"x": pd.Series([[1]] * N)}, "'x' holds values of more than one kind"),
    ("constant", "y ~ x", {"x": 2.0}, "'x' is constant: it is 2 in every row"),
    ("constant scaled", "y ~ scale(x)", {"x": 2.0}, r"'scale\(x\)' is not finite"),
    ("few values", "y ~ poly(x, 3)", {"x": np.arange(N) % 3}, r"poly\(\) of degree 3 .*the column has 3"),
    ("same labels", "y ~ (1 | g:h)", {"g": ["a:b", "a"] * 10, "h": ["c", "b:c"] * 10}, "'g:h' have the same label"),
    ("one level", "y ~ f", {"f": "u"}, "'f' has one level only, 'u'"),
    ("complex group", "y ~ (1 | g)", {"g": np.arange(N) * 1j}, "'g' has the type complex128"),
    ("infinite group", "y ~ (1 | g)", {"g": at(3, np.inf)}, "'g' has infinite values"),
    ("mixed group", "y ~ (1 | g)", {"g": pd.Series([1, "a"] * 10, dtype=object)}, "'g' mixes values"),
    ("one group", "y ~ (1 | g)", {"g": "a"}, "'g' has one level only .'a'.*sd cannot be learned"),
]


@pytest.mark.parametrize(
    ("formula", "columns", "message"), [row[1:] for row in PREDICTORS], ids=[r[0] for r in PREDICTORS]
)
def test_predictors_and_groups_that_cannot_be_used(formula, columns, message):
    with pytest.raises(DataError, match=message):
        build(formula, make_data(**columns))


TABLES = [
    ("a list", [1, 2], "must be a pandas or polars DataFrame"),
    ("no rows", make_data().iloc[:0], "no rows"),
    ("one row", make_data().iloc[:1], "two rows or more"),
    ("misspelt", make_data().rename(columns={"x": "xx"}), "no column 'x'. Did you mean 'xx'"),
    ("two missing", make_data().drop(columns=["x", "g"]), "no columns 'x', 'g'"),
    ("group in the index", make_data().set_index("g"), r"no column 'g'. It is a level of the index.*reset_index"),
    ("twice", pd.concat([make_data(), make_data()[["x"]]], axis=1), "more than one column named 'x'"),
    ("MultiIndex", pd.concat([make_data()], axis=1, keys=["top"]), "MultiIndex"),
    ("lengths", {"y": [1.0, 2], "x": [1.0], "g": ["a", "b"]}, "different lengths"),
    ("two dimensions", {"y": np.ones((2, 2)), "x": [1.0, 2], "g": ["a", "b"]}, "'y' has 2 dimensions"),
    ("dict without", {"y": [1.0, 2], "gg": ["a", "b"], "x": [1.0, 2]}, "no column 'g'. Did you mean 'gg'"),
    ("lazy", pl.LazyFrame({"y": [1]}), "collect"),
    ("polars without", pl.DataFrame({"y": [1.0], "x": [1.0]}), "no column 'g'"),
    ("all missing", make_data(x=np.nan), "Every row has a missing value.*x: 20"),
]


@pytest.mark.parametrize(("data", "message"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES])
def test_tables_that_cannot_be_used(data, message):
    with pytest.raises(DataError, match=message):
        build("y ~ x + (1 | g)", data)


def test_missing_values_can_be_refused():
    with pytest.raises(DataError, match="1 of 20 rows have missing values .x: 1"):
        build("y ~ x", make_data(x=at(3, np.nan)), missing="error")


def test_other_names_that_collide():
    with pytest.raises(DataError, match="'g_coef' has a name that results use for 'g'"):
        build("y ~ (1 | g) + (1 | g_coef)", make_data(g_coef=np.tile(["u", "v"], 10)))
    with pytest.raises(DataError, match="'Intercept'"):
        build("y ~ Intercept", make_data(Intercept=np.arange(N)))


WARNINGS = [
    ("collinear", "y ~ x + z", "gaussian", {"z": lambda d: 2 * d["x"]}, r"'x', 'z' are collinear.*removing 'z'"),
    (
        "sum to one",
        "y ~ f + z",
        "gaussian",
        {"z": lambda d: 1.0 * (d["f"] == "u")},
        r"'Intercept', 'f\[v\]', 'z' are collinear",
    ),
    (
        "p > n",
        "y ~ " + " + ".join(f"I(x > {i / 10 - 1})" for i in range(25)),
        "gaussian",
        {},
        "more coefficients .26. than rows .20.",
    ),
    (
        "empty cell",
        "y ~ f*h",
        "gaussian",
        {"h": lambda d: np.where(d["f"] == "u", "s", np.tile(["s", "s", "t", "t"], 5))},
        "collinear|No row",
    ),
    ("fixed and group", "y ~ g + (1 | g)", "gaussian", {}, "'g' is a fixed factor and a grouping factor"),
    (
        "a level a row",
        "y ~ (1 | i)",
        "gaussian",
        {"i": np.arange(N)},
        "only the sum of its variance and the residual variance",
    ),
    (
        "many levels",
        "y ~ h",
        "gaussian",
        {"h": [f"l{i % 15}" for i in range(N)]},
        "'h' is a factor with 15 levels in 20 rows",
    ),
    ("all zero", "b ~ x", "bernoulli", {"b": 0}, "'b' is constant"),
    ("all successes", "p(k, n) ~ x", "binomial", {"k": 4}, "'k' is constant"),
    ("all zero counts", "k ~ x", "poisson", {"k": 0}, "'k' is constant"),
    ("zero trials", "p(k, n) ~ x", "binomial", {"k": at(2, 0), "n": at(2, 0, 4)}, "trials 'n' is zero in row 2"),
    ("text response", "f ~ x", "bernoulli", {}, "'v' is counted as the event"),
]


@pytest.mark.parametrize(
    ("formula", "family", "columns", "message"), [row[1:] for row in WARNINGS], ids=[r[0] for r in WARNINGS]
)
def test_suspicious_data_are_kept_with_a_warning(formula, family, columns, message):
    data = make_data()
    for name, values in columns.items():
        data[name] = values(data) if callable(values) else values
    with pytest.warns(DataWarning, match=message):
        design = build(formula, data, family)
    assert design.size == N


BINARY = [
    ("bool", lambda b: b.astype(bool), None),
    ("nullable", lambda b: b.astype("boolean"), None),
    ("float", lambda b: b.astype(float), None),
    ("category", lambda b: pd.Categorical(np.where(b, "no", "yes"), categories=["yes", "no"]), "no"),
    ("numbers as categories", lambda b: pd.Categorical(b), "1"),
]


@pytest.mark.parametrize(("make", "event"), [row[1:] for row in BINARY], ids=[row[0] for row in BINARY])
def test_codings_of_a_binary_response(make, event):
    data = make_data()
    zero_one = data["b"].to_numpy()
    data["b"] = make(data["b"])
    design = build("b ~ x", data, "bernoulli")
    np.testing.assert_array_equal(design.response.y, zero_one)
    assert design.response.event == event
    np.testing.assert_array_equal(design.at(data.iloc[:3], response=True).response.y, zero_one[:3])


def test_comparison_as_binary_response():
    data = make_data()
    design = build("I(g == 'a') ~ x", data, "bernoulli")
    np.testing.assert_array_equal(design.response.y, data["g"] == "a")


def test_new_response_values_are_checked():
    data = make_data(f=pd.Categorical(["u", "v"] * 10))
    design = build("f ~ x", data, "bernoulli")
    with pytest.raises(DataError, match="must be one of 'u', 'v'.*row 0"):
        design.at({"x": [1.0], "f": ["w"]}, response=True)
    with pytest.raises(DataError, match="'k' must not be negative"):
        build("k ~ x", data, "poisson").at({"x": [1.0], "k": [-1]}, response=True)


def test_numeric_codes_of_text_may_be_category():
    data = make_data(h=[str(i % 3) for i in range(N)])
    data["h"] = data["h"].astype("category")
    assert build("y ~ h", data).coefs == ("Intercept", "h[1]", "h[2]")
