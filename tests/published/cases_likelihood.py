"""Likelihood fits of lme4, glmmTMB, nlme, ordinal, metafor and geepack, most of ``likelihood_fits.json``.

Coefficients: the posterior mean lies within 0.15 standard errors. Standard deviations: the posterior mode, where the
estimate is REML's or the coefficients vary within groups; maximum likelihood's are too small where coefficients vary
between groups, and are judged by the log likelihood alone. Log likelihoods: ours at the published estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import bayes_glmm as bg
from tests.published.cases import Case
from tests.published.compare import Comparison, Correlation, Estimate, Exact, Mode, half_unit
from tests.published.data import Data, blue_tits, eight_schools, epil, exam, orthodont, respiratory, shipped, wine
from tests.published.likelihood import log_likelihood_at, restricted_log_likelihood_at, saturated

LME4 = "lme4 1.1-31"
GLMMTMB = "glmmTMB"
#: Deviances of mixed models are compared to this by MixedModels.jl.
TOLERANCE = 1e-3

SLEEP = "Reaction ~ Days + (Days | Subject)"
CBPP = "p(incidence, size) ~ period + (1 | herd)"
EPIL = "y ~ lbase * trt + lage + V4 + (1 | subject)"
BACTERIA = "y ~ trt + I(week > 2) + (1 | ID)"
CONTRACEPTION = "use ~ age + I(age ** 2) + urban + livch"

Numbers = Mapping[str, float]


def likelihood(
    id: str,
    formula: str,
    data: Data,
    fixed: Mapping[str, tuple[float, float]],
    modes: Numbers | None = None,
    *,
    only_likelihood: Numbers | None = None,
    family: str = "gaussian",
    source: str = LME4,
    log_likelihood: tuple[str, float, str] | None = None,
    share: float = 0.15,
    priors: Mapping[str, bg.Prior] | None = None,
    corr: str = "mean",
    draws: int = 2500,
    fast: bool = False,
) -> Case:
    """A case; `modes` are judged, `only_likelihood` are parameters at whose values the log likelihood is taken."""
    modes = modes or {}
    figures = {name: (name, Estimate(*row, share)) for name, row in fixed.items()}
    for name, value in modes.items():
        by_mean = name.startswith("corr") and corr == "mean"
        figures[name] = (name, Correlation(value) if by_mean else Mode(value, real=name.startswith("corr")))
    more = None
    if log_likelihood:
        values = {name: row[0] for name, row in fixed.items()} | dict(modes) | dict(only_likelihood or {})
        more = _density(values, *log_likelihood)
    said = {f"{share:g} se": fixed, "modes": modes, "log likelihood": log_likelihood}
    return Case(
        id, formula, data, source, ", ".join(name for name, part in said.items() if part), figures, family,
        priors=priors or {}, draws=draws, fast=fast, more=more,
    )  # fmt: skip


def _density(values: Numbers, group: str, published: float, kind: str) -> Callable[..., list[Comparison]]:
    """The log likelihood's kind: ``"ML"``, ``"REML"``, or ``"AGQ"``, relative to the saturated model."""

    def compare(fit: bg.FittedGLMM) -> list[Comparison]:
        take = restricted_log_likelihood_at if kind == "REML" else log_likelihood_at
        ours = take(fit, values, group) - (saturated(fit) if kind == "AGQ" else 0.0)
        tolerance = TOLERANCE + half_unit(published, 7)
        return Exact(published, tolerance).compare(f"log likelihood ({kind})", ours)

    return compare


