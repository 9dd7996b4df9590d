"""The text of a Bambi model's formula in this package's grammar, and the columns it reads.

Input: a `bambi.Model`, whose terms are formulae's. Output: a formula, and a copy of the data whose factors have their
levels in Bambi's order. The text is written from the terms as they were evaluated, not from what the user typed:
formulae's names of terms leave out parentheses, and its ``(x | g)`` has no correlations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from bayes_glmm.spec.names import spelled

__all__ = ["bars", "data_of", "formula_of"]

_SCALES = ("scale", "standardize")
_BOXES = ("C", "T", "S")
_BINARY = ("binary", "B")


def formula_of(model: Any, parent: Any) -> str:
    """Write a model's formula.

    Parameters
    ----------
    model
        A `bambi.Model`.
    parent
        The component of its likelihood's location.

    Returns
    -------
    str
        Such as ``"y ~ 1 + x + (1 + x || g)"``: group effects without correlations, as Bambi has them.
    """
    ordered = type(model.family).__name__ == "Cumulative"
    terms = [] if ordered else ["0" if parent.intercept_term is None else "1"]
    terms += [_term(term.term) for term in parent.common_terms.values()]
    terms += [_offset(term.term.components[0]) for term in parent.offset_terms.values()]
    terms += [f"({text})" for text in bars(parent)]
    return f"{_response(model.response_term)} ~ {' + '.join(terms) or '1'}"


def bars(parent: Any) -> Iterator[str]:
    """Write the group effects of each grouping factor.

    Parameters
    ----------
    parent
        The component of a model's location.

    Yields
    ------
    str
        Such as ``"1 + x || g"`` or ``"1 | g"``. A factor with a column for every level, beside an intercept, has a
        bar of its own.
    """
    by_factor: dict[str, list[Any]] = {}
    for term in parent.group_specific_terms.values():
        by_factor.setdefault(_factor(term.term.factor), []).append(term)
    for factor, terms in by_factor.items():
        first = [] if terms[0].kind == "intercept" else ["0"]
        together: list[str] = []
        alone: list[str] = []
        for term in terms:
            text = "1" if term.kind == "intercept" else _term(term.term.expr)
            full = term.kind == "categoric" and term.term.expr.components[0].spans_intercept
            (alone if full and not first else together).append(text)
        bar = "|" if together == ["1"] else "||"
        yield f"{' + '.join(first + together)} {bar} {factor}"
        yield from (f"0 + {text} || {factor}" for text in alone)


def data_of(model: Any, parent: Any) -> pd.DataFrame:
    """Return a model's data with its factors' levels in the model's order and its flags as numbers.

    Parameters
    ----------
    model
        A `bambi.Model`.
    parent
        The component of its likelihood's location.

    Returns
    -------
    pandas.DataFrame
        A copy. Bambi sorts the levels of factors that are not ordered, also where the column is a pandas Categorical,
        and takes True and False for numbers.
    """
    data = model.data.copy()
    for component in _components(model, parent):
        name, levels = _column(component), getattr(component, "levels", None)
        if name is None or name not in data:
            continue
        if component.kind == "numeric" and pd.api.types.is_bool_dtype(data[name]):
            data[name] = data[name].astype(int)
        elif component.kind == "categoric" and levels and not pd.api.types.is_numeric_dtype(data[name]):
            data[name] = pd.Categorical(data[name].astype(object), categories=levels)
    return data


def _components(model: Any, parent: Any) -> Iterator[Any]:
    """Yield the variables and calls of the response and of the terms."""
    yield from model.response_term.term.components
    for term in parent.common_terms.values():
        yield from term.term.components
    for term in parent.group_specific_terms.values():
        yield from getattr(term.term.expr, "components", ())


def _column(component: Any) -> str | None:
    """Return the column that a variable is, or that a call such as ``C(f)`` makes a factor of."""
    call = getattr(component, "call", None)
    if call is None:
        return str(component.name)
    boxed = call.callee in _BOXES and type(call.args[0]).__name__ == "LazyVariable"
    return str(call.args[0].name) if boxed else None


def _response(response: Any) -> str:
    """Write the left side; of two levels that which Bambi counts as a success."""
    component = response.term.components[0]
    text = _component(component)
    if response.success is not None and component.kind == "categoric":
        return f"({text} == {response.success!r})"
    return text


def _offset(component: Any) -> str:
    offset = component._intermediate_data
    return f"offset({float(offset.x)!r})" if offset.kind == "constant" else _expression(component.call)


def _term(term: Any) -> str:
    return ":".join(map(_component, term.components))


def _factor(term: Any) -> str:
    """Write a grouping factor: what ``C(g)`` does to its levels changes no effect."""
    return ":".join(spelled(name) if (name := _column(one)) else _component(one) for one in term.components)


def _component(component: Any) -> str:
    call = getattr(component, "call", None)
    if call is None:
        return spelled(component.name)
    if call.callee in _BOXES:
        return _boxed(call, component._intermediate_data)
    if call.callee in _BINARY and (given := [*call.args[1:], *call.kwargs.values()]):
        return f"I({_expression(call.args[0])} == {_expression(given[0])})"
    return _expression(call)


def _boxed(call: Any, box: Any) -> str:
    """Write ``C(f)``, ``T(f, ref)`` and ``S(f, omit)`` by the levels and contrasts they came to."""
    contrast, levels, options = box.contrast, box.levels, []
    kind = type(contrast).__name__
    if kind == "Sum":
        options.append("contr.sum")
        if contrast.omit is not None:
            everyone = levels or sorted(set(box.data))
            levels = [*(one for one in everyone if one != contrast.omit), contrast.omit]
    elif kind == "Treatment" and contrast.reference is not None:
        options.append(f"contr.treatment({str(contrast.reference)!r})")
    if levels is not None:
        options.append(f"levels=c({', '.join(map(repr, levels))})")
    return f"C({', '.join([_argument(call.args[0]), *options])})"


def _expression(tree: Any) -> str:
    """Write a call, operator, name or constant of formulae."""
    kind = type(tree).__name__
    if kind == "LazyVariable":
        return spelled(tree.name)
    if kind == "LazyValue":
        return repr(tree.value)
    if kind == "LazyOperator":
        parts = [_expression(one) for one in tree.args]
        return f"({tree.symbol}{parts[0]})" if len(parts) == 1 else f"({parts[0]} {tree.symbol} {parts[1]})"
    arguments = [_argument(one) for one in tree.args]
    arguments += [f"{name}={_argument(one)}" for name, one in tree.kwargs.items()]
    # NumPy's sd, which formulae divides by, where R has that of n - 1
    arguments += ["ddof=0"] if tree.callee in _SCALES else []
    return f"{'scale' if tree.callee in _SCALES else tree.callee}({', '.join(arguments)})"


def _argument(tree: Any) -> str:
    """Write an argument, without parentheses round the whole of it."""
    text = _expression(tree)
    return text[1:-1] if type(tree).__name__ == "LazyOperator" else text
