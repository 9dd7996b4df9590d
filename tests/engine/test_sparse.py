"""Sparse factors, and the exact path of related levels: against dense matrices and dense multivariate normals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, sparse

import bayes_glmm as bg
from bayes_glmm.engine import sparse_factor
from bayes_glmm.engine.gaussian_fit import complete_positions, gaussian_fits, gaussian_posterior, theta_posterior
from bayes_glmm.engine.pack import pack, related_system, why_not_covered
from bayes_glmm.engine.run import density_at, expand_draws
from bayes_glmm.engine.sparse_factor import factor_pattern, fill_reducing_order, places_in
from bayes_glmm.engine.sparse_moments import sparse_moments


@pytest.fixture(scope="module")
def animals():
    table = bg.simulate("animals", pairs=5, generations=3, random_seed=1)
    rows = table.dropna(subset="weight")
    rng = np.random.default_rng(2)
    return bg.Pedigree(table), rows.assign(x=rng.normal(size=len(rows)), se=rng.uniform(0.5, 2.0, len(rows)))


FORMULAS = ["weight ~ x + (1 | animal)", "weight ~ x + (x | animal) + (1 | dam)", "se(weight, se) ~ x + (1 | animal)"]


@pytest.fixture(scope="module", params=FORMULAS)
def fitted(request, animals):
    pedigree, rows = animals
    model = bg.GLMM(request.param, rows, covariances={"animal": pedigree})
    packed = pack(model.spec, model.design, model.prior_table)
    assert why_not_covered(model.spec, model.design, model.prior_table) is None
    system = related_system(packed, model.design)
    return model, packed, system, gaussian_fits(packed, system)[0]


def dense(model, packed, theta):
    """Return covariance of (u, beta), its mean, A, y and the rows' covariance, as users know them, at theta."""
    design, priors = model.design, model.prior_table
    place, blocks, columns = 0, [], []
    for g in packed.order:
        term, own = design.groups[g], priors.groups[g][1]
        k = len(term.coefs)
        sd = np.exp(theta[place : place + k])
        corr = np.eye(k)
        if k == 2:
            corr[0, 1] = corr[1, 0] = np.tanh(theta[place + 2])
        place += k + k * (k - 1) // 2
        levels = np.eye(term.size)
        A = levels if term.structure is None else np.linalg.inv(term.structure.precision.toarray())
        blocks.append(np.kron(A, np.outer(sd, sd) * corr))
        Z = np.zeros((design.size, term.size, k))
        Z[np.arange(design.size), term.codes] = term.Z if own.basis is None else term.Z @ own.basis
        columns.append(Z.reshape(design.size, -1))
    beta = [(row.prior["mu"], row.prior["sigma"]) for row in priors.beta]
    blocks.append(np.diag([sigma**2 for _, sigma in beta]))
    prior = linalg.block_diag(*blocks)
    mean = np.concatenate([np.zeros(len(prior) - len(beta)), [mu for mu, _ in beta]])
    centred = design.X - priors.means
    A = np.hstack([*columns, centred @ priors.basis])
    known = model.design.known.get("se")
    noise = np.square(known) if known is not None else np.full(design.size, np.exp(2.0 * theta[-1]))
    return prior, mean, A, design.response.y - centred @ priors.location, noise


def test_marginal_density_is_the_dense_one(fitted):
    """Differences of the log density along sds and sigma: priors are those of the exact path without a structure."""
    model, packed, _, fit = fitted
    surface = theta_posterior(packed, fit.moments._replace(shared=np.zeros(0, dtype=np.int64), weights=np.zeros(0)))
    zeros = {name: np.zeros_like(getattr(fit.moments, name)) for name in ("likelihood", "cross", "scalars")}
    silent = fit.moments._replace(**zeros)
    nothing = theta_posterior(packed, silent._replace(shared=np.zeros(0, dtype=np.int64), weights=np.zeros(0)))
    rng, differences = np.random.default_rng(7), []
    for theta in rng.normal(scale=0.5, size=(5, len(fit.theta))):
        prior, mean, A, y, noise = dense(model, packed, theta)
        lower = linalg.cholesky(A @ prior @ A.T + np.diag(noise), lower=True)
        white = linalg.solve_triangular(lower, y - A @ mean, lower=True)
        likelihood = -0.5 * white @ white - np.log(np.diag(lower)).sum()
        # without rows the density is that of the priors
        differences.append(density_at(surface, theta)[0] - density_at(nothing, theta)[0] - likelihood)
    assert np.ptp(differences) < 1e-9 * (1.0 + np.abs(differences).max())


def test_gradient_and_coordinates(fitted):
    model, packed, _, fit = fitted
    posterior = gaussian_posterior(packed, fit)
    for z in np.random.default_rng(1).normal(size=(3, len(fit.theta))):
        gradient, step = density_at(posterior, z)[1], 1e-5 * np.eye(len(z))
        numerical = [(density_at(posterior, z + e)[0] - density_at(posterior, z - e)[0]) / 2e-5 for e in step]
        assert gradient == pytest.approx(np.array(numerical), rel=1e-5, abs=1e-5)
    # log sds as ratios to sigma and a row's variance: z to theta has a Jacobian that the density holds
    straight = theta_posterior(packed, fit.moments._replace(shared=np.zeros(0, dtype=np.int64), weights=np.zeros(0)))
    constants = []
    for z in np.random.default_rng(2).normal(size=(3, len(fit.theta))):
        J = np.array([expand_draws(posterior, np.stack([z + e, z - e])) for e in 1e-5 * np.eye(len(z))])
        log_det = np.linalg.slogdet((J[:, 0] - J[:, 1]) / 2e-5)[1]
        there = expand_draws(posterior, z[None])[0]
        constants.append(density_at(posterior, z)[0] - density_at(straight, there)[0] - log_det)
    assert np.ptp(constants) < 1e-5


