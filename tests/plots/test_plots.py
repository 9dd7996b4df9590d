"""Plots draw what the tables say, and refuse tables they would misread."""

import arviz_base
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def effects(shift=0.0, labels=("b - a", "c - a"), **attrs):
    estimate = np.array([0.4, 0.7]) + shift
    table = pd.DataFrame({"term": "x", "contrast": labels, "estimate": estimate, "sd": 0.1})
    table = table.assign(lower=estimate - 0.2, upper=estimate + 0.2)
    table.attrs = {"ci_prob": 0.89, **attrs}
    return table


def plotted(ax):
    return {line.get_label(): line.get_xdata() for line in ax.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize(
    ("kind", "scale", "label"),
    [
        ("odds_ratio", "log", "Odds ratio of incidence"),
        ("difference", "linear", "Difference in probability of incidence"),
    ],
)
def test_two_stories(kind, scale, label):
    about = {"comparison": kind, "response": "incidence", "predicted": "probability of incidence"}
    tables = {"conditional": effects(**about), "marginal": effects(0.05, **about)}
    ax = bg.plots.conditional_marginal(tables)
    assert ax.get_xscale() == scale and ax.get_xlabel() == label and ax.get_ylabel() == "x"
    assert ax.get_legend().get_title().get_text() == "mean and 89% interval"
    for name, table in tables.items():
        np.testing.assert_array_equal(plotted(ax)[name], table["estimate"])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["b - a", "c - a"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["conditional", "marginal"]


def test_one_table_with_a_column_of_stories():
    table = pd.concat([effects().assign(random_effects=name) for name in ("typical", "marginal")])
    ax = bg.plots.conditional_marginal(table, comparison="ratio")
    assert ax.get_xscale() == "log" and set(plotted(ax)) == {"typical", "marginal"}


def test_negative_differences_stay_on_a_linear_axis():
    ax = bg.plots.conditional_marginal({"a": effects(-1), "b": effects(-1.1)})
    assert ax.get_xscale() == "linear"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "there is no table"),
        (effects(), "no column 'random_effects'"),
        ({"a": effects(), "b": effects(labels=("b - a", "d - a"))}, "other rows than the first"),
        ({"a": effects().drop(columns="lower")}, "no column 'lower'"),
    ],
)
def test_stories_that_do_not_fit_together_are_refused(tables, message):
    with pytest.raises(GLMMError, match=message):
        bg.plots.conditional_marginal(tables)


def predicted(**columns):
    table = pd.DataFrame(columns)
    estimate = np.linspace(1, 2, len(table))
    return table.assign(estimate=estimate, sd=0.1, lower=estimate - 0.2, upper=estimate + 0.2)


def test_numeric_columns_become_lines_in_order():
    ax = bg.plots.predictions(predicted(x=[3, 1, 2]))
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
    assert ax.get_xlabel() == "x" and ax.get_legend() is None


def test_categories_become_points_by_color():
    ax = bg.plots.predictions(predicted(x=list("aabb"), s=list("uvuv")), "x", "s")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]
    assert ax.get_legend().get_title().get_text() == "s"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((predicted(x=[1, 1, 2]), "x"), "several rows share one value of x"),
        ((predicted(x=[1, 2], z=[1, 2]),), "x= must name a column"),
        ((predicted(x=[1, 2]), "xx"), "no column 'xx'"),
    ],
)
def test_predictions_that_cannot_be_drawn_are_refused(arguments, message):
    with pytest.raises(GLMMError, match=message):
        bg.plots.predictions(*arguments)


def test_colours_are_never_all_that_differs():
    groups = [f"g{i}" for i in range(14)]
    table = pd.concat([predicted(x=np.arange(9.0)).assign(g=g) for g in groups], ignore_index=True)
    lines = bg.plots.predictions(table, "x", "g").lines
    assert len({(line.get_linestyle(), line._unscaled_dash_pattern, line.get_marker()) for line in lines}) == 14
    points = bg.plots.predictions(table.assign(x=table["x"].astype(str)), "x", "g").lines
    assert len({(line.get_color(), line.get_marker()) for line in points}) == 14
    assert len({line.get_marker() for line in points[:6]}) == 6


