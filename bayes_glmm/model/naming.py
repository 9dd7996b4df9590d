"""Names of variables in models and posteriors, so that no column of the user's data can collide with a parameter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.model.prior_table import ParameterPrior

#: Priors without a density of their own.
FLAT = frozenset({"Flat", "HalfFlat"})
#: Ends the names of a model's variables that are stated at the data and reported for the predictors as they are.
AT_DATA = "_centered"
_POWER_NAMES = {2.0: "variance", -2.0: "precision", -0.5: "inv_sqrt"}


def observed_name(design: Design, taken: Iterable[str]) -> str:
    """Return the name of the observed variable: the response's own, or ``"response"`` where that cannot be.

    Parameters
    ----------
    design
        A design with its response.
    taken
        Names of the model's variables so far.

    Returns
    -------
    str
        A name without ``/`` (xarray forbids it) that is not in `taken`.
    """
    assert design.response is not None
    name = design.response.name
    reserved = {*taken, *(term.dim for term in design.groups), "obs", "coef", "threshold", "chain", "draw"}
    name = "response" if "/" in name or name in reserved else name
    return "response_" if name in reserved else name


def threshold_labels(categories: Sequence[str]) -> tuple[str, ...]:
    """Name the thresholds between categories.

    Parameters
    ----------
    categories
        Labels of the categories, lowest first.

    Returns
    -------
    tuple of str
        Such as ``("low|middle", "middle|high")``.
    """
    return tuple(f"{lower}|{upper}" for lower, upper in pairwise(categories))


def reported_names(design: Design) -> list[str]:
    """List the parameters a fit reports, in the order people read them.

    Parameters
    ----------
    design
        The design: coefficients and grouping factors.

    Returns
    -------
    list of str
        ``beta``, then per group ``b_<group>``, ``sd_<group>``, ``corr_<group>`` and ``rho_<group>`` or its like, then
        the parameters that are the same in every row. ArviZ labels elements rightly only where ``b_<group>`` comes
        before the variables that share its last dimension.
    """
    return [
        *coefficient_names(design.coefs, design.groups),
        *(row.name for row in design.spec.constants),
        *(one.name for one in design.monotonic),
    ]


def coefficient_names(coefs: Sequence[str], groups: Sequence[GroupTerm]) -> list[str]:
    """List ``beta`` and, for each grouping factor, its effects, sds and correlations, as `reported_names` does."""
    names = ["beta"] if coefs else []
    for term in groups:
        names.append(f"b_{term.name}")
        names.append(f"sd_{term.name}")
        names += [f"corr_{term.name}"] if any(len(block) > 1 for block in term.blocks) else []
        names += [own] if (own := dependence_name(term)) else []
    return names


def dependence_name(term: GroupTerm) -> str:
    """Name the parameter that says how strongly a factor's levels are correlated, ``"rho_herd:day"``; empty for none.

    Parameters
    ----------
    term
        The grouping factor.

    Returns
    -------
    str
        The name of its variable.
    """
    return "" if term.dependence is None else f"{term.dependence.name}_{term.name}"


def random_variable_name(name: str, row: ParameterPrior) -> str:
    """Return the name of the random variable behind a parameter: its own, or that of the power its prior is stated on.

    Parameters
    ----------
    name
        Name of the parameter's variable, e.g. ``"sd_herd"``.
    row
        Its prior.

    Returns
    -------
    str
        Such as ``"precision_sd_herd"``.
    """
    if is_truncated(row) and row.prior.name in FLAT:
        return f"{name}_above_bound"
    return name if row.power == 1.0 else f"{_POWER_NAMES[row.power]}_{name}"


def is_truncated(row: ParameterPrior) -> bool:
    """Whether the distribution reaches beyond a bound of the parameter and is cut there.

    Parameters
    ----------
    row
        The prior.

    Returns
    -------
    bool
        True for a normal prior on a sd, say.
    """
    above = row.upper is not None and row.prior.support in {"real", "positive"}
    return above or (
        row.lower is not None
        and (row.prior.support == "real" or (row.lower > 0 and row.prior.support in {"positive", "unit"}))
    )
