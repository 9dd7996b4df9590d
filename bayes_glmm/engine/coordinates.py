"""The Laplace fit as coordinates: a smooth bijection z -> x = [u, beta, theta] that makes the posterior nearly N(0, I).

Input: standard coordinates z = [eps, w, v], laid out as x is, and `MapData`. Output: the position, the log determinant
of the map's Jacobian, and gradients pulled back from x to z. With theta first, then beta, then the terms from last to
first, each given those before it:

    theta = theta_hat + g(L_theta v), g(y) = y (1 + A w / (1 + w)), w = (y / r)^4, A >= 0 for each element and sign
    beta  = beta_hat + S_beta v + L_beta w
    u_tj  = P^-1 (r_tj + S_tj v - C_tj (rest - rest_hat)) + P^(-1/2) eps_tj, with P = I_tj + Omega_t(theta)

The shear S makes the mode of (u, beta) follow theta to first order: a threshold takes all levels of a factor with it,
the sd of 0/1 data beta. It stands beside r, so that levels' effects go to zero with their sd, whatever v.

The map depends on theta (so that it is the non-centred parametrisation when a sd is near zero and the centred one when
the data say much) and couples the blocks (so that what one block's shift does to another is already in it). The
posterior is exact whatever the quality of the fit: only speed depends on it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bayes_glmm.engine import data as layout
from bayes_glmm.engine.arithmetic import as_written, reordered
from bayes_glmm.engine.data import KernelData, read_data, read_matrix, read_vector
from bayes_glmm.engine.level_blocks import blocks_backward, blocks_forward
from bayes_glmm.engine.native import native
from bayes_glmm.engine.parameters import pull_term, term_given
from bayes_glmm.engine.pointers import (
    DENSITY_SIGNATURE,
    EXPAND_SIGNATURE,
    as_pointer,
    borrowed,
    call_density,
    carray,
    local_matrix,
    local_vector,
    release,
)
from bayes_glmm.engine.theta_map import pull_place, to_place
from bayes_glmm.engine.vectors import add_scaled, copy, dot, product, transposed_product

#: Rows of ``MapData.terms``: first block of information, first coupling's value, row of `start`, mixing and its first
#: element, and whether all directions couple to the same run of elements.
INFO_START, VALUE_START, ROW_START, MIXING, MIX_START, DENSE = range(6)
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
    shear: npt.NDArray[np.float64]  # (d, n_u + p) S', a row for each element of v, laid out as x is
    terms: npt.NDArray[np.int64]  # (6, G)
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
    """Where one evaluation works, and what the pullback needs from the forward pass."""

    x: npt.NDArray[np.float64]  # (D,) the position
    gradient: npt.NDArray[np.float64]  # (D,) d/dx
    shift: npt.NDArray[np.float64]  # (D,) couplings' elements, less the mode's or to be added
    roots: npt.NDArray[np.float64]  # Cholesky factors of P_tj(theta), flat like `info`
    right: npt.NDArray[np.float64]  # (n_u,) r - C (rest - rest_hat)
    mixed: npt.NDArray[np.float64]  # (n_u,) eps as the blocks see it
    moved: npt.NDArray[np.float64]  # (n_u,) u before the mixing after
    d_moved: npt.NDArray[np.float64]  # (n_u,) d/d moved, then d/d mixed
    d_right: npt.NDArray[np.float64]  # (n_u,)


@reordered
def _scratch_size(map_: MapData) -> int:
    return 3 * map_.centre.size + map_.info.size + 5 * map_.right.size


@reordered
def _scratch(memory: Any, map_: MapData) -> Scratch:
    """Lay the scratch out in `memory`."""
    dim, n_u = map_.centre.size, map_.right.size
    at = 3 * dim + map_.info.size
    return Scratch(
        memory[:dim],
        memory[dim : 2 * dim],
        memory[2 * dim : 3 * dim],
        memory[3 * dim : at],
        memory[at : at + n_u],
        memory[at + n_u : at + 2 * n_u],
        memory[at + 2 * n_u : at + 3 * n_u],
        memory[at + 3 * n_u : at + 4 * n_u],
        memory[at + 4 * n_u : at + 5 * n_u],
    )


@reordered
def _coupled(shift: Any, start: int, width: int, value: int, map_: MapData) -> float:
    """Return one row of couplings times the shift of the rest; a dense row is read in order."""
    row, columns, total = map_.values[value : value + width], map_.columns[start : start + width], 0.0
    if columns[width - 1] - columns[0] == width - 1:
        part = shift[columns[0] : columns[0] + width]
        for m in range(width):
            total += row[m] * part[m]
    else:
        for m in range(width):
            total += row[m] * shift[columns[m]]
    return total


@reordered
def _pull_coupled(scale: float, start: int, width: int, value: int, map_: MapData, gradient: Any) -> None:
    """Reverse of `_coupled`, with the sign of r - C (rest - rest_hat)."""
    row, columns = map_.values[value : value + width], map_.columns[start : start + width]
    if columns[width - 1] - columns[0] == width - 1:
        part = gradient[columns[0] : columns[0] + width]
        for m in range(width):
            part[m] -= row[m] * scale
    else:
        for m in range(width):
            gradient[columns[m]] -= row[m] * scale


@reordered
def _dense_couplings(size: int, row: int, value: int, map_: MapData) -> tuple[Any, int]:
    """Return one term's couplings as a matrix (directions, elements), and the first of these elements."""
    start, width = map_.start[row], map_.start[row + 1] - map_.start[row]
    return map_.values[value : value + size * width].reshape((size, width)), map_.columns[start]


