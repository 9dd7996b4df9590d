"""Default priors say the same whatever the origin of a predictor, the coding of a factor and its reference.

The prior of a model's linear predictor at its rows is normal: its covariance is compared between ways of writing one
model, exactly. Fits are compared with REML by statsmodels, which knows no priors.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import bayes_glmm as bg
from bayes_glmm.model.autoscale import default_priors, valid_keys

ROWS = 90
QUIET = {"random_seed": 1, "progressbar": False}


def table(seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "year": rng.integers(2001, 2021, ROWS).astype(float),
            "lat": rng.normal(51, 2, ROWS),
            "treat": rng.integers(0, 2, ROWS),
            "f": rng.choice(list("abc"), ROWS, p=[0.1, 0.3, 0.6]),
            "h": rng.choice(list("pqrs"), ROWS),
            "y": rng.normal(5, 2, ROWS),
        }
    )
    data["since"] = data["year"] - 2010
    data["months"] = 12 * data["year"]
    data["treat12"], data["control"] = data["treat"] + 1, 1 - data["treat"]
    data["arm"] = data["treat"].map({0: "zero", 1: "one"})
    return data


DATA = table()

#: Ways of writing one model.
ALIKE = [
    ("year", "since", "months"),
    ("treat", "treat12", "control", "arm", "0 + arm", "C(treat)"),
    ("f", "0 + f", "C(f, contr.sum)", "C(f, contr.helmert)", "C(f, contr.treatment('c'))"),
    ("treat * year", "treat12 * since", "arm * year", "control * months", "arm / year", "0 + arm + arm:since"),
    ("year + I(year**2)", "since + I(since**2)", "poly(year, 2)", "poly(year, 2, raw=True)"),
    ("poly(year, 3)", "since + I(since**2) + I(since**3)"),
    ("lat * year", "lat * since", "year * lat", "scale(lat) * scale(year)"),
    ("f * year", "f / year", "f * since", "0 + f + f:since", "C(f, contr.sum) * months"),
    ("f * h", "h * f", "f / h", "f:h", "0 + f:h", "C(f, contr.sum) * C(h, contr.sum)"),
    ("f + h + lat", "lat + h + f", "0 + f + h + lat", "0 + h + f + scale(lat)"),
    ("f * treat * year", "f * arm * since", "0 + f:arm + f:arm:since", "arm * f * months"),
    ("f * poly(year, 2)", "f * (year + I(year**2))", "f / poly(since, 2)", "f * (since + I(since**2))"),
    ("bs(year, df=4)", "bs(since, df=4)"),
]


def prior_of_rows(formula: str, data: pd.DataFrame, **options) -> tuple[np.ndarray, np.ndarray]:
    """Mean (rows,) and covariance (rows, rows) of the linear predictor's prior."""
    model = bg.GLMM(f"y ~ {formula}", data, **options)
    table = model.prior_table
    mean, sd = (np.array([row.prior[key] for row in table.beta]) for key in ("mu", "sigma"))
    root = model.design.X @ (table.basis * sd)
    return model.design.X @ (table.location + table.basis @ mean), root @ root.T


def all_pairs(ways):
    return [(first, other) for first, *others in ways for other in others]


@pytest.mark.parametrize(("first", "other"), all_pairs(ALIKE))
def test_one_model_has_one_prior_however_it_is_written(first, other):
    mean, covariance = prior_of_rows(first, DATA)
    other_mean, other_covariance = prior_of_rows(other, DATA)
    np.testing.assert_allclose(other_mean, mean, rtol=1e-7)
    np.testing.assert_allclose(other_covariance, covariance, atol=2e-8 * covariance.max())


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize(
    "ways",
    [
        ("f * treat * year", "f * arm * since", "arm * f * months", "0 + f:arm + f:arm:since"),
        ("f * h", "h * f", "C(f, contr.sum) * C(h, contr.sum)"),
        ("f * year", "f / since", "0 + f + f:since"),
    ],
)
def test_cells_without_rows_and_levels_of_one_year_change_nothing_of_that(ways):
    data = DATA[~((DATA["f"] == "a") & (DATA["h"] == "p"))].copy()
    data.loc[(data["f"] == "a") & (data["treat"] == 1), ["year", "since", "months"]] = [2007.0, -3.0, 12 * 2007.0]
    data.loc[data["f"] == "b", ["year", "since", "months"]] = [2012.0, 2.0, 12 * 2012.0]
    (_, first), *others = (prior_of_rows(way, data) for way in ways)
    for _, other in others:
        np.testing.assert_allclose(other, first, atol=1e-7 * first.max())


