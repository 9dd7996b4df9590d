"""A curve fitted by default: mgcv's within a fraction of its standard errors, and in every answer of the package."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from tests.design.test_smooths import MCYCLE, TIMES, curves

NEW = {"times": TIMES}


@pytest.fixture(scope="module")
def fit():
    return bg.GLMM("accel ~ s(times)", bg.load_dataset("mcycle")).fit(random_seed=1, progressbar=False)


def test_it_converges_to_mgcvs_curve(fit):
    assert fit.convergence.passed and fit.attrs["backend"] == "kernel"
    _, curve, errors = MCYCLE[10]
    table = bg.predictions(fit, NEW)
    assert np.abs((table["estimate"] - curve) / errors).max() < 0.25
    np.testing.assert_allclose(table["sd"], errors, rtol=0.08)
    sigma = float(fit.posterior["sigma"].mean())
    assert sigma == pytest.approx(np.sqrt(MCYCLE[10][0]), rel=0.03)


def test_tables_name_the_curve_and_not_its_coefficients(fit):
    table = fit.summary()
    assert table["term"].tolist() == ["Intercept", "times", "sd[s(times)]", "sigma"]
    assert table["component"].tolist() == ["fixed", "fixed", "smooth", "auxiliary"]
    text = fit.model.equation()
    assert r"f_{1}(\mathrm{times}_i)" in text and r"\mathrm{sd}_{f_{1}}" in text
    assert bg.hypotheses(fit, "`sd[s(times)]` > 50")["probability"].item() > 0.99


@pytest.mark.parametrize("meaning", ["typical", "marginal", "new"])
def test_a_curve_belongs_to_the_population(fit, meaning):
    ours = bg.predictions(fit, NEW)
    theirs = bg.predictions(fit, NEW, random_effects=meaning, random_seed=1)
    np.testing.assert_allclose(theirs[["estimate", "sd"]], ours[["estimate", "sd"]])


def test_slopes_are_those_of_the_curve(fit):
    slopes = bg.slopes(fit, "times", newdata={"times": [12.0, 18.0, 57.6, 65.0]})
    beside = bg.predictions(fit, {"times": [11.99, 12.01, 17.99, 18.01, 57.59, 57.6]})["estimate"].to_numpy()
    np.testing.assert_allclose(slopes["estimate"][:2], (beside[[1, 3]] - beside[[0, 2]]) / 0.02, rtol=1e-3)
    # straight beyond the data
    assert slopes["estimate"][2] == pytest.approx(slopes["estimate"][3], rel=1e-4)


def test_a_saved_curve_is_the_same(fit, tmp_path):
    path = tmp_path / "curve.nc"
    fit.save(path)
    loaded = bg.load(path)
    assert loaded.model.prior_table == fit.model.prior_table
    np.testing.assert_array_equal(bg.predictions(loaded, NEW)["estimate"], bg.predictions(fit, NEW)["estimate"])


def test_checks_know_the_curve(fit):
    loo = bg.loo(fit)
    assert 8 < loo.p < 12  # mgcv's effective degrees of freedom are 9.4
    sensitivity = bg.prior_sensitivity(fit, by="parameter")
    assert set(sensitivity["scaled"]) == {"Intercept", "beta[times]", "sd[s(times)]", "sigma"}
    assert "smooth_sd[s(times)]" in set(sensitivity["parameter"])
    assert not any("separation" in note.lower() for note in fit.diagnose().notes)


def test_priors_are_stated_by_the_names_shown():
    priors = {"sd[s(x)]": "Exponential(2)", "lengthscale[hsgp(z)]": "LogNormal(0, 0.4)", "sd": "HalfNormal(3)"}
    table = bg.GLMM("y ~ s(x) + hsgp(z) + (1 | g)", curves(), priors=priors).prior_table.frame()
    chosen = table[table["source"] == "user"].set_index("parameter")["prior"].to_dict()
    assert chosen == {
        "sd[s(x)]": "Exponential(lam=2)",
        "lengthscale[hsgp(z)]": "LogNormal(mu=0, sigma=0.4)",
        "sd[hsgp(z)]": "HalfNormal(sigma=3)",
        "sd[g][Intercept]": "HalfNormal(sigma=3)",
    }
    with pytest.raises(bg.errors.PriorError, match=r"sd\[s\(x\)\]"):
        bg.GLMM("y ~ s(x)", curves(), priors={"sd[s(w)]": "Exponential(1)"})
    with pytest.raises(bg.errors.PriorError, match="one curve cannot keep from infinity"):
        bg.GLMM("y ~ s(x)", curves(), priors={"sd[s(x)]": "HalfFlat"}).fit(progressbar=False)


def test_grouping_factors_may_be_called_as_smooths_parameters_are():
    data = curves().rename(columns={"g": "smooth"})
    fit = bg.GLMM("y ~ s(x, k=4) + (1 | smooth)", data).fit(random_seed=1, progressbar=False)
    assert {"smooth_sd", "sd_smooth", "b_smooth"} <= set(fit.posterior)


MODELS = {
    "counts": ("poisson", "n ~ s(x, by=f) + (1 | g)"),
    "events": ("bernoulli", "b ~ s(x) + s(z) + (1 | g)"),
    "a surface": ("gaussian", "y ~ t2(x, z) + (x | g)"),
    "a flat process beside another": ("poisson", "n ~ hsgp(x, by=f) + (1 | g)"),
    "a process over a plane": ("gaussian", "y ~ gp(x, z)"),
    "spread that follows a curve": ("gaussian", "y ~ s(x)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_default_fits_converge(name):
    rng = np.random.default_rng(2)
    data = curves(rows=400, seed=4).assign(g=rng.integers(0, 20, 400).astype(str))
    eta = np.sin(data["x"]) * np.where(data["f"] == "a", 1.0, 0.2)
    data = data.assign(n=rng.poisson(np.exp(0.5 * eta)), b=(rng.uniform(size=400) < 1 / (1 + np.exp(-eta))).astype(int))
    family, formula = MODELS[name]
    further = {"dpar_formulas": {"sigma": "~ s(x, k=5)"}} if name.startswith("spread") else {}
    fit = bg.GLMM(formula, data, family=family, **further).fit(random_seed=1, progressbar=False)
    assert fit.convergence.passed, fit.convergence.verdict


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["y ~ s(x, k=6)", "y ~ hsgp(x, m=8)", "y ~ s(x, k=5) + (1 | g)"])
def test_calibration(formula):
    result = bg.sbc(bg.GLMM(formula, curves(rows=60)), 60, random_seed=3, progressbar=False)
    assert result.passed, str(result)
