"""The notebooks run as a reader would run them, hold the outputs that running them gives, and carry nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

matplotlib.use("Agg")

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def answers(path: Path) -> list[str]:
    """Return the code in the folded answers to the exercises."""
    folded = [re.findall(r"<details>.*?</details>", "".join(cell["source"]), re.S) for cell in cells(path, "markdown")]
    return re.findall(r"```python\n(.*?)```", "".join(sum(folded, [])), re.S)


def run(name: str, with_answers: bool = False) -> dict:
    """Run every code cell in one namespace, then the answers to the exercises if asked for."""
    path = EXAMPLES / f"{name}.ipynb"
    space: dict = {"__name__": "notebook"}
    code = ["".join(cell["source"]) for cell in cells(path, "code")] + answers(path) * with_answers
    with matplotlib.rc_context():
        for number, source in enumerate(code):
            exec(compile(source, f"{path.name}, code cell {number}", "exec"), space)
    plt.close("all")
    return space


def holds(row, truth: float) -> bool:
    """Say whether the interval of a row of effects holds the truth."""
    return bool(row["lower"] < truth < row["upper"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_complete_and_nobodys_machine(path):
    text = path.read_text()
    assert len(text) < 600_000
    assert not re.search(r"/(home|root|Users|tmp|usr|opt)/", text)
    for cell in cells(path, "code"):
        assert cell["execution_count"], "a cell was not run"
        assert not [out for out in cell["outputs"] if out["output_type"] == "error" or out.get("name") == "stderr"]
    assert [cell["execution_count"] for cell in cells(path, "code")] == list(range(1, len(cells(path, "code")) + 1))


def test_infection_protocol_tells_both_stories_from_one_fit(capsys):
    space = run("infection_protocol")
    manager, minister = space["manager"].iloc[0], space["minister"].iloc[0]
    assert manager["lower"] < space["true_manager"] < manager["upper"]
    assert minister["lower"] < space["true_minister"] < minister["upper"]
    assert manager["estimate"] < space["true_minister"] < 1  # the minister's odds ratio is the one nearer to 1
    country = space["differences"]["all hospitals"].iloc[0]
    assert country["lower"] < space["true_difference"] < country["upper"] < 0
    assert np.abs(country["estimate"]) > np.abs(space["differences"]["one typical hospital"]["estimate"].iloc[0])
    assert "posterior probability" in capsys.readouterr().out


def test_step_counts_find_the_factor_of_coaching_after_the_last_repair_only():
    space = run("step_counts")
    effects, truth = space["effects"], space["true_factor"]
    assert [holds(row, truth) for row in effects.values()] == [False, False, False, True]
    widths = {name: row["upper"] - row["lower"] for name, row in effects.items()}
    assert widths["Poisson"] < 0.005 < 0.1 < widths["negative binomial"]
    assert space["negative"] > 0.3 and space["ratio"] > 1000
    assert 19e6 < space["days"]["steps"].sum() < 21e6  # "some twenty million" steps
    sds = {name: space[name].summary().set_index("term") for name in ("negative_binomial", "mixed")}
    assert sds["mixed"].loc["phi", "mean"] > 1.4 * sds["negative_binomial"].loc["phi", "mean"]
    assert sds["mixed"].loc["age", "sd"] > 3 * sds["negative_binomial"].loc["age", "sd"]


@pytest.mark.slow
def test_answers_of_step_counts():
    space = run("step_counts", with_answers=True)
    assert space["sd_of_a_person"] == pytest.approx(4001, rel=0.02)
    assert space["weekend_sd"]["ci_lower"] < 0.05
    assert space["epil"]["y"].var() / space["epil"]["y"].mean() == pytest.approx(18, abs=0.5)
    last = {name: space[name].summary().set_index("term").loc["V4"] for name in ("epil_poisson", "epil_negative")}
    width = {name: row["ci_upper"] - row["ci_lower"] for name, row in last.items()}
    assert width["epil_negative"] > 1.5 * width["epil_poisson"]
    assert last["epil_poisson"]["ci_upper"] < 0 < last["epil_negative"]["ci_upper"]


def test_the_course_lists_every_notebook_once():
    listed = re.findall(r"^\d\. \[(\w+)\.ipynb\]", (EXAMPLES / "README.md").read_text(), re.M)
    assert sorted(listed) == [path.stem for path in NOTEBOOKS]
