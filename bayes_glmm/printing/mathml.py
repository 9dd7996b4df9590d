r"""Formulas as MathML, which browsers, notebooks and screen readers take without a script or the internet.

Input: LaTeX, as families, links and `bayes_glmm.report.equation` write it; what people write in texts, too: fractions,
roots, sums, accents, alphabets, matrices, ``aligned`` and ``cases``. Output: a ``math`` element. A command that is not
known stands in a ``merror`` element, as it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bayes_glmm.printing.markup import Markup, joined, tag

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|[0-9]+(?:\.[0-9]+)?|.", re.DOTALL)
_GREEK = {
    **{name: chr(0x3B1 + place) for place, name in enumerate(
        "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma tau "
        "upsilon varphi chi psi omega".split()
    )},
    **{"epsilon": "ϵ", "phi": "ϕ", "vartheta": "ϑ", "ell": "ℓ", "infty": "∞", "partial": "∂", "nabla": "∇"},
    **{"dots": "…", "ldots": "…", "cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "emptyset": "∅", "hbar": "ℏ", "top": "⊤"},
}  # fmt: skip
#: Letters that stand upright.
_UPRIGHT = {
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_OPERATORS = {
    "sim": "∼", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "lt": "<", "gt": ">", "ll": "≪",
    "gg": "≫", "approx": "≈", "equiv": "≡", "propto": "∝", "in": "∈", "notin": "∉", "subset": "⊂", "cup": "∪",
    "cap": "∩", "cdot": "⋅", "times": "×", "div": "÷", "pm": "±", "mp": "∓", "otimes": "⊗", "oplus": "⊕", "circ": "∘",
    "odot": "⊙", "ast": "∗", "star": "⋆", "to": "→", "rightarrow": "→", "leftarrow": "←", "Rightarrow": "⇒",
    "mapsto": "↦", "iff": "⇔", "mid": "∣", "vert": "|", "Vert": "‖", "perp": "⊥", "wedge": "∧", "vee": "∨", "neg": "¬",
    "forall": "∀", "exists": "∃", "prime": "′", "colon": ":", "lbrace": "{", "rbrace": "}", "langle": "⟨",
    "rangle": "⟩", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "setminus": "∖", "cong": "≅", "%": "%",
    "_": "_", "#": "#", "&": "&", "$": "$", "{": "{", "}": "}", "|": "‖",
}  # fmt: skip
#: Their limits stand above and below.
_LARGE = {"sum": "∑", "prod": "∏", "bigcup": "⋃", "bigcap": "⋂"}
_INTEGRALS = {"int": "∫", "iint": "∬", "oint": "∮"}
_FUNCTIONS = frozenset(
    "log exp ln sin cos tan arcsin arccos arctan sinh cosh tanh det dim ker rank diag Pr deg arg gcd sec csc".split()
)
_LIMITS = {"lim": "lim", "max": "max", "min": "min", "sup": "sup", "inf": "inf", "argmax": "argmax", "argmin": "argmin"}
_ACCENTS = {"hat": "^", "widehat": "^", "bar": "¯", "overline": "¯", "tilde": "~", "widetilde": "~", "dot": "˙",
            "ddot": "¨", "vec": "→"}  # fmt: skip
_SPACES = {",": "0.167em", ":": "0.222em", ";": "0.278em", "!": "-0.167em", " ": "0.25em", "quad": "1em",
           "qquad": "2em", ">": "0.222em"}  # fmt: skip
_WORDS = frozenset({"text", "textrm", "textit", "textbf", "mbox", "textnormal"})
_NAMES = frozenset({"mathrm", "operatorname", "operatorname*", "mathit", "mathsf", "mathtt"})
#: Alphabets of Unicode: where capitals, small letters and digits begin, and the letters that stand elsewhere.
_ALPHABETS: dict[str, tuple[int, int, int, dict[str, str]]] = {
    "mathbf": (0x1D400, 0x1D41A, 0x1D7CE, {}),
    "boldsymbol": (0x1D468, 0x1D482, 0x1D7CE, {}),
    "mathcal": (0x1D49C, 0x1D4B6, 0, dict(zip("BEFHILMRego", "ℬℰℱℋℐℒℳℛℯℊℴ", strict=True))),
    "mathbb": (0x1D538, 0x1D552, 0x1D7D8, dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True))),
}
_ALPHABETS |= {"bm": _ALPHABETS["boldsymbol"], "pmb": _ALPHABETS["boldsymbol"]}
_BOLD_GREEK = 0x1D736 - 0x3B1
#: Characters that LaTeX text writes as commands.
_IN_WORDS = {"backslash": "\\", "wedge": "^", "sim": "~", "lt": "<", "gt": ">", "textbackslash": "\\"}
_ENVIRONMENTS = {
    "matrix": ("", ""), "pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "vmatrix": ("|", "|"), "cases": ("{", ""),
    "aligned": ("", ""), "align": ("", ""), "align*": ("", ""), "split": ("", ""), "gathered": ("", ""),
}  # fmt: skip
#: Commands about sizes and numbers, which are left to the reader's program.
_LEFT_OUT = frozenset(
    "big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle limits nonumber notag".split()
)
#: Fonts with the tables that let parentheses grow, of Windows, macOS and Linux.
_FONTS = "'Latin Modern Math','STIX Two Math','Cambria Math','DejaVu Math TeX Gyre',math"
_ENDS = ("}", "&", r"\\", r"\end", r"\right")


def mathml(latex: str, *, block: bool = True) -> Markup:
    r"""Write a formula as MathML.

    Parameters
    ----------
    latex
        The formula, without dollar signs.
    block
        Whether it stands on lines of its own.

    Returns
    -------
    Markup
        A ``math`` element. What is not known (a command, a brace that opens or closes nothing) is in a ``merror``.

    Examples
    --------
    >>> mathml(r"\mu_i", block=False)
    '<math style="font-family:..."><msub><mi>μ</mi><mi>i</mi></msub></math>'
    """
    whole = _Reader(_TOKEN.findall(latex)).everything()
    return tag("math", whole, display="block" if block else None, style=f"font-family:{_FONTS}")


@dataclass
class _Atom:
    """What scripts attach to, and whether they stand above and below it."""

    markup: Markup
    limits: bool = False


class _Reader:
    """Reads tokens one after the other."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._place = tokens, 0

    def everything(self) -> Markup:
        parts = [self._row()]
        while self._next() is not None:  # an end of something that never began
            parts += [_unknown(self._take()), self._row()]
        return joined(*parts)

    def _next(self) -> str | None:
        """Look at the next token that is no blank."""
        while self._place < len(self._tokens) and self._tokens[self._place].isspace():
            self._place += 1
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self) -> str:
        token = self._next() or ""
        self._place += 1
        return token

    def _row(self, ends: tuple[str, ...] = _ENDS) -> Markup:
        """Read up to a token that ends a group, a cell or an environment, which stays."""
        atoms = []
        while (token := self._next()) is not None and token not in ends:
            atoms.append(self._with_scripts(self._atom()))
        return joined(*atoms)

    def _with_scripts(self, base: _Atom) -> Markup:
        scripts: dict[str, Markup] = {}
        while (token := self._next()) in ("_", "^", "'"):
            self._place += 1
            kind = "^" if token == "'" else str(token)
            own = tag("mo", "′") if token == "'" else self._argument()
            scripts[kind] = joined(scripts[kind], own) if kind in scripts else own
        below, above = (scripts[kind] and tag("mrow", scripts[kind]) if kind in scripts else None for kind in "_^")
        below, above = (_single(part) for part in (below, above))
        names = ("munder", "mover", "munderover") if base.limits else ("msub", "msup", "msubsup")
        if below is not None and above is not None:
            return tag(names[2], base.markup, below, above)
        if below is not None:
            return tag(names[0], base.markup, below)
        return base.markup if above is None else tag(names[1], base.markup, above)

    def _argument(self) -> Markup:
        """Read a group in braces, or a single atom."""
        if self._next() != "{":
            return self._atom().markup if self._next() is not None else _unknown("{}")
        self._place += 1
        inside = self._row()
        return inside if self._take() == "}" else joined(inside, _unknown("{"))

    def _text(self) -> str:
        """Read a group in braces as text."""
        if self._next() != "{":
            return self._take()
        self._place += 1
        depth, parts = 1, []
        while self._place < len(self._tokens):
            token = self._tokens[self._place]
            self._place += 1
            depth += {"{": 1, "}": -1}.get(token, 0)
            if depth == 0:
                break
            if token[0] == "\\":
                if token[1:] in _IN_WORDS:
                    token = _IN_WORDS[token[1:]]
                    # the blank that ends a command is no blank of the text
                    self._place += self._place < len(self._tokens) and self._tokens[self._place] == " "
                else:
                    token = token if token[1:].isalpha() else token[1:]
            parts.append(token)
        return "".join(parts)

    def _atom(self) -> _Atom:
        token = self._take()
        if token == "{":
            self._place -= 1
            return _Atom(tag("mrow", self._argument()))
        if token[0] == "\\":
            return self._command(token[1:])
        if token[0].isdigit():
            return _Atom(tag("mn", token))
        if token.isalpha():
            return _Atom(tag("mi", token))
        if token == "~":
            return _Atom(tag("mspace", width="0.25em"))
        return _Atom(_operator({"-": "−", "*": "∗"}.get(token, token)))

    def _command(self, name: str) -> _Atom:
        if name in _WORDS:
            return _Atom(tag("mtext", self._text().replace(" ", "\N{NO-BREAK SPACE}")))
        if name in _NAMES:
            return _Atom(_name(self._text()), limits=name.endswith("*"))
        if name in _FUNCTIONS or name in _LIMITS:
            return _Atom(_name(name), limits=name in _LIMITS)
        if name in _GREEK or name in _UPRIGHT:
            return _Atom(tag("mi", _GREEK[name]) if name in _GREEK else _name(_UPRIGHT[name]))
        if name in _LARGE or name in _INTEGRALS:
            return _Atom(tag("mo", (_LARGE | _INTEGRALS)[name]), limits=name in _LARGE)
        if name in _SPACES:
            return _Atom(tag("mspace", width=_SPACES[name]))
        if name in _OPERATORS:
            return _Atom(_operator(_OPERATORS[name]))
        if name in _ALPHABETS:
            return _Atom(_in_alphabet(self._text(), name))
        if name in _LEFT_OUT:
            return _Atom(Markup())
        return _Atom(self._construction(name))

    def _construction(self, name: str) -> Markup:
        """Read a command with arguments."""
        if name in ("frac", "dfrac", "tfrac"):
            return tag("mfrac", _mrow(self._argument()), _mrow(self._argument()))
        if name == "sqrt":
            if self._next() != "[":
                return tag("msqrt", self._argument())
            self._place += 1
            degree = self._row(("]",))
            self._place += 1
            return tag("mroot", _mrow(self._argument()), _mrow(degree))
        if name in _ACCENTS:
            return tag("mover", _mrow(self._argument()), tag("mo", _ACCENTS[name], stretchy="false"), accent="true")
        if name == "phantom":
            return tag("mphantom", self._argument())
        if name == "left":
            fence = self._fence()
            inside = self._row()
            if self._next() != r"\right":
                return joined(fence, inside, _unknown(r"\left"))
            self._place += 1
            return tag("mrow", fence, inside, self._fence())
        if name == "begin":
            return self._environment(self._text())
        return _unknown(f"\\{name}")

    def _fence(self) -> Markup:
        token = self._take()
        character = _OPERATORS.get(token[1:], token[1:]) if token[:1] == "\\" else token
        return Markup() if character == "." else tag("mo", character, fence="true", stretchy="true")

    def _environment(self, name: str) -> Markup:
        if name not in _ENVIRONMENTS:
            return _unknown(rf"\begin{{{name}}}")
        rows: list[list[Markup]] = [[]]
        while True:
            rows[-1].append(self._row())
            end = self._take()
            if end == r"\\":
                rows.append([])
            elif end != "&":
                break
        closed = end == r"\end" and self._text() == name
        opening, closing = _ENVIRONMENTS[name]
        table = _table([row for row in rows if any(row)], name)
        fences = [tag("mo", fence, fence="true", stretchy="true") if fence else None for fence in (opening, closing)]
        whole = tag("mrow", fences[0], table, fences[1]) if opening else table
        return whole if closed else joined(whole, _unknown(rf"\begin{{{name}}}"))


