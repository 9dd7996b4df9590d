"""Models side by side: the figures are the fits'."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def rows_of_markdown(table) -> dict[str, list[str]]:
    """Label -> cells; an interval's row has the label of the row above it."""
    found, label = {}, ""
    for line in table.to_markdown().split("\n"):
        if line.startswith("|"):
            first, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            label = first.replace("\\", "") or label
            found.setdefault(label, []).append(cells)
    return found


def test_figures_are_those_of_the_fits(sleepstudy_fit, cbpp_fit):
    table = bg.table({"sleep": sleepstudy_fit, "herds & co": cbpp_fit}, ci_prob=0.8)
    for name, fit in (("sleep", sleepstudy_fit), ("herds & co", cbpp_fit)):
        summary = fit.summary(ci_prob=0.8).set_index(["component", "group", "term"])
        mine = table[name].dropna(how="all")
        np.testing.assert_array_equal(mine.to_numpy(), summary.loc[mine.index, mine.columns].to_numpy(float))
        assert len(mine) == len(summary)
    shown = rows_of_markdown(table)
    days = sleepstudy_fit.posterior["beta"].sel(coef="Days")
    assert float(shown["Days"][0][0]) == pytest.approx(float(days.mean()), abs=0.05) and shown["Days"][0][1] == ""
    bounds = [float(text) for text in shown["Days"][1][0].strip("[]").split(", ")]
    np.testing.assert_allclose(bounds, days.quantile([0.1, 0.9]), atol=0.06)
    assert shown["rows"] == [["180", "56"]] and shown["levels of herd"] == [["", "15"]]
    assert shown["family"] == [["gaussian", "binomial"]] and shown["converged"] == [["yes", "yes"]]
    assert "mean [80% interval]" in shown


def test_order_is_by_component_and_by_first_sight(sleepstudy_fit, cbpp_fit):
    components = list(bg.table({"a": cbpp_fit, "b": sleepstudy_fit}).index.get_level_values("component"))
    assert components == ["fixed"] * 5 + ["sd"] * 3 + ["corr", "auxiliary"]


def test_ratios(cbpp_fit):
    table = bg.table({"a": cbpp_fit}, exponentiate=True)
    odds = np.exp(cbpp_fit.posterior["beta"].sel(coef="period[2]"))
    row = table["a"].loc[("fixed", "", "period[2]")]
    assert row["mean"] == pytest.approx(float(odds.mean())) and row["sd"] == pytest.approx(float(odds.std(ddof=1)))
    assert row["ci_lower"] == pytest.approx(float(odds.quantile(0.055)))
    assert table["a"].loc[("sd", "herd", "Intercept"), "mean"] == cbpp_fit.summary()["mean"].iloc[-1]
    assert "odds ratios of incidence" in repr(table)


def test_twelve_models_at_eighty_columns(cbpp_fit):
    name = "a model with a long name, its number being {} of 12 & more_of_it"
    table = bg.table({name.format(j): cbpp_fit for j in range(12)})
    text = repr(table)
    assert max(map(len, text.split("\n"))) <= 80
    assert text.count(rows_of_markdown(table)["Intercept"][1][0]) == 12
    assert table._repr_html_().count('scope="col"') == 13
    latex = table.to_latex()
    assert latex.count("more\\_of\\_it") == 12 and "\\begin{tabular}{l" + 12 * "r" + "}" in latex


def test_draws_that_did_not_converge_are_marked(cbpp_fit):
    tree = cbpp_fit.dt.copy()
    tree.attrs = {**tree.attrs, "interrupted": 1}
    laplace = cbpp_fit.dt.copy()
    laplace.attrs = {**laplace.attrs, "method": "laplace"}
    table = bg.table({"a": replace(cbpp_fit, dt=tree), "b": replace(cbpp_fit, dt=laplace), "c": cbpp_fit})
    assert rows_of_markdown(table)["converged"] == [["NO", "approximate", "yes"]]


def test_wrong_arguments_say_what_to_do(cbpp_fit, sleepstudy_fit):
    with pytest.raises(GLMMError, match=r"not a list: table\({'small'"):
        bg.table([cbpp_fit])
    with pytest.raises(GLMMError, match="at least one"):
        bg.table({})
    with pytest.raises(GLMMError, match="'a' is a GLMM, not a fit"):
        bg.table({"a": cbpp_fit.model})
    with pytest.raises(GLMMError, match="model 'b': exponentiate=True.*identity link"):
        bg.table({"a": cbpp_fit, "b": sleepstudy_fit}, exponentiate=True)


def test_smooths_of_categories_stand_beside_other_models(cbpp_fit):
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"y": rng.choice(list("ABC"), 96), "x": rng.normal(size=96), "g": np.arange(96) % 8})
    model = bg.GLMM("y ~ s(x, k=5) + (1 | g)", rows, family="categorical")
    fit = model.fit(method="laplace", draws=50, random_seed=1, progressbar=False)
    names = bg.table({"herds": cbpp_fit, "curves": fit}).loc["smooth"].index.get_level_values("term")
    assert list(names) == ["sd[muB_s(x)]", "sd[muC_s(x)]"]
    straight = ["muB_Intercept", "muB_x", "muC_Intercept", "muC_x"]
    assert list(bg.marginal_coefficients(fit).index) == straight
