"""Marginal effects by independent routes: GEE on simulated data, adaptive quadrature, brute force, coverage."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError
from bayes_glmm.links import LINKS

BETA = {"Intercept": 0.9, "x": 0.3, "f[b]": 0.4, "f[c]": -0.2}
#: link -> family, response
AVERAGED = {
    "logit": ("bernoulli", "binary"),
    "probit": ("bernoulli", "binary"),
    "cloglog": ("binomial", "p(successes, size)"),
    "log": ("negativebinomial", "count"),
    "identity": ("gaussian", "y"),
    "sqrt": ("poisson", "count"),
}
STRUCTURES = {
    "intercepts": ("(1 | g)", {"g": [0.9]}, {}),
    "slopes": ("(x | g)", {"g": [0.7, 0.3]}, {"g": -0.4}),
    "crossed": ("(1 | g) + (1 | h)", {"g": [0.6], "h": [0.8]}, {}),
}


def values(array) -> np.ndarray:
    return array.to_numpy().reshape(-1, array.sizes["obs"])


def by_quad(link, eta, variance):
    """Average an inverse link over N(eta, variance) by adaptive quadrature."""
    sd = math.sqrt(variance)

    def integrand(z):
        return float(LINKS[link].inverse(np.float64(eta + sd * z))) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    return integrate.quad(integrand, -14, 14, epsabs=0, epsrel=1e-11, limit=400, points=[-2, 0, 2])[0]


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("link", AVERAGED)
def test_marginal_effects_by_adaptive_quadrature(synthetic, link, structure):
    bars, sd, corr = STRUCTURES[structure]
    family, response = AVERAGED[link]
    data = synthetic.grouped_data(rows=24)
    fit = synthetic.synthetic_fit(
        f"{response} ~ x + f + {bars}", data, family=family, link=link, beta=BETA, sd=sd, corr=corr, spread=0.0,
        draws=1, **{"negativebinomial": {"phi": 2.0}, "gaussian": {"sigma": 1.0}}.get(family, {}),
    )  # fmt: skip
    design = fit.model.design
    beta = np.array(list(BETA.values()))

    def averaged(x):
        """Per row, with x in the place of the data's."""
        X = design.X.copy()
        X[:, 1] = x
        if structure == "slopes":
            variance = 0.49 + 2 * -0.4 * 0.21 * x + 0.09 * np.square(x)
        else:
            variance = np.full(len(x), sum(s[0] ** 2 for s in sd.values()))
        return np.array([by_quad(link, eta, v) for eta, v in zip(X @ beta, variance, strict=True)])

    x = data["x"].to_numpy()
    mean = averaged(x)
    got = values(bg.predictions(fit, random_effects="marginal", draws="dataarray"))[0]
    np.testing.assert_allclose(got, mean, rtol=1e-8)
    step = values(bg.comparisons(fit, "x", random_effects="marginal", draws="dataarray"))[0]
    np.testing.assert_allclose(step, averaged(x + 1) - mean, rtol=1e-6, atol=1e-9)
    slope = values(bg.slopes(fit, "x", random_effects="marginal", draws="dataarray"))[0]
    numerical = (averaged(x + 1e-3) - averaged(x - 1e-3)) / 2e-3
    np.testing.assert_allclose(slope, numerical, rtol=2e-5, atol=1e-7)
    exact = np.linalg.lstsq(design.X, LINKS[link].link(mean), rcond=None)[0]
    np.testing.assert_allclose(bg.marginal_coefficients(fit)["marginal"], exact, rtol=1e-6, atol=1e-9)


def test_the_inverse_link_has_no_average(synthetic):
    fit = synthetic.synthetic_fit(
        "positive ~ x + (1 | g)", synthetic.grouped_data(), family="gamma", link="inverse",
        beta={"Intercept": 5.0, "x": 0.1}, sd={"g": [0.2]}, phi=2.0, spread=0.0,
    )  # fmt: skip
    with pytest.raises(PredictionError, match="does not exist with the inverse link"):
        bg.marginal_coefficients(fit)


def test_without_fixed_coefficients_there_are_none_to_average(synthetic):
    fit = synthetic.synthetic_fit("y ~ 0 + (1 | g)", synthetic.grouped_data(), beta={}, sd={"g": [0.2]}, sigma=1.0)
    with pytest.raises(PredictionError, match="no fixed coefficients"):
        bg.marginal_coefficients(fit)


