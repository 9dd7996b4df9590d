"""A planted fault for each sentence of `diagnose`, and none where there is nothing to say."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

import bayes_glmm as bg
from bayes_glmm.checks.convergence import diagnose
from bayes_glmm.checks.separation import separated_coefficients
from bayes_glmm.design.design import build_design
from bayes_glmm.inference.fit import Fit
from bayes_glmm.report.moments import tail_index
from bayes_glmm.spec.model_spec import ModelSpec

QUIET = {"random_seed": 2, "progressbar": False}


def separated(formula: str, data: pd.DataFrame, family: str = "bernoulli") -> tuple[str, ...]:
    spec = ModelSpec.build(formula, family=family)
    return separated_coefficients(build_design(spec, data), spec.family.support)


def test_separation_is_found_where_it_is_and_only_there():
    x = np.arange(12.0)
    data = pd.DataFrame({"x": x, "k": np.resize(["a", "b", "c"], 12), "g": np.resize(list("uv"), 12)})
    data["complete"] = (x > 5).astype(int)
    data["quasi"] = np.where(x == 5, [0, 1] * 6, x > 5).astype(int)
    data["none"] = data["complete"].where(~data["x"].isin([2, 8]), 1 - data["complete"])
    data["cell"] = np.where(data["k"] == "c", 0, np.resize([0, 1, 1, 0, 0], 12))
    assert separated("complete ~ x + (1 | g)", data) == ("Intercept", "x")
    assert separated("quasi ~ x + (1 | g)", data) == ("Intercept", "x")
    assert separated("none ~ x + (1 | g)", data) == ()
    assert separated("cell ~ k + (1 | g)", data) == ("k[c]",)
    assert separated("cell ~ 0 + k + (1 | g)", data) == ("k[c]",)


def test_separation_of_trials_counts_and_many_rows():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"k": np.resize(["a", "b", "c"], 30), "g": np.resize(list("uv"), 30), "n": 5})
    data["s"] = np.where(data["k"] == "b", 5, rng.integers(1, 5, 30))
    data["c"] = np.where(data["k"] == "b", 0, rng.integers(1, 5, 30))
    assert separated("p(s, n) ~ k + (1 | g)", data, "binomial") == ("k[b]",)
    assert separated("c ~ k + (1 | g)", data, "poisson") == ("k[b]",)
    assert separated("s ~ k + (1 | g)", data, "poisson") == ()
    assert separated("c ~ k + (1 | g)", data, "gaussian") == ()
    many = pd.DataFrame({"x": rng.normal(size=60_000), "g": np.resize(list("uv"), 60_000)})
    many["y"] = (many["x"] > 0.1).astype(int)
    many["z"] = rng.integers(0, 2, 60_000)
    assert separated("y ~ x + (1 | g)", many) == ("Intercept", "x")
    assert separated("z ~ x + (1 | g)", many) == ()


def test_healthy_fits_have_no_notes(cbpp_fit, sleepstudy_fit):
    for fit in (cbpp_fit, sleepstudy_fit):
        assert fit.diagnose().passed and fit.diagnose().notes == ()
        assert fit.diagnose().verdict == fit.convergence.verdict


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=120), "g": np.resize(list("abcdefghij"), 120)})
    return frame.assign(y=rng.normal(size=120), few=np.resize(list("uvw"), 120), sep=(frame["x"] > 0).astype(int))


def notes_of(formula: str, data: pd.DataFrame, **options) -> str:
    fit = bg.GLMM(formula, data, **options).fit(**QUIET)
    verdict = fit.diagnose()
    assert verdict.passed and fit.convergence.notes == ()
    assert "Worth knowing:" in verdict.verdict and "Worth knowing" in verdict._repr_html_()
    assert "Worth knowing" not in repr(fit)
    return verdict.verdict


def test_a_separated_logit_is_named(data):
    text = notes_of("sep ~ x + (1 | g)", data, family="bernoulli")
    assert "Separation: the data set no limit to Intercept, x" in text
    assert "prior_sensitivity(fit, " in text


def test_a_sd_at_zero_and_a_factor_of_few_levels_are_named(data):
    text = notes_of("y ~ x + (1 | few)", data)
    assert "few has 3 levels" in text and "sd_few[Intercept] cannot be told from zero" in text
    rng = np.random.default_rng(2)
    clear = data.assign(y=data["y"] + np.resize(rng.normal(0, 2, 10), 120))
    assert bg.GLMM("y ~ x + (1 | g)", clear).fit(**QUIET).diagnose().notes == ()


def test_a_correlation_at_its_bound_is_named():
    rng = np.random.default_rng(3)
    group, x = np.repeat(np.arange(25), 16), np.tile(np.linspace(-1, 1, 16), 25)
    u = rng.normal(0, 2, 25)[group]
    frame = pd.DataFrame({"g": group, "x": x, "y": u + u * x + rng.normal(0, 0.3, 400)})
    assert "corr_g[x, Intercept] is near its bound" in notes_of("y ~ x + (x | g)", frame)


def test_intercepts_at_a_far_origin_are_to_be_centred():
    """Six units from the data intercepts are slopes times -6, a correlation of -0.998; at the mean they have none."""
    rng = np.random.default_rng(4)
    group, x = np.repeat(np.arange(30), 12), np.tile(np.linspace(5, 7, 12), 30)
    intercept, slope = rng.normal(0, 0.3, 30)[group], rng.normal(0, 0.8, 30)[group]
    frame = pd.DataFrame({"g": group, "x": x, "y": intercept + slope * (x - 6) + rng.normal(0, 0.3, 360)})
    text = notes_of("y ~ x + (x | g)", frame)
    assert "corr_g[x, Intercept] is near its bound because the intercepts of g stand where x is 0" in text
    assert "the data go from 5 to 7. Centre the predictor (x less 6)" in text and "Leave a slope out" not in text
    assert "corr_g" not in str(bg.GLMM("y ~ x + (x | g)", frame.assign(x=x - 6)).fit(**QUIET).diagnose())


def test_a_correlation_that_its_prior_pulls_to_zero_is_named():
    """Few levels: the mean under LKJ(1), read off the draws, is that of a fit under LKJ(1)."""
    rng = np.random.default_rng(2)
    group, x = np.repeat(np.arange(12), 8), rng.normal(size=96)
    u = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 0.25]], 12)[group]
    frame = pd.DataFrame({"g": group, "x": x, "y": 1 + x + u[:, 0] + u[:, 1] * x + rng.normal(0, 1.5, 96)})
    fit = bg.GLMM("y ~ x + (x | g)", frame, priors={"corr[g]": bg.Prior("LKJ", eta=2)}).fit(**QUIET)
    text = fit.diagnose().verdict
    found = re.search(
        r"LKJ\(eta=2\) pulls corr_g\[x, Intercept\] at the predictors' means toward zero: .* about (0\.\d\d) under",
        text,
    )
    assert found and "12 levels say little about a correlation" in text
    flat = bg.GLMM("y ~ x + (x | g)", frame).fit(**QUIET)
    ((_, group),) = flat.model.prior_table.groups
    _, corr = group.at_data(flat.posterior["sd_g"].to_numpy(), flat.posterior["corr_g"].to_numpy())
    mean = float(corr[..., 1, 0].mean())
    assert float(found[1]) == pytest.approx(mean, abs=0.03)
    assert "pulls" not in flat.diagnose().verdict


def test_a_negative_binomial_where_a_poisson_would_do():
    """Means of phi were 110 626 and 380 210 by the seed: 1/phi has a density at zero, so that phi has no mean."""
    rng = np.random.default_rng(0)
    group, x = np.repeat(np.arange(30), 10), rng.normal(size=300)
    mean = np.exp(1 + 0.3 * x + rng.normal(0, 0.4, 30)[group])
    frame = pd.DataFrame({"g": group, "x": x, "c": rng.poisson(mean), "over": rng.negative_binomial(2, 2 / (2 + mean))})
    fit = bg.GLMM("c ~ x + (1 | g)", frame, family="negativebinomial").fit(**QUIET)
    table, draws = fit.summary().set_index("term"), fit.posterior["phi"]
    assert np.isnan(table.loc["phi", "mean"]) and np.isnan(table.loc["phi", "sd"])
    words = f"median {float(draws.median()):.3g}; 1/sqrt(phi) {float((draws**-0.5).mean()):.3g}"
    assert words in " ".join(repr(fit).split()) and words in fit.summary()._repr_html_()
    assert table.loc["phi", "ci_lower"] == pytest.approx(np.quantile(draws, 0.055))
    verdict = fit.diagnose().verdict
    assert "1/sqrt(phi) cannot be told from zero" in verdict and "family='poisson' would do" in verdict
    spread = bg.GLMM("over ~ x + (1 | g)", frame, family="negativebinomial").fit(**QUIET)
    table = spread.summary().set_index("term")
    assert table.loc["phi", "mean"] == pytest.approx(float(spread.posterior["phi"].mean()))
    assert "poisson" not in spread.diagnose().verdict


def test_tails_without_a_variance():
    """Hill's index of Pareto tails is their own; of exponential and normal tails it is far from 1/2."""
    rng = np.random.default_rng(1)
    draws = np.stack([rng.uniform(size=4000) ** -k for k in (2.0, 1.0, 0.6)] + [rng.gamma(2, 10, 4000),
                     np.exp(rng.normal(0, 0.8, 4000)), np.abs(rng.standard_t(5, 4000))], axis=1)  # fmt: skip
    np.testing.assert_allclose(tail_index(draws)[:3], [2.0, 1.0, 0.6], rtol=4 / np.sqrt(189))
    assert (tail_index(draws)[3:] < 0.45).all()


