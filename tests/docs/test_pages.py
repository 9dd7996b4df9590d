"""The pages of tutorial, how-to and explanation: their code is Python and, slowly, runs from top to bottom."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import bayes_glmm as bg

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [page for room in ("tutorial", "howto", "explanation") for page in sorted((DOCS / room).glob("[!i]*.md"))]
CELL = re.compile(r"```\{code-cell\} ipython3\n((?::[^\n]*\n)*)(.*?)```", flags=re.DOTALL)
FENCE = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_hold_python_and_fits_have_seeds(page):
    text = page.read_text(encoding="utf-8")
    codes = [code for _, code in CELL.findall(text)] + FENCE.findall(text)
    assert codes
    for code in codes:
        ast.parse(code)
    for call in re.findall(r"\.fit\(([^)]*)\)", "\n".join(codes)):
        assert "random_seed=" in call, call
    # a page shows what its cells give; nothing stands for it that somebody forgot to fill in
    assert not re.search(r"\b(FILL|TODO|XX+)\b", text)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning", "ignore::UserWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {"__name__": "page"}
    for tags, code in CELL.findall(page.read_text(encoding="utf-8")):
        if "raises-exception" in tags:
            with pytest.raises(bg.errors.GLMMError):
                exec(compile(code, page.name, "exec"), space)
        else:
            exec(compile(code, page.name, "exec"), space)
        plt.close("all")


@pytest.mark.slow
def test_the_tutorial_says_what_its_code_gives(tmp_path, monkeypatch):
    """Numbers of its sentences, within four Monte-Carlo errors (2000 effective draws) and the rounding."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for _, code in CELL.findall((DOCS / "tutorial" / "from_csv.md").read_text(encoding="utf-8")):
        exec(compile(code, "from_csv.md", "exec"), space)
    plt.close("all")
    one, every = (space[name].iloc[0]["estimate"] for name in ("one", "all_patients"))
    assert 1.5 < every / one < 2.5  # "by a factor of nearly two"
    checks = space["checks"]
    assert checks.loc["time", "p_value"] < 0.01 < 0.3 < checks.loc["uniformity", "p_value"]
    answers = [
        bg.avg_comparisons(space[name], "treatment", newdata=space["year"], random_effects="marginal").iloc[0]
        for name in ("fit", "bent")
    ]
    for answer in answers:  # "about four in a hundred", and hardly another number after the change
        assert answer["estimate"] == pytest.approx(-0.043, abs=0.005 + 4 * answer["sd"] / 2000**0.5)
