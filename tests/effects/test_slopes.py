"""Slopes of transformed numbers: against derivatives by hand, scipy's splines and polynomials, at the ends too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import interpolate

from bayes_glmm.design.derivative import differentiate
from bayes_glmm.design.design import build_design
from bayes_glmm.effects.slopes import avg_slopes, slopes
from bayes_glmm.errors import PredictionError
from bayes_glmm.spec.model_spec import ModelSpec


@pytest.fixture(scope="module")
def data(synthetic) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return synthetic.grouped_data(rows=120).assign(pos=np.exp(3 * rng.normal(size=120)))


def derivative(formula: str, data: pd.DataFrame, name: str):
    design = build_design(ModelSpec.build(formula), data)
    return design, differentiate(design, design, name)


@pytest.mark.parametrize(
    ("term", "exact"),
    [
        ("log(pos)", lambda x: 1 / x),
        ("sqrt(pos)", lambda x: 0.5 / np.sqrt(x)),
        ("I(log(pos) ** 2)", lambda x: 2 * np.log(x) / x),
        ("I(1 / pos)", lambda x: -1 / x**2),
        ("pos", np.ones_like),
    ],
)
def test_elementary_functions_of_values_over_five_orders_of_magnitude(data, term, exact) -> None:
    design, found = derivative(f"y ~ f + (1 + {term} | g) + offset({term})", data, "pos")
    x = data["pos"].to_numpy()
    assert x.max() / x.min() > 1e5
    np.testing.assert_allclose(found.offset, exact(x), rtol=1e-8)
    np.testing.assert_allclose(found.Z[0], np.column_stack([np.zeros(len(x)), exact(x)]), rtol=1e-8)
    np.testing.assert_array_equal(found.X, np.zeros_like(design.X))


@pytest.mark.parametrize(("degree", "tolerance"), [(2, 2e-7), (3, 1e-9), (4, 1e-9)])
def test_splines_with_their_ends_and_rows_at_knots(data, degree, tolerance) -> None:
    """Of degree 2 the second derivative jumps at the knots, where data are: differences converge slowly."""
    design, found = derivative(f"y ~ bs(x, df=6, degree={degree})", data, "x")
    x = data["x"].to_numpy()
    inner = np.quantile(x, np.linspace(0, 1, 6 - degree + 2)[1:-1])
    knots = np.concatenate([[x.min()] * (degree + 1), inner, [x.max()] * (degree + 1)])
    spline = interpolate.BSpline(knots, np.eye(7)[:, 1:], degree)
    np.testing.assert_allclose(design.X[:, 1:], spline(x), atol=1e-12)
    exact = spline.derivative()(x)
    assert np.abs(found.X[:, 1:] - exact).max() < tolerance * np.abs(exact).max()


def test_natural_cubic_splines_and_polynomials(data) -> None:
    """A natural spline is scipy's through its values at the knots; poly() is a polynomial of its degree."""
    x = data["x"].to_numpy()
    design, found = derivative("y ~ 0 + cr(x, df=5)", data, "x")
    knots = np.quantile(x, np.linspace(0, 1, 5))
    spline = interpolate.CubicSpline(knots, design.at(pd.DataFrame({"x": knots})).X, bc_type="natural")
    np.testing.assert_allclose(design.X, spline(x), atol=1e-10)
    np.testing.assert_allclose(found.X, spline(x, 1), atol=1e-9 * np.abs(spline(x, 1)).max())
    design, found = derivative("y ~ poly(x, degree=4)", data, "x")
    for j in range(1, 5):
        exact = np.polynomial.Polynomial.fit(x, design.X[:, j], j).deriv()(x)
        np.testing.assert_allclose(found.X[:, j], exact, rtol=1e-9, atol=1e-10 * np.abs(exact).max())


@pytest.mark.parametrize("random_effects", ["conditional", "typical", "marginal"])
def test_slopes_of_a_logarithm_with_a_random_slope(synthetic, data, random_effects) -> None:
    beta = {"Intercept": 0.1, "log(pos)": 0.3, "f[b]": 0.2, "f[c]": 0.0}
    fit = synthetic.synthetic_fit(
        "count ~ log(pos) + f + (log(pos) | g)", data, family="poisson", beta=beta, sd={"g": [0.5, 0.2]},
        corr={"g": 0.4}, draws=5,
    )  # fmt: skip
    x = data["pos"].to_numpy()
    draws = {name: values.to_numpy().reshape(10, *values.shape[2:]) for name, values in fit.posterior.items()}
    slope, intercept = draws["beta"][:, [1]], draws["beta"] @ fit.model.design.X.T
    deviations = draws["b_g"][:, fit.model.design.group("g").codes]
    cov = 0.4 * draws["sd_g"].prod(axis=1)[:, None]
    first, second = (draws["sd_g"][:, [j]] ** 2 for j in (0, 1))
    if random_effects == "conditional":
        eta = intercept + deviations[..., 0] + deviations[..., 1] * np.log(x)
        exact = np.exp(eta) * (slope + deviations[..., 1]) / x
    elif random_effects == "typical":
        exact = np.exp(intercept) * slope / x
    else:
        half = (first + 2 * cov * np.log(x) + second * np.log(x) ** 2) / 2
        exact = np.exp(intercept + half) * (slope + cov + second * np.log(x)) / x
    found = slopes(fit, "pos", random_effects=random_effects, draws="dataarray").to_numpy().reshape(10, -1)
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-12 * np.abs(exact).max())
    average = avg_slopes(fit, "pos", by="f", random_effects=random_effects)
    by_hand = [exact[:, (data["f"] == level).to_numpy()].mean() for level in average["f"]]
    np.testing.assert_allclose(average["estimate"], by_hand, rtol=1e-8)


