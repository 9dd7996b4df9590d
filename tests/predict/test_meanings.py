"""A meaning for each grouping factor: some effects given, others averaged over; brute force and closed forms."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import bayes_glmm as bg
from bayes_glmm.effects.comparisons import avg_comparisons, comparisons
from bayes_glmm.effects.predictions import avg_predictions, predictions
from bayes_glmm.effects.slopes import avg_slopes, slopes
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.draws import posterior_predictive
from bayes_glmm.predict.expected import expected
from bayes_glmm.predict.meanings import RANDOM_EFFECTS

# g with slopes, h crossed with it, g:h nested in both
FORMULA = "x + (x | g) + (1 | h) + (1 | g:h)"
BETA = {"Intercept": -0.5, "x": 0.4}
SD = {"g": [0.9, 0.4], "h": [0.7], "g:h": [0.5]}
FAMILIES = {
    "logit": ("binary", "bernoulli", None, {}, lambda eta, p: special.expit(eta)),
    "cloglog": ("binary", "bernoulli", "cloglog", {}, lambda eta, p: -np.expm1(-np.exp(eta))),
    "log": ("count", "poisson", None, {}, lambda eta, p: np.exp(eta)),
    "lognormal": ("positive", "lognormal", None, {"sigma": 0.6}, lambda eta, p: np.exp(eta + p["sigma"] ** 2 / 2)),
}  # fmt: skip
#: What is given needs its columns; the rest is integrated.
MIXTURES = (
    {"g": "conditional", "h": "marginal", "g:h": "marginal"},
    {"g": "marginal", "h": "conditional", "g:h": "typical"},
    {"g": "typical", "h": "conditional", "g:h": "marginal"},
    {"g": "conditional", "h": "conditional", "g:h": "marginal"},
)


@pytest.fixture(scope="module")
def make(synthetic):
    made = {}

    def fit(name: str, **arguments):
        if name not in made:
            response, family, link, parameters, _ = FAMILIES.get(name, ("y", "gaussian", None, {"sigma": 0.8}, None))
            options = {"family": family, "link": link, "beta": BETA, "sd": SD, "corr": {"g": -0.5}, **parameters}
            made[name] = synthetic.synthetic_fit(f"{response} ~ {FORMULA}", synthetic.grouped_data(), **options)
        return made[name]

    return fit


def stacked(fit, name: str) -> np.ndarray:
    values = fit.posterior[name].to_numpy()
    return values.reshape(-1, *values.shape[2:])


def given_part(fit, rows: pd.DataFrame, meanings: dict[str, str], sample: int) -> np.ndarray:
    """X beta and the deviations of conditional factors, looked up by their labels: (rows,)."""
    beta, x = stacked(fit, "beta")[sample], rows["x"].to_numpy()
    eta = beta[0] + beta[1] * x
    for name in (name for name, meaning in meanings.items() if meaning == "conditional"):
        label = rows["g"] + ":" + rows["h"] if name == "g:h" else rows[name]
        effects = fit.posterior[f"b_{name}"].sel({name: label.to_list()}).to_numpy()[sample // 60, sample % 60]
        eta = eta + effects[:, 0] + (effects[:, 1] * x if name == "g" else 0.0)
    return eta


def integrated_effects(fit, x: float, meanings: dict[str, str], sample: int, size: int) -> np.ndarray:
    """Draws of the sum of all effects that are averaged over, every coefficient by itself: (size,)."""
    rng = np.random.default_rng(5)
    total = np.zeros(size)
    for name in (name for name, meaning in meanings.items() if meaning == "marginal"):
        sd = stacked(fit, f"sd_{name}")[sample]
        corr = stacked(fit, f"corr_{name}")[sample] if name == "g" else np.eye(1)
        u = rng.standard_normal((size, len(sd))) @ (np.diag(sd) @ np.linalg.cholesky(corr)).T
        total += u[:, 0] + (u[:, 1] * x if name == "g" else 0.0)
    return total


@pytest.mark.parametrize("meanings", MIXTURES, ids=lambda one: "-".join(one.values()))
@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_not_given_is_integrated(make, name: str, meanings: dict[str, str]) -> None:
    """Against brute force: all the effects averaged over are drawn, coefficient by coefficient."""
    fit, mean = make(name), FAMILIES[name][-1]
    rows = pd.DataFrame({"x": [-1.0, 0.5, 2.0], "g": ["g0", "g3", "g5"], "h": ["h1", "h0", "h2"]})
    needed = ["x", *(factor for factor in ("g", "h") if meanings[factor] == "conditional")]
    got = expected(fit, rows[needed], random_effects=meanings).to_numpy().reshape(-1, 3)
    for sample in (0, 77):
        parameters = {key: stacked(fit, key)[sample] for key in FAMILIES[name][3]}
        given = given_part(fit, rows, meanings, sample)
        for j, x in enumerate(rows["x"]):
            drawn = mean(given[j] + integrated_effects(fit, x, meanings, sample, 100_000), parameters)
            assert abs(got[sample, j] - drawn.mean()) < 5 * drawn.std() / np.sqrt(len(drawn))


def test_identity_link_is_exact(make) -> None:
    """Effects averaged over add nothing to the mean of a linear model: lme4's predict(re.form = ~ (x | g))."""
    fit, meanings = make("gaussian"), {"g": "conditional"}
    rows = pd.DataFrame({"x": [-1.0, 0.5], "g": ["g0", "g3"]})
    got = expected(fit, rows, random_effects=meanings).to_numpy().reshape(-1, 2)
    for sample in range(0, 120, 17):
        np.testing.assert_allclose(got[sample], given_part(fit, rows, meanings, sample), rtol=1e-12)


