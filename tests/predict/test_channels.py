"""Predictions where parameters have formulas: the mean of the whole distribution, under all four meanings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError
from bayes_glmm.families import FAMILIES
from bayes_glmm.predict.expected import expected, row_predictor
from bayes_glmm.predict.joint import enters_mean

MEANINGS = ("conditional", "typical", "marginal", "new")


@pytest.fixture(scope="module")
def zip_fit(synthetic):
    """Effects of g on the mean and on zi, correlated."""
    return synthetic.synthetic_fit(
        "count ~ x + (1 | p | g)",
        synthetic.grouped_data(),
        family="zero_inflated_poisson",
        dpar_formulas={"zi": "~ f + (1 | p | g)"},
        beta={"Intercept": 0.5, "x": 0.1, "zi_Intercept": -0.5, "zi_f[b]": 0.7, "zi_f[c]": -0.4},
        sd={"g": [0.6, 1.1]},
        corr={"g": -0.5},
        spread=0.05,
    )


def parts(fit):
    """Linear predictors (S, rows) of the mean and of zi without the groups, and the draws of the covariance."""
    design, posterior = fit.model.design, fit.posterior
    beta = posterior["beta"].to_numpy().reshape(-1, len(design.coefs))
    X, own = design.X, np.array(design.channels) == 0
    sd = posterior["sd_g"].to_numpy().reshape(-1, 2)
    corr = posterior["corr_g"].to_numpy().reshape(-1, 2, 2)
    return beta[:, own] @ X[:, own].T, beta[:, ~own] @ X[:, ~own].T, sd[:, :, None] * corr * sd[:, None, :]


def test_conditional_and_typical_means_are_written_out(zip_fit):
    mean, zi, _ = parts(zip_fit)
    b = zip_fit.posterior["b_g"].to_numpy().reshape(len(mean), -1, 2)[:, zip_fit.model.design.groups[0].codes]
    for meaning, u in (("conditional", b), ("typical", np.zeros_like(b))):
        wanted = np.exp(mean + u[..., 0]) * special.expit(-(zi + u[..., 1]))
        found = expected(zip_fit, random_effects=meaning).to_numpy().reshape(wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        shares = expected(zip_fit, random_effects=meaning, scale="zi").to_numpy().reshape(wanted.shape)
        np.testing.assert_allclose(shares, special.expit(zi + u[..., 1]), rtol=1e-12)


def test_the_average_over_correlated_effects_has_two_dimensions(zip_fit):
    """Of a few rows and draws, beside a Gauss-Hermite product rule of 60 nodes; E[exp(u) s] is not E[exp(u)] E[s]."""
    mean, zi, covariance = parts(zip_fit)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    both = (weights[:, None] * weights) / np.square(weights.sum())
    found = expected(zip_fit, random_effects="marginal").to_numpy().reshape(mean.shape)
    for draw, row in ((0, 0), (3, 7), (50, 31)):
        root = np.linalg.cholesky(covariance[draw])
        u = root @ np.array([np.repeat(nodes, 60), np.tile(nodes, 60)])
        values = np.exp(mean[draw, row] + u[0]) * special.expit(-(zi[draw, row] + u[1]))
        assert found[draw, row] == pytest.approx(np.sum(both.ravel() * values), rel=1e-7)
    apart = expected(zip_fit, random_effects="marginal", scale="mu") * (
        1.0 - expected(zip_fit, random_effects="marginal", scale="zi")
    )
    assert np.all(found > 1.05 * apart.to_numpy().reshape(found.shape))  # negative correlation: many where few are zero


def test_new_levels_have_the_same_draw_in_every_parameter(zip_fit):
    """Averages over many new levels are the integral."""
    marginal = bg.avg_predictions(zip_fit, random_effects="marginal")["estimate"].item()
    rows = zip_fit.model.design.frame.iloc[:1]
    many = rows.loc[np.repeat(rows.index, 400)].assign(g=[f"new {i}" for i in range(400)])
    draws = bg.avg_predictions(zip_fit, newdata=many, random_effects="new", random_seed=3, draws="dataarray")
    exact = bg.avg_predictions(zip_fit, newdata=rows, random_effects="marginal", draws="dataarray")
    difference = (draws - exact.to_numpy().reshape(draws.shape)).to_numpy().ravel()
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(difference))
    assert marginal > 0


@pytest.mark.parametrize("meaning", MEANINGS)
def test_comparisons_and_slopes_of_variables_of_either_formula(zip_fit, meaning):
    """f acts on zi alone, x on the mean alone: both move the response's mean."""
    options = {"random_effects": meaning, "random_seed": 1}
    table = bg.avg_comparisons(zip_fit, "f", **options)
    assert (table["estimate"].iloc[0] < 0) and (table["estimate"].iloc[1] > 0)
    assert bg.avg_comparisons(zip_fit, "f", scale="mu", **options)["estimate"].abs().max() < 1e-12
    slope = bg.avg_slopes(zip_fit, "x", **options)["estimate"].item()
    step = 1e-4
    moved = zip_fit.model.design.frame.assign(x=lambda d: d["x"] + step)
    rise = [
        bg.avg_predictions(zip_fit, newdata=data, **options)["estimate"].item()
        for data in (moved, zip_fit.model.design.frame)
    ]
    assert slope == pytest.approx((rise[0] - rise[1]) / step, rel=1e-3)
    assert abs(bg.avg_slopes(zip_fit, "x", scale="zi", **options)["estimate"].item()) < 1e-12


