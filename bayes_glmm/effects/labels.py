"""What figures and tables say: the attributes of results as words for axes, legends, titles and headings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_FOR_WHOM = {
    "conditional": "conditional (each row's own {})",
    "typical": "typical {}",
    "marginal": "marginal (averaged over {})",
    "new": "new {}",
}
#: Where factors differ in it.
_OF_SOME = {
    "conditional": "each row's own {}",
    "typical": "typical {}",
    "marginal": "averaged over {}",
    "new": "new {}",
}
_OF_RESPONSE = {"odds_ratio": "odds ratio", "log_odds_ratio": "log odds ratio"}
_OF_PREDICTION = {
    "difference": "difference in {}",
    "lift": "relative difference in {}",
    "ratio": "ratio of {}",
    "log_ratio": "log ratio of {}",
}


def prediction_label(attrs: Mapping[str, Any]) -> str:
    """Say what predictions are, for their axis.

    Parameters
    ----------
    attrs
        Attributes of a table of predictions.

    Returns
    -------
    str
        ``"Probability of incidence"``, ``"Expected Reaction"``; ``"Prediction"`` where the table does not say.
    """
    return _capital(str(attrs.get("predicted", "prediction")))


def effect_label(attrs: Mapping[str, Any], kind: str, term: str = "") -> str:
    """Say what effects are, for their axis.

    Parameters
    ----------
    attrs
        Attributes of a table of comparisons or slopes.
    kind
        The comparison; ``"slope"`` for slopes.
    term
        The variable, which slopes name.

    Returns
    -------
    str
        ``"Odds ratio of incidence"``, ``"Difference in expected y"``, ``"Slope of Reaction in Days"``.
    """
    response, predicted = attrs.get("response"), attrs.get("predicted")
    if kind == "slope":
        of = "" if predicted is None else f" of {str(predicted).removeprefix('expected ')}"
        return f"Slope{of}{f' in {term}' if term else ''}"
    if kind in _OF_RESPONSE:
        return _capital(_OF_RESPONSE[kind] + ("" if response is None else f" of {response}"))
    template = _OF_PREDICTION.get(kind, f"{kind} of {{}}")
    if predicted is None:
        return _capital(template.removesuffix(" of {}").removesuffix(" in {}"))
    several = "ratio" in kind and str(predicted).startswith("probability")
    words = str(predicted).replace("probability", "probabilities", 1) if several else str(predicted)
    return _capital(template.format(words))


def interval_words(tables: Iterable[Mapping[str, Any]], shape: str = "interval") -> str:
    """Say what points and bars, or lines and bands, are.

    Parameters
    ----------
    tables
        Attributes of the tables drawn.
    shape
        ``"interval"`` or ``"band"``.

    Returns
    -------
    str
        ``"mean and 89% interval"``; empty where tables do not say or do not agree.
    """
    probs = {attrs.get("ci_prob") for attrs in tables}
    prob = probs.pop() if len(probs) == 1 else None
    return "" if prob is None else f"mean and {prob:.0%} {shape}"


def for_whom(attrs: Mapping[str, Any]) -> str:
    """Say for whom predictions hold.

    Parameters
    ----------
    attrs
        Attributes of a table of predictions.

    Returns
    -------
    str
        ``"typical herd"``, ``"marginal (averaged over herd)"``, ``"each row's own Site, averaged over Site:Year"``;
        empty for models without groups.
    """
    kind, groups = attrs.get("random_effects"), attrs.get("groups")
    if kind is None or (groups is not None and len(groups) == 0):
        return ""
    if isinstance(kind, Mapping):
        of = {meaning: [name for name, own in kind.items() if own == meaning] for meaning in _OF_SOME}
        return ", ".join(_OF_SOME[meaning].format(" and ".join(names)) for meaning, names in of.items() if names)
    if not groups or kind not in _FOR_WHOM:
        return str(kind)
    return _FOR_WHOM[kind].format(" and ".join(map(str, groups)))


def heading(attrs: Mapping[str, Any]) -> str:
    """Say what a table of predictions, comparisons or slopes holds, for the line above it.

    Parameters
    ----------
    attrs
        Its attributes.

    Returns
    -------
    str
        ``"Difference in probability of incidence, marginal (averaged over herd), average over rows; mean and 89%
        equal-tailed interval."``
    """
    kind = attrs.get("quantity")
    what = prediction_label(attrs) if kind == "prediction" else effect_label(attrs, attrs.get("comparison", "slope"))
    averaged = "" if "by" not in attrs else "average over rows"
    if averaged and attrs.get("weights") is not None:
        averaged += f" weighted by {attrs['weights']}"
    words = ", ".join(filter(None, (what, for_whom(attrs), averaged)))
    notes = []
    if attrs.get("dropped_rows"):
        notes.append(f"{attrs['dropped_rows']:,} rows with missing values are left out.")
    notes += [f"Your column {old} is called {new}." for old, new in attrs.get("renamed_columns", {}).items()]
    return " ".join([f"{words}; {moments_words(attrs)}.", *notes])


def moments_words(attrs: Mapping[str, Any]) -> str:
    """Say what estimates and intervals of a table are.

    Parameters
    ----------
    attrs
        Its attributes.

    Returns
    -------
    str
        ``"mean and 89% equal-tailed interval"``.
    """
    return f"mean and {attrs['ci_prob']:.0%} {attrs['interval']} interval"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
