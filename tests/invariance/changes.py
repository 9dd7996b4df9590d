"""Ways to write the same data and model, whose answers must be the same under the default priors.

Input: nothing. Output: `PROBLEMS`, each a model and the `Change` records that apply to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

import bayes_glmm as bg

Table = pd.DataFrame


def same(value):
    """Change nothing."""
    return value


@dataclass(frozen=True, eq=False)
class Change:
    """One other way to write a problem.

    Parameters
    ----------
    id
        In words.
    columns
        Rewrites the columns of any rows, those predicted included.
    rows
        Rewrites the rows of the data, after `columns`.
    formula, family
        The model written for them; None where it stays.
    back
        Turns expected responses into those of the problem.
    jacobian
        What the change adds to the log density of one response.
    whole
        Whether a row is still one observation; where it is not, leave-one-out and residuals ask other questions.
    """

    id: str
    columns: Callable[[Table], Table] = same
    rows: Callable[[Table], Table] = same
    formula: str | None = None
    family: str | None = None
    back: Callable[[np.ndarray], np.ndarray] = same
    jacobian: float = 0.0
    whole: bool = True


@dataclass(frozen=True, eq=False)
class Problem:
    """A model, the contrasts asked of it, and the ways to write it.

    `contrasts`: label -> the values of one column that are compared, the rest as observed. `fast`: changes that every
    test run looks at.
    """

    id: str
    data: Callable[[], Table]
    formula: str
    changes: tuple[Change, ...]
    contrasts: Mapping[str, tuple[str, object, object]]
    family: str = "gaussian"
    fast: tuple[str, ...] = ()


# changes -------------------------------------------------------------------------------------------------------------


def assign(**made):
    return lambda table: table.assign(**made)


def shift(name, by):
    return Change(f"{name} + {by:g}", assign(**{name: lambda t: t[name] + by}))


def scale(name, factor):
    return Change(f"{factor:g} {name}", assign(**{name: lambda t: factor * t[name]}))


def levels(name, order):
    """Another reference, the levels' order with it."""
    return Change(f"{name} from {order[0]}", assign(**{name: lambda t: pd.Categorical(t[name], categories=order)}))


def rename(name):
    """Labels that turn the levels' order round."""

    def turned(table):
        known = NAMES[name]
        return table[name].astype(str).map(dict(zip(known, known[::-1], strict=True)))

    return Change(f"{name} renamed", assign(**{name: turned}))


def formula(text):
    return Change(text, formula=text)


def unit(name, factor):
    """Another unit of the response."""
    return Change(
        f"{name} times {factor:g}", assign(**{name: lambda t: factor * t[name]}), back=lambda mean: mean / factor,
        jacobian=-float(np.log(factor)),
    )  # fmt: skip


SHUFFLED = Change("rows shuffled", rows=lambda t: t.sample(frac=1.0, random_state=3))
TURNED = Change("columns reversed", rows=lambda t: t[t.columns[::-1]])
ORDER = (SHUFFLED, TURNED)


def swapped(name):
    """The two categories of a binary response exchanged."""
    return Change(f"{name} swapped", assign(**{name: lambda t: 1 - t[name]}), back=lambda mean: 1 - mean)


def aggregated(by, text):
    """Zeros and ones of one cell added up."""

    def rows(table):
        return table.groupby(by, as_index=False, observed=True)["yes"].agg(["sum", "count"])

    return Change("rows aggregated", rows=rows, columns=assign(sum=0, count=1), formula=text, family="binomial",
                  whole=False)  # fmt: skip


# data ----------------------------------------------------------------------------------------------------------------


def grid(seed=201, groups=24):
    """Groups in twelve years, a factor of three arms and one of two within; responses of several families."""
    rng = np.random.default_rng(seed)
    g, t = (part.ravel() for part in np.meshgrid(np.arange(groups), np.arange(12), indexing="ij"))
    f, h = (g + t) % 3, rng.integers(0, 2, len(g))
    x = (t - 5.5) / 3.5
    b = rng.multivariate_normal([0, 0], [[0.4, 0.1], [0.1, 0.15]], groups)
    eta = np.array([0.0, 0.5, -0.4])[f] + 0.3 * h + 0.4 * x - 0.2 * x**2 + 0.3 * (f == 2) * x + b[g, 0] + b[g, 1] * x
    frame = pd.DataFrame({
        "g": g, "year": 2001.0 + t, "f": np.array(["one", "three", "two"])[f], "h": np.array(["m", "w"])[h],
        "t": h.astype(float), "y": 3 + eta + rng.normal(0, 0.6, len(g)),
        "yes": (rng.uniform(size=len(g)) < expit(eta)).astype(int), "c": rng.poisson(np.exp(0.8 + 0.6 * eta)),
        "pos": rng.gamma(3, np.exp(0.5 * eta) / 3),
    })  # fmt: skip
    return frame.assign(g="g" + frame["g"].astype(str).str.zfill(2))


def sleep():
    rows = bg.load_dataset("sleepstudy")
    return rows.assign(Days=rows["Days"].astype(float), Subject=rows["Subject"].astype(str))


def cbpp():
    rows = bg.load_dataset("cbpp")
    return rows.assign(herd=rows["herd"].astype(str), period="p" + rows["period"].astype(str))


NAMES = {
    "g": sorted(grid()["g"].unique()),
    "f": ["one", "three", "two"],
    "Subject": sorted(sleep()["Subject"].unique()),
    "herd": sorted(cbpp()["herd"].unique()),
}

