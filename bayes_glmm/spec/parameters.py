"""Which parameters of a family have formulas of their own, and their links, as the user states them.

Input: the family, the texts of `dpar_formulas` and the links. Output: names checked, links found, or an error that says
what brms's and glmmTMB's names are called here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bayes_glmm.errors import FormulaError, GLMMError, nearest
from bayes_glmm.families import AuxiliaryParameter, Family
from bayes_glmm.links import LINKS, Link
from bayes_glmm.spec.formula import ParameterFormula

__all__ = ["LOCATION", "Channel", "check_parameters", "parameter_links", "split_links"]

#: What the parameter is called that the first formula is about.
LOCATION = "mu"

#: Other packages' names of formulas and parameters: those of dispersions, and those of zeros.
_SPREADS, _ZEROS = ("sigma", "phi", "shape"), ("zi", "hu")
_ELSEWHERE = {
    **dict.fromkeys(("disp", "dispformula", "dispersion", "alpha", "kappa", "sd", "scale", "theta"), _SPREADS),
    **dict.fromkeys(("ziformula", "hurdle", "zero", "psi", "pi", "hu", "zi"), _ZEROS),
}


@dataclass(frozen=True)
class Channel:
    """A parameter with a linear predictor of its own.

    Parameters
    ----------
    parameter
        The family's parameter.
    formula
        Its formula.
    link
        Link of the parameter, less its lower bound where it has one.
    """

    parameter: AuxiliaryParameter
    formula: ParameterFormula
    link: Link

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.parameter.name

    def inverse(self, eta: Any) -> Any:
        """Return the parameter at linear predictors, numpy, elementwise."""
        return self.link.inverse(eta) + (self.parameter.lower or 0.0)

    def graph_inverse(self, eta: Any) -> Any:
        """Return the parameter at linear predictors, tensors."""
        return self.link.graph_inverse(eta) + (self.parameter.lower or 0.0)

    def linked(self, value: Any) -> Any:
        """Return the linear predictor of a value of the parameter, numpy, elementwise."""
        return self.link.link(value - (self.parameter.lower or 0.0))


def check_parameters(family: Family, texts: Any) -> dict[str, str]:
    """Check which parameters formulas are stated for.

    Parameters
    ----------
    family
        The family.
    texts
        Parameter -> formula, as the user gave it; None for no formulas.

    Returns
    -------
    dict
        The formulas in the order of the family's parameters.

    Raises
    ------
    FormulaError
        If it is no dictionary, or the family has no such parameter.
    """
    if texts is None:
        return {}
    if not isinstance(texts, Mapping):
        raise FormulaError(f"dpar_formulas must be a dictionary such as {{'sigma': '~ x'}}, not {texts!r}.")
    valid = [row.name for row in family.parameters if not row.ordered]
    for name in texts:
        if name == LOCATION:
            raise FormulaError("The formula of mu is the model's first argument; dpar_formulas are further parameters.")
        if name not in valid:
            raise FormulaError(
                f"dpar_formulas: the family {family.name!r} has no parameter {name!r}. {_hint(name, valid)}"
            )
    return {name: texts[name] for name in valid if name in texts}


def _hint(name: Any, valid: list[str]) -> str:
    if not valid:
        return "All of its parameters are in the model's formula; zero_inflated_poisson, say, has 'zi'."
    meant = [other for other in _ELSEWHERE.get(str(name).lower(), ()) if other in valid]
    if meant:
        return f"Here it is called {meant[0]!r}: dpar_formulas={{{meant[0]!r}: '~ x'}}."
    return nearest(str(name), valid)


def split_links(link: Any) -> tuple[Any, dict[str, Any]]:
    """Take the links of further parameters apart from that of the mean.

    Parameters
    ----------
    link
        One link, or a dictionary of links by parameter, as the user gave it.

    Returns
    -------
    link : str, Link or None
        That of the mean.
    others : dict
        Those of further parameters.
    """
    if not isinstance(link, Mapping):
        return link, {}
    others = {str(name): value for name, value in link.items()}
    return others.pop(LOCATION, None), others


def parameter_links(family: Family, names: tuple[str, ...], links: Mapping[str, Any]) -> tuple[tuple[str, Link], ...]:
    """Find the links of the parameters that have formulas.

    Parameters
    ----------
    family
        The family.
    names
        Parameters with formulas.
    links
        Links, or their names, that the user stated.

    Returns
    -------
    tuple
        Pairs of a parameter and its link; the default is the log above a bound, the logit between two.

    Raises
    ------
    GLMMError
        If a link is stated for a parameter without a formula, or is none of the parameter's.
    """
    for name in links:
        if name not in names:
            having = ", ".join((LOCATION, *names))
            raise GLMMError(f"link: {name!r} has no formula, so it has no link. Parameters with one: {having}.")
    found = []
    for row in family.parameters:
        if row.name not in names:
            continue
        stated = links.get(row.name, row.links[0])
        name = stated.name if isinstance(stated, Link) else stated
        if name not in row.links:
            raise GLMMError(f"link: {row.name} has no link {name!r}. {nearest(str(name), row.links)}")
        found.append((row.name, LINKS[name]))
    return tuple(found)
