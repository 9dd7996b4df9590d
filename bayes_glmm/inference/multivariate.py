"""Fits of several responses: sampled together, and the fit of one response among them.

Input: a design of several responses with its priors, and settings. Output: draws; a `MultivariateFit`; from it, for
each response, the tree of a fit of one.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr

from bayes_glmm.arguments import as_whole, checked_seed
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.engine.pack_responses import why_not_covered_together
from bayes_glmm.errors import PredictionError, SamplingError, nearest
from bayes_glmm.families import DISCRETE
from bayes_glmm.inference.fit import WithDraws, assemble_tree, row_labels, unit_diagonals
from bayes_glmm.inference.graph import sample_plain, sample_pymc
from bayes_glmm.inference.kernel import approximate_together, sample_together
from bayes_glmm.inference.samplers import METHODS, SAMPLERS
from bayes_glmm.inference.settings import Sampled, SamplerSettings
from bayes_glmm.model.multivariate import parameter_name, reported_by_all
from bayes_glmm.model.naming import FLAT
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.multivariate import RESIDUAL, MultivariateSpec

__all__ = [
    "MultivariateFit",
    "MultivariateModel",
    "assemble_together",
    "response_tree",
    "run_together",
    "sample_prior_together",
]


class MultivariateModel(Protocol):
    """What a fit of several responses needs to know of its model."""

    @property
    def spec(self) -> MultivariateSpec:
        """What the user stated."""

    @property
    def design(self) -> MultivariateDesign:
        """What the data became."""

    @property
    def prior_tables(self) -> tuple[PriorTable, ...]:
        """The priors of each response."""

    @property
    def prior_table(self) -> PriorTable:
        """The prior of every parameter."""


@dataclass(frozen=True, eq=False)
class MultivariateFit(WithDraws):
    """The posterior of a model of several responses.

    Parameters
    ----------
    model
        The model.
    dt
        Groups posterior, sample_stats, observed_data and constant_data; dims chain, draw, obs, coef, response, <group>,
        <group>_coef.
    """

    model: MultivariateModel
    dt: xr.DataTree

    @property
    def responses(self) -> tuple[str, ...]:
        """Names of the responses."""
        return self.model.spec.names

    @property
    def parts(self) -> tuple[MultivariateFit, ...]:
        """The fits whose draws are mixed in this one: itself."""
        return (self,)

    def number(self, response: Any) -> int:
        """Return the number of a response.

        Parameters
        ----------
        response
            Its name.

        Returns
        -------
        int
            From 0, in the order of the formulas.

        Raises
        ------
        PredictionError
            If there is no such response.
        """
        if response not in self.responses:
            raise PredictionError(f"There is no response {response!r}. {nearest(str(response), self.responses)}")
        return self.responses.index(response)


def run_together(
    method: str, backend: str, model: MultivariateModel, settings: SamplerSettings
) -> tuple[str, str, Sampled]:
    """Sample a model of several responses, as `bayes_glmm.inference.samplers.run_sampler` does one.

    Returns
    -------
    backend, reason, sampled
        What ran, why that, and the draws.

    Raises
    ------
    SamplingError
        If there is no such method or backend, or an argument has no meaning for the method.
    """
    if method not in METHODS:
        raise SamplingError(f"There is no method {method!r}. {nearest(method, METHODS)}")
    if not isinstance(backend, str) or backend not in ("auto", *SAMPLERS):
        raise SamplingError(f"There is no backend {backend!r}. {nearest(str(backend), ['auto', *SAMPLERS])}")
    design, priors = model.design, model.prior_table
    if method == "laplace":
        if backend not in ("auto", "kernel"):
            raise SamplingError(f"method='laplace' is the kernel's; backend={backend!r} has none.")
        if settings.tune is not None:
            raise SamplingError("method='laplace' has no warm-up: leave tune= out.")
        sampled = approximate_together(design, model.prior_tables, priors, settings)
        return "kernel", "the Laplace approximation is the kernel's", sampled
    missing = why_not_covered_together(design, model.prior_tables, priors)
    reason = "asked for" if backend != "auto" else (missing or "the kernel covers the model")
    chosen = backend if backend != "auto" else ("nutpie" if missing else "kernel")
    if chosen == "kernel":
        return chosen, reason, sample_together(design, model.prior_tables, priors, settings)
    from bayes_glmm.model.build_multivariate import build_multivariate_model

    graph, names = build_multivariate_model(design, priors), reported_by_all(design)
    if chosen == "nutpie":
        return chosen, reason, sample_plain(graph, names, settings, reason)
    return chosen, reason, sample_pymc(chosen, graph, names, settings)


def sample_prior_together(model: MultivariateModel, draws: int, random_seed: int | None) -> xr.DataTree:
    """Draw parameters and responses of all from the prior, by PyMC's graph.

    Returns
    -------
    xarray.DataTree
        Groups prior and prior_predictive; dims chain (1), draw, and each variable's own.

    Raises
    ------
    SamplingError
        If a prior is flat, or `draws` is no number of draws.
    """
    import pymc as pm

    from bayes_glmm.model.build_multivariate import build_multivariate_model

    draws = as_whole("draws", draws, error=SamplingError)
    if flat := [row.parameter for row in model.prior_table if row.prior.name in FLAT]:
        raise SamplingError(
            f"The flat prior of {', '.join(flat)} has no draws; give it a proper prior to sample the prior."
        )
    graph, names = build_multivariate_model(model.design, model.prior_table), reported_by_all(model.design)
    observed = [variable.name for variable in graph.observed_RVs]
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))  # it would list what it draws
    try:
        with graph, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The effect of Potentials", category=UserWarning)
            warnings.filterwarnings("ignore", message="Numba will use object mode", category=UserWarning)
            tree = pm.sample_prior_predictive(
                draws=draws, var_names=[*names, *observed], random_seed=checked_seed(random_seed)
            )
    finally:
        logger.setLevel(level)
    drawn = {group: tree[group].to_dataset().drop_attrs() for group in ("prior", "prior_predictive")}
    return xr.DataTree.from_dict({**drawn, "prior": drawn["prior"][names]})


def assemble_together(model: MultivariateModel, sampled: Sampled, attrs: Mapping[str, Any]) -> xr.DataTree:
    """Put draws and data into the tree ArviZ reads.

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, observed_data (a variable for each response, NaN in rows without it; whole
        numbers are integers where every row has one) and constant_data.
    """
    design, observed, constant = model.design, {}, {}
    for r, (name, part) in enumerate(zip(model.spec.names, design.parts, strict=True)):
        response = part.response
        assert response is not None
        values = over_rows(design, r, response.y)
        if part.spec.family.support in DISCRETE and len(design.rows[r]) == design.size:
            values = values.astype(np.int64)
        observed[name] = ("obs", values)
        constant[f"offset_{name}"] = ("obs", design.offsets[r])
        for label, known in (("trials", response.trials), ("weights", response.weights)):
            if known is not None:
                constant[f"{label}_{name}"] = ("obs", over_rows(design, r, known))
    coords = {"obs": row_labels(design.frame.index)}
    tree = xr.DataTree.from_dict(
        {
            "posterior": unit_diagonals(sampled.posterior, [*(f"corr_{t.name}" for t in design.groups), RESIDUAL]),
            "sample_stats": sampled.sample_stats,
            "observed_data": xr.Dataset(observed, coords=coords),
            "constant_data": xr.Dataset(constant, coords=coords),
        }
    )
    tree.attrs = {"interrupted": int(sampled.interrupted), **attrs, **sampled.details}
    return tree


def over_rows(design: MultivariateDesign, r: int, values: Any) -> Any:
    """Spread a response's values (its rows,) over all rows (rows,), NaN elsewhere."""
    out = np.full(design.size, np.nan)
    out[design.rows[r]] = values
    return out


