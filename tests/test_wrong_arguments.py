"""What a newcomer hands to the wrong function: one error of the package, which says what was meant and what to do.

Each row: how it was asked for, and words of the answer. Wrong formulas and data: test_newcomer.py and tests/inputs.
"""

from __future__ import annotations

import inspect
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning, DataWarning, GLMMError, PredictionError
from bayes_glmm.report.pointers import ARGUMENTS_OF_FITS, ARGUMENTS_OF_MODELS

FUNCTIONS = [name for name in bg.__all__ if inspect.isfunction(getattr(bg, name))]
OF_A_FIT = [name for name in FUNCTIONS if next(iter(inspect.signature(getattr(bg, name)).parameters), "") == "fit"]
VARIABLES = {"comparisons", "avg_comparisons", "slopes", "avg_slopes"}
NAN = float("nan")


@pytest.fixture(scope="module")
def fit():
    """Counts over a spline, a flag and groups that are numbers; the Laplace approximation."""
    rng, rows = np.random.default_rng(2), 48
    data = pd.DataFrame({"x": rng.normal(size=rows), "f": np.resize(["a", "b", "c"], rows), "g": np.arange(rows) % 8})
    data["flag"], data["y"] = np.arange(rows) // 3 % 2 == 1, rng.poisson(2.0, rows)
    model = bg.GLMM("y ~ bs(x, df=4) + f + flag + x:flag + (1 | g)", data, family="poisson")
    return model.fit(method="laplace", draws=25, chains=2, random_seed=1, progressbar=False)


def called(name, first):
    return getattr(bg, name)(first, *(("x",) if name in VARIABLES else ()))


@pytest.mark.parametrize("name", [*OF_A_FIT, "hypotheses"])
def test_what_is_no_fit(name, fit):
    """Of every function that takes one, so that no new one forgets to look."""
    assert len(OF_A_FIT) >= 20
    wrong = [
        (None, "not None"),
        (fit.model.design.frame, "not a DataFrame"),
        (fit.model, "not a GLMM, which is not fitted yet: fit = model.fit"),
        (fit.model.fit, "not a method: call it"),
        ([fit], "not a list"),
        ("y ~ x", "not 'y ~ x'"),
    ]
    if name not in ("simulate_residuals", "predictive_check"):  # these take ArviZ's trees, too
        wrong.append((fit.dt, "not a DataTree: give the fit itself, not its draws"))
    for first, words in wrong:
        with pytest.raises(
            GLMMError, match=f"(must be a fit|takes a fit or draws), .*{words}|takes a fit or draws, {words}"
        ):
            called(name, first)


@pytest.mark.parametrize("name", ["sbc", "prior_predictive_check"])
def test_what_is_no_model(name, fit):
    for first, words in (
        (None, "not None"),
        (fit, "not a FittedGLMM: give fit.model"),
        (bg.GLMM, "not the class GLMM"),
    ):
        with pytest.raises(GLMMError, match=f"takes a model, .*{words}"):
            getattr(bg, name)(first)


PLOTS_OF_FITS = ["laplace_vs_nuts", "ppc", "prior_posterior", "trace"]


@pytest.mark.parametrize("name", PLOTS_OF_FITS)
def test_what_is_no_fit_to_draw(name, fit):
    second = [fit] if name == "laplace_vs_nuts" else []
    for first in (fit.model, None, fit.dt, [1], fit.summary()):
        with pytest.raises(GLMMError, match="The first argument must be a fit, as .* returns, not"):
            getattr(bg.plots, name)(first, *second)


@pytest.mark.parametrize("name", [name for name in bg.plots.__all__ if name not in PLOTS_OF_FITS])
def test_what_is_no_result_to_draw(name, fit):
    """Plots draw tables: a fit, None, a table of something else or one without rows is refused."""
    for first in (fit, fit.model, None, fit.dt, [1], fit.model.design.frame, pd.DataFrame(), fit.summary()):
        with pytest.raises(GLMMError, match="give the result of|the table has no|give {'conditional'|x= must name"):
            getattr(bg.plots, name)(first)


