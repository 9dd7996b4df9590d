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


def run(path: Path) -> dict:
    """Run every code cell in one namespace."""
    space: dict = {"__name__": "notebook"}
    with matplotlib.rc_context():
        for number, cell in enumerate(cells(path, "code")):
            exec(compile("".join(cell["source"]), f"{path.name}, code cell {number}", "exec"), space)
    plt.close("all")
    return space


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
    space = run(EXAMPLES / "infection_protocol.ipynb")
    manager, minister = space["manager"].iloc[0], space["minister"].iloc[0]
    assert manager["lower"] < space["true_manager"] < manager["upper"]
    assert minister["lower"] < space["true_minister"] < minister["upper"]
    assert manager["estimate"] < space["true_minister"] < 1  # the minister's odds ratio is the one nearer to 1
    country = space["differences"]["all hospitals"].iloc[0]
    assert country["lower"] < space["true_difference"] < country["upper"] < 0
    assert np.abs(country["estimate"]) > np.abs(space["differences"]["one typical hospital"]["estimate"].iloc[0])
    assert "posterior probability" in capsys.readouterr().out
