"""Columns of smooths: mgcv's curves by REML, processes with the covariance they approximate, awkward data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

import bayes_glmm as bg
from bayes_glmm.design.design import build_design
from bayes_glmm.design.smooths import spectral_sd
from bayes_glmm.errors import DataError, PredictionError
from bayes_glmm.spec.model_spec import ModelSpec


def design_of(formula, data, **options):
    return build_design(ModelSpec.build(formula, **options), data)


def curves(rows=120, seed=3):
    """Numbers x and z, levels f and g, and a response."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.uniform(2, 9, rows), "z": rng.normal(size=rows), "f": rng.choice(["a", "b"], rows)})
    return data.assign(y=np.sin(data["x"]) + rng.normal(size=rows), g=rng.integers(0, 6, rows).astype(str))


def reml(design, new, y):
    """Return sigma^2, the curve at new rows and its standard errors, all sds at the restricted likelihood's maximum."""
    parts = [list(part.columns) for part in design.penalised]
    order = [*design.unpenalised, *(j for part in parts for j in part)]
    A, sizes, free = design.X[:, order], [len(part) for part in parts], len(design.unpenalised)

    def fitted(theta):
        precision = np.concatenate([np.zeros(free), np.repeat(np.exp(-2 * theta[:-1]), sizes)])
        H = A.T @ A / np.exp(2 * theta[-1]) + np.diag(precision)
        b = np.linalg.solve(H, A.T @ y / np.exp(2 * theta[-1]))
        squares = np.sum((y - A @ b) ** 2) / np.exp(2 * theta[-1]) + b @ (precision * b)
        log_dets = 2 * len(y) * theta[-1] + 2 * np.dot(sizes, theta[:-1]) + np.linalg.slogdet(H)[1]
        return 0.5 * (squares + log_dets), b, H

    start = np.log([*[y.std()] * len(parts), 0.5 * y.std()])
    found = optimize.minimize(lambda t: fitted(t)[0], start, method="BFGS", options={"gtol": 1e-5})
    _, b, H = fitted(found.x)
    rows = new.X[:, order]
    errors = np.sqrt(np.einsum("ij,jk,ik->i", rows, np.linalg.inv(H), rows))
    return np.exp(2 * found.x[-1]), rows @ b, errors


