"""A fit of several data sets is the mixture of their fits, with each data set's draws at its own rows."""

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning, DataError, DataWarning, GLMMError, PredictionError

SHORT = {"draws": 500, "chains": 2, "random_seed": 1, "progressbar": False}
quiet = pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")


def imputed(count=3, rows=60, seed=1):
    """A predictor z of which a third is drawn anew in every frame."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=rows), np.resize(list("abcdef"), rows)
    z = 0.5 * x + rng.normal(size=rows)
    y, gone = 1 + x + z + rng.normal(size=rows), rng.random(rows) < 1 / 3
    whole = pd.DataFrame({"x": x, "z": z, "y": y, "g": g})
    return [whole.assign(z=np.where(gone, 0.5 * x + rng.normal(size=rows), z)) for _ in range(count)]


@pytest.fixture(scope="module")
def frames():
    return imputed()


@pytest.fixture(scope="module")
def fit(frames):
    with pytest.warns(ConvergenceWarning, match="of 3 frames, each with 2 chains"):
        return bg.fit_multiple("y ~ x + z + (1 | g)", frames, **SHORT)


def test_the_same_frame_again_and_again_changes_nothing(frames):
    """Draws of three fits of one data set have one distribution, and R-hat over all chains sees it."""
    formula, settings = "y ~ x + z + (1 | g)", {**SHORT, "draws": 1000, "chains": 4}
    priors = {name: bg.Prior("Normal", mu=0, sigma=5) for name in ("Intercept", "beta")}
    priors |= {name: bg.Prior("HalfNormal", sigma=2) for name in ("sd", "sigma")}
    whole = bg.fit_multiple(formula, frames[:1] * 3, priors=priors, **settings)
    single = bg.GLMM(formula, frames[0], priors=priors).fit(**settings)
    table, own = whole.summary(), single.summary()
    assert whole.diagnose().passed
    assert whole.diagnose().notes[0].startswith("The frames agree")
    assert (table["fmi"] < 0.02).all()
    error = own["sd"] * np.sqrt(1 / own["ess_bulk"] + 1 / table["ess_bulk"])
    assert (abs(table["mean"] - own["mean"]) < 4 * error).all()
    np.testing.assert_allclose(table["sd"], own["sd"], rtol=0.1)
    seed = whole.fits[1].attrs["random_seed"]
    alone = bg.GLMM(formula, frames[0], priors=priors).fit(**{**settings, "random_seed": seed})
    np.testing.assert_allclose(alone.posterior["beta"], whole.fits[1].posterior["beta"], rtol=1e-6)


#: mice 3.15.0: imp <- mice(nhanes2, m = 20, seed = 1); pool(with(imp, lm(chl ~ age + bmi))): estimate, ubar, b, lambda
POOLED = {
    "Intercept": (11.736802092, 2493.92159567, 740.5943204456),
    "age[40-59]": (43.502284640, 247.01137189, 100.6012874131),
    "age[60-99]": (61.922845675, 283.13443476, 181.1778348538),
    "bmi": (5.764215778, 2.95223927, 0.9184094585),
}


def test_mice_pools_the_same():
    """Means and the variance between imputations of least squares are those of flat priors on the coefficients."""
    long = pd.read_csv("tests/inference/nhanes_imputed.csv.gz")
    frames = [part.drop(columns="imputation").set_index("row") for _, part in long.groupby("imputation")]
    priors = {"Intercept": bg.Prior("Flat"), "beta": bg.Prior("Flat")}
    fit = bg.fit_multiple("chl ~ age + bmi", frames, priors=priors, **{**SHORT, "chains": 4})
    table = fit.summary().set_index("term")
    for name, (estimate, within, between) in POOLED.items():
        row = table.loc[name]
        error = row["sd_within"] / np.sqrt(row["ess_bulk"])
        assert abs(row["mean"] - estimate) < 4 * error, name
        # the means of the frames carry a Monte-Carlo error of their own
        assert row["sd_between"] ** 2 == pytest.approx(between, rel=0.08), name
        # that of sigma is averaged over, as it is in a t distribution: (n - p) / (n - p - 2)
        assert row["sd_within"] ** 2 == pytest.approx(within * 21 / 19, rel=0.1), name
        total = within * 21 / 19 + 19 / 20 * between
        assert row["sd"] ** 2 == pytest.approx(total, rel=0.08), name


def test_spread_within_and_between_by_hand(fit):
    draws = [part.posterior["beta"].sel(coef="z").to_numpy().ravel() for part in fit.fits]
    row = fit.summary().set_index("term").loc["z"]
    within, between = np.mean([np.var(one, ddof=1) for one in draws]), np.var([one.mean() for one in draws], ddof=1)
    np.testing.assert_allclose([row["sd_within"] ** 2, row["sd_between"] ** 2], [within, between], rtol=1e-10)
    increase = (4 / 3) * between / within
    freedom = 2 * (1 + 1 / increase) ** 2
    np.testing.assert_allclose(row["fmi"], (increase + 2 / (freedom + 3)) / (1 + increase), rtol=1e-10)
    assert row["sd"] ** 2 == pytest.approx(within + 2 / 3 * between, rel=1e-3)
    assert "sd_within" not in fit.fits[0].summary()


def test_draws_are_held_once_and_say_which_frame_they_are_of(fit):
    assert fit.posterior["frame"].to_numpy().tolist() == [1, 1, 2, 2, 3, 3]
    for number, part in enumerate(fit.fits):
        own = part.posterior["b_g"].to_numpy()
        np.testing.assert_array_equal(own, fit.posterior["b_g"].isel(chain=slice(2 * number, 2 * number + 2)))
        assert np.shares_memory(own, fit.posterior["b_g"].to_numpy())


def test_each_frame_predicts_at_its_own_rows(fit, frames):
    """Averages, comparisons and slopes are those of the parts put together; so are predictions row by row."""
    draws = bg.avg_predictions(fit, draws="dataarray")
    parts = [bg.avg_predictions(part, draws="dataarray") for part in fit.fits]
    np.testing.assert_array_equal(draws, np.concatenate([part.to_numpy() for part in parts]))
    table = bg.avg_predictions(fit)
    assert table.loc[0, "estimate"] == pytest.approx(float(draws.mean()))
    assert table.attrs["frames"] == 3
    rows = bg.predictions(fit)
    assert list(rows.columns[:3]) == ["x", "g", "y"]
    assert "z" not in rows  # differs between frames
    own = [bg.predictions(part)["estimate"].to_numpy() for part in fit.fits]
    np.testing.assert_allclose(rows["estimate"], np.mean(own, axis=0))
    ratio = bg.avg_comparisons(fit, "x", by="g", hypothesis="b2 - b1 = 0")
    assert len(ratio) == 1
    assert len(bg.avg_slopes(fit, ["x", "z"], by="g")) == 12
    at = bg.predictions(fit, bg.grid(fit, x=[0, 1]), random_effects="marginal", draws="dataarray")
    assert at.sizes["chain"] == 6
    predicted = bg.posterior_predictive(fit, frames[0].head(3), random_effects="conditional", random_seed=1)
    assert predicted["posterior_predictive"]["y"].shape == (6, 500, 3)
    with pytest.raises(PredictionError, match="Frame 2 has other values of 'z' than frame 1"):
        bg.avg_predictions(fit, by="z")


def test_what_is_about_the_rows_of_one_frame_is_refused(fit):
    for ask in (
        bg.loo,
        bg.kfold,
        bg.heritability,
        bg.simulate_residuals,
        bg.posterior_predictive,
        bg.log_likelihood,
        bg.shrinkage,
    ):
        with pytest.raises(GLMMError, match="rows of one data set, and the fit mixes 3"):
            ask(fit)
    for name, argument in (("extend", None), ("report", "fit.md"), ("update", ". ~ x")):
        with pytest.raises(GLMMError, match="fit.fits|fit_multiple"):
            getattr(fit, name)(argument)


def test_variance_partitions_are_mixed(fit):
    """Each frame's at its own rows; of new rows with all draws."""
    for ask in (bg.r2, bg.icc, bg.variance_components):
        parts = [ask(part, draws="dataarray") for part in fit.fits]
        array = ask(fit, draws="dataarray")
        np.testing.assert_array_equal(array, np.concatenate([part.to_numpy() for part in parts]))
        table = ask(fit)
        np.testing.assert_allclose(table["estimate"], array.mean(("chain", "draw")))
        assert list(table.columns) == list(ask(fit.fits[0]).columns)
    assert bg.variance_components(fit)["share"].sum() == pytest.approx(1.0)
    assert len(bg.icc(fit, newdata=bg.grid(fit, x=[0, 1]))) == 1


