"""Cross-validation of several responses by refits: rows are left out with all their responses.

Input: a fit of several responses. Output: ArviZ's ELPDData of the rows' joint density, or of one response's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.arguments import checked_seed
from bayes_glmm.checks.comparison import KFold, collected, folds_of, seeds_of, totals
from bayes_glmm.checks.group_likelihood import log_mean_exp
from bayes_glmm.checks.seen_rows import SeenRows
from bayes_glmm.design.design import Design
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.inference.fit import Fit
from bayes_glmm.inference.multivariate import (
    MultivariateFit,
    MultivariateModel,
    assemble_together,
    response_tree,
    run_together,
)
from bayes_glmm.inference.refit import RefittedModel, run_tasks
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.model.multivariate import parameter_name
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.predict.draws import row_log_densities
from bayes_glmm.predict.expected import row_predictor
from bayes_glmm.spec.multivariate import RESIDUAL, MultivariateSpec

__all__ = ["kfold_together", "row_densities_together"]

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _Refitted:
    """What a refit knows of its model."""

    spec: MultivariateSpec
    design: MultivariateDesign
    prior_tables: tuple[PriorTable, ...]
    prior_table: PriorTable


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """A task: rows to leave out together; `units` are their places in the result."""

    model: MultivariateModel
    response: int | None
    rows: Rows
    units: Rows
    seed: int


def kfold_together(
    fit: MultivariateFit,
    k: int | None = 10,
    response: str | None = None,
    *,
    random_seed: int | None = None,
    progressbar: bool = True,
) -> KFold:
    """Estimate the expected log predictive density of new rows by exact k-fold cross-validation.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    k
        Number of folds; None for one for each row.
    response
        The response whose density is meant; None for that of all responses of a row together. Rows are left out with
        all their responses in either case.
    random_seed
        Seed of the folds and the fits.
    progressbar
        Whether to show progress.

    Returns
    -------
    KFold
        ArviZ's ELPDData with one entry a row, as of `bayes_glmm.kfold`. That of one response can be compared with the
        k-fold of a model of this response alone.

    Raises
    ------
    PredictionError
        If `k` makes no sense or there is no such response.
    SamplingError
        If no fit succeeded.

    Warns
    -----
    DataWarning
        If a fit failed; its rows are left out of the total.
    """
    design, r = fit.model.design, None if response is None else fit.number(response)
    rows = np.arange(design.size) if r is None else design.rows[r]
    units = [np.array([i]) for i in range(len(rows))]
    seed = checked_seed(random_seed)
    folds = folds_of(design.frame, units, k, None, seed)
    tasks = [
        _LeftOut(fit.model, r, rows[folds == fold], np.flatnonzero(folds == fold), one)
        for fold, one in enumerate(seeds_of(seed, int(folds.max()) + 1))
    ]
    values = run_tasks(
        _left_out_density, tasks, progressbar=progressbar, label="Fitting without one fold", unit="folds"
    )
    elpd_i = np.full(len(rows), np.nan)
    collected(values, tasks, elpd_i)
    lppd = log_mean_exp(row_densities_together(fit, r)[:, rows])
    elpd, se, p = totals(elpd_i, lppd)
    labelled = xr.DataArray(elpd_i, dims=["obs"], coords={"obs": np.arange(len(rows))}, name="y")
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
        seen=None if r is None else SeenRows.of(design.parts[r]),
        folds=folds,
    )


def _left_out_density(task: _LeftOut) -> Array:
    """Log predictive densities of the rows left out, from a fit without them."""
    settings = SamplerSettings(None, None, 4, 1, task.seed, None, False)
    model, whole = task.model, task.model.design
    parts = tuple(_without(part, np.isin(whole.rows[r], task.rows)) for r, part in enumerate(whole.parts))
    without = _Refitted(model.spec, replace(whole, parts=parts), model.prior_tables, model.prior_table)
    _, _, sampled = run_together("nuts", "auto", without, settings)
    attrs = {"method": "nuts"}
    # the draws of the new fit, the responses and weights of the old one
    seen = MultivariateFit(model, assemble_together(without, sampled, attrs))
    return log_mean_exp(row_densities_together(seen, task.response)[:, task.rows])


def _without(part: Design, left_out: npt.NDArray[np.bool_]) -> Design:
    """Give rows of a response (rows,) a weight of zero."""
    response = part.response
    assert response is not None
    weights = np.ones(len(response.y)) if response.weights is None else response.weights.copy()
    weights[left_out] = 0.0
    return replace(part, response=replace(response, weights=weights))


def row_densities_together(fit: MultivariateFit, response: int | None = None) -> Array:
    """Compute the log density of every row, of all its responses or of one.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    response
        A response's number; None for all of them together.

    Returns
    -------
    numpy.ndarray
        (S, rows) given all effects; zero for a row that has none of the responses.
    """
    design = fit.model.design
    together = design.spec.correlated if response is None else ()
    alone = [r for r in range(len(design.parts)) if r not in together] if response is None else [response]
    draws = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    total = np.zeros((draws, design.size))
    for r in alone:
        total[:, design.rows[r]] += row_log_densities(_fit_of(fit, r))
    if together:
        total += _correlated_densities(fit, together)
    return total


def _fit_of(fit: MultivariateFit, r: int) -> Fit:
    part = fit.model.design.parts[r]
    return Fit(RefittedModel(part.spec, part, fit.model.prior_tables[r]), response_tree(fit, r))


def _correlated_densities(fit: MultivariateFit, together: tuple[int, ...]) -> Array:
    """Log densities (S, rows) of normal responses with correlated residuals, of which a row may have some."""
    design, draws = fit.model.design, fit.posterior
    names = [design.spec.names[r] for r in together]
    sigma = np.stack([draws[parameter_name("sigma", name)].to_numpy().ravel() for name in names], axis=-1)
    corr = draws[RESIDUAL].transpose("chain", "draw", "response", "response_2").to_numpy()
    covariance = sigma[:, :, None] * corr.reshape(len(sigma), len(names), len(names)) * sigma[:, None, :]
    residual = np.full((len(sigma), design.size, len(names)), np.nan)
    for a, r in enumerate(together):
        response, rows = design.parts[r].response, design.rows[r]
        assert response is not None
        eta = row_predictor(_fit_of(fit, r), None, scale="link", random_seed=0).linear(np.arange(len(rows)))
        residual[:, rows, a] = response.y - eta
    out = np.zeros(residual.shape[:2])
    patterns, pattern_of = np.unique(np.isfinite(residual[0]), axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        has, rows = np.flatnonzero(pattern), np.flatnonzero(pattern_of.ravel() == k)
        if len(has):
            lower = np.linalg.cholesky(covariance[:, has[:, None], has])
            e = np.linalg.solve(lower, np.swapaxes(residual[:, rows][:, :, has], 1, 2))
            log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
            out[:, rows] = -0.5 * np.square(e).sum(axis=1) - log_det[:, None] - 0.5 * len(has) * np.log(2.0 * np.pi)
    return out
