"""Machine code that travels with the package: a shared library for each kind of processor, loaded without numba.

Input: a function's name. Output: its address, if a library of these very sources is there and the processor runs it.
`scripts/build_libraries.py` makes the libraries; without one, or where the sources were edited since, functions are
compiled when they are first used (`kept_code.py`).
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import platform
import sys
from pathlib import Path
from typing import Any

from bayes_glmm.errors import SamplingError

FOLDER = Path(__file__).parent
LIBRARIES = FOLDER / "libraries"

#: Names of libraries by (system, processor), best first: of x86-64 for levels v4 (AVX-512) and v3 (2013 and later).
TARGETS = {
    ("linux", "x86_64"): ("linux-x86_64-v4", "linux-x86_64-v3"),
    ("linux", "aarch64"): ("linux-aarch64",),
    ("darwin", "arm64"): ("macos-arm64",),
    ("win32", "amd64"): ("windows-x86_64-v4", "windows-x86_64-v3"),
}
_SUFFIX = ".library"  # no name that importers, wheels' tools or virus scanners take for something of theirs
#: Where scipy has the pointers of LAPACK and BLAS.
_LINEAR_ALGEBRA = {
    "dpotrf": "cython_lapack",
    "dgetrf": "cython_lapack",
    "dgetri": "cython_lapack",
    "dgemm": "cython_blas",
    "ddot": "cython_blas",
}


def targets_here() -> tuple[str, ...]:
    """Name the libraries of this system, best first.

    Returns
    -------
    tuple of str
        Such as ``("linux-x86_64-v4", "linux-x86_64-v3")``; none where there are no libraries.
    """
    return TARGETS.get((sys.platform, platform.machine().lower()), ()) if sys.maxsize > 2**32 else ()


@functools.cache
def sources_stamp() -> str:
    """Return a key of the engine's sources, whatever ends their lines.

    Returns
    -------
    str
        Sixteen characters.
    """
    key = hashlib.sha256()
    for path in sorted([*FOLDER.glob("*.py"), *FOLDER.glob("*.c")]):
        key.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return key.hexdigest()[:16]


def name_of(target: str, content: bytes) -> str:
    """Name a library's file after the present sources and what is in it: one that is damaged is told by its name.

    Parameters
    ----------
    target
        One of those of `TARGETS`.
    content
        Of the file.

    Returns
    -------
    str
        The file's name.
    """
    return f"{target}-{sources_stamp()}-{hashlib.sha256(content).hexdigest()[:16]}{_SUFFIX}"


def paths_of(target: str) -> list[Path]:
    """Return a target's libraries of the present sources.

    Parameters
    ----------
    target
        One of those of `TARGETS`.

    Returns
    -------
    list of Path
        None or one, as a rule.
    """
    return sorted(LIBRARIES.glob(f"{target}-{sources_stamp()}-*{_SUFFIX}"))


def symbol(name: str) -> str:
    """Return what a library calls a function.

    Parameters
    ----------
    name
        Such as ``"rows.binomial-logit"``.

    Returns
    -------
    str
        Such as ``"bayes_glmm_rows_binomial_logit"``.
    """
    return "bayes_glmm_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def address(name: str) -> int | None:
    """Return the address of a function.

    Parameters
    ----------
    name
        Such as ``"kernel.density"``.

    Returns
    -------
    int or None
        None where no library holds it.
    """
    loaded = library()
    try:
        return None if loaded is None else ctypes.cast(loaded[symbol(name)], ctypes.c_void_p).value
    except AttributeError:  # a family that no library has
        return None


@functools.cache
def library() -> ctypes.CDLL | None:
    """Load the best library that there is for this processor.

    Returns
    -------
    ctypes.CDLL or None
        None where there is none for these sources or this processor, and where it cannot be loaded, which is said.
    """
    for target in targets_here():
        for path in paths_of(target):
            try:
                # what the system would map of a file cut short brings the process down
                if path.name != name_of(target, path.read_bytes()):
                    raise OSError("the file is damaged")
                loaded = ctypes.CDLL(str(path))
                if loaded.bayes_glmm_runs_here():
                    provide(loaded)
                    return loaded
            except (OSError, AttributeError, ImportError, KeyError) as error:
                print(f"bayes_glmm: {path} is not used: {error}.", file=sys.stderr, flush=True)
    return None


def provide(loaded: ctypes.CDLL) -> None:
    """Give a library the pointers it calls through.

    Parameters
    ----------
    loaded
        The library.

    Raises
    ------
    AttributeError, ImportError, KeyError
        If something that it calls is not found.
    """
    names = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(loaded, "bayes_glmm_imports"))).decode().split()
    pointers = (ctypes.c_void_p * len(names)).in_dll(loaded, "bayes_glmm_pointers")
    for i, name in enumerate(names):
        pointers[i] = _linear_algebra(name) if name in _LINEAR_ALGEBRA else _c_function(name)


def _c_function(name: str) -> int | None:
    """Return the address of a function of the C library, as compiled code of this process finds it."""
    for library_name in ("ucrtbase",) if sys.platform == "win32" else (None, "libm.so.6"):
        found = getattr(ctypes.CDLL(library_name), name, None)
        if found is not None:
            return ctypes.cast(found, ctypes.c_void_p).value
    raise AttributeError(f"the C library has no {name}")


def _linear_algebra(name: str) -> int:
    """Return the address of a function of the LAPACK that scipy has."""
    from scipy.linalg import cython_blas, cython_lapack

    modules: dict[str, Any] = {"cython_blas": cython_blas, "cython_lapack": cython_lapack}
    capsule = modules[_LINEAR_ALGEBRA[name]].__pyx_capi__[name]
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return int(pointer_of(capsule, name_of(capsule)))


def check() -> None:
    """Raise what went wrong in compiled code since the last look.

    Raises
    ------
    SamplingError
        If a function could not do its work: there was no memory for its arrays.
    """
    loaded = library()
    if loaded is None:
        return
    errors = ctypes.c_int64.in_dll(loaded, "bayes_glmm_errors")
    if errors.value:
        errors.value = 0
        raise SamplingError("The compiled engine could not get the memory that it needs. Fit with more memory free.")