@reordered
def _take_off_couplings(k: int, first: int, levels: int, t: int, map_: MapData, scratch: Scratch) -> None:
    """Take C (rest - rest_hat) off r + S v in one term's `scratch.right`; `scratch.moved` is used up."""
    row, value = map_.terms[ROW_START, t], map_.terms[VALUE_START, t]
    own = slice(first, first + k * levels)
    part, taken = scratch.right[own], scratch.moved[own]
    if map_.terms[DENSE, t]:
        matrix, column = _dense_couplings(k * levels, row, value, map_)
        shift = scratch.shift[: matrix.shape[1]]
        for m in range(shift.size):
            shift[m] = scratch.x[column + m] - map_.centre[column + m]
        product(matrix, shift, taken)
        for m in range(part.size):
            part[m] -= taken[m]
        return
    # what comes later in the order lies behind, but for theta
    for m in range(first + k * levels, scratch.shift.size):
        scratch.shift[m] = scratch.x[m] - map_.centre[m]
    for level in range(levels):
        start, width = map_.start[row + level], map_.start[row + level + 1] - map_.start[row + level]
        for c in range(k):
            if width > 0:
                part[k * level + c] -= _coupled(scratch.shift, start, width, value, map_)
            value += width


@reordered
def _pull_couplings(k: int, first: int, levels: int, t: int, map_: MapData, scratch: Scratch) -> None:
    """Reverse of `_take_off_couplings`: add what one term's d/d right says about the rest."""
    row, value = map_.terms[ROW_START, t], map_.terms[VALUE_START, t]
    d_right = scratch.d_right[first : first + k * levels]
    if map_.terms[DENSE, t]:
        matrix, column = _dense_couplings(k * levels, row, value, map_)
        pulled, part = scratch.shift[: matrix.shape[1]], scratch.gradient[column : column + matrix.shape[1]]
        transposed_product(matrix, d_right, pulled)
        for m in range(pulled.size):
            part[m] -= pulled[m]
        return
    for level in range(levels):
        start, width = map_.start[row + level], map_.start[row + level + 1] - map_.start[row + level]
        for c in range(k):
            if width > 0:
                _pull_coupled(d_right[k * level + c], start, width, value, map_, scratch.gradient)
            value += width


@reordered
def _mixing(t: int, size: int, map_: MapData) -> Any:
    """Return one term's mixing matrix."""
    start = map_.terms[MIX_START, t]
    return map_.mix[start : start + size * size].reshape((size, size))


