"""Machine code in shared libraries: the same numbers as compiled here, loaded only where sources and processor fit."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bayes_glmm.engine import shared_library
from bayes_glmm.engine.rows import row_kernel
from bayes_glmm.errors import SamplingError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "build_libraries.py"
#: One that calls the C library's mathematics, and one that allocates.
KERNELS = (("binomial", "cloglog"), ("cumulative", "logit"))
FOUND = [one for one in shared_library.targets_here() if shared_library.paths_of(one)]


def build_script():
    spec = importlib.util.spec_from_file_location("bayes_glmm_build_libraries", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    return module


HERE = build_script().this_target()
needs_compiler = pytest.mark.skipif(
    HERE is None or not (shutil.which("cc") or importlib.util.find_spec("ziglang")), reason="no C compiler is installed"
)


def compiled(folder, targets, names):
    for target in targets:
        (folder / target).mkdir()
    command = [sys.executable, str(SCRIPT), "--unit", str(folder), ",".join(targets), *names]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A library of two row kernels."""
    folder = tmp_path_factory.mktemp("libraries")
    compiled(folder, [HERE], [row_kernel(*names).name for names in KERNELS])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_library, "LIBRARIES", folder / "built")
        build_script().link(folder, HERE)
    return folder / "built"


@pytest.fixture
def loaded(folder, monkeypatch):
    """The library in the place where libraries are looked for."""
    monkeypatch.setattr(shared_library, "LIBRARIES", folder)
    shared_library.library.cache_clear()
    yield shared_library.library()
    shared_library.library.cache_clear()


def evaluate(address, eta, y):
    """Values, slopes and total of rows, counts and thresholds of one's own."""
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 7)(address)
    counts, parameters = np.full(eta.size, 3.0), np.array([-1.0, 0.3, 1.2, np.inf])
    values, slopes, d_parameters = np.zeros(eta.size), np.zeros(eta.size), np.zeros(4)
    arrays = eta, y, counts, parameters, values, slopes, d_parameters
    total = function(eta.size, *(array.ctypes.data for array in arrays))
    return np.concatenate([values, slopes, d_parameters, [total]])


@needs_compiler
@pytest.mark.parametrize("names", KERNELS, ids="-".join)
def test_numbers_are_those_of_code_compiled_here_to_the_bit(loaded, names):
    from bayes_glmm.engine import kept_code

    rng = np.random.default_rng(1)
    eta, y = rng.normal(0.0, 2.0, 1001), rng.integers(0, 4, 1001).astype(float)
    function = row_kernel(*names)
    found = evaluate(shared_library.address(function.name), eta, y)
    assert np.isfinite(found[:-1]).all() and np.array_equal(found, evaluate(kept_code.address(function), eta, y))


@needs_compiler
def test_what_a_library_does_not_hold_has_no_address_in_it(loaded):
    assert shared_library.address(row_kernel("weibull", "log").name) is None


@needs_compiler
def test_a_library_needs_no_other(folder):
    if sys.platform != "linux" or shutil.which("readelf") is None:
        pytest.skip("readelf reads libraries of Linux")
    (path,) = folder.iterdir()
    listed = subprocess.run(["readelf", "-dW", "--dyn-syms", path], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" not in listed
    assert [line.split()[-1] for line in listed.splitlines() if " UND " in line and "NOTYPE  LOCAL" not in line] == []
    names = {line.split()[-1] for line in listed.splitlines() if " GLOBAL DEFAULT " in line}
    own = {"bayes_glmm_errors", "bayes_glmm_imports", "bayes_glmm_pointers", "bayes_glmm_runs_here"}
    assert names == own | {shared_library.symbol(row_kernel(*pair).name) for pair in KERNELS}


@needs_compiler
def test_no_memory_is_counted_and_raised(loaded):
    names = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(loaded, "bayes_glmm_imports"))).decode().split()
    pointers = (ctypes.c_void_p * len(names)).in_dll(loaded, "bayes_glmm_pointers")
    none = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(lambda size: None)
    at = names.index("malloc")
    kept, pointers[at] = pointers[at], ctypes.cast(none, ctypes.c_void_p).value
    try:
        evaluate(shared_library.address(row_kernel("cumulative", "logit").name), np.zeros(5), np.ones(5))
    finally:
        pointers[at] = kept
    with pytest.raises(SamplingError, match="memory"):
        shared_library.check()
    shared_library.check()


@needs_compiler
def test_a_damaged_library_is_said_and_not_used(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shared_library, "LIBRARIES", tmp_path)
    (whole,) = folder.iterdir()
    (tmp_path / whole.name).write_bytes(whole.read_bytes()[:1000])
    shared_library.library.cache_clear()
    assert shared_library.library() is None and "is not used" in capsys.readouterr().err
    shared_library.library.cache_clear()


def test_a_stamp_is_that_of_every_source_whatever_ends_its_lines(tmp_path, monkeypatch):
    copy = tmp_path / "engine"
    shutil.copytree(shared_library.FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__", "libraries"))
    monkeypatch.setattr(shared_library, "FOLDER", copy)
    stamp = shared_library.sources_stamp.__wrapped__
    first = stamp()
    for path in copy.iterdir():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"\n", b"\r\n"))
        assert stamp() == first
        path.write_bytes(content + b"\n")
        assert stamp() != first, path
        path.write_bytes(content)
    (copy / "rows.py").rename(copy / "lines.py")
    assert stamp() != first


