"""Published figures against our posteriors; every row names its source.

Likelihood fits (lme4): locations agree within a fraction of a standard error, sds at the posterior mode. Posteriors
(brms, Stan) with exactly the priors they were computed with: means and sds agree within Monte-Carlo error. Posteriors
whose data are not ours to ship are read from ``../shared/reference`` where that is there.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_glmm as bg

SHARED = Path(__file__).parents[2] / "shared" / "reference"
LME4 = "lme4 1.1-31, R 4.2.2, run for this table"
BRMS = "brms 2.18.0, four chains, mostly of 5000 draws, run for this table"

CBPP = "p(incidence, size) ~ period + (1 | herd)"
SLEEP = "Reaction ~ Days + (Days | Subject)"


@cache
def fitted(formula: str, dataset: str, family: str, priors: tuple = (), draws: int = 2500):
    model = bg.GLMM(formula, datasets()[dataset], family=family, priors=dict(priors))
    return model.fit(draws=draws, random_seed=20, progressbar=False)


@cache
def datasets() -> dict[str, pd.DataFrame]:
    frames = {name: bg.load_dataset(name) for name in ("cbpp", "sleepstudy", "Penicillin", "Pastes", "epil")}
    # brms's `epilepsy` is these data: age and baseline count standardised over the 236 rows
    frames["epil"] = frames["epil"].assign(visit=np.arange(236))
    return frames


def parameter(fit, name: str) -> np.ndarray:
    """Draws (chain, draw) of a parameter by its name in ``priors=``: beta[x], sd[g][x], corr[g], sigma."""
    posterior = fit.posterior
    if name == "Intercept" or name.startswith("beta["):
        return posterior["beta"].sel(coef=name.removeprefix("beta[").removesuffix("]") if "[" in name else name).values
    if found := re.fullmatch(r"sd\[(.+?)\]\[(.+)\]", name):
        group, coef = found.groups()
        return posterior[f"sd_{group}"].sel({f"{group}_coef": coef}).values
    if found := re.fullmatch(r"corr\[(.+)\]", name):
        return posterior[f"corr_{found[1]}"][..., 0, 1].values
    if found := re.fullmatch(r"b\[(.+?)\]\[(.+?)\]\[(.+)\]", name):
        group, level, coef = found.groups()
        levels = [str(value) for value in posterior[group].values]
        return posterior[f"b_{group}"].sel({f"{group}_coef": coef}).values[:, :, levels.index(level)]
    return posterior[name].values


def mcse(values: np.ndarray) -> float:
    return float(az.mcse(values, method="mean"))


def mode(values: np.ndarray) -> float:
    """The mode of a density of positive draws: of a kernel estimate reflected at zero."""
    draws = values.ravel()
    density = stats.gaussian_kde(np.concatenate([draws, -draws]))
    grid = np.linspace(0, np.quantile(draws, 0.98), 400)
    return float(grid[np.argmax(density(grid))])


# lme4 ----------------------------------------------------------------------------------------------------------------

#: formula, data set, family, parameter, estimate, standard error (sds: None), source
LIKELIHOOD = [
    (SLEEP, "sleepstudy", "gaussian", "Intercept", 251.4051, 6.824597, LME4),
    (SLEEP, "sleepstudy", "gaussian", "beta[Days]", 10.46729, 1.545790, LME4),
    (SLEEP, "sleepstudy", "gaussian", "sd[Subject][Intercept]", 24.74066, None, LME4),
    (SLEEP, "sleepstudy", "gaussian", "sd[Subject][Days]", 5.922138, None, LME4),
    (SLEEP, "sleepstudy", "gaussian", "sigma", 25.59180, None, LME4),
    (CBPP, "cbpp", "binomial", "Intercept", -1.399224, 0.2335114, LME4 + ", nAGQ = 25"),
    (CBPP, "cbpp", "binomial", "beta[period[2]]", -0.9914089, 0.3067682, LME4 + ", nAGQ = 25"),
    (CBPP, "cbpp", "binomial", "beta[period[3]]", -1.127810, 0.3267672, LME4 + ", nAGQ = 25"),
    (CBPP, "cbpp", "binomial", "beta[period[4]]", -1.579481, 0.4275957, LME4 + ", nAGQ = 25"),
    (CBPP, "cbpp", "binomial", "sd[herd][Intercept]", 0.6475199, None, LME4 + ", nAGQ = 25"),
    ("diameter ~ (1 | plate) + (1 | sample)", "Penicillin", "gaussian", "Intercept", 22.97222, 0.8085954, LME4),
    ("diameter ~ (1 | plate) + (1 | sample)", "Penicillin", "gaussian", "sd[plate][Intercept]", 0.8467025, None, LME4),
    ("diameter ~ (1 | plate) + (1 | sample)", "Penicillin", "gaussian", "sd[sample][Intercept]", 1.931614, None, LME4),
    ("diameter ~ (1 | plate) + (1 | sample)", "Penicillin", "gaussian", "sigma", 0.5499227, None, LME4),
    ("strength ~ (1 | batch/cask)", "Pastes", "gaussian", "Intercept", 60.05333, 0.6768702, LME4),
    ("strength ~ (1 | batch/cask)", "Pastes", "gaussian", "sd[batch:cask][Intercept]", 2.904077, None, LME4),
    ("strength ~ (1 | batch/cask)", "Pastes", "gaussian", "sd[batch][Intercept]", 1.287366, None, LME4),
    ("strength ~ (1 | batch/cask)", "Pastes", "gaussian", "sigma", 0.8234075, None, LME4),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "data", "family", "name", "estimate", "error", "source"), LIKELIHOOD)
def test_likelihood_fits(formula, data, family, name, estimate, error, source):
    """Fixed effects within 0.15 standard errors of ML or REML, sds at the mode within a quarter of the posterior sd."""
    draws = parameter(fitted(formula, data, family), name)
    if error is not None:
        assert abs(draws.mean() - estimate) < 0.15 * error + 4 * mcse(draws)
    else:
        assert abs(mode(draws) - estimate) < 0.25 * draws.std()


def test_sleepstudy_is_within_the_issues_tolerance():
    """REML's 251.4 and 10.47 within three Monte-Carlo standard errors and two per cent."""
    fit = fitted(SLEEP, "sleepstudy", "gaussian")
    for name, published in (("Intercept", 251.4051), ("beta[Days]", 10.46729)):
        draws = parameter(fit, name)
        assert abs(draws.mean() - published) < 3 * mcse(draws) + 0.02 * abs(published)
    corr = parameter(fit, "corr[Subject]")
    assert corr.std() > 0.1 and abs(corr.mean() - 0.0656) < 0.5 * corr.std()


