"""Variance components, ICC and R^2 with random slopes, for every family: against quadrature over each coefficient."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

import bayes_glmm as bg

BETA = {"Intercept": 0.2, "x": 0.15}
SD, CORR, SD_H = (0.5, 0.2), -0.3, 0.4


#: family, link, response, parameters -> mean and variance of a response given eta, residual variance on the link scale
#: given the mean over everything (Nakagawa et al. 2017, table 1), all written out by hand
CASES = {
    ("bernoulli", "logit", "binary", ()): (special.expit, lambda p: p * (1 - p), lambda m: math.pi**2 / 3),
    ("binomial", "probit", "p(successes, size)", ()): (special.ndtr, lambda p: p * (1 - p), lambda m: 1.0),
    ("poisson", "log", "count", ()): (np.exp, lambda m: m, lambda m: math.log1p(1 / m)),
    ("negativebinomial", "log", "count", (("phi", 2.5),)): (
        np.exp, lambda m: m + m**2 / 2.5, lambda m: math.log1p(1 / m + 1 / 2.5),
    ),
    ("gamma", "log", "positive", (("phi", 3.0),)): (np.exp, lambda m: m**2 / 3, lambda m: math.log1p(1 / 3)),
    ("lognormal", "identity", "positive", (("sigma", 0.7),)): (
        lambda eta: np.exp(eta + 0.7**2 / 2), lambda m: m**2 * math.expm1(0.7**2), lambda m: 0.7**2,
    ),
    ("beta", "logit", "unit", (("phi", 6.0),)): (
        special.expit, lambda p: p * (1 - p) / 7, lambda m: 1 / (m * (1 - m) * 7),
    ),
    ("student", "identity", "y", (("sigma", 1.1), ("nu", 5.0))): (
        lambda eta: eta, lambda m: np.full_like(m, 1.1**2 * 5 / 3), lambda m: 1.1**2 * 5 / 3,
    ),
}  # fmt: skip


def over_effects(x, mean):
    """Expected responses (rows, intercepts of g, slopes of g, h) at Gauss-Hermite nodes, and the nodes' weights."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    weights = weights / weights.sum()
    first, second, third = np.meshgrid(nodes, nodes, nodes, indexing="ij")
    intercept, slope = SD[0] * first, SD[1] * (CORR * first + math.sqrt(1 - CORR**2) * second)
    eta = BETA["Intercept"] + BETA["x"] * x[:, None, None, None]
    eta = eta + intercept + slope * x[:, None, None, None] + SD_H * third
    return mean(eta), weights


def by_hand(x, mean, variance):
    """Fixed, g, h, all random, and residual variance on the response scale; and the mean."""
    values, w = over_effects(x, mean)
    means = np.einsum("rijk,i,j,k->r", values, w, w, w)
    given_g, given_h = np.einsum("rijk,k->rij", values, w), np.einsum("rijk,i,j->rk", values, w, w)
    of_g = np.einsum("rij,i,j->r", (given_g - means[:, None, None]) ** 2, w, w).mean()
    of_h = np.einsum("rk,k->r", (given_h - means[:, None]) ** 2, w).mean()
    between = np.einsum("rijk,i,j,k->r", (values - means[:, None, None, None]) ** 2, w, w, w).mean()
    residual = np.einsum("rijk,i,j,k->r", variance(values), w, w, w)
    fixed = means.var(ddof=1) if len(x) > 1 else 0.0
    return fixed, of_g, of_h, between, residual, means.mean()


