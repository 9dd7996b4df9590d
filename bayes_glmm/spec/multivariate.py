"""Several responses in one model, as the user states them: a `ModelSpec` for each, and what they share.

Input: formulas, families and links of the responses, in lists, in dictionaries by response, or in brms's notation
(``mvbind(y1, y2) ~ x``, ``bf(y1 ~ x) + bf(y2 ~ z) + set_rescor(TRUE)``). Output: a `MultivariateSpec`. No data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import FormulaError, GLMMError, PriorError, nearest
from bayes_glmm.priors import Prior
from bayes_glmm.spec.formula import parse_formula
from bayes_glmm.spec.model_spec import ModelSpec, related_factors
from bayes_glmm.spec.names import spell_dots
from bayes_glmm.spec.response import read_response
from bayes_glmm.spec.scan import collapse_blanks, signed_terms, split

__all__ = ["RESIDUAL", "MultivariateSpec", "has_several", "response_names"]

#: What the prior of the residual correlations is called, and their matrix in a posterior.
RESIDUAL = "residual_corr"

_CALLS = re.compile(r"^(bf|brmsformula|set_rescor)\s*\((.*)\)$", re.DOTALL)
_SEVERAL = re.compile(r"^\s*(mvbind\s*\(|(bf|brmsformula)\s*\()", re.DOTALL)


def has_several(formula: Any) -> bool:
    """Say whether a formula, as the user gave it, is of several responses: a list, or one of brms's notations."""
    return isinstance(formula, list | tuple) or (isinstance(formula, str) and bool(_SEVERAL.match(formula)))


