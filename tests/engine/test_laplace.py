"""The Laplace fit against a dense Newton search and against lme4, and on data that break optimisers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.engine.laplace import laplace_fit
from bayes_glmm.engine.run import kernel_posterior
from bayes_glmm.priors import Prior

FLAT = {"beta": Prior("Flat"), "Intercept": Prior("Flat"), "sd": Prior("HalfFlat")}


def dense(matrix, pattern):
    """Write the blocks of H as one symmetric matrix."""
    levels, k = matrix.levels.shape[0], matrix.levels.shape[1]
    n, q = levels * k, len(matrix.rest)
    out = np.zeros((n + q, n + q))
    for level in range(levels):
        at = slice(level * k, level * k + k)
        out[at, at] = matrix.levels[level]
        for m in range(pattern.start[level], pattern.start[level + 1]):
            out[n + pattern.columns[m], at] = matrix.coupling[m]
    out[n:, n:] = np.tril(matrix.rest)
    return np.tril(out) + np.tril(out, -1).T


def numerical_hessian(model, x, step=1e-4):
    """Return minus the second derivatives of the log density in (u, beta)."""
    rows = []
    for i in range(model.n_v):
        moved = step * np.eye(len(x))[i]
        difference = 8 * (model.density(x - moved)[1] - model.density(x + moved)[1])
        difference -= model.density(x - 2 * moved)[1] - model.density(x + 2 * moved)[1]
        rows.append(difference[: model.n_v] / (12 * step))
    return 0.5 * (np.array(rows) + np.array(rows).T)


def dense_mode(model, theta):
    """Find the mode of (u, beta) at theta by Newton steps on the dense Hessian; return it and the Laplace value."""
    x = np.concatenate([model.packed.start[: model.n_v], theta])
    for _ in range(100):
        value, gradient = model.density(x)
        if np.abs(gradient[: model.n_v]).max() < 1e-9:
            break
        step = np.linalg.solve(numerical_hessian(model, x), gradient[: model.n_v])
        size = 1.0
        while True:
            moved = x.copy()
            moved[: model.n_v] += size * step
            candidate = model.density(moved)[0]
            if np.isfinite(candidate) and candidate >= value - 1e-9 * abs(value):
                break
            size *= 0.5
            if size < 1e-8:
                return x, value - 0.5 * np.linalg.slogdet(numerical_hessian(model, x))[1]
        x = moved
    return x, model.density(x)[0] - 0.5 * np.linalg.slogdet(numerical_hessian(model, x))[1]


MODELS = {
    "no term": ("p(s, n) ~ x + w", "binomial"),
    "no fixed part": ("c ~ 0 + (1 | g)", "poisson"),
    "intercepts": ("p(s, n) ~ x + (1 | g)", "binomial"),
    "slopes": ("c ~ x + (x | g)", "poisson"),
    "nested": ("c ~ x + (1 | g / h)", "poisson"),
    "crossed": ("c ~ x + (1 | g) + (1 | h)", "poisson"),
    "crossed slopes": ("p(s, n) ~ x + (x | g) + (1 + x | h)", "binomial"),
    "three factors": ("c ~ x + (1 | g) + (x | h) + (1 | g:h)", "poisson"),
    "gaussian": ("r ~ x + (x | g) + (1 | h)", "gaussian"),
    "negative binomial": ("c ~ x + (1 | g)", "negativebinomial"),
    "gamma": ("pos ~ x + (1 | g)", "gamma"),
    "beta": ("u ~ x + (1 | g)", "beta"),
}


@pytest.mark.parametrize("name", MODELS)
def test_mode_information_and_value_are_the_dense_ones(models, name):
    formula, family = MODELS[name]
    model = models.case(formula, family=family)
    fit = laplace_fit(model.packed)
    _, gradient = model.density(fit.x)
    H = numerical_hessian(model, fit.x)
    # the Newton decrement: how far the density could still rise
    v = gradient[: model.n_v]
    assert v @ np.linalg.solve(H, v) < 1e-8
    ours = dense(fit.precision, fit.pattern)
    assert ours == pytest.approx(H, rel=1e-4, abs=1e-5 * np.abs(H).max())
    x, value = dense_mode(model, fit.x[model.n_v :])
    assert fit.x == pytest.approx(x, abs=1e-4)
    assert fit.log_marginal == pytest.approx(value, abs=1e-4)
    # theta is a maximum of the Laplace value
    rng = np.random.default_rng(0)
    for _ in range(4):
        near = fit.x[model.n_v :] + 0.05 * fit.theta_factor @ rng.normal(size=len(fit.x) - model.n_v)
        assert dense_mode(model, near)[1] < value + 1e-3


@pytest.mark.parametrize("name", ["slopes", "crossed slopes", "negative binomial"])
def test_spread_of_theta_is_the_outer_hessians(models, name):
    formula, family = MODELS[name]
    model = models.case(formula, family=family)
    fit = laplace_fit(model.packed)
    theta, step = fit.x[model.n_v :], 0.05
    unit = np.eye(len(theta))

    def at(shift):
        return dense_mode(model, theta + shift)[1]

    hessian = np.empty((len(theta), len(theta)))
    for i in range(len(theta)):
        for j in range(len(theta)):
            a, b = step * unit[i], step * unit[j]
            hessian[i, j] = -(at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / (4 * step**2)
    values, vectors = np.linalg.eigh(hessian)
    expected = (vectors / np.maximum(values, 1 / 1.5**2)) @ vectors.T
    covariance = fit.theta_factor @ fit.theta_factor.T
    assert covariance == pytest.approx(expected, rel=0.1, abs=0.02 * np.abs(expected).max())


# maximum likelihood by lme4 1.1 (`glmer` with nAGQ = 1, the Laplace approximation), R's documentation of ?cbpp and
# the lme4 vignette's cbpp model: (Intercept) -1.3983, period2 -0.9919, period3 -1.1282, period4 -1.5797, sd 0.6421.
CBPP = ([-1.3983, -0.9919, -1.1282, -1.5797], 0.6421)


def test_cbpp_is_glmers_fit_with_flat_priors(models):
    """With flat priors the fit is glmer's but for the part of beta.

    glmer integrates u alone; here beta is integrated too, so that the sd is a little larger (the REML of GLMMs), and
    beta is the joint mode with u (glmer's nAGQ = 0), a tenth of a standard error nearer to zero.
    """
    model = models.case(
        "p(incidence, size) ~ period + (1 | herd)",
        bg.load_dataset("cbpp"),
        family="binomial",
        priors=FLAT,
        center=False,
    )
    fit = laplace_fit(model.packed)
    beta = fit.x[model.n_u : model.n_v]
    sd = math.exp(fit.x[-1])
    assert beta == pytest.approx(CBPP[0], abs=0.06)
    assert 0.0 < sd - CBPP[1] < 0.2


def test_sleepstudy_modes_are_lmers_conditional_modes(models):
    """`lmer(Reaction ~ Days + (Days | Subject))`, REML: beta 251.405, 10.467; at lmer's theta the modes are lmer's.

    Figures of the lme4 paper (Bates et al. 2015, doi:10.18637/jss.v067.i01): sds 24.741 and 5.922, corr 0.066,
    sigma 25.592.
    """
    data = bg.load_dataset("sleepstudy")
    model = models.case("Reaction ~ Days + (Days | Subject)", data, priors=FLAT | {"sigma": Prior("HalfFlat")})
    theta = np.array([math.log(24.741), math.log(5.922), 0.066, math.log(25.592)])
    x, _ = dense_mode(model, theta)
    beta = x[model.n_u : model.n_v]
    assert beta[1] == pytest.approx(10.467, abs=2e-3)
    assert (model.packed.priors.basis @ beta)[0] == pytest.approx(251.405, abs=5e-3)
    # ranef of subjects 308 and 309 in the paper's vignette
    u = x[: model.n_u].reshape(-1, 2)
    assert u[:2] == pytest.approx(np.array([[2.2585, 9.1989], [-40.3986, -8.6197]]), abs=0.02)


def extreme(name):
    """Return data and a model that optimisers fail on."""
    rng = np.random.default_rng(12)
    n = 40
    g = [f"g{i}" for i in np.arange(n) % 8]
    data = pd.DataFrame({"g": g, "x": np.linspace(-1, 1, n), "w": rng.normal(size=n), "one": np.arange(n)})
    data["one"] = data["one"].map("level{}".format)
    if name == "separation":
        data["y"] = (data["x"] > 0).astype(int)
        return "y ~ x + (1 | g)", "bernoulli", data
    if name == "separated group":
        data["y"] = np.where(data["g"].isin(["g0", "g1"]), 1, rng.integers(0, 2, n))
        return "y ~ x + (1 | g)", "bernoulli", data
    if name == "almost no successes":
        data["y"] = 0
        data.loc[0, "y"] = 1
        return "y ~ x + (1 | g)", "bernoulli", data
    if name == "almost all counts zero":
        data["y"] = 0
        data.loc[3, "y"] = 1
        return "y ~ x + (x | g)", "poisson", data
    if name == "huge counts":
        data["y"] = rng.poisson(1e7 * np.exp(data["x"]))
        return "y ~ x + (1 | g)", "poisson", data
    if name == "wild counts":
        data["y"] = rng.poisson(np.exp(rng.normal(3, 4, n)))
        return "y ~ x + (1 | g)", "poisson", data
    if name == "a level per row":
        data["y"] = rng.poisson(3, n)
        return "y ~ x + (1 | one)", "poisson", data
    if name == "a level per row, slopes":
        data["y"] = rng.poisson(3, n)
        return "y ~ x + (x | one)", "poisson", data
    if name == "more coefficients than rows":
        data = data.iloc[:8].assign(**{f"v{i}": rng.normal(size=8) for i in range(12)})
        data["y"] = rng.poisson(3, 8)
        return "y ~ " + " + ".join(f"v{i}" for i in range(12)) + " + (1 | g)", "poisson", data
    if name == "underdispersed":
        data["y"] = 5
        data.loc[:3, "y"] = 6
        return "y ~ x + (1 | g)", "negativebinomial", data
    if name == "two groups":
        data["g"] = np.where(np.arange(n) % 2, "a", "b")
        data["y"] = rng.integers(0, 2, n)
        return "y ~ x + (x | g)", "bernoulli", data
    if name == "outliers":
        data["y"] = np.where(np.arange(n) % 10 == 0, 1e4, rng.normal(size=n))
        return "y ~ x + (1 | g)", "student", data
    if name == "badly scaled":
        data["y"] = rng.poisson(3, n)
        data["x"] = data["x"] * 1e6 + 1e8
        return "y ~ x + (x | g)", "poisson", data
    assert name == "near the edge of (0, 1)"
    data["y"] = np.clip(rng.beta(0.05, 0.05, n), 1e-12, 1 - 1e-12)
    return "y ~ x + (1 | g)", "beta", data


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize(
    "name",
    [
        "separation", "separated group", "almost no successes", "almost all counts zero", "huge counts", "wild counts",
        "a level per row", "a level per row, slopes", "more coefficients than rows", "underdispersed", "two groups",
        "outliers", "badly scaled", "near the edge of (0, 1)",
    ],
)  # fmt: skip
def test_hard_data_have_a_fit(models, name):
    formula, family, data = extreme(name)
    model = models.case(formula, data, family=family)
    fit = laplace_fit(model.packed)
    assert np.all(np.isfinite(fit.x))
    assert np.all(np.isfinite(fit.theta_factor))
    _, gradient = model.density(fit.x)
    H = dense(fit.precision, fit.pattern)
    v = gradient[: model.n_v]
    assert v @ np.linalg.solve(H, v) < 1e-4
    posterior = kernel_posterior(model.packed, fit)
    density = models.compiled(posterior)
    rng = np.random.default_rng(3)
    codes = [density(rng.choice([-1.0, 1.0], size=len(fit.x)))[0] for _ in range(20)]
    assert codes == [0] * 20
    print(name, "theta", fit.x[model.n_v :])


@pytest.mark.parametrize("name", ["Dyestuff2", "Dyestuff"])
def test_a_sd_at_zero_is_no_obstacle(models, name):
    """Dyestuff2's maximum-likelihood estimate of the sd between batches is exactly zero."""
    for prior in ({}, {"sd": Prior("HalfFlat")}, {"sd": Prior("Uniform", 0, 100)}, {"sd": Prior("HalfCauchy", 5)}):
        model = models.case("Yield ~ 1 + (1 | Batch)", bg.load_dataset(name), priors=prior)
        fit = laplace_fit(model.packed)
        assert np.all(np.isfinite(fit.x))
        assert np.sqrt(np.sum(fit.theta_factor**2, axis=1)).max() < 3.0