TABLE = pd.DataFrame({"x": [0.0, 1.0, 2.0], "estimate": 1.0, "lower": 0.0, "upper": 2.0})
DRAWING = [
    (lambda fit: bg.plots.predictions(fit, "x"), "table: give the result of bayes_glmm.predictions, not a FittedGLMM"),
    (lambda fit: bg.plots.predictions(TABLE.iloc[:0]), "table: the table has no rows"),
    (lambda fit: bg.plots.predictions(TABLE, "z"), "no column 'z'.*Is it the result of bayes_glmm.predictions"),
    (lambda fit: bg.plots.predictions(TABLE, TABLE["x"]), "table: a Series is no name of a column"),
    (lambda fit: bg.plots.predictions(TABLE, "x", data=fit, y="y"), "data: give a pandas DataFrame, not a FittedGLMM"),
    (lambda fit: bg.plots.predictions(TABLE, "x", data=TABLE, y=TABLE["x"]), "data: a Series is no name of a column"),
    (lambda fit: bg.plots.predictions(TABLE, "x", ax=Figure()), "one matplotlib Axes, .* not a Figure"),
    (lambda fit: bg.plots.conditional_marginal([TABLE, TABLE]), "give {'conditional': table, .*not a list"),
    (lambda fit: bg.plots.residuals(bg.simulate_residuals(fit, draws=20), fit), "result of bayes_glmm.check_residuals"),
    (
        lambda fit: bg.plots.residuals(bg.simulate_residuals(fit, draws=20), by=TABLE["x"]),
        "by= takes a name, .* not a Series",
    ),
]


@pytest.mark.parametrize(("call", "words"), DRAWING)
def test_wrong_arguments_of_plots(call, words, fit):
    with pytest.raises(GLMMError, match=words):
        call(fit)