def test_a_parameter_without_group_effects_is_taken_row_by_row(synthetic):
    fit = synthetic.synthetic_fit(
        "positive ~ x + (1 | g)",
        synthetic.grouped_data(),
        family="lognormal",
        dpar_formulas={"sigma": "~ x + offset(0.1 * x)"},
        beta={"Intercept": 0.2, "x": 0.1, "sigma_Intercept": -0.6, "sigma_x": 0.15},
        sd={"g": [0.4]},
        spread=0.02,
    )
    beta, x = fit.posterior["beta"].to_numpy().reshape(-1, 4), fit.model.design.frame["x"].to_numpy()
    sigma = np.exp(beta[:, [2]] + beta[:, [3]] * x + 0.1 * x)
    sd = fit.posterior["sd_g"].to_numpy().reshape(-1, 1)
    wanted = np.exp(beta[:, [0]] + beta[:, [1]] * x + 0.5 * sd**2 + 0.5 * sigma**2)
    np.testing.assert_allclose(expected(fit, random_effects="marginal").to_numpy().reshape(wanted.shape), wanted)
    np.testing.assert_allclose(expected(fit, scale="sigma").to_numpy().reshape(wanted.shape), sigma)
    b = fit.posterior["b_g"].to_numpy().reshape(len(beta), -1)[:, fit.model.design.groups[0].codes]
    density = stats.lognorm.logpdf(
        fit.model.design.response.y, sigma, scale=np.exp(beta[:, [0]] + beta[:, [1]] * x + b)
    )
    np.testing.assert_allclose(
        bg.log_likelihood(fit)["log_likelihood"]["positive"].to_numpy().reshape(density.shape), density, rtol=1e-10
    )


def test_a_mean_without_an_average_is_refused(synthetic):
    fit = synthetic.synthetic_fit(
        "positive ~ x",
        synthetic.grouped_data(),
        family="lognormal",
        dpar_formulas={"sigma": "~ 1 + (1 | g)"},
        beta={"Intercept": 0.2, "x": 0.1, "sigma_Intercept": -0.6},
        sd={"g": [0.4]},
    )
    with pytest.raises(PredictionError, match="no average over group effects on sigma"):
        bg.avg_predictions(fit, random_effects="marginal")
    with pytest.raises(PredictionError, match="has effects on sigma, too"):
        bg.icc(fit)
    with pytest.raises(PredictionError, match="has effects on sigma, too"):
        bg.loo(fit, unit="g")
    sigma = fit.posterior["beta"].sel(coef="sigma_Intercept") + 0.5 * fit.posterior["sd_g"][..., 0] ** 2
    wanted = np.exp(sigma).to_numpy().ravel()
    found = bg.avg_predictions(fit, random_effects="marginal", scale="sigma", draws="dataarray")
    np.testing.assert_allclose(found.to_numpy().ravel(), wanted)


def test_precisions_divide_a_spread_that_varies(synthetic):
    data = synthetic.grouped_data().assign(w=lambda d: d["size"].astype(float))
    options = {
        "dpar_formulas": {"sigma": "~ x"},
        "beta": {"Intercept": 0.2, "x": 0.1, "sigma_Intercept": 0.1, "sigma_x": 0.15},
    }
    plain, weighed = (
        row_predictor(synthetic.synthetic_fit(f"{y} ~ x", data, **options), None, random_seed=0)
        for y in ("y", "precision(y, w)")
    )
    rows = np.arange(plain.rows)
    ratio = plain.parameters(rows)["sigma"] / weighed.parameters(rows)["sigma"]
    np.testing.assert_allclose(ratio, np.broadcast_to(np.sqrt(data["w"]), ratio.shape))
    np.testing.assert_allclose(weighed.own_parameters(rows)["sigma"], plain.parameters(rows)["sigma"])


def test_which_parameters_enter_the_mean_is_known():
    entering = {
        (name, row.name)
        for name, family in FAMILIES.items()
        for row in family.parameters
        if not row.ordered and enters_mean(family, row.name)
    }
    assert {name for name, _ in entering} == {name for name, family in FAMILIES.items() if family.mean is not None}
    assert ("zero_inflated_negativebinomial", "phi") not in entering
    assert ("hurdle_negativebinomial", "phi") in entering
    assert ("lognormal", "sigma") in entering
