"""Faults found in the nearest peers, each with the right answer through the public interface.

The numbers are those of the project's list of peers' faults (Bambi 0.21 unless another is named; all reproduced there).
The name of a test says which fault it is about; `WHERE` says where more is tested.
"""

from __future__ import annotations

import pickle
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytensor
import pytest
from scipy import special

import bayes_glmm as bg
from bayes_glmm.checks.log_prior import log_prior
from bayes_glmm.design.design import build_design
from bayes_glmm.errors import PredictionError
from bayes_glmm.spec.model_spec import ModelSpec

#: fault -> what goes wrong at the peer, and further tests
WHERE = {
    1: ("averaging over rows averages the interval's end points: [0.099, 0.307] for [0.165, 0.215]", "effects/"),
    2: ("averaged slopes put the variable at its mean in every row: 0.263 for 0.154", "effects/test_effects.py"),
    4: ("the log prior puts the centred prior at the raw intercept: -735 for -2.5", "checks/test_prior_sensitivity.py"),
    5: ("all new groups share one draw: 50 new groups, 1 distinct value", "predict/test_expected.py"),
    6: ("prediction grids fill the grouping factor with its most frequent level", "effects/test_effects.py"),
    7: ("'mean' is the link's parameter: lognormal 2.00 for a mean of 13.4", "predict/test_expected.py"),
    8: ("a non-centred group prior ignores its mu: prior mean 0 for mu = 5", "model/test_priors.py"),
    10: ("default priors read the weights with the response: sd(y) 1.44 read as 1.27", "model/test_priors.py"),
    11: ("(x | g) is fitted without a correlation, || is a parse error", "model/test_priors.py, design/test_design.py"),
    12: ("the default prior of a group's sd grows with the mean of a predictor", "model/test_priors.py"),
    13: (
        "gamma fails at its start, the Laplace method with groups, effects with offset(np.log(e))",
        "engine/, effects/",
    ),
    14: ("two different unseen levels share one column: the same effect", "predict/test_expected.py"),
    15: (
        "a prior is changed in place by building a model, draws by predicting",
        "model/test_priors.py, predict/, effects/",
    ),
    16: ("a fitted model can neither be saved nor pickled", "inference/test_store.py"),
    17: ("the random-effect design is dense, rows x levels: 21 s and gigabytes", "design/test_design.py"),
    19: ("DHARMa: 'unconditional' residuals drop the group effects", "checks/test_residuals.py"),
}


def test_every_fault_of_the_table_has_its_test():
    named = {int(name.split("_")[2]) for name in globals() if name.startswith("test_fault_")}
    assert named == set(WHERE)


def draws_of(table) -> np.ndarray:
    """(S, rows)."""
    return table.to_numpy().reshape(-1, table.sizes["obs"])


def test_fault_1_averages_are_averaged_per_draw(cbpp_fit):
    rows = draws_of(bg.predictions(cbpp_fit, draws="dataarray"))
    table = bg.avg_predictions(cbpp_fit, ci_prob=0.9).iloc[0]
    assert (table["lower"], table["upper"]) == pytest.approx(tuple(np.quantile(rows.mean(axis=1), [0.05, 0.95])))
    end_points = bg.predictions(cbpp_fit, ci_prob=0.9)[["lower", "upper"]].mean()
    assert end_points["upper"] - end_points["lower"] > 2 * (table["upper"] - table["lower"])


def test_fault_2_slopes_are_taken_where_each_row_is():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(0, 3, 400), "g": np.resize(list("abcdefgh"), 400)})
    data["y"] = rng.binomial(1, special.expit(1.2 * data["x"]))
    fit = bg.GLMM("y ~ x + (1 | g)", data, family="bernoulli").fit(random_seed=1, progressbar=False)
    p = draws_of(bg.predictions(fit, draws="dataarray"))
    beta = fit.posterior["beta"].sel(coef="x").to_numpy().reshape(-1, 1)
    assert bg.avg_slopes(fit, "x")["estimate"].item() == pytest.approx((beta * p * (1 - p)).mean(), rel=1e-6)
    at_the_mean = bg.slopes(fit, "x", newdata={"x": [0.0]}, random_effects="typical")["estimate"].item()
    assert at_the_mean > 1.5 * bg.avg_slopes(fit, "x")["estimate"].item()


