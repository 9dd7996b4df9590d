"""From the runs to medians and a Markdown page.

Input: the records of `measure.run_child`, one a run. Output: medians by case and peer, and the page the docs show.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bars import BAYESIAN_PEERS, Bar, Medians, geometric_mean, ratio
from benchmarks.case import Case
from benchmarks.cases import CASES, FAMILIES, HARD, LISTED, SERIES
from benchmarks.measure import CORES, ROOT
from benchmarks.peers import PEERS, version_of

BEGIN, END = "<!-- table begins: written by python -m benchmarks -->", "<!-- table ends -->"
_LIBRARIES = ("nutpie", "pymc", "pytensor", "numba", "numpy", "arviz")


def take_medians(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Reduce runs to one row a case and peer.

    Parameters
    ----------
    runs
        Records; ``phase`` is ``"cold"`` (the first run, empty caches), ``"first"`` (caches kept) or ``"warm"``.

    Returns
    -------
    dict
        Medians of the warm runs; ``cold_s`` and ``cold_import_s`` of the first; ``repeats``; the lowest ESS, highest
        R-hat and most divergences of any warm run.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        groups[run["case"], run["peer"]].append(run)
    return {key: _median_row(group) for key, group in groups.items()}


def _median_row(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    warm = [run for run in group if run["phase"] == "warm" and run["status"] == "ok"]
    cold = [run for run in group if run["phase"] == "cold" and run["status"] == "ok"]
    broken = [run for run in group if run["status"] != "ok"]
    row: dict[str, Any] = {"repeats": len(warm), "status": "ok" if warm else (broken or group)[-1]["status"]}
    row["loads"] = [run["load_before"] for run in group]
    if broken:
        row |= {"broken": len(broken), "timeout": broken[-1].get("timeout"), "errors": broken[-1].get("errors", "")}
    if cold:
        row |= {"cold_s": cold[-1]["seconds"], "cold_import_s": cold[-1]["import_s"]}
    if not warm:
        return row
    for key, value in warm[0].items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            row[key] = statistics.median(run[key] for run in warm if key in run)
        elif key in ("attrs", "worst_parameter"):
            row[key] = value
    if "ess" in row:
        row["ess_lowest"] = min(run["ess"] for run in warm)
        row["r_hat_highest"] = max(run["r_hat"] for run in warm)
        row["divergences"] = max(run["divergences"] for run in warm)
    return row


def describe_machine() -> dict[str, Any]:
    """Say what the figures were taken on: processor, versions, commit."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    from importlib.metadata import version

    versions = {peer.package: version_of(peer) for peer in PEERS.values()}
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "cores_used": CORES,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions | {name: version(name) for name in _LIBRARIES},
        "commit": git.stdout.strip(),
    }


def page(medians: Medians, bars: Sequence[Bar], machine: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    """Write the Markdown page: machine, bars, summary, a table a data set, the series."""
    parts = [_machine_lines(machine, missing, medians), _bar_lines(bars), _summary_lines(medians)]
    parts += [_case_lines(case, medians) for case in LISTED if any(key[0] == case.name for key in medians)]
    titles = {
        "Responses that few packages have": FAMILIES,
        "How cost grows: simulated series, `y ~ x1 + x2 + (1 | group)`, bernoulli": SERIES,
        "Hard data: small clusters of 0/1 responses that differ a lot": HARD,
    }
    for title, cases in titles.items():
        tables = [_case_lines(case, medians) for case in cases if any(key[0] == case.name for key in medians)]
        parts += [f"### {title}\n", *tables] if tables else []
    return "\n".join(parts)


def _machine_lines(machine: Mapping[str, Any], missing: Mapping[str, str], medians: Medians) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items() if value)
    loads = [load for row in medians.values() for load in row["loads"]]
    lines = [
        f"{machine['processor']}, {machine['cores_used']} of {machine['processors']} processors; {machine['system']}; "
        f"Python {machine['python']}; commit {machine['commit']}; {versions}.",
    ]
    if loads:
        lines.append(f"Load average before a run: median {statistics.median(loads):.1f}, highest {max(loads):.1f}.")
        if statistics.median(loads) > 1.5 * CORES:  # the runs before it are in the average too
            lines.append("**Taken on a loaded machine: seconds are too long for everyone.**")
    lines += [f"{name}: left out, {reason}." for name, reason in missing.items()]
    return "\n".join(lines) + "\n"


