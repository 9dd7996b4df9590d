"""Plots draw what the tables say, and refuse tables they would misread."""

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
        ("odds_ratio", "log", "Odds ratio of x (mean and 89% interval)"),
        ("difference", "linear", "Difference of x (mean and 89% interval)"),
    ],
)
def test_two_stories(kind, scale, label):
    tables = {"conditional": effects(comparison=kind), "marginal": effects(0.05, comparison=kind)}
    ax = bg.plots.conditional_marginal(tables)
    assert ax.get_xscale() == scale and ax.get_xlabel() == label
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


def test_level_effects_are_sorted(sleepstudy_fit):
    table = bg.random_effects(sleepstudy_fit)
    figure = bg.plots.random_effects(table)
    assert [ax.get_title() for ax in figure.axes] == ["Intercept", "Days"]
    for ax in figure.axes:
        means = ax.lines[1].get_xdata()
        assert len(means) == 18 and np.all(np.diff(means) >= 0)
    with pytest.raises(GLMMError, match="Did you mean 'Subject'"):
        bg.plots.random_effects(table, "subject")


def test_many_levels_have_no_labels():
    table = pd.DataFrame({"group": "g", "level": range(300), "term": "Intercept", "mean": np.arange(300.0)})
    figure = bg.plots.random_effects(table.assign(ci_lower=table["mean"] - 1, ci_upper=table["mean"] + 1))
    assert list(figure.axes[0].get_yticks()) == []


# curves of both stories ---------------------------------------------------------------------------------------------


def curves(shift=0.0, groups=1):
    x = np.linspace(0, 1, 5)
    parts = [predicted(x=x).assign(g=f"g{i}") for i in range(groups)]
    table = pd.concat([part.assign(estimate=part["estimate"] + shift) for part in parts], ignore_index=True)
    table.attrs = {"ci_prob": 0.89, "random_effects": "x"}
    return table if groups > 1 else table.drop(columns="g")


def test_thin_curves_a_group_thick_ones_for_the_typical_and_the_average():
    stories = {"each herd": curves(groups=7), "typical herd": curves(), "all herds": curves(0.1)}
    ax = bg.plots.conditional_marginal(stories, x="x")
    widths = sorted(line.get_linewidth() for line in ax.lines)
    assert len(ax.lines) == 9 and widths[6] < 1 < 2 < widths[7]
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["each herd (7)", "typical herd", "all herds"]
    assert len(ax.collections) == 2  # bands of the thick ones
    assert ax.get_xlabel() == "x" and ax.get_ylabel() == "Prediction (mean, 89% band)"
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


def test_observations_lie_behind_predictions():
    data = pd.DataFrame({"x": [1, 2, 2], "y": [0.5, 1.0, 3.0], "s": ["u", "v", "v"]})
    ax = bg.plots.predictions(predicted(x=[1, 2, 3]), data=data, y="y")
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), data[["x", "y"]])
    ax = bg.plots.predictions(
        predicted(x=list("aabb"), s=list("uvuv")), "x", "s", data=data.assign(x=["a", "b", "c"]), y="y"
    )
    assert len(ax.collections[0].get_offsets()) == 2  # no level c in the table
    with pytest.raises(GLMMError, match="belong together"):
        bg.plots.predictions(predicted(x=[1, 2]), data=data)
    with pytest.raises(GLMMError, match="no column 'yy'"):
        bg.plots.predictions(predicted(x=[1, 2]), data=data, y="yy")


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
    with pytest.raises(GLMMError, match="one grouping factor at a time"):
        bg.plots.shrinkage(pd.concat([table, table.assign(group="other")]))


def test_variance_components_are_shares(cbpp_fit):
    table = bg.variance_components(cbpp_fit)
    ax = bg.plots.variance_components(table)
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], 100 * table["share"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fixed", "herd", "residual"]
    assert "latent scale" in ax.get_xlabel()


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_text_and_series_are_readable_on_the_background(style):
    from matplotlib.colors import to_rgb

    def luminance(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    def contrast(one, other):
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    with plt.style.context(style):
        ax = bg.plots.conditional_marginal({"typical herd": curves(), "all herds": curves(0.1)}, x="x")
        ground = ax.get_facecolor()[:3]
        # WCAG 2: 4.5 for text, 3 for graphics
        assert contrast(ax.xaxis.label.get_color(), ground) > 4.5
        assert all(contrast(line.get_color(), ground) > 3 for line in ax.lines)
