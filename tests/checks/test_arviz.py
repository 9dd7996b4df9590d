"""ArviZ on a fit as it is: every function of arviz_base, arviz_stats and arviz_plots that takes a DataTree."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import arviz as az
import arviz_base
import arviz_plots
import arviz_stats
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning, PredictionError, SamplingError

GROUPS = ["posterior_predictive", "log_likelihood", "log_prior", "prior", "prior_predictive"]
ROWS = 60
NORMAL = stats.norm(0, 10)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    x = rng.normal(size=ROWS)
    columns = {"x": x, "g": np.resize(list("abcd"), ROWS), "z": 1 + x + rng.normal(size=ROWS), "offset": x**2}
    labels = [f"row {i}" for i in range(ROWS)]
    return pd.DataFrame({**columns, "y": rng.poisson(np.exp(0.5 + 0.4 * x))}, index=labels)


def fitted(formula: str, data: pd.DataFrame, family: str, **arguments):
    model = bg.GLMM(formula, data, family=family, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(draws=150, tune=150, random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def fit(data):
    """Counts, fifteen rows in each of four groups: so many that leave-one-out takes the groups' effects as drawn."""
    return fitted("y ~ x + (1 | g)", data, "poisson").extend(prior_draws=50, random_seed=1)


@pytest.fixture(scope="module")
def smaller(data):
    return fitted("y ~ 1 + (1 | g)", data, "poisson").extend("log_likelihood")


@pytest.fixture(scope="module")
def line(data):
    """A straight line: its density is a line of the test."""
    priors = {"Intercept": bg.Prior("Normal", 0, 10), "beta": bg.Prior("Normal", 0, 10)}
    priors["sigma"] = bg.Prior("Exponential", 1)
    return fitted("z ~ x", data, "gaussian", priors=priors, center=False).extend("log_likelihood")


class Refits(az.SamplingWrapper):
    """How ArviZ fits a straight line again without some rows."""

    def sel_observations(self, idx):
        frame = self.model.design.frame
        left_out = frame.index[np.atleast_1d(idx)]
        return frame.drop(index=left_out), frame.loc[left_out]

    def sample(self, modified_observed_data):
        model = bg.GLMM("z ~ x", modified_observed_data)
        return model.fit(method="laplace", draws=100, random_seed=1, progressbar=False)

    def get_inference_data(self, fitted_model):
        return fitted_model.dt

    def log_likelihood__i(self, excluded_obs, idata__i):
        rows = excluded_obs.rename_axis("obs").to_xarray()
        return line_density(idata__i["posterior"], rows["x"], rows["z"])


def line_density(posterior, x, z) -> xr.DataArray:
    mean = posterior["beta"].sel(coef="Intercept", drop=True) + posterior["beta"].sel(coef="x", drop=True) * x
    mean, sigma, z = xr.broadcast(mean, posterior["sigma"], z)
    return mean.copy(data=stats.norm.logpdf(z, mean, sigma)).transpose("chain", "draw", ...)


def moment_matched(fit):
    """Leave-one-out by moment matching, every row counted as one that needs it."""
    frame, posterior = fit.model.design.frame, fit.dt["posterior"]
    intercept, slope = (posterior["beta"].sel(coef=name, drop=True) for name in ("Intercept", "x"))
    named = {"a": intercept, "b": slope, "log_sigma": np.log(posterior["sigma"])}
    upars = xr.concat(list(named.values()), dim="parameter").assign_coords(parameter=list(named))

    def parts(values):
        beta = values.sel(parameter=["a", "b"]).rename(parameter="coef").assign_coords(coef=["Intercept", "x"])
        return xr.Dataset({"beta": beta, "sigma": np.exp(values.sel(parameter="log_sigma", drop=True))})

    def density(values):
        own = parts(values)
        x, z = (xr.DataArray(frame[name].to_numpy(), dims="obs") for name in ("x", "z"))
        prior = own["beta"].copy(data=NORMAL.logpdf(own["beta"])).sum("coef") - own["sigma"] + np.log(own["sigma"])
        return prior + line_density(own, x, z).sum("obs")

    def of_row(values, i):
        return line_density(parts(values), xr.DataArray(frame["x"].iloc[i]), xr.DataArray(frame["z"].iloc[i]))

    plain = az.loo(fit.dt, pointwise=True)
    return az.loo_moment_match(fit.dt, plain, density, of_row, upars.transpose("chain", "draw", ...), k_threshold=0.2)


