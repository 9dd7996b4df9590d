"""The site has every public name and every plot, the README's links lead somewhere, and contributors' pages run."""

import ast
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

import bayes_glmm as bg

matplotlib.use("Agg")

DOCS = Path(__file__).parents[2] / "docs"
CONTRIBUTING = sorted(page for page in (DOCS / "contributing").glob("*.md") if page.read_text().startswith("---\n"))
CELL = re.compile(r"^```\{code-cell\} ipython3\n((?::tags: [^\n]*\n\n)?)(.*?)^```", flags=re.DOTALL | re.MULTILINE)


ROOMS = bg._ROOMS


def cells(page: Path) -> list[tuple[str, str]]:
    """Return tags and code of the cells of a page."""
    return CELL.findall(page.read_text(encoding="utf-8"))


def names_of_the_reference() -> set[str]:
    text = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"autosummary::(.*?)```", text, flags=re.DOTALL)
    listed = {name for block in blocks for name in block.split() if not name.startswith(":")}
    return listed | set(re.findall(r"py:data:: (\w+)", text))


def test_every_public_name_is_in_the_reference():
    public = {name for name in bg.__all__ if name not in ROOMS}
    public |= {f"{room}.{name}" for room in ROOMS for name in getattr(bg, room).__all__}
    assert public - names_of_the_reference() == set()


def test_every_plot_is_in_the_gallery():
    code = "\n".join(code for _, code in cells(DOCS / "gallery.md"))
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)}
    assert {f"bg.plots.{name}" for name in bg.plots.__all__} - calls == set()


def test_links_of_the_readme_lead_to_files():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", readme)
    assert targets
    for target in targets:
        assert (DOCS.parent / target).exists(), target


@pytest.fixture
def tables():
    """Give the tables back as they were: pages enter what they add."""
    from bayes_glmm.design.transforms import TRANSFORMS
    from bayes_glmm.inference.samplers import SAMPLERS
    from bayes_glmm.priors import PRIORS
    from bayes_glmm.spec.functions import FUNCTIONS

    held = [(table, dict(table)) for table in (TRANSFORMS, SAMPLERS, PRIORS, FUNCTIONS)]
    yield
    for table, content in held:
        table.clear()
        table.update(content)


def run(page: Path, *, all_cells: bool) -> dict[str, object]:
    """Run the cells of a page in one namespace, those that the build leaves out where `all_cells` is true."""
    space: dict[str, object] = {"__name__": "page"}
    for number, (tags, code) in enumerate(cells(page)):
        if "skip-execution" in tags and not all_cells:
            continue
        compiled = compile(code, f"{page.name}, cell {number}", "exec")
        if "raises-exception" in tags:
            with pytest.raises(bg.errors.GLMMError):
                exec(compiled, space)
        else:
            exec(compiled, space)
    return space


@pytest.mark.parametrize("page", CONTRIBUTING, ids=lambda page: page.stem)
def test_what_contributors_read_runs(page, tables):
    assert cells(page)
    run(page, all_cells=False)
    plt.close("all")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS")
@pytest.mark.parametrize("name", ["family", "link"])
def test_a_family_and_a_link_of_ones_own_are_sampled(name):
    fit = run(DOCS / "contributing" / f"{name}.md", all_cells=True)["fit"]
    assert fit.convergence.passed
    assert "no rows" in fit.attrs["reason"]
