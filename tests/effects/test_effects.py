"""Predictions, comparisons and slopes: per draw, averaged per draw, summarised last; tables that say what they hold."""

from __future__ import annotations

import arviz_base
import numpy as np
import pandas as pd
import pytest
from scipy import special

import bayes_glmm as bg
from bayes_glmm.effects import evaluation
from bayes_glmm.effects.comparisons import avg_comparisons, comparisons
from bayes_glmm.effects.grids import grid
from bayes_glmm.effects.predictions import avg_predictions, predictions
from bayes_glmm.effects.slopes import avg_slopes, slopes
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict import pieces
from bayes_glmm.predict.expected import expected

BETA = {"Intercept": -0.4, "x": 0.5, "f[b]": 0.6, "f[c]": -0.3}


@pytest.fixture(scope="module")
def fit(synthetic):
    return synthetic.synthetic_fit(
        "p(successes, size) ~ x + f + (x | g) + (1 | h)",
        synthetic.grouped_data(),
        family="binomial",
        beta=BETA,
        sd={"g": [0.9, 0.3], "h": [0.7]},
        corr={"g": 0.3},
    )


def stacked(array) -> np.ndarray:
    values = array.to_numpy()
    return values.reshape(-1, *values.shape[2:])


def test_average_prediction_is_averaged_per_draw(fit) -> None:
    """A peer's fault 1: it averages the interval's end points."""
    per_draw = stacked(expected(fit)).mean(axis=1)
    table = avg_predictions(fit, ci_prob=0.9)
    assert table["estimate"].item() == pytest.approx(per_draw.mean(), rel=1e-12)
    assert table["sd"].item() == pytest.approx(per_draw.std(ddof=1), rel=1e-12)
    assert table[["lower", "upper"]].to_numpy()[0] == pytest.approx(np.quantile(per_draw, [0.05, 0.95]), rel=1e-12)
    rows = predictions(fit, ci_prob=0.9)
    assert (rows["upper"] - rows["lower"]).mean() > 1.5 * (table["upper"] - table["lower"]).item()


@pytest.mark.parametrize("random_effects", ["conditional", "typical"])
def test_slopes_are_at_each_rows_own_values(fit, random_effects: str) -> None:
    """A peer's fault 2: the focal variable at its mean in every row."""
    p = stacked(expected(fit, random_effects=random_effects))
    slope = stacked(fit.posterior["beta"])[:, [1]]
    if random_effects == "conditional":
        slope = slope + stacked(fit.posterior["b_g"])[:, fit.model.design.group("g").codes, 1]
    exact = slope * p * (1 - p)
    got = stacked(slopes(fit, "x", random_effects=random_effects, draws="dataarray"))
    np.testing.assert_allclose(got, exact, rtol=1e-8, atol=1e-11)
    average = avg_slopes(fit, "x", random_effects=random_effects)
    assert average["estimate"].item() == pytest.approx(exact.mean(), rel=1e-8)
    at_mean = fit.model.design.frame.assign(x=fit.model.design.frame["x"].mean())
    wrong = avg_slopes(fit, "x", newdata=at_mean, random_effects=random_effects)["estimate"].item()
    assert wrong > 1.1 * average["estimate"].item()


def test_marginal_slopes_are_derivatives_of_marginal_predictions(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "binary ~ x + (x || g)",
        synthetic.grouped_data(),
        family="bernoulli",
        link="probit",
        beta={"Intercept": 0.2, "x": 0.7},
        sd={"g": [0.8, 0.4]},
    )
    x = np.array([-1.0, 0.0, 2.0])
    got = stacked(slopes(fit, "x", newdata={"x": x}, random_effects="marginal", draws="dataarray"))
    beta, sd = stacked(fit.posterior["beta"])[:, None, :], stacked(fit.posterior["sd_g"])[:, None, :]
    total = 1 + sd[..., 0] ** 2 + sd[..., 1] ** 2 * x**2
    index = (beta[..., 0] + beta[..., 1] * x) / np.sqrt(total)
    inner = beta[..., 1] / np.sqrt(total) - index * sd[..., 1] ** 2 * x / total
    exact = np.exp(-(index**2) / 2) / np.sqrt(2 * np.pi) * inner
    np.testing.assert_allclose(got, exact, rtol=1e-8, atol=1e-11)


