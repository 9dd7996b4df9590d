"""The expected response under the four meanings of `random_effects`, for every posterior draw.

Input: a `Fit` and rows. Output: a `RowPredictor`, which gives (sample, row) arrays for the rows asked for, so that
whoever reduces over rows or draws never holds them all; or, from `expected`, a DataArray with dims chain, draw, obs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import checked_seed
from bayes_glmm.design.design import Design
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.families import Family
from bayes_glmm.inference.fit import row_labels
from bayes_glmm.links import Link
from bayes_glmm.predict.averages import averaged_mean, averaged_probabilities
from bayes_glmm.predict.choices import averaged_choices
from bayes_glmm.predict.domain import check_average_exists, check_domain, check_mean_exists
from bayes_glmm.predict.joint import enters_mean, jointly_averaged_mean, random_covariances
from bayes_glmm.predict.linear import Rows, fixed_part, group_part, random_variance
from bayes_glmm.predict.meanings import READ, RandomEffects, as_text, check_choice, factor_meanings, stated
from bayes_glmm.predict.newdata import complete_rows, design_at, row_frame
from bayes_glmm.predict.pieces import chunks, piecewise
from bayes_glmm.predict.posterior import PosteriorDraws, posterior_draws
from bayes_glmm.predict.quadrature import gaussian_mean
from bayes_glmm.predict.scales import check_one_predictor, scales
from bayes_glmm.spec.parameters import Channel

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]

NEW_LEVELS = ("error", "sample", "typical")


@dataclass(frozen=True, eq=False)
class RowPredictor:
    """The expected response at the rows of a design, computed when asked.

    Parameters
    ----------
    draws
        Posterior draws.
    whole
        Design at the rows, with the columns of every linear predictor.
    family, link
        Of the model.
    meanings
        Of each grouping factor: ``"conditional"``, ``"typical"``, ``"marginal"`` or ``"new"``.
    new_levels
        What levels that were not fitted get under ``"conditional"``: ``"sample"`` or ``"typical"``.
    scale
        ``"response"`` for E[y | ...] (a probability for families with trials, the probability of each category for
        ordered responses), ``"link"``, or the name of a distributional parameter.
    seed
        Seed of the draws of new levels.
    labels
        Labels of an ordered response's categories; None for other responses.
    """

    draws: PosteriorDraws
    whole: Design
    family: Family
    link: Link
    meanings: Mapping[str, str]
    new_levels: str
    scale: str
    seed: int
    labels: tuple[str, ...] | None = None

    @property
    def design(self) -> Design:
        """The design as the mean's linear predictor sees it."""
        return self.whole.of(0)

    @property
    def others(self) -> dict[str, tuple[Channel, Design]]:
        """Further parameters with linear predictors of their own, each with the design as that sees it."""
        return {one.name: (one, self.whole.of(c)) for c, one in enumerate(self.whole.spec.channels, start=1)}

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.whole.offset)

    @property
    def categories(self) -> tuple[str, ...] | None:
        """Labels of the categories, where a row's value is a probability for each; None where it is one number."""
        return self.labels if self.scale == "response" else None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row's value: ``()``, or the number of categories."""
        return () if self.categories is None else (len(self.categories),)

    @property
    def read(self) -> tuple[GroupTerm, ...]:
        """The grouping factors whose levels are read, with the columns of every linear predictor."""
        return tuple(term for term in self.whole.groups if self.meanings[term.name] in READ)

    @property
    def averaged(self) -> tuple[GroupTerm, ...]:
        """The grouping factors whose effects are averaged over, as the mean's linear predictor sees them."""
        return tuple(term for term in self.design.groups if self.meanings[term.name] == "marginal")

    @property
    def joint(self) -> tuple[str, ...]:
        """Further parameters whose effects are averaged over together with the mean's: the response's mean has them."""
        if self.scale != "response" or self.family.mean is None:
            return ()
        return tuple(one.name for one, _ in self._random_parameters(np.arange(min(1, self.rows)), self.averaged))

    def taking(self, part: Rows) -> RowPredictor:
        """Keep some of the posterior draws.

        Parameters
        ----------
        part
            Positions of the draws, ascending.

        Returns
        -------
        RowPredictor
            The same rows; this very predictor where the part is the whole.
        """
        return self if len(part) == self.draws.size else replace(self, draws=self.draws.taking(part))

    def location(self, rows: Rows) -> Array:
        """Compute what the family's density and draws take for mu: the mean parameter, or categories' probabilities.

        Parameters
        ----------
        rows
            Positions of the rows.

        Returns
        -------
        numpy.ndarray
            (S, rows), or (S, rows, categories) for ordered responses.

        Raises
        ------
        PredictionError
            If a linear predictor lies where the family has no response.
        """
        return self.location_at(self._in_domain(self.linear(rows), rows), rows)

    def location_at(self, eta: Array, rows: Rows) -> Array:
        """Compute `location` from linear predictors (S, rows): (S, rows), or (S, rows, categories)."""
        if self.family.probabilities is not None:
            return np.asarray(self.family.probabilities(eta, self.link, self.own_parameters(rows)))
        return np.asarray(self.link.inverse(eta))

    def parameters(self, rows: Rows) -> Mapping[str, Array]:
        """Return the family's auxiliary parameters as the density and draws of some rows take them.

        Parameters
        ----------
        rows
            Positions of the rows.

        Returns
        -------
        mapping
            (S, 1) each, (S, rows) where rows have precisions or formulas; (1, rows) of what more is known.
        """
        precision, known, own = self.whole.precision, self.whole.known, self.own_parameters(rows)
        if precision is None:
            return {**own, **{name: known[name][None, rows] for name in self.family.known if name in known}}
        assert self.family.at_precision is not None
        return self.family.at_precision(own, precision[rows])

    def own_parameters(self, rows: Rows) -> Mapping[str, Array]:
        """Return the auxiliary parameters at some rows of precision one, (S, rows) where they have a formula.

        Effects of factors that are averaged over are zero.
        """
        if not self.others:
            return self.draws.parameters
        values = ((name, one.inverse(self._linear(design, rows))) for name, (one, design) in self.others.items())
        return {**self.draws.parameters, **{name: np.asarray(value) for name, value in values}}

    def row_chunks(self) -> Iterator[Rows]:
        """Split all rows so that `location` of one chunk stays small.

        Yields
        ------
        numpy.ndarray
            Consecutive positions.
        """
        return chunks(self.rows, self.draws.size * len(self.labels or "1"))

    def linear(self, rows: Rows) -> Array:
        """Compute the linear predictor, without the effects of factors that are ``"typical"`` or ``"marginal"``.

        Parameters
        ----------
        rows
            Positions of the rows.

        Returns
        -------
        numpy.ndarray
            (S, rows), link scale.
        """
        return self._linear(self.design, rows)

    def _linear(self, design: Design, rows: Rows) -> Array:
        eta = fixed_part(self.draws, design, rows)
        if self.read:
            eta += group_part(
                self.draws, design, rows, meanings=self.meanings, new_levels=self.new_levels, seed=self.seed
            )
        return eta

    def values(self, rows: Rows) -> Array:
        """Compute the expected response.

        Parameters
        ----------
        rows
            Positions of the rows.

        Returns
        -------
        numpy.ndarray
            (S, rows), on the predictor's scale; (S, rows, categories) where there are `categories`.

        Raises
        ------
        PredictionError
            If the average over random effects does not exist for the link, or a linear predictor lies where the family
            has no response.

        Notes
        -----
        Under ``"marginal"`` the link scale is g(integral of g^-1(x'beta + z'u) N(u; 0, Sigma) du): the linear predictor
        of a model without random effects that would have the population's mean. Where some factors' effects are
        averaged over and others are given, the integral is over the former, about the linear predictor with the latter.
        """
        if self.scale in self.draws.parameters:
            return np.repeat(self.draws.parameters[self.scale], len(rows), axis=1)
        if self.scale in self.others:
            return self._parameter(*self.others[self.scale], rows)
        if self.scale == "link":
            check_one_predictor(self.family, averaged=bool(self.averaged))
        if not self.averaged:
            return self._unaveraged(rows)
        if self.family.support == "unordered":
            return self._averaged_choices(rows)
        eta, variance = self.linear(rows), random_variance(self.draws, self.design, rows, self.averaged)
        if self.labels is not None:
            return self._averaged_probabilities(eta, variance, rows)
        if self.scale == "link":
            return np.asarray(self.link.link(gaussian_mean(self.link, eta, variance)), dtype=float)
        eta = self._in_domain(eta, rows)
        if self.scale == "mu":
            return gaussian_mean(self.link, eta, variance)
        parameters, random = self.of_means(rows), self._random_parameters(rows, self.averaged)
        if not random:
            return averaged_mean(self.family, self.link, parameters, eta, variance)
        check_mean_exists(self.family)
        between = random_covariances(self.draws, (self.design, *(d for _, d in random)), rows, self.averaged)
        others = {one.name: (one, self._linear(design, rows)) for one, design in random}
        return jointly_averaged_mean(self.family, self.link, parameters, eta, others, between)

    def keys(self) -> Array:
        """Return what the prediction of a row depends on: rows with equal keys have equal predictions.

        Returns
        -------
        numpy.ndarray
            (rows, columns).
        """
        parts = [self.whole.X, self.whole.offset[:, None], self.whole.offsets.T]
        averaged = [term for term in self.whole.groups if self.meanings[term.name] == "marginal"]
        parts += [term.Z for term in self.read] + [term.variance_keys for term in averaged]
        parts += [term.codes[:, None].astype(float) for term in self.read]
        if self.family.known and self.family.mean is not None:
            parts += [self.whole.known[name][:, None] for name in ("lower", "upper")]
        return np.hstack(parts)

    def _averaged_probabilities(self, eta: Array, variance: Array, rows: Rows) -> Array:
        """Average each category's probability: differences of averages, where P(y <= c) depends on one threshold."""
        if not self.family.parameters[-1].increasing:
            return averaged_probabilities(self.family, self.link, self.own_parameters(rows), eta, variance)
        below = self.draws.parameters["thresholds"] - eta[..., None]
        cumulative = gaussian_mean(self.link, below, variance[..., None])
        return np.maximum(np.diff(cumulative, axis=-1, prepend=0.0, append=1.0), 0.0)

    def _averaged_choices(self, rows: Rows) -> Array:
        """Average the probabilities of categories without an order over the effects on all linear predictors."""
        designs = [design for _, design in self.others.values()]
        etas = [self._linear(design, rows) for design in designs]
        return averaged_choices(etas, random_covariances(self.draws, designs, rows, self.averaged))

    def _parameter(self, channel: Channel, design: Design, rows: Rows) -> Array:
        """Compute a parameter with a formula, averaged over the effects of factors that are ``"marginal"``."""
        eta = self._linear(design, rows)
        if not self.averaged:
            return np.asarray(channel.inverse(eta))
        terms = [design.group(term.name) for term in self.averaged]
        variance = random_variance(self.draws, design, rows, terms)
        return gaussian_mean(channel.link, eta, variance) + (channel.parameter.lower or 0.0)

    def _random_parameters(self, rows: Rows, terms: Sequence[GroupTerm]) -> list[tuple[Channel, Design]]:
        """List the further parameters that have some of the effects in question and are part of the response's mean."""
        names = {term.name for term in terms}
        return [
            (one, design)
            for c, (one, design) in enumerate(self.others.values(), start=1)
            if enters_mean(self.family, one.name)
            and any(term.name in names and term.acts_on(c).any() for term in self.whole.groups)
        ]

    def _sampled(self, rows: Rows) -> bool:
        """Whether deviations drawn from N(0, Sigma) stand in some of the rows."""
        fitted, sampled = self.draws.effects, self.new_levels == "sample"
        return any(
            self.meanings[term.name] == "new" or (sampled and np.any(term.codes[rows] >= fitted[term.name].shape[1]))
            for term in self.read
        )

    def _in_domain(self, eta: Array, rows: Rows) -> Array:
        check_domain(self.family, self.link, eta, sampled=self._sampled(rows))
        return eta

    def _unaveraged(self, rows: Rows) -> Array:
        if self.scale == "link":
            return self.linear(rows)
        if self._sampled(rows):  # their mean over draws is the same average
            terms = [self.design.group(term.name) for term in self.read]
            check_average_exists(self.link, random_variance(self.draws, self.design, rows, terms))
            if self.scale == "response" and self._random_parameters(rows, self.read):
                check_mean_exists(self.family)
        mu = self.location(rows)
        if self.scale == "mu" or self.family.mean is None:
            return mu
        return np.asarray(self.family.mean(mu, self.of_means(rows)), dtype=float)

    def of_means(self, rows: Rows) -> Mapping[str, Array]:
        """Return what the family's mean and variance take: its parameters, and the limits of rows that are cut off."""
        return self.parameters(rows) if self.family.known else self.own_parameters(rows)


