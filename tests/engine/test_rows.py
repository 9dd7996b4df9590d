"""Row kernels against the families' own densities, their derivatives, and the accuracy of the vectorised functions."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest
from scipy import special

from bayes_glmm.engine.compose import TRIALS
from bayes_glmm.engine.densities import digamma, log_normal_cdf
from bayes_glmm.engine.rows import has_row_kernel, row_kernel
from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS

EVERY = {(family.kernel, link) for family in FAMILIES.values() for link in family.links if family.kernel}
#: Auxiliary parameters each family is tried with.
PARAMETERS = {
    "gaussian": [(0.3, 1.0), (2.0, 1.0)],
    "student": [(0.3, 1.5), (2.0, 4.0), (1.0, 60.0)],
    "binomial": [(1.0, 1.0)],
    "poisson": [(1.0, 1.0)],
    "negativebinomial": [(0.05, 1.0), (1.7, 1.0), (400.0, 1.0)],
    "gamma": [(0.3, 1.0), (5.0, 1.0), (200.0, 1.0)],
    "lognormal": [(0.3, 1.0), (2.0, 1.0)],
    "beta": [(0.4, 1.0), (6.0, 1.0), (80.0, 1.0)],
}
#: Compiled; the others are held to the same in Python (tests/families), ordered categories in test_ordinal_rows.py.
LATER = {"cauchit", "loglog", "softplus", "1/mu^2"}
PAIRS = sorted(pair for pair in EVERY if pair[0] in PARAMETERS and pair[1] not in LATER)
NAMES = {family.kernel: tuple(row.name for row in family.parameters) for family in FAMILIES.values() if family.kernel}


def call(family, link, eta, y, counts, parameters):
    """Return the block's log likelihood, d/d eta and d/d parameters."""
    kernel = row_kernel(family, link)
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 7)(kernel.address)
    arrays = [np.ascontiguousarray(np.broadcast_to(a, np.shape(eta)), dtype=float) for a in (eta, y, counts)]
    par, slope, d_par = np.array(parameters, dtype=float), np.full(len(arrays[0]), np.nan), np.zeros(2)
    values = np.full_like(slope, np.nan)
    address = [a.ctypes.data for a in (*arrays, par, values, slope, d_par)]
    total = function(len(slope), *address)
    with np.errstate(over="ignore"):  # both infinite
        np.testing.assert_allclose(total, values.sum(), rtol=1e-12, atol=1e-12 * np.abs(values).sum())
    return total, slope, d_par


def one(family, link, eta, y, counts, parameters):
    value, slope, d_par = call(family, link, np.array([eta]), np.array([y]), np.array([counts]), parameters)
    return value, slope[0], d_par


def reference(family, link, eta, y, counts, parameters):
    """Return the log density of `families.py`, with trials for a binomial and exposure for a Poisson."""
    record = next(f for f in FAMILIES.values() if f.kernel == family and (family != "binomial" or f.name == "binomial"))
    mu = LINKS[link].inverse(np.asarray(eta, dtype=float))
    values = dict(zip(NAMES[family], parameters, strict=False))
    if family == "binomial":
        return record.log_density(y, mu, values, counts)
    if family == "poisson":
        return record.log_density(y, counts * mu, values, None)
    return counts * record.log_density(y, mu, values, None)


def responses(family, rng, n):
    draws = {
        "gaussian": lambda: rng.normal(1, 2, n),
        "student": lambda: rng.normal(1, 5, n),
        "binomial": lambda: rng.integers(0, 6, n).astype(float),
        "poisson": lambda: rng.poisson(4, n).astype(float),
        "negativebinomial": lambda: rng.poisson(4, n).astype(float),
        "gamma": lambda: rng.gamma(1, 3, n) + 1e-3,
        "lognormal": lambda: np.exp(rng.normal(0, 2, n)),
        "beta": lambda: rng.uniform(0.01, 0.99, n),
    }
    return draws[family]()


