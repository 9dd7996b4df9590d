"""Log density and gradient of ``to_pymc()`` against oracles written out here with scipy.

Nothing of the package but its formula and its PyMC model is used by an oracle: design matrices, links, likelihoods,
priors, transforms and Jacobians are written a second time, from their definitions. Gradients are compared with central
differences of eighth order of the oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import special, stats

import bayes_glmm as bg

# The C linker compiles for ten seconds a model; Python's starts at once. Fused operations are left out because their
# Python implementation computes with single-precision constants.
MODE = Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace")
ROWS = 24


@pytest.fixture(autouse=True)
def reciprocal_in_double_precision(monkeypatch):
    """PyTensor 3.3's Python implementation of 1/x is ``np.float32(1.0) / x``, single precision for a Python float.

    What it compiles with C or numba is exact (`test_compiled_code_agrees`), and that is what samples.
    """
    monkeypatch.setattr("pytensor.scalar.basic.Reciprocal.impl", lambda self, x: 1.0 / x)
    monkeypatch.setattr(pt.reciprocal, "ufunc", None)  # made from the old one, if it was used before


def make_data() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    n = rng.integers(2, 9, ROWS)
    return pd.DataFrame(
        {
            "x": rng.normal(1.5, 1.0, ROWS),
            "z": rng.normal(-0.5, 0.7, ROWS),
            "f": np.resize(["u", "v", "w", "u", "w"], ROWS),
            "g": np.resize(["a", "b", "c", "d"], ROWS),
            "h": np.repeat(["p", "q", "r"], ROWS // 3),
            "o": rng.normal(0.0, 0.2, ROWS),
            "w": rng.integers(1, 4, ROWS) / 2,
            "y": rng.normal(2.0, 1.0, ROWS),
            "binary": rng.integers(0, 2, ROWS),
            "count": rng.poisson(4.0, ROWS),
            "positive": rng.gamma(3.0, 1.0, ROWS),
            "unit": rng.uniform(0.05, 0.95, ROWS),
            "n": n,
            "k": rng.binomial(n, 0.4),
        }
    )


DATA = make_data()

INVERSE_LINKS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda eta: eta,
    "log": np.exp,
    "inverse": lambda eta: 1 / eta,
    "sqrt": lambda eta: eta**2,
    "logit": lambda eta: 1 / (1 + np.exp(-eta)),
    "probit": stats.norm.cdf,
    "cloglog": lambda eta: 1 - np.exp(-np.exp(eta)),
}

LIKELIHOODS: dict[str, Callable[..., Any]] = {
    "gaussian": lambda y, mu, p: stats.norm.logpdf(y, mu, p["sigma"]),
    "student": lambda y, mu, p: stats.t.logpdf(y, p["nu"], mu, p["sigma"]),
    "bernoulli": lambda y, mu, p: stats.bernoulli.logpmf(y, mu),
    "binomial": lambda y, mu, p: stats.binom.logpmf(y, DATA["n"], mu),
    "poisson": lambda y, mu, p: stats.poisson.logpmf(y, mu),
    "negativebinomial": lambda y, mu, p: stats.nbinom.logpmf(y, p["phi"], p["phi"] / (p["phi"] + mu)),
    "gamma": lambda y, mu, p: stats.gamma.logpdf(y, p["phi"], scale=mu / p["phi"]),
    "lognormal": lambda y, mu, p: stats.lognorm.logpdf(y, p["sigma"], scale=np.exp(mu)),
    "beta": lambda y, mu, p: stats.beta.logpdf(y, mu * p["phi"], (1 - mu) * p["phi"]),
}
RESPONSES = {
    "gaussian": "y",
    "student": "y",
    "bernoulli": "binary",
    "binomial": "k",
    "poisson": "count",
    "negativebinomial": "count",
    "gamma": "positive",
    "lognormal": "positive",
    "beta": "unit",
}

DISTRIBUTIONS: dict[str, Callable[..., Any]] = {
    "Normal": lambda mu, sigma: stats.norm(mu, sigma),
    "StudentT": lambda nu, mu, sigma: stats.t(nu, mu, sigma),
    "Cauchy": lambda alpha, beta: stats.cauchy(alpha, beta),
    "Laplace": lambda mu, b: stats.laplace(mu, b),
    "HalfNormal": lambda sigma: stats.norm(0, sigma),
    "HalfStudentT": lambda nu, sigma: stats.t(nu, 0, sigma),
    "HalfCauchy": lambda beta: stats.cauchy(0, beta),
    "Exponential": lambda lam: stats.expon(scale=1 / lam),
    "Gamma": lambda alpha, beta: stats.gamma(alpha, scale=1 / beta),
    "InverseGamma": lambda alpha, beta: stats.invgamma(alpha, scale=beta),
    "LogNormal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
    "Uniform": lambda lower, upper: stats.uniform(lower, upper - lower),
}
FLAT = {"Flat", "HalfFlat"}
POWERS = {"": 1.0, "variance_": 2.0, "precision_": -2.0, "inv_sqrt_": -0.5}


@dataclass(frozen=True)
class P:
    """A prior as the oracle reads it: a distribution, and the power of the parameter it is about."""

    name: str
    arguments: dict[str, float] = field(default_factory=dict)
    power: str = ""

    @property
    def ours(self) -> bg.Prior:
        return bg.Prior(self.name, **self.arguments)

    def log_density(self, value: float, lower: float | None) -> float:
        """Density on the power's scale, truncated to above `lower` where the distribution reaches below it."""
        if self.name in FLAT:
            return 0.0
        below = 0.0 if lower is None else self.distribution.logsf(lower)
        return float(self.distribution.logpdf(value) - below)

    @cached_property
    def distribution(self) -> Any:
        return DISTRIBUTIONS[self.name](**self.arguments)