#: Conditional modes of lmer(Reaction ~ Days + (Days | Subject), sleepstudy), REML: subject, intercept, Days. `LME4`.
CONDITIONAL_MODES = {
    "308": (2.2585509, 9.1989758), "309": (-40.3987381, -8.6196806), "310": (-38.9604090, -5.4488565),
    "330": (23.6906196, -4.8143503), "331": (22.2603126, -3.0699116), "332": (9.0395679, -0.2721770),
    "333": (16.8405086, -0.2236361), "334": (-7.2326151, 1.0745816), "335": (-0.3336684, -10.7521652),
    "337": (34.8904868, 8.6282652), "349": (-25.2102286, 1.1734322), "350": (-13.0700342, 6.6142178),
    "351": (4.5778642, -3.0152621), "352": (20.8636782, 3.5360011), "369": (3.2754656, 0.8722149),
    "370": (-25.6129993, 4.8224850), "371": (0.8070461, -0.9881562), "372": (12.3145921, 1.2840221),
}  # fmt: skip


@pytest.mark.parametrize(("column", "coef"), [(0, "Intercept"), (1, "Days")])
def test_subjects_effects_are_lme4s_conditional_modes(column, coef):
    effects = fitted(SLEEP, "sleepstudy", "gaussian").posterior["b_Subject"].sel(Subject_coef=coef)
    ours = effects.mean(("chain", "draw")).sel(Subject=list(CONDITIONAL_MODES)).values
    theirs = np.array([row[column] for row in CONDITIONAL_MODES.values()])
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    # shrunk a little less, because sds average over their posterior instead of sitting at REML's estimate
    assert 0.9 < np.polyfit(theirs, ours, 1)[0] < 1.15