def test_slopes_of_a_spline_on_the_fitted_rows_and_beyond_them(synthetic, data) -> None:
    coefs = {f"bs(x, df=4)[{j}]": value for j, value in enumerate([0.5, -1.0, 2.0, 1.0], 1)}
    fit = synthetic.synthetic_fit(
        "y ~ bs(x, df=4) + (1 | g)", data, beta={"Intercept": 0.0, **coefs}, sd={"g": [1.0]}, sigma=1.0, spread=0.0
    )
    x = data["x"].to_numpy()
    knots = np.concatenate([[x.min()] * 4, [np.median(x)], [x.max()] * 4])
    exact = interpolate.BSpline(knots, np.array([0, *coefs.values()]), 3).derivative()(x)
    np.testing.assert_allclose(slopes(fit, "x")["estimate"], exact, rtol=1e-8, atol=1e-9)
    with pytest.raises(PredictionError, match="no values beyond its boundary knots"):
        slopes(fit, "x", newdata={"x": [x.max() + 1]}, random_effects="typical")


def test_rows_with_equal_columns_and_unequal_derivatives(synthetic, data) -> None:
    fit = synthetic.synthetic_fit(
        "y ~ I(log(pos) ** 2)", data, beta={"Intercept": 0.0, "I(log(pos) ** 2)": 1.0}, sigma=1.0, spread=0.0
    )
    table = slopes(fit, "pos", newdata={"pos": [0.25, 4.0, 2.0]})
    np.testing.assert_allclose(table["estimate"], [-8 * np.log(4), np.log(4) / 2, np.log(2)], rtol=1e-8)


def test_where_there_is_no_derivative(synthetic, data) -> None:
    data = data.assign(pos=np.where(np.arange(120) == 7, 0.0, data["pos"]))
    fit = synthetic.synthetic_fit(
        "y ~ sqrt(pos) + abs(x)", data, beta={"Intercept": 0.0, "sqrt(pos)": 2.0, "abs(x)": 1.0}, sigma=1.0, spread=0.0
    )
    with pytest.raises(
        PredictionError,
        match=r"'sqrt\(pos\)' has no derivative with respect to 'pos' that can be found in row 7 .*= 0\)",
    ):
        slopes(fit, "pos")
    rows = pd.DataFrame({"pos": [1.0, 0.0, 0.0], "x": 1.0}, index=["first", "second", "third"])
    with pytest.raises(PredictionError, match="in rows second, third "):
        slopes(fit, "pos", newdata=rows)
    rest = slopes(fit, "pos", newdata=data.drop(index=7))["estimate"]
    np.testing.assert_allclose(rest, 1 / np.sqrt(data["pos"].drop(index=7)), rtol=1e-8)
    kink = slopes(fit, "x", newdata={"x": [-1.0, 0.0, 1.0], "pos": 1.0})["estimate"]
    np.testing.assert_allclose(kink, [-1.0, 0.0, 1.0], atol=1e-9)


def test_columns_that_the_fit_saw_as_one_value(synthetic, data) -> None:
    """The sd of a constant column is rounding, and no measure of how far it may move."""
    data = data.assign(c=5.0)
    fit = synthetic.synthetic_fit(
        "count ~ x + offset(log(c))", data, family="poisson", beta={"Intercept": 0.1, "x": 0.3}, spread=0.0
    )
    expected = np.exp(0.1 + 0.3 * data["x"])  # d/dc of c exp(...)
    np.testing.assert_allclose(slopes(fit, "c")["estimate"], expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("term", "values", "exact"),
    [
        ("exp(x)", [-20.0, 10.0, 30.0, 100.0], np.exp),
        ("I(x ** 3)", [10.0, 1e4, 1e5], lambda x: 3 * x**2),
        ("I(x ** 2)", [0.0, 1e5], lambda x: 2 * x),
    ],
)
def test_rows_far_from_the_data(synthetic, data, term, values, exact) -> None:
    fit = synthetic.synthetic_fit(
        f"y ~ {term}", data, beta={"Intercept": 0.3, term: 1.0}, sigma=1.0, spread=0.0
    )  # fmt: skip
    got = slopes(fit, "x", newdata={"x": values})["estimate"]
    np.testing.assert_allclose(got, exact(np.array(values)), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("origin", [0.0, 1e7, 1.7e9])
def test_a_line_is_a_line_wherever_it_begins(synthetic, data, origin) -> None:
    """Seconds since 1970, say."""
    data = data.assign(time=origin + 100 * np.random.default_rng(3).random(120))
    fit = synthetic.synthetic_fit("y ~ time", data, beta={"Intercept": 0.0, "time": 0.5}, sigma=1.0, spread=0.0)
    np.testing.assert_allclose(slopes(fit, "time")["estimate"], 0.5, rtol=1e-5 if origin else 1e-9)