SD, SIGMA = P("Gamma", {"alpha": 2.0, "beta": 1.5}), P("Exponential", {"lam": 0.7})
BETA, INTERCEPT = P("Normal", {"mu": 0.1, "sigma": 0.9}), P("Normal", {"mu": 0.4, "sigma": 1.3})
#: The default priors of statistics.md section 2 that these models are left with.
PHI, NU = P("HalfNormal", {"sigma": 1.0}, "inv_sqrt_"), P("Gamma", {"alpha": 2.0, "beta": 0.1})


@dataclass(frozen=True)
class Group:
    """A grouping factor written by hand: codes, the columns of Z, and the blocks of correlated columns."""

    name: str
    codes: np.ndarray
    Z: np.ndarray
    blocks: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Case:
    """A model, and its pieces written by hand."""

    formula: str
    family: str = "gaussian"
    link: str = "identity"
    X: np.ndarray = field(default_factory=lambda: columns(1, DATA["x"]))
    groups: tuple[Group, ...] = ()
    intercept: bool = True
    center: bool = True
    offset: Any = 0.0
    weights: Any = 1.0
    beta: tuple[P, ...] | None = None
    sd: P | tuple[P, ...] = SD
    sigma: P = SIGMA
    eta: float = 1.5
    priors: dict[str, P] | None = None
    eta_lkj: float = 1.0
    #: Absolute error allowed. PyMC takes log 2 (half-Student, half-Cauchy) and sqrt 2 (truncated normal) in single
    #: precision in the normalising constants of priors, which no posterior sees.
    constant: float = 1e-10

    def build(self) -> bg.GLMM:
        given: dict[str, P] = self.priors or {}
        if self.priors is None:
            if self.intercept:
                given["Intercept"] = INTERCEPT
            if self.X.shape[1] > self.intercept:
                given["beta"] = BETA
            if self.groups:
                given["sd"] = SD
            if self.family in {"gaussian", "student", "lognormal"}:
                given["sigma"] = SIGMA
        return bg.GLMM(
            self.formula,
            DATA,
            family=self.family,
            link=self.link,
            priors={key: prior.ours for key, prior in given.items()},
            center=self.center,
        )


def columns(*parts: Any) -> np.ndarray:
    return np.column_stack([np.broadcast_to(np.asarray(part, dtype=float), ROWS) for part in parts])


def codes(*names: str) -> np.ndarray:
    return pd.factorize(DATA[list(names)].agg(":".join, axis=1), sort=True)[0]


# The oracle ----------------------------------------------------------------------------------------------------------


