"""Simulation-based calibration of the kernel path: what was drawn from the prior has uniform ranks in the posterior.

Talts et al. (2018, arXiv:1804.06788), with the log likelihood as a quantity that depends on the data (Modrak et al.
2023, doi:10.1214/23-BA1404): without it a sampler that ignores the data would pass.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from bayes_glmm.design.design import build_design
from bayes_glmm.engine import level_patterns
from bayes_glmm.errors import DataWarning
from bayes_glmm.families import FAMILIES
from bayes_glmm.inference import kernel as inference_kernel
from bayes_glmm.inference.kernel import sample_kernel
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.links import LINKS
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.priors import Prior
from bayes_glmm.spec.model_spec import ModelSpec

pytestmark = [
    pytest.mark.slow,
    # data of one value in all rows are part of what a prior predicts
    pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning"),
]

SIMULATIONS, DRAWS, THIN, GROUPS, ROWS, CATEGORIES = 200, 990, 10, 6, 30, 3
PRIORS = {
    "Intercept": Prior("Normal", 0.3, 0.5),
    "beta": Prior("Normal", 0, 0.7),
    "sd": Prior("HalfNormal", 0.7),
    "sigma": Prior("Gamma", 3, 3),
    "phi": Prior("Gamma", 4, 1),
    "nu": Prior("Uniform", 2, 30),
    "thresholds": Prior("Normal", 0, 1.5),
    **dict.fromkeys(("zi", "hu", "zoi", "coi"), Prior("Beta", 2, 3)),
    "shape": Prior("Gamma", 6, 3),
    "alpha": Prior("Normal", 0, 2),
    "tau": Prior("Gamma", 3, 3),
    "cutzero": Prior("Normal", -1, 0.7),
    "width": Prior("Gamma", 4, 2),
    "power": Prior("Uniform", 1.1, 1.9),
    "kappa": Prior("Gamma", 4, 1),
}
#: name -> family, random part, priors that differ. Every family, and the paths and structures a family has besides.
MODELS = {
    **{name: (name, "(1 | g)", {}) for name, one in FAMILIES.items() if one.support != "unordered"},
    "generalizedpoisson": ("generalizedpoisson", "(1 | g)", {"phi": Prior("Uniform", 1, 5)}),
    "gaussian by coordinates": ("gaussian", "(1 | g)", {"beta": Prior("StudentT", 4, 0, 0.7)}),
    "gaussian, correlated": ("gaussian", "(x | g)", {"corr": Prior("LKJ", 2)}),
    "poisson, correlated": ("poisson", "(x | g)", {"corr": Prior("LKJ", 2)}),
    "bernoulli, crossed": ("bernoulli", "(1 | g) + (1 | h)", {"sd": Prior("Exponential", 1.5)}),
}


def draw_prior(rng, prior):
    p = dict(prior.parameters)
    if prior.name == "Normal":
        return rng.normal(p["mu"], p["sigma"])
    if prior.name == "StudentT":
        return p["mu"] + p["sigma"] * rng.standard_t(p["nu"])
    if prior.name == "HalfNormal":
        return abs(rng.normal(0, p["sigma"]))
    if prior.name == "Gamma":
        return rng.gamma(p["alpha"], 1 / p["beta"])
    if prior.name == "Beta":
        return rng.beta(p["alpha"], p["beta"])
    if prior.name == "Exponential":
        return rng.exponential(1 / p["lam"])
    assert prior.name == "Uniform"
    return rng.uniform(p["lower"], p["upper"])


def means(record, eta, parameters):
    """Return what a family's density asks for: the mean, or the categories' probabilities."""
    link = LINKS[record.links[0]]
    return link.inverse(eta) if record.probabilities is None else record.probabilities(eta, link, parameters)


def simulate(rng, family, random, priors):
    """Draw parameters from the prior and data given them; return the data and the truth by name.

    Data that the design refuses (a category that no row has) are drawn again with their parameters: the posterior given
    data does not know which data were left out, so that ranks stay uniform.
    """
    while True:
        data, truth = draw_jointly(rng, family, random, priors)
        refused = FAMILIES[family].zeros_apart and not data["y"].any()
        if not refused and (FAMILIES[family].probabilities is None or data["y"].nunique() == CATEGORIES):
            return data, truth


def draw_jointly(rng, family, random, priors):
    record = FAMILIES[family]
    x = rng.normal(size=ROWS)
    g, h = rng.permutation(np.arange(ROWS) % GROUPS), rng.permutation(np.arange(ROWS) % 4)
    n = rng.integers(1, 8, ROWS)
    truth = {"beta": np.array([draw_prior(rng, priors["Intercept"]), draw_prior(rng, priors["beta"])])}
    if record.probabilities is not None:
        truth["beta"] = truth["beta"][1:]
    eta = np.column_stack([np.ones(ROWS), x])[:, -len(truth["beta"]) :] @ truth["beta"]
    slopes = "x |" in random
    sd = np.array([draw_prior(rng, priors["sd"]) for _ in range(1 + slopes)])
    corr = np.eye(1 + slopes)
    if slopes:
        # LKJ(eta) of two coefficients: (1 + r) / 2 is Beta(eta, eta)
        corr[0, 1] = corr[1, 0] = 2 * rng.beta(2, 2) - 1
        truth["corr_g"] = corr
    b = rng.multivariate_normal(np.zeros(1 + slopes), np.outer(sd, sd) * corr, GROUPS)
    truth |= {"sd_g": sd, "b_g": b}
    eta = eta + b[g, 0] + (b[g, 1] * x if slopes else 0.0)
    if "h" in random:
        sd = np.array([draw_prior(rng, priors["sd"])])
        b = sd * rng.normal(size=(4, 1))
        truth |= {"sd_h": sd, "b_h": b}
        eta = eta + b[h, 0]
    for row in record.parameters:
        value = draw_prior(rng, priors[row.name])
        if row.ordered:
            value = np.array([value, *(draw_prior(rng, priors[row.name]) for _ in range(CATEGORIES - 2))])
            # increasing thresholds with independent priors: order statistics
            value = np.sort(value) if row.increasing else value
        truth[row.name] = np.array(value)
    trials = n if record.support == "trials" else None
    parameters = {row.name: truth[row.name] for row in record.parameters}
    y = record.simulate(rng, means(record, eta, parameters), parameters, trials)
    if record.support in ("unit", "unit_zero", "unit_closed"):
        inside = ~np.isin(y, record.atoms)
        y[inside] = np.clip(y[inside], 1e-12, 1 - 1e-12)
    if record.probabilities is not None:
        y = y.astype(int)
    data = pd.DataFrame({"y": y, "x": x, "n": n, "g": [f"g{i}" for i in g], "h": [f"h{i}" for i in h]})
    return data, truth


def log_likelihood(design, family, draws):
    """Return the log likelihood of each draw from the reported parameters, not from the engine's positions."""
    record, response = FAMILIES[family], design.response
    eta = np.einsum("ij,sj->si", design.X, draws["beta"])
    for term in design.groups:
        eta += np.einsum("ij,sij->si", term.Z, draws[f"b_{term.name}"][:, term.codes])
    parameters = {row.name: draws[row.name][:, None] for row in record.parameters}
    return record.log_density(response.y, means(record, eta, parameters), parameters, response.trials).sum(axis=1)


