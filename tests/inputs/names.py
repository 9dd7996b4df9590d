"""Awkward names of columns, in every place a name can have, through the fit to summaries and predictions."""

from __future__ import annotations

from bayes_glmm.errors import DataError, FormulaError
from tests.inputs.cell import PLAIN, Case, Refused, Right
from tests.inputs.checks import both, everything, finite, same

#: Names that results use, or that mean something to Python, NumPy, pandas, xarray or formulas.
RESULTS = (
    "obs", "chain", "draw", "coef", "sigma", "beta", "mu", "phi", "nu", "sd", "b_g", "sd_g", "g_coef", "estimate",
    "lower", "term", "response", "category", "threshold", "sample", "index", "variable", "posterior", "lp",
)  # fmt: skip
KEYWORDS = ("class", "lambda", "None", "True", "import", "np", "log", "C", "I", "offset", "poly", "p", "weighted")
SPELLED = (
    "body mass", " x", "1st", "2015", "a.b", "a-b", "a/b", "a:b", "a|b", "a~b", "a%", "a$b", "{x}", "[x]", "a[T.b]",
    "(x)", "it's", 'say "x"', "a\\b", "a\nb", "größe", "µ", "年", "😀", "_x", "x__y", "q_61", "x" * 300,
)  # fmt: skip


def ticked(name: str) -> str:
    return f"`{name}`"


def renamed(old: str, new: str):
    """Give a column another name; what had it is dropped."""
    return lambda frame: frame.drop(columns=[new], errors="ignore").rename(columns={old: new})


def shown(name: str) -> str:
    return name if len(name) < 40 else f"{name[:8]}... of {len(name)} letters"


FINE = Right(both(same(lambda frame: frame, PLAIN), finite))
#: One family of each kind of response: names mean nothing to the others' densities.
KINDS = ("gaussian", "binomial", "cumulative")
BARE = (
    "größe",
    "µ",
    "年",
    "_x",
    "a.b",
    "obs",
    "chain",
    "Sigma",
    "class",
    "lambda",
    "RT..s.",
    "I",
    "log",
    "pi",
    "x__y",
    "dose[mg]",
)
PREDICTORS = tuple(
    Case(f"a predictor called {shown(name)!r}", FINE, KINDS, formula=f"{{y}} ~ {ticked(name)} + (1 | g)",
         change=renamed("x", name), ask=everything)
    for name in (*RESULTS, *KEYWORDS, *SPELLED)
)  # fmt: skip
RESPONSES = tuple(
    Case(f"a response called {shown(name)!r}", FINE, ("gaussian", "poisson", "cumulative"),
         formula=f"{ticked(name)} ~ x + (1 | g)", change=renamed("y", name), ask=everything)
    for name in (*RESULTS, *KEYWORDS, *SPELLED, "Intercept")
)  # fmt: skip
#: What results of a grouping factor g are called, or a separator in them.
NO_GROUP = ("a/b",)
GROUPS = tuple(
    Case(f"a grouping factor called {shown(name)!r}", FINE, KINDS, formula=f"{{y}} ~ x + (1 | {ticked(name)})",
         change=renamed("g", name), ask=everything)
    for name in (*RESULTS, *KEYWORDS, *SPELLED, "Intercept") if name not in NO_GROUP
)  # fmt: skip
SLOPES = tuple(
    Case(f"a random slope of {shown(name)!r}", Right(finite), ("gaussian", "poisson", "cumulative"),
         formula=f"{{y}} ~ 1 + ({ticked(name)} | g)", change=renamed("x", name), ask=everything)
    for name in ("obs", "beta", "body mass", "größe", "class")
)  # fmt: skip
WITHOUT_TICKS = tuple(
    Case(f"{name!r} without backticks", FINE, KINDS, formula=f"{{y}} ~ {name} + (1 | g)", change=renamed("x", name),
         ask=everything)
    for name in BARE
) + tuple(
    Case(f"{name!r} without backticks, in functions",
         Right(same(lambda frame: frame, "{y} ~ exp(x) + I(x**2) + (1 | g)")),
         formula=f"{{y}} ~ exp({name}) + I({name}**2) + (1 | g)", change=renamed("x", name))
    for name in ("größe", "µ", "年", "_x", "class", "a.b", "x__y", "dose[mg]", "log")
) + tuple(
    Case(f"a response {name!r} without backticks", FINE, ("gaussian", "poisson", "cumulative"),
         formula=f"{name} ~ x + (1 | g)",
         change=renamed("y", name), ask=everything)
    for name in ("größe", "µ", "年", "_x", "yield", "total.fruits", "15N")
)  # fmt: skip
REFUSED = (
    Case("a predictor called 'Intercept'", Refused(DataError, "cannot be named 'Intercept'"),
         formula="{y} ~ Intercept + x",
         change=lambda f: f.assign(Intercept=f["z"])),
    Case("a name in two backticks", Refused(FormulaError, "empty name in backticks"), formula="{y} ~ ``x``"),
    Case("a backtick that is not closed", Refused(FormulaError, "` is not closed"), formula="{y} ~ `x"),
    Case("an emoji without backticks", Refused(FormulaError, "the character '😀' is not allowed"), formula="{y} ~ 😀"),
    Case("a name with blanks, without backticks", Refused(FormulaError, "Cannot read|Unknown"),
         formula="{y} ~ body mass"),
    Case("a name with an operator, without backticks", Refused(DataError, "no column"), formula="{y} ~ x + a-b + b",
         change=lambda f: f.assign(**{"a-b": f["z"]})),
    Case("a name of digits, without backticks", Refused(FormulaError, "Cannot read"), formula="{y} ~ 2015"),
    Case("two columns of one coefficient", Refused(FormulaError, "would be named 'f.v.'"),
         formula="{y} ~ f + `f[v]`", change=lambda f: f.assign(**{"f[v]": f["z"]})),
)  # fmt: skip

CASES = (*PREDICTORS, *RESPONSES, *GROUPS, *SLOPES, *WITHOUT_TICKS, *REFUSED)
