"""Ordered responses: the PyMC model's density against scipy, its priors, and draws from the prior."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pytensor.compile.mode import Mode
from scipy import special, stats

import bayes_glmm as bg
from bayes_glmm.errors import PriorError

MODE = Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace")
CDF = {"logit": special.expit, "probit": special.ndtr, "cloglog": lambda x: -np.expm1(-np.exp(x))}


def data(rows: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    latent = rng.normal(size=rows)
    codes = np.digitize(latent, [-0.8, 0.1, 1.0])
    return pd.DataFrame(
        {
            "rating": pd.Categorical.from_codes(codes, ["bad", "fair", "good", "best"], ordered=True),
            "x": latent + rng.normal(2.0, 1.0, rows),
            "g": rng.integers(0, 4, rows).astype(str),
            "w": rng.uniform(0.5, 2.0, rows),
        }
    )


@pytest.mark.parametrize("link", CDF)
@pytest.mark.parametrize("center", [True, False])
def test_density_is_the_oracles(link, center):
    table = data()
    priors = {"thresholds": bg.Prior("StudentT", 4, 0.3, 2.0), "beta": bg.Prior("Normal", 0.1, 0.7)}
    priors["sd"] = bg.Prior("Exponential", 1.5)
    model = bg.GLMM("weighted(rating, w) ~ x + (1 | g)", table, family="cumulative", link=link, priors=priors,
                    center=center).to_pymc()  # fmt: skip
    rng = np.random.default_rng(3)
    first, increments, beta = -1.0, np.array([0.2, -0.3]), np.array([0.6])
    z, log_sd = 0.7 * rng.normal(size=(4, 1)), np.array([-0.4])
    name = "thresholds_centered" if center else "thresholds"
    point = {"beta": beta, "sd_g_log__": log_sd, "z_g": z, f"{name}_ordered__": np.array([first, *increments])}
    got = float(model.compile_logp(mode=MODE)(point))

    thresholds = first + np.concatenate([[0.0], np.cumsum(np.exp(increments))])
    x = table["x"].to_numpy() - (table["x"].mean() if center else 0.0)
    sd = np.exp(log_sd)
    eta = beta * x + (sd * z)[table["g"].astype(int), 0]
    cumulative = CDF[link](thresholds - eta[:, None])
    p = np.diff(cumulative, axis=1, prepend=0.0, append=1.0)[np.arange(len(table)), table["rating"].cat.codes]
    expected = (
        np.sum(table["w"] * np.log(p))
        + stats.t.logpdf(thresholds, 4, 0.3, 2.0).sum()
        + increments.sum()
        + stats.norm.logpdf(beta, 0.1, 0.7).sum()
        + stats.expon.logpdf(sd, scale=1 / 1.5).sum()
        + log_sd.sum()
        + stats.norm.logpdf(z).sum()
    )
    assert got == pytest.approx(expected, rel=1e-12)


def test_two_categories_are_a_binary_response():
    """P(y > 1) = G(eta - threshold): the bernoulli model with intercept -threshold, for symmetric links."""
    table = data().assign(y=lambda d: (d["rating"] > "fair").astype(int))
    flat = bg.Prior("Flat")
    ordered = bg.GLMM("y ~ x", table, family="cumulative", priors={"thresholds": flat, "beta": flat}).to_pymc()
    binary = bg.GLMM("y ~ x", table, family="bernoulli", priors={"Intercept": flat, "beta": flat}).to_pymc()
    ours = ordered.compile_logp(mode=MODE)({"beta": np.array([0.4]), "thresholds_centered_ordered__": np.array([0.7])})
    theirs = binary.compile_logp(mode=MODE)({"beta_centered": np.array([-0.7, 0.4])})
    assert float(ours) == pytest.approx(float(theirs), rel=1e-12)


def test_prior_table_and_keys():
    model = bg.GLMM("rating ~ x", data(), family="cumulative")
    row = model.priors.set_index("parameter").loc["thresholds"]
    assert (row["prior"], row["source"]) == ("Normal(mu=0, sigma=2.5)", "default")
    assert "Intercept" not in set(model.priors["parameter"])
    with pytest.raises(PriorError, match="any numbers.*Gamma"):
        bg.GLMM("rating ~ x", data(), family="cumulative", priors={"thresholds": bg.Prior("Gamma", 2, 1)})
    with pytest.raises(PriorError, match="'Intercept'.*thresholds"):
        bg.GLMM("rating ~ x", data(), family="cumulative", priors={"Intercept": bg.Prior("Normal", 0, 1)})


def test_prior_draws_are_increasing_and_have_the_order_statistics_of_the_prior():
    prior = bg.Prior("Normal", 1.0, 2.0)
    model = bg.GLMM("rating ~ 1", data(), family="cumulative", priors={"thresholds": prior})
    tree = model.sample_prior(draws=4000, random_seed=2)
    thresholds = tree["prior"]["thresholds"]
    assert thresholds.dims == ("chain", "draw", "threshold")
    assert list(thresholds["threshold"].values) == ["bad|fair", "fair|good", "good|best"]
    values = thresholds.values[0]
    assert np.all(np.diff(values, axis=1) > 0)
    # expected order statistics of three standard normals: 0 and +-3 / (2 sqrt(pi)) (Jones 1948)
    expected = 1.0 + 2.0 * np.array([-1, 0, 1]) * 1.5 / np.sqrt(np.pi)
    assert np.all(np.abs(values.mean(axis=0) - expected) < 5 * values.std(axis=0) / np.sqrt(4000))
    assert set(np.unique(tree["prior_predictive"]["rating"].values)) == {0, 1, 2, 3}
