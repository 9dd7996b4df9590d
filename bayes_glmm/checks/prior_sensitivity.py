"""How much the posterior owes to its priors: power scaling of priors and likelihood, and exact refits.

Input: a `Fit`. Output: a DataFrame. Importance weights say what happens where a prior is made a little stronger or
weaker; refits say what happens where it is made twice as strong, or half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import psense

from bayes_glmm.arguments import checked_name, checked_seed, own_arguments
from bayes_glmm.checks.log_prior import log_effects, log_prior
from bayes_glmm.errors import PredictionError, nearest, warn
from bayes_glmm.inference.fit import check_fit, check_whole
from bayes_glmm.inference.refit import Failure, RefittedModel, refit, run_tasks
from bayes_glmm.inference.scalars import population_scalars
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.predict.draws import total_log_likelihood
from bayes_glmm.printing.table import HEADING, Table

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit
    from bayes_glmm.model.prior_table import ParameterPrior, PriorTable

THRESHOLD = 0.05
POWERS = (0.5, 2.0)
BY = ("all", "group", "parameter")


@own_arguments
def prior_sensitivity(
    fit: Fit,
    by: str = "all",
    *,
    refits: bool = False,
    client: Any = None,
    random_seed: int | None = None,
    progressbar: bool = True,
) -> pd.DataFrame:
    """Compute how far the posterior moves where priors, or the likelihood, are made stronger or weaker.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    by
        What is scaled together: ``"all"`` priors; each ``"group"`` of them (intercept, coefficients, sds of a factor,
        its correlations, each further parameter); each ``"parameter"``'s prior alone.
    refits
        Whether to fit again with the priors' densities to the power 1/2 and 2, too.
    client
        A ``distributed.Client`` for the refits; None for this machine's processors.
    random_seed
        Seed of the refits.
    progressbar
        Whether to show the refits' progress.

    Returns
    -------
    pandas.DataFrame
        A row for each scaled prior and parameter: scaled, parameter; prior and likelihood, the sensitivities (change of
        the cumulative Jensen-Shannon distance for a doubling; 0.05 is worth a look); diagnosis, in words. With `refits`
        also weaker and stronger: how far the posterior mean moves, in posterior sds, with the prior to the power 1/2
        and 2 (NaN where a refit failed).

    Raises
    ------
    PredictionError
        If `by` is none of its values.
    PriorError
        If a prior to the power 1/2 is no distribution, as a Cauchy's.

    Warns
    -----
    DataWarning
        If a refit failed.

    Notes
    -----
    Priors are scaled as they were stated: the intercept's where the predictors are at their means, a precision's as the
    precision's. The likelihood that is scaled is that of responses *and* levels' effects given the parameters shown
    here: what is known of a factor's sd comes by way of its levels' effects.

    References
    ----------
    Kallioinen, N., Paananen, T., Burkner, P.-C. and Vehtari, A. (2024). Detecting and diagnosing prior and likelihood
    sensitivity with power-scaling. Statistics and Computing 34, 57. doi:10.1007/s11222-023-10366-5.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.prior_sensitivity(fit)
    >>> table["parameter"].tolist()[:2]
    ['beta[Intercept]', 'beta[Days]']
    """
    check_fit(fit)
    if refits:
        check_whole(fit, "prior_sensitivity(refits=True)")
    if checked_name("by", by) not in BY:
        raise PredictionError(f"by={by!r} is not known. {nearest(by, BY)}")
    seed, rows = checked_seed(random_seed), list(fit.model.prior_table)
    groups = _groups(rows, by)
    scalars = population_scalars(fit.posterior, fit.model.design)
    densities = log_prior(fit)
    numbers = {str(name): f"v{place}" for place, name in enumerate({**scalars, **densities})}
    tree = xr.DataTree.from_dict(  # by numbers: a tree takes no slash in a name
        {
            "posterior": scalars.rename({name: numbers[str(name)] for name in scalars}),
            "log_prior": densities.rename({name: numbers[str(name)] for name in densities}),
            "log_likelihood": _joint_likelihood(fit).to_dataset(name="y"),
        }
    )
    likelihood = psense(tree, group="likelihood")
    flat = {row.parameter for row in rows if row.prior.name in _CONSTANT}
    parts = []
    for name, members in groups.items():
        moving = [numbers[member] for member in members if member not in flat]
        prior = psense(tree, group="prior", group_var_names=moving) if moving else xr.zeros_like(likelihood)
        parts.append(_sensitivities(name, {one: numbers[str(one)] for one in scalars}, prior, likelihood))
    table = Table(pd.concat(parts, ignore_index=True))
    table.attrs[HEADING] = (
        f"How far the posterior moves as priors, or the likelihood, become stronger; {THRESHOLD} is worth a look."
    )
    if refits:
        shifts = _shifts(fit, groups, scalars, seed, client, progressbar)
        table = table.assign(**shifts)
    return table


_CONSTANT = ("Flat", "HalfFlat", "Uniform")


def _joint_likelihood(fit: Fit) -> xr.DataArray:
    """Log density of responses and levels' effects, dims chain, draw."""
    return total_log_likelihood(fit) + log_effects(fit)