def test_fault_4_the_intercepts_prior_is_where_the_predictors_are_at_their_means():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"year": 2000.0 + np.arange(80) % 20, "g": np.resize(list("abcdefgh"), 80)})
    data["y"] = 3 + 0.5 * (data["year"] - 2010) + rng.standard_normal(80)
    fit = bg.GLMM("y ~ year + (1 | g)", data).fit(random_seed=1, progressbar=False)
    density = log_prior(fit)["Intercept"]
    assert density.min() > -5
    # the raw intercept, in the year 0, lies far out in that prior
    prior = next(iter(fit.model.prior_table)).prior
    assert prior.log_density(fit.posterior["beta"].sel(coef="Intercept").to_numpy()).mean() < 100 * density.mean()
    table = bg.prior_sensitivity(fit)
    assert (table["prior"] < 0.05).all(), "the peer cries wolf here"


def test_fault_5_every_new_group_has_draws_of_its_own(cbpp_fit):
    rows = pd.DataFrame({"period": "1", "herd": [f"new {i}" for i in range(50)], "size": 10})
    draws = draws_of(bg.predictions(cbpp_fit, rows, random_effects="new", random_seed=1, draws="dataarray"))
    assert all(np.unique(draw).size == 50 for draw in draws)
    # what 50 new groups have in common is only the uncertainty of the parameters
    within, between = draws.std(axis=1).mean(), draws.mean(axis=1).std()
    assert within > 2 * between


def test_fault_6_grids_leave_the_group_to_random_effects(cbpp_fit, cbpp):
    rows = bg.grid(cbpp_fit, period=["1"])
    assert "herd" not in rows
    with pytest.raises(PredictionError, match="no column 'herd'"):
        bg.predictions(cbpp_fit, rows)
    typical, population = (
        bg.predictions(cbpp_fit, rows, random_effects=mode)["estimate"].item() for mode in ("typical", "marginal")
    )
    # glmer: expit(-1.398) = 0.198 for u = 0, and 0.217 averaged over N(0, 0.642^2); never one herd's 0.1 or 0.4
    assert typical == pytest.approx(0.198, abs=0.02)
    assert typical < population < typical + 0.05
    frequent = bg.predictions(cbpp_fit, {"period": ["1"], "herd": ["1"], "size": [1]})["estimate"].item()
    assert abs(frequent - population) > 0.05


def test_fault_7_the_mean_is_the_responses_mean():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(30)], 20)})
    data["y"] = np.exp(2.0 + np.repeat(0.5 * rng.standard_normal(30), 20) + 0.9 * rng.standard_normal(600))
    fit = bg.GLMM("y ~ 1 + (1 | g)", data, family="lognormal").fit(random_seed=1, progressbar=False)
    table = bg.avg_predictions(fit)
    assert table["estimate"].item() == pytest.approx(data["y"].mean(), abs=3 * table["sd"].item())
    beta = fit.posterior["beta"].sel(coef="Intercept").mean().item()
    assert beta == pytest.approx(2.0, abs=0.3) and table["estimate"].item() > 3 * beta
    population = bg.avg_predictions(fit, {"y": [1.0]}, random_effects="marginal")["estimate"].item()
    assert population == pytest.approx(np.exp(2 + (0.5**2 + 0.9**2) / 2), rel=0.25)


RESPONSES = {
    "gaussian": "r", "student": "r", "bernoulli": "b", "binomial": "p(s, n)", "poisson": "c", "negativebinomial": "c",
    "gamma": "pos", "lognormal": "pos", "beta": "u", "cumulative": "o",
}  # fmt: skip


