"""Leave-one-out and k-fold against exact refits, PyMC's densities and brute-force integrals."""

from __future__ import annotations

import warnings

import arviz_stats as azs
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
import xarray as xr
from scipy import integrate, special, stats

import bayes_glmm as bg
from bayes_glmm.checks.comparison import KFold, LeaveOneOut
from bayes_glmm.checks.group_likelihood import group_log_likelihood, log_mean_exp
from bayes_glmm.checks.row_likelihood import row_log_likelihood
from bayes_glmm.errors import DataWarning, PredictionError, SamplingError
from bayes_glmm.inference.refit import Failure, refit, run_tasks, without_rows
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.predict.posterior import posterior_draws

QUIET = {"random_seed": 5, "progressbar": False}


@pytest.fixture(scope="module")
def exact(cbpp_fit) -> KFold:
    """Each of the 56 observations left out by a fit without it."""
    return bg.kfold(cbpp_fit, k=None, **QUIET)


@pytest.fixture(scope="module")
def estimate(cbpp_fit) -> LeaveOneOut:
    return bg.loo(cbpp_fit, **QUIET)


def test_pointwise_log_likelihoods_are_pymcs(cbpp_fit):
    thinned = cbpp_fit.posterior.isel(draw=slice(0, 1500, 300))
    ours = bg.log_likelihood(cbpp_fit)["log_likelihood"]["incidence"].isel(draw=slice(0, 1500, 300))
    basis = cbpp_fit.model.prior_table.basis
    centered = thinned["beta"].copy(data=np.linalg.solve(basis, thinned["beta"].to_numpy()[..., None])[..., 0])
    free = thinned.assign(z_herd=thinned["b_herd"] / thinned["sd_herd"], beta_centered=centered)
    with cbpp_fit.model.to_pymc() as model, pytensor.config.change_flags(linker="py"):
        names = [variable.name for variable in model.free_RVs]
        tree = xr.DataTree.from_dict({"posterior": free[names]})
        theirs = pm.compute_log_likelihood(tree, extend_inferencedata=False, progressbar=False)["incidence"]
    np.testing.assert_allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-9)


def test_loo_is_arvizs_where_importance_sampling_holds():
    """Levels of many rows: effects as drawn, and rows that ArviZ's Pareto k condemns fitted again."""
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 7), "x": rng.normal(size=42)})
    data["y"] = (data["x"] + rng.normal(0, 0.5, 42)).where(data.index != 20, 15.0)
    fit = bg.GLMM("y ~ x + (1 | g)", data).fit(**QUIET)
    estimate = bg.loo(fit, **QUIET)
    tree = xr.DataTree.from_dict({"posterior": fit.posterior, **bg.log_likelihood(fit).children})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        theirs = azs.loo(tree, pointwise=True)
    good = (theirs.pareto_k <= theirs.good_k).to_numpy()
    assert 0 < estimate.refitted == (~good).sum() < 20
    np.testing.assert_allclose(estimate.elpd_i.to_numpy()[good], theirs.elpd_i.to_numpy()[good], rtol=1e-12)
    assert (estimate.pareto_k.to_numpy()[~good] == 0).all() and not estimate.warning
    assert estimate.elpd == pytest.approx(estimate.elpd_i.sum().item())
    assert f"{estimate.refitted} of 42 from fits without them" in str(estimate)
    plain = bg.loo(fit, refits=False)
    assert plain.elpd == theirs.elpd and plain.refitted == 0 and plain.warning


def test_loo_of_observations_is_what_refits_give(exact, estimate):
    difference = estimate.elpd_i.to_numpy() - exact.elpd_i.to_numpy()
    assert abs(difference.sum()) < 0.5 * exact.se  # seen: 0.7 of 5.4
    assert estimate.refitted == 0 and np.abs(difference).max() < 0.25  # herds have one to four rows: none is refitted
    assert exact.p == pytest.approx(estimate.p, abs=1.5)
    assert exact.n_folds == exact.n_data_points == 56 and "new observation" in str(exact)


def test_loo_of_groups_is_leave_one_group_out(cbpp_fit):
    """The difference is far within the standard error, herd by herd."""
    herds = bg.loo(cbpp_fit, unit="herd", **QUIET)
    exact = bg.kfold(cbpp_fit, k=None, group="herd", **QUIET)
    assert herds.n_data_points == exact.n_data_points == 15
    assert abs(herds.elpd - exact.elpd) < 0.1 * exact.se
    assert np.abs(herds.elpd_i.to_numpy() - exact.elpd_i.to_numpy()).max() < 0.15
    assert list(exact.elpd_i["herd"].values) == [str(i) for i in range(1, 16)]
    assert "new level of herd" in str(herds) and "new level of herd" in str(exact)


