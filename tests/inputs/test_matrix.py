"""Every awkward input has one of three answers: the right one, one clear error, or a warning and the right one."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bayes_glmm.errors import PriorError
from tests.inputs.cell import FAMILIES, judge
from tests.inputs.formulas import NO_PRIOR
from tests.inputs.matrix import CASES, CELLS, FAST

SLOW = sorted(set(CELLS) - set(FAST), key=CELLS.index)


def name(cell) -> str:
    case, family = cell
    return f"{case.name} [{family}]"


@pytest.mark.parametrize("cell", FAST, ids=map(name, FAST))
def test_right_or_refused_or_warned_of(cell):
    judge(*cell)


@pytest.mark.slow
@pytest.mark.parametrize("cell", SLOW, ids=map(name, SLOW))
def test_right_or_refused_or_warned_of_in_every_family(cell):
    judge(*cell)


@pytest.mark.parametrize("what", NO_PRIOR)
def test_priors_that_are_none(what):
    make, words = NO_PRIOR[what]
    with pytest.raises(PriorError, match=words):
        make()


def test_every_input_and_every_family_is_among_the_fast_ones():
    assert {case.name for case, _ in FAST} == {case.name for case in CASES}
    assert {family for _, family in FAST} == set(FAMILIES)


def test_an_input_stands_in_the_matrix_once():
    twice = [name for name, count in Counter(name(cell) for cell in CELLS).items() if count > 1]
    assert not twice


def test_what_a_model_refuses_it_refuses_before_anything_is_compiled():
    """All refusals of models in a process of their own: neither PyMC nor a compiler is ever imported."""
    script = """
import sys, warnings
import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from tests.inputs.cell import Asked
from tests.inputs.matrix import FAST, is_refused_by_the_model
assert not {"pymc", "pytensor", "nutpie"} & set(sys.modules), "imported by the tests themselves"
warnings.simplefilter("ignore")
refused = 0
for case, family in FAST:
    if not is_refused_by_the_model(case, family):
        continue
    try:
        case.asked(family).model()
    except GLMMError:
        refused += 1
    else:
        raise SystemExit(f"{case.name} [{family}] was not refused")
print(refused > 200, [name for name in ("pymc", "pytensor", "nutpie") if name in sys.modules])
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root)
    assert (done.returncode, done.stdout.strip()) == (0, "True []"), done.stdout + done.stderr