def with_mean(fit) -> xr.DataTree:
    tree = fit.dt.copy()
    tree["posterior"] = (
        tree["posterior"].to_dataset().assign(mu=bg.predictions(fit, draws="dataarray").drop_vars("obs"))
    )
    return tree


#: Functions that need more than the tree of the counts.
CALLS = {
    "bayes_factor": lambda of: az.bayes_factor(of.counts.dt, var_names="sd_g", ref_vals=0.5),
    "bayesian_r2": lambda of: az.bayesian_r2(with_mean(of.line), pred_mean="mu", scale="sigma"),
    "ci_in_rope": lambda of: az.ci_in_rope(of.counts.dt, rope=(-0.1, 0.1), var_names=["beta"]),
    "compare": lambda of: az.compare({"with x": of.counts.dt, "without": of.smaller.dt}),
    "generate_survival_curves": lambda of: az.generate_survival_curves(of.counts.dt, var_names=["y"]),
    "kaplan_meier": lambda of: az.kaplan_meier(of.counts.dt, var_names=["y"]),
    "kl_divergence": lambda of: az.kl_divergence(of.counts.dt, of.smaller.dt, var_names=["sd_g"], num_samples=100),
    "lfo_cv": lambda of: az.lfo_cv(of.line.dt, Refits(of.line.model), ROWS - 4, 1, time_dim="obs"),
    "loo_approximate_posterior": lambda of: az.loo_approximate_posterior(of.counts.dt, *np.zeros((2, 600))),
    "loo_i": lambda of: az.loo_i(3, of.counts.dt),
    "loo_kfold": lambda of: az.loo_kfold(of.line.dt, Refits(of.line.model), k=3),
    "loo_moment_match": lambda of: moment_matched(of.line),
    "loo_r2": lambda of: az.loo_r2(of.counts.dt, var_name="y"),
    "loo_subsample": lambda of: az.loo_subsample(of.counts.dt, observations=20),
    "reloo": lambda of: az.reloo(Refits(of.line.model, idata_orig=of.line.dt), k_threshold=0.25),
    "residual_r2": lambda of: az.residual_r2(with_mean(of.line), pred_mean="mu", obs_name="z"),
    "rhat_nested": lambda of: az.rhat_nested(of.counts.dt, superchain_ids=[0, 0, 1, 1]),
    "update_subsample": lambda of: az.update_subsample(
        az.loo_subsample(of.counts.dt, observations=20, pointwise=True), of.counts.dt, observations=10
    ),
    "wasserstein": lambda of: az.wasserstein(of.counts.dt, of.smaller.dt, var_names=["sd_g"], num_samples=100),
    "weight_predictions": lambda of: az.weight_predictions([of.counts.dt, of.counts.dt], random_seed=1),
    "combine_plots": lambda of: az.combine_plots(
        of.counts.dt, [(az.plot_trace, {}), (az.plot_dist, {})], var_names=["beta"]
    ),
    "plot_bf": lambda of: az.plot_bf(of.counts.dt, var_names="sd_g", ref_val=0.5),
    "plot_ecdf_pit": lambda of: az.plot_ecdf_pit(
        xr.DataTree.from_dict({"loo_pit": az.loo_pit(of.counts.dt)}), group="loo_pit", sample_dims=["obs"]
    ),
    "plot_lm": lambda of: az.plot_lm(of.counts.dt, x="x"),
    "plot_pair": lambda of: az.plot_pair(of.counts.dt, var_names=["beta", "sd_g"]),
    "plot_pair_focus": lambda of: az.plot_pair_focus(
        of.counts.dt, focus_var="sd_g", focus_var_coords={"g_coef": "Intercept"}, var_names=["beta"]
    ),
    "plot_ppc_pava_residuals": lambda of: az.plot_ppc_pava_residuals(of.counts.dt, x_var="x"),
}
#: Functions whose argument is no tree, and one that refuses a tree in its own words.
OTHERS = {"add_bands", "add_lines", "plot_compare", "plot_khat", "ecdf", "citations", "clear_data_home"}
OTHERS |= {"dataset_to_dataarray", "dataset_to_dataframe", "dict_to_dataset", "explode_dataset_dims", "from_cmdstanpy"}
OTHERS |= {"from_dict", "from_emcee", "from_numpyro", "from_numpyro_svi", "from_pystan", "generate_dims_coords"}
OTHERS |= {"get_data_home", "get_function", "hexbin", "histogram2d", "kde2d", "list_datasets", "load_arviz_data"}
OTHERS |= {"make_attrs", "ndarray_to_dataarray", "references_to_dataset", "xarray_sel_iter", "xarray_to_ndarray"}
OTHERS |= {"xarray_var_iter"}