def scalar(point: dict[str, Any], stem: str, prior: P, lower: float | None, j: int | None) -> tuple[float, float]:
    """One parameter of the point, on its own scale, and its log prior with the Jacobian of the transform."""
    name = prior.power + stem
    reaches_below = prior.name in {"Normal", "StudentT", "Cauchy", "Laplace", "Flat", "HalfFlat"} or lower == 1.0
    if prior.name in FLAT and lower is not None and reaches_below and lower > 0:
        name = f"{name}_above_bound"
    key = next(k for k in (name, f"{name}_log__", f"{name}_interval__") if k in point)
    v = float(point[key] if j is None else point[key][j])
    bounded = lower is not None or prior.name == "Uniform"
    assert (key == name) != bounded
    if prior.name == "Uniform":
        a, b = prior.arguments["lower"], prior.arguments["upper"]
        share = special.expit(v)
        value, jacobian = a + (b - a) * share, np.log((b - a) * share * (1 - share))
    elif lower is not None:
        value, jacobian = lower + np.exp(v), v
    else:
        value, jacobian = v, 0.0
    density = prior.log_density(value, lower)
    return value ** (1 / POWERS[prior.power]), density + jacobian


def vector(point: dict[str, Any], stem: str, priors: tuple[P, ...], lower: float | None) -> tuple[np.ndarray, float]:
    """A vector of parameters: one variable where one distribution serves all, otherwise one variable an element."""
    alike = len({(prior.name, prior.power) for prior in priors}) == 1
    pairs = [
        scalar(point, stem, prior, lower, j) if alike else scalar(point, f"{stem}_element{j}", prior, lower, None)
        for j, prior in enumerate(priors)
    ]
    return np.array([value for value, _ in pairs]), sum(density for _, density in pairs)


def correlation(v: np.ndarray, size: int, shape: float) -> tuple[np.ndarray, float]:
    """Cholesky factor of a correlation matrix from real numbers, and the LKJ density with every Jacobian.

    Rows (z_i, 1) scaled to unit norm; dL/dz has determinant prod_i L_ii^(i + 2) (rows from 0), dR/dL has
    prod_i L_ii^(k - 1 - i), and the density of R is det(R)^(shape - 1) / c (Lewandowski, Kurowicka, Joe 2009, eq. 16).
    """
    fill = {1: [(1, 0)], 3: [(2, 1), (2, 0), (1, 0)]}[len(v)]
    L = np.eye(size)
    for (i, j), value in zip(fill, v, strict=True):
        L[i, j] = value
    L /= np.linalg.norm(L, axis=1, keepdims=True)
    log_diagonal = np.log(np.diag(L))
    rows = np.arange(size)
    constant = 0.0
    for k in range(1, size):
        a = shape + (size - 1 - k) / 2
        constant += (2 * shape - 2 + size - k) * (size - k) * np.log(2) + (size - k) * special.betaln(a, a)
    density = ((2 * (shape - 1) + (size - 1 - rows) + (rows + 2)) * log_diagonal).sum() - constant
    return L, float(density)


def level_effects(
    point: dict[str, Any], case: Case, group: Group, parametrization: str
) -> tuple[np.ndarray, float, dict[str, np.ndarray]]:
    """b (levels, coefficients), the log density of all that belongs to the group, and what is reported."""
    k = group.Z.shape[1]
    priors = case.sd if isinstance(case.sd, tuple) else (case.sd,) * k
    sd, density = vector(point, f"sd_{group.name}", priors, 0.0)
    root = np.eye(k)
    for i, block in enumerate(group.blocks):
        if len(block) > 1:
            v = point[f"corr_{group.name}_cholesky_{i}_cholesky_corr__"]
            root[np.ix_(block, block)], lkj = correlation(np.atleast_1d(v), len(block), case.eta_lkj)
            density += lkj
    if parametrization == "centered":
        b = point[f"b_{group.name}"]
        Sigma = np.diag(sd) @ root @ root.T @ np.diag(sd)
        density += stats.multivariate_normal(np.zeros(k), Sigma).logpdf(b).sum()
    else:
        z = point[f"z_{group.name}"]
        density += stats.norm.logpdf(z).sum()
        b = (np.diag(sd) @ root @ z.T).T
    return b, float(density), {f"sd_{group.name}": sd, f"corr_{group.name}": root @ root.T, f"b_{group.name}": b}


