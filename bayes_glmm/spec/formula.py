"""From the text of a formula to its parts: response, fixed part, offsets and bars, in lme4's grammar.

Input: text such as ``"p(incidence, size) ~ period + (1 | herd)"``. Output: a `Formula`. Bars are found by a small
parser of our own (lme4's findbars and nobars); nothing is evaluated and no data are seen.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.bars import grouping_factor
from bayes_glmm.spec.dependence import PLAIN, Dependence, check_dependent, read_dependence
from bayes_glmm.spec.names import grouping_columns, name_columns, one_name, spell_dots
from bayes_glmm.spec.response import ResponseFormula, read_response
from bayes_glmm.spec.safe import check_expression, check_terms, columns_of_dates
from bayes_glmm.spec.scan import (
    carets,
    check_characters,
    collapse_blanks,
    enclosed,
    has_bar,
    only_argument,
    signed_terms,
    split,
    unique,
)
from bayes_glmm.spec.smooths import Smooth, is_smooth, once_each, read_smooth, refuse_within

__all__ = ["Bar", "Formula", "ParameterFormula", "grouping_factors", "parse_formula", "with_parameters"]


@dataclass(frozen=True)
class Bar:
    """One group term ``(effects | group)``.

    Parameters
    ----------
    effects
        Left side as a sum of terms with the intercept written out, ``"1 + x"``.
    group
        Columns whose combinations are the levels: ``("herd",)``, or ``("a", "b")`` for ``a:b``.
    correlated
        False for ``(x || g)``: every coefficient of the term is independent of the others.
    together
        Name that terms of one grouping factor share whose coefficients are correlated, ``"p"`` for ``(1 | p | g)``.
    kind
        How the levels are correlated in time or space, ``"ar1"`` for ``ar1(time | g)``, whose last column of `group` is
        the time; empty where they are not.
    """

    effects: str
    group: tuple[str, ...]
    correlated: bool = True
    together: str = ""
    kind: str = ""

    @property
    def name(self) -> str:
        """The grouping factor's name, ``"herd"`` or ``"a:b"``."""
        return ":".join(self.group)


@dataclass(frozen=True)
class ParameterFormula:
    """The formula of a parameter of the family besides its mean.

    Parameters
    ----------
    name
        The parameter, ``"sigma"``.
    text
        The right side as it was given, blanks collapsed: ``"~ x + (1 | g)"``.
    fixed, offsets, bars, smooths
        As of a `Formula`.
    stated
        Whether the user stated it; False where it is made from the model's right side, for a category.
    implied
        Whether there is a constant that is no column: thresholds.
    """

    name: str
    text: str
    fixed: str
    offsets: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    smooths: tuple[Smooth, ...] = ()
    stated: bool = True
    implied: bool = False


