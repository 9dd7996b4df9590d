"""Rows whose response alone is missing change nothing and are predicted."""

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError, DataWarning, GLMMError, PredictionError

SHORT = {"draws": 500, "chains": 2, "tune": 300, "random_seed": 1, "progressbar": False}
pytestmark = pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")


def data(rows=60, seed=1):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "g": np.resize(list("abcdef"), rows), "n": np.full(rows, 20)})
    effect = rng.normal(size=6)[np.arange(rows) % 6]
    eta = 0.5 + frame["x"] + effect
    frame["y"] = eta + rng.normal(size=rows)
    frame["k"] = rng.binomial(20, 1 / (1 + np.exp(-eta))).astype(float)
    frame["grade"] = pd.Categorical(np.digitize(frame["y"], [0, 1]), [0, 1, 2], ordered=True)
    return frame


def without(frame, name, rows):
    frame = frame.copy()
    frame.loc[rows, name] = None if name == "grade" else np.nan
    return frame


GONE = [3, 10, 20]


@pytest.fixture(scope="module")
def fit():
    return bg.GLMM("y ~ x + (1 | g)", without(data(), "y", GONE), missing="predict").fit(**SHORT)


def test_nothing_else_changes(fit):
    """Draws, priors and rows are those of the fit that drops the rows, to the bit; so is what is asked of its rows."""
    with pytest.warns(DataWarning, match="3 of 60 rows were dropped"):
        dropped = bg.GLMM("y ~ x + (1 | g)", without(data(), "y", GONE)).fit(**SHORT)
    assert fit.model.priors.equals(dropped.model.priors)
    for name, draws in dropped.posterior.items():
        np.testing.assert_array_equal(draws, fit.posterior[name])
    assert bg.loo(fit, refits=False, progressbar=False).elpd == bg.loo(dropped, refits=False, progressbar=False).elpd
    assert fit.model.design.dropped == 0
    assert "57, 3 more without a response, which are predicted" in repr(fit.model)


def test_draws_are_the_posterior_predictive_of_the_rows(fit):
    drawn = fit.missing_responses(random_seed=2)
    assert drawn.dims == ("chain", "draw", "obs")
    assert drawn["obs"].to_numpy().tolist() == GONE
    by_hand = bg.posterior_predictive(fit, data().loc[GONE], random_seed=2)["posterior_predictive"]["y"]
    np.testing.assert_array_equal(drawn, by_hand)
    # and by another way: eta of every draw with noise of its sigma
    posterior, rows = fit.posterior, data().loc[GONE]
    eta = posterior["beta"].sel(coef="Intercept") + posterior["beta"].sel(coef="x") * rows["x"].to_xarray()
    eta = eta + posterior["b_g"].isel(g_coef=0).sel(g=rows["g"].to_xarray()).drop_vars("g")
    sd = np.sqrt(float((posterior["sigma"] ** 2).mean()) + eta.var(("chain", "draw")))
    np.testing.assert_allclose(drawn.mean(("chain", "draw")), eta.mean(("chain", "draw")), atol=0.15)
    np.testing.assert_allclose(drawn.std(("chain", "draw")), sd, rtol=0.1)
    expected = bg.predictions(fit, fit.model.design.unanswered)
    np.testing.assert_allclose(expected["estimate"], eta.mean(("chain", "draw")), rtol=1e-6)


def test_saved_and_updated_with_its_rows(fit, tmp_path):
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.missing_responses(random_seed=2), fit.missing_responses(random_seed=2))
    assert again.model.spec.missing == "predict"
    assert repr(again) == repr(fit)
    new = fit.update(". ~ . + I(x^2)", method="laplace", draws=20, random_seed=1, progressbar=False)
    assert new.missing_responses(random_seed=1).sizes["obs"] == 3
    assert "3 rows without a response" in fit.report(tmp_path / "fit.md").read_text(encoding="utf-8")


OTHERS = [
    ("p(k, n) ~ x + (1 | g)", "binomial", "k", lambda drawn: (drawn >= 0).all() and (drawn <= 20).all()),
    ("grade ~ x + (1 | g)", "cumulative", "grade", lambda drawn: set(np.unique(drawn)) <= {0, 1, 2}),
    ("truncated(y, lower=low) ~ x", "gaussian", "y", lambda drawn: (drawn >= -4).all()),
    ("censored(y, status) ~ x", "gaussian", "y", lambda drawn: np.isfinite(drawn).all()),
    ("weighted(y, w) ~ x", "gaussian", "y", lambda drawn: np.isfinite(drawn).all()),
    ("log(k + 1) ~ x", "gaussian", "k", lambda drawn: np.isfinite(drawn).all()),
]


