"""Names of other packages: each leads to an error that says what to write, and what it says is run here as written."""

from __future__ import annotations

import re
import warnings

import arviz
import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from bayes_glmm.report import pointers

#: What people try on a fit: statsmodels, lme4, brms, rstanarm, Bambi, scikit-learn.
TRIED = [
    "params", "bse", "conf_int", "fittedvalues", "resid", "predict", "summary2", "random_effects", "cov_re", "pvalues",
    "tvalues", "llf", "fe_params", "vcomp", "aic", "bic", "nobs", "converged", "rsquared", "coef_", "predict_proba",
    "t_test", "get_margeff", "fitted", "residuals", "ranef", "fixef", "coef", "confint", "VarCorr", "logLik", "anova",
    "posterior_predict", "posterior_epred", "posterior_linpred", "conditional_effects", "prior_summary", "hypothesis",
    "pp_check", "bayes_R2", "waic", "loo", "kfold", "icc", "r2", "as_draws_df", "trace", "idata", "plot", "plot_trace",
]  # fmt: skip
#: A piece of code: a name, attributes, and calls or subscripts with brackets up to two deep.
_INSIDE = r"(?:[^()\[\]{}]|\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\]|\{[^{}]*\})*"
CODE = re.compile(rf"(?:len\(fit|\b(?:bg|fit|model|arviz)\.)[\w.]*(?:\({_INSIDE}\)|\[{_INSIDE}\])*[\w.()]*")


@pytest.fixture(scope="module")
def fit():
    rng, rows = np.random.default_rng(3), 40
    data = pd.DataFrame(
        {"x": rng.integers(0, 2, rows), "z": rng.normal(size=rows), "g": np.resize(list("abcde"), rows)}
    )
    data["y"] = data["x"] + rng.normal(size=rows)
    options = {"draws": 100, "tune": 100, "chains": 4, "random_seed": 1, "progressbar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bg.GLMM("y ~ x + z + (z | g)", data).fit(**options)


@pytest.fixture(scope="module")
def fits_of_a_kind():
    """What some functions are about: trials with standard errors, animals with parents."""
    herd = bg.simulate("animals", pairs=4, young=2, generations=2, random_seed=1)
    animals = {"data": herd.dropna(subset="weight"), "covariances": {"animal": bg.Pedigree(herd)}}
    options = {"draws": 50, "tune": 100, "random_seed": 1, "progressbar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trials = bg.GLMM("se(yi, sei) ~ 1 + (1 | study)", bg.load_dataset("bcg")).fit(**options)
        inherited = bg.GLMM("weight ~ sex + (1 | animal)", **animals).fit(**options)
    trait = dict.fromkeys(("heritability", "evolvability"), inherited)
    about_studies = ("heterogeneity", "studies", "I2", "i2", "H2", "tau2", "tau", "blup")
    return dict.fromkeys(about_studies, trials) | trait


def pieces(advice: str) -> list[str]:
    """The code in a sentence, with what it leaves to the reader filled in."""
    found = [match[0].rstrip(".") for match in CODE.finditer(advice)]
    short = "(draws=10, tune=50, random_seed=1, progressbar=False)"
    return [
        one.replace("model.fit(...)", f"model.fit{short}").replace("model.fit()", f"model.fit{short}") for one in found
    ]


def marked(row):
    """Advice that refits or builds a graph takes a minute and more."""
    long = re.search(r"sbc|kfold|to_pymc", row[2])
    return pytest.param(*row, marks=pytest.mark.slow if long else ())


ADVICE = (
    [("fit", name, text) for name, text in pointers._OF_A_FIT.items()]
    + [("fit", name, f"bg.{name}(fit)") for name in pointers._FUNCTIONS if name not in pointers._OF_VARIABLES]
    + [("model", name, text) for name, text in pointers._OF_A_MODEL.items()]
)


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
@pytest.mark.parametrize(
    ("kind", "name", "advice"), list(map(marked, ADVICE)), ids=[f"{kind}-{name}" for kind, name, _ in ADVICE]
)
def test_what_a_pointer_says_can_be_done(kind, name, advice, fit, fits_of_a_kind, tmp_path):
    code, fit = pieces(advice), fits_of_a_kind.get(name, fit)
    assert code, f"the advice for {name!r} names nothing to write: {advice!r}"
    names = {"bg": bg, "fit": fit, "model": fit.model, "arviz": arviz, "path": fit.save(tmp_path / "fit.nc")}
    for one in code:
        if "graph()" in one:  # needs Graphviz, and says so
            assert callable(fit.model.graph)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a hundred draws are few
            assert eval(one, dict(names)) is not None, one


@pytest.mark.parametrize("name", TRIED)
def test_what_people_try_on_a_fit_is_answered(name, fit):
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'\. Use .*(bg|fit|arviz)\."):
        getattr(fit, name)
    assert not hasattr(fit, name)


@pytest.mark.parametrize("name", sorted(pointers._OF_THE_PACKAGE))
def test_what_people_look_for_in_the_package_is_answered(name):
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'\. Use (bg|fit)\."):
        getattr(bg, name)


@pytest.mark.parametrize("name", ["sei", "vi", "status"])
def test_what_is_known_of_rows_belongs_to_the_formula(name):
    with pytest.raises(GLMMError, match=rf"GLMM has no argument '{name}': .* in the formula: '(se|censored)\("):
        bg.GLMM("yi ~ 1", bg.load_dataset("bcg"), **{name: "sei"})


def test_code_is_found_in_sentences():
    assert pieces("bg.predictions(fit, bg.grid(fit, x=[0, 1]), random_effects='typical')") == [
        "bg.predictions(fit, bg.grid(fit, x=[0, 1]), random_effects='typical')"
    ]
    assert pieces("fit.summary()['sd']; len(fit.model.design.frame)") == [
        "fit.summary()['sd']",
        "len(fit.model.design.frame)",
    ]
    assert pieces("bg.compare({'small': bg.loo(fit), 'large': bg.loo(fit)}), with") == [
        "bg.compare({'small': bg.loo(fit), 'large': bg.loo(fit)})"
    ]
