"""The table of all priors of a model: one `ParameterPrior` per scalar parameter, each marked default or user.

Input: distributions and what they are about. Output: a `PriorTable`, and the table people read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.priors import Prior

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ParameterPrior:
    """The prior of one scalar parameter (or of one correlation matrix).

    Parameters
    ----------
    parameter
        Label as users write it in ``priors=``: ``"Intercept"``, ``"beta[x]"``, ``"sd[g][x]"``, ``"corr[g]"``,
        ``"sigma"``.
    prior
        The distribution.
    power
        The distribution is that of parameter**power (1 itself, 2 a variance, -2 a precision, -1/2 for phi's default).
    lower
        Lower bound of the parameter; None where there is none.
    source
        ``"default"`` or ``"user"``.
    ordered
        Whether the parameter is a vector of thresholds, each with this prior.
    increasing
        Whether such thresholds increase.
    about
        Which form of the parameter the distribution is about, in words; empty where it is the parameter as reported.
    upper
        Upper bound of the parameter; None where there is none.
    channel
        The parameter of the family whose linear predictor a coefficient or sd is part of; empty for the mean's.
    predictor
        What that linear predictor is, in words, ``"log sigma"``; empty for the mean's.
    """

    parameter: str
    prior: Prior
    power: float = 1.0
    lower: float | None = None
    source: str = "default"
    ordered: bool = False
    increasing: bool = True
    about: str = ""
    upper: float | None = None
    channel: str = ""
    predictor: str = ""

    @property
    def is_intercept(self) -> bool:
        """Whether it is the intercept of a linear predictor."""
        return self.parameter == (f"{self.channel}_Intercept" if self.channel else "Intercept")

    @property
    def scale(self) -> str:
        """What the distribution is about, in words: the parameter itself, its variance, precision or 1/sqrt."""
        names = {1.0: "", 2.0: "variance", -2.0: "precision", -0.5: "1/sqrt"}
        return names[self.power]


@dataclass(frozen=True)
class GroupPriors:
    """The priors of one grouping factor: a sd per coefficient and, where coefficients are correlated, an LKJ.

    Parameters
    ----------
    sd
        One prior per coefficient, in the order of the term's coefficients; link scale.
    corr
        Prior of the correlation matrix of each block; None when no coefficients are correlated.
    dependence
        Prior of the parameter that says how strongly levels are correlated in time or space; None where there is none.
    basis
        (k, k) effects as reported from those at the predictors' means and in each level of factors, which the priors
        are about; None where they are about the effects as reported.
    """

    sd: tuple[ParameterPrior, ...]
    corr: ParameterPrior | None
    dependence: ParameterPrior | None = None
    basis: Array | None = field(default=None, repr=False, compare=False)

    def at_data(self, sd: Array, corr: Array | None) -> tuple[Array, Array | None]:
        """Return the sds and correlations that the priors are about.

        Parameters
        ----------
        sd, corr
            (..., k) and (..., k, k) of effects as reported; None where no coefficients are correlated.

        Returns
        -------
        sd, corr
            The same shapes, at the predictors' means where the priors are stated there.
        """
        if self.basis is None or corr is None:
            return sd, corr
        back = np.linalg.inv(self.basis)
        covariance = back @ (sd[..., :, None] * corr * sd[..., None, :]) @ back.T
        sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
        return sd, covariance / (sd[..., :, None] * sd[..., None, :])


@dataclass(frozen=True)
class PriorTable:
    """Every prior of a model.

    Parameters
    ----------
    beta
        One prior per column of X. An intercept's belongs to the intercept at the predictors' means when `centered`.
        That of thresholds does too.
    groups
        Priors of each grouping factor by its name.
    auxiliary
        Priors of the family's auxiliary parameters.
    centered
        Whether the prior of the intercept, or of the thresholds in its place, is at the predictors' means.
    basis
        (p, p) with `location`: coefficients as reported are ``location + basis @ g``, where the g are independent with
        the priors of `beta`. See `bayes_glmm.model.at_data`.
    location
        (p,)
    means
        (p,) what predictors are centred by where thresholds take the place of the intercept, else zeros.
    monotonic
        Priors of the steps of monotonic effects, in the order of ``Design.monotonic``.
    alike
        Whether the linear predictors are those of categories: names without one, ``"beta"``, stand for all of them.
    """

    beta: tuple[ParameterPrior, ...]
    groups: tuple[tuple[str, GroupPriors], ...]
    auxiliary: tuple[ParameterPrior, ...]
    centered: bool
    basis: Array = field(repr=False, compare=False)
    location: Array = field(repr=False, compare=False)
    means: Array = field(repr=False, compare=False)
    monotonic: tuple[ParameterPrior, ...] = ()
    alike: bool = False

    @property
    def shifts(self) -> Array:
        """What coefficients add to thresholds at the predictors' means: (1, p), or (thresholds, p)."""
        names = list(dict.fromkeys(row.channel for row in self.beta if row.channel)) or [""]
        own = np.array([[row.channel in ("", name) for row in self.beta] for name in names], dtype=float)
        return own.reshape(len(names), len(self.beta)) * self.means

    def __iter__(self) -> Iterator[ParameterPrior]:
        yield from self.beta
        for _, group in self.groups:
            yield from group.sd
            if group.corr is not None:
                yield group.corr
            if group.dependence is not None:
                yield group.dependence
        yield from self.auxiliary
        yield from self.monotonic

    def frame(self) -> pd.DataFrame:
        """Return the table people read.

        Returns
        -------
        pandas.DataFrame
            One row per parameter: parameter, prior, scale (what the prior is about), source (default or user).
        """
        rows = [(row.parameter, str(row.prior), _scale_in_words(row, self.centered), row.source) for row in self]
        return pd.DataFrame(rows, columns=["parameter", "prior", "scale", "source"])


def _scale_in_words(row: ParameterPrior, centered: bool) -> str:
    if row.is_intercept:
        where = "intercept at the predictors' means" if centered else "raw intercept"
        return f"{row.predictor}, {where}" if row.predictor else where
    if row.ordered:
        each = "each, increasing" if row.increasing else "each"
        return f"{each}, at the predictors' means" if centered else each
    return ", ".join(filter(None, (row.predictor, row.scale, row.about)))
