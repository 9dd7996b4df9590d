"""What must hold between the four meanings of `random_effects` (Zeger, Liang and Albert 1988; Hedeker et al. 2018)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bayes_glmm.effects.comparisons import avg_comparisons, comparisons
from bayes_glmm.effects.marginal_coefficients import marginal_coefficients
from bayes_glmm.effects.predictions import avg_predictions, predictions
from bayes_glmm.effects.slopes import avg_slopes

MODES = ("conditional", "typical", "marginal", "new")
BETA = {"Intercept": -0.4, "x": 0.5, "f[b]": 0.6, "f[c]": -0.3}


def values(array) -> np.ndarray:
    """(S, rows) of a DataArray with dims chain, draw, obs."""
    return array.to_numpy().reshape(-1, array.sizes["obs"])


def test_identity_link_differences_agree_in_all_modes(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "y ~ x + f + (1 | g) + (1 | h)", synthetic.grouped_data(), beta=BETA, sd={"g": [2.0], "h": [1.0]}, sigma=1.0
    )
    first = values(comparisons(fit, ["f", "x"], draws="dataarray"))
    assert np.ptp(first, axis=0).max() > 0.1
    for mode in MODES[1:]:
        other = values(comparisons(fit, ["f", "x"], random_effects=mode, draws="dataarray"))
        np.testing.assert_allclose(other, first, atol=1e-12)
    typical, marginal = (predictions(fit, random_effects=mode) for mode in ("typical", "marginal"))
    np.testing.assert_allclose(typical["estimate"], marginal["estimate"], rtol=1e-12)


def test_log_link_rate_ratios_agree_and_the_baseline_is_inflated(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "count ~ x + f + (1 | g)", synthetic.grouped_data(), family="poisson", beta=BETA, sd={"g": [0.9]}
    )
    first = values(comparisons(fit, ["f", "x"], comparison="ratio", draws="dataarray"))
    for mode in MODES[1:]:
        ratio = comparisons(fit, ["f", "x"], comparison="ratio", random_effects=mode, draws="dataarray")
        np.testing.assert_allclose(values(ratio), first, rtol=1e-10)
    sd = fit.posterior["sd_g"].to_numpy().reshape(-1, 1)
    typical = values(predictions(fit, random_effects="typical", draws="dataarray"))
    marginal = values(predictions(fit, random_effects="marginal", draws="dataarray"))
    np.testing.assert_allclose(marginal / typical, np.broadcast_to(np.exp(sd**2 / 2), typical.shape), rtol=1e-10)


def test_log_link_with_a_random_slope_the_ratios_differ(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "count ~ x + (x | g)",
        synthetic.grouped_data(),
        family="poisson",
        beta={"Intercept": 0.1, "x": 0.5},
        sd={"g": [0.5, 0.4]},
        corr={"g": 0.3},
    )
    rows = {"x": [1.0], "g": ["g1"]}
    typical = values(
        comparisons(fit, "x", comparison="ratio", random_effects="typical", newdata=rows, draws="dataarray")
    )
    marginal = values(
        comparisons(fit, "x", comparison="ratio", random_effects="marginal", newdata=rows, draws="dataarray")
    )
    sd = fit.posterior["sd_g"].to_numpy().reshape(-1, 2)
    # log ratio of exp(v/2): v(x) = s0^2 + 2 x rho s0 s1 + x^2 s1^2, at x = 2 and 1
    inflation = np.exp(0.3 * sd[:, 0] * sd[:, 1] + 1.5 * sd[:, 1] ** 2)
    np.testing.assert_allclose(marginal[:, 0] / typical[:, 0], inflation, rtol=1e-10)
    assert (inflation > 1.1).all()


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_marginal_coefficients_are_attenuated(synthetic, link: str) -> None:
    fit = synthetic.synthetic_fit(
        "binary ~ x + f + (1 | g)",
        synthetic.grouped_data(),
        family="bernoulli",
        link=link,
        beta=BETA,
        sd={"g": [1.5]},
        spread=0.02,
    )
    table = marginal_coefficients(fit)
    assert list(table.index) == list(BETA)
    assert (table["marginal"].abs() < table["conditional"].abs()).all()
    assert table["attenuation"].between(0, 1).all()
    sd = float((fit.posterior["sd_g"] ** 2).mean()) ** 0.5
    if link == "probit":  # exact: Phi(eta / sqrt(1 + sd^2))
        np.testing.assert_allclose(table["attenuation"], 1 / math.sqrt(1 + sd**2), rtol=0.01)
    else:
        k = 16 * math.sqrt(3) / (15 * math.pi)
        approximate = table["conditional"] / math.sqrt(1 + k**2 * sd**2)
        np.testing.assert_allclose(table["marginal"], approximate, atol=0.06)


def test_marginal_coefficients_of_identity_and_log_links(synthetic) -> None:
    gaussian = synthetic.synthetic_fit(
        "y ~ x + f + (1 | g)", synthetic.grouped_data(), beta=BETA, sd={"g": [2.0]}, sigma=1.0
    )
    table = marginal_coefficients(gaussian)
    np.testing.assert_allclose(table["marginal"], table["conditional"], rtol=1e-9)
    data = synthetic.grouped_data()
    poisson = synthetic.synthetic_fit(
        "count ~ x + f + offset(log(size)) + (1 | g)", data, family="poisson", beta=BETA, sd={"g": [0.9]}, spread=0.0
    )
    table = marginal_coefficients(poisson)
    np.testing.assert_allclose(table["marginal"] - table["conditional"], [0.9**2 / 2, 0, 0, 0], atol=1e-10)


def test_averages_and_slopes_shrink_towards_the_population(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "binary ~ x + f + (1 | g)", synthetic.grouped_data(), family="bernoulli", beta=BETA, sd={"g": [2.5]}
    )
    typical = avg_comparisons(fit, "f", random_effects="typical")["estimate"].abs()
    marginal = avg_comparisons(fit, "f", random_effects="marginal")["estimate"].abs()
    assert (marginal < typical).all()
    assert (
        avg_slopes(fit, "x", random_effects="marginal")["estimate"].item()
        < avg_slopes(fit, "x", random_effects="typical")["estimate"].item()
    )


def test_many_new_groups_average_to_the_population(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "binary ~ x + (1 | g)",
        synthetic.grouped_data(),
        family="bernoulli",
        beta={"Intercept": -1.5, "x": 0.5},
        sd={"g": [1.5]},
        spread=0.0,
        draws=200,
    )
    rows = {"x": [1.0] * 500, "g": [f"new{i}" for i in range(500)]}
    new = values(avg_predictions(fit, rows, random_effects="new", random_seed=1, draws="dataarray"))
    marginal = values(avg_predictions(fit, rows, random_effects="marginal", draws="dataarray"))
    error = new.std(ddof=1) / math.sqrt(len(new))
    assert abs(new.mean() - marginal.mean()) < 4 * error
    assert error < 0.001
