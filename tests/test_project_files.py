"""What stands beside the code agrees with it: citation, forms for issues, the README's table, figures and links."""

from __future__ import annotations

import importlib.util
import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

import bayes_glmm as bg

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md")]


def script(name: str):
    spec = importlib.util.spec_from_file_location(f"bayes_glmm_script_{name}", ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_citation_has_what_the_schema_wants_and_this_version():
    assert CITATION["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= CITATION.keys()
    assert CITATION["version"] == PROJECT["version"] and CITATION["license"] == PROJECT["license"]
    assert [one["name"] for one in CITATION["authors"]] == [one["name"] for one in PROJECT["authors"]]
    assert (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n")[2].startswith(f"## {PROJECT['version']}")


def test_python_versions_are_those_that_are_required():
    listed = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert f">={min(listed, key=lambda one: int(one[2:]))}" == PROJECT["requires-python"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_forms_for_issues_are_forms(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert set(form) == {"blank_issues_enabled"}
        return
    assert {"name", "description", "body"} <= form.keys() and form["body"]
    for field in form["body"]:
        assert field["type"] in {"textarea", "input"} and field["attributes"]["label"]
        assert isinstance(field["validations"]["required"], bool)
    assert len({field.get("id") for field in form["body"]}) == len(form["body"])


def test_the_readmes_table_is_that_of_the_benchmarks():
    readme = script("readme")
    benchmarks = readme.BENCHMARKS.read_text(encoding="utf-8")
    assert readme.with_table(README, benchmarks) == README, "run python scripts/readme.py table"
    assert readme.table(benchmarks.replace("0.267", "9.876")) != readme.table(benchmarks)
    assert len(readme.table(benchmarks).split("\n")) >= 9


def test_the_readmes_figures_are_there_in_light_and_dark():
    for name in re.findall(r'(?:src|srcset)="([^"]+)"', README):
        root = ET.fromstring((ROOT / name).read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(list(root.iter())) > 100
    assert README.count("two_stories_") == 2


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(path):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    for target in targets:
        assert target.startswith("https://") or (path.parent / target).exists(), target


def test_commands_of_the_pages_are_targets_of_make():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    pages = [*PAGES, ROOT / "docs" / "contributing" / "release.md"]
    asked = {word for page in pages for word in re.findall(r"\bmake ([a-z-]+)\b(?=[`\n ])", code_of(page))}
    assert {"demo", "test", "lint", "dist"} <= asked <= targets


def code_of(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"`[^`\n]+`|```sh\n.*?```", text, flags=re.DOTALL))


@pytest.mark.slow
def test_the_figures_words_are_true():
    data = bg.load_dataset("toenail").assign(infected=lambda rows: rows["outcome"] == "moderate or severe")
    model = bg.GLMM("infected ~ treatment * time + (1 | patientID)", data, family="bernoulli")
    fit = model.fit(random_seed=1, progressbar=False)
    rows = bg.grid(fit, time=[0.0, 4.0, 8.0], treatment="terbinafine")
    typical, average = (bg.predictions(fit, rows, random_effects=kind)["estimate"] for kind in ("typical", "marginal"))
    # as said: Monte-Carlo error is below 0.01
    assert typical[0] == pytest.approx(0.16, abs=0.02) and average[0] == pytest.approx(0.35, abs=0.02)
    assert typical[1] < 0.05 and 0.07 < average[2] < 0.1
