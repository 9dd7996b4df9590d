"""A model as LaTeX and MathML. Input: a specification and a design. Output: an ``aligned`` environment."""

from __future__ import annotations

import re

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.monotonic import Monotonic
from bayes_glmm.printing.document import Formula
from bayes_glmm.printing.html import fragment
from bayes_glmm.printing.latex import upright
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.names import shown

_TERMS_PER_LINE = 4
#: How the covariance of levels in time and space depends on its parameter, by kind.
_DEPENDENCE = {
    "ar1": (r"C(\rho)_{st} &= \rho^{|t - s|} \text{ within a series}",),
    "ou": (r"C(\kappa)_{st} &= \exp(-\kappa\,|t - s|) \text{ within a series}",),
    "car": (r"C(\rho) &= (D - \rho A)^{-1}",),
    "leroux": (r"C(\rho) &= ((1 - \rho) I + \rho (D - A))^{-1}",),
    "bym2": (r"C(\phi) &= (1 - \phi) I + \phi\,Q^{-}",),
}
_MOST_TERMS = 24


class Equation(str):
    """LaTeX that notebooks show as a formula; in all else text."""

    def _repr_html_(self) -> str:
        return fragment(Formula(self))

    def _repr_latex_(self) -> str:
        return f"$${self}$$"


def equation(spec: ModelSpec, design: Design) -> Equation:
    """Write the model as LaTeX.

    Parameters
    ----------
    spec
        Family and link.
    design
        The design: coefficients, offset and grouping factors.

    Returns
    -------
    Equation
        An ``aligned`` environment: response, linear predictor, group effects. Row i; j[i] is the row's level.
    """
    lines = response_lines(spec, design)
    for term in design.groups:
        lines += group_lines(term)
    return aligned(lines)


def aligned(lines: list[str]) -> Equation:
    """Put the lines of an equation together."""
    return Equation("\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}")


def response_lines(spec: ModelSpec, design: Design) -> list[str]:
    """Write the distribution of a response, and its linear predictors."""
    response = design.response
    assert response is not None
    name = upright(response.name)
    if response.categories is None:
        lines = [rf"{name}_i &\sim {_distribution(spec)}"]
        lines += _predictor_lines(_linked(spec.link.latex, r"\mu_i"), design, 0)
        for channel, one in enumerate(spec.channels, start=1):
            lower = one.parameter.lower or 0.0
            value = _indexed(one.parameter.latex) + (f" - {lower:g}" if lower else "")
            lines += _predictor_lines(_linked(one.link.latex, value), design, channel)
    elif spec.family.support == "unordered":
        lines = _category_lines(spec, design)
    else:
        line = spec.family.latex.replace("{g}", spec.link.latex).replace("{y}", f"{name}_i")
        line = line.replace(r"\eta_i", r"(\eta_i + \eta_{c,\,i})") if spec.channels else line
        lines = [line, *_predictor_lines(r"\eta_i", design, 0)]
        for channel in range(1, 1 + len(spec.channels)):
            lines += _predictor_lines(rf"\eta_{{{channel},\,i}}", design, channel)
    return lines + [_monotonic_line(term) for term in design.monotonic]


def _category_lines(spec: ModelSpec, design: Design) -> list[str]:
    """Write categories without an order: the probabilities, the reference, a linear predictor for each other one."""
    assert design.response is not None
    reference, *others = (upright(label) for label in spec.family.categories)
    lines = [spec.family.latex.replace("{y}", f"{upright(design.response.name)}_i")]
    lines.append(rf"\eta_{{{reference},\,i}} &= 0")
    for channel, label in enumerate(others, start=1):
        lines += _predictor_lines(rf"\eta_{{{label},\,i}}", design, channel)
    return lines


def _distribution(spec: ModelSpec) -> str:
    """Write the response's distribution given its mean, with a row's precision or standard error where it has one."""
    latex, precision = spec.family.latex.replace("{mu}", r"\mu_i"), spec.formula.response.precision
    known, varying = dict(spec.formula.response.known), {one.name for one in spec.channels}
    if "se" in known:
        error = rf"{upright(shown(known['se']))}_i"
        latex = latex.replace(r"\sigma", error if spec.family.knowing == ("se",) else rf"\sqrt{{\sigma^2 + {error}^2}}")
    for row in spec.family.parameters if latex else ():
        symbol = _indexed(row.latex) if row.name in varying else row.latex
        if row is spec.family.parameters[0] and precision is not None:
            weight = rf"{upright(shown(precision))}_i"
            symbol = rf"{symbol} / \sqrt{{{weight}}}" if row.scaled else rf"{symbol}\,{weight}"
        if symbol != row.latex:
            latex = symbol.join(re.split(rf"(?<![A-Za-z]){re.escape(row.latex)}(?![A-Za-z])", latex))
    return latex


