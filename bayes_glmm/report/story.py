"""What predictors do on the response's own scale, for a typical group and averaged over groups: the report's main part.

Input: a fit. Output: blocks: sentences made from the numbers, one table, figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_glmm.effects.comparisons import avg_comparisons
from bayes_glmm.effects.grids import grid
from bayes_glmm.effects.predictions import predictions
from bayes_glmm.effects.variables import is_factor, two_values
from bayes_glmm.effects.wording import result_words
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots import conditional_marginal
from bayes_glmm.printing.document import Block, Captioned, Items, Words
from bayes_glmm.printing.table import Table, in_words
from bayes_glmm.report.changes import Change, change_of
from bayes_glmm.report.figures import picture
from bayes_glmm.report.interactions import interaction_sentences, second_of
from bayes_glmm.report.sentences import counted, direction, listed, outside, sentence, with_interval

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

#: Rows times values compared that averages are taken over; beyond, every so many rows.
_MOST_AVERAGED, _FEWEST_ROWS = 20_000, 200
#: Rows of the table, rows of the figure, sentences about one predictor.
_MOST_ROWS, _MOST_DRAWN, _MOST_SENTENCES = 120, 40, 3


@dataclass(frozen=True)
class _Effects:
    """A predictor's effects, a table for each story."""

    change: Change
    tables: dict[str, pd.DataFrame]


def effects_blocks(fit: Fit, prob: float) -> Iterator[Block]:
    """Say what each predictor does.

    Parameters
    ----------
    fit
        The fit.
    prob
        Probability of the intervals.

    Yields
    ------
    Block
        Sentences, a table, figures.
    """
    stories = _stories(fit)
    changes = [change_of(fit, name) for name in fit.model.spec.formula.estimated]
    fixed = [name for name in fit.model.spec.formula.predictors if name not in fit.model.spec.formula.estimated]
    if fixed:
        yield Words(f"Fixed by the offset, so not estimated and not compared: {listed(fixed)}.")
    if not changes:
        yield Words(f"The model has no {'other ' if fixed else ''}predictors, so there is nothing to compare.")
        return
    rows, words = _rows(fit, sum(len(one.words) for one in changes))
    yield Words(_what_is_compared(fit, words))
    effects, refused = [], []
    for change in changes:
        try:
            effects.append(_Effects(change, _tables(fit, change, rows, prob, stories)))
        except GLMMError as error:
            refused.append(f"{change.name}: not compared. {error}")
    if effects:
        yield Items(tuple(one for effect in effects for one in _sentences(effect, stories)))
        if together := tuple(interaction_sentences(fit, rows, prob, stories)):
            yield Items(together)
        yield from _table(effects, stories, prob)
        yield from _comparison_figure(fit, effects, prob)
    if refused:
        yield Items(tuple(refused))
    yield from _curves(fit, prob)


def _stories(fit: Fit) -> dict[str, str]:
    """Return meaning -> for whom: one where there are no groups or both answers are the same, else two."""
    groups = [term.name for term in fit.model.design.groups]
    if not groups or _same(fit):
        return {"typical": ""}
    return {"typical": f"for a typical {listed(groups)}", "marginal": f"averaged over {listed(groups)}"}


def _same(fit: Fit) -> bool:
    """Say whether a mean over groups is that of a typical group: linear predictors that are means, of mean zero."""
    family, link = fit.model.spec.family, fit.model.spec.link.name
    return link == "identity" and family.support == "real" and family.mean is None and family.response_transform is None


