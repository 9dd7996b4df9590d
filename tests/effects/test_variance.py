"""Variance components, intraclass correlations and R^2: closed forms, brute force, other people's figures."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special

import bayes_glmm as bg
from bayes_glmm.effects.icc import icc
from bayes_glmm.effects.r2 import r2
from bayes_glmm.effects.variance_components import variance_components
from bayes_glmm.errors import PredictionError

BETA = {"Intercept": 0.3, "x": 0.25}
#: family -> response, link -> auxiliary parameters
CASES = [
    ("gaussian", "identity", "y", {"sigma": 1.3}),
    ("gaussian", "log", "positive", {"sigma": 1.3}),
    ("student", "identity", "y", {"sigma": 1.1, "nu": 5.0}),
    ("bernoulli", "logit", "binary", {}),
    ("bernoulli", "probit", "binary", {}),
    ("binomial", "cloglog", "p(successes, size)", {}),
    ("poisson", "log", "count", {}),
    ("poisson", "sqrt", "count", {}),
    ("negativebinomial", "log", "count", {"phi": 2.5}),
    ("gamma", "log", "positive", {"phi": 3.0}),
    ("lognormal", "identity", "positive", {"sigma": 0.7}),
    ("beta", "logit", "unit", {"phi": 6.0}),
]


def draws_of(array) -> np.ndarray:
    """(S, quantities)."""
    return array.to_numpy().reshape(-1, array.sizes["quantity"])


def make(synthetic, family, link, response, parameters, formula="x + (1 | g) + (1 | h)", **options):
    data = synthetic.grouped_data()
    data["h"] = np.resize(list("pqrst"), len(data))
    settings = {"beta": BETA, "sd": {"g": [0.6], "h": [0.4]}, "spread": 0.05, "draws": 2} | options
    return synthetic.synthetic_fit(f"{response} ~ {formula}", data, family=family, link=link, **settings, **parameters)


@pytest.mark.parametrize(("family", "link", "response", "parameters"), CASES)
def test_response_scale_against_simulation(synthetic, family, link, response, parameters):
    """Responses drawn at random: total variance, and the covariance of responses that share g or h only."""
    fit = make(synthetic, family, link, response, parameters, spread=0.0)
    rows = fit.model.design.frame.iloc[[0]]
    table = variance_components(fit, rows, scale="response").set_index(["component", "group"])["estimate"]
    shared = icc(fit, rows, scale="response").set_index("group")["estimate"]
    rng = np.random.default_rng(3)
    n = 400_000
    family_record, link_record = fit.model.spec.family, fit.model.spec.link
    eta = BETA["Intercept"] + BETA["x"] * rows["x"].item()

    def responses(g, h):
        mu = link_record.inverse(eta + g + h)
        return family_record.simulate(rng, mu, parameters, None if family != "binomial" else np.ones(n))

    g, h = 0.6 * rng.standard_normal(n), 0.4 * rng.standard_normal(n)
    y = responses(g, h)
    same_g, same_h = responses(g, 0.4 * rng.standard_normal(n)), responses(0.6 * rng.standard_normal(n), h)
    both = responses(g, h)
    total = table.sum()

    def check(ours, sample):
        assert abs(ours - sample.mean()) < 4 * sample.std() / math.sqrt(n)

    check(total, (y - y.mean()) ** 2)
    check(table["random", "g"], (y - y.mean()) * (same_g - same_g.mean()))
    check(table["random", "h"], (y - y.mean()) * (same_h - same_h.mean()))
    check(table["random"].sum(), (y - y.mean()) * (both - both.mean()))
    assert shared["g"] == pytest.approx(table["random", "g"] / total, rel=1e-12)
    assert shared["(all)"] == pytest.approx(table["random"].sum() / total, rel=1e-12)
    assert table["fixed", ""] == 0.0


def test_counts_have_leckies_closed_forms(synthetic):
    """Leckie et al. 2020, three-level negative binomial: VPCs from mean, variances and overdispersion."""
    fit = make(synthetic, "negativebinomial", "log", "count", {"phi": 2.5})
    row = {"x": [0.8], "size": [1]}
    values = draws_of(icc(fit, row, scale="response", draws="dataarray"))
    flat = {name: fit.posterior[name].to_numpy().reshape(-1) for name in ("sd_g", "sd_h", "phi")}
    beta = fit.posterior["beta"].to_numpy().reshape(-1, 2)
    g2, h2, alpha = flat["sd_g"] ** 2, flat["sd_h"] ** 2, 1 / flat["phi"]
    mean = np.exp(beta @ [1, 0.8] + (g2 + h2) / 2)
    between_g, between_h = mean**2 * np.expm1(g2), mean**2 * np.expm1(h2)
    both = mean**2 * np.expm1(g2 + h2)
    within = mean + mean**2 * np.exp(g2 + h2) * alpha
    expected = np.stack([between_g, between_h, both], axis=1) / (both + within)[:, None]
    np.testing.assert_allclose(values, expected, rtol=1e-7)


@pytest.mark.parametrize("family", ["poisson", "negativebinomial"])
@pytest.mark.parametrize("levels", [2, 3])
def test_nested_counts_have_leckies_closed_forms(synthetic, family, levels):
    """Leckie et al. 2020, equations of two- and three-level models: u of level 2 within v of level 3.

    The variance of level 3 is m^2 (e^v - 1), of level 2 m^2 e^v (e^u - 1), of level 1 m + m^2 e^(u + v) / phi, with m
    the mean e^(eta + (u + v) / 2) and 1 / phi zero for the Poisson.
    """
    data = synthetic.grouped_data()
    data["h"] = np.resize(list("pq"), len(data))
    data["h"] = data["h"].where(np.arange(len(data)) % 12 < 6, data["h"].str.upper())
    sd = {"g": [0.8], "g:h": [0.5]} if levels == 3 else {"g": [0.8]}
    parameters = {"phi": 2.5} if family == "negativebinomial" else {}
    fit = synthetic.synthetic_fit(
        f"count ~ x + {'(1 | g/h)' if levels == 3 else '(1 | g)'}", data, family=family, beta=BETA, sd=sd, spread=0.0,
        draws=1, **parameters,
    )  # fmt: skip
    row = {"x": 0.8, "g": "g1", "h": "p"}
    v, u = 0.8**2, 0.5**2 if levels == 3 else 0.0
    m = math.exp(BETA["Intercept"] + 0.8 * BETA["x"] + (u + v) / 2)
    third, second = m**2 * math.expm1(v), m**2 * math.exp(v) * math.expm1(u)
    first = m + (m**2 * math.exp(u + v) / 2.5 if parameters else 0.0)
    total = first + second + third
    table = icc(fit, row, scale="response").set_index("group")["estimate"]
    assert table["g"] == pytest.approx(third / total, rel=1e-7)
    components = variance_components(fit, row, scale="response").set_index(["component", "group"])
    assert components.loc[("residual", ""), "share"] == pytest.approx(first / total, rel=1e-7)
    if levels == 3:
        assert table["(all)"] == pytest.approx((second + third) / total, rel=1e-7)
        assert table["(all)"] - table["g"] == pytest.approx(second / total, rel=1e-6)
        assert table["g:h"] == pytest.approx(m**2 * math.expm1(u) / total, rel=1e-7)  # less than the level-2 VPC
        latent = icc(fit, row).set_index("group")["estimate"]
        assert latent["(all)"] == pytest.approx(latent["g"] + latent["g:h"], rel=1e-12)


def test_the_probability_of_binary_responses_is_bivariate(synthetic):
    """Goldstein, Browne, Rasbash 2002 for probit: E[p^2] is a bivariate normal probability."""
    from scipy.stats import multivariate_normal

    fit = make(synthetic, "bernoulli", "probit", "binary", {}, formula="x + (1 | g)", sd={"g": [0.9]})
    value = draws_of(icc(fit, {"x": [1.2]}, scale="response", draws="dataarray"))[:, 0]
    sd, beta = (fit.posterior[name].to_numpy().reshape(4, -1) for name in ("sd_g", "beta"))
    for i in range(4):
        v, eta = sd[i, 0] ** 2, beta[i] @ [1, 1.2]
        p = special.ndtr(eta / math.sqrt(1 + v))
        both = multivariate_normal(cov=[[1, v / (1 + v)], [v / (1 + v), 1]]).cdf([eta / math.sqrt(1 + v)] * 2)
        assert value[i] == pytest.approx((both - p**2) / (p * (1 - p)), rel=1e-5)


def test_latent_scale(synthetic):
    """Residual variances of Nakagawa, Johnson and Schielzeth 2017, table 1 and equations 5.8 to 6.9."""
    residual = {}
    for family, link, response, parameters in CASES:
        fit = make(synthetic, family, link, response, parameters, spread=0.0)
        table = variance_components(fit).set_index(["component", "group"])["estimate"]
        x = fit.model.design.frame["x"]
        assert table["fixed", ""] == pytest.approx(0.25**2 * x.var(ddof=1))
        assert table["random", "g"] == pytest.approx(0.36)
        residual[family, link] = table["residual", ""], fit
    means = {
        key: bg.avg_predictions(fit, random_effects="marginal")["estimate"].item() for key, (_, fit) in residual.items()
    }
    expected = {
        ("gaussian", "identity"): 1.3**2,
        ("gaussian", "log"): math.log1p(1.3**2 / means["gaussian", "log"] ** 2),
        ("student", "identity"): 1.1**2 * 5 / 3,
        ("bernoulli", "logit"): math.pi**2 / 3,
        ("bernoulli", "probit"): 1.0,
        ("binomial", "cloglog"): math.pi**2 / 6,
        ("poisson", "log"): math.log1p(1 / means["poisson", "log"]),
        ("poisson", "sqrt"): 0.25,
        ("negativebinomial", "log"): math.log1p(1 / means["negativebinomial", "log"] + 1 / 2.5),
        ("gamma", "log"): math.log1p(1 / 3.0),
        ("lognormal", "identity"): 0.7**2,
        ("beta", "logit"): 1 / (means["beta", "logit"] * (1 - means["beta", "logit"]) * 7.0),
    }
    assert {key: value for key, (value, _) in residual.items()} == pytest.approx(expected, rel=1e-9)


def test_ordered_responses_have_a_latent_scale_only():
    data = bg.load_dataset("VerbAgg").iloc[::20]
    fit = bg.GLMM("resp ~ btype + (1 | item)", data, family="cumulative").fit(
        method="laplace", random_seed=1, progressbar=False
    )
    table = variance_components(fit).set_index("component")["estimate"]
    assert table["residual"] == pytest.approx(math.pi**2 / 3)
    assert r2(fit)["measure"].tolist() == ["nakagawa", "nakagawa"]
    with pytest.raises(PredictionError, match="categories have no variance"):
        variance_components(fit, scale="response")


def test_random_slopes_are_averaged_over_rows_or_at_stated_x(synthetic):
    """Johnson 2014: z' Sigma z."""
    data = synthetic.grouped_data()
    fit = synthetic.synthetic_fit(
        "y ~ x + (x | g)", data, beta=BETA, sd={"g": [0.6, 0.3]}, corr={"g": -0.4}, sigma=1.0, spread=0.0, draws=1
    )

    def variance(x):
        return 0.36 + 2 * -0.4 * 0.18 * x + 0.09 * np.square(x)

    averaged = variance(data["x"]).mean()
    assert icc(fit)["estimate"].item() == pytest.approx(averaged / (averaged + 1))
    assert icc(fit, scale="response")["estimate"].item() == pytest.approx(averaged / (averaged + 1))
    stated = variance(2.0) / (variance(2.0) + 1)
    assert icc(fit, {"x": [2.0]})["estimate"].item() == pytest.approx(stated)
    assert icc(fit, {"x": [2.0]}, scale="response")["estimate"].item() == pytest.approx(stated)