# Posteriors ----------------------------------------------------------------------------------------------------------


def agree(draws: np.ndarray, mean: float, sd: float, error: float, effective: float) -> list[str]:
    """The pass rule for posteriors: about one false alarm in a hundred over 200 parameters."""
    wrong = []
    bound = 4 * np.hypot(mcse(draws), error)
    if abs(draws.mean() - mean) > bound:
        wrong.append(f"mean {draws.mean():.5g}, reference {mean:.5g}, allowed {bound:.2g}")
    ours = float(az.ess(draws, method="sd"))
    # heavy tails: the error of a sd is that of its kurtosis, not a normal's
    kurtosis = float(np.mean((draws - draws.mean()) ** 4) / draws.var() ** 2)
    bound = 4 * np.sqrt((kurtosis - 1) / 4 * (1 / ours + 1 / effective))
    if abs(np.log(draws.std() / sd)) > bound:
        wrong.append(f"sd {draws.std():.5g}, reference {sd:.5g}, allowed {100 * bound:.2g} %")
    return wrong


def student_t(nu: float, mu: float, sigma: float) -> bg.Prior:
    return bg.Prior("StudentT", nu=nu, mu=mu, sigma=sigma)


FLAT = bg.Prior("Flat")
HALF_T = bg.Prior("HalfStudentT", nu=3, sigma=2.5)
EPIL = "y ~ scale(age) + scale(base) * trt + (1 | subject)"

