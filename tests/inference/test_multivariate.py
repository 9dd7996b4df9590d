"""Fits of several responses: the fit of one among them, files, and what is refused."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import DataWarning, GLMMError, PredictionError

FORMULAS = ["y ~ x + (1 + x |p| g)", "n ~ x + (1 |p| g) + (1 | h)"]


def rows(size: int = 120) -> pd.DataFrame:
    """Return a normal response y, a count n that go together over g, and rows that lack one of them."""
    rng = np.random.default_rng(5)
    g, x = rng.integers(0, 12, size), rng.normal(size=size)
    u = rng.multivariate_normal([0, 0, 0], [[0.5, 0, 0.4], [0, 0.1, 0], [0.4, 0, 0.5]], 12)
    data = pd.DataFrame({"x": x, "g": [f"g{i}" for i in g], "h": [f"h{i}" for i in rng.integers(0, 5, size)]})
    data["y"] = 1 + 0.5 * x + u[g, 0] + u[g, 1] * x + 0.5 * rng.normal(size=size)
    data["n"] = rng.poisson(np.exp(1 + 0.3 * x + u[g, 2])).astype(float)
    data.loc[4:9, "y"], data.loc[9:20, "n"] = np.nan, np.nan
    return data


@pytest.fixture(scope="module")
def fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = bg.GLMM(FORMULAS, rows(), families=["gaussian", "poisson"])
    return model.fit(random_seed=1, progressbar=False)


def test_it_runs_on_the_kernel_and_reports_every_response(fit):
    assert fit.attrs["backend"] == "kernel"
    assert list(fit.posterior) == ["beta", "b_g", "sd_g", "corr_g", "b_h", "sd_h", "sigma_y"]
    assert fit.responses == ("y", "n")
    assert (
        float(fit.posterior["corr_g"].mean(("chain", "draw")).sel(g_coef="y_Intercept", g_coef_2="n_Intercept")) > 0.2
    )
    assert np.isnan(fit.dt["observed_data"]["n"]).sum() == 12 - 1
    summary = fit.summary()
    assert summary["term"].tolist()[:4] == ["y_Intercept", "y_x", "n_Intercept", "n_x"]
    assert "y ~ x + (1 + x |p| g); gaussian family" in repr(fit).replace("\n", " ")


def test_the_fit_of_one_response_has_its_names_and_its_draws(fit):
    one, other = fit["y"], fit["n"]
    np.testing.assert_array_equal(one.posterior["beta"], fit.posterior["beta"].isel(coef=[0, 1]))
    np.testing.assert_array_equal(one.posterior["sigma"], fit.posterior["sigma_y"])
    assert list(other.posterior["b_g"]["g_coef"].values) == ["Intercept"]
    np.testing.assert_array_equal(
        other.posterior["b_g"].sel(g="g3").squeeze("g_coef"), fit.posterior["b_g"].sel(g="g3", g_coef="n_Intercept")
    )
    # y's own correlation is that of the merged matrix, whose LKJ(1) of three is LKJ(1.5) of two
    assert one.model.prior_table.groups[0][1].corr.prior["eta"] == 1.5
    with pytest.raises(PredictionError, match="no response 'z'"):
        _ = fit["z"]


def test_predictions_residuals_and_shares_of_one_response(fit):
    one, other = fit["y"], fit["n"]
    table = bg.predictions(other, {"x": [0.0, 1.0]}, random_effects="typical")
    beta = other.posterior["beta"].to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(table["estimate"], [np.exp(beta[:, 0]).mean(), np.exp(beta.sum(axis=1)).mean()])
    residuals = bg.simulate_residuals(one, random_seed=1)
    assert residuals.sizes["obs"] == 114
    shares = bg.variance_components(other)
    assert set(shares["group"]) >= {"g", "h"}
    assert bg.r2(one)["estimate"].between(0, 1).all()
    drawn = bg.posterior_predictive(other, random_seed=1)
    assert "n" in drawn["posterior_predictive"]


def test_without_a_shared_id_it_is_the_separate_fits():
    """The same density, so the same posterior: means within what sampling leaves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = bg.GLMM(["y ~ x + (1 | g)", "n ~ x + (1 | g)"], rows(), families=["gaussian", "poisson"])
        separate = [bg.GLMM("y ~ x + (1 | g)", rows()), bg.GLMM("n ~ x + (1 | g)", rows(), family="poisson")]
    together = model.fit(random_seed=1, progressbar=False)
    for name, one in zip(("y", "n"), separate, strict=True):
        alone = one.fit(random_seed=2, progressbar=False).posterior
        joint = together[name].posterior
        for variable in alone.data_vars:
            dims = ("chain", "draw")
            sd = alone[variable].std(dims)
            assert float((abs(joint[variable].mean(dims) - alone[variable].mean(dims)) / sd).max()) < 0.15, variable
            assert float(abs(np.log(joint[variable].std(dims) / sd)).max()) < 0.15, variable