def test_loo_of_groups_with_slopes_is_leave_one_group_out(sleepstudy_fit):
    subjects = bg.loo(sleepstudy_fit, unit="Subject", **QUIET)
    exact = bg.kfold(sleepstudy_fit, k=None, group="Subject", **QUIET)
    assert abs(subjects.elpd - exact.elpd) < 0.1 * exact.se
    apart = np.abs(subjects.elpd_i.to_numpy() - exact.elpd_i.to_numpy())
    # one subject lies so far out that a few draws of a refit carry its density: refits of two seeds differ by 0.2
    outlier = int(exact.elpd_i.to_numpy().argmin())
    assert np.delete(apart, outlier).max() < 0.15 and apart[outlier] < 0.6


def test_integrated_likelihood_is_the_integral(cbpp_fit):
    """One herd, one draw at a time, by scipy."""
    draws, design = posterior_draws(cbpp_fit), cbpp_fit.model.design
    values = group_log_likelihood(cbpp_fit, "herd")
    rows = np.flatnonzero(design.group("herd").codes == 7)
    y, n = design.response.y[rows], design.response.trials[rows]
    for s in (0, 2000, 5999):
        eta = design.X[rows] @ draws.beta[s]
        sd = float(np.sqrt(draws.covariances["herd"][s, 0, 0]))

        def likelihood(u, eta=eta, sd=sd):
            return stats.binom.pmf(y, n, special.expit(eta + u)).prod() * stats.norm.pdf(u, 0, sd)

        area = integrate.quad(likelihood, -10 * sd, 10 * sd, epsabs=0, epsrel=1e-10, limit=400)[0]
        assert values[s, 7] == pytest.approx(np.log(area), rel=1e-7)


def subject_density(draws, design, level, s) -> float:
    """Log density of one subject of sleepstudy under draw s, its effects integrated out: a normal's."""
    term = design.group("Subject")
    rows = np.flatnonzero(term.codes == level)
    covariance = term.Z[rows] @ draws.covariances["Subject"][s] @ term.Z[rows].T
    covariance = covariance + np.eye(len(rows)) * draws.parameters["sigma"][s, 0] ** 2
    return stats.multivariate_normal(design.X[rows] @ draws.beta[s], covariance).logpdf(design.response.y[rows])


def test_integrated_gaussian_likelihood_is_the_closed_form(sleepstudy_fit):
    draws, design = posterior_draws(sleepstudy_fit), sleepstudy_fit.model.design
    values = group_log_likelihood(sleepstudy_fit, "Subject")
    for s in (0, 3000, 5999):
        assert values[s, 3] == pytest.approx(subject_density(draws, design, 3, s), abs=1e-8)


def few_groups(family):
    """Six groups that hardly differ: many posterior draws of their sd are close to zero."""
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 7), "x": rng.normal(size=42)})
    eta = 0.3 + 0.4 * data["x"] + np.repeat(rng.normal(0, 0.1, 6), 7)
    made = {
        "gaussian": eta + rng.normal(size=42),
        "student": (eta + rng.normal(size=42)).where(data.index != 20, 15.0),
        "bernoulli": ((rng.random(42) < special.expit(3 * eta)) | (data["g"] == 2)).astype(int),
        "poisson": pd.Series(rng.poisson(np.exp(eta))).where(data["g"] != 4, 0),
        "gamma": rng.gamma(2.0, np.exp(eta) / 2),
        "cumulative": pd.cut(eta + rng.logistic(size=42), [-np.inf, 0, 1.5, np.inf], labels=["a", "b", "c"]),
    }
    formula, links = "y ~ x + (1 | g)", {"gamma": "log"}
    model = bg.GLMM(formula, data.assign(y=made[family]), family=family, link=links.get(family))
    return model.fit(draws=500, random_seed=1, progressbar=False)


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
@pytest.mark.parametrize("family", ["gaussian", "student", "bernoulli", "poisson", "gamma", "cumulative"])
def test_the_integral_is_right_however_small_the_sd(family):
    """The smallest, the largest and some sds between, every level, by scipy."""
    fit = few_groups(family)
    draws, design = posterior_draws(fit), fit.model.design
    values, sd = group_log_likelihood(fit, "g"), np.sqrt(draws.covariances["g"][:, 0, 0])
    order = np.argsort(sd)
    picked = order[[0, 1, 20, 100, 500, 1000, 1500, 1900, -1]]
    assert sd[order[0]] < 0.1
    record, link, y = fit.model.spec.family, fit.model.spec.link, design.response.y
    for s in picked:
        parameters = {name: value[s : s + 1] for name, value in draws.parameters.items()}
        eta = design.X @ draws.beta[s]
        for level in range(6):
            rows = np.flatnonzero(design.group("g").codes == level)

            def density(u, rows=rows, eta=eta, parameters=parameters):
                at = eta[rows] + np.atleast_1d(u)[:, None]
                mu = link.inverse(at) if record.probabilities is None else record.probabilities(at, link, parameters)
                return record.log_density(y[rows], mu, parameters, None).sum(axis=1)

            grid = sd[s] * np.linspace(-9, 9, 20_001)
            logs = density(grid) + stats.norm.logpdf(grid, 0, sd[s])
            area = special.logsumexp(logs) + np.log(grid[1] - grid[0])
            assert values[s, level] == pytest.approx(area, abs=2e-4), (sd[s], level)