def test_a_rare_level_has_the_prior_of_a_common_one():
    """Steps between levels, and slopes' differences, have one scale whatever the number of rows."""
    rows = {row.parameter: row.prior["sigma"] for row in bg.GLMM("y ~ f * treat", DATA).prior_table.beta}
    step = 2.5 * DATA["y"].std()
    assert rows["beta[f[b]]"] == pytest.approx(step) and rows["beta[f[c]]"] == pytest.approx(step)
    assert rows["beta[treat]"] == pytest.approx(step) and rows["beta[f[b]:treat]"] == pytest.approx(step)
    basis = bg.GLMM("y ~ f", DATA).prior_table.basis
    sd = np.array([row.prior["sigma"] for row in bg.GLMM("y ~ f", DATA).prior_table.beta])
    steps = (basis * sd)[1:, 1:]
    np.testing.assert_allclose(steps @ steps.T, step**2 * np.array([[1, 0.5], [0.5, 1]]))


def test_what_each_prior_is_about_stands_in_the_table():
    model = bg.GLMM("y ~ treat * year + f + (year | h)", DATA)
    about = model.priors.set_index("parameter")["scale"]
    assert about["beta[treat]"] == about["beta[year]"] == "at the others' means"
    assert about["beta[treat:year]"] == "" and about["beta[f[b]]"] == "levels alike"
    assert about["sd[h][Intercept]"] == about["corr[h]"] == "at the predictors' means"
    assert about["sd[h][year]"] == ""


# what users state stays as reported ----------------------------------------------------------------------------------


def test_a_users_prior_is_about_the_coefficient_as_reported():
    """Of treat at year 0; the slopes' defaults beside it stay those at the data, not what year 0 would make of them."""
    stated = bg.Prior("Normal", 0, 1)
    model = bg.GLMM("y ~ treat * year", DATA, priors={"beta[treat]": stated})
    default = bg.GLMM("y ~ treat * year", DATA)
    at = model.design.coefs.index("treat")
    np.testing.assert_array_equal(model.prior_table.basis[at], np.eye(4)[at])
    rows, others = ({row.parameter: row.prior for row in one.prior_table.beta} for one in (model, default))
    assert rows["beta[treat]"] == stated
    assert rows["beta[treat:year]"] == others["beta[treat:year]"] and rows["beta[year]"] == others["beta[year]"]
    np.testing.assert_array_equal(
        bg.GLMM("y ~ treat * year", DATA, priors={"beta": stated}).prior_table.basis[1:], np.eye(4)[1:]
    )


def test_a_users_prior_of_one_cell_mean_leaves_the_others_wide_enough_for_an_origin():
    model = bg.GLMM("y ~ 0 + f + year", DATA, priors={"beta[f[a]]": bg.Prior("Normal", 0, 500)})
    rows = {row.parameter: row.prior for row in model.prior_table.beta}
    far = 2.5 * DATA["y"].std() * DATA["year"].mean() / DATA["year"].std()
    assert rows["beta[f[b]]"]["sigma"] == pytest.approx(far, rel=1e-3)
    assert rows["beta[f[b]]"]["mu"] == pytest.approx(DATA["y"].mean())


