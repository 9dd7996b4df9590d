"""Default priors from the scale of the data, and the table of all priors of a model.

Input: a `ModelSpec` (what the user stated) and a `Design` (the data). Output: a `PriorTable`, one `ParameterPrior` per
scalar parameter, each marked default or user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg

from bayes_glmm.design.design import Design, prepared
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.terms import ColumnTerms, column_terms, joined
from bayes_glmm.errors import PriorError, nearest
from bayes_glmm.model.at_data import AtData, at_data
from bayes_glmm.model.in_each_level import in_each_level
from bayes_glmm.model.prior_table import GroupPriors, ParameterPrior, PriorTable
from bayes_glmm.model.scales import PredictorScale, default_auxiliary_prior, predictor_scales, response_scale
from bayes_glmm.priors import Prior
from bayes_glmm.spec.model_spec import ModelSpec

Array = npt.NDArray[np.float64]

#: Power of a sd that a prior may be stated on.
SCALES: Mapping[str, float] = {"sd": 1.0, "variance": 2.0, "precision": -2.0}

#: The class of the shares that the steps of monotonic effects have.
_SIMPLEX = "simplex"

_KEY = re.compile(r"^(?P<head>[^\[\]]+)(?:\[(?P<first>.*?)\](?:\[(?P<second>.*)\])?)?$", re.DOTALL)


def default_priors(spec: ModelSpec, design: Design, stated: frozenset[str] = frozenset()) -> PriorTable:
    """Build the default priors.

    Parameters
    ----------
    spec
        The model's specification.
    design
        The design with its response.
    stated
        Labels of the parameters whose priors the user states: these are about the parameters as reported, which
        changes what the defaults beside them are about.

    Returns
    -------
    PriorTable
        All rows marked default, each about the coefficient at the data (`bayes_glmm.model.at_data`). Coefficients:
        Normal(0, 2.5 s / sd(x)), steps between levels of a factor and two values of a number Normal(0, 2.5 s);
        intercept: Normal(g(mean), 2.5 s); sds of intercepts HalfStudentT(3, s), of slopes HalfStudentT(3, s / sd(x));
        correlations LKJ(1), uniform for two coefficients.

    References
    ----------
    Gelman, Jakulin, Pittau, Su (2008) doi:10.1214/08-AOAS191; Lewandowski, Kurowicka, Joe (2009)
    doi:10.1016/j.jmva.2009.04.008.
    """
    scale = response_scale(spec, design)
    auxiliary = tuple(default_auxiliary_prior(row, scale) for row in spec.constants)
    ordered = any(row.ordered for row in auxiliary)
    columns = prepared(design.frame, design.encoders.kinds)
    scales = predictor_scales(spec, design, scale)
    parts = [_fixed_priors(design, c, one, columns, stated, ordered) for c, one in enumerate(scales)]
    groups = tuple(
        (term.name, _default_group_priors(term, design, i, columns, scales, stated))
        for i, term in enumerate(design.groups)
    )
    return PriorTable(
        tuple(row for rows, _, _ in parts for row in rows),
        groups,
        auxiliary,
        centered=spec.center and (bool(design.intercepts) or ordered),
        basis=linalg.block_diag(*(basis for _, basis, _ in parts)).reshape(len(design.coefs), len(design.coefs)),
        location=np.concatenate([location for _, _, location in parts]),
        means=np.asarray(design.means) if spec.center and ordered else np.zeros(len(design.coefs)),
        monotonic=tuple(
            ParameterPrior(f"{_SIMPLEX}[{term.column}]", Prior("Dirichlet", alpha=1.0), about="shares of the steps")
            for term in design.monotonic
        ),
        alike=spec.family.support == "unordered",
    )


def _fixed_priors(
    design: Design,
    channel: int,
    scale: PredictorScale,
    columns: pd.DataFrame,
    stated: frozenset[str],
    implied: bool,
) -> tuple[tuple[ParameterPrior, ...], Array, Array]:
    """State the priors of one linear predictor's coefficients: rows (p,), basis (p, p) and location (p,)."""
    place, acts = set(design.intercepts), np.flatnonzero(design.acts_on(channel))
    labels = [design.coefs[j] if j in place else f"beta[{design.coefs[j]}]" for j in acts]
    free = [label not in stated for label in labels]
    terms = column_terms(design.encoders.all_fixed[channel], columns)
    data = at_data(design.X[:, acts], terms, free, implied=implied)
    # without a constant the predictors explain the response itself, not its deviations from a mean
    whole = implied or data.constant is not None
    unit = 2.5 * (scale.unit if whole else float(np.hypot(scale.unit, scale.center)))
    constant = np.zeros(len(labels)) if data.constant is None else data.constant
    sd, basis = (data.sd, data.basis) if design.spec.center else (data.raw_sd, np.eye(len(labels)))
    rows = tuple(
        ParameterPrior(
            label,
            Prior("Normal", mu=scale.center * constant[j], sigma=unit * sd[j]),
            about=_about_coefficient(data, j) if design.spec.center else "",
            channel=scale.channel,
            predictor=scale.about,
        )
        for j, label in enumerate(labels)
    )
    return rows, basis, scale.center * (constant - basis @ constant)


