"""Monotonic effects: the graph against a density written out, predictions by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special, stats

import bayes_glmm as bg
from bayes_glmm.errors import DataError, FormulaError, PredictionError, PriorError
from bayes_glmm.inference.fit import Fit

LEVELS = ["low", "middle", "high", "top"]


def data(rows=60, seed=1):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, rows)
    return pd.DataFrame(
        {
            "income": pd.Categorical.from_codes(codes, LEVELS, ordered=True),
            "code": codes + 3,
            "x": rng.normal(size=rows),
            "g": np.resize(list("abcdef"), rows),
            "y": np.array([0.0, 2.0, 2.5, 2.6])[codes] + rng.normal(size=rows),
            "k": rng.poisson(2.0, rows),
        }
    )


PRIORS = {
    "Intercept": bg.Prior("Normal", mu=1, sigma=2),
    "beta": bg.Prior("Normal", mu=0.5, sigma=1.5),
    "sigma": bg.Prior("HalfNormal", sigma=2),
    "simplex": bg.Prior("Dirichlet", alpha=1.7),
}


def test_the_graph_is_the_density_written_out():
    """Log density of (beta at the data, sigma, shares) without Jacobians, to 1e-9."""
    frame = data()
    model = bg.GLMM("y ~ mo(income) + x", frame, priors=PRIORS)
    graph = model.to_pymc()
    rng = np.random.default_rng(2)
    names = [value.name for value in graph.value_vars]
    beta_name = next(name for name in names if name.startswith("beta"))
    density = graph.compile_logp(jacobian=False)
    for _ in range(3):
        beta, free, log_sigma = rng.normal(size=3), rng.normal(size=2), rng.normal()
        point = {beta_name: beta, "simplex_income_simplex__": free, "sigma_log__": log_sigma}
        assert set(point) == set(names)
        shares = special.softmax(np.append(free, -free.sum()))
        sigma, codes = np.exp(log_sigma), frame["income"].cat.codes.to_numpy()
        heights = 3 * np.concatenate([[0.0], np.cumsum(shares)])
        # the intercept's prior is at the means of position and x
        at_means = beta[0] - beta[1] * codes.mean() - beta[2] * frame["x"].mean()
        eta = at_means + beta[1] * heights[codes] + beta[2] * frame["x"]
        expected = stats.norm.logpdf(frame["y"], eta, sigma).sum() + stats.halfnorm.logpdf(sigma, scale=2)
        expected += stats.norm.logpdf(beta, [1, 0.5, 0.5], [2, 1.5, 1.5]).sum()
        expected += stats.dirichlet.logpdf(shares, [1.7] * 3)
        assert float(density(point)) == pytest.approx(expected, rel=1e-9)


def test_default_priors_are_those_of_the_positions_as_a_number():
    frame = data()
    table = bg.GLMM("y ~ mo(income)", frame).prior_table
    number = bg.GLMM("y ~ code", frame).prior_table
    assert [row.prior for row in table.beta] == [row.prior for row in number.beta]
    assert [(row.parameter, str(row.prior)) for row in table.monotonic] == [("simplex[income]", "Dirichlet(alpha=1)")]
    assert bg.GLMM("y ~ mo(income)", frame, priors={"simplex[income]": "Dirichlet(3)"}).priors["prior"].iloc[-1] == (
        "Dirichlet(alpha=3)"
    )


@pytest.fixture(scope="module")
def fit():
    """Draws of our choosing for counts, so that nothing is sampled."""
    frame, rng = data(), np.random.default_rng(3)
    model = bg.GLMM("k ~ mo(code) + x + (1 | g)", frame, family="poisson")
    shape, design = (2, 40), model.design
    draws = xr.Dataset(
        {
            "beta": (("chain", "draw", "coef"), 0.3 * rng.normal(size=(*shape, 3))),
            "simplex_code": (("chain", "draw", "code_step"), rng.dirichlet(np.ones(3), shape)),
            "b_g": (("chain", "draw", "g", "g_coef"), 0.2 * rng.normal(size=(*shape, 6, 1))),
            "sd_g": (("chain", "draw", "g_coef"), np.full((*shape, 1), 0.2)),
        },
        coords={
            "chain": range(2), "draw": range(40), "coef": list(design.coefs), "code_step": ["4", "5", "6"],
            "g": list("abcdef"), "g_coef": ["Intercept"],
        },
    )  # fmt: skip
    return Fit(model, xr.DataTree.from_dict({"posterior": draws}))


def by_hand(fit, frame):
    """Linear predictors (S, rows) of the rows given."""
    posterior = fit.posterior.stack(sample=("chain", "draw")).transpose("sample", ...)
    beta, shares = posterior["beta"].to_numpy(), posterior["simplex_code"].to_numpy()
    heights = 3 * np.concatenate([np.zeros((80, 1)), np.cumsum(shares, axis=1)], axis=1)
    codes = frame["code"].to_numpy() - 3
    eta = beta[:, :1] + beta[:, 1:2] * heights[:, codes] + beta[:, 2:] * frame["x"].to_numpy()
    return eta + posterior["b_g"].to_numpy()[:, [list("abcdef").index(g) for g in frame["g"]], 0]


def test_predictions_comparisons_and_densities_by_hand(fit):
    frame = data()
    eta = by_hand(fit, frame)
    table = bg.predictions(fit)
    np.testing.assert_allclose(table["estimate"], np.exp(eta).mean(axis=0), rtol=1e-10)
    high, low = (by_hand(fit, frame.assign(code=code)) for code in (5, 4))
    steps = bg.avg_comparisons(fit, {"code": "sequential"}, comparison="ratio")
    assert steps["contrast"].tolist() == ["4 / 3", "5 / 4", "6 / 5"]
    ratio = np.exp(high).mean(axis=1) / np.exp(low).mean(axis=1)
    np.testing.assert_allclose(steps["estimate"].iloc[1], ratio.mean(), rtol=1e-10)
    density = bg.log_likelihood(fit)["log_likelihood"]["k"].to_numpy().reshape(80, -1)
    np.testing.assert_allclose(density, stats.poisson.logpmf(frame["k"], np.exp(eta)), rtol=1e-9)
    new = bg.predictions(fit, {"code": [3, 6], "x": 0.0, "g": "a"}, scale="link")
    expected = by_hand(fit, pd.DataFrame({"code": [3, 6], "x": 0.0, "g": "a"})).mean(axis=0)
    np.testing.assert_allclose(new["estimate"], expected, rtol=1e-10)
    own = bg.hypotheses(fit, "`simplex[code][4]` = 0")
    np.testing.assert_allclose(own["estimate"], float(fit.posterior["simplex_code"].sel(code_step="4").mean()))
    with pytest.raises(PredictionError, match="is a factor in the model and has no slope"):
        bg.slopes(fit, "code")
    with pytest.raises(PredictionError, match="no single coefficient"):
        bg.marginal_coefficients(fit)
    with pytest.raises(PredictionError, match="mo.. met values that the fit did not see"):
        bg.predictions(fit, {"code": 7, "x": 0.0, "g": "a"})


def test_latent_variance_and_shrinkage_follow_the_shares(fit):
    eta = by_hand(fit, data())
    posterior = fit.posterior.stack(sample=("chain", "draw")).transpose("sample", ...)
    rows = [list("abcdef").index(g) for g in data()["g"]]
    fixed = eta - posterior["b_g"].to_numpy()[:, rows, 0]
    table = bg.variance_components(fit)
    name = table.columns[0]
    np.testing.assert_allclose(
        table.set_index(name).loc["fixed", "estimate"], fixed.var(axis=1, ddof=1).mean(), rtol=1e-9
    )


def test_positions_of_codes_and_categories():
    """Codes need not start at 0; a whole number that no row has is a level; a category that no row has is none."""
    frame = data()
    design = bg.GLMM("y ~ mo(code)", frame[frame["code"] != 4]).design
    assert design.monotonic[0].steps == ("4", "5", "6")
    assert sorted(set(design.X[:, 1])) == [0.0, 2.0, 3.0]
    assert design.at({"code": [4]}).X[0, 1] == 1.0
    design = bg.GLMM("y ~ mo(income)", frame[frame["income"] != "middle"]).design
    assert design.monotonic[0].levels == ("low", "high", "top")
    one = bg.GLMM("y ~ mo(code)", frame[frame["code"] < 5])
    assert one.design.monotonic[0].steps == ("4",)
    assert "Dirichlet" in str(one.equation())


def test_one_step_is_a_straight_effect():
    """With one step the share is one, and the graph's density that of the number."""
    frame = data()
    frame = frame[frame["code"] < 5]
    point = {"Intercept": PRIORS["Intercept"], "beta": PRIORS["beta"], "sigma": PRIORS["sigma"]}
    densities = []
    for formula in ("y ~ mo(code)", "y ~ code"):
        graph = bg.GLMM(formula, frame, priors=point, center=False).to_pymc()
        start = {value.name: np.full(shape_of(graph, value), 0.3) for value in graph.value_vars}
        if formula == "y ~ code":  # positions are codes less 3
            start["beta"] = np.array([0.3 - 3 * 0.3, 0.3])
        prior = stats.norm.logpdf(start["beta"][0], 1, 2)
        densities.append(float(graph.compile_logp(jacobian=False)(start)) - prior)
    assert densities[0] == pytest.approx(densities[1], rel=1e-9)