def every_response(rows=240):
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"x": rng.normal(size=rows), "g": np.resize([f"g{i}" for i in range(12)], rows)})
    eta = 0.3 + 0.5 * data["x"] + np.repeat(0.6 * rng.standard_normal(12), 1)[np.arange(rows) % 12]
    p, n = special.expit(eta), rng.integers(2, 9, rows)
    some = rng.random(rows) > 0.2
    data = data.assign(
        r=eta + rng.standard_normal(rows), b=rng.binomial(1, p), s=rng.binomial(n, p), n=n, c=rng.poisson(np.exp(eta)),
        pos=np.exp(eta) * rng.gamma(2, 0.5, rows), u=rng.beta(5 * p, 5 * (1 - p)), e=rng.uniform(0.5, 3, rows),
        o=pd.Categorical(np.digitize(eta + rng.logistic(size=rows), [-0.5, 1.0]), ordered=True),
    ).assign(
        k=lambda frame: frame["o"].astype(str), angle=np.random.default_rng(7).vonmises(2 * np.arctan(eta / 2), 3.0)
    )  # fmt: skip
    ends = np.where(rng.random(rows) < 0.3, 1.0, data["u"])
    return data.assign(posz=data["pos"] * some, uz=data["u"] * some, uz1=ends * some)


#: Families put together from others, whose own mean is not mu.
COMPOSED = {
    "betabinomial": "p(s, n)", "negativebinomial1": "c", "geometric": "c", "generalizedpoisson": "c",
    "exponential": "pos", "weibull": "pos", "inversegaussian": "pos", "skewnormal": "r", "exgaussian": "r",
    "ordbeta": "uz1", "zero_one_inflated_beta": "uz1", "zero_inflated_beta": "uz", "hurdle_gamma": "posz",
    "hurdle_lognormal": "posz", "hurdle_poisson": "c", "hurdle_negativebinomial": "c", "zero_inflated_poisson": "c",
    "zero_inflated_negativebinomial": "c", "zero_inflated_negativebinomial1": "c",
    "hurdle_negativebinomial1": "c", "zero_inflated_binomial": "p(s, n)", "zero_inflated_betabinomial": "p(s, n)",
    "tweedie": "posz", "sratio": "o", "cratio": "o", "acat": "o", "categorical": "k", "vonmises": "angle",
}  # fmt: skip
RESPONSES |= COMPOSED
FAST = [family for family in RESPONSES if family not in COMPOSED]


def test_every_family_is_looked_at():
    assert set(RESPONSES) == set(bg.FAMILIES)


@pytest.mark.parametrize("family", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in COMPOSED)])
def test_fault_7_predictions_are_means_of_what_the_family_draws(family):
    """Every family there is: the mean of predictive draws, row by row and over all, is the prediction."""
    fit = bg.GLMM(f"{RESPONSES[family]} ~ x + (1 | g)", every_response(), family=family).fit(
        method="laplace", random_seed=1, progressbar=False
    )
    draws = bg.posterior_predictive(fit, random_seed=2)["posterior_predictive"]
    y = next(iter(draws.data_vars.values())).to_numpy().reshape(-1, 240)
    predicted = bg.predictions(fit, draws="dataarray")
    if bg.FAMILIES[family].probabilities is not None:
        y = (y[..., None] == np.arange(3)).transpose(0, 2, 1).reshape(len(y), -1).astype(float)
    elif bg.FAMILIES[family].support == "trials":
        y = y / every_response()["n"].to_numpy()
    difference = y - draws_of(predicted)
    error = difference.std(axis=0) / np.sqrt(len(y))
    assert np.abs(difference.mean(axis=0) / np.maximum(error, 1e-12)).max() < 5
    overall = difference.mean(axis=1)
    assert abs(overall.mean()) < 4 * overall.std() / np.sqrt(len(y))


def test_fault_8_a_prior_on_a_sd_keeps_its_mean(sleepstudy):
    model = bg.GLMM("Reaction ~ 1 + (1 | Subject)", sleepstudy, priors={"sd": bg.Prior("Normal", mu=5, sigma=1)})
    with pytensor.config.change_flags(linker="py"):
        sd = model.sample_prior(draws=1000, random_seed=1)["prior"]["sd_Subject"].to_numpy().ravel()
    assert abs(sd.mean() - 5) < 4 / np.sqrt(1000)
    assert sd.std() == pytest.approx(1, abs=4 / np.sqrt(2000))


