"""The kernel's log density and gradient are PyMC's: relative 1e-9, the density up to one constant a model.

Every family x link x structure x prior; the fast subset meets each of them, `-m slow` the cross product.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.families import FAMILIES
from bayes_glmm.model.scales import response_scale
from bayes_glmm.priors import Prior
from tests.engine.models import RESPONSE

#: Links whose rows are composed for every family alike.
LATER = {"cauchit", "loglog", "softplus", "1/mu^2"}

#: The families whose densities are whole here; tests/families has the others.
PAIRS = [(name, link) for name in RESPONSE for link in FAMILIES[name].links if link not in LATER]

STRUCTURES = {
    "none": "1 + x",
    "no predictor": "1",
    "no intercept": "0 + x + (1 | g)",
    "no fixed part": "0 + (1 | g)",
    "intercepts": "x + (1 | g)",
    "slopes": "x + (x | g)",
    "three correlated": "x + (1 + x + w | g)",
    "uncorrelated": "x + (x || g)",
    "slope only": "x + (0 + x | g)",
    "blocks": "x + (1 | g) + (0 + x + w | g)",
    "two blocks": "x + (1 + x | g) + (0 + w + z | g)",
    "crossed": "x + (1 | g) + (1 | h)",
    "crossed slopes": "x + (x | g) + (1 | h)",
    "crossed slopes twice": "x + (x | g) + (w | h)",
    "three factors": "x + (1 | g) + (x | h) + (1 | g:h)",
    "nested": "x + (1 | g / h)",
    "offset": "x + offset(0.1 * w) + (1 | g)",
}

#: Priors by name: keys of the model `x + (x | g) + (1 | h)` and a family that has them.
PRIORS: dict[str, tuple[str, dict[str, Prior]]] = {
    "beta Normal": ("poisson", {"beta": Prior("Normal", 1, 0.5), "Intercept": Prior("Normal", -1, 2)}),
    "beta StudentT": ("poisson", {"beta": Prior("StudentT", 3, 0.5, 1.5)}),
    "beta Cauchy": ("poisson", {"beta": Prior("Cauchy", 0.5, 2)}),
    "beta Laplace": ("poisson", {"beta": Prior("Laplace", 0.2, 0.7)}),
    "beta Flat": ("poisson", {"beta": Prior("Flat"), "Intercept": Prior("Flat")}),
    "beta mixed": ("poisson", {"beta[x]": Prior("Laplace", 0, 1), "Intercept": Prior("StudentT", 4, 0, 2)}),
    "LKJ 1": ("poisson", {"corr": Prior("LKJ", 1)}),
    "LKJ 7": ("poisson", {"corr[g]": Prior("LKJ", 7)}),
    "sds mixed": (
        "poisson",
        {"sd[g][x]": Prior("Exponential", 2), "precision[h]": Prior("Gamma", 2, 1), "sd[g]": Prior("HalfNormal", 2)},
    ),
    **{
        f"{scale} {prior.name}": ("poisson", {scale: prior})
        for scale in ("sd", "variance", "precision")
        for prior in (
            Prior("Normal", 2, 1.5),
            Prior("StudentT", 3, 1, 2),
            Prior("Cauchy", 0.5, 2),
            Prior("Laplace", 1, 2),
            Prior("Flat"),
            Prior("HalfFlat"),
            Prior("HalfNormal", 1.5),
            Prior("HalfStudentT", 4, 0.7),
            Prior("HalfCauchy", 2),
            Prior("Exponential", 3),
            Prior("Gamma", 0.3, 0.5),
            Prior("Gamma", 3, 2),
            Prior("InverseGamma", 2, 1),
            Prior("LogNormal", 0.3, 0.8),
            Prior("Uniform", 0, 5),
            Prior("Uniform", 0.2, 50),
        )
    },
    **{
        f"{key} {prior.name}": ("student", {key: prior})
        for key in ("sigma", "precision[sigma]", "variance[sigma]", "nu")
        for prior in (
            Prior("Normal", 5, 3),
            Prior("StudentT", 3, 2, 2),
            Prior("Laplace", 1, 2),
            Prior("Flat"),
            Prior("HalfNormal", 1.5),
            Prior("HalfCauchy", 2),
            Prior("Exponential", 0.1),
            Prior("Gamma", 2, 0.1),
            Prior("InverseGamma", 2, 1),
            Prior("LogNormal", 0.3, 0.8),
            Prior("HalfFlat"),
            Prior("Uniform", 2, 30),
        )
        # PyMC cannot truncate an InverseGamma at nu's bound of one
        if (key, prior.name) != ("nu", "InverseGamma")
    },
    **{
        f"phi {prior.name}": ("negativebinomial", {"phi": prior})
        for prior in (Prior("Gamma", 0.01, 0.01), Prior("Exponential", 1), Prior("HalfFlat"), Prior("Uniform", 0, 90))
    },
}

#: What the default run gives the families and links in turn, besides a structure.
SCALE_PRIORS = [
    {}, {"variance": Prior("Normal", 2, 1.5)}, {"precision": Prior("StudentT", 3, 1, 2)},
    {"sd": Prior("Cauchy", 0.5, 2)},
    {"precision": Prior("Flat")}, {"sd": Prior("Uniform", 0.01, 5)}, {"precision": Prior("Uniform", 0, 50)},
    {"variance": Prior("Uniform", 0, 9)}, {"precision": Prior("Gamma", 0.1, 0.1)}, {"sd": Prior("LogNormal", 0.3, 0.8)},
    {"variance": Prior("InverseGamma", 2, 1)}, {"sd": Prior("Exponential", 3)}, {"variance": Prior("HalfCauchy", 2)},
    {"sd": Prior("HalfFlat")}, {"precision": Prior("Laplace", 1, 2)}, {"precision": Prior("LogNormal", 0, 1)},
]  # fmt: skip
BETA_PRIORS = [
    {}, {"beta": Prior("StudentT", 3, 0.5, 1.5)}, {"beta": Prior("Laplace", 0.2, 0.7)}, {"beta": Prior("Flat")},
    {"beta": Prior("Cauchy", 0.5, 2)},
]  # fmt: skip


def compare(models, model, link, rounds=4):
    """Compare kernel and graph at points near the start, then further out; return the largest relative errors."""
    # 1 - mu of a beta response cancels where mu rounds to 1, in PyMC as here
    compare_with(models, model, models.graph(model), link, rounds, is_beta=model.spec.family.name == "beta")


def compare_with(models, model, of_graph, link, rounds=4, is_beta=False):
    """Compare kernel and graph, the latter as `models.graph` returns it."""
    positions, graph = of_graph
    pairs = one_free_correlation(model)
    rng = np.random.default_rng(11)
    # a mean that must be positive leaves its domain soon where many coefficients move together
    near = [0.005, 0.01, 0.02, 0.05, 0.1] if link in models.BOUNDED else [0.1, 0.5, 1.0]
    spreads = [0.05, 0.1, 0.2] if is_beta else [*near, *[4.0] * (rounds - len(near))]
    start = model.packed.start.copy()
    if not np.isfinite(model.density(start)[0]):
        # no intercept: the levels' effects carry the mean
        start[: model.n_u] = response_scale(model.spec, model.design).center
    assert sorted(positions.index) == list(range(len(start)))
    constants, worst, compared = [], 0.0, 0
    for spread in spreads:
        x = start + spread * rng.normal(size=len(start))
        value, gradient = model.density(x)
        expected, slope = graph(x)
        if not np.isfinite(expected):
            # outside the mean's domain, or beyond what doubles hold: never a density for the sampler
            assert not (np.isfinite(value) and np.all(np.isfinite(gradient))), (spread, value, expected)
            continue
        if not np.all(np.isfinite(slope)):
            continue
        constants.append((value - expected, max(abs(value), abs(expected), 1.0)))
        scale = np.abs(slope) + 1e-3 * np.abs(slope).max()
        error = np.abs(gradient - slope) / scale
        for i in pairs:
            # PyTensor's derivative of the one free element of a 2 x 2 factor is good to single precision only
            assert error[i] < 1e-6
            numerical = models.richardson(models.along(lambda v: model.density(v)[0], x, i), x[i])
            # differences of the density itself: rounding is relative to its size
            assert gradient[i] == pytest.approx(numerical, rel=1e-9, abs=1e-9 + 1e-11 * abs(value))
            error[i] = 0.0
        worst = max(worst, error.max(initial=0.0))
        compared += 1
    assert compared >= min(3, rounds), "too few points inside the domain to say anything"
    differences, sizes = np.array(constants).T
    drift = np.max(np.abs(differences - differences[0]) / sizes)
    print(f"density {drift:.1e} gradient {worst:.1e} points {compared}")
    assert drift < 1e-9
    assert worst < 1e-9


def one_free_correlation(model):
    """List the elements of x that are the only correlation of a block of two."""
    data = model.packed.data
    free = [i for i in range(len(data.theta_table)) if data.theta_table[i, 0] == 3]
    if not free:
        return []
    return [model.n_v + i for i in free]


def build(models, family, structure, **options):
    return models.case(f"{models.RESPONSE[family]} ~ {STRUCTURES[structure]}", family=family, **options)


def applicable(priors, structure):
    """Leave out the priors of what a structure does not have."""
    text = STRUCTURES[structure]
    has_beta, has_group = text.startswith(("x", "1 + x", "0 + x")), "|" in text
    return {key: value for key, value in priors.items() if (has_beta if key == "beta" else has_group)}


def in_turn():
    """List the cases; those that meet no family, link, structure or prior for the first time are slow."""
    met, cases = set(), []
    for number, (family, link) in enumerate(PAIRS):
        places = [(i, number % len(what)) for i, what in enumerate((STRUCTURES, SCALE_PRIORS, BETA_PRIORS))]
        kinds = {family, ("link", link), *places}
        cases.append(pytest.param(number, family, link, marks=[] if kinds - met else pytest.mark.slow))
        met |= kinds
    return cases


@pytest.mark.parametrize(("number", "family", "link"), in_turn())
def test_each_family_and_link_with_structures_and_priors_in_turn(models, number, family, link):
    structure = list(STRUCTURES)[number % len(STRUCTURES)]
    priors = SCALE_PRIORS[number % len(SCALE_PRIORS)] | BETA_PRIORS[number % len(BETA_PRIORS)]
    compare(models, build(models, family, structure, link=link, priors=applicable(priors, structure)), link, rounds=5)


@pytest.mark.parametrize(
    "name",
    ["LKJ 7", "sds mixed", "precision[sigma] Gamma", "nu Normal", "nu Uniform", "nu HalfFlat", "phi Uniform"],
)
def test_priors_of_correlations_and_family_parameters(models, name):
    family, priors = PRIORS[name]
    compare(models, build(models, family, "crossed slopes", priors=priors), "log", rounds=5)


WEIGHTED = {
    "gaussian": "weighted(r, wt)",
    "student": "weighted(r, wt)",
    "bernoulli": "weighted(b, wt)",
    "binomial": "weighted(p(s, n), wt)",
    "poisson": "weighted(c, wt)",
    "negativebinomial": "weighted(c, wt)",
    "gamma": "weighted(pos, wt)",
    "lognormal": "weighted(pos, wt)",
    "beta": "weighted(u, wt)",
    "cumulative": "weighted(o, wt)",
}


def weighted(models, family, link):
    model = models.case(f"{WEIGHTED[family]} ~ x + offset(0.1 * w) + (1 | g)", family=family, link=link, center=False)
    compare(models, model, link)


@pytest.mark.parametrize(
    ("family", "link"), [("binomial", "probit"), ("poisson", "sqrt"), ("student", "identity"), ("cumulative", "logit")]
)
def test_weights_offset_and_raw_intercept(models, family, link):
    weighted(models, family, link)


@pytest.mark.parametrize("family", ["gaussian", "student"])
def test_precisions(models, family):
    compare(models, models.case("precision(r, wt) ~ x + offset(0.1 * w) + (x | g)", family=family), "identity")


@pytest.mark.parametrize(("family", "link"), [("gaussian", "identity"), ("gaussian", "log"), ("student", "identity")])
@pytest.mark.parametrize("response", ["se(r, wt)", "weighted(se(r, wt, sigma=True), w ** 2)"])
def test_known_standard_errors(models, response, family, link):
    model = models.case(f"{response} ~ x + offset(0.1 * w) + (1 | g)", family=family, link=link)
    compare(models, model, link)


#: Responses known within limits, and the families they are tried with.
LIMITED = {
    "gaussian": "truncated(censored(r, how, end=r + 0.7), lower=-1)",
    "lognormal": "truncated(censored(pos, how, end=pos + 0.7), upper=50 + w)",
    "weibull": "weighted(truncated(censored(pos, how, end=pos + 0.7), 0.05, 60), wt)",
    "exponential": "truncated(censored(pos, how, end=pos + 0.7), lower=0.05)",
    "gamma": "truncated(censored(pos, how, end=pos + 0.7), 0.05, 60)",
    "poisson": "truncated(censored(c, how, end=c + 2), 0, 40)",
    "negativebinomial": "truncated(censored(c, how, end=c + 2), upper=40)",
    "geometric": "truncated(censored(c, how, end=c + 2), 0, 40)",
}


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[] if name == "weibull" else pytest.mark.slow) for name in LIMITED]
)
def test_censored_and_truncated_responses(models, family):
    data = models.frame()
    data["how"] = np.resize(["none", "right", "left", "interval", "none"], len(data))
    model = models.case(f"{LIMITED[family]} ~ x + (1 | g)", data=data, family=family)
    # PyTensor's derivative of an incomplete gamma function is not finite far out
    compare(models, model, "identity" if family == "gamma" else "log", rounds=3)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_weights_offset_and_raw_intercept_of_every_family(models, family, link):
    weighted(models, family, link)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "link"), PAIRS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_structure_of_every_family_and_link(models, family, link, structure):
    compare(models, build(models, family, structure, link=link), link)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRIORS)
def test_every_prior(models, name):
    family, priors = PRIORS[name]
    compare(models, build(models, family, "crossed slopes", priors=priors), "log", rounds=5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_random_models_of_the_cross_product(models, seed):
    rng = np.random.default_rng(seed)
    family, link = PAIRS[rng.integers(len(PAIRS))]
    structure = list(STRUCTURES)[rng.integers(len(STRUCTURES))]
    priors = SCALE_PRIORS[rng.integers(len(SCALE_PRIORS))] | BETA_PRIORS[rng.integers(len(BETA_PRIORS))]
    model = build(
        models, family, structure, link=link, priors=applicable(priors, structure), center=bool(rng.integers(2))
    )
    compare(models, model, link)


def repeated_rows(models, family):
    """Return data whose rows repeat, so that the engine adds them up: few predictors' values, few responses."""
    data = models.frame(80)
    rng = np.random.default_rng(4)
    data["f"] = rng.choice(["a", "b"], 80)
    data["g"] = rng.choice(["g1", "g2", "g3"], 80)
    data["time"] = rng.choice([1.0, 2.5], 80)
    data["r"], data["pos"] = data["r"].round(), data["pos"].round() + 1.0
    data["u"] = data["u"].round(1).clip(0.1, 0.9)
    data["wt"] = rng.choice([0.5, 2.0], 80)
    return data