LINEAR = [
    likelihood(
        "sleepstudy_reml", SLEEP, shipped("sleepstudy"),
        {"Intercept": (251.4051, 6.824597), "beta[Days]": (10.46729, 1.54579)},
        {"sd[Subject][Intercept]": 24.74066, "sd[Subject][Days]": 5.922138, "corr[Subject]": 0.06555124,
         "sigma": 25.5918}, log_likelihood=("Subject", -871.8141, "REML"), fast=True),
    likelihood(
        "sleepstudy_ml", SLEEP, shipped("sleepstudy"),
        {"Intercept": (251.4051, 6.632123), "beta[Days]": (10.46729, 1.50223)},
        only_likelihood={"sd[Subject][Intercept]": 23.77976, "sd[Subject][Days]": 5.716799,
                         "corr[Subject]": 0.08132109, "sigma": 25.59191},
        log_likelihood=("Subject", -875.9697, "ML"), fast=True),
    likelihood(
        "sleepstudy_uncorr_reml", "Reaction ~ Days + (Days || Subject)", shipped("sleepstudy"),
        {"Intercept": (251.4051, 6.885381), "beta[Days]": (10.46729, 1.559569)},
        {"sd[Subject][Intercept]": 25.05133, "sd[Subject][Days]": 5.988187, "sigma": 25.56528},
        log_likelihood=("Subject", -871.8346, "REML")),
    likelihood(
        "sleepstudy_int_reml", "Reaction ~ Days + (1 | Subject)", shipped("sleepstudy"),
        {"Intercept": (251.4051, 9.746716), "beta[Days]": (10.46729, 0.8042214)},
        {"sd[Subject][Intercept]": 37.12383, "sigma": 30.99123}, log_likelihood=("Subject", -893.2325, "REML")),
    likelihood(
        "dyestuff_reml", "Yield ~ 1 + (1 | Batch)", shipped("Dyestuff"), {"Intercept": (1527.5, 19.38341)},
        {"sd[Batch][Intercept]": 42.0006, "sigma": 49.5101}, log_likelihood=("Batch", -159.8271, "REML")),
    likelihood(
        "dyestuff_ml", "Yield ~ 1 + (1 | Batch)", shipped("Dyestuff"), {"Intercept": (1527.5, 17.69455)},
        only_likelihood={"sd[Batch][Intercept]": 37.26035, "sigma": 49.5101},
        log_likelihood=("Batch", -163.6635, "ML")),
    # the estimate of zero is the mode, at the edge
    likelihood(
        "dyestuff2_reml", "Yield ~ 1 + (1 | Batch)", shipped("Dyestuff2"), {"Intercept": (5.6656, 0.678388)},
        {"sd[Batch][Intercept]": 0, "sigma": 3.715684}),
    likelihood(
        "penicillin_reml", "diameter ~ (1 | plate) + (1 | sample)", shipped("Penicillin"),
        {"Intercept": (22.97222, 0.8085954)},
        {"sd[plate][Intercept]": 0.8467025, "sd[sample][Intercept]": 1.931614, "sigma": 0.5499227},
        fast=True, draws=10_000),
    likelihood(
        "pastes_reml", "strength ~ (1 | batch) + (1 | sample)", shipped("Pastes"), {"Intercept": (60.05333, 0.67687)},
        {"sd[sample][Intercept]": 2.904078, "sd[batch][Intercept]": 1.287365, "sigma": 0.8234075},
        log_likelihood=("batch", -123.4954, "REML")),
    likelihood(
        "pastes_slash_reml", "strength ~ (1 | batch/cask)", shipped("Pastes"), {"Intercept": (60.05333, 0.6768702)},
        {"sd[batch:cask][Intercept]": 2.904077, "sd[batch][Intercept]": 1.287366, "sigma": 0.8234075},
        log_likelihood=("batch", -123.4954, "REML"), fast=True),
    likelihood(
        "cake_reml", "angle ~ recipe * C(temperature, contr.poly) + (1 | recipe:replicate)", shipped("cake"),
        {"Intercept": (33.12222, 1.736833), "beta[recipe[B]]": (-1.477778, 2.456253),
         "beta[recipe[C]]": (-1.522222, 2.456253), "beta[C(temperature, contr.poly)[.L]]": (6.43033, 1.168215),
         "beta[C(temperature, contr.poly)[.Q]]": (-0.7128451, 1.168215),
         "beta[C(temperature, contr.poly)[.C]]": (-2.325511, 1.168215),
         "beta[C(temperature, contr.poly)[^4]]": (-3.351285, 1.168215),
         "beta[C(temperature, contr.poly)[^5]]": (-0.1511858, 1.168215),
         "beta[recipe[B]:C(temperature, contr.poly)[.L]]": (0.4541869, 1.652106),
         "beta[recipe[C]:C(temperature, contr.poly)[.L]]": (0.0876501, 1.652106),
         "beta[recipe[B]:C(temperature, contr.poly)[.Q]]": (-0.2327657, 1.652106),
         "beta[recipe[C]:C(temperature, contr.poly)[.Q]]": (1.214746, 1.652106),
         "beta[recipe[B]:C(temperature, contr.poly)[.C]]": (2.69322, 1.652106),
         "beta[recipe[C]:C(temperature, contr.poly)[.C]]": (2.63856, 1.652106),
         "beta[recipe[B]:C(temperature, contr.poly)[^4]]": (3.023716, 1.652106),
         "beta[recipe[C]:C(temperature, contr.poly)[^4]]": (3.137105, 1.652106),
         "beta[recipe[B]:C(temperature, contr.poly)[^5]]": (-0.6635376, 1.652106),
         "beta[recipe[C]:C(temperature, contr.poly)[^5]]": (-1.625247, 1.652106)},
        {"sd[recipe:replicate][Intercept]": 6.468156, "sigma": 4.524478},
        log_likelihood=("recipe:replicate", -819.3107, "REML")),
    likelihood(
        "exam", "normexam ~ standLRT + (standLRT | school)", exam,
        {"Intercept": (-0.01150516, 0.03978273), "beta[standLRT]": (0.5567301, 0.01993753)},
        {"sd[school][Intercept]": 0.300738, "sd[school][standLRT]": 0.1205714, "corr[school]": 0.4975205,
         "sigma": 0.7440814}, log_likelihood=("school", -4658.435, "ML")),
    likelihood(
        "exam_int", "normexam ~ standLRT + (1 | school)", exam,
        {"Intercept": (0.002390757, 0.0400227), "beta[standLRT]": (0.5633712, 0.0124654)},
        {"sd[school][Intercept]": 0.303528, "sigma": 0.7521509}, log_likelihood=("school", -4678.622, "ML")),
    # 31 022 pupils: half a minute for two thousand draws
    likelihood(
        "chem97_null", "score ~ 1 + (1 | lea) + (1 | school)", shipped("Chem97"), {"Intercept": (5.319221, 0.05775753)},
        {"sd[school][Intercept]": 1.658, "sd[lea][Intercept]": 0.3864265, "sigma": 2.918238}, draws=1000),
    # four visits of 27 children tell neither sds nor correlation apart: only the likelihood judges these
    likelihood(
        "orthodont", "distance ~ age * Sex + (age | Subject)", orthodont,
        {"Intercept": (16.34062, 1.018532), "beta[age]": (0.784375, 0.08599952),
         "beta[Sex[Female]]": (1.032102, 1.595733), "beta[age:Sex[Female]]": (-0.3048295, 0.1347353)},
        only_likelihood={"sd[Subject][Intercept]": 2.4055009, "sd[Subject][age]": 0.1803455, "corr[Subject]": -0.668,
                         "sigma": 1.3100396}, log_likelihood=("Subject", -216.2908, "REML"), source="nlme"),
    # Hadfield's (2007) blue tits; the published fit gives no standard errors
    likelihood(
        "blue_tits_reml", "tarsus ~ sex + hatchdate + (1 | fosternest) + (1 | dam)", blue_tits, {},
        {"sd[fosternest][Intercept]": 0.265, "sd[dam][Intercept]": 0.470, "sigma": 0.754},
        source="REML, data of MCMCglmm"),
]  # fmt: skip