def _about_coefficient(data: AtData, j: int) -> str:
    """Say what the prior of a coefficient is about where that is not the coefficient alone, as reported."""
    others = np.arange(len(data.sd)) != j
    moved = bool(np.any(data.shift[j, others]))
    return ", ".join(["at the others' means"] * moved + ["levels alike"] * bool(data.together[j]))


def _default_group_priors(
    term: GroupTerm,
    design: Design,
    position: int,
    columns: pd.DataFrame,
    scales: Sequence[PredictorScale],
    stated: frozenset[str],
) -> GroupPriors:
    """State the priors of one grouping factor at the predictors' means, or in each level of a factor, block by block.

    Where the user states the sd of an effect that would be moved, its block stays as reported.
    """
    size, channels = len(term.coefs), np.array(term.channels or (0,) * len(term.coefs))
    labels = [f"sd[{term.name}][{coef}]" for coef in term.coefs]
    basis, (shift, one, about) = np.eye(size), _effects_at_data(term, design, position, columns)
    for block in map(list, term.blocks):
        own = np.ix_(block, block)
        moved = np.any(shift[own] != np.eye(len(block)), axis=1)
        raw = {labels[j] for j, other in zip(block, moved, strict=True) if other}
        if design.spec.center and not raw & stated:
            basis[own] = shift[own]
    # what is not taken off makes an effect at an origin far away as uncertain as the slope's is long
    sd = np.linalg.norm(np.linalg.solve(basis, shift) * one, axis=1)
    moved = np.any(basis != np.eye(size), axis=1)
    rows = tuple(
        ParameterPrior(
            label,
            Prior("HalfStudentT", nu=3, sigma=scales[channels[j]].unit * sd[j]),
            lower=0.0,
            about=about[j] if moved[j] else "",
            channel=scales[channels[j]].channel,
            predictor=scales[channels[j]].about,
        )
        for j, label in enumerate(labels)
    )
    corr = None
    if any(len(block) > 1 for block in term.blocks):
        where = about[int(np.argmax(moved))] if moved.any() else ""
        corr = ParameterPrior(f"corr[{term.name}]", Prior("LKJ", eta=1), about=where)
    law, dependence = term.dependence, None
    if law is not None:
        dependence = ParameterPrior(f"{law.name}[{term.name}]", law.prior, lower=law.lower, upper=law.upper)
    return GroupPriors(rows, corr, dependence, basis if moved.any() else None)


def _effects_at_data(
    term: GroupTerm, design: Design, position: int, columns: pd.DataFrame
) -> tuple[Array, Array, list[str]]:
    """Return the shift (k, k) and the sds (k,) of `at_data` or `in_each_level`, and where effects are stated, in words.

    The effects on each linear predictor are by themselves.
    """
    size, start = len(term.coefs), 0
    of_channel: dict[int, tuple[list[int], list[ColumnTerms]]] = {}
    for encoder in design.encoders.groups[position].effects:
        channel = term.channels[start] if term.channels else 0
        places, parts = of_channel.setdefault(channel, ([], []))
        places += range(start, start + len(encoder.coefs))
        parts.append(column_terms(encoder, columns, recode=False))
        start += len(encoder.coefs)
    shift, sd, about = np.eye(size), np.ones(size), ["at the predictors' means"] * size
    for places, parts in of_channel.values():
        terms = joined(parts)
        data = at_data(term.Z[:, places], terms, [True] * len(places))
        shift[np.ix_(places, places)], sd[places] = data.shift, data.sd
        for block in term.blocks:
            alike = [j for j in places if j in block]
            made_of = [(terms.variables[i], terms.places[i]) for i in map(places.index, alike)]
            if (levels := in_each_level(term.Z[:, alike], made_of, terms.cells)) is not None:
                shift[np.ix_(alike, alike)], sd[alike], centred = levels
                for j in alike:
                    about[j] = "in each level" + ", at the predictors' means" * centred
    return shift, sd, about


