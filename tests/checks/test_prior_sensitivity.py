"""Power scaling of priors: densities against PyMC's, closed forms, planted conflicts, exact refits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytensor
import pytest
import xarray as xr
from arviz_stats import psense
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.checks.log_prior import log_effects, log_prior
from bayes_glmm.errors import DataWarning, PredictionError, PriorError, SamplingError
from bayes_glmm.predict.posterior import posterior_draws
from bayes_glmm.priors import PRIORS

QUIET = {"random_seed": 3, "progressbar": False}


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("alpha", [0.7, 2.0])
def test_a_prior_to_a_power_is_the_density_to_that_power(name, alpha):
    rng, row = np.random.default_rng(1), PRIORS[name]
    values = (0.2, 3.0) if row.support == "interval" else tuple(1.7 + 0.3 * i for i in range(len(row.parameters)))
    prior = bg.Prior(name, *values)
    x = {
        "real": rng.normal(size=9), "positive": rng.gamma(2, 1, 9), "unit": rng.uniform(0.1, 0.9, 9),
        "interval": rng.uniform(0.3, 2.9, 9), "correlation": -rng.gamma(2, 1, 9),
        "simplex": -rng.gamma(2, 1, 9),  # the sum of the logs of its elements
    }[row.support]  # fmt: skip
    constant = alpha * prior.log_density(x) - prior.powered(alpha).log_density(x)
    assert np.ptp(constant) < 1e-10


def test_a_power_that_is_no_distribution_is_refused():
    with pytest.raises(PriorError, match=r"HalfCauchy\(beta=1\) to the power 0.5 is no distribution"):
        bg.Prior("HalfCauchy", 1).powered(0.5)


def pymc_log_prior(fit, name: str, values: np.ndarray) -> np.ndarray:
    """Log density of one free variable of the PyMC model, without the Jacobian of its transform."""
    model = fit.model.to_pymc()
    variable = model[name]
    value, transform = model.rvs_to_values[variable], model.rvs_to_transforms[variable]
    with pytensor.config.change_flags(linker="py"):
        density = model.compile_logp(vars=[variable], jacobian=False)
        points = [
            x if transform is None else transform.forward(pytensor.tensor.as_tensor(x), *variable.owner.inputs).eval()
            for x in values
        ]
    start = model.initial_point()
    return np.array([density(start | {value.name: np.asarray(point)}) for point in points])


def test_log_priors_are_pymcs_at_the_centred_intercept(cbpp_fit):
    ours = log_prior(cbpp_fit)
    assert list(ours) == ["Intercept", "beta[period[2]]", "beta[period[3]]", "beta[period[4]]", "sd[herd][Intercept]"]
    beta = cbpp_fit.posterior["beta"].to_numpy()[0, :4].copy()
    beta[:, 0] += beta[:, 1:] @ cbpp_fit.model.design.means[1:]
    # steps between levels are correlated by a half: independent values by the Cholesky factor
    root = np.linalg.cholesky(0.5 + 0.5 * np.eye(3))
    theirs = pymc_log_prior(
        cbpp_fit, "beta_centered", np.column_stack([beta[:, 0], np.linalg.solve(root, beta[:, 1:].T).T])
    )
    coefficients = sum(ours[name] for name in list(ours)[:4]).to_numpy()[0, :4]
    np.testing.assert_allclose(coefficients, theirs, rtol=1e-9)
    sd = cbpp_fit.posterior["sd_herd"].to_numpy()[0, :4]
    np.testing.assert_allclose(ours["sd[herd][Intercept]"].to_numpy()[0, :4], pymc_log_prior(cbpp_fit, "sd_herd", sd))


def test_priors_on_other_scales_and_of_correlations_are_evaluated_there(sleepstudy):
    priors = {"precision[Subject]": bg.Prior("Gamma", 2, 30), "corr": bg.Prior("LKJ", 3)}
    fit = bg.GLMM("Reaction ~ Days + (Days | Subject)", sleepstudy, priors=priors).fit(method="laplace", **QUIET)
    ours, posterior = log_prior(fit), fit.posterior
    precision = posterior["sd_Subject"].sel(Subject_coef="Days").to_numpy() ** -2
    np.testing.assert_allclose(ours["sd[Subject][Days]"], bg.Prior("Gamma", 2, 30).log_density(precision))
    r = posterior["corr_Subject"].sel(Subject_coef="Days", Subject_coef_2="Intercept").to_numpy()
    np.testing.assert_allclose(ours["corr[Subject]"], 2 * np.log(1 - r**2), rtol=1e-8, atol=1e-12)


def test_models_without_intercept_or_coefficients(sleepstudy):
    """Nothing is centred where there is no intercept; where there are no coefficients, they have no prior."""
    slope = bg.GLMM("Reaction ~ 0 + Days + (1 | Subject)", sleepstudy).fit(method="laplace", **QUIET)
    (row,) = slope.model.prior_table.beta
    np.testing.assert_allclose(
        log_prior(slope)["beta[Days]"], row.prior.log_density(slope.posterior["beta"].sel(coef="Days").to_numpy())
    )
    none = bg.GLMM("Reaction ~ 0 + (1 | Subject)", sleepstudy).fit(method="laplace", **QUIET)
    assert list(log_prior(none)) == ["sd[Subject][Intercept]", "sigma"]


def test_thresholds_have_their_prior_where_the_predictors_are_at_their_means():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(50, 1, 80), "g": np.resize(list("abcdefgh"), 80)})
    data["y"] = pd.Categorical(np.digitize(data["x"] - 50 + rng.logistic(size=80), [-1, 1]), ordered=True)
    fit = bg.GLMM("y ~ x + (1 | g)", data, family="cumulative").fit(method="laplace", **QUIET)
    tau = fit.posterior["thresholds"].transpose("chain", "draw", ...).to_numpy()
    centred = tau - fit.posterior["beta"].to_numpy() * data["x"].mean()
    rows = {row.parameter: row.prior for row in fit.model.prior_table}
    np.testing.assert_allclose(log_prior(fit)["thresholds"], rows["thresholds"].log_density(centred).sum(axis=-1))
    assert log_prior(fit)["thresholds"].mean() > -20


def test_the_density_of_effects_is_the_multivariate_normals(sleepstudy_fit):
    posterior, draws = log_effects(sleepstudy_fit).to_numpy().ravel(), posterior_draws(sleepstudy_fit)
    ours = [
        stats.multivariate_normal(np.zeros(2), draws.covariances["Subject"][s])
        .logpdf(draws.effects["Subject"][s])
        .sum()
        for s in (0, 2000, 5999)
    ]
    assert np.ptp(posterior[[0, 2000, 5999]] - ours) < 1e-8


def test_what_the_data_say_of_a_sd_counts():
    """30 clear groups: their sd owes its value to the data, though responses hardly touch it once effects are given."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(30), 20)
    data = pd.DataFrame({"g": group, "y": rng.normal(rng.normal(0, 2, 30)[group], 0.5)})
    fit = bg.GLMM("y ~ 1 + (1 | g)", data, priors={"sd": bg.Prior("HalfNormal", 3)}).fit(**QUIET)
    row = bg.prior_sensitivity(fit).set_index("parameter").loc["sd_g[Intercept]"]
    assert row["likelihood"] > 0.08 and row["diagnosis"] == "the prior hardly matters"
    responses = bg.log_likelihood(fit)["log_likelihood"]["y"].sum("obs").to_dataset(name="y")
    tree = xr.DataTree.from_dict({"posterior": fit.posterior[["sd_g"]], "log_likelihood": responses})
    assert psense(tree, group="likelihood")["sd_g"].item() < 0.5 * row["likelihood"]


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(8)
    return pd.DataFrame({"x": rng.normal(size=40), "g": np.resize(list("abcdefgh"), 40)}).assign(
        y=lambda d: 1 + 0.5 * d["x"] + rng.normal(size=40)
    )