ASKED = [
    # names, and lists of them
    (lambda fit: bg.predictions(fit, by=True), r"by= takes a name or a list of names, .* not True"),
    (lambda fit: bg.predictions(fit, by=[["f"]]), "by= takes a name or a list of names, .* not a list"),
    (lambda fit: bg.predictions(fit, by=fit.model.design.frame["f"]), "by= .* not a Series"),
    (lambda fit: bg.avg_predictions(fit, weights=np.ones(48)), "weights= takes a name, .* not a ndarray"),
    (lambda fit: bg.comparisons(fit, None), "variables= takes a name or a list of names, .* not None"),
    (lambda fit: bg.slopes(fit, {"x": 1}), "variables= takes a name or a list of names, .* not a dict"),
    (lambda fit: bg.loo(fit, ["g"]), "unit= takes a name, .* not a list"),
    (lambda fit: bg.kfold(fit, 2, group=fit.model.design.frame["g"]), "group= takes a name, .* not a Series"),
    (lambda fit: bg.kfold(fit, 2, stratify=3), "stratify= takes a name, .* not 3"),
    (lambda fit: bg.shrinkage(fit, 3), "group= takes a name, .* not 3"),
    (lambda fit: bg.predictive_check(fit, group=["f"]), "group= takes a name, .* not a list"),
    (lambda fit: bg.prior_sensitivity(fit, ["all"]), "by= takes a name, .* not a list"),
    (lambda fit: bg.predictions(fit, random_effects=["g"]), "random_effects= takes a name, not a list. Valid names"),
    # numbers
    (lambda fit: bg.predictions(fit, ci_prob="a"), "ci_prob= must lie between 0 and 1 .*, not 'a'"),
    (lambda fit: bg.icc(fit, ci_prob=95), "ci_prob= must lie between 0 and 1 .*, not 95"),
    (lambda fit: fit.summary(ci_prob=[0.5, 0.9]), "ci_prob= must lie between 0 and 1 .*, not a list"),
    (lambda fit: bg.predictions(fit, random_seed="a"), "random_seed= must be a whole number of at least 0, not 'a'"),
    (lambda fit: bg.predictions(fit, random_seed=-1), "random_seed= must be a whole number of at least 0, not -1"),
    (lambda fit: bg.loo(fit, "g", random_seed=1.5, refits=False), "random_seed= must be a whole number"),
    (lambda fit: bg.posterior_predictive(fit, draws="all"), "draws= must be a whole number of at least 1, not 'all'"),
    (lambda fit: bg.predictive_check(fit, draws=2.5), "draws= must be a whole number of at least 1, not 2.5"),
    (lambda fit: fit.model.sample_prior(draws="a"), "draws= must be a whole number of at least 1, not 'a'"),
    (lambda fit: bg.sbc(fit.model, "a"), "simulations= must be a whole number of at least 1, not 'a'"),
    (lambda fit: bg.kfold(fit, 2.5), "k= must be a whole number of at least 1, not 2.5"),
    (lambda fit: bg.kfold(fit, 2, client="x", progressbar=False), "client= takes a distributed.Client, not 'x'"),
    (lambda fit: bg.predictions(fit, rope=0.1), r"rope=0.1 is not \(low, high\)"),
    (lambda fit: bg.predictions(fit, rope=("a", "b")), r"rope=\('a', 'b'\) is not \(low, high\)"),
    (lambda fit: bg.sbc(fit.model, quantities=["y"]), "quantities= takes a dict from names to functions, not a list"),
    (lambda fit: bg.sbc(fit.model, quantities={"y": 3}), "quantities= takes a dict from names to functions"),
    # what is compared
    (lambda fit: bg.comparisons(fit, {"x": NAN}), "nan cannot be compared for 'x'"),
    (lambda fit: bg.comparisons(fit, {"f": ("a", None)}), "'f' cannot be compared at .*none missing"),
    (lambda fit: bg.comparisons(fit, {"x": [[0, 1], [1, 2]]}), "'x' cannot be compared at"),
    (lambda fit: bg.grid(fit, x=[NAN, 1.0]), "grid: 'x' takes single values, none of them missing"),
    (
        lambda fit: bg.comparisons(fit, "flag", comparison=lambda a, b: "x"),
        "gave something else than an array of numbers",
    ),
    (
        lambda fit: bg.comparisons(fit, "x"),
        "beyond its boundary knots, .*{'x': 'iqr'} rather than a step",
    ),
    (lambda fit: bg.grid(fit, {"x": [0, 1]}), r"takes columns by their names: grid\(fit, x="),
    # statements
    (lambda fit: bg.hypotheses(fit, "x:flag > f[b]"), "stand between backticks: '`x:flag` > `f.b.`'"),
    (lambda fit: bg.hypotheses(fit, "sd[g] - beta[flag] > 0"), "backticks: '`sd.g.` - `beta.flag.` > 0'"),
    (lambda fit: bg.hypotheses(fit, "flag[q] > 0"), "there is no 'flag.q.'. Did you mean 'flag'"),
    (lambda fit: bg.hypotheses(fit.summary(), "flag > 0"), "not a Summary: predictions.*draws='dataarray'"),
    # residuals
    (lambda fit: bg.check_residuals(fit), r"the result of simulate_residuals\(fit\), not a FittedGLMM"),
    (lambda fit: bg.simulate_residuals(fit, var_name="y"), "var_name= names the response of a DataTree"),
    (lambda fit: bg.predictive_check(fit, ["mean", "sd"]), "stat= takes a name or a function, not a list"),
    (lambda fit: bg.predictive_check(fit, lambda y: y), "must return one number .*, not a ndarray"),
    # other functions
    (lambda fit: bg.compare([fit, fit]), "a dict from names to models, not a list: compare.{'a': fit_a"),
    (lambda fit: bg.compare({"a": fit, "b": fit.dt}), "'b' is a DataTree: .*arviz.compare takes DataTrees"),
    (lambda fit: bg.compare({"a": fit, "b": fit}, method="stack"), "'stack' is not known. Did you mean 'stacking'"),
    (lambda fit: bg.load(None), "path must name a file, such as 'fit.nc', not None"),
    (lambda fit: fit.save(3), "path must name a file, such as 'fit.nc', not 3"),
    (lambda fit: bg.simulate(["steps"]), "no story named a list"),
    (lambda fit: bg.simulate("steps", random_seed="a"), "random_seed= must be a whole number"),
    # rows
    (lambda fit: bg.predictions(fit, "marginal"), "not 'marginal'; read a file first"),
    (lambda fit: bg.predictions(fit, fit.dt), "not xarray.DataTree: call .to_dataset"),
    (lambda fit: bg.predictions(fit, fit.model.design.frame.iloc[0]), "a pandas.Series, one column or row"),
]


