"""The matrix: every awkward input, by the part of a model it is about, asked of every family where it makes sense.

Input: the tables of the modules named here. Output: `INPUTS`, and which cells the fast tests take.
"""

from __future__ import annotations

from dataclasses import replace

from tests.inputs import amounts, formulas, groups, names, predictors, questions, responses, tables
from tests.inputs.cell import Case, Refused
from tests.inputs.checks import everything, fit

INPUTS: dict[str, tuple[Case, ...]] = {
    "responses": responses.CASES,
    "sizes, trials, weights, offsets": amounts.CASES,
    "predictors": predictors.CASES,
    "grouping factors": groups.CASES,
    "tables": tables.CASES,
    "names": names.CASES,
    "formulas, links, priors": formulas.CASES,
    "fits, new rows, questions": questions.CASES,
}
_PREFIX = {"responses": "response", "predictors": "predictor", "grouping factors": "group", "tables": "table"}
INPUTS = {
    part: tuple(replace(case, name=f"{_PREFIX[part]}: {case.name}") if part in _PREFIX else case for case in cases)
    for part, cases in INPUTS.items()
}
CASES = tuple(case for cases in INPUTS.values() for case in cases)
CELLS = tuple((case, family) for case in CASES for family in case.families)


def is_refused_by_the_model(case: Case, family: str) -> bool:
    """Whether the error comes before there is a model to fit or to ask."""
    return case.ask is None and isinstance(case.expectation(family), Refused)


def is_fast(index: int, case: Case, family: str) -> bool:
    """Take one or two families of a case in turn, one where it is fitted: every input and family within a minute."""
    wanted = 1 if case.ask in (fit, everything) else 1 + index % 2
    return (case.families.index(family) - index) % len(case.families) < wanted


FAST = tuple(
    (case, family) for index, case in enumerate(CASES) for family in case.families if is_fast(index, case, family)
)
