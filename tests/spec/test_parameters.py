"""Formulas of further parameters: read, refused in words, and written as JSON."""

from __future__ import annotations

import json

import pytest

import bayes_glmm as bg
from bayes_glmm.errors import FormulaError, GLMMError
from bayes_glmm.families import FAMILIES
from bayes_glmm.model.scales import median
from bayes_glmm.spec.formula import parse_formula, with_parameters
from bayes_glmm.spec.model_spec import ModelSpec


def build(formula="y ~ x + (1 | p | g)", family="gaussian", **options):
    return ModelSpec.build(formula, family, **options)


@pytest.mark.parametrize("text", ["~ z + (x | p | g)", "sigma ~ z + (x | p | g)", "z + (x | p | g)", "  ~z+(x|p|g) "])
def test_the_name_may_stand_on_the_left(text):
    part = build(dpar_formulas={"sigma": text}).formula.parameters[0]
    assert (part.name, part.fixed, part.bars[0].effects, part.bars[0].together) == ("sigma", "1 + z", "1 + x", "p")


def test_all_columns_are_the_formulas():
    formula = build(dpar_formulas={"sigma": "~ log(z) + offset(w) + (v | h)"}).formula
    assert formula.predictors == ("x", "z", "v", "w")
    assert formula.group_columns == ("g", "h")
    assert formula.variables == ("y", "x", "z", "v", "w", "g", "h")


def test_links_are_logs_above_a_bound_and_logits_between_two():
    spec = build(family="zero_inflated_negativebinomial", dpar_formulas={"zi": "~ x", "phi": "~ x"})
    assert [(name, link.name) for name, link in spec.links] == [("phi", "log"), ("zi", "logit")]
    spec = build(dpar_formulas={"sigma": "~ x"}, link={"mu": "log", "sigma": "softplus"})
    assert (spec.link.name, spec.links[0][1].name) == ("log", "softplus")
    nu = build(family="student", dpar_formulas={"nu": "~ x"}).channels[0]
    assert nu.inverse(0.0) == pytest.approx(2.0)
    assert nu.linked(2.0) == pytest.approx(0.0)


def test_json_both_ways_and_of_files_before_there_were_such_formulas():
    spec = build(family="student", dpar_formulas={"sigma": "~ z + (x | p | g)"}, link={"sigma": "softplus"})
    assert ModelSpec.from_json(spec.to_json()) == spec
    old = json.loads(build().to_json())
    assert "dpar_formulas" not in old
    assert ModelSpec.from_json(json.dumps(old)) == build()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"dpar_formulas": {"zi": "~ x"}}, FormulaError, "no parameter 'zi'.*'sigma'"),
        ({"dpar_formulas": {"disp": "~ x"}}, FormulaError, "Here it is called 'sigma'"),
        ({"dpar_formulas": {"ziformula": "~ x"}, "family": "zip"}, FormulaError, "Here it is called 'zi'"),
        ({"dpar_formulas": {"mu": "~ x"}}, FormulaError, "first argument"),
        ({"dpar_formulas": {"sigma": "~ x"}, "family": "poisson"}, FormulaError, "All of its parameters"),
        ({"dpar_formulas": {"thresholds": "~ x"}, "family": "cumulative"}, FormulaError, "no parameter 'thresholds'"),
        ({"dpar_formulas": {"power": "~ x"}, "family": "tweedie"}, FormulaError, "no parameter 'power' that takes"),
        ({"dpar_formulas": "sigma ~ x"}, FormulaError, "must be a dictionary"),
        ({"dpar_formulas": {"sigma": 1}}, FormulaError, "must be text"),
        ({"dpar_formulas": {"sigma": "y ~ x"}}, FormulaError, "right side of a formula"),
        ({"dpar_formulas": {"sigma": "~ x ~ z"}}, FormulaError, "right side of a formula"),
        ({"dpar_formulas": {"sigma": "~"}}, FormulaError, "dpar_formulas.'sigma'.: .*nothing on the right"),
        ({"dpar_formulas": {"sigma": "~ y"}}, FormulaError, "response 'y' is also a predictor"),
        ({"dpar_formulas": {"sigma": "~ (1 | p | h)"}}, FormulaError, "only effects of one grouping factor"),
        ({"link": {"sigma": "log"}}, GLMMError, "'sigma' has no formula"),
        ({"dpar_formulas": {"sigma": "~ x"}, "link": {"sigma": "logit"}}, GLMMError, "sigma has no link 'logit'.*log"),
    ],
)
def test_what_cannot_be_is_refused_in_words(options, error, words):
    with pytest.raises(error, match=words):
        build(**options)


@pytest.mark.parametrize("name", ["dispformula", "ziformula", "sigma"])
def test_other_packages_arguments_are_pointed_out(name):
    with pytest.raises(GLMMError, match="dpar_formulas="):
        bg.GLMM("y ~ x", {"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 1.0]}, **{name: "~ x"})


def test_every_default_prior_has_a_median_to_centre_a_formula_at():
    for family in FAMILIES.values():
        for row in family.parameters:
            if row.links:
                assert abs(median(row.prior)) < 100.0


def test_dots_are_written_out_without_response_and_grouping_factors():
    formula = with_parameters(parse_formula("y ~ x + (1 | g)"), {"sigma": "~ ."}, ("y", "x", "z", "g"))
    assert formula.parameters[0].text == "~ (x + z)"


def test_dots_leave_out_the_grouping_factors_of_every_formula():
    formula = build("y ~ .", dpar_formulas={"sigma": "~ . + (1 | `h k`)"}, columns=["y", "x", "z", "h k"]).formula
    assert (formula.text, formula.parameters[0].text) == ("y ~ (x + z)", "~ (x + z) + (1 | `h k`)")
    formula = build(
        "y ~ . + (1 | g)",
        "zero_inflated_negativebinomial",
        dpar_formulas={"zi": "~ (1 | h)", "phi": "~ ."},
        columns=["y", "x", "g", "h"],
    ).formula
    assert [part.fixed for part in formula.parts] == ["1 + x", "1 + x", "1"]


@pytest.mark.parametrize("text", ["~ y", "~ (1 | y)", "~ x +", "~ f(", "~ x | g"])
def test_errors_name_the_parameter_and_quote_what_was_written(text):
    with pytest.raises(FormulaError, match=r"^dpar_formulas\['sigma'\]: ") as raised:
        build("y ~ x", dpar_formulas={"sigma": text})
    assert "y ~" not in str(raised.value)