def oracle(case: Case, point: dict[str, Any], parametrization: str) -> tuple[float, dict[str, np.ndarray]]:
    """Log density at a point of unconstrained values, and the reported parameters."""
    eta, total, reported = np.zeros(ROWS) + case.offset, 0.0, {}
    p = case.X.shape[1]
    if p:
        priors = case.beta or ((INTERCEPT,) if case.intercept else ()) + (BETA,) * (p - case.intercept)
        centered = case.center and case.intercept
        means = case.X.mean(axis=0) * ([0.0] + [1.0] * (p - 1)) if centered else np.zeros(p)
        beta, density = vector(point, "beta_centered" if centered else "beta", priors, None)
        total += density
        eta = eta + (case.X - means) @ beta
        reported["beta"] = np.concatenate([[beta[0] - means @ beta], beta[1:]]) if centered else beta
    for group in case.groups:
        b, density, more = level_effects(point, case, group, parametrization)
        total += density
        eta = eta + (group.Z * b[group.codes]).sum(axis=1)
        reported |= more
    parameters: dict[str, float] = {}
    for name, prior, lower, families in (
        ("sigma", case.sigma, 0.0, {"gaussian", "student", "lognormal"}),
        ("phi", PHI, 0.0, {"negativebinomial", "gamma", "beta"}),
        ("nu", NU, 1.0, {"student"}),
    ):
        if case.family in families:
            parameters[name], density = scalar(point, name, prior, lower, None)
            total += density
    mu = INVERSE_LINKS[case.link](eta)
    total += (case.weights * LIKELIHOODS[case.family](DATA[RESPONSES[case.family]], mu, parameters)).sum()
    return float(total), reported


# Comparison ----------------------------------------------------------------------------------------------------------


def points(model: Any, case: Case, number: int = 2) -> list[dict[str, Any]]:
    """Random values of every unconstrained variable, the linear predictor kept where every link is defined."""
    rng = np.random.default_rng(11)
    found, start = [], model.initial_point()
    for _ in range(number):
        point = {}
        for name, value in start.items():
            spread = 0.05 if name.startswith(("z_", "b_")) else 0.15
            point[name] = np.asarray(spread * rng.standard_normal(np.shape(value)))
            if name in {"beta", "beta_centered"}:
                point[name][0] += case.eta
            elif name in {"beta_element0", "beta_centered_element0"}:
                point[name] += case.eta
            elif name.startswith("sd_"):
                point[name] -= 1.0
        found.append(point)
    return found


#: Weights of the eighth-order central difference at 1 ... 4 steps.
STEP = 2e-3
STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


def derivative(f: Callable[[dict[str, Any]], float], point: dict[str, Any], name: str, index: tuple[int, ...]) -> float:
    step, total = STEP, 0.0
    for i, weight in enumerate(STENCIL, start=1):
        for sign in (1, -1):
            moved = {key: value.copy() for key, value in point.items()}
            moved[name][index] += sign * i * step
            total += sign * weight * f(moved)
    return total / step


def check(case: Case, parametrization: str, mode: Mode = MODE) -> None:
    model = case.build().to_pymc(parametrization)
    density_and_gradient = model.compile_fn([model.logp(), model.dlogp()], inputs=model.value_vars, mode=mode)
    for point in points(model, case):
        exact, _ = oracle(case, point, parametrization)
        density, flat = density_and_gradient(point)
        assert density == pytest.approx(exact, rel=1e-12, abs=case.constant)
        start = 0
        for variable in model.value_vars:
            value = point[variable.name]
            for index in np.ndindex(value.shape):
                expected = derivative(lambda at: oracle(case, at, parametrization)[0], point, variable.name, index)
                # the difference's own error: rounding of the density, over the step
                rounding = 1e-14 * (1 + abs(exact)) / STEP
                assert flat[start] == pytest.approx(expected, rel=1e-8, abs=1e-9 + rounding), variable.name
                start += 1
        assert start == len(flat)