def test_a_prior_that_decides_and_one_that_disagrees_are_named(data):
    tiny = data.assign(z=np.r_[1e-3, np.zeros(119)], y=data["y"] + np.resize(np.arange(10.0), 120))
    priors = {"beta[z]": bg.Prior("Normal", 0, 1), "beta[x]": bg.Prior("Normal", 2, 0.3)}
    text = notes_of("y ~ x + z + (1 | g)", tiny, priors=priors)
    assert "The data say little about beta[z]" in text
    assert "Prior and data both shape beta[x]" in text


# divergences ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_eight_schools_centred_says_where_the_divergences_lie():
    """Rubin (1981): rows made so that each school's mean and standard error are the published ones."""
    effect, error = np.array([28, 8, -3, 7, -1, 1, 18, 12.0]), np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
    y = np.repeat(effect, 2) + np.tile([-1, 1], 8) * np.repeat(error, 2)
    schools = pd.DataFrame({"school": np.repeat(list("ABCDEFGH"), 2), "y": y})
    model = bg.GLMM("y ~ 1 + (1 | school)", schools, priors={"sd": bg.Prior("HalfCauchy", 25)})
    with model.to_pymc("centered"):
        options = {"random_seed": 1, "progressbar": False, "nuts_sampler": "pymc", "target_accept": 0.55}
        draws = pm.sample(4000, tune=500, chains=4, cores=2, **options)
    posterior = draws["posterior"].to_dataset()[["beta", "b_school", "sd_school", "sigma"]]
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": draws["sample_stats"].to_dataset()})
    tree.attrs = {"method": "nuts", "interrupted": 0}
    verdict = diagnose(Fit(model, tree))
    assert not verdict.passed and verdict.divergences > 30
    assert "They gather where sd_school[Intercept] is small" in verdict.verdict
    ours = model.fit(**QUIET).diagnose()
    assert ours.divergences == 0 and "sd_school[Intercept] cannot be told from zero" in ours.verdict


def test_divergences_have_a_place_only_where_they_gather(cbpp_fit):
    rng = np.random.default_rng(4)
    sd = cbpp_fit.posterior["sd_herd"].to_numpy()[..., 0]
    for flags, gathered in ((sd < np.quantile(sd, 0.01), True), (rng.random(sd.shape) < 0.02, False)):
        stats = cbpp_fit.dt["sample_stats"].to_dataset()
        stats["diverging"] = (("chain", "draw"), flags)
        tree = xr.DataTree.from_dict({"posterior": cbpp_fit.posterior, "sample_stats": stats})
        tree.attrs = cbpp_fit.dt.attrs
        text = diagnose(Fit(cbpp_fit.model, tree)).verdict
        assert f"{flags.sum()} transitions diverged" in text
        assert ("They gather where sd_herd[Intercept] is small" in text) is gathered
        assert ("gather" in text) is gathered
