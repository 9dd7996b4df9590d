"""Expressions as R and Python write them: text to a tree, and a tree back to text.

Input: text such as ``"ifelse(x %in% c(1, 2), log(z), 0)"``. Output: a tree of names, constants, operators and calls, or
a `FormulaError`. The grammar is our own, with R's precedences; neither Python nor R reads the text, and nothing is
evaluated.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.expansion import MAX_NESTED

__all__ = [
    "CONSTANTS",
    "Binary",
    "Call",
    "Constant",
    "Name",
    "Node",
    "Series",
    "Token",
    "Unary",
    "read_call",
    "read_expression",
    "spine",
    "tokens",
    "walk",
    "write",
]

_MAX_DEPTH = 100
_MAX_DIGITS = 300


@dataclass(frozen=True)
class Name:
    """A column."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A number, text, TRUE, FALSE or NULL; `text` is how it is written where that is no literal, ``"pi"``."""

    value: bool | int | float | str | None
    text: str = ""


@dataclass(frozen=True)
class Unary:
    """An operation on one value: ``-``, ``+`` or ``!``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Binary:
    """An operation on two values, by R's name: ``+``, ``**``, ``%in%``, ``==``, ``&``, ``:``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Call:
    """A call: positional arguments, then named ones. `function` is its name as written, ``"as.factor"``."""

    function: str
    arguments: tuple[Node, ...]
    named: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True)
class Series:
    """Values between brackets, ``[1, 2]`` or ``(1, 2)``: what R writes ``c(1, 2)``."""

    items: tuple[Node, ...]
    brackets: str = "[]"


Node = Name | Constant | Unary | Binary | Call | Series


class Token(NamedTuple):
    """A piece of text: its kind (``"name"``, ``"number"``, ``"text"``, ``"operator"``, ``"end"``) and its place."""

    kind: str
    text: str
    start: int
    end: int
    quoted: bool = False

    def follows(self, other: Token) -> bool:
        """Whether no blank stands between another token and this one."""
        return self.start == other.end


#: Words that are constants within expressions; columns of these names stand in backticks there.
CONSTANTS: dict[str, bool | float | None] = {
    "TRUE": True, "True": True, "FALSE": False, "False": False, "NULL": None, "None": None, "Inf": math.inf,
    "pi": math.pi, "np.pi": math.pi, "np.inf": math.inf,
}  # fmt: skip

# binding powers, R's: what binds tighter stands higher
_COMPARISON = 4
_BINDING = {
    "|": 1, "||": 1, "&": 2, "&&": 2, "==": _COMPARISON, "!=": _COMPARISON, "<": _COMPARISON, "<=": _COMPARISON,
    ">": _COMPARISON, ">=": _COMPARISON, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%%": 7, "%/%": 7, "%in%": 7, ":": 8,
    "**": 10,
}  # fmt: skip
_NOT, _SIGN = 3, 9
_SAME = {"^": "**", "~": "!"}
_MEANT = {"&&": "&", "||": "|", "//": "%/%"}  # Python's // binds as / does, R's %/% tighter

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<number>0[xX][0-9a-fA-F]+L?|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?L?)
  | (?P<name>(?:(?:base|stats|splines|rms|Hmisc|MASS)::)?(?:[^\W\d]|\.(?![0-9])|_)[\w.]*)
  | (?P<quoted>`[^`]+`)
  | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<operator>%in%|%%|%/%|\*\*|//|<=|>=|==|!=|&&|\|\||[-+*/^<>!&|~:(),=\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)


@lru_cache(maxsize=1024)
def tokens(text: str) -> tuple[Token, ...]:
    """Take a text apart into tokens.

    Parameters
    ----------
    text
        A sum of terms or an expression.

    Returns
    -------
    tuple of Token
        The tokens without blanks, and one of kind ``"end"``. Names in backticks are `quoted` and stand without them.

    Raises
    ------
    FormulaError
        If a character belongs to no token.
    """
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            char = text[position]
            hint = _ODD.get(char, f"the character {char!r}")
            instead = f"; write {_TYPESET[char]}" if char in _TYPESET else ""
            raise FormulaError(f"Cannot read {text[:60]!r}: {hint} is not allowed at position {position + 1}{instead}.")
        kind, piece, position = str(match.lastgroup), match[0], match.end()
        if kind == "quoted":
            found.append(Token("name", piece[1:-1], match.start(), match.end(), quoted=True))
        elif kind == "name":
            found.append(Token(kind, piece.rpartition("::")[2], match.start(), match.end()))
        elif kind == "operator":
            found.append(Token(kind, _SAME.get(piece, piece), match.start(), match.end()))
        elif kind != "blank":
            found.append(Token(kind, piece, match.start(), match.end()))
    return (*found, Token("end", "", len(text), len(text)))


_ODD = {
    "%": "an operator between % signs other than %in%, %% and %/%",
    "{": "a curly brace",
    "}": "a curly brace",
    "`": "a backtick that encloses no name",
    "'": "a quote that is not closed",
    '"': "a quote that is not closed",
}
#: Characters of typeset pages, and what is written for them.
_TYPESET = {
    char: plain
    for plain, chars in {"~": "∼˜～", "|": "∣│｜", "*": "×∗", "-": "−–—", ":": "∶", "'": "‘’", '"': "“”"}.items()
    for char in chars
}


