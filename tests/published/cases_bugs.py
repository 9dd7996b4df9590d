"""BUGS examples: chains of OpenBUGS (2 x 25 000 draws) and the tables printed in its documents (four digits).

Chains and documents are kept apart: Seeds' chains have a gamma prior on the precision, its document a uniform one on
the sd. Precisions whose moments do not exist, or take millions of draws, are compared by quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import bayes_glmm as bg
from tests.published import data
from tests.published.cases import Case, Ours, frame
from tests.published.compare import MC_ERRORS, Posterior, Quantiles
from tests.published.draws import deviance, parameter

#: MultiBUGS/multibugstests 4760993, and MultiBUGS/MultiBUGS-txt ed6a62c.
CHAINS, DOCUMENT = "OpenBUGS chains", "OpenBUGS document"
OTHER_DOCUMENT = "OpenBUGS document, other edition"
#: classic-bugs, vol1/rats/bench-test2.R
JAGS = "JAGS benchmark"

VAGUE = bg.Prior("Normal", 0, 1000)
GAMMA = bg.Prior("Gamma", 0.001, 0.001)

#: Published name -> ours, mean, sd, Monte-Carlo error of the mean, effective draws.
Rows = Mapping[str, tuple[Ours, float, float, float, float]]
#: Published name -> ours, the 2.5, 25, 50, 75 and 97.5 % quantiles, effective draws.
Tails = Mapping[str, tuple[Ours, tuple[float, ...], float]]


def chains(id: str, formula: str, load: data.Data, rows: Rows, tails: Tails | None = None, **model) -> Case:
    figures = {name: (ours, Posterior(*numbers)) for name, (ours, *numbers) in rows.items()}
    probabilities = (0.025, 0.25, 0.5, 0.75, 0.975)
    for name, (ours, values, ess) in (tails or {}).items():
        figures[name] = (ours, Quantiles(dict(zip(probabilities, values, strict=True)), ess, digits=4))
    said = MC_ERRORS + (f" (quantiles of {', '.join(tails)})" if tails else "")
    return Case(f"{id}, chains", formula, load, CHAINS, said, figures, **model)


def document(
    id: str, formula: str, load: data.Data, rows: Rows, tails: Tails | None = None, source: str = DOCUMENT, **model
) -> Case:
    figures = {name: (ours, Posterior(*numbers, digits=4)) for name, (ours, *numbers) in rows.items()}
    for name, (ours, values, ess) in (tails or {}).items():
        figures[name] = (ours, Quantiles(dict(zip((0.025, 0.5, 0.975), values, strict=True)), ess, digits=4))
    said = MC_ERRORS + (f" (quantiles of {', '.join(tails)})" if tails else "")
    return Case(f"{id}", formula, load, source, said, figures, **model)


def at_means(*names: str) -> Ours:
    """The intercept at the columns' means."""

    def draws(fit: bg.FittedGLMM) -> np.ndarray:
        design = fit.model.design
        means = dict(zip(design.coefs, design.X.mean(axis=0), strict=True))
        return sum((parameter(fit, f"beta[{name}]") * means[name] for name in names), parameter(fit, "Intercept"))

    return draws


def at_birth(fit: bg.FittedGLMM) -> np.ndarray:
    return parameter(fit, "Intercept") - 22 * parameter(fit, "beta[xc]")


def killed(row: int) -> Ours:
    """Expected deaths among the beetles of one row."""

    def draws(fit: bg.FittedGLMM) -> np.ndarray:
        share = bg.predictions(fit, draws="dataarray").isel(obs=row)
        return share.transpose("chain", "draw").values * frame(data.beetles)["n"][row]

    return draws


def weight(day: int) -> Ours:
    """A weight of rat 26 that was not measured."""

    def draws(fit: bg.FittedGLMM) -> np.ndarray:
        new = data.rats().query("rat == 26").iloc[[day]]
        drawn = bg.posterior_predictive(fit, new, random_seed=day)
        return drawn["posterior_predictive"]["y"].isel(obs=0).transpose("chain", "draw").values

    return draws


