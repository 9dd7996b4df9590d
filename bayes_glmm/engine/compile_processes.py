"""The engine's functions compiled by processes of their own, side by side, the first time a machine needs them.

Input: names of functions. Output: their machine code on disk. numba compiles in one thread of a process whatever the
machine has, and a first fit is hardly more than compiling. In a process that does nothing else the code is the same
every time, whatever the user's process compiled before: one seed gives the same draws after an update, too.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_PATIENCE = 0.02  # seconds between looks at the processes


def can_start_processes() -> bool:
    """Say whether this program can start Python.

    Returns
    -------
    bool
        False in a frozen application, whose executable is not an interpreter.
    """
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def compile_in_processes(names: Sequence[str], processors: int, folder: Path, cache_dir: str) -> None:
    """Compile functions and keep their code where `bayes_glmm.engine.native` looks for it.

    Parameters
    ----------
    names
        Names of `NativeFunction`s of the engine's modules, what takes longest first.
    processors
        How many processes may work at a time.
    folder
        Where the code is kept.
    cache_dir
        numba's setting of that name in this process.
    """
    waiting, running = list(names), dict[str, subprocess.Popen[bytes]]()
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",  # the order of sets is the order of functions in the code
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        **({"NUMBA_CACHE_DIR": cache_dir} if cache_dir else {}),
    }
    try:
        while waiting or running:
            while waiting and len(running) < processors:
                name = waiting.pop(0)
                running[name] = _process(name, folder, environment)
            time.sleep(_PATIENCE)
            for name in [name for name, process in running.items() if process.poll() is not None]:
                if code := running.pop(name).returncode:
                    # if this is the function's fault, the error comes up when it is compiled by who needs it
                    print(f"bayes_glmm: compiling {name} in a process of its own failed ({code}).", file=sys.stderr)
    finally:
        for process in running.values():  # interrupted
            process.kill()
            process.wait()


def _process(name: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    nowhere = subprocess.DEVNULL
    command = [sys.executable, "-P", "-m", __name__, name, str(folder)]  # -P: no module of the folder it is started in
    window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(
        command, env=environment, stdin=nowhere, stdout=nowhere, stderr=nowhere, creationflags=window
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for other programs that compile the same; where files have no such locks, both compile it."""
    if fcntl is None:
        yield
        return
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)


def _main() -> None:
    """Compile one function; the engine's modules are found by name, since they import this one."""
    name, folder = sys.argv[1:]
    importlib.import_module(f"bayes_glmm.engine.{name.partition('.')[0]}")
    native: Any = importlib.import_module("bayes_glmm.engine.native")
    with _alone(Path(folder) / f"{name}.lock"):
        if not native.FUNCTIONS[name].is_whole():
            native.FUNCTIONS[name].compile_here()


if __name__ == "__main__":
    _main()
