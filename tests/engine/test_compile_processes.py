"""Functions compiled side by side by processes of their own: there afterwards, the same whoever compiled them."""

from types import SimpleNamespace

import pytest
from numba import types
from numba.core import config

from bayes_glmm.engine import compile_processes, coordinates, gaussian, gaussian_moments, kept_code, laplace
from bayes_glmm.engine.kept_code import code, compile_ahead, is_kept
from bayes_glmm.engine.native import native
from bayes_glmm.engine.rows import row_kernel

FUNCTIONS = (gaussian_moments.sums, row_kernel("poisson", "log"))
FUNCTIONS_OF = {
    coordinates: (coordinates.density, coordinates.expand),
    laplace: (laplace.find_mode, laplace.information),
    gaussian: (gaussian.density, gaussian.expand),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    kept_code.announce.cache_clear()
    return tmp_path / "bayes_glmm"


@pytest.fixture
def nothing_is_compiled_here(monkeypatch):
    def never(*_args, **_options):
        raise AssertionError("compiled in this process")

    monkeypatch.setattr(kept_code, "machine_code", never)


@pytest.mark.usefixtures("nothing_is_compiled_here")
def test_what_is_missing_is_compiled_elsewhere_and_once(folder, capsys):
    compile_ahead(FUNCTIONS, 2)
    assert "compiling" in capsys.readouterr().err
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {name.rpartition("-")[0] for name in written} == {function.name for function in FUNCTIONS}
    assert all(is_kept(function) and len(code(function)) > 500 for function in FUNCTIONS)
    kept_code.announce.cache_clear()
    compile_ahead(FUNCTIONS, 2)
    assert capsys.readouterr().err == ""
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written


def test_machine_code_is_the_same_whoever_has_it_compiled(folder):
    first = [code(function) for function in FUNCTIONS]
    for path in folder.iterdir():
        path.unlink()
    compile_ahead(FUNCTIONS[::-1], 1 + len(FUNCTIONS))
    assert [code(function) for function in FUNCTIONS] == first


def test_an_interrupt_ends_the_processes(monkeypatch):
    started = []

    def process(*arguments):
        started.append(start(*arguments))
        return started[-1]

    def interrupted(_seconds):
        if len(started) == 2:
            raise KeyboardInterrupt

    start = compile_processes._process
    monkeypatch.setattr(compile_processes, "_process", process)
    monkeypatch.setattr(compile_processes, "time", SimpleNamespace(sleep=interrupted))
    with pytest.raises(KeyboardInterrupt):
        compile_ahead(FUNCTIONS, 2)
    assert len(started) == 2 and all(one.poll() is not None for one in started)


def test_functions_of_a_module_are_one_unit_and_row_kernels_are_alone():
    for functions in FUNCTIONS_OF.values():
        assert functions[0].unit() == functions[1].unit() == functions
    assert row_kernel("poisson", "log").unit() == (row_kernel("poisson", "log"),)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_is_compiled_here")
@pytest.mark.parametrize("module", [coordinates, laplace, gaussian])
def test_functions_of_a_module_are_compiled_together_and_again_together(folder, module):
    """Which comes first decides on the code of the next."""
    first, last = FUNCTIONS_OF[module]
    assert code(last)
    codes = [code(first), code(last)]
    assert {path.name.rpartition("-")[0] for path in folder.iterdir()} == {first.name, last.name}
    (file,) = folder.glob(f"{last.name}-*.native")
    file.write_bytes(b"damaged")
    assert code(last) == codes[1]
    assert code(first) == codes[0]
    for path in folder.iterdir():
        path.unlink()
    compile_ahead([first, row_kernel("poisson", "log")], 2)
    assert [code(first), code(last)] == codes


@pytest.mark.parametrize("processors", [1, 2])
def test_one_processor_or_one_function_is_left_to_this_process(folder, processors):
    compile_ahead(FUNCTIONS if processors == 1 else FUNCTIONS[:1], processors)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "file"))
    compile_ahead(FUNCTIONS, 2)
    assert not any(is_kept(function) for function in FUNCTIONS)


def test_what_fails_elsewhere_is_said_and_compiled_here(capsys):
    @native(types.double(types.double), alone=True)
    def half(x):
        return 0.5 * x

    @native(types.double(types.double), alone=True)
    def third(x):
        return x / 3.0

    compile_ahead((half, third), 2)  # no module of the engine holds them
    assert capsys.readouterr().err.count("in a process of its own failed") == 2
    assert half.address and third.address
