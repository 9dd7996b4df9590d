"""Tests of simulation residuals: one table, a statistic, a p-value and a sentence for each.

Input: the Dataset of `simulate_residuals`. Output: a DataFrame indexed by test. Residuals of a single posterior draw
are uniform and independent when the model is right, so each draw has p-values of its own; the table has their medians.
With groups drawn again, the rows of a group share what was drawn for it: p-values come from the simulated data sets,
each taken for the observed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import stats

from bayes_glmm.arguments import checked_names, in_words, own_arguments
from bayes_glmm.checks.places import NullCovariances, below_quantiles, middle_and_spread, square_score
from bayes_glmm.checks.residuals import column_of, ranks_of_all
from bayes_glmm.errors import PredictionError
from bayes_glmm.printing.table import HEADING, Table

Array = npt.NDArray[np.float64]

ALPHA = 0.05
_DEGREE = 3  # of the polynomial in a predictor's rank
_MOST_SPATIAL = 3000
_EXTREME = 0.001  # a residual this near 0 or 1 is an outlier
_SINGULAR, _NO_VARIANCE = 1e-8, 1e-12
_UNIFORM_VARIANCES = np.array([1 / 12, 1 / 48])  # of a uniform residual and of its distance from one half


@dataclass(frozen=True, eq=False)
class Ranks:
    """Residuals of several data sets or posterior draws.

    Parameters
    ----------
    values
        (D, rows), between 0 and 1.
    resampled
        Whether the first row is the observed data set and the others are simulated ones; otherwise each row holds the
        observed data set's residuals under one posterior draw.
    lower, upper
        (D, rows) intervals that `values` lie in: where whole numbers lie in their distribution.
    null
        Covariances of what is computed of the intervals when the model is right.
    """

    values: Array
    resampled: bool
    lower: Array
    upper: Array
    null: NullCovariances

    @classmethod
    def of_points(cls, values: Array, resampled: bool) -> Ranks:
        """Take residuals as points."""
        return cls(values, resampled, values, values, NullCovariances.of_points(values.shape[1]))

    @classmethod
    def of_dataset(cls, residuals: xr.Dataset) -> Ranks:
        """Take what `bayes_glmm.simulate_residuals` gave."""
        residual = residuals["residual"].to_numpy()
        if residuals.attrs["random_effects"] == "new":
            rng = np.random.default_rng(np.random.SeedSequence(int(residuals.attrs["seed"]), spawn_key=(3,)))
            others = ranks_of_all(residuals["observed"].to_numpy(), residuals["simulated"].to_numpy(), rng)[1:]
            return cls.of_points(np.vstack([residual, others]), True)
        if "residual_draws" not in residuals:
            return cls.of_points(residual[None], False)
        null = NullCovariances(
            level=residuals["level_covariance"].to_numpy(), score=residuals["score_variance"].to_numpy()
        )
        values, lower, upper = (residuals[name].to_numpy() for name in ("residual_draws", "lower", "upper"))
        return cls(values, False, lower, upper, null)

    def of_rows(self, rows: npt.NDArray[np.bool_]) -> Ranks:
        """Keep the rows where a mask is true."""
        null = NullCovariances(level=self.null.level[rows], score=self.null.score[rows])
        return Ranks(self.values[:, rows], self.resampled, self.lower[:, rows], self.upper[:, rows], null)

    @property
    def rows(self) -> int:
        """Number of responses."""
        return self.values.shape[1]

    @property
    def middles(self) -> Array:
        """(D, rows) middles of the intervals."""
        return 0.5 * (self.lower + self.upper)


@dataclass(frozen=True)
class _Outcome:
    """One row of the table."""

    test: str
    statistic: float
    p_value: float
    fine: str
    wrong: str


@own_arguments
def check_residuals(
    residuals: xr.Dataset,
    *,
    predictors: str | Sequence[str] | None = None,
    groups: str | Sequence[str] | None = None,
    time: str | None = None,
    space: tuple[str, str] | None = None,
    alpha: float = ALPHA,
) -> pd.DataFrame:
    """Test whether simulation residuals look as they should.

    Parameters
    ----------
    residuals
        Result of `bayes_glmm.simulate_residuals`.
    predictors
        Columns to test the residuals against; None for the model's predictors.
    groups
        Columns between whose levels residuals are compared; None for the model's grouping factors.
    time
        Column that orders the rows (within each level of the first of `groups`, where times repeat) for a test of
        autocorrelation; None for no such test.
    space
        Two columns of coordinates for a test of spatial autocorrelation; None for no such test.
    alpha
        p-values below it are called signs of a problem.

    Returns
    -------
    pandas.DataFrame
        Indexed by test: statistic, p_value and verdict, a sentence. Of the tests: ``uniformity`` (Kolmogorov-Smirnov),
        ``dispersion`` (mean square of the residuals' normal scores; 1 is right), ``outliers`` (residuals within 0.001
        of 0 or 1), ``zeros`` (of whole-numbered responses that have some; observed over expected), ``predicted`` (not
        of ``"loo"`` residuals and those of a DataTree, whose predictions have seen the responses) and each predictor
        (quartiles of the residuals against it), groups (products of the mean and spread of two rows of one level, in
        standard deviations; 0 is right), time (Durbin-Watson), space (Moran's I). Rows in which a column is missing are
        left out of that column's test, and the verdict says so.

    Raises
    ------
    PredictionError
        If a column is not there or cannot serve.

    Notes
    -----
    p-values are not adjusted for their number; ``attrs["tests"]`` counts them. Statistics and p-values of
    ``"conditional"`` residuals are medians over posterior draws, each draw's residuals being tested against that draw's
    own predictions: a draw and the responses have the joint distribution of the true parameters and the responses, so
    that the residuals are independent of whatever is computed of the draw and the predictors, and of nothing that has
    seen the responses in another way. What a level or row effect of its own can absorb shows with
    ``random_effects="new"`` alone. Of whole-numbered responses tests take averages over
    the interval in which the residual lies, not a point of it, with the variance that simulated responses have. A wrong
    distribution of the groups shows with ``random_effects="new"``. Residuals of a DataTree, ``"loo"`` and averages have
    seen the data: where groups are small, a right model looks too well behaved.

    References
    ----------
    Johnson, V. E. (2004). A Bayesian chi-squared test for goodness-of-fit. Annals of Statistics 32, 2361-2384.
    doi:10.1214/009053604000000616.
    Hartig, F. (2024). DHARMa: residual diagnostics for hierarchical regression models. R package.
    Durbin, J. and Watson, G. S. (1950). Testing for serial correlation in least squares regression. Biometrika 37,
    409-428. doi:10.1093/biomet/37.3-4.409.
    Moran, P. A. P. (1950). Notes on continuous stochastic phenomena. Biometrika 37, 17-23.
    doi:10.1093/biomet/37.1-2.17.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> residuals = bg.simulate_residuals(fit, random_seed=1)
    >>> table = bg.check_residuals(residuals)
    >>> table.index.tolist()
    ['uniformity', 'dispersion', 'outliers', 'zeros', 'predicted', 'period', 'herd']
    """
    _check_arguments(residuals, space, alpha)
    wanted = _names(residuals, "predictors", predictors), _names(residuals, "groups", groups)
    ranks = Ranks.of_dataset(residuals)
    dispersion = _dispersion(ranks, residuals.attrs["row_effects"])
    outcomes = [_uniformity(ranks), dispersion, _outliers(ranks), *_zeros(residuals)]
    outcomes += list(_against(residuals, ranks, *wanted))
    if time is not None:
        outcomes.append(_temporal(residuals, ranks, time, wanted[1]))
    if space is not None:
        outcomes.append(_spatial(residuals, ranks, space))
    rows = [(o.statistic, o.p_value, o.wrong if o.p_value < alpha else o.fine) for o in outcomes]
    index = pd.Index([outcome.test for outcome in outcomes], name="test")
    table = Table(rows, index=index, columns=["statistic", "p_value", "verdict"])
    table.attrs = {"random_effects": residuals.attrs["random_effects"], "alpha": alpha, "tests": len(table)}
    table.attrs[HEADING] = (
        f"Tests of {residuals.attrs['random_effects']} residuals. A p-value below {alpha:g} is called a sign of a "
        f"problem; a right model has {alpha * len(table):.2g} of them in {len(table)} tests."
    )
    return table


def _check_arguments(residuals: Any, space: Any, alpha: Any) -> None:
    """Refuse what are no residuals, no two coordinates or no probability."""
    if not isinstance(residuals, xr.Dataset) or "residual" not in residuals or "predictors" not in residuals.attrs:
        raise PredictionError(
            f"check_residuals takes the result of simulate_residuals(fit), not {in_words(residuals)}."
        )
    if space is not None and (isinstance(space, str) or len(checked_names("space", space)) != 2):
        raise PredictionError(f"space= takes two columns of coordinates, such as ('east', 'north'), not {space!r}.")
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < float(alpha) < 1:
        raise PredictionError(f"alpha= must lie between 0 and 1, not {in_words(alpha)}.")


def _names(residuals: xr.Dataset, kind: str, given: str | Sequence[str] | None) -> list[str]:
    names = residuals.attrs[kind] if given is None else checked_names(kind, given)
    for name in names:
        column_of(residuals, name, kind)
    return list(names)


def _judged(ranks: Ranks, values: Array, null: Callable[[Array], Array]) -> tuple[float, float]:
    """Return statistic and upper-tail p-value: medians over draws, or among simulated data sets."""
    if ranks.resampled:
        return float(values[0]), float((1 + np.sum(values[1:] >= values[0])) / len(values))
    return float(np.median(values)), float(np.median(null(values)))


# of all residuals and responses --------------------------------------------------------------------------------------


def _uniformity(ranks: Ranks) -> _Outcome:
    n = ranks.rows
    ordered, steps = np.sort(ranks.values, axis=1), np.arange(n) / n
    distance = np.maximum((ordered - steps).max(axis=1), (steps + 1 / n - ordered).max(axis=1))
    statistic, p = _judged(ranks, distance, lambda d: stats.kstwo.sf(d, n))
    return _Outcome(
        "uniformity", statistic, p, "Residuals are spread evenly, as they should be.",
        "Residuals are not spread evenly: the family or the link does not fit, or something below explains it.",
    )  # fmt: skip


def _dispersion(ranks: Ranks, row_effects: list[str]) -> _Outcome:
    """Mean square of the normal scores; its variance over draws and responses is the mean of the draws' variances."""
    scores = square_score(ranks.lower, ranks.upper).mean(axis=1)
    variance = ranks.null.score.sum() / ranks.rows**2
    if ranks.resampled:
        below, above = np.sum(scores[1:] <= scores[0]), np.sum(scores[1:] >= scores[0])
        ratio, p = float(scores[0]), float(min(1.0, 2 * (1 + min(below, above)) / len(scores)))
    elif variance <= _NO_VARIANCE:  # single 0/1 responses say nothing about spread
        ratio, p = float(np.median(scores)), 1.0
    else:
        freedom = 2.0 / variance
        ratio, tails = float(np.median(scores)), (stats.chi2.sf, stats.chi2.cdf)
        p = float(np.median(2 * np.minimum(*(tail(freedom * scores, freedom) for tail in tails))))
    absorbed = ""
    if row_effects and not ranks.resampled:
        absorbed = f" Effects of {row_effects[0]} fit single rows: only random_effects='new' shows what they take up."
    return _Outcome(
        "dispersion", ratio, p, f"Spread as expected ({ratio:.2f} times).{absorbed}",
        f"{'More' if ratio > 1 else 'Less'} spread than the model expects ({ratio:.2f} times): "
        + ("overdispersion, a missing predictor or missing group effects." if ratio > 1 else "underdispersion.")
        + absorbed,
    )  # fmt: skip


def _outliers(ranks: Ranks) -> _Outcome:
    extreme = (np.minimum(ranks.values, 1 - ranks.values) < _EXTREME).sum(axis=1).astype(float)
    count, p = _judged(ranks, extreme, lambda k: stats.binom.sf(k - 1, ranks.rows, 2 * _EXTREME))
    expected = 2 * _EXTREME * ranks.rows
    return _Outcome(
        "outliers", count, p, f"{count:.0f} in the outermost {2 * _EXTREME:.1%} of what the model makes, as may be.",
        f"{count:.0f} responses in the outermost {2 * _EXTREME:.1%} of what the model makes, {expected:.1f} expected.",
    )  # fmt: skip


def _zeros(residuals: xr.Dataset) -> Iterator[_Outcome]:
    observed, simulated = residuals["observed"].to_numpy(), residuals["simulated"].to_numpy()
    zeros = float((observed == 0).sum())
    if "residual_draws" in residuals:
        if "zero_probability" not in residuals or not residuals["zero_probability"].any():
            return
        zero = residuals["zero_probability"].to_numpy()
        expected, sd = zero.sum(axis=1), np.sqrt((zero * (1 - zero)).sum(axis=1))
        away = (np.abs(zeros - expected) - 0.5) / np.maximum(sd, 1e-9)
        p, mean = float(np.median(np.minimum(1.0, 2 * stats.norm.sf(away)))), float(np.median(expected))
    else:
        counts = (simulated == 0).sum(axis=1)
        if not (zeros or counts.any()) or np.any(simulated < 0) or np.any(simulated != np.round(simulated)):
            return
        tail = min(np.sum(counts <= zeros), np.sum(counts >= zeros))
        p, mean = float(min(1.0, 2 * (1 + tail) / (len(counts) + 1))), float(counts.mean())
    yield _Outcome(
        "zeros", zeros / max(mean, 1e-9), p, f"{zeros:.0f} zeros, {mean:.1f} expected.",
        f"{zeros:.0f} zeros where {mean:.1f} are expected: "
        + ("zero inflation, or overdispersion." if zeros > mean else "fewer than the family makes."),
    )  # fmt: skip


# against columns -----------------------------------------------------------------------------------------------------


def _against(residuals: xr.Dataset, ranks: Ranks, predictors: list[str], groups: list[str]) -> Iterator[_Outcome]:
    if "predicted_draws" in residuals:  # a draw's own: the mean over draws has seen the responses
        yield _quantiles("predicted", residuals["predicted_draws"].to_numpy(), ranks)
    elif ranks.resampled:
        yield _quantiles("predicted", residuals["predicted"].to_numpy()[None], ranks)
    for name in dict.fromkeys([*predictors, *groups]):
        column = column_of(residuals, name, "predictors or groups")
        there = pd.notna(column)
        if not there.any():
            raise PredictionError(f"The column {name!r} misses every value.")
        values, those = column[there], ranks if there.all() else ranks.of_rows(there)
        number = name in predictors and values.dtype.kind == "f"
        outcome = _quantiles(name, values[None], those) if number else _between(name, values, those)
        some = "" if there.all() else f" {name} is missing in {np.sum(~there)} rows, which are left out here."
        yield replace(outcome, fine=outcome.fine + some, wrong=outcome.wrong + some)


def _quantiles(name: str, values: Array, ranks: Ranks) -> _Outcome:
    """Whether quartiles of uniform residuals move with a polynomial in the rank of values (1 or D, rows): a score test.

    Its covariance is that of the shares below the quartiles as they are, row by row, so that what is wrong with the
    residuals' spread elsewhere is not taken for a dependence on this column.
    """
    bases = map(_polynomial, values) if len(values) > 1 else repeat(_polynomial(values[0]), len(ranks.values))
    statistics, freedoms = [], []
    for lower, upper, basis in zip(ranks.lower, ranks.upper, bases, strict=True):
        below = below_quantiles(lower, upper)
        each = ((below - below.mean(axis=0))[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
        variances, vectors = np.linalg.eigh(each.T @ each)
        usable = variances > max(_NO_VARIANCE, _SINGULAR * variances.max(initial=0.0))
        along = (each.sum(axis=0) @ vectors)[usable]
        statistics.append(np.sum(np.square(along) / variances[usable]))
        freedoms.append(int(usable.sum()))
    freedom = np.array(freedoms)
    value, p = _judged(
        ranks, np.array(statistics), lambda t: np.where(freedom > 0, stats.chi2.sf(t, np.maximum(1, freedom)), 1.0)
    )
    return _Outcome(
        name, value, p, f"Residuals do not depend on {name}." if freedom.any() else f"{name} is the same in every row.",
        f"Residuals depend on {name}: the shape of its effect, an interaction or the spread is not right.",
    )  # fmt: skip


def _polynomial(values: Array) -> Array:
    """Orthonormal polynomials (rows, 3 at most) in the rank of values (rows,), without the constant."""
    position = stats.rankdata(values) / len(values) - 0.5
    basis = np.linalg.qr(np.vander(position, _DEGREE + 1, increasing=True))[0][:, 1:]
    return basis[:, : min(_DEGREE, np.unique(values).size - 1)]


def _between(name: str, values: npt.NDArray[np.object_], ranks: Ranks) -> _Outcome:
    """Whether residuals of one level are alike in mean and spread: products of two different rows of a level.

    Their expectation is zero under independence whatever a row's own variance, so that it matters little that those of
    discrete responses are known as averages over draws alone. The null is a chi-square that is moved and scaled to the
    products' mean and variance, with the degrees of freedom that the levels' covariances have.
    """
    codes, levels = pd.factorize(values)
    size = np.bincount(codes).astype(float)

    def total(of: Array) -> Array:
        return np.bincount(codes, weights=of, minlength=len(levels)) / size

    scale = 1.0 / np.sqrt(_UNIFORM_VARIANCES)
    null = ranks.null.level * scale * scale[:, None]
    parts = [null[:, 0, 0], null[:, 1, 1], np.sqrt(2.0) * null[:, 0, 1]]
    squares = sum(np.square(total(part)).sum() for part in parts)
    variance = 2 * (squares - sum((total(np.square(part)) / size).sum() for part in parts))
    if variance <= _NO_VARIANCE:
        return _Outcome(name, 0.0, 1.0, f"No level of {name} has two rows that could be compared.", "")
    freedom = (total(parts[0]) + total(parts[1])).sum() ** 2 / squares
    products = np.empty(len(ranks.values))
    for draw, (lower, upper) in enumerate(zip(ranks.lower, ranks.upper, strict=True)):
        features = ((middle_and_spread(lower, upper) - np.array([0.5, 0.25])) * scale).T
        products[draw] = sum((np.square(total(f)) * size - total(np.square(f))).sum() for f in features)
    value, p = _judged(
        ranks, products / np.sqrt(variance), lambda z: stats.chi2.sf(freedom + z * np.sqrt(2 * freedom), freedom)
    )
    return _Outcome(
        name, value, p, f"Residuals are alike in the {len(levels)} levels of {name}.",
        f"Residuals differ between the levels of {name}: in mean (group effects are missing) or in spread.",
    )  # fmt: skip


def _temporal(residuals: xr.Dataset, ranks: Ranks, time: str, groups: list[str]) -> _Outcome:
    moments = column_of(residuals, time, "time")
    series = np.zeros(len(moments), dtype=np.intp)
    if np.unique(moments).size < len(moments):
        if not groups:
            raise PredictionError(f"time: {time!r} repeats; name the series with groups=, or average the rows first.")
        series = pd.factorize(column_of(residuals, groups[0], "groups"))[0]
    order = np.lexsort((pd.factorize(moments, sort=True)[0], series))
    together = series[order][1:] == series[order][:-1]
    centred = ranks.middles[:, order] - 0.5
    steps = np.square(np.diff(centred, axis=1))[:, together].sum(axis=1)
    statistic = steps / max(1, int(together.sum())) / np.square(centred).mean(axis=1)
    products = (centred[:, 1:] * centred[:, :-1])[:, together]
    away = np.abs(products.sum(axis=1)) / np.sqrt(np.maximum(np.square(products).sum(axis=1), _NO_VARIANCE))
    _, p = _judged(ranks, away, lambda z: 2 * stats.norm.sf(z))
    value = float(statistic[0] if ranks.resampled else np.median(statistic))
    return _Outcome(
        f"time: {time}", value, p, f"Neighbours in {time} are independent (Durbin-Watson {value:.2f}).",
        f"Neighbours in {time} are {'alike' if value < 2 else 'unlike'} (Durbin-Watson {value:.2f}): "
        "temporal correlation is left.",
    )  # fmt: skip


def _spatial(residuals: xr.Dataset, ranks: Ranks, space: tuple[str, str]) -> _Outcome:
    """Moran's I with inverse distances; places that coincide are as near as the nearest two that do not."""
    columns = {name: column_of(residuals, name, "space") for name in space}
    for name, values in columns.items():
        if not np.issubdtype(values.dtype, np.number):
            raise PredictionError(f"space: the column {name!r} holds {values.dtype}, no coordinates.")
    points = np.column_stack([values.astype(float) for values in columns.values()])
    n = len(points)
    if n > _MOST_SPATIAL:
        raise PredictionError(f"space: {n} rows make {n * n} distances; average residuals by place first.")
    distance = np.sqrt(np.square(points[:, None] - points[None]).sum(axis=-1))
    if not np.any(distance > 0):
        raise PredictionError(f"space: every row has the same {space[0]} and {space[1]}.")
    weights = 1.0 / np.maximum(distance, distance[distance > 0].min())
    np.fill_diagonal(weights, 0.0)
    centred = ranks.middles - ranks.middles.mean(axis=1, keepdims=True)
    index = n / weights.sum() * np.einsum("di,di->d", centred @ weights, centred) / np.square(centred).sum(axis=1)
    expected = -1.0 / (n - 1)
    _, p = _judged(ranks, np.abs(_products(ranks.middles, weights)), lambda z: 2 * stats.norm.sf(z))
    value = float(index[0] if ranks.resampled else np.median(index))
    return _Outcome(
        "space", value, p, f"Neighbours in space are independent (Moran's I {value:.3f}).",
        f"Neighbours in space are {'alike' if value > expected else 'unlike'} (Moran's I {value:.3f}): spatial "
        "correlation is left.",
    )  # fmt: skip


def _products(values: Array, weights: Array) -> Array:
    """Weighted sums of products of two different values (D, rows) about their mean, over their own standard error.

    The weights (rows, rows) are centred, too, so that the sum over different rows has mean zero whatever the rows'
    variances. A shift that all values share, which a simulated data set has where its groups are drawn again and the
    observed one does not, changes nothing.
    """
    values = values - values.mean(axis=1, keepdims=True)
    weights = weights / weights.mean()
    about = weights - weights.mean(axis=0)
    about = about - about.mean(axis=1, keepdims=True)
    np.fill_diagonal(about, 0.0)
    squares = np.square(values)
    variance = 2 * np.einsum("di,di->d", squares @ np.square(about), squares)
    return np.asarray(np.einsum("di,di->d", values @ about, values) / np.sqrt(np.maximum(variance, _NO_VARIANCE)))
