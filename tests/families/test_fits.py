"""A fit of every family, and everything that reads one: what is not mu must nowhere be taken for the mean."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import PriorError
from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS
from tests.engine import models
from tests.families.data import RESPONSES, small

# one of each loop: zeros mixed in, trials beside weights, atoms in a continuous response, three parameters
FAST = ("zero_inflated_negativebinomial", "betabinomial", "hurdle_gamma", "zero_one_inflated_beta")
EVERY = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in RESPONSES]
KNOWN = {"gaussian", "student", "bernoulli", "binomial", "poisson", "negativebinomial", "gamma", "lognormal", "beta"}


def test_every_family_is_here():
    assert set(RESPONSES) | KNOWN | {"cumulative", "sratio", "cratio", "acat", "categorical"} == set(FAMILIES)


@pytest.mark.parametrize("family", EVERY)
def test_compiled_density_and_gradient_are_pymcs(family):
    assert_equal_densities(models.case(f"weighted({RESPONSES[family]}, w) ~ x + (1 | g)", small(90), family=family))


@pytest.mark.parametrize(
    "family", ["hurdle_poisson", *(pytest.param(name, marks=pytest.mark.slow) for name in RESPONSES)]
)
@pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning")
def test_responses_drawn_from_the_prior_by_pymc_have_the_distribution(family):
    """PyMC's draws of what is composed: means of them are those of the draws of the family itself."""
    model = bg.GLMM(f"{RESPONSES[family]} ~ x + (1 | g)", small(40), family=family, priors={"beta": "Normal(0, 0.1)"})
    tree = pm.sample_prior_predictive(draws=400, model=model.to_pymc(), random_seed=1)
    record, prior = FAMILIES[family], tree["prior"]
    assert {row.name for row in record.parameters} <= set(prior.data_vars)
    y = next(iter(tree["prior_predictive"].data_vars.values())).to_numpy().reshape(400, -1)
    assert np.isfinite(y).all()
    if record.support == "count":
        assert np.array_equal(y, np.round(y)) and y.min() >= 0
    for atom in record.atoms:
        assert 0.0 < (y == atom).mean() < 1.0


def assert_equal_densities(case):
    from bayes_glmm.engine.graph import graph_positions
    from bayes_glmm.model.build import build_model

    graph = build_model(case.spec, case.design, case.priors, parametrization="centered")
    places = graph_positions(graph, case.packed, case.design, case.priors)
    function = graph.compile_fn([graph.logp(), graph.dlogp()], inputs=graph.value_vars, mode="FAST_COMPILE")
    point_at = models.points_of(graph)
    rng, differences = np.random.default_rng(2), []
    for _ in range(2):
        x = case.packed.start + 0.2 * rng.standard_normal(len(case.packed.start))
        exact, gradient = places.pull(x, *function(point_at(places.values(x))))
        ours, slope = case.density(x)
        differences.append(ours - exact)
        np.testing.assert_allclose(slope, gradient, rtol=1e-8, atol=1e-8 * np.abs(gradient).max())
    assert differences[0] == pytest.approx(differences[1], rel=1e-9, abs=1e-7)


@pytest.fixture(scope="module")
def fits():
    made = {}

    def fit_of(family):
        if family not in made:
            model = bg.GLMM(f"{RESPONSES[family]} ~ x + (1 | g)", small(), family=family)
            made[family] = model.fit(draws=300, chains=2, random_seed=1, progressbar=False)
        return made[family]

    return fit_of


# few draws: whether the chains mixed is another test's question
quiet = pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")


def draws_of(fit, **options):
    return bg.predictions(fit, draws="dataarray", **options).stack(sample=("chain", "draw")).to_numpy().T


@quiet
@pytest.mark.parametrize("family", EVERY)
def test_predictions_are_means_of_what_is_drawn_under_every_meaning(fits, family):
    fit, record = fits(family), FAMILIES[family]
    trials = small()["n"].to_numpy() if record.support == "trials" else 1.0
    for meaning in ("conditional", "new"):
        tree = bg.posterior_predictive(fit, random_effects=meaning, random_seed=2)
        y = next(iter(tree["posterior_predictive"].data_vars.values())).to_numpy().reshape(-1, 240) / trials
        difference = y.mean(axis=1) - draws_of(fit, random_effects=meaning, random_seed=3).mean(axis=1)
        assert abs(difference.mean()) < 4.5 * difference.std() / np.sqrt(len(difference)) + (meaning == "new") * 0.05
    # over all effects: the mean of many levels, drawn
    posterior = fit.posterior.isel(chain=0, draw=slice(0, 20))
    averaged = draws_of(fit, random_effects="marginal")[:20]
    typical = draws_of(fit, random_effects="typical")[:20]
    beta, sd = posterior["beta"].to_numpy(), posterior["sd_g"].to_numpy().reshape(20, 1)
    eta = beta[:, :1] + beta[:, 1:] * small()["x"].to_numpy()
    named = {row.name: posterior[row.name].to_numpy()[:, None] for row in record.parameters}
    inverse = LINKS[record.links[0]].inverse

    def mean(at):
        mu = inverse(at)
        return mu if record.mean is None else record.mean(mu, named)

    np.testing.assert_allclose(typical, mean(eta), rtol=1e-9)
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    brute = sum(w * mean(eta + sd * z) for z, w in zip(nodes, weights / weights.sum(), strict=True))
    np.testing.assert_allclose(averaged, brute, rtol=1e-6)


