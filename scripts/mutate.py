"""Mutation testing: change one operator or number at a time and see whether the tests notice.

Run as ``python scripts/mutate.py --count 40``; it prints one line a mutant and writes out/mutation.json. Each mutant
lives in a copy of the package in a temporary folder; a mutant that no test notices is listed with its line. Kept small
instead of taken from a library: numba's functions must be compiled anew from mutated sources, which needs a process a
mutant and caches of its own.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 600

#: file of the package -> the tests that stand for it
TARGETS = {
    "links.py": ("tests/test_vocabulary.py",),
    **{
        f"families/{name}.py": ("tests/test_vocabulary.py", "tests/families", "tests/checks/test_residuals.py")
        for name in ("real", "trials", "counts", "positive", "unit", "ordinal", "zeros")
    },
    "predict/quadrature.py": ("tests/predict/test_quadrature.py",),
    "engine/averages.py": ("tests/predict/test_quadrature.py",),
    "engine/parameters.py": ("tests/engine/test_parameters.py",),
    "engine/coordinates.py": ("tests/engine/test_coordinates.py",),
    "engine/level_blocks.py": ("tests/engine/test_coordinates.py",),
}
#: Changes of an operator to others.
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.Lt: ast.GtE,
    ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or,
    ast.Or: ast.And,
}  # fmt: skip


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield every node that can be changed, with what would change; docstrings and annotations are left alone."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)) and type(node.op) in SWAPS:
            yield node, "op"
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            yield node, "ops"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield node, "operand"
        elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
            yield node, "value"


def mutate(node: Any, what: str) -> str:
    """Change a node in place; return the change in words."""
    before = ast.unparse(node)
    if what == "op":
        node.op = SWAPS[type(node.op)]()
    elif what == "ops":
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif what == "operand":
        node.op = ast.UAdd()
    elif isinstance(node.value, bool):
        node.value = not node.value
    else:
        node.value = node.value + 1 if isinstance(node.value, int) else 1.5 * node.value + 0.5
    return f"{before} -> {ast.unparse(node)}"


def mutants(source: str, count: int, seed: int) -> Iterator[tuple[int, str, str]]:
    """Yield (line, change in words, source) of a random choice of mutants."""
    tree = ast.parse(source)
    total = len(list(places(tree)))
    for index in sorted(random.Random(seed).sample(range(total), min(count, total))):
        changed = copy.deepcopy(tree)
        node, what = list(places(changed))[index]
        line = getattr(node, "lineno", 0)
        words = mutate(node, what)
        yield line, words, ast.unparse(ast.fix_missing_locations(changed))


def noticed(folder: Path, tests: tuple[str, ...]) -> bool:
    """Say whether a test fails on the package in a folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
        "NUMBA_CACHE_DIR": str(folder / "c"),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return True
    if done.returncode < 0:  # compiled code that writes where it may not
        return True
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode != 0


def main() -> None:
    """Run mutants of every target and write what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="mutants a file (default 40)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "mutation.json", help="results, added to file by file"
    )
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    with tempfile.TemporaryDirectory(prefix="bayes_glmm-mutants-") as name:
        folder = Path(name)
        for part in ("bayes_glmm", "tests", "pyproject.toml"):
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, folder / part)
        for file in options.files:
            path, started = folder / "bayes_glmm" / file, time.perf_counter()
            source = path.read_text(encoding="utf-8")
            if noticed(folder, TARGETS[file]):
                raise RuntimeError(f"the tests of {file} fail without any change")
            tried, survivors = 0, []
            for line, words, changed in mutants(source, options.count, options.seed):
                path.write_text(changed, encoding="utf-8")
                killed = noticed(folder, TARGETS[file])
                tried += 1
                survivors += [] if killed else [f"line {line}: {words}"]
                print(f"{file}:{line} {'killed  ' if killed else 'SURVIVED'} {words}", flush=True)
            path.write_text(source, encoding="utf-8")
            seconds = time.perf_counter() - started
            results[file] = {"mutants": tried, "survivors": survivors, "seconds": seconds, "seed": options.seed}
            options.out.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
