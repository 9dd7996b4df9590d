"""Draws from the prior: parameters as a fit reports them, by numpy, so that no graph is compiled.

Input: a design and the priors of its parameters. Output: a Dataset with the names and dims of a posterior.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.arguments import as_whole, checked_seed
from bayes_glmm.errors import SamplingError
from bayes_glmm.model.naming import FLAT, dependence_name, reported_names, threshold_labels
from bayes_glmm.model.prior_table import GroupPriors, ParameterPrior, PriorTable

if TYPE_CHECKING:
    from bayes_glmm.design.design import Design
    from bayes_glmm.design.grouping import GroupTerm

Array = npt.NDArray[np.float64]


def sample_prior(design: Design, priors: PriorTable, draws: int, random_seed: int | None) -> xr.Dataset:
    """Draw a model's parameters from their prior.

    Parameters
    ----------
    design
        The design: coefficients, grouping factors and their levels.
    priors
        The prior of every parameter.
    draws
        Number of draws.
    random_seed
        Seed.

    Returns
    -------
    xarray.Dataset
        The parameters a fit reports, in its order; dims chain (1), draw, and each variable's own.

    Raises
    ------
    SamplingError
        If a prior is flat, or `draws` is not a whole number of 1 or more.
    """
    draws = as_whole("draws", draws, error=SamplingError)
    rng = np.random.default_rng(checked_seed(random_seed))
    flat = [row.parameter for row in priors if row.prior.name in FLAT]
    if flat:
        raise SamplingError(
            f"The flat prior of {', '.join(flat)} has no draws; give it a proper prior to sample the prior."
        )
    variables: dict[str, tuple[tuple[str, ...], Array]] = {}
    coords: dict[str, Any] = {"chain": [0], "draw": np.arange(draws)}
    beta = priors.location + _values(rng, priors.beta, draws) @ priors.basis.T
    if design.coefs:
        variables["beta"], coords["coef"] = (("coef",), beta), list(design.coefs)
    for term, (_, group) in zip(design.groups, priors.groups, strict=True):
        variables |= _group(rng, term, group, draws)
        names = {term.dim: term.levels, f"{term.name}_coef": term.coefs, f"{term.name}_coef_2": term.coefs}
        coords |= {name: list(labels) for name, labels in names.items()}
    for row in priors.auxiliary:
        if not row.ordered:
            variables[row.parameter] = ((), _values(rng, [row], draws)[:, 0])
            continue
        assert design.response is not None and design.response.categories is not None
        coords["threshold"] = list(threshold_labels(design.response.categories))
        values = _values(rng, [row] * len(coords["threshold"]), draws)
        values = np.sort(values, axis=1) if row.increasing else values
        # thresholds for centred predictors, reported for the predictors as they are
        shifts = beta @ priors.shifts.T if priors.centered else np.zeros((draws, 1))
        variables[row.parameter] = (("threshold",), values + shifts)
    for steps, row in zip(design.monotonic, priors.monotonic, strict=True):
        shares = rng.dirichlet(np.full(len(steps.steps), row.prior["alpha"]), size=draws)
        variables[steps.name], coords[steps.dim] = ((steps.dim,), shares), list(steps.steps)
    drawn = {
        name: (("chain", "draw", *variables[name][0]), variables[name][1][None]) for name in reported_names(design)
    }
    used = {dim for dims, _ in drawn.values() for dim in dims}
    return xr.Dataset(drawn, coords={name: labels for name, labels in coords.items() if name in used})


def _group(
    rng: np.random.Generator, term: GroupTerm, priors: GroupPriors, draws: int
) -> dict[str, tuple[tuple[str, ...], Array]]:
    """Draw sds (draws, k), correlations (draws, k, k) and effects (draws, levels, k) of one grouping factor."""
    k, coef = len(term.coefs), f"{term.name}_coef"
    basis = np.eye(k) if priors.basis is None else priors.basis
    root = np.tile(np.eye(k), (draws, 1, 1))
    for block in term.blocks if priors.corr is not None else ():
        assert priors.corr is not None
        root[np.ix_(np.arange(draws), block, block)] = _correlation_roots(
            rng, len(block), priors.corr.prior["eta"], draws
        )
    along = basis @ (_values(rng, priors.sd, draws)[:, :, None] * root)
    sd = np.sqrt(np.square(along).sum(axis=2))
    law = priors.dependence
    value = np.zeros(draws) if law is None else _values(rng, [law], draws)[:, 0]
    standard = term.related(rng.standard_normal((len(term.levels), draws * k)), np.repeat(value, k))
    effects = np.einsum("lsk,sjk->slj", standard.reshape(-1, draws, k), along)
    found = {f"b_{term.name}": ((term.dim, coef), effects), f"sd_{term.name}": ((coef,), sd)}
    if law is not None:
        found[dependence_name(term)] = ((), value)
    if priors.corr is not None:
        unit = along / sd[:, :, None]
        found[f"corr_{term.name}"] = ((coef, f"{coef}_2"), unit @ unit.transpose(0, 2, 1))
    return found


def _values(rng: np.random.Generator, rows: Sequence[ParameterPrior], draws: int) -> Array:
    """Draw parameters (draws, rows) from distributions cut at the parameters' bounds, by inverting them."""
    shares = rng.random((draws, len(rows)))
    columns = [
        row.prior.quantiles(shares[:, j], row.lower, row.upper) ** (1.0 / row.power) for j, row in enumerate(rows)
    ]
    return np.stack(columns, axis=1) if columns else shares


def _correlation_roots(rng: np.random.Generator, k: int, eta: float, draws: int) -> Array:
    """Draw Cholesky factors (draws, k, k) of LKJ(eta) correlation matrices, row by row (Lewandowski et al. 2009)."""
    root = np.zeros((draws, k, k))
    root[:, 0, 0] = 1.0
    for i in range(1, k):
        length = rng.beta(0.5 * i, eta + 0.5 * (k - 1 - i), size=draws)
        direction = rng.standard_normal((draws, i))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        root[:, i, :i] = np.sqrt(length)[:, None] * direction
        root[:, i, i] = np.sqrt(1.0 - length)
    return root
