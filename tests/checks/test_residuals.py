"""Simulation residuals: exact where they say so, uniform when the model is right, telling when it is wrong."""

from __future__ import annotations

import arviz_base
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.checks.places import NullCovariances, below_quantiles, middle_and_spread, square_score
from bayes_glmm.checks.residuals import ranks_of_all
from bayes_glmm.errors import PredictionError
from bayes_glmm.families import FAMILIES

# few draws and small data: whether the chains mixed is another room's test
pytestmark = pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")

PARAMETERS = {"sigma": 0.7, "nu": 4.5, "phi": 2.3}


#: Others are held to their densities and draws in tests/families.
LOOKED_AT = (
    "gaussian",
    "student",
    "bernoulli",
    "binomial",
    "poisson",
    "negativebinomial",
    "gamma",
    "lognormal",
    "beta",
)


@pytest.mark.parametrize("name", [*LOOKED_AT, "cumulative"])
def test_distribution_functions_are_those_of_the_draws(name):
    family = FAMILIES[name]
    parameters = {row.name: PARAMETERS.get(row.name) for row in family.parameters}
    rng, n = np.random.default_rng(1), 200_000
    if name == "cumulative":
        mu, trials = np.broadcast_to([0.2, 0.5, 0.3], (n, 3)), None
    else:
        mu = np.full(n, {"gaussian": 0.4, "student": 0.4, "lognormal": 0.4, "poisson": 3.2}.get(name, 0.35))
        trials = np.full(n, 7.0) if name == "binomial" else None
    y = np.asarray(family.simulate(rng, mu, parameters, trials), dtype=float)
    points = np.unique(y) if np.unique(y).size < 60 else np.quantile(y, [0.001, 0.05, 0.3, 0.5, 0.9, 0.999])
    for point in points:
        p = family.cdf(np.array([point]), mu[None, :1], parameters, None if trials is None else trials[:1]).item()
        assert abs((y <= point).mean() - p) < 5 * np.sqrt(max(p * (1 - p), 1e-9) / n) + 1e-9, point
    if np.all(y == np.round(y)):
        none = family.cdf(np.array([-1.0]), mu[None, :1], parameters, None if trials is None else trials[:1])
        assert none.item() == 0.0


def test_ranks_spread_ties_evenly():
    rng = np.random.default_rng(2)
    ranks = ranks_of_all(rng.poisson(0.7, 4000).astype(float), rng.poisson(0.7, (60, 4000)).astype(float), rng)
    assert ranks.shape == (61, 4000) and ranks.min() >= 0 and ranks.max() <= 1
    assert stats.kstest(ranks[0], "uniform").pvalue > 0.01
    assert abs(ranks.mean() - 0.5) < 0.005


def features(lower, upper):
    return np.concatenate(
        [below_quantiles(lower, upper), middle_and_spread(lower, upper), square_score(lower, upper)[..., None]], axis=-1
    )


def features_of_points(r):
    return np.stack([r < 0.25, r < 0.5, r < 0.75, r, np.abs(r - 0.5), stats.norm.ppf(r) ** 2], axis=-1)


def test_averages_over_intervals_are_those_of_points_in_them():
    lower = np.array([0.0, 0.0, 0.1, 0.24, 0.3, 0.45, 0.7, 0.9, 0.2])
    upper = np.array([1.0, 0.2, 0.26, 0.8, 0.5, 0.55, 0.71, 1.0, 0.2 + 1e-6])
    u = (np.arange(200_000) + 0.5) / 200_000
    points = features_of_points(lower + u[:, None] * (upper - lower)).mean(axis=0)
    np.testing.assert_allclose(features(lower, upper), points, atol=2e-4)
    single = np.array([0.001, 0.25 - 1e-9, 0.4, 0.77])
    np.testing.assert_allclose(features(single, single), features_of_points(single))