def test_an_sd_of_zero_leaves_the_effects_out(sleepstudy_fit):
    tree = sleepstudy_fit.dt.copy(deep=True)
    tree["posterior"]["sd_Subject"].values[:, 0] = 0.0
    tree["posterior"]["sd_Subject"].values[:, 1, 1] = 0.0
    fit = type(sleepstudy_fit)(sleepstudy_fit.model, tree)
    draws, design = posterior_draws(fit), fit.model.design
    values = group_log_likelihood(fit, "Subject")
    for s in np.ravel_multi_index([[0, 1, 3], [0, 1, 1]], (4, 1500)):
        assert values[s, 5] == pytest.approx(subject_density(draws, design, 5, s), abs=1e-6)


def closed_form(draws, blocks, y, every=4) -> np.ndarray:
    """Log densities of y, normal with an intercept and a share of variance for each pattern of equal levels."""
    result = []
    for s in range(0, draws.size, every):
        covariance = np.eye(len(y)) * draws.parameters["sigma"][s, 0] ** 2
        for name, same in blocks.items():
            covariance = covariance + draws.covariances[name][s, 0, 0] * same
        result.append(stats.multivariate_normal(np.full(len(y), draws.beta[s, 0]), covariance).logpdf(y))
    return np.array(result)


def test_nested_effects_are_integrated_out_one_inside_the_other():
    rng = np.random.default_rng(3)
    school, room = np.repeat(np.arange(8), 12), np.tile(np.repeat(np.arange(3), 4), 8)
    y = rng.normal(rng.normal(0, 1, 8)[school] + rng.normal(0, 0.5, 24)[3 * school + room], 0.4)
    data = pd.DataFrame({"school": school, "room": room, "y": y})
    fit = bg.GLMM("y ~ 1 + (1 | school/room)", data).fit(**QUIET)
    rows = np.flatnonzero(school == 2)
    blocks = {"school": np.ones((12, 12)), "school:room": np.equal.outer(room[rows], room[rows])}
    values = group_log_likelihood(fit, "school")[::4, 2]
    np.testing.assert_allclose(values, closed_form(posterior_draws(fit), blocks, y[rows]), atol=1e-6)
    result = bg.kfold(fit, k=None, group="school", **QUIET)
    assert abs(bg.loo(fit, unit="school", **QUIET).elpd - result.elpd) < 0.1 * result.se
    again = refit(without_rows(fit.model, rows), SamplerSettings(None, None, 4, 1, 1, None, False))
    density = closed_form(posterior_draws(again), blocks, y[rows], every=1)
    assert result.elpd_i.to_numpy()[2] == pytest.approx(log_mean_exp(density[:, None])[0], abs=0.05)


