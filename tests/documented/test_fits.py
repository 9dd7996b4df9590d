"""Documented models on their own data: converged, or refused for what the package has not; sds where lme4 has them."""

from __future__ import annotations

import csv

import pytest

from tests.documented.fits import NEAR, RESTRICTED, fitted, likelihood_fits, names
from tests.documented.models import HERE, documented_models
from tests.published.data import AbsentError

#: What is not reached yet, by name.
SPARSE = "0/1 data with few rows a level mix slowly"
MAXIMUM = "a maximum of the likelihood lies below the posterior's mode, which allows for the coefficients' uncertainty"
FLAT = "few levels: the posterior of the sd is wide and skew"
NOT_YET = {
    "mlmRev guImmun 1": SPARSE,
    "mlmRev guPrenat 1": SPARSE,
    "nlme Pixel 1": "divergences where the correlation nears -1; PyMC's graph has them, too",
    "mlmRev Contraception 1": MAXIMUM,
    "mlmRev Contraception 2": MAXIMUM,
    "MASS epil 1": MAXIMUM,
    "nlme Meat 1": FLAT,
    "nlme Ovary 1": FLAT,
    "datasets OrchardSprays 1": FLAT,
}
CASES = [
    pytest.param(name, marks=pytest.mark.xfail(strict=True, reason=NOT_YET[name]) if name in NOT_YET else ())
    for name in names()
]


def found(name):
    try:
        return fitted(name)
    except AbsentError as absent:
        pytest.skip(str(absent))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_documented_models_on_their_data(name):
    with (HERE / "refused.csv").open(encoding="utf-8") as lines:
        missing = {row["model"] for row in csv.DictReader(lines)}
    model = found(name)
    assert bool(model.refused) == (name in missing), model.refused
    assert model.refused or model.converged, model.verdict
    far = {sd.factor: sd for sd in model.sds if sd.off > NEAR}
    assert not far


@pytest.mark.slow
@pytest.mark.parametrize("name", RESTRICTED)
def test_sds_of_a_restricted_likelihood(name):
    (ours,) = found(name).sds
    assert abs(ours.mode - RESTRICTED[name]) <= NEAR * ours.sd


def test_every_model_with_data_is_documented():
    assert set(names()) <= {model.name for model in documented_models()}
    assert len(names()) == 129
    assert (likelihood_fits()["status"] == "ok").sum() > 90