def test_predictions_of_categories_are_coloured_by_category():
    table = predicted(x=[1, 1, 2, 2], category=list("abab"))
    assert bg.plots.predictions(table, "x").get_legend().get_title().get_text() == "category"
    alone = bg.plots.predictions(predicted(category=list("ab")))
    assert alone.get_xlabel() == "category" and alone.get_legend() is None
    with pytest.raises(GLMMError, match="no column to draw along"):
        bg.plots.predictions(predicted(category=list("ab")).drop(columns="category"))
    assert bg.plots.predictions(table).get_xlabel() == "x"


def test_level_effects_are_sorted(sleepstudy_fit):
    table = bg.random_effects(sleepstudy_fit)
    figure = bg.plots.random_effects(table)
    assert [ax.get_title() for ax in figure.axes] == ["Intercept", "Days"]
    for ax in figure.axes:
        means = ax.lines[1].get_xdata()
        assert len(means) == 18 and np.all(np.diff(means) >= 0)
    assert figure.get_supxlabel() == "departure from the population, unit of Reaction\nmean and 89% interval"
    with pytest.raises(GLMMError, match="Did you mean 'Subject'"):
        bg.plots.random_effects(table, "subject")


def test_many_levels_have_no_labels():
    table = pd.DataFrame({"group": "g", "level": range(300), "term": "Intercept", "estimate": np.arange(300.0)})
    figure = bg.plots.random_effects(table.assign(lower=table["estimate"] - 1, upper=table["estimate"] + 1))
    assert list(figure.axes[0].get_yticks()) == []


# curves of both stories ---------------------------------------------------------------------------------------------


def curves(shift=0.0, groups=1):
    x = np.linspace(0, 1, 5)
    parts = [predicted(x=x).assign(g=f"g{i}") for i in range(groups)]
    table = pd.concat([part.assign(estimate=part["estimate"] + shift) for part in parts], ignore_index=True)
    table.attrs = {"ci_prob": 0.89, "random_effects": "x", "predicted": "probability of y"}
    return table if groups > 1 else table.drop(columns="g")


@pytest.mark.parametrize("groups", [1, 4])
def test_categories_have_a_panel_each_with_bands(groups):
    def categories(count):
        parts = [curves(i, count).assign(category=c) for i, c in enumerate(("poor", "fair", "good"))]
        return pd.concat(parts, ignore_index=True)

    stories = {"each": categories(groups), "typical": categories(1)}
    figure = bg.plots.conditional_marginal(stories, x="x")
    assert [ax.get_title() for ax in figure.axes] == ["poor", "fair", "good"]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1 and figure.axes[0].get_ylim()[0] == 0
    assert all(len(ax.collections) == (1 if groups > 1 else 2) for ax in figure.axes)  # a band for each thick curve
    assert [text.get_text() for text in figure.legends[0].get_texts()] == (
        ["each (4 means)", "typical"] if groups > 1 else ["each", "typical"]
    )
    with pytest.raises(GLMMError, match="a panel for each category"):
        bg.plots.conditional_marginal(stories, x="x", ax=plt.subplots()[1])
    with pytest.raises(GLMMError, match="other values of.* category"):
        bg.plots.conditional_marginal({"a": stories["each"], "b": stories["each"].query("category != 'fair'")}, x="x")
    fair = {name: table[table["category"] == "fair"] for name, table in stories.items()}
    assert isinstance(bg.plots.conditional_marginal(fair, x="x", ax=plt.subplots()[1]), plt.Axes)


def test_keys_of_curves_are_long_and_opaque():
    stories = {"each": curves(groups=60), "typical": curves(), "all": curves(0.1)}
    thin, solid, dashed = bg.plots.conditional_marginal(stories, x="x").get_legend().legend_handles
    assert {key.get_alpha() for key in (thin, solid, dashed)} == {1}
    length = dashed.get_xdata()[-1] - dashed.get_xdata()[0]
    on, off = dashed._dash_pattern[1]  # in points
    assert length >= 3 * on + 2 * off - 0.5


