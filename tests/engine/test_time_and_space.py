"""Normal responses with effects correlated in time and space: theta's marginal density against dense matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.gaussian_fit import theta_posterior
from bayes_glmm.engine.pack import pack, related_system
from bayes_glmm.engine.run import density_at
from bayes_glmm.engine.sparse_moments import sparse_moments
from tests.structures.oracles import dense_covariance

NEAR = {"a": ["b", "c"], "b": ["c", "d"], "c": [], "d": ["e"], "e": [], "f": ["g"], "g": [], "island": []}


def model_of(kind):
    rng = np.random.default_rng(2)
    cells = [(g, t) for g in range(4) for t in range(12) if rng.random() < 0.7]
    table = pd.DataFrame(cells, columns=["g", "t"]).sample(frac=1, random_state=1)
    table = table.assign(x=rng.normal(size=len(table)), region=rng.choice(list("abcdef"), len(table)))
    table["y"] = 3.0 + table["x"] + rng.normal(size=len(table))
    if kind in ("ar1", "ou"):
        return bg.GLMM(f"y ~ x + {kind}(t | g)", table)
    near = {**NEAR, "island": ["g"]} if kind == "car" else NEAR
    return bg.GLMM(f"y ~ x + {kind}(region)", table, covariances={"region": near})


@pytest.mark.parametrize("kind", ["ar1", "ou", "car", "leroux"])
def test_marginal_density(kind):
    """log p(theta | y) is that of a multivariate normal response, beside a constant; its gradient is its slope."""
    model = model_of(kind)
    spec, design, priors = model.spec, model.design, model.prior_table
    packed = pack(spec, design, priors)
    system = related_system(packed, design)
    mean, sd_beta = (np.array([row.prior[part] for row in priors.beta]) for part in ("mu", "sigma"))
    posterior = theta_posterior(packed, sparse_moments(packed.data, system, mean, sd_beta**-2.0))
    (term,), (group,) = design.groups, (own for _, own in priors.groups)
    X = (design.X - priors.means) @ priors.basis
    centre = design.X @ priors.location + X @ mean
    rng, step, gaps = np.random.default_rng(4), 1e-5, []
    for _ in range(3):
        theta = rng.normal(0.0, 0.4, int(packed.data.sizes[layout.N_THETA]))
        found, gradient = density_at(posterior, theta)
        gradient = gradient.copy()
        slopes = [
            (density_at(posterior, theta + move)[0] - density_at(posterior, theta - move)[0]) / (2 * step)
            for move in step * np.eye(len(theta))
        ]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)
        sd, sigma, own = np.exp(theta[0]), np.exp(theta[2]), term.structure.parameter
        share = 1.0 / (1.0 + np.exp(-theta[1]))
        value = np.exp(theta[1]) if own.upper is None else own.lower + (own.upper - own.lower) * share
        jacobian = theta[0] + theta[2] + (theta[1] if own.upper is None else np.log(share * (1.0 - share)))
        V = sd**2 * dense_covariance(term.structure, value)[np.ix_(term.codes, term.codes)]
        V += sigma**2 * np.eye(len(X)) + X * sd_beta**2 @ X.T
        rows = [(group.sd[0], sd), (group.dependence, value), (priors.auxiliary[0], sigma)]
        expected = stats.multivariate_normal(centre, V).logpdf(design.response.y)
        expected += sum(float(row.prior.log_density(x)) for row, x in rows) + jacobian
        gaps.append(found - expected)
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-8)