#: formula, data set, family, brms's priors, then its summary: mean, sd, error of the mean, bulk ESS. Source: `BRMS`.
POSTERIORS = {
    "cbpp": (CBPP, "cbpp", "binomial",
        (("Intercept", student_t(3, 0, 2.5)), ("beta", FLAT), ("sd", HALF_T)),
        {
            "Intercept": (-1.3987, 0.259739, 0.00290132, 8062),
            "beta[period[2]]": (-0.994724, 0.30874, 0.00224401, 18917),
            "beta[period[3]]": (-1.134656, 0.331546, 0.00236329, 19774),
            "beta[period[4]]": (-1.613439, 0.437756, 0.00318066, 19412),
            "sd[herd][Intercept]": (0.760497, 0.227237, 0.00278282, 6824),
        }),
    "sleepstudy": (SLEEP, "sleepstudy", "gaussian",
        (("Intercept", student_t(3, 288.7, 59.3)), ("beta", FLAT), ("corr", bg.Prior("LKJ", eta=1)),
         ("sd", bg.Prior("HalfStudentT", nu=3, sigma=59.3)), ("sigma", bg.Prior("HalfStudentT", nu=3, sigma=59.3))),
        {
            "Intercept": (251.3052, 7.369544, 0.07653696, 9250),
            "beta[Days]": (10.40959, 1.711366, 0.02111062, 6594),
            "sd[Subject][Intercept]": (26.98668, 6.886327, 0.07205335, 8941),
            "sd[Subject][Days]": (6.578309, 1.51749, 0.01783568, 7159),
            "corr[Subject]": (0.083765, 0.29593, 0.00431238, 4673),
            "sigma": (25.88905, 1.552579, 0.01172638, 17758),
        }),
    "penicillin": ("diameter ~ (1 | plate) + (1 | sample)", "Penicillin", "gaussian",
        (("Intercept", student_t(3, 23, 2.5)), ("sd", HALF_T), ("sigma", HALF_T)),
        {
            "Intercept": (22.9646, 0.879733, 0.01460593, 3578),
            "sd[plate][Intercept]": (0.894339, 0.150208, 0.00269494, 3040),
            "sd[sample][Intercept]": (2.244429, 0.785829, 0.01082022, 4812),
            "sigma": (0.556025, 0.037134, 0.0003129, 14236),
        }),
    "epil, negative binomial": (EPIL, "epil", "negativebinomial",
        (("Intercept", student_t(3, 1.4, 2.5)), ("beta", FLAT), ("sd", HALF_T),
         ("phi", bg.Prior("Gamma", alpha=0.01, beta=0.01))),
        {
            "Intercept": (1.791893, 0.121475, 0.00164364, 5462),
            "beta[scale(age)]": (0.09217, 0.087789, 0.00119392, 5405),
            "beta[scale(base)]": (0.700721, 0.120544, 0.00178263, 4573),
            "beta[trt[progabide]]": (-0.268843, 0.168073, 0.00234271, 5164),
            "beta[scale(base):trt[progabide]]": (0.053399, 0.166169, 0.00230604, 5189),
            "sd[subject][Intercept]": (0.551977, 0.074835, 0.00103732, 5263),
            "phi": (7.450605, 1.791806, 0.01493014, 14937),
        }),
    "epil, poisson": (EPIL, "epil", "poisson",
        (("Intercept", student_t(3, 1.4, 2.5)), ("beta", FLAT), ("sd", HALF_T)),
        {
            "Intercept": (1.775966, 0.119356, 0.00165871, 5177),
            "beta[scale(age)]": (0.091271, 0.087723, 0.00119872, 5357),
            "beta[scale(base)]": (0.702739, 0.121853, 0.00169497, 5173),
            "beta[trt[progabide]]": (-0.2729, 0.168007, 0.00239624, 4913),
            "beta[scale(base):trt[progabide]]": (0.052977, 0.164835, 0.00216887, 5779),
            "sd[subject][Intercept]": (0.585473, 0.069872, 0.00099332, 4967),
        }),
    "epil, poisson with an effect per visit": (EPIL + " + (1 | visit)", "epil", "poisson",
        (("Intercept", student_t(3, 1.4, 2.5)), ("beta", student_t(5, 0, 10)), ("sd", bg.Prior("HalfCauchy", beta=2))),
        {
            "Intercept": (1.720216, 0.11951, 0.00127662, 8761),
            "beta[scale(age)]": (0.094997, 0.086328, 0.00090681, 9066),
            "beta[scale(base)]": (0.700354, 0.117717, 0.00127946, 8483),
            "beta[trt[progabide]]": (-0.262604, 0.168231, 0.00178459, 8891),
            "beta[scale(base):trt[progabide]]": (0.05887, 0.161206, 0.00170644, 8938),
            "sd[visit][Intercept]": (0.371962, 0.043372, 0.00047506, 8344),
            "sd[subject][Intercept]": (0.541472, 0.074513, 0.00086412, 7431),
        }),
}  # fmt: skip


@pytest.mark.parametrize("name", POSTERIORS)
def test_posteriors_of_brms(name):
    formula, data, family, priors, expected = POSTERIORS[name]
    fit = fitted(formula, data, family, priors)
    wrong = {
        parameter_name: found
        for parameter_name, reference in expected.items()
        if (found := agree(parameter(fit, parameter_name), *reference))
    }
    assert not wrong


# posteriordb ---------------------------------------------------------------------------------------------------------


def long_lsat(data: dict) -> pd.DataFrame:
    """Thousand students from the counts of the 32 patterns of answers."""
    patterns = np.repeat(np.arange(data["R"]), np.diff([0, *data["culm"]]))
    answers = np.asarray(data["response"])[patterns]
    return pd.DataFrame(
        {
            "r": answers.ravel(),
            "item": np.tile([f"item {i}" for i in range(1, data["T"] + 1)], len(patterns)),
            "student": np.repeat(np.arange(len(patterns)), data["T"]),
        }
    )


def columns(*names: str):
    return lambda data: pd.DataFrame({name: np.asarray(data[name]) for name in names})


def cases(*names: str):
    """Their response is called C, which is a function in formulas."""
    return lambda data: columns(*names)(data).assign(cases=np.asarray(data["C"]))


def prior(name: str, *values: float) -> bg.Prior:
    return bg.Prior(name, *values)


