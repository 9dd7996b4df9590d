"""Models with formulas for sigma, zi and phi beside maximum likelihood.

Figures: glmmTMB 1.1.5 (restricted likelihood for sleepstudy) on the same data. Its `dispformula` of a gaussian model is
about log sigma^2 in that version; the figures are halved. The Owls models follow Brooks et al. (2017), R Journal 9,
378-400 (doi:10.32614/RJ-2017-066), with the sex of the parent in place of the arrival time.
"""

from __future__ import annotations

import html

import numpy as np
import pytest

import bayes_glmm as bg
from tests.families.data import owls

OWLS = "SiblingNegotiation ~ FoodTreatment * SexParent + offset(log(BroodSize)) + (1 | Nest)"

#: formula, data, family, formulas, coefficients, standard errors, sds of the groups
FIGURES = {
    "sleepstudy": (
        "Reaction ~ Days + (Days | Subject)", lambda: bg.load_dataset("sleepstudy"), "gaussian", {"sigma": "~ Days"},
        (252.86193, 10.08418, 2.8099991, 0.0850262), (6.7658, 1.5993, 0.12944, 0.02444), (26.3661, 6.1993),
    ),
    "owls zip": (
        OWLS, owls, "zip", {"zi": "~ FoodTreatment + SexParent"},
        (0.87055, -0.26409, -0.07875, 0.09376, -1.52289, 1.38135, -0.50965),
        (0.07794, 0.05879, 0.04584, 0.07224, 0.19256, 0.20395, 0.19726), (0.34989,),
    ),
    "owls zip, nests in both": (
        OWLS, owls, "zip", {"zi": "~ FoodTreatment + (1 | Nest)"},
        (0.87172, -0.26296, -0.07861, 0.09411, -2.20303, 1.87334),
        (0.07748, 0.05869, 0.04582, 0.07212, 0.29625, 0.24251), (0.34759, 1.118),
    ),
    "owls zinb": (
        OWLS, owls, "zinb", {"phi": "~ FoodTreatment", "zi": "~ FoodTreatment"},
        (0.83283, -0.34470, -0.06985, 0.13064, 1.14309, -0.80707, -1.98473, 1.29724),
        (0.09000, 0.14499, 0.09244, 0.17579, 0.14691, 0.25726, 0.19299, 0.25741), (0.25519,),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def fits():
    return {}


def fitted(fits, name):
    if name not in fits:
        formula, data, family, formulas, *_ = FIGURES[name]
        fits[name] = bg.GLMM(formula, data(), family=family, dpar_formulas=formulas).fit(
            random_seed=1, progressbar=False
        )
    return fits[name]


@pytest.mark.parametrize(
    "name", [name if name == "sleepstudy" else pytest.param(name, marks=pytest.mark.slow) for name in FIGURES]
)
def test_posterior_means_are_near_the_maximum_of_the_likelihood(fits, name):
    fit = fitted(fits, name)
    *_, coefs, errors, sds = FIGURES[name]
    assert fit.attrs["backend"] == "kernel"
    assert fit.convergence.passed
    found = fit.posterior["beta"].mean(("chain", "draw")).to_numpy()
    assert np.all(np.abs(found - coefs) < 0.35 * np.array(errors)), found
    # the posterior of a sd reaches further up than its maximum; medians lie close to it
    term = fit.model.design.groups[0]
    medians = fit.posterior[f"sd_{term.name}"].median(("chain", "draw")).to_numpy()
    assert medians == pytest.approx(sds, rel=0.18)


def test_the_whole_package_reads_a_model_whose_spread_has_a_formula(fits, tmp_path):
    """Effects, residuals, files and the equation of ``sigma ~ Days``."""
    fit = fitted(fits, "sleepstudy")
    table = bg.predictions(fit, bg.grid(fit, Days=[0, 9]), scale="sigma", random_effects="marginal")
    beta = fit.posterior["beta"]
    for days, estimate in zip((0.0, 9.0), table["estimate"], strict=True):
        sigma = np.exp(beta.sel(coef="sigma_Intercept") + days * beta.sel(coef="sigma_Days"))
        assert estimate == pytest.approx(float(sigma.mean()), rel=1e-9)
    residuals = bg.simulate_residuals(fit, random_seed=1)
    assert bg.check_residuals(residuals).loc["uniformity", "p_value"] > 0.01
    wider = bg.avg_predictions(fit, scale="sigma", by="Days")["estimate"]
    assert wider.is_monotonic_increasing
    components = bg.variance_components(fit).set_index("component")["estimate"]
    assert components["residual"] == pytest.approx(float((np.exp(2 * _log_sigma(fit))).mean()), rel=1e-6)
    loaded = bg.load(fit.save(tmp_path / "fit.nc"))
    assert loaded.model.spec == fit.model.spec
    assert bool((loaded.posterior["beta"] == fit.posterior["beta"]).all())
    assert r"\log(\sigma_i) &= \beta_{2} + \beta_{3}\,\mathrm{Days}_i" in fit.model.equation()
    assert "sigma ~ Days" in repr(fit)


@pytest.mark.slow
def test_formulas_are_taken_away_compared_and_reported(fits, tmp_path):
    fit = fitted(fits, "sleepstudy")
    constant = fit.update(dpar_formulas={}, random_seed=1, progressbar=False)
    assert constant.model.spec.channels == ()
    assert bg.loo(fit).elpd - bg.loo(constant).elpd > 2.0
    page = html.unescape(fit.report(tmp_path / "fit.html").read_text(encoding="utf-8"))
    assert "dpar_formulas={'sigma': '~ Days'}" in page


def _log_sigma(fit):
    """Draws by rows of log sigma."""
    beta = fit.posterior["beta"].stack(sample=("chain", "draw")).transpose("sample", "coef").to_numpy()
    return beta[:, [2]] + beta[:, [3]] * fit.model.design.frame["Days"].to_numpy()


@pytest.mark.slow
def test_backends_agree(fits):
    """PyMC's graph in its own coordinates gives what the kernel does."""
    from tests.engine.models import check_agreement

    fit = fitted(fits, "owls zip, nests in both")
    other = fit.model.fit(backend="nutpie", draws=2000, tune=2000, random_seed=2, progressbar=False)
    check_agreement(fit.posterior, other.posterior)


@pytest.mark.slow
def test_calibration_with_group_effects_in_two_parameters():
    """Ranks of the truth are uniform for effects of one factor on the mean and on log sigma, correlated."""
    rng = np.random.default_rng(3)
    data = {"y": rng.normal(size=120), "x": rng.normal(size=120), "g": np.resize([f"g{i}" for i in range(12)], 120)}
    model = bg.GLMM(
        "y ~ x + (1 | p | g)",
        data,
        dpar_formulas={"sigma": "~ x + (1 | p | g)"},
        priors={
            "Intercept": "Normal(0, 1)", "beta": "Normal(0, 1)", "sigma_Intercept": "Normal(0, 0.7)",
            "beta_sigma": "Normal(0, 0.5)", "sd": "HalfNormal(1)", "sd_sigma": "HalfNormal(0.5)",
        },
    )  # fmt: skip
    calibration = bg.sbc(model, simulations=200, random_seed=1, progressbar=False)
    assert calibration.table["adjusted"].min() > 0.01
    assert not calibration.failures
