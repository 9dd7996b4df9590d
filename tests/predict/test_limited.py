"""Fits of censored and truncated responses: densities, draws, averages, residuals and refits know of the limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import bayes_glmm as bg

TIMES = "Surv(time, status) ~ age + sex + (1 | id)"


def sampled(formula, data, **options):
    return bg.GLMM(formula, data, family="weibull").fit(random_seed=1, progressbar=False, **options)


@pytest.fixture(scope="module")
def kidney():
    return bg.load_dataset("kidney")


@pytest.fixture(scope="module")
def censored(kidney):
    return sampled(TIMES, kidney)


@pytest.fixture(scope="module")
def cut(kidney):
    """Times that were recorded between 5 and 600 days only."""
    rows = kidney[(kidney["time"] >= 5) & (kidney["time"] <= 600)]
    return sampled("truncated(time, 5, 600) ~ sex + (1 | id)", rows), rows


def weibull(fit, mu):
    shape = fit.posterior["shape"].values.reshape(-1, 1)
    return stats.weibull_min(shape, scale=mu / special.gamma(1 + 1 / shape))


def expected(fit, scale="mu"):
    return bg.predictions(fit, scale=scale, draws="dataarray").values.reshape(-1, fit.model.design.size)


def test_log_likelihoods_are_densities_or_survival_probabilities(censored, kidney):
    ours = bg.log_likelihood(censored)["log_likelihood"]["time"].values.reshape(-1, len(kidney))
    model = weibull(censored, expected(censored))
    theirs = np.where(kidney["status"] == 1, model.logpdf(kidney["time"]), model.logsf(kidney["time"]))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


def test_ignoring_censoring_makes_times_too_short(censored, kidney):
    naive = sampled("time ~ age + sex + (1 | id)", kidney)
    ours, theirs = (bg.avg_predictions(fit)["estimate"].item() for fit in (censored, naive))
    assert ours > 1.15 * theirs


def test_draws_are_whole_and_say_so(censored, kidney):
    drawn = bg.posterior_predictive(censored, random_seed=1)["posterior_predictive"]
    assert "not what would be recorded" in drawn.attrs["censored"]
    hidden = (kidney["status"] == 0).to_numpy()
    assert (drawn["time"].values[..., hidden] > kidney["time"].to_numpy()[hidden]).mean() > 0.2
    # checks compare what would be recorded
    simulated = bg.simulate_residuals(censored, random_seed=1)["simulated"].values
    assert (simulated[:, hidden] <= kidney["time"].to_numpy()[hidden]).all()


def test_residuals_of_hidden_times_are_spread_over_what_is_left(censored, kidney):
    residuals = bg.simulate_residuals(censored, random_seed=1)
    hidden = kidney["status"] == 0
    upper, lower = residuals["upper"].values, residuals["lower"].values
    assert (upper[:, hidden] == 1).all() and (lower[:, hidden] < 1).all()
    np.testing.assert_array_equal(upper[:, ~hidden], lower[:, ~hidden])
    assert bg.check_residuals(residuals).loc["uniformity", "p_value"] > 0.05


@pytest.mark.slow
def test_leaving_out_knows_what_is_hidden(censored):
    loo, held = bg.loo(censored), bg.kfold(censored, k=4, random_seed=1)
    assert loo.elpd == pytest.approx(held.elpd, abs=6)


def test_expected_responses_lie_within_the_limits(cut):
    fit, rows = cut
    mu, mean = expected(fit), expected(fit, "response")
    assert (mean > 5).all() and (mean < 600).all()
    shape = fit.posterior["shape"].values.ravel()[0]
    one = stats.weibull_min(shape, scale=mu[0, 3] / special.gamma(1 + 1 / shape))
    y = np.linspace(5, 600, 200_001)
    p = one.pdf(y)
    assert mean[0, 3] == pytest.approx(np.trapezoid(y * p, y) / np.trapezoid(p, y), rel=1e-6)


def test_averages_over_the_population_are_averages_of_new_groups(cut):
    fit, rows = cut
    exact = bg.predictions(fit, rows.head(2), random_effects="marginal", draws="dataarray").values
    new = bg.predictions(fit, rows.head(2), random_effects="new", draws="dataarray", random_seed=1).values
    error = new.std(axis=(0, 1)) / np.sqrt(new[..., 0].size)
    assert (np.abs(exact.mean(axis=(0, 1)) - new.mean(axis=(0, 1))) < 4 * error).all()


def test_truncated_draws_and_log_likelihoods(cut):
    fit, rows = cut
    drawn = bg.posterior_predictive(fit, random_seed=1)["posterior_predictive"]["time"].values
    assert drawn.min() >= 5 and drawn.max() <= 600
    model = weibull(fit, expected(fit))
    ours = bg.log_likelihood(fit)["log_likelihood"]["time"].values.reshape(-1, len(rows))
    theirs = model.logpdf(rows["time"].to_numpy()) - np.log(model.cdf(600.0) - model.cdf(5.0))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_another_family_is_an_update(censored, kidney):
    other = censored.update(family="lognormal", random_seed=1)
    assert other.model.spec.family.name == "lognormal"
    ours = bg.log_likelihood(other)["log_likelihood"]["time"].values.reshape(-1, len(kidney))
    model = stats.norm(expected(other, "mu"), other.posterior["sigma"].values.reshape(-1, 1))
    hidden = (kidney["status"] == 0).to_numpy()
    theirs = model.logsf(np.log(kidney["time"]))
    np.testing.assert_allclose(ours[:, hidden], theirs[:, hidden], rtol=1e-8, atol=1e-9)


def test_saved_and_loaded(censored, tmp_path):
    censored.save(tmp_path / "kidney.fit")
    again = bg.load(tmp_path / "kidney.fit")
    assert bg.log_likelihood(again).identical(bg.log_likelihood(censored))


@pytest.mark.slow
def test_calibrated():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(np.arange(12), 5).astype(str)})
    time = rng.exponential(np.exp(0.5 * data["x"] + np.repeat(rng.normal(0, 0.5, 12), 5)))
    data["time"], data["event"] = np.minimum(time, 1.5), (time < 1.5).astype(int)
    model = bg.GLMM("Surv(time, event) ~ x + (1 | g)", data, family="weibull")
    assert bg.sbc(model, simulations=100, random_seed=1).passed


def test_shares_of_variance_are_those_within_the_limits():
    """R2 of truncated responses from scipy's moments, and of counts without zeros from sums."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=24), "g": np.arange(24) % 4})
    data["y"] = np.abs(1.0 + data["x"] + rng.normal(size=24)) + 0.01
    data["k"] = rng.poisson(np.exp(0.5 + 0.3 * data["x"])) + 1
    quick = {"method": "laplace", "draws": 10, "random_seed": 1, "progressbar": False}
    for formula, family in (
        ("truncated(y, lower=0) ~ x + (1 | g)", "gaussian"),
        ("truncated(k, lower=1) ~ x", "poisson"),
    ):
        fit = bg.GLMM(formula, data, family=family).fit(**quick)
        mu = bg.predictions(fit, scale="mu", draws="dataarray").to_numpy().reshape(-1, 24)
        if family == "gaussian":
            sigma = fit.posterior["sigma"].to_numpy().reshape(-1, 1)
            mean, variance = stats.truncnorm.stats(-mu / sigma, np.inf, loc=mu, scale=sigma)
        else:
            k = np.arange(1, 80)[:, None, None]
            p = stats.poisson.pmf(k, mu) / -np.expm1(-mu)
            mean = (k * p).sum(axis=0)
            variance = (k**2 * p).sum(axis=0) - mean**2
        explained = mean.var(axis=1, ddof=1)
        share = bg.r2(fit, draws="dataarray").to_numpy().reshape(-1, 4)[:, 3]
        np.testing.assert_allclose(share, explained / (explained + variance.mean(axis=1)), rtol=1e-4)
