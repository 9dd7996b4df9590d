"""What an average comparison over many rows costs: seconds, and the memory of the whole process, fit included.

Input: simulated rows, all different, with one slope that varies by group and a second factor, fitted at defaults.
Output: a table, and ``effects.json`` in the folder of ``--out``. Run as ``python -m benchmarks.effects``. Every
comparison is made in a fresh process that reads the saved fit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import ROOT, child_environment, run_process

FORMULA = "y ~ x + z + t + (t | g) + (1 | h)"
MODES = ("typical", "conditional", "marginal", "new")
LINKS = ("logit", "cloglog")
COMPARE = """
import json, resource, sys, time
import bayes_glmm as bg
fit = bg.load(sys.argv[1])
few = fit.model.design.frame.iloc[:50]
bg.avg_comparisons(fit, {"t": (0, 1)}, random_effects=sys.argv[2], random_seed=1, newdata=few)
started = time.perf_counter()
table = bg.avg_comparisons(fit, {"t": (0, 1)}, random_effects=sys.argv[2], random_seed=1)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak, "estimate": float(table["estimate"].iloc[0])}))
"""


def simulated(rows: int) -> pd.DataFrame:
    """Simulate 0/1 responses of 500 groups crossed with 40 others."""
    rng = np.random.default_rng(1)
    x, z, t = rng.normal(size=rows), rng.normal(size=rows), rng.integers(0, 2, rows)
    g, h = rng.integers(0, 500, rows), rng.integers(0, 40, rows)
    intercepts, slopes = 0.9 * rng.normal(size=500), 0.3 * rng.normal(size=500)
    eta = -0.5 + 0.4 * x + 0.3 * z + (slopes[g] - 0.6) * t + intercepts[g] + 0.5 * rng.normal(size=40)[h]
    y = (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"y": y, "x": x, "z": z, "t": t, "g": [f"g{i}" for i in g], "h": [f"h{i}" for i in h]})


def compare(folder: Path, cache: Path, mode: str, timeout: float) -> dict[str, Any]:
    """Time one comparison in a process of its own."""
    command = [sys.executable, "-c", COMPARE, str(folder), mode]
    finished = run_process(command, child_environment(cache), timeout)
    if finished.status != "ok":
        return {"status": finished.status, "errors": finished.errors}
    return {"status": "ok", **json.loads(finished.output.splitlines()[-1])}


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, compare and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effects", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--links", nargs="+", choices=LINKS, default=list(LINKS))
    parser.add_argument("--timeout", type=float, default=900.0)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "benchmarks")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    import bayes_glmm as bg

    data = simulated(options.rows)
    result: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bayes_glmm-effects-") as name:
        for link in options.links:
            fit = bg.GLMM(FORMULA, data, family="bernoulli", link=link).fit(random_seed=1, progressbar=False)
            fit.save(Path(name) / link)
            draws = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
            for mode in MODES:
                row = compare(Path(name) / link, Path(name) / "cache", mode, options.timeout)
                result.append({"link": link, "random_effects": mode, "rows": options.rows, "draws": draws, **row})
                print(result[-1], flush=True)
    (options.out / "effects.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
