"""How often residual tests call a right model wrong, over families and shapes of grouped data.

Input: nothing; data are drawn from the very model that is fitted. Output: p-values of every test in both modes, kept in
a file that grows by one data set of every cell at a time, and tables for docs/reliability.md, by
``python scripts/reliability.py residual_sizes``. Remove the file after a change that concerns the p-values.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning, DataWarning
from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS

DATA_SETS = 200
ALPHA, MOST = 0.05, 0.08
MODES = ("conditional", "new")
#: Simulated responses a row: with the observed ones 121, of which the outermost six are one in twenty (4.96 %).
_DRAWS = 120
KEPT = Path("out") / "residual_sizes.csv"

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
    "zero_inflated_poisson": (1.0, {"zi": 0.3}),
    "hurdle_gamma": (0.5, {"phi": 3.0, "hu": 0.3}),
    "betabinomial": (-0.5, {"phi": 4.0}),
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
    trials = rng.integers(1, 9, len(g)).astype(float) if entry.support == "trials" else None
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
        fit = model.fit(draws=100, tune=250, random_seed=seed, cores=1, progressbar=False)
    found = {}
    for mode in MODES:
        residuals = bg.simulate_residuals(fit, mode, draws=_DRAWS, random_seed=seed, data=data)
        found[mode] = bg.check_residuals(residuals, time="time", space=("east", "north"))["p_value"]
    return pd.DataFrame(found).T.rename(columns={"time: time": "time"}).rename_axis("mode")


def alarms(family: str, shape: Shape, seeds: Iterable[int]) -> pd.DataFrame:
    """Count the right models that each test calls wrong: a row for each mode, a column for each test."""
    return sum((p_values(family, shape, seed) < ALPHA).astype(int) for seed in seeds)


def grow(kept: Path, sets: int) -> pd.DataFrame:
    """Bring every cell to so many data sets, one each in turn; return the p-values in rows."""
    kept.parent.mkdir(exist_ok=True)
    done = set()
    if kept.exists():
        done = set(pd.read_csv(kept, usecols=["family", "shape", "seed"]).itertuples(index=False, name=None))
    for seed, shape, family in product(range(sets), SHAPES, PARAMETERS):
        if (family, shape.name, seed) not in done:
            long = p_values(family, shape, seed).melt(var_name="test", value_name="p", ignore_index=False).dropna()
            long = long.reset_index().assign(family=family, shape=shape.name, seed=seed)
            long.to_csv(kept, mode="a", header=not kept.exists(), index=False)
    return pd.read_csv(kept)


def counts(found: pd.DataFrame) -> pd.DataFrame:
    """Count alarms by mode, family, shape and test where the test was made, with exact 95 % bounds of their share."""
    each = (found["p"] < ALPHA).groupby([found[name] for name in ("mode", "family", "shape", "test")], sort=False)
    table = each.agg(alarms="sum", sets="count").reset_index()
    bounds = [stats.binomtest(row.alarms, row.sets).proportion_ci() for row in table.itertuples()]
    return table.assign(
        share=table["alarms"] / table["sets"], low=[b.low for b in bounds], high=[b.high for b in bounds]
    )


def tables(found: pd.DataFrame) -> str:
    """Write the counts: the most frequent test of each cell, and every test over all cells."""
    table = counts(found)
    sets = table.groupby(["family", "shape"])["sets"].max()
    between = f"{sets.min()}" if sets.min() == sets.max() else f"{sets.min()} to {sets.max()}"
    over, above = table[table["share"] > MOST], table[table["low"] > MOST]
    chance = stats.binom.sf(np.floor(MOST * table["sets"]), table["sets"], ALPHA).sum()
    lines = [
        f"Data are drawn from the model that is fitted, {between} data sets a cell. A cell holds, of the test that is "
        "most often significant at 5 %, the data sets in which it is, the exact 95 % interval of their share, and its "
        f"name. Of {len(table)} tests in cells {len(over)} have a share above {MOST:.0%} ({chance:.0f} by chance if "
        f"all had a size of 5 %), and {len(above)} significantly so.",
    ]
    for mode in MODES:
        lines += ["", f"`random_effects={mode!r}`:", "", f"| family | {' | '.join(s.name for s in SHAPES)} |"]
        lines.append("| --- |" + " --- |" * len(SHAPES))
        for family in PARAMETERS:
            rows = [table.query("mode == @mode and family == @family and shape == @s.name") for s in SHAPES]
            lines.append(f"| {family} | {' | '.join(map(_most, rows))} |")
    lines += [
        "",
        "Over all cells:",
        "",
        "| test | mode | data sets | mean share | largest share | its interval | where |",
    ]
    lines.append("| --- | --- | --: | --: | --: | --- | --- |")
    for (test, mode), rows in table.groupby(["test", "mode"], sort=False):
        top, sets = rows.loc[rows["low"].idxmax()], rows["sets"].sum()
        lines.append(
            f"| {test} | {mode} | {sets} | {rows['alarms'].sum() / sets:.3f} | {top['share']:.3f} | "
            f"{top['low']:.3f} to {top['high']:.3f} | {top['family']}, {top['shape']} |"
        )
    return "\n".join(lines)


def _most(rows: pd.DataFrame) -> str:
    top = rows.loc[rows["low"].idxmax()]
    return f"{top['alarms']}/{top['sets']} ({top['low']:.3f} to {top['high']:.3f}) {top['test']}"


def section(sets: int = DATA_SETS, kept: Path = KEPT) -> str:
    """Compute and write the tables."""
    return tables(grow(kept, sets))
