"""Fits whose effects were integrated out: chosen where Laplace's approximation is poor, one run, calibrated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.engine import level_patterns
from bayes_glmm.inference import kernel as inference_kernel

PATH = "levels' effects integrated out numerically, then drawn"


def pairs(levels, sd=2.5, seed=1):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(levels), 2)
    eta = 0.3 + rng.normal(0.0, sd, levels)[g]
    return pd.DataFrame({"y": (rng.random(2 * levels) < 1 / (1 + np.exp(-eta))).astype(int), "g": g.astype(str)})


def nested(rng, communities, mothers, children, beta, sds):
    """Return 0/1 children of mothers of communities, and the effects by name."""
    mother = np.repeat(np.arange(communities * mothers), children)
    x = rng.normal(size=len(mother))
    b = {"mother": rng.normal(0, sds[1], communities * mothers), "community": rng.normal(0, sds[0], communities)}
    eta = beta[0] + beta[1] * x + b["mother"][mother] + b["community"][mother // mothers]
    y = (rng.random(len(mother)) < 1 / (1 + np.exp(-eta))).astype(int)
    names = {"mother": [f"{i:03}" for i in mother], "community": [f"{i:02}" for i in mother // mothers]}
    return pd.DataFrame({"y": y, "x": x, **names}), b


def fit(formula, data, family="bernoulli", model=None, **options):
    """Fit; warnings are errors, so that a fit that mixes badly fails."""
    return bg.GLMM(formula, data, family=family, **(model or {})).fit(progressbar=False, **options)


def test_pairs_of_rows_in_one_run():
    found = fit("y ~ 1 + (1 | g)", pairs(1000), random_seed=1)
    assert found.attrs["path"] == PATH
    assert "second_run" not in found.attrs
    assert found.diagnose().passed
    assert found.summary()["ess_bulk"].min() > 1000


def test_nested_clusters_in_one_run():
    data, _ = nested(np.random.default_rng(3), 40, 8, 2, (0.3, 0.5), (1.3, 2.5))
    found = fit("y ~ x + (1 | community) + (1 | mother)", data, random_seed=1)
    assert found.attrs["path"] == PATH
    assert "second_run" not in found.attrs
    assert found.diagnose().passed


@pytest.mark.parametrize("seed", range(2))
def test_toenail_in_one_run(seed):
    data = bg.load_dataset("toenail")
    data["y"] = (data["outcome"] == "moderate or severe").astype(int)
    found = fit("y ~ treatment * time + (1 | patientID)", data, random_seed=seed)
    assert found.attrs["path"] == PATH
    assert "second_run" not in found.attrs
    assert found.summary()[["ess_bulk", "ess_tail"]].min().min() > 1500


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
def test_other_data_keep_their_coordinates():
    for data, formula in (
        (pairs(40), "y ~ 1 + (1 | g)"),  # few levels
        (pairs(300, sd=0.3), "y ~ 1 + (1 | g)"),  # that hardly differ
    ):
        found = fit(formula, data, random_seed=1, draws=100, tune=100, chains=2)
        assert found.attrs["path"] == "coordinates of the Laplace fit"


def test_laplace_stays_laplace():
    found = fit("y ~ 1 + (1 | g)", pairs(1000), random_seed=1, method="laplace")
    assert found.attrs["path"] == "Laplace approximation"


@pytest.mark.slow
def test_both_paths_agree(monkeypatch):
    data = pairs(60, sd=1.0, seed=4).assign(x=np.random.default_rng(0).normal(size=120))
    by_coordinates = fit("y ~ x + (1 | g)", data, random_seed=1, draws=4000)
    monkeypatch.setattr(inference_kernel, "POOR", -1.0)
    integrated = fit("y ~ x + (1 | g)", data, random_seed=1, draws=4000)
    assert (by_coordinates.attrs["path"] == PATH, integrated.attrs["path"] == PATH) == (False, True)
    for name in ("beta", "sd_g", "b_g"):
        ours, theirs = integrated.posterior[name], by_coordinates.posterior[name]
        spread = theirs.std(("chain", "draw"))
        for quantile in (0.05, 0.5, 0.95):
            gap = ours.quantile(quantile, ("chain", "draw")) - theirs.quantile(quantile, ("chain", "draw"))
            assert float(abs(gap / spread).max()) < 0.12


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"y": np.zeros(400, int), "g": np.repeat(np.arange(200), 2).astype(str)}),
        pairs(200, sd=8.0),
        pd.DataFrame({"y": np.tile([0, 1], 100), "g": np.arange(200).astype(str)}),
        pd.concat([pairs(200), pd.DataFrame({"y": np.tile([0, 1, 1, 1], 10), "g": "large"})], ignore_index=True),
    ],
    ids=["all zero", "sd of eight", "levels of one row", "a level of 40 rows among pairs"],
)
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning", "ignore::bayes_glmm.errors.ConvergenceWarning")
def test_odd_data_are_sampled(monkeypatch, data):
    monkeypatch.setattr(inference_kernel, "POOR", -1.0)
    found = fit("y ~ 1 + (1 | g)", data, random_seed=1)
    assert found.attrs["path"] == PATH
    assert int(found.dt["sample_stats"]["diverging"].sum()) == 0
    assert np.isfinite(found.posterior["b_g"]).all()


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning", "ignore::bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize(
    ("formula", "family"),
    [("p(s, n) ~ 1 + (1 | g)", "binomial"), ("c ~ 1 + (1 | g)", "poisson")],
)
def test_narrow_integrands(monkeypatch, formula, family):
    """Ten thousand trials, and counts of thousands, a level: what the lattices cannot hold keeps its coordinates."""
    monkeypatch.setattr(inference_kernel, "POOR", -1.0)
    rng = np.random.default_rng(2)
    u = rng.normal(0, 2, 60)
    data = pd.DataFrame({"g": np.arange(60).astype(str), "n": 10_000, "c": rng.poisson(np.exp(7 + u))})
    data["s"] = rng.binomial(10_000, 1 / (1 + np.exp(-u)))
    found = fit(formula, data, family, random_seed=1)
    assert found.diagnose().passed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning", "ignore::bayes_glmm.errors.DataWarning")
def test_nested_effects_are_calibrated(monkeypatch):
    """What was drawn from the prior has uniform ranks in the posterior."""
    monkeypatch.setattr(level_patterns, "MANY_LEVELS", 2)
    monkeypatch.setattr(inference_kernel, "POOR", -1.0)
    ranks, integrated = [], 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 7])
        beta, sds = rng.normal(0, 1, 2), np.exp(rng.normal(0.3, 0.4, 2))
        data, b = nested(rng, 6, 4, 2, beta, sds)
        prior, sd_prior = bg.Prior("Normal", 0, 1), bg.Prior("LogNormal", 0.3, 0.4)
        model = {"center": False, "priors": {"Intercept": prior, "beta": prior, "sd": sd_prior}}
        formula = "y ~ x + (1 | community) + (1 | mother)"
        found = fit(formula, data, random_seed=seed, chains=1, draws=990, model=model)
        integrated += found.attrs["path"] == PATH
        draws = {name: found.posterior[name].to_numpy()[0, ::10].reshape(99, -1) for name in found.posterior}
        truth = {"beta": beta, "sd_community": sds[:1], "sd_mother": sds[1:]}
        ranks.append(
            [int((draws[name][:, i] < value).sum()) for name, values in truth.items() for i, value in enumerate(values)]
            + [int((draws[f"b_{name}"][:, 0] < b[name][0]).sum()) for name in b]
            + [int((draws["b_mother"].sum(axis=1) < b["mother"].sum()).sum())]
        )
    assert integrated > 150
    for quantity in np.array(ranks).T:
        assert stats.kstest((quantity + 0.5) / 100, "uniform").pvalue > 1e-4
