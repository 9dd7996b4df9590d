"""The map z -> x: gradients pulled back, the Jacobian, a bijection, and how near to N(0, I) the posterior becomes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from bayes_glmm.engine.laplace import laplace_fit
from bayes_glmm.engine.parameters import MOST_COEFS
from bayes_glmm.engine.run import kernel_posterior
from bayes_glmm.priors import Prior

#: name -> formula, family, prior options. The Gaussian ones go through the coordinates here, not the marginal path.
MODELS = {
    "no term": ("p(s, n) ~ x + w", "binomial", {}),
    "no fixed part": ("c ~ 0 + (1 | g)", "poisson", {}),
    "one intercept": ("c ~ x + (1 | g)", "poisson", {}),
    "two coefficients": ("p(s, n) ~ x + (x | g)", "binomial", {}),
    "three coefficients": ("r ~ x + (1 + x + w | g)", "gaussian", {}),
    "blocks": ("r ~ x + (1 | g) + (0 + x + w | g)", "gaussian", {}),
    "uncorrelated": ("c ~ x + (x || g)", "poisson", {}),
    "nested": ("c ~ x + (1 | g / h)", "poisson", {}),
    # under the default LKJ(1) the tails of correlations are so long that nine sds out sinh overflows
    "nested slopes": ("c ~ x + (x | g / h)", "poisson", {"priors": {"corr": Prior("LKJ", 2)}}),
    "crossed, eigenvectors": ("p(s, n) ~ x + (1 | g) + (1 | h)", "binomial", {}),
    "crossed, whitened": ("p(s, n) ~ x + (1 | g) + (x | h)", "binomial", {}),
    "crossed slopes": ("r ~ x + (x | g) + (1 + x | h)", "student", {}),
    "three factors": ("c ~ x + (1 | g) + (1 | h) + (x | g:h)", "negativebinomial", {}),
    "three crossed": ("c ~ x + (1 | g) + (x | h) + (1 | k)", "poisson", {}),
    "sds with two bounds": ("c ~ x + (x | g)", "poisson", {"priors": {"sd": Prior("Uniform", 0, 4)}}),
    "precisions": ("c ~ x + (1 | g)", "poisson", {"priors": {"precision": Prior("Gamma", 0.1, 0.1)}}),
    "flat": ("c ~ x + (1 | g)", "poisson", {"priors": {"beta": Prior("Flat"), "Intercept": Prior("Flat")}}),
    "gamma": ("pos ~ x + (1 | g)", "gamma", {}),
    "beta": ("u ~ x + (1 | g)", "beta", {}),
    "thresholds": ("o ~ x + (1 | g)", "cumulative", {}),
    "thresholds, crossed": ("o ~ x + (1 | g) + (1 | h)", "cumulative", {}),
}


@pytest.fixture(scope="module")
def build(models):
    """Return a function from a model's name to the model, its fit, its density and its map; each is built once."""
    cache = {}

    def one(name):
        if name not in cache:
            formula, family, options = MODELS[name]
            data = models.frame()
            data["k"] = [f"k{i}" for i in np.random.default_rng(8).integers(0, 4, len(data))]
            model = models.case(formula, data, family=family, **options)
            fit = laplace_fit(model.packed)
            posterior = kernel_posterior(model.packed, fit)
            cache[name] = (model, fit, models.compiled(posterior), models.expanded(posterior), posterior)
        return cache[name]

    return one


@pytest.mark.parametrize("name", ["one intercept", "two coefficients", "three coefficients", "crossed, eigenvectors"])
def test_every_thread_computes_the_same_bits(build, name):
    """Loops that sum and write choose between two forms by where their arrays lie: one seed, the same draws."""
    density = build(name)[2]
    z = np.random.default_rng(2).normal(size=(1000, len(build(name)[1].x)))

    def values(_thread):
        return np.array([[value, *gradient] for _, value, gradient in map(density, z)])

    first = values(None)
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(first, other) for other in pool.map(values, range(8)))


