"""The functions of formulas: R's values on the data of the fit and on new rows, what they remember, what they refuse."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.design.design import build_design
from bayes_glmm.design.transforms import TRANSFORMS
from bayes_glmm.errors import DataError, DataWarning, PredictionError
from bayes_glmm.spec.functions import FUNCTIONS
from bayes_glmm.spec.model_spec import ModelSpec

#: What R makes of the same texts: written by functions.R.
FIGURES = json.loads(Path(__file__).with_name("functions.json").read_text())
DATA, NEW = pd.DataFrame(FIGURES["data"]), pd.DataFrame(FIGURES["new"])


def build(terms, data=DATA, groups=""):
    rows = len(data)
    y = np.random.default_rng(3).normal(size=rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # products of few rows are collinear
        return build_design(ModelSpec.build(f"y ~ {terms}{groups}"), data.assign(y=y, g=np.arange(rows) % 5))


@pytest.mark.parametrize("case", FIGURES["terms"], ids=lambda case: case["term"])
def test_columns_are_those_of_r(case):
    design = build(case["term"])
    np.testing.assert_allclose(design.X, np.array(case["X"]), rtol=1e-8, atol=1e-9)
    if case["new"] is not None:
        np.testing.assert_allclose(design.at(NEW).X, np.array(case["new"]), rtol=1e-8, atol=1e-9)
