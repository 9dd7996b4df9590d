"""Draws of new responses, and the pointwise log-likelihood.

Input: a `Fit` and rows. Output: an `xarray.DataTree` with the group posterior_predictive or log_likelihood; dims chain,
draw, obs, the variable named as the response, so that ArviZ's functions take them as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.arguments import own_arguments
from bayes_glmm.errors import PredictionError, SamplingError, warn
from bayes_glmm.families import DISCRETE
from bayes_glmm.families.family import LARGEST_COUNT
from bayes_glmm.inference.fit import check_fit, row_labels
from bayes_glmm.model.naming import observed_name
from bayes_glmm.predict.domain import must_be_positive
from bayes_glmm.predict.expected import RowPredictor, row_predictor
from bayes_glmm.predict.meanings import RandomEffects, as_text, factor_meanings, stated
from bayes_glmm.predict.newdata import complete_rows, row_frame
from bayes_glmm.predict.pieces import in_threads, piecewise
from bayes_glmm.predict.posterior import posterior_draws
from bayes_glmm.predict.relatives import redrawn

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

_LARGEST = np.iinfo(np.int64).max
_NEARER = "Rows nearer to those that were fitted make "


@own_arguments
def posterior_predictive(
    fit: Fit,
    newdata: Any = None,
    *,
    random_effects: RandomEffects = "conditional",
    new_levels: str = "error",
    draws: int | None = None,
    random_seed: int | None = None,
) -> xr.DataTree:
    """Draw responses from the posterior predictive distribution.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    newdata
        Rows to predict; None for the rows that were fitted. Families with trials need the column of trials, responses
        with precisions that of the precisions.
    random_effects
        ``"conditional"``: groups as fitted. ``"typical"``: deviation zero. ``"new"``: every level counts as not seen
        yet, one deviation for each posterior draw and distinct level, shared by the rows of that level, and given its
        relatives as fitted where levels are related; rows without the factor's column are all of one new level. Or one
        of these for each grouping factor named, ``{"Site": "conditional", "Site:Year": "new"}``; others are ``"new"``.
    new_levels
        Under ``"conditional"``, what levels that were not fitted are: ``"error"``, ``"sample"`` or ``"typical"``.
    draws
        Draws to use from each chain, evenly spaced; None uses all.
    random_seed
        Seed of the responses and of new levels' deviations.

    Returns
    -------
    xarray.DataTree
        Group posterior_predictive: the response's name, dims chain, draw, obs, on the response's own scale (successes
        for families with trials, codes 0, 1, ... for ordered categories, whose labels are in ``attrs``). Censored
        responses are drawn whole, truncated ones within their limits.

    Raises
    ------
    PredictionError
        If an argument is not one of its values (a single response is never a population average, so ``"marginal"`` is
        refused), a column is missing, or a level is new.

    References
    ----------
    Gelman, A., Meng, X.-L. and Stern, H. (1996). Posterior predictive assessment of model fitness via realized
    discrepancies. Statistica Sinica 6, 733-807.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> draws = bg.posterior_predictive(fit, random_seed=1)
    >>> draws["posterior_predictive"]["incidence"].dims
    ('chain', 'draw', 'obs')
    """
    check_fit(fit, frames=newdata is not None)
    meanings = factor_meanings(fit.model.design, random_effects, unnamed="new")
    if "marginal" in (random_effects, *meanings.values()):
        raise PredictionError(
            "One response belongs to one group, so it cannot be drawn with random_effects='marginal'. Use 'new': "
            "responses of groups drawn from the population. Averages over the population are given by predictions(...)."
        )
    frame = None
    if newdata is not None:
        frame = complete_rows(fit, row_frame(newdata), meanings=meanings, trials=True)
    predictor = row_predictor(
        fit,
        frame,
        random_effects=meanings or random_effects,
        new_levels=new_levels,
        scale="link",
        random_seed=random_seed,
        draws=posterior_draws(fit, draws),
        trials=True,
    )
    index = fit.model.design.index if frame is None else frame.index
    said = as_text(stated(random_effects, meanings))
    return _responses(fit, predictor, index, {"random_effects": said, "new_levels": new_levels})


def missing_responses(fit: Fit, *, draws: int | None = None, random_seed: int | None = None) -> xr.DataArray:
    """Draw the responses that are missing in the data of a fit with ``missing="predict"``.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    draws
        Draws to use from each chain, evenly spaced; None uses all.
    random_seed
        Seed of the responses, and of effects of levels without any response.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw, obs: draws of the rows' responses from their posterior predictive distribution, under the
        labels of the user's rows. Levels of grouping factors have the effects that were fitted; one without any
        response has one from N(0, Sigma) in each draw, the same in all of its rows.

    Raises
    ------
    PredictionError
        If no response is missing, or the rows were dropped.
    """
    check_fit(fit)
    rows = fit.model.design.unanswered
    if rows is None:
        raise PredictionError(
            f"The model was made with missing={fit.model.spec.missing!r}, which keeps no rows without a response: "
            "GLMM(..., missing='predict')."
        )
    if not len(rows):
        raise PredictionError("No row of the data misses its response alone, so there is nothing to predict.")
    drawn = posterior_predictive(fit, rows, new_levels="sample", draws=draws, random_seed=random_seed)
    return drawn["posterior_predictive"].to_dataset()[response_name(fit)]


def replicated(fit: Fit, draws: int, random_seed: int) -> xr.DataTree:
    """Draw the data of the fit again, every group's effects drawn again, too.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    draws
        Draws to use from each chain, evenly spaced.
    random_seed
        Seed of effects and responses.

    Returns
    -------
    xarray.DataTree
        As of `posterior_predictive`. Effects are those of ``random_effects="new"``; of related levels, all of a factor
        are drawn together from N(0, Sigma (x) A), where ``"new"`` draws each given its relatives as fitted.
    """
    groups, posterior = fit.model.design.groups, posterior_draws(fit, draws)
    meanings = {term.name: "new" if term.structure is None else "conditional" for term in groups}
    predictor = row_predictor(
        fit,
        None,
        random_effects=meanings or "new",
        scale="link",
        random_seed=random_seed,
        draws=redrawn(posterior, fit.model.design, random_seed),
        trials=True,
    )
    return _responses(fit, predictor, fit.model.design.index, {"random_effects": "new", "new_levels": "error"})


def prior_predictive(fit: Fit, random_seed: int) -> xr.DataTree:
    """Draw responses of the fitted rows, where the parameters are draws from the prior.

    Parameters
    ----------
    fit
        The model with its prior's draws as posterior.
    random_seed
        Seed of the responses.

    Returns
    -------
    xarray.DataTree
        Groups prior and prior_predictive.

    Raises
    ------
    SamplingError
        If the prior reaches linear predictors for which the family has no response.
    """
    predictor = row_predictor(fit, None, scale="link", random_seed=random_seed, trials=True)
    family, link = predictor.family, predictor.link
    if must_be_positive(family, link):
        lowest = min(float(predictor.linear(rows).min()) for rows in predictor.row_chunks())
        if lowest <= 0.0:
            raise SamplingError(
                f"With the {link.name} link the linear predictor of a {family.name} response must be above 0, and the "
                f"prior has it as low as {lowest:.3g}: no responses can be drawn. Use the log link, or state priors "
                "that keep it above 0."
            )
    tree = _responses(fit, predictor, fit.model.design.index, {}, "drawn from the prior ", "Narrower priors make ")
    responses = tree["posterior_predictive"].to_dataset().drop_attrs()
    return xr.DataTree.from_dict({"prior": fit.posterior, "prior_predictive": responses})


def _responses(
    fit: Fit, predictor: RowPredictor, index: Any, attrs: dict[str, Any], origin: str = "", advice: str = _NEARER
) -> xr.DataTree:
    """Draw responses at a predictor's rows; where they are from and what makes believable ones, for a warning."""
    trials = predictor.design.trials
    rng = np.random.default_rng(np.random.SeedSequence(predictor.seed, spawn_key=(1,)))
    whole = predictor.family.support in DISCRETE
    result: npt.NDArray[Any] = np.empty((predictor.draws.size, predictor.rows), dtype=np.int64 if whole else float)
    beyond = 0
    for rows in predictor.row_chunks():
        n = None if trials is None else trials[rows]
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):  # as extreme as asked for
            mu = predictor.location(rows)
            drawn = predictor.family.simulate(rng, mu, predictor.parameters(rows), n)
        if whole:
            large = ~(drawn < LARGEST_COUNT)
            beyond += int(large.sum())
            drawn = np.where(large, 0, drawn).astype(np.int64)
            drawn[large] = _LARGEST
        result[:, rows] = drawn
    if beyond:
        warn(
            f"{beyond} of {result.size} responses {origin}are greater than {_LARGEST:.2g}, the largest whole number "
            f"there is, and stand as that number. {advice}believable data."
        )
    dataset = predictor.draws.unstack(result, {"obs": row_labels(index)}).to_dataset(name=response_name(fit))
    dataset.attrs = {**attrs, "seed": predictor.seed}
    if "censored" in predictor.family.knowing:
        dataset.attrs["censored"] = "no: these are the responses themselves, not what would be recorded of them"
    if predictor.labels is not None:
        dataset.attrs["categories"] = list(predictor.labels)
    return xr.DataTree.from_dict({"posterior_predictive": dataset})


