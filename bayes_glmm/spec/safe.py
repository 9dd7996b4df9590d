"""What a formula may say: a closed list of functions, checked on the syntax tree before anything is evaluated.

Input: an expression (``log(x) + 1``) or a sum of terms (``1 + poly(x, 2)*f``). Output: the names of the columns it
reads, or a `FormulaError`. Nothing is evaluated here; `bayes_glmm.design.encoding` evaluates with exactly the names
listed here.
"""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from functools import lru_cache

from formulaic.errors import FormulaicError
from formulaic.parser import DefaultFormulaParser
from formulaic.parser.types import Factor, Term, Token

from bayes_glmm.errors import FormulaError, nearest
from bayes_glmm.spec.expansion import MAX_NESTED, balanced, check_expansion, leaves, nested_deeper

__all__ = ["ELEMENTWISE", "FUNCTIONS", "UFUNCS", "alias", "check_expression", "check_terms", "hide_names", "show_names"]

#: NumPy functions of one number that may be written bare (``log(x)``) or as ``np.log(x)``.
ELEMENTWISE = (
    "log", "log10", "log2", "log1p", "exp", "exp2", "expm1", "sqrt", "cbrt", "square", "abs", "sign", "floor", "ceil",
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
)  # fmt: skip

#: What may follow ``np.``, with the number of arguments.
UFUNCS: dict[str, int] = {
    **dict.fromkeys((*ELEMENTWISE, "reciprocal", "negative", "deg2rad", "rad2deg", "rint", "trunc"), 1),
    "power": 2, "minimum": 2, "maximum": 2, "hypot": 2, "arctan2": 2, "fmod": 2,
}  # fmt: skip

_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")

#: Transforms and contrasts: the names of their arguments after the column.
TRANSFORMS: dict[str, tuple[str, ...]] = {
    "I": (),
    "center": (),
    "scale": ("center", "scale", "ddof"),
    "poly": ("degree", "raw"),
    "bs": ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound", "extrapolation"),
    "cr": _SPLINE,
    "cs": _SPLINE,
    "cc": _SPLINE,
    "C": ("contrasts", "levels"),
}

CONTRASTS: dict[str, tuple[str, ...]] = {
    "treatment": ("base",),
    "sum": (),
    "helmert": ("reverse", "scale"),
    "poly": ("scores",),
    "diff": ("backward",),
    "SAS": ("base",),
}

#: Every bare function name a formula may call.
FUNCTIONS: tuple[str, ...] = (*ELEMENTWISE, *TRANSFORMS)

_AGGREGATIONS = frozenset(
    "mean std var sum min max median average prod cumsum cumprod nanmean nanstd amin amax ptp quantile percentile "
    "argmax argmin sort rank ewm rolling ave sd diff gradient mad size len".split()
)

_ELSEWHERE = {
    "mo": "monotonic effects are not available: use the ordered column itself (treatment contrasts) or "
    "C(x, contr.diff)",
    "s": "smooths are not available: use a spline basis, bs(x, df=5) or cr(x, df=5)",
    "t2": "smooths are not available: use products of spline bases, bs(x, df=4):bs(z, df=4)",
    "te": "smooths are not available: use products of spline bases, bs(x, df=4):bs(z, df=4)",
    "ti": "smooths are not available: use products of spline bases, bs(x, df=4):bs(z, df=4)",
    "ns": "the natural cubic spline is called cr here: cr(x, df=4)",
    "rcs": "the natural cubic spline is called cr here: cr(x, df=4)",
    "gp": "Gaussian processes are not available",
    "hsgp": "Gaussian processes are not available",
    "me": "measurement error terms are not available",
    "mi": "imputation terms are not available: rows with missing values are dropped",
    "mm": "multi-membership terms are not available",
    "ar": "autocorrelation terms are not available",
    "factor": "write C(x)",
    "as.factor": "write C(x)",
    "ordered": "make the column an ordered categorical in the data",
    "trials": "write the response as p(successes, trials)",
    "cbind": "write the response as p(successes, trials)",
    "p": "p(successes, trials) belongs on the left of '~'",
    "prop": "write the response as p(successes, trials)",
    "weighted": "weighted(y, w) belongs on the left of '~'",
    "precision": "precision(y, w) belongs on the left of '~'",
    "weights": "write the response as weighted(y, w) or precision(y, w)",
    "exposure": "write offset(log(n))",
    "offset": "offset(...) must be a term of its own on the right of '~'",
    "censored": "censored responses are not available",
    "truncated": "truncated responses are not available",
    "standardize": "write scale(x)",
    "lag": "make the lagged column in the data",
    "hashed": "make the column in the data",
    "Treatment": "write contr.treatment('level')",
    "Sum": "write contr.sum",
    "Poly": "write contr.poly",
    "Helmert": "write contr.helmert",
    "Q": "put the name in backticks",
    "ifelse": "make the column in the data, or compare: I(x > 1)",
}

