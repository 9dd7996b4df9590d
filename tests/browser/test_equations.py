"""Equations in a browser without a network: laid out as formulas, relations below each other."""

import pytest

import bayes_glmm as bg

FORMULAS = {
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "gaussian"),
    "cbpp": ("p(incidence, size) ~ period + (1 | herd)", "binomial"),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_equation_is_laid_out(pages, tmp_path, name):
    formula, family = FORMULAS[name]
    path = tmp_path / "equation.html"
    shown = bg.GLMM(formula, bg.load_dataset(name), family=family).equation()._repr_html_()
    path.write_text(f"<!doctype html><meta charset=utf-8>{shown}", encoding="utf-8")
    page = pages(width=400).open(path)
    rows = page.evaluate(
        "[...document.querySelectorAll('math > mtable > mtr')].map(row => [...row.children].map(cell => {"
        "const b = cell.lastElementChild?.getBoundingClientRect(); return b ? [b.left, b.right, b.height] : null}))"
    )
    assert len(rows) >= 3 and all(height > 5 for row in rows for _, _, height in row[1:])
    # the left sides end where the relations begin
    ends = {round(row[0][1]) for row in rows if row[0]}
    assert max(ends) - min(ends) <= 1
    # the page keeps its width: the equation is what moves
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
