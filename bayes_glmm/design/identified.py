"""Group effects that a response cannot tell from its own variation, because there is one for every row.

Input: the grouping factors, the response and the specification. Output: sentences that name the factor and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.design.response import Response
from bayes_glmm.errors import listed, warn
from bayes_glmm.spec.model_spec import ModelSpec

__all__ = ["check_identified", "unidentified_effects"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_TOLERANCE = 1e-8


def check_identified(groups: Sequence[GroupTerm], response: Response, spec: ModelSpec) -> None:
    """Warn of grouping factors whose variances the likelihood cannot tell from the response's own.

    Parameters
    ----------
    groups
        The grouping factors.
    response
        The response.
    spec
        The specification.

    Warns
    -----
    DataWarning
        As of `unidentified_effects`.
    """
    for sentence in unidentified_effects(groups, response, spec):
        warn(sentence)


def unidentified_effects(groups: Sequence[GroupTerm], response: Response, spec: ModelSpec) -> Iterator[str]:
    """Say which grouping factors have an effect for every row, where rows vary by themselves, too.

    Parameters
    ----------
    groups
        The grouping factors, each looked at by itself.
    response
        The response.
    spec
        The specification.

    Yields
    ------
    str
        A sentence for each, with what to do.

    Notes
    -----
    Given their level, rows vary with covariance D = diag(1 / precision) times the residual variance; 0/1 and ordered
    responses have a latent variable of variance one, and only ratios to it show. A factor's effects add Z S Z' to it.
    Where D itself is Z S Z' for some S, part of the one can be taken for the other: with one row a level and an
    intercept, with a row for every coefficient of ``(0 + f | g)``. Counts and proportions of several trials have no
    variation of their own to be taken for: an effect a row is identified there, and models overdispersion.
    """
    kept = np.ones(len(response.y), dtype=bool) if response.weights is None else response.weights > 0
    if response.weights is not None and not np.all(response.weights[kept] == 1.0):
        return
    if spec.family.knowing == ("se",):  # a row's own variation is known
        return
    own = next((row for row in spec.family.parameters if not row.ordered), None)
    latent = spec.family.support in ("binary", "ordered") or (
        response.trials is not None and bool(np.all(response.trials[kept] <= 1))
    )
    if own is None and not latent:
        return
    spread = np.ones(np.count_nonzero(kept)) if response.precision is None else 1.0 / response.precision[kept]
    for term in groups:
        if term.structure is not None and term.structure.share_ancestors(term.codes[kept]):
            continue  # relatives tell the two apart
        if _absorbs(term, kept, spread):
            yield f"{_opening(term)}: {_meaning(term, spec, None if own is None else own.name)}"


def _absorbs(term: GroupTerm, kept: Mask, spread: Array) -> bool:
    """Whether Z S Z' is diag(spread) for some symmetric S within the term's blocks: linear equations in S."""
    k = len(term.coefs)
    order = np.argsort(term.codes[kept], kind="stable")
    codes, spread = term.codes[kept][order], spread[order]
    if not len(codes) or np.bincount(codes).max() > k:
        return False
    Z = term.Z[kept][order]
    Z = Z / np.maximum(np.abs(Z).max(axis=0), np.finfo(float).tiny)
    a, b = np.array([(a, b) for block in term.blocks for a in block for b in block if a <= b]).T
    equations, wanted = [], []
    for lag in range(min(k, len(codes))):  # pairs of rows of one level
        first = np.flatnonzero(codes[: len(codes) - lag] == codes[lag:])
        left, right = Z[first], Z[first + lag]
        equations.append(left[:, a] * right[:, b] + (a != b) * left[:, b] * right[:, a])
        wanted.append(spread[first] if lag == 0 else np.zeros(len(first)))
    matrix, target = np.vstack(equations), np.concatenate(wanted)
    solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
    return bool(np.abs(matrix @ solution - target).max() <= _TOLERANCE * np.abs(target).max())


def _opening(term: GroupTerm) -> str:
    if len(term.coefs) == 1:
        return f"Each row is a level of its own of {term.name!r}"
    return f"{term.name!r} has an effect for every row ({listed(term.coefs)} in each level)"


def _meaning(term: GroupTerm, spec: ModelSpec, own: str | None) -> str:
    several = len(term.coefs) > 1
    fewer = f"Write (1 | {term.name}), or leave the term out" if several else "Leave the term out"
    sd = "their sds" if several else "its sd"
    if own is None:
        return (
            f"such responses say nothing about {sd} (only the shape of the {spec.link.name} link does). The prior "
            f"decides, and coefficients grow with {sd}. {fewer}, or group the rows that belong together."
        )
    if spec.family.support == "real" or spec.family.response_transform is not None:
        one = "only the sum of its variance and the residual variance is identified, and how it divides"
        more = "only the sums of its variances and the residual variance are identified, and how they divide"
        return f"{more if several else one} is the priors' choice. {fewer}: {own} stands for it."
    limit = spec.family.limit
    keep = f"{fewer}." if limit is None else f"{fewer}, or keep it with family={limit!r}."
    return f"{sd} and {own} both say how much rows vary, and only shapes of distributions tell them apart. {keep}"