def _bar_lines(bars: Sequence[Bar]) -> str:
    answer = {True: "yes", False: "**no**", None: "not all measured"}
    rows = [f"| {bar.goal} | {bar.measured} | {answer[bar.reached]} |" for bar in bars]
    return "\n".join(["| bar | measured | reached |", "| --- | --- | --- |", *rows]) + "\n"


def _summary_lines(medians: Medians) -> str:
    """Our ESS a second over each peer's, a line a data set."""
    rows = []
    ratios: dict[str, list[float]] = defaultdict(list)
    for case in (*LISTED, *FAMILIES, *SERIES, *HARD):
        found = {peer: ratio(medians, case.name, peer) for peer in BAYESIAN_PEERS}
        if all(value is None for value in found.values()):
            continue
        for peer, value in found.items():
            if value is not None and case.part == "listed":
                ratios[peer].append(value)
        cells = " | ".join(_number(value, 1, "x") for value in found.values())
        rows.append(f"| {case.name} | {case.rows} | {cells} |")
    if not rows:
        return ""
    means = " | ".join(_number(geometric_mean(ratios[p]) if ratios[p] else None, 1, "x") for p in BAYESIAN_PEERS)
    head = ["| our ESS/s over that of | rows | " + " | ".join(BAYESIAN_PEERS) + " |", "| --- | --: | --: | --: | --: |"]
    return "\n".join([*head, *rows, f"| **geometric mean, listed data** | | {means} |"]) + "\n"


def _case_lines(case: Case, medians: Medians) -> str:
    head = [
        f"### {case.name}: `{case.formula}`, {case.family}, {case.rows} rows\n",
        "| peer | import s | cold s | s | min ESS bulk / tail | ESS/s | ours is | gradients a draw | divergences "
        "| R-hat | peak MiB | parameters | runs |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    rows = [_peer_line(case, name, medians) for name in PEERS if (case.name, name) in medians]
    notes = []
    if case.bambi_drops_correlation and any((case.name, f"bambi-{m}") in medians for m in ("pymc", "nutpie")):
        notes.append("Bambi 0.21 leaves the correlation out: its model is smaller.")
    ours = medians.get((case.name, "ours"), {}).get("attrs", {})
    if ours:
        notes.append(f"Ours: {ours.get('backend')}, {ours.get('path', ours.get('reason'))}; tune {ours.get('tune')}.")
    if "second_run" in ours:
        notes.append(f"{ours['second_run']}.")
    return "\n".join([*head, *rows, "", " ".join(notes)]) + "\n"


def _peer_line(case: Case, name: str, medians: Medians) -> str:
    row = medians[case.name, name]
    if row["status"] != "ok":
        why = f"no result in {row['timeout']:.0f} s" if row["status"] == "timeout" else row["status"]
        return f"| {name} | | {_number(row.get('cold_s'), 2)} | {why} | | | | | | | | | 0 |"
    over = None if name == "ours" else ratio(medians, case.name, name)
    ess = f"{row['ess_bulk']:.0f} / {row['ess_tail']:.0f}" if "ess" in row else ""
    unsound = " (R-hat)" if row.get("r_hat", 1.0) >= 1.01 else ""
    cells = [
        name,
        _number(row["import_s"], 2),
        _number(row.get("cold_s"), 2),
        _number(row["seconds"], 3),
        ess,
        _number(row.get("ess_per_s"), 1) + unsound,
        _number(over, 1, "x"),
        _number(row.get("gradients_per_draw"), 1),
        _number(row.get("divergences"), 0),
        _number(row.get("r_hat"), 4),
        _number(row.get("peak_mib"), 0),
        _number(row.get("parameters"), 0),
        str(row["repeats"]),
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "" if value is None else f"{value:.{digits}f}{unit}"


def read_json(path: Path) -> Any:
    """Read a JSON file; None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def put_into_docs(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a page by the table."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def known_cases(names: Sequence[str]) -> list[Case]:
    """Return the cases of the names, in the table's order."""
    return [case for case in CASES.values() if case.name in names]