SAID_BY_ARVIZ = [
    "Estimated shape parameter of Pareto:UserWarning",
    "No status variable found for y:UserWarning",  # none of the counts is censored
    "Variables y in .* look discrete:UserWarning",  # as counts do
    "invalid value encountered in .*divide:RuntimeWarning",  # its Pareto tail of draws that are ties
]
pytestmark = [pytest.mark.filterwarnings(f"ignore:{words}") for words in SAID_BY_ARVIZ]


def functions() -> dict[str, Callable]:
    """Every public function of ArviZ's three packages."""
    named = {name: getattr(one, name) for one in (arviz_base, arviz_stats, arviz_plots) for name in dir(one)}
    return {name: thing for name, thing in named.items() if inspect.isroutine(thing) and not name.startswith("_")}


def test_every_function_is_called_or_listed() -> None:
    assert set(CALLS) | OTHERS <= set(functions())
    assert not set(CALLS) & OTHERS


@pytest.mark.parametrize("name", sorted(set(functions()) - OTHERS))
def test_every_function_takes_a_fit_as_it_is(name, fit, smaller, line) -> None:
    fits = SimpleNamespace(counts=fit, smaller=smaller, line=line)
    call = CALLS.get(name, lambda of: functions()[name](of.counts.dt))
    assert call(fits) is not None
    plt.close("all")


# the same answers ------------------------------------------------------------------------------------------------


def test_leave_one_out_and_comparison_are_ours_where_groups_are_large(fit, smaller) -> None:
    ours = bg.loo(fit, refits=False)
    theirs = az.loo(fit.dt, pointwise=True)
    assert (theirs.elpd, theirs.se, theirs.p) == pytest.approx((ours.elpd, ours.se, ours.p), rel=1e-9)
    np.testing.assert_allclose(theirs.pareto_k, ours.pareto_k, rtol=1e-9)
    table = az.compare({"with x": fit.dt, "without": smaller.dt}, round_to="none")
    again = bg.compare({"with x": fit, "without": smaller}, refits=False)
    columns = ["elpd", "p", "elpd_diff", "se", "dse", "weight"]
    np.testing.assert_allclose(table[columns].astype(float), again[columns].astype(float), rtol=1e-6, atol=1e-9)


def test_refits_by_arviz_are_our_folds(line) -> None:
    """The same folds fitted by ArviZ's wrapper, with default priors and from the Laplace approximation."""
    ours = bg.kfold(line, 3, random_seed=1, progressbar=False)
    theirs = az.loo_kfold(line.dt, Refits(line.model), folds=ours.folds + 1)
    assert theirs.elpd == pytest.approx(ours.elpd, abs=1.0)
    assert moment_matched(line).elpd == pytest.approx(bg.loo(line, refits=False).elpd, abs=0.1)


@pytest.mark.parametrize("name", ["fit", "line"])
def test_prior_sensitivity_is_ours(name, request) -> None:
    one = request.getfixturevalue(name)
    ours = bg.prior_sensitivity(one).set_index("parameter")["prior"]
    table = az.psense_summary(one.extend("log_prior").dt, round_to=12)["prior"]
    np.testing.assert_allclose(table["beta[x]"], ours["beta[x]"], rtol=1e-6)
    each = bg.prior_sensitivity(one, by="parameter").set_index(["scaled", "parameter"])["prior"]
    of_slope = az.psense(one.dt, group_var_names=["beta"], group_coords={"coef": ["x"]})
    assert float(of_slope["beta"].sel(coef="x")) == pytest.approx(each["beta[x]", "beta[x]"], rel=1e-6)


