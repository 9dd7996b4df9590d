import numpy as np
import pytest

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec import safe
from bayes_glmm.spec.formula import Bar, parse_formula

PARTS = [
    ("y ~ x", "1 + x", (), ()),
    ("y~1", "1", (), ()),
    ("y ~ (1 | g)", "1", (), (Bar("1", ("g",)),)),
    ("y ~ 0 + x", "0 + x", (), ()),
    ("y ~ x - 1", "x - 1", (), ()),
    ("y ~ (a + b)^2", "1 + (a + b)**2", (), ()),
    ("Reaction ~ Days + (Days | Subject)", "1 + Days", (), (Bar("1 + Days", ("Subject",)),)),
    ("y ~ x + (x || g)", "1 + x", (), (Bar("1 + x", ("g",), correlated=False),)),
    ("y ~ (0 + x | g)", "1", (), (Bar("0 + x", ("g",)),)),
    ("y ~ (-1 + x | g)", "1", (), (Bar("- 1 + x", ("g",)),)),
    ("y ~ (1 | a/b)", "1", (), (Bar("1", ("a",)), Bar("1", ("a", "b")))),
    ("y ~ (1 | a/b/c)", "1", (), (Bar("1", ("a",)), Bar("1", ("a", "b")), Bar("1", ("a", "b", "c")))),
    ("y ~ (1 | a:b) + (x | c)", "1", (), (Bar("1", ("a", "b")), Bar("1 + x", ("c",)))),
    ("y ~ x + offset(log(e)) + offset(z)", "1 + x", ("log(e)", "z"), ()),
    ("y ~ (x + (1 | g))", "1 + (1 + x)", (), (Bar("1", ("g",)),)),
    ("y ~ x +\n   (1 |\n g)", "1 + x", (), (Bar("1", ("g",)),)),
    ("y ~ `body mass` + (1 | `the herd`)", "1 + `body mass`", (), (Bar("1", ("the herd",)),)),
    ("y ~ f*x + (f | g)", "1 + f*x", (), (Bar("1 + f", ("g",)),)),
]


@pytest.mark.parametrize(("text", "fixed", "offsets", "bars"), PARTS)
def test_parts_of_a_formula(text, fixed, offsets, bars):
    formula = parse_formula(text)
    assert (formula.fixed, formula.offsets, formula.bars) == (fixed, offsets, bars)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y ~ 1", ("y", None, None)),
        ("log(y) ~ 1", ("log(y)", None, None)),
        ("p(k, n) ~ 1", ("k", "n", None)),
        ("p(k, 10) ~ 1", ("k", "10", None)),
        ("weighted(y, w) ~ 1", ("y", None, "w")),
        ("weighted(p(k, n), w) ~ 1", ("k", "n", "w")),
        ("precision(log(y), 1 / s**2) ~ 1", ("log(y)", None, None, "1 / s ** 2")),
        ("`my y` ~ 1", ("`my y`", None, None)),
    ],
)
def test_responses(text, expected):
    response = parse_formula(text).response
    found = (response.expression, response.trials, response.weights, response.precision)
    assert found == (*expected, None)[:4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("precision(weighted(y, w), v) ~ 1", "two weights. Choose weighted"),
        ("weighted(precision(y, v), w) ~ 1", "two weights. Choose weighted"),
        ("precision(y) ~ 1", "Write precision.y, weights., with two arguments"),
        ("y ~ precision(x, w)", "belongs on the left"),
        ("y ~ weights(w)", r"weighted\(y, w\) or precision\(y, w\)"),
        ("y | se(s) ~ 1", r"precision\(y, 1 / s\*\*2\)"),
    ],
)
def test_two_kinds_of_weights(text, message):
    with pytest.raises(FormulaError, match=message):
        parse_formula(text)


def test_variables_by_role_in_order():
    formula = parse_formula("weighted(p(k, n), w) ~ x*`a b` + offset(log(e)) + (z | g/h)")
    assert formula.variables == ("k", "n", "w", "x", "a b", "z", "e", "g", "h")
    assert formula.predictors == ("x", "a b", "z", "e")
    assert formula.group_columns == ("g", "h")


