"""Default priors as statistics.md section 2 states them, and what users may say instead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import bayes_glmm as bg
from bayes_glmm.errors import DataWarning, GLMMError, PriorError, SamplingError

ROWS = 60


def make_data(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = rng.integers(3, 9, ROWS)
    return pd.DataFrame(
        {
            "x": rng.normal(4.0, 3.0, ROWS),
            "year": 2000.0 + rng.integers(0, 20, ROWS),
            "treated": rng.integers(0, 2, ROWS),
            "f": rng.choice(["u", "v", "w"], ROWS),
            "g": np.resize([f"g{i}" for i in range(6)], ROWS),
            "h": rng.choice(["p", "q", "r"], ROWS),
            "o": rng.normal(0.5, 0.2, ROWS),
            "w": rng.integers(1, 4, ROWS).astype(float),
            "y": rng.normal(10.0, 5.0, ROWS),
            "binary": rng.integers(0, 2, ROWS),
            "count": rng.poisson(6.0, ROWS),
            "positive": rng.gamma(3.0, 2.0, ROWS),
            "unit": rng.uniform(0.1, 0.9, ROWS),
            "n": n,
            "k": rng.binomial(n, 0.3),
        }
    )


DATA = make_data()
SD = {name: float(DATA[name].std(ddof=1)) for name in ("x", "year", "y")}
LOG_SD = float(np.log(DATA["positive"]).std(ddof=1))


def normal(mu: float, sigma: float) -> bg.Prior:
    return bg.Prior("Normal", mu=mu, sigma=sigma)


def half_t(sigma: float) -> bg.Prior:
    return bg.Prior("HalfStudentT", nu=3, sigma=sigma)


PHI = bg.Prior("HalfNormal", sigma=1)

#: formula, family, link, the defaults worked out by hand
DEFAULTS = [
    (
        "y ~ x + treated + f + (x | g)",
        "gaussian",
        "identity",
        {
            "Intercept": normal(DATA["y"].mean(), 2.5 * SD["y"]),
            "beta[x]": normal(0, 2.5 * SD["y"] / SD["x"]),
            "beta[treated]": normal(0, 2.5 * SD["y"]),
            "beta[f[v]]": normal(0, 2.5 * SD["y"]),
            "beta[f[w]]": normal(0, 2.5 * SD["y"]),
            "sd[g][Intercept]": half_t(SD["y"]),
            "sd[g][x]": half_t(SD["y"] / SD["x"]),
            "corr[g]": bg.Prior("LKJ", eta=1),
            "sigma": half_t(SD["y"]),
        },
    ),
    (
        "y ~ 1 + (1 | g) + (1 | h)",
        "student",
        "identity",
        {
            "Intercept": normal(DATA["y"].mean(), 2.5 * SD["y"]),
            "sd[g][Intercept]": half_t(SD["y"]),
            "sd[h][Intercept]": half_t(SD["y"]),
            "sigma": half_t(SD["y"]),
            "nu": bg.Prior("Gamma", alpha=2, beta=0.1),
        },
    ),
    (
        "binary ~ x + (1 | g)",
        "bernoulli",
        "probit",
        {
            "Intercept": normal(stats.norm.ppf(DATA["binary"].mean()), 2.5),
            "beta[x]": normal(0, 2.5 / SD["x"]),
            "sd[g][Intercept]": half_t(1),
        },
    ),
    (
        "p(k, n) ~ treated + (x || g)",
        "binomial",
        "logit",
        {
            "Intercept": normal(special.logit(DATA["k"].sum() / DATA["n"].sum()), 2.5),
            "beta[treated]": normal(0, 2.5),
            # uncorrelated at x = 0, where the intercept differs by what the slope carries there from the mean of x
            "sd[g][Intercept]": half_t(np.hypot(1, DATA["x"].mean() / SD["x"])),
            "sd[g][x]": half_t(1 / SD["x"]),
        },
    ),
    (
        "p(k, n) ~ 1",
        "binomial",
        "cloglog",
        {"Intercept": normal(np.log(-np.log1p(-DATA["k"].sum() / DATA["n"].sum())), 2.5)},
    ),
    (
        "count ~ x + offset(o) + (1 | g)",
        "poisson",
        "log",
        {
            "Intercept": normal(np.log(DATA["count"].mean()) - DATA["o"].mean(), 2.5),
            "beta[x]": normal(0, 2.5 / SD["x"]),
            "sd[g][Intercept]": half_t(1),
        },
    ),
    # through the origin x explains log(mean) itself, by values as far from zero as they are
    (
        "count ~ 0 + x",
        "negativebinomial",
        "log",
        {
            "beta[x]": normal(
                0,
                2.5
                * np.hypot(1, np.log(DATA["count"].mean()))
                / SD["x"]
                * DATA["x"].std(ddof=0)
                / np.sqrt((DATA["x"] ** 2).mean()),
            ),
            "phi": PHI,
        },
    ),
    # where the linear predictor is measured in units of the response, a unit is a relative change of the mean
    (
        "count ~ 1 + (1 | g)",
        "poisson",
        "sqrt",
        {
            "Intercept": normal(np.sqrt(DATA["count"].mean()), 2.5 * np.sqrt(DATA["count"].mean())),
            "sd[g][Intercept]": half_t(np.sqrt(DATA["count"].mean())),
        },
    ),
    (
        "positive ~ 1 + (1 | g)",
        "gamma",
        "inverse",
        {
            "Intercept": normal(1 / DATA["positive"].mean(), 2.5 / DATA["positive"].mean()),
            "sd[g][Intercept]": half_t(1 / DATA["positive"].mean()),
            "phi": PHI,
        },
    ),
    ("positive ~ 1", "gamma", "log", {"Intercept": normal(np.log(DATA["positive"].mean()), 2.5), "phi": PHI}),
    (
        "positive ~ 1",
        "lognormal",
        "identity",
        {"Intercept": normal(np.log(DATA["positive"]).mean(), 2.5 * LOG_SD), "sigma": half_t(LOG_SD)},
    ),
    ("unit ~ 1", "beta", "logit", {"Intercept": normal(special.logit(DATA["unit"].mean()), 2.5), "phi": PHI}),
]


def rows_of(model: bg.GLMM) -> dict:
    return {row.parameter: row for row in model.prior_table}


def assert_equal(found: bg.Prior, expected: bg.Prior) -> None:
    assert found.name == expected.name
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("formula", "family", "link", "expected"), DEFAULTS)
def test_defaults(formula, family, link, expected):
    rows = rows_of(bg.GLMM(formula, DATA, family=family, link=link))
    assert set(rows) == set(expected)
    for name, prior in expected.items():
        assert_equal(rows[name].prior, prior)
        assert rows[name].source == "default"
        assert rows[name].power == (-0.5 if name == "phi" else 1.0)
    if "nu" in rows:
        assert rows["nu"].lower == 1.0


SAME_SCALES = [
    # what changes in the data that no scale of a sd may depend on (a peer's fault 12)
    ("mean of a predictor", "y ~ year + (year | g)", "gaussian", {"year": DATA["year"] + 1e6}),
    ("mean of a predictor, logit", "binary ~ year + (year | g)", "bernoulli", {"year": DATA["year"] - 2000}),
    ("weights", "weighted(y, w) ~ x + (x | g)", "gaussian", {"w": 100 * DATA["w"]}),
    ("trials", "p(k, n) ~ x + (x | g)", "binomial", {"n": 50 * DATA["n"]}),
    ("mean of the response", "y ~ x + (x | g)", "gaussian", {"y": DATA["y"] + 1000}),
    ("offset", "count ~ x + offset(o) + (x | g)", "poisson", {"o": DATA["o"] + 3}),
]


@pytest.mark.parametrize(
    ("formula", "family", "change"), [row[1:] for row in SAME_SCALES], ids=[r[0] for r in SAME_SCALES]
)
def test_scales_do_not_depend_on(formula, family, change):
    first, second = (rows_of(bg.GLMM(formula, data, family=family)) for data in (DATA, DATA.assign(**change)))
    for name, row in first.items():
        if name != "Intercept":
            assert_equal(second[name].prior, row.prior)
        else:
            assert second[name].prior["sigma"] == pytest.approx(row.prior["sigma"])


def test_a_year_does_not_widen_the_sd_of_its_group():
    """A peer's fault 12: HalfNormal(1257) for sd(y) = 2.1 where a predictor is a year."""
    data = DATA.assign(y=2.1 * (DATA["y"] - DATA["y"].mean()) / SD["y"])
    rows = rows_of(bg.GLMM("y ~ year + (year | g)", data))
    assert rows["sd[g][Intercept]"].prior["sigma"] == pytest.approx(2.1)
    assert rows["sd[g][year]"].prior["sigma"] == pytest.approx(2.1 / SD["year"])


