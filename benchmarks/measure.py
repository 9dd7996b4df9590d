"""Run one fit in a fresh process with caches, cores and time of its own.

Input: a case, a peer, a folder of compile caches. Output: a record of what the fit cost and of how good its draws are.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.case import Case
from benchmarks.peers import Peer
from benchmarks.score import read_draws, score_draws

ROOT = Path(__file__).resolve().parents[1]
CHAINS, CORES = 4, 2


@dataclass(frozen=True)
class Data:
    """A case's data on disk, as Python and R read it."""

    folder: Path

    @property
    def pickle(self) -> Path:
        """For Python, categories included."""
        return self.folder / "data.pkl"


def write_data(case: Case, folder: Path) -> Data:
    """Write a case's data once for all peers."""
    folder.mkdir(parents=True, exist_ok=True)
    data = Data(folder)
    frame = case.load()
    frame.to_pickle(data.pickle)
    frame.to_csv(folder / "data.csv", index=False)
    factors = [name for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    levels = [(name, level) for name in factors for level in frame[name].cat.categories]
    pd.DataFrame(levels, columns=["column", "level"]).to_csv(folder / "levels.csv", index=False)
    return data


def child_environment(cache: Path) -> dict[str, str]:
    """Return the environment of a child: one thread for linear algebra, compile caches in a folder of their own.

    Python keeps bytecode, as it does for everybody: without it every import compiles thousands of files again.
    """
    cache.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **inherited,
        **threads,
        "NUMBA_NUM_THREADS": str(CORES),
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
        "PYTHONPATH": str(ROOT),
    }


def use_two_cores() -> None:
    """Restrict a child to two processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


@dataclass(frozen=True)
class Finished:
    """How a process ended.

    Parameters
    ----------
    status
        ``"ok"``, ``"timeout"`` or ``"failed"``.
    wall_s
        From start to end, interpreter and imports included.
    output, errors
        Standard output, and the end of standard error.
    """

    status: str
    wall_s: float
    output: str
    errors: str


def run_process(command: Sequence[str], environment: dict[str, str], timeout: float) -> Finished:
    """Run a command to its end or to its time limit; at the limit it is ended with all its workers."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=use_two_cores,
    )
    try:
        output, errors = process.communicate(timeout=timeout)
        status = "ok" if process.returncode == 0 else "failed"
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)  # the group of this child alone
        output, errors = process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        status = "timeout"
    return Finished(status, time.perf_counter() - started, output, errors[-2000:])


def run_child(
    case: Case, peer: Peer, data: Data, cache: Path, *, seed: int, timeout: float, wall: bool = False
) -> dict[str, Any]:
    """Fit a case with a peer in a fresh process.

    Parameters
    ----------
    case, peer, data
        What is fitted, by whom, and the data on disk.
    cache
        Folder of the compile caches; an empty one gives a cold run.
    seed
        Seed of the run.
    timeout
        Seconds after which the run is ended.
    wall
        Whether ours is timed as a user's wall clock has it: what fit() imports counts, and a second fit follows.

    Returns
    -------
    dict
        ``status``, seconds, peak memory, and for a posterior the scores of `score_draws`.
    """
    with tempfile.TemporaryDirectory(prefix="bayes_glmm-bench-") as name:
        folder = Path(name)
        job: dict[str, Any] = {
            "peer": peer.name,
            "package": peer.package,
            "family": case.family,
            "formula": case.formula if peer.language == "python" else case.r_formula,
            "data": str(data.pickle if peer.language == "python" else data.folder),
            "folder": name,
            "seed": seed,
            "cores": CORES,
            "chains": CHAINS,
        }
        load = os.getloadavg()[0]
        finished = run_process(_command(peer, job | {"wall": wall}, folder), child_environment(cache), timeout)
        record: dict[str, Any] = {
            "case": case.name,
            "peer": peer.name,
            "seed": seed,
            "status": finished.status,
            "wall_s": finished.wall_s,
            "load_before": load,
        }
        if finished.status != "ok":
            return record | {"errors": finished.errors, "timeout": timeout}
        result = _read_result(peer, folder)
        record |= result
        if peer.posterior:
            record |= score_draws(*read_draws(folder, result), seconds=result["seconds"])
        return record


def _command(peer: Peer, job: dict[str, Any], folder: Path) -> list[str]:
    if peer.language == "python":
        path = folder / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        return [sys.executable, "-m", "benchmarks.child", str(path)]
    path = folder / "job.dcf"
    path.write_text("".join(f"{key}: {value}\n" for key, value in job.items()), encoding="utf-8")
    return ["Rscript", str(ROOT / "benchmarks" / "child.R"), str(path)]


def _read_result(peer: Peer, folder: Path) -> dict[str, Any]:
    if peer.language == "python":
        result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        return result
    lines = (folder / "result.dcf").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(": ", 1) for line in lines if ": " in line)
    return {key: float(value) for key, value in pairs if value != "NA"}
