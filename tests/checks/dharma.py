"""The situations of DHARMa's vignette, and how often residual tests speak up in them.

Input: nothing; data are simulated as the vignette describes. Output: a table for docs/reliability.md, by
``python scripts/reliability.py residuals``. Beside our tests stand four of DHARMa's own, computed as its manual defines
them from the same posterior predictive simulations, which is what its ``createDHARMa`` does for a Bayesian fit.

Source: Hartig, F. (2024). DHARMa: residual diagnostics for hierarchical (multi-level/mixed) regression models. R
package and its vignette, sections "Recognizing over/underdispersion" to "Notes on particular data types".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning

DATA_SETS = 40
ALPHA = 0.05
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One situation: how the data arise, what is fitted, and what the vignette says the residuals show."""

    name: str
    published: str
    formula: str
    data: Mapping[str, Any]
    seen: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    family: str = "poisson"
    checked: Mapping[str, Any] = field(default_factory=dict)
    at_least: float = 0.8
    mode: str = "conditional"


def create_data(
    rng: np.random.Generator,
    *,
    rows: int,
    intercept: float = 0.0,
    slopes: tuple[float, ...] = (1.0,),
    squares: tuple[float, ...] = (0.0,),
    groups: int = 10,
    group_sd: float = 1.0,
    noise: float | Callable[[Array], Array] = 0.0,
    zeros: float = 0.0,
    rounded: bool = False,
    correlated: str = "",
    binary: bool = False,
) -> pd.DataFrame:
    """Simulate one data set: predictors uniform in (-1, 1), a group's effect, noise on the linear predictor."""
    predictors = rng.uniform(-1, 1, (rows, len(slopes)))
    group = np.arange(rows) * groups // rows
    eta = intercept + predictors @ slopes + group_sd * rng.standard_normal(groups)[group]
    eta = eta + np.square(predictors[:, : len(squares)]) @ squares
    eta = eta + rng.standard_normal(rows) * (noise(eta) if callable(noise) else noise)
    east, north, time = rng.uniform(size=rows), rng.uniform(size=rows), np.arange(rows, dtype=float)
    if correlated:
        places = np.column_stack([east, north]) if correlated == "space" else time[:, None] / 25
        distance = np.sqrt(np.square(places[:, None] - places[None]).sum(axis=-1))
        eta = eta + np.linalg.cholesky(np.exp(-distance / 0.2) + 1e-9 * np.eye(rows)) @ rng.standard_normal(rows)
    if binary:
        y = rng.binomial(1, 1 / (1 + np.exp(-eta)))
    else:
        y = np.round(np.exp(eta)).astype(int) if rounded else rng.poisson(np.exp(np.minimum(eta, 15)))
        y = np.where(rng.random(rows) < zeros, 0, y)
    frame = pd.DataFrame({f"x{j + 1}": predictors[:, j] for j in range(len(slopes))})
    return frame.assign(
        y=y, g=group.astype(str), row=np.arange(rows).astype(str), time=time, east=east, north=north,
        eta=eta, any=rng.permutation(group).astype(str),
    )  # fmt: skip


def more_noise(eta: Array) -> Array:
    """Noise that grows with the distance of the linear predictor from zero."""
    return 2 * np.abs(eta)


