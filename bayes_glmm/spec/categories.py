"""Formulas of categories and of the steps between them, once the data have said which there are.

Input: the formula as the user stated it, and the names of the linear predictors. Output: a formula with a part for
each: the model's right side or a formula of its own, or, of a step, the terms of ``cs()``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bayes_glmm.errors import FormulaError, GLMMError, nearest
from bayes_glmm.families import Family
from bayes_glmm.spec.dependence import check_dependent
from bayes_glmm.spec.formula import Bar, Formula, ParameterFormula
from bayes_glmm.spec.scan import signed_terms, split

__all__ = ["by_category", "by_steps", "category_formulas", "check_steps", "refuse_links"]


def category_formulas(before: str, texts: Any) -> Mapping[str, str]:
    """Check formulas of categories' linear predictors as far as that can be done without the data.

    Parameters
    ----------
    before
        What names of linear predictors begin with.
    texts
        Linear predictor -> formula, as the user gave it.

    Returns
    -------
    Mapping
        The formulas.

    Raises
    ------
    FormulaError
        If it is no dictionary, or a key is no such name.
    """
    if not isinstance(texts, Mapping):
        raise FormulaError(f"dpar_formulas must be a dictionary such as {{'{before}B': '~ x'}}, not {texts!r}.")
    for name in texts:
        if not isinstance(name, str) or not name.startswith(before) or name == before:
            raise FormulaError(
                f"dpar_formulas: linear predictors of categories are called {before!r} and the category, "
                f"'{before}B' for category B, not {name!r}."
            )
    return texts


def refuse_links(links: Mapping[str, Any]) -> None:
    """Refuse links of categories' linear predictors, which are log odds against the first category."""
    if links:
        name = next(iter(links))
        raise GLMMError(
            f"link: {name!r} has none; linear predictors of categories are their log odds against the first."
        )


def by_category(formula: Formula, stated: Sequence[ParameterFormula], names: Sequence[str]) -> Formula:
    """Give each category but the first a formula: its own, or else the model's.

    Parameters
    ----------
    formula
        The formula as parsed, its right side being that of all categories without a formula of their own.
    stated
        Formulas of some categories' own.
    names
        Names of the categories' linear predictors.

    Returns
    -------
    Formula
        With a part for each name. The effects of a term ``(x | g)`` on several categories are correlated, those of
        ``(x || g)`` are independent: the reference is arbitrary, and a change of it correlates effects that were
        independent.

    Raises
    ------
    FormulaError
        If a formula is stated for a category that the response does not have.
    """
    own = {part.name: part for part in stated}
    for name in own:
        if name not in names:
            raise FormulaError(
                f"dpar_formulas: the response has no linear predictor {name!r}. {nearest(name, names)} The first "
                "category is the reference and has none."
            )
    text = f"~ {split(formula.text, '~')[1].strip()}"
    bars = tuple(_shared(bar, place) for place, bar in enumerate(formula.bars))
    whole = ParameterFormula("", text, formula.fixed, formula.offsets, bars, formula.smooths, stated=False)
    parts = tuple(own.get(name, replace(whole, name=name)) for name in names)
    check_dependent([bar for part in parts for bar in part.bars])
    return replace(formula, fixed="0", offsets=(), bars=(), smooths=(), parameters=parts)


def _shared(bar: Bar, place: int) -> Bar:
    """Give a term a name that its effects on several categories share."""
    return bar if bar.together or not bar.correlated else replace(bar, together=f"term {place}")


def check_steps(formula: Formula, family: Family) -> None:
    """Refuse ``cs()`` where there are no steps, and terms that stand inside and outside of it.

    Parameters
    ----------
    formula
        The formula as parsed.
    family
        The family.

    Raises
    ------
    FormulaError
        If the family is not one of ordered categories by steps, or a term is there twice.
    """
    if not formula.by_step:
        return
    thresholds = [row for row in family.parameters if row.ordered]
    if thresholds and thresholds[0].increasing:
        raise FormulaError(
            f"cs(): under family={family.name!r} effects that differ between categories could make probabilities "
            "negative. Use 'sratio', 'cratio' or 'acat'."
        )
    if not thresholds:
        raise FormulaError(
            f"cs({formula.by_step.removeprefix('1 + ')}): effects by category are for the families 'sratio', 'cratio' "
            f"and 'acat', not {family.name!r}; a cubic spline is cs(x, df=4)."
        )
    inside, outside = (dict.fromkeys(signed_terms(text)) for text in (formula.by_step, formula.fixed))
    if twice := [piece for sign, piece in inside if piece != "1" and (sign, piece) in outside]:
        raise FormulaError(
            f"{twice[0]} stands inside cs() and outside of it: its effect on all steps is part of those on each. Write "
            "it once."
        )


def by_steps(formula: Formula, names: Sequence[str]) -> Formula:
    """Give each step between ordered categories the terms of ``cs()``.

    Parameters
    ----------
    formula
        The formula as parsed.
    names
        Names of what the steps' linear predictors have beside the common one.

    Returns
    -------
    Formula
        With a part for each name.
    """
    part = ParameterFormula("", f"~ {formula.by_step}", formula.by_step, stated=False, implied=True)
    return replace(formula, by_step="", parameters=tuple(replace(part, name=name) for name in names))