def shape_of(graph, value):
    return graph.initial_point()[value.name].shape


REFUSED = [
    ("y ~ mo(income):x", FormulaError, "depend on another variable"),
    ("y ~ mo(income)*x", FormulaError, "depend on another variable"),
    ("y ~ x + (mo(income) | g)", FormulaError, "differ between levels"),
    ("y ~ log(mo(code))", FormulaError, "stands by itself"),
    ("y ~ I(2 * mo(code))", FormulaError, "stands by itself"),
    ("y ~ mo(factor(code))", FormulaError, "takes one column"),
    ("y ~ x + offset(mo(code))", FormulaError, "not part of a response or an offset"),
    ("y ~ mo(g)", DataError, r"order of 'a', .* is not known.*pd.Categorical\(data\['g'\]"),
    ("y ~ mo(x)", DataError, "numbers with decimals"),
    ("y ~ mo(one)", DataError, "two levels or more|one level|constant"),
    ("y ~ mo(wide)", DataError, "would have 590 steps"),
]


@pytest.mark.parametrize(("formula", "error", "words"), REFUSED)
def test_refused_in_words(formula, error, words):
    frame = data().assign(one=1, wide=np.arange(60) * 10)
    with pytest.raises(error, match=words):
        bg.GLMM(formula, frame)


