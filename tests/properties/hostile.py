"""Hostile texts by kind: code that wants to run, names in disguise, numbers and nesting that never end, broken quotes.

Input: a `random.Random`. Output: a formula. A kind is one function of the table `KINDS`. `canary` is a function that
the watch puts among Python's builtins, `decoy` a column of objects that record what is done to them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from random import Random

import numpy as np

from bayes_glmm.spec.functions import FUNCTIONS

Kind = Callable[[Random], str]

#: Where a term may stand.
PLACES = (
    "y ~ {}", "y ~ x + {}", "y ~ x:{}", "y ~ x*{}", "y ~ ({})^2", "y ~ offset({})", "y ~ x + offset(log(x) + {})",
    "y ~ ({} | g)", "y ~ ({} || g)", "y ~ (1 | {})", "y ~ (1 | g/{})", "{} ~ x", "log({}) ~ x", "p(k, {}) ~ x",
    "p({}, n) ~ x", "weighted(y, {}) ~ x", "weighted({}, x) ~ x", "y ~ I({})", "y ~ I(x + {})", "y ~ log({})",
    "y ~ np.log({})", "y ~ scale({})", "y ~ scale(x, {})", "y ~ poly(x, {})", "y ~ poly(x, degree={})",
    "y ~ bs(x, knots={})", "y ~ bs(x, knots=[{}])", "y ~ bs(x, df={})", "y ~ cr(x, constraints={})", "y ~ C(f, {})",
    "y ~ C(f, levels=[{}])", "y ~ C(f, contr.treatment({}))", "y ~ C(f, contr.{})", "y ~ np.{}", "y ~ {}(x)",
    "y ~ x.{}", "y ~ {}.x", "y ~ x[{}]", "y ~ np.power(x, {})", "y ~ center(x, {})", "y ~ log(x, {})",
    "y ~ factor({})", "y ~ factor(k, levels=c({}))", "y ~ factor(f, labels=c({}))", "y ~ relevel(f, ref={})",
    "y ~ cut(x, {})", "y ~ cut(x, breaks=c({}))", "y ~ cut(x, 3, labels=c({}))", "y ~ ns(x, {})", "y ~ rcs(x, c({}))",
    "y ~ ifelse({}, x, 0)", "y ~ ifelse(x > 0, {}, 'b')", "y ~ I(f %in% c({}))", "y ~ I({} %in% f)",
    "y ~ pmax(x, {})", "y ~ interaction(f, {})", "y ~ interaction(f, a, sep={})", "y ~ as.numeric({})",
    "y ~ I(x - mean({}))", "y ~ ave(x, {})", "y ~ I(x > 0 & {})", "y ~ I(!{})", "y ~ {} %in% f",
    "y ~ C(f, contr={})", "y ~ poly(x, 2, raw={})", "y ~ stats::{}", "y ~ (factor({}) | g)",
    "y ~ offset(C(f, levels=[{}]))", "C(f, levels=[{}]) ~ x", "y ~ (C(f, levels=[{}]) | g)", "{}",
)  # fmt: skip

#: Where lists of text may stand.
LEVELS = tuple(place for place in PLACES if "levels" in place)

BUILTINS = (
    "eval", "exec", "open", "compile", "__import__", "getattr", "setattr", "globals", "locals", "vars", "input",
    "print", "breakpoint", "canary", "type", "object", "super", "memoryview", "help", "exit", "delattr", "classmethod",
)  # fmt: skip
_ARGUMENTS = ("", "1", "'os'", '"canary()"', "x", "'/etc/passwd'", "x, 'a'", "*x", "**x", "decoy", "0x41")
_DUNDERS = (
    "__class__", "__bases__", "__subclasses__()", "__globals__", "__init__", "__builtins__", "__mro__", "__code__",
    "__self__", "__module__", "__dict__", "__reduce__()", "__call__", "__getattribute__('x')", "f_back", "tobytes()",
)  # fmt: skip
_ROOTS = ("x", "decoy", "np", "contr", "f", "g", "`x`", "(x)", "log", "I", "C", "poly(x, 2)", "np.log", "''", "1", "[]")
NUMPY = tuple(sorted(name for name in dir(np) if not name.startswith("_")))


def pick(rng: Random, options: tuple[str, ...]) -> str:
    return options[rng.randrange(len(options))]


def placed(rng: Random, term: str, places: tuple[str, ...] = PLACES) -> str:
    return pick(rng, places).replace("{}", term)


def call(rng: Random) -> str:
    name = pick(rng, (pick(rng, BUILTINS), pick(rng, BUILTINS), f"np.{pick(rng, NUMPY)}", f"os.{pick(rng, NUMPY)}"))
    inner = call(rng) if rng.random() < 0.25 else pick(rng, _ARGUMENTS)
    return f"{name}({inner})"


def attribute(rng: Random) -> str:
    links = [pick(rng, _DUNDERS) for _ in range(rng.randint(1, 4))]
    return ".".join([pick(rng, _ROOTS), *links]) + pick(rng, ("", "()", "[0]", f"({call(rng)})"))


_SHAPES = (
    "[CODE for _ in [1]]", "{CODE for _ in [1]}", "{1: CODE}", "(CODE for _ in x)", "(lambda: CODE)()",
    "lambda x: CODE", "(y := CODE)", "f'{CODE}'", 'f"{CODE!r:>{x}}"', "f'{x}' 'CODE'", "'%s' % CODE",
    "'{}'.format(CODE)", "*CODE", "**CODE", "CODE if x else x", "x and CODE", "not CODE", "CODE or x", "x in CODE",
    "x is CODE", "await CODE", "yield CODE", "x[CODE]", "x[CODE:]", "x[::CODE]", "~CODE", "x @ CODE", "x << CODE",
    "x < CODE < 3", "x, CODE", "(CODE,)", "...", "log(x, out=CODE)", "log(x, where=CODE)", "log(*CODE)",
    "log(**CODE)", "scale(x, _state=CODE)", "C(f, _context=CODE)", "C(f, contrasts=contr.custom(CODE))",
    "C(f, {'a': CODE})", "hashed(x, hash_func=CODE)", "Q('CODE')", "print >>CODE", "lag(CODE)", "x.__class__(CODE)",
    "import os", "raise CODE", "assert CODE", "del x", "x = CODE", "x == CODE", "b'CODE'", "try", "class",
    "def f(): CODE", "return CODE", "global x", "nonlocal x", "with CODE: pass", "@CODE", "`CODE`", "-CODE",
    "CODE; CODE", "u'CODE'", "(yield)", "x if CODE else CODE", "[*CODE]", "{**CODE}", "x[...]", "CODE.x", "CODE(x)",
)  # fmt: skip


def construct(rng: Random) -> str:
    """Syntax beyond names, operators and calls."""
    return pick(rng, _SHAPES).replace("CODE", call(rng))


def disguise(text: str, rng: Random) -> str:
    """Write letters as others that Python reads as the same, or put what cannot be seen between them."""
    bold = {chr(97 + i): chr(0x1D41A + i) for i in range(26)} | {"_": "\uff3f"}
    wide = {chr(i): chr(i + 0xFEE0) for i in range(33, 127)}
    unseen = ("\u00ad", "\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u034f", "\ufe0f", "\u0301", "\u180e")
    out = []
    for char in text:
        roll = rng.random()
        table = bold if roll < 0.2 else wide if roll < 0.4 else {}
        out.append(table.get(char, char) + (pick(rng, unseen) if roll > 0.97 else ""))
    return unicodedata.normalize(rng.choice(["NFC", "NFD"]), "".join(out))


def lookalike(rng: Random) -> str:
    return disguise(pick(rng, (call(rng), attribute(rng), "log(x)", "np.log(x)", "x", "q_78_q", "offset(x)")), rng)


_BITS = (
    "`", "`", "\\\\", "\\'", '\\"', "'", '"', " ", "a", "canary()", "canary(1)", "#", ")", "]", ", ", "+", "(", "[",
    "\\x60", "\\N{GRAVE ACCENT}", "\\u0060", "\\", "\\n", "{canary()}", "%s", "|", "~", "x", "';", "*",
)  # fmt: skip


def quoted(rng: Random) -> str:
    """Text constants whose quotes, backticks and escapes different readers may pair differently."""
    if rng.random() < 0.2:
        # one that had formulaic run canary() where our own check saw four text constants
        return mutated(r"""'\\', 'a`\\', "\\", "B`', canary(1)]) #" """.strip(), rng, rng.randint(0, 2))
    parts = []
    for _ in range(rng.randint(1, 5)):
        quote = pick(rng, ("'", '"', "'", '"', "'''", '"""'))
        inner = "".join(pick(rng, _BITS) for _ in range(rng.randint(0, 4)))
        parts.append(f"{pick(rng, ('', '', '', '', 'r', 'b', 'f', 'u', 'rb'))}{quote}{inner}{quote}")
    return pick(rng, (", ", " ", " + ", "")).join(parts)


