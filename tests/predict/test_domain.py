"""Linear predictors without a response are refused in the same words, whatever asks for them; their density is zero."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.draws import row_log_density
from bayes_glmm.predict.expected import row_predictor

OUTSIDE = "With the {link} link the linear predictor of a {family} response must be above 0"
NO_AVERAGE = "The average over random effects does not exist with the inverse link: its linear predictor must be"
CASES = [("positive", "gamma", "inverse"), ("positive", "gamma", "identity"), ("count", "poisson", "identity"),
         ("count", "negativebinomial", "identity")]  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[1]}-{case[2]}")
def fit(request, synthetic):
    """Fitted rows lie inside; new levels (sd 1.5 about 2.5 + 0.2 x) and x = -40 do not."""
    y, family, link = request.param
    parameters = {} if family == "poisson" else {"phi": 5.0}
    made = synthetic.synthetic_fit(
        f"{y} ~ x + (1 | g)", synthetic.grouped_data().assign(x=lambda d: np.abs(d["x"])), family=family, link=link,
        beta={"Intercept": 2.5, "x": 0.2}, sd={"g": [1.5]}, spread=0.05, **parameters,
    )  # fmt: skip
    made.posterior["b_g"][:] *= 0.2
    return made


def words(fit) -> str:
    spec = fit.model.spec
    return OUTSIDE.format(link=spec.link.name, family=spec.family.name)


#: One response is no population average: the posterior predictive has no "marginal" mode.
ASKED = [
    (verb, mode)
    for verb in (bg.predictions, bg.avg_comparisons, bg.avg_slopes, bg.posterior_predictive)
    for mode in ("conditional", "typical", "marginal", "new")
    if not (verb is bg.posterior_predictive and mode == "marginal")
]


@pytest.mark.parametrize(("verb", "mode"), ASKED)
def test_beyond_the_domain_every_mode_and_function_says_the_same(fit, mode: str, verb) -> None:
    what = {} if verb in (bg.predictions, bg.posterior_predictive) else {"variables": "x"}
    rows = {"x": [-40.0, 1.0], "g": ["g0", "g1"]}
    no_average = mode == "new" and fit.model.spec.link.name == "inverse" and verb is not bg.posterior_predictive
    with pytest.raises(PredictionError, match=NO_AVERAGE if no_average else words(fit)):
        verb(fit, newdata=rows, random_effects=mode, random_seed=1, **what)


def test_new_levels_that_reach_outside(fit) -> None:
    """Means over new levels had no sign to be right by: -252 of a gamma response."""
    inverse = fit.model.spec.link.name == "inverse"
    new = {"x": [1.0], "g": ["not seen"]}
    for arguments in ({"random_effects": "new"}, {"newdata": new, "new_levels": "sample"}):
        with pytest.raises(PredictionError, match="normal random effects reach outside. Use random_effects='cond") as e:
            bg.predictions(fit, random_seed=1, **arguments)
        assert (NO_AVERAGE if inverse else words(fit)) in str(e.value)
        with pytest.raises(PredictionError, match=words(fit)):
            bg.posterior_predictive(fit, random_seed=1, **arguments)
    with pytest.raises(PredictionError, match=words(fit)):
        bg.simulate_residuals(fit, random_effects="new", random_seed=1)
    if inverse:
        with pytest.raises(PredictionError, match=NO_AVERAGE):
            bg.predictions(fit, random_effects="marginal")
    assert (bg.predictions(fit)["estimate"] > 0).all()
    assert np.isfinite(bg.predictions(fit, random_effects="new", random_seed=1, scale="link")["estimate"]).all()


def test_the_density_is_zero_where_the_sampler_says_so(fit) -> None:
    predictor, rows = row_predictor(fit, None, scale="link"), np.arange(4)
    eta = predictor.linear(rows)
    eta[:, 1], eta[:, 2] = -1.0, 0.0
    density = row_log_density(predictor, eta, rows)
    assert np.isneginf(density[:, 1:3]).all() and np.isfinite(density[:, [0, 3]]).all()
    exact = (
        bg.log_likelihood(fit)["log_likelihood"].to_dataset().to_dataarray().to_numpy().reshape(len(eta), -1)[:, [0, 3]]
    )
    np.testing.assert_array_equal(density[:, [0, 3]], exact)
