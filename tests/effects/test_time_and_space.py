"""Fits with effects correlated in time and space through what follows a fit: forecasts, files, reports, residuals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.posterior import posterior_draws

QUICK = {"draws": 100, "random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    cells = [(g, t) for g in range(6) for t in range(15) if rng.random() < 0.85]
    table = pd.DataFrame(cells, columns=["g", "t"]).assign(x=rng.normal(size=len(cells)))
    level = {g: np.cumsum(rng.normal(size=15)) for g in range(6)}
    table["y"] = table["x"] + [level[g][t] for g, t in cells] + 0.3 * rng.normal(size=len(cells))
    return table.sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def fit(rows):
    return bg.GLMM("y ~ x + ar1(t | g)", rows).fit(method="laplace", **QUICK)


def test_times_of_a_known_series_follow_their_neighbours(fit, rows):
    """Forecasts begin at the last effect and forget it, uncertainty grows, and a new series is none of these."""
    ahead = pd.DataFrame({"g": 2, "t": [15, 16, 20, 400], "x": 0.0})
    table = bg.predictions(fit, ahead, random_seed=1)
    draws = posterior_draws(fit)
    rho, sd = draws.dependence["g:t"], np.sqrt(draws.covariances["g:t"][:, 0, 0])
    last = max(rows.loc[rows["g"] == 2, "t"])
    u = draws.effects["g:t"][:, fit.model.design.groups[0].levels.index(f"2:{last}"), 0]
    expected = draws.beta[:, 0] + rho ** (15 - last) * u
    assert table["estimate"].iloc[0] == pytest.approx(expected.mean(), abs=4 * sd.mean() / np.sqrt(len(rho)))
    assert table["sd"].is_monotonic_increasing
    stranger = ahead.assign(g=99)
    with pytest.raises(PredictionError, match="99:15"):
        bg.predictions(fit, stranger)
    new = bg.predictions(fit, stranger, new_levels="sample", random_seed=1)
    assert new["estimate"].iloc[0] == pytest.approx(draws.beta[:, 0].mean(), abs=4 * sd.mean() / np.sqrt(len(rho)))


def test_forecasts_depend_on_each_other_not_on_the_rows_asked_for(fit):
    """Neighbouring days rise and fall together; one day alone has the same draws when the others are asked for, too."""
    ahead = pd.DataFrame({"g": 1, "t": [15, 16, 40], "x": 0.0})
    values = bg.predictions(fit, ahead, random_seed=1, draws="dataarray").to_numpy().reshape(-1, 3)
    together = np.corrcoef(values.T)
    assert together[0, 1] > 0.5 > together[0, 2]
    with pytest.raises(PredictionError, match="counts in steps of 1, and 15.5"):
        bg.predictions(fit, ahead.assign(t=[15.5, 16, 40]))


def test_files_and_updates(fit, rows, tmp_path):
    again = bg.load(fit.save(tmp_path / "series.nc"))
    ahead = pd.DataFrame({"g": 2, "t": [15, 16], "x": 0.0})
    for other in (again, fit):
        table = bg.predictions(other, ahead, random_seed=1)
        assert table["estimate"].tolist() == bg.predictions(fit, ahead, random_seed=1)["estimate"].tolist()
    assert not fit.update(". ~ . - ar1(t | g)", **QUICK).model.design.groups
    near = {0: [1], 1: [2], 2: [3], 3: [4], 4: [5]}
    on_map = bg.GLMM("y ~ x + leroux(g)", rows, covariances={"g": near}).fit(method="laplace", **QUICK)
    (name, one), (_, other) = bg.load(on_map.save(tmp_path / "map.nc")).model.spec.covariances[0], ("", near)
    assert (name, one.edges.T.tolist()) == ("g", [[a, b] for a, bs in other.items() for b in bs])


def test_what_people_read(fit):
    summary = fit.summary()
    row = summary[summary["component"] == "dependence"].iloc[0]
    assert (row["group"], row["term"]) == ("g:t", "rho")
    assert r"C(\rho)_{st} &= \rho^{|t - s|}" in fit.model.equation()
    assert "g:t (ar1 of" in " ".join(repr(fit.model).split())
    assert fit.model.priors.set_index("parameter").loc["rho[g:t]", "prior"] == "Uniform(lower=-1, upper=1)"
    assert "dependence" in bg.table({"one": fit}).index.get_level_values("component")
    parts = bg.variance_components(fit)
    assert parts["share"].sum() == pytest.approx(1.0)


def test_priors_by_the_parameters_name(rows):
    model = bg.GLMM("y ~ x + ar1(t | g)", rows, priors={"rho[g:t]": "Uniform(0, 1)", "sd[g:t]": "HalfNormal(2)"})
    assert model.prior_table.groups[0][1].dependence.source == "user"
    fit = model.fit(method="laplace", **QUICK)
    assert float(fit.posterior["rho_g:t"].min()) > 0.0


def test_checks(fit):
    residuals = bg.simulate_residuals(fit, random_effects="new", draws=50, random_seed=1)
    assert np.isfinite(residuals["residual"]).all()
    with pytest.raises(PredictionError, match="'g:t' are related across its levels"):
        bg.loo(fit, unit="g:t")


@pytest.mark.slow
def test_rows_left_out_are_predicted_from_their_neighbours(fit):
    """A time with one row has nothing but its neighbours: the same density as a prediction without the row."""
    result = bg.loo(fit)
    assert np.isfinite(result.elpd)
    assert float(result.pareto_k.max()) < 1.0


def test_regions_differ_in_their_variance(rows):
    """Averages over a map's effects know which region a row is of; without the column they take the mean of all."""
    near = {0: [1, 2, 3, 4, 5], 1: [2]}
    counts = rows.assign(n=np.random.default_rng(1).poisson(3, len(rows)))
    model = bg.GLMM("n ~ x + leroux(g)", counts, family="poisson", covariances={"g": near})
    from bayes_glmm.predict.linear import term_variance

    fit = bg.GLMM("y ~ x + leroux(g)", rows, covariances={"g": near}).fit(method="laplace", **QUICK)
    term, draws = fit.model.design.groups[0], posterior_draws(fit)
    first = [int(np.argmax(term.codes == level)) for level in (0, 5)]
    hub, leaf = term_variance(draws, term, np.array(first)).T
    assert (hub < leaf).all()
    marginal = bg.predictions(fit, pd.DataFrame({"x": [0.0]}), random_effects="marginal")
    assert np.isfinite(marginal["estimate"]).all()
    assert model.design.groups[0].unequal


def test_walks_end_where_the_data_end(rows):
    model = bg.GLMM("y ~ t + rw1(t)", rows)
    with pytest.raises(PredictionError, match="steps from 0 to 14"):
        model.design.at(pd.DataFrame({"t": [20], "x": [0.0]}), new_levels="allow")
