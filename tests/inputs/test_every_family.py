"""Responses that a family cannot have, asked of every family: refused in words before anything is compiled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError, DataWarning
from bayes_glmm.families import FAMILIES
from tests.families.data import small
from tests.families.test_steps import grades

#: A response of each kind, and values it cannot have with the words that say so.
GOOD = {
    "real": "r", "positive": "pos", "nonnegative": "amount", "count": "c", "trials": "p(s, n)", "unit": "share",
    "unit_zero": "low", "unit_closed": "both", "binary": "yes", "ordered": "o", "unordered": "o", "angle": "angle",
}  # fmt: skip
BAD = {
    "real": {np.inf: "is not finite in row 3"},
    "positive": {0.0: "above zero.*'tweedie' or 'hurdle_gamma'.*row 3", -1.0: "above zero", np.inf: "not finite"},
    "nonnegative": {-0.5: "must not be negative for family.*row 3", -np.inf: "not finite"},
    "count": {-1.0: "must not be negative: it holds counts", 1.5: "must be whole.*row 3, for example 1.5"},
    "trials": {-1.0: "must not be negative", 1.5: "must be whole", 50.0: "more successes .* than trials"},
    "unit": {0.0: "strictly between 0 and 1.*of 0 alone 'zero_inflated_beta'", 1.0: "'zero_one_inflated_beta'"},
    "unit_zero": {1.0: "at least 0 and below 1.*'ordbeta'", -0.1: "at least 0"},
    "unit_closed": {1.1: "between 0 and 1 for family", -0.1: "between 0 and 1"},
    "binary": {2.0: "must be 0 or 1", 0.5: "must be 0 or 1"},
    "ordered": {0.5: "must be whole"},
    "angle": {3.2: "must hold radians between -pi and pi.*deg2rad", np.inf: "not finite"},
    "unordered": {0.5: "must be whole: family 'categorical' takes text"},
}
CELLS = [(family.name, value) for family in FAMILIES.values() for value in BAD[family.support]]


def data(support: str) -> tuple[pd.DataFrame, str]:
    """A frame of standard responses, and the column of one kind."""
    frame, rng = small(60), np.random.default_rng(1)
    frame = frame.assign(share=rng.uniform(0.1, 0.9, 60), yes=np.arange(60) // 5 % 2)
    frame["o"] = grades(60)["o"].cat.codes.astype(float)
    return frame, "s" if support == "trials" else GOOD[support]


@pytest.mark.parametrize(("name", "value"), CELLS)
def test_a_response_it_cannot_have_is_refused_with_its_row(name, value):
    support = FAMILIES[name].support
    frame, column = data(support)
    frame[column] = frame[column].astype(float)
    frame.loc[3, column] = value
    with pytest.raises(DataError, match=BAD[support][value]):
        bg.GLMM(f"{GOOD[support]} ~ x + (1 | g)", frame, family=name)


@pytest.mark.parametrize("name", FAMILIES)
def test_missing_and_text_responses(name):
    support = FAMILIES[name].support
    frame, column = data(support)
    formula, missing = f"{GOOD[support]} ~ x + (1 | g)", frame.assign(**{column: frame[column].astype(float)})
    missing.loc[3, column] = np.nan
    with pytest.warns(DataWarning, match=f"1 of 60 rows were dropped for missing values .{column}: 1"):
        assert len(bg.GLMM(formula, missing, family=name).design.response.y) == 59
    if support != "binary":
        with pytest.raises(DataError, match="is text|one category only|holds str values and must be numeric"):
            bg.GLMM(formula, frame.assign(**{column: "many"}), family=name)
