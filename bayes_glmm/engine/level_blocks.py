"""The levels of one grouping term in the coordinates: u_j = P_j^-1 r_j + P_j^(-1/2) eps_j with P_j = I_j + Omega.

Input: one term's arrays, flat, level by level (k elements or k x k blocks a level). Output: u and the log determinant
of eps -> u, or gradients pulled back to eps, r and Omega. One and two coefficients a level are written out.
"""

from __future__ import annotations

import math
from typing import Any

from bayes_glmm.engine.arithmetic import ordered, reordered
from bayes_glmm.engine.information import backward_small, cholesky_small, forward_small
from bayes_glmm.engine.pointers import local_matrix, local_vector
from bayes_glmm.engine.vectors import copy


@ordered
def _single_forward(omega: float, info: Any, roots: Any, right: Any, mixed: Any, moved: Any) -> float:
    """`blocks_forward` of one coefficient a level."""
    log_det = 0.0
    for level in range(moved.size):
        root = math.sqrt(info[level] + omega)
        roots[level] = root
        moved[level] = (right[level] / root + mixed[level]) / root
        log_det -= math.log(root)
    return log_det


@ordered
def _pair_forward(omega: Any, info: Any, roots: Any, right: Any, mixed: Any, moved: Any) -> float:
    """`blocks_forward` of two coefficients a level."""
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


@ordered
def blocks_forward(omega: Any, info: Any, roots: Any, right: Any, mixed: Any, moved: Any) -> float:
    """Fill one term's u, and the Cholesky factors of its blocks for the way back.

    Parameters
    ----------
    omega
        (k, k) prior precision of a level's coefficients.
    info
        (levels k k,) information of the levels' rows.
    roots
        (levels k k,) overwritten with lower Cholesky factors of info + omega.
    right, mixed
        (levels k,) r and eps.
    moved
        (levels k,) overwritten with u.

    Returns
    -------
    float
        Log determinant of du / d eps.
    """
    k = omega.shape[0]
    if k == 1:
        return _single_forward(omega[0, 0], info, roots, right, mixed, moved)
    if k == 2:
        return _pair_forward(omega, info, roots, right, mixed, moved)
    block, root, u = local_matrix(k, k), local_matrix(k, k), local_vector(k)
    log_det = 0.0
    for level in range(moved.size // k):
        at, here = k * level, k * k * level
        for a in range(k):
            u[a] = right[at + a]
            for b in range(k):
                block[a, b] = info[here + k * a + b] + omega[a, b]
        cholesky_small(block, root)
        forward_small(root, u)
        for c in range(k):
            u[c] += mixed[at + c]
            log_det -= math.log(root[c, c])
        backward_small(root, u)
        for a in range(k):
            moved[at + a] = u[a]
            for b in range(k):
                roots[here + k * a + b] = root[a, b]
    return log_det


@reordered
def _pull_block(root: Any, right: Any, moved: Any, d_moved: Any, d_block: Any, work: Any) -> None:
    """Reverse mode of u = L'^-1 (L^-1 r + e) with P = L L': turn d/du into d/de, leave d/dr in work[0], add d/dP.

    The log determinant -sum log L[c, c] is differentiated along.
    """
    k = root.shape[0]
    d_right, whitened, d_root, inner = work[0], work[1], work[2 : 2 + k], work[2 + k : 2 + 2 * k]
    forward_small(root, d_moved)  # now d/de = d/ds
    copy(right, whitened)
    forward_small(root, whitened)
    copy(d_moved, d_right)
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


@ordered
def _single_backward(d_moved: Any, d_right: Any, d_omega: Any, roots: Any, right: Any, mixed: Any) -> None:
    """`blocks_backward` of one coefficient a level."""
    total = 0.0
    for level in range(d_moved.size):
        inverse = 1.0 / roots[level]
        d_eps = d_moved[level] * inverse
        d_right[level] = d_eps * inverse
        total += d_eps * inverse * (right[level] * inverse + 0.5 * mixed[level]) * inverse
        total += 0.5 * inverse * inverse
        d_moved[level] = d_eps
    d_omega[0, 0] -= total


@ordered
def _pair_backward(d_moved: Any, d_right: Any, d_omega: Any, roots: Any, right: Any, moved: Any) -> None:
    """`blocks_backward` of two coefficients a level: `_pull_block` written out."""
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


@ordered
def blocks_backward(d_moved: Any, d_right: Any, d_omega: Any, roots: Any, right: Any, mixed: Any, moved: Any) -> None:
    """Reverse of `blocks_forward`, the log determinant included.

    Parameters
    ----------
    d_moved
        (levels k,) d/du, turned into d/d eps.
    d_right
        (levels k,) overwritten with d/dr.
    d_omega
        (k, k) d/d Omega, added to.
    roots, right, mixed, moved
        As `blocks_forward` left them.
    """
    k = d_omega.shape[0]
    if k == 1:
        _single_backward(d_moved, d_right, d_omega, roots, right, mixed)
        return
    if k == 2:
        _pair_backward(d_moved, d_right, d_omega, roots, right, moved)
        return
    work, root, known, u, d_u = (
        local_matrix(2 + 2 * k, k),
        local_matrix(k, k),
        local_vector(k),
        local_vector(k),
        local_vector(k),
    )
    for level in range(moved.size // k):
        at, here = k * level, k * k * level
        for a in range(k):
            known[a], u[a], d_u[a] = right[at + a], moved[at + a], d_moved[at + a]
            for b in range(k):
                root[a, b] = roots[here + k * a + b]
        _pull_block(root, known, u, d_u, d_omega, work)
        for a in range(k):
            d_moved[at + a], d_right[at + a] = d_u[a], work[0, a]
