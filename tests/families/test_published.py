"""Published models of zero-inflated, hurdle and overdispersed responses, against maximum likelihood.

Figures: glmmTMB 1.1.5 on the same data; the Owls models are those of Brooks et al. (2017), R Journal 9, 378-400
(doi:10.32614/RJ-2017-066), and of its vignette, with the sex of the parent in place of the arrival time.
"""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from tests.families.data import inhaler, owls, salamanders

OWLS = "SiblingNegotiation ~ FoodTreatment + SexParent + offset(log(BroodSize)) + (1 | Nest)"
SALAMANDERS = "count ~ mined + (1 | site)"
CBPP = "p(incidence, size) ~ period + (1 | herd)"

#: family, formula, data, coefficients, standard errors, auxiliary parameters, sd of the groups
FIGURES = {
    "owls zip": (
        "zip", OWLS, owls, (0.84615, -0.20768, -0.04168), (0.0765, 0.0373, 0.0363), {"zi": 0.2587}, 0.353,
    ),
    "owls zinb": (
        "zinb", OWLS, owls, (0.81790, -0.31099, -0.02464), (0.0906, 0.0892, 0.0820), {"zi": 0.2209, "phi": 2.228},
        0.274,
    ),
    "owls zinb1": (
        "zinb1", OWLS, owls, (0.76807, -0.70292, 0.01827), (0.1066, 0.1064, 0.0888), {"zi": 0.1091, "phi": 5.191},
        0.348,
    ),
    "owls nb1": (
        "nbinom1", OWLS, owls, (0.64962, -0.79576, 0.08846), (0.1072, 0.0885, 0.0874), {"phi": 7.054}, 0.355,
    ),
    "owls hurdle": (
        "hurdle_poisson", OWLS, owls, (0.84719, -0.20351, -0.04177), (0.0750, 0.0370, 0.0362), {"hu": 0.2604}, 0.344,
    ),
    "salamanders zip": ("zip", SALAMANDERS, salamanders, (-0.9356, 2.1615), (0.2256, 0.2746), {"zi": 0.385}, 0.533),
    "salamanders hurdle": (
        "hurdle_negbinomial", SALAMANDERS, salamanders, (-0.15139, 1.13001), (0.2403, 0.2329),
        {"hu": 0.601, "phi": 1.028}, 0.105,
    ),
    "salamanders genpois": (
        "genpois", SALAMANDERS, salamanders, (-1.16874, 1.8971), (0.2178, 0.2544), {"phi": 4.1305}, 0.456,
    ),
    "cbpp": (
        "beta_binomial", CBPP, lambda: bg.load_dataset("cbpp"), (-1.31877, -0.96889, -1.25093, -1.47252),
        (0.2326, 0.4065, 0.4568, 0.5109), {"phi": 10.84}, 0.0,
    ),
}  # fmt: skip
FAST = ("owls zip", "cbpp")


@pytest.mark.parametrize("name", [one if one in FAST else pytest.param(one, marks=pytest.mark.slow) for one in FIGURES])
def test_posterior_means_are_near_the_maximum_of_the_likelihood(name):
    family, formula, data, coefs, errors, auxiliary, sd = FIGURES[name]
    # wide priors in place of the defaults, which have something to say about a handful of sites
    fit = bg.GLMM(formula, data(), family=family, priors={"beta": bg.Prior("Normal", mu=0, sigma=10)}).fit(
        random_seed=1, progressbar=False
    )
    assert fit.diagnose().passed
    beta = fit.posterior["beta"].mean(("chain", "draw")).to_numpy()
    # a posterior mean is not a mode: up to half a standard error where few groups leave the sd of effects open
    assert np.abs((beta - coefs) / errors).max() < 0.5, (beta - coefs) / errors
    widths = fit.posterior["beta"].std(("chain", "draw")).to_numpy()
    assert np.all((widths > 0.85 * np.array(errors)) & (widths < 1.5 * np.array(errors)))
    for key, value in auxiliary.items():
        draws = fit.posterior[key]
        assert abs(float(draws.mean()) - value) < 0.75 * float(draws.std()), key
    (group,) = (key for key in fit.posterior if str(key).startswith("sd_"))
    low, high = np.quantile(fit.posterior[group], [0.0, 0.9])
    assert low < max(sd, 0.1) < high


@pytest.mark.slow
def test_inhaler_by_steps_is_near_the_maximum_of_the_likelihood():
    """Figures: lme4 1.1.31, glmer of every step that a rating reached, whether it went on; thresholds are -1 times."""
    fit = bg.GLMM(
        "rating ~ treat + period + carry + (1 | subject)",
        inhaler(),
        family="sratio",
        priors={"beta": bg.Prior("Normal", mu=0, sigma=10)},
    ).fit(random_seed=1, progressbar=False)
    assert fit.diagnose().passed
    draws = np.concatenate([fit.posterior[name].stack(s=("chain", "draw")) for name in ("beta", "thresholds")])
    estimates = np.array([-0.900259, 0.239496, -0.247942, 0.642434, 2.927064, 2.158724])
    errors = np.array([0.275059, 0.178493, 0.207971, 0.117770, 0.357685, 0.627865])
    assert np.abs((draws.mean(axis=1) - estimates) / errors).max() < 0.5
    assert np.all((draws.std(axis=1) > 0.85 * errors) & (draws.std(axis=1) < 1.5 * errors))
    low, high = np.quantile(fit.posterior["sd_subject"], [0.05, 0.95])
    assert low < 0.87297 < high
