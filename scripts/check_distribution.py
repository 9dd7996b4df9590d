"""Wheel and sdist from scratch: built, read by twine, installed into fresh environments, first fits timed, tests run.

``make dist`` runs it with the Python of .venv; name interpreters to check others, such as
``python scripts/check_distribution.py python3.12 python3.13``. Files go to ``out/dist``. The first interpreter gets the
wheel and the sdist, every further one the wheel. The engine's machine code is made first where it is not there, for
every target that this machine can link. An environment takes a minute or two, most of it the installation.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "out" / "dist"

FIRST_FIT = """
import sys, time
import bayes_glmm as bg
from importlib.metadata import version

assert bg.__version__ == version("bayes_glmm")
for name in bg.list_datasets()["name"]:
    assert len(bg.load_dataset(name)) > 0, name
seconds = []
model = bg.GLMM("incidence / size ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
for _ in range(2):
    started = time.perf_counter()
    fit = model.fit(random_seed=1, progressbar=False)
    seconds.append(time.perf_counter() - started)
    print(fit)
assert fit.convergence.passed
print(bg.__version__, "from", bg.__file__)
print("First fit {:.2f} s, second {:.2f} s".format(*seconds))
if MACHINE_CODE:
    assert not {"numba", "llvmlite"} & sys.modules.keys(), "a fit imported numba"
"""
#: Tests that run against what is installed: posteriors in closed form, published numbers, draws as reported.
TESTS = ("tests/engine/test_gaussian.py", "tests/engine/test_unpack.py", "tests/published/test_sleepstudy.py")


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a command, its output shown, and stop at the first that fails."""
    print("+", *command, flush=True)
    subprocess.run(list(map(str, command)), cwd=cwd, check=True, env={**clean(), **environment})


def clean() -> dict[str, str]:
    """The environment without what would let the source tree in."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}


def make_libraries() -> list[Path]:
    """Make the machine code that travels along: of every target where ziglang is installed, else of this machine."""
    asked = ["all"] if importlib.util.find_spec("ziglang") else []
    command = [sys.executable, ROOT / "scripts" / "build_libraries.py", *asked]
    print("+", *command, flush=True)
    done = subprocess.run(list(map(str, command)), check=True, cwd=ROOT, env=clean(), stdout=subprocess.PIPE, text=True)
    return [Path(line) for line in done.stdout.splitlines() if line.endswith(".library")]


def build() -> tuple[Path, Path]:
    """Build sdist and wheel (from the sdist) and let twine read them."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    return wheel, sdist


def check_libraries(wheel: Path, libraries: list[Path]) -> None:
    """Machine code of the present sources and no other is in the wheel, which stays below ten megabytes."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.endswith(".library")}
    assert inside == {str(path.relative_to(ROOT)) for path in libraries}, f"machine code in the wheel: {sorted(inside)}"
    size = wheel.stat().st_size / 1e6
    assert size < 10, f"the wheel has {size:.1f} MB"
    print(f"{wheel.name}: {size:.2f} MB, machine code for {len(inside)} targets", flush=True)


def check_contents(wheel: Path, sdist: Path) -> None:
    """Every file of the package that git tracks is in both; the sdist has what the tests read, too."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    package = {name for name in listed if name.startswith("bayes_glmm/")}
    with zipfile.ZipFile(wheel) as archive:
        missing = package - set(archive.namelist())
        assert not missing, f"not in the wheel: {sorted(missing)}"
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = package | {name for name in listed if name.startswith(("tests/", "docs/", "examples/", "scripts/"))}
    assert wanted <= inside, f"not in the sdist: {sorted(wanted - inside)[:20]}"


def check_installed(python: str, artefact: Path, has_machine_code: bool) -> None:
    """Install one file into a fresh environment; run a first fit, the quickstart and tests from an empty folder."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        run(python, "-m", "venv", here / "venv")
        interpreter = here / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(interpreter, "-m", "pip", "install", "-qq", "-c", ROOT / "constraints.txt", artefact, cwd=here)
        run(interpreter, "-m", "pip", "check", cwd=here)
        work, home = here / "work", here / "home"
        work.mkdir()
        home.mkdir()
        # nothing kept from earlier fits
        fresh = {
            "MPLBACKEND": "Agg",
            "HOME": str(home),
            "USERPROFILE": str(home),
            "NUMBA_CACHE_DIR": str(home / "numba"),
        }
        fit = FIRST_FIT.replace("MACHINE_CODE", str(has_machine_code))
        run(interpreter, "-W", "error::ResourceWarning", "-c", fit, cwd=work, **fresh)
        shutil.copy(ROOT / "examples" / "quickstart.py", work)
        run(interpreter, "quickstart.py", cwd=work, **fresh)
        assert (work / "out" / "quickstart.png").stat().st_size > 10_000
        run_tests(interpreter, work, fresh)
    print(f"{artefact.name} with {python}: {time.perf_counter() - started:.0f} s", flush=True)


def run_tests(interpreter: Path, work: Path, environment: dict[str, str]) -> None:
    """Run some tests against what is installed."""
    run(interpreter, "-m", "pip", "install", "-qq", "-c", ROOT / "constraints.txt", "pytest", "hypothesis", cwd=work)
    shutil.copytree(ROOT / "tests", work / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", work)
    run(interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, cwd=work, **environment)


if __name__ == "__main__":
    libraries = make_libraries()
    wheel, sdist = build()
    check_contents(wheel, sdist)
    check_libraries(wheel, libraries)
    pythons = sys.argv[1:] or [sys.executable]
    for python in pythons:
        check_installed(python, wheel, bool(libraries))
    check_installed(pythons[0], sdist, bool(libraries))
