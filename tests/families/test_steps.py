"""Ordered categories by steps: probabilities written out, rows, graphs, and the binary models that steps are."""

from __future__ import annotations

import ctypes

import numpy as np
import pandas as pd
import pytest
from scipy import special

import bayes_glmm as bg
from bayes_glmm.families import FAMILIES
from bayes_glmm.families.steps import STEPS
from bayes_glmm.links import LINKS
from tests.engine import models
from tests.families.table import plain
from tests.families.test_fits import assert_equal_densities

THRESHOLDS = np.array([0.3, -0.6, 1.2, -2.0])  # in no order
ETAS = np.array([-1.3, 0.4, 1.1, -0.2, 0.9])
PAIRS = [(family.name, link) for family in STEPS for link in family.links]


#: The link with 1 - F(x) at -x.
MIRRORED = {"cloglog": "loglog", "loglog": "cloglog"}


def written_out(name, link, eta, thresholds):
    """Probabilities of one row's categories as brms's documentation states them, product by product."""
    F, G, last = LINKS[link].inverse, LINKS[MIRRORED.get(link, link)].inverse, len(thresholds)
    apart = thresholds - eta
    below, above = (F(apart), G(-apart)) if name == "sratio" else (G(apart), F(-apart))
    if name == "acat":
        p = np.array([np.prod(above[:c]) * np.prod(below[c:]) for c in range(last + 1)])
        return p / p.sum()
    return np.array([np.prod(above[:c]) * (below[c] if c < last else 1.0) for c in range(last + 1)])


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_probabilities_and_their_way_back(name, link):
    family = FAMILIES[name]
    p = family.probabilities(ETAS, LINKS[link], {"thresholds": THRESHOLDS})
    exact = [written_out(name, link, eta, THRESHOLDS) for eta in ETAS]
    np.testing.assert_allclose(p, exact, rtol=1e-12)
    back = family.threshold_predictors(p, LINKS[link])
    np.testing.assert_allclose(back, THRESHOLDS - ETAS[:, None], rtol=1e-7)  # the cloglog of nearly one
    draws = np.stack([THRESHOLDS, THRESHOLDS[::-1]])[:, None, :]
    both = family.probabilities(np.tile(ETAS, (2, 1)), LINKS[link], {"thresholds": draws})
    np.testing.assert_array_equal(both[0], p)


@pytest.mark.parametrize("name", [family.name for family in STEPS])
@pytest.mark.parametrize("eta", [-36.0, 36.0])
def test_probabilities_in_both_tails(name, eta):
    """Relative accuracy where the logistic's other tail is one in doubles."""
    with np.errstate(over="raise"):
        p = FAMILIES[name].probabilities(np.array([eta]), LINKS["logit"], {"thresholds": THRESHOLDS})[0]
    steps = np.concatenate([[0.0], np.cumsum(eta - THRESHOLDS)])
    if name == "acat":
        exact = steps - special.logsumexp(steps)
    else:
        on = np.concatenate([[0.0], np.cumsum(special.log_expit(eta - THRESHOLDS))])
        exact = on + np.append(special.log_expit(THRESHOLDS - eta), 0.0)
    np.testing.assert_allclose(np.log(p), exact, rtol=1e-12, atol=1e-15)


def rows(name, link, eta, y, counts):
    """Values, d/d eta and d/d thresholds of the engine's rows, as Python."""
    from bayes_glmm.engine.compose import kernel_of

    kernel = kernel_of(FAMILIES[name].kernel, link)
    return call(kernel, eta, y, counts)


def call(kernel, eta, y, counts):
    """Run a kernel's Python source with arrays in the place of addresses."""
    source = plain(kernel)
    source.__globals__.update(np=np, carray=lambda array, shape: array)
    values, d, d_par = np.empty_like(eta), np.empty_like(eta), np.zeros(len(THRESHOLDS) + 2)
    total = source(len(eta), eta, y, counts, np.append(THRESHOLDS, [np.inf, np.inf]), values, d, d_par)
    assert total == pytest.approx(values.sum())
    assert not d_par[len(THRESHOLDS) :].any()
    return values, d, d_par[: len(THRESHOLDS)]


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_rows_and_graph_are_the_probabilities_with_their_derivatives(name, link):
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt

    y, counts = np.arange(5.0), np.array([1.0, 2.0, 0.5, 1.5, 3.0])
    values, slope, pull = rows(name, link, ETAS, y, counts)
    p = FAMILIES[name].probabilities(ETAS, LINKS[link], {"thresholds": THRESHOLDS})
    np.testing.assert_allclose(values, counts * np.log(np.diagonal(p)), rtol=1e-12, atol=1e-15)
    x, t = pt.dvector("x"), pt.dvector("t")
    law, arguments = FAMILIES[name].graph(x, LINKS[link], {"thresholds": t}, None)
    logp = pm.logp(law.dist(**arguments), y)
    slopes = pt.grad((counts * logp).sum(), [x, t])
    density, by_eta, by_t = pytensor.function([x, t], [logp, *slopes], mode="FAST_COMPILE")(ETAS, THRESHOLDS)
    np.testing.assert_allclose(counts * density, values, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(slope, by_eta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(pull, by_t, rtol=1e-9, atol=1e-12)


def test_the_compiled_rows_are_their_source():
    from bayes_glmm.engine.rows import row_kernel

    y, counts = np.arange(5.0), np.array([1.0, 2.0, 0.5, 1.5, 3.0])
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 7)(
        row_kernel("acat", "logit").address
    )
    values, d, d_par = np.empty(5), np.empty(5), np.zeros(6)
    parameters = np.append(THRESHOLDS, [np.inf, np.inf])
    function(5, *[a.ctypes.data for a in (ETAS, y, counts, parameters, values, d, d_par)])
    for ours, source in zip((values, d, d_par[:4]), rows("acat", "logit", ETAS, y, counts), strict=True):
        np.testing.assert_allclose(ours, source, rtol=1e-12)


def grades(count=240, levels=12):
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"x": rng.normal(size=count), "g": np.resize([f"g{i}" for i in range(levels)], count)})
    eta = 0.5 * data["x"] + np.resize(0.8 * rng.standard_normal(levels), count)
    p = FAMILIES["sratio"].probabilities(eta.to_numpy(), LINKS["logit"], {"thresholds": np.array([-0.7, 0.9, -0.2])})
    data["o"] = pd.Categorical(FAMILIES["sratio"].simulate(rng, p, {}, None).astype(int), ordered=True)
    return data.assign(w=rng.integers(1, 4, count))


