"""Every documented model of the registry is read, or refused for what the package has not; nothing else is refused."""

from __future__ import annotations

import contextlib
import csv
import re
from collections import Counter

import pytest

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.formula import parse_formula
from tests.documented.models import HERE, documented_models, made_up_frame, read

#: What refusals say, by what is missing. A text behind a formula, ``; sigma ~ x`` or prose, is refused as such.
BEHIND = "A model is one formula|is no term of a formula"
SAYS = {
    "nonlinear predictors": f"{BEHIND}|nonlinear models are not available|no columns 'a', 'b', 'th'",
    "covariances between rows or levels": f"{BEHIND}|Covariances between levels|must be a column|One response a model",
    "censored times": f"{BEHIND}|Write Surv|is for times until|have one of the families|Cannot read 'Weibull survival",
    "censored responses": f"{BEHIND}|character '#'",
    "choices among alternatives": f"{BEHIND}|must be added with",
    "an equation in place of a formula": "has no '~'",
    "residual variances by level": f"{BEHIND}|Write the formula itself",
    "functions of the user's own": "functions of your own cannot be used|character '.'",
    "smooths": f"{BEHIND}|is of one column",
}


@pytest.fixture(scope="module")
def outcomes():
    return {model.name: read(model) for model in documented_models()}


def test_what_is_read_and_why_the_rest_is_not(outcomes):
    with (HERE / "refused.csv").open(encoding="utf-8") as lines:
        missing = {row["model"]: row["what_is_missing"] for row in csv.DictReader(lines)}
    refused = {name: str(error) for name, error in outcomes.items() if error is not None}
    assert len(outcomes) == 724
    assert sorted(refused.keys() - missing.keys()) == []
    assert sorted(missing.keys() - refused.keys()) == [], "read now: take them off refused.csv"
    unlike = {name: error for name, error in refused.items() if not re.search(SAYS[missing[name]], error)}
    assert unlike == {}
    assert Counter(missing.values()).keys() == SAYS.keys()
    assert len(outcomes) - len(refused) == 649


def test_how_many_texts_are_read_whatever_the_family():
    """The texts alone: families that are not available have readable formulas."""
    read = 0
    for model in documented_models():
        with contextlib.suppress(FormulaError):
            parse_formula(model.written, model.columns)
            read += 1
    assert read == 652


def test_frames_have_the_registrys_columns():
    """Names of every kind are among them, and values a formula's functions can be computed of."""
    names = {name for model in documented_models() for name in made_up_frame(model).columns}
    awkward = {"total.fruits", "yield", "class", "RT..s.", "I", "Jitter...", "WhiteClover-94", "15N", "Exam N-score"}
    assert awkward <= names