def test_a_file_gives_it_back(fit, tmp_path):
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    assert again.responses == fit.responses
    assert bool((again.posterior["corr_g"] == fit.posterior["corr_g"]).all())
    assert repr(again.model.priors) == repr(fit.model.priors)
    old, new = (bg.avg_comparisons(one["n"], "x")["estimate"] for one in (fit, again))
    np.testing.assert_array_equal(old, new)
    with pytest.raises(PredictionError, match="Save the whole fit"):
        fit["y"].save(tmp_path / "one.nc")


#: Public functions whose first argument is a fit, with what else they need; every one refuses a fit of several.
NEEDS = {"slopes": ["x"], "avg_slopes": ["x"], "comparisons": ["x"], "avg_comparisons": ["x"], "grid": []}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in bg.__all__
        if inspect.isfunction(getattr(bg, name))
        and next(iter(inspect.signature(getattr(bg, name)).parameters), "") == "fit"
    ],
)
def test_every_function_of_a_fit_asks_which_response(fit, name):
    with pytest.raises(PredictionError, match=r"several responses, y, n. Give the fit of one, fit\['y'\]"):
        getattr(bg, name)(fit, *NEEDS.get(name, []))


def test_models_are_refused_likewise(fit):
    for function in (bg.sbc, bg.prior_predictive_check):
        with pytest.raises(PredictionError, match=r"Give the model of one, model\['y'\]"):
            function(fit.model)


def test_what_needs_all_responses_refuses_one_of_them(fit):
    for function, options in ((bg.loo, {}), (bg.kfold, {}), (bg.prior_sensitivity, {"refits": True})):
        with pytest.raises(PredictionError, match="is about the model of all responses, y, n"):
            function(fit["y"], **options)
    for method in ("update", "extend"):
        with pytest.raises(PredictionError, match=f"{method} is about the model of all responses"):
            getattr(fit["y"], method)()
    assert fit["y"].diagnose().notes is not None


def test_arguments_of_several_responses_are_refused_with_one():
    with pytest.raises(GLMMError, match="residual_correlation= is about several responses"):
        bg.GLMM("y ~ x", rows(), residual_correlation=True)
    with pytest.raises(GLMMError, match="formulas of further parameters are not available for several responses"):
        bg.GLMM(["y ~ x", "n ~ x"], rows(), dpar_formulas={"sigma": "~ x"})
    with pytest.raises(GLMMError, match="GLMM has no argument 'weights'"):
        bg.GLMM(["y ~ x", "n ~ x"], rows(), weights="h")


