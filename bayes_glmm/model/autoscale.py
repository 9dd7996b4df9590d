"""Default priors from the scale of the data, and the table of all priors of a model.

Input: a `ModelSpec` (what the user stated) and a `Design` (the data). Output: a `PriorTable`, one `ParameterPrior` per
scalar parameter, each marked default or user.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.design.design import Design, prepared
from bayes_glmm.design.frame import distinct_rows
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.terms import column_terms, joined
from bayes_glmm.errors import PriorError, nearest
from bayes_glmm.families import AuxiliaryParameter
from bayes_glmm.model.at_data import AtData, at_data
from bayes_glmm.priors import Prior
from bayes_glmm.spec.model_spec import ModelSpec

Array = npt.NDArray[np.float64]

#: Power of a sd that a prior may be stated on.
SCALES: Mapping[str, float] = {"sd": 1.0, "variance": 2.0, "precision": -2.0}

_KEY = re.compile(r"^(?P<head>[A-Za-z_]+)(?:\[(?P<first>.*?)\](?:\[(?P<second>.*)\])?)?$", re.DOTALL)


@dataclass(frozen=True)
class ParameterPrior:
    """The prior of one scalar parameter (or of one correlation matrix).

    Parameters
    ----------
    parameter
        Label as users write it in ``priors=``: ``"Intercept"``, ``"beta[x]"``, ``"sd[g][x]"``, ``"corr[g]"``,
        ``"sigma"``.
    prior
        The distribution.
    power
        The distribution is that of parameter**power (1 itself, 2 a variance, -2 a precision, -1/2 for phi's default).
    lower, upper
        Bounds of the parameter; None where there is none.
    source
        ``"default"`` or ``"user"``.
    ordered
        Whether the parameter is a vector of thresholds, each with this prior.
    increasing
        Whether such thresholds increase.
    about
        Which form of the parameter the distribution is about, in words; empty where it is the parameter as reported.
    """

    parameter: str
    prior: Prior
    power: float = 1.0
    lower: float | None = None
    source: str = "default"
    ordered: bool = False
    increasing: bool = True
    about: str = ""
    upper: float | None = None

    @property
    def scale(self) -> str:
        """What the distribution is about, in words: the parameter itself, its variance, precision or 1/sqrt."""
        names = {1.0: "", 2.0: "variance", -2.0: "precision", -0.5: "1/sqrt"}
        return names[self.power]


@dataclass(frozen=True)
class GroupPriors:
    """The priors of one grouping factor: a sd per coefficient and, where coefficients are correlated, an LKJ.

    Parameters
    ----------
    sd
        One prior per coefficient, in the order of the term's coefficients; link scale.
    corr
        Prior of the correlation matrix of each block; None when no coefficients are correlated.
    basis
        (k, k) effects as reported from those at the predictors' means, which the priors are about; None where they are
        about the effects as reported.
    """

    sd: tuple[ParameterPrior, ...]
    corr: ParameterPrior | None
    basis: Array | None = field(default=None, repr=False, compare=False)

    def at_data(self, sd: Array, corr: Array | None) -> tuple[Array, Array | None]:
        """Return the sds and correlations that the priors are about.

        Parameters
        ----------
        sd, corr
            (..., k) and (..., k, k) of effects as reported; None where no coefficients are correlated.

        Returns
        -------
        sd, corr
            The same shapes, at the predictors' means where the priors are stated there.
        """
        if self.basis is None or corr is None:
            return sd, corr
        back = np.linalg.inv(self.basis)
        covariance = back @ (sd[..., :, None] * corr * sd[..., None, :]) @ back.T
        sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
        return sd, covariance / (sd[..., :, None] * sd[..., None, :])


@dataclass(frozen=True)
class PriorTable:
    """Every prior of a model.

    Parameters
    ----------
    beta
        One prior per column of X. The intercept's belongs to the intercept at the predictors' means when `centered`.
        That of thresholds does too.
    groups
        Priors of each grouping factor by its name.
    auxiliary
        Priors of the family's auxiliary parameters.
    centered
        Whether the prior of the intercept, or of the thresholds in its place, is at the predictors' means.
    basis
        (p, p) with `location`: coefficients as reported are ``location + basis @ g``, where the g are independent with
        the priors of `beta`. See `bayes_glmm.model.at_data`.
    location
        (p,)
    means
        (p,) what predictors are centred by where thresholds take the place of the intercept, else zeros.
    """

    beta: tuple[ParameterPrior, ...]
    groups: tuple[tuple[str, GroupPriors], ...]
    auxiliary: tuple[ParameterPrior, ...]
    centered: bool
    basis: Array = field(repr=False, compare=False)
    location: Array = field(repr=False, compare=False)
    means: Array = field(repr=False, compare=False)

    def __iter__(self) -> Iterator[ParameterPrior]:
        yield from self.beta
        for _, group in self.groups:
            yield from group.sd
            if group.corr is not None:
                yield group.corr
        yield from self.auxiliary

    def frame(self) -> pd.DataFrame:
        """Return the table people read.

        Returns
        -------
        pandas.DataFrame
            One row per parameter: parameter, prior, scale (what the prior is about), source (default or user).
        """
        rows = [(row.parameter, str(row.prior), _scale_in_words(row, self.centered), row.source) for row in self]
        return pd.DataFrame(rows, columns=["parameter", "prior", "scale", "source"])


def _scale_in_words(row: ParameterPrior, centered: bool) -> str:
    if row.parameter == "Intercept":
        return "intercept at the predictors' means" if centered else "raw intercept"
    if row.ordered:
        each = "each, increasing" if row.increasing else "each"
        return f"{each}, at the predictors' means" if centered else each
    return ", ".join(filter(None, (row.scale, row.about)))


@dataclass(frozen=True)
class ResponseScale:
    """Location and spread of the response that default priors are scaled by.

    Parameters
    ----------
    center
        Link of the mean response minus the mean offset.
    link_sd
        Unit of the linear predictor: sd(y) for the identity link, otherwise 1 (see `response_scale`).
    response_sd
        sd(y) on the scale the family's location lives on.
    dispersion
        How many times more a row of precision one varies (as an sd) than the rows do: the root of the mean precision.
    """

    center: float
    link_sd: float
    response_sd: float
    dispersion: float = 1.0


def response_scale(spec: ModelSpec, design: Design) -> ResponseScale:
    """Measure the response for the default priors; weights, trials' codes and bounds never enter the spread.

    Parameters
    ----------
    spec
        The model's specification (family and link).
    design
        The design with its response.

    Returns
    -------
    ResponseScale
        Center on the link scale; sds on the link and response scales.

    Notes
    -----
    For the links whose linear predictor is measured in units of the response itself, one is no natural unit: the unit
    is |g(mean)| for the inverse link and max(1, g(mean)) for the square root, so that a unit is a relative change of
    the mean as it is for the log link.
    """
    response = design.response
    assert response is not None
    transform = spec.family.response_transform
    y = response.y[response.y > 0] if spec.family.zeros_apart else response.y
    y = y if transform is None else np.asarray(transform(y), dtype=float)
    mean = float(y.mean()) if response.trials is None else float(y.sum() / response.trials.sum())
    lower, upper = spec.link.domain
    margin = 0.5 / (len(y) if response.trials is None else response.trials.sum())
    mean = float(np.clip(mean, lower + margin, upper - margin))
    # a constant response (all counts zero, say) has no spread: its unit is one
    sd = (float(y.std(ddof=1)) if len(y) > 1 else 1.0) or 1.0
    if spec.link.name == "inverse":
        mean = mean if abs(mean) > 1e-3 * sd else 1e-3 * sd
    eta = float(spec.link.link(np.float64(mean)))
    units = {"identity": sd, "inverse": abs(eta), "sqrt": max(1.0, eta)}
    return ResponseScale(
        center=eta - float(design.offset.mean()),
        link_sd=units.get(spec.link.name, 1.0),
        response_sd=sd,
        dispersion=1.0 if response.precision is None else math.sqrt(response.precision.mean()),
    )


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
    auxiliary = tuple(_default_auxiliary_prior(row, scale) for row in spec.family.parameters)
    ordered = any(row.ordered for row in auxiliary)
    labels = ["Intercept" if name == "Intercept" else f"beta[{name}]" for name in design.coefs]
    free = [label not in stated for label in labels]
    columns = prepared(design.frame, design.encoders.kinds)
    data = at_data(design.X, column_terms(design.encoders.fixed, columns), free, implied=ordered)
    # without a constant the predictors explain the response itself, not its deviations from a mean
    whole = ordered or data.constant is not None
    unit = 2.5 * (scale.link_sd if whole else float(np.hypot(scale.link_sd, scale.center)))
    constant = np.zeros(len(labels)) if data.constant is None else data.constant
    sd, basis = (data.sd, data.basis) if spec.center else (data.raw_sd, np.eye(len(labels)))
    beta = tuple(
        ParameterPrior(
            label,
            Prior("Normal", mu=scale.center * constant[j], sigma=unit * sd[j]),
            about=_about_coefficient(data, j) if spec.center else "",
        )
        for j, label in enumerate(labels)
    )
    groups = tuple(
        (term.name, _default_group_priors(term, design, i, columns, scale.link_sd, stated))
        for i, term in enumerate(design.groups)
    )
    located = "Intercept" in design.coefs or ordered
    return PriorTable(
        beta,
        groups,
        auxiliary,
        centered=spec.center and located,
        basis=basis,
        location=scale.center * (constant - basis @ constant),
        means=np.asarray(design.means) if spec.center and ordered else np.zeros(len(labels)),
    )


def _about_coefficient(data: AtData, j: int) -> str:
    """Say what the prior of a coefficient is about where that is not the coefficient alone, as reported."""
    others = np.arange(len(data.sd)) != j
    moved = bool(np.any(data.shift[j, others]))
    return ", ".join(["at the others' means"] * moved + ["levels alike"] * bool(data.together[j]))


def _default_group_priors(
    term: GroupTerm, design: Design, position: int, columns: pd.DataFrame, link_sd: float, stated: frozenset[str]
) -> GroupPriors:
    """State the priors of one grouping factor at the predictors' means, or in each level of a factor, block by block.

    Where the user states the sd of an effect that would be moved, its block stays as reported.
    """
    effects = design.encoders.groups[position].effects
    size = len(term.coefs)
    data = at_data(term.Z, joined([column_terms(one, columns, recode=False) for one in effects]), [True] * size)
    labels = [f"sd[{term.name}][{coef}]" for coef in term.coefs]
    basis, shift, one, about = np.eye(size), data.shift.copy(), data.sd.copy(), "at the predictors' means"
    for block in map(list, term.blocks):
        own = np.ix_(block, block)
        if (levels := _levels_alone(term.Z[:, block])) is not None:
            shift[own], one[block], about = np.linalg.inv(levels), 1.0, "in each level"
        moved = np.any(shift[own] != np.eye(len(block)), axis=1)
        raw = {labels[j] for j, other in zip(block, moved, strict=True) if other}
        if design.spec.center and not raw & stated:
            basis[own] = shift[own]
    # what is not taken off makes an effect at an origin far away as uncertain as the slope's is long
    sd = np.linalg.norm(np.linalg.solve(basis, shift) * one, axis=1)
    moved = np.any(basis != np.eye(size), axis=1)
    rows = tuple(
        ParameterPrior(
            label, Prior("HalfStudentT", nu=3, sigma=link_sd * sd[j]), lower=0.0, about=about if moved[j] else ""
        )
        for j, label in enumerate(labels)
    )
    corr = None
    if any(len(block) > 1 for block in term.blocks):
        corr = ParameterPrior(f"corr[{term.name}]", Prior("LKJ", eta=1), about=about if moved.any() else "")
    return GroupPriors(rows, corr, basis if moved.any() else None)


def _levels_alone(Z: Array) -> Array | None:
    """Return the distinct rows (k, k) of columns (n, k) that say which of k levels a row has; None for others."""
    rows = Z[distinct_rows(Z)[0]]
    if not rows.shape[0] == rows.shape[1] > 1 or np.linalg.matrix_rank(rows) < len(rows):
        return None
    return rows[np.lexsort(-rows.T[::-1])]  # the identity where the columns are the levels


def _default_auxiliary_prior(row: AuxiliaryParameter, scale: ResponseScale) -> ParameterPrior:
    prior, unit = row.prior, scale.dispersion * (scale.response_sd**row.power if row.scaled else 1.0)
    if unit != 1.0:
        values = {key: value * unit if key == "sigma" else value for key, value in prior.parameters}
        prior = Prior(prior.name, **values)
    return ParameterPrior(
        row.name, prior, row.power, lower=row.lower, upper=row.upper, ordered=row.ordered, increasing=row.increasing
    )


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
    chosen: dict[str, tuple[int, str, ParameterPrior]] = {}
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
        (name, replace(group, sd=tuple(map(pick, group.sd)), corr=None if group.corr is None else pick(group.corr)))
        for name, group in table.groups
    )
    return replace(table, beta=tuple(map(pick, table.beta)), groups=groups, auxiliary=tuple(map(pick, table.auxiliary)))


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
    keys = [row.parameter for row in table.beta]
    keys += ["beta"] if any(key != "Intercept" for key in keys) else []
    for scale in SCALES if table.groups else ():
        keys.append(scale)
        for name, group in table.groups:
            keys += [f"{scale}[{name}]", *(row.parameter.replace("sd[", f"{scale}[", 1) for row in group.sd)]
    correlated = [name for name, group in table.groups if group.corr is not None]
    keys += [*(["corr"] if correlated else []), *(f"corr[{name}]" for name in correlated)]
    for row in table.auxiliary:
        keys.append(row.parameter)
        keys += ["variance[sigma]", "precision[sigma]"] if row.parameter == "sigma" else []
    return keys


def _matches(key: str, table: PriorTable) -> list[tuple[ParameterPrior, int, float]]:
    """Return the rows a key names, each with the key's specificity and the power of the parameter it is about."""
    parsed = _KEY.match(key)
    if parsed is None:
        return []
    head, first, second = parsed["head"], parsed["first"], parsed["second"]
    # a coefficient's own name may hold brackets: beta[period[2]]
    inside = key[len(head) + 1 : -1] if first is not None else None
    if head == "Intercept" and inside is None:
        return [(row, 1, 1.0) for row in table.beta if row.parameter == "Intercept"]
    if head == "beta":
        rows = [row for row in table.beta if row.parameter != "Intercept"]
        if inside is None:
            return [(row, 0, 1.0) for row in rows]
        return [(row, 1, 1.0) for row in rows if row.parameter == f"beta[{inside}]"]
    if head in SCALES and inside == "sigma" and second is None:
        return [(row, 1, SCALES[head]) for row in table.auxiliary if row.parameter == "sigma"]
    if head in SCALES:
        return _group_matches(key, head, inside, table)
    if head == "corr":
        rows = [group.corr for name, group in table.groups if group.corr is not None and inside in (None, name)]
        return [(row, 0 if inside is None else 1, 1.0) for row in rows]
    return [(row, 1, 1.0) for row in table.auxiliary if row.parameter == key]


def _group_matches(
    key: str, head: str, inside: str | None, table: PriorTable
) -> list[tuple[ParameterPrior, int, float]]:
    matched = []
    for name, group in table.groups:
        for row in group.sd:
            if inside is None:
                matched.append((row, 0, SCALES[head]))
            elif inside == name:
                matched.append((row, 1, SCALES[head]))
            elif key == row.parameter.replace("sd[", f"{head}[", 1):
                matched.append((row, 2, SCALES[head]))
    return matched


def _user_prior(row: ParameterPrior, prior: Prior, power: float, key: str) -> ParameterPrior:
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