@pytest.mark.parametrize("name", ["acat", *(pytest.param(one, marks=pytest.mark.slow) for one in ("sratio", "cratio"))])
def test_compiled_density_and_gradient_are_pymcs(name):
    assert_equal_densities(models.case("weighted(o, w) ~ x + (1 | g)", grades(90), family=name))


@pytest.mark.parametrize(
    "link", ["logit", *(pytest.param(one, marks=pytest.mark.slow) for one in ("probit", "cloglog"))]
)
def test_going_on_step_by_step_is_a_binary_model_of_all_steps(link):
    """cratio is a bernoulli model of a row for each step that is reached, whether it was passed."""
    data, normal = grades(), bg.Prior("Normal", mu=0, sigma=1.5)
    code = data["o"].cat.codes.to_numpy()
    steps = pd.concat([data[code >= c].assign(step=f"s{c}", on=(code[code >= c] > c) * 1) for c in range(3)])
    options = {"link": link, "center": False}
    one = models.case(
        "o ~ x + (1 | g)", data, family="cratio", priors={"thresholds": normal, "beta": normal}, **options
    )
    two = models.case("on ~ 0 + step + x + (1 | g)", steps, family="bernoulli", priors={"beta": normal}, **options)
    rng = np.random.default_rng(1)
    differences = []
    for _ in range(3):
        u, slope, log_sd, t = 0.5 * rng.normal(size=12), rng.normal(), 0.3 * rng.normal(), rng.normal(size=3)
        first, by_one = one.density(np.concatenate([u, [slope, log_sd], t]))
        second, by_two = two.density(np.concatenate([u, -t, [slope, log_sd]]))
        differences.append(first - second)
        np.testing.assert_allclose(by_one[:12], by_two[:12], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(by_one[14:], -by_two[12:15], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(by_one[12:14], by_two[15:], rtol=1e-9, atol=1e-9)
    assert max(differences) - min(differences) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("name", ["sratio", *(pytest.param(one, marks=pytest.mark.slow) for one in ("cratio", "acat"))])
def test_everything_that_reads_a_fit(name, tmp_path):
    fit = bg.GLMM("o ~ x + (1 | g)", grades(), family=name).fit(method="laplace", random_seed=1, progressbar=False)
    assert r"\tau_c" in fit.model.equation() and "increasing" not in fit.model.priors.to_string()
    thresholds = fit.posterior["thresholds"].mean(("chain", "draw")).to_numpy()
    assert thresholds[2] < thresholds[1]  # as they were made, which no cumulative model can be
    # probabilities averaged over all effects: Gauss and Hermite's rule, draw by draw
    posterior = fit.posterior.isel(chain=0, draw=slice(0, 15))
    averaged = bg.predictions(fit, draws="dataarray", random_effects="marginal").isel(chain=0, draw=slice(0, 15))
    eta = posterior["beta"].to_numpy() * grades()["x"].to_numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    own = {"thresholds": posterior["thresholds"].to_numpy()[:, None]}
    sd = posterior["sd_g"].to_numpy().reshape(15, 1)
    brute = sum(
        w * FAMILIES[name].probabilities(eta + sd * z, LINKS["logit"], own)
        for z, w in zip(nodes, weights / weights.sum(), strict=True)
    )
    np.testing.assert_allclose(averaged.to_numpy().reshape(15, 4, -1).transpose(0, 2, 1), brute, rtol=1e-6)
    table = bg.marginal_coefficients(fit)
    assert abs(table.loc["x", "marginal"]) < abs(table.loc["x", "conditional"])
    assert "odds ratios of" in str(fit.summary(exponentiate=True))
    assert bg.r2(fit)["estimate"].between(0, 1).all() and bg.icc(fit)["estimate"].between(0, 1).all()
    residuals = bg.simulate_residuals(fit, draws=100, random_seed=1)
    assert np.all(residuals["upper"] > residuals["lower"]) and len(bg.check_residuals(residuals)) > 2
    fit.save(tmp_path / "fit")
    np.testing.assert_array_equal(bg.load(tmp_path / "fit").posterior["thresholds"], fit.posterior["thresholds"])