def simulated_slopes(correlation: float) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    u = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=40)
    data = pd.DataFrame({"g": np.repeat(np.arange(40), 12), "x": np.tile(np.linspace(-1, 1, 12), 40)})
    noise = 0.5 * rng.standard_normal(480)
    return data.assign(y=1 + u[data["g"], 0] + (2 + u[data["g"], 1]) * data["x"] + noise)


def test_fault_10_default_priors_do_not_read_the_weights(sleepstudy):
    weighted = sleepstudy.assign(w=np.linspace(0.5, 200, len(sleepstudy)))
    plain, with_weights = (
        bg.GLMM(formula, weighted).priors.drop(columns="source", errors="ignore")
        for formula in ("Reaction ~ Days + (1 | Subject)", "weighted(Reaction, w) ~ Days + (1 | Subject)")
    )
    pd.testing.assert_frame_equal(plain, with_weights)


def test_fault_11_one_bar_estimates_the_correlation_and_two_leave_it_out():
    data = simulated_slopes(0.8)
    fit = bg.GLMM("y ~ x + (x | g)", data).fit(random_seed=1, progressbar=False)
    r = fit.posterior["corr_g"].sel(g_coef="Intercept", g_coef_2="x").to_numpy()
    assert abs(r.mean() - 0.8) < 3 * r.std() and np.quantile(r, 0.01) > 0.3
    independent = bg.GLMM("y ~ x + (x || g)", data).fit(random_seed=1, progressbar=False)
    assert "corr_g" not in independent.posterior
    assert list(independent.posterior["sd_g"]["g_coef"].values) == ["Intercept", "x"]


@pytest.mark.parametrize(("family", "spread"), [("gaussian", 2.1), ("bernoulli", 1.0)])
def test_fault_12_a_year_does_not_scale_the_sds_of_groups(family, spread):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"year": 2000.0 + np.arange(60) % 20, "g": np.resize(list("abcdef"), 60)})
    y = rng.standard_normal(60)
    data["y"] = 2.1 * (y - y.mean()) / y.std(ddof=1) if family == "gaussian" else (y > 0).astype(int)
    priors = {row.parameter: row.prior for row in bg.GLMM("y ~ year + (year | g)", data, family=family).prior_table}
    assert priors["sd[g][Intercept]"]["sigma"] == pytest.approx(spread)
    assert priors["sd[g][year]"]["sigma"] == pytest.approx(spread / data["year"].std())


def test_fault_13_gamma_laplace_and_offsets_work():
    data = every_response()
    rng = np.random.default_rng(3)
    mean = 1 / (2 + 0.2 * data["x"] + 0.2 * rng.standard_normal(12)[np.arange(240) % 12])
    data["time"] = rng.gamma(8, mean / 8)
    for link in ("log", "inverse"):
        fit = bg.GLMM("time ~ x + (1 | g)", data, family="gamma", link=link).fit(random_seed=1, progressbar=False)
        assert bg.avg_predictions(fit)["estimate"].item() == pytest.approx(data["time"].mean(), rel=0.05)
    assert bg.FAMILIES["gamma"].links[0] == "log"
    laplace = bg.GLMM("c ~ x + (x | g)", data, family="poisson").fit(method="laplace", random_seed=1, progressbar=False)
    assert laplace.approximate and np.isfinite(laplace.posterior["b_g"]).all()
    fit = bg.GLMM("c ~ x + offset(np.log(e)) + (1 | g)", data, family="poisson").fit(random_seed=1, progressbar=False)
    rows = {"x": [0.0, 0.0], "e": [1.0, 3.0]}
    one, three = bg.predictions(fit, rows, random_effects="marginal")["estimate"]
    assert three == pytest.approx(3 * one, rel=1e-9)
    ratio = bg.avg_comparisons(fit, "x", comparison="ratio", random_effects="typical")["estimate"].item()
    assert ratio == pytest.approx(np.exp(fit.posterior["beta"].sel(coef="x")).mean().item(), rel=1e-9)
    assert bg.avg_slopes(fit, "x", newdata=rows, random_effects="typical")["estimate"].item() > 0


