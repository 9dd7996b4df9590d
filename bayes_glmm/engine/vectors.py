"""Copies and products of vectors in compiled code: loops, which numba compiles far faster than numpy's own.

Nothing is checked: no argument is smaller than the result it is read for, and no result shares memory with an argument.
Assigning an array to a slice costs a second of compiling for its error message alone; a library's product of a matrix
and a vector, on one thread, is no faster from 16 to 2000 elements a side.
"""

from __future__ import annotations

from typing import Any

from bayes_glmm.engine.arithmetic import extremes, ordered, reordered


@ordered
def copy(source: Any, out: Any) -> None:
    """Fill a vector with the elements of another."""
    for i in range(out.size):
        out[i] = source[i]


@reordered
def dot(a: Any, b: Any) -> float:
    """Return the sum of products."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@reordered
def add_scaled(scale: float, row: Any, out: Any) -> None:
    """Add a multiple of a vector."""
    for m in range(row.size):
        out[m] += scale * row[m]


@extremes
def largest(a: Any) -> float:
    """Return the largest element; of NaNs nothing is promised."""
    found = a[0]
    for i in range(a.size):
        if a[i] > found:
            found = a[i]
    return found


@extremes
def smallest(a: Any) -> float:
    """Return the smallest element; of NaNs nothing is promised."""
    found = a[0]
    for i in range(a.size):
        if a[i] < found:
            found = a[i]
    return found


@ordered
def product(matrix: Any, vector: Any, out: Any) -> None:
    """Fill out = matrix @ vector."""
    for i in range(out.size):
        out[i] = dot(matrix[i], vector)


@ordered
def transposed_product(matrix: Any, vector: Any, out: Any) -> None:
    """Fill out = matrix.T @ vector."""
    out[:] = 0.0
    for i in range(vector.size):
        row, scale = matrix[i], vector[i]
        for j in range(out.size):
            out[j] += scale * row[j]