def predictors(link, rng, n):
    if link in {"inverse", "sqrt"} or link == "positive identity":
        return rng.uniform(0.2, 4, n)
    return rng.uniform(-1.5, 1.2, n) if link == "cloglog" else rng.uniform(-3, 3, n)


def sample(family, link, n=40):
    rng = np.random.default_rng([n, *map(ord, family + link)])
    positive = link == "identity" and family in {"poisson", "negativebinomial", "gamma"}
    eta = predictors("positive identity" if positive else link, rng, n)
    y = responses(family, rng, n)
    counts = y + rng.integers(0, 5, n) if family == "binomial" else rng.uniform(0.5, 3, n)
    return eta, y, counts


def test_every_pair_of_the_table_has_rows():
    missing = [pair for pair in sorted(EVERY) if not has_row_kernel(pair[0], LINKS[pair[1]])]
    # choices have a linear predictor for each category
    assert missing == [("categorical", "logit")] and has_row_kernel("categorical", LINKS["logit"], each=True)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_log_likelihood_is_the_familys_up_to_a_constant_in_y(models, family, link):
    eta, y, counts = sample(family, link)
    base = np.full_like(eta, 0.9)
    first = PARAMETERS[family][0]
    for parameters in PARAMETERS[family]:
        for i in range(len(eta)):
            ours = (
                one(family, link, eta[i], y[i], counts[i], parameters)[0]
                - one(family, link, base[i], y[i], counts[i], first)[0]
            )
            theirs = reference(family, link, eta[i], y[i], counts[i], parameters) - reference(
                family, link, base[i], y[i], counts[i], first
            )
            size = 1 + abs(reference(family, link, eta[i], y[i], counts[i], parameters)) + abs(theirs)
            assert abs(ours - theirs) < 2e-13 * size * (1 + max(parameters))


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_derivatives(models, family, link):
    eta, y, counts = sample(family, link, 15)
    for parameters in PARAMETERS[family]:
        for i in range(len(eta)):
            value, slope, d_par = one(family, link, eta[i], y[i], counts[i], parameters)
            noise = 1e-9 * (1 + abs(value))

            def in_eta(e, i=i, parameters=parameters):
                return float(reference(family, link, e, y[i], counts[i], parameters))

            numerical = models.richardson(in_eta, eta[i], step=0.02 * abs(eta[i]))
            assert slope == pytest.approx(numerical, rel=1e-7, abs=noise)
            for p in range(len(NAMES[family])):

                def in_parameter(v, i=i, p=p, parameters=parameters):
                    moved = list(parameters)
                    moved[p] = v
                    return float(reference(family, link, eta[i], y[i], counts[i], moved))

                numerical = models.richardson(in_parameter, parameters[p], step=0.05 * parameters[p])
                assert d_par[p] == pytest.approx(numerical, rel=1e-7, abs=noise)
            assert not np.any(d_par[len(NAMES[family]) :])


