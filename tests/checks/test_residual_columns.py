"""Columns that a model does not use: lined up with the rows it does, or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.added_columns import frame_with

pytestmark = pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    site = np.repeat(np.arange(12), 10)
    frame = pd.DataFrame(
        {"x": rng.normal(size=120), "site": np.char.add("s", site.astype(str)), "age": rng.normal(size=120)}
    )
    frame["y"] = frame["x"] + rng.normal(size=12)[site] + 0.5 * rng.normal(size=120)
    frame.loc[[3, 50], "x"] = np.nan
    return frame


@pytest.fixture(scope="module")
def fit(table):
    with pytest.warns(bg.errors.DataWarning, match="2 of 120 rows were dropped"):
        model = bg.GLMM("y ~ x", table)
    return model.fit(draws=250, tune=300, random_seed=1, progressbar=False)


def test_columns_come_by_data_and_rows_that_were_dropped_go(fit, table):
    kept = table.dropna(subset="x")
    whole, part = (bg.simulate_residuals(fit, data=each, random_seed=1) for each in (table, kept))
    np.testing.assert_array_equal(whole["age"], kept["age"])
    assert whole.attrs["predictors"] == ["x"] and whole.attrs["groups"] == []
    checked, again = (bg.check_residuals(each, groups="site") for each in (whole, part))
    pd.testing.assert_frame_equal(checked, again)
    assert checked.loc["site", "p_value"] < 1e-6  # the groups are missing in the model
    only = bg.simulate_residuals(fit, data=kept[["age"]].to_dict("list"), random_seed=1)
    np.testing.assert_array_equal(only["age"], kept["age"])
    drawn = bg.predictive_check(fit, "mean", "site", data=table, random_seed=1)
    assert len(drawn) == 12 and (drawn["p_value"] < 0.01).any()
    assert len(bg.prior_predictive_check(fit.model, "mean", "site", data=table, draws=50, random_seed=1)) == 12


def test_rows_that_miss_a_column_are_left_out_of_its_test(fit, table):
    holes = table.dropna(subset="x").assign(site=lambda d: d["site"].where(d["age"] > 0, None))
    residuals = bg.simulate_residuals(fit, data=holes.assign(age=holes["age"].where(holes["age"] > 0)), random_seed=1)
    checked = bg.check_residuals(residuals, predictors="age", groups="site")
    missing = int((holes["age"] <= 0).sum())
    assert f"age is missing in {missing} rows" in checked.loc["age", "verdict"]
    assert f"site is missing in {missing} rows" in checked.loc["site", "verdict"]
    there = residuals["age"].notnull().to_numpy()
    alone = bg.check_residuals(residuals.isel(obs=there), predictors="age", groups="site")
    np.testing.assert_allclose(checked.loc[["age", "site"], "p_value"], alone.loc[["age", "site"], "p_value"])


def test_columns_are_found_by_their_own_names_whatever_the_dataset_calls_its_parts(fit, table):
    named = table.assign(lower=table["site"], lower_data=table["age"], sample=table["site"])
    residuals = bg.simulate_residuals(fit, data=named, random_seed=1)
    checked = bg.check_residuals(residuals, predictors="lower_data", groups=["lower", "sample", "site"])
    numbers = ["statistic", "p_value"]
    assert checked.loc["lower", numbers].equals(checked.loc["sample", numbers])
    assert (
        checked.loc["lower", "p_value"] == checked.loc["site", "p_value"] < 1e-6 < checked.loc["lower_data", "p_value"]
    )
    one, other = (bg.predictive_check(fit, group=name, data=named, random_seed=1) for name in ("lower", "site"))
    assert list(one.columns[:2]) == ["lower_data", "stat"] and list(other.columns[:2]) == ["site", "stat"]
    np.testing.assert_array_equal(one["observed"], other["observed"])
    added = residuals.assign_coords(more=("obs", residuals["site"].to_numpy()))
    assert bg.check_residuals(added, groups="more").loc["more", "p_value"] == checked.loc["site", "p_value"]


def test_effects_of_single_rows_are_named_where_they_hide_what_is_wrong(table):
    counts = table.assign(y=np.random.default_rng(2).poisson(2, 120), row=np.arange(120).astype(str)).dropna()
    for bars, named in (("(1 | site)", None), ("(1 | row)", "row"), ("(1 | site:age)", "site:age")):
        model = bg.GLMM(f"y ~ x + {bars}", counts.assign(age=np.arange(118)), family="poisson")
        fit = model.fit(method="laplace", draws=50, random_seed=1, progressbar=False)
        for mode in ("conditional", "new"):
            verdict = bg.check_residuals(bg.simulate_residuals(fit, mode, random_seed=1)).loc["dispersion", "verdict"]
            said = f"Effects of {named} fit single rows: only random_effects='new' shows" in verdict
            assert said == (mode == "conditional" and named is not None)


def test_rows_that_cannot_be_lined_up_are_refused(fit, table):
    design, kept = fit.model.design, table.dropna(subset="x")
    with pytest.raises(PredictionError, match="data has 100 rows; the fit used 118 and dropped 2"):
        frame_with(design, table.iloc[:100])
    with pytest.raises(PredictionError, match="'x' is not in data"):
        frame_with(design, table[["y", "age"]])
    with pytest.raises(PredictionError, match="120 rows without missing values"):
        frame_with(design, table.fillna({"x": 0.0}))
    with pytest.raises(PredictionError, match="another order"):
        frame_with(design, kept[["age"]].iloc[::-1])
    with pytest.raises(PredictionError, match="the column 'y' is not that of the fit: .* first in row 0"):
        frame_with(design, kept.iloc[::-1].reset_index(drop=True)[["y", "age"]])
    with pytest.raises(PredictionError, match="come with data="):
        bg.check_residuals(bg.simulate_residuals(fit, random_seed=1), groups="site")
    assert frame_with(design, None) is design.frame