def backticked(rng: Random) -> str:
    plain = ("x", "", "x` + `y", "it's", 'say "x"', "{canary()}", "x)", "\\", "\n")
    shapes = ("`{}`", "``{}``", "`{}", "{}`", "'`{}`'", '"`{}', "`'{}'`", "`{}`()", "`x`{}`x`")
    return pick(rng, shapes).replace("{}", pick(rng, (call(rng), attribute(rng), *plain)))


def aliased(rng: Random) -> str:
    """Forged aliases: the identifiers that stand for names in backticks while a formula is read."""
    text = pick(rng, (call(rng), "canary", "x", "x`", "x` + canary() + `x", "'", "", "`", "np", "__builtins__", "log"))
    shapes = ("q_{}_q", "q_{}_q(x)", "q_{}f_q", "q_ff_q", "q_{}_q.x", "`q_{}_q`", "I(q_{}_q)", "q_ed_q")
    return pick(rng, shapes).replace("{}", text.encode().hex())


def braces(rng: Random) -> str:
    shapes = ("{CODE}", "{ CODE }", "{x}{CODE}", "{'CODE'}", "{{CODE}", "{CODE}}", "x{CODE}", "%CODE%", "x %CODE% x")
    return pick(rng, (*shapes, "$CODE", "@CODE", "${CODE}", "{{CODE}}")).replace("CODE", call(rng))


