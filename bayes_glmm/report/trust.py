"""Whether answers can be relied on, in words: priors, simulated data, residuals. Input: a fit. Output: blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.checks.notes import model_notes
from bayes_glmm.checks.predictive import predictive_check
from bayes_glmm.checks.residual_tests import check_residuals
from bayes_glmm.checks.residuals import simulate_residuals
from bayes_glmm.families import DISCRETE
from bayes_glmm.plots import residuals as draw_residuals
from bayes_glmm.printing.document import Block, Captioned, Items, Words
from bayes_glmm.printing.numbers import p_value, written
from bayes_glmm.printing.table import Table, in_words
from bayes_glmm.report.figures import picture
from bayes_glmm.report.sentences import counted, listed, sentence

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

#: Simulated responses in all, simulated data sets at least and at most, and rows beyond which none are simulated.
_MOST_SIMULATED, _FEWEST, _MOST, _MOST_ROWS = 4_000_000, 100, 500, 100_000
_SEED = 1
_CALLED = {"zeros": "share of zeros", "mean": "mean", "sd": "sd", "min": "smallest response", "max": "largest response"}


def note_blocks(fit: Fit) -> Iterator[Block]:
    """Say what answers depend on besides the data.

    Parameters
    ----------
    fit
        The fit.

    Yields
    ------
    Block
        A list, or the sentence that there is nothing to say.
    """
    notes = model_notes(fit)
    if notes:
        yield Words("What the answers depend on besides the data:")
        yield Items(notes)
    else:
        groups = ", no sd at zero, no grouping factor with few levels" if fit.model.design.groups else ""
        yield Words(
            "Nothing was found that makes the answers depend on more than the data: no separation"
            f"{groups}, no prior that decides."
        )


def simulation_blocks(fit: Fit, prob: float) -> Iterator[Block]:
    """Compare the responses with what the model makes, and test residuals.

    Parameters
    ----------
    fit
        The fit.
    prob
        Probability of the intervals.

    Yields
    ------
    Block
        Sentences, tables, a figure.
    """
    rows = len(fit.model.design.index)
    if rows > _MOST_ROWS:
        yield Words(
            f"Data were not simulated for {rows:,} rows, which would take minutes and gigabytes: "
            "predictive_check(fit) and check_residuals(simulate_residuals(fit)) do it."
        )
        return
    draws = int(np.clip(_MOST_SIMULATED // rows, _FEWEST, _MOST))
    yield from _predictive(fit, draws, prob)
    yield from _residuals(fit, draws)


def _statistics(fit: Fit) -> tuple[str, ...]:
    if fit.model.spec.family.support == "unordered":
        return fit.model.spec.family.categories
    support = fit.model.spec.family.support
    if support == "binary":
        return ("mean",)
    if support == "ordered":
        return ("mean", "sd")
    return ("mean", "sd", "zeros", "max") if support in DISCRETE else ("mean", "sd", "min", "max")


def _predictive(fit: Fit, draws: int, prob: float) -> Iterator[Block]:
    tables = [predictive_check(fit, stat, draws=draws, random_seed=_SEED, ci_prob=prob) for stat in _statistics(fit)]
    table = Table(pd.concat(tables, ignore_index=True))
    inside = table["observed"].between(table["lower"], table["upper"])
    support = fit.model.spec.family.support
    of = {"ordered": "category codes 0, 1, ...", "trials": "numbers of successes"}.get(support, "responses")
    drawn = counted(int(tables[0].attrs["draws"]), "simulated data set")
    yield Words(f"The model was used to simulate new data: {drawn} with the same {_kept(fit)}.")
    told = [_compared(row, of) for _, row in table[~inside].iterrows()]
    fine = [_called(stat) for stat in table.loc[inside, "stat"]]
    if fine:
        told.append(f"The model reproduces the {listed(fine)} of the {of}.")
    yield Items(tuple(told))
    grid = in_words(Table(table.assign(stat=table["stat"].map(_called)).drop(columns="rows")).grid(), prob)
    yield Captioned(grid, f"Statistics of the {of}, and of those the model makes: mean and {prob:.0%} interval.")


def _called(stat: str) -> str:
    return _CALLED.get(stat, stat)


def _kept(fit: Fit) -> str:
    """Name what simulated data have in common with the data."""
    model = fit.model
    parts = ("predictors",) if model.spec.formula.predictors else ()
    return listed(["rows", *parts, *(("groups",) if model.design.groups else ())])


def _compared(row: pd.Series, of: str) -> str:
    place = None
    observed, lower, upper = written([float(row[name]) for name in ("observed", "lower", "upper")], place)
    side = "above" if row["observed"] > row["upper"] else "below"
    return f"The {_called(row['stat'])} of the {of}, {observed}, lies {side} what the model makes ({lower} to {upper})."


def _residuals(fit: Fit, draws: int) -> Iterator[Block]:
    simulated = simulate_residuals(fit, draws=draws, random_seed=_SEED)
    tests = check_residuals(simulated)
    wrong = tests[tests["p_value"] < tests.attrs["alpha"]]
    yield Words(
        f"Residuals are where each response lies among those the model would have made, {counted(len(tests), 'test')} "
        f"of them; a right model has {tests.attrs['alpha'] * len(tests):.2g} p-values below "
        f"{tests.attrs['alpha']:g} on average."
    )
    if len(wrong):
        yield Items(tuple(f"{name}: {row['verdict']} ({p_value(row['p_value'])})" for name, row in wrong.iterrows()))
    else:
        yield Words("None of the tests finds a sign of a problem.", strong=True)
    yield Captioned(in_words(Table(tests).grid(), None), "Tests of the residuals.")
    signs = f"signs of a problem in {listed([str(name) for name in wrong.index])}" if len(wrong) else "no test objects"
    alternative = sentence(
        "Four panels of residuals: their quantiles beside uniform ones, a histogram, and residuals over the prediction "
        f"and over a predictor or group with their quartiles; {signs}"
    )
    caption = "Residuals: on the dashed lines where the model is right. Points are responses, lines single draws."
    yield picture("residuals", lambda: draw_residuals(simulated, tests), alternative, caption)
