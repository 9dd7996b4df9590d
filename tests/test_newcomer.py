"""What a newcomer gets wrong, through ``bg.GLMM`` and what follows it: one clear error, before anything is compiled.

Each row: what was wrong, how it was asked for, the error, and words of its message, the culprit among them. More of the
same at the rooms' doors: tests/design/test_bad_inputs.py, tests/spec/, tests/model/test_priors.py.
"""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import (
    DataError,
    DataWarning,
    FormulaError,
    GLMMError,
    PredictionError,
    PriorError,
    SamplingError,
)

N = 24


def data(**columns) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "recovered": np.resize([0, 1, 1, 0, 1], N),
            "cases": rng.integers(0, 4, N),
            "animals": 4,
            "visits": rng.poisson(3.0, N),
            "weight": rng.normal(60.0, 8.0, N),
            "dose": rng.normal(size=N),
            "ward": np.resize(["red", "green", "blue"], N),
            "hospital": np.resize(["A", "B", "C", "D", "E", "F"], N),
        }
    )
    return frame.assign(**columns)


def at(row: int, value: float, column: str) -> dict:
    values = data()[column].to_numpy().astype(np.result_type(type(value), data()[column].dtype))
    values[row] = value
    return {column: values}


RECOVERY = "recovered ~ dose + (1 | hospital)"
COUNTS = "visits ~ dose + (1 | hospital)"
SHARES = "p(cases, animals) ~ dose + (1 | hospital)"
WEIGHT = "weight ~ dose + (1 | hospital)"

