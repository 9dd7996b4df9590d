"""The hint of error messages, and what each error also is."""

import numpy as np
import pytest

from bayes_glmm import errors

NAMES = ["Intercept", "size", "period", "Period2"]


@pytest.mark.parametrize(
    ("name", "valid", "hint"),
    [
        ("perod", NAMES, "Did you mean 'period'? Valid names: 'period', 'Period2', 'Intercept', 'size'."),
        ("SIZE", NAMES, "Did you mean 'size'? Valid names: 'size', 'Intercept', 'period', 'Period2'."),
        ("zzz", ["a", "b", "a"], "Valid names: 'a', 'b'."),
        ("x", [], "There are no valid names."),
        ("3", [1, 2, 3], "Did you mean 3 (int, not str)? Valid values: 3, 1, 2."),
        (np.int64(3), ["2", "3"], "Did you mean '3' (str, not int)? Valid names: '3', '2'."),
        (9, [90, 91], "Valid values: 90, 91."),
        ("x", (f"c{j}" for j in range(23)), "Valid names: " + ", ".join(f"'c{j}'" for j in range(20)) + " and 3 more."),
    ],
)
def test_nearest(name, valid, hint):
    assert errors.nearest(name, valid) == hint


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.FormulaError, ValueError),
        (errors.DataError, ValueError),
        (errors.PriorError, ValueError),
        (errors.SamplingError, RuntimeError),
        (errors.PredictionError, ValueError),
    ],
)
def test_errors_are_also_builtin_errors(error, builtin):
    assert issubclass(error, errors.GLMMError)
    assert issubclass(error, builtin)