def test_log_link_is_exact(make) -> None:
    """exp(eta + v / 2), v the variance of the effects averaged over, slopes and correlation included."""
    fit, x = make("log"), 1.5
    got = expected(fit, {"x": x, "h": "h2"}, random_effects={"h": "conditional"}, scale="link").to_numpy().reshape(-1)
    sd, rho = stacked(fit, "sd_g"), stacked(fit, "corr_g")[:, 0, 1]
    variance = (
        sd[:, 0] ** 2 + 2 * x * rho * sd[:, 0] * sd[:, 1] + (x * sd[:, 1]) ** 2 + stacked(fit, "sd_g:h")[:, 0] ** 2
    )
    beta, level = stacked(fit, "beta"), fit.posterior["b_h"].sel(h="h2").to_numpy().reshape(-1)
    np.testing.assert_allclose(got, beta[:, 0] + beta[:, 1] * x + level + variance / 2, rtol=1e-12)


def test_categories_of_ordered_responses_are_integrated(synthetic) -> None:
    data = synthetic.grouped_data().assign(r=np.resize(["low", "middle", "high"], 60))
    data["r"] = pd.Categorical(data["r"], ["low", "middle", "high"], ordered=True)
    model = bg.GLMM("r ~ x + (1 | g) + (1 | h)", data, family="cumulative")
    fit = model.fit(method="laplace", draws=20, random_seed=1, progressbar=False)
    got = expected(fit, {"x": 1.0, "g": "g2"}, random_effects={"g": "conditional"}).to_numpy()[0, 3, 0]
    draw = fit.posterior.isel(chain=0, draw=3)
    eta = float(draw["beta"].sel(coef="x")) + float(draw["b_g"].sel(g="g2").item())
    drawn = eta + float(draw["sd_h"].item()) * stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    below = special.expit(draw["thresholds"].to_numpy() - drawn[:, None]).mean(axis=0)
    np.testing.assert_allclose(got, np.diff(below, prepend=0, append=1), atol=2e-3)