@own_arguments
def log_likelihood(fit: Fit) -> xr.DataTree:
    """Compute the log density of every observation under every posterior draw, groups as fitted.

    Parameters
    ----------
    fit
        The fit; it is not changed.

    Returns
    -------
    xarray.DataTree
        Group log_likelihood: the response's name, dims chain, draw, obs; log density of y, times the row's weight where
        there are weights. ``fit.extend("log_likelihood")`` puts it into ``fit.dt``.

    References
    ----------
    Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC. Statistics and Computing 27, 1413-1432. doi:10.1007/s11222-016-9696-4.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> log_likelihood = bg.log_likelihood(fit)
    """
    values, posterior = row_log_densities(fit), fit.posterior
    values = values.reshape(posterior.sizes["chain"], posterior.sizes["draw"], -1)
    coords = {"chain": posterior["chain"], "draw": posterior["draw"], "obs": row_labels(fit.model.design.index)}
    dataset = xr.Dataset({response_name(fit): (("chain", "draw", "obs"), values)}, coords=coords)
    return xr.DataTree.from_dict({"log_likelihood": dataset})


def row_log_densities(fit: Fit) -> Array:
    """Compute the log density of every observation as a plain array.

    Parameters
    ----------
    fit
        The fit; it is not changed.

    Returns
    -------
    numpy.ndarray
        (S, rows), times the rows' weights.
    """
    check_fit(fit)
    predictor: RowPredictor = row_predictor(fit, None, scale="link", random_seed=0)
    result = np.empty((predictor.draws.size, predictor.rows))

    def density(rows: Rows) -> Array:
        return row_log_density(predictor, predictor.linear(rows), rows)

    for rows, values in piecewise(density, list(predictor.row_chunks())):
        result[:, rows] = values
    return result


