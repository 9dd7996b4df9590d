"""What a formula may say: a closed list of functions and operators, checked on a tree before anything is evaluated.

Input: an expression (``log(x) + 1``) or a sum of terms (``1 + poly(x, 2)*f``). Output: the names of the columns it
reads, or a `FormulaError`. Nothing is evaluated here; `bayes_glmm.design.evaluate` computes exactly what is listed in
`bayes_glmm.spec.functions`, from the tree.
"""

from __future__ import annotations

import itertools
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from formulaic.errors import FormulaicError
from formulaic.parser import DefaultFormulaParser
from formulaic.parser.types import Factor, Term

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.expansion import balanced, check_expansion
from bayes_glmm.spec.expression import (
    CONSTANTS,
    Binary,
    Call,
    Constant,
    Name,
    Node,
    Series,
    Token,
    Unary,
    read_call,
    read_expression,
    spine,
    tokens,
    walk,
    write,
)
from bayes_glmm.spec.functions import OF_CONSTANTS, TEXT_FROM, Bound, bound, constant, refused

__all__ = [
    "alias",
    "check_expression",
    "check_terms",
    "columns_by_level",
    "columns_of_dates",
    "factor_columns",
    "hide_names",
    "parse_terms",
    "show_names",
]

_ALIAS = re.compile(r"\bq_([0-9a-f]+)_q\b")
_PLACE = re.compile(r"\bv([0-9]+)\b")
_MAX_DEPTH = 10
_TERM_OPERATORS = ("+", "-", "*", "/", ":", "**", "%in%", "(", ")")
_BY_LEVEL = ("factor", "mo", "C", "relevel", "interaction", "as.character", "ave")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def alias(name: str) -> str:
    """Return the identifier that stands for a column while an expression is parsed and evaluated.

    Parameters
    ----------
    name
        A column name, any text.

    Returns
    -------
    str
        The name itself where it is an identifier of ASCII letters; otherwise an identifier that spells it in
        hexadecimal, so that nothing has to remember the pair.

    Examples
    --------
    >>> alias("x")
    'x'
    >>> show_names(alias("body mass"))
    'body mass'
    """
    taken = keyword.iskeyword(name) or "__" in name or name in ("np", "contr", *CONSTANTS)
    if (name.isidentifier() and name.isascii() and not taken) or not name:
        return name
    return f"q_{name.encode().hex()}_q"


def hide_names(text: str) -> str:
    """Write an expression with an alias for every name that is no identifier.

    Parameters
    ----------
    text
        The expression, such names in backticks or, where they are words with dots, as they are.

    Returns
    -------
    str
        The same expression without backticks.

    Raises
    ------
    FormulaError
        If it cannot be read.
    """
    return write(read_expression(text), _hidden)


def _hidden(name: str) -> str:
    return name if name.startswith("contr.") else alias(name)


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
            columns.update(dict.fromkeys(factor_columns(factor)))
    return tuple(columns)


def factor_columns(factor: Factor) -> tuple[str, ...]:
    """Return the columns that a factor of a term reads.

    Parameters
    ----------
    factor
        One of the factors that `parse_terms` returns.

    Returns
    -------
    tuple of str
        Names of columns.
    """
    if factor.eval_method is Factor.EvalMethod.LITERAL:
        return ()
    if factor.eval_method is Factor.EvalMethod.LOOKUP:
        return (show_names(factor.expr),)
    return check_expression(factor.expr)


def columns_by_level(text: str) -> tuple[str, ...]:
    """Return the columns that a sum of terms makes a factor of, as ``factor(x)`` and ``C(x)`` do.

    Parameters
    ----------
    text
        Terms without bars or offsets.

    Returns
    -------
    tuple of str
        Names of columns; those that are factors in the data only if they are made one once more.
    """
    called = _expressions(parse_terms(text))
    return tuple(dict.fromkeys(name for expression in called for name in _columns_of(expression, _BY_LEVEL)))


