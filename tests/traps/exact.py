"""Separated and sparse data, whose posterior has no likelihood estimate beside it: two coefficients, by quadrature.

The default priors are written out as numbers: the intercept at the predictor's mean is Normal(g(mean response), 2.5),
a coefficient Normal(0, 2.5 / sd(x)), a step between two values Normal(0, 2.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import logit

import bayes_glmm as bg
from tests.published.compare import Comparison, Posterior
from tests.published.draws import parameter

#: The rule's error counts as that of so many draws.
EXACT_DRAWS = 1e9


@dataclass(frozen=True, eq=False)
class Exact:
    """A model of an intercept and one predictor.

    Parameters
    ----------
    id
        What is awkward.
    data
        Columns x (as in the formula) and y.
    family, formula
        The model.
    log_likelihood
        (linear predictors (..., n), y (n,)) -> log density of each row.
    location, step
        Mean of the centred intercept's prior; sd of the coefficient's.
    """

    id: str
    data: Callable[[], pd.DataFrame]
    formula: str
    family: str
    log_likelihood: Callable[[np.ndarray, np.ndarray], np.ndarray]
    location: Callable[[pd.DataFrame], float]
    step: Callable[[pd.DataFrame], float]
    link: str | None = None
    fast: bool = False


def moments(case: Exact) -> dict[str, tuple[float, float]]:
    """Mean and sd of the centred intercept and of the coefficient: the trapezoidal rule over 8 prior sds each way."""
    data = case.data()
    x, y = data["x"].to_numpy(float), data["y"].to_numpy(float)
    unit = case.step(data)
    a = case.location(data) + 2.5 * np.linspace(-8, 8, 601)
    b = unit * np.linspace(-8, 8, 601)
    log_density = stats.norm.logpdf(a, case.location(data), 2.5)[:, None] + stats.norm.logpdf(b, 0, unit)
    offset = np.log(data["e"].to_numpy()) if "e" in data else np.zeros(len(x))
    for xi, yi, oi in zip(x - x.mean(), y, offset, strict=True):
        log_density = log_density + case.log_likelihood(a[:, None] + b * xi + oi, yi)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    # mass at the ends of the grid would mean that it is too short
    assert max(weight[0].sum(), weight[-1].sum(), weight[:, 0].sum(), weight[:, -1].sum()) < 1e-9
    found = {}
    for name, values, mass in (("at mean", a, weight.sum(1)), ("slope", b, weight.sum(0))):
        mean = float(values @ mass)
        found[name] = mean, float(np.sqrt((values - mean) ** 2 @ mass))
    return found


def judge(case: Exact) -> list[Comparison]:
    """Means and sds beside ours."""
    data, known = case.data(), moments(case)
    model = bg.GLMM(case.formula, data, family=case.family, link=case.link)
    fit = model.fit(draws=2500, random_seed=11, progressbar=False)
    slope = parameter(fit, "beta[x]")
    ours = {"at mean": parameter(fit, "Intercept") + slope * data["x"].mean(), "slope": slope}
    return [
        row
        for name, (mean, sd) in known.items()
        for row in Posterior(mean, sd, 1e-6 * sd, EXACT_DRAWS).compare(name, ours[name])
    ]


def _table(x, y, **more):
    return lambda: pd.DataFrame({"x": x, "y": y, **more})


def _bernoulli(eta, y):
    return -np.logaddexp(0, -eta) if y else -np.logaddexp(0, eta)


def _probit(eta, y):
    return stats.norm.logcdf(eta if y else -eta)


def _poisson(eta, y):
    return y * eta - np.exp(eta)


def _logit_mean(data):
    return float(logit(data["y"].mean()))


def _probit_mean(data):
    return float(stats.norm.ppf(data["y"].mean()))


def _by_sd(data):
    return 2.5 / float(data["x"].std())


def _of_two(data):
    return 2.5 / (data["x"].max() - data["x"].min())


YEARS = np.arange(2001.0, 2021.0)
LATE = (YEARS > 2012).astype(int)
ALMOST = np.where(YEARS == 2005, 1, LATE)
ARM = np.repeat([0, 1], 15)

CASES = [
    Exact("separated by the year", _table(YEARS, LATE), "y ~ x", "bernoulli", _bernoulli, _logit_mean, _by_sd,
          fast=True),
    Exact("almost separated by the year", _table(YEARS, ALMOST), "y ~ x", "bernoulli", _bernoulli, _logit_mean,
          _by_sd),
    Exact("separated by the year, probit", _table(YEARS, LATE), "y ~ x", "bernoulli", _probit, _probit_mean, _by_sd,
          "probit"),
    Exact("no event in one arm", _table(ARM, (np.arange(30) < 6).astype(int)), "y ~ x", "bernoulli", _bernoulli,
          _logit_mean, _of_two),
    Exact("an arm coded 2010 and 2011", _table(2010 + ARM, (np.arange(30) < 6).astype(int)), "y ~ x", "bernoulli",
          _bernoulli, _logit_mean, _of_two),
    Exact("one event in twenty years", _table(YEARS, (YEARS == 2010).astype(int)), "y ~ x", "bernoulli", _bernoulli,
          _logit_mean, _by_sd),
    Exact("no count in one arm, exposures of a million", _table(ARM, np.where(ARM == 1, 0, 2), e=np.full(30, 1e6)),
          "y ~ x + offset(log(e))", "poisson", _poisson,
          lambda data: float(np.log(data["y"].mean()) - np.log(1e6)), _of_two),
]  # fmt: skip