@reordered
def _place_term(z: Any, t: int, map_: MapData, data: KernelData, scratch: Scratch) -> float:
    """Fill one term's u in `scratch.x`; return the log determinant of its blocks' map."""
    k, levels, first = data.terms[layout.COEFS, t], data.terms[layout.LEVELS, t], data.terms[layout.U_START, t]
    size, kind, info = k * levels, map_.terms[MIXING, t], map_.terms[INFO_START, t]
    own, blocks = slice(first, first + size), slice(info, info + k * size)
    mixed, moved, u = scratch.mixed[own], scratch.moved[own], scratch.x[own]
    sd, factor, inverse, omega = local_vector(k), local_matrix(k, k), local_matrix(k, k), local_matrix(k, k)
    term_given(scratch.x[data.sizes[layout.N_U] + data.sizes[layout.N_BETA] :], data, t, sd, factor, inverse, omega)
    if kind == BEFORE:
        product(_mixing(t, size, map_), z[own], mixed)
    else:
        copy(z[own], mixed)
    _take_off_couplings(k, first, levels, t, map_, scratch)
    log_det: float = blocks_forward(omega, map_.info[blocks], scratch.roots[blocks], scratch.right[own], mixed, moved)
    if kind == AFTER:
        product(_mixing(t, size, map_), moved, u)
    else:
        copy(moved, u)
    return log_det


@reordered
def to_position(z: Any, map_: MapData, data: KernelData, scratch: Scratch) -> float:
    """Fill `scratch.x` with the position of z; return the log determinant of the Jacobian without its constant."""
    n_u, n_beta, x = data.sizes[layout.N_U], data.sizes[layout.N_BETA], scratch.x
    v, theta = z[n_u + n_beta :], x[n_u + n_beta :]
    log_det: float = to_place(v, map_.centre[n_u + n_beta :], map_.theta_factor, map_.bends, theta)
    product(map_.beta_factor, z[n_u : n_u + n_beta], x[n_u : n_u + n_beta])
    for j in range(n_u, n_u + n_beta):
        x[j] += map_.centre[j]
    copy(map_.right, scratch.right)
    for i in range(v.size):
        add_scaled(v[i], map_.shear[i][:n_u], scratch.right)
        add_scaled(v[i], map_.shear[i][n_u:], x[n_u : n_u + n_beta])
    for t in range(data.sizes[layout.N_TERMS] - 1, -1, -1):
        log_det += _place_term(z, t, map_, data, scratch)
    return log_det


@reordered
def _pull_term(t: int, map_: MapData, data: KernelData, scratch: Scratch, out: Any) -> None:
    """Fill d/d eps of one term; add to d/dx of what comes later in the order and of theta."""
    k, levels, first = data.terms[layout.COEFS, t], data.terms[layout.LEVELS, t], data.terms[layout.U_START, t]
    size, kind, info = k * levels, map_.terms[MIXING, t], map_.terms[INFO_START, t]
    own, blocks = slice(first, first + size), slice(info, info + k * size)
    d_moved, d_right, d_u = scratch.d_moved[own], scratch.d_right[own], scratch.gradient[own]
    d_omega = local_matrix(k, k)
    d_omega[:] = 0.0
    if kind == AFTER:
        transposed_product(_mixing(t, size, map_), d_u, d_moved)
    else:
        copy(d_u, d_moved)
    right, mixed, moved = scratch.right[own], scratch.mixed[own], scratch.moved[own]
    blocks_backward(d_moved, d_right, d_omega, scratch.roots[blocks], right, mixed, moved)
    _pull_couplings(k, first, levels, t, map_, scratch)
    if kind == BEFORE:
        transposed_product(_mixing(t, size, map_), d_moved, out[own])
    else:
        copy(d_moved, out[own])
    sd, factor, inverse, omega = local_vector(k), local_matrix(k, k), local_matrix(k, k), local_matrix(k, k)
    last = data.sizes[layout.N_U] + data.sizes[layout.N_BETA]
    theta, d_theta = scratch.x[last:], scratch.gradient[last:]
    term_given(theta, data, t, sd, factor, inverse, omega)
    pull_term(theta, data, t, sd, factor, inverse, d_omega, d_theta)


