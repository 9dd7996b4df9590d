"""Draws from the prior and the prior predictive distribution."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayes_glmm.arguments import as_whole, checked_seed
from bayes_glmm.errors import SamplingError, warn
from bayes_glmm.model.prior_table import PriorTable

if TYPE_CHECKING:
    import pymc as pm


def sample_prior(
    model: pm.Model,
    names: list[str],
    priors: PriorTable,
    draws: int,
    random_seed: int | None,
    predictive: bool = True,
) -> xr.DataTree:
    """Draw from the prior of a PyMC model.

    Parameters
    ----------
    model
        The model.
    names
        Parameters to report.
    priors
        The model's priors, to refuse those one cannot draw from.
    draws
        Number of draws.
    random_seed
        Seed.
    predictive
        Whether to draw responses, too.

    Returns
    -------
    xarray.DataTree
        Groups prior and, if asked for, prior_predictive; dims chain (1), draw, and each variable's own.

    Raises
    ------
    SamplingError
        If a prior is flat, or `draws` is not a whole number of 1 or more.

    Warns
    -----
    DataWarning
        If counts are beyond the largest whole number there is.
    """
    import pymc as pm

    draws, random_seed = (
        as_whole("draws", draws, error=SamplingError),
        None if random_seed is None else checked_seed(random_seed),
    )
    flat = [row.parameter for row in priors if row.prior.name in {"Flat", "HalfFlat"}]
    if flat:
        raise SamplingError(
            f"The flat prior of {', '.join(flat)} has no draws; give it a proper prior to sample the prior."
        )
    observed = [variable.name for variable in model.observed_RVs] if predictive else []
    groups = ("prior", "prior_predictive") if predictive else ("prior",)
    with model, _quiet():
        tree = pm.sample_prior_predictive(draws=draws, var_names=[*names, *observed], random_seed=random_seed)
    # without the time of day, which would make the same draws differ, and in the posterior's order
    drawn = {group: tree[group].to_dataset().drop_attrs() for group in groups}
    if predictive:
        for name in drawn["prior_predictive"].data_vars:
            drawn["prior_predictive"] = _without_overflow(drawn["prior_predictive"], str(name))
    return xr.DataTree.from_dict({**drawn, "prior": drawn["prior"][names]})


def _without_overflow(responses: xr.Dataset, name: str) -> xr.Dataset:
    """Put the largest whole number there is where a count went beyond it, which PyMC turns into a negative one."""
    drawn = responses[name]
    if drawn.dtype.kind != "i" or not (drawn < 0).any():
        return responses
    largest = np.iinfo(drawn.dtype).max
    warn(
        f"{int((drawn < 0).sum())} of {drawn.size} responses drawn from the prior are greater than {largest:.2g}, the "
        "largest whole number there is, and stand as that number. Narrower priors make believable data."
    )
    return responses.assign({name: drawn.where(drawn >= 0, largest)})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyMC from listing what it draws, and from warning of the weights' potential and of draws by numpy."""
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The effect of Potentials", category=UserWarning)
            warnings.filterwarnings("ignore", message="Numba will use object mode", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)
