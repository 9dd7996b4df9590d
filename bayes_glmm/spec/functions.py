"""The closed list of what formulas may call: one entry per function, its arguments by R's names, and its other names.

Input: a call as R, Python or a package of theirs writes it. Output: which function is meant and what it is given, or a
`FormulaError` that says what to use in its place. What the functions do is in `bayes_glmm.design.transforms`; a test
holds the two lists together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bayes_glmm.errors import FormulaError, nearest
from bayes_glmm.spec.elsewhere import ELSEWHERE
from bayes_glmm.spec.expression import Binary, Call, Constant, Name, Node, Series, Unary, walk, write

__all__ = [
    "CONTRASTS",
    "FUNCTIONS",
    "OF_CONSTANTS",
    "TEXT_FROM",
    "Bound",
    "Contrast",
    "Function",
    "bound",
    "constant",
    "refused",
]


@dataclass(frozen=True)
class Function:
    """What a function of the closed list takes.

    Parameters
    ----------
    values
        Names of the arguments that are computed from columns, the first ones; all of them must be given.
    options
        Names of the arguments after them, which are constants.
    repeated
        Whether any number of values may be given.
    """

    values: tuple[str, ...] = ("x",)
    options: tuple[str, ...] = ()
    repeated: bool = False


@dataclass(frozen=True)
class Contrast:
    """Contrasts by their name in `CONTRASTS`, and their arguments."""

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Bound:
    """A call with its arguments in their places.

    Parameters
    ----------
    function
        The function's name in `FUNCTIONS`.
    values
        Trees of the values, in the order of the function's entry.
    options
        The options given: numbers, text, None, lists of them, or a `Contrast`.
    """

    function: str
    values: tuple[Node, ...]
    options: dict[str, Any]


#: Functions of one number, by NumPy's names.
ELEMENTWISE = (
    "log", "log10", "log2", "log1p", "exp", "exp2", "expm1", "sqrt", "cbrt", "square", "abs", "sign", "floor", "ceil",
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "reciprocal", "negative", "deg2rad",
    "rad2deg", "rint", "trunc",
)  # fmt: skip
#: Functions of two numbers.
PAIRWISE = ("power", "hypot", "arctan2", "fmod")
#: Functions that may be given constants only, as in ``x / log(2)``.
OF_CONSTANTS = (*ELEMENTWISE, *PAIRWISE, "round", "pmin", "pmax", "as.Date")
#: Functions that take constant text as a value, from which position on.
TEXT_FROM = {"ifelse": 1, "as.Date": 0, "paste": 0, "paste0": 0}
#: Numbers that the data of the fit decide, remembered for new rows.
SUMMARIES = ("mean", "sd", "var", "median", "min", "max")

_EXTRAPOLATIONS = ("raise", "clip", "na", "zero", "extend")
_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")

FUNCTIONS: dict[str, Function] = {
    **dict.fromkeys(ELEMENTWISE, Function()),
    **dict.fromkeys(PAIRWISE, Function(("x", "y"))),
    **dict.fromkeys(SUMMARIES, Function(options=("na.rm",))),
    "log": Function(options=("base",)),
    "round": Function(options=("digits",)),
    "pmin": Function(options=("na.rm",), repeated=True),
    "pmax": Function(options=("na.rm",), repeated=True),
    "ifelse": Function(("test", "yes", "no")),
    "ave": Function(("x", "group")),
    "I": Function(),
    "mo": Function(),
    "as.numeric": Function(),
    "as.integer": Function(),
    "as.character": Function(),
    "as.Date": Function(),
    "paste": Function(options=("sep",), repeated=True),
    "paste0": Function(repeated=True),
    "center": Function(),
    "scale": Function(options=("center", "scale", "ddof")),
    "poly": Function(options=("degree", "raw")),
    "bs": Function(
        options=(
            "df",
            "knots",
            "degree",
            "include_intercept",
            "lower_bound",
            "upper_bound",
            "extrapolation",
            "Boundary.knots",
        )
    ),  # fmt: skip
    "ns": Function(options=("df", "knots", "intercept", "Boundary.knots")),
    "rcs": Function(options=("knots",)),
    "cr": Function(options=_SPLINE),
    "cs": Function(options=_SPLINE),
    "cc": Function(options=_SPLINE),
    "factor": Function(options=("levels", "labels", "ordered")),
    "relevel": Function(options=("ref",)),
    "cut": Function(options=("breaks", "labels", "include.lowest", "right", "dig.lab", "ordered_result")),
    "interaction": Function(options=("sep", "drop"), repeated=True),
    "C": Function(options=("contrasts", "levels")),
}

#: Other names of functions: R's, and NumPy's where they differ.
_NAMES = {
    **{f"np.{name}": name for name in (*ELEMENTWISE, *PAIRWISE, "mean", "median", "min", "max", "round")},
    "np.maximum": "pmax", "np.minimum": "pmin", "np.where": "ifelse", "ceiling": "ceil", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "as.factor": "factor", "ordered": "factor",
    "as.ordered": "factor", "droplevels": "factor", "as.double": "as.numeric", "as.vector": "I",
}  # fmt: skip

#: Other names of options.
_OPTIONS = {("bs", "intercept"): "include_intercept", ("rcs", "parms"): "knots", ("C", "contr"): "contrasts"}

#: Contrasts of C(), by their names after ``contr.``, and their arguments.
CONTRASTS: dict[str, tuple[str, ...]] = {
    "treatment": ("base",),
    "sum": (),
    "helmert": ("reverse", "scale"),
    "poly": ("scores",),
    "diff": ("backward",),
    "SAS": ("base",),
}
_CONTRAST_NAMES = {**{name: name for name in CONTRASTS}, "sdif": "diff"}

_LARGEST_WHOLE = 2.0**53
_MAX_SIZE = 1000
_MAX_DEGREE = 10


def refused(text: str, reason: str) -> FormulaError:
    """Return the error that says what is wrong with a part of a formula.

    Parameters
    ----------
    text
        The part as written.
    reason
        What is wrong and what to do, without a full stop.

    Returns
    -------
    FormulaError
        To be raised.
    """
    return FormulaError(f"In the formula, {text[:200]!r}: {reason}.")


def bound(call: Call) -> Bound:
    """Find the function that a call means and put its arguments in their places.

    Parameters
    ----------
    call
        The call.

    Returns
    -------
    Bound
        Function, values and options; what the values hold is not looked at.

    Raises
    ------
    FormulaError
        If the function is not listed, or an argument is not what the function takes.
    """
    text = write(call, str)
    key = _NAMES.get(call.function, call.function)
    if key not in FUNCTIONS:
        raise refused(text, _why_unknown(call.function))
    function = FUNCTIONS[key]
    free = len(call.arguments) if function.repeated else len(function.values)
    values: dict[str, Node] = {}
    given: list[tuple[str, Node]] = []
    names = [*(function.values if not function.repeated else map(str, range(free))), *function.options]
    if len(call.arguments) > len(names):
        takes = ", ".join((*function.values, *function.options))
        raise refused(text, f"{call.function} takes {takes} and nothing else; {len(call.arguments)} values are given")
    for name, argument in [*zip(names, call.arguments, strict=False), *call.named]:
        name = _OPTIONS.get((key, name), name)
        if name not in (*names, *function.values):
            hint = nearest(name, function.options) if function.options else "It takes no options."
            raise refused(text, f"{call.function} has no option {name!r}. {hint}".rstrip("."))
        if name in values or name in dict(given):
            raise refused(text, f"{name} is given twice")
        if name in function.options:
            given.append((name, argument))
        else:
            values[name] = argument
    wanted = names[:free] if function.repeated else function.values
    absent = [name for name in wanted if name not in values] or (["x"] if not values else [])
    if absent:
        raise refused(text, f"{call.function} needs {', '.join(absent)}; the arguments are {_usage(key)}")
    options = {name: _option(key, name, argument, text) for name, argument in given}
    stated = {name: value for name, value in options.items() if value is not None}  # R's NULL is what is not given
    return Bound(key, tuple(values[name] for name in (wanted or values)), stated)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)


def _are_numbers(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, list) and len(value) > 0 and all(map(_is_number, value)))


_WHOLE = (lambda value: _is_finite(value) and value == int(value), "a whole number")
_NUMBER = (_is_finite, "a number")
_NUMBERS = (_are_numbers, "a number or several, c(1, 2)")
_FLAG = (lambda value: isinstance(value, bool), "TRUE or FALSE")
_NUMBER_OR_FLAG = (lambda value: isinstance(value, bool) or _is_finite(value), "TRUE, FALSE or a number")
_TEXT = (lambda value: isinstance(value, str), "text")
#: What options must be; those left out may be anything that is a constant.
_OPTION_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("degree", "df", "digits", "dig.lab", "ddof"), _WHOLE),
    **dict.fromkeys(("raw", "include_intercept", "intercept", "include.lowest", "right"), _FLAG),
    **dict.fromkeys(("ordered", "ordered_result", "drop", "na.rm", "reverse", "backward"), _FLAG),
    **dict.fromkeys(("lower_bound", "upper_bound"), _NUMBER),
    **dict.fromkeys(("center", "scale"), _NUMBER_OR_FLAG),
    **dict.fromkeys(("knots", "breaks", "scores"), _NUMBERS),
    "Boundary.knots": (lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_finite, value)),
                       "two numbers, c(0, 10)"),
    "log.base": (lambda value: _is_finite(value) and value > 0 and value != 1, "a number above zero other than one"),
    "ref": _TEXT,
    "sep": _TEXT,
    "extrapolation": (lambda value: value in _EXTRAPOLATIONS, f"one of {', '.join(_EXTRAPOLATIONS)}"),
}  # fmt: skip


def _usage(key: str) -> str:
    function = FUNCTIONS[key]
    return f"{key}({', '.join((*function.values, *(['...'] if function.repeated else []), *function.options))})"


def _option(function: str, name: str, node: Node, text: str) -> Any:
    if (function, name) == ("C", "contrasts"):
        return _contrast(node, text)
    try:
        value = constant(node)
    except FormulaError as error:
        called = [p.function for p in walk(node) if isinstance(p, Call) and p.function not in ("c", "seq")]
        if called:
            raise refused(text, f"{name} is computed by {called[0]}(); write the numbers themselves") from None
        raise refused(text, f"options of {function}() must be numbers, text or lists of them: {error}") from None
    fits, wanted = _OPTION_KINDS.get(
        "log.base" if (function, name) == ("log", "base") else name, (lambda value: True, "")
    )
    if value is not None and not fits(value):
        raise refused(text, f"{name} must be {wanted}, not {value!r}")
    number = value if _is_number(value) else 0
    if (function, name) == ("bs", "degree") and number > _MAX_DEGREE:
        raise refused(text, f"bs() goes to degree {_MAX_DEGREE}")
    if number > _MAX_SIZE and (name in ("degree", "df", "breaks") or (function, name) == ("rcs", "knots")):
        raise refused(text, f"{function} with {number} columns is refused; give at most {_MAX_SIZE}")
    return value


def constant(node: Node) -> Any:
    """Return the value of a tree that reads no column: a number, text, TRUE, FALSE, NULL, or a list of them.

    Parameters
    ----------
    node
        The tree: literals, ``-1``, ``c(...)``, ``[...]``, ``1:5`` or ``seq(from, to, by)``.

    Returns
    -------
    bool, int, float, str, None or list
        The value.

    Raises
    ------
    FormulaError
        If it is anything else.
    """
    match node:
        case Constant(value, _):
            return value
        case Name("T" | "F" as letter):
            return letter == "T"
        case Unary("-" | "+" as sign, operand) if isinstance(number := constant(operand), (int, float)):
            return -number if sign == "-" else number
        case Series(items, _) | Call("c", items, ()):
            return [_single(item) for item in items]
        case Binary(":", left, right):
            return _sequence(constant(left), constant(right), 1)
        case Call("seq", arguments, named):
            given = dict(zip(("from", "to", "by"), map(constant, arguments), strict=False))
            given |= {key: constant(value) for key, value in named}
            if given.keys() == {"from", "to", "by"}:
                return _sequence(given["from"], given["to"], given["by"])
            raise FormulaError("write seq(from, to, by)")
        case Binary("/" | "*" | "+" | "-" as operator, left, right):
            return _arithmetic(operator, constant(left), constant(right))
    raise FormulaError(f"{write(node, str)[:60]!r} is no constant")


def _single(node: Node) -> Any:
    value = constant(node)
    if isinstance(value, list):
        raise FormulaError("lists may hold numbers and text only")
    return value


def _arithmetic(operator: str, left: Any, right: Any) -> int | float:
    if not (_is_finite(left) and _is_finite(right)) or (operator == "/" and right == 0):
        raise FormulaError("arithmetic in options is of plain numbers")
    compute = {"/": float.__truediv__, "*": float.__mul__, "+": float.__add__, "-": float.__sub__}[operator]
    value = compute(float(left), float(right))
    return int(value) if value.is_integer() and abs(value) < _LARGEST_WHOLE else value


def _sequence(first: Any, last: Any, step: Any) -> list[Any]:
    if not all(map(_is_finite, (first, last, step))) or step == 0:
        raise FormulaError("a sequence goes from one number to another")
    if first > last and step == 1:
        step = -1
    count = (float(last) - float(first)) / float(step)
    if not 0 <= count + 1e-10 < _MAX_SIZE:
        raise FormulaError(f"a sequence may have {_MAX_SIZE} numbers")
    return [first + i * step for i in range(int(count + 1e-10) + 1)]


def _word(node: Node) -> str:
    """Return a name that stands by itself, bare or as text."""
    match node:
        case Name(name) | Constant(str() as name, _):
            return name
    return ""


def _contrast(node: Node, text: str) -> Contrast | None:
    if isinstance(node, Constant) and node.value is None:
        return None
    call = node if isinstance(node, Call) else Call(_word(node), ())
    name = call.function
    key = _CONTRAST_NAMES.get(name.removeprefix("contr."))
    if key is None:
        names = ", ".join(f"contr.{one}" for one in CONTRASTS)
        hint = f" ({ELSEWHERE[name]})" if name in ELSEWHERE else ""
        raise refused(text, f"the contrasts of C() must be one of {names}{hint}")
    allowed = CONTRASTS[key]
    given = [*zip(allowed, call.arguments, strict=False), *call.named]
    known = {one for one, _ in given} <= set(allowed) and len(dict(given)) == len(given)
    if len(call.arguments) > len(allowed) or not known:
        raise refused(text, f"contr.{key} takes {', '.join(allowed) or 'no arguments'}")
    return Contrast(key, tuple((one, _option(f"contr.{key}", one, value, text)) for one, value in given))


def _why_unknown(name: str) -> str:
    last = name.rsplit(".", 1)[-1]
    if name in ELSEWHERE:
        return f"{name}() cannot be used here: {ELSEWHERE[name]}"
    if "." in name and last in SUMMARIES and not name.startswith(("np.", "numpy.")):
        return f"write {last}({name.rsplit('.', 1)[0]}), which remembers the data of the fit"
    if last in _AGGREGATIONS:
        return (
            f"{name}() would be computed again on new data; use mean(x), sd(x), median(x), min(x) or max(x), or "
            "center(x) or scale(x), which remember the data of the fit, or make the column yourself"
        )
    if name.startswith(("np.", "numpy.")):
        known = [one for one in _NAMES if one.startswith("np.")]
        return f"{name} is not allowed in formulas. {nearest(name, known)}".rstrip(".")
    if "." in name and name.split(".")[0] not in ("as", "is"):
        return f"{name!r} may not be called; formulas know only {', '.join(ELEMENTWISE[:5])} and the like"
    return f"there is no function {name!r}. {nearest(name, [*FUNCTIONS, *_NAMES])}".rstrip(".")


_AGGREGATIONS = frozenset(
    "std sum average prod cumsum cumprod nanmean nanstd amin amax ptp quantile percentile argmax argmin sort rank ewm "
    "rolling diff gradient mad size len length range IQR cummax cummin".split()
)