@pytest.mark.parametrize(("formula", "family", "name", "holds"), OTHERS)
def test_responses_of_every_kind(formula, family, name, holds):
    """Successes of rows whose trials are known, categories, responses with limits, weights and transformations."""
    frame = data().assign(low=-4.0, status=np.resize(["none", "right", "none"], 60), w=1.0)
    frame = without(frame, name, GONE)
    frame.loc[GONE, ["status", "w"]] = None
    frame = without(frame, "x", [5])
    with pytest.warns(DataWarning, match="1 of 57 rows were dropped for missing values .x: 1"):
        model = bg.GLMM(formula, frame, family, missing="predict")
    drawn = model.fit(method="laplace", draws=50, chains=2, random_seed=1, progressbar=False).missing_responses()
    assert drawn.sizes["obs"] == 3
    assert holds(drawn.to_numpy())


def test_what_is_needed_to_predict_must_be_there():
    """Trials, standard errors and predictors that are missing leave nothing to predict by: those rows are dropped."""
    frame = without(without(data(), "k", [1, 2]), "n", [2, 3])
    with pytest.warns(DataWarning, match="2 of 59 rows were dropped for missing values .k: 1, n: 2"):
        model = bg.GLMM("p(k, n) ~ x", frame, "binomial", missing="predict")
    assert model.design.unanswered.index.tolist() == [1]


def test_a_group_without_any_response_is_one_of_the_population():
    frame = data()
    frame = without(frame, "y", frame.index[frame["g"] == "f"])
    fit = bg.GLMM("y ~ x + (1 | g)", frame, missing="predict").fit(**SHORT)
    assert fit.model.design.groups[0].levels == tuple("abcde")
    drawn = fit.missing_responses(random_seed=1)
    assert drawn.sizes["obs"] == 10
    variance = float((fit.posterior["sd_g"] ** 2).median()) + float((fit.posterior["sigma"] ** 2).mean())
    assert drawn.var(("chain", "draw")).min() > variance
    # its rows share one effect: their residuals from eta are correlated within draws
    eta = fit.posterior["beta"].sel(coef="Intercept") + fit.posterior["beta"].sel(coef="x") * xr_of(frame, drawn)
    rest = (drawn - eta).to_numpy().reshape(-1, 10)
    assert np.corrcoef(rest.T)[0, 1] > 0.2


def xr_of(frame, drawn):
    return drawn["obs"].copy(data=frame.loc[drawn["obs"].to_numpy(), "x"].to_numpy())


def test_levels_that_no_response_has_are_left_out_with_a_warning():
    frame = without(data().assign(f=np.resize(["a", "b", "c"], 60)), "y", [2, 5, 8])
    frame = frame[(frame["f"] != "c") | frame["y"].isna()]
    with pytest.warns(DataWarning, match="3 rows without a response cannot be predicted .* 'c' in 'f'"):
        model = bg.GLMM("y ~ f", frame, missing="predict")
    assert len(model.design.unanswered) == 0


def test_refused_in_words():
    whole = data()
    fit = bg.GLMM("y ~ x", whole).fit(method="laplace", draws=20, chains=2, random_seed=1, progressbar=False)
    with pytest.raises(PredictionError, match="missing='drop', which keeps no rows"):
        fit.missing_responses()
    none = bg.GLMM("y ~ x", whole, missing="predict").fit(method="laplace", draws=20, random_seed=1, progressbar=False)
    with pytest.raises(PredictionError, match="No row of the data misses its response alone"):
        none.missing_responses()
    with pytest.raises(DataError, match="missing in every row: there is nothing to learn from"):
        bg.GLMM("y ~ x", whole.assign(y=np.nan), missing="predict")
    with pytest.raises(GLMMError, match="'drop', 'error' or 'predict', not 'impute'"):
        bg.GLMM("y ~ x", whole, missing="impute")
    with pytest.raises(DataError, match="about the rows of one data set"):
        bg.fit_multiple("y ~ x", [whole, whole], missing="predict")
