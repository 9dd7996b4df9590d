"""Names of families and links, this package's and others': each is found, or refused with what it is for."""

from __future__ import annotations

import pytest

from bayes_glmm.errors import GLMMError
from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS
from bayes_glmm.spec.family import read_family

FOUND = {
    "gaussian": ("normal", "Normal", "gaussian()", "gaussian('log')"),
    "student": ("t", "student_t", "StudentT", "t_family", "student(identity)"),
    "bernoulli": ("Bernoulli", 'bernoulli(link = "cloglog")'),
    "binomial": ("binomial(probit)", "stats::binomial(link='logit')"),
    "poisson": ("Poisson", " poisson( log ) "),
    "negativebinomial": ("nb", "negbin", "negbinomial", "nbinom2", "negative_binomial", "negative.binomial",
                         "NegativeBinomial", "neg_binomial_2", "negbinomial(log)"),
    "negativebinomial1": ("nbinom1", "nb1"),
    "generalizedpoisson": ("genpois", "generalized_poisson(log)"),
    "zero_inflated_poisson": ("zip", "ziP", "ZeroInflatedPoisson", "zero_inflated_poisson(log)"),
    "zero_inflated_negativebinomial": ("zinb", "zero_inflated_negbinomial", "ZeroInflatedNegativeBinomial"),
    "zero_inflated_binomial": ("zib", "ZeroInflatedBinomial"),
    "zero_inflated_betabinomial": ("zero_inflated_beta_binomial",),
    "hurdle_poisson": ("hurdle_poisson()", "HurdlePoisson"),
    "hurdle_negativebinomial": ("hurdle_negbinomial", "HurdleNegativeBinomial"),
    "hurdle_gamma": ("ziGamma", "HurdleGamma"),
    "hurdle_lognormal": ("HurdleLogNormal",),
    "betabinomial": ("beta_binomial", "glmmTMB::betabinomial(link = 'logit')"),
    "inversegaussian": ("inverse.gaussian", "inverse.gaussian('1/mu^2')", "wald", "Inverse_Gaussian"),
    "skewnormal": ("skew_normal", "SkewNormal"),
    "zero_one_inflated_beta": ("zoib",),
    "ordbeta": ("ordbeta()", "ordered_beta"),
    "gamma": ("Gamma", "Gamma(log)", "Gamma(link = 'inverse')"),
    "lognormal": ("LogNormal", "log_normal"),
    "beta": ("Beta", "beta_family", "Beta(probit)"),
    "cumulative": ("ordinal", "polr", "cumulative('logit')", 'cumulative("probit")', "Cumulative(cloglog)"),
    "tweedie": ("tweedie(link = 'log')", "Tweedie", "compound_poisson"),
    "sratio": ("sequential", "sratio('probit')", "StoppingRatio"),
    "cratio": ("continuation_ratio", "cratio(cloglog)"),
    "acat": ("adjacent", "acat('logit')"),
    "categorical": ("multinom", "categorical('logit')"),
    "vonmises": ("von_mises", "VonMises", "von_mises('tan_half')"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "other"), [(name, other) for name, others in FOUND.items() for other in others])
def test_families_are_found_by_others_names(name, other):
    family, link = read_family(other, None)
    stated = other.rstrip(" )").rpartition("(")[2].rpartition("=")[2].strip(" '\"") if "(" in other else ""
    assert (family, link) == (FAMILIES[name], LINKS[stated or FAMILIES[name].links[0]])


def test_every_family_is_found_by_its_names_with_every_link():
    for family in FAMILIES.values():
        for name in (family.name, *family.aliases):
            for link in family.links:
                assert read_family(f"{name}({link})", None) == read_family(family, link) == (family, LINKS[link])
    assert read_family("gamma", "Reciprocal")[1] is LINKS["inverse"]
    assert read_family("Gamma(log)", "log")[1] is LINKS["log"]


NOT_AVAILABLE = [
    ("truncated_poisson", "family='hurdle_poisson'"),
    ("compois", "'generalizedpoisson'"),
    ("xbeta", "proportions that may be 0 or 1"),
    ("frechet", "times until an event"),
    ("cox", "link='cloglog'"),
    ("multinomial('logit')", "a row for each single response"),
    ("hurdle_cumulative", "zero as the lowest category"),
    ("quasipoisson", "without a distribution"),
    ("sinh_arcsinh", "'skewnormal'"),
    ("asym_laplace", "quantiles"),
    ("mixture", "mixtures"),
]


@pytest.mark.parametrize(("name", "words"), NOT_AVAILABLE)
def test_families_that_are_not_available_say_what_they_are_for(name, words):
    with pytest.raises(GLMMError, match=f"is not available. It is for .*{words}|is not available. .*{words}"):
        read_family(name, None)


REFUSED = [
    (("gausian", None), "Did you mean 'gaussian'"),
    (("poisson(link='log', x=2)", None), "a name and its link"),
    (("", None), "must be a name"),
    (("gamma(log)", "identity"), "two links; state one"),
    (("poisson(logit)", None), "has no link 'logit'"),
    (("poisson", "squareplus"), "use link='softplus'"),
    (("bernoulli", "probit_approx"), "For bernoulli: logit, probit, cloglog"),
    (("gamma", "1/mu^2"), "has no link '1/mu\\^2'"),
    (("poisson", "foo"), "There is no link 'foo'"),
    ((3, None), "family must be a name"),
    (("poisson", 3), "link must be a name"),
]


@pytest.mark.parametrize(("args", "words"), REFUSED)
def test_what_is_refused(args, words):
    with pytest.raises(GLMMError, match=words):
        read_family(*args)
