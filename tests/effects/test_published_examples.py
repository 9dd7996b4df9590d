"""Worked examples that others published: their estimates in, their marginal coefficients, ICC and R^2 out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special

import bayes_glmm as bg

#: GLMMadaptive 0.5.26 (D. Rizopoulos), docs/articles/Methods_MixMod.html of github.com/drizopoulos/GLMMadaptive: what
#: fixef(fm), VarCorr(fm) and marginal_coefs(fm) print for y ~ sex * time with random = ~ time | id, binomial.
MIXMOD = {"Intercept": -2.057131526, "sex[female]": -1.169617288, "time": 0.261562222, "sex[female]:time": 0.001962038}
MIXMOD_SD, MIXMOD_CORR = (0.6808, 0.2510), 0.6544
MIXMOD_MARGINAL = (-1.6022, -1.0981, 0.1766, 0.0509)
MIXMOD_FITTED = (0.1133338, 0.1171319, 0.1664465, 0.5825663, 0.5949384, 0.5959592)  # head(fitted(fm))
MIXMOD_DRAWS = 3000  # marginal_coefs takes so many random effects for each subject


def r_uniforms(seed: int, count: int) -> np.ndarray:
    """Return what R's runif gives after set.seed: R scrambles the seed by a congruential generator, then twists."""
    state, words = seed, []
    for step in range(50 + 625):
        state = (69069 * state + 1) % 2**32
        if step >= 50:
            words.append(state)
    generator = np.random.MT19937()
    full = generator.state
    full["state"] = {"key": np.array(words[1:], dtype=np.uint32), "pos": 624}
    generator.state = full
    return generator.random_raw(count) * 2.3283064365386963e-10


def mixmod_data() -> pd.DataFrame:
    """Return the vignette's design: visits at zero and at seven uniform times of 100 subjects; y does not matter."""
    uniforms = 15 * r_uniforms(1234, 700).reshape(100, 7)
    return pd.DataFrame(
        {
            "id": np.repeat([str(i) for i in range(100)], 8),
            "time": np.column_stack([np.zeros(100), np.sort(uniforms, axis=1)]).ravel(),
            "sex": pd.Categorical(np.repeat(["male", "female"], 400), categories=["male", "female"]),
            "y": np.resize([0, 1, 1], 800),
        }
    )


def test_marginal_coefficients_of_glmmadaptive(synthetic) -> None:
    fit = synthetic.synthetic_fit(
        "y ~ sex * time + (time | id)", mixmod_data(), family="bernoulli", beta=MIXMOD, sd={"id": list(MIXMOD_SD)},
        corr={"id": MIXMOD_CORR}, spread=0.0, draws=1,
    )  # fmt: skip
    typical = bg.predictions(fit, random_effects="typical")["estimate"]
    np.testing.assert_allclose(typical[:6], MIXMOD_FITTED, atol=6e-8)  # the times are theirs
    ours = bg.marginal_coefficients(fit)["marginal"]
    # their Monte Carlo again, to know how far off it may be: the same algorithm with other random numbers
    rng, X = np.random.default_rng(5), fit.model.design.X
    covariance = np.diag(np.square(MIXMOD_SD)) + MIXMOD_CORR * math.prod(MIXMOD_SD) * (1 - np.eye(2))
    eta, Z = (X @ np.array(list(MIXMOD.values()))).reshape(100, 8, 1), fit.model.design.groups[0].Z.reshape(100, 8, 2)
    repeats = []
    for _ in range(12):
        u = rng.multivariate_normal([0, 0], covariance, (100, MIXMOD_DRAWS))
        mean = special.expit(eta + Z @ u.transpose(0, 2, 1)).mean(axis=2).ravel()
        repeats.append(np.linalg.lstsq(X, special.logit(mean), rcond=None)[0])
    error = np.std(repeats, axis=0, ddof=1)
    assert (error < [0.005, 0.006, 0.0007, 0.0009]).all()
    assert (np.abs(ours - np.array(MIXMOD_MARGINAL)) < 3 * error + 5e-5).all()
    assert (np.abs(ours - np.mean(repeats, axis=0)) < 4 * error / math.sqrt(12)).all()


#: geepack's respiratory trial (Davis 1991): glmer(outcome ~ factor(center) + treat + sex + scale(age) + baseline +
#: (1 | cid), nAGQ = 30) of lme4 1.1-31, sd of cid 1.984024; and geeglm(outcome ~ center + treat + sex + age + baseline,
#: corstr = "exchangeable") of geepack 1.3.9 with robust standard errors.
RESPIRATORY = {
    "Intercept": -0.10774, "C(centre)[2]": 0.9792635, "treat[P]": -2.025743, "sex[M]": -0.2433881,
    "scale(age)": -0.3653849, "baseline": 2.917134,
}  # fmt: skip
RESPIRATORY_GEE = {
    "Intercept": (-0.1034607, 0.8821336), "centre": (0.6494905, 0.3532235), "treat[P]": (-1.265356, 0.3466787),
    "sex[M]": (-0.1367804, 0.4402452), "age": (-0.01875636, 0.01296472), "baseline": (1.84572, 0.3459784),
}  # fmt: skip


