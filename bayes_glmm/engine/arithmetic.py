"""How far compiled code may rearrange floating-point arithmetic: the decorators of all compiled functions.

Input: a Python function over numbers and arrays. Output: numba's dispatcher of it, for other compiled functions alone:
a call from Python would bring the process down, ``.py_func`` is the function as written. Division by zero gives
infinities and NaNs, and both keep their meaning everywhere.
"""

from __future__ import annotations

from typing import Any

from numba import njit

_PAIRS = {"contract", "nsz"}  # a * b + c in one instruction; the sign of a zero may change
#: Besides: reciprocals of what divides often, and sums in any order, so that they use vector registers.
REORDERED = _PAIRS | {"arcp", "reassoc"}


def _decorator(**options: Any) -> Any:
    jit: Any = njit  # what a call from Python would need takes a sixth of the time, and none is made
    return jit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)


as_written = _decorator()
#: Sums in the order written, for loops that also write: LLVM picks their vector or their scalar form by where arrays
#: happen to lie in memory, and one seed must give the same draws.
ordered = _decorator(fastmath=_PAIRS)
reordered = _decorator(fastmath=REORDERED)
#: `reordered`, and a part of every function that calls it.
inlined = _decorator(inline="always", fastmath=REORDERED)
