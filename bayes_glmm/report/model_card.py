"""A model before it is fitted, in words: formula, family, rows, groups and priors, as text and as HTML."""

from __future__ import annotations

import textwrap

import numpy as np

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.printing.document import Facts, Folded, Formula, Words
from bayes_glmm.printing.grid import as_text, display_width
from bayes_glmm.printing.html import fragment
from bayes_glmm.printing.table import Table
from bayes_glmm.report.equation import equation
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.names import shown
from bayes_glmm.spec.response import ResponseFormula


def model_text(spec: ModelSpec, design: Design, prior_table: PriorTable) -> str:
    """Describe a model as text.

    Parameters
    ----------
    spec, design, prior_table
        The model.

    Returns
    -------
    str
        Several lines for a terminal.
    """
    facts = model_facts(spec, design)
    width = max(map(len, facts)) + 2
    room = display_width()
    lines = [
        textwrap.fill(f"{key:<{width}}{value}", room, subsequent_indent=" " * width, break_on_hyphens=False)
        for key, value in facts.items()
    ]
    table = as_text(Table(prior_table.frame()).grid(), room - 2)
    return "\n".join(["Bayesian GLMM, not fitted yet", *lines, "priors", textwrap.indent(table, "  ")])


def model_html(spec: ModelSpec, design: Design, prior_table: PriorTable) -> str:
    """Describe a model as HTML, colours left to the notebook's theme.

    Parameters
    ----------
    spec, design, prior_table
        The model.

    Returns
    -------
    str
        HTML with the equation as MathML; the user's names are escaped.
    """
    return fragment(
        Words("Bayesian GLMM, not fitted yet", strong=True),
        Formula(equation(spec, design)),
        Facts(tuple(model_facts(spec, design).items())),
        Folded("Priors", (Table(prior_table.frame()).grid(),)),
    )


def model_facts(spec: ModelSpec, design: Design) -> dict[str, str]:
    """List what a reader asks of a model first.

    Parameters
    ----------
    spec, design
        The model.

    Returns
    -------
    dict
        Label to text: formula, family, rows, event or categories, groups.
    """
    facts = {
        "formula": "; ".join(formula_lines(spec)),
        "family": f"{spec.family.name}, {links_in_words(spec)}",
        "rows": rows_in_words(design),
    }
    response = design.response
    if response is not None and response.event is not None:
        facts["event"] = f"{response.name} = {response.event} counts as 1"
    if response is not None and response.categories is not None:
        unordered = spec.family.support == "unordered"
        facts["categories"] = (", " if unordered else " < ").join(response.categories)
        facts["categories"] += "; the first is the reference" if unordered else ""
    weights = weights_in_words(spec)
    if weights:
        facts["weights"] = weights
    if design.groups:
        facts["groups"] = "; ".join(group_in_words(term) for term in design.groups)
    return facts


def formula_lines(spec: ModelSpec) -> tuple[str, ...]:
    """Write the formulas of a model, those of further parameters with their names.

    Parameters
    ----------
    spec
        The specification.

    Returns
    -------
    tuple of str
        Such as ``("y ~ x", "sigma ~ x")``.
    """
    return (spec.formula.text, *(f"{name} {text}" for name, text in spec.formula.stated.items()))


def links_in_words(spec: ModelSpec) -> str:
    """Name the links of a model.

    Parameters
    ----------
    spec
        The specification.

    Returns
    -------
    str
        Such as ``"identity link"``, or ``"links: identity, sigma log"``.
    """
    if not spec.links or spec.family.categories:
        return f"{spec.link.name} link"
    return f"links: {', '.join([spec.link.name, *(f'{name} {link.name}' for name, link in spec.links)])}"


def weights_in_words(spec: ModelSpec) -> str:
    """Say what the weights of a response mean.

    Parameters
    ----------
    spec
        The specification.

    Returns
    -------
    str
        Such as ``"a row counts w times (frequencies)"``; empty where there are none.
    """
    response, known, said = spec.formula.response, dict(spec.formula.response.known), []
    if "se" in known:
        beside = "" if spec.family.knowing == ("se",) else ", beside a residual sd"
        said.append(f"a row's standard error is known, {shown(known['se'])}{beside}")
    if "censored" in response.knowing or "truncated" in response.knowing:
        said.append(_limits_in_words(response))
    if response.precision is not None:
        divided = f"a row's variance is divided by {shown(response.precision)}"
        said.append(f"{divided} (precisions; weighted(y, w) counts rows w times)")
    if response.weights is not None:
        said.append(f"a row counts {shown(response.weights)} times (frequencies; precision(y, w) divides the variance)")
    return "; ".join(said)


def _limits_in_words(response: ResponseFormula) -> str:
    """Say by what a response is censored and truncated."""
    known = {key: shown(text) for key, text in response.known}
    said = []
    if "event" in known:
        said.append(f"times are censored where {known['event']} is 0")
    if "status" in known:
        said.append(f"censored as {known['status']} says")
    sides = (("lower_limit", "<="), ("upper_limit", ">="))
    said += [f"censored where {sign} {known[key]}" for key, sign in sides if key in known]
    bounds = [f"{sign} {known[key]}" for key, sign in (("lower", ">="), ("upper", "<=")) if key in known]
    return "; ".join(said + ([f"truncated: only responses {' and '.join(bounds)} are seen"] if bounds else []))


def rows_in_words(design: Design) -> str:
    """Say how many rows are used, and how many were dropped for what.

    Parameters
    ----------
    design
        The design.

    Returns
    -------
    str
        Such as ``"177, 3 dropped for missing values (Days 2, Reaction 1)"``.
    """
    used = f"{len(design.index):,}"
    if design.dropped:
        used += f", {design.dropped:,} dropped for missing values ({_reasons(design)})"
    if design.unanswered is not None and len(design.unanswered):
        used += f", {len(design.unanswered):,} more without a response, which are predicted"
    return used


def _reasons(design: Design) -> str:
    return ", ".join(f"{column} {rows:,}" for column, rows in design.reasons.items())


def group_in_words(term: GroupTerm) -> str:
    """Say how many levels a grouping factor has, and which effects."""
    coefs = ", ".join(term.coefs)
    correlated = any(len(block) > 1 for block in term.blocks)
    kind = "" if len(term.coefs) == 1 else (", correlated" if correlated else ", independent")
    if term.structure is None:
        return f"{term.name} ({len(term.levels):,} levels: {coefs}{kind})"
    seen = len(np.unique(term.codes))
    return f"{term.name} ({term.structure.kind} of {term.size:,} levels, {seen:,} with rows: {coefs}{kind})"
