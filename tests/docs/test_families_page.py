"""The page of families says of each what its record says, and its formula is the record's density."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from bayes_glmm.families import DISCRETE, FAMILIES

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS / "_extensions"))
import families as page  # noqa: E402

GREEK = r"\\(mu|sigma|phi|nu|eta|tau|pi|alpha|beta|gamma|delta|xi|omega|theta|lambda|kappa)(?![a-z])"
TOKEN = re.compile(r"\d+(?:\.\d+)?|[A-Za-z_]\w*|\*\*|==|\S")
FUNCTIONS = {
    "gamma_of": special.gamma,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "choose": special.binom,
    "cos": np.cos,
    "I_0": special.i0,
    "normal_cdf": special.ndtr,
    "W": lambda a, x: special.wright_bessel(a, a + 1, x),
    "normal_density": lambda z: np.exp(-0.5 * np.square(z)) / np.sqrt(2 * np.pi),
}


def argument(text: str, start: int) -> tuple[str, int]:
    """Return what one pair of braces holds, and where it ends."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 1 : place], place + 1
    raise ValueError(f"a brace is not closed: {text}")


def without_commands(text: str, command: str, pattern: str, count: int) -> str:
    """Write a command's arguments as Python: ``\\frac{a}{b}`` as ``((a)/(b))``."""
    while command in text:
        start = text.index(command)
        place, given = start + len(command), []
        for _ in range(count):
            place += len(text[place:]) - len(text[place:].lstrip())
            inner, place = argument(text, place)
            given.append(inner)
        text = text[:start] + " " + pattern.format(*given) + text[place:]
    return text


def as_python(latex: str) -> str:
    """Write the LaTeX of a density as a Python expression."""
    text = re.sub(r"\\mathit\{(\w+)\}", r" \1 ", latex)
    text = text.replace(r"\left", "").replace(r"\right", "").replace(r"\,", " ").replace("\n", " ")
    text = without_commands(text, r"\frac", "(({0})/({1}))", 2)
    text = without_commands(text, r"\binom", "choose({0},{1})", 2)
    text = without_commands(text, r"\sqrt", "sqrt({0})", 1)
    text = (
        text.replace(r"\Gamma", " gamma_of")
        .replace(r"\exp", " exp")
        .replace(r"\cos", " cos")
        .replace(r"\log y", " log(y)")
    )
    text = text.replace(r"\Phi", " normal_cdf").replace(r"\varphi", " normal_density").replace(r"\lambda", " lambda_ ")
    text = re.sub(r"\[y (=|>) (\d)\]", lambda found: f"(y {found[1].replace('=', '==')} {found[2]})", text)
    text = re.sub(GREEK, r" \1 ", text)
    text = text.replace("y!", "gamma_of(y+1)")
    text = without_commands(text, "e^", "exp({0})", 1)
    tokens = TOKEN.findall(powers(text))
    written = tokens[:1]
    for before, token in zip(tokens, tokens[1:], strict=False):
        ends = before == ")" or re.match(r"[\w.]", before)
        starts = token == "(" or re.match(r"[\w.]", token)
        written += ["*", token] if ends and starts and before not in (*FUNCTIONS, "f") else [token]
    return "".join(written)


def powers(text: str) -> str:
    """Write exponents, in braces or one symbol, as Python's."""
    while "^" in text:
        start = text.index("^")
        rest = text[start + 1 :].lstrip()
        symbol = re.match(r"\w+", rest)
        inner, end = argument(rest, 0) if symbol is None else (symbol[0], symbol.end())
        text = f"{text[:start]}**({inner}){rest[end:]}"
    return text


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.probabilities is None])
def test_the_formula_is_the_density(name):
    family, text = FAMILIES[name], page.TEXTS[name]
    expression = as_python(text["density"])
    low, high = text["range"]
    inside = np.arange(low, high + 1.0) if family.support in DISCRETE else np.linspace(low, high, 7)
    y = np.concatenate([getattr(family, "atoms", ()), inside])
    for curve in text["curves"]:
        names = {**FUNCTIONS, **symbols(name, curve), "y": y}
        for line in text.get("where", ()):
            symbol, stated = line.split("=", 1)
            names[as_python(symbol.strip())] = eval(as_python(stated), {"__builtins__": {}}, names)
        assert np.allclose(eval(expression, {"__builtins__": {}}, names), page.values_at(family, y, curve)), expression