def numbers(rng: Random) -> str:
    size = rng.choice([1, 2, 20, 400, 5000])
    options = (
        "9**9**9**9", "x**9**9**9", "10**10**10", "x**10**9", "2**x**2**x", "9" * size, "0x" + "f" * size, "1e999",
        "-1e999", "1j", "1_0", "0b1", "0o7", "1e-400", "." + "9" * size, "9" * size + ".", "-" * size + "1",
        "+" * size + "x", "x % 0", "x // 0", "1 / 0", "True", "None", "nan", "inf", "-1", "00", "1.5", "10**9",
        "'a' * 10**9", "[0] * 10**9", "x & 1", "(1 << 10**9)", "1" + " + 1" * size, "x" + " * x" * size,
        "(x + y)^" + "9" * size, "(x + w)**(9)", "((x + w)^5)^5", "(x + w + k + n)^(9 + x)", "٣", "²", "x²",
        "1" + "0" * size + "e5", "log(1)", "I(1)", "e",
    )  # fmt: skip
    return pick(rng, options)


def nested(rng: Random) -> str:
    depth = rng.choice([3, 30, 90, 200, 1000, 4000])
    opening = pick(rng, ("(", "I(", "log(", "[", "(1 | ", "-", "(x + ", "C(", "~", "not ", "x[", "f(", "{", "`"))
    closing = {"(": ")", "[": "]", "{": "}", "`": "`"}.get(opening[-1], ")" if "(" in opening else "")
    return opening * depth + "x" + closing * rng.choice([depth, depth, depth - 1, 0])


def endless(rng: Random) -> str:
    """Sums, products and powers that would take for ever to write out."""
    count = rng.choice([5, 9, 15, 40, 300])
    names = [f"x{i}" if rng.random() < 0.7 else "x" for i in range(count)]
    short = "(" + " + ".join(names[:6]) + ")"
    options = (
        " + ".join(names), "*".join(names), ":".join(names), "/".join(names), "-".join(names),
        f"({' + '.join(names)})^10", f"({' + '.join(names)})^3", "*".join([short] * rng.randint(2, 9)),
        ":".join([short] * rng.randint(2, 12)), "^".join(names), f"{short}^2^2^2^2",
        "_a:" * min(count, 40) + "_a + b", "_a/" * min(count, 40) + "_a*b", " ".join(names), "|".join(names),
        "+" * count + "x", "x" + " " * 20 * count + "+ x", "(" + ")(".join(names) + ")",
    )  # fmt: skip
    return pick(rng, options)


_CONTROLS = (
    "\0", "\n", "\r", "\r\n", "\f", "\v", "\x1b[31m", "#", ";", "\\\n", "\ud800", "\udfff", "\x85", "\u2028", "\t",
)  # fmt: skip