@pytest.mark.parametrize(("family", "link", "response", "parameters"), CASES)
def test_r2_lies_between_0_and_1_and_groups_add(synthetic, family, link, response, parameters):
    fit = make(synthetic, family, link, response, parameters, draws=30)
    values = draws_of(r2(fit, draws="dataarray"))
    assert values.shape[1] == 4
    assert (values >= 0).all() and (values <= 1).all()
    assert (values[:, 1] > values[:, 0]).all()


def test_r2_of_a_gaussian_model_is_the_textbooks(synthetic):
    fit = make(synthetic, "gaussian", "identity", "y", {"sigma": 1.3})
    table = r2(fit, draws="dataarray")
    values = draws_of(table)
    x = fit.model.design.frame["x"].to_numpy()
    beta = fit.posterior["beta"].to_numpy().reshape(-1, 2)
    g2, h2, s2 = (fit.posterior[n].to_numpy().reshape(-1) ** 2 for n in ("sd_g", "sd_h", "sigma"))
    fixed = beta[:, 1] ** 2 * x.var(ddof=1)
    np.testing.assert_allclose(values[:, 0], fixed / (fixed + g2 + h2 + s2), rtol=1e-9)
    np.testing.assert_allclose(values[:, 1], (fixed + g2 + h2) / (fixed + g2 + h2 + s2), rtol=1e-9)
    np.testing.assert_allclose(values[:, 2], values[:, 0], rtol=1e-7)
    fitted = bg.predictions(fit, draws="dataarray").to_numpy().reshape(-1, len(x)).var(axis=1, ddof=1)
    np.testing.assert_allclose(values[:, 3], fitted / (fitted + s2), rtol=1e-9)


