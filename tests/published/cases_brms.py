"""Posteriors of brms 2.18, with exactly its priors: parameters, every level's effects, and elpd_loo.

Parameters: mean, sd, Monte-Carlo error of the mean, bulk effective draws. Levels' effects are in ``brms_levels.csv``;
brms prints no Monte-Carlo error for them, so theirs is that of the fit's least effective parameter.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

import bayes_glmm as bg
from tests.published.cases import Case
from tests.published.compare import ERRORS, MC_ERRORS, Comparison, Posterior
from tests.published.data import Data, blue_tits, epil, reference, shipped, wine
from tests.published.draws import level_effect

BRMS = "brms 2.18.0"
#: Runs that the Monte-Carlo error of elpd_loo is taken from, their draws a chain, and brms's.
RUNS, DRAWS, BRMS_DRAWS = 6, 5000, 5000  # estimates with fewer draws are larger where Pareto k is high

Summary = tuple[float, float, float, int]


def student_t(nu: float, mu: float, sigma: float) -> bg.Prior:
    return bg.Prior("StudentT", nu=nu, mu=mu, sigma=sigma)


FLAT = bg.Prior("Flat")
HALF_T = bg.Prior("HalfStudentT", nu=3, sigma=2.5)
HALF_T59 = bg.Prior("HalfStudentT", nu=3, sigma=59.3)


Level = tuple[str, str, str, float, float]


@cache
def _shipped_levels() -> list[list[str]]:
    with Path(__file__).with_name("brms_levels.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def levels_of(case: str) -> list[Level]:
    """Group, level, coefficient, mean and sd; blue tits' are not ours to ship."""
    if case != "bt_tarsus":
        return [(*row[1:4], float(row[4]), float(row[5])) for row in _shipped_levels() if row[0] == case]
    rows = []
    for group, effects in reference("brms/bt_tarsus.json")["ranef"].items():
        for level, ((mean,), (sd,), *_) in zip(effects["dimnames"][0], effects["values"], strict=True):
            rows.append((group, level, "Intercept", mean, sd))
    return rows


def levels_and_loo(case: str, least: int, elpd_loo: float) -> Callable[[bg.FittedGLMM], list[Comparison]]:
    def compare(fit: bg.FittedGLMM) -> list[Comparison]:
        rows = leave_one_out(fit, elpd_loo)
        for group, level, coef, mean, sd in levels_of(case):
            figure = Posterior(mean, sd, sd / math.sqrt(least), least)
            rows += figure.compare(f"b[{group}][{level}][{coef}]", level_effect(fit, group, level, coef))
        return rows

    return compare


def leave_one_out(fit: bg.FittedGLMM, published: float) -> list[Comparison]:
    """elpd_loo by importance sampling, as brms's; where Pareto k is high, it varies more from run to run."""
    ours = []
    for seed in range(RUNS):
        run = fit.model.fit(draws=DRAWS, random_seed=seed, progressbar=False)
        ours.append(bg.loo(run, refits=False).elpd)
    mean, error = float(np.mean(ours)), float(np.std(ours, ddof=1))
    allowed = ERRORS * error * math.sqrt(1 / RUNS + DRAWS / BRMS_DRAWS)
    return [Comparison("elpd_loo", "mean", mean, published, mean - published, allowed)]


def brms(
    id: str,
    formula: str,
    data: Data,
    family: str,
    priors: Mapping[str, bg.Prior],
    names: Mapping[str, Summary],
    elpd_loo: float,
    draws: int = 2500,
) -> list[Case]:
    """Two cases: what every test run looks at, and levels' effects and elpd_loo."""  # fmt: skip
    figures = {name: (name, Posterior(*summary)) for name, summary in names.items()}
    shared = {"family": family, "priors": priors, "draws": draws}
    return [
        Case(id, formula, data, BRMS, MC_ERRORS, figures, fast=data is not blue_tits, **shared),
        Case(
            f"{id}: levels, elpd_loo", formula, data, BRMS, MC_ERRORS,
            more=levels_and_loo(id, min(ess for *_, ess in names.values()), elpd_loo), **shared,
        ),
    ]  # fmt: skip


EPIL = "y ~ scale(age) + scale(base) * trt + (1 | subject)"
EPIL_PRIORS = {"Intercept": student_t(3, 1.4, 2.5), "beta": FLAT, "sd": HALF_T}

