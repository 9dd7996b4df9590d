"""Fits with related levels through what follows a fit: files, updates, predictions, residuals, leave-one-out."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError


@pytest.fixture(scope="module")
def animals():
    table = bg.simulate("animals", pairs=6, generations=3, random_seed=1)
    return bg.Pedigree(table), table.dropna(subset="weight")


@pytest.fixture(scope="module")
def fit(animals):
    pedigree, rows = animals
    model = bg.GLMM("weight ~ sex + (1 | animal) + (1 | dam)", rows, covariances={"animal": pedigree})
    return model.fit(method="laplace", draws=100, random_seed=1, progressbar=False)


def test_files_hold_the_structure(fit, tmp_path):
    again = bg.load(fit.save(tmp_path / "animals.nc"))
    (name, one), (_, other) = fit.model.spec.covariances[0], again.model.spec.covariances[0]
    assert (name, one.kind, one.labels) == ("animal", other.kind, other.labels)
    for part in ("start", "before", "weights", "innovations", "variances"):
        assert getattr(one, part).tolist() == getattr(other, part).tolist()
    assert bg.predictions(again)["estimate"].tolist() == bg.predictions(fit)["estimate"].tolist()


def test_updates_keep_what_is_known_of_factors_that_stay(fit):
    settings = {"draws": 25, "random_seed": 1, "progressbar": False}
    assert [name for name, _ in fit.update(". ~ . - (1 | dam)", **settings).model.spec.covariances] == ["animal"]
    assert fit.update(". ~ . - (1 | animal)", **settings).model.spec.covariances == ()


def test_every_animal_has_a_breeding_value(fit, animals):
    pedigree, rows = animals
    table = bg.random_effects(fit)
    assert table.loc[table["group"] == "animal", "level"].tolist() == pedigree.animals.tolist()
    founder = rows.iloc[[0]].assign(animal=pedigree.animals[0])
    assert bg.predictions(fit, founder)["sd"].iloc[0] > 0.0


def test_new_animals_follow_their_relatives(fit, animals):
    """One that is in the pedigree is drawn near its family; another is drawn from the population."""
    _, rows = animals
    known, stranger = rows.iloc[[0]], rows.iloc[[0]].assign(animal="nobody")
    new = {"random_effects": {"animal": "new", "dam": "typical"}}
    near, far = (bg.predictions(fit, row, **new)["sd"].iloc[0] for row in (known, stranger))
    assert near < far
    with pytest.raises(PredictionError, match="'nobody'"):
        bg.predictions(fit, stranger)


def test_residuals_and_leave_one_out(fit):
    residuals = bg.simulate_residuals(fit, random_effects="new", draws=100, random_seed=1)
    assert np.isfinite(residuals["residual"]).all()
    for unit in ("animal", "dam"):
        with pytest.raises(PredictionError, match="'animal' are related across its levels"):
            bg.loo(fit, unit=unit)


def test_reports_say_what_is_known(fit):
    text = " ".join(repr(fit.model).split())
    size, seen = fit.model.design.group("animal").size, len(fit.model.design.frame)
    assert f"animal (pedigree of {size} levels, {seen} with rows: Intercept)" in text