def test_proportions_have_the_noise_of_their_trials(synthetic):
    fit = make(synthetic, "binomial", "logit", "p(successes, size)", {})
    values = draws_of(r2(fit, draws="dataarray"))
    mu = bg.predictions(fit, draws="dataarray").to_numpy().reshape(len(values), -1)
    noise = (mu * (1 - mu) / fit.model.design.frame["size"].to_numpy()).mean(axis=1)
    fitted = mu.var(axis=1, ddof=1)
    np.testing.assert_allclose(values[:, 3], fitted / (fitted + noise), rtol=1e-9)


def test_heavy_tails_without_a_variance_explain_nothing(synthetic):
    fit = make(synthetic, "student", "identity", "y", {"sigma": 1.0, "nu": 1.5}, spread=0.0)
    table = variance_components(fit, scale="response").set_index("component")
    assert table.loc["residual", "estimate"] == math.inf
    assert table.loc["residual", "share"] == 1.0
    assert (icc(fit)["estimate"] == 0).all()


def test_arguments_are_checked(synthetic):
    fit = make(synthetic, "poisson", "log", "count", {})
    with pytest.raises(PredictionError, match="'latnt' is not known.*latent"):
        variance_components(fit, scale="latnt")
    with pytest.raises(PredictionError, match="'frame' is not known"):
        icc(fit, draws="frame")
    alone = synthetic.synthetic_fit("y ~ x", synthetic.grouped_data(), beta=BETA, sigma=1.0)
    with pytest.raises(PredictionError, match="no grouping factor"):
        icc(alone)
    assert variance_components(alone)["component"].tolist() == ["fixed", "residual"]


