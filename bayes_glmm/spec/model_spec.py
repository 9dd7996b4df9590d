"""All that a user states about a model, checked together: formula, family, link, priors and two switches.

Input: text, names and `Prior` objects. Output: a `ModelSpec`, which JSON holds both ways. No data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import DataError, FormulaError, GLMMError, PriorError, listed, nearest
from bayes_glmm.families import FAMILIES, AuxiliaryParameter, Family
from bayes_glmm.families.choices import BEFORE, family_of_categories
from bayes_glmm.families.knowing import family_knowing
from bayes_glmm.families.steps import family_of_steps
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior
from bayes_glmm.spec.categories import by_category, by_steps, category_formulas, check_steps, refuse_links
from bayes_glmm.spec.family import read_family
from bayes_glmm.spec.formula import Bar, Formula, grouping_factors, parse_formula, with_parameters
from bayes_glmm.spec.monotonic import check_monotonic
from bayes_glmm.spec.parameters import LOCATION, Channel, check_parameters, parameter_links, split_links
from bayes_glmm.structures.adjacency import Adjacency, as_adjacency
from bayes_glmm.structures.dependence import SPACE
from bayes_glmm.structures.matrix import as_structure
from bayes_glmm.structures.structure import Structure

__all__ = ["ModelSpec", "related_factors"]

_MISSING = ("drop", "error", "predict")
_VERSION = 1


@dataclass(frozen=True)
class ModelSpec:
    """A model as the user states it.

    Parameters
    ----------
    formula
        The parsed formula.
    family
        The response distribution.
    link
        The link function, one of the family's.
    priors
        Pairs of a key and a `Prior`, in the order they were given.
    center
        Whether the intercept's prior is on the intercept at the predictors' means.
    missing
        ``"drop"`` rows with missing values, ``"error"``, or ``"predict"`` those whose response alone is missing.
    covariances
        Pairs of a grouping factor and how its levels are related. They are data: `to_json` leaves them out.
    links
        Pairs of a further parameter with a formula and its link.
    """

    formula: Formula
    family: Family
    link: Link
    priors: tuple[tuple[str, Prior], ...] = ()
    center: bool = True
    missing: str = "drop"
    covariances: tuple[tuple[str, Structure | Adjacency], ...] = ()
    links: tuple[tuple[str, Link], ...] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The further parameters that have a linear predictor of their own, in the family's order."""
        rows, links = {row.name: row for row in self.family.parameters}, dict(self.links)
        return tuple(Channel(rows[part.name], part, links[part.name]) for part in self.formula.parameters)

    @property
    def constants(self) -> tuple[AuxiliaryParameter, ...]:
        """The family's further parameters that are the same in every row."""
        varying = {part.name for part in self.formula.parameters}
        return tuple(row for row in self.family.parameters if row.name not in varying)

    @classmethod
    def build(
        cls,
        formula: str | Formula,
        family: str | Family = "gaussian",
        link: str | Link | Mapping[str, str | Link] | None = None,
        priors: Mapping[str, Prior | str] | None = None,
        center: bool = True,
        missing: str = "drop",
        columns: Iterable[str] = (),
        covariances: Mapping[str, Any] | None = None,
        dpar_formulas: Mapping[str, str] | None = None,
    ) -> ModelSpec:
        """Check a model's parts together.

        Parameters
        ----------
        formula
            Text in lme4's notation, or a parsed formula.
        family
            A family or its name.
        link
            A link or its name, or a dictionary of them by parameter; the family's first link when None.
        priors
            Priors, or their texts, by parameter: ``"Intercept"``, ``"beta[x]"``, ``"sd[g][x]"``, ``"corr[g]"``,
            ``"sigma"``, ...
        center
            Whether the intercept's prior is on the intercept at the predictors' means.
        missing
            ``"drop"`` or ``"error"``.
        columns
            Names of the data's columns, by which names that are no words are told from operators.
        covariances
            Pedigrees, phylogenies, matrices or neighbours by grouping factor.
        dpar_formulas
            Formulas of further parameters: ``{"sigma": "~ x + (1 | g)"}``. A parsed formula may have them already.

        Returns
        -------
        ModelSpec
            The checked model.

        Raises
        ------
        FormulaError
            If the formula cannot be read, or has trials or precisions where the family has none.
        GLMMError
            If the family or link is unknown, the link does not belong to the family, or a switch has no such value.
        PriorError
            If a prior is not a `Prior` or its key is given twice.
        DataError
            If a covariance is no matrix, or none of a grouping factor of one column.

        Examples
        --------
        >>> spec = ModelSpec.build("p(incidence, size) ~ period + (1 | herd)", family="binomial")
        >>> spec.link.name
        'logit'
        """
        names = tuple(columns)
        grouping = grouping_factors(dpar_formulas, names)
        parsed = formula if isinstance(formula, Formula) else parse_formula(formula, names, grouping=grouping)
        location, others = split_links(link)
        record, linked = read_family(family.of or family if isinstance(family, Family) else family, location)
        if not isinstance(center, bool):
            raise GLMMError(f"center must be True or False, not {center!r}.")
        if missing not in _MISSING:
            raise GLMMError(f"missing must be 'drop', 'error' or 'predict', not {missing!r}.")
        response = parsed.response.of_support(record.support)
        if response.trials is None and record.single is not None:
            record = FAMILIES[record.single]  # one trial a row, as R has it
            response = response.of_support(record.support)
        parsed = replace(parsed, response=response)
        _check_trials(parsed, record)
        record = family_knowing(record, response.knowing)
        _check_precision(parsed, record)
        if dpar_formulas is not None:
            _check_constant(dpar_formulas, record)
            parsed = with_parameters(parsed, _further_formulas(record, dpar_formulas), names)
        check_monotonic(parsed)
        if record.support == "unordered":
            refuse_links(others)
        links = parameter_links(record, tuple(part.name for part in parsed.parameters), others)
        related = related_factors(covariances, parsed.all_bars)
        check_steps(parsed, record)
        return cls(parsed, record, linked, _priors(priors), center, missing, related, links)

    def of_categories(self, labels: tuple[str, ...]) -> ModelSpec:
        """Complete the specification once the data have said which categories the response has.

        Parameters
        ----------
        labels
            Their labels, the reference first.

        Returns
        -------
        ModelSpec
            With a linear predictor for each category but the first, where categories have no order, and one for each
            step between ordered ones where the formula has ``cs()``; otherwise the same.

        Raises
        ------
        FormulaError
            If a formula is stated for a category that the response does not have.
        """
        ordered = self.family.support == "ordered" and bool(self.formula.by_step or self.family.categories)
        if self.family.categories == labels or not (ordered or self.family.support == "unordered"):
            return self
        family = (family_of_steps if ordered else family_of_categories)(self.family.of or self.family, labels)
        names = tuple(row.name for row in family.parameters if not row.ordered)
        formula, stated = self.formula, [part for part in self.formula.parameters if part.stated]
        if self.family.categories:  # those of other data
            formula = replace(parse_formula(formula.text), response=formula.response)
        formula = by_steps(formula, names) if ordered else by_category(formula, stated, names)
        check_monotonic(formula)
        return replace(self, family=family, formula=formula, links=parameter_links(family, names, {}))

    def to_json(self) -> str:
        """Write the specification as JSON.

        Returns
        -------
        str
            Text that `from_json` reads; the family and link by name, the formula as its text.
        """
        content = {
            "version": _VERSION,
            "formula": self.formula.text,
            "family": self.family.name,
            "link": self.link.name,
            "priors": [[key, prior.to_dict()] for key, prior in self.priors],
            "center": self.center,
            "missing": self.missing,
        }
        if stated := self.formula.stated:
            content["dpar_formulas"] = stated
        if stated and not self.family.categories:
            content["link"] = {LOCATION: self.link.name, **{name: link.name for name, link in self.links}}
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read what `to_json` wrote; the formula is parsed and checked again.

        Parameters
        ----------
        text
            JSON text.

        Returns
        -------
        ModelSpec
            Equal to the one written.

        Raises
        ------
        GLMMError
            If the text is no specification, or names a family, link or prior that this version does not know.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            version = content["version"]
            fields = {key: content[key] for key in ("formula", "family", "link", "center", "missing")}
            priors = [(str(key), value) for key, value in content["priors"]]
            fields["dpar_formulas"] = content.get("dpar_formulas")
        except (TypeError, KeyError, ValueError, RecursionError) as error:
            raise GLMMError(f"This is not the JSON of a model specification: {error}.") from None
        if version != _VERSION:
            raise GLMMError(f"The specification has version {version}; this package reads version {_VERSION}.")
        return cls.build(**fields, priors={key: Prior.from_dict(value) for key, value in priors})


