"""One seed, one posterior: in this process and in others, however these were started; and a lost process is said."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAME = """
import multiprocessing, sys, warnings
import numpy as np
import bayes_glmm as bg
warnings.simplefilter("ignore")

def fitted(seed, cores):
    data = bg.load_dataset("cbpp")
    model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")
    return model.fit(draws=200, random_seed=seed, cores=cores, progressbar=False)

if __name__ == "__main__":
    here = fitted(7, None)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        for arrived in [pool.apply_async(fitted, (7, cores)) for cores in (1, 2)]:
            there = arrived.get(timeout=120)
            for name, array in here.posterior.data_vars.items():
                assert np.array_equal(array, there.posterior[name]), name
            # what came through the pipe is a whole fit
            assert repr(there).splitlines()[:2] == repr(here).splitlines()[:2]
            a, b = (bg.avg_predictions(fit, random_effects="marginal") for fit in (here, there))
            assert a.equals(b)
    print("same")
"""

KILLED = """
import os, signal, subprocess, threading, time, warnings
import bayes_glmm as bg
warnings.simplefilter("ignore")

def children():
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "python"], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]

def kill_one():
    while not (found := children()):
        time.sleep(0.1)
    time.sleep(2.0)
    os.kill(found[0], signal.SIGKILL)

threading.Thread(target=kill_one, daemon=True).start()
data = bg.load_dataset("cbpp")
model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")
try:
    model.fit(backend="pymc", draws=100_000, tune=500, chains=2, cores=2, random_seed=1, progressbar=False)
except bg.errors.SamplingError as error:
    print(error)
"""


def run(tmp_path, code: str, *arguments: str) -> subprocess.CompletedProcess:
    script = tmp_path / "script.py"
    script.write_text(code)
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has one way to start a process")
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_one_seed_gives_the_same_draws_however_a_process_was_started(tmp_path, method):
    done = run(tmp_path, SAME, method)
    assert done.stdout == "same\n", done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_a_killed_chain_of_pymc_is_an_error_in_words(tmp_path):
    done = run(tmp_path, KILLED)
    assert "PyMC lost the process of a chain" in done.stdout, done.stdout + done.stderr
