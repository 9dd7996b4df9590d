"""Several responses as the user states them: notations, what each response has, and what is refused."""

from __future__ import annotations

import pytest

from bayes_glmm.errors import DataError, FormulaError, GLMMError, PriorError
from bayes_glmm.spec.multivariate import MultivariateSpec, has_several

TWO = ["y ~ x + (1 |p| g)", "n ~ z + (1 |p| g)"]


@pytest.mark.parametrize(
    ("formula", "several"),
    [
        (TWO, True),
        ("mvbind(y, n) ~ x", True),
        (" bf(y ~ x) + bf(n ~ x)", True),
        ("y ~ x", False),
        ("bfoo ~ x", False),
    ],
)
def test_what_is_several(formula, several):
    assert has_several(formula) is several


def test_lists_and_brms_notations_are_one_model():
    ours = MultivariateSpec.build(["y ~ x + (1 |p| g)", "n ~ x + (1 |p| g)"], residual_correlation=True)
    bound = MultivariateSpec.build("mvbind(y, n) ~ x + (1 |p| g)", residual_correlation=True)
    added = MultivariateSpec.build("bf(y ~ x + (1 |p| g)) + bf(n ~ x + (1 |p| g)) + set_rescor(TRUE)")
    assert ours == bound == added
    assert ours == MultivariateSpec.build("bf(mvbind(y, n) ~ x + (1 |p| g)) + set_rescor(TRUE)")
    assert ours.correlated == (0, 1)


def test_families_links_and_priors_go_to_their_response():
    spec = MultivariateSpec.build(
        "bf(y ~ x, family = gaussian()) + bf(p(k, m) ~ x, family = binomial)",
        links={"k": "probit"},
        priors={"y": {"beta": "Normal(0, 1)"}},
    )
    assert spec.names == ("y", "k")
    assert [part.family.name for part in spec.parts] == ["gaussian", "binomial"]
    assert [part.link.name for part in spec.parts] == ["identity", "probit"]
    assert [len(part.priors) for part in spec.parts] == [1, 0]
    assert MultivariateSpec.build(["log(y) ~ x", "n ~ x"]).names == ("logy", "n")


def test_a_dot_leaves_the_other_responses_out():
    spec = MultivariateSpec.build(["y ~ . + (1 | g)", "n ~ ."], columns=("y", "n", "x", "g"))
    assert spec.parts[0].formula.fixed == "1 + x"
    assert spec.parts[1].formula.predictors == ("x", "g")


def test_json_holds_it():
    spec = MultivariateSpec.build(
        TWO, ["gaussian", "poisson"], priors={"corr[g]": "LKJ(2)", "n": {"sd": "HalfNormal(1)"}}
    )
    assert MultivariateSpec.from_json(spec.to_json()) == spec
    with pytest.raises(GLMMError, match="not the JSON of a model of several responses"):
        MultivariateSpec.from_json('{"responses": 3}')


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"formulas": ["y ~ x"]}, FormulaError, "this one has 1. Give one response's formula as text"),
        ({"formulas": ["y ~ x", 3]}, FormulaError, "are texts"),
        ({"formulas": ["y ~ x", "y ~ z"]}, FormulaError, "Two formulas have the response 'y'"),
        ({"formulas": "mvbind(y, n) + x ~ 1"}, FormulaError, r"Write mvbind\(y1, y2\) ~ terms"),
        ({"formulas": "bf(y ~ x) - bf(n ~ x)"}, FormulaError, "there is no 'bf"),
        ({"formulas": "bf(y ~ x, sigma ~ x) + bf(n ~ x)"}, FormulaError, "further parameters are not available"),
        ({"formulas": "bf(y ~ x) + set_rescor(TRUE)"}, FormulaError, "has one response"),
        (
            {"formulas": ["y ~ (1 |p| g)", "n ~ (1 |p| h)"]},
            FormulaError,
            "id 'p' is that of 'g' for y and of 'h' for n",
        ),
        ({"families": ["gaussian"]}, GLMMError, "families has 1 entries, and there are 2 responses"),
        ({"families": {"m": "poisson"}}, GLMMError, "families: there is no response 'm'"),
        ({"families": ["gaussian", "cumulative"]}, GLMMError, "n: ordered categories are not available"),
        ({"families": ["gaussian", "nonsense"]}, GLMMError, "n: There is no family 'nonsense'"),
        ({"links": ["log", "log", "log"]}, GLMMError, "link has 3 entries"),
        ({"families": "poisson", "residual_correlation": True}, GLMMError, "of which this model has 0"),
        ({"residual_correlation": "yes"}, GLMMError, "must be True or False"),
        (
            {"formulas": ["weighted(y, w) ~ x", "n ~ x"], "residual_correlation": True},
            GLMMError,
            "y: rows with weights",
        ),
        ({"priors": {"beta": "Normal(0, 1)"}}, PriorError, "say whose it is"),
        ({"priors": {"m": {"beta": "Normal(0, 1)"}}}, PriorError, "there is no response 'm'"),
        ({"priors": {"y": {"corr[g]": "LKJ(2)"}}}, PriorError, "state 'corr\\[g\\]' beside"),
        ({"priors": {"corr": "Normal(0, 1)"}}, PriorError, "is of correlations"),
        ({"priors": {"residual_corr": "LKJ(2)"}}, PriorError, "under residual_correlation=True only"),
        ({"missing": "predict"}, GLMMError, "is for one response"),
        ({"covariances": {"h": [[1.0]]}}, DataError, "no grouping factor 'h'"),
    ],
)
def test_refusals_say_what_to_do(arguments, error, words):
    with pytest.raises(error, match=words):
        MultivariateSpec.build(**{"formulas": TWO, **arguments})


def test_set_rescor_and_the_argument_may_not_contradict():
    with pytest.raises(GLMMError, match="state one"):
        MultivariateSpec.build("bf(y ~ x) + bf(n ~ x) + set_rescor(FALSE)", residual_correlation=True)