def test_row_densities_are_those_of_normal_distributions_given_the_effects():
    """By hand, in one draw: two normal responses with correlated residuals, of which a row has both or one."""
    from bayes_glmm.checks.multivariate import row_densities_together

    rng = np.random.default_rng(3)
    e = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 80)
    data = pd.DataFrame({"a": e[:, 0], "b": 2 + e[:, 1], "x": rng.normal(size=80)})
    data.loc[:4, "a"], data.loc[70:, "b"] = np.nan, np.nan
    with pytest.warns(DataWarning, match="5 of 80 rows are left out for a"):
        model = bg.GLMM("mvbind(a, b) ~ x", data, residual_correlation=True)
    fit = model.fit(random_seed=1, progressbar=False)
    assert float(fit.posterior["residual_corr"].mean(("chain", "draw"))[0, 1]) == pytest.approx(0.6, abs=0.15)
    density = row_densities_together(fit)
    one = fit.posterior.isel(chain=0, draw=5)
    beta, sd = one["beta"].values, np.array([one["sigma_a"], one["sigma_b"]])
    covariance = sd[:, None] * one["residual_corr"].values * sd
    mu = np.column_stack([beta[0] + beta[1] * data["x"], beta[2] + beta[3] * data["x"]])
    for i in (0, 30, 75):
        has = np.isfinite(data.loc[i, ["a", "b"]].to_numpy(float))
        y = data.loc[i, ["a", "b"]].to_numpy(float)[has]
        expected = stats.multivariate_normal.logpdf(y, mu[i][has], covariance[np.ix_(has, has)])
        assert density[5, i] == pytest.approx(expected, rel=1e-9)
    folds = fit.kfold(4, random_seed=1, progressbar=False)
    assert folds.n_data_points == 80
    # densities of rows that were seen are above, by about one a parameter
    assert 2 < folds.p < 20
    alone = bg.GLMM("a ~ x", data.dropna(subset="a")).fit(random_seed=1, progressbar=False)
    options = {"random_seed": 1, "progressbar": False}
    results = {"with": fit.kfold(4, "a", **options), "alone": bg.kfold(alone, 4, **options)}
    np.testing.assert_array_equal(results["with"].folds, results["alone"].folds)
    assert results["with"].elpd == pytest.approx(results["alone"].elpd, abs=1.5)
    assert list(bg.compare(results).index) in (["with", "alone"], ["alone", "with"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning", "ignore::bayes_glmm.errors.DataWarning")
def test_truths_drawn_from_the_prior_have_uniform_ranks():
    """Simulation-based calibration (Talts et al. 2018) of two families, one id, correlated effects and missing rows."""
    rng = np.random.default_rng(8)
    size, simulations = 60, 80
    data = pd.DataFrame({"x": rng.normal(size=size), "g": [f"g{i}" for i in np.arange(size) % 10]})
    data["y"], data["n"] = rng.normal(size=size), rng.poisson(2, size) * 1.0
    gone_y, gone_n = np.arange(3, 12), np.arange(30, 45)
    own = {"Intercept": "Normal(0.5, 0.5)", "beta": "Normal(0, 0.5)", "sd": "HalfNormal(0.7)"}
    options = {
        "families": ["gaussian", "poisson"],
        "priors": {"y": {**own, "sigma": "HalfNormal(1)"}, "n": own, "corr": "LKJ(1.5)"},
    }
    formulas = ["y ~ x + (1 |p| g)", "n ~ x + (1 |p| g)"]
    drawn = bg.GLMM(formulas, data, **options).sample_prior(simulations, random_seed=1)
    below = []
    for i in range(simulations):
        truth = drawn["prior"].to_dataset().isel(chain=0, draw=i)
        again = data.assign(**{name: drawn["prior_predictive"][name].values[0, i] * 1.0 for name in ("y", "n")})
        again.loc[gone_y, "y"], again.loc[gone_n, "n"] = np.nan, np.nan
        fit = bg.GLMM(formulas, again, **options).fit(draws=250, random_seed=i, progressbar=False)
        shares = {}
        for name in ("beta", "sd_g", "corr_g", "sigma_y"):
            less = (fit.posterior[name] < truth[name]).mean(("chain", "draw"))
            shares[name] = less.values.ravel()[2:3] if name == "corr_g" else less.values.ravel()
        below.append(np.concatenate(list(shares.values())))
    p = stats.kstest(np.array(below), "uniform", axis=0).pvalue
    assert len(p) == 8
    assert p.min() > 0.01 / len(p), p


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
def test_the_graph_by_nutpie_gives_the_kernels_posterior():
    data = rows().assign(z=lambda d: d["y"] + 0.5 * d["x"] ** 2)
    formulas = ["y ~ x + (1 |p| g)", "z ~ x + (1 |p| g)", "n ~ x + (1 |p| g)"]
    model = bg.GLMM(formulas, data, families=["gaussian", "gaussian", "poisson"], residual_correlation=True)
    kernel = model.fit(random_seed=1, progressbar=False)
    graph = model.fit(random_seed=2, progressbar=False, backend="nutpie", target_accept=0.97)
    assert graph.attrs["backend"] == "nutpie"
    ours, theirs = kernel.summary(), graph.summary()
    assert (ours["term"] == theirs["term"]).all()
    assert (abs(ours["mean"] - theirs["mean"]) < 0.15 * theirs["sd"]).all()
    assert (abs(np.log(ours["sd"] / theirs["sd"])) < 0.15).all()
