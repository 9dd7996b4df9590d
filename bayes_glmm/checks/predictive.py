"""Predictive checks: a statistic of the observed responses among those the model makes.

Input: a `Fit`, a model (for its prior), or a DataTree. Output: a tidy table, a row for each group.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import stats

from bayes_glmm.arguments import checked_name, in_words, interval_probability, own_arguments
from bayes_glmm.checks.residuals import column_of, simulate_residuals
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.inference.fit import Fit, check_model
from bayes_glmm.predict.added_columns import frame_with
from bayes_glmm.printing.table import HEADING, Table

Array = npt.NDArray[np.float64]
Statistic = str | Callable[[Array], float]

STATISTICS: dict[str, Callable[[Array], Array]] = {
    "mean": lambda y: y.mean(axis=-1),
    "sd": lambda y: y.std(axis=-1, ddof=min(1, y.shape[-1] - 1)),
    "min": lambda y: y.min(axis=-1),
    "max": lambda y: y.max(axis=-1),
    "median": lambda y: np.median(y, axis=-1),
    "q10": lambda y: np.quantile(y, 0.1, axis=-1),
    "q90": lambda y: np.quantile(y, 0.9, axis=-1),
    "zeros": lambda y: (y == 0).mean(axis=-1),
    "skewness": lambda y: stats.skew(y, axis=-1),
}


_OTHERS = "Columns that the model does not use come with data=."


class PriorSampler(Protocol):
    """What a prior predictive check needs of a model."""

    @property
    def design(self) -> Any:
        """What the data became."""

    def sample_prior(self, draws: int = 500, random_seed: int | None = None) -> xr.DataTree:
        """Draw from the prior and the prior predictive distribution."""


@own_arguments
def predictive_check(
    fit: Fit | xr.DataTree,
    stat: Statistic = "mean",
    group: str | None = None,
    *,
    random_effects: str = "conditional",
    draws: int = 1000,
    random_seed: int | None = None,
    ci_prob: float | None = None,
    data: Any = None,
) -> pd.DataFrame:
    """Compare a statistic of the observed responses with its distribution over the posterior predictive.

    Parameters
    ----------
    fit
        A fit, or a DataTree with observed_data and posterior_predictive.
    stat
        ``"mean"``, ``"sd"``, ``"min"``, ``"max"``, ``"median"``, ``"q10"``, ``"q90"``, ``"zeros"`` (their share),
        ``"skewness"``, or a function of a vector of responses. Responses are on their own scale: successes for families
        with trials, codes 0, 1, ... for ordered categories. Of a fit to categories without an order the label of one,
        for its share, or a function of their codes.
    group
        Column in whose levels the statistic is computed; None for all rows together.
    random_effects
        ``"conditional"``: the fitted groups. ``"new"``: groups drawn again.
    draws
        Simulated data sets, in all chains together.
    random_seed
        Seed.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``stats.ci_prob``.
    data
        A table with the column `group`, in the rows' order, as `simulate_residuals` takes it; a column that the model
        uses needs none.

    Returns
    -------
    pandas.DataFrame
        The column `group` where there is one (as ``lower_data`` where it is called like one of these), stat, rows,
        observed; mean, lower, upper of the simulated data sets;
        p_value, the share of them whose statistic is at least the observed one, ties counting half (near 0 or 1: the
        model does not make such data).

    Raises
    ------
    PredictionError
        If the statistic or a column is unknown, or the rows of `data` are not those of the fit.

    References
    ----------
    Gelman, A., Meng, X.-L. and Stern, H. (1996). Posterior predictive assessment of model fitness via realized
    discrepancies. Statistica Sinica 6, 733-807.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.predictive_check(fit, "zeros", random_seed=1)
    >>> bool(table.loc[0, "lower"] < table.loc[0, "observed"] < table.loc[0, "upper"])
    True
    """
    if random_effects == "loo":
        raise PredictionError(
            "random_effects='loo': data sets of left-out rows do not exist; use 'conditional' or 'new'."
        )
    stat = _of_category(stat, fit.model) if isinstance(fit, Fit) else stat
    residuals = simulate_residuals(fit, random_effects, draws=draws, random_seed=random_seed, data=data)
    levels = None if group is None else column_of(residuals, group, "group")
    table = _table(residuals["observed"].to_numpy(), residuals["simulated"].to_numpy(), stat, group, levels, ci_prob)
    table.attrs = {"random_effects": random_effects, "draws": residuals.sizes["sample"], **table.attrs}
    return table


@own_arguments
def prior_predictive_check(
    model: PriorSampler,
    stat: Statistic = "mean",
    group: str | None = None,
    *,
    draws: int = 500,
    random_seed: int | None = None,
    ci_prob: float | None = None,
    data: Any = None,
) -> pd.DataFrame:
    """Compare a statistic of the observed responses with its distribution over the prior predictive.

    Parameters
    ----------
    model
        A `GLMM`; all its priors must be proper.
    stat, group, random_seed, ci_prob, data
        As in `predictive_check`.
    draws
        Draws from the prior.

    Returns
    -------
    pandas.DataFrame
        As `predictive_check`. An interval far wider than anything believable says that the priors are too wide, an
        observed value outside it that they are too narrow.

    Raises
    ------
    PredictionError
        If the statistic or a column is unknown.
    SamplingError
        If a prior is flat.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> table = bg.prior_predictive_check(model, "mean", draws=100, random_seed=1)
    >>> table["stat"].tolist()
    ['mean']
    """
    check_model(model)
    stat = _of_category(stat, model)
    predictive = model.sample_prior(draws=draws, random_seed=random_seed)["prior_predictive"]
    simulated = next(iter(predictive.data_vars.values())).transpose("chain", "draw", ...).to_numpy()
    simulated = simulated.reshape(-1, simulated.shape[-1]).astype(float)
    frame, levels = frame_with(model.design, data), None
    if group is not None:
        if checked_name("group", group) not in frame.columns:
            raise PredictionError(
                f"group: there is no column {group!r}. {nearest(group, map(str, frame.columns))} {_OTHERS}"
            )
        levels = frame[group].astype(str).to_numpy()
    table = _table(np.asarray(model.design.response.y, dtype=float), simulated, stat, group, levels, ci_prob)
    table.attrs = {"random_effects": "prior", "draws": len(simulated), **table.attrs}
    return table


def _of_category(stat: Statistic, model: Any) -> Statistic:
    """Return the statistic of a category's share for its label, where categories have no order."""
    labels = model.design.spec.family.categories
    if model.design.spec.family.support != "unordered" or callable(stat):
        return stat
    if stat not in labels:
        raise PredictionError(
            f"stat={stat!r}: categories without an order have shares only. {nearest(str(stat), labels)} "
            "Or give a function of their codes 0, 1, ..."
        )
    code = labels.index(stat)

    def share(codes: Array) -> float:
        return float(np.mean(codes == code))

    share.__name__ = f"share of {stat}"
    return share


