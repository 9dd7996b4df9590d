"""Signatures of C functions, and what compiled functions call besides each other: names that import numba when used.

What the functions do is in `intrinsics.py`.
"""

from __future__ import annotations

from bayes_glmm.engine.deferred import elsewhere

#: (dimension, position, gradient out, log density out, user data) -> 0 when finite; nutpie's own signature.
DENSITY_SIGNATURE = "int64(uint64, CPointer(float64), CPointer(float64), CPointer(float64), voidptr)"

#: (dimension, expanded dimension, position, expanded out, user data) -> 0; nutpie's own signature.
EXPAND_SIGNATURE = "int64(uint64, uint64, CPointer(float64), CPointer(float64), voidptr)"

#: (rows, eta, y, counts, parameters, log likelihood of each row out, d/d eta out, d/d parameters added to) -> log
#: likelihood of a block of rows.
ROWS_SIGNATURE = f"float64(int64{', CPointer(float64)' * 7})"

carray = elsewhere("numba", "carray")

_INTRINSICS = "bayes_glmm.engine.intrinsics"
as_pointer = elsewhere(_INTRINSICS, "as_pointer")
borrowed = elsewhere(_INTRINSICS, "borrowed")
call_density = elsewhere(_INTRINSICS, "call_density")
call_rows = elsewhere(_INTRINSICS, "call_rows")
float_from_bits = elsewhere(_INTRINSICS, "float_from_bits")
local_matrix = elsewhere(_INTRINSICS, "local_matrix")
local_vector = elsewhere(_INTRINSICS, "local_vector")
release = elsewhere(_INTRINSICS, "release")
