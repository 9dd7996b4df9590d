"""Texts as trees: whether they are small enough to be worked on, and in which order that is quick.

Input: formulaic's syntax tree of a sum of terms, or Python's of a hypothesis; no data. Output: a tree of the same
terms, an answer, or a `FormulaError`.
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from formulaic.parser.types import ASTNode

from bayes_glmm.errors import FormulaError

__all__ = ["MAX_NESTED", "balanced", "check_expansion", "nested_deeper"]

#: How many operations may stand within each other, sums included. Python's own bound moves with what is imported.
MAX_NESTED = 500

_MAX_POWER = 5
_MAX_DEGREE = 25
_MAX_TERMS = 10_000


def check_expansion(tree: Any, text: str) -> None:
    """Refuse products and powers of sums so large that writing their terms out would not end.

    Parameters
    ----------
    tree
        Formulaic's syntax tree: an `ASTNode`, a token or None.
    text
        The terms, for messages.

    Raises
    ------
    FormulaError
        If powers go beyond five or are no whole numbers, or products beyond 25 factors or ten thousand terms.
    """
    sizes: dict[Any, _Size] = {}
    stack, work = [tree] if isinstance(tree, ASTNode) else [], 0
    while stack:
        node = stack[-1]
        unseen = [part for part in node.args if isinstance(part, ASTNode) and part not in sizes]
        if unseen:
            stack.extend(unseen)
            continue
        sizes[stack.pop()], made = _size(node, sizes, text)
        work += made
        if work > _MAX_TERMS or sizes[node].degree > _MAX_DEGREE:
            raise FormulaError(
                f"{text!r} has too many interactions to write out; powers of sums go to {_MAX_POWER}, products to "
                f"{_MAX_DEGREE} factors and {_MAX_TERMS} terms. Powers of a column are written I(x**{_MAX_POWER + 1})."
            )


class _Size(NamedTuple):
    """How many terms a tree makes at most, of how many factors, and how many names it holds."""

    terms: int = 1
    degree: int = 1
    names: int = 1


def _size(node: Any, sizes: dict[Any, _Size], text: str) -> tuple[_Size, int]:
    """Return the size of a node and the number of terms it multiplies."""
    symbol = node.operator.symbol
    left, right = [*(sizes.get(part, _Size()) for part in node.args), _Size(0, 0, 0), _Size(0, 0, 0)][:2]
    names = left.names + right.names
    if symbol in ("*", ":"):
        made = left.terms * right.terms
        return _Size(made + (0 if symbol == ":" else left.terms + right.terms), left.degree + right.degree, names), made
    if symbol not in ("**", "^"):
        degree = left.names + right.degree if symbol == "/" else max(left.degree, right.degree)
        return _Size(left.terms + right.terms, degree, names), 0
    power = "" if isinstance(node.args[1], ASTNode) else str(node.args[1])
    if not power.isdecimal():
        raise FormulaError(f"The power of a sum must be a whole number in {text!r}.")
    # nine digits tell what is too large, and are quick to read
    made = _MAX_TERMS + 1 if int(power[:9]) > _MAX_POWER else left.terms ** int(power)
    return _Size(made, left.degree * min(int(power[:9]), _MAX_POWER), left.names), made


def balanced(tree: Any) -> Any:
    """Add the terms of a sum up in pairs: one after the other, every union copies all the terms before.

    Parameters
    ----------
    tree
        Formulaic's syntax tree.

    Returns
    -------
    object
        A tree of the same terms in the same order.
    """
    if isinstance(tree, ASTNode) and tree.operator.symbol == "-" and len(tree.args) == 2:
        return ASTNode(tree.operator, [balanced(tree.args[0]), tree.args[1]])
    parts, node = [], tree
    while isinstance(node, ASTNode) and node.operator.symbol == "+" and len(node.args) == 2:
        parts.append(node.args[1])
        plus, node = node.operator, node.args[0]
    parts = [node, *reversed(parts)]
    while len(parts) > 1:
        pairs = [ASTNode(plus, parts[i : i + 2]) for i in range(0, len(parts) - 1, 2)]
        parts = [*pairs, *parts[2 * len(pairs) :]]
    return parts[0]


def nested_deeper(tree: ast.AST, bound: int) -> bool:
    """Tell whether more than `bound` expressions stand within each other, without recursion.

    Parameters
    ----------
    tree
        Python's syntax tree.
    bound
        The largest number of expressions allowed along any path from the root.

    Returns
    -------
    bool
        Whether some path is longer.
    """
    level = [tree]
    for _ in range(bound + 1):
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return bool(level)