# draws in the place of the integral -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certain(synthetic):
    """Every draw the same, so that draws of new levels are all that varies."""
    options = {"beta": BETA, "sd": SD, "corr": {"g": -0.5}, "spread": 0.0, "draws": 4000}
    data = synthetic.grouped_data()
    return {
        "logit": synthetic.synthetic_fit(f"binary ~ {FORMULA}", data, family="bernoulli", **options),
        "gaussian": synthetic.synthetic_fit(f"y ~ {FORMULA}", data, sigma=0.8, **options),
    }


def test_draws_of_new_levels_have_the_integral_as_their_mean(certain) -> None:
    fit, rows = certain["logit"], {"x": [-1.0, 2.0], "g": ["g0", "g4"]}
    drawn = expected(fit, rows, random_effects={"g": "conditional", "h": "new", "g:h": "new"}, random_seed=3)
    integral = expected(fit, rows, random_effects={"g": "conditional"}).isel(chain=0, draw=0)
    error = drawn.std(("chain", "draw")) / np.sqrt(8000)
    assert float(abs((drawn.mean(("chain", "draw")) - integral) / error).max()) < 4.5
    half = expected(fit, rows, random_effects={"g": "conditional", "h": "new", "g:h": "marginal"}, random_seed=3)
    assert float(abs((half.mean(("chain", "draw")) - integral) / error).max()) < 4.5
    assert (half.std(("chain", "draw")) < drawn.std(("chain", "draw"))).all()


def test_responses_of_a_known_group_in_a_new_one_of_another(certain) -> None:
    """What is not named is drawn, since one response belongs to one level: the variances add up."""
    fit, rows = certain["gaussian"], {"x": [0.0, 0.0], "g": ["g1", "g1"]}
    tree = posterior_predictive(fit, rows, random_effects={"g": "conditional"}, random_seed=2)["posterior_predictive"]
    assert tree.attrs["random_effects"] == "g: conditional, h: new, g:h: new"
    values = tree["y"].to_numpy().reshape(-1, 2)
    level = fit.posterior["b_g"].sel(g="g1", g_coef="Intercept").to_numpy()[0, 0]
    np.testing.assert_allclose(values.mean(axis=0), BETA["Intercept"] + level, atol=4.5 * 1.2 / np.sqrt(8000))
    np.testing.assert_allclose(values.std(axis=0), np.sqrt(0.7**2 + 0.5**2 + 0.8**2), rtol=0.04)
    # both rows are of one new h and one new g:h
    assert np.corrcoef(values.T)[0, 1] == pytest.approx((0.7**2 + 0.5**2) / (0.7**2 + 0.5**2 + 0.8**2), abs=0.04)


def test_rows_without_the_column_are_of_one_new_level(make) -> None:
    fit, rows = make("logit"), pd.DataFrame({"x": [0.0, 1.0], "g": ["g1", "g2"]})
    meanings = {"g": "conditional", "h": "new", "g:h": "new"}
    without = expected(fit, rows, random_effects=meanings, random_seed=1)
    np.testing.assert_array_equal(without, expected(fit, rows.assign(h="new"), random_effects=meanings, random_seed=1))
    assert not np.allclose(without, expected(fit, rows.assign(h=["p", "q"]), random_effects=meanings, random_seed=1))


def test_the_label_of_a_new_level_is_no_fitted_one(synthetic) -> None:
    data = synthetic.grouped_data().replace({"g": {"g1": "new"}})
    fit = synthetic.synthetic_fit("binary ~ x + (1 | g)", data, family="bernoulli", beta=BETA, sd={"g": [0.9]})
    fresh = {"new_levels": "sample", "random_seed": 1}
    np.testing.assert_array_equal(
        expected(fit, {"x": 0.0}, random_effects="new", random_seed=1),
        expected(fit, {"x": 0.0, "g": "new_"}, **fresh),
    )


