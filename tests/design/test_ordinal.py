"""Ordered responses: what they may be, what is refused, and that thresholds replace the intercept."""

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.design.design import build_design
from bayes_glmm.errors import DataError, DataWarning
from bayes_glmm.spec.model_spec import ModelSpec

LEVELS = ["low", "mid", "high"]


def table(y, **columns):
    n = len(y)
    return pd.DataFrame({"y": y, "x": np.linspace(0, 1, n), "f": np.resize(["a", "b", "c"], n), **columns})


def build(data, formula="y ~ x"):
    return build_design(ModelSpec.build(formula, "cumulative"), data)


def ordered(values, levels=LEVELS):
    return pd.Categorical(values, categories=levels, ordered=True)


@pytest.mark.parametrize(
    ("y", "categories", "codes"),
    [
        (ordered(["mid", "low", "high", "low"]), ("low", "mid", "high"), [1, 0, 2, 0]),
        (pd.Categorical(["mid", "low", "high", "low"], categories=LEVELS), ("low", "mid", "high"), [1, 0, 2, 0]),
        ([3, 1, 2, 1], ("1", "2", "3"), [2, 0, 1, 0]),
        ([3.0, 1.0, 2.0, 1.0], ("1", "2", "3"), [2, 0, 1, 0]),
        ([0, 100, 10, 0], ("0", "10", "100"), [0, 2, 1, 0]),
        ([False, True, True, False], ("0", "1"), [0, 1, 1, 0]),
        (ordered(["mid", "low", "mid", "low"], ["low", "mid"]), ("low", "mid"), [1, 0, 1, 0]),
    ],
)
def test_what_an_ordered_response_may_be(y, categories, codes):
    data = table(y)
    design = build(data)
    assert design.response.categories == categories
    assert design.response.y.tolist() == codes
    again = design.at(data.iloc[::-1], response=True).response
    assert again.categories == categories
    assert again.y.tolist() == codes[::-1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["mid", "low", "high", "low"], r"'y' is text, whose order is not known .*'mid'.*ordered=True"),
        ([1.5, 1.0, 2.0, 3.0], r"'y' must be whole.*row 0.*1.5"),
        ([2, 2, 2, 2], "'y' has one category only, 2"),
        (ordered(["mid"] * 4), "'y' has one category only, 'mid'"),
        (pd.date_range("2020", periods=4), "'y' holds dates"),
    ],
)
def test_what_it_may_not_be(y, message):
    with pytest.raises(DataError, match=message):
        build(table(y))


@pytest.mark.parametrize(
    ("y", "message", "categories"),
    [
        (ordered(["high", "low", "high", "low"]), "'y' has 'mid'; the model has the 2 categories", ("low", "high")),
        (pd.Categorical(["b", "a", "c", "a"]), "not an ordered category; .* a < b < c", ("a", "b", "c")),
    ],
)
def test_what_is_said(y, message, categories):
    with pytest.warns(DataWarning, match=message):
        assert build(table(y)).response.categories == categories


def test_whole_numbers_may_skip_values():
    assert build(table([1, 2, 4, 5, 1, 2])).response.categories == ("1", "2", "4", "5")


def test_new_data_must_have_the_categories_of_the_fit():
    design = build(table([1, 2, 3, 2]))
    with pytest.raises(DataError, match="'y' must be one of 1, 2, 3, as in the fit; see row 2"):
        design.at(table([1, 2, 7, 2]), response=True)


@pytest.mark.parametrize("fixed", ["x + f", "0 + x + f", "x + f - 1", "-1 + x + f"])
def test_thresholds_replace_the_intercept_however_it_is_written(fixed):
    data = table([1, 2, 3, 2, 1, 3], g=["a", "a", "b", "b", "c", "c"])
    design = build(data, f"y ~ {fixed} + (1 | g)")
    assert design.coefs == ("x", "f[b]", "f[c]")
    assert design.groups[0].coefs == ("Intercept",)
    np.testing.assert_array_equal(design.at(data).X, design.X)


def test_a_constant_predictor_is_refused_beside_thresholds():
    with pytest.raises(DataError, match="'c' is constant"):
        build(table([1, 2, 3, 2], c=2.0), "y ~ c")