@pytest.mark.parametrize(("family", "link"), PAIRS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 63, 255, 256])
def test_a_block_is_the_sum_of_its_rows(family, link, n):
    eta, y, counts = sample(family, link, max(n, 1))
    eta, y, counts = eta[:n], y[:n], counts[:n]
    parameters = PARAMETERS[family][-1]
    value, slope, d_par = call(family, link, eta, y, counts, parameters)
    rows = [one(family, link, *row, parameters) for row in zip(eta, y, counts, strict=True)]
    assert value == pytest.approx(sum(row[0] for row in rows), rel=1e-12, abs=1e-12)
    assert slope == pytest.approx(np.array([row[1] for row in rows]), rel=1e-12, abs=1e-14)
    assert d_par == pytest.approx(np.sum([row[2] for row in rows] or [np.zeros(2)], axis=0), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(
    ("family", "link", "responses", "parameters"),
    [
        ("hurdle_poisson", "log", [0.0, 1.0, 4.0], (0.3, 1.0)),
        ("betabinomial", "logit", [0.0 + 3 * TRIALS, 1.0 + TRIALS, 4.0 + 9 * TRIALS], (2.0, 1.0)),
        ("zero_one_inflated_beta", "logit", [0.0, 0.4, 1.0], (2.0, 0.3, 0.4)),
        ("poisson", "identity", [0.0, 1.0, 4.0], (1.0, 1.0)),
        ("binomial", "cauchit", [0.0, 1.0, 0.5], (1.0, 1.0)),
    ],
)
def test_composed_rows_give_each_row_s_log_likelihood(family, link, responses, parameters):
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 7)(
        row_kernel(family, link).address
    )
    arrays = [np.array([0.3, 0.9, 1.7]), np.array(responses), np.array([1.0, 2.0, 2.5])]
    par, every = np.array(parameters), []
    for own in (slice(0, 3), *(slice(i, i + 1) for i in range(3))):
        parts, values = [a[own].copy() for a in arrays], np.full(own.stop - own.start, np.nan)
        slope, d_par = np.zeros_like(values), np.zeros(len(par))
        total = function(len(values), *(a.ctypes.data for a in (*parts, par, values, slope, d_par)))
        every.append((total, values))
    (total, values), alone = every[0], every[1:]
    np.testing.assert_allclose(values, [row[0] for row in alone], rtol=1e-14)
    np.testing.assert_allclose(values, [row[1][0] for row in alone], rtol=1e-14)
    assert total == pytest.approx(values.sum(), rel=1e-14)


def test_a_row_outside_the_mean_s_range_leaves_the_others_alone():
    """Sums over lattices read each row's value, whatever the block's sum."""
    kernel = row_kernel("poisson", "identity")
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 7)(kernel.address)
    eta, y, counts, par, d_par = np.array([2.0, -1.0, 3.0]), np.ones(3), np.ones(3), np.ones(2), np.zeros(2)
    values, slope = np.full(3, np.nan), np.full(3, np.nan)
    assert function(3, *(a.ctypes.data for a in (eta, y, counts, par, values, slope, d_par))) == -np.inf
    np.testing.assert_allclose(values, [math.log(2) - 2, -np.inf, math.log(3) - 3], rtol=1e-14)
    np.testing.assert_allclose(slope, [1 / 2 - 1, 0.0, 1 / 3 - 1], rtol=1e-14)


@pytest.mark.parametrize("family", sorted(PARAMETERS))
def test_parameters_derivatives_are_added_to_what_is_there(family):
    """The engine calls block after block with one accumulator."""
    link = next(link for name, link in PAIRS if name == family)
    eta, y, counts = sample(family, link, 9)
    whole = call(family, link, eta, y, counts, PARAMETERS[family][0])[2]
    parts = [call(family, link, eta[s], y[s], counts[s], PARAMETERS[family][0])[2] for s in (slice(4), slice(4, 9))]
    assert whole == pytest.approx(parts[0] + parts[1], rel=1e-12)


ETAS = [-700.0, -300.0, -40.0, -37.0, -30.1, -29.9, -10.0, -1e-8, 0.0, 1e-8, 10.0, 30.0, 37.0, 40.0, 300.0]


def mills(x):
    """phi(x) / Phi(x) without cancellation."""
    return (
        math.sqrt(2 / math.pi) / special.erfcx(-x / math.sqrt(2))
        if x < 30
        else math.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    )


