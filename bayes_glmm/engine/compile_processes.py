"""The engine's functions compiled by processes of their own, side by side, the first time a machine needs them.

Input: names of functions, those of a process together. Output: their machine code on disk. numba compiles in one thread
of a process whatever the machine has, and a first fit is hardly more than compiling. In a process that does nothing
else the code is the same every time, whatever the user's process compiled before: one seed gives the same draws after
an update, too.
"""

from __future__ import annotations

import contextlib
import gc
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


def compile_in_processes(units: Sequence[tuple[str, ...]], processors: int, folder: Path, cache_dir: str) -> None:
    """Compile functions and keep their code where `bayes_glmm.engine.kept_code` looks for it.

    Parameters
    ----------
    units
        Names of `NativeFunction`s of the engine's modules, those of a process together; what takes longest first.
    processors
        How many processes may work at a time.
    folder
        Where the code is kept.
    cache_dir
        numba's setting of that name in this process.
    """
    waiting, running = list(units), dict[tuple[str, ...], subprocess.Popen[bytes]]()
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",  # the order of sets is the order of functions in the code
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        **({"NUMBA_CACHE_DIR": cache_dir} if cache_dir else {}),
    }
    try:
        while waiting or running:
            while waiting and len(running) < processors:
                unit = waiting.pop(0)
                running[unit] = _process(unit, folder, environment)
            time.sleep(_PATIENCE)
            for unit in [unit for unit, process in running.items() if process.poll() is not None]:
                if code := running.pop(unit).returncode:
                    # if this is a function's fault, the error comes up when it is compiled by who needs it
                    names = ", ".join(unit)
                    print(f"bayes_glmm: compiling {names} in a process of its own failed ({code}).", file=sys.stderr)
    finally:
        for process in running.values():  # interrupted
            process.kill()
            process.wait()


def _process(unit: Sequence[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    nowhere = subprocess.DEVNULL
    command = [sys.executable, "-P", "-m", __name__, str(folder), *unit]  # -P: no module of the folder it is started in
    window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(
        command, env=environment, stdin=nowhere, stdout=nowhere, stderr=nowhere, creationflags=window
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for other programs that compile the same; where files have no such locks, both compile it."""
    if fcntl is None:
        yield
        return
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)


def _main() -> None:
    """Compile functions of one module; the engine's modules are found by name, since they import this one."""
    gc.disable()  # a sixth more memory and a twentieth less time, in a process that ends soon
    folder, *names = sys.argv[1:]
    importlib.import_module(f"bayes_glmm.engine.{names[0].partition('.')[0]}")
    native: Any = importlib.import_module("bayes_glmm.engine.native")
    kept_code: Any = importlib.import_module("bayes_glmm.engine.kept_code")
    functions = [native.function_named(name) for name in names]
    with _locked(Path(folder) / f"{names[0]}.lock"):
        if not all(kept_code.is_whole(function) for function in functions):
            for function in functions:
                kept_code.compile_here(function)


if __name__ == "__main__":
    _main()