# R 4.2.2, mgcv 1.8-41: gam(accel ~ s(times, bs = "cr", k = k), data = MASS::mcycle, method = "REML"), predict(se.fit =
# TRUE) at these times; mgcv's search stops within 1e-7 of the least deviance, which is 1e-5 of the curve.
TIMES = [2.4, 10, 15, 20, 25, 30, 40, 57.6, 65]
MCYCLE = {
    10: (
        505.849867251,
        [-0.2705084046, 0.2136647943, -24.3779787715, -115.2169839625, -67.1973810047, 27.2335833121, 1.3582720838,
         0.7609623454, 1.5573040005],
        [11.498104363, 6.285079331, 4.622478925, 5.408200121, 4.974957003, 6.178732523, 5.856426321, 13.144922783,
         27.574267276],
    ),
    20: (
        509.0121069,
        [-1.0732120657, -0.2840042032, -24.5278441283, -112.2890853526, -68.6830888682, 29.5542823224, 4.6773126112,
         10.1232425490, 36.9502101097],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("k", MCYCLE)
def test_curves_and_their_standard_errors_are_mgcvs(k):
    data = bg.load_dataset("mcycle")
    design = design_of(f"accel ~ s(times, k={k})", data)
    variance, curve, errors = MCYCLE[k]
    found = reml(design, design.at({"times": TIMES}), data["accel"].to_numpy())
    assert found[0] == pytest.approx(variance, rel=1e-6)
    np.testing.assert_allclose(found[1], curve, atol=1e-4)
    if errors is not None:
        np.testing.assert_allclose(found[2], errors, rtol=2e-6)


def test_curves_of_levels_are_mgcvs():
    """R: gam(weight ~ Diet + s(Time, by = Diet, bs = "cr"), data = ChickWeight, method = "REML")."""
    data = bg.load_dataset("ChickWeight")
    design = design_of("weight ~ s(Time, by=Diet)", data)
    new = design.at({"Time": [0, 10, 21, 5], "Diet": ["1", "2", "3", "4"]})
    variance, curve, errors = reml(design, new, data["weight"].to_numpy(dtype=float))
    # one of the curves is straight, and mgcv's search stops on the way
    assert variance == pytest.approx(CHICKS[0], rel=2e-4)
    np.testing.assert_allclose(curve, CHICKS[1], atol=0.2)
    np.testing.assert_allclose(errors, CHICKS[2], rtol=0.02)


# mgcv 1.8-41
CHICKS = (
    1126.266153,
    [36.4354214617, 111.3921050747, 271.7419052135, 79.2782537917],
    [5.37898218580, 4.26352517829, 7.45736596234, 4.09819420568],
)


def test_columns_have_neither_mean_nor_trend_and_a_size_of_one():
    data = curves()
    design = design_of("y ~ s(x) + t2(x, z) + s(x, by=f)", data)
    straight = np.column_stack([np.ones(len(data)), data["x"]])
    for part in design.penalised:
        columns = design.X[:, list(part.columns)]
        level = part.name[-2] if "by=f" in part.name else None
        rows = np.ones(len(data), bool) if level is None else (data["f"] == level).to_numpy()
        assert np.all(columns[~rows] == 0.0)
        assert np.abs(straight[rows].T @ columns[rows]).max() < 1e-9
        assert np.square(columns[rows]).sum(axis=1).mean() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("moved", "back"),
    [(lambda x: x + 2010.0, lambda c: c), (lambda x: 1000.0 * x, lambda c: c), (lambda x: x - 1e7, lambda c: c)],
)
def test_neither_origin_nor_unit_of_a_predictor_matters(moved, back):
    data = curves()
    for formula in ("y ~ s(x) + (1 | g)", "y ~ t2(x, z)", "y ~ hsgp(x)"):
        ours, theirs = bg.GLMM(formula, data), bg.GLMM(formula, data.assign(x=moved(data["x"])))
        columns = [j for part in ours.design.penalised for j in part.columns]
        np.testing.assert_allclose(theirs.design.X[:, columns], ours.design.X[:, columns], atol=1e-7)
        of_sds = [[one.sd.prior for one in model.prior_table.smooths] for model in (ours, theirs)]
        assert of_sds[0] == of_sds[1]


def test_a_lengthscales_prior_has_the_unit_of_x_and_a_sds_that_of_y():
    data = curves()
    one, other = bg.GLMM("y ~ hsgp(x)", data), bg.GLMM("y ~ hsgp(x)", data.assign(x=1000 * data["x"], y=10 * data["y"]))
    (first,), (second,) = one.prior_table.smooths, other.prior_table.smooths
    assert second.lengthscale.prior["mu"] == pytest.approx(first.lengthscale.prior["mu"] + np.log(1000))
    assert second.lengthscale.prior["sigma"] == pytest.approx(first.lengthscale.prior["sigma"])
    assert second.sd.prior["sigma"] == pytest.approx(10 * first.sd.prior["sigma"])


def _matern(nu):
    return {
        "exp_quad": lambda r: np.exp(-0.5 * r**2),
        "matern32": lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
        "matern52": lambda r: (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r),
    }[nu]


@pytest.mark.parametrize(("cov", "error"), [("exp_quad", 1e-9), ("matern52", 1e-4), ("matern32", 2e-3)])
def test_processes_have_the_covariance_they_approximate(cov, error):
    x = np.linspace(0, 10, 40)
    design = design_of(f"y ~ hsgp(x, m=64, c=2.5, cov={cov!r})", {"x": x, "y": np.sin(x)})
    (part,) = design.penalised
    Z = design.X[:, list(part.columns)] * spectral_sd(part.spectrum, np.array(1.7))
    centred = np.eye(40) - 1 / 40  # the process less its mean over the rows
    exact = centred @ _matern(cov)(np.abs(x[:, None] - x) / 1.7) @ centred
    np.testing.assert_allclose(Z @ Z.T, exact, atol=error)


def test_a_process_over_a_plane_has_one_lengthscale():
    x, z = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 3, 6), np.linspace(0, 4, 7)))
    design = design_of("y ~ hsgp(x, z, m=30, c=4)", {"x": x, "z": z, "y": np.sin(x)})
    (part,) = design.penalised
    Z = design.X[:, list(part.columns)] * spectral_sd(part.spectrum, np.array(1.3))
    distance = np.hypot(x[:, None] - x, z[:, None] - z) / 1.3
    centred = np.eye(len(x)) - 1 / len(x)
    np.testing.assert_allclose(Z @ Z.T, centred @ _matern("exp_quad")(distance) @ centred, atol=2e-3)


