"""The family and link that a text names: this package's names, and those of R, brms, glmmTMB and Bambi.

Input: a name such as ``"poisson"``, ``"Gamma(link = 'log')"`` or ``"cumulative(probit)"``, and a link's name. Output:
the entries of the tables. What other packages have and this one has not is listed with what to use in its place.
"""

from __future__ import annotations

import re

from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.families import FAMILIES, Family
from bayes_glmm.links import LINKS, Link

__all__ = ["read_family"]

_CALL = re.compile(r"(?:\w+::)?([\w. ]+?)\s*(?:\(\s*(?:link\s*=\s*)?[\"']?([\w./^]*)[\"']?\s*\))?")

_SURVIVAL = (
    "times until an event. Use family='weibull', 'gamma' or 'lognormal' with Surv(time, event), or "
    "family='bernoulli' with link='cloglog' on a row for each subject and period models hazards"
)
_NO_ZEROS = (
    "counts above zero. family='hurdle_poisson' and 'hurdle_negativebinomial' are such counts with zeros set apart; "
    "without zeros in the data, too, only their probability of zero, hu, is then about nothing"
)
_SHARES = (
    "counts or shares of several categories. Counts have family='categorical', with a row for each single response; "
    "shares that add up to one have nothing"
)
_ORDERED = "ordered categories beside zeros; family='cumulative' and 'sratio' take zero as the lowest category"
_QUASI = "variances without a distribution, so there is no posterior; counts that vary more have 'negativebinomial'"
_SPREAD = (
    "counts that do not vary as Poisson ones do; family='negativebinomial' has the variance mu + mu**2 / phi, "
    "'negativebinomial1' mu * (1 + phi), 'generalizedpoisson' phi * mu"
)
_EDGES = (
    "proportions that may be 0 or 1; family='zero_inflated_beta' takes zeros, 'zero_one_inflated_beta' and 'ordbeta' "
    "both"
)
_SKEWED = (
    "skewed responses. Use family='lognormal', 'gamma', 'inversegaussian' or 'weibull' above zero, 'skewnormal' or "
    "'exgaussian' elsewhere"
)

#: What other packages call families that are not available, and what each is.
_ELSEWHERE = {
    **dict.fromkeys(
        ("truncated_poisson", "truncated_nbinom1", "truncated_nbinom2", "truncated_genpois", "truncated_compois"),
        _NO_ZEROS,
    ),
    "ziplss": "zeros with a linear predictor of their own; family='zero_inflated_poisson' has one probability of them",
    **dict.fromkeys(("xbeta", "xbetax"), _EDGES),
    **dict.fromkeys(
        ("frechet", "gen_extreme_value", "gumbel", "cox", "coxph", "survival", "surv"),
        _SURVIVAL,
    ),
    **dict.fromkeys(("multinomial", "dirichlet", "dirichlet_multinomial", "logistic_normal"), _SHARES),
    "hurdle_cumulative": _ORDERED,
    **dict.fromkeys(("quasi", "quasipoisson", "quasibinomial"), _QUASI),
    **dict.fromkeys(
        ("nbinom12", "compois", "com_poisson", "discrete_weibull", "bell"), _SPREAD
    ),
    **dict.fromkeys(("shifted_lognormal", "sinh_arcsinh"), _SKEWED),
    **dict.fromkeys(("asym_laplace", "asymmetric_laplace", "laplace"), "quantiles, which are no means"),
    "wiener": "choices together with their times",
    "mixture": "mixtures of distributions",
    "mvn": "several normal responses: bg.GLMM(['y1 ~ x', 'y2 ~ x'], data, residual_correlation=True)",
}  # fmt: skip

#: Other names of links, and what links are that are not available.
_LINKS = {
    "reciprocal": "inverse",
    "inverse_power": "inverse",
    "logistic": "logit",
    "square_root": "sqrt",
    "inverse_squared": "1/mu^2",
}
_NO_LINKS = {
    "probit_approx": "an approximation of the probit: use link='probit'",
    "squareplus": "a log that is straight for large values: use link='softplus'",
    "softmax": "that of categories without an order, family='categorical', where it is called logit",
    "logm1": "that of parameters above one",
    "tan_2": "that of angles, here link='tan_half'",
}


def read_family(family: str | Family, link: str | Link | None) -> tuple[Family, Link]:
    """Find a family and a link.

    Parameters
    ----------
    family
        A family, its name here or elsewhere, or a call of its name with the link: ``"Gamma(log)"``.
    link
        A link or its name; None for the one within the family's text, or else the family's first.

    Returns
    -------
    family : Family
        The family.
    link : Link
        One of its links, or a link of the user's own.

    Raises
    ------
    GLMMError
        If there is no such family or link, the family has no such link, or two links are stated.

    Examples
    --------
    >>> family, link = read_family("cumulative('probit')", None)
    >>> family.name, link.name
    ('cumulative', 'probit')
    """
    if isinstance(family, Family):
        return family, _link(family, link)
    if not isinstance(family, str):
        raise GLMMError(f"family must be a name or a Family, not {type(family).__name__}. {nearest('', FAMILIES)}")
    match = _CALL.fullmatch(family.strip())
    if match is None:
        raise GLMMError(
            f"The family {family!r} must be a name, or a name and its link such as 'poisson(log)'. "
            f"{nearest(family.partition('(')[0], FAMILIES)}"
        )
    name, within = match[1], match[2] or None
    if within is not None and link is not None and within != (link.name if isinstance(link, Link) else link):
        raise GLMMError(f"family={family!r} and link={link!r} are two links; state one.")
    found = _family(name)
    return found, _link(found, within if link is None else link)


def _plain(name: str) -> str:
    """Write a name without capitals and what joins its words."""
    return re.sub(r"[\W_]", "", name.lower())


_NAMES = {_plain(name): family for family in FAMILIES.values() for name in (family.name, *family.aliases)}
_REASONS = {_plain(name): reason for name, reason in _ELSEWHERE.items()}


def _family(name: str) -> Family:
    plain = _plain(name)
    found = _NAMES.get(plain) or _NAMES.get(plain.removesuffix("family"))
    if found is not None:
        return found
    if plain in _REASONS:
        raise GLMMError(f"The family {name!r} is not available. It is for {_REASONS[plain]}.")
    raise GLMMError(f"There is no family {name!r}. {nearest(name, FAMILIES)}")


def _link(family: Family, link: str | Link | None) -> Link:
    if link is None:
        return LINKS[family.links[0]]
    if isinstance(link, Link) and link.name not in LINKS:
        return link
    if not isinstance(link, (str, Link)):
        raise GLMMError(f"link must be a name or a Link, not {type(link).__name__}. {nearest('', family.links)}")
    stated = link.name if isinstance(link, Link) else link.strip()
    name = _LINKS.get(stated.lower(), stated.lower())
    if name in _NO_LINKS:
        raise GLMMError(
            f"The link {stated!r} is not available: it is {_NO_LINKS[name]}. For {family.name}: "
            f"{', '.join(family.links)}."
        )
    if name not in LINKS:
        raise GLMMError(f"There is no link {stated!r}. For {family.name}: {nearest(name, family.links)}")
    if name not in family.links:
        raise GLMMError(f"The family {family.name!r} has no link {stated!r}. {nearest(name, family.links)}")
    return link if isinstance(link, Link) else LINKS[name]