@pytest.mark.parametrize("family", ["bernoulli", "binomial", "poisson", "gamma"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_added_up_have_the_density_of_all_rows(models, family, weighted):
    rows_added_up(models, family, weighted)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "student", "negativebinomial", "lognormal", "beta"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_added_up_have_the_density_of_all_rows_in_the_other_families(models, family, weighted):
    rows_added_up(models, family, weighted)


def rows_added_up(models, family, weighted):
    response = WEIGHTED[family] if weighted else models.RESPONSE[family]
    data = repeated_rows(models, family)
    model = models.case(f"{response} ~ f + offset(0.1 * time) + (f | g)", data, family=family)
    assert len(model.packed.rows.y) < 0.9 * len(data)
    compare(models, model, model.spec.link.name)


def test_outside_the_means_domain_there_is_no_density(models):
    """A mean that the family does not have is never a finite density with a finite gradient."""
    data = models.frame()
    data["zero"] = 0
    data.loc[0, "zero"] = 1
    data.loc[0, "x"] = 1000.0
    cases = [
        ("c", "poisson", "identity"), ("c", "negativebinomial", "identity"), ("zero", "poisson", "identity"),
        ("zero", "negativebinomial", "identity"), ("pos", "gamma", "identity"), ("pos", "gamma", "inverse"),
    ]  # fmt: skip
    for response, family, link in cases:
        model = models.case(f"{response} ~ x", data, family=family, link=link)
        for intercept in (-0.01, -0.5, -50.0):
            x = model.packed.start.copy()
            x[: model.n_beta] = (intercept, 0.01)
            value, gradient = model.density(x)
            assert not (np.isfinite(value) and np.all(np.isfinite(gradient))), (response, family, link, intercept)


def test_rows_of_weight_zero_do_not_keep_their_means_in_the_domain(models):
    """A row left out by its weight must not truncate the posterior of the others."""
    data = models.frame(30).assign(w=1.0)
    far = data.iloc[:1].assign(x=1000.0, w=0.0)
    options = {"family": "gamma", "link": "inverse", "center": False, "priors": {"Intercept": Prior("Normal", 1, 1)}}
    options["priors"] |= {"beta": Prior("Normal", 0, 1)}
    with_it = models.case("weighted(pos, w) ~ x", pd.concat([data, far]), **options)
    without = models.case("weighted(pos, w) ~ x", data, **options)
    x = np.array([2.0, -0.1, 0.3])
    (a, slopes), (b, others) = with_it.density(x), without.density(x)
    assert np.isfinite(a) and a == b
    assert np.array_equal(slopes, others)
