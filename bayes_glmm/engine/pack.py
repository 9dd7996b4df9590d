"""From a model to the arrays the compiled density reads, and the statement of which models it covers.

Input: a specification, a design and a prior table. Output: a `Packed` record, or the reason there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.engine import data as layout
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.channels import INVERSES
from bayes_glmm.engine.compose import TRIALS
from bayes_glmm.engine.data import KernelData
from bayes_glmm.engine.likelihood_rows import Rows, likelihood_rows
from bayes_glmm.engine.rows import row_kernel
from bayes_glmm.engine.smooths import SmoothSet, smooth_sets
from bayes_glmm.engine.sparse_system import Related
from bayes_glmm.model.at_data import column_unit
from bayes_glmm.model.prior_table import GroupPriors, ParameterPrior, PriorTable
from bayes_glmm.model.scales import predictor_scales, response_scale
from bayes_glmm.priors import Prior
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.structures.structure import Structure

Array = npt.NDArray[np.float64]

#: Kernels whose rows have a log likelihood concave in eta, at least under their usual links.
LOG_CONCAVE = frozenset(
    {"binomial", "poisson", "gaussian", "negativebinomial", "gamma", "lognormal", "cumulative", "sratio", "cratio"}
    | {"known_gaussian", "wider_gaussian", "limited_gaussian", "limited_lognormal"}
)
#: Kernels with such rows under one link only.
_CONCAVE_UNDER = {"acat": "logit", "categorical": "logit"}
#: Links under which they have none.
_OF_ANY_SHAPE = frozenset({"cauchit", "softplus", "1/mu^2"})

#: Prior distribution -> (code, its three parameters) of the compiled priors.
ENCODINGS: Mapping[str, Callable[[Prior], tuple[float, ...]]] = {
    "Flat": lambda p: (codes.FLAT, 0, 0, 0),
    "HalfFlat": lambda p: (codes.FLAT, 0, 0, 0),
    "Uniform": lambda p: (codes.FLAT, 0, 0, 0),
    "Normal": lambda p: (codes.NORMAL, p["mu"], p["sigma"], 0),
    "HalfNormal": lambda p: (codes.NORMAL, 0, p["sigma"], 0),
    "StudentT": lambda p: (codes.STUDENT, p["nu"], p["mu"], p["sigma"]),
    "HalfStudentT": lambda p: (codes.STUDENT, p["nu"], 0, p["sigma"]),
    "Cauchy": lambda p: (codes.STUDENT, 1, p["alpha"], p["beta"]),
    "HalfCauchy": lambda p: (codes.STUDENT, 1, 0, p["beta"]),
    "Laplace": lambda p: (codes.LAPLACE, p["mu"], p["b"], 0),
    "Exponential": lambda p: (codes.EXPONENTIAL, p["lam"], 0, 0),
    "Gamma": lambda p: (codes.GAMMA, p["alpha"], p["beta"], 0),
    "InverseGamma": lambda p: (codes.INVERSE_GAMMA, p["alpha"], p["beta"], 0),
    "LogNormal": lambda p: (codes.LOG_NORMAL, p["mu"], p["sigma"], 0),
    "Beta": lambda p: (codes.BETA, p["alpha"], p["beta"], 0),
}


@dataclass(frozen=True, eq=False)
class Packed:
    """A model as the engine holds it.

    Parameters
    ----------
    data
        Arrays of the compiled density.
    order
        Index into ``design.groups``, and into `smooths` behind them, of each engine term (largest first).
    priors
        Where the coefficients are stated: `PriorTable.basis` and the like turn positions into what is reported.
    start
        (D,) a sensible point to start the Laplace fit from.
    rows
        The rows of the likelihood after exact reduction.
    log_concave
        Whether (u, beta) given theta are known to have one mode only.
    smooths
        The terms that what bends in smooths makes.
    """

    data: KernelData
    order: tuple[int, ...]
    priors: PriorTable
    start: Array
    rows: Rows
    log_concave: bool
    smooths: tuple[SmoothSet, ...] = ()


def prior_row(row: ParameterPrior) -> Array:
    """Encode a scalar's prior and transform for the compiled tables.

    Parameters
    ----------
    row
        The prior.

    Returns
    -------
    numpy.ndarray
        (8,) kind, distribution, its three parameters, power, lower, upper.
    """
    code, first, second, third = ENCODINGS[row.prior.name](row.prior)
    kind, lower, upper = float(codes.UNBOUNDED), 0.0, 0.0
    if row.prior.support == "interval":
        kind, lower, upper = codes.BETWEEN, row.prior["lower"], row.prior["upper"]
    elif row.lower is not None and row.upper is not None:
        kind, lower, upper = codes.BETWEEN, row.lower, row.upper
    elif row.lower is not None:
        kind, lower = codes.ABOVE, row.lower
    return np.array([kind, code, first, second, third, row.power, lower, upper], dtype=np.float64)


def auxiliary_rows(design: Design, priors: PriorTable) -> list[Array]:
    """List the rows of theta's table for the family's parameters; thresholds, which come last, have one row each.

    Parameters
    ----------
    design, priors
        The model.

    Returns
    -------
    list of numpy.ndarray
        One row (8,) an element of theta.
    """
    rows = []
    for row in priors.auxiliary:
        rows.append(prior_row(row))
        if row.ordered:
            assert design.response is not None and design.response.categories is not None
            following = rows[-1].copy()
            following[codes.KIND] = codes.INCREMENT if row.increasing else codes.UNBOUNDED
            rows += [following] * (len(design.response.categories) - 2)
    return rows


def pack(
    spec: ModelSpec, design: Design, priors: PriorTable, rows_address: int | None = None, *, as_they_are: bool = False
) -> Packed:
    """Lay a model out for the compiled density.

    Parameters
    ----------
    spec, design, priors
        A model that `why_not_in_coordinates` has nothing against.
    rows_address
        Address of a row kernel (`ROWS_SIGNATURE`); None for the one compiled ahead for the family and link.
    as_they_are
        Whether rows stay those of the design, in its order: one response among several.

    Returns
    -------
    Packed
        Terms in order of decreasing size, rows sorted by the largest term's levels.
    """
    rows = likelihood_rows(spec, design, reduce=not as_they_are)
    smooths, kept = smooth_sets(design, priors), design.unpenalised
    terms = (*design.groups, *(own.term for own in smooths))
    order = tuple(sorted(range(len(terms)), key=lambda g: -len(terms[g].levels) * len(terms[g].coefs)))
    every_code = (*rows.codes, *(np.zeros(len(rows.y), dtype=np.int32) for _ in smooths))
    by_level = np.arange(len(rows.y))
    if order and not as_they_are:
        by_level = np.argsort(every_code[order[0]], kind="stable")
    root = None if rows.root is None else rows.root[by_level]
    centred = rows.X[np.ix_(by_level, kept)] - priors.means
    of_beta = np.array(design.channels, dtype=np.int64)[kept]
    channels = np.array([*of_beta, *(c for g in order for c in _channels(terms[g]))], dtype=np.int64)
    every_Z = [_at_data(Z, group) for Z, (_, group) in zip(rows.Z, priors.groups, strict=True)]
    every_Z += [rows.X[:, own.columns] for own in smooths]
    columns = np.vstack([(centred @ priors.basis).T, *(every_Z[g][by_level].T for g in order)])
    # precisions are about the mean's linear predictor
    columns[channels == 0] = _scaled(columns[channels == 0], root)
    X, Z_all = (np.ascontiguousarray(part) for part in np.split(columns, [len(kept)]))
    level_codes = np.array([every_code[g][by_level] for g in order], dtype=np.int32).reshape(len(order), len(rows.y))
    laid_out, blocks, theta_rows = lay_out_terms(terms, priors, order, smooths)
    auxiliary = auxiliary_rows(design, priors)
    theta_table = np.array([*theta_rows, *auxiliary]).reshape(-1, 8)
    offset = rows.offset[:, by_level]
    for c in range(len(offset)):
        offset[c] += centred[:, of_beta == c] @ priors.location[of_beta == c]
    offset[0] = _scaled(offset[0], root)
    beta_table = np.array([prior_row(row) for row in priors.beta]).reshape(-1, 8)
    log_concave = _has_concave_rows(spec) and not np.any(beta_table[:, codes.DISTRIBUTION] == codes.STUDENT)
    if rows_address is None:
        assert spec.family.kernel is not None
        rows_address = row_kernel(spec.family.kernel, spec.link.name, bool(spec.channels)).address
    n_u = int(sum(len(term.levels) * len(term.coefs) for term in terms))
    sizes = (len(rows.y), len(order), n_u, len(kept), len(theta_table), len(auxiliary), np.any(offset), rows_address)
    data = KernelData(
        sizes=np.array(sizes, dtype=np.int64),
        terms=laid_out,
        blocks=blocks,
        ones=np.array([bool(np.all(column == 1.0)) for column in (*X, *Z_all)], dtype=np.int64),
        codes=level_codes,
        X=X,
        Z=Z_all,
        offset=np.ravel(offset),
        y=np.column_stack([_scaled(values[by_level], root) for values in (rows.y, *rows.known)]),
        counts=np.ascontiguousarray(rows.counts[by_level]),
        beta_table=beta_table,
        theta_table=theta_table,
        lkj=np.array([lkj_shape(priors, g) for g in order], dtype=np.float64),
        segments=segments(level_codes, int(laid_out[layout.LEVELS, 0]) if order else 0),
        channels=channels,
        predictors=_predictors(spec, design),
        **regressions([terms[g].structure for g in order]),
    )
    start = _start(spec, design, priors, data, order, smooths)
    return Packed(data, order, priors, start, rows, log_concave, smooths)


def _has_concave_rows(spec: ModelSpec) -> bool:
    """Say whether a row's log likelihood is concave in its linear predictors."""
    kernel, link = spec.family.kernel or "", spec.link.name
    concave = _CONCAVE_UNDER.get(kernel) == link or (kernel in LOG_CONCAVE and link not in _OF_ANY_SHAPE)
    return concave and (not spec.channels or bool(spec.family.categories))


