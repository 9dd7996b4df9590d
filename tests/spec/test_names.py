"""Names of columns: as people have them, in every place a name can have, and never with backticks where people read."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.design.design import build_design
from bayes_glmm.errors import DataError, DataWarning, FormulaError
from bayes_glmm.spec.formula import parse_formula
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.names import name_columns, spell_dots, spelled

#: Names that need no backticks where the data have them.
BARE = (
    "yield", "class", "lambda", "in", "is", "not", "if", "total.fruits", "RT..s.", "Jitter...", ".x", "I", "C", "Q",
    "log", "scale", "p", "weighted", "offset", "factor", "mean", "eval", "np", "pi", "T", "Inf", "TRUE",
    "dose[mg]", "mass(kg)", "15N", "50%", "x__y", "log(x)", "x.__class__", "größe", "_x",
)  # fmt: skip
#: Names that hold blanks or operators, or are numbers.
TICKED = ("body mass", "a-b", "a/b", "x|y", "gender,girl=1", "Vote = 1", "2015", "1e5", "contr.sum")


def written(name):
    return name if name in BARE else f"`{name}`"


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    x, f, g = rng.uniform(1, 3, 48), np.resize(list("abc"), 48), np.repeat(list("uvwx"), 12)
    return pd.DataFrame({"yy": x + rng.normal(5, 1, 48), "XX": x, "FF": f, "GG": g, "WW": rng.uniform(1, 2, 48)})


FORMULAS = (
    ("XX", "yy ~ {} + {}:FF + log({}) + I({}^2) + poly({}, 2, raw=TRUE) + ({} | GG) + offset({})"),
    ("FF", "yy ~ XX*{} + C({}, contr.sum) + relevel({}, ref='b')"),
    ("yy", "log10({} + 1) ~ XX"),
    ("yy", "{} ~ XX"),
    ("WW", "weighted(yy, {}) ~ XX"),
    ("WW", "yy | weights({}) ~ XX"),
)


def design_of(formula, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return build_design(ModelSpec.build(formula, columns=data.columns), data)


@pytest.fixture(scope="module")
def plain(frame):
    return [design_of(formula.replace("{}", column), frame) for column, formula in FORMULAS]


@pytest.mark.parametrize("name", [*BARE, *TICKED])
def test_a_column_of_exactly_that_name_is_meant(name, frame, plain):
    renamed = {column: frame.rename(columns={column: name}) for column in ("XX", "FF", "yy", "WW")}
    for (column, formula), expected in zip(FORMULAS, plain, strict=True):
        design = design_of(formula.replace("{}", written(name)), renamed[column])
        np.testing.assert_array_equal(design.X, expected.X)
        np.testing.assert_array_equal(design.response.y, expected.response.y)
        np.testing.assert_array_equal(design.at(renamed[column].head(5)).X, expected.X[:5])
        assert list(design.coefs) == [coef.replace(column, name) for coef in expected.coefs]
    if "/" not in name:
        groups = design_of(f"yy ~ XX + (XX | {written(name)})", frame.rename(columns={"GG": name})).groups
        assert (groups[0].columns, groups[0].levels) == ((name,), ("u", "v", "w", "x"))


def test_names_with_operators_need_backticks(frame):
    with pytest.raises(DataError, match="no columns 'a', 'b'"):
        bg.GLMM("yy ~ a - 1 + b", frame.rename(columns={"XX": "a-b"}))
    with pytest.raises(FormulaError, match="Cannot read"):
        bg.GLMM("yy ~ body mass", frame.rename(columns={"XX": "body mass"}))
    with pytest.raises(FormulaError, match=r"between backticks: write \(XX \| `Patient no.`\) for"):
        bg.GLMM("yy ~ XX + (XX | Patient no.)", frame.rename(columns={"GG": "Patient no."}))


def test_without_such_a_column_functions_and_constants_are_meant(frame):
    coefs = bg.GLMM("yy ~ log(XX) + sin(2 * pi * XX)", frame).design.coefs
    assert coefs == ("Intercept", "log(XX)", "sin(2 * pi * XX)")
    with pytest.raises(FormulaError, match="'mass'"):
        bg.GLMM("yy ~ mass(XX)", frame)


ALL = [
    ("y ~ .", "y ~ (x + `body mass` + g)"),
    ("y ~ . - g", "y ~ (x + `body mass` + g) - g"),
    ("y ~ x*. + (1 | g)", "y ~ x*(x + `body mass`) + (1 | g)"),
    ("y ~ .^2", "y ~ (x + `body mass` + g)^2"),
    ("log(y) ~ . + (x | g)", "log(y) ~ (x + `body mass`) + (x | g)"),
    ("p(y, x) ~ `body mass`:. ", "p(y, x) ~ `body mass`:(`body mass` + g) "),
    ("y ~ x.1 + 0.5", "y ~ x.1 + 0.5"),
]


@pytest.mark.parametrize(("text", "expected"), ALL)
def test_a_dot_is_all_other_columns(text, expected):
    assert spell_dots(text, ["y", "x", "body mass", "g"]) == expected


@pytest.mark.parametrize(
    ("text", "columns", "others"),
    [
        ("p(k, n) ~ .", ["k", "n", "p", "x"], "p + x"),
        ("log(y) ~ .", ["y", "log", "x"], "log + x"),
        ("y ~ . + (1 | factor(g))", ["y", "g", "factor"], "factor"),
        ("y ~ . + I(a == 1 | b == 2)", ["y", "a", "b"], "a + b"),
        ("y | weights(w) ~ . + I(x^2)", ["y", "w", "weights", "x"], "weights + x"),
        ("I(!y) ~ .", ["y", "x"], "x"),
        ("y ~ . + (1 | interaction(g, h))", ["y", "g", "h", "x"], "x"),
    ],
)
def test_a_dot_leaves_out_columns_not_functions(text, columns, others):
    assert spell_dots(text, columns) == text.replace(".", f"({others})", 1)


def test_dots_in_models(frame):
    spelt_out = bg.GLMM("yy ~ (XX + FF + WW)^2 + (1 | GG)", frame).design.coefs
    assert bg.GLMM("yy ~ .^2 + (1 | GG)", frame).design.coefs == spelt_out
    assert bg.GLMM("yy ~ XX*.", frame[["yy", "XX", "WW"]]).design.coefs == ("Intercept", "XX", "WW", "XX:WW")
    with pytest.raises(FormulaError, match="there are none"):
        bg.GLMM("yy ~ .", frame[["yy"]])


def test_a_formula_says_the_same_without_the_data():
    columns = ["dose[mg]", "pi", "x__y", "15N"]
    formula = parse_formula("15N ~ log(dose[mg]) + pi * x__y + .", columns)
    assert parse_formula(formula.text) == formula
    assert formula.variables == ("15N", "dose[mg]", "pi", "x__y")
    assert name_columns("y ~ poly(x, 2, raw=TRUE) + TRUE", ["TRUE"]) == "y ~ poly(x, 2, raw=TRUE) + `TRUE`"
    assert name_columns("y ~ 'dose[mg]' + `dose[mg]` + dose[mg]s", columns) == "y ~ 'dose[mg]' + `dose[mg]` + dose[mg]s"
    assert [spelled(name) for name in ("x", "a.b", "a b", "pi")] == ["x", "a.b", "`a b`", "`pi`"]


def texts(figure):
    figure = getattr(figure, "figure", figure)
    drawn = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return " ".join(artist.get_text() for artist in drawn)


def test_backticks_are_syntax_and_no_part_of_a_name(frame, tmp_path):
    names = {"yy": "log yield", "XX": "dose[mg]", "FF": "a b", "GG": "the herd", "WW": "w 1"}
    data = frame.rename(columns=names)
    model = bg.GLMM("precision(exp(`log yield` / 9), `w 1`) ~ dose[mg]*`a b` + (dose[mg] | `the herd`)", data)
    fit = model.fit(method="laplace", random_seed=1, progressbar=False)
    said = [
        model.equation(), model.priors.to_string(), fit.summary(random_effects=True).to_string(),
        *fit.dt["observed_data"].data_vars, str(bg.avg_predictions(fit, by="a b")), str(bg.avg_slopes(fit, "dose[mg]")),
        str(bg.posterior_predictive(fit, random_seed=1)), bg.random_effects(fit).to_string(),
        texts(bg.plots.predictions(bg.avg_predictions(fit, by="a b"))),
        texts(bg.plots.residuals(bg.simulate_residuals(fit, random_seed=1))),
        texts(bg.plots.random_effects(bg.random_effects(fit))),
        texts(bg.plots.predictive_check(bg.predictive_check(fit, random_seed=1))),
    ]  # fmt: skip
    plt.close("all")
    assert [text for text in said if "`" in text] == []
    assert list(fit.dt["observed_data"].data_vars) == ["response"]  # a name without the slash
    assert bg.load(fit.save(tmp_path / "fit.nc")).model.design.coefs == model.design.coefs
