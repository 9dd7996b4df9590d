"""Effective sample sizes and R-hat of saved draws: ArviZ's, the same code for every peer.

Input: the folder a child wrote. Output: the worst values over all scalar parameters.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TAIL_PROBABILITIES = (0.05, 0.95)
_SIGMA = re.compile(r"^Sigma\[(?P<group>[^:]+(?::[^:]+)*?):(?P<row>[^,]+),(?P<column>[^,\]]+)\]$")


def read_draws(folder: Path, result: dict[str, Any]) -> tuple[Array, list[str]]:
    """Read a child's draws.

    Parameters
    ----------
    folder
        The child's folder.
    result
        What the child reported: R gives the shape there.

    Returns
    -------
    draws : numpy.ndarray
        (chain, draw, parameter).
    names : list of str
        One per parameter.
    """
    if (folder / "draws.npz").exists():
        with np.load(folder / "draws.npz") as saved:
            return saved["draws"], [str(name) for name in saved["names"]]
    names = (folder / "names.txt").read_text(encoding="utf-8").splitlines()
    shape = (int(result["iterations"]), int(result["chains"]), len(names))
    draws = np.fromfile(folder / "draws.bin").reshape(shape, order="F").transpose(1, 0, 2)
    return _with_correlations(draws, names), names


def _with_correlations(draws: Array, names: list[str]) -> Array:
    """Turn rstanarm's variances and covariances of a term into sds and correlations, as the others report them."""
    out = draws.copy()
    index = {name: i for i, name in enumerate(names)}
    for name, i in index.items():
        found = _SIGMA.match(name)
        if found is None:
            continue
        group, row, column = found["group"], found["row"], found["column"]
        first, second = (np.sqrt(draws[..., index[f"Sigma[{group}:{c},{c}]"]]) for c in (row, column))
        out[..., i] = first if row == column else draws[..., i] / (first * second)
    return out


def score_draws(draws: Array, names: list[str], seconds: float) -> dict[str, Any]:
    """Judge draws by their worst parameter.

    Parameters
    ----------
    draws
        (chain, draw, parameter).
    names
        One per parameter.
    seconds
        What the fit took, end to end.

    Returns
    -------
    dict
        Smallest bulk and tail effective sample size, the smaller of the two and its rate a second, largest R-hat.
        NaN counts as worst: a constant or broken parameter must not look good.
    """
    import arviz as az
    import xarray as xr

    data = xr.Dataset({"x": (("chain", "draw", "parameter"), draws)})
    bulk = az.ess(data, method="bulk")["x"].values
    tail = az.ess(data, method="tail", prob=TAIL_PROBABILITIES)["x"].values
    r_hat = az.rhat(data)["x"].values
    smaller = np.minimum(bulk, tail)
    worst = int(np.argmin(smaller))
    return {
        "parameters": len(names),
        "draws": int(draws.shape[0] * draws.shape[1]),
        "ess_bulk": float(bulk.min()),
        "ess_tail": float(tail.min()),
        "ess": float(smaller[worst]),
        "worst_parameter": names[worst],
        "ess_per_s": float(smaller[worst] / seconds),
        "r_hat": float(r_hat.max()),
    }
