"""Heritability on three scales against closed forms, and who may ask for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import DataWarning, PredictionError
from bayes_glmm.predict.posterior import posterior_draws
from bayes_glmm.predict.relatives import given_relatives, redrawn

MU = np.array([[0.4, 0.1, -0.3]])
V_A, V_DAM = np.array([[0.5, 0.2, 1.1]]), np.array([[0.3, 0.0, 0.6]])


@pytest.fixture(scope="module")
def animals():
    table = bg.simulate("animals", pairs=4, young=2, generations=2, random_seed=1)
    rows = table.dropna(subset="weight")
    counts = np.random.default_rng(1).poisson(2.0, len(rows))
    return bg.Pedigree(table), rows.assign(count=counts, alive=(counts > 1).astype(int), pe=rows["animal"])


@pytest.fixture
def made(animals):
    """A fit whose draws are known: three of them, in one chain."""

    def one(formula, family="gaussian", link=None, names=("animal",), **parameters):
        pedigree, rows = animals
        model = bg.GLMM(formula, rows, family, link=link, covariances=dict.fromkeys(names, pedigree))
        shape = {"chain": [0], "draw": [0, 1, 2]}
        variables = {"beta": (("chain", "draw", "coef"), MU[..., None])}
        for term in model.design.groups:
            variance = V_DAM if term.name == "dam" else V_A
            variables[f"sd_{term.name}"] = (("chain", "draw", f"{term.name}_coef"), np.sqrt(variance)[..., None])
            dims = ("chain", "draw", term.dim, f"{term.name}_coef")
            variables[f"b_{term.name}"] = (dims, np.zeros((1, 3, term.size, 1)))
        variables |= {name: (("chain", "draw"), np.full((1, 3), value)) for name, value in parameters.items()}
        posterior = xr.Dataset(variables, coords=shape)
        return bg.FittedGLMM(model, xr.DataTree.from_dict({"posterior": posterior}))

    return one


def found(function, fit, **settings):
    return function(fit, draws="dataarray", **settings).to_numpy().ravel()


def test_counts(made):
    fit = made("count ~ 1 + (1 | animal) + (1 | dam)", "poisson")
    V, mean = (V_A + V_DAM)[0], np.exp(MU + 0.5 * (V_A + V_DAM))[0]
    assert found(bg.heritability, fit) == pytest.approx(V_A[0] / V, rel=1e-12)
    explained = mean**2 * np.expm1(V)
    assert found(bg.heritability, fit, scale="expected") == pytest.approx(mean**2 * V_A[0] / explained, rel=1e-6)
    share = mean**2 * V_A[0] / (explained + mean)
    assert found(bg.heritability, fit, scale="observed") == pytest.approx(share, rel=1e-6)
    assert found(bg.evolvability, fit) == pytest.approx(V_A[0], rel=1e-6)


def test_a_liability(made):
    fit = made("alive ~ 1 + (1 | animal) + (1 | dam)", "bernoulli", "probit")
    V = (V_A + V_DAM)[0]
    z = MU[0] / np.sqrt(1.0 + V)
    slope, p = stats.norm.pdf(z) / np.sqrt(1.0 + V), stats.norm.cdf(z)
    assert found(bg.heritability, fit) == pytest.approx(V_A[0] / (V + 1.0), rel=1e-12)
    # Dempster and Lerner (1950)
    assert found(bg.heritability, fit, scale="observed") == pytest.approx(slope**2 * V_A[0] / (p * (1 - p)), rel=1e-6)


def test_normal_responses_have_one_heritability(made):
    fit = made("weight ~ 1 + (1 | animal) + (1 | dam)", sigma=1.3)
    expected = V_A[0] / (V_A + V_DAM + 1.69)[0]
    for scale in ("latent", "expected", "observed"):
        assert found(bg.heritability, fit, scale=scale) == pytest.approx(expected, rel=1e-12)
    assert found(bg.icc, fit)[0] == pytest.approx(expected[0], rel=0.1)  # which counts the inbred among the animals
    with pytest.warns(DataWarning, match="The trait's mean is 0.0667, give or take 0.287: it may be zero"):
        evolvability = found(bg.evolvability, fit, scale="latent")
    assert evolvability == pytest.approx(V_A[0] / MU[0] ** 2)


def test_tables_say_what_they_are(made):
    table = bg.heritability(made("count ~ 1 + (1 | animal)", "poisson"), additive="animal", scale="observed")
    assert table.columns.tolist() == ["group", "estimate", "sd", "lower", "upper"]
    assert table.attrs["scale"] == "observed"
    assert "Heritability, observed scale" in str(table)


def test_who_has_none(made, sleepstudy_fit):
    with pytest.raises(PredictionError, match="the model has no breeding values. Give a grouping factor a pedigree"):
        bg.heritability(sleepstudy_fit)
    fit = made("count ~ 1 + (1 | animal) + (1 | dam)", "poisson")
    with pytest.raises(PredictionError, match="'dam' is no factor with a known covariance.*'animal'"):
        bg.heritability(fit, additive="dam")
    with pytest.raises(PredictionError, match="scale='obs' is not known"):
        bg.heritability(fit, scale="obs")
    both = made("count ~ 1 + (1 | animal) + (1 | pe)", "poisson", names=("animal", "pe"))
    with pytest.raises(PredictionError, match="several factors have a known covariance; say additive='animal'"):
        bg.evolvability(both)


def test_predictions_of_related_levels(made, animals):
    """Marginal variances are those of inbred animals; a new animal is drawn given its relatives."""
    pedigree, rows = animals
    fit = made("weight ~ 1 + (1 | animal)", sigma=1.0)
    F = pedigree.inbreeding
    two = rows.iloc[[-1, 0]].assign(animal=[F.idxmax(), F.idxmin()])
    assert F.max() > 0.0
    design = fit.model.design.at(two)
    assert np.square(design.groups[0].along[:, 0]) == pytest.approx([1.0 + F.max(), 1.0])
    A = pedigree.relatedness().to_numpy()
    term, u = fit.model.design.groups[0], np.random.default_rng(1).normal(size=(3, pedigree.size, 1))
    levels = np.array([3, pedigree.size - 1])
    mean, scale = given_relatives(term, replace(posterior_draws(fit), effects={"animal": u}), levels)
    for place, i in enumerate(levels):
        others = np.delete(np.arange(pedigree.size), i)
        weights = np.linalg.solve(A[np.ix_(others, others)], A[others, i])
        assert mean[:, place, 0] == pytest.approx(u[:, others, 0] @ weights, abs=1e-9)
        assert scale[0, place] ** 2 == pytest.approx(A[i, i] - A[i, others] @ weights)
    draws, design = posterior_draws(fit), fit.model.design
    again = np.concatenate([redrawn(draws, design, seed).effects["animal"] for seed in range(900)])
    ratios = again[:, :, 0].reshape(900, 3, -1) / np.sqrt(V_A[0])[:, None]
    error = np.cov(ratios.reshape(2700, -1).T) - A
    assert np.abs(error).max() < 6.0 * A.max() / np.sqrt(2700)
