"""Log likelihoods at published estimates, from the code behind ``loo(fit, unit=group)``; REML's, too.

Input: a fit, estimates by our names, the grouping factor that is integrated out. Output: a number that lme4 prints.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.checks.group_likelihood import group_log_likelihood
from bayes_glmm.inference.fit import Fit


def log_likelihood_at(fit: bg.FittedGLMM, values: Mapping[str, float], group: str) -> float:
    """The log likelihood at the estimates, all effects of the levels of `group` integrated out."""
    return float(_at(fit, values, group, _coefficients(fit, values)[None])[0])


def restricted_log_likelihood_at(fit: bg.FittedGLMM, values: Mapping[str, float], group: str) -> float:
    """REML's: the coefficients integrated out, too; exact, since a linear model's is quadratic in them."""
    center = _coefficients(fit, values)
    steps = np.diag(fit.posterior["beta"].std(("chain", "draw")).values)
    i, j = np.triu_indices(len(center))
    points = center + np.vstack([0 * center, steps, steps[i] + steps[j]])
    density = _at(fit, values, group, points)
    at, alone, both = density[0], density[1 : len(center) + 1], density[len(center) + 1 :]
    information = np.zeros_like(steps)
    information[i, j] = information[j, i] = -(both - alone[i] - alone[j] + at)
    gradient = alone - at + 0.5 * np.diag(information)
    # in units of the steps, whose product puts the integral back into units of the coefficients
    _, log_det = np.linalg.slogdet(information)
    gained = 0.5 * gradient @ np.linalg.solve(information, gradient)
    volume = 0.5 * len(center) * np.log(2 * np.pi) + np.log(np.diag(steps)).sum()
    return float(at + gained + volume - 0.5 * log_det)


def saturated(fit: bg.FittedGLMM) -> float:
    """The log likelihood of means that equal the responses, which lme4 leaves out under adaptive quadrature."""
    response = fit.model.design.response
    if response.trials is None:
        return float(stats.poisson.logpmf(response.y, response.y).sum())
    return float(stats.binom.logpmf(response.y, response.trials, response.y / response.trials).sum())


def _coefficients(fit: bg.FittedGLMM, values: Mapping[str, float]) -> np.ndarray:
    names = [str(name) for name in fit.posterior["coef"].values]
    return np.array([values[name if name == "Intercept" else f"beta[{name}]"] for name in names])


def _at(fit: bg.FittedGLMM, values: Mapping[str, float], group: str, beta: np.ndarray) -> np.ndarray:
    draws = fit.posterior.isel(chain=[0], draw=slice(len(beta))).copy(deep=True)
    draws["beta"] = draws["beta"].copy(data=beta[None])
    for term in fit.model.design.groups:
        sd = draws[f"sd_{term.name}"]
        draws[sd.name] = sd.copy(data=np.broadcast_to([values[f"sd[{term.name}][{x}]"] for x in term.coefs], sd.shape))
        if (name := f"corr_{term.name}") in draws:
            matrix = np.array([[1, values[f"corr[{term.name}]"]], [values[f"corr[{term.name}]"], 1]])
            draws[name] = draws[name].copy(data=np.broadcast_to(matrix, draws[name].shape))
    for row in fit.model.spec.family.parameters:
        draws[row.name] = xr.full_like(draws[row.name], values[row.name])
    point = Fit(fit.model, xr.DataTree.from_dict({"posterior": draws}))
    # the fit itself says where the nodes of the quadrature go
    return group_log_likelihood(point, group, around=fit).sum(axis=1)
