"""Animal models of real data, against REML (Wilson et al. 2010, Journal of Animal Ecology 79, 13-26)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from tests.published.data import SHARED, blue_tits

pytestmark = pytest.mark.slow

#: Variances by REML, and heritability.
GRYPHON = {
    "bwt ~ 1 + (1 | animal)": ({"sd_animal": 3.395, "sigma": 3.829}, 0.470),
    "bwt ~ sex + (1 | animal)": ({"sd_animal": 3.061, "sigma": 2.938}, 0.510),
    "bwt ~ sex + (1 | animal) + (1 | byear)": ({"sd_animal": 2.707, "sd_byear": 0.886, "sigma": 2.309}, 0.459),
    "bwt ~ sex + (1 | animal) + (1 | byear) + (1 | mother)": (
        {"sd_animal": 2.299, "sd_byear": 0.882, "sd_mother": 1.119, "sigma": 1.629},
        0.388,
    ),
}


def table(name: str, **options) -> pd.DataFrame:
    file = SHARED / "pedigrees" / name
    if not file.exists():
        pytest.skip(f"../shared/reference/pedigrees/{name} is not here: it is not ours to ship")
    return pd.read_csv(file, **options)


@pytest.mark.filterwarnings("ignore:.*rows were dropped for missing values:bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize("formula", GRYPHON)
def test_gryphons(formula):
    pedigree = bg.Pedigree(table("gryphonped.csv"), id="id", dam="mother", sire="father")
    rows = table("gryphon.csv").astype({"sex": "category"})
    fit = bg.GLMM(formula, rows, covariances={"animal": pedigree}).fit(random_seed=1, progressbar=False)
    variances, heritability = GRYPHON[formula]
    for name, published in variances.items():
        low, high = np.quantile(np.square(fit.posterior[name]), [0.05, 0.95])
        assert low < published < high, name
    share = bg.heritability(fit, ci_prob=0.9).iloc[0]
    assert share["lower"] < heritability < share["upper"]
    summary = fit.summary()
    assert min(summary["ess_bulk"].min(), summary["ess_tail"].min()) > 1000


def test_blue_tits_of_full_sibs():
    """All chicks of a dam are full sibs, so that breeding values and `(1 | dam)` are one model: V_A = 2 V_dam."""
    pedigree = bg.Pedigree(table("BTped.tab", sep=r"\s+"))
    rows = blue_tits()
    settings = {"random_seed": 1, "progressbar": False}
    bred = bg.GLMM("tarsus ~ sex + hatchdate + (1 | animal) + (1 | fosternest)", rows, covariances={"animal": pedigree})
    dams = bg.GLMM("tarsus ~ sex + hatchdate + (1 | dam) + (1 | fosternest)", rows)
    half, own = (
        0.5 * np.square(bred.fit(**settings).posterior["sd_animal"]),
        np.square(dams.fit(**settings).posterior["sd_dam"]),
    )
    # the priors of the two sds differ by the root of two
    assert float(half.mean()) == pytest.approx(float(own.mean()), abs=0.25 * float(own.std()))
    assert float(half.std()) == pytest.approx(float(own.std()), rel=0.15)