def equivalence(fit: bg.FittedGLMM) -> np.ndarray:
    ratio = np.exp(parameter(fit, "beta[phi]"))
    return ((ratio >= 0.8) & (ratio < 1.2)).astype(float)


def new_trial(fit: bg.FittedGLMM) -> np.ndarray:
    effect = parameter(fit, "beta[treated]")
    return effect + parameter(fit, "sd[trial][treated]") * np.random.default_rng(1).standard_normal(effect.shape)


def relative_difficulty(item: int) -> Ours:
    def draws(fit: bg.FittedGLMM) -> np.ndarray:
        every = np.stack([parameter(fit, f"-beta[item[item {i}]]") for i in range(1, 6)])
        return every[item - 1] - every.mean(axis=0)

    return draws


SEEDS = {"family": "binomial", "center": False}
SEEDS_FORMULA = "p(r, n) ~ x1 * x2 + (1 | plate)"
SALM = {
    "family": "poisson", "center": False,
    "priors": {"Intercept": VAGUE, "beta": VAGUE, "precision[plate]": GAMMA},
}  # fmt: skip
EPIL_FORMULA = "y ~ log(base / 4) * trt + log(age) + V4 + (1 | subject) + (1 | visit)"
BASE, AGE = "log(base / 4)", "log(age)"
#: The intercept's prior is at the covariates' means, as is our default.
EPIL = {
    "family": "poisson",
    "priors": {"Intercept": bg.Prior("Normal", 0, 100), "beta": bg.Prior("Normal", 0, 100),
               "precision[subject]": GAMMA, "precision[visit]": GAMMA},
}  # fmt: skip
#: Where the precision's prior ends, at a sd near zero, the density falls off a cliff: small steps.
CAREFUL = {"tune": 2000, "target_accept": 0.998}
DYES = {
    "priors": {"Intercept": bg.Prior("Normal", 0, 1e5), "precision[Batch]": GAMMA, "precision[sigma]": GAMMA},
    "sampler": CAREFUL,
}  # fmt: skip
EQUIV = {
    "center": False,
    "priors": {"Intercept": VAGUE, "beta": VAGUE, "precision[subject]": GAMMA, "precision[sigma]": GAMMA},
}  # fmt: skip
LSAT = {
    "family": "bernoulli", "draws": 1000,
    "priors": {"beta": bg.Prior("Normal", 0, 100), "sd": bg.Prior("Uniform", 0, 1000)},
}  # fmt: skip
#: A precision of 0.001; the intercept's prior is at the mean dose.
BEETLES = {"family": "binomial", "priors": dict.fromkeys(("Intercept", "beta"), bg.Prior("Normal", 0, 1000**0.5))}
RATS_FORMULA = "y ~ xc + (xc || rat)"
RATS = {
    "center": False,
    "priors": {"Intercept": VAGUE, "beta": VAGUE, "precision[rat]": GAMMA, "precision[sigma]": GAMMA},
}  # fmt: skip
#: The document's table belongs to other data or another model than it prints.
RATS_LIMITED = dict.fromkeys(
    ("mean of beta.c", "mean of Y[26,4]", "mean of Y[26,5]"),
    "the same model and data give a beta.c of 6.543 in JAGS (next row), 6.54 in the BUGS example Rats-drop, 6.545 in a "
    "conjugate Gibbs sampler (tests/published/test_gibbs.py) and 6.543 on PyMC's graph under nutpie",
)
OXFORD_FORMULA = "p(r, n) ~ 0 + stratum + case + case_year + case_year2 + (0 + case | stratum)"
OXFORD = {
    "family": "binomial", "priors": {"beta": VAGUE, "precision[stratum]": GAMMA},
    "sampler": {"tune": 1000, "target_accept": 0.95},
}  # fmt: skip
#: Gibbs sampling of 362 parameters: 20 000 draws that are worth 332 for sigma.
OXFORD_LIMITED = dict.fromkeys(
    ("sd of alpha", "sd of beta2", "sd of sigma"),
    "another edition (next row) prints sds of 0.0635, 0.00304 and 0.0623 for the same model, data and priors; "
    "ours are 0.0622, 0.00304 and 0.0677 after 40 000 draws, and PyMC's graph under nutpie gives the same",
)


