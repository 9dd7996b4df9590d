"""An interrupted run keeps its draws and says that it was interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

# Half a million draws would take minutes; the parent interrupts once sampling has begun.
PROGRAM = """
import sys, threading, time, warnings
import numpy as np, pandas as pd
import bayes_glmm as bg
warnings.simplefilter("ignore")
rng = np.random.default_rng(1)
data = pd.DataFrame({"g": np.repeat(np.arange(30), 10), "x": rng.normal(size=300)})
data["y"] = rng.poisson(np.exp(0.3 * data["x"] + rng.normal(size=30)[data["g"]]))
model = bg.GLMM("y ~ x + (x | g)", data, family="poisson")
model.fit(draws=20, random_seed=1, progressbar=False)  # compiled, and known to work
print("sampling", flush=True)
fit = model.fit(draws=500_000, tune=TUNE, random_seed=1, cores=2, progressbar=False)
draws = fit.posterior.sizes["draw"]
assert fit.interrupted and fit.attrs["interrupted_after"] == draws and 0 < draws < 500_000, draws
assert fit.posterior.sizes["chain"] == 4 and bool(fit.posterior.notnull().all().to_array().all())
assert fit.dt["sample_stats"].sizes["draw"] == draws
verdict = fit.diagnose()
assert not verdict.passed and "interrupted" in str(verdict), str(verdict)
assert "interrupted" in repr(fit)
assert len(bg.random_effects(fit)) == 60
print("kept", draws, flush=True)
"""


def interrupt(tune: int, seconds: float) -> subprocess.CompletedProcess:
    program = PROGRAM.replace("TUNE", str(tune)).replace("cores=2", "cores=4")
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "sampling", process.stderr.read()
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupt_keeps_the_draws():
    done = interrupt(tune=150, seconds=4.0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kept ")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupt_before_there_are_draws_is_an_error():
    done = interrupt(tune=400_000, seconds=1.0)
    assert done.returncode != 0
    assert "SamplingError: Sampling was interrupted before every chain had finished its warm-up" in done.stderr
