"""Hypothesis strategies: random small frames, random formulas that fit them, and the profiles the tests run under."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bayes_glmm.families import FAMILIES
from bayes_glmm.priors import PRIORS, Prior

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

#: What the default run uses: the same examples every time, nothing kept on disk.
FAST = settings(derandomize=True, deadline=None, database=None, max_examples=30, suppress_health_check=_QUIET)
#: What `-m slow` uses.
LARGE = settings(FAST, max_examples=1000)

#: Families whose every link is tried; of the others, whose rows are composed, the first: a link is the same in all.
_EVERY_LINK = (
    *("gaussian", "student", "bernoulli", "binomial", "poisson", "negativebinomial", "gamma", "lognormal", "beta"),
    "cumulative",
)
PAIRS = [
    (family.name, link)
    for family in FAMILIES.values()
    for link in (family.links if family.name in _EVERY_LINK else family.links[:1])
]

#: The response of each family, with and without transforms; the columns are those of `make_frame`.
RESPONSES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("skewnormal", "exgaussian"), ("r", "`a reading`")),
    "betabinomial": ("p(s, n)",),
    **dict.fromkeys(("negativebinomial1", "geometric", "generalizedpoisson"), ("c", "`a count`")),
    **dict.fromkeys(("exponential", "weibull", "inversegaussian"), ("pos", "I(pos * 2)")),
    **dict.fromkeys([name for name in FAMILIES if name.startswith("zero_inflated_")], ("c", "`a count`")),
    **dict.fromkeys([name for name in FAMILIES if name.startswith("hurdle_")], ("c", "`a count`")),
    **dict.fromkeys(("zero_inflated_binomial", "zero_inflated_betabinomial"), ("p(s, n)",)),
    "tweedie": ("c", "`a count`"),
    "vonmises": ("u", "I(2 * atan(r))"),
    "zero_inflated_beta": ("from0",),
    **dict.fromkeys(("zero_one_inflated_beta", "ordbeta"), ("from0to1",)),
    "gaussian": ("r", "I(r - 1)", "log(pos)", "np.sqrt(pos)", "`a reading`", "r^2", "center(r)"),
    "student": ("r", "scale(r)", "`a reading`"),
    "bernoulli": ("yes", "I(r > 3)", "`is it?`"),
    "binomial": ("p(s, n)", "p(s, 9)", "p(I(n - s), n)", "p(`is it?`, n)"),
    "poisson": ("c", "I(c + 1)", "s"),
    "negativebinomial": ("c", "`a count`"),
    "gamma": ("pos", "exp(r / 3)", "I(pos * 2)"),
    "lognormal": ("pos", "np.hypot(pos, 1)"),
    "beta": ("u", "I(1 - u)"),
    **dict.fromkeys(("cumulative", "sratio", "cratio", "acat", "categorical"), ("o", "I(o + 1)")),
}

_NUMBERS = ("x", "w", "`body mass`", "`class`", "x.y", "`1st`", "grösse", "`it's`", '`say "x"`', "log_", "_z")
_TRANSFORMED = (
    "log(pos2)", "np.log1p(pos2)", "sqrt(pos2)", "I(x^2)", "I(x*w - 1)", "scale(w)", "center(x)", "poly(x, 2)",
    "poly(w, degree=2, raw=True)", "bs(x, df=4)", "cr(w, df=3)", "I(x > 0)", "np.maximum(x, 0.1)", "exp(-abs(w))",
    "scale(log(pos2))", "I(`body mass` + 1)", "I(f == 'u')", "log(`1st` + 9)", "ns(w, 3)", "pmax(x, 0, w)",
    "ifelse(x > 0, w, 1)", "I((x - mean(x)) / sd(x))", "I(x > 0 & flag)", "ave(x, f)", "I(f %in% c('u', 'v'))",
)  # fmt: skip
_FACTORS = (
    "f", "k", "flag", "`a factor`", "C(f, contr.sum)", "C(g3)", "C(f, levels=['w', 'v', 'u'])", "as.factor(g3)",
    "cut(w, c(-Inf, 0, Inf))", "relevel(f, ref='v')", "interaction(f, flag)", "ifelse(x > w, 'above', 'below')",
)  # fmt: skip
_LEFT_SIDES = (
    "1",
    "x",
    "0 + x",
    "x - 1",
    "-1 + x",
    "1 + x + w",
    "0 + f",
    "f",
    "`body mass`",
    "log(pos2)",
    "flag",
    "x:w",
)
_OFFSETS = ("offset(e)", "offset(log(pos2))", "offset(`body mass` * 0.2)", "offset(-0.5)")
_GROUPS = ("g", "h", "a/b", "`the herd`", "g3", "m:a")


def make_frame(rows: int, seed: int) -> pd.DataFrame:
    """Return predictors and factors of many kinds, grouping columns, and a response for every family."""
    rng = np.random.default_rng(seed)

    def levels(names: list[Any]) -> np.ndarray:
        """Every level occurs, in random order."""
        return rng.permutation(np.resize(np.array(names, dtype=object), rows))

    numbers = {name.strip("`"): rng.normal(size=rows) for name in _NUMBERS}
    r = rng.normal(3, 1, rows)
    n = rng.integers(2, 9, rows)
    a, b = levels(["north", "south", "mid"]), levels([1, 2])
    return pd.DataFrame(
        {
            **numbers,
            "pos2": rng.gamma(3, 1, rows) + 0.1,
            "f": levels(["u", "v", "w"]).astype(str),
            "k": pd.Categorical(levels(["low", "mid", "high"]), categories=["low", "mid", "high"], ordered=True),
            "flag": levels([True, False]).astype(bool),
            "a factor": pd.Categorical(levels(["q r", "s'", "t"]), categories=["t", "s'", "q r", "unused"]),
            "g": levels([f"g{i}" for i in range(5)]).astype(str),
            "g3": levels([30, 10, 20]).astype(int),
            "h": pd.Categorical(levels(["h1", "h2", "h3", "h4"])),
            "a": a.astype(str),
            "b": b.astype(int),
            "m": levels([2.5, 1.5, 3.0]).astype(float),
            "the herd": levels(["ä", "é b", "c:d"]).astype(str),
            "r": r,
            "a reading": r + 1,
            "is it?": levels([0, 1]).astype(int),
            "yes": levels([0, 1]).astype(int),
            "n": n,
            "s": rng.binomial(n, 0.4),
            "c": rng.poisson(3, rows),
            "a count": rng.poisson(2, rows),
            "pos": rng.gamma(2, 1, rows) + 0.1,
            "u": rng.uniform(0.05, 0.95, rows),
            "o": levels([1, 2, 3]).astype(int),
            "e": rng.uniform(0.5, 2, rows),
            "wt": rng.choice([0.5, 1.0, 2.0], rows),
            "from0": levels([0.0, 0.2, 0.4, 0.7]).astype(float),
            "from0to1": levels([0.0, 0.2, 0.5, 0.7, 1.0]).astype(float),
        }
    )


@dataclass(frozen=True)
class Problem:
    """A formula, the family it is for, and how to make data that fit it."""

    formula: str
    family: str
    link: str
    rows: int
    seed: int

    @cached_property
    def data(self) -> pd.DataFrame:
        return make_frame(self.rows, self.seed)


@st.composite
def right_sides(draw: st.DrawFn) -> str:
    """Sums of predictors, interactions, offsets and bars; every grouping factor at most once."""
    single = st.sampled_from([*_NUMBERS, *_TRANSFORMED, *_FACTORS])
    terms = draw(st.lists(single, max_size=3, unique=True))
    if draw(st.booleans()):
        one, two = draw(st.lists(st.sampled_from([*_NUMBERS[:3], *_FACTORS[:3]]), min_size=2, max_size=2, unique=True))
        terms.append(draw(st.sampled_from(["{}:{}", "{}*{}", "({} + {})^2", "{}/{}", "({} + ({}))"])).format(one, two))
    intercept = draw(st.sampled_from(["", "1", "0", "-1"]))
    if intercept in ("0", "-1"):
        terms = terms or ["x"]
        terms = ["0", *terms] if intercept == "0" else [*terms, "- 1"]
    elif intercept or not terms:
        terms = ["1", *terms]
    terms += draw(
        st.lists(st.sampled_from(["offset(e)", "offset(log(pos2))", "offset(`body mass` * 0.2)"]), max_size=2)
    )
    for group in draw(st.lists(st.sampled_from(_GROUPS), max_size=2, unique=True)):
        left = draw(st.sampled_from(_LEFT_SIDES))
        terms.append(f"({left} {draw(st.sampled_from(['|', '||']))} {group})")
    return " + ".join(terms).replace("+ - 1", "- 1")


@st.composite
def formulas(draw: st.DrawFn, family: str) -> str:
    response = draw(st.sampled_from(RESPONSES[family]))
    if draw(st.integers(0, 3)) == 0:
        response = f"weighted({response}, wt)"
    return f"{response} ~ {draw(right_sides())}"


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    family, link = draw(st.sampled_from(PAIRS))
    return Problem(draw(formulas(family)), family, link, draw(st.integers(36, 60)), draw(st.integers(0, 2**16)))


@st.composite
def spaced(draw: st.DrawFn, text: str) -> str:
    """Put blanks of any kind around the operators and commas that stand outside quotes and backticks."""
    blanks = st.sampled_from(["", " ", "  ", "\n", "\t ", "\r\n", "\u00a0", "\u3000"])
    out, quote = [], ""
    for position, char in enumerate(text):
        if char == quote:
            quote = ""
        elif not quote and char in "\"'`":
            quote = char
        splits = text[position : position + 2] in ("||", "**", "==") or text[position - 1 : position + 1] in (
            "||", "**", "==",
        )  # fmt: skip
        if not quote and char in "+*:/~|(),^" and not splits:
            out += [draw(blanks) if char != "(" else "", char, draw(blanks)]
        else:
            out.append(char)
    return "".join(out)


@st.composite
def priors(draw: st.DrawFn) -> Prior:
    """Any distribution with parameters it allows."""
    row = PRIORS[draw(st.sampled_from(sorted(PRIORS)))]
    positive = st.floats(1e-3, 1e3)
    if row.support == "interval":
        lower = draw(st.floats(1, 1e3))
        return Prior(row.name, lower=lower, upper=lower + draw(positive))
    real = positive | st.just(0.0) | st.floats(-1e3, -1e-3)
    return Prior(row.name, *(draw(positive if k in row.positive else real) for k in row.parameters))