def test_grid_leaves_the_grouping_factor_out(fit) -> None:
    """A peer's fault 6: the most frequent level, which is neither the typical group nor the population."""
    rows = grid(fit, f=None)
    assert list(rows.columns) == ["f", "x"]
    assert rows["f"].tolist() == ["a", "b", "c"]
    assert rows["x"].unique() == pytest.approx([fit.model.design.frame["x"].mean()])
    typical = predictions(fit, rows, random_effects="typical")["estimate"]
    beta = stacked(fit.posterior["beta"])
    eta = beta[:, 0] + beta[:, 1] * rows["x"][0]
    assert typical[0] == pytest.approx(special.expit(eta).mean(), rel=1e-12)
    with pytest.raises(PredictionError, match="no column 'g'"):
        predictions(fit, rows)


@pytest.mark.parametrize(
    ("columns", "shape"),
    [({}, (1, 2)), ({"x": [0, 1], "f": None}, (6, 2)), ({"x": None}, (50, 2)), ({"g": ["g1", "g2"]}, (2, 3)),
     ({"size": 3}, (1, 3)), ({"size": [1, 5], "f": None}, (6, 3))],
)  # fmt: skip
def test_grid_shapes(fit, columns: dict, shape: tuple[int, int]) -> None:
    assert grid(fit, **columns).shape == shape


def test_a_grid_with_numbers_of_trials_predicts_the_same_probabilities_and_new_responses(fit) -> None:
    rows = grid(fit, size=[2, 5], f=None)
    assert rows["size"].tolist() == [2, 2, 2, 5, 5, 5]
    assert grid(fit, size=None)["size"].tolist() == sorted(fit.model.design.frame["size"].unique())
    table = predictions(fit, rows, random_effects="typical")
    np.testing.assert_allclose(table["estimate"][:3], table["estimate"][3:], rtol=1e-12)
    drawn = bg.posterior_predictive(fit, rows, random_effects="typical", random_seed=1)
    (drawn,) = drawn["posterior_predictive"].data_vars.values()
    largest = drawn.max(("chain", "draw")).to_numpy()
    assert (largest <= rows["size"]).all() and largest.max() > 2


def test_a_single_value_in_a_mapping_stands_for_every_row(fit) -> None:
    rows = {"x": 0.5, "f": ["a", "b", "c"], "h": "h1", "g": np.str_("g2"), "size": 10}
    table = predictions(fit, rows)
    pd.testing.assert_frame_equal(table, predictions(fit, pd.DataFrame(rows)))
    assert table["x"].tolist() == [0.5] * 3 and table["size"].tolist() == [10] * 3
    assert len(predictions(fit, {"x": 0.5, "f": "a"}, random_effects="typical")) == 1
    with pytest.raises(PredictionError, match="different lengths"):
        predictions(fit, {"x": [0.5], "f": ["a", "b"]}, random_effects="typical")


