"""What people read of several responses: the model as text and HTML, its equation and priors, the summary of a fit."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from bayes_glmm.arguments import interval_probability
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.inference.multivariate import MultivariateModel
from bayes_glmm.model.multivariate import PARTIAL, parameter_name
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.printing.document import Facts, Folded, Formula, Words
from bayes_glmm.printing.grid import as_text, display_width
from bayes_glmm.printing.html import fragment
from bayes_glmm.printing.latex import upright
from bayes_glmm.printing.table import Table
from bayes_glmm.priors import Prior
from bayes_glmm.report.equation import Equation, aligned, group_lines, response_lines
from bayes_glmm.report.model_card import group_in_words, links_in_words, rows_in_words, weights_in_words
from bayes_glmm.report.summary import (
    Drawn,
    Section,
    Summary,
    coefficient_sections,
    drawn_in_words,
    effect_sections,
    summary_table,
    without_mean,
)
from bayes_glmm.spec.multivariate import RESIDUAL

__all__ = ["equation_of_several", "priors_frame", "several_html", "several_text", "summarize_several"]


class FittedTogether(Drawn, Protocol):
    """What a summary needs of a fit of several responses."""

    @property
    def model(self) -> MultivariateModel:
        """The model that was fitted."""


def priors_frame(design: MultivariateDesign, table: PriorTable) -> pd.DataFrame:
    """Return the priors as people read them: the residual correlations are one matrix."""
    frame = table.frame()
    partial = frame["parameter"].str.startswith(PARTIAL)
    if not partial.any():
        return frame
    stated = dict(design.spec.priors).get(RESIDUAL)
    row = [RESIDUAL, str(stated or Prior("LKJ", eta=1)), "", "default" if stated is None else "user"]
    return pd.concat([frame[~partial], pd.DataFrame([row], columns=frame.columns)], ignore_index=True)


def _facts(design: MultivariateDesign) -> dict[str, str]:
    """List what a reader asks of a model first, response by response."""
    spec, facts = design.spec, {}
    for name, part, own in zip(spec.names, spec.parts, design.parts, strict=True):
        said = [part.formula.text, f"{part.family.name}, {links_in_words(part)}", f"rows: {rows_in_words(own)}"]
        facts[name] = "; ".join([*said, *filter(None, [weights_in_words(part)])])
    if spec.correlated:
        facts["residuals"] = f"correlated: {', '.join(spec.names[r] for r in spec.correlated)}"
    if design.groups:
        facts["groups"] = "; ".join(group_in_words(term) for term in design.groups)
    return facts


def several_text(model: MultivariateModel) -> str:
    """Describe a model of several responses as text."""
    facts = _facts(model.design)
    width, room = max(map(len, facts)) + 2, display_width()
    lines = [
        textwrap.fill(f"{key:<{width}}{value}", room, subsequent_indent=" " * width, break_on_hyphens=False)
        for key, value in facts.items()
    ]
    table = as_text(Table(priors_frame(model.design, model.prior_table)).grid(), room - 2)
    opening = f"Bayesian GLMM of {len(model.spec.names)} responses, not fitted yet"
    return "\n".join([opening, *lines, "priors", textwrap.indent(table, "  ")])


def several_html(model: MultivariateModel) -> str:
    """Describe a model of several responses as HTML; the user's names are escaped."""
    return fragment(
        Words(f"Bayesian GLMM of {len(model.spec.names)} responses, not fitted yet", strong=True),
        Formula(equation_of_several(model.design)),
        Facts(tuple(_facts(model.design).items())),
        Folded("Priors", (Table(priors_frame(model.design, model.prior_table)).grid(),)),
    )


def equation_of_several(design: MultivariateDesign) -> Equation:
    """Write a model of several responses as LaTeX: every response, then what they share.

    Parameters
    ----------
    design
        The design.

    Returns
    -------
    Equation
        An ``aligned`` environment. A superscript says whose a parameter is.
    """
    spec, lines = design.spec, []
    for r, (name, part) in enumerate(zip(spec.names, design.parts, strict=True)):
        lines += [_of_response(line, upright(name), design, r) for line in response_lines(part.spec, part)]
    for term in design.groups:
        lines += group_lines(term)
    if spec.correlated:
        names = ", ".join(upright(spec.names[r]) for r in spec.correlated)
        lines.append(rf"\operatorname{{corr}}({names} \mid \mu) &= R, \quad R \sim \operatorname{{LKJ}}(\eta)")
    return aligned(lines)


def _of_response(line: str, name: str, design: MultivariateDesign, r: int) -> str:
    """Mark the parameters of a line with their response, and number its effects as the merged terms do."""
    own = (row.latex for row in design.parts[r].spec.family.parameters)
    for symbol in filter(None, (r"\mu", r"\beta", *own)):
        line = re.sub(rf"{re.escape(symbol)}(?![A-Za-z^])", lambda found: rf"{found[0]}^{{{name}}}", line)
    for g, term in enumerate(design.parts[r].groups):
        symbol = rf"b^{{{upright(term.name)}}}_"
        for before, after in enumerate(design.coefs_of(r, g)):
            line = line.replace(rf"{symbol}{{{before},", rf"{symbol}{{{after}:,")
    return line.replace(":,", ",")


def summarize_several(fit: FittedTogether, ci_prob: float | None = None, random_effects: bool = False) -> Summary:
    """Summarise the posterior of several responses.

    Parameters
    ----------
    fit
        The fit.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's.
    random_effects
        Whether to list every level's effects too.

    Returns
    -------
    Summary
        As of `bayes_glmm.report.summary.summarize`; terms begin with their response, and residual correlations are
        those of the group ``"residual"``.
    """
    prob = interval_probability(ci_prob)
    table = summary_table(fit, _sections(fit.model.design, random_effects), prob)
    spec, design = fit.model.spec, fit.model.design
    powers = {
        parameter_name(own.name, name): own.power
        for name, part in zip(spec.names, spec.parts, strict=True)
        for own in part.family.parameters
    }
    levels = ", ".join(f"{len(term.levels):,} {term.name}" for term in design.groups)
    words = [
        f"{part.formula.text}; {part.family.name} family, {links_in_words(part)}; rows: {rows_in_words(own)}"
        for part, own in zip(spec.parts, design.parts, strict=True)
    ]
    words += [f"levels: {levels}"] if levels else []
    return table.described((*words, drawn_in_words(fit, prob), *without_mean(fit, table, powers)), fit.convergence)


def _sections(design: MultivariateDesign, random_effects: bool) -> Iterator[Section]:
    spec = design.spec
    yield from coefficient_sections(design.coefs, design.groups)
    for name, part in zip(spec.names, spec.parts, strict=True):
        for row in part.constants:
            yield parameter_name(row.name, name), "auxiliary", "", [parameter_name(row.name, name)], np.arange(1)
    if spec.correlated:
        yield RESIDUAL, "corr", "residual", *_pairs([spec.names[r] for r in spec.correlated])
    yield from effect_sections(design.groups if random_effects else ())


def _pairs(names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Name the pairs of the strict lower triangle, and their places in the flat matrix."""
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    return [f"{names[j]}, {names[i]}" for i, j in pairs], np.array([i * len(names) + j for i, j in pairs])
