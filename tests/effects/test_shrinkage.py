"""No, partial and complete pooling: each against an independent fit of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.effects.shrinkage import shrinkage
from bayes_glmm.errors import PredictionError


def test_sleepstudy_against_least_squares_by_subject(sleepstudy_fit, sleepstudy) -> None:
    table = shrinkage(sleepstudy_fit)
    assert list(table["term"][:2]) == ["Intercept", "Days"] and (table["rows"] == 10).all()
    for subject, rows in sleepstudy.groupby("Subject", observed=True):
        slope, intercept = np.polyfit(rows["Days"], rows["Reaction"], 1)
        own = table.loc[table["level"] == subject, "no_pooling"]
        np.testing.assert_allclose(own, [intercept, slope], rtol=1e-9)
    slope, intercept = np.polyfit(sleepstudy["Days"], sleepstudy["Reaction"], 1)
    np.testing.assert_allclose(table["complete_pooling"][:2], [intercept, slope], rtol=1e-9)
    posterior = sleepstudy_fit.posterior
    both = (posterior["b_Subject"] + posterior["beta"].to_numpy()[..., None, :]).mean(("chain", "draw"))
    np.testing.assert_allclose(table["partial_pooling"], both.to_numpy().ravel(), rtol=1e-9)
    # the model's lie between a subject's own and everyone's, on the whole
    for term, part in table.groupby("term"):
        spread = part["partial_pooling"].std() / part["no_pooling"].std()
        assert 0.5 < spread < 1, term


@pytest.mark.parametrize(
    ("response", "family", "link"),
    [
        ("count", "poisson", "log"), ("binary", "bernoulli", "logit"), ("p(successes, size)", "binomial", "probit"),
        ("positive", "gamma", "log"), ("count", "negativebinomial", "log"),
    ],
)  # fmt: skip
def test_a_levels_own_estimate_is_a_glm_with_the_rest_as_offset(synthetic, response, family, link) -> None:
    sm = pytest.importorskip("statsmodels.api")
    data = synthetic.grouped_data(rows=120)
    extra = {"negativebinomial": {"phi": 2.0}, "gamma": {"phi": 3.0}}.get(family, {})
    fit = synthetic.synthetic_fit(
        f"{response} ~ x + f + (x | g) + (1 | h)", data, family=family, link=link, spread=0.0, draws=1,
        beta={"Intercept": 0.2, "x": 0.1, "f[b]": 0.3, "f[c]": -0.2}, sd={"g": [0.4, 0.1], "h": [0.3]}, **extra,
    )  # fmt: skip
    families = {
        "poisson": sm.families.Poisson(), "bernoulli": sm.families.Binomial(), "gamma": sm.families.Gamma(),
        "binomial": sm.families.Binomial(), "negativebinomial": sm.families.NegativeBinomial(alpha=0.5),
    }  # fmt: skip
    theirs = families[family]
    theirs.link = {"log": sm.families.links.Log, "logit": sm.families.links.Logit, "probit": sm.families.links.Probit}[
        link
    ]()
    h = fit.posterior["b_h"].to_numpy()[0, 0, fit.model.design.group("h").codes, 0]
    offset = h + 0.3 * (data["f"] == "b") - 0.2 * (data["f"] == "c")
    y = data[["successes"]].assign(f=data["size"] - data["successes"]) if "size" in response else data[response]
    X = np.column_stack([np.ones(len(data)), data["x"]])
    table = shrinkage(fit, "g")
    for level in ("g0", "g3"):
        rows = (data["g"] == level).to_numpy()
        exact = sm.GLM(y[rows], X[rows], family=theirs, offset=offset[rows]).fit(tol=1e-12, maxiter=200).params
        np.testing.assert_allclose(table.loc[table["level"] == level, "no_pooling"], exact, rtol=1e-5, atol=1e-6)
    exact = sm.GLM(y, X, family=theirs, offset=offset).fit(tol=1e-12, maxiter=200).params
    np.testing.assert_allclose(table["complete_pooling"][:2], exact, rtol=1e-5, atol=1e-6)


def test_levels_without_an_estimate_of_their_own(synthetic) -> None:
    data = pd.DataFrame({"y": [0, 0, 0, 2, 1, 4, 3, 2], "x": [1.0, 2, 3, 1, 2, 3, 1, 1], "g": list("aaabbbcc")})
    fit = synthetic.synthetic_fit(
        "y ~ x + (x | g)", data, family="poisson", beta={"Intercept": 0.3, "x": 0.1}, sd={"g": [0.4, 0.1]}
    )
    own = shrinkage(fit).set_index(["level", "term"])["no_pooling"]
    assert own["a"].isna().all()  # all zeros: minus infinity
    assert own["b"].notna().all()
    assert own["c"].isna().all()  # one value of x: no slope
    assert shrinkage(fit)["partial_pooling"].notna().all()


def test_the_grouping_factor_must_be_clear(synthetic) -> None:
    data = synthetic.grouped_data()
    fit = synthetic.synthetic_fit(
        "y ~ 1 + (1 | g) + (1 | h)", data, beta={"Intercept": 0.0}, sd={"g": [1.0], "h": [1.0]}, sigma=1.0
    )
    with pytest.raises(PredictionError, match="must name one of"):
        shrinkage(fit)
    with pytest.raises(PredictionError, match="no grouping factor 'gg'"):
        shrinkage(fit, "gg")
    assert set(shrinkage(fit, "h")["group"]) == {"h"}
    alone = synthetic.synthetic_fit("y ~ 1", data, beta={"Intercept": 0.0}, sigma=1.0)
    with pytest.raises(PredictionError, match="has no grouping factor"):
        bg.shrinkage(alone)
    ordered = data.assign(y=pd.Categorical(np.resize([1, 2, 3], len(data)), ordered=True))
    ordinal = bg.GLMM("y ~ 1 + (1 | g)", ordered, family="cumulative").fit(method="laplace", random_seed=1)
    with pytest.raises(PredictionError, match="ordered responses have no coefficients of a single level"):
        bg.shrinkage(ordinal)