def _table(rows: list[list[Markup]], environment: str) -> Markup:
    """Set cells in rows; columns of equations meet at their relation."""
    matrix = environment.endswith("matrix")
    equations = not matrix and environment not in ("cases", "gathered")

    def cell(content: Markup, place: int) -> Markup:
        side = "center" if matrix or environment == "gathered" else "right" if equations and place % 2 == 0 else "left"
        gap = "0.2em 0.4em" if matrix else "0.3em 0.15em" if equations else "0.2em 0.5em"
        # Chromium heeds the second only; an empty row before it makes a relation stand between two sides
        style = f"text-align:{side};text-align:-webkit-{side};padding:{gap}"
        return tag("mtd", tag("mrow") if equations and place % 2 else None, content, style=style)

    written = [tag("mtr", *(cell(content, place) for place, content in enumerate(row))) for row in rows]
    return tag("mtable", *written, displaystyle="true" if equations else None)


def _mrow(inside: Markup) -> Markup:
    return tag("mrow", inside)


def _single(part: Markup | None) -> Markup | None:
    """Take a row of one leaf for the leaf."""
    inside = part and re.fullmatch(r"<mrow>(<(m[ino])(?: [^<>]*)?>[^<>]*</\2>)</mrow>", part)
    return Markup(inside[1]) if inside else part


