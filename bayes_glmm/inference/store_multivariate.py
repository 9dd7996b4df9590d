"""Fits of several responses on disk: the same kind of file, with the rows of all and what is stated of each.

Input: a `MultivariateFit` and a path, or an open file. Output: a file, or the parts of a fit.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_glmm.design.multivariate import MultivariateDesign, build_multivariate_design
from bayes_glmm.inference.multivariate import MultivariateFit, over_rows
from bayes_glmm.inference.store import (
    FORMAT,
    GROUP,
    OpenFile,
    check_columns,
    check_tables,
    packed_frame,
    prior_arrays,
    prior_record,
    rebuilding,
    saved_frame,
    saved_priors,
    write_tree,
)
from bayes_glmm.inference.structures import saved_structures, with_structures
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.multivariate import MultivariateSpec

__all__ = ["save_together", "saved_together"]


def save_together(fit: MultivariateFit, path: str | os.PathLike[str]) -> Path:
    """Write a fit of several responses to one file; raises as `bayes_glmm.inference.store.save_fit` does."""
    spec, design = fit.model.spec, fit.model.design
    for stated in spec.parts:
        check_tables(stated)
    arrays, columns, index = packed_frame(design.frame)
    described = []
    for r, (part, table) in enumerate(zip(design.parts, fit.model.prior_tables, strict=True)):
        own = {f"{r}_{name}": value for name, value in prior_arrays(table).items()}
        arrays = arrays.assign(
            {name: (tuple(f"{r}_{dim}" for dim in dims), array) for name, (dims, array) in own.items()}
        )
        described.append(
            {
                "priors": [prior_record(row) for row in table],
                "centered": table.centered,
                "dropped": part.dropped,
                "reasons": part.reasons,
            }
        )
    structures = {name: structure for one in spec.parts for name, structure in one.covariances}
    arrays, related = with_structures(arrays, tuple(structures.items()))
    manifest = {
        "format": FORMAT,
        "version": version("bayes_glmm"),
        "spec": json.loads(spec.to_json()),
        "covariances": related,
        "columns": columns,
        "index": index,
        "responses": described,
        "design": {"coefs": list(design.coefs), "sums": design.X.sum(axis=0).tolist()},
    }
    arrays["manifest"] = ((), json.dumps(manifest))
    groups = {str(name): child.to_dataset() for name, child in fit.dt.children.items()}
    tree = xr.DataTree.from_dict({**groups, GROUP: arrays})
    tree.attrs = dict(fit.dt.attrs)
    return write_tree(tree, path)


def saved_together(file: OpenFile) -> tuple[MultivariateSpec, MultivariateDesign, tuple[PriorTable, ...]]:
    """Build specification, design and the priors of each response again.

    Raises
    ------
    GLMMError
        If this version would not build them as they were.
    """
    with rebuilding(file):
        spec, design, tables = _model(file)
    file.check_levels(design.groups)
    observed = file.dt["observed_data"].to_dataset()
    for r, name in enumerate(spec.names):
        response = design.parts[r].response
        assert response is not None
        file.check_response(name, over_rows(design, r, response.y), [observed[name]])
    return spec, design, tables


def _model(file: OpenFile) -> tuple[MultivariateSpec, MultivariateDesign, tuple[PriorTable, ...]]:
    manifest = file.manifest
    spec = MultivariateSpec.from_json(json.dumps(manifest["spec"]))
    related = saved_structures(file.model, manifest["covariances"])
    spec = replace(spec, parts=tuple(_with_structures(part, related) for part in spec.parts))
    design = build_multivariate_design(spec, saved_frame(file.model, manifest))
    described = manifest["responses"]
    parts = tuple(
        replace(part, dropped=int(one["dropped"]), reasons=dict(one["reasons"]))
        for part, one in zip(design.parts, described, strict=True)
    )
    design = replace(design, parts=parts)
    check_columns(design.coefs, design.X, manifest)
    tables = tuple(
        saved_priors(resolve_priors(part.spec, part), _of_response(file.model, r), described[r])
        for r, part in enumerate(parts)
    )
    return spec, design, tables


def _with_structures(part: Any, related: Any) -> Any:
    factors = {bar.name for bar in part.formula.all_bars}
    return replace(part, covariances=tuple(pair for pair in related if pair[0] in factors))


def _of_response(model: xr.Dataset, r: int) -> xr.Dataset:
    """Return the arrays of one response's priors under their own names."""
    own = [name for name in map(str, model.data_vars) if name.startswith(f"{r}_priors")]
    return model[own].rename({name: name.removeprefix(f"{r}_") for name in own})
