"""Rows put together: a density with a link, zeros inflated or set apart, and the loop over a block of rows.

Input: functions of one response from `densities.py`. Output: functions of one row,

    (eta, y, trials, first, second, third parameter) -> (log density, d/d eta, d/d first, d/d second, d/d third),

and loops over them that have the signature of row kernels. A family needs a density; everything else comes from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bayes_glmm.engine import densities
from bayes_glmm.engine.arithmetic import inlined
from bayes_glmm.engine.densities import log_normal_cdf, rising
from bayes_glmm.engine.pointers import carray
from bayes_glmm.engine.steps import each_steps_loop, steps_loop
from bayes_glmm.engine.vector_math import fast_exp, fast_log1p_unit

#: What trials are multiplied by where a row's y holds both, successes + TRIALS trials: whole numbers below it.
TRIALS = 2.0**26

#: A function of a row, and a pointer to doubles as numba sees it.
Row = Callable[..., Any]
P = Any


@dataclass(frozen=True)
class Density:
    """The density of a response by its mean.

    Parameters
    ----------
    function
        (y, mu, first, second parameter) -> (log density, d/d mu, d/d first, d/d second).
    parameters
        How many parameters it has.
    """

    function: Callable[..., Any]
    parameters: int


#: Inverse links by the link's name: eta -> (mu, d mu / d eta).
INVERSES: Mapping[str, Callable[..., Any]] = {
    "identity": densities.identity,
    "log": densities.exp,
    "inverse": densities.reciprocal,
    "sqrt": densities.square,
    "softplus": densities.softplus,
    "1/mu^2": densities.inverse_root,
    "logit": densities.expit,
    "probit": densities.normal_cdf,
    "cloglog": densities.cloglog,
    "cauchit": densities.cauchy_cdf,
    "loglog": densities.loglog,
    "tan_half": densities.half_angle,
}

#: Densities by the family's kernel name.
DENSITIES: Mapping[str, Density] = {
    "gaussian": Density(densities.gaussian, 1),
    "student": Density(densities.student, 2),
    "skewnormal": Density(densities.skewnormal, 2),
    "exgaussian": Density(densities.exgaussian, 2),
    "poisson": Density(densities.poisson, 0),
    "negativebinomial": Density(densities.negativebinomial, 1),
    "negativebinomial1": Density(densities.negativebinomial1, 1),
    "geometric": Density(densities.geometric, 0),
    "generalizedpoisson": Density(densities.generalizedpoisson, 1),
    "gamma": Density(densities.gamma, 1),
    "lognormal": Density(densities.lognormal, 1),
    "exponential": Density(densities.exponential, 0),
    "weibull": Density(densities.weibull, 1),
    "inversegaussian": Density(densities.inversegaussian, 1),
    "beta": Density(densities.beta, 1),
    "tweedie": Density(densities.tweedie, 2),
    "vonmises": Density(densities.vonmises, 1),
}


# probabilities in both tails: eta -> (log p, its derivative, log(1 - p), its derivative) ---------------------------


@inlined
def _logit_pair(eta: float) -> tuple[float, float, float, float]:
    e = fast_exp(-abs(eta))
    r = 1.0 / (1.0 + e)
    p, q = (r, e * r) if eta >= 0 else (e * r, r)
    rest = fast_log1p_unit(e)
    return min(eta, 0.0) - rest, q, -max(eta, 0.0) - rest, -p


@inlined
def _probit_pair(eta: float) -> tuple[float, float, float, float]:
    log_p, d_p = log_normal_cdf(eta)
    log_q, d_q = log_normal_cdf(-eta)
    return log_p, d_p, log_q, -d_q


@inlined
def _cloglog_pair(eta: float) -> tuple[float, float, float, float]:
    rate = math.exp(min(eta, 700.0))
    return math.log(-math.expm1(-rate)), (rate / math.expm1(rate) if rate < 700.0 else 0.0), -rate, -rate


@inlined
def _loglog_pair(eta: float) -> tuple[float, float, float, float]:
    log_q, d_q, log_p, d_p = _cloglog_pair(-eta)
    return log_p, -d_p, log_q, -d_q


@inlined
def _cauchit_pair(eta: float) -> tuple[float, float, float, float]:
    density = 1.0 / (1.0 + eta * eta)
    p, q = math.atan2(1.0, -eta), math.atan2(1.0, eta)
    return math.log(p / math.pi), density / p, math.log(q / math.pi), -density / q


PAIRS: Mapping[str, Callable[..., Any]] = {
    "logit": _logit_pair,
    "probit": _probit_pair,
    "cloglog": _cloglog_pair,
    "loglog": _loglog_pair,
    "cauchit": _cauchit_pair,
}


# rows --------------------------------------------------------------------------------------------------------------


def by_mean(density: Callable[..., Any], inverse: Callable[..., Any]) -> Row:
    """Return the row of a density and an inverse link: the chain rule through the mean."""

    @inlined
    def row(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
        mu, d_mu = inverse(eta)
        value, slope, d_a, d_b = density(y, mu, a, b)
        return value, slope * d_mu, d_a, d_b, 0.0

    return row


@inlined
def _poisson_log(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
    mu = fast_exp(eta)
    return y * eta - mu, y - mu, 0.0, 0.0, 0.0


def _binomial(pair: Callable[..., Any]) -> Row:
    """Successes out of trials, by the logs of both probabilities."""

    @inlined
    def row(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
        log_p, d_p, log_q, d_q = pair(eta)
        value, slope = 0.0, 0.0
        if y > 0:
            value, slope = y * log_p, y * d_p
        if trials > y:
            value += (trials - y) * log_q
            slope += (trials - y) * d_q
        return value, slope, 0.0, 0.0, 0.0

    return row


def _betabinomial(pair: Callable[..., Any]) -> Row:
    """Successes out of trials whose probability has a beta distribution of precision a."""

    @inlined
    def row(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
        log_p, d_p, log_q, d_q = pair(eta)
        p, q = math.exp(log_p), math.exp(log_q)
        of_p, slope_p = rising(a * p, y)
        of_q, slope_q = rising(a * q, trials - y)
        of_all, slope_all = rising(a, trials)
        slope = a * (slope_p * p * d_p + slope_q * q * d_q)
        return of_p + of_q - of_all, slope, slope_p * p + slope_q * q - slope_all, 0.0, 0.0

    return row


@inlined
def _ordbeta(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
    """Zeros below a cut point b of a latent logistic variable, ones above b + c, a beta between."""
    log_above, d_above, log_zero, d_zero = _logit_pair(eta - b)
    log_one, d_one, log_below, d_below = _logit_pair(eta - b - c)
    if y <= 0.0:
        return log_zero, d_zero, 0.0, -d_zero, 0.0
    if y >= 1.0:
        return log_one, d_one, 0.0, -d_one, -d_one
    mu, d_mu = densities.expit(eta)
    value, slope, d_a, unused = densities.beta(y, mu, a, 0.0)
    d_cut = -d_above - d_below
    value += log_above + log_below + math.log(-math.expm1(-c))
    return value, slope * d_mu - d_cut, d_a, d_cut, 1.0 / math.expm1(c) - d_below


def zero_inflated(base: Row, at: int) -> Row:
    """Mix a row with certain zeros, whose probability is the parameter behind the base's `at`."""

    @inlined
    def row(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
        share = a if at == 0 else b
        value, slope, d_a, d_b, d_c = base(eta, y, trials, a, b, c)
        if y > 0:
            value, d_share = value + math.log1p(-share), -1.0 / (1.0 - share)
        else:
            zero = math.exp(value)
            total = share + (1.0 - share) * zero
            kept = (1.0 - share) * zero / total
            value, d_share = math.log(total), (1.0 - zero) / total
            slope, d_a, d_b = kept * slope, kept * d_a, kept * d_b
        return value, slope, (d_share if at == 0 else d_a), (d_share if at == 1 else d_b), d_c

    return row


def truncated(base: Row) -> Row:
    """Cut a row of counts off at zero."""

    @inlined
    def row(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
        value, slope, d_a, d_b, d_c = base(eta, y, trials, a, b, c)
        zero, zero_slope, zero_a, zero_b, zero_c = base(eta, 0.0, trials, a, b, c)
        pull = 1.0 / math.expm1(-zero)
        return (
            value - math.log(-math.expm1(zero)),
            slope + pull * zero_slope,
            d_a + pull * zero_a,
            d_b + pull * zero_b,
            d_c + pull * zero_c,
        )

    return row


def hurdle(base: Row, at: int) -> Row:
    """Set zeros apart, whose probability is the parameter behind the base's `at`; the base has none."""

    @inlined
    def row(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
        share = a if at == 0 else b
        if y > 0:
            value, slope, d_a, d_b, d_c = base(eta, y, trials, a, b, c)
            value, d_share = value + math.log1p(-share), -1.0 / (1.0 - share)
        else:
            value, slope, d_a, d_b, d_c = math.log(share), 0.0, 0.0, 0.0, 0.0
            d_share = 1.0 / share
        return value, slope, (d_share if at == 0 else d_a), (d_share if at == 1 else d_b), d_c

    return row


def zero_one_inflated(base: Row, at: int) -> Row:
    """Set zeros and ones apart, by the probability b of either and the share c of ones; the base has neither."""

    @inlined
    def row(eta: float, y: float, trials: float, a: float, b: float, c: float) -> Any:
        if y <= 0.0:
            return math.log(b) + math.log1p(-c), 0.0, 0.0, 1.0 / b, -1.0 / (1.0 - c)
        if y >= 1.0:
            return math.log(b) + math.log(c), 0.0, 0.0, 1.0 / b, 1.0 / c
        value, slope, d_a, d_b, d_c = base(eta, y, trials, a, b, c)
        return value + math.log1p(-b), slope, d_a, -1.0 / (1.0 - b), 0.0

    return row


#: Combinators by the beginning of a kernel's name; what is cut off at zero first.
COMBINATORS: Mapping[str, Callable[[Row, int], Row]] = {
    "zero_inflated_": zero_inflated,
    "hurdle_": hurdle,
    "zero_one_inflated_": zero_one_inflated,
}
#: Ordered categories by steps.
STEPS = ("sratio", "cratio", "acat")
_COUNTS = ("poisson", "negativebinomial", "negativebinomial1")


def row_of(kernel: str, link: str) -> Row | None:
    """Return the row of a family's kernel name and a link; None where there is none."""
    for start, combine in COMBINATORS.items():
        if kernel.startswith(start):
            base = kernel.removeprefix(start)
            row = row_of(base, link)
            if row is None:
                return None
            cut = truncated(row) if combine is hurdle and base in _COUNTS else row
            return combine(cut, parameters_of(base))
    if (kernel, link) == ("poisson", "log"):
        return _poisson_log
    if kernel in ("binomial", "betabinomial"):
        pair = PAIRS.get(link)
        return None if pair is None else (_binomial if kernel == "binomial" else _betabinomial)(pair)
    if kernel == "ordbeta":
        return _ordbeta if link == "logit" else None
    if kernel in DENSITIES and link in INVERSES:
        return by_mean(DENSITIES[kernel].function, INVERSES[link])
    return None


def parameters_of(kernel: str) -> int:
    """Return how many parameters a kernel's family has."""
    for start, combine in COMBINATORS.items():
        if kernel.startswith(start):
            return parameters_of(kernel.removeprefix(start)) + (2 if combine is zero_one_inflated else 1)
    if kernel in DENSITIES:
        return DENSITIES[kernel].parameters
    return {"betabinomial": 1, "ordbeta": 3}.get(kernel, 0)


# loops -------------------------------------------------------------------------------------------------------------


def loop(row: Row, parameters: int, trials: bool) -> Callable[..., float]:
    """Return the kernel of a row with so many parameters; y holds the trials, too, where there are such."""
    third, packed = parameters > 2, trials

    def rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        par, d_par = carray(par_, (3 if third else 2,)), carray(d_par_, (3 if third else 2,))
        first, second, last = par[0], par[1], par[2] if third else 0.0
        total, total_first, total_second, total_last = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            size = math.floor(y[i] / TRIALS) if packed else 1.0
            response = y[i] - size * TRIALS if packed else y[i]
            value, slope, d_first, d_second, d_last = row(eta[i], response, size, first, second, last)
            values[i] = counts[i] * value
            total += values[i]
            d[i] = counts[i] * slope
            total_first += counts[i] * d_first
            total_second += counts[i] * d_second
            total_last += counts[i] * d_last
        d_par[0] += total_first
        d_par[1] += total_second
        if third:
            d_par[2] += total_last
        return total

    return rows


def each_loop(row: Row, parameters: int, trials: bool) -> Callable[..., float]:
    """Return the kernel of a row whose parameters, and the derivatives by them, are arrays (parameters, rows)."""
    second, third, packed = parameters > 1, parameters > 2, trials

    def rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        par, d_par = carray(par_, (parameters, n)), carray(d_par_, (parameters, n))
        total = 0.0
        for i in range(n):
            size = math.floor(y[i] / TRIALS) if packed else 1.0
            response = y[i] - size * TRIALS if packed else y[i]
            a, b, c = par[0, i], par[1, i] if second else 0.0, par[2, i] if third else 0.0
            value, slope, d_a, d_b, d_c = row(eta[i], response, size, a, b, c)
            values[i] = counts[i] * value
            total += values[i]
            d[i] = counts[i] * slope
            d_par[0, i] = counts[i] * d_a
            if second:
                d_par[1, i] = counts[i] * d_b
            if third:
                d_par[2, i] = counts[i] * d_c
        return total

    return rows


def mean_loop(density: Callable[..., Any], inverse: Callable[..., Any]) -> Callable[..., float]:
    """Return the kernel of a density and an inverse link."""

    def rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        par, d_par = carray(par_, (2,)), carray(d_par_, (2,))
        first, second = par[0], par[1]
        total, total_first, total_second = 0.0, 0.0, 0.0
        for i in range(n):
            mu, d_mu = inverse(eta[i])
            value, slope, d_first, d_second = density(y[i], mu, first, second)
            values[i] = counts[i] * value
            total += values[i]
            d[i] = counts[i] * slope * d_mu
            total_first += counts[i] * d_first
            total_second += counts[i] * d_second
        d_par[0] += total_first
        d_par[1] += total_second
        return total

    return rows


def count_loop(inverse: Callable[..., Any]) -> Callable[..., float]:
    """Return the kernel of Poisson rows, where y is a sum over `counts` rows of one mean: y log(mu) - counts mu."""

    def rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        total = 0.0
        for i in range(n):
            mu, d_mu = inverse(eta[i])
            values[i], d[i] = -math.inf, 0.0
            if mu > 0.0:
                values[i] = (y[i] * math.log(mu) if y[i] > 0 else 0.0) - counts[i] * mu
                d[i] = (y[i] / mu - counts[i]) * d_mu
            total += values[i]
        return total

    return rows


def binomial_loop(pair: Callable[..., Any]) -> Callable[..., float]:
    """Return the kernel of binomial rows, where `counts` are the trials."""
    row = _binomial(pair)

    def rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
        eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        total = 0.0
        for i in range(n):
            values[i], d[i], unused_a, unused_b, unused_c = row(eta[i], y[i], counts[i], 0.0, 0.0, 0.0)
            total += values[i]
        return total

    return rows


def softmax_rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    """Rows of categories with a linear predictor each, but for the first, whose is zero; y holds their number, too."""
    y, counts, values, reference = carray(y_, (n,)), carray(counts_, (n,)), carray(v_, (n,)), carray(d_, (n,))
    categories = math.floor(y[0] / TRIALS)
    par, pull = carray(par_, (categories - 1, n)), carray(d_par_, (categories - 1, n))
    for i in range(n):
        values[i] = 0.0
    for own in par:
        for i in range(n):
            values[i] = max(values[i], own[i])
    for i in range(n):
        reference[i] = fast_exp(-values[i])
    for a in range(categories - 1):
        own, weight = par[a], pull[a]
        for i in range(n):
            weight[i] = fast_exp(own[i] - values[i])
            reference[i] += weight[i]
    for a in range(categories - 1):
        weight = pull[a]
        for i in range(n):
            weight[i] *= -counts[i] / reference[i]
    total = 0.0
    for i in range(n):
        c = int(y[i] - TRIALS * categories)
        own_eta = 0.0
        if c > 0:
            own_eta = par[c - 1, i]
            pull[c - 1, i] += counts[i]
        values[i] = counts[i] * (own_eta - values[i] - math.log(reference[i]))
        total += values[i]
        reference[i] = 0.0
    return total


def has_trials(kernel: str) -> bool:
    """Whether rows hold numbers of trials beside successes."""
    return kernel.endswith("binomial") and not kernel.endswith("negativebinomial")


def each_kernel_of(kernel: str, link: str) -> Callable[..., float] | None:
    """Return the kernel of `each_loop` for a family's kernel name and a link; None where there is none."""
    if kernel == "categorical":
        return softmax_rows if link == "logit" else None
    if kernel in STEPS:
        return each_steps_loop(kernel, PAIRS[link], TRIALS) if link in PAIRS else None
    row, parameters = row_of(kernel, link), parameters_of(kernel)
    return None if row is None or not parameters else each_loop(row, parameters, has_trials(kernel))


def kernel_of(kernel: str, link: str) -> Callable[..., float] | None:
    """Return the kernel composed for a family's kernel name and a link; None where there is none."""
    if kernel == "poisson" and link in INVERSES:
        return count_loop(INVERSES[link])
    if kernel == "binomial":
        return binomial_loop(PAIRS[link]) if link in PAIRS else None
    if kernel in STEPS:
        return steps_loop(kernel, PAIRS[link]) if link in PAIRS else None
    if kernel in DENSITIES:
        return mean_loop(DENSITIES[kernel].function, INVERSES[link]) if link in INVERSES else None
    row = row_of(kernel, link)
    if row is None:
        return None
    third = kernel == "ordbeta" or kernel.startswith("zero_one_inflated_")
    return loop(row, 3 if third else 2, has_trials(kernel))