_EPIL_SD = "sd[subject][Intercept]"
COUNTS = [
    likelihood(
        "epil_glmmPQLform_laplace", EPIL, epil,
        {"Intercept": (1.832925, 0.1050957), "beta[lbase]": (0.8833874, 0.1306526),
         "beta[trt[progabide]]": (-0.3341208, 0.1473161), "beta[lage]": (0.4808375, 0.3455924),
         "beta[V4]": (-0.1597707, 0.05431072), "beta[lbase:trt[progabide]]": (0.3387806, 0.2023233)},
        only_likelihood={_EPIL_SD: 0.5010989}, family="poisson"),
    likelihood(
        "epil_agq", EPIL, epil,
        {"Intercept": (1.832764, 0.105502), "beta[lbase]": (0.8834009, 0.131137),
         "beta[trt[progabide]]": (-0.3342543, 0.1479468), "beta[lage]": (0.4805753, 0.3470367),
         "beta[V4]": (-0.1597756, 0.0545838), "beta[lbase:trt[progabide]]": (0.3388028, 0.2031941)},
        only_likelihood={_EPIL_SD: 0.502386}, family="poisson", log_likelihood=("subject", -282.4542, "AGQ")),
    likelihood(
        "epil_olre", EPIL + " + (1 | visit)", epil,
        {"Intercept": (1.770991, 0.1053954), "beta[lbase]": (0.8788746, 0.1287099),
         "beta[trt[progabide]]": (-0.3301023, 0.1451648), "beta[lage]": (0.48597, 0.3404938),
         "beta[V4]": (-0.1021283, 0.08532463), "beta[lbase:trt[progabide]]": (0.3494004, 0.1993403)},
        only_likelihood={"sd[visit][Intercept]": 0.3572766, _EPIL_SD: 0.4586953}, family="poisson"),
    likelihood(
        "epil_nbinom2", EPIL, epil,
        {"Intercept": (1.840686, 0.1065369), "beta[lbase]": (0.8836809, 0.1303831),
         "beta[trt[progabide]]": (-0.3346211, 0.1472318), "beta[lage]": (0.4798021, 0.3454317),
         "beta[V4]": (-0.1173115, 0.08711677), "beta[lbase:trt[progabide]]": (0.3380498, 0.202005)},
        only_likelihood={_EPIL_SD: 0.4640053, "phi": 7.418097}, family="negativebinomial", source=GLMMTMB),
]  # fmt: skip

