"""What the numbers of a result are, in words that figures put on their axes. Input: a `Fit`. Output: text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit


def result_words(fit: Fit, scale: str = "response") -> dict[str, Any]:
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
    elif scale in ("link", "mu"):
        predicted = _linear_predictor(fit, name)
    else:
        predicted = f"{scale} of {name}"
    return {"response": name, "predicted": predicted, "groups": [term.name for term in design.groups]}


def coefficient_unit(fit: Fit) -> str:
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


def _mean(name: str, support: str) -> str:
    if support == "ordered":
        return f"probability of each category of {name}"
    return f"probability of {name}" if support in ("binary", "trials") else f"expected {name}"


def _linear_predictor(fit: Fit, name: str) -> str:
    family, link = fit.model.spec.family, fit.model.spec.link.name
    if family.support == "ordered":
        return f"linear predictor of {name} ({link})"
    if family.response_transform is not None:  # lognormal
        return f"expected log of {name}"
    mean = _mean(name, family.support)
    if link == "logit":
        return f"log odds of {name if family.support in ('binary', 'trials') else mean}"
    return mean if link == "identity" else f"{'square root' if link == 'sqrt' else link} of {mean}"