def controls(rng: Random) -> str:
    shapes = ("x{}" + call(rng), "{}x", "I(x){}", "I(x{})", "'{}'", "`x{}`", "{}" * 50)
    return pick(rng, shapes).replace("{}", pick(rng, _CONTROLS))


def bars(rng: Random) -> str:
    inner = pick(rng, (call(rng), "x", "'|'", "`|`", '"||"', "1"))
    shapes = (
        "({} | g)", "({} || g)", "({} ||| g)", "({} | g | h)", "(1 | {})", "I({} | x)", "log(x | {})", "| {}", "{} | g",
        "C(f, levels=['(1 | g)', {}])", "(1 | (1 | {}))", "((x | g) | {})", "(1 | g):{}", "(1 | g)*{}", "-(1 | g)",
        "(1 |", "(1 | {}:{})", "(1 | {}/{}/{})", "(`|` | {})", "(x + (1 | g) + {})", "([1 | g])", "(1 | mm({}, g))",
    )  # fmt: skip
    return pick(rng, shapes).replace("{}", inner)


VALID = (
    "y ~ x", "y ~ 1", "y ~ x + (x | g)", "y ~ f*x + (1 | a/g)", "p(k, n) ~ x + (1 | g)", "y ~ log(x) + offset(0.5 * w)",
    "weighted(y, w) ~ poly(x, 2) + (x || g)", "y ~ `body mass` + (1 | `the herd`)", "y ~ C(f, contr.sum):x - 1",
    "log(w) ~ bs(x, df=4) + scale(w) + (0 + x | g)", "y ~ (x + w + f)^2", "y ~ I(x^2) + np.maximum(x, 1) + center(w)",
    "y ~ C(f, levels=['u', 'v', 'w']) + cr(w, df=3)", "y ~ x + (1 | a:g) + (0 + w | a)", "b ~ x + I(f == 'u')",
    "weighted(p(k, n), w) ~ x/f + offset(log(w)) + offset(x)", "y ~ C(f, contr.treatment(base='v')) + (f | g)",
    "y ~ factor(k) + relevel(f, ref='v')", "y ~ cut(x, breaks=c(-Inf, 0, 0.5, Inf)) + I(f %in% c('u', 'v'))",
    "y ~ ifelse(x > 0 & !(f == 'u'), pmax(w, 1), log(w, 2))", "y ~ ns(x, 3) + rcs(w, 3)", "y ~ as.factor(k):x %in% f",
    "y ~ interaction(f, a) + I((x - mean(x)) / sd(x))", "y ~ as.numeric(factor(k, levels=0:3)) + (factor(k) | g)",
    "class ~ log(lambda) + RT..s.:dose[mg] + (1 | g)", "total.fruits ~ log(log) + I(I^2) + pi + (np | g)",
    "y ~ factor(ifelse(k == 1, 'b', 'a'), levels=c('b', 'a')) + sin(2 * pi * x)",
)  # fmt: skip
_PIECES = (*"()[]{}|~+-*:/^%,.'\"`\\=<>&!#;@ \n\t0159xyfgIC_", "||", "**", "np.", "log(", "canary()", "\u00e4", "__")


def mutated(text: str, rng: Random, edits: int) -> str:
    """Change single characters, drop, double or move slices."""
    for _ in range(edits):
        i, j = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        j = min(j, i + 8)
        new = pick(rng, _PIECES)
        changed = (
            text[:i] + text[i + 1 :], text[:i] + new + text[i:], text[:i] + new + text[i + 1 :], text[:i] + text[j:],
            text[:j] + text[i:], text[:i] + text[i:j][::-1] + text[j:],
        )  # fmt: skip
        text = pick(rng, changed)
    return text


def mutation(rng: Random) -> str:
    text = pick(rng, VALID)
    if rng.random() < 0.2:
        other = pick(rng, VALID)
        text = text[: rng.randrange(len(text))] + other[rng.randrange(len(other)) :]
    return mutated(text, rng, rng.choice([1, 1, 1, 2, 3, 4]))


LISTED = ("y ~ {}", "y ~ ({} | g)", "y ~ x + offset({})", "y ~ x:{}", "{} ~ x")