def resolve_priors(spec: ModelSpec, design: Design) -> PriorTable:
    """Put the user's priors in the place of the defaults they name.

    Parameters
    ----------
    spec
        The specification; its ``priors`` are pairs of a key and a `Prior`.
    design
        The design with its response.

    Returns
    -------
    PriorTable
        One row per parameter, the more specific of the user's statements winning.

    Raises
    ------
    PriorError
        If a key names no parameter of the model, two keys of one specificity name the same parameter, or a distribution
        does not fit its parameter (LKJ for a sd, say).
    """
    table = default_priors(spec, design)
    chosen: dict[str, tuple[float, str, ParameterPrior]] = {}
    for key, prior in spec.priors:
        matched = _matches(key, table)
        if not matched:
            hint = nearest(key, valid_keys(table))
            raise PriorError(f"priors= names {key!r}, which is no parameter of this model. {hint}")
        for row, rank, power in matched:
            previous = chosen.get(row.parameter)
            if previous is not None and previous[0] == rank:
                raise PriorError(f"priors= states the prior of {row.parameter} twice: {previous[1]!r} and {key!r}.")
            if previous is None or previous[0] < rank:
                chosen[row.parameter] = (rank, key, _user_prior(row, prior, power, key))

    def pick(row: ParameterPrior) -> ParameterPrior:
        return replace(chosen[row.parameter][2], about=row.about) if row.parameter in chosen else row

    # only these change what the defaults beside them are about
    moving = [*table.beta, *(row for _, group in table.groups for row in group.sd if row.about)]
    if any(row.parameter in chosen for row in moving):
        table = default_priors(spec, design, frozenset(chosen))
    groups = tuple(
        (
            name,
            replace(
                group,
                sd=tuple(map(pick, group.sd)),
                corr=group.corr and pick(group.corr),
                dependence=group.dependence and pick(group.dependence),
            ),
        )
        for name, group in table.groups
    )
    beta, auxiliary, monotonic = (tuple(map(pick, rows)) for rows in (table.beta, table.auxiliary, table.monotonic))
    return replace(table, beta=beta, groups=groups, auxiliary=auxiliary, monotonic=monotonic)


def valid_keys(table: PriorTable) -> list[str]:
    """List the keys ``priors=`` accepts for a model, classes first.

    Parameters
    ----------
    table
        The model's priors.

    Returns
    -------
    list of str
        Such as ``["Intercept", "beta", "beta[x]", "sd", "sd[g]", "sd[g][x]", "variance[g]", ...]``.
    """
    keys = ["Intercept", "beta", *(["sd"] if table.groups else [])] if table.alike else []
    keys += [row.parameter for row in table.beta]
    keys += [
        _of("beta", channel) for channel in dict.fromkeys(row.channel for row in table.beta if not row.is_intercept)
    ]
    for scale in SCALES if table.groups else ():
        keys += [_of(scale, channel) for channel in dict.fromkeys(row.channel for _, g in table.groups for row in g.sd)]
        for name, group in table.groups:
            keys += [f"{_of(scale, channel)}[{name}]" for channel in dict.fromkeys(row.channel for row in group.sd)]
            keys += [row.parameter.replace("sd[", f"{scale}[", 1) for row in group.sd]
    correlated = [name for name, group in table.groups if group.corr is not None]
    keys += [*(["corr"] if correlated else []), *(f"corr[{name}]" for name in correlated)]
    keys += [group.dependence.parameter for _, group in table.groups if group.dependence is not None]
    for row in table.auxiliary:
        keys.append(row.parameter)
        keys += ["variance[sigma]", "precision[sigma]"] if row.parameter == "sigma" else []
    return keys + [_SIMPLEX] * bool(table.monotonic) + [row.parameter for row in table.monotonic]


def _of(head: str, channel: str) -> str:
    """Name a class of a linear predictor's parameters: ``"beta"``, ``"beta_sigma"``."""
    return f"{head}_{channel}" if channel else head


