"""The left side of a formula: what is modelled, out of how many trials, and what rows weigh.

Input: text such as ``"p(k, n)"``, R's ``"cbind(k, n - k)"`` or brms's ``"y | trials(n) + weights(w)"``. Output: a
`ResponseFormula`, whatever the notation. No data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bayes_glmm.errors import FormulaError, nearest
from bayes_glmm.spec.expression import Binary, Call, Constant, Node, read_expression, write
from bayes_glmm.spec.known import Known, read_addition, read_wrapping
from bayes_glmm.spec.names import shown, spelled
from bayes_glmm.spec.safe import check_expression
from bayes_glmm.spec.scan import split

__all__ = ["ResponseFormula", "read_response"]

_SEVERAL = "several responses are a list of formulas, or mvbind(y1, y2) ~ terms by itself, given to bg.GLMM"
_ONE = "several columns are not one response: for successes and failures write cbind(successes, failures)"
_COUNTS = "Counts of more than two categories: a row for each single response, and family='categorical'."
_TIMES = "write a time that may be censored as Surv(time, event), with family='weibull', 'lognormal' or 'gamma'"
#: Responses of other packages that are not available, and what they are.
_ELSEWHERE = {
    "Hist": _TIMES,
    "mvbind": _SEVERAL,
    "mvbrmsformula": _SEVERAL,
    "c": _ONE,
    "constrained": "write truncated(y, lower, upper)",
}
#: What brms writes after a bar on the left side.
_ADDITIONS = {
    "mi": "write the response alone, and GLMM(..., missing='predict') to predict those that are missing",
    "rate": "write the denominator d as offset(log(d)) on the right",
    "subset": "leave rows out in the data",
}
_FACTORS = ("factor", "as.factor", "ordered", "as.ordered")


@dataclass(frozen=True)
class ResponseFormula:
    """The left side of a formula.

    Parameters
    ----------
    expression
        What is modelled: a column, or an expression of columns such as ``log(y)``.
    trials
        Expression of the number of trials of ``p(y, n)``; None otherwise.
    weights
        Expression of the weights of ``weighted(y, w)``, how many times a row counts; None otherwise.
    precision
        Expression of the weights of ``precision(y, w)``, how many times less a row varies; None otherwise.
    knowing
        What more is known of a row, as `bayes_glmm.families.knowing` names it: ``"error"``, ``"censored"``, ...
    known
        Pairs of what it is and its expression: ``("se", "sei")``, ``("status", "cens")``.
    """

    expression: str
    trials: str | None = None
    weights: str | None = None
    precision: str | None = None
    knowing: tuple[str, ...] = ()
    known: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The expression as people read it, without backticks."""
        return shown(self.expression)

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns the response, trials and weights read."""
        texts = (self.expression, self.trials, self.weights, self.precision, *(text for _, text in self.known))
        found = (name for text in texts if text is not None for name in check_expression(text))
        return tuple(dict.fromkeys(found))

    def of_support(self, support: str) -> ResponseFormula:
        """Read what means something else in some families only.

        Parameters
        ----------
        support
            The family's support.

        Returns
        -------
        ResponseFormula
            For ``"trials"``, ``k / n`` as k of n; for categories, ``factor(y)`` as y. Otherwise the same.
        """
        tree = read_expression(self.expression)
        if support == "trials" and self.trials is None and isinstance(tree, Binary) and tree.operator == "/":
            successes, trials = _text(tree.left), _text(tree.right)
            # R's weights of a proportion are its trials
            weights = None if self.weights == trials else self.weights
            return replace(self, expression=successes, trials=trials, weights=weights)
        if support in ("binary", "ordered", "unordered") and isinstance(tree, Call) and tree.function in _FACTORS:
            bare = _text(tree.arguments[0]) if len(tree.arguments) == 1 and not tree.named else self.expression
            return replace(self, expression=bare)
        return self


def read_response(text: str) -> ResponseFormula:
    """Read the left side of a formula.

    Parameters
    ----------
    text
        The text left of ``~``.

    Returns
    -------
    ResponseFormula
        Its parts, each checked against the closed list of functions.

    Raises
    ------
    FormulaError
        If it cannot be read, or says what is not available.

    Examples
    --------
    >>> read_response("cbind(dead, total - dead)")
    ResponseFormula(expression='dead', trials='total', weights=None, precision=None, knowing=(), known=())
    >>> read_response("y | se(s) + weights(w)") == read_response("weighted(se(y, s), w)")
    True
    """
    left, *additions = split(text, "|")
    if len(split(left, ",")) > 1:
        raise FormulaError(f"One response a model: {text!r}.")
    parts: dict[str, Node] = {}
    known = Known()
    tree = _wrapped(read_expression(left), parts, known, text)
    if len(additions) > 1:
        raise FormulaError(f"The response {text!r} has more than one bar.")
    for addition in split(additions[0], "+") if additions else ():
        _add(read_expression(addition.strip()), parts, known, text)
    if {"weights", "precision"} <= parts.keys():
        raise _two_weights(text)
    response = ResponseFormula(
        _text(tree),
        **{key: _text(node) for key, node in parts.items()},
        knowing=tuple(sorted(known.knowing)),
        known=tuple((key, _text(node)) for key, node in sorted(known.trees.items())),
    )
    for part in (response.trials, response.weights, response.precision, *(each for _, each in response.known)):
        if part is not None:
            check_expression(part)
    if not check_expression(response.expression):
        raise FormulaError(f"The response {text!r} reads no column.")
    return response


def _wrapped(tree: Node, parts: dict[str, Node], known: Known, text: str) -> Node:
    """Take weighted(), precision(), what is known of rows, p() and cbind() off a response, noting what they say."""
    if isinstance(tree, Call) and tree.function in ("weighted", "precision"):
        key = {"weighted": "weights"}.get(tree.function, "precision")
        tree, parts[key] = _two(tree, f"{tree.function}(y, weights)")
    if isinstance(tree, Call) and tree.function in ("weighted", "precision"):
        raise _two_weights(text)
    tree = read_wrapping(tree, known, text)
    if isinstance(tree, Call) and tree.function in ("p", "prop", "proportion"):
        tree, parts["trials"] = _two(tree, f"{tree.function}(successes, trials)")
    elif isinstance(tree, Call) and tree.function == "cbind":
        tree, failures = _two(tree, "cbind(successes, failures)")
        parts["trials"] = _total(tree, failures)
    if isinstance(tree, Call) and tree.function in _ELSEWHERE:
        raise FormulaError(f"The response {text!r}: {_ELSEWHERE[tree.function]}.")
    return tree


def _two(call: Call, usage: str) -> tuple[Node, Node]:
    if len(call.arguments) != 2 or call.named:
        more = f" {_COUNTS}" if call.function == "cbind" else ""
        raise FormulaError(f"Write {usage}, with two arguments, not {write(call, str)!r}.{more}")
    return call.arguments[0], call.arguments[1]


def _total(successes: Node, failures: Node) -> Node:
    """Write the number of trials: n of failures ``n - k``, otherwise the sum."""
    if isinstance(failures, Binary) and failures.operator == "-" and failures.right == successes:
        return failures.left
    return Binary("+", successes, failures)


def _add(tree: Node, parts: dict[str, Node], known: Known, text: str) -> None:
    """Note what a term after brms's bar says."""
    if not isinstance(tree, Call):
        allowed = "trials(n), weights(w), se(s), cens(status) and trunc(lb, ub)"
        raise FormulaError(f"Right of the bar of {text!r} stand {allowed}, not {write(tree, str)!r}.")
    if read_addition(tree, known, text):
        return
    if tree.function not in ("trials", "weights"):
        reason = _ADDITIONS.get(tree.function, f"it is not available. {nearest(tree.function, ('trials', 'weights'))}")
        raise FormulaError(f"The response {text!r} has {write(tree, str)}: {reason.rstrip('.')}.")
    options = [name for name, value in tree.named if (name, value) != ("scale", Constant(False, "FALSE"))]
    if len(tree.arguments) != 1 or options:
        raise FormulaError(f"Write {tree.function}(n), with one argument, not {write(tree, str)!r}.")
    if tree.function in parts:
        raise FormulaError(f"The response {text!r} states {tree.function} twice.")
    parts[tree.function] = tree.arguments[0]


def _two_weights(text: str) -> FormulaError:
    return FormulaError(
        f"The response {text!r} has two weights. Choose weighted(y, w), rows that count w times, or precision(y, w), "
        "rows whose variance is divided by w."
    )


def _text(node: Node) -> str:
    return write(node, spelled)