@pytest.mark.parametrize(
    ("priors", "raw"),
    [
        ({}, False),
        ({"sd[h][year]": bg.Prior("HalfNormal", 1)}, False),
        ({"corr": bg.Prior("LKJ", 4)}, False),
        ({"sd[h][Intercept]": bg.Prior("HalfNormal", 300)}, True),
        ({"sd": bg.Prior("HalfNormal", 300)}, True),
    ],
)
def test_a_users_prior_of_an_intercepts_sd_is_about_the_intercept_as_reported(priors, raw):
    model = bg.GLMM("y ~ year + (year | h)", DATA, priors=priors)
    ((_, group),) = model.prior_table.groups
    assert (group.basis is None) is raw
    if not raw:
        np.testing.assert_allclose(
            model.design.groups[0].Z @ group.basis, np.column_stack([np.ones(ROWS), DATA["year"] - DATA["year"].mean()])
        )


#: Ways of writing one block of group effects; the prior is exchangeable in their columns at the data.
ALIKE_BY_GROUP = [
    ("year", "since", "months"),
    ("treat", "treat12", "control", "arm", "0 + arm"),
    ("f", "0 + f", "C(f, contr.sum)", "C(f, contr.treatment('c'))"),
    ("f * year", "f * since", "f / months", "0 + f + f:since", "C(f, contr.sum) * since", "relevel(f, 'b') * year"),
    ("treat * year", "control * since", "arm * months", "0 + arm + arm:year"),
    ("f + year", "relevel(f, 'c') + since", "0 + f + year"),
    ("f * treat", "0 + f:arm", "control * C(f, contr.sum)"),
    ("f * (year + I(year**2))", "0 + f + f:since + f:I(since**2)", "relevel(f, 'c') * (months + I(months**2))"),
    ("f * treat * lat", "0 + f:arm + f:arm:lat", "relevel(f, 'b') * control * scale(lat)"),
]


