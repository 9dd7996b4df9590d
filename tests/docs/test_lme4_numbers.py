"""The phrase book's pairs give the same numbers as lme4 and glmmTMB where a posterior and an estimate mean the same."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

import bayes_glmm as bg

SCRIPT = r"""
suppressMessages({library(lme4); library(glmmTMB)})
fm <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
gm <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial)
epil <- MASS::epil; epil$subject <- factor(epil$subject)
nb <- glmmTMB(y ~ trt * lbase + lage + (1 | subject), epil, family = nbinom2)
se <- function(m) unname(sqrt(diag(as.matrix(if (inherits(m, "glmmTMB")) vcov(m)$cond else vcov(m)))))
cat("{")
put <- function(name, x, end = ",") {
  cat(sprintf('"%s": [%s]%s', name, paste(format(x, digits = 10), collapse = ","), end))
}
put("fm_fixef", unname(fixef(fm))); put("fm_se", se(fm)); put("fm_fitted", unname(fitted(fm)))
put("fm_population", unname(predict(fm, re.form = NA)))
put("gm_fixef", unname(fixef(gm))); put("gm_se", se(gm)); put("gm_link", unname(predict(gm, re.form = NA)))
put("nb_fixef", unname(fixef(nb)$cond)); put("nb_se", se(nb)); put("nb_sigma", sigma(nb))
put("nb_link", unname(predict(nb, re.form = NA)), "}")
"""


def installed() -> bool:
    if shutil.which("Rscript") is None:
        return False
    found = subprocess.run(["Rscript", "-e", "library(lme4); library(glmmTMB)"], capture_output=True)
    return found.returncode == 0


@pytest.fixture(scope="module")
def there() -> dict[str, np.ndarray]:
    done = subprocess.run(["Rscript", "-e", SCRIPT], capture_output=True, text=True, check=True)
    return {name: np.array(values) for name, values in json.loads(done.stdout).items()}


def distances(fit, by):
    """How far posterior means of coefficients lie from the estimates, in their standard errors."""
    means = fit.posterior["beta"].mean(("chain", "draw")).to_numpy()
    return np.abs(means - by[0]) / by[1]


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="needs R with lme4 and glmmTMB")
def test_the_numbers_of_lme4_and_glmmtmb(there):
    fm = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy")).fit(random_seed=1)
    cbpp = bg.load_dataset("cbpp")
    gm = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", cbpp, family="binomial").fit(random_seed=1)
    epil = bg.load_dataset("epil")
    nb = bg.GLMM("y ~ trt * lbase + lage + (1 | subject)", epil, family="nbinom2").fit(random_seed=1)
    order = _order(nb, there)
    for fit, name, places in ((fm, "fm", slice(None)), (gm, "gm", slice(None)), (nb, "nb", order)):
        by = there[f"{name}_fixef"][places], there[f"{name}_se"][places]
        # 0.15 of wide priors, as in tests/published, and the Monte-Carlo error
        assert (distances(fit, by) < 0.2).all(), (name, distances(fit, by))
    # fitted values and those without group effects, in units of the residual sd and of the link
    fitted = bg.predictions(fm)["estimate"].to_numpy()
    assert np.abs(fitted - there["fm_fitted"]).max() < 0.3 * 25.6
    population = bg.predictions(fm, random_effects="typical")["estimate"].to_numpy()
    assert np.abs(population - there["fm_population"]).max() < 1.5
    for fit, name in ((gm, "gm"), (nb, "nb")):
        link = bg.predictions(fit, scale="link", random_effects="typical")["estimate"].to_numpy()
        assert np.abs(link - there[f"{name}_link"]).max() < 0.12
    phi = nb.posterior["phi"]
    assert float(phi.quantile(0.05)) < there["nb_sigma"][0] < float(phi.quantile(0.95))


def _order(fit, there):
    """Coefficients of R's order (interaction last) in ours."""
    names = list(fit.posterior["coef"].to_numpy())
    theirs = ["Intercept", "trt[progabide]", "lbase", "lage", "trt[progabide]:lbase"]
    assert sorted(names) == sorted(theirs), names
    return [theirs.index(name) for name in names]
