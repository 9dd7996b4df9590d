"""Designs of several linear predictors: one set of rows and columns, and what each of them sees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.design.design import build_design
from bayes_glmm.errors import DataError, DataWarning
from bayes_glmm.spec.model_spec import ModelSpec


@pytest.fixture
def data():
    rng = np.random.default_rng(2)
    rows = 48
    return pd.DataFrame(
        {
            "y": rng.normal(size=rows),
            "x": rng.normal(size=rows),
            "z": rng.normal(size=rows),
            "g": np.resize(list("abcdef"), rows),
        }
    )


def design_of(data, formula, **formulas):
    return build_design(ModelSpec.build(formula, "student", dpar_formulas=formulas), data)


def test_columns_stand_side_by_side_and_say_what_they_act_on(data):
    design = design_of(data, "y ~ x + (1 | p | g) + (0 + z | g)", nu="~ 1", sigma="~ z + offset(0.5 * x) + (x | p | g)")
    assert design.coefs == ("Intercept", "x", "sigma_Intercept", "sigma_z", "nu_Intercept")
    assert design.channels == (0, 0, 1, 1, 2)
    assert design.intercepts == [0, 2, 4]
    (term,) = design.groups
    # terms of one name stand together, so that their block is a run
    assert term.coefs == ("Intercept", "sigma_Intercept", "sigma_x", "z")
    assert (term.blocks, term.channels) == (((0, 1, 2), (3,)), (0, 1, 1, 0))
    np.testing.assert_allclose(design.offsets, [0.5 * data["x"], 0.0 * data["x"]])
    assert np.all(design.of(1).X[:, [0, 1, 4]] == 0.0)
    np.testing.assert_array_equal(design.of(1).X[:, 3], data["z"])
    np.testing.assert_array_equal(sum(design.of(c).groups[0].Z for c in range(3)), term.Z)
    assert design.within(1).coefs == ("sigma_Intercept", "sigma_z")
    assert design.within(1).groups[0].blocks == ((0, 1),)
    assert design.within(2).groups == ()
    again = design.at(data.drop(columns="y"))
    np.testing.assert_array_equal(again.X, design.X)
    np.testing.assert_array_equal(again.offsets, design.offsets)


def test_one_formula_is_as_it_was(data):
    design = design_of(data, "y ~ x + (x | g)")
    assert design.of(0) is design
    assert design.within(0) is design
    assert design.offsets.shape == (0, len(data))


def test_one_mask_of_missing_values_serves_all_formulas(data):
    data.loc[3, "z"] = np.nan
    data.loc[5, "x"] = np.nan
    with pytest.warns(DataWarning, match="2 of 48 rows were dropped"):
        design = design_of(data, "y ~ x", sigma="~ z")
    assert design.size == 46


def test_names_that_would_be_the_same_are_refused(data):
    with pytest.raises(DataError, match="Two coefficients would be called 'sigma_z'"):
        design_of(data.rename(columns={"x": "sigma_z"}), "y ~ sigma_z", sigma="~ z")


def test_columns_of_a_parameter_are_checked_as_those_of_the_mean(data):
    with pytest.raises(DataError, match="'one' is constant"):
        design_of(data.assign(one=1.0), "y ~ x", sigma="~ one")
    with pytest.warns(DataWarning, match="collinear"):
        design_of(data.assign(twice=2.0 * data["z"]), "y ~ x", sigma="~ z + twice")