FACTORS = (levels("f", ["two", "one", "three"]), rename("f"), rename("g"))
YEARS = (shift("year", -2001.0), shift("year", -2006.5), shift("year", 1e5), scale("year", 365.25), scale("year", -1.0))
ARMS_ONLY = {"f three - one": ("f", "three", "one")}
ARMS = {"f three - one": ("f", "three", "one"), "ten years": ("year", 2011.0, 2001.0)}


def sampled(family, response, *more, fast=()):
    """`f * year + (year | g)` in one family."""
    text = f"{response} ~ f * year + (year | g)"
    codings = (
        formula(f"{response} ~ C(f, contr.sum) * year + (year | g)"),
        formula(f"{response} ~ 0 + f + f:year + (year | g)"),
        formula(f"{response} ~ year * f + (1 + year | g)"),
    )
    return Problem(f"f*year + (year | g), {family}", grid, text, (*YEARS, *FACTORS, *codings, *ORDER, *more), ARMS,
                   family, fast)  # fmt: skip


PROBLEMS = [
    sampled("gaussian", "y", unit("y", 1000.0), unit("y", 1e-4),
            Change("y + 1000", assign(y=lambda t: t["y"] + 1000), back=lambda mean: mean - 1000),
            fast=("year + -2006.5", "y ~ 0 + f + f:year + (year | g)")),
    sampled("poisson", "c"),
    sampled("bernoulli", "yes", swapped("yes")),
    sampled("gamma", "pos", unit("pos", 1000.0)),
    sampled("negativebinomial", "c"),
    Problem("a curve of years", grid, "y ~ year + I(year**2) + (1 | g)", (
        *YEARS, unit("y", 1000.0), formula("y ~ poly(year, 2) + (1 | g)"), formula("y ~ I(year**2) + year + (1 | g)"),
        formula("y ~ I(year - 2006) + I((year - 2006)**2) + (1 | g)"), *ORDER,
    ), {"ten years": ("year", 2011.0, 2001.0)}),
    Problem("cells", grid, "y ~ f * h + (1 | g)", (
        *FACTORS, levels("h", ["w", "m"]), formula("y ~ 0 + f:h + (1 | g)"), formula("y ~ 0 + f + f:h + (1 | g)"),
        formula("y ~ h * f + (1 | g)"), formula("y ~ C(f, contr.sum) * C(h, contr.sum) + (1 | g)"),
        formula("y ~ f * t + (1 | g)"), formula("y ~ f * I(1 - t) + (1 | g)"), unit("y", 1e6), *ORDER,
    ), {"f three - one": ("f", "three", "one"), "f two - one": ("f", "two", "one")}),
    Problem("cells, 0/1", grid, "yes ~ f * h + (1 | g)", (
        *FACTORS, levels("h", ["w", "m"]), formula("yes ~ 0 + f:h + (1 | g)"), swapped("yes"),
        aggregated(["f", "h", "g"], "p(sum, count) ~ f * h + (1 | g)"), *ORDER,
    ), {"f three - one": ("f", "three", "one")}, "bernoulli", fast=("rows aggregated",)),
    Problem("a spline a level", grid, "y ~ f * bs(year, df=4) + (1 | g)", (
        shift("year", -2001.0), *FACTORS, formula("y ~ 0 + f + f:bs(year, df=4) + (1 | g)"),
    ), {"ten years": ("year", 2011.0, 2001.0)}),
    Problem("year and 0/1", grid, "y ~ year * t + (year | g)", (
        shift("year", -2001.0), formula("y ~ h / year + (year | g)"), formula("y ~ 0 + h + h:year + (year | g)"),
        formula("y ~ year * I(1 - t) + (year | g)"),
    ), {"ten years": ("year", 2011.0, 2001.0)}),
    Problem("a factor's effects by group", grid, "y ~ f + (f | g)", (
        rename("g"), formula("y ~ 0 + f + (f | g)"), SHUFFLED, levels("f", ["two", "one", "three"]),
        rename("f"), formula("y ~ f + (0 + f | g)"), formula("y ~ f + (C(f, contr.sum) | g)"),
    ), ARMS_ONLY),
    Problem("a factor's slopes by group", grid, "y ~ t * year + (t * year | g)", (
        shift("year", -2001.0), formula("y ~ I(1 - t) * year + (I(1 - t) * year | g)"),
        formula("y ~ t * year + (0 + h + h:year | g)"),
    ), {"ten years": ("year", 2011.0, 2001.0)}),
    Problem("sleepstudy", sleep, "Reaction ~ Days + (Days | Subject)", (
        shift("Days", 2000.0), shift("Days", -4.5), scale("Days", 24.0), unit("Reaction", 1e-3), rename("Subject"),
        *ORDER,
    ), {"nine days": ("Days", 9.0, 0.0)}),
    Problem("cbpp", cbpp, "p(incidence, size) ~ period + (1 | herd)", (
        levels("period", ["p3", "p1", "p2", "p4"]), formula("p(incidence, size) ~ 0 + period + (1 | herd)"),
        formula("p(incidence, size) ~ C(period, contr.sum) + (1 | herd)"), rename("herd"),
        Change("incidence swapped", assign(incidence=lambda t: t["size"] - t["incidence"]), back=lambda mean: 1 - mean),
        *ORDER,
    ), {"period 4 - 1": ("period", "p4", "p1")}, "binomial"),
]  # fmt: skip