def test_thin_curves_a_group_thick_ones_for_the_typical_and_the_average():
    stories = {"each herd": curves(groups=7), "typical herd": curves(), "all herds": curves(0.1)}
    ax = bg.plots.conditional_marginal(stories, x="x")
    widths = sorted(line.get_linewidth() for line in ax.lines)
    assert len(ax.lines) == 9 and widths[6] < 1 < 2 < widths[7]
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["each herd (7 means)", "typical herd", "all herds"]
    assert len(ax.collections) == 2  # bands of the thick ones
    assert ax.get_xlabel() == "x" and ax.get_ylabel() == "Probability of y"
    assert ax.get_legend().get_title().get_text() == "mean and 89% band"
    # told apart without colour, too
    assert len({line.get_linestyle() for line in ax.lines if line.get_linewidth() > 2}) == 2


@pytest.mark.parametrize(
    ("stories", "message"),
    [
        ({"a": curves()}, "no column 'z'"),
        ({"a": curves().assign(z=list("vwxyz"))}, "is no number"),
        ({"a": pd.concat([curves(), curves()]).assign(z=1.0)}, "nothing tells them apart"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(stories, message):
    with pytest.raises(GLMMError, match=message):
        bg.plots.conditional_marginal(stories, x="z")


# shrinkage and variance ---------------------------------------------------------------------------------------------


def test_shrinkage_draws_every_level_and_says_what_is_missing(sleepstudy_fit):
    table = bg.shrinkage(sleepstudy_fit)
    table.loc[0, "no_pooling"] = np.nan
    figure = bg.plots.shrinkage(table)
    assert [ax.get_title() for ax in figure.axes] == ["Intercept", "Days"]
    own, model = (
        {line.get_label(): line for line in figure.axes[0].lines}[n] for n in ("no pooling", "partial pooling")
    )
    assert np.isnan(own.get_xdata()).sum() == 1 and len(model.get_xdata()) == 18
    assert "1 without a finite estimate of its own" in figure.axes[0].get_xlabel()
    assert "without" not in figure.axes[1].get_xlabel()
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "partial pooling, 89% interval" in told
    assert figure.get_supxlabel() == "coefficient, unit of Reaction"
    with pytest.raises(GLMMError, match="one grouping factor at a time"):
        bg.plots.shrinkage(pd.concat([table, table.assign(group="other")]))


def test_variance_components_are_shares(cbpp_fit):
    table = bg.variance_components(cbpp_fit)
    ax = bg.plots.variance_components(table)
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], 100 * table["share"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fixed", "herd", "residual"]
    assert "latent scale" in ax.get_xlabel()


def test_what_factors_explain_together_is_grey_and_said_in_words(cbpp_fit):
    table = bg.variance_components(cbpp_fit)
    together = table.iloc[[1]].assign(group="(together)")
    ax = bg.plots.variance_components(pd.concat([table, together], ignore_index=True))
    *_, factor, _, grey = [bar.get_facecolor()[:3] for bar in ax.patches]
    assert len(set(grey)) == 1 and grey != factor
    assert ax.get_yticklabels()[-1].get_text() == "all factors together, beyond each\nalone"


# residuals ----------------------------------------------------------------------------------------------------------


def simulated(**columns):
    values = np.random.default_rng(1).normal(size=(2, 50, 120))
    tree = arviz_base.from_dict({"observed_data": {"y": values[0, 0]}, "posterior_predictive": {"y": values}})
    return bg.simulate_residuals(tree, random_seed=1, data=pd.DataFrame(columns) if columns else None)


def test_residuals_without_columns_have_three_panels():
    figure = bg.plots.residuals(simulated())
    assert [ax.axison for ax in figure.axes] == [True, True, True, False]


def test_many_groups_are_drawn_in_the_order_of_their_medians():
    dataset = simulated(g=np.resize([f"g{i:02}" for i in range(61)], 120))
    ax = bg.plots.residuals(dataset, by="g").axes[3]
    middles = ax.lines[-1].get_ydata()
    assert len(middles) == 61 and np.all(np.diff(middles) >= 0)
    assert not ax.get_xticklabels() and ax.get_xlabel() == "g (61 levels)"


def test_residuals_need_what_simulate_residuals_gives():
    dataset = simulated(g=np.resize(["a", "b"], 120))
    with pytest.raises(GLMMError, match="no 'predicted'; give the result of bayes_glmm.simulate_residuals"):
        bg.plots.residuals(dataset.drop_vars("predicted"))
    with pytest.raises(GLMMError, match="no column 'h'"):
        bg.plots.residuals(dataset, by="h")
