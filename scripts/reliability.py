"""Run the checks of docs/reliability.md and write their tables into it.

Run from the repository's root as ``python scripts/reliability.py``, with names of parts (published, documented, traps,
invariance, residuals, residual_sizes, inputs, fuzz, coverage, mutation) for these alone; all parts take about three
hours on two cores. Each part replaces what stands between its two markers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"


def published() -> str:
    """Compare with published fits and posteriors."""
    return str(importlib.import_module("tests.published.table").section())


def documented() -> str:
    """Fit documented models of other people's data, and compare sds with lme4's."""
    return str(importlib.import_module("tests.documented.fits").section())


def traps() -> str:
    """Compare models at awkward scales with the same models at friendly ones, fitted by other programs."""
    return str(importlib.import_module("tests.traps.table").section())


def invariance() -> str:
    """Write the same data and model in other ways and compare the answers."""
    return str(importlib.import_module("tests.invariance.table").section())


def residuals() -> str:
    """Simulate the situations of DHARMa's vignette and count which residual tests speak up."""
    return str(importlib.import_module("tests.checks.dharma").section())


def residual_sizes() -> str:
    """Count how often residual tests call right models wrong, over families and shapes."""
    return str(importlib.import_module("tests.checks.residual_sizes").section())


def inputs() -> str:
    """Show what happens to bad and awkward inputs, here and at the nearest peer."""
    return str(importlib.import_module("tests.inputs.table").section())


def fuzz() -> str:
    """Fuzz everything that is parsed."""
    return str(importlib.import_module("tests.properties.fuzz").section())


def coverage() -> str:
    """Measure the lines and branches of the package that ``make test`` runs."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COVERAGE_FILE": str(Path(folder) / "data")}
        report = Path(folder) / "report.json"
        python = [sys.executable, "-m", "coverage"]
        # not checked: under a tracer tests that ask for speed may fail
        subprocess.run([*python, "run", "-m", "pytest", "-q", "-n", "2"], cwd=ROOT, env=environment, check=False)
        subprocess.run([*python, "combine", "-q"], cwd=ROOT, env=environment, check=True)
        subprocess.run([*python, "json", "-q", "-o", str(report)], cwd=ROOT, env=environment, check=True)
        return coverage_table(json.loads(report.read_text(encoding="utf-8")))


def coverage_table(content: dict[str, Any]) -> str:
    """Write what coverage.py reports, room by room."""
    totals = content["totals"]
    lines = [
        f"**{totals['percent_covered']:.1f} %** of lines and branches together: {totals['covered_lines']} of "
        f"{totals['num_statements']} lines, {totals['covered_branches']} of {totals['num_branches']} branches.",
        "",
        "| room | covered |",
        "| --- | --: |",
    ]
    rooms: dict[str, list[int]] = {}
    for path, file in content["files"].items():
        parts = Path(path).parts
        room = parts[1] if len(parts) > 2 else "(top)"
        found = rooms.setdefault(room, [0, 0])
        summary = file["summary"]
        found[0] += summary["covered_lines"] + summary.get("covered_branches", 0)
        found[1] += summary["num_statements"] + summary.get("num_branches", 0)
    lines += [f"| {room} | {100 * done / max(total, 1):.1f} % |" for room, (done, total) in sorted(rooms.items())]
    return "\n".join(lines)


def mutation() -> str:
    """Change operators and numbers one at a time and see which changes no test notices."""
    results = ROOT / "out" / "mutation.json"
    if not results.exists():
        subprocess.run([sys.executable, "scripts/mutate.py"], cwd=ROOT, check=True)
    lines = ["| file | mutants tried | killed | survived |", "| --- | --: | --: | --- |"]
    for file, found in json.loads(results.read_text(encoding="utf-8")).items():
        left = "; ".join(f"`{survivor}`" for survivor in found["survivors"]) or "none"
        tried = found["mutants"]
        lines.append(f"| {file} | {tried} | {tried - len(found['survivors'])} | {left} |")
    return "\n".join(lines)


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (published, documented, traps, invariance, residuals, residual_sizes, inputs, fuzz, coverage, mutation)
}


def replace_part(name: str, text: str) -> None:
    """Put a part's text between its markers."""
    begin, end = f"<!-- {name} begins: written by scripts/reliability.py -->", f"<!-- {name} ends -->"
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    if not found:
        raise RuntimeError(f"{PAGE} has no place for {name}")
    after = rest.partition(end)[2]
    PAGE.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    sys.path.insert(0, str(ROOT))
    for name in parser.parse_args().parts or PARTS:
        print(f"{name} ...", flush=True)
        replace_part(name, PARTS[name]())


if __name__ == "__main__":
    main()