@pytest.mark.parametrize("mean", [0.05, 0.8, 6.0, 400.0])
def test_their_means_are_known_and_their_covariances_simulated(mean):
    y = np.arange(int(mean + 12 * np.sqrt(mean) + 15))
    pmf, upper = stats.poisson.pmf(y, mean), stats.poisson.cdf(y, mean)
    exact = features(np.concatenate([[0.0], upper[:-1]]), upper)
    known = np.array([0.25, 0.5, 0.75, 0.5, 0.25, 1.0])
    np.testing.assert_allclose(pmf @ exact, known, atol=1e-9)
    covariance = (exact - known).T @ (pmf[:, None] * (exact - known))
    made = np.random.default_rng(1).poisson(mean, (40_000, 1))
    null = NullCovariances.of_simulated(stats.poisson.cdf(made - 1, mean), stats.poisson.cdf(made, mean))
    np.testing.assert_allclose(null.level[0], covariance[3:5, 3:5], atol=2e-3)
    assert null.score[0] == pytest.approx(covariance[5, 5], rel=0.1)
    if mean == 400.0:  # as good as continuous
        smooth = NullCovariances.of_points(1)
        np.testing.assert_allclose(null.level[0], smooth.level[0], atol=2e-3)
        assert null.score[0] == pytest.approx(smooth.score[0], rel=0.05)


def test_single_binary_responses_say_nothing_about_spread():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"y": rng.integers(0, 2, 400), "x": rng.normal(size=400), "g": np.arange(400) // 40})
    fit = bg.GLMM("y ~ 1", data, family="bernoulli").fit(random_seed=1, progressbar=False)
    table = bg.check_residuals(bg.simulate_residuals(fit, random_seed=1, data=data), predictors=["x", "g"])
    assert table.loc["dispersion", "p_value"] > 0.5
    assert (table["p_value"] > 0.01).all()


@pytest.fixture(scope="module")
def epil_fits():
    formula, data = "y ~ lbase * trt + lage + V4 + (1 | subject)", bg.load_dataset("epil")
    return {
        name: bg.GLMM(formula, data, family=name).fit(random_seed=1, progressbar=False)
        for name in ("poisson", "negativebinomial")
    }


def test_overdispersed_seizures(epil_fits):
    """Breslow and Clayton's data are overdispersed for a Poisson response with subjects' effects."""
    poisson, negative = (
        bg.check_residuals(bg.simulate_residuals(epil_fits[name], random_seed=1))
        for name in ("poisson", "negativebinomial")
    )
    assert poisson.loc["dispersion", "p_value"] < 0.001 and poisson.loc["dispersion", "statistic"] > 1.5
    assert "More spread" in poisson.loc["dispersion", "verdict"]
    assert poisson.loc["outliers", "p_value"] < 0.01
    # of nine tests, one is at 0.04: between the subjects
    assert (negative["p_value"] > 0.02).all() and (negative["p_value"] < 0.05).sum() <= 1
    assert negative.loc["dispersion", "statistic"] == pytest.approx(1, abs=0.25)


def test_a_missing_random_slope_shows_between_subjects(sleepstudy, sleepstudy_fit):
    without = bg.GLMM("Reaction ~ Days + (1 | Subject)", sleepstudy).fit(random_seed=1, progressbar=False)
    table = bg.check_residuals(bg.simulate_residuals(without, random_seed=1))
    assert table.loc["Subject", "p_value"] < 0.01
    right = bg.check_residuals(bg.simulate_residuals(sleepstudy_fit, random_seed=1))
    # subject 332's day 6 and 308 are outliers of the normal family in every analysis of these data
    assert right.loc["predicted", "p_value"] > table.loc["predicted", "p_value"]


def test_leave_one_out_agrees_with_refits(epil_fits):
    fit, data = epil_fits["negativebinomial"], bg.load_dataset("epil")
    residuals = bg.simulate_residuals(fit, "loo", draws=2000, random_seed=1)
    for row in (0, 20, 57):
        left = data.drop(index=data.index[row])
        again = bg.GLMM(fit.model.spec.formula.text, left, family="negativebinomial").fit(
            random_seed=1, progressbar=False
        )
        y = bg.posterior_predictive(again, data.iloc[[row]], random_seed=1)["posterior_predictive"]["y"].to_numpy()
        below, equal = (y < data["y"].iloc[row]).mean(), (y == data["y"].iloc[row]).mean()
        # the residual lies in the jump of the distribution function at y, somewhere
        assert below - 0.04 <= residuals["residual"][row].item() <= below + equal + 0.04


