"""The Laplace fit as coordinates: a smooth bijection z -> x = [u, beta, theta] that makes the posterior nearly N(0, I).

Input: standard coordinates z = [eps, w, v], laid out as x is, and `MapData`. Output: the position, the log determinant
of the map's Jacobian, and gradients pulled back from x to z. With theta first, then beta, then the terms from last to
first, each given those before it:

    theta = theta_hat + g(L_theta v), g(y) = y (1 + A w / (1 + w)), w = (y / r)^4, A >= 0 for each element and sign
    beta  = beta_hat + L_beta w
    u_tj  = P^-1 (r_tj - C_tj (rest - rest_hat)) + P^(-1/2) eps_tj, with P = I_tj + Omega_t(theta)

The map depends on theta (so that it is the non-centred parametrisation when a sd is near zero and the centred one when
the data say much) and couples the blocks (so that what one block's shift does to another is already in it). The
posterior is exact whatever the quality of the fit: only speed depends on it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import carray, njit

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.information import backward_small, cholesky_small, forward_small
from bayes_glmm.engine.native import native
from bayes_glmm.engine.parameters import bend, precision, pull_bend, pull_precision, term_factor
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE, as_pointer, call_density

_compiled = njit(error_model="numpy", fastmath={"contract", "nsz", "arcp", "reassoc"})

#: Rows of ``MapData.terms``: first block of information, first coupling's value, row of `start`, mixing and its first
#: element.
INFO_START, VALUE_START, ROW_START, MIXING, MIX_START = range(5)
#: How a term's directions relate to its levels: directly, through a matrix on eps before, or on u after.
DIRECT, BEFORE, AFTER = range(3)
#: Elements of ``MapData.target``: address of the density, address of its user data, address of the kernel's data table.
DENSITY, USER_DATA, DATA_TABLE = range(3)


class MapData(NamedTuple):
    """The constants of the map."""

    target: npt.NDArray[np.uint64]  # (3,)
    centre: npt.NDArray[np.float64]  # (D,) x at the mode
    theta_factor: npt.NDArray[np.float64]  # (d, d) L_theta
    bends: npt.NDArray[np.float64]  # (d, 3) A below, A above, r
    beta_factor: npt.NDArray[np.float64]  # (p, p) L_beta
    terms: npt.NDArray[np.int64]  # (5, G)
    info: npt.NDArray[np.float64]  # k x k blocks of every term, flat
    right: npt.NDArray[np.float64]  # (n_u,) r
    start: npt.NDArray[np.int64]  # first coupling of every direction of every term, each term closed by its end
    columns: npt.NDArray[np.int64]  # (couplings,) element of x
    values: npt.NDArray[np.float64]  # C, per direction k rows of its couplings, flat
    mix: npt.NDArray[np.float64]  # mixing matrices, flat
    element: npt.NDArray[np.int64]  # element of x behind each of the target's; empty where they are x itself
    factor: npt.NDArray[np.float64]  # what it is multiplied by
    hyperbolic: npt.NDArray[np.int64]  # 1 where the target's value is the hyperbolic sine of x's element


class Scratch(NamedTuple):
    """What the pullback needs from the forward pass."""

    roots: npt.NDArray[np.float64]  # Cholesky factors of P_tj(theta), flat like `info`
    right: npt.NDArray[np.float64]  # (n_u,) r - C (rest - rest_hat)
    mixed: npt.NDArray[np.float64]  # (n_u,) eps as the blocks see it
    moved: npt.NDArray[np.float64]  # (n_u,) u before the mixing after


@_compiled
def _scratch(map_: MapData) -> Scratch:
    n_u = map_.right.size
    return Scratch(np.empty(map_.info.size), np.empty(n_u), np.empty(n_u), np.empty(n_u))


@_compiled
def _omega(x: Any, data: KernelData, t: int, sd: Any, factor: Any, inverse: Any, omega: Any) -> None:
    """Fill the factors and the precision of one term at the theta of x."""
    k, z = omega.shape[0], data.terms[layout.Z_START, t]
    theta = x[data.sizes[layout.N_U] + data.sizes[layout.N_BETA] :]
    term_factor(
        theta, data.terms[layout.THETA_START, t], k, data.blocks[z : z + k], data.theta_table, sd, factor, inverse
    )
    precision(inverse, omega)


@_compiled
def _take_off_couplings(shift: Any, start: int, stop: int, value: int, map_: MapData, right: Any) -> None:
    """Subtract one direction's couplings times the shift of the rest; dense ones are read in order."""
    if stop == start:
        return
    width, column = stop - start, map_.columns[start]
    dense = map_.columns[stop - 1] - column == width - 1
    for c in range(right.size):
        row, total = map_.values[value + c * width : value + (c + 1) * width], 0.0
        if dense:
            for m in range(width):
                total += row[m] * shift[column + m]
        else:
            for m in range(width):
                total += row[m] * shift[map_.columns[start + m]]
        right[c] -= total


