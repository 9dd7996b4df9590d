"""What the likelihood cannot tell apart is said before sampling, of every family; right models are left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

from bayes_glmm.design.design import build_design
from bayes_glmm.design.identified import unidentified_effects
from bayes_glmm.errors import DataError, DataWarning
from bayes_glmm.spec.model_spec import ModelSpec

N = 60


def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=N), "row": np.arange(N), "pair": np.arange(N) // 2, "one": 1, "n": 5})
    frame["tr"], frame["year"] = np.resize(["a", "b"], N), np.resize([2001.0, 2002.0], N)
    frame["some"] = np.where(np.arange(N) < 50, 100 + np.arange(N), 1)  # levels of one row, and one of ten
    frame["y"] = rng.normal(size=N)
    frame["pos"], frame["unit"] = rng.gamma(2.0, size=N), rng.uniform(0.1, 0.9, N)
    frame["c"], frame["b"], frame["k"] = rng.poisson(3, N), np.resize([0, 1, 1, 0, 1], N), rng.binomial(5, 0.4, N)
    frame["o"], frame["w"] = rng.integers(0, 3, N), rng.choice([1.0, 2.0, 4.0], N)
    return frame


SUM = "only the sum of its variance and the residual variance is identified"
SUMS = "only the sums of its variances and the residual variance are identified"
BOTH = "its sd and phi both say how much rows vary"
NOTHING = "such responses say nothing about"
FLAGGED = [
    ("y ~ x + (1 | row)", "gaussian", SUM),
    ("y ~ x + (1 | row)", "student", SUM),
    ("precision(y, one) ~ x + (1 | row)", "gaussian", SUM),
    ("pos ~ x + (1 | row)", "lognormal", SUM),
    ("pos ~ x + (1 | row)", "gamma", BOTH),
    ("unit ~ x + (1 | row)", "beta", BOTH),
    ("c ~ x + (1 | row)", "negativebinomial", "keep it with family='poisson'"),
    ("b ~ x + (1 | row)", "bernoulli", NOTHING),
    ("p(b, one) ~ x + (1 | row)", "binomial", NOTHING),
    ("o ~ x + (1 | row)", "cumulative", NOTHING),
    ("y ~ tr + (0 + tr | pair)", "gaussian", SUMS),
    ("y ~ tr + (0 + tr || pair)", "gaussian", SUMS),
    ("y ~ tr + (tr | pair)", "gaussian", SUMS),
    ("y ~ year + (year | pair)", "gaussian", SUMS),
    ("b ~ tr + (0 + tr | pair)", "bernoulli", NOTHING),
]
RIGHT = [
    ("c ~ x + (1 | row)", "poisson"),
    ("p(k, n) ~ x + (1 | row)", "binomial"),
    ("c ~ tr + (0 + tr | pair)", "poisson"),
    ("y ~ x + (1 | some)", "gaussian"),
    ("b ~ x + (1 | some)", "bernoulli"),
    ("y ~ x + (1 | pair)", "gaussian"),
    ("b ~ x + (1 | pair)", "bernoulli"),
    ("y ~ x + (0 + x | row)", "gaussian"),
    ("y ~ x + (x | pair)", "gaussian"),
    ("y ~ tr + (tr || pair)", "gaussian"),
    ("precision(y, w) ~ x + (1 | row)", "gaussian"),
]


@pytest.mark.parametrize(("formula", "family", "words"), FLAGGED)
def test_an_effect_for_every_row(formula: str, family: str, words: str) -> None:
    with pytest.warns(DataWarning, match=words):
        build_design(ModelSpec.build(formula, family=family), data())


@pytest.mark.parametrize(("formula", "family"), RIGHT)
def test_right_models_are_left_alone(formula: str, family: str) -> None:
    build_design(ModelSpec.build(formula, family=family), data())


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize("formula", [formula for formula, family, *_ in FLAGGED + RIGHT if family == "gaussian"])
def test_against_the_rank_of_the_derivatives_of_the_covariance(formula: str) -> None:
    """Variances are identified where the residual's and the effects' covariance matrices are linearly independent."""
    design = build_design(ModelSpec.build(formula), data())
    precision = np.ones(N) if design.response.precision is None else design.response.precision
    matrices = [np.diag(1 / precision)]
    (term,) = design.groups
    same = term.codes[:, None] == term.codes
    for block in term.blocks:
        for a, b in ((a, b) for a in block for b in block if a <= b):
            product = np.outer(term.Z[:, a], term.Z[:, b])
            matrices.append(same * (product + product.T))
    singular = linalg.svdvals(np.array([matrix.ravel() / linalg.norm(matrix) for matrix in matrices]))
    assert (singular[-1] < 1e-7 * singular[0]) == bool(list(unidentified_effects([term], design.response, design.spec)))


REPEATED = [
    ("y ~ x + (1 | g)", "gaussian", "level"),
    ("y ~ x + (x | g)", "gaussian", "level"),
    ("y ~ x + (1 | g) + (1 | h)", "student", "level"),
    ("exp(y) ~ x + (1 | g)", "gamma", "level"),
    ("expit ~ x + (1 | g)", "beta", "level"),
    ("s ~ x + (x | g)", "gaussian", "line"),
    ("t ~ year + (year | g)", "gaussian", "line"),
]


def repeated(noise: float) -> pd.DataFrame:
    """Responses that are one number a level, or one line, but for some noise."""
    rng = np.random.default_rng(2)
    g, year = np.arange(200) // 10, np.resize(np.arange(2001.0, 2011.0), 200)
    level, slope, x, e = rng.normal(size=20)[g], rng.normal(size=20)[g], rng.normal(size=200), rng.normal(size=200)
    y = level + noise * e
    return pd.DataFrame(
        {"g": g, "h": rng.integers(0, 8, 200), "x": x, "year": year, "y": y, "expit": 1 / (1 + np.exp(-y)),
         "s": y + slope * x, "t": y + slope * (year - 2001)}
    )  # fmt: skip


@pytest.mark.parametrize(("formula", "family", "what"), REPEATED)
def test_a_response_repeated_within_levels(formula: str, family: str, what: str) -> None:
    """Such fits took 30 to 300 s and ended in advice about priors."""
    spec = ModelSpec.build(formula, family=family, link="log" if family == "gamma" else None)
    for noise in (0.0, 1e-9, 3e-7):
        with pytest.raises(DataError, match="exact function of the predictors within every level of 'g'"):
            build_design(spec, repeated(noise))
    with pytest.warns(DataWarning, match="nearly an exact function .* within every level of 'g': [1-9]e"):
        build_design(spec, repeated(5e-6 if what == "level" else 1.2e-5))
    build_design(spec, repeated(1e-3))


def test_levels_are_measured_by_what_predictors_leave() -> None:
    """A predictor that explains nearly everything makes no response exact within levels."""
    frame = repeated(1e-2)
    frame["y"] += 1e5 * frame["x"]
    build_design(ModelSpec.build("y ~ x + (1 | g)"), frame)
