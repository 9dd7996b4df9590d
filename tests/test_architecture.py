"""One way through the house: imports run from left to right, files and functions stay short, families are records.

The house is read with `ast`, never imported. Imports inside functions count like the others; those under
`if TYPE_CHECKING` count for direction too, but not as part of a cycle, since nothing runs them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "bayes_glmm"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE = 500
MAX_FUNCTION = 60

# From left to right; rooms in one row do not import each other.
ROWS = [
    ["errors"],
    ["arguments"],
    ["printing"],
    ["progress"],
    ["links", "families", "priors", "structures"],
    ["datasets", "spec"],
    ["design"],
    ["model"],
    ["engine"],
    ["inference"],
    ["predict"],
    ["effects", "checks"],
    ["plots", "widgets"],
    ["report"],
    ["glmm"],
    ["interop"],
    ["bayes_glmm"],
    ["cli"],
    ["__main__"],
]
PLACE = {room: place for place, row in enumerate(ROWS) for room in row}
VOCABULARY = {"links", "families", "priors", "structures"}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def may_import(room: str, other: str) -> bool:
    if room == other or (room in VOCABULARY and other in VOCABULARY):
        return True
    return PLACE[other] < PLACE[room]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def walk(node: ast.AST, typing_only: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = typing_only or is_type_checking(child)
        yield child, inside
        yield from walk(child, inside)


def resolve(name: str) -> str:
    """The module that an imported name is in, or is."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def imports_of(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Imported module of the package, line, and whether only type checkers read it."""
    for node, typing_only in walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "bayes_glmm":
                yield resolve(name), node.lineno, typing_only


def wrong_directions(module: str, tree: ast.AST) -> list[str]:
    room = room_of(module)
    return [
        f"{module}:{line} ({room}) imports {other} ({room_of(other)})"
        for other, line, _ in imports_of(tree)
        if not may_import(room, room_of(other))
    ]


def relative_imports(module: str, tree: ast.AST) -> list[str]:
    return [
        f"{module}:{node.lineno} imports relatively"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]


def long_functions(module: str, tree: ast.AST) -> list[str]:
    """Functions whose lines, docstring aside, are more than allowed."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_text = ast.get_docstring(node, clean=False) is not None
            text = (first.end_lineno or first.lineno) - first.lineno + 1 if has_text else 0
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - text
            if lines > MAX_FUNCTION:
                found.append(f"{module}:{node.lineno} {node.name} has {lines} lines")
    return found


def is_family(node: ast.AST) -> bool:
    """Whether an expression is a family by its name: `family`, `spec.family`, `self._family`."""
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name.strip("_") == "family"


def family_questions(module: str, tree: ast.AST) -> list[str]:
    """Questions to a family about what it is, instead of reading a field that says so."""
    if room_of(module) == "families":
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args and is_family(node.args[0]):
            # A name or a record? That is asked once, of what the user typed; which family it is, never.
            typed = len(node.args) > 1 and ast.unparse(node.args[1]) in {"str", "Family"}
            if node.func.id == "hasattr" or (node.func.id == "isinstance" and not typed):
                found.append(f"{module}:{node.lineno} {ast.unparse(node)}")
        if isinstance(node, ast.Compare):
            for side in [node.left, *node.comparators]:
                if isinstance(side, ast.Attribute) and side.attr == "name" and is_family(side.value):
                    found.append(f"{module}:{node.lineno} {ast.unparse(node)}")
    return found


RULES = [wrong_directions, relative_imports, long_functions, family_questions]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule):
    assert [fault for module, tree in TREES.items() for fault in rule(module, tree)] == []


def test_every_room_is_on_the_map():
    assert {room_of(module) for module in MODULES} <= set(PLACE)


def test_no_cycles():
    graph = {
        module: {other for other, _, typing_only in imports_of(tree) if not typing_only and other != module}
        for module, tree in TREES.items()
    }
    # Taking away what imports nothing that is left, again and again, leaves the cycles.
    while leaves := {module for module, others in graph.items() if not others & set(graph)}:
        graph = {module: others for module, others in graph.items() if module not in leaves}
    assert graph == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_file_length(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE


# Each rule finds what it is for: (rule, module, source, how many faults).
BREACHES = [
    (wrong_directions, "bayes_glmm.spec.a", "from bayes_glmm.design import design", 1),
    (wrong_directions, "bayes_glmm.effects.a", "def f():\n    from bayes_glmm.checks import convergence", 1),
    (wrong_directions, "bayes_glmm.checks.a", "from bayes_glmm import effects", 1),
    (wrong_directions, "bayes_glmm.report.a", "from bayes_glmm import GLMM", 1),
    (wrong_directions, "bayes_glmm.design.a", "import numpy\nfrom bayes_glmm.spec import formula", 0),
    (relative_imports, "bayes_glmm.spec.a", "from . import formula", 1),
    (long_functions, "bayes_glmm.spec.a", "def f():\n" + "    x = 1\n" * MAX_FUNCTION, 1),
    (long_functions, "bayes_glmm.spec.a", 'def f():\n    """' + "a\n" * 90 + '    """\n    return 1\n', 0),
    (family_questions, "bayes_glmm.model.a", "isinstance(self.family, Poisson)", 1),
    (family_questions, "bayes_glmm.model.a", "hasattr(family, 'phi') and 'poisson' == spec.family.name", 2),
    (family_questions, "bayes_glmm.model.a", "family.name in {'poisson'}", 1),
    (family_questions, "bayes_glmm.spec.a", "isinstance(family, str) or isinstance(family, Family)", 0),
]


@pytest.mark.parametrize(("rule", "module", "source", "count"), BREACHES)
def test_rules_find_breaches(rule, module, source, count):
    assert len(rule(module, ast.parse(source))) == count


# Tags are written in one place: elsewhere a text that looks like one is a fault, and so is the use of what writes them.
TAG = re.compile(
    r"</?(a|b|br|code|details|div|em|figure|h\d|i|img|li|math|ol|p|pre|progress|section|span|strong|style|su[bp]|table|"
    r"t[dhr]|tbody|thead|ul)(\s[^<>]*)?/?>"
)
WRITERS = {"bayes_glmm.printing.markup", "bayes_glmm.printing.html", "bayes_glmm.printing.mathml"}


def tags(module: str, tree: ast.AST) -> list[str]:
    if module in {"bayes_glmm.printing.markup", "bayes_glmm.widgets.page"}:  # the latter's pages are mostly script
        return []
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = [
        f"{module}:{node.lineno} {node.value[:40]!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        if TAG.search(node.value)
    ]
    if module not in WRITERS:
        found += [
            f"{module}:{line} imports {other}" for other, line, _ in imports_of(tree) if other.endswith(".markup")
        ]
    return found


def test_tags_are_written_in_one_place():
    assert [fault for module, tree in TREES.items() for fault in tags(module, tree)] == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = '<div>'", 1),
        ("x = f'<td style=\"a\">{y}</td>'", 2),
        ("from bayes_glmm.printing.markup import tag", 1),
        ("def f():\n    'Writes <div>.'\n    return 'a < b > c'", 0),
    ],
)
def test_tags_are_found(source, count):
    assert len(tags("bayes_glmm.report.a", ast.parse(source))) == count