def test_refused_elsewhere():
    frame = data()
    with pytest.raises(FormulaError, match="not available in the formula of sigma"):
        bg.GLMM("y ~ x", frame, dpar_formulas={"sigma": "~ mo(code)"})
    with pytest.raises(DataError, match="order of .* is not known"):
        bg.GLMM("y ~ mo(income)", frame.assign(income=frame["income"].cat.as_unordered()))
    with pytest.raises(PriorError, match="takes a Dirichlet prior"):
        bg.GLMM("y ~ mo(income)", frame, priors={"simplex": "Normal(0, 1)"})
    with pytest.raises(PriorError, match="no simplex, which Dirichlet is for"):
        bg.GLMM("y ~ mo(income)", frame, priors={"beta": "Dirichlet(1)"})
    with pytest.raises(bg.errors.SamplingError, match="makes a column of X depend on parameters"):
        bg.GLMM("y ~ mo(income)", frame).fit(method="laplace")


@pytest.mark.slow
def test_the_example_of_brms_is_recovered_and_serves_everything(tmp_path):
    """Income brackets with means of 30, 60, 70 and 75; steps are 30, 10 and 5."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 4, 200)
    frame = pd.DataFrame(
        {
            "income": pd.Categorical.from_codes(codes, LEVELS, ordered=True),
            "ls": rng.normal(np.array([30, 60, 70, 75])[codes], 7),
        }
    )
    fit = bg.GLMM("ls ~ mo(income)", frame).fit(random_seed=1, progressbar=False)
    assert fit.diagnose().passed
    means = frame.groupby("income", observed=True)["ls"].mean()
    table = bg.predictions(fit, bg.grid(fit, income=None))
    np.testing.assert_allclose(table["estimate"], means, atol=1.0)
    summary = fit.summary().set_index("term")
    assert summary.loc["mo(income)", "mean"] == pytest.approx(15, abs=1)
    shares = np.diff(means) / (means.iloc[-1] - means.iloc[0])  # of the 200 people, whose last step is smaller
    np.testing.assert_allclose(summary.loc[LEVELS[1:], "mean"], shares, atol=0.02)
    assert (abs(summary.loc[LEVELS[1:], "mean"] - [2 / 3, 2 / 9, 1 / 9]) < 3 * summary.loc[LEVELS[1:], "sd"]).all()
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    assert repr(again) == repr(fit)
    assert bg.predictions(again, bg.grid(again, income=None)).equals(table)
    assert "income" in fit.report(tmp_path / "fit.md").read_text(encoding="utf-8")
    factor = bg.GLMM("ls ~ income", frame).fit(random_seed=1, progressbar=False)
    assert bg.loo(fit, progressbar=False).elpd == pytest.approx(bg.loo(factor, progressbar=False).elpd, abs=2)
    assert bg.check_residuals(bg.simulate_residuals(fit, random_seed=1)).loc["uniformity", "p_value"] > 0.01
    assert "simplex_income[top]" in str(bg.prior_sensitivity(fit, progressbar=False))
    fit.extend(random_seed=1)


@pytest.mark.slow
def test_calibrated():
    """Simulation-based calibration of coefficient, shares and sd."""
    model = bg.GLMM("y ~ mo(income)", data(40), priors={**PRIORS, "simplex": bg.Prior("Dirichlet", alpha=1)})
    result = bg.sbc(model, 40, random_seed=1, progressbar=False)
    assert result.passed, result