@quiet
@pytest.mark.parametrize("family", EVERY)
def test_everything_that_reads_a_fit(fits, family, tmp_path):
    fit, record = fits(family), FAMILIES[family]
    assert "mu_i" in fit.model.equation()
    table = fit.summary()
    assert {row.name for row in record.parameters} <= set(table["term"])
    residuals = bg.simulate_residuals(fit, draws=100, random_seed=1)
    lower, upper = residuals["lower"].to_numpy(), residuals["upper"].to_numpy()
    assert np.all((lower >= -1e-12) & (upper <= 1 + 1e-12) & (lower <= upper))
    ties = np.isin(residuals["observed"].to_numpy(), record.atoms)
    assert np.all(upper[:, ties] > lower[:, ties])
    checks = bg.check_residuals(residuals)
    assert len(checks) > 2
    shares = bg.r2(fit)
    assert shares["estimate"].between(0, 1).all()
    assert bg.icc(fit)["estimate"].between(0, 1).all()
    pooled = bg.shrinkage(fit)
    assert pooled["complete_pooling"].notna().all()
    assert bg.avg_slopes(fit, "x")["estimate"].notna().all()
    fit.save(tmp_path / "fit")
    again = bg.load(tmp_path / "fit")
    np.testing.assert_array_equal(again.posterior["beta"], fit.posterior["beta"])
    assert again.model.spec == fit.model.spec


@quiet
def test_a_mode_of_complete_pooling_is_that_of_the_likelihood(fits):
    """Scoring by the density: zeros that are certain do not pull the mean down."""
    fit = fits("zero_inflated_negativebinomial")
    table = bg.shrinkage(fit)
    record, data = FAMILIES["zero_inflated_negativebinomial"], small()
    named = {row.name: float(fit.posterior[row.name].mean()) for row in record.parameters}
    rest = float(fit.posterior["beta"].sel(coef="x").mean()) * data["x"].to_numpy()

    def likelihood(a):
        return record.log_density(data["c"].to_numpy(), np.exp(a + rest), named, None).sum()

    best = float(table["complete_pooling"].iloc[0])
    assert likelihood(best) > max(likelihood(best - 1e-3), likelihood(best + 1e-3))


def test_weights_of_trials_are_rows_that_are_there_twice():
    """Successes and trials travel in one number: weights must not get in between."""
    data, normal = small(60), bg.Prior("Normal", mu=0, sigma=1)
    twice = data.loc[np.repeat(data.index, data["w"])].reset_index(drop=True)
    options = {"priors": {"beta": normal, "Intercept": normal, "sd": bg.Prior("HalfNormal", sigma=1)}, "center": False}
    one = models.case("weighted(p(s, n), w) ~ x + (1 | g)", data, family="betabinomial", **options)
    two = models.case("p(s, n) ~ x + (1 | g)", twice, family="betabinomial", **options)
    x = one.packed.start + 0.1
    first, second, again, more = one.density(x), two.density(x), one.density(x + 0.05), two.density(x + 0.05)
    assert again[0] - first[0] == pytest.approx(more[0] - second[0], rel=1e-9)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-9, atol=1e-9)


def test_user_priors_of_a_probability():
    data = small(60)
    for prior in ("Beta(2, 5)", "Uniform(0.1, 0.6)", "Normal(0.3, 0.2)", "Flat()", "HalfNormal(0.5)"):
        case = models.case("c ~ x + (1 | g)", data, family="zip", priors={"zi": prior})
        assert_equal_densities(case)
    with pytest.raises(PriorError, match="below 1"):
        models.case("c ~ x", data, family="zip", priors={"zi": "Uniform(0, 2)"})


@quiet
def test_ten_zeros_in_a_row_are_no_excess():
    """Poisson data: the probability of certain zeros piles up at zero, and sampling is none the worse."""
    rng = np.random.default_rng(1)
    data = small().assign(c=rng.poisson(3.0, 240))
    fit = bg.GLMM("c ~ x + (1 | g)", data, family="zip").fit(random_seed=1, progressbar=False)
    assert fit.diagnose().passed
    assert float(fit.posterior["zi"].quantile(0.9)) < 0.06