def test_effects_crossed_within_a_level_are_averaged_or_not_given():
    rng = np.random.default_rng(3)
    site, day, plot = np.repeat(np.arange(6), 36), np.tile(np.repeat(np.arange(6), 6), 6), np.tile(np.arange(6), 36)
    data = pd.DataFrame({"site": site, "day": day, "plot": plot})
    effects = rng.normal(0, 1, 6)[site] + rng.normal(0, 1, 36)[site * 6 + day] + rng.normal(0, 1, 36)[site * 6 + plot]
    formula = "y ~ 1 + (1 | site) + (1 | site:day) + (1 | site:plot)"
    fit = bg.GLMM(formula, data.assign(y=effects + rng.normal(0, 0.2, 216))).fit(**QUIET)
    with pytest.raises(PredictionError, match="'site:day' and 'site:plot' vary within"):
        bg.loo(fit, unit="site")
    with pytest.warns(DataWarning, match="No density for 6 units"), pytest.raises(PredictionError, match="No unit's"):
        bg.kfold(fit, k=None, group="site", **QUIET)
    # six days and plots a site are at the limit: there one seed in five leaves one site out
    few = data.assign(y=effects + rng.normal(0, 30, 216))[(day < 3) & (plot < 3)]
    vague = bg.GLMM(formula, few).fit(**QUIET)
    result = bg.kfold(vague, k=3, group="site", **QUIET)
    assert np.isfinite(result.elpd_i).all() and not result.warning and np.isnan(result.p)


