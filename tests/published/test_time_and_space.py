"""Series in time and a map against nlme, glmmTMB, Stan and INLA: their data and, where they state any, their priors."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg

pytestmark = pytest.mark.slow


def test_ovary():
    """An ar1 effect beside a residual is an ARMA(1, 1) residual: nlme and glmmTMB agree to the last digit shown.

    nlme 3.1-162: lme(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time), random = ~1 | Mare, correlation =
    corARMA(form = ~day | Mare, p = 1, q = 1), method = "ML"): Phi 0.7931623, log likelihood -773.507. glmmTMB 1.1.5:
    (1 | Mare) + ar1(dayf + 0 | Mare), the same log likelihood and the sds below. Maximum likelihood has a smaller sd
    between the mares than the posterior's mean, as everywhere.
    """
    data = bg.load_dataset("Ovary")
    data["day"] = data.groupby("Mare", observed=True).cumcount() + 1
    formula = "follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time) + (1 | Mare) + ar1(day + 0 | Mare)"
    fit = bg.GLMM(formula, data).fit(random_seed=1, progressbar=False)
    assert fit.convergence.passed
    published = {"rho_Mare:day": 0.7931625, "sd_Mare:day": 3.388813, "sd_Mare": 2.403904, "sigma": 1.709027}
    for name, value in published.items():
        draws = fit.posterior[name].to_numpy().ravel()
        low, high = np.quantile(draws, [0.05, 0.95])
        assert low < value < high, name
        assert abs(np.median(draws) - value) < 0.6 * draws.std(), name
    beta, errors = [12.1240, -2.9018, -0.8477], [0.909, 0.493, 0.532]
    for mean, value, error in zip(fit.posterior["beta"].mean(("chain", "draw")).values, beta, errors, strict=True):
        assert abs(mean - value) < 0.2 * error


def test_lip_cancer():
    """Riebler et al. (2016)'s BYM2 of Scotland's lip cancer: figures of Stan and INLA as Simpson (2017) published them.

    stan-dev/example-models, knitr/car-iar-poisson/stan_INLA_bym2.html: priors Normal(0, 5) for coefficients,
    HalfNormal(5) for the sd, Beta(1/2, 1/2) for phi; mean, sd and quantiles of 0.025, 0.5 and 0.975 by Stan.
    """
    data = bg.load_dataset("lip_cancer")
    data["aff10"] = data["aff"] / 10
    near = {row.district: row.neighbours.split() for row in data.itertuples()}
    model = bg.GLMM(
        "cases ~ aff10 + offset(log(expected)) + bym2(district)",
        data,
        family="poisson",
        covariances={"district": near},
        center=False,
        priors={
            "Intercept": "Normal(0, 5)",
            "beta": "Normal(0, 5)",
            "sd[district]": "HalfNormal(5)",
            "phi[district]": "Beta(0.5, 0.5)",
        },
    )
    fit = model.fit(draws=2000, random_seed=1, progressbar=False)
    posterior = fit.posterior
    phi = posterior["phi_district"].to_numpy().ravel()
    found = {
        "log precision": -2.0 * np.log(posterior["sd_district"].to_numpy().ravel()),
        "logit phi": np.log(phi / (1.0 - phi)),
        "Intercept": posterior["beta"].to_numpy()[..., 0].ravel(),
        "aff10": posterior["beta"].to_numpy()[..., 1].ravel(),
        "mean of district 5": bg.predictions(fit, draws="dataarray").to_numpy()[..., 4].ravel(),
    }
    published = {
        "log precision": (1.34, 0.34, 0.68, 1.34, 2.00),
        "logit phi": (3.07, 2.24, -0.06, 2.64, 8.66),
        "Intercept": (-0.22, 0.13, -0.47, -0.22, 0.03),
        "aff10": (0.37, 0.13, 0.10, 0.37, 0.63),
        "mean of district 5": (13.80, 3.05, 8.60, 13.53, 20.49),
    }
    for name, (mean, sd, low, median, high) in published.items():
        draws = found[name]
        lower, middle, upper = np.quantile(draws, [0.025, 0.5, 0.975])
        assert abs(draws.mean() - mean) < 0.1 * sd + 0.005, name
        assert abs(middle - median) < 0.1 * sd + 0.005, name
        assert draws.std() == pytest.approx(sd, rel=0.1), name
        assert abs(lower - low) < 0.15 * sd and abs(upper - high) < 0.3 * sd, name


def test_the_scale_of_scotlands_map():
    """The geometric mean of the intrinsic effects' variances by INLA's inla.qinv is 0.4853175 (the same source)."""
    data = bg.load_dataset("lip_cancer")
    adjacency = bg.Adjacency({row.district: row.neighbours.split() for row in data.itertuples()})
    A = adjacency.matrix.toarray()
    values, vectors = np.linalg.eigh(np.diag(A.sum(axis=1)) - A)
    raw = np.square(vectors[:, 1:]) @ (1.0 / values[1:])
    scaled = adjacency.spectrum("icar").variances
    np.testing.assert_allclose(raw / scaled, 0.4853175, rtol=2e-6)