def _channels(term: GroupTerm) -> tuple[int, ...]:
    """Return the linear predictor that each coefficient of a term acts on."""
    return term.channels or (0,) * len(term.coefs)


def _predictors(spec: ModelSpec, design: Design) -> Array:
    """Lay out the linear predictors (C, 9): runs of columns of X, and the parameters they are of."""
    names = [row.name for row in spec.family.parameters]
    table, first = np.zeros((1 + len(spec.channels), layout.WIDTH + 1)), 0
    for c in range(len(table)):
        last = first + int(design.acts_on(c)[design.unpenalised].sum())
        table[c, [layout.FIRST, layout.LAST]] = first, last
        first = last
    for c, one in enumerate(spec.channels, start=1):
        lower = one.parameter.lower or 0.0
        table[c, [layout.PARAMETER, layout.INVERSE, layout.LOWER]] = (
            names.index(one.name),
            INVERSES[one.link.name],
            lower,
        )
    return table


def regressions(structures: Sequence[Related | None]) -> dict[str, npt.NDArray[Any]]:
    """Lay out how terms' levels are regressed on levels before them, one term behind the other."""
    chains = [own if isinstance(own, Structure) else None for own in structures]
    known = [own for own in chains if own is not None]
    first, starts = 0, [np.zeros(1, dtype=np.int64)]
    related = np.full(len(structures), -1, dtype=np.int64)
    for t, own in enumerate(chains):
        if own is not None:
            related[t] = first
            first += own.size
            starts.append(starts[-1][-1] + own.start[1:])
    return {
        "related": related,
        "chain": np.concatenate(starts),
        "before": np.concatenate([np.zeros(0, dtype=np.int64), *(own.before for own in known)]),
        "weights": np.concatenate([np.zeros(0), *(own.weights for own in known)]),
        "innovations": np.concatenate([np.zeros(0), *(own.innovations for own in known)]),
    }


