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
#: Sums in the order written, for loops that also write: LLVM picks their vector or their scalar form by where arrays
#: happen to lie in memory, and one seed must give the same draws.
_ordered = njit(error_model="numpy", fastmath={"contract", "nsz"})

#: Rows of ``MapData.terms``: first block of information, first coupling's value, row of `start`, mixing and its first
#: element, and whether all directions couple to the same run of elements.
INFO_START, VALUE_START, ROW_START, MIXING, MIX_START, DENSE = range(6)
#: How a term's directions relate to its levels: directly, through a matrix on eps before, or on u after.
DIRECT, BEFORE, AFTER = range(3)
#: Elements of a matrix below which its products are loops.
SMALL = 1024
#: Elements of ``MapData.target``: address of the density, address of its user data, address of the kernel's data table.
DENSITY, USER_DATA, DATA_TABLE = range(3)


class MapData(NamedTuple):
    """The constants of the map."""

    target: npt.NDArray[np.uint64]  # (3,)
    centre: npt.NDArray[np.float64]  # (D,) x at the mode
    theta_factor: npt.NDArray[np.float64]  # (d, d) L_theta
    bends: npt.NDArray[np.float64]  # (d, 3) A below, A above, r
    beta_factor: npt.NDArray[np.float64]  # (p, p) L_beta
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
def _dot(row: Any, vector: Any) -> float:
    total = 0.0
    for m in range(vector.size):
        total += row[m] * vector[m]
    return total


@_ordered
def _product(matrix: Any, vector: Any, out: Any) -> None:
    """Fill out = matrix @ vector; below a thousand elements a library's call costs more than the sums."""
    if matrix.size > SMALL:
        out[:] = matrix @ vector
        return
    for a in range(out.size):
        out[a] = _dot(matrix[a], vector)


@_ordered
def _transposed_product(matrix: Any, vector: Any, out: Any) -> None:
    """Fill out = matrix.T @ vector."""
    if matrix.size > SMALL:
        out[:] = matrix.T @ vector
        return
    out[:] = 0.0
    for a in range(vector.size):
        row, scale = matrix[a], vector[a]
        for m in range(out.size):
            out[m] += scale * row[m]


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


@_compiled
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


@_compiled
def _dense_couplings(size: int, row: int, value: int, map_: MapData) -> tuple[Any, int]:
    """Return one term's couplings as a matrix (directions, elements), and the first of these elements."""
    start, width = map_.start[row], map_.start[row + 1] - map_.start[row]
    return map_.values[value : value + size * width].reshape((size, width)), map_.columns[start]


@_compiled
def _take_off_couplings(x: Any, k: int, first: int, levels: int, t: int, map_: MapData, scratch: Scratch) -> None:
    """Fill `scratch.right` of one term: r - C (rest - rest_hat)."""
    row, value = map_.terms[ROW_START, t], map_.terms[VALUE_START, t]
    if map_.terms[DENSE, t]:
        matrix, column = _dense_couplings(k * levels, row, value, map_)
        size, width = matrix.shape
        shift, part = np.empty(width), scratch.right[first : first + size]
        for m in range(width):
            shift[m] = x[column + m] - map_.centre[column + m]
        _product(matrix, shift, part)
        known = map_.right[first : first + size]
        for m in range(size):
            part[m] = known[m] - part[m]
        return
    shift = x - map_.centre
    for level in range(levels):
        start, width = map_.start[row + level], map_.start[row + level + 1] - map_.start[row + level]
        for c in range(k):
            at = first + k * level + c
            scratch.right[at] = map_.right[at]
            if width > 0:
                scratch.right[at] -= _coupled(shift, start, width, value, map_)
            value += width


@_compiled
def _pull_couplings(d_right: Any, k: int, levels: int, t: int, map_: MapData, gradient: Any) -> None:
    """Reverse of `_take_off_couplings`: add what one term's d/d right says about the rest."""
    row, value = map_.terms[ROW_START, t], map_.terms[VALUE_START, t]
    if map_.terms[DENSE, t]:
        matrix, column = _dense_couplings(k * levels, row, value, map_)
        pulled, part = np.empty(matrix.shape[1]), gradient[column : column + matrix.shape[1]]
        _transposed_product(matrix, d_right, pulled)
        for m in range(pulled.size):
            part[m] -= pulled[m]
        return
    for level in range(levels):
        start, width = map_.start[row + level], map_.start[row + level + 1] - map_.start[row + level]
        for c in range(k):
            if width > 0:
                _pull_coupled(d_right[k * level + c], start, width, value, map_, gradient)
            value += width


