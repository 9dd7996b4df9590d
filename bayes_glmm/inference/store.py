"""A fit on disk: one netCDF file with the draws, the user's rows and, as JSON, what the user stated. No pickle.

Input: a `Fit` and a path, or a path. Output: a file that is the old one or the new one whenever the machine stops, or
the parts of a fit. ArviZ and xarray read the file's draws as they read any other. The formula in it is parsed and
checked again, and the design is built again from the rows. A seal at the end of the file says whether it is whole.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.design.design import Design, build_design
from bayes_glmm.design.frame import plain
from bayes_glmm.design.frames import unstacked
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.errors import DataWarning, GLMMError
from bayes_glmm.inference.columns import pack_column, unpack_column
from bayes_glmm.inference.fit import Fit, assemble_tree
from bayes_glmm.inference.hdf5 import read_tree
from bayes_glmm.inference.seal import check_seal, write_sealed
from bayes_glmm.inference.settings import Sampled
from bayes_glmm.inference.structures import saved_structures, with_structures
from bayes_glmm.links import LINKS
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.model.prior_table import GroupPriors, ParameterPrior, PriorTable
from bayes_glmm.printing.files import checked_path, checked_target
from bayes_glmm.priors import Prior
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = ["SavedFit", "read_fit", "save_fit"]

#: 2: the priors of the fit come with what they are about; files of format 1 do not say it, and it has changed since.
FORMAT = 2
#: The group of a file that holds the model; the others are the fit's own.
GROUP = "bayes_glmm"
#: What the names of arrays of rows without a response begin with.
_UNANSWERED = "unanswered_"


@dataclass(frozen=True, eq=False)
class SavedFit:
    """What a file holds.

    Parameters
    ----------
    spec, design, prior_table
        The model; the priors, and what they are about, are those of the fit, also where this version's defaults would
        be others.
    dt
        The fit's tree.
    parts
        Of a fit of several data sets: the design and the tree of each.
    """

    spec: ModelSpec
    design: Design
    prior_table: PriorTable
    dt: xr.DataTree
    parts: tuple[tuple[Design, xr.DataTree], ...] = ()


def save_fit(fit: Fit, path: str | os.PathLike[str]) -> Path:
    """Write a fit to one file.

    Parameters
    ----------
    fit
        The fit.
    path
        The file; one that is there is replaced, in one step and only when the new one is complete.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    GLMMError
        If its folder is missing, the disk is full or does not allow it, or the fit uses a family or link of the user's
        own.
    DataError
        If a column holds Python objects other than numbers, text and dates.
    """
    return write_tree(_file_tree(fit), path)


def write_tree(tree: xr.DataTree, path: str | os.PathLike[str]) -> Path:
    """Write what a file holds, in one step, and return where."""
    target = checked_target(path, "fit.nc")
    # in memory first: HDF5 does not survive a disk that is full
    content = tree.to_netcdf(engine="h5netcdf")
    try:
        write_sealed(content, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise GLMMError(f"The fit could not be saved as {target}: {reason}. Nothing was replaced.") from error
    return target


def read_fit(path: str | os.PathLike[str]) -> SavedFit:
    """Read what `save_fit` wrote.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    SavedFit
        The model and its draws.

    Raises
    ------
    GLMMError
        If the file is missing, damaged, was changed after it was saved, refers to anything outside itself, or is of
        another version.
    """
    return saved_fit(open_file(path))


def saved_fit(file: OpenFile) -> SavedFit:
    """Build the parts of a fit of one response again; raises as `read_fit` does."""
    with rebuilding(file):
        spec, design, priors = _model(file.model, file.manifest)
    file.check_levels(design.groups)
    if "frames" in file.manifest:
        parts = _parts(spec, design, file.dt, file.manifest["frames"], file.source)
        return SavedFit(spec, design, priors, file.dt, parts)
    assert design.response is not None
    file.check_response(design.response.name, design.response.y, file.dt["observed_data"].to_dataset().values())
    return SavedFit(spec, design, priors, file.dt)


@dataclass(frozen=True, eq=False)
class OpenFile:
    """A file that is whole: its description, the arrays of its model, and the fit's own groups.

    Parameters
    ----------
    source
        The file.
    manifest
        What is described as JSON.
    model
        Arrays of the model.
    dt
        The fit's tree.
    """

    source: Path
    manifest: dict[str, Any]
    model: xr.Dataset
    dt: xr.DataTree

    @property
    def has_several(self) -> bool:
        """Whether it is a fit of several responses."""
        return isinstance(self.manifest.get("spec"), dict) and "responses" in self.manifest["spec"]

    def check_levels(self, groups: Iterable[GroupTerm]) -> None:
        """Refuse levels in another order than the draws have them."""
        for term in groups:
            saved = [str(label) for label in self.dt["posterior"][term.dim].to_numpy()]
            if saved != [str(level) for level in term.levels]:
                raise GLMMError(
                    f"{self.source}: this version orders the levels of {term.name!r} in another way than bayes_glmm "
                    f"{self.manifest['version']} did; fit it again."
                )

    def check_response(self, name: str, y: npt.NDArray[np.float64], observed: Iterable[Any]) -> None:
        """Refuse responses (rows,) that are none of those observed; NaN where a row has none."""
        if not any(
            one.shape == y.shape and np.allclose(one, y, rtol=1e-6, atol=0.0, equal_nan=True) for one in observed
        ):
            raise GLMMError(
                f"{self.source}: this version reads the response {name!r} in another way than bayes_glmm "
                f"{self.manifest['version']} did, such as which of two levels is the event; fit it again."
            )


def open_file(path: str | os.PathLike[str]) -> OpenFile:
    """Open a file that `write_tree` wrote; raises as `read_fit` does."""
    source = Path(checked_path(path, "fit.nc"))
    check_seal(source)
    tree = read_tree(source)
    manifest = _manifest(tree, source)
    kept = {str(name): _with_text(child.to_dataset()) for name, child in tree.children.items() if name != GROUP}
    dt = xr.DataTree.from_dict(kept)
    dt.attrs = {str(key): plain(value) for key, value in tree.attrs.items()}
    return OpenFile(source, manifest, tree[GROUP].to_dataset(), dt)


@contextmanager
def rebuilding(file: OpenFile) -> Iterator[None]:
    """Say of what goes wrong within that the file's model cannot be built again; nothing is warned of twice."""
    try:
        with warnings.catch_warnings():
            # said when the model was made
            warnings.simplefilter("ignore", DataWarning)
            yield
    except (GLMMError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise GLMMError(f"{file.source}: its model cannot be built again: {error}") from error


def _parts(
    spec: ModelSpec, design: Design, dt: xr.DataTree, records: list[Any], source: Path
) -> tuple[tuple[Design, xr.DataTree], ...]:
    """Take a fit of several data sets apart: the design of each, and a tree of its own draws."""
    rows, chains = [int(record["rows"]) for record in records], dt["posterior"].sizes["chain"]
    if sum(rows) != design.size or chains % len(rows):
        raise GLMMError(f"{source}: its data sets are not those of its draws.")
    designs = unstacked(design, rows, [(int(record["dropped"]), record["reasons"]) for record in records])
    parts = []
    for number, (own, record) in enumerate(zip(designs, records, strict=True)):
        place = slice(number * chains // len(rows), (number + 1) * chains // len(rows))
        posterior, stats = (
            dt[name].to_dataset().isel(chain=place, missing_dims="ignore") for name in ("posterior", "sample_stats")
        )
        parts.append((own, assemble_tree(spec, own, Sampled(posterior, stats), record["attrs"])))
    return tuple(parts)


# ------------------------------------------------------------------ what a file holds


def _file_tree(fit: Fit) -> xr.DataTree:
    spec, design = fit.model.spec, fit.model.design
    check_tables(spec)
    groups = {str(name): child.to_dataset() for name, child in fit.dt.children.items()}
    arrays, columns, index = packed_frame(design.frame)
    table = fit.model.prior_table
    arrays = arrays.assign(prior_arrays(table))
    unanswered = None
    if design.unanswered is not None:
        known = design.unanswered.dropna(axis=1)
        others, *unanswered = packed_frame(known)
        arrays = arrays.merge(others.rename({str(name): f"{_UNANSWERED}{name}" for name in (*others, *others.dims)}))
    arrays, related = with_structures(arrays, spec.covariances)
    manifest = {
        "format": FORMAT,
        "version": version("bayes_glmm"),
        "spec": json.loads(spec.to_json()),
        "covariances": related,
        "priors": [prior_record(row) for row in table],
        "centered": table.centered,
        "columns": columns,
        "index": index,
        "dropped": design.dropped,
        "reasons": design.reasons,
        "design": {"coefs": list(design.coefs), "sums": design.X.sum(axis=0).tolist()},
    }
    if unanswered is not None:
        manifest["unanswered"] = dict(zip(("columns", "index"), unanswered, strict=True))
    if len(fit.parts) > 1:
        manifest["frames"] = [_frame_record(part) for part in fit.parts]
    arrays["manifest"] = ((), json.dumps(manifest))
    tree = xr.DataTree.from_dict({**groups, GROUP: arrays})
    tree.attrs = dict(fit.dt.attrs)
    return tree


def check_tables(spec: ModelSpec) -> None:
    """Refuse families and links that no table has, which a file cannot hold."""
    if not spec.family.is_in_table or LINKS.get(spec.link.name) is not spec.link:
        raise GLMMError(
            f"The fit uses a family or link of your own ({spec.family.name}, {spec.link.name}), which a file cannot "
            "hold; keep the draws by fit.dt.to_netcdf(path)."
        )


def _frame_record(part: Fit) -> dict[str, Any]:
    """Say what is recorded of the fit of one of several data sets."""
    design, attrs = part.model.design, {str(key): plain(value) for key, value in part.dt.attrs.items()}
    return {"rows": design.size, "dropped": design.dropped, "reasons": design.reasons, "attrs": attrs}


def packed_frame(frame: pd.DataFrame) -> tuple[xr.Dataset, list[Any], dict[str, Any]]:
    """Return the rows and their labels as arrays, with what reads them back."""
    parts: dict[str, npt.NDArray[Any]] = {}
    columns, labels = [], []
    for number, name in enumerate(frame.columns):
        arrays, description = pack_column(frame[name], f"the column {str(name)!r}")
        parts |= {f"column{number}_{role}": array for role, array in arrays.items()}
        columns.append([str(name), description])
    levels = [frame.index.get_level_values(i) for i in range(frame.index.nlevels)]
    for number, level in enumerate(levels):
        arrays, description = pack_column(level, "the index of the data (use data.reset_index())")
        parts |= {f"index{number}_{role}": array for role, array in arrays.items()}
        labels.append([None if level.name is None else str(level.name), description])
    variables = {name: (f"{name}_item", array) for name, array in parts.items()}
    return xr.Dataset(variables), columns, {"levels": labels}


def saved_frame(group: xr.Dataset, manifest: Mapping[str, Any], before: str = "") -> pd.DataFrame:
    """Return the rows that `packed_frame` wrote; names of arrays may have something before them."""

    def column(prefix: str, description: Mapping[str, Any]) -> Any:
        arrays = {
            str(name).removeprefix(before + prefix): array.to_numpy()
            for name, array in group.data_vars.items()
            if str(name).startswith(before + prefix)
        }
        return unpack_column(arrays, description)

    levels = manifest["index"]["levels"]
    values = [column(f"index{number}_", description) for number, (_, description) in enumerate(levels)]
    names = [name for name, _ in levels]
    index = pd.Index(values[0], name=names[0]) if len(values) == 1 else pd.MultiIndex.from_arrays(values, names=names)
    data = {
        name: pd.Series(column(f"column{number}_", description), index=index)
        for number, (name, description) in enumerate(manifest["columns"])
    }
    return pd.DataFrame(data, index=index)


def _model(group: xr.Dataset, manifest: Mapping[str, Any]) -> tuple[ModelSpec, Design, PriorTable]:
    """Build specification, design and priors as they were."""
    spec = ModelSpec.from_json(json.dumps(manifest["spec"]))
    spec = replace(spec, covariances=saved_structures(group, manifest.get("covariances", [])))
    # rows without a response stand by themselves
    design = build_design(replace(spec, missing="drop"), saved_frame(group, manifest))
    if "unanswered" in manifest:
        rows = saved_frame(group, manifest["unanswered"], _UNANSWERED).reindex(columns=design.frame.columns)
        design = replace(design, unanswered=rows)
    spec = replace(design.spec, missing=spec.missing)  # with the categories of the response
    design = replace(design, spec=spec, dropped=int(manifest["dropped"]), reasons=dict(manifest["reasons"]))
    check_columns(design.coefs, design.X, manifest)
    return spec, design, saved_priors(resolve_priors(spec, design), group, manifest)


def check_columns(coefs: Sequence[str], X: npt.NDArray[np.float64], manifest: Mapping[str, Any]) -> None:
    """Refuse columns X (rows, coefficients) that are not those of the saved fit."""
    saved = manifest["design"]
    if list(coefs) != saved["coefs"] or not np.allclose(X.sum(axis=0), saved["sums"], rtol=1e-6):
        raise GLMMError(
            f"this version builds other columns from its formula than bayes_glmm {manifest['version']} did; fit it "
            "again."
        )


def _with_text(dataset: xr.Dataset) -> xr.Dataset:
    """Write labels that netCDF gave back as Python objects as text."""
    objects = {name: array.astype(str) for name, array in dataset.variables.items() if array.dtype == object}
    return dataset.assign_coords({name: array for name, array in objects.items() if name in dataset.coords}).assign(
        {name: array for name, array in objects.items() if name in dataset.data_vars}
    )


# ------------------------------------------------------------------ priors


def prior_record(row: ParameterPrior) -> list[Any]:
    """Write a prior as JSON holds it."""
    return [row.parameter, row.prior.to_dict(), row.power, row.source, row.about]


def prior_arrays(table: PriorTable) -> dict[str, tuple[tuple[str, ...], npt.NDArray[np.float64]]]:
    """Return what the priors are about as arrays: of a grouping factor only where it is not the effects as reported."""
    arrays = {f"priors_{name}": getattr(table, name) for name in ("basis", "location", "means")}
    bases = {f"priors_basis{number}": group.basis for number, (_, group) in enumerate(table.groups)}
    arrays |= {name: basis for name, basis in bases.items() if basis is not None}
    return {name: (tuple(f"{name}_{i}" for i in range(array.ndim)), array) for name, array in arrays.items()}


def saved_priors(table: PriorTable, group: xr.Dataset, manifest: Mapping[str, Any]) -> PriorTable:
    """Put the priors of the fit in the place of those this version would choose."""
    records = manifest["priors"]
    rows = iter(records)

    def restored(row: ParameterPrior) -> ParameterPrior:
        _, prior, power, said, about = next(rows)
        return replace(row, prior=Prior.from_dict(prior), power=power, source=said, about=about)

    def array(name: str, *shape: int) -> npt.NDArray[np.float64]:
        values = np.asarray(group[name].to_numpy(), dtype=float)
        if values.shape != shape or not np.isfinite(values).all():
            raise GLMMError("its priors are not those of its model.")
        return values

    if [row.parameter for row in table] != [record[0] for record in records]:
        raise GLMMError("its priors are not those of its model.")
    p = len(table.beta)
    beta = tuple(restored(row) for row in table.beta)
    groups = []
    for number, (name, priors) in enumerate(table.groups):
        sd, key, k = tuple(map(restored, priors.sd)), f"priors_basis{number}", len(priors.sd)
        corr = priors.corr and restored(priors.corr)
        own = priors.dependence and restored(priors.dependence)
        groups.append((name, GroupPriors(sd, corr, own, array(key, k, k) if key in group else None)))
    return PriorTable(
        beta,
        tuple(groups),
        tuple(restored(row) for row in table.auxiliary),
        centered=bool(manifest["centered"]),
        basis=array("priors_basis", p, p),
        location=array("priors_location", p),
        means=array("priors_means", p),
        monotonic=tuple(restored(row) for row in table.monotonic),
    )


# ------------------------------------------------------------------ checks


def _manifest(tree: xr.DataTree, source: Path) -> dict[str, Any]:
    if GROUP not in tree.children or "manifest" not in tree[GROUP].data_vars:
        raise GLMMError(f"{source} is netCDF, but no fit that this package saved; xarray.open_datatree reads it.")
    try:
        manifest = json.loads(str(tree[GROUP]["manifest"].item()))
    except ValueError as error:
        raise GLMMError(f"{source}: the description of its model is damaged: {error}.") from None
    if not isinstance(manifest, dict) or not {"format", "version"} <= set(manifest):
        raise GLMMError(f"{source}: the description of its model is damaged.")
    if manifest["format"] != FORMAT:
        raise GLMMError(
            f"{source} was saved by bayes_glmm {manifest['version']} in format {manifest['format']}; this version "
            f"({version('bayes_glmm')}) reads format {FORMAT}. Fit the model again, or read the draws alone by "
            "xarray.open_datatree."
        )
    return manifest
