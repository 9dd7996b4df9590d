"""How groups differ, in sentences, a table and figures. Input: a fit. Output: blocks of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from bayes_glmm.effects.variables import is_factor
from bayes_glmm.effects.variance_components import variance_components
from bayes_glmm.effects.wording import coefficient_unit
from bayes_glmm.errors import GLMMError
from bayes_glmm.model.scales import link_in_words
from bayes_glmm.plots import random_effects as draw_effects
from bayes_glmm.printing.document import Block, Captioned, Items, Words
from bayes_glmm.printing.table import Table, in_words
from bayes_glmm.report.figures import picture
from bayes_glmm.report.random_effects import random_effects
from bayes_glmm.report.sentences import counted, listed, sentence, with_interval

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

#: Grouping factors that are drawn, coefficients of one that are, and levels beyond which a figure is a smear.
_MOST_FACTORS, _MOST_COEFFICIENTS, _MOST_LEVELS = 3, 4, 2000


def group_blocks(fit: Fit, summary: pd.DataFrame, prob: float) -> Iterator[Block]:
    """Say how groups differ.

    Parameters
    ----------
    fit
        The fit.
    summary
        Its summary.
    prob
        Probability of the intervals.

    Yields
    ------
    Block
        Sentences, the parts of the variance, a figure for each grouping factor.
    """
    groups = fit.model.design.groups
    if not groups:
        yield Words("The model has no grouping factors: all rows are taken to be independent given the predictors.")
        return
    yield Items(tuple(_spread_sentences(fit, summary)))
    try:
        parts = variance_components(fit, ci_prob=prob)
    except GLMMError as error:
        yield Words(f"The variance is not split: {error}")
    else:
        yield Words(_share_words(parts))
        caption = f"Parts of the variance on the latent scale: posterior means, {prob:.0%} intervals, shares."
        yield Captioned(in_words(Table(parts).grid(), prob), caption)
    table = random_effects(fit, prob)
    for number, term in enumerate(groups[:_MOST_FACTORS], 1):
        yield from _level_blocks(table, term.name, len(term.coefs), f"levels-{number}", prob)
    if len(groups) > _MOST_FACTORS:
        yield Words(f"Not drawn: {listed([term.name for term in groups[_MOST_FACTORS:]])}. See random_effects(fit).")


def _spread_sentences(fit: Fit, summary: pd.DataFrame) -> Iterator[str]:
    unit = coefficient_unit(fit)
    named = summary.rename(columns={"mean": "estimate", "ci_lower": "lower", "ci_upper": "upper"})
    for term in fit.model.design.groups:
        own = named[(named["group"] == term.name)]
        levels = counted(len(term.levels), "level")
        channels = dict(zip(term.coefs, term.channels or (0,) * len(term.coefs), strict=True))
        for _, row in own[own["component"] == "sd"].iterrows():
            what, of = _spread_of(fit, str(row["term"]), channels[row["term"]], unit)
            yield sentence(f"{what} differ between the {levels} of {term.name} with a sd of {with_interval(row)}{of}")
        for _, row in own[own["component"] == "corr"].iterrows():
            first, second = str(row["term"]).split(", ", 1)
            yield sentence(f"within {term.name}, {first} and {second} have a correlation of {with_interval(row)}")
        for _, row in own[own["component"] == "dependence"].iterrows():
            assert term.structure is not None
            yield sentence(
                f"effects of neighbouring {term.name} are correlated ({term.structure.kind}), with {row['term']} "
                f"{with_interval(row)}"
            )


def _spread_of(fit: Fit, term: str, channel: int, unit: str) -> tuple[str, str]:
    """Say what a sd is of, and its unit: of the mean's linear predictor, or of a further parameter's."""
    if not channel:
        return (
            ("intercepts", f": {unit}")
            if term == "Intercept"
            else (f"effects of {term}", f": {unit}, {_per(fit, term)}")
        )
    one = fit.model.spec.channels[channel - 1]
    own = term.removeprefix(f"{one.name}_")
    if own == "Intercept":
        return f"intercepts of {link_in_words(one)}", ""
    return f"effects of {own} on {link_in_words(one)}", f": {_per(fit, own)}"


def _per(fit: Fit, term: str) -> str:
    """Say what an effect is for: a level of a factor, or a unit of a number."""
    name, bracket, level = term.partition("[")
    column = name.removeprefix("factor(").removesuffix(")")
    if bracket and column in fit.model.design.frame and is_factor(fit, column):
        return f"where {column} is {level.removesuffix(']')}"
    return f"for one unit of {term}"


def _share_words(parts: pd.DataFrame) -> str:
    shares = parts.assign(estimate=parts["share"], lower=parts["share_lower"], upper=parts["share_upper"])
    told = []
    for _, row in shares.iterrows():
        name = {"fixed": "predictors", "residual": "what is left within groups"}.get(row["component"], row["group"])
        told.append(f"{name} {row['estimate']:.0%} ({row['lower']:.0%} to {row['upper']:.0%})")
    return (
        f"Of the variance on the latent scale (that of the linear predictor, with the family's own): {listed(told, 8)}."
    )


def _level_blocks(table: pd.DataFrame, group: str, coefficients: int, name: str, prob: float) -> Iterator[Block]:
    own = table[table["group"] == group]
    levels = own["level"].nunique()
    words = []
    for term, part in own.groupby("term", sort=False):
        low, high = part.loc[part["estimate"].idxmin()], part.loc[part["estimate"].idxmax()]
        apart = int(((part["lower"] > 0) | (part["upper"] < 0)).sum())
        words.append(
            f"{term}: lowest in {low['level']}, {with_interval(low)}; highest in {high['level']}, "
            f"{with_interval(high)}; the interval leaves out zero in {apart:,} of {counted(levels, 'level')}"
        )
    told = sentence(f"departures of {group} from the population. {'. '.join(words[:_MOST_COEFFICIENTS])}")
    yield Words(told)
    if levels > _MOST_LEVELS or coefficients > _MOST_COEFFICIENTS:
        yield Words(
            f"{group} is not drawn ({levels:,} levels, {counted(coefficients, 'coefficient')}): random_effects(fit)."
        )
        return
    drawn = own.copy()
    drawn.attrs = table.attrs
    panels = "A panel for each coefficient" if coefficients > 1 else "One panel"
    alternative = sentence(f"{panels}: points with intervals for {levels:,} levels of {group}, sorted. {told}")
    caption = (
        f"Levels of {group}: departures from the population ({table.attrs['unit']}), mean and {prob:.0%} interval."
    )
    yield picture(name, lambda: draw_effects(drawn, group), alternative, caption)
