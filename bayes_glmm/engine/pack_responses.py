"""Several responses as the compiled density reads them: the arrays of each, put side by side.

Input: a design of several responses, the prior table of each, and that of all. Output: a `Packed` record, or the reason
there is none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.likelihood_rows import Rows
from bayes_glmm.engine.pack import (
    Packed,
    has_rows,
    lay_out_terms,
    lkj_shape,
    pack,
    prior_row,
    regressions,
    related_in_words,
    segments,
    why_not_packed,
    why_too_dense,
)
from bayes_glmm.model.prior_table import PriorTable

__all__ = ["pack_responses", "why_not_covered_together"]

Array = npt.NDArray[np.float64]
#: Responses that rows may have: a row's matrices of them are on the stack.
MOST_RESPONSES = 16


def why_not_covered_together(
    design: MultivariateDesign, tables: tuple[PriorTable, ...], priors: PriorTable
) -> str | None:
    """Say why the kernel does not cover a model of several responses; None when it does."""
    if len(design.parts) > MOST_RESPONSES:
        return f"{len(design.parts)} responses are more than the engine's {MOST_RESPONSES}"
    for name, part in zip(design.spec.names, design.spec.parts, strict=True):
        if not has_rows(part):
            return f"the kernel has no rows for {name}, {part.family.name} with the {part.link.name} link"
    reason, related = why_not_packed(design.groups, priors), related_in_words(design.groups)
    if reason is None and related is not None:
        return why_too_dense(related, pack_responses(design, tables, priors), design)
    return reason


def pack_responses(design: MultivariateDesign, tables: tuple[PriorTable, ...], priors: PriorTable) -> Packed:
    """Lay a model of several responses out for the compiled density.

    Parameters
    ----------
    design
        A model that `why_not_covered_together` has nothing against.
    tables, priors
        The prior table of each response, and that of all.

    Returns
    -------
    Packed
        A row has a linear predictor for each response; X, Z and offsets are zero in rows without it. y holds the
        columns of each response, and behind them its weight, which is zero in rows without it.
    """
    groups, n = design.groups, design.size
    parts = [pack(one.spec, one, table, as_they_are=True) for one, table in zip(design.parts, tables, strict=True)]
    order = tuple(sorted(range(len(groups)), key=lambda g: -len(groups[g].levels) * len(groups[g].coefs)))
    by_level = np.argsort(groups[order[0]].codes, kind="stable") if order else np.arange(n)
    place = np.argsort(by_level)
    terms, blocks, theta_rows = lay_out_terms(groups, priors, order)
    X, offset, y, predictors = _side_by_side(design, parts, place)
    tables_of_parts = [part.data.theta_table for part in parts]
    own_rows = [row for part, table in zip(parts, tables_of_parts, strict=True) for row in _last(part, table)]
    partials = [prior_row(row) for row in priors.auxiliary[len(own_rows) :]]
    theta_table = np.array([*theta_rows, *own_rows, *partials]).reshape(-1, 8)
    level_codes = np.array([groups[g].codes[by_level] for g in order], dtype=np.int32).reshape(len(order), n)
    Z = _columns_of_terms(design, parts, order, place)
    sizes = np.zeros(8, dtype=np.int64)
    n_u = sum(len(term.levels) * len(term.coefs) for term in groups)
    n_auxiliary = len(own_rows) + len(partials)
    sizes[:] = (n, len(order), n_u, len(X), len(theta_table), n_auxiliary, int(np.any(offset)), 0)
    counts = np.ones(n)
    data = KernelData(
        sizes=sizes,
        terms=terms,
        blocks=blocks,
        ones=np.array([bool(np.all(column == 1.0)) for column in (*X, *Z)], dtype=np.int64),
        codes=level_codes,
        X=X,
        Z=Z,
        offset=np.ravel(offset),
        y=y,
        counts=counts,
        beta_table=np.vstack([part.data.beta_table for part in parts]),
        theta_table=theta_table,
        lkj=np.array([lkj_shape(priors, g) for g in order], dtype=np.float64),
        segments=segments(level_codes, int(terms[layout.LEVELS, 0]) if order else 0),
        channels=np.array([*design.channels, *(c for g in order for c in groups[g].channels)], dtype=np.int64),
        predictors=predictors,
        **regressions([groups[g].structure for g in order]),
    )
    start = _start(design, parts, data, order)
    rows = Rows(design.X, design.offsets, (), (), data.y, counts)
    return Packed(data, order, priors, start, rows, log_concave=False)


def _side_by_side(
    design: MultivariateDesign, parts: list[Packed], place: npt.NDArray[np.intp]
) -> tuple[Array, Array, Array, Array]:
    """Put X (p, n), offsets (R, n) and y (n, m) of the responses side by side; `place` is where a row goes.

    The fourth says where each response's are, (R, 9).
    """
    n, predictors = design.size, np.zeros((len(parts), layout.WIDTH + 1))
    X, offset, ys = np.zeros((len(design.coefs), n)), np.zeros((len(parts), n)), []
    first_x = first_y = first_parameter = 0
    for r, (part, own) in enumerate(zip(parts, design.rows, strict=True)):
        data, here = part.data, place[own]
        width, p, m = data.y.shape[1], len(data.X), int(data.sizes[layout.N_AUXILIARY])
        X[first_x : first_x + p, here], offset[r, here] = data.X, data.offset[: len(here)]
        y = np.zeros((n, width + 1))
        y[here] = np.column_stack([data.y, data.counts])
        ys.append(y)
        address = 0 if r in design.spec.correlated else int(data.sizes[layout.ROWS_ADDRESS])
        predictors[r] = (first_x, first_x + p, first_parameter, 0, 0.0, m, address, first_y, width)
        first_x, first_y, first_parameter = first_x + p, first_y + width + 1, first_parameter + m
    return X, offset, np.ascontiguousarray(np.hstack(ys)), predictors


def _columns_of_terms(
    design: MultivariateDesign, parts: list[Packed], order: tuple[int, ...], place: npt.NDArray[np.intp]
) -> Array:
    """Lay out Z (K, n) of all terms from those of the responses."""
    sources = [one for i in order for one in design.sources[i]]
    Z = np.zeros((len(sources), design.size))
    for k, (r, g, c) in enumerate(sources):
        data, t = parts[r].data, parts[r].order.index(g)
        Z[k, place[design.rows[r]]] = data.Z[int(data.terms[layout.Z_START, t]) + c]
    return Z


def _start(design: MultivariateDesign, parts: list[Packed], data: KernelData, order: tuple[int, ...]) -> Array:
    """Start where each response by itself would; correlations are zero."""
    n_u, n_beta = int(data.sizes[layout.N_U]), int(data.sizes[layout.N_BETA])
    x = np.zeros(n_u + n_beta + int(data.sizes[layout.N_THETA]))
    starts = [part.start[int(part.data.sizes[layout.N_U]) :] for part in parts]
    thetas = [start[int(part.data.sizes[layout.N_BETA]) :] for start, part in zip(starts, parts, strict=True)]
    x[n_u : n_u + n_beta] = np.concatenate(
        [start[: int(part.data.sizes[layout.N_BETA])] for start, part in zip(starts, parts, strict=True)]
    )
    theta = x[n_u + n_beta :]
    for t, i in enumerate(order):
        for k, (r, g, c) in enumerate(design.sources[i]):
            own = parts[r].data.terms[layout.THETA_START, parts[r].order.index(g)]
            theta[int(data.terms[layout.THETA_START, t]) + k] = thetas[r][int(own) + c]
    own = np.concatenate([_last(part, theta) for part, theta in zip(parts, thetas, strict=True)])
    first = len(theta) - int(data.sizes[layout.N_AUXILIARY])
    theta[first : first + len(own)] = own
    return x


def _last(part: Packed, values: Array) -> Array:
    """Return what belongs to the parameters of a response's family, which come last."""
    return values[len(values) - int(part.data.sizes[layout.N_AUXILIARY]) :]
