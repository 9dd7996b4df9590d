"""The example that ``make demo`` runs tells its story and leaves a figure."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "quickstart.py"


def test_quickstart_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(EXAMPLE.parents[1])},
    )
    assert "Converged" in done.stdout and "Over the population of herds" in done.stdout
    assert (tmp_path / "out" / "quickstart.png").stat().st_size > 10_000