def test_a_pooled_fit_is_saved_and_read(fit, tmp_path):
    again = bg.load(fit.save(tmp_path / "fits.nc"))
    assert isinstance(again, bg.PooledGLMM)
    assert again.posterior.equals(fit.posterior)
    assert repr(again) == repr(fit)
    for own, other in zip(fit.fits, again.fits, strict=True):
        pd.testing.assert_frame_equal(own.model.design.frame, other.model.design.frame)
        np.testing.assert_array_equal(own.model.design.X, other.model.design.X)
        assert dict(own.attrs) == dict(other.attrs)


def test_a_frame_that_does_not_converge_is_named(frames):
    """Four warm-up draws are too few for anything; which frames fail is said, each by its number."""
    with pytest.warns(ConvergenceWarning, match="Frame 1: .*\n- Frame 2: "):
        fit = bg.fit_multiple("y ~ x", frames[:2], draws=20, tune=4, chains=2, random_seed=1, progressbar=False)
    assert not fit.diagnose().passed
    assert "20 draws" in str(fit.summary()) or "20" in repr(fit)


@quiet
def test_rows_and_levels_may_differ():
    """A level of a grouping factor or of a predictor that a frame lacks is a level of the model all the same."""
    frames = imputed(2)
    frames[0] = frames[0][frames[0]["g"] != "f"].assign(f="u")
    frames[1] = frames[1].assign(f=np.resize(["u", "v"], 60))
    frames[0].iloc[0, frames[0].columns.get_loc("f")] = "v"
    fit = bg.fit_multiple("y ~ x + f + (1 | g)", frames, **SHORT)
    assert [part.model.design.size for part in fit.fits] == [50, 60]
    assert all(part.model.design.groups[0].levels == tuple("abcdef") for part in fit.fits)
    unseen = fit.fits[0].posterior["b_g"].sel(g="f").to_numpy() / fit.fits[0].posterior["sd_g"].to_numpy()
    assert unseen.std() == pytest.approx(1.0, abs=0.12)  # from the population: no row says anything
    assert "2 frames of 50 to 60" in repr(fit)
    assert len(bg.avg_predictions(fit)) == 1
    with pytest.raises(PredictionError, match="different rows"):
        bg.predictions(fit)


