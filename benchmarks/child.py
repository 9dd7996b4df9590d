"""One fit by a Python package in this process: seconds, draws and sampler statistics, written to a folder.

Input: a job file (JSON). Output: ``result.json`` and ``draws.npz`` in the job's folder. Run as
``python -m benchmarks.child job.json``; nothing but the standard library is imported before the clock starts.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


def peak_mib() -> float:
    """Return the peak resident memory, in MiB, of this process or of the largest of its finished children."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss starts at the parent's size; the kernel's high-water mark does not
        lines = status.read_text(encoding="utf-8").splitlines()
        peak = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), peak)
    return max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def finish_imports() -> None:
    """Have xarray import what it imports with its first array (dask, where installed): an import like the others."""
    import xarray as xr

    xr.Variable("x", [0.0])


def fit_ours(job: dict[str, Any]) -> dict[str, Any]:
    """Fit with this package at its defaults."""
    started = time.perf_counter()
    import bayes_glmm as bg

    bg.GLMM  # noqa: B018 - public names are imported on first use
    if not job["wall"]:
        import nutpie  # noqa: F401 - fit() would import it; an import is an import for every peer

        finish_imports()
    imported = time.perf_counter()
    data = read_data(job)
    begun = time.perf_counter()
    model = bg.GLMM(job["formula"], data, family=job["family"])
    built = time.perf_counter()
    fit = model.fit(chains=job["chains"], cores=job["cores"], random_seed=job["seed"], progressbar=False)
    done = time.perf_counter()
    stats = fit.dt["sample_stats"]
    result = {
        "import_s": imported - started,
        "model_s": built - begun,
        "fit_s": done - built,
        "seconds": done - begun,
        "peak_mib": peak_mib(),
        "gradients_per_draw": float(stats["n_steps"].mean()),
        "divergences": int(stats["diverging"].sum()),
        "attrs": {key: value for key, value in fit.attrs.items() if isinstance(value, (str, int, float))},
    }
    if job["wall"]:
        begun = time.perf_counter()
        model.fit(chains=job["chains"], cores=job["cores"], random_seed=job["seed"] + 1, progressbar=False)
        result["again_s"] = time.perf_counter() - begun
    save_draws(fit.posterior, job)
    return result


def fit_bambi(job: dict[str, Any], method: str) -> dict[str, Any]:
    """Fit with Bambi at its defaults, by PyMC's or nutpie's NUTS."""
    started = time.perf_counter()
    import bambi as bmb

    if method == "nutpie":
        import nutpie  # noqa: F401 - Bambi would import it inside the fit
    finish_imports()
    imported = time.perf_counter()
    data = read_data(job)
    begun = time.perf_counter()
    model = bmb.Model(job["formula"], data, family=job["family"])
    built = time.perf_counter()
    tree = model.fit(
        draws=1000,
        tune=1000,
        chains=job["chains"],
        cores=job["cores"],
        inference_method=method,
        random_seed=job["seed"],
        progressbar=False,
    )
    done = time.perf_counter()
    stats = tree["sample_stats"]
    result = {
        "import_s": imported - started,
        "model_s": built - begun,
        "fit_s": done - built,
        "seconds": done - begun,
        "peak_mib": peak_mib(),
        "gradients_per_draw": float(stats["n_steps"].mean()),
        "divergences": int(stats["diverging"].sum()),
    }
    save_draws(tree["posterior"], job)
    return result


def read_data(job: dict[str, Any]) -> Any:
    """Read the data frame, categories and all; not part of the time."""
    import pandas as pd

    return pd.read_pickle(job["data"])


def save_draws(posterior: Any, job: dict[str, Any]) -> None:
    """Save every free scalar of a posterior as (chain, draw, parameter); of a correlation matrix, each pair once."""
    import numpy as np

    names: list[str] = []
    parts = []
    for name in posterior.data_vars:
        values = posterior[name].transpose("chain", "draw", ...).values
        if str(name).startswith("corr_"):
            rows, columns = np.tril_indices(values.shape[-1], -1)
            values = values[..., rows, columns]
        flat = values.reshape(*values.shape[:2], -1)
        parts.append(flat)
        names += [f"{name}[{i}]" for i in range(flat.shape[2])] if flat.shape[2] > 1 else [str(name)]
    np.savez(Path(job["folder"]) / "draws.npz", draws=np.concatenate(parts, axis=2), names=np.array(names))


def main(path: str) -> None:
    """Run one job."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    peer = job["peer"]
    result = fit_ours(job) if peer == "ours" else fit_bambi(job, peer.removeprefix("bambi-"))
    (Path(job["folder"]) / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