@dataclass(frozen=True)
class MultivariateSpec:
    """A model of several responses as the user states it.

    Parameters
    ----------
    names
        What the responses are called: the beginning of their coefficients' names.
    parts
        What is stated of each response.
    residual_correlation
        Whether the residuals of the Gaussian responses are correlated.
    priors
        Pairs of a key and a `Prior`, of correlations across responses: ``"corr"``, ``"corr[g]"``, ``"residual_corr"``.
    """

    names: tuple[str, ...]
    parts: tuple[ModelSpec, ...]
    residual_correlation: bool = False
    priors: tuple[tuple[str, Prior], ...] = ()

    @property
    def correlated(self) -> tuple[int, ...]:
        """The responses whose residuals are correlated; none without `residual_correlation`."""
        return tuple(r for r, part in enumerate(self.parts) if self.residual_correlation and _is_normal(part))

    @property
    def variables(self) -> tuple[str, ...]:
        """Every column that a formula reads, once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.formula.variables))

    @property
    def formula_text(self) -> str:
        """The formulas, one a line."""
        return "\n".join(part.formula.text for part in self.parts)

    @classmethod
    def build(
        cls,
        formulas: Any,
        families: Any = "gaussian",
        links: Any = None,
        priors: Mapping[str, Any] | None = None,
        center: bool = True,
        missing: str = "drop",
        columns: Sequence[str] = (),
        covariances: Mapping[str, Any] | None = None,
        residual_correlation: bool = False,
    ) -> MultivariateSpec:
        """Check the parts of a model of several responses together.

        Parameters
        ----------
        formulas
            A list of formulas, or text in brms's notation.
        families, links
            One for all responses, a list in the order of the formulas, or a dictionary by response.
        priors
            Priors by response, ``{"y1": {"sigma": ...}}``, and of correlations, ``{"corr[g]": ...}``.
        center, missing, columns
            As of `ModelSpec.build`.
        covariances
            Of any response's grouping factors.
        residual_correlation
            Whether residuals of Gaussian responses are correlated.

        Returns
        -------
        MultivariateSpec
            The checked model.

        Raises
        ------
        FormulaError
            If a formula cannot be read, there are fewer than two, or an id is that of two grouping factors.
        GLMMError
            If families or links do not fit the formulas, or nothing could have correlated residuals.
        PriorError
            If a prior is of no response and of no correlation.

        Examples
        --------
        >>> spec = MultivariateSpec.build(["y ~ x + (1 |p| g)", "n ~ x + (1 |p| g)"], ["gaussian", "poisson"])
        >>> spec.names, spec.parts[1].link.name
        (('y', 'n'), 'log')
        """
        if missing == "predict":
            raise GLMMError(
                "missing='predict' is for one response. Among several a row counts for the responses it has; predict "
                "the others with bg.predictions(fit['<response>'], rows)."
            )
        texts, stated = read_formulas(formulas)
        residual_correlation = _rescor(residual_correlation, stated.pop("set_rescor", None))
        if stated and families != "gaussian":
            raise GLMMError("bf(..., family = ...) and families= both state families; state them once.")
        names = response_names(texts)
        parsed = [parse_formula(text, columns) for text in _without_other_responses(texts, columns)]
        related = related_factors(covariances, [bar for formula in parsed for bar in formula.all_bars])
        own, shared = _split_priors(priors, names)
        chosen, linked = _each(stated or families, names, "families"), _each(links, names, "link")
        parts = []
        for name, formula, family, link in zip(names, parsed, chosen, linked, strict=True):
            factors = {bar.name for bar in formula.all_bars}
            known = {key: value for key, value in related if key in factors}
            try:
                part = ModelSpec.build(formula, family, link, own[name], center, missing, covariances=known or None)
            except GLMMError as error:
                raise type(error)(f"{name}: {error}") from None
            _check_part(name, part)
            parts.append(part)
        _check_ids(parts, names)
        spec = cls(names, tuple(parts), residual_correlation, shared)
        _check_residuals(spec)
        return spec

    def to_json(self) -> str:
        """Write the specification as JSON, which `from_json` reads."""
        return json.dumps(
            {
                "responses": [json.loads(part.to_json()) for part in self.parts],
                "residual_correlation": self.residual_correlation,
                "correlations": [[key, prior.to_dict()] for key, prior in self.priors],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> MultivariateSpec:
        """Read what `to_json` wrote; formulas are parsed and checked again.

        Raises
        ------
        GLMMError
            If it is no such specification.
        """
        try:
            content = json.loads(text)
            parts = tuple(ModelSpec.from_json(json.dumps(part)) for part in content["responses"])
            priors = tuple((str(key), Prior.from_dict(value)) for key, value in content["correlations"])
            residual = bool(content["residual_correlation"])
        except (TypeError, KeyError, ValueError) as error:
            raise GLMMError(f"This is not the JSON of a model of several responses: {error}.") from None
        names = response_names([part.formula.text for part in parts])
        _check_ids(parts, names)
        spec = cls(names, parts, residual, priors)
        _check_residuals(spec)
        return spec


def _check_part(name: str, part: ModelSpec) -> None:
    """Refuse what a response among several cannot have."""
    if part.family.support in ("ordered", "unordered"):
        raise GLMMError(f"{name}: categories are not available among several responses. Fit {name} by itself.")
    if kinds := [bar.kind for bar in part.formula.all_bars if bar.kind]:
        raise GLMMError(
            f"{name}: effects correlated in time or space, {kinds[0]}(), are not available among several responses. "
            f"Fit {name} by itself."
        )


# formulas -----------------------------------------------------------------------------------------------------------


def read_formulas(formulas: Any) -> tuple[list[str], dict[str, Any]]:
    """Return one text a response, and what brms's notation states beside them: families by response, ``set_rescor``."""
    if isinstance(formulas, str):
        return _read_brms(collapse_blanks(formulas))
    texts = list(formulas)
    for text in texts:
        if not isinstance(text, str):
            raise FormulaError(f"Formulas of several responses are texts, ['y1 ~ x', 'y2 ~ x'], not {in_words(text)}.")
    if len(texts) < 2:
        raise FormulaError(
            f"A list of formulas is a model of several responses; this one has {len(texts)}. Give one response's "
            "formula as text, 'y ~ x'."
        )
    return texts, {}