def test_new_groups_are_drawn_again_and_shared_by_their_rows(cbpp_fit):
    """Fault 19 of DHARMa for Bayesian fits: "unconditional" residuals drop the effects instead."""
    residuals = bg.simulate_residuals(cbpp_fit, "new", random_seed=1)
    simulated = residuals["simulated"].to_numpy() / cbpp_fit.model.design.response.trials
    herd = pd.factorize(residuals["herd"].to_numpy())[0]
    period = residuals["period"].to_numpy()
    first, second = (np.flatnonzero((herd == 0) & (period == p))[0] for p in ("1", "2"))
    other = np.flatnonzero((herd == 1) & (period == "1"))[0]
    same = np.corrcoef(simulated[:, first], simulated[:, second])[0, 1]
    apart = np.corrcoef(simulated[:, first], simulated[:, other])[0, 1]
    assert same > 0.1 > apart + 0.02
    # spread between herds is in the simulation: more than binomial noise alone
    mean = simulated[:, first].mean()
    assert simulated[:, first].var() > 1.3 * mean * (1 - mean) / cbpp_fit.model.design.response.trials[first]


def test_a_tree_of_bambi_or_pymc_serves(cbpp_fit, cbpp):
    predictive = bg.posterior_predictive(cbpp_fit, random_seed=1)
    tree = xr.DataTree.from_dict(
        {
            "observed_data": cbpp_fit.dt["observed_data"].to_dataset(),
            "posterior_predictive": predictive["posterior_predictive"].to_dataset(),
        }
    )
    ours = bg.simulate_residuals(cbpp_fit, random_seed=1)
    theirs = bg.simulate_residuals(tree, data=cbpp, random_seed=1, draws=4000)
    assert np.corrcoef(ours["residual"], theirs["residual"])[0, 1] > 0.8
    table = bg.check_residuals(theirs, groups="herd", predictors=["period", "size"])
    assert {"herd", "period", "size"} <= set(table.index)
    dictionary = arviz_base.from_dict(
        {
            "observed_data": {"incidence": cbpp["incidence"].to_numpy()},
            "posterior_predictive": {"incidence": predictive["posterior_predictive"]["incidence"].to_numpy()},
        }
    )
    assert bg.simulate_residuals(dictionary, random_seed=1)["residual"].sizes == {"obs": 56}


def test_time_and_space():
    rng = np.random.default_rng(5)
    n = 300
    ar = np.zeros(n)
    for i in range(1, n):
        ar[i] = 0.7 * ar[i - 1] + rng.normal()
    data = pd.DataFrame({"t": np.arange(n), "east": rng.uniform(0, 10, n), "north": rng.uniform(0, 10, n)})
    data["x"], data["g"] = rng.normal(size=n), np.resize(list("abcdef"), n)
    bump = 2 * np.exp(-((data["east"] - 5) ** 2 + (data["north"] - 5) ** 2) / 4)
    data["serial"], data["spatial"] = ar + data["x"], bump + 0.5 * rng.normal(size=n)
    data["fine"] = rng.normal(size=n)

    def table(response, columns):
        tree = bg.GLMM(f"{response} ~ x + (1 | g)", data).fit(random_seed=1, progressbar=False)
        residuals = bg.simulate_residuals(tree, random_seed=1)
        return bg.check_residuals(
            residuals.assign_coords({c: ("obs", data[c].to_numpy(dtype=float)) for c in ("t", "east", "north")}),
            **columns,
        )

    both = {"time": "t", "space": ("east", "north")}
    fine, serial, spatial = (table(response, both) for response in ("fine", "serial", "spatial"))
    assert fine.loc["time: t", "p_value"] > 0.05 and fine.loc["space", "p_value"] > 0.05
    assert fine.loc["time: t", "statistic"] == pytest.approx(2, abs=0.25)
    assert serial.loc["time: t", "p_value"] < 1e-6 and "alike" in serial.loc["time: t", "verdict"]
    assert spatial.loc["space", "p_value"] < 1e-4 and spatial.loc["space", "statistic"] > 0


