"""What more is known of a row than its response: a standard error, that it is censored, where it is cut off.

Input: a call on the left of a formula, ``se(y, s)`` or ``censored(y, status)``, or what brms writes behind a bar,
``cens(status)``. Output: the response within, and what is known, whatever the notation. No data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.expression import Call, Constant, Node, Unary, write

__all__ = ["Known", "read_addition", "read_wrapping"]

#: What users write, and what brms does; the names of their arguments.
_USAGE = {
    "se": "se(y, sei), or se(y, sei, sigma=True) for a residual standard deviation beside the known ones",
    "censored": "censored(y, status), censored(y, status, end=y2) with intervals, or censored(y, lower, upper) with "
    "limits of detection, either of which may be left out: censored(y, upper=100)",
    "truncated": "truncated(y, lower, upper), either of which may be left out: truncated(y, lower=0)",
    "Surv": "Surv(time, event), or censored(time, 1 - event); times from an entry on are truncated(censored(time, "
    "1 - event), lower=entry)",
}
_BRMS = {"se": "se", "cens": "censored", "trunc": "truncated"}


@dataclass
class Known:
    """What is known of the rows, collected: names of `ResponseFormula.knowing`, and trees of `known`."""

    knowing: list[str] = field(default_factory=list)
    trees: dict[str, Node] = field(default_factory=dict)

    def add(self, what: str, trees: dict[str, Node], text: str) -> None:
        """Note one thing, which may be said once."""
        same = [one for one in self.knowing if one.split("+")[0] == what.split("+")[0]]
        if same:
            raise FormulaError(f"The response {text!r} states {what.split('+')[0]} twice.")
        self.knowing.append(what)
        self.trees |= trees


def read_wrapping(tree: Node, known: Known, text: str) -> Node:
    """Take se(), censored(), truncated() and survival's Surv() off a response, noting what they say.

    Parameters
    ----------
    tree
        The response.
    known
        What is known so far; added to.
    text
        The whole left side, for messages.

    Returns
    -------
    Node
        What stands within.

    Raises
    ------
    FormulaError
        If an argument is missing, there are too many, or the same thing is said twice.
    """
    while isinstance(tree, Call) and tree.function in _USAGE:
        call, what = tree, tree.function
        if not call.arguments:
            raise _misused(call, what)
        tree, rest, named = call.arguments[0], call.arguments[1:], dict(call.named)
        if what == "Surv":
            if len(rest) != 1 or named:
                raise _misused(call, what)
            known.add("censored", {"event": rest[0]}, text)
        elif what == "se":
            _error(call, rest, named, known, text)
        elif what == "truncated":
            known.add(what, _bounds(call, what, rest, named, ("lower", "upper")), text)
        elif len(rest) == 1 and named.keys() <= {"end"}:
            known.add(what, {"status": rest[0], **named}, text)
        else:
            limits = _bounds(call, what, rest, named, ("lower", "upper"))
            known.add(what, {f"{side}_limit": bound for side, bound in limits.items()}, text)
    return tree


def read_addition(call: Call, known: Known, text: str) -> bool:
    """Note what brms's ``se()``, ``cens()`` or ``trunc()`` behind a bar says.

    Parameters
    ----------
    call
        The term.
    known
        What is known so far; added to.
    text
        The whole left side, for messages.

    Returns
    -------
    bool
        Whether it is one of them.

    Raises
    ------
    FormulaError
        If an argument is missing, there are too many, or the same thing is said twice.
    """
    what = _BRMS.get(call.function)
    if what is None:
        return False
    named = dict(call.named)
    if what == "se":
        _error(call, call.arguments, named, known, text)
    elif what == "truncated":
        bounds = _bounds(call, what, call.arguments, named, ("lb", "ub"))
        known.add(what, {{"lb": "lower", "ub": "upper"}[side]: bound for side, bound in bounds.items()}, text)
    else:
        given = [*call.arguments, *(named[key] for key in ("y2",) if key in named)]
        if not 1 <= len(given) <= 2 or named.keys() - {"y2"}:
            raise _misused(call, what)
        known.add(what, dict(zip(("status", "end"), given, strict=False)), text)
    return True


def _error(call: Call, rest: tuple[Node, ...], named: dict[str, Node], known: Known, text: str) -> None:
    sigma = named.pop("sigma", Constant(False))
    if len(rest) != 1 or named or not (isinstance(sigma, Constant) and isinstance(sigma.value, bool)):
        raise _misused(call, "se")
    known.add("se+sigma" if sigma.value else "se", {"se": rest[0]}, text)


def _bounds(
    call: Call, what: str, rest: tuple[Node, ...], named: dict[str, Node], sides: tuple[str, str]
) -> dict[str, Node]:
    """Return the bounds that are stated; infinite ones are none."""
    given = dict(zip(sides, rest, strict=False))
    if len(rest) > 2 or named.keys() - set(sides) or named.keys() & given.keys():
        raise _misused(call, what)
    stated = {side: bound for side, bound in (given | named).items() if not _infinite(bound)}
    if not stated:
        raise _misused(call, what)
    return stated


def _infinite(tree: Node) -> bool:
    inner = tree.operand if isinstance(tree, Unary) else tree
    return isinstance(inner, Constant) and inner.value in (None, math.inf)


def _misused(call: Call, what: str) -> FormulaError:
    return FormulaError(f"Write {_USAGE[what]}, not {write(call, str)!r}.")
