"""Every script in examples/ runs from an empty folder, without a warning, and says what its text promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))
#: What a script says, and the figures that it leaves in out/.
TOLD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "alligators": (("Converged", "muinvertebrate_size[small]", "probability of each category of food"), ()),
    "animal_model": (("Converged", "Pedigree of 720 animals", "It is 0.43 in truth", "The best founders"), ()),
    "growth": (("Converged", "smooth", "sd[s(Time)]", "new Chick"), ("growth.png",)),
    "lip_cancer": (("Converged", "phi(district)", "Adjacency of 56 regions", "crude"), ()),
    "mares": (("Converged", "rho(Mare:day)", "left out of what predicts"), ()),
    "meta_analysis": (("Converged", "tau", "On average the log risk ratio is"), ("forest.png", "funnel.png")),
    "missing_values": (("Converged", "20 frames of 176", "4 more without a response", "rows dropped"), ()),
    "quickstart": (("Converged", "Over the population of herds"), ("quickstart.png",)),
    "two_formulas": (("Converged", "sigma_Days", "The correlation is positive with probability"), ()),
    "two_responses": (("Converged", "Probability of cpos, marginal", "Slope 0."), ()),
    "waiting_times": (("Converged", "censored"), ()),
}
#: What `make demo` runs; the others run with the slow tests.
FAST = ("quickstart",)


@pytest.mark.parametrize("name", [pytest.param(s, marks=[pytest.mark.slow] * (s not in FAST)) for s in SCRIPTS])
def test_it_runs(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(EXAMPLES.parent)},
    )
    assert done.returncode == 0, done.stderr
    said, figures = TOLD[name]
    assert [words for words in said if words not in done.stdout] == [], done.stdout
    assert "Do not rely on these draws" not in done.stdout
    assert all((tmp_path / "out" / figure).stat().st_size > 10_000 for figure in figures)


def test_every_script_is_told_and_listed():
    assert sorted(TOLD) == SCRIPTS
    listed = (EXAMPLES / "README.md").read_text()
    assert [name for name in SCRIPTS if f"`{name}.py`" not in listed] == []