def columns_of_dates(terms: Iterable[str], expressions: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that hold dates, which ``as.Date()`` says.

    Parameters
    ----------
    terms
        Sums of terms without bars or offsets.
    expressions
        Expressions, such as offsets.

    Returns
    -------
    tuple of str
        Names of columns.
    """
    every = [*_expressions(term for text in terms for term in parse_terms(text)), *map(hide_names, expressions)]
    return tuple(dict.fromkeys(name for expression in every for name in _columns_of(expression, ("as.Date",))))


def _expressions(terms: Iterable[Term]) -> list[str]:
    """Return the factors of terms that are calls."""
    factors = [factor for term in terms for factor in term.factors]
    return [factor.expr for factor in factors if factor.eval_method is Factor.EvalMethod.PYTHON]


def _columns_of(expression: str, functions: tuple[str, ...]) -> list[str]:
    """Return the columns that stand alone as an argument of one of some functions."""
    calls = [call for call in _calls(read_expression(expression)) if call.function in functions]
    # the first argument of ave() is a number, the others are groups
    values = [value for call in calls for value in call.values[call.function == "ave" :]]
    return [show_names(value.name) for value in values if isinstance(value, Name)]


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

    Notes
    -----
    Formulaic sees operators, numbers and a place for each column and call: what stands there it never reads.
    """
    skeleton, places = _skeleton(text)
    parser = DefaultFormulaParser(include_intercept=True, feature_flags=set())
    try:
        tree = parser.get_ast(skeleton)
        check_expansion(tree, text)
        terms = parser.get_terms_from_ast(balanced(tree), context={})
    except (FormulaicError, SyntaxError, ValueError, TypeError, RecursionError, RuntimeError) as error:
        if isinstance(error, FormulaError):
            raise
        reason = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error)).split("\n")[0]
        reason = _PLACE.sub(lambda match: places[int(match[1])].expr, reason)
        if reason.startswith("Missing operator"):
            reason += " Names with blanks stand between backticks, such as `body mass`."
        raise FormulaError(f"Cannot read the terms {_shown(text)}: {show_names(reason)}") from None
    if not all(isinstance(term, Term) for term in terms):
        raise FormulaError(f"Cannot read the terms {_shown(text)}: expected one sum of terms.")
    return tuple(Term([_placed(factor, places) for factor in term.factors]) for term in terms)


def _placed(factor: Factor, places: list[Factor]) -> Factor:
    return places[int(factor.expr[1:])] if factor.eval_method is Factor.EvalMethod.LOOKUP else factor


def _skeleton(text: str) -> tuple[str, list[Factor]]:
    """Write terms with ``v0``, ``v1``, ... for columns and calls; what each stands for, checked."""
    places: dict[tuple[str, str], int] = {}
    pieces, found, position = [], tokens(text), 0
    while (token := found[position]).kind != "end":
        if token.kind == "name":
            called = found[position + 1].text == "(" and not token.quoted
            if called:
                tree, position = read_call(text, position)
                check_tree(tree)
                key = ("python", write(tree, _hidden))
            else:
                key, position = ("lookup", alias(_checked_column(token, text))), position + 1
            pieces.append(f"v{places.setdefault(key, len(places))}")
            continue
        if not (token.text in _TERM_OPERATORS if token.kind == "operator" else token.text.isdecimal()):
            raise FormulaError(f"Cannot read the terms {_shown(text)}: {_misplaced(token)}.")
        if token.text.isdecimal() and token.text not in ("0", "1"):
            beside = {found[position - 1].text if position else "", found[position + 1].text}
            if beside.isdisjoint((":", "*", "/", "**", "%in%")) and not _in_power(found[:position]):
                raise FormulaError(
                    f"Cannot read the terms {_shown(text)}: {token.text!r} is no term; arithmetic stands within I(), "
                    "as in I(x - 1). A column of that name stands between backticks."
                )
        # a %in% b is a:b, nested
        pieces.append({"%in%": ":"}.get(token.text, token.text))
        position += 1
    return " ".join(pieces), [Factor(expr, eval_method=method) for method, expr in places]


def _shown(text: str) -> str:
    """Quote terms for a message, without the intercept that is put before them."""
    return repr(text.removeprefix("1 + ")[:200])


def _in_power(before: Sequence[Token]) -> bool:
    """Whether a bracket is open that follows ``**``."""
    opened: list[str] = []
    for last, token in itertools.pairwise(before):
        if token.text == "(":
            opened.append(last.text)
        elif token.text == ")" and opened:
            opened.pop()
    return "**" in opened


