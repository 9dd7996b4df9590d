"""The python of the README and of the page on the first hour runs as it stands, top to bottom."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import bayes_glmm as bg

README = Path(__file__).parents[1] / "README.md"
FIRST_HOUR = README.parent / "docs" / "first_hour.md"


def test_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 3
    # fewer draws would do, but the README is tested as readers will run it, without the progress bar
    code = "\n".join(blocks).replace("model.fit(random_seed=1)", "model.fit(random_seed=1, progressbar=False)")
    namespace: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), namespace)
    printed = capsys.readouterr().out
    assert "p(incidence, size) ~ period + (1 | herd)" in printed and "Converged" in printed
    plt.close("all")
    quoted = {"one_herd": [0.39, 0.35, 0.23], "all_herds": [0.42, 0.37, 0.25]}
    for name, estimates in quoted.items():
        table = namespace[name]
        # the Monte-Carlo error of a mean of about 2000 effective draws, and the rounding to two digits
        assert list(table["estimate"]) == pytest.approx(estimates, abs=0.005 + 4 * 0.12 / 2000**0.5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
def test_the_first_hour_runs(tmp_path, monkeypatch, capsys):
    """The page's code runs from top to bottom, and the numbers of its table are the ones that it gives."""
    monkeypatch.chdir(tmp_path)
    page = FIRST_HOUR.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    namespace: dict[str, object] = {}
    exec(compile(code, str(FIRST_HOUR), "exec"), namespace)
    plt.close("all")
    printed = capsys.readouterr().out
    for said in re.findall(r'"([^"]{20,})"', page.split("| step |")[1].split("What goes wrong")[0]):
        assert said in printed or "compiling" in said, said
    one, every = (namespace[name].iloc[0] for name in ("one", "every"))
    # four Monte-Carlo errors of a mean of about 2000 effective draws, and the rounding
    assert one["estimate"] == pytest.approx(6.4, abs=0.05 + 4 * 4.2 / 2000**0.5)
    assert every["estimate"] == pytest.approx(8.6, abs=0.05 + 4 * 7.3 / 2000**0.5)


def test_the_first_hours_slips_are_answered_as_it_says():
    plants = bg.load_dataset("Arabidopsis")
    typed = re.search(r"\| what was typed .*", FIRST_HOUR.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    formulas = re.findall(r"^\| `(\S+ ~ [^`]+)` \| (.*) \|$", typed, flags=re.MULTILINE)
    assert len(formulas) == 3
    for formula, said in formulas:
        with pytest.raises(bg.errors.GLMMError) as caught:
            bg.GLMM(formula, plants)
        assert said.replace("`` ", "").replace(" ``", "") in str(caught.value)
