"""What the numbers of a result are, in words that figures put on their axes. Input: a `Fit`. Output: text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from bayes_glmm.errors import GLMMError
from bayes_glmm.families.choices import BEFORE

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Model


class HasModel(Protocol):
    """What words need of a fit."""

    @property
    def model(self) -> Model:
        """The model that was fitted."""


def result_words(fit: HasModel, scale: str = "response") -> dict[str, Any]:
    """Say what a prediction on a scale is.

    Parameters
    ----------
    fit
        The fit.
    scale
        ``"response"``, ``"link"`` or the name of a distributional parameter.

    Returns
    -------
    dict
        For a result's ``attrs``: ``response`` (the response's name, with the level that counts as 1 where it is text),
        ``predicted`` (``"probability of incidence"``, ``"expected Reaction"``, ``"log odds of incidence"``) and
        ``groups`` (names of the grouping factors).
    """
    design, family = fit.model.design, fit.model.spec.family
    assert design.response is not None
    name, event = design.response.name, design.response.event
    name = name if event is None else f"{name} = {event}"
    if scale == "response" or (scale == "mu" and family.mean is None):
        predicted = _mean(name, family.support)
    elif scale == "mu" and family.response_transform is None:
        predicted = f"mu of {name}"
    elif scale in ("link", "mu"):
        predicted = _linear_predictor(fit, name)
    elif family.support == "unordered":
        predicted = f"log odds of {scale.removeprefix(BEFORE)} against {family.categories[0]} of {name}"
    else:
        predicted = f"{scale} of {name}"
    return {"response": name, "predicted": predicted, "groups": [term.name for term in design.groups]}


def coefficient_unit(fit: HasModel) -> str:
    """Say what coefficients are measured in.

    Parameters
    ----------
    fit
        The fit.

    Returns
    -------
    str
        ``"unit of Reaction"`` with the identity link, otherwise the linear predictor (``"log odds of incidence"``).
    """
    words = result_words(fit, "link")
    own_unit = fit.model.spec.link.name == "identity" and fit.model.spec.family.response_transform is None
    return f"unit of {words['response']}" if own_unit else str(words["predicted"])


def ratio_words(fit: HasModel) -> str:
    """Say what the exponentials of coefficients are.

    Parameters
    ----------
    fit
        The fit.

    Returns
    -------
    str
        ``"odds ratios of incidence"``, ``"ratios of expected visits"``; the intercept's is no ratio and named too.

    Raises
    ------
    GLMMError
        If coefficients are no logarithms of ratios.
    """
    family, link = fit.model.spec.family, fit.model.spec.link.name
    words = result_words(fit)
    name, ordered, categories = words["response"], family.support == "ordered", family.probabilities is not None
    if link == "logit" and family.mean is not None:
        return f"odds ratios of mu of {name}, the intercept odds"
    if link == "logit":
        ratios = f"odds ratios of {family.odds.replace('{y}', name) if categories else name}"
        return ratios if ordered else f"{ratios}, the intercept odds"
    if family.response_transform is not None:  # of a lognormal response the median is exp(eta)
        return f"ratios of the median of {name}, the intercept a median"
    if link == "log":
        return f"ratios of {words['predicted'] if family.mean is None else f'mu of {name}'}, the intercept no ratio"
    if link == "cloglog" and not ordered:
        return f"hazard ratios of {name}, the intercept a hazard"
    raise GLMMError(
        f"exponentiate=True: coefficients under the {link} link are no logarithms of ratios (those under logit, log "
        "and cloglog are). Leave it out, or ask for ratios of predictions: avg_comparisons(fit, variable, "
        "comparison='ratio')."
    )


def _mean(name: str, support: str) -> str:
    if support in ("ordered", "unordered"):
        return f"probability of each category of {name}"
    return f"probability of {name}" if support in ("binary", "trials") else f"expected {name}"


def _linear_predictor(fit: HasModel, name: str) -> str:
    family, link = fit.model.spec.family, fit.model.spec.link.name
    if family.support == "ordered":
        return f"linear predictor of {name} ({link})"
    if family.support == "unordered":
        return f"log odds of {family.odds.replace('{y}', name)}"
    if family.response_transform is not None:  # lognormal
        return f"expected log of {name}"
    mean = _mean(name, family.support) if family.mean is None else f"mu of {name}"
    if link == "logit" and family.mean is not None:
        return f"log odds, {mean}"
    if link == "logit":
        return f"log odds of {name if family.support in ('binary', 'trials') else mean}"
    return mean if link == "identity" else f"{'square root' if link == 'sqrt' else link} of {mean}"