@lru_cache(maxsize=1024)
def read_expression(text: str) -> Node:
    """Read one expression.

    Parameters
    ----------
    text
        An expression of columns, constants, operators and calls in R's notation or Python's.

    Returns
    -------
    Node
        Its tree. ``^`` is ``**``, ``~`` is ``!``, ``//`` is ``%/%``, each binding as where it is from.

    Raises
    ------
    FormulaError
        If the text is no expression, or nested too deeply.

    Examples
    --------
    >>> read_expression("x^2 %in% c(1, 4)")
    Binary(operator='%in%', left=Binary(operator='**', left=Name(name='x'), right=Constant(value=2, text='')), \
right=Call(function='c', arguments=(Constant(value=1, text=''), Constant(value=4, text='')), named=()))
    """
    reader = _Reader(text, tokens(text))
    tree = reader.expression(0)
    reader.expect("")
    return tree


def read_call(text: str, position: int) -> tuple[Node, int]:
    """Read the call that starts at one of a text's tokens.

    Parameters
    ----------
    text
        A sum of terms.
    position
        Which token is the function's name.

    Returns
    -------
    call : Node
        Its tree.
    after : int
        Position of the first token after it.

    Raises
    ------
    FormulaError
        If its arguments cannot be read.
    """
    reader = _Reader(text, tokens(text), position)
    tree = reader.operand()
    return tree, reader.position


