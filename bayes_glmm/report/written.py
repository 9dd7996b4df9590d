"""A fit as a text for people: one file that holds what was asked, fitted, found and checked.

Input: a fit. Output: a `Document`, and the file that holds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_glmm.arguments import in_words as value_in_words
from bayes_glmm.arguments import interval_probability
from bayes_glmm.effects.wording import coefficient_unit, ratio_words, result_words
from bayes_glmm.errors import GLMMError
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.printing.document import (
    Block,
    Captioned,
    Document,
    Facts,
    Figure,
    Folded,
    Formula,
    Section,
    Words,
)
from bayes_glmm.printing.files import checked_target, write_whole
from bayes_glmm.printing.html import page
from bayes_glmm.printing.markdown import as_text
from bayes_glmm.printing.table import Table, in_words
from bayes_glmm.report.equation import equation
from bayes_glmm.report.groups import group_blocks
from bayes_glmm.report.model_card import model_facts
from bayes_glmm.report.provenance import provenance_blocks
from bayes_glmm.report.sentences import counted, listed
from bayes_glmm.report.story import effects_blocks
from bayes_glmm.report.summary import Summary, summarize, without_mean
from bayes_glmm.report.trust import note_blocks, simulation_blocks

if TYPE_CHECKING:
    from bayes_glmm.report.summary import FittedModel

_KINDS = (".html", ".htm", ".md")
#: Coefficients of the table.
_MOST_ROWS = 120


def write_report(
    fit: FittedModel,
    path: str | os.PathLike[str],
    *,
    question: str | None = None,
    title: str | None = None,
    ci_prob: float | None = None,
) -> Path:
    """Write a fit as a text for people.

    Parameters
    ----------
    fit
        The fit.
    path
        A file that ends in ``.html``, or in ``.md`` for Markdown, whose figures are put into a folder beside it.
    question
        What was asked, in the reader's words.
    title
        Its title; None for one that names response and model.
    ci_prob
        Probability of the intervals; None for ArviZ's ``rcParams["stats.ci_prob"]``.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    GLMMError
        If the file cannot be written, does not end in one of these, or an argument is not what it should be.
    """
    check_fit(fit)
    target = report_target(path)
    for name, value in (("question", question), ("title", title)):
        if value is not None and not isinstance(value, str):
            raise GLMMError(f"{name}= takes a text, not {value_in_words(value)}.")
    document = fit_document(fit, question, title, interval_probability(ci_prob))
    try:
        if target.suffix.lower() != ".md":
            write_whole(target, page(document).encode())
        else:
            folder = target.with_name(f"{target.stem}_files")
            _write_pictures(document, folder)
            write_whole(target, as_text(document, folder.name).encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise GLMMError(f"The report could not be written as {target}: {reason}.") from error
    return target


def report_target(path: str | os.PathLike[str]) -> Path:
    """Check the name of a report's file.

    Parameters
    ----------
    path
        What the user gave.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    GLMMError
        If it cannot be a report: no path, a folder, in no folder, of another ending.
    """
    target = checked_target(path, "report.html")
    if target.suffix.lower() not in _KINDS:
        raise GLMMError(f"A report ends in .html, or in .md for Markdown; this file is called {target.name}.")
    return target


def _write_pictures(document: Document, folder: Path) -> None:
    """Put the pictures for light surroundings into a folder."""
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                folder.mkdir(exist_ok=True)
                write_whole(folder / f"{block.name}.{block.light.kind}", block.light.content)


def fit_document(fit: Any, question: str | None, title: str | None, prob: float) -> Document:
    """Put the report of a fit together.

    Parameters
    ----------
    fit
        The fit.
    question, title
        As for `write_report`.
    prob
        Probability of the intervals.

    Returns
    -------
    Document
        The verdict on the draws first, then effects, groups, checks, the model, its estimates, how it is made again.
    """
    summary = summarize(fit, prob)
    words = result_words(fit)
    spec = fit.model.spec
    groups = [term.name for term in fit.model.design.groups]
    kind = "mixed model" if groups else "regression"
    title = title or f"{words['response']}: a Bayesian {spec.family.name} {kind}"
    opening: list[Block] = []
    if question:
        opening.append(Words(question))
    opening.append(fit.convergence.block())
    opening.append(Words(_what_was_done(fit, prob)))
    sections = (
        Section("Effects", tuple(effects_blocks(fit, prob))),
        Section("Groups", tuple(group_blocks(fit, summary, prob))),
        Section("Checks", (*note_blocks(fit), *simulation_blocks(fit, prob))),
        Section("Model", tuple(_model_blocks(fit))),
        Section("Estimates", tuple(_estimates(fit, summary, prob))),
        Section("How to reproduce and cite", tuple(provenance_blocks(fit))),
    )
    return Document(title, tuple(opening), sections)


def _what_was_done(fit: Any, prob: float) -> str:
    spec, design = fit.model.spec, fit.model.design
    predictors = spec.formula.predictors
    levels = listed([f"{counted(len(term.levels), 'level')} of {term.name}" for term in design.groups] or [""])
    told = f"{result_words(fit)['response']} was modelled in {counted(len(design.index), 'row')}"
    told += f" with {levels}" if levels else ""
    told += f", by {listed(list(predictors), 10)}." if predictors else ", without predictors."
    method = "an approximation to the posterior" if fit.approximate else "the posterior"
    return (
        f"{told} Estimates are means of {method}. Intervals hold {prob:.0%} of it: given the model, its priors and "
        f"these data, a quantity lies in its interval with probability {prob:g}."
    )


def _model_blocks(fit: Any) -> Iterator[Block]:
    spec, design = fit.model.spec, fit.model.design
    yield Facts(tuple(model_facts(spec, design).items()))
    yield Formula(equation(spec, design))
    yield Words("Here i is a row and j[i] the level that it belongs to." if design.groups else "Here i is a row.")
    priors = Table(fit.model.prior_table.frame())
    more = len(priors) - _MOST_ROWS
    grid = Table(priors.iloc[:_MOST_ROWS]).grid()
    told = (Words(f"{more:,} more: model.priors."),) if more > 0 else ()
    yield Folded("Priors", (grid, *told))


def _estimates(fit: Any, summary: Summary, prob: float) -> Iterator[Block]:
    unit = coefficient_unit(fit)
    yield Words(
        f"Coefficients are in the {unit}, where the model is a sum; the effects above are on the response's own scale."
        if "unit of" not in unit
        else f"Coefficients are in the {unit}."
    )
    for line in without_mean(fit, summary, {own.name: own.power for own in fit.model.spec.family.parameters}):
        yield Words(line)
    shown = Table(summary.iloc[:_MOST_ROWS])
    yield Captioned(in_words(shown.grid(), prob), f"Parameters: posterior means, sds and {prob:.0%} intervals.")
    more = len(summary) - _MOST_ROWS
    if more > 0:
        yield Words(f"{more:,} more parameters: fit.summary().")
    try:
        ratios = ratio_words(fit)
    except GLMMError:  # this link has none
        return
    if not fit.model.design.coefs:
        return
    exponentiated = summarize(fit, prob, exponentiate=True)
    fixed = Table(exponentiated[exponentiated["component"] == "fixed"].iloc[:_MOST_ROWS])
    columns = ["term", "mean", "sd", "ci_lower", "ci_upper"]
    yield Captioned(in_words(Table(fixed[columns]).grid(), prob), f"The same exponentiated: {ratios}.")
