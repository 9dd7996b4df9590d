"""The rows of a likelihood: added up where they share everything, weighted, times the roots of their precisions.

Input: a specification and a design. Output: `Rows`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.reduction import reduce_rows
from bayes_glmm.engine.compose import TRIALS
from bayes_glmm.spec.model_spec import ModelSpec

Array = npt.NDArray[np.float64]


def scales(spec: ModelSpec) -> bool:
    """Say whether y times c has the predictor times c and sigma times c."""
    return spec.family.support == "real" and spec.link.name == "identity"


def is_normal(spec: ModelSpec) -> bool:
    """Say whether rows are normal about the linear predictor, with one sigma or, times a root of each, sigma one."""
    return scales(spec) and not spec.channels and spec.family.kernel in ("gaussian", "known_gaussian")


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of the likelihood.

    Parameters
    ----------
    X, offset, Z, codes
        Predictors (n, p), offset (C, n) of every linear predictor, random predictors (n, k) and level codes (n,) per
        grouping factor of the design.
    y
        (n,) responses; sums of them where rows were added up; successes + TRIALS times trials where these are not, and
        categories without an order + TRIALS times their number.
    counts
        (n,) binomial trials, how many rows a row stands for (its weight), or, where `root` cannot stand for it, its
        precision.
    root
        (n,) what a row is multiplied by, both sides of it: the root of its precision; None for one.
    known
        (n,) each, what more row kernels read of a row, in the order of `Family.known`.
    """

    X: Array
    offset: Array
    Z: tuple[Array, ...]
    codes: tuple[npt.NDArray[np.int32], ...]
    y: Array
    counts: Array
    root: Array | None = None
    known: tuple[Array, ...] = ()


def likelihood_rows(spec: ModelSpec, design: Design, *, reduce: bool = True) -> Rows:
    """Return the rows of a design as the density reads them.

    Parameters
    ----------
    spec, design
        The model.
    reduce
        Whether rows are added up, and those that do not count left out.

    Returns
    -------
    Rows
        After exact reduction, if any. Weights multiply a row's log likelihood: successes and trials of a binomial,
        responses and exposure of a Poisson.
    """
    summed = spec.family.rows_add
    reduced = reduce_rows(design, rows_add=summed, merge=reduce)
    weights = np.ones_like(reduced.y) if reduced.weights is None else reduced.weights
    counts = weights
    for multiple in (reduced.trials, reduced.exposure) if summed else ():
        counts = counts if multiple is None else counts * multiple
    y = weights * reduced.y if summed else reduced.y
    if reduced.trials is not None and not summed:
        y = y + TRIALS * reduced.trials
    if spec.family.categories:
        y = y + TRIALS * len(spec.family.categories)
    Z, level_codes = tuple(g.Z for g in reduced.groups), tuple(g.codes for g in reduced.groups)
    precision, root = design.precision, None
    known = tuple(design.known[name] for name in spec.family.known)
    if precision is not None and scales(spec):
        root = np.sqrt(precision)
    elif spec.family.knowing == ("se",) and scales(spec):
        root = 1.0 / design.known["se"]
    elif precision is not None:
        counts = np.where(counts > 0, precision, 0.0)
    # a row that does not count must not keep its mean in the family's domain either
    offset = np.vstack([reduced.offset, design.offsets[:, reduced.rows]])
    kept = counts > 0
    if not reduce or kept.all() or not kept.any():
        return Rows(reduced.X, offset, Z, level_codes, y, counts, root, known)
    return Rows(
        reduced.X[kept],
        offset[:, kept],
        tuple(values[kept] for values in Z),
        tuple(codes[kept] for codes in level_codes),
        y[kept],
        counts[kept],
        None if root is None else root[kept],
        tuple(values[kept] for values in known),
    )
