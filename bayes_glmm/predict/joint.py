"""The mean of a response averaged over effects that several of its parameters share.

Input: linear predictors of the mean and of further parameters, and the covariances of their random parts. Output:
(sample, row) arrays. Where a zero-inflated response has group effects on mu and on zi, the average has two dimensions:
a product rule over the further parameters' linear predictors, and inside it the one-dimensional average over the mean's
given these.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.families import Family
from bayes_glmm.links import LINKS, Link
from bayes_glmm.predict.averages import averaged_mean
from bayes_glmm.predict.linear import Rows, random_covariance
from bayes_glmm.predict.posterior import PosteriorDraws
from bayes_glmm.spec.parameters import Channel

__all__ = ["cholesky", "enters_mean", "jointly_averaged_mean", "random_covariances"]

Array = npt.NDArray[np.float64]

#: Distance of the nodes and of the last one from the centre, in sds: the trapezoidal rule for one parameter is exact to
#: rounding for sds up to 2 of a logit, and to 4e-7 for 4.
_STEP, _REACH = 1.0 / 3.0, 7.0
#: The same for each of several.
_STEP_OF_SEVERAL = 0.5


def enters_mean(family: Family, name: str) -> bool:
    """Say whether a parameter is part of the response's mean: whether the mean moves with it.

    Parameters
    ----------
    family
        The family.
    name
        One of its parameters.

    Returns
    -------
    bool
        False where the mean is mu itself.
    """
    if family.mean is None:
        return False
    values = {row.name: row.start if row.lower is None else row.lower + row.start for row in family.parameters}
    mu = LINKS[family.links[0]].inverse(np.float64(0.3))
    moved = {**values, name: 0.9 * values[name]}
    one, other = (family.mean(mu, {key: np.float64(value) for key, value in at.items()}) for at in (values, moved))
    return bool(np.abs(one - other) > 1e-12)


def random_covariances(
    draws: PosteriorDraws, designs: Sequence[Design], rows: Rows, terms: Sequence[GroupTerm]
) -> list[list[Array]]:
    """Compute the covariances of the random parts of several linear predictors.

    Parameters
    ----------
    draws
        Posterior draws.
    designs
        The design as each of the linear predictors sees it.
    rows
        Positions of the rows.
    terms
        The grouping factors to sum over.

    Returns
    -------
    list of list of numpy.ndarray
        (S, rows) for each pair.
    """
    return [[random_covariance(draws, one, other, rows, terms) for other in designs] for one in designs]


def jointly_averaged_mean(
    family: Family,
    link: Link,
    parameters: Mapping[str, Array],
    eta: Array,
    others: Mapping[str, tuple[Channel, Array]],
    covariances: Sequence[Sequence[Array]],
) -> Array:
    """Average the expected response over normal effects on the mean and on further parameters.

    Parameters
    ----------
    family, link
        Of the model.
    parameters
        Auxiliary parameters, (S, 1) or (S, rows) each.
    eta
        (S, rows) linear predictor of the mean without the effects.
    others
        Further parameters with effects, each with its linear predictor (S, rows) without them.
    covariances
        Of the effects' parts of the mean's linear predictor and of those of `others`, (S, rows) each.

    Returns
    -------
    numpy.ndarray
        (S, rows) E[y | x].
    """
    step = _STEP if len(others) == 1 else _STEP_OF_SEVERAL
    nodes = np.arange(-_REACH, _REACH + step / 2.0, step)
    weights = np.exp(-0.5 * np.square(nodes))
    weights /= weights.sum()
    size = len(others)
    # of (others, mean): given the others' nodes, a shift of the mean's eta and what variance is left
    order = [*range(1, size + 1), 0]
    lower = cholesky(np.array([[covariances[a][b] for b in order] for a in order]))
    variance, total = np.square(lower[size, size]), np.zeros_like(eta)
    for place in itertools.product(range(len(nodes)), repeat=size):
        z = nodes[list(place)]
        at = dict(parameters)
        for a, (name, (channel, own)) in enumerate(others.items()):
            at[name] = np.asarray(channel.inverse(own + np.tensordot(z[: a + 1], lower[a, : a + 1], axes=1)))
        shifted = eta + np.tensordot(z, lower[size, :size], axes=1)
        total += np.prod(weights[list(place)]) * averaged_mean(family, link, at, shifted, variance)
    return total


def cholesky(matrix: Array) -> Array:
    """Compute Cholesky factors of covariances that may be singular.

    Parameters
    ----------
    matrix
        (k, k, S, rows)

    Returns
    -------
    numpy.ndarray
        The same shape, lower triangles.
    """
    lower = np.zeros_like(matrix)
    for a in range(len(matrix)):
        for b in range(a + 1):
            left = matrix[a, b] - np.sum(lower[a, :b] * lower[b, :b], axis=0)
            if a == b:
                lower[a, a] = np.sqrt(np.maximum(left, 0.0))
            else:
                lower[a, b] = np.divide(left, lower[b, b], out=np.zeros_like(left), where=lower[b, b] > 0.0)
    return lower