def row_predictor(
    fit: Fit,
    frame: pd.DataFrame | None,
    *,
    random_effects: RandomEffects = "conditional",
    new_levels: str = "error",
    scale: str = "response",
    random_seed: int | None = None,
    draws: PosteriorDraws | None = None,
    trials: bool = False,
) -> RowPredictor:
    """Prepare predictions at the rows of a frame.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    frame
        Rows to predict, or None for the rows that were fitted.
    random_effects
        ``"conditional"``, ``"typical"``, ``"marginal"`` or ``"new"``, or one of them for each grouping factor named;
        others are ``"marginal"``.
    new_levels
        Under ``"conditional"``, levels that were not fitted are an ``"error"``, get draws from N(0, Sigma)
        (``"sample"``, one for each posterior draw and each distinct level), or zero (``"typical"``).
    scale
        ``"response"``, ``"link"``, or a distributional parameter (``"mu"``, ``"sigma"``).
    random_seed
        Seed of new levels' draws; None takes fresh entropy.
    draws
        The fit's draws, where they have been collected already.
    trials
        Whether the numbers of trials, or the precisions, are needed at these rows.

    Returns
    -------
    RowPredictor
        Nothing has been computed yet.

    Raises
    ------
    PredictionError
        If an argument is not one of its values, a column is missing, or levels are new and that is an error.
    """
    meanings = factor_meanings(fit.model.design, random_effects)
    check_choice("new_levels", new_levels, NEW_LEVELS)
    check_choice("scale", scale, scales(fit))
    seed = checked_seed(random_seed)
    design = fit.model.design
    if frame is not None:
        design = design_at(fit, frame, meanings=meanings, allow=new_levels != "error", trials=trials)
    spec, response = fit.model.spec, fit.model.design.response
    return RowPredictor(
        draws=posterior_draws(fit) if draws is None else draws,
        whole=design,
        family=spec.family,
        link=spec.link,
        meanings=meanings,
        new_levels=new_levels,
        scale=scale,
        seed=seed,
        labels=None if response is None else response.categories,
    )


