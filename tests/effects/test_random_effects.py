"""Levels' effects of every kind of family: what predictions for a level have more than those for a typical one."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg

CASES = [
    ("bernoulli", "logit", "binary", {}),
    ("binomial", "probit", "p(successes, size)", {}),
    ("poisson", "log", "count", {}),
    ("negativebinomial", "log", "count", {"phi": 2.5}),
    ("gamma", "log", "positive", {"phi": 3.0}),
    ("lognormal", "identity", "positive", {"sigma": 0.7}),
    ("beta", "logit", "unit", {"phi": 6.0}),
    ("student", "identity", "y", {"sigma": 1.1, "nu": 5.0}),
]


@pytest.mark.parametrize(("family", "link", "response", "parameters"), CASES)
def test_level_effects_are_the_difference_from_a_typical_level(synthetic, family, link, response, parameters) -> None:
    data = synthetic.grouped_data()
    fit = synthetic.synthetic_fit(
        f"{response} ~ x + f + (x + f | g) + (1 | h)", data, family=family, link=link,
        beta={"Intercept": 0.1, "x": 0.1, "f[b]": 0.2, "f[c]": -0.2}, sd={"g": [0.6, 0.2, 0.3, 0.4], "h": [0.5]},
        corr={"g": 0.3}, **parameters,
    )  # fmt: skip
    effects = bg.random_effects(fit, draws="dataarray").set_index(obs=["group", "level", "term"])
    columns = {"Intercept": np.ones(len(data)), "x": data["x"], "f[b]": data["f"] == "b", "f[c]": data["f"] == "c"}
    by_hand = effects.sel(group="h", term="Intercept").sel(level=data["h"].to_numpy()).values
    for term, column in columns.items():
        by_hand = by_hand + effects.sel(group="g", term=term).sel(level=data["g"].to_numpy()).values * np.asarray(
            column
        )
    conditional, typical = (
        bg.predictions(fit, scale="link", random_effects=mode, draws="dataarray") for mode in ("conditional", "typical")
    )
    np.testing.assert_allclose(conditional.values - typical.values, by_hand, atol=1e-12)
    table = bg.random_effects(fit, ci_prob=0.8)
    assert table.groupby("group", sort=False)["level"].nunique().to_dict() == {"g": 6, "h": 4}
    flat = effects.values.reshape(-1, len(table))
    np.testing.assert_allclose(table["estimate"], flat.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["sd"], flat.std(axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(table[["lower", "upper"]].T, np.quantile(flat, [0.1, 0.9], axis=0), rtol=1e-12)


def test_pairs_of_levels_stay_within_a_grouping_factor(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "y ~ x + (1 | g) + (1 | h)", synthetic.grouped_data(), beta={"Intercept": 0.1, "x": 0.1},
        sd={"g": [0.6], "h": [0.5]}, sigma=1.0,
    )  # fmt: skip
    draws = bg.random_effects(fit, draws="dataarray")
    sizes = [len(term.levels) for term in fit.model.design.groups]
    assert len(bg.hypotheses(draws, "pairwise")) == sum(size * (size - 1) // 2 for size in sizes)