@pytest.mark.parametrize(("call", "words"), ASKED)
def test_wrong_arguments(call, words, fit):
    with pytest.raises(GLMMError, match=words) as caught:
        call(fit)
    assert len(str(caught.value)) < 600


CHECKING = [
    ({"predictors": 3}, "predictors= takes a name or a list"),
    ({"time": ["x"]}, "time= takes a name"),
    ({"space": "x"}, "space= takes two columns"),
    ({"space": ("x", "f")}, "'f' holds object, no coordinates"),
    ({"alpha": 5}, "alpha= must lie between 0 and 1"),
]


@pytest.mark.parametrize(("arguments", "words"), CHECKING)
def test_wrong_arguments_of_tests_of_residuals(arguments, words, fit):
    with pytest.raises(GLMMError, match=words):
        bg.check_residuals(bg.simulate_residuals(fit, draws=20, random_seed=1), **arguments)


def test_names_of_the_table_of_priors_are_understood(fit):
    """`beta[flag]` is what the table of priors calls the coefficient of flag."""
    table = bg.hypotheses(fit, ["`beta[flag]` > 0", "flag > 0"])
    assert table["estimate"][0] == table["estimate"][1]


LEVELS = [
    ({"g": "3"}, r"were not in the data that were fitted: '3'.* Did you mean 3 \(int, not str\)"),
    ({"g": 99}, "fitted: 99.* or another random_effects. Valid values: 0, 1, 2"),
    ({"flag": "True"}, "'flag' held numbers in the data of the fit .*'True' is text: use .*== 'true'"),
    ({"f": 1}, "'f' has levels that the fit did not see: 1. Valid names: 'a', 'b', 'c'"),
]


@pytest.mark.parametrize(("change", "words"), LEVELS)
def test_levels_of_another_type(change, words, fit):
    with pytest.raises(GLMMError, match=words):
        bg.predictions(fit, {"x": 0.0, "f": "a", "g": 3, "flag": True, **change})


def test_a_level_of_a_grid_in_another_type(fit):
    with pytest.raises(GLMMError, match=r"no level 'True'. Did you mean True \(bool, not str\)"):
        bg.grid(fit, flag=["True"])


OF_OTHERS = {
    "predict": r"Use bg.predictions\(fit\), or bg.posterior_predictive",
    "plot": "Use bg.plots, which draws results.*arviz takes fit.dt",
    "waic": r"Use bg.loo\(fit\)",
    "idata": "Use fit.dt",
    "sumary": "Did you mean 'summary'",
    "predicted": r"Did you mean bg.predictions\(fit\)",
    "xyzzy": r"What is asked of a fit is a function, bg.<name>\(fit\)",
}


#: Functions that want names of variables beside the fit.
OF_VARIABLES = ("comparisons", "avg_comparisons", "slopes", "avg_slopes", "grid", "hypotheses")


@pytest.mark.parametrize("name", [*OF_OTHERS, *OF_A_FIT])
def test_attributes_of_other_packages_and_functions_point_to_what_there_is(name, fit):
    more = ", ..." if name in OF_VARIABLES else ""
    words = OF_OTHERS.get(name, rf"Use bg.{name}\(fit{more}\)")
    with pytest.raises(AttributeError, match=f"no attribute '{name}'. {words}"):
        getattr(fit, name)
    assert not hasattr(fit, name)


def test_attributes_of_a_model_that_is_not_fitted(fit):
    with pytest.raises(AttributeError, match=r"Use fit = model.fit\(\), then fit.summary\(\)"):
        _ = fit.model.summary
    with pytest.raises(AttributeError, match="Did you mean 'priors'"):
        _ = fit.model.priorss
    with pytest.raises(
        AttributeError, match=r"'bayes_glmm.plots' has no attribute 'energy'.*ArviZ's plots take fit.dt"
    ):
        _ = bg.plots.energy