def beetles(link: str, alpha: tuple, beta: tuple, deaths: tuple[tuple, ...]) -> Case:
    rows = {"alpha": ("Intercept", *alpha), "beta": ("beta[x]", *beta)}
    rows |= {f"rhat[{i}]": (killed(i - 1), *numbers) for i, numbers in enumerate(deaths, 1)}
    return document(f"Beetles, {link}", "p(r, n) ~ x", data.beetles, rows, link=link, **BEETLES)


CASES = [
    chains(
        "Seeds", SEEDS_FORMULA, data.seeds,
        {
            "alpha0": ("Intercept", -0.5516939, 0.1925895, 0.00196535, 9603),
            "alpha1": ("beta[x1]", 0.07798124, 0.3151991, 0.00301711, 10914),
            "alpha12": ("beta[x1:x2]", -0.8194781, 0.4367792, 0.0042153, 10767),
            "alpha2": ("beta[x2]", 1.353688, 0.2751457, 0.00281444, 9609),
            "deviance": (deviance, 102.0352, 6.911494, 0.1356778, 2612),
        },
        {"tau": ("sd[plate][Intercept] ** -2", (2.734, 7.24475, 13.39, 30.3, 501.12), 1127)},
        priors={"Intercept": VAGUE, "beta": VAGUE, "precision[plate]": GAMMA}, sampler=CAREFUL, **SEEDS),
    # its two tables are two runs of one posterior
    *(
        document(
            f"Seeds, {kind}", SEEDS_FORMULA, data.seeds, rows,
            priors={"Intercept": VAGUE, "beta": VAGUE, "sd": bg.Prior("Uniform", 0, 10)}, **SEEDS)
        for kind, rows in {
            "effects": {
                "alpha0": ("Intercept", -0.5484, 0.2143, 0.002605, 6764),
                "alpha1": ("beta[x1]", 0.06001, 0.3478, 0.004114, 7147),
                "alpha12": ("beta[x1:x2]", -0.8343, 0.4845, 0.005889, 6769),
                "alpha2": ("beta[x2]", 1.36, 0.3077, 0.004021, 5854),
                "sigma": ("sd[plate][Intercept]", 0.3543, 0.1491, 0.003213, 2153),
            },
            "centred effects": {
                "alpha0": ("Intercept", -0.5526, 0.2144, 0.004155, 2662),
                "alpha1": ("beta[x1]", 0.06286, 0.3438, 0.007168, 2300),
                "alpha12": ("beta[x1:x2]", -0.8416, 0.4792, 0.01004, 2278),
                "alpha2": ("beta[x2]", 1.366, 0.3025, 0.005881, 2646),
                "sigma": ("sd[plate][Intercept]", 0.3481, 0.1576, 0.003817, 1704),
            },
        }.items()
    ),
    chains(
        "Salm", "y ~ log(x + 10) + x + (1 | plate)", data.salmonella,
        {
            "alpha": ("Intercept", 2.172592, 0.3678778, 0.00436537, 7109),
            "beta": ("beta[log(x + 10)]", 0.3109719, 0.1000919, 0.00126584, 6275),
            "gamma": ("beta[x]", -0.00096961, 0.00044095, 5.645257e-06, 6101),
            "deviance": (deviance, 111.1805, 6.404793, 0.05099541, 15776),
        },
        {"tau": ("sd[plate][Intercept] ** -2", (5.154825, 10.75, 15.83, 23.7925, 66.40075), 3943)}, **SALM),
    document(
        "Salm", "y ~ log(x + 10) + I(x / 1000) + (1 | plate)", data.salmonella,
        {
            "alpha": ("Intercept", 2.169, 0.3622, 0.006463, 3140),
            "beta": ("beta[log(x + 10)]", 0.3112, 0.09932, 0.001864, 2838),
            "gamma": ("beta[I(x / 1000)]", -0.9711, 0.4455, 0.008753, 2590),
            "sigma": ("sd[plate][Intercept]", 0.2601, 0.08019, 0.001519, 2787),
        }, **SALM),
    chains(
        "Epil", EPIL_FORMULA, data.epil,
        {
            "a0": (at_means(BASE, "trt[progabide]", AGE, "V4", f"{BASE}:trt[progabide]"),
                   1.573392, 0.07980626, 0.00154434, 2671),
            "alpha.Age": (f"beta[{AGE}]", 0.4660512, 0.3654601, 0.00709709, 2652),
            "alpha.BT": (f"beta[{BASE}:trt[progabide]]", 0.3480325, 0.2124405, 0.00603631, 1266),
            "alpha.Base": (f"beta[{BASE}]", 0.8825348, 0.1381168, 0.00323546, 1864),
            "alpha.Trt": ("beta[trt[progabide]]", -0.9522975, 0.4200401, 0.00971624, 1920),
            "alpha.V4": ("beta[V4]", -0.1028644, 0.08726139, 0.00085703, 10365),
            "deviance": (deviance, 1037.113, 19.93317, 0.169212, 13876),
            "tau.b": ("sd[visit][Intercept] ** -2", 7.931228, 1.96449, 0.03399245, 3342),
            "tau.b1": ("sd[subject][Intercept] ** -2", 4.297411, 1.244724, 0.01491959, 6962),
        }, **EPIL),
    document(
        "Epil", EPIL_FORMULA, data.epil,
        {
            "alpha.Age": (f"beta[{AGE}]", 0.4549, 0.3787, 0.01157, 1070),
            "alpha.BT": (f"beta[{BASE}:trt[progabide]]", 0.3433, 0.2183, 0.009243, 557),
            "alpha.Base": (f"beta[{BASE}]", 0.8725, 0.1334, 0.004702, 805),
            "alpha.Trt": ("beta[trt[progabide]]", -0.9468, 0.4346, 0.01561, 775),
            "alpha.V4": ("beta[V4]", -0.1039, 0.08718, 0.001267, 4738),
            "alpha0": ("Intercept", -1.288, 1.295, 0.04002, 1046),
            "sigma.b": ("sd[visit][Intercept]", 0.3629, 0.04394, 0.00115, 1460),
            "sigma.b1": ("sd[subject][Intercept]", 0.4995, 0.07083, 0.001337, 2804),
        }, **EPIL),
    chains(
        "Dyes", "Yield ~ 1 + (1 | Batch)", data.shipped("Dyestuff"),
        {
            "theta": ("Intercept", 1527.184, 22.11008, 0.2055812, 11870),
            "tau.with": ("sigma ** -2", 0.00037548, 0.00012241, 2.507407e-06, 2390),
            "deviance": (deviance, 323.4118, 6.379527, 0.2397006, 709),
        },
        {"tau.btw": ("sd[Batch][Intercept] ** -2", (9.681e-05, 0.0003573, 0.00071435, 0.001866, 63.12025), 2048)},
        **DYES),
    document(
        "Dyes", "Yield ~ 1 + (1 | Batch)", data.shipped("Dyestuff"),
        {
            "theta": ("Intercept", 1527.0, 22.05, 0.1253, 30985),
            "sigma2.with": ("sigma ** 2", 2994.0, 1083.0, 14.05, 5942),
        },
        {"sigma2.btw": ("sd[Batch][Intercept] ** 2", (0.01288, 1375.0, 10320.0), 35975)}, **DYES),
    chains(
        "Equiv", "y ~ phi + pi + (1 | subject)", data.crossover,
        {
            "mu": ("Intercept", 1.43665, 0.05347307, 0.00075927, 4959),
            "phi": ("beta[phi]", -0.00783533, 0.0514121, 0.00022674, 51502),
            "pi": ("beta[pi]", -0.1799817, 0.05159588, 0.00023181, 49546),
            "tau1": ("sigma ** -2", 103.7017, 55.25922, 0.5655072, 9550),
            "deviance": (deviance, -33.33354, 9.284849, 0.1199986, 5987),
        },
        {"tau2": ("sd[subject][Intercept] ** -2", (14.49, 35.12, 54.895, 89.45, 460.1025), 4649)}, **EQUIV),
    document(
        "Equiv", "y ~ phi + pi + (1 | subject)", data.crossover,
        {
            "equiv": (equivalence, 0.9982, 0.04239, 0.0002987, 20132),
            "mu": ("Intercept", 1.435, 0.05454, 0.001215, 2013),
            "phi": ("beta[phi]", -0.00831, 0.05175, 0.0003726, 19290),
            "pi": ("beta[pi]", -0.1806, 0.05165, 0.0003662, 19899),
        }, **EQUIV),
    chains(
        "Lsat", "r ~ 0 + item + (1 | student)", data.law_school_test,
        {
            "alpha[1]": ("-beta[item[item 1]]", -2.737077, 0.1306491, 0.00084966, 23708),
            "alpha[2]": ("-beta[item[item 2]]", -1.000398, 0.07950924, 0.00049199, 26119),
            "alpha[3]": ("-beta[item[item 3]]", -0.2411819, 0.07212329, 0.00039499, 33342),
            "alpha[4]": ("-beta[item[item 4]]", -1.308164, 0.08455354, 0.00053761, 24748),
            "alpha[5]": ("-beta[item[item 5]]", -2.104205, 0.1050936, 0.0006904, 23174),
            "beta": ("sd[student][Intercept]", 0.7578034, 0.06930698, 0.0007385, 8810),
            "deviance": (deviance, 4588.471, 49.54404, 0.4928982, 10105),
        }, **LSAT),
    document(
        "Lsat", "r ~ 0 + item + (1 | student)", data.law_school_test,
        {
            "a[1]": (relative_difficulty(1), -1.26, 0.1046, 0.0008884, 13874),
            "a[2]": (relative_difficulty(2), 0.4785, 0.07034, 0.0005852, 14450),
            "a[3]": (relative_difficulty(3), 1.239, 0.06872, 0.000693, 9833),
            "a[4]": (relative_difficulty(4), 0.1693, 0.07191, 0.0005824, 15245),
            "a[5]": (relative_difficulty(5), -0.6265, 0.08605, 0.0007331, 13775),
            "beta": ("sd[student][Intercept]", 0.759, 0.0704, 0.001216, 3352),
        }, **LSAT),
    chains(
        "Beetles", "p(r, n) ~ x", data.beetles,
        {
            "alpha.star": (at_means("x"), 0.7464088, 0.1376535, 0.00078515, 30774),
            "beta": ("beta[x]", 34.33818, 2.902614, 0.01818788, 25540),
            "deviance": (deviance, 39.41527, 1.971662, 0.01191597, 27618),
        }, **BEETLES),
    beetles(
        "logit", (-60.78, 5.168, 0.05287, 9553), (34.3, 2.904, 0.02975, 9533),
        ((3.571, 0.957, 0.008556, 12508), (9.955, 1.691, 0.01549, 11921), (22.51, 2.115, 0.01977, 11446),
         (33.9, 1.768, 0.01682, 11049), (50.04, 1.655, 0.01626, 10354), (53.21, 1.108, 0.01106, 10038),
         (59.14, 0.7393, 0.007362, 10083), (58.68, 0.4284, 0.004225, 10280))),
    beetles(
        "probit", (-35.08, 2.64, 0.03017, 7658), (19.81, 1.485, 0.01749, 7206),
        ((3.429, 1.015, 0.009119, 12399), (10.74, 1.701, 0.0195, 7609), (23.47, 1.927, 0.03236, 3546),
         (33.81, 1.623, 0.03537, 2106), (49.61, 1.631, 0.03583, 2073), (53.28, 1.153, 0.02315, 2481),
         (59.61, 0.7393, 0.0135, 3000), (59.18, 0.363, 0.006089, 3554))),
    beetles(
        "cloglog", (-39.7, 3.197, 0.0327, 9553), (22.11, 1.775, 0.01794, 9789),
        ((5.646, 1.113, 0.01431, 6047), (11.31, 1.57, 0.02233, 4942), (20.94, 1.874, 0.03075, 3714),
         (30.34, 1.645, 0.03092, 2829), (47.74, 1.712, 0.03033, 3184), (54.07, 1.218, 0.01707, 5096),
         (61.02, 0.5342, 0.006165, 7509), (59.92, 0.1004, 0.001093, 8443))),
    document(
        "Rats", RATS_FORMULA, data.rats,
        {
            "alpha0": (at_birth, 106.6, 3.66, 0.0304, 14490),
            "beta.c": ("beta[xc]", 6.186, 0.1089, 0.0009952, 11976),
            "sigma": ("sigma", 6.093, 0.4643, 0.005058, 8425),
        }, **RATS),
    document(
        "Rats, weights missing", RATS_FORMULA, data.rats_with_missing,
        {
            "Y[26,2]": (weight(1), 204.7, 8.698, 0.07901, 12120),
            "Y[26,3]": (weight(2), 250.1, 10.27, 0.1201, 7312),
            "Y[26,4]": (weight(3), 295.7, 12.6, 0.1632, 5960),
            "Y[26,5]": (weight(4), 341.1, 15.41, 0.2119, 5289),
            "beta.c": ("beta[xc]", 6.576, 0.1479, 0.002422, 3726),
        }, limited=RATS_LIMITED, **RATS),
    # 10 000 draws; effective draws from the time-series errors
    Case(
        "Rats, weights missing, JAGS", RATS_FORMULA, data.rats_with_missing, JAGS, MC_ERRORS,
        {
            "alpha0": (at_birth, Posterior(101.355886930, 3.76077448586, 0.0472146936851, 6344)),
            "beta.c": ("beta[xc]", Posterior(6.543125587, 0.150166080960, 0.00238881773240, 3952)),
            "Y[26,2]": (weight(1), Posterior(204.337315, 8.78577838295, 0.101464650185, 7498)),
            "Y[26,3]": (weight(2), Posterior(249.6133488, 10.0548990666, 0.136173472502, 5452)),
            "Y[26,4]": (weight(3), Posterior(294.9184589, 12.3236867955, 0.186563611373, 4363)),
            "Y[26,5]": (weight(4), Posterior(340.1973035, 14.9198969673, 0.236919665021, 3966)),
        }, **RATS),
    document(
        "Blockers", "p(r, n) ~ 0 + trial + treated + (0 + treated | trial)", data.blockers,
        {
            "d": ("beta[treated]", -0.2502, 0.06137, 0.001762, 1213),
            "delta.new": (new_trial, -0.2501, 0.1443, 0.002002, 5201),
            "sigma": ("sd[trial][treated]", 0.1134, 0.06737, 0.002498, 727),
        }, family="binomial", sampler=CAREFUL,
        priors={"beta": bg.Prior("Normal", 0, 1e5**0.5), "beta[treated]": VAGUE, "precision[trial]": GAMMA}),
    *(
        document(f"Oxford{edition}", OXFORD_FORMULA, data.oxford, rows, source=source, limited=limited, **OXFORD)
        for edition, source, limited, rows in (
            ("", DOCUMENT, OXFORD_LIMITED, {
                "alpha": ("beta[case]", 0.5801, 0.06744, 0.001444, 2180),
                "beta1": ("beta[case_year]", -0.04641, 0.01626, 0.0003537, 2111),
                "beta2": ("beta[case_year2]", 0.007096, 0.003555, 9.006e-05, 1558),
                "sigma": ("sd[stratum][case]", 0.1105, 0.09051, 0.004961, 332),
            }),
            (", other edition", OTHER_DOCUMENT, {}, {
                "alpha": ("beta[case]", 0.577, 0.06353, 0.001187, 2862),
                "beta1": ("beta[case_year]", -0.04623, 0.01522, 0.0002702, 3172),
                "beta2": ("beta[case_year2]", 0.007002, 0.003044, 5.899e-05, 2662),
                "sigma": ("sd[stratum][case]", 0.1028, 0.06229, 0.003639, 293),
            }),
        )
    ),
]  # fmt: skip
