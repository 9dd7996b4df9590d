"""Hypotheses about effects and parameters: by hand per draw, and nothing but arithmetic is read."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.effects.comparisons import avg_comparisons, comparisons
from bayes_glmm.effects.hypotheses import hypotheses
from bayes_glmm.effects.predictions import avg_predictions, predictions
from bayes_glmm.effects.slopes import avg_slopes
from bayes_glmm.errors import PredictionError

BETA = {"Intercept": -0.4, "x": 0.5, "f[b]": 0.6, "f[c]": -0.3}


@pytest.fixture(scope="module")
def fit(synthetic):
    return synthetic.synthetic_fit(
        "positive ~ x + f + (x | g) + (1 | h)",
        synthetic.grouped_data(),
        family="gamma",
        beta=BETA,
        sd={"g": [0.9, 0.3], "h": [0.7]},
        corr={"g": 0.3},
        phi=2.0,
        draws=200,
    )


def draws_of(array) -> np.ndarray:
    return array.to_numpy().reshape(-1, array.sizes["obs"])


def test_rows_by_hand(fit) -> None:
    array = avg_predictions(fit, by="f", draws="dataarray")
    b = draws_of(array)
    difference = b[:, 1] - b[:, 0]
    table = hypotheses(array, ["b2 - b1 = 0", "b2 / b1 > 1.7", "b1 < b3"], rope=(-0.1, 0.1), ci_prob=0.9).iloc
    assert table[0]["estimate"] == pytest.approx(difference.mean())
    assert table[0]["sd"] == pytest.approx(difference.std(ddof=1))
    assert (table[0]["lower"], table[0]["upper"]) == pytest.approx(tuple(np.quantile(difference, [0.05, 0.95])))
    assert table[0]["p_positive"] == (difference > 0).mean()
    assert table[0]["p_direction"] == max((difference > 0).mean(), (difference < 0).mean())
    assert table[0]["p_rope"] == (np.abs(difference) <= 0.1).mean()
    assert np.isnan(table[0]["probability"])
    assert table[1]["probability"] == (b[:, 1] / b[:, 0] > 1.7).mean()
    assert table[2]["probability"] == (b[:, 0] < b[:, 2]).mean()
    assert table[2]["estimate"] == pytest.approx((b[:, 0] - b[:, 2]).mean())


@pytest.mark.parametrize(
    ("how", "pairs"),
    [("pairwise", [(1, 0), (2, 0), (2, 1)]), ("reference", [(1, 0), (2, 0)]), ("sequential", [(1, 0), (2, 1)])],
)
def test_pairs_of_rows(fit, how, pairs) -> None:
    array = avg_predictions(fit, by="f", draws="dataarray")
    b = draws_of(array)
    table = avg_predictions(fit, by="f", hypothesis=how)
    np.testing.assert_allclose(table["estimate"], [(b[:, i] - b[:, j]).mean() for i, j in pairs])
    names = "abc"
    assert table["hypothesis"].tolist() == [f"({names[i]}) - ({names[j]})" for i, j in pairs]


@pytest.fixture(scope="module")
def ordinal():
    data = bg.load_dataset("VerbAgg").iloc[::20]
    return bg.GLMM("resp ~ btype + Anger + (1 | item)", data, family="cumulative").fit(
        method="laplace", random_seed=1, progressbar=False
    )


@pytest.mark.parametrize(
    ("how", "pairs"),
    [
        ("reference", [("scold", "curse"), ("shout", "curse")]),
        ("sequential", [("scold", "curse"), ("shout", "scold")]),
        ("pairwise", [("scold", "curse"), ("shout", "curse"), ("shout", "scold")]),
    ],
)
def test_pairs_stay_within_a_category(ordinal, how, pairs) -> None:
    array = avg_predictions(ordinal, by="btype", draws="dataarray")
    by_kind = {
        (kind, category): draws_of(array)[:, i]
        for i, (kind, category) in enumerate(zip(array["btype"].values, array["category"].values, strict=True))
    }
    table = avg_predictions(ordinal, by="btype", hypothesis=how).set_index("hypothesis")["estimate"]
    expected = {
        f"({high}, {category}) - ({low}, {category})": (by_kind[high, category] - by_kind[low, category]).mean()
        for category in ("no", "perhaps", "yes")
        for high, low in pairs
    }
    assert table.to_dict() == pytest.approx(expected)
    np.testing.assert_allclose(table.groupby(table.index.str.replace(r", \w+", "", regex=True)).sum(), 0, atol=1e-12)
    free = avg_predictions(ordinal, by="btype", hypothesis="b4 - b1 = 0")["estimate"].item()
    assert free == pytest.approx((draws_of(array)[:, 3] - draws_of(array)[:, 0]).mean())


def test_odds_ratios_of_an_ordered_categorys_probability(ordinal) -> None:
    table = avg_comparisons(ordinal, {"btype": ("curse", "shout")}, comparison="odds_ratio").set_index("category")
    draws = avg_predictions(
        ordinal, by=None, newdata=ordinal.model.design.frame.assign(btype="curse"), draws="dataarray"
    )
    other = avg_predictions(
        ordinal, by=None, newdata=ordinal.model.design.frame.assign(btype="shout"), draws="dataarray"
    )
    low, high = draws_of(draws), draws_of(other)
    by_hand = (high / (1 - high) / (low / (1 - low))).mean(axis=0)
    np.testing.assert_allclose(table.loc[["no", "perhaps", "yes"], "estimate"], by_hand, rtol=1e-10)
    assert table["contrast"].unique().tolist() == ["odds(shout) / odds(curse)"]
    # proportional odds: the coefficient itself, for the lowest and the highest category of a typical item
    rows = {"btype": "curse", "Anger": 20}
    typical = comparisons(
        ordinal, {"btype": ("curse", "shout")}, newdata=rows, random_effects="typical", comparison="odds_ratio"
    ).set_index("category")["estimate"]
    beta = ordinal.posterior["beta"].sel(coef="btype[shout]")
    assert typical["yes"] == pytest.approx(float(np.exp(beta).mean()))
    assert typical["no"] == pytest.approx(float(np.exp(-beta).mean()))


def test_pairs_stay_within_a_variable(fit) -> None:
    array = avg_comparisons(fit, ["x", "f"], draws="dataarray")
    table = avg_comparisons(fit, ["x", "f"], hypothesis="pairwise")
    assert table["hypothesis"].tolist() == ["(f, c - a) - (f, b - a)"]
    assert table["estimate"].item() == pytest.approx((draws_of(array)[:, 2] - draws_of(array)[:, 1]).mean())
    assert len(avg_comparisons(fit, ["x", "f"], by="f", hypothesis="reference")) == 2 + 5
    with pytest.raises(PredictionError, match="of one variable and category .* 'b2 - b1 = 0'"):
        avg_comparisons(fit, {"x": 1, "f": ("a", "b")}, hypothesis="sequential")


def test_a_difference_of_differences_is_an_interaction(fit) -> None:
    rows = {"x": [0.0, 0.0, 1.0, 1.0], "f": ["a", "b", "a", "b"]}
    table = predictions(fit, rows, random_effects="typical", hypothesis={"interaction": "(b4 - b3) - (b2 - b1)"})
    b = draws_of(predictions(fit, rows, random_effects="typical", draws="dataarray"))
    assert table["hypothesis"].tolist() == ["interaction"]
    assert table["estimate"].item() == pytest.approx((b[:, 3] - b[:, 2] - b[:, 1] + b[:, 0]).mean())
    compared = comparisons(
        fit, {"f": ("a", "b")}, newdata={"x": [0.0, 1.0], "f": ["a", "a"]}, random_effects="typical",
        hypothesis="b2 - b1 = 0",
    )  # fmt: skip
    assert compared["estimate"].item() == pytest.approx(table["estimate"].item())


def test_every_row_by_itself_with_a_region_of_equivalence(fit) -> None:
    table = avg_slopes(fit, "x", by="f", random_effects="marginal", rope=(-0.2, 0.2))
    array = avg_slopes(fit, "x", by="f", random_effects="marginal", draws="dataarray")
    np.testing.assert_allclose(table["estimate"], draws_of(array).mean(axis=0))
    np.testing.assert_allclose(table["p_rope"], (np.abs(draws_of(array)) <= 0.2).mean(axis=0))
    assert table.attrs["rope"] == (-0.2, 0.2) and table.attrs["random_effects"] == "marginal"


def test_parameters_have_the_names_of_their_priors(fit) -> None:
    table = hypotheses(
        fit, ["`f[b]` = `f[c]`", "exp(x) > 1.6", "`sd[g][x]` < `sd[h]`", "`corr[g][Intercept, x]` > 0", "sqrt(phi)"]
    )
    posterior = {name: array.to_numpy() for name, array in fit.posterior.data_vars.items()}
    beta = posterior["beta"].reshape(-1, 4)
    assert table["estimate"][0] == pytest.approx((beta[:, 2] - beta[:, 3]).mean())
    assert table["probability"][1] == (np.exp(beta[:, 1]) > 1.6).mean()
    assert table["probability"][2] == (posterior["sd_g"][..., 1] < posterior["sd_h"][..., 0]).mean()
    assert table["estimate"][3] == pytest.approx(0.3)
    assert table["estimate"][4] == pytest.approx(np.sqrt(posterior["phi"]).mean())
    everything = hypotheses(fit)["hypothesis"].tolist()
    assert everything == [
        *BETA, "sd[g][Intercept]", "sd[g][x]", "corr[g][Intercept, x]", "sd[h]", "phi",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hypothesis", "message"),
    [
        ("b2 - ", "cannot be read"),
        ("b9 = 0", "no 'b9'. The rows are b1 to b3"),
        ("1 = 2", "names no effect"),
        ("b1 < b2 < b3", "once"),
        ("b1.real > 0", "'b1.real' is not allowed"),
        ("__import__('os').getcwd()", "is not allowed"),
        ("(lambda: b1)()", "is not allowed"),
        ("[b1][0]", "is not allowed"),
        ("b1 if b2 else b3", "is not allowed"),
        ("f'{b1}'", "is not allowed"),
        ("(b1 := 2)", "cannot be read|is not allowed"),
        ("exp(b1, b2)", "is not allowed"),
        ("`__class__`", "there is no '__class__'"),
        ([], "give"),
        ([1], "give"),
    ],
)
def test_nothing_but_arithmetic_is_read(fit, hypothesis, message) -> None:
    with pytest.raises(PredictionError, match=message):
        avg_predictions(fit, by="f", hypothesis=hypothesis)


def test_arguments_are_checked(fit) -> None:
    with pytest.raises(PredictionError, match="rope"):
        hypotheses(fit, "x > 0", rope=(1, -1))
    with pytest.raises(PredictionError, match="ci_prob"):
        hypotheses(fit, "x > 0", ci_prob=89)
    with pytest.raises(PredictionError, match="compares rows"):
        hypotheses(fit, "pairwise")
    with pytest.raises(PredictionError, match="at least two rows"):
        avg_predictions(fit, hypothesis="pairwise")
    with pytest.raises(PredictionError, match="there is no 'phj'. Did you mean 'phi'"):
        hypotheses(fit, "phj > 1")
    with pytest.raises(PredictionError, match="call the function with draws='dataarray'"):
        hypotheses(fit.posterior["phi"], "b1 > 0")
    with pytest.raises(PredictionError, match="give a table"):
        avg_predictions(fit, hypothesis="b1 > 0", draws="dataarray")
    assert hypotheses(fit, "x / 0")["estimate"].item() == np.inf
    assert hypotheses(fit, "x + 2 ** 10 ** 10")["estimate"].item() == np.inf


def test_variables_that_change_together(fit) -> None:
    rows = {"x": [0.2, 1.0], "f": ["a", "a"]}
    table = comparisons(
        fit, {"f": ("a", "b"), "x": 1}, cross=True, comparison="ratio", newdata=rows, random_effects="typical"
    )
    assert table["term"].unique().tolist() == ["f, x"]
    beta = fit.posterior["beta"].to_numpy().reshape(-1, 4)
    np.testing.assert_allclose(table["estimate"], np.exp(beta[:, 1] + beta[:, 2]).mean(), rtol=1e-9)
    every = avg_comparisons(fit, {"f": "reference", "x": 1}, cross=True)
    assert every["contrast"].tolist() == ["(b, x + 1) - (a, x)", "(c, x + 1) - (a, x)"]
    logs = comparisons(fit, {"x": 1}, comparison="log_ratio", newdata=rows, random_effects="typical")
    np.testing.assert_allclose(logs["estimate"], beta[:, 1].mean(), rtol=1e-9)


def test_scales_of_distributional_parameters(fit, synthetic) -> None:
    phi = fit.posterior["phi"].to_numpy()
    table = avg_predictions(fit, scale="phi")
    assert table["estimate"].item() == pytest.approx(phi.mean())
    lognormal = synthetic.synthetic_fit(
        "positive ~ x + (1 | g)", synthetic.grouped_data(), family="lognormal", beta={"Intercept": 0.1, "x": 0.2},
        sd={"g": [0.5]}, sigma=0.8,
    )  # fmt: skip
    link, mu = (predictions(lognormal, scale=scale, random_effects="marginal") for scale in ("link", "mu"))
    np.testing.assert_allclose(link["estimate"], mu["estimate"])
    mean = predictions(lognormal, random_effects="typical", draws="dataarray")
    sigma = lognormal.posterior["sigma"].to_numpy()[..., None]
    location = predictions(lognormal, scale="mu", random_effects="typical", draws="dataarray")
    np.testing.assert_allclose(mean, np.exp(location + sigma**2 / 2))
    with pytest.raises(PredictionError, match="'sigma' is not known"):
        predictions(fit, scale="sigma")
