"""Calibration of models with related levels: ranks of the truth among the draws are uniform."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg

PRIORS = {"Intercept": "Normal(0, 1)", "sd": "HalfNormal(1)"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "priors"), [("gaussian", {"sigma": "HalfNormal(1)"}), ("bernoulli", {}), ("poisson", {})]
)
def test_ranks_are_uniform(family, priors):
    """Both paths: effects integrated out, and in the coordinates; some animals have no record."""
    table = bg.simulate("animals", pairs=10, generations=3, random_seed=1)
    pedigree = bg.Pedigree(table)
    rows = table.dropna(subset="weight").assign(y=lambda d: np.arange(len(d)) % 2)
    model = bg.GLMM("y ~ 1 + (1 | animal)", rows, family, covariances={"animal": pedigree}, priors=PRIORS | priors)
    calibration = bg.sbc(model, simulations=100, random_seed=1, progressbar=False)
    assert calibration.table["adjusted"].min() > 0.01
    assert not calibration.failures
