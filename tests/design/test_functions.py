"""The functions of formulas: R's values on the data of the fit and on new rows, what they remember and refuse."""

import json
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.design.design import build_design
from bayes_glmm.design.transforms import TRANSFORMS
from bayes_glmm.errors import DataError, DataWarning, FormulaError, PredictionError
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.spec.functions import CONTRASTS, FUNCTIONS
from bayes_glmm.spec.model_spec import ModelSpec

#: What R makes of the same texts: written by functions.R.
FIGURES = json.loads(Path(__file__).with_name("functions.json").read_text())
DATA, NEW = pd.DataFrame(FIGURES["data"]), pd.DataFrame(FIGURES["new"])


def build(terms, data=DATA, groups=""):
    rows = len(data)
    y = np.random.default_rng(3).normal(size=rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # products of few rows are collinear
        return build_design(ModelSpec.build(f"y ~ {terms}{groups}"), data.assign(y=y, g=np.arange(rows) % 5))


@pytest.mark.parametrize("case", FIGURES["terms"], ids=lambda case: case["term"])
def test_columns_are_those_of_r(case):
    design = build(case["term"])
    np.testing.assert_allclose(design.X, np.array(case["X"]), rtol=1e-8, atol=1e-9)
    if case["new"] is not None:
        np.testing.assert_allclose(design.at(NEW).X, np.array(case["new"]), rtol=1e-8, atol=1e-9)


def test_the_two_lists_of_functions_are_one():
    assert TRANSFORMS.keys() == FUNCTIONS.keys()


NAMES = [
    ("as.factor(k)", ["as.factor(k)[1]", "as.factor(k)[2]", "as.factor(k)[3]"]),
    ("ordered(f, levels=c('c','a','b'))", [f"ordered(f, levels=c('c', 'a', 'b'))[{level}]" for level in "ab"]),
    ("factor(x > 0)", ["factor(x > 0)[TRUE]"]),
    ("poly(x, 2)", ["poly(x, 2)[1]", "poly(x, 2)[2]"]),
    ("poly(x,2,raw=TRUE)", ["poly(x, 2, raw=TRUE)[1]", "poly(x, 2, raw=TRUE)[2]"]),
    ("ns(x, 2)", ["ns(x, 2)[1]", "ns(x, 2)[2]"]),
    ("splines::bs(x, df=3)", ["bs(x, df=3)[1]", "bs(x, df=3)[2]", "bs(x, df=3)[3]"]),
    ("cut(w, c(0,1,2.5,Inf))", [f"cut(w, c(0, 1, 2.5, Inf))[{level}]" for level in ("(1,2.5]", "(2.5,Inf]")]),
    (
        "cut(k, c(0,1,3), right=FALSE, include.lowest=TRUE)",
        ["cut(k, c(0, 1, 3), right=FALSE, include.lowest=TRUE)[[1,3]]"],
    ),
    (
        "interaction(h, factor(k > 1), sep='/')",
        [f"interaction(h, factor(k > 1), sep='/')[{level}]" for level in ("v/FALSE", "u/TRUE", "v/TRUE")],
    ),
    ("relevel(factor(k), ref='2')", [f"relevel(factor(k), ref='2')[{level}]" for level in (0, 1, 3)]),
    ("ifelse(x>1, 'high', 'low')", ["ifelse(x > 1, 'high', 'low')[low]"]),
    ("C(f, sum)", ["C(f, sum)[S.a]", "C(f, sum)[S.b]"]),
]  # fmt: skip


@pytest.mark.parametrize(("term", "names"), NAMES)
def test_coefficients_have_readable_names(term, names):
    assert build(term).coefs == ("Intercept", *names)


def test_interactions_of_many_levels_are_as_large_as_their_rows():
    one = np.arange(3000.0)
    made = TRANSFORMS["interaction"]([one, one[::-1], one % 2], {}, {})
    assert (len(made), len(made.categories), made[0]) == (3000, 3000, "0.2999.0")
    with pytest.raises(DataError, match="3000 x 3000 x .* combinations of levels; that is too many"):
        TRANSFORMS["interaction"]([one] * 6, {}, {})


REMEMBERED = [
    "factor(k)", "factor(k, levels=3:0)", "factor(k, labels=c('a', 'b', 'c', 'd'))", "cut(x, 3)",
    "cut(x, 4, labels=FALSE)", "ns(x, 3)", "rcs(x, 4)", "bs(x, df=5)", "poly(x, 3)", "scale(log(w))", "ave(x, f)",
    "I((x - mean(x)) / sd(x))",
    "I(x > median(x))", "interaction(f, h)", "relevel(f, ref='c')", "C(factor(k), contr.poly)", "as.numeric(f)",
    "ifelse(x > mean(x), 'above', 'below')", "factor(ifelse(f == 'a', 'one', h))", "I(x / max(x) + min(w) - var(w))",
]  # fmt: skip


@pytest.mark.parametrize("term", REMEMBERED)
def test_new_rows_are_read_with_what_the_fit_learned(term):
    """One row at a time, in the fixed part and in a grouping factor's."""
    design = build(term, groups=f" + ({term} | g)")
    for row in (4, 17):
        alone = design.at(DATA.iloc[[row]].assign(g=row % 5))
        np.testing.assert_allclose(alone.X, design.X[[row]], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(alone.groups[0].Z, design.groups[0].Z[[row]], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("response", "expected"), [("as.numeric(r)", [3, 2, 3]), ("I(r == 'lo')", [0, 0, 0]), ("as.integer(r)", [3, 2, 3])]
)
def test_responses_keep_the_levels_of_the_fit(response, expected):
    """New rows need not have every level."""
    levels = pd.Categorical(["lo", "mid", "hi"] * 4, categories=["lo", "mid", "hi"])
    design = build_design(ModelSpec.build(f"{response} ~ x"), pd.DataFrame({"r": levels, "x": np.arange(12.0) % 5}))
    new = pd.DataFrame({"r": ["hi", "mid", "hi"], "x": 1.0})
    assert design.at(new, response=True).response.y.tolist() == expected


def test_integer_division_of_python_binds_as_python_does():
    frame = pd.DataFrame({"x": [3.0, 5.0, -7.0, 4.0], "y": [1.0, 2.0, 3.0, 5.0]})
    of_python = build_design(ModelSpec.build("y ~ 0 + I(x * 2 // 4)"), frame).X[:, 0]
    of_r = build_design(ModelSpec.build("y ~ 0 + I(x * 7 %/% 4)"), frame).X[:, 0]
    assert of_python.tolist() == (frame.x * 2 // 4).tolist()
    assert of_r.tolist() == frame.x.tolist()


def test_numbers_that_print_alike_are_one_level():
    data = DATA.assign(share=np.resize([0.1 + 0.2, 0.3, 0.7], len(DATA)))
    design = build("factor(share)", data)
    assert design.coefs == ("Intercept", "factor(share)[0.7]")
    np.testing.assert_array_equal(design.at(NEW.assign(share=[0.3, 0.7, 0.1 * 3, 0.7])).X[:, 1], [0, 1, 0, 1])


REFUSED = [
    ("factor(k)", {"k": 7}, r"factor\(\) met values that the fit did not see: 7. Levels: 0, 1, 2, 3"),
    ("cut(x, 3)", {"x": 99.0}, r"cut\(\) leaves 1 values outside its breaks.*add -Inf and Inf"),
    ("bs(x, df=4)", {"x": 99.0}, r"bs\(\) has no values beyond its boundary knots.*ns\(x, df\)"),
    ("interaction(f, h)", {"f": "z"}, "'f' has levels that the fit did not see"),
    ("ave(x, factor(k))", {"k": 9}, "factor.. met values"),
    ("log(w)", {"w": -1.0}, "is not finite"),
]


@pytest.mark.parametrize(("term", "values", "message"), REFUSED)
def test_new_values_without_an_answer_are_refused(term, values, message):
    with pytest.raises(PredictionError, match=message):
        build(term).at(NEW.iloc[[0]].assign(**values))


WRONG = [
    ("cut(x, c(-1, 1))", "outside its breaks, -1, 1"),
    ("cut(x, c(1, 1, 2))", "two breaks or more, each once"),
    ("cut(x, 3, labels=c('a', 'b'))", "makes 3 intervals"),
    ("cut(x)", "cut.. needs breaks"),
    ("factor(k, levels=0:2)", "values that levels= does not name: 3"),
    ("factor(k, labels=c('a', 'b'))", "has 4 levels, 0, 1, 2, 3, and 2 distinct labels"),
    ("relevel(f, ref='z')", "no level 'z'. Levels: 'a', 'b', 'c'"),
    ("C(f, contr.treatment(base='z'))", "contr.treatment.. finds no level 'z'. Levels: 'a', 'b', 'c'"),
    ("C(f, contr.poly(scores=c(1, 2)))", "a score for each of 3 levels"),
    ("relevel(f)", "needs the reference level as text"),
    ("I(f == 'z')", "'f' has no level 'z'. Levels: 'a', 'b', 'c'"),
    ("I(f %in% c('y', 'z'))", "'f' has no level 'y', 'z'"),
    ("I(x == 'z')", "'x' holds numbers; it is compared with text"),
    ("I(f > 'a')", "Levels are compared by == and %in%"),
    ("log(f)", r"log\(\) needs numbers and was given levels, 'a', 'b', 'c'; compare them"),
    ("I(f + 1)", "needs numbers and was given levels"),
    ("scale(poly(x, 2))", "needs one column and was given 2"),
    ("as.numeric(factor(year))", r"Write as.numeric\(as.character\(f\)\) for the numbers"),
    ("as.numeric(as.character(f))", "met text that is no number: 'a'"),
    ("rcs(k, 5)", "too few values"),
    ("rcs(x, 2)", "needs three knots or more"),
    ("ns(k, 9)", "needs distinct knots between 0 and 3"),
    ("ns(x, knots=99)", "needs distinct knots between"),
    ("cr(x)", "needs df or knots"),
    ("poly(k, 4)", "the column has 4"),
    ("factor(k > -1)", "The factor 'factor.k > -1.' has one level only, 'TRUE'; remove it"),
    ("cut(x, c(-Inf, 90, Inf))", "has one level only"),
]  # fmt: skip


@pytest.mark.parametrize(("term", "message"), WRONG)
def test_what_cannot_be_computed_says_why(term, message):
    with pytest.raises(DataError, match=message):
        build(term)


OPTIONS = [
    ("poly(x, 2.5)", "degree must be a whole number, not 2.5"),
    ("poly(x, 2, raw=1)", "raw must be TRUE or FALSE, not 1"),
    ("log(x, 0)", "base must be a number above zero"),
    ("cut(x, 'three')", "breaks must be a number or several"),
    ("bs(x, df=4, Boundary.knots=3)", r"Boundary.knots must be two numbers, c\(0, 10\)"),
    ("relevel(f, ref=2)", "ref must be text, not 2"),
    ("bs(x, df=4, extrapolation='on')", "extrapolation must be one of raise, clip"),
    ("C(f, contr.sum(3))", "contr.sum takes no arguments"),
]


@pytest.mark.parametrize(("term", "message"), OPTIONS)
def test_options_are_checked_before_any_data(term, message):
    with pytest.raises(FormulaError, match=message):
        ModelSpec.build(f"y ~ {term}")


#: A term, and the column that says the same where it stands in the data.
WRITTEN_OUT = [
    ("cut(x, c(-Inf, -1, 1, Inf))", lambda d: pd.cut(d["x"], [-np.inf, -1, 1, np.inf])),
    ("factor(x > 1)", lambda d: (d["x"] > 1).map({False: "n", True: "y"})),
    ("ifelse(x > 2, 'c', ifelse(x > 0, 'b', 'a'))", lambda d: np.select([d["x"] > 2, d["x"] > 0], ["c", "b"], "a")),
    ("interaction(f, h)", lambda d: d["h"] + d["f"]),
    ("factor(k)", lambda d: "k" + d["k"].astype(str)),
    ("as.factor(year)", lambda d: pd.Categorical(d["year"])),
]


@pytest.mark.parametrize(("term", "column"), WRITTEN_OUT, ids=[term for term, _ in WRITTEN_OUT])
@pytest.mark.parametrize("terms", ["{}", "x + {}", "w * {}"])
def test_default_priors_are_those_of_the_levels_in_the_data(term, column, terms):
    """Levels that a formula makes of a number have the priors of any factor, however many values the number has."""
    data = DATA.assign(made=column(DATA))
    tables = []
    for written in (term, "made"):
        design = build(terms.format(written), data, f" + ({written} | g)")
        priors = resolve_priors(design.spec, design)
        tables.append(([row.prior for row in priors], priors.basis))
    assert tables[0][0] == tables[1][0]
    np.testing.assert_allclose(tables[0][1], tables[1][1], rtol=1e-12, atol=1e-12)


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"x": rng.uniform(0, 10, 150), "dose": rng.integers(1, 4, 150), "g": rng.integers(0, 8, 150)})
    data["f"] = rng.choice(["a", "b", "c"], 150)
    data["y"] = np.maximum(data["x"] - 4, 0) + data["dose"] ** 2 + (data["f"] == "a") + rng.normal(size=150)
    formula = "y ~ pmax(x - 4, 0) + as.factor(dose) + I(f == 'a') + cut(x, c(0, 5, 10)) + (I(x > 5) | g)"
    return bg.GLMM(formula, data).fit(method="laplace", draws=200, random_seed=2)


def test_numbers_made_factors_are_compared_by_level(fit):
    table = bg.avg_comparisons(fit, "dose")
    assert list(table["contrast"]) == ["2 - 1", "3 - 1"]
    np.testing.assert_allclose(table["estimate"], [3, 8], atol=4 * table["sd"].max())
    with pytest.raises(PredictionError, match="'dose' is a factor in the model and has no slope"):
        bg.avg_slopes(fit, "dose")
    assert list(bg.grid(fit, dose=None)["dose"]) == [1, 2, 3]


def test_slopes_are_those_of_what_the_functions_make(fit):
    at = fit.model.design.frame.iloc[:1].assign(x=[7.5])
    slope = bg.slopes(fit, "x", newdata=at, random_effects="typical")["estimate"]
    kept = fit.posterior["beta"].sel(coef="pmax(x - 4, 0)").mean()
    np.testing.assert_allclose(slope, kept, rtol=1e-8)
    flat = bg.slopes(fit, "x", newdata=at.assign(x=2.0), random_effects="typical")["estimate"]
    np.testing.assert_allclose(flat, 0.0, atol=1e-10)


def test_saved_models_remember(fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    loaded = bg.load(tmp_path / "fit.nc")
    rows = fit.model.design.frame.iloc[[3]]
    assert loaded.model.design.coefs == fit.model.design.coefs
    pd.testing.assert_frame_equal(bg.predictions(loaded, rows), bg.predictions(fit, rows))
    copied = pickle.loads(pickle.dumps(fit.model.design))
    np.testing.assert_array_equal(copied.at(rows).X, fit.model.design.at(rows).X)


def test_the_documentation_names_every_function():
    page = (Path(bg.__file__).parents[1] / "docs" / "functions.md").read_text()
    rows = " ".join(line for line in page.splitlines() if line.startswith("|"))
    named = set(re.findall(r"[\w.]+", " ".join(re.findall(r"`([^`]+)`", rows))))
    assert FUNCTIONS.keys() <= named
    assert {f"contr.{name}" for name in CONTRASTS} <= named


DAYS = pd.date_range("2018-05-01", periods=len(DATA), freq="3D")


@pytest.mark.parametrize(
    "dates",
    [
        DAYS, DAYS + pd.Timedelta("13h"), DAYS.tz_localize("Europe/Berlin"), DAYS.to_period("D"), DAYS.date,
        DAYS.strftime("%Y-%m-%d"), DAYS.strftime("%Y/%m/%d"), DAYS.strftime("%Y-%m-%d").astype("category"),
    ],
    ids=["dates", "times", "zones", "periods", "objects", "text", "slashes", "categories"],
)  # fmt: skip
def test_dates_are_days(dates):
    data = DATA.assign(day=dates, spring=np.resize([2017, 2018], len(DATA)))
    design = build("I(as.numeric(as.Date(day) - as.Date(paste0(spring, '-05-01'))) / 3)", data, " + (as.Date(day) | g)")
    np.testing.assert_allclose(design.X[:, 1] * 3, np.arange(len(DATA)) * 3 + np.resize([365, 0], len(DATA)))
    later = design.at({"day": [dates[2], "2030-01-01"], "spring": [2018, 2018], "g": [0, 1]})
    np.testing.assert_allclose(later.X[:, 1] * 3, [6, 4263])
    np.testing.assert_allclose(later.groups[0].Z[1, 1], (pd.Timestamp("2030-01-01") - pd.Timestamp(0)).days)


def test_what_is_no_date_is_refused():
    data = DATA.assign(day=DAYS.strftime("%d.%m.%Y"), due=np.where(np.arange(len(DATA)) == 4, None, DAYS.astype("str")))
    with pytest.raises(DataError, match=r"'day' holds no date in rows 0, 1.*year-month-day.*format='%d.%m.%Y'"):
        build("as.Date(day)", data)
    with pytest.raises(DataError, match="as.Date.. holds no date.*'May'"):
        build("I(as.Date(due) > as.Date('May'))", data)
    with pytest.raises(DataError, match="'due' is a date within as.Date.. and a grouping factor"):
        build("as.Date(due) + (1 | due)", data)
    design = build("as.Date(due)", data)
    assert (design.dropped, design.reasons) == (1, {"due": 1})
    with pytest.raises(PredictionError, match="'due' holds no date in row 0"):
        design.at({"due": ["soon"]})
