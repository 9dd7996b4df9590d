"""What the compiled kernel covers: models, and why it does not cover the others.

Input: a model, or one that is packed. Output: a reason in words, or None; the order of a sparse H, where levels are
related.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.engine import parameters as codes
from bayes_glmm.engine.likelihood_rows import is_normal, scales
from bayes_glmm.engine.pack import ENCODINGS, Packed, pack
from bayes_glmm.engine.rows import has_row_kernel
from bayes_glmm.engine.sparse_factor import MOST_PRODUCTS
from bayes_glmm.engine.sparse_system import SparseSystem, sparse_system
from bayes_glmm.errors import listed
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.structures.series import Series
from bayes_glmm.structures.spectrum import Spectrum

__all__ = [
    "has_rows",
    "related_in_words",
    "related_system",
    "why_not_covered",
    "why_not_in_coordinates",
    "why_not_packed",
    "why_too_dense",
]

#: The last design's system: whether there is one is asked before it is used.
_SYSTEMS: WeakKeyDictionary[Design | MultivariateDesign, SparseSystem | None] = WeakKeyDictionary()


def why_not_covered(spec: ModelSpec, design: Design, priors: PriorTable) -> str | None:
    """Say why the kernel does not cover a model.

    Parameters
    ----------
    spec, design, priors
        The model.

    Returns
    -------
    str or None
        The reason in words; None when the kernel covers the model.
    """
    if not has_rows(spec):
        precisions = "" if spec.formula.response.precision is None else " and precisions"
        own = ", ".join(one.name for one in spec.channels)
        formulas = f" and formulas of {own}" if own else ""
        return f"the kernel has no rows for {spec.family.name} with the {spec.link.name} link{precisions}{formulas}"
    reason = _why_not_laid_out(design, priors) or _why_not_sparse(spec, design, priors)
    related = related_in_words(design.groups)
    if reason is None and related is not None:
        return why_too_dense(related, pack(spec, design, priors), design)
    return reason


def _why_not_sparse(spec: ModelSpec, design: Design, priors: PriorTable) -> str | None:
    """Say why effects correlated in time or space are not integrated out; None where they are, or there are none."""
    fields = [own for term in design.groups if isinstance(own := term.structure, Series | Spectrum)]
    if dense := [f"{field.kind}()" for field in fields if field.parts is None]:
        return f"effects of {listed(dense)} have no sparse precision"
    if not fields:
        return None
    estimated = (
        f"it is estimated how strongly effects of {listed([f'{field.kind}()' for field in fields])} are correlated"
    )
    if not is_normal(spec):
        return f"{estimated}, and the family is not gaussian with the identity link"
    normal = all(row.prior.name in ("Normal", "Flat") for row in priors.beta)
    return None if normal else f"{estimated}, and a coefficient's prior is not normal"


def why_too_dense(related: str, packed: Packed, design: Design | MultivariateDesign) -> str | None:
    """Say that the sparse factor of a model with related levels takes too long; None where it does not."""
    if related_system(packed, design) is not None:
        return None
    return (
        f"{related}, and their sparse factor takes more than {MOST_PRODUCTS:,} products, as it does where few "
        "sires have the offspring of thousands of dams"
    )


def related_in_words(groups: tuple[GroupTerm, ...]) -> str | None:
    """Say that levels have a known covariance; None where none have."""
    names = [term.name for term in groups if term.structure is not None]
    return f"the levels of {listed(names)} are related" if names else None


def related_system(packed: Packed, design: Design | MultivariateDesign) -> SparseSystem | None:
    """Order H of a packed model whose levels are related.

    Parameters
    ----------
    packed
        The model.
    design
        Its design, of one response or of several.

    Returns
    -------
    SparseSystem or None
        None where its factor is too dense.
    """
    if design not in _SYSTEMS:
        terms = (*design.groups, *(own.term for own in packed.smooths))
        _SYSTEMS.clear()
        _SYSTEMS[design] = sparse_system(packed.data, [terms[g].structure for g in packed.order])
    return _SYSTEMS[design]


def has_rows(spec: ModelSpec) -> bool:
    """Whether a row kernel is compiled ahead for the family and link.

    Parameters
    ----------
    spec
        Family and link.

    Returns
    -------
    bool
        True where there is one. Rows with precisions are rows of precision one, multiplied by the
        precisions' roots, where the response's scale is the linear predictor's.
    """
    scaled = spec.formula.response.precision is None or scales(spec)
    return scaled and has_row_kernel(spec.family.kernel, spec.link, bool(spec.channels))


def why_not_in_coordinates(design: Design, priors: PriorTable) -> str | None:
    """Say why a model cannot be put in the coordinates of a Laplace fit.

    Parameters
    ----------
    design, priors
        The model.

    Returns
    -------
    str or None
        The reason in words; None where they can.
    """
    return related_in_words(design.groups) or _why_not_laid_out(design, priors)


def _why_not_laid_out(design: Design, priors: PriorTable) -> str | None:
    """Say what of a model the compiled tables cannot hold; None where they hold all."""
    if design.spec.channels and not has_rows(design.spec):
        return "parameters with formulas are put in coordinates with the kernel's rows only"
    if design.monotonic:
        return f"{design.monotonic[0].coef} makes a column of X depend on parameters"
    ordered = design.response is not None and design.spec.family.support == "ordered"
    categories = (design.response.categories or ()) if ordered and design.response is not None else ()
    if len(categories) - 1 > codes.MOST_THRESHOLDS:
        return f"{len(categories) - 1} thresholds are more than the engine's {codes.MOST_THRESHOLDS}"
    for part in design.penalised:
        if len(part.columns) > codes.MOST_COEFS:
            return f"{len(part.columns)} coefficients of {part.name} are more than the engine's {codes.MOST_COEFS}"
    return why_not_packed(design.groups, priors)


def why_not_packed(groups: tuple[GroupTerm, ...], priors: PriorTable) -> str | None:
    """Say which priors or terms of a model the compiled tables cannot hold; None where they hold all."""
    for row in priors.beta:
        if row.prior.support != "real":
            return f"the prior {row.prior} of {row.parameter} bounds a coefficient"
    for row in priors:
        if row.prior.name not in ENCODINGS and row.prior.support != "correlation":
            return f"the kernel does not know the prior {row.prior} of {row.parameter}"
    for group in groups:
        if len(group.coefs) > codes.MOST_COEFS:
            size = f"{len(group.coefs)} random coefficients"
            return f"{size} for each level of {group.name} are more than the engine's {codes.MOST_COEFS}"
    return None