@dataclass(frozen=True)
class Formula:
    """A formula taken apart.

    Parameters
    ----------
    text
        The text as it was given, blanks collapsed.
    response
        The left side.
    fixed
        The fixed part as a sum of terms with the intercept written out; ``"0"`` when it is empty.
    offsets
        Expressions added to the linear predictor with coefficient one (link scale).
    bars
        Group terms, ``(1 | a/b)`` and ``||`` already expanded.
    parameters
        Formulas of the family's further parameters. What follows is about all formulas together.
    smooths
        What bends: the straight lines that smooths go with are terms of the fixed part.
    by_step
        Terms of ``cs(...)``, whose effects differ from step to step between ordered categories; empty where there are
        none, and where `parameters` hold them.
    """

    text: str
    response: ResponseFormula
    fixed: str
    offsets: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    parameters: tuple[ParameterFormula, ...] = ()
    smooths: tuple[Smooth, ...] = ()
    by_step: str = ""

    @property
    def parts(self) -> tuple[Formula | ParameterFormula, ...]:
        """The formula of the mean and those of further parameters: what has a fixed part, offsets and bars."""
        return (self, *self.parameters)

    @property
    def stated(self) -> dict[str, str]:
        """The texts of the formulas of further parameters that the user stated."""
        return {part.name: part.text for part in self.parameters if part.stated}

    @property
    def all_bars(self) -> tuple[Bar, ...]:
        """The bars of all parts."""
        return tuple(bar for part in self.parts for bar in part.bars)

    @property
    def terms(self) -> tuple[str, ...]:
        """Every sum of terms: the fixed part of each formula, and the left sides of its bars."""
        texts = (text for part in self.parts for text in (part.fixed, *(bar.effects for bar in part.bars)))
        return (*texts, *([self.by_step] if self.by_step else []))

    @property
    def estimated(self) -> tuple[str, ...]:
        """Columns that the fixed parts, the bars' left sides and smooths read: those whose effects are estimated."""
        curves = (smooth.columns for part in self.parts for smooth in part.smooths)
        return unique(name for names in (*map(check_terms, self.terms), *curves) for name in names)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Columns that the fixed parts, the offsets and the bars' left sides read."""
        offsets = (text for part in self.parts for text in part.offsets)
        return unique([*self.estimated, *(name for text in offsets for name in check_expression(text))])

    @property
    def dates(self) -> tuple[str, ...]:
        """Columns that predictors read as dates, within as.Date()."""
        curves = (text for part in self.parts for smooth in part.smooths for text in smooth.variables)
        return columns_of_dates(self.terms, (*(text for part in self.parts for text in part.offsets), *curves))

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Columns that make up the grouping factors."""
        return unique(name for bar in self.all_bars for name in bar.group)

    @property
    def variables(self) -> tuple[str, ...]:
        """Every column the formula reads, in order, without duplicates."""
        return unique([*self.response.variables, *self.predictors, *self.group_columns])

    def __str__(self) -> str:
        return self.text


def with_parameters(formula: Formula, texts: Mapping[str, str], columns: Iterable[str] = ()) -> Formula:
    """Add the formulas of further parameters.

    Parameters
    ----------
    formula
        The formula of the mean.
    texts
        Parameter -> right side, ``"~ x + (1 | g)"``; the parameter's name, or nothing, stands left of ``~``.
    columns
        Names of the data's columns, as `parse_formula` takes them.

    Returns
    -------
    Formula
        With `parameters`. Terms ``(1 | p | g)`` of several formulas share their correlations.

    Raises
    ------
    FormulaError
        If a text cannot be read, or has a response of its own.

    Examples
    --------
    >>> formula = with_parameters(parse_formula("y ~ x"), {"sigma": "~ x + (1 | g)"})
    >>> formula.parameters[0].fixed, formula.group_columns
    ('1 + x', ('g',))
    """
    names, parameters = tuple(columns), []
    response = split(formula.text, "~")[0].strip()
    grouping = grouping_factors(texts, names).union(formula.group_columns)
    shared = _shared(formula.bars)
    for name, text in texts.items():
        try:
            parameters.append(_parameter(name, text, response, names, shared, grouping))
        except FormulaError as error:
            raise FormulaError(f"dpar_formulas[{name!r}]: {error}") from None
        shared = _shared(together := (*formula.bars, *(bar for one in parameters for bar in one.bars)))
        check_dependent(together)
    return replace(formula, parameters=tuple(parameters))


def _parameter(
    name: str, text: Any, response: str, names: tuple[str, ...], shared: dict[str, set[str]], grouping: set[str]
) -> ParameterFormula:
    """Read the formula of one parameter as that of a response, since it may not have this among its predictors."""
    if not isinstance(text, str):
        raise FormulaError(f"A formula must be text such as '~ x + (1 | g)', not {type(text).__name__}.")
    *left, right = (part.strip() for part in split(collapse_blanks(text), "~"))
    if len(left) > 1 or (left and left[0] not in ("", name)):
        raise FormulaError(f"Write the right side of a formula, '~ x + (1 | g)', not {text!r}.")
    try:
        part = parse_formula(f"{response} ~ {right}", names, shared, grouping)
    except FormulaError as error:
        raise FormulaError(str(error).replace(f"{response} ~", "~")) from None
    return ParameterFormula(
        name, f"~ {split(part.text, '~')[1].strip()}", part.fixed, part.offsets, part.bars, part.smooths
    )


def grouping_factors(texts: Any, columns: Iterable[str] = ()) -> set[str]:
    """Find the columns of the grouping factors that formulas of further parameters have.

    Parameters
    ----------
    texts
        Parameter -> right side, as the user gave them. What is no formula has none; others refuse it.
    columns
        Names of the data's columns, as `parse_formula` takes them.

    Returns
    -------
    set of str
        The columns.

    Examples
    --------
    >>> grouping_factors({"sigma": "~ x + (1 | g)"})
    {'g'}
    """
    names, found = tuple(columns), set()
    for text in texts.values() if isinstance(texts, Mapping) else ():
        if isinstance(text, str):
            with contextlib.suppress(FormulaError):
                found |= grouping_columns(name_columns(text, names))
    return found


def _shared(bars: Iterable[Bar]) -> dict[str, set[str]]:
    """Collect the grouping factors of every name that terms share."""
    groups: dict[str, set[str]] = {}
    for bar in bars:
        if bar.together:
            groups.setdefault(bar.together, set()).add(bar.name)
    return groups


def parse_formula(
    text: str,
    columns: Iterable[str] = (),
    shared: Mapping[str, set[str]] | None = None,
    grouping: Collection[str] = (),
) -> Formula:
    """Parse a formula in lme4's notation.

    Parameters
    ----------
    text
        ``response ~ terms``. Responses: a column, an expression, ``p(successes, trials)`` or R's ``cbind(successes,
        failures)``, ``weighted(y, w)`` (a row counts w times, as w equal rows would), ``precision(y, w)`` (a row's
        variance is divided by w, as that of a mean of w rows is: lme4's ``weights=``), and brms's ``y | trials(n) +
        weights(w)``. Terms: those of R (``+ - : * / ^``), ``offset(...)``, and bars ``(x | g)``, ``(x || g)``,
        ``(1 | a/b)``, ``(1 | a:b)``, ``ar1(time | g)`` and its like (`bayes_glmm.spec.dependence`). Column
        names that hold blanks or operators go in backticks.
    columns
        Names of the data's columns. With them, a name such as ``dose[mg]`` needs no backticks and ``.`` stands for all
        columns that the formula does not have as response or grouping factor.
    shared
        Names by which terms of other formulas share their correlations, with their grouping factors.
    grouping
        Columns of grouping factors that other formulas have: no dot stands for them.

    Returns
    -------
    Formula
        The parts.

    Raises
    ------
    FormulaError
        If the text cannot be read, or says anything outside the closed list of `bayes_glmm.spec.safe`.

    Examples
    --------
    >>> formula = parse_formula("Reaction ~ Days + (Days | Subject)")
    >>> formula.fixed, formula.bars[0].effects, formula.bars[0].group
    ('1 + Days', '1 + Days', ('Subject',))
    """
    if not isinstance(text, str):
        raise FormulaError(f"The formula must be text such as 'y ~ x + (1 | g)', not {type(text).__name__}.")
    names = tuple(columns)
    text = name_columns(text, names)
    check_characters(text)
    try:
        text = spell_dots(collapse_blanks(text), [name for name in names if name not in grouping])
        return _parse(text, {key: set(value) for key, value in (shared or {}).items()})
    except FormulaError:
        raise
    except (RecursionError, MemoryError):
        raise FormulaError(f"The formula is nested too deeply to be read: {text[:60]!r}...") from None
    except ValueError as error:  # a number of thousands of digits, which Python does not write back
        raise FormulaError(f"Cannot read the formula {text[:60]!r}...: {error}") from None


def _parse(text: str, shared: dict[str, set[str]]) -> Formula:
    if re.match(r"([\w.]+::)?\w+\(.*~", text) and len(split(text, "~")) == 1:
        raise FormulaError(f"Write the formula itself, 'response ~ terms', not a call that holds one: {text[:60]!r}.")
    sides = split(text, "~")
    if len(sides) == 1:
        raise FormulaError(f"The formula {text!r} has no '~'; write 'response ~ terms'.")
    if len(sides) > 2:
        raise FormulaError(f"The formula {text!r} has more than one '~'.")
    left, right = (side.strip() for side in sides)
    if not left:
        raise FormulaError(f"The formula {text!r} has no response on the left of '~'.")
    if not right:
        raise FormulaError(
            f"The formula {text!r} has nothing on the right of '~'; write 'y ~ 1' for an intercept only."
        )
    if len(split(right, ",")) > 1:
        after = right[len(split(right, ",")[0]) :]
        raise FormulaError(f"{after!r} is no term of a formula: family, link and priors are arguments of their own.")
    fixed, offsets, bars, smooths = _right_side(right, shared)
    check_dependent(bars)
    fixed, by_step = _steps_apart(fixed)
    others = tuple(offsets), tuple(bars), (), once_each(smooths, text), by_step
    formula = Formula(text, read_response(left), _terms(fixed), *others)
    columns = set(check_expression(formula.response.expression))
    for role, names in (("predictor", formula.predictors), ("grouping factor", formula.group_columns)):
        if both := sorted(columns & set(names)):
            raise FormulaError(f"The response {both[0]!r} is also a {role} in {text!r}.")
    return formula


# the right side ---------------------------------------------------------------------------------------------------


_Right = tuple[list[tuple[str, str]], list[str], list[Bar], list[Smooth]]


def _right_side(text: str, shared: dict[str, set[str]]) -> _Right:
    """Take a sum apart: fixed terms with their signs, offsets, bars, smooths; parentheses that are added are opened."""
    if len(split(text, "|")) > 1:
        raise FormulaError(f"Put group terms in parentheses, as in '(1 | g)': {text!r}.")
    fixed: list[tuple[str, str]] = []
    offsets: list[str] = []
    bars: list[Bar] = []
    smooths: list[Smooth] = []
    for sign, piece in signed_terms(text):
        if (dependent := read_dependence(sign, piece)) is not None:
            bars.extend(_dependent(dependent, piece, shared))
            continue
        grouped = has_bar(piece)
        inside = enclosed(piece)
        if re.match(r"offset\s*\(", piece) and piece.endswith(")"):
            if sign == "-":
                raise FormulaError(f"An offset cannot be subtracted; write offset(-({piece[7:-1]})).")
            offsets.append(_offset(piece))
        elif is_smooth(piece):
            smooths.append(read_smooth(piece, sign))
            fixed.extend(("+", straight) for straight in smooths[-1].straight)
        elif not grouped and (inside is None or sign == "-"):
            fixed.append((sign, piece))
        elif inside is None:
            raise FormulaError(f"A group term such as '(1 | g)' must be added with '+', not be part of {piece!r}.")
        elif sign == "-":
            raise FormulaError(f"A group term cannot be subtracted: '- {piece}'.")
        elif grouped and len(split(inside, "|")) > 1:
            bars.extend(_expand_bar(inside, shared))
        else:
            wholes: tuple[list[Any], ...] = (fixed, offsets, bars, smooths)
            nested: tuple[list[Any], ...] = _right_side(inside, shared)
            for whole, part in zip(wholes, nested, strict=True):
                whole.extend(part)
    return fixed, offsets, bars, smooths


def _dependent(read: Dependence, piece: str, shared: dict[str, set[str]]) -> list[Bar]:
    """Turn ``ar1(time | g)``, ``us(x | g)`` and the like into bars."""
    if read.kind in PLAIN:
        return _expand_bar(f"{read.left} {PLAIN[read.kind]} {read.right}", shared)
    group = grouping_factor(read.right, piece) if read.right else [()]
    if len(group) > 1:
        raise FormulaError(f"{piece}: name one grouping factor, such as a:b, right of the bar; '/' makes several.")
    if read.left in group[0]:
        raise FormulaError(f"{piece}: {read.left!r} cannot be both the time and the grouping factor.")
    return [Bar("1", (*group[0], read.left), kind=read.kind)]


def _steps_apart(fixed: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], str]:
    """Take brms's ``cs(terms)``, which has one argument and no name, apart from other fixed terms."""
    inside = [(sign, text) for sign, piece in fixed if (text := only_argument(piece, "cs")) is not None]
    if not inside:
        return fixed, ""
    if any(sign == "-" for sign, _ in inside):
        raise FormulaError("cs() cannot be subtracted; leave it out.")
    rest = [pair for pair in fixed if only_argument(pair[1], "cs") is None]
    terms, *others = _right_side(" + ".join(text for _, text in inside), {})
    if any(others):
        raise FormulaError("cs() holds predictors, cs(x + z), and no offsets, group terms or smooths.")
    return rest, _terms([pair for pair in terms if pair[1] not in ("0", "1")])


def _offset(piece: str) -> str:
    expression = piece[piece.index("(") + 1 : -1].strip()
    if not expression:
        raise FormulaError("offset() needs an expression, such as offset(log(exposure)).")
    check_expression(expression)
    return expression


def _terms(pieces: list[tuple[str, str]]) -> str:
    """Write a sum of terms with the intercept spelled out, and check it."""
    if not pieces:
        return "1"
    stated = any(piece in ("0", "1") for _, piece in pieces)
    text = "" if stated else "1"
    for sign, piece in pieces:
        text += f" {sign} {carets(piece)}" if text or sign == "-" else carets(piece)
    text = text.strip()
    check_terms(text)
    return text


# bars -------------------------------------------------------------------------------------------------------------


def _expand_bar(inside: str, shared: dict[str, set[str]]) -> list[Bar]:
    """Turn the inside of one pair of parentheses into bars, one per grouping factor.

    `shared` holds brms's names of terms whose effects are correlated, ``p`` in ``(1 | p | g)``, and the grouping
    factors they have been given so far.
    """
    parts = [part.strip() for part in split(inside, "|")]
    double = len(parts) == 3 and parts[1] == "" and "||" in inside
    named = len(parts) == 3 and one_name(parts[1]) is not None
    if len(parts) > 2 and not (double or named):
        raise FormulaError(
            f"'({inside})' has more than one bar. Write one term per grouping factor, (x + z | g), (x || g) for no "
            "correlation, or (x | p | g) for coefficients that are correlated with those of other terms of the name p."
        )
    left, right = parts[0], parts[-1]
    if not left:
        raise FormulaError(f"'({inside})' has nothing on the left of the bar; write (1 | {right or 'g'}).")
    if not right:
        raise FormulaError(f"'({inside})' has no grouping factor on the right of the bar.")
    if "offset" in left and re.search(r"\boffset\s*\(", left):
        raise FormulaError(f"An offset cannot be within a group term: '({inside})'.")
    fixed, _, _, smooths = _right_side(left, {})
    refuse_within(smooths, inside, right)
    effects = _terms(fixed)
    if effects in ("0", "- 1", "-1"):
        raise FormulaError(f"'({inside})' has no coefficients; write (1 | {right}) or (0 + x | {right}).")
    together = parts[1] if named else ""
    bars = [Bar(effects, group, correlated=not double, together=together) for group in grouping_factor(right, inside)]
    if named:
        known, own = shared.setdefault(together, set()), {bar.name for bar in bars}
        if known and not known & own:
            raise FormulaError(
                f"'({inside})' shares the name {together!r} with terms of {', '.join(sorted(known))}: only effects of "
                "one grouping factor can be correlated. Give it a name of its own."
            )
        known |= own
    return bars