def test_fault_14_unseen_levels_have_effects_of_their_own(cbpp_fit):
    rows = pd.DataFrame({"period": "1", "herd": ["x", "y", "x"], "size": 10})
    with pytest.raises(PredictionError, match="'x', 'y'"):
        bg.predictions(cbpp_fit, rows)
    draws = draws_of(bg.predictions(cbpp_fit, rows, new_levels="sample", random_seed=1, draws="dataarray"))
    np.testing.assert_array_equal(draws[:, 0], draws[:, 2])
    assert (draws[:, 0] != draws[:, 1]).all()


def test_fault_15_priors_data_and_draws_are_never_changed(cbpp, cbpp_fit):
    prior, data = bg.Prior("Normal", mu=0, sigma=5), cbpp.copy(deep=True)
    priors = {"beta": prior, "sd[herd]": prior}
    model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", data, family="binomial", priors=priors)
    model.to_pymc()
    assert priors == {"beta": prior, "sd[herd]": prior} and prior == bg.Prior("Normal", mu=0, sigma=5)
    pd.testing.assert_frame_equal(data, cbpp)
    before = cbpp_fit.dt.copy(deep=True)
    rows = cbpp.sample(frac=1, random_state=1)
    copy = rows.copy(deep=True)
    for mode in ("conditional", "typical", "marginal", "new"):
        bg.predictions(cbpp_fit, rows, random_effects=mode)
        bg.avg_comparisons(cbpp_fit, "period", random_effects=mode)
    bg.posterior_predictive(cbpp_fit, rows, draws=20)
    bg.log_likelihood(cbpp_fit)
    cbpp_fit.summary()
    pd.testing.assert_frame_equal(rows, copy)
    assert before.identical(cbpp_fit.dt)


def test_fault_16_fits_are_pickled_and_saved(cbpp_fit, tmp_path):
    expected = bg.avg_predictions(cbpp_fit, by="period", random_effects="marginal")
    cbpp_fit.save(tmp_path / "cbpp.glmm")
    for again in (pickle.loads(pickle.dumps(cbpp_fit)), bg.load(tmp_path / "cbpp.glmm")):
        assert again.dt["posterior"].identical(cbpp_fit.dt["posterior"])
        pd.testing.assert_frame_equal(bg.avg_predictions(again, by="period", random_effects="marginal"), expected)
    model = pickle.loads(pickle.dumps(cbpp_fit.model))
    assert model.fit(method="laplace", draws=20, random_seed=1).posterior.sizes["draw"] == 20


def test_fault_17_no_dense_rows_by_levels_matrix():
    rng = np.random.default_rng(1)
    rows, levels = 200_000, 2_000
    data = pd.DataFrame({"y": rng.normal(size=rows), "x": rng.normal(size=rows), "g": rng.integers(0, levels, rows)})
    started = time.perf_counter()
    tracemalloc.start()
    design = build_design(ModelSpec.build("y ~ x + (x | g)"), data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert design.groups[0].size == levels
    assert peak < 100e6  # the dense matrix holds 3.2 GB
    assert time.perf_counter() - started < 5  # 21 s at the peer; tracing memory is most of this


def test_fault_19_residuals_for_new_groups_draw_the_effects_again():
    """Data of the model itself: with effects drawn again its residuals are spread evenly, without them they are not."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(60), 5)
    data = pd.DataFrame({"g": group, "y": rng.normal(1 + rng.normal(0, 2, 60)[group], 0.5)})
    fit = bg.GLMM("y ~ 1 + (1 | g)", data).fit(random_seed=1, progressbar=False)
    drawn = bg.simulate_residuals(fit, random_effects="new", random_seed=1)["residual"].to_numpy()
    center, sd = (fit.posterior[name].mean().item() for name in ("beta", "sigma"))
    dropped = special.ndtr((data["y"] - center) / sd)
    outer = np.mean(np.abs(drawn - 0.5) > 0.4), np.mean(np.abs(dropped - 0.5) > 0.4)
    assert outer[0] == pytest.approx(0.2, abs=0.12) and outer[1] > 0.6
