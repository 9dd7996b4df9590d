"""Odd settings of a fit, and odd questions to one: new rows of other types, unseen levels, misspelt arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError, SamplingError
from bayes_glmm.glmm.fitted import FittedGLMM
from tests.inputs.cell import FAMILIES, TRIALS, Asked, Case, Expectation, Refused, Right, Warned
from tests.inputs.checks import approximate, holds

# settings of a fit ------------------------------------------------------------------------------------------------


def fitting(**settings: Any) -> Callable[[Asked, bg.GLMM], Any]:
    return lambda asked, model: model.fit(**{"progressbar": False, **settings})


WRONG_SETTINGS = (
    ("no draws", {"draws": 0}, "draws= must be a whole number of at least 1, not 0"),
    ("half a draw", {"draws": 1.5}, "draws= must be a whole number"),
    ("negative draws", {"draws": -5}, "draws= must be a whole number"),
    ("NaN draws", {"draws": np.nan}, "draws= must be a whole number.*nan"),
    ("infinite draws", {"draws": np.inf}, "draws= must be a whole number.*inf"),
    ("draws as text", {"draws": "1000"}, "draws= must be a whole number.*'1000'"),
    ("draws as a list", {"draws": [1000]}, "draws= must be a whole number"),
    ("draws as a bool", {"draws": True}, "draws= must be a whole number"),
    ("draws beyond memory", {"draws": 10**12}, "draws= must be at most 100,000,000"),
    ("no warm-up", {"tune": 0}, "tune= must be a whole number of at least 1"),
    ("no chains", {"chains": 0}, "chains= must be a whole number of at least 1"),
    ("chains as None", {"chains": None}, "chains= must be a whole number.*None"),
    ("a billion chains", {"chains": 10**9}, "chains= must be at most 10,000"),
    ("no processors", {"cores": 0}, "cores= must be"),
    ("a negative seed", {"random_seed": -1}, "random_seed= must be a whole number of at least 0, not -1"),
    ("a fractional seed", {"random_seed": 0.5}, "random_seed= must be"),
    ("a NaN seed", {"random_seed": np.nan}, "random_seed= must be"),
    ("a seed as text", {"random_seed": "1"}, "random_seed= must be"),
    ("a generator as a seed", {"random_seed": np.random.default_rng(1)}, "random_seed= must be"),
    ("a list of seeds", {"random_seed": [1, 2, 3, 4]}, "random_seed= must be"),
    ("acceptance of 1", {"target_accept": 1.0}, "target_accept= must lie between 0 and 1"),
    ("acceptance of NaN", {"target_accept": np.nan}, "target_accept= must lie between 0 and 1"),
    ("acceptance as text", {"target_accept": "0.9"}, "target_accept= must lie between 0 and 1"),
    ("an unknown method", {"method": "vi"}, "no method 'vi'.*'nuts', 'laplace'"),
    ("no method", {"method": None}, "no method None"),
    ("an unknown backend", {"backend": "stan"}, "no backend 'stan'"),
    ("no backend", {"backend": None}, "no backend None"),
    ("a backend that has no Laplace", {"backend": "pymc", "method": "laplace"}, "backend='pymc' has none"),
    ("warm-up of Laplace", {"tune": 100, "method": "laplace"}, "no warm-up"),
)


@cache
def _posterior(family: str, seed: Any) -> np.ndarray:
    asked = Case("reference", Right(holds(lambda answer: True))).asked(family)
    return laplace(random_seed=seed)(asked, asked.model()).posterior["sd_g"].values


def draws_of_seed(seed: Any) -> Callable[[Any, Asked, FittedGLMM], None]:
    def check(case: Case, asked: Asked, answer: FittedGLMM) -> None:
        np.testing.assert_array_equal(answer.posterior["sd_g"].values, _posterior(asked.family, seed))

    return check


def laplace(**settings: Any) -> Callable[[Asked, bg.GLMM], Any]:
    return fitting(method="laplace", **{"draws": 20, "chains": 1, **settings})


SETTINGS = (
    *(Case(f"fit: {name}", Refused(SamplingError, words),
         ask=fitting(**settings)) for name, settings, words in WRONG_SETTINGS),
    *(
        Case(f"fit: a seed of type {type(seed).__name__}", Right(draws_of_seed(7)), ask=laplace(random_seed=seed))
        for seed in (np.int64(7), np.uint8(7), 7.0)
    ),
    Case("fit: no seed", Right(holds(lambda fit: fit.posterior.sizes["draw"] == 20)), ask=laplace(random_seed=None)),
    Case("fit: a seed of 2**40", Right(holds(lambda fit: fit.posterior.sizes["draw"] == 20)),
         ask=laplace(random_seed=2**40)),
    Case("fit: whole floats", Right(holds(lambda fit: fit.posterior.sizes["draw"] == 30)),
         ask=laplace(draws=30.0, random_seed=1)),
    Case("fit: one draw", Right(holds(lambda fit: len(fit.summary()) > 0)), ask=laplace(draws=1, random_seed=1)),
)  # fmt: skip

# new rows -----------------------------------------------------------------------------------------------------------

ROWS = slice(0, 4)


@cache
def _fitted(family: str) -> FittedGLMM:
    asked = Case("questions", Right(holds(lambda answer: True)), formula="{y} ~ x + f + offset(o) + (1 | g)").asked(
        family
    )
    return approximate(asked, asked.model())


def rows(**changes: Any) -> Callable[[pd.DataFrame], Any]:
    return lambda frame: frame.assign(**{k: v(frame) if callable(v) else v for k, v in changes.items()})


def predicting(newdata: Callable[[pd.DataFrame], Any], **arguments: Any) -> Callable[[Asked, bg.GLMM], Any]:
    """Predict for a change of four of the fitted rows."""

    def ask(asked: Asked, model: bg.GLMM) -> pd.DataFrame:
        return bg.predictions(_fitted(asked.family), newdata(asked.data.iloc[ROWS].copy()), **arguments)

    return ask


def as_for(newdata: Callable[[pd.DataFrame], Any], **arguments: Any) -> Callable[[Any, Asked, pd.DataFrame], None]:
    """The estimates are those of other rows."""

    def check(case: Case, asked: Asked, answer: pd.DataFrame) -> None:
        expected = bg.predictions(_fitted(asked.family), newdata(asked.data.iloc[ROWS].copy()), **arguments)
        np.testing.assert_allclose(answer["estimate"], expected["estimate"], rtol=1e-12)

    return check


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


SAME = Right(as_for(plain))
UNSEEN = "'g' were not in the data that were fitted: 'new'"


#: What is done to the rows, by the name of the case: the peer is asked the same.
CHANGES: dict[str, Callable[[pd.DataFrame], Any]] = {}


def question(name: str, newdata: Callable[[pd.DataFrame], Any], expect: Expectation, **arguments: Any) -> Case:
    CHANGES[f"new rows: {name}"] = newdata
    return Case(f"new rows: {name}", expect, formula="{y} ~ 1", ask=predicting(newdata, **arguments))


def refused(words: str) -> Refused:
    return Refused(PredictionError, words)


NEW_ROWS = (
    question("columns in another order", lambda f: f[f.columns[::-1]], SAME),
    question("columns that are not needed", rows(more=lambda f: [[1]] * len(f), also=None), SAME),
    question("without the response and its trials", lambda f: f.drop(columns=["y", "n"]), SAME),
    question("the response missing in every row", rows(y=np.nan), SAME),
    question("weights among them", rows(w=[0.0, -1.0, np.nan, 1e300]), SAME),
    question("an index with repeats", lambda f: f.set_axis([0, 0, 1, 1]), SAME),
    question("a dict of lists", lambda f: {name: f[name].tolist() for name in f}, SAME),
    question("polars", lambda f: pl.from_pandas(f.drop(columns="y")), SAME),
    question("a dict of single values", lambda f: {name: f[name].iloc[0] for name in f},
         Right(as_for(lambda f: f.iloc[:1]))),
    question("float32 and categories",
             lambda f: f.assign(x=f["x"].astype("float32"), f=pd.Categorical(f["f"], list("wvu"))),
             Right(as_for(rows(x=lambda f: f["x"].astype("float32").astype(float))))),
    question("a column missing", lambda f: f.drop(columns="x"), refused("no column 'x'")),
    question("the offset missing", lambda f: f.drop(columns="o"), refused("no column 'o'")),
    question("the group missing", lambda f: f.drop(columns="g"),
             refused("no column 'g', and random_effects='conditional' reads the levels of 'g'")),
    question("the group missing, a typical group", lambda f: f.drop(columns="g"),
         Right(as_for(plain, random_effects="typical")),
             random_effects="typical"),
    question("NaN in a predictor", rows(x=lambda f: f["x"].where(f.index != 1)),
             Warned("1 of 4 rows of newdata were dropped: missing values .x in 1", as_for(lambda f: f.drop(index=1)))),
    question("None in a factor", rows(f=lambda f: f["f"].astype(object).where(f.index != 1, None)),
             Warned("1 of 4 rows of newdata were dropped: missing values .f in 1", as_for(lambda f: f.drop(index=1)))),
    question("None in a group", rows(g=lambda f: f["g"].astype(object).where(f.index != 1, None)),
             Warned("1 of 4 rows of newdata were dropped: missing values .g in 1", as_for(lambda f: f.drop(index=1)))),
    question("NaN in the offset", rows(o=lambda f: f["o"].where(f.index != 1)),
             Warned("rows of newdata were dropped: missing values .o in 1", as_for(lambda f: f.drop(index=1)))),
    question("NaN in every row", rows(x=np.nan), refused("Every row of newdata misses a value")),
    question("an infinite predictor", rows(x=lambda f: f["x"].where(f.index != 1, np.inf)),
             refused("'x' is not finite in row 1")),
    question("an infinite offset", rows(o=np.inf), refused("'o' is not finite in rows 0")),
    question("text for a number", rows(x="1.5"),
             refused("'x' held numbers in the data of the fit .*'1.5' is text: use .*pd.to_numeric")),
    question("a category for a number", rows(x=pd.Categorical([1.0, 2.0, 1.0, 2.0])),
             refused("'x' held numbers in the data of the fit but holds category")),
    question("dates for a number", rows(x=pd.date_range("2020", periods=4)), refused("'x' holds dates")),
    question("a number for a factor", rows(f=1), refused("'f' has levels that the fit did not see: 1")),
    question("an unseen level of a factor", rows(f=["u", "v", "w", "zz"]),
             refused("'f' has levels that the fit did not see: 'zz'")),
    question("a level in capitals", rows(f=["U", "V", "W", "U"]), refused("did not see: 'U', 'V', 'W'")),
    question("an unseen group", rows(g=["a", "b", "new", "a"]), refused(UNSEEN)),
    question("an unseen group, typical", rows(g="new"),
         Right(as_for(plain, random_effects="typical")), new_levels="typical"),
    question("a number for a group", rows(g=1), refused("level.s. of 'g' were not in the data")),
    question("no rows", lambda f: f.iloc[:0], refused("no rows")),
    question("no columns", lambda f: f[[]], refused("no column")),
    question("a list of dicts", lambda f: f.to_dict("records"), refused("must be a pandas or polars DataFrame")),
    question("a Series", lambda f: f.iloc[0], refused("must be a pandas or polars DataFrame")),
    question("a column twice", lambda f: pd.concat([f, f[["x"]]], axis=1), refused("more than one column named 'x'")),
    question("columns of two lengths", lambda f: {**f, "x": [1.0]}, refused("different lengths")),
    question("polars, lazy", lambda f: pl.from_pandas(f.drop(columns="y")).lazy(),
             refused("polars.LazyFrame: call .collect")),
    question("for no such effects", plain, refused("'typcial'.*Did you mean 'typical'"), random_effects="typcial"),
    question("on no such scale", plain, refused("'lnik'|scale"), scale="lnik"),
    question("with no such levels", plain, refused("new_levels"), new_levels="ignore"),
    question("by no such column", plain, refused("'zzz'"), by="zzz"),
    question("an interval of 2", plain, refused("ci_prob"), ci_prob=2.0),
    question("an interval of NaN", plain, refused("ci_prob"), ci_prob=np.nan),
)  # fmt: skip


def coded(newdata: Any) -> Callable[[Asked, bg.GLMM], Any]:
    """Predict from a model whose groups are the numbers 0 to 7."""

    def ask(asked: Asked, model: bg.GLMM) -> pd.DataFrame:
        return bg.predictions(approximate(asked, model), {"x": np.zeros(len(newdata)), "g": newdata})

    return ask


CODES = np.array([0, 3, 7])


def as_codes(case: Case, asked: Asked, answer: pd.DataFrame) -> None:
    expected = bg.predictions(approximate(asked, asked.model()), {"x": np.zeros(3), "g": CODES})
    np.testing.assert_allclose(answer["estimate"], expected["estimate"], rtol=1e-12)


CODED = (
    *(
        Case(f"groups 0 to 7 asked as {name}", Right(as_codes), ("gaussian", "binomial", "cumulative"),
             change=lambda f: f.assign(g=np.arange(len(f)) % 8), ask=coded(values))
        for name, values in (
            ("floats", CODES * 1.0), ("uint8", CODES.astype(np.uint8)), ("nullable", pd.array(CODES, dtype="Int64")),
            ("Python ints", [0, 3, 7]), ("a category", pd.Categorical(CODES)),
        )
    ),
    Case("groups 0 to 7 asked as text", refused(r"'g' .*'0'.* Did you mean 0 \(int, not str\)"),
         ("gaussian", "binomial", "cumulative"),
         change=lambda f: f.assign(g=np.arange(len(f)) % 8), ask=coded(["0", "3", "7"])),
    Case("groups 0 to 7 asked as 0.5", refused("'g' .*0.5"), ("gaussian", "binomial", "cumulative"),
         change=lambda f: f.assign(g=np.arange(len(f)) % 8), ask=coded([0.5])),
)  # fmt: skip


def asking(call: Callable[[FittedGLMM], Any]) -> Callable[[Asked, bg.GLMM], Any]:
    return lambda asked, model: call(_fitted(asked.family))


OTHERS = tuple(
    Case(f"asked for {name}", refused(words), families, formula="{y} ~ 1", ask=asking(call))
    for name, call, words, families in (
        ("comparisons of no such predictor", lambda fit: bg.comparisons(fit, "xx"), "no predictor 'xx'", FAMILIES),
        ("comparisons of the response", lambda fit: bg.comparisons(fit, "y"), "'y'", FAMILIES),
        ("comparisons of another kind", lambda fit: bg.comparisons(fit, "x", comparison="odd"), "'odd'", FAMILIES),
        ("slopes of a factor", lambda fit: bg.slopes(fit, "f"), "'f'.*has no slope", FAMILIES),
        ("a grid of no such predictor", lambda fit: bg.grid(fit, xx=[1]), "'xx'", FAMILIES),
        ("a grid of unseen levels", lambda fit: bg.grid(fit, f=["zz"]), "'zz'", FAMILIES),
        ("predictive draws averaged over groups",
         lambda fit: bg.posterior_predictive(fit, random_effects="marginal"), "random_effects='marginal'", FAMILIES),
        ("more draws than there are", lambda fit: bg.posterior_predictive(fit, draws=10**6), "draws=1000000", FAMILIES),
        ("predictive draws without trials",
         lambda fit: bg.posterior_predictive(fit, fit.model.design.frame.drop(columns="n")), "no column 'n'", TRIALS),
    )
)  # fmt: skip

CASES = (*SETTINGS, *NEW_ROWS, *CODED, *OTHERS)
