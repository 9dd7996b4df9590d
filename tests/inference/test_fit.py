"""What a fit is: an `xarray.DataTree` with ArviZ's names that every function of ArviZ takes as it is."""

from __future__ import annotations

from dataclasses import replace

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayes_glmm as bg
from bayes_glmm.engine.parameters import MOST_COEFS
from bayes_glmm.errors import SamplingError
from bayes_glmm.families import FAMILIES
from bayes_glmm.inference.samplers import choose_sampler

QUICK = {"draws": 600, "random_seed": 8, "progressbar": False}

# Any name may be a grouping factor, those that results use for themselves among them.
RESERVED = ["chain", "draw", "obs", "coef", "beta", "sigma", "sample"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(12)], 10), "x": rng.normal(size=120)})
    u = rng.multivariate_normal([0, 0], [[1.0, 0.3], [0.3, 0.5]], size=12).repeat(10, axis=0)
    frame["y"] = 1 + u[:, 0] + (2 + u[:, 1]) * frame["x"] + 0.7 * rng.normal(size=120)
    return frame


@pytest.fixture(scope="module")
def named(data):
    """Fits whose grouping factor bears a reserved name, made once each."""
    made: dict[str, bg.FittedGLMM] = {}

    def fit(name: str) -> bg.FittedGLMM:
        if name not in made:
            model = bg.GLMM(f"y ~ x + (x | {name})", data.rename(columns={"g": name}))
            made[name] = model.fit(**QUICK)
        return made[name]

    return fit


def test_groups_dims_and_coords(sleepstudy_fit, sleepstudy):
    dt = sleepstudy_fit.dt
    assert isinstance(dt, xr.DataTree)
    assert {"posterior", "sample_stats", "observed_data", "constant_data"} <= set(dt.children)
    posterior = sleepstudy_fit.posterior
    dims = {name: variable.dims[2:] for name, variable in posterior.data_vars.items()}
    assert dims == {
        "beta": ("coef",),
        "b_Subject": ("Subject", "Subject_coef"),
        "sd_Subject": ("Subject_coef",),
        "corr_Subject": ("Subject_coef", "Subject_coef_2"),
        "sigma": (),
    }
    assert all(variable.dims[:2] == ("chain", "draw") for variable in posterior.data_vars.values())
    assert dict(posterior.sizes) == {"chain": 4, "draw": 1500, "coef": 2, "Subject": 18, "Subject_coef": 2,
                                     "Subject_coef_2": 2}  # fmt: skip
    assert posterior["coef"].values.tolist() == ["Intercept", "Days"]
    assert posterior["Subject"].values.tolist() == sleepstudy["Subject"].cat.categories.tolist()
    np.testing.assert_array_equal(dt["observed_data"]["Reaction"], sleepstudy["Reaction"])
    assert dt["observed_data"]["Reaction"].dims == ("obs",)
    corr = posterior["corr_Subject"].values
    np.testing.assert_allclose(corr[..., [0, 1], [0, 1]], 1)
    np.testing.assert_array_equal(corr, np.swapaxes(corr, -1, -2))
    stats = dt["sample_stats"]
    assert {"diverging", "energy", "n_steps", "step_size"} <= set(stats.data_vars)
    assert stats["diverging"].dims == ("chain", "draw") and stats["diverging"].dtype == bool
    assert sleepstudy_fit.attrs["method"] == "nuts" and sleepstudy_fit.attrs["backend"] == "kernel"
    assert not sleepstudy_fit.interrupted and not sleepstudy_fit.approximate
    assert sleepstudy_fit.posterior.notnull().all().to_array().all()


def test_trials_and_rows_are_kept_under_the_users_labels(cbpp, cbpp_fit):
    constant = cbpp_fit.dt["constant_data"]
    np.testing.assert_array_equal(constant["trials"], cbpp["size"])
    labelled = cbpp.set_index(pd.Index([f"row {i}" for i in range(56)]))
    fit = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", labelled, family="binomial").fit(**QUICK)
    assert fit.dt["observed_data"]["obs"].values.tolist() == labelled.index.tolist()
    np.testing.assert_array_equal(fit.dt["observed_data"]["incidence"], cbpp["incidence"])