@pytest.mark.parametrize(
    ("formula", "family", "change"),
    [
        ("count ~ x + (1 | g)", "poisson", {"count": 0}),
        ("count ~ x + (1 | g)", "negativebinomial", {"count": 0}),
        ("binary ~ x + (1 | g)", "bernoulli", {"binary": 0}),
        ("binary ~ x + (1 | g)", "bernoulli", {"binary": 1}),
        ("p(k, n) ~ x + (1 | g)", "binomial", {"k": DATA["n"]}),
    ],
)
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
def test_constant_responses_leave_priors_finite(formula, family, change):
    for link in bg.FAMILIES[family].links:
        for row in bg.GLMM(formula, DATA.assign(**change), family=family, link=link).prior_table:
            assert np.isfinite(row.prior.values).all()
            assert row.parameter == "Intercept" or row.prior.values[-1] > 0


def test_a_constant_response_is_said():
    with pytest.warns(DataWarning, match="'count' is constant"):
        bg.GLMM("count ~ x", DATA.assign(count=0), family="poisson")


# What users say ------------------------------------------------------------------------------------------------------

EXPONENTIAL, GAMMA, WIDE = bg.Prior("Exponential", lam=2), bg.Prior("Gamma", alpha=2, beta=3), normal(0, 100)
FORMULA = "y ~ x + treated + (x | g) + (1 | h)"