def test_as_many_coefficients_a_level_as_the_engine_takes(models):
    """Matrices of 64 x 64 fit on the stack of a thread of half a MiB."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(200, MOST_COEFS - 1))).rename(columns="x{}".format)
    slopes = " + ".join(data.columns)
    data["y"], data["g"] = rng.poisson(3, size=200), rng.choice(list("abcd"), 200)
    model = models.case(f"y ~ 1 + (1 + {slopes} | g)", data, family="poisson")
    x = 0.1 * rng.normal(size=len(model.packed.start))
    expected = model.density(x)
    previous = threading.stack_size(2**19)
    try:
        with ThreadPoolExecutor(1) as pool:
            value, gradient = pool.submit(model.density, x).result()
    finally:
        threading.stack_size(previous)
    assert value == expected[0]
    assert np.array_equal(gradient, expected[1])


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_is_that_of_the_density(models, build, name):
    model, _, density, _, _ = build(name)
    rng = np.random.default_rng(1)
    for spread in (0.3, 1.0, 2.0):
        z = spread * rng.normal(size=len(model.packed.start))
        code, value, gradient = density(z)
        assert code == 0
        for i in range(len(z)):
            numerical = models.richardson(models.along(lambda v: density(v)[1], z, i), z[i], step=0.03)
            assert gradient[i] == pytest.approx(numerical, rel=2e-7, abs=2e-9 * (1 + abs(value)))


@pytest.mark.parametrize("name", MODELS)
def test_the_density_of_z_is_that_of_x_times_the_jacobian(models, build, name):
    """log|J| from a numerical Jacobian, up to one constant a model."""
    model, _, density, expand, _ = build(name)
    rng = np.random.default_rng(2)
    constants = []
    for spread in (0.0, 0.5, 1.0, 1.0, 2.0, 3.0):
        z = spread * rng.normal(size=len(model.packed.start))
        columns = []
        for i in range(len(z)):
            step = 1e-3 * np.eye(len(z))[i]
            near, far = expand(z + step) - expand(z - step), expand(z + 2 * step) - expand(z - 2 * step)
            columns.append((8 * near - far) / 12e-3)
        sign, log_det = np.linalg.slogdet(np.array(columns))
        assert sign != 0
        constants.append(density(z)[1] - model.density(expand(z))[0] - log_det)
    assert np.ptp(constants) < 1e-6 * max(1.0, np.abs(constants).max())


@pytest.mark.parametrize("name", MODELS)
def test_zero_is_the_mode_and_the_map_is_onto(build, name):
    """x(0) is the Laplace fit's mode, and every position has coordinates."""
    model, fit, _, expand, _ = build(name)
    n = len(model.packed.start)
    x_hat = expand(np.zeros(n))
    assert x_hat == pytest.approx(fit.x, rel=1e-6, abs=1e-6 * np.abs(fit.x).max())
    rng = np.random.default_rng(4)
    z = rng.normal(size=n)
    x = expand(z)
    found = optimize.root(lambda q: expand(q) - x, np.zeros(n), method="lm", tol=1e-15)
    assert expand(found.x) == pytest.approx(x, abs=1e-9)
    assert found.x == pytest.approx(z, abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_posterior_is_nearly_standard_normal(build, name):
    """log p(z) + |z|^2 / 2 varies little at draws of N(0, I): the reason why the coordinates exist."""
    model, _, density, _, _ = build(name)
    rng = np.random.default_rng(5)
    z = rng.normal(size=(400, len(model.packed.start)))
    rest = np.array([density(row)[1] + 0.5 * row @ row for row in z])
    print(name, "sd of log p(z) + |z|^2 / 2:", rest.std(), "in", z.shape[1], "dimensions")
    # three sds whose marginals no normal fits leave this much in these small data
    assert np.isfinite(rest).all()
    assert np.median(np.abs(rest - np.median(rest))) < 2.0
    # and the normal is of the right size: no direction is shrunk or stretched more than twice
    hessian = numerical_hessian(density, z.shape[1])
    values = np.linalg.eigvalsh(hessian)
    print("eigenvalues at the mode:", values.min(), values.max())
    assert values.max() < 4.0


def numerical_hessian(density, n, step=1e-3):
    """Return minus the second derivatives at z = 0."""
    rows = [(density(-step * e)[2] - density(step * e)[2]) / (2 * step) for e in np.eye(n)]
    return 0.5 * (np.array(rows) + np.array(rows).T)


def test_the_coordinates_decouple_coefficients_at_the_mode(build):
    """In (u, beta) the Hessian at the mode is the identity: the couplings are the joint ones, crossed factors too."""
    for name in ("crossed, eigenvectors", "crossed, whitened", "nested", "two coefficients", "three crossed"):
        model, _, density, _, _ = build(name)
        hessian = numerical_hessian(density, len(model.packed.start))[: model.n_v, : model.n_v]
        worst = np.abs(hessian - np.eye(model.n_v)).max()
        print(name, worst)
        # more than two crossed terms: the blocks' conditionals are exact one after the other
        assert worst < 2e-3


@pytest.mark.parametrize("name", MODELS)
def test_the_mode_of_coefficients_follows_theta(build, name):
    """One unit along any element of v, the density in (eps, w) is highest near zero: the shear took its mode along.

    The gradient there is Newton's step in units of the sds. Without the shear its length is 0.1 to 0.5, and 1.0 where
    thresholds move.
    """
    model, _, density, _, _ = build(name)
    n, n_v = len(model.packed.start), model.n_v
    steps = [np.linalg.norm(density(side * np.eye(n)[i])[2][:n_v]) for i in range(n_v, n) for side in (-1.0, 1.0)]
    print(name, "longest step:", max(steps, default=0.0))
    assert max(steps, default=0.0) < 0.12


EXTREME = [1e2, 1e3, 1e5, 1e10, 1e300]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("error")
def test_far_away_there_is_no_density_rather_than_a_wrong_one(build, name, capfd):
    """Where doubles overflow the code is not 0: a finite value would be a place the sampler believes in."""
    model, _, density, _, _ = build(name)
    n = len(model.packed.start)
    best = density(np.zeros(n))[1]
    for size in EXTREME:
        for i in [*range(n - 1, max(n - 8, -1), -1), 0]:
            for sign in (-1.0, 1.0):
                z = np.zeros(n)
                z[i] = sign * size
                code, value, gradient = density(z)
                if code == 0:
                    assert np.isfinite(value)
                    assert np.all(np.isfinite(gradient))
                    assert value < best + 50.0
    z = np.full(n, np.nan)
    assert density(z)[0] != 0
    # an exception inside a compiled function is printed and read as success
    assert "rror" not in capfd.readouterr().err