def one_group(formula: str, family: str, link: str) -> Case:
    # identity, inverse and square-root links need a linear predictor away from zero
    eta = {"logit": 0.2, "probit": 0.2, "cloglog": -0.3, "log": 0.8}.get(link, 2.5)
    if (family, link) in {("gaussian", "inverse"), ("student", "inverse"), ("gamma", "inverse")}:
        eta = 0.9
    return Case(formula, family, link, groups=(Group("g", codes("g"), columns(1)),), eta=eta)


def response(family: str) -> str:
    return "p(k, n)" if family == "binomial" else RESPONSES[family]


#: Ordered responses have oracles of their own, in test_ordinal.py; what is composed or came later in tests/families.
FAMILY_LINKS = [(name, link) for name in LIKELIHOODS for link in bg.FAMILIES[name].links if link in INVERSE_LINKS]


def first_met():
    """List families and links; those of which neither is met for the first time are slow."""
    met = set()
    for family, link in FAMILY_LINKS:
        kinds = {family, ("link", link)}
        yield pytest.param(family, link, marks=[] if kinds - met else pytest.mark.slow)
        met |= kinds


@pytest.mark.parametrize(("family", "link"), list(first_met()))
def test_every_family_and_link(family, link):
    check(one_group(f"{response(family)} ~ x + (1 | g)", family, link), "noncentered")


def test_the_table_of_oracles_is_complete():
    assert set(LIKELIHOODS) == set(RESPONSES)


F_COLUMNS = (DATA["f"] == "v", DATA["f"] == "w")
STRUCTURES = {
    "no groups": Case("y ~ x", eta=2.0),
    "random intercept": Case("y ~ x + (1 | g)", groups=(Group("g", codes("g"), columns(1)),)),
    "correlated slope": Case(
        "y ~ x + (x | g)", groups=(Group("g", codes("g"), columns(1, DATA["x"]), blocks=((0, 1),)),)
    ),
    "three correlated": Case(
        "count ~ x + (x + z | g)",
        "poisson",
        "log",
        groups=(Group("g", codes("g"), columns(1, DATA["x"], DATA["z"]), blocks=((0, 1, 2),)),),
        eta=0.8,
    ),
    "uncorrelated slope": Case("y ~ x + (x || g)", groups=(Group("g", codes("g"), columns(1, DATA["x"])),)),
    "slope without intercept": Case("y ~ x + (0 + x | g)", groups=(Group("g", codes("g"), columns(DATA["x"])),)),
    "two blocks of one factor": Case(
        "y ~ x + (x | g) + (0 + z | g)",
        groups=(Group("g", codes("g"), columns(1, DATA["x"], DATA["z"]), blocks=((0, 1), (2,))),),
    ),
    "factor on the left": Case(
        "y ~ 1 + (f | g)",
        X=columns(1),
        groups=(Group("g", codes("g"), columns(1, *F_COLUMNS), blocks=((0, 1, 2),)),),
    ),
    "crossed": Case(
        "y ~ x + (1 | g) + (1 | h)",
        groups=(Group("g", codes("g"), columns(1)), Group("h", codes("h"), columns(1))),
    ),
    "nested": Case(
        "count ~ x + (1 | h/g)",
        "poisson",
        "log",
        groups=(Group("h", codes("h"), columns(1)), Group("h:g", codes("h", "g"), columns(1))),
        eta=0.8,
    ),
    "offset": Case(
        "count ~ x + offset(o) + (1 | g)",
        "poisson",
        "log",
        groups=(Group("g", codes("g"), columns(1)),),
        offset=DATA["o"].to_numpy(),
        eta=0.8,
    ),
    "weights": Case(
        "weighted(y, w) ~ x + (1 | g)", groups=(Group("g", codes("g"), columns(1)),), weights=DATA["w"].to_numpy()
    ),
    "weighted counts": Case("weighted(count, w) ~ x", "negativebinomial", "log", weights=DATA["w"].to_numpy(), eta=0.8),
    "trials": Case(
        "p(k, n) ~ f + x + (x | g)",
        "binomial",
        "logit",
        X=columns(1, *F_COLUMNS, DATA["x"]),
        groups=(Group("g", codes("g"), columns(1, DATA["x"]), blocks=((0, 1),)),),
        eta=0.2,
    ),
    "raw intercept": Case("y ~ x + z + (1 | g)", X=columns(1, DATA["x"], DATA["z"]), center=False,
                          groups=(Group("g", codes("g"), columns(1)),)),
    "no intercept": Case("y ~ 0 + f + (1 | g)", X=columns(DATA["f"] == "u", *F_COLUMNS), intercept=False,
                         groups=(Group("g", codes("g"), columns(1)),)),
    "no fixed part": Case("y ~ 0 + (1 | g)", X=np.empty((ROWS, 0)), intercept=False,
                          groups=(Group("g", codes("g"), columns(1)),)),
}  # fmt: skip


