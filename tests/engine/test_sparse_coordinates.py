"""Related levels of every family: the density against PyMC's, the map z -> x, and what NUTS then gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.coverage import related_system
from bayes_glmm.engine.graph import GraphPositions, _random_variables
from bayes_glmm.engine.laplace import find_coefficients, laplace_fit, related_fits
from bayes_glmm.engine.parameters import BLOCK, CORRELATION, KIND
from bayes_glmm.engine.run import density_at, expand_draws
from bayes_glmm.engine.sparse_laplace import sparse_rows
from bayes_glmm.engine.sparse_map import related_posterior
from bayes_glmm.priors import Prior

#: name -> formula, family, options. `animal` has a pedigree, `dam` and `site` covariances, `plot` nothing.
MODELS = {
    "0/1": ("b ~ x + (1 | animal)", "bernoulli", {}),
    "counts, slopes": ("c ~ x + (x | animal) + (1 | plot)", "poisson", {}),
    "several related terms": ("p(s, n) ~ x + (1 | animal) + (1 | dam) + (0 + x | site)", "binomial", {}),
    "no fixed part": ("c ~ 0 + (1 | animal)", "poisson", {}),
    "uncorrelated": ("c ~ x + (x || animal)", "negativebinomial", {}),
    "thresholds": ("o ~ x + (1 | animal)", "cumulative", {}),
    "two formulas": ("r ~ x + (1 | animal)", "gaussian", {"dpar_formulas": {"sigma": "~ x + (1 | plot)"}}),
    "correlated formulas": ("r ~ x + (1 |k| animal)", "gaussian", {"dpar_formulas": {"sigma": "~ (1 |k| animal)"}}),
    "other priors": ("r ~ x + (1 | animal)", "gaussian", {"priors": {"beta": Prior("StudentT", 3, 0, 1)}}),
    "flat": ("c ~ x + (1 | animal)", "poisson", {"priors": {"beta": Prior("Flat"), "Intercept": Prior("Flat")}}),
}


@pytest.fixture(scope="module")
def animals():
    """Animals of three generations, 40 of them with rows, and a covariance for each factor that has one."""
    table = bg.simulate("animals", pairs=4, generations=2, random_seed=1)
    rng = np.random.default_rng(2)
    rows = table.dropna(subset="weight").sample(40, random_state=3, replace=True).reset_index(drop=True)
    n = len(rows)
    rows = rows.assign(
        x=rng.normal(size=n), b=rng.integers(0, 2, n), c=rng.poisson(3, n), n=rng.integers(1, 6, n),
        r=rng.normal(size=n), pos=rng.gamma(2, 1, n) + 0.1, o=rng.integers(0, 3, n),
        site=rng.choice(list("abcde"), n), plot=rng.choice(list("pqrs"), n),
    )  # fmt: skip
    rows["s"] = rng.binomial(rows["n"], 0.4)
    dams, sites = sorted(rows["dam"].unique()), list("abcde")
    kinship = pd.DataFrame(0.3 + 0.7 * np.eye(len(dams)), dams, dams)
    chain = bg.Precision(2.0 * np.eye(5) - np.eye(5, k=1) - np.eye(5, k=-1), levels=sites)
    return rows, {"animal": bg.Pedigree(table), "dam": kinship, "site": chain}


@pytest.fixture(scope="module")
def build(models, animals):
    """Return a function from a model's name to the model; each is built once."""
    rows, covariances = animals
    cache = {}

    def one(name):
        if name not in cache:
            formula, family, options = MODELS[name]
            factors = [one for one in covariances if f"| {one})" in formula]
            known = {factor: covariances[factor] for factor in factors}
            cache[name] = models.case(formula, rows, family=family, covariances=known, **options)
        return cache[name]

    return one


def prepared(case):
    """Return the model's Laplace fit and its posterior in the coordinates."""
    rows = sparse_rows(case.packed.data, related_system(case.packed, case.design))
    fit = related_fits(case.packed, rows)[0]
    return fit, related_posterior(case.packed, fit)


def graph(models, case):
    """Return PyMC's log density and gradient of x, where z of its non-centred graph stands in the place of u."""
    from pytensor.compile.mode import Mode

    from bayes_glmm.model.build import build_model

    model = build_model(case.spec, case.design, case.priors)
    known = dict(_random_variables(case.packed, case.design, case.priors))
    for term in case.design.groups:
        own = next(name for name in (f"b_{term.name}", f"b_{term.name}_centered") if name in known)
        known[f"z_{term.name}"] = known[own]
    parts = [known[model.values_to_rvs[value].name] for value in model.value_vars]
    index = np.concatenate([part[0] for part in parts])
    kinds = np.concatenate([np.zeros(case.n_v), case.packed.data.theta_table[:, KIND]])
    hyperbolic = (kinds[index] == CORRELATION).astype(np.int64)
    positions = GraphPositions(index, np.concatenate([part[1] for part in parts]), hyperbolic)
    both = model.compile_fn([model.logp(), model.dlogp()], mode=Mode(linker="py", optimizer="fast_run"))
    point_at = models.points_of(model)

    def density(x):
        return positions.pull(x, *both(point_at(positions.values(x))))

    return density


