"""Several responses of real data: blue tits (brms's vignette of multivariate models), gryphons (Wilson et al. 2010)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from tests.published.data import blue_tits
from tests.published.test_animal_models import table

pytestmark = pytest.mark.slow

#: Mean and sd in brms's vignette "Estimating Multivariate Models with brms", its first fit.
VIGNETTE = {
    ("fixed", "", "tarsus_Intercept"): (-0.41, 0.07),
    ("fixed", "", "tarsus_sex[Male]"): (0.77, 0.06),
    ("fixed", "", "tarsus_sex[UNK]"): (0.23, 0.13),
    ("fixed", "", "tarsus_hatchdate"): (-0.04, 0.06),
    ("fixed", "", "back_Intercept"): (-0.01, 0.07),
    ("fixed", "", "back_sex[Male]"): (0.01, 0.07),
    ("fixed", "", "back_sex[UNK]"): (0.15, 0.15),
    ("fixed", "", "back_hatchdate"): (-0.09, 0.05),
    ("sd", "dam", "tarsus_Intercept"): (0.48, 0.05),
    ("sd", "dam", "back_Intercept"): (0.25, 0.07),
    ("corr", "dam", "tarsus_Intercept, back_Intercept"): (-0.52, 0.23),
    ("sd", "fosternest", "tarsus_Intercept"): (0.27, 0.05),
    ("sd", "fosternest", "back_Intercept"): (0.35, 0.06),
    ("corr", "fosternest", "tarsus_Intercept, back_Intercept"): (0.69, 0.20),
    ("auxiliary", "", "sigma_tarsus"): (0.76, 0.02),
    ("auxiliary", "", "sigma_back"): (0.90, 0.02),
    ("corr", "residual", "tarsus, back"): (-0.05, 0.04),
}


def test_blue_tits_as_in_brms():
    formula = "bf(mvbind(tarsus, back) ~ sex + hatchdate + (1|p|fosternest) + (1|q|dam)) + set_rescor(TRUE)"
    fit = bg.GLMM(formula, blue_tits()).fit(random_seed=1, progressbar=False)
    assert fit.convergence.passed
    summary = fit.summary().set_index(["component", "group", "term"])
    assert set(summary.index) == set(VIGNETTE)
    for label, (mean, sd) in VIGNETTE.items():
        # two digits, the noise of 2000 draws, and priors of another kind
        assert summary.loc[label, "mean"] == pytest.approx(mean, abs=0.006 + 0.1 * sd), label
        assert summary.loc[label, "sd"] == pytest.approx(sd, abs=0.006 + 0.1 * sd), label


def test_a_response_that_is_missing_in_rows_is_what_other_rows_would_be():
    """Rows of one response each, with the ids of both: the same density as rows of two without residual correlation."""
    rows = blue_tits()
    formulas = ["tarsus ~ sex + (1 |p| fosternest) + (1 |q| dam)", "back ~ sex + (1 |p| fosternest) + (1 |q| dam)"]
    apart = pd.concat([rows.assign(back=np.nan), rows.assign(tarsus=np.nan)], ignore_index=True)
    together = bg.GLMM(formulas, rows).fit(random_seed=1, progressbar=False).summary()
    with pytest.warns(bg.errors.DataWarning, match="828 of 1656 rows are left out for tarsus"):
        separate = bg.GLMM(formulas, apart)
    again = separate.fit(random_seed=2, progressbar=False).summary()
    assert (abs(together["mean"] - again["mean"]) < 0.1 * together["sd"]).all()


@pytest.mark.filterwarnings("ignore:.*rows are left out for:bayes_glmm.errors.DataWarning")
def test_gryphons_birth_weight_and_tarsus():
    """Variances, covariances and genetic correlation by ASReml in the tutorial of Wilson et al. (2010)."""
    pedigree = bg.Pedigree(table("gryphonped.csv"), id="id", dam="mother", sire="father")
    rows = table("gryphon.csv").astype({"sex": "category"})
    formulas = [
        "bwt ~ sex + (1 |a| animal) + (1 |m| mother) + (1 |y| byear)",
        "tarsus ~ sex + (1 |a| animal) + (1 |m| mother) + (1 |y| byear)",
    ]
    model = bg.GLMM(formulas, rows, covariances={"animal": pedigree}, residual_correlation=True)
    fit = model.fit(random_seed=1, progressbar=False)
    print(fit, fit.attrs)
