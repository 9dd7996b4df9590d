"""Where monotonic effects may stand: a term ``mo(x)`` of the mean's fixed part.

Input: a parsed `Formula`. Output: nothing, or a `FormulaError` that says what to write.
"""

from __future__ import annotations

from collections.abc import Iterable

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.expression import Call, Name, read_expression, walk
from bayes_glmm.spec.formula import Formula
from bayes_glmm.spec.safe import hide_names, parse_terms, show_names

__all__ = ["MONOTONIC", "check_monotonic", "is_monotonic"]

#: The function of formulas whose effect is monotonic.
MONOTONIC = "mo"


def is_monotonic(expression: str) -> bool:
    """Say whether a factor of a term is a monotonic effect as it may stand: ``mo(x)`` of a column."""
    if not expression.startswith(f"{MONOTONIC}("):
        return False
    tree = read_expression(expression)
    return isinstance(tree, Call) and [*map(type, tree.arguments)] == [Name] and not tree.named


def check_monotonic(formula: Formula) -> None:
    """Refuse monotonic effects anywhere but as a term of their own in the fixed part of the mean.

    Parameters
    ----------
    formula
        The parsed formula.

    Raises
    ------
    FormulaError
        If one stands elsewhere, or is of anything but a column.
    """
    response = formula.response
    texts = [response.expression, response.trials, response.weights, response.precision]
    texts += [text for _, text in response.known]
    texts += [text for part in formula.parts for text in part.offsets]
    if _any(hide_names(text) for text in texts if text is not None):
        raise FormulaError("mo(x) is a term of its own on the right of '~', not part of a response or an offset.")
    for part in formula.parts:
        for bar in part.bars:
            if _any(_factors(bar.effects)):
                raise FormulaError(
                    f"({bar.effects} | {bar.name}): monotonic effects that differ between levels are not available. "
                    "Let a number differ, with the levels as 1, 2, 3, ..., or the steps of the factor."
                )
    for part in formula.parameters:
        if _any(_factors(part.fixed)):
            raise FormulaError(
                f"mo(x) is not available in the formula of {part.name}; use the ordered column itself there."
            )
    for term in parse_terms(formula.fixed):
        for factor in term.factors:
            if not _any([factor.expr]):
                continue
            text = show_names(":".join(one.expr for one in term.factors))
            if len(term.factors) > 1:
                raise FormulaError(
                    f"{text}: monotonic effects that depend on another variable are not available. Use the ordered "
                    "column itself in the product, or a model for each of the other's levels."
                )
            if not is_monotonic(factor.expr):
                raise FormulaError(f"{text}: mo() takes one column, mo(x), and stands by itself.")


def _factors(text: str) -> list[str]:
    return [factor.expr for term in parse_terms(text) for factor in term.factors]


def _any(expressions: Iterable[str]) -> bool:
    """Whether any of the expressions calls mo()."""
    return any(
        isinstance(node, Call) and node.function == MONOTONIC
        for text in expressions
        if MONOTONIC in text
        for node in walk(read_expression(text))
    )