def test_planted_priors_are_named(small):
    fit = bg.GLMM("y ~ x + (1 | g)", small, priors={"beta[x]": bg.Prior("Normal", 3, 0.3)}).fit(**QUIET)
    table = bg.prior_sensitivity(fit, by="group").set_index(["scaled", "parameter"])
    assert list(table.index.levels[0]) == ["Intercept", "beta", "sd[g]", "sigma"]
    planted = table.loc[("beta", "beta[x]")]
    assert planted["prior"] > 0.1 and planted["diagnosis"] == "prior and data both matter and may disagree"
    assert table.loc[("Intercept", "beta[x]"), "prior"] < 0.05
    unidentified = small.assign(z=0.0)
    unidentified.loc[0, "z"] = 1e-3
    # seed 3 lies at the threshold of the likelihood's influence, 0.05; others are clear of it
    quiet = QUIET | {"random_seed": 4}
    fit = bg.GLMM("y ~ x + z + (1 | g)", unidentified, priors={"beta[z]": bg.Prior("Normal", 0, 1)}).fit(**quiet)
    table = bg.prior_sensitivity(fit, by="parameter").set_index(["scaled", "parameter"])
    assert table.loc[("beta[z]", "beta[z]"), "diagnosis"] == "the prior decides, the data say little"
    assert len(table) == 5 * 5


