"""environment.yml and constraints.txt say the same as pyproject.toml."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_conda_environment_is_the_runtime_set():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = {one.name: one.specifier for one in map(Requirement, environment["dependencies"])}
    assert conda.pop("python") == Requirement(f"python{PROJECT['requires-python']}").specifier
    assert conda == {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}


def test_tested_versions_satisfy_the_requirements():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    tested = {}
    for pin in pins:
        (exact,) = pin.specifier
        assert exact.operator == "=="
        assert pin.url is None
        tested.setdefault(pin.name.lower().replace("_", "-"), []).append(exact.version)
    extras = PROJECT["optional-dependencies"].values()
    for text in [*PROJECT["dependencies"], *(one for extra in extras for one in extra)]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            assert requirement.extras <= set(PROJECT["optional-dependencies"])
            continue
        versions = tested[requirement.name.lower().replace("_", "-")]
        assert all(requirement.specifier.contains(version) for version in versions), text


def test_no_hosts_or_machine_paths():
    listing = ["pyproject.toml", "constraints.txt", "environment.yml", "Makefile", ".ci/run", "scripts/bootstrap.sh"]
    for name in listing:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|(?<![\w.])/(home|root|work|tmp|Users)/", text), name
