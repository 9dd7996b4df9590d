"""How well a model predicts what it has not seen: leave-one-out, k-fold, for observations or for whole groups.

Input: fits. Output: ArviZ's ELPDData. A refit takes a fraction of a second, so where importance sampling cannot be
trusted the exact answer takes its place.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from arviz_stats import loo as arviz_loo
from arviz_stats.utils import ELPDDataLOO, ELPDDataLOOKFold
from scipy import special

from bayes_glmm.arguments import as_whole, checked_name, checked_seed, own_arguments
from bayes_glmm.checks.group_likelihood import group_log_likelihood, log_mean_exp, nested_terms
from bayes_glmm.checks.row_likelihood import row_log_likelihood
from bayes_glmm.checks.seen_rows import SeenRows
from bayes_glmm.design.grouping import GroupTerm, dimension_name
from bayes_glmm.errors import PredictionError, nearest, warn
from bayes_glmm.inference.fit import Fit, check_fit, check_whole, row_labels
from bayes_glmm.inference.refit import Failure, refit, run_tasks, without_rows
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.predict.draws import row_log_densities

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Model

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

OBS = "obs"
#: What the quadrature is called where its progress is shown.
_INTEGRATING = "Integrating effects out"
#: Effective draws below which an average of densities over effects drawn from their distribution is not given.
_MIN_EFFECTIVE = 40


@dataclass(kw_only=True, repr=False)
class LeaveOneOut(ELPDDataLOO):
    """ArviZ's result of leave-one-out, with what was left out and what was refitted.

    Parameters
    ----------
    unit
        ``"obs"``: a new observation of groups that were seen. Otherwise the dimension of a grouping factor's levels
        (its name, ``"obs_level"`` for a factor called obs): a new group.
    refitted
        How many units come from a fit without them.
    seen
        The rows and responses it is about, which `compare` looks at.
    """

    unit: str = OBS
    refitted: int = 0
    seen: SeenRows | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return ArviZ's table and, in words, what it is about."""
        exact = f"; {self.refitted} of {self.n_data_points} from fits without them" if self.refitted else ""
        return f"{super().__str__()}\n{_about(self.unit)}{exact}.\n"

    __repr__ = __str__


@dataclass(kw_only=True, repr=False)
class KFold(ELPDDataLOOKFold):
    """ArviZ's result of k-fold cross-validation, with what was left out.

    Parameters
    ----------
    unit
        ``"obs"``: a new observation of groups that were seen. Otherwise the dimension of a grouping factor's levels
        (its name, ``"obs_level"`` for a factor called obs): a new group.
    folds
        (units,) the fold each unit was in.
    seen
        The rows and responses it is about, which `compare` looks at.
    """

    unit: str = OBS
    seen: SeenRows | None = field(default=None, repr=False)
    folds: npt.NDArray[np.intp]

    def __str__(self) -> str:
        """Return ArviZ's table and, in words, what it is about."""
        return f"{super().__str__()}\n{_about(self.unit)}.\n"

    __repr__ = __str__


def _about(unit: str) -> str:
    if unit == OBS:
        return "Of a new observation of the groups seen"
    name = unit.removesuffix("_level")
    return f"Of a new level of {name if dimension_name(name) == unit else unit}, its effects unknown"


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """A task: units to leave out together."""

    model: Model
    fit: Fit
    unit: str | None
    units: Rows
    rows: Rows
    seed: int