def _further_formulas(family: Family, texts: Any) -> Mapping[str, str]:
    """Check whose formulas are stated, for categories as far as that is known without the data."""
    if family.support == "unordered":
        return category_formulas(BEFORE, texts)
    return check_parameters(family, texts)


def related_factors(
    covariances: Mapping[str, Any] | None, bars: Iterable[Bar]
) -> tuple[tuple[str, Structure | Adjacency], ...]:
    """Check which grouping factors have known covariances.

    Parameters
    ----------
    covariances
        What the user gave: pedigrees, phylogenies, matrices or maps by grouping factor.
    bars
        The model's group terms.

    Returns
    -------
    tuple
        Pairs of a factor and how its levels are related.

    Raises
    ------
    DataError
        If a covariance is no matrix, or none of a grouping factor of one column.
    """
    if covariances is None:
        return ()
    if not isinstance(covariances, Mapping):
        raise DataError(
            f"covariances must be a dict such as {{'animal': bg.Pedigree(...)}}, not {in_words(covariances)}."
        )
    bars = tuple(bars)
    names = list(dict.fromkeys(bar.name for bar in bars))
    for name in covariances:
        if name not in names:
            has = nearest(name, names) if names else f"Write (1 | {name}) in the formula."
            raise DataError(f"covariances: the model has no grouping factor {name!r}. {has}")
        if ":" in name:
            raise DataError(
                f"covariances[{name!r}]: only factors of one column have a known covariance. Make one column of the "
                "combination, and give the covariance of its levels."
            )
    maps = {bar.name for bar in bars if bar.kind in SPACE}
    return tuple(
        (name, as_adjacency(value, name) if name in maps or isinstance(value, Adjacency) else as_structure(value, name))
        for name, value in covariances.items()
    )


