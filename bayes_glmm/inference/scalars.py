"""The population-level parameters of a posterior or a prior, one scalar at a time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayes_glmm.design.design import Design
from bayes_glmm.spec.multivariate import RESIDUAL


def population_scalars(draws: xr.Dataset, design: Design) -> xr.Dataset:
    """Take apart coefficients, sds, correlations and the family's parameters; levels' effects are left out.

    Parameters
    ----------
    draws
        A posterior or prior of a model: dims chain, draw and each variable's own.
    design
        The model's design.

    Returns
    -------
    xarray.Dataset
        A variable for each parameter, named as in ``"sd_herd[Intercept]"`` or ``"sigma"``; dims chain, draw. A
        correlation stands once, one that the formula sets to zero not at all.
    """
    terms = {f"corr_{term.name}": term for term in design.groups}
    effects = {f"b_{term.name}" for term in design.groups}
    scalars: dict[str, xr.DataArray] = {}
    for name, variable in draws.data_vars.items():
        if name in effects:
            continue
        own = [dim for dim in variable.dims if dim not in ("chain", "draw")]
        ordered = variable.transpose("chain", "draw", *own)
        for index in np.ndindex(ordered.shape[2:]):
            if name == RESIDUAL and len(index) == 2 and index[0] <= index[1]:
                continue
            if name in terms and not _is_free(index, terms[str(name)].blocks):
                continue
            at = dict(zip(own, index, strict=True))
            labels = [str(ordered[dim].values[i]) if dim in ordered.coords else str(i) for dim, i in at.items()]
            label = f"{name}[{', '.join(labels)}]" if labels else str(name)
            scalars[label] = ordered.isel(at).reset_coords(drop=True)
    return xr.Dataset(scalars)


def _is_free(index: tuple[int, ...], blocks: tuple[tuple[int, ...], ...]) -> bool:
    """Whether this entry of a correlation matrix is a parameter, counted once."""
    row, column = index
    return row > column and any(row in block and column in block for block in blocks)
