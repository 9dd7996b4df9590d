"""Hostile texts: nothing runs, every refusal is one of the package's errors, none takes longer than two seconds."""

from __future__ import annotations

import builtins
import json
import sys
import time

import numpy as np
import pytest
import xarray as xr

import bayes_glmm as bg
from bayes_glmm.errors import DataError, FormulaError, GLMMError, PredictionError, PriorError
from bayes_glmm.spec.formula import parse_formula
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.safe import check_expression
from tests.properties import fuzz


@pytest.fixture(scope="module")
def report():
    return fuzz.run(3000)


def test_no_text_runs_anything_or_raises_what_is_not_ours(report):
    assert report["faults"] == []
    assert sum(row["tried"] for row in report["kinds"].values()) == 3000
    assert sum(row["accepted"] for row in report["kinds"].values()) > 30
    assert all(row["refused"] + row["refused later"] > 0 for row in report["kinds"].values())


def test_the_watch_sees_what_is_planted(report):
    assert report["planted"] == dict.fromkeys(report["planted"], True)


def test_the_report_counts_every_kind_of_text(report, monkeypatch):
    monkeypatch.setattr(fuzz, "run", lambda *options: report)
    text = fuzz.section(3000)
    assert text.startswith("3000 texts")
    assert all(f"| {kind} | {row['tried']} | " in text for kind, row in report["kinds"].items())


@pytest.mark.slow
def test_a_hundred_thousand_texts():
    assert fuzz.run(100_000)["faults"] == []


# formulaic once ran what stands between these quotes, where our own check saw a list of text constants
HIDDEN = r"""'\\', 'a`\\', "\\", "B`', canary()]) #" """.strip()

RAN = [
    f"y ~ x + offset(C(f, levels=[{HIDDEN}]))",
    f"C(f, levels=[{HIDDEN}]) ~ x",
    f"weighted(y, C(f, levels=[{HIDDEN}])) ~ x",
    f"y ~ C(f, levels=[{HIDDEN}])",
    f"y ~ (C(f, levels=[{HIDDEN}]) | g)",
    r"""y ~ offset(C(f, levels=['\\', 'a\x60\\', "\\", "B\x60', canary()]) #"]))""",
]

ENDLESS = [
    ("y ~ (x + w + z)**(14)", "too many interactions"),
    ("y ~ ((x + w + z)^5)^5", "too many interactions"),
    ("y ~ (x + w)^(30 + x)", "whole number"),
    ("y ~ " + ":".join(["(x + w + z + v)"] * 9), "too many interactions"),
    ("y ~ " + "/".join(f"x{i}" for i in range(300)), "too many interactions"),
    ("y ~ (1 | " + "_a:" * 40 + "_a + b)", "One grouping factor"),
    ("y ~ " + "C(" * 90 + "x" + ")" * 90, "nested more than"),
    ("y ~ bs(x, degree=900)", "degree 10"),
    ("-" * 9000 + "y ~ x", "nested too deeply|Cannot read"),
    ("y ~ " + "(" * 9000 + "x + (1 | g)" + ")" * 9000, "nested more than"),
    ("y ~ I(" + "x + " * 9000 + "x)", "more than 500 operations"),
    ("y ~ I(" + "-" * 9000 + "x)", "nested too deeply"),
    ("y ~ I(" + "x^" * 9000 + "x)", "nested too deeply"),
    ("y ~ I(" + "!" * 9000 + "x)", "nested too deeply"),
    ("y ~ cut(x, 1:10^9)", "options of cut"),
    ("y ~ I(x %in% 1:1000000000)", "may have 1000 numbers"),
    ("y ~ cut(x, seq(0, 1e300, 1e-300))", "may have 1000 numbers"),
    ("y ~ rcs(x, 1000000)", "at most 1000"),
    ("y ~ x" + " " * 100_000, "characters"),
    ("y ~ " + " + ".join(["x"] * 9000) + " +", "term is missing"),
]

BROKEN = [
    ("y ~ `\ud800`", "half of one"),
    ("y ~ x\0", "null character"),
    ("p(q_60_q, n) ~ x", "."),
    ("y ~ offset(1e999)", "no finite number"),
    (r"y ~ C(f, levels=['a\\x60b', 'u'])", "no backslash and no backtick"),
    ("y ~ I(f == '\\q')", "backslash that means nothing"),
    ("y ~ x - eval('1')", "no function 'eval'"),
    (f"p(k, 0x{'f' * 5000}) ~ x", "limit|Cannot read"),
    (f"y ~ log(0x{'f' * 5000}(x))", "limit is 300"),
    ("y ~ (x - np.fft(x)) + w", "np.fft is not allowed"),
    ("y ~ x - 1e999", "no part of a sum of terms"),
    ("y ~ C(f, levels=['a`b', 'u'])", "backtick"),
]