def expected(
    fit: Fit,
    newdata: Any = None,
    *,
    random_effects: RandomEffects = "conditional",
    new_levels: str = "error",
    scale: str = "response",
    random_seed: int | None = None,
) -> xr.DataArray:
    """Compute the expected response for every posterior draw and row.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    newdata
        Rows to predict, a table as `GLMM` takes it; None for the rows that were fitted.
    random_effects
        ``"conditional"``: each level's own deviation. ``"typical"``: deviation zero. ``"marginal"``: averaged over N(0,
        Sigma). ``"new"``: every level counts as not seen yet, one deviation from N(0, Sigma) for each draw and distinct
        level, given its relatives where levels are related. Or one of these for each grouping factor named; others are
        ``"marginal"``.
    new_levels
        Under ``"conditional"``, what levels that were not fitted are: ``"error"``, ``"sample"`` or ``"typical"``.
    scale
        ``"response"`` (a probability for families with trials), ``"link"``, or a distributional parameter.
    random_seed
        Seed of new levels' draws.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw, obs, and category for the probabilities of an ordered response; all rows in memory at once.

    Raises
    ------
    PredictionError
        If an argument is not one of its values, a column is missing, a level is new, or the average does not exist.

    Notes
    -----
    With Mu(x, u) = E[y | x, u]: Mu(x, u_j), Mu(x, 0), the integral of Mu(x, u) N(u; 0, Sigma) du, and Mu(x, u_new). The
    linear predictor's random part is one normal variable per row, so the integral is one-dimensional.

    References
    ----------
    Skrondal, A. and Rabe-Hesketh, S. (2009). Prediction in multilevel generalized linear models. Journal of the Royal
    Statistical Society A 172, 659-687. doi:10.1111/j.1467-985X.2009.00587.x.
    """
    meanings = factor_meanings(fit.model.design, random_effects)
    frame = None if newdata is None else complete_rows(fit, row_frame(newdata), meanings=meanings)
    predictor = row_predictor(
        fit, frame, random_effects=random_effects, new_levels=new_levels, scale=scale, random_seed=random_seed
    )
    result = np.empty((predictor.draws.size, predictor.rows, *predictor.shape))
    pieces = list(chunks(predictor.rows, math.prod((predictor.draws.size, *predictor.shape))))
    for rows, values in piecewise(predictor.values, pieces):
        result[:, rows] = values
    index = fit.model.design.index if frame is None else frame.index
    coords: dict[str, object] = {"obs": row_labels(index)}
    if predictor.categories is not None:
        coords["category"] = list(predictor.categories)
    array = predictor.draws.unstack(result, coords)
    said = as_text(stated(random_effects, meanings))
    array.attrs = {"random_effects": said, "scale": scale, "new_levels": new_levels, "seed": predictor.seed}
    return array.rename("expected")
