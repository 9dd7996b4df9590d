"""Machine code on disk: compiled once, read back as it was, compiled again where it is damaged or of other sources."""

import ctypes
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numba import carray, types
from numba.core import config

from bayes_glmm.engine import kept_code
from bayes_glmm.engine.data import read_matrix, read_vector
from bayes_glmm.engine.native import CALL_SIGNATURE, native

FIT = """
import pickle, sys
from pathlib import Path
import bayes_glmm as bg
from bayes_glmm.engine import shared_library
shared_library.LIBRARIES = Path("nowhere")
fit = bg.GLMM("y ~ (1 | g)", {"y": [1.0, 2.0, 4.0, 3.0, 6.0, 5.0] * 3, "g": list("aabbcc") * 3}).fit(
    random_seed=1, draws=200, progressbar=False
)
sys.stdout.buffer.write(pickle.dumps(fit.posterior["sigma"].values))
"""


def weighted(table_):
    table = carray(table_, (9,), np.uint64)
    matrix, vector, out = (
        read_matrix(table, 0, np.float64),
        read_vector(table, 1, np.float64),
        read_vector(table, 2, np.float64),
    )
    out[:] = matrix @ vector
    return np.linalg.det(matrix)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    return tmp_path / "bayes_glmm"


def call(function):
    out = np.zeros(2)
    value = function((np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([1.0, 10.0])), out)
    assert value == pytest.approx(6.0)
    assert out == pytest.approx([12.0, 30.0])


def test_code_is_kept_and_read_back(folder, monkeypatch, capsys):
    kept_code.announce.cache_clear()
    call(native(CALL_SIGNATURE)(weighted))
    assert "compiling" in capsys.readouterr().err
    (file,) = folder.iterdir()

    def never(*_args, **_options):
        raise AssertionError("compiled again")

    monkeypatch.setattr(kept_code, "machine_code", never)
    kept_code.announce.cache_clear()
    call(native(CALL_SIGNATURE)(weighted))
    assert capsys.readouterr().err == ""
    # a damaged file is no code
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(AssertionError, match="compiled again"):
        call(native(CALL_SIGNATURE)(weighted))


def test_code_of_other_sources_is_dropped(folder, monkeypatch):
    call(native(CALL_SIGNATURE)(weighted))
    (old,) = folder.iterdir()
    monkeypatch.setattr(kept_code, "_stamp", lambda: "another")
    call(native(CALL_SIGNATURE)(weighted))
    (new,) = folder.iterdir()
    assert new != old


def test_functions_of_other_signatures(folder):
    @native(types.double(types.double))
    def half(x):
        return 0.5 * x

    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(half.address)(3.0) == 1.5


def test_a_folder_that_cannot_be_written_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "file"))
    call(native(CALL_SIGNATURE)(weighted))
    assert "cannot be kept" in capsys.readouterr().err


@pytest.mark.slow
def test_one_seed_gives_the_same_draws_in_the_process_that_compiles_and_in_the_next(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", FIT], capture_output=True, env=environment, check=True) for _ in range(2)
    ]
    assert b"compiling" in runs[0].stderr and b"compiling" not in runs[1].stderr
    assert np.array_equal(*(pickle.loads(run.stdout) for run in runs))


FULL_DISK = """
import resource, signal
import numpy as np
from numba import carray
from bayes_glmm.engine.data import read_vector
from bayes_glmm.engine.native import CALL_SIGNATURE, native
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
@native(CALL_SIGNATURE)
def total(table_):
    return read_vector(carray(table_, (3,), np.uint64), 0, np.float64).sum()
print(total(np.ones(3)))
"""


def test_a_full_disk_is_said_and_leaves_no_rest(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", FULL_DISK], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "3.0", done.stderr
    assert "cannot be kept" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
