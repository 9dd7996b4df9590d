"""Rows of ordered categories: probabilities of intervals and their derivatives, to rounding in both tails."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest
from scipy import special, stats

from bayes_glmm.engine.rows import row_kernel
from bayes_glmm.families.ordinal import cumulative_probabilities
from bayes_glmm.links import LINKS

THRESHOLDS = np.array([-1.3, 0.2, 0.2001, 2.5])
#: Log distribution function, log of its complement, log density.
DISTRIBUTIONS = {
    "logit": (
        special.log_expit,
        lambda x: special.log_expit(-x),
        lambda x: special.log_expit(x) + special.log_expit(-x),
    ),
    "probit": (special.log_ndtr, lambda x: special.log_ndtr(-x), stats.norm.logpdf),
    "cloglog": (lambda x: np.log(-np.expm1(-np.exp(x))), lambda x: -np.exp(x), lambda x: x - np.exp(x)),
}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


def call(link, eta, y, counts=1.0):
    """Return the rows' log likelihood, d/d eta and d/d thresholds."""
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 7)(
        row_kernel("cumulative", link).address
    )
    rows = [np.ascontiguousarray(np.broadcast_to(a, np.shape(eta)), dtype=float) for a in (eta, y, counts)]
    parameters = np.concatenate([THRESHOLDS, [np.inf, np.inf]])
    slope, d_parameters = np.full(len(rows[0]), np.nan), np.zeros(len(parameters))
    values = np.full_like(slope, np.nan)
    arrays = (*rows, parameters, values, slope, d_parameters)
    value = function(len(slope), *[a.ctypes.data for a in arrays])
    np.testing.assert_allclose(value, values.sum(), rtol=1e-12)
    assert np.all(np.abs(d_parameters[len(THRESHOLDS) :]) < 1e-300)
    return value, slope, d_parameters[: len(THRESHOLDS)]


def exact(link, eta, y):
    """Log probability, the density integrated over the interval by Gauss and Legendre's rule, and d/d both bounds."""
    log_below, log_above, log_density = DISTRIBUTIONS[link]
    lower = THRESHOLDS[y - 1] - eta if y > 0 else -np.inf
    upper = THRESHOLDS[y] - eta if y < len(THRESHOLDS) else np.inf
    if y == 0:
        value = log_below(upper)
    elif y == len(THRESHOLDS):
        value = log_above(lower)
    else:
        half = 0.5 * (upper - lower)
        inside = log_density(lower + half * (1 + NODES))
        value = inside.max() + np.log(half * np.sum(WEIGHTS * np.exp(inside - inside.max())))
    slopes = [np.exp(log_density(bound) - value) if np.isfinite(bound) else 0.0 for bound in (lower, upper)]
    return value, slopes


ETAS = [-34.0, -6.0, -2.5, -0.7, 0.2, 0.20005, 1.0, 5.0, 33.0]
#: Below, a cloglog's log probabilities are -exp(6) and less: nothing the sampler sees.
TAILS = [(link, eta) for link in DISTRIBUTIONS for eta in ETAS if link != "cloglog" or eta >= -2.5]


@pytest.mark.parametrize(("link", "eta"), TAILS)
@pytest.mark.parametrize("y", range(5))
def test_log_probability_and_slopes(link, y, eta):
    expected, (low, high) = exact(link, eta, y)
    value, d_eta, d_thresholds = call(link, np.array([eta]), y)
    # thresholds 1e-4 apart lose four digits to their difference, in doubles
    assert value == pytest.approx(expected, rel=3e-11, abs=1e-16)
    # a middle category's slopes are differences of large ones
    noise = 1e-10 * (low + high) + 1e-300
    assert abs(d_eta[0] - (low - high)) < noise
    if y > 0:
        assert abs(d_thresholds[y - 1] + low) < noise
    if y < len(THRESHOLDS):
        assert abs(d_thresholds[y] - high) < noise


@pytest.mark.parametrize("link", DISTRIBUTIONS)
def test_rows_add_up_with_their_weights_and_agree_with_the_probabilities(link):
    rng = np.random.default_rng(1)
    eta, y, counts = rng.normal(0, 1.5, 200), rng.integers(0, 5, 200), rng.uniform(0, 3, 200)
    p = cumulative_probabilities(eta, LINKS[link], {"thresholds": THRESHOLDS})
    np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-12)
    value, slope, d_thresholds = call(link, eta, y, counts)
    assert value == pytest.approx(np.sum(counts * np.log(p[np.arange(200), y])), rel=1e-11)
    rows = [call(link, eta[i : i + 1], y[i], counts[i]) for i in range(200)]
    np.testing.assert_allclose(slope, [row[1][0] for row in rows], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(d_thresholds, np.sum([row[2] for row in rows], axis=0), rtol=1e-9)


@pytest.mark.parametrize("link", DISTRIBUTIONS)
def test_no_density_where_there_is_no_predictor(link):
    assert not math.isfinite(call(link, np.array([math.nan, 0.0]), np.array([2, 1]))[0])