@reordered
def pull_back(z: Any, map_: MapData, data: KernelData, scratch: Scratch, out: Any) -> None:
    """Fill d/dz from `scratch.gradient`, d/dx (used up), and the Jacobian's own derivative."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    for t in range(data.sizes[layout.N_TERMS]):
        _pull_term(t, map_, data, scratch, out)
    transposed_product(map_.beta_factor, scratch.gradient[n_u : n_u + n_beta], out[n_u : n_u + n_beta])
    d_theta = scratch.gradient[n_u + n_beta :]
    pull_place(z[n_u + n_beta :], map_.theta_factor, map_.bends, d_theta, out[n_u + n_beta :])
    for i in range(d_theta.size):
        row, at = map_.shear[i], n_u + n_beta + i
        out[at] += dot(row[:n_u], scratch.d_right) + dot(row[n_u:], scratch.gradient[n_u : n_u + n_beta])


@as_written
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


@as_written
def read_map(table: Any) -> MapData:
    """Rebuild the map from its table of addresses (compiled code only)."""
    return MapData(
        read_vector(table, 0, np.uint64),
        read_vector(table, 1, np.float64),
        read_matrix(table, 2, np.float64),
        read_matrix(table, 3, np.float64),
        read_matrix(table, 4, np.float64),
        read_matrix(table, 5, np.float64),
        read_matrix(table, 6, np.int64),
        read_vector(table, 7, np.float64),
        read_vector(table, 8, np.float64),
        read_vector(table, 9, np.int64),
        read_vector(table, 10, np.int64),
        read_vector(table, 11, np.float64),
        read_vector(table, 12, np.float64),
        read_vector(table, 13, np.int64),
        read_vector(table, 14, np.float64),
        read_vector(table, 15, np.int64),
    )


@reordered
def _evaluate(z: Any, map_: MapData, data: KernelData, scratch: Scratch, out: Any, logp: Any) -> int:
    """Fill the target's density in z and its gradient; return 0, or why they are not finite."""
    log_det = to_position(z, map_, data, scratch)
    code: int = _target(scratch.x, map_, scratch.gradient, logp)
    if code != 0:
        return code
    pull_back(z, map_, data, scratch, out)
    logp[0] += log_det
    if not math.isfinite(logp[0]):
        return 4
    for i in range(out.size):
        if not math.isfinite(out[i]):
            return 3
    return 0


@as_written
def _read_tables(user_data: Any) -> tuple[MapData, KernelData]:
    map_ = read_map(carray(user_data, (3 * 16,), np.uint64))
    return map_, read_data(carray(as_pointer(map_.target[DATA_TABLE]), (layout.TABLE_SIZE,), np.uint64))


@native(DENSITY_SIGNATURE)
def density(dim: int, z: Any, gradient: Any, logp: Any, user_data: Any) -> int:
    """Return 0 with the target's density in z and its gradient; user data is the address table of a `MapData`."""
    map_, data = _read_tables(user_data)
    memory = np.empty(_scratch_size(map_))
    scratch = _scratch(borrowed(memory), map_)
    code = _evaluate(carray(z, (dim,)), map_, data, scratch, carray(gradient, (dim,)), carray(logp, (1,)))
    release(memory)
    return code


@native(EXPAND_SIGNATURE)
def expand(dim: int, expanded: int, z: Any, x: Any, user_data: Any) -> int:
    """Fill the position of z; user data as of `density`."""
    map_, data = _read_tables(user_data)
    memory = np.empty(_scratch_size(map_))
    scratch = _scratch(borrowed(memory), map_)
    to_position(carray(z, (dim,)), map_, data, scratch)
    copy(scratch.x, carray(x, (dim,)))
    release(memory)
    return 0