def _read_brms(text: str) -> tuple[list[str], dict[str, Any]]:
    if text.startswith("mvbind"):
        return read_formulas(_bound(text))
    texts: list[str] = []
    stated: dict[str, Any] = {}
    for sign, piece in signed_terms(text):
        call = _CALLS.match(piece)
        if call is None or sign == "-":
            raise FormulaError(f"In bf(...) + bf(...) + set_rescor(TRUE) there is no {piece!r}.")
        arguments = [argument.strip() for argument in split(call[2], ",")]
        if call[1] == "set_rescor":
            stated["set_rescor"] = _flag(arguments)
            continue
        own = _bound(arguments[0])
        texts += own
        for argument in arguments[1:]:
            key, _, value = argument.partition("=")
            if key.strip() != "family":
                raise FormulaError(
                    f"{piece!r}: formulas of further parameters are not available for several responses; leave "
                    f"{argument!r} out."
                )
            stated |= {response_name(text): re.sub(r"\(\s*\)$", "", value.strip().strip("\"'")) for text in own}
    if len(texts) < 2:
        raise FormulaError(f"{text!r} has one response: write its formula, {texts[0] if texts else 'y ~ x'!r}.")
    return texts, stated


def _bound(text: str) -> list[str]:
    """Write ``mvbind(y1, y2) ~ terms`` as a formula for each response; another formula as it is."""
    if not text.startswith("mvbind"):
        return [text]
    left, *right = split(text, "~")
    inside = left.strip()[len("mvbind") :].strip()[1:-1]
    if len(right) != 1 or not left.strip().endswith(")"):
        raise FormulaError(f"Write mvbind(y1, y2) ~ terms, not {text!r}.")
    return [f"{response.strip()} ~ {right[0].strip()}" for response in split(inside, ",")]


def _flag(arguments: list[str]) -> bool:
    value = {"TRUE": True, "FALSE": False, "rescor = TRUE": True, "rescor = FALSE": False, "": True}
    if len(arguments) != 1 or arguments[0] not in value:
        raise FormulaError(f"Write set_rescor(TRUE) or set_rescor(FALSE), not set_rescor({', '.join(arguments)}).")
    return value[arguments[0]]


def _rescor(argument: Any, stated: bool | None) -> bool:
    if not isinstance(argument, bool):
        raise GLMMError(f"residual_correlation must be True or False, not {argument!r}.")
    if argument and stated is False:
        raise GLMMError("The formula says set_rescor(FALSE), and residual_correlation=True; state one.")
    return argument or bool(stated)


def response_name(text: str) -> str:
    """Name the response of a formula: what is modelled, letters, digits and underscores of it."""
    left = split(text, "~")[0].strip()
    name = re.sub(r"\W+", "", read_response(left).name)
    return name if name and not name[0].isdigit() else f"y{name}"


