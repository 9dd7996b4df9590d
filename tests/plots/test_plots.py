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
