"""Names of variables in models and posteriors, so that no column of the user's data can collide with a parameter."""

from __future__ import annotations

from collections.abc import Iterable

from bayes_glmm.design.design import Design
from bayes_glmm.families import Family


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
    reserved = {*taken, *(term.dim for term in design.groups), "obs", "coef", "chain", "draw"}
    return "response" if "/" in name or name in reserved else name


def reported_names(design: Design, family: Family) -> list[str]:
    """List the parameters a fit reports, in the order people read them.

    Parameters
    ----------
    design
        The design: coefficients and grouping factors.
    family
        The family: auxiliary parameters.

    Returns
    -------
    list of str
        ``beta``, then per group ``b_<group>``, ``sd_<group>`` and ``corr_<group>``, then the auxiliary parameters.
        ArviZ labels elements rightly only where ``b_<group>`` comes before the variables that share its last dimension.
    """
    names = ["beta"] if design.coefs else []
    for term in design.groups:
        names.append(f"b_{term.name}")
        names.append(f"sd_{term.name}")
        names += [f"corr_{term.name}"] if any(len(block) > 1 for block in term.blocks) else []
    return names + [row.name for row in family.parameters]
