"""The README's python runs as it stands, top to bottom."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

README = Path(__file__).parents[1] / "README.md"


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
