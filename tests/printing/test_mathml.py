"""Formulas as MathML: well-formed, every family's and link's known, the user's names whole and escaped."""

import re
from xml.etree import ElementTree

import pytest

import bayes_glmm as bg
from bayes_glmm.links import LINKS
from bayes_glmm.printing.latex import upright
from bayes_glmm.printing.mathml import mathml


def tree(latex):
    return ElementTree.fromstring(mathml(latex))


def shape(element):
    """An element without attributes: its name, and its text or its children."""
    return (element.tag, [shape(one) for one in element] or element.text)


def one(latex):
    (inside,) = tree(latex)
    return shape(inside)


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("x", ("mi", "x")),
        ("12.5", ("mn", "12.5")),
        (r"x_1^2", ("msubsup", [("mi", "x"), ("mn", "1"), ("mn", "2")])),
        (r"x^2_1", ("msubsup", [("mi", "x"), ("mn", "1"), ("mn", "2")])),
        (r"\operatorname{logit}", ("mi", "logit")),
        (r"\sum_{i}", ("munder", [("mo", "∑"), ("mi", "i")])),
        (r"\frac{1}{n}", ("mfrac", [("mrow", [("mn", "1")]), ("mrow", [("mi", "n")])])),
        (r"\sqrt[3]{x}", ("mroot", [("mrow", [("mi", "x")]), ("mrow", [("mn", "3")])])),
        (r"\mathbb{R}", ("mi", "ℝ")),
        (r"\boldsymbol{\beta}", ("mi", "𝜷")),
        (r"\text{for all }", ("mtext", "for\N{NO-BREAK SPACE}all\N{NO-BREAK SPACE}")),
        (r"\hat{x}", ("mover", [("mrow", [("mi", "x")]), ("mo", "^")])),
    ],
)
def test_what_is_read(latex, expected):
    assert one(latex) == expected


@pytest.mark.parametrize(
    "name", ["x", "log_x", "a b", "50 %", "<script>", "a\\b", "x^2", "~", "温度", "{}", "$x$", "#&", "a\\ b", " x "]
)
def test_names_come_back_as_they_are(name):
    found = one(upright(name))
    assert found == ("mi", name.replace(" ", "\N{NO-BREAK SPACE}"))


@pytest.mark.parametrize("latex", [family.latex for family in bg.FAMILIES.values()], ids=list(bg.FAMILIES))
def test_every_family_is_known(latex):
    for field, written in {"mu": r"\mu_i", "y": "y_i", "g": r"\operatorname{logit}"}.items():
        latex = latex.replace(f"{{{field}}}", written)
    assert tree(f"\\begin{{aligned}}{latex}\\end{{aligned}}").find(".//merror") is None


@pytest.mark.parametrize("latex", [link.latex for link in LINKS.values()], ids=list(LINKS))
def test_every_link_is_known(latex):
    assert tree(latex).find(".//merror") is None


def test_lines_and_columns_of_an_equation():
    rows = tree("\\begin{aligned}\na &= b + c \\\\\n&\\quad + d\n\\end{aligned}").findall(".//mtr")
    assert [[ElementTree.tostring(cell, encoding="unicode", method="text") for cell in row] for row in rows] == [
        ["a", "=b+c"], ["", "+d"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\nosuch", r"\nosuch"), ("}", "}"), ("{x", "{"), (r"\begin{nosuch}", r"\begin{nosuch}"), (r"a & b", "&"),
        (r"\begin{pmatrix} 1 & 2", r"\begin{pmatrix}"), (r"\left( x", r"\left"), (r"\frac{1}", "{}"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_shown(latex, shown):
    assert [one.text for one in tree(latex).findall(".//merror/mtext")] == [shown]


@pytest.mark.parametrize(
    "latex", ["", " ", "^", "_", "\\", "x_", r"\sqrt", r"\left", r"\right)", "''", r"\text{a", "\x00"[1:]]
)
def test_nothing_breaks_it(latex):
    assert tree(latex).tag == "math"


def test_a_models_equation_has_no_unknown_part_and_no_script(sleepstudy):
    equation = bg.GLMM("Reaction ~ Days + (Days | Subject)", sleepstudy).equation()
    html = equation._repr_html_()
    math = ElementTree.fromstring(re.search(r"<math.*</math>", html)[0])
    assert math.find(".//merror") is None and len(math.findall(".//mtable")) == 2
    assert equation._repr_latex_() == f"$${equation}$$" and isinstance(equation, str)
