"""Results print rounded, with words above; the numbers in them keep their full precision."""

import numpy as np
import pandas as pd
import pandas.testing
import pytest

import bayes_glmm as bg
from bayes_glmm.printing.grid import as_text
from bayes_glmm.printing.table import Table


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def results() -> Table:
    rng = np.random.default_rng(3)
    table = Table({"term": ["x", "x"], "estimate": rng.normal(size=2), "sd": [0.011, 0.013]})
    table["lower"], table["upper"] = table["estimate"] - 0.02, table["estimate"] + 0.02
    table.attrs = {"heading": "Slopes; mean and 89% equal-tailed interval.", "ci_prob": 0.89}
    return table


def test_only_printing_is_rounded(tmp_path):
    table = results()
    assert f"{table['estimate'][0]:.3f}" in repr(table) and f"{table['estimate'][0]:.5f}" not in repr(table)
    table.to_csv(tmp_path / "table.csv", index=False)
    read = pd.read_csv(tmp_path / "table.csv", dtype=str)
    for name in ("estimate", "sd", "lower", "upper"):
        assert list(map(float, read[name])) == list(table[name])


def test_parts_and_what_is_computed_print_alike():
    table = results()
    for part in (table.head(1), table.query("estimate > -10"), table.sort_values("sd"), table.copy(), table.iloc[::-1]):
        assert type(part) is Table and repr(part).startswith("Slopes; mean and 89%")
    assert repr(table.assign(estimate=1e-9 * table["estimate"], sd=1e-9 * table["sd"]))
    assert isinstance(table["estimate"], pd.Series) and isinstance(table.groupby("term").mean(), pd.DataFrame)


def test_no_row_and_odd_values_print():
    assert repr(Table(columns=["term", "estimate", "sd"])).startswith("term")
    odd = Table({"a b": ["x", None], "t": pd.to_datetime(["2024-01-01", None]), "n": pd.array([1, None], "Int64")})
    assert odd._repr_html_().count("<tr") == 3 and repr(odd).split("\n")[2].split() == ["-", "-", "-"]
    twice = Table([[1.0, 2.0]], columns=["x", "x"])
    assert repr(twice).split() == ["x", "x", "1", "2"]


def test_as_many_rows_as_pandas_shows():
    table = Table({"estimate": np.arange(300.0), "sd": 1.0})
    with pd.option_context("display.max_rows", 20, "display.min_rows", 6):
        text = repr(table)
    assert [line.split()[0] for line in text.split("\n")[1:8]] == ["0", "1", "2", "...", "297", "298", "299"]
    assert text.endswith("\n\n300 rows.")


def test_papers_get_intervals_in_brackets_and_titles_in_words(tmp_path):
    table = results()
    assert "89% interval" in table.to_markdown() and "89\\% interval" in table.to_latex()
    lower, upper = table["lower"][0], table["upper"][0]
    assert f"[{lower:.3f}, {upper:.3f}]" in table.to_markdown()
    labelled = table.set_index("term")
    assert "x" in labelled.to_markdown().split("\n")[4] and "x" not in labelled.to_markdown(index=False).split("\n")[4]
    table.to_latex(tmp_path / "table.tex", caption="A", label="tab:a")
    assert (tmp_path / "table.tex").read_text().startswith("\\begin{table}")
    with (tmp_path / "table.html").open("w") as file:
        assert table.to_html(file) is None
    assert (tmp_path / "table.html").read_text() == table.to_html()


# results of fits -----------------------------------------------------------------------------------------------------


def figures(text: str, row: int) -> list[float]:
    """The numbers of a row of the last block of a printed table."""
    cells = text.split("\n\n")[-1].split("\n")[1 + row].split()
    return [float(cell) for cell in cells if cell.lstrip("-<").replace(".", "", 1).replace("e", "", 1)[:1].isdigit()]


