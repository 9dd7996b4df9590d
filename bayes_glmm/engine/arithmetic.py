"""How far compiled code may rearrange floating-point arithmetic: the decorators of all compiled functions.

Input: a Python function over numbers and arrays. Output: numba's dispatcher of it, made when it is needed. Division by
zero gives infinities and NaNs, and both keep their meaning but in `extremes`.
"""

from __future__ import annotations

from bayes_glmm.engine.deferred import dispatcher

_PAIRS = {"contract", "nsz"}  # a * b + c in one instruction; the sign of a zero may change
#: Besides: reciprocals of what divides often, and sums in any order, so that they use vector registers.
REORDERED = _PAIRS | {"arcp", "reassoc"}

as_written = dispatcher(error_model="numpy")
#: Sums in the order written, for loops that also write: LLVM picks their vector or their scalar form by where arrays
#: happen to lie in memory, and one seed must give the same draws.
ordered = dispatcher(error_model="numpy", fastmath=_PAIRS)
reordered = dispatcher(error_model="numpy", fastmath=REORDERED)
#: The largest of many, which is a chain of comparisons where NaNs must be minded.
extremes = dispatcher(error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
#: A part of every function that calls it.
inlined = dispatcher(inline="always", error_model="numpy", fastmath=REORDERED)
inlined_as_written = dispatcher(inline="always", error_model="numpy")
