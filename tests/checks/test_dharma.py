"""Residual tests in the situations of DHARMa's vignette: they say there what the vignette says."""

from __future__ import annotations

import pytest
from scipy import stats

from tests.checks import dharma

#: No right test rejects more often in so many data sets, but in one of a thousand runs.
CHANCE = stats.binom.ppf(0.999, dharma.DATA_SETS, dharma.ALPHA) / dharma.DATA_SETS


@pytest.mark.slow
@pytest.mark.parametrize("case", dharma.CASES, ids=lambda case: case.name)
def test_what_the_vignette_sees_is_seen(case):
    ours, theirs = dharma.rejections(case)
    print(case.name, ours.round(2).to_dict(), theirs.round(2).to_dict())
    assert all(ours[test] >= case.at_least for test in case.seen), ours
    assert all(ours[test] <= CHANCE for test in case.unseen), ours
    for test in {"uniformity", "dispersion", "zeros"} & set(case.seen):
        assert ours[test] >= theirs[test] - 0.1, (test, ours, theirs)