CASES = (
    Case("right model", "tests not significant, in 5 % of data sets at most by chance", "y ~ x1 + (1 | g)",
         {"rows": 250}, unseen=("uniformity", "dispersion", "outliers", "zeros", "predicted", "x1", "g")),
    Case("overdispersion, sd 0.5", "dispersion 1.49, p < 1e-15; uniformity, outliers and zeros not significant (one "
         "data set, its test suite)", "y ~ x1", {"rows": 200, "noise": 0.5, "group_sd": 0.0}, seen=("dispersion",),
         at_least=0.7),
    Case("overdispersion, sd 1.5, no groups", "residuals around 0 and 1: uniformity, dispersion, outliers", "y ~ x1",
         {"rows": 200, "noise": 1.5}, seen=("uniformity", "dispersion", "outliers")),
    Case("underdispersion", "residuals around 0.5: uniformity, dispersion", "y ~ x1 + (1 | g)",
         {"rows": 500, "slopes": (2.0,), "group_sd": 0.0, "rounded": True}, seen=("uniformity", "dispersion"),
         unseen=("outliers",)),
    Case("60 % zeros more", "looks like overdispersion; zeros", "y ~ x1 + I(x1**2) + (1 | g)",
         {"rows": 500, "intercept": 2.0, "squares": (-3.0,), "group_sd": 0.0, "zeros": 0.6},
         seen=("uniformity", "dispersion", "zeros")),
    Case("noise grows with the linear predictor", "quantiles against predicted", "y ~ x1",
         {"rows": 500, "intercept": -1.5, "group_sd": 0.0, "noise": np.abs}, seen=("dispersion", "predicted")),
    Case("the same, an effect a row", "the QQ plot looks better, the pattern stays", "y ~ x1 + (1 | g) + (1 | row)",
         {"rows": 500, "group_sd": 0.0, "noise": more_noise}, unseen=("uniformity", "dispersion", "outliers"),
         checked={"groups": "g"}),
    Case("a missing square", "hard to see in general, clear against x1", "y ~ x1 + x2 + (1 | g)",
         {"rows": 200, "intercept": 1.0, "slopes": (1.0, 2.0), "squares": (-3.0, 0.0)}, seen=("x1",)),
    Case("correlated in space", "Moran's I", "y ~ x1", {"rows": 100, "group_sd": 0.0, "correlated": "space"},
         seen=("space",), checked={"space": ("east", "north")}, at_least=0.7),
    Case("correlated in time", "Durbin-Watson", "y ~ x1", {"rows": 100, "group_sd": 0.0, "correlated": "time"},
         seen=("time: time",), checked={"time": "time"}),
    Case("0/1, predictor and groups missing", "no dispersion, no pattern against predicted; clear against "
         "the missing predictor and when grouped; not when grouped at random", "y ~ 1",
         {"rows": 500, "slopes": (5.0,), "group_sd": 3.0, "groups": 25, "binary": True}, family="bernoulli",
         seen=("x1", "g"), unseen=("uniformity", "dispersion", "outliers", "predicted", "any"),
         checked={"predictors": "x1", "groups": ("g", "any")}),
    Case("0/1, probabilities differ", "nothing to see in general; grouped by the probabilities, clear", "y ~ 1",
         {"rows": 1000, "slopes": (2.0,), "group_sd": 0.0, "binary": True}, family="bernoulli",
         seen=("eta",), unseen=("uniformity", "dispersion", "any"), checked={"predictors": "eta", "groups": "any"}),
    # in two of three data sets only: quartiles against x1 have nine degrees of freedom, and this pattern one of them
    Case("an effect a row, drawn again", "the QQ plot looks better, the pattern stays", "y ~ x1 + (1 | g) + (1 | row)",
         {"rows": 500, "group_sd": 0.0, "noise": more_noise}, seen=("x1",), checked={"groups": "g"}, mode="new",
         at_least=0.5),
)  # fmt: skip


def dharma(residuals: xr.Dataset) -> dict[str, float]:
    """p-values of DHARMa's tests by their definition: of scaled residuals, of variances, of counts of zeros."""
    observed, simulated = residuals["observed"].to_numpy(), residuals["simulated"].to_numpy()
    predicted, rng = simulated.mean(axis=0), np.random.default_rng(1)
    below, equal = (simulated < observed).mean(axis=0), (simulated == observed).mean(axis=0)
    scaled = below + rng.random(len(observed)) * equal
    outside = int(np.sum((observed < simulated.min(axis=0)) | (observed > simulated.max(axis=0))))

    def two_sided(value: float, others: Array) -> float:
        return float(min(1.0, 2 * min(np.mean(others <= value), np.mean(others >= value))))

    return {
        "uniformity": float(stats.kstest(scaled, "uniform").pvalue),
        "dispersion": two_sided(np.var(observed - predicted), np.var(simulated - predicted, axis=1)),
        "outliers": float(stats.binomtest(outside, len(observed), 2 / (len(simulated) + 1)).pvalue),
        "zeros": two_sided(np.sum(observed == 0), np.sum(simulated == 0, axis=1)),
    }


def p_values(case: Case, seed: int) -> tuple[pd.Series, dict[str, float]]:
    """Simulate, fit and test once: our p-values and DHARMa's."""
    data = create_data(np.random.default_rng([seed, CASES.index(case)]), **case.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few draws; wrong models
        model = bg.GLMM(case.formula, data, family=case.family)
        fit = model.fit(draws=250, tune=400, random_seed=seed, progressbar=False)
    residuals = bg.simulate_residuals(fit, case.mode, draws=250, random_seed=seed, data=data)
    return bg.check_residuals(residuals, **case.checked)["p_value"], dharma(residuals)


def rejections(case: Case, sets: int = DATA_SETS) -> tuple[pd.Series, pd.Series]:
    """Share of data sets in which each test speaks up at the 5 % level: ours and DHARMa's."""
    found = [p_values(case, seed) for seed in range(sets)]
    return tuple((pd.DataFrame(part) < ALPHA).mean() for part in zip(*found, strict=True))  # type: ignore[return-value]


def section(sets: int = DATA_SETS) -> str:
    """Write the table."""
    lines = [
        f"Shares of {sets} data sets in which a test is significant at 5 %.",
        "",
        "| situation | fitted | DHARMa's vignette | our tests | DHARMa's tests on the same simulations |",
        "| --- | --- | --- | --- | --- |",
    ]

    def shares(found: pd.Series) -> str:
        return ", ".join(f"{name} {share:.2f}" for name, share in found.items())

    for case in CASES:
        ours, theirs = rejections(case, sets)
        lines.append(f"| {case.name} | `{case.formula}` | {case.published} | {shares(ours)} | {shares(theirs)} |")
    return "\n".join(line.replace(" | g)", " \\| g)").replace(" | row)", " \\| row)") for line in lines)
