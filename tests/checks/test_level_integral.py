"""Integrals over a level's effects: the closed form where there is one, and rows left out one at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.checks.group_likelihood import group_log_likelihood, level_integral, nested_terms
from bayes_glmm.checks.row_likelihood import row_log_likelihood
from bayes_glmm.predict.expected import row_predictor
from bayes_glmm.predict.linear import fixed_part
from bayes_glmm.predict.posterior import posterior_draws

FEW_DRAWS = {"draws": 60, "tune": 300, "chains": 2, "random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def rows():
    """Six rows a level of g (the last has one), in three levels of h or one a row, o; three rows far out."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(20), 6)[:115]
    x = rng.normal(size=len(g))
    eta = 0.5 + 0.5 * x + rng.normal(scale=0.8, size=20)[g] + rng.normal(scale=0.5, size=20)[g] * x
    data = pd.DataFrame({"g": g, "h": g * 3 + np.arange(len(g)) % 3, "o": np.arange(len(g)), "x": x}).astype(
        {"g": str, "h": str, "o": str}
    )
    data["y"] = eta + rng.normal(size=len(g))
    data.loc[[4, 50], "y"] += 15.0
    data["count"] = rng.poisson(np.exp(eta))
    data.loc[70, "count"] = 400
    data["yes"] = (rng.random(len(g)) < 1 / (1 + np.exp(-eta))).astype(int)
    return data


def fitted(formula, rows, family="gaussian"):
    model = bg.GLMM(formula, rows, family=family)
    with pytest.warns(bg.errors.ConvergenceWarning):
        return model.fit(**FEW_DRAWS)


def of_normal(fit):
    """log p(y_i | the level's other rows) and log p(y of each level) from covariance matrices (S, rows, rows)."""
    draws, design = posterior_draws(fit), fit.model.design
    fixed = fixed_part(draws, design, np.arange(len(design.offset)))
    sigma = fit.posterior["sigma"].to_numpy().reshape(-1)
    each, whole = np.empty_like(fixed), []
    for level in range(len(design.groups[0].levels)):
        own = np.flatnonzero(design.groups[0].codes == level)
        covariance = np.square(sigma)[:, None, None] * np.eye(len(own))
        for term in design.groups:
            Z, same = term.Z[own], term.codes[own][:, None] == term.codes[own]
            covariance = covariance + np.einsum("ik,skl,jl,ij->sij", Z, draws.covariances[term.name], Z, same)
        away = design.response.y[own] - fixed[:, own]
        inverse = np.linalg.inv(covariance)
        pull, precision = np.einsum("sij,sj->si", inverse, away), np.einsum("sii->si", inverse)
        each[:, own] = 0.5 * np.log(precision / (2 * np.pi)) - 0.5 * np.square(pull) / precision
        determinants = np.linalg.slogdet(covariance)[1]
        whole.append(-0.5 * (determinants + (away * pull).sum(axis=1) + len(own) * np.log(2 * np.pi)))
    return each, np.stack(whole, axis=1)


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (1 | g / h)", "y ~ x + (1 | h)"])
def test_of_normal_responses_the_closed_form(rows, formula):
    fit = fitted(formula, rows)
    each, whole = of_normal(fit)
    scale = np.maximum(1.0, np.abs(each))
    np.testing.assert_allclose(row_log_likelihood(fit) / scale, each / scale, atol=1e-8)
    np.testing.assert_allclose(group_log_likelihood(fit, fit.model.design.groups[0].name), whole, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("count ~ x + (x | g)", "poisson"),
        ("yes ~ x + (1 | g / h)", "bernoulli"),
        ("count ~ x + (1 | g / o)", "poisson"),
        ("count ~ x + (1 | o)", "poisson"),
    ],
)
def test_rows_left_out_together_are_those_left_out_alone(rows, formula, family):
    fit = fitted(formula, rows, family)
    predictor = row_predictor(fit, None, scale="link", random_seed=0, draws=posterior_draws(fit))
    chain = nested_terms(fit, fit.model.design.groups[0].name)
    integral = level_integral(predictor, chain)
    for level in {int(chain[0].codes[i]) for i in (0, 70, 114)}:
        own = np.flatnonzero(chain[0].codes == level)
        alone = [integral.of_rows(own) - integral.of_rows(own[own != i]) for i in own]
        np.testing.assert_allclose(integral.of_each_row(own), np.stack(alone, axis=1), atol=2e-3)
