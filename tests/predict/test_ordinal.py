"""Ordered responses from fit to probabilities: Randall's (1989) wine data, brms's posterior, averages over judges."""

from __future__ import annotations

import arviz_stats as azs
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.draws import log_likelihood, posterior_predictive
from bayes_glmm.predict.expected import expected

#: Bitterness of wines by judge: cold without contact (two bottles), cold with, warm without, warm with. Randall (1989),
#: Biometrical Journal 31, 781-793; R package ordinal.
RATINGS = "23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244".split()
PRIORS = {
    "beta": bg.Prior("Normal", 0, 5), "thresholds": bg.Prior("Normal", 0, 5), "sd": bg.Prior("HalfNormal", 5),
}  # fmt: skip
#: brms 2.18, 4 x 5000 draws, cumulative(logit), the priors above (reference/brms/wine.json): mean, sd, MCSE, bulk ESS.
BRMS = {
    ("beta", "temp[warm]"): (3.18207, 0.6021351, 0.00561218, 11627.88),
    ("beta", "contact[yes]"): (1.907418, 0.5277946, 0.00417627, 16093.79),
    ("sd_judge", "Intercept"): (1.545995, 0.610857, 0.00831323, 4997.248),
    ("thresholds", "1|2"): (-1.751775, 0.7907131, 0.00789197, 10163.64),
    ("thresholds", "2|3"): (1.553481, 0.7229438, 0.00704362, 10731.34),
    ("thresholds", "3|4"): (4.381555, 0.9054928, 0.00898502, 10334.2),
    ("thresholds", "4|5"): (6.363116, 1.052096, 0.01043857, 10347.81),
}


def wine() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rating": pd.Categorical([int(r) for judge in RATINGS for r in judge], ordered=True),
            "temp": np.tile(np.repeat(["cold", "warm"], 4), 9),
            "contact": np.tile(np.repeat(["no", "yes"], 2), 18),
            "judge": np.repeat([str(j) for j in range(1, 10)], 8),
        }
    )


@pytest.fixture(scope="module")
def fit():
    model = bg.GLMM("rating ~ temp + contact + (1 | judge)", wine(), family="cumulative", priors=PRIORS)
    return model.fit(draws=1000, tune=300, random_seed=4, backend="kernel", progressbar=False)


def test_wine_has_brms_posterior(fit):
    summary = fit.summary().set_index("term")
    for (variable, term), (mean, sd, mcse, ess) in BRMS.items():
        row = summary.loc[term]
        assert abs(row["mean"] - mean) <= 4 * np.hypot(row["sd"] / np.sqrt(row["ess_bulk"]), mcse), (variable, term)
        own = min(row["ess_bulk"], row["ess_tail"])
        # a heavy tail's sd varies more than a normal's
        kurtosis = float(stats.kurtosis(fit.posterior[variable].sel({fit.posterior[variable].dims[-1]: term}).values,
                                        axis=None, fisher=False))  # fmt: skip
        error = np.sqrt(max(kurtosis - 1.0, 2.0) / 4 * (1 / own + 1 / ess))
        assert abs(np.log(row["sd"] / sd)) <= 4 * error, (variable, term)


def test_summary_and_words(fit):
    assert list(fit.summary()["component"]) == ["fixed"] * 2 + ["sd"] + ["threshold"] * 4
    assert "1 < 2 < 3 < 4 < 5" in repr(fit.model)
    assert r"\tau_c - \eta_i" in fit.model.equation()


@pytest.mark.parametrize("random_effects", ["conditional", "typical", "marginal", "new"])
def test_probabilities_of_the_categories(fit, random_effects):
    table = bg.predictions(fit, random_effects=random_effects, random_seed=1)
    assert len(table) == 5 * 72
    assert list(table["category"][::72]) == ["1", "2", "3", "4", "5"]
    assert list(table["rating"][:72]) == list(wine()["rating"])
    sums = table.groupby(level=0)["estimate"].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=1e-9)
    draws = expected(fit, random_effects=random_effects, random_seed=1)
    assert draws.dims == ("chain", "draw", "obs", "category")
    by_hand = draws.mean(("chain", "draw")).transpose("category", "obs").values.ravel()
    np.testing.assert_allclose(table["estimate"], by_hand, rtol=1e-10)