def _misplaced(token: Token) -> str:
    if token.text in _COMPARISONS or token.text in ("&", "|", "!", "%%", "%/%", "//"):
        return f"{token.text!r} stands within I(), as in I(x > 0)"
    if token.text in ("[", "]"):
        return "terms may not hold square brackets"
    return f"{token.text!r} is no part of a sum of terms"


def _checked_column(token: Token, text: str) -> str:
    if not token.quoted and (token.text == "." or "__" in token.text):
        raise FormulaError(f"{token.text!r} is not a plain column name in {text!r}; put it in backticks if it is one.")
    return token.text


@lru_cache(maxsize=512)
def check_expression(text: str) -> tuple[str, ...]:
    """Check one expression against the closed list of functions and operators.

    Parameters
    ----------
    text
        An expression of columns, numbers and functions, such as ``"log(x) + 1"``; names with spaces in backticks.

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
    return check_tree(read_expression(text))


def check_tree(tree: Node) -> tuple[str, ...]:
    """Check an expression's tree against the closed list.

    Parameters
    ----------
    tree
        The tree.

    Returns
    -------
    tuple of str
        The columns read, in order of appearance.

    Raises
    ------
    FormulaError
        If it says anything outside the closed list.
    """
    checker = _Checker(write(tree, str))
    checker.value(tree)
    return tuple(checker.columns)


class _Checker:
    """Walk one expression's tree, collect its columns and refuse what is not listed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.columns: dict[str, None] = {}
        self.depth = 0

    def fail(self, reason: str) -> FormulaError:
        return refused(self.text, reason)

    def value(self, node: Node, text: bool = False) -> None:
        """Check a node that stands for one value per row; `text` where it may be a constant text."""
        first, rest = spine(node)
        compared = bool(rest) and rest[0][0] in _COMPARISONS
        self.single(first, text or compared)
        for operator, right in rest:
            if operator == "%in%":
                self.members(right)
            elif operator == ":":
                raise self.fail("':' stands between terms; within functions write interaction(a, b)")
            else:
                self.value(right, operator in _COMPARISONS)

    def single(self, node: Node, text: bool) -> None:
        match node:
            case Name(name):
                self.columns[show_names(name)] = None
            case Constant(bool() | int() | float(), _):
                pass
            case Constant(str(), _) if text:
                pass
            case Unary(_, operand):
                self.value(operand)
            case Call():
                self.call(node, text)
            case Constant(value, _):
                raise self.fail(f"the constant {value!r} is not allowed here")
            case Series():
                raise self.fail("lists stand right of %in% and in options only")

    def members(self, node: Node) -> None:
        """Check what may stand right of %in%."""
        try:
            values = constant(node)
        except FormulaError as error:
            raise self.fail(f"right of %in% stand constants, such as c('a', 'b'): {error}") from None
        if values is None:
            raise self.fail("right of %in% stand constants, such as c('a', 'b')")

    def call(self, node: Call, text: bool) -> None:
        """Check a call: the function is listed, its arguments are of the listed number and names."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail(f"calls are nested more than {_MAX_DEPTH} deep")
        call: Bound = bound(node)
        before = len(self.columns)
        for position, argument in enumerate(call.values):
            self.value(argument, text=position >= TEXT_FROM.get(call.function, len(call.values)))
        reads = len(self.columns) > before or any(_reads(argument) for argument in call.values)
        if not reads and call.function not in OF_CONSTANTS:
            raise self.fail(f"{node.function} needs a column")
        for part in walk(node):
            match part:
                case Constant(str(level), _) if "\\" in repr(level) or "`" in level:
                    raise self.fail("text may hold no backslash and no backtick; rename the level in the data")
        self.depth -= 1


def _calls(tree: Node) -> Iterator[Bound]:
    """Yield every call of a checked tree that is computed from columns."""
    stack = [tree]
    while stack:
        match stack.pop():
            case Call() as node:
                call = bound(node)
                yield call
                stack += call.values
            case Unary(_, operand):
                stack.append(operand)
            case Binary(operator, left, right):
                stack += [left] if operator == "%in%" else [left, right]


def _reads(node: Node) -> bool:
    return any(isinstance(part, Name) for part in walk(node))
