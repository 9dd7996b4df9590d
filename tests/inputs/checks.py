"""What "right" means: the same arrays as those of the plain table, the same posterior up to a unit, a known answer.

Input: a case, what was asked, and the answer. Output: nothing, or an AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

import bayes_glmm as bg
from bayes_glmm.glmm.fitted import FittedGLMM
from tests.inputs.cell import Asked, Case, Change, Check

SEED = 20240501


def fit(asked: Asked, model: bg.GLMM) -> FittedGLMM:
    """Sample at the defaults."""
    return model.fit(random_seed=SEED, progressbar=False)


def approximate(asked: Asked, model: bg.GLMM) -> FittedGLMM:
    """Draw from the Laplace approximation: what a check of names and labels needs a posterior for."""
    return model.fit(method="laplace", draws=25, chains=2, random_seed=SEED, progressbar=False)


def everything(asked: Asked, model: bg.GLMM) -> FittedGLMM:
    """Fit and ask what a user asks next, so that no name collides with those of results."""
    fitted = approximate(asked, model)
    repr(model), model.equation(), fitted.summary(random_effects=True)
    rows = model.design.frame.iloc[:3]
    bg.posterior_predictive(fitted, rows, draws=5, random_seed=1)
    if model.design.groups:
        bg.random_effects(fitted)
    for name in model.spec.formula.predictors:
        bg.comparisons(fitted, name, newdata=rows)
    return fitted


def same_arrays(model: bg.GLMM, reference: bg.GLMM) -> None:
    ours, theirs = model.design, reference.design
    np.testing.assert_array_equal(ours.X, theirs.X)
    np.testing.assert_array_equal(ours.offset, theirs.offset)
    np.testing.assert_array_equal(ours.response.y, theirs.response.y)
    for name in ("trials", "weights"):
        values, expected = getattr(ours.response, name), getattr(theirs.response, name)
        assert (values is None) == (expected is None)
        if values is not None:
            np.testing.assert_array_equal(values, expected)
    assert len(ours.groups) == len(theirs.groups)
    for term, expected in zip(ours.groups, theirs.groups, strict=True):
        np.testing.assert_array_equal(term.codes, expected.codes)
        np.testing.assert_array_equal(term.Z, expected.Z)
        assert term.size == expected.size
    # the prior of every parameter, whatever it is called
    assert [row.prior for row in model.prior_table] == [row.prior for row in reference.prior_table]


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def same(change: Change = _plain, formula: str = "") -> Check:
    """The arrays and priors are those of another change of the table (by default, none)."""

    def check(case: Case, asked: Asked, answer: Any) -> None:
        model = answer.model if isinstance(answer, FittedGLMM) else answer
        same_arrays(model, case.asked(asked.family, change, formula).model())

    return check


def holds(condition: Callable[[Any], bool]) -> Check:
    """A condition of the answer."""

    def check(case: Case, asked: Asked, answer: Any) -> None:
        assert condition(answer)

    return check


def coefs(*names: str) -> Check:
    """The design has these coefficients, in this order."""

    def check(case: Case, asked: Asked, answer: Any) -> None:
        found = answer.design.coefs
        assert found == tuple(name for name in names if name != "Intercept" or asked.family != "cumulative"), found

    return check


_references: dict[tuple[Any, ...], FittedGLMM] = {}


def _reference(case: Case, family: str, change: Change, formula: str) -> FittedGLMM:
    key = (family, formula or case.formula, change, repr(case.options))
    if key not in _references:
        asked = case.asked(family, change, formula)
        _references[key] = fit(asked, asked.model())
    return _references[key]


def like(
    change: Change = _plain, formula: str = "", only: str = "", shift: Mapping[str, float] | None = None, **units: float
) -> Check:
    """The posterior of beta is that of another change of the table, in the unit of each coefficient and shifted.

    Means and sds within five Monte-Carlo standard errors of the two runs.
    """

    def check(case: Case, asked: Asked, answer: FittedGLMM) -> None:
        ours, theirs = _beta(answer), _beta(_reference(case, asked.family, change, formula))
        assert ours.index.tolist() == theirs.index.tolist()
        for term in [only] if only else ours.index:
            row, expected, unit = ours.loc[term], theirs.loc[term], units.get(str(term), 1.0)
            mean = row["mean"] * unit + (shift or {}).get(str(term), 0.0)
            error = np.hypot(row["sd"] * unit / row["ess_bulk"] ** 0.5, expected["sd"] / expected["ess_bulk"] ** 0.5)
            assert abs(mean - expected["mean"]) < 5 * error, (term, mean, expected["mean"], error)
            # twice the error of a normal's sd: intercepts have longer tails
            spread = 2 * np.hypot(*(1 / np.sqrt(2 * size) for size in (row["ess_tail"], expected["ess_tail"])))
            assert abs(np.log(row["sd"] * unit / expected["sd"])) < 5 * spread, (term, row["sd"] * unit, expected["sd"])

    return check


def _beta(fitted: FittedGLMM) -> pd.DataFrame:
    table = pd.DataFrame(fitted.summary())
    return table[table["component"] == "fixed"].set_index("term")


def finite(case: Case, asked: Asked, answer: FittedGLMM) -> None:
    """Every draw is finite, and so is every prediction."""
    assert all(np.isfinite(values).all() for values in answer.posterior.data_vars.values())
    assert np.isfinite(bg.predictions(answer)["estimate"]).all()


def said_in_notes(words: str) -> Check:
    """The draws are finite, and the diagnosis says this of them."""

    def check(case: Case, asked: Asked, answer: FittedGLMM) -> None:
        finite(case, asked, answer)
        assert any(words in note for note in answer.diagnose().notes), answer.diagnose().notes

    return check


def beta_near(**expected: tuple[float, float]) -> Check:
    """Posterior means of coefficients within a tolerance of a known answer."""

    def check(case: Case, asked: Asked, answer: FittedGLMM) -> None:
        means = _beta(answer)["mean"]
        for term, (value, tolerance) in expected.items():
            assert abs(means[term] - value) < tolerance, (term, means[term], value)

    return check


def both(*checks: Check) -> Check:
    def check(case: Case, asked: Asked, answer: Any) -> None:
        for each in checks:
            each(case, asked, answer)

    return check


def levels(**expected: tuple[Any, ...] | int) -> Check:
    """Grouping factors have these levels, or so many."""

    def check(case: Case, asked: Asked, answer: Any) -> None:
        model = answer.model if isinstance(answer, FittedGLMM) else answer
        for name, wanted in expected.items():
            term = model.design.group(name.replace("__", ":"))
            assert (term.size if isinstance(wanted, int) else term.levels) == wanted, term.levels

    return check
