"""The same questions asked of two ways to write a model, and when the answers agree.

Means differ by at most four Monte-Carlo errors, both sides' together, and log sds by four errors of a log sd. Numbers
without draws of their own (elpd, residual p-values) are compared with those of the problem's own fit under other seeds:
within as many of their sds as leave the same tail of a t distribution as four leave of a normal one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import arviz as az
import numpy as np
import pandas as pd
from scipy import stats

import bayes_glmm as bg
from tests.invariance.changes import Change, Problem
from tests.published.compare import Comparison, Posterior, mcse

DRAWS = 1000
#: Rows whose predictions are compared.
ROWS = 6
#: Fits of the problem itself from which the Monte-Carlo error of elpd and p-values is taken.
SEEDS = 12
ITSELF = Change("itself")


@dataclass(frozen=True)
class Answers:
    """Draws (chain, draw) of what has them, and numbers of what has not."""

    draws: dict[str, np.ndarray]
    numbers: dict[str, float]


def fit_of(problem: Problem, change: Change, seed: int) -> bg.FittedGLMM:
    table = change.rows(change.columns(problem.data()))
    model = bg.GLMM(change.formula or problem.formula, table, family=change.family or problem.family)
    return model.fit(draws=DRAWS, random_seed=seed, progressbar=False)


def ask(problem: Problem, change: Change, seed: int) -> Answers:
    """Predictions, contrasts, variance shares; elpd and residual p-values where a row is still one observation."""
    fit = fit_of(problem, change, seed)
    numbers = checks(fit, change, seed) if change.whole else {}
    return Answers(predicted(fit, problem, change) | shares(fit, problem, change), numbers)


def predicted(fit: bg.FittedGLMM, problem: Problem, change: Change) -> dict[str, np.ndarray]:
    table = problem.data()
    rows = np.sort(np.random.default_rng(4).choice(len(table), ROWS, replace=False))
    found = {}
    for meaning in ("conditional", "marginal"):
        draws = bg.predictions(fit, change.columns(table.iloc[rows]), random_effects=meaning, draws="dataarray")
        values = change.back(draws.transpose("obs", "chain", "draw").values)
        found |= {f"row {row}, {meaning}": value for row, value in zip(rows, values, strict=True)}
    for label, (name, *values) in problem.contrasts.items():
        high, low = (average(fit, change.columns(table.assign(**{name: value})), change) for value in values)
        found[label] = high - low
    return found


def average(fit: bg.FittedGLMM, table: pd.DataFrame, change: Change) -> np.ndarray:
    draws = bg.avg_predictions(fit, table, random_effects="marginal", draws="dataarray")
    return change.back(np.squeeze(draws.transpose("chain", "draw", ...).values))


def shares(fit: bg.FittedGLMM, problem: Problem, change: Change) -> dict[str, np.ndarray]:
    draws = bg.variance_components(fit, change.columns(problem.data()), draws="dataarray")
    variances = draws.transpose("quantity", "chain", "draw").values
    names = [f"share of {one} {group}".strip() for one, group in zip(draws.component.values, draws.group.values,
                                                                     strict=True)]  # fmt: skip
    return dict(zip(names, variances / variances.sum(0), strict=True))


def checks(fit: bg.FittedGLMM, change: Change, seed: int) -> dict[str, float]:
    loo = bg.loo(fit, random_seed=seed, progressbar=False)
    tests = bg.check_residuals(bg.simulate_residuals(fit, random_seed=seed), predictors=[])
    return {"elpd": float(loo.elpd) - change.jacobian * loo.n_data_points} | {
        f"p-value of {name}": float(value) for name, value in tests["p_value"].items() if name != "zeros"
    }


@cache
def answers_of(problem: Problem, seed: int) -> Answers:
    return ask(problem, ITSELF, seed)


def judge(problem: Problem, change: Change) -> list[Comparison]:
    """Every answer of one way to write a problem beside that of the problem as it is."""
    ours, theirs = ask(problem, change, 101), answers_of(problem, 1)
    rows = []
    for name, draws in theirs.draws.items():
        known = Posterior(float(draws.mean()), float(draws.std()), mcse(draws), _draws_behind_sd(draws))
        rows += known.compare(name, ours.draws[name])
    if ours.numbers:
        rows += [_number(name, value, problem) for name, value in ours.numbers.items()]
    return rows


def _draws_behind_sd(draws: np.ndarray) -> float:
    """Effective draws of the squared deviations, which an sd's error comes from."""
    return float(az.ess((draws - draws.mean()) ** 2))


def _number(name: str, value: float, problem: Problem) -> Comparison:
    known = np.array([answers_of(problem, seed).numbers[name] for seed in range(1, SEEDS + 1)])
    errors = float(stats.t.isf(stats.norm.sf(4), SEEDS - 1)) * math.sqrt(1 + 1 / SEEDS)
    # a p-value that no seed moves is compared to its rounding
    allowed = errors * float(known.std(ddof=1)) + 1e-9
    return Comparison(name, "value", value, float(known.mean()), value - float(known.mean()), allowed)
