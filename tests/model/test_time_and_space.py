"""PyMC's graph of effects correlated in time and space: its log density against dense covariances, to 1e-8."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg
from tests.structures.oracles import dense_covariance

NEAR = {"a": ["b", "c"], "b": ["c", "d"], "c": [], "d": ["e"], "e": [], "f": ["g"], "g": [], "island": []}


def rows(n=30):
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"x": rng.normal(size=n), "g": rng.choice(["p", "q"], n), "t": rng.choice(7, n)})
    return table.assign(y=rng.normal(size=n), count=rng.poisson(3, n), region=rng.choice(list("abcdef"), n))


def model_of(kind, response="y", family="gaussian"):
    if kind in ("ar1", "ou", "rw1", "rw2"):
        return bg.GLMM(f"{response} ~ x + t + {kind}(t | g)", rows(), family=family)
    near = {**NEAR, "island": ["g"]} if kind == "car" else NEAR
    return bg.GLMM(f"{response} ~ x + {kind}(region)", rows(), family=family, covariances={"region": near})


@pytest.mark.parametrize("kind", ["ar1", "ou", "rw1", "rw2", "car", "leroux", "icar", "bym2"])
def test_log_density(kind):
    """Effects are a linear map of standard normal values whose square is the dense covariance; they enter the rows."""
    family, response = ("poisson", "count") if kind in ("ou", "bym2") else ("gaussian", "y")
    model = model_of(kind, response, family)
    (term,), graph = model.design.groups, model.to_pymc()
    own, name = term.structure.parameter, term.name
    rng = np.random.default_rng(5)
    point = {key: rng.normal(0.1, 0.3, np.shape(value)) for key, value in graph.initial_point().items()}
    variables = [
        graph[f"b_{name}"],
        graph["beta"],
        graph[f"sd_{name}"],
        graph["sigma" if family == "gaussian" else "beta"],
    ]
    variables += [graph[f"{own.name}_{name}"]] if own else []
    evaluate = graph.compile_fn(
        graph.replace_rvs_by_values(variables), inputs=graph.value_vars, on_unused_input="ignore"
    )
    b, beta, sd, sigma, *value = (np.squeeze(part) for part in evaluate(point))
    unit = [evaluate({**point, f"z_{name}": column[:, None]})[0].ravel() for column in np.eye(term.size)]
    root, C = np.array(unit).T, sd**2 * dense_covariance(term.structure, *(value or [0.0]))
    np.testing.assert_allclose(root @ root.T, C, atol=1e-10)
    np.testing.assert_allclose(root @ point[f"z_{name}"].ravel(), b, atol=1e-10)
    eta = model.design.X @ beta + b[term.codes]
    y = model.design.response.y
    rows_of = stats.norm(eta, sigma).logpdf if family == "gaussian" else stats.poisson(np.exp(eta)).logpmf
    names = ["z_" + name, *(v.name for v in graph.observed_RVs)]
    expected = stats.norm.logpdf(point[f"z_{name}"]).sum() + rows_of(y).sum()
    found = graph.compile_logp(vars=[graph[one] for one in names])(point)
    assert found == pytest.approx(expected, abs=1e-8)