# every function, rows and words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("meaning", RANDOM_EFFECTS)
def test_one_meaning_by_names_is_the_word(make, meaning: str) -> None:
    fit, named = make("logit"), dict.fromkeys(("g", "h", "g:h"), meaning)
    word, names = (avg_predictions(fit, by="h", random_effects=one, random_seed=4) for one in (meaning, named))
    pd.testing.assert_frame_equal(word, names)
    assert names.attrs == word.attrs


def test_what_is_not_named_is_averaged_over(make) -> None:
    fit = make("logit")
    short = predictions(fit, random_effects={"h": "conditional"})
    pd.testing.assert_frame_equal(
        short, predictions(fit, random_effects={"g": "marginal", "h": "conditional", "g:h": "marginal"})
    )
    assert short.attrs["random_effects"] == {"g": "marginal", "h": "conditional", "g:h": "marginal"}
    assert short.attrs["integral"] == "quadrature"
    draws = predictions(fit, random_effects={"h": "conditional"}, draws="dataarray")
    assert draws.attrs["random_effects"] == "g: marginal, h: conditional, g:h: marginal"
    draws.to_netcdf()  # an attribute that is no text would be refused
    pd.testing.assert_frame_equal(predictions(fit, random_effects={}), predictions(fit, random_effects="marginal"))


@pytest.mark.parametrize("meanings", MIXTURES[:2], ids=lambda one: "-".join(one.values()))
def test_averages_are_those_of_the_rows(make, meanings: dict[str, str], monkeypatch) -> None:
    fit = make("logit")
    rows = expected(fit, random_effects=meanings)
    monkeypatch.setattr("bayes_glmm.predict.pieces._CHUNK_BYTES", 8 * 120 * 7)
    average = avg_predictions(fit, random_effects=meanings, draws="dataarray")
    np.testing.assert_allclose(average.isel(obs=0), rows.mean("obs"), rtol=1e-9)
    data = fit.model.design.frame
    order = np.random.default_rng(2).permutation(len(data))
    np.testing.assert_allclose(
        expected(fit, data.iloc[order], random_effects=meanings), rows.isel(obs=order), rtol=1e-9
    )
    high, low = (expected(fit, data.assign(x=data["x"] + step), random_effects=meanings) for step in (1e-4, -1e-4))
    slope = avg_slopes(fit, "x", random_effects=meanings, draws="dataarray")
    np.testing.assert_allclose(slope.isel(obs=0), (high - low).mean("obs") / 2e-4, rtol=1e-5)
    each = slopes(fit, "x", random_effects=meanings, draws="dataarray")
    np.testing.assert_allclose(each, (high - low) / 2e-4, rtol=1e-4, atol=1e-8)
    step = avg_comparisons(fit, {"x": 1.0}, random_effects=meanings, draws="dataarray")
    further = expected(fit, data.assign(x=data["x"] + 1.0), random_effects=meanings)
    np.testing.assert_allclose(step.isel(obs=0), (further - rows).mean("obs"), rtol=1e-7)


def test_figures_say_for_whom(make) -> None:
    fit = make("logit")
    table = predictions(fit, bg.grid(fit, g=None, x=[0.0, 1.0]), random_effects={"g": "conditional"})
    assert len(table) == 12
    ax = bg.plots.predictions(table, "x", color="g")
    assert "each row's own g, averaged over h and g:h" in ax.get_title(loc="left")
    plt.close("all")


def test_levels_of_a_conditional_factor_are_compared(make) -> None:
    fit, rows = make("logit"), {"x": [0.5]}
    table = comparisons(fit, {"g": ["g1", "g2"]}, newdata=rows, random_effects={"g": "conditional"}, draws="dataarray")
    one, two = (expected(fit, {**rows, "g": g}, random_effects={"g": "conditional"}) for g in ("g1", "g2"))
    np.testing.assert_allclose(table.isel(obs=0), (two - one).isel(obs=0), rtol=1e-9)
    with pytest.raises(PredictionError, match="'g' is a grouping factor.*do not differ"):
        comparisons(fit, {"g": ["g1", "g2"]}, newdata=rows, random_effects={"h": "conditional"})


