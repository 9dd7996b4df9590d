"""Random formulas: what is printed reads back as the same model, blanks and backticks change nothing."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_glmm.design.design import Design, build_design
from bayes_glmm.errors import DataWarning
from bayes_glmm.spec.formula import Formula, parse_formula
from bayes_glmm.spec.model_spec import ModelSpec
from tests.properties.strategies import FAST, LARGE, Problem, priors, problems, spaced

KEYS = ["Intercept", "beta", "beta[x]", " beta[ x ]", "sd[g][x]", "sd", "corr[g]", "sigma", "phi", "beta[f[v]]"]


def design_of(formula: str | Formula, problem: Problem) -> Design:
    spec = ModelSpec.build(formula, problem.family, problem.link)
    with warnings.catch_warnings():
        # random columns may be collinear, or a group hold one row
        warnings.simplefilter("ignore", DataWarning)
        return build_design(spec, problem.data)


def assert_same(one: Design, other: Design) -> None:
    assert one.coefs == other.coefs
    pairs = [(one.X, other.X), (one.offset, other.offset), (one.response.y, other.response.y)]
    pairs += [(one.response.trials, other.response.trials), (one.response.weights, other.response.weights)]
    for term, twin in zip(one.groups, other.groups, strict=True):
        assert (term.name, term.levels, term.coefs, term.blocks) == (twin.name, twin.levels, twin.coefs, twin.blocks)
        pairs += [(term.codes, twin.codes), (term.Z, twin.Z)]
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


def written(formula: Formula) -> str:
    """Write a formula from its parts, every bar by itself."""
    left = formula.response.expression
    if formula.response.trials is not None:
        left = f"p({left}, {formula.response.trials})"
    if formula.response.weights is not None:
        left = f"weighted({left}, {formula.response.weights})"
    offsets = [f"offset({text})" for text in formula.offsets]
    bars = [
        f"({bar.effects} {'|' if bar.correlated else '||'} {':'.join(f'`{name}`' for name in bar.group)})"
        for bar in formula.bars
    ]
    return f"{left} ~ {' + '.join([formula.fixed, *offsets, *bars])}"


def parts(formula: Formula) -> tuple:
    return formula.response, formula.fixed, formula.offsets, formula.bars


def check_printing(problem: Problem) -> None:
    formula = parse_formula(problem.formula)
    assert parse_formula(str(formula)) == formula
    assert parts(parse_formula(written(formula))) == parts(formula)
    design = design_of(formula, problem)
    assert_same(design_of(str(formula), problem), design)
    assert_same(design_of(written(formula), problem), design)
    assert set(formula.variables) <= set(problem.data.columns)


@given(problems())
@FAST
def test_a_printed_formula_is_the_formula(problem):
    check_printing(problem)


@pytest.mark.slow
@given(problems())
@LARGE
def test_a_printed_formula_is_the_formula_in_many_more(problem):
    check_printing(problem)


def check_blanks(problem: Problem, data) -> None:
    text = data.draw(spaced(problem.formula))
    formula = parse_formula(text)
    assert parse_formula(str(formula)) == formula
    assert not re.search(r"\s\s|[\n\r\t]", re.sub(r"`[^`]*`|'[^']*'", "q", str(formula)))
    assert_same(design_of(text, problem), design_of(problem.formula, problem))


@given(problems(), st.data())
@FAST
def test_blanks_and_newlines_change_nothing(problem, data):
    check_blanks(problem, data)


@pytest.mark.slow
@given(problems(), st.data())
@LARGE
def test_blanks_and_newlines_change_nothing_in_many_more(problem, data):
    check_blanks(problem, data)


def backticked(text: str) -> str:
    """Put every plain column name that stands outside quotes and backticks in backticks."""
    names = r"(?<![\w.'\"`])(x\.y|grösse|log_|_z|pos2|flag|yes|pos|wt|g3|[xwfkghabmrnscuoe])(?![\w.(='\"`])"
    pieces = re.split(r"(`[^`]*`|'[^']*')", text)
    return "".join(piece if i % 2 else re.sub(names, r"`\1`", piece) for i, piece in enumerate(pieces))


@given(problems())
@FAST
def test_backticks_around_any_name_change_nothing(problem):
    text = backticked(problem.formula)
    assert parse_formula(text).variables == parse_formula(problem.formula).variables
    ours, theirs = design_of(text, problem), design_of(problem.formula, problem)
    assert_same(ours, theirs)


@given(problems(), st.dictionaries(st.sampled_from(KEYS), priors(), max_size=4), st.booleans(), st.booleans())
@FAST
def test_a_specification_is_what_its_json_says(problem, stated, center, drop):
    stated = {key: prior for key, prior in stated.items() if key != " beta[ x ]" or "beta[x]" not in stated}
    missing = "drop" if drop else "error"
    spec = ModelSpec.build(problem.formula, problem.family, problem.link, stated, center=center, missing=missing)
    again = ModelSpec.from_json(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()
    assert [key for key, _ in again.priors] == [key.replace(" ", "") for key in stated]
