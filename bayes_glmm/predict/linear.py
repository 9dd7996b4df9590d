"""The linear predictor at given rows, split in what is known and what is random.

Input: posterior draws and a `Design` at the rows wanted. Output: (sample, row) arrays on the link scale, a chunk of
rows at a time: the fixed part, the deviations of groups (fitted, new or none), and the variance z' Sigma z of the
random part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.predict.meanings import READ
from bayes_glmm.predict.posterior import PosteriorDraws
from bayes_glmm.predict.relatives import given_relatives
from bayes_glmm.structures.series import Series
from bayes_glmm.structures.spectrum import Spectrum

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


def fixed_part(draws: PosteriorDraws, design: Design, rows: Rows) -> Array:
    """Compute X beta + offset, and what monotonic effects differ by from straight ones.

    Parameters
    ----------
    draws
        Posterior draws.
    design
        Design at the rows wanted.
    rows
        Positions of the rows to compute.

    Returns
    -------
    numpy.ndarray
        (S, rows), link scale.
    """
    eta = draws.beta @ design.X[rows].T
    eta += design.offset[rows]
    for column, levels in draws.raised.items():
        eta += draws.beta[:, column, None] * levels[:, design.X[rows, column].astype(np.intp)]
    return eta


def random_variance(draws: PosteriorDraws, design: Design, rows: Rows, terms: Sequence[GroupTerm]) -> Array:
    """Compute the variance of the random part of eta, z' Sigma z summed over grouping factors.

    Parameters
    ----------
    draws
        Posterior draws.
    design
        Design at the rows wanted; only the Z of its groups are read, never their levels.
    rows
        Positions of the rows to compute.
    terms
        The grouping factors of the design to sum over.

    Returns
    -------
    numpy.ndarray
        (S, rows), squared link scale.
    """
    first, kind = design.kinds
    shared = len(first) < len(rows)  # rows that share Z have one variance, to the last digit
    computed = first if shared else rows
    total = np.zeros((draws.size, len(computed)))
    for term in terms:
        total += term_variance(draws, term, computed)
    return np.take(total, kind[rows], axis=1) if shared else total


def random_covariance(
    draws: PosteriorDraws, first: Design, second: Design, rows: Rows, terms: Sequence[GroupTerm]
) -> Array:
    """Compute the covariance of the random parts of two linear predictors.

    Parameters
    ----------
    draws
        Posterior draws.
    first, second
        The design as each of the linear predictors sees it (`Design.of`).
    rows
        Positions of the rows to compute.
    terms
        The grouping factors to sum over.

    Returns
    -------
    numpy.ndarray
        (S, rows), in units of both link scales.
    """
    total = np.zeros((draws.size, len(rows)))
    for term in terms:
        one, other = (design.group(term.name).Z[rows] for design in (first, second))
        products = (one[:, :, None] * other[:, None, :]).reshape(len(rows), -1)
        total += draws.covariances[term.name].reshape(draws.size, -1) @ products.T
    return total


def term_variance(draws: PosteriorDraws, term: GroupTerm, rows: Rows) -> Array:
    """Compute the variance of one grouping factor's part of eta, z' Sigma z.

    Parameters
    ----------
    draws
        Posterior draws.
    term
        The grouping factor, with Z at the rows wanted.
    rows
        Positions of the rows to compute.

    Returns
    -------
    numpy.ndarray
        (S, rows), squared link scale.
    """
    first, second = np.tril_indices(len(term.coefs))
    z = term.along[rows]
    products = z[:, first] * z[:, second] * np.where(first == second, 1.0, 2.0)
    variance = np.maximum(draws.covariances[term.name][:, first, second] @ products.T, 0.0)
    if term.unequal:
        assert isinstance(term.structure, Spectrum)
        spread = term.structure.spread(draws.dependence[term.name])
        # levels that are not read count as the mean of all
        spread = np.hstack([spread, spread.mean(axis=1, keepdims=True)])
        codes = term.codes[rows]
        variance *= spread[:, np.where((codes >= 0) & (codes < term.structure.size), codes, -1)]
    return variance


def mean_variance(draws: PosteriorDraws, term: GroupTerm) -> Array:
    """Compute the variance of one grouping factor's part of eta, averaged over the rows.

    Parameters
    ----------
    draws
        Posterior draws.
    term
        The grouping factor, with Z at the rows wanted.

    Returns
    -------
    numpy.ndarray
        (S,), squared link scale.
    """
    if term.unequal:
        return np.asarray(term_variance(draws, term, np.arange(len(term.Z))).mean(axis=1))
    return np.asarray(np.einsum("sij,ij->s", draws.covariances[term.name], term.along.T @ term.along / len(term.Z)))


def group_part(
    draws: PosteriorDraws, design: Design, rows: Rows, *, meanings: Mapping[str, str], new_levels: str, seed: int
) -> Array:
    """Compute the sum of the groups' deviations, Z u.

    Parameters
    ----------
    draws
        Posterior draws.
    design
        Design at the rows wanted.
    rows
        Positions of the rows to compute.
    meanings
        Of every grouping factor: under ``"conditional"`` levels that were fitted use their own draws, under ``"new"``
        every level is drawn from N(0, Sigma), once for each posterior draw and distinct level, and given its relatives
        where it has a known covariance; other factors add nothing.
    new_levels
        What a level that was not fitted gets under ``"conditional"``: ``"sample"``, a draw as under ``"new"``, or
        ``"typical"``, zero.
    seed
        Seed of new levels' draws.

    Returns
    -------
    numpy.ndarray
        (S, rows), link scale.
    """
    total = np.zeros((draws.size, len(rows)))
    for term in design.groups:
        meaning = meanings[term.name]
        if meaning not in READ:
            continue
        fresh = term.codes[rows] >= (0 if meaning == "new" else draws.effects[term.name].shape[1])
        # times that were not fitted are told apart from series that were not when the rows are read
        drawn = meaning == "new" or (isinstance(term.structure, Series) and new_levels == "error")
        for chosen, source in ((~fresh, "fitted"), (fresh, "sample" if drawn else new_levels)):
            if source == "typical" or not chosen.any():
                continue
            effects, codes = draws.effects[term.name], term.codes[rows[chosen]].astype(np.intp)
            if source == "sample":
                levels, codes = np.unique(codes, return_inverse=True)
                if isinstance(term.structure, Series):  # new times depend on each other, whatever rows are asked for
                    new = np.arange(term.structure.size, len(term.levels))
                    codes, levels = levels[codes], np.union1d(levels, new).astype(np.intp)
                    codes = np.searchsorted(levels, codes)
                effects = _sampled_levels(draws.covariances[term.name], term, levels, seed)
                if term.structure is not None:
                    _add_relatives(term, draws, levels, effects)
            z = term.Z[rows[chosen]]
            # an index of all rows would copy the whole array, twice
            total[:, slice(None) if chosen.all() else chosen] += _deviations(effects, codes, z)
    return total


def _add_relatives(term: GroupTerm, draws: PosteriorDraws, levels: npt.NDArray[np.integer], effects: Array) -> None:
    """Turn draws (S, levels, k) of N(0, Sigma) into draws given all relatives, for the levels that have them."""
    structure = term.structure
    assert structure is not None
    known = levels < structure.size
    if known.any():
        mean, scale = given_relatives(term, draws, levels[known])
        effects[:, known] = mean + effects[:, known] * scale[:, :, None]
    if isinstance(structure, Series) and not known.all():
        fitted, value = draws.effects[term.name], draws.dependence[term.name]
        effects[:, ~known] = structure.continued(fitted, effects[:, ~known], value)


def _deviations(effects: Array, codes: npt.NDArray[np.integer], z: Array) -> Array:
    """Sum over coefficients of u[level] z: (S, rows)."""
    total = _gathered(effects[:, :, 0], codes, z[:, 0])
    for column in range(1, z.shape[1]):
        total += _gathered(effects[:, :, column], codes, z[:, column])
    return total


def _gathered(effects: Array, codes: npt.NDArray[np.integer], z: Array) -> Array:
    values = np.take(effects, codes, axis=1)
    return values if np.all(z == 1.0) else np.multiply(values, z, out=values)


def _sampled_levels(covariance: Array, term: GroupTerm, levels: npt.NDArray[np.integer], seed: int) -> Array:
    """Draw u ~ N(0, Sigma), one per posterior draw and level: (S, levels, k).

    The generator of a level is seeded by the seed, the grouping factor and the level's label, so that the same level
    has the same draws in every chunk, in every counterfactual copy of a row, and in any order of rows.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    size, k = values.shape
    rows = np.ascontiguousarray(np.moveaxis(root, 0, 2))  # (k, k, S)
    sampled = np.empty((k, len(levels), size))
    for position, code in enumerate(levels):
        label = f"{term.name}\x1f{term.levels[code]!s}".encode()
        words = np.frombuffer(hashlib.blake2b(label, digest_size=16).digest(), dtype=np.uint32)
        rng = np.random.default_rng([seed, *words.tolist()])
        standard = np.ascontiguousarray(rng.standard_normal((size, k)).T)
        np.sum(rows * standard, axis=1, out=sampled[:, position])
    return np.ascontiguousarray(np.moveaxis(sampled, 1, 2)).transpose(1, 2, 0)