def _groups(rows: Sequence[ParameterPrior], by: str) -> dict[str, list[str]]:
    """Names of the priors that are scaled together."""
    names = [row.parameter for row in rows]
    if by == "all":
        return {"all priors": names}
    if by == "parameter":
        return {name: [name] for name in names}
    groups: dict[str, list[str]] = {}
    for name in names:
        head, _, rest = name.partition("[")
        group = f"sd[{rest.split('][')[0].removesuffix(']')}]" if head == "sd" else "beta" if head == "beta" else name
        groups.setdefault(group, []).append(name)
    return groups


def _sensitivities(scaled: str, names: Mapping[Any, str], prior: xr.Dataset, likelihood: xr.Dataset) -> pd.DataFrame:
    of_prior = np.array([float(prior[number]) for number in names.values()])
    of_likelihood = np.array([float(likelihood[number]) for number in names.values()])
    words = [_diagnosis(*pair) for pair in zip(of_prior, of_likelihood, strict=True)]
    columns = {"prior": of_prior, "likelihood": of_likelihood, "diagnosis": words}
    return pd.DataFrame({"scaled": scaled, "parameter": [str(name) for name in names], **columns})


def _diagnosis(prior: float, likelihood: float) -> str:
    if prior < THRESHOLD:
        return "the prior hardly matters"
    if likelihood < THRESHOLD:
        return "the prior decides, the data say little"
    return "prior and data both matter and may disagree"


# refits ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A task: the model with some priors to a power."""

    model: RefittedModel
    seed: int


def _shifts(
    fit: Fit, groups: dict[str, list[str]], scalars: xr.Dataset, seed: int, client: Any, progressbar: bool
) -> dict[str, list[float]]:
    """Shift of each posterior mean, in posterior sds, for each power: columns of the table."""
    model = fit.model
    seeds = iter(np.random.SeedSequence(seed, spawn_key=(7,)).generate_state(len(groups) * len(POWERS)))
    tasks = []
    for members in groups.values():
        for alpha in POWERS:
            scaled = _scaled_table(model.prior_table, set(members), alpha)
            tasks.append(_Scaled(RefittedModel(model.spec, model.design, scaled), int(next(seeds))))
    results = run_tasks(
        _refitted_means, tasks, client=client, progressbar=progressbar, label="Fitting with scaled priors"
    )
    failures = [result for result in results if isinstance(result, Failure)]
    if failures:
        warn(f"{len(failures)} of {len(tasks)} refits failed; the first: {failures[0].reason}")
    mean = np.array([float(values.mean()) for values in scalars.data_vars.values()])
    sd = np.array([float(values.std()) for values in scalars.data_vars.values()])
    lost = np.full(len(mean), np.nan)
    moved = [lost if isinstance(result, Failure) else (result - mean) / sd for result in results]
    return {
        name: [float(value) for shift in moved[start :: len(POWERS)] for value in shift]
        for start, name in enumerate(("weaker", "stronger"))
    }


def _refitted_means(task: _Scaled) -> np.ndarray:
    fit = refit(task.model, SamplerSettings(None, None, 4, 1, task.seed, None, False))
    scalars = population_scalars(fit.posterior, fit.model.design)
    return np.array([float(values.mean()) for values in scalars.data_vars.values()])


def _scaled_table(table: PriorTable, names: set[str], alpha: float) -> PriorTable:
    """Put the densities of the named priors to a power."""

    def scaled(row: ParameterPrior) -> ParameterPrior:
        return replace(row, prior=row.prior.powered(alpha)) if row.parameter in names else row

    groups = tuple(
        (
            name,
            replace(
                group,
                sd=tuple(map(scaled, group.sd)),
                corr=group.corr and scaled(group.corr),
                dependence=group.dependence and scaled(group.dependence),
            ),
        )
        for name, group in table.groups
    )
    beta, auxiliary, monotonic = (tuple(map(scaled, rows)) for rows in (table.beta, table.auxiliary, table.monotonic))
    return replace(table, beta=beta, groups=groups, auxiliary=auxiliary, monotonic=monotonic)
