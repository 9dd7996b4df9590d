"""Work in pieces: rows split so that arrays of draws by rows stay small, and pieces worked on by several threads.

Input: numbers of rows and draws, or a function and its pieces. Output: positions of rows, or the pieces' results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from bayes_glmm.inference.settings import available_processors

Rows = npt.NDArray[np.intp]

_CHUNK_BYTES = 2**24  # of one (sample, row) array; about ten such arrays are alive at once in a thread
_MOST_THREADS = 4


def chunks(rows: int, samples: int) -> Iterator[Rows]:
    """Split row positions so that a (sample, row) array of one chunk stays small.

    Parameters
    ----------
    rows
        Number of rows.
    samples
        Number of draws.

    Yields
    ------
    numpy.ndarray
        Consecutive positions.
    """
    length = max(1, math.floor(_CHUNK_BYTES / (8 * max(samples, 1))))
    for start in range(0, rows, length):
        yield np.arange(start, min(start + length, rows))


def in_threads[Piece, Result](function: Callable[[Piece], Result], pieces: Sequence[Piece]) -> Iterator[Result]:
    """Apply a function to pieces of work on the processors there are; numpy's loops run at the same time.

    Parameters
    ----------
    function
        What to do with a piece; it shares nothing that changes.
    pieces
        The pieces.

    Yields
    ------
    object
        The results, in the order of the pieces whatever finishes first.
    """
    workers = min(available_processors(), _MOST_THREADS, len(pieces))
    if workers <= 1:
        yield from map(function, pieces)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, pieces)


def piecewise[Piece, Result](
    function: Callable[[Piece], Result], pieces: Sequence[Piece]
) -> Iterator[tuple[Piece, Result]]:
    """Apply a function to pieces of work, `in_threads`, and give each piece with its result.

    Parameters
    ----------
    function
        What to do with a piece; it shares nothing that changes.
    pieces
        The pieces.

    Yields
    ------
    tuple
        A piece and its result, in the order of the pieces.
    """
    yield from zip(pieces, in_threads(function, pieces), strict=True)
