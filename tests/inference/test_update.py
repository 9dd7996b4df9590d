"""A fit updated is the fit of the changed model."""

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError, FormulaError, PriorError
from bayes_glmm.spec.update import updated_formula, updated_parameters

SHORT = {"random_seed": 1, "progressbar": False}


@pytest.mark.parametrize(
    ("new", "written"),
    [
        (". ~ . + z", "y ~ x + (1 | g) + z"),
        ("~ . + z", "y ~ x + (1 | g) + z"),
        (".~.", "y ~ x + (1 | g)"),
        ("log(.) ~ .", "log(y) ~ x + (1 | g)"),
        (". ~ . - x", "y ~ (1 | g)"),
        (". ~ . - 1", "y ~ x + (1 | g) - 1"),
        (". ~ . * z - x", "y ~ (x + (1 | g)) * z - x"),
        (". ~ . - (1|g) + (x | g)", "y ~ x + (x | g)"),
        (". ~ z", "y ~ z"),
        ("w ~ .", "w ~ x + (1 | g)"),
        (". ~ . + total.fruits + `a . b` + 0.5*z", "y ~ x + (1 | g) + total.fruits + `a . b` + 0.5*z"),
    ],
)
def test_dots_stand_for_the_old_sides(new, written):
    assert updated_formula("y ~ x + (1 | g)", new) == written


def test_dots_of_further_parameters_stand_for_their_own_formulas():
    data = pd.DataFrame({"y": np.random.default_rng(1).normal(size=40), "x": np.arange(40.0) % 7, "z": np.arange(40.0)})
    fit = bg.GLMM("y ~ x", data, dpar_formulas={"sigma": "~ x"}).fit(method="laplace", **SHORT)
    new = fit.update(data=data, dpar_formulas={"sigma": "~ . + z"}, **SHORT)
    assert [part.text for part in new.model.spec.formula.parameters] == ["~ x + z"]
    assert updated_parameters({}, {"sigma": "sigma ~ . + x"}) == {"sigma": "sigma ~ 1 + x"}
    with pytest.raises(FormulaError, match="must be text"):
        fit.update(dpar_formulas={"sigma": 3}, **SHORT)


def test_a_product_with_a_dot_is_a_product_with_all_of_it():
    assert updated_formula("y ~ a + b", ". ~ . * z") == "y ~ (a + b) * z"
    assert updated_formula("y ~ (1 | g)", ". ~ . - (1 | g)") == "y ~ 1"


@pytest.mark.parametrize(
    ("old", "written"),
    [
        ("y ~ x", "y ~ 1"),
        ("y ~ 0 + x + z", "y ~ 0 + z"),
        ("y ~ factor(w) * z + x + (x | g)", "y ~ factor(w) * z + (x | g)"),
        ("y ~ x * z", "y ~ x * z - x"),  # what holds the name otherwise stays as it is written
        ("y ~ x + x * z", "y ~ x + x * z - x"),
        ("y ~ x + log(x)", "y ~ x + log(x) - x"),
        ("y ~ . + x", "y ~ . + x - x"),
    ],
)
def test_a_name_taken_away_is_left_out(old, written):
    assert updated_formula(old, ". ~ . - x") == written


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("x + z", "Write a formula to update by"),
        ("y ~ x ~ z", "Write a formula to update by"),
        (3, "must be text such as '. ~ . \\+ x', not int"),
        (". ~ . - (1 | h)", r"no group term \(1 \| h\) to take away. Group terms: \(1 \| g\)"),
    ],
)
def test_formulas_that_update_nothing_are_refused(new, message):
    with pytest.raises(FormulaError, match=message):
        updated_formula("y ~ x + (1 | g)", new)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60), "g": np.repeat(list("abcdef"), 10)})
    return data.assign(y=rng.poisson(np.exp(0.3 * data["x"])))


@pytest.fixture(scope="module")
def fit(data):
    priors = {"beta": bg.Prior("Normal", 0, 1)}
    model = bg.GLMM("y ~ x + (1 | g)", data, family="poisson", priors=priors, center=False)
    return model.fit(method="laplace", **SHORT)


def test_what_is_not_given_stays(fit, data):
    other = fit.update(". ~ . + z", data, **SHORT)
    given = bg.GLMM("y ~ x + (1 | g) + z", data, family="poisson", priors={"beta": "Normal(0, 1)"}, center=False)
    assert other.model.spec == given.spec and other.attrs["method"] == "laplace"
    np.testing.assert_array_equal(other.posterior["beta"], given.fit(method="laplace", **SHORT).posterior["beta"])
    assert str(fit.model.spec.formula) == "y ~ x + (1 | g)"


def test_each_part_can_be_changed(fit, data, tmp_path):
    read = bg.load(fit.save(tmp_path / "fit.nc"))
    other = read.update(family="negativebinomial", priors={}, **SHORT)
    assert other.model.spec.family.name == "negativebinomial" and not other.model.spec.priors
    assert other.model.spec.formula == fit.model.spec.formula and not other.model.spec.center
    assert fit.update(link="sqrt", **SHORT).model.spec.link.name == "sqrt"
    assert fit.update(data=data[:30], **SHORT).model.design.X.shape[0] == 30


def test_columns_the_fit_does_not_hold_are_asked_for(fit):
    with pytest.raises(DataError, match="no column 'z'") as raised:
        fit.update(". ~ . + z")
    assert "give the data again" in raised.value.__notes__[0]
    with pytest.raises(PriorError, match=r"no parameter"):
        fit.update(". ~ . - x")