@pytest.mark.filterwarnings("ignore:.*levels of 'h':bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize(("first", "other"), all_pairs(ALIKE_BY_GROUP))
def test_effects_by_group_have_one_prior_however_they_are_written(first, other):
    ways = []
    for effects in (first, other):
        model = bg.GLMM(f"y ~ 1 + ({effects} | h)", DATA)
        (_, group), Z = model.prior_table.groups[0], model.design.groups[0].Z
        basis = np.eye(Z.shape[1]) if group.basis is None else group.basis
        columns = Z @ basis * [row.prior["sigma"] for row in group.sd]
        ways.append(columns[:, np.lexsort(np.round(columns, 6))])
    np.testing.assert_allclose(*ways, atol=1e-7 * np.abs(ways[0]).max())


def test_effects_in_each_level_are_as_wide_as_those_without_levels():
    """Where a block cannot say something of its own in each level, it is stated at the predictors' means."""
    model = bg.GLMM("y ~ 1 + (f * year | h) + (f + treat | treat12)", DATA)
    (_, each), (_, other) = model.prior_table.groups
    s = DATA["y"].std()
    np.testing.assert_allclose([row.prior["sigma"] for row in each.sd], np.r_[[s] * 3, [s / DATA["year"].std()] * 3])
    assert {row.about for row in (*each.sd, each.corr)} == {"in each level, at the predictors' means"}
    assert {row.about for row in other.sd} <= {"", "at the predictors' means"}


@pytest.mark.parametrize("formula", ["treat * year + (year | h)", "0 + f + (0 + f || h)"])
def test_defaults_beside_any_stated_prior_are_those_of_its_statement(formula):
    """They are computed again only where the statement changes them."""
    model = bg.GLMM(f"y ~ {formula}", DATA)
    for key in valid_keys(model.prior_table):
        prior = {"b": bg.Prior("Normal", 0, 1), "c": bg.Prior("LKJ", 4)}.get(key[0], bg.Prior("HalfNormal", 2))
        found = bg.GLMM(f"y ~ {formula}", DATA, priors={key: prior}).prior_table
        stated = frozenset(row.parameter for row in every_row(found) if row.source == "user")
        wanted = default_priors(model.spec, model.design, stated)
        assert stated
        for row, other in zip(every_row(found), every_row(wanted), strict=True):
            assert row.about == other.about and (row.source == "user" or row == other)
        np.testing.assert_array_equal(found.basis, wanted.basis)


def every_row(table):
    groups = [row for _, group in table.groups for row in (*group.sd, *([group.corr] if group.corr else []))]
    return [*table.beta, *groups, *table.auxiliary]


def test_nothing_is_moved_where_the_prior_is_asked_for_at_the_origin():
    """Defaults there are as wide as those at the data, carried to the origin."""
    model = bg.GLMM("y ~ treat * year + (year | h)", DATA, center=False)
    np.testing.assert_array_equal(model.prior_table.basis, np.eye(4))
    assert model.prior_table.groups[0][1].basis is None
    ours = {row.parameter: row.prior["sigma"] for row in model.prior_table if row.prior.name != "LKJ"}
    root = bg.GLMM("y ~ treat * year", DATA).prior_table
    sd = np.array([row.prior["sigma"] for row in root.beta])
    np.testing.assert_allclose([ours[row.parameter] for row in root.beta], np.linalg.norm(root.basis * sd, axis=1))
    years = DATA["year"].mean() / DATA["year"].std()
    assert ours["sd[h][Intercept]"] == pytest.approx(DATA["y"].std() * np.hypot(1, years))


# fits ----------------------------------------------------------------------------------------------------------------


def simulated(seed: int, levels: int = 30, each: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(levels), each)
    data = pd.DataFrame({"g": [f"g{i:02d}" for i in group], "year": rng.integers(2001, 2021, group.size).astype(float)})
    data["treat"] = rng.integers(0, 2, group.size)
    data["lat"], data["lon"] = rng.normal(51, 1.5, group.size), rng.normal(-120, 2, group.size)
    data["temp"] = 37 + 0.5 * rng.standard_normal(group.size)
    data["f"] = rng.choice(list("abc"), group.size)
    since, noise = data["year"] - 2010, rng.normal(0, 1, (3, group.size))
    u, v = rng.normal(0, 0.5, levels)[group], rng.normal(0, 0.1, levels)[group]
    data["trend"] = 2 + 0.3 * data["treat"] + 0.05 * since + 0.141 * data["treat"] * since + u + noise[0]
    data["bend"] = 1 + 0.1 * since + 0.02 * since**2 + u + noise[0]
    data["place"] = 0.1 * (data["lat"] - 51) * (data["lon"] + 120) + u + noise[1]
    data["mean"] = 37 + 0.2 * (data["f"] == "b") + 0.14 * u / 0.5 + 0.3 * noise[2]
    data["slope"] = 1 + 0.05 * since + u + v * since + 0.5 * noise[1]
    data["fever"] = 1 + 0.8 * (data["temp"] - 37) + u + 6 * v * (data["temp"] - 37) + 0.5 * noise[2]
    return data


def reml_fit(model):
    """Maximise, by another method where the first did not arrive; small variances are no boundary."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The MLE may be on the boundary")
        warnings.filterwarnings("ignore", message="(Maximum Likelihood|Gradient) optimization failed|Retrying MixedLM")
        fit = model.fit(reml=True, method=["bfgs", "lbfgs", "powell"])
    assert fit.converged
    return fit


#: formula, coefficient whose prior used to decide
RAW = [
    ("trend ~ treat * year", "treat:year"),
    ("bend ~ year + I(year**2)", "I(year ** 2)"),
    ("place ~ lat * lon", "lat:lon"),
    ("mean ~ 0 + f", "f[b]"),
]


@pytest.mark.parametrize(("formula", "name"), RAW)
@pytest.mark.parametrize("seed", [1, 2])
def test_fits_far_from_the_origin_agree_with_reml(formula, name, seed):
    """REML of the centred model; the posterior may move by a fiftieth of a standard error for the prior."""
    data = simulated(seed)
    fit = bg.GLMM(f"{formula} + (1 | g)", data).fit(**QUIET)
    centred = data.assign(year=data["year"] - 2010, lat=data["lat"] - 51, lon=data["lon"] + 120)
    reml = reml_fit(smf.mixedlm(formula, centred, groups=centred["g"]))
    draws = fit.posterior["beta"].sel(coef=name).to_numpy()
    error = reml.bse[name]
    assert abs(draws.mean() - reml.params[name]) < (0.02 + 4 / np.sqrt(2000)) * error
    assert np.log(draws.std() / error) == pytest.approx(0, abs=0.12)
    sd = fit.posterior["sd_g"].median().item()
    assert sd == pytest.approx(np.sqrt(reml.cov_re.iloc[0, 0]), rel=0.15)


@pytest.mark.parametrize(("formula", "name", "origin"), [("slope ~ year", "year", 2010), ("fever ~ temp", "temp", 37)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_slopes_that_differ_between_groups_far_from_the_origin_agree_with_reml(formula, name, origin, seed):
    """The sds of intercepts and slopes, at the origin of the centred data, by REML of the centred model."""
    data = simulated(seed)
    fit = bg.GLMM(f"{formula} + ({name} | g)", data).fit(**QUIET)
    assert fit.convergence.passed
    centred = data.assign(**{name: data[name] - origin})
    reml = reml_fit(smf.mixedlm(formula, centred, groups=data["g"], re_formula=f"~{name}"))
    sd, corr = fit.posterior["sd_g"].to_numpy(), fit.posterior["corr_g"].to_numpy()
    covariance = sd[..., :, None] * corr * sd[..., None, :]
    to_data = np.array([[1.0, origin], [0.0, 1.0]])
    there = np.sqrt(np.diagonal(to_data @ covariance @ to_data.T, axis1=-2, axis2=-1))
    np.testing.assert_allclose(np.median(there, axis=(0, 1)), np.sqrt(np.diag(reml.cov_re)), rtol=0.15)


def test_the_same_draws_whatever_the_origin():
    """The sampler sees one posterior: the centred data's fit, draw by draw."""
    data = simulated(4).assign(since=lambda d: d["year"] - 2010)
    raw = bg.GLMM("slope ~ treat * year + (year | g)", data).fit(**QUIET).posterior
    centred = bg.GLMM("slope ~ treat * since + (since | g)", data).fit(**QUIET).posterior
    np.testing.assert_allclose(raw["beta"].isel(coef=3), centred["beta"].isel(coef=3), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(raw["sd_g"].isel(g_coef=1), centred["sd_g"].isel(g_coef=1), rtol=1e-4)
    moved = raw["b_g"].isel(g_coef=0) + 2010 * raw["b_g"].isel(g_coef=1)
    np.testing.assert_allclose(moved, centred["b_g"].isel(g_coef=0), atol=1e-5)


@pytest.mark.parametrize(
    "formula",
    [pytest.param("trend ~ treat * year + (year | g)", marks=pytest.mark.slow), "mean ~ 0 + f + (1 | g)"],
)
def test_pymcs_model_is_the_one_that_is_sampled(formula):
    """Through PyMC's own graph by nutpie, in other coordinates."""
    model = bg.GLMM(formula, simulated(5, levels=8, each=8))
    ours = model.fit(**QUIET).posterior
    theirs = model.fit(backend="nutpie", tune=2000, draws=2000, **QUIET).posterior
    for name in ("beta", "sd_g"):
        a, b = ours[name], theirs[name]
        error = 4 * np.sqrt(2 / 1500) * b.std(["chain", "draw"])
        assert bool((np.abs(a.mean(["chain", "draw"]) - b.mean(["chain", "draw"])) < error).all())