def test_splines_are_straight_beyond_the_data_and_processes_end():
    data = curves()
    design = design_of("y ~ s(x)", data)
    low, high = data["x"].min(), data["x"].max()
    beyond = design.at({"x": [high, high + 3, high + 6, low, low - 2, low - 4]}).X
    np.testing.assert_allclose(beyond[2] - beyond[1], beyond[1] - beyond[0], atol=1e-10)
    np.testing.assert_allclose(beyond[5] - beyond[4], beyond[4] - beyond[3], atol=1e-10)
    process = design_of("y ~ hsgp(x)", data)
    assert process.at({"x": [low - 1]}).X.shape == (1, 21)
    with pytest.raises(PredictionError, match=r"hsgp\(x\) is known where x is from .* to .*; it is 99 in row"):
        process.at({"x": [5.0, 99.0]})


FEW = pd.DataFrame({"x": [1, 2, 3, 4, 5] * 8, "h": [0, 1] * 20, "f": list("aaab") * 10, "three": [1, 2, 3, 1] * 10})
FEW["y"] = np.random.default_rng(1).normal(size=40)


def test_few_distinct_values_have_as_few_knots():
    """Five values, each eight times: five knots, one at each; duplicates change nothing."""
    assert [len(part.columns) for part in design_of("y ~ s(x)", FEW).penalised] == [3]
    twice = pd.concat([FEW, FEW], ignore_index=True)
    np.testing.assert_allclose(design_of("y ~ s(x)", twice).X[:40], design_of("y ~ s(x)", FEW).X, atol=1e-12)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ s(x, k=9)", r"x has 5 distinct values, fewer than the 9 knots of k=9. Give k=5 or less"),
        ("y ~ s(three)", r"three has 3 distinct values, too few for a curve, .* or factor\(three\)"),
        ("y ~ s(h)", "h has 2 distinct values"),
        ("y ~ hsgp(h)", "h has 2 distinct values"),
        ("y ~ s(x, by=g)", "x where g is b has 1 distinct value, too few"),
        ("y ~ s(f)", "must hold numbers"),
        ("y ~ s(x, by=nothing)", "nothing"),
    ],
)
def test_what_cannot_bend_is_refused(formula, message):
    data = FEW.assign(g=np.where(FEW["x"] == 5, "b", "a"))
    with pytest.raises(DataError, match=message):
        bg.GLMM(formula, data)


def test_missing_values_are_dropped_and_levels_unseen_are_refused():
    data = curves()
    data.loc[3, "x"] = np.nan
    with pytest.warns(bg.errors.DataWarning, match="1 of 120 rows"):
        design = design_of("y ~ s(x, by=f)", data)
    assert design.size == 119
    with pytest.raises(PredictionError, match="'c'"):
        design.at({"x": [3.0], "f": ["c"]})


def test_a_smooth_shares_its_column_with_other_terms():
    data = curves()
    one = design_of("y ~ x + s(x) + (x | g)", data)
    assert one.coefs == design_of("y ~ s(x) + (x | g)", data).coefs
    assert design_of("y ~ x * f + s(x)", data).coefs[:4] == ("Intercept", "x", "f[b]", "x:f[b]")
    logged = design_of("y ~ s(log(x)) + s(x)", data)
    assert [part.name for part in logged.penalised] == ["s(log(x))", "s(x)"]


def test_curves_multiplied_by_a_number_come_with_its_main_effect():
    design = design_of("y ~ s(x, by=z)", curves())
    assert design.coefs[:3] == ("Intercept", "z", "z:x")
    zero = design.at({"x": [3.0, 7.0], "z": [0.0, 0.0]}).X
    assert np.all(zero[:, 1:] == 0.0)


def test_fifty_thousand_rows_take_a_moment():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.uniform(size=50_000), "y": rng.normal(size=50_000)})
    design = design_of("y ~ s(x)", data)
    assert design.X.shape == (50_000, 10)