#: priors=, then what parameters they reach (everything else stays a default)
CHOICES = [
    ({"beta": WIDE}, {"beta[x]": WIDE, "beta[treated]": WIDE}),
    ({"Intercept": WIDE}, {"Intercept": WIDE}),
    ({"beta[x]": WIDE}, {"beta[x]": WIDE}),
    ({"beta": WIDE, "beta[x]": normal(1, 1)}, {"beta[x]": normal(1, 1), "beta[treated]": WIDE}),
    ({"beta[x]": normal(1, 1), "beta": WIDE}, {"beta[x]": normal(1, 1), "beta[treated]": WIDE}),
    (
        {"sd": EXPONENTIAL},
        {"sd[g][Intercept]": EXPONENTIAL, "sd[g][x]": EXPONENTIAL, "sd[h][Intercept]": EXPONENTIAL},
    ),
    ({"sd[g]": EXPONENTIAL}, {"sd[g][Intercept]": EXPONENTIAL, "sd[g][x]": EXPONENTIAL}),
    (
        {"sd[g][x]": GAMMA, "sd[g]": EXPONENTIAL, "sd": bg.Prior("HalfNormal", sigma=9)},
        {
            "sd[g][Intercept]": EXPONENTIAL,
            "sd[g][x]": GAMMA,
            "sd[h][Intercept]": bg.Prior("HalfNormal", sigma=9),
        },
    ),
    ({"corr": bg.Prior("LKJ", eta=5)}, {"corr[g]": bg.Prior("LKJ", eta=5)}),
    ({"corr[g]": bg.Prior("LKJ")}, {"corr[g]": bg.Prior("LKJ", eta=1)}),
    ({"sigma": EXPONENTIAL}, {"sigma": EXPONENTIAL}),
    ({"Intercept": bg.Prior("Flat"), "beta": bg.Prior("Flat")},
     {name: bg.Prior("Flat") for name in ("Intercept", "beta[x]", "beta[treated]")}),
    # flat on a positive parameter is flat above zero
    ({"sigma": bg.Prior("Flat")}, {"sigma": bg.Prior("HalfFlat")}),
    ({"sd[h]": bg.Prior("Uniform", 0, 10)}, {"sd[h][Intercept]": bg.Prior("Uniform", lower=0, upper=10)}),
]  # fmt: skip