def test_order_of_rows_and_the_chunks_change_nothing(synthetic, monkeypatch):
    from bayes_glmm.predict import pieces

    fit = make(synthetic, "bernoulli", "logit", "binary", {})
    first = variance_components(fit, scale="response")
    rows = fit.model.design.frame.sample(frac=1.0, random_state=1)
    other = variance_components(fit, rows, scale="response")
    monkeypatch.setattr(pieces, "_CHUNK_BYTES", 200)
    chunked = variance_components(fit, scale="response")
    for table in (other, chunked):
        pd.testing.assert_frame_equal(first, table, check_exact=False, rtol=1e-9)


#: Estimates of lme4 1.1-31 (glmmTMB 1.1.5 for the negative binomial) and what R makes of them: marginal and conditional
#: R^2 and ICC of performance 0.10.2; for counts the null model's formulas in the supplement of Nakagawa, Johnson and
#: Schielzeth 2017 (lambda = exp(b0 + sd^2 / 2); this version of performance leaves the sd out).
FIGURES = {
    "sleepstudy": (
        ("Reaction ~ Days + (Days | Subject)", "gaussian"),
        {
            "beta": {"Intercept": 251.405105, "Days": 10.467286},
            "sd": {"Subject": [24.7406580, 5.9221377]},
            "corr": {"Subject": 0.065551},
            "sigma": 25.5917957,
        },
        (0.278651058, 0.799219923, 0.721660260),
    ),
    "Penicillin": (
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "gaussian"),
        {
            "beta": {"Intercept": 22.9722222},
            "sd": {"plate": [0.84670251], "sample": [1.93161379]},
            "sigma": 0.54992268,
        },
        (0.0, 0.93633975, 0.93633975),
    ),
    "cbpp": (
        ("p(incidence, size) ~ period + (1 | herd)", "binomial"),
        {
            "beta": {
                "Intercept": -1.398342864, "period[2]": -0.991924975, "period[3]": -1.128216216,
                "period[4]": -1.579745414,
            },
            "sd": {"herd": [0.64206993]},
        },
        (0.0853631687, 0.1872135425, 0.111356082),
    ),
    "epil": (
        ("y ~ 1 + (1 | subject)", "negativebinomial"),
        {"beta": {"Intercept": 1.638583152}, "sd": {"subject": [0.855214650**0.5]}, "phi": 7.20546968},
        (0.0, 0.784137938, 0.784137938),
    ),
    "epil, Poisson": (
        ("y ~ 1 + (1 | subject)", "poisson"),
        {"beta": {"Intercept": 1.621309809}, "sd": {"subject": [0.889834950**0.5]}},
        (0.0, 0.881814941, 0.881814941),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_other_peoples_figures(synthetic, name):
    (formula, family), estimates, (marginal, conditional, correlation) = FIGURES[name]
    data = bg.load_dataset(name.split(",")[0])
    fit = synthetic.synthetic_fit(formula, data, family=family, spread=0.0, draws=1, **estimates)
    table = r2(fit).set_index(["measure", "kind"])["estimate"]
    assert table["nakagawa", "marginal"] == pytest.approx(marginal, abs=2e-6)
    assert table["nakagawa", "conditional"] == pytest.approx(conditional, abs=2e-6)
    assert icc(fit)["estimate"].iloc[-1] == pytest.approx(correlation, abs=2e-6)
