"""The averages over normal random effects against adaptive quadrature, closed forms and published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

from bayes_glmm.errors import PredictionError
from bayes_glmm.links import LINKS
from bayes_glmm.predict.quadrature import gaussian_expectation, gaussian_mean

ETA = np.linspace(-12.0, 12.0, 17)
SDS = (0.0, 0.05, 0.2, 0.5, 0.9, 1.3, 2.0, 3.1, 4.5, 6.0)

# shared/reference/marginal_attenuation.json, "exact_logit_normal": (sigma, eta, p), computed by quadrature to 7 digits.
EXACT_LOGIT_NORMAL = [
    (0.5, -3.0, 0.05266995),
    (0.5, -1.0, 0.2794192),
    (0.5, 0.5, 0.6159761),
    (1.0, -3.0, 0.06932386),
    (1.0, -0.5, 0.3979729),
    (1.0, 3.0, 0.9306761),
    (2.0, -3.0, 0.1295942),
    (2.0, 1.0, 0.6477264),
    (4.0066, -3.0, 0.246869),
    (4.0066, 0.5, 0.5454298),
    (4.0066, 3.0, 0.753131),
]


def adaptive(inverse, eta: float, sd: float) -> float:
    """scipy's adaptive quadrature, helped to find the peak."""
    peak = min(max(-eta, 0.0), sd * sd) / sd if sd else 0.0

    def integrand(z: float) -> float:
        return float(inverse(np.float64(eta + sd * z))) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    points = [peak - 3, peak, peak + 3]
    return integrate.quad(integrand, peak - 12, peak + 12, epsabs=0, epsrel=1e-12, limit=500, points=points)[0]


@pytest.mark.parametrize("name", ["logit", "cloglog"])
@pytest.mark.parametrize("sd", SDS)
def test_relative_error_is_below_1e_8_in_both_tails(name: str, sd: float) -> None:
    reference = [adaptive(LINKS[name].inverse, eta, sd) for eta in ETA]
    np.testing.assert_allclose(gaussian_mean(LINKS[name], ETA, sd**2), reference, rtol=1e-8, atol=0)


@pytest.mark.parametrize("sd", [0.3, 1.0, 2.5])
def test_upper_tail_of_the_logit_keeps_relative_accuracy_too(sd: float) -> None:
    eta = np.array([6.0, 9.0, 12.0])
    failure = 1 - gaussian_mean(LINKS["logit"], eta, sd**2)
    np.testing.assert_allclose(failure, gaussian_mean(LINKS["logit"], -eta, sd**2), rtol=1e-9)


@pytest.mark.parametrize(("sigma", "eta", "p"), EXACT_LOGIT_NORMAL)
def test_logit_normal_figures(sigma: float, eta: float, p: float) -> None:
    assert gaussian_mean(LINKS["logit"], eta, sigma**2) == pytest.approx(p, rel=2e-6)


@pytest.mark.parametrize(
    ("name", "closed"),
    [
        ("identity", lambda eta, v: eta),
        ("log", lambda eta, v: np.exp(eta + v / 2)),
        ("probit", lambda eta, v: special.ndtr(eta / np.sqrt(1 + v))),
        ("sqrt", lambda eta, v: eta**2 + v),
    ],
)
def test_closed_forms_and_the_general_rule_agree(name: str, closed) -> None:
    eta, v = np.linspace(-3, 3, 7)[:, None], np.array([0.0, 0.3, 1.0, 4.0])
    np.testing.assert_allclose(gaussian_mean(LINKS[name], eta, v), closed(eta, v) + 0 * v, rtol=1e-12)
    general = gaussian_expectation(lambda x: 20 + LINKS[name].inverse(x), eta, v)
    np.testing.assert_allclose(general, 20 + closed(eta, v) + 0 * v, rtol=1e-8)


@pytest.mark.parametrize("name", ["logit", "cloglog"])
def test_large_sds_meet_the_normal_probability_they_tend_to(name: str) -> None:
    for sd in (29.0, 31.0, 200.0):
        etas = np.array([-sd, -0.2 * sd, 0.5 * sd])
        reference = [adaptive(LINKS[name].inverse, eta, sd) for eta in etas]
        np.testing.assert_allclose(gaussian_mean(LINKS[name], etas, sd**2), reference, rtol=1e-8)


def test_sds_of_zero_and_of_very_different_sizes_in_one_block() -> None:
    """A block has the step of its largest sd; the centre where an sd is zero is no division by zero."""
    eta, sd = np.array([-6.0, 0.5, -6.0, 0.5, 2.0]), np.array([0.0, 0.0, 40.0, 1e-3, 12.0])
    reference = [adaptive(LINKS["cloglog"].inverse, *pair) for pair in zip(eta, sd, strict=True)]
    np.testing.assert_allclose(gaussian_mean(LINKS["cloglog"], eta, sd**2), reference, rtol=1e-8)


def test_functions_may_grow_as_they_say() -> None:
    grown = gaussian_expectation(lambda x: np.exp(2.5 * x), 0.3, 4.0, growth=2.5)
    assert float(grown) == pytest.approx(math.exp(2.5 * 0.3 + 0.5 * 2.5**2 * 4.0), rel=1e-8)