#: The structures whose group effects take another way through the graph when they are centred.
CENTERED = ["random intercept", "correlated slope", "three correlated", "uncorrelated slope", "crossed"]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures(structure):
    check(STRUCTURES[structure], "noncentered")


@pytest.mark.parametrize("structure", CENTERED)
def test_centered_parametrization(structure):
    check(STRUCTURES[structure], "centered")


def with_priors(beta: tuple[P, P], sd: tuple[P, P], sigma: P, keys: dict[str, P]) -> Case:
    return Case(
        "y ~ x + (x | g)",
        groups=(Group("g", codes("g"), columns(1, DATA["x"]), blocks=((0, 1),)),),
        beta=beta,
        sd=sd,
        sigma=sigma,
        priors=keys,
        eta_lkj=1.3,
        # gradients are exact to 1e-9 all the same
        constant=1e-8,
    )


NORMAL = P("Normal", {"mu": 0.0, "sigma": 2.0})
PRIOR_CASES = {
    "mixed coefficients, variance of sigma": with_priors(
        (P("StudentT", {"nu": 4.0, "mu": 0.5, "sigma": 1.2}), P("Laplace", {"mu": 0.8, "b": 0.8})),
        (P("HalfNormal", {"sigma": 1.5}), P("Exponential", {"lam": 2.0})),
        P("InverseGamma", {"alpha": 2.0, "beta": 1.0}, "variance_"),
        {
            "Intercept": P("StudentT", {"nu": 4.0, "mu": 0.5, "sigma": 1.2}),
            "beta[x]": P("Laplace", {"mu": 0.8, "b": 0.8}),
            "sd[g][Intercept]": P("HalfNormal", {"sigma": 1.5}),
            "sd[g][x]": P("Exponential", {"lam": 2.0}),
            "variance[sigma]": P("InverseGamma", {"alpha": 2.0, "beta": 1.0}),
            "corr[g]": P("LKJ", {"eta": 1.3}),
        },
    ),
    "precisions, half-Cauchy": with_priors(
        (P("Cauchy", {"alpha": 0.2, "beta": 1.1}),) * 2,
        (P("Gamma", {"alpha": 1.2, "beta": 0.4}, "precision_"),) * 2,
        P("HalfCauchy", {"beta": 2.0}),
        {
            "Intercept": P("Cauchy", {"alpha": 0.2, "beta": 1.1}),
            "beta": P("Cauchy", {"alpha": 0.2, "beta": 1.1}),
            "precision[g]": P("Gamma", {"alpha": 1.2, "beta": 0.4}),
            "sigma": P("HalfCauchy", {"beta": 2.0}),
            "corr": P("LKJ", {"eta": 1.3}),
        },
    ),
    "flat": with_priors(
        (P("Flat"),) * 2,
        (P("HalfFlat"),) * 2,
        P("HalfFlat"),
        {
            "Intercept": P("Flat"),
            "beta": P("Flat"),
            "sd": P("Flat"),
            "sigma": P("HalfFlat"),
            "corr": P("LKJ", {"eta": 1.3}),
        },
    ),
    "truncated at zero": with_priors(
        (NORMAL, NORMAL),
        (P("Normal", {"mu": 0.5, "sigma": 0.4}), P("StudentT", {"nu": 5.0, "mu": 0.2, "sigma": 0.6})),
        P("Cauchy", {"alpha": 1.0, "beta": 0.5}),
        {
            "Intercept": NORMAL,
            "beta": NORMAL,
            "sd[g][Intercept]": P("Normal", {"mu": 0.5, "sigma": 0.4}),
            "sd[g][x]": P("StudentT", {"nu": 5.0, "mu": 0.2, "sigma": 0.6}),
            "sigma": P("Cauchy", {"alpha": 1.0, "beta": 0.5}),
            "corr": P("LKJ", {"eta": 1.3}),
        },
    ),
    "intervals and a half Student": with_priors(
        (NORMAL, P("Flat")),
        (P("Uniform", {"lower": 0.0, "upper": 4.0}),) * 2,
        P("HalfStudentT", {"nu": 3.0, "sigma": 1.1}),
        {
            "Intercept": NORMAL,
            "beta": P("Flat"),
            "sd": P("Uniform", {"lower": 0.0, "upper": 4.0}),
            "sigma": P("HalfStudentT", {"nu": 3.0, "sigma": 1.1}),
            "corr": P("LKJ", {"eta": 1.3}),
        },
    ),
    "lognormal, precision of sigma": with_priors(
        (NORMAL, NORMAL),
        (P("LogNormal", {"mu": -0.5, "sigma": 0.7}),) * 2,
        P("Gamma", {"alpha": 1.5, "beta": 0.8}, "precision_"),
        {
            "Intercept": NORMAL,
            "beta": NORMAL,
            "sd[g]": P("LogNormal", {"mu": -0.5, "sigma": 0.7}),
            "precision[sigma]": P("Gamma", {"alpha": 1.5, "beta": 0.8}),
            "corr": P("LKJ", {"eta": 1.3}),
        },
    ),
}