# The diagonal of a correlation matrix is 1 in every draw: ArviZ divides zero by zero and shows NaN for its R-hat.
@pytest.mark.filterwarnings("ignore:invalid value encountered in scalar divide:RuntimeWarning")
@pytest.mark.parametrize("name", ["Subject", "sample", "obs"])
def test_arviz_takes_a_fit_as_it_is(name, named, sleepstudy_fit):
    fit = sleepstudy_fit if name == "Subject" else named(name)
    dim = "Subject" if name == "Subject" else f"{name}_level"
    levels = fit.posterior[dim].values
    table = az.summary(fit.dt)
    slope = "Days" if name == "Subject" else "x"
    for label in (
        "beta[Intercept]",
        f"beta[{slope}]",
        f"b_{name}[{levels[3]}, {slope}]",
        f"sd_{name}[{slope}]",
        "sigma",
    ):
        assert label in table.index, table.index[:12]
    # labels stand beside their own numbers (ArviZ orders a shared dimension by the first variable that has it)
    expected = fit.posterior[f"b_{name}"].mean(("chain", "draw")).sel({dim: levels[3], f"{name}_coef": slope})
    assert float(table.loc[f"b_{name}[{levels[3]}, {slope}]", "mean"]) == pytest.approx(
        float(expected), abs=0.06, rel=0.1
    )
    assert az.rhat(fit.dt)["beta"].sizes == {"coef": 2}
    assert float(az.ess(fit.dt)["sigma"]) > 100
    extracted = az.extract(fit.dt)
    assert extracted.sizes["sample"] == fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    assert extracted[f"b_{name}"].sizes[dim] == len(levels)
    for plot in (az.plot_trace, az.plot_forest):
        plot(fit.dt, var_names=["beta", f"sd_{name}"])
    plt.close("all")


@pytest.mark.parametrize("name", ["Subject", "sample", "obs"])
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
def test_loo_after_adding_the_log_likelihood(name, named, sleepstudy_fit):
    fit = sleepstudy_fit if name == "Subject" else named(name)
    tree = fit.dt.copy()
    tree.update(bg.log_likelihood(fit).children)
    loo = az.loo(tree)
    rows = len(fit.model.design.index)
    assert loo.n_data_points == rows and np.isfinite(loo.elpd)
    # by hand: the mean over rows of the log likelihood is near the elpd, which is below it
    fitted = float(tree["log_likelihood"].to_dataset().to_array().mean(("chain", "draw")).sum())
    assert fitted - 0.5 * rows < loo.elpd < fitted
    assert "log_likelihood" not in fit.dt.children


@pytest.mark.parametrize("name", RESERVED)
def test_grouping_factors_may_have_any_name(name, named, data):
    """The dimension of the levels is ``<name>_level`` where results use the name; everything else is as ever."""
    fit, dim = named(name), f"{name}_level"
    posterior = fit.posterior
    assert fit.model.design.groups[0].dim == dim
    assert posterior[f"b_{name}"].dims == ("chain", "draw", dim, f"{name}_coef")
    assert posterior[dim].values.tolist() == [f"g{i}" for i in (0, 1, 10, 11, *range(2, 10))]
    assert dict(fit.summary().groupby("component", sort=False).size()) == {
        "fixed": 2,
        "sd": 2,
        "corr": 1,
        "auxiliary": 1,
    }
    # the same posterior as under an ordinary name, draw by draw
    plain = named("ward").posterior
    for variable in ("beta", "sigma"):
        np.testing.assert_array_equal(posterior[variable], plain[variable])
    for variable in ("b", "sd", "corr"):
        np.testing.assert_array_equal(posterior[f"{variable}_{name}"], plain[f"{variable}_ward"])
    assert len(bg.random_effects(fit)) == 24
    rows = data.rename(columns={"g": name}).iloc[:7]
    conditional = bg.predictions(fit, rows)
    assert len(conditional) == 7 and np.isfinite(conditional["estimate"]).all()
    average = bg.avg_comparisons(fit, "x", random_effects="marginal")["estimate"].item()
    assert average == pytest.approx(float(posterior["beta"].sel(coef="x").mean()), rel=1e-9)
    predicted = bg.posterior_predictive(fit, draws=5)["posterior_predictive"]["y"]
    assert predicted.dims == ("chain", "draw", "obs")


