"""What one gradient of the compiled density costs: nanoseconds a row for bernoulli; Gaussian, whatever the rows.

Input: simulated data with an intercept, two continuous predictors (so that no rows can be added up) and one term.
Output: a table, and ``gradient.json`` in the folder of ``--out``. Run as ``python -m benchmarks.gradient``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from bayes_glmm.engine.pointers import call_density
from benchmarks.measure import ROOT

ROWS = (10**3, 10**4, 10**5, 10**6)
FORMULA = "y ~ x1 + x2 + (1 | group)"
GAUSSIAN_GROUPS = 100
ROUNDS = 3  # through all sizes: a machine that is slow for a few seconds is not slow for one size alone


@njit(error_model="numpy")
def _evaluate(times: int, address: int, user_data: int, x: Any, gradient: Any, value: Any) -> int:
    """Call a density `times` times through its C pointer; return the last status."""
    status = 0
    for _ in range(times):
        status = call_density(np.uint64(address), len(x), x, gradient, value, np.uint64(user_data))  # type: ignore[call-arg, unused-ignore]
    return status


def microseconds(address: int, user_data: int, x: npt.NDArray[np.float64], seconds: float = 0.3) -> float:
    """Return the time of one call: the fastest of seven batches, each of about a seventh of `seconds`."""
    gradient, value = np.empty_like(x), np.empty(1)
    status = _evaluate(1, address, user_data, x, gradient, value)
    if status != 0:
        raise RuntimeError(f"the density returned status {status}")
    started = time.perf_counter()
    _evaluate(3, address, user_data, x, gradient, value)
    times = max(1, int(seconds / 7 / ((time.perf_counter() - started) / 3)))
    batches = []
    for _ in range(7):
        started = time.perf_counter()
        _evaluate(times, address, user_data, x, gradient, value)
        batches.append((time.perf_counter() - started) / times)
    return 1e6 * min(batches)


def _packed(story: str, family: str, rows: int, groups: int) -> Any:
    import bayes_glmm as bg
    from bayes_glmm.datasets import simulate
    from bayes_glmm.engine.pack import pack

    data = simulate(story, rows=rows, groups=groups, random_seed=1)
    model = bg.GLMM(FORMULA, data, family=family)
    packed = pack(model.spec, model.design, model.prior_table)
    if len(packed.rows.y) != rows:
        raise RuntimeError(f"{rows} rows became {len(packed.rows.y)}: a reduction would hide the cost")
    return packed


def bernoulli_row(rows: int) -> dict[str, float]:
    """Time the density alone and behind the coordinates, as the sampler calls it, at a random corner of {-1, 1}^D."""
    from bayes_glmm.engine.data import address_table
    from bayes_glmm.engine.kernel import density as kernel_density
    from bayes_glmm.engine.laplace import laplace_fit
    from bayes_glmm.engine.run import kernel_posterior

    groups = max(20, rows // 100)
    packed = _packed("logistic", "bernoulli", rows, groups)
    fit = laplace_fit(packed)
    posterior = kernel_posterior(packed, fit)
    corner = np.random.default_rng(1).choice(np.array([-1.0, 1.0]), posterior.dimension)
    table = address_table(packed.data)
    density = microseconds(kernel_density.address, table.ctypes.data, np.ascontiguousarray(fit.x))
    mapped = microseconds(posterior.density.address, posterior.user_data.ctypes.data, corner)
    return {
        "rows": rows,
        "groups": groups,
        "density_us": density,
        "density_ns_per_row": 1e3 * density / rows,
        "coordinates_us": mapped,
        "coordinates_ns_per_row": 1e3 * mapped / rows,
    }


def gaussian_row(rows: int) -> dict[str, float]:
    """Time the Gaussian family's marginal density, with the number of groups held fixed."""
    from bayes_glmm.engine.gaussian_fit import gaussian_fit, gaussian_posterior

    packed = _packed("gaussian", "gaussian", rows, GAUSSIAN_GROUPS)
    posterior = gaussian_posterior(packed, gaussian_fit(packed))
    corner = np.random.default_rng(1).choice(np.array([-1.0, 1.0]), posterior.dimension)
    cost = microseconds(posterior.density.address, posterior.user_data.ctypes.data, corner)
    return {"rows": rows, "groups": GAUSSIAN_GROUPS, "gradient_us": cost}


def _fastest(rounds: Sequence[Sequence[dict[str, float]]]) -> list[dict[str, float]]:
    """Take each figure from the round in which it was smallest."""
    return [{name: min(row[name] for row in rows) for name in rows[0]} for rows in zip(*rounds, strict=True)]


def _table(title: str, rows: Sequence[dict[str, float]]) -> str:
    names = list(rows[0])
    lines = [title, "| " + " | ".join(names) + " |", "|" + " --: |" * len(names)]
    lines += ["| " + " | ".join(f"{row[name]:.6g}" for name in names) + " |" for row in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every size on one core and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gradient", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "benchmarks")
    options = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    load = os.getloadavg()[0]
    families: tuple[tuple[str, Callable[[int], dict[str, float]]], ...] = (
        ("bernoulli", bernoulli_row),
        ("gaussian", gaussian_row),
    )
    result: dict[str, Any] = {"load_before": load}
    for family, measure in families:
        result[family] = _fastest([[measure(rows) for rows in options.rows] for _ in range(ROUNDS)])
        print(_table(f"{family}, {FORMULA}, one core, load average {load:.1f}", result[family]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gradient.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