@_compiled
def _pull_couplings(d_right: Any, start: int, stop: int, value: int, map_: MapData, gradient: Any) -> None:
    """Reverse of `_take_off_couplings`: what d/d right says about the rest."""
    if stop == start:
        return
    width, column = stop - start, map_.columns[start]
    dense = map_.columns[stop - 1] - column == width - 1
    for c in range(d_right.size):
        row, scale = map_.values[value + c * width : value + (c + 1) * width], d_right[c]
        if dense:
            for m in range(width):
                gradient[column + m] -= row[m] * scale
        else:
            for m in range(width):
                gradient[map_.columns[start + m]] -= row[m] * scale


@_compiled
def _blocks_forward(x: Any, omega: Any, first: int, levels: int, t: int, map_: MapData, scratch: Scratch) -> float:
    """Fill one term's u in `scratch.moved`; return the log determinant of its blocks' map."""
    k = omega.shape[0]
    info_at, value_at = map_.terms[INFO_START, t], map_.terms[VALUE_START, t]
    rows = map_.start[map_.terms[ROW_START, t] : map_.terms[ROW_START, t] + levels + 1]
    block, shift = np.empty((k, k)), x - map_.centre
    log_det = 0.0
    for level in range(levels):
        at, here = first + k * level, info_at + k * k * level
        root = scratch.roots[here : here + k * k].reshape((k, k))
        right = scratch.right[at : at + k]
        right[:] = map_.right[at : at + k]
        _take_off_couplings(shift, rows[level], rows[level + 1], value_at + k * (rows[level] - rows[0]), map_, right)
        moved = scratch.moved[at : at + k]
        if k == 1:
            root[0, 0] = math.sqrt(map_.info[here] + omega[0, 0])
            moved[0] = (right[0] / root[0, 0] + scratch.mixed[at]) / root[0, 0]
            log_det -= math.log(root[0, 0])
            continue
        for a in range(k):
            for b in range(k):
                block[a, b] = map_.info[here + k * a + b] + omega[a, b]
        cholesky_small(block, root)
        moved[:] = right
        forward_small(root, moved)
        for c in range(k):
            moved[c] += scratch.mixed[at + c]
            log_det -= math.log(root[c, c])
        backward_small(root, moved)
    return log_det