def test_reserved_names_reach_pymc_too(data):
    model = bg.GLMM("y ~ x + (1 | draw)", data.rename(columns={"g": "draw"})).to_pymc()
    assert model.named_vars_to_dims["b_draw"] == ("draw_level", "draw_coef")


# Sampling ------------------------------------------------------------------------------------------------------------

FORMULAS = [("y ~ x + (x | g)", "gaussian"), ("count ~ x + (1 | g)", "poisson")]


def counts(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(count=np.round(np.exp(0.3 * data["y"])).astype(int))


@pytest.mark.parametrize(("formula", "family"), FORMULAS)
def test_the_same_seed_gives_the_same_draws(data, formula, family):
    model = bg.GLMM(formula, counts(data), family=family)
    first = model.fit(**QUICK, cores=1)
    for cores in (1, 2):
        again = bg.GLMM(formula, counts(data), family=family).fit(**QUICK, cores=cores)
        assert first.posterior.identical(again.posterior)
        xr.testing.assert_identical(
            first.dt["sample_stats"]["diverging"].drop_attrs(), again.dt["sample_stats"]["diverging"].drop_attrs()
        )
    other = model.fit(**{**QUICK, "random_seed": 9})
    assert not np.allclose(first.posterior["beta"], other.posterior["beta"])
    chains = first.posterior["beta"].values
    assert not np.allclose(chains[0], chains[1])


def test_lengths_are_those_asked_for(data):
    fit = bg.GLMM("y ~ x + (1 | g)", data).fit(draws=450, tune=170, chains=3, random_seed=1, progressbar=False)
    assert dict(fit.posterior.sizes) | {"chain": 3, "draw": 450} == dict(fit.posterior.sizes)
    assert fit.attrs["tune"] == 170
    assert fit.dt["sample_stats"].sizes["draw"] == 450


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS:UserWarning")
@pytest.mark.parametrize(("formula", "family"), FORMULAS)
def test_backends_agree(data, formula, family):
    """nutpie on PyMC's graph and the compiled kernel sample one posterior."""
    model = bg.GLMM(formula, counts(data), family=family)
    kernel, nutpie = (
        model.fit(backend=backend, draws=2000, target_accept=0.9, random_seed=2, progressbar=False).posterior
        for backend in ("kernel", "nutpie")
    )
    agree(kernel, nutpie, errors=5)  # the largest of some 30 differences, and nothing but Monte Carlo error


def agree(one, other, errors=4):
    """The same variables and coordinates, and means within so many Monte-Carlo errors."""
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        xr.testing.assert_equal(one[name].coords.to_dataset(), other[name].coords.to_dataset())
        error = np.hypot(az.mcse(one[name].to_dataset())[name], az.mcse(other[name].to_dataset())[name])
        difference = abs(one[name].mean(("chain", "draw")) - other[name].mean(("chain", "draw")))
        assert bool((difference <= errors * error + 1e-12).all()), (name, float((difference / error).max()))


LONGER = {"draws": 1500, "tune": 500, "chains": 2, "random_seed": 3, "progressbar": False}


def test_a_family_without_kernel_goes_by_pymcs_graph_in_the_same_coordinates():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 6), "x": rng.normal(size=48), "n": rng.poisson(2, 48)})
    own = replace(FAMILIES["poisson"], name="mine", kernel=None)
    fit = bg.GLMM("n ~ x + (1 | g)", frame, family=own).fit(**LONGER)
    assert fit.attrs["backend"] == "nutpie" and "no rows for mine with the log link" in fit.attrs["reason"]
    assert fit.attrs["path"] == "PyMC's compiled graph in the coordinates of the Laplace fit"
    kernel = bg.GLMM("n ~ x + (1 | g)", frame, family="poisson").fit(**LONGER)
    assert kernel.attrs["backend"] == "kernel"
    agree(kernel.posterior, fit.posterior)


