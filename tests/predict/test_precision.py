"""Two kinds of weights: rows that count w times, and rows whose variance is divided by w."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import DataError, DataWarning, FormulaError, PredictionError

#: lme4 1.1-31: lmer(Reaction ~ Days + (1 | Subject), sleepstudy, weights = Days %% 3 + 1).
LME4 = {"Intercept": (249.95070, 9.8249173), "Days": (10.67737, 0.8107347), "sd": 37.45843, "sigma": 40.49917}
FAMILIES = {
    "gaussian": ("y", lambda y, mu, p, w: stats.norm(mu, p["sigma"] / np.sqrt(w)).logpdf(y)),
    "student": ("y", lambda y, mu, p, w: stats.t(p["nu"], mu, p["sigma"] / np.sqrt(w)).logpdf(y)),
    # the mean of n gammas of shape phi is a gamma of shape n phi
    "gamma": ("positive", lambda y, mu, p, w: stats.gamma(p["phi"] * w, scale=mu / (p["phi"] * w)).logpdf(y)),
}


@pytest.fixture(scope="module")
def fits(sleepstudy):
    data = sleepstudy.assign(w=sleepstudy["Days"] % 3 + 1)
    texts = ("precision(Reaction, w) ~ Days + (1 | Subject)", "weighted(Reaction, w) ~ Days + (1 | Subject)")
    return tuple(bg.GLMM(text, data).fit(random_seed=1, progressbar=False) for text in texts)


def test_precisions_are_lme4s_weights(fits) -> None:
    """REML beside a posterior: means within a tenth of a standard error; with 18 subjects the intercept is less sure.

    Its error rests on their sd, which REML takes as known: sqrt(17 / 15), 6 %, and a prior without a mode at its value.
    """
    posterior = fits[0].posterior
    for name in ("Intercept", "Days"):
        draws, (estimate, error) = posterior["beta"].sel(coef=name), LME4[name]
        assert float(draws.mean()) == pytest.approx(estimate, abs=0.1 * error)
        assert float(draws.std()) == pytest.approx(error, rel=0.05 if name == "Days" else 0.12)
    assert float(posterior["sigma"].median()) == pytest.approx(LME4["sigma"], rel=0.02)
    assert float(posterior["sd_Subject"].median()) == pytest.approx(LME4["sd"], rel=0.08)


def test_frequencies_are_repeated_rows(fits, sleepstudy) -> None:
    """Rows that count w times say as much as the rows written w times: an sd of Days smaller by a third."""
    rows = sleepstudy.loc[sleepstudy.index.repeat(sleepstudy["Days"] % 3 + 1)].reset_index(drop=True)
    repeated = bg.GLMM("Reaction ~ Days + (1 | Subject)", rows).fit(random_seed=1, progressbar=False)
    exact, counted = (fit.posterior["beta"].sel(coef="Days") for fit in (repeated, fits[1]))
    assert float(counted.mean()) == pytest.approx(float(exact.mean()), abs=0.1 * float(exact.std()))
    assert float(counted.std()) == pytest.approx(float(exact.std()), rel=0.06)
    assert float(fits[0].posterior["beta"].sel(coef="Days").std()) > 1.3 * float(counted.std())


def test_it_is_said_which_are_in_force(fits) -> None:
    assert "weights: a row's variance is divided by w (precisions; weighted(y, w)" in repr(fits[0].summary())
    assert "weights: a row counts w times (frequencies; precision(y, w)" in repr(fits[1].summary())
    assert "a row's variance is divided by w" in repr(fits[0].model)
    assert r"\operatorname{Normal}(\mu_i, \sigma / \sqrt{\mathrm{w}_i})" in fits[0].model.equation()


def test_a_saved_fit_keeps_its_precisions(fits, tmp_path) -> None:
    fits[0].save(tmp_path / "fit.nc")
    again = bg.load(tmp_path / "fit.nc")
    np.testing.assert_array_equal(again.model.design.precision, fits[0].model.design.frame["w"])
    np.testing.assert_array_equal(again.dt["constant_data"]["precision"], fits[0].model.design.frame["w"])
    assert bg.log_likelihood(again).equals(bg.log_likelihood(fits[0]))


@pytest.fixture(scope="module", params=list(FAMILIES))
def made(request, synthetic):
    y, density = FAMILIES[request.param]
    parameters = {"gamma": {"phi": 3.0}, "gaussian": {"sigma": 1.5}, "student": {"sigma": 1.5, "nu": 5.0}}
    fit = synthetic.synthetic_fit(
        f"precision({y}, size) ~ x + (1 | g)", synthetic.grouped_data(), family=request.param,
        beta={"Intercept": 0.2, "x": 0.1}, sd={"g": [0.3]}, spread=0.02, draws=2000, **parameters[request.param],
    )  # fmt: skip
    return fit, y, density


def test_density_and_responses_of_rows_with_precisions(made) -> None:
    fit, y, density = made
    data, posterior = fit.model.design.frame, fit.posterior
    mu = bg.predictions(fit, draws="dataarray").to_numpy()
    parameters = {name: posterior[name].to_numpy()[..., None] for name in ("sigma", "nu", "phi") if name in posterior}
    exact = density(data[y].to_numpy(), mu, parameters, data["size"].to_numpy())
    np.testing.assert_allclose(bg.log_likelihood(fit)["log_likelihood"][y], exact, rtol=1e-9, atol=1e-10)
    drawn = bg.posterior_predictive(fit, random_seed=1)["posterior_predictive"][y]
    noise = (drawn - mu).std(("chain", "draw")).to_numpy() * np.sqrt(data["size"])
    if "nu" in parameters:
        unit = 1.5 * np.sqrt(5 / 3)
    elif "phi" in parameters:
        unit = mu.mean(axis=(0, 1)) / np.sqrt(3.0)
    else:
        unit = 1.5
    np.testing.assert_allclose(noise / unit, 1.0, atol=0.15)


def test_new_rows_bring_their_precisions(made) -> None:
    fit, y, _ = made
    rows = pd.DataFrame({"x": 0.0, "g": "g1", "size": [1, 100]})
    drawn = bg.posterior_predictive(fit, rows, random_seed=1)["posterior_predictive"][y].std(("chain", "draw"))
    assert float(drawn[0] / drawn[1]) == pytest.approx(10.0, rel=0.1)
    with pytest.raises(PredictionError, match="size"):
        bg.posterior_predictive(fit, rows.drop(columns="size"))
    assert len(bg.predictions(fit, rows.drop(columns="size"))) == 2
    with pytest.warns(DataWarning, match="1 of 2 rows of newdata were dropped: missing values .size in 1 rows"):
        assert bg.posterior_predictive(fit, rows.assign(size=[1, np.nan]))["posterior_predictive"].sizes["obs"] == 1
    with pytest.raises(DataError, match="'size' must be above zero: it holds precisions"):
        bg.posterior_predictive(fit, rows.assign(size=[0, 1]))


@pytest.mark.parametrize(
    ("formula", "family", "advice"),
    [
        ("precision(count, size) ~ x", "poisson", r"add offset\(log\(size\)\)"),
        ("precision(binary, size) ~ x", "bernoulli", r"family='binomial' with p\(successes, size\)"),
        ("precision(positive, size) ~ x", "lognormal", r"family='gaussian' with precision\(log\(positive\), size\)"),
        ("precision(unit, size) ~ x", "beta", "Leave the weights out"),
    ],
)
def test_families_without_a_dispersion_of_their_own(synthetic, formula: str, family: str, advice: str) -> None:
    with pytest.raises(FormulaError, match=f"gaussian, student, skewnormal, gamma. .*{advice}.*weighted"):
        bg.GLMM(formula, synthetic.grouped_data(), family=family)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "link"), [("gamma", "log"), ("gaussian", "log")])
def test_precisions_without_rows_of_their_own_go_through_the_graph(family: str, link: str) -> None:
    """Constant precision c is the same model with c times the phi, or sigma divided by the root of c."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=150), "g": np.resize([f"g{i}" for i in range(15)], 150), "c": 4.0})
    data["y"] = rng.gamma(8.0, np.exp(0.5 + 0.3 * data["x"] + np.repeat(0.0, 150)) / 8.0)
    one, four = (
        bg.GLMM(f"{y} ~ x + (1 | g)", data, family=family, link=link).fit(random_seed=1, progressbar=False).posterior
        for y in ("y", "precision(y, c)")
    )
    np.testing.assert_allclose(four["beta"].mean(("chain", "draw")), one["beta"].mean(("chain", "draw")), atol=0.01)
    name, factor = ("phi", 0.25) if family == "gamma" else ("sigma", 2.0)
    assert float(four[name].mean() / one[name].mean()) == pytest.approx(factor, rel=0.03)