#: What arguments of the closed list's functions may be, right or wrong.
_GIVEN = (
    "x", "w", "f", "k", "b", "`body mass`", "y", "x + w", "x > 0", "f == 'u'", "!f", "-f", "log(w)", "f:a", "x %in% f",
    "'u'", "''", "'no'", "0", "1", "-1", "2", "3.5", "1e300", "1001", "TRUE", "NULL", "Inf", "-Inf", "pi", "T", "NA",
    "c()", "c(1)", "c(-1, 0, 1)", "c('u', 'v', 'w')", "c('u', 'u')", "[0, 1]", "1:3", "3:1", "seq(-9, 9, 3)", "c",
    "c(1, 'u')", "c(Inf, 0)", "1e300 * 1e300", "0xffff", "contr.sum", "sum", "'contr.poly'", "contr.treatment('v')",
    "contr.treatment(9)", "contr.poly(scores=c(1, 2))", "factor(k)", "poly(x, 2)", "ifelse(x > 0, 'a', 'b')",
    "as.character(k)", "C(f, sum)", "mean(x)", "interaction(f, a)", "decoy", "ave(x, f)", "cut(x, 3)", "ns(x, 2)",
)  # fmt: skip


def listed(rng: Random) -> str:
    """Functions of the closed list with arguments that may fit or not."""
    name = pick(rng, tuple(FUNCTIONS))
    function = FUNCTIONS[name]
    count = rng.choice([len(function.values), len(function.values), rng.randint(0, 4)])
    given = [pick(rng, _GIVEN[:14] if rng.random() < 0.7 else _GIVEN) for _ in range(count)]
    options = rng.sample(function.options, rng.randint(0, min(2, len(function.options))))
    given += [f"{option}={pick(rng, _GIVEN)}" for option in options]
    text = f"{name}({', '.join(given)})"
    return text if rng.random() < 0.7 else f"{pick(rng, tuple(FUNCTIONS))}({text}, {pick(rng, _GIVEN)})"


#: Names of columns that are words of Python or R, functions of the closed list, or code.
NAMES = (
    "class", "lambda", "yield", "import", "is", "in", "not", "None", "True", "TRUE", "NULL", "pi", "Inf", "np", "contr",
    "contr.sum", "log", "I", "C", "scale", "p", "weighted", "offset", "function", "canary", "eval", "open", "getattr",
    "total.fruits", "RT..s.", "Jitter...", ".x", "x.values", "np.log", "x__y", "__class__", "x.__class__", "15N",
    "dose[mg]", "mass(kg)", "log(x)", "I(x)", "canary()", "eval(1)", "decoy()", "x.system()", "x[0]", "{canary()}",
    "%canary%", "$x", "x;canary()", "#x", "@x", "C(f)", "(x)", "c(1)", "x\\", "lambda:canary()",
)  # fmt: skip
_AROUND = (
    "{}", "`{}`", "log({})", "I({}^2)", "{}({})", "{}.{}", "{}[{}]", "{}:{}", "{}*{}", "poly({}, 2, raw={})", "{}={}",
    "{} {}", "factor({})", "C({}, {})", "({} | {})", "np.{}", "{}.log(x)", "{}()", "{} %in% {}", ". + {}", "{}*.",
)  # fmt: skip


def named(rng: Random) -> str:
    """Such names where columns, functions and options stand."""
    text = pick(rng, _AROUND)
    while "{}" in text:
        text = text.replace("{}", pick(rng, NAMES), 1)
    return mutated(text, rng, 1) if rng.random() < 0.2 else text


KINDS: dict[str, Kind] = {
    "names of columns": lambda rng: placed(rng, named(rng)),
    "the closed list": lambda rng: placed(
        rng, listed(rng), ("y ~ {}", "y ~ ({} | g)", "y ~ x + offset({})", "y ~ x:{}", "{} ~ x")
    ),
    "calls": lambda rng: placed(rng, call(rng)),
    "attributes": lambda rng: placed(rng, attribute(rng)),
    "other syntax": lambda rng: placed(rng, construct(rng)),
    "look-alikes": lambda rng: placed(rng, lookalike(rng)),
    "text constants": lambda rng: placed(rng, quoted(rng), rng.choice([PLACES, LEVELS])),
    "backticks": lambda rng: placed(rng, backticked(rng)),
    "forged aliases": lambda rng: placed(rng, aliased(rng)),
    "braces": lambda rng: placed(rng, braces(rng)),
    "numbers": lambda rng: placed(rng, numbers(rng)),
    "nesting": lambda rng: placed(rng, nested(rng)),
    "endless sums": lambda rng: placed(rng, endless(rng)),
    "control characters": lambda rng: placed(rng, controls(rng)),
    "bars": lambda rng: placed(rng, bars(rng)),
    "mutations of valid formulas": mutation,
}