WRONG = {
    "misspelt column": (WEIGHT.replace("dose", "doze"), data(), {}, DataError, "no column 'doze'. Did you mean 'dose'"),
    "misspelt response": ("wieght ~ dose", data(), {}, DataError, "no column 'wieght'. Did you mean 'weight'"),
    "missing group column": (WEIGHT, data().drop(columns="hospital"), {}, DataError, "no column 'hospital'"),
    "group in the index": (WEIGHT, data().set_index("hospital"), {}, DataError, "'hospital'.*reset_index"),
    "response 1 and 2": (RECOVERY, data(recovered=np.resize([1, 2], N)), {"family": "bernoulli"}, DataError,
                         r"'recovered' must be 0 or 1.*I\(recovered - 1\)"),
    "response not in {0, 1}": (RECOVERY, data(**at(3, 5, "recovered")), {"family": "bernoulli"}, DataError,
                               "'recovered' must be 0 or 1.*row 3"),
    "three levels": ("ward ~ dose", data(), {"family": "bernoulli"}, DataError, "'ward'.*two levels; it has 3"),
    "more successes than trials": (SHARES, data(**at(7, 9, "cases")), {"family": "binomial"}, DataError,
                                   r"more successes \(cases\) than trials \(animals\) in row 7: 9 of 4"),
    "fractional successes": (SHARES, data(**at(7, 1.5, "cases")), {"family": "binomial"}, DataError,
                             "'cases' must be whole.*row 7"),
    "proportion without trials": ("recovered ~ dose", data(recovered=np.linspace(0.1, 0.9, N)), {"family": "binomial"},
                                  DataError, r"p\(round\(recovered \* n\), n\)"),
    "negative counts": (COUNTS, data(**at(2, -3, "visits")), {"family": "poisson"}, DataError,
                        "'visits' must not be negative.*row 2"),
    "fractional counts": (COUNTS, data(**at(2, 2.5, "visits")), {"family": "negativebinomial"}, DataError,
                          "'visits' must be whole.*row 2"),
    "zero weight, gamma": (WEIGHT, data(**at(2, 0.0, "weight")), {"family": "gamma"}, DataError,
                           "'weight' must be above zero.*row 2"),
    "one level only": (WEIGHT, data(hospital="A"), {}, DataError, "'hospital' has one level only"),
    "one level of a factor": ("weight ~ ward", data(ward="red"), {}, DataError, "'ward' has one level only"),
    "empty frame": (WEIGHT, data().iloc[:0], {}, DataError, "no rows"),
    "one row": (WEIGHT, data().iloc[:1], {}, DataError, "two rows"),
    "all rows missing": (WEIGHT, data(dose=np.nan), {}, DataError, "Every row has a missing value.*dose"),
    "missing values refused": (WEIGHT, data(**at(2, np.nan, "dose")), {"missing": "error"}, DataError,
                               "1 of 24 rows.*dose: 1"),
    "numbers as text": (WEIGHT, data(weight=[str(i) for i in range(N)]), {}, DataError,
                        "'weight' holds str values and must be numeric.*pd.to_numeric"),
    "predictor as text": (WEIGHT.replace("dose", "log(dose)"), data(dose=[str(i / 2) for i in range(N)]), {}, DataError,
                          "log.. needs numbers and was given text, '0.0'.*pd.to_numeric"),
    "text response": ("ward ~ dose", data(), {}, DataError, "response 'ward'.*must be numeric"),
    "constant response": (WEIGHT, data(weight=60.0), {}, DataError, "'weight' is constant"),
    "constant predictor": (WEIGHT, data(dose=1.0), {}, DataError, "'dose' is constant"),
    "infinite predictor": (WEIGHT, data(**at(4, np.inf, "dose")), {}, DataError, "'dose' is not finite in row 4"),
    "log of zero": ("visits ~ offset(log(dose))", data(dose=0.0), {"family": "poisson"}, DataError,
                    r"'log\(dose\)' is not finite"),
    "dates": (WEIGHT, data(dose=pd.date_range("2024", periods=N)), {}, DataError, "'dose' holds dates"),
    "not a table": (WEIGHT, [1, 2, 3], {}, DataError, "must be a pandas or polars DataFrame"),
    "columns of two lengths": ("y ~ x", {"y": [1.0, 2.0], "x": [1.0]}, {}, DataError, "different lengths"),
    "column twice": (WEIGHT, pd.concat([data(), data()[["dose"]]], axis=1), {}, DataError,
                     "more than one column named 'dose'"),
    "column called Intercept": ("weight ~ Intercept", data(Intercept=data()["dose"]), {}, DataError, "'Intercept'"),
    "no tilde": ("weight dose", data(), {}, FormulaError, "~"),
    "bracket left open": ("weight ~ dose + (1 | hospital", data(), {}, FormulaError, r"\("),
    "bar without brackets": ("weight ~ dose + 1 | hospital", data(), {}, FormulaError, r"\|"),
    "same effect twice": ("weight ~ (1 | hospital) + (dose | hospital)", data(), {}, FormulaError, "appears twice"),
    "unknown function": ("weight ~ logg(dose)", data(), {}, FormulaError, "'logg'.*'log'"),
    "number as a term": ("weight ~ dose - 2019", data(), {}, FormulaError, r"'2019' is no term; .* I\(x - 1\)"),
    "blank in a name": ("weight ~ `dose` + body mass", data(), {}, FormulaError, "^[^1]*Missing operator.*`body mass`"),
    "brms's intercept": ("weight ~ 0 + Intercept + dose", data(), {}, DataError, "Write 1 for the intercept"),
    "bar from a typeset page": ("weight ~ dose + (1∣hospital)", data(), {}, FormulaError, "write [|]"),
    "tilde from a typeset page": ("weight ∼ dose", data(), {}, FormulaError, "position 8; write ~"),
    "some numbers, some not": ("weight ~ as.numeric(ward)", data(ward=np.resize(["1", "2", "n/a"], N)), {}, DataError,
                               r"numbers themselves: '1', '2'. These are none: 'n/a'.*pd.to_numeric"),
    "glmmTMB's argument": (WEIGHT, data(), {"ziformula": "~1"}, GLMMError, "zero inflation is part of the family"),
    "code in the formula": ("weight ~ __import__('os').getcwd()", data(), {}, FormulaError, "__import__"),
    "attribute access": ("weight ~ dose.sum()", data(), {}, GLMMError, "dose"),
    "sum recomputed on new rows": ("weight ~ I(dose / sum(dose))", data(), {}, FormulaError, "sum"),
    "misspelt family": (WEIGHT, data(), {"family": "gausian"}, GLMMError, "'gausian'. Did you mean 'gaussian'"),
    "misspelt link": (RECOVERY, data(), {"family": "bernoulli", "link": "logitt"}, GLMMError, "'logitt'.*'logit'"),
    "link of another family": (WEIGHT, data(), {"link": "logit"}, GLMMError, "'logit'"),
    "misspelt prior": (WEIGHT, data(), {"priors": {"beta[doze]": bg.Prior("Normal", 0, 1)}}, PriorError,
                       r"'beta\[doze\]'.*Did you mean 'beta\[dose\]'"),
    "prior that is no prior": (WEIGHT, data(), {"priors": {"sd": 3}}, PriorError, "'sd'"),
    "misspelt missing=": (WEIGHT, data(), {"missing": "dropp"}, GLMMError, "'drop'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_one_clear_error(name):
    formula, frame, arguments, error, words = WRONG[name]
    with pytest.raises(error, match=words) as caught:
        bg.GLMM(formula, frame, **arguments)
    # the error itself, not one wrapped around another library's
    assert isinstance(caught.value, GLMMError) and caught.value.__cause__ is None
    assert len(str(caught.value)) < 600


def test_nothing_is_compiled_or_even_imported_before_the_error():
    code = f"""
import sys
sys.path.insert(0, {str(__file__.rsplit("/", 1)[0])!r})
import bayes_glmm as bg, test_newcomer as t
for formula, frame, arguments, error, words in t.WRONG.values():
    try:
        bg.GLMM(formula, frame, **arguments)
    except error:
        continue
    raise SystemExit("no error")
print([name for name in ("pymc", "pytensor", "nutpie") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stdout + done.stderr


FITTING = [
    ({"draws": 0}, "draws= must be a whole number of at least 1, not 0"),
    ({"chains": 0}, "chains= must be"),
    ({"backend": "stan"}, "no backend 'stan'.*'kernel'"),
    ({"method": "metropolis"}, "no method 'metropolis'.*'nuts'"),
    ({"target_accept": 1.5}, "target_accept= must lie between 0 and 1"),
    ({"random_seed": -1}, "random_seed= must be"),
]


@pytest.mark.parametrize(("arguments", "words"), FITTING)
def test_wrong_settings_of_a_fit(arguments, words):
    with pytest.raises(SamplingError, match=words):
        bg.GLMM(WEIGHT, data()).fit(**arguments, progressbar=False)


ASKING = [
    (lambda fit: bg.predictions(fit, random_effects="marginl"), "'marginl'.*Did you mean 'marginal'"),
    (lambda fit: bg.predictions(fit, {"period": ["1"], "size": [10]}), "no column 'herd'"),
    (lambda fit: bg.predictions(fit, {"period": ["5"], "herd": ["1"], "size": [9]}), "'period'.*did not see: '5'"),
    (
        lambda fit: bg.predictions(fit, {"period": ["1"], "herd": ["99"], "size": [9]}),
        "'herd' were not in the data.*'99'",
    ),
    (lambda fit: bg.comparisons(fit, "perod"), "no predictor 'perod'. Did you mean 'period'"),
    (lambda fit: bg.comparisons(fit, "period", comparison="odds"), "'odds'.*'odds_ratio'"),
    (lambda fit: bg.slopes(fit, "period"), "'period'.*has no slope"),
    (lambda fit: bg.grid(fit, perod=[1]), "'perod'.*'period'"),
]


@pytest.mark.parametrize(("call", "words"), ASKING)
def test_wrong_questions_to_a_fit(cbpp_fit, call, words):
    with pytest.raises(PredictionError, match=words):
        call(cbpp_fit)


def test_what_is_suspicious_is_said_and_kept():
    """Rows dropped, and a binary response in words: warnings that name the column."""
    with pytest.warns(DataWarning, match="1 of 24 rows.*dose: 1"):
        assert len(bg.GLMM(WEIGHT, data(**at(2, np.nan, "dose"))).design.index) == N - 1
    with pytest.warns(DataWarning, match="'yes' is counted as the event"):
        bg.GLMM(RECOVERY, data(recovered=np.resize(["no", "yes", "yes"], N)), family="bernoulli")
    with pytest.warns(DataWarning, match=r"'animals' holds numbers as text, such as '4', .*C\(animals\); if not"):
        bg.GLMM(WEIGHT + " + animals", data(animals=np.resize(["3", "4"], N)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bg.GLMM(RECOVERY, data(), family="bernoulli")
        bg.GLMM(WEIGHT + " + C(animals)", data(animals=np.resize(["3", "4"], N)))


def test_a_users_table_may_be_mutated_afterwards():
    frame = data()
    model = bg.GLMM(WEIGHT, frame)
    X = model.design.X.copy()
    frame.loc[:, "dose"] = 0.0
    np.testing.assert_array_equal(model.design.X, X)
