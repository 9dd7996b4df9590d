"""Small models for the engine's tests, PyMC's density at the engine's positions, and numerical derivatives."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayes_glmm.design.design import Design, build_design
from bayes_glmm.engine import kernel
from bayes_glmm.engine.data import address_table
from bayes_glmm.engine.graph import GraphPositions, graph_positions
from bayes_glmm.engine.pack import Packed, pack, why_not_covered
from bayes_glmm.inference.effective_size import effective_size
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.model_spec import ModelSpec

#: The response column of `frame` for each family.
RESPONSE = {
    "gaussian": "r",
    "student": "r",
    "bernoulli": "b",
    "binomial": "p(s, n)",
    "poisson": "c",
    "negativebinomial": "c",
    "gamma": "pos",
    "lognormal": "pos",
    "beta": "u",
    "cumulative": "o",
}

_DENSITY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)

#: Links whose inverse reaches outside the mean's domain: positions stay near the start.
BOUNDED = {"identity", "inverse"}


def frame(rows: int = 60, seed: int = 3) -> pd.DataFrame:
    """Return predictors x, w, z, factors g (7 levels) and h (5), and a response for every family."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=rows),
            "w": rng.normal(size=rows),
            "z": rng.normal(size=rows),
            "g": [f"g{i}" for i in rng.integers(0, 7, rows)],
            "h": [f"h{i}" for i in rng.integers(0, 5, rows)],
            "n": rng.integers(1, 9, rows),
            "b": rng.integers(0, 2, rows),
            "c": rng.poisson(3, rows),
            "r": rng.normal(3, 1, rows),
            "pos": rng.gamma(2, 1, rows) + 0.1,
            "u": rng.uniform(0.05, 0.95, rows),
            "wt": rng.uniform(0.5, 2, rows),
        }
    )
    data["o"] = np.digitize(data["r"], [2.0, 3.0, 3.5])
    data["s"] = rng.binomial(data["n"], 0.4)
    return data


