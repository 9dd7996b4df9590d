"""Effects of related levels in PyMC's graph against dense multivariate normals; levels and names in models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import DataError, DataWarning, GLMMError


@pytest.fixture(scope="module")
def animals():
    table = bg.simulate("animals", pairs=6, generations=3, random_seed=1)
    return bg.Pedigree(table), table.dropna(subset="weight")


def matrix_of(levels, seed=1):
    X = np.random.default_rng(seed).normal(size=(len(levels), 3 * len(levels)))
    return pd.DataFrame(X @ X.T / X.shape[1], levels, levels)


@pytest.mark.parametrize("bar", ["(1 | animal)", "(x | animal)"])
@pytest.mark.parametrize("kind", ["pedigree", "covariance", "precision"])
def test_density_of_effects_is_the_dense_normal(animals, bar, kind):
    pedigree, rows = animals
    rows = rows.assign(x=np.random.default_rng(2).normal(size=len(rows)))
    dense = matrix_of(pedigree.animals)
    given = {
        "pedigree": pedigree,
        "covariance": dense,
        "precision": bg.Precision(np.linalg.inv(dense), dense.index),
    }[kind]
    model = bg.GLMM(f"weight ~ x + {bar}", rows, covariances={"animal": given}, center=False)
    structure, graph = model.spec.covariances[0][1], model.to_pymc()
    A = np.linalg.inv(structure.precision.toarray())
    rng, k = np.random.default_rng(3), len(model.design.groups[0].coefs)
    point = graph.initial_point(random_seed=1)
    point["z_animal"] = rng.normal(size=(structure.size, k))
    outputs = [graph["b_animal"], graph["sd_animal"]] + ([graph["corr_animal"]] if k > 1 else [])
    outputs = graph.replace_rvs_by_values(outputs)
    options = {"on_unused_input": "ignore", "mode": "FAST_COMPILE"}
    b, sd, *corr = graph.compile_fn(outputs, inputs=graph.value_vars, **options)(point)
    Sigma = np.outer(sd, sd) * (corr[0] if corr else 1.0)
    expected = stats.multivariate_normal.logpdf(b.ravel(), cov=np.kron(A, Sigma))
    # z is standard normal, and b is linear in it
    log_jacobian = 0.5 * (k * np.linalg.slogdet(A)[1] + structure.size * np.linalg.slogdet(Sigma)[1])
    found = stats.norm.logpdf(point["z_animal"]).sum() - log_jacobian
    assert found == pytest.approx(expected, rel=1e-9)


def test_prior_draws_have_the_covariance(animals):
    pedigree, rows = animals
    model = bg.GLMM(
        "weight ~ 1 + (1 | animal)", rows, covariances={"animal": pedigree}, priors={"sd": bg.Prior("HalfNormal", 1)}
    )
    with model.to_pymc() as graph:
        b = pm.draw(graph["b_animal"] / graph["sd_animal"], draws=4000, random_seed=1, mode="FAST_COMPILE")[..., 0]
    A = pedigree.relatedness().to_numpy()
    error = np.cov(b.T) - A
    assert np.abs(error).max() < 6.0 * A.max() / np.sqrt(4000)


def test_levels_that_are_not_in_it_are_named(animals):
    pedigree, rows = animals
    with pytest.raises(DataError, match=r"covariances\['animal'\]: the pedigree does not have 1 of the .*: 'nobody'"):
        changed = rows.assign(animal=["nobody", *rows["animal"][1:]])
        bg.GLMM("weight ~ 1 + (1 | animal)", changed, covariances={"animal": pedigree})
    with pytest.raises(DataError, match=r"no grouping factor 'anmal'. Did you mean 'animal'"):
        bg.GLMM("weight ~ 1 + (1 | animal)", rows, covariances={"anmal": pedigree})
    with pytest.raises(DataError, match="only factors of one column"):
        bg.GLMM("weight ~ 1 + (1 | animal:dam)", rows, covariances={"animal:dam": pedigree})
    with pytest.raises(DataError, match="must be a dict"):
        bg.GLMM("weight ~ 1 + (1 | animal)", rows, covariances=pedigree)


def test_factors_of_further_parameters_have_covariances():
    rows = pd.DataFrame({"g": list("aabbccdd"), "y": [1.0, 2.0, 4.0, 3.5, 0.2, 1.7, 2.2, 0.9]})
    related = matrix_of(list("abcd"))
    model = bg.GLMM("y ~ 1", rows, covariances={"g": related}, dpar_formulas={"sigma": "~ (1 | g)"})
    assert model.design.group("g").structure is model.spec.covariances[0][1]
    with pytest.raises(DataError, match="no grouping factor 'h'"):
        bg.GLMM("y ~ 1", rows, covariances={"h": related}, dpar_formulas={"sigma": "~ (1 | g)"})


def test_numbers_are_found_by_what_they_say():
    table = pd.DataFrame({"animal": [1.0, 2.0, 3.0, 4.0], "dam": [None, None, 1, 1], "sire": [None, None, 2, 2]})
    rows = pd.DataFrame({"animal": ["4", "3", "2", "4"], "y": [1.0, 2.0, 4.0, 3.5]})
    model = bg.GLMM("y ~ 1 + (1 | animal)", rows, covariances={"animal": bg.Pedigree(table)})
    term = model.design.groups[0]
    assert [term.levels[code] for code in term.codes] == [4, 3, 2, 4]
    assert model.design.at({"animal": [3]}).groups[0].codes.tolist() == [term.levels.index(3)]


def test_unrelated_levels_with_a_row_each_are_still_a_warning():
    rows = pd.DataFrame({"g": list("abcdef"), "y": [1.0, 2.0, 4.0, 3.5, 0.2, 1.7]})
    alone = pd.DataFrame(np.eye(6), list("abcdef"), list("abcdef"))
    with pytest.warns(DataWarning, match="Each row is a level of its own of 'g'"):
        bg.GLMM("y ~ 1 + (1 | g)", rows, covariances={"g": alone})
    bg.GLMM("y ~ 1 + (1 | g)", rows, covariances={"g": matrix_of(list("abcdef"))})


def test_centred_effects_are_refused(animals):
    pedigree, rows = animals
    model = bg.GLMM("weight ~ 1 + (1 | animal)", rows, covariances={"animal": pedigree})
    with pytest.raises(GLMMError, match="non-centred only"):
        model.to_pymc(parametrization="centered")


def test_equation(animals):
    pedigree, rows = animals
    text = bg.GLMM("weight ~ 1 + (1 | animal)", rows, covariances={"animal": pedigree}).equation()
    assert r"b^{\mathrm{animal}}_{0} &\sim \operatorname{MvNormal}(0,\; (\mathrm{sd}" in text
    assert r"A^{\mathrm{animal}}" in text