@_compiled
def to_position(z: Any, map_: MapData, data: KernelData, x: Any, scratch: Scratch) -> float:
    """Fill the position x of z; return the log determinant of the Jacobian without its constant."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    x[n_u + n_beta :] = map_.centre[n_u + n_beta :]
    log_det = bend(map_.theta_factor @ z[n_u + n_beta :], map_.bends, x[n_u + n_beta :])
    x[n_u : n_u + n_beta] = map_.centre[n_u : n_u + n_beta] + map_.beta_factor @ z[n_u : n_u + n_beta]
    for t in range(data.sizes[layout.N_TERMS] - 1, -1, -1):
        k, levels, first = data.terms[layout.COEFS, t], data.terms[layout.LEVELS, t], data.terms[layout.U_START, t]
        size = k * levels
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        _omega(x, data, t, sd, factor, inverse, omega)
        kind, mix_at = map_.terms[MIXING, t], map_.terms[MIX_START, t]
        if kind == BEFORE:
            mix = map_.mix[mix_at : mix_at + size * size].reshape((size, size))
            scratch.mixed[first : first + size] = mix @ z[first : first + size]
        else:
            scratch.mixed[first : first + size] = z[first : first + size]
        log_det += _blocks_forward(x, omega, first, levels, t, map_, scratch)
        if kind == AFTER:
            mix = map_.mix[mix_at : mix_at + size * size].reshape((size, size))
            x[first : first + size] = mix @ scratch.moved[first : first + size]
        else:
            x[first : first + size] = scratch.moved[first : first + size]
    return log_det


@_compiled
def _pull_block(root: Any, right: Any, moved: Any, d_moved: Any, d_block: Any, work: Any) -> None:
    """Reverse mode of u = L'^-1 (L^-1 r + e) with P = L L': turn d/du into d/de, leave d/dr in work[0], add d/dP.

    The log determinant -sum log L[c, c] is differentiated along.
    """
    k = root.shape[0]
    d_right, whitened, d_root, inner = work[0], work[1], work[2 : 2 + k], work[2 + k : 2 + 2 * k]
    forward_small(root, d_moved)  # now d/de = d/ds
    whitened[:] = right
    forward_small(root, whitened)
    d_right[:] = d_moved
    backward_small(root, d_right)
    for a in range(k):
        for b in range(k):
            d_root[a, b] = -moved[a] * d_moved[b] - d_right[a] * whitened[b] if b <= a else 0.0
        d_root[a, a] -= 1.0 / root[a, a]
    # through the Cholesky factor (Murray 2016, arXiv:1602.07527): inner = tril(L' dL), half the diagonal
    for a in range(k):
        for b in range(a + 1):
            total = 0.0
            for m in range(a, k):
                total += root[m, a] * d_root[m, b]
            inner[a, b] = inner[b, a] = 0.5 * total
        # diagonal of tril with half its value, then the symmetric half: total / 2 there too
    for a in range(k):
        backward_small(root, inner[a])  # rows: inner L^-1
    for b in range(k):
        for a in range(k):
            whitened[a] = inner[a, b]
        backward_small(root, whitened)  # columns: L'^-1 inner L^-1
        for a in range(k):
            d_block[a, b] += whitened[a]


@_compiled
def _blocks_backward(
    gradient: Any, d_moved: Any, d_omega: Any, first: int, levels: int, t: int, map_: MapData, scratch: Scratch
) -> None:
    """Turn one term's d/du in `d_moved` into d/d eps; add d/d rest to `gradient` and d/d Omega to `d_omega`."""
    k = d_omega.shape[0]
    info_at, value_at = map_.terms[INFO_START, t], map_.terms[VALUE_START, t]
    rows = map_.start[map_.terms[ROW_START, t] : map_.terms[ROW_START, t] + levels + 1]
    work = np.empty((2 + 2 * k, k))
    d_right = work[0]
    for level in range(levels):
        at, here = first + k * level, info_at + k * k * level
        if k == 1:
            root = scratch.roots[here]
            d_eps = d_moved[level] / root
            d_right[0] = d_eps / root
            d_omega[0, 0] -= d_right[0] * (scratch.right[at] / root + 0.5 * scratch.mixed[at]) / root + 0.5 / (
                root * root
            )
            d_moved[level] = d_eps
        else:
            root_block = scratch.roots[here : here + k * k].reshape((k, k))
            right, moved = scratch.right[at : at + k], scratch.moved[at : at + k]
            _pull_block(root_block, right, moved, d_moved[k * level : k * level + k], d_omega, work)
        _pull_couplings(d_right, rows[level], rows[level + 1], value_at + k * (rows[level] - rows[0]), map_, gradient)


