"""Numbers by their own size: what is printed is what the number is, to the second digit of its sd."""

import math

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.printing.numbers import last_place, number_columns, written


@pytest.mark.parametrize("seed", range(20))
def test_printed_numbers_are_the_numbers_to_the_digit_they_claim(seed):
    rng = np.random.default_rng(seed)
    for _ in range(200):
        sd = float(10.0 ** rng.uniform(-300, 290))
        mean = float(sd * rng.normal() * 10.0 ** rng.uniform(-3, 8))
        values = [mean, sd, mean - 1.7 * sd, mean + 1.7 * sd]
        place = last_place(sd, 2)
        for value, text in zip(values, written(values, place), strict=True):
            assert abs(float(text) - value) <= 0.5 * 10.0**place * (1 + 1e-9) + 1e-12 * abs(value), (value, sd, text)
        assert len(written(values, place)[1].partition("e")[0].replace(".", "").strip("0")) <= max(
            2, math.log10(sd) + 1
        )


@pytest.mark.parametrize(
    ("values", "place", "texts"),
    [
        ((251.405, 6.82), -1, ["251.4", "6.8"]),
        ((-1.4243, 0.2534, -1.83, -1.04), -2, ["-1.42", "0.25", "-1.83", "-1.04"]),
        ((2.514e-10, 7.7e-12), -13, ["2.514e-10", "7.7e-12"]),
        ((2.514e11, 1.5e10), 9, ["2.51e+11", "1.5e+10"]),
        ((2514051.3, 68246.0), 3, ["2514051", "68246"]),
        ((2.3e-6, 4.1e-7), -8, ["2.30e-06", "4.1e-07"]),
        ((0.0001204, 0.0000302), -6, ["0.000120", "0.000030"]),
        ((-9.99e-9, 1.0e-8), -9, ["-1.0e-08", "1.0e-08"]),
        ((-0.004, 0.05), -2, ["0.00", "0.05"]),
        ((4e-14, 1.1e-12), -13, ["0", "1.1e-12"]),
        ((6e-14, 1.1e-12), -13, ["1e-13", "1.1e-12"]),
        ((math.nan, math.inf, 0.0), None, ["-", "inf", "0"]),
    ],
)  # fmt: skip
def test_digits(values, place, texts):
    assert written(values, place) == texts


def columns(**values) -> dict:
    return number_columns(pd.DataFrame(values))


def test_a_row_is_rounded_by_its_own_sd():
    cells = columns(estimate=[1.05e-12, 317.2183], sd=[1.6e-13, 12.2], lower=[7.8e-13, 297.3], upper=[1.3e-12, 336.7])
    assert cells["estimate"] == ["1.05e-12", "317"]
    assert cells["lower"] == ["7.8e-13", "297"] and cells["sd"] == ["1.6e-13", "12"]


def test_bounds_keep_their_digits_where_a_few_draws_carry_mean_and_sd():
    cells = columns(estimate=[1.2e9, 0.2], sd=[3e10, 1e5], lower=[0.011, 0.011], upper=[0.312, 0.312])
    assert cells["lower"] == ["0.011", "0.011"] and cells["upper"] == ["0.312", "0.312"]
    assert cells["estimate"] == ["1e+09", "0.200"] and cells["sd"] == ["3.0e+10", "100000"]


def test_a_quarter_of_the_interval_stands_for_an_sd_that_is_missing_or_zero():
    assert columns(mean=[np.nan, 3.14159], sd=[np.nan, 0.0], lower=[0.9, 3.1], upper=[8.0, 3.2]) == {
        "mean": ["-", "3.142"], "sd": ["-", "0.000"], "lower": ["0.9", "3.100"], "upper": ["8.0", "3.200"],
    }  # fmt: skip


def test_constants_do_not_show_their_rounding_error():
    residual = math.pi**2 / 3
    cells = columns(estimate=[residual], sd=[1.9e-14], lower=[residual - 2e-14], upper=[residual])
    assert cells["estimate"] == ["3.290"] and cells["sd"] == ["0.000"]
    assert columns(share=[1.0 - 4e-16, 1.0 + 7e-16])["share"] == ["1", "1"]


def test_an_sd_serves_without_an_interval_and_an_interval_without_an_sd():
    assert columns(estimate=[253.312], sd=[13.14]) == {"estimate": ["253"], "sd": ["13"]}
    assert columns(share=[0.26558], share_lower=[0.15036], share_upper=[0.38532])["share"] == ["0.266"]
    assert columns(mean=[-1.4243], sd=[0.2534], ci_lower=[-1.8312], ci_upper=[-1.0412])["ci_upper"] == ["-1.04"]
    assert columns(estimate=[0.123456], lower=[0.1])["estimate"] == ["0.1235"]


def test_what_users_rounded_gets_no_more_digits():
    assert columns(estimate=[0.36], lower=[0.29], upper=[0.45]) == {
        "estimate": ["0.36"], "lower": ["0.29"], "upper": ["0.45"],
    }  # fmt: skip


def test_names_with_their_own_uncertainty():
    cells = columns(conditional=[251.4], conditional_sd=[6.8], conditional_lower=[240.0], conditional_upper=[262.0])
    assert cells["conditional"] == ["251.4"] and cells["conditional_sd"] == ["6.8"]


def test_columns_without_uncertainty_tell_their_values_apart():
    assert columns(year=[2010.0, 2010.5, 2011.0])["year"] == ["2010", "2010.5", "2011"]
    assert columns(x=[1e-12, 2.5e-12])["x"] == ["1e-12", "2.5e-12"]
    assert columns(statistic=[0.0874679, 19.16244, 3.0])["statistic"] == ["0.08747", "19.16", "3"]
    assert columns(p_value=[0.0, 0.0004, 0.0123456, 1.0])["p_value"] == ["0.000", "<0.001", "0.012", "1.000"]


def test_columns_of_the_user_are_not_taken_for_results():
    frame = pd.DataFrame({"p_value": [0.00012345, 2.0], "estimate": [1.0, 2.0], "sd": [0.1, 0.1]})
    assert number_columns(frame, ["p_value"])["p_value"] == ["0.0001234", "2"]
