"""C functions: their addresses, from a library of machine code or, where there is none, compiled and kept on disk.

Input: a function in the part of Python that numba compiles, and its C signature. Output: an address that other compiled
code and Python call. numba is imported only where something has to be compiled, or was.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

from bayes_glmm.engine import shared_library
from bayes_glmm.engine.data import address_table

#: (address table) -> a number; what Python itself calls.
CALL_SIGNATURE = "float64(CPointer(uint64))"

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
        Its C signature, as numba reads it.
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

    @property
    def of_engine(self) -> bool:
        """Whether a process of its own finds it, and a library may hold it."""
        return bool(self.definition.__module__.startswith(__name__.rpartition(".")[0] + "."))

    @functools.cached_property
    def address(self) -> int:
        """The function's address in this process."""
        found = shared_library.address(self.name) if self.of_engine else None
        if found is not None:
            return found
        from bayes_glmm.engine import kept_code

        return kept_code.address(self)

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

        Raises
        ------
        SamplingError
            If it could not do its work, for want of memory.
        """
        table = address_table(arguments)
        result = float(self._call(table.ctypes.data))
        shared_library.check()
        return result


def native(signature: Any, *, alone: bool = False, **options: Any) -> Callable[[Callable[..., Any]], NativeFunction]:
    """Make a C function of the decorated one.

    Parameters
    ----------
    signature
        Its C signature, as numba reads it.
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
    """Compile side by side what no library holds and is not on disk yet.

    Parameters
    ----------
    functions
        Functions of the engine that will be called, what takes longest first.
    processors
        How many processes may work at a time.
    """
    missing = [function for function in functions if shared_library.address(function.name) is None]
    if missing:
        from bayes_glmm.engine import kept_code

        kept_code.compile_ahead(missing, processors)