def test_effects_of_other_factors_stay_as_they_were_drawn():
    """A level's integral is over its own effects only; by scipy, one level and one draw at a time."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 12), "h": np.tile(list("uvwxyz"), 12)})
    data["y"] = rng.poisson(np.exp(rng.normal(0, 0.8, 6)[np.repeat(np.arange(6), 12)] + 0.5))
    fit = bg.GLMM("y ~ 1 + (1 | g) + (1 | h)", data, family="poisson").fit(method="laplace", **QUIET)
    draws, values = posterior_draws(fit), group_log_likelihood(fit, "g")
    rows = np.flatnonzero(fit.model.design.group("g").codes == 3)
    for s in (0, 1500):
        eta = draws.beta[s, 0] + draws.effects["h"][s, fit.model.design.group("h").codes[rows], 0]
        sd = float(np.sqrt(draws.covariances["g"][s, 0, 0]))

        def likelihood(u, eta=eta, sd=sd):
            return stats.poisson.pmf(data["y"].to_numpy()[rows], np.exp(eta + u)).prod() * stats.norm.pdf(u, 0, sd)

        area = integrate.quad(likelihood, -10 * sd, 10 * sd, epsabs=0, epsrel=1e-10, limit=400)[0]
        assert values[s, 3] == pytest.approx(np.log(area), rel=1e-6)


def test_more_effects_a_level_than_nodes_are_laid_for_are_refused():
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(120, 5)), columns=[*"abcd", "y"]).assign(g=np.resize(list("uvwxyz"), 120))
    fit = bg.GLMM("y ~ 1 + (1 + a + b + c + d || g)", data).fit(method="laplace", **QUIET)
    with pytest.raises(PredictionError, match="5 coefficients vary within its levels, and at most 4"):
        bg.loo(fit, unit="g")


def test_folds_are_even_spread_and_reproducible(cbpp_fit, cbpp):
    result = bg.kfold(cbpp_fit, k=4, stratify="period", **QUIET)
    table = pd.crosstab(result.folds, cbpp["period"].to_numpy())
    assert (table.max(axis=0) - table.min(axis=0) <= 1).all()
    assert table.sum(axis=1).between(13, 15).all()
    again = bg.kfold(cbpp_fit, k=4, stratify="period", **QUIET)
    np.testing.assert_array_equal(result.folds, again.folds)
    np.testing.assert_array_equal(result.elpd_i, again.elpd_i)
    grouped = bg.kfold(cbpp_fit, k=5, group="herd", **QUIET)
    assert np.bincount(grouped.folds).tolist() == [3] * 5
    assert bg.kfold(cbpp_fit, k=3, progressbar=False).folds.tolist() != result.folds.tolist()


def test_compare_finds_the_model_that_made_the_data(cbpp, cbpp_fit):
    flat = bg.GLMM("p(incidence, size) ~ 1 + (1 | herd)", cbpp, family="binomial").fit(**QUIET)
    table = bg.compare({"period": cbpp_fit, "flat": flat}, unit="herd", **QUIET)
    assert list(table.index) == ["period", "flat"]
    one, other = bg.loo(cbpp_fit, unit="herd", **QUIET), bg.loo(flat, unit="herd", **QUIET)
    assert table["elpd"].tolist() == pytest.approx([one.elpd, other.elpd])
    pair = bg.compare({"period": one, "flat": other}, unit="herd")
    pd.testing.assert_frame_equal(pair, table)


def test_nonsense_is_refused_in_words(cbpp_fit, sleepstudy_fit, cbpp):
    with pytest.raises(PredictionError, match="no grouping factor 'hord'.*herd"):
        bg.loo(cbpp_fit, unit="hord")
    with pytest.raises(PredictionError, match="no grouping factor 'hord'.*herd"):
        bg.kfold(cbpp_fit, k=3, group="hord")
    with pytest.raises(PredictionError, match="k=57"):
        bg.kfold(cbpp_fit, k=57)
    with pytest.raises(PredictionError, match="no column 'perod'.*period"):
        bg.kfold(cbpp_fit, stratify="perod")
    with pytest.raises(PredictionError, match="'a' was fitted to 56 rows and 'b' to 180 rows"):
        bg.compare({"a": cbpp_fit, "b": sleepstudy_fit})
    with pytest.raises(PredictionError, match="at least two"):
        bg.compare({"a": cbpp_fit})
    with pytest.raises(PredictionError, match="different units"):
        bg.compare({"a": bg.loo(cbpp_fit, refits=False), "b": bg.loo(cbpp_fit, unit="herd", refits=False)})


# tasks ---------------------------------------------------------------------------------------------------------------


def halved(number: int) -> float:
    if number == 3:
        raise ValueError("three is odd here")
    return number / 2


def test_a_failed_task_is_reported_and_the_others_stay():
    results = run_tasks(halved, list(range(5)), progressbar=False)
    assert [value for value in results if not isinstance(value, Failure)] == [0.0, 0.5, 1.0, 2.0]
    assert results[3] == Failure(3, "ValueError: three is odd here")
    with pytest.raises(SamplingError, match="all 1 tasks failed"):
        run_tasks(halved, [3], progressbar=False, label="Halving")


def test_a_failed_refit_is_a_warning_and_a_gap(cbpp_fit, monkeypatch):
    from bayes_glmm.checks import comparison

    real = comparison._left_out_density

    def broken(task):
        if 0 in task.units:
            raise SamplingError("planted")
        return real(task)

    monkeypatch.setattr(comparison, "_left_out_density", broken)
    with pytest.warns(DataWarning, match="1 of 8 refits failed; the first: SamplingError: planted"):
        result = bg.kfold(cbpp_fit, k=8, **QUIET)
    assert result.warning and np.isnan(result.elpd_i).sum() == 7 and np.isfinite(result.elpd)


# levels of few rows, other data, names -------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)])
def test_observations_of_levels_with_few_rows_are_what_refits_give(rows):
    """Sixty Poisson counts, a level to each row or to a few: sixty exact refits say what leaving one out costs."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=60), "o": np.arange(60) // rows})
    data["y"] = rng.poisson(np.exp(0.8 + 0.5 * data["x"] + rng.normal(0, 0.8, 60)[data["o"]]))
    fit = bg.GLMM("y ~ x + (1 | o)", data, family="poisson").fit(**QUIET)
    ours, exact = bg.loo(fit, refits=False), bg.kfold(fit, k=None, **QUIET)
    # with the effects as drawn: 1.4 too high for one row a level, 1.4 for two, 0.2 for five
    assert abs(ours.elpd - exact.elpd) < 0.4
    assert np.abs(ours.elpd_i.to_numpy() - exact.elpd_i.to_numpy()).max() < 0.2
    assert (ours.pareto_k < 0.7).all()
    if rows == 1:  # a new observation is one of a new level
        assert ours.elpd == pytest.approx(bg.loo(fit, unit="o", refits=False).elpd, abs=1e-6)


#: family, levels, rows a level; a further term of the formula
FEW_ROWS = [
    ("bernoulli", 30, 3, ""),
    ("gaussian", 30, 2, ""),
    ("negativebinomial", 30, 2, ""),
    ("binomial", 30, 2, " + (1 | h)"),
    ("poisson", 15, 4, " + (1 | o:pair)"),
    ("gaussian", 20, 4, " + (0 + x | o)"),
]