BINARY = [
    likelihood(
        "cbpp_laplace", CBPP, shipped("cbpp"),
        {"Intercept": (-1.398343, 0.231214), "beta[period[2]]": (-0.991925, 0.3031506),
         "beta[period[3]]": (-1.128216, 0.3228302), "beta[period[4]]": (-1.579745, 0.4220492)},
        {"sd[herd][Intercept]": 0.6420699}, family="binomial", fast=True),
    likelihood(
        "cbpp_agq25", CBPP, shipped("cbpp"),
        {"Intercept": (-1.399224, 0.2335114), "beta[period[2]]": (-0.9914089, 0.3067682),
         "beta[period[3]]": (-1.12781, 0.3267672), "beta[period[4]]": (-1.579481, 0.4275957)},
        {"sd[herd][Intercept]": 0.6475199}, family="binomial", log_likelihood=("herd", -50.00502, "AGQ"), fast=True),
    likelihood(
        "bacteria_laplace", BACTERIA, shipped("bacteria"),
        {"Intercept": (3.547941, 0.6957836), "beta[trt[drug]]": (-1.366652, 0.676989),
         "beta[trt[drug+]]": (-0.7826413, 0.6831211), "beta[I(week > 2)]": (-1.59849, 0.4759371)},
        only_likelihood={"sd[ID][Intercept]": 1.242326}, family="bernoulli"),
    likelihood(
        "bacteria_agq", BACTERIA, shipped("bacteria"),
        {"Intercept": (3.579043, 0.701022), "beta[trt[drug]]": (-1.368947, 0.693593),
         "beta[trt[drug+]]": (-0.7891162, 0.6998014), "beta[I(week > 2)]": (-1.626857, 0.4815442)},
        only_likelihood={"sd[ID][Intercept]": 1.304313}, family="bernoulli", log_likelihood=("ID", -95.89706, "ML")),
    likelihood(
        "respiratory_agq", "outcome ~ C(centre) + treat + sex + scale(age) + baseline + (1 | subject)", respiratory,
        {"Intercept": (-0.10774, 0.7583698), "beta[C(centre)[2]]": (0.9792635, 0.5452388),
         "beta[treat[P]]": (-2.025743, 0.5442096), "beta[sex[M]]": (-0.2433881, 0.672358),
         "beta[scale(age)]": (-0.3653849, 0.2745689), "beta[baseline]": (2.917134, 0.5805336)},
        only_likelihood={"sd[subject][Intercept]": 1.984024}, family="bernoulli",
        log_likelihood=("subject", -216.0927, "ML")),
    likelihood(
        "contraception", CONTRACEPTION + " + (1 | district)", shipped("Contraception"),
        {"Intercept": (-1.035027, 0.1757456), "beta[age]": (0.003535156, 0.009278334),
         "beta[I(age ** 2)]": (-0.004562121, 0.0007293632), "beta[urban[Y]]": (0.6972851, 0.1208603),
         "beta[livch[1]]": (0.8149767, 0.1631883), "beta[livch[2]]": (0.9164595, 0.186342),
         "beta[livch[3+]]": (0.9150272, 0.1873098)},
        {"sd[district][Intercept]": 0.475236}, family="bernoulli"),
    # a likelihood has no prior on correlations: LKJ(1), and its estimate is a mode
    likelihood(
        "contraception_slope", CONTRACEPTION + " + (urban | district)", shipped("Contraception"),
        {"Intercept": (-1.064955, 0.1866327), "beta[age]": (0.003068821, 0.009390418),
         "beta[I(age ** 2)]": (-0.004491968, 0.000738143), "beta[urban[Y]]": (0.7739504, 0.1639887),
         "beta[livch[1]]": (0.8326999, 0.1651198), "beta[livch[2]]": (0.9142703, 0.1886758),
         "beta[livch[3+]]": (0.9299615, 0.1901969)},
        {"sd[district][Intercept]": 0.6203217, "sd[district][urban[Y]]": 0.7355988, "corr[district]": -0.7928517},
        family="bernoulli", priors={"corr": bg.Prior("LKJ", eta=1)}, corr="mode"),
    # nine judges: half a standard error, and wide priors: the default ones move the mode of the sd by what is allowed
    likelihood(
        "wine_clmm", "rating ~ temp + contact + (1 | judge)", wine,
        {"thresholds[1|2]": (-1.623667, 0.682441), "thresholds[2|3]": (1.513365, 0.6037533),
         "thresholds[3|4]": (4.228527, 0.8089661), "thresholds[4|5]": (6.088773, 0.9724537),
         "beta[temp[warm]]": (3.062997, 0.5953762), "beta[contact[yes]]": (1.834885, 0.5125293)},
        {"sd[judge][Intercept]": 1.131133}, family="cumulative", source="ordinal", share=0.5,
        priors={"beta": bg.Prior("Normal", 0, 100), "thresholds": bg.Prior("Normal", 0, 100)}),
]  # fmt: skip


