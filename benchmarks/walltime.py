"""Wall times people meet: fit() at defaults, a whole script, Contraception against lme4::glmer, a million rows.

Input: nothing. Output: ``walltime.json`` in the folder of ``--out``. Run as ``python -m benchmarks.walltime``.
Every run is a fresh process; the first of each model fills the compile caches and does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.measure import ROOT, Data, child_environment, run_child, run_process, write_data
from benchmarks.peers import OURS, PEERS, version_of

SCRIPT = """
import bayes_glmm as bg
data = bg.load_dataset({name!r})
fit = bg.GLMM({formula!r}, data, family={family!r}).fit(random_seed=1)
print(fit)
"""
MILLION = "simulated-1000000"


def fit_times(case: Case, data: Data, cache: Path, repeats: int, timeout: float) -> dict[str, Any]:
    """Time the first fit() of a fresh process, with all that it imports, and a second one in that process."""
    runs = [run_child(case, OURS, data, cache, seed=seed, timeout=timeout, wall=True) for seed in range(1, repeats + 2)]
    good = [run for run in runs[1:] if run["status"] == "ok"]
    if not good:
        return {"errors": runs[-1].get("errors", "")}
    names = ("import_s", "model_s", "fit_s", "again_s", "seconds", "ess", "peak_mib")
    return {name: statistics.median(run[name] for run in good) for name in names}


def script_time(case: Case, cache: Path, repeats: int, timeout: float) -> float | None:
    """Time a whole script, from the start of the interpreter to its end."""
    code = SCRIPT.format(name=case.name, formula=case.formula, family=case.family)
    times = []
    for _ in range(repeats):
        finished = run_process([sys.executable, "-c", code], child_environment(cache), timeout)
        if finished.status != "ok":
            print(finished.errors)
            return None
        times.append(finished.wall_s)
    return statistics.median(times)


def against_glmer(data: Data, cache: Path, repeats: int, timeout: float) -> dict[str, Any] | None:
    """Run ours and lme4 in turn on Contraception; None where lme4 is missing."""
    case, lme4 = CASES["Contraception"], PEERS["lme4"]
    if version_of(lme4) is None:
        print("lme4 is not installed: Contraception is not compared.")
        return None
    run_child(case, OURS, data, cache, seed=1, timeout=timeout)
    ours, theirs = [], []
    for seed in range(2, repeats + 2):
        ours.append(run_child(case, OURS, data, cache, seed=seed, timeout=timeout))
        theirs.append(run_child(case, lme4, data, cache, seed=seed, timeout=timeout))
    failed = [run for run in (*ours, *theirs) if run["status"] != "ok"]
    if failed:
        print(failed[0]["errors"])
        return None
    return {
        "ours_s": statistics.median(run["seconds"] for run in ours),
        "ours_fit_s": statistics.median(run["fit_s"] for run in ours),
        "ours_ess": statistics.median(run["ess"] for run in ours),
        "lme4_s": statistics.median(run["seconds"] for run in theirs),
    }


def million(data: Data, cache: Path, timeout: float) -> dict[str, Any]:
    """Fit 10^6 rows with 10 000 groups once, caches warm from the other models."""
    return run_child(CASES[MILLION], OURS, data, cache, seed=1, timeout=timeout)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walltime", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=900.0)
    parser.add_argument("--no-million", action="store_true", help="leave the million rows out")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "benchmarks")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "walltime.json"
    result: dict[str, Any] = {"fit_s": {}, "script_s": {}, "fits": {}}
    with tempfile.TemporaryDirectory(prefix="bayes_glmm-wall-") as name:
        folder = Path(name)
        cache = folder / "cache"
        for case in (CASES["cbpp"], CASES["sleepstudy"]):
            row = fit_times(case, write_data(case, folder / case.name), cache, options.repeats, options.timeout)
            result["fits"][case.name] = row
            result["fit_s"][case.name] = row.get("fit_s")
            result["script_s"][case.name] = script_time(case, cache, options.repeats, options.timeout)
            _keep(path, result, case.name, {**row, "script_s": result["script_s"][case.name]})
        data = write_data(CASES["Contraception"], folder / "Contraception")
        compared = against_glmer(data, cache, options.repeats, options.timeout)
        if compared is not None:
            result["against_glmer"] = compared
            _keep(path, result, "Contraception against lme4::glmer", compared)
        if not options.no_million:
            result["million"] = million(write_data(CASES[MILLION], folder / MILLION), cache, options.timeout)
            _keep(path, result, MILLION, result["million"])


def _keep(path: Path, result: dict[str, Any], title: str, row: dict[str, Any]) -> None:
    """Print a result and write all results so far."""
    shown = ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items() if k != "attrs")
    print(f"{title}: {shown}", flush=True)
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