def _matches(key: str, table: PriorTable) -> list[tuple[ParameterPrior, float, float]]:
    """Return the rows a key names, each with the key's specificity and the power of the parameter it is about.

    What names all categories is half a step less specific than what names one.
    """
    parsed = _KEY.match(key)
    if parsed is None:
        return []
    head, first, second = parsed["head"], parsed["first"], parsed["second"]
    # a coefficient's own name may hold brackets: beta[period[2]]
    inside = key[len(head) + 1 : -1] if first is not None else None
    if named := [row for row in table.beta if row.parameter == key]:
        return [(row, 1, 1.0) for row in named]
    of_all = table.alike and head in ("beta", "Intercept")
    if of_all and head == "Intercept":
        return [(row, 0.5, 1.0) for row in table.beta if row.is_intercept and inside is None]
    classes = [r for r in table.beta if not r.is_intercept and (of_all or head == _of("beta", r.channel))]
    if classes or head == "beta":
        chosen = [row for row in classes if inside in (None, row.parameter[len("beta[") : -1])]
        chosen += [row for row in classes if row.channel and row.parameter == f"beta[{row.channel}_{inside}]"]
        return [(row, (0 if inside is None else 1) - 0.5 * of_all, 1.0) for row in dict.fromkeys(chosen)]
    if head in SCALES and inside == "sigma" and second is None:
        return [(row, 1, SCALES[head]) for row in table.auxiliary if row.parameter == "sigma"]
    if scale := next((scale for scale in SCALES if head == scale or head.startswith(f"{scale}_")), None):
        return _group_matches(key, scale, head[len(scale) + 1 :], inside, table)
    if head == _SIMPLEX:
        return [(row, 0 if inside is None else 1, 1.0) for row in table.monotonic if key in (head, row.parameter)]
    if head == "corr":
        rows = [group.corr for name, group in table.groups if group.corr is not None and inside in (None, name)]
        return [(row, 0 if inside is None else 1, 1.0) for row in rows]
    others = [*table.auxiliary, *(group.dependence for _, group in table.groups if group.dependence is not None)]
    return [(row, 1, 1.0) for row in others if row.parameter == key]


def _group_matches(
    key: str, scale: str, channel: str, inside: str | None, table: PriorTable
) -> list[tuple[ParameterPrior, float, float]]:
    """Match sds, variances and precisions; without a channel, classes are those of the mean's effects, or all."""
    matched: list[tuple[ParameterPrior, float, float]] = []
    of_all = table.alike and not channel
    for name, group in table.groups:
        for row in group.sd:
            own = of_all or row.channel == channel
            if own and inside is None:
                matched.append((row, -0.5 * of_all, SCALES[scale]))
            elif own and inside == name:
                matched.append((row, 1 - 0.5 * of_all, SCALES[scale]))
            elif key == row.parameter.replace("sd[", f"{scale}[", 1):
                matched.append((row, 2, SCALES[scale]))
            elif own and key == f"{scale}[{name}][{_own_name(row, name)}]":
                matched.append((row, 1.5, SCALES[scale]))
            elif row.channel == channel and key == f"{_of(scale, channel)}[{name}][{_own_name(row, name)}]":
                matched.append((row, 2, SCALES[scale]))
    return matched


def _own_name(row: ParameterPrior, group: str) -> str:
    """Return the coefficient a sd is of, without the name of the parameter before it."""
    return row.parameter[len(f"sd[{group}][") : -1].removeprefix(f"{row.channel}_" if row.channel else "")


def _user_prior(row: ParameterPrior, prior: Prior, power: float, key: str) -> ParameterPrior:
    is_simplex = row.parameter.startswith(f"{_SIMPLEX}[")
    if is_simplex != (prior.support == "simplex"):
        wanted = "takes a Dirichlet prior" if is_simplex else "is no simplex, which Dirichlet is for"
        raise PriorError(f"{row.parameter} {wanted}; {key!r} was given {prior}.")
    is_matrix = row.parameter.startswith("corr[")
    if is_matrix != (prior.support == "correlation"):
        wanted = "takes an LKJ prior" if is_matrix else "is a scalar: LKJ is for correlation matrices"
        raise PriorError(f"{row.parameter} {wanted}; {key!r} was given {prior}.")
    if row.ordered and prior.support != "real":
        raise PriorError(f"{row.parameter} may be any numbers; {key!r} was given {prior}, which has bounds.")
    if row.lower is not None and prior.support == "interval" and prior["lower"] < row.lower:
        raise PriorError(f"{row.parameter} is above {row.lower:g}; {key!r} was given {prior}.")
    if row.upper is not None and prior.support == "interval" and prior["upper"] > row.upper:
        raise PriorError(f"{row.parameter} is below {row.upper:g}; {key!r} was given {prior}.")
    if row.upper is not None and row.lower is not None and prior.name in ("Flat", "HalfFlat"):
        prior = Prior("Uniform", lower=row.lower, upper=row.upper)
    if prior.name == "Flat" and row.lower is not None:
        prior = Prior("HalfFlat")
    return replace(row, prior=prior, power=power, source="user")
