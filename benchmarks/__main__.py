"""Command line of the benchmark: ``python -m benchmarks``; see ``--help``.

Input: which data sets, which peers, how often. Output: ``runs.jsonl`` (appended as runs end), ``benchmarks.json`` and
``benchmarks.md``, rewritten after every data set, in the folder of ``--out``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bars import all_bars
from benchmarks.case import Case
from benchmarks.cases import CASES, FAMILIES, HARD, LISTED, SERIES
from benchmarks.measure import ROOT, Data, run_child, write_data
from benchmarks.peers import OURS, PEERS, Peer, available
from benchmarks.report import describe_machine, known_cases, page, put_into_docs, read_json, take_medians

QUICK = ("cbpp", "sleepstudy")
SLOW_S = 120.0


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours and each peer, in the same run.")
    parser.add_argument("--datasets", nargs="+", choices=list(CASES), help="default: the listed data sets")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), help="default: all")
    parser.add_argument("--repeats", type=int, default=3, help="runs that count, a peer and data set (default 3)")
    parser.add_argument("--series", action="store_true", help="also the simulated series of 10^3 to 10^6 rows")
    parser.add_argument("--hard", action="store_true", help="only the hard part: small clusters that differ a lot")
    parser.add_argument("--families", action="store_true", help="only responses that few packages have")
    parser.add_argument(
        "--peers-up-to", type=int, default=10_000, metavar="ROWS", help="of simulated data, for the peers"
    )
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds a run may take (default 900)")
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(QUICK)}, one run each")
    parser.add_argument("--keep-caches", action="store_true", help="one compile cache a peer, kept: no cold column")
    parser.add_argument("--resume", action="store_true", help="keep the runs of --out and go on after them")
    parser.add_argument("--report", action="store_true", help="run nothing: write the table from the runs of --out")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "benchmarks", help="folder of the results")
    parser.add_argument("--docs", type=Path, help="page whose table is replaced, for example docs/benchmarks.md")
    return parser.parse_args(arguments)


class Log:
    """The runs so far, on disk as they come.

    Parameters
    ----------
    path
        JSON, one run a line.
    keep
        Whether to keep what is there.
    """

    def __init__(self, path: Path, keep: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not keep:
            path.unlink(missing_ok=True)
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.runs: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def add(self, run: dict[str, Any]) -> None:
        """Append one run."""
        self.runs.append(run)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(run) + "\n")

    def has(self, case: Case, peer: Peer) -> bool:
        """Whether a peer's turn on a case is over."""
        return any(run["case"] == case.name and run["peer"] == peer.name and run["last"] for run in self.runs)


def measure_peer(
    case: Case, peer: Peer, data: Data, log: Log, repeats: int, timeout: float, kept: Path | None = None
) -> None:
    """Run a peer on a case: a first run with empty caches, which is the cold column, then the runs that count.

    Packages that compile nothing have no first run. Where a run takes longer than two minutes there is one that counts.
    With caches that are `kept` the first run is not cold; it does not count either.
    """
    with tempfile.TemporaryDirectory(prefix="bayes_glmm-cache-") as fresh:
        cache = kept / peer.name if kept is not None else fresh
        phases = ["first" if kept else "cold"] * peer.compiles + ["warm"] * repeats
        for number, phase in enumerate(phases):
            run = run_child(case, peer, data, Path(cache), seed=100 + number, timeout=timeout)
            slow = run["status"] == "ok" and phase == "warm" and run["seconds"] > SLOW_S
            last = number == len(phases) - 1 or slow or run["status"] != "ok"
            log.add(run | {"phase": phase, "last": last})
            print(_line(run, phase), flush=True)
            if last:
                return


def _line(run: dict[str, Any], phase: str) -> str:
    text = f"{run['case']:>17} {run['peer']:>12} {phase}: {run['status']}"
    if run["status"] != "ok":
        return f"{text}\n{run['errors']}"
    text += f", {run['seconds']:.2f} s"
    if "ess" in run:
        text += f", ESS {run['ess']:.0f} ({run['worst_parameter']}), {run['ess_per_s']:.1f}/s"
        text += f", {run['gradients_per_draw']:.1f} gradients a draw, R-hat {run['r_hat']:.4f}"
        text += f", {run['divergences']:g} divergences"
    return f"{text}, {run.get('peak_mib', float('nan')):.0f} MiB"


def write_report(log: Log, missing: dict[str, str], out: Path, docs: Path | None) -> str:
    """Write medians, bars and the page; return the page."""
    medians = take_medians(log.runs)
    gradient, wall = read_json(out / "gradient.json"), read_json(out / "walltime.json")
    bars = all_bars(medians, gradient, wall, read_json(out / "effects.json"))
    machine = describe_machine()
    rows = [{"case": case, "peer": peer, **row} for (case, peer), row in medians.items()]
    result = {"machine": machine, "missing": missing, "bars": [asdict(bar) for bar in bars], "rows": rows}
    (out / "benchmarks.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    text = page(medians, bars, machine, missing)
    (out / "benchmarks.md").write_text(text, encoding="utf-8")
    if docs is not None:
        put_into_docs(docs, text)
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = parse_arguments(arguments)
    names = options.datasets or (list(QUICK) if options.quick else [case.name for case in LISTED])
    names = [case.name for case in HARD] if options.hard else names
    names = [case.name for case in FAMILIES] if options.families else names
    names += [case.name for case in SERIES] if options.series and not options.quick else []
    repeats = 1 if options.quick else options.repeats
    log = Log(options.out / "runs.jsonl", keep=options.resume or options.report)
    peers, missing = available(options.peers)
    kept = options.out / "caches" if options.keep_caches else None
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}", flush=True)
    for case in [] if options.report else known_cases(names):
        with tempfile.TemporaryDirectory(prefix="bayes_glmm-data-") as folder:
            data = write_data(case, Path(folder))
            for peer in peers:
                too_long = case.part in ("series", "hard") and case.rows > options.peers_up_to and peer is not OURS
                has_model = not case.peers or peer.name in case.peers
                if has_model and not too_long and not log.has(case, peer):
                    measure_peer(case, peer, data, log, repeats, options.timeout, kept)
        write_report(log, missing, options.out, None)
    print(write_report(log, missing, options.out, None if options.quick else options.docs))


if __name__ == "__main__":
    main()
