"""Shrinkage in a browser: estimates are the best linear predictions of the data drawn, and sliders move them."""

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from tests.widgets.reading import FRAME, _axis, attribute, move, numbers, opened


def drawn(page):
    """Truth, own mean and estimate of every group, and the mean of all, in the units of the axis."""
    x = _axis(page, "x-tick", "x")
    truth, own, estimate = (
        x(attribute(page, selector, name))
        for selector, name in ((".group .truth", "x1"), ("circle.own", "cx"), ("circle.estimate", "cx"))
    )
    return truth, own, estimate, x(attribute(page, "line.centre", "x1"))[0]


def best_linear_prediction(own, sizes, between, within):
    """Mean and predictions by generalised least squares on rows: V = between^2 Z Z' + within^2 I."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    Z = np.eye(len(sizes))[groups]
    inverse = np.linalg.inv(between**2 * Z @ Z.T + within**2 * np.eye(len(groups)))
    y, one = own[groups], np.ones(len(groups))
    mean = one @ inverse @ y / (one @ inverse @ one)
    return mean, mean + between**2 * Z.T @ inverse @ (y - mean)


@pytest.mark.parametrize(("between", "within"), [(5.0, 15.0), (0.0, 10.0), (12.0, 3.0)])
def test_estimates_are_best_linear_predictions(pages, tmp_path, between, within):
    sizes = [1, 2, 5, 9, 30]
    page = opened(pages, bg.widgets.shrinkage(sizes=sizes), tmp_path)
    move(page, "between", between)
    move(page, "within", within)
    truth, own, estimate, centre = drawn(page)
    mean, expected = best_linear_prediction(own, sizes, between, within)
    step = np.ptp([*truth, *own]) * 1e-3  # of the labels' rounding
    assert centre == pytest.approx(mean, abs=step)
    np.testing.assert_allclose(estimate, expected, atol=step)
    if between == 0:
        assert np.ptp(truth) < step and np.ptp(estimate) < step


def test_words_are_the_arithmetic_of_the_group_looked_at(pages, tmp_path):
    page = opened(pages, bg.widgets.shrinkage(between=4, within=12, sizes=[3, 10, 27]), tmp_path)
    page.evaluate("document.querySelectorAll('.group')[1].dispatchEvent(new Event('click'))")
    page.evaluate(FRAME)
    truth, own, estimate, centre = drawn(page)
    weight = 16 / (16 + 144 / 10)
    line = next(line for line in page.text(".words").split("\n") if "looked at" in line)
    found = numbers(line.replace("²", ""))
    assert found[:7] == [2, 10, 4, 4, 12, 10, 0.526]
    assert found[7:] == pytest.approx(
        [own[1], centre, weight, own[1], 1 - weight, centre, estimate[1], truth[1]], rel=0.01
    )
    far = numbers(next(line for line in page.text(".words").split("\n") if line.startswith("Typical")))
    expected = [np.sqrt(np.mean(np.square(value - truth))) for value in (own, centre, estimate)]
    assert far == pytest.approx(expected, rel=0.02)


def test_numbers_of_groups_and_rows(pages, tmp_path):
    page = opened(pages, bg.widgets.shrinkage(groups=5, smallest=4, largest=64, seed=3), tmp_path)
    labels = "[...document.querySelectorAll('.group text')].map((t) => Number(t.textContent))"
    assert page.evaluate(labels) == [4, 8, 16, 32, 64]
    first = drawn(page)
    move(page, "groups", 9)
    assert len(page.evaluate(labels)) == 9
    np.testing.assert_allclose(drawn(page)[0][:5], first[0], atol=0.1)  # groups keep their truths
    move(page, "look", 9)
    move(page, "groups", 3)
    assert "number 3, with 64 rows" in page.text(".words")
    assert page.evaluate("document.querySelector('[data-name=look]').getAttribute('aria-valuetext')") == "3"
    move(page, "groups", 5)
    move(page, "within", 30)
    wider = drawn(page)
    np.testing.assert_allclose(wider[1] - wider[0], 2 * (first[1] - first[0]), atol=0.2)
    page.click("[data-name=more]")
    page.evaluate(FRAME)
    assert np.abs(drawn(page)[0] - first[0]).max() > 1
    page.click("[data-name=reset]")
    page.evaluate(FRAME)
    for now, before in zip(drawn(page), first, strict=True):
        np.testing.assert_allclose(now, before, atol=1e-9)


def test_partial_pooling_is_nearer_to_the_truth_on_average(pages, tmp_path):
    """Over many data sets, by the margin that theory gives: rows' variance against the weight's share of it."""
    page = opened(pages, bg.widgets.shrinkage(between=5, within=15, groups=12, smallest=5, largest=5), tmp_path)
    squares = []
    for _ in range(40):
        page.click("[data-name=more]")
        page.evaluate(FRAME)
        truth, own, estimate, _ = drawn(page)
        squares.append([np.mean((own - truth) ** 2), np.mean((estimate - truth) ** 2)])
    own, partial = np.mean(squares, axis=0)
    noise, weight = 15**2 / 5, 25 / (25 + 15**2 / 5)
    assert own == pytest.approx(noise, rel=4 * np.sqrt(2 / (40 * 12)))
    assert partial == pytest.approx(noise * (weight + (1 - weight) / 12), rel=4 * np.sqrt(2 / (40 * 12)))


@pytest.mark.parametrize("looks", [{"width": 400, "touch": True, "dark": True}, {"width": 1200}])
def test_forty_groups_fit_the_page(pages, tmp_path, looks):
    page = opened(pages, bg.widgets.shrinkage(groups=40), tmp_path, **looks)
    assert page.evaluate("document.documentElement.scrollWidth") <= looks["width"]
    boxes = page.evaluate("[...document.querySelectorAll('.group text')].map((t) => t.getBoundingClientRect())"
                          ".map((b) => [b.left, b.top, b.bottom])")  # fmt: skip
    left, top, bottom = np.array(boxes).T
    assert left.min() >= 0 and np.all(top[1:] - bottom[:-1] > -4)


def test_what_is_not_allowed():
    for arguments, words in (
        ({"within": 0}, "within= must be a number, at least 0.01, not 0"),
        ({"between": -1}, "between= must be a number, at least 0, not -1"),
        ({"groups": 100}, "groups= must be at most 60, not 100"),
        ({"sizes": [3]}, "sizes= takes 2 to 60 groups, not 1"),
        ({"sizes": "3, 4"}, "sizes= takes the rows of every group"),
        ({"sizes": [3, 4], "groups": 5}, "leave out groups="),
        ({"group": ""}, "group= takes a word"),
    ):
        with pytest.raises(GLMMError, match=words):
            bg.widgets.shrinkage(**arguments)
