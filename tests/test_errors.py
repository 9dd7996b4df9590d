"""The hint of error messages, and what each error also is."""

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