@needs_compiler
@pytest.mark.parametrize("target", shared_library.targets_here())
def test_a_library_and_llvm_read_the_processor_alike(tmp_path, monkeypatch, target):
    import llvmlite.binding as llvm

    from bayes_glmm.engine.machine_code import LEVELS

    (tmp_path / target).mkdir()
    monkeypatch.setattr(shared_library, "LIBRARIES", tmp_path / "built")
    script = build_script()
    loaded = ctypes.CDLL(str(script.link(tmp_path, target)))
    needed = {name: features for name, _, features in LEVELS}.get(script.TARGETS[target].processor, ())
    assert loaded.bayes_glmm_runs_here() == all(llvm.get_host_cpu_features().get(one, False) for one in needed)


# the library of this machine, where `make library` has made it for the present sources --------------------------------

FIT = """
import sys, traceback

imported = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        # where dask is installed xarray imports it, and it imports numba
        if name in {"numba", "llvmlite", "scipy.stats", "pymc", "pytensor"}:
            if not any("dask" in frame.filename for frame in traceback.extract_stack()):
                imported.append(name)

sys.meta_path.insert(0, Watch())
import bayes_glmm as bg

fit = bg.GLMM("incidence / size ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial").fit(
    draws=200, random_seed=1, progressbar=False
)
print(fit)
print(imported)
"""
needs_library = pytest.mark.skipif(not FOUND, reason="no machine code of these sources: make library")


def fitted(tmp_path, code=FIT, **environment):
    """Standard output and error of a script that finds nothing on disk but the package."""
    empty = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    environment = {**os.environ, **empty, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@needs_library
def test_a_first_fit_compiles_and_imports_nothing_of_the_kind(tmp_path):
    printed, said = fitted(tmp_path)
    assert printed.splitlines()[-1] == "[]" and "compiling" not in said
    assert not list(tmp_path.rglob("*.native"))


@needs_library
@pytest.mark.slow
def test_an_edited_source_is_compiled_and_a_library_of_old_ones_left_alone(tmp_path):
    package = tmp_path / "edited" / "bayes_glmm"
    shutil.copytree(shared_library.FOLDER.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    # the log density of every model with this family turned around: no old code does that
    source = package / "engine" / "rows.py"
    text = source.read_text(encoding="utf-8")
    line = "        values[i] = y[i] * z - counts[i] * (max(z, 0.0) + fast_log1p_unit(e))\n"
    assert text.count(line) == 1
    code = f"""
import sys
import numpy as np
sys.path.insert(0, {str(Path(__file__).parent)!r})
from bayes_glmm.engine.rows import row_kernel
from test_shared_library import evaluate
print(evaluate(row_kernel("binomial", "logit").address, np.ones(2), np.ones(2))[0])
"""
    before, said = fitted(tmp_path, code, PYTHONPATH=str(package.parent))
    assert said == ""
    source.write_text(text.replace(line, line.replace("= y", "= 1000.0 + y")), encoding="utf-8")
    after, said = fitted(tmp_path, code, PYTHONPATH=str(package.parent))
    assert "compiling" in said
    assert float(after) == pytest.approx(1000.0 + float(before))


@pytest.mark.slow
@pytest.mark.skipif(HERE not in FOUND, reason="no machine code of these sources for this level: make library")
@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "c ~ x + (1 | g)", "b ~ x + (1 | g)", "o ~ x + (1 | g)"])
def test_one_seed_gives_the_draws_of_code_compiled_here(tmp_path, formula):
    family = {"y": "gaussian", "c": "negativebinomial", "b": "bernoulli", "o": "cumulative"}[formula[0]]
    code = f"""
import hashlib
from pathlib import Path
import numpy as np
import bayes_glmm as bg
from bayes_glmm.engine import shared_library
{{there}}
rng = np.random.default_rng(1)
x, g = rng.normal(size=300), np.repeat(np.arange(30), 10).astype(str)
eta = 0.5 * x + np.repeat(rng.normal(size=30), 10)
data = dict(x=x, g=g, y=eta + rng.normal(size=300), c=rng.poisson(np.exp(eta)))
data["b"] = rng.random(300) < 1 / (1 + np.exp(-eta))
data["o"] = np.digitize(data["y"], [-1.0, 0.0, 1.0])
fit = bg.GLMM({formula!r}, data, family={family!r}).fit(random_seed=1, progressbar=False)
print([hashlib.sha256(values.values.tobytes()).hexdigest() for values in fit.posterior.data_vars.values()])
"""
    shipped, said = fitted(tmp_path, code.format(there=""))
    assert "compiling" not in said
    compiled, said = fitted(tmp_path, code.format(there='shared_library.LIBRARIES = Path("nowhere")'))
    assert "compiling" in said
    assert shipped == compiled


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="needs the package ziglang")
def test_every_target_links_with_nothing_missing(tmp_path, monkeypatch):
    """Linkers of all of them refuse what is undefined; beginnings of files are those of each system."""
    script = build_script()
    names = [row_kernel(*pair).name for pair in KERNELS]
    compiled(tmp_path, list(script.TARGETS), ["laplace.find_mode", "laplace.information"])
    for name in names:
        subprocess.run(
            [sys.executable, str(SCRIPT), "--unit", str(tmp_path), ",".join(script.TARGETS), name],
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        )
    monkeypatch.setattr(shared_library, "LIBRARIES", tmp_path / "built")
    starts = {"linux": b"\x7fELF", "macos": b"\xcf\xfa\xed\xfe", "windows": b"MZ"}
    for target in script.TARGETS:
        content = script.link(tmp_path, target).read_bytes()
        assert content.startswith(starts[target.partition("-")[0]]) and len(content) > 50_000
        assert all(shared_library.symbol(name).encode() in content for name in names)