def test_a_bounded_coefficient_is_sampled_by_nutpie_and_by_pymc():
    """The kernel takes no bounds; 0/1 rows that share everything are added up on the way."""
    frame = pd.DataFrame({"x": np.tile([0.0, 1.0, 2.0], 40)})
    frame["y"] = np.random.default_rng(6).uniform(size=120) < 1 / (1 + np.exp(1.0 - 1.5 * frame["x"]))
    model = bg.GLMM("y ~ x", frame, family="bernoulli", priors={"beta[x]": bg.Prior("HalfNormal", 1)})
    fit = model.fit(**LONGER)
    assert fit.attrs["backend"] == "nutpie" and "bounds a coefficient" in fit.attrs["reason"]
    assert "PyMC's own coordinates" in fit.attrs["path"]
    assert float(fit.posterior["beta"].sel(coef="x").min()) > 0
    agree(fit.posterior, model.fit(backend="pymc", cores=1, **LONGER).posterior)
    with pytest.raises(SamplingError, match="method='laplace' needs the kernel.*bounds a coefficient"):
        model.fit(method="laplace")


SETTINGS = [
    ({"draws": 0}, "draws= must be a whole number of at least 1, not 0"),
    ({"draws": 2.5}, "draws= must be a whole number"),
    ({"draws": True}, "draws= must be a whole number"),
    ({"tune": -1}, "tune= must be a whole number"),
    ({"chains": 0}, "chains= must be a whole number"),
    ({"cores": 0}, "cores= must be a whole number"),
    ({"random_seed": -1}, "random_seed= must be a whole number of at least 0"),
    ({"random_seed": 1.5}, "random_seed= must be a whole number"),
    ({"target_accept": 0.0}, "target_accept= must lie between 0 and 1"),
    ({"target_accept": 1}, "target_accept= must lie between 0 and 1"),
    ({"method": "nutz"}, "no method 'nutz'. Did you mean 'nuts'"),
    ({"backend": "kernal"}, "no backend 'kernal'. Did you mean 'kernel'"),
]


@pytest.mark.parametrize(("arguments", "words"), SETTINGS)
def test_settings_that_cannot_be(data, arguments, words):
    with pytest.raises(SamplingError, match=words):
        bg.GLMM("y ~ x", data).fit(**arguments)


def test_very_many_coefficients_a_level_go_by_pymcs_graph():
    """The engine's small matrices are on the stack."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"x{i}": rng.normal(size=200) for i in range(MOST_COEFS)})
    frame["y"], frame["g"] = rng.normal(size=200), rng.choice(list("abcd"), 200)

    def chosen(count):
        effects = " + ".join(f"x{i}" for i in range(count))
        model = bg.GLMM(f"y ~ 1 + (1 + {effects} || g)", frame)
        return choose_sampler("auto", model.spec, model.design, model.prior_table)

    assert chosen(MOST_COEFS - 1)[0] == "kernel"
    name, reason = chosen(MOST_COEFS)
    assert name == "nutpie"
    assert "65 random coefficients for each level of g are more than the engine's 64" in reason


def test_the_kernel_says_what_it_does_not_cover(data):
    priors = {"beta[x]": bg.Prior("HalfNormal", 1)}
    with pytest.raises(SamplingError, match=r"does not cover this model.*beta\[x\].*backend='auto'"):
        bg.GLMM("y ~ x", data, priors=priors).fit(backend="kernel")
