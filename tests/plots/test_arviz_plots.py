"""ArviZ's plots on the package's panels show the fit's own draws; a second variable has colours or panels."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from bayes_glmm.inference.scalars import population_scalars
from bayes_glmm.plots.style import series_color


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def laplace(cbpp_fit):
    fit = cbpp_fit.model.fit(method="laplace", draws=400, chains=2, random_seed=2, progressbar=False)
    return fit.extend(["prior", "posterior_predictive"], prior_draws=400, random_seed=1)


def panels(figure):
    return {ax.get_title(): ax for ax in figure.axes if ax.get_visible()}


def test_traces_are_the_chains(cbpp_fit):
    scalars = population_scalars(cbpp_fit.posterior, cbpp_fit.model.design)
    drawn = panels(bg.plots.trace(cbpp_fit))
    assert set(drawn) == set(scalars)
    for name, ax in drawn.items():
        lines = [line for line in ax.lines if len(line.get_ydata()) == scalars.sizes["draw"]]
        assert [to_hex(line.get_color()) for line in lines] == [series_color(i).lower() for i in range(4)]
        for line, chain in zip(lines, scalars[name].to_numpy(), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), chain)


def test_divergences_are_marked(cbpp_fit):
    import dataclasses

    tree = cbpp_fit.dt.copy()
    stats_ = tree["sample_stats"].to_dataset()
    stats_["diverging"] = stats_["diverging"].copy(data=np.zeros(stats_["diverging"].shape, dtype=bool))
    stats_["diverging"][1, [5, 70]] = True
    tree["sample_stats"] = stats_
    figure = bg.plots.trace(dataclasses.replace(cbpp_fit, dt=tree), "sd_herd")
    (ax,) = panels(figure).values()
    marked = [points for points in ax.collections if len(points.get_offsets()) == 2]
    assert [sorted(points.get_offsets()[:, 0]) for points in marked] == [[5, 70]]


@pytest.mark.parametrize("kind", ["prior_posterior", "laplace_vs_nuts"])
def test_densities_are_those_of_the_draws(kind, laplace, cbpp_fit):
    first = {"prior_posterior": (laplace,), "laplace_vs_nuts": (laplace, cbpp_fit)}[kind]
    figure = getattr(bg.plots, kind)(*first, ["beta[period[2]]", "sd_herd"])
    assert list(panels(figure)) == ["beta[period[2]]", "sd_herd[Intercept]"]
    groups = {"posterior": (laplace, "posterior"), "prior": (laplace, "prior")}
    groups |= {"NUTS": (cbpp_fit, "posterior"), "Laplace approximation": (laplace, "posterior")}
    for name, ax in panels(figure).items():
        for line in ax.lines:
            fit, group = groups[line.get_label()]
            draws = population_scalars(fit.dt[group].to_dataset(), fit.model.design)[name].to_numpy().ravel()
            x, y = line.get_data()
            share = np.concatenate([[0], np.cumsum((y[1:] + y[:-1]) / 2 * np.diff(x))])
            assert share[-1] == pytest.approx(1, abs=0.02)
            median = np.interp(0.5, share, x)
            assert median == pytest.approx(np.median(draws), abs=0.08 * stats.iqr(draws) + 1e-9)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [line.get_label() for line in figure.axes[0].lines]


def test_the_figure_says_how_many_parameters_it_leaves_out():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {"f": [f"l{i:02}" for i in np.arange(60) % 20], "g": np.arange(60) % 7, "y": rng.poisson(2, 60)}
    )
    fit = bg.GLMM("y ~ f + (1 | g)", data, family="poisson").fit(
        method="laplace", draws=40, chains=2, random_seed=1, progressbar=False
    )
    figure = bg.plots.trace(fit)
    assert len(panels(figure)) == 12 and "12 of 21 parameters" in figure.get_supxlabel()
    figure = bg.plots.trace(fit, ["sd_g", "beta[f[l19]]"])
    assert list(panels(figure)) == ["sd_g[Intercept]", "beta[f[l19]]"] and "of 21" not in figure.get_supxlabel()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a, b: bg.plots.trace(b, "gamma"), "there is no 'gamma'. .*'sd_herd"),
        (lambda a, b: bg.plots.trace(b, []), "parameters: it names none"),
        (lambda a, b: bg.plots.prior_posterior(b), r'no draws of the prior yet; fit.extend\("prior"'),
        (lambda a, b: bg.plots.ppc(b), r'no predictive draws yet; fit.extend\("posterior_predictive"'),
        (lambda a, b: bg.plots.laplace_vs_nuts(b, a), "laplace: this fit is by NUTS"),
        (lambda a, b: bg.plots.laplace_vs_nuts(a, a), "nuts: this fit is an approximation"),
        (lambda a, b: bg.plots.ppc(a, "histogram"), "kind= names 'histogram'. .*'rootogram'"),
        (lambda a, b: bg.plots.ppc(a, "calibration"), "for responses 0 and 1"),
        (lambda a, b: bg.plots.ppc(a, "density"), "whole numbers have 'rootogram' or 'ecdf'"),
    ],
)
def test_wrong_questions_are_answered(call, words, laplace, cbpp_fit):
    with pytest.raises(GLMMError, match=words):
        call(laplace, cbpp_fit)


def test_fits_of_other_models_or_rows_are_not_compared(laplace, cbpp_fit, cbpp):
    other = bg.GLMM("p(incidence, size) ~ 1 + (1 | herd)", cbpp, family="binomial")
    fast = other.fit(method="laplace", draws=20, chains=1, random_seed=1, progressbar=False)
    with pytest.raises(GLMMError, match="of different models: .*period.* and|of different models: .* and .*period"):
        bg.plots.laplace_vs_nuts(fast, cbpp_fit)
    fewer = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", cbpp[:-1], family="binomial")
    fast = fewer.fit(method="laplace", draws=20, chains=1, random_seed=1, progressbar=False)
    with pytest.raises(GLMMError, match="of different data"):
        bg.plots.laplace_vs_nuts(fast, cbpp_fit)


def test_rootograms_count_the_responses(laplace, cbpp):
    ax = bg.plots.ppc(laplace)
    points = {dots.get_label(): np.asarray(dots.get_offsets()) for dots in ax.collections}
    counts = cbpp["incidence"].value_counts()
    for value, height in points["observed"]:
        assert height == pytest.approx(counts.get(value, 0))
    simulated = laplace.dt["posterior_predictive"]["incidence"].to_numpy().reshape(-1, len(cbpp))
    for value, height in next(xy for label, xy in points.items() if label.startswith("simulated")):
        each = (simulated == value).sum(axis=1)
        assert height == pytest.approx(each.mean(), abs=1.0)
    assert ax.get_xlabel() == "incidence"


def test_distributions_of_simulated_and_observed_responses(laplace, cbpp):
    ax = bg.plots.ppc(laplace, "ecdf")
    assert len(ax.lines) == 51 and ax.lines[0].get_label() == "simulated (50 data sets)"
    x, y = ax.lines[-1].get_data()
    for value in (0, 2, 5):
        share = (cbpp["incidence"] <= value).mean()
        assert np.max(y[x <= value + 0.1]) == pytest.approx(share, abs=0.02)


# a second variable ---------------------------------------------------------------------------------------------------


def curves(treat, shift):
    x = np.linspace(0, 1, 5)
    table = pd.DataFrame({"x": x, "treat": treat, "estimate": x + shift, "sd": 0.1})
    table = table.assign(lower=table["estimate"] - 0.1, upper=table["estimate"] + 0.1)
    return table


def test_colours_for_the_second_variable_and_dashes_for_the_story():
    table = pd.concat([curves("a", 0), curves("b", 1)], ignore_index=True)
    tables = {"typical": table, "marginal": table.assign(estimate=table["estimate"] / 2)}
    ax = bg.plots.conditional_marginal(tables, x="x", color="treat")
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines) == ["typical, a", "typical, b", "marginal, a", "marginal, b"]
    assert [to_hex(line.get_color()) for line in lines.values()] == [series_color(i).lower() for i in (0, 1, 0, 1)]
    assert [line.is_dashed() for line in lines.values()] == [False, False, True, True]
    np.testing.assert_array_equal(lines["marginal, b"].get_ydata(), curves("b", 1)["estimate"] / 2)
    figure = bg.plots.conditional_marginal(tables, x="x")  # without: a panel each
    assert list(panels(figure)) == ["treat a", "treat b"]


def test_what_colours_cannot_do():
    many = pd.concat([curves(f"t{i}", i) for i in range(7)], ignore_index=True)
    with pytest.raises(GLMMError, match="'treat' has 7 levels; 6 colours"):
        bg.plots.conditional_marginal({"typical": many}, x="x", color="treat")
    with pytest.raises(GLMMError, match="no column 'dose'"):
        bg.plots.conditional_marginal({"typical": many}, x="x", color="dose")
    with pytest.raises(GLMMError, match="color= is for curves over x="):
        bg.plots.conditional_marginal({"typical": many}, color="treat")