@_compiled
def pull_back(z: Any, x: Any, gradient: Any, map_: MapData, data: KernelData, scratch: Scratch, out: Any) -> None:
    """Fill d/dz from d/dx (overwritten) and the Jacobian's own derivative."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    theta, d_theta = x[n_u + n_beta :], gradient[n_u + n_beta :]
    for t in range(data.sizes[layout.N_TERMS]):
        k, levels, first = data.terms[layout.COEFS, t], data.terms[layout.LEVELS, t], data.terms[layout.U_START, t]
        size, column = k * levels, data.terms[layout.Z_START, t]
        kind, mix_at = map_.terms[MIXING, t], map_.terms[MIX_START, t]
        d_moved, d_omega = gradient[first : first + size].copy(), np.zeros((k, k))
        if kind == AFTER:
            mix = map_.mix[mix_at : mix_at + size * size].reshape((size, size))
            d_moved = mix.T @ d_moved
        _blocks_backward(gradient, d_moved, d_omega, first, levels, t, map_, scratch)
        if kind == BEFORE:
            mix = map_.mix[mix_at : mix_at + size * size].reshape((size, size))
            d_moved = mix.T @ d_moved
        out[first : first + size] = d_moved
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        _omega(x, data, t, sd, factor, inverse, omega)
        start, blocks = data.terms[layout.THETA_START, t], data.blocks[column : column + k]
        pull_precision(theta, start, blocks, data.theta_table, sd, factor, inverse, d_omega, d_theta)
    out[n_u : n_u + n_beta] = map_.beta_factor.T @ gradient[n_u : n_u + n_beta]
    d_y = pull_bend(map_.theta_factor @ z[n_u + n_beta :], map_.bends, d_theta)
    out[n_u + n_beta :] = map_.theta_factor.T @ d_y


@njit(error_model="numpy")
def _target(x: Any, map_: MapData, gradient: Any, logp: Any) -> int:
    """Call the density behind the map's pointer, in the target's own order of elements."""
    if map_.element.size == 0:
        return call_density(map_.target[DENSITY], x.size, x, gradient, logp, map_.target[USER_DATA])
    values, d_values = np.empty(x.size), np.empty(x.size)
    for i in range(x.size):
        own = x[map_.element[i]]
        values[i] = math.sinh(own) if map_.hyperbolic[i] else map_.factor[i] * own
    code: int = call_density(map_.target[DENSITY], x.size, values, d_values, logp, map_.target[USER_DATA])
    for i in range(x.size):
        own = x[map_.element[i]]
        if map_.hyperbolic[i]:
            logp[0] += math.log(math.cosh(own))
            gradient[map_.element[i]] = math.cosh(own) * d_values[i] + math.tanh(own)
        else:
            gradient[map_.element[i]] = map_.factor[i] * d_values[i]
    return code


@njit(error_model="numpy")
def read_map(table: Any) -> MapData:
    """Rebuild the map from its table of addresses (compiled code only)."""
    return MapData(
        read_vector(table, 0, np.uint64),
        read_vector(table, 1, np.float64),
        read_matrix(table, 2, np.float64),
        read_matrix(table, 3, np.float64),
        read_matrix(table, 4, np.float64),
        read_matrix(table, 5, np.int64),
        read_vector(table, 6, np.float64),
        read_vector(table, 7, np.float64),
        read_vector(table, 8, np.int64),
        read_vector(table, 9, np.int64),
        read_vector(table, 10, np.float64),
        read_vector(table, 11, np.float64),
        read_vector(table, 12, np.int64),
        read_vector(table, 13, np.float64),
        read_vector(table, 14, np.int64),
    )


@native(DENSITY_SIGNATURE)
def density(dim: int, z_: Any, gradient_: Any, logp_: Any, user_data_: Any) -> int:
    """Return 0 with the target's density in z and its gradient; user data is the address table of a `MapData`."""
    map_ = read_map(carray(user_data_, (3 * 15,), np.uint64))
    data = read_data(carray(as_pointer(map_.target[DATA_TABLE]), (layout.TABLE_SIZE,), np.uint64))
    z, out, logp = carray(z_, (dim,)), carray(gradient_, (dim,)), carray(logp_, (1,))
    x, gradient, scratch = np.empty(dim), np.empty(dim), _scratch(map_)
    log_det = to_position(z, map_, data, x, scratch)
    code = _target(x, map_, gradient, logp)
    if code != 0:
        return code
    pull_back(z, x, gradient, map_, data, scratch, out)
    logp[0] += log_det
    if not math.isfinite(logp[0]):
        return 4
    for i in range(dim):
        if not math.isfinite(out[i]):
            return 3
    return 0


@native(EXPAND_SIGNATURE)
def expand(dim: int, expanded: int, z_: Any, x_: Any, user_data_: Any) -> int:
    """Fill the position of z; user data as of `density`."""
    map_ = read_map(carray(user_data_, (3 * 15,), np.uint64))
    data = read_data(carray(as_pointer(map_.target[DATA_TABLE]), (layout.TABLE_SIZE,), np.uint64))
    to_position(carray(z_, (dim,)), map_, data, carray(x_, (dim,)), _scratch(map_))
    return 0