@pytest.mark.parametrize("text", RAN)
def test_what_once_ran_is_refused(text, monkeypatch):
    called = []
    monkeypatch.setattr(builtins, "canary", lambda: called.append(text), raising=False)
    with pytest.raises(FormulaError):
        bg.GLMM(text, fuzz.make_data())
    assert not called


@pytest.mark.parametrize(("text", "message"), [*ENDLESS, *BROKEN])
def test_what_never_ended_or_broke_is_refused_at_once(text, message):
    started = time.process_time()
    with pytest.raises(FormulaError, match=message):
        bg.GLMM(text, fuzz.make_data())
    assert time.process_time() - started < fuzz.SLOWEST


def test_long_formulas_are_read():
    """A sum of thousands of columns is no attack; nor is a name of many letters."""
    names = [f"column_{i}" for i in range(4000)]
    started = time.process_time()
    assert parse_formula("y ~ " + " + ".join(names)).predictors == tuple(names)
    assert time.process_time() - started < fuzz.SLOWEST
    assert parse_formula(f"y ~ `{'n' * 9000}`").predictors == ("n" * 9000,)


@pytest.mark.parametrize("name", ["q_78_q", "q_ff_q", "q_abc_q", "q_6c6f67f_q"])
def test_names_that_look_like_aliases_are_names(name):
    data = fuzz.make_data()
    with pytest.raises(DataError, match=f"no column '{name}'"):
        bg.GLMM(f"y ~ log({name})", data)
    data[name] = data["w"]
    design = bg.GLMM(f"y ~ log({name})", data).design
    assert design.coefs == ("Intercept", f"log({name})")
    np.testing.assert_array_equal(design.X[:, 1], np.log(data["w"]))


@pytest.mark.parametrize(
    "text",
    [
        "b1 = \ud800", "b1 < \0", "(" * 9000 + "b1", "-" * 9000 + "b1", "b1 + " * 9000 + "b1", "b1 < " + "9" * 400,
        "b1 < " + "9" * 9000, "__import__('os').system('x')", "b1.__class__", "b1[0]", "(lambda: 1)()", "exp(*b1)",
        "b1 if b2 else b3", "exp(x=b1)", "eval('1')", "f'{b1}'", "(b1 := 2)", "`b1` `b2`", "_quoted_0", "1 < 2", "",
        "=", "b1 = b2 = b3", "b1 # - b2 = 0", "b1 - scale(0x" + "f" * 5000 + ")", 7, None.__class__, [], [["b1"]],
        {"a": 1}, b"b1", [b"b1"], ["b1", 3],
    ],
)  # fmt: skip
def test_hypotheses_are_read_or_refused(text):
    effects = xr.DataArray(np.ones((1, 4, 3)), dims=("chain", "draw", "obs"))
    with pytest.raises(PredictionError):
        bg.hypotheses(effects, text)


def test_how_deep_texts_may_nest_does_not_hang_on_the_interpreters_limit():
    effects = xr.DataArray(np.ones((1, 4, 3)), dims=("chain", "draw", "obs"))
    before = sys.getrecursionlimit()
    for limit in (1000, 50_000):  # pytensor raises it
        sys.setrecursionlimit(limit)
        try:
            assert bg.hypotheses(effects, " + ".join(["b1"] * 400)).estimate[0] == 400
            assert check_expression(" + ".join(["x"] * 400)) == ("x",)
            with pytest.raises(PredictionError, match="more than 500 operations"):
                bg.hypotheses(effects, " + ".join(["b1"] * 700))
            with pytest.raises(FormulaError, match="more than 500 operations"):
                check_expression(" + ".join(["x"] * 700))
        finally:
            sys.setrecursionlimit(before)


@pytest.mark.parametrize(
    "described",
    [
        None, [], "Normal", {}, {"name": "Normal"}, {"name": [], "parameters": {}},
        {"name": "Normal", "parameters": [1]},
        {"name": "Normal", "parameters": {"mu": None}}, {"name": "Normal", "parameters": {"mu": "x"}},
        {"name": "Normal", "parameters": {"name": 1}}, {"name": "Normal", "parameters": {"self": 1}},
        {"name": "Normal", "parameters": {"mu": 10**400}}, {"name": "Normal", "parameters": {"eval": 1}},
        {"name": "__class__", "parameters": {}}, {"name": "Normal", "parameters": {"mu": 0, "sigma": "nan"}},
    ],
)  # fmt: skip
def test_descriptions_of_priors_are_read_or_refused(described):
    with pytest.raises(PriorError):
        bg.Prior.from_dict(described)
    content = json.loads(ModelSpec.build("y ~ x").to_json())
    with pytest.raises(GLMMError):
        ModelSpec.from_json(json.dumps(content | {"priors": [["beta", described]]}))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 9000, "null", "9" * 9000, "\ud800", '{"version": 1}', b"\xff"]
)
def test_text_that_is_no_model_is_refused(text):
    with pytest.raises(GLMMError, match="specification"):
        ModelSpec.from_json(text)
