"""Expected responses under the four meanings of `random_effects`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from bayes_glmm.errors import DataWarning, PredictionError
from bayes_glmm.predict.expected import expected, row_predictor
from bayes_glmm.predict.meanings import RANDOM_EFFECTS

BETA = {"Intercept": -0.5, "x": 0.4}


@pytest.fixture(scope="module")
def logit_fit(synthetic):
    return synthetic.synthetic_fit(
        "binary ~ x + (x | g) + (1 | h)",
        synthetic.grouped_data(),
        family="bernoulli",
        beta=BETA,
        sd={"g": [0.9, 0.4], "h": [0.7]},
        corr={"g": -0.5},
    )


def stacked(fit, name: str) -> np.ndarray:
    values = fit.posterior[name].to_numpy()
    return values.reshape(-1, *values.shape[2:])


def test_conditional_typical_by_hand(logit_fit) -> None:
    data = logit_fit.model.design.frame
    design = logit_fit.model.design
    x = data["x"].to_numpy()
    beta, b_g, b_h = (stacked(logit_fit, name) for name in ("beta", "b_g", "b_h"))
    fixed = beta[:, :1] + beta[:, 1:] * x
    codes_g, codes_h = design.group("g").codes, design.group("h").codes
    eta = fixed + b_g[:, codes_g, 0] + b_g[:, codes_g, 1] * x + b_h[:, codes_h, 0]
    got = expected(logit_fit).to_numpy().reshape(len(beta), -1)
    np.testing.assert_allclose(got, special.expit(eta), rtol=1e-12)
    typical = expected(logit_fit, random_effects="typical", scale="link").to_numpy().reshape(len(beta), -1)
    np.testing.assert_allclose(typical, fixed, rtol=1e-12)


def test_one_dimensional_integral_is_the_integral_over_all_factors_and_slopes(logit_fit) -> None:
    rows = {"x": [-1.0, 0.5, 3.0]}
    got = expected(logit_fit, rows, random_effects="marginal").to_numpy().reshape(-1, 3)
    rng = np.random.default_rng(5)
    z_g, z_h = rng.standard_normal((100_000, 2)), rng.standard_normal((100_000, 1))
    for sample in (0, 57, 119):
        beta = stacked(logit_fit, "beta")[sample]
        sd_g, sd_h = stacked(logit_fit, "sd_g")[sample], stacked(logit_fit, "sd_h")[sample]
        root = np.diag(sd_g) @ np.linalg.cholesky(stacked(logit_fit, "corr_g")[sample])
        u, w = z_g @ root.T, z_h * sd_h
        for j, x in enumerate(rows["x"]):
            p = special.expit(beta[0] + beta[1] * x + u[:, 0] + u[:, 1] * x + w[:, 0])
            assert abs(got[sample, j] - p.mean()) < 5 * p.std() / np.sqrt(len(p))


@pytest.mark.parametrize("random_effects", RANDOM_EFFECTS)
def test_permuting_rows_permutes_results(logit_fit, random_effects: str) -> None:
    data = logit_fit.model.design.frame
    order = np.random.default_rng(2).permutation(len(data))
    first = expected(logit_fit, data, random_effects=random_effects, random_seed=4)
    second = expected(logit_fit, data.iloc[order], random_effects=random_effects, random_seed=4)
    np.testing.assert_allclose(second, first.isel(obs=order), rtol=1e-9)
    assert second["obs"].to_numpy().tolist() == order.tolist()


@pytest.mark.parametrize("random_effects", RANDOM_EFFECTS)
def test_chunks_do_not_change_results(logit_fit, random_effects: str, monkeypatch) -> None:
    whole = expected(logit_fit, random_effects=random_effects, random_seed=4)
    monkeypatch.setattr("bayes_glmm.predict.pieces._CHUNK_BYTES", 8 * 120 * 7)
    np.testing.assert_allclose(expected(logit_fit, random_effects=random_effects, random_seed=4), whole, rtol=1e-9)


def test_every_new_level_has_draws_of_its_own(logit_fit) -> None:
    """A peer's fault 5: 50 new groups, one distinct value."""
    rows = pd.DataFrame({"x": 1.0, "h": "h0", "g": [f"new{i // 2}" for i in range(100)]})
    got = expected(logit_fit, rows, new_levels="sample", random_seed=1).to_numpy().reshape(-1, 100)
    assert np.unique(got[0]).size == 50
    np.testing.assert_array_equal(got[:, ::2], got[:, 1::2])
    assert abs(np.corrcoef(got[:, 0], got[:, 2])[0, 1]) < 0.4


def test_new_levels_have_the_fitted_covariance(synthetic) -> None:
    data = synthetic.grouped_data()
    fit = synthetic.synthetic_fit(
        "y ~ x + (x | g)",
        data,
        beta=BETA,
        sd={"g": [1.5, 0.5]},
        corr={"g": 0.6},
        sigma=1.0,
        spread=0.0,
        draws=4000,
    )
    rows = pd.DataFrame({"x": [0.0, 1.0], "g": ["new", "new"]})
    got = expected(fit, rows, random_effects="new", random_seed=3).to_numpy().reshape(-1, 2)
    u = np.column_stack([got[:, 0] - BETA["Intercept"], got[:, 1] - got[:, 0] - BETA["x"]])
    error = 4 / np.sqrt(len(u))
    np.testing.assert_allclose(u.std(axis=0), [1.5, 0.5], rtol=error)
    assert np.corrcoef(u.T)[0, 1] == pytest.approx(0.6, abs=error)
    np.testing.assert_allclose(u.mean(axis=0), 0, atol=1.5 * error)


