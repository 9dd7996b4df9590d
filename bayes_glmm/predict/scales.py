"""The scales that predictions can be on. Input: a `Fit`, or its family. Output: names, or an error that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayes_glmm.errors import PredictionError
from bayes_glmm.families import Family

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

__all__ = ["check_one_predictor", "scales"]


def scales(fit: Fit) -> tuple[str, ...]:
    """List the scales a fit predicts on.

    Parameters
    ----------
    fit
        The fit.

    Returns
    -------
    tuple of str
        ``"response"``, ``"link"``, and the family's distributional parameters that are one number a row: ``"mu"`` and,
        say, ``"sigma"``.
    """
    family = fit.model.spec.family
    location = ("mu",) if family.probabilities is None else ()
    return ("response", "link", *location, *(row.name for row in family.parameters if not row.ordered))


def check_one_predictor(family: Family, averaged: bool) -> None:
    """Refuse the link scale where a row has no single linear predictor.

    Parameters
    ----------
    family
        The family.
    averaged
        Whether random effects are averaged over.

    Raises
    ------
    PredictionError
        If it is a family of categories without an order, or the average of ordered ones is asked for.
    """
    if family.support == "unordered":
        names = ", ".join(repr(row.name) for row in family.parameters)
        raise PredictionError(
            "scale='link': each category has a linear predictor of its own, its log odds against "
            f"{family.categories[0]!r}. Name one of them ({names}), or use scale='response'."
        )
    if family.probabilities is not None and averaged:
        raise PredictionError(
            "The average over random effects of ordered categories has no single linear predictor. Use scale="
            "'response' for the probabilities of the categories, or random_effects='conditional' or 'typical'."
        )