def test_new_groups_residuals_are_judged_among_simulated_data_sets(cbpp_fit):
    """Rows of a new group are not independent, so the data sets simulated alike stand for what the model makes."""
    right = bg.check_residuals(bg.simulate_residuals(cbpp_fit, "new", random_seed=1))
    assert (right["p_value"] > 0.01).all()
    counts = bg.load_dataset("epil")
    without = bg.GLMM("y ~ lbase * trt + lage + V4", counts, family="poisson").fit(method="laplace", random_seed=1)
    residuals = bg.simulate_residuals(without, "new", draws=400, random_seed=1)
    residuals = residuals.assign_coords(subject=("obs", counts["subject"].to_numpy()))
    wrong = bg.check_residuals(residuals, groups="subject")
    assert wrong.loc["dispersion", "statistic"] > 1.2
    assert wrong.loc["dispersion", "p_value"] == pytest.approx(2 / 401)  # none of 400 is as far out
    assert wrong.loc["subject", "p_value"] == pytest.approx(1 / 401)


def test_continuous_responses_have_no_test_of_zeros(sleepstudy, sleepstudy_fit):
    predictive = bg.posterior_predictive(sleepstudy_fit, random_seed=1)["posterior_predictive"].to_dataset()
    tree = xr.DataTree.from_dict(
        {"observed_data": sleepstudy_fit.dt["observed_data"].to_dataset(), "posterior_predictive": predictive}
    )
    residuals = bg.simulate_residuals(tree, data=sleepstudy, random_seed=1)
    table = bg.check_residuals(residuals, predictors=["Days", "Subject"], groups="Subject", time="Days")
    # its predictions have seen the responses, so that residuals are not tested against them
    assert list(table.index) == ["uniformity", "dispersion", "outliers", "Days", "Subject", "time: Days"]
    # the response is no predictor of itself, on no scale
    assert residuals.attrs["predictors"] == ["Days", "Subject"]
    logs = bg.simulate_residuals(tree, data=sleepstudy.assign(log=-np.log(sleepstudy["Reaction"])), random_seed=1)
    assert logs.attrs["predictors"] == ["Days", "Subject"]


def test_neighbours_in_time_are_of_one_series(sleepstudy, sleepstudy_fit):
    """Durbin and Watson's statistic by hand, subject by subject; the order of the rows does not matter."""
    residuals = bg.simulate_residuals(sleepstudy_fit, random_seed=1)
    residuals = residuals.assign_coords(Days=("obs", sleepstudy["Days"].to_numpy()))
    table = bg.check_residuals(residuals, time="Days", groups="Subject")
    each = residuals["residual_draws"].to_numpy() - 0.5
    steps = np.diff(each.reshape(len(each), 18, 10), axis=2)  # subjects of ten days in order
    by_hand = np.median(np.square(steps).mean(axis=(1, 2)) / np.square(each).mean(axis=1))
    assert table.loc["time: Days", "statistic"] == pytest.approx(by_hand)
    shuffled = residuals.isel(obs=np.random.default_rng(1).permutation(180))
    again = bg.check_residuals(shuffled, time="Days", groups="Subject")
    assert again.loc["time: Days", "statistic"] == pytest.approx(by_hand)


def test_arguments_are_checked(cbpp_fit):
    with pytest.raises(PredictionError, match="'conditonal' is not known"):
        bg.simulate_residuals(cbpp_fit, "conditonal")
    with pytest.raises(PredictionError, match="at least 20"):
        bg.simulate_residuals(cbpp_fit, draws=5)
    with pytest.raises(PredictionError, match="no group 'posterior_predictive'"):
        bg.simulate_residuals(cbpp_fit.dt)
    residuals = bg.simulate_residuals(cbpp_fit, random_seed=1)
    with pytest.raises(PredictionError, match="no column 'heard'"):
        bg.check_residuals(residuals, groups="heard")
    here = residuals.assign_coords(t=("obs", np.zeros(56)), u=("obs", np.ones(56)))
    with pytest.raises(PredictionError, match="repeats"):
        bg.check_residuals(here, time="t", groups=[])
    with pytest.raises(PredictionError, match="every row has the same t and u"):
        bg.check_residuals(here, space=("t", "u"))


def test_too_many_distances_are_refused():
    n = 3001
    values = np.random.default_rng(1).normal(size=(4, 10, n))
    tree = arviz_base.from_dict({"observed_data": {"y": values[0, 0]}, "posterior_predictive": {"y": values}})
    residuals = bg.simulate_residuals(tree, draws=20, random_seed=1, data=pd.DataFrame({"e": values[1, 0]}))
    with pytest.raises(PredictionError, match="3001 rows make 9006001 distances"):
        bg.check_residuals(residuals, space=("e", "e"))