@pytest.mark.parametrize(("priors", "reached"), CHOICES)
def test_users_priors_reach_what_they_name(priors, reached):
    default = rows_of(bg.GLMM(FORMULA, DATA))
    given = dict(priors)
    rows = rows_of(bg.GLMM(FORMULA, DATA, priors=given))
    for name, row in rows.items():
        if name in reached:
            assert (row.prior, row.source) == (reached[name], "user")
        else:
            assert (row.prior, row.source) == (default[name].prior, "default")
    assert given == priors


@pytest.mark.parametrize(("scale", "power"), [("sd", 1.0), ("variance", 2.0), ("precision", -2.0)])
def test_priors_on_sd_variance_or_precision(scale, power):
    model = bg.GLMM(FORMULA, DATA, priors={f"{scale}[g][x]": GAMMA, f"{scale}[h]": GAMMA})
    rows = rows_of(model)
    assert rows["sd[g][x]"].power == rows["sd[h][Intercept]"].power == power
    assert rows["sd[g][Intercept]"].power == 1.0
    shown = model.priors.set_index("parameter")
    assert shown.loc["sd[g][x]", "scale"] == ("" if scale == "sd" else scale)
    assert shown.loc["sd[g][x]", "source"] == "user"
    if scale != "sd":
        on_sigma = rows_of(bg.GLMM(FORMULA, DATA, priors={f"{scale}[sigma]": GAMMA}))
        assert on_sigma["sigma"].power == power


def test_the_table_says_which_intercept_is_meant():
    for center, words in ((True, "intercept at the predictors' means"), (False, "raw intercept")):
        model = bg.GLMM(FORMULA, DATA, center=center, priors={"Intercept": WIDE})
        assert model.priors.set_index("parameter").loc["Intercept", "scale"] == words
        assert model.prior_table.centered is center
    assert bg.GLMM("y ~ 0 + x", DATA).prior_table.centered is False


ERRORS = [
    ({"beta[treeted]": WIDE}, r"'beta\[treeted\]', which is no parameter.*Did you mean 'beta\[treated\]'"),
    ({"sd[gg]": WIDE}, r"Valid names: .*'sd\[g\]'"),
    ({"sd[g][z]": WIDE}, r"no parameter of this model.*'sd\[g\]\[x\]'"),
    ({"corr[h]": bg.Prior("LKJ")}, r"no parameter of this model.*'corr\[g\]'"),
    ({"phi": EXPONENTIAL}, "no parameter of this model"),
    ({"variance[beta]": GAMMA}, "no parameter of this model"),
    ({"precision[Intercept]": GAMMA}, "no parameter of this model"),
    (
        {"sd[g]": GAMMA, "precision[g]": GAMMA},
        r"states the prior of sd\[g\]\[Intercept\] twice: 'sd\[g\]' and 'precision",
    ),
    ({"sigma": GAMMA, "variance[sigma]": GAMMA}, "states the prior of sigma twice"),
    ({"sd": bg.Prior("LKJ", eta=2)}, "LKJ is for correlation matrices"),
    ({"corr[g]": GAMMA}, r"corr\[g\] takes an LKJ prior"),
    ({"sd[g]": bg.Prior("Uniform", -1, 1)}, r"sd\[g\]\[Intercept\] is above 0"),
    ({"sigma": bg.Prior("Uniform", -1, 1)}, "sigma is above 0"),
    ({"sd": "Normal(0, 1"}, "Cannot read the prior"),
    ({"beta": 3.0}, "Prior"),
]


