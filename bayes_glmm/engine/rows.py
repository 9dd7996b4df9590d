"""Row kernels: the log likelihood of a block of rows with its derivatives, one compiled function per family and link.

Input: linear predictors, responses, counts (binomial trials, or how many times a row counts) and auxiliary parameters.
Output: the log likelihood up to terms in y alone, of each row and added up, d/d eta per row, and d/d parameters added
up. Outside the range of a mean the result is not finite, which the sampler reads as density zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray

from bayes_glmm.engine.arithmetic import REORDERED, as_written, inlined
from bayes_glmm.engine.native import NativeFunction, native
from bayes_glmm.engine.pointers import ROWS_SIGNATURE
from bayes_glmm.engine.vector_math import fast_exp, fast_log1p_unit

#: A pointer to doubles, as numba sees it.
P = Any

_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@as_written
def digamma(x: float) -> float:
    """Return the derivative of log gamma for x > 0: recurrence to x >= 10, then the series (error < 1e-15)."""
    shift = 0.0
    while x < 10.0:
        shift -= 1.0 / x
        x += 1.0
    q = 1.0 / (x * x)
    series = q * (1 / 12 - q * (1 / 120 - q * (1 / 252 - q * (1 / 240 - q * (1 / 132 - q * (691 / 32760 - q / 12))))))
    return shift + math.log(x) - 0.5 / x - series


@as_written
def log_normal_cdf(x: float) -> tuple[float, float]:
    """Return log Phi(x) and its derivative phi(x) / Phi(x), accurate in both tails."""
    if x > -30.0:
        cdf = 0.5 * math.erfc(-x * _SQRT_HALF)
        return math.log(cdf), _INV_SQRT_2PI * math.exp(-0.5 * x * x) / cdf
    q = 1.0 / (x * x)
    ratio = 1.0 - q * (1.0 - q * (3.0 - q * (15.0 - 105.0 * q)))
    return -0.5 * x * x - math.log(-x / _INV_SQRT_2PI) + math.log(ratio), -x / ratio


# inverse links: eta -> (mu, d mu / d eta) --------------------------------------------------------------------------


@inlined
def _identity(eta: float) -> tuple[float, float]:
    return eta, 1.0


@inlined
def _exp(eta: float) -> tuple[float, float]:
    mu = fast_exp(eta)
    return mu, mu


@inlined
def _reciprocal(eta: float) -> tuple[float, float]:
    return 1.0 / eta, -1.0 / (eta * eta)


@inlined
def _square(eta: float) -> tuple[float, float]:
    return eta * eta, 2.0 * eta


@inlined
def _expit(eta: float) -> tuple[float, float]:
    e = fast_exp(-abs(eta))
    r = 1.0 / (1.0 + e)
    return (r if eta >= 0 else e * r), e * r * r


@inlined
def _normal_cdf(eta: float) -> tuple[float, float]:
    return 0.5 * math.erfc(-eta * _SQRT_HALF), _INV_SQRT_2PI * math.exp(-0.5 * eta * eta)


@inlined
def _cloglog(eta: float) -> tuple[float, float]:
    rate = math.exp(min(eta, 700.0))
    return -math.expm1(-rate), rate * math.exp(-rate)


# families: (y, mu, first and second parameter) -> (log density, d/d mu, d/d first, d/d second) -----------------------


@inlined
def _gaussian(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    z = (y - mu) / sigma
    return -0.5 * z * z - math.log(sigma), z / sigma, (z * z - 1.0) / sigma, 0.0


@inlined
def _student(y: float, mu: float, sigma: float, nu: float) -> tuple[float, float, float, float]:
    z = (y - mu) / sigma
    t = z * z / nu
    log_t = math.log1p(t)
    constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu) - math.log(sigma)
    pull = (nu + 1.0) / (nu * (1.0 + t))
    d_nu = 0.5 * (digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu) - 1.0 / nu - log_t + pull * z * z / nu)
    return constant - 0.5 * (nu + 1.0) * log_t, pull * z / sigma, (pull * z * z - 1.0) / sigma, d_nu


@inlined
def _log_rising(phi: float, y: float) -> tuple[float, float]:
    """Return log gamma(y + phi) - log gamma(phi) and its derivative in phi <= 1e5; small counts as a product."""
    if y > 32.0:
        return math.lgamma(y + phi) - math.lgamma(phi), digamma(y + phi) - digamma(phi)
    product, d_product = 1.0, 0.0
    for i in range(int(y)):
        d_product = d_product * (phi + i) + product
        product *= phi + i
    return math.log(product), d_product / product


@inlined
def _negativebinomial(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    if mu < 0.0:
        return math.nan, math.nan, math.nan, math.nan
    total = mu + phi
    log_ratio = -math.log1p(mu / phi)
    slope = y / mu - (y + phi) / total
    if phi > 1e5:
        # differences of log gammas and digammas by Stirling's series: no digits cancel on the way to a Poisson
        near, shift = math.log1p(y / phi), 1.0 / (y + phi) - 1.0 / phi
        value = (phi - 0.5) * near - y + phi * log_ratio + shift / 12.0
        d_phi = near - 0.5 * shift - shift * (1.0 / (y + phi) + 1.0 / phi) / 12.0 + log_ratio + (mu - y) / total
        if y > 0:
            value += y * (math.log(mu) + math.log1p((y - mu) / total))
        return value, slope, d_phi, 0.0
    rising, d_rising = _log_rising(phi, y)
    value = rising + phi * log_ratio
    d_phi = d_rising + log_ratio + (mu - y) / total
    if y > 0:
        value += y * (math.log(mu) - math.log(total))
    return value, slope, d_phi, 0.0


@inlined
def _gamma(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    ratio = y / mu
    log_ratio = math.log(ratio)
    log_phi = math.log(phi)
    value = phi * (log_phi + log_ratio - ratio) - math.lgamma(phi)
    return value, phi * (ratio - 1.0) / mu, log_phi + 1.0 + log_ratio - ratio - digamma(phi), 0.0


@inlined
def _lognormal(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    return _gaussian(math.log(y), mu, sigma, unused)


@inlined
def _beta(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    a, b = mu * phi, (1.0 - mu) * phi
    log_y, log_1y = math.log(y), math.log1p(-y)
    da, db = log_y - digamma(a), log_1y - digamma(b)
    value = math.lgamma(phi) - math.lgamma(a) - math.lgamma(b) + a * log_y + b * log_1y
    return value, phi * (da - db), digamma(phi) + mu * da + (1.0 - mu) * db, 0.0


# loops -------------------------------------------------------------------------------------------------------------


@inlined
def _loop(
    n: int, eta_: Any, y_: Any, counts_: Any, par_: Any, v_: Any, d_: Any, d_par_: Any, family: Any, inverse: Any
) -> float:
    """Any family and link: the chain rule through the mean."""
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    par, d_par = carray(par_, (2,)), carray(d_par_, (2,))
    first, second = par[0], par[1]
    total, total_first, total_second = 0.0, 0.0, 0.0
    for i in range(n):
        mu, d_mu = inverse(eta[i])
        value, slope, d_first, d_second = family(y[i], mu, first, second)
        values[i] = counts[i] * value
        total += values[i]
        d[i] = counts[i] * slope * d_mu
        total_first += counts[i] * d_first
        total_second += counts[i] * d_second
    d_par[0] += total_first
    d_par[1] += total_second
    return total


@inlined
def _count_rows(n: int, eta_: Any, y_: Any, counts_: Any, v_: Any, d_: Any, inverse: Any) -> float:
    """Poisson rows, where y is a sum over `counts` rows of one mean: y log(mu) - counts mu."""
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    total = 0.0
    for i in range(n):
        mu, d_mu = inverse(eta[i])
        if mu <= 0.0:
            return -math.inf
        values[i] = (y[i] * math.log(mu) if y[i] > 0 else 0.0) - counts[i] * mu
        total += values[i]
        d[i] = (y[i] / mu - counts[i]) * d_mu
    return total


def _binomial_logit(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    total = 0.0
    for i in range(n):
        z = eta[i]
        e = fast_exp(-abs(z))
        r = 1.0 / (1.0 + e)
        values[i] = y[i] * z - counts[i] * (max(z, 0.0) + fast_log1p_unit(e))
        total += values[i]
        d[i] = y[i] - counts[i] * (r if z >= 0 else e * r)
    return total


def _binomial_probit(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    total = 0.0
    for i in range(n):
        failures = counts[i] - y[i]
        values[i], d[i] = 0.0, 0.0
        if y[i] > 0:
            value, slope = log_normal_cdf(eta[i])
            values[i] += y[i] * value
            d[i] += y[i] * slope
        if failures > 0:
            value, slope = log_normal_cdf(-eta[i])
            values[i] += failures * value
            d[i] -= failures * slope
        total += values[i]
    return total


def _binomial_cloglog(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    total = 0.0
    for i in range(n):
        rate = math.exp(min(eta[i], 700.0))
        failures = counts[i] - y[i]
        values[i], d[i] = -failures * rate, -failures * rate
        if y[i] > 0:
            values[i] += y[i] * math.log(-math.expm1(-rate))
            d[i] += y[i] * (rate / math.expm1(rate) if rate < 700.0 else 0.0)
        total += values[i]
    return total


def _poisson_log(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    total = 0.0
    for i in range(n):
        mean = counts[i] * fast_exp(eta[i])
        values[i] = y[i] * eta[i] - mean
        total += values[i]
        d[i] = y[i] - mean
    return total


def _poisson_identity(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _count_rows(n, eta_, y_, counts_, v_, d_, _identity)


def _poisson_sqrt(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _count_rows(n, eta_, y_, counts_, v_, d_, _square)


def _gaussian_identity(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _gaussian, _identity)


def _gaussian_log(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _gaussian, _exp)


def _gaussian_inverse(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _gaussian, _reciprocal)


def _student_identity(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _student, _identity)


def _student_log(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _student, _exp)


def _student_inverse(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _student, _reciprocal)


def _negativebinomial_log(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _negativebinomial, _exp)


def _negativebinomial_identity(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _negativebinomial, _identity)


def _negativebinomial_sqrt(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _negativebinomial, _square)


def _gamma_log(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _gamma, _exp)


def _gamma_identity(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _gamma, _identity)


def _gamma_inverse(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _gamma, _reciprocal)


def _lognormal_identity(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _lognormal, _identity)


def _beta_logit(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _beta, _expit)


def _beta_probit(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _beta, _normal_cdf)


def _beta_cloglog(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _loop(n, eta_, y_, counts_, par_, v_, d_, d_par_, _beta, _cloglog)


# ordered categories: (lower, upper) bound of the latent variable -> (log probability, d/d lower, d/d upper) ---------


@inlined
def _probit_interval(lower: float, upper: float) -> tuple[float, float, float]:
    mirrored = lower > 0.0
    low, high = (-upper, -lower) if mirrored else (lower, upper)
    if high > 0.0:
        value = math.log(0.5 * (math.erf(high * _SQRT_HALF) - math.erf(low * _SQRT_HALF)))
    else:
        value = log_normal_cdf(high)[0]
        if low > -math.inf:
            value += math.log(-math.expm1(log_normal_cdf(low)[0] - value))
    d_lower = -_INV_SQRT_2PI * math.exp(-0.5 * lower * lower - value)
    return value, d_lower, _INV_SQRT_2PI * math.exp(-0.5 * upper * upper - value)


@inlined
def _cloglog_interval(lower: float, upper: float) -> tuple[float, float, float]:
    below, above = math.exp(min(lower, 700.0)), math.exp(min(upper, 700.0))
    width = below * math.expm1(min(upper - lower, 700.0)) if lower > -math.inf else above
    share = 1.0 / math.expm1(width) if width < 700.0 else 0.0
    # the last category has no upper bound to move
    d_upper = above * share if upper < math.inf else 0.0
    return math.log(-math.expm1(-width)) - below, -below * (1.0 + share), d_upper


@inlined
def _category_rows(
    n: int, eta_: Any, y_: Any, counts_: Any, par: Any, v_: Any, d_: Any, d_par: Any, interval: Any
) -> float:
    """Categories 0, 1, ... between thresholds, an infinite one behind the last."""
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    total = 0.0
    for i in range(n):
        c = int(y[i])
        lower = par[c - 1] - eta[i] if c > 0 else -math.inf
        value, d_lower, d_upper = interval(lower, par[c] - eta[i])
        values[i] = counts[i] * value
        total += values[i]
        d[i] = -counts[i] * (d_lower + d_upper)
        d_par[c] += counts[i] * d_upper
        if c > 0:
            d_par[c - 1] += counts[i] * d_lower
    return total


def _cumulative_logit(n: int, eta_: P, y_: P, counts_: P, par: P, v_: P, d_: P, d_par: P) -> float:
    """Rows without their widths, which belong to categories: F(b) - F(a) = F(b) F(-a) (1 - exp(a - b))."""
    eta, y, counts = carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,))
    values, d = carray(v_, (n,)), carray(d_, (n,))
    last = 0
    for i in range(n):
        last = max(last, int(y[i]))
    weight, width, lower, upper = np.zeros(last + 1), np.zeros(last + 1), np.empty(n), np.empty(n)
    for i in range(n):
        c = int(y[i])
        weight[c] += counts[i]
        lower[i] = par[c - 1] - eta[i] if c > 0 else -math.inf
        upper[i] = par[c] - eta[i]
    total = 0.0
    for i in range(n):
        a, b = lower[i], upper[i]
        below, above = fast_exp(-abs(a)), fast_exp(-abs(b))
        values[i] = -counts[i] * (max(a, 0.0) + max(-b, 0.0) + fast_log1p_unit(below) + fast_log1p_unit(above))
        lower[i] = -counts[i] * (1.0 if a >= 0 else below) / (1.0 + below)
        upper[i] = counts[i] * (1.0 if b < 0 else above) / (1.0 + above)
        d[i] = -(lower[i] + upper[i])
    for i in range(n):
        c = int(y[i])
        d_par[c] += upper[i]
        if c > 0:
            d_par[c - 1] += lower[i]
    for c in range(1, last + 1):
        # infinite for the highest category: nothing is added
        between = par[c] - par[c - 1]
        pull = weight[c] / math.expm1(between)
        width[c] = math.log(-math.expm1(-between))
        d_par[c] += pull
        d_par[c - 1] -= pull
    for i in range(n):
        values[i] += counts[i] * width[int(y[i])]
        total += values[i]
    return total


def _cumulative_probit(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _category_rows(n, eta_, y_, counts_, par_, v_, d_, d_par_, _probit_interval)


def _cumulative_cloglog(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _category_rows(n, eta_, y_, counts_, par_, v_, d_, d_par_, _cloglog_interval)


#: Row kernels, not yet compiled, by (family's kernel name, link name); bernoulli is a binomial of one trial.
ROW_KERNELS: dict[tuple[str, str], Callable[..., float]] = {
    ("binomial", "logit"): _binomial_logit,
    ("binomial", "probit"): _binomial_probit,
    ("binomial", "cloglog"): _binomial_cloglog,
    ("poisson", "log"): _poisson_log,
    ("poisson", "identity"): _poisson_identity,
    ("poisson", "sqrt"): _poisson_sqrt,
    ("gaussian", "identity"): _gaussian_identity,
    ("gaussian", "log"): _gaussian_log,
    ("gaussian", "inverse"): _gaussian_inverse,
    ("student", "identity"): _student_identity,
    ("student", "log"): _student_log,
    ("student", "inverse"): _student_inverse,
    ("negativebinomial", "log"): _negativebinomial_log,
    ("negativebinomial", "identity"): _negativebinomial_identity,
    ("negativebinomial", "sqrt"): _negativebinomial_sqrt,
    ("gamma", "log"): _gamma_log,
    ("gamma", "identity"): _gamma_identity,
    ("gamma", "inverse"): _gamma_inverse,
    ("lognormal", "identity"): _lognormal_identity,
    ("beta", "logit"): _beta_logit,
    ("beta", "probit"): _beta_probit,
    ("beta", "cloglog"): _beta_cloglog,
    ("cumulative", "logit"): _cumulative_logit,
    ("cumulative", "probit"): _cumulative_probit,
    ("cumulative", "cloglog"): _cumulative_cloglog,
}


#: The same as C functions, compiled when they are asked for.
_NATIVE = {pair: native(ROWS_SIGNATURE, alone=True, fastmath=REORDERED)(kernel) for pair, kernel in ROW_KERNELS.items()}


def row_kernel(family: str, link: str) -> NativeFunction:
    """Return the row kernel of a family and link.

    Parameters
    ----------
    family
        The family's kernel name (``Family.kernel``).
    link
        Name of the link.

    Returns
    -------
    NativeFunction
        Of `ROWS_SIGNATURE`; ``.address`` is what the density calls.

    Raises
    ------
    KeyError
        If the pair has no kernel (`ROW_KERNELS` lists those that do).
    """
    return _NATIVE[family, link]
