"""The priors of several responses as one table, and the residual correlations as partial correlations.

Input: the prior table of each response and their design. Output: a `PriorTable` whose parameters have the response's
name before them; from it, the table of one response.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import linalg

from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.errors import FormulaError, PriorError
from bayes_glmm.model.naming import coefficient_names
from bayes_glmm.model.prior_table import GroupPriors, ParameterPrior, PriorTable
from bayes_glmm.priors import Prior
from bayes_glmm.spec.multivariate import RESIDUAL, MultivariateSpec

__all__ = [
    "PARTIAL",
    "correlation_factor",
    "merged_priors",
    "own_priors",
    "parameter_name",
    "partial_names",
    "reported_by_all",
]

Array = npt.NDArray[np.float64]

#: Beginning of the names of the partial correlations, (1 + r) / 2 each, that the residual correlations are made of.
PARTIAL = "residual_partial"


def parameter_name(parameter: str, response: str) -> str:
    """Name a parameter of one response among several: ``"sigma_y1"``."""
    return f"{parameter}_{response}"


def partial_names(spec: MultivariateSpec) -> list[str]:
    """Name the partial correlations of the residuals, row by row of the strict lower triangle."""
    names = [spec.names[r] for r in spec.correlated]
    return [f"{PARTIAL}_{names[i]}_{names[j]}" for i in range(len(names)) for j in range(i)]


def reported_by_all(design: MultivariateDesign) -> list[str]:
    """List the parameters that a fit of several responses reports, in the order people read them."""
    spec = design.spec
    constants = [
        parameter_name(row.name, name)
        for name, part in zip(spec.names, spec.parts, strict=True)
        for row in part.constants
    ]
    residual = [RESIDUAL] if spec.correlated else []
    return [*coefficient_names(design.coefs, design.groups), *constants, *residual]


def merged_priors(design: MultivariateDesign, tables: tuple[PriorTable, ...]) -> PriorTable:
    """Put the prior tables of the responses together.

    Parameters
    ----------
    design
        The design of all responses.
    tables
        The prior table of each.

    Returns
    -------
    PriorTable
        Correlations across responses have the priors stated for them, by default LKJ(1). The residual correlations come
        last among the auxiliary parameters, as (1 + r) / 2 of partial correlations r with beta distributions: together
        an LKJ distribution.

    Raises
    ------
    PriorError
        If a prior is stated of correlations that the model does not have.

    References
    ----------
    Lewandowski, Kurowicka, Joe (2009) doi:10.1016/j.jmva.2009.04.008.
    """
    spec = design.spec
    beta = [
        replace(row, parameter=_of_coefficient(row, name), channel=name, predictor=_joined(name, row.predictor))
        for name, table in zip(spec.names, tables, strict=True)
        for row in table.beta
    ]
    groups = tuple((term.name, _merged_group(design, tables, i)) for i, term in enumerate(design.groups))
    _check_keys(spec, groups)
    auxiliary = [
        replace(row, parameter=parameter_name(row.parameter, name))
        for name, table in zip(spec.names, tables, strict=True)
        for row in table.auxiliary
    ]
    return PriorTable(
        tuple(beta),
        groups,
        (*auxiliary, *_partial_priors(spec)),
        centered=any(table.centered for table in tables),
        basis=linalg.block_diag(*(table.basis for table in tables)).reshape(len(beta), len(beta)),
        location=np.concatenate([table.location for table in tables]),
        means=np.concatenate([table.means for table in tables]),
    )


def own_priors(design: MultivariateDesign, table: PriorTable, merged: PriorTable, response: int) -> PriorTable:
    """Return the priors of one response as the model of all states them.

    A block of k coefficients among K that have LKJ(eta) has LKJ(eta + (K - k) / 2).
    """
    groups = []
    for g, (name, own) in enumerate(table.groups):
        if own.corr is not None:
            i = design.merged(response, g)
            shared = merged.groups[i][1].corr
            assert shared is not None  # what is correlated in one response is correlated in all
            shapes = {
                shared.prior["eta"] + 0.5 * (len(block) - kept)
                for block in design.groups[i].blocks
                if (kept := sum(design.sources[i][c][0] == response for c in block)) > 1
            }
            if len(shapes) > 1:
                raise FormulaError(
                    f"{design.spec.names[response]}: terms of {name!r} have correlations across responses, and others "
                    "have correlations of their own; give all of them one id, or none."
                )
            own = replace(own, corr=replace(shared, prior=Prior("LKJ", eta=shapes.pop())))
        groups.append((name, own))
    return replace(table, groups=tuple(groups))


def correlation_factor(partials: Array, size: int) -> Array:
    """Return the Cholesky factors (..., m, m) of correlation matrices from (1 + r) / 2 of their partial correlations.

    Row i of a factor is r_ij times the root of what the columns before j leave of one.
    """
    factor = np.zeros((*partials.shape[:-1], size, size))
    position = 0
    for i in range(size):
        left = np.ones(partials.shape[:-1])
        for j in range(i):
            r = 2.0 * partials[..., position] - 1.0
            factor[..., i, j] = r * left
            left = left * np.sqrt(1.0 - r * r)
            position += 1
        factor[..., i, i] = left
    return factor


def _of_coefficient(row: ParameterPrior, name: str) -> str:
    if row.parameter.startswith("beta["):
        return f"beta[{name}_{row.parameter[len('beta[') :]}"
    return f"{name}_{row.parameter}"


def _joined(name: str, predictor: str) -> str:
    return f"{name}, {predictor}" if predictor else name


def _merged_group(design: MultivariateDesign, tables: tuple[PriorTable, ...], i: int) -> GroupPriors:
    spec, term, source = design.spec, design.groups[i], design.sources[i]
    rows = tuple(
        replace(
            tables[r].groups[g][1].sd[c],
            parameter=f"sd[{term.name}][{coef}]",
            channel=spec.names[r],
            predictor=_joined(spec.names[r], tables[r].groups[g][1].sd[c].predictor),
        )
        for coef, (r, g, c) in zip(term.coefs, source, strict=True)
    )
    basis = np.eye(len(source))
    for r, g in dict.fromkeys(one[:2] for one in source):
        own = tables[r].groups[g][1].basis
        places = design.coefs_of(r, g)
        if own is not None:
            basis[np.ix_(places, places)] = own
    corr = None
    if any(len(block) > 1 for block in term.blocks):
        stated = dict(spec.priors)
        prior = stated.get(f"corr[{term.name}]", stated.get("corr"))
        about = next((row.about for row in rows if row.about), "")
        source_of = "default" if prior is None else "user"
        corr = ParameterPrior(f"corr[{term.name}]", prior or Prior("LKJ", eta=1), source=source_of, about=about)
    return GroupPriors(rows, corr, basis=None if np.array_equal(basis, np.eye(len(source))) else basis)


def _check_keys(spec: MultivariateSpec, groups: tuple[tuple[str, GroupPriors], ...]) -> None:
    having = [f"corr[{name}]" for name, group in groups if group.corr is not None]
    for key, _ in spec.priors:
        if key != RESIDUAL and key not in having and not (key == "corr" and having):
            known = f"It has {', '.join(having)}." if having else "It has none; terms of one id, (1 |p| g), have."
            raise PriorError(f"priors names {key!r}, and the model has no such correlations. {known}")


def _partial_priors(spec: MultivariateSpec) -> tuple[ParameterPrior, ...]:
    m = len(spec.correlated)
    stated = dict(spec.priors).get(RESIDUAL)
    eta = 1.0 if stated is None else stated["eta"]
    shapes = [eta + 0.5 * (m - 2 - j) for i in range(m) for j in range(i)]
    return tuple(
        ParameterPrior(
            name,
            Prior("Beta", alpha=shape, beta=shape),
            lower=0.0,
            upper=1.0,
            source="default" if stated is None else "user",
            about="(1 + r) / 2 of a partial correlation",
        )
        for name, shape in zip(partial_names(spec), shapes, strict=True)
    )