@pytest.mark.parametrize(("priors", "message"), ERRORS)
def test_priors_that_cannot_be(priors, message):
    with pytest.raises(PriorError, match=message):
        bg.GLMM(FORMULA, DATA, priors=priors)


def test_an_unknown_name_lists_every_class():
    with pytest.raises(PriorError) as caught:
        bg.GLMM("y ~ x + (x | g)", DATA, priors={"wrong": WIDE})
    valid = ["Intercept", "beta", "beta[x]", "sd", "sd[g]", "sd[g][x]", "variance", "precision[g]", "corr[g]", "sigma"]
    for name in valid:
        assert f"'{name}'" in str(caught.value)


CONSTRUCTIONS = [
    (("Normal", {"sigma": -1}), "sigma must be greater than 0, not -1"),
    (("HalfNormal", {"sigma": 0}), "sigma must be greater than 0"),
    (("Normal", {"sigma": np.inf}), "must be finite"),
    (("Normal", {"mu": np.nan}), "must be finite, not nan"),
    (("Normal", {"sd": 1}), "no parameter 'sd'"),
    (("normal", {}), "no prior distribution 'normal'. Did you mean 'Normal'"),
    (("Exponential", {}), "needs lam"),
    (("Uniform", {"lower": 1, "upper": 0}), "lower < upper"),
    (("LKJ", {"eta": -2}), "eta must be greater than 0"),
    (("Normal", {"mu": [0, 1]}), "must be a number.*one prior per coefficient"),
]


@pytest.mark.parametrize(("arguments", "message"), CONSTRUCTIONS)
def test_distributions_that_cannot_be(arguments, message):
    with pytest.raises(PriorError, match=message):
        bg.Prior(arguments[0], **arguments[1])


# What a prior does ---------------------------------------------------------------------------------------------------


def draw_prior(model: bg.GLMM, draws: int = 2000):
    return model.sample_prior(draws=draws, random_seed=5)


def test_the_mean_of_a_normal_prior_on_a_sd_is_honoured():
    """A peer's fault 8: with effects that are not centred it draws from a prior with mean 0 where mu is 5."""
    model = bg.GLMM("y ~ 1 + (1 | g)", DATA, priors={"sd[g]": normal(5, 1)})
    sd = draw_prior(model)["prior"]["sd_g"].to_numpy().ravel()
    exact = stats.truncnorm(-5, np.inf, 5, 1)
    assert sd.min() > 0
    assert abs(sd.mean() - exact.mean()) < 4 * exact.std() / np.sqrt(len(sd))
    assert stats.kstest(sd, exact.cdf).pvalue > 1e-3


def test_priors_on_powers_are_priors_on_powers():
    model = bg.GLMM("y ~ 1 + (1 | g)", DATA, priors={"precision[g]": GAMMA, "variance[sigma]": EXPONENTIAL})
    prior = draw_prior(model)["prior"]
    precision, variance = prior["sd_g"].to_numpy().ravel() ** -2.0, prior["sigma"].to_numpy().ravel() ** 2
    assert stats.kstest(precision, stats.gamma(2, scale=1 / 3).cdf).pvalue > 1e-3
    assert stats.kstest(variance, stats.expon(scale=1 / 2).cdf).pvalue > 1e-3


def test_the_intercepts_prior_is_where_center_says():
    """At the predictors' means by default, at x = 0 with ``center=False``: seen in prior draws."""
    tight = {"Intercept": normal(3, 0.01), "beta": normal(0, 1)}
    mean = DATA["x"].mean()
    for center in (True, False):
        beta = draw_prior(bg.GLMM("y ~ x", DATA, priors=tight, center=center))["prior"]["beta"]
        raw = beta.sel(coef="Intercept").to_numpy().ravel()
        at_mean = raw + mean * beta.sel(coef="x").to_numpy().ravel()
        fixed, free = (at_mean, raw) if center else (raw, at_mean)
        assert fixed.std() < 0.02 and abs(fixed.mean() - 3) < 0.002
        assert free.std() == pytest.approx(mean, rel=0.1)


