"""A published fit: what was fitted to what, and the figures that our posterior must have.

Input: nothing. Output: `Case`, `fit_of` (cached, so that cases of one model share a fit) and `judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

import bayes_glmm as bg
from tests.published.compare import Comparison, Figure
from tests.published.data import Data
from tests.published.draws import parameter

#: Our parameter: its name, or what makes its draws of a fit.
Ours = str | Callable[["bg.FittedGLMM"], np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """One published fit.

    Parameters
    ----------
    id
        Its name in ``../shared/reference``, where that holds it, and in the table.
    figures
        Published name -> our parameter and its figure.
    source
        Who published the figures.
    criterion
        In words, what counts as agreement.
    formula, data, family, link, priors, center
        The model. Likelihood fits have the default priors unless these are stated.
    draws, sampler
        Kept draws of each of four chains, and further arguments of ``fit``.
    fast
        Whether every test run looks at it.
    more
        Further figures, computed when the case is judged.
    limited
        Figures that are known to be wrong ("sd of sigma"), and how that is known.
    """

    id: str
    formula: str
    data: Data
    source: str
    criterion: str
    figures: Mapping[str, tuple[Ours, Figure]] = field(default_factory=dict)
    family: str = "gaussian"
    link: str | None = None
    priors: Mapping[str, bg.Prior] = field(default_factory=dict)
    center: bool = True
    draws: int = 2500
    sampler: Mapping[str, float] = field(default_factory=dict)
    fast: bool = False
    more: Callable[[bg.FittedGLMM], list[Comparison]] | None = None
    limited: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Identity:
    """Figures that need no fit."""

    id: str
    source: str
    criterion: str
    compare: Callable[[], list[Comparison]]
    fast: bool = True
    limited: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotYet:
    """A published fit that no case covers, and why."""

    id: str
    source: str
    reason: str


@cache
def frame(data: Data) -> pd.DataFrame:
    return data()


def fit_of(case: Case) -> bg.FittedGLMM:
    stated = (tuple(given.items()) for given in (case.priors, case.sampler))
    return _fit(case.formula, case.data, case.family, case.link, case.center, case.draws, *stated)


@cache
def _fit(formula, data, family, link, center, draws, priors, sampler) -> bg.FittedGLMM:
    model = bg.GLMM(formula, frame(data), family=family, link=link, priors=dict(priors), center=center)
    return model.fit(draws=draws, random_seed=20, progressbar=False, **dict(sampler))


def judge(case: Case | Identity) -> list[Comparison]:
    """Every figure of a case beside ours."""
    if isinstance(case, Identity):
        return case.compare()
    fit = fit_of(case)
    rows = [row for name, (ours, figure) in case.figures.items() for row in figure.compare(name, draws_of(fit, ours))]
    return rows + (case.more(fit) if case.more else [])


def draws_of(fit: bg.FittedGLMM, ours: Ours) -> np.ndarray:
    return parameter(fit, ours) if isinstance(ours, str) else ours(fit)