def _table(
    observed: Array,
    simulated: Array,
    stat: Statistic,
    group: str | None,
    levels: npt.NDArray[Any] | None,
    ci_prob: float | None,
) -> pd.DataFrame:
    prob = interval_probability(ci_prob)
    name, compute = _statistic(stat)
    names = [None] if levels is None else list(dict.fromkeys(levels.tolist()))
    rows = []
    for level in names:
        inside = slice(None) if levels is None else levels == level
        theirs, ours = compute(simulated[:, inside]), float(compute(observed[None, inside])[0])
        lower, upper = np.quantile(theirs, [(1 - prob) / 2, (1 + prob) / 2])
        p = float((theirs > ours).mean() + 0.5 * (theirs == ours).mean())
        rows.append((name, simulated[:, inside].shape[1], ours, theirs.mean(), lower, upper, p))
    table = Table(rows, columns=["stat", "rows", "observed", "mean", "lower", "upper", "p_value"])
    if group is not None:
        # as in tables of effects, where a column of the data has the name of a result
        table.insert(0, f"{group}_data" if group in table else group, names)
    table.attrs = {"quantity": "predictive check", "stat": name, "ci_prob": prob, "interval": "equal-tailed"}
    table.attrs[HEADING] = (
        f"The {name} of the observed responses, and of {len(simulated):,} simulated data sets (mean and {prob:.0%} "
        "interval)."
    )
    return table


def _statistic(stat: Statistic) -> tuple[str, Callable[[Array], Array]]:
    if isinstance(stat, str):
        if stat not in STATISTICS:
            raise PredictionError(f"stat={stat!r} is not known. {nearest(stat, STATISTICS)} Or give a function.")
        return stat, STATISTICS[stat]
    if not callable(stat):
        raise PredictionError(f"stat= takes a name or a function, not {in_words(stat)}. {nearest(stat, STATISTICS)}")
    name = str(getattr(stat, "__name__", type(stat).__name__))
    return name, lambda y: np.array([_number(name, stat(row)) for row in y])


def _number(name: str, value: Any) -> float:
    if np.ndim(value) or not isinstance(value, Real | np.number | np.bool_ | np.ndarray):
        raise PredictionError(f"stat: {name} must return one number for a vector of responses, not {in_words(value)}.")
    return float(value)