@own_arguments
def loo(
    fit: Fit,
    unit: str | None = None,
    *,
    refits: bool = True,
    client: Any = None,
    random_seed: int | None = None,
    progressbar: bool = True,
) -> LeaveOneOut:
    """Estimate the expected log predictive density of a new observation, or of a new group, by leaving one out.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    unit
        None or ``"obs"``: each observation left out alone (a new observation of a group seen). A grouping factor, also
        one called obs: each level left out with all its rows, its effects integrated out (a new group).
    refits
        Whether units that importance sampling cannot do (Pareto k above ArviZ's limit, about 0.7) are left out by
        fitting again without them.
    client
        A ``distributed.Client`` for the refits; None for this machine's processors.
    random_seed
        Seed of the refits.
    progressbar
        Whether to show the progress of integrals and refits.

    Returns
    -------
    LeaveOneOut
        ArviZ's ELPDData (elpd, se, p, elpd_i, pareto_k, ...); ``pareto_k`` of refitted units is 0.

    Raises
    ------
    PredictionError
        If there is no such unit, or its effects cannot be integrated out.

    Warns
    -----
    DataWarning
        If a refit failed; the unit keeps its importance-sampling estimate.

    Notes
    -----
    An observation of a level with at most five rows for each of its coefficients is weighed by its density given the
    level's other rows, the level's effects integrated out by quadrature in every draw. As drawn, the effects of so
    small a level have followed that very observation, which makes it look too likely, and Pareto k need not show it.
    Of several factors with so few rows, the one with the fewest is integrated out, with those nested in it or
    that it is nested in; effects of crossed factors stay as drawn. So do all effects under links that do not give every
    linear predictor a mean (identity for counts, inverse), and more than two a level.

    References
    ----------
    Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC. Statistics and Computing 27, 1413-1432. doi:10.1007/s11222-016-9696-4.
    Merkle, E. C., Furr, D. and Rabe-Hesketh, S. (2019). Bayesian comparison of latent variable models: conditional
    versus marginal likelihoods. Psychometrika 84, 802-829. doi:10.1007/s11336-019-09679-0.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> sleepstudy = bg.load_dataset("sleepstudy")
    >>> fit = bg.GLMM("Reaction ~ Days + (1 | Subject)", sleepstudy).fit(random_seed=1, progressbar=False)
    >>> elpd = bg.loo(fit, progressbar=False)
    >>> int(elpd.n_data_points)
    180
    """
    check_fit(fit)
    check_whole(fit, "loo")
    unit, random_seed = None if unit is None else checked_name("unit", unit), checked_seed(random_seed)
    density = _unit_log_likelihood(fit, unit, _INTEGRATING if progressbar else None)
    tree = xr.DataTree.from_dict({"posterior": fit.posterior, "log_likelihood": density.to_dataset(name="y")})
    with warnings.catch_warnings():
        # its advice is to look at Pareto k: what is above the limit is refitted, or stands in the result
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto", category=UserWarning)
        estimate = arviz_loo(tree, pointwise=True, var_name="y")
    result = LeaveOneOut(
        **{part.name: getattr(estimate, part.name) for part in fields(estimate)}, **_identity(fit, unit)
    )
    bad = np.flatnonzero(~(estimate.pareto_k.to_numpy() <= estimate.good_k))
    if not refits or not len(bad):
        return result
    seeds = seeds_of(random_seed, len(bad))
    rows = _rows_of_units(fit, unit)
    tasks = [_LeftOut(fit.model, fit, unit, np.array([i]), rows[i], seed) for i, seed in zip(bad, seeds, strict=True)]
    values = run_tasks(
        _left_out_density, tasks, client=client, progressbar=progressbar, label="Fitting without single units"
    )
    elpd_i = result.elpd_i.to_numpy().copy()
    pareto_k = result.pareto_k.to_numpy().copy()
    done = collected(values, tasks, elpd_i)
    pareto_k[done] = 0.0
    lppd = log_mean_exp(density.to_numpy().reshape(-1, len(elpd_i)))
    result.elpd_i, result.pareto_k = result.elpd_i.copy(data=elpd_i), result.pareto_k.copy(data=pareto_k)
    result.p_loo_i = result.elpd_i.copy(data=lppd - elpd_i)
    result.elpd, result.se, result.p = totals(elpd_i, lppd)
    result.warning, result.refitted = bool(np.any(~(pareto_k <= result.good_k))), len(done)
    return result