ERRORS = [
    ("y", "no '~'"),
    ("~ x", "no response"),
    ("y ~", "nothing on the right"),
    ("y ~ x ~ z", "more than one '~'"),
    ("y ~ (1 | g", "Unbalanced"),
    ("y ~ x)", "Unbalanced"),
    ("y ~ `x", "not closed"),
    ("y ~ x +", "term is missing"),
    ("y ~ .", "name the columns"),
    ("y ~ x | g", "in parentheses"),
    ("y ~ a*(1 | g)", "added with"),
    ("y ~ x - (1 | g)", "cannot be subtracted"),
    ("y ~ ( | g)", "nothing on the left of the bar"),
    ("y ~ (1 | )", "no grouping factor"),
    ("y ~ (0 | g)", "no coefficients"),
    ("y ~ (1 | p | g)", "more than one bar"),
    ("y ~ (1 | factor(g))", "make a column"),
    ("y ~ (1 | a + b)", r"\(1 \| a\) \+ \(1 \| b\)"),
    ("y ~ (1 | a*b)", r"\(1 \| a:b\)"),
    ("y ~ (1 | g:g)", "appears twice"),
    ("y ~ (1 | mm(a, b))", "Multi-membership"),
    ("y | trials(n) ~ x", r"p\(successes, trials\)"),
    ("cbind(k, n) ~ x", r"p\(successes, trials\)"),
    ("p(k) ~ x", "two arguments"),
    ("y, z ~ x", "One response"),
    ("y ~ y + x", "also a predictor"),
    ("y ~ mo(x)", "monotonic"),
    ("y ~ s(x)", "bs"),
    ("y ~ gp(x)", "Gaussian processes"),
    ("y ~ factor(x)", r"C\(x\)"),
    ("y ~ polly(x, 2)", "Did you mean 'poly'"),
    ("y ~ np.logg(x)", "Did you mean 'log"),
    ("y ~ poly(x, degre=2)", "Did you mean 'degree'"),
    ("y ~ I(x - np.mean(x))", r"center\(x\)"),
    ("y ~ I(x - x.mean())", r"center\(x\)"),
    ("y ~ I(x / sd(x))", r"scale\(x\)"),
    ("y ~ a %in% b", "not allowed"),
    ("y ~ log(Sepal.Length)", "backticks"),
    ("y ~ poly(x, 100000)", "refused"),
    ("y ~ offset()", "needs an expression"),
    ("y ~ x - offset(z)", "cannot be subtracted"),
    ("y ~ C(f, sum)", "contr.sum"),
    ("y ~ 2*x", "Cannot read"),
    ("y ~ x**00", "Cannot read"),
    ("y ~ (a + b)**30", "too many interactions"),
    ("y ~ " + "*".join("abcdefghijklmnop"), "too many interactions"),
    (3, "must be text"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_errors_name_the_culprit_and_the_cure(text, message):
    with pytest.raises(FormulaError, match=message):
        parse_formula(text)


INJECTIONS = [
    "{__import__('os').getcwd()}",
    "os.system('touch /tmp/x')",
    "__import__('os').system('x')",
    "x.__class__",
    "I(x.__class__)",
    "`x`.__class__",
    "np.loadtxt('/etc/passwd')",
    "np.lib.format.open_memmap('x')",
    "I(np.log.__self__)",
    "I((lambda: 1)())",
    "I([i for i in x])",
    "I(f'{x}')",
    "I(x[0])",
    "x[0]",
    "I(y := 3)",
    "I(x if x else x)",
    "I(x and x)",
    "I(*x)",
    "log(x, out=x)",
    "np.log(x, x)",
    "eval('1')",
    "open('/etc/passwd')",
    "getattr(x, 'a')",
    "C(x, __import__('os'))",
    "bs(x, knots=[open('x')])",
    "scale(x, **x)",
    "I('a' * 10**9)",
    "I(9**9**9**9)",
    "pd.read_csv('x')",
    "I(await_(x))",
    "I(__builtins__)",
    "contr.treatment('x')",
    "I(np)",
    "[x]",
    "'x'",
]


@pytest.mark.parametrize("term", INJECTIONS)
@pytest.mark.parametrize(
    "place", ["y ~ {}", "y ~ 1 + offset({})", "y ~ ({} | g)", "p(y, {}) ~ x", "weighted(y, {}) ~ x"]
)
def test_formulas_are_not_code(term, place, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was evaluated")

    monkeypatch.setattr("formulaic.utils.stateful_transforms.stateful_eval", refuse)
    monkeypatch.setattr("formulaic.materializers.base.stateful_eval", refuse)
    monkeypatch.setattr("os.system", refuse)
    monkeypatch.setattr(np, "loadtxt", refuse)
    with pytest.raises(FormulaError):
        parse_formula(place.replace("{}", term))


def test_every_listed_function_is_accepted():
    for name in safe.ELEMENTWISE:
        assert safe.check_expression(f"{name}(x)") == ("x",)
    for name in safe.TRANSFORMS:
        assert safe.check_terms(f"1 + {name}(x)") == ("x",)


@pytest.mark.parametrize("name", ["a b", "class", "log", "np", "ä", "x__y", "a:b", "1st", "it's", 'say "x"'])
def test_aliases_can_be_read_back(name):
    assert safe.alias(name).isidentifier()
    assert safe.show_names(safe.alias(name)) == name
    assert safe.check_expression(f"log(`{name}`)") == (name,)