def total_log_likelihood(fit: Fit) -> xr.DataArray:
    """Compute the log likelihood of all observations together under every posterior draw.

    Parameters
    ----------
    fit
        The fit; it is not changed.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw; the sum of `log_likelihood` over rows, which are never held all at once.
    """
    predictor: RowPredictor = row_predictor(fit, None, scale="link", random_seed=0)

    def part(rows: Rows) -> Array:
        return np.asarray(row_log_density(predictor, predictor.linear(rows), rows).sum(axis=1))

    total = sum(in_threads(part, list(predictor.row_chunks())), np.zeros(predictor.draws.size))
    return predictor.draws.unstack(total[:, None]).isel(obs=0)


def row_log_density(predictor: RowPredictor, eta: Array, rows: Rows) -> Array:
    """Compute the log density of some rows' responses at linear predictors, times the rows' weights.

    Parameters
    ----------
    predictor
        Of the fitted rows.
    eta
        (S, rows) linear predictors, link scale.
    rows
        Positions of the rows.

    Returns
    -------
    numpy.ndarray
        (S, rows); -inf where a linear predictor stands for no response, as for the samplers.
    """
    response = predictor.design.response
    assert response is not None
    trials = None if response.trials is None else response.trials[rows]
    outside = eta <= 0.0 if must_be_positive(predictor.family, predictor.link) else None
    inside = eta if outside is None else np.where(outside, 1.0, eta)
    mu, parameters = predictor.location_at(inside, rows), predictor.parameters(rows)
    density = np.asarray(predictor.family.log_density(response.y[rows], mu, parameters, trials), dtype=float)
    if outside is not None:
        density = np.where(outside, -np.inf, density)
    if response.weights is None:
        return density
    return np.where(response.weights[rows] > 0, density, 0.0) * response.weights[rows]


def response_name(fit: Fit) -> str:
    """Return the name of the response's variable, the same as in the fit's observed_data.

    Parameters
    ----------
    fit
        The fit.

    Returns
    -------
    str
        The response's own name, or ``"response"`` where a parameter has that name.
    """
    return observed_name(fit.model.design, [str(name) for name in fit.posterior.data_vars])