def _indexed(symbol: str) -> str:
    """Write a symbol with the index of a row."""
    name, _, index = symbol.partition("_")
    return rf"{name}_{{{index},\,i}}" if index else f"{name}_i"


def _predictor_lines(left: str, design: Design, channel: int) -> list[str]:
    own = design.acts_on(channel)
    terms = [_product(rf"\beta_{{{j}}}", coef, channel, design) for j, coef in enumerate(design.coefs) if own[j]]
    if len(terms) > _MOST_TERMS:
        terms = [*terms[: _MOST_TERMS - 1], r"\cdots", terms[-1]]
    terms += [r"\mathrm{offset}_i"] if design.of(channel).offset.any() else []
    for group in design.groups:
        symbol, acts = rf"b^{{{upright(group.name)}}}", group.acts_on(channel)
        terms += [
            _product(rf"{symbol}_{{{k},\,j[i]}}", coef, channel, design)
            for k, coef in enumerate(group.coefs)
            if acts[k]
        ]
    parts = [terms[start : start + _TERMS_PER_LINE] for start in range(0, len(terms), _TERMS_PER_LINE)] or [["0"]]
    return [
        f"{left} &= {' + '.join(part)}" if row == 0 else rf"&\quad + {' + '.join(part)}"
        for row, part in enumerate(parts)
    ]


def _linked(symbol: str, value: str) -> str:
    if r"\phantom{x}" in symbol:
        return symbol.replace(r"\phantom{x}", value)
    return rf"{symbol}({value})" if symbol else value


def _product(coefficient: str, column: str, channel: int, design: Design) -> str:
    if channel > 0:
        column = column.removeprefix(f"{design.spec.channels[channel - 1].name}_")
    return coefficient if column == "Intercept" else rf"{coefficient}\,{upright(column)}_i"


def _monotonic_line(term: Monotonic) -> str:
    """Write what a monotonic effect is made of: the steps up to a row's level, by their shares."""
    column = upright(term.column)
    return (
        rf"{upright(term.coef)}_i &= {len(term.steps)} \sum_{{s = 1}}^{{{column}_i}} \zeta^{{{column}}}_s, \quad "
        rf"\zeta^{{{column}}} \sim \operatorname{{Dirichlet}}"
    )


def group_lines(term: GroupTerm) -> list[str]:
    """Write the distribution of each block of coefficients: normal where it is alone, multivariate where correlated."""
    name, lines = upright(term.name), []
    for block in term.blocks:
        sds = [rf"\mathrm{{sd}}^{{{name}}}_{{{k}}}" for k in block]
        if term.structure is not None:
            lines.append(_related_line(name, block, term.structure.symbol))
            lines += _DEPENDENCE.get(term.structure.kind, ())
            lines += [rf"R^{{{name}}} &\sim \operatorname{{LKJ}}(\eta)"] if len(block) > 1 else []
            continue
        if len(block) == 1:
            lines.append(rf"b^{{{name}}}_{{{block[0]},\,j}} &\sim \operatorname{{Normal}}(0, {sds[0]})")
            continue
        effects = r" \\ ".join(rf"b^{{{name}}}_{{{k},\,j}}" for k in block)
        scales = rf"\operatorname{{diag}}({', '.join(sds)})"
        correlation = rf"R^{{{name}}}"
        lines.append(
            rf"\begin{{pmatrix}} {effects} \end{{pmatrix}} &\sim "
            rf"\operatorname{{MvNormal}}(0,\; {scales}\,{correlation}\,{scales})"
        )
        lines.append(rf"{correlation} &\sim \operatorname{{LKJ}}(\eta)")
    return lines


def _related_line(name: str, block: tuple[int, ...], symbol: str) -> str:
    """Write the distribution of all levels' effects together, where these are related."""
    covariance = rf"{symbol}^{{{name}}}" if symbol.isalpha() else rf"({symbol})^{{{name}}}"
    sds = [rf"\mathrm{{sd}}^{{{name}}}_{{{k}}}" for k in block]
    if len(block) == 1:
        effects, scale = rf"b^{{{name}}}_{{{block[0]}}}", rf"({sds[0]})^2\,{covariance}"
    else:
        diagonal = rf"\operatorname{{diag}}({', '.join(sds)})"
        effects = rf"b^{{{name}}}"
        scale = rf"{covariance} \otimes {diagonal}\,R^{{{name}}}\,{diagonal}"
    return rf"{effects} &\sim \operatorname{{MvNormal}}(0,\; {scale})"
