"""Times and regions as data have them: gaps, duplicates, dates, categories, unsorted rows, names that do not match."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError, FormulaError

RNG = np.random.default_rng(1)


def table(times, groups=None, **columns):
    groups = np.zeros(len(times), dtype=int) if groups is None else groups
    return pd.DataFrame({"t": times, "g": groups, "y": RNG.normal(size=len(times)), **columns})


def structure(formula, data, **options):
    return bg.GLMM(formula, data, **options).design.groups[0].structure


def test_gaps_count_in_the_step_that_all_are_multiples_of():
    """Whatever the origin and the unit: weeks in days, decimals, dates."""
    steps = np.array([0, 1, 3, 4, 9])
    for times in (steps, 2000 + 7 * steps, 0.1 * steps, pd.Timestamp("2024-02-28") + pd.to_timedelta(steps, unit="D")):
        own = structure("y ~ ar1(t)", table(times))
        assert sorted(own.gaps) == [0.0, 1.0, 1.0, 2.0, 5.0]


def test_categories_are_steps_those_without_rows_included():
    months = pd.Categorical(["Jan", "Mar", "Apr"], categories=["Jan", "Feb", "Mar", "Apr"], ordered=True)
    assert structure("y ~ ar1(t)", table(months)).gaps.tolist() == [0.0, 2.0, 1.0]


def test_rows_may_be_unsorted_and_share_a_time():
    """Rows of one series and time share its effect."""
    data = table([3, 1, 2, 1, 2], [0, 0, 0, 1, 0])
    term = bg.GLMM("y ~ ar1(t | g)", data).design.groups[0]
    assert term.levels == ("0:1", "0:2", "0:3", "1:1")
    assert term.codes.tolist() == [2, 0, 1, 3, 1]
    assert term.structure.previous.tolist() == [-1, 0, 1, -1]


def test_rates_have_a_prior_in_units_of_the_spacing():
    """Hours or days: the same prior of the correlation at the median gap."""
    days = np.array([0.0, 1.0, 2.5, 3.5, 9.0])
    for unit in (1.0, 24.0):
        own = structure("y ~ ou(t)", table(unit * days)).parameter
        assert own.prior["lam"] == pytest.approx(1.25 * unit)
        assert own.start * own.prior["lam"] == pytest.approx(0.5)


def test_walks_have_a_level_for_every_step():
    model = bg.GLMM("y ~ t + rw2(t | g)", table([1, 2, 4, 6, 2, 6], list("aaaabb")))
    term = model.design.groups[0]
    assert term.levels == tuple(f"{g}:{t}" for g in "ab" for t in range(1, 7))
    assert term.codes.tolist() == [0, 1, 3, 5, 7, 11]
    dates = table(pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-22", "2024-01-29"]))
    assert len(bg.GLMM("y ~ rw1(t)", dates).design.groups[0].levels) == 5


def test_glmmtmb_writes_zero_beside_the_time():
    data = table([1, 2, 3, 1, 2, 3], list("aaabbb"), h=list("uvwuvw"))
    for text in ("ar1(t + 0 | g)", "ar1(0 + t | g)", "ar1(t - 1 | g)", "ar1(t|g)"):
        assert structure(f"y ~ {text}", data).kind == "ar1"
    plain = bg.GLMM("y ~ us(1 | g) + diag(t | h)", data).design
    assert [term.blocks for term in plain.groups] == [((0,),), ((0,), (1,))]


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("ar1(t, g)", r"write ar1\(time \| g\)"),
        ("ar1(log(t) | g)", "must be one column"),
        ("ar1(t | g / h)", "'/' makes several"),
        ("ar1(g | g)", "cannot be both"),
        ("ar1(t | g) + (1 | t:g)", "two terms for the levels of 'g:t'"),
        ("bym2(g | h)", r"write bym2\(region\)"),
        ("car(g, W)", "said by covariances="),
        ("x:ar1(t | g)", "a term of its own"),
        ("ar(t, g)", "ar1"),
    ],
)
def test_formulas_that_say_something_else(term, message):
    data = table([1, 2, 3, 1], list("aabb"), h=list("uvuv"), x=[1.0, 2.0, 3.0, 5.0])
    with pytest.raises(FormulaError, match=message):
        bg.GLMM(f"y ~ {term}", data)
    with pytest.raises(FormulaError, match="cannot be subtracted"):
        bg.GLMM("y ~ x - ar1(t | g)", data)


@pytest.mark.parametrize(
    ("formula", "data", "message"),
    [
        ("y ~ ar1(t | g)", table([1, 2, 3], list("abc")), "no series has two times"),
        ("y ~ ar1(t)", table([0.0, 1.0, 2.37, 3.0]), r"not equally spaced.*or use ou\(t\)"),
        ("y ~ ar1(t)", table(pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-31"])), "months, not days"),
        ("y ~ ar1(t)", table(["may", "june", "july"]), "pd.Categorical in the order of time"),
        ("y ~ ou(t)", table([True, False, True]), "numbers, dates or ordered categories"),
        ("y ~ rw1(t)", table([1, 2, 2]), "2 times are too few"),
        ("y ~ rw1(t)", table([0, 1, 5000]), "span 5,000 steps"),
        ("y ~ bym2(g)", table([1, 2], ["a", "b"]), "needs to know which regions are neighbours"),
    ],
)
def test_data_that_have_no_such_series(formula, data, message):
    with pytest.raises(DataError, match=message):
        bg.GLMM(formula, data)


def test_maps_and_the_names_in_the_data():
    data, near = table([1, 2, 3], ["a", "b", "x"]), {"a": ["b"], "b": ["c"]}
    with pytest.raises(
        DataError, match=r"covariances\['g'\]: the map does not have 1 of the 3 levels in the data: 'x'"
    ):
        bg.GLMM("y ~ bym2(g)", data, covariances={"g": near})
    data["g"] = ["a", "b", "b"]
    with pytest.raises(DataError, match=r"write bym2\(g\), leroux\(g\)"):
        bg.GLMM("y ~ (1 | g)", data, covariances={"g": bg.Adjacency(near)})
    with pytest.raises(DataError, match=r"covariances\['g'\]: .*own neighbour"):
        bg.GLMM("y ~ bym2(g)", data, covariances={"g": {"a": ["a"]}})
    # regions without rows are levels of the model
    assert bg.GLMM("y ~ bym2(g)", data, covariances={"g": near}).design.groups[0].levels == ("a", "b", "c")