def _check_constant(dpar_formulas: Any, family: Family) -> None:
    """Refuse formulas of further parameters where rows are known in more than their response."""
    if not dpar_formulas or not family.known:
        return
    if "se" in family.known:
        raise FormulaError(
            "dpar_formulas are not available for responses of known standard error. Studies of several kinds, a column "
            "f, each with a heterogeneity of their own are (0 + f || study)."
        )
    if family.parameters:
        raise FormulaError(
            f"dpar_formulas are not available for {' and '.join(family.knowing)} responses: leave them out, and "
            f"{family.name!r} has the same {listed(row.name for row in family.parameters)} in all rows. Fits to parts "
            "of the rows show whether that holds."
        )


def _check_precision(formula: Formula, family: Family) -> None:
    response = formula.response
    if response.precision is None or family.at_precision is not None:
        return
    y, w = response.expression, response.precision
    advice = {
        "count": f"For counts of {w} units add offset(log({w})) on the right.",
        "binary": f"For successes in {w} trials use family='binomial' with p(successes, {w}).",
        "trials": "The numbers of trials of p(successes, trials) say how precise a proportion is.",
        "positive": f"Use family='gaussian' with precision(log({y}), {w}).",
    }.get(family.support, "Leave the weights out.")
    if "se" in response.knowing or "se+sigma" in response.knowing:
        raise FormulaError(f"precision({y}, {w}) and known standard errors both say how a row varies; choose one.")
    if family.of is not None:
        raise FormulaError(
            f"precision({y}, {w}) is not available for censored and truncated responses. For rows that stand for {w} "
            f"equal rows write weighted(..., {w}) around the whole response."
        )
    options = ", ".join(item.name for item in FAMILIES.values() if item.at_precision is not None)
    raise FormulaError(
        f"precision({y}, {w}) divides the variance of a response by {w}, which the family {family.name!r} does not "
        f"offer; those that do are {options}. {advice} For rows that stand for {w} equal rows "
        f"write weighted({y}, {w})."
    )


def _check_trials(formula: Formula, family: Family) -> None:
    response = formula.response
    if family.support == "trials" and response.trials is None:
        y = response.expression
        raise FormulaError(
            f"The family {family.name!r} is for successes out of trials: write p({y}, n) with the column, or the "
            "number, of trials. A single trial says nothing about how successes vary; for 0/1 use family='bernoulli'."
        )
    if family.support != "trials" and response.trials is not None:
        options = " or ".join(repr(item.name) for item in FAMILIES.values() if item.support == "trials")
        raise FormulaError(
            f"p({response.expression}, {response.trials}) gives trials, which the family {family.name!r} does not "
            f"have; use family={options}."
        )


def _priors(priors: Mapping[str, Prior | str] | None) -> tuple[tuple[str, Prior], ...]:
    if priors is None:
        return ()
    if not isinstance(priors, Mapping):
        raise PriorError(f"priors must be a dict such as {{'beta': Prior('Normal', mu=0, sigma=1)}}, not {priors!r}.")
    stated: dict[str, Prior] = {}
    for key, prior in priors.items():
        if not isinstance(key, str):
            raise PriorError(f"Keys of priors must be text such as 'beta[x]', not {key!r}.")
        if isinstance(prior, str):
            prior = Prior.from_text(prior)
        if not isinstance(prior, Prior):
            raise PriorError(
                f"The prior of {key!r} must be a Prior, such as Prior('Normal', mu=0, sigma=1), or its text, "
                f"'Normal(0, 1)', not {prior!r}."
            )
        name = _normal_key(key)
        if name in stated:
            raise PriorError(f"priors states {name!r} twice.")
        stated[name] = prior
    return tuple(stated.items())


def _normal_key(key: str) -> str:
    """Drop blanks at the ends and just inside and outside square brackets."""
    key = re.sub(r"\s*\[\s*", "[", key.strip())
    return re.sub(r"\s*\]", "]", key)
