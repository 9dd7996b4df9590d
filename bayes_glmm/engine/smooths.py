"""Smooths as terms of one level: independent coefficients, sets of which share a sd.

Input: a design and its priors. Output: `SmoothSet`s. All that bends together is eliminated together, as the effects
of one level are; only where there are more coefficients than a level may have are there several such terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.engine import parameters as codes
from bayes_glmm.model.prior_table import ParameterPrior, PriorTable

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SmoothSet:
    """Smooths that are one term of the engine.

    Parameters
    ----------
    term
        The term: one level, which all rows have.
    columns
        (k,) positions of its coefficients in X.
    parts
        Positions in ``Design.penalised`` of the sets of coefficients that share a sd.
    places
        Element of the term's theta that each part's sd is; a lengthscale comes next.
    rows
        Priors of the term's elements of theta.
    starts
        Where the search for their mode starts: sds in units of their linear predictor, lengthscales as they are.
    pattern
        (k, 5) as `KernelData.blocks` has it.
    """

    term: GroupTerm
    columns: npt.NDArray[np.intp]
    parts: tuple[int, ...]
    places: tuple[int, ...]
    rows: tuple[ParameterPrior, ...]
    starts: tuple[float, ...]
    pattern: Array


def smooth_sets(design: Design, priors: PriorTable) -> tuple[SmoothSet, ...]:
    """Put the smooths of a model into as few terms as their sizes allow.

    Parameters
    ----------
    design, priors
        The model.

    Returns
    -------
    tuple of SmoothSet
        Empty where there are no smooths.
    """
    sets: list[list[int]] = []
    size = codes.MOST_COEFS
    for i, part in enumerate(design.penalised):
        size += len(part.columns)
        if size > codes.MOST_COEFS:
            sets.append([])
            size = len(part.columns)
        sets[-1].append(i)
    return tuple(_smooth_set(design, priors, own) for own in sets)


def _smooth_set(design: Design, priors: PriorTable, own: list[int]) -> SmoothSet:
    rows: list[ParameterPrior] = []
    starts: list[float] = []
    places, patterns = [], []
    for i in own:
        part, prior = design.penalised[i], priors.smooths[i]
        places.append(len(rows))
        shared = np.full((len(part.columns), 1), codes.SHARED - len(rows))
        patterns.append(np.hstack([shared, np.zeros((len(shared), 4)) if part.spectrum is None else part.spectrum]))
        rows += [prior.sd] if prior.lengthscale is None else [prior.sd, prior.lengthscale]
        starts += [0.5] if prior.lengthscale is None else [0.5, part.usual_length]
    columns = np.array([j for i in own for j in design.penalised[i].columns], dtype=np.intp)
    k, n = len(columns), len(design.X)
    term = GroupTerm(
        name="",
        columns=(),
        levels=("",),
        codes=np.zeros(n, dtype=np.int32),
        coefs=tuple(design.coefs[j] for j in columns),
        Z=np.ascontiguousarray(design.X[:, columns]),
        blocks=tuple((c,) for c in range(k)),
        channels=tuple(design.channels[j] for j in columns),
    )
    return SmoothSet(term, columns, tuple(own), tuple(places), tuple(rows), tuple(starts), np.vstack(patterns))