@pytest.mark.parametrize("name", ARGUMENTS_OF_MODELS)
def test_arguments_of_other_packages_models(name, fit):
    with pytest.raises(GLMMError, match=f"GLMM has no argument '{name}': "):
        bg.GLMM("y ~ x", fit.model.design.frame, **{name: "x"})


@pytest.mark.parametrize("name", [*ARGUMENTS_OF_FITS, "drawss"])
def test_arguments_of_other_packages_fits(name, fit):
    with pytest.raises(GLMMError, match=f"fit has no argument '{name}': "):
        fit.model.fit(**{name: 1})


def test_the_family_may_stand_where_r_has_it(fit):
    assert bg.GLMM("y ~ x", fit.model.design.frame, "poisson").spec.family.name == "poisson"


def test_exposure_is_an_offset(fit):
    with pytest.raises(GLMMError, match=r"exposure\(\) cannot be used here: write offset\(log\(n\)\)"):
        bg.GLMM("y ~ x + exposure(x)", fit.model.design.frame)


def test_the_graph_without_graphviz(fit, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GLMMError, match="program 'dot' is not installed here: conda install"):
        fit.model.graph()


def test_warnings_point_at_the_line_that_led_to_them(fit, tmp_path):
    """Of models, fits and predictions: the file is this one, however deep in the package the warning was raised."""
    data = fit.model.design.frame.assign(x=lambda frame: frame["x"].where(frame.index > 0))
    rows = data.head(2)
    asked = {
        "rows were dropped": lambda: bg.GLMM("y ~ x", data),
        "numbers as text": lambda: bg.GLMM("y ~ t", data.assign(t=data["g"].astype(str))),
        "rows of newdata": lambda: bg.predictions(fit, rows),
        "Do not rely": lambda: bg.GLMM("y ~ flag", data).fit(draws=20, tune=20, chains=1, progressbar=False),
    }
    for words, ask in asked.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ask()
        (said,) = [warning for warning in caught if words in str(warning.message)]
        assert issubclass(said.category, DataWarning | ConvergenceWarning)
        assert said.filename == __file__


def test_an_index_called_as_a_column(fit):
    """`by` means the column."""
    rows = fit.model.design.frame.rename_axis("f")
    table = bg.avg_predictions(fit, rows, by="f")
    assert table["f"].tolist() == ["a", "b", "c"]


def test_levels_of_text_are_compared_in_the_order_of_the_model():
    data = pd.DataFrame({"y": np.random.default_rng(0).normal(size=30), "t": np.resize(["9", "10", "11"], 30)})
    model = bg.GLMM("y ~ C(t)", data)
    fit = model.fit(method="laplace", draws=25, chains=2, random_seed=1, progressbar=False)
    assert model.design.coefs == ("Intercept", "C(t)[10]", "C(t)[11]")
    assert bg.avg_comparisons(fit, "t")["contrast"].tolist() == ["10 - 9", "11 - 9"]
    assert bg.grid(fit, t=None)["t"].tolist() == ["9", "10", "11"]
    assert bg.avg_predictions(fit, by="t")["t"].tolist() == ["9", "10", "11"]


FROM_ELSEWHERE = [
    (lambda fit: bg.predictions(fit, dpar="sigma"), "predictions has no argument 'dpar': write scale='sigma', say"),
    (lambda fit: bg.avg_comparisons(fit, "x", conf_level=0.9), "'conf_level': write ci_prob=0.9, say"),
    (lambda fit: bg.posterior_predictive(fit, re_formula=None), "'re_formula': write random_effects='typical', say"),
    (lambda fit: bg.loo(fit, data=None), "loo has no argument 'data': Valid names: 'fit', 'unit'"),
    (lambda fit: bg.r2(fit, ci_probs=0.9), "r2 has no argument 'ci_probs': Did you mean 'ci_prob'"),
]


@pytest.mark.parametrize(("call", "message"), FROM_ELSEWHERE)
def test_arguments_of_other_packages_are_answered(call, message):
    with pytest.raises(PredictionError, match=re.escape(message)):
        call(None)