def test_levels_that_were_not_fitted(make) -> None:
    """`new_levels` is about conditional factors only."""
    fit, rows = make("logit"), {"x": [0.0], "g": ["elsewhere"]}
    with pytest.raises(PredictionError, match=r"1 level\(s\) of 'g' were not in the data"):
        expected(fit, rows, random_effects={"g": "conditional"})
    typical = expected(fit, rows, random_effects={"g": "conditional"}, new_levels="typical")
    np.testing.assert_allclose(typical, expected(fit, rows, random_effects={"g": "typical"}), rtol=1e-12)
    sampled = predictions(fit, rows, random_effects={"g": "conditional"}, new_levels="sample", random_seed=1)
    assert "Monte Carlo error" in sampled.attrs["monte_carlo"] and sampled.attrs["integral"] == "quadrature"


def test_missing_levels_matter_where_they_are_read(make) -> None:
    fit, rows = make("logit"), pd.DataFrame({"x": [0.0, 1.0], "g": ["g1", "g2"], "h": [None, "h1"]})
    assert len(predictions(fit, rows, random_effects={"g": "conditional"})) == 2
    with pytest.warns(bg.errors.DataWarning, match="h in 1"):
        assert len(predictions(fit, rows, random_effects={"h": "conditional"})) == 1


@pytest.mark.parametrize(
    ("random_effects", "message"),
    [
        ({"site": "conditional"}, "no grouping factor 'site'.*Valid names: 'g', 'h', 'g:h'"),
        ({"h:g": "conditional"}, "no grouping factor 'h:g'. Did you mean 'g:h'"),
        ({"g": "conditionl"}, r"random_effects\['g'\]='conditionl' is not known. Did you mean 'conditional'"),
        ({"g": None}, r"random_effects\['g'\]= takes a name, not None"),
        (["conditional"], "random_effects= takes a name, not a list"),
        (None, "random_effects= takes a name, not None"),
        ({"g": "conditional", "h": "conditional"}, "no column 'h'.*'h': 'marginal', 'g:h': 'marginal'}"),
        ({"g:h": "conditional", "h": "new"}, "no column 'h'.*reads the levels of 'g:h'"),
    ],
)
def test_refusals(make, random_effects, message: str) -> None:
    for function in (predictions, expected):
        with pytest.raises(PredictionError, match=message):
            function(make("logit"), {"x": [0.0], "g": ["g1"]}, random_effects=random_effects)


def test_the_way_out_of_a_missing_column_is_one(make) -> None:
    """Of several factors that hold the column, all are averaged over."""
    fit, rows = make("logit"), {"x": [0.0], "h": ["h1"]}
    with pytest.raises(PredictionError, match="{'g': 'marginal', 'h': 'conditional', 'g:h': 'marginal'}"):
        predictions(fit, rows)
    assert len(predictions(fit, rows, random_effects={"g": "marginal", "h": "conditional", "g:h": "marginal"})) == 1
    with pytest.raises(PredictionError, match="random_effects={'g': 'marginal', 'h': 'conditional'"):
        predictions(fit, rows, random_effects={"g:h": "conditional", "h": "conditional", "g": "conditional"})


def test_a_response_is_no_average_over_any_factor(make) -> None:
    with pytest.raises(PredictionError, match="Use 'new'"):
        posterior_predictive(make("logit"), random_effects={"g": "conditional", "h": "marginal"})


def test_models_without_groups_have_no_factors_to_name(synthetic) -> None:
    fit = synthetic.synthetic_fit("count ~ x", synthetic.grouped_data(), family="poisson", beta=BETA)
    with pytest.raises(PredictionError, match="no grouping factor 'g'. It has none"):
        predictions(fit, random_effects={"g": "conditional"})
    pd.testing.assert_frame_equal(predictions(fit, random_effects={}), predictions(fit))