def response_tree(fit: MultivariateFit, r: int) -> xr.DataTree:
    """Return the tree that a fit of one response has, with its own names, from the draws of all.

    Parameters
    ----------
    fit
        The fit of all responses.
    r
        The response's number.

    Returns
    -------
    xarray.DataTree
        As `bayes_glmm.inference.fit.assemble_tree` makes it: draws of the response's parameters, given all responses.
    """
    design, draws = fit.model.design, fit.posterior
    name, part = design.spec.names[r], design.parts[r]
    variables: dict[str, xr.DataArray] = {}
    if part.coefs:
        own = np.flatnonzero(design.acts_on(r))
        variables["beta"] = draws["beta"].isel(coef=own).assign_coords(coef=list(part.coefs))
    for g, term in enumerate(part.groups):
        merged = design.groups[design.merged(r, g)]
        levels, coefs = design.levels_of(r, g), design.coefs_of(r, g)
        old, new = f"{merged.name}_coef", f"{term.name}_coef"
        effects = draws[f"b_{merged.name}"].isel({merged.dim: levels, old: coefs})
        effects = effects.rename({merged.dim: term.dim, old: new} if term.name != merged.name else {})
        labels = {term.dim: list(term.levels), new: list(term.coefs)}
        variables[f"b_{term.name}"] = effects.assign_coords(labels)
        sds = draws[f"sd_{merged.name}"].isel({old: coefs})
        sds = sds.rename({old: new} if old != new else {})
        variables[f"sd_{term.name}"] = sds.assign_coords({new: labels[new]})
        if any(len(block) > 1 for block in term.blocks):
            corr = draws[f"corr_{merged.name}"].isel({old: coefs, f"{old}_2": coefs})
            corr = corr.rename({old: new, f"{old}_2": f"{new}_2"} if old != new else {})
            variables[f"corr_{term.name}"] = corr.assign_coords({new: labels[new], f"{new}_2": labels[new]})
    for row in part.spec.constants:
        variables[row.name] = draws[parameter_name(row.name, name)]
    stats = fit.dt["sample_stats"].to_dataset()
    sampled = Sampled(xr.Dataset(variables), stats, fit.interrupted)
    return assemble_tree(part.spec, part, sampled, fit.attrs)
