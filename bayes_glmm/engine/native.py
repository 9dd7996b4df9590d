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
import re
import secrets
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from numba import cfunc, types
from numba.core import config as numba_config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

from bayes_glmm.engine.data import address_table

#: (address table) -> a number; what Python itself calls.
CALL_SIGNATURE = types.double(types.CPointer(types.uint64))

FOLDER = Path(__file__).parent
#: LLVM's compiler is not made for two threads.
_LOCK = threading.Lock()
_DIGEST = hashlib.sha256().digest_size
_CALL = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p)


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
    """

    def __init__(self, function: Callable[..., Any], signature: Any, options: dict[str, Any]) -> None:
        self.definition, self.signature, self.options = function, signature, options
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__.strip('_')}"
        self._linked: Any = None
        functools.update_wrapper(self, function)

    @functools.cached_property
    def address(self) -> int:
        """The function's address in this process."""
        with _LOCK:
            if self._linked is None:
                code = _read(self.name)
                if code is None:
                    _announce()
                    code = _machine_code(self)
                    _write(self.name, code)
                self._linked = _link(code)
        return int(self._linked.get_function_address(_SYMBOL))

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


def native(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], NativeFunction]:
    """Make a C function of the decorated one.

    Parameters
    ----------
    signature
        Its C signature, as numba types.
    **options
        numba's options; division follows IEEE 754 (``error_model="numpy"``).

    Returns
    -------
    Callable
        The decorator.
    """
    return lambda function: NativeFunction(function, signature, {"error_model": "numpy", **options})


def _flat(arguments: Iterable[Any]) -> list[Any]:
    return [array for item in arguments for array in (item if isinstance(item, tuple) else (item,))]


# ------------------------------------------------------------------ making and linking machine code

_SYMBOL = "bayes_glmm_native"


def _target_machine() -> Any:
    """Return a code generator for this processor, as numba sets its own; an engine keeps the one it is given."""
    # LLVM's targets and numba's helpers (allocation, linear algebra) become known to LLVM
    rtsys.initialize(cpu_target.target_context)
    target = llvm.Target.from_triple(llvm.get_process_triple())
    x86 = target.name.startswith("x86")
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if x86 else "default",
        codemodel="jitdefault",
        jit=True,
    )


def _machine_code(function: NativeFunction) -> bytes:
    """Return the object file of a C function: everything it calls inside, itself the only name outside.

    numba optimises one function after the other, as if others might call each of them. Here they are all known: a
    record of arrays is no longer copied from call to call, and counting references to memory that has none is gone.
    """
    with _light_passes():
        compiled: Any = cfunc(function.signature, **function.options)(function.definition)
        code = compiled.inspect_llvm()
    # counting references may be inlined, and vanishes where there is nothing to count
    code = re.sub(r"^(attributes #\d+ = {.*)noinline", r"\1nounwind", code, flags=re.MULTILINE)
    module = llvm.parse_assembly(code)
    for definition in module.functions:
        if definition.name == compiled.native_name:
            definition.name = _SYMBOL
        elif not definition.is_declaration:
            definition.linkage = llvm.Linkage.internal
    machine, tuning = _target_machine(), llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


@contextlib.contextmanager
def _light_passes() -> Iterator[None]:
    """Let numba do little: the whole module is optimised afterwards, and doing it twice doubles the time.

    What functions compiled here call is compiled little for callers from Python, too; the package has none.
    """
    settings = vars(numba_config)
    with global_compiler_lock:
        cpu_target.target_context.codegen()  # reads the level it is made with once for all
        level = settings["OPT"]
        settings["OPT"] = type(level)(1)
        try:
            yield
        finally:
            settings["OPT"] = level


def _link(code: bytes) -> Any:
    """Link an object file into this process; return the engine that holds it."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
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


def _folders() -> Iterator[Path]:
    """Where machine code may be kept, best first; ``NUMBA_CACHE_DIR`` alone where it is set."""
    cache_dir: str = vars(numba_config)["CACHE_DIR"]
    if cache_dir:
        yield Path(cache_dir) / "bayes_glmm"
        return
    yield FOLDER / "__pycache__"
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    yield Path(base or Path.home() / ".cache") / "bayes_glmm"


def _read(name: str) -> bytes | None:
    """Return a function's machine code, None where there is none or the file is damaged."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            content = (folder / f"{name}-{_stamp()}.native").read_bytes()
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
            part.replace(folder / f"{name}-{_stamp()}.native")
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            continue
        for old in folder.glob(f"{name}-*.native"):
            if not old.name.endswith(f"-{_stamp()}.native"):
                old.unlink(missing_ok=True)
        return
    places = ", ".join(str(folder) for folder in _folders())
    print(f"bayes_glmm: {name} cannot be kept in {places}: every process compiles it again.", file=sys.stderr)


@functools.cache
def _announce() -> None:
    """Say, once in a process, that something is compiled."""
    message = "bayes_glmm: compiling the engine for this machine, once (about half a minute) ..."
    print(message, file=sys.stderr, flush=True)
