"""The Laplace fit as coordinates where levels are related: a smooth bijection z -> x = [u, beta, theta].

Input: standard coordinates z = [eps, w] and `SparseMap`. Output: as of `coordinates`, whose formula this is with all of
v = (u, beta) at once:

    theta = theta_hat + g(L_theta w)
    v     = P^-1 (r + S w) + P^(-T/2) eps,    P = I + K(theta),    r = P(theta_hat) v_hat

I is the information of the rows at the mode, K the prior precision, P^(1/2) its sparse Cholesky factor, anew for each
theta. log|Jacobian| = -log det P / 2, and what `theta_map` adds.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.native import native
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE, as_pointer, call_density, carray
from bayes_glmm.engine.sparse_factor import factorize_sparse, reverse_sparse, solve_backwards, solve_forwards
from bayes_glmm.engine.sparse_system import (
    SYSTEM_SIZE,
    SparseSystem,
    add_precisions,
    factor_of,
    pull_precisions,
    read_system,
)
from bayes_glmm.engine.theta_map import pull_place, to_place
from bayes_glmm.engine.vectors import add_scaled, copy, dot

Array = npt.NDArray[np.float64]


class SparseMap(NamedTuple):
    """The constants of the map; (N,) are in the order of the system."""

    system: SparseSystem
    target: npt.NDArray[np.uint64]  # (3,) addresses of the density, of its user data, and of the kernel's data table
    centre: Array  # (d,) theta at the mode
    theta_factor: Array  # (d, d) L_theta
    bends: Array  # (d, 3)
    known: Array  # (elements,) I, with the curvature of beta's priors
    right: Array  # (N,) r
    shear: Array  # (d, N) S'


class _Work(NamedTuple):
    """What the pullback needs from the way there."""

    x: Array  # (D,)
    factor: Array  # (elements,) of P
    white: Array  # (N,) L^-1 (r + S w)
    v: Array  # (N,) in order


@as_written
def _work(map_: SparseMap) -> _Work:
    n = map_.right.size
    return _Work(np.empty(n + map_.centre.size), np.empty(map_.known.size), np.empty(n), np.empty(n))


@as_written
def _to_position(z: Any, map_: SparseMap, data: KernelData, work: _Work) -> float:
    """Fill `work`; return the Jacobian's log determinant up to a constant, not finite where P has no factor."""
    system, n, v = map_.system, map_.right.size, work.v
    pattern, theta = factor_of(system), work.x[n:]
    log_det = to_place(z[n:], map_.centre, map_.theta_factor, map_.bends, theta)
    copy(map_.right, work.white)
    for i in range(theta.size):
        add_scaled(z[n + i], map_.shear[i], work.white)
    copy(map_.known, work.factor)
    add_precisions(theta, data, system, work.factor)
    log_det -= 0.5 * factorize_sparse(pattern, work.factor)
    if math.isfinite(log_det):
        solve_forwards(pattern, work.factor, work.white)
    for i in range(n):
        v[i] = work.white[i] + z[i]
    if math.isfinite(log_det):
        solve_backwards(pattern, work.factor, v)
    for i in range(n):
        work.x[i] = v[system.place[i]]
    return log_det


@as_written
def _pull_back(z: Any, map_: SparseMap, data: KernelData, work: _Work, gradient: Any, out: Any) -> None:
    """Fill d/dz from d/dx (used up), and the Jacobian's own derivative."""
    system, n, v, white = map_.system, map_.right.size, work.v, work.white
    pattern, start, rows = factor_of(system), system.start, system.rows
    d_eps, d_right, d_factor = out[:n], np.empty(n), np.empty(work.factor.size)
    for i in range(n):
        d_eps[system.place[i]] = gradient[i]
    solve_forwards(pattern, work.factor, d_eps)
    copy(d_eps, d_right)
    solve_backwards(pattern, work.factor, d_right)
    for j in range(n):
        for a in range(start[j], start[j + 1]):
            d_factor[a] = -v[rows[a]] * d_eps[j] - d_right[rows[a]] * white[j]
        d_factor[start[j]] -= 1.0 / work.factor[start[j]]
    reverse_sparse(pattern, work.factor, d_factor)
    pull_precisions(work.x[n:], data, system, d_factor, gradient[n:])
    pull_place(z[n:], map_.theta_factor, map_.bends, gradient[n:], out[n:])
    for i in range(map_.centre.size):
        out[n + i] += dot(map_.shear[i], d_right)


@as_written
def _read_tables(user_data: Any) -> tuple[SparseMap, KernelData]:
    table = carray(user_data, (SYSTEM_SIZE + 3 * 7,), np.uint64)
    rest = table[SYSTEM_SIZE:]
    target = read_vector(rest, 0, np.uint64)
    map_ = SparseMap(
        read_system(table),
        target,
        read_vector(rest, 1, np.float64),
        read_matrix(rest, 2, np.float64),
        read_matrix(rest, 3, np.float64),
        read_vector(rest, 4, np.float64),
        read_vector(rest, 5, np.float64),
        read_matrix(rest, 6, np.float64),
    )
    return map_, read_data(carray(as_pointer(target[2]), (layout.TABLE_SIZE,), np.uint64))


@native(DENSITY_SIGNATURE)
def density(dim: int, z_: Any, gradient_: Any, logp_: Any, user_data: Any) -> int:
    """Return 0 with the target's density in z and its gradient; user data is the address table of a `SparseMap`."""
    map_, data = _read_tables(user_data)
    z, out, logp = carray(z_, (dim,)), carray(gradient_, (dim,)), carray(logp_, (1,))
    work, gradient = _work(map_), np.empty(dim)
    log_det = _to_position(z, map_, data, work)
    if not math.isfinite(log_det):
        return 4
    code: int = call_density(map_.target[0], dim, work.x, gradient, logp, map_.target[1])
    if code != 0:
        return code
    _pull_back(z, map_, data, work, gradient, out)
    logp[0] += log_det
    if not math.isfinite(logp[0]):
        return 4
    for i in range(dim):
        if not math.isfinite(out[i]):
            return 3
    return 0


@native(EXPAND_SIGNATURE)
def expand(dim: int, expanded: int, z: Any, x: Any, user_data: Any) -> int:
    """Fill the position of z; user data as of `density`."""
    map_, data = _read_tables(user_data)
    work = _work(map_)
    _to_position(carray(z, (dim,)), map_, data, work)
    copy(work.x, carray(x, (dim,)))
    return 0
