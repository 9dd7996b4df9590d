"""Predictive checks: statistics by name and function, by group, against the draws they come from."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.checks.predictive import STATISTICS
from bayes_glmm.errors import PredictionError


@pytest.mark.parametrize("stat", STATISTICS)
def test_statistics_are_those_of_the_draws(cbpp_fit, cbpp, stat):
    table = bg.predictive_check(cbpp_fit, stat, draws=400, random_seed=3, ci_prob=0.9)
    y = bg.posterior_predictive(cbpp_fit, draws=100, random_seed=3)["posterior_predictive"]["incidence"].to_numpy()
    theirs = STATISTICS[stat](y.reshape(-1, 56))
    ours = STATISTICS[stat](cbpp["incidence"].to_numpy(dtype=float)[None])[0]
    row = table.iloc[0]
    assert row["observed"] == ours and row["rows"] == 56
    assert row["mean"] == pytest.approx(theirs.mean())
    assert (row["lower"], row["upper"]) == pytest.approx(tuple(np.quantile(theirs, [0.05, 0.95])))
    assert row["p_value"] == pytest.approx((theirs > ours).mean() + 0.5 * (theirs == ours).mean())
    assert 0.005 < row["p_value"] < 0.995


def test_by_group_and_by_function(cbpp_fit, cbpp):
    def spread(y):
        return y.max() - y.min()

    table = bg.predictive_check(cbpp_fit, spread, group="period", random_seed=1)
    assert table["stat"].unique().tolist() == ["spread"]
    by_hand = cbpp.groupby("period", observed=True)["incidence"].agg(lambda y: y.max() - y.min())
    np.testing.assert_array_equal(table.set_index("period")["observed"][by_hand.index], by_hand)
    ax = bg.plots.predictive_check(table)
    assert len(ax.get_yticklabels()) == 4 and ax.get_ylabel() == "period"
    assert "spread" in ax.get_xlabel()


def test_new_groups_vary_more(cbpp_fit):
    one, new = (
        bg.predictive_check(cbpp_fit, group="herd", random_effects=mode, random_seed=1)
        for mode in ("conditional", "new")
    )
    assert ((new["upper"] - new["lower"]) > (one["upper"] - one["lower"])).mean() > 0.8


def test_a_wrong_family_is_seen():
    fit = bg.GLMM("y ~ lbase * trt + lage + V4 + (1 | subject)", bg.load_dataset("epil"), family="poisson").fit(
        random_seed=1, progressbar=False
    )
    assert bg.predictive_check(fit, "zeros", random_seed=1)["p_value"].item() < 0.05


def test_the_prior_predictive(cbpp):
    model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", cbpp, family="binomial")
    table = bg.prior_predictive_check(model, "mean", random_seed=1, draws=200)
    row = table.iloc[0]
    assert row["lower"] < row["observed"] < row["upper"]
    posterior = bg.predictive_check(model.fit(random_seed=1, progressbar=False), random_seed=1).iloc[0]
    assert row["upper"] - row["lower"] > 5 * (posterior["upper"] - posterior["lower"])
    by_herd = bg.prior_predictive_check(model, "max", "herd", random_seed=1, draws=100)
    assert len(by_herd) == 15


def test_arguments_are_checked(cbpp_fit):
    with pytest.raises(PredictionError, match="'meen' is not known.*mean"):
        bg.predictive_check(cbpp_fit, "meen")
    with pytest.raises(PredictionError, match="no column 'heard'"):
        bg.predictive_check(cbpp_fit, group="heard")
    with pytest.raises(PredictionError, match="'loo'"):
        bg.predictive_check(cbpp_fit, random_effects="loo")
    with pytest.raises(PredictionError, match="ci_prob"):
        bg.predictive_check(cbpp_fit, ci_prob=2.0)
    with pytest.raises(PredictionError, match="no column 'heard'"):
        bg.prior_predictive_check(cbpp_fit.model, group="heard", draws=10)
