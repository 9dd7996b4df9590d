"""Row kernels: the log likelihood of a block of rows with its derivatives, one compiled function per family and link.

Input: linear predictors, responses, counts (binomial trials, or how many times a row counts) and auxiliary parameters.
Output: the log likelihood up to terms in y alone, of each row and added up, d/d eta per row, and d/d parameters added
up. Outside the range of a mean the result is not finite, which the sampler reads as density zero.

Kernels are composed (`compose.py`) but for those here, whose loops are written out because it pays: binomial and
Poisson rows with their usual links, and ordered categories.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bayes_glmm.engine.arithmetic import REORDERED, inlined
from bayes_glmm.engine.compose import each_kernel_of, kernel_of
from bayes_glmm.engine.compose_knowing import knowing_kernel
from bayes_glmm.engine.densities import INV_SQRT_2PI, SQRT_HALF, log_normal_cdf
from bayes_glmm.engine.native import NativeFunction, makes, native
from bayes_glmm.engine.pointers import ROWS_SIGNATURE, carray
from bayes_glmm.engine.vector_math import fast_exp, fast_log1p_unit
from bayes_glmm.links import LINKS, Link

#: A pointer to doubles, as numba sees it.
P = Any


# loops -------------------------------------------------------------------------------------------------------------


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


# ordered categories: (lower, upper) bound of the latent variable -> (log probability, d/d lower, d/d upper) ---------


@inlined
def _probit_interval(lower: float, upper: float) -> tuple[float, float, float]:
    mirrored = lower > 0.0
    low, high = (-upper, -lower) if mirrored else (lower, upper)
    if high > 0.0:
        value = math.log(0.5 * (math.erf(high * SQRT_HALF) - math.erf(low * SQRT_HALF)))
    else:
        value = log_normal_cdf(high)[0]
        if low > -math.inf:
            value += math.log(-math.expm1(log_normal_cdf(low)[0] - value))
    d_lower = -INV_SQRT_2PI * math.exp(-0.5 * lower * lower - value)
    return value, d_lower, INV_SQRT_2PI * math.exp(-0.5 * upper * upper - value)


@inlined
def _cloglog_interval(lower: float, upper: float) -> tuple[float, float, float]:
    below, above = math.exp(min(lower, 700.0)), math.exp(min(upper, 700.0))
    width = below * math.expm1(min(upper - lower, 700.0)) if lower > -math.inf else above
    share = 1.0 / math.expm1(width) if width < 700.0 else 0.0
    # the last category has no upper bound to move
    d_upper = above * share if upper < math.inf else 0.0
    return math.log(-math.expm1(-width)) - below, -below * (1.0 + share), d_upper


@inlined
def _loglog_interval(lower: float, upper: float) -> tuple[float, float, float]:
    value, d_lower, d_upper = _cloglog_interval(-upper, -lower)
    return value, -d_upper, -d_lower


@inlined
def _cauchit_interval(lower: float, upper: float) -> tuple[float, float, float]:
    if lower == -math.inf:
        angle = math.atan2(1.0, -upper)
    elif upper == math.inf:
        angle = math.atan2(1.0, lower)
    else:
        angle = math.atan2(upper - lower, 1.0 + lower * upper)
    d_lower = -1.0 / ((1.0 + lower * lower) * angle) if lower > -math.inf else 0.0
    return math.log(angle / math.pi), d_lower, 1.0 / ((1.0 + upper * upper) * angle) if upper < math.inf else 0.0


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
        total += values[i]
        lower[i] = -counts[i] * (1.0 if a >= 0 else below) / (1.0 + below)
        upper[i] = counts[i] * (1.0 if b < 0 else above) / (1.0 + above)
        d[i] = -(lower[i] + upper[i])
    for c in range(1, last + 1):
        # infinite for the highest category: nothing is added
        between = par[c] - par[c - 1]
        pull = weight[c] / math.expm1(between)
        width[c] = math.log(-math.expm1(-between))
        total += weight[c] * width[c]
        d_par[c] += pull
        d_par[c - 1] -= pull
    for i in range(n):
        c = int(y[i])
        values[i] += counts[i] * width[c]
        d_par[c] += upper[i]
        if c > 0:
            d_par[c - 1] += lower[i]
    return total


def _cumulative_probit(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _category_rows(n, eta_, y_, counts_, par_, v_, d_, d_par_, _probit_interval)


def _cumulative_cloglog(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _category_rows(n, eta_, y_, counts_, par_, v_, d_, d_par_, _cloglog_interval)


def _cumulative_loglog(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _category_rows(n, eta_, y_, counts_, par_, v_, d_, d_par_, _loglog_interval)


def _cumulative_cauchit(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
    return _category_rows(n, eta_, y_, counts_, par_, v_, d_, d_par_, _cauchit_interval)


#: Kernels written out, by (family's kernel name, link name); bernoulli is a binomial of one trial.
WRITTEN: dict[tuple[str, str], Callable[..., float]] = {
    ("binomial", "logit"): _binomial_logit,
    ("binomial", "probit"): _binomial_probit,
    ("binomial", "cloglog"): _binomial_cloglog,
    ("poisson", "log"): _poisson_log,
    ("cumulative", "logit"): _cumulative_logit,
    ("cumulative", "probit"): _cumulative_probit,
    ("cumulative", "cloglog"): _cumulative_cloglog,
    ("cumulative", "loglog"): _cumulative_loglog,
    ("cumulative", "cauchit"): _cumulative_cauchit,
}


def has_row_kernel(family: str | None, link: Link, each: bool = False) -> bool:
    """Say whether there is a row kernel.

    Parameters
    ----------
    family
        The family's kernel name (``Family.kernel``); None where it has none.
    link
        The link; one of the user's own has none.
    each
        Whether the family's parameters differ from row to row.

    Returns
    -------
    bool
        Whether `row_kernel` returns one.
    """
    return family is not None and LINKS.get(link.name) is link and _definition(family, link.name, each) is not None


def row_kernel(family: str, link: str, each: bool = False) -> NativeFunction:
    """Return the row kernel of a family and link, compiled when its address is first asked for.

    Parameters
    ----------
    family
        The family's kernel name (``Family.kernel``).
    link
        Name of the link.
    each
        Whether the family's parameters, and the derivatives by them, are arrays (parameters, rows).

    Returns
    -------
    NativeFunction
        Of `ROWS_SIGNATURE`; ``.address`` is what the density calls.

    Raises
    ------
    KeyError
        If the pair has no kernel (see `has_row_kernel`).
    """
    return _row_kernel(f"{family}{_WITH}{link}{_EACH if each else ''}")


#: Between the names of family and link in the name of a kernel, and what ends it where parameters differ by rows.
_WITH, _EACH = "-", "-each"


@functools.cache
def _definition(family: str, link: str, each: bool) -> Callable[..., float] | None:
    if each:
        return each_kernel_of(family, link)
    return WRITTEN.get((family, link)) or knowing_kernel(family, link) or kernel_of(family, link)


@makes("rows")
@functools.cache
def _row_kernel(name: str) -> NativeFunction:
    """Return the kernel of that name, such as ``"poisson-log"`` or ``"gaussian-identity-each"``."""
    each = name.endswith(_EACH)
    family, _, link = name.removesuffix(_EACH).partition(_WITH)
    function = _definition(family, link, each)
    if function is None:
        raise KeyError(name)
    # by its name it is found again in the process that compiles it
    function.__name__ = function.__qualname__ = name.replace("/", "_over_").replace("^", "_to_")
    function.__module__ = __name__
    return native(ROWS_SIGNATURE, alone=True, fastmath=REORDERED)(function)