#: REML's likelihood is the posterior's density under these; metafor's without log |X'X| / 2 (REMLf = FALSE) is lme4's.
FLAT = {"Intercept": bg.Prior("Flat"), "sd": bg.Prior("Flat")}
TRIALS = [
    likelihood(
        "bcg_reml", "se(yi, sei) ~ 1 + (1 | trial)", shipped("bcg"), {"Intercept": (-0.7145323, 0.1797815)},
        only_likelihood={"sd[trial][Intercept]": 0.3132433**0.5}, source="metafor", priors=FLAT,
        log_likelihood=("trial", -13.48485, "REML"), fast=True),
    likelihood(
        "bcg_abslat", "yi | se(sei) ~ ablat + (1 | trial)", shipped("bcg"),
        {"Intercept": (0.2514643, 0.2491037), "beta[ablat]": (-0.02910166, 0.007195555)},
        {"sd[trial][Intercept]": 0.07635469**0.5}, source="metafor", priors={**FLAT, "beta": bg.Prior("Flat")},
        log_likelihood=("trial", -13.28246, "REML")),
    # the estimate of zero is the mode, at the edge
    likelihood(
        "eightschools_reml", "se(y, s) ~ 1 + (1 | school)", eight_schools, {"Intercept": (7.685617, 4.071919)},
        {"sd[school][Intercept]": 0.0}, source="metafor", priors=FLAT),
    likelihood(
        "konstantopoulos2011", "se(yi, sei) ~ 1 + (1 | district / school)", shipped("konstantopoulos2011"),
        {"Intercept": (0.1847, 0.0846)},
        only_likelihood={"sd[district][Intercept]": 0.06506194**0.5, "sd[district:school][Intercept]": 0.03273652**0.5},
        source="metafor", priors=FLAT, log_likelihood=("district", -9.9714, "REML")),
]  # fmt: skip


def _gee(fit: bg.FittedGLMM) -> list[Comparison]:
    """Generalized estimating equations estimate what the marginal coefficients are, in another way."""
    published = {
        "Intercept": (-0.1034607, 0.8821336), "centre": (0.6494905, 0.3532235), "treat[P]": (-1.265356, 0.3466787),
        "sex[M]": (-0.1367804, 0.4402452), "age": (-0.01875636, 0.01296472), "baseline": (1.84572, 0.3459784),
    }  # fmt: skip
    table = bg.marginal_coefficients(fit)["marginal"]
    return [
        Comparison(name, "marginal coefficient", table[name], value, table[name] - value, 0.5 * se)
        for name, (value, se) in published.items()
    ]


GEE = Case(
    "respiratory_gee_exch", "outcome ~ centre + treat + sex + age + baseline + (1 | subject)", respiratory,
    "geepack 1.3.9", "0.5 se", family="bernoulli",
    more=_gee,
)  # fmt: skip

CASES = [*LINEAR, *COUNTS, *BINARY, *TRIALS, GEE]