@pytest.mark.parametrize("priors", PRIOR_CASES)
def test_priors_of_every_kind(priors):
    check(PRIOR_CASES[priors], "noncentered")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS:UserWarning")
def test_compiled_code_agrees(monkeypatch):
    """The same graph compiled by numba, as nutpie does, with PyTensor as it is installed."""
    monkeypatch.undo()
    check(STRUCTURES["correlated slope"], "noncentered", Mode(linker="numba", optimizer="fast_run"))


def test_reported_parameters():
    """The uncentred intercept, sds, correlations and level effects that a fit reports."""
    case = STRUCTURES["two blocks of one factor"]
    model = case.build().to_pymc()
    (point,) = points(model, case, number=1)
    _, expected = oracle(case, point, "noncentered")
    names = ["beta", "sd_g", "corr_g", "b_g"]
    values = model.replace_rvs_by_values([model[name] for name in names])
    computed = model.compile_fn(values, inputs=model.value_vars, mode=MODE, on_unused_input="ignore")(point)
    for name, value in zip(names, computed, strict=True):
        np.testing.assert_allclose(value, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("eta", [-35.0, -8.0, 3.0, 6.0])
def test_binary_tails_do_not_cancel(link, eta):
    """Log probabilities far out, where 1 - p rounds to one or zero."""
    log_event = {
        "logit": lambda e: -np.logaddexp(0, -e),
        "probit": special.log_ndtr,
        "cloglog": lambda e: np.log(-np.expm1(-np.exp(e))),
    }[link]
    log_other = {
        "logit": lambda e: -np.logaddexp(0, e),
        "probit": lambda e: special.log_ndtr(-e),
        "cloglog": lambda e: -np.exp(e),
    }[link]
    model = bg.GLMM("binary ~ 1", DATA, family="bernoulli", link=link, priors={"Intercept": bg.Prior("Flat")})
    log_density = model.to_pymc().compile_logp(mode=MODE)
    events = DATA["binary"].sum()
    expected = events * log_event(eta) + (ROWS - events) * log_other(eta)
    assert log_density({"beta_centered": np.array([eta])}) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("family", LIKELIHOODS)
def test_pointwise_density_of_the_families(family):
    """The numpy densities that predictions and LOO use, against the same oracles."""
    parameters = {"sigma": 0.8, "phi": 2.5, "nu": 4.5}
    used = {row.name: parameters[row.name] for row in bg.FAMILIES[family].parameters}
    mu = np.linspace(0.2, 0.8, ROWS) if family in {"bernoulli", "binomial", "beta"} else np.linspace(0.5, 3.0, ROWS)
    y, trials = DATA[RESPONSES[family]].to_numpy(), DATA["n"].to_numpy() if family == "binomial" else None
    got = bg.FAMILIES[family].log_density(y, mu, used, trials)
    np.testing.assert_allclose(got, LIKELIHOODS[family](y, mu, used), rtol=1e-11)