def one_rank(seed, name, sampled_priors=None):
    """Return the rank of each quantity of one simulation among thinned posterior draws."""
    family, random, changed = MODELS[name]
    rng = np.random.default_rng([seed, *name.encode()])
    priors = PRIORS | changed
    data, truth = simulate(rng, family, random, priors)
    used = {**priors, **(sampled_priors or {})}
    names = {"beta", "sd", "corr", *(row.name for row in FAMILIES[family].parameters)}
    names |= set() if FAMILIES[family].probabilities is not None else {"Intercept"}
    spec = ModelSpec.build(
        f"{'p(y, n)' if FAMILIES[family].support == 'trials' else 'y'} ~ x + {random}",
        family=family,
        center=False,
        priors={key: prior for key, prior in used.items() if key in names},
    )
    design = build_design(spec, data)
    settings = SamplerSettings(draws=DRAWS, chains=1, cores=1, random_seed=seed, progressbar=False)
    sampled = sample_kernel(spec, design, resolve_priors(spec, design), settings)
    draws = {key: sampled.posterior[key].values[0, ::THIN] for key in sampled.posterior.data_vars}
    # levels in the order of the design
    for term in design.groups:
        order = [int(level[1:]) for level in term.levels]
        truth[f"b_{term.name}"] = truth[f"b_{term.name}"][order]
    ranks = {}
    for key in ("beta", "sd_g", "sd_h", *(row.name for row in FAMILIES[family].parameters)):
        if key in truth:
            below = np.sum(draws[key] < truth[key], axis=0)
            ranks |= {f"{key}[{i}]": int(rank) for i, rank in enumerate(np.atleast_1d(below))}
    ranks["b_g[0]"] = int(np.sum(draws["b_g"][:, 0, 0] < truth["b_g"][0, 0]))
    if "corr_g" in truth:
        ranks["corr"] = int(np.sum(draws["corr_g"][:, 0, 1] < truth["corr_g"][0, 1]))
    exact = log_likelihood(design, family, {key: np.asarray(value)[None] for key, value in truth.items()})[0]
    ranks["log likelihood"] = int(np.sum(log_likelihood(design, family, draws) < exact))
    return ranks, float(sampled.sample_stats["diverging"].mean())


