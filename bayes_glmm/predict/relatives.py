"""Effects of related levels in predictions: given all relatives as fitted, or all drawn again together.

Input: posterior draws and a grouping factor with a known covariance. Output: means and scales, or other draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.predict.posterior import PosteriorDraws
from bayes_glmm.structures.series import Series
from bayes_glmm.structures.spectrum import Spectrum

Array = npt.NDArray[np.float64]


def given_relatives(term: GroupTerm, draws: PosteriorDraws, levels: npt.NDArray[np.integer]) -> tuple[Array, Array]:
    """Describe the effects of some levels, each given those of all others.

    Parameters
    ----------
    term
        A grouping factor whose levels are correlated.
    draws
        Posterior draws.
    levels
        (m,) codes.

    Returns
    -------
    mean : numpy.ndarray
        (S, m, k) conditional means.
    scale : numpy.ndarray
        (S or 1, m) by what the sds of the effects are multiplied.
    """
    structure, effects = term.structure, draws.effects[term.name]
    if isinstance(structure, Series | Spectrum):
        return structure.given_others(effects, levels, draws.dependence[term.name])
    assert structure is not None
    columns = structure.precision[:, levels].tocoo()
    own = columns.coords[0] == np.asarray(levels)[columns.coords[1]]
    diagonal = np.zeros(len(levels))
    diagonal[columns.coords[1][own]] = columns.data[own]
    others = columns.tocsc()
    others[np.asarray(levels), np.arange(len(levels))] = 0.0
    weights = -others.T.tocsr()
    mean = np.stack([(weights @ effects[:, :, c].T).T for c in range(effects.shape[2])], axis=-1)
    return mean / diagonal[:, None], 1.0 / np.sqrt(diagonal)[None]


def redrawn(draws: PosteriorDraws, design: Design, seed: int) -> PosteriorDraws:
    """Draw the effects of factors whose levels are correlated again, all levels of a factor together.

    Parameters
    ----------
    draws
        Posterior draws.
    design
        The design of the fit.
    seed
        Seed.

    Returns
    -------
    PosteriorDraws
        Effects of these factors from N(0, Sigma (x) A); everything else as it was.
    """
    effects = dict(draws.effects)
    for place, term in enumerate(design.groups):
        if term.structure is None:
            continue
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, place)))
        values, vectors = np.linalg.eigh(draws.covariances[term.name])
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        k, size = len(term.coefs), draws.size
        standard = rng.standard_normal((term.structure.size, size * k))
        u = term.related(standard, np.repeat(draws.dependence[term.name], k)).reshape(-1, size, k).transpose(1, 0, 2)
        effects[term.name] = np.einsum("slk,sjk->slj", u, root)
    return replace(draws, effects=effects)
