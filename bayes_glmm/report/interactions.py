"""Predictors whose effects depend on one another, in sentences. Input: a fit. Output: which they are, and text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_glmm.design.terms import column_terms
from bayes_glmm.effects.comparisons import avg_comparisons
from bayes_glmm.effects.variables import fitted_levels, is_factor, two_values
from bayes_glmm.errors import GLMMError
from bayes_glmm.report.changes import Change, change_of
from bayes_glmm.report.sentences import listed, sentence, with_interval

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

#: Pairs that have sentences, and levels of the one in each.
_MOST_PAIRS, _MOST_LEVELS = 3, 4


def interactions(fit: Fit) -> list[tuple[str, str]]:
    """List the pairs of predictors that stand in one term of the fixed part.

    Parameters
    ----------
    fit
        The fit.

    Returns
    -------
    list of tuple
        Pairs of columns, in the formula's order.
    """
    design = fit.model.design
    terms = dict.fromkeys(column_terms(design.encoders.fixed, design.frame, recode=False).variables)
    order = {name: place for place, name in enumerate(fit.model.spec.formula.estimated)}
    pairs = (sorted(names & order.keys(), key=order.__getitem__) for names in terms)
    return list(dict.fromkeys(pair for names in pairs for pair in combinations(names, 2)))


def interaction_sentences(fit: Fit, rows: pd.DataFrame | None, prob: float, stories: dict[str, str]) -> Iterator[str]:
    """Say how the effect of one predictor depends on another.

    Parameters
    ----------
    fit
        The fit.
    rows
        Rows that averages are over; None for all.
    prob
        Probability of the intervals.
    stories
        Meaning of the random effects -> for whom, in words.

    Yields
    ------
    str
        A sentence for each of the first pairs, one about all pairs before them.
    """
    pairs = interactions(fit)
    if not pairs:
        return
    named = listed([f"{a} with {b}" for a, b in pairs], _MOST_PAIRS)
    yield f"The formula has interactions, {named}: an effect depends on the other predictor. Averages stand above."
    for pair in pairs[:_MOST_PAIRS]:
        told = _split(fit, pair) or _split(fit, pair[::-1])
        if told is None:
            continue
        change, within = told
        meaning = next(iter(stories))
        try:
            table = avg_comparisons(
                fit, change.variables, newdata=rows, by=within, random_effects=meaning, ci_prob=prob, random_seed=0
            )
        except GLMMError:
            continue  # said where the predictor alone is compared
        yield _told(table, change, within, stories[meaning])


def second_of(fit: Fit, x: str) -> dict[str, Any]:
    """Choose the predictor by which curves over another are told apart.

    Parameters
    ----------
    fit
        The fit.
    x
        The predictor the curves go over, a number.

    Returns
    -------
    dict
        The first predictor that x has an interaction with, and its values: few levels, both values, or for a number its
        mean and one sd to either side; empty where there is none.
    """
    for pair in interactions(fit):
        if x not in pair:
            continue
        other = pair[0] if pair[1] == x else pair[1]
        if is_factor(fit, other):
            if len(fitted_levels(fit, other)) <= _MOST_LEVELS:
                return {other: None}
        elif two_values(fit, other):
            return {other: None}
        else:
            values = fit.model.design.frame[other].to_numpy(dtype=float)
            return {other: [float(f"{values.mean() + side * values.std():.3g}") for side in (-1, 0, 1)]}
    return {}


def _split(fit: Fit, pair: tuple[str, str]) -> tuple[Change, str] | None:
    """Choose the predictor that changes by one contrast, and the other, of few values; None if they are not such."""
    changed, within = pair
    change = change_of(fit, changed)
    few = len(fitted_levels(fit, within)) <= _MOST_LEVELS if is_factor(fit, within) else bool(two_values(fit, within))
    return (change, within) if few and len(change.words) == 1 else None


def _told(table: pd.DataFrame, change: Change, within: str, whom: str) -> str:
    attrs: dict[Any, Any] = table.attrs
    where = f"{change.words[0]}, the {attrs['predicted']} changes{f' {whom}' if whom else ''}"
    parts = []
    for level, part in table.groupby(within, sort=False, observed=True):
        value = f"{level:g}" if isinstance(level, (int, float, np.number)) else str(level)
        rows = [with_interval(row) for _, row in part.iterrows()]
        if "category" in part:
            rows = [f"{row} for {name}" for row, name in zip(rows, part["category"], strict=True)]
        parts.append(f"by {listed(rows, len(rows))} where {within} is {value}")
    return sentence(where, "; ".join(parts))