def test_conditional_and_marginal_probabilities_by_hand(fit):
    draw = fit.posterior.isel(chain=1, draw=7)
    rows = pd.DataFrame({"temp": ["warm"], "contact": ["no"], "judge": ["7"]})
    t, eta, sd = draw["thresholds"].values, float(draw["beta"][0]), float(draw["sd_judge"][0])

    def probabilities(u):
        return np.diff(special.expit(t - eta - u), prepend=0.0, append=1.0)

    u = float(draw["b_judge"].sel(judge="7")[0])
    got = expected(fit, rows).isel(chain=1, draw=7, obs=0).values
    np.testing.assert_allclose(got, probabilities(u), rtol=1e-10)
    exact = [
        integrate.quad(lambda z, c=c: probabilities(sd * z)[c] * stats.norm.pdf(z), -9, 9, epsabs=1e-12)[0]
        for c in range(5)
    ]
    got = expected(fit, rows, random_effects="marginal").isel(chain=1, draw=7, obs=0).values
    np.testing.assert_allclose(got, exact, rtol=1e-7)


def test_averages_comparisons_and_slopes_are_by_category(fit):
    average = bg.avg_predictions(fit, by="temp")
    assert list(average.columns[:2]) == ["temp", "category"]
    assert len(average) == 10
    np.testing.assert_allclose(average.groupby("temp")["estimate"].sum(), 1.0, rtol=1e-9)
    difference = bg.avg_comparisons(fit, "temp", random_effects="marginal")
    assert list(difference["category"]) == ["1", "2", "3", "4", "5"]
    assert abs(difference["estimate"].sum()) < 1e-9
    assert difference["estimate"].iloc[0] < 0 < difference["estimate"].iloc[-1]
    by_row = bg.avg_comparisons(fit, "temp", random_effects="marginal", average="effects")
    np.testing.assert_allclose(by_row["estimate"], difference["estimate"], rtol=1e-9)
    draws = bg.avg_predictions(fit, draws="dataarray")
    assert list(draws["category"].values) == ["1", "2", "3", "4", "5"]


def test_link_scale_is_the_linear_predictor_and_has_no_average(fit):
    table = bg.predictions(fit, scale="link", random_effects="typical")
    assert "category" not in table
    assert len(table) == 72
    with pytest.raises(PredictionError, match="scale='response'"):
        bg.predictions(fit, scale="link", random_effects="marginal")


def test_marginal_coefficients_follow_from_the_averaged_probabilities(fit):
    """The least squares of section 1 of Hedeker et al. (2018), one equation a row and threshold, by hand."""
    table = bg.marginal_coefficients(fit)
    assert list(table.index) == ["1|2", "2|3", "3|4", "4|5", "temp[warm]", "contact[yes]"]
    assert table["attenuation"].between(0.5, 1).all()
    rows = bg.predictions(fit, random_effects="marginal", draws="dataarray")
    assert list(rows["category"].values[::72]) == ["1", "2", "3", "4", "5"]  # one category after the other
    by_row = rows.to_numpy().reshape(-1, 5, 72).transpose(0, 2, 1)
    below = special.logit(np.cumsum(by_row, axis=-1)[..., :-1]).reshape(-1, 288)
    x = fit.model.design.X
    equations = np.hstack([np.tile(np.eye(4), (72, 1)), np.repeat(-x, 4, axis=0)])
    beta = below @ np.linalg.pinv(equations).T
    np.testing.assert_allclose(table["marginal"], beta.mean(axis=0), rtol=1e-8)


def test_log_likelihood_gives_brms_loo(fit):
    """brms's elpd_loo of these data is -85.6 (se 5.6), p_loo 13.5."""
    tree = fit.dt.copy()
    density = log_likelihood(fit)["log_likelihood"]
    codes = fit.model.design.response.y.astype(int)
    p = expected(fit)
    at = np.take_along_axis(p.values, codes[None, None, :, None], axis=-1)[..., 0]
    np.testing.assert_allclose(density["rating"].values, np.log(at), rtol=1e-10)
    tree["log_likelihood"] = density
    loo = azs.loo(tree)
    assert loo.elpd == pytest.approx(-85.64726, abs=0.5)
    assert loo.p == pytest.approx(13.50194, abs=0.7)


def test_responses_are_drawn_with_the_probabilities(fit):
    tree = posterior_predictive(fit, random_seed=3)
    dataset = tree["posterior_predictive"].to_dataset()
    assert dataset.attrs["categories"] == ["1", "2", "3", "4", "5"]
    drawn = dataset["rating"]
    assert drawn.dims == ("chain", "draw", "obs")
    p = expected(fit).values
    for c in range(5):
        count, mean = (drawn.values == c).sum(), p[..., c].sum()
        assert abs(count - mean) < 4.5 * np.sqrt((p[..., c] * (1 - p[..., c])).sum())