@own_arguments
def kfold(
    fit: Fit,
    k: int | None = 10,
    group: str | None = None,
    *,
    stratify: str | None = None,
    client: Any = None,
    random_seed: int | None = None,
    progressbar: bool = True,
) -> KFold:
    """Estimate the expected log predictive density by exact k-fold cross-validation.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    k
        Number of folds; None for one for each unit (leave-one-out, leave-one-group-out).
    group
        A grouping factor: whole levels are left out, and a level's joint density has its effects integrated out. None:
        observations are left out, their groups' effects from the rows that stay.
    stratify
        Column whose values are spread evenly over the folds.
    client
        A ``distributed.Client``; None for this machine's processors.
    random_seed
        Seed of the folds and the fits.
    progressbar
        Whether to show progress.

    Returns
    -------
    KFold
        ArviZ's ELPDData with one entry a unit; ``folds`` says which fold each was in.

    Raises
    ------
    PredictionError
        If `k`, `group` or `stratify` makes no sense, or no density could be computed.
    SamplingError
        If no fit succeeded.

    Warns
    -----
    DataWarning
        If a fit failed or a density could not be computed; these units are left out of the total.

    Notes
    -----
    A level's density is integrated by quadrature over its effects and those of factors nested in it. Where that cannot
    be done (effects crossed within the level, or more than four) it is averaged over draws of all the effects from
    their distribution, one set for each posterior draw; it is NaN, with a warning, where fewer than 40 effective draws
    would carry that average.

    References
    ----------
    Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC. Statistics and Computing 27, 1413-1432. doi:10.1007/s11222-016-9696-4.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> sleepstudy = bg.load_dataset("sleepstudy")
    >>> fit = bg.GLMM("Reaction ~ Days + (1 | Subject)", sleepstudy).fit(random_seed=1, progressbar=False)
    >>> elpd = bg.kfold(fit, k=3, random_seed=1, progressbar=False)
    >>> elpd.n_data_points
    180
    """
    check_fit(fit)
    check_whole(fit, "kfold")
    group, random_seed = None if group is None else checked_name("group", group), checked_seed(random_seed)
    if group == OBS and all(term.name != OBS for term in fit.model.design.groups):
        raise PredictionError(
            "group='obs': the model has no grouping factor 'obs'; group=None leaves out observations."
        )
    rows = _rows_of_units(fit, group)
    folds = folds_of(fit.model.design.frame, rows, k, stratify, random_seed)
    seeds = seeds_of(random_seed, int(folds.max()) + 1)
    tasks = []
    for fold, seed in enumerate(seeds):
        units = np.flatnonzero(folds == fold)
        tasks.append(_LeftOut(fit.model, fit, group, units, np.concatenate([rows[i] for i in units]), seed))
    values = run_tasks(
        _left_out_density, tasks, client=client, progressbar=progressbar, label="Fitting without one fold", unit="folds"
    )
    elpd_i = np.full(len(rows), np.nan)
    collected(values, tasks, elpd_i)
    lppd = _within_density(fit, group, _INTEGRATING if progressbar else None)
    elpd, se, p = totals(elpd_i, lppd)
    dim = _unit_dimension(fit, group)
    labelled = xr.DataArray(elpd_i, dims=[dim], coords={dim: _unit_labels(fit, group)}, name="y")
    none: Any = None  # ArviZ's k-fold has no Pareto k, though its types say so
    return KFold(
        elpd=elpd,
        se=se,
        p=p,
        n_samples=fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"],
        n_data_points=len(rows),
        scale="log",
        warning=bool(np.isnan(elpd_i).any()),
        good_k=none,
        elpd_i=labelled,
        pareto_k=none,
        n_folds=len(tasks),
        p_kfold_i=labelled.copy(data=lppd - elpd_i),
        **_identity(fit, group),
        folds=folds,
    )


# units, rows and densities -------------------------------------------------------------------------------------------


def _unit_term(fit: Fit, unit: str | None) -> GroupTerm | None:
    """Return the grouping factor whose levels are left out; None for observations."""
    terms = {term.name: term for term in fit.model.design.groups}
    if unit is None or (unit == OBS and OBS not in terms):
        return None
    if unit not in terms:
        raise PredictionError(f"The model has no grouping factor {unit!r}. {nearest(unit, [OBS, *terms])}")
    return terms[unit]


def _unit_dimension(fit: Fit, unit: str | None) -> str:
    term = _unit_term(fit, unit)
    return OBS if term is None else term.dim


def _identity(fit: Fit, unit: str | None) -> dict[str, Any]:
    """Say what a result is about: the units' dimension, and the rows and responses."""
    return {"unit": _unit_dimension(fit, unit), "seen": SeenRows.of(fit.model.design)}


def _rows_of_units(fit: Fit, unit: str | None) -> list[Rows]:
    term = _unit_term(fit, unit)
    if term is None:
        return [np.array([i]) for i in range(len(fit.model.design.offset))]
    sizes = np.unique(term.codes, return_counts=True)[1]
    return np.split(np.argsort(term.codes, kind="stable"), np.cumsum(sizes)[:-1])


def _unit_labels(fit: Fit, unit: str | None) -> npt.NDArray[Any]:
    term = _unit_term(fit, unit)
    if term is None:
        return np.arange(len(fit.model.design.offset))
    return np.array([str(term.levels[code]) for code in np.unique(term.codes)], dtype=object)


def _unit_log_likelihood(fit: Fit, unit: str | None, label: str | None = None) -> xr.DataArray:
    """Log densities of the units, dims chain, draw and the unit's."""
    term = _unit_term(fit, unit)
    if term is None:
        values = row_log_likelihood(fit, label)
    else:
        values = group_log_likelihood(fit, term.name, label=label)
    shape = (fit.posterior.sizes["chain"], fit.posterior.sizes["draw"], values.shape[1])
    dim = _unit_dimension(fit, unit)
    labels = row_labels(fit.model.design.index) if term is None else _unit_labels(fit, unit)
    coords = {"chain": fit.posterior["chain"], "draw": fit.posterior["draw"], dim: labels}
    return xr.DataArray(values.reshape(shape), dims=["chain", "draw", dim], coords=coords)