@pytest.mark.parametrize("eta", ETAS)
@pytest.mark.parametrize(("y", "trials"), [(0, 0), (0, 1), (1, 1), (3, 7), (0, 1e6), (1e6, 1e6), (4e5, 1e6)])
def test_binomial_in_the_tails(eta, y, trials):
    """log p and log(1 - p) from functions that do not cancel, whatever eta."""
    expected = {
        "logit": (special.log_expit(eta), special.log_expit(-eta), special.expit(-eta), -special.expit(eta)),
        "probit": (
            special.log_ndtr(eta),
            special.log_ndtr(-eta),
            mills(eta),
            -mills(-eta),
        ),
    }
    for link, (log_p, log_q, d_p, d_q) in expected.items():
        value, slope, _ = one("binomial", link, eta, y, trials, (1, 1))
        exact = (y * log_p if y else 0.0) + ((trials - y) * log_q if trials - y else 0.0)
        # a probability within rounding of one has a log that is zero to rounding
        assert value == pytest.approx(exact, rel=1e-12, abs=4e-16 * trials * max(1.0, abs(eta)))
        exact = (y * d_p if y else 0.0) + ((trials - y) * d_q if trials - y else 0.0)
        size = abs(y * d_p) + abs((trials - y) * d_q)
        assert abs(slope - exact) <= 3e-12 * size + (4e-16 * trials if y else 0.0)
    if eta < 300:
        rate = math.exp(eta)
        value, slope, _ = one("binomial", "cloglog", eta, y, trials, (1, 1))
        if eta > -600 or y == 0:
            exact = (y * math.log(-math.expm1(-rate)) if y else 0.0) - (trials - y) * rate
            assert value == pytest.approx(exact, rel=1e-12, abs=4e-16 * trials)
            d_p = rate / math.expm1(rate) if rate < 700 else 0.0
            assert abs(slope - (y * d_p - (trials - y) * rate)) <= 1e-12 * (abs(y * d_p) + (trials - y) * rate) + 1e-300


@pytest.mark.parametrize("eta", [-700.0, -300.0, -40.0, 0.0, 20.0, 40.0, 300.0])
@pytest.mark.parametrize("y", [0.0, 1.0, 1e6])
def test_poisson_with_log_link_in_the_tails(eta, y):
    value, slope, _ = one("poisson", "log", eta, y, 3.0, (1, 1))
    assert value == pytest.approx(y * eta - 3.0 * math.exp(eta), rel=1e-13)
    assert slope == pytest.approx(y - 3.0 * math.exp(eta), rel=1e-13)


@pytest.mark.parametrize("eta", [-40.0, -20.0, 0.0, 20.0, 40.0])
@pytest.mark.parametrize("y", [0.0, 1.0, 37.0, 1e6])
@pytest.mark.parametrize("phi", [1e-3, 1.0, 1e3, 1e6])
def test_negative_binomial_with_log_link_in_the_tails(eta, y, phi):
    """d/d eta = phi (y - mu) / (mu + phi), d/d phi from differences of digamma."""
    _, slope, d_par = one("negativebinomial", "log", eta, y, 1.0, (phi, 1.0))
    mu = math.exp(eta)
    size = y + (y + phi) * mu / (mu + phi)
    assert abs(slope - phi * (y - mu) / (mu + phi)) < 4e-15 * size + 1e-300
    exact = special.digamma(y + phi) - special.digamma(phi) - math.log1p(mu / phi) + (mu - y) / (mu + phi)
    assert abs(d_par[0] - exact) < 1e-13 * (1 + abs(exact) + abs(special.digamma(y + phi)) + abs(special.digamma(phi)))


@pytest.mark.parametrize("eta", [-40.0, 40.0])
def test_gamma_with_log_link_in_the_tails(eta):
    value, slope, _ = one("gamma", "log", eta, 2.0, 1.0, (3.0, 1.0))
    ratio = 2.0 * math.exp(-eta)
    assert value == pytest.approx(3 * (math.log(3) + math.log(2) - eta - ratio) - special.gammaln(3), rel=1e-13)
    assert slope == pytest.approx(3 * (ratio - 1), rel=1e-13)


@pytest.mark.parametrize(
    ("family", "link", "y"),
    [
        ("poisson", "identity", 0.0),
        ("negativebinomial", "identity", 0.0),
        ("gamma", "identity", 1.0),
        ("gamma", "inverse", 1.0),
    ],
)
def test_a_mean_the_family_does_not_have_has_no_density(family, link, y):
    for eta in (-0.01, -1.0, -100.0):
        value, slope, _ = one(family, link, eta, y, 1.0, (5.0, 1.0))
        assert not (math.isfinite(value) and math.isfinite(slope)), (eta, value, slope)