CASES = [
    *brms(
        "cbpp", "p(incidence, size) ~ period + (1 | herd)", shipped("cbpp"), "binomial",
        {"Intercept": student_t(3, 0, 2.5), "beta": FLAT, "sd": HALF_T},
        {
            "Intercept": (-1.3987, 0.2597389, 0.00290132, 8062),
            "beta[period[2]]": (-0.994724, 0.30874, 0.00224401, 18917),
            "beta[period[3]]": (-1.134656, 0.3315462, 0.00236329, 19774),
            "beta[period[4]]": (-1.613439, 0.4377563, 0.00318066, 19412),
            "sd[herd][Intercept]": (0.7604971, 0.2272372, 0.00278282, 6824),
        }, -100.0171),
    *brms(
        "sleepstudy", "Reaction ~ Days + (Days | Subject)", shipped("sleepstudy"), "gaussian",
        {"Intercept": student_t(3, 288.7, 59.3), "beta": FLAT, "corr": bg.Prior("LKJ", eta=1), "sd": HALF_T59,
         "sigma": HALF_T59},
        {
            "Intercept": (251.3052, 7.369544, 0.07653696, 9250),
            "beta[Days]": (10.40959, 1.711366, 0.02111062, 6594),
            "sd[Subject][Intercept]": (26.98668, 6.886327, 0.07205335, 8941),
            "sd[Subject][Days]": (6.578309, 1.51749, 0.01783568, 7159),
            "corr[Subject]": (0.08376511, 0.29593, 0.00431238, 4673),
            "sigma": (25.88905, 1.552579, 0.01172638, 17758),
        }, -861.3461),
    *brms(
        "penicillin", "diameter ~ (1 | plate) + (1 | sample)", shipped("Penicillin"), "gaussian",
        {"Intercept": student_t(3, 23, 2.5), "sd": HALF_T, "sigma": HALF_T},
        {
            "Intercept": (22.9646, 0.8797325, 0.01460593, 3578),
            "sd[plate][Intercept]": (0.8943395, 0.1502082, 0.00269494, 3040),
            "sd[sample][Intercept]": (2.244429, 0.7858291, 0.01082022, 4812),
            "sigma": (0.5560247, 0.03713431, 0.0003129, 14236),
        }, -134.8463),
    *brms(
        "wine", "rating ~ temp + contact + (1 | judge)", wine, "cumulative",
        {"beta": bg.Prior("Normal", 0, 5), "thresholds": bg.Prior("Normal", 0, 5), "sd": bg.Prior("HalfNormal", 5)},
        {
            "thresholds[1|2]": (-1.751775, 0.7907131, 0.00789197, 10164),
            "thresholds[2|3]": (1.553481, 0.7229438, 0.00704362, 10731),
            "thresholds[3|4]": (4.381555, 0.9054928, 0.00898502, 10334),
            "thresholds[4|5]": (6.363116, 1.052096, 0.01043857, 10348),
            "beta[temp[warm]]": (3.18207, 0.6021351, 0.00561218, 11628),
            "beta[contact[yes]]": (1.907418, 0.5277946, 0.00417627, 16094),
            "sd[judge][Intercept]": (1.545995, 0.610857, 0.00831323, 4997),
        }, -85.64726),
    *brms(
        "epilepsy_readme_fit1", EPIL, epil, "poisson", EPIL_PRIORS,
        {
            "Intercept": (1.775966, 0.119356, 0.00165871, 5177),
            "beta[scale(age)]": (0.09127102, 0.08772344, 0.00119872, 5357),
            "beta[scale(base)]": (0.7027391, 0.1218532, 0.00169497, 5173),
            "beta[trt[progabide]]": (-0.2729004, 0.1680073, 0.00239624, 4913),
            "beta[scale(base):trt[progabide]]": (0.0529772, 0.1648351, 0.00216887, 5779),
            "sd[subject][Intercept]": (0.5854728, 0.06987224, 0.00099332, 4967),
        }, -673.4673),
    *brms(
        "epil_negbin", EPIL, epil, "negativebinomial",
        {**EPIL_PRIORS, "phi": bg.Prior("Gamma", alpha=0.01, beta=0.01)},
        {
            "Intercept": (1.791893, 0.1214751, 0.00164364, 5462),
            "beta[scale(age)]": (0.09217003, 0.08778892, 0.00119392, 5405),
            "beta[scale(base)]": (0.7007212, 0.1205445, 0.00178263, 4573),
            "beta[trt[progabide]]": (-0.2688434, 0.1680731, 0.00234271, 5164),
            "beta[scale(base):trt[progabide]]": (0.0533988, 0.1661692, 0.00230604, 5189),
            "sd[subject][Intercept]": (0.5519767, 0.07483507, 0.00103732, 5263),
            "phi": (7.450605, 1.791806, 0.01493014, 14937),
        }, -615.3827),
    *brms(
        "epilepsy_docs", EPIL + " + (1 | visit)", epil, "poisson",
        {**EPIL_PRIORS, "beta": student_t(5, 0, 10), "sd": bg.Prior("HalfCauchy", beta=2)},
        {
            "Intercept": (1.720216, 0.11951, 0.00127662, 8761),
            "beta[scale(age)]": (0.09499687, 0.08632785, 0.00090681, 9066),
            "beta[scale(base)]": (0.7003537, 0.1177166, 0.00127946, 8483),
            "beta[trt[progabide]]": (-0.2626038, 0.1682312, 0.00178459, 8891),
            "beta[scale(base):trt[progabide]]": (0.05887035, 0.1612057, 0.00170644, 8938),
            "sd[visit][Intercept]": (0.3719623, 0.04337214, 0.00047506, 8344),
            "sd[subject][Intercept]": (0.5414722, 0.07451285, 0.00086412, 7431),
        }, -600.5644),
    *brms(
        "bt_tarsus", "tarsus ~ sex + hatchdate + (1 | fosternest) + (1 | dam)", blue_tits, "gaussian",
        {"Intercept": student_t(3, 0.1, 2.5), "beta": FLAT, "sd": HALF_T, "sigma": HALF_T},
        {
            "Intercept": (-0.4024161, 0.06802975, 0.00072917, 8713),
            "beta[sex[Male]]": (0.7678194, 0.05728118, 0.00036009, 25326),
            "beta[sex[UNK]]": (0.2154909, 0.1289977, 0.00082352, 24536),
            "beta[hatchdate]": (-0.04083729, 0.05756989, 0.00063371, 8257),
            "sd[dam][Intercept]": (0.4750091, 0.05001089, 0.00063621, 6174),
            "sd[fosternest][Intercept]": (0.2660362, 0.0582702, 0.00099763, 3704),
            "sigma": (0.7557225, 0.02065597, 0.00015038, 18971),
        }, -1000.599),
]  # fmt: skip
