"""Parts of compiled functions that are made when numba asks for them: importing numba takes longer than many fits.

Input: a function and numba's options for it, or where a name is found. Output: what stands for numba's object. numba
reads it as if it were that object; a fit whose machine code is there makes none.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any


class Deferred:
    """What stands for an object of numba's.

    Parameters
    ----------
    make
        Returns the object.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @functools.cached_property
    def made(self) -> Any:
        """Numba's object."""
        return self._make()

    def __call__(self, *arguments: Any) -> Any:
        """Call numba's object from Python, which compiles it.

        Parameters
        ----------
        *arguments
            Of the function.

        Returns
        -------
        Any
            What the function returns.
        """
        return self.made(*arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols, such as __array__
            raise AttributeError(name)
        # ``_numba_type_``, by which numba knows a dispatcher, and what else it reads of one
        return getattr(self.made, name)


class _Elsewhere(Deferred):
    """A function that numba's typing knows by itself."""

    @property
    def _numba_type_(self) -> Any:
        from numba.core.registry import cpu_target

        made, typing = self.made, cpu_target.typing_context
        typing.refresh()  # numba did so before it began to compile, when nobody had imported what this is
        return typing.resolve_value_type(made)


def dispatcher(**options: Any) -> Callable[[Callable[..., Any]], Deferred]:
    """Make functions that compiled code calls.

    Parameters
    ----------
    **options
        Of ``numba.njit``.

    Returns
    -------
    Callable
        The decorator.
    """

    def decorate(definition: Callable[..., Any]) -> Deferred:
        def make() -> Any:
            from numba import njit

            return njit(**options)(definition)

        deferred = Deferred(make)
        functools.update_wrapper(deferred, definition)
        return deferred

    return decorate


def elsewhere(module: str, name: str) -> Any:
    """Name a function that numba knows, without importing it.

    Parameters
    ----------
    module, name
        Where it is found.

    Returns
    -------
    Deferred
        For compiled code.
    """
    return _Elsewhere(lambda: getattr(importlib.import_module(module), name))
