"""Posterior predictive draws and the pointwise log-likelihood."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import DataWarning, PredictionError
from bayes_glmm.predict.draws import log_likelihood, posterior_predictive, total_log_likelihood
from bayes_glmm.predict.expected import expected

BETA = {"Intercept": 0.3, "x": 0.2}

FAMILIES = [
    ("y", "gaussian", {"sigma": 0.8}),
    ("y", "student", {"sigma": 0.8, "nu": 6.0}),
    ("binary", "bernoulli", {}),
    ("p(successes, size)", "binomial", {}),
    ("count", "poisson", {}),
    ("count", "negativebinomial", {"phi": 3.0}),
    ("positive", "gamma", {"phi": 3.0}),
    ("positive", "lognormal", {"sigma": 0.5}),
    ("unit", "beta", {"phi": 5.0}),
]


def make(synthetic, response: str, family: str, parameters: dict, draws: int = 1000):
    data = synthetic.grouped_data(20)
    return synthetic.synthetic_fit(
        f"{response} ~ x + (1 | g)", data, family=family, beta=BETA, sd={"g": [0.4]}, draws=draws, **parameters
    )


@pytest.mark.parametrize(("response", "family", "parameters"), FAMILIES)
def test_predictive_mean_and_sd_are_those_of_the_family(synthetic, response, family, parameters) -> None:
    fit = make(synthetic, response, family, parameters)
    tree = posterior_predictive(fit, random_seed=2)
    variables = list(tree["posterior_predictive"].data_vars)
    values = tree["posterior_predictive"][variables[0]]
    assert values.dims == ("chain", "draw", "obs")
    trials = fit.model.design.trials
    scale = 1.0 if trials is None else trials
    mean = expected(fit)
    auxiliary = {name: fit.posterior[name] for name in parameters}
    mu = fit.model.spec.link.inverse(expected(fit, scale="link"))
    variance = fit.model.spec.family.variance(mu, auxiliary, None if trials is None else mean["obs"].copy(data=trials))
    residual = (values - mean * scale).mean(("chain", "draw"))
    error = np.sqrt(variance.mean(("chain", "draw")) / 2000)
    assert float(abs(residual / error).max()) < 4.5


@pytest.mark.parametrize(
    ("response", "family", "parameters", "log_density"),
    [
        ("y", "gaussian", {"sigma": 0.8}, lambda y, m, p, n: stats.norm.logpdf(y, m, p["sigma"])),
        ("binary", "bernoulli", {}, lambda y, m, p, n: stats.bernoulli.logpmf(y, m)),
        ("p(successes, size)", "binomial", {}, lambda y, m, p, n: stats.binom.logpmf(y, n, m)),
        ("count", "poisson", {}, lambda y, m, p, n: stats.poisson.logpmf(y, m)),
    ],
)
def test_log_likelihood_is_scipys(synthetic, response, family, parameters, log_density) -> None:
    fit = make(synthetic, response, family, parameters, draws=5)
    got = log_likelihood(fit)["log_likelihood"]
    name = fit.model.design.response.name
    assert list(got.data_vars) == [name]
    mean = expected(fit).to_numpy()
    auxiliary = {name: fit.posterior[name].to_numpy()[:, :, None] for name in parameters}
    response = fit.model.design.response
    np.testing.assert_allclose(got[name], log_density(response.y, mean, auxiliary, response.trials), rtol=1e-10)


def test_the_total_is_the_sum_over_rows_however_they_are_cut(synthetic, monkeypatch) -> None:
    fit = make(synthetic, "count", "poisson", {})
    pointwise = log_likelihood(fit)["log_likelihood"]["count"]
    for size in (2**24, 8 * fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"] * 7):
        monkeypatch.setattr("bayes_glmm.predict.pieces._CHUNK_BYTES", size)
        total = total_log_likelihood(fit)
        assert total.dims == ("chain", "draw") and set(total.coords) == {"chain", "draw"}
        np.testing.assert_allclose(total, pointwise.sum("obs"), rtol=1e-12)


def test_weights_multiply_the_log_likelihood(synthetic) -> None:
    data = synthetic.grouped_data(20)
    plain = synthetic.synthetic_fit("y ~ x", data, beta=BETA, sigma=1.0)
    weighted = synthetic.synthetic_fit("weighted(y, size) ~ x", data, beta=BETA, sigma=1.0)
    once, weighed = (log_likelihood(fit)["log_likelihood"]["y"] for fit in (plain, weighted))
    np.testing.assert_allclose(weighed, once * data["size"].to_numpy())


def test_new_rows_need_trials_but_no_response(synthetic) -> None:
    fit = make(synthetic, "p(successes, size)", "binomial", {}, draws=50)
    rows = {"x": [0.0, 0.0], "g": ["g1", "g1"], "size": [1, 1000]}
    values = posterior_predictive(fit, rows, random_seed=1)["posterior_predictive"]["successes"]
    assert float(values.sel(obs=0).max()) == 1.0 and float(values.sel(obs=1).min()) > 100
    with pytest.raises(PredictionError, match="size"):
        posterior_predictive(fit, {"x": [0.0], "g": ["g1"]})


def test_seed_draws_and_refusals(synthetic) -> None:
    fit = make(synthetic, "count", "poisson", {}, draws=50)
    first = posterior_predictive(fit, draws=10, random_seed=1)["posterior_predictive"].to_dataset()
    assert dict(first.sizes) == {"chain": 2, "draw": 10, "obs": 20}
    again = posterior_predictive(fit, draws=10, random_seed=1)["posterior_predictive"].to_dataset()
    assert first.identical(again)
    with pytest.raises(PredictionError, match="Use 'new'"):
        posterior_predictive(fit, random_effects="marginal")
    with pytest.raises(PredictionError, match="50 draws in a chain"):
        posterior_predictive(fit, draws=51)


def test_new_groups_spread_more_than_fitted_ones(synthetic) -> None:
    data = synthetic.grouped_data(20)
    fit = synthetic.synthetic_fit(
        "y ~ x + (1 | g)", data, beta=BETA, sd={"g": [3.0]}, sigma=1.0, spread=0.0, draws=2000
    )
    rows = pd.DataFrame({"x": 0.0, "g": ["g1", "g2"]})
    values = posterior_predictive(fit, rows, random_effects="new", random_seed=1)["posterior_predictive"]["y"]
    np.testing.assert_allclose(values.std(("chain", "draw")), np.sqrt(9 + 1), rtol=0.06)


@pytest.mark.parametrize(
    ("family", "y"),
    [("poisson", "k"), ("negativebinomial1", "k"), ("generalizedpoisson", "k"), ("tweedie", "k"), ("beta", "share"),
     ("inversegaussian", "t"), ("zero_inflated_poisson", "k")],
)  # fmt: skip
def test_responses_of_rows_beyond_any_number_are_drawn(family, y):
    """Where the mean is no number that numpy draws from: counts stand as the largest there is, and are told."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=30), "k": rng.poisson(2, 30), "t": rng.gamma(2, 1, 30)})
    model = bg.GLMM(f"{y} ~ x", data.assign(share=rng.beta(2, 2, 30)), family=family)
    fit = model.fit(method="laplace", draws=5, random_seed=1, progressbar=False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DataWarning)
        drawn = bg.posterior_predictive(fit, {"x": [1e4, -1e4]}, random_seed=1)["posterior_predictive"][y].to_numpy()
    assert (drawn >= 0).all() and not np.isnan(drawn).any()
    whole = drawn.dtype == np.int64
    assert bool(said) == whole
    if whole:
        assert (drawn == np.iinfo(np.int64).max).any() and "greater than 9.2e+18" in str(said[0].message)
