"""Hard data: small clusters of 0/1 responses that differ a lot, where the Laplace approximation is poor; large factors.

Input: nothing; the data are simulated, built in or the package's. Output: cases of the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.case import Case


def nested(rows: int, seed: int = 1) -> pd.DataFrame:
    """Return children of mothers of communities: one to three a mother, ten mothers a community, sds 2.5 and 1.3."""
    rng = np.random.default_rng(seed)
    communities = int(rows / 12.5)
    mothers = 10 * communities
    children = rng.choice([1, 2, 3], size=mothers, p=[0.78, 0.19, 0.03])
    while children.sum() != rows:
        mother, change = rng.integers(mothers), np.sign(rows - children.sum())
        children[mother] = np.clip(children[mother] + change, 1, 3)
    mother = np.repeat(np.arange(mothers), children)
    community = mother // 10
    x1, x2, x3 = rng.normal(size=rows), rng.normal(size=mothers)[mother], rng.normal(size=communities)[community]
    eta = 0.3 + 0.5 * x1 + 0.5 * x2 - 0.5 * x3
    eta += rng.normal(0.0, 2.5, mothers)[mother] + rng.normal(0.0, 1.3, communities)[community]
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-eta))).astype("int64")
    names = {"community": [f"c{i}" for i in community], "mother": [f"m{i}" for i in mother]}
    return pd.DataFrame({"y": y, "x1": x1, "x2": x2, "x3": x3, **names})


def pairs(levels: int, seed: int = 1) -> pd.DataFrame:
    """Return two 0/1 rows a level, without predictors; the sd is 2.5."""
    rng = np.random.default_rng(seed)
    level = np.repeat(np.arange(levels), 2)
    eta = 0.3 + rng.normal(0.0, 2.5, levels)[level]
    y = (rng.random(2 * levels) < 1.0 / (1.0 + np.exp(-eta))).astype("int64")
    return pd.DataFrame({"y": y, "g": [f"g{i}" for i in level]})


def toenail() -> pd.DataFrame:
    """Return the package's toenail data with the outcome as 0 and 1."""
    import bayes_glmm as bg

    frame: pd.DataFrame = bg.load_dataset("toenail")
    frame.attrs = {}
    frame["outcome"] = (frame["outcome"] == "moderate or severe").astype("int64")
    return frame


def wine() -> pd.DataFrame:
    """Return the bitterness of 72 glasses by nine judges (Randall 1989)."""
    ratings = "23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244".split()
    values = [int(rating) for judge in ratings for rating in judge]
    return pd.DataFrame(
        {
            "rating": pd.Categorical(values, ordered=True),
            "temp": np.tile(np.repeat(["cold", "warm"], 4), 9),
            "contact": np.tile(np.repeat(["no", "yes"], 2), 18),
            "judge": np.repeat([f"j{judge}" for judge in range(1, 10)], 8),
        }
    )


def crossed(rows: int, seed: int = 1) -> pd.DataFrame:
    """Return normal responses of 2000 levels crossed with 500, sds 0.7, 0.5 and one within."""
    rng = np.random.default_rng(seed)
    g, h, x = rng.integers(2000, size=rows), rng.integers(500, size=rows), rng.normal(size=rows)
    y = 1.0 + 0.5 * x + 0.7 * rng.normal(size=2000)[g] + 0.5 * rng.normal(size=500)[h] + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{i}" for i in g], "h": [f"h{i}" for i in h]})


def _packaged(name: str, ordered: str | None = None) -> Callable[[], pd.DataFrame]:
    """Load a data set of the package, a response of ordered categories marked as such."""

    def load() -> pd.DataFrame:
        import bayes_glmm as bg

        frame: pd.DataFrame = bg.load_dataset(name)
        frame.attrs = {}
        if ordered is not None:
            frame[ordered] = pd.Categorical(frame[ordered], ordered=True)
        return frame

    return load


def _sized(simulator: Callable[[int], pd.DataFrame], size: int) -> Callable[[], pd.DataFrame]:
    return lambda: simulator(size)


_NESTED = "y ~ x1 + x2 + x3 + (1 | community) + (1 | mother)"

HARD = (
    *(
        Case(f"nested-{rows}", _NESTED, "bernoulli", _sized(nested, rows), rows, part="hard")
        for rows in (2000, 10_000, 40_000)
    ),
    Case("toenail", "outcome ~ treatment * time + (1 | patientID)", "bernoulli", toenail, 1908, part="hard"),
    *(
        Case(f"pairs-{levels}", "y ~ 1 + (1 | g)", "bernoulli", _sized(pairs, levels), 2 * levels, part="hard")
        for levels in (1000, 4000, 20_000)
    ),
    Case(
        "Chem97-score",
        "score ~ gcsecnt + gender + (1 | school) + (1 | lea)",
        "cumulative",
        _packaged("Chem97", "score"),
        31_022,
        part="hard",
    ),
    Case("crossed-100000", "y ~ x + (1 | g) + (1 | h)", "gaussian", _sized(crossed, 100_000), 100_000, part="hard"),
    Case(
        "InstEval",
        "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
        "gaussian",
        _packaged("InstEval"),
        73_421,
        part="hard",
    ),
    Case("wine", "rating ~ temp + contact + (1 | judge)", "cumulative", wine, 72, part="hard"),
)
