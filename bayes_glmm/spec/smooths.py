"""Smooth terms of a formula: penalised splines and approximate Gaussian processes, in mgcv's and brms's notation.

Input: the text of a call, ``"s(x, by=f)"``. Output: a `Smooth`. What is a straight line in it is added to the fixed
part as terms of its own, so that a smooth is what bends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bayes_glmm.errors import FormulaError, nearest
from bayes_glmm.spec.expression import Call, Name, Node, read_expression, write
from bayes_glmm.spec.functions import constant, refused
from bayes_glmm.spec.names import spelled
from bayes_glmm.spec.safe import check_expression
from bayes_glmm.spec.scan import enclosed

__all__ = ["COVARIANCES", "Smooth", "is_smooth", "once_each", "read_smooth", "refuse_within"]

#: What smooths are called here and elsewhere.
_KINDS = {"s": "s", "t2": "t2", "te": "t2", "hsgp": "hsgp", "gp": "hsgp"}
_CALL = re.compile(r"(?:(?:mgcv|brms)::)?(s|t2|te|hsgp|gp)\s*(?=\()")
#: Covariance functions of Gaussian processes by all their names -> Matern's nu; zero stands for infinity.
COVARIANCES = {"exp_quad": 0.0, "matern32": 1.5, "matern52": 2.5}
_COVARIANCE_NAMES = {
    "exp_quad": "exp_quad",
    "ExpQuad": "exp_quad",
    "matern15": "matern32",
    "matern32": "matern32",
    "Matern32": "matern32",
    "matern25": "matern52",
    "matern52": "matern52",
    "Matern52": "matern52",
}
_OPTIONS = {"s": ("by", "k", "bs"), "t2": ("by", "k", "bs"), "hsgp": ("by", "k", "m", "c", "cov")}
_MOST = {"s": 64, "t2": 12, "hsgp": 64}
_BOUNDARY = 1.5


@dataclass(frozen=True)
class Smooth:
    """One smooth term.

    Parameters
    ----------
    kind
        ``"s"``, a penalised cubic spline; ``"t2"``, a product of several; ``"hsgp"``, a Gaussian process.
    variables
        What it is a function of: expressions.
    by
        The column whose levels have a curve each, or whose values multiply the curve.
    sizes
        Knots, or basis functions, of each variable; empty where the data decide.
    boundary
        Half the width of a Gaussian process's domain over half the range of the data.
    covariance
        A name in `COVARIANCES`.
    """

    kind: str
    variables: tuple[str, ...]
    by: str | None = None
    sizes: tuple[int, ...] = ()
    boundary: float = _BOUNDARY
    covariance: str = "exp_quad"

    @property
    def label(self) -> str:
        """The term without its settings, ``"s(x, by=f)"``."""
        by = () if self.by is None else (f"by={self.by}",)
        return f"{self.kind}({', '.join((*self.variables, *by))})"

    @property
    def straight(self) -> tuple[str, ...]:
        """Terms of the fixed part that the smooth goes with: what no penalty holds, and the main effect of `by`."""
        by = () if self.by is None else (spelled(self.by),)
        if self.kind == "hsgp":
            return by
        products: tuple[str, ...] = ("",)
        for variable in self.variables:
            own = _as_term(variable)
            products = (*products, *(f"{before}:{own}" if before else own for before in products))
        return (*by, *(":".join((*by, product)) for product in products if product))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        own = [name for text in self.variables for name in check_expression(text)]
        return tuple(dict.fromkeys([*own, *([] if self.by is None else [self.by])]))


def is_smooth(piece: str) -> bool:
    """Whether a term of a sum is one call of a smooth."""
    found = _CALL.match(piece)
    return found is not None and enclosed(piece[found.end() :]) is not None


def read_smooth(piece: str, sign: str = "+") -> Smooth:
    """Read one smooth term.

    Parameters
    ----------
    piece
        A text that `is_smooth`.
    sign
        Whether it is added.

    Returns
    -------
    Smooth
        The term.

    Raises
    ------
    FormulaError
        If it is a smooth of another kind than there is, or an option is not one of its own.
    """
    if sign == "-":
        raise FormulaError(f"A smooth cannot be subtracted: '- {piece}'.")
    found = _CALL.match(piece)
    assert found is not None
    call = read_expression(piece[found.start(1) :])
    assert isinstance(call, Call)
    name, kind = call.function, _KINDS[call.function]
    variables = tuple(write(node, spelled) for node in call.arguments)
    for text in variables:
        if not check_expression(text):
            raise refused(piece, f"{name}() is of columns, and {text} is none; settings have names, k=10")
    _check_count(piece, name, kind, len(variables))
    given: dict[str, Node] = {}
    for option, node in call.named:
        if option not in _OPTIONS[kind]:
            raise refused(piece, f"{name}() has no option {option!r}. {nearest(option, _OPTIONS[kind])}".rstrip("."))
        if option in given:
            raise refused(piece, f"{option} is given twice")
        given[option] = node
    by = given.pop("by", None)
    if by is not None and not isinstance(by, Name):
        raise refused(piece, "by= is one column, of levels or of numbers")
    options = {option: _constant(node, option, piece) for option, node in given.items()}
    _check_basis(piece, name, options.pop("bs", "cr"))
    if "k" in options and "m" in options:
        raise refused(piece, "k and m both are the number of basis functions; give one of them")
    sizes = _sizes(piece, kind, options.get("k", options.get("m")), len(variables))
    boundary = options.get("c", _BOUNDARY)
    boundary = boundary[0] if isinstance(boundary, list) and len(set(boundary)) == 1 else boundary
    if not isinstance(boundary, (int, float)) or isinstance(boundary, bool) or not 1.0 < boundary <= 10.0:
        raise refused(piece, f"c is one number above 1 and up to 10, such as 1.5, not {boundary!r}")
    covariance = options.get("cov", "exp_quad")
    if covariance not in _COVARIANCE_NAMES:
        raise refused(piece, f"cov is one of {', '.join(COVARIANCES)}, not {covariance!r}")
    smooth = Smooth(
        kind, variables, None if by is None else by.name, sizes, float(boundary), _COVARIANCE_NAMES[covariance]
    )
    if smooth.by is not None and any(smooth.by in check_expression(text) for text in variables):
        raise refused(piece, f"the curve is a function of {smooth.by!r}, which cannot be its by=, too")
    return smooth


def refuse_within(smooths: Sequence[Smooth], inside: str, group: str) -> None:
    """Refuse smooths within the group term `inside`."""
    if smooths:
        label = smooths[0].label
        raise FormulaError(
            f"A smooth cannot be within a group term: '({inside})'. A curve for each level is "
            f"{label[:-1]}, by={group}), and levels that differ from one curve by lines are {label} + (x | {group})."
        )


def once_each(smooths: Sequence[Smooth], text: str) -> tuple[Smooth, ...]:
    """Return smooths that are different from each other; two of one name are an error about the formula's `text`."""
    labels = [smooth.label for smooth in smooths]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise FormulaError(f"The smooth {twice[0]} appears twice in {text!r}.")
    return tuple(smooths)