def _within_density(fit: Fit, unit: str | None, label: str | None) -> Array:
    """Log density of every unit under the fit that saw it, draws averaged over; NaN where it is not computed."""
    try:
        density = _unit_log_likelihood(fit, unit, label).to_numpy()
    except PredictionError:  # no quadrature, so no effective number of parameters either
        return np.full(len(_rows_of_units(fit, unit)), np.nan)
    return log_mean_exp(density.reshape(-1, density.shape[-1]))


def _left_out_density(task: _LeftOut) -> Array:
    """Log predictive densities of the units left out, from a fit without them."""
    settings = SamplerSettings(None, None, 4, 1, task.seed, None, False)
    again = refit(without_rows(task.model, task.rows), settings)
    # the draws of the new fit, the responses and weights of the old one
    seen = Fit(task.model, again.dt)
    term = _unit_term(task.fit, task.unit)
    if term is None:
        return log_mean_exp(row_log_densities(seen)[:, task.rows])
    try:
        nested_terms(task.fit, term.name)
    except PredictionError:
        return _averaged_over_effects(seen, task)
    # the nodes are placed by the fit that saw the units
    return log_mean_exp(group_log_likelihood(seen, term.name, task.units, around=task.fit))


def _averaged_over_effects(seen: Fit, task: _LeftOut) -> Array:
    """Average over draws of all effects of the units from their distribution; NaN where too few draws say anything."""
    flat = row_log_densities(seen)
    rows = _rows_of_units(task.fit, task.unit)
    density = np.stack([flat[:, rows[i]].sum(axis=1) for i in task.units], axis=1)
    weights = special.softmax(density, axis=0)
    enough = 1.0 / np.square(weights).sum(axis=0) >= _MIN_EFFECTIVE
    return np.where(enough, log_mean_exp(density), np.nan)


def folds_of(
    frame: pd.DataFrame, rows: list[Rows], k: int | None, stratify: str | None, seed: int
) -> npt.NDArray[np.intp]:
    """Deal units, of rows of a table each, out to k folds (None for one each): the fold of every unit (units,)."""
    count = len(rows)
    if k is None:
        return np.arange(count)
    k = as_whole("k", k)
    if not 2 <= k <= count:
        raise PredictionError(
            f"k={k}: there are {count} units to leave out; give 2 to {count} folds, or None for {count}."
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    if stratify is not None:
        if checked_name("stratify", stratify) not in frame.columns:
            raise PredictionError(f"stratify: there is no column {stratify!r}. {nearest(stratify, map(str, frame))}")
        values = pd.factorize(frame[stratify].iloc[[unit[0] for unit in rows]], sort=True)[0]
        order = order[np.argsort(values[order], kind="stable")]
    folds = np.empty(count, dtype=np.intp)
    folds[order] = np.arange(count) % k
    return folds


def seeds_of(random_seed: int, count: int) -> list[int]:
    """Return the seeds of so many refits."""
    sequence = np.random.SeedSequence(random_seed, spawn_key=(4,))
    return [int(value) for value in sequence.generate_state(count)]


def collected(values: list[Any], tasks: Sequence[Any], elpd_i: Array) -> Rows:
    """Write what the tasks found; warn of those that failed. Returns the units done."""
    done = []
    failed = []
    for value, task in zip(values, tasks, strict=True):
        if isinstance(value, Failure):
            failed.append(value)
        else:
            elpd_i[task.units] = value
            done.append(task.units)
    unsure = [str(i) for units, value in zip(done, _values(values), strict=True) for i in units[np.isnan(value)]]
    if unsure:
        warn(
            f"No density for {len(unsure)} unit{'s' * (len(unsure) > 1)} (positions, from 0: {', '.join(unsure[:5])}): "
            "too few draws of the effects come near the data. The total is without them."
        )
    if failed:
        warn(f"{len(failed)} of {len(tasks)} refits failed; the first: {failed[0].reason}")
    return np.concatenate(done) if done else np.array([], dtype=np.intp)


def _values(values: list[Any]) -> list[Array]:
    return [value for value in values if not isinstance(value, Failure)]


def totals(elpd_i: Array, lppd: Array) -> tuple[float, float, float]:
    """Sum, standard error and effective number of parameters, units without an answer left out."""
    known = ~np.isnan(elpd_i)
    if not known.any():
        raise PredictionError(
            "No unit's density could be computed: too few draws of effects crossed within a level come near the data."
        )
    total = float(elpd_i[known].sum())
    se = float(np.sqrt(known.sum() * elpd_i[known].var()))
    return total, se, float((lppd - elpd_i)[known].sum())
