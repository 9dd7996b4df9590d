"""Wheel and sdist from scratch: built, read by twine, installed into fresh environments, first fits run.

``make dist`` runs it with the Python of .venv; name interpreters to check others, such as
``python scripts/check_distribution.py python3.12 python3.13``. Files go to ``out/dist``. The first interpreter gets the
wheel and the sdist, every further one the wheel. An environment takes one to three minutes, most of it the
installation and the first compilation.
"""

from __future__ import annotations

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
import bayes_glmm as bg
from importlib.metadata import version

assert bg.__version__ == version("bayes_glmm")
for name in bg.list_datasets()["name"]:
    assert len(bg.load_dataset(name)) > 0, name
fit = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy")).fit(random_seed=1, progressbar=False)
assert fit.convergence.passed
print(bg.__version__, "from", bg.__file__)
"""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a command, its output shown, and stop at the first that fails."""
    print("+", *command, flush=True)
    subprocess.run(list(map(str, command)), cwd=cwd, check=True, env={**clean(), **environment})


def clean() -> dict[str, str]:
    """The environment without what would let the source tree in."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}


def build() -> tuple[Path, Path]:
    """Build sdist and wheel (from the sdist) and let twine read them."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    return wheel, sdist


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


def check_installed(python: str, artefact: Path) -> None:
    """Install one file into a fresh environment and run a first fit and the quickstart from an empty folder."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        run(python, "-m", "venv", here / "venv")
        interpreter = here / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(interpreter, "-m", "pip", "install", "-qq", "-c", ROOT / "constraints.txt", artefact, cwd=here)
        run(interpreter, "-m", "pip", "check", cwd=here)
        work = here / "work"
        work.mkdir()
        run(interpreter, "-W", "error::ResourceWarning", "-c", FIRST_FIT, cwd=work, MPLBACKEND="Agg")
        shutil.copy(ROOT / "examples" / "quickstart.py", work)
        run(interpreter, "quickstart.py", cwd=work, MPLBACKEND="Agg")
        assert (work / "out" / "quickstart.png").stat().st_size > 10_000
    print(f"{artefact.name} with {python}: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    wheel, sdist = build()
    check_contents(wheel, sdist)
    pythons = sys.argv[1:] or [sys.executable]
    for python in pythons:
        check_installed(python, wheel)
    check_installed(pythons[0], sdist)