def _at_data(Z: Array, group: GroupPriors) -> Array:
    """Turn a term's columns (rows, k) into those of the effects that have the priors."""
    return Z if group.basis is None else Z @ group.basis


def _scaled(values: Array, root: Array | None) -> Array:
    """Multiply the rows, along the last axis, by the roots of their precisions."""
    return np.ascontiguousarray(values if root is None else values * root)


def segments(level_codes: npt.NDArray[np.int32], levels: int) -> npt.NDArray[np.int64]:
    """Return the first row of each level of the first term, and the number of rows behind them."""
    if len(level_codes) == 0:
        return np.zeros(1, dtype=np.int64)
    return np.searchsorted(level_codes[0], np.arange(levels + 1)).astype(np.int64)


def lkj_shape(priors: PriorTable, g: int) -> float:
    """Return the shape of a term's LKJ prior; one where nothing is correlated."""
    corr = priors.groups[g][1].corr if g < len(priors.groups) else None
    return 1.0 if corr is None else corr.prior["eta"]


def lay_out_terms(
    every: Sequence[GroupTerm], priors: PriorTable, order: tuple[int, ...], smooths: Sequence[SmoothSet] = ()
) -> tuple[npt.NDArray[np.int64], Array, list[Array]]:
    """Lay out the terms' positions, what their coefficients' sds and correlations are, and theta's table."""
    terms = np.zeros((6, len(order)), dtype=np.int64)
    blocks: list[Array] = [np.zeros((0, 5))]
    table: list[Array] = []
    u_start, z_start = 0, 0
    correlation = np.array([codes.CORRELATION, 0, 0, 0, 0, 1, 0, 0], dtype=np.float64)
    for t, g in enumerate(order):
        term, first = every[g], len(table)
        k = len(term.coefs)
        if g < len(priors.groups):
            blocks.append(_correlation_blocks(term))
            n_corr = int(np.sum(np.arange(k) - blocks[-1][:, codes.BLOCK]))
            group = priors.groups[g][1]
            table += [prior_row(row) for row in group.sd] + [correlation] * n_corr
            table += [] if group.dependence is None else [prior_row(group.dependence)]
        else:
            own = smooths[g - len(priors.groups)]
            blocks.append(own.pattern)
            table += [prior_row(row) for row in own.rows]
        terms[:, t] = (k, len(term.levels), u_start, z_start, first, len(table) - first)
        u_start += k * len(term.levels)
        z_start += k
    return terms, np.vstack(blocks), table


