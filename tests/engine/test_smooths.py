"""Smooths in the engine: its density is PyMC's, and PyMC's that of curves with a dense covariance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes_glmm.design.smooths import spectral_sd
from bayes_glmm.engine.unpack import unpack_draws
from tests.engine.test_density import compare

#: Formula and family: one sd, sds of several levels, a surface beside a factor, Gaussian processes beside splines.
MODELS = {
    "spline": ("r ~ s(x, k=5)", "gaussian"),
    "curves of levels": ("c ~ h + s(x, by=h, k=4) + (x | g)", "poisson"),
    "surface": ("b ~ t2(x, w, k=4) + (1 | g)", "bernoulli"),
    "multiplied": ("r ~ s(x, by=z, k=5)", "student"),
    "processes": ("c ~ hsgp(x, m=5) + hsgp(w, z, m=3, cov='matern32') + s(z, k=4)", "negativebinomial"),
    "more than a level holds": ("r ~ s(x, k=40) + s(w, k=40) + (1 | g)", "gaussian"),
    "of a further parameter": ("r ~ s(x, k=4)", "gaussian"),
    "thresholds": ("o ~ s(x, k=4) + w", "cumulative"),
}
SLOW = ("spline", "multiplied", "more than a level holds", "curves of levels", "of a further parameter")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in MODELS])
def test_the_kernels_density_is_that_of_pymcs_graph(models, name):
    formula, family = MODELS[name]
    further = {"dpar_formulas": {"sigma": "~ s(w, k=4) + hsgp(z, m=3)"}} if name == "of a further parameter" else {}
    compare(models, models.case(formula, family=family, **further), "log" if family != "gaussian" else "identity")


@pytest.mark.parametrize(
    "formula", ["r ~ s(x, k=6)", "r ~ t2(x, w, k=4)", "r ~ hsgp(x, m=8, cov='matern52') + s(w, k=4)"]
)
def test_with_the_coefficients_integrated_out_curves_have_a_dense_covariance(models, formula):
    """Integrated over u, which it is Gaussian in, against the normal with the covariance Z D Z' + sigma^2."""
    model = models.case(formula, family="gaussian")
    design, packed = model.design, model.packed
    rng = np.random.default_rng(5)
    n_u, p = model.n_u, len(design.unpenalised)
    values = []
    for _ in range(3):
        x = packed.start + 0.4 * rng.normal(size=len(packed.start))
        x[:n_u] = 0.0
        at_zero, gradient = model.density(x)
        # log densities are quadratic in u: value and gradient at zero and the curvature give the integral
        curvature = np.empty((n_u, n_u))
        for i in range(n_u):
            moved = x.copy()
            moved[i] = 1.0
            curvature[i] = gradient[:n_u] - model.density(moved)[1][:n_u]
        half = gradient[:n_u] @ np.linalg.solve(curvature, gradient[:n_u])
        integrated = at_zero + 0.5 * half - 0.5 * np.linalg.slogdet(curvature)[1]
        posterior = unpack_draws(x[None, None], packed, design)
        sds = np.concatenate([
            float(posterior["smooth_sd"].sel(smooth=part.name).item())
            * (np.ones(len(part.columns)) if part.spectrum is None else spectral_sd(
                part.spectrum, posterior["smooth_lengthscale"].sel(gp=part.name).to_numpy().reshape(())))
            for part in design.penalised
        ])  # fmt: skip
        columns = [j for part in design.penalised for j in part.columns]
        Z, sigma = design.X[:, columns], float(posterior["sigma"].item())
        covariance = (Z * sds**2) @ Z.T + sigma**2 * np.eye(len(Z))
        mean = design.X[:, design.unpenalised] @ posterior["beta"].to_numpy().ravel()[design.unpenalised]
        dense = stats.multivariate_normal(mean, covariance).logpdf(design.response.y)
        others = x.copy()
        prior = model.density(others)[0] - stats.norm(mean, sigma).logpdf(design.response.y).sum() + np.log(sds).sum()
        values.append(integrated - dense - prior)
    assert p == len(packed.priors.beta)
    assert np.ptp(values) < 1e-8 * max(1.0, np.abs(values).max())
