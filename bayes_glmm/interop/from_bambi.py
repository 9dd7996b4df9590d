"""A Bambi model as a model of this package: the same formula, data, family, link and priors, so the same posterior.

Input: a `bambi.Model`, built or not. Output: a `GLMM`, or one error that lists in words what has no equal. What was
translated is compared, number by number, with the arrays that Bambi made: response, trials, weights, offset, columns of
fixed and of group effects.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.errors import GLMMError, PriorError, nearest, warn
from bayes_glmm.glmm.model import GLMM
from bayes_glmm.interop.bambi_formula import data_of, formula_of
from bayes_glmm.interop.bambi_priors import NoEqualError, coefficient_prior, group_sd_prior, parameter_prior
from bayes_glmm.priors import Prior
from bayes_glmm.spec.family import read_family

__all__ = ["from_bambi"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer[Any]]

#: Bambi's classes of families -> the family here, and Bambi's names of its parameters.
_FAMILIES: dict[str, tuple[str, dict[str, str]]] = {
    "Gaussian": ("gaussian", {"sigma": "sigma"}),
    "StudentT": ("student", {"sigma": "sigma", "nu": "nu"}),
    "Bernoulli": ("bernoulli", {}),
    "Binomial": ("binomial", {}),
    "Poisson": ("poisson", {}),
    "NegativeBinomial": ("negativebinomial", {"alpha": "phi"}),
    "Gamma": ("gamma", {"alpha": "phi"}),
    "LogNormal": ("lognormal", {"sigma": "sigma"}),
    "Beta": ("beta", {"kappa": "phi"}),
    "Cumulative": ("cumulative", {"threshold": "thresholds"}),
}
_PRIORS = ("bambi", "default")
_RESPONSES = {"is_censored": "censored", "is_truncated": "truncated", "is_constrained": "constrained"}


def from_bambi(model: Any, priors: Literal["bambi", "default"] = "bambi") -> GLMM:
    """Translate a Bambi model.

    Parameters
    ----------
    model
        A `bambi.Model`, built, fitted or neither. It is read, not changed.
    priors
        ``"bambi"``: the priors the model has, Bambi's automatic ones included, as stated priors, so that the posterior
        is the same. ``"default"``: this package's defaults for every parameter, whatever the Bambi model states.

    Returns
    -------
    GLMM
        The same model. Parameters have this package's names: ``sd[g][x]`` for ``x|g_sigma``, ``phi`` for ``alpha`` of
        negative binomial and gamma responses and for ``kappa`` of beta ones. The intercept is that of the predictors as
        they are, its prior that of the intercept at their means, as in Bambi. Aliases are not carried over.

    Raises
    ------
    GLMMError
        If it is no Bambi model, or has something without an equal here: formulas of further parameters, HSGP terms,
        group effects that are not normal, censored or truncated responses, potentials, fixed parameters, families,
        links and prior distributions that this package does not have. All of them are named.

    Warns
    -----
    UserWarning
        If degrees of freedom may be below one in Bambi; here they are above.

    Notes
    -----
    Bambi's ``(x | g)`` is two sets of effects without a correlation, ``(x || g)`` here; for correlated effects, as lme4
    and brms have them, state the model anew with ``(x | g)``.

    Examples
    --------
    >>> import bambi as bmb
    >>> import bayes_glmm as bg
    >>> theirs = bmb.Model("p(incidence, size) ~ period + (1|herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> ours = bg.from_bambi(theirs)
    >>> ours.spec.formula.text
    'p(incidence, size) ~ 1 + period + (1 | herd)'
    >>> print(ours.prior_table.beta[0].prior)
    Normal(mu=0, sigma=1.5)
    """
    _check_is_bambi(model)
    if priors not in _PRIORS:
        raise GLMMError(f"There is no priors={priors!r}. {nearest(str(priors), _PRIORS)}")
    theirs, reasons = _read(model, priors == "bambi")
    if reasons:
        raise GLMMError("This Bambi model has no equal here:\n" + "\n".join(f"- {reason}." for reason in reasons))
    parent = model.parameters[model.family.likelihood.parent]
    arguments: dict[str, Any] = {
        "formula": formula_of(model, parent),
        "data": data_of(model, parent),
        "family": _FAMILIES[type(model.family).__name__][0],
        "link": model.family.link[model.family.likelihood.parent].name,
        "missing": "drop" if model.dropna else "error",
    }
    ours = GLMM(**arguments)
    keys = _matched(theirs, ours.design)
    _check_rows(model, parent, ours.design)
    if priors == "default":
        return ours
    _warn_of_nu(theirs)
    # Bambi centres where there is an intercept
    center = bool(model.center_predictors) and parent.intercept_term is not None
    stated = {key: column.prior for key, column in zip(keys, theirs, strict=True) if column.prior is not None}
    return GLMM(**arguments, priors=stated, center=center)


@dataclass(frozen=True)
class _Theirs:
    """A parameter of a Bambi model.

    Parameters
    ----------
    label
        What it belongs to, as Bambi writes it.
    column
        (rows,) what the coefficient or group effect multiplies; None for a parameter of the likelihood.
    levels
        (rows,) level of the grouping factor in each row; None where there is none.
    prior
        Its prior, or that of the sd of group effects; None where Bambi's are not taken over.
    key
        Its name in ``priors=`` where that does not hang on the data.
    """

    label: str
    column: Array | None = None
    levels: Codes | None = None
    prior: Prior | None = None
    key: str = ""


def _check_is_bambi(model: Any) -> None:
    bambi = sys.modules.get("bambi")
    if bambi is None or not isinstance(model, bambi.Model):
        what = type(model).__name__
        hint = "; give the model, not its draws: they hold no formula" if what in ("DataTree", "InferenceData") else ""
        raise GLMMError(f"from_bambi takes a bambi.Model, not a {what}{hint}.")


def _without_equal(model: Any) -> Iterator[str]:
    """Say what of a model's structure this package does not have."""
    family, location = model.family, model.family.likelihood.parent
    builtin = type(family).__module__.startswith("bambi.families.") and family.likelihood.dist is None
    if not builtin or type(family).__name__ == "Family":
        yield f"the family {family.name!r}, which is one of your own"
    else:
        try:
            name, _ = _FAMILIES.get(type(family).__name__, (family.name, {}))
            read_family(name, family.link[location].name)
            if type(family).__name__ not in _FAMILIES:
                yield f"the family {name!r}, which is not translated; state the model with bg.GLMM(family={name!r})"
        except GLMMError as error:
            yield str(error).removesuffix(".")
    for name in model.conditional_parameters:
        if name != location:
            yield f"a formula of {name}; here predictors are those of the location alone"
    for name in model.parameters[location].hsgp_terms:
        yield f"the Gaussian process {name}; a spline basis such as bs(x, df=5) is a smooth of fixed columns"
    for attribute, words in _RESPONSES.items():
        if getattr(model.response_term, attribute):
            yield f"the {words} response {model.response_term.name}"
    if model.potentials:
        yield "potentials"


def _read(model: Any, with_priors: bool) -> tuple[list[_Theirs], list[str]]:
    """Return the parameters of a model, and what of it has no equal."""
    reasons, found = list(_without_equal(model)), []

    def add(read: Callable[[], Prior], **fields: Any) -> None:
        try:
            found.append(_Theirs(prior=read() if with_priors else None, **fields))
        except (NoEqualError, PriorError) as error:
            reasons.extend([] if str(error).removesuffix(".") in reasons else [str(error).removesuffix(".")])

    parent = model.parameters[model.family.likelihood.parent]
    names = _FAMILIES.get(type(model.family).__name__, ("", {}))[1]
    for term in (*([parent.intercept_term] if parent.intercept_term else []), *parent.common_terms.values()):
        columns = np.column_stack([np.asarray(term.data, dtype=float)])
        for j, column in enumerate(columns.T):
            read = partial(coefficient_prior, term.prior, j, columns.shape[1], term.name)
            add(read, label=term.name, column=column)
    for term in parent.group_specific_terms.values():
        columns = np.column_stack([np.asarray(term.predictor, dtype=float)])
        for j, column in enumerate(columns.T):
            read = partial(group_sd_prior, term.prior, j, columns.shape[1], term.name)
            add(read, label=term.name, column=column, levels=term.group_index)
    for name, component in model.marginal_parameters.items():
        if name in names:
            add(partial(parameter_prior, component.prior, name), label=name, key=names[name])
    return found, reasons


def _matched(theirs: list[_Theirs], design: Design) -> list[str]:
    """Return the key of each parameter, found by the numbers it multiplies; no column of ours may be left over."""
    free: dict[str, tuple[Array, Codes | None]] = {}
    for name, column in zip(design.coefs, design.X.T, strict=True):
        free["Intercept" if name == "Intercept" else f"beta[{name}]"] = (column, None)
    for group in design.groups:
        for name, column in zip(group.coefs, group.Z.T, strict=True):
            free[f"sd[{group.name}][{name}]"] = (column, group.codes)
    text, keys = design.spec.formula.text, []
    for one in theirs:
        key = one.key or next((key for key, ours in free.items() if _is_same(one, *ours)), "")
        if not key:
            raise GLMMError(
                f"The columns of {one.label!r} are not the same in Bambi and here, where the model is {text!r}: their "
                "priors cannot be carried over."
            )
        free.pop(key, None)
        keys.append(key)
    if free:
        raise GLMMError(
            f"{', '.join(free)} of {text!r}: Bambi gives these terms fewer columns and has no such parameter."
        )
    return keys


def _is_same(theirs: _Theirs, column: Array, codes: Codes | None) -> bool:
    """Whether two columns are equal to rounding, and belong to the same levels."""
    if theirs.column is None or (theirs.levels is None) != (codes is None) or len(theirs.column) != len(column):
        return False
    if theirs.levels is not None and codes is not None:
        pairs = np.unique(np.stack([theirs.levels, codes]), axis=1)
        if any(len(np.unique(side)) != pairs.shape[1] for side in pairs):
            return False
    return np.allclose(theirs.column, column, rtol=1e-10, atol=1e-10 * (np.abs(column).max() or 1.0))


def _check_rows(model: Any, parent: Any, design: Design) -> None:
    """Check that response, trials, weights and offset are the same numbers."""
    response, data = model.response_term, np.asarray(model.response_term.data, dtype=float)
    assert design.response is not None
    second = data[:, 1] if data.ndim == 2 else None
    y = data if second is None else data[:, 0]
    weighted = bool(response.is_weighted)
    offset = sum((np.asarray(term.data, dtype=float).reshape(-1) for term in parent.offset_terms.values()), np.zeros(1))
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("response", design.response.y, y),
        ("trials", design.response.trials, None if weighted else second),
        ("weights", design.response.weights, second if weighted else None),
        ("offset", design.offset, np.broadcast_to(offset, design.offset.shape)),
    )
    for name, ours, theirs in pairs:
        same = (ours is None) == (theirs is None) and (ours is None or np.shape(ours) == np.shape(theirs))
        if not same or (ours is not None and not np.allclose(ours, theirs, rtol=1e-10, atol=1e-12)):
            raise GLMMError(
                f"The {name} of {design.spec.formula.text!r} is not what Bambi has: nothing was translated."
            )


def _warn_of_nu(theirs: list[_Theirs]) -> None:
    for one in theirs:
        if one.key == "nu" and one.prior is not None and not (one.prior.name == "Uniform" and one.prior["lower"] >= 1):
            warn(
                f"Degrees of freedom nu are above 1 here: of Bambi's prior {one.prior} what is below 1 is cut off.",
                UserWarning,
            )