def test_exp_is_accurate_over_its_whole_range():
    eta = np.random.default_rng(0).uniform(-708, 709, 100_000)
    assert exp_error(eta) < 1e-14


def exp_error(eta):
    """Poisson rows with y = 0 are -counts exp(eta): fast_exp with the kernels' own compiler flags."""
    slope = np.concatenate([call("poisson", "log", part, 0.0, 1.0, (1, 1))[1] for part in np.array_split(eta, 50)])
    exact = np.exp(eta.astype(np.longdouble))
    error = np.abs((-slope - exact) / exact).astype(float)
    print("fast_exp", error.max(), "at", eta[error.argmax()])
    return error.max()


def test_exp_is_accurate_where_the_kernels_use_it():
    rng = np.random.default_rng(0)
    eta = np.concatenate([rng.uniform(-200, 200, 100_000), rng.uniform(-1, 1, 100_000), np.arange(-200.0, 201.0)])
    # the ends of each reduced interval, and both sides of them
    halves = np.round(eta / math.log(2)) * math.log(2) + 0.5 * math.log(2)
    assert exp_error(np.concatenate([eta, halves, np.nextafter(halves, 1000), np.nextafter(halves, -1000)])) < 1e-14


def test_exp_saturates():
    for eta, exact in ((-5000.0, math.exp(-708)), (5000.0, math.exp(709))):
        assert -one("poisson", "log", eta, 0.0, 1.0, (1, 1))[1] == pytest.approx(exact, rel=1e-13)
    assert not math.isfinite(one("poisson", "log", math.nan, 0.0, 1.0, (1, 1))[0])
    assert not math.isfinite(one("binomial", "logit", math.nan, 1.0, 1.0, (1, 1))[0])


def test_log1p_is_accurate_where_the_kernels_use_it():
    """A failure's logit row is -log(1 + exp(eta)), below zero -log1p(e) itself."""
    rng = np.random.default_rng(0)
    eta = -np.concatenate([rng.uniform(0, 200, 20_000), rng.uniform(0, 2, 50_000), 10 ** rng.uniform(-16, 0, 20_000)])
    ours = np.array([one("binomial", "logit", e, 0.0, 1.0, (1, 1))[0] for e in eta])
    exact = -np.log1p(np.exp(eta.astype(np.longdouble)))
    error = np.abs((ours - exact) / exact).astype(float)
    print("fast_log1p_unit", error.max(), "at", eta[error.argmax()])
    assert error.max() < 1e-14


def test_sigmoid_is_accurate_in_both_tails():
    rng = np.random.default_rng(1)
    eta = rng.uniform(-200, 200, 20_000)
    failure = np.array([-one("binomial", "logit", e, 0.0, 1.0, (1, 1))[1] for e in eta])
    exact = 1 / (1 + np.exp(-eta.astype(np.longdouble)))
    assert np.max(np.abs((failure - exact) / exact)) < 1e-14


def test_digamma_and_the_normal_tail():
    x = 10.0 ** np.linspace(-12, 12, 500)
    ours = np.array([digamma(v) for v in x])
    assert np.max(np.abs(ours - special.digamma(x)) / (1e-3 + np.abs(special.digamma(x)))) < 1e-12
    x = np.concatenate([np.linspace(-1000, 5, 2000), [-30.0, np.nextafter(-30, -31), np.nextafter(-30, 0)]])
    ours = np.array([log_normal_cdf(v) for v in x])
    exact = special.log_ndtr(x)
    assert np.max(np.abs(ours[:, 0] - exact) / (1e-5 + np.abs(exact))) < 1e-11
    exact = np.array([mills(v) for v in x])
    assert np.max(np.abs(ours[:, 1] / exact - 1)) < 1e-10