@quiet
def test_columns_are_encoded_once_for_all_frames():
    """Knots, means and reference levels are those of all rows: a coefficient means the same in every frame."""
    frames = imputed(2)
    fit = bg.fit_multiple("y ~ ns(z, 3) + scale(x)", frames, **{**SHORT, "draws": 100})
    both = pd.concat(frames)
    one = bg.GLMM("y ~ ns(z, 3) + scale(x)", both)
    np.testing.assert_allclose(np.vstack([part.model.design.X for part in fit.fits]), one.design.X)
    assert fit.fits[0].model.priors.equals(one.priors)


BAD = [
    (lambda f: f[0], "takes a list of data sets, .*groupby"),
    (lambda f: f[:1], "two data sets or more, not 1"),
    (lambda f: [f[0], f[1].drop(columns="z")], "Frame 2 of 2: The data have no column 'z'"),
    (lambda f: [f[0], f[1].assign(z=np.resize(["a", "b"], 60))], "'z' holds numbers in frame 1 and text in frame 2"),
    (lambda f: [f[0].assign(z=pd.Categorical(f[0]["g"])), f[1].assign(z=pd.Categorical(f[1]["g"], list("fedcba")))],
     "other categories, or another order"),
    (lambda f: [f[0], f[1].assign(y=np.inf)], "Frame 2 of 2: "),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BAD)
def test_frames_that_do_not_go_together(change, words, frames):
    with pytest.raises(DataError, match=words):
        bg.fit_multiple("y ~ x + z", change(frames), **SHORT)


def test_what_frames_are_warned_of_is_said_once(frames):
    gone = [frame.assign(x=frame["x"].where(frame.index > 1)) for frame in frames]
    with pytest.warns(DataWarning, match="Every frame: 2 of 60 rows were dropped") as said:
        fit = bg.fit_multiple("y ~ x", gone, method="laplace", **SHORT)
    assert len(said) == 1
    assert [part.model.design.dropped for part in fit.fits] == [2, 2, 2]
    assert "Approximate" in fit.diagnose().verdict


def test_arguments_in_the_wrong_order_or_of_others(frames):
    with pytest.raises(DataError, match="formula first"):
        bg.fit_multiple(frames, "y ~ x")
    with pytest.raises(GLMMError, match="random_seed="):
        bg.fit_multiple("y ~ x", frames, seed=1)