def test_lognormal_and_random_slopes_by_brute_force(synthetic):
    rng, n = np.random.default_rng(8), 1_000_000
    data = synthetic.grouped_data()
    lognormal = synthetic.synthetic_fit(
        "positive ~ x + (1 | g)", data, family="lognormal", beta={"Intercept": 0.2, "x": 0.1}, sd={"g": [0.6]},
        sigma=0.5, spread=0.0, draws=1,
    )  # fmt: skip
    ours = values(bg.predictions(lognormal, {"x": [1.5]}, random_effects="marginal", draws="dataarray"))[0, 0]
    y = np.exp(0.35 + 0.6 * rng.standard_normal(n) + 0.5 * rng.standard_normal(n))
    assert abs(ours - y.mean()) < 4 * y.std() / math.sqrt(n)
    slopes = synthetic.synthetic_fit(
        "binary ~ x + (x | g)", data, family="bernoulli", beta={"Intercept": -1.0, "x": 0.5}, sd={"g": [0.9, 0.4]},
        corr={"g": 0.5}, spread=0.0, draws=1,
    )  # fmt: skip
    ours = values(bg.predictions(slopes, {"x": [2.0]}, random_effects="marginal", draws="dataarray"))[0, 0]
    u = rng.multivariate_normal([0, 0], [[0.81, 0.18], [0.18, 0.16]], n)
    p = special.expit(u[:, 0] + 2.0 * u[:, 1])
    assert abs(ours - p.mean()) < 4 * p.std() / math.sqrt(n)


#: sigma, eta, p: logit-normal integrals to seven digits, of the project's reference file of marginal attenuation.
LOGIT_NORMAL = [
    (0.5, -3, 0.05266995), (1, -1, 0.3032653), (1, 3, 0.9306761), (2, 0.5, 0.5752425), (4.0066, -3, 0.246869),
    (4.0066, 1, 0.5902684),
]  # fmt: skip


@pytest.mark.parametrize(("sigma", "eta", "p"), LOGIT_NORMAL)
def test_published_logit_normal_integrals(synthetic, sigma, eta, p):
    fit = synthetic.synthetic_fit(
        "binary ~ 1 + (1 | g)", synthetic.grouped_data(), family="bernoulli", beta={"Intercept": eta},
        sd={"g": [sigma]}, spread=0.0, draws=1,
    )  # fmt: skip
    assert bg.avg_predictions(fit, random_effects="marginal")["estimate"].item() == pytest.approx(p, rel=2e-6)


@pytest.mark.parametrize("mode", ["conditional", "typical", "marginal"])
def test_row_order_index_and_weights(synthetic, mode):
    data = synthetic.grouped_data()
    fit = synthetic.synthetic_fit(
        "p(successes, size) ~ x + f + (x | g)", data, family="binomial", beta=BETA, sd={"g": [0.7, 0.3]}
    )
    data.index = [f"row {i // 2}" for i in range(len(data))]  # text, with duplicates
    shuffled = data.sample(frac=1.0, random_state=2)
    order = data.reset_index().sample(frac=1.0, random_state=2).index
    first, second = (bg.predictions(fit, rows, random_effects=mode) for rows in (data, shuffled))
    assert list(second.index) == list(shuffled.index)
    np.testing.assert_allclose(first["estimate"].to_numpy()[order], second["estimate"], rtol=1e-12)
    weighted = data.reset_index(drop=True).assign(w=np.random.default_rng(3).integers(0, 4, len(data)))
    repeated = weighted.loc[weighted.index.repeat(weighted["w"])]
    calls = (
        lambda rows, **o: bg.avg_predictions(fit, rows, random_effects=mode, **o),
        lambda rows, **o: bg.avg_predictions(fit, rows, by="f", random_effects=mode, **o),
        lambda rows, **o: bg.avg_comparisons(fit, "f", newdata=rows, comparison="odds_ratio", random_effects=mode, **o),
        lambda rows, **o: bg.avg_slopes(fit, "x", newdata=rows, random_effects=mode, **o),
    )
    for call in calls:
        np.testing.assert_allclose(
            call(weighted, weights="w")[["estimate", "sd"]], call(repeated)[["estimate", "sd"]], rtol=1e-9
        )
    with pytest.raises(PredictionError, match="weights: .*no column 'v'"):
        bg.avg_predictions(fit, weighted, weights="v")
    with pytest.raises(PredictionError, match="not negative"):
        bg.avg_predictions(fit, weighted.assign(w=-1.0), weights="w")
    with pytest.raises(PredictionError, match="weight zero"):
        bg.avg_predictions(fit, weighted.assign(w=0), weights="w")
    with pytest.raises(PredictionError, match="give by="):
        bg.predictions(fit, weighted, weights="w")


