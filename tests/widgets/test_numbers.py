"""What widgets compute in the browser, beside what the package computes: links, averages, draws."""

import base64
import json
from importlib.resources import files

import numpy as np
import pytest
from scipy import stats

from bayes_glmm.links import LINKS
from bayes_glmm.predict.quadrature import gaussian_expectation, gaussian_mean

SHOWN = ("logit", "probit", "cloglog", "log")
ETA, SD = np.linspace(-14, 14, 29), np.array([0.0, 0.05, 0.4, 1.0, 2.5, 4.0, 8.0])


@pytest.fixture
def computed(pages):
    """A function that gives the value of an expression of numbers.js, whose exports are in `m`."""
    source = (files("bayes_glmm.widgets") / "numbers.js").read_bytes()
    address = f"data:text/javascript;base64,{base64.b64encode(source).decode()}"
    page = pages().open("data:text/html,<!doctype html><title>numbers</title>")
    return lambda script: page.evaluate(f"import({json.dumps(address)}).then((m) => {script})")


def over_grid(computed, link, name):
    grid = f"{ETA.tolist()}.map((eta) => {SD.tolist()}.map((sd) => m.LINKS.{link}.{name}(eta, sd)))"
    return np.array(computed(grid), dtype=float)


@pytest.mark.parametrize("link", SHOWN)
def test_averages_are_those_of_the_package(computed, link):
    exact = gaussian_mean(LINKS[link], ETA[:, None], np.square(SD))
    np.testing.assert_allclose(over_grid(computed, link, "average"), exact, rtol=1e-7)
    plain = np.array(computed(f"{ETA.tolist()}.map(m.LINKS.{link}.inverse)"))
    np.testing.assert_allclose(plain, LINKS[link].inverse(ETA), rtol=1e-12)


@pytest.mark.parametrize("link", SHOWN)
def test_links_of_averages_keep_their_digits(computed, link):
    """Also where the average is 1 to sixteen digits, from the average of what is missing to 1."""
    linked = over_grid(computed, link, "linked")
    exact = gaussian_mean(LINKS[link], ETA[:, None], np.square(SD))
    with np.errstate(divide="ignore"):
        expected = LINKS[link].link(exact if link == "log" else np.minimum(exact, 1.0))
    inside = exact < 0.999 if link != "log" else exact > 0
    np.testing.assert_allclose(linked[inside], expected[inside], rtol=1e-6, atol=1e-6)
    if link == "logit":
        np.testing.assert_allclose(linked, -linked[::-1], rtol=1e-9, atol=1e-12)
    if link == "cloglog":
        missed = gaussian_expectation(lambda x: np.exp(-np.exp(x)), ETA[:, None], np.square(SD[3:]))
        above = np.where(exact[:, 3:] >= 0.999, np.log(-np.log(missed)), linked[:, 3:])
        np.testing.assert_allclose(linked[:, 3:], above, rtol=1e-6)
    assert np.all(np.diff(linked, axis=0) > 0)


def test_draws_are_normal_and_the_same_for_a_seed(computed):
    draws = np.array(computed("[0, 1, 2, 3, 4].map((seed) => m.normalDraws(seed, 4000))"))
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-3
    assert np.all(np.abs(np.corrcoef(draws)[np.triu_indices(5, 1)]) < 5 / np.sqrt(4000))
    assert np.abs(np.corrcoef(draws.ravel()[:-1], draws.ravel()[1:])[0, 1]) < 5 / np.sqrt(20000)
    first = np.array(computed("[0, 1, 2, 3, 4].map((seed) => m.normalDraws(seed, 7))"))
    np.testing.assert_array_equal(first, draws[:, :7])
    first = np.array(computed("Array.from({length: 4000}, (_, seed) => m.normalDraws(seed, 1)[0])"))
    assert stats.kstest(first, "norm").pvalue > 1e-3  # neighbouring seeds are unrelated


WRITTEN = {
    "0": "0", "-1.5": "−1.5", "2.71828": "2.72", "0.0012345": "0.00123", "1234.5": "1235", "99.96": "100",
    "999.7": "1000", "12345678": "1.23e+7", "0.00001": "1.00e−5", "Infinity": "∞", "-Infinity": "−∞",
    "NaN": "undefined", "-0.04": "−0.04",
}  # fmt: skip


def test_numbers_are_written_as_people_write_them(computed):
    assert computed(f"[{', '.join(WRITTEN)}].map((value) => m.short(value))") == list(WRITTEN.values())


def test_ticks_are_round_and_inside(computed):
    assert computed("m.ticks(0, 1, 5)") == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert computed("m.ticks(-3, 4, 7)") == [-3, -2, -1, 0, 1, 2, 3, 4]
    assert computed("m.ticks(1987.3, 2003.9, 5)") == [1990, 1995, 2000]
    assert computed("m.percent(0.9999)") == "over 99.9\u00a0%"
