"""Simulation residuals: where each response lies among responses the fitted model would have made.

Input: a `Fit`, or any DataTree with observed_data and posterior_predictive. Output: a Dataset of randomised quantile
residuals, uniform between 0 and 1 when the model is right, with the simulated responses they come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import stats

from bayes_glmm.arguments import as_whole, checked_name, checked_seed, own_arguments
from bayes_glmm.checks.places import NullCovariances
from bayes_glmm.design.known import recensored
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.families import DISCRETE, FAMILIES
from bayes_glmm.inference.fit import Fit, check_fit
from bayes_glmm.predict.added_columns import frame_with
from bayes_glmm.predict.draws import posterior_predictive, replicated, response_name, row_log_densities
from bayes_glmm.predict.expected import row_predictor
from bayes_glmm.predict.meanings import check_choice
from bayes_glmm.predict.newdata import row_frame
from bayes_glmm.predict.posterior import posterior_draws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bayes_glmm.families import Family, Parameters

Array = npt.NDArray[np.float64]

MODES = ("conditional", "new", "loo")
#: Names that the Dataset uses itself; columns of that name are coordinates with the suffix ``_data``.
_TAKEN = frozenset(
    {
        *("residual", "observed", "predicted", "simulated", "obs", "sample", "residual_draws", "lower", "upper"),
        *("predicted_draws", "zero_probability", "level_covariance", "score_variance", "moment", "moment_again"),
    }
)
_DRAWS = 500


@own_arguments
def simulate_residuals(
    fit: Fit | xr.DataTree,
    random_effects: str = "conditional",
    *,
    draws: int = _DRAWS,
    random_seed: int | None = None,
    var_name: str | None = None,
    data: Any = None,
    category: str | None = None,
) -> xr.Dataset:
    """Compute randomised quantile residuals by simulation.

    Parameters
    ----------
    fit
        A fit; or a DataTree with groups observed_data and posterior_predictive, from Bambi or plain PyMC, say.
    random_effects
        ``"conditional"``: responses of the fitted levels. ``"new"``: every group's effects drawn again from N(0,
        Sigma), in one draw the same for all rows of a group, so that a wrong distribution of the groups shows, too.
        ``"loo"``: of the fitted levels, each response weighed out of its own posterior (Pareto-smoothed importance
        sampling). Of a DataTree, what its posterior_predictive holds counts as ``"conditional"``.
    draws
        Simulated responses a row, in all chains together; at most as many as the posterior has.
    random_seed
        Seed of the simulated responses and of the ties' randomisation.
    var_name
        Of a DataTree: the response, where observed_data has several.
    data
        Columns to test residuals against, a table in the rows' order. Of a fit: columns that the model does not use,
        beside its own, which are there in any case; rows that the fit dropped for missing values are dropped here, too,
        where the table has the model's columns. Of a DataTree: the rows' predictors and groups; the response itself, or
        a column that orders the rows as the response does, is no predictor.
    category
        Of a fit to categories: residuals of whether a response is of this one, 0 or 1. None takes the codes 0, 1, ...
        of the categories as they stand; where these have no order, residuals are uniform all the same when the model is
        right, but what they show when it is not depends on how the categories happen to be sorted.

    Returns
    -------
    xarray.Dataset
        Over obs: ``residual`` (between 0 and 1), ``observed``, ``predicted`` (mean of the simulated responses; of
        successes in so many trials, their share), and the data's columns as coordinates (one called obs, say, as
        ``obs_data``; its own name finds it in every check). Over (sample, obs): ``simulated``; and for
        ``"conditional"`` residuals of a fit, of every single posterior draw, ``residual_draws``, the expectation
        ``predicted_draws``, P(Y < y) and P(Y <= y) as ``lower`` and ``upper``, and ``zero_probability``, P(Y = 0) of
        whole-numbered responses; with what tests expect when the model is right, ``level_covariance`` and
        ``score_variance`` over obs.
        ``attrs``: random_effects, seed, the names of ``predictors`` and ``groups``, and of the grouping factors most of
        whose levels have one row as ``row_effects``.

    Raises
    ------
    PredictionError
        If an argument is not one of its values, the DataTree lacks what is needed, or the rows of `data` cannot be
        lined up with those of the fit.

    Notes
    -----
    Of a fit, ``"conditional"`` and ``"loo"`` need no simulation: r = E[P(Y < y | draw) + u P(Y = y | draw)] over
    posterior draws, with u uniform, so that the ties of discrete responses are spread evenly. Otherwise r =
    (#{simulated < y} + u (#{simulated = y} + 1)) / (S + 1), which is exactly uniform when y and the S simulated
    responses come from one distribution. Averaged residuals have seen the data and are less spread than uniform ones
    where groups are small; those of a single posterior draw are uniform and independent, exactly, when the model is
    right (Johnson 2004), and are what `check_residuals` tests.

    References
    ----------
    Dunn, P. K. and Smyth, G. K. (1996). Randomized quantile residuals. Journal of Computational and Graphical
    Statistics 5, 236-244. doi:10.1080/10618600.1996.10474708.
    Johnson, V. E. (2004). A Bayesian chi-squared test for goodness-of-fit. Annals of Statistics 32, 2361-2384.
    doi:10.1214/009053604000000616.
    Hartig, F. (2024). DHARMa: residual diagnostics for hierarchical regression models. R package.
    Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC. Statistics and Computing 27, 1413-1432. doi:10.1007/s11222-016-9696-4.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> residuals = bg.simulate_residuals(fit, random_seed=1)
    >>> residuals["residual"].sizes["obs"]
    56
    """
    check_choice("random_effects", random_effects, MODES)
    seed, draws = checked_seed(random_seed), as_whole("draws", draws)
    if draws < 20:
        raise PredictionError(f"draws={draws}: ranks among so few say nothing; ask for at least 20.")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    if isinstance(fit, Fit):
        if var_name is not None:
            raise PredictionError("var_name= names the response of a DataTree; a fit has one response: leave it out.")
        variables = _of_fit(fit, random_effects, draws, seed, rng, _code(fit, category))
        frame, names = frame_with(fit.model.design, data), _columns_of(fit)
    else:
        if not isinstance(fit, xr.DataTree):
            check_fit(fit)
        if category is not None:
            raise PredictionError("category= is for fits to categories; a DataTree holds numbers.")
        if random_effects != "conditional":
            raise PredictionError("A DataTree holds one kind of simulated responses: use random_effects='conditional'.")
        observed, simulated = _of_tree(fit, var_name, draws)
        variables = {**_by_rank(observed, simulated, rng), "predicted": simulated.mean(axis=0)}
        frame = pd.DataFrame(index=pd.RangeIndex(len(observed))) if data is None else row_frame(data)
        if len(frame) != len(observed):
            raise PredictionError(f"data has {len(frame)} rows, the observed response {len(observed)}.")
        predictors = [str(c) for c in frame.columns if not _is_response(frame[c], observed)]
        names = {"predictors": predictors, "groups": [], "row_effects": []}
    said = {} if category is None else {"category": category}
    return _dataset(variables, frame, {"random_effects": random_effects, "seed": seed, **said, **names})


def _code(fit: Fit, category: str | None) -> int | None:
    """Find the code of a category."""
    if category is None:
        return None
    response = fit.model.design.response
    labels = () if response is None else response.categories or ()
    if category not in labels:
        hint = nearest(str(category), labels) if labels else "The response has no categories; leave it out."
        raise PredictionError(f"category: there is no category {category!r}. {hint}")
    return labels.index(category)


def ranks_of_all(observed: Array, simulated: Array, rng: np.random.Generator) -> Array:
    """Rank the observed and every simulated data set among each other.

    Parameters
    ----------
    observed
        (rows,) responses.
    simulated
        (S, rows) simulated responses.
    rng
        Spreads ties.

    Returns
    -------
    numpy.ndarray
        (S + 1, rows) residuals between 0 and 1; the first row is that of the observed data.
    """
    stacked = np.vstack([observed, simulated])
    lowest = stats.rankdata(stacked, method="min", axis=0)
    highest = stats.rankdata(stacked, method="max", axis=0)
    return np.asarray((lowest - 1 + rng.random(stacked.shape) * (highest - lowest + 1)) / len(stacked), dtype=float)


def column_of(residuals: xr.Dataset, name: str, kind: str) -> npt.NDArray[Any]:
    """Find a column of the data by its own name.

    Parameters
    ----------
    residuals
        Result of `simulate_residuals`.
    name
        The column, as the data call it.
    kind
        What the column is asked for, for the error.

    Returns
    -------
    numpy.ndarray
        (rows,) its values.

    Raises
    ------
    PredictionError
        If there is no such column.
    """
    coordinates = {str(place): values for place, values in residuals.coords.items() if place not in ("obs", "sample")}
    columns = {str(values.attrs.get("column", place)): values for place, values in coordinates.items()}
    if checked_name(kind, name) not in columns:
        raise PredictionError(
            f"{kind}: the residuals have no column {name!r}. {nearest(name, columns)} Columns that the model does not "
            "use come with data= of simulate_residuals."
        )
    return np.asarray(columns[name].to_numpy())


def _by_rank(observed: Array, simulated: Array, rng: np.random.Generator) -> dict[str, Array]:
    below, equal = (simulated < observed).sum(axis=0), (simulated == observed).sum(axis=0)
    residual = (below + rng.random(len(observed)) * (equal + 1)) / (len(simulated) + 1)
    return {"residual": residual, "observed": observed, "simulated": simulated}


def _of_fit(fit: Fit, mode: str, draws: int, seed: int, rng: np.random.Generator, code: int | None) -> dict[str, Array]:
    chains, available = fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]
    per_chain = min(available, -(-draws // chains))
    response = fit.model.design.response
    assert response is not None
    observed = np.asarray(response.y, dtype=float)
    if mode == "new":
        tree = replicated(fit, per_chain, seed)
    else:
        tree = posterior_predictive(fit, draws=per_chain, random_seed=seed)
    simulated = tree["posterior_predictive"][response_name(fit)].to_numpy()
    simulated = simulated.reshape(-1, simulated.shape[-1])
    if code is not None:
        observed, simulated = (observed == code).astype(float), (simulated == code).astype(float)
    predicted = simulated.mean(axis=0) / (1.0 if response.trials is None else response.trials)
    # as they would have been recorded, where responses are censored
    simulated = recensored(response, fit.model.spec.family.support, simulated)[0]
    if mode == "new":
        return {**_by_rank(observed, simulated, rng), "predicted": predicted}
    of_draws = _of_draws(fit, observed, simulated, per_chain, code)
    lower, upper = of_draws["lower"], of_draws["upper"]
    within = rng.random(len(observed))
    if mode == "loo":
        weights = _loo_weights(fit, per_chain)
        below, most = (weights * lower).sum(axis=0), (weights * upper).sum(axis=0)
        residual = below + within * (most - below)
        return {"residual": residual, "observed": observed, "simulated": simulated, "predicted": predicted}
    residuals = lower + within * (upper - lower)
    return {
        "residual": residuals.mean(axis=0),
        "observed": observed,
        "simulated": simulated,
        "predicted": predicted,
        "residual_draws": residuals,
        **of_draws,
    }


def _of_draws(fit: Fit, observed: Array, simulated: Array, per_chain: int, code: int | None) -> dict[str, Array]:
    """Of every posterior draw and row, all that the tests of single draws read."""
    predictor = row_predictor(fit, None, scale="link", random_seed=0, draws=posterior_draws(fit, per_chain))
    family = predictor.family if code is None else FAMILIES["bernoulli"]
    trials = None if predictor.design.response is None else predictor.design.response.trials
    whole = family.support in DISCRETE
    ties = whole or bool(family.atoms) or family.places is not None
    names = ("lower", "upper", "predicted_draws", *(("zero_probability",) if whole or 0.0 in family.atoms else ()))
    result = {name: np.empty((predictor.draws.size, predictor.rows)) for name in names}
    nulls = []
    for rows in predictor.row_chunks():
        mu, n = predictor.location(rows), None if trials is None else trials[rows]
        mu, parameters = (mu, predictor.parameters(rows)) if code is None else (mu[..., code], {})
        result["predicted_draws"][:, rows] = _expected(family, mu, parameters)

        def places(y: Array, seen: bool = False, model: tuple[Any, ...] = (mu, parameters, n)) -> tuple[Array, Array]:
            return _places(family, y, seen, *model)

        lower, upper = places(observed[rows], seen=True)
        result["lower"][:, rows], result["upper"][:, rows] = lower, np.maximum(upper, lower)
        if "zero_probability" in result:
            result["zero_probability"][:, rows] = family.cdf(np.zeros(len(rows)), mu, parameters, n)
        made = simulated[:, rows]
        nulls.append(NullCovariances.of_simulated(*places(made)) if ties else NullCovariances.of_points(len(rows)))
    result["level_covariance"] = np.concatenate([null.level for null in nulls])
    result["score_variance"] = np.concatenate([null.score for null in nulls])
    return result


def _places(
    family: Family, y: Array, seen: bool, mu: Array, parameters: Parameters, trials: Array | None
) -> tuple[Array, Array]:
    """P(Y < y) and P(Y <= y), (S, rows): the same where a response has no ties, apart where it is censored."""
    if family.places is not None:
        lower, upper = family.places(y, mu, parameters, seen)
        return np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    upper = np.asarray(family.cdf(y, mu, parameters, trials), dtype=float)
    if family.support in DISCRETE:
        return np.asarray(family.cdf(y - 1.0, mu, parameters, trials), dtype=float), upper
    if not family.atoms:
        return upper, upper
    below = family.cdf(np.nextafter(y, -np.inf), mu, parameters, trials)
    return np.where(np.isin(y, family.atoms), below, upper), upper


def _expected(family: Family, mu: Array, parameters: Parameters) -> Array:
    """Compute the mean (S, rows) of a response on its own scale: of a single trial, of the codes of categories."""
    if family.probabilities is not None:
        return np.asarray(mu @ np.arange(mu.shape[-1], dtype=float))
    return mu if family.mean is None else np.asarray(family.mean(mu, parameters), dtype=float)


def _is_response(column: pd.Series, observed: Array) -> bool:
    """Say whether a column orders the rows as the response does or the other way round, ties included."""
    if not pd.api.types.is_numeric_dtype(column) or column.isna().any():
        return False
    order, values = stats.rankdata(observed), column.to_numpy(dtype=float)
    return any(np.array_equal(stats.rankdata(sign * values), order) for sign in (1.0, -1.0))


def _loo_weights(fit: Fit, per_chain: int) -> Array:
    """Compute Pareto-smoothed weights (S, rows) of each row's own leave-one-out posterior; they sum to one."""
    from arviz_stats.base import array_stats

    chains, available = fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]
    picked = np.linspace(0, available - 1, per_chain).round().astype(int)
    density = row_log_densities(fit)
    log_density = density.reshape(chains, available, -1)[:, picked].reshape(-1, density.shape[1])
    smoothed = array_stats.psislw(np.ascontiguousarray(log_density.T), axis=-1)[0].T
    weights = np.exp(smoothed - smoothed.max(axis=0))
    return np.asarray(weights / weights.sum(axis=0), dtype=float)