def test_flat_priors_have_no_influence(small):
    fit = bg.GLMM("y ~ x + (1 | g)", small, priors={"beta": bg.Prior("Flat")}).fit(**QUIET)
    table = bg.prior_sensitivity(fit, by="group").set_index("scaled")
    assert (table.loc["beta", "prior"] == 0).all() and (table.loc["sd[g]", "prior"] > 0).any()


def test_refits_move_the_mean_as_the_closed_form_says():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(1, 1, 30), "g": np.resize(list("abc"), 30)})
    priors = {"Intercept": bg.Prior("Normal", 0, 0.2), "sd": bg.Prior("HalfNormal", 0.01)}
    model = bg.GLMM("y ~ 1 + (1 | g)", data, priors=priors | {"sigma": bg.Prior("Uniform", 0.97, 1.03)})
    fit = model.fit(target_accept=0.95, **QUIET)
    table = bg.prior_sensitivity(fit, by="group", refits=True, **QUIET).set_index(["scaled", "parameter"])

    def mean(alpha):
        return 30 * data["y"].mean() / (30 + alpha / 0.04)

    sd = (30 + 25) ** -0.5
    row = table.loc[("Intercept", "beta[Intercept]")]
    assert row["weaker"] == pytest.approx((mean(0.5) - mean(1)) / sd, abs=0.12)
    assert row["stronger"] == pytest.approx((mean(2) - mean(1)) / sd, abs=0.12)
    assert row["weaker"] > 0.5 and row["stronger"] < -0.5
    again = bg.prior_sensitivity(fit, by="group", refits=True, **QUIET).set_index(["scaled", "parameter"])
    pd.testing.assert_frame_equal(table, again)


def test_a_failed_refit_is_a_gap_and_said(small, monkeypatch):
    from bayes_glmm.checks import prior_sensitivity as module

    real, calls = module._refitted_means, []

    def broken(task):
        calls.append(task)
        if task.model.prior_table.beta[0].prior["sigma"] > 3 * 1.1 * 2.5:
            raise SamplingError("planted")
        return real(task)

    fit = bg.GLMM("y ~ x + (1 | g)", small, priors={"Intercept": bg.Prior("Normal", 0, 6)}).fit(**QUIET)
    monkeypatch.setattr(module, "_refitted_means", broken)
    with pytest.warns(DataWarning, match="1 of 2 refits failed; the first: SamplingError: planted"):
        table = bg.prior_sensitivity(fit, refits=True, **QUIET)
    assert len(calls) == 2 and table["weaker"].isna().all() and table["stronger"].notna().all()


def test_nonsense_is_refused_in_words(small):
    fit = bg.GLMM("y ~ x + (1 | g)", small, priors={"sd": bg.Prior("HalfCauchy", 1)}).fit(method="laplace", **QUIET)
    with pytest.raises(PredictionError, match="by='groups'.*group"):
        bg.prior_sensitivity(fit, by="groups")
    with pytest.raises(PriorError, match="no distribution any more"):
        bg.prior_sensitivity(fit, refits=True, **QUIET)


def test_names_may_have_slashes(sleepstudy):
    quick = {"method": "laplace", "random_seed": 1, "progressbar": False}
    plain, slashed = (
        bg.prior_sensitivity(bg.GLMM(f"Reaction ~ `{name}`", sleepstudy.rename(columns={"Days": name})).fit(**quick))
        for name in ("Days", "days/night")
    )
    assert slashed["parameter"].tolist()[1] == "beta[days/night]"
    assert slashed["prior"].tolist() == plain["prior"].tolist()