def moved(case, x):
    """Return x with u in the place of z, the log determinant of that, and what takes d/du to d/dz."""
    from bayes_glmm.engine.unpack import _correlation_factors, constrained

    data, out, log_det, pulls = case.packed.data, x.copy(), 0.0, []
    for t, g in enumerate(case.packed.order):
        structure = case.design.groups[g].structure
        k, levels, first, z, start = (int(data.terms[i, t]) for i in range(layout.THETA_START + 1))
        theta = x[case.n_v + start : case.n_v + start + int(data.terms[layout.THETA_SIZE, t])]
        sd = np.array([constrained(data.theta_table[start + c], theta[c]) for c in range(k)])
        factor = sd[:, None] * _correlation_factors(theta[k:], data.blocks[z : z + k, BLOCK].astype(int))
        root = np.eye(levels) if structure is None else structure.related(np.eye(levels))
        own = slice(first, first + k * levels)
        out[own] = (root @ x[own].reshape(levels, k) @ factor.T).ravel()
        log_det += levels * np.log(np.diag(factor)).sum()
        pulls.append((own, root, factor))

    def to_z(gradient):
        return np.concatenate([(T.T @ gradient[own].reshape(len(T), -1) @ L).ravel() for own, T, L in pulls])

    return out, log_det, to_z


@pytest.mark.parametrize("name", MODELS)
def test_the_density_is_pymcs(models, build, name):
    case = build(name)
    theirs, rng, constants = graph(models, case), np.random.default_rng(1), []
    for spread in (0.1, 0.3, 0.5):
        x = case.packed.start + spread * rng.normal(size=len(case.packed.start))
        expected, slope = theirs(x)
        place, log_det, to_z = moved(case, x)
        value, gradient = case.density(place)
        constants.append(value + log_det - expected)
        size = 1.0 + np.abs(slope).max()
        assert to_z(gradient) == pytest.approx(slope[: case.n_u], rel=1e-9, abs=1e-9 * size)
        assert gradient[case.n_u : case.n_v] == pytest.approx(slope[case.n_u : case.n_v], rel=1e-9, abs=1e-9 * size)
        for i in range(case.n_v, len(place)):
            numerical = models.richardson(models.along(lambda v: case.density(v)[0], place, i), place[i])
            assert gradient[i] == pytest.approx(numerical, rel=1e-7, abs=1e-8 * size)
    assert np.ptp(constants) < 1e-9 * (1.0 + np.abs(constants).max())


# of "two formulas" there is no mode: effects of animals with one row each reach the responses, and sigma goes to zero
@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"two formulas"}))
def test_the_map_has_its_jacobian_and_gradient(models, build, name):
    case = build(name)
    fit, posterior = prepared(case)
    n, rng, constants = len(fit.x), np.random.default_rng(2), []
    assert expand_draws(posterior, np.zeros((1, n)))[0] == pytest.approx(fit.x, abs=1e-9)
    for spread in (0.3, 0.7, 1.0):
        z = spread * rng.normal(size=n)
        value, gradient = density_at(posterior, z)
        for i in [*rng.choice(n, 5), *range(case.n_u, n)]:
            numerical = models.richardson(models.along(lambda v: density_at(posterior, v)[0], z, i), z[i], step=0.03)
            assert gradient[i] == pytest.approx(numerical, rel=2e-7, abs=2e-8 * (1.0 + abs(value)))
        step = 1e-4 * np.eye(n)
        J = (expand_draws(posterior, z + step) - expand_draws(posterior, z - step)) / 2e-4
        place = expand_draws(posterior, z[None])[0]
        constants.append(value - case.density(place)[0] - np.linalg.slogdet(J)[1])
    assert np.ptp(constants) < 1e-5


def test_the_mode_is_that_of_independent_levels_where_they_are(models, animals):
    """An identity matrix is no relation: the same mode, Laplace value and spread of theta as without one."""
    rows, _ = animals
    plots = sorted(rows["plot"].unique())
    alone = pd.DataFrame(np.eye(len(plots)), plots, plots)
    formula, family = "c ~ x + (x | plot)", "poisson"
    case = models.case(formula, rows, family=family, covariances={"plot": alone})
    ours, theirs = prepared(case)[0], laplace_fit(models.case(formula, rows, family=family).packed)
    assert ours.x == pytest.approx(theirs.x, abs=2e-3)
    assert ours.log_marginal == pytest.approx(theirs.log_marginal, abs=1e-5)
    assert ours.theta_factor @ ours.theta_factor.T == pytest.approx(
        theirs.theta_factor @ theirs.theta_factor.T, rel=0.02, abs=0.01
    )


def test_the_mode_maximises_the_density(build):
    case = build("several related terms")
    fit, _ = prepared(case)
    x = fit.x + np.concatenate([0.3 * np.ones(case.n_v), np.zeros(len(fit.theta_factor))])
    assert np.isfinite(find_coefficients(case.packed.data, fit.pattern, x, 1e-12))
    assert x == pytest.approx(fit.x, abs=1e-6)
    assert np.abs(case.density(x)[1][: case.n_v]).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["0/1", "counts, slopes", "several related terms", "correlated formulas"])
def test_draws_are_those_of_pymcs_graph(models, animals, name):
    rows, covariances = animals
    formula, family, options = MODELS[name]
    known = {factor: covariances[factor] for factor in covariances if f"| {factor})" in formula}
    model = bg.GLMM(formula, rows, family=family, covariances=known, **options)
    ours = model.fit(random_seed=1, draws=2000, progressbar=False)
    assert ours.attrs["path"].startswith("coordinates of")
    graph = model.fit(random_seed=2, backend="pymc", draws=4000, tune=2000, target_accept=0.95, progressbar=False)
    models.check_agreement(ours.posterior, graph.posterior)
