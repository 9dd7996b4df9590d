"""The tables of docs/formulas.md: formulas that are said to be the same have columns that span the same space."""

import re
from pathlib import Path

import numpy as np
import pytest

import bayes_glmm as bg

PAGE = (Path(__file__).parents[2] / "docs" / "formulas.md").read_text(encoding="utf-8")
FIXED, GROUPS = (PAGE.split(f"## {name}\n")[1].split("\n## ")[0] for name in ("The fixed part", "Group effects"))
SAME = re.findall(r"^\| `(y ~ [^`]+)` \| (?:`(y ~ [^`]+)`)?", FIXED, flags=re.MULTILINE)
#: Group effects by the table's rows, with the parameters that each has on the data below.
PARAMETERS = {
    "(1 | g)": ["sd[g][Intercept]"],
    "(x | g)": ["sd[g][Intercept]", "sd[g][x]", "corr[g]"],
    "(1 + x | g)": ["sd[g][Intercept]", "sd[g][x]", "corr[g]"],
    "(x || g)": ["sd[g][Intercept]", "sd[g][x]"],
    "(1 | g) + (0 + x | g)": ["sd[g][Intercept]", "sd[g][x]"],
    "(0 + x | g)": ["sd[g][x]"],
    "(f | g)": ["sd[g][Intercept]", "sd[g][f[q]]", "corr[g]"],
    "(0 + f | g)": ["sd[g][f[p]]", "sd[g][f[q]]", "corr[g]"],
    "(1 | a) + (1 | b)": ["sd[a][Intercept]", "sd[b][Intercept]"],
    "(1 | a:b)": ["sd[a:b][Intercept]"],
    "(1 | a/b)": ["sd[a][Intercept]", "sd[a:b][Intercept]"],
    "(1 | factor(g))": ["sd[g][Intercept]"],
    "(1 | interaction(a, b))": ["sd[a:b][Intercept]"],
    "(x | p | g)": ["sd[g][Intercept]", "sd[g][x]", "corr[g]"],
}


def model_columns(formula):
    return bg.GLMM(formula, bg.load_dataset("epil"), family="poisson").design.X


@pytest.mark.parametrize(("written", "same"), SAME)
def test_formulas_said_to_be_the_same_are(written, same):
    X = model_columns(written)
    rank = np.linalg.matrix_rank(X)
    assert rank == X.shape[1]
    if same:
        other = model_columns(same)
        assert other.shape == X.shape and np.linalg.matrix_rank(np.hstack([X, other])) == rank


def test_every_row_of_the_group_effects_is_looked_at():
    written = {
        code for row in GROUPS.splitlines()[3:] for code in re.findall(r"`([^`]+)`", row.replace(r"\|", "|"))[:2]
    }
    assert {code for code in written if "|" in code and code.startswith("(")} - set(PARAMETERS) <= {
        "(1 | a) + (1 | a:b)",
    }


@pytest.mark.parametrize("term", PARAMETERS)
def test_group_effects_have_the_parameters_of_the_table(term):
    rng = np.random.default_rng(1)
    data = {
        "y": rng.normal(size=96),
        "x": rng.normal(size=96),
        "f": np.tile(["p", "q"], 48),
        "g": np.repeat([f"g{i}" for i in range(12)], 8),
        "a": np.repeat(["a1", "a2", "a3", "a4"], 24),
        "b": np.tile(np.repeat(["b1", "b2", "b3", "b4"], 6), 4),
    }
    parameters = bg.GLMM(f"y ~ 1 + {term}", data).priors["parameter"]
    assert [name for name in parameters if name.startswith(("sd", "corr"))] == PARAMETERS[term]
