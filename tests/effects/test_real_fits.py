"""Effects of models that were sampled: the cattle data, and a GEE of data simulated from the model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from bayes_glmm.effects.comparisons import avg_comparisons, comparisons
from bayes_glmm.effects.grids import grid
from bayes_glmm.effects.marginal_coefficients import marginal_coefficients
from bayes_glmm.effects.predictions import predictions
from bayes_glmm.predict.draws import log_likelihood, posterior_predictive


def test_cattle_typical_herd_and_population(cbpp_fit) -> None:
    """lme4's estimates (shared/reference/likelihood_fits.json) give 0.198 for the typical herd in period 1."""
    rows = grid(cbpp_fit, period=None)
    typical = predictions(cbpp_fit, rows, random_effects="typical")
    marginal = predictions(cbpp_fit, rows, random_effects="marginal")
    assert typical["period"].tolist() == ["1", "2", "3", "4"]
    assert typical["estimate"][0] == pytest.approx(special.expit(-1.3983), abs=0.02)
    assert (marginal["estimate"] > typical["estimate"]).all()
    table = marginal_coefficients(cbpp_fit)
    assert (table["marginal"].abs() < table["conditional"].abs()).all()


def test_cattle_odds_ratios(cbpp_fit) -> None:
    conditional = comparisons(cbpp_fit, "period", comparison="odds_ratio", draws="dataarray")
    beta = cbpp_fit.posterior["beta"]
    for level in ("2", "3", "4"):
        rows = conditional.isel(obs=conditional["contrast"].to_numpy() == f"odds({level}) / odds(1)")
        exact = np.exp(beta.sel(coef=f"period[{level}]"))
        np.testing.assert_allclose(rows, np.broadcast_to(exact.to_numpy()[..., None], rows.shape), rtol=1e-9)
    marginal = avg_comparisons(cbpp_fit, "period", comparison="odds_ratio", random_effects="marginal")
    assert (marginal["estimate"] > np.exp(beta).mean(("chain", "draw")).sel(coef=["period[2]"]).item() * 0.5).all()
    assert (marginal["estimate"] < 1).all()


def test_cattle_predictive_and_log_likelihood(cbpp_fit, cbpp) -> None:
    predictive = posterior_predictive(cbpp_fit, draws=250, random_seed=1)["posterior_predictive"]["incidence"]
    total = predictive.sum("obs")
    assert abs(float(total.mean()) - cbpp["incidence"].sum()) < 2 * float(total.std())
    assert (predictive <= cbpp["size"].to_numpy()).all()
    ll = log_likelihood(cbpp_fit)["log_likelihood"]["incidence"]
    assert ll.dims == ("chain", "draw", "obs") and bool((ll <= 0).all())


def test_sleepstudy_differences_agree_on_average(sleepstudy_fit) -> None:
    """Identity link with a random slope: typical, marginal equal; a new subject's slope varies."""
    typical = avg_comparisons(sleepstudy_fit, "Days", random_effects="typical")
    marginal = avg_comparisons(sleepstudy_fit, "Days", random_effects="marginal")
    pd.testing.assert_frame_equal(typical, marginal, check_exact=False, rtol=1e-10)
    assert typical["estimate"].item() == pytest.approx(10.47, abs=0.6)
    rows = {"Days": [0.0], "Subject": ["someone else"]}
    new = comparisons(sleepstudy_fit, "Days", newdata=rows, random_effects="new", random_seed=1)
    assert new["sd"].item() > 2.5 * typical["sd"].item()
