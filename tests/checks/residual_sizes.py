"""How often residual tests call a right model wrong, over families and shapes of grouped data.

Input: nothing; data are drawn from the very model that is fitted. Output: p-values of every test in both modes, and a
table for docs/reliability.md, by ``python scripts/reliability.py residual_sizes``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning, DataWarning
from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS

DATA_SETS = 200
ALPHA = 0.05
MODES = ("conditional", "new")
_DRAWS = 250

#: The intercept (on the link scale) and auxiliary parameters that data are drawn with.
PARAMETERS: dict[str, tuple[float, dict[str, Any]]] = {
    "gaussian": (0.0, {"sigma": 1.0}),
    "student": (0.0, {"sigma": 0.7, "nu": 4.0}),
    "bernoulli": (-0.3, {}),
    "binomial": (-0.5, {}),
    "poisson": (0.3, {}),
    "negativebinomial": (0.8, {"phi": 2.0}),
    "gamma": (0.5, {"phi": 3.0}),
    "lognormal": (0.5, {"sigma": 0.6}),
    "beta": (0.2, {"phi": 8.0}),
    "cumulative": (0.0, {"thresholds": np.array([[-1.0, 0.3, 1.3]])}),
}


@dataclass(frozen=True)
class Shape:
    """How rows are grouped: the bars of the formula, and the levels of their factors, by row."""

    name: str
    bars: str
    levels: dict[str, np.ndarray]


def _blocks(levels: int, rows: int) -> np.ndarray:
    return np.repeat(np.arange(levels), rows)


SHAPES = (
    *(
        Shape(f"{levels} x {rows}", "(1 | g)", {"g": _blocks(levels, rows)})
        for levels, rows in ((5, 100), (20, 20), (100, 5), (300, 2))
    ),
    Shape("crossed 20 x 15", "(1 | g) + (1 | h)", {"g": _blocks(20, 15), "h": np.tile(np.arange(15), 20)}),
    Shape("nested 20 x 5 x 4", "(1 | g / h)", {"g": _blocks(20, 20), "h": np.tile(_blocks(5, 4), 20)}),
    Shape("slope, 40 x 8", "(x | g)", {"g": _blocks(40, 8)}),
)


def right_data(family: str, shape: Shape, seed: int) -> tuple[str, pd.DataFrame]:
    """Draw one data set, sd 0.7 of every factor's effects and 0.4 of slopes; with the formula it was drawn from."""
    rng = np.random.default_rng([seed, list(FAMILIES).index(family), SHAPES.index(shape)])
    g = shape.levels["g"]
    data = pd.DataFrame({"x": rng.uniform(-1, 1, len(g))})
    intercept, parameters = PARAMETERS[family]
    eta = intercept + 0.8 * data["x"].to_numpy() + 0.7 * rng.standard_normal(g.max() + 1)[g]
    if "h" in shape.levels:
        h = pd.factorize(g * 1000 + shape.levels["h"])[0] if "/" in shape.bars else shape.levels["h"]
        eta = eta + 0.7 * rng.standard_normal(h.max() + 1)[h]
    if shape.bars.startswith("(x"):
        eta = eta + 0.4 * rng.standard_normal(g.max() + 1)[g] * data["x"].to_numpy()
    entry = FAMILIES[family]
    trials = rng.integers(1, 9, len(g)).astype(float) if family == "binomial" else None
    link = LINKS[entry.links[0]]
    mu = link.inverse(eta) if entry.probabilities is None else entry.probabilities(eta[None], link, parameters)[0]
    data["y"] = np.asarray(entry.simulate(rng, mu, parameters, trials), dtype=float)
    if family == "beta":
        data["y"] = data["y"].clip(1e-9, 1 - 1e-9)
    for name, codes in shape.levels.items():
        data[name] = np.char.add(name, codes.astype(str))
    place = data.groupby("g").cumcount().to_numpy(dtype=float)
    data = data.assign(time=place, east=rng.uniform(size=len(g)), north=rng.uniform(size=len(g)))
    if trials is not None:
        data["size"] = trials
    response = "p(y, size)" if trials is not None else "y"
    return f"{response} ~ x + {shape.bars}", data


def p_values(family: str, shape: Shape, seed: int) -> pd.DataFrame:
    """Draw, fit and test once: a row for each mode, a column for each test."""
    formula, data = right_data(family, shape, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few draws
        warnings.simplefilter("ignore", DataWarning)  # a response that looks like another family's
        model = bg.GLMM(formula, data, family=family)
        fit = model.fit(draws=250, tune=400, random_seed=seed, cores=1, progressbar=False)
    found = {}
    for mode in MODES:
        residuals = bg.simulate_residuals(fit, mode, draws=_DRAWS, random_seed=seed, data=data)
        found[mode] = bg.check_residuals(residuals, time="time", space=("east", "north"))["p_value"]
    return pd.DataFrame(found).T.rename(columns={"time: time": "time"})


def sizes(family: str, shape: Shape, seeds: Iterable[int]) -> pd.DataFrame:
    """Share of right models that each test calls wrong: a row for each mode, a column for each test."""
    found = [p_values(family, shape, seed) for seed in seeds]
    return sum((each < ALPHA).astype(float) for each in found) / len(found)


def tables(found: dict[tuple[str, str], pd.DataFrame], sets: str) -> str:
    """Write shares, by (family, shape's name), as one table a mode: the most frequent test of each cell."""
    lines = [
        f"Data are drawn from the model that is fitted, {sets}; a cell holds the largest share of data sets, over all "
        "tests, in which a test is significant at 5 %, and which test that is."
    ]
    for mode in MODES:
        lines += ["", f"`random_effects={mode!r}`:", "", f"| family | {' | '.join(s.name for s in SHAPES)} |"]
        lines.append("| --- |" + " --- |" * len(SHAPES))
        for family in FAMILIES:
            cells = []
            for shape in SHAPES:
                shares = found[family, shape.name].loc[mode].dropna()
                cells.append(f"{shares.max():.3f} {shares.idxmax()}" if shares.max() else "0")
            lines.append(f"| {family} | {' | '.join(cells)} |")
    whole = pd.concat(found, names=["family", "shape", "mode"])
    lines += ["", "Over all cells:", "", "| test | mode | mean share | largest share |", "| --- | --- | --: | --: |"]
    for test in whole.columns:
        for mode in MODES:
            shares = whole[test].xs(mode, level="mode").dropna()
            if len(shares):
                lines.append(f"| {test} | {mode} | {shares.mean():.3f} | {shares.max():.3f} |")
    return "\n".join(lines)


def section(sets: int = DATA_SETS, families: Sequence[str] = tuple(FAMILIES)) -> str:
    """Compute and write the tables."""
    found = {(family, shape.name): sizes(family, shape, range(sets)) for family in families for shape in SHAPES}
    return tables(found, f"{sets} data sets a cell")