@_ordered
def _single_forward(omega: float, info: Any, roots: Any, right: Any, mixed: Any, moved: Any) -> float:
    """`_blocks_forward` of one coefficient a level."""
    log_det = 0.0
    for level in range(moved.size):
        root = math.sqrt(info[level] + omega)
        roots[level] = root
        moved[level] = (right[level] / root + mixed[level]) / root
        log_det -= math.log(root)
    return log_det


@_ordered
def _pair_forward(omega: Any, info: Any, roots: Any, right: Any, mixed: Any, moved: Any) -> float:
    """`_blocks_forward` of two coefficients a level."""
    log_det = 0.0
    for level in range(moved.size // 2):
        at, here = 2 * level, 4 * level
        l00 = math.sqrt(info[here] + omega[0, 0])
        l10 = (info[here + 2] + omega[1, 0]) / l00
        l11 = math.sqrt(max(info[here + 3] + omega[1, 1] - l10 * l10, 1e-300))
        roots[here], roots[here + 2], roots[here + 3] = l00, l10, l11
        s0 = right[at] / l00
        s1 = (right[at + 1] - l10 * s0) / l11 + mixed[at + 1]
        s0 += mixed[at]
        moved[at + 1] = s1 / l11
        moved[at] = (s0 - l10 * moved[at + 1]) / l00
        log_det -= math.log(l00 * l11)
    return log_det


@_ordered
def _blocks_forward(omega: Any, info: int, first: int, levels: int, map_: MapData, scratch: Scratch) -> float:
    """Fill one term's u in `scratch.moved`, level by level; return the log determinant of its blocks' map."""
    k = omega.shape[0]
    own, blocks = slice(first, first + k * levels), slice(info, info + k * k * levels)
    if k <= 2:
        known, roots = map_.info[blocks], scratch.roots[blocks]
        right, mixed, out = scratch.right[own], scratch.mixed[own], scratch.moved[own]
        if k == 1:
            return _single_forward(omega[0, 0], known, roots, right, mixed, out)
        return _pair_forward(omega, known, roots, right, mixed, out)
    block, root, moved = np.empty((k, k)), np.empty((k, k)), np.empty(k)
    log_det = 0.0
    for level in range(levels):
        at, here = first + k * level, info + k * k * level
        for a in range(k):
            moved[a] = scratch.right[at + a]
            for b in range(k):
                block[a, b] = map_.info[here + k * a + b] + omega[a, b]
        cholesky_small(block, root)
        forward_small(root, moved)
        for c in range(k):
            moved[c] += scratch.mixed[at + c]
            log_det -= math.log(root[c, c])
        backward_small(root, moved)
        for a in range(k):
            scratch.moved[at + a] = moved[a]
            for b in range(k):
                scratch.roots[here + k * a + b] = root[a, b]
    return log_det


@_compiled
def to_position(z: Any, map_: MapData, data: KernelData, x: Any, scratch: Scratch) -> float:
    """Fill the position x of z; return the log determinant of the Jacobian without its constant."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    x[n_u + n_beta :] = map_.centre[n_u + n_beta :]
    y = np.empty(z.size - n_u - n_beta)
    _product(map_.theta_factor, z[n_u + n_beta :], y)
    log_det = bend(y, map_.bends, x[n_u + n_beta :])
    _product(map_.beta_factor, z[n_u : n_u + n_beta], x[n_u : n_u + n_beta])
    for j in range(n_u, n_u + n_beta):
        x[j] += map_.centre[j]
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
        _take_off_couplings(x, k, first, levels, t, map_, scratch)
        log_det += _blocks_forward(omega, map_.terms[INFO_START, t], first, levels, map_, scratch)
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


@_ordered
def _single_backward(d_moved: Any, d_right: Any, d_omega: Any, roots: Any, right: Any, mixed: Any) -> None:
    """`_blocks_backward` of one coefficient a level."""
    total = 0.0
    for level in range(d_moved.size):
        inverse = 1.0 / roots[level]
        d_eps = d_moved[level] * inverse
        d_right[level] = d_eps * inverse
        total += d_eps * inverse * (right[level] * inverse + 0.5 * mixed[level]) * inverse
        total += 0.5 * inverse * inverse
        d_moved[level] = d_eps
    d_omega[0, 0] -= total


@_ordered
def _pair_backward(d_moved: Any, d_right: Any, d_omega: Any, roots: Any, right: Any, moved: Any) -> None:
    """`_blocks_backward` of two coefficients a level: `_pull_block` written out."""
    for level in range(d_moved.size // 2):
        here, own = 4 * level, 2 * level
        l00, l10, l11 = roots[here], roots[here + 2], roots[here + 3]
        i00, i11 = 1.0 / l00, 1.0 / l11
        e0 = d_moved[own] * i00
        e1 = (d_moved[own + 1] - l10 * e0) * i11
        w0 = right[own] * i00
        w1 = (right[own + 1] - l10 * w0) * i11
        r1 = e1 * i11
        r0 = (e0 - l10 * r1) * i00
        u0, u1 = moved[own], moved[own + 1]
        d00, d10, d11 = -u0 * e0 - r0 * w0 - i00, -u1 * e0 - r1 * w0, -u1 * e1 - r1 * w1 - i11
        # half of the symmetric L' dL, then L'^-1 from both sides
        n00, n10, n11 = 0.5 * (l00 * d00 + l10 * d10), 0.5 * l11 * d10, 0.5 * l11 * d11
        q01, q11 = n10 * i11, n11 * i11
        q00, q10 = (n00 - l10 * q01) * i00, (n10 - l10 * q11) * i00
        p10, p11 = q10 * i11, q11 * i11
        d_omega[0, 0] += (q00 - l10 * p10) * i00
        d_omega[0, 1] += (q01 - l10 * p11) * i00
        d_omega[1, 0] += p10
        d_omega[1, 1] += p11
        d_moved[own], d_moved[own + 1], d_right[own], d_right[own + 1] = e0, e1, r0, r1


@_ordered
def _blocks_backward(
    d_moved: Any, d_right: Any, d_omega: Any, info: int, first: int, levels: int, scratch: Scratch
) -> None:
    """Turn one term's d/du in `d_moved` into d/d eps; fill d/d right and add d/d Omega."""
    k = d_omega.shape[0]
    own, blocks = slice(first, first + k * levels), slice(info, info + k * k * levels)
    if k == 1:
        _single_backward(d_moved, d_right, d_omega, scratch.roots[blocks], scratch.right[own], scratch.mixed[own])
        return
    if k == 2:
        _pair_backward(d_moved, d_right, d_omega, scratch.roots[blocks], scratch.right[own], scratch.moved[own])
        return
    work = np.empty((2 + 2 * k, k))
    root, right, moved, d_u = np.empty((k, k)), np.empty(k), np.empty(k), np.empty(k)
    for level in range(levels):
        at, here = first + k * level, info + k * k * level
        for a in range(k):
            right[a], moved[a], d_u[a] = scratch.right[at + a], scratch.moved[at + a], d_moved[k * level + a]
            for b in range(k):
                root[a, b] = scratch.roots[here + k * a + b]
        _pull_block(root, right, moved, d_u, d_omega, work)
        for a in range(k):
            d_moved[k * level + a], d_right[k * level + a] = d_u[a], work[0, a]


@_compiled
def pull_back(z: Any, x: Any, gradient: Any, map_: MapData, data: KernelData, scratch: Scratch, out: Any) -> None:
    """Fill d/dz from d/dx (overwritten) and the Jacobian's own derivative."""
    n_u, n_beta = data.sizes[layout.N_U], data.sizes[layout.N_BETA]
    theta, d_theta = x[n_u + n_beta :], gradient[n_u + n_beta :]
    for t in range(data.sizes[layout.N_TERMS]):
        k, levels, first = data.terms[layout.COEFS, t], data.terms[layout.LEVELS, t], data.terms[layout.U_START, t]
        size, column = k * levels, data.terms[layout.Z_START, t]
        kind, mix_at = map_.terms[MIXING, t], map_.terms[MIX_START, t]
        d_moved, d_right, d_omega = gradient[first : first + size].copy(), np.empty(size), np.zeros((k, k))
        if kind == AFTER:
            mix = map_.mix[mix_at : mix_at + size * size].reshape((size, size))
            d_moved = mix.T @ d_moved
        _blocks_backward(d_moved, d_right, d_omega, map_.terms[INFO_START, t], first, levels, scratch)
        _pull_couplings(d_right, k, levels, t, map_, gradient)
        if kind == BEFORE:
            mix = map_.mix[mix_at : mix_at + size * size].reshape((size, size))
            d_moved = mix.T @ d_moved
        out[first : first + size] = d_moved
        sd, factor, inverse, omega = np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        _omega(x, data, t, sd, factor, inverse, omega)
        start, blocks = data.terms[layout.THETA_START, t], data.blocks[column : column + k]
        pull_precision(theta, start, blocks, data.theta_table, sd, factor, inverse, d_omega, d_theta)
    _transposed_product(map_.beta_factor, gradient[n_u : n_u + n_beta], out[n_u : n_u + n_beta])
    y = np.empty(d_theta.size)
    _product(map_.theta_factor, z[n_u + n_beta :], y)
    _transposed_product(map_.theta_factor, pull_bend(y, map_.bends, d_theta), out[n_u + n_beta :])


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