def test_new_counts_fitted_levels_as_new_and_seeds_repeat(logit_fit) -> None:
    first = expected(logit_fit, random_effects="new", random_seed=1)
    np.testing.assert_array_equal(first, expected(logit_fit, random_effects="new", random_seed=1))
    assert not np.allclose(first, expected(logit_fit, random_effects="new", random_seed=2))
    assert not np.allclose(first, expected(logit_fit))


def test_unseen_levels_under_conditional(logit_fit) -> None:
    rows = {"x": [0.0, 0.0], "g": ["g1", "elsewhere"], "h": ["h0", "h0"]}
    with pytest.raises(PredictionError, match="'elsewhere'.*new_levels='sample'"):
        expected(logit_fit, rows)
    typical = expected(logit_fit, rows, new_levels="typical", scale="link").to_numpy().reshape(-1, 2)
    by_hand = stacked(logit_fit, "beta")[:, 0] + stacked(logit_fit, "b_h")[:, 0, 0]
    np.testing.assert_allclose(typical[:, 1], by_hand, rtol=1e-12)


def test_only_conditional_needs_the_groups_columns(logit_fit) -> None:
    for random_effects in RANDOM_EFFECTS[1:]:
        assert expected(logit_fit, {"x": 1.0}, random_effects=random_effects).sizes["obs"] == 1
    with pytest.raises(PredictionError, match="no column 'g'.*'marginal'"):
        expected(logit_fit, {"x": 1.0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"random_effects": "marginl"}, "Did you mean 'marginal'"),
        ({"scale": "respons"}, "Did you mean 'response'"),
        ({"new_levels": "samples"}, "Did you mean 'sample'"),
        ({"newdata": {"z": [1.0], "g": ["g0"], "h": ["h0"]}}, "no column 'x'"),
        ({"newdata": 3}, "must be a pandas"),
    ],
)
def test_bad_arguments_name_the_nearest(logit_fit, arguments: dict, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        expected(logit_fit, **arguments)


def test_rows_with_missing_values_are_dropped_aloud(logit_fit) -> None:
    rows = pd.DataFrame({"x": [0.0, np.nan, 2.0]}, index=["p", "q", "r"])
    with pytest.warns(DataWarning, match="1 of 3 rows"):
        got = expected(logit_fit, rows, random_effects="typical")
    assert got["obs"].to_numpy().tolist() == ["p", "r"]


def test_mean_is_the_response_mean_not_the_links_parameter(synthetic) -> None:
    """A peer's fault 7: lognormal 2.00 for 13.4."""
    fit = synthetic.synthetic_fit(
        "positive ~ x + (1 | g)", synthetic.grouped_data(), family="lognormal", beta=BETA, sd={"g": [0.6]}, sigma=1.2
    )
    rows = {"x": [0.0, 2.0]}
    eta = expected(fit, rows, random_effects="typical", scale="link").to_numpy().reshape(-1, 2)
    sigma, sd = stacked(fit, "sigma")[:, None], stacked(fit, "sd_g")
    typical = expected(fit, rows, random_effects="typical").to_numpy().reshape(-1, 2)
    marginal = expected(fit, rows, random_effects="marginal").to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(typical, np.exp(eta + sigma**2 / 2), rtol=1e-12)
    np.testing.assert_allclose(marginal, np.exp(eta + sd**2 / 2 + sigma**2 / 2), rtol=1e-10)


def test_inverse_link_says_why_there_is_no_average(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "positive ~ 1 + (1 | g)",
        synthetic.grouped_data(),
        family="gamma",
        link="inverse",
        beta={"Intercept": 3.0},
        sd={"g": [0.1]},
        phi=2.0,
    )
    with pytest.raises(PredictionError, match="does not exist with the inverse link"):
        expected(fit, random_effects="marginal")
    assert np.isfinite(expected(fit)).all()


def test_without_random_effects_all_four_agree(synthetic) -> None:
    fit = synthetic.synthetic_fit("count ~ x", synthetic.grouped_data(), family="poisson", beta=BETA)
    first = expected(fit)
    for random_effects in RANDOM_EFFECTS[1:]:
        np.testing.assert_array_equal(expected(fit, random_effects=random_effects), first)


def test_nothing_of_the_fit_or_the_users_data_changes(logit_fit) -> None:
    """A peer's fault 15."""
    before = logit_fit.posterior.copy(deep=True)
    rows = pd.DataFrame({"x": [0.0, 1.0], "g": ["g1", "g9"], "h": ["h0", "h1"]}, index=[7, 3])
    copy = rows.copy(deep=True)
    for random_effects in RANDOM_EFFECTS:
        expected(logit_fit, rows, random_effects=random_effects, new_levels="sample", random_seed=1)
    pd.testing.assert_frame_equal(rows, copy)
    assert before.identical(logit_fit.posterior)


def test_keys_tell_rows_apart(logit_fit) -> None:
    rows = pd.DataFrame({"x": [0.0, 0.0, 1.0], "g": ["g1", "g2", "g1"], "h": "h0"})
    for random_effects, distinct in (("conditional", 3), ("typical", 2), ("marginal", 2)):
        predictor = row_predictor(logit_fit, rows, random_effects=random_effects)
        assert len(np.unique(predictor.keys(), axis=0)) == distinct