def uniformity(ranks, bins=11):
    """Return the smaller p-value of two tests of uniform ranks 0 .. DRAWS / THIN, doubled: chi-square, Kolmogorov."""
    values = DRAWS // THIN + 1
    counts = np.bincount(np.asarray(ranks) * bins // values, minlength=bins)
    share = np.bincount(np.arange(values) * bins // values, minlength=bins)
    squares = stats.chisquare(counts, share / values * len(ranks)).pvalue
    distance = stats.kstest((np.asarray(ranks) + 0.5) / values, "uniform").pvalue
    return float(min(1.0, 2.0 * min(squares, distance)))


def calibrate(name, simulations=SIMULATIONS, sampled_priors=None):
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        results = [one_rank(seed, name, sampled_priors) for seed in range(simulations)]
    p_values = {key: uniformity([ranks[key] for ranks, _ in results]) for key in results[0][0]}
    diverging = np.mean([share for _, share in results])
    seconds = time.perf_counter() - started
    print(f"\n{name}: {seconds:.0f} s, diverging {diverging:.5f},", {k: round(p, 4) for k, p in p_values.items()})
    return p_values


@pytest.mark.parametrize("name", MODELS)
def test_ranks_are_uniform(name):
    # some 75 p-values in all: 2e-4 each leaves a chance of 1.5 % for an alarm without a fire, and the seeds are fixed
    assert min(calibrate(name).values()) > 2e-4


def one_rank_of_choices(seed):
    """Return the ranks of one simulation of three categories without an order."""
    rng = np.random.default_rng([seed, 17])
    x, g = rng.normal(size=ROWS), rng.permutation(np.arange(ROWS) % GROUPS)
    y, truth = np.zeros(ROWS), {}
    while len(np.unique(y)) < 3:  # which data are drawn again, the posterior does not know
        beta = np.array([draw_prior(rng, PRIORS[name]) for name in ("Intercept", "beta") * 2])
        sd, r = np.array([draw_prior(rng, PRIORS["sd"]) for _ in range(2)]), 2 * rng.beta(2, 2) - 1
        b = sd * rng.multivariate_normal(np.zeros(2), [[1.0, r], [r, 1.0]], GROUPS)
        etas = np.column_stack([np.zeros(ROWS), *(beta[c] + beta[c + 1] * x + b[g, c // 2] for c in (0, 2))])
        y = FAMILIES["categorical"].simulate(rng, special.softmax(etas, axis=1), {}, None)
        truth = {"beta": beta, "sd_g": sd, "corr": r, "b": b}
    data = pd.DataFrame({"y": np.array(["A", "B", "C"])[y.astype(int)], "x": x, "g": [f"g{i}" for i in g]})
    priors = {key: PRIORS[key] for key in ("Intercept", "beta", "sd")} | {"corr": Prior("LKJ", 2)}
    spec = ModelSpec.build("y ~ x + (1 | g)", family="categorical", center=False, priors=priors)
    design = build_design(spec, data)
    settings = SamplerSettings(draws=DRAWS, chains=1, cores=1, random_seed=seed, progressbar=False)
    sampled = sample_kernel(design.spec, design, resolve_priors(design.spec, design), settings)
    draws = {key: sampled.posterior[key].values[0, ::THIN] for key in sampled.posterior.data_vars}
    ranks = {}
    for key in ("beta", "sd_g"):
        below = np.sum(draws[key] < truth[key], axis=0)
        ranks |= {f"{key}[{i}]": int(rank) for i, rank in enumerate(below)}
    ranks["corr"] = int(np.sum(draws["corr_g"][:, 0, 1] < truth["corr"]))
    level = int(design.groups[0].levels[0][1:])
    return ranks | {f"b[{c}]": int(np.sum(draws["b_g"][:, 0, c] < truth["b"][level, c])) for c in range(2)}


def test_ranks_of_choices_are_uniform():
    results = [one_rank_of_choices(seed) for seed in range(SIMULATIONS)]
    p_values = {key: uniformity([ranks[key] for ranks in results]) for key in results[0]}
    print("\ncategorical:", {key: round(p, 4) for key, p in p_values.items()})
    assert min(p_values.values()) > 2e-4


@pytest.mark.parametrize("name", ["bernoulli", "poisson", "negativebinomial", "cumulative"])
def test_ranks_are_uniform_with_effects_integrated_out(monkeypatch, name):
    monkeypatch.setattr(level_patterns, "MANY_LEVELS", 2)
    monkeypatch.setattr(inference_kernel, "POOR", -1.0)
    assert min(calibrate(name).values()) > 2e-4


@pytest.mark.parametrize(
    ("name", "wrong", "quantity"),
    [
        ("poisson", {"sd": Prior("HalfNormal", 0.25)}, "sd_g[0]"),
        ("gaussian", {"sd": Prior("HalfNormal", 0.25)}, "sd_g[0]"),
        ("bernoulli", {"beta": Prior("Normal", 0, 0.25)}, "beta[1]"),
    ],
)
def test_a_wrong_prior_is_caught(name, wrong, quantity):
    """The test of the test: sampling with a prior a third as wide as the one simulated from must fail it."""
    p_values = calibrate(name, sampled_priors=wrong)
    assert p_values[quantity] < 2e-4


@pytest.mark.parametrize("name", ["poisson", "gaussian"])
def test_a_missing_jacobian_is_caught(monkeypatch, name):
    """The test of the test: a prior of sd read as one of log sd (as when log|d sd / d theta| is left out)."""
    from bayes_glmm.engine import pack

    # HalfNormal(0.7) of sd times 1 / sd, nearly: a log normal that is flat in log sd where the posterior is
    monkeypatch.setitem(pack._ENCODINGS, "HalfNormal", lambda prior: (pack.codes.GAMMA, 1e-3, 0.5, 0))
    assert min(calibrate(name).values()) < 2e-4
