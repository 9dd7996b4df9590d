"""The data sets and models of the benchmark, one record each.

Input: the package's data sets and simulators. Output: data frames that every peer reads as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.case import Case
from benchmarks.hard import HARD


def _dataset(name: str) -> Callable[[], pd.DataFrame]:
    def load() -> pd.DataFrame:
        import bayes_glmm as bg

        frame: pd.DataFrame = bg.load_dataset(name)
        frame.attrs = {}
        return frame

    return load


def _with_outcome(name: str, column: str, rule: Callable[[pd.DataFrame], pd.Series]) -> Callable[[], pd.DataFrame]:
    """Load a data set and write an outcome as 0 and 1, which every peer takes."""

    def load() -> pd.DataFrame:
        frame = _dataset(name)()
        frame[column] = rule(frame).astype("int64")
        return frame

    return load


def _simulated(rows: int) -> Callable[[], pd.DataFrame]:
    def load() -> pd.DataFrame:
        from bayes_glmm.datasets import simulate

        frame: pd.DataFrame = simulate("logistic", rows=rows, groups=max(20, rows // 100), random_seed=1)
        frame.attrs = {}
        return frame

    return load


LISTED = (
    Case(
        "cbpp",
        "p(incidence, size) ~ period + (1 | herd)",
        "binomial",
        _dataset("cbpp"),
        56,
        r_response="cbind(incidence, size - incidence)",
    ),
    Case(
        "sleepstudy",
        "Reaction ~ Days + (Days | Subject)",
        "gaussian",
        _dataset("sleepstudy"),
        180,
        bambi_drops_correlation=True,
    ),
    Case(
        "Contraception",
        "use ~ age + urban + livch + (urban | district)",
        "bernoulli",
        _with_outcome("Contraception", "use", lambda d: d["use"] == "Y"),
        1934,
        bambi_drops_correlation=True,
    ),
    Case("epil", "y ~ lbase * trt + lage + V4 + (1 | subject)", "negativebinomial", _dataset("epil"), 236),
    Case(
        "VerbAgg",
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        "bernoulli",
        _with_outcome("VerbAgg", "r2", lambda d: d["r2"] == "Y"),
        7584,
    ),
    Case("Chem97", "score ~ gcsecnt + (1 | lea)", "gaussian", _dataset("Chem97"), 31022),
    Case(
        "Chem97-top",
        "top ~ gcsecnt + gender + (1 | school)",
        "bernoulli",
        _with_outcome("Chem97", "top", lambda d: d["score"] > 5),
        31022,
    ),
)


def _owls() -> pd.DataFrame:
    """Return the begging of barn owl nestlings, with the logarithm of the brood's size."""
    from tests.families.data import owls

    frame = owls()
    return frame.assign(log_brood=np.log(frame["BroodSize"]))


_MIXED = ("ours", "bambi-pymc", "bambi-nutpie", "glmmTMB")
FAMILIES = (
    Case(
        "Owls",
        "SiblingNegotiation ~ FoodTreatment + SexParent + offset(log_brood) + (1 | Nest)",
        "zero_inflated_poisson",
        _owls,
        599,
        part="families",
        peers=_MIXED,
    ),
    Case(
        "cbpp-betabinomial",
        "p(incidence, size) ~ period + (1 | herd)",
        "beta_binomial",
        _dataset("cbpp"),
        56,
        r_response="cbind(incidence, size - incidence)",
        part="families",
        peers=_MIXED,
    ),
)

SERIES = tuple(
    Case(f"simulated-{rows}", "y ~ x1 + x2 + (1 | group)", "bernoulli", _simulated(rows), rows, part="series")
    for rows in (10**3, 10**4, 10**5, 10**6)
)

CASES = {case.name: case for case in (*LISTED, *FAMILIES, *SERIES, *HARD)}
