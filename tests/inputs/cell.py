"""The words the matrix of inputs is written in: standard data a family, cases, expectations, and what became of a cell.

Input: nothing. Output: `Case`, `Right`, `Warned`, `Refused`; `judge` asks a case of one family and holds the answer to
its expectation.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning, DataWarning, GLMMError

N = 48
REAL, BINARY, COUNTS = ("gaussian", "student"), ("bernoulli",), ("poisson", "negativebinomial")
POSITIVE, UNIT, TRIALS, ORDERED = ("gamma", "lognormal"), ("beta",), ("binomial",), ("cumulative",)
#: One or two of every kind of response; how the others fit and refuse is asked in tests/families.
FAMILIES = tuple(name for name in bg.FAMILIES if name in (*REAL, *BINARY, *COUNTS, *POSITIVE, *UNIT, *TRIALS, *ORDERED))
SPREAD = (*REAL, *POSITIVE, *UNIT)  # a residual spread is estimated
WHOLE = (*BINARY, *TRIALS, *COUNTS)
NUMERIC = tuple(name for name in FAMILIES if name not in ORDERED)
LEFT = {name: "p(y, n)" if name in TRIALS else "y" for name in FAMILIES}
PLAIN = "{y} ~ x + (1 | g)"


@cache
def _standard(family: str) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    x, z = rng.normal(size=N), rng.normal(size=N)
    codes = np.arange(N) % 8
    eta = 0.3 + 0.5 * x + rng.normal(0, 0.5, 8)[codes]
    p = special.expit(eta)
    y = {
        "gaussian": eta + rng.normal(size=N), "student": eta + rng.standard_t(5, N), "bernoulli": rng.binomial(1, p),
        "binomial": rng.binomial(6, p), "poisson": rng.poisson(np.exp(eta)),
        "negativebinomial": rng.poisson(np.exp(eta) * rng.gamma(3, 1 / 3, N)),
        "gamma": np.exp(eta) * rng.gamma(2, 0.5, N),
        "lognormal": np.exp(eta + 0.5 * rng.normal(size=N)), "beta": np.clip(rng.beta(6 * p, 6 * (1 - p)), 0.01, 0.99),
        "cumulative": pd.Categorical.from_codes(
            np.digitize(eta + rng.logistic(size=N), [-0.5, 1.0]), ["low", "mid", "high"], ordered=True
        ),
    }[family]  # fmt: skip
    return pd.DataFrame(
        {
            "y": y, "n": 6, "x": x, "z": z, "f": np.resize(["u", "v", "w"], N), "g": np.array(list("abcdefgh"))[codes],
            "h": np.repeat(list("pqrs"), N // 4), "w": 1.0 + np.arange(N) % 2, "o": 0.1 * z, "e": np.exp(0.2 * z),
        }
    )  # fmt: skip


def standard(family: str, **columns: Any) -> pd.DataFrame:
    """Rows of a model that holds: y (with n trials), x, z, f of 3, g of 8 and h of 4 levels, w, o, e."""
    frame = _standard(family).copy(deep=True)
    for name, values in columns.items():
        frame[name] = values(frame) if callable(values) else values
    return frame


def at(column: str, row: int, value: Any, dtype: Any = float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Change one value of a column; ordered categories become numbers."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column]
        values = (values.cat.codes if isinstance(values.dtype, pd.CategoricalDtype) else values).astype(dtype)
        values.iloc[row] = value
        return frame.assign(**{column: values})

    return change


def columns(**changes: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Replace columns by values or by functions of the frame."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for name, values in changes.items():
            frame = frame.assign(**{name: values(frame) if callable(values) else values})
        return frame

    return change


@dataclass(frozen=True)
class Asked:
    """One model as a user would ask for it."""

    family: str
    formula: str
    data: Any
    options: Mapping[str, Any]

    def model(self) -> bg.GLMM:
        return bg.GLMM(self.formula, self.data, family=self.family, **self.options)


Change = Callable[[pd.DataFrame], Any]
Check = Callable[["Case", Asked, Any], None]


@dataclass(frozen=True)
class Right:
    """The answer holds against `check`, and nothing is said (but `allowed` warnings)."""

    check: Check
    allowed: tuple[type[Warning], ...] = ()


@dataclass(frozen=True)
class Warned:
    """A warning in these words, and the answer holds against `check`."""

    words: str
    check: Check
    category: type[Warning] = DataWarning
    allowed: tuple[type[Warning], ...] = ()


@dataclass(frozen=True)
class Refused:
    """One error of this class in these words."""

    error: type[GLMMError]
    words: str


Expectation = Right | Warned | Refused


@dataclass(frozen=True, eq=False)
class Case:
    """One input, asked of several families.

    `expect` is one expectation, or one by family; `options` those of the model, or a function of the family; `ask` is
    what follows the model: fits, predictions (None: nothing).
    """

    name: str
    expect: Expectation | Mapping[str, Expectation]
    families: tuple[str, ...] = FAMILIES
    formula: str = PLAIN
    change: Change = field(default=lambda frame: frame)
    options: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] = field(default_factory=dict)
    ask: Callable[[Asked, bg.GLMM], Any] | None = None

    def asked(self, family: str, change: Change | None = None, formula: str = "") -> Asked:
        """The model of a family; with another change or formula, the one to compare with."""
        text = (formula or self.formula).replace("{y}", LEFT[family])
        data = (self.change if change is None else change)(standard(family))
        options = self.options(family) if callable(self.options) else self.options
        return Asked(family, text, data, dict(options))

    def expectation(self, family: str) -> Expectation:
        return self.expect[family] if isinstance(self.expect, Mapping) else self.expect

    def answer(self, asked: Asked) -> Any:
        model = asked.model()
        return model if self.ask is None else self.ask(asked, model)


@dataclass(frozen=True)
class Outcome:
    """What became of one cell: "right", "warning" or "error", and in which words."""

    kind: str
    message: str


def judge(case: Case, family: str) -> Outcome:
    """Ask a case of a family, and hold the answer to its expectation."""
    expectation = case.expectation(family)
    asked = case.asked(family)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer, error = case.answer(asked), None
        except GLMMError as raised:
            answer, error = None, raised
    said = [warning for warning in caught if issubclass(warning.category, DataWarning | ConvergenceWarning)]
    stray = [str(warning.message) for warning in caught if warning not in said]
    assert not stray, f"warnings from below: {stray}"
    if isinstance(expectation, Refused):
        assert error is not None, f"no error, but {answer!r:.200}"
        assert isinstance(error, expectation.error), repr(error)
        assert re.search(expectation.words, str(error)), f"{expectation.words!r} is not in {str(error)!r}"
        assert len(str(error)) < 700
        return Outcome("error", str(error))
    if error is not None:
        raise error
    unexpected = [str(w.message) for w in said if not _expected(w, expectation)]
    assert not unexpected, f"not expected: {unexpected}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        expectation.check(case, asked, answer)
    if isinstance(expectation, Right):
        return Outcome("warning", str(said[0].message)) if said else Outcome("right", "")
    found = [str(w.message) for w in said if re.search(expectation.words, str(w.message))]
    assert found, f"{expectation.words!r} was not said, but {[str(w.message) for w in said]}"
    return Outcome("warning", found[0])


def _expected(warning: warnings.WarningMessage, expectation: Right | Warned) -> bool:
    if issubclass(warning.category, expectation.allowed):
        return True
    wanted = isinstance(expectation, Warned) and issubclass(warning.category, expectation.category)
    return wanted and re.search(expectation.words, str(warning.message)) is not None