def test_summaries_are_ours(fit) -> None:
    ours = fit.summary().set_index("term")
    theirs = az.summary(fit.dt, var_names=["beta", "sd_g"], round_to="none", ci_kind="eti")
    for label, row in (("beta[x]", "x"), ("beta[Intercept]", "Intercept")):
        found = ours.loc[row] if isinstance(ours.loc[row], pd.Series) else ours.loc[row].iloc[0]
        for column, name in (("mean", "mean"), ("sd", "sd"), ("ess_bulk", "ess_bulk"), ("r_hat", "r_hat")):
            assert float(theirs.loc[label, column]) == pytest.approx(float(found[name]), rel=1e-9)


def test_predictive_quantities_are_near_ours(fit, line) -> None:
    y, mean = fit.model.design.response.y, bg.predictions(fit)["estimate"].to_numpy()
    error = np.sqrt(np.mean((y - mean) ** 2))
    assert az.metrics(fit.dt, round_to="none").mean == pytest.approx(error, rel=0.02)
    left_out, _ = az.loo_expectations(fit.dt)
    np.testing.assert_allclose(left_out, mean, atol=1.5)
    ranks = az.loo_pit(line.extend("posterior_predictive", random_seed=2).dt)["z"]
    ours = bg.simulate_residuals(line, "loo", draws=600, random_seed=1)["residual"]
    np.testing.assert_allclose(ranks, ours, atol=0.08)  # a rank among 600 draws has an sd of 0.02
    mu = bg.predictions(line, draws="dataarray")
    explained = mu.var("obs", ddof=1) / (mu.var("obs", ddof=1) + line.posterior["sigma"] ** 2)
    found = az.bayesian_r2(with_mean(line), pred_mean="mu", scale="sigma", summary=False)
    assert found.mean() == pytest.approx(float(explained.mean()), rel=1e-6)


# what extend does --------------------------------------------------------------------------------------------------


def test_the_groups_have_the_posteriors_and_the_rows_labels(fit) -> None:
    dt = fit.dt
    assert list(dt.children) == ["posterior", "sample_stats", "observed_data", "constant_data", *GROUPS]
    for name in ("posterior_predictive", "log_likelihood", "prior_predictive"):
        assert dt[name]["y"].dims == ("chain", "draw", "obs")
        assert dt[name]["obs"].to_numpy().tolist() == fit.model.design.frame.index.tolist()
    assert list(dt["prior"].data_vars) == list(dt["posterior"].data_vars)
    for name, variable in dt["posterior"].data_vars.items():
        assert dt["prior"][name].dims == variable.dims
        for dim in variable.dims[2:]:
            assert dt["prior"][dim].equals(variable[dim])
    assert list(dt["log_prior"].data_vars) == ["beta", "sd_g"]
    for name in ("observed_data", "posterior_predictive", "prior_predictive"):
        assert dt[name]["y"].dtype == np.int64