def _of_tree(tree: xr.DataTree, var_name: str | None, draws: int) -> tuple[Array, Array]:
    for group in ("observed_data", "posterior_predictive"):
        if group not in tree.children:
            raise PredictionError(f"The DataTree has no group {group!r}; it has {', '.join(tree.children) or 'none'}.")
    names = [str(name) for name in tree["observed_data"].data_vars]
    if var_name is None and len(names) != 1:
        raise PredictionError(f"var_name= must name the response: {', '.join(map(repr, names))}.")
    name = names[0] if var_name is None else var_name
    for group in ("observed_data", "posterior_predictive"):
        if name not in tree[group].data_vars:
            raise PredictionError(f"{group} has no {name!r}. {nearest(name, map(str, tree[group].data_vars))}")
    observed = np.asarray(tree["observed_data"][name].to_numpy(), dtype=float).reshape(-1)
    array = tree["posterior_predictive"][name].transpose("chain", "draw", ...).to_numpy()
    simulated = np.asarray(array.reshape(array.shape[0] * array.shape[1], -1), dtype=float)
    if simulated.shape[1] != len(observed):
        raise PredictionError(f"{name!r} has {len(observed)} observed and {simulated.shape[1]} simulated responses.")
    picked = np.linspace(0, len(simulated) - 1, min(draws, len(simulated))).round().astype(int)
    return observed, simulated[picked]


