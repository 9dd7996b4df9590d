"""From the text of a formula to its parts: response, fixed part, offsets and bars, in lme4's grammar.

Input: text such as ``"p(incidence, size) ~ period + (1 | herd)"``. Output: a `Formula`. Bars are found by a small
parser of our own (lme4's findbars and nobars); nothing is evaluated and no data are seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bayes_glmm.errors import FormulaError
from bayes_glmm.spec.safe import check_expression, check_terms, hide_names, show_names

__all__ = ["Bar", "Formula", "ResponseFormula", "parse_formula"]


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
    """

    effects: str
    group: tuple[str, ...]
    correlated: bool = True

    @property
    def name(self) -> str:
        """The grouping factor's name, ``"herd"`` or ``"a:b"``."""
        return ":".join(self.group)


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
    """

    expression: str
    trials: str | None = None
    weights: str | None = None
    precision: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns the response, trials and weights read."""
        texts = (self.expression, self.trials, self.weights, self.precision)
        return _unique(name for text in texts if text is not None for name in check_expression(text))


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
    """

    text: str
    response: ResponseFormula
    fixed: str
    offsets: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()

    @property
    def predictors(self) -> tuple[str, ...]:
        """Columns that the fixed part, the offsets and the bars' left sides read."""
        terms = (name for text in (self.fixed, *(bar.effects for bar in self.bars)) for name in check_terms(text))
        return _unique([*terms, *(name for text in self.offsets for name in check_expression(text))])

    def states_factor(self, column: str) -> bool:
        """Whether a term says that a column is a factor, ``C(column)``."""
        parts = " ".join([self.fixed, *(bar.effects for bar in self.bars)])
        return re.search(rf"\bC\(\s*`?{re.escape(column)}`?\s*[,)]", parts) is not None

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Columns that make up the grouping factors."""
        return _unique(name for bar in self.bars for name in bar.group)

    @property
    def variables(self) -> tuple[str, ...]:
        """Every column the formula reads, in order, without duplicates."""
        return _unique([*self.response.variables, *self.predictors, *self.group_columns])

    def __str__(self) -> str:
        return self.text


def parse_formula(text: str) -> Formula:
    """Parse a formula in lme4's notation.

    Parameters
    ----------
    text
        ``response ~ terms``. Responses: a column, an expression, ``p(successes, trials)``, ``weighted(y, w)`` (a row
        counts w times, as w equal rows would), ``precision(y, w)`` (a row's variance is divided by w, as that of a mean
        of w rows is: lme4's ``weights=``). Terms: those of R (``+ - : * / ^``), ``offset(...)``, and bars ``(x | g)``,
        ``(x || g)``, ``(1 | a/b)``, ``(1 | a:b)``. Column names that are no identifiers go in backticks.

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
    >>> formula.fixed, formula.bars
    ('1 + Days', (Bar(effects='1 + Days', group=('Subject',), correlated=True),))
    """
    if not isinstance(text, str):
        raise FormulaError(f"The formula must be text such as 'y ~ x + (1 | g)', not {type(text).__name__}.")
    _check_characters(text)
    try:
        return _parse(_collapse_blanks(text))
    except FormulaError:
        raise
    except (RecursionError, MemoryError):
        raise FormulaError(f"The formula is nested too deeply to be read: {text[:60]!r}...") from None
    except ValueError as error:  # a number of thousands of digits, which Python does not write back
        raise FormulaError(f"Cannot read the formula {text[:60]!r}...: {error}") from None


def _parse(text: str) -> Formula:
    sides = _split(text, "~")
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
    fixed, offsets, bars = _right_side(right)
    formula = Formula(text, _response(left), fixed, tuple(offsets), tuple(bars))
    columns = set(check_expression(formula.response.expression))
    for role, names in (("predictor", formula.predictors), ("grouping factor", formula.group_columns)):
        if both := sorted(columns & set(names)):
            raise FormulaError(f"The response {both[0]!r} is also a {role} in {text!r}.")
    return formula


# characters and top-level splitting -------------------------------------------------------------------------------

_OPEN = {"(": ")", "[": "]"}
_MAX_LENGTH = 100_000
_MAX_DEPTH = 100


def _scan(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield position, character and bracket depth outside quotes and backticks."""
    stack: list[str] = []
    quote = ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
            continue
        if char in "\"'`":
            quote = char
            continue
        if char in _OPEN:
            stack.append(_OPEN[char])
        elif char in ")]" and (not stack or stack.pop() != char):
            raise FormulaError(f"Unbalanced {char!r} at position {position + 1} of the formula {text!r}.")
        yield position, char, len(stack)
    if quote:
        raise FormulaError(f"A {quote} is not closed in the formula {text!r}.")
    if stack:
        raise FormulaError(f"Unbalanced parentheses in the formula {text!r}: a {stack[-1]!r} is missing.")


def _check_characters(text: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise FormulaError(f"The formula has {len(text)} characters; it may have {_MAX_LENGTH}.")
    if re.search("[\0\ud800-\udfff]", text):
        raise FormulaError(f"The formula holds a null character or half of one: {text!r}.")
    if "``" in text:
        raise FormulaError(f"There is an empty name in backticks in the formula {text!r}.")
    for position, char, depth in _scan(text):
        if depth > _MAX_DEPTH:
            raise FormulaError(f"Parentheses are nested more than {_MAX_DEPTH} deep in the formula {text[:60]!r}...")
        if char in "{}%\\;$@?!#":
            raise FormulaError(
                f"The character {char!r} at position {position + 1} is not allowed in formulas: {text!r}."
            )


def _collapse_blanks(text: str) -> str:
    """Write any run of blanks and newlines outside quotes and backticks as one blank."""
    blank = {position for position, char, _ in _scan(text) if char.isspace()}
    return "".join(
        " " if position in blank else char
        for position, char in enumerate(text)
        if position not in blank or position + 1 not in blank
    ).strip()


def _split(text: str, separator: str) -> list[str]:
    """Split at a one-character separator outside brackets, quotes and backticks."""
    cuts = [position for position, char, depth in _scan(text) if char == separator and depth == 0]
    starts = [0, *(cut + 1 for cut in cuts)]
    return [text[start:end] for start, end in zip(starts, [*cuts, len(text)], strict=True)]


def _pieces(text: str) -> list[tuple[str, str]]:
    """Split a sum into pairs of a sign and a term."""
    cuts = [0]
    for position, char, depth in _scan(text):
        before = text[max(position - 2, 0) : position].rstrip()  # blanks are single
        if char in "+-" and depth == 0 and position and before and before[-1] not in "*:/^~+-":
            cuts.append(position)
    pieces = []
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        piece = text[start:end].strip()
        sign = "+"
        while piece and piece[0] in "+-":
            sign = "-" if (sign == "-") != (piece[0] == "-") else "+"
            piece = piece[1:].strip()
        if not piece:
            raise FormulaError(f"A term is missing after a '+' or '-' in {text!r}.")
        pieces.append((sign, piece))
    return pieces


def _enclosed(text: str) -> str | None:
    """Return what one pair of parentheses encloses, or None where the text is not wholly within one."""
    if not text.startswith("("):
        return None
    closes = next(position for position, char, depth in _scan(text) if char == ")" and depth == 0)
    return text[1:-1].strip() if closes == len(text) - 1 else None


# the right side ---------------------------------------------------------------------------------------------------


def _right_side(text: str) -> tuple[str, list[str], list[Bar]]:
    if len(_split(text, "|")) > 1:
        raise FormulaError(f"Put group terms in parentheses, as in '(1 | g)': {text!r}.")
    fixed: list[tuple[str, str]] = []
    offsets: list[str] = []
    bars: list[Bar] = []
    for sign, piece in _pieces(text):
        has_bar = any(char == "|" for _, char, _ in _scan(piece))
        inside = _enclosed(piece)
        if re.match(r"offset\s*\(", piece) and piece.endswith(")"):
            if sign == "-":
                raise FormulaError(f"An offset cannot be subtracted; write offset(-({piece[7:-1]})).")
            offsets.append(_offset(piece))
        elif not has_bar:
            fixed.append((sign, piece))
        elif inside is None:
            raise FormulaError(f"A group term such as '(1 | g)' must be added with '+', not be part of {piece!r}.")
        elif sign == "-":
            raise FormulaError(f"A group term cannot be subtracted: '- {piece}'.")
        elif len(_split(inside, "|")) > 1:
            bars.extend(_expand_bar(inside))
        else:
            nested_fixed, nested_offsets, nested_bars = _right_side(inside)
            fixed.append(("+", f"({nested_fixed})"))
            offsets.extend(nested_offsets)
            bars.extend(nested_bars)
    return _terms(fixed), offsets, bars


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
        if piece == ".":
            raise FormulaError("'.' (all other columns) is not supported; name the columns.")
        text += f" {sign} {_carets(piece)}" if text or sign == "-" else _carets(piece)
    text = text.strip()
    check_terms(text)
    return text


def _carets(text: str) -> str:
    """Write R's ^ as Python's **, outside quotes and backticks."""
    carets = {position for position, char, _ in _scan(text) if char == "^"}
    return "".join("**" if position in carets else char for position, char in enumerate(text))


# bars -------------------------------------------------------------------------------------------------------------

_NAME = r"(?:[^\W\d]\w*(?:\.\w+)*|`[^`]+`)"
_GROUP = re.compile(rf"{_NAME}(?:\s*[:/]\s*{_NAME})*")


def _expand_bar(inside: str) -> list[Bar]:
    """Turn the inside of one pair of parentheses into bars, one per grouping factor."""
    parts = [part.strip() for part in _split(inside, "|")]
    double = len(parts) == 3 and parts[1] == "" and "||" in inside
    if len(parts) > 2 and not double:
        raise FormulaError(
            f"'({inside})' has more than one bar. Correlations across terms as in brms' (1 | p | g) are not available; "
            "write one term per grouping factor, (x + z | g), or (x || g) for no correlation."
        )
    left, right = parts[0], parts[-1]
    if not left:
        raise FormulaError(f"'({inside})' has nothing on the left of the bar; write (1 | {right or 'g'}).")
    if not right:
        raise FormulaError(f"'({inside})' has no grouping factor on the right of the bar.")
    if "offset" in left and re.search(r"\boffset\s*\(", left):
        raise FormulaError(f"An offset cannot be within a group term: '({inside})'.")
    effects = _terms(_pieces(left))
    if effects in ("0", "- 1", "-1"):
        raise FormulaError(f"'({inside})' has no coefficients; write (1 | {right}) or (0 + x | {right}).")
    return [Bar(effects, group, correlated=not double) for group in _groups(right, inside)]


def _groups(text: str, inside: str) -> list[tuple[str, ...]]:
    if not _GROUP.fullmatch(text):
        raise FormulaError(_group_reason(text, inside))
    path: tuple[str, ...] = ()
    groups = []
    for nested in _split(text, "/"):
        names = tuple(name.strip().strip("`") for name in _split(nested, ":"))
        path = (*path, *names)
        if len(set(path)) < len(path):
            raise FormulaError(f"A column appears twice in the grouping factor {text!r}.")
        if any("__" in name and f"`{name}`" not in text for name in names):
            raise FormulaError(f"Put {text!r} in backticks if it is a column name.")
        groups.append(path)
    return groups


def _group_reason(text: str, inside: str) -> str:
    left = inside.split("|")[0].strip()
    enclosed = _enclosed(text)
    if enclosed is not None:
        return f"Write the grouping factor without parentheses: ({left} | {enclosed})."
    if re.search(r"\bmm\s*\(", text):
        return f"Multi-membership terms are not available: '({inside})'."
    if len(parts := _split(text, "+")) > 1:
        split = " + ".join(f"({left} | {part.strip()})" for part in parts)
        return f"One grouping factor a term: write {split} for '({inside})'."
    if len(parts := _split(text, "*")) > 1:
        names = [part.strip() for part in parts]
        return f"Write {' + '.join(f'({left} | {name})' for name in [*names, ':'.join(names)])} for '({inside})'."
    return (
        f"The grouping factor {text!r} must be a column, or columns joined by ':' or '/'; "
        "make a column in the data for anything else."
    )


# the left side ----------------------------------------------------------------------------------------------------


def _response(text: str) -> ResponseFormula:
    if len(_split(text, "|")) > 1:
        raise FormulaError(
            f"The response {text!r} has a bar. Write p(successes, trials) for brms' 'y | trials(n)', "
            "weighted(y, w) for 'y | weights(w)', and precision(y, 1 / s**2) for 'y | se(s, sigma = TRUE)'."
        )
    if len(_split(text, ",")) > 1:
        raise FormulaError(f"One response a model: {text!r}.")
    text = _carets(text)
    tree = _tree(text)
    weights = precision = None
    if _calls(tree, "weighted"):
        y, weights = _arguments(tree, "weighted(y, weights)")
        tree = _tree(y)
    elif _calls(tree, "precision"):
        y, precision = _arguments(tree, "precision(y, weights)")
        tree = _tree(y)
    if weights is not None or precision is not None:
        _check_one_meaning(tree, text)
    trials = None
    if _calls(tree, "p"):
        y, trials = _arguments(tree, "p(successes, trials)")
        tree = _tree(y)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in ("c", "cbind", "mvbind"):
        raise FormulaError(f"Write p(successes, trials) for {text!r}; several responses are not available.")
    response = ResponseFormula(_text(tree), trials, weights, precision)
    if not check_expression(response.expression):
        raise FormulaError(f"The response {text!r} reads no column.")
    for part in (trials, weights, precision):
        if part is not None:
            check_expression(part)
    return response


def _check_one_meaning(inner: ast.expr, text: str) -> None:
    if _calls(inner, "weighted") or _calls(inner, "precision"):
        raise FormulaError(
            f"The response {text!r} has two weights. Choose weighted(y, w), rows that count w times, or "
            "precision(y, w), rows whose variance is divided by w."
        )


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(hide_names(text), mode="eval").body
    except (SyntaxError, ValueError):
        raise FormulaError(f"Cannot read the response {text!r}; put names with spaces in backticks.") from None


def _text(node: ast.AST) -> str:
    """Write an expression back, names that are no identifiers in backticks."""
    return re.sub(r"\bq_[0-9a-f]+_q\b", lambda match: _written(match[0]), ast.unparse(node))


def _written(name: str) -> str:
    shown = show_names(name)
    return shown if hide_names(shown) == name else f"`{shown}`"


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _arguments(node: ast.AST, usage: str) -> tuple[str, str]:
    assert isinstance(node, ast.Call)
    if len(node.args) != 2 or node.keywords or any(isinstance(item, ast.Starred) for item in node.args):
        raise FormulaError(f"Write {usage}, with two arguments, not {_text(node)!r}.")
    return _text(node.args[0]), _text(node.args[1])


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