@dataclass(frozen=True, eq=False)
class Case:
    """A model with everything the engine makes of it."""

    spec: ModelSpec
    design: Design
    priors: PriorTable
    packed: Packed

    @property
    def n_u(self) -> int:
        return int(self.packed.data.sizes[2])

    @property
    def n_beta(self) -> int:
        return int(self.packed.data.sizes[3])

    @property
    def n_v(self) -> int:
        return self.n_u + self.n_beta

    def density(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the kernel's log density and gradient."""
        function = _DENSITY(kernel.density.address)
        x, gradient, value = np.ascontiguousarray(x, dtype=float), np.full_like(x, np.nan), np.full(1, np.nan)
        table = address_table(self.packed.data)
        function(len(x), x.ctypes.data, gradient.ctypes.data, value.ctypes.data, table.ctypes.data)
        return float(value[0]), gradient


def case(formula: str, data: Any = None, *, family: str = "gaussian", **options: Any) -> Case:
    """Build a model that the kernel covers."""
    spec = ModelSpec.build(formula, family=family, **options)
    design = build_design(spec, frame() if data is None else data)
    spec = design.spec  # with the categories that the data have
    priors = resolve_priors(spec, design)
    assert why_not_covered(spec, design, priors) is None
    return Case(spec, design, priors, pack(spec, design, priors))


def with_data(packed: Packed, data: Any) -> Packed:
    """Return a packed model with other arrays."""
    return dataclasses.replace(packed, data=data)


def points_of(model: Any) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return what cuts flat values, in the order of a PyMC model's value variables, into a point of it."""
    start = model.initial_point()
    shapes = {value.name: np.shape(start[value.name]) for value in model.value_vars}
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes.values()])

    def point_at(values: np.ndarray) -> dict[str, np.ndarray]:
        parts = np.split(values, ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    return point_at


def graph(model: Case) -> tuple[GraphPositions, Callable[[np.ndarray], tuple[float, np.ndarray]]]:
    """Return PyMC's positions and its log density with gradient at the engine's position; -inf where PyMC refuses."""
    from bayes_glmm.model.build import build_model

    return graph_of(model, build_model(model.spec, model.design, model.priors, parametrization="centered"))


def graph_of(model: Case, centred: Any) -> tuple[GraphPositions, Callable[[np.ndarray], tuple[float, np.ndarray]]]:
    """Return what `graph` does, of a centred PyMC model that was built from a case's parts."""
    from pymc.logprob.utils import ParameterValueError
    from pytensor.compile.mode import Mode

    positions = graph_positions(centred, model.packed, model.design, model.priors)
    point_at = points_of(centred)
    mode = Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace")
    both = centred.compile_fn([centred.logp(), centred.dlogp()], mode=mode)

    def density(x: np.ndarray) -> tuple[float, np.ndarray]:
        values = positions.values(x)
        gradient = np.zeros_like(x)
        try:
            with np.errstate(all="ignore"):
                value, slope = both(point_at(values))
        except ParameterValueError:
            return -np.inf, gradient
        # values = factor x, or sinh(x) for elements of a correlation: the density of x has the map's Jacobian
        moved, bent = x[positions.index], positions.hyperbolic == 1
        assert np.allclose(values, np.where(bent, np.sinh(moved), positions.factor * moved), rtol=1e-14, atol=0)
        rise = np.where(bent, np.cosh(moved), positions.factor)
        np.add.at(gradient, positions.index, slope * rise + np.where(bent, np.tanh(moved), 0.0))
        return float(value) + float(np.sum(np.log(np.cosh(moved[bent])))), gradient

    return positions, density


def richardson(f: Callable[[float], float], x: float, step: float = 1e-2, rounds: int = 6) -> float:
    """Return f'(x) by central differences, extrapolated (Ridders); the estimate whose error is smallest."""
    table = np.zeros((rounds, rounds))
    best, error = np.nan, np.inf
    for i in range(rounds):
        table[0, i] = (f(x + step) - f(x - step)) / (2 * step)
        step /= 1.7
        factor = 1.7**2
        for j in range(1, i + 1):
            table[j, i] = (table[j - 1, i] * factor - table[j - 1, i - 1]) / (factor - 1)
            factor *= 1.7**2
            change = max(abs(table[j, i] - table[j - 1, i]), abs(table[j, i] - table[j - 1, i - 1]))
            if change < error:
                best, error = table[j, i], change
    return float(best)


def along(f: Callable[[np.ndarray], float], x: np.ndarray, i: int) -> Callable[[float], float]:
    """Return f as a function of element i."""

    def one(value: float) -> float:
        moved = x.copy()
        moved[i] = value
        return f(moved)

    return one


def compiled(posterior: Any) -> Callable[[np.ndarray], tuple[int, float, np.ndarray]]:
    """Call a `CompiledPosterior`'s density as nutpie does: code, log density, gradient."""
    function = _DENSITY(posterior.density.address)

    def density(z: np.ndarray) -> tuple[int, float, np.ndarray]:
        z = np.ascontiguousarray(z, dtype=float)
        gradient, value = np.full_like(z, np.nan), np.full(1, np.nan)
        code = function(len(z), z.ctypes.data, gradient.ctypes.data, value.ctypes.data, posterior.user_data.ctypes.data)
        return int(code), float(value[0]), gradient

    return density


def expanded(posterior: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Call a `CompiledPosterior`'s map z -> x as nutpie does."""
    signature = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, *[ctypes.c_void_p] * 3)
    function = signature(posterior.expand.address)

    def expand(z: np.ndarray) -> np.ndarray:
        z = np.ascontiguousarray(z, dtype=float)
        x = np.full_like(z, np.nan)
        assert function(len(z), len(z), z.ctypes.data, x.ctypes.data, posterior.user_data.ctypes.data) == 0
        return x

    return expand


def moments(dataset):
    """Return each scalar's mean, its standard error, the sd, and its standard error."""
    out = {}
    for name, array in dataset.data_vars.items():
        values = array.values.reshape(*array.shape[:2], -1)
        moving = values.std(axis=(0, 1)) > 1e-10 * (1 + np.abs(values.mean(axis=(0, 1))))
        x = np.moveaxis(values[..., moving], -1, 0)
        mean, sd = x.mean(axis=(1, 2)), x.std(axis=(1, 2))
        square = (x - mean[:, None, None]) ** 2
        mean_error = sd / np.sqrt(effective_size(x).ess_bulk)
        sd_error = square.std(axis=(1, 2)) / np.sqrt(effective_size(square).ess_bulk) / (2 * sd)
        table = np.column_stack([mean, mean_error, sd, sd_error])
        out |= {f"{name}[{i}]": tuple(row) for i, row in zip(np.flatnonzero(moving), table, strict=True)}
    return out


def check_agreement(ours, theirs):
    """Check that two samples' means and sds agree within 4 standard errors, for 30 scalars or fewer.

    The largest of thousands lies beyond 4 by chance: it may lie as far out as is as rare as 4 is among 30.
    """
    a, b = moments(ours), moments(theirs)
    assert a.keys() == b.keys()
    z = {}
    for key, (mean, mean_error, sd, sd_error) in a.items():
        other_mean, other_mean_error, other_sd, other_sd_error = b[key]
        z[f"mean of {key}"] = abs(mean - other_mean) / np.hypot(mean_error, other_mean_error)
        z[f"sd of {key}"] = abs(sd - other_sd) / np.hypot(sd_error, other_sd_error)
    worst, beyond = max(z, key=z.get), sum(value > 4 for value in z.values())
    allowed = stats.norm.isf(stats.norm.sf(4.0) * min(1.0, 30 / len(a)))
    print(f"{len(a)} scalars, {beyond} beyond 4 standard errors, largest {z[worst]:.2f} of {allowed:.2f} ({worst})")
    assert z[worst] < allowed