def test_trees_without_what_is_needed_are_refused():
    values = np.random.default_rng(1).normal(size=(2, 50, 5))
    one = {"observed_data": {"y": values[0, 0]}, "posterior_predictive": {"y": values}}
    tree = arviz_base.from_dict(one)
    with pytest.raises(PredictionError, match="use random_effects='conditional'"):
        bg.simulate_residuals(tree, "new")
    with pytest.raises(PredictionError, match="data has 4 rows, the observed response 5"):
        bg.simulate_residuals(tree, data=pd.DataFrame({"x": np.arange(4)}))
    two = {group: {**variables, "z": variables["y"]} for group, variables in one.items()}
    with pytest.raises(PredictionError, match="var_name= must name the response: 'y', 'z'"):
        bg.simulate_residuals(arviz_base.from_dict(two))
    with pytest.raises(PredictionError, match="observed_data has no 'w'"):
        bg.simulate_residuals(arviz_base.from_dict(two), var_name="w")
    shorter = arviz_base.from_dict({**one, "posterior_predictive": {"y": values[..., :3]}})
    with pytest.raises(PredictionError, match="5 observed and 3 simulated"):
        bg.simulate_residuals(shorter)


# size and power ------------------------------------------------------------------------------------------------------


def simulated(kind, seed):
    """25 groups of 12 counts with effects; `kind` says what a Poisson model x + (1 | g) would miss."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(25)], 12), "x": rng.uniform(-1, 1, 300)})
    u = np.repeat(0.5 * rng.standard_normal(25), 12)
    eta = 0.8 + 0.8 * data["x"] + u
    if kind == "curved":
        eta = eta + 1.5 * data["x"] ** 2
    if kind == "slopes":
        eta = eta + np.repeat(0.8 * rng.standard_normal(25), 12) * data["x"]
    mean = np.exp(eta)
    if kind == "overdispersed":
        mean = mean * rng.gamma(2.5, 1 / 2.5, 300)
    data["y"] = rng.poisson(mean)
    if kind == "zeros":
        data["y"] = data["y"].where(rng.random(300) > 0.25, 0)
    if kind == "link":
        data["y"] = rng.poisson(np.square(np.maximum(2 + 1.6 * data["x"] + u, 0)))
    return data


#: kind -> (formula, tests of which one at least must see it)
FAULTS = {
    "overdispersed": ("y ~ x + (1 | g)", ["dispersion"]),
    "zeros": ("y ~ x + (1 | g)", ["zeros"]),
    "curved": ("y ~ x + (1 | g)", ["x"]),
    "link": ("y ~ x + (1 | g)", ["x", "predicted"]),
    "missing groups": ("y ~ x", ["g"]),
    "slopes": ("y ~ x + (1 | g)", ["g", "dispersion"]),
}


def p_values(kind, formula, seed, mode="conditional"):
    data = simulated(kind, seed)
    fit = bg.GLMM(formula, data, family="poisson").fit(draws=250, random_seed=seed, progressbar=False)
    residuals = bg.simulate_residuals(fit, mode, draws=200, random_seed=seed)
    residuals = residuals.assign_coords(g=("obs", data["g"].to_numpy(dtype=object)))
    return bg.check_residuals(residuals, groups="g", predictors="x")["p_value"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["conditional", "new"])
def test_size_on_well_specified_data(mode):
    """Each test rejects 200 right models no more often than its level allows (99.9 % bound of the binomial)."""
    p = pd.DataFrame([p_values("right", "y ~ x + (1 | g)", seed, mode) for seed in range(200)])
    rejected = (p < 0.05).mean()
    print(mode, rejected.round(3).to_dict())
    assert (rejected * 200 <= stats.binom.ppf(0.999, 200, 0.05)).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_power(kind):
    formula, tests = FAULTS[kind]
    p = pd.DataFrame([p_values(kind, formula, seed)[tests] for seed in range(1000, 1040)])
    found = (p < 0.05).any(axis=1).mean()
    print(kind, "found in", found, (p < 0.05).mean().round(2).to_dict())
    assert found > 0.8
