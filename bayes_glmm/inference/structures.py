"""Known covariances of grouping factors in a fit's file: plain arrays beside the user's rows.

Input: structures, or the group of a file. Output: arrays with what reads them back, or structures, checked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.errors import GLMMError
from bayes_glmm.inference.columns import pack_column, unpack_column
from bayes_glmm.structures.adjacency import Adjacency
from bayes_glmm.structures.structure import SYMBOLS, Structure

__all__ = ["saved_structures", "with_structures"]

_ENDS = ("one", "other")
_INTEGERS, _NUMBERS = ("start", "before"), ("weights", "innovations", "variances")


def with_structures(
    arrays: xr.Dataset, covariances: Sequence[tuple[str, Structure | Adjacency]]
) -> tuple[xr.Dataset, list[dict[str, Any]]]:
    """Add structures to the arrays of a file.

    Parameters
    ----------
    arrays
        What the file holds so far.
    covariances
        Pairs of a grouping factor and its structure, or its neighbours.

    Returns
    -------
    arrays : xarray.Dataset
        With the new ones.
    descriptions : list of dict
        What reads them back, for the manifest.
    """
    descriptions = []
    for number, (factor, structure) in enumerate(covariances):
        prefix = f"covariance{number}_"
        packed, labels = pack_column(pd.Series(list(structure.labels)), f"levels of {factor!r}")
        parts = {f"label_{role}": array for role, array in packed.items()}
        if isinstance(structure, Adjacency):
            parts |= dict(zip(_ENDS, structure.edges, strict=True))
        else:
            parts |= {name: getattr(structure, name) for name in (*_INTEGERS, *_NUMBERS)}
        arrays = arrays.assign({f"{prefix}{name}": (f"{prefix}{name}_item", array) for name, array in parts.items()})
        descriptions.append({"factor": factor, "kind": structure.kind, "labels": labels})
    return arrays, descriptions


def saved_structures(
    group: xr.Dataset, descriptions: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, Structure | Adjacency], ...]:
    """Read what `with_structures` wrote.

    Parameters
    ----------
    group
        The file's arrays.
    descriptions
        From its manifest.

    Returns
    -------
    tuple
        Pairs of a grouping factor and its structure.

    Raises
    ------
    GLMMError
        If the arrays do not fit each other.
    """
    return tuple(
        (
            str(told["factor"]),
            (_neighbours if told["kind"] == Adjacency.kind else _structure)(group, f"covariance{number}_", told),
        )
        for number, told in enumerate(descriptions)
    )


def _labels(group: xr.Dataset, prefix: str, told: Mapping[str, Any]) -> list[Any]:
    roles = {str(name).removeprefix(f"{prefix}label_") for name in group if str(name).startswith(f"{prefix}label_")}
    labels = unpack_column({role: group[f"{prefix}label_{role}"].to_numpy() for role in roles}, told["labels"])
    return pd.Series(labels).tolist()


def _neighbours(group: xr.Dataset, prefix: str, told: Mapping[str, Any]) -> Adjacency:
    labels = _labels(group, prefix, told)
    edges = np.stack([np.asarray(group[prefix + name].to_numpy(), dtype=np.int64) for name in _ENDS])
    if edges.size and not (0 <= edges.min() and edges.max() < len(labels)):
        raise GLMMError(f"the neighbours of {told['factor']!r} are damaged.")
    return Adjacency.of_edges(labels, edges)


def _structure(group: xr.Dataset, prefix: str, told: Mapping[str, Any]) -> Structure:
    start, before = (np.asarray(group[prefix + name].to_numpy(), dtype=np.int64) for name in _INTEGERS)
    weights, innovations, variances = (np.asarray(group[prefix + name].to_numpy(), dtype=float) for name in _NUMBERS)
    labels = tuple(_labels(group, prefix, told))
    structure = Structure(str(told["kind"]), labels, start, before, weights, innovations, variances)
    if not _is_whole(structure):
        raise GLMMError(f"the covariance of {told['factor']!r} is damaged.")
    return structure


def _is_whole(structure: Structure) -> bool:
    """Whether every level is regressed on levels before it, with finite numbers."""
    n, start, before = structure.size, structure.start, structure.before
    sizes: list[npt.NDArray[Any]] = [structure.innovations, structure.variances]
    if structure.kind not in SYMBOLS or len(start) != n + 1 or any(len(values) != n for values in sizes):
        return False
    if start[0] != 0 or (np.diff(start) < 0).any() or start[-1] != len(before) or len(before) != len(structure.weights):
        return False
    rows = np.repeat(np.arange(n), np.diff(start))
    ordered = bool((before >= 0).all() and (before < rows).all())
    numbers = np.concatenate([structure.weights, *sizes])
    return ordered and bool(np.isfinite(numbers).all() and all((values > 0.0).all() for values in sizes))
