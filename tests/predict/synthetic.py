"""Fits with draws of our choosing: a real specification, a real design, and a posterior that no sampler made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.design.design import build_design
from bayes_glmm.inference.fit import Fit
from bayes_glmm.spec.model_spec import ModelSpec

CHAINS, DRAWS = 2, 60


def synthetic_fit(
    formula: str,
    data: pd.DataFrame,
    *,
    family: str = "gaussian",
    link: str | None = None,
    beta: dict[str, float],
    sd: dict[str, list[float]] | None = None,
    corr: dict[str, float] | None = None,
    spread: float = 0.1,
    draws: int = DRAWS,
    seed: int = 1,
    dpar_formulas: dict[str, str] | None = None,
    **parameters: float,
) -> Fit:
    """Draws scattered by `spread` around the values given; level effects drawn from N(0, Sigma) once."""
    spec = ModelSpec.build(formula, family=family, link=link, dpar_formulas=dpar_formulas)
    design = build_design(spec, data)
    rng = np.random.default_rng(seed)
    shape = (CHAINS, draws)
    assert set(beta) == set(design.coefs), design.coefs

    def scattered(values: Any) -> np.ndarray:
        values = np.asarray(values, dtype=float)
        return values + spread * rng.standard_normal((*shape, *values.shape))

    variables: dict[str, Any] = {"beta": (("chain", "draw", "coef"), scattered([beta[c] for c in design.coefs]))}
    coords: dict[str, Any] = {"chain": range(CHAINS), "draw": range(draws), "coef": list(design.coefs)}
    for term in design.groups:
        name, k = term.name, len(term.coefs)
        sds = np.asarray((sd or {})[name], dtype=float)
        rho = (corr or {}).get(name, 0.0)
        matrix = np.full((k, k), rho) + (1 - rho) * np.eye(k)
        root = np.diag(sds) @ np.linalg.cholesky(matrix)
        levels = (root @ rng.standard_normal((k, len(term.levels)))).T
        coords |= {f"{name}_coef": list(term.coefs), f"{name}_coef_2": list(term.coefs), name: list(term.levels)}
        variables[f"sd_{name}"] = (("chain", "draw", f"{name}_coef"), sds * np.exp(scattered(np.zeros(k))))
        if any(len(block) > 1 for block in term.blocks):
            dims = ("chain", "draw", f"{name}_coef", f"{name}_coef_2")
            variables[f"corr_{name}"] = (dims, np.broadcast_to(matrix, (*shape, k, k)).copy())
        variables[f"b_{name}"] = (("chain", "draw", name, f"{name}_coef"), scattered(levels))
    for row in spec.constants:
        variables[row.name] = (("chain", "draw"), parameters[row.name] * np.exp(scattered(0.0)))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords=coords)})
    return Fit(SimpleNamespace(spec=spec, design=design, prior_table=None), tree)


def grouped_data(rows: int = 60, groups: int = 6, seed: int = 0) -> pd.DataFrame:
    """A number x, a factor f, two crossed grouping factors g and h, and responses of every kind."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 9, rows)
    return pd.DataFrame(
        {
            "x": rng.normal(1.0, 2.0, rows),
            "f": rng.choice(["a", "b", "c"], rows),
            "g": np.resize([f"g{i}" for i in range(groups)], rows),
            "h": rng.choice([f"h{i}" for i in range(4)], rows),
            "y": rng.normal(size=rows),
            "positive": rng.gamma(2.0, size=rows),
            "count": rng.poisson(3.0, rows),
            "binary": np.resize([0, 1, 1, 0, 1], rows),
            "unit": rng.uniform(0.1, 0.9, rows),
            "size": size,
            "successes": rng.binomial(size, 0.4),
        }
    )