def test_result_does_not_depend_on_blocks() -> None:
    rng = np.random.default_rng(1)
    eta, v = rng.normal(0, 3, (40, 1000)), rng.gamma(1.0, 2.0, (40, 1))
    whole = gaussian_mean(LINKS["logit"], eta, v)
    single = np.array([gaussian_mean(LINKS["logit"], eta[i, ::97], v[i]) for i in range(40)])
    np.testing.assert_allclose(whole[:, ::97], single, rtol=2e-9)
    assert gaussian_mean(LINKS["logit"], np.empty((3, 0)), np.ones((3, 1))).shape == (3, 0)


def test_inverse_link_has_no_average() -> None:
    np.testing.assert_allclose(gaussian_mean(LINKS["inverse"], 2.0, 0.0), 0.5)
    with pytest.raises(PredictionError, match="does not exist with the inverse link"):
        gaussian_mean(LINKS["inverse"], 2.0, 0.1)


def test_a_function_too_rough_for_the_rule_is_refused() -> None:
    with pytest.raises(PredictionError, match="did not converge"):
        gaussian_expectation(lambda x: (x > 0.1).astype(float), 0.0, 1.0)


@pytest.mark.parametrize("name", ["logit", "cloglog"])
def test_what_is_no_variance_gives_no_number(name: str) -> None:
    v = np.array([1.0, np.nan, np.inf, -1.0, 4.0])
    got = gaussian_mean(LINKS[name], np.full(5, 0.5), v)
    assert np.isnan(got).tolist() == [False, True, True, True, False]
    np.testing.assert_allclose(got[[0, 4]], gaussian_mean(LINKS[name], np.full(2, 0.5), v[[0, 4]]), rtol=1e-14)


@pytest.mark.parametrize("name", ["logit", "cloglog"])
def test_neighbours_with_large_sds_change_nothing(name: str) -> None:
    eta, sd = np.linspace(-3, 3, 9), np.array([0.0, 0.5, 29.0, 30.0, 31.0, 90.0, 0.5, 2.0, 0.0])
    alone = [float(gaussian_mean(LINKS[name], *pair)) for pair in zip(eta, sd**2, strict=True)]
    np.testing.assert_allclose(gaussian_mean(LINKS[name], eta, sd**2), alone, rtol=1e-13)


@pytest.mark.parametrize("name", ["logit", "cloglog"])
@pytest.mark.parametrize("sd", SDS[1:] + (29.0,))
def test_many_averages_of_one_variance_are_as_good_as_single_ones(name: str, sd: float) -> None:
    """Long runs are read off a table: at its boundaries and just beside them, between other variances."""
    boundaries = np.arange(-8.0, 3.0, 0.5)
    eta = np.concatenate([boundaries, np.nextafter(boundaries, -9.0), [-5e-324, 5e-324, 7.9], np.linspace(-8, 3, 3000)])
    run = gaussian_mean(LINKS[name], np.r_[0.3, eta, -0.2], np.r_[1.7, np.full(len(eta), sd**2), 0.0])
    some = np.r_[0 : len(boundaries) * 2 + 3, len(boundaries) * 2 + 3 : len(eta) : 97]
    single = [float(gaussian_mean(LINKS[name], value, sd**2)) for value in eta[some]]
    np.testing.assert_allclose(run[1:-1][some], single, rtol=1e-9, atol=0)
    np.testing.assert_allclose(
        run[1:-1][some[::9]], [adaptive(LINKS[name].inverse, x, sd) for x in eta[some[::9]]], 1e-8
    )
    ends = gaussian_mean(LINKS[name], np.array([0.3, -0.2]), np.array([1.7, 0.0]))
    np.testing.assert_allclose(run[[0, -1]], ends, rtol=1e-14)


@pytest.mark.parametrize("name", ["logit", "cloglog"])
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, -1e300, 800.0])
def test_one_odd_mean_in_a_long_run_changes_no_other(name: str, odd: float) -> None:
    eta = np.linspace(-2.0, 2.0, 4000)
    plain = gaussian_mean(LINKS[name], eta, 1.3)
    eta[1234] = odd
    with_odd = gaussian_mean(LINKS[name], eta, 1.3)
    np.testing.assert_allclose(np.delete(with_odd, 1234), np.delete(plain, 1234), rtol=1e-9)
    alone = float(gaussian_mean(LINKS[name], odd, 1.3))
    np.testing.assert_allclose(with_odd[1234], alone, rtol=1e-12)


@pytest.mark.parametrize("name", ["logit", "cloglog"])
@pytest.mark.parametrize("place", [0, 1, 2, 1234, 2998, 2999])
def test_one_other_variance_in_a_long_run_keeps_its_own_average(name: str, place: int) -> None:
    eta, variance = np.linspace(-3.0, 3.0, 3000), np.full(3000, 1.3)
    variance[place] = 0.2
    averages = gaussian_mean(LINKS[name], eta, variance)
    np.testing.assert_allclose(averages[place], float(gaussian_mean(LINKS[name], eta[place], 0.2)), rtol=1e-12)
    others = np.delete(gaussian_mean(LINKS[name], eta, 1.3), place)
    np.testing.assert_allclose(np.delete(averages, place), others, rtol=1e-9)


def test_without_a_variance_the_average_is_the_function_itself() -> None:
    """Asked for once: averages within averages (shares of variance of one factor) were thirty times as slow."""
    asked: list[int] = []

    def function(x):
        asked.append(1)
        return np.square(x)

    np.testing.assert_array_equal(gaussian_expectation(function, np.arange(5.0), 0.0), np.square(np.arange(5.0)))
    assert len(asked) == 1
