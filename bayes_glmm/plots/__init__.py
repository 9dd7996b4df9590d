"""One plot a file: it computes nothing, takes a result, returns a Figure or Axes. Matplotlib loads on first use."""

from bayes_glmm.errors import nearest
from bayes_glmm.plots.calibration import calibration
from bayes_glmm.plots.conditional_marginal import conditional_marginal
from bayes_glmm.plots.forest import forest
from bayes_glmm.plots.funnel import funnel
from bayes_glmm.plots.laplace_vs_nuts import laplace_vs_nuts
from bayes_glmm.plots.ppc import ppc
from bayes_glmm.plots.predictions import predictions
from bayes_glmm.plots.predictive_check import predictive_check
from bayes_glmm.plots.prior_posterior import prior_posterior
from bayes_glmm.plots.random_effects import random_effects
from bayes_glmm.plots.residuals import residuals
from bayes_glmm.plots.shrinkage import shrinkage
from bayes_glmm.plots.trace import trace
from bayes_glmm.plots.variance_components import variance_components

__all__ = [
    "calibration",
    "conditional_marginal",
    "forest",
    "funnel",
    "laplace_vs_nuts",
    "ppc",
    "predictions",
    "predictive_check",
    "prior_posterior",
    "random_effects",
    "residuals",
    "shrinkage",
    "trace",
    "variance_components",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    hint = "" if name.startswith("_") else f". {nearest(name, __all__)} ArviZ's plots take fit.dt."
    raise AttributeError(f"module 'bayes_glmm.plots' has no attribute {name!r}{hint}")
