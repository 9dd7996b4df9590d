"""Every kind of result table goes to LaTeX, Markdown, Excel and polars; what was written is read again and compared."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from functools import cache

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import ConvergenceWarning, GLMMError
from bayes_glmm.printing.table import Table


@pytest.fixture(scope="module")
def fits():
    """A treated crop with names that LaTeX, Markdown and Excel take for their own, and its model without predictors."""
    rng, rows = np.random.default_rng(4), 80
    data = pd.DataFrame({"x_1": rng.normal(size=rows), "g": np.resize(["=1+1", "a|b", "50 %", "R&D", "c_d"], rows)})
    data["dose & time"], data["y"] = np.resize(["low", "<high>"], rows), rng.poisson(3.0, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        options = {"draws": 100, "tune": 200, "random_seed": 1, "progressbar": False}
        full = bg.GLMM("y ~ x_1 + `dose & time` + (1 | g)", data, family="poisson").fit(**options)
        return full, bg.GLMM("y ~ 1 + (1 | g)", data, family="poisson").fit(**options)


KINDS = {
    "summary": lambda fit, null: fit.summary(random_effects=True),
    "ratios": lambda fit, null: fit.summary(exponentiate=True),
    "priors": lambda fit, null: fit.model.priors,
    "predictions": lambda fit, null: bg.predictions(fit),
    "averages": lambda fit, null: bg.avg_predictions(fit, by="dose & time"),
    "comparisons": lambda fit, null: bg.avg_comparisons(fit, "dose & time", rope=(-0.1, 0.1)),
    "slopes": lambda fit, null: bg.slopes(fit, "x_1"),
    "hypotheses": lambda fit, null: bg.hypotheses(fit, "x_1 > 0"),
    "marginal coefficients": lambda fit, null: bg.marginal_coefficients(fit),
    "variance components": lambda fit, null: bg.variance_components(fit),
    "icc": lambda fit, null: bg.icc(fit),
    "r2": lambda fit, null: bg.r2(fit),
    "random effects": lambda fit, null: bg.random_effects(fit),
    "shrinkage": lambda fit, null: bg.shrinkage(fit, "g"),
    "sensitivity": lambda fit, null: bg.prior_sensitivity(fit, random_seed=1),
    "residual tests": lambda fit, null: bg.check_residuals(bg.simulate_residuals(fit, random_seed=1)),
    "predictive check": lambda fit, null: bg.predictive_check(fit, random_seed=1),
    "model comparison": lambda fit, null: bg.compare({"a_1": _loo(fit), "b & c": _loo(null)}),
    "models": lambda fit, null: bg.table({"a_1": fit, "b & c": null}),
    "data sets": lambda fit, null: bg.list_datasets(),
    "heterogeneity": lambda fit, null: bg.heterogeneity(_trials()),
    "studies": lambda fit, null: bg.studies(_trials()),
    "heritability": lambda fit, null: bg.heritability(_animals()),
    "evolvability": lambda fit, null: bg.evolvability(_animals()),
    "no rows": lambda fit, null: bg.predictions(fit).iloc[:0],
}


_SHORT = {"draws": 50, "tune": 100, "random_seed": 1, "progressbar": False}


@cache
def _trials():
    return bg.GLMM("se(yi, sei) ~ 1 + (1 | study)", bg.load_dataset("bcg")).fit(**_SHORT)


@cache
def _animals():
    herd = bg.simulate("animals", pairs=4, young=2, generations=2, random_seed=1)
    pedigree, rows = bg.Pedigree(herd), herd.dropna(subset="weight")
    return bg.GLMM("weight ~ sex + (1 | animal)", rows, covariances={"animal": pedigree}).fit(**_SHORT)


def _loo(fit):
    return bg.loo(fit, refits=False)


@pytest.fixture(scope="module", params=KINDS)
def table(request, fits):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short chains, large Pareto k: nothing about tables
        found = KINDS[request.param](*fits)
    assert isinstance(found, Table)
    return found


def test_every_function_that_returns_a_table_is_here(fits):
    """A new one has to be entered in KINDS, or among those whose result is no table."""
    no_tables = {
        "comparisons", "fit_multiple", "from_bambi", "grid", "kfold", "load", "load_dataset", "log_likelihood", "loo",
        "posterior_predictive", "prior_predictive_check", "sbc", "simulate", "simulate_residuals", "avg_slopes",
    }  # fmt: skip
    text = "".join(map(str, (code.__code__.co_names for code in KINDS.values())))
    functions = {name for name in bg.__all__ if name.islower() and callable(getattr(bg, name))}
    assert {name for name in functions if f"'{name}'" not in text} <= no_tables | {"compare", "errors"}


def _rows(shown):
    return list(zip(*(column.cells for column in shown.columns), strict=True))


def test_markdown_has_the_cells_of_the_table(table):
    lines = [line for line in table.to_markdown().splitlines() if line.startswith("|")]
    shown = table._for_paper()
    lines_of_cells = sum(max(1, *(cell.count("\n") + 1 for cell in row)) for row in _rows(shown))
    assert len(lines) == 2 + lines_of_cells
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == len(shown.columns) + 1, line


def test_latex_has_the_cells_of_the_table(table):
    shown, text = table._for_paper(), table.to_latex(caption="A caption.", label="tab:a")
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len([row for row in rows if len(re.findall(r"(?<!\\)&", row)) == len(shown.columns) - 1]) == len(rows)
    assert len(rows) >= 1 + len(shown.columns[0].cells)
    body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    assert not re.search(r"(?<!\\)[_%#$](?![^$]*\$)", re.sub(r"\$[^$]*\$", "", body)), body


def test_excel_has_the_numbers_in_full(table, tmp_path):
    table.to_excel(tmp_path / "table.xlsx")
    book = openpyxl.load_workbook(tmp_path / "table.xlsx")
    expected = table.with_labels()
    read = [[cell.value for cell in row] for row in book["results"].iter_rows()]
    assert read[0] == list(expected.columns) and len(read) == 1 + len(table)
    for row, wanted in zip(read[1:], expected.itertuples(index=False), strict=True):
        for value, other in zip(row, wanted, strict=True):
            if isinstance(other, float):
                # openpyxl writes sixteen digits, Excel keeps fifteen
                assert (value is None and np.isnan(other)) or value == pytest.approx(other, rel=1e-15)
            elif isinstance(other, int | np.integer | np.bool_):
                assert value == other
            else:
                assert (value or "") == ("" if pd.isna(other) else str(other))
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    if "heading" in table.attrs:
        about = {row[0].value: row[1].value for row in book["about results"].iter_rows()}
        assert about["heading"] == table.attrs["heading"]


def test_polars_has_the_same_values(table):
    here, expected = table.to_polars(), table.with_labels()
    assert here.columns == list(expected.columns) and here.height == len(table)
    for name in here.columns:
        if here[name].dtype.is_numeric():
            np.testing.assert_array_equal(
                here[name].cast(pl.Float64).to_numpy(), expected[name].astype(float).to_numpy()
            )
        else:
            assert [str(v) for v in here[name] if v is not None] == [str(v) for v in expected[name] if not pd.isna(v)]


def test_excel_shows_what_prints():
    table = Table(
        {"term": ["a", "b", "c"], "estimate": [1.23456, 1234.5, 3e-12], "sd": [0.0123, 45.6, 1.2e-13], "n": 7}
    )
    formats = written_formats(table)
    assert formats["estimate"] == ["0.000", "0", "0.00E+00"] and formats["sd"] == ["0.000", "0", "0.0E+00"]
    assert formats["n"] == ["General"] * 3


def written_formats(table):
    stream = io.BytesIO()
    with pd.ExcelWriter(stream, engine="openpyxl") as writer:
        table.to_excel(writer, "one")
        table.to_excel(writer, "two", index=False)
        assert writer.book.sheetnames == ["one", "two"]
        sheet = writer.book["one"]
        return {row[0].value: [cell.number_format for cell in row[1:]] for row in sheet.iter_cols()}


def test_several_models_have_a_column_for_each_number(fits):
    both = bg.table({"a": fits[0], "b": fits[1]})
    assert list(both.to_polars().columns)[:5] == ["component", "group", "term", "a mean", "a sd"]


def test_what_is_missing_is_named(tmp_path):
    code = (
        "import sys; sys.modules.update(openpyxl=None, polars=None); import bayes_glmm as bg\n"
        "for write in ('to_polars', 'to_excel'):\n"
        "    try: getattr(bg.list_datasets(), write)(*(['a.xlsx'] if write == 'to_excel' else []))\n"
        "    except bg.errors.GLMMError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "pip install 'bayes_glmm[polars]'" in done.stdout and "pip install 'bayes_glmm[excel]'" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_writer_of_another_engine_is_refused(tmp_path):
    with pd.ExcelWriter(tmp_path / "a.xlsx", engine="openpyxl") as writer:
        bg.list_datasets().to_excel(writer)  # a workbook must have a sheet
        writer._engine = "odf"
        with pytest.raises(GLMMError, match="engine='openpyxl'.*not one of 'odf'"):
            bg.list_datasets().to_excel(writer, "again")