def test_level_effects_and_correlations_of_the_prior():
    model = bg.GLMM("y ~ 1 + (x | g)", DATA, priors={"sd": bg.Prior("HalfNormal", 2), "corr": bg.Prior("LKJ", eta=1)})
    tree = draw_prior(model)
    corr = tree["prior"]["corr_g"]
    r = corr.isel(g_coef=0, g_coef_2=1).to_numpy().ravel()
    # LKJ(1) of two coefficients: uniform on (-1, 1)
    assert stats.kstest(r, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    scaled = (tree["prior"]["b_g"] / tree["prior"]["sd_g"]).isel(g_coef=1).to_numpy()
    assert stats.kstest(scaled.reshape(-1, 6)[:, 0], "norm").pvalue > 1e-3
    assert dict(tree["prior_predictive"]["y"].sizes) == {"chain": 1, "draw": 2000, "obs": ROWS}


def test_flat_priors_have_no_draws():
    model = bg.GLMM("y ~ x", DATA, priors={"beta[x]": bg.Prior("Flat")})
    with pytest.raises(SamplingError, match=r"flat prior of beta\[x\]"):
        model.sample_prior()


@pytest.mark.parametrize("family", ["poisson", "negativebinomial"])
def test_counts_of_a_wide_prior_never_turn_negative(family):
    counts = {"k": np.arange(20) % 4, "x": np.arange(20) / 10}
    model = bg.GLMM("k ~ x", counts, family=family, priors={"Intercept": bg.Prior("Normal", 40, 10)})
    with pytest.warns(DataWarning, match=r"of 1000 responses drawn from the prior are greater than 9.2e\+18"):
        drawn = model.sample_prior(draws=50, random_seed=1)["prior_predictive"]["k"]
    assert drawn.dtype == np.int64 and drawn.min() >= 0 and drawn.max() == np.iinfo(np.int64).max


def test_a_prior_that_reaches_where_there_is_no_response_is_refused():
    data = {"y": [1.0, 2.0, 3.0, 2.5], "x": [0.0, 1.0, 2.0, 3.0]}
    with pytest.raises(SamplingError, match="linear predictor of a gamma response must be above 0.*Use the log link"):
        bg.GLMM("y ~ x", data, family="gamma", link="identity").sample_prior(draws=200, random_seed=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning")
@pytest.mark.parametrize(
    ("formula", "family", "options"),
    [
        ("y ~ f * x + (f * x | g) + (1 | h)", "student", {}),
        ("k ~ x + (x | p | g)", "negativebinomial", {"dpar_formulas": {"phi": "~ x + (1 | p | g)"}}),
        ("o ~ x + (x || g)", "cumulative", {"priors": {"sd": "Gamma(2, 1)", "thresholds": "StudentT(4, 1, 2)"}}),
        (
            "y ~ x + (1 | g)",
            "exgaussian",
            {"priors": {"variance[sigma]": "InverseGamma(3, 2)", "sd[g]": "Normal(1, 1)"}},
        ),
    ],
)
def test_draws_from_the_prior_are_pymcs(formula, family, options):
    import pymc as pm

    rng, size = np.random.default_rng(1), 24
    data = pd.DataFrame(
        {"x": rng.normal(3, 1, size), "f": list("abc") * 8, "g": np.arange(size) % 4, "h": np.arange(size) % 6}
    )
    data = data.assign(y=rng.normal(size=size), k=rng.poisson(2, size), o=np.arange(size) % 3 + 1)
    model = bg.GLMM(formula, data, family=family, **options)
    ours = model.sample_prior(draws=4000, random_seed=1)["prior"]
    graph = model.to_pymc()
    theirs = pm.draw([graph[name] for name in ours.data_vars], draws=4000, random_seed=2)
    for name, other in zip(ours.data_vars, theirs, strict=True):
        one = ours[name].to_numpy().reshape(4000, -1)
        for mine, pymcs in zip(one.T, other.reshape(4000, -1).T, strict=True):
            assert np.ptp(mine) < 1e-9 or stats.ks_2samp(mine, pymcs).pvalue > 1e-4, name


def test_nothing_of_the_user_is_changed():
    """A peer's fault 15: the prior given to it is changed in place."""
    prior, data = bg.Prior("Normal", mu=0, sigma=5), DATA.copy(deep=True)
    priors = {"beta": prior, "sd": bg.Prior("Normal", mu=1, sigma=1)}
    before = dict(priors)
    model = bg.GLMM("y ~ x + (x | g)", data, priors=priors)
    model.to_pymc()
    assert priors == before and prior == bg.Prior("Normal", mu=0, sigma=5)
    pd.testing.assert_frame_equal(data, DATA)
    priors["beta"] = bg.Prior("Flat")
    assert rows_of(model)["beta[x]"].prior == prior
    with pytest.raises((AttributeError, TypeError)):
        prior.name = "Flat"
    # every PyMC model is a fresh one
    first, second = model.to_pymc(), model.to_pymc()
    first.add_coord("more", [1, 2])
    assert "more" not in second.coords and "more" not in model.to_pymc().coords


@pytest.mark.parametrize(
    ("bar", "variables", "correlations"),
    [("(x | g)", 1, True), ("(x || g)", 0, False), ("(1 | g) + (0 + x | g)", 0, False), ("(1 | g)", 0, False)],
)
def test_one_bar_correlates_and_two_do_not(bar, variables, correlations):
    """A peer's fault 11: (x | g) fitted without a correlation, || a parse error."""
    model = bg.GLMM(f"y ~ x + {bar}", DATA)
    assert ("corr[g]" in rows_of(model)) is correlations
    graph = model.to_pymc()
    assert len([v for v in graph.free_RVs if v.name.startswith("corr_g")]) == variables
    assert ("corr_g" in graph.named_vars) is correlations


def test_parametrizations_have_names():
    with pytest.raises(GLMMError, match="Did you mean 'centered'"):
        bg.GLMM("y ~ x", DATA).to_pymc("centred")


@pytest.mark.parametrize(
    "prior", [bg.Prior("Normal", 0, 2.5), bg.Prior("HalfStudentT", 3), bg.Prior("Flat"), bg.Prior("Uniform", -1, 1)]
)
def test_priors_are_read_as_they_print(prior):
    assert bg.Prior.from_text(str(prior)) == bg.Prior.from_text(f" {str(prior).replace('=', ' = ')} ") == prior


def test_priors_by_class_are_keywords_and_texts():
    long = {"beta": bg.Prior("Normal", mu=0, sigma=2), "sd": bg.Prior("HalfNormal", sigma=1)}
    short = dict(beta="Normal(0, 2)", sd="HalfNormal(1)")
    assert bg.GLMM("y ~ x + (1 | g)", DATA, priors=short).spec == bg.GLMM("y ~ x + (1 | g)", DATA, priors=long).spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Normal(0, 1", "Cannot read the prior"),
        ("Normal(0, 1) + 1", "Cannot read the prior"),
        ("Normal(mu=0, 1)", "Values without a name come first"),
        ("Normal(mu=0, mu=1)", "stands twice"),
        ("Normal(name=1)", "no parameter"),
        ("Normal(0, two)", "sigma must be a number, not ' two'"),
        ("Gauss(0, 1)", "There is no"),
        ("__import__('os')", "Cannot read|There is no"),
    ],
)
def test_texts_that_are_no_priors_are_refused(text, message):
    with pytest.raises(bg.errors.PriorError, match=message):
        bg.Prior.from_text(text)