_ALIAS = re.compile(r"\bq_([0-9a-f]+)_q\b")
_PIECES = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)""")
_WORD = re.compile(r"[^\W\d]\w*")
_COLUMN = re.compile(r"^[^\W\d]\w*(?:\.\w+)*$|^_\w*$")
_MAX_SIZE = 1000
_MAX_DEGREE = 10
_MAX_DEPTH = 10

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.BitAnd)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def alias(name: str) -> str:
    """Return the identifier that stands for a column while an expression is parsed and evaluated.

    Parameters
    ----------
    name
        A column name, any text.

    Returns
    -------
    str
        The name itself where it is an identifier and no function of ours; otherwise an identifier that spells it in
        hexadecimal, so that nothing has to remember the pair.

    Examples
    --------
    >>> alias("x")
    'x'
    >>> show_names(alias("body mass"))
    'body mass'
    """
    taken = name in FUNCTIONS or name in ("np", "contr") or keyword.iskeyword(name) or "__" in name
    if (name.isidentifier() and name.isascii() and not taken) or not name:
        return name
    return f"q_{name.encode().hex()}_q"


def hide_names(text: str) -> str:
    """Replace each name in backticks by its alias, and each other name that is not of ASCII letters.

    Parameters
    ----------
    text
        A formula or a part of one, its quotes and backticks balanced.

    Returns
    -------
    str
        The text without backticks.

    Raises
    ------
    FormulaError
        If a backtick is left, between quotes.

    Notes
    -----
    Python reads other letters in a normal form (the micro sign becomes a Greek mu), under which a column is not found.
    """
    pieces = _PIECES.split(text)
    for position, piece in enumerate(pieces):
        if piece.startswith("`"):
            pieces[position] = alias(piece[1:-1])
        elif position % 2 == 0 and not piece.isascii():
            pieces[position] = _WORD.sub(lambda match: match[0] if match[0].isascii() else alias(match[0]), piece)
    hidden = "".join(pieces)
    if "`" in hidden:
        # formulaic would look for names in backticks there, and evaluate other text than the text checked here
        raise FormulaError(f"A backtick may only enclose a column name, not stand between quotes: {text!r}.")
    return hidden


def show_names(text: str) -> str:
    """Put the columns' own names back in the place of their aliases.

    Parameters
    ----------
    text
        Text with aliases, a coefficient's name for example.

    Returns
    -------
    str
        The text with the names.
    """
    return _ALIAS.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    try:
        name = bytes.fromhex(match[1]).decode()
    except ValueError:
        return match[0]
    # a column that looks like an alias may be none
    return name if alias(name) == match[0] else match[0]


def check_terms(text: str) -> tuple[str, ...]:
    """Check a sum of terms in R's notation.

    Parameters
    ----------
    text
        Terms without bars or offsets: ``"1 + x*f + poly(z, 2)"``.

    Returns
    -------
    tuple of str
        The columns read, in order of appearance.

    Raises
    ------
    FormulaError
        If the text cannot be parsed or says anything outside the closed list.
    """
    columns: dict[str, None] = {}
    for term in parse_terms(text):
        for factor in term.factors:
            if factor.eval_method is Factor.EvalMethod.LITERAL:
                continue
            found = (
                (show_names(factor.expr),)
                if factor.eval_method is Factor.EvalMethod.LOOKUP
                else check_expression(factor.expr)
            )
            columns.update(dict.fromkeys(found))
    return tuple(columns)


@lru_cache(maxsize=512)
def parse_terms(text: str) -> tuple[Term, ...]:
    """Expand a sum of terms into formulaic's terms, column names as aliases, nothing evaluated.

    Parameters
    ----------
    text
        Terms without bars or offsets.

    Returns
    -------
    tuple of formulaic.parser.types.Term
        The terms, the intercept first where there is one.

    Raises
    ------
    FormulaError
        If the text is not a sum of terms.
    """
    hidden = hide_names(text)
    for char, hint in (("{", "curly braces"), ("[", "square brackets"), ("%", "the operator %"), ("\\", "backslashes")):
        outside = "".join(_PIECES.split(hidden)[::2])
        if char in outside and not (char == "[" and "(" in outside):
            raise FormulaError(f"Formulas may not hold {hint}: {text!r}.")
    parser = DefaultFormulaParser(include_intercept=True, feature_flags=set())
    try:
        tree = parser.get_ast(hidden)
        check_expansion(tree, text)
        for token in leaves(tree):
            # x - f(z) never evaluates f(z), which may be misspelt all the same
            if token.kind is Token.Kind.PYTHON:
                check_expression(token.token)
            elif token.kind is Token.Kind.NAME:
                _checked_column(token.token)
        terms = parser.get_terms_from_ast(balanced(tree), context={})
    except (FormulaicError, SyntaxError, ValueError, TypeError, RecursionError, RuntimeError) as error:
        if isinstance(error, FormulaError):
            raise
        reason = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error)).split("\n")[0]
        if isinstance(error, SyntaxError):
            reason = "within functions, names that are words of Python, or hold blanks or dots, go in backticks."
        raise FormulaError(f"Cannot read the terms {text!r}: {show_names(reason)}") from None
    if not all(isinstance(term, Term) for term in terms):
        raise FormulaError(f"Cannot read the terms {text!r}: expected one sum of terms.")
    return tuple(Term([_named(factor) for factor in term.factors]) for term in terms)


def _named(factor: Factor) -> Factor:
    """Check a bare name and write it as its alias, so that ``a.b`` and `` `a.b` `` are one column."""
    if factor.eval_method is not Factor.EvalMethod.LOOKUP:
        return factor
    return Factor(alias(_checked_column(factor.expr)), eval_method="lookup")


@lru_cache(maxsize=512)
def check_expression(text: str) -> tuple[str, ...]:
    """Check one expression against the closed list of functions and operators.

    Parameters
    ----------
    text
        A Python expression of columns, numbers and functions, such as ``"log(x) + 1"``; names with spaces in backticks.

    Returns
    -------
    tuple of str
        The columns read, in order of appearance.

    Raises
    ------
    FormulaError
        If the expression says anything outside the closed list; nothing has been evaluated.

    Examples
    --------
    >>> check_expression("np.log(exposure) + `body mass`")
    ('exposure', 'body mass')
    """
    try:
        tree = ast.parse(hide_names(text).strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(
            f"Cannot read the expression {show_names(text)!r}; put column names with spaces or dots in backticks."
        ) from None
    if nested_deeper(tree, MAX_NESTED):
        raise FormulaError(f"{text[:60]!r}... has more than {MAX_NESTED} operations within each other.")
    checker = _Checker(show_names(text))
    checker.value(tree.body)
    return tuple(checker.columns)


def _checked_column(name: str) -> str:
    shown = show_names(name)
    if shown == name and (not _COLUMN.match(name) or "__" in name):
        raise FormulaError(
            f"{name!r} is not a plain column name; put it in backticks if it is one, and write functions as f(x)."
        )
    return shown


@dataclass
class _Checker:
    """Walk one expression's tree, collect its columns and refuse what is not listed."""

    text: str

    def __post_init__(self) -> None:
        self.columns: dict[str, None] = {}
        self.depth = 0

    def fail(self, reason: str) -> FormulaError:
        return FormulaError(f"In the formula, {self.text!r}: {reason}.")

    def value(self, node: ast.AST) -> None:
        """Check a node that stands for numbers, one per row."""
        match node:
            case ast.Name(id=name):
                self.columns[self.column(name)] = None
            case ast.Constant(value=bool() | int() | float()):
                pass
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert(), operand=operand):
                self.value(operand)
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                self.value(left)
                self.value(right)
                if isinstance(op, ast.Pow) and not any(isinstance(n, ast.Name) for n in ast.walk(node)):
                    raise self.fail("powers of plain numbers are refused; write the number")
            case ast.Compare(ops=[op], left=left, comparators=[right]) if isinstance(op, _COMPARISONS):
                for side in (left, right):
                    if not (isinstance(side, ast.Constant) and isinstance(side.value, str)):
                        self.value(side)
            case ast.Call():
                self.call(node)
            case _:
                raise self.fail(_refusal(node))

    def column(self, name: str) -> str:
        shown = show_names(name)
        if shown == name and "__" in name:
            raise self.fail(f"names with two underscores such as {name!r} must be in backticks")
        if shown == name and name in (*FUNCTIONS, "np", "contr"):
            raise self.fail(f"{name!r} is a function; put a column of that name in backticks")
        return shown

    def call(self, node: ast.Call) -> None:
        """Check a call: the function is listed, its arguments are of the listed number and names."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail(f"calls are nested more than {_MAX_DEPTH} deep")
        match node.func:
            case ast.Name(id=name) if name in TRANSFORMS:
                self.transform(name, node)
            case ast.Name(id=name) if name in ELEMENTWISE:
                self.ufunc(name, node)
            case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in UFUNCS:
                self.ufunc(name, node)
            case _:
                raise self.fail(_unknown_function(node.func))
        self.depth -= 1

    def ufunc(self, name: str, node: ast.Call) -> None:
        if node.keywords or len(node.args) != UFUNCS[name]:
            raise self.fail(f"{name} takes {UFUNCS[name]} argument(s) and no keywords")
        for argument in node.args:
            self.value(argument)

    def transform(self, name: str, node: ast.Call) -> None:
        allowed = TRANSFORMS[name]
        if not node.args or len(node.args) > 1 + len(allowed):
            raise self.fail(f"{name} takes a column and then at most {', '.join(allowed) or 'nothing else'}")
        before = len(self.columns)
        self.value(node.args[0])
        if len(self.columns) == before and not any(isinstance(n, ast.Name) for n in ast.walk(node.args[0])):
            raise self.fail(f"{name} needs a column")
        texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        if name != "I" and any(repr(text) != f"'{text}'" for text in texts):
            # formulaic writes the call into code of its own, between quotes
            raise self.fail(f"text within {name}() may hold no quotes or backslashes; rename the level in the data")
        given = [*zip(allowed, node.args[1:], strict=False), *((pair.arg, pair.value) for pair in node.keywords)]
        for option, argument in given:
            if name == "bs" and option == "degree" and getattr(argument, "value", 0) > _MAX_DEGREE:
                raise self.fail(f"bs() goes to degree {_MAX_DEGREE}")
        for argument in node.args[1:]:
            self.option(argument, name)
        for pair in node.keywords:
            if pair.arg not in allowed:
                hint = nearest(str(pair.arg), allowed) if allowed else "It takes no options."
                raise self.fail(f"{name} has no option {pair.arg!r}. {hint}".rstrip("."))
            self.option(pair.value, name)

    def option(self, node: ast.AST, function: str) -> None:
        """Check an option: numbers, text, lists of them, and contrasts for C()."""
        match node:
            case ast.Constant(value=bool() | float() | str() | None):
                return
            case ast.Constant(value=int(number)):
                if number > _MAX_SIZE and function in ("poly", "bs", "cr", "cs", "cc"):
                    raise self.fail(f"{function} with {number} columns is refused; give at most {_MAX_SIZE}")
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
                return
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    if not isinstance(element, (ast.Constant, ast.UnaryOp)):
                        raise self.fail("lists may hold numbers and text only")
                    self.option(element, "")
            case ast.Attribute(value=ast.Name(id="contr"), attr=name) if function == "C" and name in CONTRASTS:
                return
            case ast.Call(func=ast.Attribute(value=ast.Name(id="contr"), attr=name)) if (
                function == "C" and name in CONTRASTS
            ):
                self.contrast(name, node)
            case _ if function == "C":
                known = ", ".join(f"contr.{name}" for name in CONTRASTS)
                raise self.fail(f"the contrasts of C() must be one of {known}")
            case _:
                raise self.fail(f"options of {function}() must be numbers, text or lists of them")

    def contrast(self, name: str, node: ast.Call) -> None:
        allowed = CONTRASTS[name]
        given = [pair.arg for pair in node.keywords]
        if len(node.args) > len(allowed) or not set(given) <= set(allowed):
            raise self.fail(f"contr.{name} takes {', '.join(allowed) or 'no arguments'}")
        for argument in (*node.args, *(pair.value for pair in node.keywords)):
            self.option(argument, f"contr.{name}")


def _unknown_function(func: ast.AST) -> str:
    name = ast.unparse(func)
    last = name.rsplit(".", 1)[-1]
    if last in _AGGREGATIONS:
        return (
            f"{show_names(name)}() would be computed again on new data; use center(x) or scale(x), which remember the "
            "data of the fit, or make the column yourself"
        )
    if name in _ELSEWHERE:
        return f"{name}() cannot be used here: {_ELSEWHERE[name]}"
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in ("np", "numpy"):
        return f"{name} is not allowed in formulas; after np. may follow: {nearest(last, UFUNCS)}".rstrip(".")
    if isinstance(func, ast.Name):
        return f"there is no function {name!r}. {nearest(name, FUNCTIONS)}".rstrip(".")
    return f"{show_names(name)!r} may not be called; formulas know only {', '.join(FUNCTIONS[:5])} and the like"


def _refusal(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        text = ast.unparse(node)
        return f"{text!r} is attribute access, which is not allowed; write `{text}` in backticks if it is a column"
    if isinstance(node, ast.Constant):
        return f"the constant {node.value!r} is not allowed here"
    if isinstance(node, ast.BoolOp):
        return "'and' and 'or' are not allowed; multiply comparisons, or make the column in the data"
    if isinstance(node, ast.Compare):
        return "only one comparison at a time is allowed"
    return f"{type(node).__name__} expressions are not allowed"
