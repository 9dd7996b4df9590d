"""Several responses in PyMC's graph against scipy, and their priors as one table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayes_glmm.design.multivariate import build_multivariate_design
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.model.multivariate import correlation_factor, merged_priors, own_priors
from bayes_glmm.spec.multivariate import MultivariateSpec

pytestmark = pytest.mark.filterwarnings("ignore:.*rows are left out for:bayes_glmm.errors.DataWarning")


def frame():
    rng = np.random.default_rng(6)
    data = pd.DataFrame(rng.normal(size=(14, 4)), columns=["a", "b", "c", "x"]).assign(g=list("uuvvwwxxyyzzuv"))
    data.loc[2:4, "a"] = np.nan
    data.loc[4:6, "b"] = np.nan
    return data


def build(formulas, **options):
    design = build_multivariate_design(MultivariateSpec.build(formulas, **options), frame())
    tables = tuple(resolve_priors(part.spec, part) for part in design.parts)
    return design, tables, merged_priors(design, tables)


def test_partial_correlations_with_beta_priors_are_an_lkj():
    """The density of R under LKJ(eta) is det(R)^(eta - 1), up to a constant: that of the partials less the Jacobian."""
    design, _, priors = build(
        ["a ~ 1", "b ~ 1", "c ~ 1"], residual_correlation=True, priors={"residual_corr": "LKJ(2.5)"}
    )
    rows = [row for row in priors.auxiliary if row.parameter.startswith("residual_partial")]
    rng = np.random.default_rng(1)

    def strict(p):
        factor = correlation_factor(p, 3)
        return (factor @ factor.T)[[1, 2, 2], [0, 0, 1]]

    differences = []
    for p in rng.uniform(0.1, 0.9, size=(4, 3)):
        steps = 1e-6 * np.eye(3)
        jacobian = np.array([(strict(p + step) - strict(p - step)) / 2e-6 for step in steps])
        own = sum(stats.beta.logpdf(v, row.prior["alpha"], row.prior["beta"]) for v, row in zip(p, rows, strict=True))
        factor = correlation_factor(p, 3)
        differences.append(own - np.linalg.slogdet(jacobian)[1] - 1.5 * np.linalg.slogdet(factor @ factor.T)[1])
    np.testing.assert_allclose(differences, differences[0], atol=1e-6)


def test_the_likelihood_is_that_of_multivariate_normals_of_what_rows_have():
    from bayes_glmm.model.build_multivariate import build_multivariate_model

    design, _, priors = build(["a ~ x", "b ~ 1", "c ~ 0 + x"], residual_correlation=True)
    model = build_multivariate_model(design, priors)
    point = model.initial_point()
    likelihood = model.compile_logp(vars=model.observed_RVs, sum=True, jacobian=False)
    replaced = {"beta_centered": [0.3, -0.4, 0.2, 0.7], "sigma_a_log__": np.log(1.3), "sigma_b_log__": np.log(0.6)}
    point |= {key: np.asarray(value) for key, value in replaced.items()} | {"sigma_c_log__": np.asarray(np.log(0.9))}
    partials = np.array([0.7, 0.35, 0.6])
    for name, p in zip(["b_a", "c_a", "c_b"], partials, strict=True):
        point[f"residual_partial_{name}_logodds__"] = np.asarray(np.log(p / (1 - p)))
    beta = priors.location + priors.basis @ replaced["beta_centered"]
    factor = np.array([1.3, 0.6, 0.9])[:, None] * correlation_factor(partials, 3)
    data, expected = frame(), 0.0
    mu = np.column_stack([beta[0] + beta[1] * data["x"], np.full(len(data), beta[2]), beta[3] * data["x"]])
    for y, m in zip(data[["a", "b", "c"]].to_numpy(), mu, strict=True):
        has = np.isfinite(y)
        covariance = (factor @ factor.T)[np.ix_(has, has)]
        expected += stats.multivariate_normal.logpdf(y[has], m[has], covariance)
    assert float(likelihood(point)) == pytest.approx(expected, rel=1e-10)


def test_priors_are_those_of_each_response_and_of_the_correlations():
    formulas = ["a ~ x + (1 + x |p| g)", "b ~ x + (1 |p| g)"]
    design, tables, priors = build(formulas, priors={"corr[g]": "LKJ(2)", "b": {"sigma": "HalfNormal(3)"}})
    labels = [row.parameter for row in priors]
    assert labels[:4] == ["a_Intercept", "beta[a_x]", "b_Intercept", "beta[b_x]"]
    assert labels[4:8] == ["sd[g][a_Intercept]", "sd[g][a_x]", "sd[g][b_Intercept]", "corr[g]"]
    assert labels[8:] == ["sigma_a", "sigma_b"]
    by_name = {row.parameter: row for row in priors}
    assert by_name["sigma_b"].source == by_name["corr[g]"].source == "user"
    assert by_name["beta[a_x]"].prior == tables[0].beta[1].prior
    # two coefficients among three: LKJ(2 + 1/2)
    own = own_priors(design, tables[0], priors, 0)
    assert own.groups[0][1].corr.prior["eta"] == 2.5
    assert own_priors(design, tables[1], priors, 1).groups[0][1].corr is None