KINDS = {
    "gaussian": "precision(z, w) ~ x + (x || g)",
    "student": "z ~ I(x / 2) + (1 | g:h)",
    "bernoulli": "h ~ x",
    "binomial": "p(y, n) ~ x + (1 | h)",
    "negativebinomial": "weighted(y, w) ~ 0 + g",
    "gamma": "w ~ x + offset(offset)",
    "beta": "share ~ 0 + (1 | g)",
    "cumulative": "grade ~ x + (x | g)",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize("family", KINDS)
def test_every_kind_of_model_is_extended_and_saved(family, data, tmp_path) -> None:
    rng = np.random.default_rng(3)
    grade = pd.Categorical.from_codes(rng.integers(0, 3, ROWS), ["low", "middle", "high"], ordered=True)
    columns = {"w": rng.gamma(4, size=ROWS), "n": data["y"] + 2, "share": rng.uniform(0.1, 0.9, ROWS), "grade": grade}
    model = bg.GLMM(KINDS[family], data.assign(h=np.resize(["p", "q", "q"], ROWS), **columns), family=family)
    dt = model.fit(method="laplace", draws=50, random_seed=1, progressbar=False).extend(prior_draws=20).dt
    (name,) = dt["observed_data"].data_vars
    for group in ("posterior_predictive", "log_likelihood", "prior_predictive"):
        assert list(dt[group].data_vars) == [name] and np.isfinite(dt[group][name]).all()
        assert dt[group]["obs"].equals(dt["observed_data"]["obs"])
    assert list(dt["prior"].data_vars) == list(dt["posterior"].data_vars)
    assert not set(dt["posterior"].data_vars) - set(dt["log_prior"].data_vars) - {"b_g", "b_h", "b_g:h"}
    again = bg.load(bg.FittedGLMM(model, dt).save(tmp_path / "fit.nc"))
    for group in dt.children:
        xr.testing.assert_identical(again.dt[group].to_dataset(), dt[group].to_dataset())
    assert np.isfinite(az.loo(dt).elpd) and len(az.psense_summary(dt))


def test_log_prior_is_the_density_of_what_was_stated(line) -> None:
    densities = line.extend("log_prior").dt["log_prior"]
    np.testing.assert_allclose(densities["beta"], NORMAL.logpdf(line.posterior["beta"]), rtol=1e-9)
    np.testing.assert_allclose(densities["sigma"], -line.posterior["sigma"], rtol=1e-9)


def test_the_same_seed_gives_the_same_groups_before_and_after_saving(fit, tmp_path) -> None:
    first = fit.extend(prior_draws=50, random_seed=1).dt.copy(deep=True)
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    assert first["prior"].sizes["draw"] == 50
    for one in (again, again.extend(prior_draws=50, random_seed=1)):
        assert list(one.dt.children) == list(first.children)
        for name in first.children:
            xr.testing.assert_identical(one.dt[name].to_dataset(), first[name].to_dataset())


def test_groups_asked_for_are_replaced_and_others_stay(line) -> None:
    line.extend(["log_likelihood", "posterior_predictive"], random_seed=1)
    density, drawn = (line.dt[name].to_dataset() for name in ("log_likelihood", "posterior_predictive"))
    assert line.extend("posterior_predictive", random_seed=2) is line
    assert line.dt["log_likelihood"].to_dataset().identical(density)
    assert not line.dt["posterior_predictive"].to_dataset().equals(drawn)
    assert bg.posterior_predictive(line, random_seed=2).identical(
        xr.DataTree.from_dict({"posterior_predictive": line.dt["posterior_predictive"].to_dataset()})
    )


def test_both_functions_return_a_tree_that_updates_the_fits(line) -> None:
    tree = line.dt.copy()
    for one in (bg.log_likelihood(line), bg.posterior_predictive(line, random_seed=1)):
        assert isinstance(one, xr.DataTree) and len(one.children) == 1
        tree.update(one.children)
    assert {"log_likelihood", "posterior_predictive"} <= set(tree.children)


def test_constant_data_hold_the_numbers_to_plot_against(fit, data) -> None:
    np.testing.assert_array_equal(fit.dt["constant_data"]["x"], data["x"])
    constant = fitted("z ~ offset + g", data, "gaussian").dt["constant_data"]
    assert set(constant.data_vars) == {"offset", "offset_data"}
    np.testing.assert_array_equal(constant["offset_data"], data["offset"])


def test_refusals_say_what_to_do(data, line) -> None:
    flat = fitted("z ~ x", data, "gaussian", priors={"beta": bg.Prior("Flat")})
    before = list(flat.dt.children)
    with pytest.raises(SamplingError, match=r"flat prior of beta\[x\].*extend\(\['posterior_predictive', 'log_like"):
        flat.extend()
    with pytest.raises(PredictionError, match="no group 'loglikelihood'.*'log_likelihood'"):
        flat.extend(["posterior_predictive", "loglikelihood"])
    for draws in (0, 2.5, "many"):
        with pytest.raises(SamplingError, match=r"draws= must be a whole number.*extend\(\['posterior_predictive'"):
            line.extend("prior", prior_draws=draws)
    assert list(flat.dt.children) == before
    assert "log_prior" in flat.extend(["log_prior", "log_likelihood"]).dt.children
    az.psense_summary(flat.dt)


@pytest.mark.filterwarnings("ignore:Your data appears to have a single value:UserWarning")
def test_correlations_are_drawn_whose_diagonal_is_one(sleepstudy_fit) -> None:
    """A density of ones that differ in the sixteenth digit cannot be drawn; ArviZ says so of ones and goes on."""
    diagonal = np.diagonal(sleepstudy_fit.posterior["corr_Subject"], axis1=-2, axis2=-1)
    assert np.all(diagonal == 1.0)
    az.plot_trace_dist(sleepstudy_fit.dt, var_names=["beta", "sd_Subject", "corr_Subject"])
