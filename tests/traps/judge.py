"""When a posterior under the default priors and a likelihood fit agree; no rule knows which case it judges.

**Coefficients and linear predictors**: the posterior mean lies within 0.2 standard errors of the estimate, plus four
Monte-Carlo errors. A default prior is normal with an sd of 2.5 units of the response a unit of the predictor: an
estimate of one unit with a standard error of half a unit is pulled by (0.5 / 2.5)^2 / 0.5 = 0.08 standard errors, and
the estimates here have smaller standard errors; as much again is for what a posterior mean adds to a mode where the
family is skew.

**Sds**: the posterior mode lies within a quarter of the posterior sd of REML's estimate.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_glmm as bg
from tests.published.compare import Comparison, Estimate, Mode
from tests.published.draws import parameter
from tests.traps.cases import Spread, Trap

FIGURES = Path(__file__).with_name("figures.json")
SHARE = 0.2
#: Rows of each table whose linear predictors are compared.
ROWS = 5


@cache
def figures() -> dict[str, Any]:
    """The likelihood fits, by id."""
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def rows_of(table: pd.DataFrame) -> np.ndarray:
    """Positions of the rows compared, the same in every table of this length."""
    return np.sort(np.random.default_rng(5).choice(len(table), ROWS, replace=False))


def fit_of(case: Trap) -> bg.FittedGLMM:
    model = bg.GLMM(case.formula, case.data(), family=case.family, link=case.link, priors=case.priors)
    return model.fit(draws=1000, random_seed=11, progressbar=False)


def judge(case: Trap) -> list[Comparison]:
    """Every figure of a case beside ours."""
    fit, known = fit_of(case), figures()[case.id]
    rows = _predictors(fit, case, known) if "eta" in known else []
    for ours, (theirs, factor) in case.slopes.items():
        estimate, error = known["coefficients"][theirs]
        draws = parameter(fit, f"beta[{ours}]")
        rows += Estimate(factor * estimate, factor * error, SHARE).compare(f"beta[{ours}]", draws)
    for (group, label), spread in case.spreads.items():
        value = spread.factor * known["spreads"][group if group in known["spreads"] else _turned(group)][spread.r]
        rows += Mode(value).compare(f"sd of {group}, {label}", spread_draws(fit, group, spread))
    return rows


def _turned(group: str) -> str:
    return ":".join(reversed(group.split(":")))


def _predictors(fit: bg.FittedGLMM, case: Trap, known: dict[str, Any]) -> list[Comparison]:
    table = case.data()
    chosen = table.iloc[rows_of(table)]
    draws = bg.predictions(fit, chosen, random_effects="typical", scale="link", draws="dataarray")
    rows = []
    for i, (estimate, error) in enumerate(known["eta"]):
        ours = draws.isel(obs=i).transpose("chain", "draw").values
        figure = Estimate(case.origin + case.unit * estimate, case.unit * error, SHARE)
        rows += figure.compare(f"eta of row {rows_of(table)[i]}", ours)
    return rows


def spread_draws(fit: bg.FittedGLMM, group: str, spread: Spread) -> np.ndarray:
    """(chain, draw) sqrt(z' Sigma z)."""
    sds = [spread.z[name] * parameter(fit, f"sd[{group}][{name}]") for name in spread.z]
    variance = sum(sd**2 for sd in sds)
    if len(sds) == 2:
        variance = variance + 2 * parameter(fit, f"corr[{group}]") * math.prod(sds)
    return np.sqrt(variance)