def _columns_of(fit: Fit) -> Mapping[str, list[str]]:
    formula, design = fit.model.spec.formula, fit.model.design
    single = [term.name for term in design.groups if 2 * np.sum(np.bincount(term.codes) == 1) > term.size]
    return {"predictors": list(formula.predictors), "groups": list(formula.group_columns), "row_effects": single}


def _dataset(variables: dict[str, Array], frame: pd.DataFrame, attrs: dict[str, Any]) -> xr.Dataset:
    coords: dict[str, Any] = {"obs": np.arange(len(variables["observed"]))}
    for name in frame.columns:
        fresh = name
        while fresh in _TAKEN or (fresh != name and fresh in frame):
            fresh += "_data"
        column = frame[name]
        number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        values = column.to_numpy(dtype=float, na_value=np.nan) if number else column.astype(str).to_numpy(dtype=object)
        coords[fresh] = ("obs", values if number else np.where(column.isna(), None, values), {"column": name})
    over: dict[str, tuple[str, ...]] = {"level_covariance": ("obs", "moment", "moment_again")}
    dataset = xr.Dataset(
        {name: (over.get(name, ("sample", "obs")[-values.ndim :]), values) for name, values in variables.items()},
        coords=coords,
    )
    dataset.attrs = {
        **attrs,
        "predictors": [name for name in attrs["predictors"] if name in frame],
        "groups": [name for name in attrs["groups"] if name in frame],
    }
    return dataset