def response_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Name the responses of several formulas.

    Raises
    ------
    FormulaError
        If two have one name.
    """
    names = tuple(response_name(text) for text in texts)
    if twice := [name for name in names if names.count(name) > 1]:
        raise FormulaError(f"Two formulas have the response {twice[0]!r}; each response has one formula.")
    if RESIDUAL in names:
        raise FormulaError(f"A response cannot be called {RESIDUAL!r}; rename the column.")
    return names


def _without_other_responses(texts: list[str], columns: Sequence[str]) -> list[str]:
    """Write dots out: all columns that are neither a response nor a grouping factor."""
    taken = {name for text in texts for name in read_response(split(text, "~")[0].strip()).variables}
    others = [name for name in columns if name not in taken]
    return [spell_dots(text, others) for text in texts]


def _check_ids(parts: Sequence[ModelSpec], names: Sequence[str]) -> None:
    """Refuse an id that responses use for different grouping factors."""
    seen: dict[str, tuple[str, frozenset[str], str]] = {}
    for part, response in zip(parts, names, strict=True):
        for bar in part.formula.all_bars:
            if not bar.together:
                continue
            before = seen.setdefault(bar.together, (response, frozenset(bar.group), bar.name))
            if before[1] != frozenset(bar.group):
                raise FormulaError(
                    f"The id {bar.together!r} is that of {before[2]!r} for {before[0]} and of {bar.name!r} for "
                    f"{response}; terms of one id have one grouping factor."
                )


# what responses have each -------------------------------------------------------------------------------------------


def _each(value: Any, names: tuple[str, ...], argument: str) -> list[Any]:
    """Return one value a response: one for all, a list in their order, or a dictionary by response."""
    if isinstance(value, Mapping):
        for key in value:
            if key not in names:
                raise GLMMError(f"{argument}: there is no response {key!r}. {nearest(str(key), names)}")
        default = "gaussian" if argument == "families" else None
        return [value.get(name, default) for name in names]
    if isinstance(value, list | tuple):
        if len(value) != len(names):
            raise GLMMError(f"{argument} has {len(value)} entries, and there are {len(names)} responses.")
        return list(value)
    return [value] * len(names)


def _split_priors(
    priors: Any, names: tuple[str, ...]
) -> tuple[dict[str, dict[str, Any]], tuple[tuple[str, Prior], ...]]:
    """Take the priors of each response apart from those of correlations."""
    own: dict[str, dict[str, Any]] = {name: {} for name in names}
    shared: dict[str, Prior] = {}
    if priors is not None and not isinstance(priors, Mapping):
        raise PriorError(f"priors must be a dict such as {{'y1': {{'sigma': 'HalfNormal(1)'}}}}, not {priors!r}.")
    for key, value in (priors or {}).items():
        if isinstance(value, Mapping):
            if key not in names:
                raise PriorError(f"priors: there is no response {key!r}. {nearest(str(key), names)}")
            if inner := next((one for one in value if str(one).startswith("corr")), None):
                raise PriorError(
                    f"priors[{key!r}] has {inner!r}: correlations are those of all responses; state {inner!r} beside "
                    "the responses."
                )
            own[key] |= value
        elif isinstance(key, str) and (key in ("corr", RESIDUAL) or key.startswith("corr[")):
            prior = Prior.from_text(value) if isinstance(value, str) else value
            if not isinstance(prior, Prior) or prior.support != "correlation":
                raise PriorError(f"priors[{key!r}] is of correlations: LKJ(eta), not {value}.")
            shared[key] = prior
        else:
            example = {names[0]: {str(key): str(value)}}
            raise PriorError(
                f"priors names {key!r}, and there are several responses: say whose it is, priors={example}. Priors of "
                f"correlations across responses are 'corr', 'corr[<group>]' and '{RESIDUAL}'."
            )
    return own, tuple(shared.items())


def _is_normal(part: ModelSpec) -> bool:
    return part.family.kernel == "gaussian" and part.family.of is None and part.link.name == "identity"


def _check_residuals(spec: MultivariateSpec) -> None:
    """Refuse correlated residuals where fewer than two responses could have them, and of weighted rows."""
    if not spec.residual_correlation:
        if any(key == RESIDUAL for key, _ in spec.priors):
            raise PriorError(f"priors[{RESIDUAL!r}]: residuals are correlated under residual_correlation=True only.")
        return
    if len(spec.correlated) < 2:
        raise GLMMError(
            "residual_correlation=True is for Gaussian responses with the identity link, of which this model has "
            f"{len(spec.correlated)}. Other responses have no residual; (1 |p| row), with a level for each row, "
            "correlates them."
        )
    for r in spec.correlated:
        response = spec.parts[r].formula.response
        if response.weights is not None or response.precision is not None or response.known:
            raise GLMMError(
                f"{spec.names[r]}: rows with weights, precisions or known errors have no correlated residuals. Leave "
                "the weights out, or set residual_correlation=False."
            )