def test_comparison_sides_differ_in_the_variable_only(fit) -> None:
    data = fit.model.design.frame
    table = comparisons(fit, {"f": ("a", "c")}, ci_prob=0.5)
    low, high = stacked(expected(fit, data.assign(f="a"))), stacked(expected(fit, data.assign(f="c")))
    np.testing.assert_allclose(table["estimate"], (high - low).mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(table["lower"], np.quantile(high - low, 0.25, axis=0), rtol=1e-10)
    assert table["contrast"].unique().tolist() == ["c - a"]
    pd.testing.assert_frame_equal(table[list(data.columns)], data)


@pytest.mark.parametrize(
    ("comparison", "formula"),
    [
        ("difference", lambda hi, lo: hi - lo),
        ("ratio", lambda hi, lo: hi / lo),
        ("lift", lambda hi, lo: hi / lo - 1),
        ("odds_ratio", lambda hi, lo: hi / (1 - hi) / (lo / (1 - lo))),
        (np.hypot, np.hypot),
    ],
)
def test_order_of_averaging(fit, comparison, formula) -> None:
    data = fit.model.design.frame
    low, high = stacked(expected(fit, data)), stacked(expected(fit, data.assign(x=data["x"] + 1)))
    rowwise = comparisons(fit, "x", comparison=comparison)
    np.testing.assert_allclose(rowwise["estimate"], formula(high, low).mean(axis=0), rtol=1e-10)
    first = avg_comparisons(fit, "x", comparison=comparison)
    assert first["estimate"].item() == pytest.approx(formula(high.mean(axis=1), low.mean(axis=1)).mean(), rel=1e-10)
    second = avg_comparisons(fit, "x", comparison=comparison, average="effects")
    assert second["estimate"].item() == pytest.approx(formula(high, low).mean(), rel=1e-10)
    assert rowwise.attrs["averaging"] == "none: row by row"
    if comparison == "ratio":
        assert first.attrs["averaging"] == "ratio of averages over rows, per draw"
        assert second.attrs["averaging"] == "average over rows of row-wise ratio, per draw"


def test_odds_ratio_of_a_conditional_fit_is_the_coefficient(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "binary ~ x + f + (1 | g)", synthetic.grouped_data(), family="bernoulli", beta=BETA, sd={"g": [1.0]}
    )
    exact = np.exp(stacked(fit.posterior["beta"])[:, 1]).mean()
    table = comparisons(fit, "x", comparison="odds_ratio")
    np.testing.assert_allclose(table["estimate"], exact, rtol=1e-9)


@pytest.mark.parametrize(
    ("variables", "contrasts"),
    [
        ("f", ["b - a", "c - a"]),
        ({"f": "sequential"}, ["b - a", "c - b"]),
        ({"f": "pairwise"}, ["b - a", "c - a", "c - b"]),
        ({"f": ["c", "a"]}, ["a - c"]),
        ("x", ["(x + 1) - x"]),
        ({"x": 2.5}, ["(x + 2.5) - x"]),
        ({"x": -2}, ["(x - 2) - x"]),
        ({"x": (0, 1.5)}, ["1.5 - 0"]),
        ({"x": "sd"}, ["(x + sd/2) - (x - sd/2)"]),
        ({"x": (-1, 1.5)}, ["1.5 - (-1)"]),
        ({"x": [0, 1e-5, -2.5]}, ["1e-05 - 0", "(-2.5) - 0"]),
        (["x", "f"], ["(x + 1) - x", "b - a", "c - a"]),
        ({"g": ["g0", "g3"]}, ["g3 - g0"]),
    ],
)
def test_what_is_compared(fit, variables, contrasts: list[str]) -> None:
    table = avg_comparisons(fit, variables)
    assert table.index.tolist() == list(range(len(contrasts)))
    assert table["contrast"].tolist() == contrasts


@pytest.mark.parametrize(
    ("low", "high", "dtype", "label"),
    [
        (0, 1, "int64", "1 - 0"),
        (0, 1, "float64", "1 - 0"),
        (0, 1, "Int64", "1 - 0"),
        (0, 1, "bool", "True - False"),
        (1, 2, "uint8", "2 - 1"),
        (-0.5, 0.5, "float64", "0.5 - (-0.5)"),
        (2001, 2020, "int64", "2020 - 2001"),
    ],
)
def test_a_number_with_two_values_is_compared_between_them(synthetic, low, high, dtype: str, label: str) -> None:
    """The average of expit at the one value less that at the other, in an interaction too, whatever the coding."""
    data = synthetic.grouped_data()
    treated = np.arange(len(data)) % 3 == 0
    data["t"] = pd.Series(np.where(treated, high, low)).astype(dtype)
    beta = {"Intercept": -0.4, "t": 0.3 / (high - low), "x": 0.5, "t:x": 0.2 / (high - low)}
    made = synthetic.synthetic_fit(
        "binary ~ t * x + (1 | g)", data, family="bernoulli", beta=beta, sd={"g": [0.8]}, spread=0.1 / abs(high)
    )
    values, levels = stacked(made.posterior["beta"]), stacked(made.posterior["b_g"])[..., 0]
    own = levels[:, pd.Categorical(data["g"]).codes]
    sides = []
    for value in (low, high):
        columns = [np.ones(len(data)), np.full(len(data), value), data["x"], value * data["x"]]
        sides.append(special.expit(values @ np.array(columns) + own).mean(axis=1))
    table = avg_comparisons(made, "t")
    assert table["contrast"].tolist() == [label]
    assert table["estimate"][0] == pytest.approx((sides[1] - sides[0]).mean(), rel=1e-9)
    rows = comparisons(made, "t", newdata=data.drop(columns="t"))
    assert rows["estimate"].mean() == pytest.approx(table["estimate"][0], rel=1e-9)
    assert grid(made, t=None)["t"].tolist() == [low, high]
    assert grid(made, x=None)["t"].unique().tolist() == [low]  # the commonest, as of a factor
    if dtype != "bool":
        assert avg_comparisons(made, {"t": 1})["contrast"].tolist() == ["(t + 1) - t"]
        assert avg_comparisons(made, {"t": (high, low)})["estimate"][0] == pytest.approx(-table["estimate"][0])
        assert avg_slopes(made, "t")["contrast"].tolist() == ["dY/dX"]


@pytest.mark.parametrize(
    ("comparison", "number", "factor"),
    [
        ("ratio", "(x - 1) / x", "b / a"),
        ("lift", "((x - 1) - x) / x", "(b - a) / a"),
        ("odds_ratio", "odds(x - 1) / odds(x)", "odds(b) / odds(a)"),
        ("log_ratio", "log((x - 1) / x)", "log(b / a)"),
        ("log_odds_ratio", "log(odds(x - 1) / odds(x))", "log(odds(b) / odds(a))"),
        (np.hypot, "hypot(x - 1, x)", "hypot(b, a)"),
        (lambda high, low: high - low, "custom(x - 1, x)", "custom(b, a)"),
    ],
)
def test_how_a_comparison_is_written(fit, comparison, number: str, factor: str) -> None:
    table = avg_comparisons(fit, {"x": -1, "f": ("a", "b")}, comparison=comparison)
    assert table["contrast"].tolist() == [number, factor]
    assert table.attrs["comparison"] == (number.split("(")[0] if callable(comparison) else comparison)


def test_levels_with_operators_in_their_names(synthetic) -> None:
    data = synthetic.grouped_data().assign(age=lambda d: d["f"].map({"a": "-17", "b": "18-64", "c": "New York"}))
    fit = synthetic.synthetic_fit(
        "y ~ age", data, beta={"Intercept": 0.0, "age[18-64]": 1.0, "age[New York]": 2.0}, sigma=1.0
    )
    assert avg_comparisons(fit, "age")["contrast"].tolist() == ["(18-64) - (-17)", "New York - (-17)"]
    crossed = avg_comparisons(fit, {"age": ("-17", "18-64")}, cross=True)["contrast"]
    assert crossed.tolist() == ["(18-64) - (-17)"]


def test_booleans_and_numbers_in_c(synthetic) -> None:
    data = synthetic.grouped_data().assign(flag=lambda d: d["x"] > 0, period=lambda d: 1 + np.arange(len(d)) % 3)
    fit = synthetic.synthetic_fit(
        "y ~ flag + C(period)",
        data,
        beta={"Intercept": 0.0, "flag": 1.0, "C(period)[2]": 2.0, "C(period)[3]": 3.0},
        sigma=1.0,
        spread=0.0,
    )
    table = avg_comparisons(fit, ["flag", "period"])
    assert table["contrast"].tolist() == ["True - False", "2 - 1", "3 - 1"]
    np.testing.assert_allclose(table["estimate"], [1.0, 2.0, 3.0], rtol=1e-12)


@pytest.mark.parametrize("verb", [predictions, avg_predictions])
def test_by_averages_within_groups_of_rows(fit, verb) -> None:
    table = verb(fit, by=["g", "f"])
    draws = stacked(expected(fit))
    data = fit.model.design.frame
    assert list(table.columns) == ["g", "f", "estimate", "sd", "lower", "upper"]
    for _, row in table.iterrows():
        chosen = ((data["g"] == row["g"]) & (data["f"] == row["f"])).to_numpy()
        assert row["estimate"] == pytest.approx(draws[:, chosen].mean(), rel=1e-12)
    assert len(table) == len(data[["g", "f"]].drop_duplicates())


def test_draws_and_table_agree(fit) -> None:
    for verb, arguments in ((comparisons, ["f"]), (avg_comparisons, ["f"]), (predictions, []), (slopes, ["x"])):
        table = verb(fit, *arguments, random_effects="marginal")
        draws = verb(fit, *arguments, random_effects="marginal", draws="dataarray")
        assert draws.dims == ("chain", "draw", "obs")
        np.testing.assert_allclose(draws.mean(("chain", "draw")), table["estimate"], rtol=1e-10)
        if "contrast" in table.columns:
            assert draws["contrast"].to_numpy().tolist() == table["contrast"].tolist()


def test_equal_rows_are_computed_once_and_chunks_change_nothing(fit, monkeypatch) -> None:
    rows = pd.concat([fit.model.design.frame.assign(x=1.0)] * 3)
    asked = []
    original = evaluation.Counterfactuals.parts
    monkeypatch.setattr(
        evaluation.Counterfactuals, "parts", lambda self, at: (asked.append(len(at)), original(self, at))[1]
    )
    first = comparisons(fit, "f", newdata=rows, random_effects="marginal", comparison="ratio")
    assert asked == [1]
    monkeypatch.setattr(pieces, "_CHUNK_BYTES", 8 * 120 * 7)
    for random_effects in ("conditional", "marginal", "new"):
        arguments = {"random_effects": random_effects, "random_seed": 3, "by": "g"}
        small = avg_comparisons(fit, "x", **arguments)
        with monkeypatch.context() as context:
            context.setattr(pieces, "_CHUNK_BYTES", 2**24)
            pd.testing.assert_frame_equal(small, avg_comparisons(fit, "x", **arguments), rtol=1e-9)
    assert len(first) == 2 * len(rows)


def test_order_and_index_are_the_users(fit) -> None:
    data = fit.model.design.frame.set_index(pd.Index([f"r{i}" for i in range(60)])).sample(frac=1, random_state=1)
    table = predictions(fit, data, random_effects="marginal")
    assert table.index.equals(data.index)
    in_order = predictions(fit, random_effects="marginal")["estimate"].to_numpy()
    np.testing.assert_allclose(table["estimate"], in_order[[int(label[1:]) for label in data.index]], rtol=1e-9)


def test_attrs_say_what_the_numbers_mean(fit) -> None:
    table = avg_comparisons(fit, "x", random_effects="new", comparison="ratio", random_seed=8)
    assert table.attrs["random_effects"] == "new"
    assert table.attrs["ci_prob"] == arviz_base.rcParams["stats.ci_prob"]
    assert table.attrs["comparison"] == "ratio"
    assert table.attrs["random_seed"] == 8
    assert "Monte Carlo" in table.attrs["monte_carlo"]
    assert predictions(fit, random_effects="marginal").attrs["integral"] == "quadrature"


def test_columns_that_collide_are_renamed(synthetic) -> None:
    data = synthetic.grouped_data().rename(columns={"x": "estimate", "f": "term"})
    fit = synthetic.synthetic_fit(
        "y ~ estimate + term",
        data,
        beta={"Intercept": 1.0, "estimate": 2.0, "term[b]": 0.0, "term[c]": 0.0},
        sigma=1.0,
        spread=0.0,
    )
    table = comparisons(fit, "estimate")
    np.testing.assert_allclose(table["estimate"], 2.0)
    np.testing.assert_allclose(table["estimate_data"], data["estimate"])
    assert table["term"].unique().tolist() == ["estimate"]
    assert table.attrs["renamed_columns"] == {"estimate": "estimate_data", "term": "term_data"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: comparisons(f, "z"), "no predictor 'z'"),
        (lambda f: comparisons(f, []), "variables is empty"),
        (lambda f: comparisons(f, "x", comparison="ratios"), "Did you mean 'ratio'"),
        (lambda f: comparisons(f, "x", comparison="ratio", scale="link"), "has no meaning"),
        (lambda f: comparisons(f, "x", comparison=lambda hi, lo: (hi - lo).mean(axis=0)), "must work elementwise"),
        (lambda f: comparisons(f, "x", average="rows"), "average='rows'"),
        (lambda f: comparisons(f, "x", draws="array"), "Did you mean 'dataarray'"),
        (lambda f: comparisons(f, {"f": 2}), "cannot be compared for 'f'"),
        (lambda f: comparisons(f, {"f": "pairs"}), "Did you mean 'pairwise'"),
        (lambda f: comparisons(f, {"f": ("a", "z")}), "'z'"),
        (lambda f: comparisons(f, {"x": [1.0]}), "at least two values"),
        (lambda f: comparisons(f, "g", random_effects="typical"), "is a grouping factor"),
        (lambda f: slopes(f, "f"), "has no slope"),
        (
            lambda f: comparisons(f, {"x": 1}, newdata={"f": ["a"]}, random_effects="typical"),
            "no column 'x', from which",
        ),
        (lambda f: slopes(f, []), "variables is empty"),
        (lambda f: slopes(f, "x", newdata={"f": ["a"]}, random_effects="typical"), "no column 'x', at whose values"),
        (lambda f: avg_predictions(f, weights="f"), "'f' holds .*, not numbers"),
        (lambda f: predictions(f, by="k"), "no column 'k'"),
        (lambda f: predictions(f, ci_prob=89), "between 0 and 1"),
        (lambda f: grid(f, k=[1]), "no predictor 'k'"),
        (lambda f: grid(f, f=["z"]), "no level 'z'"),
        (lambda f: grid(f, x=[]), "'x' has no values"),
    ],
)
def test_bad_arguments(fit, call, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        call(fit)


def test_a_column_called_like_a_renamed_one_keeps_its_name(synthetic) -> None:
    data = synthetic.grouped_data().rename(columns={"x": "estimate", "unit": "estimate_data"})
    beta = {"Intercept": 1.0, "estimate": 2.0, "estimate_data": 0.0}
    fit = synthetic.synthetic_fit("y ~ estimate + estimate_data", data, beta=beta, sigma=1.0, spread=0.0)
    table = predictions(fit)
    np.testing.assert_allclose(table["estimate_data"], data["estimate_data"])
    np.testing.assert_allclose(table["estimate_data_data"], data["estimate"])


def test_odds_ratio_needs_a_probability(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "count ~ x", synthetic.grouped_data(), family="poisson", beta={"Intercept": 1, "x": 0}
    )
    with pytest.raises(PredictionError, match="Use 'ratio'"):
        comparisons(fit, "x", comparison="odds_ratio")


def test_inputs_are_never_modified(fit) -> None:
    before = fit.posterior.copy(deep=True)
    data = fit.model.design.frame.copy(deep=True)
    rows = data.copy(deep=True)
    comparisons(fit, ["x", "f"], newdata=rows, random_effects="new")
    table = predictions(fit)
    table["x"] = 0.0
    pd.testing.assert_frame_equal(rows, data)
    pd.testing.assert_frame_equal(fit.model.design.frame, data)
    assert before.identical(fit.posterior)


@pytest.mark.parametrize(
    ("how", "contrast"),
    [
        ("minmax", "8 - 0"),  # (0, 1, 2, 4, 8): quartiles 1 and 4, mean 3, squares 9 + 4 + 1 + 1 + 25 = 40
        ("iqr", "4 - 1"),
        ("sd", "(x + sd/2) - (x - sd/2)"),
    ],
)
def test_ranges_of_a_number_by_hand(synthetic, how: str, contrast: str) -> None:
    data = pd.DataFrame({"x": [0.0, 1.0, 2.0, 4.0, 8.0], "y": [1, 0, 1, 1, 0], "z": [0.3, 1.0, -1.0, 0.0, 0.2]})
    beta = {"Intercept": -0.5, "x": 0.25, "z": 1.0}
    fit = synthetic.synthetic_fit("y ~ x + z", data, family="bernoulli", beta=beta, spread=0.0, draws=1)
    half = np.sqrt(40 / 4) / 2
    low, high = {"minmax": (0.0, 8.0), "iqr": (1.0, 4.0), "sd": (data["x"] - half, data["x"] + half)}[how]
    exact = special.expit(-0.5 + 0.25 * high + data["z"]) - special.expit(-0.5 + 0.25 * low + data["z"])
    table = comparisons(fit, {"x": how})
    np.testing.assert_allclose(table["estimate"], exact, rtol=1e-12)
    assert table["contrast"].unique().tolist() == [contrast]
    assert avg_comparisons(fit, {"x": how})["estimate"].item() == pytest.approx(exact.mean(), rel=1e-12)
    # the data that were fitted say how far, also for other rows
    other = comparisons(fit, {"x": how}, newdata={"x": [100.0, 2.0], "z": 0.0})["estimate"].iloc[1]
    middle = (2 - half, 2 + half) if how == "sd" else (low, high)
    assert other == pytest.approx(np.diff(special.expit(-0.5 + 0.25 * np.array(middle)))[0], rel=1e-12)