def respiratory() -> pd.DataFrame:
    """Return geepack's columns: HSAUR3's trial without the baseline visit, which is a predictor; sexes exchanged."""
    rows = bg.load_dataset("respiratory")
    good, start = (rows["status"] == "good").astype(int), rows["month"].astype(str) == "0"
    baseline = dict(zip(rows.loc[start, "subject"], good[start], strict=True))
    return rows.assign(
        outcome=good,
        baseline=rows["subject"].map(baseline).astype(int),
        centre=rows["centre"].astype(int),
        treat=np.where(rows["treatment"] == "placebo", "P", "A"),
        sex=np.where(rows["gender"] == "female", "M", "F"),
    )[~start]


def test_quadratures_estimates_averaged_are_those_of_generalized_estimating_equations(synthetic) -> None:
    """Both are consistent for the same population-averaged effects: within an eighth of a standard error here."""
    data = respiratory()
    fit = synthetic.synthetic_fit(
        "outcome ~ C(centre) + treat + sex + scale(age) + baseline + (1 | subject)", data, family="bernoulli",
        beta=RESPIRATORY, sd={"subject": [1.984024]}, spread=0.0, draws=1,
    )  # fmt: skip
    table = bg.marginal_coefficients(fit)
    raw = {name: value for name, (value, _) in RESPIRATORY_GEE.items()}
    mean, sd = data["age"].mean(), data["age"].std(ddof=1)
    theirs = {  # of standardised age, and of centre 2 against centre 1
        **{name: raw[name] for name in ("treat[P]", "sex[M]", "baseline")},
        "Intercept": raw["Intercept"] + raw["centre"] + mean * raw["age"],
        "C(centre)[2]": raw["centre"],
        "scale(age)": sd * raw["age"],
    }
    errors = {name: se for name, (_, se) in RESPIRATORY_GEE.items()}
    errors |= {"C(centre)[2]": errors["centre"], "scale(age)": sd * errors["age"]}
    for name, value in theirs.items():
        assert abs(table["marginal"][name] - value) < errors[name] / 8, name
    for name in ("C(centre)[2]", "treat[P]", "baseline"):
        assert abs(table["conditional"][name] - theirs[name]) > 0.9 * errors[name], name


def test_icc_and_r2_of_nakagawas_beetles(synthetic) -> None:
    """Nakagawa, Johnson and Schielzeth 2017, appendix S6: colour morphs of 480 male beetles, binomial with logit link.

    Its figures are taken from the tests of the R package mimosa, which reproduces them. The variances are theirs, of
    containers and populations 0.1855 and 1.1108, of the predictors 0.2194053; of the two coefficients only the variance
    that they make together is published, so their ratio is that of the simulation.
    """
    data = pd.DataFrame(
        {
            "Population": np.repeat([f"p{i}" for i in range(12)], 40),
            "Container": np.repeat([f"c{i}" for i in range(60)], 8),
            "Treatment": np.tile(["Cont", "Exp"], 240),
            "Habitat": np.tile(np.repeat(["Dry", "Wet"], 4), 60),
            "Colour": np.resize([0, 1, 1], 480),
        }
    )
    scale = math.sqrt(0.2194053 / (0.25 * 480 / 479) / (0.8**2 + 0.5**2))
    fit = synthetic.synthetic_fit(
        "Colour ~ Treatment + Habitat + (1 | Population) + (1 | Container)", data, family="bernoulli",
        beta={"Intercept": -0.8, "Treatment[Exp]": 0.8 * scale, "Habitat[Wet]": 0.5 * scale},
        sd={"Population": [math.sqrt(1.1108)], "Container": [math.sqrt(0.1855)]}, spread=0.0, draws=1,
    )  # fmt: skip
    components = bg.variance_components(fit).set_index(["component", "group"])["estimate"]
    assert components["fixed", ""] == pytest.approx(0.2194053, rel=1e-9)
    assert components["residual", ""] == pytest.approx(math.pi**2 / 3, rel=1e-12)
    measures = bg.r2(fit).set_index(["measure", "kind"])["estimate"]
    assert measures["nakagawa", "marginal"] == pytest.approx(0.04565558, abs=2e-6)
    assert measures["nakagawa", "conditional"] == pytest.approx(0.3154186, abs=2e-5)
    shares = bg.icc(fit).set_index("group")["estimate"]
    assert shares["Population"] == pytest.approx(0.2422109, abs=2e-5)
    assert shares["Container"] == pytest.approx(0.04045751, abs=2e-5)
