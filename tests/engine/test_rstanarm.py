"""A third engine with matched priors: rstanarm, where R has it. Stan's NUTS on its own implementation of the models."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayes_glmm as bg
from bayes_glmm.priors import Prior

pytestmark = pytest.mark.slow

SCRIPT = """
suppressPackageStartupMessages(library(rstanarm))
data <- read.csv("data.csv", stringsAsFactors = TRUE)
%(prepare)s
fit <- stan_glmer(%(formula)s, data = data, family = %(family)s,
                  prior_intercept = normal(%(m)s, %(s)s, autoscale = FALSE),
                  prior = normal(0, %(b)s, autoscale = FALSE),
                  # of one coefficient: its sd has a Gamma(shape, scale) prior, here Exponential(1)
                  prior_covariance = decov(shape = 1, scale = 1), QR = FALSE,
                  chains = 4, iter = 3500, warmup = 1000, cores = 2, seed = 3, refresh = 0)
draws <- as.data.frame(fit)
write.csv(draws[, !grepl("^b\\\\[", names(draws))], "draws.csv", row.names = FALSE)
"""
#: data set -> ours, family; theirs, family, preparation; intercept's prior, slopes' sd; their names -> ours
CASES = {
    "cbpp": (
        "p(incidence, size) ~ period + (1 | herd)", "binomial",
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", "binomial",
        "data$period <- factor(data$period)", (-1.0, 2.0), 1.5,
        {"(Intercept)": "Intercept", "period2": "period[2]", "period3": "period[3]", "period4": "period[4]"},
    ),
    "epil": (
        "y ~ lbase + trt + lage + V4 + (1 | subject)", "poisson",
        "y ~ lbase + trt + lage + V4 + (1 | subject)", "poisson", "", (1.5, 2.0), 1.0,
        {"(Intercept)": "Intercept", "lbase": "lbase", "lage": "lage", "V4": "V4", "trtprogabide": "trt[progabide]"},
    ),
    "Contraception": (
        "use ~ age + urban + (1 | district)", "bernoulli",
        "use ~ age + urban + (1 | district)", "binomial", 'data$use <- as.integer(data$use == "Y")', (-0.5, 2.0), 1.0,
        {"(Intercept)": "Intercept", "age": "age", "urbanY": "urban[Y]"},
    ),
}  # fmt: skip


def rstanarm_is_here() -> bool:
    if shutil.which("Rscript") is None:
        return False
    return subprocess.run(["Rscript", "-e", "library(rstanarm)"], capture_output=True).returncode == 0


@pytest.fixture(scope="module", autouse=True)
def needs_rstanarm():
    if not rstanarm_is_here():
        pytest.skip("R with rstanarm is not installed")


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize("name", CASES)
def test_rstanarm_agrees(name, tmp_path, models):
    ours, family, formula, their_family, prepare, intercept, slope, names = CASES[name]
    data = bg.load_dataset(name)
    data.to_csv(tmp_path / "data.csv", index=False)
    fields = {"formula": formula, "family": their_family, "prepare": prepare, "m": intercept[0], "s": intercept[1]}
    (tmp_path / "fit.R").write_text(SCRIPT % {**fields, "b": slope})
    done = subprocess.run(["Rscript", "fit.R"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    draws = pd.read_csv(tmp_path / "draws.csv", header=0)
    priors = {
        "Intercept": Prior("Normal", *intercept),
        "beta": Prior("Normal", 0, slope),
        "sd": Prior("Exponential", 1),
    }
    fit = bg.GLMM(ours, data, family=family, priors=priors).fit(draws=2500, random_seed=5, progressbar=False)
    group = fit.model.design.groups[0].name
    pairs = {their: fit.posterior["beta"].sel(coef=our).to_numpy() for their, our in names.items()}
    (sigma,) = [column for column in draws if column.startswith("Sigma[")]
    draws[sigma] = np.sqrt(draws[sigma])
    pairs[sigma] = fit.posterior[f"sd_{group}"].to_numpy()[..., 0]
    dims = ("chain", "draw")
    mine = xr.Dataset({column: (dims, values) for column, values in pairs.items()})
    theirs = xr.Dataset({column: (dims, draws[column].to_numpy().reshape(4, 2500)) for column in pairs})
    models.check_agreement(mine, theirs)