# data simulated from the model ---------------------------------------------------------------------------------------

GEE = {
    "logit": ("bernoulli", "Binomial", "Logit", -0.5),
    "probit": ("bernoulli", "Binomial", "Probit", -0.3),
    "log": ("poisson", "Poisson", "Log", 0.3),
    "identity": ("gaussian", "Gaussian", "Identity", 0.5),
}


def clustered(rng, link, intercept, groups=300, rows=8, sd=1.2):
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(groups)], rows)})
    data["x"], data["z"] = rng.integers(0, 2, len(data)), rng.normal(size=len(data))
    eta = intercept + 0.8 * data["x"] - 0.4 * data["z"] + np.repeat(sd * rng.standard_normal(groups), rows)
    mean = LINKS[link].inverse(eta)
    if link in ("logit", "probit"):
        return data.assign(y=rng.binomial(1, mean))
    return data.assign(y=rng.poisson(mean) if link == "log" else rng.normal(mean, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("link", GEE)
def test_generalized_estimating_equations_agree(link):
    """A GEE (exchangeable, robust) estimates the population-averaged model without a word of random effects."""
    sm = pytest.importorskip("statsmodels.api")
    family, theirs, link_name, intercept = GEE[link]
    data = clustered(np.random.default_rng(11), link, intercept, sd=0.6 if link == "log" else 1.2)
    gee = sm.GEE.from_formula(
        "y ~ x + z", "g", data, cov_struct=sm.cov_struct.Exchangeable(),
        family=getattr(sm.families, theirs)(getattr(sm.families.links, link_name)()),
    ).fit()  # fmt: skip
    fit = bg.GLMM("y ~ x + z + (1 | g)", data, family=family, link=link).fit(random_seed=1, progressbar=False)
    table = bg.marginal_coefficients(fit)
    distance = {name: (table["marginal"][name] - gee.params[name]) / gee.bse[name] for name in ("Intercept", "x", "z")}
    print(link, {name: round(value, 2) for name, value in distance.items()}, "standard errors")
    assert max(abs(value) for value in distance.values()) < 1
    if link in ("logit", "probit"):
        for name in ("x", "z"):
            assert abs(table["conditional"][name]) - abs(gee.params[name]) > 1.5 * gee.bse[name]
    eta = gee.params["Intercept"] + gee.params["z"] * data["z"]
    inverse = LINKS[link].inverse
    difference = (inverse(eta + gee.params["x"]) - inverse(eta)).mean()
    ours = bg.avg_comparisons(fit, {"x": (0, 1)}, random_effects="marginal").iloc[0]
    assert abs(ours["estimate"] - difference) < ours["sd"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
def test_intervals_of_the_marginal_risk_difference_cover():
    """400 simulated data sets: 90 % intervals cover the truth within the binomial's 99 % bounds."""
    sd, hits = 1.2, 0
    truth = by_quad("logit", 0.5, sd**2) - by_quad("logit", -0.5, sd**2)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(40)], 10), "x": np.tile([0, 1], 200)})
        u = np.repeat(sd * rng.standard_normal(40), 10)
        data["y"] = rng.binomial(1, special.expit(-0.5 + data["x"] + u))
        fit = bg.GLMM("y ~ x + (1 | g)", data, family="bernoulli").fit(draws=500, random_seed=seed, progressbar=False)
        row = bg.avg_comparisons(fit, {"x": (0, 1)}, random_effects="marginal", ci_prob=0.9).iloc[0]
        hits += row["lower"] <= truth <= row["upper"]
    print(f"{hits} of 400 intervals cover {truth:.4f}")
    low, high = stats.binom.ppf([0.005, 0.995], 400, 0.9)
    assert low <= hits <= high
