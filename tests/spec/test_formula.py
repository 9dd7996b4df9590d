import numpy as np
import pytest

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec import safe
from bayes_glmm.spec.expression import read_expression, write
from bayes_glmm.spec.formula import Bar, parse_formula
from bayes_glmm.spec.functions import FUNCTIONS

PARTS = [
    ("y ~ x", "1 + x", (), ()),
    ("y~1", "1", (), ()),
    ("y ~ (1 | g)", "1", (), (Bar("1", ("g",)),)),
    ("y ~ 0 + x", "0 + x", (), ()),
    ("y ~ x - 1", "x - 1", (), ()),
    ("y ~ (0 + x)", "0 + x", (), ()),
    ("y ~ z + ((x - 1))", "z + x - 1", (), ()),
    ("y ~ (0 + x + (1 | g))", "0 + x", (), (Bar("1", ("g",)),)),
    ("y ~ 0 + (x + (1 | g))", "0 + x", (), (Bar("1", ("g",)),)),
    ("y ~ ((0 + x) | g)", "1", (), (Bar("0 + x", ("g",)),)),
    ("y ~ (x + offset(e))", "1 + x", ("e",), ()),
    ("y ~ (a + b)^2", "1 + (a + b)**2", (), ()),
    ("y ~ (a + b)^(2)", "1 + (a + b)**(2)", (), ()),
    ("Reaction ~ Days + (Days | Subject)", "1 + Days", (), (Bar("1 + Days", ("Subject",)),)),
    ("y ~ x + (x || g)", "1 + x", (), (Bar("1 + x", ("g",), correlated=False),)),
    ("y ~ (0 + x | g)", "1", (), (Bar("0 + x", ("g",)),)),
    ("y ~ (-1 + x | g)", "1", (), (Bar("- 1 + x", ("g",)),)),
    ("y ~ (1 | a/b)", "1", (), (Bar("1", ("a",)), Bar("1", ("a", "b")))),
    ("y ~ (1 | a/b/c)", "1", (), (Bar("1", ("a",)), Bar("1", ("a", "b")), Bar("1", ("a", "b", "c")))),
    ("y ~ (1 | a:b) + (x | c)", "1", (), (Bar("1", ("a", "b")), Bar("1 + x", ("c",)))),
    ("y ~ x + offset(log(e)) + offset(z)", "1 + x", ("log(e)", "z"), ()),
    ("y ~ (x + (1 | g))", "1 + x", (), (Bar("1", ("g",)),)),
    ("y ~ x +\n   (1 |\n g)", "1 + x", (), (Bar("1", ("g",)),)),
    ("y ~ `body mass` + (1 | `the herd`)", "1 + `body mass`", (), (Bar("1", ("the herd",)),)),
    ("y ~ f*x + (f | g)", "1 + f*x", (), (Bar("1 + f", ("g",)),)),
    ("y ~ (x | p | g)", "1", (), (Bar("1 + x", ("g",), together="p"),)),
    (
        "y ~ (1 | p | g) + (0 + x | p | g)",
        "1",
        (),
        (Bar("1", ("g",), together="p"), Bar("0 + x", ("g",), together="p")),
    ),
    ("y ~ (1 | factor(g)) + (1 | as.factor(a):C(b))", "1", (), (Bar("1", ("g",)), Bar("1", ("a", "b")))),
    ("y ~ (1 | interaction(a, b))", "1", (), (Bar("1", ("a", "b")),)),
    ("class ~ lambda + RT..s. + (in | is)", "1 + lambda + RT..s.", (), (Bar("1 + in", ("is",)),)),
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
        ("se(y) ~ 1", r"Write se\(y, sei\)"),
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
    ("y ~ .", "all other columns of the data, and there are none"),
    ("y ~ x; sigma ~ z", "A model is one formula.*sigma"),
    ("y ~ x + (1 | g), family = poisson", "no term of a formula"),
    ("bf(y ~ x, sigma ~ z)", "Write the formula itself"),
    ("y ~ SSlogis(x, a, b, c)", "nonlinear models are not available"),
    ("y ~ x | g", "in parentheses"),
    ("y ~ a*(1 | g)", "added with"),
    ("y ~ x - (1 | g)", "cannot be subtracted"),
    ("y ~ ( | g)", "nothing on the left of the bar"),
    ("y ~ (1 | )", "no grouping factor"),
    ("y ~ (0 | g)", "no coefficients"),
    ("y ~ (1 | p | g) + (0 + x | p | h)", "only effects of one grouping factor can be correlated"),
    ("y ~ (1 | log(g))", "make a column"),
    ("y ~ (1 | factor(g, h))", "make a column"),
    ("y ~ (1 | gr(g, cov = K))", "Covariances between levels"),
    ("y ~ (1 | a + b)", r"\(1 \| a\) \+ \(1 \| b\)"),
    ("y ~ (1 | a*b)", r"\(1 \| a:b\)"),
    ("y ~ (1 | g:g)", "appears twice"),
    ("y ~ (1 | mm(a, b))", "Multi-membership"),
    ("p(k) ~ x", "two arguments"),
    ("y, z ~ x", "One response"),
    ("y ~ y + x", "also a predictor"),
    ("y ~ s(x):z", "a smooth is a term of its own"),
    ("y ~ gp(x):z", "a smooth is a term of its own"),
    ("y ~ log(s(x))", "a smooth is a term of its own"),
    ("y ~ s(x, z)", "s\\(\\) is of one column; write t2"),
    ("y ~ s(x, bs='tp')", "has one basis, cubic regression splines"),
    ("y ~ s(x, kk=3)", "no option 'kk'. Did you mean 'k'"),
    ("y ~ s(x, 10)", "settings have names, k=10"),
    ("y ~ s(x, k=2)", "k is one whole number from 3 to 64, not 2"),
    ("y ~ s()", "needs a column"),
    ("y ~ s(x, by=log(z))", "by= is one column"),
    ("y ~ s(x, by=x)", "cannot be its by="),
    ("y ~ s(x) + s(x)", "appears twice"),
    ("y ~ z - s(x)", "cannot be subtracted"),
    ("y ~ (s(x) | g)", "s\\(x, by=g\\)"),
    ("y ~ t2(x)", "is of two columns"),
    ("y ~ ti(x, z)", "write t2\\(x, z\\), which holds both"),
    ("y ~ hsgp(x, c=1)", "c is one number above 1"),
    ("y ~ hsgp(x, m=5, k=6)", "give one of them"),
    ("y ~ gp(x, cov='periodic')", "cov is one of"),
    ("y ~ polly(x, 2)", "Did you mean 'poly'"),
    ("y ~ np.logg(x)", "Did you mean 'np.log"),
    ("y ~ poly(x, degre=2)", "Did you mean 'degree'"),
    ("y ~ I(x - x.mean())", r"write mean\(x\)"),
    ("y ~ I(x / np.std(x))", r"use mean\(x\), sd\(x\)"),
    ("y ~ cut(x, quantile(x))", "breaks is computed by quantile"),
    ("y ~ poly(x, 100000)", "refused"),
    ("y ~ offset()", "needs an expression"),
    ("y ~ x - offset(z)", "cannot be subtracted"),
    ("y ~ C(f, summ)", "contr.sum"),
    ("y ~ x > 0", r"within I\(\), as in I\(x > 0\)"),
    ("y ~ I(0 < x < 1)", "one comparison at a time"),
    ("y ~ I(x > 0 and z > 0)", "write & for 'and'"),
    ("y ~ I(f %in% g)", r"right of %in% stand constants"),
    ("y ~ I(x %o% z)", "other than %in%"),
    ("y ~ scale(x)[, 1]", "is one column as it is"),
    ("y ~ I(scale(x)[, 1])", "is one column as it is"),
    ("y ~ ave(x, g, FUN = function(z) sum(z))", "functions of your own"),
    ("y ~ I(a:b)", r"interaction\(a, b\)"),
    ("y ~ factor(x, level = 1:3)", "Did you mean 'levels'"),
    ("y ~ poly(x, 2, degree = 3)", "degree is given twice"),
    ("y ~ ifelse(x > 0, 1)", "ifelse needs no"),
    ("y ~ rcs(x, 100000)", "refused"),
    ("y ~ cut(x, 1:100000)", "may have 1000 numbers"),
    ("y ~ as.POSIXct(d)", "times become numbers in the data"),
    ("y ~ as.Factor(x)", "Did you mean 'as.factor'"),
    ("y ~ x + (factor(`g`", "Unbalanced"),
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
    monkeypatch.setattr("bayes_glmm.design.encoding.evaluate", refuse)
    monkeypatch.setattr("formulaic.materializers.base.stateful_eval", refuse)
    monkeypatch.setattr("os.system", refuse)
    monkeypatch.setattr(np, "loadtxt", refuse)
    with pytest.raises(FormulaError):
        parse_formula(place.replace("{}", term))


def test_every_listed_function_is_accepted():
    for name, function in FUNCTIONS.items():
        assert safe.check_terms(f"1 + {name}({', '.join(function.values)})") == function.values


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x > 0 & !(f %in% c('a', \"b\"))", "x > 0 & !f %in% c('a', 'b')"),
        ("-x^2", "-x ** 2"),
        ("(-x)^2", "(-x) ** 2"),
        ("x^-y^z", "x ** -y ** z"),
        ("a - (b - c) - (d*e)", "a - (b - c) - d * e"),
        ("(a + b) * c / (d / e)", "(a + b) * c / (d / e)"),
        ("a %% 2 * 3 == (1 == b)", "a %% 2 * 3 == (1 == b)"),
        ("!a == b | ~c", "!a == b | !c"),
        ("(!a) + -b", "(!a) + -b"),
        ("a||b&&c", "a | b & c"),
        (
            "cut(x,breaks=c(-Inf,1,2:4,1e3),include.lowest=TRUE)",
            "cut(x, breaks=c(-Inf, 1, 2:4, 1000.0), include.lowest=TRUE)",
        ),
        ("splines::ns(log(total.fruits), 2L)", "ns(log(total.fruits), 2)"),
        ("`body mass` + `TRUE` + x.y", "`body mass` + `TRUE` + x.y"),
        ("f == 'it\\'s' | f == \"say \\\\\"", "f == \"it's\" | f == 'say \\\\'"),
    ],
)
def test_expressions_are_read_with_the_precedences_of_r(text, written):
    """What is written back reads back as the same tree, with columns' names as they are and hidden."""
    tree = read_expression(text)
    plain = write(tree, lambda name: name if safe.alias(name) == name or "." in name else f"`{name}`")
    assert plain == written
    assert read_expression(plain) == tree
    hidden = safe.hide_names(text)
    assert safe.hide_names(hidden) == hidden


def test_nested_terms_are_interactions():
    assert safe.parse_terms("1 + a:b %in% c") == safe.parse_terms("1 + a:b:c")
    assert parse_formula("y ~ I(a > 0 | b > 0) + (1 | g)").predictors == ("a", "b")


@pytest.mark.parametrize("name", ["a b", "class", "log", "np", "ä", "x__y", "a:b", "1st", "it's", 'say "x"'])
def test_aliases_can_be_read_back(name):
    assert safe.alias(name).isidentifier()
    assert safe.show_names(safe.alias(name)) == name
    assert safe.check_expression(f"log(`{name}`)") == (name,)