def test_predictions_say_for_whom_and_round_as_the_sd_says(cbpp_fit):
    table = bg.predictions(cbpp_fit, random_effects="typical")
    text = repr(table)
    assert "Probability of incidence, typical herd; mean and 89% equal-tailed interval." in " ".join(text.split())
    shown = figures(text, 0)[-4:]
    np.testing.assert_allclose(shown, table.iloc[0][["estimate", "sd", "lower", "upper"]].to_numpy(float), atol=5e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fit: bg.avg_comparisons(fit, "period"), "Difference in probability of incidence, conditional (each"),
        (lambda fit: bg.avg_predictions(fit, by="period", weights="size"), "average over rows weighted by size; mean"),
        (lambda fit: bg.avg_predictions(fit, by="period", hypothesis="b2 - b1 < 0"), "Left side minus right side"),
        (lambda fit: bg.random_effects(fit), "Departures from the fixed part (log odds of incidence); mean and 89%"),
        (lambda fit: bg.marginal_coefficients(fit), "averaged over them (marginal), log odds of incidence"),
        (lambda fit: bg.icc(fit), "Intraclass correlation, latent scale; mean and 89%"),
        (lambda fit: bg.r2(fit), "R2; mean and 89% equal-tailed interval."),
        (lambda fit: bg.variance_components(fit), "Variance, latent scale; mean and 89%"),
        (lambda fit: bg.shrinkage(fit), "Coefficients by level of herd (log odds of incidence); partial pooling:"),
        (lambda fit: bg.predictive_check(fit, random_seed=1), "The mean of the observed responses"),
        (lambda fit: bg.prior_sensitivity(fit), "0.05 is worth a look"),
    ],
)  # fmt: skip
def test_every_table_has_a_line_above_and_fits(cbpp_fit, call, words):
    table = call(cbpp_fit)
    assert isinstance(table, Table)
    text = repr(table)
    assert words in " ".join(text.split())
    assert max(map(len, text.split("\n"))) <= 80 and "..." not in text
    assert words.replace("'", "&#x27;") in table._repr_html_()


def test_rows_left_out_and_columns_renamed_are_told(cbpp_fit, cbpp):
    rows = cbpp.assign(term=1.0, period=cbpp["period"].where(cbpp.index > 1))
    with pytest.warns(bg.errors.DataWarning, match="2 of 56 rows"):
        heading = bg.predictions(cbpp_fit, rows).attrs["heading"]
    assert "2 rows with missing values are left out." in heading and "Your column term is called term_data." in heading


def test_many_rows_of_many_columns(sleepstudy_fit, sleepstudy):
    rows = sleepstudy.assign(**{f"a_column_with_a_long_name_{j}": j for j in range(8)})
    table = bg.predictions(sleepstudy_fit, rows)
    text = repr(table)
    assert max(map(len, text.split("\n"))) <= 80 and len(text.split("\n")) < 30
    assert "180 rows." in text and "Columns not shown: a_column_with" in text
    assert "a_column_with_a_long_name_7" in table._repr_html_() and table._repr_html_().count("<tr") == 12


def test_verdicts_of_tests_are_whole(cbpp_fit):
    table = bg.check_residuals(bg.simulate_residuals(cbpp_fit, random_seed=1))
    text, page = repr(table), table._repr_html_()
    assert max(map(len, text.split("\n"))) <= 80
    for test, verdict in table["verdict"].items():
        assert verdict in page
        first = text.index(f"\n{test} ")
        column = text.split("\n\n")[1].split("\n")[0].index("verdict")
        lines = text[first + 1 :].split("\n")
        told = [lines[0][column:]]
        for line in lines[1:]:
            if line[:1] != " ":
                break
            told.append(line[column:])
        assert " ".join(told) == verdict


def test_averages_keep_the_columns_they_are_by(cbpp_fit, cbpp):
    rows = cbpp.assign(**{f"a_column_with_a_long_name_{j}": j for j in range(8)})
    text = repr(bg.predictions(cbpp_fit, rows))
    assert "Columns not shown: " in text and "estimate" in text
    assert "Columns not shown" not in repr(
        bg.avg_predictions(cbpp_fit, rows, by=["period", "a_column_with_a_long_name_1"])
    )


def test_priors_and_data_sets_are_whole(cbpp_fit):
    text = as_text(cbpp_fit.model.priors.grid(), 80)
    assert "HalfStudentT(nu=3," in text and "sigma=-0" not in text and "mu=-0" not in repr(cbpp_fit.model)
    listed = bg.list_datasets()
    assert " ".join(listed["source"][0].split()) in " ".join(listed._repr_html_().split()).replace("&amp;", "&")
    assert max(map(len, repr(listed).split("\n"))) <= 80