@pytest.fixture(scope="module", params=CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def case(request, synthetic):
    family, link, response, parameters = request.param
    fit = synthetic.synthetic_fit(
        f"{response} ~ x + (x | g) + (1 | h)", synthetic.grouped_data(rows=24), family=family, link=link, beta=BETA,
        sd={"g": list(SD), "h": [SD_H]}, corr={"g": CORR}, spread=0.0, draws=1, **dict(parameters),
    )  # fmt: skip
    return fit, *CASES[request.param]


def first(array) -> dict:
    """Return the first draw of each quantity by its labels."""
    names = [name for name in ("component", "group", "measure", "kind") if name in array.coords]
    labels = zip(*(array[name].values for name in names), strict=True)
    return dict(zip(labels, array.values[0, 0], strict=True))


@pytest.mark.parametrize("x", [None, [-1.5], [2.0, 0.0, 4.0]])
def test_components_and_icc_on_the_response_scale(case, x) -> None:
    fit, mean, variance, _ = case
    rows = None if x is None else {"x": x, "size": 1}
    at = fit.model.design.frame["x"].to_numpy() if x is None else np.array(x)
    fixed, of_g, of_h, between, residual, _ = by_hand(at, mean, variance)
    ours = first(bg.variance_components(fit, rows, scale="response", draws="dataarray"))
    residual = residual.mean()
    assert ours["fixed", ""] == pytest.approx(fixed, rel=1e-6, abs=1e-12)
    assert ours["random", "g"] == pytest.approx(of_g, rel=1e-6)
    assert ours["random", "h"] == pytest.approx(of_h, rel=1e-6)
    assert ours.get(("random", "(together)"), 0.0) == pytest.approx(between - of_g - of_h, rel=1e-4, abs=1e-9 * between)
    assert ours["residual", ""] == pytest.approx(residual, rel=1e-6)
    shares = first(bg.icc(fit, rows, scale="response", draws="dataarray"))
    total = between + residual
    assert shares[("g",)] == pytest.approx(of_g / total, rel=1e-6)
    assert shares[("h",)] == pytest.approx(of_h / total, rel=1e-6)
    assert shares[("(all)",)] == pytest.approx(between / total, rel=1e-6)


@pytest.mark.parametrize("x", [None, [-1.5], [2.0, 0.0, 4.0]])
def test_components_and_icc_on_the_latent_scale(case, x) -> None:
    fit, mean, variance, latent = case
    rows = None if x is None else {"x": x, "size": 1}
    at = fit.model.design.frame["x"].to_numpy() if x is None else np.array(x)
    residual = latent(by_hand(at, mean, variance)[-1])
    of_g = (SD[0] ** 2 + 2 * CORR * math.prod(SD) * at + SD[1] ** 2 * at**2).mean()
    fixed = BETA["x"] ** 2 * at.var(ddof=1) if len(at) > 1 else 0.0
    ours = first(bg.variance_components(fit, rows, draws="dataarray"))
    assert ours["fixed", ""] == pytest.approx(fixed, rel=1e-9, abs=1e-15)
    assert ours["random", "g"] == pytest.approx(of_g, rel=1e-9)
    assert ours["random", "h"] == pytest.approx(SD_H**2, rel=1e-9)
    assert ours["residual", ""] == pytest.approx(residual, rel=1e-6)
    shares = first(bg.icc(fit, rows, draws="dataarray"))
    assert shares[("(all)",)] == pytest.approx((of_g + SD_H**2) / (of_g + SD_H**2 + residual), rel=1e-6)


def test_r2(case) -> None:
    fit, mean, variance, latent = case
    frame, design = fit.model.design.frame, fit.model.design
    x = frame["x"].to_numpy()
    trials = frame["size"].to_numpy() if fit.model.spec.family.name == "binomial" else np.ones(len(x))
    fixed, _, _, between, residual, average = by_hand(x, mean, variance)
    ours = first(bg.r2(fit, draws="dataarray"))
    noise = (residual / trials).mean()
    assert ours["bayes", "marginal"] == pytest.approx(fixed / (fixed + between + noise), rel=1e-6)
    b_g, b_h = (fit.posterior[name].values[0, 0] for name in ("b_g", "b_h"))
    of_level = b_g[design.group("g").codes]
    fitted = mean(
        BETA["Intercept"] + of_level[:, 0] + (BETA["x"] + of_level[:, 1]) * x + b_h[design.group("h").codes, 0]
    )
    explained, noise = fitted.var(ddof=1), (variance(fitted) / trials).mean()
    assert ours["bayes", "conditional"] == pytest.approx(explained / (explained + noise), rel=1e-9)
    fixed = BETA["x"] ** 2 * x.var(ddof=1)
    random = (SD[0] ** 2 + 2 * CORR * math.prod(SD) * x + SD[1] ** 2 * x**2).mean() + SD_H**2
    total = fixed + random + latent(average)
    assert ours["nakagawa", "marginal"] == pytest.approx(fixed / total, rel=1e-6)
    assert ours["nakagawa", "conditional"] == pytest.approx((fixed + random) / total, rel=1e-6)