def _correlation_blocks(term: GroupTerm) -> Array:
    """Return the first coefficient of each coefficient's correlation block, as the compiled tables have it (k, 5)."""
    pattern = np.zeros((len(term.coefs), 5))
    for block in term.blocks:
        assert list(block) == list(range(block[0], block[0] + len(block))), "correlation blocks are contiguous"
        pattern[list(block), codes.BLOCK] = block[0]
    return pattern


def _start(
    spec: ModelSpec,
    design: Design,
    priors: PriorTable,
    data: KernelData,
    order: tuple[int, ...],
    smooths: Sequence[SmoothSet],
) -> Array:
    """Start with u = 0, the linear predictor at the mean response, and sds at half their unit."""
    scale = response_scale(spec, design)
    scales = predictor_scales(spec, design, scale)
    n_u, n_beta = int(data.sizes[layout.N_U]), int(data.sizes[layout.N_BETA])
    x = np.zeros(n_u + n_beta + int(data.sizes[layout.N_THETA]))
    kept = design.unpenalised
    for c, one in enumerate(scales):
        acts = np.flatnonzero(design.acts_on(c)[kept])
        constant = [j for j in acts if kept[j] in design.intercepts]
        if constant:
            x[n_u + constant[0]] = one.center
        elif len(acts) and not any(row.ordered for row in priors.auxiliary):
            # cell means, say: eta = 0 may be no mean under the link
            X, basis = design.X[:, kept[acts]], priors.basis[np.ix_(acts, acts)]
            x[n_u + acts] = np.linalg.lstsq(X @ basis, one.center - X @ priors.location[acts], rcond=None)[0]
    theta = x[n_u + n_beta :]
    for t, g in enumerate(order):
        first = int(data.terms[layout.THETA_START, t])
        if g >= len(design.groups):
            own = smooths[g - len(design.groups)]
            units = {one.channel: one.unit for one in scales}
            for i, (row, value) in enumerate(zip(own.rows, own.starts, strict=True), start=first):
                unit = units[row.channel] if row.parameter.startswith("sd[") else 1.0
                theta[i] = _unconstrain(data.theta_table[i], value * unit)
            continue
        Z = _at_data(design.groups[g].Z, priors.groups[g][1])
        for c in range(Z.shape[1]):
            i = first + c
            unit = scales[_channels(design.groups[g])[c]].unit
            theta[i] = _unconstrain(data.theta_table[i], 0.5 * unit / column_unit(Z[:, c]))
        if (law := design.groups[g].dependence) is not None:
            i = int(data.terms[layout.THETA_START, t] + data.terms[layout.THETA_SIZE, t]) - 1
            theta[i] = _unconstrain(data.theta_table[i], law.start)
    first = len(theta) - int(data.sizes[layout.N_AUXILIARY])
    for i, (row, parameter) in enumerate(zip(priors.auxiliary, spec.constants, strict=True), start=first):
        if row.ordered:
            theta[i:] = _start_thresholds(spec, data)
        else:
            unit = scale.response_sd * scale.dispersion if parameter.scaled else 1.0
            theta[i] = _unconstrain(data.theta_table[i], parameter.start * unit)
    return x


def _start_thresholds(spec: ModelSpec, data: KernelData) -> Array:
    """Return the thresholds (logs of increments after the first, where they increase) of the categories' shares."""
    rows = np.bincount(np.mod(data.y[:, 0], TRIALS).astype(np.int64), weights=data.counts) + 0.5
    assert spec.family.threshold_predictors is not None
    thresholds = np.asarray(spec.family.threshold_predictors(rows / rows.sum(), spec.link)) + data.offset.mean()
    if not spec.family.parameters[-1].increasing:
        return thresholds
    return np.concatenate([thresholds[:1], np.log(np.diff(thresholds))])


def _unconstrain(row: Array, value: float) -> float:
    """Map a parameter to its element of theta, moved inside the bounds where it lies outside."""
    if row[codes.KIND] == codes.UNBOUNDED:
        return value
    if row[codes.KIND] == codes.ABOVE:
        return float(np.log(max(value - row[codes.LOWER], 1e-3 * value)))
    width = row[codes.UPPER] - row[codes.LOWER]
    share = (value ** row[codes.POWER] - row[codes.LOWER]) / width
    return float(special.logit(np.clip(share, 0.1, 0.9)))