RADON = {"Intercept": prior("Normal", 0, 10), "beta": prior("Normal", 0, 10), "sigma": prior("HalfNormal", 1)}
RADON_DATA = columns("floor_measure", "log_radon", "county_idx")
ALL_FLAT = {"Intercept": FLAT, "beta": FLAT}

#: file -> formula, family, priors (on the raw intercept), data, {their name: (ours, sign)}
POSTERIORDB = {
    "radon_mn-radon_pooled": (
        "log_radon ~ floor_measure", "gaussian", RADON, RADON_DATA,
        {"alpha": "Intercept", "beta": "beta[floor_measure]", "sigma_y": "sigma"}),
    "radon_mn-radon_variable_intercept": (
        "log_radon ~ floor_measure + (1 | county_idx)", "gaussian", {**RADON, "sd": prior("HalfNormal", 1)}, RADON_DATA,
        {"mu_alpha": "Intercept", "beta": "beta[floor_measure]", "sigma_alpha": "sd[county_idx][Intercept]",
         "sigma_y": "sigma"}),
    "radon_mn-radon_variable_intercept_slope": (
        "log_radon ~ floor_measure + (floor_measure || county_idx)", "gaussian",
        {**RADON, "sd": prior("HalfNormal", 1)}, RADON_DATA,
        {"mu_alpha": "Intercept", "mu_beta": "beta[floor_measure]", "sigma_alpha": "sd[county_idx][Intercept]",
         "sigma_beta": "sd[county_idx][floor_measure]", "sigma_y": "sigma"}),
    "rats_data-rats_model": (
        "y ~ xc + (xc || rat)", "gaussian",
        {"Intercept": prior("Normal", 0, 100), "beta": prior("Normal", 0, 100), "sd": FLAT, "sigma": FLAT},
        lambda data: columns("y", "rat")(data).assign(xc=np.asarray(data["x"]) - 22.0),
        {"mu_alpha": "Intercept", "mu_beta": "beta[xc]", "sigma_alpha": "sd[rat][Intercept]",
         "sigma_beta": "sd[rat][xc]", "sigma_y": "sigma"}),
    "pilots-pilots": (
        "y ~ 1 + (1 | group_id) + (1 | scenario_id)", "gaussian",
        {"Intercept": prior("Normal", 0, 200**0.5), "sd": prior("Uniform", 0, 100), "sigma": prior("Uniform", 0, 100)},
        columns("y", "group_id", "scenario_id"),
        {"Intercept": "Intercept", "sigma_a": "sd[group_id][Intercept]", "sigma_b": "sd[scenario_id][Intercept]",
         "sigma_y": "sigma", "r_b[1]": "b[scenario_id][1][Intercept]", "r_a[5]": "b[group_id][5][Intercept]"}),
    "seeds_data-seeds_stanified_model": (
        "p(n, N) ~ x1 * x2 + (1 | plate)", "binomial",
        {"Intercept": prior("Normal", 0, 1), "beta": prior("Normal", 0, 1), "sd": prior("HalfCauchy", 1)},
        lambda data: columns("n", "N", "x1", "x2")(data).assign(plate=np.arange(21)),
        {"alpha0": "Intercept", "alpha1": "beta[x1]", "alpha2": "beta[x2]", "alpha12": "beta[x1:x2]",
         "sigma": "sd[plate][Intercept]", "b[1]": "b[plate][0][Intercept]", "b[4]": "b[plate][3][Intercept]"}),
    "GLMM_Poisson_data-GLMM_Poisson_model": (
        "cases ~ year + I(year**2) + I(year**3) + (1 | row)", "poisson",
        {"Intercept": prior("Normal", 0, 1e4), "beta": prior("Normal", 0, 1e4), "sd": prior("Uniform", 0, 5)},
        lambda data: cases("year")(data).assign(row=np.arange(40)),
        {"alpha": "Intercept", "beta1": "beta[year]", "beta2": "beta[I(year ** 2)]", "beta3": "beta[I(year ** 3)]",
         "sigma": "sd[row][Intercept]"}),
    "GLM_Poisson_Data-GLM_Poisson_model": (
        "cases ~ year + I(year**2) + I(year**3)", "poisson", ALL_FLAT, cases("year"),
        {"alpha": "Intercept", "beta1": "beta[year]", "beta2": "beta[I(year ** 2)]", "beta3": "beta[I(year ** 3)]"}),
    "GLM_Binomial_data-GLM_Binomial_model": (
        "p(cases, N) ~ year + I(year**2)", "binomial",
        {"Intercept": prior("Normal", 0, 100), "beta": prior("Normal", 0, 100)}, cases("year", "N"),
        {"alpha": "Intercept", "beta1": "beta[year]", "beta2": "beta[I(year ** 2)]"}),
    "lsat_data-lsat_model": (
        "r ~ 0 + item + (1 | student)", "bernoulli",
        {"beta": prior("Normal", 0, 100), "sd": prior("HalfNormal", 100)}, long_lsat,
        {**{f"alpha[{i}]": f"-beta[item[item {i}]]" for i in range(1, 6)}, "beta": "sd[student][Intercept]"}),
    "nes_logit_data-nes_logit_model": (
        "vote ~ income", "bernoulli", ALL_FLAT, columns("vote", "income"),
        {"alpha": "Intercept", "beta[1]": "beta[income]"}),
    "kidiq-kidscore_interaction": (
        "kid_score ~ mom_hs * mom_iq", "gaussian", {**ALL_FLAT, "sigma": prior("HalfCauchy", 2.5)},
        columns("kid_score", "mom_hs", "mom_iq"),
        {"beta[1]": "Intercept", "beta[2]": "beta[mom_hs]", "beta[3]": "beta[mom_iq]", "beta[4]": "beta[mom_hs:mom_iq]",
         "sigma": "sigma"}),
    "kilpisjarvi_mod-kilpisjarvi": (
        "y ~ x", "gaussian",
        {"Intercept": prior("Normal", 9.31290322580645, 100), "beta": prior("Normal", 0, 0.0333333333333333),
         "sigma": FLAT}, columns("y", "x"),
        {"alpha": "Intercept", "beta": "beta[x]", "sigma": "sigma"}),
    "mesquite-logmesquite_logva": (
        "log(weight) ~ log(diam1 * diam2 * canopy_height) + log(diam1 * diam2) + group", "gaussian",
        {**ALL_FLAT, "sigma": FLAT}, columns("weight", "diam1", "diam2", "canopy_height", "group"),
        {"beta[1]": "Intercept", "beta[2]": "beta[log(diam1 * diam2 * canopy_height)]",
         "beta[3]": "beta[log(diam1 * diam2)]", "beta[4]": "beta[group]", "sigma": "sigma"}),
    "sesame_data-sesame_one_pred_a": (
        "watched ~ encouraged", "gaussian", {**ALL_FLAT, "sigma": FLAT}, columns("watched", "encouraged"),
        {"beta[1]": "Intercept", "beta[2]": "beta[encouraged]", "sigma": "sigma"}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", POSTERIORDB)
def test_posteriordb(name):
    """posteriordb's data and priors; its own reference draws, or 4 x 7500 draws of its Stan program."""
    path = SHARED / "posteriors" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine: posteriordb's data are not shipped")
    reference = json.loads(path.read_text())
    formula, family, priors, frame, names = POSTERIORDB[name]
    model = bg.GLMM(formula, frame(reference["data"]), family=family, priors=priors, center=False)
    # a thousand students answer in lsat: fewer draws serve
    many = any(group.size > 500 for group in model.design.groups)
    fit = model.fit(draws=1000 if many else 2500, random_seed=4, progressbar=False)
    wrong = {}
    for theirs, ours in names.items():
        draws = parameter(fit, ours.removeprefix("-")) * (-1 if ours.startswith("-") else 1)
        row = reference["reference"]["params"][theirs]
        if found := agree(draws, row["mean"], row["sd"], row["mcse_mean"], row.get("ess_bulk", row.get("ess"))):
            wrong[theirs] = found
    assert not wrong