def symbols(name: str, curve: dict[str, float]) -> dict[str, object]:
    """Return what the symbols of a family's density stand for: mu, the parameters as in equations, pi, n, eta and f."""
    family, text = FAMILIES[name], page.TEXTS[name]
    held = {"pi": np.pi, "n": text.get("trials"), "mu": curve["mu"], "eta": special.logit(np.clip(curve["mu"], 0, 1))}
    held |= {as_python(one.latex): curve[one.name] for one in family.parameters}
    if base := text.get("base"):

        def f(y):
            between = np.where(page.ends(family, y), 0.5, y)
            density = page.values_at(FAMILIES[base], between, curve, text.get("trials"))
            return np.where(page.ends(family, y), 0.0, density)

        held["f"] = f
    return held


#: Formulas of ordered categories, and the same as functions of the inverse link F, the place y, eta and thresholds.
ORDERED = {
    "cumulative": (
        r"F(\tau_{y} - \eta) - F(\tau_{y - 1} - \eta)",
        lambda F, y, eta, tau: F(np.append(tau, np.inf)[y] - eta) - F(np.append(tau, -np.inf)[y - 1] - eta),
    ),
    "sratio": (
        r"F(\tau_y - \eta) \prod_{c < y} \left(1 - F(\tau_c - \eta)\right)",
        lambda F, y, eta, tau: F(np.append(tau, np.inf)[y] - eta) * np.prod(1 - F(tau[:y] - eta)),
    ),
    "cratio": (
        r"\left(1 - F(\eta - \tau_y)\right) \prod_{c < y} F(\eta - \tau_c)",
        lambda F, y, eta, tau: (1 - F(eta - np.append(tau, np.inf)[y])) * np.prod(F(eta - tau[:y])),
    ),
    "acat": (
        r"\propto \prod_{c < y} F(\eta - \tau_c) \prod_{c \ge y} \left(1 - F(\eta - \tau_c)\right)",
        lambda F, y, eta, tau: np.prod(F(eta - tau[:y])) * np.prod(1 - F(eta - tau[y:])),
    ),
}


def test_the_formulas_of_ordered_categories_are_their_densities():
    assert set(ORDERED) == {name for name, family in FAMILIES.items() if family.support == "ordered"}
    for name, (formula, function) in ORDERED.items():
        assert page.TEXTS[name]["density"] == formula
        curve = page.TEXTS[name]["curves"][2]
        written = np.array([function(special.expit, y, curve["eta"], np.array(curve["thresholds"])) for y in range(4)])
        written = written / written.sum() if formula.startswith(r"\propto") else written
        assert np.allclose(page.values_at(FAMILIES[name], np.arange(4.0), curve), written)


def test_the_formula_of_categories_without_an_order_is_their_density():
    text = page.TEXTS["categorical"]
    assert text["density"] == r"\frac{e^{\eta_y}}{\sum_c e^{\eta_c}}"
    eta = np.array(list(text["curves"][0].values()))
    assert np.allclose(page.values_at(FAMILIES["categorical"], np.arange(4.0), text["curves"][0]), special.softmax(eta))


def test_every_family_has_its_texts_and_stands_on_the_page():
    assert set(FAMILIES) - set(page.TEXTS) == set(), "docs/families.toml has no text of them"
    text = page.page()
    for name, family in FAMILIES.items():
        assert f"\n## {name}\n" in text
        for parameter in family.parameters:
            assert f"| `{parameter.name}` |" in text
    for support in {family.support for family in FAMILIES.values()}:
        assert support in page.RESPONSES


def test_probabilities_of_whole_numbers_add_up_to_one():
    for name, family in FAMILIES.items():
        if family.support in DISCRETE - {"count"}:
            low, high = page.TEXTS[name]["range"]
            for curve in page.TEXTS[name]["curves"]:
                assert page.values_at(family, np.arange(low, high + 1.0), curve).sum() == pytest.approx(1)


def test_the_table_of_the_readme_is_the_records():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert page.with_table(readme) == readme, "run: python docs/_extensions/families.py"
