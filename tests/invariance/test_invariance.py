"""Answers under the default priors do not depend on how data and model are written."""

from __future__ import annotations

import pytest

from tests.invariance.changes import PROBLEMS
from tests.invariance.judge import judge

PAIRS = [
    pytest.param(
        problem, change, id=f"{problem.id}: {change.id}", marks=[] if change.id in problem.fast else [pytest.mark.slow]
    )
    for problem in PROBLEMS
    for change in problem.changes
]


@pytest.mark.parametrize(("problem", "change"), PAIRS)
def test_the_way_it_is_written_does_not_matter(problem, change):
    missed = [str(row) for row in judge(problem, change) if not row.reached]
    assert not missed