@pytest.mark.parametrize(
    ("family", "levels", "rows", "more"),
    [pytest.param(*case, marks=pytest.mark.slow) for case in FEW_ROWS],
)
def test_loo_of_few_rows_a_level_is_what_refits_give(family, levels, rows, more):
    """Without integrals, importance sampling is too high by 0.5 to 4 here, with Pareto k that are called good."""
    rng = np.random.default_rng(levels + rows)
    group = np.repeat(np.arange(levels), rows)
    x, n = rng.normal(size=group.size), rng.integers(3, 12, group.size)
    eta = 0.5 + 0.4 * x + rng.normal(0, 0.9, levels)[group]
    y = {
        "poisson": rng.poisson(np.exp(eta)),
        "bernoulli": (rng.random(group.size) < special.expit(eta)).astype(int),
        "gaussian": rng.normal(eta, 0.7),
        "negativebinomial": rng.poisson(np.exp(eta) * rng.gamma(3, 1 / 3, group.size)),
        "binomial": rng.binomial(n, special.expit(eta)),
    }[family]
    data = pd.DataFrame({"y": y, "x": x, "n": n, "o": group.astype(str), "h": np.resize(list("abcdefgh"), group.size)})
    data["pair"] = (np.arange(group.size) // 2 % 2).astype(str)
    response = "p(y, n)" if family == "binomial" else "y"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bg.errors.ConvergenceWarning)
        fit = bg.GLMM(f"{response} ~ x + (1 | o){more}", data, family=family).fit(**QUIET)
    estimate, exact = bg.loo(fit, refits=False), bg.kfold(fit, k=None, **QUIET)
    difference = estimate.elpd_i.to_numpy() - exact.elpd_i.to_numpy()
    assert np.abs(difference).max() < 0.15
    # both sides have a Monte-Carlo error of 0.02 to 0.03 a row
    assert abs(difference.sum()) < 4 * 0.03 * np.sqrt(group.size)


def test_results_of_other_responses_or_rows_are_not_compared(cbpp_fit):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60), "y": rng.lognormal(size=60)})
    holes = data.assign(z=data["z"].where(data.index > 3))

    def result(formula, frame=data):
        return bg.loo(bg.GLMM(formula, frame).fit(method="laplace", **QUIET), refits=False)

    plain = result("y ~ x")
    with pytest.raises(PredictionError, match=r"not fitted to the same responses \('y' and 'log\(y\)'\)"):
        bg.compare({"y": plain, "log": result("log(y) ~ x")})
    with pytest.warns(DataWarning, match="4 of 60 rows were dropped"):
        fewer = result("y ~ x + z", holes)
    with pytest.raises(PredictionError, match=r"'a' was fitted to 60 rows and 'b' to 56 rows \(4 dropped .* of 'z'\)"):
        bg.compare({"a": plain, "b": fewer})
    with pytest.raises(PredictionError, match="takes a dict from names to models, not a list"):
        bg.compare([plain, plain])
    with pytest.raises(PredictionError, match="'b' is 3"):
        bg.compare({"a": plain, "b": 3})
    assert len(bg.compare({"a": plain, "b": result("y ~ x + z", data.set_index(data.index + 5))})) == 2


@pytest.mark.parametrize("name", ["obs", "chain", "draw", "sample"])
def test_levels_are_left_out_whatever_their_factor_is_called(name, sleepstudy):
    data = sleepstudy.rename(columns={"Subject": name})
    fit = bg.GLMM(f"Reaction ~ Days + (1 | {name})", data).fit(method="laplace", **QUIET)
    assert bg.loo(fit, refits=False).n_data_points == 180
    levels = bg.loo(fit, unit=name, refits=False)
    assert levels.n_data_points == 18 and f"new level of {name}," in str(levels)
    assert bg.kfold(fit, k=2, group=name, **QUIET).n_data_points == 18
    with pytest.raises(PredictionError, match="different units"):
        bg.compare({"rows": bg.loo(fit, refits=False), "levels": levels})


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
def test_effects_stay_as_drawn_where_the_link_has_no_mean_for_all_of_them():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(15), 3), "y": rng.poisson(3, 45)})
    fit = bg.GLMM("y ~ 1 + (1 | g)", data, family="poisson", link="identity").fit(draws=250, **QUIET)
    drawn = bg.log_likelihood(fit)["log_likelihood"]["y"].to_numpy().reshape(1000, 45)
    np.testing.assert_array_equal(row_log_likelihood(fit), drawn)


def test_rows_are_left_out_by_no_group(cbpp_fit):
    with pytest.raises(PredictionError, match="group=None leaves out observations"):
        bg.kfold(cbpp_fit, group="obs")
