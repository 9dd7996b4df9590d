"""Several responses on the kernel: density and gradient are those of PyMC's graph, rows without a response included."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_glmm.design.multivariate import build_multivariate_design
from bayes_glmm.engine.pack_responses import pack_responses, why_not_covered_together
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.model.build_multivariate import build_multivariate_model
from bayes_glmm.model.multivariate import merged_priors
from bayes_glmm.spec.multivariate import MultivariateSpec
from tests.engine.test_density import compare_with

pytestmark = pytest.mark.filterwarnings("ignore:.*rows are left out for:bayes_glmm.errors.DataWarning")


def rows(models):
    data = models.frame(rows=70)
    rng = np.random.default_rng(4)
    data["r2"] = 0.5 * data["r"] + rng.normal(size=len(data))
    data["r3"] = rng.normal(size=len(data)) - data["x"]
    data["c"] = data["c"].astype(float)
    # responses that some rows do not have: alone, together, and whole levels of g
    data.loc[data.index[3:12], "r"] = np.nan
    data.loc[data.index[8:20], "r2"] = np.nan
    data.loc[data.index[40:44], "c"] = np.nan
    data.loc[data["g"] == "g3", "r"] = np.nan
    return data


def build(models, formulas, families, **options):
    spec = MultivariateSpec.build(formulas, families, **options)
    design = build_multivariate_design(spec, rows(models))
    tables = tuple(resolve_priors(part.spec, part) for part in design.parts)
    priors = merged_priors(design, tables)
    assert why_not_covered_together(design, tables, priors) is None
    model = models.Case(spec, design, priors, pack_responses(design, tables, priors))
    return model, models.graph_of(model, build_multivariate_model(design, priors, parametrization="centered"))


CASES = {
    "an id over families": (
        ["r ~ x + (1 + w |p| g)", "c ~ z + (1 |p| g)"],
        ["gaussian", "poisson"],
        {"priors": {"corr": "LKJ(2)", "c": {"beta": "Normal(0, 1)"}}},
    ),
    "correlated residuals": (
        ["r ~ x + (1 |p| g) + (1 | h)", "r2 ~ x + (1 |p| g)"],
        "gaussian",
        {"residual_correlation": True, "priors": {"residual_corr": "LKJ(3)"}},
    ),
    "three with residuals and a count": (
        ["r ~ x", "c ~ w + (1 |p| g) + (1 | h)", "r2 ~ 1 + (1 |p| g)", "r3 ~ 0 + x + offset(w)"],
        ["gaussian", "negativebinomial", "gaussian", "gaussian"],
        {"residual_correlation": True},
    ),
    "weights, trials and standard errors": (
        ["weighted(r, wt) ~ x + (1 | g)", "p(s, n) ~ x + (1 | h)", "precision(r2, wt) ~ w", "r3 | se(wt) ~ 1"],
        ["student", "betabinomial", "gaussian", "gaussian"],
        {},
    ),
}


@pytest.mark.parametrize(
    "name", [*list(CASES)[:2], *(pytest.param(n, marks=pytest.mark.slow) for n in list(CASES)[2:])]
)
def test_density_and_gradient_are_those_of_the_graph(models, name):
    formulas, families, options = CASES[name]
    model, graph = build(models, formulas, families, **options)
    compare_with(models, model, graph, "log", rounds=3)