def _as_term(variable: str) -> str:
    """Write an expression so that it is one factor of a term: a name, a call, or I() of anything else."""
    return variable if isinstance(read_expression(variable), (Name, Call)) else f"I({variable})"


def _check_count(piece: str, name: str, kind: str, count: int) -> None:
    if count == 0:
        raise refused(piece, f"{name}() needs a column, as in {name}(x)")
    if kind == "s" and count > 1:
        raise refused(
            piece, "s() is of one column; write t2(x, z) for a surface, or hsgp(x, z) where both have one unit"
        )
    if kind == "t2" and count != 2:
        raise refused(piece, f"{name}() is of two columns, as in {name}(x, z)")
    if kind == "hsgp" and count > 2:
        raise refused(piece, f"{name}() is of one column or two, and not of {count}")


def _check_basis(piece: str, name: str, basis: Any) -> None:
    if any(one != "cr" for one in (basis if isinstance(basis, list) else [basis])):
        raise refused(
            piece, f"{name}() has one basis, cubic regression splines: leave bs={basis!r} out, or write bs='cr'"
        )


def _constant(node: Node, option: str, piece: str) -> Any:
    try:
        return constant(node)
    except FormulaError as error:
        raise refused(piece, f"{option} must be a constant: {error}") from None


def _sizes(piece: str, kind: str, value: Any, count: int) -> tuple[int, ...]:
    if value is None:
        return ()
    sizes = value if isinstance(value, list) else [value] * count
    least, most = (1 if kind == "hsgp" else 3), _MOST[kind]
    whole = all(isinstance(size, (int, float)) and not isinstance(size, bool) and size == int(size) for size in sizes)
    if len(sizes) != count or not whole or not all(least <= size <= most for size in sizes):
        each = "one whole number" if count == 1 else "a whole number, or one for each column,"
        raise refused(piece, f"k is {each} from {least} to {most}, not {value!r}")
    return tuple(int(size) for size in sizes)
