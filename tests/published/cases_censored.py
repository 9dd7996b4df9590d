"""Published fits to censored times: the kidney model of Bürkner (2017), under its priors and brms's defaults then.

Figures are those printed there, two decimals; the Monte-Carlo error of a mean is sd / sqrt(effective draws).
"""

from __future__ import annotations

import math

import bayes_glmm as bg
from tests.published.cases import Case
from tests.published.compare import MC_ERRORS, Posterior
from tests.published.data import shipped

JSS = "brms, JSS 80(1)"


def printed(mean: float, sd: float, ess: int, digits: int) -> Posterior:
    return Posterior(mean, sd, sd / math.sqrt(ess), ess, digits=digits)


KIDNEY = Case(
    "kidney", "time | cens(1 - status) ~ age * sex + disease + (1 + age | id)", shipped("kidney"), JSS, MC_ERRORS,
    {
        "Intercept": ("Intercept", printed(2.73, 0.96, 2139, 3)),
        "age": ("beta[age]", printed(0.01, 0.02, 1614, 1)),
        "sexfemale": ("beta[sex[female]]", printed(2.42, 1.13, 2065, 3)),
        "diseaseGN": ("beta[disease[GN]]", printed(-0.40, 0.53, 2664, 2)),
        "diseaseAN": ("beta[disease[AN]]", printed(-0.52, 0.50, 2713, 2)),
        "diseasePKD": ("beta[disease[PKD]]", printed(0.60, 0.74, 2968, 2)),
        "age:sexfemale": ("beta[age:sex[female]]", printed(-0.02, 0.03, 1956, 1)),
        "sd(Intercept)": ("sd[id][Intercept]", printed(0.40, 0.28, 1731, 2)),
        "sd(age)": ("sd[id][age]", printed(0.01, 0.01, 1137, 1)),
        "cor(Intercept,age)": ("corr[id]", printed(-0.13, 0.46, 3159, 2)),
        "sigma": ("sigma", printed(1.15, 0.13, 4000, 3)),
    },
    family="lognormal",
    priors={
        "beta": bg.Prior("Normal", 0, 5), "Intercept": bg.Prior("StudentT", 3, 4, 10),
        "sd": bg.Prior("HalfCauchy", 2), "corr": bg.Prior("LKJ", 2), "sigma": bg.Prior("HalfStudentT", 3, 10),
    },
)  # fmt: skip