class _Reader:
    """Operator precedence parsing (Pratt 1973) of a list of tokens."""

    def __init__(self, text: str, pieces: tuple[Token, ...], position: int = 0) -> None:
        self.text, self.pieces, self.position, self.depth = text, pieces, position, 0

    @property
    def token(self) -> Token:
        return self.pieces[self.position]

    def fail(self, reason: str = "") -> FormulaError:
        token = self.token
        if not reason and token.text in ("if", "for", "lambda", "and", "or", "not", "in", "is", "else", "await"):
            words = {"and": "&", "or": "|", "not": "!", "in": "%in%"}
            reason = f"write {words[token.text]} for {token.text!r}" if token.text in words else "that is code"
        where = f"at {self.text[token.start : token.start + 20]!r}" if token.kind != "end" else "at its end"
        reason = reason or "put column names with spaces in backticks"
        return FormulaError(f"Cannot read {self.text[:200]!r} {where}: {reason}.")

    def expect(self, text: str) -> None:
        if self.token.text != text or self.token.kind not in ("operator", "end"):
            raise self.fail()
        self.position += self.token.kind != "end"

    def expression(self, level: int) -> Node:
        """Read operations that bind tighter than a level."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise FormulaError(f"The expression {self.text[:60]!r}... is nested too deeply.")
        left, count, compared = self.operand(), 0, False
        while self.token.kind == "operator" and (binding := _BINDING.get(self.token.text, 0)) > level:
            operator = self.token.text
            if compared and binding == _COMPARISON:
                raise self.fail("one comparison at a time is allowed; join two with &")
            compared = binding == _COMPARISON
            self.position += 1
            right = self.expression(_SIGN - 1 if operator == "**" else binding)
            left = Binary(_MEANT.get(operator, operator), left, right)
            count += 1
            if count > MAX_NESTED:
                raise FormulaError(f"{self.text[:60]!r}... has more than {MAX_NESTED} operations within each other.")
        self.depth -= 1
        return left

    def operand(self) -> Node:
        """Read a name, constant, call, sign or parenthesis."""
        token = self.token
        self.position += 1
        match token.kind, token.text:
            case "number", text:
                return Constant(self.number(text))
            case "text", text:
                return Constant(_unescaped(text))
            case "name", text if token.quoted:
                return self.closed(Name(text))
            case "name", text if self.token.text == "(" and self.token.kind == "operator":
                return self.closed(self.call(text))
            case "name", text if text in CONSTANTS:
                return Constant(CONSTANTS[text], text)
            case "name", text if "__" in text or text in ("np", "contr"):
                self.position -= 1
                raise self.fail(f"{text!r} must be in backticks if it is a column")
            case "name", text:
                return self.closed(Name(text))
            case "operator", ("-" | "+") as sign:
                return Unary(sign, self.expression(_SIGN))
            case "operator", "!":
                tight = self.text[token.start] == "~"  # Python's binds as a sign does
                return Unary("!", self.expression(_SIGN if tight else _NOT))
            case "operator", "(":
                inner = self.series(")")
                return self.closed(inner[0] if len(inner) == 1 else Series(inner, "()"))
            case "operator", "[":
                return Series(self.series("]"))
        self.position -= 1
        raise self.fail()

    def closed(self, node: Node) -> Node:
        """Refuse what R and Python may append: indices, and calls of what is no name."""
        if self.token.kind == "operator" and self.token.text in ("(", "["):
            raise self.fail("values are not indexed or called in formulas; scale(x) is one column as it is")
        return node

    def number(self, text: str) -> int | float:
        digits = text.rstrip("L")
        if len(digits) > _MAX_DIGITS:
            raise FormulaError(f"A number has {len(digits)} digits; the limit is {_MAX_DIGITS}.")
        whole = digits.isdecimal() or digits[:2] in ("0x", "0X")
        value = int(digits, 10 if digits.isdecimal() else 16) if whole else float(digits)
        if abs(value) > sys.float_info.max:
            raise FormulaError(f"{text!r} is no finite number.")
        return int(value) if digits != text else value

    def series(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not (self.token.kind == "operator" and self.token.text == closing):
            items.append(self.expression(0))
            if self.token.text != closing:
                self.expect(",")
        if not items and closing == ")":
            raise self.fail("the parentheses are empty")
        self.position += 1
        return tuple(items)

    def call(self, function: str) -> Call:
        if function == "function":
            raise self.fail("functions of your own cannot be used; make the column in the data")
        arguments: list[Node] = []
        named: list[tuple[str, Node]] = []
        self.position += 1
        while not (self.token.kind == "operator" and self.token.text == ")"):
            key, after = self.pieces[self.position : self.position + 2]
            if key.kind == "name" and (after.kind, after.text) == ("operator", "="):
                self.position += 2
                named.append((key.text, self.expression(0)))
            elif named:
                raise self.fail("arguments without a name come before those with one")
            else:
                arguments.append(self.expression(0))
            if self.token.text != ")":
                self.expect(",")
        self.position += 1
        return Call(function, tuple(arguments), tuple(named))


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code is not None and int(code, 16) <= 0x10FFFF:
            return chr(int(code, 16))
        if match[4] not in _ESCAPES:
            raise FormulaError(f"The text {text} has a backslash that means nothing.")
        return _ESCAPES[match[4]]

    return _ESCAPE.sub(plain, text[1:-1])


def spine(node: Node) -> tuple[Node, list[tuple[str, Node]]]:
    """Take a chain of operations apart: long sums nest to the left, and are walked without recursion.

    Parameters
    ----------
    node
        A tree.

    Returns
    -------
    first : Node
        What the chain starts with; no `Binary`.
    rest : list of tuple
        Operators and right operands in order.
    """
    rest = []
    while isinstance(node, Binary):
        rest.append((node.operator, node.right))
        node = node.left
    return node, rest[::-1]


def write(node: Node, name: Callable[[str], str]) -> str:
    """Write a tree as text that reads back as the same tree.

    Parameters
    ----------
    node
        The tree.
    name
        Writes a column's name.

    Returns
    -------
    str
        The text, with blanks as Python has them, ``"I(x ** 2)"``.
    """
    first, rest = spine(node)
    text, binding = _written(first, name)
    for operator, right in rest:
        own = _BINDING[operator]
        if binding < own or (binding == own and operator in ("**", "==", "!=", "<", "<=", ">", ">=")):
            text = f"({text})"
        side = write(right, name)
        loose = _binding(right)
        enclosed = loose < _SIGN if operator == "**" else loose <= own
        blank = "" if operator == ":" else " "
        text = f"{text}{blank}{operator}{blank}" + (f"({side})" if enclosed else side)
        binding = own
    return text


def _binding(node: Node) -> int:
    if isinstance(node, Binary):
        return _BINDING[node.operator]
    if isinstance(node, Unary):
        return _NOT if node.operator == "!" else _SIGN
    return 99


def _written(node: Node, name: Callable[[str], str]) -> tuple[str, int]:
    """Write what is no chain of operations, and say how tight it binds."""
    match node:
        case Name(column):
            return name(column), 99
        case Constant(value, text):
            return text or repr(value), 99
        case Unary(operator, operand):
            binding = _binding(node)
            side = write(operand, name)
            return f"{operator}({side})" if _binding(operand) < binding else f"{operator}{side}", binding
        case Series(items, brackets):
            inner = ", ".join([write(item, name) for item in items])
            return f"{brackets[0]}{inner}{brackets[1]}", 99
        case Call(function, arguments, named):
            shown = [write(one, name) for one in arguments]
            shown += [f"{key}={write(value, name)}" for key, value in named]
            return f"{function}({', '.join(shown)})", 99
    raise TypeError(node)


def walk(node: Node) -> Iterator[Node]:
    """Yield every node of a tree, in the order of the text.

    Parameters
    ----------
    node
        A tree.

    Yields
    ------
    Node
        The nodes.
    """
    stack = [node]
    while stack:
        part = stack.pop()
        yield part
        match part:
            case Unary(_, operand):
                stack.append(operand)
            case Binary(_, left, right):
                stack += [right, left]
            case Series(items, _):
                stack += reversed(items)
            case Call(_, arguments, named):
                stack += [value for _, value in reversed(named)] + list(reversed(arguments))
