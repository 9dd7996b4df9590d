import time

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.design.design import build_design
from bayes_glmm.design.reduction import reduce_rows
from bayes_glmm.errors import DataError
from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS
from bayes_glmm.spec.model_spec import ModelSpec


def make_data(rows=400, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "b": rng.integers(0, 2, rows),
            "k": rng.integers(0, 4, rows),
            "n": rng.integers(4, 7, rows),
            "y": rng.integers(1, 4, rows) / 4,
            "x": rng.integers(0, 3, rows),
            "f": rng.choice(["u", "v"], rows),
            "g": rng.choice(list("abcde"), rows),
            "e": rng.integers(1, 3, rows),
            "w": rng.integers(1, 3, rows),
        }
    )


def row_log_density(spec, rows, beta, b):
    """Log density of each row, weights, trials and exposure respected; a plain reading of the definition."""
    term = rows.groups[0]
    eta = rows.X @ beta + rows.offset + (term.Z * b[term.codes]).sum(axis=1)
    mu = LINKS[spec.link.name].inverse(eta)
    exposure = getattr(rows, "exposure", None)
    if exposure is not None:
        mu = mu * exposure
    y, trials, weights = rows.y, rows.trials, rows.weights
    density = FAMILIES[spec.family.name].log_density(y, mu, {"sigma": 0.7, "phi": 1.3, "nu": 4.0}, trials)
    return density if weights is None else density * weights


CASES = [
    ("b ~ x + f + (x | g)", "bernoulli", True),
    ("weighted(b, w) ~ x + (1 | g)", "bernoulli", True),
    ("p(k, n) ~ x + offset(e) + (1 | g)", "binomial", True),
    ("p(k, n) ~ x + (1 | g)", "betabinomial", False),
    ("weighted(p(k, n), w) ~ x + (1 | g)", "betabinomial", False),
    ("k ~ x*f + offset(log(e)) + (1 | g)", "poisson", True),
    ("weighted(k, w) ~ x + (1 | g)", "poisson", True),
    ("k ~ x + (1 | g)", "poisson", False),
    ("k ~ x + (1 | g)", "negativebinomial", False),
    ("y ~ x + (x || g)", "gamma", False),
    ("weighted(y, w) ~ x + (1 | g)", "gaussian", False),
]


@pytest.mark.parametrize(("formula", "family", "rows_add"), CASES)
def test_the_likelihood_changes_by_a_constant(formula, family, rows_add):
    spec = ModelSpec.build(formula, family, "log" if family == "gamma" else None)
    design = build_design(spec, make_data())
    rows = reduce_rows(design, rows_add=rows_add)
    assert rows.reduced and rows.size < 0.7 * design.size
    np.testing.assert_array_equal(rows.X[rows.inverse], design.X)
    np.testing.assert_array_equal(rows.offset[rows.inverse], design.offset)
    np.testing.assert_array_equal(rows.groups[0].codes[rows.inverse], design.groups[0].codes)
    np.testing.assert_array_equal(rows.groups[0].Z[rows.inverse], design.groups[0].Z)
    assert np.all(np.diff(rows.rows) > 0)

    class Full:
        X, offset, groups = design.X, design.offset, design.groups
        y, trials, weights = design.response.y, design.response.trials, design.response.weights

    rng = np.random.default_rng(2)
    differences = []
    for _ in range(3):
        beta = rng.normal(scale=0.3, size=design.X.shape[1])
        b = rng.normal(scale=0.3, size=(5, len(design.groups[0].coefs)))
        differences.append(row_log_density(spec, Full, beta, b).sum() - row_log_density(spec, rows, beta, b).sum())
    np.testing.assert_allclose(differences, differences[0], rtol=1e-9, atol=1e-9)


def test_totals():
    data = make_data()
    design = build_design(ModelSpec.build("b ~ f + (1 | g)", "bernoulli"), data)
    rows = reduce_rows(design, rows_add=True)
    table = data.groupby(["f", "g"])["b"].agg(["sum", "count"])
    assert rows.size == len(table) == 10
    assert sorted(zip(rows.y, rows.trials, strict=True)) == sorted(zip(table["sum"], table["count"], strict=True))


def test_distinct_rows_stay_as_they_are():
    data = make_data()
    data["x"] = np.random.default_rng(1).normal(size=len(data))
    design = build_design(ModelSpec.build("b ~ x + (1 | g)", "bernoulli"), data)
    rows = reduce_rows(design, rows_add=True)
    assert not rows.reduced
    assert rows.X is design.X
    np.testing.assert_array_equal(rows.y, design.response.y)
    np.testing.assert_array_equal(rows.trials, 1)
    np.testing.assert_array_equal(rows.inverse, np.arange(400))


def test_permuting_rows_permutes_the_inverse():
    data = make_data()
    spec = ModelSpec.build("k ~ x + (1 | g)", "poisson")
    order = np.random.default_rng(5).permutation(len(data))
    first, second = (reduce_rows(build_design(spec, d), rows_add=True) for d in (data, data.iloc[order]))
    np.testing.assert_array_equal(first.y[first.inverse][order], second.y[second.inverse])
    np.testing.assert_array_equal(first.exposure[first.inverse][order], second.exposure[second.inverse])


def test_a_design_without_response_is_refused():
    design = build_design(ModelSpec.build("k ~ x", "poisson"), make_data())
    with pytest.raises(DataError, match="response=True"):
        reduce_rows(design.at({"x": [1, 1]}), rows_add=True)


@pytest.mark.slow
def test_a_million_rows_in_seconds():
    design = build_design(ModelSpec.build("b ~ x*f + (x | g)", "bernoulli"), make_data(1_000_000))
    start = time.perf_counter()
    assert reduce_rows(design, rows_add=True).size == 30
    assert time.perf_counter() - start < 3