def _name(text: str) -> Markup:
    """Write a name upright; its blanks stay."""
    return tag("mi", text.replace(" ", "\N{NO-BREAK SPACE}"), mathvariant="normal" if len(text) == 1 else None)


def _operator(character: str) -> Markup:
    """Write an operator; parentheses keep the size of the text."""
    return tag("mo", character, stretchy="false" if character in "()[]{}|‖⟨⟩⌊⌋⌈⌉∣" else None)


def _in_alphabet(text: str, alphabet: str) -> Markup:
    capitals, small, digits, elsewhere = _ALPHABETS[alphabet]
    text = _GREEK.get(text.removeprefix("\\"), _UPRIGHT.get(text.removeprefix("\\"), text))

    def letter(character: str) -> str:
        if character in elsewhere:
            return elsewhere[character]
        for first, last, start in (("A", "Z", capitals), ("a", "z", small), ("0", "9", digits)):
            if start and first <= character <= last:
                return chr(start + ord(character) - ord(first))
        bold_greek = alphabet != "mathcal" and alphabet != "mathbb" and "α" <= character <= "ω"
        return chr(ord(character) + _BOLD_GREEK) if bold_greek else character

    return tag("mi", "".join(map(letter, text)))


def _unknown(written: str) -> Markup:
    return tag("merror", tag("mtext", written))