def _rows(fit: Fit, contrasts: int) -> tuple[pd.DataFrame | None, str]:
    """Return the rows that averages are over, None for all, and say which."""
    frame = fit.model.design.frame
    most = max(_FEWEST_ROWS, _MOST_AVERAGED // max(1, contrasts))
    if len(frame) <= most:
        return None, f"all {counted(len(frame), 'row')}"
    chosen = np.linspace(0, len(frame) - 1, most).round().astype(int)
    return frame.iloc[chosen], f"{most:,} of the {len(frame):,} rows, evenly spaced"


def _what_is_compared(fit: Fit, rows: str) -> str:
    words, groups = result_words(fit), [term.name for term in fit.model.design.groups]
    text = (
        f"Each comparison changes one predictor, leaves the others as they are in each row, and averages the change of "
        f"the {words['predicted']} over {rows}."
    )
    if not groups:
        return text
    names = listed(groups)
    if _same(fit):
        return f"{text} The answer is the same for a typical {names} and averaged over {names}."
    return (
        f"{text} There are two answers, because there are two questions. For a typical {names}: the change where the "
        f"group's own departure is zero, which matters to somebody within one group. Averaged over {names}: the change "
        "in the mean of the whole population of groups, which matters to somebody who decides for all of them."
    )


def _tables(
    fit: Fit, change: Change, rows: pd.DataFrame | None, prob: float, stories: dict[str, str]
) -> dict[str, pd.DataFrame]:
    tables = {}
    for meaning in stories:
        asked: dict[str, Any] = {"random_effects": meaning, "newdata": rows, "random_seed": 0}
        table = avg_comparisons(fit, change.variables, ci_prob=prob, **asked)
        if any(outside(row) for _, row in table.iterrows()):
            draws = avg_comparisons(fit, change.variables, draws="dataarray", **asked)
            table["median"] = draws.median(("chain", "draw")).to_numpy()
        tables[meaning] = table
    return tables


# sentences -----------------------------------------------------------------------------------------------------------


def _sentences(effect: _Effects, stories: dict[str, str]) -> Iterator[str]:
    """Write a sentence for each contrast, the clearest where there are many."""
    words, first = effect.change.words, next(iter(effect.tables.values()))
    per = len(first) // max(1, len(words))
    clear = np.abs(first["estimate"].to_numpy()) / np.maximum(first["sd"].to_numpy(), 1e-300)
    order = np.argsort(-clear.reshape(len(words), per).max(axis=1), kind="stable")
    shown = sorted(order[:_MOST_SENTENCES]) if len(words) > _MOST_SENTENCES + 1 else range(len(words))
    for place in shown:
        tables = {key: table.iloc[place * per : (place + 1) * per] for key, table in effect.tables.items()}
        write = _of_categories if per > 1 else _of_one
        yield sentence(f"{words[place]}, {write(tables, stories)}")
    if len(words) > _MOST_SENTENCES + 1:
        apart = (np.sign(first["lower"]) * np.sign(first["upper"]) > 0).to_numpy().reshape(len(words), per).any(axis=1)
        yield (
            f"{effect.change.name} has {len(words) + 1} levels; the {_MOST_SENTENCES} clearest differences from the "
            f"first are above. For {int(apart.sum())} of {len(words)} the interval does not hold zero."
        )


def _of_one(tables: dict[str, pd.DataFrame], stories: dict[str, str]) -> str:
    rows = {key: table.iloc[0] for key, table in tables.items()}
    what = f"the {first_attrs(tables)['predicted']}"
    sides = {direction(row) for row in rows.values()}
    if len(sides) == 1 and (side := sides.pop()):
        verb = "higher" if side > 0 else "lower"
        parts = [f"{stories[key]} by {with_interval(row, side < 0)}".strip() for key, row in rows.items()]
        return f"{what} is {verb} {' and '.join(parts)}"
    parts = [f"{stories[key]} by {with_interval(row)}".strip() for key, row in rows.items()]
    return f"{what} changes {' and '.join(parts)}; an interval that holds zero leaves the direction open"


def _of_categories(tables: dict[str, pd.DataFrame], stories: dict[str, str]) -> str:
    """Say which category of an ordered response gains most and which loses most."""
    first = next(iter(tables.values()))
    estimates = first["estimate"].to_numpy()
    told, unclear = [], False
    for place, verb, side in ((int(estimates.argmax()), "rises", 1), (int(estimates.argmin()), "falls", -1)):
        rows = {key: table.iloc[place] for key, table in tables.items()}
        if any(direction(row) != side for row in rows.values()):
            verb, unclear = "changes", True
        parts = [f"{stories[key]} by {with_interval(row, verb == 'falls')}".strip() for key, row in rows.items()]
        most = "" if verb == "changes" else " most"
        what = f"the probability of category {first['category'].iloc[place]}"
        told.append(f"{what} {verb}{most}, {' and '.join(parts)}")
    return "; ".join(told) + ("; an interval that holds zero leaves the direction open" if unclear else "")


def first_attrs(tables: dict[str, pd.DataFrame]) -> dict[Any, Any]:
    """Return what the first of some tables says of itself.

    Parameters
    ----------
    tables
        Tables of effects.

    Returns
    -------
    dict
        Its attributes.
    """
    return next(iter(tables.values())).attrs


# table and figures ---------------------------------------------------------------------------------------------------


def _together(effects: list[_Effects]) -> dict[str, pd.DataFrame]:
    """Put the effects of all predictors below each other, a table for each story."""
    together = {}
    for meaning in effects[0].tables:
        table = Table(pd.concat([effect.tables[meaning] for effect in effects], ignore_index=True))
        table.attrs = {key: value for key, value in effects[0].tables[meaning].attrs.items() if key != "heading"}
        together[meaning] = table
    return together


def _table(effects: list[_Effects], stories: dict[str, str], prob: float) -> Iterator[Block]:
    together = _together(effects)
    about = [name for name in ("term", "contrast", "category") if name in next(iter(together.values()))]
    first = next(iter(together.values()))[about].iloc[:_MOST_ROWS].reset_index(drop=True)
    parts = {
        meaning: in_words(Table(table.iloc[:_MOST_ROWS][["estimate", "sd", "lower", "upper"]]).grid(), prob)
        for meaning, table in together.items()
    }
    left = in_words(Table(first).grid(), prob)
    columns = list(left.columns)
    for meaning, part in parts.items():
        kept = [column for column in part.columns if column.name != "sd"]
        for column in kept:
            of = "" if len(parts) == 1 else f"{meaning}: "
            columns.append(type(column)(f"{of}{column.name}", column.cells, numeric=True))
    more = len(next(iter(together.values()))) - _MOST_ROWS
    below = (f"{more:,} more rows: avg_comparisons(fit, ...).",) if more > 0 else ()
    predicted = first_attrs(together)["predicted"]
    told = "; ".join(f"{meaning}: {whom}" for meaning, whom in stories.items() if whom)
    caption = sentence(
        f"Differences in the {predicted}: posterior means and {prob:.0%} intervals", told and f"({told})"
    )
    yield Captioned(type(left)(tuple(columns), below=below), caption)


def _comparison_figure(fit: Fit, effects: list[_Effects], prob: float) -> Iterator[Block]:
    together = _together(effects)
    first = next(iter(together.values()))
    if len(first) > _MOST_DRAWN:
        yield Words(f"A figure of {len(first):,} comparisons would show nothing; the table has them.")
        return
    largest = first.iloc[int((first["estimate"].abs() / first["sd"].clip(lower=1e-300)).to_numpy().argmax())]
    name = " ".join(str(largest[key]) for key in ("term", "contrast", "category") if key in first)
    alternative = sentence(
        f"{counted(len(first), 'comparison')}, each a point with an interval"
        + (" for either story" if len(together) > 1 else "")
        + f", and a dashed line at zero. Furthest from it, measured by its interval: {name}, {with_interval(largest)}"
    )
    caption = f"Average differences in the {first.attrs['predicted']}: mean and {prob:.0%} interval."
    yield picture("effects", lambda: conditional_marginal(_named(together)), alternative, caption)


def _curves(fit: Fit, prob: float) -> Iterator[Block]:
    """Draw predictions over the first predictor that is a number, others at their mean or commonest level."""
    names = fit.model.spec.formula.predictors
    x = next(
        (one for one in fit.model.spec.formula.estimated if not is_factor(fit, one) and not two_values(fit, one)), None
    )
    if x is None:
        return
    second = second_of(fit, x)
    rows, meanings = grid(fit, **{x: None}, **second), _stories(fit)
    try:
        told = {key: predictions(fit, rows, random_effects=key, ci_prob=prob, random_seed=0) for key in meanings}
    except GLMMError as error:
        yield Words(f"Predictions over {x} are not drawn: {error}")
        return
    first: pd.DataFrame = next(iter(told.values()))
    z, predicted, values = next(iter(second), None), first.attrs["predicted"], first[x].to_numpy(dtype=float)
    shape = "Curves with bands" if z or len(told) > 1 else "A curve with a band"
    alternative = sentence(
        f"{shape} of the {predicted} over {x} from {_plain(values[0])} to {_plain(values[-1])}"
        + (f", for {listed([str(one) for one in first[z].unique()])} of {z}" if z else "")
        + (", a panel for each category" if "category" in first else f": {'; '.join(_ends(told, meanings, z))}")
    )
    others = [one for one in names if one not in (x, z)]
    rest = f"; {listed(others)} at {'its' if len(others) == 1 else 'their'} mean or commonest level" if others else ""
    caption = f"Predictions of the {predicted} over {x}{f' by {z}' if z else ''}{rest}: mean and {prob:.0%} band."
    yield picture("predictions", lambda: conditional_marginal(_named(told), x=x, color=z), alternative, caption)


def _ends(told: dict[str, pd.DataFrame], meanings: dict[str, str], z: str | None) -> Iterator[str]:
    """Say from where to where each curve goes."""
    for key, table in told.items():
        for value, curve in [("", table)] if z is None else table.groupby(z, sort=False, observed=True):
            low, high = (with_interval(curve.iloc[place]) for place in (0, -1))
            where = "" if z is None else f"where {z} is {value}"
            yield " ".join(part for part in (meanings[key], where, f"from {low} to {high}") if part)


def _named(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Name stories for a legend: a single one is no story."""
    return tables if len(tables) > 1 else {"estimate": next(iter(tables.values()))}


def _plain(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"
