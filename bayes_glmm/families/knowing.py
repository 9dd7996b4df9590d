"""Combinators: families of responses of which more is known than their value.

Input: the record of a base family, and what is known of each row. Output: a record that differs in every facet this
enters; what is known of the rows are numbers that its functions find among the parameters, (rows,) each.

`with_known_error` takes the standard error of each response as known, alone or beside a residual sd.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from bayes_glmm.errors import FormulaError
from bayes_glmm.families.family import FAMILIES, Family, Parameters
from bayes_glmm.families.limited import limited
from bayes_glmm.families.tails import TAILS
from bayes_glmm.links import Link

#: What is known, and the families that may be combined with it.
OFFERED: dict[str, tuple[str, ...]] = {
    "se": ("gaussian", "student"),
    "se+sigma": ("gaussian", "student"),
    "censored": tuple(TAILS),
    "truncated": tuple(TAILS),
}


@functools.cache
def family_knowing(base: Family, knowing: tuple[str, ...]) -> Family:
    """Return a family of responses of which more is known.

    Parameters
    ----------
    base
        The family.
    knowing
        What is known, of the keys of `OFFERED`; the family itself where there is nothing.

    Returns
    -------
    Family
        Of the base's name; `Family.of` is the base.

    Raises
    ------
    FormulaError
        If the family cannot be combined with it.
    """
    if not knowing:
        return base
    for what in knowing:
        if FAMILIES.get(base.name) is not base or base.name not in OFFERED[what]:
            raise FormulaError(_not_offered(base, what))
    if set(knowing) <= {"censored", "truncated"}:
        return limited(base, knowing, family_knowing)
    if len(knowing) > 1:
        raise FormulaError(f"Responses cannot be both {' and '.join(_IN_WORDS[what] for what in knowing)}.")
    return with_known_error(base, residual=knowing[0] == "se+sigma")


_IN_WORDS = {
    "se": "of known standard error",
    "se+sigma": "of known standard error",
    "censored": "that are censored",
    "truncated": "that are truncated",
}
#: What to use for responses of other supports.
_RATES = (
    "Estimates of rates and probabilities are better modelled by their counts: p(events, n) with family='binomial', "
    "events with offset(log(time)) and family='poisson'."
)
_LIMITS = {
    "real": "family='gaussian' is for any number, 'lognormal' and 'gamma' for those above 0.",
    "count": "family='negativebinomial' has the variance; counts without zeros are truncated(y, lower=1).",
    "positive": "family='weibull', 'gamma' and 'lognormal' are for waiting times.",
    "nonnegative": "Amounts whose zeros are what was too small to be measured are censored(y, lower=limit) with "
    "family='lognormal' or 'gamma'.",
    "unit": "Shares of 0 and 1 have the families 'ordbeta' and 'zero_one_inflated_beta'.",
    "unit_zero": "Shares of 0 and 1 have the families 'ordbeta' and 'zero_one_inflated_beta'.",
    "ordered": "Categories that were not told apart can be made one.",
}


def _not_offered(base: Family, what: str) -> str:
    advice = _RATES if what.startswith("se") else _LIMITS.get(base.support, "")
    options = ", ".join(OFFERED[what])
    return f"Responses {_IN_WORDS[what]} have one of the families {options}, not {base.name!r}. {advice}".strip()


def with_known_error(base: Family, residual: bool) -> Family:
    """Take the standard error of each response as known.

    Parameters
    ----------
    base
        A family with a scale ``sigma``.
    residual
        Whether a residual sigma is estimated beside it.

    Returns
    -------
    Family
        The scale of a row is its ``se``, or the root of sigma^2 + se^2. Without a residual there is no sigma.
        `variance` takes 1 / se^2 in the place of trials.
    """

    def inside(parameters: Parameters, precision: Any = None) -> dict[str, Any]:
        rest = {name: value for name, value in parameters.items() if name != "se"}
        square = parameters["se"] ** 2 if precision is None else 1.0 / precision
        return {**rest, "sigma": (square + rest["sigma"] ** 2 if residual else square) ** 0.5}

    def variance(mu: Any, parameters: Parameters, precision: Any) -> Any:
        none = np.inf if precision is None and "se" not in parameters else precision
        return base.variance(mu, inside(parameters, none), None)

    def graph(eta: Any, link: Link, parameters: Parameters, trials: Any) -> tuple[Any, dict[str, Any]]:
        return base.graph(eta, link, inside(parameters), trials)

    return replace(
        base,
        parameters=tuple(row for row in base.parameters if residual or row.name != "sigma"),
        log_density=lambda y, mu, p, trials: base.log_density(y, mu, inside(p), trials),
        simulate=lambda rng, mu, p, trials: base.simulate(rng, mu, inside(p), trials),
        variance=variance,
        cdf=lambda y, mu, p, trials: base.cdf(y, mu, inside(p), trials),
        graph=graph,
        at_precision=None,
        kernel=f"{'wider' if residual else 'known'}_{base.kernel}",
        of=base,
        knowing=("se+sigma" if residual else "se",),
        remake=family_knowing,
        known=("se",),
    )
