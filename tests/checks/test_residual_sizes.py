"""Residual tests on right models: how often each speaks up, over families and shapes of grouped data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.checks.residual_tests import Ranks, _between, _products
from bayes_glmm.predict.expected import expected
from tests.checks import residual_sizes
from tests.checks.residual_sizes import PARAMETERS, SHAPES


@pytest.mark.parametrize("family", ["gaussian", "poisson", "bernoulli"])
def test_many_small_groups_are_not_called_wrong(family):
    """The posterior mean has seen the responses: tested against it, all of five right models look wrong."""
    shape = next(shape for shape in SHAPES if shape.name == "100 x 5")
    alarms = residual_sizes.alarms(family, shape, range(5))
    # of five data sets a test of size 0.05 condemns three or more in one of a thousand
    assert (alarms.fillna(0) <= stats.binom.ppf(0.999, 5, 0.05)).all(axis=None), alarms


@pytest.mark.parametrize("rows", [2, 5])
def test_levels_of_uniform_residuals_have_the_size_they_should(rows):
    """Uniform residuals as they are: the chi-square of products is right without any model."""
    rng = np.random.default_rng(1)
    levels = np.repeat(np.arange(60), rows)
    p = [_between("g", levels, Ranks.of_points(rng.random((1, len(levels))), False)).p_value for _ in range(2000)]
    for level in (0.01, 0.05, 0.2):
        assert abs(np.mean(np.array(p) < level) - level) < 4 * np.sqrt(level / 2000), level


def test_levels_of_one_row_say_nothing():
    ranks = Ranks.of_points(np.random.default_rng(1).random((3, 20)), False)
    outcome = _between("g", np.arange(20), ranks)
    assert outcome.p_value == 1.0 and "No level of g has two rows" in outcome.fine


def test_products_over_space_know_neither_the_unit_of_distance_nor_a_shift():
    rng = np.random.default_rng(2)
    points, values = rng.uniform(size=(80, 2)), rng.random((2000, 80)) - 0.5
    distance = np.sqrt(np.square(points[:, None] - points[None]).sum(axis=-1)) + np.eye(80)
    weights = 1 / distance - np.eye(80)
    z = _products(values, weights)
    np.testing.assert_allclose(_products(values, 1e-7 * weights), z)
    np.testing.assert_allclose(_products(values + np.linspace(-0.5, 0.5, 2000)[:, None], weights), z, atol=1e-9)
    assert abs(z.mean()) < 4 / np.sqrt(2000) and abs((np.abs(z) > 1.96).mean() - 0.05) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("family", PARAMETERS)
def test_no_right_model_is_called_wrong_too_often(family, shape):
    alarms = residual_sizes.alarms(family, shape, range(40))
    print(family, shape.name, alarms.to_dict())
    # 11 tests and 2 modes in 70 cells: one false alarm of this test in fifteen runs of all of them
    assert (alarms.fillna(0) <= stats.binom.isf(5e-5, 40, 0.05)).all(axis=None), alarms


def test_the_prediction_is_the_draw_s_own(cbpp_fit):
    residuals = bg.simulate_residuals(cbpp_fit, draws=200, random_seed=1)
    rates = expected(cbpp_fit).stack(sample=("chain", "draw")).transpose("sample", "obs").to_numpy()
    each = residuals["predicted_draws"].to_numpy()
    assert each.shape == (200, 56)
    assert all(np.isclose(rates, row).all(axis=1).any() for row in each[::20])
    pd.testing.assert_frame_equal(
        bg.check_residuals(residuals), bg.check_residuals(residuals.assign(predicted=-residuals["predicted"]))
    )


def test_which_category_counts_as_a_success_does_not_matter(cbpp_fit):
    other = cbpp_fit.update(
        data=bg.load_dataset("cbpp").assign(incidence=lambda d: d["size"] - d["incidence"]), random_seed=1
    )
    ours, swapped = (
        bg.check_residuals(bg.simulate_residuals(fit, draws=400, random_seed=1), predictors=[])["p_value"]
        for fit in (cbpp_fit, other)
    )
    assert abs(ours["predicted"] - swapped["predicted"]) < 0.08  # 0.15 when predictions were counts