def test_draws_have_the_conditional_moments(fitted):
    model, packed, _, fit = fitted
    theta = expand_draws(gaussian_posterior(packed, fit), np.zeros((1, len(fit.theta))))[0]
    prior, mean, A, y, noise = dense(model, packed, theta)
    precision = np.linalg.inv(prior)
    covariance = np.linalg.inv(precision + A.T @ (A / noise[:, None]))
    expected = covariance @ (precision @ mean + A.T @ (y / noise))
    count = 4000
    x = complete_positions(packed, fit, np.tile(theta, (1, count, 1)), seed=3)[0, :, : len(mean)]
    sd = np.sqrt(np.diag(covariance))
    assert np.abs((x.mean(axis=0) - expected) / sd).max() < 5.0 / np.sqrt(count)
    assert np.abs(np.corrcoef(x.T) - covariance / np.outer(sd, sd)).max() < 6.0 / np.sqrt(count)
    assert np.abs(x.std(axis=0) / sd - 1.0).max() < 5.0 / np.sqrt(2 * count)


def test_order_and_pattern_of_a_factor():
    rng = np.random.default_rng(1)
    matrix = sparse.random_array((60, 60), density=0.04, rng=rng)
    matrix = sparse.csc_array(matrix @ matrix.T + sparse.eye_array(60))
    order = fill_reducing_order(matrix, 3)
    assert sorted(order.tolist()) == list(range(60))
    assert order[-3:].tolist() == [57, 58, 59]
    moved = sparse.csc_array(matrix[order][:, order])
    pattern = factor_pattern(moved)
    lower = np.abs(np.linalg.cholesky(moved.toarray())) > 1e-14
    held = np.zeros((60, 60), dtype=bool)
    held[pattern.rows, np.repeat(np.arange(60), np.diff(pattern.start))] = True
    assert np.all(held | ~lower)
    assert pattern.rows[places_in(pattern, np.array([59]), np.array([59]))].tolist() == [59]


def test_an_identity_is_the_model_without_a_structure(animals):
    """Unrelated dams are `(1 | dam)`."""
    _, rows = animals
    dams = sorted(rows["dam"].unique())
    alone = pd.DataFrame(np.eye(len(dams)), dams, dams)
    fits = [
        bg.GLMM("weight ~ x + (1 | dam)", rows, covariances=given).fit(random_seed=1, progressbar=False)
        for given in (None, {"dam": alone})
    ]
    for name in ("beta", "sd_dam", "sigma", "b_dam"):
        one, other = (fit.posterior[name].stack(sample=("chain", "draw")) for fit in fits)
        error = 5.0 * one.std("sample") / np.sqrt(800.0)
        assert bool((np.abs(one.mean("sample") - other.mean("sample")) < error).all())


def test_a_dense_factor_is_refused_with_its_reason(animals, monkeypatch):
    pedigree, rows = animals
    model = bg.GLMM("I(weight > 8) ~ 1 + (1 | animal)", rows, "bernoulli", covariances={"animal": pedigree})
    monkeypatch.setattr(sparse_factor, "MOST_PRODUCTS", 10)
    reason = why_not_covered(model.spec, model.design, model.prior_table)
    assert "the levels of 'animal' are related, and their sparse factor takes more than" in reason


@pytest.mark.parametrize(
    ("response", "options", "why"),
    [
        ("se(weight, s, sigma=True)", {}, "sigma is estimated beside known standard errors"),
        ("truncated(censored(weight, upper=99), lower=0)", {}, "responses are censored and truncated"),
        ("weight", {"dpar_formulas": {"sigma": "~ x"}}, "'sigma' has a formula"),
        ("weight", {"family": "exgaussian"}, "the family is not gaussian with the identity link"),
    ],
)
def test_why_related_levels_are_not_integrated_out(animals, response, options, why):
    pedigree, rows = animals
    model = bg.GLMM(f"{response} ~ x + (1 | animal)", rows.assign(s=0.1), covariances={"animal": pedigree}, **options)
    reason = why_not_covered(model.spec, model.design, model.prior_table)
    assert reason == f"the levels of 'animal' are related, and {why}"


def test_moments_do_not_depend_on_the_order_of_rows(animals):
    pedigree, rows = animals
    found = []
    for table in (rows, rows.sample(frac=1.0, random_state=1)):
        model = bg.GLMM("weight ~ x + (1 | animal)", table, covariances={"animal": pedigree}, center=False)
        packed = pack(model.spec, model.design, model.prior_table)
        system = related_system(packed, model.design)
        flat = np.zeros(2)
        found.append(sparse_moments(packed.data, system, flat, flat).scalars)
    assert found[0] == pytest.approx(found[1], rel=1e-12)
