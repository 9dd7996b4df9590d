"""Machine code kept on disk: compiled by numba once a machine, linked by LLVM alone ever after.

Input: a function of `bayes_glmm.engine.native` that no library of this processor holds. Output: its address. numba's
own disk cache loads its type system and the functions' intermediate code before it links anything, which takes longer
than a small model's whole run of NUTS. Here only machine code is read. It is read back in the process that compiled it,
too: one seed gives the same draws from the first run on. The code is stamped with everything it depends on (the
engine's sources, numba, LLVM, the processor), so an edit or a new machine compiles it again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import secrets
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite
import llvmlite.binding as llvm
import numba
from numba.core import config as numba_config

from bayes_glmm.engine.compile_processes import can_start_processes, compile_in_processes
from bayes_glmm.engine.machine_code import SYMBOL, machine_code, target_machine, this_processor
from bayes_glmm.engine.shared_library import FOLDER, library, sources_stamp

if TYPE_CHECKING:
    from bayes_glmm.engine.native import NativeFunction

#: LLVM's compiler is not made for two threads.
_LOCK, _AHEAD_LOCK = threading.Lock(), threading.Lock()
_DIGEST = hashlib.sha256().digest_size
#: What holds code that is linked into this process, by the function.
_LINKED: dict[NativeFunction, Any] = {}


def address(function: NativeFunction) -> int:
    """Return a function's address in this process, which reads or compiles it first.

    Parameters
    ----------
    function
        The function.

    Returns
    -------
    int
        What `ctypes` and other compiled code call.
    """
    with _LOCK:
        if function not in _LINKED:
            _LINKED[function] = _link(code(function))
    return int(_LINKED[function].get_function_address(SYMBOL))


def is_whole(function: NativeFunction) -> bool:
    """Say whether there is machine code on disk that can be read.

    Parameters
    ----------
    function
        The function.

    Returns
    -------
    bool
        False where there is none, and where the file is damaged.
    """
    return _read(function.name) is not None


def is_kept(function: NativeFunction) -> bool:
    """Say whether there is a file of machine code on disk.

    Parameters
    ----------
    function
        The function.

    Returns
    -------
    bool
        Whether it is whole is seen when it is read, which takes longer.
    """
    return any(_file(folder, function.name).is_file() for folder in _folders())


def code(function: NativeFunction) -> bytes:
    """Read a function's machine code from disk; where there is none, compile it and keep it there.

    Parameters
    ----------
    function
        The function.

    Returns
    -------
    bytes
        An object file.
    """
    found = _read(function.name)
    if found is None and function.of_engine:
        _compile_elsewhere([function.unit()], 1)
        found = _read(function.name)
    return compile_here(function) if found is None else found


def compile_here(function: NativeFunction) -> bytes:
    """Compile a function in this process, and keep the machine code.

    Parameters
    ----------
    function
        The function.

    Returns
    -------
    bytes
        An object file.
    """
    announce()
    made = machine_code(function.definition, function.signature, function.options)
    _write(function.name, made)
    return made


def compile_ahead(functions: Sequence[NativeFunction], processors: int) -> None:
    """Compile side by side what is not on disk yet; any other is compiled when its address is first asked for.

    Parameters
    ----------
    functions
        Functions of the engine that will be called, what takes longest first.
    processors
        How many processes may work at a time; with one, nothing is done.
    """
    if processors < 2:
        return
    with _AHEAD_LOCK:  # of two threads that fit at once the second finds everything done
        units = dict.fromkeys(function.unit() for function in functions)
        missing = [unit for unit in units if not all(is_kept(function) for function in unit)]
        if len(missing) > 1:
            _compile_elsewhere(missing, processors)


def _compile_elsewhere(units: Sequence[Sequence[NativeFunction]], processors: int) -> None:
    """Compile in processes of their own, where such can be started and leave something behind."""
    folder = _writable_folder()
    if folder is not None and can_start_processes():
        announce()
        names = [tuple(function.name for function in unit) for unit in units]
        compile_in_processes(names, processors, folder, _cache_dir())


def _link(made: bytes) -> Any:
    """Link an object file into this process; return the engine that holds it."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(made))
    engine.finalize_object()
    return engine


@functools.cache
def _stamp() -> str:
    """Return a key of everything the machine code depends on."""
    versions = (numba.__version__, llvmlite.__version__, platform.python_version(), llvm.get_process_triple())
    parts = (sources_stamp(), *versions, *this_processor())
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _cache_dir() -> str:
    return str(vars(numba_config)["CACHE_DIR"])


def _folders() -> Iterator[Path]:
    """Where machine code may be kept, best first; ``NUMBA_CACHE_DIR`` alone where it is set."""
    if cache_dir := _cache_dir():
        yield Path(cache_dir) / "bayes_glmm"
        return
    yield FOLDER / "__pycache__"
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    yield Path(base or Path.home() / ".cache") / "bayes_glmm"


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}-{_stamp()}.native"


def _read(name: str) -> bytes | None:
    """Return a function's machine code, None where there is none or the file is damaged."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            content = _file(folder, name).read_bytes()
            digest, made = content[:_DIGEST], content[_DIGEST:]
            if hashlib.sha256(made).digest() == digest:
                return made
    return None


def _write(name: str, made: bytes) -> None:
    """Keep a function's machine code in the first folder that can be written to, and drop that of other sources."""
    for folder in _folders():
        part = folder / f"{name}-{secrets.token_hex(4)}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(hashlib.sha256(made).digest() + made)
            part.replace(_file(folder, name))
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            continue
        for old in folder.glob(f"{name}-*.native"):
            if old != _file(folder, name):
                old.unlink(missing_ok=True)
        return
    places = ", ".join(str(folder) for folder in _folders())
    print(f"bayes_glmm: {name} cannot be kept in {places}: every process compiles it again.", file=sys.stderr)


def _writable_folder() -> Path | None:
    """Return the first folder that can be written to; its disk may still be full."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return None


@functools.cache
def announce() -> None:
    """Say, once in a process, that something is compiled."""
    what = "the engine" if library() is None else "what this model needs besides"
    print(f"bayes_glmm: compiling {what} for this machine, once (up to a minute) ...", file=sys.stderr, flush=True)
