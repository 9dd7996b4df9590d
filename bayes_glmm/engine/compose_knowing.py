"""Rows of which more is known than their response, and the loop over a block of them.

Input: densities and inverse links of `compose.py`. Output: functions of one row,

    (eta, row, first, second, third parameter) -> (log density, d/d eta, d/d first, d/d second, d/d third),

`row` being the response and behind it what is known, in the order of `Family.known`; and loops over them that have the
signature of row kernels, y holding such rows one behind the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bayes_glmm.engine.arithmetic import inlined, inlined_as_written
from bayes_glmm.engine.compose import DENSITIES, INVERSES, P, Row
from bayes_glmm.engine.limits import TAILS, between
from bayes_glmm.engine.pointers import carray


def known_error(density: Callable[..., Any], inverse: Callable[..., Any]) -> Row:
    """Return the row of a density whose scale is known: row[1]."""

    @inlined
    def row(eta: float, row: Any, a: float, b: float, c: float) -> Any:
        mu, d_mu = inverse(eta)
        value, slope, _, d_a = density(row[0], mu, row[1], a)
        return value, slope * d_mu, d_a, 0.0, 0.0

    return row


def wider_error(density: Callable[..., Any], inverse: Callable[..., Any]) -> Row:
    """Return the row of a density whose scale is the root of row[1]^2 and the first parameter's square."""

    @inlined
    def row(eta: float, row: Any, a: float, b: float, c: float) -> Any:
        mu, d_mu = inverse(eta)
        scale = math.sqrt(a * a + row[1] * row[1])
        value, slope, d_scale, d_b = density(row[0], mu, scale, b)
        return value, slope * d_mu, d_scale * a / scale, d_b, 0.0

    return row


def limited(density: Callable[..., Any], inverse: Callable[..., Any], tails: tuple[Any, Any]) -> Row:
    """Return the row of a density of which row[1] < Y <= row[2] is known, and cut to row[3] < Y <= row[4]."""
    inside = between(*tails)

    @inlined_as_written
    def row(eta: float, row: Any, a: float, b: float, c: float) -> Any:
        mu, d_mu = inverse(eta)
        if row[1] < row[2]:
            value, slope, d_a, d_b = inside(row[1], row[2], mu, a, b)
        else:
            value, slope, d_a, d_b = density(row[0], mu, a, b)
        if row[3] > -math.inf or row[4] < math.inf:
            whole, w_mu, w_a, w_b = inside(row[3], row[4], mu, a, b)
            value, slope, d_a, d_b = value - whole, slope - w_mu, d_a - w_a, d_b - w_b
        return value, slope * d_mu, d_a, d_b, 0.0

    return row


#: Combinators by the beginning of a kernel's name, and how many numbers a row has.
COMBINATORS: Mapping[str, tuple[Callable[..., Row], int]] = {
    "known_": (known_error, 2),
    "wider_": (wider_error, 2),
}


def row_loop(row: Row, width: int) -> Callable[..., float]:
    """Return the kernel of a row of so many numbers."""

    def rows(n: int, eta_: P, y_: P, counts_: P, par_: P, v_: P, d_: P, d_par_: P) -> float:
        eta, known, counts = carray(eta_, (n,)), carray(y_, (n, width)), carray(counts_, (n,))
        values, d = carray(v_, (n,)), carray(d_, (n,))
        par, d_par = carray(par_, (2,)), carray(d_par_, (2,))
        first, second = par[0], par[1]
        total, total_first, total_second = 0.0, 0.0, 0.0
        for i in range(n):
            value, slope, d_first, d_second, _ = row(eta[i], known[i], first, second, 0.0)
            values[i] = counts[i] * value
            total += values[i]
            d[i] = counts[i] * slope
            total_first += counts[i] * d_first
            total_second += counts[i] * d_second
        d_par[0] += total_first
        d_par[1] += total_second
        return total

    return rows


def knowing_row(kernel: str, link: str) -> tuple[Row, int] | None:
    """Return the row of a family's kernel name and a link, and how many numbers it has; None where there is none."""
    base = kernel.removeprefix("limited_")
    if base != kernel and base in TAILS and link in INVERSES:
        return limited(DENSITIES[base].function, INVERSES[link], TAILS[base]), 5
    for start, (combine, width) in COMBINATORS.items():
        base = kernel.removeprefix(start)
        if kernel.startswith(start) and base in DENSITIES and link in INVERSES:
            return combine(DENSITIES[base].function, INVERSES[link]), width
    return None


def knowing_kernel(kernel: str, link: str) -> Callable[..., float] | None:
    """Return the kernel of a family's kernel name and a link; None where there is none."""
    found = knowing_row(kernel, link)
    return None if found is None else row_loop(*found)
