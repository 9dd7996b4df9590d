"""C functions whose machine code is kept on disk: compiled by numba once a machine, linked by LLVM alone ever after.

numba's own disk cache loads its type system and the functions' intermediate code before it links anything, which takes
longer than a small model's whole run of NUTS. Here only machine code is read. It is read back in the process that
compiled it, too: one seed gives the same draws from the first run on. The code is stamped with everything it depends
on (the engine's sources, numba, LLVM, the processor), so an edit or a new machine compiles it again.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import secrets
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from numba import types
from numba.core import config as numba_config

from bayes_glmm.engine.compile_processes import can_start_processes, compile_in_processes
from bayes_glmm.engine.data import address_table
from bayes_glmm.engine.machine_code import SYMBOL, machine_code, target_machine

#: (address table) -> a number; what Python itself calls.
CALL_SIGNATURE = types.double(types.CPointer(types.uint64))

FOLDER = Path(__file__).parent
#: LLVM's compiler is not made for two threads.
_LOCK, _AHEAD_LOCK = threading.Lock(), threading.Lock()
_DIGEST = hashlib.sha256().digest_size
_CALL = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p)

#: Every function by its name, ``"kernel.density"``: all of a module's once it is imported.
FUNCTIONS: dict[str, NativeFunction] = {}
#: What makes a module's functions that are made when they are first asked for, by the module's name.
_MAKERS: dict[str, Callable[[str], NativeFunction]] = {}


class NativeFunction:
    """A C function, compiled or read from disk when its address is first asked for.

    Parameters
    ----------
    function
        Its definition, in the part of Python that numba compiles.
    signature
        Its C signature, as numba types.
    options
        numba's options.
    alone
        Whether it is compiled in a process of its own, not in one with its module's other functions.
    """

    def __init__(self, function: Callable[..., Any], signature: Any, options: dict[str, Any], alone: bool) -> None:
        self.definition, self.signature, self.options = function, signature, options
        self.module = function.__module__.rpartition(".")[2]
        self.name = f"{self.module}.{function.__name__.strip('_')}"
        self._alone = alone
        self._linked: Any = None
        functools.update_wrapper(self, function)
        FUNCTIONS[self.name] = self

    def unit(self) -> tuple[NativeFunction, ...]:
        """Return what is compiled in one process, in this order: functions of a module share most of their code.

        Returns
        -------
        tuple of NativeFunction
            This function, or all of its module.
        """
        if self._alone:
            return (self,)
        return tuple(other for other in FUNCTIONS.values() if other.module == self.module and not other._alone)

    @functools.cached_property
    def address(self) -> int:
        """The function's address in this process."""
        with _LOCK:
            if self._linked is None:
                self._linked = _link(self.code())
        return int(self._linked.get_function_address(SYMBOL))

    def is_whole(self) -> bool:
        """Say whether there is machine code on disk that can be read.

        Returns
        -------
        bool
            False where there is none, and where the file is damaged.
        """
        return _read(self.name) is not None

    def is_kept(self) -> bool:
        """Say whether there is a file of machine code on disk.

        Returns
        -------
        bool
            Whether it is whole is seen when it is read, which takes longer.
        """
        return any(_file(folder, self.name).is_file() for folder in _folders())

    def code(self) -> bytes:
        """Read the machine code from disk; where there is none, compile it and keep it there.

        Returns
        -------
        bytes
            An object file.
        """
        code = _read(self.name)
        if code is None and self.definition.__module__.startswith(__name__.rpartition(".")[0]):
            _compile_elsewhere([self.unit()], 1)
            code = _read(self.name)
        return self.compile_here() if code is None else code

    def compile_here(self) -> bytes:
        """Compile in this process, and keep the machine code.

        Returns
        -------
        bytes
            An object file.
        """
        announce()
        code = machine_code(self.definition, self.signature, self.options)
        _write(self.name, code)
        return code

    @functools.cached_property
    def _call(self) -> Any:
        return _CALL(self.address)

    def __call__(self, *arguments: Any) -> float:
        """Call a function of `CALL_SIGNATURE`.

        Parameters
        ----------
        *arguments
            C-contiguous arrays and named tuples of such, in the order the function reads them from its address table.
            Results are written into them.

        Returns
        -------
        float
            What the function returns.
        """
        table = address_table(_flat(arguments))
        return float(self._call(table.ctypes.data))


def native(signature: Any, *, alone: bool = False, **options: Any) -> Callable[[Callable[..., Any]], NativeFunction]:
    """Make a C function of the decorated one.

    Parameters
    ----------
    signature
        Its C signature, as numba types.
    alone
        Whether it is compiled in a process of its own, not in one with its module's other functions.
    **options
        numba's options; division follows IEEE 754 (``error_model="numpy"``).

    Returns
    -------
    Callable
        The decorator.
    """
    return lambda function: NativeFunction(function, signature, {"error_model": "numpy", **options}, alone)


def makes(module: str) -> Callable[[Callable[[str], NativeFunction]], Callable[[str], NativeFunction]]:
    """Say that the decorated function makes a module's functions by their names.

    Parameters
    ----------
    module
        The module's name in the engine.

    Returns
    -------
    Callable
        The decorator; it returns the function.
    """

    def note(maker: Callable[[str], NativeFunction]) -> Callable[[str], NativeFunction]:
        _MAKERS[module] = maker
        return maker

    return note


def function_named(name: str) -> NativeFunction:
    """Find a function of an imported module, or make it.

    Parameters
    ----------
    name
        Such as ``"kernel.density"``.

    Returns
    -------
    NativeFunction
        The function.
    """
    module, _, own = name.partition(".")
    return FUNCTIONS[name] if name in FUNCTIONS else _MAKERS[module](own)


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
        missing = [unit for unit in units if not all(function.is_kept() for function in unit)]
        if len(missing) > 1:
            _compile_elsewhere(missing, processors)


def _compile_elsewhere(units: Sequence[Sequence[NativeFunction]], processors: int) -> None:
    """Compile in processes of their own, where such can be started and leave something behind."""
    folder = _writable_folder()
    if folder is not None and can_start_processes():
        announce()
        names = [tuple(function.name for function in unit) for unit in units]
        compile_in_processes(names, processors, folder, _cache_dir())


def _flat(arguments: Iterable[Any]) -> list[Any]:
    return [array for item in arguments for array in (item if isinstance(item, tuple) else (item,))]


def _link(code: bytes) -> Any:
    """Link an object file into this process; return the engine that holds it."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


# ------------------------------------------------------------------ on disk


@functools.cache
def _stamp() -> str:
    """Return a key of everything the machine code depends on."""
    key = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.py")):
        key.update(path.read_bytes())
    parts = (numba.__version__, llvmlite.__version__, platform.python_version(), llvm.get_process_triple())
    key.update("|".join((*parts, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())).encode())
    return key.hexdigest()[:16]


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
            digest, code = content[:_DIGEST], content[_DIGEST:]
            if hashlib.sha256(code).digest() == digest:
                return code
    return None


def _write(name: str, code: bytes) -> None:
    """Keep a function's machine code in the first folder that can be written to, and drop that of other sources."""
    for folder in _folders():
        part = folder / f"{name}-{secrets.token_hex(4)}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(hashlib.sha256(code).digest() + code)
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
    message = "bayes_glmm: compiling the engine for this machine, once (up to a minute) ..."
    print(message, file=sys.stderr, flush=True)
