"""Models at awkward scales have the answers of the same models at friendly ones, found by other programs."""

from __future__ import annotations

from dataclasses import replace

import pytest

import bayes_glmm as bg
from tests.traps import exact
from tests.traps.cases import CASES
from tests.traps.judge import figures, judge


def named(cases):
    return [pytest.param(case, id=case.id, marks=[] if case.fast else pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("case", named(CASES))
def test_traps(case):
    missed = [str(row) for row in judge(case) if not row.reached]
    assert not missed


@pytest.mark.parametrize("case", named(exact.CASES))
def test_separated_and_sparse_data(case):
    missed = [str(row) for row in exact.judge(case) if not row.reached]
    assert not missed


def test_every_case_has_its_figures_and_no_other():
    assert {case.id for case in CASES} == set(figures())
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_rule_notices_a_prior_at_the_wrong_origin():
    """Normal(0, 2.5 s / sd(column)) on the coefficients as reported: the product's column has an sd of 1000 years."""
    case = next(case for case in CASES if case.id == "treat*year, gaussian")
    table = case.data()
    product = table["treat"] * table["year"]
    narrow = bg.Prior("Normal", 0, 2.5 * table["y"].std() / product.std())
    rows = judge(replace(case, priors={"beta[treat:year]": narrow}))
    assert max(row.ratio for row in rows if row.name == "beta[treat:year]") > 3
